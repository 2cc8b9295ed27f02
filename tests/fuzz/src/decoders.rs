//! Decoders that need nothing but the bytes: wire, signed forms, tickets, texts, journal.

use std::str::FromStr;

use outlet_core::admission::{Limits, check_form, read_change};
use outlet_core::domain::code::{OutletCode, ProvincialCode, TemporaryNumber};
use outlet_core::domain::dictionary::Dictionaries;
use outlet_core::domain::party::{PermitNumber, Uscc};
use outlet_core::domain::region::{Regions, Rivers};
use outlet_core::geo::{parse_degrees, parse_pair};
use outlet_core::identity::{
    BlobReceipt, KeyUse, Membership, Receipt, Revocation, Ruling, ServerAddress, ServerGrant, Signable, Signed,
    SignedRun, SignedStatement, Statement, StatementLine, Ticket, from_spki_der, read_key_file, to_spki_der,
    write_key_file,
};
use outlet_core::ids::{Collection, DocKey, DocKind, Epoch, OutletId};
use outlet_core::ledger::MilestoneSet;
use outlet_core::store::frame::{self, FrameHash, FrameKind};
use outlet_core::store::record::{OwnAct, Record};
use outlet_core::sync::digest::CollectionDigest;
use outlet_core::sync::replica::{Batch, Cursor, FeedItem, Sealed, ShownReceipt};
use outlet_core::sync::wire::{self, Frame, Hello, HelloLine, Lane};
use outlet_core::time::{Day, Timestamp};
use sha2::{Digest as _, Sha256};

use crate::{Grant, Target, seeds, stream};

/// Plain readers: a small multiple of what came, and room for an error's text.
const PLAIN: Grant = Grant { fixed: 64 << 10, per_byte: 64 };

pub(crate) fn targets() -> Vec<Target> {
    let plain = |name, seeds, decode| Target { name, seeds, decode, grant: PLAIN };
    vec![
        plain("wire_frame", golden_frames, wire_frame),
        plain("hello", hellos, hello),
        // Inflated bytes are bounded by MAX_BATCH_BYTES (8 MiB), whatever the packed ones say; a
        // vector that grows holds three times as much for a moment.
        Target {
            name: "batch_packed",
            seeds: packed_batches,
            decode: batch_packed,
            grant: Grant { fixed: 64 << 20, per_byte: 256 },
        },
        Target { name: "batch", seeds: batches, decode: batch, grant: Grant { fixed: 6 << 20, per_byte: 64 } },
        plain("signed", signed_forms, signed),
        plain("statement", statements, statement),
        plain("run", runs, run),
        plain("change", changes, change),
        // An operation has a byte at least, and takes up to so many cells and strings.
        Target {
            name: "change_body",
            seeds: changes,
            decode: change_body,
            grant: Grant { fixed: 64 << 10, per_byte: 512 },
        },
        plain("ticket", tickets, ticket),
        plain("text", texts, text),
        plain("key_file", key_files, key_file),
        plain("journal_frame", journal_frames, journal_frame),
        plain("journal_record", journal_records, journal_record),
        plain("digest", digests, digest),
        // The TOML reader goes on after an error, and keeps a token and an event for every few bytes of a
        // broken table: 95 bytes of memory for one of text in the kept input. Its cost is linear.
        Target {
            name: "reference_toml",
            seeds: reference_files,
            decode: reference_toml,
            grant: Grant { fixed: 64 << 10, per_byte: 192 },
        },
        Target {
            name: "network_frame",
            seeds: network_frames,
            decode: network_frame,
            grant: Grant { fixed: 256 << 10, per_byte: 64 },
        },
    ]
}

fn golden_frames() -> Vec<Vec<u8>> {
    let golden = include_str!("../../../fixtures/golden/wire-v1.txt");
    let hex = |text: &str| -> Option<Vec<u8>> {
        (0..text.len()).step_by(2).map(|at| u8::from_str_radix(text.get(at..at + 2)?, 16).ok()).collect()
    };
    let frames: Vec<Vec<u8>> = golden
        .lines()
        .filter_map(|line| hex(line.split_whitespace().last()?))
        .filter(|bytes| !bytes.is_empty())
        .collect();
    assert!(frames.len() > 15, "golden frames are read");
    frames
}

/// What was read is written and read again as the same.
fn wire_frame(bytes: &[u8]) {
    for lane in [Lane::Records, Lane::Files] {
        if let Ok(frame) = Frame::decode(lane, bytes) {
            assert_eq!(Frame::decode(lane, &frame.encode()).expect("own bytes are readable"), frame);
        }
    }
}

fn hellos() -> Vec<Vec<u8>> {
    let cursor = Cursor { epoch: Epoch([2; 8]), seq: 1000, chain: outlet_core::ids::ChainHash([3; 16]) };
    let line =
        HelloLine { collection: seeds::county(), digest: seeds::digest(), count: 300, held: 2, cursor: Some(cursor) };
    let mut bytes = Vec::new();
    for frame in golden_frames() {
        if let Ok(Frame::Hello(hello)) = Frame::decode(Lane::Records, &frame)
            && let Ok(mut read) = Hello::decode(&hello.body)
        {
            bytes.push(hello.body);
            read.lines = vec![line; 5];
            bytes.push(read.encode());
        }
    }
    bytes
}

fn hello(bytes: &[u8]) {
    if let Ok(hello) = Hello::decode(bytes) {
        assert!(hello.lines.len() <= wire::MAX_COLLECTIONS);
        assert_eq!(Hello::decode(&hello.encode()).expect("own bytes are readable"), hello);
    }
}

fn honest_batch() -> Batch {
    let items = vec![
        FeedItem::Run(seeds::run()),
        FeedItem::Certificate(Sealed(seeds::certificate().to_bytes())),
        FeedItem::ServerCert(Sealed(seeds::server_cert().to_bytes())),
        FeedItem::Revocation(Sealed(seeds::revocation().to_bytes())),
        FeedItem::Ruling(Sealed(seeds::ruling().to_bytes())),
        FeedItem::Receipt(ShownReceipt {
            receipt: Sealed(seeds::receipt().to_bytes()),
            runs: vec![(seeds::run().doc, seeds::run().last().expect("a run has changes"))],
        }),
        FeedItem::FileReceipt(Sealed(seeds::receipt().to_bytes())),
    ];
    let cursor = Cursor { epoch: Epoch([2; 8]), seq: 7, chain: outlet_core::ids::ChainHash([3; 16]) };
    Batch { items, cursors: vec![(seeds::county(), cursor)] }
}

/// A packet of a batch, and one that unpacks to far more than is allowed.
fn packed_batches() -> Vec<Vec<u8>> {
    vec![wire::pack(&honest_batch()).expect("a small batch"), stream::pack(&vec![0; 64 << 20])]
}

fn batch_packed(bytes: &[u8]) {
    if let Ok(batch) = wire::unpack(bytes) {
        let again = wire::pack(&batch).expect("what fitted fits");
        assert_eq!(wire::unpack(&again).expect("own bytes are readable"), batch);
    }
    // The same in parts, as a slow link brings them.
    let mut unpacker = wire::Unpacker::default();
    for part in bytes.chunks(97) {
        if unpacker.part(part, false).is_err() {
            return;
        }
    }
    let _ = unpacker.part(&[], true);
}

fn batches() -> Vec<Vec<u8>> {
    vec![stream::unpack(&wire::pack(&honest_batch()).expect("a small batch"))]
}

/// The contents of a batch, packed properly: mutations get past the compression.
fn batch(bytes: &[u8]) {
    let _ = wire::unpack(&stream::pack(bytes));
}

fn signed_forms() -> Vec<Vec<u8>> {
    vec![
        seeds::certificate().to_bytes(),
        seeds::server_cert().to_bytes(),
        seeds::revocation().to_bytes(),
        seeds::receipt().to_bytes(),
        seeds::blob_receipt().to_bytes(),
        seeds::ruling().to_bytes(),
    ]
}

fn signed(bytes: &[u8]) {
    fn one<T: Signable + PartialEq + std::fmt::Debug>(bytes: &[u8], believed: &mut usize) {
        if let Ok(form) = Signed::<T>::from_bytes(bytes) {
            assert_eq!(form.to_bytes(), bytes, "the bytes that were signed are kept");
            *believed += usize::from(form.verify().is_ok());
        }
    }
    let mut believed = 0;
    one::<Membership>(bytes, &mut believed);
    one::<ServerGrant>(bytes, &mut believed);
    one::<Revocation>(bytes, &mut believed);
    one::<Receipt>(bytes, &mut believed);
    one::<BlobReceipt>(bytes, &mut believed);
    one::<Ruling>(bytes, &mut believed);
    assert!(believed <= 1, "one signature, one meaning");
    assert!(believed == 0 || signed_forms().iter().any(|seed| seed == bytes), "no bent byte is believed");
}

fn statements() -> Vec<Vec<u8>> {
    let line = StatementLine { collection: seeds::county(), digest: seeds::digest(), count: 3, held: 0, seq: 9 };
    let statement = Statement {
        acceptor: seeds::server().public(),
        initiator: seeds::member().public(),
        session: [8; 16],
        epoch: Epoch([2; 8]),
        at: seeds::NOW,
        lines: vec![line; 3],
    };
    let (by_acceptor, by_initiator) = (statement.sign(&seeds::server()), statement.sign(&seeds::member()));
    vec![SignedStatement { statement, by_acceptor, by_initiator }.to_bytes()]
}

fn statement(bytes: &[u8]) {
    if let Ok(form) = SignedStatement::from_bytes(bytes) {
        let _ = form.verify();
    }
}

fn runs() -> Vec<Vec<u8>> {
    vec![seeds::run().to_bytes()]
}

fn run(bytes: &[u8]) {
    if let Ok(run) = SignedRun::from_bytes(bytes) {
        assert_eq!(SignedRun::from_bytes(&run.to_bytes()).expect("own bytes are readable"), run);
        let _ = check_form(&run);
    }
}

fn changes() -> Vec<Vec<u8>> {
    let honest = seeds::changes().1.into_iter().map(|change| change.raw);
    honest.chain(seeds::fixtures("hostile")).filter(|bytes| bytes.len() > 9).collect()
}

fn change(bytes: &[u8]) {
    let _ = read_change(bytes, &Limits::ADMISSION);
}

/// The checksum in the header is the first thing that a mutation breaks: here it is set right again.
fn change_body(bytes: &[u8]) {
    change(&rechecked(bytes));
}

pub(crate) fn rechecked(bytes: &[u8]) -> Vec<u8> {
    let mut raw = bytes.to_vec();
    if let Some(body) = bytes.get(8..) {
        raw[4..8].copy_from_slice(&Sha256::digest(body)[..4]);
    }
    raw
}

fn tickets() -> Vec<Vec<u8>> {
    let ticket = seeds::ticket();
    vec![ticket.to_text().into_bytes(), ticket.to_qr_text().into_bytes()]
}

fn ticket(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Ok(ticket) = Ticket::from_str(text) {
        assert_eq!(Ticket::from_str(&ticket.to_text()).expect("own text is readable"), ticket);
    }
}

fn texts() -> Vec<Vec<u8>> {
    [
        "quic://203.0.113.7:4433",
        "2021-12-31T23:30:00+08:00",
        "2021-12-31",
        "field/511902/019a0c3e-7b1d-7c3a-9f00-0123456789ab",
        "511902",
        "106.769215,31.851020",
        "106°46'09.2\"E 31°51′03.7″N",
        "１０６．７６９２１５，３１．８５１",
        "91511900MA62A1B2C3",
        "91511900MA62A1B2C3001V",
        "511902A0001",
        "TXH4WJ-261127-001",
        "FA-511902-0001-GY-01",
    ]
    .map(|text| text.as_bytes().to_vec())
    .to_vec()
}

fn text(bytes: &[u8]) {
    fn again<T: FromStr + ToString + PartialEq + std::fmt::Debug>(text: &str) {
        if let Ok(value) = text.parse::<T>() {
            let own = value.to_string();
            assert!(
                own.parse::<T>().is_ok_and(|read| read == value),
                "{text:?} was read as {value:?} and written {own:?}"
            );
        }
    }
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    again::<ServerAddress>(text);
    again::<Timestamp>(text);
    again::<Day>(text);
    again::<DocKey>(text);
    again::<Collection>(text);
    again::<OutletId>(text);
    again::<Uscc>(text);
    again::<PermitNumber>(text);
    again::<OutletCode>(text);
    again::<ProvincialCode>(text);
    again::<TemporaryNumber>(text);
    if let Ok((first, second)) = parse_pair(text) {
        assert!(first.is_finite() && second.is_finite(), "{text:?}");
    }
    if let Ok(degrees) = parse_degrees(text) {
        assert!(degrees.is_finite(), "{text:?}");
    }
}

fn key_files() -> Vec<Vec<u8>> {
    let der = to_spki_der(&seeds::member().public()).to_vec();
    vec![write_key_file(&seeds::member(), KeyUse::Device).to_vec(), der]
}

fn key_file(bytes: &[u8]) {
    let _ = read_key_file(bytes, KeyUse::Device);
    if let Some(key) = from_spki_der(bytes) {
        assert_eq!(to_spki_der(&key).as_slice(), bytes);
    }
}

fn journal_frames() -> Vec<Vec<u8>> {
    let commit = frame::encode(FrameKind::Commit, 7, FrameHash([4; 32]), b"payload").0;
    let footer = frame::encode(FrameKind::Footer, 8, FrameHash([4; 32]), &[0; 64]).0;
    vec![[commit.clone(), footer].concat(), commit]
}

fn journal_frame(bytes: &[u8]) {
    if let Ok(frame) = frame::parse(bytes) {
        assert!(frame.len() <= bytes.len());
        let (own, hash) = frame::encode(frame.kind, frame.sequence, frame.previous, frame.payload);
        assert_eq!((own.as_slice(), hash), (&bytes[..frame.len()], frame.hash));
    }
}

fn journal_records() -> Vec<Vec<u8>> {
    let mut record = Record::new(seeds::NOW);
    record.own = Some(OwnAct { run: seeds::run(), reissue_of: None });
    vec![record.to_bytes(), Record::new(seeds::NOW).to_bytes()]
}

fn journal_record(bytes: &[u8]) {
    if let Ok(record) = Record::from_bytes(1, bytes) {
        let _ = Record::from_bytes(1, &record.to_bytes()).expect("own bytes are readable");
    }
}

fn digests() -> Vec<Vec<u8>> {
    let mut digest = CollectionDigest::default();
    digest.add(&seeds::doc(DocKind::Field), &[outlet_core::ids::ChangeHash([5; 32])]);
    vec![digest.to_bytes(), CollectionDigest::default().to_bytes()]
}

fn digest(bytes: &[u8]) {
    if let Some(digest) = CollectionDigest::from_bytes(bytes) {
        assert_eq!(digest.to_bytes(), bytes);
    }
    let _ = DocKey::from_bytes(bytes);
}

fn reference_files() -> Vec<Vec<u8>> {
    let mut files =
        [seeds::fixtures("milestones"), seeds::fixtures("rivers"), seeds::fixtures("dictionaries")].concat();
    // Mutations of a small file go through more of them in the same time.
    files.sort_by_key(Vec::len);
    files.truncate(4);
    files
}

fn reference_toml(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let _ = MilestoneSet::parse(text);
    let _ = Dictionaries::parse(text);
    let _ = Regions::parse(text);
    let _ = Rivers::parse(text);
}

fn network_frames() -> Vec<Vec<u8>> {
    let framed = |body: &[u8]| [&u32::try_from(body.len()).expect("short").to_be_bytes()[..], body].concat();
    vec![golden_frames().iter().flat_map(|frame| framed(frame)).collect(), framed(b"")]
}

fn network_frame(bytes: &[u8]) {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let mut stream = bytes;
    let mut read = 0;
    while let Ok(Some(frame)) = runtime.block_on(outlet_transport::frame::read_frame(&mut stream)) {
        read += frame.len();
        assert!(read <= bytes.len());
    }
}
