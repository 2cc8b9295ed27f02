//! A connection between two replicas in memory, one step at a time: for tests, the simulation and
//! the examples. No socket, no thread, no clock.

use std::collections::VecDeque;

use super::calls::{Answer, Call};
use super::memory::MemoryReplica;
use super::replica::{Replica, ReplicaError};
use super::session::{CloseReason, Config, Event, Input, Options, Output, Session, Summary};
use super::wire::{Frame, Lane};
use crate::ids::PublicKey;
use crate::time::Timestamp;

/// Which end of a connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum End {
    /// The device that opened it.
    Initiator,
    /// The server.
    Acceptor,
}

impl End {
    /// Both.
    pub const BOTH: [Self; 2] = [Self::Initiator, Self::Acceptor];

    /// The other one.
    #[must_use]
    pub fn other(self) -> Self {
        match self {
            Self::Initiator => Self::Acceptor,
            Self::Acceptor => Self::Initiator,
        }
    }
}

/// Something that may happen next on a connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Step {
    /// A frame arrives at this end.
    Deliver(End, Lane),
    /// The store of this end executes its next call.
    Execute(End),
    /// The session of this end hears the oldest answer of its store.
    Answer(End),
    /// This end learns that the other has closed, after everything the other sent.
    Hangup(End),
}

#[derive(Debug)]
struct Side {
    session: Session,
    peer: PublicKey,
    arriving: [VecDeque<Vec<u8>>; 2],
    /// Bytes of files that were overtaken by everything else.
    late: Vec<Vec<u8>>,
    calls: VecDeque<(u64, Call)>,
    answers: VecDeque<(u64, Result<Answer, ReplicaError>)>,
    events: Vec<Event>,
    sent: Vec<(Lane, Vec<u8>)>,
    deadline: Option<Timestamp>,
    closed: Option<CloseReason>,
    hung_up: bool,
}

/// A connection with a session at each end.
#[derive(Debug)]
pub struct Connection {
    sides: [Side; 2],
    shuffled: bool,
}

/// What both ends say after a session.
#[derive(Debug)]
pub struct Report {
    /// The device's summary.
    pub initiator: Summary,
    /// The server's summary.
    pub acceptor: Summary,
    /// Why the device's session ended.
    pub reason: CloseReason,
    /// What the device's session told on the way.
    pub events: Vec<Event>,
}

impl Connection {
    /// A fresh connection; both sessions are started.
    #[must_use]
    pub fn open(
        initiator: &MemoryReplica,
        acceptor: &MemoryReplica,
        exporter: [u8; 32],
        options: Options,
        now: Timestamp,
    ) -> Self {
        let config = |own: &MemoryReplica, other: &MemoryReplica| {
            let mut config = Config::new(own.secret().clone(), other.public(), exporter);
            // Small, so that a few documents already take several batches and ranges.
            config.batch_bytes = 4 << 10;
            config.compare_docs = 2;
            config.compare_bytes = 4096;
            config
        };
        let first = Session::initiator(config(initiator, acceptor), options);
        let second = Session::acceptor(config(acceptor, initiator));
        let mut connection = Self {
            sides: [Side::new(first, acceptor.public()), Side::new(second, initiator.public())],
            shuffled: false,
        };
        for end in End::BOTH {
            connection.input(end, now, Input::Start);
        }
        connection
    }

    /// From now on bytes of files arrive after everything else, the latest first, as they may over QUIC.
    #[must_use]
    pub fn shuffled(mut self) -> Self {
        self.shuffled = true;
        self
    }

    /// Everything that may happen now, in a fixed order.
    #[must_use]
    pub fn steps(&self) -> Vec<Step> {
        let mut steps = Vec::new();
        for end in End::BOTH {
            let (side, other) = (self.side(end), self.side(end.other()));
            if side.closed.is_some() {
                continue;
            }
            for lane in [Lane::Records, Lane::Files] {
                let late = lane == Lane::Files && !side.late.is_empty();
                if (late || !side.arriving[index(lane)].is_empty()) && side.session.ready(lane) {
                    steps.push(Step::Deliver(end, lane));
                }
            }
            if !side.calls.is_empty() {
                steps.push(Step::Execute(end));
            }
            if !side.answers.is_empty() {
                steps.push(Step::Answer(end));
            }
            if other.closed.is_some() && !side.hung_up && side.nothing_arrives() {
                steps.push(Step::Hangup(end));
            }
        }
        steps
    }

    /// Lets one thing happen.
    pub fn take(&mut self, step: Step, replicas: [&mut MemoryReplica; 2], now: Timestamp) {
        match step {
            Step::Deliver(end, lane) => {
                let side = self.side_mut(end);
                let late = if lane == Lane::Files { side.late.pop() } else { None };
                if let Some(bytes) = side.arriving[index(lane)].pop_front() {
                    side.late.extend(late);
                    self.input(end, now, Input::Frame { lane, bytes });
                } else if let Some(bytes) = late {
                    self.input(end, now, Input::Frame { lane, bytes });
                }
            }
            Step::Execute(end) => {
                let [initiator, acceptor] = replicas;
                let replica: &mut dyn Replica = if end == End::Initiator { initiator } else { acceptor };
                let side = self.side_mut(end);
                if let Some((id, call)) = side.calls.pop_front() {
                    side.answers.push_back((id, call.execute(replica, &side.peer, now)));
                }
            }
            Step::Answer(end) => {
                if let Some((id, result)) = self.side_mut(end).answers.pop_front() {
                    self.input(end, now, Input::CallDone { id, result });
                }
            }
            Step::Hangup(end) => {
                self.side_mut(end).hung_up = true;
                self.input(end, now, Input::PeerClosed);
            }
        }
    }

    /// Hands a session something that did not come from the other: a forged frame, a tick.
    pub fn input(&mut self, end: End, now: Timestamp, input: Input) {
        self.side_mut(end).session.handle(now, input);
        while let Some(output) = self.side_mut(end).session.poll_output() {
            let side = self.side_mut(end);
            match output {
                Output::Call { id, call } => side.calls.push_back((id, call)),
                Output::Event(event) => side.events.push(event),
                Output::Deadline(at) => side.deadline = Some(at),
                Output::Close { reason } => side.closed = Some(reason),
                Output::Send { lane, bytes } => {
                    side.sent.push((lane, bytes.clone()));
                    let length = bytes.len();
                    let late = self.shuffled && matches!(Frame::decode(lane, &bytes), Ok(Frame::Data(_)));
                    let other = self.side_mut(end.other());
                    if late {
                        other.late.push(bytes);
                    } else {
                        other.arriving[index(lane)].push_back(bytes);
                    }
                    self.side_mut(end).session.handle(now, Input::Written { lane, bytes: length });
                }
            }
        }
    }

    /// Both ends lose the connection at once; nothing under way arrives.
    pub fn cut(&mut self, now: Timestamp) {
        for end in End::BOTH {
            self.side_mut(end).arriving.iter_mut().for_each(VecDeque::clear);
            self.side_mut(end).late.clear();
            self.input(end, now, Input::PeerClosed);
            let side = self.side_mut(end);
            side.calls.clear();
            side.answers.clear();
        }
    }

    /// True when both sessions are over.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.sides.iter().all(|side| side.closed.is_some())
    }

    /// Runs until both sessions are over or nothing can happen. The bound is on the number of
    /// steps, against a session that would never end.
    ///
    /// # Errors
    /// When the sessions wait for each other, or go on for too long.
    pub fn finish(
        mut self,
        initiator: &mut MemoryReplica,
        acceptor: &mut MemoryReplica,
        now: Timestamp,
    ) -> Result<Report, String> {
        for _ in 0..1_000_000 {
            let Some(step) = self.steps().first().copied() else { break };
            self.take(step, [initiator, acceptor], now);
        }
        if !self.is_over() {
            return Err(format!("the sessions wait for each other: {self:?}"));
        }
        Ok(self.report())
    }

    /// What both ends say; meant for after the end.
    #[must_use]
    pub fn report(self) -> Report {
        let [initiator, acceptor] = self.sides;
        Report {
            initiator: initiator.session.summary().clone(),
            acceptor: acceptor.session.summary().clone(),
            reason: initiator.closed.unwrap_or(CloseReason::Cut),
            events: initiator.events,
        }
    }

    /// Frames this end has sent so far.
    #[must_use]
    pub fn sent(&self, end: End) -> &[(Lane, Vec<u8>)] {
        &self.side(end).sent
    }

    /// Why the session of this end ended.
    #[must_use]
    pub fn closed(&self, end: End) -> Option<&CloseReason> {
        self.side(end).closed.as_ref()
    }

    /// Whether this end would read the next frame of a lane.
    #[must_use]
    pub fn is_ready(&self, end: End, lane: Lane) -> bool {
        self.side(end).session.ready(lane)
    }

    /// When the session of this end wants to be woken.
    #[must_use]
    pub fn deadline(&self, end: End) -> Option<Timestamp> {
        self.side(end).deadline
    }

    fn side(&self, end: End) -> &Side {
        match end {
            End::Initiator => &self.sides[0],
            End::Acceptor => &self.sides[1],
        }
    }

    fn side_mut(&mut self, end: End) -> &mut Side {
        match end {
            End::Initiator => &mut self.sides[0],
            End::Acceptor => &mut self.sides[1],
        }
    }
}

impl Side {
    fn nothing_arrives(&self) -> bool {
        self.late.is_empty() && self.arriving.iter().all(VecDeque::is_empty)
    }

    fn new(session: Session, peer: PublicKey) -> Self {
        Self {
            session,
            peer,
            arriving: [VecDeque::new(), VecDeque::new()],
            late: Vec::new(),
            calls: VecDeque::new(),
            answers: VecDeque::new(),
            events: Vec::new(),
            sent: Vec::new(),
            deadline: None,
            closed: None,
            hung_up: false,
        }
    }
}

fn index(lane: Lane) -> usize {
    match lane {
        Lane::Records => 0,
        Lane::Files => 1,
    }
}

/// One undisturbed session between a device and a server.
///
/// # Errors
/// When the sessions wait for each other.
pub fn sync(
    device: &mut MemoryReplica,
    server: &mut MemoryReplica,
    options: Options,
    now: Timestamp,
) -> Result<Report, String> {
    let exporter = *blake3::hash(&now.millis().to_be_bytes()).as_bytes();
    Connection::open(device, server, exporter, options, now).finish(device, server, now)
}
