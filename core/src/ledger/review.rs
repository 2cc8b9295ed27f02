//! Review (T5–T7): which changes of the field record are approved, section by section, and what
//! state the record is in. Approvals are pinned to heads; later edits read "approved, amended
//! since". Review is a column, never a filter.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::decisions::{Live, who};
use super::findings::{Finding, code};
use super::history::Closure;
use super::permission;
use super::record::{CaseItem, FieldItem, Record};
use super::set::MilestoneSet;
use crate::domain::case::{Decision, Review};
use crate::domain::field::{FieldEntry, fact};
use crate::identity::Level;

/// Sections of a record that can be approved or returned apart.
pub(crate) const SECTIONS: [&str; 6] = ["survey", "sample", "trace", "identity", "location", "photos"];

/// State of the record in review.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReviewState {
    /// Not handed in.
    Draft,
    /// Handed in, waits for review.
    Submitted,
    /// Returned with reasons.
    Returned,
    /// Some sections approved.
    PartlyApproved,
    /// Approved.
    Approved,
    /// Approved, amended since: the approved values are shown.
    ApprovedAmended,
    /// Concurrent review decisions: one has to be chosen.
    Gated,
}

/// Not a state in review.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("records are submitted, returned, partly_approved, approved_amended, gated, approved or draft, not {0:?}")]
pub struct ReviewStateError(pub String);

impl std::str::FromStr for ReviewState {
    type Err = ReviewStateError;

    fn from_str(text: &str) -> Result<Self, ReviewStateError> {
        let found = Self::ALL.into_iter().find(|state| state.code() == text);
        found.ok_or_else(|| ReviewStateError(text.chars().take(40).collect()))
    }
}

impl ReviewState {
    /// All states.
    pub const ALL: [Self; 7] = [
        Self::Draft,
        Self::Submitted,
        Self::Returned,
        Self::PartlyApproved,
        Self::Approved,
        Self::ApprovedAmended,
        Self::Gated,
    ];

    /// The code used in JSON and CSV.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::Draft => "draft",
            Self::Submitted => "submitted",
            Self::Returned => "returned",
            Self::PartlyApproved => "partly_approved",
            Self::Approved => "approved",
            Self::ApprovedAmended => "approved_amended",
            Self::Gated => "gated",
        }
    }
}

/// An approval and what it covers.
#[derive(Debug, Clone)]
pub(crate) struct Approval<'r> {
    pub by: &'r CaseItem,
    pub covers: Closure,
}

/// The outcome of all reviews.
#[derive(Debug)]
pub(crate) struct Reviews<'r> {
    record: &'r Record<'r>,
    approvals: BTreeMap<&'static str, Vec<Approval<'r>>>,
    /// State of the record.
    pub state: ReviewState,
    /// Reasons of the last return that still stands.
    pub return_reasons: Vec<String>,
    /// Somebody has opened the submission: the author can no longer take it back.
    pub opened: bool,
    /// The submission that stands.
    pub submitted: Option<&'r FieldItem>,
    /// It came after a return.
    pub again: bool,
    /// The last approval or return.
    pub reviewed: Option<&'r CaseItem>,
}

/// The section that an entry belongs to.
pub(crate) fn section_of(entry: &FieldEntry) -> &'static str {
    match entry {
        FieldEntry::Survey(_) => "survey",
        FieldEntry::Sample(_) => "sample",
        FieldEntry::Trace(_) => "trace",
        FieldEntry::Photo(_) | FieldEntry::Attachment(_) => "photos",
        FieldEntry::Fact(fact) if fact.field == fact::LOCATION => "location",
        _ => "identity",
    }
}

impl<'r> Reviews<'r> {
    /// Reads the reviews that stand.
    pub(crate) fn read(
        record: &'r Record<'r>,
        field: &[&'r FieldItem],
        live: &Live<'_, 'r>,
        set: &MilestoneSet,
        findings: &mut Vec<Finding>,
    ) -> Self {
        let mut reviews = Self {
            record,
            approvals: BTreeMap::new(),
            state: ReviewState::Draft,
            return_reasons: Vec::new(),
            opened: false,
            submitted: submission(field),
            again: false,
            reviewed: None,
        };
        let decided: Vec<(&CaseItem, &Review)> = live.items().filter_map(review_of).collect();
        let mut gated = false;
        for (at, (item, review)) in decided.iter().enumerate() {
            match review.action.as_str() {
                "approve" if contradicted(live, &decided, at) => {
                    gated = true;
                    findings.push(Finding::new(code::CONCURRENT_DECISIONS).field("review").entry(item.id));
                }
                "approve" => reviews.approve(field, live, item, review, set, findings),
                "revoke" if item.value.overrules.is_empty() => reviews.revoke(live, item, review),
                "open" => reviews.opened = true,
                _ => {}
            }
        }
        let verdict = |(_, review): &&(&CaseItem, &Review)| matches!(review.action.as_str(), "approve" | "return");
        reviews.reviewed = decided.iter().rev().find(verdict).map(|(item, _)| *item);
        reviews.state = reviews.overall(field, &decided, gated);
        let returned = decided.iter().any(|(_, review)| review.action == "return");
        reviews.again = returned && reviews.return_reasons.is_empty() && reviews.submitted.is_some();
        reviews
    }

    fn approve(
        &mut self,
        field: &[&'r FieldItem],
        live: &Live<'_, 'r>,
        item: &'r CaseItem,
        review: &Review,
        set: &MilestoneSet,
        findings: &mut Vec<Finding>,
    ) {
        let heads = &item.value.field_heads;
        if heads.is_empty() {
            findings.push(Finding::new(code::APPROVAL_WITHOUT_HEADS).entry(item.id));
            return;
        }
        if heads.iter().any(|head| !self.record.field_history.holds(head)) {
            findings.push(Finding::new(code::APPROVAL_HEADS_UNKNOWN).entry(item.id));
        }
        let covers = self.record.field_history.closure(heads);
        let within: Vec<&FieldItem> = field
            .iter()
            .copied()
            .filter(|entry| self.record.field_history.contains(&covers, &entry.origin.change))
            .collect();
        let overruled = super::values::overruled(live.items().filter(|other| live.saw(item, other)));
        if let Some(name) = super::values::open_conflicts(&within, &overruled).first().copied() {
            findings.push(Finding::new(code::APPROVAL_OVER_CONFLICT).field(name).entry(item.id));
            return;
        }
        for section in SECTIONS.into_iter().filter(|section| meant(review, section)) {
            if permission::rank(item.author.as_ref()) >= Some(level_for(set, section)) {
                self.approvals.entry(section).or_default().push(Approval { by: item, covers: covers.clone() });
            } else {
                findings.push(Finding::new(code::DECISION_WRONG_LEVEL).field(section).entry(item.id).detail(who(item)));
            }
        }
    }

    fn revoke(&mut self, live: &Live<'_, 'r>, item: &CaseItem, review: &Review) {
        for (section, approvals) in &mut self.approvals {
            if meant(review, section) {
                approvals.retain(|approval| !live.saw(item, approval.by));
            }
        }
    }

    /// The first approval that covers an entry, in its own section or in one of `also`.
    pub(crate) fn approval(&self, item: &FieldItem, also: &[&str]) -> Option<&Approval<'r>> {
        let own = section_of(&item.value);
        std::iter::once(own)
            .chain(also.iter().copied())
            .filter_map(|section| self.approvals.get(section))
            .flatten()
            .find(|approval| self.record.field_history.contains(&approval.covers, &item.origin.change))
    }

    /// Something was approved.
    pub(crate) fn listed(&self) -> bool {
        self.approvals.values().any(|approvals| !approvals.is_empty())
    }

    fn overall(&mut self, field: &[&FieldItem], decided: &[(&CaseItem, &Review)], gated: bool) -> ReviewState {
        if gated {
            return ReviewState::Gated;
        }
        let returned = self.standing_return(field, decided);
        let content = field.iter().filter(|item| is_content(&item.value));
        let open = content.filter(|item| self.approval(item, &[]).is_none()).count();
        let all = SECTIONS.iter().all(|section| self.approvals.get(section).is_some_and(|own| !own.is_empty()));
        match (self.listed(), all) {
            (true, true) if open == 0 => ReviewState::Approved,
            (true, true) => ReviewState::ApprovedAmended,
            (true, false) => ReviewState::PartlyApproved,
            (false, _) if returned => ReviewState::Returned,
            (false, _) if self.submitted.is_some() => ReviewState::Submitted,
            (false, _) => ReviewState::Draft,
        }
    }

    /// The last return, unless the record was handed in again after it.
    fn standing_return(&mut self, field: &[&FieldItem], decided: &[(&CaseItem, &Review)]) -> bool {
        let Some((item, review)) = decided.iter().rev().find(|(_, review)| review.action == "return") else {
            return false;
        };
        let seen = self.record.field_history.closure(&item.value.field_heads);
        let again = field.iter().any(|entry| {
            matches!(entry.value, FieldEntry::Submit(_))
                && !item.value.field_heads.is_empty()
                && !self.record.field_history.contains(&seen, &entry.origin.change)
        });
        if !again {
            self.return_reasons.clone_from(&review.reasons);
        }
        !again
    }
}

fn review_of(item: &CaseItem) -> Option<(&CaseItem, &Review)> {
    match &item.value.decision {
        Decision::Review(review) => Some((item, review)),
        _ => None,
    }
}

/// Another reviewer, unaware of this approval and unknown to it, returned or revoked the same.
fn contradicted(live: &Live<'_, '_>, decided: &[(&CaseItem, &Review)], at: usize) -> bool {
    let (item, review) = decided[at];
    decided.iter().enumerate().any(|(other_at, (other, against))| {
        other_at != at
            && matches!(against.action.as_str(), "return" | "revoke")
            && SECTIONS.iter().any(|section| meant(review, section) && meant(against, section))
            && !live.saw(item, other)
            && !live.saw(other, item)
    })
}

fn meant(review: &Review, section: &str) -> bool {
    review.sections.is_empty() || review.sections.iter().any(|named| named == section)
}

fn level_for(set: &MilestoneSet, section: &str) -> Level {
    match section {
        "sample" => set.approval.sample,
        "trace" => set.approval.trace,
        _ => set.approval.survey,
    }
}

fn is_content(entry: &FieldEntry) -> bool {
    matches!(
        entry,
        FieldEntry::Fact(_)
            | FieldEntry::Survey(_)
            | FieldEntry::Sample(_)
            | FieldEntry::Trace(_)
            | FieldEntry::Consent(_)
    )
}

/// The handing in, if it is the last of handing in and taking back.
fn submission<'r>(field: &[&'r FieldItem]) -> Option<&'r FieldItem> {
    let last = field.iter().rev().find(|item| matches!(item.value, FieldEntry::Submit(_) | FieldEntry::Recall(_)));
    last.copied().filter(|item| matches!(item.value, FieldEntry::Submit(_)))
}
