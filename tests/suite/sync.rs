//! `outlet sync` as its users meet it: after a rejection, after a key rotation, beside a process
//! that records, beside another process that writes the server's feed.

use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};

use outlet_tests::process::{Edge, Server};

fn enrolled(server: &Server, folder: &std::path::Path, name: &str) -> Edge {
    let edge = Edge::new(folder.join(name));
    let ticket = server.ticket(&["--role", "inspector", "--name", name, "--collection", "511902"], None);
    let _ = edge.ok(&["enroll", &ticket]);
    edge
}

fn add(edge: &Edge, number: &str) -> String {
    let lat = format!("31.{}", number.len() + 80);
    let added = edge.json(&["add", "--number", number, "--lon", "106.75", "--lat", &lat]);
    added["id"].as_str().expect("an id").to_owned()
}

#[test]
fn acts_built_on_a_rejected_one_are_issued_again_by_the_next_sync() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut server = Server::init(folder.path().join("server"));
    let settings = server.data.join("server.toml");
    std::fs::write(&settings, "[quota]\nchanges = 1\n").expect("written");
    server.serve();
    let edge = enrolled(&server, folder.path(), "first");
    let id = add(&edge, "R1");
    let _ = edge.ok(&["sync"]);
    // Above the quota: held, and what is built on it with it. One run each, for there is a sync between.
    let _ = edge.ok(&["edit", &id, "--bank", "left"]);
    assert_eq!(edge.run(&["sync", "--json"]).expect_code(3).json()["held"], 1);
    let _ = edge.ok(&["edit", &id, "--village", "河坝村"]);
    let _ = edge.run(&["sync"]).expect_code(3);
    let held = server.admin_json(&["quarantine", "list"]);
    let runs = held.as_array().expect("a list");
    assert_eq!(runs.len(), 2, "{held}");
    let first = runs.iter().find(|run| run["reason"] == "quota").expect("the first of them");
    server.stop();
    std::fs::write(&settings, "").expect("written");
    let run = first["run"].as_str().expect("a hash");
    let _ = server.admin(&["quarantine", "reject", run, "--by", "李四"]).expect_code(0);
    server.serve();
    let ran = edge.run(&["sync"]).expect_code(0);
    assert!(ran.stderr.contains("have been issued again"), "{}", ran.stderr);
    let status = edge.json(&["status"]);
    assert_eq!((&status["held"], &status["unsent_changes"]), (&0.into(), &0.into()), "{status}");
    // Another device sees the act that was issued again, and not the rejected one.
    let second = enrolled(&server, folder.path(), "second");
    let shown = second.json(&["show", &id]).to_string();
    assert!(shown.contains("河坝村") && !shown.contains("\"left\""), "{shown}");
    assert_eq!(edge.run(&["sync", "--json"]).expect_code(0).json()["sent"]["changes"], 0);
}

#[test]
fn a_device_goes_on_after_the_server_has_a_new_key() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut server = Server::init(folder.path().join("server"));
    server.serve();
    let edge = enrolled(&server, folder.path(), "first");
    add(&edge, "K1");
    let before = edge.run(&["sync", "--json"]).expect_code(0).json();
    server.stop();
    let _ = server.admin(&["key", "rotate"]).expect_code(0);
    server.serve();
    add(&edge, "K2");
    let ran = edge.run(&["sync", "--json"]).expect_code(0);
    assert!(ran.stderr.contains("The server has a new key"), "{}", ran.stderr);
    assert_eq!(ran.json()["sent"]["changes"], 1);
    assert_ne!(ran.json()["digest"], before["digest"]);
    // Known from here on; and work by others, received under either key, is believed.
    let again = edge.run(&["sync"]).expect_code(0);
    assert!(!again.stderr.contains("new key"), "{}", again.stderr);
    let second = enrolled(&server, folder.path(), "second");
    assert_eq!(second.json(&["list"]).as_array().map(Vec::len), Some(2));
    // Both name the same proof.
    let proof = edge.json(&["status"])["last_proof"].clone();
    let devices = server.admin_json(&["device", "list"]);
    let device = devices.as_array().expect("a list").iter().find(|device| device["name"] == "first");
    let converged = &device.expect("the device")["converged"];
    for field in ["digest", "documents", "server", "collections", "at"] {
        assert_eq!(proof[field], converged[field], "{field}: {proof} {converged}");
    }
    assert!(edge.ok(&["status"]).stdout.contains("converged with server"));
}

#[test]
fn a_plan_says_what_and_how_long_and_transfers_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut server = Server::init(folder.path().join("server"));
    server.serve();
    let edge = enrolled(&server, folder.path(), "first");
    for number in 0..40 {
        add(&edge, &format!("P{number}"));
    }
    let plan = edge.json(&["sync", "--dry-run"]);
    assert_eq!(plan["plan"]["to_push"]["changes"], 40, "{plan}");
    assert_eq!(plan["plan"]["expected"]["seconds"], serde_json::Value::Null);
    assert!(edge.ok(&["sync", "--dry-run"]).stdout.contains("the first sync will tell"));
    // So small a sync measures nothing; a rate that was measured is used.
    std::fs::write(edge.home.join("rates.json"), r#"{"sessions":4,"bytes_per_s":1000.0,"packed":0.5}"#)
        .expect("written");
    let plan = edge.json(&["sync", "--dry-run"]);
    let raw = plan["plan"]["to_push"]["bytes"].as_u64().expect("bytes");
    let expected = &plan["plan"]["expected"];
    assert_eq!(
        (expected["bytes"].as_u64(), expected["seconds"].as_u64()),
        (Some(raw / 2), Some(raw.div_ceil(2000))),
        "{plan}"
    );
    assert_eq!(edge.json(&["status"])["unsent_changes"], 40, "nothing was sent");
}

fn watch(edge: &Edge) -> (Child, BufReader<std::process::ChildStdout>) {
    let mut command = edge.command();
    command.args(["sync", "--watch", "--every", "1s", "--json"]).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().expect("it starts");
    let stdout = child.stdout.take().expect("piped");
    (child, BufReader::new(stdout))
}

/// Looks after each round of the watcher: who asks without a pause has the store all the time.
fn after_a_round(lines: &mut impl BufRead, mut there: impl FnMut() -> bool) {
    for _ in 0..60 {
        let mut line = String::new();
        assert!(lines.read_line(&mut line).expect("a round") > 0, "the watcher ended");
        if there() {
            return;
        }
    }
    panic!("never, in sixty rounds");
}

#[test]
fn a_watcher_syncs_by_itself_and_never_keeps_anybody_from_recording() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut server = Server::init(folder.path().join("server"));
    server.serve();
    let edge = enrolled(&server, folder.path(), "first");
    let (mut child, mut lines) = watch(&edge);
    let mut line = String::new();
    lines.read_line(&mut line).expect("a first round");
    assert!(line.contains("\"outcome\":\"converged\"") && line.contains("next_in_s"), "{line}");
    for number in 0..12 {
        add(&edge, &format!("W{number}"));
    }
    after_a_round(&mut lines, || edge.json(&["status"])["records"]["in_ledger"].as_u64() == Some(12));
    // The server goes away and comes back: nobody has to do anything.
    server.stop();
    add(&edge, "W-offline");
    server.serve();
    after_a_round(&mut lines, || edge.json(&["status"])["records"]["in_ledger"].as_u64() == Some(13));
    let pid = child.id().to_string();
    assert!(std::process::Command::new("kill").args(["-INT", &pid]).status().expect("kill is there").success());
    assert_eq!(child.wait().expect("it ends").code(), Some(0));
}

/// A serving process and another one that writes to the same feeds: what a device reads by its
/// cursor alone is everything.
#[test]
fn no_change_is_skipped_when_two_processes_write_the_feed() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut server = Server::init(folder.path().join("server"));
    server.serve();
    let writer = enrolled(&server, folder.path(), "writer");
    let reader = enrolled(&server, folder.path(), "reader");
    let reference = super::fixtures().join("dictionaries");
    let mut files: Vec<_> = std::fs::read_dir(reference)
        .expect("the dictionaries")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "toml"))
        .collect();
    files.sort();
    std::thread::scope(|scope| {
        let other = scope.spawn(|| {
            for file in &files {
                let _ = server.admin(&["load-reference", &file.to_string_lossy()]);
            }
        });
        let mut rounds = 0;
        while rounds < 4 || !other.is_finished() {
            add(&writer, &format!("F{rounds}"));
            let _ = writer.run(&["sync"]).expect_code(0);
            let read = reader.run(&["sync", "--json"]).expect_code(0).json();
            assert_eq!((&read["outcome"], &read["compared"]), (&"converged".into(), &serde_json::json!([])), "{read}");
            rounds += 1;
        }
    });
    let last = [&writer, &reader, &writer].map(|edge| edge.run(&["sync", "--json"]).expect_code(0).json());
    assert_eq!(last[1]["digest"], last[2]["digest"]);
    assert_eq!(last[1]["compared"], serde_json::json!([]), "the feed alone brought everything");
}
