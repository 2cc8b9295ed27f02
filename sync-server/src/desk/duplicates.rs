//! Possible duplicates: pairs by score, the reversible same-as link, and "these are two outlets".

use outlet_core::domain::case::{CaseEntry, Decision, Duplicate};
use outlet_core::duplicate::Candidate;
use outlet_core::identity::Role;
use outlet_core::ids::{Collection, DocKey};
use rusqlite::{Connection, params};
use serde::Serialize;

use super::verdict::plain;
use super::{catch_up, rows};
use crate::accounts::{self, Account};
use crate::db::{DbError, meta, uint};
use crate::engine::{Acting, DecideError, Engine, EngineError, Seen, Witnessed};
use crate::report::parse;

/// A pair with what people call its records.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Pair {
    /// Both keys, score, distance, reasons.
    #[serde(flatten)]
    pub candidate: Candidate,
    /// Number or name of the first.
    pub a_label: String,
    /// Number or name of the second.
    pub b_label: String,
    /// Somebody said that these are two outlets: who and why.
    pub dismissed: Option<String>,
}

const SELECT: &str = "SELECT p.data, (SELECT coalesce(d.number, d.name) FROM desk d WHERE d.outlet = p.a), \
                      (SELECT coalesce(d.number, d.name) FROM desk d WHERE d.outlet = p.b), \
                      (SELECT x.account || ': ' || x.reason FROM pair_dismissed x WHERE x.a = p.a AND x.b = p.b) FROM pair p";

fn read(row: &rusqlite::Row<'_>) -> Result<Pair, DbError> {
    let text = row.get_ref(0)?.as_str().map_err(rusqlite::Error::from)?;
    let candidate: Candidate = serde_json::from_str(text).map_err(rows::damaged)?;
    let label = |at: usize, key: &DocKey| -> Result<String, DbError> {
        Ok(row.get::<_, Option<String>>(at)?.unwrap_or_else(|| key.id.to_string()))
    };
    let (a_label, b_label) = (label(1, &candidate.a)?, label(2, &candidate.b)?);
    Ok(Pair { candidate, a_label, b_label, dismissed: row.get(3)? })
}

/// Pairs in the collections of an account, the likeliest first; of a pair across collections, both
/// must be the account's.
///
/// # Errors
/// When the database refuses.
pub fn pairs(
    engine: &Engine,
    account: &Account,
    collection: Option<Collection>,
    dismissed: bool,
    limit: usize,
) -> Result<Vec<Pair>, EngineError> {
    catch_up(engine)?;
    let wanted = |pair: &Pair| {
        let keys = [pair.candidate.a, pair.candidate.b];
        keys.iter().all(|key| account.covers(key.collection))
            && collection.is_none_or(|wanted| keys.iter().any(|key| key.collection == wanted))
            && (dismissed || pair.dismissed.is_none())
    };
    engine.database().read(|tx| Ok(select(tx, limit, wanted)?))
}

fn select(connection: &Connection, limit: usize, wanted: impl Fn(&Pair) -> bool) -> Result<Vec<Pair>, DbError> {
    let sql = format!("{SELECT} ORDER BY p.score DESC, p.a, p.b");
    let mut statement = connection.prepare_cached(&sql)?;
    let mut rows = statement.query([])?;
    let mut pairs = Vec::new();
    while let Some(row) = rows.next()? {
        pairs.extend(Some(read(row)?).filter(&wanted));
        if pairs.len() >= limit {
            break;
        }
    }
    Ok(pairs)
}

/// Pairs of one record, dismissed ones too.
///
/// # Errors
/// When the database refuses.
pub fn pairs_of(engine: &Engine, outlet: &DocKey) -> Result<Vec<Pair>, EngineError> {
    let of_one = |connection: &Connection| -> Result<Vec<Pair>, DbError> {
        let sql = format!("{SELECT} WHERE p.a = ?1 OR p.b = ?1 ORDER BY p.score DESC");
        let mut statement = connection.prepare_cached(&sql)?;
        let mut rows = statement.query([&outlet.to_bytes()[..]])?;
        let mut pairs = Vec::new();
        while let Some(row) = rows.next()? {
            pairs.push(read(row)?);
        }
        Ok(pairs)
    };
    engine.database().read(|tx| Ok(of_one(tx)?))
}

/// Pairs of one record, with the ledger as it is now: for a record that has just come.
///
/// # Errors
/// When the database refuses.
pub fn candidates(engine: &Engine, outlet: &DocKey) -> Result<Vec<Pair>, EngineError> {
    catch_up(engine)?;
    pairs_of(engine, outlet)
}

/// Links a record to the one that survives, or lifts the link. Both records stay; the milestones
/// count them once.
///
/// # Errors
/// [`DecideError`]; also when the surviving record is not in the ledger, or is itself a duplicate
/// of this one.
pub fn link(
    engine: &Engine,
    acting: &Acting,
    (outlet, of): (DocKey, DocKey),
    seen: Seen,
    lifted: bool,
    note: Option<String>,
) -> Result<Witnessed, DecideError> {
    let survivor = engine.database().read::<_, DbError>(|tx| crate::db::ledger::get(tx, &of))?;
    let (row, _) = survivor.ok_or(DecideError::Missing(of))?;
    if !lifted && parse(&row)?.duplicate_of == Some(outlet) {
        return Err(DecideError::Proposal("the other record is a duplicate of this one already: lift that link first"));
    }
    let entry = CaseEntry {
        on: Some(engine.folder.now().day_in_shanghai()),
        note,
        ..plain(Decision::Duplicate(Duplicate { of, lifted }))
    };
    engine.decide(acting, outlet, seen, vec![entry])
}

/// "These are two outlets": the pair is not proposed again. With an empty reason it is.
///
/// # Errors
/// [`DecideError`].
pub fn dismiss(engine: &Engine, acting: &Acting, one: DocKey, other: DocKey, reason: &str) -> Result<(), DecideError> {
    let (a, b) = if one < other { (one, other) } else { (other, one) };
    let now = engine.folder.now();
    engine.database().write(|tx| {
        let account = accounts::usable(tx, &acting.login)?;
        for outlet in [a, b] {
            if !account.covers(outlet.collection) {
                return Err(DecideError::Collection { login: account.login, outlet });
            }
        }
        if account.role < Role::Supervisor {
            return Err(DecideError::Proposal("a viewer reads: a supervisor tells records apart"));
        }
        write_dismissal(tx, (&a, &b), &account.login, reason, now.millis())?;
        let action = if reason.is_empty() { "pair_restore" } else { "pair_dismiss" };
        meta::audit(tx, now, &account.login, action, &format!("{a} {b} {reason}"))?;
        Ok(())
    })
}

fn write_dismissal(
    connection: &Connection,
    (a, b): (&DocKey, &DocKey),
    login: &str,
    reason: &str,
    at: i64,
) -> Result<(), DbError> {
    let (a, b) = (a.to_bytes(), b.to_bytes());
    if reason.is_empty() {
        let sql = "DELETE FROM pair_dismissed WHERE a = ?1 AND b = ?2";
        connection.prepare_cached(sql)?.execute(params![&a[..], &b[..]])?;
    } else {
        let sql = "INSERT INTO pair_dismissed (a, b, account, reason, at) VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT (a, b) \
                   DO UPDATE SET account = excluded.account, reason = excluded.reason, at = excluded.at";
        connection.prepare_cached(sql)?.execute(params![&a[..], &b[..], login, reason, at])?;
    }
    Ok(())
}

/// Records compared, and pairs found.
///
/// # Errors
/// When the database refuses.
pub fn totals(engine: &Engine) -> Result<(u64, u64), EngineError> {
    catch_up(engine)?;
    engine.database().read(|tx| {
        let count =
            |sql: &str| -> Result<u64, DbError> { Ok(uint(tx.prepare_cached(sql)?.query_row([], |row| row.get(0))?)) };
        Ok((count("SELECT count(*) FROM feature")?, count("SELECT count(*) FROM pair")?))
    })
}
