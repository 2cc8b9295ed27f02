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

/// Brings the change of another replica in, without a roster.
fn admit(document: &Document, change: &NewChange) -> Document {
    let raws = [change.raw.as_slice()];
    Document::extended(Some(document), document.kind(), document.constants(), &raws).unwrap().0
}

#[test]
fn confirming_the_winning_value_of_a_register_ends_its_conflict() {
    let text = |text: &str| [("remark".to_owned(), text.to_owned())];
    let mut one = Document::new(DocKind::Field);
    let mut two = one.clone();
    one.write(&actor(1), NOW, &[], &text("a")).unwrap();
    let b = two.write(&actor(2), NOW, &[], &text("b")).unwrap();
    let mut merged = admit(&one, &b);
    let register = &merged.registers()["remark"];
    assert_eq!(register.others.len(), 1);
    let winner = register.value.clone();
    let change = merged.write(&actor(1), NOW, &[], &text(&winner)).unwrap();
    let register = &Document::load(DocKind::Field, &merged.save()).unwrap().registers()["remark"];
    assert_eq!((register.value.as_str(), register.others.len(), register.origin.change), (&*winner, 0, change.hash));
    assert_eq!(merged.write(&actor(1), NOW, &[], &text(&winner)), Err(DocError::Empty));
}

#[test]
fn what_cannot_be_written_is_refused_and_changes_nothing() {
    let mut document = Document::new(DocKind::Field);
    document.write(&actor(1), NOW, &[note("a")], &[]).unwrap();
    let before = document.save();
    let mut write = |entries: &[String], registers: &[(String, String)]| {
        document.write(&actor(1), NOW, entries, registers).unwrap_err()
    };
    assert_eq!(write(&[], &[]), DocError::Empty);
    assert_eq!(write(&[note("a")], &[]), DocError::AlreadyThere(Entry::id_of(&note("a"))));
    assert_eq!(write(&[note("b"), note("b")], &[]), DocError::AlreadyThere(Entry::id_of(&note("b"))));
    assert!(matches!(write(&["[]".to_owned()], &[]), DocError::NotAnObject(_)));
    assert!(matches!(write(&["{".to_owned()], &[]), DocError::NotAnObject(_)));
    assert!(matches!(write(&[], &[(String::new(), String::new())]), DocError::RegisterName(_)));
    assert!(matches!(write(&[note(&"x".repeat(MAX_ACT_BYTES))], &[]), DocError::TooLarge(_)));
    let many: Vec<String> = (0..=MAX_ACT_ITEMS).map(|n| note(&n.to_string())).collect();
    assert!(matches!(write(&many[..MAX_ACT_ITEMS + 1], &[]), DocError::TooLarge(_)));
    assert!(matches!(document.write(&RESERVED, NOW, &[note("c")], &[]), Err(DocError::NotOurs(_))));
    assert_eq!(document.save(), before);
}

#[test]
fn the_largest_act_fits_the_bounds_of_admission() {
    let mut document = Document::new(DocKind::Field);
    let room = MAX_ACT_BYTES / MAX_ACT_ITEMS - note("").len();
    let entries: Vec<String> = (0..MAX_ACT_ITEMS).map(|n| note(&format!("{n:0room$}"))).collect();
    let change = document.write(&actor(1), NOW, &entries, &[]).unwrap();
    let head = crate::admission::read_change(&change.raw, &crate::admission::Limits::ADMISSION).unwrap();
    assert_eq!(head.ops.len(), MAX_ACT_ITEMS);
    let odd_clock = Timestamp::from_millis(i64::MIN);
    let change = document.write(&actor(1), odd_clock, &[note("a broken clock")], &[]).unwrap();
    assert!(crate::admission::read_change(&change.raw, &crate::admission::Limits::ADMISSION).is_ok());
}

#[test]
fn bytes_that_are_no_document_are_an_error() {
    let saved = Document::new(DocKind::Field).save();
    for cut in [0, 1, 10, saved.len() - 1] {
        assert!(Document::load(DocKind::Field, &saved[..cut]).is_err(), "{cut}");
    }
    let foreign = automerge::Automerge::new().save();
    assert!(matches!(Document::load(DocKind::Field, &foreign), Err(DocError::WrongKind { .. })));
}

#[test]
fn an_entry_written_twice_at_the_same_time_is_listed_once_and_its_echo_shown() {
    let mut one = Document::new(DocKind::Field);
    let mut two = one.clone();
    let a = one.write(&actor(1), NOW, &[note("same")], &[]).unwrap();
    let b = two.write(&actor(2), NOW, &[note("same")], &[]).unwrap();
    let (one, two) = (admit(&one, &b), admit(&two, &a));
    assert_eq!(one.entries().len(), 1);
    assert_eq!(one.entries(), two.entries());
    assert_eq!(one.echoes(), two.echoes());
    let first = one.entries()[0].origin.change;
    assert_eq!(one.echoes()[0].1.change, if first == a.hash { b.hash } else { a.hash });
    assert_eq!(one.history().iter().map(|change| change.entries.len()).sum::<usize>(), 2);
    // As of one of the two it is that one's.
    assert_eq!(one.entries_at(&[b.hash])[0].origin.change, b.hash);
}
