//! Frames of the protocol, version 1 (ALPN `outlet/1`), as CBOR with integer keys.
//!
//! `core/PROTOCOL.md` describes every frame for other implementations; a test ties the two files
//! together. Nothing here interprets a frame or verifies a signature. Every limit is checked before
//! anything is allocated by it: a frame is at most [`MAX_FRAME_BYTES`], what a batch unpacks to at
//! most [`MAX_BATCH_BYTES`], and counts never reserve more than the bytes that are left.

use minicbor::{Decode, Decoder, Encode, Encoder, decode};

use super::replica::{BlobOffer, BlobWant, DocHeads, Fetch, Limits, Outcome, Pending, RefusalCode, Sealed};

pub use super::pack::{MAX_PART_BYTES, MAX_WINDOW_LOG, Packer, Unpacker, pack, unpack};
use crate::ids::{BlobHash, ChainHash, Collection, Digest, Epoch, Signature};
use crate::time::Timestamp;

/// Version of the protocol: pinned by the ALPN, repeated in the hello.
pub const VERSION: u16 = 1;
/// ALPN protocol name.
pub const ALPN: &[u8] = b"outlet/1";
/// A longer frame ends the session before it is read.
pub const MAX_FRAME_BYTES: usize = 1 << 20;
/// A batch that unpacks to more ends the session; nothing beyond it is ever inflated.
pub const MAX_BATCH_BYTES: usize = 8 << 20;
/// Most items of a batch.
pub const MAX_BATCH_ITEMS: usize = 20_000;
/// Most changes of a batch, over all its runs.
pub const MAX_BATCH_CHANGES: usize = 60_000;
/// Bytes of a file in one frame.
pub const MAX_CHUNK_BYTES: usize = 64 << 10;
/// Most ranges of a file in one answer to its offer.
pub const MAX_PARTS: usize = 64;
/// Most files asked for by name in a hello.
pub const MAX_ASKED_FILES: usize = 256;
/// A message of a comparison.
pub const MAX_COMPARE_BYTES: usize = 48 << 10;
/// Most collections in a hello.
pub const MAX_COLLECTIONS: usize = 512;
/// Longest text of a refusal that travels.
pub const MAX_TEXT_BYTES: usize = 500;
/// Length of the prefix the transport puts before each frame (u32, big endian).
pub const LENGTH_PREFIX_BYTES: usize = 4;

/// The two streams of a session.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Hash)]
pub enum Lane {
    /// Hello, records, receipts, proof: read and written first.
    Records,
    /// Photos and attachments.
    Files,
}

/// Why bytes are not a frame.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WireError {
    /// Longer than it may be.
    #[error("{what} of {bytes} bytes is larger than {limit}")]
    TooLarge {
        /// Frame, batch or chunk.
        what: &'static str,
        /// Its size.
        bytes: usize,
        /// What is allowed.
        limit: usize,
    },
    /// Not the CBOR it should be.
    #[error("not a frame of protocol version 1")]
    Cbor(#[from] decode::Error),
    /// Bytes after the end.
    #[error("{0} bytes follow the end of the frame")]
    Trailing(usize),
    /// Not a zstd frame, or one beyond the window limit.
    #[error("a batch does not unpack")]
    Zstd(#[source] std::io::Error),
    /// A frame on the lane it does not belong to.
    #[error("a frame on the wrong lane")]
    WrongLane,
}

/// One message of the protocol. The number is the first element of its array on the wire.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
#[non_exhaustive]
pub enum Frame {
    /// Initiator: who speaks, what it has. First frame of a session.
    #[n(0)]
    Hello(#[n(0)] SignedHello),
    /// Acceptor: the key is unknown here, show the certificate.
    #[n(1)]
    AskCertificate,
    /// Initiator: the certificate asked for.
    #[n(2)]
    Certificate(#[n(0)] Sealed),
    /// Acceptor: the session goes on.
    #[n(3)]
    HelloReply(#[n(0)] HelloReply),
    /// Initiator: changes.
    #[n(4)]
    Push(#[n(0)] PackedBatch),
    /// Initiator: all is pushed.
    #[n(5)]
    PushEnd(#[n(0)] PushEnd),
    /// Acceptor: a pushed batch is durable; what became of it.
    #[n(6)]
    Ack(#[n(0)] Ack),
    /// Acceptor: feed items.
    #[n(7)]
    Pull(#[n(0)] PackedBatch),
    /// Acceptor: all is sent; this is what I hold, signed.
    #[n(8)]
    PullEnd(#[n(0)] PullEnd),
    /// Initiator: I hold the same (signature over the statement), or not (none).
    #[n(9)]
    Proof(#[n(0)] Option<Signature>),
    /// Initiator: which documents do we differ in? Acceptor: the answer.
    #[n(10)]
    Compare(#[n(0)] Compare),
    /// Initiator: what came of it.
    #[n(11)]
    Differing(#[n(0)] Differing),
    /// Acceptor: send the runs of these documents that these heads do not cover.
    #[n(12)]
    Wanted(#[n(0)] Wanted),
    /// Initiator: done.
    #[n(13)]
    Bye,
    /// Either: the session ends here, and why.
    #[n(14)]
    Refused(#[n(0)] WireRefusal),
    /// Sender of a file: it exists.
    #[n(15)]
    Offer(#[n(0)] BlobOffer),
    /// Receiver: how much of it is wanted.
    #[n(16)]
    Want(#[n(0)] Want),
    /// Sender: bytes.
    #[n(17)]
    Data(#[n(0)] Data),
    /// Receiver: verified and durable (or not).
    #[n(18)]
    Stored(#[n(0)] Stored),
    /// Sender: nothing more will be offered.
    #[n(19)]
    FilesEnd(#[n(0)] FilesEnd),
}

/// A hello and what binds it to the key and to the connection.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub struct SignedHello {
    /// [`Hello`], encoded.
    #[cbor(n(0), with = "minicbor::bytes")]
    pub body: Vec<u8>,
    /// Over (TLS exporter, body) by the initiator's key.
    #[n(1)]
    pub signature: Signature,
}

/// What an initiator says first.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(map)]
pub struct Hello {
    /// [`VERSION`].
    #[n(0)]
    pub version: u16,
    /// The device's clock.
    #[n(1)]
    pub time: Timestamp,
    /// Subscriptions, sorted by collection.
    #[n(2)]
    pub lines: Vec<HelloLine>,
    /// Secret of a ticket, to enrol.
    #[cbor(n(3), with = "minicbor::bytes")]
    pub ticket_secret: Option<Vec<u8>>,
    /// True to get the server's certificate.
    #[n(4)]
    pub wants_server_certificate: Option<bool>,
    /// True to learn what a sync would transfer, and no more.
    #[n(5)]
    pub plan_only: Option<bool>,
    /// Which files of others are wanted; absent for none.
    #[n(6)]
    pub fetch: Option<Fetch>,
    /// The server it means to speak to; sent with a ticket.
    #[n(7)]
    pub server: Option<crate::ids::PublicKey>,
    /// Files wanted by name, at most [`MAX_ASKED_FILES`]; absent for none.
    #[n(8)]
    pub files: Option<Vec<BlobHash>>,
}

/// One collection in a hello.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode)]
pub struct HelloLine {
    /// Which.
    #[n(0)]
    pub collection: Collection,
    /// Digest of what the device holds.
    #[n(1)]
    pub digest: Digest,
    /// Documents.
    #[n(2)]
    pub count: u64,
    /// Changes held.
    #[n(3)]
    pub held: u64,
    /// How far the feed was read: epoch, number, chain hash.
    #[n(4)]
    pub cursor: Option<super::replica::Cursor>,
}

/// An acceptor's answer.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(map)]
pub struct HelloReply {
    /// The acceptor's clock.
    #[n(0)]
    pub time: Timestamp,
    /// What it serves, sorted by collection, and from where.
    #[n(1)]
    pub feeds: Vec<FeedLine>,
    /// What it takes; absent for the defaults.
    #[n(2)]
    pub limits: Option<Limits>,
    /// The initiator's new certificate.
    #[n(3)]
    pub certificate: Option<Sealed>,
    /// The server's certificate.
    #[n(4)]
    pub server_certificate: Option<Sealed>,
    /// What a pull would transfer; in answer to a plan.
    #[n(5)]
    pub pending: Option<Pending>,
}

/// From where one collection is served.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode)]
pub struct FeedLine {
    /// Which.
    #[n(0)]
    pub collection: Collection,
    /// From where.
    #[n(1)]
    pub mode: FeedMode,
}

/// From where a feed is served.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(index_only)]
pub enum FeedMode {
    /// From the cursor in the hello.
    #[n(0)]
    Cursor,
    /// From the beginning.
    #[n(1)]
    Start,
    /// The cursor is void: runs come by comparison.
    #[n(2)]
    Void,
}

/// A part of a batch, compressed.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub struct PackedBatch {
    /// Number of the batch within the session, from 0, without gaps, per direction.
    #[n(0)]
    pub number: u32,
    /// At most [`MAX_PART_BYTES`] of the direction's zstd stream; see [`Packer`].
    #[cbor(n(1), with = "minicbor::bytes")]
    pub packed: Vec<u8>,
    /// The batch is complete with this part.
    #[n(2)]
    pub last: bool,
}

impl PackedBatch {
    /// Cuts a packed batch into what fits a frame each.
    pub fn parts(number: u32, packed: &[u8]) -> impl Iterator<Item = Self> {
        let count = packed.len().div_ceil(MAX_PART_BYTES).max(1);
        (1..).zip(packed.chunks(MAX_PART_BYTES)).map(move |(part, packed)| Self {
            number,
            packed: packed.to_vec(),
            last: part == count,
        })
    }
}

/// The initiator has pushed everything.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode)]
pub struct PushEnd {
    /// True when files will be offered; a [`Frame::FilesEnd`] follows only then.
    #[n(0)]
    pub files: bool,
}

/// What became of a pushed batch. Sent after the commit is durable.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub struct Ack {
    /// Of the batch.
    #[n(0)]
    pub number: u32,
    /// Receipts, signed.
    #[n(1)]
    pub receipts: Vec<Sealed>,
    /// Items that were not simply stored, with a row in the ledger: (index, outcome), ascending.
    #[n(2)]
    pub exceptions: Vec<(u32, Outcome)>,
    /// Changes new to the acceptor.
    #[n(3)]
    pub new_changes: u64,
}

/// Where the acceptor stands.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub struct PullEnd {
    /// Its clock; part of the statement.
    #[n(0)]
    pub at: Timestamp,
    /// Life of its database.
    #[n(1)]
    pub epoch: Epoch,
    /// Sorted by collection: every feed that is served.
    #[n(2)]
    pub lines: Vec<EndLine>,
    /// Over the statement made of these lines.
    #[n(3)]
    pub signature: Signature,
    /// True when files will be offered; a [`Frame::FilesEnd`] follows only then.
    #[n(4)]
    pub files: bool,
}

/// One collection in a [`PullEnd`].
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode)]
pub struct EndLine {
    /// Which.
    #[n(0)]
    pub collection: Collection,
    /// End of its feed.
    #[n(1)]
    pub seq: u64,
    /// Documents.
    #[n(2)]
    pub count: u64,
    /// Changes held.
    #[n(3)]
    pub held: u64,
    /// Digest; absent when it is the one of the hello.
    #[n(4)]
    pub digest: Option<Digest>,
    /// Chain hash at the end of the feed; absent when epoch and number are those of the hello.
    #[n(5)]
    pub chain: Option<ChainHash>,
}

/// A message of negentropy about one collection; see PROTOCOL.md, section 6.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub struct Compare {
    /// Which collection.
    #[n(0)]
    pub collection: Collection,
    /// At most [`MAX_COMPARE_BYTES`].
    #[cbor(n(1), with = "minicbor::bytes")]
    pub message: Vec<u8>,
}

/// Documents that differ.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub struct Differing {
    /// Which collection.
    #[n(0)]
    pub collection: Collection,
    /// Those the initiator has, with its heads.
    #[n(1)]
    pub docs: Vec<DocHeads>,
    /// Names, in the comparison, of those it has not in this state.
    #[n(2)]
    pub ids: Vec<Digest>,
    /// True when nothing follows, in any collection.
    #[n(3)]
    pub last: bool,
}

/// What the acceptor lacks.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub struct Wanted {
    /// Documents, with the heads the acceptor has.
    #[n(0)]
    pub docs: Vec<DocHeads>,
    /// True when nothing more is wanted.
    #[n(1)]
    pub last: bool,
}

/// Why the session ends.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub struct WireRefusal {
    /// For programs, see [`RefusalCode`]. A number, so that a newer code is not malformed.
    #[n(0)]
    pub code: u16,
    /// For people.
    #[n(1)]
    pub text: String,
}

/// Answer to an offer.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub struct Want {
    /// Which file.
    #[n(0)]
    pub hash: BlobHash,
    /// How much.
    #[n(1)]
    pub want: BlobWant,
}

/// Bytes of a file.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub struct Data {
    /// Which file.
    #[n(0)]
    pub hash: BlobHash,
    /// Where they belong: inside what was wanted and has not come yet.
    #[n(1)]
    pub offset: u64,
    /// At most [`MAX_CHUNK_BYTES`].
    #[cbor(n(2), with = "minicbor::bytes")]
    pub bytes: Vec<u8>,
}

/// Nothing more will be offered.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub struct FilesEnd {
    /// Files that were begun and are not sent to their end, with the bytes of them that were sent: some of
    /// these may still be on their way.
    #[n(0)]
    pub begun: Vec<(BlobHash, u64)>,
}

/// A file is complete at the receiver.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub struct Stored {
    /// Which file.
    #[n(0)]
    pub hash: BlobHash,
    /// False when the bytes did not have the hash: nothing was kept.
    #[n(1)]
    pub intact: bool,
    /// A server's receipt.
    #[n(2)]
    pub receipt: Option<Sealed>,
}

impl Frame {
    /// The lane the frame belongs on. A refusal may come on either; it is sent on records.
    #[must_use]
    pub fn lane(&self) -> Lane {
        match self {
            Self::Offer(_) | Self::Want(_) | Self::Data(_) | Self::Stored(_) | Self::FilesEnd(_) => Lane::Files,
            _ => Lane::Records,
        }
    }

    /// Its bytes, without the length prefix.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        infallible(self)
    }

    /// Reads one frame that came on this lane.
    ///
    /// # Errors
    /// [`WireError`]; never panics, and allocates no more than a small multiple of the input.
    pub fn decode(lane: Lane, bytes: &[u8]) -> Result<Self, WireError> {
        let frame: Self = exact(bytes, "a frame", MAX_FRAME_BYTES)?;
        match &frame {
            Self::Data(data) => limit("a chunk", data.bytes.len(), MAX_CHUNK_BYTES)?,
            Self::Push(part) | Self::Pull(part) => limit("a part of a batch", part.packed.len(), MAX_PART_BYTES)?,
            Self::Compare(compare) => limit("a comparison", compare.message.len(), MAX_COMPARE_BYTES)?,
            Self::Want(Want { want: BlobWant::Parts(parts), .. }) => limit("a list of ranges", parts.len(), MAX_PARTS)?,
            _ => {}
        }
        if frame.lane() == lane { Ok(frame) } else { Err(WireError::WrongLane) }
    }
}

impl Hello {
    /// The bytes that are signed and sent.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        infallible(self)
    }

    /// Inverse of [`Hello::encode`].
    ///
    /// # Errors
    /// [`WireError`], also for more than [`MAX_COLLECTIONS`] lines.
    pub fn decode(bytes: &[u8]) -> Result<Self, WireError> {
        let hello: Self = exact(bytes, "a hello", MAX_FRAME_BYTES)?;
        limit("a hello's list of collections", hello.lines.len(), MAX_COLLECTIONS)?;
        Ok(hello)
    }

    /// What the signature of a hello covers: the exporter value of its connection, then the body.
    #[must_use]
    pub fn bound(exporter: &[u8; 32], body: &[u8]) -> Vec<u8> {
        [&exporter[..], body].concat()
    }
}

fn limit(what: &'static str, bytes: usize, limit: usize) -> Result<(), WireError> {
    if bytes > limit { Err(WireError::TooLarge { what, bytes, limit }) } else { Ok(()) }
}

fn infallible<T: Encode<()>>(value: &T) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = Encoder::new(&mut bytes);
    encoder.encode(value).expect("a Vec takes any bytes, and no encoding here refuses");
    bytes
}

fn exact<'b, T: Decode<'b, ()>>(bytes: &'b [u8], what: &'static str, most: usize) -> Result<T, WireError> {
    limit(what, bytes.len(), most)?;
    let mut decoder = Decoder::new(bytes);
    let value = decoder.decode()?;
    match bytes.len().saturating_sub(decoder.position()) {
        0 => Ok(value),
        rest => Err(WireError::Trailing(rest)),
    }
}

impl RefusalCode {
    /// As on the wire.
    #[must_use]
    pub fn number(self) -> u16 {
        Self::ALL.iter().position(|code| *code == self).and_then(|at| u16::try_from(at).ok()).unwrap_or(u16::MAX)
    }

    /// From the wire; a number of a newer version is an internal fault of the other side.
    #[must_use]
    pub fn from_number(number: u16) -> Self {
        Self::ALL.get(usize::from(number)).copied().unwrap_or(Self::Internal)
    }
}

/// Cuts a text to what travels, at a character's border.
#[must_use]
pub fn clip(text: &str) -> String {
    let end = (0..=MAX_TEXT_BYTES.min(text.len())).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
    text.get(..end).unwrap_or_default().to_owned()
}

#[cfg(test)]
#[path = "wire_tests.rs"]
mod tests;
