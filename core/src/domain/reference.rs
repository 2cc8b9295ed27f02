//! What admins write into `reference` documents: data with its source. The texts are TOML (or
//! GeoJSON) as loaded; each version is a new entry, none is ever edited.

use serde::{Deserialize, Serialize};

use super::field::DocumentRef;
use crate::time::{Day, Timestamp};

/// One entry of a reference document. The JSON tag is `type`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
#[non_exhaustive]
pub enum ReferenceEntry {
    /// A versioned data set: milestone set, dictionaries, townships, rivers.
    DataSet(DataSet),
    /// A sealed ledger or problem list of a group (M1 needs both).
    Seal(Seal),
    /// 通报, 约谈 or 表扬 of an assessed unit.
    Notice(Notice),
}

/// A data set as loaded.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DataSet {
    /// `milestone_set | dictionaries | townships | rivers`.
    pub kind: String,
    /// Identifier within the kind, such as `bazhong-14fyp`.
    pub name: String,
    /// Version as the file gives it.
    pub version: String,
    /// The file's text.
    pub text: String,
    /// Device or server clock when loaded.
    pub at: Timestamp,
}

/// A sealed document of a group.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Seal {
    /// `ledger | problem_list`.
    pub what: String,
    /// Management unit (county code or `511971`), or `5119` for the city.
    pub unit: String,
    /// The day of the seal.
    pub on: Day,
    /// 文号.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub document: Option<DocumentRef>,
    /// Hash of the sealed export (SHA-256, hexadecimal).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<crate::ids::BlobHash>,
    /// Clock when written.
    pub at: Timestamp,
}

/// A line of the register of 通报, 约谈 and 表扬.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Notice {
    /// `circular | talk | commend` (通报/约谈/表扬).
    pub kind: String,
    /// Unit that it is addressed to.
    pub unit: String,
    /// Milestone, such as `M3`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub milestone: Option<String>,
    /// The day.
    pub on: Day,
    /// 文号.
    pub document: DocumentRef,
    /// Free text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// Account that recorded it.
    pub by: String,
    /// Clock when written.
    pub at: Timestamp,
}
