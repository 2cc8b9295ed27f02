//! Photos, previews and attachments: files named by the SHA-256 of their bytes, written once and
//! never changed. Bytes may be withdrawn; the name stays in the documents.
//!
//! A file is hashed while it is copied, under a temporary name; it gets its own name only when it
//! is complete and on the medium. What a crash leaves is a temporary file, removed at opening.
//! Files that come from others are [`PartialFile`]s until they are whole.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sha2::{Digest as _, Sha256};

use super::error::StoreError;
use super::journal::create_durably;
use super::partial::PartialFile;
use super::vfs::{Privacy, Vfs, VfsFile, read_up_to, write_all_at};
use crate::ids::BlobHash;
use crate::sync::parts::Parts;

/// Largest file that is kept: a photo or a short video, not a disk image.
pub const MAX_BLOB: u64 = 200 << 20;
const CHUNK: usize = 64 << 10;
/// Incoming files whose state is kept at hand.
const MAX_OPEN: usize = 64;

/// A file that is now in the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredBlob {
    /// Its name.
    pub hash: BlobHash,
    /// Its length.
    pub bytes: u64,
    /// It was there already, or a document names it.
    pub known: bool,
    /// Where its bytes are, for whoever makes a preview of it.
    pub path: PathBuf,
}

/// The folder of files.
#[derive(Debug)]
pub struct Blobs {
    vfs: Arc<dyn Vfs>,
    root: PathBuf,
    /// Numbers temporary names within this process; the lock keeps others away.
    next: u64,
    /// Incoming files that are open; a few, the rest is opened again.
    coming: BTreeMap<BlobHash, PartialFile>,
}

impl Blobs {
    /// Opens the folder (created when missing) and removes what interrupted copies left.
    ///
    /// # Errors
    /// File errors.
    pub fn open(vfs: Arc<dyn Vfs>, root: &Path) -> Result<Self, StoreError> {
        for directory in [root.to_owned(), root.join("tmp"), root.join("partial")] {
            create_durably(vfs.as_ref(), &directory)?;
        }
        let blobs = Self { vfs, root: root.to_owned(), next: 0, coming: BTreeMap::new() };
        let temporary = blobs.root.join("tmp");
        for name in blobs.vfs.list(&temporary).map_err(StoreError::io("listing", &temporary))? {
            blobs.remove_if_there(&temporary.join(name))?;
        }
        Ok(blobs)
    }

    /// Where the bytes of a file are, or would be.
    #[must_use]
    pub fn path_of(&self, hash: &BlobHash) -> PathBuf {
        let name = hash.to_string();
        self.root.join(name.get(..2).unwrap_or("00")).join(name)
    }

    /// Names of all files that are here.
    ///
    /// # Errors
    /// File errors.
    pub fn names(&self) -> Result<BTreeSet<BlobHash>, StoreError> {
        let list = |path: &Path| self.vfs.list(path).map_err(StoreError::io("listing", path));
        let mut names = BTreeSet::new();
        for directory in list(&self.root)?.iter().filter(|name| name.len() == 2) {
            names.extend(list(&self.root.join(directory))?.iter().filter_map(|name| name.parse::<BlobHash>().ok()));
        }
        Ok(names)
    }

    /// Copies a file from a path.
    ///
    /// # Errors
    /// [`StoreError::SourceVanished`], [`StoreError::SourceChanged`], [`StoreError::BlobTooLarge`],
    /// or a failure to write. In each case nothing is left behind.
    pub fn add_path(&mut self, path: &Path) -> Result<StoredBlob, StoreError> {
        let name = path.display().to_string();
        let vanished = |source| StoreError::SourceVanished { name: name.clone(), source };
        let mut file = std::fs::File::open(path).map_err(vanished)?;
        let metadata = file.metadata().map_err(vanished)?;
        if !metadata.is_file() {
            return Err(vanished(std::io::Error::new(ErrorKind::InvalidInput, "it is not a regular file")));
        }
        let expected = metadata.len();
        self.add(&name, Some(expected), &mut file)
    }

    /// Copies a file from a reader, hashing while copying. `expected` is its length where known.
    ///
    /// # Errors
    /// As [`Blobs::add_path`].
    pub fn add(&mut self, name: &str, expected: Option<u64>, reader: &mut dyn Read) -> Result<StoredBlob, StoreError> {
        let temporary = self.root.join("tmp").join(self.next.to_string());
        self.next += 1;
        let file = self.vfs.create(&temporary, Privacy::Default).map_err(StoreError::io("creating", &temporary))?;
        let stored = self.copy(file.as_ref(), &temporary, name, expected, reader);
        drop(file);
        if stored.as_ref().map_or(true, |stored| stored.known) {
            self.remove_if_there(&temporary)?;
        }
        stored
    }

    fn copy(
        &self,
        file: &dyn VfsFile,
        temporary: &Path,
        name: &str,
        expected: Option<u64>,
        reader: &mut dyn Read,
    ) -> Result<StoredBlob, StoreError> {
        let mut hasher = Sha256::new();
        let mut buffer = vec![0; CHUNK];
        let mut bytes = 0;
        loop {
            let read = match reader.read(&mut buffer) {
                Ok(0) => break,
                Ok(read) => read,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(source) => return Err(StoreError::SourceVanished { name: name.to_owned(), source }),
            };
            if bytes + read as u64 > MAX_BLOB {
                return Err(StoreError::BlobTooLarge { name: name.to_owned(), limit: MAX_BLOB });
            }
            hasher.update(&buffer[..read]);
            write_all_at(file, bytes, &buffer[..read]).map_err(StoreError::io("writing", temporary))?;
            bytes += read as u64;
        }
        if let Some(expected) = expected.filter(|expected| *expected != bytes) {
            return Err(StoreError::SourceChanged { name: name.to_owned(), expected, got: bytes });
        }
        let hash = BlobHash(hasher.finalize().into());
        let known = self.place(file, temporary, &hash, bytes)?;
        Ok(StoredBlob { hash, bytes, known, path: self.path_of(&hash) })
    }

    /// Gives complete bytes their name, durably. True when they were there already.
    fn place(&self, file: &dyn VfsFile, from: &Path, hash: &BlobHash, bytes: u64) -> Result<bool, StoreError> {
        if self.size(hash)? == Some(bytes) {
            return Ok(true);
        }
        file.sync_data().map_err(StoreError::io("syncing", from))?;
        self.take_place(from, hash)?;
        Ok(false)
    }

    /// Gives a file that is on the medium its name, durably.
    fn take_place(&self, from: &Path, hash: &BlobHash) -> Result<(), StoreError> {
        let path = self.path_of(hash);
        let directory = path.parent().unwrap_or(&self.root);
        create_durably(self.vfs.as_ref(), directory)?;
        self.vfs.rename(from, &path).map_err(StoreError::io("renaming", from))?;
        self.vfs.sync_dir(directory).map_err(StoreError::io("syncing", directory))
    }

    /// Length of a complete file; `None` when it is not here.
    ///
    /// # Errors
    /// File errors.
    pub fn size(&self, hash: &BlobHash) -> Result<Option<u64>, StoreError> {
        self.length(&self.path_of(hash))
    }

    /// Reads up to `length` bytes of a complete file.
    ///
    /// # Errors
    /// [`StoreError::NoBlob`], [`StoreError::BlobOffset`], file errors.
    pub fn read(&self, hash: &BlobHash, offset: u64, length: usize) -> Result<Vec<u8>, StoreError> {
        let path = self.path_of(hash);
        let file = match self.vfs.open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => return Err(StoreError::NoBlob(*hash)),
            Err(source) => return Err(StoreError::Io { doing: "opening", path, source }),
        };
        let held = file.len().map_err(StoreError::io("measuring", &path))?;
        if offset > held {
            return Err(StoreError::BlobOffset { hash: *hash, offset, held });
        }
        read_up_to(file.as_ref(), offset, length).map_err(StoreError::io("reading", &path))
    }

    /// What is here already of an incoming file.
    ///
    /// # Errors
    /// File errors.
    pub fn partial(&mut self, hash: &BlobHash) -> Result<Parts, StoreError> {
        Ok(self.coming(hash)?.here().clone())
    }

    fn coming(&mut self, hash: &BlobHash) -> Result<&mut PartialFile, StoreError> {
        if !self.coming.contains_key(hash) && self.coming.len() >= MAX_OPEN {
            self.coming.clear();
        }
        match self.coming.entry(*hash) {
            Entry::Occupied(known) => Ok(known.into_mut()),
            Entry::Vacant(place) => {
                let path = self.root.join("partial").join(hash.to_string());
                let file = PartialFile::open(Arc::clone(&self.vfs), &path);
                Ok(place.insert(file.map_err(StoreError::io("opening", &path))?))
            }
        }
    }

    /// Writes bytes of an incoming file where they belong.
    ///
    /// # Errors
    /// [`StoreError::BlobTooLarge`], file errors: then the bytes do not count as here.
    pub fn partial_write(&mut self, hash: &BlobHash, offset: u64, bytes: &[u8]) -> Result<(), StoreError> {
        if offset.saturating_add(bytes.len() as u64) > MAX_BLOB {
            return Err(StoreError::BlobTooLarge { name: hash.to_string(), limit: MAX_BLOB });
        }
        let path = self.partial_path(hash);
        self.coming(hash)?.write(offset, bytes).map_err(StoreError::io("writing", &path))
    }

    /// Checks the hash of an incoming file and gives it its name, durably. Thrown away when it is
    /// another file.
    ///
    /// # Errors
    /// [`StoreError::NoBlob`], [`StoreError::BlobMismatch`], file errors.
    pub fn partial_finish(&mut self, hash: &BlobHash) -> Result<u64, StoreError> {
        if let Some(bytes) = self.size(hash)? {
            self.partial_drop(hash)?;
            return Ok(bytes);
        }
        let path = self.partial_path(hash);
        let file = self.coming(hash)?;
        let (got, bytes) = (file.sha256().map_err(StoreError::io("reading", &path))?, file.here().prefix());
        if bytes == 0 {
            return Err(StoreError::NoBlob(*hash));
        }
        if got != *hash || file.here().count() != 1 {
            self.partial_drop(hash)?;
            return Err(StoreError::BlobMismatch { expected: *hash, got });
        }
        file.sync_data().map_err(StoreError::io("syncing", &path))?;
        self.coming.remove(hash);
        self.take_place(&path, hash)?;
        Ok(bytes)
    }

    /// Throws away what came of an incoming file.
    ///
    /// # Errors
    /// File errors.
    pub fn partial_drop(&mut self, hash: &BlobHash) -> Result<(), StoreError> {
        let path = self.partial_path(hash);
        self.coming(hash)?.discard().map_err(StoreError::io("removing", &path))?;
        self.coming.remove(hash);
        Ok(())
    }

    /// Removes the bytes of a withdrawn file, complete or partial. The removal is durable.
    ///
    /// # Errors
    /// File errors.
    pub fn withdraw(&mut self, hash: &BlobHash) -> Result<(), StoreError> {
        self.partial_drop(hash)?;
        let path = self.path_of(hash);
        if self.size(hash)?.is_some() {
            self.remove_if_there(&path)?;
            let directory = path.parent().unwrap_or(&self.root);
            self.vfs.sync_dir(directory).map_err(StoreError::io("syncing", directory))?;
        }
        Ok(())
    }

    /// Compares the bytes held with the name: what `doctor` does.
    ///
    /// # Errors
    /// [`StoreError::NoBlob`], [`StoreError::BlobMismatch`], file errors.
    pub fn verify(&self, hash: &BlobHash) -> Result<u64, StoreError> {
        let path = self.path_of(hash);
        let file = match self.vfs.open(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Err(StoreError::NoBlob(*hash)),
            other => other.map_err(StoreError::io("opening", &path))?,
        };
        let (got, bytes) = hash_of(file.as_ref()).map_err(StoreError::io("reading", &path))?;
        if got == *hash { Ok(bytes) } else { Err(StoreError::BlobMismatch { expected: *hash, got }) }
    }

    /// Names of all complete files, sorted.
    ///
    /// # Errors
    /// File errors.
    pub fn list(&self) -> Result<Vec<BlobHash>, StoreError> {
        let mut hashes = Vec::new();
        for shard in self.vfs.list(&self.root).map_err(StoreError::io("listing", &self.root))? {
            if shard.len() == 2 {
                let directory = self.root.join(shard);
                let names = self.vfs.list(&directory).map_err(StoreError::io("listing", &directory))?;
                hashes.extend(names.iter().filter_map(|name| name.parse::<BlobHash>().ok()));
            }
        }
        Ok(hashes)
    }

    fn partial_path(&self, hash: &BlobHash) -> PathBuf {
        self.root.join("partial").join(hash.to_string())
    }

    fn length(&self, path: &Path) -> Result<Option<u64>, StoreError> {
        match self.vfs.open(path).and_then(|file| file.len()) {
            Ok(length) => Ok(Some(length)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(source) => Err(StoreError::Io { doing: "measuring", path: path.to_owned(), source }),
        }
    }

    fn remove_if_there(&self, path: &Path) -> Result<(), StoreError> {
        match self.vfs.remove(path) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                Err(StoreError::Io { doing: "removing", path: path.to_owned(), source: error })
            }
            _ => Ok(()),
        }
    }
}

fn hash_of(file: &dyn VfsFile) -> std::io::Result<(BlobHash, u64)> {
    let mut hasher = Sha256::new();
    let mut offset = 0;
    loop {
        let bytes = read_up_to(file, offset, CHUNK)?;
        if bytes.is_empty() {
            return Ok((BlobHash(hasher.finalize().into()), offset));
        }
        hasher.update(&bytes);
        offset += bytes.len() as u64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::testing::{Cut, FaultVfs, Faults};

    struct Broken(u32);

    impl Read for Broken {
        fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
            self.0 += 1;
            if self.0 > 3 { Err(std::io::Error::other("the card was pulled out")) } else { Ok(buffer.len()) }
        }
    }

    fn folder() -> (tempfile::TempDir, FaultVfs, Blobs) {
        let home = tempfile::tempdir().unwrap();
        let vfs = FaultVfs::new();
        let blobs = Blobs::open(Arc::new(vfs.clone()), &home.path().join("blobs")).unwrap();
        (home, vfs, blobs)
    }

    fn files(root: &Path) -> usize {
        let mut count = 0;
        for entry in std::fs::read_dir(root).unwrap() {
            let path = entry.unwrap().path();
            count += if path.is_dir() { files(&path) } else { 1 };
        }
        count
    }

    #[test]
    fn a_file_is_named_by_its_hash_and_kept_once() {
        let (home, _, mut blobs) = folder();
        let path = home.path().join("photo.jpg");
        std::fs::write(&path, b"abc").unwrap();
        let stored = blobs.add_path(&path).unwrap();
        assert_eq!(stored.hash.to_string(), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        assert!(!stored.known && blobs.add_path(&path).unwrap().known);
        assert_eq!(blobs.read(&stored.hash, 1, 9).unwrap(), b"bc");
        assert_eq!(blobs.list().unwrap(), [stored.hash]);
        assert_eq!(files(&home.path().join("blobs")), 1);
    }

    #[test]
    fn a_photo_that_vanishes_while_it_is_read_leaves_nothing() {
        let (home, _, mut blobs) = folder();
        let error = blobs.add("IMG_1.jpg", None, &mut Broken(0)).unwrap_err();
        insta::assert_snapshot!(error, @"IMG_1.jpg could not be read to its end: the card was pulled out; nothing was stored, check the medium it is on and try again");
        let error = blobs.add("IMG_2.jpg", Some(9), &mut &b"short"[..]).unwrap_err();
        insta::assert_snapshot!(error, @"IMG_2.jpg changed while it was read (9 bytes at the start, 5 read); nothing was stored, try again when it is complete");
        assert!(matches!(blobs.add_path(&home.path().join("gone")), Err(StoreError::SourceVanished { .. })));
        assert!(matches!(blobs.add_path(home.path()), Err(StoreError::SourceVanished { .. })));
        assert_eq!(files(home.path()), 0);
    }

    #[test]
    fn a_full_disk_or_a_failed_sync_leaves_nothing() {
        for faults in [
            Faults { full_after: Some(2), ..Faults::default() },
            Faults { sync_fails_after: Some(0), ..Faults::default() },
        ] {
            let (home, vfs, mut blobs) = folder();
            vfs.set(faults);
            assert!(blobs.add("photo", None, &mut &b"abcdef"[..]).is_err());
            assert_eq!(files(home.path()), 0);
        }
    }

    #[test]
    fn a_stored_file_survives_a_power_cut() {
        let (_home, vfs, mut blobs) = folder();
        let stored = blobs.add("photo", None, &mut &b"abcdef"[..]).unwrap();
        vfs.power_cut(Cut::Lost).unwrap();
        assert_eq!(blobs.verify(&stored.hash).unwrap(), 6);
    }

    #[test]
    fn an_interrupted_copy_is_swept_at_the_next_opening() {
        let (home, vfs, blobs) = folder();
        std::fs::write(home.path().join("blobs/tmp/0"), b"half").unwrap();
        drop(blobs);
        Blobs::open(Arc::new(vfs), &home.path().join("blobs")).unwrap();
        assert_eq!(files(home.path()), 0);
    }

    #[test]
    fn an_incoming_file_goes_on_where_it_stopped() {
        let (_home, _, mut blobs) = folder();
        let hash = blobs.add("source", None, &mut &b"abcdef"[..]).unwrap().hash;
        blobs.withdraw(&hash).unwrap();
        assert_eq!(blobs.size(&hash).unwrap(), None);
        blobs.partial_write(&hash, 0, b"abc").unwrap();
        assert_eq!(blobs.partial(&hash).unwrap(), Parts::first(3));
        assert!(matches!(blobs.partial_write(&hash, MAX_BLOB, b"x"), Err(StoreError::BlobTooLarge { .. })));
        blobs.partial_write(&hash, 3, b"def").unwrap();
        assert_eq!(blobs.partial_finish(&hash).unwrap(), 6);
        assert_eq!((blobs.size(&hash).unwrap(), blobs.partial(&hash).unwrap()), (Some(6), Parts::default()));
    }

    #[test]
    fn other_bytes_than_announced_are_thrown_away() {
        let (home, _, mut blobs) = folder();
        let hash = BlobHash([9; 32]);
        blobs.partial_write(&hash, 0, b"abc").unwrap();
        blobs.partial_write(&hash, 5, b"f").unwrap();
        assert!(matches!(blobs.partial_finish(&hash), Err(StoreError::BlobMismatch { .. })));
        assert_eq!(files(home.path()), 0);
    }

    #[test]
    fn rotten_bytes_are_found() {
        let (_home, _, mut blobs) = folder();
        let stored = blobs.add("photo", None, &mut &b"abcdef"[..]).unwrap();
        std::fs::write(&stored.path, b"abcdeg").unwrap();
        assert!(matches!(blobs.verify(&stored.hash), Err(StoreError::BlobMismatch { .. })));
    }
}
