//! Decisions through pages: what is written, what is refused and how it is said.

use axum::http::StatusCode;
use outlet_core::identity::{Level, Role};
use outlet_core::ids::DocKey;
use serde_json::json;

use super::super::tests::Client;
use crate::testing::{Device, Kit, outlet};

fn submitted(kit: &Kit, device: &mut Device, number: u8) -> DocKey {
    let key = outlet(number);
    let runs = [
        device.fact(&key, "state", "outlet"),
        device.fact(&key, "temporary_number", &format!("<T{number}>")),
        device.write(&key, json!({"type": "submit"})),
    ];
    kit.push(device, &runs);
    key
}

fn address(key: &DocKey) -> String {
    format!("/review/{}/{}", key.collection.code(), key.id)
}

/// The heads that a page's form hands back.
fn seen(body: &str) -> String {
    let (_, rest) = body.split_once(r#"name="seen" value=""#).expect("the page has a form");
    rest.split('"').next().unwrap().replace("&#x2f;", "/").replace("&#47;", "/")
}

#[tokio::test]
async fn a_record_is_approved_from_its_page_and_a_stale_page_overwrites_nothing() {
    let kit = Kit::new();
    let mut device = kit.member(1, Role::Inspector, None);
    let key = submitted(&kit, &mut device, 1);
    let mut client = Client::signed_in(&kit, Role::Supervisor, Some(Level::County)).await;
    let queue = client.get("/review").await;
    assert!(queue.status == StatusCode::OK && queue.body.contains(&address(&key)), "{}", queue.body);
    assert!(!queue.body.contains("<T1>"), "escaped");
    let page = client.get(&address(&key)).await;
    let old = seen(&page.body);
    let edit = device.fact(&key, "name", "后改的名");
    kit.push(&device, &[edit]);
    let stale = client.post(&address(&key), &[("act", "approve"), ("seen", &old)]).await;
    assert_eq!(stale.status, StatusCode::CONFLICT);
    assert!(stale.body.contains("后改的名") && stale.body.contains("person 1"), "both are shown: {}", stale.body);
    let fresh = seen(&stale.body);
    assert_ne!(fresh, old);
    let done = client.post(&address(&key), &[("act", "approve"), ("seen", &fresh)]).await;
    assert_eq!(done.status, StatusCode::SEE_OTHER, "{}", done.body);
    let after = client.get(done.location()).await;
    assert!(after.body.contains("十分钟内可以撤销"), "{}", after.body);
    let undone = client.post(&address(&key), &[("act", "undo")]).await;
    assert_eq!(undone.status, StatusCode::SEE_OTHER);
    let none = client.post(&address(&key), &[("act", "return"), ("seen", &fresh)]).await;
    assert_eq!(none.status, StatusCode::CONFLICT, "without reasons, and stale");
}

#[tokio::test]
async fn a_conflict_is_settled_by_picking_and_viewers_decide_nothing() {
    let kit = Kit::new();
    let mut device = kit.member(1, Role::Inspector, None);
    let key = submitted(&kit, &mut device, 1);
    let mut other = kit.member(2, Role::Inspector, None);
    let runs = [other.fact(&key, "scale", "above")];
    kit.push(&other, &runs);
    let runs = [device.fact(&key, "scale", "below")];
    kit.push(&device, &runs);
    let mut client = Client::signed_in(&kit, Role::Supervisor, Some(Level::County)).await;
    let page = client.get("/conflicts").await;
    assert!(page.body.contains("person 1") && page.body.contains("person 2"), "{}", page.body);
    let (_, rest) = page.body.split_once(r#"name="pick" value=""#).unwrap();
    let pick = rest.split('"').next().unwrap();
    let to = format!("/conflicts/{}/{}", key.collection.code(), key.id);
    let form = [("field", "scale"), ("seen", &seen(&page.body)), ("pick", pick)];
    let done = client.post(&to, &form).await;
    assert_eq!(done.status, StatusCode::SEE_OTHER, "{}", done.body);
    assert!(client.get("/conflicts").await.body.contains("没有需要裁定的冲突"));
    assert_eq!(client.get("/duplicates").await.status, StatusCode::OK);
    // The value of the decision, and what it overruled struck out.
    let shown = client.get(&super::super::outlets::address(&key)).await.body;
    assert_eq!(shown.matches("已被裁定否定").count(), 2, "both that were asserted: {shown}");
    assert!(shown.contains("<s>规模以上</s>") && shown.contains("<s>规模以下</s>"), "{shown}");
    let mut viewer = Client::signed_in(&kit, Role::Viewer, None).await;
    for path in ["/review", "/conflicts", "/duplicates", &address(&key)] {
        assert_eq!(viewer.get(path).await.status, StatusCode::FORBIDDEN, "{path}");
    }
    let tried = viewer.post(&address(&key), &[("act", "approve"), ("seen", "/")]).await;
    assert_eq!(tried.status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn milestones_lead_from_each_figure_to_its_outlets_and_to_the_assessment() {
    let kit = Kit::new();
    let mut device = kit.member(1, Role::Inspector, None);
    let key = submitted(&kit, &mut device, 1);
    let mut viewer = Client::signed_in(&kit, Role::Viewer, None).await;
    let table = viewer.get("/milestones?as_of=2022-12-31").await;
    assert_eq!(table.status, StatusCode::OK);
    assert!(table.body.contains("figure=open"), "{}", table.body);
    let rows = viewer.get("/milestones/rows?milestone=M2&as_of=2022-12-31&by=unit&group=511902&figure=open").await;
    assert!(rows.body.contains(&key.id.to_string()), "{}", rows.body);
    let assess = viewer.get("/assess?milestone=M2&as_of=2023-01-15").await;
    assert!(assess.body.contains("巴州区人民政府"), "{}", assess.body);
    assert_eq!(viewer.get("/assess?milestone=M9").await.status, StatusCode::NOT_FOUND);
    assert_eq!(viewer.get("/milestones?as_of=yesterday").await.status, StatusCode::BAD_REQUEST);
}
