//! Batches through the stream: what they cost, and what they may not do.

use super::*;
use crate::identity::SecretKey;
use crate::ids::{ChainHash, Collection, DocKind, Epoch, OutletId};
use crate::sync::replica::{Cursor, Sealed, ShownReceipt};
use crate::time::Timestamp;

fn doc(at: u8) -> DocKey {
    let collection = Collection::from_code(511_902).unwrap();
    DocKey { kind: DocKind::Field, collection, id: OutletId(uuid::Uuid::from_bytes([at; 16])) }
}

/// Notes by one device, as a run.
fn run(at: u8, count: usize) -> SignedRun {
    let key = SecretKey::from_bytes([at; 32]);
    let actor = crate::ids::Actor::new(key.public(), [0; 4]);
    let mut document = crate::doc::Document::new(DocKind::Field);
    let changes = (0..count).map(|number| {
        let now = Timestamp::from_millis(1_640_000_000_000 + 60_000 * i64::try_from(number).unwrap());
        let text = format!(r#"{{"type":"note","kind":"note","text":"{at}/{number}","at":{}}}"#, now.millis());
        document.write(&actor, now, &[text], &[]).unwrap().raw
    });
    SignedRun::sign(&key, doc(at), changes.collect()).unwrap()
}

fn mixed() -> Batch {
    let raw = SignedRun { doc: doc(3), changes: vec![vec![1, 2, 3], vec![4, 5]], signature: Signature([9; 64]) };
    let sealed = |byte| Sealed(vec![byte; 3]);
    Batch {
        items: vec![
            FeedItem::Run(raw),
            FeedItem::Certificate(sealed(1)),
            FeedItem::Run(run(1, 3)),
            FeedItem::ServerCert(sealed(2)),
            FeedItem::Revocation(sealed(3)),
            FeedItem::Run(run(2, 1)),
            FeedItem::Ruling(sealed(4)),
            FeedItem::Receipt(ShownReceipt {
                receipt: sealed(5),
                runs: vec![(doc(1), crate::ids::ChangeHash([6; 32]))],
            }),
        ],
        cursors: vec![(doc(1).collection, Cursor { epoch: Epoch([2; 8]), seq: 7, chain: ChainHash([3; 16]) })],
    }
}

fn plain(batch: &Batch) -> Vec<u8> {
    write(batch).0
}

#[test]
fn the_receipt_of_a_file_travels_in_a_bundle() {
    let batch = Batch { items: vec![FeedItem::FileReceipt(Sealed(vec![7; 90]))], cursors: Vec::new() };
    assert_eq!(unpack(&pack(&batch).unwrap()).unwrap(), batch);
}

#[test]
fn the_released_bytes_of_a_batch_stay_readable() {
    const GOLDEN: &str = include_str!("../../../fixtures/golden/batch-v1.txt");
    let now = format!("{}\n", data_encoding::HEXLOWER.encode(&plain(&mixed())));
    assert_eq!(now, GOLDEN, "the bytes on the wire changed: that is protocol version 2");
    assert_eq!(read(&data_encoding::HEXLOWER.decode(GOLDEN.trim().as_bytes()).unwrap()).unwrap(), mixed());
}

#[test]
fn the_released_dictionary_stays_and_pays() {
    insta::assert_snapshot!(blake3::hash(DICTIONARY).to_hex(), @"c4b2fbd8b82a2723b607073c73afc8e82bf47e5606e0f13275c474bd5d274391");
    let one = Batch { items: vec![FeedItem::Run(run(1, 1))], cursors: Vec::new() };
    let with = pack(&one).unwrap().len();
    let without = zstd::bulk::compress(&plain(&one), LEVEL).unwrap().len();
    assert!(with < without * 9 / 10, "{with} against {without}");
}

#[test]
fn a_stream_of_batches_survives_in_parts_and_the_second_costs_less() {
    let (mut packer, mut unpacker) = (Packer::default(), Unpacker::default());
    let mut sizes = Vec::new();
    for _ in 0..2 {
        let packed = packer.pack(&mixed(), 1 << 20).unwrap();
        sizes.push(packed.len());
        let (last, rest) = packed.split_last().unwrap();
        for byte in rest {
            assert_eq!(unpacker.part(&[*byte], false).unwrap(), None);
        }
        assert_eq!(unpacker.part(&[*last], true).unwrap(), Some(mixed()));
    }
    assert!(sizes[1] < sizes[0] * 2 / 3, "{sizes:?}");
    // By itself a batch has the same form.
    assert_eq!(unpack(&pack(&mixed()).unwrap()).unwrap(), mixed());
}

#[test]
fn what_inflates_is_bounded() {
    // A bomb: ten times the limit, in a few kilobytes.
    let bomb = zstd::bulk::compress(&vec![0; 10 * MAX_BATCH_BYTES], 3).unwrap();
    assert!(bomb.len() < 100_000);
    assert!(matches!(unpack(&bomb), Err(WireError::TooLarge { .. })));
    let mut unpacker = Unpacker::default();
    let refused = bomb.chunks(100).find_map(|part| unpacker.part(part, false).err());
    assert!(matches!(refused, Some(WireError::TooLarge { .. })));
    assert!(unpacker.plain.len() < MAX_BATCH_BYTES + 2 * CHUNK, "{}", unpacker.plain.len());

    // The stream of a direction does not end before the session does.
    assert!(matches!(unpack(&zstd::bulk::compress(&[1, 2], 3).unwrap()), Err(WireError::Trailing(_))));

    // Counts that promise more than there is, and many small things.
    let lying = [0x83, 0x9b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff];
    assert!(matches!(read(&lying), Err(WireError::Cbor(_))));
    let raw = SignedRun { doc: doc(1), changes: vec![Vec::new(); 1000], signature: Signature([9; 64]) };
    let many = Batch { items: vec![FeedItem::Run(raw); 100], cursors: Vec::new() };
    assert!(matches!(unpack(&pack(&many).unwrap()), Err(WireError::Cbor(_))));
    // What a short form stands for counts, not its own length.
    let large = run(1, 1000);
    let times = MAX_BATCH_BYTES / large.size() + 2;
    let many = Batch { items: vec![FeedItem::Run(large); times], cursors: Vec::new() };
    assert!(matches!(unpack(&pack(&many).unwrap()), Err(WireError::Cbor(_))));
    let bytes = plain(&mixed());
    assert!(matches!(read(&[&bytes[..], &[0]].concat()), Err(WireError::Trailing(1))));
}

#[test]
fn no_bytes_make_the_reader_panic() {
    let mut state = 0x5eed_u64;
    let mut random = move |bound: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(state >> 33).unwrap() % bound.max(1)
    };
    let sources = [pack(&mixed()).unwrap(), plain(&mixed())];
    for round in 0..4_000 {
        let mut bytes = sources[round % 2].clone();
        for _ in 0..1 + random(4) {
            let at = random(bytes.len());
            match random(4) {
                0 => bytes[at] = u8::try_from(random(256)).unwrap(),
                1 => bytes[at] ^= 1 << random(8),
                2 => bytes.truncate(at.max(1)),
                _ => bytes.insert(at, u8::try_from(random(256)).unwrap()),
            }
        }
        let batch = if round % 2 == 0 { unpack(&bytes) } else { read(&bytes) };
        if let Ok(batch) = batch {
            assert_eq!(read(&plain(&batch)).unwrap(), batch, "what was read can be written");
        }
    }
}
