//! Keys and rows of the index. All of them follow from the journal, but for those that begin
//! with [`SENT`], which are hints for people and may be forgotten.
//!
//! | first byte | rest of the key | row |
//! |---|---|---|
//! | `M` | | [`Mark`](super::segment::Mark): up to which frame the index stands |
//! | `F` | | form of these rows: another one, and the index is built anew |
//! | `S` | nothing, or a collection | sequence up to which own acts (of it) were handed out in some session |
//! | `S` | file | that another device has it |
//! | `E` | | [`Enrolment`](super::record::Enrolment) |
//! | `d` | document | [`DocRow`] |
//! | `v` | document | the document as automerge saves it |
//! | `r` | document, frame, item | [`RunRow`] |
//! | `w` | document | that it has parked runs |
//! | `u` | frame | [`UnsentRow`]: own acts no server has confirmed |
//! | `s` | collection, outlet | [`SummaryRow`] |
//! | `l` | cell by latitude and longitude, collection, outlet | that it is there |
//! | `n` | temporary number, 0, collection, outlet | that it has it |
//! | `b` | file | [`BlobRow`] |
//! | `B` | file | that a server has confirmed it |
//! | `x` | file | that it came from a device and is to be passed on |
//! | `y` | document | that a device brought changes of it, since the last proof with a server |
//! | `o` | rank (0: preview), newest first, file | files to be sent: length |
//! | `g` | collection | digest state |
//! | `c` | collection | cursor |
//! | `m` | kind, hash | certificates and revocations |
//! | `q` | document, run | rulings |
//! | `p` | collection | last statement |
//! | `k` | frame | receipts: where they are |

use minicbor::{Decode, Encode};

use super::error::StoreError;
use super::segment::FramePosition;
use crate::ids::{Actor, BlobHash, ChangeHash, Collection, DocKey, DocKind, OutletId, Signature};
use crate::sync::replica::BlobClass;
use crate::time::Timestamp;

pub(super) const MARK: &[u8] = b"M";
pub(super) const FORM: &[u8] = b"F";
/// What the row at [`FORM`] says today.
pub(super) const FORM_NOW: u64 = 2;
pub(super) const SENT: &[u8] = b"S";
pub(super) const ENROLMENT: &[u8] = b"E";

/// A document.
#[derive(Debug, Clone, PartialEq, Eq, Default, Encode, Decode)]
#[cbor(map)]
pub(super) struct DocRow {
    /// Heads of the document as it is shown.
    #[n(0)]
    pub(super) heads: Vec<ChangeHash>,
    /// Heads over admitted changes, sorted: what the digest covers. Empty while only the genesis is.
    #[n(1)]
    pub(super) admitted: Vec<ChangeHash>,
    /// Own changes that the server holds back or refused, and other changes waiting for some.
    #[n(2)]
    pub(super) held: u64,
    /// The worst state of any own act in it; `None` when there is none.
    #[n(3)]
    pub(super) own: Option<OwnState>,
    /// Frame of the last unconfirmed own act, 0 for none.
    #[n(4)]
    pub(super) last_unsent: u64,
}

/// The worst state of own acts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
#[cbor(index_only)]
pub(super) enum OwnState {
    #[n(0)]
    InLedger,
    #[n(1)]
    Stored,
    #[n(2)]
    Unsent,
    #[n(3)]
    Held,
}

/// A run of changes: where it lies in the journal and what became of it.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub(super) struct RunRow {
    #[n(0)]
    pub(super) position: FramePosition,
    /// Which item of the frame; 0 for an own act.
    #[n(1)]
    pub(super) item: u32,
    #[n(2)]
    pub(super) actor: Actor,
    #[n(3)]
    pub(super) signature: Signature,
    #[n(4)]
    pub(super) changes: Vec<ChangeHash>,
    /// Length of its raw changes.
    #[n(5)]
    pub(super) bytes: u64,
    #[n(6)]
    pub(super) state: RunState,
    /// Stable code of the reason of a hold or refusal.
    #[n(7)]
    pub(super) code: Option<String>,
    /// Its first change depends on the last of the own run before it: both can be sent as one run.
    #[n(8)]
    pub(super) continues: bool,
    /// The server's clock at receipt, where a receipt says so.
    #[n(9)]
    pub(super) received_at: Option<Timestamp>,
    #[n(10)]
    pub(super) reissue_of: Option<ChangeHash>,
    /// It is not in the document because something that it builds on is not. Follows from the
    /// other runs, and ends when a ruling does.
    #[n(11)]
    pub(super) orphan: bool,
}

impl RunRow {
    /// Is it part of the document in the index?
    pub(super) fn is_in_document(&self) -> bool {
        self.state.was_admitted() && !self.orphan
    }
}

/// What became of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub(super) enum RunState {
    /// Own, not confirmed.
    #[n(0)]
    Unsent,
    /// Own, confirmed by a server.
    #[n(1)]
    Stored,
    /// Own, and its outlet is in the ledger.
    #[n(2)]
    InLedger,
    /// Held by a ruling; still part of the document as this device shows it.
    #[n(3)]
    Held,
    /// Refused or rejected: not part of the document any more, kept in the journal.
    #[n(4)]
    Rejected,
    /// From a peer, admitted.
    #[n(5)]
    Admitted,
    /// From a peer, kept until it can be admitted.
    #[n(6)]
    Parked,
}

impl RunState {
    /// Was it admitted at some time, so that it belongs into the document if what it builds on does?
    pub(super) fn was_admitted(self) -> bool {
        !matches!(self, Self::Rejected | Self::Parked)
    }

    /// An own act with nothing against it: part of the document and of what the digest covers.
    pub(super) fn is_on_its_way(self) -> bool {
        matches!(self, Self::Unsent | Self::Stored | Self::InLedger)
    }
}

/// An own act that no server has confirmed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub(super) struct UnsentRow {
    #[n(0)]
    pub(super) doc: DocKey,
    #[n(1)]
    pub(super) bytes: u64,
}

/// A line of the list.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub(super) struct SummaryRow {
    /// [`super::summary::OutletSummary`] as JSON.
    #[n(0)]
    pub(super) json: String,
    /// The worst state of own acts in field record and case file.
    #[n(1)]
    pub(super) own: Option<OwnState>,
    /// Frame of the last unconfirmed own act in either, 0 for none.
    #[n(2)]
    pub(super) last_unsent: u64,
}

/// A file that some document names.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub(super) struct BlobRow {
    #[n(0)]
    pub(super) bytes: u64,
    #[n(1)]
    pub(super) class: BlobClass,
    /// The document that named it first.
    #[n(2)]
    pub(super) doc: DocKey,
    /// For a preview, its original.
    #[n(3)]
    pub(super) original: Option<BlobHash>,
    /// Frame in which it was first named: the order of sending.
    #[n(4)]
    pub(super) named_at: u64,
    /// Named by an own act, or carried for another device: to be sent.
    #[n(5)]
    pub(super) own: bool,
    /// A server has confirmed it.
    #[n(6)]
    pub(super) stored: bool,
    /// Its bytes are to be removed, here and everywhere.
    #[n(7)]
    pub(super) withdrawn: bool,
}

fn key(first: u8, rest: &[&[u8]]) -> Vec<u8> {
    let mut key = vec![first];
    rest.iter().for_each(|part| key.extend_from_slice(part));
    key
}

pub(super) fn doc(doc: &DocKey) -> Vec<u8> {
    key(b'd', &[&doc.to_bytes()])
}

pub(super) fn saved(doc: &DocKey) -> Vec<u8> {
    key(b'v', &[&doc.to_bytes()])
}

pub(super) fn runs_of(doc: &DocKey) -> Vec<u8> {
    key(b'r', &[&doc.to_bytes()])
}

/// Prefix of the runs of all documents of a collection.
pub(super) fn runs_in(collection: Collection) -> Vec<u8> {
    key(b'r', &[&collection_bytes(collection)])
}

/// Document of a run's row, from its key.
pub(super) fn run_document(key: &[u8]) -> Option<DocKey> {
    DocKey::from_bytes(key.get(1..key.len().checked_sub(12)?)?)
}

/// Prefix of the documents of a kind in a collection.
pub(super) fn docs_of(collection: Collection, kind: DocKind) -> Vec<u8> {
    key(b'd', &[&collection_bytes(collection), &[kind.byte()]])
}

pub(super) fn run(doc: &DocKey, sequence: u64, item: u32) -> Vec<u8> {
    key(b'r', &[&doc.to_bytes(), &sequence.to_be_bytes(), &item.to_be_bytes()])
}

/// That a document has parked runs.
pub(super) fn parked(doc: &DocKey) -> Vec<u8> {
    key(b'w', &[&doc.to_bytes()])
}

/// Frame of a run, from its key.
pub(super) fn run_sequence(key: &[u8]) -> u64 {
    let at = 1 + DocKey::LEN;
    key.get(at..at + 8).and_then(|bytes| bytes.try_into().ok()).map_or(0, u64::from_be_bytes)
}

pub(super) fn unsent(sequence: u64) -> Vec<u8> {
    key(b'u', &[&sequence.to_be_bytes()])
}

/// Frame of an unsent act, from its key.
pub(super) fn unsent_sequence(key: &[u8]) -> u64 {
    key.get(1..9).and_then(|bytes| bytes.try_into().ok()).map_or(0, u64::from_be_bytes)
}

pub(super) fn summary(collection: Collection, id: OutletId) -> Vec<u8> {
    key(b's', &[&collection_bytes(collection), id.0.as_bytes()])
}

pub(super) fn summaries_of(collection: Collection) -> Vec<u8> {
    key(b's', &[&collection_bytes(collection)])
}

/// Where the summaries of the next collection begin.
pub(super) fn after_summaries_of(collection: Collection) -> Vec<u8> {
    let [_, a, b, c] = (collection.code() + 1).to_be_bytes();
    key(b's', &[&[a, b, c]])
}

/// That an outlet lies in a cell.
pub(super) fn place(lat: u32, lon: u32, collection: Collection, id: OutletId) -> Vec<u8> {
    key(b'l', &[&lat.to_be_bytes(), &lon.to_be_bytes(), &collection_bytes(collection), id.0.as_bytes()])
}

pub(super) fn places_in(lat: u32) -> Vec<u8> {
    key(b'l', &[&lat.to_be_bytes()])
}

pub(super) fn places_from(lat: u32, lon: u32) -> Vec<u8> {
    key(b'l', &[&lat.to_be_bytes(), &lon.to_be_bytes()])
}

/// Cell by longitude of a place, from its key.
pub(super) fn place_lon(key: &[u8]) -> Option<u32> {
    Some(u32::from_be_bytes(key.get(5..9)?.try_into().ok()?))
}

/// That an outlet has a temporary number.
pub(super) fn number(number: &str, collection: Collection, id: OutletId) -> Vec<u8> {
    key(b'n', &[number.as_bytes(), &[0], &collection_bytes(collection), id.0.as_bytes()])
}

pub(super) fn numbered(number: &str) -> Vec<u8> {
    key(b'n', &[number.as_bytes(), &[0]])
}

pub(super) fn numbers_from(beginning: &str) -> Vec<u8> {
    key(b'n', &[beginning.as_bytes()])
}

/// The number of a key.
pub(super) fn number_text(key: &[u8]) -> Option<String> {
    let text = key.get(1..key.len().checked_sub(OUTLET_LEN + 1)?)?;
    std::str::from_utf8(text).ok().map(str::to_owned)
}

const OUTLET_LEN: usize = 3 + 16;

/// Collection and outlet at the end of a key.
pub(super) fn outlet_at_end(key: &[u8]) -> Option<(Collection, OutletId)> {
    let (collection, id) = key.get(key.len().checked_sub(OUTLET_LEN)?..)?.split_at(3);
    let code = u32::from_be_bytes([0, collection[0], collection[1], collection[2]]);
    Some((Collection::from_code(code)?, OutletId(uuid::Uuid::from_slice(id).ok()?)))
}

pub(super) fn blob(hash: &BlobHash) -> Vec<u8> {
    key(b'b', &[&hash.0])
}

/// That a server has confirmed a file, whether or not a document names it yet.
pub(super) fn confirmed(hash: &BlobHash) -> Vec<u8> {
    key(b'B', &[&hash.0])
}

/// That a file came from a device and is to be passed on to a server.
pub(super) fn carried(hash: &BlobHash) -> Vec<u8> {
    key(b'x', &[&hash.0])
}

/// That a device brought changes of this document.
pub(super) fn brought(doc: &DocKey) -> Vec<u8> {
    key(b'y', &[&doc.to_bytes()])
}

/// Prefix of [`brought`] in a collection.
pub(super) fn brought_in(collection: Collection) -> Vec<u8> {
    key(b'y', &[&collection_bytes(collection)])
}

pub(super) fn outgoing(row: &BlobRow, hash: &BlobHash) -> Vec<u8> {
    // Previews first; originals and attachments together, newest first.
    let rank = u8::from(row.class != BlobClass::Preview);
    key(b'o', &[&[rank], &(!row.named_at).to_be_bytes(), &hash.0])
}

/// Whether an outgoing row is about a preview, from its key.
pub(super) fn outgoing_is_preview(key: &[u8]) -> bool {
    key.get(1) == Some(&0)
}

/// File of an outgoing row, from its key.
pub(super) fn outgoing_hash(key: &[u8]) -> Option<BlobHash> {
    BlobHash::from_slice(key.get(10..)?)
}

/// A row that does not follow from the journal.
pub(super) fn is_hint(key: &[u8]) -> bool {
    key.starts_with(SENT)
}

/// How much of a collection was handed out.
pub(super) fn sent_of(collection: Collection) -> Vec<u8> {
    key(SENT[0], &[&collection_bytes(collection)])
}

/// Collection of a key of [`sent_of`].
pub(super) fn sent_collection(key: &[u8]) -> Option<Collection> {
    let [_, a, b, c] = *key else { return None };
    Collection::from_code(u32::from_be_bytes([0, a, b, c]))
}

/// That another device has a file.
pub(super) fn sent_file(hash: &BlobHash) -> Vec<u8> {
    key(SENT[0], &[&hash.0])
}

pub(super) fn digest(collection: Collection) -> Vec<u8> {
    key(b'g', &[&collection_bytes(collection)])
}

pub(super) fn cursor(collection: Collection) -> Vec<u8> {
    key(b'c', &[&collection_bytes(collection)])
}

/// Which signed object of the roster.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Believed {
    Server,
    Member,
    Revocation,
}

pub(super) fn believed(kind: Believed, bytes: &[u8]) -> Vec<u8> {
    key(believed_prefix(kind)[0], &[&believed_prefix(kind)[1..], &blake3::hash(bytes).as_bytes()[..16]])
}

pub(super) fn believed_prefix(kind: Believed) -> [u8; 2] {
    [b'm', kind as u8]
}

pub(super) fn ruling(doc: &DocKey, run: &ChangeHash) -> Vec<u8> {
    key(b'q', &[&doc.to_bytes(), &run.0])
}

/// Prefix of the rulings of a document.
pub(super) fn rulings_of(doc: &DocKey) -> Vec<u8> {
    key(b'q', &[&doc.to_bytes()])
}

pub(super) fn statement(collection: Collection) -> Vec<u8> {
    key(b'p', &[&collection_bytes(collection)])
}

pub(super) fn receipts(sequence: u64) -> Vec<u8> {
    key(b'k', &[&sequence.to_be_bytes()])
}

/// The frame's number in a key of [`receipts`].
pub(super) fn receipts_sequence(key: &[u8]) -> u64 {
    key.last_chunk::<8>().map_or(0, |bytes| u64::from_be_bytes(*bytes))
}

fn collection_bytes(collection: Collection) -> [u8; 3] {
    let [_, a, b, c] = collection.code().to_be_bytes();
    [a, b, c]
}

pub(super) fn encode<T: Encode<()>>(row: &T) -> Vec<u8> {
    minicbor::to_vec(row).expect("writing CBOR into memory cannot fail")
}

pub(super) fn decode<'b, T: Decode<'b, ()>>(bytes: &'b [u8]) -> Result<T, StoreError> {
    minicbor::decode(bytes).map_err(|error| StoreError::Index(format!("a row does not decode: {error}")))
}
