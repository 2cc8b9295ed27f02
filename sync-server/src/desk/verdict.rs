//! Approval and return of one record.

use outlet_core::domain::case::{CaseEntry, Decision, Review};
use outlet_core::ids::DocKey;
use outlet_core::time::Timestamp;

use super::claims;
use crate::db::DbError;
use crate::engine::{Acting, DecideError, Engine, EngineError, Proposal, Seen, Witnessed};

/// An entry with this decision and nothing else; the engine fills in time, heads and witness.
pub(super) fn plain(decision: Decision) -> CaseEntry {
    CaseEntry {
        on: None,
        at: Timestamp::from_millis(0),
        document: None,
        field_heads: Vec::new(),
        overrules: Vec::new(),
        note: None,
        witness: None,
        decision,
    }
}

/// A review entry.
pub(super) fn review(action: &str, sections: &[String], reasons: &[String]) -> CaseEntry {
    let (sections, reasons) = (sections.to_vec(), reasons.to_vec());
    plain(Decision::Review(Review { action: action.to_owned(), sections, reasons }))
}

/// Approves a record, or sections of it, as it was seen.
///
/// # Errors
/// [`DecideError`], [`DecideError::Claimed`] while somebody else has it.
pub fn approve(
    engine: &Engine,
    acting: &Acting,
    outlet: DocKey,
    seen: Seen,
    sections: &[String],
    note: Option<String>,
) -> Result<Witnessed, DecideError> {
    write(engine, acting, outlet, seen, CaseEntry { note, ..review("approve", sections, &[]) })
}

/// Returns a record, or sections of it, with reasons of the dictionary. Its inspector's device
/// shows them after the next sync.
///
/// # Errors
/// As [`approve`].
pub fn return_record(
    engine: &Engine,
    acting: &Acting,
    outlet: DocKey,
    seen: Seen,
    (sections, reasons): (&[String], &[String]),
    note: Option<String>,
) -> Result<Witnessed, DecideError> {
    write(engine, acting, outlet, seen, CaseEntry { note, ..review("return", sections, reasons) })
}

fn write(
    engine: &Engine,
    acting: &Acting,
    outlet: DocKey,
    seen: Seen,
    entry: CaseEntry,
) -> Result<Witnessed, DecideError> {
    let entry = CaseEntry { on: Some(engine.folder.now().day_in_shanghai()), ..entry };
    let proposal = Proposal { outlet, seen, entries: vec![entry] };
    let mut written = engine.decide_with(acting, vec![proposal], |tx, account, written| {
        for one in written {
            claims::free_for(tx, &one.outlet, &account.login, one.at)?;
            claims::forget(tx, &one.outlet, &account.login)?;
        }
        Ok(())
    })?;
    let lost = || EngineError::from(DbError::Damaged("a decision was written and is not there".into()));
    Ok(written.pop().ok_or_else(lost)?)
}
