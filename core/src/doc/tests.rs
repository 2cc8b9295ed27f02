//! Documents: writing, merging, history, conflicts, upgrades.

use super::*;
use crate::domain::field::{FieldEntry, Note, fact};
use crate::ids::{Actor, DocKind, PublicKey};
use crate::time::Timestamp;

pub(crate) fn actor(byte: u8) -> Actor {
    Actor::new(PublicKey([byte; 32]), [byte; 4])
}

pub(crate) fn note(text: &str) -> String {
    let at = Timestamp::from_millis(1_600_000_000_000);
    to_json(&FieldEntry::Note(Note { kind: "note".to_owned(), text: text.to_owned(), on: None, at })).unwrap()
}

const NOW: Timestamp = Timestamp::from_millis(1_650_000_000_000);

#[test]
fn an_act_is_one_change_and_survives_saving() {
    let mut document = Document::new(DocKind::Field);
    let remark = (fact::REMARK.to_owned(), "behind the mill".to_owned());
    let change = document.write(&actor(1), NOW, &[note("a"), note("b")], &[remark]).unwrap();
    assert_eq!(change.seq, 1);
    assert_eq!(document.change_count(), 2);
    assert_eq!(document.heads(), [change.hash]);
    let again = Document::load(DocKind::Field, &document.save()).unwrap();
    assert_eq!(again.entries(), document.entries());
    assert_eq!(again.entries().iter().map(|entry| &*entry.json).collect::<Vec<_>>(), [note("a"), note("b")]);
    assert_eq!(again.registers(), document.registers());
    assert_eq!(again.registers()[fact::REMARK].value, "behind the mill");
    let history = again.history();
    assert_eq!(history[1].entries, change.entries);
    assert_eq!(history[1].device_time, NOW);
    assert_eq!(history[0].actor, RESERVED);
    assert_eq!(again.raw_change(&change.hash), Some(change.raw));
    assert!(matches!(Document::load(DocKind::Case, &document.save()), Err(DocError::WrongKind { .. })));
}
