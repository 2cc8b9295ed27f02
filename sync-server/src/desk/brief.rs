//! One record as a reviewer sees it: facts with what they were before, entries, findings, possible
//! duplicates, and, after a review, only what changed since.

use outlet_core::doc::{CurrentFact, Document, Entry, Resolution, facts, latest, open_conflicts, resolve};
use outlet_core::domain::case::{CaseEntry, Decision};
use outlet_core::domain::field::FieldEntry;
use outlet_core::ids::{ChangeHash, DocKey, DocKind, EntryId};
use outlet_core::ledger::{Finding, LedgerRow};
use outlet_core::time::Timestamp;
use serde::Serialize;
use serde_json::Value;

use super::duplicates::{Pair, pairs_of};
use super::{Claim, catch_up, claims, findings};
use crate::engine::{DecideError, Engine, Seen, name_of, projector, receipt_times};
use crate::report::parse;

/// A fact that changed.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FactLine {
    /// Which fact.
    pub field: String,
    /// Its value when the record was last reviewed; absent: it had none.
    pub before: Option<Value>,
    /// Its value now: the one decided on, where there was a decision, and what was asserted beside it or
    /// after; several while in conflict.
    pub now: Vec<Value>,
}

/// An entry that came since the last review.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Changed {
    /// The entry.
    pub entry: EntryId,
    /// Who wrote it.
    pub by: String,
    /// The device's clock.
    pub device_time: Timestamp,
    /// Receipt, where known.
    pub received_at: Option<Timestamp>,
    /// As stored.
    pub content: Value,
}

/// What a reviewer needs to decide.
#[derive(Debug, Clone, Serialize)]
pub struct Brief {
    /// Key of the field record.
    pub outlet: DocKey,
    /// Heads of what is shown: give them back with the decision.
    pub seen: Seen,
    /// The row of the ledger.
    pub row: LedgerRow,
    /// Findings.
    pub findings: Vec<Finding>,
    /// Reasons of the last return, if that was the last review.
    pub returned_for: Vec<String>,
    /// The heads that the last review had seen; absent: never reviewed.
    pub reviewed_heads: Option<Vec<ChangeHash>>,
    /// Facts that changed since the last review; all of them if there was none.
    pub facts: Vec<FactLine>,
    /// Entries since the last review; all of them if there was none.
    pub entries: Vec<Changed>,
    /// Gated facts in conflict.
    pub conflicts: Vec<String>,
    /// Possible duplicates.
    pub duplicates: Vec<Pair>,
    /// Who has it open.
    pub claim: Option<Claim>,
}

/// Everything on one record.
///
/// # Errors
/// [`DecideError::Missing`], or the database's.
pub fn brief(engine: &Engine, outlet: DocKey) -> Result<Brief, DecideError> {
    catch_up(engine)?;
    let duplicates = pairs_of(engine, &outlet)?;
    engine.database().read(|tx| {
        let (row, found) = crate::db::ledger::get(tx, &outlet)?.ok_or(DecideError::Missing(outlet))?;
        let field = projector::load(tx, &outlet)?.ok_or(DecideError::Missing(outlet))?;
        let case = projector::load(tx, &outlet.with_kind(DocKind::Case))?;
        let times = receipt_times(tx, &outlet)?;
        let roster = engine.folder.roster(tx)?;
        let case_entries = case.as_ref().map(Document::entries).unwrap_or_default();
        let reviewed = last_review(&case_entries);
        let before = reviewed.as_ref().map(|review| field.entries_at(&review.heads)).unwrap_or_default();
        let decided_before = reviewed.as_ref().map_or(&[][..], |review| &case_entries[..review.at]);
        let now = field.entries();
        let fresh = now.iter().filter(|entry| !before.iter().any(|old| old.id == entry.id));
        let changed = |entry: &Entry| Changed {
            entry: entry.id,
            by: name_of(&roster, entry),
            device_time: entry.origin.device_time,
            received_at: times.get(&entry.origin.change).copied(),
            content: serde_json::from_str(&entry.json).unwrap_or_default(),
        };
        Ok(Brief {
            outlet,
            seen: Seen { field: field.heads(), case: case.as_ref().map(Document::heads).unwrap_or_default() },
            row: parse(&row)?,
            findings: findings(&found)?,
            returned_for: reviewed.as_ref().map(|review| review.reasons.clone()).unwrap_or_default(),
            facts: fact_lines((&before, decided_before), (&now, &case_entries)),
            entries: fresh.filter(|entry| !is_fact(entry)).map(changed).collect(),
            reviewed_heads: reviewed.map(|review| review.heads),
            conflicts: open_conflicts(&now, &case_entries).into_iter().map(|conflict| conflict.field).collect(),
            duplicates,
            claim: claims::of(tx, &outlet, engine.folder.now())?,
        })
    })
}

fn is_fact(entry: &Entry) -> bool {
    matches!(entry.parse(), Ok(FieldEntry::Fact(_)))
}

/// The last approval or return that stands.
struct LastReview {
    /// Its place in the case file.
    at: usize,
    heads: Vec<ChangeHash>,
    reasons: Vec<String>,
}

fn last_review(case: &[Entry]) -> Option<LastReview> {
    let parsed: Vec<(usize, EntryId, CaseEntry)> =
        case.iter().enumerate().filter_map(|(at, entry)| Some((at, entry.id, entry.parse().ok()?))).collect();
    let revoked: Vec<EntryId> = parsed.iter().flat_map(|(.., entry)| entry.overrules.iter().copied()).collect();
    parsed.iter().rev().filter(|(_, id, _)| !revoked.contains(id)).find_map(|(at, _, entry)| match &entry.decision {
        Decision::Review(review) if matches!(review.action.as_str(), "approve" | "return") => {
            Some(LastReview { at: *at, heads: entry.field_heads.clone(), reasons: review.reasons.clone() })
        }
        _ => None,
    })
}

/// Both sides: entries of the record, and of its case file.
fn fact_lines(before: (&[Entry], &[Entry]), now: (&[Entry], &[Entry])) -> Vec<FactLine> {
    let (decided_before, decided) = (resolve(before.0, before.1), resolve(now.0, now.1));
    let (before, now) = (facts(before.0), facts(now.0));
    let line = |(field, current): (&String, &Vec<CurrentFact>)| {
        let decided_then = decided_before.get(field).and_then(|resolution| resolution.decided.as_ref());
        let said_then = || before.get(field).and_then(|current| latest(current)).map(|fact| fact.value.clone());
        let was = decided_then.map(|decided| decided.value.clone()).or_else(said_then);
        let mut values = decided.get(field).map_or_else(|| values_of(current), standing);
        values.dedup();
        let same = values.len() == 1 && was.as_ref() == values.first();
        (!same).then(|| FactLine { field: field.clone(), before: was, now: values })
    };
    now.iter().filter_map(line).collect()
}

fn values_of(current: &[CurrentFact]) -> Vec<Value> {
    current.iter().map(|fact| fact.value.clone()).collect()
}

/// What a decision overruled is not the value any more; what contradicts it since is shown beside it.
fn standing(resolution: &Resolution) -> Vec<Value> {
    let Some(decided) = &resolution.decided else { return values_of(&resolution.open) };
    let since = resolution.reopened_by().into_iter().map(|fact| fact.value.clone());
    std::iter::once(decided.value.clone()).chain(since).collect()
}
