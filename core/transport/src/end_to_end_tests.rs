//! Real connections, real sessions, replicas in memory: enrolment, records, photos, a cut.

use std::sync::{Arc, Mutex, MutexGuard};

use outlet_core::identity::{Role, TicketRecord, TicketSecret, TransportKind};
use outlet_core::ids::{BlobHash, Collection, DocKey, DocKind, Epoch, OutletId, PersonId};
use outlet_core::sync::memory::MemoryReplica;
use outlet_core::sync::replica::{BlobClass, Fetch};
use outlet_core::sync::session::{CloseReason, Config, Event, Options, Phase, Session, SyncOutcome};
use outlet_core::time::Timestamp;

use crate::tests::{BOTH, key, links_as};
use crate::{Driven, Hooks, drive};

const NOW: Timestamp = Timestamp::from_millis(1_640_000_000_000);

type Shared = Arc<Mutex<MemoryReplica>>;

struct World {
    kind: TransportKind,
    server: Shared,
    now: Timestamp,
}

fn county() -> Collection {
    Collection::from_code(511_902).unwrap()
}

fn doc(number: u16) -> DocKey {
    let [high, low] = number.to_be_bytes();
    DocKey { kind: DocKind::Field, collection: county(), id: OutletId::new(NOW, [high, low, 0, 0, 0, 0, 0, 0, 0, 0]) }
}

fn lock(replica: &Shared) -> MutexGuard<'_, MemoryReplica> {
    replica.lock().unwrap()
}

impl World {
    fn new(kind: TransportKind) -> Self {
        let server = MemoryReplica::server(key(1), &key(200), Epoch([1; 8]), NOW);
        Self { kind, server: Arc::new(Mutex::new(server)), now: NOW }
    }

    /// A device enrolled with a ticket, over a connection.
    async fn enrol(&mut self, seed: u8) -> Shared {
        let ticket = TicketRecord {
            secret_hash: TicketSecret::from_bytes([seed; 16]).hash(),
            role: Role::Inspector,
            level: None,
            collections: [county()].into(),
            name: "李明".to_owned(),
            person: PersonId([seed; 16]),
            expires_at: NOW.plus_millis(1_000_000),
            used_by: None,
        };
        lock(&self.server).add_ticket(ticket);
        let device = MemoryReplica::device(key(seed), [seed; 4], key(200).public());
        let device = Arc::new(Mutex::new(device));
        let options = Options { ticket_secret: Some(vec![seed; 16]), ..Options::default() };
        let (done, _) = self.sync(seed, &device, options).await;
        assert_eq!(done.reason, CloseReason::Done, "{done:?}");
        assert!(lock(&device).membership().is_some());
        device
    }

    async fn sync(&mut self, seed: u8, device: &Shared, options: Options) -> (Driven, Driven) {
        let hooks = Hooks::new(self.tick(), |_| ());
        self.sync_with(seed, device, options, hooks).await
    }

    fn tick(&mut self) -> Timestamp {
        self.now = self.now.plus_millis(60_000);
        self.now
    }

    async fn sync_with<E: FnMut(Event)>(
        &mut self,
        seed: u8,
        device: &Shared,
        options: Options,
        hooks: Hooks<E>,
    ) -> (Driven, Driven) {
        let (ours, theirs) = links_as(self.kind, seed).await;
        let initiator = Session::initiator(Config::new(key(seed), ours.peer, ours.binding), options);
        let acceptor = Session::acceptor(Config::new(key(1), theirs.peer, theirs.binding));
        let (device, server) = (Arc::clone(device), Arc::clone(&self.server));
        tokio::join!(
            drive(ours, initiator, device, hooks),
            drive(theirs, acceptor, server, Hooks::new(self.now, |_| ())),
        )
    }

    fn write(&mut self, device: &Shared, numbers: std::ops::Range<u16>) {
        for number in numbers {
            self.now = self.now.plus_millis(1000);
            let at = self.now.millis();
            let note = format!(r#"{{"type":"note","kind":"note","text":"污水 {at}","at":{at}}}"#);
            lock(device).edit(doc(number), self.now, &[note]).unwrap();
        }
    }
}

#[track_caller]
fn converged((done, served): &(Driven, Driven)) {
    for side in [done, served] {
        assert_eq!(side.summary.outcome, SyncOutcome::Converged, "{side:?}");
        assert_eq!(side.reason, CloseReason::Done, "{side:?}");
    }
    assert_eq!(done.summary.digests, served.summary.digests);
}

/// So many bytes that no two positions look alike.
fn photo(bytes: usize, seed: u32) -> Vec<u8> {
    (0..bytes as u32).map(|index| (index.wrapping_mul(2_654_435_761).wrapping_add(seed) >> 13) as u8).collect()
}

#[tokio::test]
async fn records_of_one_device_reach_another_and_all_sides_prove_it() {
    for kind in BOTH {
        let mut world = World::new(kind);
        let (first, second) = (world.enrol(2).await, world.enrol(3).await);
        world.write(&first, 0..150);
        let sent = world.sync(2, &first, Options::default()).await;
        converged(&sent);
        assert_eq!(sent.0.summary.sent.changes, 150);
        let pulled = world.sync(3, &second, Options::default()).await;
        converged(&pulled);
        assert_eq!(lock(&second).documents(county()).count(), 150);
        // Both write to the same documents while apart.
        world.write(&first, 100..160);
        world.write(&second, 140..200);
        converged(&world.sync(2, &first, Options::default()).await);
        converged(&world.sync(3, &second, Options::default()).await);
        converged(&world.sync(2, &first, Options::default()).await);
        let (one, other) = (lock(&first), lock(&second));
        assert_eq!(one.documents(county()).count(), 200);
        for number in 0..200 {
            assert_eq!(one.document(&doc(number)).unwrap().heads(), other.document(&doc(number)).unwrap().heads());
        }
    }
}

#[tokio::test]
async fn photos_follow_and_reach_those_who_ask() {
    for kind in BOTH {
        let mut world = World::new(kind);
        let (first, second) = (world.enrol(2).await, world.enrol(3).await);
        world.write(&first, 0..3);
        let hashes: Vec<BlobHash> = (0..3)
            .map(|at| lock(&first).add_blob(doc(at), BlobClass::Original, None, photo(900_000, u32::from(at))))
            .collect();
        let sent = world.sync(2, &first, Options::default()).await;
        converged(&sent);
        assert_eq!(sent.0.summary.sent.photos, 3, "{sent:?}");
        let options = Options { fetch: Fetch::Previews, ..Options::default() };
        converged(&world.sync(3, &second, options).await);
        for (at, hash) in hashes.iter().enumerate() {
            assert_eq!(lock(&world.server).blob(hash).unwrap(), photo(900_000, at as u32), "{kind:?}");
            assert!(lock(&first).blob_is_safe(hash));
        }
    }
}

#[tokio::test]
async fn a_cut_photo_goes_on_where_it_stopped() {
    const BYTES: usize = 12_000_000;
    for kind in BOTH {
        let mut world = World::new(kind);
        let device = world.enrol(2).await;
        world.write(&device, 0..1);
        let hash = lock(&device).add_blob(doc(0), BlobClass::Original, None, photo(BYTES, 1));
        let (stop, stopped) = tokio::sync::oneshot::channel();
        let mut stop = Some(stop);
        let hooks = Hooks::new(world.tick(), move |event| {
            let begun = matches!(event, Event::Progress { phase: Phase::FilesOut, done, .. } if done > 4_000_000);
            if let Some(stop) = stop.take_if(|_| begun) {
                let _ = stop.send(());
            }
        });
        let hooks = hooks.stop_when(async { stopped.await.unwrap() });
        let (cut, _) = world.sync_with(2, &device, Options::default(), hooks).await;
        assert_eq!(cut.reason, CloseReason::Cut, "{cut:?}");
        let there = lock(&world.server).blob_progress(&hash);
        assert!(there > 0 && there < BYTES, "{kind:?}: {there}");

        let resumed = world.sync(2, &device, Options::default()).await;
        converged(&resumed);
        let again = resumed.0.summary.sent.bytes;
        assert!(again < (BYTES - there + 100_000) as u64, "{again} bytes sent again, {there} were there");
        assert_eq!(lock(&world.server).blob(&hash).unwrap(), photo(BYTES, 1));
    }
}
