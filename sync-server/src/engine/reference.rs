//! Reference documents that the server writes itself: data sets and seals, signed with its own key
//! and admitted on the same way as everybody's changes.

use outlet_core::admission::check_run;
use outlet_core::doc::{Document, to_json};
use outlet_core::domain::reference::ReferenceEntry;
use outlet_core::identity::SignedRun;
use outlet_core::ids::{Collection, DocKey, DocKind, OutletId};
use outlet_core::sync::replica::Outcome;

use super::policy::Rules;
use super::work::Batch;
use super::{Engine, EngineError, projector, write};
use crate::db::DbError;

/// The document that holds a data set, or the seals: named by what it holds, so that each server
/// of a system writes the same one. The bits of a version 8 UUID (RFC 9562).
#[must_use]
pub fn reference_key(kind: &str, name: &str) -> DocKey {
    let mut hasher = blake3::Hasher::new_derive_key("outlet 2026 reference document v1");
    hasher.update(kind.as_bytes()).update(&[0]).update(name.as_bytes());
    let mut bytes = [0; 16];
    hasher.finalize_xof().fill(&mut bytes);
    bytes[6] = (bytes[6] & 0x0f) | 0x80;
    bytes[8] = (bytes[8] & 0x3f) | 0x80;
    let hex = data_encoding::HEXLOWER.encode(&bytes);
    let id: OutletId = hex.parse().expect("32 hexadecimal digits are a UUID");
    DocKey { kind: DocKind::Reference, collection: Collection::REFERENCE, id }
}

impl Engine {
    /// The entries of a reference document, in order.
    ///
    /// # Errors
    /// When it cannot be loaded.
    pub fn reference_entries(&self, key: &DocKey) -> Result<Vec<ReferenceEntry>, EngineError> {
        let document = self.database().read(|tx| projector::load(tx, key))?;
        let entries = document.iter().flat_map(Document::entries);
        Ok(entries.filter_map(|entry| entry.parse().ok()).collect())
    }

    /// Writes entries into a reference document as the server. Ledger rows follow in the same
    /// transaction when they read what is new.
    ///
    /// # Errors
    /// When the document cannot be written, or the database refuses.
    pub fn write_reference(&self, key: DocKey, entries: &[ReferenceEntry]) -> Result<(), EngineError> {
        let wrong = |error| EngineError::Document(key, error);
        let texts = entries.iter().map(to_json).collect::<Result<Vec<_>, _>>().map_err(wrong)?;
        self.write_own(key, &texts, |document| Ok(document.unwrap_or_else(|| Document::new(key.kind))))
    }

    /// One change of the server's own: read, signed and admitted in one transaction, so that of two
    /// requests at once the second builds on the first. All of it or nothing.
    pub(super) fn write_own(
        &self,
        key: DocKey,
        entries: &[String],
        begin: impl FnOnce(Option<Document>) -> Result<Document, EngineError>,
    ) -> Result<(), EngineError> {
        if self.is_full() {
            return Err(EngineError::Full);
        }
        let withdrawn = self.database().write::<_, EngineError>(|tx| {
            let now = self.receipt_time(tx)?;
            let roster = self.folder.roster(tx)?;
            let mut document = begin(projector::load(tx, &key)?)?;
            let change = document
                .write(&self.folder.actor(), now, entries, &[])
                .map_err(|error| EngineError::Document(key, error))?;
            let run = SignedRun::sign(self.folder.key(), key, vec![change.raw])
                .ok_or_else(|| DbError::Damaged("a change that is none".into()))?;
            let refused = |why: &dyn std::fmt::Debug| {
                EngineError::Peer(format!("the server's own change was not admitted: {why:?}"))
            };
            let run = check_run(&run, &roster).map_err(|refusal| refused(&refusal))?;
            let mut batch = Batch::new(self, tx, &roster, self.folder.key().public(), now);
            batch.take(0, run);
            batch.run(Rules::Ordinary)?;
            let mut outcomes = vec![None];
            let written = write::write(&mut batch, &mut outcomes)?;
            match outcomes.first() {
                Some(Some(Outcome::Stored { .. })) => Ok(written.withdrawn),
                other => Err(refused(&other)),
            }
        })?;
        self.remove_files(&withdrawn);
        Ok(())
    }
}
