//! Lists, zones and rules as an administrator types them.

use outlet_core::identity::Role;
use serde_json::{Value, json};

use super::tests::run;
use crate::testing::{Kit, county, outlet};

const MAPPING: &str = r#"
format = 1
name = "疑似"
source_id = "编号"
collection = "511902"
[columns]
name = "名称"
township = "乡镇"
outlet_type = "类型"
[[position]]
lon = "经度"
lat = "纬度"
datum = "wgs84"
"#;
const CSV: &str = "编号,名称,乡镇,类型,经度,纬度\n1,东兴口,东城街道,城镇雨洪排口,106.769,31.851\n2,西门口,东城街道,工业企业排污口,106.710,31.810\n3,河口,回风街道,,106.770,31.852\n";

fn file(kit: &Kit, name: &str, text: &str) -> String {
    let path = kit.place.path().join(name);
    std::fs::write(&path, text).unwrap();
    path.display().to_string()
}

fn imported() -> Kit {
    let kit = Kit::new();
    let (mapping, csv) = (file(&kit, "m.toml", MAPPING), file(&kit, "p.csv", CSV));
    let _ = run(&kit, &["import", "mapping", "save", &mapping, "--json"]).json();
    let done = run(&kit, &["import", "run", &csv, "--mapping", "疑似", "--json"]).json();
    assert_eq!(done["created"], 3);
    kit
}

fn ids(kit: &Kit) -> Vec<String> {
    let rows = kit.rows();
    let mut rows: Vec<Value> = rows.iter().map(|(_, row, _)| serde_json::from_str(row).unwrap()).collect();
    rows.sort_by_key(|row| row["source_id"].as_str().map(str::to_owned));
    rows.iter().map(|row| row["id"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_mapping_is_suggested_saved_previewed_and_used_by_name() {
    let kit = Kit::new();
    let csv = file(&kit, "p.csv", CSV);
    let suggested = run(&kit, &["import", "preview", &csv, "--json"]).json();
    assert_eq!(suggested["columns"][1], "名称");
    assert!(suggested["mapping"].as_str().unwrap().contains("outlet_type = \"类型\""), "{suggested}");
    let mapping = file(&kit, "m.toml", MAPPING);
    let _ = run(&kit, &["import", "mapping", "save", &mapping, "--json"]).json();
    let preview = run(&kit, &["import", "preview", &csv, "--mapping", "疑似", "--json"]).json();
    assert_eq!(
        (&preview["good"], &preview["bad"], &preview["sample"][0]["source_id"]),
        (&json!(3), &json!(0), &json!("1"))
    );
    assert!(kit.rows().is_empty());
    let bad = file(&kit, "bad.csv", &CSV.replace("106.710", ""));
    let refused = run(&kit, &["import", "preview", &bad, "--mapping", "疑似"]);
    assert_eq!(refused.code, 3);
    assert!(refused.out.contains("line 3 经度: error half_position"), "{}", refused.out);
    run(&kit, &["import", "run", &bad, "--mapping", "疑似"]).fails(
        1,
        "1 of 3 rows cannot be taken; nothing was imported",
        "correct the lines",
    );
    run(&kit, &["import", "run", &csv, "--mapping", "没有"]).fails(
        1,
        "there is no mapping \"没有\"",
        "`outlet-server import mapping list`",
    );
    run(&kit, &["import", "run", &csv, "--mapping", "疑似", "--as", "nobody"]).fails(1, "nobody", "");
    assert_eq!(run(&kit, &["import", "run", &bad, "--mapping", "疑似", "--skip-bad"]).code, 3);
    let list = run(&kit, &["import", "list", "--json"]).json();
    assert_eq!((&list[0]["created"], &list[0]["skipped"], &list[0]["state"]), (&json!(2), &json!(1), &json!("done")));
}

/// Records as inspectors of the own city made them: number, name, place, what else.
fn own_outlets(kit: &Kit) -> [String; 3] {
    let mut device = kit.member(1, Role::Inspector, None);
    let mut record = |number: u8, name: &str, (lon, lat): (f64, f64), more: &[(&str, Value)]| {
        let key = outlet(number);
        let place = json!({"lon": lon, "lat": lat, "raw_lon": lon, "raw_lat": lat, "datum": "wgs84", "source": "gps"});
        let facts = [("state", json!("outlet")), ("name", json!(name)), ("location", place)];
        for (field, value) in facts.iter().chain(more) {
            let run = device.write(&key, json!({"type": "fact", "field": field, "value": value}));
            kit.push(&device, &[run]);
        }
        key.id.to_string()
    };
    [
        record(1, "东城街道1#雨洪排口", (106.769, 31.851), &[("waterbody", json!("巴河")), ("bank", json!("left"))]),
        record(2, "西城街道工业排口", (106.730, 31.830), &[("national_code", json!("FA-511902-0007-QT-00"))]),
        record(3, "回风街道小桥东侧城镇雨洪排口", (106.710, 31.820), &[]),
    ]
}

#[test]
fn the_ledger_of_another_city_is_imported_with_a_saved_mapping_and_its_duplicates_are_found() {
    let kit = Kit::new();
    let own = own_outlets(&kit);
    let fixture = |name: &str| format!("{}/../fixtures/tables/{name}", env!("CARGO_MANIFEST_DIR"));
    let table = fixture("other-city-gbk.csv");
    let columns = run(&kit, &["import", "preview", &table, "--json"]).json();
    assert_eq!(columns["columns"].as_array().unwrap().len(), 60);
    assert_eq!(columns["columns"][0], "序号", "GBK is recognised");
    let _ = run(&kit, &["import", "mapping", "save", &fixture("other-city.toml"), "--json"]).json();
    let preview = run(&kit, &["import", "preview", &table, "--mapping", "邻市台账", "--json"]).json();
    assert_eq!((&preview["good"], &preview["bad"]), (&json!(5), &json!(0)), "{preview}");
    assert_eq!(kit.rows().len(), 3);
    let done = run(&kit, &["import", "run", &table, "--mapping", "邻市台账", "--json"]).json();
    assert_eq!((&done["created"], kit.rows().len()), (&json!(5), 8));
    let pw = file(&kit, "pw.txt", "correct horse\n");
    let rights = ["--role", "supervisor", "--level", "county", "--collection", "511902", "--password-file", &pw];
    let _ = run(&kit, &[&["account", "add", "li", "--name", "李"], &rights[..], &["--json"]].concat()).json();
    let pairs = run(&kit, &["duplicates", "list", "--as", "li", "--json"]).json();
    let pairs = pairs.as_array().unwrap();
    assert_eq!(pairs.len(), 3, "the control stands near the second and is another: {pairs:#?}");
    let reasons = |id: &str| -> Vec<&str> {
        let is = |side: &Value| side.as_str().unwrap().contains(id);
        let pair = pairs.iter().find(|pair| is(&pair["a"]) || is(&pair["b"])).unwrap();
        pair["reasons"].as_array().unwrap().iter().map(|reason| reason["reason"].as_str().unwrap()).collect()
    };
    assert_eq!(reasons(&own[0]), ["near", "same_waterbody", "same_bank"], "converted from the map's datum");
    assert_eq!(reasons(&own[1]), ["same_code"], "far away, under one code");
    assert_eq!(reasons(&own[2]), ["near", "like_names"], "near, and called alike but for a wrong 囗");
    // Nothing merges by itself; what a person links counts once and can be taken apart again.
    let theirs = |source: &str| {
        let rows = kit.rows().into_iter().map(|(_, row, _)| serde_json::from_str::<Value>(&row).unwrap());
        rows.into_iter().find(|row| row["source_id"] == source).unwrap()
    };
    let first = theirs("1")["id"].as_str().unwrap().to_owned();
    assert_eq!(run(&kit, &["duplicates", "link", &first, "--of", &own[0], "--as", "li"]).code, 0);
    assert_eq!(theirs("1")["state"], "duplicate");
    assert_eq!(theirs("3")["source_list"], "邻市台账");
}

#[test]
fn points_are_assigned_and_covered_by_township() {
    let kit = imported();
    let _device = kit.member(1, Role::Inspector, None);
    let given =
        run(&kit, &["assign", "to", "person 1", "--township", "东城街道", "--due", "2022-02-01", "--json"]).json();
    assert_eq!((&given["assigned"], &given["collections"][0]), (&json!(2), &json!(county().to_string())));
    let list = run(&kit, &["assign", "list", "--json"]).json();
    assert_eq!((&list[0]["open"], &list[0]["overdue"], &list[0]["task"]), (&json!(2), &json!(2), &json!("survey")));
    let first = &ids(&kit)[0];
    assert_eq!(run(&kit, &["assign", "withdraw", "--outlet", first, "--json"]).json()["assigned"], 1);
    assert_eq!(run(&kit, &["assign", "list", "--json"]).json()[0]["assigned"], 1);
    run(&kit, &["assign", "to", "nobody", "--outlet", first]).fails(
        1,
        "no member is called \"nobody\"",
        "`outlet-server device list`",
    );
    run(&kit, &["assign", "to", "person 1"]).fails(2, "which records?", "give --outlet ID");
    run(&kit, &["assign", "to", "person 1", "--township", "无"]).fails(
        1,
        "no open point fits",
        "`outlet-server coverage",
    );
    let coverage = run(&kit, &["coverage", "--json"]).json();
    assert_eq!(
        (&coverage[0]["group"], &coverage[0]["points"], &coverage[0]["open"]),
        (&json!("东城街道"), &json!(2), &json!(2))
    );
    assert_eq!(run(&kit, &["coverage", "--by", "list", "--json"]).json()[0]["points"], 3);
}

const ZONES: &str = r#"{"type":"FeatureCollection","features":[{"type":"Feature","properties":{"名称":"化成一级","水源地":"化成水库"},
"geometry":{"type":"Polygon","coordinates":[[[106.70,31.80],[106.72,31.80],[106.72,31.82],[106.70,31.82],[106.70,31.80]]]}}]}"#;
const HEAD: [&str; 13] = [
    "--name",
    "饮用水源",
    "--layer-version",
    "2020",
    "--kind",
    "drinking_water_1",
    "--document",
    "川府函〔2020〕1号",
    "--document-dated",
    "2020-03-01",
    "--established-on",
    "2020-03-01",
    "--json",
];

#[test]
fn zones_are_imported_and_the_rules_use_them() {
    let kit = imported();
    let before = run(&kit, &["zones", "outlets", "--json"]).json();
    assert_eq!(before["missing"].as_array().unwrap().len(), 5, "a missing layer is said, never \"not inside\"");
    let id = &ids(&kit)[1];
    let unknown = run(&kit, &["rules", "suggest", id, "--on", "2022-03-01", "--json"]).json();
    assert_eq!(unknown[0]["class"], Value::Null);
    let layer = file(&kit, "z.geojson", ZONES);
    let stored = run(&kit, &[&["zones", "import", &layer, "--datum", "cgcs2000"], &HEAD[..]].concat()).json();
    assert_eq!((&stored["stored"], &stored["zones"]), (&json!(true), &json!(1)));
    let suggested = run(&kit, &["rules", "suggest", id, "--on", "2022-03-01", "--json"]).json();
    assert_eq!((&suggested[0]["class"], &suggested[0]["outcomes"][0]["rule"]), (&json!("ban"), &json!("R1")));
    assert_eq!(suggested[0]["outcomes"][0]["zones"][0]["layer"], "饮用水源");
    assert_eq!(run(&kit, &["rules", "suggest", "--all", "--json"]).json().as_array().unwrap().len(), 3);
    let inside = run(&kit, &["zones", "outlets", "--kind", "drinking_water_1", "--json"]).json();
    assert_eq!(
        (&inside["sources"][0]["source"], &inside["sources"][0]["closed"], &inside["sources"][0]["of"]),
        (&json!("化成水库"), &json!(0), &json!(1))
    );
    let crossed =
        file(&kit, "x.geojson", &ZONES.replace("[106.72,31.80],[106.72,31.82]", "[106.72,31.82],[106.72,31.80]"));
    let refused = run(&kit, &[&["zones", "import", &crossed, "--datum", "cgcs2000"], &HEAD[..]].concat());
    assert_eq!(refused.code, 1);
    assert!(refused.out.contains("self_intersection") && refused.err.contains("nothing was stored"), "{}", refused.out);
    assert_eq!(run(&kit, &["zones", "list", "--json"]).json()[0]["version"], "2020");
    assert!(run(&kit, &["rules", "list"]).out.contains("R6"));
}

/// A layer as bureaus deliver it: polygons with a hole, attributes in GBK.
fn zone_shapefile(kit: &Kit, projection: &str) -> String {
    let path = kit.place.path().join("zones.shp");
    let table = dbase::TableWriterBuilder::with_encoding(dbase::encoding::EncodingRs::from(encoding_rs::GBK))
        .add_character_field("MC".try_into().unwrap(), 40)
        .add_character_field("SYDMC".try_into().unwrap(), 40)
        .add_character_field("PFSJ".try_into().unwrap(), 20);
    let mut writer = shapefile::Writer::from_path(&path, table).unwrap();
    let ring = |west: f64, south: f64, size: f64| -> Vec<shapefile::Point> {
        let (east, north) = (west + size, south + size);
        [(west, south), (west, north), (east, north), (east, south), (west, south)]
            .map(|(x, y)| shapefile::Point::new(x, y))
            .into()
    };
    let rings = vec![
        shapefile::PolygonRing::Outer(ring(106.70, 31.80, 0.02)),
        shapefile::PolygonRing::Inner(ring(106.709, 31.809, 0.002)),
    ];
    let mut record = dbase::Record::default();
    for (name, text) in [("MC", "化成一级"), ("SYDMC", "化成水库"), ("PFSJ", "2020/03/01")] {
        record.insert(name.to_owned(), dbase::FieldValue::Character(Some(text.to_owned())));
    }
    writer.write_shape_and_record(&shapefile::Polygon::with_rings(rings), &record).unwrap();
    drop(writer);
    std::fs::write(path.with_extension("prj"), projection).unwrap();
    path.display().to_string()
}

#[test]
fn zones_of_a_shapefile_keep_their_holes_names_and_dates() {
    let kit = imported();
    let head: Vec<&str> = HEAD[..10].iter().chain(&HEAD[12..]).copied().collect();
    let import = |layer: &str| run(&kit, &[&["zones", "import", layer, "--datum", "cgcs2000"], &head[..]].concat());
    let projected = import(&zone_shapefile(&kit, "PROJCS[\"CGCS2000_3_Degree_GK_CM_108E\"]"));
    assert!(projected.code == 1 && projected.err.contains("projected coordinates"), "{}", projected.err);
    let stored = import(&zone_shapefile(&kit, "GEOGCS[\"GCS_China_Geodetic_Coordinate_System_2000\"]")).json();
    assert_eq!((&stored["stored"], &stored["zones"]), (&json!(true), &json!(1)), "{stored}");
    let inside = || run(&kit, &["zones", "outlets", "--kind", "drinking_water_1", "--json"]).json();
    assert_eq!(inside()["sources"], json!([]), "the second point (106.710, 31.810) lies in the hole");
    let mut device = kit.member(2, Role::Inspector, None);
    let (lon, lat) = (106.705, 31.805);
    let place = json!({"lon": lon, "lat": lat, "raw_lon": lon, "raw_lat": lat, "datum": "wgs84", "source": "gps"});
    let facts = [
        json!({"type": "fact", "field": "location", "value": place}),
        json!({"type": "fact", "field": "exists_from", "value": "2012-01-01"}),
    ];
    for fact in facts {
        let run = device.write(&outlet(9), fact);
        kit.push(&device, &[run]);
    }
    let found = inside();
    assert_eq!((&found["sources"][0]["source"], &found["sources"][0]["of"]), (&json!("化成水库"), &json!(1)));
    let line = &found["sources"][0]["outlets"][0];
    assert_eq!((&line["zone"], &line["pre_existing"]), (&json!("化成一级"), &json!(true)), "older than 2020/03/01");
}

#[test]
fn inspections_are_due_by_a_schedule_that_somebody_loaded() {
    let kit = imported();
    run(&kit, &["inspections", "due"]).fails(1, "no schedule of inspections is loaded", "write one like");
    let schedule = include_str!("../../../fixtures/schedules/inspections.toml");
    let _ = run(&kit, &["load-reference", &file(&kit, "s.toml", schedule)]);
    assert_eq!(run(&kit, &["inspections", "due", "--json"]).json(), json!([]), "suspected points are not inspected");
    assert_eq!(run(&kit, &["inspections", "proposals", "--json"]).json(), json!([]));
    let walks = include_str!("../../../fixtures/schedules/walk-scope.toml");
    let _ = run(&kit, &["load-reference", &file(&kit, "w.toml", walks)]);
    let lines = run(&kit, &["coverage", "--by", "walks", "--json"]).json();
    assert_eq!((lines.as_array().unwrap().len(), &lines[0]["walked_m"]), (2, &json!(0.0)));
}
