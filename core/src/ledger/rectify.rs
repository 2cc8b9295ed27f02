//! Class and rectification as of a day: the decision that stands, the rounds of completion, check,
//! acceptance and re-opening, and the conditions of lifecycle.md 1.3 that follow.

use std::collections::BTreeMap;

use super::decisions::{Current, Live, who};
use super::grade::{Beside, Check, Grade};
use super::record::CaseItem;
use super::set::Condition;
use super::view::View;
use crate::domain::case::{Accept, Classify, Complete, Decision, Plan};
use crate::domain::field::FieldEntry;
use crate::ids::BlobHash;
use crate::time::Day;

/// One completion and what became of it.
#[derive(Debug, Clone)]
pub(crate) struct Round<'r> {
    pub item: &'r CaseItem,
    pub complete: &'r Complete,
    pub county: Option<(&'r CaseItem, &'r Accept)>,
    pub city: Option<(&'r CaseItem, &'r Accept)>,
    pub rejected: bool,
    pub gated: bool,
    pub reopened: Option<Day>,
}

/// Everything about class and works that can change with the day.
#[derive(Debug)]
pub(crate) struct Works<'r> {
    pub class: Current<'r>,
    pub plan: Option<(&'r CaseItem, &'r Plan)>,
    pub drafted: bool,
    pub round: Option<Round<'r>>,
    /// A founded re-opening that nothing has answered yet.
    pub reopened: Option<Day>,
}

/// The class that stands.
pub(crate) fn classify_of(item: &CaseItem) -> Option<&Classify> {
    match &item.value.decision {
        Decision::Classify(classify) => Some(classify),
        _ => None,
    }
}

impl<'r> Works<'r> {
    /// Reads the decisions that stand on a day.
    pub(crate) fn read(live: &Live<'_, 'r>) -> Self {
        let class = live.current(
            |entry| matches!(&entry.decision, Decision::Classify(classify) if classify.step == "decide"),
            |left, right| match (&left.decision, &right.decision) {
                (Decision::Classify(left), Decision::Classify(right)) => left.classification == right.classification,
                _ => false,
            },
        );
        let mut works = Self { class, plan: None, drafted: false, round: None, reopened: None };
        let mut reopenings: Vec<(&CaseItem, Day)> = Vec::new();
        for item in live.items() {
            match &item.value.decision {
                Decision::Plan(plan) if plan.step == "approve" => works.plan = Some((item, plan)),
                Decision::Plan(_) => works.drafted = true,
                Decision::Complete(complete) => works.complete(live, item, complete),
                Decision::Accept(accept) => works.accept(live, item, accept, &reopenings),
                Decision::Reopen(reopen) if !reopen.unfounded => {
                    reopenings.push((item, reopen.observed_on));
                    works.reopen(reopen.observed_on);
                }
                Decision::Classify(classify) if classify.step == "decide" => {
                    let answered = reopenings.iter().all(|(reopening, _)| live.saw(item, reopening));
                    if answered && works.round.as_ref().is_none_or(|round| round.city.is_none()) {
                        works.reopened = None;
                    }
                }
                _ => {}
            }
        }
        works
    }

    fn complete(&mut self, live: &Live<'_, 'r>, item: &'r CaseItem, complete: &'r Complete) {
        let closed = self.round.as_ref().is_some_and(|round| round.accepted() && round.reopened.is_none());
        if complete.withdrawn {
            if self.round.as_ref().is_some_and(|round| !closed && live.saw(item, round.item)) {
                self.round = None;
            }
        } else if !closed {
            self.round =
                Some(Round { item, complete, county: None, city: None, rejected: false, gated: false, reopened: None });
        }
    }

    fn accept(&mut self, live: &Live<'_, 'r>, item: &'r CaseItem, accept: &'r Accept, reopenings: &[(&CaseItem, Day)]) {
        let about = live.completion_of(item);
        let Some(round) = self.round.as_mut().filter(|round| Some(round.item.id) == about) else { return };
        let slot = if accept.level == "city" { &mut round.city } else { &mut round.county };
        if let Some((earlier, other)) = slot {
            round.gated |= other.passed != accept.passed && !live.saw(item, earlier);
        }
        *slot = Some((item, accept));
        round.rejected = !accept.passed;
        let unseen = reopenings.iter().find(|(reopening, _)| !live.saw(item, reopening));
        if let Some((_, observed)) = unseen.filter(|_| accept.level == "city" && accept.passed) {
            round.reopened = Some(*observed);
        }
        if round.accepted() && round.reopened.is_none() {
            self.reopened = None;
        }
    }

    fn reopen(&mut self, observed: Day) {
        self.reopened = Some(observed);
        if let Some(round) = self.round.as_mut().filter(|round| round.accepted()) {
            round.reopened = Some(observed);
        }
    }

    /// The class decided, where exactly one stands.
    pub(crate) fn classification(&self) -> Option<&'r str> {
        self.class.one().and_then(classify_of).map(|classify| classify.classification.as_str())
    }
}

impl Round<'_> {
    /// Accepted at city level, whatever else is asked for.
    pub(crate) fn accepted(&self) -> bool {
        !self.gated && self.city.is_some_and(|(_, accept)| accept.passed)
    }
}

/// All conditions of class and works, as of the decisions in `works`.
pub(crate) fn checks(view: &View<'_, '_>, works: &Works<'_>) -> BTreeMap<Condition, Check> {
    let mut checks =
        BTreeMap::from([(Condition::Class, class(view, works)), (Condition::Archive, archive(view, works))]);
    for condition in [
        Condition::MouthClosed,
        Condition::SourceEnded,
        Condition::AfterPhotos,
        Condition::DryRecheck,
        Condition::Accepted,
        Condition::MergedInto,
        Condition::Connected,
        Condition::MouthSealed,
        Condition::Measures,
        Condition::Construction,
    ] {
        let check = match &works.round {
            None if works.reopened.is_some() => Check::missing(["reopened"]),
            None => Check::missing(["completion"]),
            Some(round) if round.reopened.is_some() => Check::missing(["reopened"]),
            Some(round) => of_round(view, works, round, condition),
        };
        checks.insert(condition, check);
    }
    checks
}

fn class(view: &View<'_, '_>, works: &Works<'_>) -> Check {
    let Some(item) = works.class.one() else {
        return Check::missing([if matches!(works.class, Current::Gated(_)) { "choose:class" } else { "class" }]);
    };
    let Some(classify) = classify_of(item) else { return Check::missing(["class"]) };
    let rule = &view.set.class;
    let mut missing = Vec::new();
    if classify.classification == "undecided" {
        missing.push("class");
    }
    if rule.needs_document && item.value.document.is_none() && classify.government_document.is_none() {
        missing.push("class_document");
    }
    if rule.ban_needs_government_document && classify.classification == "ban" && classify.government_document.is_none()
    {
        missing.push("government_document");
    }
    let Some(date) = item.evidence.filter(|_| missing.is_empty()) else { return Check::missing(missing) };
    let document = item.value.document.as_ref().or(classify.government_document.as_ref());
    Check::met(date, view.grade(date, item, &[], document), vec![item.id]).by(Some(who(item)))
}

/// 档案: an item of a completion report, or a file of that kind.
fn archive(view: &View<'_, '_>, works: &Works<'_>) -> Check {
    if works.reopened.is_some() {
        return Check::missing(["reopened"]);
    }
    let reported = works.round.as_ref().filter(|round| round.complete.items.iter().any(|item| item == "archive"));
    if let Some((round, date)) = reported.and_then(|round| Some((round, round.item.evidence?))) {
        return Check::met(date, completion_grade(view, round, date), vec![round.item.id]).by(Some(who(round.item)));
    }
    let filed = view.known.attachments().filter(|(_, attachment)| attachment.kind == "archive");
    match filed.min_by_key(|(item, _)| item.evidence) {
        Some((item, attachment)) => match attachment.dated {
            Some(date) => Check::met(date, view.grade(date, item, &[attachment.sha256], None), vec![item.id]),
            None => Check::missing(["archive_date"]),
        },
        None => Check::missing(["archive"]),
    }
}

fn of_round(view: &View<'_, '_>, works: &Works<'_>, round: &Round<'_>, condition: Condition) -> Check {
    let Some(completed) = round.item.evidence else { return Check::missing(["completion_date"]) };
    let has = |names: &[&str]| round.complete.items.iter().any(|item| names.contains(&item.as_str()));
    let missing: Vec<String> = match condition {
        Condition::MouthClosed if !has(&["mouth_removed", "mouth_sealed"]) => vec!["mouth_closed".into()],
        Condition::MouthSealed if !has(&["mouth_sealed", "mouth_removed"]) => vec!["mouth_sealed".into()],
        Condition::SourceEnded if !has(&["source_stopped", "source_redirected"]) => vec!["source_ended".into()],
        Condition::Connected if !has(&["connected"]) => vec!["connected".into()],
        Condition::MergedInto if !merged_into_named(round.complete) => vec!["merged_into".into()],
        Condition::AfterPhotos if after_photos(view, round).is_empty() => vec!["after_photos".into()],
        Condition::DryRecheck if recheck(view, completed).is_none() => vec!["dry_recheck".into()],
        Condition::Measures => measures_missing(works, round),
        Condition::Construction => construction_missing(view, works, round),
        Condition::Accepted => return accepted(view, round, completed),
        _ => Vec::new(),
    };
    if !missing.is_empty() {
        return Check::missing(missing);
    }
    // A plan that was approved after the works can only be fulfilled from then on.
    let planned = works.plan.and_then(|(item, _)| item.evidence).filter(|_| condition == Condition::Measures);
    let date = planned.map_or(completed, |planned| planned.max(completed));
    let mut check = Check::met(date, completion_grade(view, round, date), vec![round.item.id]);
    check.beside = match condition {
        Condition::DryRecheck => recheck(view, completed).map(|on| Beside { what: "rechecked".into(), on }),
        _ => None,
    };
    check.by(Some(who(round.item)))
}

/// Completion date, provided acceptance exists; the acceptance date beside it.
fn accepted(view: &View<'_, '_>, round: &Round<'_>, completed: Day) -> Check {
    let rule = &view.set.acceptance;
    if round.gated {
        return Check::missing(["choose:acceptance"]);
    }
    if round.rejected {
        return Check::missing(["acceptance_rejected"]);
    }
    let checked = round.county.is_some_and(|(_, accept)| accept.passed);
    match round.city {
        None if checked => Check::missing(["city_acceptance"]),
        None => Check::missing(["county_check", "city_acceptance"]),
        Some(_) if rule.needs_county_check && !checked => Check::missing(["county_check"]),
        Some((item, _)) => {
            let on = item.evidence.unwrap_or(completed);
            let late = rule.within_days > 0 && on.days_since(completed) > rule.within_days;
            let date = if late { on } else { completed };
            let mut check = Check::met(date, completion_grade(view, round, date), vec![round.item.id, item.id]);
            check.beside = Some(Beside { what: "accepted".into(), on });
            check.by(Some(who(item)))
        }
    }
}

fn completion_grade(view: &View<'_, '_>, round: &Round<'_>, date: Day) -> Grade {
    let mut files = round.complete.evidence.clone();
    files.extend(after_photos(view, round));
    view.grade(date, round.item, &files, round.item.value.document.as_ref())
}

/// After-photos: of the slot, or named by the completion report.
fn after_photos(view: &View<'_, '_>, round: &Round<'_>) -> Vec<BlobHash> {
    view.known
        .photos()
        .filter(|(_, photo)| {
            view.set.photos.after_slots.contains(&photo.slot) || round.complete.evidence.contains(&photo.sha256)
        })
        .map(|(_, photo)| photo.sha256)
        .collect()
}

/// A re-check in dry weather, without discharge, on or after the completion. A later discharge is
/// the matter of a re-opening (T17), which is a decision.
fn recheck(view: &View<'_, '_>, completed: Day) -> Option<Day> {
    let seen = view.known.field.iter().filter_map(|item| match &item.value {
        FieldEntry::Recheck(recheck) if recheck.on >= completed => Some(recheck),
        _ => None,
    });
    seen.filter(|recheck| recheck.dry_weather.value() == Some(&true) && recheck.discharge.value() == Some(&false))
        .map(|recheck| recheck.on)
        .min()
}

fn merged_into_named(complete: &Complete) -> bool {
    complete.merged_into.as_ref().is_some_and(|target| match target.kind.as_str() {
        "outlet" => target.outlet.is_some(),
        _ => target.name.as_ref().is_some_and(|name| !name.trim().is_empty()),
    })
}

fn measures_missing(works: &Works<'_>, round: &Round<'_>) -> Vec<String> {
    match works.plan {
        None if works.drafted => vec!["plan_approval".into()],
        None => vec!["plan".into()],
        Some((_, plan)) if plan.measures.is_empty() => vec!["plan_measures".into()],
        Some((_, plan)) => plan
            .measures
            .iter()
            .filter(|measure| !round.complete.measures.contains(measure))
            .map(|measure| format!("measure:{measure}"))
            .collect(),
    }
}

/// Items of the type and of the plan, without those exempted by decision; the sign is a condition
/// of its own.
fn construction_missing(view: &View<'_, '_>, works: &Works<'_>, round: &Round<'_>) -> Vec<String> {
    let mut wanted = view.set.construction_items(view.outlet_type());
    wanted.extend(works.plan.iter().flat_map(|(_, plan)| plan.items.iter().cloned()));
    wanted.sort();
    wanted.dedup();
    let exempt: Vec<&str> = view
        .live
        .items()
        .filter_map(|item| match &item.value.decision {
            Decision::Exempt(exempt) => {
                let known = |rule: &&super::set::Exemption| rule.by_decision && rule.code == exempt.reason;
                let rule = view.set.exemption.iter().find(known)?;
                exempt.what.strip_prefix("construction:").filter(|_| rule.conditions.contains(&Condition::Construction))
            }
            _ => None,
        })
        .collect();
    wanted
        .into_iter()
        .filter(|item| item != "sign" && !exempt.contains(&item.as_str()) && !round.complete.items.contains(item))
        .map(|item| format!("item:{item}"))
        .collect()
}
