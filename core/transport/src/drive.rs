//! The loop that carries out what a session decides: moves its frames, executes its calls on a
//! thread where blocking is allowed, and tells it when time has passed.
//!
//! It decides nothing itself. Order matters in three places: calls are executed one after another
//! in the order they were asked for; a frame counts as written when its lane has taken it, and
//! until then the session prepares only so much more; a lane is read only while the session is
//! ready for it. Reading, writing and calls never wait for each other.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use outlet_core::sync::calls::{Answer, Call};
use outlet_core::sync::replica::{Replica, ReplicaError, Verdict};
use outlet_core::sync::session::{CloseReason, Event, Input, Output, Session, Summary};
use outlet_core::sync::wire::Lane;
use outlet_core::time::Timestamp;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::{FrameError, Link, Turn, WireBytes};

/// How long the session's last frames may take to leave.
const LAST_FRAMES: Duration = Duration::from_secs(10);

/// What a session needs from the program around it.
pub struct Hooks<E> {
    started: Timestamp,
    on_event: E,
    foresee: Foresee,
    stop: Stop,
    turn: Option<Arc<Turn>>,
}

/// Told of a call when the session asks for it, before its turn.
type Foresee = Box<dyn FnMut(&Call) + Send>;
/// Resolves to what the session is told when it is to end early.
type Stop = Pin<Box<dyn Future<Output = Input> + Send>>;

impl<E: FnMut(Event)> Hooks<E> {
    /// `started` is the wall clock now; a monotonic clock moves it on. Events go to `on_event`,
    /// which must not block.
    pub fn new(started: Timestamp, on_event: E) -> Self {
        Self { started, on_event, foresee: Box::new(|_| ()), stop: Box::pin(std::future::pending()), turn: None }
    }

    /// `foresee` is told of each call when the session asks for it, while others may still be before
    /// it: what needs no order, as checking signatures, may begin elsewhere. It must not block.
    #[must_use]
    pub fn foresee(mut self, foresee: impl FnMut(&Call) + Send + 'static) -> Self {
        self.foresee = Box::new(foresee);
        self
    }

    /// Ends the session as incomplete when this resolves (Ctrl-C, shutdown). What was
    /// acknowledged stays so.
    #[must_use]
    pub fn stop_when(mut self, stop: impl Future<Output = ()> + Send + 'static) -> Self {
        self.stop = Box::pin(async move {
            stop.await;
            Input::Abort
        });
        self
    }

    /// Takes this turn when the peer is let in, after the session it had before, and ends the session
    /// when the turn is taken over. The turn is over when the replica is at rest.
    #[must_use]
    pub fn in_turn(mut self, turn: Turn) -> Self {
        self.turn = Some(Arc::new(turn));
        self
    }
}

/// How a session went.
#[derive(Debug)]
pub struct Driven {
    /// What was done.
    pub summary: Summary,
    /// Why it ended.
    pub reason: CloseReason,
    /// What the network said, where it ended the session.
    pub network: Option<FrameError>,
    /// Bytes in UDP payloads, handshake and repetitions included; none over TCP.
    pub wire: Option<WireBytes>,
    /// The peer was there to the end: it has acknowledged the last frames.
    pub heard: bool,
}

/// Runs a session to its end over a link, against a replica. The link is closed when this
/// returns, and the replica no longer used.
///
/// # Panics
/// Never: a panic of the replica ends this session as failed.
pub async fn drive<R, E>(link: Link, session: Session, replica: Arc<Mutex<R>>, hooks: Hooks<E>) -> Driven
where
    R: Replica + Send + ?Sized + 'static,
    E: FnMut(Event),
{
    let clock = Clock { started: hooks.started, at: Instant::now() };
    let peer = link.peer;
    let execute = move |call: Call, now: Timestamp| {
        let mut replica = replica.lock().map_err(|_| panicked())?;
        call.execute(&mut *replica, &peer, now)
    };
    let Hooks { on_event, foresee, stop, turn, .. } = hooks;
    let replaced = turn.as_ref().map(|turn| turn.replaced());
    let stop: Stop = Box::pin(async move {
        match replaced {
            None => stop.await,
            Some(replaced) => tokio::select! {
                stopped = stop => stopped,
                () = replaced => Input::Replaced,
            },
        }
    });
    let shell = Shell { session, clock, on_event, foresee, execute, work: Work { turn, ..Work::default() } };
    shell.run(link, stop).await
}

struct Clock {
    started: Timestamp,
    at: Instant,
}

impl Clock {
    fn now(&self) -> Timestamp {
        self.started.plus_millis(i64::try_from(self.at.elapsed().as_millis()).unwrap_or(i64::MAX))
    }

    fn instant(&self, time: Timestamp) -> Instant {
        let millis = time.millis().saturating_sub(self.started.millis());
        self.at + Duration::from_millis(u64::try_from(millis).unwrap_or(0))
    }
}

type CallResult = Result<Answer, ReplicaError>;

/// What the session asked for and is not done yet.
#[derive(Default)]
struct Work {
    calls: VecDeque<(u64, Call)>,
    running: Option<(u64, JoinHandle<CallResult>)>,
    records: VecDeque<Vec<u8>>,
    files: VecDeque<Vec<u8>>,
    deadline: Option<Instant>,
    closed: Option<CloseReason>,
    network: Option<FrameError>,
    turn: Option<Arc<Turn>>,
}

/// What woke the shell.
enum Woken {
    Stop(Input),
    Deadline,
    Call(CallResult),
    Written(Lane, usize),
    Frame(Lane, Vec<u8>),
    Ended(Lane, Option<FrameError>),
}

struct Shell<E, X> {
    session: Session,
    clock: Clock,
    on_event: E,
    foresee: Foresee,
    execute: X,
    work: Work,
}

impl<E, X> Shell<E, X>
where
    E: FnMut(Event),
    X: Fn(Call, Timestamp) -> CallResult + Clone + Send + 'static,
{
    async fn run(mut self, mut link: Link, mut stop: Stop) -> Driven {
        let mut stopped = false;
        let mut open = [true; 2];
        self.session.handle(self.clock.now(), Input::Start);
        let reason = loop {
            self.take_outputs();
            self.start_call();
            if let Some(reason) = self.work.closed.take() {
                break reason;
            }
            let ready = [open[0] && self.session.ready(Lane::Records), open[1] && self.session.ready(Lane::Files)];
            let woken = wait(&mut self.work, &mut link, ready, (&mut stop, !stopped)).await;
            stopped |= matches!(woken, Woken::Stop(_));
            if let Woken::Ended(lane, _) = &woken {
                open[usize::from(*lane == Lane::Files)] = false;
            }
            self.handle(woken);
        };
        self.finish(link, reason).await
    }

    fn take_outputs(&mut self) {
        while let Some(output) = self.session.poll_output() {
            match output {
                Output::Call { id, call } => {
                    (self.foresee)(&call);
                    self.work.calls.push_back((id, call));
                }
                Output::Send { lane: Lane::Records, bytes } => self.work.records.push_back(bytes),
                Output::Send { lane: Lane::Files, bytes } => self.work.files.push_back(bytes),
                Output::Event(event) => (self.on_event)(event),
                Output::Deadline(time) => self.work.deadline = Some(self.clock.instant(time)),
                Output::Close { reason } => self.work.closed = Some(reason),
                // A session newer than this shell: both are of one build.
                _ => tracing::error!("the session asks for something this shell does not know"),
            }
        }
    }

    fn start_call(&mut self) {
        if self.work.running.is_some() {
            return;
        }
        if let Some((id, call)) = self.work.calls.pop_front() {
            let (execute, now) = (self.execute.clone(), self.clock.now());
            let turn = self.work.turn.clone().filter(|_| matches!(call, Call::Begin(_)));
            let running = tokio::task::spawn_blocking(move || execute(call, now));
            let running = match turn {
                Some(turn) => tokio::spawn(let_in(running, turn)),
                None => running,
            };
            self.work.running = Some((id, running));
        }
    }

    fn handle(&mut self, woken: Woken) {
        let input = match woken {
            Woken::Stop(input) => input,
            Woken::Deadline => {
                self.work.deadline = None;
                Input::Tick
            }
            Woken::Call(result) => match self.work.running.take() {
                Some((id, _)) => Input::CallDone { id, result },
                None => return,
            },
            Woken::Written(lane, bytes) => Input::Written { lane, bytes },
            Woken::Frame(lane, bytes) => Input::Frame { lane, bytes },
            // The files lane may end before the records lane.
            Woken::Ended(Lane::Files, None) => Input::FilesEnded,
            Woken::Ended(lane, error) => {
                if lane == Lane::Files {
                    // What is left for it goes nowhere, and would be tried again and again.
                    self.work.files.clear();
                    self.session.handle(self.clock.now(), Input::FilesEnded);
                }
                self.work.network = error.or(self.work.network.take());
                Input::PeerClosed
            }
        };
        self.session.handle(self.clock.now(), input);
    }

    /// Sends what is left, then closes. A call that is being executed is waited for: the caller
    /// gets its replica back at rest, before the last frames are waited for.
    async fn finish(self, link: Link, reason: CloseReason) -> Driven {
        let Self { session, execute, work, .. } = self;
        let Work { running, records, files, network, turn, .. } = work;
        if let Some((_, handle)) = running {
            // The session is over: its answer changes nothing any more.
            let _answer = handle.await;
        }
        // The replica may wait for its store to put away what it holds; the turn is over after that.
        let at_rest = tokio::task::spawn_blocking(move || drop(execute));
        if at_rest.await.is_err() {
            tracing::error!("a replica panicked when it was put away");
        }
        drop(turn);
        let last = async {
            for (lane, frames) in [(&link.records, records), (&link.files, files)] {
                for frame in frames {
                    if lane.out.send(frame).await.is_err() {
                        break;
                    }
                }
            }
        };
        let _in_time = tokio::time::timeout(LAST_FRAMES, last).await.is_ok();
        let connection = link.connection().cloned();
        let (code, text) = close_code(&reason);
        let heard = link.close(code, text).await;
        let wire = connection.map(|connection| connection.wire_bytes());
        Driven { summary: session.summary().clone(), reason, network, wire, heard }
    }
}

/// Waits for the first of: a wish to stop, the deadline, a finished call, room for a frame, a
/// frame. Records come before files in both directions.
async fn wait(work: &mut Work, link: &mut Link, ready: [bool; 2], (stop, may_stop): (&mut Stop, bool)) -> Woken {
    let (records, files) = (&mut link.records, &mut link.files);
    let deadline = work.deadline;
    tokio::select! {
        biased;
        input = stop, if may_stop => Woken::Stop(input),
        () = until(deadline), if deadline.is_some() => Woken::Deadline,
        result = finished(&mut work.running), if work.running.is_some() => Woken::Call(result),
        sent = put(&records.out, &mut work.records), if !work.records.is_empty() => written(Lane::Records, sent),
        frame = records.incoming.recv(), if ready[0] => arrived(Lane::Records, frame),
        sent = put(&files.out, &mut work.files), if !work.files.is_empty() => written(Lane::Files, sent),
        frame = files.incoming.recv(), if ready[1] => arrived(Lane::Files, frame),
    }
}

/// Judged, and let in: what the peer's older session has is at rest before the answer is used.
async fn let_in(judged: JoinHandle<CallResult>, turn: Arc<Turn>) -> CallResult {
    let result = judged.await.unwrap_or_else(|_| Err(panicked()));
    if matches!(result, Ok(Answer::Verdict(Verdict::Welcome(_)))) {
        turn.take().await;
    }
    result
}

async fn until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}

/// Cancel-safe: the handle stays where it is until it has resolved.
async fn finished(running: &mut Option<(u64, JoinHandle<CallResult>)>) -> CallResult {
    match running {
        Some((_, handle)) => handle.await.unwrap_or_else(|_| Err(panicked())),
        None => std::future::pending().await,
    }
}

/// Cancel-safe: the frame leaves its queue only when there is room for it.
async fn put(out: &tokio::sync::mpsc::Sender<Vec<u8>>, queue: &mut VecDeque<Vec<u8>>) -> Option<usize> {
    let room = out.reserve().await.ok()?;
    let frame = queue.pop_front()?;
    let bytes = frame.len();
    room.send(frame);
    Some(bytes)
}

fn written(lane: Lane, sent: Option<usize>) -> Woken {
    sent.map_or(Woken::Ended(lane, Some(FrameError::Cut)), |bytes| Woken::Written(lane, bytes))
}

fn arrived(lane: Lane, frame: Option<Result<Vec<u8>, FrameError>>) -> Woken {
    match frame {
        Some(Ok(frame)) => Woken::Frame(lane, frame),
        Some(Err(error)) => Woken::Ended(lane, Some(error)),
        None => Woken::Ended(lane, None),
    }
}

fn panicked() -> ReplicaError {
    let source = "it panicked; this is a bug: the log has the place".into();
    ReplicaError::Storage { operation: "executing a call of the session", permanent: true, source }
}

/// Code and text of the connection's close: for the other side's log. What the session has to say
/// it says in frames.
fn close_code(reason: &CloseReason) -> (u32, &'static str) {
    match reason {
        CloseReason::Done => (0, "done"),
        CloseReason::Refused(_) => (1, "refused"),
        CloseReason::RefusedByPeer(_) => (2, "refused by you"),
        CloseReason::Cut => (3, "cut"),
        _ => (4, "failed"),
    }
}
