//! Answers a question: first the set of rows, then one page of it in order.
//!
//! The set is bitmaps combined: values, flags and whole months of days are there as they are; only
//! the ends of a span of days, the edge of a box and a rare text are read from an index. A text
//! that is everywhere stays a condition on each row instead.
//!
//! A page comes in one of three ways. By a column of few values: value by value, out of the bitmaps.
//! By another column: along its index, passing over what is not in the set — or, when so few rows are
//! left that this would pass over much, by fetching and sorting those. Rows without a value come
//! last, out of a bitmap.

use outlet_core::ids::{Collection, DocKey, DocKind, OutletId};
use outlet_core::ledger::{LedgerRow, LifeCycle};
use outlet_core::time::Day;
use roaring::RoaringBitmap;
use rusqlite::types::{Value, ValueRef};
use rusqlite::{Connection, Row, params, params_from_iter};

use super::columns::{bucket, month};
use super::cursor::Key;
use super::{Cursor, DateColumn, Dimension, Direction, Filter, Query, Scope, SortColumn, place, postings};
use crate::db::{DbError, int, optional};

/// A total is exact up to here.
pub const CAP: u64 = 10_000;

/// Rows of a text search that are read from the index at once; beyond, each row is looked at. Tests
/// go all ways with few rows.
const COMMON: usize = if cfg!(test) { 60 } else { 30_000 };

/// Rows below which text is looked at row by row without asking the index.
const FEW: u64 = if cfg!(test) { 20 } else { 2_000 };

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

/// The rows that fit, and what is still to be looked at in each.
struct Set {
    bits: RoaringBitmap,
    /// Pieces that the row's text must hold.
    text: Vec<String>,
}

/// Rows of a scope.
pub(super) fn base(connection: &Connection, scope: &Scope) -> Result<RoaringBitmap, DbError> {
    let Some(own) = scope.collections() else { return postings::load_all(connection, Dimension::Collection) };
    let mut bits = RoaringBitmap::new();
    for collection in own {
        bits |= postings::load(connection, Dimension::Collection, &collection.code().to_string())?;
    }
    Ok(bits)
}

fn set(connection: &Connection, filter: &Filter) -> Result<Set, DbError> {
    let mut bits = base(connection, &filter.scope)?;
    for (dimension, values) in &filter.values {
        let mut any = RoaringBitmap::new();
        for value in values {
            any |= postings::load(connection, *dimension, value)?;
        }
        bits &= any;
    }
    for flag in &filter.flags {
        bits &= postings::load(connection, Dimension::Flag, flag.code())?;
    }
    if let Some(today) = filter.overdue_on {
        // From after "", the plans without a day.
        bits &= postings::load_range(connection, Dimension::Due, "\u{1}", &today.to_string())?;
    }
    for (column, span) in &filter.dates {
        bits &= days(connection, *column, span.from, span.to)?;
    }
    if let Some(party) = &filter.party {
        bits &= rows(connection, "SELECT id FROM inventory WHERE party = ?1", params![party])?;
    }
    if let Some(version) = filter.changed_after {
        bits &= rows(connection, "SELECT id FROM ledger WHERE version > ?1", params![int(version)])?;
    }
    if let Some(bbox) = &filter.bbox {
        bits &= inside(connection, bbox)?;
    }
    text(connection, filter, bits)
}

fn rows(connection: &Connection, sql: &str, values: impl rusqlite::Params) -> Result<RoaringBitmap, DbError> {
    let mut bits = RoaringBitmap::new();
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query(values)?;
    while let Some(row) = rows.next()? {
        bits.insert(row.get(0)?);
    }
    Ok(bits)
}

/// Rows whose day lies in a span: whole months out of the bitmaps, the ends out of the index.
fn days(
    connection: &Connection,
    column: DateColumn,
    from: Option<Day>,
    to: Option<Day>,
) -> Result<RoaringBitmap, DbError> {
    if from.zip(to).is_some_and(|(from, to)| from > to) {
        return Ok(RoaringBitmap::new());
    }
    let first_of = |day: Day| day.plus_days(1 - i64::from(day.parts().2));
    let next_month = |day: Day| first_of(first_of(day).plus_days(31));
    // Months from `start` up to `end` (excluded) are whole.
    let start = from.map(|from| if first_of(from) == from { from } else { next_month(from) });
    let end = to.map(|to| first_of(to.plus_days(1)));
    let code = column.code();
    let low = bucket(code, &start.map_or_else(|| "\u{1}".to_owned(), month));
    let high = bucket(code, &end.map_or_else(|| "\u{10ffff}".to_owned(), month));
    let mut bits = RoaringBitmap::new();
    if low < high {
        bits |= postings::load_range(connection, Dimension::Bucket, &low, &high)?;
    }
    let sql = format!("SELECT id FROM inventory WHERE {code} >= ?1 AND {code} <= ?2");
    let mut read = |first: Day, last: Day| -> Result<(), DbError> {
        if first <= last {
            bits |= rows(connection, &sql, params![first.epoch_days(), last.epoch_days()])?;
        }
        Ok(())
    };
    if let (Some(from), Some(start)) = (from, start) {
        let last = start.plus_days(-1);
        read(from, to.map_or(last, |to| to.min(last)))?;
    }
    if let (Some(to), Some(end)) = (to, end) {
        read(from.map_or(end, |from| from.max(end)), to)?;
    }
    Ok(bits)
}

/// Rows whose position lies in a box.
fn inside(connection: &Connection, bbox: &super::BoundingBox) -> Result<RoaringBitmap, DbError> {
    if bbox.west > bbox.east {
        // Across the meridian of 180 degrees.
        let western = super::BoundingBox { east: 180.0, ..*bbox };
        let eastern = super::BoundingBox { west: -180.0, ..*bbox };
        return Ok(inside(connection, &western)? | inside(connection, &eastern)?);
    }
    let cover = place::cover(bbox.west, bbox.south, bbox.east, bbox.north);
    let mut bits = RoaringBitmap::new();
    let sql = "SELECT id FROM inventory WHERE cell >= ?1 AND cell < ?2";
    for tile in cover.inside {
        let (from, to) = tile.cells(place::LEVEL);
        bits |= if tile.z <= place::COARSE {
            let (first, end) = place_range(tile);
            postings::load_range(connection, Dimension::Place, &first, &end)?
        } else {
            rows(connection, sql, params![int(from), int(to)])?
        };
    }
    let sql = "SELECT id, lon, lat FROM inventory WHERE cell >= ?1 AND cell < ?2";
    let mut statement = connection.prepare_cached(sql)?;
    for tile in cover.edge {
        let (from, to) = tile.cells(place::LEVEL);
        let mut found = statement.query(params![int(from), int(to)])?;
        while let Some(row) = found.next()? {
            if bbox.holds(row.get(1)?, row.get(2)?) {
                bits.insert(row.get(0)?);
            }
        }
    }
    Ok(bits)
}

/// Those of `bits` that lie in a tile.
///
/// # Errors
/// When SQLite refuses.
pub fn within(connection: &Connection, tile: place::Tile, bits: &RoaringBitmap) -> Result<RoaringBitmap, DbError> {
    let mut found = RoaringBitmap::new();
    if tile.z <= place::COARSE {
        places(connection, tile, |_, own| found |= own & bits)?;
        return Ok(found);
    }
    let (from, to) = tile.cells(place::LEVEL);
    let sql = "SELECT id FROM inventory WHERE cell >= ?1 AND cell < ?2";
    Ok(rows(connection, sql, params![int(from), int(to)])? & bits)
}

/// The box around the outlets of a scope, to the edges of the tiles of level [`place::COARSE`]: west,
/// south, east, north in degrees.
///
/// # Errors
/// When SQLite refuses.
pub fn extent(connection: &Connection, scope: &Scope) -> Result<Option<[f64; 4]>, DbError> {
    let all = base(connection, scope)?;
    let mut extent: Option<[f64; 4]> = None;
    let world = place::Tile { z: 0, x: 0, y: 0 };
    places(connection, world, |number, own| {
        let (x, y) = place::unmorton(number);
        let Some(tile) = place::Tile::new(place::COARSE, x, y).filter(|_| !own.is_disjoint(&all)) else { return };
        let [west, south, east, north] = tile.bounds();
        let known = extent.get_or_insert([west, south, east, north]);
        *known = [known[0].min(west), known[1].min(south), known[2].max(east), known[3].max(north)];
    })?;
    Ok(extent)
}

/// Hands every place of a tile (of level [`place::COARSE`] at most) to `work` with its rows; a place
/// comes in several parts.
///
/// # Errors
/// When SQLite refuses.
pub fn places(
    connection: &Connection,
    tile: place::Tile,
    mut work: impl FnMut(u64, &RoaringBitmap),
) -> Result<(), DbError> {
    let (first, end) = place_range(tile);
    postings::each_in(connection, Dimension::Place, &first, &end, |value, bits| {
        if let Ok(place) = u64::from_str_radix(value, 16) {
            work(place, bits);
        }
    })
}

/// Values of the places of a tile: from, up to (excluded).
fn place_range(tile: place::Tile) -> (String, String) {
    let (from, to) = tile.cells(place::LEVEL);
    // The end as a number may have one digit more: what follows the last value is the end.
    (place::coarse(from), format!("{}\u{1}", place::coarse(to - 1)))
}

fn text(connection: &Connection, filter: &Filter, bits: RoaringBitmap) -> Result<Set, DbError> {
    let Some((query, pieces)) = filter.words() else {
        // Something was searched for, and nothing of it is a letter: nothing has it.
        let bits = if filter.text.is_some() { RoaringBitmap::new() } else { bits };
        return Ok(Set { bits, text: Vec::new() });
    };
    if bits.len() <= FEW {
        return Ok(Set { bits, text: pieces });
    }
    let sql = "SELECT rowid FROM words WHERE words MATCH ?1 LIMIT ?2";
    let found = rows(connection, sql, params![query, int(COMMON as u64 + 1)])?;
    if found.len() > COMMON as u64 {
        return Ok(Set { bits, text: pieces });
    }
    Ok(Set { bits: bits & found, text: Vec::new() })
}

impl Set {
    /// Does the row's text hold what is still to be looked at?
    fn fits(&self, connection: &Connection, id: u32) -> Result<bool, DbError> {
        if self.text.is_empty() {
            return Ok(true);
        }
        let sql = "SELECT text FROM inventory WHERE id = ?1";
        let mut statement = connection.prepare_cached(sql)?;
        let fits = statement.query_row([id], |row| {
            let text = row.get_ref(0)?.as_str()?;
            Ok(self.text.iter().all(|piece| text.contains(piece.as_str())))
        });
        Ok(optional(fits)?.unwrap_or(false))
    }

    fn total(&self, connection: &Connection) -> Result<Total, DbError> {
        if self.text.is_empty() {
            return Ok(Total::Exactly(self.bits.len()));
        }
        let (mut count, mut looked) = (0, 0);
        for id in &self.bits {
            if count == CAP || looked == 2 * CAP {
                return Ok(Total::AtLeast(count));
            }
            looked += 1;
            count += u64::from(self.fits(connection, id)?);
        }
        Ok(Total::Exactly(count))
    }
}

/// All rows of a filter, as numbers of this database.
///
/// # Errors
/// When SQLite refuses.
pub fn ids(connection: &Connection, filter: &Filter) -> Result<RoaringBitmap, DbError> {
    let mut set = set(connection, filter)?;
    if !set.text.is_empty() {
        let mut fit = RoaringBitmap::new();
        for id in &set.bits {
            if set.fits(connection, id)? {
                fit.insert(id);
            }
        }
        set.bits = fit;
    }
    Ok(set.bits)
}

/// How many rows a filter has.
///
/// # Errors
/// When SQLite refuses.
pub fn count(connection: &Connection, filter: &Filter) -> Result<Total, DbError> {
    set(connection, filter)?.total(connection)
}

/// One page.
///
/// # Errors
/// When SQLite refuses, or a stored row cannot be read.
pub fn page(connection: &Connection, query: &Query) -> Result<Page, DbError> {
    let set = set(connection, &query.filter)?;
    let mut walk = Walk { connection, set: &set, wanted: query.limit + 1, found: Vec::new() };
    match query.sort.column {
        SortColumn::Value(dimension) => walk.by_value(dimension, query)?,
        column => walk.by_column(column, query)?,
    }
    let mut found = walk.found;
    let more = found.len() > query.limit;
    found.truncate(query.limit);
    let next = found.last().filter(|_| more).map(|(key, id)| Cursor { key: key.clone(), id: *id });
    let ids: Vec<u32> = found.iter().map(|(_, id)| *id).collect();
    Ok(Page {
        entries: fetch(connection, &ids)?,
        next,
        total: set.total(connection)?,
        version: super::version(connection)?,
    })
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
}

impl Walk<'_> {
    fn full(&self) -> bool {
        self.found.len() >= self.wanted
    }

    fn push(&mut self, key: &Key, id: u32) -> Result<(), DbError> {
        if self.set.fits(self.connection, id)? {
            self.found.push((key.clone(), id));
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

    /// Value by value; nothing recorded last.
    fn by_value(&mut self, dimension: Dimension, query: &Query) -> Result<(), DbError> {
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
        let order = Order { table, name, direction: query.sort.direction };
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
        let sql = format!("SELECT {} FROM {} WHERE id = ?1", order.name, order.table);
        let mut statement = self.connection.prepare_cached(&sql)?;
        let mut keys: Vec<(Key, u32)> = Vec::new();
        for id in bits {
            let key = statement.query_row([id], |row| Ok(key(row.get_ref(0)?)))??;
            let comes = after.is_none_or(|cursor| match order.direction {
                Direction::Up => (&key, id) > (&cursor.key, cursor.id),
                Direction::Down => (&key, id) < (&cursor.key, cursor.id),
            });
            if comes {
                keys.push((key, id));
            }
        }
        drop(statement);
        match order.direction {
            Direction::Up => keys.sort_unstable(),
            Direction::Down => keys.sort_unstable_by(|left, right| right.cmp(left)),
        }
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
    direction: Direction,
}

impl Order<'_> {
    /// What is left of the cursor's own value, then what comes after: each is one stretch of the
    /// index, however many rows share a value.
    fn statements(&self, after: Option<&Cursor>) -> Vec<(String, Vec<Value>)> {
        let Self { table, name, direction } = self;
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
