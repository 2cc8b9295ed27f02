//! Findings: wrong or doubtful input, shown on the row. A finding never removes a row.

use serde::{Deserialize, Serialize};

use crate::ids::EntryId;

/// How much a finding matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Worth knowing.
    Notice,
    /// Should be looked at.
    Warning,
    /// Something was ignored or is gated because of it.
    Error,
}

/// One finding on one outlet.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Finding {
    /// Stable code ([`code`]).
    pub code: String,
    /// Severity.
    pub severity: Severity,
    /// Field or section it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// Values, names, numbers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// Entries it is about.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub entries: Vec<EntryId>,
}

impl Finding {
    pub(crate) fn new(code: &str) -> Self {
        Self { code: code.to_owned(), severity: severity(code), field: None, detail: None, entries: Vec::new() }
    }

    pub(crate) fn field(mut self, field: &str) -> Self {
        self.field = Some(field.to_owned());
        self
    }

    pub(crate) fn detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into());
        self
    }

    pub(crate) fn entry(mut self, entry: EntryId) -> Self {
        self.entries.push(entry);
        self
    }

    pub(crate) fn entries(mut self, entries: impl IntoIterator<Item = EntryId>) -> Self {
        self.entries.extend(entries);
        self
    }
}

/// Codes of findings.
pub mod code {
    /// An entry of a type or shape that this version does not know; it is kept.
    pub const UNKNOWN_ENTRY: &str = "unknown_entry";
    /// A decision by somebody the roster does not know.
    pub const DECISION_UNKNOWN_AUTHOR: &str = "decision_unknown_author";
    /// A decision by the wrong role or level; ignored.
    pub const DECISION_WRONG_LEVEL: &str = "decision_wrong_level";
    /// A decision by an author of the record; ignored.
    pub const DECISION_BY_AUTHOR: &str = "decision_by_author";
    /// An acceptance by whoever reported the completion; ignored.
    pub const ACCEPTED_BY_REPORTER: &str = "accepted_by_reporter";
    /// A decision overrules one of a higher level; the overruling is ignored.
    pub const OVERRULES_HIGHER_LEVEL: &str = "overrules_higher_level";
    /// Two decisions that have not seen each other: gated until one is chosen.
    pub const CONCURRENT_DECISIONS: &str = "concurrent_decisions";
    /// An approval that names no heads approves nothing.
    pub const APPROVAL_WITHOUT_HEADS: &str = "approval_without_heads";
    /// An approval names heads that are not held here.
    pub const APPROVAL_HEADS_UNKNOWN: &str = "approval_heads_unknown";
    /// An approval over an open conflict of a gated fact; ignored.
    pub const APPROVAL_OVER_CONFLICT: &str = "approval_over_conflict";
    /// Several current values of a gated fact.
    pub const CONFLICT: &str = "conflict";
    /// A fact asserted after a decision on it.
    pub const ASSERTED_AFTER_DECISION: &str = "asserted_after_decision";
    /// Approved values are shown; later edits wait for review.
    pub const AMENDED_SINCE: &str = "amended_since";
    /// 非排口 without its reason or photo: stays in the denominator.
    pub const NOT_AN_OUTLET_INCOMPLETE: &str = "not_an_outlet_incomplete";
    /// 取缔 without the government's document.
    pub const BAN_WITHOUT_GOVERNMENT_DOCUMENT: &str = "ban_without_government_document";
    /// A class decision without a document.
    pub const CLASS_WITHOUT_DOCUMENT: &str = "class_without_document";
    /// A legal basis that was not in force on the date of the decision.
    pub const LEGAL_BASIS_NOT_IN_FORCE: &str = "legal_basis_not_in_force";
    /// An acceptance before the county's first check.
    pub const ACCEPTED_WITHOUT_COUNTY_CHECK: &str = "accepted_without_county_check";
    /// Acceptance or first check without a completion that it has seen.
    pub const DECISION_WITHOUT_COMPLETION: &str = "decision_without_completion";
    /// Human value of 规模以上 and figures disagree.
    pub const SCALE_MISMATCH: &str = "scale_mismatch";
    /// "Discharging in dry weather" was answered although it had rained.
    pub const DRY_WEATHER_AFTER_RAIN: &str = "dry_weather_after_rain";
    /// A township that the table does not have.
    pub const UNKNOWN_TOWNSHIP: &str = "unknown_township";
    /// The township lies in another county.
    pub const TOWNSHIP_NOT_IN_COUNTY: &str = "township_not_in_county";
    /// A code that is not in its dictionary.
    pub const UNKNOWN_VALUE: &str = "unknown_value";
    /// No county fact: the collection's code is used.
    pub const COUNTY_ASSUMED: &str = "county_assumed";
    /// No usable position.
    pub const NO_POSITION: &str = "no_position";
    /// An official code of the wrong shape.
    pub const CODE_MALFORMED: &str = "code_malformed";
    /// An official code whose county is another one.
    pub const CODE_INCONSISTENT: &str = "code_inconsistent";
    /// A name that reviewers would return: odd characters, type or county not in it.
    pub const NAME_ODD: &str = "name_odd";
    /// A credit code or permit number that is mistyped.
    pub const PARTY_CODE_INVALID: &str = "party_code_invalid";
    /// 合并去向 names a record that is not in the ledger.
    pub const MERGED_INTO_UNKNOWN: &str = "merged_into_unknown";
    /// A code that was cancelled is still given.
    pub const CODE_CANCELLED: &str = "code_cancelled";
    /// A sample sheet with fewer than two persons.
    pub const SAMPLE_ONE_PERSON: &str = "sample_one_person";
    /// A sign damaged, missing or outdated.
    pub const SIGN_DAMAGED: &str = "sign_damaged";
    /// The sign was put up before the name, the code or the department that hold now: its text says
    /// something else.
    pub const SIGN_OUTDATED: &str = "sign_outdated";
    /// Duplicate of a record that is not in the ledger, or in a circle: still counted.
    pub const DUPLICATE_OF_UNKNOWN: &str = "duplicate_of_unknown";
    /// The plan's due date lies after the milestone without an extension.
    pub const PLAN_DUE_TOO_LATE: &str = "plan_due_too_late";
    /// An imported known date without a dated document.
    pub const KNOWN_FROM_WITHOUT_DATE: &str = "known_from_without_date";
    /// An imported known date that nobody approved.
    pub const KNOWN_FROM_NOT_APPROVED: &str = "known_from_not_approved";
    /// An extension without a document number.
    pub const EXTENSION_WITHOUT_DOCUMENT: &str = "extension_without_document";
    /// A bad inspection that no decision answers: re-opening is proposed (T17).
    pub const REOPEN_PROPOSED: &str = "reopen_proposed";
    /// An exemption that the milestone set does not have; ignored.
    pub const EXEMPTION_UNKNOWN: &str = "exemption_unknown";
}

fn severity(finding: &str) -> Severity {
    match finding {
        code::AMENDED_SINCE
        | code::COUNTY_ASSUMED
        | code::SIGN_DAMAGED
        | code::SIGN_OUTDATED
        | code::SAMPLE_ONE_PERSON
        | code::NAME_ODD => Severity::Notice,
        code::DECISION_UNKNOWN_AUTHOR
        | code::DECISION_WRONG_LEVEL
        | code::DECISION_BY_AUTHOR
        | code::ACCEPTED_BY_REPORTER
        | code::OVERRULES_HIGHER_LEVEL
        | code::CONCURRENT_DECISIONS
        | code::APPROVAL_WITHOUT_HEADS
        | code::APPROVAL_OVER_CONFLICT
        | code::CONFLICT
        | code::NOT_AN_OUTLET_INCOMPLETE
        | code::ACCEPTED_WITHOUT_COUNTY_CHECK
        | code::EXEMPTION_UNKNOWN => Severity::Error,
        _ => Severity::Warning,
    }
}
