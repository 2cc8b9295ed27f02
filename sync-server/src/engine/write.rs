//! Writes a decided batch: documents, digest, runs, rulings, feed, receipts, ledger rows.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use outlet_core::domain::field::FieldEntry;
use outlet_core::identity::{Receipt, Ruling, RulingReason, Signed, SignedReceipt, SignedRuling, Verdict};
use outlet_core::ids::{BlobHash, ChangeHash, Collection, DocKey, DocKind};
use outlet_core::sync::digest::CollectionDigest;
use outlet_core::sync::replica::Outcome;

use super::quarantine::{Hold, reason_code, reason_text};
use super::work::{Batch, DocWork, Fate};
use super::{EngineError, Pending, projector, serial};
use crate::db::records::{self, NewRun, RunState};
use crate::db::{DbError, feed, files, meta};
use crate::inventory;

/// What the transaction wrote.
pub(super) struct Written {
    /// Receipts as signed, one per collection.
    pub receipts: Vec<Vec<u8>>,
    /// Changes new here.
    pub new_changes: u64,
    /// Files whose bytes go once the transaction is durable.
    pub withdrawn: Vec<BlobHash>,
    /// Runs admitted, last hash each.
    pub admitted: Vec<ChangeHash>,
}

/// Items that go into a collection's feed at the end, and runs for its receipt.
#[derive(Default)]
struct CollectionWork {
    items: Vec<Pending>,
    /// By place in the batch, so that the receipt lists them in the order they came.
    kept: BTreeMap<usize, (DocKey, ChangeHash)>,
}

/// Writes the batch; fills in the outcome of each item.
pub(super) fn write(batch: &mut Batch<'_>, outcomes: &mut [Option<Outcome>]) -> Result<Written, EngineError> {
    let mut collections: BTreeMap<Collection, CollectionWork> = BTreeMap::new();
    let mut written = Written { receipts: Vec::new(), new_changes: 0, withdrawn: Vec::new(), admitted: Vec::new() };
    write_documents(batch, &mut written)?;
    batch.write_shown()?;
    for place in 0..batch.docs.len() {
        let work = collections.entry(batch.docs[place].key.collection).or_default();
        write_runs(batch, place, work, outcomes, &mut written)?;
    }
    if rows_read_differently(batch)? {
        projector::refresh(batch.engine, batch.tx, batch.roster)?;
    } else {
        let mut ledger = inventory::Writer::new(batch.tx);
        for (key, row) in &batch.rows {
            ledger.put(key, &row.row, &row.findings, &row.columns)?;
        }
        ledger.finish()?;
    }
    for (collection, work) in collections {
        finish_collection(batch, collection, &work, &mut written)?;
    }
    if !written.receipts.is_empty() {
        meta::set(batch.tx, meta::LAST_RECEIPT, batch.now.millis())?;
    }
    Ok(written)
}

/// Does the batch change what the projection reads beside an outlet's own documents? Then every row
/// may read differently and is made again in this transaction. A seal, a layer or a list does not.
fn rows_read_differently(batch: &Batch<'_>) -> Result<bool, EngineError> {
    if !batch.docs.iter().any(|doc| doc.key.kind == DocKind::Reference && doc.applied.is_some()) {
        return Ok(false);
    }
    let before = batch.engine.reference(batch.tx)?;
    Ok(!before.gives_equal_rows(&projector::load_reference(batch.tx)?))
}

fn write_documents(batch: &Batch<'_>, written: &mut Written) -> Result<(), EngineError> {
    let mut digests: BTreeMap<Collection, CollectionDigest> = BTreeMap::new();
    for doc in &batch.docs {
        let Some(applied) = &doc.applied else { continue };
        let before = doc.stored.as_ref();
        let changes = before.map_or(0, |stored| stored.changes) + applied.new_changes.len() as u64;
        let saved = applied.saved.as_deref().unwrap_or_default();
        records::put_document(batch.tx, &doc.key, &applied.heads, changes, saved)?;
        let collection = doc.key.collection;
        let digest = match digests.entry(collection) {
            std::collections::btree_map::Entry::Occupied(known) => known.into_mut(),
            std::collections::btree_map::Entry::Vacant(empty) => empty.insert(load_digest(batch.tx, collection)?),
        };
        match before {
            Some(stored) => digest.replace(&doc.key, &stored.heads, &applied.heads),
            None => digest.add(&doc.key, &applied.heads),
        }
        written.withdrawn.extend(withdrawn(batch, doc)?);
    }
    for (collection, digest) in digests {
        records::put_digest(batch.tx, collection, &digest.to_bytes(), digest.count())?;
    }
    Ok(())
}

/// The digest of a collection as stored; empty when there is none.
pub(crate) fn load_digest(
    connection: &rusqlite::Connection,
    collection: Collection,
) -> Result<CollectionDigest, DbError> {
    match records::digest(connection, collection)? {
        None => Ok(CollectionDigest::new()),
        Some((state, _)) => CollectionDigest::from_bytes(&state).ok_or_else(|| DbError::Damaged("digest".into())),
    }
}

/// Files that the new changes withdraw, with their previews: their rows say so in this transaction.
fn withdrawn(batch: &Batch<'_>, doc: &DocWork) -> Result<Vec<BlobHash>, EngineError> {
    let admitted = doc.runs.iter().zip(&doc.fates).filter(|(_, incoming)| incoming.fate == Fate::Admitted);
    let texts = admitted.flat_map(|(run, _)| run.heads()).flat_map(|head| &head.ops).map(|op| op.value.as_str());
    let mut gone: BTreeSet<BlobHash> = BTreeSet::new();
    for text in texts.filter(|text| doc.key.kind == DocKind::Field && text.contains("withdrawn")) {
        if let Ok(FieldEntry::Withdrawn(entry)) = serde_json::from_str(text) {
            gone.insert(entry.sha256);
        }
    }
    if gone.is_empty() {
        return Ok(Vec::new());
    }
    let document = doc.applied.as_ref().map(|applied| &applied.document);
    for entry in document.iter().flat_map(|document| document.entries()) {
        if let Ok(FieldEntry::Photo(photo)) = entry.parse::<FieldEntry>()
            && gone.contains(&photo.sha256)
        {
            gone.extend(photo.preview.map(|preview| preview.sha256));
        }
    }
    for hash in &gone {
        files::withdraw(batch.tx, hash, &doc.key, batch.now)?;
    }
    Ok(gone.into_iter().collect())
}

fn write_runs(
    batch: &Batch<'_>,
    place: usize,
    work: &mut CollectionWork,
    outcomes: &mut [Option<Outcome>],
    written: &mut Written,
) -> Result<(), EngineError> {
    let doc = &batch.docs[place];
    for number in in_feed_order(doc) {
        let incoming = &doc.fates[number];
        let run = &doc.runs[number];
        let in_ledger = doc.key.kind != DocKind::Reference && has_row(batch, &doc.key);
        let (outcome, kept) = match &incoming.fate {
            Fate::Admitted => {
                let id = keep(batch, doc, number, RunState::Admitted, None)?;
                let carrier = Some(incoming.carrier);
                work.items.push(Pending { kind: feed::ItemKind::Run, reference: id, hash: run.last().0, carrier });
                written.new_changes += incoming.fresh;
                written.admitted.push(run.last());
                (Outcome::Stored { in_ledger }, true)
            }
            Fate::Known(RunState::Admitted, _) => {
                (Outcome::Stored { in_ledger: doc.key.kind != DocKind::Reference }, true)
            }
            Fate::Known(RunState::Held, hold) => (Outcome::Held { code: Hold::code_of(hold.as_deref()) }, true),
            Fate::Known(RunState::Waiting, _) => (Outcome::Waiting, true),
            Fate::Known(RunState::Rejected, _) => (rejected_before(), false),
            Fate::Held(reason, waits) => {
                let hold = Hold::new(*reason, waits);
                keep(batch, doc, number, RunState::Held, Some(&hold.to_json()))?;
                rule(batch, doc, number, Verdict::Held, *reason, work)?;
                (Outcome::Held { code: hold.reason }, true)
            }
            Fate::Waiting | Fate::New | Fate::Again(_) => {
                keep(batch, doc, number, RunState::Waiting, None)?;
                (Outcome::Waiting, true)
            }
            Fate::Rejected(reason) => {
                keep(batch, doc, number, RunState::Rejected, None)?;
                if *reason == RulingReason::Equivocation {
                    let raw = run.run().to_bytes();
                    records::keep_equivocation(batch.tx, &doc.key, &run.signer(), &incoming.carrier, batch.now, &raw)?;
                    tracing::warn!(author = %run.signer().short(), document = %doc.key, "a device made two changes under one number");
                }
                rule(batch, doc, number, Verdict::Rejected, *reason, work)?;
                (Outcome::Refused { code: reason_code(*reason).into(), text: reason_text(*reason).into() }, false)
            }
            Fate::Refused(refusal) => (super::not_kept(refusal), false),
        };
        if let Some(index) = incoming.index {
            outcomes[index] = Some(outcome);
            if kept {
                work.kept.insert(index, (doc.key, run.last()));
            }
        }
    }
    Ok(())
}

fn rejected_before() -> Outcome {
    Outcome::Refused { code: "rejected".into(), text: "a ruling rejected these changes before".into() }
}

fn has_row(batch: &Batch<'_>, key: &DocKey) -> bool {
    let field = key.with_kind(DocKind::Field);
    batch.doc(&field).is_some_and(|doc| doc.applied.is_some() || doc.document.is_some())
}

/// Dependencies first: an item of a feed depends only on earlier ones.
fn in_feed_order(doc: &DocWork) -> Vec<usize> {
    let mut order: Vec<usize> = (0..doc.runs.len()).collect();
    if let Some(applied) = doc.applied.as_ref().filter(|_| doc.runs.len() > 1) {
        let places: HashMap<&ChangeHash, usize> = applied.new_changes.iter().zip(0..).collect();
        order.sort_by_key(|number| places.get(&doc.runs[*number].last()).copied().unwrap_or(usize::MAX));
    }
    order
}

fn keep(batch: &Batch<'_>, doc: &DocWork, number: usize, state: RunState, hold: Option<&str>) -> Result<i64, DbError> {
    let (run, incoming) = (&doc.runs[number], &doc.fates[number]);
    if let Some(row) = incoming.row {
        records::set_run_state(batch.tx, row, state, hold)?;
        return Ok(row);
    }
    let hashes: Vec<ChangeHash> = run.heads().iter().map(|head| head.hash).collect();
    records::insert_run(
        batch.tx,
        &NewRun {
            doc: &doc.key,
            state,
            received_at: incoming.received_at,
            author: &run.signer(),
            carrier: &incoming.carrier,
            hashes: &hashes,
            run: &run.run().to_bytes(),
            hold,
        },
    )
}

fn rule(
    batch: &Batch<'_>,
    doc: &DocWork,
    number: usize,
    verdict: Verdict,
    reason: RulingReason,
    work: &mut CollectionWork,
) -> Result<(), EngineError> {
    let run = &doc.runs[number];
    let ruling = Ruling {
        doc: doc.key,
        run: run.last(),
        changes: run.heads().iter().map(|head| head.hash).collect(),
        verdict,
        reason,
        who: "server".into(),
        at: batch.now,
        serial: serial(batch.tx)?,
        note: None,
    };
    let signed: SignedRuling = Signed::sign(batch.engine.folder.key(), ruling);
    push_ruling(batch.tx, &signed, &mut work.items)
}

/// Keeps a ruling and queues it for the feed.
pub(super) fn push_ruling(
    tx: &rusqlite::Connection,
    ruling: &SignedRuling,
    items: &mut Vec<Pending>,
) -> Result<(), EngineError> {
    let bytes = ruling.to_bytes();
    let reference = feed::keep_sealed(tx, feed::ItemKind::Ruling, &ruling.value().run.0, &bytes)?;
    let hash = *blake3::hash(&bytes).as_bytes();
    items.push(Pending { kind: feed::ItemKind::Ruling, reference, hash, carrier: None });
    Ok(())
}

fn finish_collection(
    batch: &Batch<'_>,
    collection: Collection,
    work: &CollectionWork,
    written: &mut Written,
) -> Result<(), EngineError> {
    let items: Vec<feed::Item<'_>> = work
        .items
        .iter()
        .map(|item| feed::Item {
            kind: item.kind,
            reference: item.reference,
            hash: &item.hash,
            carrier: item.carrier.as_ref(),
        })
        .collect();
    let (from_seq, to_seq) = if items.is_empty() {
        let head = feed::head(batch.tx, collection)?.seq;
        (head, head)
    } else {
        feed::append(batch.tx, collection, &items)?
    };
    if work.kept.is_empty() {
        return Ok(());
    }
    let runs: Vec<(DocKey, ChangeHash)> = work.kept.values().copied().collect();
    let receipt = Receipt {
        epoch: meta::epoch(batch.tx)?,
        collection,
        from_seq,
        to_seq,
        at: batch.now,
        count: runs.len() as u64,
        runs: Receipt::list_digest(&runs),
    };
    let signed: SignedReceipt = Signed::sign(batch.engine.folder.key(), receipt);
    let bytes = signed.to_bytes();
    feed::keep_receipt(batch.tx, &batch.carrier, signed.value(), &bytes)?;
    written.receipts.push(bytes);
    Ok(())
}
