//! Moves the write-ahead log into the database file beside the writer, on a thread and a connection
//! of its own: the writer would wait for the disk every few batches of an upload.
//!
//! A log that grows faster than that is moved by the writer itself, so that it stays bounded.

use std::ffi::c_int;
use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

use rusqlite::hooks::Wal;
use rusqlite::{Connection, OpenFlags};

use super::DbError;

/// Pages of 4 KiB in the log from which on it is moved beside the writer.
const SOON: c_int = 4_000;
/// Pages in the log from which on the writer moves it before it goes on.
const AT_LAST: c_int = 16_000;

/// The thread; it ends with this.
pub(super) struct Checkpointer {
    wake: Option<SyncSender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Checkpointer {
    /// Takes over the moving of the log that `writer` fills.
    pub(super) fn start(writer: &mut Connection, path: &Path) -> Result<Self, DbError> {
        let (wake, woken) = sync_channel(1);
        let own =
            Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
        let told = wake.clone();
        writer.wal_hook(Some(move |log: &mut Wal, pages: c_int| {
            if pages >= AT_LAST {
                // What was committed is committed: an error here would make the commit say that it failed.
                if let Err(error) = log.checkpoint() {
                    tracing::debug!(%error, "the log is being moved by somebody else, or could not be moved now");
                }
            } else if pages >= SOON {
                // It is awake already, or will look once more.
                _ = told.try_send(());
            }
            Ok(())
        }))?;
        let thread = std::thread::Builder::new().name("checkpoint".to_owned()).spawn(move || run(&own, &woken));
        // Without a thread the writer does it, at last.
        Ok(Self { wake: Some(wake), thread: thread.ok() })
    }

    /// Waits for the thread to end. The writer must be closed: it can wake it.
    fn end(&mut self) {
        self.wake = None;
        if let Some(thread) = self.thread.take() {
            _ = thread.join();
        }
    }
}

impl Drop for Checkpointer {
    fn drop(&mut self) {
        self.end();
    }
}

fn run(connection: &Connection, woken: &Receiver<()>) {
    while woken.recv().is_ok() {
        // PASSIVE waits for nobody: what a reader or the writer needs stays in the log until next time.
        if let Err(error) = connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(())) {
            tracing::warn!(%error, "the log could not be moved into the database file; the writer will do it");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::super::{Database, FILE};
    use super::*;

    const PAGE: usize = 4096;

    #[test]
    fn a_log_of_some_length_is_moved_beside_the_writer() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(FILE);
        let database = Database::create(&path).unwrap();
        database.write(|tx| Ok::<_, DbError>(tx.execute_batch("CREATE TABLE filling (bytes BLOB)")?)).unwrap();
        let fill = |pages: usize| {
            let filling = vec![7_u8; pages * PAGE];
            let write = |tx: &rusqlite::Transaction<'_>| {
                Ok::<_, DbError>(tx.execute("INSERT INTO filling VALUES (?1)", [filling])?)
            };
            database.write(write).unwrap();
        };
        let length = || usize::try_from(std::fs::metadata(&path).unwrap().len()).unwrap();
        let (pages, most) = (usize::try_from(SOON).unwrap() + 100, usize::try_from(AT_LAST).unwrap());
        assert!(pages * 2 < most, "the writer must not do it");
        fill(pages);
        let moved = || length() > pages * PAGE;
        let patience = Instant::now() + Duration::from_secs(60);
        while !moved() {
            assert!(Instant::now() < patience, "nobody moved the log");
            std::thread::yield_now();
        }
        // As long as this reader looks at the log, none of it can be written over: it only grows.
        database
            .read::<_, DbError>(|tx| {
                tx.query_row("SELECT count(*) FROM filling", [], |_| Ok(()))?;
                fill(most + 100);
                Ok(())
            })
            .unwrap();
        assert!(
            database
                .read::<i64, DbError>(|tx| Ok(tx.query_row("SELECT count(*) FROM filling", [], |row| row.get(0))?))
                .unwrap()
                == 2
        );
    }
}
