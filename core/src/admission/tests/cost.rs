//! What a hostile member can make admission do: counted, not timed.

use super::world::*;
use crate::admission::ancestry::steps;
use crate::admission::apply::lookups;
use crate::admission::{Context, apply, apply_each, continue_line};
use crate::doc::{Chronicle, DocError, Document, Entry, NewChange, facts, texts_read};
use crate::domain::field::fact::CLASSIFICATION;
use crate::ids::{Actor, DocKind, EntryId};

const FIELD: DocKind = DocKind::Field;

/// `COUNT` corrections of one fact, each naming the one before it.
fn corrections(document: &mut Document, byte: u8, count: usize) -> Vec<NewChange> {
    let mut before: Vec<EntryId> = Vec::new();
    let mut salt = i64::from(byte) * 1_000_000;
    (0..count)
        .map(|at| {
            salt += 1;
            let entry = fact(CLASSIFICATION, format!("{at}"), &before, salt);
            before = vec![Entry::id_of(&entry)];
            write(document, byte, &[entry])
        })
        .collect()
}

#[test]
fn thousands_of_corrections_of_one_fact_are_each_read_once() {
    const COUNT: usize = 300;
    let mut author = Document::new(FIELD);
    let changes = corrections(&mut author, INSPECTOR, COUNT);
    let run = checked(INSPECTOR, FIELD, &changes.iter().collect::<Vec<_>>());
    // In a line, on nothing and on the first half.
    let before = texts_read();
    let line = continue_line(&Chronicle::new(FIELD), std::slice::from_ref(&run), &Context::default()).unwrap();
    assert_eq!(line.document.heads(), author.heads());
    assert!(texts_read() - before <= COUNT);
    // In the trial, beside a change of somebody else, one run for each change.
    let mut other = Document::new(FIELD);
    let aside = write(&mut other, SECOND, &[note("x")]);
    let base = apply(None, FIELD, &[checked(SECOND, FIELD, &[&aside])]).unwrap().document;
    let runs: Vec<_> = changes.iter().map(|change| checked(INSPECTOR, FIELD, &[change])).collect();
    let (read, walked) = (texts_read(), steps());
    let outcome = apply_each(Some(&base), FIELD, &runs, &Context::default());
    assert!(outcome.runs.iter().all(Result::is_ok));
    assert!(texts_read() - read <= 2 * COUNT, "{}", texts_read() - read);
    assert!(steps() - walked <= 2 * COUNT, "{}", steps() - walked);
}

#[test]
fn devices_that_write_side_by_side_cost_no_more_than_one_after_the_other() {
    const DEVICES: u8 = 6;
    const ROUNDS: usize = 60;
    // Each device corrects its own value; in each round all have seen all of the round before.
    let mut merged = Document::new(FIELD);
    let mut runs = Vec::new();
    for round in 0..ROUNDS {
        let seen = merged.clone();
        for device in 0..DEVICES {
            let mut own = seen.clone();
            let actor = Actor::new(key(INSPECTOR).public(), [device, 0, 0, 7]);
            let entry = fact(CLASSIFICATION, "ban", &candidates(&seen), (round * 10) as i64 + i64::from(device));
            let change = own.write(&actor, NOW, &[entry], &[]).unwrap();
            merged.replay([change.raw.as_slice()]).unwrap();
            runs.push(checked(INSPECTOR, FIELD, &[&change]));
        }
    }
    let (read, walked) = (texts_read(), steps());
    let outcome = apply_each(None, FIELD, &runs, &Context::default());
    assert!(outcome.runs.iter().all(Result::is_ok));
    assert_eq!(outcome.applied.unwrap().heads, merged.heads());
    // Each line of changes meets the changes of all others, once.
    let lines = usize::from(DEVICES) * runs.len();
    assert!(texts_read() - read <= 2 * lines, "{} for {lines}", texts_read() - read);
    assert!(steps() - walked <= 2 * lines, "{} for {lines}", steps() - walked);
}

/// Entries of all current assertions of the class.
fn candidates(document: &Document) -> Vec<EntryId> {
    let current = facts(&document.entries());
    current.get(CLASSIFICATION).into_iter().flatten().map(|fact| fact.entry).collect()
}

#[test]
fn one_entry_repeated_by_hundreds_at_once_is_looked_up_once() {
    const COUNT: usize = 400;
    let text = note("x");
    let write_as = |number: usize| {
        let incarnation = u32::try_from(number).unwrap().to_be_bytes();
        let mut document = Document::new(FIELD);
        document
            .write(&Actor::new(key(INSPECTOR).public(), incarnation), NOW, std::slice::from_ref(&text), &[])
            .unwrap()
    };
    let runs: Vec<_> = (0..COUNT).map(|number| checked(INSPECTOR, FIELD, &[&write_as(number)])).collect();
    let (first, rest) = runs.split_at(COUNT / 2);
    let base = apply(None, FIELD, first).unwrap().document;
    let (looked, walked) = (lookups(), steps());
    let outcome = apply_each(Some(&base), FIELD, rest, &Context::default());
    assert!(outcome.runs.iter().all(Result::is_ok));
    assert_eq!(lookups() - looked, 1);
    assert!(steps() - walked <= COUNT, "each has the genesis before it and nothing else");
}

#[test]
fn a_hidden_conflict_written_with_escapes_is_found_too() {
    let mut document = Document::new(FIELD);
    let candidates: Vec<String> =
        ["ban", "merge", "regulate"].iter().map(|class| fact(CLASSIFICATION, *class, &[], 0)).collect();
    write(&mut document, INSPECTOR, &candidates);
    let part = fact(CLASSIFICATION, "ban", &[Entry::id_of(&candidates[1])], 1);
    let escaped = part.replace("replaces", "\\u0072eplaces").replace("fact", "f\\u0061ct");
    assert_ne!(part, escaped);
    for text in [part, escaped] {
        let refused = document.write(&actor(INSPECTOR), NOW, &[text], &[]);
        assert!(matches!(refused, Err(DocError::HidesConflict { .. })), "{refused:?}");
    }
}
