//! Receipts shown again: after a server was restored from an old backup, the signed receipts of its
//! earlier life, so that the first time of receipt stands.

use super::edge::EdgeStore;
use super::error::StoreError;
use super::record::{Acknowledged, Fate, Record};
use super::rows;
use super::segment::FramePosition;
use crate::identity::SignedReceipt;
use crate::ids::{ChangeHash, DocKey};
use crate::sync::replica::ShownReceipt;

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
}

/// The receipts of one acknowledgement with the lists they stand for: the runs of their collection
/// that were kept, in the order they were sent.
fn receipts_of(acknowledged: &Acknowledged) -> Vec<ShownReceipt> {
    let with_list = |sealed: &crate::sync::replica::Sealed| {
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
