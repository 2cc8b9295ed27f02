//! Our two binaries over QUIC on loopback: whole commands, from start to exit.

use std::path::Path;
use std::time::{Duration, Instant};

use outlet_core::identity::SecretKey;
use outlet_core::store::{EdgeStore, Entropy, OpenStore, Store as _, boot_id};
use outlet_core::time::Timestamp;
use outlet_tests::process::{Edge, Server};
use outlet_tests::workload::Writer;
use serde_json::Value;

use crate::Measured;
use crate::documents::county;

const NOW: Timestamp = Timestamp::from_millis(1_640_000_000_000);

pub(crate) fn measure(folder: &Path, count: usize) -> Measured {
    let mut server = Server::init(folder.join("server"));
    let quota = "[quota]\nchanges = 1_000_000\nbytes = 4_000_000_000\ndocuments = 1_000_000\n";
    std::fs::write(server.data.join("server.toml"), quota).expect("the configuration can be written");
    server.serve();
    let edge = Edge::new(folder.join("edge"));
    let code = county().to_string();
    let ticket = server.ticket(&["--role", "inspector", "--name", "bench", "--collection", &code], None);
    let _ = edge.ok(&["enroll", &ticket]);
    fill(&edge.home, count);
    let (first, first_bytes) = sync(&edge);
    // The best of three: the phase is so short that a busy machine decides over one.
    let idle = (0..3).map(|_| sync(&edge)).min_by_key(|(took, _)| *took).expect("three runs");
    server.stop();
    Measured { first, first_bytes, idle: idle.0, idle_bytes: idle.1 }
}

fn sync(edge: &Edge) -> (Duration, f64) {
    let started = Instant::now();
    // The photographs that the workload names have no bytes anywhere: they stay pending (code 3).
    let ran = edge.run(&["sync", "--json"]);
    let took = started.elapsed();
    assert!(matches!(ran.code, Some(0 | 3)), "{}{}", ran.stdout, ran.stderr);
    let summary = ran.json();
    assert_eq!(summary["outcome"], "converged", "{summary}");
    let bytes = |way: &Value| way["bytes"].as_f64().expect("bytes are counted");
    (took, bytes(&summary["sent"]) + bytes(&summary["received"]))
}

fn fill(home: &Path, count: usize) {
    let options = OpenStore {
        home: home.to_owned(),
        who: "bench".to_owned(),
        now: NOW,
        entropy: Entropy { key: [7; 32], incarnation: [1; 4] },
        boot: boot_id(),
        create: false,
        accept_weak_storage: false,
    };
    let mut store = EdgeStore::open(&options, &mut |_| {}).expect("the store opens");
    let mut writer = Writer::new(SecretKey::from_bytes([3; 32]), [0; 4], 7);
    for _ in 0..count {
        let (key, acts) = writer.outlet(county());
        for act in acts {
            store.write(&key, &act, &[], NOW).expect("saved");
        }
    }
    store.close().expect("closed");
}
