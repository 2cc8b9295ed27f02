//! Coverage, walks, schedules and limits by example.

use serde_json::json;

use super::*;
use crate::domain::dictionary::Dictionaries;
use crate::domain::field::{Measurement, Walk};
use crate::domain::reference::{Assignment, ReferenceEntry};
use crate::ids::{Collection, OutletId, PersonId};
use crate::ledger::{LedgerRow, LifeCycle};
use crate::time::{Day, Timestamp};

fn day(text: &str) -> Day {
    text.parse().unwrap()
}

fn row(state: LifeCycle, surveyed: Option<&str>) -> LedgerRow {
    let mut row = crate::ledger::testing::Outlet::new().project().row;
    row.state = state;
    row.surveyed_on = surveyed.map(day);
    row.township = Some("东城街道".to_owned());
    row.source_list = Some("遥感".to_owned());
    row
}

#[test]
fn every_suspected_point_ends_as_one_of_four_or_is_open() {
    let mut refused = row(LifeCycle::NotAnOutlet, Some("2021-05-01"));
    refused.state_reason = Some("road_drain".to_owned());
    let rows = [
        row(LifeCycle::Suspected, None),
        row(LifeCycle::Surveying, None),
        row(LifeCycle::Submitted, Some("2021-05-01")),
        row(LifeCycle::NeedsLevel3, Some("2021-05-01")),
        row(LifeCycle::Duplicate, Some("2021-05-01")),
        refused,
    ];
    let lines = coverage(&rows, CoverageBy::Township);
    let line = &lines[0];
    assert_eq!((lines.len(), line.group.as_str(), line.points), (1, "东城街道", 6));
    assert_eq!((line.open, line.surveyed, line.needs_level_3, line.elsewhere, line.not_an_outlet), (2, 1, 1, 1, 1));
    assert_eq!(line.reasons["road_drain"], 1);
    let mut own = row(LifeCycle::Listed, Some("2021-05-01"));
    own.source_list = None;
    assert!(coverage(&[own], CoverageBy::Waterbody).is_empty(), "what was found on the way is no point of a list");
}

const SCOPE: &str = "format = 1\nversion = \"1\"\n[[reach]]\nname = \"巴河城区段\"\nwaterbody = \"巴河\"\nlength_m = 1000\n\
                     [[reach]]\nname = \"恩阳河口段\"\nwaterbody = \"恩阳河\"\nlength_m = 500\nbanks = \"left\"\n";

#[test]
fn bank_walked_twice_counts_once_and_nothing_found_is_a_statement() {
    let scope = WalkScope::parse(SCOPE).unwrap();
    let walk = |bank: &str, from: f64, to: f64, found| Walk {
        waterbody: "巴河".to_owned(),
        reach: Some("巴河城区段".to_owned()),
        bank: bank.to_owned(),
        from_m: Some(from),
        to_m: Some(to),
        on: Some(day("2021-04-01")),
        found,
        ..Walk::default()
    };
    let outside =
        Walk { reach: None, length_m: Some(300.0), from_m: None, to_m: None, ..walk("right", 0.0, 0.0, None) };
    let walks = [walk("left", 0.0, 600.0, Some(2)), walk("both", 800.0, 400.0, Some(0)), outside];
    let lines = walked(&scope, &walks);
    let find = |reach: &str, bank: &str| lines.iter().find(|line| line.reach == reach && line.bank == bank).unwrap();
    let left = find("巴河城区段", "left");
    assert_eq!((left.walked_m, left.share(), left.walks, left.nothing_found, left.found), (800.0, Some(80.0), 2, 1, 2));
    assert_eq!(find("巴河城区段", "right").walked_m, 400.0);
    assert_eq!(find("恩阳河口段", "left").share(), Some(0.0));
    assert_eq!((find("", "right").walked_m, find("", "right").share()), (300.0, None));
    for (from, to) in [("1000", "0"), ("巴河城区段", "恩阳河口段"), ("left", "middle")] {
        assert!(WalkScope::parse(&SCOPE.replacen(from, to, 1)).is_err(), "{from}");
    }
}

const SCHEDULE: &str = "format = 1\nversion = \"1\"\n[[rule]]\ntypes = [\"industrial\"]\nroutine_days = 30\n\
                        supervisory_days = 90\nclosed_days = 180\nsource = \"test\"\n[[rule]]\ntypes = [\"*\"]\n\
                        routine_days = 365\nsource = \"test\"\n";

#[test]
fn inspections_are_due_by_type_and_a_closed_outlet_is_looked_at_too() {
    let (schedule, dictionaries) = (Schedule::parse(SCHEDULE).unwrap(), Dictionaries::embedded());
    let mut outlet = row(LifeCycle::InService, Some("2021-05-01"));
    outlet.outlet_type = Some("tailings".to_owned());
    outlet.accepted_on = Some(day("2022-01-01"));
    let due_on = |outlet: &LedgerRow, today| due(outlet, &schedule, &dictionaries, day(today), 7);
    let all = due_on(&outlet, "2022-02-01");
    assert_eq!(
        (all[0].kind, all[0].on, all[0].state, all[0].days),
        (DueKind::Routine, day("2022-01-31"), DueState::Overdue, 1)
    );
    assert_eq!((all[1].on, all[1].state, all[1].last), (day("2022-04-01"), DueState::Later, None));
    outlet.inspected_on = Some(day("2022-01-20"));
    assert_eq!(due_on(&outlet, "2022-02-13")[0].state, DueState::Due);
    outlet.state = LifeCycle::Closed;
    let closed = due_on(&outlet, "2022-02-13");
    assert_eq!((closed.len(), closed[0].on), (1, day("2022-07-19")));
    outlet.outlet_type = Some("urban_storm".to_owned());
    assert!(due_on(&outlet, "2022-02-13").is_empty(), "the rule for all types says nothing of closed ones");
    outlet.state = LifeCycle::Suspected;
    assert!(due_on(&outlet, "2022-02-13").is_empty());
    assert!(matches!(Schedule::parse(&SCHEDULE.replacen("30", "0", 1)), Err(ScheduleError::Rule(1))));
}

#[test]
fn results_are_compared_with_the_permit_in_its_own_unit() {
    let dictionaries = Dictionaries::embedded();
    assert_eq!(parse_limit("COD=50", &dictionaries), Ok(("cod".to_owned(), json!(50.0))));
    assert_eq!(parse_limit("ph=6..9", &dictionaries), Ok(("ph".to_owned(), json!([6.0, 9.0]))));
    for wrong in ["cod", "cod=many", "ph=9..6", "nonsense=1"] {
        assert!(parse_limit(wrong, &dictionaries).is_err(), "{wrong}");
    }
    let result = |parameter: &str, value: f64, unit: &str, qualifier: Option<&str>| Measurement {
        parameter: parameter.to_owned(),
        value: Some(value),
        unit: unit.to_owned(),
        qualifier: qualifier.map(str::to_owned),
    };
    let limits = json!({"cod": 50.0, "nh3_n": 5.0, "ph": [6.0, 9.0]});
    let unit = |parameter: &str| {
        dictionaries.get("parameter").unwrap().term(parameter).unwrap().attribute("unit").unwrap_or_default().to_owned()
    };
    let results = [
        result("cod", 50.1, &unit("cod"), None),
        result("nh3_n", 9.0, &unit("nh3_n"), Some("<")),
        result("ph", 5.9, &unit("ph"), None),
        result("cod", 99.0, "kg/m3", None),
        result("tp", 99.0, &unit("tp"), None),
    ];
    assert_eq!(exceeded(&limits, &results, &dictionaries), ["cod", "ph"]);
    assert!(exceeded(&json!({}), &results, &dictionaries).is_empty());
}

#[test]
fn the_last_assignment_of_a_record_stands() {
    let outlet = |number| OutletId::new(Timestamp::from_millis(0), [number; 10]);
    let assignment = |to: Option<u8>, outlets: Vec<OutletId>| {
        ReferenceEntry::Assignment(Assignment {
            to: to.map(|person| PersonId([person; 16])),
            name: None,
            collection: Collection::from_code(511_902).unwrap(),
            outlets,
            task: "survey".to_owned(),
            due: None,
            note: None,
            by: "wang".to_owned(),
            at: Timestamp::from_millis(0),
        })
    };
    let entries = [
        assignment(Some(1), vec![outlet(1), outlet(2), outlet(3)]),
        assignment(Some(2), vec![outlet(2)]),
        assignment(None, vec![outlet(3)]),
    ];
    let tasks = assigned(&entries);
    let whose: Vec<_> = tasks.iter().map(|task| (task.outlet, task.assignment.to.unwrap().0[0])).collect();
    assert_eq!(whose, [(outlet(1), 1), (outlet(2), 2)]);
}
