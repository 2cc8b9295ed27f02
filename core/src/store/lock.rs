//! One process at a time: the lock file says who holds the store and since when.
//!
//! The lock is the operating system's (released when the process ends, however it ends), so a file
//! left behind by a crash blocks nobody.
//!
//! A second lock, the gate, is held from taking the first until the name is written, and while the
//! name is read: whoever is turned away reads the name of who has the store now, never that of the
//! one before and never nothing.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::Path;

use super::error::StoreError;
use crate::time::Timestamp;

/// The lock, held until it is dropped.
#[derive(Debug)]
pub struct StoreLock {
    /// Dropping it releases the lock.
    _file: Held,
}

/// A locked file. Unlocked by name when it is dropped: closing alone leaves the lock to a child process
/// that was just forked by another thread and has not yet closed what it inherited.
#[derive(Debug)]
struct Held(File);

impl Drop for Held {
    fn drop(&mut self) {
        // What cannot be unlocked is released by the end of the process.
        let _ = self.0.unlock();
    }
}

impl StoreLock {
    /// Takes the lock of the store in `home`. `who` is for the next process that asks, such as
    /// `outlet sync (process 4711)`.
    ///
    /// # Errors
    /// [`StoreError::Locked`], [`StoreError::ReadOnlyHome`], or [`StoreError::WeakStorage`] when the
    /// file system has no locks and `accept_weak_storage` is off.
    pub fn acquire(home: &Path, who: &str, now: Timestamp, accept_weak_storage: bool) -> Result<Self, StoreError> {
        let gate = Held(open(home, "lock.gate")?);
        // Held by others for moments only. A file system without locks is found out below.
        let _without_locks = gate.0.lock();
        let mut file = open(home, "lock")?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(StoreError::Locked { holder: holder(&mut file) }),
            Err(TryLockError::Error(_)) if accept_weak_storage => {}
            Err(TryLockError::Error(_)) => {
                return Err(StoreError::WeakStorage { path: home.to_owned(), lacks: "lock files" });
            }
        }
        // Only for people: a failure to write it changes nothing about the lock.
        let text = format!("{who}, since {now}\n");
        let _ =
            file.set_len(0).and_then(|()| file.seek(SeekFrom::Start(0))).and_then(|_| file.write_all(text.as_bytes()));
        Ok(Self { _file: Held(file) })
    }
}

fn open(home: &Path, name: &str) -> Result<File, StoreError> {
    let mut options = OpenOptions::new();
    let options = options.read(true).write(true).create(true).truncate(false);
    options.open(home.join(name)).map_err(|source| unwritable(home, source))
}

/// An error of creating or opening something in `home`, told apart by cause.
pub(super) fn unwritable(home: &Path, source: std::io::Error) -> StoreError {
    match source.kind() {
        ErrorKind::ReadOnlyFilesystem | ErrorKind::PermissionDenied => {
            StoreError::ReadOnlyHome { path: home.to_owned(), source }
        }
        _ => StoreError::Io { doing: "opening", path: home.to_owned(), source },
    }
}

fn holder(file: &mut File) -> String {
    let mut text = String::new();
    let read = file.seek(SeekFrom::Start(0)).and_then(|_| file.take(400).read_to_string(&mut text));
    match (read, text.trim()) {
        (Ok(_), line) if !line.is_empty() => line.to_owned(),
        _ => "another process".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_one_is_told_who_and_since_when() {
        let home = tempfile::tempdir().unwrap();
        let at = Timestamp::from_millis(1_640_000_000_000);
        let first = StoreLock::acquire(home.path(), "outlet serve (process 11)", at, false).unwrap();
        let second = StoreLock::acquire(home.path(), "outlet add", at, false).unwrap_err();
        insta::assert_snapshot!(second, @"the store is in use by outlet serve (process 11), since 2021-12-20T11:33:20Z; wait for it to end, or end it, and try again");
        drop(first);
        StoreLock::acquire(home.path(), "outlet add", at, false).unwrap();
    }

    /// Many at once, as when a script and a person meet: each that is turned away is told a name that
    /// holds the store now.
    #[test]
    fn whoever_is_turned_away_reads_the_name_of_the_holder_and_not_of_the_one_before() {
        let home = tempfile::tempdir().unwrap();
        let at = Timestamp::from_millis(1_640_000_000_000);
        for round in 0..40 {
            let start = std::sync::Barrier::new(4);
            let told: Vec<_> = std::thread::scope(|scope| {
                let workers: Vec<_> = (0..4)
                    .map(|worker| {
                        let (start, home) = (&start, home.path());
                        scope.spawn(move || {
                            start.wait();
                            // Kept until all have asked, so that there is one holder a round.
                            StoreLock::acquire(home, &format!("round {round} worker {worker}"), at, false)
                        })
                    })
                    .collect();
                workers.into_iter().map(|worker| worker.join().unwrap()).collect()
            });
            assert_eq!(told.iter().filter(|lock| lock.is_ok()).count(), 1);
            for error in told.iter().filter_map(|lock| lock.as_ref().err()) {
                assert!(error.to_string().contains(&format!("in use by round {round} worker")), "{error}");
            }
        }
    }

    #[test]
    fn a_home_that_cannot_be_written_is_said_so() {
        let error = unwritable(Path::new("/media/card"), ErrorKind::ReadOnlyFilesystem.into());
        assert!(error.to_string().contains("mounted read-only"), "{error}");
    }
}
