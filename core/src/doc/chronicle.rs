//! What a document says, read from its changes alone: entries, history, heads, without automerge.
//!
//! A change of this program holds nothing but texts under names ([`super`], "Format of a document"),
//! entries are written once, and document order is that of counters and hashes. So a list of changes
//! is enough to say what [`Document`](super::Document) says of entries and history, at a tenth of the
//! cost of opening it. Values of registers, which overwrite one another, are not in here.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use super::document::{ChangeInfo, shared_constants};
use super::entry::{Entry, Origin};
use super::genesis::{Constants, ENTRIES, REGISTERS, RESERVED};
use crate::admission::{ChangeHead, Malformed, Op, read_admitted};
use crate::ids::{Actor, ChangeHash, DocKind, EntryId};
use crate::time::Timestamp;

/// Entries and history of a document. The changes are taken to be admitted ones: nothing is checked.
#[derive(Debug, Clone)]
pub struct Chronicle {
    kind: DocKind,
    constants: Arc<Constants>,
    /// In document order.
    changes: Vec<Arc<ChangeInfo>>,
    by_hash: HashMap<ChangeHash, Arc<ChangeInfo>>,
    /// In document order, echoes included.
    entries: Vec<Placed>,
    /// Names of the registers that were assigned.
    registers: BTreeSet<String>,
    /// Who wrote in it.
    actors: BTreeSet<Actor>,
    straight: bool,
}

/// An entry with its place in document order.
#[derive(Debug, Clone)]
struct Placed {
    start_op: u64,
    number: usize,
    entry: Entry,
}

impl Placed {
    fn order(&self) -> (u64, ChangeHash, usize) {
        (self.start_op, self.entry.origin.change, self.number)
    }
}

impl Chronicle {
    /// Of a document that has no change yet, not even the genesis.
    #[must_use]
    pub fn new(kind: DocKind) -> Self {
        Self {
            kind,
            constants: shared_constants(),
            changes: Vec::new(),
            by_hash: HashMap::new(),
            entries: Vec::new(),
            registers: BTreeSet::new(),
            actors: BTreeSet::new(),
            straight: true,
        }
    }

    /// Reads raw changes that were admitted before. Constants need not be among them.
    ///
    /// # Errors
    /// [`Malformed`], when something is no change of this program: it was never admitted.
    pub fn read<'a>(kind: DocKind, raws: impl IntoIterator<Item = &'a [u8]>) -> Result<Self, Malformed> {
        let heads = raws.into_iter().map(read_admitted).collect::<Result<Vec<_>, _>>()?;
        let mut chronicle = Self::new(kind);
        chronicle.extend(&heads);
        Ok(chronicle)
    }

    /// Adds changes, in any order, and the constants that they build on. Known ones are skipped.
    pub fn extend<'a>(&mut self, heads: impl IntoIterator<Item = &'a ChangeHead>) {
        // What was here is sorted; looked at again, adding one change after another would cost the square.
        let (changes, entries) = (self.changes.len().saturating_sub(1), self.entries.len().saturating_sub(1));
        for head in heads {
            self.add(head);
        }
        // Nearly always sorted already: a change comes after what it depends on.
        if !self.changes[changes..].is_sorted_by_key(|change| (change.start_op, change.hash)) {
            self.changes.sort_unstable_by_key(|change| (change.start_op, change.hash));
        }
        if !self.entries[entries..].is_sorted_by_key(Placed::order) {
            self.entries.sort_unstable_by_key(Placed::order);
        }
    }

    fn add(&mut self, head: &ChangeHead) {
        if self.by_hash.contains_key(&head.hash) {
            return;
        }
        head.deps.iter().for_each(|dep| self.add_constants(dep));
        self.straight = self.straight && self.continues(head);
        let device_time = Timestamp::from_millis(head.time.saturating_mul(1000));
        let origin = Origin { change: head.hash, actor: head.actor, seq: head.seq, device_time, received_at: None };
        for (number, op) in head.ops.iter().enumerate() {
            if self.is_register(op.object.counter) {
                self.registers.insert(op.key.clone());
                continue;
            }
            let Ok(id) = op.key.parse::<EntryId>() else { continue };
            let entry = Entry { id, json: Arc::from(op.value.as_str()), origin: origin.clone() };
            self.entries.push(Placed { start_op: head.start_op, number, entry });
        }
        self.push(ChangeInfo {
            hash: head.hash,
            actor: head.actor,
            seq: head.seq,
            deps: head.deps.clone(),
            start_op: head.start_op,
            max_op: head.max_op,
            device_time,
            entries: Vec::new(),
            registers: Vec::new(),
        });
    }

    /// The constant of this name and those before it, if it is one.
    fn add_constants(&mut self, hash: &ChangeHash) {
        let constants = Arc::clone(&self.constants);
        let table = constants.of(self.kind);
        let Some(index) = table.iter().position(|constant| constant.hash == *hash) else { return };
        let mut before: Option<&super::Constant> = None;
        for (seq, constant) in (1..).zip(&table[..=index]) {
            if !self.by_hash.contains_key(&constant.hash) {
                self.straight &= self.changes.is_empty();
                self.push(ChangeInfo {
                    hash: constant.hash,
                    actor: RESERVED,
                    seq,
                    deps: before.map(|before| before.hash).into_iter().collect(),
                    start_op: before.map_or(0, |before| before.max_op) + 1,
                    max_op: constant.max_op,
                    device_time: Timestamp::from_millis(0),
                    entries: Vec::new(),
                    registers: Vec::new(),
                });
            }
            before = Some(constant);
        }
    }

    fn push(&mut self, change: ChangeInfo) {
        self.actors.insert(change.actor);
        let change = Arc::new(change);
        self.by_hash.insert(change.hash, Arc::clone(&change));
        self.changes.push(change);
    }

    fn is_register(&self, counter: u64) -> bool {
        self.constants.container(self.kind, counter).is_none_or(|(name, _)| name == REGISTERS)
    }

    /// Would the document still be a straight line with this change at its end? One change after the
    /// other, each depending on the one before it alone, writing entries and assigning registers that
    /// nobody has assigned before, on the genesis.
    #[must_use]
    pub fn continues(&self, head: &ChangeHead) -> bool {
        let genesis = || self.constants.of(self.kind).first().map(|constant| (constant.hash, constant.max_op));
        let tip = self.changes.last();
        let Some((hash, max_op)) = tip.map(|tip| (tip.hash, tip.max_op)).or_else(genesis) else { return false };
        let own = tip.filter(|tip| tip.actor == head.actor);
        // An actor that comes back depends on its own last change, too: no line. Under an old number
        // it is none at all.
        if own.is_none() && self.actors.contains(&head.actor) {
            return false;
        }
        let follows = own.map_or(0, |tip| tip.seq) + 1;
        let fresh = |op: &Op| match self.constants.container(self.kind, op.object.counter) {
            Some((name, _)) if name == REGISTERS => !self.registers.contains(&op.key),
            Some((name, _)) => name == ENTRIES,
            None => false,
        };
        self.straight
            && head.deps == [hash]
            && head.start_op == max_op + 1
            && head.seq == follows
            && head.ops.iter().all(|op| op.object.actor == RESERVED && op.pred.is_empty() && fresh(op))
    }

    /// Whether it is a straight line so far. Asked in an order in which causes come first; a document
    /// whose changes came otherwise may be called crooked.
    #[must_use]
    pub fn is_straight(&self) -> bool {
        self.straight
    }

    /// What kind of document.
    #[must_use]
    pub fn kind(&self) -> DocKind {
        self.kind
    }

    /// The table of constants that it was read with.
    #[must_use]
    pub fn constants(&self) -> &Arc<Constants> {
        &self.constants
    }

    /// Whether it has no change, not even the genesis.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    /// Whether the change is in the document.
    #[must_use]
    pub fn has(&self, hash: &ChangeHash) -> bool {
        self.by_hash.contains_key(hash)
    }

    /// Names of its entries.
    #[must_use]
    pub fn entry_ids(&self) -> HashSet<EntryId> {
        self.entries.iter().map(|placed| placed.entry.id).collect()
    }

    /// Names and texts of all entries in document order, echoes included.
    pub(crate) fn texts(&self) -> impl Iterator<Item = (EntryId, &str)> {
        self.entries.iter().map(|placed| (placed.entry.id, placed.entry.json.as_ref()))
    }

    /// The change that an actor wrote under a number.
    #[must_use]
    pub fn change_by(&self, actor: &Actor, seq: u64) -> Option<&ChangeInfo> {
        self.changes.iter().find(|change| change.actor == *actor && change.seq == seq).map(AsRef::as_ref)
    }

    /// The changes that no other depends on, sorted.
    #[must_use]
    pub fn heads(&self) -> Vec<ChangeHash> {
        let inner: BTreeSet<&ChangeHash> = self.changes.iter().flat_map(|change| &change.deps).collect();
        let mut heads: Vec<ChangeHash> =
            self.changes.iter().map(|change| change.hash).filter(|hash| !inner.contains(hash)).collect();
        heads.sort_unstable();
        heads
    }

    /// Its changes in document order, constants included, without their entries.
    pub fn changes(&self) -> impl Iterator<Item = &ChangeInfo> {
        self.changes.iter().map(AsRef::as_ref)
    }

    /// All entries as [`super::Document::entries`] gives them: in document order, one that two changes
    /// brought under the first of them.
    #[must_use]
    pub fn entries(&self) -> Vec<Entry> {
        let mut seen = BTreeSet::new();
        let first = self.entries.iter().filter(|placed| seen.insert(placed.entry.id));
        first.map(|placed| placed.entry.clone()).collect()
    }
}
