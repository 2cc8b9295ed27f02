//! A link: two lanes of frames to a peer whose key is known, whatever carries them.
//!
//! Each lane is a pair of short bounded queues; small tasks move frames between them and the
//! streams. A full queue towards the peer is the back-pressure that the session's shell waits for;
//! a full queue from the peer stops the reading, and with it the peer.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use outlet_core::identity::ServerCert;
use outlet_core::ids::PublicKey;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::connection::{LaneStreams, Lanes};
use crate::frame::{FRAME_HEADER, read_frame, write_frame};
use crate::pieces::{read_files, write_files};
use crate::{Connection, FrameError, TransportError};

/// Frames waiting per lane and direction. With frames of 1 MiB this bounds what a link holds.
const QUEUE: usize = 1;

/// How long a closing side waits for the peer to have received the last frames.
const LINGER: Duration = Duration::from_secs(5);

/// This side's ends of a lane.
#[derive(Debug)]
pub struct LaneEnds {
    /// Frames for the peer. Waiting for room here is the back-pressure.
    pub out: mpsc::Sender<Vec<u8>>,
    /// Frames from the peer; an error or the end of the queue is final.
    pub incoming: mpsc::Receiver<Result<Vec<u8>, FrameError>>,
}

/// Bytes of frames, lengths included, in both directions.
#[derive(Debug, Default)]
pub struct Meter {
    sent: AtomicU64,
    received: AtomicU64,
}

impl Meter {
    /// Bytes of frames that the streams have accepted.
    #[must_use]
    pub fn sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }

    /// Bytes of frames that have arrived.
    #[must_use]
    pub fn received(&self) -> u64 {
        self.received.load(Ordering::Relaxed)
    }
}

/// Two lanes of frames to a peer whose key TLS has verified.
#[derive(Debug)]
pub struct Link {
    /// The peer's key. Whose it is, and what it may do, is the session's question.
    pub peer: PublicKey,
    /// The same on both sides of this connection and of no other.
    pub binding: [u8; 32],
    /// Where the peer is.
    pub remote: SocketAddr,
    /// Whether this side called.
    pub initiator: bool,
    /// The server's certificate, where its key was not known before: to be kept.
    pub introduced: Option<ServerCert>,
    /// Hello, records, receipts, proof.
    pub records: LaneEnds,
    /// Photos and attachments.
    pub files: LaneEnds,
    meter: Arc<Meter>,
    readers: JoinSet<()>,
    writers: JoinSet<bool>,
    quic: Option<Connection>,
}

/// Who is at the other end, and which end this is.
pub(crate) struct Facts {
    pub(crate) peer: PublicKey,
    pub(crate) binding: [u8; 32],
    pub(crate) remote: SocketAddr,
    pub(crate) initiator: bool,
}

/// Where frames of a lane go when they have arrived.
pub(crate) type Arrived = mpsc::Sender<Result<Vec<u8>, FrameError>>;

/// What a lane's tasks need.
pub(crate) struct LaneTasks {
    pub(crate) ends: LaneEnds,
    /// From this side.
    pub(crate) outgoing: mpsc::Receiver<Vec<u8>>,
    /// To this side.
    pub(crate) arrived: Arrived,
}

pub(crate) fn lane() -> LaneTasks {
    let (out, outgoing) = mpsc::channel(QUEUE);
    let (arrived, incoming) = mpsc::channel(QUEUE);
    LaneTasks { ends: LaneEnds { out, incoming }, outgoing, arrived }
}

/// The tasks of a link and what they count.
#[derive(Default)]
pub(crate) struct Pumps {
    pub(crate) meter: Arc<Meter>,
    pub(crate) readers: JoinSet<()>,
    /// Each ends with whether the peer has all of it, as far as can be known.
    pub(crate) writers: JoinSet<bool>,
}

impl Link {
    /// The calling side of a QUIC connection.
    ///
    /// # Errors
    /// When the connection is lost.
    pub async fn open(connection: Connection) -> Result<Self, TransportError> {
        let lanes = connection.open_lanes().await?;
        Ok(Self::quic(connection, true, lanes))
    }

    /// The accepting side of a QUIC connection.
    ///
    /// # Errors
    /// When the connection is lost, the peer opens no lanes in time, or wrong ones.
    pub async fn accept(connection: Connection) -> Result<Self, TransportError> {
        let after = crate::quic::HANDSHAKE_TIMEOUT;
        let late = TransportError::Timeout { address: connection.remote().to_string(), after };
        let lanes = tokio::time::timeout(after, connection.accept_lanes()).await.map_err(|_| late)??;
        Ok(Self::quic(connection, false, lanes))
    }

    fn quic(connection: Connection, initiator: bool, lanes: Lanes) -> Self {
        let mut pumps = Pumps::default();
        let records = pumps.start(lanes.records);
        let files = pumps.start_files(lanes.files, &connection);
        let (peer, binding, remote) = (connection.peer(), connection.binding(), connection.remote());
        let facts = Facts { peer, binding, remote, initiator };
        Self { quic: Some(connection), ..Self::new(facts, records, files, pumps) }
    }

    pub(crate) fn new(facts: Facts, records: LaneEnds, files: LaneEnds, pumps: Pumps) -> Self {
        let Facts { peer, binding, remote, initiator } = facts;
        let Pumps { meter, readers, writers } = pumps;
        Self { peer, binding, remote, initiator, introduced: None, records, files, meter, readers, writers, quic: None }
    }

    /// Counts the bytes of frames.
    #[must_use]
    pub fn meter(&self) -> Arc<Meter> {
        Arc::clone(&self.meter)
    }

    /// The QUIC connection below, if it is one: statistics, and the bytes on the wire.
    #[must_use]
    pub fn connection(&self) -> Option<&Connection> {
        self.quic.as_ref()
    }

    /// Lets the frames that were accepted reach the peer, then closes with a reason it can read.
    /// The calling side leaves the closing to the other, which has the last word; both are given
    /// up after a while. True when the peer is known to have received all of them.
    pub async fn close(self, code: u32, reason: &str) -> bool {
        let Self { records, files, mut readers, mut writers, quic, initiator, .. } = self;
        let (LaneEnds { incoming: mut records, .. }, LaneEnds { incoming: mut files, .. }) = (records, files);
        let sent = async {
            let mut all = true;
            while let Some(arrived) = writers.join_next().await {
                all &= arrived.unwrap_or(false);
            }
            all
        };
        // Late or not: what follows is the same.
        let mut heard = tokio::time::timeout(LINGER, sent).await.unwrap_or(false);
        if initiator || quic.is_none() {
            // A TCP socket closed with bytes unread would reset, and take our last words with it.
            let ended = async {
                let mut orderly = true;
                loop {
                    let last = tokio::join!(records.recv(), files.recv());
                    orderly &= !matches!(last, (Some(Err(_)), _) | (_, Some(Err(_))));
                    if matches!(last, (None, None)) {
                        return orderly;
                    }
                }
            };
            let ended = tokio::time::timeout(LINGER, ended).await.unwrap_or(false);
            // TCP tells nobody what has arrived; a peer that closes in order was there to do it.
            heard = if quic.is_none() { heard && ended } else { heard };
        }
        if let Some(connection) = quic {
            let told = connection.close(code, reason);
            let _in_time = tokio::time::timeout(LINGER, told).await.is_ok();
        }
        writers.shutdown().await;
        readers.shutdown().await;
        heard
    }

    /// Drops everything at once, with a reason where the peer can still read it.
    pub fn abort(self, code: u32, reason: &str) {
        if let Some(connection) = &self.quic {
            connection.close_now(code, reason);
        }
        // Dropping the task sets aborts the tasks.
    }
}

impl Pumps {
    fn start(&mut self, streams: LaneStreams) -> LaneEnds {
        let LaneTasks { ends, outgoing, arrived } = lane();
        self.readers.spawn(read_lane(streams.receive, arrived, Arc::clone(&self.meter)));
        let meter = Arc::clone(&self.meter);
        let mut send = streams.send;
        self.writers.spawn(async move {
            let written = write_lane(&mut send, outgoing, &meter).await.is_ok() && send.finish().is_ok();
            // Resolves when the peer has all of it: only then may the connection be closed.
            written && matches!(send.stopped().await, Ok(None))
        });
        ends
    }
}

impl Pumps {
    /// As [`Pumps::start`]; the bytes of files have streams of their own.
    fn start_files(&mut self, streams: LaneStreams, connection: &Connection) -> LaneEnds {
        let LaneTasks { ends, outgoing, arrived } = lane();
        self.readers.spawn(read_files(connection.clone(), arrived.clone(), Arc::clone(&self.meter)));
        self.readers.spawn(read_lane(streams.receive, arrived, Arc::clone(&self.meter)));
        self.writers.spawn(write_files(connection.clone(), streams.send, outgoing, Arc::clone(&self.meter)));
        ends
    }
}

impl Meter {
    pub(crate) fn add_sent(&self, frame: &[u8], header: usize) {
        self.sent.fetch_add((frame.len() + header) as u64, Ordering::Relaxed);
    }

    pub(crate) fn add_received(&self, frame: &[u8], header: usize) {
        self.received.fetch_add((frame.len() + header) as u64, Ordering::Relaxed);
    }
}

async fn read_lane(mut stream: impl AsyncRead + Unpin, arrived: Arrived, meter: Arc<Meter>) {
    loop {
        let frame = match read_frame(&mut stream).await {
            Ok(Some(frame)) => Ok(frame),
            Ok(None) => return,
            Err(error) => Err(error),
        };
        if let Ok(frame) = &frame {
            meter.add_received(frame, FRAME_HEADER);
        }
        let last = frame.is_err();
        if arrived.send(frame).await.is_err() || last {
            return;
        }
    }
}

async fn write_lane(
    stream: &mut (impl AsyncWrite + Unpin),
    mut outgoing: mpsc::Receiver<Vec<u8>>,
    meter: &Meter,
) -> Result<(), FrameError> {
    while let Some(frame) = outgoing.recv().await {
        write_frame(stream, &frame).await?;
        meter.add_sent(&frame, FRAME_HEADER);
    }
    stream.flush().await.map_err(FrameError::Io)
}
