//! What a list shows of an outlet: computed when a document changes, kept in the index, so that
//! listing ten thousand outlets loads no document.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::doc::{Entry, conflicts, facts, latest};
use crate::domain::case::{CaseEntry, Decision};
use crate::domain::field::{FieldEntry, Location, fact};
use crate::ids::DocKey;
use crate::time::Day;

/// How far a record has come on its way into the ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RecordState {
    /// Only here.
    #[default]
    OnDevice,
    /// Handed out in a session, not confirmed.
    Sent,
    /// The server has it, durably. Only from here on it is safe.
    Stored,
    /// And its row is in the ledger.
    InLedger,
    /// The server keeps it back, or refused part of it: see the ruling.
    Held,
}

impl RecordState {
    /// The name used in `--json`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::OnDevice => "on_device",
            Self::Sent => "sent",
            Self::Stored => "stored",
            Self::InLedger => "in_ledger",
            Self::Held => "held",
        }
    }
}

/// One line of `outlet list`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OutletSummary {
    /// Key of the field record.
    pub key: DocKey,
    /// Approved name if there is one, else the proposed one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Temporary field number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub temporary_number: Option<String>,
    /// Degrees east, WGS-84; absent while undetermined or in conflict.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lon: Option<f64>,
    /// Degrees north, WGS-84.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lat: Option<f64>,
    /// The unit of access.
    pub collection: crate::ids::Collection,
    /// Proposed class; the last asserted one while in conflict.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub classification: Option<String>,
    /// Class decided by the city.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decided_classification: Option<String>,
    /// How far the record has come. Filled in when read: it depends on what was sent.
    #[serde(default)]
    pub state: RecordState,
    /// `suspected | outlet | not_an_outlet | needs_level_3`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// County used in assessment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub county: Option<String>,
    /// Township.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub township: Option<String>,
    /// Receiving water.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waterbody: Option<String>,
    /// Bank.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bank: Option<String>,
    /// Outlet type code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outlet_type: Option<String>,
    /// Photos named, withdrawn ones not counted.
    pub photos: u32,
    /// Attachments named, withdrawn ones not counted.
    pub attachments: u32,
    /// Surveys that no later one corrects.
    pub surveys: u32,
    /// Samples that no later one corrects.
    pub samples: u32,
    /// Traces that no later one corrects.
    pub traces: u32,
    /// Handed in for review and not taken back.
    pub submitted: bool,
    /// Returned by a supervisor and not handed in again: sections (none: all), reasons, note.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub returned: Option<Returned>,
    /// Gated facts with several current values that no decision has settled.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conflicts: Vec<String>,
    /// Latest day that any entry speaks of. Evidence, not a clock of ours.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_on: Option<Day>,
}

/// A return that waits for its inspector.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Returned {
    /// Sections; none: the whole record.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sections: Vec<String>,
    /// Reason codes (dictionary `return_reason`).
    pub reasons: Vec<String>,
    /// What the supervisor adds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// Summary of an outlet from the entries of its field record and its case file, both in document
/// order. Pure; entries that this version does not know count for nothing and harm nothing.
#[must_use]
pub fn summarise(key: DocKey, field: &[Entry], case: &[Entry]) -> OutletSummary {
    let current = facts(field);
    let decisions: Vec<CaseEntry> = case.iter().filter_map(|entry| entry.parse().ok()).collect();
    let text = |name: &str| latest(current.get(name)?).and_then(|fact| fact.value.as_str()).map(str::to_owned);
    let location = current.get(fact::LOCATION).and_then(|all| latest(all)).and_then(|fact| location(&fact.value));
    let mut summary = OutletSummary {
        key: key.with_kind(crate::ids::DocKind::Field),
        name: text(fact::NAME),
        temporary_number: text(fact::TEMPORARY_NUMBER),
        lon: location.as_ref().map(|place| place.lon),
        lat: location.as_ref().map(|place| place.lat),
        collection: key.collection,
        classification: text(fact::CLASSIFICATION),
        decided_classification: None,
        state: RecordState::default(),
        subject: text(fact::STATE),
        county: text(fact::COUNTY),
        township: text(fact::TOWNSHIP),
        waterbody: text(fact::WATERBODY),
        bank: text(fact::BANK),
        outlet_type: text(fact::OUTLET_TYPE),
        photos: 0,
        attachments: 0,
        surveys: 0,
        samples: 0,
        traces: 0,
        submitted: false,
        returned: returned(field, case),
        conflicts: open_conflicts(&current, &decisions),
        last_on: None,
    };
    count(&mut summary, field);
    apply(&mut summary, &decisions);
    summary
}

/// The last return that nothing revoked, unless the record was handed in after what the reviewer saw
/// of it: document order is causal, no clock is asked.
fn returned(field: &[Entry], case: &[Entry]) -> Option<Returned> {
    let parsed: Vec<(crate::ids::EntryId, CaseEntry)> =
        case.iter().filter_map(|entry| Some((entry.id, entry.parse().ok()?))).collect();
    let revoked: Vec<crate::ids::EntryId> = parsed.iter().flat_map(|(_, own)| own.overrules.iter().copied()).collect();
    let standing = parsed.iter().filter(|(id, _)| !revoked.contains(id));
    let (entry, review) = standing.rev().find_map(|(_, entry)| match &entry.decision {
        Decision::Review(review) if review.action != "open" => Some((entry, review)),
        _ => None,
    })?;
    if review.action != "return" {
        return None;
    }
    // Heads that no entry tells of (a register alone was written) leave the return standing.
    let last_seen = field.iter().rposition(|own| entry.field_heads.contains(&own.origin.change));
    let later = field[last_seen.map_or(field.len(), |at| at + 1)..].iter().rev().find_map(|own| match own.parse() {
        Ok(FieldEntry::Submit(_)) => Some(true),
        Ok(FieldEntry::Recall(_)) => Some(false),
        _ => None,
    });
    if later == Some(true) {
        return None;
    }
    Some(Returned { sections: review.sections.clone(), reasons: review.reasons.clone(), note: entry.note.clone() })
}

fn location(value: &Value) -> Option<Location> {
    serde_json::from_value(value.clone()).ok()
}

/// A conflict is settled when a decision on the fact overrules every candidate it still has but
/// perhaps one; a later assertion is not named by it and opens the conflict again.
fn open_conflicts(
    current: &std::collections::BTreeMap<String, Vec<crate::doc::CurrentFact>>,
    decisions: &[CaseEntry],
) -> Vec<String> {
    let settled = |conflict: &crate::doc::Conflict| {
        decisions.iter().any(|entry| {
            matches!(&entry.decision, Decision::Settle(settle) if settle.field == conflict.field)
                && conflict.candidates.iter().all(|candidate| entry.overrules.contains(&candidate.entry))
        })
    };
    conflicts(current).into_iter().filter(|conflict| !settled(conflict)).map(|conflict| conflict.field).collect()
}

fn count(summary: &mut OutletSummary, field: &[Entry]) {
    let mut withdrawn = std::collections::BTreeSet::new();
    let mut corrected = std::collections::BTreeSet::new();
    let parsed: Vec<(crate::ids::EntryId, FieldEntry)> =
        field.iter().filter_map(|entry| Some((entry.id, entry.parse().ok()?))).collect();
    for (_, entry) in &parsed {
        match entry {
            FieldEntry::Withdrawn(entry) => _ = withdrawn.insert(entry.sha256),
            FieldEntry::Survey(entry) => corrected.extend(entry.corrects),
            FieldEntry::Sample(entry) => corrected.extend(entry.corrects),
            FieldEntry::Trace(entry) => corrected.extend(entry.corrects),
            _ => {}
        }
    }
    for (id, entry) in &parsed {
        let stands = u32::from(!corrected.contains(id));
        match entry {
            FieldEntry::Photo(photo) => summary.photos += u32::from(!withdrawn.contains(&photo.sha256)),
            FieldEntry::Attachment(file) => summary.attachments += u32::from(!withdrawn.contains(&file.sha256)),
            FieldEntry::Survey(_) => summary.surveys += stands,
            FieldEntry::Sample(_) => summary.samples += stands,
            FieldEntry::Trace(_) => summary.traces += stands,
            FieldEntry::Submit(_) => summary.submitted = true,
            FieldEntry::Recall(_) => summary.submitted = false,
            _ => {}
        }
        summary.last_on = summary.last_on.max(day_of(entry));
    }
}

fn day_of(entry: &FieldEntry) -> Option<Day> {
    match entry {
        FieldEntry::Fact(fact) => fact.on,
        FieldEntry::Survey(survey) => survey.on,
        FieldEntry::Sample(sample) => sample.report_on.max(sample.sampled_on),
        FieldEntry::Trace(trace) => trace.concluded_on,
        FieldEntry::Submit(submit) | FieldEntry::Recall(submit) => submit.on,
        FieldEntry::Note(note) => note.on,
        FieldEntry::Progress(progress) => Some(progress.on),
        FieldEntry::Recheck(recheck) => Some(recheck.on),
        FieldEntry::Sign(sign) => sign.on,
        FieldEntry::Consent(consent) => consent.on,
        _ => None,
    }
}

fn apply(summary: &mut OutletSummary, decisions: &[CaseEntry]) {
    for entry in decisions {
        summary.last_on = summary.last_on.max(entry.on);
        match &entry.decision {
            Decision::Classify(classify) if classify.step == "decide" => {
                summary.decided_classification = Some(classify.classification.clone());
            }
            Decision::Name(name) => summary.name = Some(name.name.clone()),
            Decision::Settle(settle) => settled(summary, &settle.field, &settle.value),
            _ => {}
        }
    }
}

fn settled(summary: &mut OutletSummary, field: &str, value: &Value) {
    let text = || value.as_str().map(str::to_owned);
    match field {
        fact::STATE => summary.subject = text(),
        fact::COUNTY => summary.county = text(),
        fact::CLASSIFICATION => summary.classification = text(),
        fact::LOCATION => {
            let place = location(value);
            summary.lon = place.as_ref().map(|place| place.lon);
            summary.lat = place.as_ref().map(|place| place.lat);
        }
        _ => {}
    }
}

/// What to list.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Filter {
    /// Only this collection.
    pub collection: Option<crate::ids::Collection>,
    /// Only records that have come this far.
    pub state: Option<RecordState>,
    /// Only this class, decided or else proposed.
    pub classification: Option<String>,
    /// Only this township.
    pub township: Option<String>,
    /// Only this receiving water.
    pub waterbody: Option<String>,
    /// Only outlets with an unsettled conflict.
    pub in_conflict: bool,
    /// Only names and numbers that contain this text.
    pub text: Option<String>,
}

impl Filter {
    /// Does the outlet belong to the list?
    #[must_use]
    pub fn admits(&self, outlet: &OutletSummary) -> bool {
        let same = |wanted: &Option<String>, got: &Option<String>| wanted.is_none() || wanted == got;
        let class = outlet.decided_classification.clone().or_else(|| outlet.classification.clone());
        let contains = |text: &String, got: &Option<String>| got.as_ref().is_some_and(|got| got.contains(text));
        self.collection.is_none_or(|wanted| wanted == outlet.collection)
            && self.state.is_none_or(|wanted| wanted == outlet.state)
            && same(&self.classification, &class)
            && same(&self.township, &outlet.township)
            && same(&self.waterbody, &outlet.waterbody)
            && (!self.in_conflict || !outlet.conflicts.is_empty())
            && self
                .text
                .as_ref()
                .is_none_or(|text| contains(text, &outlet.name) || contains(text, &outlet.temporary_number))
    }
}
