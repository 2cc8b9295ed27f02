//! Work lists and reports of the public, as accounts see them.

use axum::http::StatusCode;
use outlet_core::identity::{Level, Role};

use super::tests::Client;
use crate::reports::{self, NewReport};
use crate::testing::{Kit, outlet};

#[tokio::test]
async fn work_lists_show_what_is_open_and_never_call_a_missing_layer_outside() {
    let kit = Kit::new();
    let mut device = kit.member(1, Role::Inspector, None);
    let runs = [device.fact(&outlet(1), "state", "suspected"), device.fact(&outlet(1), "township", "东<城>")];
    kit.push(&device, &runs);
    let mut viewer = Client::signed_in(&kit, Role::Viewer, None).await;
    let page = viewer.get("/worklists").await;
    assert_eq!(page.status, StatusCode::OK, "{}", page.body);
    assert!(page.body.contains("东&#60;城&#62;") || page.body.contains("东&lt;城&gt;"), "{}", page.body);
    assert!(page.body.contains("未知") || page.body.contains("Unknown"), "no layer is loaded");
    assert_eq!(viewer.get("/reports").await.status, StatusCode::FORBIDDEN, "reports are for supervisors");
}

#[tokio::test]
async fn a_supervisor_answers_and_promotes_reports() {
    let kit = Kit::new();
    let mut device = kit.member(1, Role::Inspector, None);
    let run = device.fact(&outlet(1), "state", "outlet");
    kit.push(&device, &[run]);
    let new =
        |outlet| NewReport { code: "X-1".to_owned(), outlet, text: "有<b>污水".to_owned(), ..NewReport::default() };
    let first = reports::take(&kit.engine, &new(Some(outlet(1))), 9).unwrap();
    let second = reports::take(&kit.engine, &new(None), 9).unwrap();
    let mut supervisor = Client::signed_in(&kit, Role::Supervisor, Some(Level::County)).await;
    let page = supervisor.get("/reports").await;
    assert!(
        page.body.contains(&first) && page.body.contains(&second) && !page.body.contains("<b>污水"),
        "{}",
        page.body
    );
    let state = |number: &str| reports::find(&kit.engine, number).unwrap().state;
    let done = supervisor.post("/reports", &[("number", &first), ("act", "reopen")]).await;
    assert!(done.location().contains("triage-done"), "{}", done.location());
    assert_eq!(state(&first), "promoted");
    let refused = supervisor.post("/reports", &[("number", &second), ("act", "suspected")]).await;
    assert!(refused.location().contains("triage-refused"), "a suspected outlet needs a place");
    let empty = supervisor.post("/reports", &[("number", &second), ("act", "answer")]).await;
    assert!(empty.location().contains("triage-empty"), "{}", empty.location());
    supervisor.post("/reports", &[("number", &second), ("act", "reject"), ("answer", "已核查")]).await;
    assert_eq!(state(&second), "rejected");
}
