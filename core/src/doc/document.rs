//! A document: genesis, changes, and what they say.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use automerge::{Automerge, Change, ChangeHash as AmHash, ObjId, ROOT, ReadDoc, Value, ValueRef};

use super::entry::{Entry, Origin};
use super::error::DocError;
use super::genesis::{Constants, REGISTERS, RESERVED};
use crate::ids::{Actor, ChangeHash, DocKind, EntryId};
use crate::time::Timestamp;

/// A document in memory. Cheap to clone compared with loading; costs tens of kilobytes, so open
/// it when needed and keep heads in an index.
#[derive(Clone)]
pub struct Document {
    kind: DocKind,
    pub(super) inner: Automerge,
    constants: Arc<Constants>,
    /// In document order: by first operation counter, then hash. See the module's description.
    pub(super) changes: Vec<Arc<ChangeInfo>>,
    by_hash: HashMap<ChangeHash, Arc<ChangeInfo>>,
}

/// One change of a document: who, when on which clock, after what, and what it wrote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangeInfo {
    /// SHA-256 of the chunk.
    pub hash: ChangeHash,
    /// The author's device and incarnation; [`RESERVED`] for genesis and upgrades.
    pub actor: Actor,
    /// Number within the actor's changes to this document, from 1.
    pub seq: u64,
    /// The changes that its author had last seen.
    pub deps: Vec<ChangeHash>,
    /// Counter of its first operation: one more than the highest among its ancestors.
    pub start_op: u64,
    /// Counter of its last operation.
    pub max_op: u64,
    /// The device's clock when it was written (whole seconds). Shown, never compared.
    pub device_time: Timestamp,
    /// Entries that it wrote ([`Document::history`] fills them in).
    pub entries: Vec<EntryId>,
    /// Registers that it wrote and that still hold its value ([`Document::history`] fills them in).
    pub registers: Vec<String>,
}

impl ChangeInfo {
    /// The change as the origin of an entry.
    #[must_use]
    pub fn origin(&self) -> Origin {
        Origin { change: self.hash, actor: self.actor, seq: self.seq, device_time: self.device_time, received_at: None }
    }
}

/// A value of a register and who wrote it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegisterValue {
    /// The text.
    pub value: String,
    /// Which change wrote it.
    pub origin: Origin,
}

/// A register: the value in use and those written at the same time by others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Register {
    /// The value in use: the last in causal order; among concurrent ones the same on each replica.
    pub value: String,
    /// Which change wrote it.
    pub origin: Origin,
    /// Concurrent values that lost: shown, never hidden. In document order.
    pub others: Vec<RegisterValue>,
}

impl Document {
    /// An empty document of the kind: its genesis and the upgrades that this version writes.
    #[must_use]
    pub fn new(kind: DocKind) -> Self {
        Self::with_constants(kind, &shared_constants()).expect("the shipped constants are tested to apply")
    }

    /// As [`Document::new`], with another table of constants.
    ///
    /// # Errors
    /// When a constant does not apply.
    pub fn with_constants(kind: DocKind, constants: &Arc<Constants>) -> Result<Self, DocError> {
        let mut inner = Automerge::new();
        let raws = constants.of(kind).iter().map(|constant| Change::from_bytes(constant.raw.clone()));
        inner
            .apply_changes(raws.collect::<Result<Vec<_>, _>>().map_err(DocError::automerge)?)
            .map_err(DocError::automerge)?;
        Self::wrap(kind, inner, Arc::clone(constants))
    }

    /// Opens what [`Document::save`] wrote. A saved document is a cache of admitted changes; the
    /// hashes of all changes are recomputed and compared with the heads.
    ///
    /// # Errors
    /// When the bytes are damaged, of another kind, or of a newer schema. Never panics.
    pub fn load(kind: DocKind, saved: &[u8]) -> Result<Self, DocError> {
        Self::load_with(kind, saved, &shared_constants())
    }

    /// As [`Document::load`], with another table of constants.
    ///
    /// # Errors
    /// As [`Document::load`].
    pub fn load_with(kind: DocKind, saved: &[u8], constants: &Arc<Constants>) -> Result<Self, DocError> {
        if saved.is_empty() {
            return Err(DocError::NotOurs("no bytes"));
        }
        catch_unwind(AssertUnwindSafe(|| {
            let inner = Automerge::load(saved).map_err(DocError::automerge)?;
            Self::wrap(kind, inner, Arc::clone(constants))
        }))
        .unwrap_or(Err(DocError::Panicked))
    }

    pub(super) fn wrap(kind: DocKind, inner: Automerge, constants: Arc<Constants>) -> Result<Self, DocError> {
        let mut document = Self { kind, inner, constants, changes: Vec::new(), by_hash: HashMap::new() };
        document.index()?;
        let genesis = document.constants.of(kind).first().ok_or(DocError::NotOurs("no constants for this kind"))?;
        if !document.has(&genesis.hash) {
            return Err(DocError::WrongKind { wanted: kind });
        }
        for change in document.changes.iter().filter(|change| change.actor == RESERVED) {
            if document.constants.find(kind, &change.hash).is_none() {
                let known = document.constants.of(kind).len() as u64;
                return Err(DocError::NewerSchema { found: change.seq, known });
            }
        }
        Ok(document)
    }

    pub(super) fn index(&mut self) -> Result<(), DocError> {
        let metas = self.inner.get_changes_meta(&[]);
        let mut changes = Vec::with_capacity(metas.len());
        for meta in metas {
            changes.push(Arc::new(ChangeInfo {
                hash: ChangeHash(meta.hash.0),
                actor: Actor::from_slice(meta.actor.to_bytes()).ok_or(DocError::NotOurs("an actor is not 36 bytes"))?,
                seq: meta.seq,
                deps: meta.deps.iter().map(|hash| ChangeHash(hash.0)).collect(),
                start_op: meta.start_op,
                max_op: meta.max_op,
                device_time: Timestamp::from_millis(meta.timestamp.saturating_mul(1000)),
                entries: Vec::new(),
                registers: Vec::new(),
            }));
        }
        changes.sort_unstable_by_key(|change| (change.start_op, change.hash));
        self.by_hash = changes.iter().map(|change| (change.hash, Arc::clone(change))).collect();
        self.changes = changes;
        Ok(())
    }

    /// The document's bytes, compressed. [`Document::load`] is the inverse.
    #[must_use]
    pub fn save(&self) -> Vec<u8> {
        self.inner.save()
    }

    /// Its kind.
    #[must_use]
    pub fn kind(&self) -> DocKind {
        self.kind
    }

    /// The table of constants that it was opened with.
    #[must_use]
    pub fn constants(&self) -> &Arc<Constants> {
        &self.constants
    }

    /// Schema version: that of the newest constant in it.
    #[must_use]
    pub fn schema(&self) -> u16 {
        let here = self.constants.of(self.kind).iter().filter(|constant| self.has(&constant.hash));
        here.map(|constant| constant.schema).max().unwrap_or(0)
    }

    /// The changes that no other depends on, sorted.
    #[must_use]
    pub fn heads(&self) -> Vec<ChangeHash> {
        let mut heads: Vec<_> = self.inner.get_heads().iter().map(|hash| ChangeHash(hash.0)).collect();
        heads.sort_unstable();
        heads
    }

    /// Whether the change is in the document.
    #[must_use]
    pub fn has(&self, hash: &ChangeHash) -> bool {
        self.by_hash.contains_key(hash)
    }

    /// The change with this hash, without its entries.
    #[must_use]
    pub fn change(&self, hash: &ChangeHash) -> Option<&ChangeInfo> {
        self.by_hash.get(hash).map(AsRef::as_ref)
    }

    /// The change that an actor wrote under a number.
    #[must_use]
    pub fn change_by(&self, actor: &Actor, seq: u64) -> Option<&ChangeInfo> {
        self.changes.iter().find(|change| change.actor == *actor && change.seq == seq).map(AsRef::as_ref)
    }

    /// Number of the actor's last change in this document; 0 when there is none.
    #[must_use]
    pub fn last_seq(&self, actor: &Actor) -> u64 {
        self.changes.iter().filter(|change| change.actor == *actor).map(|change| change.seq).max().unwrap_or(0)
    }

    /// Changes in it, genesis and upgrades included.
    #[must_use]
    pub fn change_count(&self) -> usize {
        self.changes.len()
    }

    /// Its changes in document order, without their entries. Cheap.
    pub fn changes(&self) -> impl Iterator<Item = &ChangeInfo> {
        self.changes.iter().map(AsRef::as_ref)
    }

    /// The chunk of a change, as it was admitted.
    #[must_use]
    pub fn raw_change(&self, hash: &ChangeHash) -> Option<Vec<u8>> {
        self.inner.get_change_by_hash(&AmHash(hash.0)).map(|change| change.raw_bytes().to_vec())
    }

    /// The changes that are these or ancestors of these. Unknown hashes are skipped.
    #[must_use]
    pub fn ancestors(&self, heads: &[ChangeHash]) -> BTreeSet<ChangeHash> {
        let mut seen = BTreeSet::new();
        let mut stack = heads.to_vec();
        while let Some(hash) = stack.pop() {
            if let Some(change) = self.change(&hash).filter(|change| !seen.contains(&change.hash)) {
                seen.insert(hash);
                stack.extend(change.deps.iter().copied());
            }
        }
        seen
    }

    /// All entries in document order: causal, and the same on each replica. An entry that two
    /// changes brought is listed once, under the first of them.
    #[must_use]
    pub fn entries(&self) -> Vec<Entry> {
        self.collect_entries(|_| true)
    }

    /// The entries of the document as it was at the given heads: those of the heads and their
    /// ancestors only.
    #[must_use]
    pub fn entries_at(&self, heads: &[ChangeHash]) -> Vec<Entry> {
        let seen = self.ancestors(heads);
        self.collect_entries(|change| seen.contains(&change.hash))
    }

    fn collect_entries(&self, wanted: impl Fn(&ChangeInfo) -> bool) -> Vec<Entry> {
        let locate = self.locator();
        let mut found: Vec<(u64, Arc<ChangeInfo>, EntryId, Arc<str>)> = Vec::new();
        for container in self.entry_containers() {
            for item in self.inner.map_range(&container, ..) {
                let Ok(id) = item.key.parse::<EntryId>() else { continue };
                if item.conflict {
                    self.first_of_conflict(&container, &item.key, &locate, &wanted)
                        .into_iter()
                        .for_each(|(counter, change, text)| found.push((counter, change, id, text)));
                } else if let (ValueRef::Scalar(automerge::ScalarValueRef::Str(text)), Some((counter, change))) =
                    (&item.value, locate.find(&item.id()))
                    && wanted(&change)
                {
                    found.push((counter, change, id, Arc::from(text.as_ref())));
                }
            }
        }
        found.sort_unstable_by_key(|(counter, change, ..)| (change.start_op, change.hash, *counter));
        found.into_iter().map(|(_, change, id, json)| Entry { id, json, origin: change.origin() }).collect()
    }

    fn first_of_conflict(
        &self,
        container: &ObjId,
        key: &str,
        locate: &Locator,
        wanted: impl Fn(&ChangeInfo) -> bool,
    ) -> Option<(u64, Arc<ChangeInfo>, Arc<str>)> {
        let all = self.inner.get_all(container, key).unwrap_or_default();
        all.into_iter()
            .filter_map(|(value, id)| {
                let (counter, change) = locate.find(&id)?;
                let text: Arc<str> = Arc::from(value.as_str()?);
                wanted(&change).then_some((counter, change, text))
            })
            .min_by(|a, b| (a.1.start_op, a.1.hash).cmp(&(b.1.start_op, b.1.hash)))
    }

    /// Entries brought a second time by a concurrent change: the entry and the later change. Not
    /// an error, but worth showing when two devices claim the same words.
    #[must_use]
    pub fn echoes(&self) -> Vec<(EntryId, Origin)> {
        let locate = self.locator();
        let mut echoes = Vec::new();
        for container in self.entry_containers() {
            for item in self.inner.map_range(&container, ..).filter(|item| item.conflict) {
                let Ok(id) = item.key.parse::<EntryId>() else { continue };
                let all = self.inner.get_all(&container, item.key.as_ref()).unwrap_or_default();
                let mut changes: Vec<_> = all.iter().filter_map(|(_, op)| locate.find(op)).map(|(_, c)| c).collect();
                changes.sort_unstable_by_key(|change| (change.start_op, change.hash));
                echoes.extend(changes.iter().skip(1).map(|change| (id, change.origin())));
            }
        }
        echoes
    }

    /// The registers with their values, concurrent losers included.
    #[must_use]
    pub fn registers(&self) -> BTreeMap<String, Register> {
        let locate = self.locator();
        let mut registers = BTreeMap::new();
        let Some(container) = self.object(REGISTERS) else { return registers };
        for key in self.inner.keys(&container) {
            // Values come in the order of their operation ids; the last one is in use.
            let all = self.inner.get_all(&container, key.as_str()).unwrap_or_default();
            let mut values: Vec<_> = all
                .into_iter()
                .filter_map(|(value, id)| {
                    let (_, change) = locate.find(&id)?;
                    Some((
                        change.start_op,
                        RegisterValue { value: value.as_str()?.to_owned(), origin: change.origin() },
                    ))
                })
                .collect();
            let Some((_, last)) = values.pop() else { continue };
            values.sort_by_key(|(start_op, value)| (*start_op, value.origin.change));
            let others = values.into_iter().map(|(_, value)| value).collect();
            registers.insert(key, Register { value: last.value, origin: last.origin, others });
        }
        registers
    }

    /// Who wrote what, when and after what: all changes in document order, constants included.
    #[must_use]
    pub fn history(&self) -> Vec<ChangeInfo> {
        let mut entries: HashMap<ChangeHash, Vec<EntryId>> = HashMap::new();
        for entry in self.entries() {
            entries.entry(entry.origin.change).or_default().push(entry.id);
        }
        for (id, origin) in self.echoes() {
            entries.entry(origin.change).or_default().push(id);
        }
        let mut registers: HashMap<ChangeHash, Vec<String>> = HashMap::new();
        for (name, register) in self.registers() {
            registers.entry(register.origin.change).or_default().push(name.clone());
            for other in register.others {
                registers.entry(other.origin.change).or_default().push(name.clone());
            }
        }
        self.changes()
            .map(|change| ChangeInfo {
                entries: entries.remove(&change.hash).unwrap_or_default(),
                registers: registers.remove(&change.hash).unwrap_or_default(),
                ..change.clone()
            })
            .collect()
    }

    /// Adds the upgrades that the table knows and the document lacks. Byte-identical wherever it
    /// happens, so replicas need not agree on who does it.
    ///
    /// # Errors
    /// When automerge refuses.
    pub fn upgrade(&mut self, constants: &Arc<Constants>) -> Result<Vec<ChangeHash>, DocError> {
        let missing: Vec<_> = constants.of(self.kind).iter().filter(|c| !self.has(&c.hash)).cloned().collect();
        let raws = missing.iter().map(|constant| Change::from_bytes(constant.raw.clone()));
        let changes = raws.collect::<Result<Vec<_>, _>>().map_err(DocError::automerge)?;
        self.inner.apply_changes(changes).map_err(DocError::automerge)?;
        self.constants = Arc::clone(constants);
        self.index()?;
        Ok(missing.into_iter().map(|constant| constant.hash).collect())
    }

    /// Adds changes that were admitted before and are read back from where they were kept: in any
    /// order, known ones skipped, those whose dependencies are missing left out. Answers how many
    /// were added. Nothing about rights or form is checked here: that was admission.
    ///
    /// # Errors
    /// When the bytes are not changes or automerge refuses; the document is then as before.
    pub fn replay<'a>(&mut self, raws: impl IntoIterator<Item = &'a [u8]>) -> Result<usize, DocError> {
        let raws: Vec<&[u8]> = raws.into_iter().collect();
        let mut scratch = self.inner.clone();
        let known = |hash: &AmHash| self.by_hash.contains_key(&ChangeHash(hash.0));
        let added = catch_unwind(AssertUnwindSafe(|| {
            let mut open = Vec::with_capacity(raws.len());
            for raw in raws {
                let change = Change::from_bytes(raw.to_vec()).map_err(DocError::automerge)?;
                if !known(&change.hash()) {
                    open.push(change);
                }
            }
            let (mut ready, mut taken) = (Vec::with_capacity(open.len()), BTreeSet::new());
            loop {
                let before = ready.len();
                let mut rest = Vec::new();
                for change in open {
                    if change.deps().iter().all(|hash| known(hash) || taken.contains(hash)) {
                        if taken.insert(change.hash()) {
                            ready.push(change);
                        }
                    } else {
                        rest.push(change);
                    }
                }
                open = rest;
                if ready.len() == before || open.is_empty() {
                    break;
                }
            }
            let added = ready.len();
            scratch.apply_changes(ready).map_err(DocError::automerge)?;
            Ok::<_, DocError>(added)
        }))
        .unwrap_or(Err(DocError::Panicked))?;
        if added > 0 {
            self.inner = scratch;
            self.index()?;
        }
        Ok(added)
    }

    pub(super) fn entry_containers(&self) -> Vec<ObjId> {
        let here = self.constants.of(self.kind).iter().filter(|constant| self.has(&constant.hash));
        let names = here.flat_map(|constant| constant.containers.iter().map(|(name, _)| name.as_str()));
        names.filter(|name| *name != REGISTERS).filter_map(|name| self.object(name)).collect()
    }

    pub(super) fn object(&self, name: &str) -> Option<ObjId> {
        match self.inner.get(ROOT, name) {
            Ok(Some((Value::Object(_), id))) => Some(id),
            _ => None,
        }
    }
}

impl std::fmt::Debug for Document {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Document").field("kind", &self.kind).field("heads", &self.heads()).finish_non_exhaustive()
    }
}

/// Finds the change of an operation: an actor's changes in order, each with its range of counters.
pub(crate) struct Locator(HashMap<Actor, Vec<Arc<ChangeInfo>>>);

impl Locator {
    pub(super) fn new(changes: &[Arc<ChangeInfo>]) -> Self {
        let mut by_actor: HashMap<Actor, Vec<Arc<ChangeInfo>>> = HashMap::new();
        for change in changes {
            by_actor.entry(change.actor).or_default().push(Arc::clone(change));
        }
        Self(by_actor)
    }

    pub(super) fn find(&self, id: &ObjId) -> Option<(u64, Arc<ChangeInfo>)> {
        let ObjId::Id(counter, actor, _) = id else { return None };
        let changes = self.0.get(&Actor::from_slice(actor.to_bytes())?)?;
        let index = changes.partition_point(|change| change.max_op < *counter);
        let change = changes.get(index).filter(|change| change.start_op <= *counter)?;
        Some((*counter, Arc::clone(change)))
    }
}

/// The shipped constants, shared.
pub(crate) fn shared_constants() -> Arc<Constants> {
    static SHARED: std::sync::OnceLock<Arc<Constants>> = std::sync::OnceLock::new();
    Arc::clone(SHARED.get_or_init(|| Arc::new(Constants::shipped().clone())))
}
