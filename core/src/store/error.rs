//! What can go wrong below the CLI: each error says what happened, why, and what to do next.

use std::io;
use std::path::PathBuf;

use super::frame::FrameFault;
use crate::ids::{BlobHash, DocKey};

/// Why a store operation failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// A file operation failed.
    #[error("{doing} {path}: {source}", path = path.display())]
    Io {
        /// What was being done.
        doing: &'static str,
        /// To which file.
        path: PathBuf,
        /// What the file system says.
        #[source]
        source: io::Error,
    },
    /// The disk is full, or nearly: nothing was written.
    #[error("not saved: the disk has {free} bytes left and {needed} are needed; free some space and save again")]
    DiskFull {
        /// Bytes left.
        free: u64,
        /// Bytes needed, with what the index needs to be opened again.
        needed: u64,
    },
    /// The medium refused to confirm a write.
    #[error(
        "not saved: the disk did not confirm the write ({source}); close and open the store again, it will be checked"
    )]
    SyncFailed {
        /// What the file system says.
        #[source]
        source: io::Error,
    },
    /// A sync failed earlier: nothing may be written before the journal was walked again.
    #[error(
        "the store stopped writing because the disk did not confirm an earlier write; close and open it again, it will be checked"
    )]
    Poisoned,
    /// The journal is damaged in the middle: what is readable is shown, nothing is written.
    #[error(
        "the store is read-only because its journal is damaged; `outlet doctor` shows where and exports what is readable, then restore a backup or enrol again"
    )]
    ReadOnly,
    /// A newer program wrote this store.
    #[error("{path} was written by a newer version of this program (format {version}); update it, nothing was changed", path = path.display())]
    NewerVersion {
        /// The file.
        path: PathBuf,
        /// Its format version.
        version: u8,
    },
    /// A frame that was good is not readable any more.
    #[error("segment {segment} of the journal is damaged at byte {offset}: {fault}; run `outlet doctor`")]
    Damaged {
        /// Number of the segment.
        segment: u32,
        /// Where in it.
        offset: u64,
        /// How.
        #[source]
        fault: FrameFault,
    },
    /// The journal ends before a frame that the index has seen.
    #[error("the journal ends before frame {sequence}, which was saved; run `outlet doctor`")]
    Shortened {
        /// The frame.
        sequence: u64,
    },
    /// A commit larger than a frame may be.
    #[error("a commit of {bytes} bytes is larger than the {limit} that a journal frame holds; split it")]
    TooLarge {
        /// Its length.
        bytes: usize,
        /// The limit.
        limit: usize,
    },
    /// Another process has the store open.
    #[error("the store is in use by {holder}; wait for it to end, or end it, and try again")]
    Locked {
        /// Who and since when, as the lock file says.
        holder: String,
    },
    /// The directory cannot be written.
    #[error("the store {path} cannot be written ({source}); check its permissions and that the disk is not mounted read-only", path = path.display())]
    ReadOnlyHome {
        /// The store's directory.
        path: PathBuf,
        /// What the file system says.
        #[source]
        source: io::Error,
    },
    /// The file system has no locks or no sync.
    #[error("the file system of {path} cannot {lacks}, so a saved record could be lost; choose another directory, or accept it with --accept-weak-storage", path = path.display())]
    WeakStorage {
        /// The store's directory.
        path: PathBuf,
        /// What it cannot do.
        lacks: &'static str,
    },
    /// A photo or file could not be read to its end.
    #[error(
        "{name} could not be read to its end: {source}; nothing was stored, check the medium it is on and try again"
    )]
    SourceVanished {
        /// The file as it was given.
        name: String,
        /// What the file system says.
        #[source]
        source: io::Error,
    },
    /// A photo or file changed its length while it was read.
    #[error(
        "{name} changed while it was read ({expected} bytes at the start, {got} read); nothing was stored, try again when it is complete"
    )]
    SourceChanged {
        /// The file as it was given.
        name: String,
        /// Length when it was opened.
        expected: u64,
        /// Bytes read.
        got: u64,
    },
    /// A photo or file is larger than may be kept.
    #[error("{name} is larger than {limit} bytes; nothing was stored, make it smaller or split it")]
    BlobTooLarge {
        /// The file as it was given.
        name: String,
        /// The limit.
        limit: u64,
    },
    /// Bytes received are not those of the name.
    #[error("the file received as {expected} has another hash ({got}) and was thrown away; it will be asked for again")]
    BlobMismatch {
        /// What was announced.
        expected: BlobHash,
        /// What came.
        got: BlobHash,
    },
    /// Bytes of a file were written or asked for at an impossible place.
    #[error("file {hash}: offset {offset} does not fit the {held} bytes held")]
    BlobOffset {
        /// The file.
        hash: BlobHash,
        /// The offset asked for.
        offset: u64,
        /// Bytes held.
        held: u64,
    },
    /// No bytes under this name.
    #[error("file {0} is not on this device; it comes with the next sync that includes originals")]
    NoBlob(BlobHash),
    /// A record that this program cannot decode although its frame is sound.
    #[error("frame {sequence} of the journal cannot be decoded: {source}; run `outlet doctor`")]
    Record {
        /// Sequence of the frame, 0 when it is not known.
        sequence: u64,
        /// Why.
        #[source]
        source: minicbor::decode::Error,
    },
    /// The index failed. It can always be rebuilt from the journal.
    #[error("the index failed: {0}; it is rebuilt from the journal when the store is opened again")]
    Index(String),
    /// The commit is in the journal, only the index could not follow.
    #[error(
        "saved, but the index could not follow ({0}); close and open the store again, do not enter the record twice"
    )]
    SavedButIndexFailed(String),
    /// A document cannot be opened or written.
    #[error("document {doc}: {source}")]
    Document {
        /// Which.
        doc: DocKey,
        /// Why.
        #[source]
        source: crate::doc::DocError,
    },
    /// The identity of the store is unreadable. Never replaced by a new one silently.
    #[error("the identity of this store cannot be read: {0}; restore {1} from a backup, or enrol in a new directory")]
    Identity(String, PathBuf),
    /// An act that the member has no right to, or that no replica would take: nothing was saved.
    #[error("not saved: {0}; ask for a ticket with the right role, level and collections")]
    NotPermitted(#[source] crate::admission::Refusal),
    /// An act that is part of its document, or was issued again already, or is not known.
    #[error("change {0} was not rejected, or was issued again already")]
    NotRejected(crate::ids::ChangeHash),
    /// There is no store where one was asked for.
    #[error("there is no store in {0}; enrol with `outlet enroll TICKET` first")]
    NoStore(PathBuf),
    /// A backup or export cannot be read.
    #[error("{path} is not a backup of this program: {reason}", path = path.display())]
    NotABackup {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A store is already there.
    #[error("{0} holds a store already; restore into an empty directory")]
    StoreExists(PathBuf),
    /// A document that does not exist.
    #[error("there is no document {0} in this store")]
    NoDocument(DocKey),
}

impl StoreError {
    /// For `map_err` on file operations.
    pub(super) fn io(doing: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { doing, path, source }
    }

    /// Is the cause a full disk (or quota)?
    #[must_use]
    pub fn is_disk_full(&self) -> bool {
        match self {
            Self::DiskFull { .. } => true,
            Self::Io { source, .. } | Self::SyncFailed { source } => is_full(source),
            _ => false,
        }
    }
}

pub(super) fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge)
}
