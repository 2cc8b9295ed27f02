//! Taking back what one has just decided: for ten minutes, by the same account, as long as nobody
//! decided anything on the record since. The entry stays; a second one overrules it by name.

use outlet_core::domain::case::CaseEntry;
use outlet_core::ids::{DocKey, DocKind, EntryId};

use super::verdict::review;
use crate::accounts;
use crate::engine::{Acting, DecideError, Engine, Seen, Witnessed, projector};

/// How long.
pub const UNDO_MINUTES: i64 = 10;

/// Takes back the last decision on a record.
///
/// # Errors
/// [`DecideError::Proposal`] when there is nothing of this account to take back any more.
pub fn undo(engine: &Engine, acting: &Acting, outlet: DocKey) -> Result<Witnessed, DecideError> {
    let now = engine.folder.now();
    let case_key = outlet.with_kind(DocKind::Case);
    let (login, document) = engine.database().read::<_, DecideError>(|tx| {
        Ok((accounts::usable(tx, &acting.login)?.login, projector::load(tx, &case_key)?))
    })?;
    let seen = engine.seen(&outlet)?.ok_or(DecideError::Missing(outlet))?;
    let document = document.ok_or(DecideError::Proposal("nothing was decided on this record yet"))?;
    let (heads, entries) = (document.heads(), document.entries());
    let newest = entries.iter().filter(|entry| heads == [entry.origin.change]);
    let parsed: Vec<(EntryId, CaseEntry)> = newest.filter_map(|entry| Some((entry.id, entry.parse().ok()?))).collect();
    let own = |entry: &CaseEntry| entry.witness.as_ref().is_some_and(|witness| witness.account == login);
    if parsed.is_empty() || !parsed.iter().all(|(_, entry)| own(entry)) {
        return Err(DecideError::Proposal(
            "the last decision on this record is somebody else's: only your own can be undone",
        ));
    }
    let at = parsed.iter().map(|(_, entry)| entry.at).max();
    if at.is_none_or(|at| now.millis() - at.millis() > UNDO_MINUTES * 60_000) {
        return Err(DecideError::Proposal("it is more than ten minutes old: revoke it with a reason instead"));
    }
    let taken_back = CaseEntry {
        on: Some(now.day_in_shanghai()),
        overrules: parsed.iter().map(|(id, _)| *id).collect(),
        note: Some("undone by whoever decided".to_owned()),
        ..review("revoke", &[], &[])
    };
    // What was read a moment ago: should another decision have come in between, this one is stale.
    let seen = Seen { field: seen.field, case: heads };
    engine.decide(acting, outlet, seen, vec![taken_back])
}
