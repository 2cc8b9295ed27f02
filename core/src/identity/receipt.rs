//! What a server signs about work it was given: receipts, rulings, and the statement that both
//! sides hold the same.

use minicbor::{Decode, Decoder, Encode, Encoder, decode, encode};

use super::IdentityError;
use super::key::{Purpose, SecretKey, verify};
use super::signed::{Signable, Signed, from_cbor, to_cbor};
use crate::ids::{BlobHash, ChangeHash, Collection, Digest, DocKey, Epoch, PublicKey, Signature};
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
            Self::Other(code) => code,
        }
    }

    /// Inverse of [`RulingReason::code`].
    #[must_use]
    pub fn from_code(code: u16) -> Self {
        let known = [Self::Revoked, Self::Quota, Self::Waiting, Self::RightEnded, Self::Equivocation, Self::Reviewed];
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

/// "At this moment I hold exactly this": one line per collection. Signed by both sides it is the
/// proof that a sync was complete.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Statement {
    /// The server database's life; of the accepting side between devices.
    #[n(0)]
    pub epoch: Epoch,
    /// The clock of the side that signed first.
    #[n(1)]
    pub at: Timestamp,
    /// Sorted by collection, none twice.
    #[n(2)]
    pub lines: Vec<StatementLine>,
}

/// What is held of one collection.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct StatementLine {
    /// The collection.
    #[n(0)]
    pub collection: Collection,
    /// Digest over the admitted documents and their heads.
    #[n(1)]
    pub digest: Digest,
    /// How many documents.
    #[n(2)]
    pub count: u64,
    /// How many changes are held, beside.
    #[n(3)]
    pub held: u64,
    /// The feed's number it refers to.
    #[n(4)]
    pub seq: u64,
}

impl Statement {
    /// The line of a collection.
    #[must_use]
    pub fn line(&self, collection: Collection) -> Option<&StatementLine> {
        self.lines.iter().find(|line| line.collection == collection)
    }
}

impl Signable for Statement {
    const PURPOSE: Purpose = Purpose::Statement;
    const NAME: &'static str = "statement";
    // A thousand collections; a session has a handful.
    const MAX_BYTES: usize = 64 * 1024;

    fn check(&self) -> Result<(), &'static str> {
        let sorted = self.lines.is_sorted_by(|a, b| a.collection < b.collection);
        if sorted { Ok(()) } else { Err("the collections are not sorted, or one is there twice") }
    }
}

/// A statement with the signatures of those who made it: one side at first, then both.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedStatement {
    body: Vec<u8>,
    statement: Statement,
    /// Sorted by key, none twice.
    signatures: Vec<(PublicKey, Signature)>,
}

impl SignedStatement {
    /// Signs first.
    #[must_use]
    pub fn sign(key: &SecretKey, statement: Statement) -> Self {
        let mut signed = Self { body: to_cbor(&statement), statement, signatures: Vec::new() };
        signed.countersign(key);
        signed
    }

    /// Signs as well. On the wire a signature alone is enough where both sides know the statement.
    pub fn countersign(&mut self, key: &SecretKey) -> Signature {
        let signature = key.sign(Purpose::Statement, &self.body);
        self.put(key.public(), signature);
        signature
    }

    /// Rebuilds a statement that both sides know from the other side's signature.
    ///
    /// # Errors
    /// [`IdentityError::BadSignature`] when the other side did not sign this very statement.
    pub fn with_signature(statement: Statement, key: PublicKey, signature: Signature) -> Result<Self, IdentityError> {
        let mut signed = Self { body: to_cbor(&statement), statement, signatures: Vec::new() };
        signed.add_signature(key, signature)?;
        Ok(signed)
    }

    /// Adds the other side's signature.
    ///
    /// # Errors
    /// [`IdentityError::BadSignature`].
    pub fn add_signature(&mut self, key: PublicKey, signature: Signature) -> Result<(), IdentityError> {
        verify(&key, Purpose::Statement, &self.body, &signature)?;
        if self.signatures.len() >= 2 && self.signature_of(&key).is_none() {
            return Err(IdentityError::Invalid { what: Statement::NAME, why: "it has two sides only" });
        }
        self.put(key, signature);
        Ok(())
    }

    /// What it claims.
    #[must_use]
    pub fn statement(&self) -> &Statement {
        &self.statement
    }

    /// The signature by this key, unchecked when the statement was decoded.
    #[must_use]
    pub fn signature_of(&self, key: &PublicKey) -> Option<Signature> {
        self.signatures.iter().find(|(signer, _)| signer == key).map(|(_, signature)| *signature)
    }

    /// Who signed, sorted.
    pub fn signers(&self) -> impl Iterator<Item = PublicKey> {
        self.signatures.iter().map(|(key, _)| *key)
    }

    /// Checks that both of these keys have signed.
    ///
    /// # Errors
    /// [`IdentityError::BadSignature`], also where one is missing.
    pub fn verify_both(&self, one: &PublicKey, other: &PublicKey) -> Result<&Statement, IdentityError> {
        for key in [one, other] {
            let missing = IdentityError::BadSignature { what: Purpose::Statement.tag(), key: *key };
            let signature = self.signature_of(key).ok_or(missing)?;
            verify(key, Purpose::Statement, &self.body, &signature)?;
        }
        Ok(&self.statement)
    }

    /// The whole as bytes.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        to_cbor(self)
    }

    /// Inverse of [`SignedStatement::to_bytes`].
    ///
    /// # Errors
    /// [`IdentityError::Malformed`], [`IdentityError::TooLarge`], [`IdentityError::Invalid`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, IdentityError> {
        from_cbor(bytes, Statement::NAME, Statement::MAX_BYTES + 256)
    }

    fn put(&mut self, key: PublicKey, signature: Signature) {
        self.signatures.retain(|(signer, _)| *signer != key);
        self.signatures.push((key, signature));
        self.signatures.sort_unstable();
    }
}

impl<C> Encode<C> for SignedStatement {
    fn encode<W: encode::Write>(&self, e: &mut Encoder<W>, _: &mut C) -> Result<(), encode::Error<W::Error>> {
        e.array(2)?.bytes(&self.body)?.encode(&self.signatures)?.ok()
    }
}

impl<'b, C> Decode<'b, C> for SignedStatement {
    fn decode(d: &mut Decoder<'b>, _: &mut C) -> Result<Self, decode::Error> {
        if d.array()? != Some(2) {
            return Err(decode::Error::message("a signed statement is an array of two"));
        }
        let body = d.bytes()?.to_vec();
        let statement: Statement =
            from_cbor(&body, Statement::NAME, Statement::MAX_BYTES).map_err(decode::Error::custom)?;
        statement.check().map_err(decode::Error::message)?;
        let count = d.array()?.filter(|count| (1..=2).contains(count));
        let count = count.ok_or_else(|| decode::Error::message("a statement has one or two signatures"))?;
        let signatures: Vec<(PublicKey, Signature)> = (0..count).map(|_| d.decode()).collect::<Result<_, _>>()?;
        if !signatures.is_sorted_by(|a, b| a.0 < b.0) {
            return Err(decode::Error::message("the signatures are not sorted, or one is there twice"));
        }
        Ok(Self { body, statement, signatures })
    }
}
