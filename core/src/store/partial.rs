//! A file that is coming, in whatever order its bytes arrive, over as many sessions as it takes.
//!
//! As long as there is no gap its length says what is here. Before the first byte behind a gap is written,
//! a record of [`Parts`] appears beside it (`NAME.parts`), and each piece is entered there after it was
//! written; when the last gap is closed, the record goes. So a process that dies at any moment loses at
//! most the piece it was writing. Nothing is synced: after a power cut the record may promise what is not
//! there, and then the hash of the whole says so.
//!
//! The bytes are hashed as they come, as far as there is no gap, and read again only where they were not.

use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sha2::{Digest as _, Sha256};

use super::vfs::{Privacy, Vfs, VfsFile, read_up_to, write_all_at};
use crate::ids::BlobHash;
use crate::sync::parts::{MAX_GAPS, Parts, RECORD_BYTES};

/// Read at once where bytes are hashed again.
const CHUNK: usize = 256 << 10;
/// Of a longer record the rest is not believed, and written over: those bytes come again. 200 MiB in
/// datagrams are less.
const MAX_RECORD: usize = 4 << 20;

/// An incoming file. One process at a time: the store's lock, or the server's.
#[derive(Debug)]
pub struct PartialFile {
    vfs: Arc<dyn Vfs>,
    path: PathBuf,
    record_path: PathBuf,
    /// None before the first byte.
    file: Option<Box<dyn VfsFile>>,
    here: Parts,
    /// Of the record; None as long as there is none.
    record: Option<u64>,
    hasher: Sha256,
    /// Bytes from the beginning that the hasher has seen.
    hashed: u64,
}

impl PartialFile {
    /// What there is of it, or nothing yet.
    ///
    /// # Errors
    /// What the file system says.
    pub fn open(vfs: Arc<dyn Vfs>, path: &Path) -> io::Result<Self> {
        let mut record_path = path.as_os_str().to_owned();
        record_path.push(".parts");
        let record_path = PathBuf::from(record_path);
        let file = present(vfs.open_for_writing(path))?;
        let length = file.as_ref().map(|file| file.len()).transpose()?.unwrap_or(0);
        let (mut here, mut record) = (Parts::first(length), None);
        if let Some(entries) = present(vfs.open(&record_path))? {
            let bytes = read_up_to(entries.as_ref(), 0, MAX_RECORD)?;
            // Without bytes it is of a file that was thrown away; and the first entry is written before any byte
            // behind a gap, so that half of it says nothing.
            if file.is_none() || bytes.len() < RECORD_BYTES {
                vfs.remove(&record_path)?;
            } else {
                here = Parts::from_records(&bytes, length);
                // What a crash left of the last entry must not shift those that follow.
                record = Some((bytes.len() - bytes.len() % RECORD_BYTES) as u64);
            }
        }
        let path = path.to_owned();
        let mut opened = Self { vfs, path, record_path, file, here, record, hasher: Sha256::new(), hashed: 0 };
        if opened.here.count() > MAX_GAPS {
            // More than honest links leave, session by session: it begins anew.
            opened.discard()?;
        }
        // A crash may have come between the last gap and the end of the record.
        opened.close_gaps()?;
        Ok(opened)
    }

    /// What is here.
    #[must_use]
    pub fn here(&self) -> &Parts {
        &self.here
    }

    /// Writes bytes where they belong.
    ///
    /// # Errors
    /// What the file system says: then these bytes do not count as here.
    pub fn write(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let (end, prefix) = (offset.saturating_add(bytes.len() as u64), self.here.prefix());
        if self.record.is_none() && offset > prefix {
            self.enter(0, prefix)?;
        }
        let file = self.file()?;
        if let Err(error) = write_all_at(file, offset, bytes) {
            // Without a record the length says what is here: it must not include half a piece.
            let _cut_back = self.record.is_some() || self.file()?.set_len(prefix).is_ok();
            return Err(error);
        }
        if self.record.is_some() {
            self.enter(offset, end)?;
        }
        self.here.add(offset, end);
        self.close_gaps()?;
        if offset < self.hashed {
            // Other bytes than were hashed, perhaps.
            (self.hasher, self.hashed) = (Sha256::new(), 0);
        } else if offset == self.hashed {
            self.hasher.update(bytes);
            self.hashed = end;
        } else {
            // Behind a gap that was closed: a little at a time, not all of it at the end. What cannot be read
            // now is told then.
            let _later = self.hash_on();
        }
        Ok(())
    }

    /// Hashes at most [`CHUNK`] bytes that are here and were not hashed as they came. False when there are
    /// none.
    fn hash_on(&mut self) -> io::Result<bool> {
        let (at, end) = (self.hashed, self.here.prefix());
        let most = usize::try_from(end.saturating_sub(at)).unwrap_or(usize::MAX).min(CHUNK);
        if most == 0 {
            return Ok(false);
        }
        let bytes = read_up_to(self.file()?, at, most)?;
        self.hasher.update(&bytes);
        self.hashed += bytes.len() as u64;
        Ok(!bytes.is_empty())
    }

    /// Adds an entry to the record, beginning it where there is none.
    fn enter(&mut self, start: u64, end: u64) -> io::Result<()> {
        let at = self.record.unwrap_or(0);
        let entries = writable(self.vfs.as_ref(), &self.record_path)?;
        write_all_at(entries.as_ref(), at, &Parts::record(start, end))?;
        self.record = Some(at + RECORD_BYTES as u64);
        Ok(())
    }

    /// Without gaps the length says it all, and the record goes.
    fn close_gaps(&mut self) -> io::Result<()> {
        let end = self.here.prefix();
        if self.record.is_none() || self.here.count() != 1 || end == 0 {
            return Ok(());
        }
        let file = self.file()?;
        if file.len()? != end {
            // Half a piece that a full disk left.
            file.set_len(end)?;
        }
        self.vfs.remove(&self.record_path)?;
        self.record = None;
        Ok(())
    }

    /// Hash of all bytes from the beginning to the first gap.
    ///
    /// # Errors
    /// What the file system says.
    pub fn sha256(&mut self) -> io::Result<BlobHash> {
        while self.hash_on()? {}
        Ok(BlobHash(self.hasher.clone().finalize().into()))
    }

    /// The bytes are on the medium when this returns.
    ///
    /// # Errors
    /// What the file system says.
    pub fn sync_data(&mut self) -> io::Result<()> {
        self.file()?.sync_data()
    }

    /// Throws away what came.
    ///
    /// # Errors
    /// What the file system says.
    pub fn discard(&mut self) -> io::Result<()> {
        self.file = None;
        // The bytes first: a record alone says nothing.
        for path in [&self.path, &self.record_path] {
            present(self.vfs.remove(path))?;
        }
        (self.here, self.record, self.hasher, self.hashed) = (Parts::default(), None, Sha256::new(), 0);
        Ok(())
    }

    fn file(&mut self) -> io::Result<&dyn VfsFile> {
        let file = match self.file.take() {
            Some(file) => file,
            None => writable(self.vfs.as_ref(), &self.path)?,
        };
        Ok(&**self.file.insert(file))
    }
}

fn writable(vfs: &dyn Vfs, path: &Path) -> io::Result<Box<dyn VfsFile>> {
    match present(vfs.open_for_writing(path))? {
        Some(file) => Ok(file),
        None => vfs.create(path, Privacy::Default),
    }
}

/// None for what is not there.
fn present<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::testing::{FaultVfs, Faults};

    fn named(bytes: &[u8]) -> BlobHash {
        BlobHash(Sha256::digest(bytes).into())
    }

    /// As a process that starts, writes, and is killed.
    fn run(vfs: &FaultVfs, path: &Path, pieces: &[(u64, &[u8])]) -> Vec<(u64, u64)> {
        let mut file = PartialFile::open(Arc::new(vfs.clone()), path).unwrap();
        for (offset, bytes) in pieces {
            file.write(*offset, bytes).unwrap();
        }
        file.here().to_list()
    }

    #[test]
    fn bytes_that_come_out_of_order_are_known_again_after_a_kill() {
        let (home, vfs) = (tempfile::tempdir().unwrap(), FaultVfs::new());
        let (path, record) = (home.path().join("file"), home.path().join("file.parts"));
        assert_eq!(run(&vfs, &path, &[(0, b"ab"), (6, b"gh")]), [(0, 2), (6, 8)]);
        assert_eq!(run(&vfs, &path, &[(3, b"d")]), [(0, 2), (3, 4), (6, 8)]);
        // What a kill leaves of an entry is passed over, and written over.
        let torn = [&std::fs::read(&record).unwrap()[..], &[0; 7]].concat();
        std::fs::write(&record, torn).unwrap();
        assert_eq!(run(&vfs, &path, &[(4, b"ef")]), [(0, 2), (3, 8)]);
        assert_eq!(run(&vfs, &path, &[(2, b"c")]), [(0, 8)]);
        assert!(!record.exists(), "without a gap the length says it all");
        // As if it had been killed before the record went, or in the middle of the first entry.
        for left in [&Parts::record(0, 8)[..], &[0; 7]] {
            std::fs::write(&record, left).unwrap();
            assert_eq!(run(&vfs, &path, &[]), [(0, 8)]);
            assert!(!record.exists());
        }
        let mut file = PartialFile::open(Arc::new(vfs), &path).unwrap();
        file.write(8, b"ij").unwrap();
        assert_eq!(file.sha256().unwrap(), named(b"abcdefghij"));
        file.discard().unwrap();
        assert!(file.here().is_empty() && !path.exists());
        assert_eq!(file.sha256().unwrap(), named(b""));
    }

    #[test]
    fn what_was_hashed_and_then_written_over_is_read_again() {
        let (home, vfs) = (tempfile::tempdir().unwrap(), FaultVfs::new());
        let mut file = PartialFile::open(Arc::new(vfs), &home.path().join("file")).unwrap();
        file.write(0, b"abc").unwrap();
        file.write(1, b"XY").unwrap();
        file.write(4, b"e").unwrap();
        file.write(3, b"d").unwrap();
        assert_eq!(file.sha256().unwrap(), named(b"aXYde"));
    }

    #[test]
    fn what_is_behind_a_gap_is_hashed_before_the_end_once_the_gap_is_closed() {
        let (home, vfs) = (tempfile::tempdir().unwrap(), FaultVfs::new());
        let mut file = PartialFile::open(Arc::new(vfs), &home.path().join("file")).unwrap();
        let piece = vec![7; CHUNK / 2];
        let at = |number: u64| number * (CHUNK as u64 / 2);
        [0, 2, 3, 4].into_iter().for_each(|number| file.write(at(number), &piece).unwrap());
        assert_eq!(file.hashed, at(1));
        file.write(at(1), &piece).unwrap();
        (5..8).for_each(|number| file.write(at(number), &piece).unwrap());
        assert_eq!(file.hashed, at(8), "it has caught up");
        assert_eq!(file.sha256().unwrap(), named(&vec![7; CHUNK * 4]));
    }

    #[test]
    fn a_file_in_more_crumbs_than_links_leave_begins_anew_and_a_record_without_a_file_goes() {
        let (home, vfs) = (tempfile::tempdir().unwrap(), FaultVfs::new());
        let (path, record) = (home.path().join("file"), home.path().join("file.parts"));
        let crumbs = MAX_GAPS as u64 + 1;
        std::fs::write(&path, vec![1; 2 * MAX_GAPS + 2]).unwrap();
        let entries: Vec<u8> = (0..crumbs).flat_map(|number| Parts::record(2 * number, 2 * number + 1)).collect();
        std::fs::write(&record, &entries[..MAX_GAPS * RECORD_BYTES]).unwrap();
        assert_eq!(run(&vfs, &path, &[]).len(), MAX_GAPS);
        std::fs::write(&record, &entries).unwrap();
        assert_eq!(run(&vfs, &path, &[]), []);
        assert!(!path.exists() && !record.exists());
        std::fs::write(&record, &entries[..32]).unwrap();
        assert_eq!(run(&vfs, &path, &[(5, b"f")]), [(5, 6)], "stale entries are not gone on with");
        assert_eq!(run(&vfs, &path, &[]), [(5, 6)]);
    }

    #[test]
    fn a_disk_that_fills_up_at_any_byte_leaves_what_was_there() {
        for full_after in 0..80 {
            let (home, vfs) = (tempfile::tempdir().unwrap(), FaultVfs::new());
            let path = home.path().join("file");
            let mut file = PartialFile::open(Arc::new(vfs.clone()), &path).unwrap();
            file.write(0, b"abc").unwrap();
            vfs.set(Faults { full_after: Some(full_after), ..Faults::default() });
            let written = [(6, b"ghi"), (12, b"mno"), (3, b"def"), (9, b"jkl")]
                .map(|(offset, bytes)| file.write(offset, bytes).is_ok());
            vfs.set(Faults::default());
            let again = PartialFile::open(Arc::new(vfs), &path).unwrap();
            let here = again.here();
            assert!(here.prefix() >= 3, "full after {full_after}: {here:?}");
            let bytes = std::fs::read(&path).unwrap();
            for (from, to) in here.iter() {
                let (from, to) = (usize::try_from(from).unwrap(), usize::try_from(to).unwrap());
                assert_eq!(bytes[from..to], b"abcdefghijklmno"[from..to], "full after {full_after}, {written:?}");
            }
        }
    }
}
