//! Admission into memory: the same steps for a device and a server, but for receipts and rulings.

use std::collections::BTreeMap;

use super::{MemoryReplica, Parked, Stored, peer_error};
use crate::admission::{self, CheckedRun, Context, Refusal};
use crate::identity::{
    Certificate, Receipt, Ruling, ServerCert, SignedReceipt, SignedRevocation, SignedRuling, SignedRun,
    Verdict as RulingVerdict, change_hash,
};
use crate::ids::{ChangeHash, Collection, DocKey, PublicKey};
use crate::sync::replica::{Admitted, Batch, FeedItem, Missing, Outcome, ReplicaError, Sealed};
use crate::time::Timestamp;

/// Why a run is held that builds on a held one.
const BEHIND_HELD: &str = "waiting";
/// Why a run is kept that a person rejected.
const REJECTED: &str = "rejected";
/// Why a run is held whose author was revoked before it came.
const REVOKED: &str = "revoked";

/// A run that lacks others: its place among the outcomes, who brought it, and what it lacks.
type Incomplete = (usize, PublicKey, SignedRun, Vec<ChangeHash>);

impl MemoryReplica {
    pub(super) fn take(&mut self, peer: &PublicKey, batch: &Batch, now: Timestamp) -> Result<Admitted, ReplicaError> {
        let now = self.moment(now);
        let mut admitted = Admitted::default();
        let mut stored: BTreeMap<Collection, Vec<(DocKey, ChangeHash)>> = BTreeMap::new();
        let before = self.server.as_ref().map(|server| server.ends());
        let mut checked: BTreeMap<DocKey, Vec<(usize, CheckedRun)>> = BTreeMap::new();
        for (index, item) in batch.items.iter().enumerate() {
            let outcome = match item {
                FeedItem::Run(run) => match self.check(peer, run, now) {
                    Ok(run) => {
                        checked.entry(run.doc()).or_default().push((index, run));
                        Outcome::Waiting
                    }
                    Err(outcome) => outcome,
                },
                item if self.server.is_some() => self.take_back(item),
                item => self.take_statement(item)?,
            };
            admitted.outcomes.push(outcome);
        }
        for (doc, runs) in checked {
            let (indices, runs): (Vec<_>, Vec<_>) = runs.into_iter().unzip();
            let (outcomes, new) = self.apply(peer, doc, runs);
            admitted.new_changes += new;
            for (index, outcome) in indices.into_iter().zip(outcomes) {
                if let Some(place) = admitted.outcomes.get_mut(index) {
                    *place = outcome;
                }
            }
        }
        for (item, outcome) in batch.items.iter().zip(&admitted.outcomes) {
            if let (FeedItem::Run(run), Outcome::Stored { .. }) = (item, outcome)
                && let Some(last) = run.last()
            {
                stored.entry(run.doc.collection).or_default().push((run.doc, last));
            }
        }
        for (collection, cursor) in &batch.cursors {
            self.cursors.insert(*collection, Some(*cursor));
        }
        if let (Some(server), Some(before)) = (&self.server, before) {
            for (collection, runs) in stored {
                let receipt = Receipt {
                    epoch: server.epoch(),
                    collection,
                    from_seq: before.get(&collection).copied().unwrap_or(0) + 1,
                    to_seq: server.head(collection).seq,
                    at: now,
                    count: u64::try_from(runs.len()).unwrap_or(u64::MAX),
                    runs: Receipt::list_digest(&runs),
                };
                admitted.receipts.push(Sealed(SignedReceipt::sign(&self.key, receipt).to_bytes()));
            }
        }
        Ok(admitted)
    }

    /// The run, if only the document is left to ask; otherwise what became of it.
    fn check(&mut self, peer: &PublicKey, run: &SignedRun, now: Timestamp) -> Result<CheckedRun, Outcome> {
        let checked = match admission::check_run(run, &self.roster) {
            Ok(checked) => checked,
            Err(refusal) if refusal.is_timeless() => return Err(refused(&refusal)),
            Err(_) => return Err(self.park(peer, run, None)),
        };
        if checked.heads().iter().all(|head| self.has(&run.doc, &head.hash)) {
            self.stands(&checked);
            return Err(Outcome::Stored { in_ledger: true });
        }
        // What a person is to decide on, or did, is not judged anew because it comes again.
        let known = self.docs.get(&run.doc).and_then(|stored| stored.parked.get(&checked.last()));
        let for_a_person = known.is_some_and(|known| !known.may_go());
        let revoked = || self.roster.check_receipt(&checked.signer(), now).is_err();
        if self.server.is_some() && (for_a_person || revoked()) {
            return Err(self.park(peer, run, Some(REVOKED)));
        }
        Ok(checked)
    }

    /// Device: a server sends what it admitted, so what was held of it stands.
    fn stands(&mut self, checked: &CheckedRun) {
        if let Some(stored) = self.docs.get_mut(&checked.doc()).filter(|stored| !stored.excluded.is_empty()) {
            checked.heads().iter().for_each(|head| {
                stored.excluded.remove(&head.hash);
            });
            self.recount(checked.doc());
        }
    }

    /// All runs for a document, and then those that waited there: outcomes of the former, and how
    /// many changes were new in all.
    fn apply(&mut self, peer: &PublicKey, doc: DocKey, runs: Vec<CheckedRun>) -> (Vec<Outcome>, u64) {
        let given = runs.len();
        let stored = self.docs.entry(doc).or_insert_with(|| Stored::new(doc));
        let mut runs: Vec<_> = runs.into_iter().map(|run| (run, *peer)).collect();
        let waiting = stored.parked.values().filter(|parked| parked.may_go());
        let waiting = waiting.map(|parked| (parked.run.clone(), parked.carried_by)).collect::<Vec<_>>();
        for (run, carried_by) in waiting {
            runs.extend(admission::check_run(&run, &self.roster).ok().map(|run| (run, carried_by)));
        }
        let (checked, carried_by): (Vec<_>, Vec<_>) = runs.into_iter().unzip();
        let stored = self.docs.entry(doc).or_insert_with(|| Stored::new(doc));
        let result = admission::apply_each(Some(&stored.document), doc.kind, &checked, &Context::default());
        let new = result.applied.as_ref().map_or(0, |applied| applied.new_changes.len());
        if let Some(applied) = result.applied {
            stored.document = applied.document;
        }
        let mut outcomes = Vec::new();
        let mut incomplete = Vec::new();
        for ((run, carried_by), result) in checked.into_iter().zip(carried_by).zip(result.runs) {
            let outcome = match result {
                Ok(()) => self.keep(run.into_run(), carried_by),
                Err(refusal) if refusal.is_timeless() => refused(&refusal),
                Err(Refusal::MissingDeps { missing, .. }) => {
                    incomplete.push((outcomes.len(), carried_by, run.into_run(), missing));
                    Outcome::Waiting
                }
                Err(refusal) => self.park(&carried_by, run.run(), Some(refusal.code())),
            };
            outcomes.push(outcome);
        }
        self.hold_behind_held(doc, incomplete, &mut outcomes);
        outcomes.truncate(given);
        self.recount(doc);
        (outcomes, u64::try_from(new).unwrap_or(u64::MAX))
    }

    /// What builds on a held run is held, and what builds on that, in whatever order they came; the rest
    /// waits.
    fn hold_behind_held(&mut self, doc: DocKey, mut incomplete: Vec<Incomplete>, outcomes: &mut [Outcome]) {
        loop {
            let before = incomplete.len();
            incomplete.retain(|(at, carried_by, run, missing)| {
                let held = self.docs.get(&doc).is_some_and(|stored| stored.holds_any(missing));
                if held {
                    outcomes[*at] = self.park(carried_by, run, Some(BEHIND_HELD));
                }
                !held
            });
            if incomplete.len() == before {
                break;
            }
        }
        for (at, carried_by, run, _) in incomplete {
            outcomes[at] = self.park(&carried_by, &run, None);
        }
    }

    fn keep(&mut self, run: SignedRun, carried_by: PublicKey) -> Outcome {
        if let Some(stored) = self.docs.get_mut(&run.doc) {
            if let Some(last) = run.last() {
                stored.parked.remove(&last);
            }
            stored.runs.push(run.clone());
        }
        if let Some(server) = &mut self.server {
            server.append(run.doc.collection, FeedItem::Run(run), Some(carried_by));
        }
        Outcome::Stored { in_ledger: true }
    }

    fn park(&mut self, peer: &PublicKey, run: &SignedRun, held: Option<&str>) -> Outcome {
        let known = self.docs.get(&run.doc).zip(run.last()).and_then(|(stored, last)| stored.parked.get(&last));
        if known.is_some_and(|known| known.held.as_deref() == Some(REJECTED)) {
            return Outcome::Refused { code: REJECTED.to_owned(), text: "a ruling rejected these changes".to_owned() };
        }
        let news = held.is_some() && known.is_none_or(|known| known.held.is_none());
        if let Some(last) = run.last().filter(|_| news && self.server.is_some()) {
            // Others may have it from an earlier life of this server: they leave it out, too.
            let changes = run.changes.iter().filter_map(|raw| change_hash(raw)).collect();
            self.rule(run.doc, last, changes, RulingVerdict::Held, Timestamp::default());
        }
        let stored = self.docs.entry(run.doc).or_insert_with(|| Stored::new(run.doc));
        if let Some(last) = run.last() {
            let parked = Parked { run: run.clone(), held: held.map(str::to_owned), carried_by: *peer };
            stored.parked.insert(last, parked);
        }
        held.map_or(Outcome::Waiting, |code| Outcome::Held { code: code.to_owned() })
    }

    /// Server: a certificate or revocation that it signed itself and lost with its database. Nothing
    /// else that a device says makes a member.
    fn take_back(&mut self, item: &FeedItem) -> Outcome {
        match item {
            FeedItem::Certificate(sealed) => {
                let own = Certificate::from_bytes(&sealed.0).ok().filter(|signed| signed.signer() == self.public());
                if let Some(certificate) = own.filter(|signed| self.admit_member(signed).is_ok()) {
                    self.apply_waiting(&certificate.value().key);
                }
            }
            FeedItem::Revocation(sealed) => {
                let own = SignedRevocation::from_bytes(&sealed.0).ok();
                if let Some(revocation) = own.filter(|signed| signed.signer() == self.public()) {
                    self.take_revocation(&revocation);
                }
            }
            _ => {}
        }
        Outcome::Stored { in_ledger: false }
    }

    /// What waits anywhere may have waited for a certificate.
    fn apply_waiting(&mut self, peer: &PublicKey) {
        let waits = |stored: &Stored| !stored.parked.is_empty();
        let docs: Vec<_> = self.docs.iter().filter(|(_, stored)| waits(stored)).map(|(doc, _)| *doc).collect();
        for doc in docs {
            self.apply(peer, doc, Vec::new());
        }
    }

    /// Device: certificates, revocations, rulings from a server.
    fn take_statement(&mut self, item: &FeedItem) -> Result<Outcome, ReplicaError> {
        match item {
            FeedItem::ServerCert(sealed) => {
                let certificate = ServerCert::from_bytes(&sealed.0).map_err(peer_error)?;
                self.roster.add_server(&certificate).map_err(peer_error)?;
            }
            FeedItem::Certificate(sealed) => {
                let certificate = Certificate::from_bytes(&sealed.0).map_err(peer_error)?;
                self.roster.add(&certificate).map_err(peer_error)?;
                self.apply_waiting(&certificate.value().key);
            }
            FeedItem::Revocation(sealed) => {
                let revocation = SignedRevocation::from_bytes(&sealed.0).map_err(peer_error)?;
                self.roster.revoke(&revocation).map_err(peer_error)?;
            }
            FeedItem::Ruling(sealed) => {
                let signed = SignedRuling::from_bytes(&sealed.0).map_err(peer_error)?;
                let ruling = self.roster.check_signer(&signed).map_err(peer_error)?.clone();
                self.obey(&ruling);
            }
            FeedItem::Run(_) | FeedItem::Receipt(_) | FeedItem::FileReceipt(_) => {}
        }
        Ok(Outcome::Stored { in_ledger: false })
    }

    fn obey(&mut self, ruling: &Ruling) {
        let Some(stored) = self.docs.get_mut(&ruling.doc) else { return };
        for change in ruling.changes.iter().filter(|change| stored.document.has(change)) {
            match ruling.verdict {
                RulingVerdict::Released => stored.excluded.remove(change),
                RulingVerdict::Held | RulingVerdict::Rejected => stored.excluded.insert(*change),
            };
        }
        self.offer_what_builds_on_held(ruling.doc);
        self.recount(ruling.doc);
    }

    /// Server: runs that wait for a person, by document and last change.
    #[must_use]
    pub fn held_runs(&self) -> Vec<(DocKey, ChangeHash)> {
        let held = |parked: &Parked| parked.held.as_deref().is_some_and(|why| why != BEHIND_HELD && why != REJECTED);
        let of_doc = |(doc, stored): (&DocKey, &Stored)| {
            let runs = stored.parked.iter().filter(|(_, parked)| held(parked));
            runs.map(|(last, _)| (*doc, *last)).collect::<Vec<_>>()
        };
        self.docs.iter().flat_map(of_doc).collect()
    }

    /// Server: a person decides that a held run is never let in. True when there was one.
    pub fn reject(&mut self, doc: DocKey, last: &ChangeHash, now: Timestamp) -> bool {
        let parked = self.docs.get_mut(&doc).and_then(|stored| stored.parked.get_mut(last));
        let Some(parked) = parked.filter(|parked| parked.held.is_some()) else { return false };
        parked.held = Some(REJECTED.to_owned());
        let changes = parked.run.changes.iter().filter_map(|raw| change_hash(raw)).collect();
        self.rule(doc, *last, changes, RulingVerdict::Rejected, now);
        true
    }

    /// Server: a person lets a held run in. True when there was one and its turn has come.
    pub fn release(&mut self, doc: DocKey, last: &ChangeHash, now: Timestamp) -> bool {
        let parked = self.docs.get(&doc).and_then(|stored| stored.parked.get(last)).cloned();
        let open = |parked: &Parked| parked.held.as_deref().is_some_and(|why| why != REJECTED);
        let Some(parked) = parked.filter(open) else { return false };
        let Ok(checked) = admission::check_run(&parked.run, &self.roster) else { return false };
        let changes = checked.heads().iter().map(|head| head.hash).collect();
        let (outcomes, _) = self.apply(&parked.carried_by, doc, vec![checked]);
        if !matches!(outcomes[..], [Outcome::Stored { .. }]) {
            return false;
        }
        self.rule(doc, *last, changes, RulingVerdict::Released, now);
        true
    }

    fn rule(&mut self, doc: DocKey, run: ChangeHash, changes: Vec<ChangeHash>, verdict: RulingVerdict, at: Timestamp) {
        let (reason, who) = (crate::identity::RulingReason::Reviewed, "memory".into());
        let ruling = Ruling { doc, run, changes, verdict, reason, who, at, serial: 1, note: None };
        let sealed = Sealed(SignedRuling::sign(&self.key, ruling).to_bytes());
        if let Some(server) = &mut self.server {
            server.append(doc.collection, FeedItem::Ruling(sealed), None);
        }
    }
}

impl Parked {
    /// Nobody decided against it: only its time had not come.
    fn may_go(&self) -> bool {
        self.held.as_deref().is_none_or(|why| why == BEHIND_HELD)
    }
}

impl Stored {
    /// Whether one of these changes is in a run that a ruling holds.
    fn holds_any(&self, hashes: &[ChangeHash]) -> bool {
        let held = self.parked.values().filter(|parked| parked.held.is_some());
        let mut names = held.flat_map(|parked| &parked.run.changes).filter_map(|raw| change_hash(raw));
        names.any(|name| hashes.contains(&name))
    }

    pub(super) fn missing(&self, have: &[ChangeHash]) -> Missing {
        let covered = self.document.ancestors(have);
        let lacks = |run: &&SignedRun| {
            run.changes.iter().filter_map(|raw| change_hash(raw)).any(|hash| !covered.contains(&hash))
                && run.last().is_some_and(|last| !self.excluded.contains(&last))
        };
        let unknown = have.iter().filter(|hash| !self.document.has(hash) && !self.holds_any(&[**hash]));
        let runs = self.runs.iter().filter(lacks).cloned().collect();
        Missing { runs, unknown: unknown.copied().collect(), heads: self.heads.clone() }
    }
}

fn refused(refusal: &Refusal) -> Outcome {
    Outcome::Refused { code: refusal.code().to_owned(), text: refusal.to_string() }
}
