//! Receipts outside a push. Shown again: after a server was restored from an old backup, the signed
//! receipts of its earlier life, so that the first time of receipt stands. Brought back: in a
//! server's bundle, those of work that somebody else carried there.

use super::edge::EdgeStore;
use super::error::StoreError;
use super::record::{Acknowledged, Fate, Record, RunFate};
use super::rows::{self, RunState};
use super::segment::FramePosition;
use crate::identity::SignedReceipt;
use crate::ids::{BlobHash, ChangeHash, DocKey, DocKind, PublicKey};
use crate::sync::replica::{Replica as _, ReplicaError, Sealed, ShownReceipt};
use crate::time::Timestamp;

impl EdgeStore {
    /// Receipts of own work in the order they came, from the given number on, at most so many.
    pub(super) fn shown_receipts(&mut self, from: usize, most: usize) -> Result<Vec<ShownReceipt>, StoreError> {
        let mut shown = Vec::new();
        let mut skip = from;
        for (key, position) in self.rows::<FramePosition>(b"k")? {
            let sequence = rows::receipts_sequence(&key);
            let record = Record::from_bytes(sequence, &self.journal.read(position)?)?;
            for receipt in record.acknowledged.iter().flat_map(receipts_of) {
                if skip > 0 {
                    skip -= 1;
                } else if shown.len() < most {
                    shown.push(receipt);
                } else {
                    return Ok(shown);
                }
            }
        }
        Ok(shown)
    }

    /// What a server says of own work that another one carried to it counts as if it had answered a
    /// push. Its feeds hold these runs, and what stands in a feed is in the ledger.
    pub(super) fn take_receipts(
        &mut self,
        peer: &PublicKey,
        shown: &[ShownReceipt],
        now: Timestamp,
    ) -> Result<(), StoreError> {
        for shown in shown {
            let mut runs = Vec::new();
            for (doc, last) in &shown.runs {
                runs.extend(self.open_act(doc, last)?);
            }
            if !runs.is_empty() {
                let acknowledged = Acknowledged { peer: *peer, runs, receipts: vec![shown.receipt.clone()] };
                self.commit_record(&Record { acknowledged: Some(acknowledged), ..Record::new(now) }, &[])?;
            }
        }
        Ok(())
    }

    /// The fate of an own act that no server had confirmed.
    fn open_act(&self, doc: &DocKey, last: &ChangeHash) -> Result<Option<RunFate>, StoreError> {
        let own = self.identity.public();
        let rows = self.runs(doc)?;
        let row = rows.iter().map(|(_, row)| row).find(|row| row.changes.contains(last));
        let row = row.filter(|row| row.actor.key() == own && row.state == RunState::Unsent);
        let fate = if doc.kind == DocKind::Reference { Fate::Stored } else { Fate::InLedger };
        let changes = |row: &rows::RunRow| u32::try_from(row.changes.len()).unwrap_or(u32::MAX);
        Ok(row.map(|row| RunFate { doc: *doc, last: *last, fate, code: None, changes: changes(row) }))
    }

    /// The same of own files, and of those that are carried for others.
    pub(super) fn take_file_receipts(
        &mut self,
        peer: &PublicKey,
        mut files: Vec<(BlobHash, Option<Sealed>)>,
        now: Timestamp,
    ) -> Result<(), ReplicaError> {
        let mut open = Vec::new();
        for (hash, receipt) in files.drain(..) {
            if self.blob_row(&hash)?.is_some_and(|row| row.own && !row.stored) {
                open.push((hash, receipt));
            }
        }
        self.blobs_stored(peer, &open, now)
    }
}

/// The receipts of one acknowledgement with the lists they stand for: the runs of their collection
/// that were kept, in the order they were sent.
fn receipts_of(acknowledged: &Acknowledged) -> Vec<ShownReceipt> {
    let with_list = |sealed: &Sealed| {
        let receipt = SignedReceipt::from_bytes(&sealed.0).ok()?;
        let kept = acknowledged.runs.iter().filter(|fate| fate.fate != Fate::Refused);
        let runs: Vec<(DocKey, ChangeHash)> = kept
            .filter(|fate| fate.doc.collection == receipt.value().collection)
            .map(|fate| (fate.doc, fate.last))
            .collect();
        receipt.value().covers(&runs).then(|| ShownReceipt { receipt: sealed.clone(), runs })
    };
    acknowledged.receipts.iter().filter_map(with_list).collect()
}
