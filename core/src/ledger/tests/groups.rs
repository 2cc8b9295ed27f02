//! 1.5: state of an outlet and of a group; shares and their display.

use serde_json::json;

use super::super::testing::{Outlet, Who, day};
use super::super::{GroupBy, GroupState, OutletState, PartOf, ProgressRow, Reading, share};
use super::{above, investigated, now, seal, state, table_by, total};

fn extended(until: serde_json::Value) -> Outlet {
    investigated().case(
        day("2022-12-01"),
        Who::City,
        json!({"type": "extend", "milestone": "M3", "until": until, "authority": "市人民政府",
               "document": {"number": "巴府函〔2022〕9号", "dated": "2022-12-01"}}),
    )
}

#[test]
fn outlet_done_on_time() {
    let outlet = investigated().regulated("2022-12-31");
    assert_eq!(state(&outlet, "M3", "2023-06-01"), OutletState::OnTime { on: Some(day("2022-12-31")) });
}

#[test]
fn outlet_done_late_by_n_days() {
    let outlet = investigated().regulated("2023-01-10");
    assert_eq!(state(&outlet, "M3", "2023-06-01"), OutletState::Late { on: day("2023-01-10"), days: 10 });
}

#[test]
fn outlet_due_in_n_days_and_on_the_last_day() {
    assert_eq!(state(&investigated(), "M3", "2022-12-21"), OutletState::Due { days: 10 });
    assert_eq!(state(&investigated(), "M3", "2022-12-31"), OutletState::Due { days: 0 });
}

#[test]
fn outlet_overdue_by_n_days() {
    assert_eq!(state(&investigated(), "M3", "2023-01-01"), OutletState::Overdue { days: 1 });
}

#[test]
fn outlet_extended_to_a_date_with_its_document() {
    let expected =
        |until| OutletState::Extended {
            until, by: "市人民政府".into(), document: Some("巴府函〔2022〕9号".into())
        };
    assert_eq!(state(&extended(json!("2023-06-30")), "M3", "2023-06-30"), expected(Some(day("2023-06-30"))));
    assert_eq!(state(&extended(json!("2023-06-30")), "M3", "2023-07-02"), OutletState::Overdue { days: 2 });
    assert_eq!(state(&extended(json!(null)), "M3", "2025-01-01"), expected(None), "suspended");
    assert_eq!(
        state(&extended(json!("2023-06-30")), "M3", "2022-11-01"),
        OutletState::Due { days: 60 },
        "not granted yet"
    );
    assert!(matches!(state(&extended(json!("2023-06-30")), "M4", "2024-01-10"), OutletState::Overdue { .. }));
}

#[test]
fn outlet_exempt_says_why() {
    let below =
        Outlet::new().fact_with("volume_m3_per_day", json!(10), &[("basis", "permit")]).investigated("2021-06-01");
    assert_eq!(state(&below, "M3", "2023-06-01"), OutletState::Exempt { why: "below_scale".into() });
}

#[test]
fn outlet_unfinished_under_m1_is_outstanding_never_overdue() {
    for as_of in ["2021-06-01", "2024-06-01"] {
        assert_eq!(state(&above(), "M1", as_of), OutletState::Outstanding);
    }
}

fn many(done: usize, of: usize, on: &str) -> Vec<Outlet> {
    (0..of)
        .map(|at| {
            let outlet = if at < done { above().investigated(on) } else { above().survey("2021-01-05") };
            outlet.keyed(u8::try_from(at + 1).unwrap())
        })
        .collect()
}

fn documents(on: &str) -> [super::Seal; 4] {
    [
        seal("ledger", "5119", on),
        seal("problem_list", "5119", on),
        seal("ledger", "511902", on),
        seal("problem_list", "511902", on),
    ]
}

fn m1(outlets: &[Outlet], seals: &[super::Seal], as_of: &str, group: &str) -> ProgressRow {
    let rows = table_by(outlets, seals, as_of, GroupBy::Unit);
    rows.into_iter()
        .find(|row| row.milestone == "M1" && row.reading == Reading::AsKnownNow && row.group == group)
        .unwrap()
}

#[test]
fn group_on_time_when_the_share_stays_reached_by_the_due_date() {
    let row = m1(&many(4, 5, "2021-11-01"), &documents("2021-12-20"), "2022-06-01", "511902");
    assert_eq!((row.state, row.achieved_on, row.needs), (GroupState::OnTime, Some(day("2021-12-20")), 0));
    assert_eq!((row.share, row.target), (Some(80.0), 80));
}

#[test]
fn group_late_by_n_days_when_reached_after_it() {
    let row = m1(&many(4, 5, "2022-01-10"), &documents("2021-12-20"), "2022-06-01", "511902");
    assert_eq!((row.state, row.late_days, row.achieved_on), (GroupState::Late, Some(10), Some(day("2022-01-10"))));
    assert_eq!((row.on_time, row.late, row.open), (0, 4, 1));
    let late_papers = m1(&many(4, 5, "2021-11-01"), &documents("2022-01-05"), "2022-06-01", "511902");
    assert_eq!((late_papers.state, late_papers.late_days), (GroupState::Late, Some(5)));
}

#[test]
fn group_behind_by_k_outlets_needs_k_more() {
    let row = m1(&many(2, 10, "2021-11-01"), &documents("2021-12-20"), "2022-06-01", "511902");
    assert_eq!((row.state, row.needs, row.achieved_on), (GroupState::Behind, 6, None));
    let before = m1(&many(2, 10, "2021-11-01"), &[], "2021-12-31", "511902");
    assert_eq!(before.state, GroupState::Open);
}

#[test]
fn group_with_nothing_in_the_denominator_is_not_applicable_and_never_late() {
    let row = now(&[], "M4");
    assert_eq!((row.state, row.share, row.needs, row.of), (GroupState::NotApplicable, None, 0, 0));
    assert_eq!(serde_json::to_value(&row).unwrap()["share"], json!(null), "null, not 0 and not 100");
    assert_eq!(serde_json::to_value(&row).unwrap()["state"], "not_applicable");
}

#[test]
fn group_achieved_on_is_the_first_day_from_which_the_share_stays() {
    // Done on 2022-05-01, re-opened 2022-08-01, done again 2022-11-01: it stays from then on.
    let outlet = investigated()
        .regulated("2022-05-01")
        .reopen("2022-08-01")
        .complete("2022-11-01", &["separation"], &["archive", "sampling_point"])
        .accept("2022-11-10");
    let row = now(std::slice::from_ref(&outlet), "M3");
    assert_eq!((row.state, row.achieved_on), (GroupState::OnTime, Some(day("2022-11-01"))));
    let between = total(&[outlet], "M3", "2022-09-01", Reading::AsKnownNow);
    assert_eq!((between.state, between.done), (GroupState::Open, 0));
}

#[test]
fn group_m3_is_not_done_while_a_scale_is_undetermined() {
    let outlets = [investigated().regulated("2022-05-01"), Outlet::new().keyed(2).investigated("2021-06-01")];
    let row = now(&outlets, "M3");
    assert_eq!((row.done, row.of, row.state), (1, 1, GroupState::ScaleUndetermined));
}

#[test]
fn group_m1_documents_are_yes_no_or_late_by_n_days() {
    let state = |seals: &[super::Seal], group: &str| match &m1(&many(4, 5, "2021-11-01"), seals, "2022-06-01", group)
        .parts["documents"]
    {
        PartOf::Documents(parts) => (parts["ledger"].state.clone(), parts["problem_list"].late_days),
        PartOf::Share(_) => panic!("documents are no share"),
    };
    assert_eq!(state(&[], "511902"), ("no".into(), None));
    let seals = [seal("ledger", "511902", "2021-12-31"), seal("problem_list", "511902", "2022-01-03")];
    assert_eq!(state(&seals, "511902"), ("yes".into(), Some(3)));
    assert_eq!(state(&seals, "5119"), ("no".into(), None), "the city seals its own");
    let row = m1(&many(4, 5, "2021-11-01"), &[], "2022-06-01", "511902");
    assert_eq!(row.state, GroupState::DocumentsMissing);
}

#[test]
fn group_m1_returns_five_parts_each_with_its_own_denominator() {
    let mut outlets = many(3, 4, "2021-11-01");
    outlets.push(Outlet::suspected().keyed(9));
    let row = m1(&outlets, &documents("2021-12-20"), "2022-06-01", "511902");
    let parts = serde_json::to_value(&row.parts).unwrap();
    assert_eq!(parts["survey"], json!({"done": 3, "of": 5, "share": 60.0}));
    assert_eq!(parts["sample"], json!({"done": 3, "of": 4, "share": 75.0}));
    assert_eq!(parts["trace"], json!({"done": 3, "of": 4, "share": 75.0}));
    assert_eq!(parts["all"], json!({"done": 3, "of": 5, "share": 60.0}), "open suspects cannot lift it");
    assert_eq!(parts["documents"]["ledger"]["state"], "yes");
}

#[test]
fn the_city_is_the_union_of_the_units_not_the_mean_of_their_shares() {
    let mut outlets = many(1, 1, "2021-11-01");
    outlets.extend((0..3).map(|at| above().keyed(50 + at).fact("management_unit", json!("511971"))));
    let rows = table_by(&outlets, &[], "2022-06-01", GroupBy::Unit);
    let share = |group: &str| {
        rows.iter()
            .find(|row| row.milestone == "M2" && row.group == group && row.reading == Reading::AsKnownNow)
            .unwrap()
            .share
    };
    assert_eq!((share("511902"), share("511971"), share("5119")), (Some(100.0), Some(0.0), Some(25.0)));
}

#[test]
fn every_way_of_grouping_loses_no_outlet() {
    let outlets = [
        above().fact("basin", json!("渠江")).fact("township", json!("化成镇")),
        above().keyed(2),
        above().keyed(3).fact("section", json!("江陵")).fact("control_unit", json!("巴河")),
    ];
    for (by, name) in GroupBy::ALL {
        let rows = table_by(&outlets, &[], "2024-06-01", by);
        let of = |area: bool| -> usize {
            rows.iter()
                .filter(|row| {
                    row.milestone == "M4" && row.reading == Reading::AsKnownNow && (row.group == "5119") == area
                })
                .map(|row| row.of)
                .sum()
        };
        assert_eq!((of(true), of(false)), (3, 3), "{name}");
        assert_eq!(name.parse(), Ok(by));
    }
    assert!("river".parse::<GroupBy>().is_err());
}

#[test]
fn another_calendar_is_only_another_file() {
    let set = super::MilestoneSet::parse(super::super::NATIONAL).unwrap();
    let outlets = [investigated().keyed(1).regulated("2023-05-01"), investigated().keyed(2), investigated().keyed(3)];
    let profiles: Vec<_> = outlets.iter().map(|outlet| outlet.profile(&set)).collect();
    let input =
        super::TableInput { set: &set, known_now: &profiles, as_reported: &[], seals: &[], as_of: day("2024-01-01") };
    let rows = super::progress(input, GroupBy::Unit);
    let states: Vec<_> = rows
        .iter()
        .filter(|row| row.group == "5119" && row.reading == Reading::AsKnownNow)
        .map(|row| (row.milestone.as_str(), row.share, row.state))
        .collect();
    assert_eq!(
        states,
        [
            ("N1", Some(100.0), GroupState::OnTime),
            ("N2", Some(100.0), GroupState::OnTime),
            ("N3", Some(33.3), GroupState::OnTime),
            ("N4", Some(33.3), GroupState::Open),
        ]
    );
}

#[test]
fn a_share_is_floored_for_display_and_compared_as_integers() {
    assert_eq!(share(7996, 10_000), Some(79.9));
    assert_eq!(share(79_999, 100_000), Some(79.9));
    assert_eq!(share(4, 5), Some(80.0));
    assert_eq!(share(0, 3), Some(0.0));
    assert_eq!(share(0, 0), None);
}
