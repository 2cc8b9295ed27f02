//! Receipts of an earlier life of this database, shown again by the devices that keep them: what
//! they prove was received before a restore was received then, whoever brings the work back, and
//! whether the receipt comes before the work or after it.

use std::collections::{BTreeMap, HashMap, HashSet};

use outlet_core::admission::CheckedRun;
use outlet_core::doc::Chronicle;
use outlet_core::identity::{Roster, SignedReceipt};
use outlet_core::ids::{Actor, ChangeHash, DocKey};
use outlet_core::sync::replica::ShownReceipt;
use outlet_core::time::Timestamp;
use rusqlite::{Connection, params};

use super::EngineError;
use super::work::{Batch, DocWork};
use crate::db::DbError;
use crate::db::records::{self, RunState};

/// What a receipt proves: these runs were here at that moment.
pub(super) struct Receipted {
    runs: Vec<(DocKey, ChangeHash)>,
    at: Timestamp,
}

/// Does the receipt hold, and is it for these runs? Otherwise why not.
pub(super) fn check(shown: &ShownReceipt, roster: &Roster) -> Result<Receipted, String> {
    let receipt = SignedReceipt::from_bytes(&shown.receipt.0).map_err(|error| error.to_string())?;
    let receipt = roster.check_signer(&receipt).map_err(|error| error.to_string())?;
    if !receipt.covers(&shown.runs) || shown.runs.iter().any(|(doc, _)| doc.collection != receipt.collection) {
        return Err("the receipt is for other changes".to_owned());
    }
    Ok(Receipted { runs: shown.runs.clone(), at: receipt.at })
}

/// Receipts of a batch that hold: when each run was first received.
#[derive(Debug, Default)]
pub(super) struct Shown(BTreeMap<(DocKey, ChangeHash), Timestamp>);

impl Shown {
    /// Takes one more.
    pub(super) fn take(&mut self, receipted: Receipted) {
        for run in receipted.runs {
            let at = self.0.entry(run).or_insert(receipted.at);
            *at = (*at).min(receipted.at);
        }
    }

    /// Keeps them, and adds their documents to the batch.
    pub(super) fn keep(&self, batch: &mut Batch<'_>) -> Result<(), EngineError> {
        let sql = "INSERT INTO shown_receipts (doc, last, at) VALUES (?1, ?2, ?3) \
                   ON CONFLICT (doc, last) DO UPDATE SET at = min(at, excluded.at)";
        for ((doc, last), at) in &self.0 {
            let key = doc.to_bytes();
            batch.tx.prepare_cached(sql)?.execute(params![&key[..], &last.0[..], at.millis()])?;
            batch.place(*doc);
        }
        Ok(())
    }
}

impl Batch<'_> {
    /// What was shown, in this batch or earlier, about the documents at hand.
    pub(super) fn read_shown(&mut self) -> Result<(), EngineError> {
        let tx = self.tx;
        let any: bool =
            tx.prepare_cached("SELECT EXISTS (SELECT 1 FROM shown_receipts)")?.query_row([], |row| row.get(0))?;
        if !any {
            return Ok(());
        }
        for doc in &mut self.docs {
            doc.shown = shown_of(tx, &doc.key)?;
            if !doc.shown.is_empty() {
                let rows = records::runs_of(tx, &doc.key)?;
                let admitted = rows.into_iter().filter(|row| row.state == RunState::Admitted);
                doc.known = admitted.map(|row| (row.id, row.hashes, row.received_at)).collect();
            }
        }
        Ok(())
    }

    /// Writes earlier times of runs that were here.
    pub(super) fn write_shown(&self) -> Result<(), DbError> {
        let sql = "UPDATE runs SET received_at = ?2 WHERE id = ?1";
        for (row, at) in self.docs.iter().flat_map(|doc| &doc.earlier) {
            self.tx.prepare_cached(sql)?.execute(params![row, at.millis()])?;
        }
        Ok(())
    }
}

fn shown_of(connection: &Connection, doc: &DocKey) -> Result<Vec<(ChangeHash, Timestamp)>, EngineError> {
    let mut statement = connection.prepare_cached("SELECT last, at FROM shown_receipts WHERE doc = ?1")?;
    let mut rows = statement.query([&doc.to_bytes()[..]])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let last: Vec<u8> = row.get(0)?;
        let last = ChangeHash::from_slice(&last).ok_or_else(|| DbError::Damaged("a shown receipt".to_owned()))?;
        found.push((last, Timestamp::from_millis(row.get(1)?)));
    }
    Ok(found)
}

impl DocWork {
    /// Takes the earlier times of runs in the batch: before they are judged, for what the server had
    /// stands as it stood then, and again when those that waited have joined.
    pub(super) fn recall_runs(&mut self) {
        let first = self.first_times();
        if first.is_empty() {
            return;
        }
        for (run, incoming) in self.runs.iter().zip(&mut self.fates) {
            let at = first.get(&run.last()).filter(|at| **at < incoming.received_at);
            if let Some(at) = at {
                incoming.received_at = *at;
                self.earlier.extend(incoming.row.map(|row| (row, *at)));
            }
        }
    }

    /// Takes the earlier times of runs that it had before.
    pub(super) fn recall_known(&mut self) {
        let first = self.first_times();
        for (row, hashes, received_at) in &self.known {
            let Some(at) = hashes.last().and_then(|last| first.get(last)).filter(|at| *at < received_at) else {
                continue;
            };
            self.earlier.push((*row, *at));
            for hash in hashes {
                let time = self.times.entry(*hash).or_insert(*at);
                *time = (*time).min(*at);
            }
        }
    }

    /// When changes were received first, by what was shown. A receipt for a run vouches for all changes
    /// before it by the same actor: the server had them, or the run would not have been stored.
    fn first_times(&self) -> BTreeMap<ChangeHash, Timestamp> {
        if self.shown.is_empty() {
            return BTreeMap::new();
        }
        let mut first: BTreeMap<ChangeHash, Timestamp> = BTreeMap::new();
        for (last, at) in &self.shown {
            let known = first.entry(*last).or_insert(*at);
            *known = (*known).min(*at);
        }
        // An actor's changes are a chain: each names the one before it. Followed by name and not by number:
        // who has the key of a revoked device must not slip another change under a number of then.
        let document = self.applied.as_ref().map(|applied| &applied.document).or(self.document.as_ref());
        let here = document.into_iter().flat_map(Chronicle::changes);
        let here = here.map(|change| (change.hash, (change.actor, change.seq, change.deps.as_slice())));
        let arriving = self.runs.iter().flat_map(CheckedRun::heads);
        let arriving = arriving.map(|head| (head.hash, (head.actor, head.seq, head.deps.as_slice())));
        let known: HashMap<ChangeHash, (Actor, u64, &[ChangeHash])> = here.chain(arriving).collect();
        let mut waiting: Vec<(ChangeHash, Timestamp)> = first.iter().map(|(hash, at)| (*hash, *at)).collect();
        // The earliest first, so that nothing is walked over twice.
        waiting.sort_unstable_by_key(|(hash, at)| (std::cmp::Reverse(*at), *hash));
        let mut walked: HashSet<ChangeHash> = HashSet::new();
        while let Some((hash, at)) = waiting.pop() {
            let earliest = first.entry(hash).or_insert(at);
            *earliest = (*earliest).min(at);
            if !walked.insert(hash) {
                continue;
            }
            let Some((actor, seq, deps)) = known.get(&hash) else { continue };
            let before = |dep: &&ChangeHash| known.get(dep).is_some_and(|(of, n, _)| of == actor && n + 1 == *seq);
            waiting.extend(deps.iter().find(before).map(|dep| (*dep, at)));
        }
        first
    }
}
