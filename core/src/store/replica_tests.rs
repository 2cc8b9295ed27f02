//! The store below a session: what it sends, takes, and remembers; and that an index rebuilt from
//! the journal agrees after all of it.

use std::collections::BTreeSet;
use std::path::Path;

use super::edge::EdgeStore;
use super::home::Renewed;
use super::open::IndexUse;
use super::record::Enrolment;
use super::store_tests::{NOW, name, open, open_on, outlet, photo, rows_of};
use super::summary::{Filter, RecordState};
use super::testing::{FaultVfs, Faults};
use super::{Store, StoreError};
use crate::doc::Document;
use crate::identity::{
    BlobReceipt, Certificate, Membership, Receipt, Role, Ruling, RulingReason, SecretKey, ServerCert, ServerGrant,
    ServerStanding, SignedBlobReceipt, SignedReceipt, SignedRuling, SignedRun, Statement, StatementLine,
    Verdict as Said,
};
use crate::ids::{Actor, BlobHash, ChainHash, ChangeHash, Collection, DocKey, DocKind, Epoch, OutletId, PersonId};
use crate::sync::replica::{
    Admitted, Batch, BlobFinish, BlobOffer, BlobQuery, BlobWant, Cursor, FeedItem, Outcome, Replica, ReplicaError,
    Sealed, SendPlan, SignedStatement, Welcome,
};
use crate::time::Timestamp;

struct World {
    root: SecretKey,
    server: SecretKey,
    colleague: SecretKey,
}

impl World {
    fn new() -> Self {
        let key = |byte| SecretKey::from_bytes([byte; 32]);
        Self { root: key(1), server: key(2), colleague: key(3) }
    }

    fn collection() -> Collection {
        "511902".parse().unwrap()
    }

    fn server_cert(&self) -> Sealed {
        let (key, standing) = (self.server.public(), ServerStanding::Active);
        let grant = ServerGrant { key, name: "Bazhong".into(), issued_at: NOW, serial: 1, standing };
        Sealed(ServerCert::sign(&self.root, grant).to_bytes())
    }

    fn member(&self, key: &SecretKey, role: Role) -> Sealed {
        let membership = Membership {
            key: key.public(),
            person: PersonId([4; 16]),
            name: "Li".into(),
            role,
            level: None,
            collections: BTreeSet::from([Self::collection()]),
            not_before: Timestamp::from_millis(0),
            not_after: NOW.plus_millis(1_000_000),
            serial: 1,
        };
        Sealed(Certificate::sign(&self.server, membership).to_bytes())
    }

    /// A store that was given a ticket and welcomed.
    fn enrolled(&self, home: &Path) -> EdgeStore {
        let mut store = open(home);
        let enrolment = Enrolment {
            root: self.root.public(),
            servers: vec![self.server.public()],
            addresses: vec!["quic://127.0.0.1:4433".into()],
            collections: Vec::new(),
            certificate: None,
            server_certificate: None,
            name: None,
        };
        store.enrol(&enrolment, NOW).unwrap();
        let welcome = Welcome {
            certificate: Some(self.member(store.identity().key(), Role::Inspector)),
            server_certificate: Some(self.server_cert()),
            collections: vec![Collection::REFERENCE, Self::collection()],
            void: Vec::new(),
            server_time: NOW,
            limits: crate::sync::replica::Limits::default(),
        };
        store.welcome(&self.server.public(), &welcome, NOW).unwrap();
        store
    }

    fn receipt(&self, runs: &[(DocKey, ChangeHash)]) -> Sealed {
        let receipt = Receipt {
            epoch: Epoch([1; 8]),
            collection: Self::collection(),
            from_seq: 1,
            to_seq: 2,
            at: NOW.plus_millis(500),
            count: runs.len() as u64,
            runs: Receipt::list_digest(runs),
        };
        Sealed(SignedReceipt::sign(&self.server, receipt).to_bytes())
    }

    fn ruling(&self, doc: DocKey, run: ChangeHash, verdict: Said, serial: u64) -> FeedItem {
        let (reason, who) = (RulingReason::Reviewed, "admin".to_owned());
        let ruling = Ruling { doc, run, changes: vec![run], verdict, reason, who, at: NOW, serial, note: None };
        FeedItem::Ruling(Sealed(SignedRuling::sign(&self.server, ruling).to_bytes()))
    }

    /// An act of the colleague on a document.
    fn act(&self, doc: DocKey, document: &mut Document, text: &str) -> SignedRun {
        let actor = Actor::new(self.colleague.public(), [8; 4]);
        let change = document.write(&actor, NOW, &[name(text)], &[]).unwrap();
        SignedRun::sign(&self.colleague, doc, vec![change.raw]).unwrap()
    }

    fn admit(&self, store: &mut EdgeStore, items: Vec<FeedItem>) -> Admitted {
        let batch = Batch { items, cursors: Vec::new() };
        store.admit(&self.server.public(), &batch, NOW).unwrap()
    }
}

/// Sends everything and answers each run with `outcome`.
fn push(world: &World, store: &mut EdgeStore, outcome: &Outcome) -> Vec<SignedRun> {
    let peer = world.server.public();
    let out = store.outgoing(&peer, &SendPlan::default(), usize::MAX).unwrap();
    let runs: Vec<SignedRun> = out
        .batch
        .items
        .iter()
        .map(|item| match item {
            FeedItem::Run(run) => run.clone(),
            other => panic!("{other:?}"),
        })
        .collect();
    let listed: Vec<(DocKey, ChangeHash)> = runs.iter().map(|run| (run.doc, run.last().unwrap())).collect();
    let outcomes = vec![outcome.clone(); runs.len()];
    let admitted = Admitted { outcomes, receipts: vec![world.receipt(&listed)], new_changes: 0 };
    store.acknowledge(&peer, &out.batch, &admitted, NOW).unwrap();
    runs
}

/// Closes, throws the index away, opens again: the rows must be the same.
fn rebuilt_is_equal(store: EdgeStore) -> EdgeStore {
    let (home, rows) = (store.home().to_owned(), rows_of(&store));
    store.close().unwrap();
    for number in super::index::numbers(&home).unwrap() {
        std::fs::remove_dir_all(super::index::directory(&home, number)).unwrap();
    }
    let store = open(&home);
    assert!(matches!(store.report().index, IndexUse::Rebuilt { .. }));
    let again = rows_of(&store);
    for (a, b) in rows.iter().zip(&again) {
        assert_eq!(a.0, b.0, "key {}", String::from_utf8_lossy(&a.0[..1]));
        assert_eq!(a.1, b.1, "row of key {}", String::from_utf8_lossy(&a.0[..1]));
    }
    assert_eq!(rows.len(), again.len());
    store
}

fn state(store: &EdgeStore) -> RecordState {
    store.summaries(&Filter::default()).unwrap()[0].state
}

#[test]
fn acts_in_a_row_are_sent_as_one_run_and_each_state_is_shown() {
    let (world, home) = (World::new(), tempfile::tempdir().unwrap());
    let mut store = world.enrolled(home.path());
    for text in ["a", "b", "c"] {
        store.write(&outlet(1), &[name(text)], &[], NOW).unwrap();
    }
    assert_eq!(state(&store), RecordState::OnDevice);
    let out = store.outgoing(&world.server.public(), &SendPlan::default(), usize::MAX).unwrap();
    let [FeedItem::Run(run)] = &out.batch.items[..] else { panic!("{:?}", out.batch) };
    assert_eq!(run.changes.len(), 3);
    run.verify(&store.identity().public()).unwrap();
    assert_eq!(state(&store), RecordState::Sent);
    assert_eq!(store.outgoing(&world.server.public(), &out.next, 1000).unwrap().batch.items, []);
    push(&world, &mut store, &Outcome::Stored { in_ledger: false });
    assert_eq!(state(&store), RecordState::Stored);
    let received = store.received_at(&outlet(1), &run.last().unwrap()).unwrap();
    assert_eq!(received, Some(NOW.plus_millis(500)));
    let receipts = store.receipts().unwrap();
    assert!(receipts[0].receipt.value().covers(&receipts[0].runs), "the list is kept beside the receipt");
    store.write(&outlet(1), &[name("d")], &[], NOW).unwrap();
    assert_eq!(state(&store), RecordState::OnDevice);
    push(&world, &mut store, &Outcome::Stored { in_ledger: true });
    assert_eq!(state(&store), RecordState::InLedger);
    assert_eq!(push(&world, &mut store, &Outcome::Waiting), []);
    rebuilt_is_equal(store);
}

#[test]
fn a_small_window_hands_everything_out_once() {
    let (world, home) = (World::new(), tempfile::tempdir().unwrap());
    let mut store = world.enrolled(home.path());
    for text in ["a", "b", "c", "d"] {
        store.write(&outlet(1), &[name(text)], &[], NOW).unwrap();
        store.write(&outlet(2), &[name(text)], &[], NOW).unwrap();
    }
    let (mut plan, mut changes) = (SendPlan::default(), 0);
    for round in 0..20 {
        let out = store.outgoing(&world.server.public(), &plan, 700).unwrap();
        changes += out.batch.items.iter().map(|item| matches!(item, FeedItem::Run(_)) as usize).sum::<usize>();
        plan = out.next;
        if !out.more {
            assert!(round > 1, "the window was small");
            break;
        }
    }
    assert_eq!(changes, plan_total(&mut store, &world));
}

fn plan_total(store: &mut EdgeStore, _: &World) -> usize {
    // Windows of two acts hold one of each document: no run is longer than one change.
    usize::try_from(store.pending().unwrap().changes).unwrap()
}

#[test]
fn a_colleagues_work_arrives_with_its_certificate_and_the_cursor() {
    let (world, home) = (World::new(), tempfile::tempdir().unwrap());
    let mut store = world.enrolled(home.path());
    let mut theirs = Document::new(outlet(5).kind);
    let run = world.act(outlet(5), &mut theirs, "theirs");
    let cursor = Cursor { epoch: Epoch([1; 8]), seq: 7, chain: ChainHash([2; 16]) };
    let items = vec![FeedItem::Certificate(world.member(&world.colleague, Role::Inspector)), FeedItem::Run(run)];
    let batch = Batch { items, cursors: vec![(World::collection(), cursor)] };
    let admitted = store.admit(&world.server.public(), &batch, NOW).unwrap();
    assert_eq!(admitted.outcomes, vec![Outcome::Stored { in_ledger: false }; 2]);
    let seen = &store.summaries(&Filter::default()).unwrap()[0];
    assert_eq!((seen.name.as_deref(), seen.state), (Some("theirs"), RecordState::InLedger));
    assert_eq!(store.states(&[World::collection()]).unwrap()[0].cursor, Some(cursor));
    let heads = store.heads(World::collection(), None, None, 10).unwrap();
    assert_eq!((heads[0].doc, &heads[0].heads), (outlet(5), &theirs.heads()));
    let frames = store.journal.end().sequence;
    store.admit(&world.server.public(), &batch, NOW).unwrap();
    assert_eq!(store.journal.end().sequence, frames, "nothing new, nothing written");
    let missing = store.runs_for(&outlet(5), &[]).unwrap();
    assert_eq!(missing.runs.len(), 1);
    assert_eq!(store.runs_for(&outlet(5), &theirs.heads()).unwrap().runs, []);
    rebuilt_is_equal(store);
}

#[test]
fn a_large_batch_comes_in_parts_and_its_cursor_with_the_last() {
    const OUTLETS: usize = 600;
    let (world, home) = (World::new(), tempfile::tempdir().unwrap());
    world.enrolled(home.path()).close().unwrap();
    let run = |number: usize| {
        let id = OutletId::new(NOW.plus_millis(number as i64), [5; 10]);
        world.act(DocKey { id, ..outlet(5) }, &mut Document::new(DocKind::Field), &format!("outlet {number}"))
    };
    let certificate = FeedItem::Certificate(world.member(&world.colleague, Role::Inspector));
    let runs = (0..OUTLETS).map(|number| FeedItem::Run(run(number)));
    let items: Vec<FeedItem> = std::iter::once(certificate).chain(runs).collect();
    let cursor = Cursor { epoch: Epoch([1; 8]), seq: 600, chain: ChainHash([2; 16]) };
    let mut batch = Batch { items, cursors: vec![(World::collection(), cursor)] };
    let (peer, vfs) = (world.server.public(), FaultVfs::new());
    let held = |store: &EdgeStore| store.summaries(&Filter::default()).unwrap().len();
    let at = |store: &mut EdgeStore| store.states(&[World::collection()]).unwrap()[0].cursor;

    let mut store = open_on(&vfs, home.path());
    vfs.set(Faults { sync_fails_after: Some(1), ..Faults::default() });
    assert!(store.admit(&peer, &batch, NOW).is_err());
    vfs.set(Faults::default());
    drop(store);
    let mut store = open_on(&vfs, home.path());
    assert!((1..OUTLETS).contains(&held(&store)), "the first part is kept: {}", held(&store));
    assert_eq!(at(&mut store), None, "the rest will be asked for");
    let admitted = store.admit(&peer, &batch, NOW).unwrap();
    assert_eq!(admitted.outcomes, vec![Outcome::Stored { in_ledger: false }; OUTLETS + 1]);
    assert_eq!((held(&store), at(&mut store)), (OUTLETS, Some(cursor)));

    // Something that is not followed, at the end: nothing of the batch is taken.
    let foreign = DocKey { collection: "511923".parse().unwrap(), ..outlet(7) };
    let mut late = Document::new(DocKind::Field);
    let act = world.act(DocKey { id: OutletId::new(NOW, [6; 10]), ..outlet(5) }, &mut late, "first");
    batch.items[0] = FeedItem::Run(act);
    batch.items.push(FeedItem::Run(world.act(foreign, &mut Document::new(DocKind::Field), "elsewhere")));
    let refused = store.admit(&peer, &batch, NOW).unwrap_err();
    assert!(matches!(&refused, ReplicaError::Peer(why) if why.contains("511923")), "{refused}");
    assert_eq!(held(&store), OUTLETS);
    rebuilt_is_equal(store);
}

#[test]
fn a_run_that_cannot_be_admitted_yet_is_parked_and_taken_later() {
    let (world, home) = (World::new(), tempfile::tempdir().unwrap());
    let mut store = world.enrolled(home.path());
    let mut theirs = Document::new(outlet(5).kind);
    let (first, second) = (world.act(outlet(5), &mut theirs, "one"), world.act(outlet(5), &mut theirs, "two"));
    // Neither the author nor what it depends on is known.
    assert_eq!(world.admit(&mut store, vec![FeedItem::Run(second)]).outcomes, [Outcome::Waiting]);
    assert!(store.document(&outlet(5)).unwrap().is_none());
    let certificate = FeedItem::Certificate(world.member(&world.colleague, Role::Inspector));
    world.admit(&mut store, vec![certificate]);
    assert!(store.document(&outlet(5)).unwrap().is_none());
    let mut store = rebuilt_is_equal(store);
    world.admit(&mut store, vec![FeedItem::Run(first)]);
    assert_eq!(store.document(&outlet(5)).unwrap().unwrap().heads(), theirs.heads());
    rebuilt_is_equal(store);
}

#[test]
fn what_can_never_be_admitted_is_refused_and_not_kept() {
    let (world, home) = (World::new(), tempfile::tempdir().unwrap());
    let mut store = world.enrolled(home.path());
    world.admit(&mut store, vec![FeedItem::Certificate(world.member(&world.colleague, Role::Viewer))]);
    let mut theirs = Document::new(outlet(5).kind);
    let mut run = world.act(outlet(5), &mut theirs, "a viewer writes");
    let frames = store.journal.end().sequence;
    let admitted = world.admit(&mut store, vec![FeedItem::Run(run.clone())]);
    assert!(matches!(&admitted.outcomes[0], Outcome::Refused { code, .. } if code == "right"), "{admitted:?}");
    run.signature.0[0] ^= 1;
    assert!(matches!(world.admit(&mut store, vec![FeedItem::Run(run.clone())]).outcomes[0], Outcome::Refused { .. }));
    assert_eq!(store.journal.end().sequence, frames);
    run.doc.collection = "511921".parse().unwrap();
    let batch = Batch { items: vec![FeedItem::Run(run)], cursors: Vec::new() };
    assert!(matches!(store.admit(&world.server.public(), &batch, NOW), Err(ReplicaError::Peer(_))));
}

#[test]
fn a_held_act_is_shown_but_not_in_the_digest_until_released() {
    let (world, home) = (World::new(), tempfile::tempdir().unwrap());
    let mut store = world.enrolled(home.path());
    store.write(&outlet(1), &[name("a")], &[], NOW).unwrap();
    let both = store.states(&[World::collection()]).unwrap()[0];
    let held = Outcome::Held { code: "quota".into() };
    let run = push(&world, &mut store, &held).remove(0);
    assert_eq!(state(&store), RecordState::Held);
    let without = store.states(&[World::collection()]).unwrap()[0];
    assert_eq!((without.count, without.held), (0, 1));
    assert_eq!(store.heads(World::collection(), None, None, 10).unwrap(), []);
    assert_eq!(store.document(&outlet(1)).unwrap().unwrap().entries().len(), 1);
    world.admit(&mut store, vec![world.ruling(outlet(1), run.last().unwrap(), Said::Released, 2)]);
    assert_eq!(store.states(&[World::collection()]).unwrap()[0], both);
    assert_eq!(state(&store), RecordState::InLedger);
    world.admit(&mut store, vec![world.ruling(outlet(1), run.last().unwrap(), Said::Held, 1)]);
    assert_eq!(state(&store), RecordState::InLedger, "an older ruling changes nothing");
    rebuilt_is_equal(store);
}

#[test]
fn what_waits_on_the_server_is_sent_again() {
    let (world, home) = (World::new(), tempfile::tempdir().unwrap());
    let mut store = world.enrolled(home.path());
    store.write(&outlet(1), &[name("a")], &[], NOW).unwrap();
    let before = store.states(&[World::collection()]).unwrap()[0];
    let first = push(&world, &mut store, &Outcome::Waiting);
    assert_eq!(state(&store), RecordState::Sent);
    assert_eq!(store.states(&[World::collection()]).unwrap()[0], before, "counted, so that the digests differ");
    assert_eq!(push(&world, &mut store, &Outcome::Stored { in_ledger: true }), first);
    assert_eq!(state(&store), RecordState::InLedger);
    rebuilt_is_equal(store);
}

#[test]
fn what_builds_on_a_run_that_a_restored_server_holds_is_sent_again() {
    let (world, home) = (World::new(), tempfile::tempdir().unwrap());
    let mut store = world.enrolled(home.path());
    let peer = world.server.public();
    let in_ledger = Outcome::Stored { in_ledger: true };
    store.write(&outlet(1), &[name("a")], &[], NOW).unwrap();
    let first = push(&world, &mut store, &in_ledger).remove(0);
    store.write(&outlet(1), &[name("b")], &[], NOW).unwrap();
    let second = push(&world, &mut store, &in_ledger);
    let unsent =
        |store: &mut EdgeStore| store.outgoing(&peer, &SendPlan::default(), usize::MAX).unwrap().batch.items.len();
    assert_eq!((unsent(&mut store), state(&store)), (0, RecordState::InLedger));
    // An older copy of its database came back: it found the first run by comparison, and holds it.
    world.admit(&mut store, vec![world.ruling(outlet(1), first.last().unwrap(), Said::Held, 1)]);
    assert_eq!(state(&store), RecordState::Held);
    let mut store = rebuilt_is_equal(store);
    // Not the held one, which it has; what builds on it, which it cannot have let in.
    assert_eq!(push(&world, &mut store, &Outcome::Held { code: "waiting".into() }), second);
    assert_eq!(unsent(&mut store), 0, "it has both now");
    let released = [first.last(), second[0].last()].map(|run| world.ruling(outlet(1), run.unwrap(), Said::Released, 2));
    world.admit(&mut store, released.into());
    assert_eq!(state(&store), RecordState::InLedger);
    let states = store.states(&[World::collection()]).unwrap()[0];
    assert_eq!((states.count, states.held), (1, 0));
    rebuilt_is_equal(store);
}

#[test]
fn held_work_is_offered_again_to_another_life_of_the_server() {
    let (world, home) = (World::new(), tempfile::tempdir().unwrap());
    let mut store = world.enrolled(home.path());
    let peer = world.server.public();
    let at = |epoch| (World::collection(), Cursor { epoch: Epoch([epoch; 8]), seq: 1, chain: ChainHash([2; 16]) });
    store.admit(&peer, &Batch { items: Vec::new(), cursors: vec![at(1)] }, NOW).unwrap();
    store.write(&outlet(1), &[name("mine")], &[], NOW).unwrap();
    let counted = store.states(&[World::collection()]).unwrap()[0].digest;
    let own = push(&world, &mut store, &Outcome::Held { code: "quota".into() });
    let mut theirs = Document::new(outlet(5).kind);
    let run = world.act(outlet(5), &mut theirs, "theirs");
    let last = run.last().unwrap();
    let certificate = FeedItem::Certificate(world.member(&world.colleague, Role::Inspector));
    world.admit(&mut store, vec![certificate, FeedItem::Run(run)]);
    world.admit(&mut store, vec![world.ruling(outlet(5), last, Said::Held, 1)]);
    assert_eq!(store.heads(World::collection(), None, None, 10).unwrap(), []);
    store.adopt_cursors(&peer, &[at(9)]).unwrap();
    assert_eq!(state(&store), RecordState::Sent);
    assert_eq!(store.heads(World::collection(), None, None, 10).unwrap().len(), 2, "own and foreign work");
    let mut store = rebuilt_is_equal(store);
    assert_eq!(push(&world, &mut store, &Outcome::Held { code: "quota".into() }), own, "it decides anew");
    assert_ne!(store.states(&[World::collection()]).unwrap()[0].digest, counted);
    // The same when a batch brings the first cursor of that life.
    store.admit(&peer, &Batch { items: Vec::new(), cursors: vec![at(7)] }, NOW).unwrap();
    assert_eq!(push(&world, &mut store, &Outcome::Stored { in_ledger: true }), own);
    rebuilt_is_equal(store);
}

#[test]
fn rulings_hold_for_the_work_of_others_too() {
    let (world, home) = (World::new(), tempfile::tempdir().unwrap());
    let mut store = world.enrolled(home.path());
    let mut theirs = Document::new(outlet(5).kind);
    let (first, second) = (world.act(outlet(5), &mut theirs, "one"), world.act(outlet(5), &mut theirs, "two"));
    let (one, two) = (first.last().unwrap(), second.last().unwrap());
    let certificate = FeedItem::Certificate(world.member(&world.colleague, Role::Inspector));
    world.admit(&mut store, vec![certificate, FeedItem::Run(first), FeedItem::Run(second)]);
    let heads = |store: &mut EdgeStore| -> Vec<Vec<ChangeHash>> {
        let listed = store.heads(World::collection(), None, None, 10).unwrap();
        listed.into_iter().map(|entry| entry.heads).collect()
    };
    assert_eq!(heads(&mut store), [[two]]);
    world.admit(&mut store, vec![world.ruling(outlet(5), two, Said::Held, 1)]);
    assert_eq!(heads(&mut store), [[one]]);
    assert_eq!(store.runs_for(&outlet(5), &[]).unwrap().runs.len(), 1, "what is held is not passed on");
    world.admit(&mut store, vec![world.ruling(outlet(5), two, Said::Released, 2)]);
    assert_eq!(heads(&mut store), [[two]]);
    let actor = store.identity().actor();
    world.admit(&mut store, vec![world.ruling(outlet(5), two, Said::Rejected, 3)]);
    assert_eq!(heads(&mut store), [[one]]);
    assert_eq!(store.document(&outlet(5)).unwrap().unwrap().heads(), [one], "it leaves the document");
    assert_eq!(store.identity().actor(), actor, "not an act of this device");
    rebuilt_is_equal(store);
}

#[test]
fn held_work_that_the_server_sends_stands() {
    let (world, home) = (World::new(), tempfile::tempdir().unwrap());
    let mut store = world.enrolled(home.path());
    store.write(&outlet(1), &[name("a")], &[], NOW).unwrap();
    let both = store.states(&[World::collection()]).unwrap()[0];
    let run = push(&world, &mut store, &Outcome::Held { code: "quota".into() }).remove(0);
    assert_ne!(store.states(&[World::collection()]).unwrap()[0], both);
    world.admit(&mut store, vec![FeedItem::Run(run.clone())]);
    assert_eq!(store.states(&[World::collection()]).unwrap()[0], both);
    assert_eq!(state(&store), RecordState::InLedger);
    let frames = store.journal.end().sequence;
    world.admit(&mut store, vec![FeedItem::Run(run)]);
    assert_eq!(store.journal.end().sequence, frames, "once");
    rebuilt_is_equal(store);
}

#[test]
fn a_run_twice_in_a_batch_is_kept_once() {
    let (world, home) = (World::new(), tempfile::tempdir().unwrap());
    let mut store = world.enrolled(home.path());
    let mut theirs = Document::new(outlet(5).kind);
    let (first, second) = (world.act(outlet(5), &mut theirs, "one"), world.act(outlet(5), &mut theirs, "two"));
    let certificate = FeedItem::Certificate(world.member(&world.colleague, Role::Inspector));
    let twice = |run: &SignedRun| vec![FeedItem::Run(run.clone()), FeedItem::Run(run.clone())];
    world.admit(&mut store, vec![certificate]);
    for _ in 0..2 {
        assert_eq!(world.admit(&mut store, twice(&second)).outcomes, [Outcome::Waiting, Outcome::Waiting]);
        assert_eq!(store.runs(&outlet(5)).unwrap().len(), 1, "parked once");
    }
    let stored = Outcome::Stored { in_ledger: false };
    let admitted = world.admit(&mut store, twice(&first));
    assert_eq!(admitted.outcomes, vec![stored; 2]);
    assert_eq!(store.runs(&outlet(5)).unwrap().len(), 2);
    rebuilt_is_equal(store);
}

#[test]
fn certificates_and_revocations_are_handed_out_in_pages() {
    let (world, home) = (World::new(), tempfile::tempdir().unwrap());
    let mut store = world.enrolled(home.path());
    let certificate = FeedItem::Certificate(world.member(&world.colleague, Role::Inspector));
    let (key, who) = (world.colleague.public(), "admin".to_owned());
    let revocation = crate::identity::Revocation { key, at: NOW, reason: "lost".into(), who };
    let revocation = crate::identity::SignedRevocation::sign(&world.server, revocation);
    let revocation = FeedItem::Revocation(Sealed(revocation.to_bytes()));
    world.admit(&mut store, vec![certificate.clone(), revocation.clone()]);
    let own = FeedItem::Certificate(world.member(store.identity().key(), Role::Inspector));
    for (budget, pages) in [(1, 3), (1 << 20, 1)] {
        let mut plan = SendPlan::default();
        plan.feeds.insert(Collection::REFERENCE, crate::sync::replica::Since::WithoutRuns);
        let (mut items, mut rounds) = (Vec::new(), 0);
        loop {
            let out = store.outgoing(&world.server.public(), &plan, budget).unwrap();
            items.extend(out.batch.items);
            plan = out.next;
            rounds += 1;
            if !out.more {
                break;
            }
        }
        assert_eq!((items.len(), rounds), (3, pages));
        assert!(items[..2].contains(&own) && items[..2].contains(&certificate));
        assert_eq!(items[2], revocation, "after the certificate of whom it is about");
    }
}

#[test]
fn after_a_rejection_later_acts_are_issued_again_under_another_incarnation() {
    let (world, home) = (World::new(), tempfile::tempdir().unwrap());
    let mut store = world.enrolled(home.path());
    let first = store.write(&outlet(1), &[name("a")], &[], NOW).unwrap();
    push(&world, &mut store, &Outcome::Held { code: "revoked".into() });
    let second = store.write(&outlet(1), &[name("b")], &[("remark".into(), "dry".into())], NOW).unwrap();
    let actor = store.identity().actor();
    world.admit(&mut store, vec![world.ruling(outlet(1), first.change, Said::Rejected, 1)]);
    assert_ne!(store.identity().actor(), actor, "the numbers of the rejected act are used up");
    assert_eq!(store.report().renewed, Some(Renewed::Equivocation));
    assert_eq!(store.document(&outlet(1)).unwrap().unwrap().entries(), []);
    let rejected = store.rejected().unwrap();
    let codes: Vec<_> = rejected.iter().map(|act| (act.change, act.code.as_str())).collect();
    assert_eq!(codes, [(first.change, "reviewed"), (second.change, "builds_on_rejected")]);
    store.reissue(&outlet(1), &second.change, NOW).unwrap();
    let document = store.document(&outlet(1)).unwrap().unwrap();
    assert_eq!(document.entries()[0].id, second.entries[0], "the same words, hence the same name");
    assert_eq!(document.registers()["remark"].value, "dry");
    assert!(matches!(store.reissue(&outlet(1), &second.change, NOW), Err(StoreError::NotRejected(_))));
    let runs = push(&world, &mut store, &Outcome::Stored { in_ledger: true });
    assert_eq!(runs.len(), 1);
    assert!(runs[0].last().is_some_and(|last| last != second.change));
    rebuilt_is_equal(store);
}

#[test]
fn an_own_act_that_this_store_did_not_make_parts_it_from_its_copy() {
    let (world, home) = (World::new(), tempfile::tempdir().unwrap());
    let mut store = world.enrolled(home.path());
    let before = Document::new(outlet(1).kind);
    store.write(&outlet(1), &[name("here")], &[], NOW).unwrap();
    let actor = store.identity().actor();
    let mut elsewhere = before;
    let change = elsewhere.write(&actor, NOW, &[name("on the copy")], &[]).unwrap();
    let run = SignedRun::sign(store.identity().key(), outlet(1), vec![change.raw]).unwrap();
    assert_eq!(world.admit(&mut store, vec![FeedItem::Run(run)]).outcomes, [Outcome::Waiting]);
    assert_eq!(store.report().renewed, Some(Renewed::Equivocation));
    assert_ne!(store.identity().actor(), actor);
    rebuilt_is_equal(store);
}

#[test]
fn an_act_without_the_right_is_refused_before_it_is_saved() {
    let (world, home) = (World::new(), tempfile::tempdir().unwrap());
    let mut store = world.enrolled(home.path());
    let case = outlet(1).with_kind(DocKind::Case);
    let entry = r#"{"at":1,"type":"name","name":"x"}"#.to_owned();
    let error = store.write(&case, &[entry], &[], NOW).unwrap_err();
    assert!(matches!(error, StoreError::NotPermitted(_)), "{error}");
    assert!(store.document(&case).unwrap().is_none());
}

#[test]
fn a_receipt_that_no_server_signed_confirms_nothing() {
    let (world, home) = (World::new(), tempfile::tempdir().unwrap());
    let mut store = world.enrolled(home.path());
    store.write(&outlet(1), &[name("a")], &[], NOW).unwrap();
    let peer = world.server.public();
    let out = store.outgoing(&peer, &SendPlan::default(), usize::MAX).unwrap();
    let forged = World { server: SecretKey::from_bytes([66; 32]), ..World::new() }.receipt(&[]);
    let admitted =
        Admitted { outcomes: vec![Outcome::Stored { in_ledger: true }], receipts: vec![forged], new_changes: 1 };
    assert!(matches!(store.acknowledge(&peer, &out.batch, &admitted, NOW), Err(ReplicaError::Peer(_))));
    assert_eq!(state(&store), RecordState::Sent);
}

#[test]
fn photos_are_offered_until_a_signed_receipt_says_they_are_safe() {
    let (world, home) = (World::new(), tempfile::tempdir().unwrap());
    let mut store = world.enrolled(home.path());
    let peer = world.server.public();
    let mut hashes = Vec::new();
    for bytes in [&b"first"[..], b"second"] {
        let stored = store.add_blob_from("p.jpg", None, &mut &bytes[..]).unwrap();
        store.write(&outlet(1), &[photo(&stored.hash, stored.bytes)], &[], NOW).unwrap();
        hashes.push(stored.hash);
    }
    let query = BlobQuery { max: 4, originals: true, exclude: BTreeSet::new() };
    let list = store.blobs_to_send(&peer, &query).unwrap();
    let offered: Vec<BlobHash> = list.offers.iter().map(|offer| offer.hash).collect();
    assert_eq!(offered, [hashes[1], hashes[0]], "newest first");
    assert_eq!((list.pending, list.pending_bytes), (2, 11));
    assert_eq!(store.blobs_to_send(&peer, &BlobQuery { originals: false, ..query.clone() }).unwrap().offers, []);
    assert_eq!(store.blob_read(&hashes[1], 2, 3).unwrap(), b"con");
    let receipt = |sha256| {
        let receipt = BlobReceipt { sha256, bytes: 6, at: NOW };
        Sealed(SignedBlobReceipt::sign(&world.server, receipt).to_bytes())
    };
    assert!(store.blob_stored(&peer, &hashes[1], Some(&receipt(hashes[0])), NOW).is_err());
    store.blob_stored(&peer, &hashes[1], Some(&receipt(hashes[1])), NOW).unwrap();
    let list = store.blobs_to_send(&peer, &query).unwrap();
    assert_eq!((list.offers.len(), list.pending, list.pending_bytes), (1, 1, 5));
    assert_eq!(store.status().unwrap().photos.stored, 1);
    rebuilt_is_equal(store);
}

#[test]
fn files_without_bytes_do_not_hide_older_ones() {
    let (world, home) = (World::new(), tempfile::tempdir().unwrap());
    let mut store = world.enrolled(home.path());
    let stored = store.add_blob_from("p.jpg", None, &mut &b"here"[..]).unwrap();
    store.write(&outlet(1), &[photo(&stored.hash, stored.bytes)], &[], NOW).unwrap();
    let gone: Vec<String> = (0..150).map(|number| photo(&BlobHash([number; 32]), 9)).collect();
    store.write(&outlet(2), &gone, &[], NOW).unwrap();
    let query = BlobQuery { max: 4, originals: true, exclude: BTreeSet::new() };
    let list = store.blobs_to_send(&world.server.public(), &query).unwrap();
    assert_eq!((list.offers.len(), list.offers[0].hash, list.pending), (1, stored.hash, 151));
}

#[test]
fn a_file_comes_in_pieces_and_only_when_a_document_names_it() {
    let (world, home) = (World::new(), tempfile::tempdir().unwrap());
    let mut store = world.enrolled(home.path());
    let peer = world.server.public();
    let hash: BlobHash = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad".parse().unwrap();
    let class = crate::sync::replica::BlobClass::Original;
    let offer = BlobOffer { hash, bytes: 3, class, doc: outlet(5), original: None };
    assert_eq!(store.blob_begin(&peer, &offer, NOW).unwrap(), BlobWant::Refused("unknown_document".into()));
    let mut theirs = Document::new(outlet(5).kind);
    let actor = Actor::new(world.colleague.public(), [8; 4]);
    let change = theirs.write(&actor, NOW, &[photo(&hash, 3)], &[]).unwrap();
    let run = SignedRun::sign(&world.colleague, outlet(5), vec![change.raw]).unwrap();
    let certificate = FeedItem::Certificate(world.member(&world.colleague, Role::Inspector));
    world.admit(&mut store, vec![certificate, FeedItem::Run(run)]);
    assert_eq!(store.blob_begin(&peer, &offer, NOW).unwrap(), BlobWant::Parts(vec![(0, offer.bytes)]));
    store.blob_write(&hash, 0, b"ab").unwrap();
    assert!(matches!(store.blob_write(&hash, 2, b"cd"), Err(ReplicaError::Peer(_))), "longer than named");
    assert_eq!(store.blob_begin(&peer, &offer, NOW).unwrap(), BlobWant::Parts(vec![(2, offer.bytes)]));
    store.blob_write(&hash, 2, b"x").unwrap();
    assert_eq!(store.blob_finish(&peer, &hash, NOW).unwrap(), BlobFinish::HashMismatch);
    store.blob_write(&hash, 0, b"abc").unwrap();
    assert_eq!(store.blob_finish(&peer, &hash, NOW).unwrap(), BlobFinish::Stored(None));
    assert_eq!(store.blob_begin(&peer, &offer, NOW).unwrap(), BlobWant::Have(None));
    assert_eq!(
        store.blobs_to_send(&peer, &BlobQuery { max: 4, originals: true, ..BlobQuery::default() }).unwrap().offers,
        []
    );
}

#[test]
fn a_statement_is_kept_as_the_last_proof() {
    let (world, home) = (World::new(), tempfile::tempdir().unwrap());
    let mut store = world.enrolled(home.path());
    let state = store.states(&[World::collection()]).unwrap()[0];
    let line = StatementLine {
        collection: state.collection,
        digest: state.digest,
        count: state.count,
        held: state.held,
        seq: 3,
    };
    let statement = Statement {
        acceptor: world.server.public(),
        initiator: store.identity().public(),
        session: [1; 16],
        epoch: Epoch([1; 8]),
        at: NOW,
        lines: vec![line],
    };
    let signed = SignedStatement {
        by_acceptor: statement.sign(&world.server),
        by_initiator: statement.sign(store.identity().key()),
        statement,
    };
    let mut forged = signed.clone();
    forged.statement.lines[0].count += 1;
    assert!(store.keep_statement(&forged, NOW).is_err());
    store.keep_statement(&signed, NOW).unwrap();
    let status = store.status().unwrap();
    assert_eq!((status.proofs[0].digest, status.proofs[0].at), (state.digest, NOW));
    let store = rebuilt_is_equal(store);
    assert_eq!(store.statement(World::collection()).unwrap(), Some(signed));
}

#[test]
fn a_withdrawal_by_a_colleague_removes_the_bytes_here() {
    let (world, home) = (World::new(), tempfile::tempdir().unwrap());
    let mut store = world.enrolled(home.path());
    let stored = store.add_blob_from("p.jpg", None, &mut &b"face"[..]).unwrap();
    store.write(&outlet(1), &[photo(&stored.hash, stored.bytes)], &[], NOW).unwrap();
    let mut theirs = store.document(&outlet(1)).unwrap().unwrap();
    let entry = format!(r#"{{"type":"withdrawn","sha256":"{}","ground":"request","at":9}}"#, stored.hash);
    let actor = Actor::new(world.colleague.public(), [8; 4]);
    let change = theirs.write(&actor, NOW, &[entry], &[]).unwrap();
    let run = SignedRun::sign(&world.colleague, outlet(1), vec![change.raw]).unwrap();
    let certificate = FeedItem::Certificate(world.member(&world.colleague, Role::Inspector));
    world.admit(&mut store, vec![certificate, FeedItem::Run(run)]);
    assert!(!stored.path.exists());
    let query = BlobQuery { max: 4, originals: true, exclude: BTreeSet::new() };
    assert_eq!(store.blobs_to_send(&world.server.public(), &query).unwrap().pending, 0);
    rebuilt_is_equal(store);
}
