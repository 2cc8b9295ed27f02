//! Single values: epoch, root key, clock of the last receipt, serial counters, audit.

use outlet_core::ids::Epoch;
use outlet_core::time::Timestamp;
use rusqlite::types::{FromSql, ToSql};
use rusqlite::{Connection, params};

use super::{DbError, fixed, int, optional, uint};

/// Random name of this life of the database.
pub const EPOCH: &str = "epoch";
/// Public root key.
pub const ROOT: &str = "root";
/// Instant of the newest receipt.
pub const LAST_RECEIPT: &str = "last_receipt";
/// Address that `serve` listens on: goes into tickets when none is configured.
pub const LISTENING: &str = "listening";
/// Number of the ledger's state, see `inventory::version`.
pub const LEDGER_VERSION: &str = "ledger_version";
/// Form of the derived tables, see `inventory::FORM`.
pub const LEDGER_FORM: &str = "ledger_form";
/// Counts everything that changes who may do what.
pub const ROSTER: &str = "roster";

/// A value.
///
/// # Errors
/// When SQLite refuses.
pub fn get<T: FromSql>(connection: &Connection, key: &str) -> Result<Option<T>, DbError> {
    optional(connection.prepare_cached("SELECT value FROM meta WHERE key = ?1")?.query_row([key], |row| row.get(0)))
}

/// Sets a value.
///
/// # Errors
/// When SQLite refuses.
pub fn set(connection: &Connection, key: &str, value: impl ToSql) -> Result<(), DbError> {
    let sql = "INSERT INTO meta (key, value) VALUES (?1, ?2) ON CONFLICT (key) DO UPDATE SET value = excluded.value";
    connection.prepare_cached(sql)?.execute(params![key, value])?;
    Ok(())
}

/// Next number of a counter, from 1.
///
/// # Errors
/// When SQLite refuses.
pub fn next(connection: &Connection, key: &str) -> Result<u64, DbError> {
    let sql = "INSERT INTO meta (key, value) VALUES (?1, 1) ON CONFLICT (key) DO UPDATE SET value = value + 1 RETURNING value";
    Ok(uint(connection.prepare_cached(sql)?.query_row([key], |row| row.get(0))?))
}

/// The epoch.
///
/// # Errors
/// When it is missing or SQLite refuses.
pub fn epoch(connection: &Connection) -> Result<Epoch, DbError> {
    let bytes: Vec<u8> = get(connection, EPOCH)?.ok_or_else(|| DbError::Damaged("no epoch".into()))?;
    Ok(Epoch(fixed(&bytes, "epoch")?))
}

/// The newest receipt's instant.
///
/// # Errors
/// When SQLite refuses.
pub fn last_receipt(connection: &Connection) -> Result<Option<Timestamp>, DbError> {
    Ok(get::<i64>(connection, LAST_RECEIPT)?.map(Timestamp::from_millis))
}

/// A line of the audit log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditLine {
    /// Number.
    pub id: i64,
    /// When.
    pub at: Timestamp,
    /// Account, or "command line".
    pub who: String,
    /// What.
    pub action: String,
    /// Of what.
    pub detail: String,
}

/// The log from the newest line on, before a number, where one is given.
///
/// # Errors
/// When SQLite refuses.
pub fn audit_lines(
    connection: &Connection,
    before: Option<i64>,
    limit: u32,
    who: Option<&[String]>,
) -> Result<Vec<AuditLine>, DbError> {
    let sql = "SELECT id, at, who, action, detail FROM audit WHERE id < ?1 AND \
               (?3 IS NULL OR who IN (SELECT value FROM json_each(?3))) ORDER BY id DESC LIMIT ?2";
    let mut statement = connection.prepare_cached(sql)?;
    let who = who.map(|who| serde_json::Value::from(who.to_vec()).to_string());
    let rows = statement.query_map(params![before.unwrap_or(i64::MAX), limit, who], |row| {
        Ok(AuditLine {
            id: row.get(0)?,
            at: Timestamp::from_millis(row.get(1)?),
            who: row.get(2)?,
            action: row.get(3)?,
            detail: row.get(4)?,
        })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Keeps who did what with the server.
///
/// # Errors
/// When SQLite refuses.
pub fn audit(connection: &Connection, at: Timestamp, who: &str, action: &str, detail: &str) -> Result<(), DbError> {
    let sql = "INSERT INTO audit (at, who, action, detail) VALUES (?1, ?2, ?3, ?4)";
    connection.prepare_cached(sql)?.execute(params![at.millis(), who, action, detail])?;
    Ok(())
}

/// Adds to the count of a device's day; returns the totals after.
///
/// # Errors
/// When SQLite refuses.
pub fn add_usage(connection: &Connection, device: &[u8], day: i64, add: Usage) -> Result<Usage, DbError> {
    let sql = "INSERT INTO usage (device, day, changes, bytes, documents, photo_bytes) VALUES (?1, ?2, ?3, ?4, ?5, ?6) \
               ON CONFLICT (device, day) DO UPDATE SET changes = changes + excluded.changes, bytes = bytes + excluded.bytes, \
               documents = documents + excluded.documents, photo_bytes = photo_bytes + excluded.photo_bytes \
               RETURNING changes, bytes, documents, photo_bytes";
    let values = params![device, day, int(add.changes), int(add.bytes), int(add.documents), int(add.photo_bytes)];
    Ok(connection.prepare_cached(sql)?.query_row(values, Usage::from_row)?)
}

/// What a device brought on a day.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    /// Changes.
    pub changes: u64,
    /// Bytes of changes.
    pub bytes: u64,
    /// Documents created.
    pub documents: u64,
    /// Bytes of files.
    pub photo_bytes: u64,
}

impl Usage {
    fn from_row(row: &rusqlite::Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            changes: uint(row.get(0)?),
            bytes: uint(row.get(1)?),
            documents: uint(row.get(2)?),
            photo_bytes: uint(row.get(3)?),
        })
    }
}

/// What a device brought on a day so far.
///
/// # Errors
/// When SQLite refuses.
pub fn usage(connection: &Connection, device: &[u8], day: i64) -> Result<Usage, DbError> {
    let sql = "SELECT changes, bytes, documents, photo_bytes FROM usage WHERE device = ?1 AND day = ?2";
    let found = optional(connection.prepare_cached(sql)?.query_row(params![device, day], Usage::from_row))?;
    Ok(found.unwrap_or_default())
}
