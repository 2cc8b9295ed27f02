//! Writing: one act of a user becomes one change.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};

use automerge::{Change, ObjId, ReadDoc};

use super::document::Document;
use super::entry::Entry;
use super::error::DocError;
use super::genesis::{Constants, ENTRIES, REGISTERS, RESERVED};
use super::view::{View, replacing};
use crate::admission::{ChangeHead, Limits, Op, OpRef, encode_change, read_change};
use crate::ids::{Actor, ChangeHash, DocKind, EntryId};
use crate::time::Timestamp;

/// A change just written: what the journal and the signature need.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewChange {
    /// SHA-256 of the chunk: what is signed.
    pub hash: ChangeHash,
    /// The uncompressed chunk.
    pub raw: Vec<u8>,
    /// Number within the actor's changes to this document, from 1.
    pub seq: u64,
    /// What it depends on.
    pub deps: Vec<ChangeHash>,
    /// The entries that it wrote, in the order given.
    pub entries: Vec<EntryId>,
}

/// Longest text of one change, entries and registers together: leaves room for keys and columns
/// below the limit of admission.
pub const MAX_ACT_BYTES: usize = 200 * 1024;
/// Admission refuses clocks further from 1970 than this; a broken clock must not cost a record.
const MAX_SECONDS: i64 = 1 << 40;
/// Most entries and registers of one change.
pub const MAX_ACT_ITEMS: usize = 1_000;

impl Document {
    /// Writes one act of a user as one change: entries (JSON objects) and registers (name, text). A
    /// register that already holds the text without a rival is left alone.
    ///
    /// # Errors
    /// When there is nothing to write, an entry is not a JSON object or already there, the act is
    /// too large, or an assertion names part of a conflict in view. The document is unchanged then.
    pub fn write(
        &mut self,
        actor: &Actor,
        now: Timestamp,
        entries: &[String],
        registers: &[(String, String)],
    ) -> Result<NewChange, DocError> {
        if *actor == RESERVED {
            return Err(DocError::NotOurs("the reserved actor writes nothing but constants"));
        }
        let ids = entry_ids(entries)?;
        self.check_new(&ids)?;
        let replacing = replacing(self.kind(), entries.iter().map(String::as_str));
        if !replacing.is_empty() {
            let mut view = View::default();
            self.entries().iter().for_each(|entry| view.add(entry.id, &entry.json));
            if let Some(field) = view.hidden_by(&replacing) {
                return Err(DocError::HidesConflict { field });
            }
        }
        let registers = self.changed_registers(registers)?;
        if ids.is_empty() && registers.is_empty() {
            return Err(DocError::Empty);
        }
        check_size(entries, &registers)?;
        let change = self.commit(actor, now, &ids, entries, &registers)?;
        self.index()?;
        Ok(NewChange {
            hash: ChangeHash(change.hash().0),
            raw: change.raw_bytes().to_vec(),
            seq: change.seq(),
            deps: change.deps().iter().map(|hash| ChangeHash(hash.0)).collect(),
            entries: ids,
        })
    }

    fn check_new(&self, ids: &[EntryId]) -> Result<(), DocError> {
        let container = self.object(ENTRIES).ok_or(DocError::NotOurs("no map of entries"))?;
        for id in ids {
            if self.inner.get(&container, id.to_string()).map_err(DocError::automerge)?.is_some() {
                return Err(DocError::AlreadyThere(*id));
            }
        }
        Ok(())
    }

    fn changed_registers(&self, registers: &[(String, String)]) -> Result<Vec<(String, String)>, DocError> {
        let container = self.object(REGISTERS).ok_or(DocError::NotOurs("no map of registers"))?;
        let mut changed = BTreeMap::new();
        for (name, text) in registers {
            check_register_name(name)?;
            let values = self.inner.get_all(&container, name.as_str()).map_err(DocError::automerge)?;
            let same = matches!(values.as_slice(), [(value, _)] if value.as_str() == Some(text));
            if same {
                changed.remove(name);
            } else {
                changed.insert(name.clone(), text.clone());
            }
        }
        Ok(changed.into_iter().collect())
    }

    fn commit(
        &mut self,
        actor: &Actor,
        now: Timestamp,
        ids: &[EntryId],
        entries: &[String],
        registers: &[(String, String)],
    ) -> Result<Change, DocError> {
        let head = self.next_change(actor, now, ids, entries, registers)?;
        let raw = encode_change(&head);
        // Never write what every other replica would refuse.
        read_change(&raw, &Limits::ADMISSION).map_err(DocError::Inadmissible)?;
        // A panic inside the library must not leave half a change behind: work on a copy.
        let mut scratch = self.inner.clone();
        let work = || {
            let change = Change::from_bytes(raw).map_err(DocError::automerge)?;
            scratch.apply_changes([change.clone()]).map_err(DocError::automerge)?;
            Ok(change)
        };
        let change = catch_unwind(AssertUnwindSafe(work)).unwrap_or(Err(DocError::Panicked))?;
        if scratch.get_heads() != [change.hash()] {
            return Err(DocError::NotOurs("the new change is not the only head"));
        }
        self.inner = scratch;
        Ok(change)
    }

    /// The change as admission reads it. Written by our own encoder and not by an automerge
    /// transaction: assigning the value that already won among concurrent ones makes a transaction
    /// write a *delete* of the losers, which is not among the operations of this program.
    fn next_change(
        &self,
        actor: &Actor,
        now: Timestamp,
        ids: &[EntryId],
        entries: &[String],
        registers: &[(String, String)],
    ) -> Result<ChangeHead, DocError> {
        let mut ops = Vec::with_capacity(ids.len() + registers.len());
        let object = self.container(ENTRIES)?;
        for (id, json) in ids.iter().zip(entries) {
            ops.push(Op { object, key: id.to_string(), value: json.clone(), pred: Vec::new() });
        }
        let object = self.container(REGISTERS)?;
        for (name, text) in registers {
            let pred = self.overwritten(name)?;
            ops.push(Op { object, key: name.clone(), value: text.clone(), pred });
        }
        let last = self.changes().filter(|change| change.actor == *actor).max_by_key(|change| change.seq);
        let mut deps = self.heads();
        deps.extend(last.map(|change| change.hash));
        deps.sort_unstable();
        deps.dedup();
        let start_op = self.changes().map(|change| change.max_op).max().unwrap_or(0) + 1;
        Ok(ChangeHead {
            hash: ChangeHash([0; 32]),
            actor: *actor,
            seq: last.map_or(0, |change| change.seq) + 1,
            start_op,
            max_op: start_op + ops.len() as u64 - 1,
            time: seconds(now),
            deps,
            ops,
        })
    }

    fn container(&self, name: &str) -> Result<OpRef, DocError> {
        match self.object(name).as_ref().and_then(op_ref) {
            Some(object) => Ok(object),
            None => Err(DocError::NotOurs("a container is missing")),
        }
    }

    /// The values of a register that a new one overwrites: all that are visible.
    fn overwritten(&self, name: &str) -> Result<Vec<OpRef>, DocError> {
        let Some(container) = self.object(REGISTERS) else { return Ok(Vec::new()) };
        let all = self.inner.get_all(&container, name).map_err(DocError::automerge)?;
        let mut pred: Vec<OpRef> = all.iter().filter_map(|(_, id)| op_ref(id)).collect();
        pred.sort_unstable();
        Ok(pred)
    }
}

/// The first change of a new document, as [`Document::write`] writes it on [`Document::new`], without
/// opening one: a list of a hundred thousand records is made of such changes.
///
/// # Errors
/// As [`Document::write`].
pub fn first_change(
    kind: DocKind,
    actor: &Actor,
    now: Timestamp,
    entries: &[String],
    registers: &[(String, String)],
) -> Result<NewChange, DocError> {
    if *actor == RESERVED {
        return Err(DocError::NotOurs("the reserved actor writes nothing but constants"));
    }
    let ids = entry_ids(entries)?;
    let mut named: BTreeMap<&str, &str> = BTreeMap::new();
    for (name, text) in registers {
        check_register_name(name)?;
        named.insert(name, text);
    }
    let registers: Vec<(String, String)> =
        named.into_iter().map(|(name, text)| (name.to_owned(), text.to_owned())).collect();
    if ids.is_empty() && registers.is_empty() {
        return Err(DocError::Empty);
    }
    check_size(entries, &registers)?;
    let constants = Constants::shipped().of(kind);
    let newest = constants.last().ok_or(DocError::NotOurs("no constants for this kind"))?;
    let container = |name: &str| {
        let own = constants.iter().flat_map(|constant| &constant.containers).find(|(own, _)| own == name);
        let counter = own.map(|(_, counter)| *counter).ok_or(DocError::NotOurs("a container is missing"))?;
        Ok::<_, DocError>(OpRef { counter, actor: RESERVED })
    };
    let (object, register) = (container(ENTRIES)?, container(REGISTERS)?);
    let entry = |(id, json): (&EntryId, &String)| Op { object, key: id.to_string(), value: json.clone(), pred: vec![] };
    let assign = |(key, value): (String, String)| Op { object: register, key, value, pred: Vec::new() };
    let ops: Vec<Op> = ids.iter().zip(entries).map(entry).chain(registers.into_iter().map(assign)).collect();
    let head = ChangeHead {
        hash: ChangeHash([0; 32]),
        actor: *actor,
        seq: 1,
        start_op: newest.max_op + 1,
        max_op: newest.max_op + ops.len() as u64,
        time: seconds(now),
        deps: vec![newest.hash],
        ops,
    };
    let raw = encode_change(&head);
    // Never write what every other replica would refuse.
    let hash = read_change(&raw, &Limits::ADMISSION).map_err(DocError::Inadmissible)?.hash;
    Ok(NewChange { hash, raw, seq: 1, deps: head.deps, entries: ids })
}

/// Names of entries, each of which must be a JSON object and different from the others.
fn entry_ids(entries: &[String]) -> Result<Vec<EntryId>, DocError> {
    let mut ids = Vec::with_capacity(entries.len());
    for json in entries {
        let parsed: serde_json::Value =
            serde_json::from_str(json).map_err(|error| DocError::NotAnObject(error.to_string()))?;
        if !parsed.is_object() {
            return Err(DocError::NotAnObject(json.chars().take(60).collect()));
        }
        let id = Entry::id_of(json);
        if ids.contains(&id) {
            return Err(DocError::AlreadyThere(id));
        }
        ids.push(id);
    }
    Ok(ids)
}

fn check_size(entries: &[String], registers: &[(String, String)]) -> Result<(), DocError> {
    let size = entries.iter().map(String::len).sum::<usize>()
        + registers.iter().map(|(name, text)| name.len() + text.len()).sum::<usize>();
    if size > MAX_ACT_BYTES {
        return Err(DocError::TooLarge("more than 200 KiB of text"));
    }
    if entries.len() + registers.len() > MAX_ACT_ITEMS {
        return Err(DocError::TooLarge("more than 1000 entries and registers"));
    }
    Ok(())
}

fn check_register_name(name: &str) -> Result<(), DocError> {
    if is_register_name(name) { Ok(()) } else { Err(DocError::RegisterName(name.chars().take(80).collect())) }
}

/// The device's clock as changes have it.
fn seconds(now: Timestamp) -> i64 {
    now.millis().div_euclid(1000).clamp(-MAX_SECONDS, MAX_SECONDS)
}

pub(crate) fn is_register_name(name: &str) -> bool {
    (1..=64).contains(&name.chars().count()) && !name.chars().any(char::is_control)
}

fn op_ref(id: &ObjId) -> Option<OpRef> {
    let ObjId::Id(counter, actor, _) = id else { return None };
    Some(OpRef { counter: *counter, actor: Actor::from_slice(actor.to_bytes())? })
}
