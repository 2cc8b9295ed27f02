//! What the commands of the edge need of a store, as a trait whose every method can fail, and the
//! edge store's answers.

use std::io::Read;
use std::path::{Path, PathBuf};

use super::blobs::StoredBlob;
use super::edge::{EdgeStore, Source};
use super::error::StoreError;
use super::home::Identity;
use super::record::{Enrolment, Record};
use super::rows::{self, BlobRow, DocRow, OwnState, RunState, SummaryRow, UnsentRow};
use super::summary::{Filter, OutletSummary, RecordState};
use crate::doc::{Document, NewChange};
use crate::geo::GeoPoint;
use crate::identity::{Roster, SignedReceipt};
use crate::ids::{BlobHash, ChangeHash, Collection, Digest, DocKey, DocKind, EntryId, PublicKey, Signature};
use crate::sync::replica::{BlobClass, CollectionState, Cursor, SignedStatement};
use crate::time::Timestamp;

/// An act that is saved: durable when its caller sees this.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Saved {
    /// The change.
    pub change: ChangeHash,
    /// The entries that it wrote, in the order given.
    pub entries: Vec<EntryId>,
    /// Heads of the document with it.
    pub heads: Vec<ChangeHash>,
}

/// How many records or files have come how far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize)]
pub struct StateCounts {
    /// Only here.
    pub on_device: u64,
    /// Handed out, not confirmed.
    pub sent: u64,
    /// On the server, durably.
    pub stored: u64,
    /// And in the ledger.
    pub in_ledger: u64,
    /// Held back or refused.
    pub held: u64,
}

impl StateCounts {
    fn count(&mut self, state: RecordState) {
        match state {
            RecordState::OnDevice => self.on_device += 1,
            RecordState::Sent => self.sent += 1,
            RecordState::Stored => self.stored += 1,
            RecordState::InLedger => self.in_ledger += 1,
            RecordState::Held => self.held += 1,
        }
    }
}

/// The last proof that this device and a server held the same of a collection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct Proof {
    /// Of which collection.
    pub collection: Collection,
    /// The server.
    pub server: PublicKey,
    /// The server's clock.
    pub at: Timestamp,
    /// What both computed.
    pub digest: Digest,
    /// Documents at that time.
    pub count: u64,
    /// Changes held at that time.
    pub held: u64,
}

/// What `outlet status` shows.
#[derive(Debug, Clone, PartialEq, Eq, Default, serde::Serialize)]
pub struct StoreStatus {
    /// Outlets, by how far their own acts have come.
    pub records: StateCounts,
    /// Photos of this device's acts; those of others count as in the ledger.
    pub photos: StateCounts,
    /// Attachments.
    pub attachments: StateCounts,
    /// Own acts that no server has confirmed.
    pub unsent_changes: u64,
    /// Bytes of those acts.
    pub unsent_bytes: u64,
    /// Photos and attachments that no server has confirmed, previews not counted.
    pub unsent_files: u64,
    /// Bytes of those files, previews counted.
    pub unsent_file_bytes: u64,
    /// Changes held back.
    pub held_changes: u64,
    /// Outlets with an unsettled conflict.
    pub in_conflict: u64,
    /// Per collection the last proof, sorted by collection.
    pub proofs: Vec<Proof>,
    /// Nothing can be written: the journal is damaged.
    pub read_only: bool,
}

/// Where the bytes of a file are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlobState {
    /// Its name.
    pub hash: BlobHash,
    /// Its length as the document says.
    pub bytes: u64,
    /// What kind of file.
    pub class: BlobClass,
    /// The bytes are here, under this path.
    pub path: Option<PathBuf>,
    /// A server has confirmed it.
    pub stored: bool,
    /// The bytes were withdrawn by a signed decision.
    pub withdrawn: bool,
}

/// An own act that is not part of its document any more because the server refused or rejected it,
/// or because it builds on one that was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RejectedAct {
    /// The document.
    pub doc: DocKey,
    /// The change.
    pub change: ChangeHash,
    /// Stable code of the reason; `builds_on_rejected` for acts that may be issued again as they are.
    pub code: String,
    /// It was issued again already.
    pub reissued: bool,
}

/// A receipt as it was kept.
#[derive(Debug, Clone)]
pub struct KeptReceipt {
    /// What the server signed.
    pub receipt: SignedReceipt,
    /// The runs that it covers, in the order of its digest, as far as this device sent them.
    pub runs: Vec<(DocKey, ChangeHash)>,
}

/// The store below the commands. Every method may fail; what returns `Ok` after writing is durable.
pub trait Store: Send {
    /// Key and incarnation of this device.
    fn identity(&self) -> &Identity;

    /// Whom this device believes and where it syncs; `None` before enrolment.
    ///
    /// # Errors
    /// When the store fails.
    fn enrolment(&self) -> Result<Option<Enrolment>, StoreError>;

    /// Keeps an enrolment: that of a ticket first, with certificates when the server issued them.
    ///
    /// # Errors
    /// When the store fails.
    fn enrol(&mut self, enrolment: &Enrolment, now: Timestamp) -> Result<(), StoreError>;

    /// Members, servers and revocations known here; `None` before enrolment.
    ///
    /// # Errors
    /// When the store fails.
    fn roster(&mut self) -> Result<Option<Roster>, StoreError>;

    /// A document, if there is one.
    ///
    /// # Errors
    /// When the store fails, or the document cannot be opened.
    fn document(&self, doc: &DocKey) -> Result<Option<Document>, StoreError>;

    /// Keys of all documents of a kind, sorted.
    ///
    /// # Errors
    /// When the store fails.
    fn keys(&self, kind: DocKind) -> Result<Vec<DocKey>, StoreError>;

    /// Writes one act of the user: into the document's copy, signed, into the journal, into the
    /// index. Makes the document when there is none.
    ///
    /// # Errors
    /// When the document refuses, or the store fails; nothing has changed then.
    fn write(
        &mut self,
        doc: &DocKey,
        entries: &[String],
        registers: &[(String, String)],
        now: Timestamp,
    ) -> Result<Saved, StoreError>;

    /// Saves an act that the caller has written into `document` and signed itself.
    ///
    /// # Errors
    /// When the store fails; nothing has changed then.
    fn commit(
        &mut self,
        doc: &DocKey,
        document: &Document,
        change: &NewChange,
        signature: Signature,
        now: Timestamp,
    ) -> Result<(), StoreError>;

    /// Summaries of the outlets that the filter admits, by key. Loads no document.
    ///
    /// # Errors
    /// When the store fails.
    fn summaries(&self, filter: &Filter) -> Result<Vec<OutletSummary>, StoreError>;

    /// The summary of one outlet. Loads no document.
    ///
    /// # Errors
    /// When the store fails.
    fn summary(&self, doc: &DocKey) -> Result<Option<OutletSummary>, StoreError>;

    /// Outlets with this temporary number.
    ///
    /// # Errors
    /// When the store fails.
    fn by_number(&self, number: &str) -> Result<Vec<OutletSummary>, StoreError>;

    /// Temporary numbers in use that begin with a text, sorted as text.
    ///
    /// # Errors
    /// When the store fails.
    fn numbers_beginning(&self, text: &str) -> Result<Vec<String>, StoreError>;

    /// Outlets whose temporary number `text` is, else those of the followed collections whose id
    /// begins with it (four digits at least).
    ///
    /// # Errors
    /// When the store fails.
    fn find(&self, text: &str) -> Result<Vec<OutletSummary>, StoreError>;

    /// Outlets within so many metres of a place in China, nearest first, with their distance.
    ///
    /// # Errors
    /// When the store fails.
    fn near(&self, lon: f64, lat: f64, within_m: f64) -> Result<Vec<(f64, OutletSummary)>, StoreError>;

    /// Copies a file into the store.
    ///
    /// # Errors
    /// [`StoreError::SourceVanished`] and others of [`super::blobs::Blobs::add_path`].
    fn add_blob(&mut self, path: &Path) -> Result<StoredBlob, StoreError>;

    /// Copies what a reader gives into the store. `expected` is its length where known.
    ///
    /// # Errors
    /// As [`Store::add_blob`].
    fn add_blob_from(
        &mut self,
        name: &str,
        expected: Option<u64>,
        reader: &mut dyn Read,
    ) -> Result<StoredBlob, StoreError>;

    /// Where the bytes of a file are. `None` when no document names it and it is not here.
    ///
    /// # Errors
    /// When the store fails.
    fn blob(&self, hash: &BlobHash) -> Result<Option<BlobState>, StoreError>;

    /// Counts for `outlet status`.
    ///
    /// # Errors
    /// When the store fails.
    fn status(&self) -> Result<StoreStatus, StoreError>;

    /// When the server received a change, where a receipt says so.
    ///
    /// # Errors
    /// When the store fails.
    fn received_at(&self, doc: &DocKey, change: &ChangeHash) -> Result<Option<Timestamp>, StoreError>;

    /// State of each collection followed: digest, count, cursor. Sorted, reference documents first.
    ///
    /// # Errors
    /// When the store fails.
    fn collections(&self) -> Result<Vec<CollectionState>, StoreError>;

    /// Receipts kept, oldest first.
    ///
    /// # Errors
    /// When the store fails.
    fn receipts(&mut self) -> Result<Vec<KeptReceipt>, StoreError>;

    /// The last statement that both sides signed on a collection.
    ///
    /// # Errors
    /// When the store fails.
    fn statement(&self, collection: Collection) -> Result<Option<SignedStatement>, StoreError>;

    /// Own acts that were refused or rejected, and those that build on them.
    ///
    /// # Errors
    /// When the store fails.
    fn rejected(&self) -> Result<Vec<RejectedAct>, StoreError>;

    /// Issues an act again that fell out of its document because of another one.
    ///
    /// # Errors
    /// [`StoreError::NotRejected`]; when the document refuses, or the store fails.
    fn reissue(&mut self, doc: &DocKey, change: &ChangeHash, now: Timestamp) -> Result<Saved, StoreError>;
}

/// Reason of a ruling on what waited for something else.
const WAITED: &str = "waiting";

impl Store for EdgeStore {
    fn identity(&self) -> &Identity {
        &self.identity
    }

    fn enrolment(&self) -> Result<Option<Enrolment>, StoreError> {
        self.enrolment_row()
    }

    fn enrol(&mut self, enrolment: &Enrolment, now: Timestamp) -> Result<(), StoreError> {
        let record = Record { enrolment: Some(enrolment.clone()), ..Record::new(now) };
        self.commit_record(&record, &[])?;
        self.forget_roster();
        Ok(())
    }

    fn roster(&mut self) -> Result<Option<Roster>, StoreError> {
        Ok(self.believe()?.cloned())
    }

    fn document(&self, doc: &DocKey) -> Result<Option<Document>, StoreError> {
        self.load(doc)
    }

    fn keys(&self, kind: DocKind) -> Result<Vec<DocKey>, StoreError> {
        let mut keys = Vec::new();
        // Reference documents lie together; the others lie by collection.
        let reference = kind == DocKind::Reference;
        let prefix = if reference { rows::docs_of(Collection::REFERENCE, kind) } else { b"d".to_vec() };
        self.index()?.scan(&prefix, &mut |key, _| {
            keys.extend(DocKey::from_bytes(&key[1..]).filter(|key| key.kind == kind));
            true
        })?;
        Ok(keys)
    }

    fn write(
        &mut self,
        doc: &DocKey,
        entries: &[String],
        registers: &[(String, String)],
        now: Timestamp,
    ) -> Result<Saved, StoreError> {
        let document = self.load(doc)?.unwrap_or_else(|| Document::new(doc.kind));
        self.write_into(doc, document, (entries, registers), None, now)
    }

    fn commit(
        &mut self,
        doc: &DocKey,
        document: &Document,
        change: &NewChange,
        signature: Signature,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.save_own(doc, document, change, signature, None, now)
    }

    fn summaries(&self, filter: &Filter) -> Result<Vec<OutletSummary>, StoreError> {
        let prefix = filter.collection.map_or_else(|| b"s".to_vec(), rows::summaries_of);
        let handed = self.handed()?;
        let mut found = Vec::new();
        for (_, row) in self.rows::<SummaryRow>(&prefix)? {
            let summary = self.summary_of(&row, &handed)?;
            if filter.admits(&summary) && !summary.key.id.is_walk_log() {
                found.push(summary);
            }
        }
        Ok(found)
    }

    fn summary(&self, doc: &DocKey) -> Result<Option<OutletSummary>, StoreError> {
        self.summary(doc.collection, doc.id)
    }

    fn by_number(&self, number: &str) -> Result<Vec<OutletSummary>, StoreError> {
        self.with_number(number)
    }

    fn numbers_beginning(&self, text: &str) -> Result<Vec<String>, StoreError> {
        self.numbers(text)
    }

    fn find(&self, text: &str) -> Result<Vec<OutletSummary>, StoreError> {
        let numbered = self.with_number(text.trim())?;
        if numbered.is_empty() { self.with_id(text.trim()) } else { Ok(numbered) }
    }

    fn near(&self, lon: f64, lat: f64, within_m: f64) -> Result<Vec<(f64, OutletSummary)>, StoreError> {
        GeoPoint::new(lon, lat).map_or_else(|_| Ok(Vec::new()), |here| self.around(here, within_m))
    }

    fn add_blob(&mut self, path: &Path) -> Result<StoredBlob, StoreError> {
        self.add_file(Source::Path(path))
    }

    fn add_blob_from(
        &mut self,
        name: &str,
        expected: Option<u64>,
        reader: &mut dyn Read,
    ) -> Result<StoredBlob, StoreError> {
        self.add_file(Source::Reader { name, expected, reader })
    }

    fn blob(&self, hash: &BlobHash) -> Result<Option<BlobState>, StoreError> {
        let here = self.blobs.size(hash)?;
        let path = here.is_some().then(|| self.blobs.path_of(hash));
        let unnamed = here.map(|bytes| (bytes, BlobClass::Attachment, false, false));
        let named = self.blob_row(hash)?.map(|row| (row.bytes, row.class, row.stored, row.withdrawn));
        let Some((bytes, class, stored, withdrawn)) = named.or(unnamed) else { return Ok(None) };
        Ok(Some(BlobState { hash: *hash, bytes, class, path, stored, withdrawn }))
    }

    fn status(&self) -> Result<StoreStatus, StoreError> {
        let mut status = StoreStatus { read_only: self.is_read_only(), ..StoreStatus::default() };
        for outlet in self.all()? {
            status.records.count(outlet.state);
            status.in_conflict += u64::from(!outlet.conflicts.is_empty());
        }
        for (_, row) in self.rows::<UnsentRow>(b"u")? {
            status.unsent_changes += 1;
            status.unsent_bytes += row.bytes;
        }
        self.count_files(&mut status)?;
        for collection in self.collections()? {
            status.held_changes += collection.held;
            if let Some(signed) = self.statement(collection.collection)?
                && let Some(line) = signed.statement.line(collection.collection)
            {
                let (at, digest, count, held) = (signed.statement.at, line.digest, line.count, line.held);
                let server = signed.statement.acceptor;
                status.proofs.push(Proof { collection: collection.collection, server, at, digest, count, held });
            }
        }
        Ok(status)
    }

    fn received_at(&self, doc: &DocKey, change: &ChangeHash) -> Result<Option<Timestamp>, StoreError> {
        let runs = self.runs(doc)?;
        Ok(runs.iter().find(|(_, row)| row.changes.contains(change)).and_then(|(_, row)| row.received_at))
    }

    fn collections(&self) -> Result<Vec<CollectionState>, StoreError> {
        let mut codes: Vec<Collection> = self.enrolment_row()?.map(|row| row.collections).unwrap_or_default();
        codes.push(Collection::REFERENCE);
        codes.sort_unstable();
        codes.dedup();
        codes.into_iter().map(|collection| self.state_of(collection)).collect()
    }

    fn receipts(&mut self) -> Result<Vec<KeptReceipt>, StoreError> {
        let places = self.rows(b"k")?;
        let mut kept = Vec::new();
        for (key, position) in places {
            let sequence = key.get(1..9).and_then(|bytes| bytes.try_into().ok()).map_or(0, u64::from_be_bytes);
            let record = Record::from_bytes(sequence, &self.journal.read(position)?)?;
            let Some(acknowledged) = record.acknowledged else { continue };
            for receipt in acknowledged.receipts.iter().filter_map(|sealed| SignedReceipt::from_bytes(&sealed.0).ok()) {
                let collection = receipt.value().collection;
                let runs = acknowledged.runs.iter().filter(|fate| fate.doc.collection == collection);
                kept.push(KeptReceipt { runs: runs.map(|fate| (fate.doc, fate.last)).collect(), receipt });
            }
        }
        Ok(kept)
    }

    fn statement(&self, collection: Collection) -> Result<Option<SignedStatement>, StoreError> {
        self.row(&rows::statement(collection))
    }

    fn rejected(&self) -> Result<Vec<RejectedAct>, StoreError> {
        let mut found = Vec::new();
        let rows = self.rows::<DocRow>(b"d")?;
        // Any act that is not in its document makes the worst state of its document's acts "held".
        let suspect = rows.into_iter().filter(|(_, row)| row.own == Some(OwnState::Held));
        let docs: Vec<DocKey> = suspect.filter_map(|(key, _)| DocKey::from_bytes(&key[1..])).collect();
        for kind in DocKind::ALL {
            for doc in docs.iter().copied().filter(|doc| doc.kind == kind) {
                let runs = self.runs(&doc)?;
                let reissued = |change: &ChangeHash| runs.iter().any(|(_, row)| row.reissue_of == Some(*change));
                let own = self.identity.public();
                for (_, row) in runs.iter().filter(|(_, row)| row.actor.key() == own) {
                    let code = match row.state {
                        // The server rejected it for nothing but what it builds on.
                        RunState::Rejected if row.code.as_deref() == Some(WAITED) => "builds_on_rejected".to_owned(),
                        RunState::Rejected => row.code.clone().unwrap_or_else(|| "rejected".to_owned()),
                        _ if row.orphan => "builds_on_rejected".to_owned(),
                        _ => continue,
                    };
                    let act = |change: &ChangeHash| RejectedAct {
                        doc,
                        change: *change,
                        code: code.clone(),
                        reissued: reissued(change),
                    };
                    found.extend(row.changes.iter().map(act));
                }
            }
        }
        Ok(found)
    }

    fn reissue(&mut self, doc: &DocKey, change: &ChangeHash, now: Timestamp) -> Result<Saved, StoreError> {
        let is_it = |act: &RejectedAct| act.doc == *doc && act.change == *change && !act.reissued;
        if !self.rejected()?.iter().any(is_it) {
            return Err(StoreError::NotRejected(*change));
        }
        let mut runs = Vec::new();
        for (sequence, row) in self.runs(doc)? {
            runs.push(super::stage::read_run(&mut self.journal, sequence, &row)?);
        }
        let failed = |source| StoreError::Document { doc: *doc, source };
        let mut whole = Document::new(doc.kind);
        whole.replay(runs.iter().flat_map(|run| run.changes.iter().map(Vec::as_slice))).map_err(failed)?;
        let of_act = |entry: &crate::doc::Entry| entry.origin.change == *change;
        let entries: Vec<String> =
            whole.entries().into_iter().filter(of_act).map(|entry| entry.json.to_string()).collect();
        let registers: Vec<(String, String)> = whole
            .registers()
            .into_iter()
            .filter(|(_, register)| register.origin.change == *change)
            .map(|(name, register)| (name, register.value))
            .collect();
        let document = self.load(doc)?.unwrap_or_else(|| Document::new(doc.kind));
        self.write_into(doc, document, (&entries, &registers), Some(*change), now)
    }
}

impl EdgeStore {
    pub(super) fn all(&self) -> Result<Vec<OutletSummary>, StoreError> {
        self.summaries(&Filter::default())
    }

    fn write_into(
        &mut self,
        doc: &DocKey,
        mut document: Document,
        (entries, registers): (&[String], &[(String, String)]),
        reissue_of: Option<ChangeHash>,
        now: Timestamp,
    ) -> Result<Saved, StoreError> {
        let change = document
            .write(&self.identity.actor(), now, entries, registers)
            .map_err(|source| StoreError::Document { doc: *doc, source })?;
        let signature = self.identity.key().sign_change(doc, &change.hash);
        self.save_own(doc, &document, &change, signature, reissue_of, now)?;
        Ok(Saved { change: change.hash, entries: change.entries, heads: document.heads() })
    }

    pub(super) fn state_of(&self, collection: Collection) -> Result<CollectionState, StoreError> {
        let row = self.digest_row(collection)?;
        let digest = row.digest();
        let cursor: Option<Cursor> = self.row(&rows::cursor(collection))?;
        Ok(CollectionState { collection, digest: digest.digest(), count: digest.count(), held: row.held, cursor })
    }

    fn count_files(&self, status: &mut StoreStatus) -> Result<(), StoreError> {
        for (key, row) in self.rows::<BlobRow>(b"b")?.into_iter().filter(|(_, row)| !row.withdrawn) {
            let open = row.own && !row.stored;
            status.unsent_file_bytes += if open { row.bytes } else { 0 };
            let Some(hash) = BlobHash::from_slice(&key[1..]) else { continue };
            let state = self.file_state(&hash, &row)?;
            match row.class {
                BlobClass::Preview => continue,
                BlobClass::Original => status.photos.count(state),
                BlobClass::Attachment => status.attachments.count(state),
            }
            status.unsent_files += u64::from(open);
        }
        Ok(())
    }
}
