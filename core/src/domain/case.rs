//! What supervisors write into a `case` file: dated decisions. Permission is checked at admission
//! by role *and* level ([`Decision::requires`]); the projection reads them in causal order.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::field::{DocumentRef, Party};
use super::witness::Witness;
use crate::identity::{Level, Role};
use crate::ids::{BlobHash, ChangeHash, DocKey, EntryId};
use crate::time::{Day, Timestamp};

/// One entry of a case file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CaseEntry {
    /// Decision date (the document's date counts before it where lifecycle.md 1.4 says so).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on: Option<Day>,
    /// Device clock when it was written.
    pub at: Timestamp,
    /// 文号 the decision rests on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub document: Option<DocumentRef>,
    /// Heads of the field record that were seen: approvals are pinned to them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub field_heads: Vec<ChangeHash>,
    /// Entries of field record or case file that this one overrules or revokes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub overrules: Vec<EntryId>,
    /// Free text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// Who decided, when a server signed as witness. Admission asks for it exactly then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub witness: Option<Box<Witness>>,
    /// What is decided.
    #[serde(flatten)]
    pub decision: Decision,
}

impl crate::doc::EntryText for CaseEntry {}

/// The decisions of lifecycle.md section 2. The JSON tag is `type`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Decision {
    /// T6, T7: on the record as a whole or on sections of it.
    Review(Review),
    /// Ends a conflict of a gated fact, or sets it (T3, T4, scale, county, management unit).
    Settle(Settle),
    /// T8: duplicate of another record, or the link lifted again.
    Duplicate(Duplicate),
    /// T11: class endorsed (county) or decided (city or government).
    Classify(Classify),
    /// T13: 一口一策.
    Plan(Box<Plan>),
    /// T14: completion reported, or withdrawn.
    Complete(Box<Complete>),
    /// T15: first check (county) or acceptance (city).
    Accept(Accept),
    /// T17: re-opened, or closed as unfounded.
    Reopen(Reopen),
    /// T19: extension or suspension by the authority that set the deadline.
    Extend(Extend),
    /// T18: name approved.
    Name(Name),
    /// T18: code recorded, issued, or cancelled.
    Code(Code),
    /// T18: sign state as reported to the authority.
    Sign(SignState),
    /// T10: responsible party designated or changed.
    Party(PartyDecision),
    /// An exemption from the closed dictionary of the milestone set.
    Exempt(Exempt),
    /// T20.
    Enforcement(Enforcement),
    /// Known date of imported facts: a named dated document (lifecycle.md 1.1). Admin.
    KnownFrom(KnownFrom),
    /// Approves a [`Decision::KnownFrom`]. City.
    ApproveKnown(ApproveKnown),
}

/// Review of a record.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Review {
    /// `open | approve | return | revoke | cancel_return`.
    pub action: String,
    /// Sections that it is about: `survey | sample | trace | identity | location | photos`; empty = all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sections: Vec<String>,
    /// Reason codes (dictionary `return_reason`), for a return.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reasons: Vec<String>,
}

/// A value for a gated fact, by decision.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Settle {
    /// Which fact ([`super::field::fact`]).
    pub field: String,
    /// The value decided.
    pub value: Value,
    /// Reason code, where the dictionary asks for one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// Two records of one outlet (重复记录).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Duplicate {
    /// The surviving record.
    pub of: DocKey,
    /// The link is taken back.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub lifted: bool,
}

/// A legal basis, as cited.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LegalBasis {
    /// Document, such as 水污染防治法.
    pub document: String,
    /// Article.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub article: Option<String>,
}

/// Class of an outlet.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Classify {
    /// `endorse` (county) | `decide` (city, or government recorded by the city).
    pub step: String,
    /// `ban | merge | regulate | none_needed | undecided`.
    pub classification: String,
    /// 具体情形.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub circumstance: Option<String>,
    /// Legal bases cited.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub legal_bases: Vec<LegalBasis>,
    /// Name and version of the zone layer used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub layer: Option<String>,
    /// The government's own document (needed for 取缔).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub government_document: Option<DocumentRef>,
}

/// 一口一策.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Plan {
    /// `draft` (county) | `approve` (city).
    pub step: String,
    /// Version, from 1.
    pub version: u32,
    /// Measure codes (dictionary `measure`).
    pub measures: Vec<String>,
    /// 规范化建设 item codes required (dictionary `construction_item`).
    pub items: Vec<String>,
    /// Acceptance criteria.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub criteria: Option<String>,
    /// 责任主体.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub party: Option<Party>,
    /// 主管部门.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub competent_department: Option<String>,
    /// Named person in charge at the authority (an office, not personal data).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub person: Option<String>,
    /// Due date.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub due: Option<Day>,
}

/// Where the water of a merged outlet goes now (合并去向).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MergedInto {
    /// `outlet | sewer | plant` (排污口/污水管网/污水处理厂).
    pub kind: String,
    /// The surviving outlet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outlet: Option<DocKey>,
    /// Name of the sewer or plant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

/// Completion of the works (申请销号).
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Complete {
    /// Completion date.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub completed_on: Option<Day>,
    /// Taken back.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub withdrawn: bool,
    /// Measures completed (codes of the plan).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub measures: Vec<String>,
    /// Items built: construction item codes and `mouth_removed | mouth_sealed | source_stopped |
    /// source_redirected | connected | archive`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub items: Vec<String>,
    /// 合并去向, for class `merge`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub merged_into: Option<MergedInto>,
    /// After-photos and papers by hash.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub evidence: Vec<BlobHash>,
}

/// One line of the acceptance sheet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AcceptItem {
    /// Item code.
    pub item: String,
    /// Met?
    pub met: bool,
}

/// First check or acceptance (验收销号).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Accept {
    /// `county` (初验) | `city` (验收).
    pub level: String,
    /// Passed?
    pub passed: bool,
    /// Day of the site re-check that it rests on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recheck_on: Option<Day>,
    /// Item list.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub items: Vec<AcceptItem>,
}

/// Re-opening (复发, 复查不通过).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Reopen {
    /// Day of the observation.
    pub observed_on: Day,
    /// What was observed.
    pub observation: String,
    /// This entry closes an earlier re-opening as unfounded (names it in `overrules`).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unfounded: bool,
}

/// Extension (延期) or suspension.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Extend {
    /// Milestone id such as `M4`; absent = all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub milestone: Option<String>,
    /// New due date; absent = suspended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Day>,
    /// Authority that granted it.
    pub authority: String,
    /// Reason.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// Approved name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Name {
    /// The name.
    pub name: String,
}

/// An official code.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Code {
    /// `national | provincial`.
    pub system: String,
    /// The code.
    pub code: String,
    /// `platform` (received) | `block` (assigned from a granted block).
    pub source: String,
    /// Date of issue.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issued_on: Option<Day>,
    /// 注销/作废, with the reason in `note`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub cancelled: bool,
}

/// Sign state as decided or reported.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignState {
    /// `ordered | erected | damaged | repaired | missing`.
    pub state: String,
    /// The day.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_on: Option<Day>,
    /// Photo of slot `sign`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub photos: Vec<BlobHash>,
}

/// Responsible party by decision; the old one stays with its dates.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct PartyDecision {
    /// 主要责任主体.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub primary: Option<Party>,
    /// Others.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub others: Vec<Party>,
    /// 主管部门.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub competent_department: Option<String>,
    /// 行政责任主体.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub administrative_government: Option<String>,
}

/// An exemption.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exempt {
    /// `sign | name | code | construction:<item>`.
    pub what: String,
    /// Code of the dictionary `exemption`.
    pub reason: String,
}

/// An enforcement lead (线索) and its way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Enforcement {
    /// `lead | transferred | case_opened | outcome | withdrawn`.
    pub step: String,
    /// Case or receipt number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub number: Option<String>,
    /// Outcome.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<String>,
}

/// The document (in [`CaseEntry::document`]) by whose date the named facts were known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KnownFrom {
    /// Entries of field record and case file; empty = everything in both whose evidence date is
    /// not later than the document's.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub entries: Vec<EntryId>,
}

/// Approval of a [`KnownFrom`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApproveKnown {
    /// The entry approved.
    pub entry: EntryId,
}

impl Decision {
    /// Role and level that lifecycle.md section 2 asks for (column "who"). An admin may record
    /// what a city supervisor may.
    #[must_use]
    pub fn requires(&self) -> (Role, Level) {
        use Level::{City, County};
        match self {
            Self::KnownFrom(_) => (Role::Admin, City),
            Self::Classify(classify) if classify.step == "decide" => (Role::Supervisor, City),
            Self::Plan(plan) if plan.step == "approve" => (Role::Supervisor, City),
            Self::Accept(accept) if accept.level == "city" => (Role::Supervisor, City),
            Self::Reopen(reopen) if reopen.unfounded => (Role::Supervisor, City),
            Self::Extend(_) | Self::Code(_) | Self::Exempt(_) | Self::ApproveKnown(_) => (Role::Supervisor, City),
            _ => (Role::Supervisor, County),
        }
    }
}
