//! Who decided what, on which evidence, from which values.

use outlet_core::doc::Entry;
use outlet_core::domain::case::CaseEntry;
use outlet_core::ids::{DocKey, DocKind, EntryId, OutletId};
use outlet_core::time::Timestamp;
use serde::Serialize;
use serde_json::Value;

use crate::db::accounts;
use crate::engine::{Engine, EngineError, name_of, projector, receipt_times};

/// One decision as the audit shows it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Audited {
    /// The outlet.
    pub outlet: OutletId,
    /// The entry of its case file.
    pub entry: EntryId,
    /// When it was decided, by the clock of whoever decided.
    pub at: Timestamp,
    /// Receipt by the server.
    pub received_at: Option<Timestamp>,
    /// Who decided.
    pub by: String,
    /// Signed by the server as witness; otherwise by the person's own device.
    pub witnessed: bool,
    /// As stored: decision, heads seen, document, what it overrules.
    pub content: Value,
    /// Values that it overruled.
    pub overruled: Vec<Value>,
}

/// Decisions, the newest receipt first: of one outlet, or of all records in whose case files this
/// server witnessed the newest `limit` decisions. Only records that `sees` lets through, and only
/// decisions of `account`, if one is named.
///
/// # Errors
/// When a document cannot be loaded or the database refuses.
pub fn audit(
    engine: &Engine,
    outlet: Option<DocKey>,
    account: Option<&str>,
    limit: u64,
    sees: impl Fn(&DocKey) -> bool,
) -> Result<Vec<Audited>, EngineError> {
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let mut keys: Vec<DocKey> = Vec::new();
    match outlet {
        Some(outlet) => keys.push(outlet.with_kind(DocKind::Case)),
        None => {
            let links = engine.database().read(|tx| accounts::newest(tx, account, limit, &sees))?;
            for link in links {
                if !keys.contains(&link.doc) {
                    keys.push(link.doc);
                }
            }
        }
    }
    let mut all: Vec<Audited> = Vec::new();
    for key in keys.into_iter().filter(sees) {
        all.extend(of(engine, &key)?);
    }
    all.retain(|one| account.is_none_or(|login| one.content["witness"]["account"] == login));
    all.sort_by_key(|one| std::cmp::Reverse(one.received_at));
    all.truncate(limit);
    Ok(all)
}

fn of(engine: &Engine, key: &DocKey) -> Result<Vec<Audited>, EngineError> {
    engine.database().read(|tx| {
        let Some(case) = projector::load(tx, key)? else { return Ok(Vec::new()) };
        let field = projector::load(tx, &key.with_kind(DocKind::Field))?;
        let times = receipt_times(tx, key)?;
        let roster = engine.folder.roster(tx)?;
        let entries = case.entries();
        let mut known: Vec<Entry> = field.map(|field| field.entries()).unwrap_or_default();
        known.extend(entries.iter().cloned());
        let content = |entry: &Entry| serde_json::from_str::<Value>(&entry.json).unwrap_or_default();
        let value_of = |id: &EntryId| {
            let found = known.iter().find(|entry| entry.id == *id).map(content)?;
            Some(found.get("value").cloned().unwrap_or(found))
        };
        let one = |entry: &Entry| {
            let parsed = entry.parse::<CaseEntry>().ok();
            Audited {
                outlet: key.id,
                entry: entry.id,
                at: parsed.as_ref().map_or(entry.origin.device_time, |parsed| parsed.at),
                received_at: times.get(&entry.origin.change).copied(),
                by: name_of(&roster, entry),
                witnessed: parsed.as_ref().is_some_and(|parsed| parsed.witness.is_some()),
                content: content(entry),
                overruled: parsed.iter().flat_map(|parsed| &parsed.overrules).filter_map(value_of).collect(),
            }
        };
        Ok(entries.iter().map(one).collect())
    })
}
