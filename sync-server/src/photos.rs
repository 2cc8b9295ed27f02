//! Photos and attachments: bytes named by their SHA-256.
//!
//! A file arrives in `incoming/HASH.part`, in pieces, over as many sessions as it takes. Complete,
//! it is hashed and put into the object store with fsync; only then comes its row, and only then
//! its receipt. Names are made from hashes, never from what a device says, so that no path leads
//! out of the folder.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path as FsPath, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{MultipartUpload as _, ObjectStore, ObjectStoreExt as _};
use outlet_core::ids::BlobHash;
use sha2::{Digest as _, Sha256};

use crate::error::{CommandError, IoContext};

/// Files up to this size are put at once, larger ones in pieces of it.
const PIECE: usize = 8 << 20;

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
    /// A piece that does not continue what is there.
    #[error("a piece at {offset} does not continue a file of {length} bytes")]
    Gap {
        /// Where the piece belongs.
        offset: u64,
        /// What is there.
        length: u64,
    },
}

impl PhotoError {
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
    incoming: PathBuf,
    /// Being received by some session.
    busy: Mutex<BTreeSet<BlobHash>>,
}

/// A file being received: nobody else receives it until this is dropped.
#[derive(Debug)]
pub struct Incoming {
    photos: Arc<Photos>,
    hash: BlobHash,
    file: File,
    length: u64,
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
            crate::folder::sync_folder(path)?;
        }
        // The default does not sync: a receipt would promise what a power cut takes back.
        let store = LocalFileSystem::new_with_prefix(folder)
            .map_err(|error| {
                CommandError::user(format!("the photo folder {} cannot be used: {error}", folder.display()))
            })?
            .with_fsync(true);
        Ok(Self { store: Arc::new(store), incoming: incoming.to_owned(), busy: Mutex::default() })
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
            let file = File::options().create(true).truncate(false).read(true).write(true).open(self.part(&hash))?;
            let length = file.metadata()?.len();
            Ok((file, length))
        };
        match open() {
            Ok((file, length)) => Ok(Some(Incoming { photos: Arc::clone(self), hash, file, length })),
            Err(error) => {
                self.busy.lock().unwrap_or_else(PoisonError::into_inner).remove(&hash);
                Err(PhotoError::Io(error, "opening a partial file"))
            }
        }
    }

    fn part(&self, hash: &BlobHash) -> PathBuf {
        self.incoming.join(format!("{hash}.part"))
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
        match std::fs::remove_file(self.part(hash)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(PhotoError::Io(error, "removing a partial file"));
            }
            _ => {}
        }
        match wait(self.store.delete(&location(hash))) {
            Err(object_store::Error::NotFound { .. }) | Ok(()) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

impl Incoming {
    /// Bytes that are here.
    #[must_use]
    pub fn length(&self) -> u64 {
        self.length
    }

    /// Appends a piece.
    ///
    /// # Errors
    /// When it does not continue the file, or cannot be written.
    pub fn write(&mut self, offset: u64, bytes: &[u8]) -> Result<(), PhotoError> {
        if offset != self.length {
            return Err(PhotoError::Gap { offset, length: self.length });
        }
        self.file
            .seek(SeekFrom::Start(offset))
            .and_then(|_| self.file.write_all(bytes))
            .map_err(|error| PhotoError::Io(error, "writing a partial file"))?;
        self.length += bytes.len() as u64;
        Ok(())
    }

    /// Starts over: what was received was not the file.
    ///
    /// # Errors
    /// When the partial file cannot be cut.
    pub fn discard(&mut self) -> Result<(), PhotoError> {
        self.length = 0;
        self.file.set_len(0).map_err(|error| PhotoError::Io(error, "emptying a partial file"))
    }

    /// Checks the hash and puts the file into the store, durably. False when the bytes are not
    /// those of the hash; they are discarded then. The partial file stays until
    /// [`Incoming::remove_partial`]: after a crash before the row, nothing is sent twice.
    ///
    /// # Errors
    /// When the partial file cannot be read, or the store refuses.
    pub fn finish(&mut self) -> Result<bool, PhotoError> {
        if self.sha256()? != self.hash {
            self.discard()?;
            return Ok(false);
        }
        let location = location(&self.hash);
        let reading = |error| PhotoError::Io(error, "reading a partial file");
        self.file.seek(SeekFrom::Start(0)).map_err(reading)?;
        if self.length <= PIECE as u64 {
            let piece = read_piece(&mut self.file).map_err(reading)?;
            wait(self.photos.store.put(&location, piece.into()))?;
        } else {
            let mut upload = wait(self.photos.store.put_multipart(&location))?;
            loop {
                let piece = read_piece(&mut self.file).map_err(reading)?;
                if piece.is_empty() {
                    break;
                }
                wait(upload.put_part(piece.into()))?;
            }
            wait(upload.complete())?;
        }
        Ok(true)
    }

    /// The file is in the store and its row durable: the partial file has done its work, and a
    /// leftover is harmless.
    pub fn remove_partial(self) {
        let _ = std::fs::remove_file(self.photos.part(&self.hash));
    }

    fn sha256(&mut self) -> Result<BlobHash, PhotoError> {
        let reading = |error| PhotoError::Io(error, "reading a partial file");
        self.file.seek(SeekFrom::Start(0)).map_err(reading)?;
        let mut hasher = Sha256::new();
        let mut buffer = vec![0; 256 << 10];
        loop {
            let got = self.file.read(&mut buffer).map_err(reading)?;
            if got == 0 {
                return Ok(BlobHash(hasher.finalize().into()));
            }
            hasher.update(&buffer[..got]);
        }
    }
}

fn read_piece(file: &mut File) -> std::io::Result<Vec<u8>> {
    let mut piece = Vec::new();
    file.take(PIECE as u64).read_to_end(&mut piece)?;
    Ok(piece)
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
        assert!(matches!(first.write(80_000, b"x"), Err(PhotoError::Gap { offset: 80_000, length: 70_000 })));
        drop(first);
        let mut second = photos.receive(hash(&bytes)).unwrap().unwrap();
        assert_eq!(second.length(), 70_000);
        second.write(70_000, &bytes[70_000..]).unwrap();
        assert!(second.finish().unwrap());
        assert_eq!(std::fs::metadata(photos.part(&hash(&bytes))).unwrap().len(), 200_000, "until the row is there");
        second.remove_partial();
        assert!(!photos.part(&hash(&bytes)).exists());
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
        assert!(!incoming.finish().unwrap());
        drop(incoming);
        assert_eq!(photos.receive(hash(b"right")).unwrap().unwrap().length(), 0);
        assert!(photos.read_all(&hash(b"right")).is_err());
    }

    #[test]
    fn a_large_file_goes_in_parts() {
        let (_place, photos) = photos();
        let bytes = vec![7_u8; PIECE * 2 + 5];
        let mut incoming = photos.receive(hash(&bytes)).unwrap().unwrap();
        incoming.write(0, &bytes).unwrap();
        assert!(incoming.finish().unwrap());
        assert_eq!(photos.read_all(&hash(&bytes)).unwrap().len(), bytes.len());
    }
}
