//! What a session says of itself at the end.

use std::collections::BTreeMap;

use super::replica::{Pending, Refusal, Statement};
use crate::ids::{Collection, Digest};

/// How a session ended, in one word.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SyncOutcome {
    /// Both sides hold the same, and signed that.
    Converged,
    /// Cut, or still unequal after a comparison, or only planned.
    Incomplete,
    /// One side would not.
    Refused,
}

impl SyncOutcome {
    /// As in `--json`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Converged => "converged",
            Self::Incomplete => "incomplete",
            Self::Refused => "refused",
        }
    }
}

/// What went one way.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Transferred {
    /// Changes the receiver confirmed (sent), or admitted here (received).
    pub changes: u64,
    /// Originals and attachments confirmed.
    pub photos: u64,
    /// Previews confirmed.
    pub previews: u64,
    /// Application bytes: frames with their prefixes, on both lanes.
    pub bytes: u64,
}

/// What a session did. The bytes are what is inside TLS.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Summary {
    /// In one word.
    pub outcome: SyncOutcome,
    /// Who refused and why, or what stayed unequal, for people.
    pub why: Option<Refusal>,
    /// The statement both signed, when they converged.
    pub statement: Option<Statement>,
    /// Digest per collection as this side last computed it.
    pub digests: BTreeMap<Collection, Digest>,
    /// To the peer.
    pub sent: Transferred,
    /// From the peer.
    pub received: Transferred,
    /// How often this side had to wait for the other on the records lane.
    pub round_trips: u64,
    /// Photos and attachments the peer has not confirmed.
    pub pending_photos: u64,
    /// Bytes of those, previews included.
    pub pending_photo_bytes: u64,
    /// Runs of ours the server holds back.
    pub held: u64,
    /// Runs that wait for others.
    pub waiting: u64,
    /// Items refused by either side.
    pub refused_items: u64,
    /// Files that arrived with other bytes than their name says: thrown away, sent once more.
    pub damaged_files: u64,
    /// Collections that were compared document by document.
    pub compared: Vec<Collection>,
    /// The acceptor's clock minus ours.
    pub skew_ms: Option<i64>,
    /// Before the session: what there was to push.
    pub to_push: Pending,
    /// In answer to a plan: what there is to pull.
    pub to_pull: Option<Pending>,
}

impl Summary {
    pub(super) fn new() -> Self {
        Self {
            outcome: SyncOutcome::Incomplete,
            why: None,
            statement: None,
            digests: BTreeMap::new(),
            sent: Transferred::default(),
            received: Transferred::default(),
            round_trips: 0,
            pending_photos: 0,
            pending_photo_bytes: 0,
            held: 0,
            waiting: 0,
            refused_items: 0,
            damaged_files: 0,
            compared: Vec::new(),
            skew_ms: None,
            to_push: Pending::default(),
            to_pull: None,
        }
    }

    /// One digest over all collections, to be compared by eye.
    #[must_use]
    pub fn digest(&self) -> Digest {
        combined_digest(&self.digests)
    }
}

/// One digest over those of several collections, in their order.
#[must_use]
pub fn combined_digest(digests: &BTreeMap<Collection, Digest>) -> Digest {
    let mut hasher = blake3::Hasher::new_derive_key("outlet 2026 combined digest v1");
    for (collection, digest) in digests {
        hasher.update(&collection.code().to_be_bytes()).update(&digest.0);
    }
    Digest(*hasher.finalize().as_bytes())
}
