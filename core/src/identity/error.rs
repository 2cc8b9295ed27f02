//! Why a signed thing is not accepted.

use crate::ids::PublicKey;
use crate::time::Timestamp;

/// Why a key, a signature or a signed form was refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IdentityError {
    /// Not a point of the curve.
    #[error("{0} is not an Ed25519 public key")]
    NotAKey(PublicKey),
    /// The signature does not fit the key and the content.
    #[error("bad signature ({what}) by {key}: the content was changed after signing, or signed by another key")]
    BadSignature {
        /// The signature's purpose.
        what: &'static str,
        /// Who should have signed.
        key: PublicKey,
    },
    /// Not the CBOR this should be.
    #[error("not a valid {what}")]
    Malformed {
        /// What was read.
        what: &'static str,
        /// Where reading stopped.
        #[source]
        source: minicbor::decode::Error,
    },
    /// Larger than its kind may be: refused before anything was read.
    #[error("a {what} has at most {max} bytes, got {bytes}")]
    TooLarge {
        /// What was read.
        what: &'static str,
        /// Its size.
        bytes: usize,
        /// The limit.
        max: usize,
    },
    /// Content that contradicts itself.
    #[error("not a valid {what}: {why}")]
    Invalid {
        /// What was read.
        what: &'static str,
        /// What is wrong with it.
        why: &'static str,
    },
    /// A server certificate by somebody else than the pinned root.
    #[error("the server certificate is signed by {got}, not by the root key {root} this device was enrolled with")]
    NotTheRoot {
        /// The pinned root.
        root: PublicKey,
        /// Who signed.
        got: PublicKey,
    },
    /// Signed by a server the root did not vouch for.
    #[error("{0} is not a server of this system: its certificate by the root is missing")]
    UnknownServer(PublicKey),
    /// Signed by a server whose key the root has declared compromised.
    #[error("the root has withdrawn its trust in the server key {0}")]
    DistrustedServer(PublicKey),
    /// No membership was ever issued to the key.
    #[error("{0} is not a member: enrol the device with a ticket")]
    NotAMember(PublicKey),
    /// A membership outside its validity: ends peer sessions, never the admission of old work.
    #[error("the membership of {key} is valid from {not_before} to {not_after}: connect to the server to renew it")]
    OutsideValidity {
        /// Whose.
        key: PublicKey,
        /// From.
        not_before: Timestamp,
        /// To.
        not_after: Timestamp,
    },
    /// Revoked; what the server received before that moment is kept.
    #[error("{key} was revoked at {since}: what the server received earlier is kept, what comes later is held")]
    Revoked {
        /// Whose.
        key: PublicKey,
        /// The moment, by server receipt.
        since: Timestamp,
    },
}
