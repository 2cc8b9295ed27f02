//! A device with 10,000 outlets and a server, as real processes: first upload, a sync with nothing
//! to do, saving, listing, and a whole command.

use std::io::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

use outlet_core::identity::SecretKey;
use outlet_core::ids::Collection;
use outlet_core::store::{EdgeStore, Entropy, OpenStore, Store as _, boot_id};
use outlet_core::time::Timestamp;
use outlet_tests::figures::{Figures, cpu_millis_of, percentile};
use outlet_tests::process::{Edge, Server};
use outlet_tests::story::sync;
use outlet_tests::workload::{CHANGES_PER_OUTLET, Writer};

const NOW: Timestamp = Timestamp::from_millis(1_640_000_000_000);
/// Saves and appends that are compared.
const SAVES: usize = 300;

/// Everything that needs a device and a server.
pub(crate) fn measure(
    figures: &mut Figures,
    folder: &Path,
    (bare, bare_cpu): (f64, f64),
    outlets: usize,
    collection: Collection,
) {
    let mut server = Server::init(folder.join("server"));
    // The day's quota of one device is far below this upload; it is raised, not removed.
    let quota = "[quota]\nchanges = 1_000_000\nbytes = 4_000_000_000\ndocuments = 1_000_000\n";
    std::fs::write(server.data.join("server.toml"), quota).expect("the configuration can be written");
    server.serve();
    let edge = Edge::new(folder.join("edge"));
    let code = collection.to_string();
    let _ =
        edge.ok(&["enroll", &server.ticket(&["--role", "inspector", "--name", "bench", "--collection", &code], None)]);
    fill(&edge.home, outlets, collection);

    let of_server = |server: &Server| server.pid().map_or(f64::NAN, |pid| cpu_millis_of(pid, 0)) / 1000.0;
    let (device_cpu, server_cpu) = (own_cpu(2), of_server(&server));
    let started = Instant::now();
    // Code 3: the photos of the workload are named, but their bytes are nowhere.
    let first = sync(&edge).expect_code(3).json();
    let upload = started.elapsed().as_secs_f64();
    assert_eq!(first["outcome"], "converged", "{first}");
    let (device_cpu, server_cpu) = ((own_cpu(2) - device_cpu) / 1000.0, of_server(&server) - server_cpu);
    let changes = (outlets * CHANGES_PER_OUTLET) as f64;
    figures.at_most(
        "first upload, durable, with ledger rows",
        upload / bare,
        "ratio",
        1.3,
        "bare loop (whole command, start to exit)",
    );
    figures.beside(
        "first upload, CPU of device and server",
        (device_cpu + server_cpu) / bare_cpu,
        "ratio",
        "bare loop, CPU",
    );
    figures.beside("first upload, CPU of the device", device_cpu, "s", "");
    figures.beside("first upload, CPU of the server", server_cpu, "s", "");
    figures.beside("first upload", outlets as f64 / upload, "outlets/s", "");
    figures.beside("first upload", changes / upload, "changes/s", "");
    let sent = first["sent"]["bytes"].as_f64().unwrap_or(f64::NAN);
    figures.beside("first upload, application bytes", sent / outlets as f64, "B/outlet", "");

    let idle = sync(&edge).expect_code(3).json();
    let bytes =
        idle["sent"]["bytes"].as_f64().unwrap_or(f64::NAN) + idle["received"]["bytes"].as_f64().unwrap_or(f64::NAN);
    figures.at_most("nothing to do at 10,000, bytes both ways", bytes, "B", 1024.0, "after the TLS handshake");
    figures.at_most(
        "nothing to do at 10,000, round trips",
        idle["round_trips"].as_f64().unwrap_or(f64::NAN),
        "",
        1.0,
        "as the session counts them",
    );
    server.stop();
    saves(figures, &edge, collection);
    commands(figures, &edge);
}

fn open(home: &Path) -> EdgeStore {
    let options = OpenStore {
        home: home.to_owned(),
        who: "bench".to_owned(),
        now: NOW,
        entropy: Entropy { key: [7; 32], incarnation: [1; 4] },
        boot: boot_id(),
        create: false,
        accept_weak_storage: false,
    };
    EdgeStore::open(&options, &mut |_| {}).expect("the store opens")
}

fn fill(home: &Path, outlets: usize, collection: Collection) {
    let mut store = open(home);
    let mut writer = Writer::new(SecretKey::from_bytes([3; 32]), [0; 4], 7);
    let started = Instant::now();
    for _ in 0..outlets {
        let (key, acts) = writer.outlet(collection);
        for act in acts {
            store.write(&key, &act, &[], NOW).expect("saved");
        }
    }
    store.close().expect("closed");
    super::print(&format!("device filled with {outlets} outlets in {:.0} s\n", started.elapsed().as_secs_f64()));
}

/// Saves in an open store, each beside an append of the same size with `fdatasync`.
fn saves(figures: &mut Figures, edge: &Edge, collection: Collection) {
    let mut store = open(&edge.home);
    let mut writer = Writer::new(SecretKey::from_bytes([3; 32]), [0; 4], 8);
    let path = edge.home.with_extension("append");
    let mut file = std::fs::File::create(&path).expect("a file beside the store");
    let (mut saved, mut appended) = (Vec::new(), Vec::new());
    for _ in 0..SAVES {
        let (key, acts) = writer.outlet(collection);
        let size: usize = acts[0].iter().map(String::len).sum::<usize>() + 400;
        let started = Instant::now();
        store.write(&key, &acts[0], &[], NOW).expect("saved");
        saved.push(millis(started.elapsed()));
        let started = Instant::now();
        file.write_all(&vec![0xA5; size]).and_then(|()| file.sync_data()).expect("appended");
        appended.push(millis(started.elapsed()));
    }
    store.close().expect("closed");
    let (save, append) = (percentile(&mut saved, 0.95), percentile(&mut appended, 0.95));
    figures.at_most(
        "a record saved in an open store of 10,000, p95",
        save / append,
        "ratio",
        3.0,
        "append + fdatasync of the same size",
    );
    figures.beside("a record saved in an open store of 10,000, p95", save, "ms", "");
}

/// Whole commands, start to exit, beside a bare open of the same sled directory.
fn commands(figures: &mut Figures, edge: &Edge) {
    let index = std::fs::read_dir(&edge.home)
        .expect("the store")
        .filter_map(|entry| Some(entry.ok()?.path()))
        .find(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("index-")))
        .expect("a store has an index");
    let (mut bare_wall, mut bare_cpu, mut add, mut list_cpu) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for run in 0..9 {
        let (started, cpu) = (Instant::now(), own_cpu(0));
        let db =
            sled::Config::new().path(&index).cache_capacity(8 << 20).flush_every_ms(None).open().expect("sled opens");
        bare_wall.push(millis(started.elapsed()));
        bare_cpu.push(own_cpu(0) - cpu);
        drop(db);
        let started = Instant::now();
        let _ = edge.ok(&["add", "--number", &format!("W{run}"), "--lon", &format!("106.9{run}"), "--lat", "31.9"]);
        add.push(millis(started.elapsed()));
        let cpu = own_cpu(2);
        let _ = edge.ok(&["list"]);
        list_cpu.push(own_cpu(2) - cpu);
    }
    let median = |samples: &mut [f64]| percentile(samples, 0.5);
    let open = median(&mut bare_wall);
    figures.at_most(
        "whole `outlet add`, median, beyond sled's bare open",
        median(&mut add) - open,
        "ms",
        20.0,
        "sled's bare open of the same directory",
    );
    figures.beside("sled's bare open, median", open, "ms", "");
    figures.at_most(
        "`outlet list` of 10,000, CPU beyond sled's open",
        median(&mut list_cpu) - median(&mut bare_cpu),
        "ms",
        100.0,
        "sled's bare open (10 ms steps)",
    );
}

fn millis(elapsed: Duration) -> f64 {
    elapsed.as_secs_f64() * 1000.0
}

/// CPU of this process (`skip` 0) or of its ended children (`skip` 2), in milliseconds.
fn own_cpu(skip: usize) -> f64 {
    cpu_millis_of(std::process::id(), skip)
}
