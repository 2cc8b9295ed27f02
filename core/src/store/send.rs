//! What this device has to send: own acts that no server has confirmed, as runs, and own files.

use std::collections::{BTreeMap, BTreeSet};

use super::edge::EdgeStore;
use super::error::StoreError;
use super::rows::{self, Believed, BlobRow, DocRow, RunRow, RunState, UnsentRow};
use super::stage::read_run;
use crate::identity::{MAX_RUN_BYTES, MAX_RUN_CHANGES, SignedRun};
use crate::ids::{Actor, BlobHash, ChainHash, ChangeHash, Collection, DocKey, Epoch};
use crate::sync::replica::{
    Batch, BlobClass, BlobList, BlobOffer, BlobQuery, Cursor, FeedItem, Missing, Outgoing, Pending, Sealed, SendPlan,
    Since,
};

/// Outgoing files looked at in one go.
const FILES_AT_ONCE: usize = 512;
/// Receipts read in one go.
const RECEIPTS_AT_ONCE: usize = 64;

/// Own photos and attachments that no server has confirmed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct PendingFiles {
    pub(super) files: u64,
    pub(super) bytes: u64,
}

impl PendingFiles {
    /// One file less.
    pub(super) fn without(self, row: &BlobRow) -> Self {
        let counted = u64::from(row.class != BlobClass::Preview);
        Self { files: self.files.saturating_sub(counted), bytes: self.bytes.saturating_sub(row.bytes) }
    }
}

impl EdgeStore {
    /// Own acts after `plan.after`, about `max_bytes` of them, grouped into as few signed runs as
    /// their dependencies allow: one signature vouches for all of a run.
    pub(super) fn next_runs(&mut self, plan: &SendPlan, max_bytes: usize) -> Result<Outgoing, StoreError> {
        let outgoing = self.next_runs_of(plan, max_bytes, &|_| true)?;
        self.note_sent(outgoing.next.after)?;
        Ok(outgoing)
    }

    /// The same, of some collections only.
    pub(super) fn next_runs_of(
        &mut self,
        plan: &SendPlan,
        max_bytes: usize,
        only: &dyn Fn(Collection) -> bool,
    ) -> Result<Outgoing, StoreError> {
        let (window, more) = self.window(plan.after, max_bytes)?;
        let mut next = plan.clone();
        let mut by_doc: BTreeMap<DocKey, BTreeSet<u64>> = BTreeMap::new();
        for (sequence, doc) in &window {
            next.after = next.after.max(*sequence);
            if only(doc.collection) {
                by_doc.entry(*doc).or_default().insert(*sequence);
            }
        }
        let mut order: Vec<(u64, DocKey)> =
            by_doc.iter().filter_map(|(doc, all)| Some((*all.first()?, *doc))).collect();
        order.sort_unstable();
        let mut items = Vec::new();
        for (_, doc) in order {
            let wanted = by_doc.remove(&doc).unwrap_or_default();
            let rows = self.runs(&doc)?;
            let acts = rows
                .into_iter()
                .filter(|(sequence, row)| row.state == RunState::Unsent && !row.orphan && wanted.contains(sequence));
            items.extend(self.joined(acts.collect())?.into_iter().map(FeedItem::Run));
        }
        Ok(Outgoing { batch: Batch { items, cursors: Vec::new() }, next, more })
    }

    /// Certificates, then revocations, then receipts: a server restored from a backup takes back
    /// those of its own that it lost, and with them the work of their holders and its times.
    pub(super) fn next_statements(
        &mut self,
        plan: &SendPlan,
        since: Since,
        max_bytes: usize,
    ) -> Result<Outgoing, StoreError> {
        let from = if let Since::After(cursor) = since { cursor.seq } else { 0 };
        let mut all: Vec<FeedItem> =
            self.sealed(Believed::Member)?.into_iter().map(|bytes| FeedItem::Certificate(Sealed(bytes))).collect();
        all.extend(self.sealed(Believed::Revocation)?.into_iter().map(|bytes| FeedItem::Revocation(Sealed(bytes))));
        let place = usize::try_from(from).unwrap_or(usize::MAX);
        let receipts = self.shown_receipts(place.saturating_sub(all.len()), RECEIPTS_AT_ONCE)?;
        let page_is_full = receipts.len() == RECEIPTS_AT_ONCE;
        let mut all = all.into_iter().skip(place).chain(receipts.into_iter().map(FeedItem::Receipt)).peekable();
        let (mut items, mut bytes) = (Vec::new(), 0_usize);
        let size = |item: &FeedItem| match item {
            FeedItem::Certificate(sealed) | FeedItem::Revocation(sealed) => sealed.0.len(),
            FeedItem::Receipt(shown) => shown.size(),
            _ => 0,
        };
        while let Some(item) = all.next_if(|item| items.is_empty() || bytes.saturating_add(size(item)) <= max_bytes) {
            bytes = bytes.saturating_add(size(&item));
            items.push(item);
        }
        let more = all.peek().is_some() || page_is_full;
        let seq = from.saturating_add(items.len() as u64);
        let place = Cursor { epoch: Epoch([0; 8]), seq, chain: ChainHash([0; 16]) };
        let mut next = plan.clone();
        next.feeds.insert(Collection::REFERENCE, Since::After(place));
        Ok(Outgoing { batch: Batch { items, cursors: Vec::new() }, next, more })
    }

    fn window(&self, after: u64, max_bytes: usize) -> Result<(Vec<(u64, DocKey)>, bool), StoreError> {
        let (mut window, mut bytes, mut more, mut bad) = (Vec::new(), 0_u64, false, None);
        let from = rows::unsent(after.saturating_add(1));
        self.index()?.scan_from(b"u", &from, &mut |key, value| match rows::decode::<UnsentRow>(value) {
            Ok(row) if window.is_empty() || bytes + row.bytes <= max_bytes as u64 => {
                bytes += row.bytes;
                window.push((rows::unsent_sequence(key), row.doc));
                true
            }
            Ok(_) => {
                more = true;
                false
            }
            Err(error) => {
                bad = Some(error);
                false
            }
        })?;
        bad.map_or(Ok((window, more)), Err)
    }

    /// Acts of one document, in order, as runs.
    fn joined(&mut self, acts: Vec<(u64, RunRow)>) -> Result<Vec<SignedRun>, StoreError> {
        let mut runs: Vec<SignedRun> = Vec::new();
        let mut last: Option<Actor> = None;
        for (sequence, row) in acts {
            let run = read_run(&mut self.journal, sequence, &row)?;
            match runs.last_mut() {
                Some(open)
                    if row.continues
                        && last == Some(row.actor)
                        && open.changes.len() < MAX_RUN_CHANGES
                        && open.size() + run.size() <= MAX_RUN_BYTES =>
                {
                    open.changes.extend(run.changes);
                    open.signature = run.signature;
                }
                _ => runs.push(run),
            }
            last = Some(row.actor);
        }
        Ok(runs)
    }

    /// Admitted runs of a document that `have` does not cover.
    pub(super) fn runs_beyond(&mut self, doc: &DocKey, have: &[ChangeHash]) -> Result<Missing, StoreError> {
        let rows = self.runs(doc)?;
        let Some(document) = self.load(doc)? else {
            return Ok(Missing { unknown: have.to_vec(), ..Missing::default() });
        };
        let heads = self.row::<DocRow>(&rows::doc(doc))?.map(|row| row.admitted).unwrap_or_default();
        let listed = |hash: &ChangeHash| rows.iter().any(|(_, row)| row.changes.contains(hash));
        let unknown = have.iter().filter(|hash| !document.has(hash) && !listed(hash)).copied().collect();
        let covered = document.ancestors(have);
        let mut missing = Missing { runs: Vec::new(), unknown, heads };
        for (sequence, row) in &rows {
            let admitted = row.is_in_document() && row.state != RunState::Held;
            if admitted && row.changes.iter().any(|change| !covered.contains(change)) {
                missing.runs.push(read_run(&mut self.journal, *sequence, row)?);
            }
        }
        Ok(missing)
    }

    /// What a push would transfer.
    pub(super) fn pending(&mut self) -> Result<Pending, StoreError> {
        let mut pending = Pending::default();
        let mut docs = BTreeSet::new();
        for (_, row) in self.rows::<UnsentRow>(b"u")? {
            pending.changes += 1;
            pending.bytes += row.bytes;
            docs.insert(row.doc);
        }
        let files = self.pending_files()?;
        pending.documents = docs.len() as u64;
        (pending.photos, pending.photo_bytes) = (files.files, files.bytes);
        Ok(pending)
    }

    /// Counted once and kept: a session asks with each file it offers.
    pub(super) fn pending_files(&mut self) -> Result<PendingFiles, StoreError> {
        if let Some(files) = self.files {
            return Ok(files);
        }
        let mut files = PendingFiles::default();
        for (key, bytes) in self.rows::<u64>(b"o")? {
            files.files += u64::from(!rows::outgoing_is_preview(&key));
            files.bytes += bytes;
        }
        self.files = Some(files);
        Ok(files)
    }

    /// The file as an offer, if its bytes are here.
    fn offer(&self, hash: BlobHash, originals: bool) -> Result<Option<BlobOffer>, StoreError> {
        let Some(row) = self.blob_row(&hash)? else { return Ok(None) };
        let wanted = originals || row.class == BlobClass::Preview;
        let here = wanted && self.blobs.size(&hash)? == Some(row.bytes);
        let (bytes, class, doc, original) = (row.bytes, row.class, row.doc, row.original);
        Ok(here.then_some(BlobOffer { hash, bytes, class, doc, original }))
    }

    /// Files to offer next: previews first, newest first, whose bytes are here.
    pub(super) fn next_files(&mut self, query: &BlobQuery) -> Result<BlobList, StoreError> {
        let pending = self.pending_files()?;
        if self.here.is_none() && pending != PendingFiles::default() {
            // One look at the folder instead of one for each of thousands of files without bytes.
            self.here = Some(self.blobs.names()?);
        }
        let here = |hash: &BlobHash| self.here.as_ref().is_some_and(|here| here.contains(hash));
        let mut offers = Vec::new();
        let mut from = b"o".to_vec();
        // However many of the newest lack their bytes, older ones are reached.
        while offers.len() < query.max {
            let mut keys: Vec<Vec<u8>> = Vec::new();
            self.index()?.scan_from(b"o", &from, &mut |key, _| {
                keys.push(key.to_vec());
                keys.len() < FILES_AT_ONCE
            })?;
            let Some(last) = keys.last() else { break };
            from.clone_from(last);
            from.push(0);
            for hash in keys.iter().filter_map(|key| rows::outgoing_hash(key)) {
                if offers.len() < query.max && here(&hash) && !query.exclude.contains(&hash) {
                    offers.extend(self.offer(hash, query.originals)?);
                }
            }
        }
        Ok(BlobList { offers, pending: pending.files, pending_bytes: pending.bytes })
    }
}
