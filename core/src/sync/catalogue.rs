//! What a side holds of a collection, as the set that negentropy reconciles: one item per document,
//! named by the hash of its key and heads.
//!
//! negentropy finds differences; that there are none is proven by the digest alone. Items are
//! ordered by the moment in a document's id, so that what was recorded together, and is often
//! missing together, is found together; nothing but the number of bytes depends on it.

use std::collections::{BTreeMap, BTreeSet};

use negentropy::{Id, Negentropy, NegentropyStorageVector};
use sha2::{Digest as _, Sha256};

use super::replica::{DocHeads, Refusal};
use super::session::{internal, malformed};
use crate::ids::DocKey;

/// Questions and answers about one collection in one comparison. Sixteen ranges a round find one
/// document among 2^64 in 16; the rest is for large differences, page by page.
pub(super) const MAX_ROUNDS: u32 = 64;

/// Name of a document in this state.
pub(super) type ItemId = [u8; 32];

/// The documents of one collection.
#[derive(Debug)]
pub(super) struct Catalogue<T> {
    filling: NegentropyStorageVector,
    set: Option<Negentropy<'static, NegentropyStorageVector>>,
    items: BTreeMap<ItemId, T>,
    rounds: u32,
    have: BTreeSet<ItemId>,
    need: BTreeSet<ItemId>,
}

/// SHA-256 over the key and the sorted heads.
pub(super) fn item_id(entry: &DocHeads) -> ItemId {
    let mut hash = Sha256::new();
    hash.update(entry.doc.to_bytes());
    entry.heads.iter().for_each(|head| hash.update(head.0));
    hash.finalize().into()
}

/// The milliseconds in a version 7 UUID; 0 in another one.
fn place(doc: &DocKey) -> u64 {
    let time = doc.id.0.get_timestamp().map_or(0, |time| {
        let (seconds, nanos) = time.to_unix();
        seconds.saturating_mul(1000).saturating_add(u64::from(nanos) / 1_000_000)
    });
    time.min(u64::MAX - 1)
}

impl<T> Catalogue<T> {
    pub(super) fn new() -> Self {
        Self {
            filling: NegentropyStorageVector::new(),
            set: None,
            items: BTreeMap::new(),
            rounds: 0,
            have: BTreeSet::new(),
            need: BTreeSet::new(),
        }
    }

    /// Adds a document, before the first question.
    pub(super) fn add(&mut self, entry: DocHeads, keep: impl FnOnce(DocHeads) -> T) -> Result<(), Refusal> {
        let id = item_id(&entry);
        self.filling.insert(place(&entry.doc), Id::from_byte_array(id)).map_err(own_fault)?;
        self.items.insert(id, keep(entry));
        Ok(())
    }

    pub(super) fn get(&self, id: &ItemId) -> Option<&T> {
        self.items.get(id)
    }

    fn seal(&mut self, frame: u64) -> Result<&mut Negentropy<'static, NegentropyStorageVector>, Refusal> {
        if self.set.is_none() {
            let mut storage = std::mem::take(&mut self.filling);
            storage.seal().map_err(own_fault)?;
            self.set = Some(Negentropy::owned(storage, frame).map_err(own_fault)?);
        }
        self.set.as_mut().ok_or_else(|| internal("a set that was just made"))
    }

    /// The first question.
    pub(super) fn ask(&mut self, frame: u64) -> Result<Vec<u8>, Refusal> {
        self.seal(frame)?.initiate().map_err(own_fault)
    }

    /// The answer to a question.
    pub(super) fn answer(&mut self, question: &[u8], frame: u64) -> Result<Vec<u8>, Refusal> {
        self.rounds += 1;
        if self.rounds > MAX_ROUNDS {
            return Err(malformed("a comparison that does not end"));
        }
        self.seal(frame)?.reconcile(question).map_err(|error| malformed(format!("a comparison: {error}")))
    }

    /// The next question, if there is one. After the last round there is none: what was found by
    /// then is transferred, and the rest found next time.
    pub(super) fn next(&mut self, answer: &[u8]) -> Result<Option<Vec<u8>>, Refusal> {
        self.rounds += 1;
        let (mut have, mut need) = (Vec::new(), Vec::new());
        let set = self.set.as_mut().ok_or_else(|| malformed("an answer to no question"))?;
        let next = set
            .reconcile_with_ids(answer, &mut have, &mut need)
            .map_err(|error| malformed(format!("a comparison: {error}")))?;
        self.have.extend(have.into_iter().map(Id::to_bytes));
        self.need.extend(need.into_iter().map(Id::to_bytes));
        if next.is_some() && self.rounds >= MAX_ROUNDS {
            return match self.have.is_empty() && self.need.is_empty() {
                true => Err(malformed("a comparison that does not end and finds nothing")),
                false => Ok(None),
            };
        }
        Ok(next)
    }

    /// What only this side has, and the names of what only the other one has.
    pub(super) fn found(mut self) -> (Vec<T>, Vec<ItemId>) {
        let have = std::mem::take(&mut self.have);
        (have.into_iter().filter_map(|id| self.items.remove(&id)).collect(), self.need.into_iter().collect())
    }
}

fn own_fault(error: negentropy::Error) -> Refusal {
    internal(format!("the catalogue of a collection: {error}"))
}
