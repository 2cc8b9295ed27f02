//! Files that are written while they are sent: whatever the size of the ledger, a few parts of it
//! stand in memory. How many are written at the same time is limited for pages and interfaces
//! together, and a reader who does not read loses its place.

use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use outlet_core::export::{self, Style};
use outlet_core::ledger::LedgerRow;
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, mpsc};

use crate::engine::Engine;
use crate::error::CommandError;

/// Parts that wait for a slow reader; then the writer waits.
const WAITING: usize = 4;

/// How long the writer waits for a reader. Meanwhile it holds its place, and a snapshot of the database.
const STALL: Duration = if cfg!(test) { Duration::from_millis(50) } else { Duration::from_secs(60) };

/// Seconds after which to ask again when all places are taken.
pub(crate) const RETRY_SECONDS: u32 = 60;

/// Bytes kept before they are sent on.
const PIPE: usize = 64 << 10;

/// A place among the downloads; nothing when all are taken.
pub(crate) fn place(engine: &Engine) -> Option<OwnedSemaphorePermit> {
    Arc::clone(&engine.downloads).try_acquire_owned().ok()
}

/// The body of an answer that `write` writes on a thread that may wait. The length is unknown to the
/// reader: when writing fails the connection is cut, which tells that the file is not whole.
pub(crate) fn body(
    place: OwnedSemaphorePermit,
    write: impl FnOnce(&Sink) -> Result<(), CommandError> + Send + 'static,
) -> Body {
    let (sender, receiver) = mpsc::channel(WAITING);
    tokio::task::spawn_blocking(move || {
        let sink = Sink { sender };
        if let Err(error) = write(&sink) {
            tracing::error!(error = error.message, "a file for download is not whole");
            sink.put(Err(std::io::Error::other("the server cannot go on with this file")));
        }
        drop(place);
    });
    let next = async |mut receiver: mpsc::Receiver<_>| receiver.recv().await.map(|part| (part, receiver));
    Body::from_stream(futures_util::stream::unfold(receiver, next))
}

/// Where the parts go.
pub(crate) struct Sink {
    sender: mpsc::Sender<Result<Bytes, std::io::Error>>,
}

impl Sink {
    fn put(&self, part: Result<Bytes, std::io::Error>) -> bool {
        Handle::current().block_on(self.sender.send_timeout(part, STALL)).is_ok()
    }

    /// False when nobody reads any more.
    pub(crate) fn send(&self, bytes: Vec<u8>) -> bool {
        self.put(Ok(Bytes::from(bytes)))
    }

    /// Whether nobody reads any more.
    pub(crate) fn is_closed(&self) -> bool {
        self.sender.is_closed()
    }

    /// For what writes bytes of any size; flush it at the end.
    pub(crate) fn pipe(&self) -> Pipe<'_> {
        Pipe { sink: self, buffer: Vec::with_capacity(PIPE) }
    }
}

/// See [`Sink::pipe`].
pub(crate) struct Pipe<'a> {
    sink: &'a Sink,
    buffer: Vec<u8>,
}

impl Write for Pipe<'_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.buffer.extend_from_slice(bytes);
        if self.buffer.len() >= PIPE {
            self.flush()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        if self.buffer.is_empty() || self.sink.send(std::mem::take(&mut self.buffer)) {
            return Ok(());
        }
        Err(std::io::Error::new(std::io::ErrorKind::BrokenPipe, "nobody reads the file any more"))
    }
}

/// Takes rows part by part; false when it needs no more.
pub(crate) type Take<'t> = dyn FnMut(&[LedgerRow]) -> Result<bool, CommandError> + 't;

/// The ledger as CSV. `rows` hands its rows to what it is given.
pub(crate) fn csv(
    sink: &Sink,
    style: Style<'_>,
    rows: impl FnOnce(&mut Take<'_>) -> Result<(), CommandError>,
) -> Result<(), CommandError> {
    if !sink.send(export::ledger_csv(&[], style)?) {
        return Ok(());
    }
    rows(&mut |part| Ok(sink.send(export::ledger_csv_lines(part, style)?)))
}

/// The ledger as GeoJSON, likewise.
pub(crate) fn geojson(
    sink: &Sink,
    style: Style<'_>,
    rows: impl FnOnce(&mut Take<'_>) -> Result<(), CommandError>,
) -> Result<(), CommandError> {
    if !sink.send(br#"{"type":"FeatureCollection","features":["#.to_vec()) {
        return Ok(());
    }
    let mut first = true;
    rows(&mut |part| {
        let mut text = String::new();
        for row in part {
            text.push_str(if first { "\n" } else { ",\n" });
            first = false;
            text.push_str(&export::ledger_feature(row, style).to_string());
        }
        Ok(sink.send(text.into_bytes()))
    })?;
    sink.send(b"\n]}\n".to_vec());
    Ok(())
}

#[cfg(test)]
mod tests {
    use axum::body::to_bytes;

    use super::*;
    use crate::testing::Kit;

    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn places_are_few_and_a_reader_who_does_not_read_loses_its_own() {
        let kit = Kit::new();
        let mut idle: Vec<Body> = Vec::new();
        while let Some(place) = place(&kit.engine) {
            idle.push(body(place, |sink| {
                while sink.send(vec![b'x'; 1000]) {}
                Ok(())
            }));
        }
        assert!(!idle.is_empty(), "there were places");
        // All of them come back although the bodies are still held.
        let all = u32::try_from(idle.len()).unwrap();
        let back = kit.engine.downloads.acquire_many(all);
        drop(tokio::time::timeout(Duration::from_secs(20), back).await.unwrap().unwrap());
        for body in idle {
            assert_eq!(to_bytes(body, 1 << 20).await.unwrap().len(), WAITING * 1000);
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn a_file_that_cannot_be_finished_is_cut_and_says_nothing_of_the_inside() {
        let kit = Kit::new();
        let failing = body(place(&kit.engine).unwrap(), |sink| {
            sink.send(b"half".to_vec());
            Err(CommandError::internal("SQLite: disk I/O error".to_owned()))
        });
        let error = to_bytes(failing, 1 << 20).await.unwrap_err();
        assert!(!format!("{error:?}").contains("SQLite"), "{error:?}");
    }
}
