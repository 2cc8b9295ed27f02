//! 1.3: done or not, per class.

use serde_json::json;

use super::super::testing::{Outlet, Who, day};
use super::{above, done, done_now, investigated, now};

macro_rules! cells {
    ($($name:ident: $outlet:expr, $milestone:literal => $done:expr;)*) => {
        $(#[test] fn $name() { assert_eq!(done_now(&$outlet, $milestone), $done); })*
    };
}

/// 取缔 without one of its conditions.
fn ban_without(what: &str) -> Outlet {
    let on = "2022-05-01";
    let outlet = investigated().class(on, "ban");
    let mut items = vec!["mouth_removed", "source_redirected"];
    items.retain(|item| *item != what);
    let outlet = outlet.complete(on, &[], &items);
    let outlet = if what == "after_photos" { outlet } else { outlet.photo(on, "after") };
    let outlet = match what {
        "recheck" => outlet,
        "dry" => outlet.recheck_with(on, json!({"discharge": false, "dry_weather": false})),
        "no_discharge" => outlet.recheck_with(on, json!({"discharge": true, "dry_weather": true})),
        "answer" => outlet.recheck_with(on, json!({"discharge": {"cannot_determine": true}, "dry_weather": true})),
        "in_time" => outlet.recheck("2022-04-30"),
        _ => outlet.recheck(on),
    };
    match what {
        "acceptance" => outlet.county_check(on),
        "county_check" => outlet.city_accepts(on, true),
        _ => outlet.accept(on),
    }
}

fn merge_with(fields: serde_json::Value) -> Outlet {
    let on = "2022-05-01";
    investigated().class(on, "merge").complete_with(on, fields).photo(on, "after").recheck(on).accept(on)
}

fn merge_complete() -> serde_json::Value {
    json!({"items": ["mouth_sealed", "connected"], "merged_into": {"kind": "plant", "name": "城市污水处理厂"}})
}

fn merge_lacking(item: &str) -> Outlet {
    let mut fields = merge_complete();
    fields["items"].as_array_mut().unwrap().retain(|own| own != item);
    merge_with(fields)
}

fn regulated() -> Outlet {
    investigated().regulated("2022-05-01")
}

cells! {
    every_class_m1_survey_sample_trace_is_done: investigated(), "M1" => true;
    every_class_m1_without_survey_is_not: above().sample("2021-06-01").trace("2021-06-01").approve("2021-06-02"), "M1" => false;
    every_class_m1_without_sample_is_not: above().survey("2021-06-01").trace("2021-06-01").approve("2021-06-02"), "M1" => false;
    every_class_m1_without_trace_is_not: above().survey("2021-06-01").sample("2021-06-01").approve("2021-06-02"), "M1" => false;
    every_class_m1_without_approval_is_not: above().survey("2021-06-01").sample("2021-06-01").trace("2021-06-01").submit("2021-06-02"), "M1" => false;
    every_class_m2_needs_no_sample: above().survey("2021-06-01").trace("2021-06-01").approve("2021-06-02"), "M2" => true;
    every_class_m2_needs_a_trace: above().survey("2021-06-01").approve("2021-06-02"), "M2" => false;

    ban_m1_is_as_for_every_class: ban_without(""), "M1" => true;
    ban_m2_is_as_for_every_class: ban_without(""), "M2" => true;
    ban_m3_all_conditions: ban_without(""), "M3" => true;
    ban_m3_mouth_open: ban_without("mouth_removed"), "M3" => false;
    ban_m3_source_still_flowing: ban_without("source_redirected"), "M3" => false;
    ban_m3_no_after_photos: ban_without("after_photos"), "M3" => false;
    ban_m3_no_recheck: ban_without("recheck"), "M3" => false;
    ban_m3_recheck_in_wet_weather: ban_without("dry"), "M3" => false;
    ban_m3_recheck_with_discharge: ban_without("no_discharge"), "M3" => false;
    ban_m3_recheck_undetermined: ban_without("answer"), "M3" => false;
    ban_m3_recheck_before_completion: ban_without("in_time"), "M3" => false;
    ban_m3_county_check_only: ban_without("acceptance"), "M3" => false;
    ban_m3_city_without_county_check: ban_without("county_check"), "M3" => false;
    ban_m4_is_as_m3_without_name_code_sign: ban_without(""), "M4" => true;
    ban_m4_not_closed: ban_without("acceptance"), "M4" => false;

    merge_m1_is_as_for_every_class: merge_with(merge_complete()), "M1" => true;
    merge_m2_is_as_for_every_class: merge_with(merge_complete()), "M2" => true;
    merge_m3_into_a_plant: merge_with(merge_complete()), "M3" => true;
    merge_m3_not_connected: merge_lacking("connected"), "M3" => false;
    merge_m3_mouth_not_sealed: merge_lacking("mouth_sealed"), "M3" => false;
    merge_m3_target_not_named: merge_with(json!({"items": ["mouth_sealed", "connected"], "merged_into": {"kind": "sewer"}})), "M3" => false;
    merge_m3_into_an_outlet: merge_with(json!({"items": ["mouth_sealed", "connected"], "merged_into": {"kind": "outlet", "outlet": Outlet::numbered(9).key()}})), "M3" => true;
    merge_m4_is_exempt_of_name_code_sign: merge_with(merge_complete()), "M4" => true;

    survivor_of_a_merge_m3_is_judged_by_its_own_class: investigated().class("2022-01-01", "regulate"), "M3" => false;
    survivor_of_a_merge_m4_is_judged_by_its_own_class: regulated().identity("2023-05-01"), "M4" => true;

    regulate_m1_is_as_for_every_class: regulated(), "M1" => true;
    regulate_m2_is_as_for_every_class: regulated(), "M2" => true;
    regulate_m3_all_conditions_without_sign: regulated(), "M3" => true;
    regulate_m3_a_measure_is_missing: investigated().class("2022-01-01", "regulate").plan("2022-02-01", &["separation", "renovation"])
        .complete("2022-05-01", &["separation"], &["archive", "sampling_point"]).accept("2022-05-01"), "M3" => false;
    regulate_m3_no_plan: investigated().class("2022-01-01", "regulate")
        .complete("2022-05-01", &["separation"], &["archive", "sampling_point"]).accept("2022-05-01"), "M3" => false;
    regulate_m3_sampling_point_of_its_type_is_missing: investigated().class("2022-01-01", "regulate").plan("2022-02-01", &["separation"])
        .complete("2022-05-01", &["separation"], &["archive"]).accept("2022-05-01"), "M3" => false;
    regulate_m3_sampling_point_exempt_by_decision: investigated().class("2022-01-01", "regulate").plan("2022-02-01", &["separation"])
        .case(day("2022-03-01"), Who::City, json!({"type": "exempt", "what": "construction:sampling_point", "reason": "not_applicable"}))
        .complete("2022-05-01", &["separation"], &["archive"]).accept("2022-05-01"), "M3" => true;
    regulate_m4_without_name_code_sign: regulated(), "M4" => false;
    regulate_m4_without_sign: regulated().name("2023-01-01").code("2023-01-01", "FA-511902-0001-GY-00"), "M4" => false;
    regulate_m4_without_code: regulated().name("2023-01-01").sign("2023-01-01"), "M4" => false;
    regulate_m4_without_name: regulated().code("2023-01-01", "FA-511902-0001-GY-00").sign("2023-01-01"), "M4" => false;
    regulate_m4_all_conditions: regulated().identity("2023-05-01"), "M4" => true;

    none_needed_m1_is_as_for_every_class: investigated().none_needed("2022-05-01"), "M1" => true;
    none_needed_m2_is_as_for_every_class: investigated().none_needed("2022-05-01"), "M2" => true;
    none_needed_m3_class_and_archive: investigated().none_needed("2022-05-01"), "M3" => true;
    none_needed_m3_without_archive: investigated().class("2022-05-01", "none_needed"), "M3" => false;
    none_needed_m3_endorsed_by_the_county_only: investigated().case(day("2022-05-01"), Who::County,
        json!({"type": "classify", "step": "endorse", "classification": "none_needed"})).complete("2022-05-01", &[], &["archive"]), "M3" => false;
    none_needed_m4_needs_the_sign: investigated().none_needed("2022-05-01").name("2023-01-01").code("2023-01-01", "x"), "M4" => false;
    none_needed_m4_all_conditions: investigated().none_needed("2022-05-01").identity("2023-05-01"), "M4" => true;
    none_needed_m4_sign_exempt_by_dictionary: investigated().none_needed("2022-05-01").name("2023-01-01").code("2023-01-01", "x")
        .case(day("2023-01-01"), Who::City, json!({"type": "exempt", "what": "sign", "reason": "underwater"})), "M4" => true;
    none_needed_m4_exemption_not_in_the_dictionary: investigated().none_needed("2022-05-01").name("2023-01-01").code("2023-01-01", "x")
        .case(day("2023-01-01"), Who::City, json!({"type": "exempt", "what": "sign", "reason": "too_expensive"})), "M4" => false;

    undecided_m1_is_as_for_every_class: investigated(), "M1" => true;
    undecided_m2_is_as_for_every_class: investigated(), "M2" => true;
    undecided_m3_is_not_done: investigated().class("2022-01-01", "undecided").complete("2022-05-01", &[], &["archive"]).accept("2022-05-01"), "M3" => false;
    proposed_only_m3_is_not_done: investigated().fact("classification", json!("none_needed")).complete("2022-05-01", &[], &["archive"]), "M3" => false;
    undecided_m4_is_not_done: investigated().identity("2023-05-01"), "M4" => false;

    in_works_m3_is_not_done: investigated().class("2022-01-01", "regulate").plan("2022-02-01", &["separation"]), "M3" => false;
    awaiting_acceptance_m3_is_not_done: investigated().class("2022-01-01", "regulate").plan("2022-02-01", &["separation"])
        .complete("2022-05-01", &["separation"], &["archive", "sampling_point"]), "M3" => false;
    county_check_only_m3_is_not_done: investigated().class("2022-01-01", "regulate").plan("2022-02-01", &["separation"])
        .complete("2022-05-01", &["separation"], &["archive", "sampling_point"]).county_check("2022-05-02"), "M3" => false;
    rejected_m3_is_not_done: investigated().class("2022-01-01", "regulate").plan("2022-02-01", &["separation"])
        .complete("2022-05-01", &["separation"], &["archive", "sampling_point"]).county_check("2022-05-02").city_accepts("2022-05-03", false), "M3" => false;
    awaiting_acceptance_m4_is_not_done: investigated().class("2022-01-01", "regulate").plan("2022-02-01", &["separation"])
        .complete("2022-05-01", &["separation"], &["archive", "sampling_point"]).identity("2023-01-01"), "M4" => false;
    reopened_m1_is_unaffected: regulated().reopen("2023-02-01"), "M1" => true;
    reopened_m2_is_unaffected: regulated().reopen("2023-02-01"), "M2" => true;
}

#[test]
fn reopened_m3_is_done_before_the_re_opening_and_not_from_it_on() {
    let outlet = regulated().reopen("2023-02-01");
    assert!(done(&outlet, "M3", "2023-01-31"));
    assert!(!done(&outlet, "M3", "2023-02-01"));
    let again = outlet.complete("2023-06-01", &["separation"], &["archive", "sampling_point"]).accept("2023-06-20");
    assert!(!done(&again, "M3", "2023-05-31"));
    assert!(done(&again, "M3", "2023-06-01"));
    assert!(done(&again, "M3", "2022-12-31"), "what was done on D stays done as of D");
}

#[test]
fn reopened_m4_is_done_before_the_re_opening_and_not_from_it_on() {
    let outlet = regulated().identity("2022-08-01").reopen("2023-02-01");
    assert!(done(&outlet, "M4", "2023-01-31"));
    assert!(!done(&outlet, "M4", "2023-12-31"));
    let none_needed = investigated().none_needed("2022-05-01").identity("2022-06-01").reopen("2023-02-01");
    assert!(done(&none_needed, "M4", "2023-01-31") && !done(&none_needed, "M4", "2023-02-01"));
}

#[test]
fn a_re_opening_closed_as_unfounded_never_was() {
    let outlet = regulated().reopen("2023-02-01");
    let entry = outlet.last;
    let unfounded = |outlet: Outlet, who| {
        outlet.overruling(entry).by(who).case(
            day("2023-03-01"),
            who,
            json!({"type": "reopen", "observed_on": "2023-02-01", "observation": "查无此事", "unfounded": true}),
        )
    };
    assert!(done(&unfounded(outlet.clone(), Who::City), "M3", "2023-02-15"));
    assert!(!done(&unfounded(outlet, Who::County), "M3", "2023-02-15"), "the county cannot close it");
}

#[test]
fn sign_damaged_later_m4_stays_done_and_becomes_a_problem() {
    let outlet = regulated()
        .identity("2023-05-01")
        .field(day("2023-11-01"), json!({"type": "sign", "state": "damaged", "on": "2023-11-01"}));
    assert!(done(&outlet, "M4", "2023-12-31"));
    let row = outlet.project().row;
    assert_eq!(row.sign_state, "damaged");
    let problem = row.problems.iter().find(|problem| problem.code == "sign_damaged").unwrap();
    assert_eq!(problem.found_on, Some(day("2023-11-01")));
    let repaired = outlet.case(
        day("2023-11-20"),
        Who::County,
        json!({"type": "sign", "state": "repaired", "observed_on": "2023-11-20"}),
    );
    assert_eq!(repaired.project().row.problem_count, 0);
}

#[test]
fn exemptions_and_declared_outlets_are_counted_apart() {
    let banned = investigated().banned("2022-05-01");
    let none_needed = investigated().keyed(2).none_needed("2022-05-01").identity("2023-01-01");
    let sealed = investigated()
        .keyed(3)
        .fact("mouth", json!("sealed"))
        .none_needed("2022-05-01")
        .name("2023-01-01")
        .code("2023-01-01", "x");
    let row = now(&[banned, none_needed, sealed], "M4");
    assert_eq!((row.done, row.of), (3, 3));
    assert_eq!((row.exempt["closed"], row.exempt["sign"]), (1, 1));
    assert_eq!(row.done_of_which["none_needed"], 2);
    let m1 = now(
        &[above()
            .survey("2021-06-01")
            .sample_with("2021-06-01", json!({"kind": "none", "reason": "no_water", "results": []}))
            .trace("2021-06-01")
            .approve("2021-06-02")],
        "M1",
    );
    assert_eq!(m1.done_of_which["without_sample"], 1);
}

#[test]
fn m3_requires_sign_is_a_setting_of_the_set() {
    let mut set = super::set();
    let outlet = regulated();
    let m3 = |set: &super::MilestoneSet| {
        super::fulfilment(&outlet.profile(set), set.milestone("M3").unwrap(), day("2024-01-01")).done
    };
    assert!(m3(&set));
    set.milestones[2].requires_sign = true;
    assert!(!m3(&set));
}

#[test]
fn an_earlier_code_that_was_cancelled_does_not_count() {
    let outlet = regulated().name("2023-01-01").sign("2023-01-01").code("2023-01-01", "FA-511902-0001-GY-00");
    assert!(done_now(&outlet, "M4"));
    let cancelled = outlet.case(
        day("2023-02-01"),
        Who::City,
        json!({"type": "code", "system": "national", "code": "FA-511902-0001-GY-00", "source": "platform", "issued_on": "2023-02-01", "cancelled": true}),
    );
    assert!(!done_now(&cancelled, "M4"));
    assert_eq!(cancelled.project().row.national_code, None);
}
