//! What one reading sees of a record: entries known by a day, dated by a day, with the decisions,
//! reviews and values that follow from them.

use std::cell::OnceCell;

use super::decisions::{Decisions, Live};
use super::findings::Finding;
use super::grade::{Grade, Support, grade};
use super::record::{CaseItem, FieldItem, Item, Record};
use super::review::Reviews;
use super::scale::Scale;
use super::set::MilestoneSet;
use super::values::Values;
use crate::domain::case::Decision;
use crate::domain::dictionary::Dictionaries;
use crate::domain::field::{Attachment, DocumentRef, FieldEntry, Photo};
use crate::ids::BlobHash;
use crate::time::Day;

/// The entries that a reading may use.
#[derive(Debug)]
pub(crate) struct Known<'r> {
    pub record: &'r Record<'r>,
    pub field: Vec<&'r FieldItem>,
    pub case: Vec<&'r CaseItem>,
}

impl<'r> Known<'r> {
    /// Entries known by `known_as_of`, and field entries dated up to `as_of` (`None`: no limit).
    pub(crate) fn new(record: &'r Record<'r>, as_of: Option<Day>, known_as_of: Option<Day>) -> Self {
        let dated = |item: &&FieldItem| as_of.is_none_or(|day| item.evidence.is_none_or(|on| on <= day));
        Self {
            record,
            field: record.field.iter().filter(|item| known(item, known_as_of)).filter(dated).collect(),
            case: record.case.iter().filter(|item| known(item, known_as_of)).collect(),
        }
    }

    /// Photos, with the item that brought each.
    pub(crate) fn photos(&self) -> impl Iterator<Item = (&'r FieldItem, &'r Photo)> + '_ {
        self.field.iter().filter_map(|item| match &item.value {
            FieldEntry::Photo(photo) => Some((*item, photo.as_ref())),
            _ => None,
        })
    }

    /// Photos of these slots.
    pub(crate) fn photos_in<'s>(
        &'s self,
        slots: &'s [String],
    ) -> impl Iterator<Item = (&'r FieldItem, &'r Photo)> + 's {
        self.photos().filter(|(_, photo)| slots.contains(&photo.slot))
    }

    /// Other files.
    pub(crate) fn attachments(&self) -> impl Iterator<Item = (&'r FieldItem, &'r Attachment)> + '_ {
        self.field.iter().filter_map(|item| match &item.value {
            FieldEntry::Attachment(attachment) => Some((*item, attachment)),
            _ => None,
        })
    }

    /// What speaks for the date of an item: its receipt, EXIF and laboratory dates of the files it
    /// names, dated attachments.
    pub(crate) fn support<T>(
        &self,
        item: &Item<T>,
        files: &[BlobHash],
        document: Option<&DocumentRef>,
    ) -> Vec<Support> {
        let offset = self.record.offset;
        let mut support: Vec<Support> = item.received(offset).map(Support::Received).into_iter().collect();
        if item.by_document {
            support.push(Support::Document);
        }
        for (_, photo) in self.photos().filter(|(_, photo)| files.contains(&photo.sha256)) {
            support.extend(photo.taken_at.map(|at| Support::Instrument(at.day(offset))));
        }
        let named = |attachment: &Attachment| {
            files.contains(&attachment.sha256)
                || document.is_some_and(|document| {
                    document.file == Some(attachment.sha256)
                        || attachment.number.as_ref().is_some_and(|number| *number == document.number)
                })
        };
        for (_, attachment) in self.attachments().filter(|(_, attachment)| named(attachment)) {
            match attachment.dated {
                Some(dated) if attachment.kind == "lab_report" => {
                    support.extend([Support::Instrument(dated), Support::Document]);
                }
                Some(_) => support.push(Support::Document),
                None => {}
            }
        }
        if document.is_some_and(|document| document.file.is_some() && document.dated.is_some()) {
            support.push(Support::Document);
        }
        support
    }
}

fn known<T>(item: &Item<T>, known_as_of: Option<Day>) -> bool {
    known_as_of.is_none_or(|day| item.known.is_some_and(|known| known <= day))
}

/// A reading of one record under one milestone set.
pub(crate) struct View<'v, 'r> {
    pub known: &'v Known<'r>,
    pub set: &'v MilestoneSet,
    pub dictionaries: &'v Dictionaries,
    pub decisions: &'v Decisions<'r>,
    pub live: Live<'v, 'r>,
    pub reviews: Reviews<'r>,
    pub values: Values,
    scale: OnceCell<Scale>,
}

impl<'v, 'r> View<'v, 'r> {
    /// Reads reviews and values; `as_of` limits dated decisions.
    pub(crate) fn new(
        known: &'v Known<'r>,
        (set, dictionaries): (&'v MilestoneSet, &'v Dictionaries),
        decisions: &'v Decisions<'r>,
        as_of: Option<Day>,
        findings: &mut Vec<Finding>,
    ) -> Self {
        let live = decisions.at(as_of);
        let reviews = Reviews::read(known.record, &known.field, &live, set, findings);
        let values = Values::read(&known.field, &live, &reviews, findings);
        Self { known, set, dictionaries, decisions, live, reviews, values, scale: OnceCell::new() }
    }

    /// 规模, derived when first asked for.
    pub(crate) fn scale(&self) -> &Scale {
        self.scale.get_or_init(|| super::scale::derive(self))
    }

    /// Grades a date of an item.
    pub(crate) fn grade<T>(
        &self,
        date: Day,
        item: &Item<T>,
        files: &[BlobHash],
        document: Option<&DocumentRef>,
    ) -> Grade {
        grade(date, &self.known.support(item, files, document), self.set.evidence.contemporaneous_days)
    }

    /// Type code of the outlet.
    pub(crate) fn outlet_type(&self) -> Option<&str> {
        self.values.text(crate::domain::field::fact::OUTLET_TYPE)
    }

    /// The last decision of one kind that stands; concurrent ones are gated by the caller's `same`.
    pub(crate) fn decided<T: PartialEq>(&self, pick: impl Fn(&Decision) -> Option<T>) -> super::decisions::Current<'r> {
        self.live.decided(pick)
    }
}
