//! Real stores on both sides of real sessions, across a restore of the server from a backup.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use outlet_core::identity::{Role, TicketSecret};
use outlet_core::ids::{ChangeHash, Collection, DocKey, PersonId};
use outlet_core::store::{EdgeStore, Enrolment, Entropy, OpenStore, Store as _};
use outlet_core::sync::calls::{Answer, Call};
use outlet_core::sync::replica::{Replica, ReplicaError};
use outlet_core::sync::session::{Config, Input, Options, Output, Session, Summary, SyncOutcome};
use outlet_core::time::Timestamp;

use crate::db::{DbError, devices};
use crate::engine::Engine;
use crate::replica::ServerReplica;
use crate::testing::{Kit, START, county, outlet};

struct End {
    session: Session,
    peer: outlet_core::ids::PublicKey,
    calls: VecDeque<(u64, Call)>,
}

impl End {
    fn take(&mut self, now: Timestamp, input: Input) -> Vec<Input> {
        let mut frames = Vec::new();
        self.session.handle(now, input);
        while let Some(output) = self.session.poll_output() {
            match output {
                Output::Call { id, call } => self.calls.push_back((id, call)),
                Output::Send { lane, bytes } => {
                    let length = bytes.len();
                    frames.push(Input::Frame { lane, bytes });
                    self.session.handle(now, Input::Written { lane, bytes: length });
                }
                _ => {}
            }
        }
        frames
    }
}

/// One session to its end.
fn sync(store: &mut EdgeStore, engine: &Arc<Engine>, ticket: Option<[u8; 16]>) -> Summary {
    let (own, server) = (store.identity().public(), engine.folder.key().public());
    let now = engine.folder.now();
    let mut exporter = [0; 32];
    exporter[..8].copy_from_slice(&now.millis().to_be_bytes());
    let options = Options { ticket_secret: ticket.map(|secret| secret.to_vec()), ..Options::default() };
    let initiator = Session::initiator(Config::new(store.identity().key().clone(), server, exporter), options);
    let acceptor = Session::acceptor(Config::new(engine.folder.key().clone(), own, exporter));
    let mut ends =
        [(initiator, server), (acceptor, own)].map(|(session, peer)| End { session, peer, calls: VecDeque::new() });
    let mut replica = ServerReplica::new(Arc::clone(engine));
    let mut inputs: [VecDeque<Input>; 2] = [VecDeque::from([Input::Start]), VecDeque::from([Input::Start])];
    for _ in 0..10_000 {
        let mut idle = true;
        for end in 0..2 {
            let next = inputs[end].pop_front().or_else(|| {
                let (id, call) = ends[end].calls.pop_front()?;
                let side: &mut dyn Replica = if end == 0 { store } else { &mut replica };
                let result: Result<Answer, ReplicaError> = call.execute(side, &ends[end].peer, now);
                Some(Input::CallDone { id, result })
            });
            let Some(next) = next.filter(|_| !ends[end].session.is_closed()) else { continue };
            idle = false;
            let frames = ends[end].take(now, next);
            inputs[1 - end].extend(frames);
        }
        if idle {
            break;
        }
    }
    ends[0].session.summary().clone()
}

struct Devices {
    places: Vec<tempfile::TempDir>,
    stores: Vec<EdgeStore>,
}

impl Devices {
    /// A device with a ticket of this server.
    fn enrol(&mut self, kit: &Kit) {
        let number = u8::try_from(self.stores.len()).unwrap();
        let secret = [number + 1; 16];
        let grant = devices::Grant {
            role: Role::Inspector,
            level: None,
            collections: vec![county()],
            name: format!("person {number}"),
            person: PersonId([number + 1; 16]),
        };
        let hash = TicketSecret::from_bytes(secret).hash().0;
        let expires = kit.now().plus_millis(1_000_000);
        let database = kit.engine.database();
        database.write::<_, DbError>(|tx| devices::insert_ticket(tx, &hash, &grant, kit.now(), expires)).unwrap();
        let root = database.read::<_, DbError>(|tx| kit.engine.folder.roster(tx)).unwrap().root();
        let place = tempfile::tempdir().unwrap();
        let open = OpenStore {
            home: place.path().join("home"),
            who: "a test".to_owned(),
            now: kit.now(),
            entropy: Entropy { key: [number + 50; 32], incarnation: [number; 4] },
            boot: Some("this boot".to_owned()),
            create: true,
            accept_weak_storage: false,
        };
        let mut store = EdgeStore::open(&open, &mut |_| {}).unwrap();
        let enrolment = Enrolment {
            root,
            servers: vec![kit.engine.folder.key().public()],
            addresses: vec!["quic://127.0.0.1:4433".into()],
            collections: Vec::new(),
            certificate: None,
            server_certificate: None,
            name: None,
        };
        store.enrol(&enrolment, kit.now()).unwrap();
        assert_eq!(sync(&mut store, &kit.engine, Some(secret)).outcome, SyncOutcome::Converged);
        self.places.push(place);
        self.stores.push(store);
    }

    fn write(&mut self, device: usize, key: &DocKey, field: &str, value: &str) {
        let now = Timestamp::from_millis(START + 10);
        let entry = format!(r#"{{"type":"fact","field":"{field}","value":"{value}","at":{}}}"#, START + device as i64);
        self.stores[device].write(key, &[entry], &[], now).unwrap();
    }

    fn sync(&mut self, device: usize, engine: &Arc<Engine>) -> Summary {
        sync(&mut self.stores[device], engine, None)
    }
}

/// When each change of a document was first received.
fn times(engine: &Engine, key: &DocKey) -> HashMap<ChangeHash, Timestamp> {
    let runs = engine.database().read::<_, DbError>(|tx| crate::db::records::admitted_runs(tx, key)).unwrap();
    crate::engine::projector::Past::read(key, &runs).unwrap().times
}

#[test]
fn devices_and_a_restored_server_converge_and_lose_nothing() {
    let kit = Kit::new();
    let mut devices = Devices { places: Vec::new(), stores: Vec::new() };
    devices.enrol(&kit);
    devices.enrol(&kit);
    devices.write(0, &outlet(1), "name", "甲");
    devices.sync(0, &kit.engine);
    devices.sync(1, &kit.engine);
    let file = kit.place.path().join("early.age");
    let passphrase = || age::secrecy::SecretString::from("long enough".to_owned());
    crate::backup::backup(&kit.engine.folder, &file, passphrase()).unwrap();
    kit.wait(1000);
    // After the backup: a new member, its work, and work of others on top of it.
    devices.enrol(&kit);
    devices.write(2, &outlet(2), "name", "乙");
    devices.write(0, &outlet(1), "bank", "left");
    for device in [2, 0, 1] {
        devices.sync(device, &kit.engine);
    }
    let first: Vec<_> = [outlet(1), outlet(2)].iter().map(|key| times(&kit.engine, key)).collect();
    devices.write(1, &outlet(2), "village", "丁村");
    devices.write(1, &outlet(1), "village", "丙村");
    kit.wait(1000);
    let data = kit.place.path().join("restored");
    crate::backup::restore(&data, &file, passphrase(), kit.now()).unwrap();
    let engine = Arc::new(crate::testing::open(&data, &kit.clock));
    // The one that carries everybody's work comes first, before the forgotten member.
    let mut last = Vec::new();
    for _ in 0..3 {
        last = [1, 0, 2].map(|device| devices.sync(device, &engine)).to_vec();
    }
    for summary in &last {
        assert_eq!(summary.outcome, SyncOutcome::Converged, "{summary:?}");
    }
    // What was received before the restore was received then, although another device brought it
    // back first, and its own came with the receipts later.
    for (key, before) in [outlet(1), outlet(2)].iter().zip(first) {
        let after = times(&engine, key);
        assert!(
            !before.is_empty() && before.iter().all(|(change, at)| after.get(change) == Some(at)),
            "{before:?} {after:?}"
        );
        assert!(after.len() > before.len(), "and what came after it, after it");
    }
    let mut replica = ServerReplica::new(Arc::clone(&engine));
    let all = [Collection::REFERENCE, county()];
    let seen = |states: Vec<outlet_core::sync::replica::CollectionState>| -> Vec<_> {
        states.into_iter().map(|state| (state.collection, state.digest, state.count, state.held)).collect()
    };
    let expected = seen(replica.states(&all).unwrap());
    for store in &mut devices.stores {
        assert_eq!(seen(store.states(&all).unwrap()), expected);
        assert_eq!(store.local().unwrap().pending.changes, 0);
        for (key, entries) in [(outlet(1), 3), (outlet(2), 2)] {
            assert_eq!(store.document(&key).unwrap().unwrap().entries().len(), entries);
        }
    }
    assert_eq!(engine.database().read::<_, DbError>(|tx| crate::db::ledger::count(tx)).unwrap(), 2);
}

#[test]
fn receipts_that_are_forged_or_for_other_work_are_not_believed() {
    use outlet_core::identity::{Receipt, SecretKey, Signed, SignedReceipt};
    use outlet_core::sync::replica::{FeedItem, Outcome, Sealed, ShownReceipt};

    let kit = Kit::new();
    let mut writer = kit.member(1, Role::Inspector, None);
    let run = writer.fact(&outlet(1), "name", "甲");
    let list = vec![(run.doc, run.last().unwrap())];
    let receipt = |key: &SecretKey, runs: &[(DocKey, ChangeHash)]| {
        let epoch = kit.engine.folder.epoch().unwrap();
        let at = Timestamp::from_millis(START - 1_000_000);
        let receipt = Receipt {
            epoch,
            collection: county(),
            from_seq: 1,
            to_seq: 1,
            at,
            count: runs.len() as u64,
            runs: Receipt::list_digest(runs),
        };
        let signed: SignedReceipt = Signed::sign(key, receipt);
        Sealed(signed.to_bytes())
    };
    let server = kit.engine.folder.key().clone();
    let shown = |receipt, runs: &Vec<_>| FeedItem::Receipt(ShownReceipt { receipt, runs: runs.clone() });
    let items = [
        shown(receipt(&SecretKey::from_bytes([9; 32]), &list), &list),
        shown(receipt(&server, &[]), &list),
        shown(Sealed(vec![1, 2, 3]), &list),
        FeedItem::Run(run.clone()),
    ];
    let admitted = kit.engine.admit(&writer.key.public(), &items).unwrap();
    for outcome in &admitted.outcomes[..3] {
        assert!(matches!(outcome, Outcome::Refused { code, .. } if code == "not_believed"), "{outcome:?}");
    }
    let last = run.last().unwrap();
    assert!(times(&kit.engine, &run.doc)[&last].millis() >= START);
    // The server's own word counts, also for what is here already; a second time changes nothing.
    for _ in 0..2 {
        let again = kit.engine.admit(&writer.key.public(), &[shown(receipt(&server, &list), &list)]).unwrap();
        assert_eq!(again.outcomes, [Outcome::Stored { in_ledger: false }]);
        assert_eq!(times(&kit.engine, &run.doc)[&last].millis(), START - 1_000_000);
    }
}
