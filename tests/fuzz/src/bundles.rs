//! Bundles: what comes on a stick, sealed, plain, and signed by a hostile maker.

use std::cell::OnceCell;
use std::collections::BTreeSet;
use std::io::{Read as _, Write as _};

use outlet_core::bundle::{self, End, Header, MAGIC, Writer};
use outlet_core::doc::Document;
use outlet_core::identity::Purpose;
use outlet_core::ids::{BlobHash, DocKind, Epoch};
use outlet_core::sync::memory::MemoryReplica;
use outlet_core::sync::replica::{Batch, BlobClass, BlobOffer, FeedItem, Sealed};
use outlet_transport::seal;
use sha2::{Digest as _, Sha256};

use crate::{Grant, Target, seeds};

/// Key of the hash over a bundle, as `core::bundle` documents it.
const CONTEXT: &str = "outlet 2026 bundle v1";

pub(crate) fn targets() -> Vec<Target> {
    // A batch inside unpacks to MAX_BATCH_BYTES (8 MiB) at most, as in a session.
    let grant = Grant { fixed: 64 << 20, per_byte: 256 };
    vec![
        Target { name: "bundle", seeds: whole, decode: check, grant },
        Target {
            name: "bundle_signed",
            seeds: without_end,
            decode: signed,
            grant: Grant { fixed: 96 << 20, per_byte: 1024 },
        },
        Target { name: "bundle_sealed", seeds: sealed, decode: open, grant: Grant { fixed: 1 << 20, per_byte: 64 } },
    ]
}

fn header() -> Header {
    Header {
        maker: seeds::member().public(),
        made_at: seeds::NOW,
        collections: vec![seeds::county()],
        certificate: Some(Sealed(seeds::certificate().to_bytes())),
        server_certificate: Some(Sealed(seeds::server_cert().to_bytes())),
    }
}

fn whole() -> Vec<Vec<u8>> {
    let items = vec![
        FeedItem::ServerCert(Sealed(seeds::server_cert().to_bytes())),
        FeedItem::Certificate(Sealed(seeds::certificate().to_bytes())),
        FeedItem::Run(seeds::run()),
    ];
    let bytes = b"not a photograph, but bytes";
    let offer = BlobOffer {
        hash: BlobHash(Sha256::digest(bytes).into()),
        bytes: bytes.len() as u64,
        class: BlobClass::Original,
        doc: seeds::doc(DocKind::Field),
        original: None,
    };
    let mut writer = Writer::new(Vec::new(), &header()).expect("memory takes a bundle");
    writer.batch(&Batch { items, cursors: Vec::new() }).expect("a small batch");
    writer.file(&offer, &mut &bytes[..]).expect("the file is as long as it says");
    vec![writer.finish(&seeds::member()).expect("memory takes a bundle")]
}

/// Nothing that was altered is believed.
fn check(bytes: &[u8]) {
    if bundle::check(bytes).is_ok() {
        assert!(whole().iter().any(|seed| seed == bytes), "an altered bundle is believed");
    }
}

/// Frames of a bundle with their kinds, as far as they are frames.
fn frames(bytes: &[u8]) -> Vec<(u32, &[u8])> {
    let mut rest = bytes.get(MAGIC.len()..).unwrap_or_default();
    let mut found = Vec::new();
    while let Some((length, after)) = rest.split_first_chunk::<4>() {
        let length = usize::try_from(u32::from_be_bytes(*length)).unwrap_or(usize::MAX);
        let Some((body, next)) = after.split_at_checked(length) else { break };
        let mut decoder = minicbor::Decoder::new(body);
        let Ok(kind) = decoder.array().and_then(|_| decoder.u32()) else { break };
        found.push((kind, &rest[..4 + length]));
        rest = next;
    }
    found
}

fn without_end() -> Vec<Vec<u8>> {
    let cut = |bundle: Vec<u8>| {
        let end = frames(&bundle).last().map_or(0, |(_, frame)| frame.len());
        bundle[..bundle.len() - end].to_vec()
    };
    whole().into_iter().map(cut).collect()
}

/// A maker who signs whatever it wrote. What is believed is taken by a server and by a device, and
/// their documents load.
fn signed(bytes: &[u8]) {
    let count = |wanted| frames(bytes).iter().filter(|(kind, _)| *kind == wanted).count() as u64;
    let hash = *blake3::Hasher::new_derive_key(CONTEXT).update(bytes).finalize().as_bytes();
    let signature = seeds::member().sign(Purpose::Bundle, &hash);
    let end = End { batches: count(1), files: count(2), hash, signature };
    let body = minicbor::to_vec((4_u32, (end,))).expect("memory takes a frame");
    let length = u32::try_from(body.len()).expect("a short frame").to_be_bytes();
    let bundle = [bytes, &length, &body].concat();
    if bundle::check(&bundle[..]).is_err() {
        assert!(!without_end().iter().any(|seed| seed == bytes), "an honest bundle is refused");
        return;
    }
    let wanted = BTreeSet::from([seeds::county()]);
    for mut replica in replicas() {
        let maker = seeds::member().public();
        let _ = bundle::import(&bundle[..], &mut replica, &maker, &wanted, seeds::NOW);
        for (key, document) in replica.documents(seeds::county()) {
            let loaded = Document::load(key.kind, &document.save()).expect("what a replica keeps loads again");
            assert_eq!(loaded.heads(), document.heads());
        }
    }
}

fn replicas() -> [MemoryReplica; 2] {
    thread_local! {
        static MADE: OnceCell<[MemoryReplica; 2]> = const { OnceCell::new() };
    }
    let make = || {
        let root = seeds::root();
        let device = outlet_core::identity::SecretKey::from_bytes([3; 32]);
        [
            MemoryReplica::server(seeds::server(), &root, Epoch([1; 8]), seeds::NOW),
            MemoryReplica::device(device, [0; 4], root.public()),
        ]
    };
    MADE.with(|made| made.get_or_init(make).clone())
}

/// The file key is random: mutations of this seed are others in each run.
fn sealed() -> Vec<Vec<u8>> {
    let mut writer = seal::seal(Vec::new(), &[seeds::server().public()]).expect("a key to seal for");
    writer.write_all(b"outlet-bundle/1\n and so on").expect("memory takes any bytes");
    vec![writer.finish().expect("memory takes any bytes")]
}

fn open(bytes: &[u8]) {
    if let Ok(mut plain) = seal::open(bytes, &seeds::server()) {
        let mut block = [0; 4096];
        while plain.read(&mut block).is_ok_and(|read| read > 0) {}
    }
}
