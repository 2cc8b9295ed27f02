//! Enrolment and sync: what goes wrong before or without a server.

use insta::assert_snapshot;
use outlet_core::identity::{SecretKey, ServerAddress, Ticket, TicketSecret};
use outlet_core::ids::PersonId;
use outlet_edge::testing::{root_key, server_key};

use crate::device::{Device, Role};

#[test]
fn a_ticket_that_is_no_ticket_is_refused() {
    let mut device = Device::fresh();
    assert_snapshot!(device.transcript(&["enroll hello", "enroll outlet1:abcd", "enroll outlet9:abcd"]), @r#"
    $ outlet enroll hello
    ! error: this ticket cannot be used
    !   because: a ticket starts with "outlet1:": copy the whole line
    ! hint: copy the whole ticket again, without line breaks; or scan its QR code; or ask for a new one
    [exit 1]
    $ outlet enroll outlet1:abcd
    ! error: this ticket cannot be used
    !   because: the ticket has a typing error or was altered: copy it again, or scan the QR code
    ! hint: copy the whole ticket again, without line breaks; or scan its QR code; or ask for a new one
    [exit 1]
    $ outlet enroll outlet9:abcd
    ! error: this ticket cannot be used
    !   because: the ticket is of version 9, this program knows version 1: update the program
    ! hint: copy the whole ticket again, without line breaks; or scan its QR code; or ask for a new one
    [exit 1]
    "#);
    assert!(!device.home().exists(), "nothing is made for a ticket that cannot be read");
}

#[test]
fn sync_options_are_checked() {
    assert_snapshot!(Device::of("张三", Role::Inspector, None).transcript(&[
        "sync --max-bytes lots",
        "sync --max-time soon",
        "sync --server nowhere",
        "sync --fetch all",
    ]), @r#"
    $ outlet sync --max-bytes lots
    ! error: "lots" is not an amount of bytes
    ! hint: write --max-bytes 5MB, 800kB or 2MiB
    [exit 1]
    $ outlet sync --max-time soon
    ! error: "soon" is not a time
    ! hint: write --max-time 90s, 10min or 2h
    [exit 1]
    $ outlet sync --server nowhere
    ! error: a server address is quic://host:port or tls://host:port such as quic://203.0.113.7:4433, got "quic://nowhere"
    ! hint: write --server quic://203.0.113.7:4433; leave it out for the addresses of the ticket
    [exit 1]
    $ outlet sync --fetch all
    ! error: "all" is not a value of --fetch
    ! hint: valid: nothing, previews, everything
    [exit 1]
    "#);
}

/// A ticket of the test system, for an address where nobody listens.
fn ticket(root: SecretKey, expires_at: &str) -> String {
    let server: ServerAddress = "tls://127.0.0.1:9".parse().unwrap();
    let ticket = Ticket {
        addresses: vec![server],
        root: root.public(),
        server: server_key().public(),
        secret: TicketSecret::from_bytes([7; 16]),
        role: Role::Inspector,
        level: None,
        collections: ["511902".parse().unwrap()].into(),
        name: "张三".to_owned(),
        person: PersonId([1; 16]),
        expires_at: expires_at.parse().unwrap(),
    };
    ticket.to_text()
}

#[test]
fn an_expired_or_altered_ticket_is_refused_before_any_connection() {
    let expired = ticket(root_key(), "2023-01-01T00:00:00Z");
    let good = ticket(root_key(), "2024-01-01T00:00:00Z");
    let at = good.len() - 20;
    let other = if good.as_bytes()[at] == b'a' { "b" } else { "a" };
    let altered = format!("{}{other}{}", &good[..at], &good[at + 1..]);
    let mut device = Device::fresh();
    let shown = device.transcript(&[&format!("enroll {expired}"), &format!("enroll {altered}"), "enroll -"]);
    assert_snapshot!(shown.replace(&expired, "EXPIRED").replace(&altered, "ALTERED"), @r#"
    $ outlet enroll EXPIRED
    ! error: this ticket cannot be used
    !   because: the ticket expired at 2023-01-01T00:00:00Z: ask for a new one
    ! hint: ask the administrator for a new ticket; if the date looks wrong, check this device's clock
    [exit 1]
    $ outlet enroll ALTERED
    ! error: this ticket cannot be used
    !   because: the ticket has a typing error or was altered: copy it again, or scan the QR code
    ! hint: copy the whole ticket again, without line breaks; or scan its QR code; or ask for a new one
    [exit 1]
    $ outlet enroll -
    ! error: this ticket cannot be used
    !   because: a ticket starts with "outlet1:": copy the whole line
    ! hint: copy the whole ticket again, without line breaks; or scan its QR code; or ask for a new one
    [exit 1]
    "#);
    assert!(!device.home().exists());
}

#[test]
fn a_server_that_cannot_be_reached_loses_nothing() {
    let good = ticket(root_key(), "2024-01-01T00:00:00Z");
    let mut device = Device::fresh();
    let shown = device.transcript(&[&format!("enroll {good}"), "status", "add --lon 106.77 --lat 31.85"]);
    assert_snapshot!(shown.replace(&good, "TICKET"), @r#"
    $ outlet enroll TICKET
    ! error: the server could not be reached
    !   because: no server address could be reached: tls://127.0.0.1:9: connecting to 127.0.0.1:9 (TCP) failed: Connection refused (os error 111)
    ! hint: check the network and the address (outlet status shows it); everything stays on this device until the next sync
    [exit 1]
    $ outlet status
    records: 0 on device, 0 sent, 0 stored, 0 in ledger, 0 held
    photos: 0 on device, 0 sent, 0 stored, 0 in ledger, 0 held
    attachments: 0 on device, 0 sent, 0 stored, 0 in ledger, 0 held
    to send: 0 changes, 0 files
    last proof: none yet; `outlet sync` makes one
    member: not enrolled; `outlet enroll TICKET`
    server: tls://127.0.0.1:9
    [exit 0]
    $ outlet add --lon 106.77 --lat 31.85
    ! error: this device is not enrolled yet
    ! hint: ask the administrator for a ticket, then run: outlet enroll TICKET
    [exit 1]
    "#);
    let mut member = Device::with_outlet();
    assert_snapshot!(member.transcript(&["sync --server tls://127.0.0.1:9", "sync --server tls://127.0.0.1:9 --json"]), @r#"
    $ outlet sync --server tls://127.0.0.1:9
    ! error: the server could not be reached
    !   because: no server address could be reached: tls://127.0.0.1:9: connecting to 127.0.0.1:9 (TCP) failed: Connection refused (os error 111)
    ! hint: check the network and the address (outlet status shows it); everything stays on this device until the next sync
    [exit 1]
    $ outlet sync --server tls://127.0.0.1:9 --json
    ! {"error":{"kind":"user","message":"the server could not be reached","causes":["no server address could be reached: tls://127.0.0.1:9: connecting to 127.0.0.1:9 (TCP) failed: Connection refused (os error 111)"],"hints":["check the network and the address (outlet status shows it); everything stays on this device until the next sync"]}}
    [exit 1]
    "#);
    assert_eq!(member.json("list")[0]["state"], "on_device");
}

#[test]
fn a_ticket_of_another_system_needs_a_home_of_its_own() {
    let foreign = ticket(SecretKey::from_bytes([9; 32]), "2024-01-01T00:00:00Z");
    let shown = Device::with_outlet().transcript(&[&format!("enroll {foreign}")]);
    assert_snapshot!(shown.replace(&foreign, "TICKET"), @r#"
    $ outlet enroll TICKET
    ! error: this store belongs to another system (root 730a-5edc-28c2-f8da-f2d9), and the ticket is of root dbc2-9825-1c51-321b-7266
    ! hint: enrol in a directory of its own: outlet --home DIR enroll TICKET
    [exit 1]
    "#);
}

#[test]
fn a_backup_is_restored_into_an_empty_home() {
    let mut device = Device::with_outlet();
    assert_snapshot!(device.transcript(&[
        "doctor",
        "doctor --rebuild-index --json",
        "backup DIR/card.backup",
        "backup DIR/card.backup",
        "restore DIR/card.backup",
        "restore DIR/missing.backup",
    ]), @r#"
    $ outlet doctor
    healthy: 2 commits, 0 files
    [exit 0]
    $ outlet doctor --rebuild-index --json
    {"healthy":true,"findings":[],"commits":2,"files":0,"wrong_rows":0,"exported":null}
    [exit 0]
    $ outlet backup DIR/card.backup
    DIR/card.backup
    ! Backup complete: 0 files, 1727 bytes. Keep it as safe as the device.
    [exit 0]
    $ outlet backup DIR/card.backup
    ! error: DIR/card.backup is there already
    ! hint: name another file: an older backup is never overwritten
    [exit 1]
    $ outlet restore DIR/card.backup
    ! error: DIR/home holds a store already
    ! hint: restore into an empty directory
    [exit 1]
    $ outlet restore DIR/missing.backup
    ! error: DIR/home holds a store already
    ! hint: restore into an empty directory
    [exit 1]
    "#);
    let (from, home) = (device.path("card.backup"), device.dir.path().join("other"));
    let restored = device.env.run(&home, &["restore", &from]);
    assert_eq!(restored.code, 0, "{}", restored.stderr);
    let listed = device.env.run(&home, &["list"]);
    assert!(listed.stdout.contains("T-1"), "{}\n{}", listed.stdout, listed.stderr);
}

#[test]
fn a_second_process_and_a_missing_store_are_named() {
    let mut device = Device::fresh();
    assert_snapshot!(device.transcript(&["list", "backup DIR/x", "doctor"]), @r#"
    $ outlet list
    ! error: there is no store in DIR/home
    ! hint: enrol with `outlet enroll TICKET` first
    [exit 1]
    $ outlet backup DIR/x
    ! error: there is no store in DIR/home
    ! hint: enrol with `outlet enroll TICKET` first
    [exit 1]
    $ outlet doctor
    ! error: there is no store in DIR/home
    ! hint: enrol with `outlet enroll TICKET` first
    [exit 1]
    "#);
    let file = device.path("file");
    std::fs::write(&file, "").unwrap();
    let below = std::path::Path::new(&file).join("home");
    let ran = device.env.run(&below, &["enroll", &ticket(root_key(), "2024-01-01T00:00:00Z")]);
    assert_eq!(ran.code, 1, "{}", ran.stderr);
    assert!(ran.stderr.contains("hint: "), "{}", ran.stderr);
}

#[test]
fn damage_in_the_journal_is_described_in_words_and_the_rest_exported() {
    let mut device = Device::with_outlet();
    device.does("classify T-1 ban");
    device.does("classify T-1 merge");
    let segment = device.home().join("journal/00000001.seg");
    let mut bytes = std::fs::read(&segment).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0xff;
    std::fs::write(&segment, bytes).unwrap();
    // The clean mark still trusts the index; an examination reads every frame.
    let shown = device.transcript(&["doctor --export DIR/frames", "doctor --json", "list"]);
    assert!(!shown.contains("Damage {") && !shown.contains("FrameHash"), "{shown}");
    assert_snapshot!(shown, @r#"
    $ outlet doctor --export DIR/frames
    damaged: 3 commits, 0 files
    journal_damaged: segment 1, from byte 571: the contents of a frame are damaged; frame 2 is missing, frame 3 is readable again
    index_wrong: 12 rows of the index were wrong; it was built anew
    ! 3 frames exported.
    ! error: the store is damaged; what is readable stays readable
    ! hint: export it with `outlet doctor --export FILE`, then `outlet restore` a backup into a new home, or enrol anew and sync
    [exit 1]
    $ outlet doctor --json
    {"healthy":false,"findings":[{"code":"journal_damaged","message":"segment 1, from byte 571: the contents of a frame are damaged; frame 2 is missing, frame 3 is readable again"}],"commits":3,"files":0,"wrong_rows":0,"exported":null}
    ! warning: the index was rebuilt from the journal (the store was not closed and the machine was started anew since).
    ! warning: the journal is damaged in the middle, so the store is read-only: `outlet doctor` says where; what is readable can be exported with `outlet doctor --export FILE`.
    ! {"error":{"kind":"user","message":"the store is damaged; what is readable stays readable","causes":[],"hints":["export it with `outlet doctor --export FILE`, then `outlet restore` a backup into a new home, or enrol anew and sync"]}}
    [exit 1]
    $ outlet list
    UUID  -  -  -  -  held  0 photos
    ! warning: the index was rebuilt from the journal (the store was not closed and the machine was started anew since).
    ! warning: the journal is damaged in the middle, so the store is read-only: `outlet doctor` says where; what is readable can be exported with `outlet doctor --export FILE`.
    ! 1 outlets.
    [exit 0]
    "#);
}
