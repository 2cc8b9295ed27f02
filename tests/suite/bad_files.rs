//! Photos that go wrong, with the real binaries: changed on the device's disk, a server whose disk is
//! full, bytes asked for by name.

use std::path::{Path, PathBuf};
use std::time::Duration;

use outlet_core::sync::session::{Options, SyncOutcome};
use outlet_core::time::Timestamp;
use outlet_tests::device::Device;
use outlet_tests::generator::picture;
use outlet_tests::process::{Edge, Server};
use outlet_tests::relay::{Relay, Weather};
use outlet_tests::story::sync;
use outlet_transport::Congestion;
use serde_json::Value;

const TAKEN: Timestamp = Timestamp::from_millis(1_640_000_000_000);

fn enrolled(server: &Server, folder: &Path, name: &str) -> Edge {
    let edge = Edge::new(folder.join(name));
    let ticket = server.ticket(&["--role", "inspector", "--name", name, "--collection", "511902"], None);
    let _ = edge.ok(&["enroll", &ticket]);
    edge
}

/// Records an outlet with a photo; the hash of its original.
fn recorded(edge: &Edge, folder: &Path, number: &str, seed: u64) -> String {
    let _ = edge.ok(&["add", "--number", number, "--lon", "106.75", "--lat", "31.85"]);
    let _ = edge.ok(&["classify", number, "ban"]);
    let file = folder.join(format!("{number}.jpg"));
    std::fs::write(&file, picture(106.75, 31.85, TAKEN, seed)).expect("a photo");
    let kept = edge.json(&["photo", number, &file.to_string_lossy()]);
    kept["files"][0]["sha256"].as_str().expect("a hash").to_owned()
}

fn blob(edge: &Edge, hash: &str) -> PathBuf {
    edge.home.join("blobs").join(&hash[..2]).join(hash)
}

fn on_server(server: &Server, hash: &str) -> Option<Vec<u8>> {
    std::fs::read(server.data.join("photos").join(&hash[..2]).join(hash)).ok()
}

#[test]
fn a_photo_that_changed_on_the_device_is_not_taken_and_both_say_so() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut server = Server::init(folder.path().join("server"));
    server.serve();
    let edge = enrolled(&server, folder.path(), "li");
    let hash = recorded(&edge, folder.path(), "L-1", 1);
    let good = std::fs::read(blob(&edge, &hash)).expect("the photo");
    let mut bad = good.clone();
    bad[good.len() / 2] ^= 1;
    std::fs::write(blob(&edge, &hash), &bad).expect("altered behind the store's back");
    let ran = sync(&edge).expect_code(3);
    let said = ran.json();
    assert_eq!((&said["outcome"], &said["pending_photos"]), (&Value::from("converged"), &Value::from(1)), "{said}");
    assert_eq!(said["damaged_files"], 2, "thrown away, and sent once more");
    assert!(ran.stderr.contains("no longer what was recorded"), "{}", ran.stderr);
    assert!(on_server(&server, &hash).is_none(), "nothing half-visible");
    // Cut short: it cannot even be offered.
    std::fs::write(blob(&edge, &hash), &good[..100]).expect("cut");
    assert_eq!(sync(&edge).expect_code(3).json()["pending_photos"], 1);
    std::fs::write(blob(&edge, &hash), &good).expect("put back");
    assert_eq!(sync(&edge).expect_code(0).json()["sent"]["photos"], 1);
    assert_eq!(on_server(&server, &hash).as_ref(), Some(&good));
}

/// The first half has gone when the second one changes; so does it again when the file is sent once more.
#[test]
fn a_photo_that_changes_while_it_is_sent_is_thrown_away_and_counted_on_both_sides() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut server = Server::init(folder.path().join("server"));
    let watch = std::net::TcpListener::bind("127.0.0.1:0").and_then(|socket| socket.local_addr()).expect("a free port");
    let file = server.data.join("server.toml");
    let settings = std::fs::read_to_string(&file).expect("the settings");
    std::fs::write(file, format!("{settings}[listen]\nmetrics = \"{watch}\"\n")).expect("the settings can be written");
    server.serve();
    let weather = Weather { delay: Duration::from_millis(5), rate: 8_000_000, ..Weather::default() };
    let relay = Relay::start(server.quic, weather, 5);
    let ticket = server.ticket(&["--role", "inspector", "--name", "li", "--collection", "511902"], None);
    let direct = format!("quic://{}", server.quic).parse().expect("an address");
    let through = [format!("quic://{}", relay.address).parse().expect("an address")];
    let home = folder.path().join("li");
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
    // More than the sender has read ahead when the first piece has passed.
    let good: Vec<u8> = (0..9_000_000_u32).map(|index| (index.wrapping_mul(2_654_435_761) >> 9) as u8).collect();
    runtime.block_on(async {
        let device = Device::enrol(&home, 11, &ticket, &direct).await;
        let hash = device.record(1, Some(&good)).expect("a photo").to_string();
        let path = home.join("blobs").join(&hash[..2]).join(&hash);
        // In place: a file that is replaced would be shorter for a moment.
        let alter = |last: u8| {
            use std::io::{Seek as _, SeekFrom, Write as _};
            let mut file = std::fs::File::options().write(true).open(&path).expect("the store's file");
            file.seek(SeekFrom::Start(good.len() as u64 - 1)).and_then(|_| file.write_all(&[last])).expect("altered");
        };
        let last = good[good.len() - 1];
        let changed = async {
            while relay.bytes().0 < 1_000_000 {
                tokio::task::yield_now().await;
            }
            alter(last ^ 1);
        };
        let (driven, ()) = tokio::join!(device.sync(&through, Congestion::default(), Options::default()), changed);
        let summary = driven.expect("the server answers").summary;
        assert_eq!(summary.outcome, SyncOutcome::Converged, "{summary:?}");
        assert_eq!((summary.damaged_files, summary.pending_photos, summary.sent.photos), (2, 1, 0));
        assert!(on_server(&server, &hash).is_none(), "nothing half-visible");
        let part = server.data.join("incoming").join(format!("{hash}.part"));
        assert_eq!(std::fs::metadata(part).map_or(0, |part| part.len()), 0, "thrown away");
        alter(last);
        let driven = device.sync(&through, Congestion::default(), Options::default()).await.expect("an answer");
        assert_eq!((driven.summary.damaged_files, driven.summary.sent.photos), (0, 1));
        assert_eq!(on_server(&server, &hash).as_ref(), Some(&good));
        // The first session has long ended there, too.
        let page = outlet_tests::process::get(&watch.to_string(), "/metrics");
        let counted = page.lines().find(|line| line.starts_with("outlet_damaged_files_total"));
        assert!(counted.is_some_and(|line| line.ends_with(" 2")), "{counted:?}");
    });
}

#[cfg(unix)]
#[test]
fn a_server_whose_disk_is_full_says_so_and_the_photo_goes_another_time() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut server = Server::init(folder.path().join("server"));
    server.serve();
    let edge = enrolled(&server, folder.path(), "li");
    let hash = recorded(&edge, folder.path(), "L-1", 2);
    let part = server.data.join("incoming").join(format!("{hash}.part"));
    std::os::unix::fs::symlink("/dev/full", &part).expect("a disk without space");
    let ran = edge.run(&["sync"]).expect_code(3);
    assert!(ran.stdout.starts_with("converged"), "the records are safe: {}", ran.stdout);
    assert!(ran.stdout.contains("photos pending") && ran.stderr.contains("out of disk space"), "{}", ran.stderr);
    assert!(on_server(&server, &hash).is_none());
    std::fs::remove_file(&part).expect("space was freed");
    assert_eq!(sync(&edge).expect_code(0).json()["pending_photos"], 0);
    assert_eq!(on_server(&server, &hash), std::fs::read(blob(&edge, &hash)).ok());
}

#[test]
fn photos_of_others_come_by_name_and_only_those() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut server = Server::init(folder.path().join("server"));
    server.serve();
    let (li, wang) = (enrolled(&server, folder.path(), "li"), enrolled(&server, folder.path(), "wang"));
    let (wanted, other) = (recorded(&li, folder.path(), "L-1", 3), recorded(&li, folder.path(), "L-2", 4));
    let _ = sync(&li).expect_code(0);
    let _ = sync(&wang).expect_code(0);
    assert!(!blob(&wang, &wanted).exists());
    let said = wang.json(&["photo", "fetch", "L-1"]);
    assert_eq!((said["fetched"].as_array().map(Vec::len) >= Some(1), &said["missing"]), (true, &serde_json::json!([])));
    assert_eq!(std::fs::read(blob(&wang, &wanted)).ok(), std::fs::read(blob(&li, &wanted)).ok());
    assert!(!blob(&wang, &other).exists(), "only what was asked for");
    let again = wang.json(&["photo", "fetch", "L-1"]);
    assert_eq!((&again["fetched"], &again["sync"]), (&serde_json::json!([]), &Value::Null), "no session for nothing");
    // Lost since: it is sent again.
    std::fs::remove_file(blob(&wang, &wanted)).expect("the photo");
    assert_eq!(wang.json(&["photo", "fetch", "L-1"])["fetched"].as_array().map(Vec::len), Some(1));
    let tiny = wang.run(&["photo", "fetch", "L-2", "--max-bytes", "1kB"]).expect_code(3);
    assert!(tiny.stdout.contains("beyond the budget"), "{}", tiny.stdout);
}
