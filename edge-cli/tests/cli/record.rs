//! Visits, samples, traces, proposals, works.

use insta::assert_snapshot;

use crate::device::{Device, Role};

#[test]
fn a_visit_keeps_three_kinds_of_answers_apart() {
    let mut device = Device::with_outlet();
    device.does(
        "survey T-1 --on 2021-06-03 --outcome complete --rain-48h no --discharge flowing --dry-weather-discharge yes \
         --smell none --colour unknown --turbidity blank --oil-film 无 --team 张三 --team 李四 --problem none_found \
         --flow 0.005 --flow-unit m3/s --appearance 清水,foam --type industrial_enterprise --entry-mode pipe",
    );
    let shown = device.json("show T-1");
    let survey = &shown["entries"][0];
    assert_eq!(survey["type"], "survey");
    assert_eq!(survey["smell"], "none");
    assert_eq!(survey["colour"], serde_json::json!({"cannot_determine": true}));
    assert!(survey["turbidity"].is_null() && survey.as_object().unwrap().contains_key("turbidity"));
    assert!(!survey.as_object().unwrap().contains_key("pattern"), "never asked is not blank");
    assert_eq!(survey["oil_film"], false);
    assert_eq!(survey["flow_m3_per_day"], 432.0);
    assert_eq!(survey["appearance"], serde_json::json!(["clear", "foam"]));
    assert_eq!(shown["facts"]["outlet_type"]["value"], "industrial_enterprise");
    assert_eq!(shown["facts"]["type_scheme"]["value"], "hj1312_2023");
}

#[test]
fn rain_in_the_last_two_days_leaves_dry_weather_discharge_undetermined() {
    let mut device = Device::with_outlet();
    assert_snapshot!(device.transcript(&[
        "survey T-1 --rain-48h yes --discharge flowing --dry-weather-discharge yes",
        "survey T-1 --discharge flowing --dry-weather-discharge yes",
    ]), @"");
    let shown = device.json("show T-1");
    assert_eq!(shown["entries"][0]["dry_weather_discharge"], serde_json::json!({"cannot_determine": true}));
    assert_eq!(shown["entries"][1]["dry_weather_discharge"], true);
}

#[test]
fn wrong_answers_of_a_visit_are_refused() {
    assert_snapshot!(Device::with_outlet().transcript(&[
        "survey T-1 --mixed perhaps",
        "survey T-1 --flow lots",
        "survey T-1 --flow 3 --flow-unit gallons",
        "survey T-1 --discharge 排",
        "survey T-1 --on 03.06.2021",
        "survey T-1 --level 4",
        "survey T-1 --on 2031-01-01",
        "survey T-9",
    ]), @"");
}

#[test]
fn samples_have_parameters_units_and_reasons() {
    let mut device = Device::with_outlet();
    assert_snapshot!(device.transcript(&[
        "sample T-1 quick --on 2021-06-03 --result ph=7.4 --result COD=38 --result flow=420 --person 张三 --person 李四",
        "sample T-1 lab --on 2021-06-03 --sample-number SY-1 --person 张三",
        "sample T-1 lab --on 2021-06-03 --reported-on 2021-06-10 --result '氨氮=<0.025' --result tp=nd --person 张三 --person 李四",
        "sample T-1 none --reason 无水",
    ]), @"");
    let samples = device.json("show T-1")["entries"].clone();
    assert_eq!(samples[0]["results"][2], serde_json::json!({"parameter": "flow", "value": 420.0, "unit": "m3/d"}));
    assert_eq!(samples[2]["results"][1], serde_json::json!({"parameter": "tp", "unit": "mg/L", "qualifier": "nd"}));
    assert_snapshot!(device.transcript(&[
        "sample T-1 none",
        "sample T-1 quick",
        "sample T-1 none --reason no_water --result ph=7",
        "sample T-1 quick --result ph",
        "sample T-1 quick --result ph=sour",
        "sample T-1 quick --result gold=1",
        "sample T-1 lab --on 2021-06-03 --reported-on 2021-06-01",
        "sample T-1 smell",
    ]), @"");
}

#[test]
fn a_trace_has_nodes_pipes_and_a_party() {
    let mut device = Device::with_outlet();
    assert_snapshot!(device.transcript(&[
        "trace T-1 concluded --on 2021-07-02 --method on_foot --mean QV --node 1:outlet --node 2:source:东兴食品厂:106.7701,31.8500 \
         --pipe 2>1:混凝土:140 --permit-point 2=DW001 --party-name 东兴食品有限公司 --party-uscc 91110000600037341L",
        "trace T-1 concluded --on 2021-07-03 --party-name 东兴食品有限公司 --party-uscc 911100006000373410",
        "trace T-1 government_fallback --party-name 巴州区人民政府",
    ]), @"");
    assert_snapshot!(device.transcript(&[
        "trace T-1 concluded",
        "trace T-1 government_fallback",
        "trace T-1 walking --node outlet",
        "trace T-1 walking --node 1:outlet --node 1:source",
        "trace T-1 walking --node 1:outlet --pipe 2>1",
        "trace T-1 walking --node 1:outlet --permit-point 3=DW001",
        "trace T-1 guessed",
    ]), @"");
}

#[test]
fn classes_are_proposed_by_code_or_word() {
    let mut device = Device::with_outlet();
    for (word, code) in [
        ("ban", "ban"),
        ("取缔", "ban"),
        ("合并", "merge"),
        ("规范", "regulate"),
        ("none", "none_needed"),
        ("无需整治", "none_needed"),
        ("未定", "undecided"),
    ] {
        device.does(&format!("classify T-1 {word} --basis 现场"));
        assert_eq!(device.json("show T-1")["facts"]["classification"]["value"], code, "{word}");
    }
    assert_snapshot!(device.transcript(&["classify T-1 close", "classify T-1 取消"]), @"");
}

#[test]
fn notes_reasons_works_and_papers_are_recorded() {
    let mut device = Device::with_outlet();
    assert_snapshot!(device.transcript(&[
        "plan-note T-1 建议沿河截污",
        "plan-note T-1 ''",
        "progress T-1 '截污管铺设 80 m' --on 2022-05-10 --measure 截污纳管",
        "recheck T-1 --on 2021-06-02 --discharge no --dry-weather yes",
        "sign T-1 erected --on 2021-06-02 --form 立柱式",
        "consent T-1 approval --kind new --authority 巴中市生态环境局 --number 巴环审〔2021〕9号 --volume-per-day 400",
        "consent T-1 permission --kind new --authority x --number y",
        "not-an-outlet T-1 --reason 其他 --note 桥面泄水孔",
        "not-an-outlet T-1 --reason 桥",
        "sign T-1 erected --photo 4f2a",
        "recheck T-1 --photo 0000000000000000000000000000000000000000000000000000000000000000",
    ]), @"");
}

#[test]
fn handing_in_names_what_is_missing_and_can_be_taken_back() {
    assert_snapshot!(Device::with_outlet().transcript(&["recall T-1", "submit T-1", "recall T-1", "recall T-1"]), @"");
}

#[test]
fn edits_write_only_what_is_given_and_name_what_they_replace() {
    let mut device = Device::with_outlet();
    assert_snapshot!(device.transcript(&[
        "edit T-1 --name 东兴食品厂东侧排污口 --size DN600 --scale 规模以上 --remark 雨后再看",
        "edit T-1",
        "edit T-1 --shape unknown --material blank",
        "edit T-1 --lon 106.7693 --lat 31.8511",
    ]), @"");
    let facts = device.json("show T-1")["facts"].clone();
    assert_eq!(facts["name"]["value"], "东兴食品厂东侧排污口");
    assert_eq!(facts["shape"]["value"], serde_json::json!({"cannot_determine": true}));
    assert!(facts["material"]["value"].is_null());
    assert_eq!(facts["location"]["value"]["lon"], 106.7693);
}

#[test]
fn a_record_in_the_wrong_county_gets_a_successor_with_the_same_facts() {
    let mut device = Device::covering("张三", Role::Inspector, None, &["511902", "511921"]);
    device.does("add --lon 106.77 --lat 31.85 --collection 511902 --number M-1 --name 老桥排口");
    let moved = device.json("move M-1 --to 511921");
    let new = device.json(&format!("show {}", moved["id"].as_str().unwrap()));
    assert_eq!(new["collection"], "511921");
    assert_eq!(new["facts"]["name"]["value"], "老桥排口");
    assert_eq!(new["facts"]["county"]["value"], "511921");
    let old = device.json("show M-1");
    let link = old["entries"].as_array().unwrap().last().unwrap();
    assert_eq!(link["direction"], "to");
    assert_snapshot!(device.transcript(&["move M-1 --to 511902", "move M-1 --to 511903"]), @"");
}

#[test]
fn ids_are_uuids_prefixes_or_numbers() {
    let mut device = Device::with_outlet();
    let id = device.json("show T-1")["id"].as_str().unwrap().to_owned();
    assert_eq!(device.json(&format!("show {id}"))["temporary_number"], "T-1");
    assert_eq!(device.json(&format!("show {}", &id[..13]))["temporary_number"], "T-1");
    device.does("add --lon 106.80 --lat 31.86 --number T-2");
    let common = &id[..8];
    assert_snapshot!(device.transcript(&[&format!("show {common}"), "show abc", "show 00000000-0000-7000-8000-000000000000"]), @"");
}
