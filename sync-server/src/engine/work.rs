//! A batch at work: the documents it touches, what becomes of each run, and the new documents.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use outlet_core::admission::{CheckedRun, Context, Refusal, apply_each, check_form, continue_line};
use outlet_core::doc::Chronicle;
use outlet_core::identity::{Roster, RulingReason, SignedRun};
use outlet_core::ids::{Actor, ChangeHash, DocKey, DocKind, PublicKey};
use outlet_core::time::Timestamp;
use rayon::prelude::*;
use rusqlite::Transaction;

use super::policy::{self, Rules};
use super::quarantine::Hold;
use super::{Engine, EngineError, projector};
use crate::db::DbError;
use crate::db::records::{self, RunState, StoredDocument, StoredRun};

/// Rounds over the runs of a document that look for what builds on held ones.
const HOLD_ROUNDS: usize = 8;

/// What becomes of a run.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Fate {
    /// To be admitted, unless something speaks against it.
    New,
    /// It was here before.
    Known(RunState, Option<String>),
    /// The run at this place of the same document again: it shares that one's fate.
    Again(usize),
    /// In its document now.
    Admitted,
    /// Kept aside for a decision.
    Held(RulingReason, Vec<ChangeHash>),
    /// Kept until what it depends on is here.
    Waiting,
    /// Kept, never admitted.
    Rejected(RulingReason),
    /// Not kept.
    Refused(Refusal),
}

impl Fate {
    /// As of the same run once more.
    fn repeated(&self) -> Self {
        match self {
            Self::Admitted => Self::Known(RunState::Admitted, None),
            Self::Held(reason, waits) => Self::Known(RunState::Held, Some(Hold::new(*reason, waits).to_json())),
            Self::Waiting | Self::New => Self::Known(RunState::Waiting, None),
            Self::Rejected(_) => Self::Known(RunState::Rejected, None),
            Self::Known(..) | Self::Again(_) | Self::Refused(_) => self.clone(),
        }
    }
}

/// A run with its fate.
pub(super) struct Incoming {
    /// Place in the batch.
    pub index: Option<usize>,
    /// Row, if it waited here before.
    pub row: Option<i64>,
    /// When the server got it first: now, or at the moment of a receipt that was shown.
    pub received_at: Timestamp,
    /// Who brought it.
    pub carrier: PublicKey,
    pub fate: Fate,
    /// Changes of it that the document does not have.
    pub fresh: u64,
}

/// A run that was kept without being admitted.
pub(super) struct Aside {
    pub row: StoredRun,
    pub run: CheckedRun,
}

/// A document with what is new in it.
pub(super) struct Applied {
    pub document: Chronicle,
    /// As automerge saves it; `None` for a line that automerge was not asked about.
    pub saved: Option<Vec<u8>>,
    /// Sorted.
    pub heads: Vec<ChangeHash>,
    /// Constants included.
    pub new_changes: Vec<ChangeHash>,
}

/// One document of the batch.
pub(super) struct DocWork {
    pub key: DocKey,
    pub stored: Option<StoredDocument>,
    /// Its admitted runs as stored.
    past: Vec<(Timestamp, Vec<u8>)>,
    pub document: Option<Chronicle>,
    pub aside: Vec<Aside>,
    pub runs: Vec<CheckedRun>,
    pub fates: Vec<Incoming>,
    pub applied: Option<Applied>,
    /// Receipt times of the changes it had before.
    pub times: HashMap<ChangeHash, Timestamp>,
    /// Receipts of an earlier life of the database, shown again: last change of a run, and when.
    pub shown: Vec<(ChangeHash, Timestamp)>,
    /// Runs it had before, read when something was shown: row, changes, time.
    pub known: Vec<(i64, Vec<ChangeHash>, Timestamp)>,
    /// Of those, the ones that were received earlier than their row says.
    pub earlier: Vec<(i64, Timestamp)>,
    failure: Option<EngineError>,
}

/// A batch inside its transaction.
pub(super) struct Batch<'a> {
    pub engine: &'a Engine,
    pub tx: &'a Transaction<'a>,
    pub roster: &'a Arc<Roster>,
    pub carrier: PublicKey,
    pub now: Timestamp,
    pub docs: Vec<DocWork>,
    places: BTreeMap<DocKey, usize>,
    /// Ledger rows to write, by field key.
    pub rows: Vec<(DocKey, projector::Row)>,
}

impl<'a> Batch<'a> {
    pub(super) fn new(
        engine: &'a Engine,
        tx: &'a Transaction<'a>,
        roster: &'a Arc<Roster>,
        carrier: PublicKey,
        now: Timestamp,
    ) -> Self {
        Self { engine, tx, roster, carrier, now, docs: Vec::new(), places: BTreeMap::new(), rows: Vec::new() }
    }

    /// Adds a run.
    pub(super) fn take(&mut self, index: usize, run: CheckedRun) {
        let incoming = Incoming {
            index: Some(index),
            row: None,
            received_at: self.now,
            carrier: self.carrier,
            fate: Fate::New,
            fresh: 0,
        };
        let place = self.place(run.doc());
        self.docs[place].runs.push(run);
        self.docs[place].fates.push(incoming);
    }

    /// The document's place in the batch; it is added if it was not there.
    pub(super) fn place(&mut self, key: DocKey) -> usize {
        *self.places.entry(key).or_insert_with(|| {
            self.docs.push(DocWork {
                key,
                stored: None,
                past: Vec::new(),
                document: None,
                aside: Vec::new(),
                runs: Vec::new(),
                fates: Vec::new(),
                applied: None,
                times: HashMap::new(),
                shown: Vec::new(),
                known: Vec::new(),
                earlier: Vec::new(),
                failure: None,
            });
            self.docs.len() - 1
        })
    }

    /// The document, if the batch touches it.
    pub(super) fn doc(&self, key: &DocKey) -> Option<&DocWork> {
        self.places.get(key).map(|place| &self.docs[*place])
    }

    /// Decides every run's fate and makes the new documents and ledger rows.
    pub(super) fn run(&mut self, rules: Rules) -> Result<(), EngineError> {
        self.add_partners();
        self.read()?;
        self.read_shown()?;
        self.parallel(DocWork::open)?;
        self.docs.iter_mut().for_each(DocWork::recall_runs);
        policy::judge(self, rules)?;
        self.parallel(DocWork::extend)?;
        self.docs.iter_mut().for_each(DocWork::recall_runs);
        self.docs.iter_mut().for_each(DocWork::recall_known);
        self.project()
    }

    /// Field record and case file of one outlet make one ledger row: both are read, whichever
    /// changes.
    fn add_partners(&mut self) {
        let keys: Vec<DocKey> = self.places.keys().copied().collect();
        for key in keys {
            match key.kind {
                DocKind::Field => self.place(key.with_kind(DocKind::Case)),
                DocKind::Case => self.place(key.with_kind(DocKind::Field)),
                DocKind::Reference => continue,
            };
        }
    }

    fn read(&mut self) -> Result<(), EngineError> {
        let quarantine = records::any_not_admitted(self.tx)?;
        for doc in &mut self.docs {
            doc.stored = records::document(self.tx, &doc.key)?;
            if doc.stored.is_some() {
                doc.past = records::admitted_runs(self.tx, &doc.key)?;
            }
            if quarantine {
                for row in records::not_admitted_of(self.tx, &doc.key)? {
                    doc.aside.push(Aside::read(row)?);
                }
            }
        }
        Ok(())
    }

    fn parallel(&mut self, step: impl Fn(&mut DocWork) + Send + Sync) -> Result<(), EngineError> {
        let docs = &mut self.docs;
        self.engine.pool.install(|| docs.par_iter_mut().for_each(step));
        docs.iter_mut().find_map(|doc| doc.failure.take()).map_or(Ok(()), Err)
    }

    fn project(&mut self) -> Result<(), EngineError> {
        let reference = self.engine.projector.reference(self.tx)?;
        let changed = |key: &DocKey| self.doc(key).is_some_and(|doc| doc.applied.is_some() || !doc.earlier.is_empty());
        let outlets: BTreeSet<DocKey> = self
            .places
            .keys()
            .filter(|key| key.kind != DocKind::Reference && !key.id.is_walk_log())
            .map(|key| key.with_kind(DocKind::Field))
            .filter(|key| changed(key) || changed(&key.with_kind(DocKind::Case)))
            .collect();
        let outlets: Vec<DocKey> = outlets.into_iter().collect();
        // Not `self`: a database connection stays on its thread.
        let (docs, places, roster) = (&self.docs, &self.places, self.roster);
        let source = |key: &DocKey| places.get(key).and_then(|place| docs[*place].source());
        let row = |key: &DocKey| {
            let case = source(&key.with_kind(DocKind::Case));
            Some((*key, projector::row(*key, &source(key)?, case.as_ref(), roster, &reference)))
        };
        self.rows = self.engine.pool.install(|| outlets.par_iter().filter_map(row).collect());
        Ok(())
    }
}

impl Aside {
    pub(super) fn read(row: StoredRun) -> Result<Self, DbError> {
        let run =
            SignedRun::from_bytes(&row.run).map_err(|error| DbError::Damaged(format!("run {}: {error}", row.id)))?;
        let run = check_form(&run).map_err(|error| DbError::Damaged(format!("run {}: {error}", row.id)))?;
        Ok(Self { row, run })
    }
}

impl Applied {
    fn is_new(&self) -> bool {
        !self.new_changes.is_empty()
    }
}

impl DocWork {
    /// The document as it will be, with the receipt times of its changes.
    pub(super) fn source(&self) -> Option<projector::Source<'_>> {
        let document = self.applied.as_ref().map(|applied| &applied.document).or(self.document.as_ref())?;
        let admitted = self.runs.iter().zip(&self.fates).filter(|(_, incoming)| incoming.fate == Fate::Admitted);
        let mut fresh: HashMap<ChangeHash, Timestamp> = HashMap::new();
        for (run, incoming) in admitted {
            for head in run.heads() {
                // The first receipt counts, as it does when the rows are read back.
                let at = fresh.entry(head.hash).or_insert(incoming.received_at);
                *at = (*at).min(incoming.received_at);
            }
        }
        Some(projector::Source { document, times: &self.times, fresh })
    }

    /// Reads the document and finds what was here before.
    fn open(&mut self) {
        match projector::Past::read(&self.key, &self.past) {
            Ok(past) => (self.document, self.times) = (past.document, past.times),
            Err(error) => {
                self.failure = Some(error);
                return;
            }
        }
        let mut seen: BTreeMap<ChangeHash, usize> = BTreeMap::new();
        for (place, (run, incoming)) in self.runs.iter().zip(&mut self.fates).enumerate() {
            let has = |hash: &ChangeHash| self.document.as_ref().is_some_and(|document| document.has(hash));
            incoming.fresh = run.heads().iter().filter(|head| !has(&head.hash)).count() as u64;
            if incoming.row.is_some() {
                continue;
            }
            let aside = self.aside.iter().find(|aside| aside.row.hashes.contains(&run.last()));
            let first = *seen.entry(run.last()).or_insert(place);
            if incoming.fresh == 0 {
                incoming.fate = Fate::Known(RunState::Admitted, None);
            } else if first < place {
                incoming.fate = Fate::Again(first);
            } else if let Some(aside) = aside {
                incoming.fate = Fate::Known(aside.row.state, aside.row.hold.clone());
            }
        }
    }

    /// Settles what depends on held changes, then applies the rest in one go.
    fn extend(&mut self) {
        if !self.runs.is_empty() {
            self.admit();
            self.settle_again();
        }
    }

    /// What was sent again has the fate of the first: of the run before it in this batch, or of
    /// the run that waited here and was admitted with this batch.
    fn settle_again(&mut self) {
        for place in 0..self.fates.len() {
            let fate = match &self.fates[place].fate {
                Fate::Again(first) => self.fates[*first].fate.repeated(),
                Fate::Known(RunState::Waiting, _) => {
                    let last = self.runs[place].last();
                    let now = self.applied.as_ref().is_some_and(|applied| applied.document.has(&last));
                    if !now {
                        continue;
                    }
                    Fate::Known(RunState::Admitted, None)
                }
                _ => continue,
            };
            self.fates[place].fate = fate;
        }
    }

    fn admit(&mut self) {
        self.add_waiting();
        self.hold_descendants();
        let candidates: Vec<usize> =
            (0..self.runs.len()).filter(|place| self.fates[*place].fate == Fate::New).collect();
        if candidates.is_empty() {
            return;
        }
        let held = self.held_numbers();
        let context = Context { held: &held, ..Context::default() };
        // Nearly always all of them: then nothing is copied.
        let subset: Vec<CheckedRun>;
        let runs: &[CheckedRun] = if candidates.len() == self.runs.len() {
            &self.runs
        } else {
            subset = candidates.iter().map(|place| self.runs[*place].clone()).collect();
            &subset
        };
        let base = self.document.clone().unwrap_or_else(|| Chronicle::new(self.key.kind));
        if let Some(continued) = continue_line(&base, runs, &context) {
            candidates.into_iter().for_each(|place| self.fates[place].fate = Fate::Admitted);
            let (document, new_changes) = (continued.document, continued.new_changes);
            self.applied =
                Some(Applied { heads: document.heads(), document, saved: None, new_changes }).filter(Applied::is_new);
            return;
        }
        match self.tried(base, runs, &context) {
            Ok((applied, fates)) => {
                candidates.into_iter().zip(fates).for_each(|(place, fate)| self.fates[place].fate = fate);
                self.applied = applied;
            }
            Err(error) => self.failure = Some(error),
        }
    }

    /// Tries the runs on a copy of the document, with automerge.
    fn tried(
        &self,
        base: Chronicle,
        runs: &[CheckedRun],
        context: &Context<'_>,
    ) -> Result<(Option<Applied>, Vec<Fate>), EngineError> {
        let opened = match &self.stored {
            Some(stored) => Some(projector::open(&self.key, &stored.saved, &self.past)?),
            None => None,
        };
        let outcome = apply_each(opened.as_ref(), self.key.kind, runs, context);
        let fate = |result: Result<(), Refusal>| match result {
            Ok(()) => Fate::Admitted,
            Err(Refusal::MissingDeps { .. }) => Fate::Waiting,
            Err(Refusal::Equivocation { .. }) => Fate::Rejected(RulingReason::Equivocation),
            Err(refusal) => Fate::Refused(refusal),
        };
        let applied = outcome.applied.map(|applied| {
            let new: BTreeSet<&ChangeHash> = applied.new_changes.iter().collect();
            let heads = runs.iter().flat_map(CheckedRun::heads).filter(|head| new.contains(&head.hash));
            let mut document = base;
            document.extend(heads);
            let (saved, heads) = (Some(applied.saved), applied.heads);
            Applied { document, saved, heads, new_changes: applied.new_changes }
        });
        Ok((applied, outcome.runs.into_iter().map(fate).collect()))
    }

    /// Runs that waited here join: what they wait for may be in this batch.
    fn add_waiting(&mut self) {
        let listed: BTreeSet<i64> = self.fates.iter().filter_map(|incoming| incoming.row).collect();
        for aside in &self.aside {
            if aside.row.state == RunState::Waiting && !listed.contains(&aside.row.id) {
                self.runs.push(aside.run.clone());
                self.fates.push(Incoming {
                    index: None,
                    row: Some(aside.row.id),
                    received_at: aside.row.received_at,
                    carrier: aside.row.carrier,
                    fate: Fate::New,
                    fresh: aside.run.heads().len() as u64,
                });
            }
        }
    }

    fn hold_descendants(&mut self) {
        let mut held: BTreeSet<ChangeHash> = BTreeSet::new();
        let mut rejected: BTreeSet<ChangeHash> = BTreeSet::new();
        let decided: BTreeSet<i64> = self.fates.iter().filter_map(|incoming| incoming.row).collect();
        for aside in self.aside.iter().filter(|aside| !decided.contains(&aside.row.id)) {
            match aside.row.state {
                RunState::Held => held.extend(&aside.row.hashes),
                RunState::Rejected => rejected.extend(&aside.row.hashes),
                RunState::Admitted | RunState::Waiting => {}
            }
        }
        if let Some(document) = &self.document {
            held.retain(|hash| !document.has(hash));
            rejected.retain(|hash| !document.has(hash));
        }
        // What others depend on has the lower counters: in this order one round settles nearly all, also
        // of a batch that was sent backwards. What is not found in a few rounds waits, and is kept too.
        let mut order: Vec<usize> = (0..self.runs.len()).collect();
        order.sort_by_key(|place| self.runs[*place].heads().last().map(|head| head.start_op));
        for _ in 0..HOLD_ROUNDS {
            if !self.hold_round(&order, &mut held, &mut rejected) {
                break;
            }
        }
    }

    /// Holds and rejects what builds on held and rejected changes; true when that was something new.
    fn hold_round(
        &mut self,
        order: &[usize],
        held: &mut BTreeSet<ChangeHash>,
        rejected: &mut BTreeSet<ChangeHash>,
    ) -> bool {
        let mut changed = false;
        for place in order {
            let (run, incoming) = (&self.runs[*place], &mut self.fates[*place]);
            if incoming.fate == Fate::New {
                let deps = || run.heads().iter().flat_map(|head| &head.deps);
                let waits: BTreeSet<ChangeHash> = deps().filter(|dep| held.contains(dep)).copied().collect();
                if deps().any(|dep| rejected.contains(dep)) {
                    incoming.fate = Fate::Rejected(RulingReason::Waiting);
                } else if !waits.is_empty() {
                    incoming.fate = Fate::Held(RulingReason::Waiting, waits.into_iter().collect());
                }
            }
            let set: &mut BTreeSet<ChangeHash> = match incoming.fate {
                Fate::Held(..) => held,
                Fate::Rejected(_) => rejected,
                _ => continue,
            };
            // What the document has, it has: a held run may contain changes that came before.
            let known = |hash: &ChangeHash| self.document.as_ref().is_some_and(|document| document.has(hash));
            for hash in run.heads().iter().map(|head| head.hash).filter(|hash| !known(hash)) {
                changed |= set.insert(hash);
            }
        }
        changed
    }

    fn held_numbers(&self) -> Vec<(Actor, u64, ChangeHash)> {
        let decided: BTreeSet<i64> = self.fates.iter().filter_map(|incoming| incoming.row).collect();
        let aside =
            self.aside.iter().filter(|aside| aside.row.state == RunState::Held && !decided.contains(&aside.row.id));
        let now = self.runs.iter().zip(&self.fates).filter(|(_, incoming)| matches!(incoming.fate, Fate::Held(..)));
        let runs = aside.map(|aside| &aside.run).chain(now.map(|(run, _)| run));
        runs.flat_map(|run| run.heads().iter().map(|head| (head.actor, head.seq, head.hash))).collect()
    }
}
