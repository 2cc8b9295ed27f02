//! 1.2: who is in the denominator.

use serde_json::json;

use super::super::testing::{Outlet, Who, day};
use super::{above, investigated, now, part};

#[derive(Debug, PartialEq, Clone, Copy)]
enum Cell {
    In,
    Done,
    Out,
    /// Out of the headline, not done in the strict share.
    Strict,
}

/// Where the first outlet stands in a column, the others being survivors and the like.
fn cell(outlets: &[Outlet], column: &str) -> Cell {
    let (milestone, condition) = column.split_once(' ').unwrap_or((column, "all"));
    let with = now(outlets, milestone);
    let without = now(&outlets[1..], milestone);
    let counts = |row: &_| if condition == "all" { count(row) } else { part(row, condition) };
    let (with_done, with_of) = counts(&with);
    let (without_done, without_of) = counts(&without);
    match (with_of - without_of, with_done - without_done) {
        (1, 0) => Cell::In,
        (1, 1) => Cell::Done,
        (0, 0) if with.scale_undetermined > without.scale_undetermined => Cell::Strict,
        (0, 0) => Cell::Out,
        other => panic!("{column}: {other:?}"),
    }
}

fn count(row: &super::super::ProgressRow) -> (usize, usize) {
    (row.done, row.of)
}

macro_rules! cells {
    ($($name:ident: $outlets:expr, $column:literal => $cell:expr;)*) => {
        $(#[test] fn $name() { assert_eq!(cell(&$outlets, $column), $cell); })*
    };
}

fn suspect() -> [Outlet; 1] {
    [Outlet::suspected()]
}

fn not_an_outlet() -> [Outlet; 1] {
    let proposed = Outlet::suspected().photo("2021-05-01", "near").fact_with(
        "state",
        json!("not_an_outlet"),
        &[("reason", "road_drain")],
    );
    [settle_state(proposed, Who::County)]
}

fn settle_state(outlet: Outlet, who: Who) -> Outlet {
    outlet.case(
        day("2021-05-02"),
        who,
        json!({"type": "settle", "field": "state", "value": "not_an_outlet", "reason": "road_drain"}),
    )
}

fn unreviewed() -> [Outlet; 1] {
    [above().survey("2021-06-01").sample("2021-06-01").trace("2021-06-01").submit("2021-06-02")]
}

fn duplicate() -> [Outlet; 2] {
    let survivor = above().keyed(2);
    let of = survivor.key();
    let first = above().survey("2021-03-01").submit("2021-03-01").approve("2021-03-05");
    [first.case(day("2021-04-01"), Who::County, json!({"type": "duplicate", "of": of})), survivor]
}

fn banned_and_closed() -> [Outlet; 1] {
    [investigated().banned("2022-05-01")]
}

fn ban_decided() -> [Outlet; 1] {
    [investigated().class("2022-01-10", "ban")]
}

fn merged() -> [Outlet; 1] {
    [investigated().merged("2022-05-01")]
}

fn regulate() -> [Outlet; 1] {
    [investigated().class("2022-01-10", "regulate")]
}

fn none_needed() -> [Outlet; 1] {
    [investigated().none_needed("2022-01-10")]
}

fn set_up_later() -> [Outlet; 1] {
    [investigated().fact("set_up", json!("new")).fact("exists_from", json!("2024-02-01"))]
}

fn enlarged_later() -> [Outlet; 1] {
    [investigated().fact("set_up", json!("enlarged")).fact("exists_from", json!("2024-02-01"))]
}

fn sealed_before() -> [Outlet; 1] {
    let sealed = above().fact("mouth", json!("sealed")).survey("2021-06-01");
    let sealed = sealed.sample_with("2021-06-01", json!({"kind": "none", "reason": "no_water", "results": []}));
    [sealed.trace("2021-06-01").submit("2021-06-01").approve("2021-06-05")]
}

fn scale_unknown() -> [Outlet; 1] {
    [Outlet::new().investigated("2021-06-01")]
}

fn extended() -> [Outlet; 1] {
    [above().survey("2021-06-01").case(
        day("2022-12-01"),
        Who::City,
        json!({"type": "extend", "until": "2023-06-30", "authority": "市人民政府", "document": {"number": "巴府函1号", "dated": "2022-12-01"}}),
    )]
}

cells! {
    open_suspect_m1_survey_is_in_not_done: suspect(), "M1 survey" => Cell::In;
    open_suspect_m1_all_three_is_in_not_done: suspect(), "M1" => Cell::In;
    open_suspect_m1_sample_is_out: suspect(), "M1 sample" => Cell::Out;
    open_suspect_m1_trace_is_out: suspect(), "M1 trace" => Cell::Out;
    open_suspect_m2_is_in_not_done: suspect(), "M2" => Cell::In;
    open_suspect_m3_is_out_and_shown: suspect(), "M3" => Cell::Out;
    open_suspect_m4_is_out_and_shown: suspect(), "M4" => Cell::Out;

    not_an_outlet_m1_survey_is_out: not_an_outlet(), "M1 survey" => Cell::Out;
    not_an_outlet_m1_sample_is_out: not_an_outlet(), "M1 sample" => Cell::Out;
    not_an_outlet_m2_is_out: not_an_outlet(), "M2" => Cell::Out;
    not_an_outlet_m3_is_out: not_an_outlet(), "M3" => Cell::Out;
    not_an_outlet_m4_is_out: not_an_outlet(), "M4" => Cell::Out;

    submitted_not_reviewed_m1_survey_is_in_not_done: unreviewed(), "M1 survey" => Cell::In;
    submitted_not_reviewed_m1_sample_is_in_not_done: unreviewed(), "M1 sample" => Cell::In;
    submitted_not_reviewed_m1_trace_is_in_not_done: unreviewed(), "M1 trace" => Cell::In;
    submitted_not_reviewed_m2_is_in_not_done: unreviewed(), "M2" => Cell::In;
    submitted_not_reviewed_m3_is_in_if_scope: unreviewed(), "M3" => Cell::In;
    submitted_not_reviewed_m4_is_in: unreviewed(), "M4" => Cell::In;

    duplicate_m1_all_three_is_out: duplicate(), "M1" => Cell::Out;
    duplicate_m1_sample_is_out: duplicate(), "M1 sample" => Cell::Out;
    duplicate_m2_is_out: duplicate(), "M2" => Cell::Out;
    duplicate_m3_is_out: duplicate(), "M3" => Cell::Out;
    duplicate_m4_is_out: duplicate(), "M4" => Cell::Out;

    ban_after_closure_m1_survey_is_in: banned_and_closed(), "M1 survey" => Cell::Done;
    ban_after_closure_m1_sample_is_in: banned_and_closed(), "M1 sample" => Cell::Done;
    ban_after_closure_m2_is_in: banned_and_closed(), "M2" => Cell::Done;
    ban_after_closure_m3_is_in: banned_and_closed(), "M3" => Cell::Done;
    ban_after_closure_m4_is_in: banned_and_closed(), "M4" => Cell::Done;
    ban_decided_m3_is_in: ban_decided(), "M3" => Cell::In;
    ban_decided_m4_is_in: ban_decided(), "M4" => Cell::In;

    merged_m1_survey_is_in: merged(), "M1 survey" => Cell::Done;
    merged_m1_trace_is_in: merged(), "M1 trace" => Cell::Done;
    merged_m2_is_in: merged(), "M2" => Cell::Done;
    merged_m3_is_in: merged(), "M3" => Cell::Done;
    merged_m4_is_in: merged(), "M4" => Cell::Done;

    regulate_m1_is_in: regulate(), "M1" => Cell::Done;
    regulate_m2_is_in: regulate(), "M2" => Cell::Done;
    regulate_m3_is_in_if_scope: regulate(), "M3" => Cell::In;
    regulate_m4_is_in: regulate(), "M4" => Cell::In;
    none_needed_m3_is_in_if_scope: none_needed(), "M3" => Cell::Done;
    none_needed_m4_is_in: none_needed(), "M4" => Cell::In;
    undecided_m3_is_in_if_scope: [investigated()], "M3" => Cell::In;
    undecided_m4_is_in: [investigated()], "M4" => Cell::In;

    set_up_after_the_cut_off_m1_is_out: set_up_later(), "M1" => Cell::Out;
    set_up_after_the_cut_off_m1_sample_is_out: set_up_later(), "M1 sample" => Cell::Out;
    set_up_after_the_cut_off_m2_is_out: set_up_later(), "M2" => Cell::Out;
    set_up_after_the_cut_off_m3_is_out: set_up_later(), "M3" => Cell::Out;
    set_up_after_the_cut_off_m4_is_out: set_up_later(), "M4" => Cell::Out;
    enlarged_after_the_cut_off_m1_stays_in: enlarged_later(), "M1" => Cell::Done;
    enlarged_after_the_cut_off_m4_stays_in: enlarged_later(), "M4" => Cell::In;

    sealed_before_the_first_survey_m1_is_in_by_substitute: sealed_before(), "M1" => Cell::Done;
    sealed_before_the_first_survey_m1_sample_is_in: sealed_before(), "M1 sample" => Cell::Done;
    sealed_before_the_first_survey_m2_is_in: sealed_before(), "M2" => Cell::Done;
    sealed_before_the_first_survey_m3_is_in_if_scope: sealed_before(), "M3" => Cell::In;
    sealed_before_the_first_survey_m3_class_makes_it_done:
        [sealed_before()[0].clone().none_needed("2022-01-01")], "M3" => Cell::Done;
    sealed_before_the_first_survey_m4_is_in: sealed_before(), "M4" => Cell::In;

    scale_undetermined_m1_is_in: scale_unknown(), "M1" => Cell::Done;
    scale_undetermined_m3_is_out_of_the_headline: scale_unknown(), "M3" => Cell::Strict;
    scale_undetermined_m4_is_in: scale_unknown(), "M4" => Cell::In;

    extended_m1_is_in_by_facts: extended(), "M1" => Cell::In;
    extended_m1_sample_is_in_by_facts: extended(), "M1 sample" => Cell::In;
    extended_m2_is_in_by_facts: extended(), "M2" => Cell::In;
    extended_m3_is_in_by_facts: extended(), "M3" => Cell::In;
    extended_m4_is_in_by_facts: extended(), "M4" => Cell::In;
}

#[test]
fn each_reason_is_counted_under_its_name() {
    for (outlets, milestone, name) in [
        (not_an_outlet().to_vec(), "M1", "not_an_outlet"),
        (duplicate().to_vec(), "M2", "duplicate"),
        (set_up_later().to_vec(), "M4", "set_up_after"),
    ] {
        assert_eq!(now(&outlets, milestone).excluded.get(name), Some(&1), "{name}");
    }
    for milestone in ["M1", "M2", "M3", "M4"] {
        assert_eq!(now(&suspect(), milestone).open_suspects, 1, "{milestone}");
    }
    assert_eq!(now(&unreviewed(), "M1").pending_review, 1);
    assert_eq!(now(&extended(), "M3").extended, 1);
    let row = now(&[scale_unknown()[0].clone(), investigated().keyed(2).regulated("2022-05-01")], "M3");
    assert_eq!((row.scale_undetermined, row.share, row.share_strict), (1, Some(100.0), Some(50.0)));
}

#[test]
fn level_3_and_no_access_are_open_suspects() {
    let level_3 = Outlet::suspected().fact("state", json!("needs_level_3"));
    let no_access = Outlet::suspected().visit("2021-06-01", json!({"outcome": "no_access"}));
    for outlet in [level_3, no_access] {
        let row = now(&[outlet], "M1");
        assert_eq!((row.open_suspects, row.of, row.done), (1, 1, 0));
    }
}

#[test]
fn a_proposal_of_not_an_outlet_removes_nothing() {
    let proposed = Outlet::suspected().photo("2021-05-01", "near").fact_with(
        "state",
        json!("not_an_outlet"),
        &[("reason", "road_drain")],
    );
    assert_eq!(cell(&[proposed], "M2"), Cell::In);
    let of_an_outlet = above().fact("state", json!("not_an_outlet"));
    assert_eq!(cell(std::slice::from_ref(&of_an_outlet), "M3"), Cell::In, "it stays an outlet until somebody decides");
}

#[test]
fn not_an_outlet_without_reason_or_photo_stays_in() {
    let bare = settle_state(Outlet::suspected(), Who::County);
    assert_eq!(cell(std::slice::from_ref(&bare), "M1 survey"), Cell::In);
    assert!(super::findings(&bare).contains(&"not_an_outlet_incomplete".to_owned()));
}

#[test]
fn facts_of_a_duplicate_count_for_the_survivor_and_the_earliest_date_wins() {
    let survivor = above().keyed(2).survey("2021-06-01").submit("2021-06-01").approve("2021-06-02");
    let of = survivor.key();
    let first = above().survey("2021-03-01").trace("2021-04-01").submit("2021-04-01").approve("2021-04-05");
    let duplicate = first.case(day("2021-07-01"), Who::County, json!({"type": "duplicate", "of": of}));
    let (profiles, findings) =
        super::absorb([survivor, duplicate].iter().map(|outlet| outlet.profile(&super::set())).collect());
    let survivor = profiles.iter().find(|profile| profile.key == of).unwrap();
    let date = |condition| survivor.fixed[&condition].date.map(|day| day.to_string());
    assert_eq!(date(super::super::Condition::Survey).as_deref(), Some("2021-03-01"));
    assert_eq!(date(super::super::Condition::Trace).as_deref(), Some("2021-04-01"));
    assert!(findings.is_empty());
}

#[test]
fn duplicates_in_a_circle_or_of_nobody_lose_no_outlet() {
    let (first, second) = (above().keyed(1), above().keyed(2));
    let (key_1, key_2) = (first.key(), second.key());
    let link = |outlet: Outlet, of| outlet.case(day("2021-07-01"), Who::County, json!({"type": "duplicate", "of": of}));
    let circle = [link(first, key_2), link(second, key_1)];
    let row = now(&circle, "M4");
    assert_eq!((row.of, row.excluded.get("duplicate")), (1, Some(&1)));
    let orphan = link(above().keyed(3), key_1);
    assert_eq!(now(&[orphan], "M4").of, 1);
}

#[test]
fn a_merge_into_an_outlet_that_is_in_no_ledger_is_a_finding() {
    let target = Outlet::numbered(9).key();
    let merged = investigated().class("2022-05-01", "merge").complete_with(
        "2022-05-01",
        json!({"items": ["mouth_sealed", "connected"], "merged_into": {"kind": "outlet", "outlet": target}}),
    );
    let codes = |outlets: &[Outlet]| -> Vec<String> {
        let (_, findings) = super::absorb(outlets.iter().map(|outlet| outlet.profile(&super::set())).collect());
        findings.into_iter().map(|(_, finding)| finding.code).collect()
    };
    assert_eq!(codes(std::slice::from_ref(&merged)), ["merged_into_unknown"]);
    assert!(codes(&[merged, above().keyed(9)]).is_empty());
}

#[test]
fn a_lifted_duplicate_counts_again() {
    let [duplicate, survivor] = duplicate();
    let of = survivor.key();
    let lifted = duplicate.case(day("2021-05-01"), Who::County, json!({"type": "duplicate", "of": of, "lifted": true}));
    assert_eq!(cell(&[lifted, survivor], "M4"), Cell::In);
}

#[test]
fn a_record_moved_to_another_collection_counts_once() {
    let (old, new) = (above().keyed(1), above().keyed(2));
    let (old_key, new_key) = (old.key(), new.key());
    let old = old.field(day("2021-02-01"), json!({"type": "moved", "direction": "to", "other": new_key}));
    assert_eq!(now(&[old.clone(), new.clone()], "M4").of, 2, "until the successor says so too");
    let new = new.field(day("2021-02-01"), json!({"type": "moved", "direction": "from", "other": old_key}));
    assert_eq!(now(&[old, new], "M4").of, 1);
}
