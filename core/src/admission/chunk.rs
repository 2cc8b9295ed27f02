//! The bounded reader of a change chunk, and the one form in which its content may be written.

use std::collections::BTreeSet;

use sha2::{Digest as _, Sha256};

use super::columns::{
    read_deltas, read_no_inserts, read_numbers, read_texts, write_deltas, write_numbers, write_texts,
};
use super::cursor::{Cursor, put_signed, put_unsigned};
use super::malformed::Malformed;
use crate::ids::{Actor, ChangeHash};

/// Bounds of the reader. Not configurable in use: they are part of what is timeless.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of a chunk.
    pub bytes: usize,
    /// Dependencies.
    pub deps: usize,
    /// Actors in the table, the author not counted.
    pub actors: usize,
    /// Operations, and separately overwritten values.
    pub ops: usize,
}

impl Limits {
    /// The bounds of every replica.
    pub const ADMISSION: Self = Self { bytes: 256 * 1024, deps: 64, actors: 64, ops: 10_000 };
}

impl Default for Limits {
    fn default() -> Self {
        Self::ADMISSION
    }
}

/// An operation's name: who made it, and its counter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OpRef {
    /// Counter; before the actor, so that references sort as automerge sorts them.
    pub counter: u64,
    /// Who made it.
    pub actor: Actor,
}

/// Assignment of a text to a key of an object: the only operation there is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Op {
    /// The object, named by the operation that created it.
    pub object: OpRef,
    /// The key.
    pub key: String,
    /// The text.
    pub value: String,
    /// What it overwrites, sorted.
    pub pred: Vec<OpRef>,
}

/// A change as the bounded reader sees it: everything that is in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangeHead {
    /// SHA-256 of the chunk after its checksum.
    pub hash: ChangeHash,
    /// Its author's device and incarnation.
    pub actor: Actor,
    /// Number within the actor's changes to the document, from 1.
    pub seq: u64,
    /// Counter of its first operation.
    pub start_op: u64,
    /// Counter of its last operation.
    pub max_op: u64,
    /// The device's clock, seconds since 1970.
    pub time: i64,
    /// What it depends on, sorted.
    pub deps: Vec<ChangeHash>,
    /// Its operations.
    pub ops: Vec<Op>,
}

pub(super) const MAGIC: [u8; 4] = [0x85, 0x6f, 0x4a, 0x83];
pub(super) const CHANGE_CHUNK: u8 = 1;
const ACTOR_BYTES: usize = 36;
const ACTION_SET: u64 = 1;
const TYPE_TEXT: u64 = 6;
/// Clocks may be wrong, but not by more than thirty thousand years.
const MAX_TIME: i64 = 1 << 40;

const OBJECT_ACTOR: u32 = 1;
const OBJECT_COUNTER: u32 = 2;
const KEY: u32 = 21;
const INSERT: u32 = 52;
const ACTION: u32 = 66;
const VALUE_META: u32 = 86;
const VALUE: u32 = 87;
const PRED_COUNT: u32 = 112;
const PRED_ACTOR: u32 = 113;
const PRED_COUNTER: u32 = 115;
const COLUMNS: [u32; 10] =
    [OBJECT_ACTOR, OBJECT_COUNTER, KEY, INSERT, ACTION, VALUE_META, VALUE, PRED_COUNT, PRED_ACTOR, PRED_COUNTER];
/// The bit of a column's specification that says "deflated".
const DEFLATED: u32 = 0b1000;

/// Reads a raw change without automerge: bounded in time and memory by the bytes given and the
/// limits, and only if it is in the one form in which this program writes its content.
///
/// # Errors
/// [`Malformed`]; never panics.
pub fn read_change(raw: &[u8], limits: &Limits) -> Result<ChangeHead, Malformed> {
    if raw.len() > limits.bytes {
        return Err(Malformed::TooLarge { bytes: raw.len(), limit: limits.bytes });
    }
    let (hash, body) = open_chunk(raw)?;
    // No key occurs twice in a change, so that each operation has bytes of its own: what a few bytes of run lengths
    // claim beyond that is refused before anything is expanded.
    let limits = Limits { ops: limits.ops.min(body.len()), ..*limits };
    let (head, table) = read_body(hash, body, &limits)?;
    check_table(&head, &table)?;
    // The length before the body was read in its shortest form: equal bodies are equal chunks.
    if encode_body(&head) == body { Ok(head) } else { Err(Malformed::NotCanonical) }
}

/// Reads a raw change that [`read_change`] has let through before: what that compared once is not
/// compared again.
///
/// # Errors
/// [`Malformed`], when it was never admitted; never panics.
pub fn read_admitted(raw: &[u8]) -> Result<ChangeHead, Malformed> {
    let (hash, body) = open_chunk(raw)?;
    let limits = Limits { ops: Limits::ADMISSION.ops.min(body.len()), ..Limits::ADMISSION };
    Ok(read_body(hash, body, &limits)?.0)
}

fn open_chunk(raw: &[u8]) -> Result<(ChangeHash, &[u8]), Malformed> {
    let mut cursor = Cursor::new(raw);
    if cursor.array()? != MAGIC {
        return Err(Malformed::Magic);
    }
    let checksum: [u8; 4] = cursor.array()?;
    let hashed = cursor.rest();
    let chunk_type = cursor.byte()?;
    if chunk_type != CHANGE_CHUNK {
        return Err(Malformed::ChunkType(chunk_type));
    }
    let length = cursor.count(usize::MAX, "bytes")?;
    let body = cursor.take(length)?;
    if !cursor.is_empty() {
        return Err(Malformed::Trailing);
    }
    let hash: [u8; 32] = Sha256::digest(hashed).into();
    if hash[..4] != checksum {
        return Err(Malformed::Checksum);
    }
    Ok((ChangeHash(hash), body))
}

fn read_body(hash: ChangeHash, body: &[u8], limits: &Limits) -> Result<(ChangeHead, Vec<Actor>), Malformed> {
    let mut cursor = Cursor::new(body);
    let mut deps = Vec::new();
    for _ in 0..cursor.count(limits.deps, "dependencies")? {
        deps.push(ChangeHash(cursor.array()?));
    }
    if !deps.is_sorted_by(|a, b| a < b) {
        return Err(Malformed::DepOrder);
    }
    let actor = read_actor(&mut cursor)?;
    let seq = cursor.unsigned()?;
    let start_op = cursor.unsigned()?;
    let time = cursor.signed()?;
    if cursor.unsigned()? != 0 {
        return Err(Malformed::Message);
    }
    let mut table = vec![actor];
    for _ in 0..cursor.count(limits.actors, "actors")? {
        table.push(read_actor(&mut cursor)?);
    }
    let columns = read_columns(&mut cursor)?;
    let ops = read_ops(&columns, &table, limits)?;
    if deps.is_empty() {
        return Err(Malformed::NoDeps);
    }
    if !(1..=u64::from(u32::MAX)).contains(&seq) {
        return Err(Malformed::Range("the sequence number"));
    }
    let max_op = start_op.checked_add(ops.len() as u64 - 1).filter(|max| *max <= u64::from(u32::MAX));
    let max_op = max_op.filter(|_| start_op > 0).ok_or(Malformed::Range("an operation counter"))?;
    if !(-MAX_TIME..=MAX_TIME).contains(&time) {
        return Err(Malformed::Range("the time"));
    }
    Ok((ChangeHead { hash, actor, seq, start_op, max_op, time, deps, ops }, table))
}

fn read_actor(cursor: &mut Cursor<'_>) -> Result<Actor, Malformed> {
    let length = cursor.count(usize::MAX, "bytes of an actor")?;
    if length != ACTOR_BYTES {
        return Err(Malformed::ActorLength(length));
    }
    Ok(Actor(cursor.array()?))
}

/// The columns by position in [`COLUMNS`]; those that are not there are empty.
fn read_columns<'a>(cursor: &mut Cursor<'a>) -> Result<[&'a [u8]; COLUMNS.len()], Malformed> {
    let mut declared = Vec::new();
    let mut before = None;
    for _ in 0..cursor.count(COLUMNS.len(), "columns")? {
        let spec = u32::try_from(cursor.unsigned()?).map_err(|_| Malformed::Integer)?;
        if spec & DEFLATED != 0 {
            return Err(Malformed::Deflated(spec));
        }
        let index = COLUMNS.iter().position(|known| *known == spec).ok_or(Malformed::UnknownColumn(spec))?;
        if before >= Some(spec) {
            return Err(Malformed::ColumnOrder);
        }
        before = Some(spec);
        declared.push((index, cursor.count(usize::MAX, "bytes")?));
    }
    let mut columns = [&[][..]; COLUMNS.len()];
    for (index, length) in declared {
        columns[index] = cursor.take(length)?;
    }
    if cursor.is_empty() { Ok(columns) } else { Err(Malformed::Trailing) }
}

fn read_ops(columns: &[&[u8]; COLUMNS.len()], table: &[Actor], limits: &Limits) -> Result<Vec<Op>, Malformed> {
    let [object_actor, object_counter, key, insert, action, meta, value, pred_count, pred_actor, pred_counter] =
        *columns;
    let actions = read_numbers(ACTION, action, limits.ops)?;
    if actions.is_empty() {
        return Err(Malformed::Empty);
    }
    if let Some(other) = actions.iter().find(|action| **action != ACTION_SET) {
        return Err(Malformed::Action(*other));
    }
    let rows = actions.len();
    if read_no_inserts(insert, limits.ops)? != rows {
        return Err(Malformed::Rows(INSERT));
    }
    let object_actors = of_length(OBJECT_ACTOR, rows, read_numbers(OBJECT_ACTOR, object_actor, limits.ops)?)?;
    let object_counters = of_length(OBJECT_COUNTER, rows, read_numbers(OBJECT_COUNTER, object_counter, limits.ops)?)?;
    let keys = of_length(KEY, rows, read_texts(KEY, key, limits.ops)?)?;
    let metas = of_length(VALUE_META, rows, read_numbers(VALUE_META, meta, limits.ops)?)?;
    let pred_counts = of_length(PRED_COUNT, rows, read_numbers(PRED_COUNT, pred_count, limits.ops)?)?;
    let pred_actors = read_numbers(PRED_ACTOR, pred_actor, limits.ops)?;
    let preds = of_length(PRED_COUNTER, pred_actors.len(), read_deltas(PRED_COUNTER, pred_counter, limits.ops)?)?;
    let mut preds = pred_actors.iter().zip(&preds);
    let mut values = Cursor::new(value);
    let mut ops = Vec::with_capacity(rows);
    for row in 0..rows {
        let mut pred = Vec::new();
        for _ in 0..pred_counts[row] {
            let (actor, counter) = preds.next().ok_or(Malformed::Rows(PRED_ACTOR))?;
            pred.push(op_ref(table, *actor, *counter)?);
        }
        if !pred.is_sorted_by(|a, b| a < b) {
            return Err(Malformed::PredOrder);
        }
        ops.push(Op {
            object: op_ref(table, object_actors[row], object_counters[row])?,
            key: keys[row].to_owned(),
            value: read_value(metas[row], &mut values)?,
            pred,
        });
    }
    if preds.next().is_some() {
        return Err(Malformed::Rows(PRED_ACTOR));
    }
    if values.is_empty() { Ok(ops) } else { Err(Malformed::Rows(VALUE)) }
}

fn of_length<T>(column: u32, rows: usize, cells: Vec<T>) -> Result<Vec<T>, Malformed> {
    if cells.len() == rows { Ok(cells) } else { Err(Malformed::Rows(column)) }
}

fn op_ref(table: &[Actor], actor: u64, counter: u64) -> Result<OpRef, Malformed> {
    let actor = usize::try_from(actor).ok().and_then(|index| table.get(index)).ok_or(Malformed::UnknownActor)?;
    if !(1..=u64::from(u32::MAX)).contains(&counter) {
        return Err(Malformed::Range("an operation counter"));
    }
    Ok(OpRef { counter, actor: *actor })
}

fn read_value(meta: u64, values: &mut Cursor<'_>) -> Result<String, Malformed> {
    if meta & 0xf != TYPE_TEXT {
        return Err(Malformed::ValueType((meta & 0xf) as u8));
    }
    let length = usize::try_from(meta >> 4).map_err(|_| Malformed::Truncated)?;
    let text = std::str::from_utf8(values.take(length)?).map_err(|_| Malformed::Text)?;
    Ok(text.to_owned())
}

/// The table must be the author and the other actors that operations use, sorted.
fn check_table(head: &ChangeHead, table: &[Actor]) -> Result<(), Malformed> {
    let others = &table[1..];
    if !others.is_sorted_by(|a, b| a < b) || others.contains(&head.actor) {
        return Err(Malformed::ActorOrder);
    }
    let used = used_actors(head);
    if others.iter().all(|actor| used.contains(actor)) { Ok(()) } else { Err(Malformed::UnusedActor) }
}

fn used_actors(head: &ChangeHead) -> BTreeSet<Actor> {
    let refs = head.ops.iter().flat_map(|op| std::iter::once(&op.object).chain(&op.pred));
    refs.map(|op| op.actor).filter(|actor| *actor != head.actor).collect()
}

/// Writes the content in the one form that is admitted; the `hash` of the head is not used.
#[must_use]
pub fn encode_change(head: &ChangeHead) -> Vec<u8> {
    close_chunk(&encode_body(head))
}

/// As [`encode_change`], with the hash that names the chunk.
pub(crate) fn encode_named(head: &ChangeHead) -> (ChangeHash, Vec<u8>) {
    close_named(&encode_body(head))
}

fn encode_body(head: &ChangeHead) -> Vec<u8> {
    let others: Vec<Actor> = used_actors(head).into_iter().collect();
    let mut body = Vec::new();
    put_unsigned(&mut body, head.deps.len() as u64);
    head.deps.iter().for_each(|dep| body.extend_from_slice(&dep.0));
    put_actor(&mut body, &head.actor);
    put_unsigned(&mut body, head.seq);
    put_unsigned(&mut body, head.start_op);
    put_signed(&mut body, head.time);
    put_unsigned(&mut body, 0);
    put_unsigned(&mut body, others.len() as u64);
    others.iter().for_each(|actor| put_actor(&mut body, actor));
    let columns = encode_columns(head, &others);
    let filled: Vec<_> = COLUMNS.iter().zip(&columns).filter(|(_, bytes)| !bytes.is_empty()).collect();
    put_unsigned(&mut body, filled.len() as u64);
    for (spec, bytes) in &filled {
        put_unsigned(&mut body, u64::from(**spec));
        put_unsigned(&mut body, bytes.len() as u64);
    }
    filled.iter().for_each(|(_, bytes)| body.extend_from_slice(bytes));
    body
}

pub(super) fn close_chunk(body: &[u8]) -> Vec<u8> {
    close_named(body).1
}

fn close_named(body: &[u8]) -> (ChangeHash, Vec<u8>) {
    let mut hashed = vec![CHANGE_CHUNK];
    put_unsigned(&mut hashed, body.len() as u64);
    hashed.extend_from_slice(body);
    let hash: [u8; 32] = Sha256::digest(&hashed).into();
    let mut raw = Vec::with_capacity(8 + hashed.len());
    raw.extend_from_slice(&MAGIC);
    raw.extend_from_slice(&hash[..4]);
    raw.extend_from_slice(&hashed);
    (ChangeHash(hash), raw)
}

fn put_actor(out: &mut Vec<u8>, actor: &Actor) {
    put_unsigned(out, actor.0.len() as u64);
    out.extend_from_slice(&actor.0);
}

fn encode_columns(head: &ChangeHead, others: &[Actor]) -> [Vec<u8>; COLUMNS.len()] {
    // `others` holds all but the author, who has index 0.
    let index = |actor: &Actor| others.binary_search(actor).map_or(0, |position| position as u64 + 1);
    let ops = &head.ops;
    let column = |cell: &dyn Fn(&Op) -> u64| write_numbers(&ops.iter().map(cell).collect::<Vec<_>>());
    let preds: Vec<&OpRef> = ops.iter().flat_map(|op| &op.pred).collect();
    let mut insert = Vec::new();
    put_unsigned(&mut insert, ops.len() as u64);
    [
        column(&|op| index(&op.object.actor)),
        column(&|op| op.object.counter),
        write_texts(&ops.iter().map(|op| op.key.as_str()).collect::<Vec<_>>()),
        insert,
        column(&|_| ACTION_SET),
        column(&|op| (op.value.len() as u64) << 4 | TYPE_TEXT),
        ops.iter().flat_map(|op| op.value.bytes()).collect(),
        column(&|op| op.pred.len() as u64),
        write_numbers(&preds.iter().map(|pred| index(&pred.actor)).collect::<Vec<_>>()),
        write_deltas(&preds.iter().map(|pred| pred.counter).collect::<Vec<_>>()),
    ]
}
