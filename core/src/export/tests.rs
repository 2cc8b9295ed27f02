//! Files as they come out, against a small ledger.

use serde_json::json;

use super::{Style, ledger_csv, ledger_geojson, parties_csv, problems_csv, summary_csv};
use crate::domain::dictionary::{Dictionaries, Lang};
use crate::ledger::testing::{Outlet, day};
use crate::ledger::{LedgerRow, SummaryBy, party_list, problem_list, summary};

fn rows() -> Vec<LedgerRow> {
    let full = Outlet::new()
        .fact_with("volume_m3_per_day", json!(500), &[("basis", "permit")])
        .fact("township", json!("化成镇"))
        .fact("name", json!("=cmd|' /C calc'!A0"))
        .investigated("2021-06-01")
        .visit("2021-06-02", json!({"problems": ["mixed_connection"]}))
        .trace_with(
            "2021-06-03",
            json!({"primary_party": {"name": "张某 13800138000", "address": "化成镇",
            "contact": "33".repeat(32)}, "other_parties": [{"name": "某某合作社"}]}),
        )
        .submit("2021-06-03")
        .approve("2021-06-05")
        .class("2022-01-10", "regulate");
    let bare =
        Outlet::numbered(2).field(day("2021-01-01"), json!({"type": "fact", "field": "state", "value": "suspected"}));
    vec![full.project().row, bare.project().row]
}

fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap()
}

#[test]
fn the_ledger_starts_with_the_promised_columns() {
    let csv = text(ledger_csv(&rows(), Style::CODES).unwrap());
    assert!(csv.starts_with('\u{feff}'), "Excel needs the mark");
    let first = csv.trim_start_matches('\u{feff}').lines().next().unwrap();
    assert!(first.starts_with(
        "id,national_code,provincial_code,temporary_number,name,lon,lat,county,township,waterbody,classification,\
         classification_proposed,decided_on,decision_document,review_state,entry_mode,discharge_pattern,scale,\
         scale_basis,primary_party,competent_department,problem_count,"
    ));
    assert_eq!(csv.matches("\r\n").count(), 3);
}

#[test]
fn absent_is_empty_in_csv_and_a_formula_is_harmless() {
    let csv = text(ledger_csv(&rows(), Style::CODES).unwrap());
    let mut reader = csv::Reader::from_reader(csv.trim_start_matches('\u{feff}').as_bytes());
    let headers = reader.headers().unwrap().clone();
    let records: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
    let cell = |row: usize, name: &str| {
        let at = headers.iter().position(|header| header == name).unwrap();
        records[row][at].to_owned()
    };
    assert_eq!(cell(0, "name"), "'=cmd|' /C calc'!A0");
    assert_eq!(cell(0, "primary_party"), "张某 ***********");
    assert_eq!((cell(0, "classification"), cell(0, "decided_on")), ("regulate".into(), "2022-01-10".into()));
    assert_eq!((cell(0, "scale"), cell(0, "scale_basis")), ("above".into(), "permit".into()));
    assert_eq!((cell(0, "lon"), cell(0, "lat")), ("106.75".into(), "31.86".into()));
    for name in ["lon", "lat", "name", "classification", "decided_on", "national_code", "scale_basis"] {
        assert_eq!(cell(1, name), "", "{name}");
    }
}

#[test]
fn people_read_chinese_headers_and_labels() {
    let dictionaries = Dictionaries::embedded();
    let style = Style { labels: Some((&dictionaries, Lang::Zh)) };
    let csv = text(ledger_csv(&rows()[..1], style).unwrap());
    for word in ["排污口名称", "整治类型", "规范", "管道", "规模以上", "巴州区", "工业企业排污口", "已通过"]
    {
        assert!(csv.contains(word), "{word} in {csv}");
    }
}

#[test]
fn personal_data_is_in_no_file() {
    let rows = rows();
    let files = [
        text(ledger_csv(&rows, Style::CODES).unwrap()),
        text(problems_csv(&problem_list(&rows), Style::CODES).unwrap()),
        text(parties_csv(&party_list(&rows), Style::CODES).unwrap()),
        ledger_geojson(&rows, Style::CODES),
    ];
    for file in files {
        assert!(!file.contains("13800138000"), "{file}");
        assert!(!file.contains(&"33".repeat(32)), "{file}");
    }
}

#[test]
fn geojson_keeps_outlets_without_a_position() {
    let geojson: geojson::FeatureCollection = ledger_geojson(&rows(), Style::CODES).parse().unwrap();
    assert_eq!(geojson.features.len(), 2);
    assert!(geojson.features[0].geometry.is_some() && geojson.features[1].geometry.is_none());
    let properties = geojson.features[0].properties.as_ref().unwrap();
    assert_eq!(properties["classification"], "regulate");
    assert!(properties["national_code"].is_null());
}

#[test]
fn the_lists_read_as_tables() {
    let rows = rows();
    let plain = |bytes: Vec<u8>| text(bytes).replace(['\r', '\u{feff}'], "");
    insta::assert_snapshot!(plain(problems_csv(&problem_list(&rows), Style::CODES).unwrap()), @r"
    id,number,name,management_unit,township,waterbody,problem,found_on,due,problem_state,closed_on,primary_party,competent_department
    0174876e-8000-7101-8101-010101010101,,'=cmd|' /C calc'!A0,511902,化成镇,巴河,mixed_connection,2021-06-02,,open,,张某 ***********,生态环境局
    ");
    insta::assert_snapshot!(plain(parties_csv(&party_list(&rows), Style::CODES).unwrap()), @r"
    party,party_uscc,party_permit,industry,government_fallback,primary_of,shares,problem_count,competent_department,outlets
    张某 ***********,,,,no,1,0,1,生态环境局,0174876e-8000-7101-8101-010101010101
    某某合作社,,,,no,0,1,1,生态环境局,0174876e-8000-7101-8101-010101010101
    ");
    let by_mode = summary(&rows, SummaryBy::EntryMode);
    insta::assert_snapshot!(plain(summary_csv(&by_mode, "entry_mode", Style::CODES).unwrap()), @r"
    group,outlets,suspected,above_scale,problem_count,ban,merge,regulate,none_needed,undecided
    pipe,1,0,1,1,0,0,1,0,0
    ,0,1,0,0,0,0,0,0,0
    ");
}
