//! Files of other systems: tables, workbooks, points, polygons, and the mappings that read them.

use std::cell::OnceCell;
use std::io::{Cursor, Read as _, Write as _};
use std::path::PathBuf;

use outlet_core::domain::dictionary::Dictionaries;
use outlet_core::domain::field::DocumentRef;
use outlet_core::domain::region::{Regions, Rivers};
use outlet_core::geo::{Bounds, Datum};
use outlet_core::import::{Converter, Mapping, Places, suggest};
use outlet_core::zones::{LayerHead, Layers, RawZone, ZoneKind, check, from_geojson};
use outlet_server::import::{Item, ReadOptions, polygons, read};
use rust_xlsxwriter::{Format, Formula, Workbook};

use crate::{Grant, Target, seeds};

/// Rows of one file that are also converted.
const CONVERTED: usize = 50;

pub(crate) fn targets() -> Vec<Target> {
    // A block of a file, its first megabyte, and the names of 2,000 columns may stand in memory.
    let table = Grant { fixed: 16 << 20, per_byte: 512 };
    // Inflated, a byte may become a thousand; what is not read cell by cell is bounded in whole.
    let book = Grant { fixed: 64 << 20, per_byte: 16 << 10 };
    let plain = Grant { fixed: 4 << 20, per_byte: 512 };
    vec![
        Target { name: "import_text", seeds: tables, decode: text, grant: table },
        Target { name: "import_workbook", seeds: || vec![workbook()], decode: whole_workbook, grant: book },
        Target { name: "import_sheet", seeds: parts, decode: part, grant: book },
        Target { name: "import_geojson", seeds: points, decode: geojson, grant: table },
        Target { name: "import_shapefile", seeds: shapefiles, decode: shapefile, grant: table },
        Target { name: "zones_geojson", seeds: zones, decode: zone_layer, grant: plain },
        Target { name: "mapping", seeds: mappings, decode: mapping, grant: plain },
    ]
}

const CSV: &str =
    "编号,名称,乡镇,水量,经度,纬度\n1,东兴口,东城街道,12,106.769,31.851\n2,\"西,门\",,,１０６.770,31.852\n";

/// A file of this folder of the process.
fn file(name: &str, bytes: &[u8]) -> PathBuf {
    thread_local! {
        static FOLDER: OnceCell<tempfile::TempDir> = const { OnceCell::new() };
    }
    FOLDER.with(|folder| {
        let path = folder.get_or_init(|| tempfile::tempdir().expect("a temporary folder")).path().join(name);
        std::fs::write(&path, bytes).expect("a temporary file");
        path
    })
}

/// Reads a file as the server does, with the mapping that it would suggest.
fn table(path: &std::path::Path) {
    let dictionaries = Dictionaries::embedded();
    let (regions, rivers) = (Regions::embedded(), Rivers::embedded());
    let mut head = Vec::new();
    let mut rows = Vec::new();
    let ended = read(path, &ReadOptions { header_rows: 1, ..ReadOptions::default() }, &mut |item| {
        match item {
            Item::Head(columns) => head = columns,
            Item::Row(row) if rows.len() < CONVERTED => rows.push(row),
            Item::Row(_) | Item::Note(_) => {}
        }
        true
    });
    if ended.is_err() {
        return;
    }
    let mapping = suggest("fuzz", &head);
    let Ok(bound) = mapping.bind(&head) else { return };
    let places = Places { dictionaries: &dictionaries, regions: &regions, rivers: &rivers };
    let mut converter = Converter::new(&mapping, &bound, places);
    rows.iter().for_each(|row| drop(converter.convert(row)));
}

fn tables() -> Vec<Vec<u8>> {
    let utf_16 = CSV.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let fixtures = seeds::fixtures("tables");
    [vec![CSV.as_bytes().to_vec(), CSV.replace(',', "\t").into_bytes(), utf_16], fixtures].concat()
}

fn text(bytes: &[u8]) {
    table(&file("table.csv", bytes));
}

fn workbook() -> Vec<u8> {
    let mut book = Workbook::new();
    let sheet = book.add_worksheet();
    for (row, line) in (0..).zip(CSV.lines()) {
        for (column, cell) in (0..).zip(line.split(',')) {
            let _ = sheet.write(row, column, cell).expect("a small sheet");
        }
    }
    let _ = sheet.write(3, 3, Formula::new("=1+1").set_result("2")).expect("a small sheet");
    let _ = sheet.merge_range(4, 1, 5, 2, "合并", &Format::new()).expect("a small sheet");
    let _ = sheet.write(5, 5, 31.8).expect("a small sheet");
    book.save_to_buffer().expect("memory takes a workbook")
}

fn whole_workbook(bytes: &[u8]) {
    table(&file("table.xlsx", bytes));
}

/// The workbook's files, in order.
fn files_of(book: &[u8]) -> Vec<(String, Vec<u8>)> {
    let mut archive = zip::ZipArchive::new(Cursor::new(book)).expect("an honest workbook");
    let count = archive.len();
    let one = |at| {
        let mut entry = archive.by_index(at).expect("an entry");
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).expect("an honest entry");
        (entry.name().expect("an honest name").into_owned(), bytes)
    };
    (0..count).map(one).collect()
}

/// Which file of the workbook, and what is in it: mutations get past the compression.
fn parts() -> Vec<Vec<u8>> {
    let number = |at: usize| u8::try_from(at).expect("a few files");
    files_of(&workbook()).into_iter().enumerate().map(|(at, (_, bytes))| [vec![number(at)], bytes].concat()).collect()
}

fn part(bytes: &[u8]) {
    thread_local! {
        static FILES: OnceCell<Vec<(String, Vec<u8>)>> = const { OnceCell::new() };
    }
    let Some((at, content)) = bytes.split_first() else { return };
    let files = FILES.with(|files| files.get_or_init(|| files_of(&workbook())).clone());
    let at = usize::from(*at) % files.len();
    let mut archive = zip::ZipWriter::new(Cursor::new(Vec::new()));
    let stored = zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
    for (number, (name, honest)) in files.iter().enumerate() {
        archive.start_file(name.as_str(), stored).expect("memory takes an archive");
        let content = if number == at { content } else { honest.as_slice() };
        archive.write_all(content).expect("memory takes an archive");
    }
    whole_workbook(archive.finish().expect("memory takes an archive").get_ref());
}

fn points() -> Vec<Vec<u8>> {
    vec![
        r#"{"type":"FeatureCollection","features":[
        {"type":"Feature","geometry":{"type":"Point","coordinates":[106.769,31.851]},"properties":{"名称":"东兴口","水量":12}},
        {"type":"Feature","geometry":null,"properties":{"名称":null,"照片":["a"],"x":true}}]}"#
            .as_bytes()
            .to_vec(),
    ]
}

fn geojson(bytes: &[u8]) {
    table(&file("table.geojson", bytes));
}

/// Points and polygons, each as the length of the shapes, the shapes, and the table.
fn shapefiles() -> Vec<Vec<u8>> {
    let point = shapefile::Point::new(106.769, 31.851);
    let ring = [(0.0, 0.0), (0.0, 1.0), (1.0, 1.0), (1.0, 0.0), (0.0, 0.0)];
    let ring = ring.iter().map(|(x, y)| shapefile::Point::new(106.0 + x, 31.0 + y)).collect();
    let polygon = shapefile::Polygon::new(shapefile::PolygonRing::Outer(ring));
    vec![written("points", &point), written("polygons", &polygon)]
}

fn written<S: shapefile::record::EsriShape>(name: &str, shape: &S) -> Vec<u8> {
    let path = file(&format!("{name}.shp"), b"");
    let table = dbase::TableWriterBuilder::with_encoding(dbase::encoding::EncodingRs::from(encoding_rs::GBK))
        .add_character_field("MC".try_into().expect("a short name"), 20)
        .add_numeric_field("SL".try_into().expect("a short name"), 10, 2)
        .add_date_field("PFSJ".try_into().expect("a short name"));
    let mut writer = shapefile::Writer::from_path(&path, table).expect("a temporary file");
    let mut record = dbase::Record::default();
    let _ = record.insert("MC".to_owned(), dbase::FieldValue::Character(Some("东兴口".to_owned())));
    let _ = record.insert("SL".to_owned(), dbase::FieldValue::Numeric(Some(12.5)));
    let _ = record.insert("PFSJ".to_owned(), dbase::FieldValue::Date(dbase::Date::new(1, 6, 2021).ok()));
    writer.write_shape_and_record(shape, &record).expect("a temporary file");
    drop(writer);
    let read = |extension: &str| std::fs::read(path.with_extension(extension)).expect("a file just written");
    let shapes = read("shp");
    let length = u16::try_from(shapes.len()).expect("a short file").to_be_bytes();
    [&length[..], &shapes, &read("dbf")].concat()
}

fn shapefile(bytes: &[u8]) {
    let Some((length, rest)) = bytes.split_first_chunk::<2>() else { return };
    let (shapes, table_bytes) = rest.split_at(usize::from(u16::from_be_bytes(*length)).min(rest.len()));
    let path = file("table.shp", shapes);
    let _ = file("table.dbf", table_bytes);
    table(&path);
    if let Ok(raw) = polygons(&path, None) {
        layer(raw);
    }
}

fn zones() -> Vec<Vec<u8>> {
    let one = r#"{"type":"FeatureCollection","features":[{"type":"Feature","properties":{"name":"一级","of":"水源","established_on":"2019-01-01"},
        "geometry":{"type":"Polygon","coordinates":[[[106.7,31.8],[106.8,31.8],[106.8,31.9],[106.7,31.8]]]}}]}"#;
    let many =
        one.replace("\"Polygon\"", "\"MultiPolygon\"").replace("[[[106", "[[[[106").replace("31.8]]]", "31.8]]]]");
    vec![one.as_bytes().to_vec(), many.into_bytes()]
}

fn zone_layer(bytes: &[u8]) {
    if let Ok(text) = std::str::from_utf8(bytes)
        && let Ok(raw) = from_geojson(text)
    {
        layer(raw);
    }
}

/// What passes the checks is stored in parts, and the parts make the same layer.
fn layer(raw: Vec<RawZone>) {
    let head = LayerHead {
        name: "x".to_owned(),
        version: "1".to_owned(),
        kind: ZoneKind::DrinkingWater1,
        datum: Datum::Wgs84,
        document: DocumentRef { number: "1".to_owned(), dated: "2019-01-01".parse().ok(), file: None },
        established_on: None,
    };
    let city = Bounds { west: 100.0, south: 25.0, east: 110.0, north: 35.0 };
    let (Some(layer), _) = check(&head, raw, city, &[]) else { return };
    let Ok(texts) = layer.to_parts() else { return };
    let entry = |text| {
        use outlet_core::domain::reference::{DataSet, ReferenceEntry};
        let (kind, name, version) = ("zone_layer".to_owned(), "x".to_owned(), "1".to_owned());
        ReferenceEntry::DataSet(DataSet { kind, name, version, text, at: seeds::NOW })
    };
    let entries: Vec<_> = texts.into_iter().map(entry).collect();
    let (layers, errors) = Layers::from_entries(&entries);
    assert!(errors.is_empty(), "{errors:?}");
    assert_eq!(layers.all().len(), 1, "a layer that was stored is there");
}

fn mappings() -> Vec<Vec<u8>> {
    let all = seeds::fixtures("tables");
    all.into_iter().filter(|bytes| bytes.windows(6).any(|part| part == b"format")).collect()
}

fn mapping(bytes: &[u8]) {
    if let Ok(text) = std::str::from_utf8(bytes)
        && let Ok(mapping) = Mapping::parse(text)
    {
        let again = Mapping::parse(&mapping.to_toml()).expect("own text is readable");
        assert_eq!(again, mapping);
    }
}
