//! Answers a question: first the set of rows (`set`), then one page of it in order.
//!
//! A page comes in one of three ways. By a column of few values: value by value, out of the bitmaps.
//! By another column: along its index, passing over what is not in the set — or, when so few rows are
//! left that this would pass over much, by fetching and sorting those. Rows without a value come
//! last, out of a bitmap.

use std::cmp::Ordering;

use outlet_core::ids::{Collection, DocKey, DocKind, OutletId};
use outlet_core::ledger::{LedgerRow, LifeCycle};
use roaring::RoaringBitmap;
use rusqlite::types::{Value, ValueRef};
use rusqlite::{Connection, Row, params_from_iter};

use super::columns::bucket;
use super::cursor::Key;
use super::set::set;
use super::text::{Fit, Set, looks};
use super::{Cursor, Dimension, Direction, Filter, Query, Scope, SortColumn, postings};
use crate::db::{DbError, optional};

/// A total is exact up to here.
pub const CAP: u64 = 10_000;

/// One row of a list.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// Number of the row in this database.
    pub id: u32,
    /// The outlet.
    pub key: DocKey,
    /// When it last changed, as a version of the ledger.
    pub version: u64,
    /// The row.
    pub row: LedgerRow,
}

/// How many rows there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Total {
    /// So many.
    Exactly(u64),
    /// So many and perhaps more: counting stopped.
    AtLeast(u64),
}

impl std::fmt::Display for Total {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Exactly(count) => write!(f, "{count}"),
            Self::AtLeast(count) => write!(f, "{count}+"),
        }
    }
}

/// A page.
#[derive(Debug, Clone, PartialEq)]
pub struct Page {
    /// Rows in order.
    pub entries: Vec<Entry>,
    /// Where the next page begins, if there is one.
    pub next: Option<Cursor>,
    /// Rows of all pages.
    pub total: Total,
    /// Version of the ledger.
    pub version: u64,
}

/// All rows of a filter, as numbers of this database.
///
/// # Errors
/// When SQLite refuses.
pub fn ids(connection: &Connection, filter: &Filter) -> Result<RoaringBitmap, DbError> {
    let mut set = set(connection, filter)?;
    set.settle(connection)?;
    Ok(set.bits)
}

/// How many rows a filter has.
///
/// # Errors
/// When SQLite refuses.
pub fn count(connection: &Connection, filter: &Filter) -> Result<Total, DbError> {
    Ok(Total::Exactly(ids(connection, filter)?.len()))
}

/// One page.
///
/// # Errors
/// When SQLite refuses, or a stored row cannot be read.
pub fn page(connection: &Connection, query: &Query) -> Result<Page, DbError> {
    let mut set = set(connection, &query.filter)?;
    let mut found = match walk(connection, &set, query)? {
        Some(found) => found,
        None => {
            set.settle(connection)?;
            // Nothing is left to be looked at row by row.
            walk(connection, &set, query)?.unwrap_or_default()
        }
    };
    let more = found.len() > query.limit;
    found.truncate(query.limit);
    let next = found.last().filter(|_| more).map(|(key, id)| Cursor { key: key.clone(), id: *id });
    let ids: Vec<u32> = found.iter().map(|(_, id)| *id).collect();
    Ok(Page {
        entries: fetch(connection, &ids)?,
        next,
        total: set.total(ids.len() as u64 + u64::from(more)),
        version: super::version(connection)?,
    })
}

/// The rows of a page and one more; nothing when too many rows would have to be looked at for it.
fn walk(connection: &Connection, set: &Set, query: &Query) -> Result<Option<Vec<(Key, u32)>>, DbError> {
    let mut walk = Walk { connection, set, wanted: query.limit + 1, found: Vec::new(), looks: looks(), tired: false };
    match query.sort.column {
        SortColumn::Value(dimension) => walk.by_value(dimension, query)?,
        column => walk.by_column(column, query)?,
    }
    Ok((!walk.tired).then_some(walk.found))
}

/// Up to `limit` rows with numbers above `after`, for whoever reads all of them.
///
/// # Errors
/// When SQLite refuses, or a stored row cannot be read.
pub fn rows_after(
    connection: &Connection,
    ids: &RoaringBitmap,
    after: Option<u32>,
    limit: usize,
) -> Result<Vec<Entry>, DbError> {
    let first = after.map_or(0, |after| after.saturating_add(1));
    let chosen: Vec<u32> = ids.range(first..).take(limit).filter(|id| after.is_none_or(|after| *id > after)).collect();
    fetch(connection, &chosen)
}

/// One outlet, if the scope allows to see it.
///
/// # Errors
/// When SQLite refuses, or the stored row cannot be read.
pub fn one(connection: &Connection, scope: &Scope, outlet: &DocKey) -> Result<Option<Entry>, DbError> {
    if !scope.holds(outlet.collection) {
        return Ok(None);
    }
    let sql = "SELECT id, outlet, version, row FROM ledger WHERE outlet = ?1";
    let found = connection.prepare_cached(sql)?.query_row([&outlet.to_bytes()[..]], |row| Ok(entry(row)));
    optional(found)?.transpose()
}

/// The outlet with a UUID, if the scope allows to see it. A record that moved to another collection
/// has its successor's UUID at times: the successor is meant.
///
/// # Errors
/// When SQLite refuses, or the stored row cannot be read.
pub fn by_id(connection: &Connection, scope: &Scope, id: &OutletId) -> Result<Option<Entry>, DbError> {
    let mut found: Option<Entry> = None;
    for code in postings::values(connection, Dimension::Collection)? {
        let Some(collection) = code.parse().ok().and_then(Collection::from_code) else { continue };
        let key = DocKey { kind: DocKind::Field, collection, id: *id };
        let entry = one(connection, scope, &key)?;
        if found.as_ref().is_none_or(|known| known.row.state == LifeCycle::Moved) {
            found = entry.or(found);
        }
    }
    Ok(found)
}

/// The row with this number.
pub(super) fn numbered(connection: &Connection, id: u32) -> Result<Entry, DbError> {
    fetch(connection, &[id])?.pop().ok_or_else(|| DbError::Damaged(format!("ledger row {id}")))
}

fn fetch(connection: &Connection, ids: &[u32]) -> Result<Vec<Entry>, DbError> {
    let mut statement = connection.prepare_cached("SELECT id, outlet, version, row FROM ledger WHERE id = ?1")?;
    ids.iter().map(|id| statement.query_row([id], |row| Ok(entry(row)))?).collect()
}

fn entry(row: &Row<'_>) -> Result<Entry, DbError> {
    let key: Vec<u8> = row.get(1)?;
    let text = row.get_ref(3)?.as_str().map_err(rusqlite::Error::from)?;
    Ok(Entry {
        id: row.get(0)?,
        key: DocKey::from_bytes(&key).ok_or_else(|| DbError::Damaged("ledger key".into()))?,
        version: crate::db::uint(row.get(2)?),
        row: serde_json::from_str(text)
            .map_err(|error| DbError::Damaged(format!("a ledger row ({error}); run `outlet-server ledger rebuild`")))?,
    })
}

/// Collects the rows of a page.
struct Walk<'a> {
    connection: &'a Connection,
    set: &'a Set,
    wanted: usize,
    found: Vec<(Key, u32)>,
    /// Rows whose text may still be looked at.
    looks: u32,
    /// They did not suffice.
    tired: bool,
}

impl Walk<'_> {
    fn full(&self) -> bool {
        self.tired || self.found.len() >= self.wanted
    }

    fn push(&mut self, key: &Key, id: u32) -> Result<(), DbError> {
        match self.set.fits(self.connection, id, &mut self.looks)? {
            Fit::Yes => self.found.push((key.clone(), id)),
            Fit::No => {}
            Fit::Tired => self.tired = true,
        }
        Ok(())
    }

    /// Rows of one bitmap, by number.
    fn take(
        &mut self,
        bits: &RoaringBitmap,
        key: &Key,
        after: Option<u32>,
        direction: Direction,
    ) -> Result<(), DbError> {
        match direction {
            Direction::Up => {
                let first = after.map_or(0, |after| after.saturating_add(1));
                for id in bits.range(first..) {
                    if self.full() {
                        break;
                    }
                    self.push(key, id)?;
                }
            }
            Direction::Down => {
                let end = after.map_or_else(|| u64::from(u32::MAX) + 1, u64::from);
                let Some(last) = end.checked_sub(1).and_then(|last| u32::try_from(last).ok()) else { return Ok(()) };
                for id in bits.range(..=last).rev() {
                    if self.full() {
                        break;
                    }
                    self.push(key, id)?;
                }
            }
        }
        Ok(())
    }

    /// Value by value; nothing recorded last. Of a small set the values are fetched and sorted instead:
    /// most bitmaps of a column with many values would have nothing in common with it.
    fn by_value(&mut self, dimension: Dimension, query: &Query) -> Result<(), DbError> {
        if self.set.bits.len() <= SMALL
            && let Some(select) = fetched(dimension)
        {
            let order = Order { select, ..Order::of("inventory", "", query.sort.direction) };
            let set = self.set;
            return self.sorted(&order, &set.bits, query.after.as_ref());
        }
        let mut values = postings::values(self.connection, dimension)?;
        let absent = values.first().is_some_and(String::is_empty).then(|| values.remove(0));
        if query.sort.direction == Direction::Down {
            values.reverse();
        }
        let keys = values.into_iter().map(Key::Text).chain(absent.map(|_| Key::Absent));
        let mut after = query.after.as_ref();
        for key in keys {
            if self.full() {
                return Ok(());
            }
            if let Some(cursor) = after
                && before(&key, &cursor.key, query.sort.direction)
            {
                continue;
            }
            let value = if let Key::Text(value) = &key { value.as_str() } else { "" };
            let bits = postings::load(self.connection, dimension, value)? & &self.set.bits;
            let within = after.take().filter(|cursor| cursor.key == key).map(|cursor| cursor.id);
            self.take(&bits, &key, within, query.sort.direction)?;
        }
        Ok(())
    }

    fn by_column(&mut self, column: SortColumn, query: &Query) -> Result<(), DbError> {
        let absent = match column {
            SortColumn::Changed => RoaringBitmap::new(),
            _ => postings::load(self.connection, Dimension::Bucket, &bucket(column.code(), ""))? & &self.set.bits,
        };
        let table = if column == SortColumn::Changed { "ledger" } else { "inventory" };
        let name = if column == SortColumn::Changed { "version" } else { column.code() };
        let order = Order::of(table, name, query.sort.direction);
        let past_values = query.after.as_ref().is_some_and(|cursor| cursor.key == Key::Absent);
        if !past_values {
            let present = &self.set.bits - &absent;
            self.present(&order, &present, query.after.as_ref())?;
        }
        let after = query.after.as_ref().filter(|_| past_values).map(|cursor| cursor.id);
        self.take(&absent, &Key::Absent, after, query.sort.direction)
    }

    /// Rows with a value: along the index while that is the shorter way, else by sorting them.
    fn present(&mut self, order: &Order<'_>, bits: &RoaringBitmap, after: Option<&Cursor>) -> Result<(), DbError> {
        if bits.is_empty() {
            return Ok(());
        }
        // One step along the index costs about a tenth of fetching a row's value.
        let steps = bits.len().saturating_mul(10);
        let start = self.found.len();
        if bits.len() > self.wanted as u64 && self.along(order, bits, after, steps)? {
            return Ok(());
        }
        self.found.truncate(start);
        self.sorted(order, bits, after)
    }

    /// False when the steps did not suffice.
    fn along(
        &mut self,
        order: &Order<'_>,
        bits: &RoaringBitmap,
        after: Option<&Cursor>,
        steps: u64,
    ) -> Result<bool, DbError> {
        let mut left = steps;
        for (sql, values) in order.statements(after) {
            let mut statement = self.connection.prepare_cached(&sql)?;
            let mut rows = statement.query(params_from_iter(values))?;
            while !self.full() {
                let Some(row) = rows.next()? else { break };
                left = match left.checked_sub(1) {
                    Some(left) => left,
                    None => return Ok(false),
                };
                let id: u32 = row.get(0)?;
                if bits.contains(id) {
                    self.push(&key(row.get_ref(1)?)?, id)?;
                }
            }
        }
        Ok(true)
    }

    fn sorted(&mut self, order: &Order<'_>, bits: &RoaringBitmap, after: Option<&Cursor>) -> Result<(), DbError> {
        let select = if order.select.is_empty() { order.name } else { order.select };
        let sql = format!("SELECT {select} FROM {} WHERE id = ?1", order.table);
        let mut statement = self.connection.prepare_cached(&sql)?;
        let mut keys: Vec<(Key, u32)> = Vec::new();
        for id in bits {
            let key = statement.query_row([id], |row| Ok(key(row.get_ref(0)?)))??;
            if after.is_none_or(|cursor| order.compare((&key, id), (&cursor.key, cursor.id)) == Ordering::Greater) {
                keys.push((key, id));
            }
        }
        drop(statement);
        keys.sort_unstable_by(|left, right| order.compare((&left.0, left.1), (&right.0, right.1)));
        for (key, id) in keys {
            if self.full() {
                break;
            }
            self.push(&key, id)?;
        }
        Ok(())
    }
}

/// Does a value come before that of the cursor?
fn before(key: &Key, cursor: &Key, direction: Direction) -> bool {
    match (key, cursor) {
        (Key::Absent, _) => false,
        (_, Key::Absent) => true,
        _ if direction == Direction::Up => key < cursor,
        _ => key > cursor,
    }
}

fn key(value: ValueRef<'_>) -> Result<Key, DbError> {
    Ok(match value {
        ValueRef::Integer(number) => Key::Integer(number),
        ValueRef::Null => Key::Absent,
        other => Key::Text(other.as_str().map_err(rusqlite::Error::from)?.to_owned()),
    })
}

/// An index to walk along.
struct Order<'a> {
    table: &'a str,
    name: &'a str,
    /// What is fetched to sort by, where that is not the column itself.
    select: &'a str,
    direction: Direction,
}

/// Rows up to which the values of a column of few values are fetched.
const SMALL: u64 = if cfg!(test) { 30 } else { 1_000 };

/// A dimension's value as its bitmaps name it, out of a row's own columns.
fn fetched(dimension: Dimension) -> Option<&'static str> {
    match dimension {
        // Of the collection there are few; codes of problems and flags are lists.
        Dimension::Collection | Dimension::Problem | Dimension::Flag | Dimension::Place | Dimension::Bucket => None,
        Dimension::Problems => Some("printf('%05d', min(problems, 99999))"),
        Dimension::Due => Some("date(due * 86400, 'unixepoch')"),
        single => Some(single.code()),
    }
}

impl<'a> Order<'a> {
    fn of(table: &'a str, name: &'a str, direction: Direction) -> Self {
        Self { table, name, select: "", direction }
    }

    /// In the order of the list: what is absent comes last either way, rows of one value by number.
    fn compare(&self, left: (&Key, u32), right: (&Key, u32)) -> Ordering {
        let absent = |key: &Key| *key == Key::Absent;
        let by_absence = absent(left.0).cmp(&absent(right.0));
        by_absence.then_with(|| match self.direction {
            Direction::Up => left.cmp(&right),
            Direction::Down => right.cmp(&left),
        })
    }

    /// What is left of the cursor's own value, then what comes after: each is one stretch of the
    /// index, however many rows share a value.
    fn statements(&self, after: Option<&Cursor>) -> Vec<(String, Vec<Value>)> {
        let Self { table, name, direction, .. } = self;
        let (beyond, order) = match direction {
            Direction::Up => (">", ""),
            Direction::Down => ("<", " DESC"),
        };
        let Some(cursor) = after else {
            let sql =
                format!("SELECT id, {name} FROM {table} WHERE {name} IS NOT NULL ORDER BY {name}{order}, id{order}");
            return vec![(sql, Vec::new())];
        };
        let value = match &cursor.key {
            Key::Integer(number) => Value::Integer(*number),
            Key::Text(text) => Value::Text(text.clone()),
            Key::Absent => Value::Null,
        };
        let same = format!("SELECT id, {name} FROM {table} WHERE {name} = ?1 AND id {beyond} ?2 ORDER BY id{order}");
        let rest = format!("SELECT id, {name} FROM {table} WHERE {name} {beyond} ?1 ORDER BY {name}{order}, id{order}");
        vec![(same, vec![value.clone(), Value::Integer(i64::from(cursor.id))]), (rest, vec![value])]
    }
}
