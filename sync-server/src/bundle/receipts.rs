//! Receipts that go out in a bundle: of every run in a feed, by author and moment, signed again from
//! what the database holds; and those of files as they were given.

use outlet_core::identity::{Receipt, Signed, SignedReceipt};
use outlet_core::ids::{ChangeHash, Collection, DocKey};
use outlet_core::sync::replica::{FeedItem, Sealed, ShownReceipt};
use outlet_core::time::Timestamp;

use crate::db::feed::{self, Receipted};
use crate::db::{files, meta};
use crate::engine::{Engine, EngineError};
use crate::error::CommandError;

/// Runs of one receipt.
const MAX_RUNS: usize = 500;

/// Receipts of a collection with their sizes.
///
/// # Errors
/// When the database refuses.
pub(super) fn of(engine: &Engine, collection: Collection) -> Result<Vec<(FeedItem, usize)>, CommandError> {
    let items = engine.database().read::<_, EngineError>(|tx| {
        let epoch = meta::epoch(tx)?;
        let mut runs = feed::receipted(tx, collection)?;
        // What the server wrote itself waits for nobody.
        runs.retain(|run| run.author != engine.folder.key().public());
        let mut items = Vec::new();
        for same in runs.chunk_by(|a, b| (a.author, a.at) == (b.author, b.at)).flat_map(|same| same.chunks(MAX_RUNS)) {
            let receipt = receipt(collection, epoch, same);
            let signed: SignedReceipt = Signed::sign(engine.folder.key(), receipt);
            let shown = ShownReceipt { receipt: Sealed(signed.to_bytes()), runs: list(same) };
            let size = shown.size();
            items.push((FeedItem::Receipt(shown), size));
        }
        for receipt in files::receipts(tx, collection)? {
            let size = receipt.len();
            items.push((FeedItem::FileReceipt(Sealed(receipt)), size));
        }
        Ok(items)
    })?;
    Ok(items)
}

fn list(runs: &[Receipted]) -> Vec<(DocKey, ChangeHash)> {
    runs.iter().map(|run| (run.doc, run.last)).collect()
}

/// As it was given, or would have been, at the moment these runs came.
fn receipt(collection: Collection, epoch: outlet_core::ids::Epoch, runs: &[Receipted]) -> Receipt {
    let seqs = || runs.iter().map(|run| run.seq);
    Receipt {
        epoch,
        collection,
        from_seq: seqs().min().unwrap_or(0),
        to_seq: seqs().max().unwrap_or(0),
        at: runs.first().map_or(Timestamp::default(), |run| run.at),
        count: runs.len() as u64,
        runs: Receipt::list_digest(&list(runs)),
    }
}
