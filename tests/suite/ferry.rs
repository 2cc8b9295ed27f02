//! Issue 5's story with the real binaries: two devices exchange without a server, a third carries
//! the rest to the server on a stick, and the server names author and carrier of each change. And
//! what a stick may look like otherwise.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};

use outlet_core::time::Timestamp;
use outlet_tests::generator::picture;
use outlet_tests::process::{Edge, Server};
use outlet_tests::story::sync;
use serde_json::Value;

const TAKEN: Timestamp = Timestamp::from_millis(1_640_000_000_000);

fn enrolled(server: &Server, folder: &Path, name: &str, county: &str) -> Edge {
    let edge = Edge::new(folder.join(name));
    let ticket = server.ticket(&["--role", "inspector", "--name", name, "--collection", county], None);
    let _ = edge.ok(&["enroll", &ticket]);
    edge
}

/// A device that waits for one other, and where.
fn listening(edge: &Edge) -> (Child, String, impl Iterator<Item = String> + use<>) {
    let mut command = edge.command();
    command.args(["peer", "listen", "--once", "--address", "127.0.0.1:0", "--max-time", "60s", "--json"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("outlet starts");
    let mut lines = BufReader::new(child.stdout.take().expect("stdout is piped")).lines().map_while(Result::ok);
    let first: Value = serde_json::from_str(&lines.next().expect("it says where")).expect("JSON");
    let address = first["listening"][0].as_str().expect("an address").to_owned();
    (child, address, lines)
}

/// `caller` syncs with `listener`, without any server; what both said.
fn meet(caller: &Edge, listener: &Edge) -> (Value, Value) {
    let (mut child, address, mut lines) = listening(listener);
    let said = caller.json(&["sync", "--peer", &address]);
    let other: Value = serde_json::from_str(&lines.next().expect("it says how it went")).expect("JSON");
    assert!(child.wait().expect("it ends").success());
    (said, other)
}

fn recorded(edge: &Edge, folder: &Path, number: &str, seed: u64) -> Vec<u8> {
    let at = format!("31.8{seed}");
    let _ = edge.ok(&["add", "--number", number, "--lon", "106.75", "--lat", &at]);
    let _ = edge.ok(&["classify", number, "ban"]);
    let photo = picture(106.75, 31.8, TAKEN, seed);
    let file = folder.join(format!("{number}.jpg"));
    std::fs::write(&file, &photo).expect("a photo");
    let _ = edge.ok(&["photo", number, &file.to_string_lossy()]);
    photo
}

fn stored_photo(server: &Server, bytes: &[u8]) -> Option<Vec<u8>> {
    use sha2::Digest as _;
    let name: String = sha2::Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    std::fs::read(server.data.join("photos").join(&name[..2]).join(&name)).ok()
}

#[test]
fn two_devices_meet_and_a_third_carries_everything_to_the_server_on_a_stick() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut server = Server::init(folder.path().join("server"));
    server.serve();
    let [li, wang, zhao] = ["li", "wang", "zhao"].map(|name| enrolled(&server, folder.path(), name, "511902"));
    // From here on there is no server anywhere near.
    server.stop();
    let photos = [recorded(&li, folder.path(), "L-1", 1), recorded(&wang, folder.path(), "W-1", 2)];

    let (said, other) = meet(&wang, &li);
    assert_eq!((&said["outcome"], &other["outcome"]), (&Value::from("converged"), &Value::from("converged")), "{said}");
    assert_eq!((&said["sent"]["photos"], &said["received"]["photos"]), (&Value::from(1), &Value::from(1)), "{said}");
    assert_eq!(other["name"], "wang");
    // Known on both, and not called stored.
    for edge in [&li, &wang] {
        assert_eq!(edge.json(&["list"]).as_array().expect("a list").len(), 2);
        let status = edge.json(&["status"]);
        // One's own is with the other, the other's is here, whoever called: sent, and not safe.
        let sent = serde_json::json!({"on_device": 0, "sent": 2, "stored": 0, "in_ledger": 0, "held": 0});
        assert_eq!((&status["records"], &status["photos"]), (&sent, &sent), "{status}");
        assert!(edge.json(&["list"]).as_array().expect("a list").iter().all(|row| row["state"] == "sent"));
        let proven = status["last_proof"]["collections"].as_object().expect("digests by collection");
        assert!(proven.keys().eq(["000000", "511902"]), "that of the enrolment: {status}");
    }
    let shown = li.json(&["show", "W-1", "--history"]);
    assert_eq!(shown["history"][0]["by"], "wang");
    assert_eq!(shown["history"][0]["via"], "wang");

    let (said, _) = meet(&zhao, &wang);
    assert_eq!(said["received"]["photos"], 2, "{said}");
    let stick = folder.path().join("week-12.outlet");
    let stick_name = stick.to_string_lossy().into_owned();
    let exported = zhao.json(&["bundle", "export", &stick_name]);
    assert_eq!((&exported["documents"], exported["photos"].as_u64().expect("a number") >= 2), (&Value::from(2), true));
    let refused = zhao.run(&["bundle", "export", &stick_name]).expect_code(1);
    assert!(refused.stderr.contains("exists"), "{}", refused.stderr);
    // A stick that is lost tells nothing: also a colleague cannot open what is for the server.
    let closed = li.run(&["bundle", "import", &stick_name]).expect_code(1);
    assert!(closed.stderr.contains("sealed for others"), "{}", closed.stderr);

    let imported = server.admin_json(&["bundle", "import", &stick_name]);
    assert_eq!((&imported["name"], &imported["refused"]), (&Value::from("zhao"), &serde_json::json!({})));
    assert_eq!(imported["new_changes"], exported["changes"], "{imported}");
    assert_eq!(imported["photos"], exported["photos"]);
    for photo in &photos {
        assert_eq!(stored_photo(&server, photo).as_ref(), Some(photo), "byte by byte");
    }
    let again = server.admin_json(&["bundle", "import", &stick_name]);
    assert_eq!((&again["new_changes"], &again["photos"]), (&Value::from(0), &Value::from(0)));
    assert_eq!(again["known_photos"], exported["photos"]);

    for (number, author) in [("L-1", "li"), ("W-1", "wang")] {
        let history = server.admin_json(&["history", number]);
        let acts = history.as_array().expect("a list");
        assert!(acts.len() >= 2, "{history}");
        for act in acts {
            assert_eq!((&act["author"], &act["carrier"]), (&Value::from(author), &Value::from("zhao")), "{act}");
        }
    }
    let table = server.admin(&["history", "L-1"]).expect_code(0).stdout;
    assert!(table.contains("carried by") && table.contains("zhao"), "{table}");

    // A stick back, still without a network: the author hears that the server has it.
    let back = folder.path().join("back.outlet").to_string_lossy().into_owned();
    let _ = server.admin_json(&["bundle", "export", &back, "--collection", "511902", "--photos", "none"]);
    let told = li.json(&["bundle", "import", &back]);
    assert_eq!(told["confirmed"]["photos"], 2, "the own one, and the one that was taken along: {told}");
    assert!(told["confirmed"]["changes"].as_u64() > Some(0), "{told}");
    let status = li.json(&["status"]);
    // The other one's record waits for a proof: its author's receipts are its author's.
    assert_eq!((&status["records"]["in_ledger"], &status["records"]["sent"]), (&Value::from(1), &Value::from(1)));
    assert_eq!((&status["unsent_changes"], &status["photos"]["stored"]), (&Value::from(0), &Value::from(2)));
    let again = li.json(&["bundle", "import", &back]);
    assert_eq!(again["confirmed"], serde_json::json!({"changes": 0, "photos": 0}), "{again}");

    // Back in town: the authors hear that it is safe, and everybody holds the same.
    server.serve();
    let digests: BTreeMap<&str, Value> = [("li", &li), ("wang", &wang), ("zhao", &zhao)]
        .map(|(name, edge)| (name, sync(edge).expect_code(0).json()["digest"].clone()))
        .into();
    assert!(digests.values().all(|digest| *digest == digests["li"]), "{digests:?}");
    let status = li.json(&["status"]);
    // The own photo, and the one that was taken along.
    assert_eq!((&status["records"]["in_ledger"], &status["photos"]["stored"]), (&Value::from(2), &Value::from(2)));
}

#[test]
fn a_stick_that_is_cut_altered_or_for_others_changes_nothing() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut server = Server::init(folder.path().join("server"));
    server.serve();
    let li = enrolled(&server, folder.path(), "li", "511902");
    let elsewhere = enrolled(&server, folder.path(), "chen", "511923");
    let mut foreign = Server::init(folder.path().join("foreign"));
    foreign.serve();
    let stranger = enrolled(&foreign, folder.path(), "stranger", "511902");
    let _ = recorded(&li, folder.path(), "L-1", 3);
    let _ = recorded(&stranger, folder.path(), "S-1", 4);
    let path = |name: &str| -> PathBuf { folder.path().join(name) };
    let export = |edge: &Edge, name: &str| {
        let file = path(name).to_string_lossy().into_owned();
        let _ = edge.ok(&["bundle", "export", &file]);
        std::fs::read(path(name)).expect("the bundle")
    };
    let whole = export(&li, "whole.outlet");
    let mut bent = whole.clone();
    let middle = bent.len() / 2;
    bent[middle] ^= 1;
    let _ = export(&stranger, "stranger.outlet");
    let cases: [(&str, Option<&[u8]>, &str); 4] = [
        ("cut.outlet", Some(&whole[..whole.len() - 1000]), "cut short or was altered"),
        ("bent.outlet", Some(&bent), "cut short or was altered"),
        ("zip.outlet", Some(b"PK\x03\x04 something else"), "not a sealed file"),
        ("stranger.outlet", None, "sealed for others"),
    ];
    for (name, bytes, words) in cases {
        if let Some(bytes) = bytes {
            std::fs::write(path(name), bytes).expect("a file");
        }
        let said = server.admin(&["bundle", "import", &path(name).to_string_lossy()]).expect_code(1);
        assert!(said.stderr.contains(words), "{name}: {}", said.stderr);
        assert!(server.get("/healthz").contains(r#""outlets":0"#), "{name}: nothing half-visible");
    }
    // Everything of the county, for its members: not for those of another one.
    let _ = server.admin(&["bundle", "import", &path("whole.outlet").to_string_lossy()]).expect_code(0);
    let out = path("members.outlet").to_string_lossy().into_owned();
    let made = server.admin_json(&["bundle", "export", &out, "--collection", "511902", "--photos", "all"]);
    assert_eq!((&made["sealed_for"], made["photos"].as_u64() >= Some(1)), (&Value::from(1), true), "{made}");
    let closed = elsewhere.run(&["bundle", "import", &out]).expect_code(1);
    assert!(closed.stderr.contains("sealed for others"), "{}", closed.stderr);
    // A new device of the county gets records and photos from the stick, without the network.
    let new = enrolled(&server, folder.path(), "wu", "511902");
    std::fs::remove_file(&out).expect("the old one");
    let _ = server.admin_json(&["bundle", "export", &out, "--collection", "511902", "--photos", "all"]);
    server.stop();
    for fresh in [true, false] {
        let said = new.json(&["bundle", "import", &out]);
        assert_eq!((&said["name"], &said["refused"]), (&Value::from("server"), &serde_json::json!({})), "{said}");
        assert_eq!(said["photos"].as_u64() >= Some(1), fresh, "{said}");
    }
    assert_eq!(new.json(&["list"]).as_array().expect("a list").len(), 1);
}

#[test]
fn an_address_without_a_device_and_a_stranger_behind_it_are_named() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut server = Server::init(folder.path().join("server"));
    server.serve();
    let li = enrolled(&server, folder.path(), "li", "511902");
    let mut foreign = Server::init(folder.path().join("foreign"));
    foreign.serve();
    let stranger = enrolled(&foreign, folder.path(), "stranger", "511902");
    let (mut child, address, _) = listening(&stranger);
    // Without the key of the QR code only members are believed.
    let place = address.trim_start_matches("peer:").split('/').next().expect("host and port").to_owned();
    let said = li.run(&["sync", "--peer", &place]).expect_code(1);
    assert!(said.stderr.contains("another device answers"), "{}", said.stderr);
    // With it, the membership is looked at, and refused.
    let said = li.run(&["sync", "--peer", &address]).expect_code(1);
    assert!(said.stderr.contains("unknown_member"), "{}", said.stderr);
    let _ = child.kill();
    let _ = child.wait();
    let said = li.run(&["sync", "--peer", "nonsense"]);
    assert_eq!(said.code, Some(2), "{}", said.stderr);
}
