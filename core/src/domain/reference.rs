//! What admins write into `reference` documents: data with its source. The texts are TOML (or
//! GeoJSON) as loaded; each version is a new entry, none is ever edited.

use serde::{Deserialize, Serialize};

use super::field::DocumentRef;
use crate::ids::{Collection, Epoch, OutletId, PersonId, PublicKey};
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
    /// Records handed to a person to visit, or taken back.
    Assignment(Assignment),
    /// A block of official codes granted to one server.
    CodeBlock(CodeBlock),
}

impl crate::doc::EntryText for ReferenceEntry {}

/// A data set as loaded.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DataSet {
    /// `milestone_set | dictionaries | townships | rivers | zone_layer | inspection_schedule`.
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

/// Records of one collection handed to a person (任务分派). The newest entry that names a record
/// stands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Assignment {
    /// The person; none takes the records back from whoever had them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<PersonId>,
    /// Name of the person when it was written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Unit of access of the records.
    pub collection: Collection,
    /// The records.
    pub outlets: Vec<OutletId>,
    /// What is to be done: `survey | level_3 | inspection | sampling`.
    pub task: String,
    /// Until when.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due: Option<Day>,
    /// Free text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// Who assigned them: login or name.
    pub by: String,
    /// Clock when written.
    pub at: Timestamp,
}

/// A block of national codes (号段) that the platform granted: all serials of a county from one
/// number to another. One server holds it, in one life of its database: the newest entry of an id
/// stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CodeBlock {
    /// Name of the block.
    pub id: String,
    /// Basin letters.
    pub basin: String,
    /// GB/T 2260 code of the county.
    pub county: u32,
    /// First serial.
    pub from: u16,
    /// Last serial.
    pub to: u16,
    /// The paper that grants it.
    pub document: DocumentRef,
    /// Key of the server that may assign from it.
    pub holder: PublicKey,
    /// Life of that server's database: a restored copy has another one and may not assign.
    pub epoch: Epoch,
    /// Who recorded it.
    pub by: String,
    /// Clock when written.
    pub at: Timestamp,
}
