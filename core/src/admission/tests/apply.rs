//! Runs into documents: order, refusals that depend on ancestors, conflicts.

use proptest::prelude::*;

use super::world::*;
use crate::admission::apply::{attempts, readings};
use crate::admission::{
    ChangeHead, Context, Limits, Refusal, apply, apply_each, check_form, encode_change, read_change,
};
use crate::doc::{Constants, Document, NewChange, conflicts, facts, is_gated};
use crate::domain::field::fact::{CLASSIFICATION, WATERBODY};
use crate::ids::DocKind;

const FIELD: DocKind = DocKind::Field;

#[test]
fn a_new_document_and_an_old_one() {
    let mut author = Document::new(FIELD);
    let a = write(&mut author, INSPECTOR, &[note("a")]);
    let applied = apply(None, FIELD, &[checked(INSPECTOR, FIELD, &[&a])]).unwrap();
    assert_eq!(applied.heads, author.heads());
    assert_eq!(applied.saved, author.save());
    assert_eq!(applied.new_changes.len(), 2, "the genesis is new as well");
    let b = write(&mut author, INSPECTOR, &[note("b")]);
    let again = apply(Some(&applied.document), FIELD, &[checked(INSPECTOR, FIELD, &[&a, &b])]).unwrap();
    assert_eq!(again.new_changes, [b.hash]);
    assert_eq!(again.document.entries(), author.entries());
    let nothing = apply(Some(&again.document), FIELD, &[checked(INSPECTOR, FIELD, &[&b])]).unwrap();
    assert_eq!((nothing.new_changes.len(), nothing.heads), (0, author.heads()));
}

#[test]
fn a_run_waits_for_what_it_depends_on() {
    let mut author = Document::new(FIELD);
    let a = write(&mut author, INSPECTOR, &[note("a")]);
    let b = write(&mut author, SECOND, &[note("b")]);
    let (first, second) = (checked(INSPECTOR, FIELD, &[&a]), checked(SECOND, FIELD, &[&b]));
    let refusal = apply(None, FIELD, std::slice::from_ref(&second)).unwrap_err();
    assert_eq!(refusal, Refusal::MissingDeps { change: b.hash, missing: vec![a.hash] });
    assert!(!refusal.is_timeless());
    assert_eq!(apply(None, FIELD, &[second, first]).unwrap().heads, author.heads());
}

#[test]
fn a_bad_run_refuses_only_what_depends_on_it() {
    let mut author = Document::new(FIELD);
    let a = write(&mut author, INSPECTOR, &[note("a")]);
    let mut forked = author.clone();
    let b = write(&mut author, SECOND, &[note("b")]);
    let below = write(&mut author, INSPECTOR, &[note("below b")]);
    let twin = write(&mut forked, SECOND, &[note("another b")]);
    let good = checked(INSPECTOR, FIELD, &[&a]);
    let context = Context { held: &[(actor(SECOND), 1, twin.hash)], ..Context::default() };
    let runs = [checked(INSPECTOR, FIELD, &[&below]), checked(SECOND, FIELD, &[&b]), good];
    let outcome = apply_each(None, FIELD, &runs, &context);
    assert!(matches!(outcome.runs[0], Err(Refusal::MissingDeps { .. })));
    assert_eq!(outcome.runs[1].as_ref().unwrap_err().code(), "equivocation");
    assert_eq!(outcome.runs[2], Ok(()));
    assert_eq!(outcome.applied.unwrap().heads, [a.hash]);
}

#[test]
fn two_changes_with_one_number_are_equivocation() {
    let mut author = Document::new(FIELD);
    let mut restored = author.clone();
    let (a, b) = (write(&mut author, INSPECTOR, &[note("a")]), write(&mut restored, INSPECTOR, &[note("b")]));
    let expected = Refusal::Equivocation { actor: actor(INSPECTOR), seq: 1, first: a.hash, second: b.hash };
    let second = checked(INSPECTOR, FIELD, &[&b]);
    assert_eq!(apply(Some(&author), FIELD, std::slice::from_ref(&second)).unwrap_err(), expected);
    assert_eq!(apply(None, FIELD, &[checked(INSPECTOR, FIELD, &[&a]), second]).unwrap_err(), expected);
    assert!(!expected.is_timeless(), "which one stands is the server's to say");
}

fn edited(change: &NewChange, edit: impl FnOnce(&mut ChangeHead)) -> crate::admission::CheckedRun {
    let mut head = read_change(&change.raw, &Limits::ADMISSION).unwrap();
    edit(&mut head);
    let byte = (1..9).find(|byte| actor(*byte) == head.actor).unwrap();
    crate::admission::check_run(&sign_raw(byte, FIELD, vec![encode_change(&head)]), &roster()).unwrap()
}

#[test]
fn counters_and_numbers_follow_the_ancestors() {
    let mut author = Document::new(FIELD);
    let before = author.clone();
    let a = write(&mut author, INSPECTOR, &[note("a")]);
    let after = author.clone();
    let b = write(&mut author, INSPECTOR, &[note("b")]);
    let code = |base: &Document, run| apply(Some(base), FIELD, &[run]).map_or_else(|refusal| refusal.code(), |_| "ok");
    assert_eq!(code(&before, edited(&a, |_| ())), "ok");
    assert_eq!(code(&before, edited(&a, |head| head.start_op = 4)), "start_op");
    assert_eq!(code(&before, edited(&a, |head| head.start_op = 4_000_000_000)), "start_op");
    assert_eq!(code(&before, edited(&a, |head| head.seq = 2)), "sequence");
    assert_eq!(code(&after, edited(&b, |head| head.seq = 3)), "sequence");
    let genesis = Constants::shipped().of(FIELD)[0].hash;
    let detached = edited(&b, |head| {
        head.deps = vec![genesis];
        head.start_op = 5;
    });
    assert_eq!(code(&after, detached), "sequence");
}

#[test]
fn an_entry_is_not_written_again_below_itself_and_registers_overwrite_only_what_was_seen() {
    let mut author = Document::new(FIELD);
    let remark = |text: &str| [("remark".to_owned(), text.to_owned())];
    let other = [("other".to_owned(), "o".to_owned())];
    let a = author.write(&actor(INSPECTOR), NOW, &[note("a")], &remark("one")).unwrap();
    let mut beside = Document::new(FIELD);
    beside.write(&actor(SECOND), NOW, &[], &remark("beside")).unwrap();
    let base = author.clone();
    let b = author.write(&actor(INSPECTOR), NOW, &[note("b")], &remark("two")).unwrap();
    let code = |base: &Document, run| apply(Some(base), FIELD, &[run]).map_or_else(|refusal| refusal.code(), |_| "ok");
    assert_eq!(code(&base, edited(&b, |_| ())), "ok");
    let again = edited(&b, |head| {
        head.ops[0].value = note("a");
        head.ops[0].key = a.entries[0].to_string();
    });
    assert_eq!(code(&base, again), "overwrite");
    assert_eq!(code(&base, edited(&b, |head| head.ops[1].key = "else".to_owned())), "predecessor");
    assert_eq!(code(&base, edited(&b, |head| head.ops[1].pred[0].counter = 5)), "predecessor", "an entry");
    assert_eq!(code(&base, edited(&b, |head| head.ops[1].pred[0].counter = 99)), "predecessor", "nothing");
    // A value that is in the document, but not among what the author says to have seen.
    let theirs = write(&mut beside.clone(), INSPECTOR, &[note("x")]);
    assert_eq!(theirs.seq, 1);
    let mut merged = base.clone();
    let unseen = merged.write(&actor(SECOND), NOW, &[], &other).unwrap();
    let blind = edited(&b, |head| head.ops[1].pred[0] = crate::admission::OpRef { counter: 7, actor: actor(SECOND) });
    assert_eq!(unseen.seq, 1);
    assert_eq!(code(&merged, blind), "predecessor");
}

#[test]
fn a_conflict_of_a_gated_fact_survives_every_ordinary_save() {
    let mut one = Document::new(FIELD);
    let mut two = one.clone();
    let ban = write(&mut one, INSPECTOR, &[fact(CLASSIFICATION, "ban", &[], 0)]);
    let merge = write(&mut two, SECOND, &[fact(CLASSIFICATION, "merge", &[], 0)]);
    let runs = [checked(INSPECTOR, FIELD, &[&ban]), checked(SECOND, FIELD, &[&merge])];
    let mut document = apply(None, FIELD, &runs).unwrap().document;
    assert_eq!(conflicts(&facts(&document.entries())).len(), 1);
    // Whoever looks at it and saves adds a candidate.
    let seen: Vec<_> = facts(&document.entries())[CLASSIFICATION].iter().map(|fact| fact.entry).collect();
    write(&mut document, INSPECTOR, &[fact(CLASSIFICATION, "regulate", &seen, 1)]);
    let left = conflicts(&facts(&document.entries()));
    let values: Vec<_> = left[0].candidates.iter().map(|fact| fact.value.as_str().unwrap()).collect();
    assert_eq!(values.len(), 3, "{values:?}");
    // Naming some of them would take them away one by one: refused when writing and at admission.
    let part = fact(CLASSIFICATION, "merge", &ban.entries, 2);
    let refused = document.write(&actor(INSPECTOR), NOW, std::slice::from_ref(&part), &[]).unwrap_err();
    assert!(matches!(refused, crate::doc::DocError::HidesConflict { .. }));
    let honest = write(&mut document.clone(), INSPECTOR, &[note("x")]);
    let hand_made = edited(&honest, |head| {
        head.ops[0].key = crate::doc::Entry::id_of(&part).to_string();
        head.ops[0].value = part.clone();
    });
    assert_eq!(apply(Some(&document), FIELD, &[hand_made]).unwrap_err().code(), "hides_conflict");
}

#[test]
fn an_upgrade_made_twice_is_one_change_and_hides_nothing() {
    let newer = std::sync::Arc::new(Constants::shipped().clone().with_upgrade(FIELD, &["samples"]).unwrap());
    let context = Context { constants: std::sync::Arc::clone(&newer), held: &[] };
    let mut one = Document::new(FIELD);
    let old = write(&mut one, INSPECTOR, &[note("old")]);
    let mut two = one.clone();
    assert_eq!((one.schema(), one.upgrade(&newer).unwrap()), (1, two.upgrade(&newer).unwrap()));
    assert_eq!(one.schema(), 2);
    assert_eq!(one.save(), two.save());
    let a = write(&mut one, INSPECTOR, &[note("a")]);
    let b = write(&mut two, SECOND, &[note("b")]);
    let container = newer.of(FIELD)[1].containers[0].1;
    // A version that writes into the new container.
    let into_new = |change: &NewChange| edited_with(change, &newer, |head| head.ops[0].object.counter = container);
    let runs = [checked(INSPECTOR, FIELD, &[&old]), into_new(&a), into_new(&b)];
    let outcome = apply_each(None, FIELD, &runs, &context);
    assert_eq!(outcome.runs, [Ok(()), Ok(()), Ok(())]);
    let applied = outcome.applied.unwrap();
    let texts: Vec<_> = applied.document.entries().iter().map(|entry| entry.json.to_string()).collect();
    assert_eq!(texts.len(), 3, "{texts:?}");
    assert!(texts.contains(&note("a")) && texts.contains(&note("b")));
    // A replica that does not know the upgrade holds, and says why.
    let raw = newer.of(FIELD)[1].raw.clone();
    let refusal = check_form(&sign_raw(INSPECTOR, FIELD, vec![raw])).unwrap_err();
    assert_eq!(refusal, Refusal::NewerSchema { change: newer.of(FIELD)[1].hash });
    assert!(!refusal.is_timeless());
    let refusal = apply(
        Some(&Document::new(FIELD)),
        FIELD,
        &[checked(INSPECTOR, FIELD, &[&old]), checked(INSPECTOR, FIELD, &[&a])],
    );
    assert_eq!(refusal.unwrap_err(), Refusal::MissingDeps { change: a.hash, missing: vec![newer.of(FIELD)[1].hash] });
    assert!(matches!(
        Document::load(FIELD, &applied.saved),
        Err(crate::doc::DocError::NewerSchema { found: 2, known: 1 })
    ));
    // The container is only there for those who have the upgrade among their ancestors.
    let mut outdated = Document::new(FIELD);
    let early = write(&mut outdated, INSPECTOR, &[note("early")]);
    let outcome = apply_each(None, FIELD, &[into_new(&early)], &context);
    assert_eq!(outcome.runs[0].as_ref().unwrap_err().code(), "container");
}

fn edited_with(
    change: &NewChange,
    constants: &Constants,
    edit: impl FnOnce(&mut ChangeHead),
) -> crate::admission::CheckedRun {
    let mut head = read_change(&change.raw, &Limits::ADMISSION).unwrap();
    edit(&mut head);
    let byte = (1..9).find(|byte| actor(*byte) == head.actor).unwrap();
    crate::admission::check_run_with(&sign_raw(byte, FIELD, vec![encode_change(&head)]), &roster(), constants).unwrap()
}

/// One step of a made-up history on three replicas.
#[derive(Debug, Clone)]
enum Step {
    Note(u8),
    Assert { who: u8, field: bool, value: u8, blind: bool },
    Register { who: u8, value: u8 },
    Merge { into: u8, from: u8 },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let who = 0..3_u8;
    let step = prop_oneof![
        who.clone().prop_map(Step::Note),
        (who.clone(), any::<bool>(), 0..3_u8, any::<bool>()).prop_map(|(who, field, value, blind)| Step::Assert {
            who,
            field,
            value,
            blind
        }),
        (who.clone(), 0..3_u8).prop_map(|(who, value)| Step::Register { who, value }),
        (who.clone(), who).prop_map(|(into, from)| Step::Merge { into, from }),
    ];
    proptest::collection::vec(step, 1..14)
}

/// Plays the steps; answers all changes with their authors.
fn play(steps: &[Step]) -> Vec<(u8, NewChange)> {
    let mut replicas = vec![Document::new(FIELD); 3];
    let mut written: Vec<(u8, NewChange)> = Vec::new();
    for (salt, step) in (0_i64..).zip(steps) {
        let (who, entries, registers) = match step {
            Step::Note(who) => (*who, vec![note(&format!("{salt}"))], vec![]),
            Step::Assert { who, field, value, blind } => {
                let field = if *field { CLASSIFICATION } else { WATERBODY };
                let seen = facts(&replicas[usize::from(*who)].entries());
                let seen: Vec<_> = seen.get(field).into_iter().flatten().map(|fact| fact.entry).collect();
                let seen = if *blind { &[][..] } else { &seen };
                (*who, vec![fact(field, format!("value {value}"), seen, salt)], vec![])
            }
            Step::Register { who, value } => (*who, vec![], vec![("remark".to_owned(), format!("{value}"))]),
            Step::Merge { into, from } => {
                let from = replicas[usize::from(*from)].clone();
                let missing: Vec<_> = written
                    .iter()
                    .filter(|(_, change)| from.has(&change.hash))
                    .map(|(who, change)| checked(*who, FIELD, &[change]))
                    .collect();
                let into = &mut replicas[usize::from(*into)];
                *into = apply(Some(into), FIELD, &missing).unwrap().document;
                continue;
            }
        };
        let byte = [INSPECTOR, SECOND, CITY][usize::from(who)];
        let written_now = replicas[usize::from(who)].write(&actor(byte), NOW, &entries, &registers);
        match written_now {
            Ok(change) => written.push((byte, change)),
            Err(error) => assert_eq!(error, crate::doc::DocError::Empty),
        }
    }
    written
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn any_order_duplication_and_interleaving_gives_the_same_document(
        steps in steps(),
        order in proptest::collection::vec(any::<prop::sample::Index>(), 40),
        cuts in proptest::collection::vec(1..4_usize, 40),
    ) {
        let written = play(&steps);
        let runs: Vec<_> = written.iter().map(|(who, change)| checked(*who, FIELD, &[change])).collect();
        if runs.is_empty() { return Ok(()); }
        let expected = apply(None, FIELD, &runs).unwrap();
        // Pick runs at random, with repetitions, in batches; what waits is offered again.
        let mut shuffled: Vec<_> = order.iter().map(|index| index.get(&runs).clone()).collect();
        shuffled.extend(runs.iter().rev().cloned());
        let mut document: Option<Document> = None;
        let mut waiting = Vec::new();
        let mut rest = &shuffled[..];
        for cut in cuts.iter().chain(std::iter::repeat(&3)) {
            if rest.is_empty() { break; }
            let (batch, later) = rest.split_at((*cut).min(rest.len()));
            rest = later;
            waiting.extend_from_slice(batch);
            let outcome = apply_each(document.as_ref(), FIELD, &waiting, &Context::default());
            let left = waiting.iter().zip(&outcome.runs).filter(|(_, result)| result.is_err());
            let waits = |result: &Result<(), Refusal>| matches!(result, Err(Refusal::MissingDeps { .. }));
            prop_assert!(left.clone().all(|(_, result)| waits(result)));
            let left = left.map(|(run, _)| run.clone()).collect();
            waiting = left;
            document = outcome.applied.map(|applied| applied.document).or(document);
        }
        let document = document.unwrap();
        prop_assert!(waiting.is_empty());
        prop_assert_eq!(document.heads(), expected.heads);
        prop_assert_eq!(document.entries(), expected.document.entries());
        prop_assert_eq!(document.registers(), expected.document.registers());
        prop_assert_eq!(document.history(), expected.document.history());
        prop_assert_eq!(facts(&document.entries()), facts(&expected.document.entries()));
        // The bytes of every change survived, and a past point stays what it was.
        for (_, change) in &written {
            prop_assert_eq!(document.raw_change(&change.hash), Some(change.raw.clone()));
            let then = document.entries_at(&[change.hash]);
            let now = document.entries();
            let kept: Vec<_> = now.iter().filter(|entry| then.contains(entry)).cloned().collect();
            prop_assert_eq!(kept, then, "the order of the past does not change");
        }
    }

    #[test]
    fn no_change_ends_a_conflict_that_its_author_had_in_view(steps in steps()) {
        let written = play(&steps);
        let runs: Vec<_> = written.iter().map(|(who, change)| checked(*who, FIELD, &[change])).collect();
        if runs.is_empty() { return Ok(()); }
        let document = apply(None, FIELD, &runs).unwrap().document;
        for (_, change) in &written {
            let after = conflicts(&facts(&document.entries_at(&[change.hash])));
            for conflict in conflicts(&facts(&document.entries_at(&change.deps))) {
                prop_assert!(is_gated(&conflict.field));
                let still = after.iter().find(|later| later.field == conflict.field);
                prop_assert!(still.is_some_and(|later| later.candidates.len() >= conflict.candidates.len()));
            }
        }
    }
}

#[test]
fn overwriting_hundreds_of_values_again_and_again_costs_one_reading_each() {
    const REGISTERS: usize = 900;
    const ROUNDS: usize = 5;
    let mut author = Document::new(FIELD);
    let assign = |author: &mut Document, count: usize, text: &str| {
        let registers: Vec<_> = (0..count).map(|at| (format!("r{at}"), text.to_owned())).collect();
        author.write(&actor(INSPECTOR), NOW, &[], &registers).unwrap()
    };
    assign(&mut author, REGISTERS, "");
    let base = author.clone();
    let again: Vec<_> = (0..ROUNDS).map(|round| assign(&mut author, REGISTERS, &format!("{round}"))).collect();
    let overwritten: usize = again
        .iter()
        .map(|change| {
            read_change(&change.raw, &Limits::ADMISSION).unwrap().ops.iter().map(|op| op.pred.len()).sum::<usize>()
        })
        .sum();
    assert_eq!(overwritten, ROUNDS * REGISTERS);
    let run = checked(INSPECTOR, FIELD, &again.iter().collect::<Vec<_>>());
    let before = readings();
    let applied = apply(Some(&base), FIELD, &[run]).unwrap();
    assert_eq!(applied.heads, author.heads());
    assert_eq!(readings() - before, 1, "the one change of the document whose values are overwritten");
}

#[test]
fn a_batch_sent_backwards_costs_no_more_tries_than_one_sent_forwards() {
    const RUNS: usize = 300;
    let mut author = Document::new(FIELD);
    let changes: Vec<_> = (0..RUNS).map(|at| write(&mut author, INSPECTOR, &[note(&format!("{at}"))])).collect();
    let backwards: Vec<_> = changes.iter().rev().map(|change| checked(INSPECTOR, FIELD, &[change])).collect();
    let before = attempts();
    let outcome = apply_each(None, FIELD, &backwards, &Context::default());
    assert!(outcome.runs.iter().all(Result::is_ok));
    assert_eq!(outcome.applied.unwrap().heads, author.heads());
    assert_eq!(attempts() - before, RUNS);
}
