//! Taking turns: a process that waits for the store tells the one that has it, so that a program
//! that watches for the server can step aside for somebody who wants to record.
//!
//! The sign is a lock of the operating system on a file of its own: it goes when the process that
//! waits ends, however it ends.

use std::fs::{File, OpenOptions, TryLockError};
use std::path::Path;

const FILE: &str = "wanted";

/// Somebody waits for the store, as long as this lives.
#[derive(Debug)]
pub struct Waiting {
    _file: File,
}

impl Waiting {
    /// Shows whoever has the store in `home` that it is wanted. None where files cannot be locked.
    #[must_use]
    pub fn show(home: &Path) -> Option<Self> {
        let file = open(home)?;
        file.try_lock_shared().is_ok().then_some(Self { _file: file })
    }
}

/// Does another process wait for the store in `home`?
#[must_use]
pub fn is_wanted(home: &Path) -> bool {
    open(home).is_some_and(|file| matches!(file.try_lock(), Err(TryLockError::WouldBlock)))
}

fn open(home: &Path) -> Option<File> {
    OpenOptions::new().read(true).write(true).create(true).truncate(false).open(home.join(FILE)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_store_is_wanted_as_long_as_somebody_waits() {
        let home = tempfile::tempdir().unwrap();
        assert!(!is_wanted(home.path()));
        let (first, second) = (Waiting::show(home.path()).unwrap(), Waiting::show(home.path()).unwrap());
        assert!(is_wanted(home.path()));
        drop(first);
        assert!(is_wanted(home.path()), "the second one still does");
        drop(second);
        assert!(!is_wanted(home.path()));
        assert!(!is_wanted(&home.path().join("nowhere")));
    }
}
