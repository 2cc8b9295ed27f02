//! One process at a time: the lock file says who holds the store and since when.
//!
//! The lock is the operating system's (released when the process ends, however it ends), so a file
//! left behind by a crash blocks nobody.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::Path;

use super::error::StoreError;
use crate::time::Timestamp;

/// The lock, held until it is dropped.
#[derive(Debug)]
pub struct StoreLock {
    /// Dropping it releases the lock.
    _file: File,
}

impl StoreLock {
    /// Takes the lock of the store in `home`. `who` is for the next process that asks, such as
    /// `outlet sync (process 4711)`.
    ///
    /// # Errors
    /// [`StoreError::Locked`], [`StoreError::ReadOnlyHome`], or [`StoreError::WeakStorage`] when the
    /// file system has no locks and `accept_weak_storage` is off.
    pub fn acquire(home: &Path, who: &str, now: Timestamp, accept_weak_storage: bool) -> Result<Self, StoreError> {
        let path = home.join("lock");
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(|source| unwritable(home, source))?;
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
        Ok(Self { _file: file })
    }
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

    #[test]
    fn a_home_that_cannot_be_written_is_said_so() {
        let error = unwritable(Path::new("/media/card"), ErrorKind::ReadOnlyFilesystem.into());
        assert!(error.to_string().contains("mounted read-only"), "{error}");
    }
}
