//! lifecycle.md as tests: one test per cell of 1.2, 1.3, 1.4 and 1.5, named after the cell, and
//! the permissions of section 2.

mod assess;
mod dates;
mod denominator;
mod documents;
mod done;
mod groups;
mod permissions;
mod readings;
mod rows;
mod witnessed;

use serde_json::json;

use super::testing::{Outlet, day};
use super::{
    BAZHONG, GroupBy, MilestoneSet, OutletState, PartOf, ProgressRow, Reading, TableInput, absorb, fulfilment,
    outlet_state, progress,
};
use crate::domain::reference::Seal;

pub(super) fn set() -> MilestoneSet {
    MilestoneSet::parse(BAZHONG).unwrap()
}

/// An outlet above the scale by its permit.
pub(super) fn above() -> Outlet {
    Outlet::new().fact_with("volume_m3_per_day", json!(500), &[("basis", "permit")])
}

/// An outlet investigated in time, above the scale.
pub(super) fn investigated() -> Outlet {
    above().investigated("2021-06-01")
}

pub(super) fn table_by(outlets: &[Outlet], seals: &[Seal], as_of: &str, by: GroupBy) -> Vec<ProgressRow> {
    let set = set();
    let (known_now, _) = absorb(outlets.iter().map(|outlet| outlet.profile(&set)).collect());
    let (as_reported, _) = absorb(outlets.iter().map(|outlet| outlet.profile_known(&set, as_of)).collect());
    let input = TableInput { set: &set, known_now: &known_now, as_reported: &as_reported, seals, as_of: day(as_of) };
    progress(input, by)
}

/// The row of the whole area.
pub(super) fn total(outlets: &[Outlet], milestone: &str, as_of: &str, reading: Reading) -> ProgressRow {
    table_by(outlets, &[], as_of, GroupBy::Unit)
        .into_iter()
        .find(|row| row.milestone == milestone && row.reading == reading && row.group == "5119")
        .unwrap()
}

/// As known now, long after all due dates.
pub(super) fn now(outlets: &[Outlet], milestone: &str) -> ProgressRow {
    total(outlets, milestone, "2024-06-01", Reading::AsKnownNow)
}

/// Done and of, for a part of a row.
pub(super) fn part(row: &ProgressRow, name: &str) -> (usize, usize) {
    match &row.parts[name] {
        PartOf::Share(part) => (part.done, part.of),
        PartOf::Documents(_) => panic!("{name} is no share"),
    }
}

pub(super) fn done(outlet: &Outlet, milestone: &str, as_of: &str) -> bool {
    let set = set();
    fulfilment(&outlet.profile(&set), set.milestone(milestone).unwrap(), day(as_of)).done
}

/// Done on the last day of the tests.
pub(super) fn done_now(outlet: &Outlet, milestone: &str) -> bool {
    done(outlet, milestone, "2024-06-01")
}

pub(super) fn state(outlet: &Outlet, milestone: &str, as_of: &str) -> OutletState {
    let set = set();
    outlet_state(&outlet.profile(&set), set.milestone(milestone).unwrap(), day(as_of))
}

/// Codes of the findings of a projection of today.
pub(super) fn findings(outlet: &Outlet) -> Vec<String> {
    outlet.project().findings.into_iter().map(|finding| finding.code).collect()
}

pub(super) fn seal(what: &str, unit: &str, on: &str) -> Seal {
    serde_json::from_value(json!({"what": what, "unit": unit, "on": on, "at": 0})).unwrap()
}
