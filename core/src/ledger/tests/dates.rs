//! 1.4: the date used, and what is not done.

use serde_json::json;

use super::super::testing::{Outlet, Who, day};
use super::super::{Check, Condition, Grade};
use super::{above, investigated, set};

fn check(outlet: &Outlet, condition: Condition) -> Check {
    outlet.profile(&set()).check(condition, day("2024-06-01")).cloned().unwrap()
}

#[track_caller]
fn met(outlet: &Outlet, condition: Condition, date: &str) {
    let check = check(outlet, condition);
    assert!(check.met, "{:?}", check.missing);
    assert_eq!(check.date, Some(day(date)));
}

#[track_caller]
fn missing(outlet: &Outlet, condition: Condition, code: &str) {
    let check = check(outlet, condition);
    assert!(!check.met);
    assert!(check.missing.iter().any(|own| own == code), "{:?}", check.missing);
}

fn approved(outlet: Outlet) -> Outlet {
    outlet.submit("2021-12-01").approve("2021-12-02")
}

#[test]
fn survey_is_dated_by_the_visit_that_made_it_complete() {
    met(&approved(above().survey("2021-06-01")), Condition::Survey, "2021-06-01");
    let second = above().visit("2021-06-01", json!({})).photo("2021-06-01", "near").visit("2021-07-01", json!({}));
    met(&approved(second.photo("2021-07-01", "far")), Condition::Survey, "2021-07-01");
    let first_dry = above().visit("2021-05-01", json!({"discharge_state": null})).survey("2021-06-01");
    met(&approved(first_dry), Condition::Survey, "2021-06-01");
}

#[test]
fn survey_takes_cannot_determine_for_an_answer_and_blank_for_none() {
    let undetermined = json!({"discharge_state": {"cannot_determine": true}});
    let photos = |outlet: Outlet| outlet.photo("2021-06-01", "near").photo("2021-06-01", "far");
    met(&approved(photos(above().visit("2021-06-01", undetermined))), Condition::Survey, "2021-06-01");
    let blank = above().visit("2021-06-01", json!({"discharge_state": null}));
    missing(&approved(photos(blank)), Condition::Survey, "discharge_state");
    let type_unknown = above().fact("outlet_type", json!({"cannot_determine": true})).survey("2021-06-01");
    met(&approved(type_unknown), Condition::Survey, "2021-06-01");
    missing(&approved(above().fact("outlet_type", json!(null)).survey("2021-06-01")), Condition::Survey, "outlet_type");
}

#[test]
fn survey_not_done_when_not_visited_or_returned() {
    missing(&approved(above()), Condition::Survey, "survey_visit");
    let returned = above().survey("2021-06-01").submit("2021-06-02").review("2021-06-03", "return", &["survey"]);
    missing(&returned, Condition::Survey, "approval:survey");
    let no_access = above().visit("2021-06-01", json!({"outcome": "no_access"}));
    missing(&approved(no_access), Condition::Survey, "survey_visit");
    missing(
        &approved(above().visit("2021-06-01", json!({})).photo("2021-06-01", "near")),
        Condition::Survey,
        "photo_surroundings",
    );
    missing(&approved(Outlet::numbered(1).survey("2021-06-01")), Condition::Survey, "position");
}

#[test]
fn quick_sample_is_dated_by_its_measuring_time_in_shanghai() {
    // 2021-12-31 23:30 +08:00 is 15:30 UTC of the same day.
    let last = crate::time::Timestamp::from_millis(1_640_964_600_000);
    assert_eq!(last.to_string(), "2021-12-31T15:30:00Z");
    let outlet = above().sample_with("2021-12-30", json!({"kind": "quick", "sampled_at": last.millis()}));
    met(&approved(outlet), Condition::Sample, "2021-12-31");
    let next = last.plus_millis(30 * 60_000).millis();
    let outlet = above().sample_with("2021-12-30", json!({"kind": "quick", "sampled_at": next}));
    met(&approved(outlet), Condition::Sample, "2022-01-01");
}

#[test]
fn lab_sample_is_dated_by_its_report_and_shows_the_sampling() {
    let outlet = approved(above().sample_with("2021-06-01", json!({"kind": "lab", "report_on": "2021-06-20"})));
    met(&outlet, Condition::Sample, "2021-06-20");
    let beside = check(&outlet, Condition::Sample).beside.unwrap();
    assert_eq!((beside.what.as_str(), beside.on), ("sampled", day("2021-06-01")));
}

#[test]
fn sample_not_done_while_the_result_is_pending() {
    let pending = approved(above().sample_with("2021-06-01", json!({"kind": "lab", "results": []})));
    missing(&pending, Condition::Sample, "result_pending");
    missing(&approved(above()), Condition::Sample, "sample");
    let not_detected = json!({"kind": "lab", "report_on": "2021-06-20",
        "results": [{"parameter": "tp", "unit": "mg/L", "qualifier": "nd"}]});
    met(&approved(above().sample_with("2021-06-01", not_detected)), Condition::Sample, "2021-06-20");
}

#[test]
fn without_a_sample_the_dated_visit_with_photo_counts_apart() {
    let none = json!({"kind": "none", "reason": "no_water", "results": []});
    let outlet = above().photo("2021-06-01", "sampling").sample_with("2021-06-01", none.clone());
    met(&approved(outlet.clone()), Condition::Sample, "2021-06-01");
    assert!(check(&approved(outlet), Condition::Sample).substitute);
    missing(&approved(above().sample_with("2021-06-01", none.clone())), Condition::Sample, "visit_photo");
    let undated = json!({"kind": "none", "reason": "no_water", "results": [], "sampled_on": null});
    missing(
        &approved(above().photo("2021-06-01", "near").sample_with("2021-06-01", undated)),
        Condition::Sample,
        "visit_date",
    );
    let both = above().photo("2021-06-01", "near").sample_with("2021-06-01", none).sample("2021-08-01");
    assert!(!check(&approved(both), Condition::Sample).substitute);
}

#[test]
fn without_a_sample_storm_outlets_need_a_visit_in_dry_weather() {
    let storm = || above().fact("outlet_type", json!("urban_storm")).photo("2021-06-01", "near");
    let none = json!({"kind": "none", "reason": "no_water", "results": []});
    missing(&approved(storm().sample_with("2021-06-01", none.clone())), Condition::Sample, "dry_weather_visit");
    let dry = json!({"kind": "none", "reason": "no_water", "results": [], "dry_weather": true});
    met(&approved(storm().sample_with("2021-06-01", dry)), Condition::Sample, "2021-06-01");
    let by_survey = storm().visit("2021-06-01", json!({"rain_48h": false})).sample_with("2021-06-01", none);
    met(&approved(by_survey), Condition::Sample, "2021-06-01");
}

#[test]
fn trace_is_dated_by_its_conclusion_not_by_the_first_walk() {
    let outlet = above().trace_with("2021-05-01", json!({"conclusion": "walking"})).trace("2021-07-01");
    met(&approved(outlet), Condition::Trace, "2021-07-01");
}

#[test]
fn trace_with_the_government_as_fallback_needs_the_designating_document() {
    let fallback = |document: serde_json::Value| {
        approved(above().trace_with(
            "2021-07-01",
            json!({"conclusion": "government_fallback", "sources": [], "primary_party": null, "document": document}),
        ))
    };
    met(&fallback(json!({"number": "巴州府函〔2021〕3号", "dated": "2021-06-20"})), Condition::Trace, "2021-07-01");
    missing(&fallback(json!(null)), Condition::Trace, "designating_document");
}

#[test]
fn trace_not_done_when_difficult_or_without_party() {
    missing(
        &approved(above().trace_with("2021-07-01", json!({"conclusion": "difficult"}))),
        Condition::Trace,
        "difficult",
    );
    let no_party = above().trace_with("2021-07-01", json!({"primary_party": null}));
    missing(&approved(no_party.clone()), Condition::Trace, "primary_party");
    let designated = approved(no_party).case(
        day("2021-12-20"),
        Who::County,
        json!({"type": "party", "primary": {"name": "某某镇人民政府"}}),
    );
    met(&designated, Condition::Trace, "2021-12-20");
    missing(&approved(above().trace_with("2021-07-01", json!({"sources": []}))), Condition::Trace, "source");
}

#[test]
fn class_is_dated_by_the_document_else_by_the_decision() {
    let decide = |fields: serde_json::Value| {
        let mut entry = json!({"type": "classify", "step": "decide", "classification": "regulate", "on": "2022-03-01"});
        entry.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        investigated().case(day("2022-03-01"), Who::City, entry)
    };
    met(&decide(json!({"document": {"number": "1号", "dated": "2022-02-20"}})), Condition::Class, "2022-02-20");
    met(&decide(json!({"document": {"number": "1号"}})), Condition::Class, "2022-03-01");
    missing(&decide(json!({})), Condition::Class, "class_document");
}

#[test]
fn class_proposed_or_at_the_wrong_level_is_not_done() {
    missing(&investigated().fact("classification", json!("ban")), Condition::Class, "class");
    let county = investigated().by(Who::County).class("2022-03-01", "regulate");
    missing(&county, Condition::Class, "class");
}

#[test]
fn ban_needs_the_governments_own_document() {
    let outlet = investigated().case(
        day("2022-03-01"),
        Who::City,
        json!({"type": "classify", "step": "decide", "classification": "ban", "document": {"number": "1号"}}),
    );
    missing(&outlet, Condition::Class, "government_document");
    assert!(super::findings(&outlet).contains(&"ban_without_government_document".to_owned()));
    assert_eq!(outlet.project().row.classification.as_deref(), Some("ban"), "it is shown all the same");
}

fn works() -> Outlet {
    investigated().class("2022-01-01", "regulate").plan("2022-02-01", &["separation"]).complete(
        "2022-12-20",
        &["separation"],
        &["archive", "sampling_point"],
    )
}

#[test]
fn rectified_is_dated_by_completion_with_the_acceptance_beside() {
    let outlet = works().accept("2023-01-15");
    met(&outlet, Condition::Accepted, "2022-12-20");
    let beside = check(&outlet, Condition::Accepted).beside.unwrap();
    assert_eq!((beside.what.as_str(), beside.on), ("accepted", day("2023-01-15")));
    assert_eq!(super::state(&outlet, "M3", "2023-02-01"), super::OutletState::OnTime { on: Some(day("2022-12-20")) });
}

#[test]
fn rectified_within_the_grace_of_acceptance_is_a_setting() {
    let mut set = set();
    set.acceptance.within_days = 10;
    let date = |on: &str| works().accept(on).profile(&set).check(Condition::Accepted, day("2024-01-01")).unwrap().date;
    assert_eq!(date("2022-12-30"), Some(day("2022-12-20")));
    assert_eq!(date("2022-12-31"), Some(day("2022-12-31")));
}

#[test]
fn rectified_not_done_when_only_reported() {
    missing(&works(), Condition::Accepted, "city_acceptance");
    missing(&works().county_check("2022-12-22"), Condition::Accepted, "city_acceptance");
    missing(
        &works().county_check("2022-12-22").city_accepts("2022-12-23", false),
        Condition::Accepted,
        "acceptance_rejected",
    );
}

#[test]
fn name_and_code_are_dated_by_their_issue_and_a_temporary_number_is_neither() {
    let outlet = investigated().name("2023-03-01").code("2023-04-01", "FA-511902-0001-GY-00");
    met(&outlet, Condition::Name, "2023-03-01");
    met(&outlet, Condition::Code, "2023-04-01");
    let temporary = investigated().fact("temporary_number", json!("LS-0001"));
    missing(&temporary, Condition::Code, "code");
    missing(&temporary, Condition::Name, "name");
}

#[test]
fn sign_is_dated_by_its_erection_else_by_its_photo() {
    met(&investigated().sign("2023-06-01"), Condition::Sign, "2023-06-01");
    let undated = |outlet: Outlet| {
        outlet.field(day("2023-06-09"), json!({"type": "sign", "state": "erected"})).approve("2023-06-10")
    };
    met(&undated(investigated().photo("2023-06-05", "sign")), Condition::Sign, "2023-06-05");
    missing(&undated(investigated()), Condition::Sign, "sign_photo");
}

#[test]
fn sign_not_done_when_ordered_without_photo_or_not_approved() {
    let say = |state: &str| {
        investigated().case(
            day("2023-06-01"),
            Who::County,
            json!({"type": "sign", "state": state, "observed_on": "2023-06-01"}),
        )
    };
    missing(&say("ordered"), Condition::Sign, "sign_ordered");
    missing(&say("erected"), Condition::Sign, "sign_photo");
    let observed = investigated()
        .photo("2023-06-01", "sign")
        .field(day("2023-06-01"), json!({"type": "sign", "state": "erected", "on": "2023-06-01"}));
    missing(&observed, Condition::Sign, "approval:sign");
}

#[test]
fn outlet_done_is_dated_by_the_latest_of_its_conditions() {
    let outlet = above().survey("2021-06-01").sample("2021-09-01").trace("2021-07-01").approve("2022-02-01");
    assert_eq!(super::state(&outlet, "M1", "2022-06-01"), super::OutletState::OnTime { on: Some(day("2021-09-01")) });
    let late = investigated().regulated("2022-05-01").identity("2024-01-20");
    assert_eq!(super::state(&late, "M4", "2024-02-01"), super::OutletState::Late { on: day("2024-01-20"), days: 20 });
}

#[test]
fn grades_tell_a_photo_of_the_day_from_a_paper_and_from_a_typed_date() {
    let grade = |outlet: &Outlet, condition| check(outlet, condition).grade.unwrap();
    assert_eq!(grade(&investigated(), Condition::Trace), Grade::Contemporaneous);
    let typed = above().received("2026-01-01").trace("2021-06-01").approve("2021-06-02");
    assert_eq!(grade(&typed, Condition::Trace), Grade::Asserted);
    let paper = json!({"type": "attachment", "sha256": "11".repeat(32), "bytes": 1, "mime": "application/pdf",
                       "kind": "other", "number": "7号", "dated": "2021-05-30"});
    let documented = above()
        .received("2026-01-01")
        .field(day("2021-06-01"), paper)
        .trace_with("2021-06-01", json!({"document": {"number": "7号", "dated": "2021-05-30"}}))
        .approve("2021-06-02");
    assert_eq!(grade(&documented, Condition::Trace), Grade::Documented);
    let photographed = above().received("2026-01-01").survey("2021-06-01").approve("2021-06-02");
    assert_eq!(grade(&photographed, Condition::Survey), Grade::Contemporaneous, "EXIF of the day");
    let lab = above()
        .received("2026-01-01")
        .field(
            day("2021-06-20"),
            json!({"type": "attachment", "sha256": "22".repeat(32), "bytes": 1,
            "mime": "application/pdf", "kind": "lab_report", "dated": "2021-06-20"}),
        )
        .sample_with("2021-06-01", json!({"kind": "lab", "report_on": "2021-06-20", "evidence": ["22".repeat(32)]}))
        .approve("2021-07-01");
    assert_eq!(grade(&lab, Condition::Sample), Grade::Contemporaneous, "dated by the laboratory");
}
