//! What a session asks of the store, as values: so that a slow disk never blocks the network, and
//! a simulation can stop the world between a question and its answer.
//!
//! A shell executes calls **in the order they were emitted**, one after another, and returns each
//! answer through [`Input::CallDone`](super::session::Input::CallDone) in that order.

use std::sync::Arc;

use super::replica::{
    Admitted, Batch, BlobFinish, BlobList, BlobOffer, BlobQuery, BlobWant, CollectionState, Cursor, DocHeads,
    Introduction, Local, Missing, Outgoing, Replica, ReplicaError, Sealed, SendPlan, SignedStatement, Verdict, Welcome,
};
use crate::ids::{BlobHash, Collection, DocKey, PublicKey};
use crate::time::Timestamp;

/// A question to the replica. Cheap to clone.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Call {
    /// [`Replica::local`].
    Local,
    /// [`Replica::begin`].
    Begin(Arc<Introduction>),
    /// [`Replica::welcome`].
    Welcome(Arc<Welcome>),
    /// [`Replica::outgoing`].
    Outgoing {
        /// From where.
        plan: Arc<SendPlan>,
        /// About how many bytes.
        max_bytes: usize,
    },
    /// [`Replica::admit`].
    Admit(Arc<Batch>),
    /// [`Replica::acknowledge`].
    Acknowledge(Arc<Batch>, Arc<Admitted>),
    /// [`Replica::adopt_cursors`].
    AdoptCursors(Vec<(Collection, Cursor)>),
    /// [`Replica::states`].
    States(Vec<Collection>),
    /// [`Replica::heads`].
    Heads {
        /// Of which collection.
        collection: Collection,
        /// Start, excluded.
        after: Option<DocKey>,
        /// End, included.
        upto: Option<DocKey>,
        /// At most so many.
        max: usize,
    },
    /// [`Replica::runs_for`] for each of these documents.
    RunsFor(Arc<Vec<DocHeads>>),
    /// [`Replica::keep_statement`].
    KeepStatement(Arc<SignedStatement>),
    /// [`Replica::blobs_to_send`].
    BlobsToSend(BlobQuery),
    /// [`Replica::blob_read`].
    BlobRead {
        /// Which file.
        hash: BlobHash,
        /// From where.
        offset: u64,
        /// How many bytes.
        len: usize,
    },
    /// [`Replica::blob_begin`].
    BlobBegin(BlobOffer),
    /// [`Replica::blob_write`].
    BlobWrite {
        /// Which file.
        hash: BlobHash,
        /// Where in it.
        offset: u64,
        /// What to write there.
        bytes: Arc<Vec<u8>>,
    },
    /// [`Replica::blobs_finish`].
    BlobsFinish(Vec<BlobHash>),
    /// [`Replica::blobs_stored`]: files with the server's receipts.
    BlobsStored(Vec<(BlobHash, Option<Sealed>)>),
}

/// The answer to a [`Call`], of the variant that belongs to it.
#[derive(Debug)]
#[non_exhaustive]
pub enum Answer {
    /// Done; nothing to say.
    Done,
    /// To [`Call::Local`].
    Local(Local),
    /// To [`Call::Begin`].
    Verdict(Verdict),
    /// To [`Call::Outgoing`].
    Outgoing(Outgoing),
    /// To [`Call::Admit`].
    Admitted(Admitted),
    /// To [`Call::States`].
    States(Vec<CollectionState>),
    /// To [`Call::Heads`].
    Heads(Vec<DocHeads>),
    /// To [`Call::RunsFor`], one per document.
    Missing(Vec<Missing>),
    /// To [`Call::BlobsToSend`].
    Blobs(BlobList),
    /// To [`Call::BlobRead`].
    Bytes(Vec<u8>),
    /// To [`Call::BlobBegin`].
    Want(BlobWant),
    /// To [`Call::BlobsFinish`], in its order.
    Finished(Vec<BlobFinish>),
}

impl Call {
    /// Executes the call; blocks as long as the replica does.
    ///
    /// # Errors
    /// What the replica says.
    pub fn execute<R: Replica + ?Sized>(
        &self,
        replica: &mut R,
        peer: &PublicKey,
        now: Timestamp,
    ) -> Result<Answer, ReplicaError> {
        Ok(match self {
            Self::Local => Answer::Local(replica.local()?),
            Self::Begin(introduction) => Answer::Verdict(replica.begin(peer, introduction, now)?),
            Self::Welcome(welcome) => done(replica.welcome(peer, welcome, now)?),
            Self::Outgoing { plan, max_bytes } => Answer::Outgoing(replica.outgoing(peer, plan, *max_bytes)?),
            Self::Admit(batch) => Answer::Admitted(replica.admit(peer, batch, now)?),
            Self::Acknowledge(batch, admitted) => done(replica.acknowledge(peer, batch, admitted, now)?),
            Self::AdoptCursors(cursors) => done(replica.adopt_cursors(peer, cursors)?),
            Self::States(collections) => Answer::States(replica.states(collections)?),
            Self::Heads { collection, after, upto, max } => {
                Answer::Heads(replica.heads(*collection, after.as_ref(), upto.as_ref(), *max)?)
            }
            Self::RunsFor(docs) => Answer::Missing(
                docs.iter().map(|doc| replica.runs_for(&doc.doc, &doc.heads)).collect::<Result<_, _>>()?,
            ),
            Self::KeepStatement(statement) => done(replica.keep_statement(statement, now)?),
            Self::BlobsToSend(query) => Answer::Blobs(replica.blobs_to_send(peer, query)?),
            Self::BlobRead { hash, offset, len } => Answer::Bytes(replica.blob_read(hash, *offset, *len)?),
            Self::BlobBegin(offer) => Answer::Want(replica.blob_begin(peer, offer, now)?),
            Self::BlobWrite { hash, offset, bytes } => done(replica.blob_write(hash, *offset, bytes)?),
            Self::BlobsFinish(hashes) => Answer::Finished(replica.blobs_finish(peer, hashes, now)?),
            Self::BlobsStored(files) => done(replica.blobs_stored(peer, files, now)?),
        })
    }
}

fn done((): ()) -> Answer {
    Answer::Done
}
