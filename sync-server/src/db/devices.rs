//! Tickets and members. What was signed is in `sealed`; the columns here repeat what the newest
//! certificate says so that lists need no parsing.

use outlet_core::identity::{Level, Role};
use outlet_core::ids::{Collection, PersonId, PublicKey};
use outlet_core::time::Timestamp;
use rusqlite::{Connection, Row, params};

use super::{DbError, fixed, int, optional, uint};

/// What a ticket grants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// Role.
    pub role: Role,
    /// Level.
    pub level: Option<Level>,
    /// Collections, sorted.
    pub collections: Vec<Collection>,
    /// Name of the person.
    pub name: String,
    /// The person.
    pub person: PersonId,
}

/// A ticket as stored: its secret only as a hash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredTicket {
    /// Row.
    pub id: i64,
    /// What it grants.
    pub grant: Grant,
    /// Until when it can be used first.
    pub expires_at: Timestamp,
    /// The key that used it.
    pub bound_key: Option<PublicKey>,
}

/// A member as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredMember {
    /// Device key.
    pub key: PublicKey,
    /// What the certificate says.
    pub grant: Grant,
    /// Number of the certificate.
    pub serial: u64,
    /// End of its validity.
    pub not_after: Timestamp,
    /// When.
    pub enrolled_at: Timestamp,
    /// Newest session.
    pub last_seen: Option<Timestamp>,
    /// How far the server's clock was ahead of the device's then, in milliseconds.
    pub skew_ms: Option<i64>,
    /// Since when changes of this device are held.
    pub revoked_at: Option<Timestamp>,
    /// When two devices last spoke with this key at the same time: its folder was copied.
    pub copied_at: Option<Timestamp>,
}

pub(super) fn role_text(role: Role) -> &'static str {
    match role {
        Role::Viewer => "viewer",
        Role::Inspector => "inspector",
        Role::Supervisor => "supervisor",
        Role::Admin => "admin",
    }
}

pub(super) fn role_from(text: &str) -> Result<Role, DbError> {
    [Role::Viewer, Role::Inspector, Role::Supervisor, Role::Admin]
        .into_iter()
        .find(|role| role_text(*role) == text)
        .ok_or_else(|| DbError::Damaged(format!("role {text:?}")))
}

pub(super) fn level_text(level: Level) -> &'static str {
    match level {
        Level::County => "county",
        Level::City => "city",
    }
}

pub(super) fn level_from(text: Option<&str>) -> Result<Option<Level>, DbError> {
    match text {
        None => Ok(None),
        Some("county") => Ok(Some(Level::County)),
        Some("city") => Ok(Some(Level::City)),
        Some(other) => Err(DbError::Damaged(format!("level {other:?}"))),
    }
}

pub(super) fn codes_text(collections: &[Collection]) -> String {
    collections.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
}

pub(super) fn codes_from(text: &str) -> Result<Vec<Collection>, DbError> {
    let codes = text.split(',').filter(|code| !code.is_empty());
    codes.map(|code| code.parse().map_err(|_| DbError::Damaged(format!("collection {code:?}")))).collect()
}

impl Grant {
    /// Five columns from `at`: role, level, collections, name, person.
    fn read(row: &Row<'_>, at: usize) -> Result<Self, DbError> {
        Ok(Self {
            role: role_from(&row.get::<_, String>(at)?)?,
            level: level_from(row.get::<_, Option<String>>(at + 1)?.as_deref())?,
            collections: codes_from(&row.get::<_, String>(at + 2)?)?,
            name: row.get(at + 3)?,
            person: PersonId(fixed(&row.get::<_, Vec<u8>>(at + 4)?, "person")?),
        })
    }
}

/// Stores a ticket; returns its row.
///
/// # Errors
/// When SQLite refuses.
pub fn insert_ticket(
    connection: &Connection,
    secret_hash: &[u8; 32],
    grant: &Grant,
    now: Timestamp,
    expires_at: Timestamp,
) -> Result<i64, DbError> {
    let sql = "INSERT INTO tickets (secret_hash, role, level, collections, name, person, created_at, expires_at) \
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
    connection.prepare_cached(sql)?.execute(params![
        &secret_hash[..],
        role_text(grant.role),
        grant.level.map(level_text),
        codes_text(&grant.collections),
        grant.name,
        &grant.person.0[..],
        now.millis(),
        expires_at.millis()
    ])?;
    Ok(connection.last_insert_rowid())
}

/// The ticket with this secret.
///
/// # Errors
/// When SQLite refuses.
pub fn ticket(connection: &Connection, secret_hash: &[u8; 32]) -> Result<Option<StoredTicket>, DbError> {
    let sql =
        "SELECT id, role, level, collections, name, person, expires_at, bound_key FROM tickets WHERE secret_hash = ?1";
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query([&secret_hash[..]])?;
    rows.next()?
        .map(|row| {
            let bound: Option<Vec<u8>> = row.get(7)?;
            Ok(StoredTicket {
                id: row.get(0)?,
                grant: Grant::read(row, 1)?,
                expires_at: Timestamp::from_millis(row.get(6)?),
                bound_key: bound.map(|key| fixed(&key, "key").map(PublicKey)).transpose()?,
            })
        })
        .transpose()
}

/// Binds a ticket to the first key that uses it.
///
/// # Errors
/// When SQLite refuses.
pub fn bind_ticket(connection: &Connection, id: i64, key: &PublicKey, now: Timestamp) -> Result<(), DbError> {
    let sql = "UPDATE tickets SET bound_key = ?2, bound_at = ?3 WHERE id = ?1 AND bound_key IS NULL";
    connection.prepare_cached(sql)?.execute(params![id, &key.0[..], now.millis()])?;
    Ok(())
}

/// Stores a member, or a renewed certificate of one.
///
/// # Errors
/// When SQLite refuses.
pub fn put_member(connection: &Connection, member: &StoredMember, ticket: Option<i64>) -> Result<(), DbError> {
    let sql = "INSERT INTO members (key, person, name, role, level, collections, serial, not_after, enrolled_at, ticket) \
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10) ON CONFLICT (key) DO UPDATE SET person = excluded.person, \
               name = excluded.name, role = excluded.role, level = excluded.level, collections = excluded.collections, \
               serial = excluded.serial, not_after = excluded.not_after, ticket = coalesce(excluded.ticket, ticket)";
    connection.prepare_cached(sql)?.execute(params![
        &member.key.0[..],
        &member.grant.person.0[..],
        member.grant.name,
        role_text(member.grant.role),
        member.grant.level.map(level_text),
        codes_text(&member.grant.collections),
        int(member.serial),
        member.not_after.millis(),
        member.enrolled_at.millis(),
        ticket
    ])?;
    Ok(())
}

/// All members, by serial.
///
/// # Errors
/// When SQLite refuses.
pub fn members(connection: &Connection) -> Result<Vec<StoredMember>, DbError> {
    let sql = "SELECT key, role, level, collections, name, person, serial, not_after, enrolled_at, last_seen, revoked_at, skew_ms, copied_at \
               FROM members ORDER BY serial";
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query([])?;
    let mut members = Vec::new();
    while let Some(row) = rows.next()? {
        members.push(StoredMember {
            key: PublicKey(fixed(&row.get::<_, Vec<u8>>(0)?, "key")?),
            grant: Grant::read(row, 1)?,
            serial: uint(row.get(6)?),
            not_after: Timestamp::from_millis(row.get(7)?),
            enrolled_at: Timestamp::from_millis(row.get(8)?),
            last_seen: row.get::<_, Option<i64>>(9)?.map(Timestamp::from_millis),
            revoked_at: row.get::<_, Option<i64>>(10)?.map(Timestamp::from_millis),
            skew_ms: row.get(11)?,
            copied_at: row.get::<_, Option<i64>>(12)?.map(Timestamp::from_millis),
        });
    }
    Ok(members)
}

/// Revokes a member; false when it was revoked before.
///
/// # Errors
/// When SQLite refuses.
pub fn revoke(connection: &Connection, key: &PublicKey, now: Timestamp) -> Result<bool, DbError> {
    let sql = "UPDATE members SET revoked_at = ?2 WHERE key = ?1 AND revoked_at IS NULL";
    Ok(connection.prepare_cached(sql)?.execute(params![&key.0[..], now.millis()])? == 1)
}

/// Notes a session and the skew of the device's clock.
///
/// # Errors
/// When SQLite refuses.
pub fn seen(connection: &Connection, key: &PublicKey, now: Timestamp, skew_ms: i64) -> Result<(), DbError> {
    let sql = "UPDATE members SET last_seen = ?2, skew_ms = ?3 WHERE key = ?1";
    connection.prepare_cached(sql)?.execute(params![&key.0[..], now.millis(), skew_ms])?;
    Ok(())
}

/// Notes that two devices spoke with this key at the same time.
///
/// # Errors
/// When SQLite refuses.
pub fn copied(connection: &Connection, key: &PublicKey, now: Timestamp) -> Result<(), DbError> {
    let sql = "UPDATE members SET copied_at = ?2 WHERE key = ?1";
    connection.prepare_cached(sql)?.execute(params![&key.0[..], now.millis()])?;
    Ok(())
}

/// The last statement that a device and this server signed, as kept.
///
/// # Errors
/// When SQLite refuses.
pub fn statement(connection: &Connection, key: &PublicKey) -> Result<Option<Vec<u8>>, DbError> {
    let sql = "SELECT statement FROM statements WHERE device = ?1";
    optional(connection.prepare_cached(sql)?.query_row([&key.0[..]], |row| row.get(0)))
}

/// Keeps the statement that both sides signed, in place of the device's older one.
///
/// # Errors
/// When SQLite refuses.
pub fn keep_statement(
    connection: &Connection,
    key: &PublicKey,
    at: Timestamp,
    statement: &[u8],
) -> Result<(), DbError> {
    let sql = "INSERT INTO statements (device, at, statement) VALUES (?1, ?2, ?3) \
               ON CONFLICT (device) DO UPDATE SET at = excluded.at, statement = excluded.statement";
    connection.prepare_cached(sql)?.execute(params![&key.0[..], at.millis(), statement])?;
    Ok(())
}
