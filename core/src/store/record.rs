//! What a commit frame of the journal holds: CBOR maps with integer keys, versioned, so that a
//! later version adds parts without touching frames already written.
//!
//! One record is one commit: all its parts count, or none. What was signed elsewhere is kept as
//! the exact bytes that were signed.

use minicbor::{Decode, Encode};

use super::error::StoreError;
use crate::identity::SignedRun;
use crate::ids::{BlobHash, ChangeHash, Collection, DocKey, PublicKey};
use crate::sync::replica::{Cursor, Sealed};
use crate::time::Timestamp;

/// Version of the records that this program writes.
pub const RECORD_VERSION: u32 = 1;

/// One commit.
#[derive(Debug, Clone, PartialEq, Eq, Default, Encode, Decode)]
#[cbor(map)]
pub struct Record {
    /// [`RECORD_VERSION`] of the writer.
    #[n(0)]
    pub version: u32,
    /// The device's clock. Shown, never compared.
    #[n(1)]
    pub at: Timestamp,
    /// An own act: one change, signed.
    #[n(2)]
    pub own: Option<OwnAct>,
    /// A batch from a peer, as far as it was admitted or has to wait.
    #[n(3)]
    pub received: Option<Received>,
    /// What a server said of own runs.
    #[n(4)]
    pub acknowledged: Option<Acknowledged>,
    /// A statement that both sides hold the same, exact bytes.
    #[n(5)]
    pub statement: Option<Sealed>,
    /// A peer holds a file.
    #[n(6)]
    pub blob_stored: Option<BlobStored>,
    /// Whom this device believes and where it syncs.
    #[n(7)]
    pub enrolment: Option<Enrolment>,
    /// Cursors taken after a full comparison.
    #[n(8)]
    pub cursors: Option<Vec<CursorAt>>,
    /// A file that came from a device and no server is known to have: to be passed on.
    #[n(9)]
    pub carried: Option<BlobHash>,
    /// A peer holds these files.
    #[n(10)]
    pub blobs_stored: Option<Vec<BlobStored>>,
}

/// An own act.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct OwnAct {
    /// One change with the signature on it.
    #[n(0)]
    pub run: SignedRun,
    /// The own change that this one says again because what it built on was rejected.
    #[n(1)]
    pub reissue_of: Option<ChangeHash>,
}

/// A batch from a peer.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Received {
    /// Who sent it.
    #[n(0)]
    pub peer: PublicKey,
    /// In the order received.
    #[n(1)]
    pub items: Vec<Item>,
    /// Where the peer's feeds stand after it.
    #[n(2)]
    pub cursors: Vec<CursorAt>,
}

/// One item of a received batch.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub enum Item {
    /// Changes, checked and admitted.
    #[n(0)]
    Run(#[n(0)] SignedRun),
    /// A membership certificate.
    #[n(1)]
    Certificate(#[n(0)] Sealed),
    /// A server's certificate.
    #[n(2)]
    ServerCert(#[n(0)] Sealed),
    /// A revocation.
    #[n(3)]
    Revocation(#[n(0)] Sealed),
    /// A ruling.
    #[n(4)]
    Ruling(#[n(0)] Sealed),
    /// Changes that cannot be admitted yet: kept, and tried again with each batch. They become part
    /// of the document by a later [`Item::Run`].
    #[n(5)]
    Parked(#[n(0)] SignedRun, #[n(1)] String),
    /// Parked changes that turned out to be inadmissible for ever.
    #[n(6)]
    Dropped(#[n(0)] DocKey, #[n(1)] ChangeHash),
    /// Changes, checked and admitted, from another device: no server has said that it admitted
    /// them, so a ruling that is known here decides what becomes of them.
    #[n(7)]
    FromDevice(#[n(0)] SignedRun),
}

/// A place in a feed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub struct CursorAt {
    /// Of which collection.
    #[n(0)]
    pub collection: Collection,
    /// Where.
    #[n(1)]
    pub cursor: Cursor,
}

/// What a server said of own runs.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Acknowledged {
    /// Which server.
    #[n(0)]
    pub peer: PublicKey,
    /// Of which runs what.
    #[n(1)]
    pub runs: Vec<RunFate>,
    /// Its receipts, exact bytes.
    #[n(2)]
    pub receipts: Vec<Sealed>,
}

/// What became of a run on the server.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct RunFate {
    /// The document.
    #[n(0)]
    pub doc: DocKey,
    /// Hash of the run's last change: vouches for the own changes before it.
    #[n(1)]
    pub last: ChangeHash,
    /// What.
    #[n(2)]
    pub fate: Fate,
    /// Stable code of the reason, when it was not simply stored.
    #[n(3)]
    pub code: Option<String>,
    /// How many changes the run had.
    #[n(4)]
    pub changes: u32,
}

/// How far own work has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
#[cbor(index_only)]
pub enum Fate {
    /// Kept durably and admitted.
    #[n(0)]
    Stored,
    /// And in the ledger.
    #[n(1)]
    InLedger,
    /// Kept durably, held by a ruling or waiting for something held.
    #[n(2)]
    Held,
    /// Not kept.
    #[n(3)]
    Refused,
    /// Not admitted yet, and nobody decided against it: goes on being sent.
    #[n(4)]
    Waiting,
}

/// A peer holds a file.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct BlobStored {
    /// Which peer.
    #[n(0)]
    pub peer: PublicKey,
    /// Which file.
    #[n(1)]
    pub hash: BlobHash,
    /// Its receipt, exact bytes; none from a device.
    #[n(2)]
    pub receipt: Option<Sealed>,
}

/// Whom this device believes, where it syncs, and what it may do.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Enrolment {
    /// The pinned root key.
    #[n(0)]
    pub root: PublicKey,
    /// Server keys of the ticket, for the first connection; later ones come with certificates.
    #[n(1)]
    pub servers: Vec<PublicKey>,
    /// Addresses of the ticket, tried in order, as text.
    #[n(2)]
    pub addresses: Vec<String>,
    /// Collections to follow, sorted, without the reference collection.
    #[n(3)]
    pub collections: Vec<Collection>,
    /// Own membership certificate, once issued.
    #[n(4)]
    pub certificate: Option<Sealed>,
    /// Certificate of the server, by the root.
    #[n(5)]
    pub server_certificate: Option<Sealed>,
    /// Name of the member, for people.
    #[n(6)]
    pub name: Option<String>,
}

impl Record {
    /// An empty record of this version.
    #[must_use]
    pub fn new(at: Timestamp) -> Self {
        Self { version: RECORD_VERSION, at, ..Self::default() }
    }

    /// The payload of its frame.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        minicbor::to_vec(self).expect("writing CBOR into memory cannot fail")
    }

    /// Reads the payload of frame `sequence`.
    ///
    /// # Errors
    /// [`StoreError::Record`] when it is no record; [`StoreError::NewerVersion`].
    pub fn from_bytes(sequence: u64, bytes: &[u8]) -> Result<Self, StoreError> {
        let record: Self = minicbor::decode(bytes).map_err(|source| StoreError::Record { sequence, source })?;
        if record.version > RECORD_VERSION {
            let version = u8::try_from(record.version).unwrap_or(u8::MAX);
            return Err(StoreError::NewerVersion { path: "the journal".into(), version });
        }
        Ok(record)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::Signature;

    #[test]
    fn a_record_survives_bytes_and_unknown_parts_are_skipped() {
        let doc = "field/511902/019a0c3e-7b1d-7c3a-9f00-0123456789ab".parse().unwrap();
        let run = SignedRun { doc, changes: vec![vec![1, 2, 3]], signature: Signature([7; 64]) };
        let mut record = Record::new(Timestamp::from_millis(5));
        record.own = Some(OwnAct { run, reissue_of: None });
        let bytes = record.to_bytes();
        assert_eq!(Record::from_bytes(1, &bytes).unwrap(), record);
        // A map of one more pair: key 99, a text.
        let mut newer = bytes.clone();
        newer[0] += 1;
        newer.extend_from_slice(&[0x18, 99, 0x61, b'x']);
        assert_eq!(Record::from_bytes(1, &newer).unwrap(), record);
        for length in 0..bytes.len() {
            assert!(Record::from_bytes(1, &bytes[..length]).is_err(), "cut at {length}");
        }
    }
}
