//! "Nobody decides on a record they authored" (lifecycle.md section 2, rule c), at the moment of
//! admission; and the level that a decision asks for.

use std::collections::BTreeMap;

use outlet_core::admission::CheckedRun;
use outlet_core::domain::case::{CaseEntry, Decision};
use outlet_core::domain::field::FieldEntry;
use outlet_core::identity::{Level, Membership, Role, Roster};
use outlet_core::ids::{DocKind, PersonId, PublicKey};
use outlet_core::time::Timestamp;

use super::policy::Names;
use super::work::{Batch, DocWork, Fate};

/// The runs of the batch that decide on a record which their own person wrote.
pub(super) fn own_decisions(batch: &Batch<'_>) -> Names {
    let cases = batch.docs.iter().filter(|doc| doc.key.kind == DocKind::Case && !doc.runs.is_empty());
    let mut names = Names::new();
    for case in cases {
        let Some(field) = batch.doc(&case.key.with_kind(DocKind::Field)) else { continue };
        let authors = authors(field, batch.now, batch.roster);
        for (run, incoming) in case.runs.iter().zip(&case.fates) {
            let signer = person(batch.roster, &run.signer());
            // What a server witnessed is the decision of whom it names.
            let by_author = |entry: CaseEntry| {
                let decider = entry.witness.as_ref().map(|witness| witness.person).or(signer);
                let since = decider.and_then(|person| authors.get(&person));
                is_decision(&entry.decision) && since.is_some_and(|since| *since <= incoming.received_at)
            };
            if incoming.fate == Fate::New && decisions(run).any(by_author) {
                names.insert(run.last());
            }
        }
    }
    names
}

/// Persons who wrote what the record says, and when the server got their first word: in the document,
/// and in the runs that come with it.
fn authors(field: &DocWork, now: Timestamp, roster: &Roster) -> BTreeMap<PersonId, Timestamp> {
    let stored = field.document.iter().flat_map(outlet_core::doc::Chronicle::entries);
    let stored = stored.filter(|entry| entry.parse().is_ok_and(|entry| is_content(&entry))).map(|entry| {
        let at = field.times.get(&entry.origin.change).copied();
        (entry.origin.actor.key(), at.unwrap_or(now))
    });
    let arriving = field.runs.iter().zip(&field.fates).filter(|(run, _)| {
        run.heads()
            .iter()
            .flat_map(|head| &head.ops)
            .any(|op| serde_json::from_str(&op.value).is_ok_and(|entry| is_content(&entry)))
    });
    let arriving = arriving.map(|(run, incoming)| (run.signer(), incoming.received_at));
    let mut since: BTreeMap<PersonId, Timestamp> = BTreeMap::new();
    for (key, at) in stored.chain(arriving) {
        if let Some(person) = person(roster, &key) {
            let first = since.entry(person).or_insert(at);
            *first = (*first).min(at);
        }
    }
    since
}

/// What the record says, as opposed to added photos, notes and re-checks.
fn is_content(entry: &FieldEntry) -> bool {
    use FieldEntry::{Fact, Sample, Submit, Survey, Trace};
    matches!(entry, Fact(_) | Survey(_) | Sample(_) | Trace(_) | Submit(_))
}

/// Decisions proper. Reports (completion, sign state, lead) and the naming of an import's document
/// are not.
fn is_decision(decision: &Decision) -> bool {
    use Decision::{ApproveKnown, Complete, Enforcement, KnownFrom, Sign};
    !matches!(decision, Complete(_) | Sign(_) | Enforcement(_) | KnownFrom(_) | ApproveKnown(_))
}

fn person(roster: &Roster, key: &PublicKey) -> Option<PersonId> {
    roster.membership(key).map(|membership| membership.person)
}

fn decisions(run: &CheckedRun) -> impl Iterator<Item = CaseEntry> {
    run.heads().iter().flat_map(|head| &head.ops).filter_map(|op| serde_json::from_str(&op.value).ok())
}

/// Does the membership of today have the level that each decision of the run asks for?
pub(super) fn level_suffices(membership: &Membership, run: &CheckedRun) -> bool {
    if run.doc().kind != DocKind::Case || membership.role == Role::Admin {
        return true;
    }
    let level = membership.level.unwrap_or(Level::County);
    decisions(run).all(|entry| {
        let (role, needed) = entry.decision.requires();
        membership.role >= role && level >= needed
    })
}
