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
    ]), @r#"
    $ outlet case review T-1 approve --on 2021-06-10
    ! Saved on this device: T-1: review: approve.
    [exit 0]
    $ outlet case decide T-1 规范 --on 2022-03-01 --document 巴环函〔2022〕15号 --basis 国办函〔2022〕17号:七
    ! Saved on this device: T-1: class regulate decided.
    [exit 0]
    $ outlet case plan T-1 --on 2022-04-01 --measure 改造 --measure 规范化建设 --item archive,sampling_point --department 巴州区住建局 --due 2022-12-31
    ! Saved on this device: T-1: plan version 1 drafted.
    [exit 0]
    $ outlet case plan T-1 --approve --on 2022-04-10 --document 巴环函〔2022〕20号
    ! Saved on this device: T-1: plan version 1 approved.
    [exit 0]
    $ outlet case name T-1 巴中市巴州区东城街道东兴食品厂东侧20米工业企业排污口 --on 2023-02-01
    ! Saved on this device: T-1: name 巴中市巴州区东城街道东兴食品厂东侧20米工业企业排污口 approved.
    [exit 0]
    $ outlet case code T-1 FA-511902-0012-GY-00 --issued-on 2023-02-20
    ! Saved on this device: T-1: code FA-511902-0012-GY-00 recorded.
    [exit 0]
    $ outlet case sign T-1 erected --observed-on 2023-04-01
    ! Saved on this device: T-1: sign erected.
    [exit 0]
    $ outlet case extend T-1 --until 2024-06-30 --milestone M4 --authority 巴中市人民政府 --document 巴府函〔2023〕88号
    ! Saved on this device: T-1: extended to 2024-06-30.
    [exit 0]
    $ outlet case party T-1 --party-name 东兴食品有限公司 --department 巴州区住建局
    ! Saved on this device: T-1: responsible party designated.
    [exit 0]
    $ outlet case exempt T-1 sign --reason underwater
    ! Saved on this device: T-1: exempt from sign.
    [exit 0]
    $ outlet case enforcement T-1 lead --number X1
    ! Saved on this device: T-1: enforcement: lead.
    [exit 0]
    $ outlet case reopen T-1 --observed-on 2023-05-02 --observation 封堵口再次出流
    ! Saved on this device: T-1: re-opened.
    [exit 0]
    "#);
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
    assert_snapshot!(county.transcript(&["case accept T-1"]), @r#"
    $ outlet case accept T-1
    ! error: there is no completion report to accept on this device
    ! hint: run `outlet sync`; the county reports with `outlet case complete`
    [exit 1]
    "#);
    assert_snapshot!(county.transcript(&[
        "case complete T-1 --completed-on 2022-11-20 --measure 改造 --item archive",
        "case complete T-1",
        "case complete T-1 --completed-on 2022-11-20 --merged-into sewer",
        "case complete T-1 --completed-on 2022-11-20 --merged-into sewer:江北截污干管",
        "case complete T-1 --completed-on 2022-11-20 --evidence 0000000000000000000000000000000000000000000000000000000000000000",
        "case accept T-1",
    ]), @r#"
    $ outlet case complete T-1 --completed-on 2022-11-20 --measure 改造 --item archive
    ! warning: no after-photos or papers are named: acceptance asks for them (--evidence SHA256).
    ! Saved on this device: T-1: completion reported.
    [exit 0]
    $ outlet case complete T-1
    ! error: the following required arguments were not provided:
    !   --completed-on <COMPLETED_ON>
    ! 
    ! Usage: outlet case complete --completed-on <COMPLETED_ON> <ID>
    ! 
    ! For more information, try '--help'.
    [exit 2]
    $ outlet case complete T-1 --completed-on 2022-11-20 --merged-into sewer
    ! error: "sewer" does not say where the water goes
    ! hint: write --merged-into outlet:ID, sewer:NAME or plant:NAME
    [exit 1]
    $ outlet case complete T-1 --completed-on 2022-11-20 --merged-into sewer:江北截污干管
    ! warning: no after-photos or papers are named: acceptance asks for them (--evidence SHA256).
    ! Saved on this device: T-1: completion reported.
    [exit 0]
    $ outlet case complete T-1 --completed-on 2022-11-20 --evidence SHA256
    ! error: no photo or attachment of this record has the hash SHA256
    ! hint: add the file first with `outlet photo` or `outlet attach`, then name the hash that it prints
    [exit 1]
    $ outlet case accept T-1
    ! error: whoever reported the completion cannot accept it, and that was you
    ! hint: another supervisor checks and accepts the works
    [exit 1]
    "#);
    let mut city = Device::of("赵六", Role::Supervisor, Some(Level::City));
    city.receives(&county);
    assert_snapshot!(city.transcript(&[
        "case accept T-1 --on 2022-12-05 --recheck-on 2022-12-01 --item archive",
        "case accept T-1 --item-failed archive",
        "case accept T-1 --failed --item-failed archive --note 档案不全",
    ]), @r#"
    $ outlet case accept T-1 --on 2022-12-05 --recheck-on 2022-12-01 --item archive
    ! Saved on this device: T-1: city acceptance passed.
    [exit 0]
    $ outlet case accept T-1 --item-failed archive
    ! error: an acceptance with unmet items cannot pass
    ! hint: add --failed, or leave --item-failed out
    [exit 1]
    $ outlet case accept T-1 --failed --item-failed archive --note 档案不全
    ! Saved on this device: T-1: city acceptance failed.
    [exit 0]
    "#);
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
    ]), @r#"
    $ outlet case decide T-1 规范
    ! error: this decision needs a supervisor of the city; you are a supervisor of the county
    ! hint: endorse it for the city: outlet case decide ID CLASS --endorse
    [exit 1]
    $ outlet case decide T-1 规范 --endorse
    ! Saved on this device: T-1: class regulate endorsed.
    [exit 0]
    $ outlet case plan T-1 --measure 改造 --approve
    ! error: this decision needs a supervisor of the city; you are a supervisor of the county
    ! hint: draft it without --approve; the city approves
    [exit 1]
    $ outlet case plan T-1 --approve
    ! error: there is no plan to approve on this device
    ! hint: run `outlet sync` to fetch the county's draft, or give the plan's contents here
    [exit 1]
    $ outlet case plan T-1
    ! error: the plan is empty
    ! hint: add at least one --measure
    [exit 1]
    $ outlet case accept T-1 --level city
    ! error: this decision needs a supervisor of the city; you are a supervisor of the county
    ! hint: record the first check of the county: --level county
    [exit 1]
    $ outlet case code T-1 FA-511902-0012-GY-00
    ! error: this decision needs a supervisor of the city; you are a supervisor of the county
    ! hint: ask a supervisor of the right level, or the administrator for another ticket
    [exit 1]
    $ outlet case exempt T-1 sign --reason closed
    ! error: this decision needs a supervisor of the city; you are a supervisor of the county
    ! hint: ask a supervisor of the right level, or the administrator for another ticket
    [exit 1]
    $ outlet case known-from T-1 --document 台账 --document-dated 2021-12-20
    ! error: this decision needs an admin; you are a supervisor of the county
    ! hint: ask a supervisor of the right level, or the administrator for another ticket
    [exit 1]
    $ outlet case reopen T-1 --unfounded --overrules ENTRY --observed-on 2023-05-02 --observation x
    ! error: this decision needs a supervisor of the city; you are a supervisor of the county
    ! hint: ask a supervisor of the right level, or the administrator for another ticket
    [exit 1]
    "#);
}

#[test]
fn an_inspector_proposes_and_does_not_decide() {
    assert_snapshot!(Device::with_outlet().transcript(&[
        "case decide T-1 ban --government-document 巴州府函〔2022〕8号",
        "case review T-1 approve",
    ]), @r#"
    $ outlet case decide T-1 ban --government-document 巴州府函〔2022〕8号
    ! error: this decision needs a supervisor of the city; you are an inspector
    ! hint: propose the class instead: outlet classify ID CLASS
    [exit 1]
    $ outlet case review T-1 approve
    ! error: this decision needs a supervisor of the county; you are an inspector
    ! hint: ask a supervisor of the right level, or the administrator for another ticket
    [exit 1]
    "#);
}

#[test]
fn nobody_decides_on_a_record_they_authored() {
    let mut device = Device::of("赵六", Role::Supervisor, Some(Level::City));
    device.does("add --lon 106.77 --lat 31.85 --number S-1");
    assert_snapshot!(device.transcript(&[
        "case review S-1 approve",
        "case decide S-1 ban --document x --government-document y",
        "case complete S-1 --completed-on 2021-06-01 --evidence 00",
    ]), @r#"
    $ outlet case review S-1 approve
    ! error: nobody decides on a record they authored, and you wrote in this one
    ! hint: another supervisor of your level decides; you can still add photos, notes and reports
    [exit 1]
    $ outlet case decide S-1 ban --document x --government-document y
    ! error: nobody decides on a record they authored, and you wrote in this one
    ! hint: another supervisor of your level decides; you can still add photos, notes and reports
    [exit 1]
    $ outlet case complete S-1 --completed-on 2021-06-01 --evidence 00
    ! error: invalid value '00' for '--evidence <EVIDENCE>': a file hash must be 64 hexadecimal digits, got "00"
    ! 
    ! For more information, try '--help'.
    [exit 2]
    "#);
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
    ]), @r#"
    $ outlet case decide T-1 ban --document x
    ! error: 取缔 is decided by the government: its document is missing
    ! hint: add --government-document 文号; to propose the class only, use `outlet classify ID ban`
    [exit 1]
    $ outlet case review T-1 return
    ! error: a return names its reasons, so that the inspector knows what to do
    ! hint: add --reason, such as --reason location_offset, and --note for details
    [exit 1]
    $ outlet case review T-1 return --reason 定位偏移 --section location
    ! Saved on this device: T-1: review: return.
    [exit 0]
    $ outlet case review T-1 burn
    ! error: "burn" is not a value of the action
    ! hint: valid: open (打开), approve (通过), return (退回), revoke (撤销通过), cancel_return (撤销退回)
    [exit 1]
    $ outlet case extend T-1 --until 2024-06-30 --authority 市政府
    ! error: an extension needs the 文号 of the paper that grants it
    ! hint: add --document, such as --document 巴府函〔2023〕88号
    [exit 1]
    $ outlet case settle T-1 weight 3
    ! error: "weight" is not a value of the fact
    ! hint: valid: classification, state, scale, location, county, management_unit
    [exit 1]
    $ outlet case settle T-1 location
    ! error: a location needs both coordinates
    ! hint: add --lon and --lat
    [exit 1]
    $ outlet case settle T-1 scale
    ! error: the value of scale is missing
    ! hint: write it after the fact: outlet case settle ID scale VALUE
    [exit 1]
    $ outlet case settle T-1 state not_an_outlet
    ! error: 非排口 needs a reason of the closed list
    ! hint: add --reason, such as --reason bridge_road_drain
    [exit 1]
    $ outlet case duplicate T-1 --of T-1
    ! error: a record cannot be a duplicate of itself
    ! hint: ID is the record that goes, --of the one that stays
    [exit 1]
    $ outlet case party T-1
    ! error: nothing is designated
    ! hint: add --party-name, --other-party, --department or --government
    [exit 1]
    $ outlet case code T-1 ABC
    ! error: "ABC" is not a national outlet code: expected two letters, county, serial, type letters and extension such as FA-511902-0001-GY-00
    ! hint: a national code is written FA-511902-0001-GY-00; for a provincial one add --system provincial
    [exit 1]
    $ outlet case known-from T-1
    ! error: a known date comes from a named, dated document
    ! hint: add --document NAME --document-dated DATE, such as a sealed ledger of that year
    [exit 1]
    $ outlet case approve-known T-1 ENTRY
    ! error: entry ENTRY names no known date in this case file
    ! hint: `outlet show ID` lists the entries of type known_from; `outlet sync` fetches missing ones
    [exit 1]
    $ outlet case exempt T-1 water --reason closed
    ! error: "water" is not a value of WHAT
    ! hint: valid: sign (标识牌), name (命名), code (编码)
    [exit 1]
    $ outlet case enforcement T-1 jump
    ! error: "jump" is not a value of the step
    ! hint: valid: lead (线索), transferred (移送), case_opened (立案), outcome (结果), withdrawn (撤回)
    [exit 1]
    "#);
}

#[test]
fn the_city_approves_every_known_date_that_waits() {
    let mut admin = Device::of("钱七", Role::Admin, Some(Level::City));
    admin.receives(&Device::with_outlet());
    admin.does("case known-from T-1 --document 甲台账 --document-dated 2021-12-20");
    admin.does("case known-from T-1 --document 乙台账 --document-dated 2022-12-20");
    let mut city = Device::of("赵六", Role::Supervisor, Some(Level::City));
    city.receives(&admin);
    let known: Vec<_> = case_entries(&mut city, "known_from");
    city.does(&format!("case approve-known T-1 {}", known[0]));
    assert_snapshot!(city.transcript(&["case approve-known T-1", "case approve-known T-1"]), @r"
    $ outlet case approve-known T-1
    ! Saved on this device: T-1: known date approved.
    [exit 0]
    $ outlet case approve-known T-1
    ! error: no known date of this case file waits for approval
    ! hint: `outlet show ID` lists its entries; `outlet sync` fetches missing ones
    [exit 1]
    ");
    admin.does("case known-from T-1 --document 丙台账 --document-dated 2023-05-20");
    admin.does("case known-from T-1 --document 丁台账 --document-dated 2023-05-21");
    assert_snapshot!(admin.transcript(&["case approve-known T-1"]), @r"
    $ outlet case approve-known T-1
    ! error: a known date is approved by somebody else than who recorded it
    ! hint: a city supervisor approves it
    [exit 1]
    ");
    city.receives(&admin);
    assert_snapshot!(city.transcript(&["case approve-known T-1 --on 2023-06-01"]), @r"
    $ outlet case approve-known T-1 --on 2023-06-01
    ! Saved on this device: T-1: 2 known dates approved.
    [exit 0]
    ");
    assert_eq!(case_entries(&mut city, "approve_known").len(), 4);
}

/// Ids of the case file's entries of a type.
fn case_entries(device: &mut Device, kind: &str) -> Vec<String> {
    let shown = device.json("show T-1");
    let all = shown["case"].as_array().unwrap().iter().filter(|entry| entry["type"] == kind);
    all.map(|entry| entry["entry"].as_str().unwrap().to_owned()).collect()
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
    assert_snapshot!(second.transcript(&["conflicts", "classify T-1 regulate"]), @r#"
    $ outlet conflicts
    T-1  classification
      ban  by 张三 at 2023-06-03T09:00:00Z (entry ENTRY)
      merge  by 李四 at 2023-06-03T09:00:00Z (entry ENTRY)
    ! Conflicts: 1. A supervisor ends one with `outlet case settle ID FIELD VALUE`.
    [exit 0]
    $ outlet classify T-1 regulate
    ! warning: classification is in conflict, and this adds one more candidate: a supervisor decides with `outlet case settle ID classification VALUE`.
    ! Saved on this device: T-1: proposed class regulate.
    [exit 0]
    "#);
    assert_snapshot!(city.transcript(&[
        "case review T-1 approve",
        "case settle T-1 classification merge --document 巴环函〔2022〕15号",
        "conflicts",
        "case review T-1 approve",
    ]), @r#"
    $ outlet case review T-1 approve
    ! error: the record has open conflicts in classification
    ! hint: decide them first: outlet case settle ID classification VALUE
    ! hint: `outlet conflicts` lists the candidates
    [exit 1]
    $ outlet case settle T-1 classification merge --document 巴环函〔2022〕15号
    ! Saved on this device: T-1: classification settled, 2 values overruled.
    [exit 0]
    $ outlet conflicts
    ! No conflicts.
    [exit 0]
    $ outlet case review T-1 approve
    ! Saved on this device: T-1: review: approve.
    [exit 0]
    "#);
}

#[test]
fn a_basis_that_was_not_in_force_founds_no_decision() {
    let mut device = supervisor(Level::City);
    assert_snapshot!(device.transcript(&[
        "case decide T-1 规范 --on 2022-01-28 --document 巴环函〔2022〕15号 --basis 国办函〔2022〕17号:七",
        "case decide T-1 规范 --on 2022-03-01 --document 巴环函〔2022〕15号 --document-dated 2022-01-20 --basis 国办函〔2022〕17号",
        "case decide T-1 规范 --on 2022-01-28 --document 巴环函〔2022〕15号 --basis 长江保护法 --basis 某办法",
    ]), @r#"
    $ outlet case decide T-1 规范 --on 2022-01-28 --document 巴环函〔2022〕15号 --basis 国办函〔2022〕17号:七
    ! error: 国办函〔2022〕17号 was not in force on 2022-01-28 (from 2022-01-29): rest the decision on what was, or date it as its document is dated
    ! hint: give the decision's date with --on, or that of its paper with --document-dated
    [exit 1]
    $ outlet case decide T-1 规范 --on 2022-03-01 --document 巴环函〔2022〕15号 --document-dated 2022-01-20 --basis 国办函〔2022〕17号
    ! error: 国办函〔2022〕17号 was not in force on 2022-01-20 (from 2022-01-29): rest the decision on what was, or date it as its document is dated
    ! hint: give the decision's date with --on, or that of its paper with --document-dated
    [exit 1]
    $ outlet case decide T-1 规范 --on 2022-01-28 --document 巴环函〔2022〕15号 --basis 长江保护法 --basis 某办法
    ! Saved on this device: T-1: class regulate decided.
    [exit 0]
    "#);
}
