//! A session in which one frame is not what an honest side would have sent.
//!
//! Input: in which situation, which side lies, at which of its frames, how (as the frame itself, or as the contents of a
//! batch that is then packed properly), and the bytes.

use std::cell::OnceCell;
use std::collections::VecDeque;

use outlet_core::doc::Document;
use outlet_core::identity::{Role, SecretKey, TicketRecord, TicketSecret};
use outlet_core::ids::{DocKind, Epoch, PersonId};
use outlet_core::sync::memory::MemoryReplica;
use outlet_core::sync::replica::BlobClass;
use outlet_core::sync::wire::{Frame, PackedBatch};
use outlet_core::sync::{Config, Input, Lane, Options, Output, Session};

use crate::{Grant, Target, seeds, stream};

/// An honest session takes some sixty steps; whoever makes it a thousand times as long has found a loop.
const MAX_STEPS: usize = 60_000;
const TICKET: [u8; 16] = [9; 16];
const EXPORTER: [u8; 32] = [8; 32];

/// How the bytes are put into the session.
const AS_FRAME: usize = 0;
const AS_BATCH: usize = 1;

const SITUATIONS: usize = 2;

pub(crate) fn targets() -> Vec<Target> {
    vec![Target { name: "session", seeds: frames, decode: session, grant: Grant { fixed: 96 << 20, per_byte: 1024 } }]
}

/// Two replicas that meet. Making them costs more than a session, so each situation is made once.
fn replicas(situation: usize) -> [MemoryReplica; 2] {
    thread_local! {
        static MADE: OnceCell<[[MemoryReplica; 2]; SITUATIONS]> = const { OnceCell::new() };
    }
    MADE.with(|made| made.get_or_init(make)[situation % SITUATIONS].clone())
}

/// A device that enrols and brings a record and a file; and the same device, synced, beside a server
/// that has lost both and does not know it: they must compare.
fn make() -> [[MemoryReplica; 2]; SITUATIONS] {
    let mut server = MemoryReplica::server(seeds::server(), &seeds::root(), Epoch([1; 8]), seeds::NOW);
    let device = MemoryReplica::device(SecretKey::from_bytes([3; 32]), [0; 4], seeds::root().public());
    server.add_ticket(TicketRecord {
        secret_hash: TicketSecret::from_bytes(TICKET).hash(),
        role: Role::Inspector,
        level: None,
        collections: [seeds::county()].into(),
        name: "张三".into(),
        person: PersonId([5; 16]),
        expires_at: seeds::NOW.plus_millis(600_000),
        used_by: None,
    });
    let mut fresh = [device.clone(), server.clone()];
    fill(&mut fresh[0]);
    let honest = |replicas| play_with(replicas, &|_, _, _| None, &mut |_, _, _, _| {});
    let [mut enrolled, empty] = honest([device, server]);
    fill(&mut enrolled);
    let [synced, _] = honest([enrolled, empty.clone()]);
    [fresh, [synced, empty]]
}

fn fill(device: &mut MemoryReplica) {
    let key = seeds::doc(DocKind::Field);
    for entry in seeds::entries() {
        device.edit(key, seeds::NOW, &[entry]).expect("an honest act");
    }
    let _ = device.add_blob(key, BlobClass::Original, None, b"not a photograph, but bytes".to_vec());
}

/// What the liar does to the nth frame of its side; `None` leaves the frame alone.
type Lie<'a> = &'a dyn Fn(usize, usize, &[u8]) -> Option<Vec<u8>>;

/// Who sent the how manyth frame, on which lane.
type Seen<'a> = &'a mut dyn FnMut(usize, usize, Lane, &[u8]);

/// Plays a session to its end, calling `seen` for each frame that is sent.
fn play_with(mut replicas: [MemoryReplica; 2], lie: Lie<'_>, seen: Seen<'_>) -> [MemoryReplica; 2] {
    let peers = [replicas[1].public(), replicas[0].public()];
    let options = Options { ticket_secret: Some(TICKET.to_vec()), ..Options::default() };
    let mut sessions = [
        Session::initiator(Config::new(replicas[0].secret().clone(), peers[0], EXPORTER), options),
        Session::acceptor(Config::new(replicas[1].secret().clone(), peers[1], EXPORTER)),
    ];
    let (mut now, mut sent, mut steps) = (seeds::NOW, [0, 0], 0);
    let mut inputs = VecDeque::from([(0, Input::Start), (1, Input::Start)]);
    loop {
        while let Some((side, input)) = inputs.pop_front() {
            steps += 1;
            assert!(steps < MAX_STEPS, "the session does not end");
            sessions[side].handle(now, input);
            while let Some(output) = sessions[side].poll_output() {
                match output {
                    Output::Call { id, call } => {
                        let result = call.execute(&mut replicas[side], &peers[side], now);
                        inputs.push_back((side, Input::CallDone { id, result }));
                    }
                    Output::Send { lane, bytes } => {
                        seen(side, sent[side], lane, &bytes);
                        inputs.push_back((side, Input::Written { lane, bytes: bytes.len() }));
                        let bytes = lie(side, sent[side], &bytes).unwrap_or(bytes);
                        sent[side] += 1;
                        inputs.push_back((1 - side, Input::Frame { lane, bytes }));
                    }
                    Output::Close { .. } => inputs.push_back((1 - side, Input::PeerClosed)),
                    _ => {}
                }
            }
        }
        if sessions.iter().all(Session::is_closed) {
            return replicas;
        }
        // Nothing moves: the stall limit ends it.
        now = now.plus_millis(60_000);
        inputs.extend([(0, Input::Tick), (1, Input::Tick)]);
    }
}

fn frames() -> Vec<Vec<u8>> {
    let (mut all, mut compared) = (Vec::new(), false);
    for situation in 0..SITUATIONS {
        play_with(replicas(situation), &|_, _, _| None, &mut |side, number, lane, bytes| {
            let head = |how| [situation, side, number, how].map(|part| u8::try_from(part).expect("a short session"));
            all.push([&head(AS_FRAME)[..], bytes].concat());
            match Frame::decode(lane, bytes) {
                Ok(Frame::Push(batch) | Frame::Pull(batch)) if batch.number == 0 => {
                    all.push([&head(AS_BATCH)[..], &stream::unpack(&batch.packed)].concat());
                }
                Ok(Frame::Compare(_)) => compared = true,
                _ => {}
            }
        });
    }
    assert!(all.len() > 16 && compared, "honest sessions have frames, and one of them compares");
    all
}

/// Whoever lies, the other side ends the session with documents that load.
fn session(bytes: &[u8]) {
    let Some((head, body)) = bytes.split_first_chunk::<4>() else { return };
    let [situation, liar, at, how] = head.map(usize::from);
    let (liar, at) = (liar % 2, at % 32);
    let lie = |side: usize, number: usize, honest: &[u8]| {
        (side == liar && number == at).then(|| match (how % 2, Frame::decode(Lane::Records, honest)) {
            (AS_BATCH, Ok(Frame::Push(batch))) => Frame::Push(packed(batch.number, body)).encode(),
            (AS_BATCH, Ok(Frame::Pull(batch))) => Frame::Pull(packed(batch.number, body)).encode(),
            _ => body.to_vec(),
        })
    };
    let replicas = play_with(replicas(situation), &lie, &mut |_, _, _, _| {});
    let victim = &replicas[1 - liar];
    for (key, document) in victim.documents(seeds::county()) {
        let loaded = Document::load(key.kind, &document.save()).expect("what a replica keeps loads again");
        assert_eq!(loaded.heads(), document.heads());
    }
}

fn packed(number: u32, plain: &[u8]) -> PackedBatch {
    PackedBatch { number, packed: stream::pack(plain), last: true }
}
