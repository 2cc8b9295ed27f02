//! The ledger (台账) as a pure projection: field record and case file in, row, findings and
//! milestone figures out. No clock, no files; what a figure means is `MilestoneSet` data.
//!
//! The flow: [`OutletInput`] is read into typed items with two dates each (when it came about,
//! when it was known); a reading keeps some of them; decisions that stand, approvals and values
//! follow; from these come the [`LedgerRow`] that people read and the [`Profile`] that milestones
//! count.

mod assess;
mod board;
mod chain;
mod checks;
mod conditions;
mod decisions;
mod denominator;
mod difference;
mod explain;
mod findings;
mod grade;
mod history;
mod lines;
mod notices;
mod objection;
mod outcome;
mod permission;
mod problems;
mod profile;
mod progress;
mod record;
mod rectify;
mod reference;
mod review;
mod row;
mod scale;
mod set;
mod sign;
mod summary;
mod tally;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
#[cfg(test)]
mod tests;
mod upkeep;
mod values;
mod view;

pub use crate::domain::scale::Scale as ScaleClass;
pub use assess::{Assessment, UnitAssessment, assess};
pub use board::{Board, Both};
pub use chain::{Chain, witness_chains};
pub use denominator::{Place, absorb, place};
pub use difference::{Difference, difference};
pub use explain::{ConditionRow, Explanation, explain, explain_profile};
pub use findings::{Finding, Severity, code};
pub use grade::{Beside, Check, Grade, Reading};
pub use history::History;
pub use lines::{Missing, OutletLine, lines};
pub use objection::{Decider, Matter, Objection, bases_in_force, objection, person_of};
pub use outcome::{Fulfilment, OutletState, Span, fulfilment, outlet_state, spans};
pub use problems::Problem;
pub use profile::{Exempted, Extension, Groups, Profile, Standing, Step};
pub use progress::{
    DocumentPart, GroupBy, GroupByError, GroupState, Part, PartOf, ProgressRow, TableInput, UNKNOWN_GROUP, progress,
    share,
};
pub use reference::{Reference, ReferenceError};
pub use review::{ReviewState, ReviewStateError};
pub use row::{LedgerRow, LifeCycle, PartyColumn};
pub use scale::{Scale, ScaleFigure};
pub use set::{BAZHONG, Condition, Milestone, MilestoneSet, NATIONAL, SetError};
pub use summary::{
    Parties, PartyRow, ProblemRow, Summary, SummaryBy, SummaryByError, SummaryRow, counts, parties_of, party_list,
    problem_list, problems_of, summary,
};

use crate::doc::Entry;
use crate::domain::witness::Witness;
use crate::identity::{Level, Role};
use crate::ids::{DocKey, PersonId, PublicKey};
use crate::time::Day;

/// Who wrote an entry, as the roster says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Author {
    /// The person, across devices.
    pub person: PersonId,
    /// Name.
    pub name: String,
    /// Role.
    pub role: Role,
    /// Level of a supervisor.
    pub level: Option<Level>,
    /// The person decided at the server, which signed as witness.
    pub witnessed: bool,
}

impl Author {
    /// The person whose decision a server witnessed.
    #[must_use]
    pub fn of_witness(witness: &Witness) -> Self {
        Self {
            person: witness.person,
            name: witness.name.clone(),
            role: witness.role,
            level: witness.level,
            witnessed: true,
        }
    }

    /// Role and level in a word, and whether the person signed.
    #[must_use]
    pub fn title(&self) -> &'static str {
        match (self.role, self.level, self.witnessed) {
            (Role::Admin, _, false) => "admin",
            (Role::Admin, _, true) => "admin, witnessed by server",
            (Role::Supervisor, Some(Level::City), false) => "city supervisor",
            (Role::Supervisor, Some(Level::City), true) => "city supervisor, witnessed by server",
            (Role::Supervisor, _, false) => "county supervisor",
            (Role::Supervisor, _, true) => "county supervisor, witnessed by server",
            (Role::Inspector, ..) => "inspector",
            (Role::Viewer, ..) => "viewer",
        }
    }
}

/// Both documents of one outlet, as held.
#[derive(Clone, Copy)]
pub struct OutletInput<'a> {
    /// Key of the field record.
    pub key: DocKey,
    /// Entries of the field record. `Origin::received_at` is filled in by whoever keeps receipts;
    /// without it nothing is "known then".
    pub field: &'a [Entry],
    /// Entries of the case file.
    pub case: &'a [Entry],
    /// History of the field record: approvals are pinned to its heads.
    pub field_history: &'a History,
    /// History of the case file: tells concurrent decisions.
    pub case_history: &'a History,
    /// Who is behind a key.
    pub authors: &'a dyn Fn(&PublicKey) -> Option<Author>,
}

/// Everything that one outlet contributes to the ledger.
#[derive(Debug, Clone, PartialEq)]
pub struct Projection {
    /// The row.
    pub row: LedgerRow,
    /// What the milestones count, in the reading asked for.
    pub profile: Profile,
    /// Findings, sorted.
    pub findings: Vec<Finding>,
}

/// The ledger row of one outlet and the findings on it. `as_of` limits evidence dates (what was
/// true on that day), `known_as_of` what was known; `None` is no limit.
#[must_use]
pub fn project(
    input: &OutletInput<'_>,
    reference: &Reference,
    as_of: Option<Day>,
    known_as_of: Option<Day>,
) -> (LedgerRow, Vec<Finding>) {
    let projection = project_all(input, reference, as_of, known_as_of);
    (projection.row, projection.findings)
}

/// [`project`], with the profile beside the row. The profile does not depend on `as_of`: keep it,
/// and [`progress()`] answers for any day.
#[must_use]
pub fn project_all(
    input: &OutletInput<'_>,
    reference: &Reference,
    as_of: Option<Day>,
    known_as_of: Option<Day>,
) -> Projection {
    let set = reference.active_set();
    let rules = (set, &reference.dictionaries);
    let record = record::Record::read(input, set.utc_offset_minutes);
    let mut findings = record.findings.clone();
    let known = view::Known::new(&record, None, known_as_of);
    let decisions = decisions::Decisions::read(&record, &known.case, set, &mut findings);
    let view = view::View::new(&known, rules, &decisions, None, &mut findings);
    let profile = profile::build(&view, &mut findings);
    let mut row = match as_of {
        None => row_of(&view, &profile, reference, &mut findings),
        Some(_) => {
            // What the row's own day adds to the findings is not about today: only its row is used.
            let dated = view::Known::new(&record, as_of, known_as_of);
            let then = view::View::new(&dated, rules, &decisions, as_of, &mut Vec::new());
            row_of(&then, &profile, reference, &mut findings)
        }
    };
    findings.sort();
    findings.dedup();
    row.finding_count = findings.len();
    Projection { row, profile, findings }
}

fn row_of(
    view: &view::View<'_, '_>,
    profile: &Profile,
    reference: &Reference,
    findings: &mut Vec<Finding>,
) -> LedgerRow {
    let row = row::build(view, profile, findings);
    checks::check(&row, &view.values, reference, findings);
    row
}

/// The profile alone, of one reading: what a milestone table of a past day needs.
#[must_use]
pub fn profile_of(
    input: &OutletInput<'_>,
    reference: &Reference,
    set: &MilestoneSet,
    known_as_of: Option<Day>,
) -> Profile {
    let record = record::Record::read(input, set.utc_offset_minutes);
    let known = view::Known::new(&record, None, known_as_of);
    let mut findings = Vec::new();
    let decisions = decisions::Decisions::read(&record, &known.case, set, &mut findings);
    let view = view::View::new(&known, (set, &reference.dictionaries), &decisions, None, &mut findings);
    profile::build(&view, &mut findings)
}

/// Days on which something of the outlet became known, sorted. As known on any day, an outlet's
/// profile is the one of the last of these days up to it: what keeps profiles by these days can
/// answer for every day. `true` when every entry has such a day, so that the profile of the last day
/// is the one of today.
#[must_use]
pub fn known_days(input: &OutletInput<'_>, set: &MilestoneSet) -> (Vec<Day>, bool) {
    let record = record::Record::read(input, set.utc_offset_minutes);
    let known: Vec<Option<Day>> =
        record.field.iter().map(|item| item.known).chain(record.case.iter().map(|item| item.known)).collect();
    let mut days: Vec<Day> = known.iter().copied().flatten().collect();
    days.sort();
    days.dedup();
    (days, known.iter().all(Option::is_some))
}
