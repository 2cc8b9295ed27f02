//! The session between replicas in memory: what it costs, what it keeps, what it refuses.

mod files;
mod healing;

use crate::identity::{Role, SecretKey, TicketRecord, TicketSecret};
use crate::ids::{Collection, DocKey, DocKind, Epoch, OutletId, PersonId};
use crate::sync::calls::{Answer, Call};
use crate::sync::memory::MemoryReplica;
use crate::sync::replica::{self, BlobClass, FeedItem, RefusalCode, Since};
use crate::sync::session::{CloseReason, Config, Input, Options, Output, Session, SyncOutcome};
use crate::sync::simnet::{Connection, End, Report, Step, sync};
use crate::sync::wire::{self, Frame, Lane};
use crate::time::Timestamp;
use std::collections::{BTreeMap, BTreeSet};

const NOW: Timestamp = Timestamp::from_millis(1_640_000_000_000);

fn collections(count: u32) -> Vec<Collection> {
    (0..count).map(|at| Collection::from_code(511_902 + at).unwrap()).collect()
}

struct World {
    server: MemoryReplica,
    devices: Vec<MemoryReplica>,
    now: Timestamp,
}

impl World {
    fn new(devices: u8, counties: u32) -> Self {
        let root = SecretKey::from_bytes([200; 32]);
        let mut world = Self {
            server: MemoryReplica::server(SecretKey::from_bytes([201; 32]), &root, Epoch([1; 8]), NOW),
            devices: Vec::new(),
            now: NOW,
        };
        for at in 0..devices {
            let mut device = MemoryReplica::device(SecretKey::from_bytes([at + 1; 32]), [at; 4], root.public());
            world.server.add_ticket(ticket(at, counties));
            let options = Options { ticket_secret: Some(vec![at; 16]), ..Options::default() };
            let report = sync(&mut device, &mut world.server, options, NOW).unwrap();
            assert_eq!(report.initiator.outcome, SyncOutcome::Converged, "{:?}", report.initiator);
            world.devices.push(device);
        }
        world
    }

    fn sync(&mut self, device: usize) -> Report {
        self.sync_with(device, Options::default())
    }

    fn sync_with(&mut self, device: usize, options: Options) -> Report {
        self.now = self.now.plus_millis(60_000);
        sync(&mut self.devices[device], &mut self.server, options, self.now).unwrap()
    }

    fn note(&mut self, device: usize, doc: DocKey, text: &str) {
        self.now = self.now.plus_millis(1000);
        self.devices[device].edit(doc, self.now, &[note(text)]).unwrap();
    }

    fn open(&self, device: usize) -> Connection {
        self.open_with(device, Options::default())
    }

    fn open_with(&self, device: usize, options: Options) -> Connection {
        Connection::open(&self.devices[device], &self.server, [9; 32], options, self.now)
    }
}

fn ticket(at: u8, counties: u32) -> TicketRecord {
    TicketRecord {
        secret_hash: TicketSecret::from_bytes([at; 16]).hash(),
        role: Role::Inspector,
        level: None,
        collections: collections(counties).into_iter().collect(),
        name: format!("inspector {at}"),
        person: PersonId([at; 16]),
        expires_at: NOW.plus_millis(1_000_000),
        used_by: None,
    }
}

fn doc(county: u32, at: u8) -> DocKey {
    let collection = Collection::from_code(511_902 + county).unwrap();
    DocKey { kind: DocKind::Field, collection, id: OutletId(uuid::Uuid::from_bytes([at; 16])) }
}

fn note(text: &str) -> String {
    format!(r#"{{"type":"note","kind":"note","text":"{text}","at":1640000000000}}"#)
}

fn offer(at: u32) -> replica::BlobOffer {
    let mut hash = [9; 32];
    hash[..4].copy_from_slice(&at.to_be_bytes());
    let hash = crate::ids::BlobHash(hash);
    replica::BlobOffer { hash, bytes: u64::MAX, class: BlobClass::Original, doc: doc(0, 1), original: None }
}

fn converged(report: &Report) {
    assert_eq!(report.initiator.outcome, SyncOutcome::Converged, "{:?}", report.initiator);
    assert_eq!(report.acceptor.outcome, SyncOutcome::Converged, "{:?}", report.acceptor);
    assert_eq!(report.initiator.digests, report.acceptor.digests);
    assert_eq!(report.reason, CloseReason::Done);
}

#[test]
fn nothing_to_do_takes_one_round_trip_and_less_than_a_kilobyte_with_five_collections() {
    let mut world = World::new(1, 4);
    for at in 0..4 {
        world.note(0, doc(u32::from(at), at), "a");
    }
    converged(&world.sync(0));
    let report = world.sync(0);
    converged(&report);
    let idle = &report.initiator;
    assert_eq!(idle.digests.len(), 5, "four counties and the reference documents");
    assert_eq!(idle.round_trips, 1);
    assert!(idle.sent.bytes + idle.received.bytes <= 1024, "{} + {}", idle.sent.bytes, idle.received.bytes);
    assert_eq!((idle.sent.changes, idle.received.changes), (0, 0));
    assert_eq!(world.devices[0].last_statement(), world.server.last_statement());
    assert_eq!(world.server.last_statement().unwrap().statement.lines.len(), 5);
}

#[test]
fn push_and_pull_go_at_once_and_a_device_is_not_sent_its_own_work() {
    let mut world = World::new(2, 1);
    for at in 0..20 {
        world.note(0, doc(0, at), "by the first");
        world.note(0, doc(0, at), "again by the first");
        world.note(1, doc(0, at + 10), "by the second");
    }
    let first = world.sync(0);
    converged(&first);
    assert_eq!((first.initiator.sent.changes, first.initiator.received.changes), (40, 0));
    assert!(first.initiator.round_trips <= 2, "{}", first.initiator.round_trips);
    let second = world.sync(1);
    converged(&second);
    assert_eq!(second.initiator.sent.changes, 20);
    // The genesis of each document the second did not have counts as one change.
    assert!(second.initiator.received.changes >= 40, "{}", second.initiator.received.changes);
    assert!(second.initiator.round_trips <= 2);
    let third = world.sync(0);
    converged(&third);
    assert_eq!(third.initiator.digests, second.initiator.digests);
    let (a, b) = (&world.devices[0], &world.devices[1]);
    assert_eq!(a.document(&doc(0, 15)).unwrap().entries(), b.document(&doc(0, 15)).unwrap().entries());
}

#[test]
fn a_receipt_never_leaves_before_the_store_has_the_batch() {
    let mut world = World::new(1, 1);
    world.note(0, doc(0, 1), "a");
    let mut connection = world.open(0);
    let acks = |connection: &Connection| {
        let frames = connection.sent(End::Acceptor).iter().map(|(lane, bytes)| Frame::decode(*lane, bytes).unwrap());
        frames.filter(|frame| matches!(frame, Frame::Ack(_))).count()
    };
    let mut before = 0;
    while !connection.is_over() {
        // The server's store is executed only when nothing else can happen.
        let steps = connection.steps();
        let patient = steps.iter().find(|step| **step != Step::Execute(End::Acceptor)).or(steps.first());
        let step = *patient.expect("the sessions wait for each other");
        let had = world.server.document(&doc(0, 1)).is_some();
        connection.take(step, [&mut world.devices[0], &mut world.server], NOW);
        if acks(&connection) > before {
            assert!(had && matches!(step, Step::Answer(End::Acceptor)), "{step:?}");
            before += 1;
        }
    }
    assert_eq!(before, 1);
    assert_eq!(world.devices[0].confirmed().len(), 1);
}

#[test]
fn a_cut_at_every_single_step_loses_nothing_that_was_confirmed() {
    let mut cuts = 0;
    for at in 0.. {
        let mut world = World::new(2, 1);
        world.note(1, doc(0, 2), "pulled");
        converged(&world.sync(1));
        world.note(0, doc(0, 1), "pushed");
        world.devices[0].add_blob(doc(0, 1), BlobClass::Original, None, vec![7; 200_000]);
        let mut connection = world.open(0);
        for _ in 0..at {
            let Some(step) = connection.steps().last().copied() else { break };
            connection.take(step, [&mut world.devices[0], &mut world.server], NOW);
        }
        let over = connection.is_over();
        connection.cut(NOW);
        for (doc, change) in world.devices[0].confirmed() {
            assert!(world.server.has(doc, change), "cut after {at} steps");
        }
        let report = world.sync(0);
        converged(&report);
        assert_eq!(report.initiator.pending_photos, 0);
        cuts += 1;
        if over {
            break;
        }
    }
    assert!(cuts > 20, "{cuts}");
}

#[test]
fn a_plan_transfers_nothing() {
    let mut world = World::new(2, 1);
    world.note(1, doc(0, 2), "theirs");
    converged(&world.sync(1));
    world.note(0, doc(0, 1), "mine");
    world.devices[0].add_blob(doc(0, 1), BlobClass::Original, None, vec![1; 1000]);
    let report = world.sync_with(0, Options { plan_only: true, ..Options::default() });
    assert_eq!(report.reason, CloseReason::Done);
    let plan = report.initiator;
    assert_eq!((plan.to_push.changes, plan.to_push.photos, plan.to_push.photo_bytes), (1, 1, 1000));
    assert_eq!(plan.to_pull.unwrap().changes, 1);
    assert!(plan.sent.bytes + plan.received.bytes < 1024);
    assert!(world.server.document(&doc(0, 1)).is_none());
    assert!(world.devices[0].document(&doc(0, 2)).is_none());
}

#[test]
fn tickets_are_refused_with_their_reason() {
    let root = SecretKey::from_bytes([200; 32]);
    let mut world = World::new(1, 1);
    let mut enrol = |key: u8, secret: u8, now: Timestamp| {
        let mut device = MemoryReplica::device(SecretKey::from_bytes([key; 32]), [key; 4], root.public());
        let options = Options { ticket_secret: Some(vec![secret; 16]), ..Options::default() };
        match sync(&mut device, &mut world.server, options, now).unwrap().reason {
            CloseReason::RefusedByPeer(refusal) => Some(refusal.code),
            CloseReason::Done => None,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(enrol(50, 0, NOW), Some(RefusalCode::TicketUsed));
    assert_eq!(enrol(51, 99, NOW), Some(RefusalCode::TicketUnknown));
    assert_eq!(enrol(1, 0, NOW), None, "a retry by the same key");
    world.server.add_ticket(ticket(60, 1));
    let late = NOW.plus_millis(2_000_000);
    let mut device = MemoryReplica::device(SecretKey::from_bytes([52; 32]), [1; 4], root.public());
    let options = Options { ticket_secret: Some(vec![60; 16]), ..Options::default() };
    let report = sync(&mut device, &mut world.server, options, late).unwrap();
    assert!(matches!(report.reason, CloseReason::RefusedByPeer(why) if why.code == RefusalCode::TicketExpired));
}

#[test]
fn a_hello_from_another_connection_is_not_taken() {
    let world = World::new(1, 1);
    let recorded = world.open(0);
    let mut server = world.server.clone();
    let mut first = world.devices[0].clone();
    let mut source = recorded;
    source.take(Step::Execute(End::Initiator), [&mut first, &mut server], NOW);
    source.take(Step::Answer(End::Initiator), [&mut first, &mut server], NOW);
    let (lane, bytes) = source.sent(End::Initiator)[0].clone();
    let config = Config::new(server.secret().clone(), first.public(), [1; 32]);
    let mut session = Session::acceptor(config);
    session.handle(NOW, Input::Start);
    session.handle(NOW, Input::Frame { lane, bytes });
    assert!(session.is_closed());
    assert_eq!(session.summary().why.as_ref().unwrap().code, RefusalCode::NotBound);
}

#[test]
fn a_peer_that_stops_is_cut_with_a_reason_but_not_for_our_own_slow_store() {
    let mut world = World::new(1, 1);
    let mut connection = world.open(0);
    let deadline = connection.deadline(End::Initiator).unwrap();
    connection.input(End::Initiator, deadline, Input::Tick);
    assert_eq!(connection.closed(End::Initiator), None, "its own store has not answered yet");
    connection.take(Step::Execute(End::Initiator), [&mut world.devices[0], &mut world.server], deadline);
    connection.take(Step::Answer(End::Initiator), [&mut world.devices[0], &mut world.server], deadline);
    // The push is read from the store, too.
    connection.take(Step::Execute(End::Initiator), [&mut world.devices[0], &mut world.server], deadline);
    connection.take(Step::Answer(End::Initiator), [&mut world.devices[0], &mut world.server], deadline);
    let next = deadline.plus_millis(60_000);
    connection.input(End::Initiator, next, Input::Tick);
    assert!(
        matches!(connection.closed(End::Initiator), Some(CloseReason::Refused(why)) if why.code == RefusalCode::Stalled)
    );
}

#[test]
fn frames_out_of_place_end_the_session_and_change_nothing() {
    let world = World::new(1, 1);
    let frames = [
        Frame::Bye,
        Frame::Compare(wire::Compare { collection: doc(0, 1).collection, message: vec![0x61] }),
        Frame::Proof(None),
        Frame::PushEnd(wire::PushEnd { files: false }),
        Frame::FilesEnd(wire::FilesEnd { begun: Vec::new() }),
        Frame::AskCertificate,
    ];
    for frame in &frames {
        for end in End::BOTH {
            let mut connection = world.open(0);
            connection.input(end, NOW, Input::Frame { lane: frame.lane(), bytes: frame.encode() });
            let harmless = *frame == Frame::AskCertificate && end == End::Initiator;
            assert!(harmless || connection.closed(end).is_some(), "{frame:?} at {end:?}");
        }
    }
    let mut connection = world.open(0);
    connection.input(
        End::Acceptor,
        NOW,
        Input::Frame { lane: Lane::Records, bytes: vec![0; wire::MAX_FRAME_BYTES + 1] },
    );
    assert!(connection.closed(End::Acceptor).is_some());
}

#[test]
fn a_peer_that_never_reads_its_answers_is_not_read_either() {
    let mut world = World::new(1, 1);
    let mut connection = world.open(0);
    let device = world.devices[0].public();
    let mut server = Session::acceptor(Config::new(world.server.secret().clone(), device, [9; 32]));
    server.handle(NOW, Input::Start);
    let execute = |server: &mut Session, replica: &mut MemoryReplica| {
        while let Some(output) = server.poll_output() {
            if let Output::Call { id, call } = output {
                let result = call.execute(replica, &device, NOW);
                server.handle(NOW, Input::CallDone { id, result });
            }
        }
    };
    // An undisturbed session up to the proof, its frames recorded for a second acceptor.
    let mut told = 0;
    while !connection
        .sent(End::Initiator)
        .iter()
        .any(|(lane, bytes)| matches!(Frame::decode(*lane, bytes), Ok(Frame::Proof(_))))
    {
        let step = connection.steps()[0];
        connection.take(step, [&mut world.devices[0], &mut world.server], NOW);
        for (lane, bytes) in connection.sent(End::Initiator).iter().skip(told).cloned() {
            server.handle(NOW, Input::Frame { lane, bytes });
            execute(&mut server, &mut world.server);
            told += 1;
        }
    }
    assert!(server.ready(Lane::Files), "{:?}", server.summary());
    let mut taken = 0;
    while server.ready(Lane::Files) && taken < 1000 {
        let bytes = Frame::Offer(offer(taken)).encode();
        server.handle(NOW, Input::Frame { lane: Lane::Files, bytes });
        execute(&mut server, &mut world.server);
        taken += 1;
    }
    assert!((20..=64).contains(&taken), "{taken}");
    server.handle(NOW, Input::Written { lane: Lane::Files, bytes: 40 });
    assert!(server.ready(Lane::Files), "one was taken: one more may come");
}

#[test]
fn first_batches_are_small_and_grow_only_while_receipts_come_soon() {
    let peer = SecretKey::from_bytes([2; 32]);
    let sizes_with_receipts_after = |millis: i64| {
        let config = Config::new(SecretKey::from_bytes([1; 32]), peer.public(), [0; 32]);
        let mut session = Session::initiator(config, Options::default());
        let (mut now, mut sizes, mut number) = (NOW, Vec::new(), 0);
        session.handle(now, Input::Start);
        while sizes.len() < 20 {
            let Some(output) = session.poll_output() else {
                // Nothing left to send: the oldest batch is confirmed.
                now = now.plus_millis(millis);
                let ack =
                    Frame::Ack(wire::Ack { number, receipts: Vec::new(), exceptions: Vec::new(), new_changes: 0 });
                session.handle(now, Input::Frame { lane: Lane::Records, bytes: ack.encode() });
                number += 1;
                continue;
            };
            let answer = match output {
                Output::Call { id, call: Call::Local } => (id, Answer::Local(replica::Local::default())),
                Output::Call { id, call: Call::Outgoing { max_bytes, .. } } => {
                    sizes.push(max_bytes);
                    let item = FeedItem::Ruling(replica::Sealed(vec![1]));
                    let batch = replica::Batch { items: vec![item], cursors: Vec::new() };
                    (id, Answer::Outgoing(replica::Outgoing { batch, more: true, ..replica::Outgoing::default() }))
                }
                Output::Call { id, call: Call::Acknowledge(..) } => (id, Answer::Done),
                Output::Send { lane, bytes } => {
                    session.handle(now, Input::Written { lane, bytes: bytes.len() });
                    continue;
                }
                Output::Close { reason } => panic!("{reason:?}"),
                _ => continue,
            };
            session.handle(now, Input::CallDone { id: answer.0, result: Ok(answer.1) });
        }
        sizes
    };
    let fast = sizes_with_receipts_after(1);
    assert_eq!((fast[0], fast[19]), (48 << 10, 768 << 10), "{fast:?}");
    let slow = sizes_with_receipts_after(8_000);
    assert!(slow.iter().all(|size| *size == 48 << 10), "{slow:?}");
}

#[test]
fn feeds_are_served_from_where_the_cursor_stands() {
    use super::replica::{Replica, SendPlan};
    let mut world = World::new(2, 1);
    for at in 0..50 {
        world.note(0, doc(0, at), "a");
    }
    converged(&world.sync(0));
    let peer = world.devices[1].public();
    let mut plan = SendPlan { after: 0, feeds: BTreeMap::from([(doc(0, 0).collection, Since::Start)]) };
    let (mut runs, mut rounds) = (BTreeSet::new(), 0);
    loop {
        let outgoing = world.server.outgoing(&peer, &plan, 2_000).unwrap();
        for item in &outgoing.batch.items {
            let FeedItem::Run(run) = item else { panic!("{item:?}") };
            assert!(runs.insert(run.last()), "twice");
        }
        plan = outgoing.next;
        rounds += 1;
        if !outgoing.more {
            break;
        }
    }
    assert_eq!(runs.len(), 50);
    assert!(rounds > 3, "{rounds}");
}
