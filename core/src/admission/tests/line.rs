//! What is admitted as a straight line, without a trial on a copy, is what the trial admits.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::world::*;
use crate::admission::{
    ChangeHead, CheckedRun, Context, Op, OpRef, apply, apply_each, check_form, continue_line, encode_change, start_line,
};
use crate::doc::{Chronicle, Constants, Document, Entry, RESERVED};
use crate::domain::field::fact as name;
use crate::identity::SignedRun;
use crate::ids::{Actor, ChangeHash, DocKind, Signature};

const FIELD: DocKind = DocKind::Field;

fn run_of(heads: &[ChangeHead]) -> CheckedRun {
    let changes = heads.iter().map(encode_change).collect();
    check_form(&SignedRun { doc: doc_key(FIELD), changes, signature: Signature([0; 64]) }).unwrap()
}

fn chronicle(runs: &[CheckedRun]) -> Chronicle {
    let mut chronicle = Chronicle::new(FIELD);
    chronicle.extend(runs.iter().flat_map(CheckedRun::heads));
    chronicle
}

/// Both ways, and that they agree; whether it went without a trial.
fn agree(before: &[CheckedRun], runs: &[CheckedRun]) -> bool {
    let base = (!before.is_empty()).then(|| apply(None, FIELD, before).unwrap().document);
    let outcome = apply_each(base.as_ref(), FIELD, runs, &Context::default());
    let Some(continued) = continue_line(&chronicle(before), runs, &Context::default()) else { return false };
    assert!(outcome.runs.iter().all(Result::is_ok), "{:?}", outcome.runs);
    if before.is_empty() && !continued.new_changes.is_empty() {
        let (document, new_changes) = start_line(FIELD, runs).unwrap();
        assert_eq!((document.entries(), new_changes), (continued.document.entries(), continued.new_changes.clone()));
        assert_eq!(Document::load(FIELD, &document.save()).unwrap().heads(), continued.document.heads());
    }
    let Some(applied) = outcome.applied else {
        assert!(continued.new_changes.is_empty());
        return true;
    };
    assert_eq!(continued.document.heads(), applied.heads);
    assert_eq!(continued.document.entries(), applied.document.entries());
    assert_eq!(continued.new_changes, applied.new_changes);
    let loaded = Document::load(FIELD, &applied.saved).unwrap();
    for (head, raw) in runs.iter().flat_map(|run| run.heads().iter().zip(&run.run().changes)) {
        assert_eq!(loaded.raw_change(&head.hash).as_ref(), Some(raw));
    }
    true
}

/// Texts that are JSON objects and nothing that anybody sane would write.
fn wild_text(random: &mut ChaCha8Rng, lengths: &[usize]) -> String {
    let letters = ['a', '"', '\\', '\u{0}', '\u{7f}', '河', '\u{10FFFF}', '\u{202e}', '\u{feff}', '0', '\n'];
    let length = lengths[random.random_range(0..lengths.len())];
    let text: String = (0..length).map(|_| letters[random.random_range(0..letters.len())]).collect();
    let salt: u64 = random.random();
    match random.random_range(0..4) {
        0 => serde_json::json!({ "type": text, "n": salt }).to_string(),
        1 => format!(" {{ \"{salt}\" : [ ] }} "),
        2 => serde_json::json!({ "type": "note", "kind": "note", "text": text, "at": salt }).to_string(),
        _ => serde_json::json!({ salt.to_string(): { text: null } }).to_string(),
    }
}

/// Whatever a line may contain: every number at its bounds, many authors, few and many entries.
fn wild_line(random: &mut ChaCha8Rng) -> Vec<ChangeHead> {
    let genesis = &Constants::shipped().of(FIELD)[0];
    let (mut before, mut max_op) = (genesis.hash, genesis.max_op);
    let mut line = Vec::new();
    for author in 0..random.random_range(1..4_u8) {
        let actor = Actor([[0x00, 0x01, 0x7f, 0xff][usize::from(author)]; 36]);
        let actor = if author == 0 { Actor::new(key(INSPECTOR).public(), random.random()) } else { actor };
        for seq in 1..=random.random_range(1..6) {
            let count = [1, 1, 2, 3, 40, 300][random.random_range(0..6)];
            let object = OpRef { counter: 1, actor: RESERVED };
            let op = |value: String| Op { object, key: Entry::id_of(&value).to_string(), value, pred: Vec::new() };
            let lengths: &[usize] = if count > 3 { &[0, 1, 64] } else { &[0, 1, 2, 7, 63, 64, 127, 128, 300, 9_000] };
            let ops: Vec<Op> = (0..count).map(|_| op(wild_text(random, lengths))).collect();
            let mut head = ChangeHead {
                hash: ChangeHash([0; 32]),
                actor,
                seq,
                start_op: max_op + 1,
                max_op: max_op + count,
                time: [0, -1, 1, 1 << 40, -(1 << 40), 1_650_000_000][random.random_range(0..6)],
                deps: vec![before],
                ops,
            };
            head.hash = crate::identity::change_hash(&encode_change(&head)).unwrap();
            (before, max_op) = (head.hash, head.max_op);
            line.push(head);
        }
    }
    line
}

#[test]
fn every_line_that_the_bounded_reader_lets_through_saves_and_loads() {
    let mut random = ChaCha8Rng::seed_from_u64(11);
    for _ in 0..300 {
        let line = wild_line(&mut random);
        // One run per author: what came before, what comes now.
        let mut runs: Vec<CheckedRun> = Vec::new();
        for part in line.chunk_by(|a, b| a.actor == b.actor) {
            runs.push(run_of(part));
        }
        let known = random.random_range(0..=runs.len());
        assert!(agree(&runs[..known], &runs[known..]), "a line goes without a trial");
        assert!(agree(&runs[..known], &runs), "known changes are skipped");
    }
}

#[test]
fn what_is_no_line_is_left_to_the_trial() {
    let mut one = Document::new(FIELD);
    let mut two = one.clone();
    let first = write(&mut one, INSPECTOR, &[note("a")]);
    let second = write(&mut one, INSPECTOR, &[note("b")]);
    let aside = write(&mut two, SECOND, &[note("c")]);
    let runs = [&first, &second, &aside]
        .map(|change| checked(if change.hash == aside.hash { SECOND } else { INSPECTOR }, FIELD, &[change]));
    assert!(agree(&[], &runs[..2]));
    assert!(!agree(&[], &runs), "two at the same time");
    assert!(!agree(&[], &runs[1..2]), "something is missing below it");
    assert!(!agree(&runs[..1], &runs[2..]), "written without having seen the first");
    let crooked = chronicle(&runs);
    assert!(!crooked.is_straight());
    assert_eq!(crooked.heads(), apply(None, FIELD, &runs).unwrap().heads);
    let register = one.document_with_register();
    assert!(!agree(&runs[..2], &[checked(INSPECTOR, FIELD, &[&register])]), "a register");
}

impl Document {
    fn document_with_register(&mut self) -> crate::doc::NewChange {
        self.write(&actor(INSPECTOR), NOW, &[], &[("remark".to_owned(), "x".to_owned())]).unwrap()
    }
}

#[test]
fn the_first_of_two_changes_under_one_number_stands_in_a_line_too() {
    let mut document = Document::new(FIELD);
    let mut twin = document.clone();
    let first = write(&mut document, INSPECTOR, &[note("a")]);
    let second = write(&mut twin, INSPECTOR, &[note("b")]);
    let runs = [&first, &second].map(|change| checked(INSPECTOR, FIELD, &[change]));
    assert!(!agree(&runs[..1], &runs[1..]));
    let held = [(actor(INSPECTOR), 1, second.hash)];
    let context = Context { held: &held, ..Context::default() };
    assert!(continue_line(&Chronicle::new(FIELD), &runs[..1], &context).is_none());
}

#[test]
fn an_entry_written_twice_and_a_hidden_conflict_are_left_to_the_trial() {
    let mut document = Document::new(FIELD);
    let first = write(&mut document, INSPECTOR, &[note("a")]);
    let genesis = &Constants::shipped().of(FIELD)[0];
    let text = note("a");
    let again = ChangeHead {
        hash: ChangeHash([0; 32]),
        actor: actor(INSPECTOR),
        seq: 2,
        start_op: genesis.max_op + 2,
        max_op: genesis.max_op + 2,
        time: 0,
        deps: vec![first.hash],
        ops: vec![Op {
            object: OpRef { counter: 1, actor: RESERVED },
            key: Entry::id_of(&text).to_string(),
            value: text,
            pred: Vec::new(),
        }],
    };
    let first = checked(INSPECTOR, FIELD, &[&first]);
    assert!(!agree(std::slice::from_ref(&first), &[run_of(&[again])]));

    // A device that has three candidates in view replaces one of them only.
    let mut document = Document::new(FIELD);
    let candidates: Vec<String> =
        ["ban", "merge", "regulate"].iter().map(|class| fact(name::CLASSIFICATION, *class, &[], 0)).collect();
    let base = write(&mut document, INSPECTOR, &candidates);
    let part = fact(name::CLASSIFICATION, "ban", &[Entry::id_of(&candidates[1])], 1);
    let head = ChangeHead {
        hash: ChangeHash([0; 32]),
        actor: actor(INSPECTOR),
        seq: 2,
        start_op: genesis.max_op + 4,
        max_op: genesis.max_op + 4,
        time: 0,
        deps: vec![base.hash],
        ops: vec![Op {
            object: OpRef { counter: 1, actor: RESERVED },
            key: Entry::id_of(&part).to_string(),
            value: part,
            pred: Vec::new(),
        }],
    };
    let base = checked(INSPECTOR, FIELD, &[&base]);
    assert!(!agree(std::slice::from_ref(&base), &[run_of(&[head])]));
}
