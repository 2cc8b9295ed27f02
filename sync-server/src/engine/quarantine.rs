//! Held changes: listing, releasing, rejecting.

use std::collections::BTreeSet;

use outlet_core::doc::Chronicle;
use outlet_core::identity::{Ruling, RulingReason, Signed, SignedRuling, SignedRun, Verdict};
use outlet_core::ids::{ChangeHash, DocKey, PublicKey};
use outlet_core::time::Timestamp;
use serde::{Deserialize, Serialize};

use super::policy::Rules;
use super::work::{Aside, Batch, Fate, Incoming};
use super::{Engine, EngineError, Pending, serial, write};
use crate::db::records::{self, RunState, StoredRun};
use crate::db::{DbError, feed, meta};

/// Why a run is held and what it waits for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hold {
    /// Stable code.
    pub reason: String,
    /// Held changes that it builds on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub waits_for: Vec<ChangeHash>,
}

impl Hold {
    pub(super) fn new(reason: RulingReason, waits_for: &[ChangeHash]) -> Self {
        Self { reason: reason_code(reason).to_owned(), waits_for: waits_for.to_vec() }
    }

    pub(super) fn to_json(&self) -> String {
        serde_json::to_string(self).expect("strings and hashes are JSON")
    }

    fn from_json(text: Option<&str>) -> Self {
        let unknown = || Self { reason: "unknown".into(), waits_for: Vec::new() };
        text.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_else(unknown)
    }

    pub(super) fn code_of(text: Option<&str>) -> String {
        Self::from_json(text).reason
    }
}

/// Stable code of a reason, for the wire, tables and `--json`.
pub(super) fn reason_code(reason: RulingReason) -> &'static str {
    match reason {
        RulingReason::Revoked => "revoked",
        RulingReason::Quota => "quota",
        RulingReason::Waiting => "waiting",
        RulingReason::RightEnded => "right_ended",
        RulingReason::Equivocation => "equivocation",
        RulingReason::Reviewed => "reviewed",
        RulingReason::OwnRecord => "own_record",
        _ => "other",
    }
}

/// A reason in words.
pub(super) fn reason_text(reason: RulingReason) -> &'static str {
    match reason {
        RulingReason::Revoked => "the author's device was revoked before the server received this",
        RulingReason::Quota => "more than one device may bring in one day",
        RulingReason::Waiting => "it builds on changes that are held or were rejected",
        RulingReason::RightEnded => "the author no longer has the right",
        RulingReason::Equivocation => "the author's device made two changes under one number; the first stands",
        RulingReason::OwnRecord => "nobody decides on a record they authored",
        _ => "decided by a person",
    }
}

/// A held run, as `quarantine list --json` shows it.
#[derive(Debug, Clone, Serialize)]
pub struct HeldRun {
    /// Name of the run: its last change.
    pub run: ChangeHash,
    /// The document.
    pub doc: DocKey,
    /// Device that signed.
    pub author: PublicKey,
    /// Name of its person.
    pub name: Option<String>,
    /// Device that brought it.
    pub carrier: PublicKey,
    /// When.
    pub received_at: String,
    /// Number of changes.
    pub changes: usize,
    /// Stable code.
    pub reason: String,
    /// Held changes that it builds on.
    pub waits_for: Vec<ChangeHash>,
    #[serde(skip)]
    pub(crate) stored: StoredRun,
}

impl HeldRun {
    /// What its changes say: the texts of their entries, in order. Nothing for what cannot be read.
    #[must_use]
    pub fn says(&self) -> Vec<serde_json::Value> {
        let read = SignedRun::from_bytes(&self.stored.run).ok();
        let read = read.and_then(|run| Chronicle::read(self.doc.kind, run.changes.iter().map(Vec::as_slice)).ok());
        let entries = read.map(|chronicle| chronicle.entries()).unwrap_or_default();
        entries.iter().filter_map(|entry| serde_json::from_str(&entry.json).ok()).collect()
    }
}

/// What a verdict did.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Decided {
    /// Runs admitted.
    pub released: Vec<ChangeHash>,
    /// Runs rejected.
    pub rejected: Vec<ChangeHash>,
    /// Runs that stay held, because something they build on is.
    pub still_held: Vec<ChangeHash>,
}

impl Engine {
    /// All held runs, oldest first.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn held(&self) -> Result<Vec<HeldRun>, EngineError> {
        self.database().read(|tx| {
            let roster = self.folder.roster(tx)?;
            let runs = records::held(tx)?.into_iter().filter_map(|stored| {
                let hold = Hold::from_json(stored.hold.as_deref());
                Some(HeldRun {
                    run: *stored.last()?,
                    doc: stored.doc,
                    author: stored.author,
                    name: roster.membership(&stored.author).map(|membership| membership.name.clone()),
                    carrier: stored.carrier,
                    received_at: stored.received_at.to_string(),
                    changes: stored.hashes.len(),
                    reason: hold.reason,
                    waits_for: hold.waits_for,
                    stored,
                })
            });
            Ok(runs.collect())
        })
    }

    /// Admits held runs and whatever waited only for them.
    ///
    /// # Errors
    /// When the database refuses; nothing is decided then.
    pub fn release(&self, runs: &[HeldRun], who: &str) -> Result<Decided, EngineError> {
        let docs: BTreeSet<DocKey> = runs.iter().map(|run| run.doc).collect();
        let named: BTreeSet<i64> = runs.iter().map(|run| run.stored.id).collect();
        let (decided, withdrawn) = self.database().write::<_, EngineError>(|tx| {
            let now = self.receipt_time(tx)?;
            let roster = self.folder.roster(tx)?;
            let mut batch = Batch::new(self, tx, &roster, self.folder.key().public(), now);
            for key in &docs {
                take_held(&mut batch, key, &named)?;
            }
            batch.run(Rules::Released)?;
            let mut decided = Decided::default();
            let mut items: Vec<(DocKey, Pending)> = Vec::new();
            for doc in &mut batch.docs {
                for (run, incoming) in doc.runs.iter().zip(&mut doc.fates) {
                    if incoming.fate == Fate::Admitted {
                        items.extend(
                            ruling(self, tx, doc.key, run, (Verdict::Released, RulingReason::Reviewed), who, now)?
                                .map(|item| (doc.key, item)),
                        );
                        decided.released.push(run.last());
                    } else {
                        // Not what was asked for, or still on something held: left as it is.
                        decided.still_held.push(run.last());
                        incoming.fate = Fate::Known(RunState::Held, None);
                    }
                }
            }
            // Rulings first: a device that sees the run knows that it is no longer held.
            append(tx, items)?;
            let written = write::write(&mut batch, &mut [])?;
            meta::audit(tx, now, who, "release", &format!("{} runs", decided.released.len()))?;
            Ok((decided, written.withdrawn))
        })?;
        self.remove_files(&withdrawn);
        Ok(decided)
    }

    /// Refuses held runs for good, and with them what builds on them: devices re-issue what honest
    /// authors wrote there as new changes.
    ///
    /// # Errors
    /// When the database refuses; nothing is decided then.
    pub fn reject(&self, runs: &[HeldRun], who: &str) -> Result<Decided, EngineError> {
        self.database().write(|tx| {
            let now = self.receipt_time(tx)?;
            let mut decided = Decided::default();
            let mut gone: BTreeSet<ChangeHash> = BTreeSet::new();
            let mut items: Vec<(DocKey, Pending)> = Vec::new();
            let mut left: Vec<StoredRun> = records::held(tx)?;
            let named: BTreeSet<i64> = runs.iter().map(|run| run.stored.id).collect();
            loop {
                let before = left.len();
                let mut rest = Vec::new();
                for stored in left {
                    let aside = Aside::read(stored)?;
                    let builds = aside.run.heads().iter().flat_map(|head| &head.deps).any(|dep| gone.contains(dep));
                    if !named.contains(&aside.row.id) && !builds {
                        rest.push(aside.row);
                        continue;
                    }
                    gone.extend(&aside.row.hashes);
                    records::set_run_state(tx, aside.row.id, RunState::Rejected, None)?;
                    // What only builds on a rejected run was not judged: its device issues it again.
                    let reason =
                        if named.contains(&aside.row.id) { RulingReason::Reviewed } else { RulingReason::Waiting };
                    let item = ruling(self, tx, aside.row.doc, &aside.run, (Verdict::Rejected, reason), who, now)?;
                    items.extend(item.map(|item| (aside.row.doc, item)));
                    decided.rejected.push(aside.run.last());
                }
                left = rest;
                if left.len() == before {
                    break;
                }
            }
            append(tx, items)?;
            meta::audit(tx, now, who, "reject", &format!("{} runs", decided.rejected.len()))?;
            Ok(decided)
        })
    }
}

/// Adds the held runs of a document that are named, and those that are held only because they
/// build on held ones.
fn take_held(batch: &mut Batch<'_>, key: &DocKey, named: &BTreeSet<i64>) -> Result<(), EngineError> {
    let place = batch.place(*key);
    for row in records::not_admitted_of(batch.tx, key)? {
        let waiting = Hold::code_of(row.hold.as_deref()) == reason_code(RulingReason::Waiting);
        if row.state != RunState::Held || !(named.contains(&row.id) || waiting) {
            continue;
        }
        let aside = Aside::read(row)?;
        let incoming = Incoming {
            index: None,
            row: Some(aside.row.id),
            received_at: aside.row.received_at,
            carrier: aside.row.carrier,
            fate: Fate::New,
            fresh: aside.run.heads().len() as u64,
        };
        batch.docs[place].runs.push(aside.run);
        batch.docs[place].fates.push(incoming);
    }
    Ok(())
}

fn ruling(
    engine: &Engine,
    tx: &rusqlite::Transaction<'_>,
    doc: DocKey,
    run: &outlet_core::admission::CheckedRun,
    (verdict, reason): (Verdict, RulingReason),
    who: &str,
    now: Timestamp,
) -> Result<Option<Pending>, EngineError> {
    let ruling = Ruling {
        doc,
        run: run.last(),
        changes: run.heads().iter().map(|head| head.hash).collect(),
        verdict,
        reason,
        who: who.to_owned(),
        at: now,
        serial: serial(tx)?,
        note: None,
    };
    let signed: SignedRuling = Signed::sign(engine.folder.key(), ruling);
    let mut items = Vec::new();
    write::push_ruling(tx, &signed, &mut items)?;
    Ok(items.pop())
}

fn append(tx: &rusqlite::Transaction<'_>, items: Vec<(DocKey, Pending)>) -> Result<(), DbError> {
    let mut sorted = items;
    sorted.sort_by_key(|(doc, _)| doc.collection);
    for group in sorted.chunk_by(|one, other| one.0.collection == other.0.collection) {
        let items: Vec<feed::Item<'_>> = group
            .iter()
            .map(|(_, item)| feed::Item { kind: item.kind, reference: item.reference, hash: &item.hash, carrier: None })
            .collect();
        feed::append(tx, group[0].0.collection, &items)?;
    }
    Ok(())
}
