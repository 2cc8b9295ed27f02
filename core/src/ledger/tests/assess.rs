//! Every figure leads to its rows; what changed between two days has reasons; the assessment names
//! who is late and whose turn it is. Also the transitions that no other test has: T1, T2, T21.

use std::collections::BTreeMap;

use serde_json::json;

use super::super::testing::{Outlet, Who, day};
use super::super::{
    Assessment, Difference, GroupBy, LifeCycle, OutletLine, PartOf, Profile, ProgressRow, Reading, TableInput, absorb,
    assess, difference, lines, progress,
};
use super::{above, investigated, now, set};

/// An inventory with something in nearly every figure.
fn inventory() -> Vec<Outlet> {
    let extension = json!({"type": "extend", "until": "2024-06-30", "authority": "市人民政府",
        "document": {"number": "巴府函〔2023〕88号", "dated": "2023-11-30"}});
    let duplicate = json!({"type": "duplicate", "of": Outlet::numbered(1).key()});
    // Before the approval: what is approved is what is shown.
    let in_zone = || above().fact("management_unit", json!("511971")).investigated("2021-06-01");
    vec![
        investigated().regulated("2022-06-01").keyed(1),
        investigated().regulated("2023-02-14").keyed(2),
        investigated().class("2022-01-01", "regulate").case(day("2023-11-30"), Who::City, extension).keyed(3),
        investigated().keyed(4),
        above().survey("2021-06-01").submit("2021-06-01").keyed(5),
        Outlet::suspected().keyed(6),
        investigated().case(day("2021-09-01"), Who::County, duplicate).keyed(7),
        investigated().banned("2022-08-01").keyed(8),
        in_zone().regulated("2022-06-01").keyed(9),
        in_zone().class("2022-05-01", "none_needed").keyed(10),
        Outlet::new().keyed(11),
    ]
}

struct Profiles {
    now: Vec<Profile>,
    then: Vec<Profile>,
}

fn profiles(outlets: &[Outlet], as_of: &str) -> Profiles {
    let set = set();
    let now = absorb(outlets.iter().map(|outlet| outlet.profile(&set)).collect()).0;
    let then = absorb(outlets.iter().map(|outlet| outlet.profile_known(&set, as_of)).collect()).0;
    Profiles { now, then }
}

fn input<'t>(set: &'t super::MilestoneSet, profiles: &'t Profiles, as_of: &str) -> TableInput<'t> {
    TableInput { set, known_now: &profiles.now, as_reported: &profiles.then, seals: &[], as_of: day(as_of) }
}

/// Figures of a row by the names that lines use.
fn figures(row: &ProgressRow) -> BTreeMap<String, usize> {
    let mut all = BTreeMap::from([
        ("of".to_owned(), row.of),
        ("done".to_owned(), row.done),
        ("open".to_owned(), row.open),
        ("on_time".to_owned(), row.on_time),
        ("late".to_owned(), row.late),
        ("pending_review".to_owned(), row.pending_review),
        ("open_suspects".to_owned(), row.open_suspects),
        ("extended".to_owned(), row.extended),
        ("awaiting_acceptance".to_owned(), row.awaiting_acceptance),
        ("scale_undetermined".to_owned(), row.scale_undetermined),
    ]);
    all.extend(row.excluded.iter().map(|(name, count)| (format!("excluded:{name}"), *count)));
    all.extend(row.exempt.iter().map(|(name, count)| (format!("exempt:{name}"), *count)));
    all.extend(row.grades.iter().map(|(name, count)| (format!("grade:{name}"), *count)));
    for (name, part) in &row.parts {
        if let (PartOf::Share(part), true) = (part, name != "all") {
            all.insert(format!("part:{name}"), part.done);
            all.insert(format!("of:{name}"), part.of);
        }
    }
    all
}

#[test]
fn every_figure_of_every_row_leads_to_as_many_outlets() {
    let (set, outlets) = (set(), inventory());
    for as_of in ["2021-12-31", "2022-12-31", "2024-06-01"] {
        let profiles = profiles(&outlets, as_of);
        let input = input(&set, &profiles, as_of);
        for by in [GroupBy::Unit, GroupBy::Waterbody] {
            for row in progress(input, by) {
                let milestone = set.milestone(&row.milestone).unwrap();
                for (figure, count) in figures(&row) {
                    let found = lines(input, milestone, row.reading, by, (Some(&row.group), Some(&figure)));
                    assert_eq!(
                        found.len(),
                        count,
                        "{} {} {:?} {figure} as of {as_of}",
                        row.milestone,
                        row.group,
                        row.reading
                    );
                }
            }
        }
    }
}

#[test]
fn an_open_outlet_says_what_is_missing_and_whose_turn_it_is() {
    let (set, outlets) = (set(), inventory());
    let profiles = profiles(&outlets, "2024-06-01");
    let input = input(&set, &profiles, "2024-06-01");
    let open = lines(input, set.milestone("M3").unwrap(), Reading::AsKnownNow, GroupBy::Unit, (None, Some("open")));
    let of = |number: u8| open.iter().find(|line| line.id == Outlet::numbered(number).key().id).unwrap();
    let whose = |line: &OutletLine| line.missing.iter().map(|one| one.whose.clone()).collect::<Vec<_>>();
    assert_eq!(of(4).missing[0].condition.code(), "class");
    assert_eq!(whose(of(4))[0], "city");
    assert!(whose(of(3)).contains(&"party".to_owned()), "{:?}", of(3));
    assert!(open.iter().all(|line| !line.missing.is_empty()));
}

fn assessed(milestone: &str, as_of: &str) -> Assessment {
    let (set, outlets) = (set(), inventory());
    let profiles = profiles(&outlets, as_of);
    let name = |code: &str| if code == "511971" { "巴中经开区".to_owned() } else { "巴州区".to_owned() };
    assess(input(&set, &profiles, as_of), set.milestone(milestone).unwrap(), &name)
}

#[test]
fn the_assessment_addresses_governments_and_names_what_is_late() {
    let m3 = assessed("M3", "2024-06-01");
    let addressees: Vec<&str> = m3.units.iter().map(|unit| unit.addressee.as_str()).collect();
    assert_eq!(addressees, ["巴州区人民政府", "巴中经开区管委会"]);
    let county = &m3.units[0];
    assert!(county.late && county.verdict.starts_with("behind by "), "{}", county.verdict);
    assert_eq!(county.missing.len(), county.headline.open);
    assert_eq!(county.done_late.len(), county.headline.late);
    assert_eq!(county.extended.len(), county.headline.extended);
    let document = county.extended[0].extension.as_ref().and_then(|own| own.document.clone());
    assert_eq!(document.as_deref(), Some("巴府函〔2023〕88号"));
    assert_eq!(m3.area.of, m3.units.iter().map(|unit| unit.headline.of).sum::<usize>(), "the union of the units");
    assert_ne!(county.headline.reading, county.beside.reading);
    let early = assessed("M4", "2023-06-01");
    assert!(early.units.iter().all(|unit| !unit.late), "not due yet");
    let needed = early.units[0].pace_needed_per_week.unwrap();
    assert!(needed * 213.0 / 7.0 >= early.units[0].headline.needs as f64, "{needed}");
}

#[test]
fn the_difference_of_two_days_has_reasons() {
    let (set, outlets) = (set(), inventory());
    let (first, second) = (profiles(&outlets, "2022-07-01"), profiles(&outlets, "2023-03-01"));
    let between = |reading: Reading| -> Vec<Difference> {
        let (before, after) = (input(&set, &first, "2022-07-01"), input(&set, &second, "2023-03-01"));
        difference(before, after, set.milestone("M3").unwrap(), reading, GroupBy::Unit)
    };
    for reading in Reading::ALL {
        let changed = between(reading);
        let ids: Vec<_> = changed.iter().map(|one| one.id).collect();
        assert_eq!(ids, [2, 8].map(|number| Outlet::numbered(number).key().id), "{reading:?}");
        assert_eq!((changed[0].before.as_str(), changed[0].after.as_str()), ("open", "done"));
        assert!(
            changed[0].reasons.iter().any(|why| why.starts_with("+accepted 2023-02-14")),
            "{:?}",
            changed[0].reasons
        );
        assert!(changed[1].reasons.contains(&"class none -> ban".to_owned()), "{:?}", changed[1].reasons);
    }
    let reopened = investigated().regulated("2022-06-01").reopen("2022-10-01");
    let (first, second) = (
        profiles(std::slice::from_ref(&reopened), "2022-09-01"),
        profiles(std::slice::from_ref(&reopened), "2022-12-01"),
    );
    let (before, after) = (input(&set, &first, "2022-09-01"), input(&set, &second, "2022-12-01"));
    let changed = difference(before, after, set.milestone("M3").unwrap(), Reading::AsKnownNow, GroupBy::Unit);
    assert!(changed[0].reasons.contains(&"re-opened 2022-10-01".to_owned()), "{changed:?}");
}

#[test]
fn outlets_are_grouped_by_reach_its_chief_and_the_responsible_party() {
    let with = |number: u8, reach: &str, party: &str| {
        let decision = json!({"type": "party", "primary": {"name": party}});
        investigated().fact("reach", json!(reach)).case(day("2021-08-01"), Who::County, decision).keyed(number)
    };
    let outlets =
        [with(1, "巴河城区段/张河长", "甲厂"), with(2, "巴河城区段 ／ 李河长", "甲厂"), with(3, "南江河段", "乙厂")];
    let (set, profiles) = (set(), profiles(&outlets, "2022-12-31"));
    let groups = |by: GroupBy| -> Vec<(String, usize)> {
        let rows = progress(input(&set, &profiles, "2022-12-31"), by);
        let mine = rows.into_iter().filter(|row| row.milestone == "M2" && row.reading == Reading::AsKnownNow);
        mine.filter(|row| row.group != "5119").map(|row| (row.group, row.of)).collect()
    };
    let named = |all: &[(&str, usize)]| all.iter().map(|(name, of)| ((*name).to_owned(), *of)).collect::<Vec<_>>();
    assert_eq!(groups(GroupBy::Reach), named(&[("南江河段", 1), ("巴河城区段", 2)]));
    assert_eq!(groups(GroupBy::Chief), named(&[("unknown", 1), ("张河长", 1), ("李河长", 1)]));
    assert_eq!(groups(GroupBy::Party), named(&[("乙厂", 1), ("甲厂", 2)]));
}

#[test]
fn t1_a_point_with_source_and_date_is_suspected_and_the_county_withdraws_it_with_a_reason() {
    let point = Outlet::suspected();
    assert_eq!(point.project().row.state, LifeCycle::Suspected);
    assert_eq!(now(std::slice::from_ref(&point), "M1").open_suspects, 1);
    let without_photo =
        json!({"type": "settle", "field": "state", "value": "not_an_outlet", "reason": "bridge_road_drain"});
    let withdrawn = point.photo("2021-05-01", "near").case(day("2021-05-02"), Who::County, without_photo);
    assert_eq!(withdrawn.project().row.state, LifeCycle::NotAnOutlet);
    assert_eq!(now(&[withdrawn], "M1").excluded.get("not_an_outlet"), Some(&1));
}

#[test]
fn t2_a_visit_makes_a_suspected_point_one_under_survey_without_any_decision() {
    let visited = Outlet::suspected().fact("state", json!("outlet")).visit("2021-05-10", json!({}));
    assert_eq!(visited.project().row.state, LifeCycle::Surveying);
    let row = now(std::slice::from_ref(&visited), "M1");
    assert_eq!((row.of, row.done, row.open_suspects), (1, 0, 0), "in the denominator as an outlet, not done");
    // A visit that found nothing new leaves it suspected.
    let unreached = Outlet::suspected().visit("2021-05-10", json!({"outcome": "no_access"}));
    assert_eq!(unreached.project().row.state, LifeCycle::Suspected);
}

#[test]
fn t21_an_altered_or_enlarged_outlet_stays_and_a_cancelled_code_leaves_the_number() {
    let altered = |kind: &str| {
        investigated().regulated("2022-06-01").fact("set_up", json!(kind)).fact("exists_from", json!("2023-06-01"))
    };
    for kind in ["altered", "enlarged"] {
        let outlet = altered(kind);
        assert_eq!(outlet.project().row.state, LifeCycle::InService, "{kind}");
        assert_eq!(now(&[outlet], "M3").of, 1, "改设/扩大 of an existing outlet stays in");
    }
    assert_eq!(now(&[altered("new")], "M3").excluded.get("set_up_after"), Some(&1));
    let code = |cancelled: bool| {
        json!({"type": "code", "system": "national", "code": "FE-511902-0001-SH-00", "source": "platform",
            "issued_on": "2023-03-01", "cancelled": cancelled})
    };
    let coded = investigated().regulated("2022-06-01").case(day("2023-03-01"), Who::City, code(false));
    assert_eq!(coded.project().row.national_code.as_deref(), Some("FE-511902-0001-SH-00"));
    let cancelled = coded.case(day("2023-09-01"), Who::City, code(true));
    assert_eq!(cancelled.project().row.national_code, None, "注销: never shown as in force again");
}
