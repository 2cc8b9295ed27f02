//! A server with 30,000 outlets: the ledger made again from the documents, and a fresh device that
//! fetches all of them.

use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::time::{Duration, Instant};

use automerge::{Automerge, ReadDoc as _};
use outlet_core::admission::{apply, check_form};
use outlet_core::identity::{KeyUse, SecretKey, SignedRun, read_key_file};
use outlet_core::ids::{Collection, DocKind};
use outlet_core::sync::replica::FeedItem;
use outlet_core::time::Timestamp;
use outlet_server::engine::Engine;
use outlet_server::folder::Folder;
use outlet_tests::figures::{Figures, cpu_millis_of, peak_mib};
use outlet_tests::process::{Edge, Server};
use outlet_tests::workload::{CHANGES_PER_OUTLET, Writer};

/// Outlets on the server.
const OUTLETS: usize = 30_000;
/// Runs of one batch, as a device that is far ahead would send them.
const PER_BATCH: usize = 250;
/// Threads of the bare loop: as many as the server uses.
const THREADS: usize = 2;
/// How often a rebuild is measured beside its bare loop: the median counts.
const ROUNDS: usize = 5;
/// How often the memory of a running device is looked at.
const LOOK: Duration = Duration::from_millis(20);

/// Everything about many outlets.
pub(crate) fn measure(figures: &mut Figures, folder: &Path, collection: Collection) {
    let mut server = Server::init(folder.join("bulk"));
    let quota = "[quota]\nchanges = 1_000_000\nbytes = 4_000_000_000\ndocuments = 1_000_000\n";
    std::fs::write(server.data.join("server.toml"), quota).expect("the configuration can be written");
    server.serve();
    let code = collection.to_string();
    let ticket =
        |server: &Server| server.ticket(&["--role", "inspector", "--name", "bench", "--collection", &code], None);
    let author = Edge::new(folder.join("author"));
    let _ = author.ok(&["enroll", &ticket(&server)]);
    server.stop();
    let key = secret_key(&author.home);
    let runs: Vec<SignedRun> = {
        let mut writer = Writer::new(key, [0; 4], 11);
        (0..super::outlets(OUTLETS)).map(|_| writer.run(collection)).collect()
    };
    fill(&server.data, &runs);
    rebuild(figures, &server.data, &runs);
    server.serve();
    let reader = Edge::new(folder.join("reader"));
    pull(figures, &server, &reader, &ticket(&server));
    server.stop();
}

fn secret_key(home: &Path) -> SecretKey {
    let bytes = std::fs::read(home.join("key")).expect("an enrolled device has a key");
    read_key_file(&bytes, KeyUse::Device).expect("a device's key")
}

fn engine(data: &Path) -> Engine {
    let clock = Arc::new(|| {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        Timestamp::from_millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
    });
    let (folder, _) = Folder::open(data, clock).expect("the data folder opens");
    Engine::new(folder).expect("the engine starts")
}

fn fill(data: &Path, runs: &[SignedRun]) {
    let engine = engine(data);
    let started = Instant::now();
    let carrier = check_form(&runs[0]).expect("a good run").signer();
    for part in runs.chunks(PER_BATCH) {
        let items: Vec<FeedItem> = part.iter().cloned().map(FeedItem::Run).collect();
        let admitted = engine.admit(&carrier, &items).expect("admitted");
        assert_eq!(admitted.new_changes, (part.len() * CHANGES_PER_OUTLET) as u64);
    }
    let rate = runs.len() as f64 / started.elapsed().as_secs_f64();
    super::print(&format!("server filled with {} outlets, {rate:.0} outlets/s through the engine alone\n", runs.len()));
}

/// All ledger rows from the documents, beside a bare loop that loads the same documents with
/// automerge and reads every key.
fn rebuild(figures: &mut Figures, data: &Path, runs: &[SignedRun]) {
    let saved: Vec<Vec<u8>> = runs
        .iter()
        .map(|run| apply(None, DocKind::Field, &[check_form(run).expect("a good run")]).expect("applies").saved)
        .collect();
    let bare = || {
        let started = Instant::now();
        std::thread::scope(|scope| {
            for part in saved.chunks(saved.len().div_ceil(THREADS)) {
                scope.spawn(move || part.iter().for_each(|saved| assert!(keys(saved) > CHANGES_PER_OUTLET)));
            }
        });
        started.elapsed().as_secs_f64()
    };
    let engine = engine(data);
    let rebuilt = || {
        let started = Instant::now();
        assert_eq!(engine.rebuild_ledger().expect("rebuilt"), runs.len() as u64);
        started.elapsed().as_secs_f64()
    };
    // One after the other, several times: a second of either is short, and a machine is not the same twice.
    let mut rounds: Vec<(f64, f64)> = (0..ROUNDS).map(|_| (bare(), rebuilt())).collect();
    rounds.sort_by(|a, b| (a.1 / a.0).total_cmp(&(b.1 / b.0)));
    let (bare, took) = rounds[ROUNDS / 2];
    let ratios: Vec<String> = rounds.iter().map(|(bare, took)| format!("{:.2}", took / bare)).collect();
    super::print(&format!("rebuild over bare loop: {}\n", ratios.join(" ")));
    figures.at_most(
        "ledger rebuilt from 30,000 documents",
        took / bare,
        "ratio",
        1.0 / 0.6,
        "loading them and reading every key, same threads",
    );
    figures.beside("ledger rebuilt", runs.len() as f64 / took, "outlets/s", "");
}

fn keys(saved: &[u8]) -> usize {
    let document = Automerge::load(saved).expect("a saved document loads");
    let Ok(Some((_, entries))) = document.get(automerge::ROOT, "entries") else { return 0 };
    document.map_range(&entries, ..).map(|item| item.key.len().min(1)).sum()
}

/// A new device fetches everything when it enrols.
fn pull(figures: &mut Figures, server: &Server, reader: &Edge, ticket: &str) {
    let pid = server.pid().expect("it is serving");
    let cpu = cpu_millis_of(pid, 0);
    let started = Instant::now();
    let mut child = reader
        .command()
        .args(["--json", "enroll", ticket])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("a device starts");
    let device = child.id();
    let children = cpu_millis_of(std::process::id(), 2);
    let mut peak: f64 = 0.0;
    let status = loop {
        peak = peak.max(peak_mib(device).unwrap_or(0.0));
        if let Some(status) = child.try_wait().expect("a child of this process") {
            break status;
        }
        std::thread::sleep(LOOK);
    };
    let took = started.elapsed().as_secs_f64();
    // Code 3 where the named photos have no bytes anywhere.
    assert!(matches!(status.code(), Some(0 | 3)), "{status}");
    let output = child.wait_with_output().expect("its output");
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(json["sync"], "converged", "{json}");
    let proof = &reader.json(&["status"])["last_proof"];
    assert!(proof["documents"].as_u64() >= Some(super::outlets(OUTLETS) as u64), "{proof}");
    figures.beside("fresh device pulling 30,000 outlets", took, "s", "");
    figures.beside("fresh device pulling", super::outlets(OUTLETS) as f64 / took, "outlets/s", "");
    let cpu_device = cpu_millis_of(std::process::id(), 2) - children;
    figures.beside("fresh device pulling 30,000: CPU of the device", cpu_device / 1000.0, "s", "");
    figures.beside("fresh device pulling 30,000: CPU of the server", (cpu_millis_of(pid, 0) - cpu) / 1000.0, "s", "");
    figures.at_most("fresh device pulling 30,000: memory of the device", peak, "MiB", 128.0, "");
    let server_peak = peak_mib(pid).unwrap_or(f64::NAN);
    figures.at_most("fresh device pulling 30,000: memory of the server", server_peak, "MiB", 512.0, "");
}
