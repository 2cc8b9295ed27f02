//! Bad surroundings through the real `outlet`: a full disk, a read-only home, several processes at
//! once, a clock that is a year off. A clear error each time, and nothing lost.

use std::path::Path;
use std::process::{Command, Stdio};

use outlet_core::time::Timestamp;
use outlet_edge::testing::TestEnv;
use outlet_tests::process::{Edge, Server, binary};

fn served(folder: &Path) -> Server {
    let mut server = Server::init(folder.join("server"));
    server.serve();
    server
}

fn ticket(server: &Server) -> String {
    server.ticket(&["--role", "inspector", "--collection", "511902", "--name", "张三"], None)
}

fn enrolled(folder: &Path, server: &Server) -> Edge {
    let edge = Edge::new(folder.join("device"));
    edge.ok(&["enroll", &ticket(server)]);
    edge
}

const ADD: [&str; 7] = ["add", "--lon", "106.769215", "--lat", "31.851020", "--accuracy", "5"];

/// What happens on a disk of its own: each command's text and exit code, under a heading.
///
/// The mount lives in a namespace of this script alone and needs no rights of the machine.
const ON_A_SMALL_DISK: &str = r#"
outlet() { echo "\$ outlet $*"; "$OUTLET" --home "$DISK/home" "$@" 2>&1; echo "[exit $?]"; }
mount -t tmpfs -o size=24m tmpfs "$DISK" || exit 77
outlet enroll "$TICKET" --quiet
outlet add --lon 106.769215 --lat 31.851020 --number D1
echo == full
dd if=/dev/zero of="$DISK/fill" bs=1024 2>/dev/null
outlet add --lon 106.779215 --lat 31.851020 --number D2
outlet --json add --lon 106.779215 --lat 31.851020 --number D2
outlet photo D1 "$PHOTO"
outlet sync
outlet list --quiet
outlet doctor
echo == room again
rm "$DISK/fill"
outlet add --lon 106.779215 --lat 31.851020 --number D2
outlet doctor
outlet sync
echo == read-only
mount -o remount,ro "$DISK" || exit 77
outlet add --lon 106.789215 --lat 31.851020 --number D3
outlet list
outlet --json doctor
echo == writable again
mount -o remount,rw "$DISK"
outlet list --quiet
outlet doctor
"#;

#[test]
fn a_full_disk_and_a_read_only_home_refuse_clearly_and_lose_nothing() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let server = served(folder.path());
    let disk = folder.path().join("disk");
    std::fs::create_dir(&disk).expect("a mount point");
    let photo = folder.path().join("near.jpg");
    let taken = "2021-06-03T09:00:00+08:00".parse().expect("an instant");
    std::fs::write(&photo, outlet_tests::generator::picture(106.769_215, 31.851_02, taken, 1)).expect("a photo");
    let ran = Command::new("unshare")
        .args(["--map-root-user", "--mount", "sh", "-c", ON_A_SMALL_DISK])
        .env("OUTLET", binary("outlet"))
        .env("DISK", &disk)
        .env("PHOTO", &photo)
        .env("TICKET", ticket(&server))
        .env("HOME", folder.path())
        .stdin(Stdio::null())
        .output();
    let ran = match ran {
        Ok(ran) if !ran.stdout.is_empty() => ran,
        // The same refusals are tested below the command line in `core::store`, over a file system
        // that fails on demand.
        other => return eprintln!("no disk of its own can be mounted here, so this was not tried: {other:?}"),
    };
    let shown = String::from_utf8_lossy(&ran.stdout).into_owned();
    let part = |name: &str| -> Vec<&str> {
        let after = shown.split(&format!("== {name}\n")).nth(1).unwrap_or_else(|| panic!("no {name} in\n{shown}"));
        after.split("\n== ").next().unwrap_or_default().split("$ outlet ").skip(1).collect()
    };
    let check = |run: &str, code: u8, words: &[&str]| {
        assert!(run.contains(&format!("[exit {code}]")), "exit {code} of\n{run}\nin\n{shown}");
        words.iter().for_each(|word| assert!(run.contains(word), "{word:?} is not in\n{run}\nof\n{shown}"));
    };
    let full = part("full");
    check(full[0], 1, &["not saved: the disk has", "hint: free some space and save again"]);
    check(full[1], 1, &["{\"error\":{\"kind\":\"user\"", "free some space"]);
    check(full[2], 1, &["not saved", "hint: free some space"]);
    check(full[3], 1, &["not enough disk space", "hint: free some disk space"]);
    check(full[4], 0, &["D1"]);
    check(full[5], 0, &["healthy: "]);
    let room = part("room again");
    check(room[0], 0, &["Saved on this device: D2"]);
    check(room[1], 0, &["healthy"]);
    check(room[2], 0, &["converged"]);
    let locked = part("read-only");
    for run in &locked[..2] {
        check(run, 1, &["cannot be written", "hint: check its permissions and that the disk is not mounted read-only"]);
    }
    check(locked[2], 1, &["\"hints\":[\"check its permissions"]);
    let again = part("writable again");
    check(again[0], 0, &["D1", "D2"]);
    check(again[1], 0, &["healthy"]);
}

#[test]
fn of_several_processes_on_one_store_each_saves_or_says_who_holds_it() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let server = served(folder.path());
    let edge = enrolled(folder.path(), &server);
    let children: Vec<_> = (0..8)
        .map(|number| {
            let mut command = edge.command();
            command.args(ADD).args(["--number", &format!("P{number}"), "--json"]);
            command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the device starts")
        })
        .collect();
    let mut saved = 0;
    for child in children {
        let output = child.wait_with_output().expect("it ends");
        let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        match output.status.code() {
            Some(0) => saved += 1,
            Some(1) => assert!(err.contains("the store is in use by "), "{out}{err}"),
            other => panic!("{other:?}: {out}{err}"),
        }
    }
    assert!(saved > 0, "the first one got in");
    assert_eq!(edge.json(&["list"]).as_array().map(Vec::len), Some(saved), "what was said to be saved, and no more");

    // For as long as another process holds it, and not a moment longer.
    let lock = std::fs::File::options().write(true).open(edge.home.join("lock")).expect("the lock file");
    lock.lock().expect("nobody holds it now");
    let refused = edge.run(&["list"]).expect_code(1);
    assert!(refused.stderr.contains("hint: wait for it to end, or end it, and try again"), "{}", refused.stderr);
    lock.unlock().expect("ours to unlock");
    edge.ok(&["list"]);
}

/// The clock decides dates that a person left out, and nothing else: not admission, not order, not
/// what the server calls received.
#[test]
fn a_clock_a_year_off_is_named_and_changes_no_order() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let server = served(folder.path());
    let (real, day) = (now(), 86_400_000);
    let mut env = TestEnv::new(real, 21);
    let home = folder.path().join("device");
    let mut run = |at: Timestamp, args: &[&str], code: u8| {
        env.set_now(at);
        let ran = env.run(&home, args);
        assert_eq!(ran.code, code, "{args:?}\n{}{}", ran.stdout, ran.stderr);
        ran
    };
    // A ticket looks expired to such a clock, and the error names the clock.
    let early = run(real.plus_millis(370 * day), &["enroll", &ticket(&server)], 1);
    assert!(early.stderr.contains("check this device's clock"), "{}", early.stderr);
    run(real, &["enroll", &ticket(&server)], 0);
    for (number, offset, word) in [("K1", 370, "370 days ahead of"), ("K2", -370, "370 days behind")] {
        // Half a day more, so that the minutes of the test itself change no day.
        let at = real.plus_millis(offset * day + offset.signum() * day / 2);
        run(at, &[&ADD[..], &["--number", number]].concat(), 0);
        run(at, &["survey", number, "--rain-48h", "no", "--discharge", "dry"], 0);
        let synced = run(at, &["sync"], 0);
        assert!(
            synced.stdout.contains("converged") && synced.stderr.contains(word),
            "{}{}",
            synced.stdout,
            synced.stderr
        );
    }
    let quiet = run(now(), &["sync", "--json"], 0);
    assert!(quiet.stdout.contains("\"outcome\":\"converged\""), "{}", quiet.stdout);
    assert!(!quiet.stderr.contains("clock"), "a clock that is right again is not mentioned: {}", quiet.stderr);
    let device = &server.admin_json(&["device", "list"]);
    let last_seen = device.as_array().into_iter().flatten().filter_map(|row| row["last_seen"].as_str()).max();
    let seen: Timestamp = last_seen.expect("the device was seen").parse().expect("an instant");
    assert!((seen.millis() - real.millis()).abs() < day, "the server goes by its own clock: {seen}");
    // A survey dated next year is not yet a fact; the record itself is in the ledger.
    let listed = server.admin_json(&["ledger", "summary", "--by", "unit"]);
    assert_eq!(
        listed[0]["outlets"].as_u64().unwrap_or(0) + listed[0]["suspected"].as_u64().unwrap_or(0),
        2,
        "{listed}"
    );
}

fn now() -> Timestamp {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970");
    Timestamp::from_millis(i64::try_from(since.as_millis()).expect("a time of this era"))
}
