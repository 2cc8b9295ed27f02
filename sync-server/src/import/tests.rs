//! Files as other systems write them: encodings, formulas, merged cells, shapefiles.

use std::path::{Path, PathBuf};

use outlet_core::import::{Cell, Mapping};
use rust_xlsxwriter::{Format, Formula, Workbook};

use super::*;
use crate::testing::Kit;

const MAPPING: &str = r#"
format = 1
name = "疑似"
source_id = "编号"
collection = "511902"
[columns]
name = "名称"
township = "乡镇"
volume_m3_per_day = "水量"
[[position]]
lon = "经度"
lat = "纬度"
datum = "wgs84"
"#;
const CSV: &str =
    "编号,名称,乡镇,水量,经度,纬度\n1,东兴口,东城街道,12,106.769,31.851\n2,西门口,东城街道,,106.770,31.852\n";

struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn file(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.0.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    }
}

type Read = (Vec<String>, Vec<SourceRow>, Vec<String>);

fn all(path: &Path, options: &ReadOptions) -> Result<Read, ReadError> {
    let (mut head, mut rows, mut notes) = (Vec::new(), Vec::new(), Vec::new());
    read(path, options, &mut |item| {
        match item {
            Item::Head(columns) => head = columns,
            Item::Row(row) => rows.push(row),
            Item::Note(note) => notes.push(note),
        }
        true
    })?;
    Ok((head, rows, notes))
}

fn text(value: &str) -> Cell {
    Cell::Text(value.to_owned())
}

fn utf_16(text: &str, mark: bool) -> Vec<u8> {
    let units = mark.then_some(0xfeff).into_iter().chain(text.encode_utf16());
    units.flat_map(u16::to_le_bytes).collect()
}

#[test]
fn every_encoding_of_a_csv_reads_the_same() {
    let place = Place::new();
    let gbk = encoding_rs::GBK.encode(CSV).0;
    let with_mark = format!("\u{feff}{CSV}");
    let files = [
        ("plain.csv", CSV.as_bytes().to_vec()),
        ("bom.csv", with_mark.into_bytes()),
        ("gbk.csv", gbk.to_vec()),
        ("utf16.csv", utf_16(CSV, true)),
        ("utf16-without-mark.txt", utf_16(CSV, false)),
        ("tabs.tsv", CSV.replace(',', "\t").into_bytes()),
        ("semicolons.csv", encoding_rs::GBK.encode(&CSV.replace(',', ";")).0.to_vec()),
    ];
    let expected = all(&place.file("expected.csv", CSV.as_bytes()), &ReadOptions::default()).unwrap();
    assert_eq!(expected.0[1], "名称");
    assert_eq!(expected.1[0].cells[1], text("东兴口"));
    for (name, bytes) in files {
        let (head, rows, _) = all(&place.file(name, &bytes), &ReadOptions::default()).unwrap();
        assert_eq!((head, rows), (expected.0.clone(), expected.1.clone()), "{name}");
    }
    let wrong = ReadOptions { encoding: Some("utf-8".to_owned()), ..ReadOptions::default() };
    let refused = all(&place.file("wrong.csv", &gbk), &wrong).unwrap_err().to_string();
    assert!(refused.contains("name another in the mapping"), "{refused}");
    let late = ["编号,名称\n1,".as_bytes(), &encoding_rs::GBK.encode("东兴口").0, b"\n"].concat();
    let (_, rows, _) = all(&place.file("late.csv", &late), &wrong).unwrap();
    assert!(matches!(rows[0].cells[1], Cell::Error(_)), "bytes of another encoding are never taken for text");
    let unknown = ReadOptions { encoding: Some("klingon".to_owned()), ..ReadOptions::default() };
    assert!(all(&place.file("x.csv", &gbk), &unknown).unwrap_err().to_string().contains("write gbk"));
}

#[test]
fn title_lines_are_skipped_and_a_header_of_two_rows_is_joined() {
    let place = Place::new();
    let file = place.file("t.csv", "某市排口台账,,,\n编号,坐标,,备注\n,经度,纬度,\n1,106.7,31.8,好\n,,,\n".as_bytes());
    let options = ReadOptions { skip_rows: 1, header_rows: 2, ..ReadOptions::default() };
    let (head, rows, _) = all(&file, &options).unwrap();
    assert_eq!(head, ["编号", "坐标/经度", "纬度", "备注"]);
    assert_eq!((rows.len(), rows[0].line), (1, 4), "an empty row is none");
    assert!(matches!(all(&place.file("e.csv", b""), &options), Err(ReadError::NoHeader(_))));
    assert!(matches!(all(&place.file("e.doc", b""), &options), Err(ReadError::Kind(_))));
}

#[test]
fn a_workbook_gives_values_of_formulas_and_of_merged_cells() {
    let place = Place::new();
    let mut book = Workbook::new();
    let sheet = book.add_worksheet().set_name("台账").unwrap();
    let columns = ["编号", "名称", "乡镇", "水量", "经度", "纬度"];
    columns.iter().zip(0..).for_each(|(name, at)| {
        sheet.write(0, at, *name).unwrap();
    });
    sheet.merge_range(1, 2, 2, 2, "东城街道", &Format::new()).unwrap();
    for row in 1..=3 {
        sheet.write(row, 0, f64::from(row)).unwrap().write(row, 1, format!("口{row}")).unwrap();
        sheet.write(row, 4, 106.769).unwrap().write(row, 5, 31.851).unwrap();
    }
    sheet.write_formula(1, 3, Formula::new("=6*2").set_result("12")).unwrap();
    let path = place.0.path().join("b.xlsx");
    book.save(&path).unwrap();
    let (head, rows, notes) = all(&path, &ReadOptions::default()).unwrap();
    assert_eq!((head.as_slice(), rows.len()), (columns.map(str::to_owned).as_slice(), 3));
    assert_eq!((&rows[0].cells[2], &rows[1].cells[2]), (&text("东城街道"), &text("东城街道")));
    assert!(rows[2].cell(2).is_empty(), "the region ends");
    assert_eq!(rows[0].cells[3], Cell::Formula(Box::new(Cell::Number(12.0))));
    assert_eq!((rows[0].line, rows[0].cells[0].text().unwrap().as_str()), (2, "1"));
    assert!(notes.iter().any(|note| note.contains("1 merged regions")), "{notes:?}");
    let other = ReadOptions { sheet: Some("二月".to_owned()), ..ReadOptions::default() };
    assert!(all(&path, &other).unwrap_err().to_string().contains("but 台账"));
    let damaged = place.file("d.xlsx", b"PK\x03\x04 not a workbook");
    assert!(matches!(all(&damaged, &ReadOptions::default()), Err(ReadError::Form { .. })));
}

#[test]
fn points_of_geojson_and_shapefiles_have_their_place_as_columns() {
    let place = Place::new();
    let json = r#"{"type":"FeatureCollection","features":[
        {"type":"Feature","geometry":{"type":"Point","coordinates":[106.769,31.851]},"properties":{"编号":1,"名称":"甲"}},
        {"type":"Feature","geometry":null,"properties":{"名称":"乙","面积":2.5}}]}"#;
    let (head, rows, _) = all(&place.file("p.geojson", json.as_bytes()), &ReadOptions::default()).unwrap();
    assert_eq!(head, ["lon", "lat", "编号", "名称", "面积"]);
    assert_eq!(rows[0].cells[..3], [Cell::Number(106.769), Cell::Number(31.851), Cell::Number(1.0)]);
    assert!(rows[1].cells[0].is_empty());

    let path = place.0.path().join("points.shp");
    let table = dbase::TableWriterBuilder::with_encoding(dbase::encoding::EncodingRs::from(encoding_rs::GBK))
        .add_character_field("MC".try_into().unwrap(), 40);
    let mut writer = shapefile::Writer::from_path(&path, table).unwrap();
    let mut record = dbase::Record::default();
    record.insert("MC".to_owned(), dbase::FieldValue::Character(Some("东兴口".to_owned())));
    writer.write_shape_and_record(&shapefile::Point::new(106.769, 31.851), &record).unwrap();
    drop(writer);
    let (head, rows, _) = all(&path, &ReadOptions::default()).unwrap();
    assert_eq!((head[2].as_str(), &rows[0].cells[2]), ("MC", &text("东兴口")), "GBK where no .cpg says otherwise");
    assert_eq!(rows[0].cells[0], Cell::Number(106.769));
}

#[test]
fn a_shapefile_that_counts_more_points_than_it_has_is_refused_before_memory_is_taken() {
    let place = Place::new();
    let path = place.0.path().join("zones.shp");
    let table = dbase::TableWriterBuilder::new().add_character_field("MC".try_into().unwrap(), 40);
    let mut writer = shapefile::Writer::from_path(&path, table).unwrap();
    let mut record = dbase::Record::default();
    record.insert("MC".to_owned(), dbase::FieldValue::Character(Some("a".to_owned())));
    let ring = [(106.0, 31.0), (106.0, 32.0), (107.0, 32.0), (106.0, 31.0)].map(|(x, y)| shapefile::Point::new(x, y));
    let polygon = shapefile::Polygon::new(shapefile::PolygonRing::Outer(ring.to_vec()));
    writer.write_shape_and_record(&polygon, &record).unwrap();
    drop(writer);
    assert_eq!(polygons(&path, None).unwrap().len(), 1);
    let honest = std::fs::read(&path).unwrap();
    // Behind the header: number, length, kind, box, parts, points, where the part begins.
    for (at, why) in [
        (100 + 8 + 40, "more points"),
        (100 + 8 + 36, "more points"),
        (100 + 8 + 44, "follow one another"),
        (100 + 4, "longer than the file"),
    ] {
        let mut lying = honest.clone();
        lying[at..at + 4].copy_from_slice(&[0x7f, 0xff, 0xff, 0x7f]);
        std::fs::write(&path, lying).unwrap();
        let refused = polygons(&path, None).unwrap_err().to_string();
        assert!(refused.contains(why), "{refused}");
    }
}

fn job<'a>(path: &'a Path, mapping: &'a Mapping, names: &'a crate::engine::Names, skip_bad: bool) -> Job<'a> {
    Job { path, mapping, places: names.places(), by: "wang", skip_bad }
}

#[test]
fn an_import_makes_each_record_once_however_often_it_runs() {
    let (kit, place) = (Kit::new(), Place::new());
    let (mapping, names) = (Mapping::parse(MAPPING).unwrap(), kit.engine.names().unwrap());
    let file = place.file("p.csv", &encoding_rs::GBK.encode(CSV).0);
    let job = job(&file, &mapping, &names, false);
    let checked = check(&kit.engine, &job).unwrap();
    assert_eq!((checked.rows, checked.good, checked.bad, checked.known), (2, 2, 0, 0));
    assert!(kit.rows().is_empty(), "checking writes nothing");
    let done = run(&kit.engine, &job, &checked, &mut |_| ()).unwrap();
    assert_eq!((done.created, done.known), (2, 0));
    let again = run(&kit.engine, &job, &check(&kit.engine, &job).unwrap(), &mut |_| ()).unwrap();
    assert_eq!((again.import, again.created, again.known), (done.import, 0, 2));
    let rows: Vec<serde_json::Value> =
        kit.rows().iter().map(|(_, row, _)| serde_json::from_str(row).unwrap()).collect();
    assert_eq!(rows.len(), 2);
    assert!(rows.iter().all(|row| row["state"] == "suspected" && row["source_list"] == "疑似"), "{rows:?}");
    assert_eq!(rows.iter().filter(|row| row["source_id"] == "1" && row["township"] == "东城街道").count(), 1);
    let import =
        kit.engine.database().read::<_, crate::db::DbError>(|tx| crate::db::imports::all(tx)).unwrap().remove(0);
    assert_eq!((import.done, import.rows, import.created, import.by.as_str()), (true, 2, 2, "wang"));
    assert_eq!(kit.engine.rebuild_ledger().unwrap(), 2, "a rebuild knows them too");
}

#[test]
fn nothing_is_imported_when_a_row_is_bad_unless_bad_rows_are_left_out() {
    let (kit, place) = (Kit::new(), Place::new());
    let (mapping, names) = (Mapping::parse(MAPPING).unwrap(), kit.engine.names().unwrap());
    let text = format!("{CSV}2,重号,东城街道,,106.771,31.853\n3,无坐标,,,,\n4,公式,,=A1,106.772,31.854\n");
    let file = place.file("p.csv", text.as_bytes());
    let strict = job(&file, &mapping, &names, false);
    let checked = check(&kit.engine, &strict).unwrap();
    let errors: Vec<(u64, &str)> =
        checked.problems.iter().filter(|problem| problem.error).map(|problem| (problem.line, problem.code)).collect();
    assert_eq!(errors, [(4, "id_repeated"), (5, "no_position"), (6, "formula_without_value")]);
    let refused = run(&kit.engine, &strict, &checked, &mut |_| ()).unwrap_err();
    assert_eq!(refused.to_string(), "3 of 5 rows cannot be taken; nothing was imported");
    assert!(kit.rows().is_empty());
    let done = run(&kit.engine, &job(&file, &mapping, &names, true), &checked, &mut |_| ()).unwrap();
    assert_eq!((done.created, done.skipped), (2, 3));
    // Another file under the name that was checked.
    place.file("p.csv", CSV.as_bytes());
    assert!(run(&kit.engine, &job(&file, &mapping, &names, true), &checked, &mut |_| ()).is_err());
}

#[test]
fn an_import_that_broke_off_goes_on_where_it_was() {
    let (kit, place) = (Kit::new(), Place::new());
    let (mapping, names) = (Mapping::parse(MAPPING).unwrap(), kit.engine.names().unwrap());
    let rows = CHUNK as u64 * 2 + 10;
    let mut text = String::from("编号,名称,乡镇,水量,经度,纬度\n");
    for row in 0..rows {
        text.push_str(&format!("{row},口{row},东城街道,,{:.6},31.851\n", 106.5 + row as f64 * 1e-4));
    }
    let file = place.file("p.csv", text.as_bytes());
    let job = job(&file, &mapping, &names, false);
    let checked = check(&kit.engine, &job).unwrap();
    let broken = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        run(&kit.engine, &job, &checked, &mut |done| assert!(done < CHUNK as u64, "the power goes"))
    }));
    assert!(broken.is_err());
    assert_eq!(kit.rows().len(), CHUNK, "a chunk is there as a whole");
    let done = run(&kit.engine, &job, &check(&kit.engine, &job).unwrap(), &mut |_| ()).unwrap();
    assert_eq!((done.created, done.known), (rows - CHUNK as u64, CHUNK as u64));
    assert_eq!(kit.rows().len() as u64, rows);
}

#[test]
fn a_record_that_came_to_be_after_it_was_prepared_is_left_alone() {
    let kit = Kit::new();
    let record = |number: u8| crate::engine::NewRecord {
        key: crate::testing::outlet(number),
        entries: vec![
            serde_json::json!({"type": "imported", "list": "l", "source_id": "1", "line": 2, "by": "wang", "at": 1,
                               "file": "00".repeat(32)})
            .to_string(),
        ],
        registers: vec![("remark".to_owned(), "潜没".to_owned())],
    };
    // As two imports that run at the same time.
    let (one, other) = (vec![record(1), record(2)], vec![record(2), record(3)]);
    let prepared = [one, other].map(|records| kit.engine.prepare_records(records).unwrap());
    let made = prepared.map(|records| kit.engine.store_records(records, None).unwrap());
    assert_eq!(made, [2, 1]);
    assert_eq!(kit.rows().len(), 3);
    let changes = kit.engine.database().read::<_, crate::db::DbError>(|tx| {
        Ok(crate::db::records::document(tx, &crate::testing::outlet(2))?.unwrap().changes)
    });
    assert_eq!(changes.unwrap(), 2, "the genesis and one change");
    assert_eq!(kit.engine.create_records(vec![record(3)], None).unwrap(), 0);
}

#[test]
fn of_a_list_that_is_wrong_in_every_row_all_are_counted_and_the_first_are_named() {
    let (kit, place) = (Kit::new(), Place::new());
    let (mapping, names) = (Mapping::parse(MAPPING).unwrap(), kit.engine.names().unwrap());
    let mut text = String::from("编号,名称,乡镇,水量,经度,纬度\n");
    for row in 0..5_000 {
        text.push_str(&format!("{row},口{row},东城街道,,206.5,31.851\n"));
    }
    let file = place.file("p.csv", text.as_bytes());
    let checked = check(&kit.engine, &job(&file, &mapping, &names, false)).unwrap();
    assert_eq!((checked.rows, checked.good, checked.bad), (5_000, 0, 5_000));
    assert_eq!(checked.counts["coordinate_wrong"], 5_000);
    assert!((100..=400).contains(&checked.problems.len()), "{}", checked.problems.len());
}
