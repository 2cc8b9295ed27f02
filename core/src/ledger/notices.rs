//! Findings on works and papers: acceptances out of order, plans that end too late, sample sheets
//! with one name, a sign that needs repair.

use super::conditions::samples;
use super::findings::{Finding, code};
use super::problems::Problem;
use super::profile::Profile;
use super::rectify::Works;
use super::view::View;
use crate::domain::case::Decision;

/// All of them.
pub(crate) fn notices(view: &View<'_, '_>, works: &Works<'_>, profile: &Profile, problems: &[Problem]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (item, _) in samples(view).iter().filter(|(_, sample)| sample.kind != "none" && sample.persons.len() < 2) {
        findings.push(Finding::new(code::SAMPLE_ONE_PERSON).field("sample").entry(item.id));
    }
    if problems.iter().any(|problem| problem.code == "sign_damaged" && problem.open) {
        findings.push(Finding::new(code::SIGN_DAMAGED).field("sign"));
    }
    for item in view.live.items() {
        let unfounded = matches!(item.value.decision, Decision::Accept(_)) && view.live.completion_of(item).is_none();
        if unfounded {
            findings.push(Finding::new(code::DECISION_WITHOUT_COMPLETION).field("accept").entry(item.id));
        }
    }
    if let Some(round) = works.round.as_ref().filter(|round| round.accepted()) {
        let checked = round.county.is_some_and(|(_, accept)| accept.passed);
        if view.set.acceptance.needs_county_check && !checked {
            findings.push(Finding::new(code::ACCEPTED_WITHOUT_COUNTY_CHECK).entry(round.item.id));
        }
    }
    findings.extend(plan_too_late(view, works, profile));
    findings
}

/// The plan ends after the milestone that asks for its works, and no extension covers it.
fn plan_too_late(view: &View<'_, '_>, works: &Works<'_>, profile: &Profile) -> Option<Finding> {
    let (item, plan) = works.plan?;
    let due = plan.due?;
    let limit = view.set.works_due(profile.scale)?;
    let covered = profile.extensions.iter().any(|extension| extension.until.is_none_or(|until| until >= due));
    (due > limit && !covered)
        .then(|| Finding::new(code::PLAN_DUE_TOO_LATE).entry(item.id).detail(format!("{due} > {limit}")))
}
