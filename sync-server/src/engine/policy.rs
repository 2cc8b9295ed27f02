//! What the server alone decides: quotas, revoked and demoted authors, decisions on one's own
//! record. All of it *holds*; nothing here drops a change.
//!
//! It is decided as of the moment of receipt. What comes back with a receipt of before (the server was
//! restored from a backup, say) is judged by that moment: what the server had, stands as it stood.

use std::collections::{BTreeMap, BTreeSet};

use outlet_core::admission::CheckedRun;
use outlet_core::identity::{Role, Roster, RulingReason};
use outlet_core::ids::{DocKind, PublicKey};
use outlet_core::time::Timestamp;

use super::EngineError;
use super::authored;
use super::work::{Batch, Fate};
use crate::config::Quota;
use crate::db::meta::{self, Usage};

/// Which rules hold for a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rules {
    /// From a device.
    Ordinary,
    /// A person released it, or the server wrote it.
    Released,
}

/// Decides what is held; counts what is not.
pub(super) fn judge(batch: &mut Batch<'_>, rules: Rules) -> Result<(), EngineError> {
    if rules == Rules::Released {
        return Ok(());
    }
    let mut usage: BTreeMap<(PublicKey, i64), (Usage, Usage)> = BTreeMap::new();
    let own = authored::own_decisions(batch);
    for place in 0..batch.docs.len() {
        let mut creates = batch.docs[place].stored.is_none();
        for number in 0..batch.docs[place].runs.len() {
            let (doc, now) = (&batch.docs[place], batch.now);
            let incoming = &doc.fates[number];
            if incoming.fate != Fate::New {
                continue;
            }
            let run = &doc.runs[number];
            let (author, at) = (run.signer(), incoming.received_at);
            let day = at.day_in_shanghai().epoch_days();
            let (before, added) = match usage.get_mut(&(author, day)) {
                Some(known) => known,
                None => {
                    let before = meta::usage(batch.tx, &author.0, day)?;
                    usage.entry((author, day)).or_insert((before, Usage::default()))
                }
            };
            let (changes, bytes) = (incoming.fresh, run.run().size() as u64);
            let adds = Usage { changes, bytes, documents: u64::from(creates), photo_bytes: 0 };
            let reason = standing(batch.roster, run, at, now)
                .or_else(|| own.contains(&run.last()).then_some(RulingReason::OwnRecord))
                .or_else(|| {
                    exceeds(&batch.engine.folder.config.quota, *before, *added, adds).then_some(RulingReason::Quota)
                });
            match reason {
                Some(reason) => batch.docs[place].fates[number].fate = Fate::Held(reason, Vec::new()),
                None => {
                    *added = sum(*added, adds);
                    creates = false;
                }
            }
        }
    }
    for ((author, day), (_, added)) in usage {
        if added != Usage::default() {
            meta::add_usage(batch.tx, &author.0, day, added)?;
        }
    }
    Ok(())
}

fn sum(one: Usage, other: Usage) -> Usage {
    Usage {
        changes: one.changes + other.changes,
        bytes: one.bytes + other.bytes,
        documents: one.documents + other.documents,
        photo_bytes: one.photo_bytes + other.photo_bytes,
    }
}

fn exceeds(quota: &Quota, before: Usage, added: Usage, adds: Usage) -> bool {
    let after = sum(sum(before, added), adds);
    after.changes > quota.changes || after.bytes > quota.bytes || after.documents > quota.documents
}

/// Does the author's right stand at the moment of receipt? The timeless question, whether the key
/// ever had it, was answered before.
fn standing(roster: &Roster, run: &CheckedRun, at: Timestamp, now: Timestamp) -> Option<RulingReason> {
    let author = run.signer();
    if roster.is_server(&author) {
        return None;
    }
    if roster.check_receipt(&author, at).is_err() {
        return Some(RulingReason::Revoked);
    }
    let membership = if at < now { roster.membership_at(&author, at) } else { roster.membership(&author) }?;
    let key = run.doc();
    let role = match key.kind {
        DocKind::Field => Role::Inspector,
        DocKind::Case => Role::Supervisor,
        DocKind::Reference => Role::Admin,
    };
    let here = key.kind == DocKind::Reference || membership.collections.contains(&key.collection);
    let may = here && membership.role >= role && authored::level_suffices(membership, run);
    (!may).then_some(RulingReason::RightEnded)
}

/// Names of runs, as a set.
pub(super) type Names = BTreeSet<outlet_core::ids::ChangeHash>;
