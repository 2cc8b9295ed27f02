//! 500 devices at once, 20 changes each, beside one that stalls and one that brings far more than
//! anybody: how long the slowest honest one waits, against the median.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use outlet_core::identity::{SecretKey, ServerAddress, Ticket};
use outlet_core::ids::{Collection, DocKey, DocKind, OutletId, PublicKey};
use outlet_core::sync::memory::MemoryReplica;
use outlet_core::sync::session::{Config, Options, Session, SyncOutcome};
use outlet_core::time::Timestamp;
use outlet_tests::figures::{Figures, percentile};
use outlet_tests::process::Server;
use outlet_transport::{Congestion, Hooks, dial, drive};

const HONEST: u32 = 500;
const CHANGES: u32 = 20;
/// Changes of the greedy one.
const GREEDY: u32 = 5_000;
/// Counties that the devices work in, about as many as a river basin has: in one county, each would bring
/// all others the work of all others at the same moment.
const COUNTIES: u32 = 50;
/// Times a device tries again, as `outlet sync --watch` does.
const TRIES: usize = 5;
/// Enrolments at a time: not what is measured.
const AT_ONCE: usize = 16;

type Device = Arc<Mutex<MemoryReplica>>;

/// The row.
pub(crate) fn measure(figures: &mut Figures, folder: &Path, collection: Collection) {
    let mut server = Server::init(folder.join("fair-server"));
    let settings =
        "[limits]\nconnections = 2000\n[quota]\nchanges = 1_000_000\nbytes = 1_000_000_000\ndocuments = 100_000\n";
    std::fs::write(server.data.join("server.toml"), settings).expect("the configuration can be written");
    server.serve();
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
    let mut times = runtime.block_on(run(&server, collection));
    server.stop();
    let (median, slowest) = (percentile(&mut times, 0.5), percentile(&mut times, 1.0));
    figures.at_most(
        "500 sessions of 20 changes, one stalled, one greedy: slowest honest",
        slowest / median,
        "ratio",
        5.0,
        "the median honest one of the same run, in 50 counties",
    );
    figures.beside("500 sessions of 20 changes: median honest", median, "s", "all begin at once");
    figures.beside("500 sessions of 20 changes: slowest honest", slowest, "s", "");
}

async fn run(server: &Server, collection: Collection) -> Vec<f64> {
    let mut devices = Vec::new();
    for first in (0..HONEST + 2).step_by(AT_ONCE) {
        let group = (first..(HONEST + 2).min(first + AT_ONCE as u32)).map(|number| {
            let name = format!("device {number}");
            let collection = county(collection, number);
            let code = collection.to_string();
            let ticket = server.ticket(&["--role", "inspector", "--name", &name, "--collection", &code], None);
            enrol(number, ticket.parse().expect("a ticket"), collection)
        });
        let group: Vec<_> = group.map(tokio::spawn).collect();
        for device in group {
            devices.push(device.await.expect("enrolled"));
        }
    }
    let (_, stalled_key, address, pin) = devices.pop().expect("the one that stalls");
    let pins = [pin].into();
    let stalled = dial(std::slice::from_ref(&address), &stalled_key, &pins, Congestion::default()).await;
    let (_, stalled) = stalled.expect("it connects, and says nothing");
    let started = Instant::now();
    let sessions: Vec<_> = devices
        .into_iter()
        .map(|(device, key, address, pin)| {
            tokio::spawn(async move {
                for _ in 0..TRIES {
                    if session(&device, &key, &address, pin, Options::default()).await == Some(SyncOutcome::Converged) {
                        return started.elapsed().as_secs_f64();
                    }
                }
                // Printed as it is: a figure that holds nothing.
                f64::INFINITY
            })
        })
        .collect();
    let mut times = Vec::new();
    for session in sessions {
        times.push(session.await.expect("a session"));
    }
    stalled.abort(0, "done");
    // The last of them was the greedy one.
    times.pop();
    times
}

async fn enrol(number: u32, ticket: Ticket, collection: Collection) -> (Device, SecretKey, ServerAddress, PublicKey) {
    let mut seed = [77; 32];
    seed[..4].copy_from_slice(&number.to_be_bytes());
    let key = SecretKey::from_bytes(seed);
    let device = Arc::new(Mutex::new(MemoryReplica::device(key.clone(), [0; 4], ticket.root)));
    let address = ticket.addresses.first().expect("an address").clone();
    let options = Options { ticket_secret: Some(ticket.secret.expose().to_vec()), ..Options::default() };
    let mut outcome = None;
    for _ in 0..TRIES {
        outcome = session(&device, &key, &address, ticket.server, options.clone()).await;
        if outcome == Some(SyncOutcome::Converged) {
            break;
        }
    }
    assert_eq!(outcome, Some(SyncOutcome::Converged), "device {number} enrols in {TRIES} calls");
    let changes = if number == HONEST { GREEDY } else { CHANGES };
    let mut replica = device.lock().expect("nobody panicked with it");
    for change in 0..changes {
        let at = now();
        let mut id = [0; 10];
        id[..4].copy_from_slice(&number.to_be_bytes());
        id[4..8].copy_from_slice(&(change / 10).to_be_bytes());
        let doc = DocKey { kind: DocKind::Field, collection, id: OutletId::new(Timestamp::from_millis(1), id) };
        let text = format!(r#"{{"type":"note","kind":"note","text":"{number}/{change}","at":{}}}"#, at.millis());
        replica.edit(doc, at, &[text]).expect("saved");
    }
    drop(replica);
    (device, key, address, ticket.server)
}

async fn session(
    device: &Device,
    key: &SecretKey,
    address: &ServerAddress,
    pin: PublicKey,
    options: Options,
) -> Option<SyncOutcome> {
    let pins = [pin].into();
    let dialled = dial(std::slice::from_ref(address), key, &pins, Congestion::default()).await;
    let (_, link) = dialled.ok()?;
    let session = Session::initiator(Config::new(key.clone(), link.peer, link.binding), options);
    let driven = drive(link, session, Arc::clone(device), Hooks::new(now(), |_| ())).await;
    Some(driven.summary.outcome)
}

/// Where a device works.
fn county(first: Collection, number: u32) -> Collection {
    Collection::from_code(first.code() + number % COUNTIES).expect("a county code")
}

fn now() -> Timestamp {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_millis(i64::try_from(now.as_millis()).unwrap_or(i64::MAX))
}
