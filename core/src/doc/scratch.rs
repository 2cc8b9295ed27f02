//! What admission needs of a document: trying changes on a copy, and looking up operations.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use automerge::{Automerge, Change, ReadDoc};

use super::document::{Document, Locator};
use super::error::DocError;
use super::genesis::Constants;
use crate::ids::{ChangeHash, DocKind, EntryId};

impl Document {
    /// Applies chunks, dependencies first or not, to a copy of `base` (or to nothing at all: the
    /// genesis must then be among them) and gives the document *as loaded from its saved bytes*.
    ///
    /// Loading recomputes every change from the saved columns and compares the heads. A head is a
    /// hash over its change's bytes, which name its dependencies by hash, so equal heads mean that
    /// every change came back byte for byte.
    pub(crate) fn extended(
        base: Option<&Self>,
        kind: DocKind,
        constants: &Arc<Constants>,
        raws: &[&[u8]],
    ) -> Result<(Self, Vec<u8>), DocError> {
        let work = || {
            let changes = raws.iter().map(|raw| Change::try_from(*raw)).collect::<Result<Vec<_>, _>>();
            let changes = changes.map_err(DocError::automerge)?;
            let mut hashes: Vec<ChangeHash> = changes.iter().map(|change| ChangeHash(change.hash().0)).collect();
            let mut scratch = base.map_or_else(Automerge::new, |base| base.inner.clone());
            scratch.apply_changes(changes).map_err(DocError::automerge)?;
            let saved = scratch.save();
            let loaded = Automerge::load(&saved).map_err(DocError::automerge)?;
            if loaded.get_heads() != scratch.get_heads() {
                return Err(DocError::NotOurs("a saved document came back with other heads"));
            }
            let document = Self::wrap(kind, loaded, Arc::clone(constants))?;
            hashes.retain(|hash| !document.has(hash));
            if hashes.is_empty() { Ok((document, saved)) } else { Err(DocError::UnknownChange(hashes[0])) }
        };
        catch_unwind(AssertUnwindSafe(work)).unwrap_or(Err(DocError::Panicked))
    }

    /// A document of changes that were admitted without a trial on a copy: all of them at once, with
    /// the constants before them.
    pub(crate) fn assembled<'a>(
        kind: DocKind,
        constants: &'a Arc<Constants>,
        raws: impl Iterator<Item = &'a [u8]>,
    ) -> Result<Self, DocError> {
        let first = constants.of(kind).iter().map(|constant| constant.raw.as_slice());
        let work = || {
            let changes = first.chain(raws).map(Change::try_from).collect::<Result<Vec<_>, _>>();
            let mut inner = Automerge::new();
            inner.apply_changes(changes.map_err(DocError::automerge)?).map_err(DocError::automerge)?;
            Self::wrap(kind, inner, Arc::clone(constants))
        };
        catch_unwind(AssertUnwindSafe(work)).unwrap_or(Err(DocError::Panicked))
    }

    /// The changes that wrote the entry. `locate` is this document's: it walks all changes once, so
    /// whoever asks for many entries makes it once.
    pub(crate) fn changes_of_entry(&self, id: &EntryId, locate: &Locator) -> Vec<ChangeHash> {
        let key = id.to_string();
        let containers = self.entry_containers();
        let ops =
            containers.iter().flat_map(|container| self.inner.get_all(container, key.as_str()).unwrap_or_default());
        ops.filter_map(|(_, id)| locate.find(&id)).map(|(_, change)| change.hash).collect()
    }

    /// Whether an entry of this name is in the document.
    pub(crate) fn has_entry(&self, id: &EntryId) -> bool {
        let key = id.to_string();
        self.entry_containers().iter().any(|container| matches!(self.inner.get(container, key.as_str()), Ok(Some(_))))
    }

    /// Finds the change of an operation of this document.
    pub(crate) fn locator(&self) -> Locator {
        Locator::new(&self.changes)
    }
}
