//! The row: values, findings, and that it depends on nothing but the history.

use proptest::prelude::*;
use serde_json::json;

use super::super::testing::{Outlet, Who, day};
use super::super::{ScaleClass, SummaryBy, party_list, problem_list, summary};
use super::{above, findings, investigated, set};

#[test]
fn scale_follows_the_order_of_its_bases() {
    let scale = |outlet: &Outlet| {
        let row = outlet.project().row;
        (row.scale, row.scale_basis)
    };
    let measured = |on: &str, flow: f64, dry: bool| {
        json!({"kind": "quick", "sampled_on": on, "dry_weather": dry, "persons": ["甲", "乙"],
               "results": [{"parameter": "flow", "value": flow, "unit": "m3/d"}]})
    };
    let outlet = Outlet::new();
    assert_eq!(scale(&outlet), (ScaleClass::Undetermined, None));
    let one = outlet.sample_with("2021-05-01", measured("2021-05-01", 900.0, true)).approve("2021-05-02");
    assert_eq!(scale(&one), (ScaleClass::Undetermined, Some("one_measurement".into())));
    let wet = one.clone().sample_with("2021-06-01", measured("2021-06-01", 900.0, false)).approve("2021-06-02");
    assert_eq!(scale(&wet).0, ScaleClass::Undetermined, "rain is no measure of it");
    let two = one.sample_with("2021-06-01", measured("2021-06-01", 100.0, true)).approve("2021-06-02");
    assert_eq!(scale(&two), (ScaleClass::Above, Some("dry_weather_mean".into())));
    let metered = two.fact_with("volume_m3_per_year", json!(99_999.0), &[("basis", "statement")]).approve("2021-07-01");
    assert_eq!(scale(&metered), (ScaleClass::Below, Some("statement".into())));
    let permitted = metered.field(
        day("2021-08-01"),
        json!({"type": "consent", "regime": "approval", "kind": "legacy",
        "authority": "水利局", "number": "1", "on": "2015-01-01", "volume_m3_per_day": 300.0}),
    );
    assert_eq!(scale(&permitted.approve("2021-08-02")), (ScaleClass::Above, Some("consent".into())), "300 is above");
}

#[test]
fn scale_below_needs_review_and_a_decision_outweighs_figures() {
    let small = Outlet::new().fact_with("volume_m3_per_day", json!(10), &[("basis", "permit")]);
    assert_eq!(small.project().row.scale, ScaleClass::Undetermined);
    let small = small.approve("2021-06-01");
    assert_eq!(small.project().row.scale, ScaleClass::Below);
    let said = small.fact("scale", json!("above")).approve("2021-07-01");
    let row = said.project().row;
    assert_eq!(row.scale, ScaleClass::Below, "figures stand, the word is kept beside");
    assert!(findings(&said).contains(&"scale_mismatch".to_owned()));
    let settled =
        said.case(day("2021-08-01"), Who::County, json!({"type": "settle", "field": "scale", "value": "above"}));
    assert_eq!(
        (settled.project().row.scale, settled.project().row.scale_basis),
        (ScaleClass::Above, Some("decision".into()))
    );
}

#[test]
fn rain_decides_whether_dry_weather_discharge_can_be_answered() {
    let visit =
        |rain: serde_json::Value| above().visit("2021-06-01", json!({"rain_48h": rain, "dry_weather_discharge": true}));
    assert_eq!(visit(json!(false)).project().row.dry_weather_discharge.as_deref(), Some("yes"));
    for rain in [json!(true), json!(null), json!({"cannot_determine": true})] {
        let outlet = visit(rain.clone());
        assert_eq!(outlet.project().row.dry_weather_discharge, None, "{rain}");
        assert!(findings(&outlet).contains(&"dry_weather_after_rain".to_owned()), "{rain}");
    }
}

#[test]
fn absent_blank_and_cannot_determine_never_become_zero_or_false() {
    let row = serde_json::to_value(Outlet::numbered(1).fact("state", json!("outlet")).project().row).unwrap();
    for column in ["lon", "lat", "name", "classification", "decided_on", "dry_weather_discharge", "discharge_pattern"] {
        assert!(row[column].is_null(), "{column}: {}", row[column]);
    }
    let pattern = |value: serde_json::Value| {
        above().visit("2021-06-01", json!({"pattern": value})).project().row.discharge_pattern
    };
    assert_eq!(pattern(json!(null)), None);
    assert_eq!(pattern(json!({"cannot_determine": true})).as_deref(), Some("cannot_determine"));
    let blank = above().fact("entry_mode", json!(null)).project().row;
    assert_eq!(blank.entry_mode, None);
}

#[test]
fn wrong_input_is_a_finding_never_a_lost_row() {
    let outlet = Outlet::numbered(1)
        .field(day("2021-01-01"), json!({"type": "hologram", "from": 2031}))
        .field(day("2021-01-01"), json!({"type": "survey", "on": "the other day"}))
        .fact("location", json!("near the bridge"))
        .case(day("2021-01-01"), Who::County, json!({"type": "blessing"}));
    let projection = outlet.project();
    assert_eq!(projection.findings.iter().filter(|finding| finding.code == "unknown_entry").count(), 3);
    assert!(projection.findings.iter().any(|finding| finding.code == "no_position"));
    assert_eq!(super::now(&[outlet], "M4").of, 1);
}

#[test]
fn township_and_county_are_checked_against_the_table() {
    let mut reference = super::super::Reference::embedded();
    reference.townships.insert("化成镇".into(), "511902".into());
    reference.townships.insert("柳林镇".into(), "511903".into());
    let codes = |township: &str| -> Vec<String> {
        let outlet = above().fact("township", json!(township));
        let (_, findings) = outlet.with(|input| super::super::project(input, &reference, None, None));
        findings.into_iter().map(|finding| finding.code).filter(|code| code.contains("township")).collect()
    };
    assert!(codes("化成镇").is_empty());
    assert_eq!(codes("柳林镇"), ["township_not_in_county"]);
    assert_eq!(codes("乌有镇"), ["unknown_township"]);
}

#[test]
fn a_legal_basis_must_be_in_force_on_the_day_of_the_decision() {
    let decide = |on: &str, basis: &str| {
        investigated().case(
            day(on),
            Who::City,
            json!({"type": "classify", "step": "decide", "classification": "regulate",
            "document": {"number": "1号", "dated": on}, "legal_bases": [{"document": basis}]}),
        )
    };
    let code = "legal_basis_not_in_force".to_owned();
    assert!(findings(&decide("2021-12-01", "国办函〔2022〕17号")).contains(&code));
    assert!(!findings(&decide("2022-01-29", "国办函〔2022〕17号")).contains(&code));
    assert!(!findings(&decide("2021-12-01", "水污染防治法")).contains(&code));
}

#[test]
fn problems_close_by_a_later_survey_or_by_acceptance() {
    let outlet = above()
        .visit("2021-05-01", json!({"problems": ["mixed_connection", "silted"]}))
        .visit("2021-07-01", json!({"problems": ["mixed_connection"]}));
    let list = outlet.project().row.problems;
    let open: Vec<_> = list.iter().map(|problem| (problem.code.as_str(), problem.open, problem.closed_on)).collect();
    assert_eq!(open, [("mixed_connection", true, None), ("silted", false, Some(day("2021-07-01")))]);
    let rectified = outlet.regulated("2022-05-01");
    assert_eq!(rectified.project().row.problem_count, 0);
}

#[test]
fn summaries_problem_list_and_parties_count_each_outlet_once() {
    let rows = [
        investigated().visit("2021-06-01", json!({"problems": ["mixed_connection"]})),
        investigated().keyed(2).class("2022-01-01", "ban"),
        Outlet::suspected().keyed(3),
    ]
    .map(|outlet| outlet.project().row);
    let by_mode = summary(&rows, SummaryBy::EntryMode);
    assert_eq!(
        by_mode.iter().map(|row| (row.group.as_deref(), row.outlets, row.suspected)).collect::<Vec<_>>(),
        [(Some("pipe"), 2, 0), (None, 0, 1)]
    );
    assert_eq!(by_mode[0].by_class["ban"], 1);
    let problems = problem_list(&rows);
    assert_eq!(problems.len(), 1);
    assert_eq!(problems[0].primary_party.as_deref(), Some("某某食品有限公司"));
    let parties = party_list(&rows);
    assert_eq!((parties.len(), parties[0].primary_of, parties[0].problems), (1, 2, 1));
}

#[test]
fn doubtful_papers_are_findings() {
    let code = |outlet: &Outlet, code: &str| findings(outlet).contains(&code.to_owned());
    let one_person = above().sample_with("2021-06-01", json!({"kind": "quick", "persons": ["甲"]}));
    assert!(code(&one_person, "sample_one_person") && !code(&above().sample("2021-06-01"), "sample_one_person"));
    let too_early = investigated().city_accepts("2022-01-01", true);
    assert!(code(&too_early, "decision_without_completion"));
    let unchecked = investigated().complete("2022-01-01", &[], &[]).city_accepts("2022-01-02", true);
    assert!(code(&unchecked, "accepted_without_county_check"));
    let plan = |due: &str| {
        investigated().case(
            day("2022-01-01"),
            Who::City,
            json!({"type": "plan", "step": "approve", "measures": ["sealing"], "due": due}),
        )
    };
    assert!(!code(&plan("2022-12-31"), "plan_due_too_late"));
    assert!(code(&plan("2023-01-01"), "plan_due_too_late"), "above the scale M3 asks for it");
    let extended = plan("2023-01-01").case(
        day("2022-06-01"),
        Who::City,
        json!({"type": "extend", "until": "2023-03-01", "authority": "市人民政府", "document": {"number": "1号"}}),
    );
    assert!(!code(&extended, "plan_due_too_late"));
}

#[test]
fn codes_and_values_are_checked_against_dictionaries_and_warned_of() {
    let code = |outlet: &Outlet, code: &str| findings(outlet).contains(&code.to_owned());
    assert!(code(&above().fact("entry_mode", json!("wormhole")), "unknown_value"));
    assert!(!code(&above(), "unknown_value"));
    assert!(code(&investigated().code("2023-01-01", "no code"), "code_malformed"));
    assert!(code(&investigated().code("2023-01-01", "FA-511903-0001-GY-00"), "code_inconsistent"));
    assert!(!code(&investigated().code("2023-01-01", "FA-511902-0001-GY-00"), "code_inconsistent"));
    let named = |name: &str| above().fact("name", json!(name));
    assert!(code(&named("某厂排囗"), "name_odd") && !code(&named("某厂工业企业排污口"), "name_odd"));
    let party = |uscc: &str| above().trace_with("2021-06-01", json!({"primary_party": {"name": "某厂", "uscc": uscc}}));
    assert!(code(&party("91130200699229617Y"), "party_code_invalid"));
    assert!(!code(&party("91130200699229617X"), "party_code_invalid"));
}

#[test]
fn a_name_that_names_another_county_or_river_is_odd() {
    let details = |outlet: &Outlet| -> Vec<String> {
        let odd = outlet.project().findings.into_iter().filter(|finding| finding.code == "name_odd");
        odd.filter_map(|finding| finding.detail).collect()
    };
    let named = |name: &str| above().fact("name", json!(name));
    assert_eq!(details(&named("巴州区巴河工业企业排污口")), Vec::<String>::new());
    assert_eq!(details(&named("某厂工业企业排污口")), Vec::<String>::new(), "a name need not name either");
    let county = details(&named("南江县某厂工业企业排污口"));
    assert_eq!(county, ["the name says 南江县, the record says it is in 巴州区"]);
    let river = details(&named("恩阳河左岸工业企业排污口"));
    assert_eq!(river, ["the name says 恩阳河, the record says it flows into 巴河"]);
}

#[test]
fn a_sign_older_than_its_text_is_outdated_until_a_new_one_stands() {
    let outdated = |outlet: &Outlet| -> Vec<String> {
        let all = outlet.project().findings.into_iter().filter(|finding| finding.code == "sign_outdated");
        all.filter_map(|finding| finding.field).collect()
    };
    let signed = investigated().identity("2023-05-01");
    assert_eq!(outdated(&signed), Vec::<String>::new());
    let renamed =
        signed.clone().case(day("2023-08-01"), Who::County, json!({"type": "name", "name": "新名工业企业排污口"}));
    assert_eq!(outdated(&renamed), ["name"]);
    let renewed = renamed.clone().sign("2023-09-01");
    assert_eq!(outdated(&renewed), Vec::<String>::new());
    let lost = renamed.case(
        day("2023-09-01"),
        Who::County,
        json!({"type": "sign", "state": "missing", "observed_on": "2023-09-01"}),
    );
    assert_eq!(outdated(&lost), Vec::<String>::new(), "a sign that is gone says nothing");
    let early = investigated().name("2023-05-01").sign("2023-05-01").code("2023-06-01", "FA-511902-0001-GY-00");
    assert_eq!(outdated(&early), ["national_code"], "the code came later");
    let department = |on: &str, name: &str, outlet: Outlet| {
        outlet.case(day(on), Who::County, json!({"type": "party", "competent_department": name}))
    };
    let changed = department(
        "2023-08-01",
        "住建局",
        department("2023-04-01", "生态环境局", investigated()).identity("2023-05-01"),
    );
    assert_eq!(outdated(&changed), ["competent_department"]);
    let row = changed.project();
    let finding = row.findings.iter().find(|finding| finding.code == "sign_outdated").unwrap();
    assert_eq!(finding.detail.as_deref(), Some("生态环境局 -> 住建局"));
}

#[test]
fn explain_says_what_would_make_it_done() {
    let outlet = investigated().class("2022-01-01", "regulate").plan("2022-02-01", &["separation"]).complete(
        "2022-05-01",
        &[],
        &["archive"],
    );
    let [now, then] = outlet
        .with(|input| super::super::explain(input, super::super::testing::reference(), "M4", day("2023-12-31")))
        .unwrap();
    assert_eq!((now.done, now.in_denominator, now.counted.as_str()), (false, true, "in"));
    let missing = |condition| now.conditions.iter().find(|row| row.condition == condition).unwrap().missing.clone();
    assert_eq!(missing(super::super::Condition::Measures), ["measure:separation"]);
    assert_eq!(missing(super::super::Condition::Construction), ["item:sampling_point"]);
    assert_eq!(missing(super::super::Condition::Accepted), ["county_check", "city_acceptance"]);
    let class = now.conditions.iter().find(|row| row.condition == super::super::Condition::Class).unwrap();
    assert_eq!((class.met, class.decided_by.as_deref()), (true, Some("City (city supervisor)")));
    assert_eq!(then.conditions, now.conditions, "all of it was known then");
    assert!(
        outlet
            .with(|input| super::super::explain(input, super::super::testing::reference(), "M9", day("2023-12-31")))
            .is_none()
    );
}

fn full_life() -> Outlet {
    investigated()
        .rival_fact("county", json!("511903"))
        .class("2022-01-01", "ban")
        .unaware()
        .by(Who::City2)
        .class("2022-01-02", "regulate")
        .by_default()
        .plan("2022-02-01", &["separation"])
        .complete("2022-05-01", &["separation"], &["archive", "sampling_point"])
        .accept("2022-05-10")
        .reopen("2022-08-01")
        .identity("2023-01-01")
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn any_order_of_entries_gives_the_same_row(seed in any::<u64>()) {
        let outlet = full_life();
        let shuffled = outlet.reordered(|entries| {
            entries.sort_by_key(|entry| *blake3::hash(&[&seed.to_be_bytes()[..], &entry.id.0].concat()).as_bytes());
        });
        let twice = shuffled.reordered(|entries| { let again = entries.clone(); entries.extend(again); });
        prop_assert_eq!(outlet.project(), shuffled.project());
        prop_assert_eq!(outlet.project().row, twice.project().row);
        prop_assert_eq!(outlet.profile_known(&set(), "2022-06-01"), shuffled.profile_known(&set(), "2022-06-01"));
    }
}
