//! Decisions that a server witnessed count as those of the person they name, and are called so.

use serde_json::{Value, json};

use super::super::testing::{Outlet, Who, day, reference};
use super::super::{Decider, Matter, Objection, ReviewState, explain, objection};
use super::{above, findings, investigated};
use crate::domain::case::CaseEntry;
use crate::identity::{Level, Role};
use crate::ids::PersonId;

/// The witness of a person of the tests' roster, at the server's key, which the roster does not know.
fn witnessed(person: u8, role: &str, level: &str, decision: Value) -> Value {
    let mut entry = decision;
    entry["witness"] = json!({"account": "li", "person": PersonId([person; 16]), "name": "李四", "role": role,
        "level": level, "via": "console"});
    entry
}

fn approval(outlet: &Outlet) -> Value {
    let heads = outlet.field_heads();
    json!({"type": "review", "action": "approve", "field_heads": heads})
}

#[test]
fn a_witnessed_approval_counts_and_is_never_called_signed() {
    let outlet = above().survey("2021-06-01").sample("2021-06-01").trace("2021-06-01").submit("2021-06-01");
    let approval = witnessed(3, "supervisor", "county", approval(&outlet));
    let outlet = outlet.case(day("2021-06-02"), Who::Stranger, approval);
    assert_eq!(outlet.project().row.review_state, ReviewState::Approved);
    let explained = outlet.with(|input| explain(input, reference(), "M2", day("2022-12-31"))).unwrap();
    let by = explained[0].conditions[0].decided_by.clone().unwrap();
    assert_eq!(by, "李四 (county supervisor, witnessed by server)");
}

#[test]
fn nobody_decides_at_the_console_on_what_they_recorded_on_a_device() {
    let outlet = above().by(Who::County).survey("2021-06-01").submit("2021-06-01").by_default();
    let own = witnessed(3, "supervisor", "county", approval(&outlet));
    let outlet = outlet.case(day("2021-06-02"), Who::Stranger, own);
    assert!(findings(&outlet).contains(&"decision_by_author".to_owned()));
    assert_eq!(outlet.project().row.review_state, ReviewState::Submitted);
}

#[test]
fn the_account_level_of_the_witness_is_what_counts() {
    let class = json!({"type": "classify", "step": "decide", "classification": "regulate"});
    let county = witnessed(3, "supervisor", "county", class.clone());
    let outlet = investigated().case(day("2022-01-02"), Who::Stranger, county);
    assert!(findings(&outlet).contains(&"decision_wrong_level".to_owned()));
    assert_eq!(outlet.project().row.classification, None);
    let city = witnessed(5, "supervisor", "city", class);
    let outlet = investigated().case(day("2022-01-02"), Who::Stranger, city);
    assert_eq!(outlet.project().row.classification.as_deref(), Some("regulate"));
}

fn objected(outlet: &Outlet, person: u8, level: Level, decision: &Value) -> Result<(), Objection> {
    let mut decision = decision.clone();
    decision["at"] = json!(0);
    let entry: CaseEntry = serde_json::from_value(decision).unwrap();
    outlet.with(|input| {
        let persons = |key: &crate::ids::PublicKey| (input.authors)(key).map(|author| author.person);
        let matter = Matter {
            key: input.key,
            field: input.field,
            case: input.case,
            scale: outlet.project().row.scale,
            persons: &persons,
            reference: reference(),
        };
        let decider = Decider { person: PersonId([person; 16]), role: Role::Supervisor, level: Some(level) };
        objection(&matter, &decider, &entry)
    })
}

#[test]
fn what_speaks_against_a_decision_is_said_before_it_is_written() {
    use Level::{City, County};
    let outlet = investigated();
    let approve = json!({"type": "review", "action": "approve"});
    assert_eq!(objected(&outlet, 4, County, &approve), Ok(()));
    assert_eq!(objected(&outlet, 1, County, &approve), Err(Objection::OwnRecord));
    let rival = outlet.clone().rival_fact("scale", json!("below")).rival_fact("scale", json!("above"));
    assert!(matches!(objected(&rival, 4, County, &approve), Err(Objection::Conflicts(fields)) if fields == ["scale"]));
    let table = [
        (County, json!({"type": "classify", "step": "decide", "classification": "merge"}), "level"),
        (City, json!({"type": "classify", "step": "decide", "classification": "merg"}), "unknown_code"),
        (
            City,
            json!({"type": "classify", "step": "decide", "classification": "ban"}),
            "ban_without_government_document",
        ),
        (
            County,
            json!({"type": "settle", "field": "state", "value": "not_an_outlet", "reason": "bridge_road_drain"}),
            "level",
        ),
        (City, json!({"type": "settle", "field": "state", "value": "not_an_outlet"}), "unknown_code"),
        (City, json!({"type": "settle", "field": "location", "value": {"lon": 1}}), "not_a_value"),
        (City, json!({"type": "settle", "field": "name", "value": "x"}), "unknown_code"),
        (County, json!({"type": "review", "action": "return"}), "reason_missing"),
        (County, json!({"type": "review", "action": "return", "reasons": ["because"]}), "unknown_code"),
        (City, json!({"type": "accept", "level": "city", "passed": true}), "nothing_reported"),
        (
            City,
            json!({"type": "extend", "until": "2024-06-30", "authority": "市人民政府"}),
            "extension_without_document",
        ),
        (City, json!({"type": "plan", "step": "approve", "due": "2024-06-30"}), "plan_after_deadline"),
        (
            City,
            json!({"type": "classify", "step": "decide", "classification": "regulate", "on": "2022-01-28",
                   "legal_bases": [{"document": "长江保护法"}, {"document": "国办函〔2022〕17号"}]}),
            "legal_basis_not_in_force",
        ),
        (County, json!({"type": "duplicate", "of": outlet.key()}), "own_duplicate"),
        (
            County,
            json!({"type": "review", "action": "open", "overrules": ["00000000000000000000000000000000"]}),
            "overrules_unknown",
        ),
        (County, json!({"type": "known_from"}), "role"),
    ];
    for (level, decision, code) in table {
        let got = objected(&outlet, 9, level, &decision).map_err(|objection| objection.code());
        assert_eq!(got, Err(code), "{decision}");
    }
}

#[test]
fn a_plan_may_end_after_the_statutory_date_once_an_extension_is_recorded() {
    let plan = json!({"type": "plan", "step": "approve", "due": "2024-06-30"});
    let extension = json!({"type": "extend", "until": "2024-06-30", "authority": "市人民政府",
        "document": {"number": "巴府函〔2023〕88号"}});
    let outlet = investigated().case(day("2023-12-01"), Who::City, extension);
    assert_eq!(objected(&outlet, 9, Level::City, &plan), Ok(()));
    let longer = json!({"type": "plan", "step": "approve", "due": "2024-07-31"});
    assert!(matches!(objected(&outlet, 9, Level::City, &longer), Err(Objection::PlanAfterDeadline { .. })));
}

#[test]
fn objection_and_finding_know_one_statutory_date() {
    let plan = |due: &str| json!({"type": "plan", "step": "approve", "measures": ["sealing"], "due": due});
    let below = Outlet::new().fact("scale", json!("below")).investigated("2021-06-01");
    for (outlet, due, late) in [
        (investigated(), "2022-12-31", false),
        (investigated(), "2023-01-01", true),
        (below.clone(), "2023-12-31", false),
        (below, "2024-01-01", true),
    ] {
        let objection = objected(&outlet, 9, Level::City, &plan(due));
        assert_eq!(matches!(objection, Err(Objection::PlanAfterDeadline { .. })), late, "{due}: {objection:?}");
        let planned = outlet.case(day("2022-01-02"), Who::City, plan(due));
        assert_eq!(findings(&planned).contains(&"plan_due_too_late".to_owned()), late, "{due}");
    }
}

#[test]
fn whoever_reported_does_not_accept_also_at_the_console() {
    let report = witnessed(3, "supervisor", "county", json!({"type": "complete"}));
    let outlet = investigated().case(day("2022-05-01"), Who::Stranger, report);
    let check = json!({"type": "accept", "level": "county", "passed": true});
    assert_eq!(objected(&outlet, 3, Level::County, &check), Err(Objection::Reporter));
    assert_eq!(objected(&outlet, 4, Level::County, &check), Ok(()));
}
