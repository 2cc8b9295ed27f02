//! Tokens of the interfaces: a random secret that is shown once, of which only the hash is kept,
//! bound to an account, limited to scopes.

use std::collections::BTreeSet;

use data_encoding::BASE64URL_NOPAD;
use outlet_core::time::Timestamp;
use rusqlite::Connection;
use sha2::{Digest as _, Sha256};

use crate::db::tokens::{self, StoredToken};
use crate::db::{DbError, meta};
use crate::error::CommandError;

/// What a token begins with, so that a leak is recognised.
const PREFIX: &str = "outlet_";

/// Uses are noted once in so long.
const USED_EVERY_MS: i64 = 60_000;

/// What a token may be used for. The account's role and collections limit it further.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum TokenScope {
    /// Outlets, lists, milestones, exports, map tiles.
    Read,
    /// Bytes of photos.
    Photos,
    /// Decisions, as the account.
    Decide,
    /// Devices and the state of the server.
    Admin,
}

impl TokenScope {
    /// All.
    pub const ALL: [Self; 4] = [Self::Read, Self::Photos, Self::Decide, Self::Admin];

    /// The word.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Photos => "photos",
            Self::Decide => "decide",
            Self::Admin => "admin",
        }
    }

    /// Inverse of [`TokenScope::code`].
    #[must_use]
    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scope| scope.code() == code)
    }

    /// Those of a stored list; a word that this version does not know gives nothing.
    #[must_use]
    pub fn list(text: &str) -> BTreeSet<Self> {
        text.split(',').filter_map(Self::from_code).collect()
    }
}

/// A token that was just made.
#[derive(Debug)]
pub struct NewToken {
    /// Its number.
    pub id: i64,
    /// The secret: shown once.
    pub secret: String,
}

fn hash(secret: &str) -> [u8; 32] {
    Sha256::digest(secret.as_bytes()).into()
}

/// Makes a token.
///
/// # Errors
/// When the database refuses or there is no randomness.
pub fn add(
    connection: &Connection,
    login: &str,
    name: &str,
    scopes: &BTreeSet<TokenScope>,
    now: Timestamp,
    expires_at: Option<Timestamp>,
) -> Result<NewToken, CommandError> {
    let random: [u8; 32] = crate::env::random()?;
    let secret = format!("{PREFIX}{}", BASE64URL_NOPAD.encode(&random));
    let scopes = scopes.iter().map(|scope| scope.code()).collect::<Vec<_>>().join(",");
    let token = StoredToken {
        id: 0,
        login: login.to_owned(),
        name: name.to_owned(),
        scopes,
        created_at: now,
        expires_at,
        revoked_at: None,
        used_at: None,
    };
    let id = tokens::insert(connection, &hash(&secret), &token)?;
    meta::audit(connection, now, login, "token added", &format!("{id}: {name} ({})", token.scopes))?;
    Ok(NewToken { id, secret })
}

/// The token behind a secret, if it can be used now. A high-entropy secret needs no slow hash; the
/// look-up compares hashes, so that its time tells nothing.
///
/// # Errors
/// When the database refuses.
pub fn usable(connection: &Connection, secret: &str, now: Timestamp) -> Result<Option<StoredToken>, DbError> {
    if !secret.starts_with(PREFIX) || secret.len() > 100 {
        return Ok(None);
    }
    let found = tokens::by_hash(connection, &hash(secret))?;
    Ok(found.filter(|token| token.revoked_at.is_none() && token.expires_at.is_none_or(|end| now < end)))
}

/// Is a use of it to be noted now?
#[must_use]
pub fn is_use_due(token: &StoredToken, now: Timestamp) -> bool {
    token.used_at.is_none_or(|used| now.millis() - used.millis() > USED_EVERY_MS)
}
