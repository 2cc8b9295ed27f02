//! The desk's tables.

use outlet_core::duplicate::{Candidate, Feature, Index};
use outlet_core::ids::DocKey;
use outlet_core::ledger::LedgerRow;
use outlet_core::time::Timestamp;
use rusqlite::{Connection, params};

use super::Counts;
use crate::db::{DbError, int};

/// A row of the ledger as stored.
pub(super) struct Stored {
    pub id: i64,
    pub version: i64,
    pub row: String,
    pub findings: String,
}

/// Rows that changed after a place in the ledger, in its order.
pub(super) fn newer(connection: &Connection, (version, id): (i64, i64), limit: u64) -> Result<Vec<Stored>, DbError> {
    let sql = "SELECT id, version, row, findings FROM ledger WHERE version >= ?1 AND (version, id) > (?1, ?2) \
               ORDER BY version, id LIMIT ?3";
    let mut statement = connection.prepare_cached(sql)?;
    let rows = statement.query_map(params![version, id, int(limit)], |row| {
        Ok(Stored { id: row.get(0)?, version: row.get(1)?, row: row.get(2)?, findings: row.get(3)? })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Writes a desk row.
pub(super) fn put(connection: &Connection, row: &LedgerRow, counts: &Counts) -> Result<(), DbError> {
    let sql = "INSERT INTO desk (outlet, collection, review, submitted_at, reviewed_at, again, errors, warnings, conflicts, \
               number, name, county, inspector) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13) \
               ON CONFLICT (outlet) DO UPDATE SET review = excluded.review, submitted_at = excluded.submitted_at, \
               reviewed_at = excluded.reviewed_at, again = excluded.again, errors = excluded.errors, \
               warnings = excluded.warnings, conflicts = excluded.conflicts, number = excluded.number, \
               name = excluded.name, county = excluded.county, inspector = excluded.inspector";
    connection.prepare_cached(sql)?.execute(params![
        &row.key.to_bytes()[..],
        row.collection.code(),
        row.review_state.code(),
        row.submitted_at.map(Timestamp::millis),
        row.reviewed_at.map(Timestamp::millis),
        row.resubmitted,
        int(counts.errors as u64),
        int(counts.warnings as u64),
        row.conflicts.join(","),
        row.temporary_number,
        row.name,
        row.county,
        row.submitted_by,
    ])?;
    Ok(())
}

/// Writes features and the pairs that follow from them.
pub(super) fn put_features(
    connection: &Connection,
    index: &mut Index,
    changed: &[(DocKey, Option<Feature>)],
) -> Result<(), DbError> {
    for (key, feature) in changed {
        let bytes = key.to_bytes();
        match feature {
            Some(feature) => {
                let data = serde_json::to_string(feature).map_err(damaged)?;
                let sql = "INSERT INTO feature (outlet, data) VALUES (?1, ?2) \
                           ON CONFLICT (outlet) DO UPDATE SET data = excluded.data";
                connection.prepare_cached(sql)?.execute(params![&bytes[..], data])?;
                index.put(feature.clone());
            }
            None => {
                connection.prepare_cached("DELETE FROM feature WHERE outlet = ?1")?.execute([&bytes[..]])?;
                index.remove(key);
            }
        }
        connection.prepare_cached("DELETE FROM pair WHERE a = ?1")?.execute([&bytes[..]])?;
        connection.prepare_cached("DELETE FROM pair WHERE b = ?1")?.execute([&bytes[..]])?;
    }
    for (_, feature) in changed {
        for pair in feature.iter().flat_map(|feature| index.of(feature)) {
            put_pair(connection, &pair)?;
        }
    }
    Ok(())
}

fn put_pair(connection: &Connection, pair: &Candidate) -> Result<(), DbError> {
    let sql = "INSERT INTO pair (a, b, score, data) VALUES (?1, ?2, ?3, ?4) \
               ON CONFLICT (a, b) DO UPDATE SET score = excluded.score, data = excluded.data";
    let data = serde_json::to_string(pair).map_err(damaged)?;
    let (a, b) = (pair.a.to_bytes(), pair.b.to_bytes());
    connection.prepare_cached(sql)?.execute(params![&a[..], &b[..], pair.score, data])?;
    Ok(())
}

/// The index of all features.
pub(super) fn index(connection: &Connection) -> Result<Index, DbError> {
    let mut statement = connection.prepare_cached("SELECT data FROM feature")?;
    let mut rows = statement.query([])?;
    let mut index = Index::default();
    while let Some(row) = rows.next()? {
        let text = row.get_ref(0)?.as_str().map_err(rusqlite::Error::from)?;
        index.put(serde_json::from_str(text).map_err(damaged)?);
    }
    Ok(index)
}

pub(super) fn damaged(error: impl std::fmt::Display) -> DbError {
    DbError::Damaged(format!("a row of the desk ({error}); run `outlet-server ledger rebuild`"))
}
