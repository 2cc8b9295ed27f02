//! The short form of a run on the wire: what the receiver can work out does not travel.
//!
//! A change has exactly one encoding ([`crate::admission::encode_change`]), so it can be taken to
//! pieces and put together again byte for byte. Left out are the hash of the change before (32
//! bytes, which no compression touches), the names of entries (hashes of their own texts), checksum
//! and columns; numbers are said as differences. A run that is not in the one form travels raw: it
//! is not for this module to judge it.
//!
//! ```text
//! run    = actor (36) count change*                     all integers LEB128, shortest form
//! change = flags [seq start_op] seconds-since-the-last [count hash*] count operation*
//! flags  : 1 depends on the change before, 2 and on the hashes given, 4 numbers are given
//! operation = tag [counter author] [length key] length text [count (counter author)*]
//! tag    : 0 in `entries`, 1 in `registers`, 2 in the object given;
//!          4 the key is the entry name of the text, 8 it overwrites the values given
//! author = 0 the run's actor | 1 the reserved one | 2 actor (36)
//! ```
//!
//! The change before the first is the genesis constant of the document's kind: number 0, its highest
//! operation, second 0.

use crate::admission::cursor::{Cursor, put_signed, put_unsigned};
use crate::admission::{ChangeHead, Limits, Malformed, Op, OpRef, encode_named, read_change};
use crate::doc::{Constants, Entry, RESERVED};
use crate::identity::{MAX_CHANGE_BYTES, MAX_RUN_BYTES, MAX_RUN_CHANGES, SignedRun};
use crate::ids::{Actor, ChangeHash, DocKind};

const AFTER_LAST: u64 = 1;
const AFTER_OTHERS: u64 = 2;
const NUMBERED: u64 = 4;
const OBJECT: u64 = 3;
const NAMED_BY_TEXT: u64 = 4;
const OVERWRITES: u64 = 8;

/// What is known of the change before.
struct Before {
    hash: ChangeHash,
    seq: u64,
    max_op: u64,
    time: i64,
}

impl Before {
    fn first(kind: DocKind) -> Option<Self> {
        let genesis = Constants::shipped().of(kind).first()?;
        Some(Self { hash: genesis.hash, seq: 0, max_op: genesis.max_op, time: 0 })
    }

    fn after(head: &ChangeHead, hash: ChangeHash) -> Self {
        Self { hash, seq: head.seq, max_op: head.max_op, time: head.time }
    }

    fn flags(&self, head: &ChangeHead) -> u64 {
        let after_last = head.deps.contains(&self.hash);
        let mut flags = if after_last { AFTER_LAST } else { 0 };
        if head.deps.len() > usize::from(after_last) {
            flags |= AFTER_OTHERS;
        }
        if (head.seq, head.start_op) != (self.seq + 1, self.max_op + 1) {
            flags |= NUMBERED;
        }
        flags
    }
}

/// The short form. None when a change is not in the form this program writes.
pub(super) fn shorten(run: &SignedRun) -> Option<Vec<u8>> {
    let heads: Vec<ChangeHead> =
        run.changes.iter().map(|raw| read_change(raw, &Limits::ADMISSION).ok()).collect::<Option<_>>()?;
    let actor = heads.first()?.actor;
    let mut out = actor.0.to_vec();
    put_unsigned(&mut out, heads.len() as u64);
    let mut before = Before::first(run.doc.kind)?;
    for head in &heads {
        if head.actor != actor {
            return None;
        }
        put_change(&mut out, head, &before);
        before = Before::after(head, head.hash);
    }
    Some(out)
}

fn put_change(out: &mut Vec<u8>, head: &ChangeHead, before: &Before) {
    let flags = before.flags(head);
    put_unsigned(out, flags);
    if flags & NUMBERED != 0 {
        put_unsigned(out, head.seq);
        put_unsigned(out, head.start_op);
    }
    put_signed(out, head.time - before.time);
    if flags & AFTER_OTHERS != 0 {
        let others: Vec<_> = head.deps.iter().filter(|dep| **dep != before.hash).collect();
        put_unsigned(out, others.len() as u64);
        others.iter().for_each(|dep| out.extend_from_slice(&dep.0));
    }
    put_unsigned(out, head.ops.len() as u64);
    head.ops.iter().for_each(|op| put_op(out, op, &head.actor));
}

fn put_op(out: &mut Vec<u8>, op: &Op, actor: &Actor) {
    let object = match op.object {
        OpRef { actor: RESERVED, counter: 1 } => 0,
        OpRef { actor: RESERVED, counter: 2 } => 1,
        _ => 2,
    };
    let named = op.key == name_of(&op.value);
    let tag = object | if named { NAMED_BY_TEXT } else { 0 } | if op.pred.is_empty() { 0 } else { OVERWRITES };
    put_unsigned(out, tag);
    if object == 2 {
        put_ref(out, &op.object, actor);
    }
    if !named {
        put_text(out, &op.key);
    }
    put_text(out, &op.value);
    if !op.pred.is_empty() {
        put_unsigned(out, op.pred.len() as u64);
        op.pred.iter().for_each(|pred| put_ref(out, pred, actor));
    }
}

fn put_text(out: &mut Vec<u8>, text: &str) {
    put_unsigned(out, text.len() as u64);
    out.extend_from_slice(text.as_bytes());
}

fn put_ref(out: &mut Vec<u8>, op: &OpRef, actor: &Actor) {
    put_unsigned(out, op.counter);
    match op.actor {
        own if own == *actor => put_unsigned(out, 0),
        RESERVED => put_unsigned(out, 1),
        other => {
            put_unsigned(out, 2);
            out.extend_from_slice(&other.0);
        }
    }
}

/// The raw changes of a short form.
///
/// # Errors
/// [`Malformed`]. The bytes rebuilt are bounded like those of any run; nothing is allocated beyond
/// them and a change's worth of operations.
pub(super) fn restore(kind: DocKind, short: &[u8]) -> Result<Vec<Vec<u8>>, Malformed> {
    let mut cursor = Cursor::new(short);
    let actor = Actor(cursor.array()?);
    let count = cursor.count(MAX_RUN_CHANGES, "changes of a run")?;
    let mut before = Before::first(kind).ok_or(Malformed::NoDeps)?;
    let (mut changes, mut total) = (Vec::new(), 0_usize);
    for _ in 0..count {
        let head = take_change(&mut cursor, actor, &before)?;
        let (hash, raw) = encode_named(&head);
        total = total.saturating_add(raw.len());
        if raw.len() > MAX_CHANGE_BYTES || total > MAX_RUN_BYTES {
            return Err(Malformed::TooLarge { bytes: raw.len(), limit: MAX_CHANGE_BYTES });
        }
        before = Before::after(&head, hash);
        changes.push(raw);
    }
    if changes.is_empty() || !cursor.is_empty() {
        return Err(Malformed::Trailing);
    }
    Ok(changes)
}

fn take_change(cursor: &mut Cursor<'_>, actor: Actor, before: &Before) -> Result<ChangeHead, Malformed> {
    let limits = Limits::ADMISSION;
    let flags = cursor.unsigned()?;
    let (seq, start_op) = match flags & NUMBERED {
        0 => (before.seq.saturating_add(1), before.max_op.saturating_add(1)),
        _ => (cursor.unsigned()?, cursor.unsigned()?),
    };
    let time = before.time.checked_add(cursor.signed()?).ok_or(Malformed::Range("the time"))?;
    let mut deps = Vec::new();
    if flags & AFTER_OTHERS != 0 {
        for _ in 0..cursor.count(limits.deps, "dependencies")? {
            deps.push(ChangeHash(cursor.array()?));
        }
    }
    if flags & AFTER_LAST != 0 {
        deps.push(before.hash);
    }
    deps.sort_unstable();
    let mut ops = Vec::new();
    // A text that fits no change would be copied before it is refused: the bytes are counted. So are
    // the overwritten values, of which two bytes here become fifty in memory.
    let (mut bytes, mut room) = (0_usize, limits.ops);
    for _ in 0..cursor.count(limits.ops, "operations")? {
        let op = take_op(cursor, &actor, room)?;
        room -= op.pred.len();
        bytes = bytes.saturating_add(op.key.len() + op.value.len());
        if bytes > limits.bytes {
            return Err(Malformed::TooLarge { bytes, limit: limits.bytes });
        }
        ops.push(op);
    }
    let max_op = start_op.saturating_add(ops.len() as u64).saturating_sub(1);
    Ok(ChangeHead { hash: ChangeHash([0; 32]), actor, seq, start_op, max_op, time, deps, ops })
}

/// `room` is how many overwritten values the change may still name.
fn take_op(cursor: &mut Cursor<'_>, actor: &Actor, room: usize) -> Result<Op, Malformed> {
    let tag = cursor.unsigned()?;
    let object = match tag & OBJECT {
        object @ 0..=1 => OpRef { actor: RESERVED, counter: object + 1 },
        _ => take_ref(cursor, actor)?,
    };
    let key = if tag & NAMED_BY_TEXT == 0 { Some(take_text(cursor)?) } else { None };
    let value = take_text(cursor)?;
    let mut pred = Vec::new();
    if tag & OVERWRITES != 0 {
        for _ in 0..cursor.count(room, "overwritten values")? {
            pred.push(take_ref(cursor, actor)?);
        }
    }
    Ok(Op { object, key: key.unwrap_or_else(|| name_of(&value)), value, pred })
}

fn take_text(cursor: &mut Cursor<'_>) -> Result<String, Malformed> {
    let length = cursor.count(usize::MAX, "bytes")?;
    Ok(std::str::from_utf8(cursor.take(length)?).map_err(|_| Malformed::Text)?.to_owned())
}

fn take_ref(cursor: &mut Cursor<'_>, actor: &Actor) -> Result<OpRef, Malformed> {
    let counter = cursor.unsigned()?;
    let actor = match cursor.unsigned()? {
        0 => *actor,
        1 => RESERVED,
        2 => Actor(cursor.array()?),
        _ => return Err(Malformed::UnknownActor),
    };
    Ok(OpRef { counter, actor })
}

fn name_of(text: &str) -> String {
    Entry::id_of(text).to_string()
}

#[cfg(test)]
#[path = "compact_tests.rs"]
mod tests;
