//! Reports of the public: the triage queue.

use outlet_core::ids::{BlobHash, DocKey};
use outlet_core::time::Timestamp;
use rusqlite::{Connection, Row, params};

use super::{DbError, optional, uint};

/// A report.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// What the reporter has.
    pub number: String,
    /// Code on the sign.
    pub code: String,
    /// The record, when the code was known.
    pub outlet: Option<DocKey>,
    /// Receipt.
    pub at: Timestamp,
    /// Text.
    pub text: String,
    /// Degrees east.
    pub lon: Option<f64>,
    /// Degrees north.
    pub lat: Option<f64>,
    /// SHA-256 of the photo.
    pub photo: Option<BlobHash>,
    /// `new | answered | promoted | rejected`.
    pub state: String,
    /// Answer, public.
    pub answer: Option<String>,
    /// Login of whoever decided.
    pub decided_by: Option<String>,
    /// What it became.
    pub promoted_to: Option<String>,
}

/// Keeps a report.
///
/// # Errors
/// When SQLite refuses.
pub fn insert(connection: &Connection, report: &Report) -> Result<(), DbError> {
    let sql = "INSERT INTO reports (number, code, outlet, at, text, lon, lat, photo, state) \
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, 'new')";
    connection.prepare_cached(sql)?.execute(params![
        report.number,
        report.code,
        report.outlet.map(|key| key.to_bytes().to_vec()),
        report.at.millis(),
        report.text,
        report.lon,
        report.lat,
        report.photo.map(|hash| hash.0.to_vec()),
    ])?;
    Ok(())
}

const COLUMNS: &str = "number, code, outlet, at, text, lon, lat, photo, state, answer, decided_by, promoted_to";

fn read(row: &Row<'_>) -> rusqlite::Result<Report> {
    Ok(Report {
        number: row.get(0)?,
        code: row.get(1)?,
        outlet: row.get::<_, Option<Vec<u8>>>(2)?.and_then(|bytes| DocKey::from_bytes(&bytes)),
        at: Timestamp::from_millis(row.get(3)?),
        text: row.get(4)?,
        lon: row.get(5)?,
        lat: row.get(6)?,
        photo: row.get::<_, Option<Vec<u8>>>(7)?.and_then(|bytes| BlobHash::from_slice(&bytes)),
        state: row.get(8)?,
        answer: row.get(9)?,
        decided_by: row.get(10)?,
        promoted_to: row.get(11)?,
    })
}

/// A report by its number.
///
/// # Errors
/// When SQLite refuses.
pub fn get(connection: &Connection, number: &str) -> Result<Option<Report>, DbError> {
    let sql = format!("SELECT {COLUMNS} FROM reports WHERE number = ?1");
    optional(connection.prepare_cached(&sql)?.query_row([number], read))
}

/// Reports, oldest first; only open ones unless all are wanted.
///
/// # Errors
/// When SQLite refuses.
pub fn list(connection: &Connection, all: bool) -> Result<Vec<Report>, DbError> {
    let sql = format!("SELECT {COLUMNS} FROM reports WHERE ?1 OR state = 'new' ORDER BY at, id");
    let mut statement = connection.prepare_cached(&sql)?;
    Ok(statement.query_map([all], read)?.collect::<Result<Vec<_>, _>>()?)
}

/// Reports received since a moment.
///
/// # Errors
/// When SQLite refuses.
pub fn since(connection: &Connection, at: Timestamp) -> Result<u64, DbError> {
    let sql = "SELECT count(*) FROM reports WHERE at >= ?1";
    Ok(uint(connection.prepare_cached(sql)?.query_row([at.millis()], |row| row.get(0))?))
}

/// What was decided on a report.
#[derive(Debug, Clone, Copy)]
pub struct Decided<'a> {
    /// `answered | promoted | rejected`.
    pub state: &'a str,
    /// Answer, public; none leaves the one there is.
    pub answer: Option<&'a str>,
    /// What it became.
    pub promoted_to: Option<&'a str>,
    /// Who.
    pub by: &'a str,
    /// When.
    pub at: Timestamp,
}

/// Decides on a report. False when there is none of this number.
///
/// # Errors
/// When SQLite refuses.
pub fn decide(connection: &Connection, number: &str, decided: &Decided<'_>) -> Result<bool, DbError> {
    let sql = "UPDATE reports SET state = ?2, answer = coalesce(?3, answer), promoted_to = coalesce(?4, promoted_to), \
               decided_by = ?5, decided_at = ?6 WHERE number = ?1";
    let values = params![number, decided.state, decided.answer, decided.promoted_to, decided.by, decided.at.millis()];
    Ok(connection.prepare_cached(sql)?.execute(values)? == 1)
}
