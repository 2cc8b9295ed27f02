//! Golden bytes, limits and mutations of the wire format.

use std::fmt::Write as _;

use super::*;
use crate::identity::SecretKey;
use crate::ids::{ChangeHash, DocKey, DocKind, OutletId, PublicKey};
use crate::sync::replica::{BlobClass, Cursor};

/// Released bytes: they stay readable for ever. A line is a name and the frame in hexadecimal.
const GOLDEN: &str = include_str!("../../../fixtures/golden/wire-v1.txt");
const PROTOCOL: &str = include_str!("../../PROTOCOL.md");

fn county() -> Collection {
    Collection::from_code(511_902).unwrap()
}

fn doc() -> DocKey {
    DocKey { kind: DocKind::Field, collection: county(), id: OutletId(uuid::Uuid::from_bytes([3; 16])) }
}

fn heads() -> DocHeads {
    DocHeads { doc: doc(), heads: vec![ChangeHash([5; 32]), ChangeHash([6; 32])] }
}

fn hello() -> Hello {
    Hello {
        files: None,
        version: VERSION,
        time: Timestamp::from_millis(1_640_000_000_000),
        lines: vec![HelloLine {
            collection: county(),
            digest: Digest([1; 32]),
            count: 300,
            held: 2,
            cursor: Some(Cursor { epoch: Epoch([2; 8]), seq: 1000, chain: ChainHash([3; 16]) }),
        }],
        ticket_secret: Some(vec![4; 16]),
        wants_server_certificate: Some(true),
        plan_only: None,
        fetch: Some(Fetch::Previews),
        server: Some(PublicKey([7; 32])),
    }
}

/// One frame of every kind, and more where a kind has several forms.
fn frames() -> Vec<(&'static str, Frame)> {
    let body = hello().encode();
    let signature =
        SecretKey::from_bytes([1; 32]).sign(crate::identity::Purpose::Hello, &Hello::bound(&[8; 32], &body));
    let packed = PackedBatch { number: 3, packed: vec![0x28, 0xb5, 0x2f, 0xfd], last: true };
    let hash = BlobHash([0xaa; 32]);
    let outcomes = vec![
        (0, Outcome::Stored { in_ledger: false }),
        (1, Outcome::Held { code: "quota".into() }),
        (2, Outcome::Waiting),
        (4, Outcome::Refused { code: "signature".into(), text: "why".into() }),
    ];
    let reply = HelloReply {
        time: Timestamp::from_millis(1_640_000_000_001),
        feeds: vec![
            FeedLine { collection: Collection::REFERENCE, mode: FeedMode::Start },
            FeedLine { collection: county(), mode: FeedMode::Cursor },
        ],
        limits: Some(Limits { records: true, photos: false, max_blob_bytes: 1 << 20 }),
        certificate: Some(Sealed(vec![1])),
        server_certificate: Some(Sealed(vec![2])),
        pending: Some(Pending { documents: 1, changes: 2, bytes: 3, photos: 4, photo_bytes: 5 }),
    };
    let end =
        EndLine { collection: county(), seq: 9, count: 300, held: 2, digest: None, chain: Some(ChainHash([3; 16])) };
    let end = PullEnd {
        at: Timestamp::from_millis(1_640_000_000_002),
        epoch: Epoch([2; 8]),
        lines: vec![end],
        signature: Signature([9; 64]),
        files: false,
    };
    let compare = Compare { collection: county(), message: vec![0x61, 0, 0, 2, 0] };
    let differing = Differing { collection: county(), docs: vec![heads()], ids: vec![Digest([0xcc; 32])], last: true };
    let offer =
        BlobOffer { hash, bytes: 123_456, class: BlobClass::Preview, doc: doc(), original: Some(BlobHash([0xbb; 32])) };
    let ack = Ack { number: 3, receipts: vec![Sealed(vec![7; 4])], exceptions: outcomes, new_changes: 12 };
    let refusal = WireRefusal { code: RefusalCode::Revoked.number(), text: "the membership was revoked".into() };
    vec![
        ("hello", Frame::Hello(SignedHello { body, signature })),
        ("ask_certificate", Frame::AskCertificate),
        ("certificate", Frame::Certificate(Sealed(vec![1, 2]))),
        ("hello_reply", Frame::HelloReply(reply)),
        ("push", Frame::Push(packed.clone())),
        ("push_end", Frame::PushEnd(PushEnd { files: true })),
        ("ack", Frame::Ack(ack)),
        ("pull", Frame::Pull(packed)),
        ("pull_end", Frame::PullEnd(end)),
        ("proof", Frame::Proof(Some(Signature([9; 64])))),
        ("no_proof", Frame::Proof(None)),
        ("compare", Frame::Compare(compare)),
        ("differing", Frame::Differing(differing)),
        ("wanted", Frame::Wanted(Wanted { docs: vec![heads()], last: true })),
        ("bye", Frame::Bye),
        ("refused", Frame::Refused(refusal)),
        ("offer", Frame::Offer(offer)),
        ("want_parts", Frame::Want(Want { hash, want: BlobWant::Parts(vec![(0, 300), (65_536, 70_000)]) })),
        ("want_have", Frame::Want(Want { hash, want: BlobWant::Have(Some(Sealed(vec![1]))) })),
        ("want_refused", Frame::Want(Want { hash, want: BlobWant::Refused("withdrawn".into()) })),
        ("data", Frame::Data(Data { hash, offset: 65_536, bytes: vec![1, 2, 3] })),
        ("stored", Frame::Stored(Stored { hash, intact: true, receipt: Some(Sealed(vec![1])) })),
        ("files_end", Frame::FilesEnd(FilesEnd { begun: vec![(hash, 65_539)] })),
    ]
}

#[test]
fn the_released_bytes_of_every_frame_stay_readable() {
    let mut now = String::new();
    for (name, frame) in frames() {
        writeln!(now, "{name} {}", data_encoding::HEXLOWER.encode(&frame.encode())).unwrap();
    }
    assert_eq!(now, GOLDEN, "the bytes on the wire changed: that is protocol version 2");
    let read = GOLDEN.lines().filter_map(|line| line.split_once(' '));
    for ((name, hex), (expected, frame)) in read.zip(frames()) {
        assert_eq!(name, expected);
        let bytes = data_encoding::HEXLOWER.decode(hex.as_bytes()).unwrap();
        assert_eq!(Frame::decode(frame.lane(), &bytes).unwrap(), frame, "{name}");
    }
}

#[test]
fn the_specification_and_the_code_change_together() {
    let code = include_str!("wire.rs").split("#[cfg(test)]").next().unwrap();
    let hash = blake3::hash(code.as_bytes()).to_hex();
    let stated = PROTOCOL.lines().find_map(|line| line.strip_prefix("wire.rs-blake3: ")).unwrap();
    assert_eq!(stated, hash.as_str(), "wire.rs changed: read core/PROTOCOL.md again, correct it, then its hash");
}

#[test]
fn limits_of_frames_are_checked_first() {
    assert!(matches!(Frame::decode(Lane::Records, &vec![0; MAX_FRAME_BYTES + 1]), Err(WireError::TooLarge { .. })));
    let chunk = Frame::Data(Data { hash: BlobHash([1; 32]), offset: 0, bytes: vec![0; MAX_CHUNK_BYTES + 1] });
    assert!(matches!(Frame::decode(Lane::Files, &chunk.encode()), Err(WireError::TooLarge { .. })));
    let part = PackedBatch { number: 0, packed: vec![0; MAX_PART_BYTES + 1], last: true };
    assert!(matches!(Frame::decode(Lane::Records, &Frame::Push(part).encode()), Err(WireError::TooLarge { .. })));
    let message = Compare { collection: county(), message: vec![0; MAX_COMPARE_BYTES + 1] };
    assert!(matches!(Frame::decode(Lane::Records, &Frame::Compare(message).encode()), Err(WireError::TooLarge { .. })));
    assert!(matches!(Frame::decode(Lane::Files, &Frame::Bye.encode()), Err(WireError::WrongLane)));
    assert!(matches!(
        Frame::decode(Lane::Records, &[&Frame::Bye.encode()[..], &[0]].concat()),
        Err(WireError::Trailing(1))
    ));
    let many = Hello { lines: vec![hello().lines[0]; MAX_COLLECTIONS + 1], ..hello() };
    assert!(matches!(Hello::decode(&many.encode()), Err(WireError::TooLarge { .. })));
}

#[test]
fn an_unknown_key_of_a_map_is_skipped_and_a_lower_version_of_it_is_read() {
    let mut bytes = hello().encode();
    assert_eq!(bytes[0] & 0xe0, 0xa0, "a map of known length");
    bytes[0] += 1;
    bytes.extend([0x18, 0x63, 0x82, 0x01, 0x61, 0x78]); // 99: [1, "x"]
    assert_eq!(Hello::decode(&bytes).unwrap(), hello());
}

#[test]
fn refusal_codes_keep_their_numbers() {
    for (number, code) in (0_u16..).zip(RefusalCode::ALL) {
        assert_eq!(code.number(), number);
        assert_eq!(RefusalCode::from_number(number), code);
        assert!(PROTOCOL.contains(&format!("| {number} | `{}` |", code.as_str())), "{code:?} in PROTOCOL.md");
    }
    assert_eq!(RefusalCode::from_number(999), RefusalCode::Internal);
    assert_eq!(clip(&"字".repeat(400)).len(), 498);
}

#[test]
fn no_bytes_make_a_decoder_panic() {
    let mut state = 0x5eed_u64;
    let mut random = move |bound: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(state >> 33).unwrap() % bound.max(1)
    };
    let mut sources: Vec<Vec<u8>> = frames().into_iter().map(|(_, frame)| frame.encode()).collect();
    sources.push(hello().encode());
    for round in 0..20_000 {
        let mut bytes = sources[random(sources.len())].clone();
        for _ in 0..1 + random(4) {
            let at = random(bytes.len());
            match random(5) {
                0 => bytes[at] = u8::try_from(random(256)).unwrap(),
                1 => bytes[at] ^= 1 << random(8),
                2 => bytes.truncate(at),
                3 => bytes.insert(at, u8::try_from(random(256)).unwrap()),
                _ => bytes.splice(at..at, [0x9b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]).for_each(drop),
            }
            if bytes.is_empty() {
                bytes.push(0);
            }
        }
        let lane = if round % 2 == 0 { Lane::Records } else { Lane::Files };
        if let Ok(frame) = Frame::decode(lane, &bytes) {
            assert_eq!(Frame::decode(lane, &frame.encode()).unwrap(), frame, "what was read can be written");
        }
        let _ = Hello::decode(&bytes);
    }
}
