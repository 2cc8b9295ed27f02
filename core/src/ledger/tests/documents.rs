//! The projection over real documents: pinned heads, concurrent decisions on two replicas, and one
//! row on both whatever the order in which changes arrived.

use serde_json::{Value, json};

use super::super::testing::{Who, author, day, reference};
use super::super::{History, OutletInput, Projection, ReviewState, project_all};
use crate::doc::Document;
use crate::ids::{Actor, ChangeHash, DocKind, PublicKey};
use crate::time::Timestamp;

fn actor(who: Who) -> Actor {
    Actor::new(PublicKey([who as u8; 32]), [1; 4])
}

fn write(document: &mut Document, who: Who, on: &str, entry: &Value) -> (ChangeHash, Vec<u8>) {
    let mut entry = entry.clone();
    let at = Timestamp::from_millis(day(on).epoch_days() * 86_400_000);
    entry["at"] = json!(at.millis());
    let change = document.write(&actor(who), at, &[entry.to_string()], &[]).unwrap();
    (change.hash, change.raw)
}

fn project(field: &Document, case: &Document) -> Projection {
    let key = super::Outlet::numbered(1).key();
    project_all(
        &OutletInput {
            key,
            field: &field.entries(),
            case: &case.entries(),
            field_history: &History::of(&field.history()),
            case_history: &History::of(&case.history()),
            authors: &author,
        },
        reference(),
        None,
        None,
    )
}

fn copy(document: &Document) -> Document {
    Document::load(document.kind(), &document.save()).unwrap()
}

#[test]
fn an_approval_covers_what_its_heads_have_seen_and_nothing_later() {
    let (mut field, mut case) = (Document::new(DocKind::Field), Document::new(DocKind::Case));
    let fact = |value: &str, replaces: Value| json!({"type": "fact", "field": "entry_mode", "value": value, "replaces": replaces});
    write(&mut field, Who::Inspector, "2021-06-01", &fact("pipe", json!([])));
    let heads = field.heads();
    let first = field.entries()[0].id;
    write(&mut case, Who::County, "2021-06-05", &json!({"type": "review", "action": "approve", "field_heads": heads}));
    assert_eq!(project(&field, &case).row.review_state, ReviewState::Approved);
    write(&mut field, Who::Inspector2, "2021-07-01", &fact("sluice", json!([first])));
    let row = project(&field, &case).row;
    assert_eq!((row.review_state, row.entry_mode.as_deref()), (ReviewState::ApprovedAmended, Some("pipe")));
}

#[test]
fn two_replicas_that_exchanged_their_changes_show_one_row() {
    let mut field = Document::new(DocKind::Field);
    write(&mut field, Who::Inspector, "2021-06-01", &json!({"type": "fact", "field": "state", "value": "outlet"}));
    let mut case = Document::new(DocKind::Case);
    write(&mut case, Who::County, "2021-06-05", &json!({"type": "name", "name": "甲"}));
    let decide = |class: &str| json!({"type": "classify", "step": "decide", "classification": class, "document": {"number": class}});
    let (mut here, mut there) = (copy(&case), copy(&case));
    let (first, raw_first) = write(&mut here, Who::City, "2022-01-01", &decide("merge"));
    let (_, raw_second) = write(&mut there, Who::City2, "2022-01-02", &decide("regulate"));
    here.replay([raw_second.as_slice()]).unwrap();
    there.replay([raw_first.as_slice()]).unwrap();
    let both = project(&field, &here);
    assert_eq!(both, project(&field, &there));
    assert_eq!(both.row.classification, None, "gated until one is chosen");
    assert!(both.findings.iter().any(|finding| finding.code == "concurrent_decisions"));

    let loser = here.entries().into_iter().find(|entry| entry.origin.change == first).unwrap().id;
    let mut choice = decide("regulate");
    choice["overrules"] = json!([loser]);
    let (_, raw) = write(&mut here, Who::City, "2022-02-01", &choice);
    there.replay([raw.as_slice()]).unwrap();
    assert_eq!(project(&field, &here), project(&field, &there));
    assert_eq!(project(&field, &here).row.classification.as_deref(), Some("regulate"));
}

#[test]
fn a_fresh_load_gives_the_row_that_was_maintained() {
    let mut field = Document::new(DocKind::Field);
    for (at, value) in ["a", "b", "c"].into_iter().enumerate() {
        let entry = json!({"type": "note", "kind": "note", "text": value, "n": at});
        write(&mut field, Who::Inspector, "2021-06-01", &entry);
    }
    let case = Document::new(DocKind::Case);
    assert_eq!(project(&field, &case), project(&copy(&field), &copy(&case)));
}
