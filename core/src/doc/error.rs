//! What can go wrong with a document.

use crate::admission::Malformed;
use crate::ids::{ChangeHash, DocKind, EntryId};

/// Why a document cannot be opened, read or written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DocError {
    /// automerge refuses the bytes or the operation.
    #[error("the document library refused: {0}")]
    Automerge(String),
    /// automerge panicked; the document at hand must not be used further.
    #[error("the document library failed on these bytes (a panic was caught); rebuild the document from its changes")]
    Panicked,
    /// The bytes are an automerge document, but none that this program writes.
    #[error("not a document of this program: {0}")]
    NotOurs(&'static str),
    /// The document is of another kind.
    #[error("this is not a {wanted} document")]
    WrongKind {
        /// The kind that was asked for.
        wanted: DocKind,
    },
    /// The document has containers of a schema version that this program does not know.
    #[error("the document uses schema {found}, this program knows up to {known}; update the program")]
    NewerSchema {
        /// Version of the document.
        found: u64,
        /// Highest known version.
        known: u64,
    },
    /// Nothing to write: an act has at least one entry or register.
    #[error("nothing to write: the act has no entry and no register that changes anything")]
    Empty,
    /// An entry is not one JSON object.
    #[error("an entry must be one JSON object: {0}")]
    NotAnObject(String),
    /// The same entry is already in the document.
    #[error("entry {0} is already in the document")]
    AlreadyThere(EntryId),
    /// The act does not fit into one change.
    #[error("too large for one change: {0}; split it into several acts")]
    TooLarge(&'static str),
    /// The change would be refused by every replica.
    #[error("the change would be refused everywhere: {0}")]
    Inadmissible(Malformed),
    /// A register is named by 1 to 64 characters.
    #[error("{0:?} cannot name a register (1 to 64 characters, no control characters)")]
    RegisterName(String),
    /// An assertion replaces part of a conflict that its author has in view.
    #[error(
        "{field} has several conflicting values; an assertion must name all of them or none, and only a case decision ends the conflict"
    )]
    HidesConflict {
        /// The gated fact.
        field: String,
    },
    /// A change that was named is not in the document.
    #[error("a change named {0} is not in the document")]
    UnknownChange(ChangeHash),
    /// Something that should be JSON cannot be written as JSON.
    #[error("cannot be written as JSON: {0}")]
    Json(String),
}

impl DocError {
    pub(crate) fn automerge(error: impl std::fmt::Display) -> Self {
        Self::Automerge(error.to_string())
    }
}
