//! A batch from a peer: in parts that bound the memory, each checked item by item, applied document
//! by document and written as one commit. The cursors come with the last part.
//!
//! What can never be admitted is not kept. What cannot be admitted *yet* is parked in the journal,
//! because the cursor moves on and it will not be sent again; parked runs are tried again with each
//! batch. Only runs that were fully checked become part of a document, also when the index is
//! rebuilt.

use std::collections::{BTreeMap, BTreeSet};

use super::edge::EdgeStore;
use super::error::StoreError;
use super::home::{Renewed, parted};
use super::record::{CursorAt, Item, Received, Record};
use super::rows::{self, RunRow, RunState};
use super::stage::read_run;
use crate::admission::{self, CheckedRun, Refusal, check_run};
use crate::doc::Document;
use crate::identity::{
    Certificate, IdentityError, Roster, ServerCert, SignedBlobReceipt, SignedReceipt, SignedRevocation, SignedRuling,
    SignedRun, Verdict,
};
use crate::ids::{BlobHash, ChangeHash, Collection, DocKey, PublicKey};
use crate::sync::replica::{Admitted, Batch, Cursor, FeedItem, Outcome, ReplicaError, Sealed, ShownReceipt};
use crate::time::Timestamp;

/// Items of one frame at most, in bytes of what they carry: below what a frame takes.
const FRAME_BYTES: usize = 4 << 20;

/// Items admitted at a time, and bytes that they carry: their documents are in memory together, each
/// many times the size of its changes.
const PART: usize = 256;
const PART_BYTES: usize = 1 << 20;

/// A run on its way into a document.
struct Candidate {
    run: CheckedRun,
    /// Place in the batch; `None` for one that was parked before.
    item: Option<usize>,
}

/// A batch being judged.
struct Judging {
    roster: Roster,
    outcomes: Vec<Outcome>,
    kept: Vec<Item>,
    candidates: BTreeMap<DocKey, Vec<Candidate>>,
    documents: Vec<(DocKey, Document)>,
    new_changes: u64,
    /// Items that repeat an earlier one of the batch, with the place of that one.
    repeated: Vec<(usize, usize)>,
    /// Last changes of runs that are parked here already.
    parked: BTreeSet<ChangeHash>,
    /// Foreign acts under this device's name: it must part from its copy.
    parted_by: Option<ChangeHash>,
    roster_changed: bool,
    /// A server's receipts with their lists, and of files, that hold.
    receipts: Vec<ShownReceipt>,
    files: Vec<(BlobHash, Option<Sealed>)>,
    /// The peer is a server: what it sends it has admitted.
    from_server: bool,
}

impl EdgeStore {
    pub(super) fn admit_batch(
        &mut self,
        peer: &PublicKey,
        batch: &Batch,
        now: Timestamp,
    ) -> Result<Admitted, ReplicaError> {
        let followed = self.followed()?;
        // Before anything is written.
        let named = batch.items.iter().filter_map(|item| match item {
            FeedItem::Run(run) => Some(("a change in", run.doc.collection)),
            _ => None,
        });
        let named = batch.cursors.iter().map(|(collection, _)| ("a cursor of", *collection)).chain(named);
        for (what, collection) in named {
            if !followed.contains(&collection) {
                return Err(ReplicaError::Peer(format!("{what} collection {collection}, which is not followed")));
            }
        }
        let mut admitted = Admitted::default();
        let mut rest = &batch.items[..];
        loop {
            let (part, after) = rest.split_at(part_of(rest));
            // A crash between two parts makes the peer send again.
            let cursors = if after.is_empty() { &batch.cursors[..] } else { &[] };
            let of_part = self.admit_part(peer, part, cursors, now)?;
            admitted.outcomes.extend(of_part.outcomes);
            admitted.new_changes += of_part.new_changes;
            rest = after;
            if rest.is_empty() {
                return Ok(admitted);
            }
        }
    }

    fn admit_part(
        &mut self,
        peer: &PublicKey,
        items: &[FeedItem],
        cursors: &[(Collection, Cursor)],
        now: Timestamp,
    ) -> Result<Admitted, ReplicaError> {
        let roster = self.believe()?.cloned().ok_or_else(|| ReplicaError::NotFound("an enrolment".to_owned()))?;
        let mut judging = Judging {
            from_server: roster.is_server(peer),
            roster,
            outcomes: vec![Outcome::Waiting; items.len()],
            kept: Vec::new(),
            candidates: BTreeMap::new(),
            documents: Vec::new(),
            new_changes: 0,
            repeated: Vec::new(),
            parked: BTreeSet::new(),
            parted_by: None,
            roster_changed: false,
            receipts: Vec::new(),
            files: Vec::new(),
        };
        for (number, item) in items.iter().enumerate() {
            self.judge(&mut judging, number, item)?;
        }
        self.retry_parked(&mut judging)?;
        for doc in judging.candidates.keys().copied().collect::<Vec<_>>() {
            self.apply_runs(&mut judging, &doc)?;
        }
        for (again, first) in std::mem::take(&mut judging.repeated) {
            judging.outcomes[again] = judging.outcomes[first].clone();
        }
        self.keep(peer, cursors, judging, now)
    }

    pub(super) fn followed(&self) -> Result<BTreeSet<Collection>, StoreError> {
        let mut followed: BTreeSet<Collection> =
            self.enrolment_row()?.map(|row| row.collections.into_iter().collect()).unwrap_or_default();
        followed.insert(Collection::REFERENCE);
        Ok(followed)
    }

    fn judge(&self, judging: &mut Judging, number: usize, item: &FeedItem) -> Result<(), ReplicaError> {
        let roster = &mut judging.roster;
        let told = match item {
            FeedItem::Run(run) => {
                self.judge_run(judging, number, run);
                return Ok(());
            }
            FeedItem::Certificate(sealed) => read(Certificate::from_bytes, sealed, |cert| roster.add(cert))
                .map(|new| new.then(|| Item::Certificate(sealed.clone()))),
            FeedItem::ServerCert(sealed) => read(ServerCert::from_bytes, sealed, |cert| roster.add_server(cert))
                .map(|new| new.then(|| Item::ServerCert(sealed.clone()))),
            FeedItem::Revocation(sealed) => read(SignedRevocation::from_bytes, sealed, |signed| roster.revoke(signed))
                .map(|new| new.then(|| Item::Revocation(sealed.clone()))),
            FeedItem::Ruling(sealed) => {
                let ruling = read(SignedRuling::from_bytes, sealed, |ruling| roster.check_signer(ruling).cloned());
                if let Ok(ruling) = &ruling
                    && ruling.verdict == Verdict::Rejected
                    && self.is_own_change(&ruling.doc, &ruling.run)?
                {
                    judging.parted_by = Some(ruling.run);
                }
                ruling.map(|_| Some(Item::Ruling(sealed.clone())))
            }
            FeedItem::Receipt(shown) => {
                let told =
                    read(SignedReceipt::from_bytes, &shown.receipt, |signed| roster.check_signer(signed).cloned());
                told.map(|receipt| {
                    if judging.from_server && receipt.covers(&shown.runs) {
                        judging.receipts.push(shown.clone());
                    }
                    None
                })
            }
            FeedItem::FileReceipt(sealed) => {
                let told = read(SignedBlobReceipt::from_bytes, sealed, |signed| roster.check_signer(signed).cloned());
                told.map(|receipt| {
                    if judging.from_server {
                        judging.files.push((receipt.sha256, Some(sealed.clone())));
                    }
                    None
                })
            }
        };
        judging.outcomes[number] = match told {
            Ok(item) => {
                judging.roster_changed |=
                    matches!(item, Some(Item::Certificate(_) | Item::ServerCert(_) | Item::Revocation(_)));
                judging.kept.extend(item);
                Outcome::Stored { in_ledger: false }
            }
            Err(error) => Outcome::Refused { code: "not_believed".to_owned(), text: error.to_string() },
        };
        Ok(())
    }

    fn judge_run(&self, judging: &mut Judging, number: usize, run: &SignedRun) {
        match check_run(run, &judging.roster) {
            Ok(run) => {
                let candidates = judging.candidates.entry(run.doc()).or_default();
                let same = candidates.iter().find(|known| known.run.last() == run.last());
                match same.and_then(|known| known.item) {
                    Some(first) => judging.repeated.push((number, first)),
                    None => candidates.push(Candidate { run, item: Some(number) }),
                }
            }
            Err(refusal) if refusal.is_timeless() => judging.outcomes[number] = refused(&refusal),
            Err(refusal) => judging.kept.push(Item::Parked(run.clone(), refusal.code().to_owned())),
        }
    }

    /// Runs that were parked: in the documents of this batch, or all when the roster has changed.
    fn retry_parked(&mut self, judging: &mut Judging) -> Result<(), StoreError> {
        let mut docs = Vec::new();
        self.index()?.scan(b"w", &mut |key, _| {
            docs.extend(DocKey::from_bytes(&key[1..]));
            true
        })?;
        docs.retain(|doc| judging.roster_changed || judging.candidates.contains_key(doc));
        for doc in docs {
            for (sequence, row) in self.runs(&doc)?.into_iter().filter(|(_, row)| row.state == RunState::Parked) {
                let run = read_run(&mut self.journal, sequence, &row)?;
                judging.parked.extend(run.last());
                match check_run(&run, &judging.roster) {
                    Ok(run) => {
                        let candidates = judging.candidates.entry(doc).or_default();
                        // One that came again in this batch takes its place.
                        if !candidates.iter().any(|known| known.run.last() == run.last()) {
                            candidates.push(Candidate { run, item: None });
                        }
                    }
                    Err(refusal) if refusal.is_timeless() => {
                        judging.kept.extend(run.last().map(|last| Item::Dropped(doc, last)));
                    }
                    Err(_) => {}
                }
            }
        }
        Ok(())
    }

    fn apply_runs(&mut self, judging: &mut Judging, doc: &DocKey) -> Result<(), StoreError> {
        let (items, runs): (Vec<Option<usize>>, Vec<CheckedRun>) = judging
            .candidates
            .remove(doc)
            .unwrap_or_default()
            .into_iter()
            .map(|candidate| (candidate.item, candidate.run))
            .unzip();
        let base = self.load(doc)?;
        let (results, applied) = tried(base.as_ref(), doc, &runs);
        let known = |hash: &ChangeHash| base.as_ref().is_some_and(|base| base.has(hash));
        let rows = self.runs(doc)?;
        let from_server = judging.from_server;
        let has = |run: &CheckedRun, state: RunState| {
            let of_run = |row: &RunRow| run.heads().iter().any(|head| row.changes.contains(&head.hash));
            rows.iter().any(|(_, row)| row.state == state && of_run(row))
        };
        for ((item, run), result) in items.into_iter().zip(runs).zip(results) {
            if let Err(Refusal::Equivocation { second, .. }) = &result
                && run.signer() == self.identity.public()
            {
                judging.parted_by = Some(*second);
            }
            let (last, all_known) = (run.last(), run.heads().iter().all(|head| known(&head.hash)));
            let (outcome, keep) = match result {
                // Another device may not have heard of the ruling yet.
                Ok(()) if !from_server && has(&run, RunState::Rejected) => {
                    let text = "a server rejected these changes".to_owned();
                    (Outcome::Refused { code: "rejected".to_owned(), text }, None)
                }
                // What the server sends it has admitted: own or foreign, it is no longer held.
                Ok(()) if all_known && !(from_server && has(&run, RunState::Held)) => {
                    let parked = judging.parked.contains(&last);
                    (Outcome::Stored { in_ledger: false }, parked.then_some(Item::Dropped(*doc, last)))
                }
                Ok(()) => {
                    let item = if from_server { Item::Run } else { Item::FromDevice };
                    (Outcome::Stored { in_ledger: false }, Some(item(run.into_run())))
                }
                Err(refusal) if refusal.is_timeless() => {
                    let parked = judging.parked.contains(&last);
                    (refused(&refusal), parked.then_some(Item::Dropped(*doc, last)))
                }
                Err(refusal) => {
                    let known = judging.parked.contains(&last);
                    let parked = Item::Parked(run.into_run(), refusal.code().to_owned());
                    (Outcome::Waiting, (!known).then_some(parked))
                }
            };
            if let Some(item) = item {
                judging.outcomes[item] = outcome;
            }
            judging.kept.extend(keep);
        }
        if let Some((document, new_changes)) = applied {
            judging.new_changes += new_changes;
            judging.documents.push((*doc, document));
        }
        Ok(())
    }

    fn keep(
        &mut self,
        peer: &PublicKey,
        cursors: &[(Collection, Cursor)],
        judging: Judging,
        now: Timestamp,
    ) -> Result<Admitted, ReplicaError> {
        let admitted = Admitted { outcomes: judging.outcomes, receipts: Vec::new(), new_changes: judging.new_changes };
        if let Some(foreign) = judging.parted_by {
            // Before the frame: an own number that was used must never be used again.
            self.part(&foreign)?;
        }
        let cursors = self.moved_cursors(cursors)?;
        let ready: Vec<(DocKey, &Document)> =
            judging.documents.iter().map(|(doc, document)| (*doc, document)).collect();
        let mut frames = split(judging.kept);
        if frames.is_empty() && !cursors.is_empty() {
            frames.push(Vec::new());
        }
        let last = frames.len().saturating_sub(1);
        for (number, items) in frames.into_iter().enumerate() {
            // The cursors come with the last frame: a crash between two makes the peer send again.
            let cursors = if number == last { cursors.clone() } else { Vec::new() };
            let received = Received { peer: *peer, items, cursors };
            let record = Record { received: Some(received), ..Record::new(now) };
            self.commit_record(&record, if last == 0 { &ready } else { &[] })?;
        }
        if judging.roster_changed {
            self.forget_roster();
        }
        self.take_receipts(peer, &judging.receipts, now)?;
        self.take_file_receipts(peer, judging.files, now)?;
        Ok(admitted)
    }

    fn moved_cursors(&self, cursors: &[(Collection, Cursor)]) -> Result<Vec<CursorAt>, StoreError> {
        let mut moved = Vec::new();
        for (collection, cursor) in cursors {
            if self.row(&rows::cursor(*collection))? != Some(*cursor) {
                moved.push(CursorAt { collection: *collection, cursor: *cursor });
            }
        }
        Ok(moved)
    }

    pub(super) fn is_own_change(&self, doc: &DocKey, change: &ChangeHash) -> Result<bool, StoreError> {
        let own = self.identity.public();
        Ok(self.runs(doc)?.iter().any(|(_, row)| row.actor.key() == own && row.changes.contains(change)))
    }

    /// Goes on under another incarnation because of this change.
    pub(super) fn part(&mut self, change: &ChangeHash) -> Result<(), StoreError> {
        let incarnation = parted(&self.identity, change);
        self.renew(incarnation, Renewed::Equivocation)
    }
}

/// How many of the items are the next part: at least one, if there is one.
fn part_of(items: &[FeedItem]) -> usize {
    let mut bytes = 0;
    let fits = |item: &&FeedItem| {
        bytes += if let FeedItem::Run(run) = item { run.size() } else { 0 };
        bytes <= PART_BYTES
    };
    items.iter().take(PART).take_while(fits).count().max(1).min(items.len())
}

/// A document and how many of its changes are new.
type Grown = (Document, u64);

/// What becomes of the runs, and the document with those that are new and how many changes these are.
fn tried(base: Option<&Document>, doc: &DocKey, runs: &[CheckedRun]) -> (Vec<Result<(), Refusal>>, Option<Grown>) {
    // Without the constants that everybody has: nobody wrote them.
    let written: BTreeSet<ChangeHash> = runs.iter().flat_map(CheckedRun::heads).map(|head| head.hash).collect();
    let count = |new: &[ChangeHash]| new.iter().filter(|hash| written.contains(hash)).count() as u64;
    if base.is_none()
        && let Some((document, new_changes)) = admission::start_line(doc.kind, runs)
    {
        return (vec![Ok(()); runs.len()], Some((document, count(&new_changes))));
    }
    let outcome = admission::apply_each(base, doc.kind, runs, &admission::Context::default());
    let applied = outcome.applied.map(|applied| (applied.document, count(&applied.new_changes)));
    (outcome.runs, applied)
}

fn read<T, U>(
    parse: impl Fn(&[u8]) -> Result<T, IdentityError>,
    sealed: &Sealed,
    take: impl FnOnce(&T) -> Result<U, IdentityError>,
) -> Result<U, IdentityError> {
    take(&parse(&sealed.0)?)
}

fn refused(refusal: &Refusal) -> Outcome {
    Outcome::Refused { code: refusal.code().to_owned(), text: refusal.to_string() }
}

/// Items in as many frames as they need.
fn split(items: Vec<Item>) -> Vec<Vec<Item>> {
    let mut frames: Vec<Vec<Item>> = Vec::new();
    let mut bytes = 0;
    for item in items {
        let size = match &item {
            Item::Run(run) | Item::Parked(run, _) | Item::FromDevice(run) => run.size() + 256,
            Item::Certificate(sealed) | Item::ServerCert(sealed) | Item::Revocation(sealed) | Item::Ruling(sealed) => {
                sealed.0.len()
            }
            Item::Dropped(..) => 64,
        };
        match frames.last_mut() {
            Some(frame) if bytes + size <= FRAME_BYTES => {
                bytes += size;
                frame.push(item);
            }
            _ => {
                bytes = size;
                frames.push(vec![item]);
            }
        }
    }
    frames
}
