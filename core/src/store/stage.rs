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
use super::rows::{self, Believed, BlobRow, RunRow, RunState, UnsentRow};
use super::segment::FramePosition;
use crate::doc::Document;
use crate::identity::{SignedReceipt, SignedRuling, SignedRun, Verdict, change_hash};
use crate::ids::{Actor, BlobHash, ChangeHash, Collection, DocKey, DocKind, OutletId, PublicKey};
use crate::sync::digest::CollectionDigest;
use crate::sync::replica::{Cursor, Sealed, SignedStatement};
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
pub(super) enum Work<'a> {
    /// It is at hand.
    Ready(&'a Document),
    /// Add these changes to what the index has.
    Add(Vec<Vec<u8>>),
    /// Own acts in it have come further on their way; what it says is as it was.
    States,
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
    pub(super) writes: Writes,
    pub(super) touched: BTreeMap<(Collection, OutletId), BTreeMap<DocKind, Work<'a>>>,
    /// Raw bytes waiting in `touched`: a rebuild settles before this grows large.
    pub(super) pending_bytes: usize,
    /// Files whose bytes are to be removed once the writes are applied.
    pub(super) withdrawn: BTreeSet<BlobHash>,
    /// Documents that could not be built: the others must open all the same.
    pub(super) unreadable: BTreeMap<DocKey, String>,
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

    pub(super) fn get<T: for<'b> Decode<'b, ()>>(&self, key: &[u8]) -> Result<Option<T>, StoreError> {
        let bytes = match self.writes.get(key) {
            Some(staged) => staged.clone(),
            None => self.index.get(key)?,
        };
        bytes.map(|bytes| rows::decode(&bytes)).transpose()
    }

    pub(super) fn bytes(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        self.writes.get(key).map_or_else(|| self.index.get(key), |staged| Ok(staged.clone()))
    }

    pub(super) fn put<T: Encode<()>>(&mut self, key: Vec<u8>, row: &T) {
        self.writes.insert(key, Some(rows::encode(row)));
    }

    pub(super) fn remove(&mut self, key: Vec<u8>) {
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

    pub(super) fn runs(&self, doc: &DocKey) -> Result<Vec<(Vec<u8>, RunRow)>, StoreError> {
        let rows = self.scan(&rows::runs_of(doc))?;
        rows.into_iter().map(|(key, value)| Ok((key, rows::decode(&value)?))).collect()
    }

    fn work(&mut self, doc: &DocKey) -> &mut Work<'a> {
        let outlet = self.touched.entry((doc.collection, doc.id)).or_default();
        outlet.entry(doc.kind).or_insert(Work::States)
    }

    fn touch(&mut self, doc: &DocKey) -> &mut Work<'a> {
        let work = self.work(doc);
        if matches!(work, Work::States) {
            *work = Work::Add(Vec::new());
        }
        work
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
            self.statement(statement)?;
        }
        if let Some(stored) = &record.blob_stored {
            self.blob_stored(stored)?;
        }
        for stored in record.blobs_stored.as_deref().unwrap_or_default() {
            self.blob_stored(stored)?;
        }
        if let Some(hash) = &record.carried {
            self.carried(hash)?;
        }
        for at in record.cursors.as_deref().unwrap_or_default() {
            // Adopted instead of a void one: the database is not the one that was spoken to before.
            self.offer_again(at.collection)?;
            self.put(rows::cursor(at.collection), &at.cursor);
        }
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
            orphan: false,
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
                        self.unpark(&run.doc, row.changes.last())?;
                        if self.stands(&run.doc, &row.changes)? {
                            continue;
                        }
                        self.put(rows::run(&run.doc, place.sequence, number), &row);
                        self.add_changes(run);
                    }
                }
                Item::Parked(run, code) => {
                    if let Some(row) = self.run_row(place, number, run, RunState::Parked) {
                        let row = RunRow { code: Some(code.clone()), ..row };
                        self.put(rows::run(&run.doc, place.sequence, number), &row);
                        self.put(rows::parked(&run.doc), &());
                    }
                }
                Item::FromDevice(run) => self.brought(place, number, run)?,
                Item::Dropped(doc, last) => self.unpark(doc, Some(last))?,
                Item::Certificate(sealed) => self.believe(Believed::Member, sealed),
                Item::ServerCert(sealed) => self.believe(Believed::Server, sealed),
                Item::Revocation(sealed) => self.believe(Believed::Revocation, sealed),
                Item::Ruling(sealed) => self.ruling(sealed)?,
            }
        }
        self.cursors(&received.cursors)
    }

    /// What a device brings stands as far as no ruling known here says otherwise.
    fn brought(&mut self, place: Place, number: u32, run: &SignedRun) -> Result<(), StoreError> {
        let Some(mut row) = self.run_row(place, number, run, RunState::Admitted) else { return Ok(()) };
        self.unpark(&run.doc, row.changes.last())?;
        let mut verdict = None;
        for sealed in self.scan(&rows::rulings_of(&run.doc))?.into_values() {
            let Ok(ruling) = SignedRuling::from_bytes(&sealed) else { continue };
            let ruling = ruling.into_value();
            let about = row.changes.iter().any(|change| ruling.changes.contains(change) || *change == ruling.run);
            if about && ruling.verdict != Verdict::Released {
                row.code = Some(reason_code(ruling.reason.code()));
                verdict = Some(ruling.verdict);
            }
        }
        row.state = match verdict {
            Some(Verdict::Held) => RunState::Held,
            Some(Verdict::Rejected) => RunState::Rejected,
            _ => RunState::Admitted,
        };
        self.put(rows::run(&run.doc, place.sequence, number), &row);
        self.put(rows::brought(&run.doc), &());
        if row.state == RunState::Rejected {
            // Not the document at hand: that one has it.
            *self.touch(&run.doc) = Work::Add(Vec::new());
        } else {
            self.add_changes(run);
        }
        Ok(())
    }

    /// Forgets parked runs that end in this change.
    fn unpark(&mut self, doc: &DocKey, last: Option<&ChangeHash>) -> Result<(), StoreError> {
        if self.bytes(&rows::parked(doc))?.is_none() {
            return Ok(());
        }
        let mut left = 0;
        for (key, row) in self.runs(doc)?.into_iter().filter(|(_, row)| row.state == RunState::Parked) {
            if row.changes.last() == last {
                self.remove(key);
            } else {
                left += 1;
            }
        }
        if left == 0 {
            self.remove(rows::parked(doc));
        }
        Ok(())
    }

    fn believe(&mut self, kind: Believed, sealed: &Sealed) {
        self.writes.insert(rows::believed(kind, &sealed.0), Some(sealed.0.clone()));
    }

    fn cursors(&mut self, cursors: &[CursorAt]) -> Result<(), StoreError> {
        for at in cursors {
            let before: Option<Cursor> = self.get(&rows::cursor(at.collection))?;
            if before.is_some_and(|before| before.epoch != at.cursor.epoch) {
                self.offer_again(at.collection)?;
            }
            self.put(rows::cursor(at.collection), &at.cursor);
        }
        Ok(())
    }

    /// Another life of the server's database: it may not have what the one before held, and
    /// decides anew. What is still held there is answered so once more.
    fn offer_again(&mut self, collection: Collection) -> Result<(), StoreError> {
        for (key, value) in self.scan(&rows::runs_in(collection))? {
            let mut row: RunRow = rows::decode(&value)?;
            let Some(doc) = rows::run_document(&key).filter(|_| row.state == RunState::Held) else { continue };
            let unsent = rows::unsent(rows::run_sequence(&key));
            // A frame of a batch may hold several: those are found by comparison.
            let send = self.is_own(&row.actor) && self.bytes(&unsent)?.is_none();
            if send && !row.orphan {
                self.put(unsent, &UnsentRow { doc, bytes: row.bytes });
            }
            row.state = if send { RunState::Unsent } else { RunState::Admitted };
            row.code = None;
            self.put(key, &row);
            self.touch(&doc);
        }
        Ok(())
    }

    /// A server sends what it admitted: what was thought held of it stands. True when that was all
    /// there is to keep of it.
    fn stands(&mut self, doc: &DocKey, changes: &[ChangeHash]) -> Result<bool, StoreError> {
        let mut left: BTreeSet<ChangeHash> = changes.iter().copied().collect();
        let mut stood = false;
        for (key, mut row) in self.runs(doc)? {
            if !row.is_in_document() || !row.changes.iter().any(|change| changes.contains(change)) {
                continue;
            }
            row.changes.iter().for_each(|change| _ = left.remove(change));
            if row.state == RunState::Held {
                row.state = if self.is_own(&row.actor) { RunState::InLedger } else { RunState::Admitted };
                row.code = None;
                self.put(key, &row);
                self.touch(doc);
                stood = true;
            }
        }
        Ok(stood && left.is_empty())
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
        let code = (ruling.verdict != Verdict::Released).then(|| reason_code(ruling.reason.code()));
        for (key, mut row) in self.runs(&ruling.doc)? {
            let ruled = row.changes.iter().any(|change| ruling.changes.contains(change) || *change == ruling.run);
            if !ruled || row.state == RunState::Parked {
                continue;
            }
            let own = self.is_own(&row.actor);
            row.state = match ruling.verdict {
                Verdict::Held => RunState::Held,
                // Admitted after all, and with that in the ledger: one transaction of the server.
                Verdict::Released if own => RunState::InLedger,
                Verdict::Released => RunState::Admitted,
                Verdict::Rejected => RunState::Rejected,
            };
            row.code.clone_from(&code);
            if own {
                self.remove(rows::unsent(rows::run_sequence(&key)));
            }
            self.put(key, &row);
            if ruling.verdict == Verdict::Rejected {
                // Not the document at hand: that one has it.
                *self.touch(&ruling.doc) = Work::Add(Vec::new());
            } else {
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

    /// What was stored was stored with everything it builds on, so the fate of a stored run is that
    /// of all own acts up to it; a hold or refusal is about the changes of that run alone.
    fn fate(&mut self, fate: &RunFate, received_at: Option<Timestamp>) -> Result<(), StoreError> {
        if fate.fate == Fate::Waiting {
            return Ok(());
        }
        let runs = self.runs(&fate.doc)?;
        let Some(last) = runs.iter().position(|(_, row)| row.changes.contains(&fate.last)) else { return Ok(()) };
        let actor = runs[last].1.actor;
        let own = runs.into_iter().take(last + 1).rev().filter(|(_, row)| row.actor == actor);
        let stored = matches!(fate.fate, Fate::Stored | Fate::InLedger);
        let mut left = fate.changes as usize;
        let mut contents = false;
        for (key, mut row) in own {
            let of_run = left > 0;
            left = left.saturating_sub(row.changes.len());
            let moved = row.state == RunState::Stored && fate.fate == Fate::InLedger;
            let open = row.state == RunState::Unsent || moved || (of_run && row.state != RunState::Rejected);
            if !open || !(of_run || stored) {
                continue;
            }
            let before = row.state;
            row.state = match fate.fate {
                Fate::Stored => RunState::Stored,
                Fate::InLedger => RunState::InLedger,
                Fate::Held | Fate::Waiting => RunState::Held,
                Fate::Refused => RunState::Rejected,
            };
            row.code.clone_from(&fate.code);
            row.received_at = row.received_at.or(received_at);
            // What is held or refused, or was, changes what the document and the digest say.
            contents |= !(before.is_on_its_way() && row.state.is_on_its_way());
            self.remove(rows::unsent(rows::run_sequence(&key)));
            self.put(key, &row);
        }
        if contents {
            self.touch(&fate.doc);
        } else {
            self.work(&fate.doc);
        }
        Ok(())
    }

    fn statement(&mut self, sealed: &Sealed) -> Result<(), StoreError> {
        if let Ok(signed) = minicbor::decode::<SignedStatement>(&sealed.0) {
            for line in &signed.statement.lines {
                self.writes.insert(rows::statement(line.collection), Some(sealed.0.clone()));
                // The server holds the same: whatever devices brought has arrived there.
                for key in self.scan(&rows::brought_in(line.collection))?.into_keys() {
                    self.remove(key);
                }
            }
        }
        Ok(())
    }

    /// A file of another device's act is sent like an own one.
    fn carried(&mut self, hash: &BlobHash) -> Result<(), StoreError> {
        self.put(rows::carried(hash), &());
        let key = rows::blob(hash);
        if let Some(mut row) = self.get::<BlobRow>(&key)?
            && !row.own
        {
            row.own = true;
            if !row.stored && !row.withdrawn {
                self.put(rows::outgoing(&row, hash), &row.bytes);
            }
            self.put(key, &row);
        }
        Ok(())
    }

    fn blob_stored(&mut self, stored: &BlobStored) -> Result<(), StoreError> {
        let key = rows::blob(&stored.hash);
        self.put(rows::confirmed(&stored.hash), &());
        if let Some(mut row) = self.get::<BlobRow>(&key)? {
            self.remove(rows::outgoing(&row, &stored.hash));
            row.stored = true;
            self.put(key, &row);
        }
        Ok(())
    }

    pub(super) fn is_own(&self, actor: &Actor) -> bool {
        actor.key() == self.own
    }
}

/// Reads a run back from the journal.
pub(super) fn read_run(journal: &mut Journal, sequence: u64, row: &RunRow) -> Result<SignedRun, StoreError> {
    let record = Record::from_bytes(sequence, &journal.read(row.position)?)?;
    let from_batch = |received: Received| match received.items.into_iter().nth(row.item as usize) {
        Some(Item::Run(run) | Item::Parked(run, _) | Item::FromDevice(run)) => Some(run),
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
