//! Brings what records touched up to date: the document, its heads, the digest, its files, and the
//! summary of its outlet. Once per document, however many records touched it.

use std::collections::{BTreeMap, BTreeSet};

use super::error::StoreError;
use super::journal::Journal;
use super::lookup;
use super::rows::{self, BlobRow, DocRow, OwnState, RunRow, RunState, SummaryRow, UnsentRow};
use super::stage::{DigestRow, Stage, Work, read_run};
use super::summary::summarise;
use crate::doc::{Document, Entry, RESERVED};
use crate::domain::field::FieldEntry;
use crate::ids::{Actor, BlobHash, ChangeHash, Collection, DocKey, DocKind, OutletId};
use crate::sync::replica::BlobClass;

impl<'a> Stage<'a> {
    /// Brings everything that the records touched up to date.
    pub(super) fn settle(&mut self, journal: &mut Journal) -> Result<(), StoreError> {
        self.pending_bytes = 0;
        for ((collection, id), works) in std::mem::take(&mut self.touched) {
            if works.values().all(|work| matches!(work, Work::States)) {
                self.settle_states(collection, id, works.into_keys().collect())?;
                continue;
            }
            let mut settled: BTreeMap<DocKind, Vec<Entry>> = BTreeMap::new();
            for (kind, work) in works {
                let doc = DocKey { kind, collection, id };
                match self.settle_document(&doc, work, journal) {
                    Ok(Some(entries)) => _ = settled.insert(kind, entries),
                    Ok(None) => {}
                    Err(StoreError::Document { doc, source }) => {
                        self.unreadable.insert(doc, source.to_string());
                    }
                    Err(error) => return Err(error),
                }
            }
            self.settle_summary(collection, id, settled)?;
        }
        Ok(())
    }

    /// Own acts have come further: that is all there is to note, no document is opened.
    fn settle_states(&mut self, collection: Collection, id: OutletId, kinds: Vec<DocKind>) -> Result<(), StoreError> {
        for kind in kinds {
            let doc = DocKey { kind, collection, id };
            let key = rows::doc(&doc);
            let Some(old) = self.get::<DocRow>(&key)? else { continue };
            let (own, last_unsent) = self.own_state(&self.runs(&doc)?);
            self.put(key, &DocRow { own, last_unsent, ..old });
        }
        let field = DocKey { kind: DocKind::Field, collection, id };
        let field_row: DocRow = self.get(&rows::doc(&field))?.unwrap_or_default();
        let case_row: DocRow = self.get(&rows::doc(&field.with_kind(DocKind::Case)))?.unwrap_or_default();
        let key = rows::summary(collection, id);
        if let Some(row) = self.get::<SummaryRow>(&key)? {
            let (own, last_unsent) = joint_state(&field_row, &case_row);
            self.put(key, &SummaryRow { own, last_unsent, ..row });
        }
        Ok(())
    }

    fn settle_document(
        &mut self,
        doc: &DocKey,
        work: Work<'a>,
        journal: &mut Journal,
    ) -> Result<Option<Vec<Entry>>, StoreError> {
        let mut runs = self.runs(doc)?;
        let built;
        let document = match work {
            Work::Ready(document) => document,
            Work::States => {
                built = self.build(doc, &runs, Vec::new(), journal)?;
                &built
            }
            Work::Add(raws) => {
                built = self.build(doc, &runs, raws, journal)?;
                &built
            }
        };
        self.settle_runs(doc, document, &mut runs);
        let held: BTreeSet<ChangeHash> = held_changes(document, &runs);
        self.send_what_builds_on_held(doc, &held, &mut runs);
        let admitted = admitted_heads(document, &held);
        let old: DocRow = self.get(&rows::doc(doc))?.unwrap_or_default();
        let row = self.doc_row(document, &runs, admitted, held.len() as u64);
        self.move_digest(doc, &old, &row)?;
        self.writes.insert(rows::saved(doc), Some(document.save()));
        self.put(rows::doc(doc), &row);
        let entries = document.entries();
        if doc.kind == DocKind::Field {
            self.settle_blobs(doc, &runs, &entries)?;
        }
        Ok((!document.changes().all(|change| change.actor == RESERVED)).then_some(entries))
    }

    /// The document of the index with the new changes; from its first run when some were rejected
    /// or have to wait, because then the index holds something else than the sum of all runs.
    fn build(
        &self,
        doc: &DocKey,
        runs: &[(Vec<u8>, RunRow)],
        raws: Vec<Vec<u8>>,
        journal: &mut Journal,
    ) -> Result<Document, StoreError> {
        let whole = runs.iter().all(|(_, row)| row.is_in_document() || row.state == RunState::Parked);
        let saved = if whole { self.bytes(&rows::saved(doc))? } else { None };
        let mut document = match saved {
            Some(saved) => Document::load(doc.kind, &saved).map_err(|source| bad_document(doc, source))?,
            None => Document::new(doc.kind),
        };
        let raws = if whole { raws } else { self.all_changes(runs, journal)? };
        document.replay(raws.iter().map(Vec::as_slice)).map_err(|source| bad_document(doc, source))?;
        Ok(document)
    }

    fn all_changes(&self, runs: &[(Vec<u8>, RunRow)], journal: &mut Journal) -> Result<Vec<Vec<u8>>, StoreError> {
        let mut raws = Vec::new();
        for (key, row) in runs.iter().filter(|(_, row)| row.state.was_admitted()) {
            raws.extend(read_run(journal, rows::run_sequence(key), row)?.changes);
        }
        Ok(raws)
    }

    /// Which runs are part of the document, and which own ones can be sent as one.
    fn settle_runs(&mut self, doc: &DocKey, document: &Document, runs: &mut [(Vec<u8>, RunRow)]) {
        let mut last_of: BTreeMap<Actor, ChangeHash> = BTreeMap::new();
        for (key, row) in runs {
            let before = row.clone();
            let (first, last) = (row.changes.first(), row.changes.last());
            let present = last.is_some_and(|last| document.has(last));
            if !row.state.was_admitted() {
                // As a rebuilt index has it, which never saw it admitted.
                (row.continues, row.orphan) = (false, false);
                if *row != before {
                    self.put(key.clone(), row);
                }
                continue;
            }
            row.orphan = !present;
            if row.orphan != before.orphan && row.state == RunState::Unsent {
                let sequence = rows::run_sequence(key);
                if row.orphan {
                    self.remove(rows::unsent(sequence));
                } else {
                    self.put(rows::unsent(sequence), &UnsentRow { doc: *doc, bytes: row.bytes });
                }
            }
            let previous = last_of.get(&row.actor);
            let change = first.and_then(|first| document.change(first));
            row.continues = matches!((previous, change), (Some(hash), Some(change)) if change.deps.contains(hash));
            if let Some(last) = last.filter(|_| present) {
                last_of.insert(row.actor, *last);
            }
            if *row != before {
                self.put(key.clone(), row);
            }
        }
    }

    /// A server that holds a run cannot have let in what builds on it: what says so is of an earlier life
    /// of its database. It is sent again, to be held beside it and to go in with it.
    fn send_what_builds_on_held(&mut self, doc: &DocKey, held: &BTreeSet<ChangeHash>, runs: &mut [(Vec<u8>, RunRow)]) {
        let behind = |row: &RunRow| row.changes.last().is_some_and(|last| held.contains(last));
        for (key, row) in runs.iter_mut().filter(|(_, row)| !row.orphan && behind(row)) {
            if matches!(row.state, RunState::Stored | RunState::InLedger) {
                row.state = RunState::Unsent;
                self.put(rows::unsent(rows::run_sequence(key)), &UnsentRow { doc: *doc, bytes: row.bytes });
                self.put(key.clone(), row);
            }
        }
    }

    fn doc_row(&self, document: &Document, runs: &[(Vec<u8>, RunRow)], admitted: Vec<ChangeHash>, held: u64) -> DocRow {
        let (own, last_unsent) = self.own_state(runs);
        DocRow { heads: document.heads(), admitted, held, own, last_unsent }
    }

    /// The worst state of any own act, and the frame of the last one that is not confirmed.
    fn own_state(&self, runs: &[(Vec<u8>, RunRow)]) -> (Option<OwnState>, u64) {
        let own = runs.iter().filter(|(_, row)| self.is_own(&row.actor));
        let state = |row: &RunRow| match row.state {
            _ if row.orphan => OwnState::Held,
            RunState::Unsent => OwnState::Unsent,
            RunState::Stored => OwnState::Stored,
            RunState::Held | RunState::Rejected => OwnState::Held,
            RunState::InLedger | RunState::Admitted | RunState::Parked => OwnState::InLedger,
        };
        let unsent = runs.iter().filter(|(_, row)| row.state == RunState::Unsent && !row.orphan);
        let last_unsent = unsent.map(|(key, _)| rows::run_sequence(key)).max().unwrap_or(0);
        (own.map(|(_, row)| state(row)).max(), last_unsent)
    }

    fn move_digest(&mut self, doc: &DocKey, old: &DocRow, new: &DocRow) -> Result<(), StoreError> {
        if old.admitted == new.admitted && old.held == new.held {
            return Ok(());
        }
        let key = rows::digest(doc.collection);
        let row: DigestRow = self.get(&key)?.unwrap_or_default();
        let mut digest = row.digest();
        digest.replace(doc, &old.admitted, &new.admitted);
        let held = (row.held + new.held).saturating_sub(old.held);
        self.put(key, &DigestRow { state: digest.to_bytes(), held });
        Ok(())
    }

    fn settle_blobs(&mut self, doc: &DocKey, runs: &[(Vec<u8>, RunRow)], entries: &[Entry]) -> Result<(), StoreError> {
        let frames: BTreeMap<ChangeHash, u64> = runs
            .iter()
            .flat_map(|(key, row)| row.changes.iter().map(|change| (*change, rows::run_sequence(key))))
            .collect();
        let mut named = BTreeMap::new();
        let mut withdrawn = BTreeSet::new();
        for entry in entries {
            let named_at = frames.get(&entry.origin.change).copied().unwrap_or(0);
            let own = self.is_own(&entry.origin.actor);
            let row = |bytes, class, original| BlobRow {
                bytes,
                class,
                doc: *doc,
                original,
                named_at,
                own,
                stored: false,
                withdrawn: false,
            };
            match entry.parse() {
                Ok(FieldEntry::Photo(photo)) => {
                    if let Some(preview) = &photo.preview {
                        let row = row(preview.bytes, BlobClass::Preview, Some(photo.sha256));
                        named.entry(preview.sha256).or_insert(row);
                    }
                    named.entry(photo.sha256).or_insert(row(photo.bytes, BlobClass::Original, None));
                }
                Ok(FieldEntry::Attachment(file)) => {
                    named.entry(file.sha256).or_insert(row(file.bytes, BlobClass::Attachment, None));
                }
                Ok(FieldEntry::Withdrawn(entry)) => _ = withdrawn.insert(entry.sha256),
                _ => {}
            }
        }
        for (hash, row) in named {
            let gone = withdrawn.contains(&hash) || row.original.is_some_and(|original| withdrawn.contains(&original));
            self.settle_blob(hash, row, gone)?;
        }
        Ok(())
    }

    fn settle_blob(&mut self, hash: BlobHash, named: BlobRow, gone: bool) -> Result<(), StoreError> {
        let key = rows::blob(&hash);
        let old: Option<BlobRow> = self.get(&key)?;
        let mut row = match &old {
            // The first naming decides, so that a rebuild in another order gives the same row.
            Some(old) if (old.named_at, old.doc) <= (named.named_at, named.doc) => old.clone(),
            Some(old) => BlobRow { stored: old.stored, withdrawn: old.withdrawn, own: old.own, ..named.clone() },
            None => named.clone(),
        };
        row.own |= named.own || self.bytes(&rows::carried(&hash))?.is_some();
        row.stored = self.bytes(&rows::confirmed(&hash))?.is_some();
        row.withdrawn |= gone;
        if row.withdrawn {
            self.withdrawn.insert(hash);
        }
        if old.as_ref() == Some(&row) {
            return Ok(());
        }
        if let Some(old) = &old {
            self.remove(rows::outgoing(old, &hash));
        }
        if row.own && !row.stored && !row.withdrawn {
            self.put(rows::outgoing(&row, &hash), &row.bytes);
        }
        self.put(key, &row);
        Ok(())
    }

    fn settle_summary(
        &mut self,
        collection: Collection,
        id: OutletId,
        mut settled: BTreeMap<DocKind, Vec<Entry>>,
    ) -> Result<(), StoreError> {
        let field = DocKey { kind: DocKind::Field, collection, id };
        let case = field.with_kind(DocKind::Case);
        let Some(row) = self.get::<DocRow>(&rows::doc(&field))? else { return Ok(()) };
        let case_row: DocRow = self.get(&rows::doc(&case))?.unwrap_or_default();
        let entries_of = |doc: DocKey, stage: &Self| -> Result<Vec<Entry>, StoreError> {
            let Some(saved) = stage.bytes(&rows::saved(&doc))? else { return Ok(Vec::new()) };
            Ok(Document::load(doc.kind, &saved).map_err(|source| bad_document(&doc, source))?.entries())
        };
        let field_entries = match settled.remove(&DocKind::Field) {
            Some(entries) => entries,
            None => entries_of(field, self)?,
        };
        let case_entries = match settled.remove(&DocKind::Case) {
            Some(entries) => entries,
            None => entries_of(case, self)?,
        };
        let summary = summarise(field, &field_entries, &case_entries);
        let json = serde_json::to_string(&summary)
            .map_err(|error| StoreError::Index(format!("a summary does not encode: {error}")))?;
        let (own, last_unsent) = joint_state(&row, &case_row);
        let key = rows::summary(collection, id);
        let old = self.get::<SummaryRow>(&key)?.map(|row| lookup::parse(&row)).transpose()?;
        let (was, is) = (old.map(|old| lookup::keys(&old)).unwrap_or_default(), lookup::keys(&summary));
        was.difference(&is).for_each(|key| self.remove(key.clone()));
        is.difference(&was).for_each(|key| _ = self.writes.insert(key.clone(), Some(Vec::new())));
        self.put(key, &SummaryRow { json, own, last_unsent });
        Ok(())
    }
}

/// Of an outlet: of its field record and its case file.
fn joint_state(field: &DocRow, case: &DocRow) -> (Option<OwnState>, u64) {
    (field.own.max(case.own), field.last_unsent.max(case.last_unsent))
}

fn held_changes(document: &Document, runs: &[(Vec<u8>, RunRow)]) -> BTreeSet<ChangeHash> {
    let mut held: BTreeSet<ChangeHash> = runs
        .iter()
        .filter(|(_, row)| row.state == RunState::Held)
        .flat_map(|(_, row)| row.changes.iter().copied())
        .collect();
    if held.is_empty() {
        return held;
    }
    // Document order is causal: one pass finds every descendant.
    for change in document.changes() {
        if change.deps.iter().any(|dep| held.contains(dep)) {
            held.insert(change.hash);
        }
    }
    held
}

fn admitted_heads(document: &Document, held: &BTreeSet<ChangeHash>) -> Vec<ChangeHash> {
    let admitted = || document.changes().filter(|change| !held.contains(&change.hash));
    if admitted().all(|change| change.actor == RESERVED) {
        return Vec::new();
    }
    if held.is_empty() {
        return document.heads();
    }
    let inner: BTreeSet<ChangeHash> = admitted().flat_map(|change| change.deps.iter().copied()).collect();
    let mut heads: Vec<ChangeHash> =
        admitted().map(|change| change.hash).filter(|hash| !inner.contains(hash)).collect();
    heads.sort_unstable();
    heads
}

fn bad_document(doc: &DocKey, source: crate::doc::DocError) -> StoreError {
    StoreError::Document { doc: *doc, source }
}
