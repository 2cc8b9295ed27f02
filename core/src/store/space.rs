//! Disk space: refuse before writing when it is low, and keep a reserve so that a full disk does
//! not also keep the index from opening.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::error::StoreError;
use super::vfs::{Privacy, Vfs, write_all_at};

/// Bytes given back to the disk when the index has to be opened on a full one: sled writes a
/// snapshot and at least one new segment of its log when it opens.
pub const RESERVE: u64 = 4 << 20;
/// Below this nothing is written any more: what is left belongs to the index and to `backup`.
pub const LOW_WATER: u64 = 8 << 20;

/// The reserve file and the check before each write.
#[derive(Debug)]
pub struct Space {
    vfs: Arc<dyn Vfs>,
    home: PathBuf,
}

impl Space {
    /// For the store in `home`.
    #[must_use]
    pub fn new(vfs: Arc<dyn Vfs>, home: &Path) -> Self {
        Self { vfs, home: home.to_owned() }
    }

    /// Refuses when `bytes` would leave less than [`LOW_WATER`].
    ///
    /// # Errors
    /// [`StoreError::DiskFull`]; file errors.
    pub fn require(&self, bytes: u64) -> Result<(), StoreError> {
        let free = self.free()?;
        let needed = bytes.saturating_add(LOW_WATER);
        if free < needed { Err(StoreError::DiskFull { free, needed }) } else { Ok(()) }
    }

    /// Gives the reserve back when space is low. True when it was given back.
    ///
    /// # Errors
    /// File errors.
    pub fn release_if_low(&self) -> Result<bool, StoreError> {
        let path = self.path();
        if self.free()? >= LOW_WATER || !self.vfs.exists(&path).map_err(StoreError::io("looking for", &path))? {
            return Ok(false);
        }
        self.vfs.remove(&path).map_err(StoreError::io("removing", &path))?;
        Ok(true)
    }

    /// Makes the reserve again where there is room for it. Having none is not an error.
    ///
    /// # Errors
    /// File errors other than a full disk.
    pub fn replenish(&self) -> Result<(), StoreError> {
        let path = self.path();
        let there = self.vfs.exists(&path).map_err(StoreError::io("looking for", &path))?;
        if there || self.free()? < RESERVE + 2 * LOW_WATER {
            return Ok(());
        }
        let file = self.vfs.create(&path, Privacy::Owner).map_err(StoreError::io("creating", &path))?;
        // Real bytes: a hole would reserve nothing.
        let chunk = vec![0xA5; 1 << 16];
        for offset in (0..RESERVE).step_by(chunk.len()) {
            if write_all_at(file.as_ref(), offset, &chunk).is_err() {
                drop(file);
                return self.vfs.remove(&path).map_err(StoreError::io("removing", &path));
            }
        }
        Ok(())
    }

    fn free(&self) -> Result<u64, StoreError> {
        self.vfs.free_space(&self.home).map_err(StoreError::io("asking for the free space of", &self.home))
    }

    fn path(&self) -> PathBuf {
        self.home.join("reserve")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::testing::{FaultVfs, Faults};

    #[test]
    fn low_space_is_refused_before_writing_and_the_reserve_given_back() {
        let home = tempfile::tempdir().unwrap();
        let vfs = FaultVfs::new();
        let space = Space::new(Arc::new(vfs.clone()), home.path());
        vfs.set(Faults { free_space: Some(1 << 30), ..Faults::default() });
        space.replenish().unwrap();
        space.require(1000).unwrap();
        assert!(!space.release_if_low().unwrap());
        assert_eq!(std::fs::metadata(home.path().join("reserve")).unwrap().len(), RESERVE);
        vfs.set(Faults { free_space: Some(LOW_WATER + 500), ..Faults::default() });
        let error = space.require(1000).unwrap_err();
        insta::assert_snapshot!(error, @"not saved: the disk has 8389108 bytes left and 8389608 are needed; free some space and save again");
        vfs.set(Faults { free_space: Some(100), ..Faults::default() });
        assert!(space.release_if_low().unwrap());
        assert!(!home.path().join("reserve").exists());
        space.replenish().unwrap();
        assert!(!home.path().join("reserve").exists());
    }
}
