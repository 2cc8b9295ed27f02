//! What inspectors write into a `field` record: entries (written once, corrected by a new entry)
//! and assertions of facts. Serialised as JSON text, one scalar per entry, so that unknown keys of
//! a newer version survive untouched.
//!
//! Dictionary values are codes (`String`): the closed, versioned dictionaries are data
//! ([`crate::domain::dictionary`]); an unknown code is kept and shown as unknown.

mod chain;
mod evidence;
mod read;
mod visit;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::ids::{BlobHash, DocKey, EntryId};
use crate::time::{Day, Timestamp};

pub use chain::{Party, Trace, TraceNode, TracePipe};
pub use evidence::{Attachment, DocumentRef, Photo, Preview, Withdrawn};
pub use visit::{Inspection, Measurement, Recheck, Sample, Survey, Walk};

/// One entry of a field record. The JSON tag is `type`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
#[non_exhaustive]
pub enum FieldEntry {
    /// An assertion of a fact ([`Fact::field`] names it).
    Fact(Fact),
    /// A visit (排查).
    Survey(Box<Survey>),
    /// A sample or the reason why there is none (监测).
    Sample(Box<Sample>),
    /// Source tracing (溯源).
    Trace(Box<Trace>),
    /// A photograph.
    Photo(Box<Photo>),
    /// Any other file: lab report, consent, acceptance paper, video, personal data.
    Attachment(Attachment),
    /// The record is handed in for review (T5).
    Submit(Submit),
    /// The author takes an unopened submission back.
    Recall(Submit),
    /// A note, a plan note, a difficulty.
    Note(Note),
    /// Progress of the rectification, reported by or for the responsible party (T14).
    Progress(Progress),
    /// A site re-check after closure or completion.
    Recheck(Recheck),
    /// A sign was put up, found damaged, repaired, lost.
    Sign(SignObservation),
    /// Set-up consent or registration (设置审批/登记) as found on paper.
    Consent(Consent),
    /// The bytes of a file are to be removed everywhere; the hash stays.
    Withdrawn(Withdrawn),
    /// The record was created in the wrong collection: its successor or predecessor.
    Moved(Moved),
    /// The record was made from a row of somebody's table.
    Imported(Imported),
    /// Bank walked, outlets found or not (in a log of walks, never in an outlet's record).
    Walk(Box<Walk>),
    /// A routine inspection (日常检查) or supervisory sampling (监督性监测).
    Inspection(Box<Inspection>),
}

/// An assertion: current are those that nobody replaced. Gated fields with several different
/// current values are a conflict that only a case decision ends.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Fact {
    /// Which fact: see [`fact`].
    pub field: String,
    /// Its value: text, number, boolean or an object ([`Location`]); `null` is blank,
    /// `{"cannot_determine": true}` is undeterminable.
    pub value: Value,
    /// Why, or from where (`gps`, `map`, `typed`, `photo`, a rule, a document).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub basis: Option<String>,
    /// Reason code, where the dictionary asks for one (`not_an_outlet`, `needs_level_3`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Since when the value holds, if it is not "as observed".
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on: Option<Day>,
    /// The assertions that the author had before their eyes and replaces.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub replaces: Vec<EntryId>,
    /// Device clock when it was written; also makes two equal assertions two entries.
    pub at: Timestamp,
}

/// Names of facts. Gated ones are in [`fact::GATED`].
pub mod fact {
    /// Proposed class: `ban | merge | regulate | none_needed | undecided`. Gated.
    pub const CLASSIFICATION: &str = "classification";
    /// `suspected | outlet | not_an_outlet | needs_level_3`. Gated.
    pub const STATE: &str = "state";
    /// `above | below | undetermined` (规模以上/规模以下/规模待定). Gated.
    pub const SCALE: &str = "scale";
    /// [`super::Location`]. Gated.
    pub const LOCATION: &str = "location";
    /// County code used in assessment. Gated.
    pub const COUNTY: &str = "county";
    /// Reporting unit: a county code or `511971` for 巴中经开区. Gated.
    pub const MANAGEMENT_UNIT: &str = "management_unit";
    /// Proposed name.
    pub const NAME: &str = "name";
    /// Temporary field number (排口临时编号).
    pub const TEMPORARY_NUMBER: &str = "temporary_number";
    /// Receiving water (受纳水体), by name of the river dictionary.
    pub const WATERBODY: &str = "waterbody";
    /// Township, by code or name of the township dictionary.
    pub const TOWNSHIP: &str = "township";
    /// Village.
    pub const VILLAGE: &str = "village";
    /// Address.
    pub const ADDRESS: &str = "address";
    /// `left | right`, facing downstream.
    pub const BANK: &str = "bank";
    /// Outlet type code (class scheme in `type_scheme`).
    pub const OUTLET_TYPE: &str = "outlet_type";
    /// `hj1312_2023 | seven_2019`.
    pub const TYPE_SCHEME: &str = "type_scheme";
    /// 入河方式.
    pub const ENTRY_MODE: &str = "entry_mode";
    /// 口门形状.
    pub const SHAPE: &str = "shape";
    /// 管道材质.
    pub const MATERIAL: &str = "material";
    /// Size in millimetres, as text (`DN600`, `800x600`).
    pub const SIZE: &str = "size";
    /// Day since which the outlet has existed; unknown when absent.
    pub const EXISTS_FROM: &str = "exists_from";
    /// `existing | new | altered | enlarged` (新设/改设/扩大).
    pub const SET_UP: &str = "set_up";
    /// `open | sealed | abandoned` at the first survey (封堵/废弃).
    pub const MOUTH: &str = "mouth";
    /// Permitted or metered volume in m3/d, with its basis in `basis`
    /// (`consent | permit | metered | statement`).
    pub const VOLUME_M3_PER_DAY: &str = "volume_m3_per_day";
    /// The same in m3 per year.
    pub const VOLUME_M3_PER_YEAR: &str = "volume_m3_per_year";
    /// 审批状态: `approved | registered | not_approved | not_registered`.
    pub const APPROVAL_STATUS: &str = "approval_status";
    /// Discharge permit number (排污许可证号).
    pub const PERMIT_NUMBER: &str = "permit_number";
    /// A permit's own discharge point (`DW001`), kept apart from the outlet.
    pub const PERMIT_DISCHARGE_POINT: &str = "permit_discharge_point";
    /// Discharge standard.
    pub const DISCHARGE_STANDARD: &str = "discharge_standard";
    /// Provincial code as found.
    pub const PROVINCIAL_CODE: &str = "provincial_code";
    /// National code as found on a sign or paper.
    pub const NATIONAL_CODE: &str = "national_code";
    /// Basin (流域).
    pub const BASIN: &str = "basin";
    /// Water function zone (水功能区).
    pub const WATER_FUNCTION_ZONE: &str = "water_function_zone";
    /// Control unit (控制单元).
    pub const CONTROL_UNIT: &str = "control_unit";
    /// Control section (断面).
    pub const SECTION: &str = "section";
    /// River reach and its chief (河段/河长).
    pub const REACH: &str = "reach";
    /// Limits of the permit (排污许可限值): parameter code to the highest value, in the unit of the
    /// dictionary `parameter`; `ph` is a pair of lowest and highest.
    pub const PERMIT_LIMITS: &str = "permit_limits";
    /// Free remark; kept as a register, not as an assertion.
    pub const REMARK: &str = "remark";

    /// Facts whose concurrent values only a case decision reconciles.
    pub const GATED: [&str; 6] = [CLASSIFICATION, STATE, SCALE, LOCATION, COUNTY, MANAGEMENT_UNIT];
}

/// Value of the fact `location`: WGS-84 in use, the raw pair and its datum kept.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Location {
    /// Degrees east, WGS-84.
    pub lon: f64,
    /// Degrees north, WGS-84.
    pub lat: f64,
    /// As it was given.
    pub raw_lon: f64,
    /// As it was given.
    pub raw_lat: f64,
    /// `wgs84 | cgcs2000 | gcj02 | bd09`: the datum of the raw pair.
    pub datum: String,
    /// Claimed accuracy in metres.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accuracy_m: Option<f64>,
    /// `gps | map | typed | photo`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// When the fix was taken, device clock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fixed_at: Option<Timestamp>,
}

/// Handing in or taking back.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Submit {
    /// Device clock.
    pub at: Timestamp,
    /// The day.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on: Option<Day>,
    /// Free text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// A note.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Note {
    /// `note | plan_note | difficulty`.
    pub kind: String,
    /// Text.
    pub text: String,
    /// The day it speaks of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on: Option<Day>,
    /// Device clock.
    pub at: Timestamp,
}

/// Progress of the works.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    /// The day.
    pub on: Day,
    /// Device clock.
    pub at: Timestamp,
    /// Text.
    pub text: String,
    /// Measure codes that it is about.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub measures: Vec<String>,
    /// Photos by hash.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub photos: Vec<BlobHash>,
}

/// What was seen of a sign (标识牌).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SignObservation {
    /// `erected | damaged | repaired | missing | outdated`.
    pub state: String,
    /// The day.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on: Option<Day>,
    /// Device clock.
    pub at: Timestamp,
    /// `post | flat` (立柱式/平面式).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub form: Option<String>,
    /// Photos by hash (slot `sign`).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub photos: Vec<BlobHash>,
}

/// Set-up consent or registration (审核制).
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Consent {
    /// `approval | registration` (审批/登记).
    pub regime: String,
    /// `new | altered | enlarged | legacy` (新设/改设/扩大/历史遗留).
    pub kind: String,
    /// Consenting authority.
    pub authority: String,
    /// 文号.
    pub number: String,
    /// Decision date.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub on: Option<Day>,
    /// Permitted volume, m3/d.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub volume_m3_per_day: Option<f64>,
    /// First use.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_used_on: Option<Day>,
    /// The paper.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<BlobHash>,
    /// Device clock.
    pub at: Timestamp,
}

/// Link between a record in the wrong collection and its successor.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Moved {
    /// `to | from`.
    pub direction: String,
    /// The other record.
    pub other: DocKey,
    /// Device clock.
    pub at: Timestamp,
}

/// Where an imported record comes from. Written by the server for the account named.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Imported {
    /// Name of the list, such as 2021遥感解译.
    pub list: String,
    /// What names the row within the list.
    pub source_id: String,
    /// Line, row or feature of the file.
    pub line: u64,
    /// SHA-256 of the file.
    pub file: BlobHash,
    /// Login of who imported it.
    pub by: String,
    /// Server clock.
    pub at: Timestamp,
}
