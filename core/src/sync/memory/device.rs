//! What only a device does: keeping track of what no server has confirmed.

use std::collections::BTreeMap;

use super::{MemoryReplica, Unsent};
use crate::identity::{MAX_RUN_BYTES, MAX_RUN_CHANGES, SignedReceipt, SignedRun, change_hash};
use crate::ids::{Actor, ChainHash, ChangeHash, Collection, DocKey, Epoch};
use crate::sync::replica::{
    Admitted, Batch, BlobQuery, Cursor, FeedItem, Local, Outcome, Outgoing, Pending, ReplicaError, Sealed, SendPlan,
    Since,
};

/// The place after all statements.
const SENT: Cursor = Cursor { epoch: Epoch([0; 8]), seq: u64::MAX, chain: ChainHash([0; 16]) };

impl MemoryReplica {
    pub(super) fn device_local(&self) -> Local {
        let files = self.blobs.to_send(&self.key.public(), &BlobQuery { originals: true, ..BlobQuery::default() });
        let docs: std::collections::BTreeSet<_> = self.unsent.values().map(|unsent| unsent.run.doc).collect();
        let count = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
        Local {
            subscriptions: self.cursors.keys().map(|collection| self.state(*collection)).collect(),
            certificate: self.certificate.clone(),
            wants_server_certificate: self.server.is_none() && self.roster.active_servers().is_empty(),
            pending: Pending {
                documents: count(docs.len()),
                changes: count(self.unsent.values().map(|unsent| unsent.run.changes.len()).sum()),
                bytes: count(self.unsent.values().map(|unsent| unsent.run.size()).sum()),
                photos: files.pending,
                photo_bytes: files.pending_bytes,
            },
        }
    }

    /// Own changes that no server has confirmed, as runs.
    pub(super) fn unacknowledged(&self, plan: &SendPlan, max_bytes: usize) -> Outgoing {
        let (mut runs, mut after, mut bytes, mut more) = (Vec::<Draft>::new(), plan.after, 0, false);
        let mut last: BTreeMap<DocKey, usize> = BTreeMap::new();
        for (order, unsent) in self.unsent.range(plan.after.saturating_add(1)..) {
            if bytes > 0 && bytes + unsent.run.size() > max_bytes {
                more = true;
                break;
            }
            bytes += unsent.run.size();
            after = *order;
            let draft = last.get(&unsent.run.doc).and_then(|at| runs.get_mut(*at));
            match draft.filter(|draft| draft.continues_with(unsent)) {
                Some(draft) => {
                    draft.run.changes.extend_from_slice(&unsent.run.changes);
                    draft.run.signature = unsent.run.signature;
                    draft.last = unsent.hash;
                }
                None => {
                    last.insert(unsent.run.doc, runs.len());
                    runs.push(Draft { run: unsent.run.clone(), last: unsent.hash, actor: unsent.actor });
                }
            }
        }
        let items = runs.into_iter().map(|draft| FeedItem::Run(draft.run)).collect();
        let next = SendPlan { after, ..SendPlan::default() };
        Outgoing { batch: Batch { items, cursors: Vec::new() }, next, more }
    }

    /// Everybody's certificates, and revocations: a server restored from a backup takes back those of
    /// its own that it lost, and with them the work of their holders. All at once: a model has few.
    pub(super) fn statements(&self, plan: &SendPlan) -> Outgoing {
        let mut next = plan.clone();
        let before = next.feeds.insert(Collection::REFERENCE, Since::After(SENT));
        if before == Some(Since::After(SENT)) {
            return Outgoing { batch: Batch::default(), next, more: false };
        }
        let certificates = self.roster.certificates().map(|signed| FeedItem::Certificate(Sealed(signed.to_bytes())));
        let revocations = self.roster.revocations().map(|signed| FeedItem::Revocation(Sealed(signed.to_bytes())));
        let items = certificates.chain(revocations).collect();
        Outgoing { batch: Batch { items, cursors: Vec::new() }, next, more: false }
    }

    /// A database that does not know our cursor may not know what an earlier one held of ours:
    /// it is to be sent, and judged, again.
    pub(super) fn unhold(&mut self, void: &[Collection]) {
        let docs: Vec<_> = self.docs.keys().filter(|doc| void.contains(&doc.collection)).copied().collect();
        for doc in docs {
            let Some(stored) = self.docs.get_mut(&doc) else { continue };
            for hash in std::mem::take(&mut stored.excluded) {
                self.offer(doc, hash);
            }
            self.recount(doc);
        }
    }

    /// The run that ends with this change is to be sent again.
    fn offer(&mut self, doc: DocKey, hash: ChangeHash) {
        let Some(stored) = self.docs.get(&doc) else { return };
        let Some(run) = stored.runs.iter().find(|run| run.last() == Some(hash)).cloned() else { return };
        let first = run.changes.first().and_then(|raw| change_hash(raw));
        let Some(first) = first.and_then(|first| stored.document.change(&first)) else { return };
        let unsent = Unsent { run, hash, actor: first.actor, deps: first.deps.clone() };
        self.unsent.insert(self.next_order, unsent);
        self.next_order += 1;
    }

    /// A server that holds a run cannot have let in what builds on it: what says so is of an earlier
    /// life of its database.
    pub(super) fn offer_what_builds_on_held(&mut self, doc: DocKey) {
        let Some(stored) = self.docs.get(&doc) else { return };
        let queued =
            |hash: &ChangeHash| self.unsent.values().any(|unsent| unsent.run.doc == doc && unsent.hash == *hash);
        let behind: Vec<_> = stored.left_out().difference(&stored.excluded).copied().collect();
        // In causal order, as a run is built.
        let order = stored.document.changes().map(|change| change.hash).filter(|hash| behind.contains(hash));
        for hash in order.filter(|hash| !queued(hash)).collect::<Vec<_>>() {
            self.offer(doc, hash);
        }
    }

    /// Keeps what a server said of a batch. What is held or refused is no longer sent by itself,
    /// and no longer counted.
    pub(super) fn settle(&mut self, batch: &Batch, admitted: &Admitted) -> Result<(), ReplicaError> {
        for sealed in &admitted.receipts {
            let receipt = SignedReceipt::from_bytes(&sealed.0).map_err(super::peer_error)?;
            self.roster.check_signer(&receipt).map_err(super::peer_error)?;
        }
        for (item, outcome) in batch.items.iter().zip(&admitted.outcomes) {
            let FeedItem::Run(run) = item else { continue };
            let hashes: Vec<_> = run.changes.iter().filter_map(|raw| change_hash(raw)).collect();
            if !matches!(outcome, Outcome::Waiting) {
                self.unsent.retain(|_, unsent| unsent.run.doc != run.doc || !hashes.contains(&unsent.hash));
            }
            let Some(stored) = self.docs.get_mut(&run.doc) else { continue };
            match outcome {
                Outcome::Stored { .. } => {
                    hashes.iter().for_each(|hash| {
                        stored.excluded.remove(hash);
                    });
                    self.confirmed.extend(hashes.iter().map(|hash| (run.doc, *hash)));
                }
                Outcome::Held { .. } | Outcome::Refused { .. } => stored.excluded.extend(hashes),
                Outcome::Waiting => {}
            }
            self.offer_what_builds_on_held(run.doc);
            self.recount(run.doc);
        }
        Ok(())
    }
}

struct Draft {
    run: SignedRun,
    last: ChangeHash,
    actor: Actor,
}

impl Draft {
    /// A restored store goes on as another actor: its changes are another run.
    fn continues_with(&self, unsent: &Unsent) -> bool {
        unsent.actor == self.actor
            && unsent.deps.contains(&self.last)
            && self.run.changes.len() + unsent.run.changes.len() <= MAX_RUN_CHANGES
            && self.run.size() + unsent.run.size() <= MAX_RUN_BYTES
    }
}
