//! Two devices without a server: who may speak to whom, what travels, and what it is worth.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;

use super::super::record::Enrolment;
use super::super::store_tests::{NOW, name, options, outlet, photo, rows_of};
use super::super::summary::{Filter, RecordState};
use super::super::testing::{FaultVfs, Faults};
use super::super::{OpenStore, Store};
use super::*;
use crate::identity::{
    Membership, Role, Ruling, RulingReason, SecretKey, ServerGrant, ServerStanding, SignedRevocation, SignedRun,
};
use crate::ids::PersonId;
use crate::sync::session::{Config, Input, Options, Output, Session, Summary, SyncOutcome};

#[path = "bundle_tests.rs"]
mod bundles;

/// One store that the test and a session use by turns.
#[derive(Clone, Debug)]
struct Shared(Rc<RefCell<EdgeStore>>);

impl Lend for Shared {
    fn with<T>(&mut self, work: impl FnOnce(&mut EdgeStore) -> T) -> T {
        work(&mut self.0.borrow_mut())
    }
}

struct Authority {
    root: SecretKey,
    server: SecretKey,
    /// Files that fail on purpose, for the devices made from here on.
    vfs: Option<FaultVfs>,
}

impl Authority {
    fn new(seed: u8) -> Self {
        Self { root: SecretKey::from_bytes([seed; 32]), server: SecretKey::from_bytes([seed + 1; 32]), vfs: None }
    }

    fn server_cert(&self) -> Sealed {
        let (key, standing) = (self.server.public(), ServerStanding::Active);
        let grant = ServerGrant { key, name: "Bazhong".into(), issued_at: NOW, serial: 1, standing };
        Sealed(ServerCert::sign(&self.root, grant).to_bytes())
    }

    fn membership(&self, key: PublicKey, collections: &[&str], days: i64) -> Sealed {
        let membership = Membership {
            key,
            person: PersonId([key.0[0]; 16]),
            name: "somebody".into(),
            role: Role::Inspector,
            level: None,
            collections: collections.iter().map(|code| code.parse().unwrap()).collect(),
            not_before: Timestamp::from_millis(0),
            not_after: NOW.plus_millis(days * 86_400_000),
            serial: 1,
        };
        Sealed(Certificate::sign(&self.server, membership).to_bytes())
    }

    fn device(&self, home: &Path, seed: u8, collections: &[&str], days: i64) -> Shared {
        let base = options(home);
        let entropy = super::super::Entropy { key: [seed; 32], incarnation: [seed; 4] };
        let mut store = match &self.vfs {
            Some(vfs) => {
                EdgeStore::open_on(Arc::new(vfs.clone()), &OpenStore { entropy, ..base }, &mut |_| {}).unwrap()
            }
            None => EdgeStore::open(&OpenStore { entropy, ..base }, &mut |_| {}).unwrap(),
        };
        let enrolment = Enrolment {
            root: self.root.public(),
            servers: vec![self.server.public()],
            addresses: Vec::new(),
            collections: collections.iter().map(|code| code.parse().unwrap()).collect(),
            certificate: Some(self.membership(store.identity().public(), collections, days)),
            server_certificate: Some(self.server_cert()),
            name: None,
        };
        store.enrol(&enrolment, NOW).unwrap();
        Shared(Rc::new(RefCell::new(store)))
    }

    fn ruling(&self, doc: DocKey, run: ChangeHash, verdict: Ruled) -> FeedItem {
        let (reason, who) = (RulingReason::Reviewed, "admin".to_owned());
        let ruling = Ruling { doc, run, changes: vec![run], verdict, reason, who, at: NOW, serial: 7, note: None };
        FeedItem::Ruling(Sealed(SignedRuling::sign(&self.server, ruling).to_bytes()))
    }

    /// As the server tells it to this device.
    fn tells(&self, device: &mut Shared, items: Vec<FeedItem>) {
        let batch = Batch { items, cursors: Vec::new() };
        device.with(|store| store.admit(&self.server.public(), &batch, NOW)).unwrap();
    }
}

/// A session between two devices; the first one calls.
fn meet(first: &mut Shared, second: &mut Shared, options: Options) -> [Summary; 2] {
    let keys: Vec<SecretKey> =
        [&*first, &*second].iter().map(|device| device.0.borrow().identity().key().clone()).collect();
    let options = Options { peer: true, ..options };
    let mut sessions = [
        Session::initiator(Config::new(keys[0].clone(), keys[1].public(), [9; 32]), options),
        Session::acceptor(Config::new(keys[1].clone(), keys[0].public(), [9; 32])),
    ];
    let mut replicas = [PeerReplica::new(first.clone()), PeerReplica::new(second.clone())];
    let mut inputs = VecDeque::from([(0, Input::Start), (1, Input::Start)]);
    // Frames wait in the stream while the session does not read.
    let mut streams: Vec<VecDeque<(crate::sync::Lane, Vec<u8>)>> = vec![VecDeque::new(), VecDeque::new()];
    loop {
        let (side, input) = match inputs.pop_front() {
            Some(next) => next,
            None => {
                let ready = |side: usize, lane| sessions[side].ready(lane);
                let found = (0..2).find_map(|side| {
                    let at = streams[side].iter().position(|(lane, _)| ready(side, *lane))?;
                    streams[side].remove(at).map(|(lane, bytes)| (side, Input::Frame { lane, bytes }))
                });
                let Some(found) = found else { break };
                found
            }
        };
        sessions[side].handle(NOW, input);
        while let Some(output) = sessions[side].poll_output() {
            match output {
                Output::Call { id, call } => {
                    let result = call.execute(&mut replicas[side], &keys[1 - side].public(), NOW);
                    inputs.push_back((side, Input::CallDone { id, result }));
                }
                Output::Send { lane, bytes } => {
                    inputs.push_back((side, Input::Written { lane, bytes: bytes.len() }));
                    streams[1 - side].push_back((lane, bytes));
                }
                _ => {}
            }
        }
    }
    [sessions[0].summary().clone(), sessions[1].summary().clone()]
}

fn everything() -> Options {
    Options { fetch: crate::sync::replica::Fetch::Everything, ..Options::default() }
}

fn names(device: &Shared) -> Vec<Option<String>> {
    let found = device.0.borrow().summaries(&Filter::default()).unwrap();
    found.into_iter().map(|outlet| outlet.name).collect()
}

fn digests(device: &Shared) -> Vec<(Collection, crate::ids::Digest)> {
    let states = device.0.borrow().collections().unwrap();
    states.into_iter().map(|state| (state.collection, state.digest)).collect()
}

#[test]
fn two_devices_end_with_the_same_and_nothing_is_called_stored() {
    let (a_home, b_home) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let city = Authority::new(1);
    let mut a = city.device(a_home.path(), 30, &["511902"], 9);
    let mut b = city.device(b_home.path(), 40, &["511902"], 9);
    let picture = a.with(|store| store.add_blob_from("near.jpg", None, &mut &[5; 200_000][..])).unwrap();
    a.with(|store| {
        store.write(&outlet(1), &[name("by a"), photo(&picture.hash, picture.bytes)], &[], NOW).unwrap();
        store.write(&outlet(2), &[name("both")], &[], NOW).unwrap();
    });
    b.with(|store| store.write(&outlet(3), &[name("by b")], &[], NOW).unwrap());
    let [mine, theirs] = meet(&mut a, &mut b, everything());
    assert_eq!((mine.outcome, theirs.outcome), (SyncOutcome::Converged, SyncOutcome::Converged), "{mine:?}");
    assert_eq!(digests(&a), digests(&b));
    assert_eq!(names(&a).len(), 3);
    assert_eq!(names(&a), names(&b));
    // A colleague's word is no receipt.
    let status = a.0.borrow().status().unwrap();
    assert_eq!((status.records.sent, status.records.stored, status.unsent_changes), (3, 0, 2));
    assert!(status.proofs.is_empty(), "a proof is a server's");
    assert_eq!(status.unsent_files, 1);
    // The other one carries the photo on.
    let carried = b.0.borrow().status().unwrap();
    assert_eq!((carried.unsent_files, carried.unsent_changes), (1, 1));
    // It did not call, and says the same: with a colleague, or from one, and not safe.
    assert_eq!((carried.records.sent, carried.records.on_device, carried.records.in_ledger), (3, 0, 0));
    assert_eq!((status.photos.sent, carried.photos.sent), (1, 1));
    // What is written afterwards is here only.
    b.with(|store| store.write(&outlet(3), &[name("by b, later")], &[], NOW).unwrap());
    assert_eq!(b.0.borrow().status().unwrap().records.on_device, 1);
    let path = b.0.borrow().blob(&picture.hash).unwrap().unwrap().path.unwrap();
    assert_eq!(std::fs::read(path).unwrap(), [5; 200_000]);
    // Again: only that, and nothing in the other direction.
    let [mine, theirs] = meet(&mut b, &mut a, everything());
    assert_eq!((mine.sent.changes, theirs.received.changes, mine.received.photos), (2, 1, 0));
    assert!(mine.compared.is_empty());
    // And what the indexes say follows from the journals.
    for device in [&a, &b] {
        let before = rows_of(&device.0.borrow());
        device.0.borrow_mut().rebuild_index("a test", &mut |_| {}).unwrap();
        assert_eq!(rows_of(&device.0.borrow()), before);
    }
}

#[test]
fn a_third_device_gets_from_the_second_what_the_first_wrote_with_its_signature() {
    let homes = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let city = Authority::new(1);
    let mut devices: Vec<Shared> =
        homes.iter().zip([30, 40, 50]).map(|(home, seed)| city.device(home.path(), seed, &["511902"], 9)).collect();
    let [a, b, c] = devices.as_mut_slice() else { unreachable!() };
    a.with(|store| store.write(&outlet(1), &[name("by a")], &[], NOW).unwrap());
    let _ = meet(b, a, everything());
    let [_, last] = meet(c, b, everything());
    assert_eq!(last.outcome, SyncOutcome::Converged);
    let author = a.0.borrow().identity().public();
    let document = c.0.borrow().document(&outlet(1)).unwrap().unwrap();
    assert_eq!(document.entries()[0].origin.actor.key(), author);
}

#[test]
fn only_what_both_may_read_travels() {
    let (a_home, b_home) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let city = Authority::new(1);
    let mut a = city.device(a_home.path(), 30, &["511902", "511903"], 9);
    let mut b = city.device(b_home.path(), 40, &["511902", "511921"], 9);
    let mut elsewhere = outlet(9);
    elsewhere.collection = "511903".parse().unwrap();
    a.with(|store| {
        store.write(&elsewhere, &[name("not for b")], &[], NOW).unwrap();
        store.write(&outlet(1), &[name("for both")], &[], NOW).unwrap();
    });
    let [mine, _] = meet(&mut a, &mut b, everything());
    assert_eq!(mine.outcome, SyncOutcome::Converged);
    assert_eq!(names(&b), [Some("for both".to_owned())]);
    // What was left out is not called sent; what went is.
    let state = |doc: &DocKey| a.0.borrow().summary(doc.collection, doc.id).unwrap().unwrap().state;
    assert_eq!((state(&outlet(1)), state(&elsewhere)), (RecordState::Sent, RecordState::OnDevice));
    let mut c = city.device(tempfile::tempdir().unwrap().path(), 60, &["511922"], 9);
    let [stranger, _] = meet(&mut c, &mut a, everything());
    assert_eq!(stranger.outcome, SyncOutcome::Refused);
    assert_eq!(stranger.why.unwrap().code, RefusalCode::NotAllowed);
}

#[test]
fn a_peer_hears_of_members_of_shared_collections_only_and_of_every_revocation() {
    let homes = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let city = Authority::new(1);
    let mut a = city.device(homes[0].path(), 30, &["511902", "511903"], 9);
    let mut b = city.device(homes[1].path(), 40, &["511902"], 9);
    let key = |seed| SecretKey::from_bytes([seed; 32]).public();
    let (shared, moved, elsewhere) = (key(70), key(71), key(72));
    let revoked = crate::identity::Revocation { key: elsewhere, at: NOW, reason: "lost".into(), who: "admin".into() };
    let narrowed = {
        let cert = Certificate::from_bytes(&city.membership(moved, &["511903"], 9).0).unwrap();
        let member = Membership { serial: 2, ..cert.value().clone() };
        Sealed(Certificate::sign(&city.server, member).to_bytes())
    };
    let told = vec![
        FeedItem::Certificate(city.membership(shared, &["511902"], 9)),
        FeedItem::Certificate(city.membership(moved, &["511902"], 9)),
        FeedItem::Certificate(narrowed),
        FeedItem::Certificate(city.membership(elsewhere, &["511903"], 9)),
        FeedItem::Revocation(Sealed(SignedRevocation::sign(&city.server, revoked).to_bytes())),
    ];
    city.tells(&mut a, told);
    let [mine, _] = meet(&mut a, &mut b, everything());
    assert_eq!(mine.outcome, SyncOutcome::Converged, "{mine:?}");
    let roster = b.0.borrow_mut().roster().unwrap().unwrap();
    let reads = |key: &PublicKey| roster.membership(key).map(|member| member.reads("511902".parse().unwrap()));
    assert_eq!((reads(&shared), reads(&moved), reads(&elsewhere)), (Some(true), Some(false), None));
    let revocations = b.0.borrow().sealed(Believed::Revocation).unwrap();
    assert_eq!(revocations.len(), 1);
}

#[test]
fn an_expired_a_revoked_and_a_foreign_membership_get_nothing_and_give_nothing() {
    let homes: Vec<_> = (0..4).map(|_| tempfile::tempdir().unwrap()).collect();
    let city = Authority::new(1);
    let mut good = city.device(homes[0].path(), 30, &["511902"], 9);
    let mut expired = city.device(homes[1].path(), 40, &["511902"], -1);
    let mut foreign = Authority::new(90).device(homes[2].path(), 50, &["511902"], 9);
    let mut revoked = city.device(homes[3].path(), 60, &["511902"], 9);
    let word = crate::identity::Revocation {
        key: revoked.0.borrow().identity().public(),
        at: NOW,
        reason: "lost".into(),
        who: "admin".into(),
    };
    let word = FeedItem::Revocation(Sealed(SignedRevocation::sign(&city.server, word).to_bytes()));
    city.tells(&mut good, vec![word]);
    for (number, device) in [&good, &expired, &foreign, &revoked].into_iter().enumerate() {
        let number = u8::try_from(number).unwrap();
        device.clone().with(|store| store.write(&outlet(number + 1), &[name("own")], &[], NOW).unwrap());
    }
    let cases = [
        (&mut expired, RefusalCode::Expired),
        (&mut foreign, RefusalCode::UnknownMember),
        (&mut revoked, RefusalCode::Revoked),
    ];
    for (other, code) in cases {
        // Whoever calls: the honest side refuses, and both sides know why.
        for reverse in [false, true] {
            let both = match reverse {
                false => meet(other, &mut good, everything()),
                true => meet(&mut good, other, everything()),
            };
            for side in both {
                assert_eq!(side.outcome, SyncOutcome::Refused, "{code:?} {reverse}");
                assert_eq!(side.received.changes, 0);
                let got = side.why.unwrap().code;
                // The foreign one disbelieves, too, and may be first to say so.
                assert_eq!(got, code, "{code:?} {reverse}");
            }
        }
        assert_eq!(names(other).len(), 1);
    }
    assert_eq!(names(&good).len(), 1);
}

#[test]
fn a_ruling_known_here_outweighs_what_a_device_brings_and_travels_with_what_it_holds() {
    let homes: Vec<_> = (0..3).map(|_| tempfile::tempdir().unwrap()).collect();
    let city = Authority::new(1);
    let mut a = city.device(homes[0].path(), 30, &["511902"], 9);
    let mut b = city.device(homes[1].path(), 40, &["511902"], 9);
    let mut c = city.device(homes[2].path(), 50, &["511902"], 9);
    let (held, rejected) = a.with(|store| {
        let held = store.write(&outlet(1), &[name("held")], &[], NOW).unwrap().change;
        (held, store.write(&outlet(2), &[name("rejected")], &[], NOW).unwrap().change)
    });
    // b has heard of the rulings and not of the changes.
    let rulings = vec![city.ruling(outlet(1), held, Ruled::Held), city.ruling(outlet(2), rejected, Ruled::Rejected)];
    city.tells(&mut b, rulings);
    let [_, theirs] = meet(&mut a, &mut b, everything());
    assert_eq!(theirs.outcome, SyncOutcome::Converged, "a learnt of the rulings in the same session");
    for device in [&a, &b] {
        let states = device.0.borrow().collections().unwrap();
        assert_eq!((states[1].held, states[1].count), (1, 0), "neither is in the digest");
    }
    // The held change is at b with its signature, and goes on from there with the ruling.
    let [mine, _] = meet(&mut c, &mut b, everything());
    assert_eq!(mine.outcome, SyncOutcome::Converged);
    assert_eq!(c.0.borrow().collections().unwrap()[1].held, 1);
    let before = rows_of(&c.0.borrow());
    c.0.borrow_mut().rebuild_index("a test", &mut |_| {}).unwrap();
    assert_eq!(rows_of(&c.0.borrow()), before);
    // Released: what the server says counts, whoever brought it before.
    let run: SignedRun = a.with(|store| {
        let (sequence, row) = store.runs(&outlet(1)).unwrap().remove(0);
        read_run(&mut store.journal, sequence, &row).unwrap()
    });
    city.tells(&mut c, vec![FeedItem::Run(run)]);
    let states = c.0.borrow().collections().unwrap();
    assert_eq!((states[1].held, states[1].count), (0, 1));
}

#[test]
fn a_device_has_no_tickets() {
    let homes = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let city = Authority::new(1);
    let mut a = city.device(homes[0].path(), 30, &["511902"], 9);
    let mut b = city.device(homes[1].path(), 40, &["511902"], 9);
    let [mine, _] = meet(&mut a, &mut b, Options { ticket_secret: Some(vec![1; 16]), ..everything() });
    assert_eq!(mine.why.unwrap().code, RefusalCode::TicketUnknown);
}

#[test]
fn of_two_sessions_at_once_one_receives_a_file_and_the_other_is_told() {
    let homes = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let city = Authority::new(1);
    let mut a = city.device(homes[0].path(), 30, &["511902"], 9);
    let b = city.device(homes[1].path(), 40, &["511902"], 9);
    let picture = a.with(|store| store.add_blob_from("near.jpg", None, &mut &[5; 3_000][..])).unwrap();
    a.with(|store| store.write(&outlet(1), &[photo(&picture.hash, picture.bytes)], &[], NOW).unwrap());
    let _ = meet(&mut a, &mut b.clone(), Options { originals: false, ..Options::default() });
    let offer = a.with(|store| store.files_to_pass(&BTreeSet::from([outlet(1).collection]))).unwrap().remove(0);
    let peer = PublicKey([7; 32]);
    let [mut first, mut second] = [PeerReplica::new(b.clone()), PeerReplica::new(b.clone())];
    let busy = BlobWant::Refused("busy".to_owned());
    assert_eq!(first.blob_begin(&peer, &offer, NOW).unwrap(), BlobWant::Parts(vec![(0, 3_000)]));
    first.blob_write(&offer.hash, 1_000, &[5; 1_000]).unwrap();
    assert_eq!(second.blob_begin(&peer, &offer, NOW).unwrap(), busy);
    // The end of a session gives way to the next, with what it had.
    drop(first);
    assert_eq!(second.blob_begin(&peer, &offer, NOW).unwrap(), BlobWant::Parts(vec![(0, 1_000), (2_000, 3_000)]));
    second.blob_write(&offer.hash, 0, &[5; 1_000]).unwrap();
    second.blob_write(&offer.hash, 2_000, &[5; 1_000]).unwrap();
    assert_eq!(second.blob_finish(&peer, &offer.hash, NOW).unwrap(), BlobFinish::Stored(None));
    assert_eq!(PeerReplica::new(b).blob_begin(&peer, &offer, NOW).unwrap(), BlobWant::Have(None));
}

#[test]
fn a_device_that_runs_out_of_space_takes_the_photo_another_time() {
    let homes = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let mut city = Authority::new(1);
    let mut a = city.device(homes[0].path(), 30, &["511902"], 9);
    let vfs = FaultVfs::new();
    city.vfs = Some(vfs.clone());
    let mut b = city.device(homes[1].path(), 40, &["511902"], 9);
    let bytes = vec![3; 300_000];
    let picture = a.with(|store| store.add_blob_from("near.jpg", None, &mut &bytes[..])).unwrap();
    a.with(|store| store.write(&outlet(1), &[photo(&picture.hash, picture.bytes)], &[], NOW).unwrap());
    // Too little space is claimed: the offer is declined, records are there.
    vfs.set(Faults { free_space: Some((8 << 20) + 100_000), ..Faults::default() });
    let b_has = |device: &Shared| device.0.borrow().blob(&picture.hash).unwrap().unwrap().path.is_some();
    let [mine, theirs] = meet(&mut a, &mut b, everything());
    assert_eq!(mine.outcome, SyncOutcome::Converged, "{mine:?} {theirs:?}");
    assert_eq!((b_has(&b), mine.pending_photos), (false, 1));
    // The disk fills in the middle of the file: the session ends, the part stays.
    vfs.set(Faults { full_after: Some(100_000), ..Faults::default() });
    let [mine, theirs] = meet(&mut a, &mut b, everything());
    assert_eq!(theirs.why.map(|why| why.code), Some(RefusalCode::Full));
    assert_eq!(mine.why.map(|why| why.code), Some(RefusalCode::Full), "both sides know");
    assert!(!b_has(&b), "nothing half-visible");
    vfs.set(Faults::default());
    let [mine, _] = meet(&mut a, &mut b, everything());
    assert_eq!((mine.outcome, mine.pending_photos), (SyncOutcome::Converged, 0));
    assert!(b_has(&b) && b.0.borrow().blob_intact(&picture.hash).unwrap());
}
