//! Assessment, work lists, imports, codes and zones through the router.

use axum::body::Body;
use outlet_core::identity::{Level, Role};
use serde_json::{Value, json};

use super::tests::{Site, check_problem};
use crate::testing::outlet;
use crate::tokens::TokenScope;

const MAPPING: &str = r#"
format = 1
name = "疑似"
source_id = "编号"
collection = "511902"
[columns]
name = "名称"
township = "乡镇"
[[position]]
lon = "经度"
lat = "纬度"
datum = "wgs84"
"#;
const CSV: &str = "编号,名称,乡镇,经度,纬度\n1,东兴口,东城街道,106.769,31.851\n2,西门口,东城街道,106.710,31.810\n";
/// 疑似, as an address has it.
const NAME: &str = "%E7%96%91%E4%BC%BC";

fn admin(site: &Site) -> String {
    site.account("admin", Role::Admin, &[]);
    site.token("admin", &TokenScope::ALL)
}

#[tokio::test]
async fn a_milestone_is_assessed_as_json_and_as_a_workbook_and_two_days_are_compared() {
    let site = Site::new(2);
    let token = site.reader();
    let assessed = site.get("/api/v1/assess?milestone=m2&as_of=2022-12-31", &token).await;
    let body = assessed.json();
    assert_eq!(
        (&body["milestone"], &body["as_of"], &body["area"]["of"]),
        (&json!("M2"), &json!("2022-12-31"), &json!(2))
    );
    let missing = |body: &Value| -> usize {
        body["units"].as_array().unwrap().iter().map(|unit| unit["missing"].as_array().unwrap().len()).sum()
    };
    assert_eq!(missing(&body), 2, "{body}");
    let tag = assessed.header("etag").to_owned();
    let headers = [("authorization", &*format!("Bearer {token}")), ("if-none-match", tag.as_str())];
    assert_eq!(site.get_with("/api/v1/assess?milestone=m2&as_of=2022-12-31", &headers).await.status, 304);
    let book = site.get("/api/v1/assess?milestone=M2&format=xlsx", &token).await;
    assert!(book.body.starts_with(b"PK\x03\x04"));
    assert!(book.header("content-disposition").contains("assess-M2-"));
    let csv = site.get("/api/v1/assess?milestone=M2&format=csv", &token).await;
    assert!(csv.text().contains("考核对象"), "{}", csv.text());
    for query in ["", "milestone=M99", "milestone=M2&format=doc", "milestone=M2&as_of=soon", "milestone=M2&x=1"] {
        check_problem(&site.get(&format!("/api/v1/assess?{query}"), &token).await, 400, "bad-request");
    }

    let rows = site.get("/api/v1/progress/rows?milestone=M2&figure=open&as_of=2022-12-31", &token).await.json();
    assert_eq!((rows["outlets"].as_array().unwrap().len(), &rows["whole"]), (2, &json!(true)));
    // The records came on 2022-03-01: as reported, they were not there before.
    let query = "milestone=M2&from=2022-02-01&to=2022-12-31&reading=as_reported";
    let changed = site.get(&format!("/api/v1/progress/difference?{query}"), &token).await.json();
    assert_eq!(changed["outlets"].as_array().unwrap().len(), 2, "{changed}");
    assert_eq!(changed["outlets"][0]["after"], "open");
    let same = site.get("/api/v1/progress/difference?milestone=M2&from=2022-12-31&to=2022-12-31", &token).await.json();
    assert_eq!(same["outlets"], json!([]));
    let turned = site.get("/api/v1/progress/difference?milestone=M2&from=2022-12-31&to=2021-12-31", &token).await;
    check_problem(&turned, 400, "bad-request");
    check_problem(&site.get("/api/v1/progress/difference?milestone=M2", &token).await, 400, "bad-request");

    site.account("elsewhere", Role::Viewer, &[511_921]);
    let foreign = site.token("elsewhere", &[TokenScope::Read]);
    let body = site.get("/api/v1/assess?milestone=M2&as_of=2022-12-31", &foreign).await.json();
    assert_eq!((&body["area"]["of"], missing(&body)), (&json!(2), 0), "figures, no records");
    let rows = site.get("/api/v1/progress/rows?milestone=M2", &foreign).await.json();
    assert_eq!(rows["outlets"], json!([]));
    let finer = site.get("/api/v1/progress?by=party&as_of=2022-12-31", &foreign).await.json();
    assert_eq!(finer["rows"], json!([]), "names of parties are not everybody's");
}

#[tokio::test]
async fn a_list_is_mapped_tried_imported_once_and_assigned() {
    let site = Site::new(0);
    let token = admin(&site);
    let narrow = site.token("admin", &[TokenScope::Read, TokenScope::Decide]);
    let columns = site.call("POST", "/imports/columns?file_name=p.csv", &token, CSV).await;
    assert_eq!(columns.json()["columns"][1], "名称");
    let saved = format!("/imports/mappings/{NAME}");
    check_problem(&site.call("PUT", &saved, &narrow, MAPPING).await, 403, "forbidden");
    check_problem(&site.call("PUT", &saved, &token, "format = 9").await, 400, "bad-request");
    check_problem(&site.call("PUT", "/imports/mappings/other", &token, MAPPING).await, 400, "bad-request");
    assert_eq!(site.call("PUT", &saved, &token, MAPPING).await.status, 204);
    assert_eq!(site.get(&format!("/api/v1{saved}"), &token).await.text(), MAPPING);
    check_problem(&site.get("/api/v1/imports/mappings/other", &token).await, 404, "not-found");

    let run = |query: &str| format!("/imports?file_name=p.csv&mapping={NAME}{query}");
    check_problem(&site.call("POST", &run(""), &narrow, CSV).await, 403, "forbidden");
    let tried = site.call("POST", &run("&dry_run=true"), &token, CSV).await;
    assert_eq!((tried.status, &tried.json()["good"]), (200, &json!(2)), "{}", tried.text());
    assert!(site.kit.rows().is_empty());
    let bad = CSV.replace("106.710", "");
    let refused = site.call("POST", &run(""), &token, bad.clone()).await;
    check_problem(&refused, 422, "unprocessable");
    assert!(refused.json()["errors"][0]["name"].as_str().unwrap().starts_with("line 3"), "{}", refused.text());
    assert!(site.kit.rows().is_empty(), "nothing is half imported");
    let done = site.call("POST", &run(""), &token, CSV).await;
    assert_eq!((done.status, &done.json()["created"]), (201, &json!(2)), "{}", done.text());
    let again = site.call("POST", &run(""), &token, CSV).await;
    assert_eq!((&again.json()["created"], &again.json()["known"]), (&json!(0), &json!(2)));
    let listed = site.get("/api/v1/imports", &token).await.json();
    assert_eq!((&listed["imports"][0]["by"], &listed["imports"][0]["file_name"]), (&json!("admin"), &json!("p.csv")));
    for (path, status) in [
        ("/imports?mapping=x".to_owned(), 400),
        ("/imports?file_name=p.exe&mapping=x".to_owned(), 400),
        ("/imports?file_name=p.csv&mapping=x".to_owned(), 404),
        ("/imports?file_name=p.xlsx&mapping=".to_owned() + NAME, 422),
    ] {
        assert_eq!(site.call("POST", &path, &token, CSV).await.status, status, "{path}");
    }
    let left = std::fs::read_dir(site.kit.engine.folder.incoming()).unwrap().count();
    assert_eq!(left, 0, "uploads are removed");

    site.account("county", Role::Admin, &[511_921]);
    let county = site.token("county", &TokenScope::ALL);
    check_problem(&site.call("POST", &run(""), &county, CSV).await, 403, "forbidden");

    let _device = site.kit.member(3, Role::Inspector, None);
    let order = json!({"to": "person 3", "task": "survey", "township": "东城街道", "due": "2022-02-01"});
    let reader = site.reader();
    check_problem(&site.post("/assignments", &reader, &order).await, 403, "forbidden");
    check_problem(&site.post("/assignments", &county, &order).await, 422, "unprocessable");
    let given = site.post("/assignments", &token, &order).await;
    assert_eq!((given.status, &given.json()["assigned"]), (201, &json!(2)), "{}", given.text());
    let loads = site.get("/api/v1/assignments", &reader).await.json();
    assert_eq!((&loads["loads"][0]["open"], &loads["loads"][0]["overdue"]), (&json!(2), &json!(2)));
    assert_eq!(site.get("/api/v1/assignments", &county).await.json()["loads"], json!([]));
    for wrong in [
        json!({"task": "survey"}),
        json!({"task": "dance", "list": "x"}),
        json!({"to": "nobody", "task": "survey", "list": "疑似"}),
    ] {
        check_problem(&site.post("/assignments", &token, &wrong).await, 400, "bad-request");
    }
    let covered = site.get("/api/v1/coverage", &reader).await.json();
    assert_eq!((&covered["rows"][0]["group"], &covered["rows"][0]["open"]), (&json!("东城街道"), &json!(2)));
    assert_eq!(site.get("/api/v1/coverage", &county).await.json()["rows"], json!([]));
    assert_eq!(site.get("/api/v1/coverage/walks", &reader).await.json()["reaches"], json!([]));
}

#[tokio::test]
async fn codes_are_recorded_with_their_paper_and_assigned_from_a_block() {
    let mut site = Site::new(0);
    for number in 1..=3 {
        let key = site.hand_in(number, f64::from(number) * 4_000.0);
        let run = site.device.fact(&key, "outlet_type", "urban_storm");
        site.kit.push(&site.device, &[run]);
    }
    let wang = site.supervisor("wang", 30, Level::City);
    let li = site.supervisor("li", 31, Level::County);
    site.kit.runs(&[
        "codes",
        "block",
        "grant",
        "B1",
        "--county",
        "511902",
        "--document",
        "川环函〔2022〕1号",
        "--from",
        "1",
        "--to",
        "5",
    ]);
    let id = |number: u8| outlet(number).id.to_string();
    let received = |code: &str| json!({"system": "national", "document": "川环函〔2022〕9号", "document_dated": "2022-02-20", "codes": [{"outlet": id(1), "code": code}]});
    let good = received("FA-511902-0001-QT-00");
    let level = site.post("/codes", &li, &good).await;
    assert_eq!((level.status, &level.json()["errors"][0]["reason"]), (422, &json!("level")), "{}", level.text());
    check_problem(&site.post("/codes", &wang, &received("nothing")).await, 422, "unprocessable");
    let recorded = site.post("/codes", &wang, &good).await;
    assert_eq!(recorded.status, 201, "{}", recorded.text());
    assert_eq!(site.post("/codes", &wang, &good).await.json()["known"], 1);
    let wanted = json!({"outlets": [id(2), id(3)], "on": "2022-03-01"});
    let reader = site.reader();
    check_problem(&site.post("/codes/assign", &reader, &wanted).await, 403, "forbidden");
    let key = [("idempotency-key", "k1")];
    let mut codes: Vec<Value> = Vec::new();
    for _ in 0..2 {
        let request =
            axum::http::Request::post("/api/v1/codes/assign").header("authorization", format!("Bearer {wang}"));
        let request = request.header(key[0].0, key[0].1).body(Body::from(wanted.to_string())).unwrap();
        let given = site.send(request).await;
        assert_eq!(given.status, 201, "{}", given.text());
        codes.push(given.json());
    }
    assert_eq!(codes[0], codes[1], "sent again, answered again, given once");
    let mut given: Vec<&str> =
        codes[0]["given"].as_array().unwrap().iter().map(|one| one["code"].as_str().unwrap()).collect();
    given.sort_unstable();
    assert_eq!(given, ["FA-511902-0002-QT-00", "FA-511902-0003-QT-00"], "the received serial is not given again");
    check_problem(&site.post("/codes/assign", &wang, &json!({"outlets": [id(2)]})).await, 422, "unprocessable");
    check_problem(&site.post("/codes/assign", &wang, &json!({"outlets": [id(9)]})).await, 404, "not-found");
    check_problem(&site.post("/codes/assign", &wang, &json!({"collection": "511921"})).await, 403, "forbidden");
    let blocks = site.get("/api/v1/codes/blocks", &reader).await.json();
    assert_eq!((&blocks["blocks"][0]["used"], &blocks["blocks"][0]["unusable"]), (&json!(3), &Value::Null));
    assert_eq!(site.get("/api/v1/codes/conflicts", &reader).await.json()["conflicts"], json!([]));
}

const ZONES: &str = r#"{"type":"FeatureCollection","features":[{"type":"Feature","properties":{"名称":"化成一级","水源地":"化成水库"},
"geometry":{"type":"Polygon","coordinates":[[[106.60,31.70],[106.80,31.70],[106.80,31.90],[106.60,31.90],[106.60,31.70]]]}}]}"#;

#[tokio::test]
async fn a_layer_is_tried_kept_and_names_the_outlets_inside() {
    let site = Site::new(2);
    let token = admin(&site);
    let reader = site.reader();
    assert_eq!(site.get("/tiles/zones.json", &reader).await.json()["features"], json!([]));
    let before = site.get("/api/v1/zones/outlets", &reader).await.json();
    assert_eq!(before["missing"].as_array().unwrap().len(), 5, "unknown is said, never \"not inside\"");
    let head = "name=water&version=2020&kind=drinking_water_1&datum=cgcs2000&document=x&document_dated=2020-03-01";
    check_problem(&site.call("POST", &format!("/zones?{head}"), &reader, ZONES).await, 403, "forbidden");
    let tried = site.call("POST", &format!("/zones?{head}&dry_run=true"), &token, ZONES).await;
    assert_eq!((tried.status, &tried.json()["stored"]), (200, &json!(false)), "{}", tried.text());
    let crossed = ZONES.replace("[106.80,31.70],[106.80,31.90]", "[106.80,31.90],[106.80,31.70]");
    let refused = site.call("POST", &format!("/zones?{head}"), &token, crossed).await;
    check_problem(&refused, 422, "unprocessable");
    assert!(refused.json()["errors"][0]["reason"].as_str().unwrap().starts_with("self_intersection"));
    check_problem(&site.call("POST", &format!("/zones?{head}"), &token, "{").await, 422, "unprocessable");
    check_problem(&site.call("POST", "/zones?name=water", &token, ZONES).await, 400, "bad-request");
    assert_eq!(site.call("POST", &format!("/zones?{head}"), &token, ZONES).await.status, 201);
    assert_eq!(site.get("/api/v1/zones", &reader).await.json()["layers"][0]["version"], "2020");
    let drawn = site.get("/tiles/zones.json", &reader).await;
    assert_eq!(drawn.headers["content-type"], "application/geo+json");
    let zone = &drawn.json()["features"][0];
    assert_eq!(
        zone["properties"],
        json!({"name": "化成一级", "kind": "drinking_water_1", "label": "饮用水水源一级保护区", "layer": "water 2020", "document": "x"})
    );
    assert_eq!(zone["geometry"]["coordinates"][0][0][1], json!([106.8, 31.7]));
    assert_eq!(site.get_with("/tiles/zones.json", &[]).await.status, 401);
    let inside = site.get("/api/v1/zones/outlets?kind=drinking_water_1", &reader).await.json();
    assert_eq!((&inside["sources"][0]["source"], &inside["sources"][0]["of"]), (&json!("化成水库"), &json!(2)));
    check_problem(&site.get("/api/v1/zones/outlets?kind=colour", &reader).await, 400, "bad-request");
    site.account("elsewhere", Role::Viewer, &[511_921]);
    let foreign = site.token("elsewhere", &[TokenScope::Read]);
    assert_eq!(site.get("/api/v1/zones/outlets", &foreign).await.json()["sources"], json!([]));
    site.account("county", Role::Admin, &[511_902]);
    let county = site.token("county", &TokenScope::ALL);
    check_problem(&site.call("POST", &format!("/zones?{head}"), &county, ZONES).await, 403, "forbidden");
}
