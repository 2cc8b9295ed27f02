//! Constant changes: the genesis of each kind of document and the upgrades that bring the
//! containers of a newer schema.
//!
//! They are bytes in the source, admitted by hash and never signed. Two replicas that start or
//! upgrade a document without knowing of each other therefore hold byte-identical changes, and
//! merging hides nothing: had each created its own map under the same key, one side's contents
//! would disappear behind the other's.

use automerge::transaction::{CommitOptions, Transactable};
use automerge::{Automerge, Change, ObjType, ROOT};

use super::DocError;
use crate::ids::{Actor, ChangeHash, DocKind};

/// The actor of all constant changes. No key belongs to it, so nobody can sign for it.
pub const RESERVED: Actor = Actor([0; 36]);

/// One constant change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Constant {
    /// Schema version that the document has with it.
    pub schema: u16,
    /// SHA-256 of the chunk.
    pub hash: ChangeHash,
    /// The chunk.
    pub raw: Vec<u8>,
    /// Containers that it creates, each with the operation counter that is its object id (its
    /// actor is [`RESERVED`]).
    pub containers: Vec<(String, u64)>,
    /// Highest operation counter in it.
    pub max_op: u64,
}

/// The constant changes that a version of the program knows, for each kind in schema order.
///
/// Shipped is schema 1 ([`Constants::shipped`]); another table can be passed wherever documents
/// are opened or admitted, which is how an upgrade is tested before it exists.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Constants {
    field: Vec<Constant>,
    case: Vec<Constant>,
    reference: Vec<Constant>,
}

/// Name of the map of entries, in every document since schema 1.
pub const ENTRIES: &str = "entries";
/// Name of the map of registers, in every document since schema 1. The only container where a
/// value may be overwritten, in every schema to come.
pub const REGISTERS: &str = "registers";

const SHIPPED_SCHEMA: u16 = 1;
const GENESIS_CONTAINERS: [&str; 2] = [ENTRIES, REGISTERS];

impl Constants {
    /// The table of this version of the program.
    #[must_use]
    pub fn shipped() -> &'static Self {
        static SHIPPED: std::sync::OnceLock<Constants> = std::sync::OnceLock::new();
        SHIPPED.get_or_init(|| {
            let genesis = |kind| {
                let (hash, raw) = shipped_bytes(kind);
                Constant {
                    schema: SHIPPED_SCHEMA,
                    hash: ChangeHash(*hash),
                    raw: raw.to_vec(),
                    containers: GENESIS_CONTAINERS.into_iter().map(str::to_owned).zip(1..).collect(),
                    max_op: 4,
                }
            };
            Self {
                field: vec![genesis(DocKind::Field)],
                case: vec![genesis(DocKind::Case)],
                reference: vec![genesis(DocKind::Reference)],
            }
        })
    }

    /// This table and one more upgrade for the kind: it brings the named containers.
    ///
    /// # Errors
    /// When automerge cannot build the change.
    pub fn with_upgrade(mut self, kind: DocKind, containers: &[&str]) -> Result<Self, DocError> {
        let known = self.of(kind);
        let schema = u16::try_from(known.len() + 1).map_err(|_| DocError::TooLarge("schema versions"))?;
        let next = constant_change(kind, schema, containers, known)?;
        self.of_mut(kind).push(next);
        Ok(self)
    }

    /// The constants of a kind, genesis first.
    #[must_use]
    pub fn of(&self, kind: DocKind) -> &[Constant] {
        match kind {
            DocKind::Field => &self.field,
            DocKind::Case => &self.case,
            DocKind::Reference => &self.reference,
        }
    }

    fn of_mut(&mut self, kind: DocKind) -> &mut Vec<Constant> {
        match kind {
            DocKind::Field => &mut self.field,
            DocKind::Case => &mut self.case,
            DocKind::Reference => &mut self.reference,
        }
    }

    /// The constant with this hash.
    #[must_use]
    pub fn find(&self, kind: DocKind, hash: &ChangeHash) -> Option<&Constant> {
        self.of(kind).iter().find(|constant| constant.hash == *hash)
    }

    /// What the operation `counter` of the reserved actor is: a container and the constant that
    /// brings it.
    #[must_use]
    pub fn container(&self, kind: DocKind, counter: u64) -> Option<(&str, &Constant)> {
        self.of(kind).iter().find_map(|constant| {
            let (name, _) = constant.containers.iter().find(|(_, op)| *op == counter)?;
            Some((name.as_str(), constant))
        })
    }

    /// Highest operation counter of the reserved actor that this version knows.
    #[must_use]
    pub fn max_op(&self, kind: DocKind) -> u64 {
        self.of(kind).last().map_or(0, |constant| constant.max_op)
    }
}

/// Builds the constant change of a schema version on top of those before it: the containers in the
/// given order, then `schema`, then (for the genesis) `kind`. Actor [`RESERVED`], time 0, depending
/// on nothing but the constant before it.
///
/// # Errors
/// When automerge refuses, which would be a mistake in the table.
pub fn constant_change(
    kind: DocKind,
    schema: u16,
    containers: &[&str],
    before: &[Constant],
) -> Result<Constant, DocError> {
    let mut document = Automerge::new();
    let earlier = before.iter().map(|constant| Change::from_bytes(constant.raw.clone())).collect::<Result<Vec<_>, _>>();
    document.apply_changes(earlier.map_err(DocError::automerge)?).map_err(DocError::automerge)?;
    document.set_actor(automerge::ActorId::from(&RESERVED.0[..]));
    let mut transaction = document.transaction();
    for container in containers {
        transaction.put_object(ROOT, *container, ObjType::Map).map_err(DocError::automerge)?;
    }
    transaction.put(ROOT, "schema", u64::from(schema)).map_err(DocError::automerge)?;
    if before.is_empty() {
        transaction.put(ROOT, "kind", kind.to_string()).map_err(DocError::automerge)?;
    }
    transaction.commit_with(CommitOptions::default().with_time(0));
    let change = document.get_last_local_change().ok_or(DocError::NotOurs("no constant change was built"))?;
    let first = change.start_op().get();
    Ok(Constant {
        schema,
        hash: ChangeHash(change.hash().0),
        raw: change.raw_bytes().to_vec(),
        containers: containers.iter().map(|name| (*name).to_owned()).zip(first..).collect(),
        max_op: change.max_op(),
    })
}

fn shipped_bytes(kind: DocKind) -> (&'static [u8; 32], &'static [u8]) {
    match kind {
        DocKind::Field => (&constants::FIELD_HASH, &constants::FIELD),
        DocKind::Case => (&constants::CASE_HASH, &constants::CASE),
        DocKind::Reference => (&constants::REFERENCE_HASH, &constants::REFERENCE),
    }
}

#[rustfmt::skip]
mod constants {
    //! Released bytes: never edited. A test regenerates them.
    pub(super) const FIELD_HASH: [u8; 32] = [
        0x20, 0xc8, 0x66, 0x0d, 0x64, 0x31, 0xcb, 0x8a, 0x71, 0x51, 0xae, 0xfb, 0x67, 0x1b, 0x9d, 0x19, 0x19, 0x13, 0x5d, 0x17,
        0x42, 0xfc, 0x27, 0x3f, 0x77, 0x48, 0x84, 0x27, 0x15, 0xa7, 0x95, 0x93,
    ];
    pub(super) const FIELD: [u8; 115] = [
        0x85, 0x6f, 0x4a, 0x83, 0x20, 0xc8, 0x66, 0x0d, 0x01, 0x69, 0x00, 0x24, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
        0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
        0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x01, 0x01, 0x00, 0x00, 0x00, 0x06, 0x15, 0x1f, 0x34, 0x01, 0x42, 0x04,
        0x56, 0x05, 0x57, 0x06, 0x70, 0x02, 0x7c, 0x07, 0x65, 0x6e, 0x74, 0x72, 0x69, 0x65, 0x73, 0x09, 0x72, 0x65, 0x67, 0x69,
        0x73, 0x74, 0x65, 0x72, 0x73, 0x06, 0x73, 0x63, 0x68, 0x65, 0x6d, 0x61, 0x04, 0x6b, 0x69, 0x6e, 0x64, 0x04, 0x02, 0x00,
        0x02, 0x01, 0x02, 0x00, 0x7e, 0x13, 0x56, 0x01, 0x66, 0x69, 0x65, 0x6c, 0x64, 0x04, 0x00,
    ];
    pub(super) const CASE_HASH: [u8; 32] = [
        0xea, 0x17, 0x65, 0x7b, 0x6a, 0xcb, 0x97, 0xf7, 0x31, 0xb7, 0xcb, 0x0e, 0x0a, 0xbc, 0x2f, 0x8b, 0x8c, 0x3d, 0x73, 0x62,
        0xb5, 0x14, 0xd7, 0x5c, 0x6c, 0x0b, 0x6a, 0x1c, 0xde, 0x98, 0x77, 0x21,
    ];
    pub(super) const CASE: [u8; 114] = [
        0x85, 0x6f, 0x4a, 0x83, 0xea, 0x17, 0x65, 0x7b, 0x01, 0x68, 0x00, 0x24, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
        0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
        0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x01, 0x01, 0x00, 0x00, 0x00, 0x06, 0x15, 0x1f, 0x34, 0x01, 0x42, 0x04,
        0x56, 0x05, 0x57, 0x05, 0x70, 0x02, 0x7c, 0x07, 0x65, 0x6e, 0x74, 0x72, 0x69, 0x65, 0x73, 0x09, 0x72, 0x65, 0x67, 0x69,
        0x73, 0x74, 0x65, 0x72, 0x73, 0x06, 0x73, 0x63, 0x68, 0x65, 0x6d, 0x61, 0x04, 0x6b, 0x69, 0x6e, 0x64, 0x04, 0x02, 0x00,
        0x02, 0x01, 0x02, 0x00, 0x7e, 0x13, 0x46, 0x01, 0x63, 0x61, 0x73, 0x65, 0x04, 0x00,
    ];
    pub(super) const REFERENCE_HASH: [u8; 32] = [
        0x11, 0xf1, 0x44, 0x83, 0xda, 0xe3, 0x0e, 0xee, 0x8c, 0x6d, 0x89, 0x15, 0x79, 0x23, 0xe0, 0xbc, 0x5b, 0xf3, 0xb4, 0x07,
        0x24, 0xd3, 0x85, 0x24, 0x16, 0x91, 0xc7, 0xf0, 0xf4, 0x4d, 0x86, 0x0a,
    ];
    pub(super) const REFERENCE: [u8; 120] = [
        0x85, 0x6f, 0x4a, 0x83, 0x11, 0xf1, 0x44, 0x83, 0x01, 0x6e, 0x00, 0x24, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
        0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
        0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x01, 0x01, 0x00, 0x00, 0x00, 0x06, 0x15, 0x1f, 0x34, 0x01, 0x42, 0x04,
        0x56, 0x06, 0x57, 0x0a, 0x70, 0x02, 0x7c, 0x07, 0x65, 0x6e, 0x74, 0x72, 0x69, 0x65, 0x73, 0x09, 0x72, 0x65, 0x67, 0x69,
        0x73, 0x74, 0x65, 0x72, 0x73, 0x06, 0x73, 0x63, 0x68, 0x65, 0x6d, 0x61, 0x04, 0x6b, 0x69, 0x6e, 0x64, 0x04, 0x02, 0x00,
        0x02, 0x01, 0x02, 0x00, 0x7e, 0x13, 0x96, 0x01, 0x01, 0x72, 0x65, 0x66, 0x65, 0x72, 0x65, 0x6e, 0x63, 0x65, 0x04, 0x00,
    ];
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shipped_bytes_are_what_the_generator_makes() {
        for kind in DocKind::ALL {
            let made = constant_change(kind, 1, &GENESIS_CONTAINERS, &[]).unwrap();
            assert_eq!(Constants::shipped().of(kind), [made], "{kind}");
        }
    }

    #[test]
    fn the_golden_file_holds_the_released_genesis() {
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../fixtures/golden/genesis/v1.txt");
        let golden = std::fs::read_to_string(file).unwrap();
        let mut lines = golden.lines().filter(|line| !line.starts_with('#'));
        for kind in DocKind::ALL {
            let constant = &Constants::shipped().of(kind)[0];
            let line = format!("{kind} {} {}", constant.hash, data_encoding::HEXLOWER.encode(&constant.raw));
            assert_eq!(lines.next(), Some(line.as_str()));
        }
        assert_eq!(lines.next(), None);
    }
}
