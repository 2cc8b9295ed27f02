//! A signed run: an actor's uninterrupted changes to one document, and one signature.
//!
//! A signature on a change vouches for every ancestor by the same actor, so only the last of a run
//! is signed and verified. What the changes contain is not looked at here: that is admission.

use minicbor::{Decode, Decoder, Encode, Encoder, decode, encode};
use sha2::{Digest as _, Sha256};

use super::IdentityError;
use super::key::{SecretKey, verify_change};
use super::signed::{from_cbor, to_cbor};
use crate::ids::{ChangeHash, DocKey, PublicKey, Signature};

/// The most bytes one change may have.
pub const MAX_CHANGE_BYTES: usize = 256 * 1024;
/// The most changes in one run.
pub const MAX_RUN_CHANGES: usize = 1024;
/// The most bytes all changes of a run may have together: a run fits one frame.
pub const MAX_RUN_BYTES: usize = 512 * 1024;

/// The name of a raw change chunk: SHA-256 of what follows magic and checksum. None when it is too
/// short to be one, does not start with the magic, or the checksum in it is not of that hash.
#[must_use]
pub fn change_hash(raw: &[u8]) -> Option<ChangeHash> {
    const MAGIC: [u8; 4] = [0x85, 0x6f, 0x4a, 0x83];
    let (head, content) = raw.split_at_checked(8)?;
    let hash: [u8; 32] = Sha256::digest(content).into();
    (head[..4] == MAGIC && head[4..] == hash[..4] && !content.is_empty()).then_some(ChangeHash(hash))
}

/// An actor's uninterrupted run of changes to a document: each depends on the one before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedRun {
    /// The document.
    pub doc: DocKey,
    /// Raw change chunks, uncompressed, in order.
    pub changes: Vec<Vec<u8>>,
    /// Over (purpose, document key, hash of the last change).
    pub signature: Signature,
}

impl SignedRun {
    /// Signs the last change of the run. None when the run is empty or its last change is not a
    /// change chunk.
    #[must_use]
    pub fn sign(key: &SecretKey, doc: DocKey, changes: Vec<Vec<u8>>) -> Option<Self> {
        let last = change_hash(changes.last()?)?;
        Some(Self { doc, signature: key.sign_change(&doc, &last), changes })
    }

    /// The hash of the last change: the run's name. None when it is not a change chunk.
    #[must_use]
    pub fn last(&self) -> Option<ChangeHash> {
        change_hash(self.changes.last()?)
    }

    /// Checks the signature and answers the hash of the last change. `key` is the one in the
    /// changes' actor.
    ///
    /// # Errors
    /// [`IdentityError::Invalid`] for no change chunk, [`IdentityError::BadSignature`].
    pub fn verify(&self, key: &PublicKey) -> Result<ChangeHash, IdentityError> {
        let broken = IdentityError::Invalid { what: NAME, why: "its last change is missing or damaged" };
        let last = self.last().ok_or(broken)?;
        verify_change(key, &self.doc, &last, &self.signature)?;
        Ok(last)
    }

    /// Bytes of all changes together.
    #[must_use]
    pub fn size(&self) -> usize {
        self.changes.iter().map(Vec::len).sum()
    }

    /// The whole as bytes.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        to_cbor(self)
    }

    /// Inverse of [`SignedRun::to_bytes`].
    ///
    /// # Errors
    /// [`IdentityError::Malformed`], [`IdentityError::TooLarge`], [`IdentityError::Invalid`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, IdentityError> {
        from_cbor(bytes, NAME, MAX_RUN_BYTES + 8 * MAX_RUN_CHANGES)
    }
}

const NAME: &str = "signed run";

impl<C> Encode<C> for SignedRun {
    fn encode<W: encode::Write>(&self, e: &mut Encoder<W>, _: &mut C) -> Result<(), encode::Error<W::Error>> {
        let count = u64::try_from(self.changes.len()).map_err(|_| encode::Error::message("too many changes"))?;
        e.array(3)?.encode(self.doc)?.array(count)?;
        for change in &self.changes {
            e.bytes(change)?;
        }
        e.encode(self.signature)?.ok()
    }
}

impl<'b, C> Decode<'b, C> for SignedRun {
    fn decode(d: &mut Decoder<'b>, _: &mut C) -> Result<Self, decode::Error> {
        if d.array()? != Some(3) {
            return Err(decode::Error::message("a signed run is an array of three"));
        }
        let doc = d.decode()?;
        let count = d.array()?.and_then(|count| usize::try_from(count).ok()).unwrap_or(usize::MAX);
        if !(1..=MAX_RUN_CHANGES).contains(&count) {
            return Err(decode::Error::message("a run has 1 to 1024 changes"));
        }
        let mut changes = Vec::new();
        let mut total = 0_usize;
        for _ in 0..count {
            let change = d.bytes()?;
            total = total.saturating_add(change.len());
            if change.len() > MAX_CHANGE_BYTES || total > MAX_RUN_BYTES {
                return Err(decode::Error::message("a change or a run is larger than it may be"));
            }
            changes.push(change.to_vec());
        }
        Ok(Self { doc, changes, signature: d.decode()? })
    }
}
