//! Sessions of the console, failed sign-ins, saved views.

use outlet_core::time::Timestamp;
use rusqlite::{Connection, params};

use super::{DbError, optional};

/// A session as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// Whose.
    pub login: String,
    /// When it began.
    pub made: Timestamp,
    /// Last use, to the minute.
    pub seen: Timestamp,
}

/// Starts a session.
///
/// # Errors
/// When SQLite refuses.
pub fn insert(
    connection: &Connection,
    id: &[u8; 32],
    login: &str,
    now: Timestamp,
    remote: &str,
) -> Result<(), DbError> {
    let sql = "INSERT INTO session (id, login, made, seen, remote) VALUES (?1, ?2, ?3, ?3, ?4)";
    connection.prepare_cached(sql)?.execute(params![&id[..], login, now.millis(), remote])?;
    Ok(())
}

/// One session.
///
/// # Errors
/// When SQLite refuses.
pub fn get(connection: &Connection, id: &[u8; 32]) -> Result<Option<Session>, DbError> {
    let sql = "SELECT login, made, seen FROM session WHERE id = ?1";
    optional(connection.prepare_cached(sql)?.query_row([&id[..]], |row| {
        Ok(Session {
            login: row.get(0)?,
            made: Timestamp::from_millis(row.get(1)?),
            seen: Timestamp::from_millis(row.get(2)?),
        })
    }))
}

/// Notes that a session is in use.
///
/// # Errors
/// When SQLite refuses.
pub fn seen(connection: &Connection, id: &[u8; 32], now: Timestamp) -> Result<(), DbError> {
    let sql = "UPDATE session SET seen = ?2 WHERE id = ?1";
    connection.prepare_cached(sql)?.execute(params![&id[..], now.millis()])?;
    Ok(())
}

/// Ends a session.
///
/// # Errors
/// When SQLite refuses.
pub fn remove(connection: &Connection, id: &[u8; 32]) -> Result<(), DbError> {
    connection.execute("DELETE FROM session WHERE id = ?1", [&id[..]])?;
    Ok(())
}

/// Ends all sessions of an account: its password changed, or it was disabled.
///
/// # Errors
/// When SQLite refuses.
pub fn remove_all_of(connection: &Connection, login: &str) -> Result<(), DbError> {
    connection.execute("DELETE FROM session WHERE login = ?1", [login])?;
    Ok(())
}

/// Removes what has expired, so that the table stays small.
///
/// # Errors
/// When SQLite refuses.
pub fn sweep(connection: &Connection, seen_before: Timestamp, made_before: Timestamp) -> Result<(), DbError> {
    let sql = "DELETE FROM session WHERE seen < ?1 OR made < ?2";
    connection.execute(sql, params![seen_before.millis(), made_before.millis()])?;
    Ok(())
}

/// Failures so far and the last of them.
///
/// # Errors
/// When SQLite refuses.
pub fn failures(connection: &Connection, about: &str) -> Result<Option<(u32, Timestamp)>, DbError> {
    let sql = "SELECT count, last FROM sign_in_failure WHERE about = ?1";
    optional(
        connection
            .prepare_cached(sql)?
            .query_row([about], |row| Ok((row.get(0)?, Timestamp::from_millis(row.get(1)?)))),
    )
}

/// Counts one more failure.
///
/// # Errors
/// When SQLite refuses.
pub fn count_failure(connection: &Connection, about: &str, now: Timestamp) -> Result<(), DbError> {
    let sql = "INSERT INTO sign_in_failure (about, count, last) VALUES (?1, 1, ?2) \
               ON CONFLICT (about) DO UPDATE SET count = count + 1, last = excluded.last";
    connection.prepare_cached(sql)?.execute(params![about, now.millis()])?;
    Ok(())
}

/// Forgets failures: the sign-in succeeded.
///
/// # Errors
/// When SQLite refuses.
pub fn forget_failures(connection: &Connection, about: &str) -> Result<(), DbError> {
    connection.execute("DELETE FROM sign_in_failure WHERE about = ?1", [about])?;
    Ok(())
}

/// Removes failures older than a moment.
///
/// # Errors
/// When SQLite refuses.
pub fn sweep_failures(connection: &Connection, before: Timestamp) -> Result<(), DbError> {
    connection.execute("DELETE FROM sign_in_failure WHERE last < ?1", [before.millis()])?;
    Ok(())
}

/// Views that an account keeps at most.
pub const MOST_VIEWS: u32 = 50;

/// Keeps a view; the same name again replaces it. False when the account keeps [`MOST_VIEWS`] others.
///
/// # Errors
/// When SQLite refuses.
pub fn save_view(connection: &Connection, login: &str, name: &str, query: &str) -> Result<bool, DbError> {
    let sql = "INSERT INTO saved_view (login, name, query) SELECT ?1, ?2, ?3 WHERE \
               (SELECT count(*) FROM saved_view WHERE login = ?1 AND name <> ?2) < ?4 \
               ON CONFLICT (login, name) DO UPDATE SET query = excluded.query";
    Ok(connection.execute(sql, params![login, name, query, MOST_VIEWS])? == 1)
}

/// Removes a view.
///
/// # Errors
/// When SQLite refuses.
pub fn remove_view(connection: &Connection, login: &str, name: &str) -> Result<(), DbError> {
    connection.execute("DELETE FROM saved_view WHERE login = ?1 AND name = ?2", [login, name])?;
    Ok(())
}

/// Name and query of an account's views, by name.
///
/// # Errors
/// When SQLite refuses.
pub fn views(connection: &Connection, login: &str) -> Result<Vec<(String, String)>, DbError> {
    let mut statement =
        connection.prepare_cached("SELECT name, query FROM saved_view WHERE login = ?1 ORDER BY name LIMIT ?2")?;
    let rows = statement.query_map(params![login, MOST_VIEWS], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(rows.collect::<Result<_, _>>()?)
}
