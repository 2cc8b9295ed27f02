//! Photos and attachments: bytes named by their SHA-256.
//!
//! A file arrives in `incoming/HASH.part`, in pieces and in any order, over as many sessions as it takes,
//! hashed as it comes ([`PartialFile`]). Complete, it is synced once and renamed into its folder; only then
//! comes its row, and only then its receipt. Names are made from hashes, never from what a device says, so
//! that no path leads out of the folder.

use std::collections::BTreeSet;
use std::path::{Path as FsPath, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt as _};
use outlet_core::ids::BlobHash;
use outlet_core::store::PartialFile;
use outlet_core::store::vfs::RealVfs;
use outlet_core::sync::parts::Parts;

use crate::error::{CommandError, IoContext};

/// Bytes read at once.
const PIECE: usize = 1 << 20;

/// Why a file could not be written or read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PhotoError {
    /// The object store refused.
    #[error("the photo store refused: {0}")]
    Store(#[from] object_store::Error),
    /// The folder of incoming files.
    #[error("{1} failed")]
    Io(#[source] std::io::Error, &'static str),
}

impl PhotoError {
    /// The disk is full.
    #[must_use]
    pub fn is_full(&self) -> bool {
        use std::io::ErrorKind::{QuotaExceeded, StorageFull};
        matches!(self, Self::Io(error, _) if matches!(error.kind(), StorageFull | QuotaExceeded))
    }

    /// There are no such bytes.
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::Store(object_store::Error::NotFound { .. }))
    }
}

/// Where files are.
#[derive(Debug)]
pub struct Photos {
    store: Arc<dyn ObjectStore>,
    folder: PathBuf,
    incoming: PathBuf,
    /// Being received by some session.
    busy: Mutex<BTreeSet<BlobHash>>,
}

/// A file being received: nobody else receives it until this is dropped.
#[derive(Debug)]
pub struct Incoming {
    photos: Arc<Photos>,
    hash: BlobHash,
    file: PartialFile,
}

impl Drop for Incoming {
    fn drop(&mut self) {
        self.photos.busy.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.hash);
    }
}

impl Photos {
    /// Opens the folders, making them if missing.
    ///
    /// # Errors
    /// When a folder cannot be made.
    pub fn open(folder: &FsPath, incoming: &FsPath) -> Result<Self, CommandError> {
        for path in [folder, incoming] {
            std::fs::create_dir_all(path).context(format_args!("making {}", path.display()))?;
        }
        // All at once and synced before anything is received: of two uploads into a new folder the
        // second could otherwise be receipted before the folder itself is durable.
        for first in 0..=u8::MAX {
            let path = folder.join(format!("{first:02x}"));
            std::fs::create_dir_all(&path).context(format_args!("making {}", path.display()))?;
        }
        for path in [folder, incoming] {
            crate::folder::sync_folder(path)?;
        }
        // The default does not sync: a receipt would promise what a power cut takes back.
        let store = LocalFileSystem::new_with_prefix(folder)
            .map_err(|error| {
                CommandError::user(format!("the photo folder {} cannot be used: {error}", folder.display()))
            })?
            .with_fsync(true);
        let (folder, incoming) = (folder.to_owned(), incoming.to_owned());
        Ok(Self { store: Arc::new(store), folder, incoming, busy: Mutex::default() })
    }

    /// Begins or continues a file; `None` while another session receives it.
    ///
    /// # Errors
    /// When the partial file cannot be opened.
    pub fn receive(self: &Arc<Self>, hash: BlobHash) -> Result<Option<Incoming>, PhotoError> {
        if !self.busy.lock().unwrap_or_else(PoisonError::into_inner).insert(hash) {
            return Ok(None);
        }
        let open = || {
            if !self.part(&hash).exists() && self.place(&hash).exists() {
                // Renamed before a crash, and its row never came: nothing is sent twice.
                std::fs::rename(self.place(&hash), self.part(&hash))?;
            }
            PartialFile::open(Arc::new(RealVfs::default()), &self.part(&hash))
        };
        match open() {
            Ok(file) => Ok(Some(Incoming { photos: Arc::clone(self), hash, file })),
            Err(error) => {
                self.busy.lock().unwrap_or_else(PoisonError::into_inner).remove(&hash);
                Err(PhotoError::Io(error, "opening a partial file"))
            }
        }
    }

    fn part(&self, hash: &BlobHash) -> PathBuf {
        self.incoming.join(format!("{hash}.part"))
    }

    fn place(&self, hash: &BlobHash) -> PathBuf {
        let name = hash.to_string();
        self.folder.join(&name[..2]).join(&name)
    }

    /// A file to be read from its beginning, piece by piece.
    #[must_use]
    pub fn reader(self: &Arc<Self>, hash: &BlobHash) -> PhotoReader {
        PhotoReader { photos: Arc::clone(self), hash: *hash, at: 0, piece: Bytes::new() }
    }

    /// Part of a file.
    ///
    /// # Errors
    /// When it is not here or cannot be read.
    pub fn read(&self, hash: &BlobHash, offset: u64, len: usize) -> Result<Bytes, PhotoError> {
        let end = offset.saturating_add(len as u64);
        Ok(wait(self.store.get_range(&location(hash), offset..end))?)
    }

    /// A whole file.
    ///
    /// # Errors
    /// When it is not here or cannot be read.
    pub fn read_all(&self, hash: &BlobHash) -> Result<Bytes, PhotoError> {
        Ok(wait(async { self.store.get(&location(hash)).await?.bytes().await })?)
    }

    /// Removes the bytes of a file, if they are here.
    ///
    /// # Errors
    /// When they cannot be removed.
    pub fn remove(&self, hash: &BlobHash) -> Result<(), PhotoError> {
        let partial = PartialFile::open(Arc::new(RealVfs::default()), &self.part(hash));
        let removed = partial.and_then(|mut partial| partial.discard());
        removed.map_err(|error| PhotoError::Io(error, "removing a partial file"))?;
        match wait(self.store.delete(&location(hash))) {
            Err(object_store::Error::NotFound { .. }) | Ok(()) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

impl Incoming {
    /// What is here.
    #[must_use]
    pub fn here(&self) -> &Parts {
        self.file.here()
    }

    /// All so many bytes are here, and no others.
    #[must_use]
    pub fn is_complete(&self, bytes: u64) -> bool {
        self.here().prefix() == bytes && self.here().end().unwrap_or(0) == bytes
    }

    /// Writes a piece where it belongs.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&mut self, offset: u64, bytes: &[u8]) -> Result<(), PhotoError> {
        self.file.write(offset, bytes).map_err(|error| PhotoError::Io(error, "writing a partial file"))
    }

    /// Starts over: what was received was not the file.
    ///
    /// # Errors
    /// When the partial file cannot be removed.
    pub fn discard(&mut self) -> Result<(), PhotoError> {
        self.file.discard().map_err(|error| PhotoError::Io(error, "emptying a partial file"))
    }

    /// Checks the hash, syncs the file and gives it its place; answers the folder, which must be
    /// synced before anybody relies on the name. None when the bytes are not those of the hash; they
    /// are discarded then.
    ///
    /// # Errors
    /// When the partial file cannot be read, synced or renamed.
    pub fn finish(&mut self) -> Result<Option<PathBuf>, PhotoError> {
        if self.file.sha256().map_err(|error| PhotoError::Io(error, "reading a partial file"))? != self.hash {
            self.discard()?;
            return Ok(None);
        }
        let place = self.photos.place(&self.hash);
        let folder = place.parent().unwrap_or(&self.photos.folder).to_owned();
        let storing = |error| PhotoError::Io(error, "storing a file");
        self.file.sync_data().map_err(storing)?;
        std::fs::rename(self.photos.part(&self.hash), &place).map_err(storing)?;
        Ok(Some(folder))
    }
}

/// A photo being read.
#[derive(Debug)]
pub struct PhotoReader {
    photos: Arc<Photos>,
    hash: BlobHash,
    at: u64,
    piece: Bytes,
}

impl std::io::Read for PhotoReader {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        if self.piece.is_empty() {
            self.piece = match self.photos.read(&self.hash, self.at, PIECE) {
                Ok(piece) => piece,
                // Behind its end: the store has no empty range.
                Err(PhotoError::Store(object_store::Error::Generic { .. })) if self.at > 0 => Bytes::new(),
                Err(error) => return Err(std::io::Error::other(error)),
            };
            self.at += self.piece.len() as u64;
        }
        let piece = self.piece.split_to(buffer.len().min(self.piece.len()));
        buffer[..piece.len()].copy_from_slice(&piece);
        Ok(piece.len())
    }
}

/// Two digits of the hash as folder, so that no folder has a million files.
fn location(hash: &BlobHash) -> Path {
    let name = hash.to_string();
    Path::from_iter([&name[..2], &name])
}

/// Waits for the store on a thread where blocking is allowed.
fn wait<F: Future>(future: F) -> F::Output {
    if let Ok(handle) = tokio::runtime::Handle::try_current() {
        return handle.block_on(future);
    }
    tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("a runtime without drivers takes nothing that could be missing")
        .block_on(future)
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use sha2::{Digest as _, Sha256};

    use super::*;

    fn photos() -> (tempfile::TempDir, Arc<Photos>) {
        let place = tempfile::tempdir().unwrap();
        let photos = Photos::open(&place.path().join("photos"), &place.path().join("incoming")).unwrap();
        (place, Arc::new(photos))
    }

    fn hash(bytes: &[u8]) -> BlobHash {
        BlobHash(Sha256::digest(bytes).into())
    }

    #[test]
    fn a_file_arrives_in_pieces_over_two_sessions() {
        let (_place, photos) = photos();
        let bytes: Vec<u8> = (0..200_000_u32).map(|n| (n % 251) as u8).collect();
        let mut first = photos.receive(hash(&bytes)).unwrap().unwrap();
        first.write(0, &bytes[..70_000]).unwrap();
        assert!(photos.receive(hash(&bytes)).unwrap().is_none(), "one session at a time");
        first.write(150_000, &bytes[150_000..]).unwrap();
        drop(first);
        let mut second = photos.receive(hash(&bytes)).unwrap().unwrap();
        assert_eq!(second.here().to_list(), [(0, 70_000), (150_000, 200_000)]);
        assert!(!second.is_complete(200_000));
        second.write(70_000, &bytes[70_000..150_000]).unwrap();
        assert!(second.is_complete(200_000));
        assert!(second.finish().unwrap().is_some());
        assert!(!photos.part(&hash(&bytes)).exists());
        drop(second);
        // As after a crash before the row: it is all there, and finishes again.
        let mut again = photos.receive(hash(&bytes)).unwrap().unwrap();
        assert!(again.is_complete(200_000));
        assert!(again.finish().unwrap().is_some());
        let mut read = Vec::new();
        photos.reader(&hash(&bytes)).read_to_end(&mut read).unwrap();
        assert_eq!(read, bytes);
        assert_eq!(photos.read_all(&hash(&bytes)).unwrap(), bytes);
        assert_eq!(photos.read(&hash(&bytes), 199_990, 100).unwrap(), bytes[199_990..]);
        photos.remove(&hash(&bytes)).unwrap();
        photos.remove(&hash(&bytes)).unwrap();
        assert!(photos.read_all(&hash(&bytes)).is_err());
    }

    #[test]
    fn bytes_of_another_hash_are_discarded() {
        let (_place, photos) = photos();
        let mut incoming = photos.receive(hash(b"right")).unwrap().unwrap();
        incoming.write(0, b"wrong").unwrap();
        assert!(incoming.finish().unwrap().is_none());
        drop(incoming);
        assert!(photos.receive(hash(b"right")).unwrap().unwrap().here().is_empty());
        assert!(photos.read_all(&hash(b"right")).is_err());
    }

    #[test]
    fn a_large_file_is_read_in_pieces() {
        let (_place, photos) = photos();
        let bytes = vec![7_u8; PIECE * 2 + 5];
        let mut incoming = photos.receive(hash(&bytes)).unwrap().unwrap();
        incoming.write(0, &bytes).unwrap();
        assert!(incoming.finish().unwrap().is_some());
        assert_eq!(photos.read_all(&hash(&bytes)).unwrap().len(), bytes.len());
        let mut read = Vec::new();
        photos.reader(&hash(&bytes)).read_to_end(&mut read).unwrap();
        assert_eq!(read, bytes);
    }

    #[test]
    fn a_full_disk_is_called_that() {
        let (_place, photos) = photos();
        let name = hash(b"large");
        std::os::unix::fs::symlink("/dev/full", photos.part(&name)).unwrap();
        let mut incoming = photos.receive(name).unwrap().unwrap();
        assert!(incoming.write(0, b"large").unwrap_err().is_full());
    }
}
