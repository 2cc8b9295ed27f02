//! The index: what can be derived from the journal, kept in sled so that opening a store does not
//! read all of it. Every answer it gives could be computed again; so every error, and every panic
//! of the engine, ends in a new directory and never in a lost record.
//!
//! One sled tree, keys told apart by their first byte ([`super::rows`]). A commit is one batch,
//! which sled applies as a whole, and the batch names the frame that it brings the index up to.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::{self, File};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::error::StoreError;
use super::rows;
use super::segment::Mark;

/// Bytes of the engine's page cache: the whole index of ten thousand outlets is about 20 MB, and a
/// command reads a part of it once.
const CACHE: u64 = 8 << 20;
/// The engine's file of everything it holds.
const LOG: &str = "db";

/// The open index.
#[derive(Debug)]
pub(super) struct Index {
    /// `None` after a panic: the engine was leaked, because dropping it may panic or hang again.
    database: Option<sled::Db>,
    directory: PathBuf,
    /// Files as they were when the engine was closed last, durably: what is still so needs no sync.
    durable: Durable,
    /// It failed once: what it says must not be built on after this process.
    failed: Cell<bool>,
    #[cfg(test)]
    pub(super) fault: Cell<Option<IndexFault>>,
}

/// What a test lets the engine do at its next use.
#[cfg(test)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum IndexFault {
    WriteError,
    WritePanic,
    ReadError,
}

/// Changes to the index, seen by the reads of whoever stages them.
pub(super) type Writes = BTreeMap<Vec<u8>, Option<Vec<u8>>>;

impl Index {
    /// Opens or creates the engine in `directory`. A snapshot that was being written when the
    /// process died is moved away first: sled 0.34 can stumble over it.
    pub(super) fn open(directory: &Path) -> Result<Self, StoreError> {
        Self::open_with(directory, Durable::default())
    }

    /// As [`Index::open`], of a directory whose files are durable as they stand: it was closed cleanly.
    pub(super) fn open_closed(directory: &Path) -> Result<Self, StoreError> {
        Self::open_with(directory, listing(directory).unwrap_or_default())
    }

    fn open_with(directory: &Path, durable: Durable) -> Result<Self, StoreError> {
        move_unfinished_snapshots(directory)?;
        let config = sled::Config::new().path(directory).cache_capacity(CACHE).flush_every_ms(None);
        let opened = catch_unwind(AssertUnwindSafe(|| config.open()));
        match opened {
            Ok(Ok(database)) => Ok(Self {
                database: Some(database),
                directory: directory.to_owned(),
                durable,
                failed: Cell::new(false),
                #[cfg(test)]
                fault: Cell::new(None),
            }),
            Ok(Err(error)) => Err(StoreError::Index(error.to_string())),
            Err(_) => Err(StoreError::Index("the engine panicked while it was opened".to_owned())),
        }
    }

    pub(super) fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        self.guard(false, |database| Ok(database.get(key)?.map(|value| value.to_vec())))
    }

    /// Visits the rows whose keys begin with `prefix`, in order, until `visit` says false.
    pub(super) fn scan(&self, prefix: &[u8], visit: &mut dyn FnMut(&[u8], &[u8]) -> bool) -> Result<(), StoreError> {
        self.guard(false, |database| {
            for row in database.scan_prefix(prefix) {
                let (key, value) = row?;
                if !visit(&key, &value) {
                    break;
                }
            }
            Ok(())
        })
    }

    /// Visits rows from `from` (included) while keys begin with `prefix`.
    pub(super) fn scan_from(
        &self,
        prefix: &[u8],
        from: &[u8],
        visit: &mut dyn FnMut(&[u8], &[u8]) -> bool,
    ) -> Result<(), StoreError> {
        self.guard(false, |database| {
            for row in database.range(from.to_vec()..) {
                let (key, value) = row?;
                if !key.starts_with(prefix) || !visit(&key, &value) {
                    break;
                }
            }
            Ok(())
        })
    }

    /// Applies all of `writes` or nothing; with `mark`, the index then stands for the journal up
    /// to there.
    pub(super) fn apply(&self, writes: &Writes, mark: Option<Mark>) -> Result<(), StoreError> {
        let mut batch = sled::Batch::default();
        for (key, value) in writes {
            match value {
                Some(value) => batch.insert(key.as_slice(), value.as_slice()),
                None => batch.remove(key.as_slice()),
            }
        }
        if let Some(mark) = mark {
            batch.insert(rows::MARK, rows::encode(&mark));
            batch.insert(rows::FORM, rows::encode(&rows::FORM_NOW));
        }
        self.guard(true, |database| database.apply_batch(batch))
    }

    /// Up to where the index stands for the journal. `None` for one that was never completed, and
    /// for one of another form, which is as good as none.
    pub(super) fn mark(&self) -> Result<Option<Mark>, StoreError> {
        let form: Option<u64> = self.get(rows::FORM)?.map(|bytes| rows::decode(&bytes)).transpose()?;
        if form != Some(rows::FORM_NOW) {
            return Ok(None);
        }
        self.get(rows::MARK)?.map(|bytes| rows::decode(&bytes)).transpose()
    }

    /// Closes the engine and makes its files durable: sled's own `flush` does not sync.
    pub(super) fn close(mut self) -> Result<(), StoreError> {
        self.guard(true, |database| database.flush().map(|_| ()))?;
        let database = self.database.take();
        catch_unwind(AssertUnwindSafe(|| drop(database)))
            .map_err(|_| StoreError::Index("the engine panicked while it was closed".to_owned()))?;
        sync_tree(&self.directory, &self.durable).map_err(StoreError::io("syncing", &self.directory))
    }

    /// Gives the engine up without running any of its code.
    pub(super) fn leak(&mut self) {
        std::mem::forget(self.database.take());
    }

    /// Has it failed since it was opened?
    pub(super) fn has_failed(&self) -> bool {
        self.failed.get()
    }

    fn guard<T>(&self, writing: bool, work: impl FnOnce(&sled::Db) -> sled::Result<T>) -> Result<T, StoreError> {
        let Some(database) = &self.database else {
            return Err(StoreError::Index("the engine was given up after a failure".to_owned()));
        };
        let result = catch_unwind(AssertUnwindSafe(|| {
            self.inject(writing)?;
            work(database)
        }));
        if !matches!(result, Ok(Ok(_))) {
            self.failed.set(true);
        }
        match result {
            Ok(result) => result.map_err(|error| StoreError::Index(error.to_string())),
            Err(_) => Err(StoreError::Index("the engine panicked".to_owned())),
        }
    }

    #[cfg(not(test))]
    #[expect(clippy::unused_self, reason = "tests let the engine fail here")]
    fn inject(&self, _: bool) -> sled::Result<()> {
        Ok(())
    }

    #[cfg(test)]
    fn inject(&self, writing: bool) -> sled::Result<()> {
        let Some(fault) = self.fault.get() else { return Ok(()) };
        if writing == (fault == IndexFault::ReadError) {
            return Ok(());
        }
        self.fault.set(None);
        assert!(fault != IndexFault::WritePanic, "injected");
        Err(sled::Error::ReportableBug("injected".to_owned()))
    }
}

impl Drop for Index {
    fn drop(&mut self) {
        if let Some(database) = self.database.take() {
            // What the engine cannot write any more is rebuilt; it must not take the process along.
            let _ = catch_unwind(AssertUnwindSafe(|| drop(database)));
        }
    }
}

fn move_unfinished_snapshots(directory: &Path) -> Result<(), StoreError> {
    let Ok(entries) = fs::read_dir(directory) else { return Ok(()) };
    for entry in entries.flatten() {
        let path = entry.path();
        if path.extension().is_some_and(|extension| extension == "generating") {
            // sled takes every name that begins with `snap.` for a snapshot.
            let aside = directory.join(format!("abandoned-{}", entry.file_name().to_string_lossy()));
            fs::rename(&path, &aside).map_err(StoreError::io("moving away", &path))?;
        }
    }
    Ok(())
}

/// Names in a directory with length and time of the last change.
type Durable = BTreeMap<OsString, (u64, Option<SystemTime>)>;

fn listing(directory: &Path) -> std::io::Result<Durable> {
    let mut files = Durable::new();
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let about = entry.metadata()?;
        files.insert(entry.file_name(), (about.len(), about.modified().ok()));
    }
    Ok(files)
}

/// Makes everything below the directory durable. Each sync waits for the medium, so what stands as it
/// stood when it was durable is left out; never the log, into which every write goes.
fn sync_tree(directory: &Path, durable: &Durable) -> std::io::Result<()> {
    let now = listing(directory)?;
    for (name, state) in &now {
        let path = directory.join(name);
        let same = state.1.is_some() && durable.get(name) == Some(state);
        if path.is_dir() {
            // Only of an empty one its own state says everything.
            if !(same && listing(&path)?.is_empty()) {
                sync_tree(&path, &Durable::new())?;
            }
        } else if !same || name.as_os_str() == LOG {
            File::open(&path)?.sync_all()?;
        }
    }
    let names_stay = !durable.is_empty() && now.keys().eq(durable.keys());
    if names_stay { Ok(()) } else { File::open(directory)?.sync_all() }
}

/// Numbers of the index directories in a home, ascending.
pub(super) fn numbers(home: &Path) -> Result<Vec<u64>, StoreError> {
    let mut numbers = Vec::new();
    for entry in fs::read_dir(home).map_err(StoreError::io("listing", home))?.flatten() {
        let name = entry.file_name();
        let number: Option<u64> =
            name.to_str().and_then(|name| name.strip_prefix("index-")).and_then(|rest| rest.parse().ok());
        numbers.extend(number);
    }
    numbers.sort_unstable();
    Ok(numbers)
}

/// The directory of an index.
pub(super) fn directory(home: &Path, number: u64) -> PathBuf {
    home.join(format!("index-{number}"))
}
