//! `explain`: for one outlet and milestone each condition, met or not, with the date used, its
//! grade, who decided, and what would make it done.

use serde::{Deserialize, Serialize};

use super::denominator::{Place, place};
use super::grade::{Beside, Grade, Reading};
use super::outcome::{OutletState, fulfilment, outlet_state, spans};
use super::profile::{Extension, Profile};
use super::set::{Condition, MilestoneSet};
use super::{OutletInput, Reference, profile_of};
use crate::ids::{EntryId, OutletId};
use crate::time::Day;

/// Why a figure is what it is, for one outlet.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Explanation {
    /// The outlet.
    pub id: OutletId,
    /// The milestone.
    pub milestone: String,
    /// Due date.
    pub due: Day,
    /// As of.
    pub as_of: Day,
    /// Reading.
    pub reading: Reading,
    /// In the denominator: `in | open_suspect | scale_undetermined | <reason it is out>`.
    pub counted: String,
    /// In the denominator.
    pub in_denominator: bool,
    /// Class decided by then.
    pub classification: Option<String>,
    /// Done.
    pub done: bool,
    /// Date used: the latest of the conditions.
    pub date: Option<Day>,
    /// The weakest grade.
    pub grade: Option<Grade>,
    /// State under the milestone.
    pub state: OutletState,
    /// Conditions, in the order of the set.
    pub conditions: Vec<ConditionRow>,
    /// Why no list of conditions applies: the class is open.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub blocked: Option<String>,
    /// Re-opened on, if it is open again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reopened: Option<Day>,
    /// Extensions granted by then.
    pub extensions: Vec<Extension>,
    /// Stretches of days on which it is done: from, until.
    pub done_spans: Vec<(Day, Option<Day>)>,
    /// Legal source of the milestone.
    pub source: String,
}

/// One condition.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ConditionRow {
    /// Which.
    pub condition: Condition,
    /// Met by the day.
    pub met: bool,
    /// Exempt, by which rule.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exempt: Option<String>,
    /// Date used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub date: Option<Day>,
    /// Grade of the evidence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grade: Option<Grade>,
    /// Who decided or approved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decided_by: Option<String>,
    /// A date beside: acceptance, sampling, re-check.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub beside: Option<Beside>,
    /// Without a sample.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub substitute: bool,
    /// What would make it met: codes (see `export::label`).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub missing: Vec<String>,
    /// Entries it rests on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub entries: Vec<EntryId>,
}

/// Explains one outlet in both readings; `None` if the set has no such milestone. Facts of
/// duplicates are not in: for these pass the absorbed profile to [`explain_profile`].
#[must_use]
pub fn explain(
    input: &OutletInput<'_>,
    reference: &Reference,
    milestone: &str,
    as_of: Day,
) -> Option<[Explanation; 2]> {
    let set = reference.sets().iter().find(|set| set.enabled && set.milestone(milestone).is_some())?;
    let now = explain_profile(&profile_of(input, reference, set, None), set, milestone, as_of, Reading::AsKnownNow)?;
    let then =
        explain_profile(&profile_of(input, reference, set, Some(as_of)), set, milestone, as_of, Reading::AsReported)?;
    Some([now, then])
}

/// Explains a profile.
#[must_use]
pub fn explain_profile(
    profile: &Profile,
    set: &MilestoneSet,
    milestone: &str,
    as_of: Day,
    reading: Reading,
) -> Option<Explanation> {
    let milestone = set.milestone(milestone)?;
    let outcome = fulfilment(profile, milestone, as_of);
    let placed = place(profile, milestone, as_of);
    let class = outcome.class;
    let wanted = outcome.conditions.clone().unwrap_or_else(|| {
        // A class without a list can never be done: show what holds for every class, and the class.
        let every = milestone.requires.get("every").into_iter().flatten().copied();
        std::iter::once(Condition::Class).chain(every).collect()
    });
    let in_denominator = matches!(placed, Place::In | Place::InSuspect);
    Some(Explanation {
        id: profile.id(),
        milestone: milestone.id.clone(),
        due: milestone.due,
        as_of,
        reading,
        counted: counted(placed).to_owned(),
        in_denominator,
        classification: class.map(str::to_owned),
        done: outcome.done && placed == Place::In,
        date: outcome.date.filter(|_| outcome.done),
        grade: outcome.grade.filter(|_| outcome.done),
        state: outlet_state(profile, milestone, as_of),
        conditions: wanted.into_iter().map(|condition| condition_row(profile, condition, class, as_of)).collect(),
        blocked: outcome.conditions.is_none().then(|| class.map_or("class", |_| "class_without_conditions").to_owned()),
        reopened: profile.step(as_of).and_then(|step| step.reopened),
        extensions: profile.extensions.iter().filter(|own| own.on <= as_of).cloned().collect(),
        done_spans: spans(profile, milestone).into_iter().map(|span| (span.from, span.until)).collect(),
        source: milestone.source.clone(),
    })
}

fn counted(placed: Place) -> &'static str {
    match placed {
        Place::In => "in",
        Place::InSuspect | Place::OutSuspect => "open_suspect",
        Place::ScaleUndetermined => "scale_undetermined",
        Place::Out(why) => why,
    }
}

fn condition_row(profile: &Profile, condition: Condition, class: Option<&str>, as_of: Day) -> ConditionRow {
    let exempt = profile.exemption(condition, class).map(|own| own.code.clone());
    let check = profile.check(condition, as_of).cloned().unwrap_or_default();
    let met = check.met_by(as_of);
    let missing = match (met, check.date.filter(|date| *date > as_of)) {
        (true, _) => Vec::new(),
        // Nobody has to do what is not asked of this outlet.
        _ if exempt.is_some() => Vec::new(),
        (false, Some(date)) => vec![format!("later:{date}")],
        (false, None) => check.missing,
    };
    ConditionRow {
        condition,
        met,
        exempt,
        date: check.date,
        grade: check.grade,
        decided_by: check.decided_by,
        beside: check.beside,
        substitute: check.substitute,
        missing,
        entries: check.entries,
    }
}
