//! Shapefiles, seals and inspections through the router.

use std::io::Write as _;

use axum::body::Body;
use axum::http::Request;
use outlet_core::identity::{Level, Role};
use outlet_core::ids::{Collection, DocKey};
use serde_json::{Value, json};

use super::tests::{Reply, Site, check_problem};
use crate::db::DbError;
use crate::testing::{Device, outlet};
use crate::tokens::TokenScope;

fn admin(site: &Site) -> String {
    site.account("admin", Role::Admin, &[]);
    site.token("admin", &TokenScope::ALL)
}

/// A shapefile with one shape called 东兴口, packed.
fn archive<S: shapefile::record::EsriShape>(shape: &S, projection: Option<&str>) -> Vec<u8> {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("a.shp");
    let table = dbase::TableWriterBuilder::with_encoding(dbase::encoding::EncodingRs::from(encoding_rs::GBK))
        .add_character_field("MC".try_into().unwrap(), 40);
    let mut writer = shapefile::Writer::from_path(&path, table).unwrap();
    let mut record = dbase::Record::default();
    record.insert("MC".to_owned(), dbase::FieldValue::Character(Some("东兴口".to_owned())));
    writer.write_shape_and_record(shape, &record).unwrap();
    drop(writer);
    let mut files: Vec<(String, Vec<u8>)> = ["shp", "dbf", "shx"]
        .map(|end| (format!("图层/a.{end}"), std::fs::read(path.with_extension(end)).unwrap()))
        .into();
    files.extend(projection.map(|text| ("图层/a.prj".to_owned(), text.as_bytes().to_vec())));
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, bytes) in files {
        zip.start_file(name, zip::write::SimpleFileOptions::default()).unwrap();
        zip.write_all(&bytes).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

fn square() -> shapefile::Polygon {
    let corners = [(106.6, 31.7), (106.6, 31.9), (106.8, 31.9), (106.8, 31.7), (106.6, 31.7)];
    shapefile::Polygon::new(shapefile::PolygonRing::Outer(corners.map(|(x, y)| shapefile::Point::new(x, y)).to_vec()))
}

const LAYER: &str =
    "/zones?name=water&version=2020&kind=drinking_water_1&datum=cgcs2000&document=x&document_dated=2020-03-01";

impl Site {
    async fn zip(&self, path: &str, token: &str, body: Vec<u8>) -> Reply {
        let request = Request::post(format!("/api/v1{path}")).header("content-type", "application/zip");
        let request = request.header("authorization", format!("Bearer {token}"));
        self.send(request.body(Body::from(body)).unwrap()).await
    }

    fn is_clean(&self) -> bool {
        std::fs::read_dir(self.kit.engine.folder.incoming()).unwrap().count() == 0
    }
}

#[tokio::test]
async fn zones_come_as_a_packed_shapefile_and_a_wrong_one_says_why() {
    let site = Site::new(2);
    let token = admin(&site);
    let tried = site.zip(&format!("{LAYER}&dry_run=true"), &token, archive(&square(), None)).await;
    assert_eq!((tried.status, &tried.json()["zones"]), (200, &json!(1)), "{}", tried.text());
    let stored = site.zip(LAYER, &token, archive(&square(), None)).await;
    assert_eq!((stored.status, &stored.json()["stored"]), (201, &json!(true)), "{}", stored.text());
    let inside = site.get("/api/v1/zones/outlets?kind=drinking_water_1", &token).await.json();
    assert_eq!(inside["sources"][0]["of"], 2, "{inside}");
    assert_eq!(inside["sources"][0]["outlets"][0]["zone"], "东兴口", "GBK where nothing says otherwise");

    let metres = archive(&square(), Some("PROJCS[\"CGCS2000_3_Degree_GK_CM_108E\"]"));
    for (sent, why) in [
        (metres, "export it in degrees"),
        (b"PK no archive".to_vec(), "the archive cannot be used"),
        (archive(&shapefile::Point::new(106.7, 31.8), None), "not_a_polygon"),
    ] {
        let refused = site.zip(LAYER, &token, sent).await;
        check_problem(&refused, 422, "unprocessable");
        assert!(refused.text().contains(why), "{why}: {}", refused.text());
    }
    let text = site.call("POST", LAYER, &token, archive(&square(), None)).await;
    check_problem(&text, 422, "unprocessable");
    assert!(text.text().contains("application/zip"), "{}", text.text());
    assert!(site.is_clean(), "what was unpacked is removed");
}

#[tokio::test]
async fn points_come_as_a_packed_shapefile() {
    let site = Site::new(0);
    let token = admin(&site);
    let points = archive(&shapefile::Point::new(106.769, 31.851), None);
    let columns = site.zip("/imports/columns?file_name=points.zip", &token, points.clone()).await;
    assert_eq!(columns.json()["columns"], json!(["lon", "lat", "MC"]), "{}", columns.text());
    let mapping = "format = 1\nname = \"m\"\ncollection = \"511902\"\n[columns]\nname = \"MC\"\n\
                   [[position]]\nlon = \"lon\"\nlat = \"lat\"\ndatum = \"cgcs2000\"\n";
    assert_eq!(site.call("PUT", "/imports/mappings/m", &token, mapping).await.status, 204);
    let done = site.zip("/imports?file_name=points.ZIP&mapping=m", &token, points).await;
    assert_eq!((done.status, &done.json()["created"]), (201, &json!(1)), "{}", done.text());
    let rows = site.get("/api/v1/outlets", &token).await.json();
    assert_eq!(rows["outlets"][0]["row"]["name"], "东兴口", "{rows}");
    check_problem(&site.zip("/imports?file_name=p.zip&mapping=m", &token, b"PK".to_vec()).await, 422, "unprocessable");
    assert!(site.is_clean());
}

#[tokio::test]
async fn a_seal_is_made_once_listed_checked_and_its_file_is_the_unit_s() {
    let site = Site::new(2);
    let token = admin(&site);
    let reader = site.reader();
    let asked = json!({"what": "ledger", "unit": "5119", "on": "2022-03-01", "document": "巴环〔2022〕1号"});
    check_problem(&site.post("/seals", &reader, &asked).await, 403, "forbidden");
    site.account("county", Role::Admin, &[511_902]);
    let county = site.token("county", &TokenScope::ALL);
    check_problem(&site.post("/seals", &county, &asked).await, 403, "forbidden");
    for (field, value) in [("what", "tree"), ("unit", "x"), ("on", "2099-01-01"), ("on", "soon")] {
        let mut wrong = asked.clone();
        wrong[field] = json!(value);
        check_problem(&site.post("/seals", &token, &wrong).await, 400, "bad-request");
    }
    let mut made: Vec<Value> = Vec::new();
    for _ in 0..2 {
        let request = Request::post("/api/v1/seals").header("authorization", format!("Bearer {token}"));
        let request = request.header("idempotency-key", "s1").body(Body::from(asked.to_string())).unwrap();
        let reply = site.send(request).await;
        assert_eq!(reply.status, 201, "{}", reply.text());
        made.push(reply.json());
    }
    assert_eq!(made[0], made[1]);
    let paper = json!({"what": "problem_list", "unit": "511902", "on": "2022-03-01", "paper": true});
    let backdated = json!({"what": "problem_list", "unit": "511902", "on": "2021-12-31"});
    for asked in [&paper, &backdated] {
        check_problem(&site.post("/seals", &county, asked).await, 403, "forbidden");
    }
    let paper = site.post("/seals", &token, &paper).await;
    assert_eq!((paper.status, &paper.json()["sha256"]), (201, &Value::Null), "{}", paper.text());
    // A county's own, of today: without problems the file is the same for every unit, and each finds its own.
    let empty = |unit: &str| json!({"what": "problem_list", "unit": unit, "on": "2022-03-01"});
    let others = site.post("/seals", &token, &empty("511921")).await.json();
    let own = site.post("/seals", &county, &empty("511902")).await;
    assert_eq!(own.status, 201, "{}", own.text());
    assert_eq!(own.json()["sha256"], others["sha256"]);
    let address = format!("/api/v1/seals/{}/file", own.json()["sha256"].as_str().unwrap());
    let file = site.get(&address, &county).await;
    assert!(file.header("content-disposition").contains("problem_list-511902"), "{}", file.text());

    let listed = site.get("/api/v1/seals", &reader).await;
    assert_eq!(listed.json()["seals"].as_array().unwrap().len(), 4, "sent again, made once");
    let headers = [("authorization", &*format!("Bearer {reader}")), ("if-none-match", listed.header("etag"))];
    assert_eq!(site.get_with("/api/v1/seals", &headers).await.status, 304);
    let hash = made[0]["sha256"].as_str().unwrap();
    let kept = site.get("/api/v1/seals/verify", &reader).await.json();
    assert_eq!((&kept["seals"][0]["state"], &kept["seals"][0]["sha256"]), (&json!("as_sealed"), &json!(hash)));

    let address = format!("/api/v1/seals/{hash}/file");
    check_problem(&site.get(&address, &reader).await, 404, "not-found");
    let file = site.get(&address, &token).await;
    assert!(file.header("content-disposition").contains("ledger-5119-2022-03-01.csv"));
    assert_eq!(file.text().lines().count(), 3, "a header and both outlets");
    let checked = site.call("POST", "/seals/verify", &reader, file.body.clone()).await.json();
    assert_eq!(checked["seals"][0]["state"], "as_sealed");
    assert!(checked["seals"][0]["signed_by"].is_string());
    let changed = site.call("POST", "/seals/verify", &reader, [&file.body[..], b"x"].concat()).await;
    check_problem(&changed, 422, "unprocessable");
    assert!(changed.text().contains("changed after it was sealed"), "{}", changed.text());
    check_problem(&site.get("/api/v1/seals/0/file", &token).await, 400, "bad-request");
    // Larger than any request that is kept in memory: it is hashed as it comes, and nothing is spooled.
    let part = axum::body::Bytes::from(vec![b'x'; 1 << 20]);
    let parts = std::iter::repeat_n(part, 70).map(Ok::<_, std::convert::Infallible>);
    let request = Request::post("/api/v1/seals/verify").header("authorization", format!("Bearer {reader}"));
    let large = request.body(Body::from_stream(futures_util::stream::iter(parts))).unwrap();
    check_problem(&site.send(large).await, 422, "unprocessable");
    assert!(site.is_clean());
    let m1 = site.get("/api/v1/progress?as_of=2022-03-02", &reader).await.json();
    let city = m1["rows"].as_array().unwrap().iter().find(|row| row["milestone"] == "M1").unwrap();
    assert_eq!(city["parts"]["documents"]["ledger"]["state"], "late", "the table knows the seal: {city}");
}

/// A record counts for the unit that it names. Whoever sees that unit only does not read, in its sealed file, what
/// is of another county's collection.
#[tokio::test]
async fn a_sealed_file_is_for_those_who_see_every_record_in_it() {
    let site = Site::new(1);
    let token = admin(&site);
    let seal = |unit: &'static str| json!({"what": "ledger", "unit": unit, "on": "2022-03-01"});
    site.account("county", Role::Admin, &[511_902]);
    let county = site.token("county", &TokenScope::ALL);
    site.account("both", Role::Viewer, &[511_902, 511_903]);
    let both = site.token("both", &[TokenScope::Read]);
    let file = async |unit: &'static str, by: &str| {
        let made = site.post("/seals", by, &seal(unit)).await;
        assert_eq!(made.status, 201, "{}", made.text());
        format!("/api/v1/seals/{}/file", made.json()["sha256"].as_str().unwrap())
    };
    let own = file("511902", &county).await;
    assert_eq!(site.get(&own, &county).await.status, 200);
    // The neighbour's record says that it belongs here.
    let away: Collection = "511903".parse().unwrap();
    let mut neighbour = Device::new(7);
    site.kit.enrol(&neighbour, 7, Role::Inspector, None, &[away]);
    let key = DocKey { collection: away, ..outlet(9) };
    let runs = [neighbour.fact(&key, "name", "邻县的口"), neighbour.fact(&key, "management_unit", "511902")];
    site.kit.push(&neighbour, &runs);
    let mixed = file("511902", &county).await;
    assert_ne!(mixed, own);
    let refused = site.get(&mixed, &county).await;
    check_problem(&refused, 403, "forbidden");
    assert!(refused.text().contains("511903") && !refused.text().contains("邻县的口"), "{}", refused.text());
    for all in [&both, &token] {
        let read = site.get(&mixed, all).await;
        assert!(read.status == 200 && read.text().contains("邻县的口"), "{}", read.text());
    }
    assert_eq!(site.get(&own, &county).await.status, 200, "what was sealed before it came is as it was");
    // Of what was sealed before this was kept nobody knows: it is for those who see everything.
    let forget = |tx: &rusqlite::Transaction<'_>| tx.execute("UPDATE sealed_file SET collections = NULL", []);
    site.kit.engine.database().write::<_, DbError>(|tx| Ok(forget(tx)?)).unwrap();
    check_problem(&site.get(&own, &county).await, 403, "forbidden");
    assert_eq!(site.get(&own, &token).await.status, 200);
}

#[tokio::test]
async fn inspections_are_due_by_the_schedule_page_by_page_and_a_bad_one_is_a_proposal() {
    let mut site = Site::new(0);
    let li = site.supervisor("li", 30, Level::County);
    let due = "/api/v1/inspections/due";
    let none = site.get(due, &li).await.json();
    assert_eq!((&none["schedule"], &none["total"]), (&Value::Null, &json!(0)), "without a schedule nothing is due");
    let path = site.kit.place.path().join("s.toml");
    std::fs::write(&path, include_str!("../../../../fixtures/schedules/inspections.toml")).unwrap();
    site.kit.runs(&["load-reference", path.to_str().unwrap()]);
    for number in 1..=3 {
        let key = site.hand_in(number, f64::from(number) * 4_000.0);
        let bad = if number == 3 { "bad" } else { "good" };
        let inspected = json!({"type": "inspection", "kind": "routine", "on": "2022-02-20", "result": bad});
        let run = site.device.write(&key, inspected);
        site.kit.push(&site.device, &[run]);
        let review = format!("/outlets/{}/review", key.id);
        let seen = site.get(&format!("/api/v1{review}"), &li).await.json()["seen"].clone();
        let approved = site.post(&format!("{review}/approve"), &li, &json!({"seen": seen})).await;
        assert_eq!(approved.status, 201, "{}", approved.text());
    }
    let early = site.get(due, &li).await.json();
    assert_eq!((&early["schedule"], &early["total"]), (&json!("2026-01"), &json!(0)), "half a year is left");
    let first = site.get(&format!("{due}?on=2022-09-30&state=overdue&limit=2"), &li).await;
    let (page, tag) = (first.json(), first.header("etag").to_owned());
    assert_eq!((page["inspections"].as_array().unwrap().len(), &page["total"]), (2, &json!(3)), "{page}");
    assert_eq!((&page["inspections"][0]["kind"], &page["inspections"][0]["days"]), (&json!("routine"), &json!(42)));
    let second = site.get(page["next"].as_str().unwrap(), &li).await.json();
    assert_eq!((second["inspections"].as_array().unwrap().len(), second.get("next")), (1, None), "{second}");
    let ids = |page: &Value| -> Vec<String> {
        page["inspections"].as_array().unwrap().iter().map(|line| line["outlet"].to_string()).collect()
    };
    assert!(ids(&page).iter().all(|id| !ids(&second).contains(id)));
    let headers = [("authorization", &*format!("Bearer {li}")), ("if-none-match", tag.as_str())];
    assert_eq!(site.get_with(&format!("{due}?on=2022-09-30&state=overdue&limit=2"), &headers).await.status, 304);
    let ahead = site.get(&format!("{due}?ahead=365&state=due"), &li).await.json();
    assert_eq!(ahead["total"], 3);
    for wrong in ["ahead=-1", "ahead=9999", "state=late", "on=soon", "limit=0", "x=1"] {
        check_problem(&site.get(&format!("{due}?{wrong}"), &li).await, 400, "bad-request");
    }
    let proposals = site.get("/api/v1/inspections/proposals", &li).await.json();
    assert_eq!(proposals["proposals"].as_array().unwrap().len(), 1, "{proposals}");
    assert_eq!(proposals["proposals"][0]["observed_on"], "2022-02-20");
    assert!(proposals["proposals"][0]["outlet"].to_string().contains(&outlet(3).id.to_string()));
    site.account("elsewhere", Role::Viewer, &[511_921]);
    let foreign = site.token("elsewhere", &[TokenScope::Read]);
    assert_eq!(site.get(&format!("{due}?on=2022-09-30"), &foreign).await.json()["total"], 0);
    assert_eq!(site.get("/api/v1/inspections/proposals", &foreign).await.json()["proposals"], json!([]));
}
