//! A chronicle says of entries, heads and history what the document says.

use rand::seq::{IndexedRandom as _, SliceRandom as _};
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use super::tests::{actor, note};
use super::*;
use crate::ids::{ChangeHash, DocKind};
use crate::time::Timestamp;

const NOW: Timestamp = Timestamp::from_millis(1_650_000_000_000);

fn same(chronicle: &Chronicle, document: &Document) {
    assert_eq!(chronicle.entries(), document.entries());
    assert_eq!(chronicle.heads(), document.heads());
    let plain = |change: &ChangeInfo| ChangeInfo { entries: Vec::new(), registers: Vec::new(), ..change.clone() };
    let of_chronicle: Vec<ChangeInfo> = chronicle.changes().map(plain).collect();
    assert_eq!(of_chronicle, document.changes().map(plain).collect::<Vec<_>>());
}

/// Several devices write into one record, now and then seeing each other's work, sometimes the same
/// words at the same time.
fn busy_document(random: &mut ChaCha8Rng) -> (Document, Vec<Vec<u8>>) {
    let mut copies: Vec<Document> = vec![Document::new(DocKind::Field); 3];
    let mut raws: Vec<Vec<u8>> = Vec::new();
    for step in 0..random.random_range(1..25) {
        let who = random.random_range(0..copies.len());
        if random.random_bool(0.3) {
            copies[who].replay(raws.iter().map(Vec::as_slice)).unwrap();
        }
        let texts = [note(&step.to_string()), note(["same", "words"].choose(random).unwrap())];
        let texts = &texts[..random.random_range(1..=2)];
        let register = ("remark".to_owned(), step.to_string());
        let registers = if random.random_bool(0.2) { vec![register] } else { Vec::new() };
        let by = actor(u8::try_from(who).unwrap() + 1);
        // Words that are there already cannot be written again.
        if let Ok(change) = copies[who].write(&by, NOW.plus_millis(step), texts, &registers) {
            raws.push(change.raw);
        }
    }
    let mut whole = Document::new(DocKind::Field);
    whole.replay(raws.iter().map(Vec::as_slice)).unwrap();
    (whole, raws)
}

#[test]
fn a_chronicle_of_changes_in_any_order_says_what_the_document_says() {
    let mut random = ChaCha8Rng::seed_from_u64(5);
    let (mut echoes, mut crooked) = (0, 0);
    for _ in 0..200 {
        let (document, mut raws) = busy_document(&mut random);
        if raws.is_empty() {
            continue;
        }
        echoes += document.echoes().len();
        for _ in 0..3 {
            raws.shuffle(&mut random);
            let chronicle = Chronicle::read(DocKind::Field, raws.iter().map(Vec::as_slice)).unwrap();
            same(&chronicle, &document);
            crooked += u32::from(!chronicle.is_straight());
            // In two parts, with repetition.
            let cut = random.random_range(0..=raws.len());
            let mut parts = Chronicle::read(DocKind::Field, raws[..cut].iter().map(Vec::as_slice)).unwrap();
            let heads: Vec<_> = raws
                .iter()
                .map(|raw| crate::admission::read_change(raw, &crate::admission::Limits::ADMISSION).unwrap())
                .collect();
            parts.extend(&heads);
            same(&parts, &document);
        }
    }
    assert!(echoes > 20 && crooked > 100, "{echoes} echoes, {crooked} with concurrent changes");
}

#[test]
fn a_line_stays_one_until_something_else_comes() {
    let mut document = Document::new(DocKind::Field);
    let mut other = document.clone();
    let raws: Vec<Vec<u8>> =
        ["a", "b", "c"].iter().map(|text| document.write(&actor(1), NOW, &[note(text)], &[]).unwrap().raw).collect();
    let mut line = Chronicle::read(DocKind::Field, raws.iter().map(Vec::as_slice)).unwrap();
    assert!(line.is_straight());
    same(&line, &document);
    let aside = other.write(&actor(2), NOW, &[note("d")], &[]).unwrap();
    let aside = crate::admission::read_change(&aside.raw, &crate::admission::Limits::ADMISSION).unwrap();
    assert!(!line.continues(&aside));
    line.extend([&aside]);
    assert!(!line.is_straight());
}

#[test]
fn an_empty_one_is_no_document() {
    let chronicle = Chronicle::new(DocKind::Case);
    assert!(chronicle.is_empty() && chronicle.heads().is_empty() && chronicle.entries().is_empty());
    assert!(!chronicle.has(&ChangeHash([0; 32])));
    assert!(Chronicle::read(DocKind::Case, [&b"no change"[..]]).is_err());
}
