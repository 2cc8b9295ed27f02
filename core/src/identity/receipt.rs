//! What a server signs about work it was given: receipts and rulings.

use minicbor::{Decode, Decoder, Encode, Encoder, decode, encode};

use super::key::Purpose;
use super::signed::{Signable, Signed};
use crate::ids::{BlobHash, ChangeHash, Collection, Digest, DocKey, Epoch};
use crate::time::Timestamp;

/// The server has these runs, durably. Lists them by a digest, so that a receipt for a thousand
/// runs costs as much as one for one; whoever keeps the receipt keeps the list beside it.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Receipt {
    /// The server database's life.
    #[n(0)]
    pub epoch: Epoch,
    /// The collection.
    #[n(1)]
    pub collection: Collection,
    /// First number given.
    #[n(2)]
    pub from_seq: u64,
    /// Last number given.
    #[n(3)]
    pub to_seq: u64,
    /// The server's clock at the commit: the moment that counts for deadlines and revocations.
    #[n(4)]
    pub at: Timestamp,
    /// How many runs.
    #[n(5)]
    pub count: u64,
    /// [`Receipt::list_digest`] of the runs.
    #[n(6)]
    pub runs: Digest,
}

impl Receipt {
    /// Digest of a list of runs: each document with the hash of the run's last change.
    #[must_use]
    pub fn list_digest(runs: &[(DocKey, ChangeHash)]) -> Digest {
        let mut hasher = blake3::Hasher::new_derive_key("outlet 2026 receipt list v1");
        for (doc, hash) in runs {
            hasher.update(&doc.to_bytes()).update(&hash.0);
        }
        Digest(*hasher.finalize().as_bytes())
    }

    /// Whether this is the receipt for exactly these runs, in this order.
    #[must_use]
    pub fn covers(&self, runs: &[(DocKey, ChangeHash)]) -> bool {
        u64::try_from(runs.len()).is_ok_and(|count| count == self.count) && Self::list_digest(runs) == self.runs
    }
}

impl Signable for Receipt {
    const PURPOSE: Purpose = Purpose::Receipt;
    const NAME: &'static str = "receipt";
    const MAX_BYTES: usize = 1024;
}

/// A receipt signed by a server.
pub type SignedReceipt = Signed<Receipt>;

/// The server has this photo or attachment, durably.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct BlobReceipt {
    /// Its name.
    #[n(0)]
    pub sha256: BlobHash,
    /// Its size.
    #[n(1)]
    pub bytes: u64,
    /// The server's clock.
    #[n(2)]
    pub at: Timestamp,
}

impl Signable for BlobReceipt {
    const PURPOSE: Purpose = Purpose::BlobReceipt;
    const NAME: &'static str = "file receipt";
    const MAX_BYTES: usize = 256;
}

/// A file receipt signed by a server.
pub type SignedBlobReceipt = Signed<BlobReceipt>;

/// What the server decided about changes that are well-formed and signed, but not simply admitted.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Ruling {
    /// The document.
    #[n(0)]
    pub doc: DocKey,
    /// The last change of the run.
    #[n(1)]
    pub run: ChangeHash,
    /// The changes ruled on, in order.
    #[n(2)]
    pub changes: Vec<ChangeHash>,
    /// What was decided.
    #[n(3)]
    pub verdict: Verdict,
    /// Why.
    #[n(4)]
    pub reason: RulingReason,
    /// The account that decided, or `server`.
    #[n(5)]
    pub who: String,
    /// The server's clock.
    #[n(6)]
    pub at: Timestamp,
    /// Of two rulings on a run the one with the larger number holds.
    #[n(7)]
    pub serial: u64,
    /// A remark for the author.
    #[n(8)]
    pub note: Option<String>,
}

/// What becomes of ruled changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
#[cbor(index_only)]
pub enum Verdict {
    /// Kept aside, with everything that builds on it.
    #[n(0)]
    Held,
    /// Admitted after all.
    #[n(1)]
    Released,
    /// Never admitted; kept.
    #[n(2)]
    Rejected,
}

/// Why changes were held or decided on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum RulingReason {
    /// The author's key was revoked before the server received them.
    Revoked,
    /// More than a device may send in a day.
    Quota,
    /// They build on changes that are held.
    Waiting,
    /// The author had the right once, but no longer when the server received them.
    RightEnded,
    /// The author's device made two changes under one number; the server's first stands.
    Equivocation,
    /// A person looked at them.
    Reviewed,
    /// A decision on a record that the decider is an author of.
    OwnRecord,
    /// A reason a newer version gives.
    Other(u16),
}

impl RulingReason {
    /// The number on the wire. Released numbers never change.
    #[must_use]
    pub fn code(self) -> u16 {
        match self {
            Self::Revoked => 1,
            Self::Quota => 2,
            Self::Waiting => 3,
            Self::RightEnded => 4,
            Self::Equivocation => 5,
            Self::Reviewed => 6,
            Self::OwnRecord => 7,
            Self::Other(code) => code,
        }
    }

    /// Inverse of [`RulingReason::code`].
    #[must_use]
    pub fn from_code(code: u16) -> Self {
        let known = [
            Self::Revoked,
            Self::Quota,
            Self::Waiting,
            Self::RightEnded,
            Self::Equivocation,
            Self::Reviewed,
            Self::OwnRecord,
        ];
        known.into_iter().find(|reason| reason.code() == code).unwrap_or(Self::Other(code))
    }
}

impl<C> Encode<C> for RulingReason {
    fn encode<W: encode::Write>(&self, e: &mut Encoder<W>, _: &mut C) -> Result<(), encode::Error<W::Error>> {
        e.u16(self.code())?.ok()
    }
}

impl<'b, C> Decode<'b, C> for RulingReason {
    fn decode(d: &mut Decoder<'b>, _: &mut C) -> Result<Self, decode::Error> {
        d.u16().map(Self::from_code)
    }
}

impl Signable for Ruling {
    const PURPOSE: Purpose = Purpose::Ruling;
    const NAME: &'static str = "ruling";
    const MAX_BYTES: usize = 256 * 1024;
}

/// A ruling signed by a server.
pub type SignedRuling = Signed<Ruling>;
