//! The statement that both sides of a session hold the same: the proof that a sync was complete.

use minicbor::{Decode, Encode};

use super::IdentityError;
use super::key::{Purpose, SecretKey, verify};
use super::signed::{from_cbor, to_cbor};
use crate::ids::{Collection, Digest, Epoch, PublicKey, Signature};
use crate::time::Timestamp;

/// One collection in a [`Statement`].
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode)]
pub struct StatementLine {
    /// Which collection.
    #[n(0)]
    pub collection: Collection,
    /// The digest both sides computed, over admitted documents and their heads.
    #[n(1)]
    pub digest: Digest,
    /// Documents.
    #[n(2)]
    pub count: u64,
    /// Changes held by rulings of the server, beside.
    #[n(3)]
    pub held: u64,
    /// The feed's number at that moment.
    #[n(4)]
    pub seq: u64,
}

/// "We hold the same": what both sides sign at the end of a session that converged. Both sides
/// know it in full, so that only signatures need to travel.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub struct Statement {
    /// Who accepted the session.
    #[n(0)]
    pub acceptor: PublicKey,
    /// Who began it.
    #[n(1)]
    pub initiator: PublicKey,
    /// First 16 bytes of a hash of the TLS exporter: binds the statement to the connection.
    #[cbor(n(2), with = "minicbor::bytes")]
    pub session: [u8; 16],
    /// Life of the acceptor's database.
    #[n(3)]
    pub epoch: Epoch,
    /// The acceptor's clock.
    #[n(4)]
    pub at: Timestamp,
    /// Sorted by collection, none twice; those on which both sides agree.
    #[n(5)]
    pub lines: Vec<StatementLine>,
}

impl Statement {
    /// Larger ones are refused before they are read: some 700 collections.
    pub const MAX_BYTES: usize = 48 * 1024;

    /// The line of a collection.
    #[must_use]
    pub fn line(&self, collection: Collection) -> Option<&StatementLine> {
        self.lines.iter().find(|line| line.collection == collection)
    }

    /// This side's signature.
    #[must_use]
    pub fn sign(&self, key: &SecretKey) -> Signature {
        key.sign(Purpose::Statement, &to_cbor(self))
    }

    /// Checks one side's signature.
    ///
    /// # Errors
    /// [`IdentityError::BadSignature`]; [`IdentityError::Invalid`] for lines out of order.
    pub fn verify(&self, key: &PublicKey, signature: &Signature) -> Result<(), IdentityError> {
        if !self.lines.is_sorted_by(|a, b| a.collection < b.collection) {
            return Err(IdentityError::Invalid { what: NAME, why: "the collections are not sorted, or one is twice" });
        }
        verify(key, Purpose::Statement, &to_cbor(self), signature)
    }
}

/// A statement with the signatures of both sides.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub struct SignedStatement {
    /// What was signed.
    #[n(0)]
    pub statement: Statement,
    /// By the acceptor.
    #[n(1)]
    pub by_acceptor: Signature,
    /// By the initiator.
    #[n(2)]
    pub by_initiator: Signature,
}

impl SignedStatement {
    /// Checks both signatures.
    ///
    /// # Errors
    /// As [`Statement::verify`].
    pub fn verify(&self) -> Result<&Statement, IdentityError> {
        self.statement.verify(&self.statement.acceptor, &self.by_acceptor)?;
        self.statement.verify(&self.statement.initiator, &self.by_initiator)?;
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
        from_cbor(bytes, NAME, Statement::MAX_BYTES + 256)
    }
}

const NAME: &str = "statement";

#[cfg(test)]
mod tests {
    use super::*;

    fn line(code: u32) -> StatementLine {
        let collection = Collection::from_code(code).unwrap();
        StatementLine { collection, digest: Digest([3; 32]), count: 400, held: 2, seq: 900 }
    }

    fn signed(lines: Vec<StatementLine>) -> SignedStatement {
        let (server, device) = (SecretKey::from_bytes([1; 32]), SecretKey::from_bytes([2; 32]));
        let at = Timestamp::from_millis(1_640_000_000_000);
        let (acceptor, initiator) = (server.public(), device.public());
        let statement = Statement { acceptor, initiator, session: [4; 16], epoch: Epoch([5; 8]), at, lines };
        SignedStatement { by_acceptor: statement.sign(&server), by_initiator: statement.sign(&device), statement }
    }

    #[test]
    fn a_statement_needs_both_signatures_each_by_its_side() {
        let good = signed(vec![line(0), line(511_902)]);
        assert!(good.verify().is_ok());
        assert_eq!(good.statement.line(line(511_902).collection), Some(&line(511_902)));
        assert_eq!(SignedStatement::from_bytes(&good.to_bytes()).unwrap(), good);

        let swapped =
            SignedStatement { by_acceptor: good.by_initiator, by_initiator: good.by_acceptor, ..good.clone() };
        assert!(swapped.verify().is_err());
        let one_side = SignedStatement { by_initiator: good.by_acceptor, ..good.clone() };
        assert!(one_side.verify().is_err());
        let mut other_session = good.clone();
        other_session.statement.session[0] ^= 1;
        assert!(other_session.verify().is_err());
        let mut fewer_held = good;
        fewer_held.statement.lines[1].held = 0;
        assert!(fewer_held.verify().is_err());
    }

    #[test]
    fn a_collection_stands_in_a_statement_once() {
        for lines in [vec![line(511_902), line(0)], vec![line(0), line(0)]] {
            assert!(matches!(signed(lines).verify(), Err(IdentityError::Invalid { .. })));
        }
    }

    #[test]
    fn every_cut_of_a_statement_is_refused() {
        let bytes = signed(vec![line(0)]).to_bytes();
        for end in 0..bytes.len() {
            assert!(SignedStatement::from_bytes(&bytes[..end]).is_err(), "cut at {end}");
        }
        let long = [&bytes[..], &[0]].concat();
        assert!(matches!(SignedStatement::from_bytes(&long), Err(IdentityError::Invalid { .. })));
    }
}
