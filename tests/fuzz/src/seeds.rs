//! Honest bytes of every kind, made by the same code that makes real ones.

use std::collections::BTreeSet;

use outlet_core::doc::{Document, NewChange, to_json};
use outlet_core::domain::field::{Fact, FieldEntry, Note};
use outlet_core::identity::{
    BlobReceipt, Certificate, Level, Membership, Receipt, Revocation, Role, Roster, Ruling, RulingReason, SecretKey,
    ServerCert, ServerGrant, ServerStanding, Signed, SignedRun, Ticket, TicketSecret, Verdict,
};
use outlet_core::ids::{Actor, BlobHash, ChangeHash, Collection, Digest, DocKey, DocKind, Epoch, OutletId, PersonId};
use outlet_core::time::Timestamp;

pub(crate) const NOW: Timestamp = Timestamp::from_millis(1_650_000_000_000);

pub(crate) fn county() -> Collection {
    Collection::from_code(511_902).expect("a county")
}

pub(crate) fn root() -> SecretKey {
    SecretKey::from_bytes([100; 32])
}

pub(crate) fn server() -> SecretKey {
    SecretKey::from_bytes([101; 32])
}

/// The member whose key the fuzzer has: the hostile one.
pub(crate) fn member() -> SecretKey {
    SecretKey::from_bytes([1; 32])
}

pub(crate) fn doc(kind: DocKind) -> DocKey {
    let collection = if kind == DocKind::Reference { Collection::REFERENCE } else { county() };
    DocKey { kind, collection, id: OutletId(uuid::Uuid::from_bytes([3; 16])) }
}

pub(crate) fn server_cert() -> ServerCert {
    let (key, standing) = (server().public(), ServerStanding::Active);
    Signed::sign(&root(), ServerGrant { key, name: "巴中市".to_owned(), issued_at: NOW, serial: 1, standing })
}

pub(crate) fn certificate() -> Certificate {
    let membership = Membership {
        key: member().public(),
        person: PersonId([1; 16]),
        name: "李明".to_owned(),
        role: Role::Supervisor,
        level: Some(Level::City),
        collections: BTreeSet::from([county()]),
        not_before: Timestamp::from_millis(0),
        not_after: NOW.plus_millis(1 << 40),
        serial: 1,
    };
    Signed::sign(&server(), membership)
}

pub(crate) fn roster() -> Roster {
    let mut roster = Roster::new(root().public());
    let known = roster.add_server(&server_cert()).is_ok() && roster.add(&certificate()).is_ok();
    assert!(known, "certificates made here are good");
    roster
}

pub(crate) fn entries() -> Vec<String> {
    let fact = |field: &str, value: serde_json::Value| {
        let fact =
            Fact { field: field.to_owned(), value, basis: None, reason: None, on: None, replaces: Vec::new(), at: NOW };
        to_json(&FieldEntry::Fact(fact)).expect("an entry becomes JSON")
    };
    let note = Note { kind: "note".to_owned(), text: "桥下有管".to_owned(), on: None, at: NOW };
    vec![
        to_json(&FieldEntry::Note(note)).expect("an entry becomes JSON"),
        fact("name", "甲口".into()),
        fact(
            "location",
            serde_json::json!({"lon": 106.7, "lat": 31.8, "raw_lon": 106.7, "raw_lat": 31.8, "datum": "wgs84"}),
        ),
    ]
}

/// A field record of three changes, the second with a register.
pub(crate) fn changes() -> (Document, Vec<NewChange>) {
    let mut document = Document::new(DocKind::Field);
    let actor = Actor::new(member().public(), [1, 0, 0, 1]);
    let entries = entries();
    let remarks = |text: &str| vec![("remarks".to_owned(), text.to_owned())];
    let registers = [Vec::new(), remarks("远"), remarks("近")];
    let changes: Vec<_> = entries
        .iter()
        .zip(&registers)
        .map(|(entry, registers)| document.write(&actor, NOW, std::slice::from_ref(entry), registers))
        .collect();
    (document, changes.into_iter().map(|change| change.expect("an honest act is written")).collect())
}

pub(crate) fn run() -> SignedRun {
    let changes = changes().1.into_iter().map(|change| change.raw).collect();
    SignedRun::sign(&member(), doc(DocKind::Field), changes).expect("a run with changes")
}

pub(crate) fn revocation() -> Signed<Revocation> {
    let (reason, who) = ("手机丢失".to_owned(), "admin".to_owned());
    Signed::sign(&server(), Revocation { key: member().public(), at: NOW, reason, who })
}

pub(crate) fn receipt() -> Signed<Receipt> {
    let runs = Receipt::list_digest(&[(doc(DocKind::Field), ChangeHash([5; 32]))]);
    let receipt =
        Receipt { epoch: Epoch([2; 8]), collection: county(), from_seq: 1, to_seq: 2, at: NOW, count: 1, runs };
    Signed::sign(&server(), receipt)
}

pub(crate) fn blob_receipt() -> Signed<BlobReceipt> {
    Signed::sign(&server(), BlobReceipt { sha256: BlobHash([7; 32]), bytes: 12, at: NOW })
}

pub(crate) fn ruling() -> Signed<Ruling> {
    let ruling = Ruling {
        doc: doc(DocKind::Field),
        run: ChangeHash([5; 32]),
        changes: vec![ChangeHash([5; 32])],
        verdict: Verdict::Held,
        reason: RulingReason::from_code(1),
        who: "server".to_owned(),
        at: NOW,
        serial: 1,
        note: Some("quota".to_owned()),
    };
    Signed::sign(&server(), ruling)
}

pub(crate) fn ticket() -> Ticket {
    Ticket {
        addresses: vec![
            "quic://127.0.0.1:4433".parse().expect("an address"),
            "tls://[::1]:443".parse().expect("an address"),
        ],
        root: root().public(),
        server: server().public(),
        secret: TicketSecret::from_bytes([9; 16]),
        role: Role::Inspector,
        level: None,
        collections: BTreeSet::from([county()]),
        name: "张三".to_owned(),
        person: PersonId([4; 16]),
        expires_at: NOW,
    }
}

pub(crate) fn digest() -> Digest {
    Digest([6; 32])
}

/// The files of a folder below `fixtures`, for decoders of what administrators load.
pub(crate) fn fixtures(folder: &str) -> Vec<Vec<u8>> {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures").join(folder);
    let mut files: Vec<_> =
        std::fs::read_dir(path).expect("fixtures").map(|entry| entry.expect("an entry").path()).collect();
    files.retain(|file| file.is_file());
    files.sort();
    files.iter().map(|file| std::fs::read(file).expect("a fixture")).collect()
}
