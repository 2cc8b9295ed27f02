//! Frames of a bundle.

use minicbor::{Decode, Encode};

use crate::ids::{Collection, PublicKey, Signature};
use crate::sync::replica::{BlobOffer, Sealed};
use crate::time::Timestamp;

/// First bytes of the plain form: format and version.
pub const MAGIC: &[u8; 16] = b"outlet-bundle/1\n";

/// Key of the hash over a bundle.
pub(super) const CONTEXT: &str = "outlet 2026 bundle v1";

/// Who made a bundle, and of what it is.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Header {
    /// The device (or server) that made it and signs at the end: it carries what is inside.
    #[n(0)]
    pub maker: PublicKey,
    /// Its clock. Shown, never compared.
    #[n(1)]
    pub made_at: Timestamp,
    /// Collections that the runs inside belong to, sorted; reference documents may be there, too.
    #[n(2)]
    pub collections: Vec<Collection>,
    /// The maker's membership certificate; none from a server.
    #[n(3)]
    pub certificate: Option<Sealed>,
    /// Certificate of the server that signed it, by the root.
    #[n(4)]
    pub server_certificate: Option<Sealed>,
}

/// The last frame.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct End {
    /// Batches.
    #[n(0)]
    pub batches: u64,
    /// Files.
    #[n(1)]
    pub files: u64,
    /// Over everything before this frame, with the derive key `outlet 2026 bundle v1`.
    #[cbor(n(2), with = "minicbor::bytes")]
    pub hash: [u8; 32],
    /// By the maker, on the hash.
    #[n(3)]
    pub signature: Signature,
}

/// One frame. The number is the first element of its array.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub(super) enum Frame {
    #[n(0)]
    Header(#[n(0)] Header),
    #[n(1)]
    Batch(#[cbor(n(0), with = "minicbor::bytes")] Vec<u8>),
    #[n(2)]
    File(#[n(0)] BlobOffer),
    #[n(3)]
    Data(#[cbor(n(0), with = "minicbor::bytes")] Vec<u8>),
    #[n(4)]
    End(#[n(0)] End),
}
