//! Rows of accounts, and the chain of witnessed entries.

use outlet_core::identity::{Level, Role};
use outlet_core::ids::{Collection, DocKey, EntryId, PersonId, PublicKey, WitnessLink};
use outlet_core::time::Timestamp;
use rusqlite::{Connection, Row, params};

use super::devices::{codes_from, codes_text, level_from, level_text, role_from, role_text};
use super::{DbError, fixed, optional};

/// An account as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredAccount {
    /// Row.
    pub id: i64,
    /// As it was given.
    pub login: String,
    /// The person's name.
    pub name: String,
    /// The person.
    pub person: PersonId,
    /// Role.
    pub role: Role,
    /// Level of a supervisor.
    pub level: Option<Level>,
    /// Collections, sorted.
    pub collections: Vec<Collection>,
    /// PHC string.
    pub password: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// When the password was set.
    pub password_at: Timestamp,
    /// Since when nobody can sign in with it.
    pub disabled_at: Option<Timestamp>,
    /// Issuer and subject of the identity that opens it.
    pub oidc: Option<String>,
}

const COLUMNS: &str =
    "id, login, name, person, role, level, collections, password, created_at, password_at, disabled_at, oidc";

fn read(row: &Row<'_>) -> Result<StoredAccount, DbError> {
    let time = |at: usize| Ok::<_, DbError>(Timestamp::from_millis(row.get(at)?));
    Ok(StoredAccount {
        id: row.get(0)?,
        login: row.get(1)?,
        name: row.get(2)?,
        person: PersonId(fixed(&row.get::<_, Vec<u8>>(3)?, "person")?),
        role: role_from(&row.get::<_, String>(4)?)?,
        level: level_from(row.get::<_, Option<String>>(5)?.as_deref())?,
        collections: codes_from(&row.get::<_, String>(6)?)?,
        password: row.get(7)?,
        created_at: time(8)?,
        password_at: time(9)?,
        disabled_at: row.get::<_, Option<i64>>(10)?.map(Timestamp::from_millis),
        oidc: row.get(11)?,
    })
}

/// The account of a login, in whatever case.
///
/// # Errors
/// When SQLite refuses.
pub fn find(connection: &Connection, login: &str) -> Result<Option<StoredAccount>, DbError> {
    let sql = format!("SELECT {COLUMNS} FROM accounts WHERE login_key = ?1");
    let mut statement = connection.prepare_cached(&sql)?;
    let mut rows = statement.query([key_of(login)])?;
    rows.next()?.map(read).transpose()
}

/// The account that an identity opens.
///
/// # Errors
/// When SQLite refuses.
pub fn by_oidc(connection: &Connection, identity: &str) -> Result<Option<StoredAccount>, DbError> {
    let sql = format!("SELECT {COLUMNS} FROM accounts WHERE oidc = ?1");
    let mut statement = connection.prepare_cached(&sql)?;
    let mut rows = statement.query([identity])?;
    rows.next()?.map(read).transpose()
}

/// Ties an account to an identity, or to none.
///
/// # Errors
/// When SQLite refuses.
pub fn set_oidc(connection: &Connection, id: i64, identity: Option<&str>) -> Result<(), DbError> {
    connection.prepare_cached("UPDATE accounts SET oidc = ?2 WHERE id = ?1")?.execute(params![id, identity])?;
    Ok(())
}

/// All accounts, by login.
///
/// # Errors
/// When SQLite refuses.
pub fn all(connection: &Connection) -> Result<Vec<StoredAccount>, DbError> {
    let sql = format!("SELECT {COLUMNS} FROM accounts ORDER BY login_key");
    let mut statement = connection.prepare_cached(&sql)?;
    let mut rows = statement.query([])?;
    let mut accounts = Vec::new();
    while let Some(row) = rows.next()? {
        accounts.push(read(row)?);
    }
    Ok(accounts)
}

/// Adds an account; false when the login is taken. `id` is ignored.
///
/// # Errors
/// When SQLite refuses.
pub fn insert(connection: &Connection, account: &StoredAccount) -> Result<bool, DbError> {
    let sql = "INSERT INTO accounts (login, login_key, name, person, role, level, collections, password, created_at, \
               password_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?9) ON CONFLICT (login_key) DO NOTHING";
    let added = connection.prepare_cached(sql)?.execute(params![
        account.login,
        key_of(&account.login),
        account.name,
        &account.person.0[..],
        role_text(account.role),
        account.level.map(level_text),
        codes_text(&account.collections),
        account.password,
        account.created_at.millis()
    ])?;
    Ok(added == 1)
}

/// Sets a password hash.
///
/// # Errors
/// When SQLite refuses.
pub fn set_password(connection: &Connection, id: i64, password: &str, now: Timestamp) -> Result<(), DbError> {
    let sql = "UPDATE accounts SET password = ?2, password_at = ?3 WHERE id = ?1";
    connection.prepare_cached(sql)?.execute(params![id, password, now.millis()])?;
    Ok(())
}

/// Shuts an account, or opens it again.
///
/// # Errors
/// When SQLite refuses.
pub fn set_disabled(connection: &Connection, id: i64, at: Option<Timestamp>) -> Result<(), DbError> {
    let sql = "UPDATE accounts SET disabled_at = ?2 WHERE id = ?1";
    connection.prepare_cached(sql)?.execute(params![id, at.map(Timestamp::millis)])?;
    Ok(())
}

fn key_of(login: &str) -> String {
    login.trim().to_lowercase()
}

/// The last link of a server key's chain.
///
/// # Errors
/// When SQLite refuses.
pub fn chain_tip(connection: &Connection, server: &PublicKey) -> Result<Option<WitnessLink>, DbError> {
    let sql = "SELECT link FROM witnessed WHERE server = ?1 ORDER BY seq DESC LIMIT 1";
    let link = optional(connection.prepare_cached(sql)?.query_row([&server.0[..]], |row| row.get::<_, Vec<u8>>(0)))?;
    link.map(|link| Ok(WitnessLink(fixed(&link, "witness link")?))).transpose()
}

/// A link of the chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredLink {
    /// Server key.
    pub server: PublicKey,
    /// The case file.
    pub doc: DocKey,
    /// The entry.
    pub entry: EntryId,
    /// What the next one names.
    pub link: WitnessLink,
    /// Login.
    pub account: String,
    /// When.
    pub at: Timestamp,
}

/// Appends to the chain.
///
/// # Errors
/// When SQLite refuses.
pub fn append(connection: &Connection, link: &StoredLink) -> Result<(), DbError> {
    let sql = "INSERT INTO witnessed (server, doc, entry, link, account, at) VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
    connection.prepare_cached(sql)?.execute(params![
        &link.server.0[..],
        &link.doc.to_bytes()[..],
        &link.entry.0[..],
        &link.link.0[..],
        link.account,
        link.at.millis()
    ])?;
    Ok(())
}

/// The chain from the newest link on, at most `limit` links, of one account or of all; links on
/// documents that `sees` does not let through are passed over.
///
/// # Errors
/// When SQLite refuses.
pub fn newest(
    connection: &Connection,
    account: Option<&str>,
    limit: usize,
    sees: impl Fn(&DocKey) -> bool,
) -> Result<Vec<StoredLink>, DbError> {
    let sql = "SELECT server, doc, entry, link, account, at FROM witnessed WHERE ?1 IS NULL OR account = ?1 \
               ORDER BY seq DESC";
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query(params![account])?;
    let mut links = Vec::new();
    while let Some(row) = rows.next()? {
        if links.len() >= limit {
            break;
        }
        let doc: Vec<u8> = row.get(1)?;
        let doc = DocKey::from_bytes(&doc).ok_or_else(|| DbError::Damaged("witnessed document".into()))?;
        if !sees(&doc) {
            continue;
        }
        links.push(StoredLink {
            server: PublicKey(fixed(&row.get::<_, Vec<u8>>(0)?, "server key")?),
            doc,
            entry: EntryId(fixed(&row.get::<_, Vec<u8>>(2)?, "entry")?),
            link: WitnessLink(fixed(&row.get::<_, Vec<u8>>(3)?, "witness link")?),
            account: row.get(4)?,
            at: Timestamp::from_millis(row.get(5)?),
        });
    }
    Ok(links)
}
