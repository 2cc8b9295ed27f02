//! What is admitted as a straight line, without a trial on a copy, is what the trial admits.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::world::*;
use crate::admission::{
    ChangeHead, CheckedRun, Context, Op, OpRef, apply, apply_each, check_form, continue_line, encode_change, start_line,
};
use crate::doc::{Chronicle, Constants, Document, Entry, RESERVED, first_change};
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
            let register = OpRef { counter: 2, actor: RESERVED };
            let lengths: &[usize] = if count > 3 { &[0, 1, 64] } else { &[0, 1, 2, 7, 63, 64, 127, 128, 300, 9_000] };
            let mut ops: Vec<Op> = (0..count).map(|_| op(wild_text(random, lengths))).collect();
            // Some of them assign a register that nobody else does, also one that is called like an entry.
            for op in &mut ops {
                if random.random_range(0..8) == 0 {
                    op.object = register;
                    if random.random_range(0..2) == 0 {
                        op.key = format!("备注 {}", random.random::<u64>());
                    }
                }
            }
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
    let mut assign = |text: &str| {
        let change = one.write(&actor(INSPECTOR), NOW, &[], &[("remark".to_owned(), text.to_owned())]).unwrap();
        checked(INSPECTOR, FIELD, &[&change])
    };
    let registers = ["x", "y"].map(&mut assign);
    assert!(agree(&runs[..2], &registers[..1]), "a register that nobody has assigned");
    let before = [&runs[..2], &registers[..1]].concat();
    assert!(!agree(&before, &registers[1..]), "a register that is assigned again");
    // Again, as if nobody had: two values stand beside each other.
    let genesis = &Constants::shipped().of(FIELD)[0];
    let again = ChangeHead {
        hash: ChangeHash([0; 32]),
        actor: actor(INSPECTOR),
        seq: 4,
        start_op: genesis.max_op + 4,
        max_op: genesis.max_op + 4,
        time: 0,
        deps: vec![registers[0].last()],
        ops: vec![Op {
            object: OpRef { counter: 2, actor: RESERVED },
            key: "remark".to_owned(),
            value: "z".to_owned(),
            pred: Vec::new(),
        }],
    };
    assert!(!agree(&before, &[run_of(&[again])]));
}

#[test]
fn an_actor_that_comes_back_is_left_to_the_trial() {
    let genesis = &Constants::shipped().of(FIELD)[0];
    let [first, second] = [1, 2].map(|life| Actor::new(key(INSPECTOR).public(), [life; 4]));
    let change = |actor: Actor, seq: u64, place: u64, mut deps: Vec<ChangeHash>| {
        let value = note(&format!("{place}"));
        let op = Op {
            object: OpRef { counter: 1, actor: RESERVED },
            key: Entry::id_of(&value).to_string(),
            value,
            pred: Vec::new(),
        };
        let at = genesis.max_op + place;
        deps.sort();
        let (hash, ops) = (ChangeHash([0; 32]), vec![op]);
        let mut head = ChangeHead { hash, actor, seq, start_op: at, max_op: at, time: 0, deps, ops };
        head.hash = crate::identity::change_hash(&encode_change(&head)).unwrap();
        head
    };
    let one = change(first, 1, 1, vec![genesis.hash]);
    let two = change(second, 1, 2, vec![one.hash]);
    let good = run_of(&[change(first, 2, 3, vec![one.hash, two.hash])]);
    let skipping = run_of(&[change(first, 2, 3, vec![two.hash])]);
    let again = run_of(&[change(first, 1, 3, vec![two.hash])]);
    let before = [run_of(&[one]), run_of(&[two])];
    let document = apply(None, FIELD, &before).unwrap().document;
    let trial = |run: CheckedRun| {
        assert!(!agree(&before, std::slice::from_ref(&run)), "no line");
        apply_each(Some(&document), FIELD, &[run], &Context::default()).runs.remove(0)
    };
    trial(good).unwrap();
    assert!(matches!(trial(skipping), Err(crate::admission::Refusal::Sequence { .. })));
    assert!(matches!(trial(again), Err(crate::admission::Refusal::Equivocation { .. })));
}

#[test]
fn the_first_change_of_a_document_is_written_without_opening_one() {
    let mut random = ChaCha8Rng::seed_from_u64(12);
    for kind in [DocKind::Field, DocKind::Case, DocKind::Reference] {
        for count in [0, 1, 2, 40] {
            let entries: Vec<String> = (0..count).map(|_| wild_text(&mut random, &[0, 1, 64, 300])).collect();
            let registers: Vec<(String, String)> =
                ["b", "a", "备注", "b"].map(|name| (name.to_owned(), random.random::<u64>().to_string())).into();
            for registers in [&registers[..], &[]] {
                let now = crate::time::Timestamp::from_millis(random.random());
                let opened = Document::new(kind).write(&actor(INSPECTOR), now, &entries, registers);
                let first = first_change(kind, &actor(INSPECTOR), now, &entries, registers);
                assert_eq!(first.as_ref().ok(), opened.as_ref().ok(), "{count} {first:?} {opened:?}");
                assert_eq!(first.is_err(), count == 0 && registers.is_empty());
            }
        }
    }
    let refused = |entries: &[&str], registers: &[(&str, &str)]| {
        let entries: Vec<String> = entries.iter().map(|text| (*text).to_owned()).collect();
        let registers: Vec<(String, String)> =
            registers.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect();
        let opened = Document::new(FIELD).write(&actor(INSPECTOR), NOW, &entries, &registers).unwrap_err();
        let first = first_change(FIELD, &actor(INSPECTOR), NOW, &entries, &registers).unwrap_err();
        assert_eq!(first.to_string(), opened.to_string());
    };
    refused(&["[]"], &[]);
    refused(&["{}", "{}"], &[]);
    refused(&["{"], &[]);
    refused(&["{}"], &[("", "x")]);
    refused(&[&format!("{{\"a\":\"{}\"}}", "x".repeat(crate::doc::MAX_ACT_BYTES))], &[]);
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
