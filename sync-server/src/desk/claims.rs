//! Claims: whoever opened a record for review has it for a while, so that two people do not review
//! one. A claim is a courtesy with an end, never a lock: what decides is what was seen.

use outlet_core::ids::DocKey;
use outlet_core::time::Timestamp;
use rusqlite::{Connection, params};
use serde::Serialize;

use crate::accounts;
use crate::db::{DbError, meta, optional};
use crate::engine::{Acting, DecideError, Engine};

/// How long a claim holds unless it is taken again.
pub const CLAIM_MINUTES: i64 = 20;

/// Who is at a record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Claim {
    /// The record.
    pub outlet: DocKey,
    /// Login.
    pub account: String,
    /// Name of the person.
    pub by: String,
    /// Until when.
    pub until: Timestamp,
}

/// Takes a record for twenty minutes, or goes on having it.
///
/// # Errors
/// [`DecideError::Claimed`] while somebody else has it; account and collection as for decisions.
pub fn claim(engine: &Engine, acting: &Acting, outlet: DocKey) -> Result<Claim, DecideError> {
    engine.database().write(|tx| {
        let now = engine.folder.now();
        let account = accounts::usable(tx, &acting.login)?;
        if !account.covers(outlet.collection) {
            return Err(DecideError::Collection { login: account.login, outlet });
        }
        if crate::db::ledger::get(tx, &outlet)?.is_none() {
            return Err(DecideError::Missing(outlet));
        }
        free_for(tx, &outlet, &account.login, now)?;
        let until = now.plus_millis(CLAIM_MINUTES * 60_000);
        let claim = Claim { outlet, account: account.login, by: account.name, until };
        put(tx, &claim)?;
        Ok(claim)
    })
}

/// Gives a record back. Giving back what one does not have is no error.
///
/// # Errors
/// When the database refuses.
pub fn release(engine: &Engine, acting: &Acting, outlet: DocKey) -> Result<(), DecideError> {
    engine.database().write(|tx| {
        let account = accounts::usable(tx, &acting.login)?;
        forget(tx, &outlet, &account.login)?;
        meta::audit(tx, engine.folder.now(), &account.login, "claim_release", &outlet.to_string())?;
        Ok(())
    })
}

fn put(connection: &Connection, claim: &Claim) -> Result<(), DbError> {
    let sql = "INSERT INTO claim (outlet, account, name, until) VALUES (?1, ?2, ?3, ?4) ON CONFLICT (outlet) \
               DO UPDATE SET account = excluded.account, name = excluded.name, until = excluded.until";
    let values = params![&claim.outlet.to_bytes()[..], claim.account, claim.by, claim.until.millis()];
    connection.prepare_cached(sql)?.execute(values)?;
    Ok(())
}

/// Nobody else has the record.
pub(super) fn free_for(
    connection: &Connection,
    outlet: &DocKey,
    login: &str,
    now: Timestamp,
) -> Result<(), DecideError> {
    match of(connection, outlet, now)? {
        Some(claim) if claim.account != login => {
            Err(DecideError::Claimed { outlet: *outlet, by: claim.by, until: claim.until })
        }
        _ => Ok(()),
    }
}

/// Who has the record now.
pub(super) fn of(connection: &Connection, outlet: &DocKey, now: Timestamp) -> Result<Option<Claim>, DbError> {
    let sql = "SELECT account, name, until FROM claim WHERE outlet = ?1 AND until > ?2";
    let found = connection.prepare_cached(sql)?.query_row(params![&outlet.to_bytes()[..], now.millis()], |row| {
        Ok((row.get(0)?, row.get(1)?, row.get::<_, i64>(2)?))
    });
    let claim = |(account, by, until)| Claim { outlet: *outlet, account, by, until: Timestamp::from_millis(until) };
    Ok(optional(found)?.map(claim))
}

/// The claim of an account ends.
pub(super) fn forget(connection: &Connection, outlet: &DocKey, login: &str) -> Result<(), DbError> {
    let sql = "DELETE FROM claim WHERE outlet = ?1 AND account = ?2";
    connection.prepare_cached(sql)?.execute(params![&outlet.to_bytes()[..], login])?;
    Ok(())
}
