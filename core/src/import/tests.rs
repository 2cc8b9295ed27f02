//! Tables as other cities write them.

use super::*;
use crate::domain::dictionary::Dictionaries;
use crate::domain::field::{FieldEntry, fact};
use crate::domain::region::{Regions, Rivers};
use crate::ids::BlobHash;
use crate::time::{Day, Timestamp};
use serde_json::json;

const MAPPING: &str = r#"
format = 1
name = "遥感疑似点位"
source_id = "编号"
[columns]
name = "疑似排口名称"
county = "区县"
township = "乡镇"
waterbody = "河流"
bank = "岸别"
outlet_type = "类型"
scale = "规模以上"
volume_m3_per_day = "日排放量"
exists_from = "建成时间"
remark = "备注"
[values.bank]
"河左" = "left"
[[position]]
lon = "经度"
lat = "纬度"
datum_column = "坐标系"
datum = "wgs84"
[[position]]
lon = "bd_jd"
lat = "bd_wd"
datum = "bd09"
"#;
const HEADER: [&str; 16] = [
    "编号",
    "疑似排口名称",
    "区县",
    "乡镇",
    "河流",
    "岸别",
    "类型",
    "规模以上",
    "日排放量",
    "建成时间",
    "备注",
    "经度",
    "纬度",
    "坐标系",
    "bd_jd",
    "bd_wd",
];

fn header() -> Vec<String> {
    HEADER.map(str::to_owned).to_vec()
}

/// Converts rows given as column and text; every other cell is empty.
fn convert(rows: &[&[(&str, Cell)]]) -> Vec<Converted> {
    let (dictionaries, regions, rivers) = (Dictionaries::embedded(), Regions::embedded(), Rivers::embedded());
    let mapping = Mapping::parse(MAPPING).unwrap();
    let bound = mapping.bind(&header()).unwrap();
    let places = Places { dictionaries: &dictionaries, regions: &regions, rivers: &rivers };
    let mut converter = Converter::new(&mapping, &bound, places);
    let place = |name: &str| HEADER.iter().position(|column| *column == name).unwrap();
    let convert = |(at, cells): (usize, &&[(&str, Cell)])| {
        let mut row = SourceRow { line: at as u64 + 2, cells: vec![Cell::Empty; HEADER.len()] };
        for (name, cell) in *cells {
            row.cells[place(name)] = cell.clone();
        }
        converter.convert(&row)
    };
    rows.iter().enumerate().map(convert).collect()
}

fn text(value: &str) -> Cell {
    Cell::Text(value.to_owned())
}

const GOOD: [(&str, &str); 5] =
    [("编号", "1"), ("区县", "巴州区"), ("经度", "106.769"), ("纬度", "31.851"), ("类型", "城镇雨洪排口")];

fn good(more: &[(&'static str, Cell)]) -> Vec<(&'static str, Cell)> {
    let mut row: Vec<(&str, Cell)> = GOOD.iter().map(|(name, value)| (*name, text(value))).collect();
    for (name, cell) in more {
        row.retain(|(other, _)| other != name);
        row.push((*name, cell.clone()));
    }
    row
}

#[track_caller]
fn problems(more: &[(&'static str, Cell)], expected: &[(&str, bool)]) -> Converted {
    let converted = convert(&[&good(more)]).remove(0);
    let found: Vec<(&str, bool)> = converted.problems.iter().map(|problem| (problem.code, problem.error)).collect();
    assert_eq!(found, expected, "{:#?}", converted.problems);
    assert_eq!(converted.is_good(), !expected.iter().any(|(_, error)| *error));
    converted
}

fn fact_of<'c>(converted: &'c Converted, name: &str) -> Option<&'c serde_json::Value> {
    converted.facts.iter().find(|(field, _)| *field == name).map(|(_, value)| value)
}

#[test]
fn a_row_becomes_a_record_with_its_origin_and_codes_of_the_dictionaries() {
    let row = good(&[
        ("岸别", text("河左")),
        ("规模以上", text("否")),
        ("日排放量", text("１,２00")),
        ("建成时间", text("2018年5月1日")),
        ("备注", text("-")),
        ("乡镇", text("无法确定")),
    ]);
    let converted = convert(&[&row]).remove(0);
    assert!(converted.is_good());
    let values = [
        (fact::STATE, json!("suspected")),
        (fact::COUNTY, json!("511902")),
        (fact::BANK, json!("left")),
        (fact::OUTLET_TYPE, json!("urban_storm")),
        (fact::TYPE_SCHEME, json!("hj1312_2023")),
        (fact::SCALE, json!("below")),
        (fact::VOLUME_M3_PER_DAY, json!(1200.0)),
        (fact::EXISTS_FROM, json!(Day::new(2018, 5, 1).unwrap())),
    ];
    for (name, value) in values {
        assert_eq!(fact_of(&converted, name), Some(&value), "{name}");
    }
    assert_eq!(converted.remark, None, "a dash is blank");
    let origin = Origin { list: "甲", file: BlobHash([1; 32]), by: "wang", at: Timestamp::from_millis(5) };
    let entries = converted.entries(&origin).unwrap();
    let first: FieldEntry = serde_json::from_str(&entries[0]).unwrap();
    let FieldEntry::Imported(imported) = first else { panic!("{first:?}") };
    assert_eq!((imported.list.as_str(), imported.source_id.as_str(), imported.line), ("甲", "1", 2));
    assert_eq!(entries.len(), converted.facts.len() + 1);
    assert_eq!(converted.key("甲"), converted.key("甲"));
    assert_ne!(converted.key("甲"), converted.key("乙"), "another list has other records");
}

#[test]
fn datums_are_told_by_column_and_by_row_and_the_raw_pair_stays() {
    let gcj = problems(&[("坐标系", text("高德"))], &[]);
    let location = fact_of(&gcj, fact::LOCATION).unwrap();
    assert_eq!((&location["raw_lon"], &location["datum"]), (&json!(106.769), &json!("gcj02")));
    assert!(location["lon"].as_f64().unwrap() < 106.766, "{location}");
    let blank = ("经度", Cell::Empty);
    let baidu = [blank, ("纬度", Cell::Empty), ("bd_jd", Cell::Number(106.7799)), ("bd_wd", Cell::Number(31.8547))];
    let bd = problems(&baidu, &[]);
    assert_eq!(fact_of(&bd, fact::LOCATION).unwrap()["datum"], "bd09");
    problems(&[("坐标系", text("北京54"))], &[("datum_unknown", true)]);
    // The pair of the map beside the pair of the GPS, both said to be WGS-84: 450 m apart.
    let both = [("bd_jd", Cell::Number(106.769)), ("bd_wd", Cell::Number(31.851))];
    let disagree = problems(&both, &[("positions_disagree", false)]);
    assert!(disagree.problems[0].message.contains("m apart"));
}

#[test]
fn what_is_wrong_with_a_row_is_said_with_its_column() {
    problems(&[("经度", text("31.851")), ("纬度", text("106.769"))], &[("coordinate_wrong", true)]);
    problems(&[("经度", text("一百零六"))], &[("coordinate_unreadable", true)]);
    problems(&[("纬度", Cell::Empty)], &[("half_position", true)]);
    problems(&[("经度", Cell::Empty), ("纬度", Cell::Empty)], &[("no_position", true)]);
    problems(&[("区县", Cell::Empty)], &[("county_unknown", true)]);
    problems(&[("区县", text("武侯区"))], &[("county_unknown", true), ("unknown_value", false)]);
    problems(&[("编号", text("/"))], &[("id_missing", true)]);
    problems(&[("日排放量", text("1200吨"))], &[("number_unreadable", true)]);
    problems(&[("建成时间", text("上世纪"))], &[("date_unreadable", false)]);
    problems(&[("类型", text("怪口"))], &[("unknown_value", false)]);
    problems(&[("乡镇", text("不存在镇"))], &[("township_unknown", false)]);
    problems(&[("河流", text("无名沟"))], &[("waterbody_unlisted", false)]);
    problems(&[("经度", text("104.066")), ("纬度", text("30.572"))], &[("outside_city", false)]);
    problems(&[("日排放量", Cell::Formula(Box::new(Cell::Empty)))], &[("formula_without_value", true)]);
    let computed = Cell::Formula(Box::new(Cell::Number(12.5)));
    let value = problems(&[("日排放量", computed)], &[("formula", false)]);
    assert_eq!(fact_of(&value, fact::VOLUME_M3_PER_DAY), Some(&json!(12.5)));
    problems(&[("备注", Cell::Error("#REF!".to_owned()))], &[("cell_error", true)]);
}

#[test]
fn a_mapping_is_checked_before_any_row() {
    let without = |line: &str| MAPPING.replace(line, "");
    let wrong = |text: &str| Mapping::parse(text).unwrap_err().to_string();
    assert!(wrong(&MAPPING.replace("bank = \"岸别\"", "bamk = \"岸别\"")).contains("nearest: bank"));
    assert!(wrong(&MAPPING.replace("format = 1", "format = 2")).contains("upgrade"));
    assert!(wrong(&without("datum = \"bd09\"")).contains("bd_jd has no datum"));
    assert!(wrong(&MAPPING.replace("\"bd09\"", "\"beijing54\"")).contains("unknown datum"));
    assert!(wrong("format = 1\nname = \"x\"\n").contains("[[position]]"));
    let mapping = Mapping::parse(MAPPING).unwrap();
    assert_eq!(Mapping::parse(&mapping.to_toml()).unwrap(), mapping);
    let mut other = header();
    other[4] = "河流名称".to_owned();
    let missing = mapping.bind(&other).unwrap_err().to_string();
    assert!(missing.contains("no column \"河流\"") && missing.contains("河流名称"), "{missing}");
    other = header();
    other[10] = "岸 别".to_owned();
    assert!(matches!(mapping.bind(&other), Err(MappingError::Ambiguous { .. })), "blanks do not make another column");
}

#[test]
fn a_first_mapping_is_suggested_and_asks_for_the_datum() {
    let header: Vec<String> =
        ["序号", "排污口名称", "经度", "纬度", "所属街镇", "河湖名称", "bd_jd", "bd_wd", "审批人"]
            .map(str::to_owned)
            .to_vec();
    let mut mapping = suggest("x", &header);
    assert_eq!(mapping.source_id, Some(Columns::One("序号".to_owned())));
    assert_eq!(mapping.columns[fact::WATERBODY], Columns::One("河湖名称".to_owned()));
    assert!(matches!(Mapping::parse(&mapping.to_toml()), Err(MappingError::NoDatum(_))));
    mapping.positions[0].datum = Some("wgs84".to_owned());
    let mapping = Mapping::parse(&mapping.to_toml()).unwrap();
    assert_eq!(mapping.bind(&header).unwrap().unused().collect::<Vec<_>>(), ["审批人"]);
}

#[test]
fn cells_of_text_files_are_values_formulas_or_errors() {
    for (given, cell) in [
        ("", Cell::Empty),
        (" 甲 ", text("甲")),
        ("=\"0123\"", text("0123")),
        ("=A1+B1", Cell::Formula(Box::new(Cell::Empty))),
    ] {
        assert_eq!(Cell::of_text(given), cell);
    }
    assert!(matches!(Cell::of_text("乱\u{fffd}码"), Cell::Error(_)));
    assert_eq!(Cell::Number(511_902.0).text().unwrap(), "511902");
    assert_eq!(Cell::Text("无".to_owned()).text(), None);
}
