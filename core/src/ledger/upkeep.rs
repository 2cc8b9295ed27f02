//! What comes after the ledger has an outlet: where its record came from, inspections and
//! supervisory sampling, and what a bad one proposes (lifecycle.md T17).

use super::view::View;
use crate::consent::ConsentColumn;
use crate::domain::case::Decision;
use crate::domain::field::{FieldEntry, Imported, Inspection, fact};
use crate::ids::EntryId;
use crate::time::Day;

/// The list that the record was imported from. What was added to a record later, such as a report
/// of the public, is not where it came from.
pub(crate) fn source<'r>(view: &View<'_, 'r>) -> Option<&'r Imported> {
    let first = view.known.field.first()?.origin.change;
    view.known.field.iter().take_while(|item| item.origin.change == first).find_map(|item| match &item.value {
        FieldEntry::Imported(imported) => Some(imported),
        _ => None,
    })
}

/// The newest consent or registration: by its date, then as it was written.
pub(crate) fn consent(view: &View<'_, '_>) -> Option<ConsentColumn> {
    let consents = view.known.field.iter().filter_map(|item| match &item.value {
        FieldEntry::Consent(consent) => Some(consent),
        _ => None,
    });
    let newest = consents.max_by_key(|consent| consent.on)?;
    Some(ConsentColumn {
        regime: newest.regime.clone(),
        kind: newest.kind.clone(),
        authority: newest.authority.clone(),
        number: newest.number.clone(),
        on: newest.on,
        volume_m3_per_day: newest.volume_m3_per_day,
        first_used_on: newest.first_used_on,
        has_file: newest.file.is_some(),
    })
}

/// Reason of the state in force: of the decision that set it, else of the assertion.
pub(crate) fn state_reason(view: &View<'_, '_>) -> Option<String> {
    let state = view.values.text(fact::STATE)?;
    let decided = view.live.items().rev().find_map(|item| match &item.value.decision {
        Decision::Settle(settle) if settle.field == fact::STATE && settle.value.as_str() == Some(state) => {
            settle.reason.clone()
        }
        _ => None,
    });
    decided.or_else(|| {
        view.known.field.iter().rev().find_map(|item| match &item.value {
            FieldEntry::Fact(said) if said.field == fact::STATE && said.value.as_str() == Some(state) => {
                said.reason.clone()
            }
            _ => None,
        })
    })
}

/// Inspections of an outlet.
#[derive(Debug, Default)]
pub(crate) struct Upkeep {
    /// Last routine inspection.
    pub routine: Option<Day>,
    /// Last supervisory sampling.
    pub supervisory: Option<Day>,
    /// First bad one that nothing answers.
    pub proposed: Option<(EntryId, Day)>,
}

/// Reads the inspections. A bad one is answered by a re-opening of that day or later, by one that
/// was closed as unfounded, or by an acceptance after it.
pub(crate) fn read(view: &View<'_, '_>) -> Upkeep {
    let mut inspections: Vec<(Day, EntryId, &Inspection)> = Vec::new();
    for item in &view.known.field {
        if let (FieldEntry::Inspection(inspection), Some(on)) = (&item.value, item.evidence) {
            inspections.push((on, item.id, inspection));
        }
    }
    inspections.sort_by_key(|(on, id, _)| (*on, *id));
    let last =
        |kind: &str| inspections.iter().rev().find(|(_, _, inspection)| inspection.kind == kind).map(|(on, ..)| *on);
    let answers = view.live.items().filter_map(|item| match &item.value.decision {
        Decision::Reopen(reopen) => Some(reopen.observed_on),
        Decision::Accept(accept) if accept.passed => item.evidence,
        _ => None,
    });
    let answered_to = answers.max();
    let open = |on: Day| answered_to.is_none_or(|day| day < on);
    let proposed = inspections
        .iter()
        .find(|(on, _, inspection)| inspection.result == "bad" && open(*on))
        .map(|(on, id, _)| (*id, *on));
    Upkeep { routine: last("routine"), supervisory: last("supervisory"), proposed }
}
