//! Peers that mean harm, against a server in memory: each is refused and counted, and an honest
//! device beside it goes on as if nothing had been.

use negentropy::{Id, Negentropy, NegentropyStorageVector};

use super::memory::MemoryReplica;
use super::replica::{Batch, DocHeads, FeedItem, Outcome, RefusalCode, Sealed, ShownReceipt};
use super::session::{CloseReason, Config, Input, Options, Output, Session, Summary, SyncOutcome};
use super::simnet::sync;
use super::wire::{Compare, Differing, Frame, Hello, Lane, MAX_COMPARE_BYTES, PackedBatch, PushEnd, SignedHello, pack};
use crate::identity::{Purpose, Role, SecretKey, SignedRun, TicketRecord, TicketSecret};
use crate::ids::{Collection, Digest, DocKey, DocKind, Epoch, OutletId, PersonId, Signature};
use crate::time::Timestamp;

const NOW: Timestamp = Timestamp::from_millis(1_640_000_000_000);
const EXPORTER: [u8; 32] = [7; 32];

fn county(at: u32) -> Collection {
    Collection::from_code(511_902 + at).unwrap()
}

fn doc(county_at: u32, at: u8) -> DocKey {
    DocKey { kind: DocKind::Field, collection: county(county_at), id: OutletId(uuid::Uuid::from_bytes([at; 16])) }
}

fn note(text: &str) -> String {
    format!(r#"{{"type":"note","kind":"note","text":"{text}","at":1640000000000}}"#)
}

/// A server, an honest device, and a member who is not.
struct World {
    server: MemoryReplica,
    honest: MemoryReplica,
    rogue: MemoryReplica,
    root: SecretKey,
}

impl World {
    fn new() -> Self {
        let root = SecretKey::from_bytes([200; 32]);
        let mut server = MemoryReplica::server(SecretKey::from_bytes([201; 32]), &root, Epoch([1; 8]), NOW);
        let devices = [1, 2].map(|at| {
            server.add_ticket(TicketRecord {
                secret_hash: TicketSecret::from_bytes([at; 16]).hash(),
                role: Role::Inspector,
                level: None,
                collections: [county(0)].into(),
                name: format!("inspector {at}"),
                person: PersonId([at; 16]),
                expires_at: NOW.plus_millis(1_000_000),
                used_by: None,
            });
            let mut device = MemoryReplica::device(SecretKey::from_bytes([at; 32]), [at; 4], root.public());
            let options = Options { ticket_secret: Some(vec![at; 16]), ..Options::default() };
            sync(&mut device, &mut server, options, NOW).unwrap();
            device
        });
        let [mut honest, rogue] = devices;
        honest.edit(doc(0, 1), NOW, &[note("honest")]).unwrap();
        let mut world = Self { server, honest, rogue, root };
        world.honest_is_unaffected();
        world
    }

    fn honest_is_unaffected(&mut self) {
        let report = sync(&mut self.honest, &mut self.server, Options::default(), NOW.plus_millis(9)).unwrap();
        assert_eq!(report.initiator.outcome, SyncOutcome::Converged, "{:?}", report.initiator);
        assert_eq!(self.server.documents(county(0)).count(), self.honest.documents(county(0)).count());
        assert_eq!(self.server.documents(county(1)).count(), 0);
    }

    /// A session of the rogue that has said hello.
    fn attack(&mut self) -> Attack<'_> {
        let key = self.rogue.secret().clone();
        let config = Config::new(self.server.secret().clone(), key.public(), EXPORTER);
        let mut attack = Attack {
            session: Session::acceptor(config),
            server: &mut self.server,
            key: key.clone(),
            heard: Vec::new(),
            closed: None,
        };
        attack.session.handle(NOW, Input::Start);
        let hello = Hello {
            version: super::wire::VERSION,
            time: NOW,
            lines: vec![super::wire::HelloLine {
                collection: county(0),
                digest: Digest([0; 32]),
                count: 0,
                held: 0,
                cursor: None,
            }],
            ticket_secret: None,
            wants_server_certificate: None,
            plan_only: None,
            fetch: None,
            server: None,
            files: None,
        };
        let body = hello.encode();
        let signature = key.sign(Purpose::Hello, &Hello::bound(&EXPORTER, &body));
        attack.say(&Frame::Hello(SignedHello { body, signature }));
        assert!(matches!(attack.heard.first(), Some(Frame::HelloReply(_))), "{:?}", attack.heard);
        attack
    }
}

struct Attack<'a> {
    session: Session,
    server: &'a mut MemoryReplica,
    key: SecretKey,
    heard: Vec<Frame>,
    closed: Option<CloseReason>,
}

impl Attack<'_> {
    fn say(&mut self, frame: &Frame) {
        self.session.handle(NOW, Input::Frame { lane: frame.lane(), bytes: frame.encode() });
        while let Some(output) = self.session.poll_output() {
            match output {
                Output::Call { id, call } => {
                    let result = call.execute(self.server, &self.key.public(), NOW);
                    self.session.handle(NOW, Input::CallDone { id, result });
                }
                Output::Send { lane, bytes } => {
                    self.heard.push(Frame::decode(lane, &bytes).unwrap());
                    self.session.handle(NOW, Input::Written { lane, bytes: bytes.len() });
                }
                Output::Close { reason } => self.closed = Some(reason),
                _ => {}
            }
        }
    }

    /// One batch of these items; what became of each.
    fn push(&mut self, items: Vec<FeedItem>) -> Vec<Outcome> {
        let count = items.len();
        let packed = pack(&Batch { items, cursors: Vec::new() }).unwrap();
        PackedBatch::parts(0, &packed).for_each(|part| self.say(&Frame::Push(part)));
        let acks = self.heard.iter().filter_map(|frame| if let Frame::Ack(ack) = frame { Some(ack) } else { None });
        let ack = acks.max_by_key(|ack| ack.number).expect("an ack").clone();
        let mut outcomes = vec![Outcome::Stored { in_ledger: true }; count];
        ack.exceptions.into_iter().for_each(|(at, outcome)| outcomes[at as usize] = outcome);
        outcomes
    }

    fn refused(&self) -> &Summary {
        let Some(CloseReason::Refused(why)) = &self.closed else { panic!("{:?}", self.closed) };
        assert_eq!(why.code, RefusalCode::Malformed, "{why:?}");
        assert_eq!(self.session.summary().why.as_ref(), Some(why), "named for the log");
        self.session.summary()
    }
}

/// A run as its author would sign it.
fn run(author: &SecretKey, doc: DocKey) -> SignedRun {
    let actor = crate::ids::Actor::new(author.public(), [9; 4]);
    let mut document = crate::doc::Document::new(doc.kind);
    let change = document.write(&actor, NOW, &[note("harm")], &[]).unwrap();
    SignedRun::sign(author, doc, vec![change.raw]).unwrap()
}

#[test]
fn forged_foreign_and_unauthorised_changes_are_refused_one_by_one_and_counted() {
    let mut world = World::new();
    let rogue = world.rogue.secret().clone();
    let stranger = SecretKey::from_bytes([99; 32]);
    let mut forged = run(&rogue, doc(0, 2));
    forged.signature = Signature([1; 64]);
    // In the name of the honest device, signed by the rogue.
    let mut impersonated = run(world.honest.secret(), doc(0, 3));
    impersonated.signature = run(&rogue, doc(0, 3)).signature;
    let mut attack = world.attack();
    let outcomes = attack.push(vec![
        FeedItem::Run(forged),
        FeedItem::Run(impersonated),
        FeedItem::Run(run(&stranger, doc(0, 4))),
        FeedItem::Run(run(&rogue, doc(1, 5))),
    ]);
    let refused = |outcome: &Outcome| matches!(outcome, Outcome::Refused { .. });
    assert!(refused(&outcomes[0]) && refused(&outcomes[1]) && refused(&outcomes[3]), "{outcomes:?}");
    // Its certificate might still come: kept aside, never shown.
    assert_eq!(outcomes[2], Outcome::Waiting);
    assert_eq!(attack.session.summary().refused_items, 3);
    assert_eq!(attack.session.summary().waiting, 1);
    assert!(attack.closed.is_none(), "the session goes on: a device may carry what others spoilt");
    world.honest_is_unaffected();
}

#[test]
fn statements_that_no_server_signed_change_nothing() {
    let mut world = World::new();
    let rogue = world.rogue.secret().clone();
    let mut attack = world.attack();
    let fake = Sealed(vec![0x83; 40]);
    let shown = ShownReceipt { receipt: fake.clone(), runs: vec![(doc(0, 1), run(&rogue, doc(0, 1)).last().unwrap())] };
    let _ = attack.push(vec![
        FeedItem::Certificate(fake.clone()),
        FeedItem::Revocation(fake.clone()),
        FeedItem::Ruling(fake),
        FeedItem::Receipt(shown),
    ]);
    world.honest_is_unaffected();
}

#[test]
fn a_batch_without_end_is_cut_off_at_its_limit() {
    let mut world = World::new();
    let mut attack = world.attack();
    let endless = zstd::bulk::compress(&vec![0; 64 << 20], 3).unwrap();
    for packed in endless.chunks(1000) {
        attack.say(&Frame::Push(PackedBatch { number: 0, packed: packed.to_vec(), last: false }));
    }
    attack.refused();
    world.honest_is_unaffected();
}

#[test]
fn batches_that_lie_about_their_place_are_refused() {
    let mut world = World::new();
    let packed = pack(&Batch::default()).unwrap();
    for number in [1, u32::MAX] {
        let mut attack = world.attack();
        attack.say(&Frame::Push(PackedBatch { number, packed: packed.clone(), last: true }));
        attack.refused();
    }
    world.honest_is_unaffected();
}

#[test]
fn a_comparison_without_end_is_refused_after_its_rounds() {
    let mut world = World::new();
    let mut attack = world.attack();
    attack.say(&Frame::PushEnd(PushEnd { files: false }));
    assert!(attack.heard.iter().any(|frame| matches!(frame, Frame::PullEnd(_))));
    let question = question();
    let mut asked = 0;
    while attack.closed.is_none() && asked < 1000 {
        attack.say(&Frame::Compare(Compare { collection: county(0), message: question.clone() }));
        asked += 1;
    }
    assert_eq!(asked, super::catalogue::MAX_ROUNDS + 1);
    attack.refused();
    world.honest_is_unaffected();
}

/// The first message of a side that has one document nobody else has.
fn question() -> Vec<u8> {
    let mut storage = NegentropyStorageVector::new();
    storage.insert(1, Id::from_byte_array([9; 32])).unwrap();
    storage.seal().unwrap();
    Negentropy::owned(storage, 0).unwrap().initiate().unwrap()
}

#[test]
fn comparisons_of_what_is_not_served_or_was_never_listed_are_refused() {
    let compare = |collection| Frame::Compare(Compare { collection, message: question() });
    let differing = |collection, docs, ids| Frame::Differing(Differing { collection, docs, ids, last: false });
    let entry = |doc| DocHeads { doc, heads: Vec::new() };
    let attacks: Vec<Vec<Frame>> = vec![
        vec![compare(county(1))],
        vec![differing(county(0), vec![entry(doc(0, 1))], Vec::new())],
        vec![compare(county(0)), differing(county(0), vec![entry(doc(1, 1))], Vec::new())],
        vec![compare(county(0)), differing(county(0), Vec::new(), vec![Digest([5; 32])])],
        vec![compare(county(0)), differing(county(0), vec![entry(doc(0, 1)), entry(doc(0, 1))], Vec::new())],
        vec![Frame::Compare(Compare {
            collection: county(0),
            message: vec![0x61, 0, 0, 2, 0xc0, 0x80, 0x80, 0x80, 0],
        })],
    ];
    let mut world = World::new();
    for frames in attacks {
        let mut attack = world.attack();
        attack.say(&Frame::PushEnd(PushEnd { files: false }));
        frames.iter().for_each(|frame| attack.say(frame));
        attack.refused();
        world.honest_is_unaffected();
    }
}

/// The other way round: a server that always finds another difference.
#[test]
fn an_acceptor_that_never_agrees_ends_the_comparison_and_finds_nothing() {
    let mut catalogue = super::catalogue::Catalogue::new();
    for at in 0..100 {
        catalogue.add(DocHeads { doc: doc(0, at), heads: Vec::new() }, |entry| entry.doc).unwrap();
    }
    let _ = catalogue.ask(u64::try_from(MAX_COMPARE_BYTES).unwrap()).unwrap();
    // "Everything up to infinity has another fingerprint", for ever.
    let stubborn: Vec<u8> = [&[0x61, 0, 0, 1][..], &[0xee; 16]].concat();
    let mut rounds = 1;
    let end = loop {
        match catalogue.next(&stubborn) {
            Ok(Some(_)) => rounds += 1,
            other => break other,
        }
    };
    assert_eq!(rounds, super::catalogue::MAX_ROUNDS);
    assert_eq!(end.unwrap_err().code, RefusalCode::Malformed);
}

#[test]
fn a_stranger_gets_no_further_than_the_hello() {
    let mut world = World::new();
    let mut stranger = MemoryReplica::device(SecretKey::from_bytes([77; 32]), [7; 4], world.root.public());
    stranger.edit(doc(0, 9), NOW, &[note("harm")]).unwrap();
    let report = sync(&mut stranger, &mut world.server, Options::default(), NOW).unwrap();
    assert_eq!(report.initiator.outcome, SyncOutcome::Refused);
    assert_eq!(report.acceptor.received.changes, 0);
    assert!(matches!(report.reason, CloseReason::Refused(why) | CloseReason::RefusedByPeer(why)
        if why.code == RefusalCode::UnknownMember));
    world.honest_is_unaffected();
}

#[test]
fn files_lane_frames_before_the_proof_are_refused_whatever_they_claim() {
    let mut world = World::new();
    let mut attack = world.attack();
    let hash = crate::ids::BlobHash([1; 32]);
    let bytes = vec![0; super::wire::MAX_CHUNK_BYTES];
    let data = Frame::Data(super::wire::Data { hash, offset: u64::MAX, bytes });
    attack.session.handle(NOW, Input::Frame { lane: Lane::Files, bytes: data.encode() });
    assert!(attack.session.is_closed());
    assert_eq!(attack.session.summary().why.as_ref().unwrap().code, RefusalCode::Malformed);
    world.honest_is_unaffected();
}
