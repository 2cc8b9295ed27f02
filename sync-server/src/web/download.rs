//! Files that are written while they are sent: whatever the size of the ledger, a few parts of it
//! stand in memory. How many are written at the same time is limited for pages and interfaces
//! together; a reader who does not read, or takes an age, loses its place.

use std::io::Write;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use axum::body::Body;
use bytes::Bytes;
use outlet_core::export::{self, Style};
use outlet_core::ledger::LedgerRow;
use tokio::runtime::Handle;
use tokio::sync::mpsc::error::SendTimeoutError;
use tokio::sync::{OwnedSemaphorePermit, mpsc};

use crate::engine::Engine;
use crate::error::CommandError;

/// Parts that wait for a slow reader; then the writer waits.
const WAITING: usize = 4;

/// How long a file may take. Meanwhile its writer holds a place, and a snapshot of the database: the log of
/// SQLite grows until the last one is let go.
#[derive(Debug, Clone, Copy)]
struct Patience {
    /// For one part.
    stall: Duration,
    /// For the whole file: at a million rows (about 700 MB) a link of 3 Mbit/s is quick enough.
    whole: Duration,
}

const PATIENCE: Patience = Patience {
    stall: if cfg!(test) { Duration::from_millis(50) } else { Duration::from_secs(60) },
    whole: Duration::from_secs(30 * 60),
};

impl Patience {
    /// How long to wait for the next part, that much after the beginning; nothing when time is up.
    fn left(self, passed: Duration) -> Option<Duration> {
        let left = self.whole.checked_sub(passed).filter(|left| !left.is_zero())?;
        Some(left.min(self.stall))
    }
}

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
    body_within(PATIENCE, place, write)
}

fn body_within(
    patience: Patience,
    place: OwnedSemaphorePermit,
    write: impl FnOnce(&Sink) -> Result<(), CommandError> + Send + 'static,
) -> Body {
    let (sender, receiver) = mpsc::channel(WAITING);
    let ending = Arc::new(OnceLock::new());
    let told = Arc::clone(&ending);
    tokio::task::spawn_blocking(move || {
        let sink = Sink { sender, began: Instant::now(), patience, given_up: OnceLock::new() };
        let written = write(&sink);
        let end = match (sink.given_up.get(), written) {
            (Some(why), _) => {
                tracing::warn!(why, "a download was ended");
                Ending::Cut("the file took too long")
            }
            (None, Err(error)) => {
                tracing::error!(error = error.message, "a file for download is not whole");
                Ending::Cut("the server cannot go on with this file")
            }
            (None, Ok(())) => Ending::Whole,
        };
        // Before the sender goes, which is how the reader learns that there is an end.
        let _ = told.set(end);
        drop(place);
    });
    Body::from_stream(futures_util::stream::unfold(Some(receiver), move |receiver| next(receiver, Arc::clone(&ending))))
}

/// How a file ended. A writer that panicked says nothing.
#[derive(Debug, Clone, Copy)]
enum Ending {
    Whole,
    Cut(&'static str),
}

type Part = Result<Bytes, std::io::Error>;

/// The next part; an error once, where the file ends in the middle.
async fn next(
    receiver: Option<mpsc::Receiver<Bytes>>,
    ending: Arc<OnceLock<Ending>>,
) -> Option<(Part, Option<mpsc::Receiver<Bytes>>)> {
    let mut receiver = receiver?;
    match receiver.recv().await {
        Some(part) => Some((Ok(part), Some(receiver))),
        None => match ending.get().copied().unwrap_or(Ending::Cut("the server cannot go on with this file")) {
            Ending::Whole => None,
            Ending::Cut(why) => Some((Err(std::io::Error::other(why)), None)),
        },
    }
}

/// Where the parts go.
pub(crate) struct Sink {
    sender: mpsc::Sender<Bytes>,
    began: Instant,
    patience: Patience,
    /// Why the reader is not waited for any more.
    given_up: OnceLock<&'static str>,
}

impl Sink {
    /// False when nobody reads any more, or not quickly enough.
    pub(crate) fn send(&self, bytes: Vec<u8>) -> bool {
        if self.given_up.get().is_some() {
            return false;
        }
        let Some(left) = self.patience.left(self.began.elapsed()) else {
            let _ = self.given_up.set("its reader took longer than a whole file may");
            return false;
        };
        match Handle::current().block_on(self.sender.send_timeout(Bytes::from(bytes), left)) {
            Ok(()) => true,
            Err(SendTimeoutError::Closed(_)) => false,
            Err(SendTimeoutError::Timeout(_)) => {
                let _ = self.given_up.set("its reader did not take the next part");
                false
            }
        }
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
            assert!(to_bytes(body, 1 << 20).await.is_err(), "what was not read in time is no whole file");
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn a_reader_who_takes_an_age_is_ended_in_the_middle_and_its_place_is_free() {
        let kit = Kit::new();
        let spent = Patience { stall: Duration::from_secs(3600), whole: Duration::ZERO };
        let slow = body_within(spent, place(&kit.engine).unwrap(), |sink| {
            assert!(!sink.send(b"a part".to_vec()), "the time of the whole file is up");
            assert!(!sink.send(b"another".to_vec()), "and stays so");
            Ok(())
        });
        let error = to_bytes(slow, 1 << 20).await.unwrap_err();
        assert!(format!("{error:?}").contains("took too long"), "{error:?}");
        let all = u32::try_from(crate::engine::DOWNLOADS).unwrap();
        assert!(kit.engine.downloads.try_acquire_many(all).is_ok(), "all places are there again");
    }

    #[test]
    fn a_part_may_take_a_minute_and_a_file_half_an_hour() {
        let patience = Patience { stall: Duration::from_secs(60), ..PATIENCE };
        let minutes = |count: u64| Duration::from_secs(60 * count);
        assert_eq!(patience.left(Duration::ZERO), Some(minutes(1)));
        assert_eq!(patience.left(minutes(29) + Duration::from_secs(50)), Some(Duration::from_secs(10)));
        assert_eq!(patience.left(minutes(30)), None);
        assert_eq!(patience.left(minutes(300)), None);
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
