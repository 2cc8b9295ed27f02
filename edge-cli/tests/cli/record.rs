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
    ]), @r#"
    $ outlet survey T-1 --rain-48h yes --discharge flowing --dry-weather-discharge yes
    ! warning: it rained in the last 48 hours, so discharge in dry weather cannot be answered: stored as "cannot determine". Visit again after two dry days.
    ! Saved on this device: T-1: survey of 2023-06-03.
    [exit 0]
    $ outlet survey T-1 --discharge flowing --dry-weather-discharge yes
    ! warning: discharge in dry weather was answered but rain in the last 48 hours was not: say --rain-48h no (or yes), or reviewers cannot rely on it.
    ! Saved on this device: T-1: survey of 2023-06-03.
    [exit 0]
    "#);
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
    ]), @r#"
    $ outlet survey T-1 --mixed perhaps
    ! error: --mixed is yes or no, got "perhaps"
    ! hint: answer --mixed yes, no, blank, or unknown (无法确定)
    [exit 1]
    $ outlet survey T-1 --flow lots
    ! error: --flow is a number, got "lots"
    ! hint: write it like --flow 12.5; if it could not be measured, --flow unknown
    [exit 1]
    $ outlet survey T-1 --flow 3 --flow-unit gallons
    ! error: "gallons" is not a unit of flow
    ! hint: use --flow-unit m3/d, m3/h, m3/s or L/s
    [exit 1]
    $ outlet survey T-1 --discharge 排
    ! error: "排" is not a value of --discharge
    ! hint: nearest: flowing (排水), dry (无水), stagnant (有死水)
    ! hint: valid: flowing (排水), dry (无水), stagnant (有死水), gated (闸断), uncertain (不确定)
    [exit 1]
    $ outlet survey T-1 --on 03.06.2021
    ! error: invalid value '03.06.2021' for '--on <ON>': a date is YYYY-MM-DD such as 2022-12-31 (a time RFC 3339), got "03.06.2021"
    ! 
    ! For more information, try '--help'.
    [exit 2]
    $ outlet survey T-1 --level 4
    ! error: invalid value '4' for '--level <LEVEL>': 4 is not in 1..=3
    ! 
    ! For more information, try '--help'.
    [exit 2]
    $ outlet survey T-1 --on 2031-01-01
    ! warning: --on 2031-01-01 is after today (2023-06-03 by this device's clock): check the date and the clock.
    ! Saved on this device: T-1: survey of 2031-01-01.
    [exit 0]
    $ outlet survey T-9
    ! error: no outlet on this device is "T-9"
    ! hint: give the UUID, at least 4 characters of its beginning, or the temporary number; `outlet list` shows all
    [exit 1]
    "#);
}

#[test]
fn samples_have_parameters_units_and_reasons() {
    let mut device = Device::with_outlet();
    assert_snapshot!(device.transcript(&[
        "sample T-1 quick --on 2021-06-03 --result ph=7.4 --result COD=38 --result flow=420 --person 张三 --person 李四",
        "sample T-1 lab --on 2021-06-03 --sample-number SY-1 --person 张三",
        "sample T-1 lab --on 2021-06-03 --reported-on 2021-06-10 --result '氨氮=<0.025' --result tp=nd --person 张三 --person 李四",
        "sample T-1 none --reason 无水",
    ]), @r#"
    $ outlet sample T-1 quick --on 2021-06-03 --result ph=7.4 --result COD=38 --result flow=420 --person 张三 --person 李四
    ! Saved on this device: T-1: quick sample, results: 3.
    [exit 0]
    $ outlet sample T-1 lab --on 2021-06-03 --sample-number SY-1 --person 张三
    ! warning: a sample names at least two persons: add them with --person.
    ! warning: no results yet: this sample counts only once they are entered.
    ! Saved on this device: T-1: lab sample, results: 0.
    [exit 0]
    $ outlet sample T-1 lab --on 2021-06-03 --reported-on 2021-06-10 --result '氨氮=<0.025' --result tp=nd --person 张三 --person 李四
    ! Saved on this device: T-1: lab sample, results: 2.
    [exit 0]
    $ outlet sample T-1 none --reason 无水
    ! Saved on this device: T-1: no sample (no_water).
    [exit 0]
    "#);
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
    ]), @r#"
    $ outlet sample T-1 none
    ! error: a sample that could not be taken needs its reason
    ! hint: add --reason, such as --reason no_water, and a photo of the spot
    [exit 1]
    $ outlet sample T-1 quick
    ! error: a quick test needs at least one result
    ! hint: add --result ph=7.4; if nothing could be measured, record `none` with --reason
    [exit 1]
    $ outlet sample T-1 none --reason no_water --result ph=7
    ! error: results were given for a sample that was not taken
    ! hint: use `quick` or `lab` instead of `none`, or leave --result out
    [exit 1]
    $ outlet sample T-1 quick --result ph
    ! error: "ph" is not a result: it has no `=`
    ! hint: write PARAMETER=VALUE[:UNIT], such as --result cod=38, --result flow=420:m3/d, --result tp=nd
    [exit 1]
    $ outlet sample T-1 quick --result ph=sour
    ! error: "ph=sour" is not a result: its value is not a number
    ! hint: write PARAMETER=VALUE[:UNIT], such as --result cod=38, --result flow=420:m3/d, --result tp=nd
    [exit 1]
    $ outlet sample T-1 quick --result gold=1
    ! error: "gold" is not a value of --result
    ! hint: nearest: cod (化学需氧量), bod5 (五日生化需氧量), conductivity (电导率)
    ! hint: valid: ph (pH), cod (化学需氧量), nh3_n (氨氮), tp (总磷), tn (总氮), bod5 (五日生化需氧量), volatile_phenol (挥发酚), conductivity (电导率), temperature (水温), flow (流量)
    [exit 1]
    $ outlet sample T-1 lab --on 2021-06-03 --reported-on 2021-06-01
    ! error: the report of 2021-06-01 is older than the sample of 2021-06-03
    ! hint: --on is the day of sampling, --reported-on the date of the laboratory's report
    [exit 1]
    $ outlet sample T-1 smell
    ! error: "smell" is not a value of the kind of sample
    ! hint: valid: quick (现场快检), lab (实验室检测), none (未采样)
    [exit 1]
    "#);
}

#[test]
fn a_trace_has_nodes_pipes_and_a_party() {
    let mut device = Device::with_outlet();
    assert_snapshot!(device.transcript(&[
        "trace T-1 concluded --on 2021-07-02 --method on_foot --mean QV --node 1:outlet --node 2:source:东兴食品厂:106.7701,31.8500 \
         --pipe 2>1:混凝土:140 --permit-point 2=DW001 --party-name 东兴食品有限公司 --party-uscc 91110000600037341L",
        "trace T-1 concluded --on 2021-07-03 --party-name 东兴食品有限公司 --party-uscc 911100006000373410",
        "trace T-1 government_fallback --party-name 巴州区人民政府",
    ]), @r#"
    $ outlet trace T-1 concluded --on 2021-07-02 --method on_foot --mean QV --node 1:outlet --node 2:source:东兴食品厂:106.7701,31.8500 --pipe 2>1:混凝土:140 --permit-point 2=DW001 --party-name 东兴食品有限公司 --party-uscc 91110000600037341L
    ! Saved on this device: T-1: trace (concluded).
    [exit 0]
    $ outlet trace T-1 concluded --on 2021-07-03 --party-name 东兴食品有限公司 --party-uscc 911100006000373410
    ! warning: the check character of 911100006000373410 should be L: one of the characters is mistyped.
    ! Saved on this device: T-1: trace (concluded).
    [exit 0]
    $ outlet trace T-1 government_fallback --party-name 巴州区人民政府
    ! warning: 政府兜底 counts only with the designating document: correct this entry with --document.
    ! Saved on this device: T-1: trace (government_fallback).
    [exit 0]
    "#);
    assert_snapshot!(device.transcript(&[
        "trace T-1 concluded",
        "trace T-1 government_fallback",
        "trace T-1 walking --node outlet",
        "trace T-1 walking --node 1:outlet --node 1:source",
        "trace T-1 walking --node 1:outlet --pipe 2>1",
        "trace T-1 walking --node 1:outlet --permit-point 3=DW001",
        "trace T-1 guessed",
    ]), @r#"
    $ outlet trace T-1 concluded
    ! error: a concluded trace needs its responsible party (责任主体)
    ! hint: add --party-name; if the source is known but nobody is found, record `difficult` with --difficult-note
    [exit 1]
    $ outlet trace T-1 government_fallback
    ! error: 政府兜底 needs the government that stands in
    ! hint: add --party-name 巴州区人民政府 and --document with the 文号 that designates it
    [exit 1]
    $ outlet trace T-1 walking --node outlet
    ! error: "outlet" is not a node
    ! hint: write SERIAL:KIND[:NAME[:LON,LAT]], such as --node '2:source:东兴食品厂:106.7701,31.8500'
    [exit 1]
    $ outlet trace T-1 walking --node 1:outlet --node 1:source
    ! error: node 1 is given twice
    ! hint: number the nodes of the chain 1, 2, 3, … from the outlet up
    [exit 1]
    $ outlet trace T-1 walking --node 1:outlet --pipe 2>1
    ! error: "2>1" is not a pipe: there is no node 2
    ! hint: write FROM>TO[:MATERIAL[:LENGTH_M]] with the serials of two nodes, such as --pipe '2>1:concrete:140'
    [exit 1]
    $ outlet trace T-1 walking --node 1:outlet --permit-point 3=DW001
    ! error: --permit-point "3=DW001" names no node of this trace
    ! hint: write --permit-point SERIAL=VALUE with the SERIAL of one of the --node options
    [exit 1]
    $ outlet trace T-1 guessed
    ! error: "guessed" is not a value of the conclusion
    ! hint: nearest: government_fallback (政府兜底), walking (溯源中), concluded (已溯源)
    ! hint: valid: walking (溯源中), difficult (疑难), concluded (已溯源), government_fallback (政府兜底)
    [exit 1]
    "#);
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
    assert_snapshot!(device.transcript(&["classify T-1 close", "classify T-1 取消"]), @r#"
    $ outlet classify T-1 close
    ! error: "close" is not a value of the class
    ! hint: nearest: none_needed (无需整治), merge (合并), undecided (未定)
    ! hint: valid: ban (取缔), merge (合并), regulate (规范), none_needed (无需整治), undecided (未定)
    [exit 1]
    $ outlet classify T-1 取消
    ! error: "取消" is not a value of the class
    ! hint: nearest: ban (取缔), merge (合并), regulate (规范)
    ! hint: valid: ban (取缔), merge (合并), regulate (规范), none_needed (无需整治), undecided (未定)
    [exit 1]
    "#);
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
    ]), @r#"
    $ outlet plan-note T-1 建议沿河截污
    ! Saved on this device: T-1: note.
    [exit 0]
    $ outlet plan-note T-1 ''
    ! error: the note is empty
    ! hint: write the note after the id, in quotes
    [exit 1]
    $ outlet progress T-1 '截污管铺设 80 m' --on 2022-05-10 --measure 截污纳管
    ! Saved on this device: T-1: progress of the works.
    [exit 0]
    $ outlet recheck T-1 --on 2021-06-02 --discharge no --dry-weather yes
    ! Saved on this device: T-1: re-check of the site.
    [exit 0]
    $ outlet sign T-1 erected --on 2021-06-02 --form 立柱式
    ! Saved on this device: T-1: sign erected.
    [exit 0]
    $ outlet consent T-1 approval --kind new --authority 巴中市生态环境局 --number 巴环审〔2021〕9号 --volume-per-day 400
    ! Saved on this device: T-1: consent.
    [exit 0]
    $ outlet consent T-1 permission --kind new --authority x --number y
    ! error: "permission" is not a value of the regime
    ! hint: valid: approval (审批), registration (登记)
    [exit 1]
    $ outlet not-an-outlet T-1 --reason 其他 --note 桥面泄水孔
    ! Saved on this device: T-1: proposed as not an outlet (other).
    [exit 0]
    $ outlet not-an-outlet T-1 --reason 桥
    ! error: "桥" is not a value of --reason
    ! hint: nearest: bridge_road_drain (桥梁、道路、堤坝两侧泄水口), single_household (一家一户的生活污水排放口), field_pond_exchange (农田、鱼塘间的换水口)
    ! hint: valid: single_household (一家一户的生活污水排放口), field_pond_exchange (农田、鱼塘间的换水口), bridge_road_drain (桥梁、道路、堤坝两侧泄水口), pump_intake (泵站的取水口), weir_culvert (拦河坝、过水涵洞), gully_seepage (地表冲沟、山体渗水), not_found (现场未发现入河排污口), other (其他)
    [exit 1]
    $ outlet sign T-1 erected --photo 4f2a
    ! error: invalid value '4f2a' for '--photo <PHOTO>': a file hash must be 64 hexadecimal digits, got "4f2a"
    ! 
    ! For more information, try '--help'.
    [exit 2]
    $ outlet recheck T-1 --photo SHA256
    ! error: no photo or attachment of this record has the hash SHA256
    ! hint: add the file first with `outlet photo` or `outlet attach`, then name the hash that it prints
    [exit 1]
    "#);
}

#[test]
fn handing_in_names_what_is_missing_and_can_be_taken_back() {
    assert_snapshot!(Device::with_outlet().transcript(&["recall T-1", "submit T-1", "recall T-1", "recall T-1"]), @r#"
    $ outlet recall T-1
    ! error: the record is not submitted, so there is nothing to take back
    ! hint: `outlet show ID` lists what was done to it
    [exit 1]
    $ outlet submit T-1
    ! warning: still missing for a complete survey: the type (outlet edit --type; `unknown` is an answer).
    ! warning: still missing for a complete survey: 入河方式 (outlet edit --entry-mode).
    ! warning: still missing for a complete survey: a visit with the discharge state (outlet survey --discharge).
    ! warning: still missing for a complete survey: two photos, near and surroundings (outlet photo).
    ! Saved on this device: T-1: submitted for review.
    [exit 0]
    $ outlet recall T-1
    ! Saved on this device: T-1: taken back.
    [exit 0]
    $ outlet recall T-1
    ! error: the record is not submitted, so there is nothing to take back
    ! hint: `outlet show ID` lists what was done to it
    [exit 1]
    "#);
}

#[test]
fn edits_write_only_what_is_given_and_name_what_they_replace() {
    let mut device = Device::with_outlet();
    assert_snapshot!(device.transcript(&[
        "edit T-1 --name 东兴食品厂东侧排污口 --size DN600 --scale 规模以上 --remark 雨后再看",
        "edit T-1",
        "edit T-1 --shape unknown --material blank",
        "edit T-1 --lon 106.7693 --lat 31.8511",
    ]), @r#"
    $ outlet edit T-1 --name 东兴食品厂东侧排污口 --size DN600 --scale 规模以上 --remark 雨后再看
    ! Saved on this device: T-1: name, size, scale.
    [exit 0]
    $ outlet edit T-1
    ! error: nothing to change
    ! hint: name at least one fact, such as --name or --scale; see `outlet edit --help`
    [exit 1]
    $ outlet edit T-1 --shape unknown --material blank
    ! Saved on this device: T-1: shape, material.
    [exit 0]
    $ outlet edit T-1 --lon 106.7693 --lat 31.8511
    ! Saved on this device: T-1: location.
    [exit 0]
    "#);
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
    assert_snapshot!(device.transcript(&["move M-1 --to 511902", "move M-1 --to 511903"]), @r#"
    $ outlet move M-1 --to 511902
    ! error: the record is in 511902 already
    ! hint: to correct the county used in assessment only, use `outlet edit ID --county`
    [exit 1]
    $ outlet move M-1 --to 511903
    ! error: you have no right to write in collection 511903
    ! hint: your membership covers 511902, 511921; ask the administrator for a ticket that covers 511903
    [exit 1]
    "#);
}

#[test]
fn ids_are_uuids_prefixes_or_numbers() {
    let mut device = Device::with_outlet();
    let id = device.json("show T-1")["id"].as_str().unwrap().to_owned();
    assert_eq!(device.json(&format!("show {id}"))["temporary_number"], "T-1");
    assert_eq!(device.json(&format!("show {}", &id[..13]))["temporary_number"], "T-1");
    device.does("add --lon 106.80 --lat 31.86 --number T-2");
    let common = &id[..8];
    assert_snapshot!(device.transcript(&[&format!("show {common}"), "show abc", "show 00000000-0000-7000-8000-000000000000"]), @r#"
    $ outlet show 0188807c
    ! error: "0188807c" means 2 outlets
    ! hint: give more of the id: UUID T-2; UUID T-1
    [exit 1]
    $ outlet show abc
    ! error: no outlet on this device is "abc"
    ! hint: give the UUID, at least 4 characters of its beginning, or the temporary number; `outlet list` shows all
    [exit 1]
    $ outlet show UUID
    ! error: no outlet on this device is "UUID"
    ! hint: give the UUID, at least 4 characters of its beginning, or the temporary number; `outlet list` shows all
    [exit 1]
    "#);
}
