//! Decisions: who may, on what, and what is refused.

use insta::assert_snapshot;

use crate::device::{Device, Level, Role};

/// A supervisor's device with a record that an inspector wrote.
fn supervisor(level: Level) -> Device {
    let mut inspector = Device::with_outlet();
    inspector.does("survey T-1 --on 2021-06-03 --rain-48h no --discharge flowing --dry-weather-discharge yes");
    let mut device = Device::of(if level == Level::City { "赵六" } else { "王五" }, Role::Supervisor, Some(level));
    device.receives(&inspector);
    device
}

#[test]
fn the_city_decides_from_class_to_acceptance() {
    let mut device = supervisor(Level::City);
    assert_snapshot!(device.transcript(&[
        "case review T-1 approve --on 2021-06-10",
        "case decide T-1 规范 --on 2022-03-01 --document 巴环函〔2022〕15号 --basis 国办函〔2022〕17号:七",
        "case plan T-1 --on 2022-04-01 --measure 改造 --measure 规范化建设 --item archive,sampling_point --department 巴州区住建局 --due 2022-12-31",
        "case plan T-1 --approve --on 2022-04-10 --document 巴环函〔2022〕20号",
        "case name T-1 巴中市巴州区东城街道东兴食品厂东侧20米工业企业排污口 --on 2023-02-01",
        "case code T-1 FA-511902-0012-GY-00 --issued-on 2023-02-20",
        "case sign T-1 erected --observed-on 2023-04-01",
        "case extend T-1 --until 2024-06-30 --milestone M4 --authority 巴中市人民政府 --document 巴府函〔2023〕88号",
        "case party T-1 --party-name 东兴食品有限公司 --department 巴州区住建局",
        "case exempt T-1 sign --reason underwater",
        "case enforcement T-1 lead --number X1",
        "case reopen T-1 --observed-on 2023-05-02 --observation 封堵口再次出流",
    ]), @"");
    let case = device.json("show T-1")["case"].clone();
    let types: Vec<&str> = case.as_array().unwrap().iter().map(|entry| entry["type"].as_str().unwrap()).collect();
    assert_eq!(types.len(), 12);
    assert_eq!(case[3]["version"], 1, "an approval without contents approves the draft");
    assert_eq!(case[3]["measures"], case[2]["measures"]);
    assert!(!case[0]["field_heads"].as_array().unwrap().is_empty(), "an approval is pinned to what was seen");
}

#[test]
fn completion_and_acceptance_are_by_two_people() {
    let mut county = supervisor(Level::County);
    assert_snapshot!(county.transcript(&[
        "case complete T-1 --completed-on 2022-11-20 --measure 改造 --item archive",
        "case complete T-1",
        "case complete T-1 --completed-on 2022-11-20 --merged-into sewer",
        "case complete T-1 --completed-on 2022-11-20 --merged-into sewer:江北截污干管",
        "case complete T-1 --completed-on 2022-11-20 --evidence 0000000000000000000000000000000000000000000000000000000000000000",
        "case accept T-1",
    ]), @"");
    let mut city = Device::of("赵六", Role::Supervisor, Some(Level::City));
    city.receives(&county);
    assert_snapshot!(city.transcript(&[
        "case accept T-1 --on 2022-12-05 --recheck-on 2022-12-01 --item archive",
        "case accept T-1 --item-failed archive",
        "case accept T-1 --failed --item-failed archive --note 档案不全",
    ]), @"");
}

#[test]
fn the_county_is_refused_what_the_city_decides() {
    assert_snapshot!(supervisor(Level::County).transcript(&[
        "case decide T-1 规范",
        "case decide T-1 规范 --endorse",
        "case plan T-1 --measure 改造 --approve",
        "case plan T-1 --approve",
        "case plan T-1",
        "case accept T-1 --level city",
        "case code T-1 FA-511902-0012-GY-00",
        "case exempt T-1 sign --reason closed",
        "case known-from T-1 --document 台账 --document-dated 2021-12-20",
        "case reopen T-1 --unfounded --overrules 00000000000000000000000000000000 --observed-on 2023-05-02 --observation x",
    ]), @"");
}

#[test]
fn an_inspector_proposes_and_does_not_decide() {
    assert_snapshot!(Device::with_outlet().transcript(&[
        "case decide T-1 ban --government-document 巴州府函〔2022〕8号",
        "case review T-1 approve",
    ]), @"");
}

#[test]
fn nobody_decides_on_a_record_they_authored() {
    let mut device = Device::of("赵六", Role::Supervisor, Some(Level::City));
    device.does("add --lon 106.77 --lat 31.85 --number S-1");
    assert_snapshot!(device.transcript(&[
        "case review S-1 approve",
        "case decide S-1 ban --document x --government-document y",
        "case complete S-1 --completed-on 2021-06-01 --evidence 00",
    ]), @"");
}

#[test]
fn adding_a_recheck_is_no_authorship() {
    let mut device = supervisor(Level::City);
    device.does("recheck T-1 --discharge no --dry-weather yes");
    device.does("case review T-1 approve");
}

#[test]
fn decisions_with_missing_parts_are_refused() {
    assert_snapshot!(supervisor(Level::City).transcript(&[
        "case decide T-1 ban --document x",
        "case review T-1 return",
        "case review T-1 return --reason 定位偏移 --section location",
        "case review T-1 burn",
        "case extend T-1 --until 2024-06-30 --authority 市政府",
        "case settle T-1 weight 3",
        "case settle T-1 location",
        "case settle T-1 scale",
        "case settle T-1 state not_an_outlet",
        "case duplicate T-1 --of T-1",
        "case party T-1",
        "case code T-1 ABC",
        "case known-from T-1",
        "case approve-known T-1 00000000000000000000000000000000",
        "case exempt T-1 water --reason closed",
        "case enforcement T-1 jump",
    ]), @"");
}

#[test]
fn a_conflict_forbids_approval_until_it_is_settled() {
    // Two inspectors who do not see each other classify the same outlet.
    let mut first = Device::with_outlet();
    let mut second = Device::of("李四", Role::Inspector, None);
    second.receives(&first);
    first.does("classify T-1 ban");
    second.does("classify T-1 merge");
    let mut city = Device::of("赵六", Role::Supervisor, Some(Level::City));
    city.receives(&first);
    city.receives(&second);
    second.receives(&first);
    assert_snapshot!(second.transcript(&["conflicts", "classify T-1 regulate"]), @"");
    assert_snapshot!(city.transcript(&[
        "case review T-1 approve",
        "case settle T-1 classification merge --document 巴环函〔2022〕15号",
        "conflicts",
        "case review T-1 approve",
    ]), @"");
}
