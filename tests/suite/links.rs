//! Bad links: each cell of loss and round trip, with and without cuts, and UDP blocked, ends with equal
//! digests and equal bytes; an address that changes; a first address that is dead.

use std::time::{Duration, Instant};

use outlet_core::identity::ServerAddress;
use outlet_core::ids::BlobHash;
use outlet_core::sync::session::{Options, SyncOutcome};
use outlet_tests::device::Device;
use outlet_tests::process::{Edge, Server};
use outlet_tests::relay::{Relay, Weather};
use outlet_transport::Congestion;
use tokio::task::JoinSet;

/// Of all dice of this file; `OUTLET_SEED` tries another one, and one that failed belongs here.
const SEEDS: [u64; 1] = [20_211_231];
/// A cell that needs longer hangs. The worst one (a fifth lost in bursts, 600 ms, cuts) takes 25 s where a session
/// lives to its end; each time that QUIC's doubled probes are all lost, its 30 s of silence come on top,
/// and three of those in one run were seen.
const PATIENCE: Duration = Duration::from_secs(600);

fn seeds() -> Vec<u64> {
    match std::env::var("OUTLET_SEED").ok().and_then(|text| text.parse().ok()) {
        Some(seed) => vec![seed],
        None => SEEDS.to_vec(),
    }
}

#[derive(Debug, Clone, Copy)]
struct Cell {
    loss: f64,
    round_trip: u64,
    cuts: bool,
    blocked: bool,
}

fn cells() -> Vec<Cell> {
    let mut cells = Vec::new();
    for loss in [0.0, 0.01, 0.05, 0.2] {
        for round_trip in [0, 50, 200, 600] {
            for cuts in [false, true] {
                cells.push(Cell { loss, round_trip, cuts, blocked: false });
            }
        }
    }
    cells.push(Cell { loss: 0.0, round_trip: 50, cuts: false, blocked: true });
    cells
}

impl Cell {
    fn weather(self) -> Weather {
        Weather {
            loss: self.loss,
            burst: if self.loss > 0.1 { 3.0 } else { 0.0 },
            delay: Duration::from_millis(self.round_trip / 2),
            jitter: Duration::from_millis(self.round_trip / 10),
            reorder: self.loss / 5.0,
            duplicate: self.loss / 5.0,
            cut_every: self.cuts.then_some((Duration::from_secs(2), Duration::from_millis(700))),
            blocked: self.blocked,
            ..Weather::default()
        }
    }
}

fn photo(number: u8) -> Vec<u8> {
    (0..30_000_u32).map(|index| (index.wrapping_mul(2_654_435_761) >> 13) as u8 ^ number).collect()
}

/// Syncs until nothing is left to do; how many sessions that took.
async fn until_done(device: &Device, addresses: &[ServerAddress]) -> u32 {
    let mut sessions = 0;
    loop {
        sessions += 1;
        let Ok(driven) = device.sync(addresses, Congestion::default(), Options::default()).await else { continue };
        let done = driven.summary.outcome == SyncOutcome::Converged && driven.summary.pending_photos == 0;
        if done && driven.network.is_none() {
            return sessions;
        }
    }
}

#[test]
fn every_cell_of_the_matrix_converges_with_equal_bytes() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut server = Server::init(folder.path().join("server"));
    server.serve_with(&["--tls", "127.0.0.1:0"]);
    let direct: ServerAddress = format!("quic://{}", server.quic).parse().expect("an address");
    let tls: ServerAddress =
        format!("tls://{}", server.tls.expect("it listens there, too")).parse().expect("an address");
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
    for seed in seeds() {
        eprintln!("seed {seed}: OUTLET_SEED={seed} tries it again");
        let started = Instant::now();
        let mut running = JoinSet::new();
        let mut relays = Vec::new();
        for (number, cell) in (1_u8..).zip(cells()) {
            let name = format!("{seed}-{number}");
            let ticket = server.ticket(&["--role", "inspector", "--name", &name, "--collection", "511902"], None);
            let relay = Relay::start(server.quic, cell.weather(), seed.wrapping_add(u64::from(number)));
            let through = format!("quic://{}", relay.address).parse().expect("an address");
            relays.push(relay);
            let addresses = if cell.blocked { vec![through, tls.clone()] } else { vec![through] };
            let home = folder.path().join(&name);
            let direct = ServerAddress::clone(&direct);
            running.spawn_on(
                async move {
                    let device = Device::enrol(&home, number, &ticket, &direct).await;
                    let hash = device.record(number, Some(&photo(number))).expect("a photo");
                    let _ = device.record(number.wrapping_add(100), None);
                    let started = Instant::now();
                    let sessions = tokio::time::timeout(PATIENCE, until_done(&device, &addresses)).await;
                    (number, cell, hash, sessions.ok(), started.elapsed())
                },
                runtime.handle(),
            );
        }
        let ended = runtime.block_on(running.join_all());
        let mut failed = Vec::new();
        for (number, cell, hash, sessions, took) in ended {
            eprintln!("{cell:?}: {sessions:?} sessions in {:.1} s", took.as_secs_f64());
            let stored = stored(&server, &hash);
            if sessions.is_none() || stored.as_deref() != Some(&photo(number)[..]) {
                failed.push(format!("{cell:?}: sessions {sessions:?}, bytes equal {}", stored.is_some()));
            }
        }
        eprintln!("{} cells in {:.0} s", relays.len(), started.elapsed().as_secs_f64());
        assert!(failed.is_empty(), "seed {seed}:\n{}", failed.join("\n"));
    }
}

fn stored(server: &Server, hash: &BlobHash) -> Option<Vec<u8>> {
    let name = hash.to_string();
    std::fs::read(server.data.join("photos").join(&name[..2]).join(&name)).ok()
}

#[test]
fn a_session_survives_a_change_of_address() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut server = Server::init(folder.path().join("server"));
    server.serve();
    let weather = Weather { delay: Duration::from_millis(10), rate: 400_000, ..Weather::default() };
    let relay = Relay::start(server.quic, weather, 3);
    let ticket = server.ticket(&["--role", "inspector", "--name", "walker", "--collection", "511902"], None);
    let direct = format!("quic://{}", server.quic).parse().expect("an address");
    let through = format!("quic://{}", relay.address).parse().expect("an address");
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let device = Device::enrol(&folder.path().join("walker"), 9, &ticket, &direct).await;
        let bytes: Vec<u8> = (0..300_000_u32).map(|index| (index.wrapping_mul(2_654_435_761) >> 9) as u8).collect();
        let hash = device.record(1, Some(&bytes)).expect("a photo");
        let addresses = [through];
        let session = device.sync(&addresses, Congestion::default(), Options::default());
        let moved = async {
            // In the middle of the photo: so much of it has passed.
            while relay.bytes().0 < 150_000 {
                tokio::task::yield_now().await;
            }
            relay.change_address();
        };
        let (driven, ()) = tokio::join!(session, moved);
        let driven = driven.expect("the server answers");
        assert_eq!(driven.summary.outcome, SyncOutcome::Converged, "{driven:?}");
        assert_eq!((driven.summary.sent.photos, driven.summary.pending_photos), (1, 0), "in the same session");
        assert_eq!(stored(&server, &hash).as_deref(), Some(&bytes[..]));
    });
}

/// The server does not know yet that the link was cut: the older session gives way, and the photo goes
/// on where it was.
#[test]
fn a_device_that_calls_again_after_a_cut_goes_on_at_once() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut server = Server::init(folder.path().join("server"));
    server.serve();
    let weather = Weather { delay: Duration::from_millis(10), rate: 2_000_000, ..Weather::default() };
    let relay = Relay::start(server.quic, weather, 6);
    let ticket = server.ticket(&["--role", "inspector", "--name", "climber", "--collection", "511902"], None);
    let direct = format!("quic://{}", server.quic).parse().expect("an address");
    let through = [format!("quic://{}", relay.address).parse().expect("an address")];
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let device = Device::enrol(&folder.path().join("climber"), 12, &ticket, &direct).await;
        let bytes: Vec<u8> = (0..2_000_000_u32).map(|index| (index.wrapping_mul(2_654_435_761) >> 9) as u8).collect();
        let hash = device.record(1, Some(&bytes)).expect("a photo");
        let before = relay.bytes().0;
        let session = device.sync(&through, Congestion::default(), Options::default());
        let cut = async {
            while relay.bytes().0 - before < 1_000_000 {
                tokio::task::yield_now().await;
            }
            relay.cut();
        };
        // The device gives up as a person does, without a word to the server.
        tokio::select! {
            _ = session => panic!("nothing passes"),
            () = async { cut.await; tokio::task::yield_now().await } => {}
        }
        relay.mend(None);
        let again = Instant::now();
        let driven = device.sync(&through, Congestion::default(), Options::default()).await.expect("an answer");
        assert_eq!(driven.summary.outcome, SyncOutcome::Converged, "{driven:?}");
        assert_eq!((driven.summary.sent.photos, driven.summary.pending_photos), (1, 0), "not busy with the older one");
        assert!(again.elapsed() < outlet_transport::tuning::IDLE_TIMEOUT, "{:?}", again.elapsed());
        assert!(driven.summary.sent.bytes < 1_500_000, "from where it was: {}", driven.summary.sent.bytes);
        assert_eq!(stored(&server, &hash).as_deref(), Some(&bytes[..]));
    });
}

#[test]
fn a_dead_first_address_costs_two_seconds_once_an_hour_and_is_shown() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut server = Server::init(folder.path().join("server"));
    server.serve_with(&["--tls", "127.0.0.1:0"]);
    let relay = Relay::start(server.quic, Weather { blocked: true, ..Weather::default() }, 4);
    let (dead, tls) = (format!("quic://{}", relay.address), format!("tls://{}", server.tls.expect("it listens")));
    let mut args = vec!["ticket", "--address", &dead, "--address", &tls];
    args.extend(["--role", "inspector", "--name", "blocked", "--collection", "511902"]);
    let ticket = server.admin_json(&args)["ticket"].as_str().expect("a ticket").to_owned();
    let edge = Edge::new(folder.path().join("edge"));
    let said = edge.ok(&["enroll", &ticket]);
    assert!(said.stderr.contains("tried first for the next hour"), "{}", said.stderr);
    let _ = edge.ok(&["add", "--lon", "106.75", "--lat", "31.85"]);
    let synced = edge.json(&["sync"]);
    assert_eq!((synced["outcome"].as_str(), synced["via"].as_str()), (Some("converged"), Some(tls.as_str())));
    let status = edge.json(&["status"]);
    assert_eq!(status["route"]["address"].as_str(), Some(tls.as_str()));
    assert!(edge.ok(&["status"]).stdout.contains("goes first until"));
}
