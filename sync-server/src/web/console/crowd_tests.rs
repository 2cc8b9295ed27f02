//! Lists as files, written in parts, and what a crowd of visitors is told.

use axum::http::{StatusCode, header};
use outlet_core::identity::{Level, Role};
use serde_json::json;

use super::tests::{Client, account};
use super::*;
use crate::testing::{Kit, county, outlet};
use crate::web::gate::Gate;

#[tokio::test]
async fn a_crowd_is_told_when_to_come_again() {
    let kit = Kit::new();
    let mut client = Client::signed_in(&kit, Role::Viewer, None).await;
    let narrow = Console { pages: Gate::new(1, 0), ..Console::new(Arc::clone(&kit.engine), false) };
    let narrow = Arc::new(narrow);
    client.opens(router(Arc::clone(&narrow)));
    assert_eq!(client.get("/").await.status, StatusCode::OK);
    let place = narrow.pages.enter().await.unwrap();
    let seen = client.get("/outlets").await;
    assert_eq!(seen.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(seen.headers[header::RETRY_AFTER], "5");
    assert!(seen.body.contains("访问的人过多") && !seen.body.contains("Semaphore"), "{}", seen.body);
    drop(place);
    assert_eq!(client.get("/outlets").await.status, StatusCode::OK);
}

#[tokio::test]
async fn lists_are_written_in_parts_and_say_what_one_sum_over_all_rows_says() {
    let kit = Kit::new();
    let mut device = kit.member(1, Role::Inspector, None);
    for number in 1..=3 {
        let key = outlet(number);
        let party = json!({"name": "=甲公司", "uscc": "91511902MA62D7PX7W"});
        let runs = [
            device.fact(&key, "state", "outlet"),
            device.fact(&key, "management_unit", "511902"),
            device.write(&key, json!({"type": "fact", "field": "problems", "value": ["damaged", "sign_missing"]})),
            device.write(
                &key,
                json!({"type": "trace", "conclusion": "concluded", "concluded_on": "2022-02-01", "primary_party": party}),
            ),
        ];
        kit.push(&device, &runs);
    }
    let mut client = Client::signed_in(&kit, Role::Viewer, None).await;
    let rows: Vec<outlet_core::ledger::LedgerRow> =
        kit.rows().iter().map(|(_, row, _)| serde_json::from_str(row).unwrap()).collect();
    let style = Words(outlet_core::domain::dictionary::Lang::Zh).style();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    let sorted = |text: &str| {
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        lines.sort();
        lines
    };
    for day in ["", "?as_of=2022-03-01"] {
        let problems = client.get(&format!("/exports/problems.csv{day}")).await;
        let expected =
            text(outlet_core::export::problems_csv(&outlet_core::ledger::problem_list(&rows), style).unwrap());
        assert_eq!(sorted(&problems.body), sorted(&expected), "{day}");
        let parties = client.get(&format!("/exports/parties.csv{day}")).await;
        let expected = text(outlet_core::export::parties_csv(&outlet_core::ledger::party_list(&rows), style).unwrap());
        assert_eq!(parties.body, expected, "{day}");
        assert_eq!(parties.body.matches("'=甲公司").count(), 1, "one line for the party, no formula: {}", parties.body);
        let summary = client.get(&format!("/exports/summary.csv{day}")).await;
        let counts = outlet_core::ledger::summary(&rows, outlet_core::ledger::SummaryBy::Unit);
        assert_eq!(summary.body, text(outlet_core::export::summary_csv(&counts, "county", style).unwrap()), "{day}");
    }
    account(&kit, "elsewhere", Role::Viewer, None, vec![outlet_core::ids::Collection::from_code(511_921).unwrap()]);
    let mut other = Client::new(&kit);
    other.get("/signin").await;
    other.post("/signin", &[("login", "elsewhere"), ("password", "correct horse")]).await;
    for list in ["problems", "parties", "summary"] {
        let seen = other.get(&format!("/exports/{list}.csv")).await;
        assert!(seen.status == StatusCode::OK && seen.body.lines().count() == 1, "{list}: {}", seen.body);
    }
}

#[tokio::test]
async fn what_a_rule_says_is_said_in_the_language_of_the_page() {
    let kit = Kit::new();
    let mut device = kit.member(1, Role::Inspector, None);
    let run = device.fact(&outlet(1), "name", "一号排口");
    kit.push(&device, &[run]);
    let mut client = Client::signed_in(&kit, Role::Supervisor, Some(Level::City)).await;
    let form = format!("/outlets/{}/{}/decide/classify", county().code(), outlet(1).id);
    let seen = client.get(&form).await;
    assert!(seen.body.contains("没有这种图层：") && seen.body.contains("尚未排查"), "{}", seen.body);
    assert!(!seen.body.contains("no layer") && !seen.body.contains("nobody has"), "{}", seen.body);
    client.get("/language?to=en&next=/").await;
    let seen = client.get(&form).await;
    assert!(seen.body.contains("nobody has surveyed the outlet"), "{}", seen.body);
}
