//! Each rule by a case that meets it, one that does not, and one that cannot be told.

use super::*;
use crate::domain::field::DocumentRef;
use crate::geo::{Bounds, Datum, GeoPoint};
use crate::time::Day;
use crate::zones::{Layer, LayerHead, Layers, RawZone, ZoneKind, check};

fn day(text: &str) -> Day {
    text.parse().unwrap()
}

/// A square of 0.02 degrees around 106.71, 31.81.
fn layer(kind: ZoneKind) -> Layer {
    let ring = vec![[106.70, 31.80], [106.72, 31.80], [106.72, 31.82], [106.70, 31.82], [106.70, 31.80]];
    let zone = RawZone { name: "甲区".to_owned(), polygons: vec![vec![ring]], ..RawZone::default() };
    let head = LayerHead {
        name: kind.code().to_owned(),
        version: "1".to_owned(),
        kind,
        datum: Datum::Cgcs2000,
        document: DocumentRef { number: "批复".to_owned(), dated: Some(day("2015-06-01")), file: None },
        established_on: Some(day("2015-06-01")),
    };
    check(&head, vec![zone], Bounds::BAZHONG, &[]).0.unwrap()
}

fn inside() -> Option<GeoPoint> {
    GeoPoint::new(106.71, 31.81).ok()
}

fn outside() -> Option<GeoPoint> {
    GeoPoint::new(106.90, 31.81).ok()
}

/// All rules switched on, as a bureau that checked the wording would load them.
fn rules() -> RuleSet {
    let mut rules = RuleSet::embedded();
    rules.rules.iter_mut().for_each(|rule| rule.enabled = true);
    rules
}

fn surveyed(problems: &[&str]) -> Subject {
    Subject {
        point: outside(),
        problems: Some(problems.iter().map(|code| (*code).to_owned()).collect()),
        outlet_type: Some("urban_storm".to_owned()),
        mixed: Some(false),
        sign_state: Some("erected".to_owned()),
        ..Subject::default()
    }
}

fn all_layers() -> Layers {
    Layers::of(ZoneKind::ALL.map(layer).to_vec())
}

fn word(subject: &Subject, layers: &Layers, rule: &str, on: &str) -> String {
    let report = suggest(subject, layers, &rules(), day(on));
    let of = |outcome: &Outcome| serde_json::to_value(outcome).unwrap();
    let found = report.outcomes.iter().map(of).find(|outcome| outcome["rule"] == rule).unwrap();
    match found["outcome"].as_str().unwrap() {
        "suggested" => found["effect"].as_str().unwrap().to_owned(),
        other => other.to_owned(),
    }
}

#[track_caller]
fn expect(subject: &Subject, rule: &str, expected: &str) {
    assert_eq!(word(subject, &all_layers(), rule, "2022-06-01"), expected, "{rule} {subject:?}");
}

#[test]
fn r1_to_r4_ask_where_the_outlet_lies() {
    for (rule, kind, effect) in [
        ("R1", ZoneKind::DrinkingWater1, "ban"),
        ("R1", ZoneKind::DrinkingWater2, "ban"),
        ("R2", ZoneKind::DrinkingWaterQuasi, "review"),
        ("R3", ZoneKind::NatureReserve, "ban"),
        ("R3", ZoneKind::EcologicalRedline, "ban"),
        ("R4", ZoneKind::Fishery, "review"),
        ("R4", ZoneKind::Scenic, "review"),
    ] {
        let here = Subject { point: inside(), ..Subject::default() };
        let there = Subject { point: outside(), ..Subject::default() };
        let only = Layers::of(vec![layer(kind)]);
        assert_eq!(word(&here, &only, rule, "2022-06-01"), effect, "{rule} {kind:?}");
        assert_eq!(word(&there, &all_layers(), rule, "2022-06-01"), "not_met", "{rule} {kind:?}");
        assert_eq!(
            word(&here, &Layers::default(), rule, "2022-06-01"),
            "unknown",
            "{rule}: a missing layer is not outside"
        );
        expect(&Subject::default(), rule, "unknown");
    }
    let new = Subject { point: inside(), set_up: Some("new".to_owned()), ..Subject::default() };
    expect(&new, "R4", "block_new");
    // Outside of the first zone, and nobody has the second: that is not "outside".
    let half = Layers::of(vec![layer(ZoneKind::DrinkingWater1)]);
    assert_eq!(word(&Subject { point: outside(), ..Subject::default() }, &half, "R1", "2022-06-01"), "unknown");
}

#[test]
fn an_outlet_older_than_its_zone_is_pre_existing() {
    for (exists_from, expected) in [(Some("2010-01-01"), Some(true)), (Some("2015-06-01"), Some(false)), (None, None)] {
        let subject = Subject { point: inside(), exists_from: exists_from.map(day), ..Subject::default() };
        let report = suggest(&subject, &all_layers(), &rules(), day("2022-06-01"));
        let Outcome::Suggested { rule, pre_existing, zones, strong, bases, .. } = &report.outcomes[0] else { panic!() };
        assert_eq!((*rule, *pre_existing, *strong), ("R1", expected, true));
        assert_eq!((zones[0].layer.as_str(), zones[0].version.as_str()), ("drinking_water_1", "1"));
        assert!(bases.iter().any(|basis| basis.document == "水污染防治法" && basis.article == "第六十四条"));
    }
}

#[test]
fn r5_to_r7_ask_what_the_outlet_could_be_merged_into() {
    let of = |code: &str, point| Subject { outlet_type: Some(code.to_owned()), point, ..Subject::default() };
    expect(&of("urban_domestic_scattered", inside()), "R5", "merge");
    expect(&of("urban_domestic_scattered", outside()), "R5", "not_met");
    expect(&of("urban_storm", inside()), "R5", "not_met");
    expect(&of("undetermined", inside()), "R5", "unknown");
    let uncollected =
        Subject { outlet_type: Some("urban_domestic_scattered".to_owned()), ..surveyed(&["sewage_not_collected"]) };
    assert_eq!(word(&uncollected, &Layers::default(), "R5", "2022-06-01"), "merge", "the survey's word needs no layer");
    expect(&of("industrial_enterprise", inside()), "R6", "merge");
    expect(&of("industrial_enterprise", outside()), "R6", "not_met");
    assert_eq!(word(&of("mine", inside()), &Layers::default(), "R6", "2022-06-01"), "unknown");
    for (count, expected) in [(Some(2), "merge"), (Some(1), "not_met"), (None, "unknown")] {
        expect(&Subject { outlets_of_party: count, ..of("mine", outside()) }, "R7", expected);
    }
}

#[test]
fn r8_to_r10_ask_what_the_survey_saw() {
    expect(&surveyed(&["mixed_connection"]), "R8", "regulate");
    expect(&Subject { mixed: Some(true), ..Subject::default() }, "R8", "regulate");
    expect(&surveyed(&[]), "R8", "not_met");
    expect(&Subject::default(), "R8", "unknown");
    expect(&surveyed(&["damaged"]), "R9", "regulate");
    expect(&Subject { parties: 2, ..surveyed(&[]) }, "R9", "regulate");
    expect(&Subject { sign_state: Some("damaged".to_owned()), ..surveyed(&[]) }, "R9", "regulate");
    expect(&surveyed(&["none_found"]), "R9", "not_met");
    expect(&Subject::default(), "R9", "unknown");
    let dry = Subject { dry_weather_discharge: Some(false), abnormal: Some(false), ..surveyed(&["none_found"]) };
    expect(&dry, "R10", "none_needed");
    expect(&Subject { dry_weather_discharge: Some(true), ..dry.clone() }, "R10", "not_met");
    expect(&Subject { dry_weather_discharge: None, ..dry.clone() }, "R10", "unknown");
    expect(&Subject { abnormal: Some(true), ..dry.clone() }, "R10", "not_met");
    expect(&Subject { outlet_type: Some("mine_storm".to_owned()), ..dry }, "R10", "not_met");
}

#[test]
fn r11_gives_a_lead_and_no_class() {
    for status in ["not_approved", "not_registered"] {
        let subject = Subject { approval_status: Some(status.to_owned()), ..Subject::default() };
        expect(&subject, "R11", "enforcement_lead");
        assert_eq!(suggest(&subject, &Layers::default(), &rules(), day("2022-06-01")).class, None);
    }
    expect(&Subject { approval_status: Some("approved".to_owned()), ..Subject::default() }, "R11", "not_met");
    expect(&Subject::default(), "R11", "unknown");
    expect(&surveyed(&["no_consent"]), "R11", "enforcement_lead");
    expect(&surveyed(&["evading_supervision"]), "R11b", "enforcement_lead");
    expect(&surveyed(&[]), "R11b", "not_met");
    expect(&Subject::default(), "R11b", "unknown");
}

#[test]
fn r12_shows_all_and_puts_the_severest_first() {
    let both = Subject { point: inside(), ..surveyed(&["damaged"]) };
    let report = suggest(&both, &all_layers(), &rules(), day("2022-06-01"));
    assert_eq!((report.class, report.conflicting), (Some("ban"), true));
    let effects: Vec<Effect> = report.outcomes.iter().filter_map(Outcome::effect).collect();
    assert!(effects.is_sorted() && effects.contains(&Effect::Regulate), "{effects:?}");
    let one = suggest(&surveyed(&["damaged"]), &all_layers(), &rules(), day("2022-06-01"));
    assert_eq!((one.class, one.conflicting), (Some("regulate"), false));
}

#[test]
fn a_basis_that_was_not_in_force_founds_no_suggestion() {
    let subject = Subject { outlet_type: Some("mine".to_owned()), outlets_of_party: Some(3), ..Subject::default() };
    assert_eq!(word(&subject, &all_layers(), "R7", "2022-01-28"), "no_basis_in_force", "17号 is of 2022-01-29");
    assert_eq!(word(&subject, &all_layers(), "R7", "2022-01-29"), "merge");
    // R1 rests on two laws: before 2018 only the older one is cited.
    let zone = Subject { point: inside(), ..Subject::default() };
    let report = suggest(&zone, &all_layers(), &rules(), day("2017-06-01"));
    let Outcome::Suggested { bases, .. } = &report.outcomes[0] else { panic!("{report:?}") };
    assert_eq!(bases.iter().map(|basis| basis.document.as_str()).collect::<Vec<_>>(), ["水法"]);
}

#[test]
fn what_is_unverified_ships_switched_off() {
    let shipped = RuleSet::embedded();
    assert_eq!(shipped.rules.len(), set::IDS.len());
    let off: Vec<&str> = shipped.rules.iter().filter(|rule| !rule.enabled).map(|rule| rule.id.as_str()).collect();
    assert_eq!(off, ["R6", "R7"]);
    let text = include_str!("../../../fixtures/rules/classification.toml");
    for (from, to, fault) in [
        ("enabled = false", "enabled = true", "unverified"),
        ("id = \"R11b\"", "id = \"R13\"", "no such rule"),
        ("id = \"R11b\"", "id = \"R11\"", "twice"),
        ("\"wpcl-39-83\"]", "\"nothing\"]", "not in the file"),
        ("format = 1", "format = 2", "format 2"),
    ] {
        let error = RuleSet::parse(&text.replacen(from, to, 1)).unwrap_err().to_string();
        assert!(error.contains(fault), "{error}");
    }
}
