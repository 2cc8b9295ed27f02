//! A run taken to pieces and put together again is the same bytes, or travels raw.

use proptest::prelude::*;

use super::*;
use crate::doc::Document;
use crate::identity::SecretKey;
use crate::ids::{Collection, DocKey, OutletId, Signature};
use crate::time::Timestamp;

fn doc() -> DocKey {
    let collection = Collection::from_code(511_902).unwrap();
    DocKey { kind: DocKind::Field, collection, id: OutletId(uuid::Uuid::from_bytes([3; 16])) }
}

fn actor(at: u8) -> Actor {
    Actor::new(SecretKey::from_bytes([at; 32]).public(), [at; 4])
}

fn run(changes: Vec<Vec<u8>>) -> SignedRun {
    SignedRun { doc: doc(), changes, signature: Signature([9; 64]) }
}

proptest! {
    /// Two authors, entries and registers, merges between them, any clock.
    #[test]
    fn any_run_that_this_program_writes_comes_back_byte_for_byte(
        steps in prop::collection::vec((any::<bool>(), 0_usize..4, any::<bool>(), -(1_i64 << 40)..(1 << 40)), 1..12)
    ) {
        let mut documents = [Document::new(DocKind::Field), Document::new(DocKind::Field)];
        let mut written: [Vec<Vec<u8>>; 2] = Default::default();
        let mut unseen: [Vec<Vec<u8>>; 2] = Default::default();
        for (number, (first, registers, merge, millis)) in steps.into_iter().enumerate() {
            let at = usize::from(first);
            if merge {
                let news = std::mem::take(&mut unseen[at]);
                documents[at].replay(news.iter().map(Vec::as_slice)).unwrap();
            }
            let text = format!(r#"{{"type":"note","kind":"note","text":"{number} 排口","at":{millis}}}"#);
            let registers: Vec<_> = (0..registers).map(|name| (format!("r{name}"), number.to_string())).collect();
            let by = actor(u8::try_from(at).unwrap() + 1);
            let change = documents[at].write(&by, Timestamp::from_millis(millis), &[text], &registers).unwrap();
            written[at].push(change.raw.clone());
            unseen[1 - at].push(change.raw);
        }
        for changes in written.into_iter().filter(|changes| !changes.is_empty()) {
            let run = run(changes);
            let short = shorten(&run).expect("the one form");
            prop_assert!(short.len() < run.size());
            prop_assert_eq!(&restore(DocKind::Field, &short).unwrap(), &run.changes);
            // The last changes of it alone: not the first of their author.
            let tail = self::run(vec![run.changes.last().unwrap().clone()]);
            prop_assert_eq!(&restore(DocKind::Field, &shorten(&tail).unwrap()).unwrap(), &tail.changes);
        }
    }

    #[test]
    fn no_bytes_make_the_reader_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        if let Ok(changes) = restore(DocKind::Case, &bytes) {
            prop_assert!(changes.iter().map(Vec::len).sum::<usize>() <= MAX_RUN_BYTES);
        }
    }
}

#[test]
fn what_is_not_in_the_one_form_has_no_short_one() {
    let mut document = Document::new(DocKind::Field);
    let mut note = |by: u8| {
        let text = format!(r#"{{"type":"note","kind":"note","text":"{by}","at":1}}"#);
        document.write(&actor(by), Timestamp::from_millis(1), &[text], &[]).unwrap().raw
    };
    let (one, other) = (note(1), note(2));
    assert!(shorten(&run(vec![one.clone(), other])).is_none(), "two authors");
    assert!(shorten(&run(Vec::new())).is_none());
    let mut damaged = one.clone();
    *damaged.last_mut().unwrap() ^= 1;
    assert!(shorten(&run(vec![damaged])).is_none());
    assert!(shorten(&run(vec![one])).is_some());
}

#[test]
fn a_short_form_that_stands_for_too_much_is_refused() {
    let mut short = actor(1).0.to_vec();
    put_unsigned(&mut short, 40);
    for _ in 0..40 {
        // A thousand entries of a few bytes each: their names alone are 32 bytes.
        put_unsigned(&mut short, AFTER_LAST);
        put_signed(&mut short, 0);
        put_unsigned(&mut short, 1_000);
        for number in 0..1_000 {
            put_unsigned(&mut short, NAMED_BY_TEXT);
            put_text(&mut short, &number.to_string());
        }
    }
    assert!(matches!(restore(DocKind::Field, &short), Err(Malformed::TooLarge { .. })));
    assert!(matches!(restore(DocKind::Field, &short[..60]), Err(Malformed::Truncated)));
}

/// Two bytes name an overwritten value that takes fifty in memory: their sum is bounded, not only
/// those of one operation.
#[test]
fn overwritten_values_are_counted_over_the_whole_change() {
    let most = Limits::ADMISSION.ops;
    let change = |named: &[usize]| {
        let mut short = actor(1).0.to_vec();
        put_unsigned(&mut short, 1);
        put_unsigned(&mut short, AFTER_LAST);
        put_signed(&mut short, 0);
        put_unsigned(&mut short, named.len() as u64);
        for (at, count) in named.iter().enumerate() {
            put_unsigned(&mut short, 1 | OVERWRITES);
            put_text(&mut short, &format!("r{at}"));
            put_text(&mut short, "x");
            put_unsigned(&mut short, *count as u64);
            (0..*count).for_each(|_| put_ref(&mut short, &OpRef { counter: 3, actor: actor(1) }, &actor(1)));
        }
        restore(DocKind::Field, &short)
    };
    assert!(change(&[most / 2, most / 2]).is_ok());
    assert!(matches!(change(&[most / 2, most / 2 + 1]), Err(Malformed::Limit(_))));
}
