//! Bitmaps of rows in the database, one row per 65,536 ids.

use std::collections::BTreeMap;

use hashbrown::HashMap;
use roaring::{MultiOps as _, RoaringBitmap};
use rusqlite::{Connection, params};

use super::Dimension;
use crate::db::{DbError, int, optional};

fn read(bits: &[u8]) -> Result<RoaringBitmap, DbError> {
    RoaringBitmap::deserialize_from(bits).map_err(|error| DbError::Damaged(format!("a bitmap ({error})")))
}

/// Rows with a value.
pub(super) fn load(connection: &Connection, dimension: Dimension, value: &str) -> Result<RoaringBitmap, DbError> {
    let sql = "SELECT bits FROM posting WHERE dimension = ?1 AND value = ?2";
    union(connection, sql, params![dimension.code(), value])
}

/// Rows with any value from `first` up to `end` (excluded).
pub(super) fn load_range(
    connection: &Connection,
    dimension: Dimension,
    first: &str,
    end: &str,
) -> Result<RoaringBitmap, DbError> {
    let sql = "SELECT bits FROM posting WHERE dimension = ?1 AND value >= ?2 AND value < ?3";
    union(connection, sql, params![dimension.code(), first, end])
}

/// Rows with any value at all, nothing recorded included.
pub(super) fn load_all(connection: &Connection, dimension: Dimension) -> Result<RoaringBitmap, DbError> {
    union(connection, "SELECT bits FROM posting WHERE dimension = ?1", params![dimension.code()])
}

fn union(connection: &Connection, sql: &str, values: impl rusqlite::Params) -> Result<RoaringBitmap, DbError> {
    let mut all: Vec<RoaringBitmap> = Vec::new();
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query(values)?;
    while let Some(row) = rows.next()? {
        all.push(read(row.get_ref(0)?.as_blob().map_err(rusqlite::Error::from)?)?);
    }
    // Together rather than one after the other: each part is merged once.
    Ok(all.union())
}

/// Values of a dimension, sorted; nothing recorded ("") first, when there is such a row.
pub(super) fn values(connection: &Connection, dimension: Dimension) -> Result<Vec<String>, DbError> {
    let sql = "SELECT DISTINCT value FROM posting WHERE dimension = ?1 ORDER BY value";
    let mut statement = connection.prepare_cached(sql)?;
    let values = statement.query_map([dimension.code()], |row| row.get(0))?;
    Ok(values.collect::<Result<_, _>>()?)
}

/// Number of rows per value, sorted by value.
pub(super) fn counts(connection: &Connection, dimension: Dimension) -> Result<Vec<(String, u64)>, DbError> {
    let sql = "SELECT value, sum(count) FROM posting WHERE dimension = ?1 GROUP BY value ORDER BY value";
    let mut statement = connection.prepare_cached(sql)?;
    let counts = statement.query_map([dimension.code()], |row| Ok((row.get(0)?, crate::db::uint(row.get(1)?))))?;
    Ok(counts.collect::<Result<_, _>>()?)
}

/// Changes that wait to be written, so that a batch touches each bitmap once.
#[derive(Default)]
pub(super) struct Changes {
    /// By dimension and value, then by the chunk of ids.
    waiting: BTreeMap<Dimension, HashMap<String, BTreeMap<u32, Change>>>,
    size: usize,
}

#[derive(Default)]
struct Change {
    add: RoaringBitmap,
    remove: RoaringBitmap,
}

impl Changes {
    /// A row has a value from now on.
    pub(super) fn add(&mut self, dimension: Dimension, value: &str, id: u32) {
        let change = self.change(dimension, value, id);
        change.remove.remove(id);
        change.add.insert(id);
    }

    /// A row no longer has a value.
    pub(super) fn remove(&mut self, dimension: Dimension, value: &str, id: u32) {
        let change = self.change(dimension, value, id);
        change.add.remove(id);
        change.remove.insert(id);
    }

    fn change(&mut self, dimension: Dimension, value: &str, id: u32) -> &mut Change {
        self.size += 1;
        self.waiting.entry(dimension).or_default().entry_ref(value).or_default().entry(id >> 16).or_default()
    }

    /// About how many changes wait.
    pub(super) fn len(&self) -> usize {
        self.size
    }

    /// Writes them.
    pub(super) fn flush(&mut self, connection: &Connection) -> Result<(), DbError> {
        let read_sql = "SELECT bits FROM posting WHERE dimension = ?1 AND value = ?2 AND chunk = ?3";
        let write_sql = "INSERT INTO posting (dimension, value, chunk, count, bits) VALUES (?1, ?2, ?3, ?4, ?5) \
                         ON CONFLICT DO UPDATE SET count = excluded.count, bits = excluded.bits";
        let delete_sql = "DELETE FROM posting WHERE dimension = ?1 AND value = ?2 AND chunk = ?3";
        let waiting = std::mem::take(&mut self.waiting).into_iter();
        let values = waiting.flat_map(|(dimension, values)| values.into_iter().map(move |of| (dimension, of)));
        for (dimension, (value, chunks)) in values {
            for (chunk, change) in chunks {
                let key = params![dimension.code(), value, chunk];
                let found = connection.prepare_cached(read_sql)?.query_row(key, |row| row.get::<_, Vec<u8>>(0));
                let mut bits = optional(found)?.map(|bits| read(&bits)).transpose()?.unwrap_or_default();
                bits -= change.remove;
                bits |= change.add;
                if bits.is_empty() {
                    connection.prepare_cached(delete_sql)?.execute(params![dimension.code(), value, chunk])?;
                    continue;
                }
                let mut bytes = Vec::with_capacity(bits.serialized_size());
                bits.serialize_into(&mut bytes).expect("writing to a vector cannot fail");
                let count = int(bits.len());
                connection.prepare_cached(write_sql)?.execute(params![dimension.code(), value, chunk, count, bytes])?;
            }
        }
        self.size = 0;
        Ok(())
    }
}

/// Hands the bitmaps of values from `first` up to `end` (excluded) to `work`.
pub(super) fn each_in(
    connection: &Connection,
    dimension: Dimension,
    first: &str,
    end: &str,
    mut work: impl FnMut(&str, &RoaringBitmap),
) -> Result<(), DbError> {
    let sql = "SELECT value, bits FROM posting WHERE dimension = ?1 AND value >= ?2 AND value < ?3";
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query(params![dimension.code(), first, end])?;
    while let Some(row) = rows.next()? {
        let bits = read(row.get_ref(1)?.as_blob().map_err(rusqlite::Error::from)?)?;
        work(row.get_ref(0)?.as_str().map_err(rusqlite::Error::from)?, &bits);
    }
    Ok(())
}

/// Hands every bitmap of a dimension to `work`, in the order of values.
pub(super) fn each(
    connection: &Connection,
    dimension: Dimension,
    mut work: impl FnMut(&str, &RoaringBitmap),
) -> Result<(), DbError> {
    let sql = "SELECT value, bits FROM posting WHERE dimension = ?1 ORDER BY value, chunk";
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query([dimension.code()])?;
    while let Some(row) = rows.next()? {
        let bits = read(row.get_ref(1)?.as_blob().map_err(rusqlite::Error::from)?)?;
        work(row.get_ref(0)?.as_str().map_err(rusqlite::Error::from)?, &bits);
    }
    Ok(())
}
