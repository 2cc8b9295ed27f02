//! Members, documents and runs for the tests.

use std::collections::BTreeSet;

use crate::admission::{CheckedRun, check_run};
use crate::doc::{Document, NewChange, to_json};
use crate::domain::field::{Fact, FieldEntry, Note};
use crate::identity::{Level, Membership, Role, Roster, SecretKey, ServerGrant, ServerStanding, Signed, SignedRun};
use crate::ids::{Actor, DocKey, DocKind, EntryId, OutletId, PersonId};
use crate::time::Timestamp;

pub(super) const NOW: Timestamp = Timestamp::from_millis(1_650_000_000_000);

pub(super) fn key(byte: u8) -> SecretKey {
    SecretKey::from_bytes([byte; 32])
}

pub(super) fn actor(byte: u8) -> Actor {
    Actor::new(key(byte).public(), [byte, 0, 0, 1])
}

pub(super) const SERVER: u8 = 101;
pub(super) const INSPECTOR: u8 = 1;
pub(super) const SECOND: u8 = 2;
pub(super) const COUNTY: u8 = 3;
pub(super) const CITY: u8 = 4;
pub(super) const ADMIN: u8 = 5;
pub(super) const VIEWER: u8 = 6;
pub(super) const ELSEWHERE: u8 = 7;
pub(super) const STRANGER: u8 = 9;

pub(super) fn roster() -> Roster {
    let root = key(100);
    let mut roster = Roster::new(root.public());
    let grant = ServerGrant {
        key: key(SERVER).public(),
        name: "server".to_owned(),
        issued_at: NOW,
        serial: 1,
        standing: ServerStanding::Active,
    };
    roster.add_server(&Signed::sign(&root, grant)).unwrap();
    for (byte, role, level, collection) in [
        (INSPECTOR, Role::Inspector, None, "511902"),
        (SECOND, Role::Inspector, None, "511902"),
        (COUNTY, Role::Supervisor, Some(Level::County), "511902"),
        (CITY, Role::Supervisor, Some(Level::City), "511902"),
        (ADMIN, Role::Admin, None, "511902"),
        (VIEWER, Role::Viewer, None, "511902"),
        (ELSEWHERE, Role::Inspector, None, "511903"),
    ] {
        let membership = Membership {
            key: key(byte).public(),
            person: PersonId([byte; 16]),
            name: format!("member {byte}"),
            role,
            level,
            collections: BTreeSet::from([collection.parse().unwrap()]),
            not_before: Timestamp::from_millis(0),
            not_after: Timestamp::from_millis(1),
            serial: 1,
        };
        roster.add(&Signed::sign(&key(SERVER), membership)).unwrap();
    }
    roster
}

pub(super) fn doc_key(kind: DocKind) -> DocKey {
    let collection = if kind == DocKind::Reference { "000000" } else { "511902" };
    DocKey { kind, collection: collection.parse().unwrap(), id: OutletId(uuid::Uuid::from_bytes([3; 16])) }
}

pub(super) fn note(text: &str) -> String {
    to_json(&FieldEntry::Note(Note { kind: "note".to_owned(), text: text.to_owned(), on: None, at: NOW })).unwrap()
}

pub(super) fn fact(field: &str, value: impl Into<serde_json::Value>, replaces: &[EntryId], salt: i64) -> String {
    to_json(&FieldEntry::Fact(Fact {
        field: field.to_owned(),
        value: value.into(),
        basis: None,
        reason: None,
        on: None,
        replaces: replaces.to_vec(),
        at: NOW.plus_millis(salt),
    }))
    .unwrap()
}

pub(super) fn write(document: &mut Document, byte: u8, entries: &[String]) -> NewChange {
    document.write(&actor(byte), NOW, entries, &[]).unwrap()
}

pub(super) fn sign(byte: u8, kind: DocKind, changes: &[&NewChange]) -> SignedRun {
    sign_raw(byte, kind, changes.iter().map(|change| change.raw.clone()).collect())
}

pub(super) fn sign_raw(byte: u8, kind: DocKind, changes: Vec<Vec<u8>>) -> SignedRun {
    SignedRun::sign(&key(byte), doc_key(kind), changes).unwrap()
}

pub(super) fn checked(byte: u8, kind: DocKind, changes: &[&NewChange]) -> CheckedRun {
    check_run(&sign(byte, kind, changes), &roster()).unwrap()
}
