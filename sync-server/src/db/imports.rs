//! The register of imports and the saved mappings.

use outlet_core::ids::BlobHash;
use outlet_core::time::Timestamp;
use rusqlite::{Connection, params};

use super::{DbError, fixed, int, optional, uint};

/// One import.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Import {
    /// Row.
    pub id: i64,
    /// List that its records belong to.
    pub list: String,
    /// Name of the file as given.
    pub file_name: String,
    /// SHA-256 of the file.
    pub file: BlobHash,
    /// Went through to the end.
    pub done: bool,
    /// Good rows of the file.
    pub rows: u64,
    /// Records made.
    pub created: u64,
    /// Rows left out on request.
    pub skipped: u64,
    /// Who.
    pub by: String,
    /// Begin.
    pub started_at: Timestamp,
}

/// What an import starts from.
#[derive(Debug, Clone, Copy)]
pub struct Start<'a> {
    /// List.
    pub list: &'a str,
    /// The mapping's text.
    pub mapping: &'a str,
    /// Name of the file.
    pub file_name: &'a str,
    /// Its SHA-256.
    pub file: &'a BlobHash,
    /// Good rows.
    pub rows: u64,
    /// Rows left out.
    pub skipped: u64,
    /// Who.
    pub by: &'a str,
    /// When.
    pub at: Timestamp,
}

/// Registers an import, or takes up the one of the same file and list again; its row.
///
/// # Errors
/// When SQLite refuses.
pub fn start(connection: &Connection, start: &Start<'_>) -> Result<i64, DbError> {
    let sql = "INSERT INTO imports (list, mapping, file_name, file_hash, state, rows, created, skipped, by, started_at) \
               VALUES (?1, ?2, ?3, ?4, 'running', ?5, 0, ?6, ?7, ?8) \
               ON CONFLICT (list, file_hash) DO UPDATE SET state = 'running', mapping = excluded.mapping, \
               rows = excluded.rows, skipped = excluded.skipped RETURNING id";
    let values = params![
        start.list,
        start.mapping,
        start.file_name,
        &start.file.0[..],
        int(start.rows),
        int(start.skipped),
        start.by,
        start.at.millis()
    ];
    Ok(connection.prepare_cached(sql)?.query_row(values, |row| row.get(0))?)
}

/// Counts records made.
///
/// # Errors
/// When SQLite refuses.
pub fn add_created(connection: &Connection, id: i64, created: u64) -> Result<(), DbError> {
    let sql = "UPDATE imports SET created = created + ?2 WHERE id = ?1";
    connection.prepare_cached(sql)?.execute(params![id, int(created)])?;
    Ok(())
}

/// The import went through.
///
/// # Errors
/// When SQLite refuses.
pub fn finish(connection: &Connection, id: i64, at: Timestamp) -> Result<(), DbError> {
    let sql = "UPDATE imports SET state = 'done', finished_at = ?2 WHERE id = ?1";
    connection.prepare_cached(sql)?.execute(params![id, at.millis()])?;
    Ok(())
}

/// All imports, newest first.
///
/// # Errors
/// When SQLite refuses.
pub fn all(connection: &Connection) -> Result<Vec<Import>, DbError> {
    let sql = "SELECT id, list, file_name, file_hash, state, rows, created, skipped, by, started_at \
               FROM imports ORDER BY id DESC";
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query([])?;
    let mut all = Vec::new();
    while let Some(row) = rows.next()? {
        let state: String = row.get(4)?;
        all.push(Import {
            id: row.get(0)?,
            list: row.get(1)?,
            file_name: row.get(2)?,
            file: BlobHash(fixed(&row.get::<_, Vec<u8>>(3)?, "hash of an import")?),
            done: state == "done",
            rows: uint(row.get(5)?),
            created: uint(row.get(6)?),
            skipped: uint(row.get(7)?),
            by: row.get(8)?,
            started_at: Timestamp::from_millis(row.get(9)?),
        });
    }
    Ok(all)
}

/// Keeps a mapping under its name; a new text replaces the old one.
///
/// # Errors
/// When SQLite refuses.
pub fn save_mapping(connection: &Connection, name: &str, text: &str, by: &str, at: Timestamp) -> Result<(), DbError> {
    let sql = "INSERT INTO import_mappings (name, text, saved_at, saved_by) VALUES (?1, ?2, ?3, ?4) \
               ON CONFLICT (name) DO UPDATE SET text = excluded.text, saved_at = excluded.saved_at, \
               saved_by = excluded.saved_by";
    connection.prepare_cached(sql)?.execute(params![name, text, at.millis(), by])?;
    Ok(())
}

/// A saved mapping.
///
/// # Errors
/// When SQLite refuses.
pub fn mapping(connection: &Connection, name: &str) -> Result<Option<String>, DbError> {
    let sql = "SELECT text FROM import_mappings WHERE name = ?1";
    optional(connection.prepare_cached(sql)?.query_row([name], |row| row.get(0)))
}

/// Names of the saved mappings with who saved them, sorted.
///
/// # Errors
/// When SQLite refuses.
pub fn mappings(connection: &Connection) -> Result<Vec<(String, String, Timestamp)>, DbError> {
    let sql = "SELECT name, saved_by, saved_at FROM import_mappings ORDER BY name";
    let mut statement = connection.prepare_cached(sql)?;
    let rows = statement
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?, Timestamp::from_millis(row.get(2)?))))?
        .collect::<Result<Vec<_>, _>>()?;
    Ok(rows)
}
