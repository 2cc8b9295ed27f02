//! Section 2: who may do what, and how it is undone. What got past admission is ignored by the
//! projection and reported.

use serde_json::{Value, json};

use super::super::testing::{Outlet, Who, day};
use super::super::{LifeCycle, ReviewState};
use super::{above, done_now, findings, investigated};

const PEOPLE: [Who; 4] = [Who::Inspector2, Who::County, Who::City, Who::Admin];

/// Which of inspector, county, city and admin may take a decision on an approved record.
fn allowed(decision: &Value) -> [bool; 4] {
    PEOPLE.map(|who| {
        let outlet = investigated().complete("2022-01-01", &[], &[]);
        let outlet = outlet.by(who).case(day("2022-02-01"), who, decision.clone());
        let entry = outlet.last;
        let refused = outlet
            .project()
            .findings
            .iter()
            .any(|finding| finding.code == "decision_wrong_level" && finding.entries.contains(&entry));
        !refused
    })
}

const NONE_BELOW_COUNTY: [bool; 4] = [false, true, true, true];
const NONE_BELOW_CITY: [bool; 4] = [false, false, true, true];

macro_rules! table {
    ($($name:ident: $decision:tt => $allowed:expr;)*) => {
        $(#[test] fn $name() { assert_eq!(allowed(&json!($decision)), $allowed); })*
    };
}

table! {
    t3_needs_level_3_is_confirmed_by_the_county: {"type": "settle", "field": "state", "value": "needs_level_3"} => NONE_BELOW_COUNTY;
    t4_a_listed_outlet_becomes_no_outlet_only_by_the_city: {"type": "settle", "field": "state", "value": "not_an_outlet", "reason": "x"} => NONE_BELOW_CITY;
    t6_return_by_the_county: {"type": "review", "action": "return", "reasons": ["position_off"]} => NONE_BELOW_COUNTY;
    t7_approve_by_the_county: {"type": "review", "action": "approve"} => NONE_BELOW_COUNTY;
    t8_duplicate_by_the_county: {"type": "duplicate", "of": Outlet::numbered(9).key()} => NONE_BELOW_COUNTY;
    t8_duplicate_across_counties_by_the_city: {"type": "duplicate", "of": "field/511921/01890a5d-ac96-774b-bcce-b302099a8057"} => NONE_BELOW_CITY;
    t10_party_by_the_county: {"type": "party", "primary": {"name": "某厂"}} => NONE_BELOW_COUNTY;
    t11_class_endorsed_by_the_county: {"type": "classify", "step": "endorse", "classification": "ban"} => NONE_BELOW_COUNTY;
    t11_class_decided_by_the_city: {"type": "classify", "step": "decide", "classification": "ban"} => NONE_BELOW_CITY;
    t13_plan_drafted_by_the_county: {"type": "plan", "step": "draft"} => NONE_BELOW_COUNTY;
    t13_plan_approved_by_the_city: {"type": "plan", "step": "approve"} => NONE_BELOW_CITY;
    t14_completion_reported_by_the_county: {"type": "complete"} => NONE_BELOW_COUNTY;
    t15_first_check_by_the_county: {"type": "accept", "level": "county", "passed": true} => NONE_BELOW_COUNTY;
    t15_acceptance_by_the_city: {"type": "accept", "level": "city", "passed": true} => NONE_BELOW_CITY;
    t17_reopened_by_the_county: {"type": "reopen", "observed_on": "2022-02-01", "observation": "x"} => NONE_BELOW_COUNTY;
    t17_closed_as_unfounded_by_the_city: {"type": "reopen", "observed_on": "2022-02-01", "observation": "x", "unfounded": true} => NONE_BELOW_CITY;
    t18_name_by_the_county: {"type": "name", "name": "x"} => NONE_BELOW_COUNTY;
    t18_code_by_the_city: {"type": "code", "system": "national", "code": "x", "source": "platform"} => NONE_BELOW_CITY;
    t19_extension_recorded_by_the_city: {"type": "extend", "authority": "市人民政府"} => NONE_BELOW_CITY;
    t20_lead_sent_by_the_county: {"type": "enforcement", "step": "lead"} => NONE_BELOW_COUNTY;
    exemption_by_the_city: {"type": "exempt", "what": "sign", "reason": "underwater"} => NONE_BELOW_CITY;
}

#[test]
fn t4_a_suspect_becomes_no_outlet_by_the_county() {
    let outlet = Outlet::suspected().photo("2021-05-01", "near").case(
        day("2021-05-02"),
        Who::County,
        json!({"type": "settle", "field": "state", "value": "not_an_outlet", "reason": "road_drain"}),
    );
    assert_eq!(outlet.project().row.state, LifeCycle::NotAnOutlet);
}

#[test]
fn nobody_decides_on_a_record_they_authored() {
    let own = above().by(Who::County).survey("2021-06-01").submit("2021-06-01").approve("2021-06-02");
    assert!(findings(&own).contains(&"decision_by_author".to_owned()));
    assert_eq!(own.project().row.review_state, ReviewState::Submitted);
    let other =
        above().by(Who::County).survey("2021-06-01").submit("2021-06-01").by(Who::County2).approve("2021-06-02");
    assert_eq!(other.project().row.review_state, ReviewState::Approved);
    let recheck =
        investigated().by(Who::County).recheck("2022-01-01").by_default().review("2022-01-02", "approve", &[]);
    assert!(!findings(&recheck).contains(&"decision_by_author".to_owned()), "a re-check is no authorship");
}

#[test]
fn nobody_accepts_what_they_reported() {
    let outlet = investigated()
        .class("2022-01-01", "regulate")
        .plan("2022-01-02", &["separation"])
        .by(Who::City)
        .complete("2022-05-01", &["separation"], &["archive", "sampling_point"])
        .by_default()
        .accept("2022-05-10");
    assert!(findings(&outlet).contains(&"accepted_by_reporter".to_owned()));
    assert!(!done_now(&outlet, "M3"));
    assert!(done_now(&outlet.by(Who::City2).city_accepts("2022-05-11", true), "M3"));
}

#[test]
fn the_first_check_by_the_reporter_is_a_setting() {
    let outlet = investigated()
        .class("2022-01-01", "regulate")
        .plan("2022-01-02", &["separation"])
        .by(Who::County)
        .complete("2022-05-01", &["separation"], &["archive", "sampling_point"])
        .by_default()
        .accept("2022-05-10");
    let done = |set: &super::MilestoneSet| {
        super::fulfilment(&outlet.profile(set), set.milestone("M3").unwrap(), day("2024-01-01")).done
    };
    let mut set = super::set();
    assert!(!done(&set));
    set.acceptance.reporter_may_check = true;
    assert!(done(&set));
}

#[test]
fn a_stranger_decides_nothing() {
    let outlet = above().survey("2021-06-01").by(Who::Stranger).approve("2021-06-02");
    assert!(findings(&outlet).contains(&"decision_unknown_author".to_owned()));
    assert_ne!(outlet.project().row.review_state, ReviewState::Approved);
}

#[test]
fn a_county_cannot_overrule_the_city() {
    let outlet = investigated().class("2022-01-01", "ban");
    let decision = outlet.last;
    let outlet = outlet.overruling(decision).case(
        day("2022-02-01"),
        Who::County,
        json!({"type": "classify", "step": "endorse", "classification": "regulate"}),
    );
    assert!(findings(&outlet).contains(&"overrules_higher_level".to_owned()));
    assert_eq!(outlet.project().row.classification.as_deref(), Some("ban"));
}

#[test]
fn concurrent_decisions_gate_the_row_until_one_is_chosen_by_name() {
    let first = investigated().class("2022-01-01", "ban");
    let ban = first.last;
    let both = first.unaware().by(Who::City2).class("2022-01-02", "regulate").by_default();
    let row = both.project().row;
    assert_eq!(row.classification, None);
    assert!(findings(&both).contains(&"concurrent_decisions".to_owned()));
    let unnamed = both.clone().class("2022-02-01", "regulate");
    assert_eq!(unnamed.project().row.classification, None, "seeing both is not choosing");
    let chosen = both.overruling(ban).class("2022-02-01", "regulate");
    assert_eq!(chosen.project().row.classification.as_deref(), Some("regulate"));
    assert!(!findings(&chosen).contains(&"concurrent_decisions".to_owned()));
}

#[test]
fn concurrent_decisions_that_agree_gate_nothing() {
    let both = investigated().class("2022-01-01", "ban").unaware().by(Who::City2).class("2022-01-02", "ban");
    assert_eq!(both.project().row.classification.as_deref(), Some("ban"));
}

#[test]
fn a_concurrent_return_gates_the_approval() {
    let outlet = above().survey("2021-06-01").submit("2021-06-01").approve("2021-06-02");
    let approval = outlet.last;
    let both = outlet.unaware().by(Who::County2).review("2021-06-02", "return", &["survey"]).by_default();
    assert_eq!(both.project().row.review_state, ReviewState::Gated);
    let chosen = both.overruling(approval).review("2021-06-03", "return", &[]);
    assert_eq!(chosen.project().row.review_state, ReviewState::Returned);
}

#[test]
fn t7_a_later_edit_reads_approved_amended_since_and_keeps_the_approved_value() {
    let outlet = investigated().fact("entry_mode", json!("box_culvert"));
    let row = outlet.project().row;
    assert_eq!(row.review_state, ReviewState::ApprovedAmended);
    assert_eq!((row.entry_mode.as_deref(), row.amended), (Some("pipe"), vec!["entry_mode".to_owned()]));
    let again = outlet.approve("2022-01-01").project().row;
    assert_eq!((again.review_state, again.entry_mode.as_deref()), (ReviewState::Approved, Some("box_culvert")));
}

#[test]
fn t7_revoked_with_reason() {
    let outlet = investigated();
    assert!(done_now(&outlet, "M1"));
    let revoked = outlet.review("2021-07-01", "revoke", &["trace"]);
    assert!(!done_now(&revoked, "M1"));
    assert_eq!(revoked.project().row.review_state, ReviewState::PartlyApproved);
}

#[test]
fn t7_an_open_conflict_of_a_gated_fact_forbids_approval() {
    let conflict = above().rival_fact("county", json!("511903")).survey("2021-06-01").submit("2021-06-01");
    let entry = |outlet: &Outlet| outlet.project();
    let approved = conflict.clone().approve("2021-06-02");
    let projection = entry(&approved);
    assert!(projection.findings.iter().any(|finding| finding.code == "approval_over_conflict"));
    assert_eq!(projection.row.conflicts, ["county"]);
    assert_eq!(projection.row.review_state, ReviewState::Submitted);
    let rivals: Vec<_> = crate::doc::facts(conflict.field_entries())["county"].iter().map(|own| own.entry).collect();
    let settled = conflict
        .overruling(rivals[0])
        .overruling(rivals[1])
        .case(day("2021-06-02"), Who::County, json!({"type": "settle", "field": "county", "value": "511903"}))
        .approve("2021-06-03");
    let row = settled.project().row;
    assert_eq!((row.county.as_deref(), row.review_state), (Some("511903"), ReviewState::Approved));
    assert!(row.conflicts.is_empty());
}

#[test]
fn a_conflict_shows_nothing_and_no_ordinary_save_ends_it() {
    let conflict =
        Outlet::new().rival_fact("scale", json!("above")).by(Who::Inspector).rival_fact("scale", json!("below"));
    assert_eq!(conflict.project().row.conflicts, ["scale"]);
    let saved = conflict.fact("scale", json!("above"));
    assert_eq!(saved.project().row.conflicts, ["scale"], "seeing both is not choosing");
}

#[test]
fn a_settled_fact_that_is_asserted_again_is_a_finding() {
    let settled = investigated().case(
        day("2022-01-01"),
        Who::County,
        json!({"type": "settle", "field": "county", "value": "511902"}),
    );
    assert!(!findings(&settled).contains(&"asserted_after_decision".to_owned()));
    let later = settled.fact("county", json!("511903"));
    assert!(findings(&later).contains(&"asserted_after_decision".to_owned()));
    assert_eq!(later.project().row.county.as_deref(), Some("511902"));
}

#[test]
fn the_life_of_an_outlet_is_a_projection_of_its_decisions() {
    let life = |outlet: &Outlet| outlet.project().row.state;
    let outlet = Outlet::suspected();
    assert_eq!(life(&outlet), LifeCycle::Suspected);
    assert_eq!(life(&outlet.fact("state", json!("needs_level_3"))), LifeCycle::NeedsLevel3);
    let outlet = above().survey("2021-06-01");
    assert_eq!(life(&outlet), LifeCycle::Surveying);
    let outlet = outlet.sample("2021-06-01").trace("2021-06-01").submit("2021-06-01");
    assert_eq!(life(&outlet), LifeCycle::Submitted);
    let outlet = outlet.approve("2021-06-02");
    assert_eq!(life(&outlet), LifeCycle::Listed);
    let outlet = outlet.class("2022-01-01", "regulate");
    assert_eq!(life(&outlet), LifeCycle::Decided);
    let outlet = outlet.plan("2022-02-01", &["separation"]);
    assert_eq!(life(&outlet), LifeCycle::PlanApproved);
    let outlet = outlet.field(day("2022-03-01"), json!({"type": "progress", "on": "2022-03-01", "text": "开工"}));
    assert_eq!(life(&outlet), LifeCycle::Rectifying);
    let outlet = outlet.complete("2022-05-01", &["separation"], &["archive", "sampling_point"]);
    assert_eq!(life(&outlet), LifeCycle::CompletionReported);
    let outlet = outlet.county_check("2022-05-02");
    assert_eq!(life(&outlet), LifeCycle::CountyPassed);
    assert_eq!(life(&outlet.clone().city_accepts("2022-05-03", false)), LifeCycle::Rejected);
    let outlet = outlet.city_accepts("2022-05-03", true);
    assert_eq!(life(&outlet), LifeCycle::InService);
    assert_eq!(life(&outlet.reopen("2022-08-01")), LifeCycle::Reopened);
    assert_eq!(life(&investigated().banned("2022-05-01")), LifeCycle::Closed);
}

#[test]
fn the_life_of_an_outlet_can_be_read_as_of_any_day() {
    let outlet = investigated().regulated("2022-05-01").reopen("2022-08-01");
    let life = |on: &str| outlet.project_at(on).row.state;
    assert_eq!(life("2021-12-31"), LifeCycle::Listed);
    assert_eq!(life("2022-05-01"), LifeCycle::InService);
    assert_eq!(life("2022-08-01"), LifeCycle::Reopened);
    assert_eq!(outlet.project_at("2021-12-31").row.classification, None);
}

#[test]
fn t14_a_completion_taken_back_is_none() {
    let outlet = investigated().class("2022-01-01", "regulate").complete("2022-05-01", &[], &["archive"]);
    let withdrawn = outlet.complete_with("2022-05-10", json!({"withdrawn": true}));
    assert_eq!(withdrawn.project().row.state, LifeCycle::Decided);
}
