//! 1.1: the two readings, both always returned.

use serde_json::json;

use super::super::testing::{Outlet, Who, day};
use super::super::{GroupBy, Reading};
use super::{above, total};

fn both(outlet: &Outlet, milestone: &str, as_of: &str) -> [(usize, usize); 2] {
    Reading::ALL.map(|reading| {
        let row = total(std::slice::from_ref(outlet), milestone, as_of, reading);
        (row.done, row.of)
    })
}

#[test]
fn both_readings_are_always_returned_and_one_is_the_headline() {
    let rows = super::table_by(&[above()], &[], "2021-12-31", GroupBy::Unit);
    for milestone in ["M1", "M2", "M3", "M4"] {
        let of: Vec<_> = rows
            .iter()
            .filter(|row| row.milestone == milestone && row.group == "5119")
            .map(|row| (row.reading, row.headline))
            .collect();
        assert_eq!(of, [(Reading::AsKnownNow, true), (Reading::AsReported, false)]);
    }
}

#[test]
fn an_outlet_found_later_is_in_as_known_now_not_done_and_out_of_as_reported() {
    let found = Outlet::numbered(1).received("2022-03-01").fact("state", json!("outlet")).investigated("2022-03-01");
    assert_eq!(both(&found, "M1", "2021-12-31"), [(0, 1), (0, 0)]);
}

#[test]
fn a_fact_received_later_counts_as_known_now_only() {
    let outlet = above().received("2022-02-01").investigated("2021-06-01");
    assert_eq!(both(&outlet, "M1", "2021-12-31"), [(1, 1), (0, 1)]);
    assert_eq!(both(&outlet, "M1", "2022-02-01"), [(1, 1), (1, 1)]);
}

#[test]
fn an_approval_received_later_counts_as_known_now_only() {
    let outlet = above().survey("2021-06-01").sample("2021-06-01").trace("2021-06-01").approve("2022-02-01");
    assert_eq!(both(&outlet, "M1", "2021-12-31"), [(1, 1), (0, 1)]);
}

#[test]
fn an_acceptance_after_the_due_date_is_known_now_and_was_not_reported() {
    let outlet = super::investigated()
        .class("2022-01-01", "regulate")
        .plan("2022-02-01", &["separation"])
        .complete("2022-12-20", &["separation"], &["archive", "sampling_point"])
        .accept("2023-01-10");
    assert_eq!(both(&outlet, "M3", "2022-12-31"), [(1, 1), (0, 1)]);
}

#[test]
fn what_never_reached_the_server_was_never_known_to_it() {
    let outlet = Outlet::numbered(1).unreceived().fact("state", json!("outlet")).investigated("2021-06-01");
    assert_eq!(both(&outlet, "M1", "2024-01-01").map(|(_, of)| of), [1, 0]);
}

fn imported() -> Outlet {
    Outlet::numbered(1)
        .received("2026-01-10")
        .facts(&[
            ("state", json!("outlet")),
            ("location", json!({"lon": 106.7, "lat": 31.8, "raw_lon": 106.7, "raw_lat": 31.8, "datum": "wgs84"})),
            ("outlet_type", json!("工业企业排污口")),
            ("entry_mode", json!("pipe")),
        ])
        .investigated("2021-06-01")
        .trace("2022-05-01")
}

fn known_from(outlet: Outlet, document: serde_json::Value) -> Outlet {
    outlet.case(day("2026-01-11"), Who::Admin, json!({"type": "known_from", "document": document}))
}

#[test]
fn imported_history_is_known_from_a_named_dated_document_once_approved() {
    let document = json!({"number": "2021年台账", "dated": "2021-12-25"});
    let named = known_from(imported(), document);
    let entry = named.last;
    assert_eq!(both(&named, "M1", "2021-12-31"), [(1, 1), (0, 0)], "not approved yet");
    assert!(super::findings(&named).contains(&"known_from_not_approved".to_owned()));
    let approved = named.case(day("2026-01-12"), Who::City, json!({"type": "approve_known", "entry": entry}));
    assert_eq!(both(&approved, "M1", "2021-12-31"), [(1, 1), (1, 1)]);
    assert_eq!(both(&approved, "M1", "2021-12-24")[1], (0, 0), "before the document's date nothing was known");
    let row = total(&[approved], "M1", "2021-12-31", Reading::AsReported);
    assert_eq!(
        row.grades.get("contemporaneous"),
        None,
        "a ledger of 2021 is a document, not a receipt: {:?}",
        row.grades
    );
    assert_eq!(row.grades["documented"], 1);
}

#[test]
fn an_import_needs_a_date_and_an_approval_by_somebody_else() {
    let undated = known_from(imported(), json!({"number": "2021年台账"}));
    assert!(super::findings(&undated).contains(&"known_from_without_date".to_owned()));
    let own = known_from(imported(), json!({"number": "2021年台账", "dated": "2021-12-25"}));
    let entry = own.last;
    let own = own.case(day("2026-01-12"), Who::Admin, json!({"type": "approve_known", "entry": entry}));
    assert_eq!(both(&own, "M1", "2021-12-31")[1], (0, 0));
}

#[test]
fn an_import_taken_back_is_known_by_its_receipt_again() {
    let named = known_from(imported(), json!({"number": "2021年台账", "dated": "2021-12-25"}));
    let entry = named.last;
    let approved = named.case(day("2026-01-12"), Who::City, json!({"type": "approve_known", "entry": entry}));
    let revoked = approved.overruling(entry).by(Who::City2).case(
        day("2026-01-20"),
        Who::City2,
        json!({"type": "approve_known", "entry": entry}),
    );
    assert_eq!(both(&revoked, "M1", "2021-12-31")[1], (0, 0));
}

#[test]
fn the_population_is_cut_off_at_the_earlier_of_due_date_and_day() {
    let outlet = above().fact("set_up", json!("new")).fact("exists_from", json!("2021-07-01"));
    let of = |as_of: &str| both(&outlet, "M1", as_of)[0].1;
    assert_eq!((of("2021-06-30"), of("2021-07-01"), of("2024-01-01")), (0, 1, 1));
}

#[test]
fn m1_read_today_tells_on_time_from_late_from_open() {
    let outlets =
        [above().keyed(1).investigated("2021-12-31"), above().keyed(2).investigated("2022-01-01"), above().keyed(3)];
    let row = total(&outlets, "M1", "2024-06-01", Reading::AsKnownNow);
    assert_eq!((row.on_time, row.late, row.open), (1, 1, 1));
}
