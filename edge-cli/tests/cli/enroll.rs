//! Enrolment and sync: what goes wrong before or without a server.

use insta::assert_snapshot;
use outlet_core::identity::{SecretKey, ServerAddress, Ticket, TicketSecret};
use outlet_core::ids::PersonId;
use outlet_edge::testing::{root_key, server_key};

use crate::device::{Device, Role};

#[test]
fn a_ticket_that_is_no_ticket_is_refused() {
    let mut device = Device::fresh();
    assert_snapshot!(device.transcript(&["enroll hello", "enroll outlet1:abcd", "enroll outlet9:abcd"]), @"");
    assert!(!device.home().exists(), "nothing is made for a ticket that cannot be read");
}

#[test]
fn sync_options_are_checked() {
    assert_snapshot!(Device::of("张三", Role::Inspector, None).transcript(&[
        "sync --max-bytes lots",
        "sync --max-time soon",
        "sync --server nowhere",
        "sync --fetch all",
    ]), @"");
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
    assert_snapshot!(shown.replace(&expired, "EXPIRED").replace(&altered, "ALTERED"), @"");
    assert!(!device.home().exists());
}

#[test]
fn a_server_that_cannot_be_reached_loses_nothing() {
    let good = ticket(root_key(), "2024-01-01T00:00:00Z");
    let mut device = Device::fresh();
    let shown = device.transcript(&[&format!("enroll {good}"), "status", "add --lon 106.77 --lat 31.85"]);
    assert_snapshot!(shown.replace(&good, "TICKET"), @"");
    let mut member = Device::with_outlet();
    assert_snapshot!(member.transcript(&["sync --server tls://127.0.0.1:9", "sync --server tls://127.0.0.1:9 --json"]), @"");
    assert_eq!(member.json("list")[0]["state"], "on_device");
}

#[test]
fn a_ticket_of_another_system_needs_a_home_of_its_own() {
    let foreign = ticket(SecretKey::from_bytes([9; 32]), "2024-01-01T00:00:00Z");
    let shown = Device::with_outlet().transcript(&[&format!("enroll {foreign}")]);
    assert_snapshot!(shown.replace(&foreign, "TICKET"), @"");
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
    ]), @"");
    let (from, home) = (device.path("card.backup"), device.dir.path().join("other"));
    let restored = device.env.run(&home, &["restore", &from]);
    assert_eq!(restored.code, 0, "{}", restored.stderr);
    let listed = device.env.run(&home, &["list"]);
    assert!(listed.stdout.contains("T-1"), "{}\n{}", listed.stdout, listed.stderr);
}

#[test]
fn a_second_process_and_a_missing_store_are_named() {
    let mut device = Device::fresh();
    assert_snapshot!(device.transcript(&["list", "backup DIR/x", "doctor"]), @"");
    let file = device.path("file");
    std::fs::write(&file, "").unwrap();
    let below = std::path::Path::new(&file).join("home");
    let ran = device.env.run(&below, &["enroll", &ticket(root_key(), "2024-01-01T00:00:00Z")]);
    assert_eq!(ran.code, 1, "{}", ran.stderr);
    assert!(ran.stderr.contains("hint: "), "{}", ran.stderr);
}
