//! Accounts: people who decide at the server's console, its API or its command line. The server
//! signs what they decide as a witness ([`crate::engine::Acting`]); who they are is proven by a
//! password, of which only an argon2id hash is kept.
//!
//! An account and an enrolled device of one human being carry one person id, so that nobody decides
//! at the console on what they recorded in the field.

mod password;

use std::collections::BTreeMap;

use outlet_core::identity::{Level, Role};
use outlet_core::ids::{Collection, PersonId};
use outlet_core::time::Timestamp;
use rusqlite::Connection;
use serde::Serialize;

use crate::db::accounts::{self as rows, StoredAccount};
use crate::db::{Database, DbError, devices, meta};
use crate::error::CommandError;

pub use password::{MAX_PASSWORD, MIN_PASSWORD};

/// An account, without its password. Serialises as `account list --json` shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Account {
    /// Unique, whatever its case.
    pub login: String,
    /// The person's name.
    pub name: String,
    /// The person, across accounts and devices.
    pub person: PersonId,
    /// `admin | supervisor | viewer`.
    pub role: Role,
    /// Level of a supervisor.
    pub level: Option<Level>,
    /// Collections; empty means all, for admins only.
    pub collections: Vec<Collection>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When the password was set: sessions older than this end.
    pub password_at: Timestamp,
    /// Since when nobody can use it.
    pub disabled_at: Option<Timestamp>,
    /// Issuer and subject of the identity that opens it, beside the password.
    pub oidc: Option<String>,
}

impl Account {
    /// Whether records of the collection may be read and, by role, decided on.
    #[must_use]
    pub fn covers(&self, collection: Collection) -> bool {
        self.collections.contains(&collection) || (self.role == Role::Admin && self.collections.is_empty())
    }

    /// Role and level in words.
    #[must_use]
    pub fn title(&self) -> &'static str {
        match (self.role, self.level) {
            (Role::Admin, _) => "admin",
            (Role::Supervisor, Some(Level::City)) => "city supervisor",
            (Role::Supervisor, _) => "county supervisor",
            _ => "viewer",
        }
    }
}

impl From<StoredAccount> for Account {
    fn from(stored: StoredAccount) -> Self {
        Self {
            login: stored.login,
            name: stored.name,
            person: stored.person,
            role: stored.role,
            level: stored.level,
            collections: stored.collections,
            created_at: stored.created_at,
            password_at: stored.password_at,
            disabled_at: stored.disabled_at,
            oidc: stored.oidc,
        }
    }
}

/// What a new account is to be.
#[derive(Debug, Clone)]
pub struct NewAccount {
    /// Unique, whatever its case.
    pub login: String,
    /// The person's name.
    pub name: String,
    /// The person; another account or device may carry the same.
    pub person: PersonId,
    /// Role.
    pub role: Role,
    /// Level of a supervisor.
    pub level: Option<Level>,
    /// Collections.
    pub collections: Vec<Collection>,
}

/// What is wrong with an account, or with the way it is used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AccountError {
    /// The database.
    #[error(transparent)]
    Database(#[from] DbError),
    /// Nobody has this login.
    #[error("there is no account {0:?}")]
    Unknown(String),
    /// The account is shut.
    #[error("the account {login:?} has been disabled since {since}")]
    Disabled {
        /// Login.
        login: String,
        /// Since when.
        since: Timestamp,
    },
    /// Login and password do not fit. Says no more than that.
    #[error("login or password is wrong")]
    Wrong,
    /// The login is taken.
    #[error("there is an account {0:?} already; logins differ by more than upper and lower case")]
    Taken(String),
    /// The login cannot be one.
    #[error(
        "{0:?} is no login: 2 to 40 letters, digits, and . _ - @, and none of the names that the audit log uses itself"
    )]
    Login(String),
    /// The password cannot be one.
    #[error("a password has {MIN_PASSWORD} to {MAX_PASSWORD} characters and is not the login; this one {0}")]
    Password(&'static str),
    /// Role, level and collections do not fit together.
    #[error("{0}")]
    Rights(&'static str),
    /// No account belongs to the identity.
    #[error("no account belongs to the subject {0:?} of the identity provider")]
    Stranger(String),
    /// The identity opens another account.
    #[error("the account {0:?} belongs to this identity already")]
    Tied(String),
    /// The subject cannot be one.
    #[error("a subject has 1 to 255 characters and no blanks")]
    Subject,
    /// The machine.
    #[error("the password cannot be hashed: {0}")]
    Hash(String),
}

impl From<AccountError> for CommandError {
    fn from(error: AccountError) -> Self {
        match error {
            AccountError::Database(error) => error.into(),
            AccountError::Unknown(_) => {
                Self::user(error.to_string()).hint("`outlet-server account list` shows all; `account add` makes one")
            }
            AccountError::Disabled { .. } => Self::user(error.to_string())
                .hint("an administrator opens it with `outlet-server account enable LOGIN`"),
            AccountError::Taken(_) => Self::user(error.to_string())
                .hint("choose another login, or set a new password with `account password`"),
            AccountError::Tied(_) => {
                Self::user(error.to_string()).hint("free it first: `outlet-server account oidc LOGIN --none`")
            }
            AccountError::Hash(_) => Self::internal(error.to_string()),
            _ => Self::user(error.to_string()),
        }
    }
}

/// The account of a login that can be used.
///
/// # Errors
/// [`AccountError::Unknown`], [`AccountError::Disabled`], or the database's.
pub fn usable(connection: &Connection, login: &str) -> Result<Account, AccountError> {
    let account = find(connection, login)?;
    match account.disabled_at {
        Some(since) => Err(AccountError::Disabled { login: account.login, since }),
        None => Ok(account),
    }
}

/// The account of a login.
///
/// # Errors
/// [`AccountError::Unknown`], or the database's.
pub fn find(connection: &Connection, login: &str) -> Result<Account, AccountError> {
    rows::find(connection, login)?.map(Account::from).ok_or_else(|| AccountError::Unknown(login.to_owned()))
}

/// All accounts, by login.
///
/// # Errors
/// When the database refuses.
pub fn all(connection: &Connection) -> Result<Vec<Account>, DbError> {
    Ok(rows::all(connection)?.into_iter().map(Account::from).collect())
}

/// A human being known here, by devices, accounts or both.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// What their devices and accounts share.
    pub id: PersonId,
    /// Name, as the newest device or else an account has it.
    pub name: String,
    /// Collections of all their devices and accounts.
    pub collections: Vec<Collection>,
}

/// Everybody who has a device or an account, by name.
///
/// # Errors
/// When the database refuses.
pub fn persons(connection: &Connection) -> Result<Vec<Person>, DbError> {
    let devices = devices::members(connection)?.into_iter().map(|member| member.grant);
    let devices = devices.map(|grant| (grant.person, grant.name, grant.collections));
    let accounts = all(connection)?.into_iter().map(|account| (account.person, account.name, account.collections));
    let mut persons: BTreeMap<PersonId, Person> = BTreeMap::new();
    for (id, name, collections) in devices.chain(accounts) {
        let person = persons.entry(id).or_insert_with(|| Person { id, name, collections: Vec::new() });
        person.collections.extend(collections);
        person.collections.sort();
        person.collections.dedup();
    }
    let mut persons: Vec<Person> = persons.into_values().collect();
    persons.sort_by(|left, right| (&left.name, left.id).cmp(&(&right.name, right.id)));
    Ok(persons)
}

/// Whoever knows the password. Takes the same time for a login that nobody has. Slow on purpose
/// (tens of milliseconds of one core): callers limit how often it is asked.
///
/// # Errors
/// [`AccountError::Wrong`] for an unknown login and a wrong password alike,
/// [`AccountError::Disabled`] only to who knows the password.
pub fn sign_in(database: &Database, login: &str, password: &str) -> Result<Account, AccountError> {
    let stored = database.read::<_, DbError>(|tx| rows::find(tx, login))?;
    let fits = password::fits(password, stored.as_ref().map(|stored| stored.password.as_str()));
    let Some(stored) = stored.filter(|_| fits) else { return Err(AccountError::Wrong) };
    match stored.disabled_at {
        Some(since) => Err(AccountError::Disabled { login: stored.login, since }),
        None => Ok(stored.into()),
    }
}

/// Whom an identity provider vouches for: the account tied to the identity, or, where the settings
/// let a claim name a login, the account of that login, which is tied to it from then on. Makes no
/// account. An administrator's is opened only by the identity that somebody tied to it: whoever can
/// choose a name at the provider would else choose theirs.
///
/// # Errors
/// [`AccountError::Stranger`] when none belongs to it, [`AccountError::Disabled`].
pub fn of_identity(
    database: &Database,
    (issuer, subject): (&str, &str),
    login: Option<&str>,
    now: Timestamp,
) -> Result<Account, AccountError> {
    let identity = identity(issuer, subject)?;
    let stranger = || AccountError::Stranger(subject.to_owned());
    database.write(|tx| {
        let account: Account = match rows::by_oidc(tx, &identity)? {
            Some(stored) => stored.into(),
            None => {
                let named = login.map(|login| rows::find(tx, login)).transpose()?.flatten();
                let free =
                    |own: &StoredAccount| own.oidc.is_none() && own.role != Role::Admin && own.disabled_at.is_none();
                let stored = named.filter(free).ok_or_else(stranger)?;
                rows::set_oidc(tx, stored.id, Some(&identity))?;
                meta::audit(tx, now, &stored.login, "account_oidc", &identity)?;
                find(tx, &stored.login)?
            }
        };
        match account.disabled_at {
            Some(since) => Err(AccountError::Disabled { login: account.login, since }),
            None => Ok(account),
        }
    })
}

fn identity(issuer: &str, subject: &str) -> Result<String, AccountError> {
    let fits = !subject.is_empty() && subject.len() <= 255 && !subject.contains(char::is_whitespace);
    fits.then(|| format!("{issuer} {subject}")).ok_or(AccountError::Subject)
}

/// Ties an account to an identity (issuer, subject), or to none.
///
/// # Errors
/// [`AccountError`].
pub fn tie(
    database: &Database,
    login: &str,
    to: Option<(&str, &str)>,
    (by, now): (&str, Timestamp),
) -> Result<Account, AccountError> {
    let identity = to.map(|(issuer, subject)| identity(issuer, subject)).transpose()?;
    database.write(|tx| {
        let stored = rows::find(tx, login)?.ok_or_else(|| AccountError::Unknown(login.to_owned()))?;
        if let Some(other) = identity.as_deref().map(|own| rows::by_oidc(tx, own)).transpose()?.flatten()
            && other.id != stored.id
        {
            return Err(AccountError::Tied(other.login));
        }
        rows::set_oidc(tx, stored.id, identity.as_deref())?;
        let about = format!("{} {}", stored.login, identity.as_deref().unwrap_or("none"));
        meta::audit(tx, now, by, "account_oidc", &about)?;
        find(tx, &stored.login)
    })
}

/// Who made a change by a command on the server's machine, as the audit log has it.
pub const COMMANDS: &str = "administrator";

/// Makes an account.
///
/// # Errors
/// [`AccountError`]; then there is none.
pub fn add(
    database: &Database,
    new: NewAccount,
    password: &str,
    (by, now): (&str, Timestamp),
) -> Result<Account, AccountError> {
    let login = new.login.trim().to_owned();
    check_login(&login)?;
    check_rights(&new)?;
    password::check(password, &login)?;
    let mut collections = new.collections;
    collections.sort();
    collections.dedup();
    let stored = StoredAccount {
        id: 0,
        login: login.clone(),
        name: new.name.trim().to_owned(),
        person: new.person,
        role: new.role,
        level: new.level,
        collections,
        password: password::hash(password)?,
        created_at: now,
        password_at: now,
        disabled_at: None,
        oidc: None,
    };
    database.write::<_, AccountError>(|tx| {
        if !rows::insert(tx, &stored)? {
            return Err(AccountError::Taken(login.clone()));
        }
        meta::audit(tx, now, by, "account_add", &login)?;
        Ok(())
    })?;
    Ok(stored.into())
}

/// Sets a new password.
///
/// # Errors
/// [`AccountError`]; then the old one holds.
pub fn set_password(
    database: &Database,
    login: &str,
    password: &str,
    (by, now): (&str, Timestamp),
) -> Result<Account, AccountError> {
    password::check(password, login.trim())?;
    let hash = password::hash(password)?;
    change(database, login, "account_password", (by, now), |tx, id| rows::set_password(tx, id, &hash, now))
}

/// Shuts an account, or opens it again. What was decided with it stands.
///
/// # Errors
/// [`AccountError`].
pub fn set_enabled(
    database: &Database,
    login: &str,
    enabled: bool,
    (by, now): (&str, Timestamp),
) -> Result<Account, AccountError> {
    let action = if enabled { "account_enable" } else { "account_disable" };
    change(database, login, action, (by, now), |tx, id| rows::set_disabled(tx, id, (!enabled).then_some(now)))
}

fn change(
    database: &Database,
    login: &str,
    action: &str,
    (by, now): (&str, Timestamp),
    work: impl FnOnce(&Connection, i64) -> Result<(), DbError>,
) -> Result<Account, AccountError> {
    database.write(|tx| {
        let stored = rows::find(tx, login)?.ok_or_else(|| AccountError::Unknown(login.to_owned()))?;
        work(tx, stored.id)?;
        meta::audit(tx, now, by, action, &stored.login)?;
        find(tx, login)
    })
}

/// Who acts in the audit log without an account: the commands on the server's machine, and the server.
const RESERVED: [&str; 4] = [COMMANDS, "operator", "command line", "init"];

fn check_login(login: &str) -> Result<(), AccountError> {
    let fine = |character: char| character.is_alphanumeric() || matches!(character, '.' | '_' | '-' | '@');
    let length = login.chars().count();
    let reserved = RESERVED.iter().any(|name| name.eq_ignore_ascii_case(login));
    if (2..=40).contains(&length) && login.chars().all(fine) && !reserved {
        Ok(())
    } else {
        Err(AccountError::Login(login.into()))
    }
}

fn check_rights(new: &NewAccount) -> Result<(), AccountError> {
    let why = match new.role {
        Role::Inspector => "inspectors write on devices and sign themselves: give them a ticket, not an account",
        Role::Supervisor if new.level.is_none() => "a supervisor has a level: county or city",
        Role::Viewer | Role::Admin if new.level.is_some() => "only a supervisor has a level",
        Role::Viewer | Role::Supervisor if new.collections.is_empty() => "name the collections of the account",
        _ if new.name.trim().is_empty() || new.name.chars().count() > 100 => "a name has 1 to 100 characters",
        _ if new.collections.contains(&Collection::REFERENCE) => "reference documents are read by all; name counties",
        _ => return Ok(()),
    };
    Err(AccountError::Rights(why))
}

#[cfg(test)]
mod tests;
