//! From records to rows: what one commit changes in the index. The same code runs for a commit
//! just made, for the frames after an interrupted one, and for a rebuild from the first frame, so
//! that an index maintained and an index rebuilt are equal.
//!
//! A [`Stage`] collects writes over the index and lets reads see them. Records first leave their
//! run rows; [`Stage::settle`] then brings each touched document, its digest, its files and the
//! outlet's summary up to date, once per document however many records touched it.

use std::collections::{BTreeMap, BTreeSet};

use minicbor::{Decode, Encode};

use super::error::StoreError;
use super::index::{Index, Writes};
use super::journal::Journal;
use super::record::{Acknowledged, BlobStored, CursorAt, Fate, Item, OwnAct, Received, Record, RunFate};
use super::rows::{self, Believed, BlobRow, DocRow, OwnState, RunRow, RunState, SummaryRow, UnsentRow};
use super::segment::FramePosition;
use super::summary::summarise;
use crate::doc::{Document, Entry, RESERVED};
use crate::domain::field::FieldEntry;
use crate::identity::{SignedReceipt, SignedRuling, SignedRun, Verdict, change_hash};
use crate::ids::{Actor, BlobHash, ChangeHash, Collection, DocKey, DocKind, OutletId, PublicKey};
use crate::sync::digest::CollectionDigest;
use crate::sync::replica::{BlobClass, Sealed, SignedStatement};
use crate::time::Timestamp;

/// A commit: its frame's number and place.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    pub(super) sequence: u64,
    pub(super) position: FramePosition,
}

/// Digest state of a collection, with what is shown beside it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Encode, Decode)]
pub(super) struct DigestRow {
    #[cbor(n(0), with = "minicbor::bytes")]
    pub(super) state: Vec<u8>,
    /// Changes held.
    #[n(1)]
    pub(super) held: u64,
}

impl DigestRow {
    pub(super) fn digest(&self) -> CollectionDigest {
        CollectionDigest::from_bytes(&self.state).unwrap_or_default()
    }
}

/// How a touched document gets its new contents.
#[derive(Debug)]
enum Work<'a> {
    /// It is at hand.
    Ready(&'a Document),
    /// Add these changes to what the index has.
    Add(Vec<Vec<u8>>),
}

/// What a settled stage leaves.
#[derive(Debug, Default)]
pub(super) struct Staged {
    pub(super) writes: Writes,
    /// Files whose bytes are to be removed once the writes are applied.
    pub(super) withdrawn: BTreeSet<BlobHash>,
    /// Documents that could not be built, and why.
    pub(super) unreadable: BTreeMap<DocKey, String>,
}

/// Writes over the index, not yet applied.
#[derive(Debug)]
pub(super) struct Stage<'a> {
    index: &'a Index,
    own: PublicKey,
    writes: Writes,
    touched: BTreeMap<(Collection, OutletId), BTreeMap<DocKind, Work<'a>>>,
    /// Raw bytes waiting in `touched`: a rebuild settles before this grows large.
    pending_bytes: usize,
    /// Files whose bytes are to be removed once the writes are applied.
    withdrawn: BTreeSet<BlobHash>,
    /// Documents that could not be built: the others must open all the same.
    unreadable: BTreeMap<DocKey, String>,
}

impl<'a> Stage<'a> {
    pub(super) fn new(index: &'a Index, own: PublicKey) -> Self {
        let (writes, touched) = (Writes::new(), BTreeMap::new());
        let (withdrawn, unreadable) = (BTreeSet::new(), BTreeMap::new());
        Self { index, own, writes, touched, pending_bytes: 0, withdrawn, unreadable }
    }

    /// Takes what is to be written and what is to be done then. Settle first.
    pub(super) fn finish(self) -> Staged {
        Staged { writes: self.writes, withdrawn: self.withdrawn, unreadable: self.unreadable }
    }

    /// Takes the writes so far and goes on.
    pub(super) fn take_writes(&mut self) -> Writes {
        std::mem::take(&mut self.writes)
    }

    pub(super) fn pending_bytes(&self) -> usize {
        self.pending_bytes
    }

    fn get<T: for<'b> Decode<'b, ()>>(&self, key: &[u8]) -> Result<Option<T>, StoreError> {
        let bytes = match self.writes.get(key) {
            Some(staged) => staged.clone(),
            None => self.index.get(key)?,
        };
        bytes.map(|bytes| rows::decode(&bytes)).transpose()
    }

    fn bytes(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        self.writes.get(key).map_or_else(|| self.index.get(key), |staged| Ok(staged.clone()))
    }

    fn put<T: Encode<()>>(&mut self, key: Vec<u8>, row: &T) {
        self.writes.insert(key, Some(rows::encode(row)));
    }

    fn remove(&mut self, key: Vec<u8>) {
        self.writes.insert(key, None);
    }

    /// Rows of the index under a prefix, as the staged writes leave them.
    fn scan(&self, prefix: &[u8]) -> Result<BTreeMap<Vec<u8>, Vec<u8>>, StoreError> {
        let mut found = BTreeMap::new();
        self.index.scan(prefix, &mut |key, value| {
            found.insert(key.to_vec(), value.to_vec());
            true
        })?;
        for (key, value) in self.writes.range(prefix.to_vec()..).take_while(|(key, _)| key.starts_with(prefix)) {
            match value {
                Some(value) => _ = found.insert(key.clone(), value.clone()),
                None => _ = found.remove(key),
            }
        }
        Ok(found)
    }

    fn runs(&self, doc: &DocKey) -> Result<Vec<(Vec<u8>, RunRow)>, StoreError> {
        let rows = self.scan(&rows::runs_of(doc))?;
        rows.into_iter().map(|(key, value)| Ok((key, rows::decode(&value)?))).collect()
    }

    fn touch(&mut self, doc: &DocKey) -> &mut Work<'a> {
        let outlet = self.touched.entry((doc.collection, doc.id)).or_default();
        outlet.entry(doc.kind).or_insert_with(|| Work::Add(Vec::new()))
    }

    /// The document is at hand: no need to build it from what the index has.
    pub(super) fn ready(&mut self, doc: &DocKey, document: &'a Document) {
        *self.touch(doc) = Work::Ready(document);
    }

    /// Leaves what a record says. [`Stage::settle`] must follow.
    pub(super) fn record(&mut self, place: Place, record: &Record) -> Result<(), StoreError> {
        if let Some(enrolment) = &record.enrolment {
            self.put(rows::ENROLMENT.to_vec(), enrolment);
            if let Some(cert) = &enrolment.server_certificate {
                self.believe(Believed::Server, cert);
            }
            if let Some(cert) = &enrolment.certificate {
                self.believe(Believed::Member, cert);
            }
        }
        if let Some(act) = &record.own {
            self.own_act(place, act)?;
        }
        if let Some(received) = &record.received {
            self.received(place, received)?;
        }
        if let Some(acknowledged) = &record.acknowledged {
            self.acknowledged(place, acknowledged)?;
        }
        if let Some(statement) = &record.statement {
            self.statement(statement);
        }
        if let Some(stored) = &record.blob_stored {
            self.blob_stored(stored)?;
        }
        self.cursors(record.cursors.as_deref().unwrap_or_default());
        Ok(())
    }

    fn own_act(&mut self, place: Place, act: &OwnAct) -> Result<(), StoreError> {
        let Some(row) = self.run_row(place, 0, &act.run, RunState::Unsent) else { return Ok(()) };
        let row = RunRow { reissue_of: act.reissue_of, ..row };
        self.put(rows::unsent(place.sequence), &UnsentRow { doc: act.run.doc, bytes: row.bytes });
        self.put(rows::run(&act.run.doc, place.sequence, 0), &row);
        self.add_changes(&act.run);
        Ok(())
    }

    fn run_row(&self, place: Place, item: u32, run: &SignedRun, state: RunState) -> Option<RunRow> {
        let changes: Vec<ChangeHash> = run.changes.iter().filter_map(|raw| change_hash(raw)).collect();
        let actor = actor_of(run.changes.last()?)?;
        Some(RunRow {
            position: place.position,
            item,
            actor,
            signature: run.signature,
            changes,
            bytes: run.size() as u64,
            state,
            code: None,
            continues: false,
            received_at: None,
            reissue_of: None,
        })
    }

    fn add_changes(&mut self, run: &SignedRun) {
        self.pending_bytes += run.size();
        if let Work::Add(raws) = self.touch(&run.doc) {
            raws.extend(run.changes.iter().cloned());
        }
    }

    fn received(&mut self, place: Place, received: &Received) -> Result<(), StoreError> {
        for (number, item) in received.items.iter().enumerate() {
            let number = u32::try_from(number).unwrap_or(u32::MAX);
            match item {
                Item::Run(run) => {
                    if let Some(row) = self.run_row(place, number, run, RunState::Admitted) {
                        self.put(rows::run(&run.doc, place.sequence, number), &row);
                        self.add_changes(run);
                    }
                }
                Item::Certificate(sealed) => self.believe(Believed::Member, sealed),
                Item::ServerCert(sealed) => self.believe(Believed::Server, sealed),
                Item::Revocation(sealed) => self.believe(Believed::Revocation, sealed),
                Item::Ruling(sealed) => self.ruling(sealed)?,
                Item::Receipt(_) => {}
            }
        }
        self.cursors(&received.cursors);
        Ok(())
    }

    fn believe(&mut self, kind: Believed, sealed: &Sealed) {
        self.writes.insert(rows::believed(kind, &sealed.0), Some(sealed.0.clone()));
    }

    fn cursors(&mut self, cursors: &[CursorAt]) {
        for at in cursors {
            self.put(rows::cursor(at.collection), &at.cursor);
        }
    }

    /// A ruling on a run: of several the one with the larger number holds.
    fn ruling(&mut self, sealed: &Sealed) -> Result<(), StoreError> {
        let Ok(ruling) = SignedRuling::from_bytes(&sealed.0) else { return Ok(()) };
        let ruling = ruling.into_value();
        let key = rows::ruling(&ruling.doc, &ruling.run);
        let known = self.bytes(&key)?.and_then(|bytes| SignedRuling::from_bytes(&bytes).ok());
        if known.is_some_and(|known| known.value().serial >= ruling.serial) {
            return Ok(());
        }
        self.writes.insert(key, Some(sealed.0.clone()));
        let state = match ruling.verdict {
            Verdict::Held => RunState::Held,
            Verdict::Released => RunState::Stored,
            Verdict::Rejected => RunState::Rejected,
        };
        let code = (ruling.verdict != Verdict::Released).then(|| reason_code(ruling.reason.code()));
        for (key, mut row) in self.runs(&ruling.doc)? {
            let ruled = row.changes.iter().any(|change| ruling.changes.contains(change) || *change == ruling.run);
            if ruled && self.is_own(&row.actor) {
                self.remove(rows::unsent(rows::run_sequence(&key)));
                row.state = state;
                row.code.clone_from(&code);
                self.put(key, &row);
                self.touch(&ruling.doc);
            }
        }
        Ok(())
    }

    fn acknowledged(&mut self, place: Place, acknowledged: &Acknowledged) -> Result<(), StoreError> {
        let receipts: Vec<SignedReceipt> =
            acknowledged.receipts.iter().filter_map(|sealed| SignedReceipt::from_bytes(&sealed.0).ok()).collect();
        if !receipts.is_empty() {
            self.put(rows::receipts(place.sequence), &place.position);
        }
        for fate in &acknowledged.runs {
            let received_at = receipts
                .iter()
                .find(|receipt| receipt.value().collection == fate.doc.collection)
                .map(|receipt| receipt.value().at);
            self.fate(fate, received_at)?;
        }
        Ok(())
    }

    /// The signature on the last change of a run vouches for the own changes before it, so all own
    /// acts up to it share its fate.
    fn fate(&mut self, fate: &RunFate, received_at: Option<Timestamp>) -> Result<(), StoreError> {
        let runs = self.runs(&fate.doc)?;
        let Some(last) = runs.iter().position(|(_, row)| row.changes.contains(&fate.last)) else { return Ok(()) };
        let actor = runs[last].1.actor;
        for (key, mut row) in runs.into_iter().take(last + 1) {
            let open = matches!(row.state, RunState::Unsent) || row.changes.contains(&fate.last);
            if row.actor != actor || !open || row.state == RunState::Rejected {
                continue;
            }
            row.state = match fate.fate {
                Fate::Stored => RunState::Stored,
                Fate::InLedger => RunState::InLedger,
                Fate::Held => RunState::Held,
                Fate::Refused => RunState::Rejected,
            };
            row.code.clone_from(&fate.code);
            row.received_at = row.received_at.or(received_at);
            self.remove(rows::unsent(rows::run_sequence(&key)));
            self.put(key, &row);
        }
        self.touch(&fate.doc);
        Ok(())
    }

    fn statement(&mut self, sealed: &Sealed) {
        if let Ok(signed) = minicbor::decode::<SignedStatement>(&sealed.0) {
            for line in &signed.statement.lines {
                self.writes.insert(rows::statement(line.collection), Some(sealed.0.clone()));
            }
        }
    }

    fn blob_stored(&mut self, stored: &BlobStored) -> Result<(), StoreError> {
        let key = rows::blob(&stored.hash);
        if let Some(mut row) = self.get::<BlobRow>(&key)? {
            self.remove(rows::outgoing(&row, &stored.hash));
            row.stored = true;
            self.put(key, &row);
        }
        Ok(())
    }

    fn is_own(&self, actor: &Actor) -> bool {
        actor.key() == self.own
    }

    /// Brings everything that the records touched up to date.
    pub(super) fn settle(&mut self, journal: &mut Journal) -> Result<(), StoreError> {
        self.pending_bytes = 0;
        for ((collection, id), works) in std::mem::take(&mut self.touched) {
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
            Work::Add(raws) => {
                built = self.build(doc, &runs, raws, journal)?;
                &built
            }
        };
        self.settle_runs(document, &mut runs);
        let held: BTreeSet<ChangeHash> = held_changes(document, &runs);
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
        let whole = runs.iter().all(|(_, row)| row.state.is_in_document());
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
        for (key, row) in runs.iter().filter(|(_, row)| row.state != RunState::Rejected) {
            raws.extend(read_run(journal, rows::run_sequence(key), row)?.changes);
        }
        Ok(raws)
    }

    /// Which runs are part of the document, and which own ones can be sent as one.
    fn settle_runs(&mut self, document: &Document, runs: &mut [(Vec<u8>, RunRow)]) {
        let mut last_of: BTreeMap<Actor, ChangeHash> = BTreeMap::new();
        for (key, row) in runs {
            let before = row.clone();
            let (first, last) = (row.changes.first(), row.changes.last());
            let present = last.is_some_and(|last| document.has(last));
            if !self.is_own(&row.actor) {
                row.state = if present { RunState::Admitted } else { RunState::Waiting };
            } else if !present && row.state != RunState::Rejected {
                row.state = RunState::Rejected;
                row.code = Some("builds_on_rejected".to_owned());
                self.remove(rows::unsent(rows::run_sequence(key)));
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

    fn doc_row(&self, document: &Document, runs: &[(Vec<u8>, RunRow)], admitted: Vec<ChangeHash>, held: u64) -> DocRow {
        let own = runs.iter().filter(|(_, row)| self.is_own(&row.actor));
        let state = |row: &RunRow| match row.state {
            RunState::Unsent => OwnState::Unsent,
            RunState::Stored => OwnState::Stored,
            RunState::Held | RunState::Rejected => OwnState::Held,
            RunState::InLedger | RunState::Admitted | RunState::Waiting => OwnState::InLedger,
        };
        let unsent = runs.iter().filter(|(_, row)| row.state == RunState::Unsent);
        DocRow {
            heads: document.heads(),
            admitted,
            held,
            own: own.map(|(_, row)| state(row)).max(),
            last_unsent: unsent.map(|(key, _)| rows::run_sequence(key)).max().unwrap_or(0),
        }
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
        row.own |= named.own;
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
            self.writes.insert(rows::outgoing(&row, &hash), Some(Vec::new()));
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
        let (own, last_unsent) = (row.own.max(case_row.own), row.last_unsent.max(case_row.last_unsent));
        self.put(rows::summary(collection, id), &SummaryRow { json, own, last_unsent });
        Ok(())
    }
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

/// Reads a run back from the journal.
pub(super) fn read_run(journal: &mut Journal, sequence: u64, row: &RunRow) -> Result<SignedRun, StoreError> {
    let record = Record::from_bytes(sequence, &journal.read(row.position)?)?;
    let from_batch = |received: Received| match received.items.into_iter().nth(row.item as usize) {
        Some(Item::Run(run)) => Some(run),
        _ => None,
    };
    let run = record.own.map(|act| act.run).or_else(|| record.received.and_then(from_batch));
    run.ok_or_else(|| StoreError::Index(format!("frame {sequence} holds no run at item {}", row.item)))
}

/// The actor of a raw change: magic, checksum, type, length, dependencies, actor. What is read here
/// was checked at admission; a byte out of place gives `None`.
fn actor_of(raw: &[u8]) -> Option<Actor> {
    let (_, rest) = number(raw.get(9..)?)?;
    let (deps, rest) = number(rest)?;
    let (length, rest) = number(rest.get(deps.checked_mul(32)?..)?)?;
    Actor::from_slice(rest.get(..length)?)
}

/// An unsigned LEB128 number and what follows it.
fn number(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let end = bytes.iter().take(5).position(|byte| byte & 0x80 == 0)?;
    let value = bytes[..=end].iter().rev().fold(0_usize, |value, byte| value << 7 | usize::from(byte & 0x7F));
    Some((value, &bytes[end + 1..]))
}

fn bad_document(doc: &DocKey, source: crate::doc::DocError) -> StoreError {
    StoreError::Document { doc: *doc, source }
}

/// Stable name of a ruling's reason.
pub(super) fn reason_code(code: u16) -> String {
    let name = match code {
        1 => "revoked",
        2 => "quota",
        3 => "waiting",
        4 => "right_ended",
        5 => "equivocation",
        6 => "reviewed",
        other => return format!("reason_{other}"),
    };
    name.to_owned()
}
