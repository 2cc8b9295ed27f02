//! Answers to writes, kept under the key that the client chose.

use outlet_core::time::Timestamp;
use rusqlite::{Connection, params};

use super::{DbError, fixed, optional};

/// What is kept under a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// BLAKE3 of the request.
    pub request: [u8; 32],
    /// Status and body, once the first request has ended.
    pub answer: Option<(u16, String)>,
}

/// What is kept under a key of an account.
///
/// # Errors
/// When SQLite refuses.
pub fn get(connection: &Connection, login: &str, key: &str) -> Result<Option<Kept>, DbError> {
    let sql = "SELECT request, status, body FROM idempotency WHERE login = ?1 AND key = ?2";
    let found = connection.prepare_cached(sql)?.query_row([login, key], |row| {
        let answer = row.get::<_, Option<u16>>(1)?.zip(row.get::<_, Option<String>>(2)?);
        Ok((row.get::<_, Vec<u8>>(0)?, answer))
    });
    optional(found)?.map(|(hash, answer)| Ok(Kept { request: fixed(&hash, "request")?, answer })).transpose()
}

/// Takes a key for a request that begins; what is older than `before` is forgotten.
///
/// # Errors
/// When SQLite refuses.
pub fn begin(
    connection: &Connection,
    login: &str,
    key: &str,
    request: &[u8; 32],
    now: Timestamp,
    before: Timestamp,
) -> Result<(), DbError> {
    connection.prepare_cached("DELETE FROM idempotency WHERE at < ?1")?.execute([before.millis()])?;
    let sql = "INSERT INTO idempotency (login, key, request, at) VALUES (?1, ?2, ?3, ?4)";
    connection.prepare_cached(sql)?.execute(params![login, key, &request[..], now.millis()])?;
    Ok(())
}

/// Keeps the answer.
///
/// # Errors
/// When SQLite refuses.
pub fn end(connection: &Connection, login: &str, key: &str, status: u16, body: &str) -> Result<(), DbError> {
    let sql = "UPDATE idempotency SET status = ?3, body = ?4 WHERE login = ?1 AND key = ?2";
    connection.prepare_cached(sql)?.execute(params![login, key, status, body])?;
    Ok(())
}

/// Gives a key back: its request changed nothing.
///
/// # Errors
/// When SQLite refuses.
pub fn forget(connection: &Connection, login: &str, key: &str) -> Result<(), DbError> {
    connection.prepare_cached("DELETE FROM idempotency WHERE login = ?1 AND key = ?2")?.execute([login, key])?;
    Ok(())
}
