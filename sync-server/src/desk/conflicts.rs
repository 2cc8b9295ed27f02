//! Conflicts: concurrent values of a gated fact side by side, and the decision that ends one by
//! naming what it overrules.

use outlet_core::doc::{CurrentFact, Document, facts, open_conflicts};
use outlet_core::domain::case::{CaseEntry, Decision, Settle};
use outlet_core::domain::field::Location;
use outlet_core::geo::GeoPoint;
use outlet_core::ids::{Collection, DocKey, DocKind, EntryId, OutletId};
use outlet_core::time::Timestamp;
use rusqlite::{Connection, params};
use serde::Serialize;
use serde_json::Value;

use super::catch_up;
use super::verdict::plain;
use crate::accounts::Account;
use crate::db::{DbError, int};
use crate::engine::{Acting, DecideError, Engine, EngineError, Seen, Witnessed, projector, receipt_times};

/// One value of a conflict.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Side {
    /// The entry that asserts it.
    pub entry: EntryId,
    /// The value.
    pub value: Value,
    /// Basis that its author names.
    pub basis: Option<String>,
    /// Who asserted it.
    pub by: String,
    /// Their device's clock.
    pub device_time: Timestamp,
    /// Receipt by the server.
    pub received_at: Option<Timestamp>,
    /// Of a location: metres to the first side's.
    pub distance_m: Option<f64>,
}

/// A gated fact with several values.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Conflict {
    /// The outlet.
    pub id: OutletId,
    /// Key of the field record.
    pub outlet: DocKey,
    /// Which fact.
    pub field: String,
    /// The values, in document order.
    pub sides: Vec<Side>,
    /// Heads of what is shown: give them back with the decision.
    pub seen: Seen,
}

/// Conflicts in the collections of an account, those of the longest waiting records first.
///
/// # Errors
/// When the database refuses.
pub fn conflicts(
    engine: &Engine,
    account: &Account,
    collection: Option<Collection>,
    limit: u64,
) -> Result<Vec<Conflict>, EngineError> {
    catch_up(engine)?;
    let keys = engine.database().read::<_, DbError>(|tx| conflicted(tx, collection))?;
    let mut all = Vec::new();
    for key in keys.into_iter().filter(|key| account.covers(key.collection)) {
        if all.len() as u64 >= limit {
            break;
        }
        all.extend(of(engine, &key)?);
    }
    Ok(all)
}

fn conflicted(connection: &Connection, collection: Option<Collection>) -> Result<Vec<DocKey>, DbError> {
    let sql = "SELECT outlet FROM desk WHERE conflicts <> '' AND (?1 IS NULL OR collection = ?1) \
               ORDER BY submitted_at, outlet LIMIT ?2";
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query(params![collection.map(Collection::code), int(10_000)])?;
    let mut keys = Vec::new();
    while let Some(row) = rows.next()? {
        let bytes: Vec<u8> = row.get(0)?;
        keys.push(DocKey::from_bytes(&bytes).ok_or_else(|| DbError::Damaged("key of a desk row".into()))?);
    }
    Ok(keys)
}

/// The conflicts of one record.
///
/// # Errors
/// When the database refuses.
pub fn of(engine: &Engine, outlet: &DocKey) -> Result<Vec<Conflict>, EngineError> {
    engine.database().read(|tx| {
        let Some(field) = projector::load(tx, outlet)? else { return Ok(Vec::new()) };
        let case = projector::load(tx, &outlet.with_kind(DocKind::Case))?;
        let times = receipt_times(tx, outlet)?;
        let roster = engine.folder.roster(tx)?;
        let seen = Seen { field: field.heads(), case: case.as_ref().map(Document::heads).unwrap_or_default() };
        let case = case.as_ref().map(Document::entries).unwrap_or_default();
        let name = |fact: &CurrentFact| {
            let key = fact.origin.actor.key();
            roster.membership(&key).map_or_else(|| format!("{}…", key.short()), |member| member.name.clone())
        };
        let side = |fact: &CurrentFact, first: &CurrentFact| Side {
            entry: fact.entry,
            value: fact.value.clone(),
            basis: fact.fact.basis.clone(),
            by: name(fact),
            device_time: fact.origin.device_time,
            received_at: times.get(&fact.origin.change).copied(),
            distance_m: point(&fact.value).zip(point(&first.value)).map(|(one, other)| metres(one, other)),
        };
        let conflict = |open: outlet_core::doc::Conflict| Conflict {
            id: outlet.id,
            outlet: *outlet,
            sides: open.candidates.iter().map(|fact| side(fact, &open.candidates[0])).collect(),
            field: open.field,
            seen: seen.clone(),
        };
        Ok(open_conflicts(&field.entries(), &case).into_iter().map(conflict).collect())
    })
}

fn point(value: &Value) -> Option<GeoPoint> {
    let location: Location = serde_json::from_value(value.clone()).ok()?;
    GeoPoint::new(location.lon, location.lat).ok()
}

fn metres(one: GeoPoint, other: GeoPoint) -> f64 {
    (one.distance_m(other) * 10.0).round() / 10.0
}

/// What a supervisor settles on.
#[derive(Debug, Clone, PartialEq)]
pub enum Settled {
    /// One of the values, by its entry.
    Pick(EntryId),
    /// Another value.
    Write(Value),
}

/// Ends a conflict, or sets a gated fact by decision: every value that is current is overruled by
/// name.
///
/// # Errors
/// [`DecideError`]; [`DecideError::Proposal`] when the entry picked is none of the values.
pub fn settle(
    engine: &Engine,
    acting: &Acting,
    (outlet, field): (DocKey, &str),
    seen: Seen,
    choice: Settled,
    (reason, note): (Option<String>, Option<String>),
) -> Result<Witnessed, DecideError> {
    let document = engine.database().read(|tx| projector::load(tx, &outlet))?.ok_or(DecideError::Missing(outlet))?;
    let current = facts(&document.entries_at(&seen.field)).remove(field).unwrap_or_default();
    let value = match choice {
        Settled::Write(value) => value,
        Settled::Pick(entry) => {
            let picked = current.iter().find(|fact| fact.entry == entry);
            picked.ok_or(DecideError::Proposal("the entry picked is none of the current values"))?.value.clone()
        }
    };
    let entry = CaseEntry {
        on: Some(engine.folder.now().day_in_shanghai()),
        overrules: current.iter().map(|fact| fact.entry).collect(),
        note,
        ..plain(Decision::Settle(Settle { field: field.to_owned(), value, reason }))
    };
    engine.decide(acting, outlet, seen, vec![entry])
}
