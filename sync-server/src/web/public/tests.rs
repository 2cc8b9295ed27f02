//! The public page as a phone sees it.

use axum::body::{Body, to_bytes};
use axum::http::{Request, StatusCode};
use outlet_core::identity::Role;
use serde_json::json;
use tower::ServiceExt as _;

use crate::testing::{Kit, outlet};

const CODE: &str = "FA-511902-0001-QT-00";

fn kit(config: &str) -> Kit {
    let kit = Kit::with_config(config);
    let mut device = kit.member(1, Role::Inspector, None);
    let one = outlet(1);
    let runs = [
        device.fact(&one, "name", "东兴<口>"),
        device.fact(&one, "national_code", CODE),
        device.fact(&one, "outlet_type", "urban_storm"),
        device.write(
            &one,
            json!({"type": "trace", "conclusion": "concluded", "concluded_on": "2022-01-01",
                   "primary_party": {"name": "张三"}}),
        ),
    ];
    kit.push(&device, &runs);
    kit
}

struct Answer {
    status: StatusCode,
    headers: axum::http::HeaderMap,
    text: String,
}

async fn ask(kit: &Kit, router: &axum::Router, request: Request<Body>) -> Answer {
    let _ = kit;
    let response = router.clone().oneshot(request).await.unwrap();
    let (parts, body) = response.into_parts();
    let text = String::from_utf8(to_bytes(body, 1 << 20).await.unwrap().to_vec()).unwrap();
    Answer { status: parts.status, headers: parts.headers, text }
}

fn get(path: &str) -> Request<Body> {
    Request::get(path).body(Body::empty()).unwrap()
}

fn post(code: &str, fields: &[(&str, &[u8])]) -> Request<Body> {
    let mut body = Vec::new();
    for (name, value) in fields {
        let file = if *name == "photo" { "; filename=\"a.jpg\"" } else { "" };
        body.extend(format!("--b\r\nContent-Disposition: form-data; name=\"{name}\"{file}\r\n\r\n").bytes());
        body.extend(*value);
        body.extend(b"\r\n");
    }
    body.extend(b"--b--\r\n");
    Request::post(format!("/p/{code}/report"))
        .header("content-type", "multipart/form-data; boundary=b")
        .body(Body::from(body))
        .unwrap()
}

#[tokio::test]
async fn the_page_is_small_says_six_things_and_nothing_personal() {
    let kit = kit("[public]\nhotline = \"12369\"\n");
    let router = super::router(kit.engine.clone());
    let page = ask(&kit, &router, get(&format!("/p/{CODE}"))).await;
    assert_eq!(page.status, StatusCode::OK);
    for item in
        ["排水口类型", "溯源情况", "责任主体及主管部门", "整治类型", "整治措施", "整治成效", "12369", "城镇雨洪排口"]
    {
        assert!(page.text.contains(item), "{item}: {}", page.text);
    }
    assert!(page.text.contains("东兴&lt;口&gt;") && !page.text.contains("张三") && !page.text.contains("<script"));
    assert!(page.text.len() < 6_000, "{} bytes", page.text.len());
    assert_eq!(page.headers["x-robots-tag"], "noindex, nofollow");
    assert!(page.headers["content-security-policy"].to_str().unwrap().starts_with("default-src 'none'"));
    let compact = ask(&kit, &router, get("/p/fa5119020001qt00")).await;
    assert_eq!(compact.status, StatusCode::OK);
    for unknown in ["/p/FA-511902-0009-QT-00", "/p/%3Cb%3E", "/r/R0000000"] {
        let answer = ask(&kit, &router, get(unknown)).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{unknown}");
        assert!(!answer.text.contains("<b>"));
    }
}

#[tokio::test]
async fn a_report_goes_into_the_queue_and_its_number_tells_its_state() {
    let kit = kit("");
    let router = super::router(kit.engine.clone());
    let before = kit.rows();
    let jpeg = [&[0xff, 0xd8, 0xff, 0xe0][..], &[0; 100]].concat();
    let fields: [(&str, &[u8]); 3] =
        [("text", "有<污水>".as_bytes()), ("photo", &jpeg), ("place", b"106.7692,31.8510")];
    let sent = ask(&kit, &router, post(CODE, &fields)).await;
    assert_eq!(sent.status, StatusCode::SEE_OTHER, "{}", sent.text);
    let address = sent.headers["location"].to_str().unwrap().to_owned();
    let waiting = ask(&kit, &router, get(&address)).await;
    assert!(waiting.text.contains("待处理") && !waiting.text.contains("污水"), "the text is for the queue");
    assert_eq!(kit.rows(), before, "no document was touched");
    let report = crate::reports::find(&kit.engine, address.trim_start_matches("/r/")).unwrap();
    assert_eq!((report.outlet, report.text.as_str(), report.lon), (Some(outlet(1)), "有<污水>", Some(106.7692)));
    assert!(kit.place.path().join("reports").join(report.photo.unwrap().to_string()).exists());
    crate::reports::answer(&kit.engine, &report, "已核查 <好>", false, "wang").unwrap();
    let answered = ask(&kit, &router, get(&address)).await;
    assert!(answered.text.contains("已核查 &lt;好&gt;") && answered.text.contains("已答复"));
}

#[tokio::test]
async fn what_is_wrong_too_large_or_too_often_is_refused() {
    let kit = kit("[public]\nphoto_bytes = 1000\nreports_per_hour = 6\nreports_per_day = 1\n");
    let router = super::router(kit.engine.clone());
    let wrong = |fields: &[(&str, &[u8])]| post(CODE, fields);
    let empty = ask(&kit, &router, wrong(&[("text", b" ")])).await;
    assert_eq!(empty.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(empty.text.contains("请描述"));
    let not_a_picture = ask(&kit, &router, wrong(&[("text", b"x"), ("photo", b"<svg>")])).await;
    assert!(not_a_picture.text.contains("JPEG"));
    let large = ask(&kit, &router, wrong(&[("text", b"x"), ("photo", &[0xff; 2000])])).await;
    assert_eq!(large.status, StatusCode::PAYLOAD_TOO_LARGE);
    let nowhere = ask(&kit, &router, wrong(&[("text", b"x"), ("place", b"here")])).await;
    assert_eq!(nowhere.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(ask(&kit, &router, wrong(&[("text", b"x")])).await.status, StatusCode::SEE_OTHER);
    let day = ask(&kit, &router, wrong(&[("text", b"x")])).await;
    assert!(day.status == StatusCode::TOO_MANY_REQUESTS && day.text.contains("今日"), "{}", day.text);
    let hour = ask(&kit, &router, wrong(&[("text", b"x")])).await;
    assert!(hour.status == StatusCode::TOO_MANY_REQUESTS && hour.text.contains("频繁"), "{}", hour.text);
    kit.wait(3_600_001);
    assert!(
        ask(&kit, &router, wrong(&[("text", b"x")])).await.text.contains("今日"),
        "the hour is over, the day is not"
    );
}

#[test]
fn a_report_becomes_a_suspected_outlet_or_a_proposal_without_its_text() {
    let kit = kit("");
    let new = |place| crate::reports::NewReport {
        code: CODE.to_owned(),
        outlet: Some(outlet(1)),
        text: "王五在此排污".to_owned(),
        place,
        photo: None,
    };
    let take = |place| {
        let number = crate::reports::take(&kit.engine, &new(place), 100).unwrap();
        crate::reports::find(&kit.engine, &number).unwrap()
    };
    let without = crate::reports::suspect(&kit.engine, &take(None), None, "wang").unwrap_err();
    assert!(without.message.contains("no place"), "{without}");
    let report = take(Some((106.7692, 31.8510)));
    let key = crate::reports::suspect(&kit.engine, &report, None, "wang").unwrap();
    let row = kit.rows().into_iter().find(|(outlet, ..)| *outlet == key).unwrap().1;
    assert!(row.contains("\"suspected\"") && row.contains(&report.number) && !row.contains("王五"), "{row}");
    let again = crate::reports::find(&kit.engine, &report.number).unwrap();
    assert!(crate::reports::suspect(&kit.engine, &again, None, "wang").unwrap_err().message.contains("already"));
    crate::reports::propose_reopening(&kit.engine, &take(None), "wang").unwrap();
    let row = kit.rows().into_iter().find(|(key, ..)| *key == outlet(1)).unwrap();
    assert!(row.1.contains("\"reopen_proposed_on\":\"2022-03-01\"") && row.2.contains("reopen_proposed"), "{row:?}");
    assert!(!row.1.contains("王五") && !row.1.contains("\"source_list\""), "a report is not where a record came from");
}
