//! Imports, assignments, zones, codes, signs and review sheets, as their pages take and refuse them.

use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use outlet_core::identity::{Level, Role};
use outlet_core::ids::DocKey;
use serde_json::json;

use super::sent;
use super::tests::{Client, Seen};
use crate::testing::{Device, Kit, outlet};

const BORDER: &str = "----outlet-test";

/// A form with a file, as a browser's script sends it.
async fn send(client: &mut Client, path: &str, fields: &[(&str, &str)], file: (&str, &[u8])) -> Seen {
    let mut body = Vec::new();
    for (name, value) in fields {
        let part = format!("--{BORDER}\r\ncontent-disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n");
        body.extend_from_slice(part.as_bytes());
    }
    let (name, bytes) = file;
    let head = format!(
        "--{BORDER}\r\ncontent-disposition: form-data; name=\"file\"; filename=\"{name}\"\r\n\
         content-type: application/octet-stream\r\n\r\n"
    );
    body.extend_from_slice(head.as_bytes());
    body.extend_from_slice(bytes);
    body.extend_from_slice(format!("\r\n--{BORDER}--\r\n").as_bytes());
    let request = Request::post(path)
        .header(header::CONTENT_TYPE, format!("multipart/form-data; boundary={BORDER}"))
        .header("x-csrf-token", client.token());
    client.send(request.body(Body::from(body)).unwrap()).await
}

fn to(seen: &Seen) -> String {
    assert_eq!(seen.status, StatusCode::NO_CONTENT, "{}", seen.body);
    seen.headers["hx-redirect"].to_str().unwrap().to_owned()
}

/// The columns of the table below and what they become.
const COLUMNS: [(&str, &str); 5] =
    [("c0", "source_id"), ("c1", "name"), ("c2", "lon"), ("c3", "lat"), ("c4", "township")];

fn table(rows: &[&str]) -> Vec<u8> {
    let text = format!("编号,名称,经度,纬度,乡镇\n{}\n", rows.join("\n"));
    encoding_rs::GBK.encode(&text).0.into_owned()
}

#[tokio::test]
async fn a_gbk_list_is_checked_line_by_line_and_imported_when_it_is_right() {
    let kit = Kit::new();
    let mut admin = Client::signed_in(&kit, Role::Admin, None).await;
    let rows = ["1,<b>甲,106.7692,31.8510,东城街道", "2,乙,xyz,31.8510,东城街道", "2,丙,106.77,31.85,"];
    let sent = send(&mut admin, "/imports", &[], ("../疑似点位.csv", &table(&rows))).await;
    let page = to(&sent);
    let columns = admin.get(&page).await;
    assert_eq!(columns.status, StatusCode::OK, "{}", columns.body);
    assert!(columns.body.contains("东城街道") && !columns.body.contains("<b>甲"), "{}", columns.body);
    // Nobody says the datum: the form says so and keeps what was chosen.
    let file = [("act", "check"), ("name", "遥感<1>"), ("collection", "511902")];
    let unsaid = admin.post(&page, &[&file[..], &COLUMNS].concat()).await;
    assert_eq!(unsaid.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(unsaid.body.contains("datum-error") && unsaid.body.contains("遥感&#60;1&#62;"), "{}", unsaid.body);
    let with = |act: &'static str, more: &[(&'static str, &'static str)]| {
        let own = [("act", act), ("name", "遥感"), ("collection", "511902"), ("datum", "wgs84")];
        [&own[..], &COLUMNS, more].concat()
    };
    let checked = admin.post(&page, &with("check", &[])).await;
    assert_eq!(checked.status, StatusCode::OK, "{}", checked.body);
    for words in ["坐标无法识别", "编号重复", "东城街道", "文字编码：GBK；分隔符：逗号"] {
        assert!(checked.body.contains(words), "{words}: {}", checked.body);
    }
    let refused = admin.post(&page, &with("run", &[])).await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(refused.body.contains("3 行中有 2 行不能导入"), "{}", refused.body);
    assert!(crate::report::current_rows(&kit.engine).unwrap().is_empty(), "nothing was written");
    let saved = admin.post(&page, &with("save", &[])).await;
    assert!(saved.body.contains("列对应关系已保存"), "{}", saved.body);
    let done = admin.post(&page, &with("run", &[("skip_bad", "yes")])).await;
    assert_eq!(done.location(), "/imports?done=imported", "{}", done.body);
    let rows = crate::report::current_rows(&kit.engine).unwrap();
    assert_eq!((rows.len(), rows[0].township.as_deref()), (1, Some("东城街道")));
    // The file is gone; the mapping fills the next one in.
    assert_eq!(admin.get(&page).await.location(), "/imports?done=upload-gone");
    let next = to(&send(&mut admin, "/imports", &[], ("b.csv", &table(&["9,丁,106.7,31.8,"]))).await);
    let filled = admin.get(&format!("{next}?use=%E9%81%A5%E6%84%9F")).await;
    assert!(filled.body.contains(r#"<option value="wgs84" selected>"#), "{}", filled.body);
}

#[tokio::test]
async fn uploads_are_refused_in_words_and_only_admins_send_them() {
    let kit = Kit::new();
    let mut admin = Client::signed_in(&kit, Role::Admin, None).await;
    for (name, bytes, words) in [
        ("virus.exe", &b"MZ"[..], "不能读取这种文件"),
        ("", &b""[..], "请选择一个文件"),
        ("a.zip", &b"no archive"[..], "这个 ZIP 不能使用"),
        ("large.csv", &vec![b'a'; sent::LIMIT - (1 << 19)][..], "文件超过 64 MB"),
    ] {
        let refused = send(&mut admin, "/imports", &[], (name, bytes)).await;
        assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY, "{name}");
        assert!(refused.body.contains(words) && refused.body.contains("file-error"), "{name}: {}", refused.body);
    }
    let large = vec![b'a'; sent::LIMIT + 1];
    let refused = send(&mut admin, "/imports", &[], ("large.csv", &large)).await;
    assert_eq!(refused.status, StatusCode::PAYLOAD_TOO_LARGE);
    assert!(refused.body.contains("超过了允许的大小"), "{}", refused.body);
    assert_eq!(admin.get("/imports/../../etc").await.status, StatusCode::NOT_FOUND);
    assert_eq!(admin.get("/imports/%2e%2e").await.location(), "/imports?done=upload-gone");
    // Without the token in the header nothing is read.
    let forged = Request::post("/imports").header(header::CONTENT_TYPE, "multipart/form-data; boundary=x");
    assert_eq!(admin.send(forged.body(Body::empty()).unwrap()).await.status, StatusCode::FORBIDDEN);
    let upload = to(&send(&mut admin, "/imports", &[], ("a.csv", &table(&["1,a,1,1,"]))).await);
    let mut viewer = Client::signed_in(&kit, Role::Viewer, None).await;
    for path in ["/imports", &upload, "/assignments", "/codes", "/sheets", "/sheets/1", "/accounts", "/audit"] {
        let seen = viewer.get(path).await;
        assert_eq!(seen.status, StatusCode::FORBIDDEN, "{path}");
        assert!(seen.body.contains("您的账号没有这项权限"), "{path}: {}", seen.body);
    }
    assert_eq!(send(&mut viewer, "/zones", &[], ("a.geojson", &b"{}"[..])).await.status, StatusCode::FORBIDDEN);
    assert_eq!(viewer.get("/zones").await.status, StatusCode::OK, "layers are for everybody to see");
}

#[tokio::test]
async fn rows_of_another_county_are_not_imported_by_an_admin_of_one() {
    let kit = Kit::new();
    let mut admin = Client::signed_in(&kit, Role::Admin, None).await;
    let page = to(&send(&mut admin, "/imports", &[], ("a.csv", &table(&["1,甲,106.7692,31.8510,"]))).await);
    let own = [("act", "run"), ("name", "x"), ("collection", "511903"), ("datum", "wgs84")];
    let refused = admin.post(&page, &[&own[..], &COLUMNS].concat()).await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(refused.body.contains("您的账号无权导入"), "{}", refused.body);
    assert!(crate::report::current_rows(&kit.engine).unwrap().is_empty());
}

#[tokio::test]
async fn points_are_counted_assigned_and_taken_back() {
    let kit = Kit::new();
    let mut device = kit.member(1, Role::Inspector, None);
    let runs: Vec<_> = (1..=3)
        .flat_map(|number| {
            let key = outlet(number);
            [
                device.fact(&key, "state", "suspected"),
                device.fact(&key, "township", if number == 3 { "西城街道" } else { "东城街道" }),
                device.fact(&key, "temporary_number", &format!("T{number}")),
            ]
        })
        .collect();
    kit.push(&device, &runs);
    let mut client = Client::signed_in(&kit, Role::Supervisor, Some(Level::County)).await;
    let empty = client.post("/assignments", &[("act", "assign"), ("note", "<i>看")]).await;
    assert_eq!(empty.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(empty.body.contains("to-error") && empty.body.contains("which-error"), "{}", empty.body);
    assert!(empty.body.contains("&#60;i&#62;看"), "what was typed is kept: {}", empty.body);
    let counted = client.post("/assignments", &[("act", "count"), ("township", "东城街道")]).await;
    assert!(counted.body.contains("待排查点位：2 个"), "{}", counted.body);
    let (_, rest) = counted.body.split_once(r#"<select id="to""#).unwrap();
    let (_, rest) = rest.split_once(r#"</option><option value=""#).unwrap();
    let person = rest.split('"').next().unwrap().to_owned();
    let unknown = client.post("/assignments", &[("act", "count"), ("outlets", "T3 T9")]).await;
    assert!(unknown.body.contains("台账中没有“T9”"), "{}", unknown.body);
    let form = [("act", "assign"), ("township", "东城街道"), ("outlets", "T3"), ("to", &person), ("due", "2026-12-31")];
    let done = client.post("/assignments", &form).await;
    assert_eq!(done.location(), "/assignments?done=assigned", "{}", done.body);
    let loads = crate::assigning::loads(&kit.engine, |_| true).unwrap();
    assert_eq!((loads[0].assigned, loads[0].open), (3, 3));
    client.post("/assignments", &[("act", "withdraw"), ("outlets", "T3")]).await;
    assert_eq!(crate::assigning::loads(&kit.engine, |_| true).unwrap()[0].assigned, 2);
}

#[tokio::test]
async fn a_layer_is_checked_and_a_crossing_one_is_refused_with_its_zone() {
    let kit = Kit::new();
    let mut admin = Client::signed_in(&kit, Role::Admin, None).await;
    let layer = |ring: serde_json::Value| {
        let geometry = json!({"type": "Polygon", "coordinates": [ring]});
        let feature = json!({"type": "Feature", "properties": {"name": "水源<地>"}, "geometry": geometry});
        json!({"type": "FeatureCollection", "features": [feature]}).to_string().into_bytes()
    };
    let good = layer(json!([[106.7, 31.8], [106.8, 31.8], [106.8, 31.9], [106.7, 31.9], [106.7, 31.8]]));
    let crossing = layer(json!([[106.7, 31.8], [106.8, 31.9], [106.8, 31.8], [106.7, 31.9], [106.7, 31.8]]));
    let form = |act: &'static str| {
        [
            ("act", act),
            ("name", "饮用水源"),
            ("version", "2020"),
            ("kind", "drinking_water_1"),
            ("datum", "cgcs2000"),
            ("document", "川府函〔2020〕1号"),
            ("document_dated", "2020-03-01"),
        ]
    };
    let refused = send(&mut admin, "/zones", &form("keep"), ("a.geojson", &crossing)).await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(refused.body.contains("边界自相交") && !refused.body.contains("水源<地>"), "{}", refused.body);
    assert!(refused.body.contains("川府函〔2020〕1号"), "what was typed is kept");
    let unsaid = send(&mut admin, "/zones", &[("act", "keep")], ("a.geojson", &good)).await;
    assert!(unsaid.body.contains("document-error") && unsaid.body.contains("kind-error"), "{}", unsaid.body);
    assert!(kit.engine.layers().unwrap().all().is_empty(), "neither was kept");
    let checked = send(&mut admin, "/zones", &form("check"), ("a.geojson", &good)).await;
    assert!(checked.body.contains("检查通过"), "{}", checked.body);
    let kept = send(&mut admin, "/zones", &form("keep"), ("a.geojson", &good)).await;
    assert_eq!(kept.status, StatusCode::OK, "{}", kept.body);
    assert_eq!(kit.engine.layers().unwrap().all().len(), 1);
    assert!(admin.get("/zones").await.body.contains("饮用水水源一级保护区"));
}

fn surveyed(kit: &Kit, device: &mut Device, number: u8) -> DocKey {
    let key = outlet(number);
    let runs = [
        device.fact(&key, "state", "outlet"),
        device.fact(&key, "outlet_type", "urban_storm"),
        device.fact(&key, "name", &format!("<排口{number}>")),
        device.fact(&key, "temporary_number", &format!("T{number}")),
        device.write(&key, json!({"type": "survey", "on": "2021-06-01", "outcome": "complete"})),
        device.write(&key, json!({"type": "submit"})),
    ];
    kit.push(device, &runs);
    key
}

#[tokio::test]
async fn a_received_code_is_recorded_once_and_its_sign_shows_it() {
    let kit = Kit::new();
    let mut device = kit.member(1, Role::Inspector, None);
    let (key, other) = (surveyed(&kit, &mut device, 1), surveyed(&kit, &mut device, 2));
    let mut client = Client::signed_in(&kit, Role::Supervisor, Some(Level::City)).await;
    let plate = format!("{}/sign", super::outlets::address(&key));
    assert!(client.get(&plate).await.body.contains("还没有编码"));
    let form = |which: &'static str, code: &'static str| {
        [
            ("act", "record"),
            ("which", which),
            ("code", code),
            ("document", "平台回执0412"),
            ("document_dated", "2023-02-20"),
        ]
    };
    let wrong = client.post("/codes", &form("T9", "<x>")).await;
    assert_eq!(wrong.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(wrong.body.contains("which-error") && wrong.body.contains("code-error"), "{}", wrong.body);
    assert!(wrong.body.contains("&#60;x&#62;") && wrong.body.contains("平台回执0412"), "{}", wrong.body);
    let done = client.post("/codes", &form("T1", "FA-511902-0007-QT-00")).await;
    assert_eq!(done.status, StatusCode::OK, "{}", done.body);
    assert!(done.body.contains("已记入 1 个编码"), "{}", done.body);
    let taken = client.post("/codes", &form("T2", "FA-511902-0007-QT-00")).await;
    assert!(taken.status == StatusCode::UNPROCESSABLE_ENTITY && taken.body.contains("不能登记"), "{}", taken.body);
    let shown = client.get(&plate).await;
    assert!(shown.body.contains("FA-511902-0007-QT-00") && shown.body.contains("class=\"qr\""), "{}", shown.body);
    assert!(!shown.body.contains("<排口1>"), "escaped");
    let none = client.post("/codes", &[("act", "assign")]).await;
    assert!(none.body.contains("请至少选择一项"), "{}", none.body);
    let no_block = client.post("/codes", &[("act", "assign"), ("outlet", &other.to_string())]).await;
    assert_eq!(no_block.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(no_block.body.contains("没有分配编码") || no_block.body.contains("没有可用的号段"), "{}", no_block.body);
}

#[tokio::test]
async fn a_sheet_is_approved_after_its_sample_was_opened_and_is_nobody_elses() {
    let kit = Kit::new();
    let mut device = kit.member(1, Role::Inspector, None);
    for number in 1..=5 {
        let key = outlet(number);
        let lon = 106.7 + f64::from(number) * 0.03;
        let place =
            json!({"lon": lon, "lat": 31.86, "raw_lon": lon, "raw_lat": 31.86, "datum": "wgs84", "accuracy_m": 4.0});
        let runs = [
            device.fact(&key, "state", "outlet"),
            device.fact(&key, "county", "511902"),
            device.fact(&key, "waterbody", "巴河"),
            device.fact(&key, "bank", "left"),
            device.fact(&key, "temporary_number", &format!("T{number}")),
            device.write(&key, json!({"type": "fact", "field": "location", "value": place})),
            device.write(&key, json!({"type": "submit"})),
        ];
        kit.push(&device, &runs);
    }
    let mut client = Client::signed_in(&kit, Role::Supervisor, Some(Level::County)).await;
    let wrong = client.post("/sheets", &[("size", "0")]).await;
    assert!(wrong.body.contains("size-error") && wrong.body.contains("请填写 1 至 200"), "{}", wrong.body);
    let made = client.post("/sheets", &[("size", "60")]).await;
    if made.status == StatusCode::UNPROCESSABLE_ENTITY {
        panic!("no clean record: {}", client.get("/review").await.body);
    }
    let sheet = made.location().split('?').next().unwrap().to_owned();
    let page = client.get(&sheet).await;
    assert!(page.body.contains("还有 3 条抽中的记录没有打开"), "{}", page.body);
    let early = client.post(&sheet, &[("act", "approve")]).await;
    assert_eq!(early.status, StatusCode::CONFLICT);
    assert!(early.body.contains("请先逐条打开抽中的记录"), "{}", early.body);
    let drawn: Vec<String> = page
        .body
        .split(r#"name="open" value=""#)
        .skip(1)
        .filter(|rest| rest.split('>').next().is_some_and(|tag| tag.contains("data-key")))
        .map(|rest| rest.split('"').next().unwrap().to_owned())
        .collect();
    assert_eq!(drawn.len(), 3);
    for id in &drawn {
        let opened = client.post(&sheet, &[("open", id)]).await;
        assert!(opened.location().contains(&format!("{id}?sheet=")), "{}", opened.location());
        let record = client.get(opened.location()).await;
        assert!(record.body.contains(&format!(r#"href="{sheet}""#)), "the way back: {}", record.body);
    }
    let except = drawn[0].as_str();
    let done = client.post(&sheet, &[("act", "approve"), ("except", except)]).await;
    assert_eq!(done.status, StatusCode::OK, "{}", done.body);
    assert!(done.body.contains("通过 4 条") && done.body.contains("您勾选了不通过"), "{}", done.body);
    let mut other = Client::signed_in(&kit, Role::Supervisor, Some(Level::City)).await;
    assert_eq!(other.get(&sheet).await.status, StatusCode::NOT_FOUND, "another's sheet");
}

#[tokio::test]
async fn html_in_every_text_is_text_on_every_page_and_no_photo_s_name_is_a_path() {
    let kit = Kit::new();
    let mut device = kit.member(1, Role::Inspector, None);
    let evil = "<script>alert(1)</script>\"'<img src=x onerror=alert(2)>";
    let (key, twin) = (outlet(1), outlet(2));
    let place =
        json!({"lon": 106.75, "lat": 31.86, "raw_lon": 106.75, "raw_lat": 31.86, "datum": "wgs84", "accuracy_m": 4.0});
    let mut runs = Vec::new();
    for key in [&key, &twin] {
        for field in outlet_core::import::TARGETS.into_iter().filter(|field| *field != "remark" && *field != "county") {
            runs.push(device.fact(key, field, if field == "state" { "suspected" } else { evil }));
        }
        runs.push(device.write(key, json!({"type": "fact", "field": "location", "value": place})));
        runs.push(device.write(key, json!({"type": "fact", "field": "source_list", "value": evil})));
        let photo = json!({"type": "photo", "sha256": "11".repeat(32), "bytes": 9, "mime": "image/jpeg", "slot": evil,
            "caption": evil, "camera": evil, "file_name": "../../etc/<script>passwd", "warnings": [evil]});
        runs.push(device.write(key, photo));
        runs.push(device.write(key, json!({"type": "submit"})));
    }
    let mut other = kit.member(2, Role::Inspector, None);
    runs.push(device.fact(&key, "scale", "<b>above"));
    kit.push(&device, &runs);
    let run = other.fact(&key, "scale", "<b>below");
    kit.push(&other, &[run]);
    let mut client = Client::signed_in(&kit, Role::Admin, None).await;
    let own = super::outlets::address(&key);
    let mut pages: Vec<String> =
        ["/", "/outlets", "/map", "/worklists", "/milestones", "/assess", "/review", "/sheets", "/conflicts"]
            .into_iter()
            .chain(["/duplicates", "/assignments", "/codes", "/reports", "/zones", "/imports", "/exports", "/devices"])
            .chain(["/quarantine", "/accounts", "/audit"])
            .map(str::to_owned)
            .collect();
    pages.extend([own.clone(), format!("{own}/sign"), own.replace("/outlets/", "/review/")]);
    pages.extend(["classify", "plan", "complete", "accept", "name"].map(|what| format!("{own}/decide/{what}")));
    pages.push("/milestones/rows?milestone=M1&as_of=2022-01-01&by=unit&group=511902&figure=of".to_owned());
    for path in &pages {
        let seen = client.get(path).await;
        assert_eq!(seen.status, StatusCode::OK, "{path}: {}", seen.body);
        for raw in ["<script>", "<img src=x", "'<img", "<b>above", "<b>below"] {
            assert!(!seen.body.contains(raw), "{raw} on {path}");
        }
    }
    for file in ["..%2F..%2Fetc%2Fpasswd", "%2e%2e", "passwd", &"11".repeat(32)] {
        let seen = client.get(&format!("{own}/files/{file}")).await;
        assert_eq!(seen.status, StatusCode::NOT_FOUND, "{file}");
    }
}
