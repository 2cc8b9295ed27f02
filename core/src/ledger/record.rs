//! Field record and case file as typed items with their dates: when each fact came about, and
//! since when it was known. What cannot be read becomes a finding; nothing is dropped in silence.

use super::findings::{Finding, code};
use super::history::History;
use super::{Author, OutletInput};
use crate::doc::{Entry, EntryText, Origin};
use crate::domain::case::{CaseEntry, Decision};
use crate::domain::field::FieldEntry;
use crate::ids::{DocKey, EntryId, PersonId};
use crate::time::{Day, Timestamp};

/// One entry with what the projection needs of its origin.
#[derive(Debug, Clone)]
pub(crate) struct Item<T> {
    /// Name of the entry.
    pub id: EntryId,
    /// Change that brought it.
    pub origin: Origin,
    /// Who wrote it, where the roster knows.
    pub author: Option<Author>,
    /// The entry.
    pub value: T,
    /// The civil day on which the fact came about, where it has one.
    pub evidence: Option<Day>,
    /// The day since which it was known to the authority.
    pub known: Option<Day>,
    /// Known by a named dated document, not by receipt.
    pub by_document: bool,
}

pub(crate) type FieldItem = Item<FieldEntry>;
pub(crate) type CaseItem = Item<CaseEntry>;

impl<T> Item<T> {
    /// The writer's person.
    pub(crate) fn person(&self) -> Option<PersonId> {
        self.author.as_ref().map(|author| author.person)
    }

    /// Day of receipt.
    pub(crate) fn received(&self, offset: i32) -> Option<Day> {
        self.origin.received_at.map(|at| at.day(offset))
    }
}

/// Both documents of one outlet, read.
#[derive(Debug)]
pub(crate) struct Record<'a> {
    /// Key of the field record.
    pub key: DocKey,
    /// Field entries in canonical causal order.
    pub field: Vec<FieldItem>,
    /// Case entries in canonical causal order.
    pub case: Vec<CaseItem>,
    /// History of the field record.
    pub field_history: &'a History,
    /// History of the case file.
    pub case_history: &'a History,
    /// Zone of civil dates.
    pub offset: i32,
    /// What could not be read.
    pub findings: Vec<Finding>,
}

impl<'a> Record<'a> {
    /// Reads both documents.
    pub(crate) fn read(input: &OutletInput<'a>, offset: i32) -> Self {
        let mut findings = Vec::new();
        let field = items(
            (input.field, input.field_history),
            &mut findings,
            |entry: &FieldEntry| field_evidence(entry, offset),
            |origin, _| (input.authors)(&origin.actor.key()),
        );
        let case = items(
            (input.case, input.case_history),
            &mut findings,
            |entry: &CaseEntry| Some(case_evidence(entry, offset)),
            // Admission lets a witness through only where a server signed.
            |origin, entry| match &entry.witness {
                Some(witness) => Some(Author::of_witness(witness)),
                None => (input.authors)(&origin.actor.key()),
            },
        );
        let mut record = Self {
            key: input.key,
            field,
            case,
            field_history: input.field_history,
            case_history: input.case_history,
            offset,
            findings,
        };
        record.date_receipts();
        record.date_by_documents();
        record
    }

    fn date_receipts(&mut self) {
        let offset = self.offset;
        self.field.iter_mut().for_each(|item| item.known = item.received(offset));
        self.case.iter_mut().for_each(|item| item.known = item.received(offset));
    }

    /// Known dates of imported history: an admin names a dated document, a city supervisor who is
    /// somebody else approves it (lifecycle.md 1.1).
    fn date_by_documents(&mut self) {
        let mut rulings: Vec<(Day, Vec<EntryId>, Vec<crate::ids::ChangeHash>)> = Vec::new();
        let city =
            |item: &&CaseItem| super::permission::rank(item.author.as_ref()) >= Some(crate::identity::Level::City);
        let revoked: Vec<EntryId> =
            self.case.iter().filter(city).flat_map(|item| item.value.overrules.iter().copied()).collect();
        for item in self.case.iter().filter(|item| !revoked.contains(&item.id)) {
            let Decision::KnownFrom(known) = &item.value.decision else { continue };
            let Some(dated) = item.value.document.as_ref().and_then(|document| document.dated) else {
                self.findings.push(Finding::new(code::KNOWN_FROM_WITHOUT_DATE).entry(item.id));
                continue;
            };
            if !super::permission::admin(item.author.as_ref()) {
                self.findings.push(Finding::new(code::DECISION_WRONG_LEVEL).entry(item.id));
            } else if self.case.iter().any(|other| approves_known(other, item) && !revoked.contains(&other.id)) {
                rulings.push((dated, known.entries.clone(), item.value.field_heads.clone()));
            } else {
                self.findings.push(Finding::new(code::KNOWN_FROM_NOT_APPROVED).entry(item.id));
            }
        }
        for (dated, named, heads) in rulings {
            let closure = self.field_history.closure(&heads);
            for item in &mut self.field {
                let covered = heads.is_empty() || self.field_history.contains(&closure, &item.origin.change);
                date_item(item, dated, &named, covered);
            }
            self.case.iter_mut().for_each(|item| date_item(item, dated, &named, true));
        }
    }

    /// Persons who wrote what the record says (not those who merely added photos or re-checks).
    pub(crate) fn authors(&self, heads: &[crate::ids::ChangeHash]) -> Vec<PersonId> {
        let closure = self.field_history.closure(heads);
        let seen = |item: &&FieldItem| heads.is_empty() || self.field_history.contains(&closure, &item.origin.change);
        let content = |item: &&FieldItem| {
            matches!(
                item.value,
                FieldEntry::Fact(_)
                    | FieldEntry::Survey(_)
                    | FieldEntry::Sample(_)
                    | FieldEntry::Trace(_)
                    | FieldEntry::Submit(_)
            )
        };
        self.field.iter().filter(seen).filter(content).filter_map(Item::person).collect()
    }
}

fn date_item<T>(item: &mut Item<T>, dated: Day, named: &[EntryId], covered: bool) {
    let meant = if named.is_empty() {
        covered && item.evidence.is_none_or(|evidence| evidence <= dated)
    } else {
        named.contains(&item.id)
    };
    if meant && item.known.is_none_or(|known| dated < known) {
        item.known = Some(dated);
        item.by_document = true;
    }
}

fn approves_known(approval: &CaseItem, known: &CaseItem) -> bool {
    let Decision::ApproveKnown(approved) = &approval.value.decision else { return false };
    approved.entry == known.id
        && approval.person().is_some()
        && approval.person() != known.person()
        && super::permission::rank(approval.author.as_ref()) >= Some(crate::identity::Level::City)
}

fn items<T: EntryText>(
    (entries, history): (&[Entry], &History),
    findings: &mut Vec<Finding>,
    evidence: impl Fn(&T) -> Option<Day>,
    author: impl Fn(&Origin, &T) -> Option<Author>,
) -> Vec<Item<T>> {
    let mut read: Vec<(usize, Item<T>)> = Vec::with_capacity(entries.len());
    for entry in entries {
        match entry.parse::<T>() {
            Ok(value) => {
                let item = Item {
                    id: entry.id,
                    origin: entry.origin.clone(),
                    author: author(&entry.origin, &value),
                    evidence: evidence(&value),
                    value,
                    known: None,
                    by_document: false,
                };
                read.push((history.rank(&entry.origin.change), item));
            }
            Err(error) => {
                findings.push(Finding::new(code::UNKNOWN_ENTRY).entry(entry.id).detail(error.to_string()));
            }
        }
    }
    let order = |(rank, item): &(usize, Item<T>)| (*rank, item.id);
    // Mostly it is in order.
    if !read.is_sorted_by_key(order) {
        read.sort_unstable_by_key(order);
    }
    read.dedup_by_key(|item| order(item));
    read.into_iter().map(|(_, item)| item).collect()
}

/// Evidence date of a field entry: lifecycle.md 1.4, column "evidence date".
pub(crate) fn field_evidence(entry: &FieldEntry, offset: i32) -> Option<Day> {
    let written = |at: Timestamp| Some(at.day(offset));
    match entry {
        FieldEntry::Fact(fact) => fact.on,
        FieldEntry::Survey(survey) => survey.on.or_else(|| written(survey.at)),
        FieldEntry::Sample(sample) => sample_evidence(sample, offset),
        FieldEntry::Trace(trace) => trace.concluded_on.or_else(|| written(trace.at)),
        FieldEntry::Photo(photo) => photo.taken_at.map(|at| at.day(offset)),
        FieldEntry::Attachment(attachment) => attachment.dated,
        FieldEntry::Submit(submit) | FieldEntry::Recall(submit) => submit.on.or_else(|| written(submit.at)),
        FieldEntry::Note(note) => note.on.or_else(|| written(note.at)),
        FieldEntry::Progress(progress) => Some(progress.on),
        FieldEntry::Recheck(recheck) => Some(recheck.on),
        FieldEntry::Sign(sign) => sign.on,
        FieldEntry::Consent(consent) => consent.on,
        FieldEntry::Inspection(inspection) => inspection.on.or_else(|| written(inspection.at)),
        _ => None,
    }
}

/// Quick: measuring time; lab: report date, and the sampling day while the result is pending.
fn sample_evidence(sample: &crate::domain::field::Sample, offset: i32) -> Option<Day> {
    let sampled = sample_day(sample, offset);
    match sample.kind.as_str() {
        "lab" => sample.report_on.or(sampled),
        _ => sampled.or_else(|| Some(sample.at.day(offset))),
    }
}

/// The day of sampling or measuring: the instant, where known, in the set's zone.
pub(crate) fn sample_day(sample: &crate::domain::field::Sample, offset: i32) -> Option<Day> {
    sample.sampled_at.map(|at| at.day(offset)).or(sample.sampled_on)
}

/// Evidence date of a decision.
pub(crate) fn case_evidence(entry: &CaseEntry, offset: i32) -> Day {
    let dated = entry.document.as_ref().and_then(|document| document.dated);
    let own = match &entry.decision {
        Decision::Classify(classify) => {
            dated.or_else(|| classify.government_document.as_ref().and_then(|document| document.dated))
        }
        Decision::Complete(complete) => complete.completed_on,
        Decision::Reopen(reopen) => Some(reopen.observed_on),
        Decision::Code(code) => code.issued_on,
        Decision::Sign(sign) => sign.observed_on,
        _ => None,
    };
    own.or(entry.on).or(dated).unwrap_or_else(|| entry.at.day(offset))
}
