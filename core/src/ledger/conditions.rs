//! Conditions that, once met, stay met: survey, sample, trace, name, code, sign (lifecycle.md 1.3
//! and 1.4). Each says its date, its grade, who approved, or what is missing.

use super::decisions::{Live, who};
use super::grade::{Beside, Check, Support, grade};
use super::record::{CaseItem, FieldItem, sample_day};
use super::view::View;
use crate::domain::case::Decision;
use crate::domain::field::{FieldEntry, Sample, Survey, Trace, fact};
use crate::ids::{BlobHash, EntryId};
use crate::time::Day;

/// 排查: approved, with position, type, 入河方式, discharge state, near photo and surroundings.
pub(crate) fn survey(view: &View<'_, '_>) -> Check {
    let surveys = surveys(view);
    if surveys.is_empty() {
        return Check::missing(["survey_visit"]);
    }
    let mut missing = Vec::new();
    for (name, code) in
        [(fact::LOCATION, "position"), (fact::OUTLET_TYPE, "outlet_type"), (fact::ENTRY_MODE, "entry_mode")]
    {
        let approved = view.values.get(name).is_some_and(|shown| shown.source != super::values::Source::Current);
        match (view.values.answered(name), approved) {
            (false, _) => missing.push(code.to_owned()),
            (true, false) => missing.push(format!("approval:{code}")),
            _ => {}
        }
    }
    let visits: Vec<&(&FieldItem, &Survey)> = surveys
        .iter()
        .filter(|(_, survey)| {
            survey.outcome.as_ref().is_none_or(|code| !view.set.survey.outcomes_not_done.contains(code))
        })
        .collect();
    let answered: Vec<_> = visits.iter().filter(|(_, survey)| survey.discharge_state.is_complete()).collect();
    let approved: Vec<_> = answered.iter().filter(|(item, _)| view.reviews.approval(item, &[]).is_some()).collect();
    match (visits.is_empty(), answered.is_empty(), approved.is_empty()) {
        (true, ..) => missing.push("survey_visit".into()),
        (_, true, _) => missing.push("discharge_state".into()),
        (.., true) => missing.push("approval:survey".into()),
        _ => {}
    }
    let photos = survey_photos(view, &mut missing);
    let Some((item, _)) = approved.iter().min_by_key(|(item, _)| item.evidence) else {
        return Check::missing(missing);
    };
    if !missing.is_empty() {
        return Check::missing(missing);
    }
    let Some(visited) = item.evidence else { return Check::missing(["survey_date"]) };
    let date = photos.iter().filter_map(|(day, _)| *day).fold(visited, Day::max);
    let mut support = view.known.support(*item, &[], None);
    support.extend(photos.iter().filter_map(|(day, _)| day.map(Support::Instrument)));
    let grade = grade(date, &support, view.set.evidence.contemporaneous_days);
    let entries = std::iter::once(item.id).chain(photos.iter().map(|(_, id)| *id)).collect();
    Check::met(date, grade, entries).by(approver(view, item))
}

/// The earliest approved photos of the slots that a survey needs: near, surroundings, and as many
/// in all as the set says.
fn survey_photos(view: &View<'_, '_>, missing: &mut Vec<String>) -> Vec<(Option<Day>, EntryId)> {
    let rule = &view.set.survey;
    let approved = |item: &FieldItem| view.reviews.approval(item, &["survey"]).is_some();
    let mut chosen: Vec<(Option<Day>, EntryId)> = Vec::new();
    for (slots, code) in [(&rule.near_slots, "photo_near"), (&rule.surroundings_slots, "photo_surroundings")] {
        let of_slot: Vec<&FieldItem> = view.known.photos_in(slots).map(|(item, _)| item).collect();
        match of_slot.iter().filter(|item| approved(item)).min_by_key(|item| (item.evidence, item.id)) {
            Some(item) => chosen.push((item.evidence, item.id)),
            None if of_slot.is_empty() => missing.push(code.to_owned()),
            None => missing.push(format!("approval:{code}")),
        }
    }
    let all = view.known.photos().filter(|(item, _)| approved(item)).count();
    if missing.is_empty() && all < rule.min_photos {
        missing.push("photos".into());
    }
    chosen
}

/// 监测: at least one result, quick or lab; or the approved reason why there is none.
pub(crate) fn sample(view: &View<'_, '_>) -> Check {
    let samples = samples(view);
    if samples.is_empty() {
        return Check::missing(["sample"]);
    }
    let mut missing = Vec::new();
    let mut best: Option<Check> = None;
    let mut real = false;
    for (item, sample) in &samples {
        let check = match sample.kind.as_str() {
            "none" => substitute(view, item, sample),
            _ => result(view, item, sample),
        };
        if !check.met {
            missing.extend(check.missing);
            continue;
        }
        real |= !check.substitute;
        if best.as_ref().is_none_or(|best| check.date < best.date) {
            best = Some(check);
        }
    }
    missing.sort();
    missing.dedup();
    best.map_or_else(|| Check::missing(missing), |best| Check { substitute: !real, ..best })
}

fn result(view: &View<'_, '_>, item: &FieldItem, sample: &Sample) -> Check {
    let has_result = sample.results.iter().any(|result| result.value.is_some() || result.qualifier.is_some());
    if !has_result {
        return Check::missing(["result_pending"]);
    }
    if sample.kind == "lab" && sample.report_on.is_none() {
        return Check::missing(["report_date"]);
    }
    if view.reviews.approval(item, &[]).is_none() {
        return Check::missing(["approval:sample"]);
    }
    let Some(date) = item.evidence else { return Check::missing(["sample_date"]) };
    let grade = view.grade(date, item, &sample.evidence, None);
    let mut check = Check::met(date, grade, vec![item.id]).by(approver(view, item));
    if sample.kind == "lab" {
        check.beside = sample_day(sample, view.known.record.offset).map(|on| Beside { what: "sampled".into(), on });
    }
    check
}

/// 不具备采样条件/无水: a dated visit and a photo; for storm outlets in dry weather.
fn substitute(view: &View<'_, '_>, item: &FieldItem, sample: &Sample) -> Check {
    let mut missing = Vec::new();
    let visited = sample_day(sample, view.known.record.offset);
    if visited.is_none() {
        missing.push("visit_date");
    }
    if sample.reason.is_none() {
        missing.push("no_sample_reason");
    }
    let same_day = |photo: &FieldItem| photo.evidence.is_some() && photo.evidence == visited;
    let photos: Vec<BlobHash> = view
        .known
        .photos()
        .filter(|(photo, what)| sample.evidence.contains(&what.sha256) || same_day(photo))
        .map(|(_, what)| what.sha256)
        .collect();
    if photos.is_empty() && sample.evidence.is_empty() {
        missing.push("visit_photo");
    }
    let storm =
        view.outlet_type().is_some_and(|code| view.set.sample.dry_weather_types.iter().any(|name| name == code));
    if storm && !dry_visit(view, sample, visited) {
        missing.push("dry_weather_visit");
    }
    if view.reviews.approval(item, &[]).is_none() {
        missing.push("approval:sample");
    }
    match visited {
        Some(date) if missing.is_empty() => {
            let grade = view.grade(date, item, &photos, None);
            Check { substitute: true, ..Check::met(date, grade, vec![item.id]).by(approver(view, item)) }
        }
        _ => Check::missing(missing),
    }
}

fn dry_visit(view: &View<'_, '_>, sample: &Sample, visited: Option<Day>) -> bool {
    sample.dry_weather.value() == Some(&true)
        || surveys(view)
            .iter()
            .any(|(item, survey)| item.evidence == visited && survey.rain_48h.value() == Some(&false))
}

/// 溯源: approved conclusion with source and 主要责任主体, or 政府兜底 with its document.
pub(crate) fn trace(view: &View<'_, '_>) -> Check {
    let traces = traces(view);
    let mut missing = Vec::new();
    let mut best: Option<Check> = None;
    for (item, trace) in &traces {
        let check = conclusion(view, item, trace);
        missing.extend(check.missing.iter().cloned());
        if check.met && best.as_ref().is_none_or(|best| check.date < best.date) {
            best = Some(check);
        }
    }
    if traces.is_empty() {
        missing.push("trace".into());
    }
    missing.sort();
    missing.dedup();
    best.unwrap_or_else(|| Check::missing(missing))
}

fn conclusion(view: &View<'_, '_>, item: &FieldItem, trace: &Trace) -> Check {
    let designated = designated_party(view);
    let own_party = trace.primary_party.as_ref().is_some_and(|party| !party.name.trim().is_empty());
    let mut missing = Vec::new();
    match trace.conclusion.as_str() {
        "concluded" => {
            let nodes = trace.nodes.iter().any(|node| node.kind == "source");
            if trace.sources.is_empty() && !nodes {
                missing.push("source");
            }
            if !own_party && designated.is_none() {
                missing.push("primary_party");
            }
        }
        "government_fallback" => {
            let numbered = |document: &crate::domain::field::DocumentRef| !document.number.trim().is_empty();
            let by_decision = designated.is_some_and(|party| party.value.document.as_ref().is_some_and(numbered));
            if !trace.document.as_ref().is_some_and(numbered) && !by_decision {
                missing.push("designating_document");
            }
        }
        "difficult" => missing.push("difficult"),
        _ => missing.push("conclusion"),
    }
    if view.reviews.approval(item, &[]).is_none() {
        missing.push("approval:trace");
    }
    let Some(concluded) = item.evidence.filter(|_| missing.is_empty()) else { return Check::missing(missing) };
    let needed = designated.filter(|_| !own_party && trace.conclusion == "concluded");
    let date = needed.and_then(|decision| decision.evidence).map_or(concluded, |on| on.max(concluded));
    let grade = view.grade(date, item, &[], trace.document.as_ref());
    Check::met(date, grade, vec![item.id]).by(approver(view, item))
}

/// The decision that designates the responsible party.
fn designated_party<'r>(view: &View<'_, 'r>) -> Option<&'r CaseItem> {
    view.live.items().rev().find(|item| match &item.value.decision {
        Decision::Party(party) => party.primary.as_ref().is_some_and(|party| !party.name.trim().is_empty()),
        _ => false,
    })
}

/// 命名: approved name.
pub(crate) fn name(view: &View<'_, '_>) -> Check {
    let named = view.decided(|decision| match decision {
        Decision::Name(name) if !name.name.trim().is_empty() => Some(name.name.clone()),
        _ => None,
    });
    decided(view, &named, "name")
}

/// 编码: issued or received, and not cancelled.
pub(crate) fn code(view: &View<'_, '_>) -> Check {
    let checks = ["national", "provincial"].map(|system| {
        let current = current_code(&view.live, system);
        let cancelled =
            current.one().is_some_and(|item| matches!(&item.value.decision, Decision::Code(code) if code.cancelled));
        if cancelled { Check::missing(["code_cancelled"]) } else { decided(view, &current, "code") }
    });
    let missing = checks[0].missing.clone();
    checks
        .into_iter()
        .filter(|check| check.met)
        .min_by_key(|check| check.date)
        .unwrap_or_else(|| Check::missing(missing))
}

/// The code of a system that stands.
pub(crate) fn current_code<'r>(live: &Live<'_, 'r>, system: &str) -> super::decisions::Current<'r> {
    live.decided(|decision| match decision {
        Decision::Code(code) if code.system == system => Some((code.code.clone(), code.cancelled)),
        _ => None,
    })
}

fn decided(view: &View<'_, '_>, current: &super::decisions::Current<'_>, what: &str) -> Check {
    match (current.one(), current) {
        (Some(item), _) => {
            let date = item.evidence.unwrap_or_else(|| item.value.at.day(view.known.record.offset));
            let grade = view.grade(date, item, &[], item.value.document.as_ref());
            Check::met(date, grade, vec![item.id]).by(Some(who(item)))
        }
        (None, super::decisions::Current::Gated(_)) => Check::missing([format!("choose:{what}")]),
        _ => Check::missing([what]),
    }
}

/// 标识牌: erected, with a photo. Damaged or lost later, it stays done: a problem of its own.
pub(crate) fn sign(view: &View<'_, '_>) -> Check {
    let slot_photos: Vec<BlobHash> =
        view.known.photos_in(&view.set.photos.sign_slots).map(|(_, photo)| photo.sha256).collect();
    let mut missing = vec!["sign".to_owned()];
    let mut best: Option<Check> = None;
    let mut consider = |check: Check| {
        if check.met && best.as_ref().is_none_or(|best| check.date < best.date) {
            best = Some(check);
        } else if !check.met {
            missing.clone_from(&check.missing);
        }
    };
    for item in view.live.items() {
        if let Decision::Sign(sign) = &item.value.decision {
            let stated = sign.observed_on.or(item.value.on);
            consider(erected(view, item, &sign.state, stated, &sign.photos, &slot_photos, Some(who(item))));
        }
    }
    for item in &view.known.field {
        if let FieldEntry::Sign(sign) = &item.value {
            let by = view.reviews.approval(item, &["photos", "survey"]).map(|approval| who(approval.by));
            let check = erected(view, item, &sign.state, sign.on, &sign.photos, &slot_photos, by.clone());
            consider(if check.met && by.is_none() { Check::missing(["approval:sign"]) } else { check });
        }
    }
    best.unwrap_or_else(|| Check::missing(missing))
}

fn erected<T>(
    view: &View<'_, '_>,
    item: &super::record::Item<T>,
    state: &str,
    stated: Option<Day>,
    own: &[BlobHash],
    of_slot: &[BlobHash],
    by: Option<String>,
) -> Check {
    if state == "ordered" {
        return Check::missing(["sign_ordered"]);
    }
    if !matches!(state, "erected" | "repaired") {
        return Check::missing(["sign"]);
    }
    let photos = if own.is_empty() { of_slot } else { own };
    if photos.is_empty() {
        return Check::missing(["sign_photo"]);
    }
    let taken = view
        .known
        .photos()
        .filter(|(_, photo)| photos.contains(&photo.sha256))
        .filter_map(|(photo, _)| photo.evidence)
        .min();
    let Some(date) = stated.or(taken) else { return Check::missing(["sign_date"]) };
    Check::met(date, view.grade(date, item, photos, None), vec![item.id]).by(by)
}

fn approver(view: &View<'_, '_>, item: &FieldItem) -> Option<String> {
    view.reviews.approval(item, &[]).map(|approval| who(approval.by))
}

/// Surveys that nobody corrected.
pub(crate) fn surveys<'r>(view: &View<'_, 'r>) -> Vec<(&'r FieldItem, &'r Survey)> {
    uncorrected(view, |entry| match entry {
        FieldEntry::Survey(survey) => Some((survey.as_ref(), survey.corrects)),
        _ => None,
    })
}

/// Samples that nobody corrected or completed.
pub(crate) fn samples<'r>(view: &View<'_, 'r>) -> Vec<(&'r FieldItem, &'r Sample)> {
    uncorrected(view, |entry| match entry {
        FieldEntry::Sample(sample) => Some((sample.as_ref(), sample.corrects)),
        _ => None,
    })
}

/// Traces that nobody corrected.
pub(crate) fn traces<'r>(view: &View<'_, 'r>) -> Vec<(&'r FieldItem, &'r Trace)> {
    uncorrected(view, |entry| match entry {
        FieldEntry::Trace(trace) => Some((trace.as_ref(), trace.corrects)),
        _ => None,
    })
}

/// Entries of one type without those that a correction replaced. A correction that is not approved
/// does not take an approved entry away.
fn uncorrected<'r, T>(
    view: &View<'_, 'r>,
    pick: impl Fn(&'r FieldEntry) -> Option<(&'r T, Option<EntryId>)>,
) -> Vec<(&'r FieldItem, &'r T)> {
    let all: Vec<(&'r FieldItem, &'r T, Option<EntryId>)> = view
        .known
        .field
        .iter()
        .filter_map(|item| pick(&item.value).map(|(value, corrects)| (*item, value, corrects)))
        .collect();
    let approved = |item: &FieldItem| view.reviews.approval(item, &[]).is_some();
    let corrected = |item: &FieldItem| {
        all.iter().any(|(by, _, corrects)| *corrects == Some(item.id) && (approved(by) || !approved(item)))
    };
    all.iter().filter(|(item, ..)| !corrected(item)).map(|(item, value, _)| (*item, *value)).collect()
}
