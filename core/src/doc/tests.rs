//! Documents: writing, merging, history, conflicts, upgrades.

use super::*;
use crate::domain::case::{CaseEntry, Decision, Extend, Settle};
use crate::domain::field::{Fact, FieldEntry, Note, fact};
use crate::ids::{Actor, DocKind, EntryId, PublicKey};
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

fn assertion(value: &str, seen: &[EntryId], salt: i64) -> (Fact, Vec<EntryId>) {
    let fact = Fact {
        field: fact::CLASSIFICATION.to_owned(),
        value: value.into(),
        basis: None,
        reason: None,
        on: None,
        replaces: Vec::new(),
        at: NOW.plus_millis(salt),
    };
    (fact, seen.to_vec())
}

fn assert_fact(document: &mut Document, who: u8, value: &str, seen: &[EntryId], salt: i64) -> NewChange {
    let mut act = Act::new(DocKind::Field);
    let (fact, seen) = assertion(value, seen, salt);
    act.assert_fact(fact, &seen).unwrap();
    act.write(document, &actor(who), NOW).unwrap()
}

fn values(facts: &[CurrentFact]) -> Vec<&str> {
    facts.iter().filter_map(|fact| fact.value.as_str()).collect()
}

fn settle(value: &str, overrules: &[EntryId], salt: i64) -> CaseEntry {
    CaseEntry {
        on: None,
        at: NOW.plus_millis(salt),
        document: None,
        field_heads: Vec::new(),
        overrules: overrules.to_vec(),
        note: None,
        witness: None,
        decision: Decision::Settle(Settle {
            field: fact::CLASSIFICATION.to_owned(),
            value: value.into(),
            reason: None,
        }),
    }
}

#[test]
fn a_decision_ends_a_conflict_and_a_later_assertion_reopens_it_as_a_finding() {
    let mut record = Document::new(DocKind::Field);
    let mut other = record.clone();
    let ban = assert_fact(&mut record, 1, "ban", &[], 0);
    let merge = assert_fact(&mut other, 2, "merge", &[], 1);
    let mut record = admit(&record, &merge);
    let mut case = Document::new(DocKind::Case);
    let now = |record: &Document, case: &Document| resolve(&record.entries(), &case.entries());
    assert_eq!(open_conflicts(&record.entries(), &case.entries())[0].candidates.len(), 2);
    let decide = |case: &mut Document, entry: &CaseEntry| {
        let mut act = Act::new(DocKind::Case);
        let id = act.case(entry).unwrap();
        act.write(case, &actor(3), NOW).unwrap();
        id
    };
    // A decision that names only one of three leaves the others in conflict.
    assert_fact(&mut record, 1, "regulate", &[], 2);
    let first = decide(&mut case, &settle("ban", &ban.entries, 3));
    let state = &now(&record, &case)[fact::CLASSIFICATION];
    assert!(state.in_conflict());
    assert_eq!(values(&state.open).len(), 2);
    // One that names all ends it.
    let all: Vec<_> = facts(&record.entries())[fact::CLASSIFICATION].iter().map(|fact| fact.entry).collect();
    let second = decide(&mut case, &settle("merge", &[all.clone(), vec![first]].concat(), 4));
    let state = &now(&record, &case)[fact::CLASSIFICATION];
    assert_eq!((state.in_conflict(), state.open.len()), (false, 0));
    assert_eq!(state.decided.as_ref().map(|decided| decided.entry), Some(second));
    // What is asserted later is open again, beside the decision.
    assert_fact(&mut record, 2, "merge", &all, 5);
    assert!(now(&record, &case)[fact::CLASSIFICATION].reopened_by().is_empty(), "it says the same");
    let all: Vec<_> = facts(&record.entries())[fact::CLASSIFICATION].iter().map(|fact| fact.entry).collect();
    assert_fact(&mut record, 2, "none_needed", &all, 6);
    let state = &now(&record, &case)[fact::CLASSIFICATION];
    assert_eq!(state.reopened_by().len(), 1);
    // A decision that is revoked leaves the conflict as it was.
    let revoking = CaseEntry {
        decision: Decision::Extend(Extend { milestone: None, until: None, authority: String::new(), reason: None }),
        ..settle("", &[second], 7)
    };
    decide(&mut case, &revoking);
    assert!(now(&record, &case)[fact::CLASSIFICATION].in_conflict());
}

#[test]
fn one_author_may_correct_and_equal_values_are_no_conflict() {
    let mut record = Document::new(DocKind::Field);
    let mut other = record.clone();
    let first = assert_fact(&mut record, 1, "ban", &[], 0);
    let second = assert_fact(&mut record, 1, "merge", &first.entries, 1);
    // Naming also what was replaced long ago is harmless.
    let seen = [first.entries.clone(), second.entries].concat();
    assert_fact(&mut record, 1, "regulate", &seen, 2);
    let current = facts(&record.entries());
    assert_eq!(values(&current[fact::CLASSIFICATION]), ["regulate"]);
    let same = assert_fact(&mut other, 2, "regulate", &[], 3);
    let record = admit(&record, &same);
    let current = facts(&record.entries());
    assert_eq!(values(&current[fact::CLASSIFICATION]), ["regulate", "regulate"]);
    assert_eq!(conflicts(&current), []);
    assert!(facts::same(&serde_json::json!({"lon": 1}), &serde_json::json!({"lon": 1.0})));
    assert!(!facts::same(&serde_json::json!(null), &serde_json::json!("")), "blank is not empty");
}

#[test]
fn an_act_belongs_to_its_kind() {
    let mut act = Act::new(DocKind::Case);
    assert!(act.is_empty());
    let (fact, _) = assertion("ban", &[], 0);
    assert_eq!(act.assert_fact(fact, &[]), Err(DocError::WrongKind { wanted: DocKind::Field }));
    act.register("r", "v");
    let refused = act.write(&mut Document::new(DocKind::Field), &actor(1), NOW);
    assert_eq!(refused, Err(DocError::WrongKind { wanted: DocKind::Case }));
}
