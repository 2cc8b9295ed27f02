//! The session: inputs in, one ordered queue of outputs out. No socket, no clock, no disk.
//!
//! A shell feeds [`Session::handle`] and drains [`Session::poll_output`] after each input. Its
//! duties:
//!
//! - **Calls** are executed in the order they are emitted, one after another (a thread of their own
//!   is best), and each answer comes back as [`Input::CallDone`]. A receipt is only ever sent from
//!   the answer of a durable admission, so it cannot come too early.
//! - **Sends** go to the lane's stream in order; records before files when both have something.
//!   When the stream has taken a frame, say so with [`Input::Written`]. Never stop reading or
//!   executing calls because a write is blocked: both sides may be writing at once.
//! - **Reading** a lane pauses while [`Session::ready`] says so; that is the back pressure.
//! - **[`Output::Deadline`]** replaces the timer; when it fires, [`Input::Tick`].
//! - **[`Output::Close`]** comes last: write what is queued, then finish the streams. The initiator
//!   then waits (a few seconds at most) for the acceptor to close the connection; the acceptor
//!   closes it after its own [`Output::Close`].
//!
//! `now` is the wall clock at the start of the session, moved on by a monotonic clock.

use std::collections::VecDeque;

use super::acceptor::Acceptor;
use super::calls::{Answer, Call};
use super::files::{Files, FilesThen};
use super::initiator::Initiator;
use super::replica::{Fetch, Refusal, RefusalCode, ReplicaError};
use super::wire::{Frame, LENGTH_PREFIX_BYTES, Lane, MAX_FRAME_BYTES, WireError, WireRefusal, clip};
use crate::identity::SecretKey;
use crate::ids::{BlobHash, Collection, DocKey, PublicKey};
use crate::time::Timestamp;

pub use super::summary::{Summary, SyncOutcome, Transferred, combined_digest};

/// What every session needs to know.
#[derive(Clone, Debug)]
pub struct Config {
    /// Own key: the one of the TLS handshake.
    pub key: SecretKey,
    /// The peer's key, from the TLS handshake.
    pub peer: PublicKey,
    /// TLS exporter value of this connection: binds hello and proof to it.
    pub exporter: [u8; 32],
    /// A peer that lets nothing move for so long is cut.
    pub stall_ms: i64,
    /// About how many bytes of raw changes go into a batch, one transaction of the receiver, once
    /// the link has shown that it is fast enough; the first ones are smaller.
    pub batch_bytes: usize,
    /// Documents listed at a time for a comparison.
    pub compare_docs: usize,
    /// Bytes of a message of a comparison: 4,096 or more, at most
    /// [`MAX_COMPARE_BYTES`](super::wire::MAX_COMPARE_BYTES).
    pub compare_bytes: u64,
}

impl Config {
    /// With the default limits.
    #[must_use]
    pub fn new(key: SecretKey, peer: PublicKey, exporter: [u8; 32]) -> Self {
        Self {
            key,
            peer,
            exporter,
            stall_ms: 45_000,
            batch_bytes: 768 << 10,
            compare_docs: 4_000,
            compare_bytes: 40 << 10,
        }
    }

    /// What binds a statement to this connection.
    pub(super) fn session_id(&self) -> [u8; 16] {
        let hash = blake3::Hasher::new_derive_key("outlet 2026 session id v1").update(&self.exporter).finalize();
        let mut id = [0; 16];
        id.copy_from_slice(&hash.as_bytes()[..16]);
        id
    }
}

/// What an initiator wants of a session.
#[derive(Clone, PartialEq, Eq)]
pub struct Options {
    /// Secret of a ticket, to enrol this key.
    pub ticket_secret: Option<Vec<u8>>,
    /// Only ask what a sync would transfer.
    pub plan_only: bool,
    /// The acceptor is a device: nothing is pushed before it has shown its membership.
    pub peer: bool,
    /// Files of others to fetch.
    pub fetch: Fetch,
    /// Files to fetch by name, at most [`super::wire::MAX_ASKED_FILES`].
    pub files: Vec<BlobHash>,
    /// Send originals and attachments; previews are always sent.
    pub originals: bool,
    /// Bytes this session may send and receive; records come first and always go.
    pub max_bytes: Option<u64>,
    /// No file is begun or continued after this moment.
    pub until: Option<Timestamp>,
}

impl Default for Options {
    /// Everything of one's own, nothing of others' but records.
    fn default() -> Self {
        Self {
            ticket_secret: None,
            plan_only: false,
            peer: false,
            fetch: Fetch::Nothing,
            files: Vec::new(),
            originals: true,
            max_bytes: None,
            until: None,
        }
    }
}

impl std::fmt::Debug for Options {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Options")
            .field("enrols", &self.ticket_secret.is_some())
            .field("plan_only", &self.plan_only)
            .field("peer", &self.peer)
            .field("fetch", &self.fetch)
            .field("files", &self.files.len())
            .field("originals", &self.originals)
            .field("max_bytes", &self.max_bytes)
            .field("until", &self.until)
            .finish()
    }
}

/// What the shell tells the session.
#[derive(Debug)]
#[non_exhaustive]
pub enum Input {
    /// The connection is up. Once, first.
    Start,
    /// A frame arrived, without its length prefix.
    Frame {
        /// On which lane.
        lane: Lane,
        /// Its bytes.
        bytes: Vec<u8>,
    },
    /// A call was executed.
    CallDone {
        /// Which.
        id: u64,
        /// What came of it.
        result: Result<Answer, ReplicaError>,
    },
    /// The stream has taken a frame this session sent.
    Written {
        /// On which lane.
        lane: Lane,
        /// Length of the frame, without its prefix.
        bytes: usize,
    },
    /// The deadline passed.
    Tick,
    /// The connection is gone, or the peer has finished its records lane.
    PeerClosed,
    /// Nothing more comes on the files lane: all that the peer sent there has been handed over.
    FilesEnded,
    /// The user wants to stop: ends the session as incomplete.
    Abort,
    /// The peer's key has begun another session: this one ends, and the peer is told, should it still
    /// be there.
    Replaced,
}

/// What the session tells the shell.
#[derive(Debug)]
#[non_exhaustive]
pub enum Output {
    /// Execute this.
    Call {
        /// To be returned with the answer.
        id: u64,
        /// What to execute.
        call: Call,
    },
    /// Send this, with its length before it.
    Send {
        /// On which lane.
        lane: Lane,
        /// The frame.
        bytes: Vec<u8>,
    },
    /// Something a person or a log may want to know.
    Event(Event),
    /// Wake the session at this time, instead of any earlier wish.
    Deadline(Timestamp),
    /// The session is over; nothing follows.
    Close {
        /// Why.
        reason: CloseReason,
    },
}

/// Why a session ended.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum CloseReason {
    /// Both sides are done.
    Done,
    /// This side refused.
    Refused(Refusal),
    /// The other side refused.
    RefusedByPeer(Refusal),
    /// The connection was lost, or the user stopped it.
    Cut,
    /// The store below failed.
    Failed {
        /// What it said.
        text: String,
        /// True when trying again cannot help.
        permanent: bool,
    },
}

/// What a session is at.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Phase {
    /// Sending changes.
    Push,
    /// Receiving changes.
    Pull,
    /// Comparing documents after unequal digests.
    Compare,
    /// Sending photos and attachments.
    FilesOut,
    /// Receiving photos and attachments.
    FilesIn,
}

/// What happened, for progress bars and logs.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Event {
    /// The acceptor let us in.
    Welcomed {
        /// A certificate was issued.
        enrolled: bool,
        /// The acceptor's clock minus ours, in milliseconds.
        skew_ms: i64,
    },
    /// Changes (or bytes of files) so far.
    Progress {
        /// Of what.
        phase: Phase,
        /// Done.
        done: u64,
        /// In all, where known.
        total: Option<u64>,
    },
    /// One of our runs is held back by the server.
    Held {
        /// Which document.
        doc: DocKey,
        /// Stable code.
        code: String,
    },
    /// A run was refused, by the peer or here.
    ItemRefused {
        /// Which document.
        doc: DocKey,
        /// Stable code.
        code: String,
        /// For people.
        text: String,
    },
    /// Digests differ: these collections are compared document by document.
    Comparing(Vec<Collection>),
    /// A file is safe at the peer.
    FileSent(BlobHash),
    /// A file arrived and is safe here.
    FileReceived(BlobHash),
    /// A file was not taken.
    FileRefused {
        /// Which.
        hash: BlobHash,
        /// Stable code.
        code: String,
    },
    /// Always the last event: how it went.
    Finished(Box<Summary>),
}

/// One sync with one peer.
#[derive(Debug)]
pub struct Session {
    core: Core,
    role: Role,
    files: Files,
}

#[derive(Debug)]
enum Role {
    Initiator(Box<Initiator>),
    Acceptor(Box<Acceptor>),
}

impl Session {
    /// The side that opened the connection: a device.
    #[must_use]
    pub fn initiator(config: Config, options: Options) -> Self {
        let files = Files::new(options.originals, options.max_bytes, options.until);
        Self { core: Core::new(config), role: Role::Initiator(Box::new(Initiator::new(options))), files }
    }

    /// The side that accepted it: a server, or a device that lets others in.
    #[must_use]
    pub fn acceptor(config: Config) -> Self {
        Self {
            core: Core::new(config),
            role: Role::Acceptor(Box::new(Acceptor::new())),
            files: Files::new(true, None, None),
        }
    }

    /// Takes one input. Never blocks, never panics on what a peer sent.
    pub fn handle(&mut self, now: Timestamp, input: Input) {
        if self.core.closed {
            return;
        }
        self.core.now = now;
        match input {
            Input::Start => self.start(),
            Input::Frame { lane, bytes } => self.frame(lane, &bytes),
            Input::CallDone { id, result } => self.call_done(id, result),
            Input::Written { lane, bytes } => self.core.written(lane, bytes),
            Input::Tick => self.core.tick(),
            Input::PeerClosed => self.peer_closed(),
            Input::FilesEnded => {
                if let Role::Acceptor(acceptor) = &mut self.role {
                    acceptor.files_ended();
                }
            }
            Input::Abort => self.core.close(CloseReason::Cut),
            Input::Replaced => self.core.refuse(refusal(RefusalCode::Replaced, REPLACED)),
        }
        if !self.core.closed {
            match &mut self.role {
                Role::Initiator(initiator) => initiator.pump(&mut self.core, &mut self.files),
                Role::Acceptor(acceptor) => acceptor.pump(&mut self.core, &mut self.files),
            }
        }
    }

    /// The next thing to do, in order.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.core.out.pop_front()
    }

    /// Whether the next frame of the lane may be read and handed over.
    #[must_use]
    pub fn ready(&self, lane: Lane) -> bool {
        match (lane, &self.role) {
            (Lane::Files, _) => self.files_may_come() && self.files.ready(&self.core),
            (Lane::Records, Role::Initiator(initiator)) => initiator.ready(),
            (Lane::Records, Role::Acceptor(acceptor)) => acceptor.ready(),
        }
    }

    /// Files come after the records, from a peer that was let in. On the files lane they may well
    /// arrive before the proof on the other: until then they wait in the stream, at the peer's cost.
    fn files_may_come(&self) -> bool {
        match &self.role {
            Role::Initiator(initiator) => initiator.takes_files(),
            Role::Acceptor(acceptor) => acceptor.takes_files(),
        }
    }

    /// True after [`Output::Close`] was emitted.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.core.closed
    }

    /// How it stands now.
    #[must_use]
    pub fn summary(&self) -> &Summary {
        &self.core.summary
    }

    fn start(&mut self) {
        self.core.moved();
        self.core.arm();
        if matches!(self.role, Role::Initiator(_)) {
            self.core.call(Call::Local, Then::Local);
        }
    }

    fn frame(&mut self, lane: Lane, bytes: &[u8]) {
        let in_turn = lane == Lane::Records || self.files_may_come();
        let core = &mut self.core;
        core.moved();
        core.count_received(lane, bytes.len());
        let frame = match Frame::decode(lane, bytes) {
            Ok(Frame::Refused(refusal)) => return core.refused_by_peer(&refusal),
            Ok(frame) => frame,
            Err(error) => return core.malformed(&error),
        };
        let result = match (lane, &mut self.role) {
            _ if !in_turn => Err(malformed("a frame about files before the records were done")),
            (Lane::Files, _) => self.files.frame(core, frame),
            (Lane::Records, Role::Initiator(initiator)) => initiator.frame(core, &mut self.files, frame),
            (Lane::Records, Role::Acceptor(acceptor)) => acceptor.frame(core, &mut self.files, frame),
        };
        if let Err(refusal) = result {
            core.refuse(refusal);
        }
    }

    fn call_done(&mut self, id: u64, result: Result<Answer, ReplicaError>) {
        let core = &mut self.core;
        core.moved();
        let then = match core.waiting.pop_front() {
            Some((expected, then)) if expected == id => then,
            _ => return core.refuse(internal("the shell answered a call out of order")),
        };
        let answer = match result {
            Ok(answer) => answer,
            Err(error) => return core.failed(&error),
        };
        let result = match (then, &mut self.role) {
            (Then::Files(then), _) => self.files.answer(core, then, answer),
            (then, Role::Initiator(initiator)) => initiator.answer(core, &mut self.files, then, answer),
            (then, Role::Acceptor(acceptor)) => acceptor.answer(core, &mut self.files, then, answer),
        };
        if let Err(refusal) = result {
            core.refuse(refusal);
        }
    }

    fn peer_closed(&mut self) {
        let done = match &self.role {
            Role::Initiator(_) => false,
            Role::Acceptor(acceptor) => acceptor.said_bye(),
        };
        if !done {
            self.core.close(CloseReason::Cut);
        }
    }
}

/// A device that was cut does not read this, and needs no word: it has called again itself.
const REPLACED: &str = "the same device called again while this session was running, so this one ended. If nobody \
    stopped it here, the folder of this device was copied, and two devices share one identity and end each other's \
    sessions. Use one of them only: on the other, make a new folder and enrol it with a ticket of its own. What is \
    recorded stays on both.";

/// What to do with the answer of a call.
#[derive(Debug)]
pub(super) enum Then {
    Local,
    Begin,
    Welcome,
    Outgoing,
    Admit { number: u32, changes: u64 },
    Acknowledge,
    States,
    Heads,
    RunsFor,
    Kept,
    FilesKnown,
    Files(FilesThen),
}

/// Refusals travel as errors inside the session.
pub(super) type Step = Result<(), Refusal>;

pub(super) fn refusal(code: RefusalCode, text: impl Into<String>) -> Refusal {
    Refusal { code, text: text.into() }
}

pub(super) fn malformed(text: impl Into<String>) -> Refusal {
    refusal(RefusalCode::Malformed, text)
}

pub(super) fn internal(text: impl Into<String>) -> Refusal {
    refusal(RefusalCode::Internal, text)
}

/// What both roles and the files share: queues, counts, deadlines.
#[derive(Debug)]
pub(super) struct Core {
    pub(super) config: Config,
    pub(super) now: Timestamp,
    pub(super) summary: Summary,
    out: VecDeque<Output>,
    next_call: u64,
    waiting: VecDeque<(u64, Then)>,
    queued: [usize; 2],
    /// For each frame the files lane has not taken: does it answer the peer?
    files_queue: VecDeque<bool>,
    awaiting: bool,
    moved_at: Timestamp,
    closed: bool,
}

/// Frames written but not taken by the stream: beyond this, nothing more is prepared for the lane.
const MAX_QUEUED: [usize; 2] = [2 * MAX_FRAME_BYTES, MAX_FRAME_BYTES / 2];

impl Core {
    fn new(config: Config) -> Self {
        let now = Timestamp::default();
        Self {
            config,
            now,
            summary: Summary::new(),
            out: VecDeque::new(),
            next_call: 0,
            waiting: VecDeque::new(),
            queued: [0; 2],
            files_queue: VecDeque::new(),
            awaiting: false,
            moved_at: now,
            closed: false,
        }
    }

    pub(super) fn call(&mut self, call: Call, then: Then) {
        let id = self.next_call;
        self.next_call += 1;
        self.waiting.push_back((id, then));
        self.out.push_back(Output::Call { id, call });
    }

    pub(super) fn send(&mut self, frame: &Frame) {
        let (lane, bytes) = (frame.lane(), frame.encode());
        self.queued[index(lane)] += bytes.len();
        self.summary.sent.bytes += framed(bytes.len());
        match lane {
            Lane::Records => self.awaiting = true,
            Lane::Files => self.files_queue.push_back(matches!(frame, Frame::Want(_) | Frame::Stored(_))),
        }
        self.out.push_back(Output::Send { lane, bytes });
    }

    pub(super) fn event(&mut self, event: Event) {
        self.out.push_back(Output::Event(event));
    }

    /// Whether more may be prepared for the lane.
    pub(super) fn lane_free(&self, lane: Lane) -> bool {
        self.queued[index(lane)] < MAX_QUEUED[index(lane)]
    }

    /// Answers about files that the lane has not taken: what a peer can make this side queue.
    pub(super) fn unsent_answers(&self) -> usize {
        self.files_queue.iter().filter(|answers| **answers).count()
    }

    /// No call is under way.
    pub(super) fn is_quiet(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Application bytes so far, both ways.
    pub(super) fn total_bytes(&self) -> u64 {
        self.summary.sent.bytes + self.summary.received.bytes
    }

    fn count_received(&mut self, lane: Lane, bytes: usize) {
        self.summary.received.bytes += framed(bytes);
        if lane == Lane::Records && self.awaiting {
            self.awaiting = false;
            self.summary.round_trips += 1;
        }
    }

    fn written(&mut self, lane: Lane, bytes: usize) {
        self.moved();
        let queued = &mut self.queued[index(lane)];
        *queued = queued.saturating_sub(bytes);
        if lane == Lane::Files {
            self.files_queue.pop_front();
        }
    }

    fn moved(&mut self) {
        self.moved_at = self.now;
    }

    fn arm(&mut self) {
        self.out.push_back(Output::Deadline(self.moved_at.plus_millis(self.config.stall_ms)));
    }

    fn tick(&mut self) {
        // While a call is under way it is our own store that is slow, not the peer.
        if !self.waiting.is_empty() {
            self.moved();
        }
        if self.now < self.moved_at.plus_millis(self.config.stall_ms) {
            return self.arm();
        }
        let seconds = self.config.stall_ms / 1000;
        self.refuse(refusal(RefusalCode::Stalled, format!("nothing moved for {seconds} s; sync again")));
    }

    fn malformed(&mut self, error: &WireError) {
        let mut text = error.to_string();
        if let Some(source) = std::error::Error::source(error) {
            text = format!("{text}: {source}");
        }
        self.refuse(malformed(text));
    }

    /// Tells the peer, and ends.
    pub(super) fn refuse(&mut self, refusal: Refusal) {
        if self.closed {
            return;
        }
        self.send(&Frame::Refused(WireRefusal { code: refusal.code.number(), text: clip(&refusal.text) }));
        self.note(&refusal);
        self.close(CloseReason::Refused(refusal));
    }

    fn refused_by_peer(&mut self, refusal: &WireRefusal) {
        let refusal = Refusal { code: RefusalCode::from_number(refusal.code), text: clip(&refusal.text) };
        self.note(&refusal);
        self.close(CloseReason::RefusedByPeer(refusal));
    }

    /// What both sides signed stands, whatever ends the session after it; and a side that stalled
    /// or failed has refused nothing.
    fn note(&mut self, refusal: &Refusal) {
        let passing = matches!(
            refusal.code,
            RefusalCode::Stalled | RefusalCode::Internal | RefusalCode::Full | RefusalCode::Replaced
        );
        if self.summary.outcome != SyncOutcome::Converged {
            self.summary.outcome = if passing { SyncOutcome::Incomplete } else { SyncOutcome::Refused };
        }
        self.summary.why = Some(refusal.clone());
    }

    /// The store failed: the peer learns that it may try again, not why.
    fn failed(&mut self, error: &ReplicaError) {
        let (code, text) = match error {
            ReplicaError::Peer(text) => return self.refuse(malformed(text.clone())),
            ReplicaError::Refused(refusal) => return self.refuse(refusal.clone()),
            ReplicaError::Full { .. } => (RefusalCode::Full, "the other side is out of disk space; sync again later"),
            _ => (RefusalCode::Internal, "the other side's store failed; sync again later"),
        };
        self.send(&Frame::Refused(WireRefusal { code: code.number(), text: text.to_owned() }));
        let mut text = error.to_string();
        let mut cause = std::error::Error::source(error);
        while let Some(source) = cause {
            text = format!("{text}: {source}");
            cause = source.source();
        }
        self.note(&Refusal { code, text: text.clone() });
        self.close(CloseReason::Failed { text, permanent: error.is_permanent() });
    }

    /// Ends the session: the summary, then the close.
    pub(super) fn close(&mut self, reason: CloseReason) {
        if self.closed {
            return;
        }
        self.closed = true;
        let summary = Box::new(self.summary.clone());
        self.out.push_back(Output::Event(Event::Finished(summary)));
        self.out.push_back(Output::Close { reason });
    }
}

fn index(lane: Lane) -> usize {
    match lane {
        Lane::Records => 0,
        Lane::Files => 1,
    }
}

fn framed(bytes: usize) -> u64 {
    u64::try_from(bytes.saturating_add(LENGTH_PREFIX_BYTES)).unwrap_or(u64::MAX)
}
