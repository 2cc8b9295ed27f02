//! Identifiers: what names a document, a device, a change, a file. Two kinds of identifier never
//! convert silently.
//!
//! Nothing here reads a clock or a random source: whoever makes an identifier passes both in.

use std::fmt;
use std::str::FromStr;

use minicbor::{Decode, Encode};
use serde::{Deserialize, Serialize};

/// Why a text is not the identifier it should be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum IdError {
    /// Not hexadecimal, or of another length.
    #[error("{what} must be {expected} hexadecimal digits, got {got:?}")]
    Hex {
        /// Which identifier.
        what: &'static str,
        /// Digits expected.
        expected: usize,
        /// What was given.
        got: String,
    },
    /// Not a six-digit county-level code.
    #[error("a collection is a six-digit county code (GB/T 2260) such as 511902, got {0:?}")]
    Collection(String),
    /// Not a UUID.
    #[error("an outlet id is a UUID such as 019a0c3e-7b1d-7c3a-9f00-0123456789ab, got {0:?}")]
    Outlet(String),
    /// Not `kind/collection/uuid`.
    #[error("a document key is kind/collection/uuid, got {0:?}")]
    DocKey(String),
}

/// Writes a type as its text and reads it back, wherever serde is the judge of form (JSON).
macro_rules! serde_as_text {
    ($name:ty) => {
        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                deserializer.deserialize_str($crate::ids::FromText(std::marker::PhantomData))
            }
        }
    };
}
pub(crate) use serde_as_text;

/// Reads a value from text without a copy of the text.
pub(crate) struct FromText<T>(pub(crate) std::marker::PhantomData<T>);

impl<T: FromStr<Err: fmt::Display>> serde::de::Visitor<'_> for FromText<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<T, E> {
        text.parse().map_err(E::custom)
    }
}

macro_rules! bytes_id {
    ($(#[$doc:meta])* $name:ident, $len:literal, $what:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
        #[cbor(transparent)]
        pub struct $name(#[cbor(n(0), with = "minicbor::bytes")] pub [u8; $len]);

        impl $name {
            /// The raw bytes.
            #[must_use]
            pub fn as_bytes(&self) -> &[u8; $len] {
                &self.0
            }

            /// Reads exactly the right number of bytes.
            #[must_use]
            pub fn from_slice(bytes: &[u8]) -> Option<Self> {
                <[u8; $len]>::try_from(bytes).ok().map(Self)
            }

            /// The first eight hexadecimal digits, for people.
            #[must_use]
            pub fn short(&self) -> String {
                data_encoding::HEXLOWER.encode(&self.0[..4])
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&data_encoding::HEXLOWER.encode(&self.0))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self)
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                data_encoding::HEXLOWER_PERMISSIVE
                    .decode(text.as_bytes())
                    .ok()
                    .and_then(|bytes| Self::from_slice(&bytes))
                    .ok_or_else(|| IdError::Hex { what: $what, expected: $len * 2, got: text.chars().take(80).collect() })
            }
        }

        serde_as_text!($name);
    };
}

bytes_id!(
    /// An Ed25519 public key: a device, a server, or the root.
    PublicKey, 32, "a public key"
);
bytes_id!(
    /// SHA-256 of an automerge change chunk: its name everywhere.
    ChangeHash, 32, "a change hash"
);
bytes_id!(
    /// SHA-256 of the untouched bytes of a photo or attachment: its name everywhere.
    BlobHash, 32, "a file hash"
);
bytes_id!(
    /// BLAKE3 over the digest state of a collection ([`crate::sync::digest`]).
    Digest, 32, "a digest"
);
bytes_id!(
    /// An Ed25519 signature.
    Signature, 64, "a signature"
);
bytes_id!(
    /// Public key (32 bytes) and incarnation (4 random bytes): an automerge actor that proves whose
    /// it is. The incarnation changes when a store may have been copied or restored.
    Actor, 36, "an actor"
);
bytes_id!(
    /// Name of an entry in a document: the first 16 bytes of BLAKE3 over the entry's text, so that
    /// an entry cannot be rewritten under its name.
    EntryId, 16, "an entry id"
);
bytes_id!(
    /// A person, across the devices that carry their membership.
    PersonId, 16, "a person id"
);
bytes_id!(
    /// One life of a server database. A restore starts a new one and voids every cursor.
    Epoch, 8, "an epoch"
);
bytes_id!(
    /// Hash over a server's feed of one collection up to an item: two databases that share an
    /// epoch but went different ways differ here.
    ChainHash, 16, "a chain hash"
);

bytes_id!(
    /// Hash over a witnessed entry and its document ([`crate::domain::witness::link`]).
    WitnessLink, 32, "a link of the witness chain"
);

impl Actor {
    /// Joins a device's key with the incarnation of its store.
    #[must_use]
    pub fn new(key: PublicKey, incarnation: [u8; 4]) -> Self {
        let mut bytes = [0; 36];
        bytes[..32].copy_from_slice(&key.0);
        bytes[32..].copy_from_slice(&incarnation);
        Self(bytes)
    }

    /// The device that alone can sign for this actor.
    #[must_use]
    pub fn key(&self) -> PublicKey {
        let mut key = [0; 32];
        key.copy_from_slice(&self.0[..32]);
        PublicKey(key)
    }
}

/// A county-level code (GB/T 2260): the unit of access and of subscription, and of nothing else.
///
/// `000000` ([`Collection::REFERENCE`]) holds the reference documents that every member reads.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
#[cbor(transparent)]
pub struct Collection(#[n(0)] u32);

impl Collection {
    /// Reference documents: read by all members, written by admins.
    pub const REFERENCE: Self = Self(0);

    /// From the code as a number below 1,000,000.
    #[must_use]
    pub fn from_code(code: u32) -> Option<Self> {
        (code < 1_000_000).then_some(Self(code))
    }

    /// The code as a number.
    #[must_use]
    pub fn code(self) -> u32 {
        self.0
    }
}

impl fmt::Display for Collection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:06}", self.0)
    }
}

impl fmt::Debug for Collection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Collection({self})")
    }
}

impl FromStr for Collection {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let digits = text.len() == 6 && text.bytes().all(|byte| byte.is_ascii_digit());
        text.parse()
            .ok()
            .filter(|_| digits)
            .and_then(Self::from_code)
            .ok_or_else(|| IdError::Collection(text.chars().take(40).collect()))
    }
}

serde_as_text!(Collection);

/// An outlet (or another subject of a document): a UUIDv7. Never sort or filter by the time
/// inside it: it is a device's clock.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct OutletId(pub uuid::Uuid);

impl OutletId {
    /// A fresh id from the given clock reading and ten random bytes.
    #[must_use]
    pub fn new(now: crate::time::Timestamp, random: [u8; 10]) -> Self {
        let millis = u64::try_from(now.millis()).unwrap_or(0);
        Self(uuid::Builder::from_unix_timestamp_millis(millis, &random).into_uuid())
    }
}

/// First bytes of the ids of walk logs: no clock before the year 6000 gives them to an outlet.
const WALK_LOG: [u8; 4] = *b"walk";

impl OutletId {
    /// The log of bank walked by a device: a field document that is no outlet.
    #[must_use]
    pub fn walk_log(device: &PublicKey) -> Self {
        let mut bytes = [0; 16];
        let mut hasher = blake3::Hasher::new_derive_key("outlet 2026 walk log v1");
        hasher.update(&device.0).finalize_xof().fill(&mut bytes);
        bytes[..4].copy_from_slice(&WALK_LOG);
        Self(uuid::Builder::from_custom_bytes(bytes).into_uuid())
    }

    /// Is it the id of a walk log?
    #[must_use]
    pub fn is_walk_log(&self) -> bool {
        self.0.as_bytes()[..4] == WALK_LOG && self.0.get_version_num() == 8
    }
}

impl fmt::Display for OutletId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.hyphenated().fmt(f)
    }
}

impl FromStr for OutletId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        uuid::Uuid::try_parse(text).map(Self).map_err(|_| IdError::Outlet(text.chars().take(80).collect()))
    }
}

/// Who has authority over a document: permission is a property of the document, never of a path
/// inside it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DocKind {
    /// What was seen: written by inspectors and above.
    Field,
    /// What was decided: written by supervisors and above.
    Case,
    /// Milestone sets, dictionaries, townships, rivers, seals: written by admins.
    Reference,
}

impl DocKind {
    /// All kinds, in wire order.
    pub const ALL: [Self; 3] = [Self::Field, Self::Case, Self::Reference];

    /// The byte that stands for the kind in keys, signatures and digests.
    #[must_use]
    pub fn byte(self) -> u8 {
        match self {
            Self::Field => b'f',
            Self::Case => b'c',
            Self::Reference => b'r',
        }
    }

    /// Inverse of [`DocKind::byte`].
    #[must_use]
    pub fn from_byte(byte: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.byte() == byte)
    }
}

impl fmt::Display for DocKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Field => "field",
            Self::Case => "case",
            Self::Reference => "reference",
        })
    }
}

/// Names a document: (kind, collection, UUID). Field record and case file of one outlet share
/// the collection and the UUID.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DocKey {
    /// Who has authority over it.
    pub kind: DocKind,
    /// County-level code, chosen at creation and never changed.
    pub collection: Collection,
    /// The outlet.
    pub id: OutletId,
}

impl DocKey {
    /// Length of [`DocKey::to_bytes`].
    pub const LEN: usize = 20;

    /// Collection (24 bits, big endian), kind, UUID: sorts by collection. The form that is signed,
    /// digested and used as a database key.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; Self::LEN] {
        let mut bytes = [0; Self::LEN];
        bytes[..3].copy_from_slice(&self.collection.code().to_be_bytes()[1..]);
        bytes[3] = self.kind.byte();
        bytes[4..].copy_from_slice(self.id.0.as_bytes());
        bytes
    }

    /// Inverse of [`DocKey::to_bytes`].
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let bytes: &[u8; Self::LEN] = bytes.try_into().ok()?;
        let collection = Collection::from_code(u32::from_be_bytes([0, bytes[0], bytes[1], bytes[2]]))?;
        let kind = DocKind::from_byte(bytes[3])?;
        let id = OutletId(uuid::Uuid::from_slice(&bytes[4..]).ok()?);
        Some(Self { kind, collection, id })
    }

    /// The same outlet's document of another kind.
    #[must_use]
    pub fn with_kind(self, kind: DocKind) -> Self {
        Self { kind, ..self }
    }
}

impl fmt::Display for DocKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.kind, self.collection, self.id)
    }
}

impl fmt::Debug for DocKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DocKey({self})")
    }
}

impl FromStr for DocKey {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let bad = || IdError::DocKey(text.chars().take(80).collect());
        let mut parts = text.splitn(3, '/');
        let kind = match parts.next() {
            Some("field") => DocKind::Field,
            Some("case") => DocKind::Case,
            Some("reference") => DocKind::Reference,
            _ => return Err(bad()),
        };
        let collection = parts.next().ok_or_else(bad)?.parse()?;
        let id = parts.next().ok_or_else(bad)?.parse()?;
        Ok(Self { kind, collection, id })
    }
}

impl<C> Encode<C> for DocKey {
    fn encode<W: minicbor::encode::Write>(
        &self,
        encoder: &mut minicbor::Encoder<W>,
        _: &mut C,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        encoder.bytes(&self.to_bytes())?.ok()
    }
}

impl<'b, C> Decode<'b, C> for DocKey {
    fn decode(decoder: &mut minicbor::Decoder<'b>, _: &mut C) -> Result<Self, minicbor::decode::Error> {
        Self::from_bytes(decoder.bytes()?).ok_or_else(|| minicbor::decode::Error::message("not a document key"))
    }
}

serde_as_text!(DocKey);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_key_survives_bytes_and_text() {
        let key = DocKey {
            kind: DocKind::Case,
            collection: "511902".parse().unwrap(),
            id: OutletId::new(crate::time::Timestamp::from_millis(1_600_000_000_000), [7; 10]),
        };
        assert_eq!(DocKey::from_bytes(&key.to_bytes()), Some(key));
        assert_eq!(key.to_string().parse(), Ok(key));
        assert_eq!(DocKey::from_bytes(&key.to_bytes()[1..]), None);
    }

    #[test]
    fn a_collection_is_six_digits() {
        for bad in ["", "51190", "5119022", "+51190", "51190a", "５１１９０２"] {
            assert!(bad.parse::<Collection>().is_err(), "{bad}");
        }
        assert_eq!("000000".parse(), Ok(Collection::REFERENCE));
    }
}
