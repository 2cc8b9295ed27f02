//! Why a run of changes is not admitted.

use super::malformed::Malformed;
use crate::identity::{Level, Role};
use crate::ids::{Actor, ChangeHash, Collection, DocKind, EntryId, PublicKey};

/// A refusal. [`Refusal::is_timeless`] tells those that every replica gives for ever from those
/// that something yet to come may lift; the latter are held, never dropped.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// No change, or more than a run may have.
    #[error("a run has 1 to {limit} changes and at most {bytes} bytes")]
    RunSize {
        /// Most changes.
        limit: usize,
        /// Most bytes.
        bytes: usize,
    },
    /// The bytes of a change.
    #[error("change {index} of the run: {why}")]
    Malformed {
        /// Position in the run.
        index: usize,
        /// What is wrong.
        #[source]
        why: Malformed,
    },
    /// The run is interrupted: other actors, a gap, or a change that does not follow the one before.
    #[error("change {index} of the run does not follow the one before it")]
    NotARun {
        /// Position in the run.
        index: usize,
    },
    /// The signature is not of the key in the changes' actor, over this document and change.
    #[error("the signature is not by the author of the changes, or for other ones")]
    Signature,
    /// The change belongs to a document of a schema that this version does not know. Held until the
    /// program is updated.
    #[error("the change is of a newer schema; update the program, until then the change waits")]
    NewerSchema {
        /// The change.
        change: ChangeHash,
    },
    /// An operation in an object that is no container of this kind of document.
    #[error("change {change} writes outside the containers of a document")]
    Container {
        /// The change.
        change: ChangeHash,
    },
    /// An entry is overwritten, or a second time below itself.
    #[error("change {change} overwrites entry {entry}; entries are written once")]
    Overwrite {
        /// The change.
        change: ChangeHash,
        /// The key.
        entry: String,
    },
    /// The key of an entry is not the hash of its text.
    #[error("change {change} files an entry under {key}, which is not the name of its text")]
    EntryKey {
        /// The change.
        change: ChangeHash,
        /// The key.
        key: String,
    },
    /// An entry is not one JSON object.
    #[error("entry {entry} of change {change} is not a JSON object")]
    EntryText {
        /// The change.
        change: ChangeHash,
        /// The entry.
        entry: EntryId,
    },
    /// The same key twice in one change.
    #[error("change {change} writes {key:?} twice")]
    Twice {
        /// The change.
        change: ChangeHash,
        /// The key.
        key: String,
    },
    /// A register with a name that none can have.
    #[error("change {change} writes a register with an unusable name")]
    RegisterName {
        /// The change.
        change: ChangeHash,
    },
    /// A register assignment overwrites what its author cannot have seen, or no register.
    #[error("change {change} overwrites a value that is not an earlier value of the same register")]
    Predecessor {
        /// The change.
        change: ChangeHash,
    },
    /// An assertion that replaces part of a conflict that its author had in view.
    #[error("change {change} replaces only some of the conflicting values of {field}; name all or none")]
    HidesConflict {
        /// The change.
        change: ChangeHash,
        /// The gated fact.
        field: String,
    },
    /// The signer is nobody that this replica knows. Held: a certificate may come.
    #[error("{key} is not a member that this replica knows")]
    NotAMember {
        /// The signer.
        key: PublicKey,
    },
    /// The signer's role or level does not allow it.
    #[error("a {kind} document needs role {role:?}{} for this", level.map_or("", |level| match level { Level::County => " (county)", Level::City => " (city)" }))]
    Right {
        /// Kind of the document.
        kind: DocKind,
        /// Role needed.
        role: Role,
        /// Level needed, in case files.
        level: Option<Level>,
    },
    /// A case entry signed by a server without a witness, or one with a witness by somebody else.
    #[error("change {change} of a case file: {why}")]
    Witness {
        /// The change.
        change: ChangeHash,
        /// What is wrong.
        why: &'static str,
    },
    /// A server writes into a field record what is no row of an imported list.
    #[error("change {change} is a server's and names no list that it was imported from")]
    NotImported {
        /// The change.
        change: ChangeHash,
    },
    /// The signer has no right in the collection, or the collection is not one of that kind.
    #[error("the signer has no right in collection {collection}")]
    Collection {
        /// The collection.
        collection: Collection,
    },
    /// Something that it depends on is not here yet.
    #[error("change {change} waits for {} other change(s)", missing.len())]
    MissingDeps {
        /// The change.
        change: ChangeHash,
        /// What is missing, sorted.
        missing: Vec<ChangeHash>,
    },
    /// The actor has written another change under the same number.
    #[error("actor {} has two changes with number {seq}: {first} was here first, {second} is refused", actor.short())]
    Equivocation {
        /// The actor.
        actor: Actor,
        /// The number.
        seq: u64,
        /// The one that stands.
        first: ChangeHash,
        /// The one that is refused.
        second: ChangeHash,
    },
    /// The change does not depend on its actor's change before it.
    #[error("change {change} does not depend on its author's change before it")]
    Sequence {
        /// The change.
        change: ChangeHash,
    },
    /// The operation counter does not follow the highest one of what the change depends on.
    #[error("change {change} starts at operation {found}, after its dependencies comes {expected}")]
    StartOp {
        /// The change.
        change: ChangeHash,
        /// The only right one.
        expected: u64,
        /// What it says.
        found: u64,
    },
    /// automerge refused, failed, or would write a document that does not load the same. With the
    /// checks before this one it should never be seen.
    #[error("the document library does not take it: {0}")]
    Library(String),
}

impl Refusal {
    /// Whether every replica refuses it for ever. If not, it is held until what it waits for comes.
    #[must_use]
    pub fn is_timeless(&self) -> bool {
        !matches!(
            self,
            Self::NotAMember { .. }
                | Self::MissingDeps { .. }
                | Self::NewerSchema { .. }
                | Self::Equivocation { .. }
                | Self::Library(_)
        )
    }

    /// A short stable name, for the wire, logs and tables.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::RunSize { .. } => "run_size",
            Self::Malformed { .. } => "malformed",
            Self::NotARun { .. } => "not_a_run",
            Self::Signature => "signature",
            Self::NewerSchema { .. } => "newer_schema",
            Self::Container { .. } => "container",
            Self::Overwrite { .. } => "overwrite",
            Self::EntryKey { .. } => "entry_key",
            Self::EntryText { .. } => "entry_text",
            Self::Twice { .. } => "twice",
            Self::RegisterName { .. } => "register_name",
            Self::Predecessor { .. } => "predecessor",
            Self::HidesConflict { .. } => "hides_conflict",
            Self::NotAMember { .. } => "not_a_member",
            Self::Right { .. } => "right",
            Self::Witness { .. } => "witness",
            Self::NotImported { .. } => "not_imported",
            Self::Collection { .. } => "collection",
            Self::MissingDeps { .. } => "missing_deps",
            Self::Equivocation { .. } => "equivocation",
            Self::Sequence { .. } => "sequence",
            Self::StartOp { .. } => "start_op",
            Self::Library(_) => "library",
        }
    }
}
