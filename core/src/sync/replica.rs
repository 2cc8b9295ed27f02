//! What a session needs of the store below it.
//!
//! [`Replica`] is implemented by the edge store, by the server's database and by
//! [`MemoryReplica`](crate::sync::memory::MemoryReplica). A session never calls it: it emits
//! [`Call`](crate::sync::calls::Call)s and the shell executes them, on a thread where blocking is
//! allowed, so that a slow disk never blocks the network.
//!
//! The order that makes acknowledgement safe is in the types: a receipt exists only inside the
//! [`Admitted`] that a durable [`Replica::admit`] returns.
//!
//! **Feeds.** A server numbers what it admits, per collection, in commit order: a *feed*. Runs and
//! rulings stand in the feed of their document's collection; certificates, server certificates and
//! revocations stand in the feed of [`Collection::REFERENCE`], which everybody subscribes to. A
//! batch that spans feeds gives [`Collection::REFERENCE`] first and is read in one snapshot, so
//! that an author's certificate never comes after the author's run.

use std::collections::{BTreeMap, BTreeSet};

use minicbor::{Decode, Encode};

pub use super::refusal::{Refusal, RefusalCode};
pub use crate::identity::{SignedRun, SignedStatement, Statement, StatementLine};
use crate::ids::{BlobHash, ChainHash, ChangeHash, Collection, Digest, DocKey, Epoch, PublicKey};
use crate::time::Timestamp;

/// An object that was signed elsewhere, as its exact bytes: what was signed is what is kept and
/// passed on, whatever this version understands of it. Decode with [`crate::identity`].
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Encode, Decode)]
#[cbor(transparent)]
pub struct Sealed(#[cbor(n(0), with = "minicbor::bytes")] pub Vec<u8>);

/// A place in one collection's feed. It is void on a database of another epoch, and on one whose
/// feed has another chain hash at this number (a restored backup that went on by itself).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode)]
pub struct Cursor {
    /// The life of the database.
    #[n(0)]
    pub epoch: Epoch,
    /// Number of the last item seen; 0 before the first.
    #[n(1)]
    pub seq: u64,
    /// Hash over the feed up to and including that item. The server makes it, a device keeps it.
    #[n(2)]
    pub chain: ChainHash,
}

/// What a replica holds of a collection. Digest and count cover *admitted* changes only.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CollectionState {
    /// Which collection.
    pub collection: Collection,
    /// Digest over (document key, sorted heads) of all documents ([`crate::sync::digest`]). A
    /// device counts its own unsent changes in, and what a server holds, refused or rejected out.
    /// Own changes that *wait* at the server stay in, and stay to be sent: that the digests differ
    /// makes the session compare, and bring what they wait for.
    pub digest: Digest,
    /// Documents.
    pub count: u64,
    /// Changes held back by a ruling, with those waiting for them.
    pub held: u64,
    /// On a device: how far it has read the server's feed, `None` before the first time. On a
    /// server: the end of the feed, always `Some`.
    pub cursor: Option<Cursor>,
}

/// How much there is to send or to receive, for a plan before the sync.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Encode, Decode)]
pub struct Pending {
    /// Documents with something new.
    #[n(0)]
    pub documents: u64,
    /// Changes.
    #[n(1)]
    pub changes: u64,
    /// Bytes of those changes before compression.
    #[n(2)]
    pub bytes: u64,
    /// Photos and attachments, previews not counted.
    #[n(3)]
    pub photos: u64,
    /// Bytes of photos, previews and attachments.
    #[n(4)]
    pub photo_bytes: u64,
}

/// What this side brings to a session.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Local {
    /// The collections this side follows, sorted, with [`Collection::REFERENCE`] first. Empty on
    /// a device that is about to enrol.
    pub subscriptions: Vec<CollectionState>,
    /// Own membership certificate (device) or server certificate (server), if there is one.
    pub certificate: Option<Sealed>,
    /// True on a device that does not hold the certificate of the server it is about to call.
    pub wants_server_certificate: bool,
    /// What there is to push.
    pub pending: Pending,
}

/// What an initiator says of itself, as the acceptor's replica sees it. The signature of the hello
/// over the TLS exporter has been verified before.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Introduction {
    /// The device's clock, for the record of its skew; never used to order anything.
    pub claimed_time: Timestamp,
    /// Its subscriptions: state and cursor per collection.
    pub subscriptions: Vec<CollectionState>,
    /// Secret of an enrolment ticket.
    pub ticket_secret: Option<Vec<u8>>,
    /// Its certificate; only sent after [`Verdict::NeedCertificate`], or by device to device.
    pub certificate: Option<Sealed>,
    /// True when it asks for the server's certificate.
    pub wants_server_certificate: bool,
    /// True when it only wants to know what a sync would transfer.
    pub plan_only: bool,
    /// Which files of others it wants to have.
    pub fetch: Fetch,
    /// Files it asks for by name, whatever `fetch` says.
    pub files: Vec<BlobHash>,
}

/// Which files of others a device wants from a server.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default, Encode, Decode)]
#[cbor(index_only)]
pub enum Fetch {
    /// None.
    #[default]
    #[n(0)]
    Nothing,
    /// Previews.
    #[n(1)]
    Previews,
    /// Previews, originals and attachments.
    #[n(2)]
    Everything,
}

/// An acceptor's answer to an introduction.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// The session may go on.
    Welcome(PeerPlan),
    /// The key is unknown here: send the certificate (a server restored from an old backup
    /// recognises its members this way).
    NeedCertificate,
    /// The session ends here.
    Refused(Refusal),
}

/// What an acceptor will do for a peer.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct PeerPlan {
    /// The peer's membership certificate, if it has just been issued or renewed.
    pub certificate: Option<Sealed>,
    /// The server's certificate, if it was asked for.
    pub server_certificate: Option<Sealed>,
    /// Where to start in each collection the peer subscribed to and may read. A fresh enrolment
    /// puts the ticket's collections here, each [`Since::Start`]. What is missing is not served.
    pub feeds: BTreeMap<Collection, Since>,
    /// What this side will take.
    pub limits: Limits,
    /// What there is to pull.
    pub pending: Pending,
}

/// From where a feed is sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Since {
    /// From the beginning.
    Start,
    /// What comes after this cursor.
    After(Cursor),
    /// The peer's cursor is void: everything that is not a run, from the beginning; runs are found
    /// by comparing heads. Such items go out without cursors. When all are out,
    /// [`Outgoing::next`] holds [`Since::After`] the end of the feed they were read up to: what is
    /// appended later is sent with its runs.
    WithoutRuns,
}

/// What a side is willing to take in this session.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(map)]
pub struct Limits {
    /// False when the disk is too full for records: the device keeps them.
    #[n(0)]
    pub records: bool,
    /// False when the disk is too full for photos: the device keeps them.
    #[n(1)]
    pub photos: bool,
    /// Largest photo or attachment, in bytes.
    #[n(2)]
    pub max_blob_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { records: true, photos: true, max_blob_bytes: 200 << 20 }
    }
}

/// What the initiator keeps of the acceptor's welcome before anything else happens.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Welcome {
    /// Own certificate, newly issued: enrolment is complete when this call has returned.
    pub certificate: Option<Sealed>,
    /// The server's certificate.
    pub server_certificate: Option<Sealed>,
    /// Collections now served to this device. On enrolment, the ones to subscribe to.
    pub collections: Vec<Collection>,
    /// Collections whose cursor the server does not know: to be compared in full. The store keeps
    /// its cursor until [`Replica::adopt_cursors`] replaces it.
    pub void: Vec<Collection>,
    /// The server's clock.
    pub server_time: Timestamp,
    /// What the server takes.
    pub limits: Limits,
}

/// One item of a feed or of a push.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum FeedItem {
    /// Signed changes of one author to one document.
    Run(SignedRun),
    /// A membership certificate ([`crate::identity::Certificate`]).
    Certificate(Sealed),
    /// A server's certificate, signed by the root.
    ServerCert(Sealed),
    /// A revocation, signed by the server.
    Revocation(Sealed),
    /// A ruling on changes: held, released, rejected.
    Ruling(Sealed),
    /// A receipt with its list. From a device to a server that may have lost it, so that the first
    /// time of receipt stands; in a server's bundle, of runs that its feeds hold, for their author.
    Receipt(ShownReceipt),
    /// The receipt of a file ([`crate::identity::SignedBlobReceipt`]), in a server's bundle.
    FileReceipt(Sealed),
}

/// A receipt with the runs it was given for.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub struct ShownReceipt {
    /// [`crate::identity::SignedReceipt`].
    #[n(0)]
    pub receipt: Sealed,
    /// What its list digest covers: each run's document and last change, in order.
    #[n(1)]
    pub runs: Vec<(DocKey, ChangeHash)>,
}

impl ShownReceipt {
    /// About how long it is on the wire.
    #[must_use]
    pub fn size(&self) -> usize {
        self.receipt.0.len() + 56 * self.runs.len()
    }
}

/// Items that are admitted together: one transaction, one frame of the journal.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Batch {
    /// In order: an item depends only on earlier ones or on what the receiver has.
    pub items: Vec<FeedItem>,
    /// Where the feeds stand after these items (from a server only). The receiver stores them in
    /// the same transaction as the items.
    pub cursors: Vec<(Collection, Cursor)>,
}

/// What has been handed out so far in this session; opaque to the session, which only passes it
/// back.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct SendPlan {
    /// Devices: local order of the last unacknowledged run handed out; 0 at first. In-flight runs
    /// are not handed out twice because of it.
    pub after: u64,
    /// Servers: per collection, from where. After a reading to the end every feed stands at
    /// [`Since::After`] its end, also an empty one (number 0): the session compares it with
    /// [`Replica::states`] and reads again when others have written meanwhile.
    pub feeds: BTreeMap<Collection, Since>,
}

/// A part of what is to be sent.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Outgoing {
    /// What to send now. Servers leave out what the peer itself carried here (the cursors move
    /// on all the same).
    pub batch: Batch,
    /// To be passed to the next [`Replica::outgoing`].
    pub next: SendPlan,
    /// True when there may be more. A replica may return an empty batch with `more`.
    pub more: bool,
}

/// What became of one item.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
#[non_exhaustive]
pub enum Outcome {
    /// Admitted, durably; also when it was known before.
    #[n(0)]
    Stored {
        /// The outlet has a row in the ledger.
        #[n(0)]
        in_ledger: bool,
    },
    /// Kept durably but not admitted: a ruling (quota, revoked author) holds it.
    #[n(1)]
    Held {
        /// Stable code of the reason.
        #[n(0)]
        code: String,
    },
    /// Kept durably; admitted when the changes it depends on are. Nobody decided against it: a
    /// device goes on sending it. (What builds on a *held* change is itself [`Outcome::Held`].)
    #[n(2)]
    Waiting,
    /// Not kept: every replica refuses it, for the same timeless reason.
    #[n(3)]
    Refused {
        /// Stable code ([`crate::admission`]).
        #[n(0)]
        code: String,
        /// For people.
        #[n(1)]
        text: String,
    },
}

/// What a durable admission returns.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Admitted {
    /// One per item of the batch, in its order.
    pub outcomes: Vec<Outcome>,
    /// Receipts signed by the server; empty from a device.
    pub receipts: Vec<Sealed>,
    /// Changes that were new here.
    pub new_changes: u64,
}

/// A document and its heads, sorted.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub struct DocHeads {
    /// The document.
    #[n(0)]
    pub doc: DocKey,
    /// Heads over admitted changes, sorted.
    #[n(1)]
    pub heads: Vec<ChangeHash>,
}

/// What one side of a comparison lacks of a document.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Missing {
    /// Admitted runs that the given heads do not cover, dependencies first.
    pub runs: Vec<SignedRun>,
    /// Which of the given heads are neither admitted nor held here: what they stand on is asked
    /// for. One that only waits counts as unknown, or what it waits for would never come.
    pub unknown: Vec<ChangeHash>,
    /// Heads here, over admitted changes.
    pub heads: Vec<ChangeHash>,
}

/// What kind of file. Previews go before originals.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Encode, Decode)]
#[cbor(index_only)]
pub enum BlobClass {
    /// Small picture made from an original.
    #[n(0)]
    Preview,
    /// Untouched bytes of a photo.
    #[n(1)]
    Original,
    /// Lab report, consent, video, personal data: anything else that is named by its hash.
    #[n(2)]
    Attachment,
}

/// A file one side has and the other may lack.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub struct BlobOffer {
    /// SHA-256 of its bytes.
    #[n(0)]
    pub hash: BlobHash,
    /// Length.
    #[n(1)]
    pub bytes: u64,
    /// What kind.
    #[n(2)]
    pub class: BlobClass,
    /// A document that names it (for a preview: that names its original).
    #[n(3)]
    pub doc: DocKey,
    /// For a preview: the original.
    #[n(4)]
    pub original: Option<BlobHash>,
}

/// A receiver's answer to an offer.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub enum BlobWant {
    /// Send these ranges (start, and the byte after the last), ascending and with gaps between them: the rest is
    /// here already. None: all is here, and will be verified.
    #[n(0)]
    Parts(#[n(0)] Vec<(u64, u64)>),
    /// All of it is here, durably, with this receipt (a server's; `None` from a device).
    #[n(1)]
    Have(#[n(0)] Option<Sealed>),
    /// Not wanted now or ever: stable code (`withdrawn`, `too_large`, `disk_full`, `unknown_document`, `quota`).
    #[n(2)]
    Refused(#[n(0)] String),
}

/// What became of a file whose last byte has been written.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum BlobFinish {
    /// Hash verified, fsynced, renamed; the receipt of a server.
    Stored(Option<Sealed>),
    /// The bytes do not have the announced hash; what was received is discarded.
    HashMismatch,
}

/// Which files to offer next.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct BlobQuery {
    /// At most so many offers.
    pub max: usize,
    /// False: previews only.
    pub originals: bool,
    /// In flight or refused in this session: not to be offered again.
    pub exclude: BTreeSet<BlobHash>,
}

/// Files to offer, and what remains.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct BlobList {
    /// Previews before originals and attachments, newest first.
    pub offers: Vec<BlobOffer>,
    /// All photos and attachments the peer has not confirmed, previews not counted, whatever the
    /// query left out.
    pub pending: u64,
    /// Their bytes, previews included.
    pub pending_bytes: u64,
}

/// Why a replica could not do what the session asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReplicaError {
    /// The store failed.
    #[error("the store failed while {operation}")]
    Storage {
        /// What was being done, such as "admitting a batch".
        operation: &'static str,
        /// True when trying again cannot help (damage, read-only store).
        permanent: bool,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Refused before writing: too little space on the disk.
    #[error("not enough disk space for {operation}; free some and sync again")]
    Full {
        /// What was being done.
        operation: &'static str,
    },
    /// The peer sent something that no honest peer sends (a batch for a foreign collection, bytes
    /// of a file that was never offered): the session ends.
    #[error("the peer broke the rules: {0}")]
    Peer(String),
    /// This side will have nothing to do with the peer, and says why.
    #[error("{}", .0.text)]
    Refused(Refusal),
    /// The replica has no such document, file or collection.
    #[error("{0} is not here")]
    NotFound(String),
}

impl ReplicaError {
    /// True when trying again cannot help.
    #[must_use]
    pub fn is_permanent(&self) -> bool {
        match self {
            Self::Storage { permanent, .. } => *permanent,
            Self::Full { .. } => false,
            Self::Peer(_) | Self::NotFound(_) | Self::Refused(_) => true,
        }
    }

    /// A failure of the store that may pass.
    pub fn storage(operation: &'static str, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Storage { operation, permanent: false, source: source.into() }
    }
}

/// The store below a session. Every method may block and may fail; each is one transaction.
///
/// Which side implements what: a *device* implements everything but may answer
/// [`Replica::begin`] with a refusal; a *server* may leave [`Replica::welcome`],
/// [`Replica::acknowledge`] and [`Replica::adopt_cursors`] at their default, which is an error.
pub trait Replica {
    /// What this side brings: certificates, subscriptions, what is waiting to be sent.
    ///
    /// # Errors
    /// When the store fails.
    fn local(&mut self) -> Result<Local, ReplicaError>;

    /// Acceptor: judges a peer. Checks membership (or redeems the ticket, durably, bound to this
    /// key; a retry by the same key succeeds), collections and cursors; records the clock skew.
    ///
    /// # Errors
    /// When the store fails; a refusal is a [`Verdict`].
    fn begin(&mut self, peer: &PublicKey, introduction: &Introduction, now: Timestamp)
    -> Result<Verdict, ReplicaError>;

    /// Initiator: keeps certificates and subscriptions, durably. In a collection whose cursor is
    /// void, own runs that were held are unsent again: this database may never have seen them.
    ///
    /// # Errors
    /// When the store fails, or a certificate does not verify.
    fn welcome(&mut self, peer: &PublicKey, welcome: &Welcome, now: Timestamp) -> Result<(), ReplicaError> {
        let _ = (peer, welcome, now);
        Err(ReplicaError::NotFound("a way to be welcomed".into()))
    }

    /// What to send next, about `max_bytes` of raw changes, in admission order. Device: its own
    /// unacknowledged runs (and receipts of re-sent ones). Server: feed items after the plan's
    /// cursors, [`Collection::REFERENCE`] first, all read in one snapshot. A run larger than
    /// `max_bytes` is sent alone; authors split runs at [`crate::identity::MAX_RUN_BYTES`].
    ///
    /// # Errors
    /// When the store fails.
    fn outgoing(&mut self, peer: &PublicKey, plan: &SendPlan, max_bytes: usize) -> Result<Outgoing, ReplicaError>;

    /// Admits a batch from the peer (a run that is known here is [`Outcome::Stored`] again; on a
    /// device, one of its own that it thought held thereby stands): checks, applies, stores, moves digest, feed, ledger and
    /// cursors, in one transaction that is **durable when this returns**. One bad item never
    /// fails the others.
    ///
    /// # Errors
    /// When the store fails (nothing of the batch is kept), or [`ReplicaError::Peer`].
    fn admit(&mut self, peer: &PublicKey, batch: &Batch, now: Timestamp) -> Result<Admitted, ReplicaError>;

    /// Device: keeps what a server said of a batch this device sent: outcomes and receipts, durably.
    ///
    /// # Errors
    /// When the store fails, or a receipt does not verify.
    fn acknowledge(
        &mut self,
        peer: &PublicKey,
        batch: &Batch,
        admitted: &Admitted,
        now: Timestamp,
    ) -> Result<(), ReplicaError> {
        let _ = (peer, batch, admitted, now);
        Err(ReplicaError::NotFound("a place for receipts".into()))
    }

    /// Device: takes these cursors as its own. Called when a collection whose cursor was void has
    /// been compared, transferred and found equal.
    ///
    /// # Errors
    /// When the store fails.
    fn adopt_cursors(&mut self, peer: &PublicKey, cursors: &[(Collection, Cursor)]) -> Result<(), ReplicaError> {
        let _ = (peer, cursors);
        Err(ReplicaError::NotFound("a place for cursors".into()))
    }

    /// State of these collections, in their order, in one snapshot.
    ///
    /// # Errors
    /// When the store fails.
    fn states(&mut self, collections: &[Collection]) -> Result<Vec<CollectionState>, ReplicaError>;

    /// Documents of a collection with their heads, sorted by key: those after `after` (excluded)
    /// up to `upto` (included, `None` for the end), at most `max`.
    ///
    /// # Errors
    /// When the store fails.
    fn heads(
        &mut self,
        collection: Collection,
        after: Option<&DocKey>,
        upto: Option<&DocKey>,
        max: usize,
    ) -> Result<Vec<DocHeads>, ReplicaError>;

    /// The admitted runs of a document that `have` does not cover, and which of `have` is unknown
    /// here. Runs may contain changes the peer has. An absent document gives no runs, all unknown.
    ///
    /// # Errors
    /// When the store fails.
    fn runs_for(&mut self, doc: &DocKey, have: &[ChangeHash]) -> Result<Missing, ReplicaError>;

    /// Keeps the statement that both sides signed, durably.
    ///
    /// # Errors
    /// When the store fails.
    fn keep_statement(&mut self, statement: &SignedStatement, now: Timestamp) -> Result<(), ReplicaError>;

    /// Files to offer to the peer next.
    ///
    /// # Errors
    /// When the store fails.
    fn blobs_to_send(&mut self, peer: &PublicKey, query: &BlobQuery) -> Result<BlobList, ReplicaError>;

    /// Bytes of a file: exactly `len`, unless the file is shorter than recorded.
    ///
    /// # Errors
    /// When the file cannot be read.
    fn blob_read(&mut self, hash: &BlobHash, offset: u64, len: usize) -> Result<Vec<u8>, ReplicaError>;

    /// Receiver: says what of an offered file it wants. The ranges it answers are those that a partial
    /// file under this hash lacks.
    ///
    /// # Errors
    /// When the store fails; a refusal is a [`BlobWant`].
    fn blob_begin(&mut self, peer: &PublicKey, offer: &BlobOffer, now: Timestamp) -> Result<BlobWant, ReplicaError>;

    /// Receiver: writes into the partial file, in any order; what was there already may come again.
    ///
    /// # Errors
    /// When the store fails.
    fn blob_write(&mut self, hash: &BlobHash, offset: u64, bytes: &[u8]) -> Result<(), ReplicaError>;

    /// Receiver: verifies the hash of the whole, makes it durable, and only then signs for it.
    ///
    /// # Errors
    /// When the store fails.
    fn blob_finish(&mut self, peer: &PublicKey, hash: &BlobHash, now: Timestamp) -> Result<BlobFinish, ReplicaError>;

    /// As [`Replica::blob_finish`] for several that are complete at the same time: one commit instead
    /// of many. In the order given.
    ///
    /// # Errors
    /// When the store fails; what was finished before stays.
    fn blobs_finish(
        &mut self,
        peer: &PublicKey,
        hashes: &[BlobHash],
        now: Timestamp,
    ) -> Result<Vec<BlobFinish>, ReplicaError> {
        hashes.iter().map(|hash| self.blob_finish(peer, hash, now)).collect()
    }

    /// As [`Replica::blob_stored`] for several that were confirmed at about the same time.
    ///
    /// # Errors
    /// When the store fails, or a receipt does not verify.
    fn blobs_stored(
        &mut self,
        peer: &PublicKey,
        files: &[(BlobHash, Option<Sealed>)],
        now: Timestamp,
    ) -> Result<(), ReplicaError> {
        files.iter().try_for_each(|(hash, receipt)| self.blob_stored(peer, hash, receipt.as_ref(), now))
    }

    /// Sender: the peer holds this file, durably. Keeps the receipt, durably.
    ///
    /// # Errors
    /// When the store fails, or the receipt does not verify.
    fn blob_stored(
        &mut self,
        peer: &PublicKey,
        hash: &BlobHash,
        receipt: Option<&Sealed>,
        now: Timestamp,
    ) -> Result<(), ReplicaError>;
}
