//! What is sent again after a photo was broken off: on a clock that tests turn, over a network in memory,
//! so that the same datagrams are lost every time. `bench links again` measures the real programs.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use outlet_core::identity::{Role, SecretKey, TicketRecord, TicketSecret};
use outlet_core::ids::{BlobHash, Collection, DocKey, DocKind, Epoch, OutletId, PersonId};
use outlet_core::sync::memory::MemoryReplica;
use outlet_core::sync::replica::BlobClass;
use outlet_core::sync::session::{Config, Options, Session, SyncOutcome};
use outlet_core::time::Timestamp;
use outlet_tests::ether::{Ether, server_address};
use outlet_tests::relay::Weather;
use outlet_transport::{Driven, Hooks, Link, Tuning, Turns, drive, quic};
use tokio::task::JoinHandle;

const NOW: Timestamp = Timestamp::from_millis(1_640_000_000_000);
const PHOTO: usize = 3_000_000;
const KIB: u64 = 1024;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Broken {
    Never,
    Cut,
    DeviceKilled,
    ServerKilled,
}

/// A device with a photo, a server, and the network between them.
struct World {
    ether: Ether,
    server: Arc<Mutex<MemoryReplica>>,
    device: Arc<Mutex<MemoryReplica>>,
    turns: Arc<Turns>,
    serving: JoinHandle<()>,
    hash: BlobHash,
}

fn key(seed: u8) -> SecretKey {
    SecretKey::from_bytes([seed; 32])
}

fn lock(replica: &Mutex<MemoryReplica>) -> MutexGuard<'_, MemoryReplica> {
    replica.lock().expect("no test panics while it has it")
}

fn bytes() -> Vec<u8> {
    (0..PHOTO as u32).map(|index| (index.wrapping_mul(2_654_435_761) >> 13) as u8).collect()
}

fn serve(ether: &Ether, server: &Arc<Mutex<MemoryReplica>>, turns: &Arc<Turns>) -> JoinHandle<()> {
    let endpoint = quic::listen_over(ether.server(), &key(1), Tuning::default()).expect("an endpoint");
    let (server, turns) = (Arc::clone(server), Arc::clone(turns));
    tokio::spawn(async move {
        let mut sessions = tokio::task::JoinSet::new();
        while let Some(incoming) = endpoint.accept().await {
            let (server, turns) = (Arc::clone(&server), Arc::clone(&turns));
            sessions.spawn(async move {
                let connection = quic::accept(incoming).await.expect("a connection");
                let Ok(link) = Link::accept(connection).await else { return };
                let session = Session::acceptor(Config::new(key(1), link.peer, link.binding));
                let hooks = Hooks::new(NOW, |_| ()).in_turn(turns.of(link.peer));
                let _ended = drive(link, session, server, hooks).await;
            });
        }
    })
}

impl World {
    async fn new(weather: Weather, seed: u64) -> Self {
        let server = MemoryReplica::server(key(1), &key(200), Epoch([1; 8]), NOW);
        let server = Arc::new(Mutex::new(server));
        let county = Collection::from_code(511_902).expect("a county");
        let ticket = TicketRecord {
            secret_hash: TicketSecret::from_bytes([2; 16]).hash(),
            role: Role::Inspector,
            level: None,
            collections: [county].into(),
            name: "李明".to_owned(),
            person: PersonId([2; 16]),
            expires_at: NOW.plus_millis(1_000_000),
            used_by: None,
        };
        lock(&server).add_ticket(ticket);
        let device = Arc::new(Mutex::new(MemoryReplica::device(key(2), [2; 4], key(200).public())));
        let ether = Ether::new(weather, seed);
        let turns = Arc::default();
        let serving = serve(&ether, &server, &turns);
        let mut world = Self { ether, server, device, turns, serving, hash: BlobHash([0; 32]) };
        let enrol = Options { ticket_secret: Some(vec![2; 16]), ..Options::default() };
        let _ = world.sync(enrol).await.expect("a ticket");
        let doc = DocKey { kind: DocKind::Field, collection: county, id: OutletId::new(NOW, [1; 10]) };
        let note = r#"{"type":"note","kind":"note","text":"污水","at":1640000000000}"#;
        lock(&world.device).edit(doc, NOW, &[note.to_owned()]).expect("a note");
        let _ = world.sync(Options::default()).await.expect("the record");
        world.hash = lock(&world.device).add_blob(doc, BlobClass::Original, None, bytes());
        world
    }

    fn session(&self, options: Options) -> JoinHandle<Option<Driven>> {
        let (ether, device) = (self.ether.clone(), Arc::clone(&self.device));
        tokio::spawn(async move {
            let pins = BTreeSet::from([key(1).public()]);
            let called =
                quic::connect_over(ether.device(2), server_address(), &key(2), &pins, Tuning::default()).await.ok()?;
            let link = Link::open(called).await.ok()?;
            let session = Session::initiator(Config::new(key(2), link.peer, link.binding), options);
            Some(drive(link, session, device, Hooks::new(NOW, |_| ())).await)
        })
    }

    async fn sync(&self, options: Options) -> Option<Driven> {
        let driven = self.session(options).await.expect("no panic");
        driven.filter(|driven| driven.summary.outcome == SyncOutcome::Converged)
    }

    /// Bytes to the server until the photo is there, broken off when half of it has passed; and how much went
    /// to nobody: what was in the network then, and what was sent before the device could know.
    async fn push(mut self, broken: Broken) -> (u64, u64) {
        let before = self.ether.traffic().up;
        let passed = |world: &Self| world.ether.traffic().up - before;
        let mut to_nobody = 0;
        if broken != Broken::Never {
            let session = self.session(Options::default());
            while passed(&self) < PHOTO as u64 / 2 {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            to_nobody = self.ether.under_way();
            let at_the_end = passed(&self);
            if broken == Broken::ServerKilled {
                self.serving.abort();
                // What the old one has not kept is gone; nobody listens for a moment.
                drop(self.ether.server());
            } else {
                self.ether.cut();
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
            if broken != Broken::Cut {
                drop(self.ether.device(2));
            }
            session.abort();
            let _ = session.await;
            to_nobody += passed(&self) - at_the_end;
            if broken == Broken::ServerKilled {
                self.turns = Arc::default();
                self.serving = serve(&self.ether, &self.server, &self.turns);
            }
            self.ether.mend();
        }
        while lock(&self.server).blob(&self.hash).is_none() {
            let _ = self.sync(Options::default()).await;
        }
        assert_eq!(lock(&self.server).blob(&self.hash), Some(&bytes()[..]));
        (passed(&self), to_nobody)
    }
}

/// `OUTLET_SEED` tries another one.
fn seeds() -> [u64; 1] {
    [std::env::var("OUTLET_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or(20_211_231)]
}

/// 20 Mbit/s, 50 ms; a queue of one bandwidth-delay product, and of twenty.
fn weathers() -> [(&'static str, Weather); 3] {
    let weather = Weather { delay: Duration::from_millis(25), rate: 2_500_000, queue: 125_000, ..Weather::default() };
    [
        ("queue of 1 BDP", weather),
        ("the same, 1 % loss", Weather { loss: 0.01, ..weather }),
        ("queue of 20 BDP", Weather { queue: 2_500_000, ..weather }),
    ]
}

#[tokio::test(start_paused = true)]
async fn a_photo_that_was_broken_off_goes_on_where_its_bytes_are_missing() {
    let mut table = String::new();
    let (mut worst, mut beyond) = (0, 0);
    for (name, weather) in weathers() {
        for seed in seeds() {
            let whole = World::new(weather, seed).await.push(Broken::Never).await.0;
            for broken in [Broken::Cut, Broken::DeviceKilled, Broken::ServerKilled] {
                let (sent, to_nobody) = World::new(weather, seed).await.push(broken).await;
                let again = sent.saturating_sub(whole) / KIB;
                table += &format!(
                    "{name}, seed {seed}, {broken:?}: {again} KiB again, {} KiB went to nobody\n",
                    to_nobody / KIB
                );
                // What is in the network when its reader dies is lost with it, whatever anybody does: with a full queue
                // of one bandwidth-delay product twice that product, and more where the queue is deeper. So is what is
                // sent until the silence is noticed.
                if broken == Broken::ServerKilled {
                    beyond = beyond.max(again.saturating_sub(to_nobody / KIB));
                } else {
                    worst = worst.max(again);
                }
            }
        }
    }
    eprintln!("{table}");
    assert!(worst <= 64 && beyond <= 64, "{worst} KiB after a cut, {beyond} KiB beyond what went to nobody\n{table}");
}
