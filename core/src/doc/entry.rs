//! An entry as read from a document: its text, and the change that brought it.

use std::sync::Arc;

use serde::de::DeserializeOwned;

use crate::ids::{Actor, ChangeHash, EntryId};
use crate::time::Timestamp;

/// Which change brought an entry, and on whose device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// The change.
    pub change: ChangeHash,
    /// Its author's device and incarnation.
    pub actor: Actor,
    /// Its number within the actor's changes to this document, from 1.
    pub seq: u64,
    /// The device's clock, in seconds precision. Recorded, never compared to decide a winner.
    pub device_time: Timestamp,
    /// Receipt by the server, where known: filled in by whoever keeps receipts, never by the document.
    pub received_at: Option<Timestamp>,
}

/// What the text of an entry is read as.
pub trait EntryText: DeserializeOwned {
    /// Reads the text: as serde does, maybe on a shorter way.
    ///
    /// # Errors
    /// The JSON error.
    fn read(json: &str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(json)
    }
}

/// An entry of a document.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// Its name: a hash of its text, so it cannot be rewritten.
    pub id: EntryId,
    /// The text as stored: one JSON object.
    pub json: Arc<str>,
    /// Where it comes from.
    pub origin: Origin,
}

impl Entry {
    /// The typed entry, or why this version does not know it. Unknown types and values are kept in
    /// the document and shown as unknown.
    ///
    /// # Errors
    /// The JSON error, when the text is of a newer version or not an entry of this kind.
    pub fn parse<T: EntryText>(&self) -> Result<T, serde_json::Error> {
        T::read(&self.json)
    }

    /// Name of an entry with this text: BLAKE3 with a domain tag, first 16 bytes.
    #[must_use]
    pub fn id_of(json: &str) -> EntryId {
        let hash = blake3::Hasher::new_derive_key("outlet 2026 entry id v1").update(json.as_bytes()).finalize();
        let mut id = [0; 16];
        id.copy_from_slice(&hash.as_bytes()[..16]);
        EntryId(id)
    }
}
