//! One session a device, at the server and at a device that listens: who calls again goes on at once, and
//! two devices with one key are told so.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use outlet_tests::process::{Edge, Server};
use outlet_tests::relay::{Relay, Weather};
use serde_json::Value;

/// More than a fast machine sends before a test can interfere.
const BYTES: usize = 2_000_000;

fn enrolled(server: &Server, folder: &Path, name: &str) -> Edge {
    let edge = Edge::new(folder.join(name));
    let ticket = server.ticket(&["--role", "inspector", "--name", name, "--collection", "511902"], None);
    let _ = edge.ok(&["enroll", &ticket]);
    edge
}

/// A record with a large file, and no preview that would go first.
fn with_file(edge: &Edge, folder: &Path) {
    let _ = edge.ok(&["add", "--number", "P-1", "--lon", "106.75", "--lat", "31.85"]);
    let file = folder.join("large.bin");
    let bytes: Vec<u8> = (0..BYTES as u32).map(|index| (index.wrapping_mul(2_654_435_761) >> 9) as u8).collect();
    std::fs::write(&file, bytes).expect("a file");
    let _ = edge.ok(&["attach", "P-1", &file.to_string_lossy(), "--kind", "other"]);
}

fn begin(edge: &Edge, args: &[&str]) -> Child {
    let mut command = edge.command();
    command.args(args).arg("--json").stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("outlet starts")
}

/// Until so much has passed; what has not by then never will.
fn wait_for(relay: &Relay, bytes: u64) {
    let began = Instant::now();
    while relay.bytes().0 < bytes {
        assert!(began.elapsed() < Duration::from_secs(60), "{:?} passed", relay.bytes());
        std::thread::yield_now();
    }
}

fn slow() -> Weather {
    Weather { delay: Duration::from_millis(10), rate: 400_000, ..Weather::default() }
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a folder");
    for entry in std::fs::read_dir(from).expect("a folder") {
        let entry = entry.expect("an entry");
        let (source, target) = (entry.path(), to.join(entry.file_name()));
        if source.is_dir() {
            copy(&source, &target);
        } else {
            std::fs::copy(&source, &target).expect("a copy");
        }
    }
}

#[test]
fn a_copied_folder_is_noticed_and_said_on_both_sides() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut server = Server::init(folder.path().join("server"));
    server.serve();
    let original = enrolled(&server, folder.path(), "original");
    with_file(&original, folder.path());
    let copied = Edge::new(folder.path().join("copied"));
    copy(&original.home, &copied.home);
    let relay = Relay::start(server.quic, slow(), 7);
    let first = begin(&original, &["sync", "--server", &format!("quic://{}", relay.address)]);
    wait_for(&relay, 300_000);
    let _ = copied.json(&["sync", "--server", &format!("quic://{}", server.quic)]);
    let output = first.wait_with_output().expect("it ends");
    let said: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    // The records may well have been proven; the file is still pending.
    assert_eq!((output.status.code(), &said["pending_photos"]), (Some(3), &Value::from(1)), "{said}");
    assert_eq!(said["why"]["code"], "replaced", "{said}");
    let text = said["why"]["message"].as_str().expect("words");
    assert!(text.contains("folder of this device was copied") && text.contains("ticket of its own"), "{text}");
    let devices = server.admin_json(&["device", "list"]);
    let known = devices.as_array().expect("a list").iter().find(|device| device["name"] == "original").expect("it");
    assert!(known["copied_at"].is_string(), "{known}");
    let key = known["key"].as_str().expect("a key");
    let shown = server.admin(&["device", "show", key]).expect_code(0).stdout;
    assert!(shown.contains("folder was copied") && shown.contains("enrolled anew"), "{shown}");
    // Nothing is lost by it: the other one goes on when it is alone.
    let _ = original.json(&["sync", "--server", &format!("quic://{}", server.quic)]);
}

#[test]
fn a_device_that_was_cut_off_from_another_one_calls_again_and_goes_on_at_once() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut server = Server::init(folder.path().join("server"));
    server.serve();
    let [li, wang] = ["li", "wang"].map(|name| enrolled(&server, folder.path(), name));
    with_file(&wang, folder.path());
    server.stop();
    let mut listening = begin(&li, &["peer", "listen", "--address", "127.0.0.1:0", "--max-time", "120s"]);
    let mut lines = BufReader::new(listening.stdout.take().expect("piped")).lines().map_while(Result::ok);
    let mut next = || -> Value { serde_json::from_str(&lines.next().expect("a line")).expect("JSON") };
    let at = next()["listening"][0].as_str().expect("an address").to_owned();
    let place = at.trim_start_matches("peer:").split('/').next().expect("host and port").to_owned();
    let relay = Relay::start(place.parse().expect("an address"), slow(), 8);
    let through = at.replace(&place, &relay.address.to_string());
    let mut cut = begin(&wang, &["sync", "--peer", &through]);
    wait_for(&relay, BYTES as u64 / 2);
    relay.cut();
    cut.kill().expect("it runs");
    let _ = cut.wait();
    relay.mend(None);
    let (before, again) = (relay.bytes().0, Instant::now());
    let said = wang.json(&["sync", "--peer", &through]);
    assert_eq!((&said["outcome"], &said["sent"]["photos"]), (&Value::from("converged"), &Value::from(1)), "{said}");
    assert!(again.elapsed() < outlet_transport::tuning::IDLE_TIMEOUT, "{:?}", again.elapsed());
    let passed = relay.bytes().0 - before;
    assert!(passed < BYTES as u64 * 7 / 10, "from where it was: {passed}");
    let mut sessions = [next(), next()];
    sessions.sort_by_key(|session| session["outcome"].as_str().map(str::to_owned));
    assert_eq!(sessions[0]["outcome"], "converged", "{sessions:?}");
    assert_eq!(sessions[1]["why"]["code"], "replaced", "{sessions:?}");
    let text = sessions[1]["why"]["message"].as_str().expect("words");
    assert!(text.contains("wang called again") && !text.contains("copied"), "nobody was at its other end: {text}");
    let _ = listening.kill();
    let _ = listening.wait();
}
