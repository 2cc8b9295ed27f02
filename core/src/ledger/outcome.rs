//! One outlet under one milestone: done since when, with which grade, and the state that its
//! responsible people see (lifecycle.md 1.3 and 1.5).

use serde::{Deserialize, Serialize};

use super::denominator::{Place, place};
use super::grade::Grade;
use super::profile::{Exempted, Profile, Step};
use super::set::{Condition, Milestone, Unfinished};
use crate::time::Day;

/// A stretch of days on which an outlet is done: from a day on, until (exclusive) it is re-opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span {
    /// First day.
    pub from: Day,
    /// First day on which it is not done any more.
    pub until: Option<Day>,
}

/// How a milestone stands for one outlet on one day.
#[derive(Debug, Clone, PartialEq)]
pub struct Fulfilment<'p> {
    /// All conditions are met.
    pub done: bool,
    /// Date used: the latest of the conditions' dates.
    pub date: Option<Day>,
    /// The weakest of the conditions' grades.
    pub grade: Option<Grade>,
    /// Conditions asked of this class; `None` where the class can never be done.
    pub conditions: Option<Vec<Condition>>,
    /// Exemptions that were used.
    pub exempt: Vec<&'p Exempted>,
    /// The class on that day.
    pub class: Option<&'p str>,
}

/// State of an outlet under a milestone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "state")]
pub enum OutletState {
    /// Done by the due date.
    OnTime {
        /// Date used.
        on: Option<Day>,
    },
    /// Done after it.
    Late {
        /// Date used.
        on: Day,
        /// Days late.
        days: i64,
    },
    /// Not done, not due yet.
    Due {
        /// Days left.
        days: i64,
    },
    /// Not done after the due date.
    Overdue {
        /// Days overdue.
        days: i64,
    },
    /// Not done, under a milestone that does not ask for every outlet.
    Outstanding,
    /// Not done, with an extension (延期) or suspension.
    Extended {
        /// New due date; suspended, if absent.
        until: Option<Day>,
        /// By whom.
        by: String,
        /// 文号.
        document: Option<String>,
    },
    /// Not asked of this outlet.
    Exempt {
        /// Counted under this name.
        why: String,
    },
}

/// How the milestone stands on a day.
#[must_use]
pub fn fulfilment<'p>(profile: &'p Profile, milestone: &Milestone, day: Day) -> Fulfilment<'p> {
    match profile.step(day) {
        Some(step) => in_step(profile, milestone, step, day),
        None => Fulfilment { done: false, date: None, grade: None, conditions: None, exempt: Vec::new(), class: None },
    }
}

fn in_step<'p>(profile: &'p Profile, milestone: &Milestone, step: &'p Step, day: Day) -> Fulfilment<'p> {
    let class = step.class.as_deref();
    let conditions = milestone.conditions(class);
    let mut outcome =
        Fulfilment { done: conditions.is_some(), date: None, grade: None, conditions, exempt: Vec::new(), class };
    for condition in outcome.conditions.clone().unwrap_or_default() {
        if let Some(exempted) = profile.exemption(condition, class) {
            outcome.exempt.push(exempted);
            continue;
        }
        match profile.fixed.get(&condition).or_else(|| step.checks.get(&condition)) {
            Some(check) if check.met_by(day) => {
                outcome.date = outcome.date.max(check.date);
                outcome.grade = match (outcome.grade, check.grade) {
                    (Some(own), Some(other)) => Some(own.min(other)),
                    (own, other) => own.or(other),
                };
            }
            _ => outcome.done = false,
        }
    }
    outcome
}

/// When the outlet is done, over all days.
#[must_use]
pub fn spans(profile: &Profile, milestone: &Milestone) -> Vec<Span> {
    let far = Day::from_epoch_days(i64::MAX);
    let mut spans: Vec<Span> = Vec::new();
    for (at, step) in profile.steps.iter().enumerate() {
        let until = profile.steps.get(at + 1).and_then(|next| next.from);
        let outcome = in_step(profile, milestone, step, far);
        if !outcome.done {
            continue;
        }
        let start = outcome.date.max(step.from).unwrap_or_else(|| Day::from_epoch_days(i64::MIN));
        if until.is_some_and(|until| start >= until) {
            continue;
        }
        match spans.last_mut() {
            Some(last) if last.until == Some(start) => last.until = until,
            _ => spans.push(Span { from: start, until }),
        }
    }
    spans
}

/// The state of an outlet under a milestone on a day.
#[must_use]
pub fn outlet_state(profile: &Profile, milestone: &Milestone, as_of: Day) -> OutletState {
    match place(profile, milestone, as_of) {
        Place::Out(why) => return OutletState::Exempt { why: why.to_owned() },
        Place::OutSuspect => return OutletState::Exempt { why: "open_suspect".to_owned() },
        _ => {}
    }
    let outcome = fulfilment(profile, milestone, as_of);
    if outcome.done {
        return match outcome.date.filter(|date| *date > milestone.due) {
            Some(on) => OutletState::Late { on, days: on.days_since(milestone.due) },
            None => OutletState::OnTime { on: outcome.date },
        };
    }
    if let Some(extension) = extension(profile, milestone, as_of) {
        match extension.until {
            Some(until) if as_of > until => return OutletState::Overdue { days: as_of.days_since(until) },
            until => {
                return OutletState::Extended {
                    until,
                    by: extension.authority.clone(),
                    document: extension.document.clone(),
                };
            }
        }
    }
    let days = milestone.due.days_since(as_of);
    match milestone.unfinished {
        Unfinished::Outstanding => OutletState::Outstanding,
        Unfinished::Overdue if days >= 0 => OutletState::Due { days },
        Unfinished::Overdue => OutletState::Overdue { days: -days },
    }
}

/// The extension that holds on a day: the last one granted by then.
pub(crate) fn extension<'p>(
    profile: &'p Profile,
    milestone: &Milestone,
    as_of: Day,
) -> Option<&'p super::profile::Extension> {
    profile
        .extensions
        .iter()
        .rev()
        .find(|own| own.on <= as_of && own.milestone.as_ref().is_none_or(|named| *named == milestone.id))
}
