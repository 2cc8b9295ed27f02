//! Rows of tokens.

use outlet_core::time::Timestamp;
use rusqlite::{Connection, Row, params};

use super::{DbError, optional};

/// A token as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredToken {
    /// Row.
    pub id: i64,
    /// Account.
    pub login: String,
    /// What it is for.
    pub name: String,
    /// Scopes, comma-separated.
    pub scopes: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it ends.
    pub expires_at: Option<Timestamp>,
    /// When it was revoked.
    pub revoked_at: Option<Timestamp>,
    /// When it was last used.
    pub used_at: Option<Timestamp>,
}

impl StoredToken {
    const COLUMNS: &'static str = "id, login, name, scopes, created_at, expires_at, revoked_at, used_at";

    fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        let time = |column| Ok::<_, rusqlite::Error>(row.get::<_, Option<i64>>(column)?.map(Timestamp::from_millis));
        Ok(Self {
            id: row.get(0)?,
            login: row.get(1)?,
            name: row.get(2)?,
            scopes: row.get(3)?,
            created_at: Timestamp::from_millis(row.get(4)?),
            expires_at: time(5)?,
            revoked_at: time(6)?,
            used_at: time(7)?,
        })
    }
}

/// Keeps a new token; returns its row.
///
/// # Errors
/// When SQLite refuses.
pub fn insert(connection: &Connection, hash: &[u8; 32], token: &StoredToken) -> Result<i64, DbError> {
    let sql = "INSERT INTO tokens (hash, login, name, scopes, created_at, expires_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
    connection.prepare_cached(sql)?.execute(params![
        &hash[..],
        token.login,
        token.name,
        token.scopes,
        token.created_at.millis(),
        token.expires_at.map(Timestamp::millis)
    ])?;
    Ok(connection.last_insert_rowid())
}

/// The token with a hash.
///
/// # Errors
/// When SQLite refuses.
pub fn by_hash(connection: &Connection, hash: &[u8; 32]) -> Result<Option<StoredToken>, DbError> {
    let sql = format!("SELECT {} FROM tokens WHERE hash = ?1", StoredToken::COLUMNS);
    optional(connection.prepare_cached(&sql)?.query_row([&hash[..]], StoredToken::read))
}

/// All tokens, newest first.
///
/// # Errors
/// When SQLite refuses.
pub fn all(connection: &Connection) -> Result<Vec<StoredToken>, DbError> {
    let sql = format!("SELECT {} FROM tokens ORDER BY id DESC", StoredToken::COLUMNS);
    let mut statement = connection.prepare_cached(&sql)?;
    let tokens = statement.query_map([], StoredToken::read)?;
    Ok(tokens.collect::<Result<_, _>>()?)
}

/// Revokes a token; false when there is none, or it was revoked before.
///
/// # Errors
/// When SQLite refuses.
pub fn revoke(connection: &Connection, id: i64, now: Timestamp) -> Result<bool, DbError> {
    let sql = "UPDATE tokens SET revoked_at = ?2 WHERE id = ?1 AND revoked_at IS NULL";
    Ok(connection.prepare_cached(sql)?.execute(params![id, now.millis()])? == 1)
}

/// Notes a use.
///
/// # Errors
/// When SQLite refuses.
pub fn used(connection: &Connection, id: i64, now: Timestamp) -> Result<(), DbError> {
    connection.prepare_cached("UPDATE tokens SET used_at = ?2 WHERE id = ?1")?.execute(params![id, now.millis()])?;
    Ok(())
}
