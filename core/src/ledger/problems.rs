//! The problem list (问题清单): what surveys found, and a sign that is damaged or lost, each with
//! its day and whether it is still open.

use serde::{Deserialize, Serialize};

use super::conditions::surveys;
use super::rectify::Works;
use super::view::View;
use crate::domain::case::Decision;
use crate::domain::field::FieldEntry;
use crate::time::Day;

/// One problem of one outlet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// Code of the dictionary `problem`, or `sign_damaged`.
    pub code: String,
    /// First seen.
    pub found_on: Option<Day>,
    /// Due, where the plan says so.
    pub due: Option<Day>,
    /// Not rectified.
    pub open: bool,
    /// Rectified, or seen to be gone.
    pub closed_on: Option<Day>,
    /// Some review covers it.
    pub reviewed: bool,
}

/// All problems, by code.
pub(crate) fn problems(view: &View<'_, '_>, works: &Works<'_>) -> Vec<Problem> {
    let mut all = surveys(view);
    all.sort_by_key(|(item, _)| item.evidence);
    let mut problems: Vec<Problem> = Vec::new();
    for (item, survey) in all.iter().filter(|(_, survey)| !survey.problems.is_empty()) {
        let reviewed = view.reviews.approval(item, &[]).is_some();
        for problem in problems.iter_mut().filter(|problem| problem.open && !survey.problems.contains(&problem.code)) {
            (problem.open, problem.closed_on) = (false, item.evidence);
        }
        for code in survey.problems.iter().filter(|code| *code != "none_found") {
            match problems.iter_mut().find(|problem| problem.code == *code && problem.open) {
                Some(known) => known.reviewed |= reviewed,
                None => problems.push(Problem {
                    code: code.clone(),
                    found_on: item.evidence,
                    due: works.plan.and_then(|(_, plan)| plan.due),
                    open: true,
                    closed_on: None,
                    reviewed,
                }),
            }
        }
    }
    close_by_acceptance(&mut problems, works);
    problems.extend(sign_problem(view));
    problems.sort_by(|left, right| (&left.code, left.found_on).cmp(&(&right.code, right.found_on)));
    problems
}

/// An accepted rectification closes what was found up to its completion.
fn close_by_acceptance(problems: &mut [Problem], works: &Works<'_>) {
    let round = works.round.as_ref().filter(|round| round.accepted() && round.reopened.is_none());
    let Some(completed) = round.and_then(|round| round.item.evidence) else { return };
    for problem in problems.iter_mut().filter(|problem| problem.open && problem.found_on <= Some(completed)) {
        (problem.open, problem.closed_on) = (false, Some(completed));
    }
}

/// A sign damaged or lost, until it is repaired or put up again.
fn sign_problem(view: &View<'_, '_>) -> Option<Problem> {
    let mut states: Vec<(Option<Day>, &str, bool)> = Vec::new();
    for item in &view.known.field {
        if let FieldEntry::Sign(sign) = &item.value {
            states.push((sign.on, &sign.state, view.reviews.approval(item, &[]).is_some()));
        }
    }
    for item in view.live.items() {
        if let Decision::Sign(sign) = &item.value.decision {
            states.push((sign.observed_on.or(item.evidence), &sign.state, true));
        }
    }
    states.sort();
    let (found_on, _, reviewed) =
        *states.iter().rev().take_while(|(_, state, _)| matches!(*state, "damaged" | "missing" | "outdated")).last()?;
    Some(Problem { code: "sign_damaged".into(), found_on, due: None, open: true, closed_on: None, reviewed })
}
