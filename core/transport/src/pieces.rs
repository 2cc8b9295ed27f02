//! Bytes of files on QUIC streams of their own, read in whatever order they arrive.
//!
//! On one ordered stream everything behind a lost datagram waits for it, and is lost with it when the link
//! breaks. Here each file under way has a unidirectional stream from its sender (one more for each gap that
//! is filled): hash (32 bytes), place in the file (u64, big endian), then bytes from there on. What arrives
//! is handed on with its place, as the same [`Frame::Data`] that travels on the lane where there is but one
//! stream (TLS over TCP).

use std::sync::Arc;
use std::time::Duration;

use outlet_core::ids::BlobHash;
use outlet_core::sync::wire::{Data, Frame, Lane, MAX_CHUNK_BYTES};
use quinn::{RecvStream, SendStream};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};

use crate::frame::{FRAME_HEADER, write_frame};
use crate::link::{Arrived, Meter};
use crate::{Connection, FrameError};

/// Hash and place.
const HEADER: usize = 40;
/// Streams kept open: a session has four files under way.
const OPEN: usize = 4;
/// Streams a peer may have here at once: those, and as many gaps.
pub(crate) const MAX_STREAMS: u32 = 16;
/// Arrived bytes wait so long for those behind them, so that a slow link does not make a write of each
/// datagram. What waits is lost when this process is killed: 20 ms of the link.
const HOLD: Duration = Duration::from_millis(20);

/// A file being sent.
struct Open {
    hash: BlobHash,
    /// Where the stream stands in the file.
    next: u64,
    stream: SendStream,
}

/// Sends frames of the files lane: bytes of files on their streams, everything else on the lane. True
/// when the peer has all of it.
pub(crate) async fn write_files(
    connection: Connection,
    mut lane: SendStream,
    mut outgoing: mpsc::Receiver<Vec<u8>>,
    meter: Arc<Meter>,
) -> bool {
    let mut files = Files { connection, open: Vec::new(), ended: JoinSet::new(), opened: 0 };
    while let Some(frame) = outgoing.recv().await {
        let written = match Frame::decode(Lane::Files, &frame) {
            Ok(Frame::Data(data)) => files.write(&data).await,
            _ => write_frame(&mut lane, &frame).await,
        };
        if written.is_err() {
            return false;
        }
        meter.add_sent(&frame, FRAME_HEADER);
    }
    let finished = lane.finish().is_ok() && files.finish_all();
    // Resolves when the peer has all of it: only then may the connection be closed.
    let mut arrived = finished && matches!(lane.stopped().await, Ok(None));
    while let Some(stream) = files.ended.join_next().await {
        arrived &= stream.unwrap_or(false);
    }
    arrived
}

struct Files {
    connection: Connection,
    /// The last one was written to last.
    open: Vec<Open>,
    /// Finished; each resolves when the peer has all of it.
    ended: JoinSet<bool>,
    opened: i32,
}

impl Files {
    async fn write(&mut self, data: &Data) -> Result<(), FrameError> {
        let at = self.open.iter().position(|open| open.hash == data.hash && open.next == data.offset);
        let mut open = match at {
            Some(at) => self.open.remove(at),
            None => self.begin(data).await?,
        };
        open.stream.write_all(&data.bytes).await.map_err(|error| FrameError::Io(error.into()))?;
        open.next = data.offset.saturating_add(data.bytes.len() as u64);
        self.open.push(open);
        Ok(())
    }

    async fn begin(&mut self, data: &Data) -> Result<Open, FrameError> {
        // The same file goes on elsewhere, or the one that rested longest is through.
        let same = self.open.iter().position(|open| open.hash == data.hash);
        if let Some(at) = same.or((self.open.len() >= OPEN).then_some(0)) {
            let open = self.open.remove(at);
            self.finish(open);
        }
        let mut stream = self.connection.open_data().await?;
        self.opened = self.opened.wrapping_add(1);
        // What was begun first goes first, and all of it after the frames of the lane.
        let _closed = stream.set_priority(self.opened.wrapping_neg().min(-1));
        let header = [&data.hash.0[..], &data.offset.to_be_bytes()].concat();
        stream.write_all(&header).await.map_err(|error| FrameError::Io(error.into()))?;
        Ok(Open { hash: data.hash, next: data.offset, stream })
    }

    fn finish(&mut self, mut open: Open) -> bool {
        // What has ended is forgotten: a long session sends many files.
        while self.ended.try_join_next().is_some() {}
        let finished = open.stream.finish().is_ok();
        self.ended.spawn(async move { matches!(open.stream.stopped().await, Ok(None)) });
        finished
    }

    fn finish_all(&mut self) -> bool {
        let open = std::mem::take(&mut self.open);
        let mut all = true;
        for open in open {
            all &= self.finish(open);
        }
        all
    }
}

/// Hands on the bytes of files that the peer sends, until the connection ends.
pub(crate) async fn read_files(connection: Connection, arrived: Arrived, meter: Arc<Meter>) {
    let mut readers = JoinSet::new();
    loop {
        tokio::select! {
            stream = connection.accept_data() => match stream {
                Ok(stream) => drop(readers.spawn(read_file(stream, arrived.clone(), Arc::clone(&meter)))),
                Err(_) => break,
            },
            Some(_) = readers.join_next(), if !readers.is_empty() => {}
        }
    }
    // What has arrived is good, whatever became of the connection.
    while readers.join_next().await.is_some() {}
}

/// Neighbouring bytes that have arrived and are not handed on yet.
struct Held {
    offset: u64,
    bytes: Vec<u8>,
    until: Instant,
}

async fn read_file(mut stream: RecvStream, arrived: Arrived, meter: Arc<Meter>) {
    let mut header = [0; HEADER];
    if stream.read_exact(&mut header).await.is_err() {
        return;
    }
    let (mut hash, mut place) = ([0; 32], [0; 8]);
    hash.copy_from_slice(&header[..32]);
    place.copy_from_slice(&header[32..]);
    let hand_on = Handing { hash: BlobHash(hash), arrived, meter };
    let base = u64::from_be_bytes(place);
    let mut held: Option<Held> = None;
    loop {
        let room = held.as_ref().map_or(MAX_CHUNK_BYTES, |held| MAX_CHUNK_BYTES - held.bytes.len());
        let read = stream.read_chunk(room, false);
        let chunk = match &held {
            Some(held) => timeout_at(held.until, read).await,
            None => Ok(read.await),
        };
        let (waited, chunk) = (chunk.is_err(), chunk.ok().and_then(Result::ok).flatten());
        let end = chunk.is_none() && !waited;
        let chunk = chunk.map(|chunk| {
            let inside = chunk.offset.saturating_sub(HEADER as u64);
            (base.saturating_add(inside), chunk.bytes)
        });
        let joins = |held: &Held| {
            chunk.as_ref().is_some_and(|(offset, _)| held.offset.saturating_add(held.bytes.len() as u64) == *offset)
        };
        if let Some(before) = held.take_if(|held| !joins(held))
            && !hand_on.send(before).await
        {
            return;
        }
        if end {
            return;
        }
        if let Some((offset, bytes)) = chunk {
            let until = Instant::now() + HOLD;
            held.get_or_insert_with(|| Held { offset, bytes: Vec::new(), until }).bytes.extend_from_slice(&bytes);
        }
        if let Some(full) = held.take_if(|held| held.bytes.len() >= MAX_CHUNK_BYTES)
            && !hand_on.send(full).await
        {
            return;
        }
    }
}

struct Handing {
    hash: BlobHash,
    arrived: Arrived,
    meter: Arc<Meter>,
}

impl Handing {
    /// False when nobody takes it any more.
    async fn send(&self, Held { offset, bytes, .. }: Held) -> bool {
        let frame = Frame::Data(Data { hash: self.hash, offset, bytes }).encode();
        self.meter.add_received(&frame, FRAME_HEADER);
        self.arrived.send(Ok(frame)).await.is_ok()
    }
}
