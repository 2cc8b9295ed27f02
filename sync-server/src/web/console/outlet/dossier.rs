//! Reads both documents of one outlet, with what the ledger makes of them.

use std::collections::BTreeSet;

use outlet_core::doc::{Entry, facts, resolve};
use outlet_core::ids::{BlobHash, DocKey, EntryId};
use outlet_core::ledger::{
    Explanation, Finding, OutletInput, Reading, Reference, explain_profile, profile_of, project_all,
};
use outlet_core::time::{Day, Timestamp};
use rusqlite::Connection;
use serde_json::Value;

use super::super::{Console, Fault};
use crate::db::files::StoredFile;
use crate::engine::{EngineError, projector};

/// An entry with its author.
pub(super) struct Said {
    /// The entry's own words.
    pub value: Value,
    /// Name of the entry.
    pub id: String,
    /// Who wrote it, or whose decision the server witnessed.
    pub who: Option<String>,
    /// Server receipt.
    pub received: Option<Timestamp>,
    /// Device clock.
    pub written: Timestamp,
}

impl Said {
    /// Its type.
    pub(super) fn kind(&self) -> &str {
        self.text("type").unwrap_or_default()
    }

    /// A text of it.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.value.get(name)?.as_str()
    }

    /// Server receipt, or the device's own clock before that.
    pub(super) fn when(&self) -> Timestamp {
        self.received.unwrap_or(self.written)
    }
}

/// A gated fact as a decision left it.
pub(super) struct Ruled {
    /// Which fact.
    pub field: String,
    /// The value.
    pub value: Value,
    /// The entry of the case file.
    pub by: String,
}

/// Everything behind one page.
pub(super) struct Dossier {
    /// Entries of the field record.
    pub field: Vec<Said>,
    /// Entries of the case file.
    pub case: Vec<Said>,
    /// Values of gated facts that were decided on.
    pub decided: Vec<Ruled>,
    /// Entries that a decision overruled.
    pub overruled: BTreeSet<String>,
    /// Findings, the gravest first.
    pub findings: Vec<Finding>,
    /// Each milestone in both readings.
    pub explanations: Vec<[Explanation; 2]>,
    /// Files whose bytes are here.
    pub here: BTreeSet<BlobHash>,
    /// When it was read.
    pub now: Timestamp,
}

impl Dossier {
    pub(super) fn read(console: &Console, key: DocKey) -> Result<Self, Fault> {
        let engine = &console.engine;
        let now = engine.folder.now();
        let today = now.day_in_shanghai();
        let dossier = engine.database().read::<_, EngineError>(|tx| {
            let roster = engine.folder.roster(tx)?;
            let reference = engine.reference(tx)?;
            let made = projector::each(engine, tx, &[key], |outlet| {
                outlet.with(&roster, |input| gather(input, &reference, today, now))
            })?;
            let mut made = made.into_iter();
            let Some(mut dossier) = made.next() else { return Ok(None) };
            for hash in dossier.field.iter().flat_map(|said| files_of(&said.value)) {
                if let Some(StoredFile::Here(_)) = crate::db::files::get(tx, &hash)? {
                    dossier.here.insert(hash);
                }
            }
            Ok(Some(dossier))
        })?;
        dossier.ok_or(Fault::NOT_FOUND)
    }
}

fn gather(input: &OutletInput<'_>, reference: &Reference, today: Day, now: Timestamp) -> Dossier {
    let said = |entries: &[Entry]| entries.iter().filter_map(|entry| say(entry, input)).collect();
    let mut findings = project_all(input, reference, None, None).findings;
    findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    let set = reference.active_set();
    let known_now = profile_of(input, reference, set, None);
    let explain = |milestone: &outlet_core::ledger::Milestone| {
        let due = milestone.due.min(today);
        let then = profile_of(input, reference, set, Some(due));
        Some([
            explain_profile(&known_now, set, &milestone.id, today, Reading::AsKnownNow)?,
            explain_profile(&then, set, &milestone.id, due, Reading::AsReported)?,
        ])
    };
    let (decided, overruled) = ruled(input);
    Dossier {
        decided,
        overruled,
        field: said(input.field),
        case: said(input.case),
        findings,
        explanations: set.milestones.iter().filter_map(explain).collect(),
        here: BTreeSet::new(),
        now,
    }
}

/// What decisions say of gated facts, and the assertions that they took out.
fn ruled(input: &OutletInput<'_>) -> (Vec<Ruled>, BTreeSet<String>) {
    let standing = resolve(input.field, input.case);
    let asserted = facts(input.field);
    let open: BTreeSet<EntryId> = standing.values().flat_map(|one| one.open.iter().map(|fact| fact.entry)).collect();
    let gated = asserted.iter().filter(|(field, _)| standing.contains_key(*field));
    let overruled = gated.flat_map(|(_, current)| current).map(|fact| fact.entry).filter(|entry| !open.contains(entry));
    let decided = standing.iter().filter_map(|(field, one)| {
        let decided = one.decided.as_ref()?;
        Some(Ruled { field: field.clone(), value: decided.value.clone(), by: decided.entry.to_string() })
    });
    (decided.collect(), overruled.map(|entry| entry.to_string()).collect())
}

/// Does the field record name this file, so that who sees the outlet may see the file?
pub(super) fn names(connection: &Connection, key: &DocKey, hash: &BlobHash) -> Result<bool, EngineError> {
    let entries = projector::entries(connection, key)?;
    let mut values = entries.iter().filter_map(|entry| serde_json::from_str::<Value>(&entry.json).ok());
    Ok(values.any(|value| files_of(&value).contains(hash)))
}

/// Photo and preview, or attachment, that an entry names; never personal data of a natural person.
fn files_of(value: &Value) -> Vec<BlobHash> {
    let text = |at: &str| value.pointer(at).and_then(Value::as_str);
    let hidden = text("/type") == Some("attachment") && text("/kind") == Some("personal");
    if hidden || !matches!(text("/type"), Some("photo" | "attachment")) {
        return Vec::new();
    }
    [text("/sha256"), text("/preview/sha256")].into_iter().flatten().filter_map(|hash| hash.parse().ok()).collect()
}

fn say(entry: &Entry, input: &OutletInput<'_>) -> Option<Said> {
    let value: Value = serde_json::from_str(&entry.json).ok()?;
    // The server's own entries say for whom it witnessed them.
    let witnessed = value.pointer("/witness/name").and_then(Value::as_str).map(str::to_owned);
    let author = (input.authors)(&entry.origin.actor.key()).map(|author| author.name);
    Some(Said {
        id: entry.id.to_string(),
        who: witnessed.or(author),
        received: entry.origin.received_at,
        written: entry.origin.device_time,
        value,
    })
}
