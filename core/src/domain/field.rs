//! What inspectors write into a `field` record: entries (written once, corrected by a new entry)
//! and assertions of facts. Serialised as JSON text, one scalar per entry, so that unknown keys of
//! a newer version survive untouched.
//!
//! Dictionary values are codes (`String`): the closed, versioned dictionaries are data
//! ([`crate::domain::dictionary`]); an unknown code is kept and shown as unknown.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::answer::Answer;
use crate::ids::{BlobHash, DocKey, EntryId};
use crate::time::{Day, Timestamp};

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

/// A visit (排查).
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Survey {
    /// Day of the visit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub on: Option<Day>,
    /// Device clock when written.
    pub at: Timestamp,
    /// Outcome code: `complete | partial | no_access | not_found | dry | …` (dictionary `survey_outcome`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outcome: Option<String>,
    /// Level of the three-level survey (三级排查): 1, 2 or 3.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub level: Option<u8>,
    /// 任务来源 code.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub task_source: Option<String>,
    /// Surveyors.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub team: Vec<String>,
    /// Weather code.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weather: Option<String>,
    /// Rain in the last 48 h: decides whether "discharging in dry weather" can be answered.
    #[serde(skip_serializing_if = "Answer::is_absent")]
    pub rain_48h: Answer<bool>,
    /// 排水特征: `flowing | dry | stagnant | gated | uncertain`.
    #[serde(skip_serializing_if = "Answer::is_absent")]
    pub discharge_state: Answer<String>,
    /// 是否晴天排水.
    #[serde(skip_serializing_if = "Answer::is_absent")]
    pub dry_weather_discharge: Answer<bool>,
    /// 排放规律: `continuous | intermittent | other`.
    #[serde(skip_serializing_if = "Answer::is_absent")]
    pub pattern: Answer<String>,
    /// 异常.
    #[serde(skip_serializing_if = "Answer::is_absent")]
    pub abnormal: Answer<bool>,
    /// Text to the above.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub abnormal_note: Option<String>,
    /// 颜色.
    #[serde(skip_serializing_if = "Answer::is_absent")]
    pub colour: Answer<String>,
    /// 浑浊度.
    #[serde(skip_serializing_if = "Answer::is_absent")]
    pub turbidity: Answer<String>,
    /// 气味.
    #[serde(skip_serializing_if = "Answer::is_absent")]
    pub smell: Answer<String>,
    /// 油膜.
    #[serde(skip_serializing_if = "Answer::is_absent")]
    pub oil_film: Answer<bool>,
    /// Appearance codes, several.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub appearance: Vec<String>,
    /// 污水类型 codes, several.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub water_sources: Vec<String>,
    /// 是否混排.
    #[serde(skip_serializing_if = "Answer::is_absent")]
    pub mixed: Answer<bool>,
    /// 疑似来源.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub suspected_source: Option<String>,
    /// Surroundings codes, several.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub surroundings: Vec<String>,
    /// Problem codes, several (`none_found` is an answer).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub problems: Vec<String>,
    /// Estimated or measured flow in m3/d.
    #[serde(skip_serializing_if = "Answer::is_absent")]
    pub flow_m3_per_day: Answer<f64>,
    /// Position of the device during the visit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device_fix: Option<Location>,
    /// Free text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// The survey that this one corrects.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub corrects: Option<EntryId>,
}

/// One measured value.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Measurement {
    /// Parameter code: `ph | cod | nh3_n | tp | tn | conductivity | temperature | flow | bod5 | …`.
    pub parameter: String,
    /// The value; absent when the laboratory reports "not detected".
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<f64>,
    /// Unit as reported, explicit (`mg/L`, `m3/d`).
    pub unit: String,
    /// `<`, `>`, `nd` (not detected).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub qualifier: Option<String>,
}

/// A sample (监测), or the dated reason why none could be taken.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Sample {
    /// `quick | lab | none` (不具备采样条件/无水).
    pub kind: String,
    /// Device clock when written.
    pub at: Timestamp,
    /// Sampling or quick-measuring day.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sampled_on: Option<Day>,
    /// The instant, where known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sampled_at: Option<Timestamp>,
    /// Report date of the laboratory: the evidence date of a lab sample.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub report_on: Option<Day>,
    /// Results; none while pending.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub results: Vec<Measurement>,
    /// At least two persons.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub persons: Vec<String>,
    /// Sample number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sample_number: Option<String>,
    /// Laboratory.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub laboratory: Option<String>,
    /// Arrival at the laboratory.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub arrived_at: Option<Timestamp>,
    /// No rain in the 48 h before: a dry-weather measurement.
    #[serde(skip_serializing_if = "Answer::is_absent")]
    pub dry_weather: Answer<bool>,
    /// Reason code when `kind` is `none` (dictionary `no_sample_reason`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Report file or photo of the spot, by hash.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub evidence: Vec<BlobHash>,
    /// Free text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// The sample that this one corrects or completes (a result for a pending sample).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub corrects: Option<EntryId>,
}

/// A responsible party (责任主体).
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Party {
    /// Name.
    pub name: String,
    /// 统一社会信用代码 (GB 32100), 18 characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uscc: Option<String>,
    /// Discharge permit or registration number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub permit_number: Option<String>,
    /// Industry code or name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub industry: Option<String>,
    /// Address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// A government as fallback (政府兜底).
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub government_fallback: bool,
    /// Contact data of natural persons: a salted attachment, never in the document.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub contact: Option<BlobHash>,
}

/// A node of the chain 水体—排污口—管线—污染源.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct TraceNode {
    /// Number within the trace.
    pub serial: u32,
    /// `outlet | ordinary | flow_through | inflow | source | other` (dictionary `node_kind`).
    pub kind: String,
    /// Name or landmark.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Degrees east, WGS-84.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lon: Option<f64>,
    /// Degrees north, WGS-84.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lat: Option<f64>,
    /// Photos by hash.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub photos: Vec<BlobHash>,
    /// Permit's own discharge point (`DW001`), kept apart from the outlet.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub permit_discharge_point: Option<String>,
}

/// A pipe of the chain, from one node to the next downstream.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct TracePipe {
    /// Upstream node.
    pub from: u32,
    /// Downstream node.
    pub to: u32,
    /// Material code.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub material: Option<String>,
    /// Length in metres.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub length_m: Option<f64>,
}

/// Source tracing (溯源).
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Trace {
    /// Device clock when written.
    pub at: Timestamp,
    /// `walking | difficult | concluded | government_fallback`.
    pub conclusion: String,
    /// Day of the conclusion (not of the first walk).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub concluded_on: Option<Day>,
    /// 溯源方式 codes: `documents | on_foot | technical`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub methods: Vec<String>,
    /// Means codes: `qv | tracer | endoscope | …`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub means: Vec<String>,
    /// Nodes.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub nodes: Vec<TraceNode>,
    /// Pipes.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub pipes: Vec<TracePipe>,
    /// Sources in words.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub sources: Vec<String>,
    /// 主要责任主体.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub primary_party: Option<Party>,
    /// Other parties of a shared outlet.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub other_parties: Vec<Party>,
    /// 主管部门.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub competent_department: Option<String>,
    /// Document that designates the government or a party.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub document: Option<DocumentRef>,
    /// 疑难 note.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub difficult_note: Option<String>,
    /// The trace that this one corrects.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub corrects: Option<EntryId>,
}

/// A document outside the system: 文号 and date.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct DocumentRef {
    /// 文号 or title.
    pub number: String,
    /// Date on the document.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dated: Option<Day>,
    /// The attachment that holds it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<BlobHash>,
}

/// A photograph: the original's name is its hash; what the EXIF says is copied here so that it
/// stays readable when the bytes are gone.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Photo {
    /// SHA-256 of the untouched original.
    pub sha256: BlobHash,
    /// Its length in bytes.
    pub bytes: u64,
    /// Media type by magic bytes.
    pub mime: String,
    /// Slot code (dictionary `photo_slot`).
    pub slot: String,
    /// Device clock when it was added.
    pub at: Timestamp,
    /// SHA-256 and length of the preview, if one could be made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preview: Option<Preview>,
    /// EXIF time of exposure; read as +08:00 when the file has no offset.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub taken_at: Option<Timestamp>,
    /// The offset was in the file (else +08:00 was assumed).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub offset_in_file: bool,
    /// EXIF GPS, degrees east.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lon: Option<f64>,
    /// EXIF GPS, degrees north.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lat: Option<f64>,
    /// EXIF horizontal positioning error, metres.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accuracy_m: Option<f64>,
    /// EXIF image direction, degrees.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub direction_deg: Option<f64>,
    /// EXIF orientation, 1–8.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub orientation: Option<u16>,
    /// Camera make and model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub camera: Option<String>,
    /// Pixels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub width: Option<u32>,
    /// Pixels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub height: Option<u32>,
    /// Warning codes ([`crate::media`]): never refusals.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
    /// Name of the file as it was given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file_name: Option<String>,
    /// Photographer or caption.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub caption: Option<String>,
}

/// A derived, smaller picture without metadata.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Preview {
    /// SHA-256.
    pub sha256: BlobHash,
    /// Length in bytes.
    pub bytes: u64,
}

/// Any other file, kept untouched.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Attachment {
    /// SHA-256 of the untouched bytes.
    pub sha256: BlobHash,
    /// Its length in bytes.
    pub bytes: u64,
    /// Media type by magic bytes.
    pub mime: String,
    /// Kind code: `lab_report | consent | acceptance | connection | video | personal | other`.
    pub kind: String,
    /// Date on the document.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dated: Option<Day>,
    /// 文号 or report number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub number: Option<String>,
    /// Name of the file as it was given; absent for personal data.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file_name: Option<String>,
    /// Device clock when it was added.
    pub at: Timestamp,
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

/// A dated look after closure or completion.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Recheck {
    /// The day.
    pub on: Day,
    /// Device clock.
    pub at: Timestamp,
    /// Was there any discharge?
    #[serde(default, skip_serializing_if = "Answer::is_absent")]
    pub discharge: Answer<bool>,
    /// No rain in the 48 h before.
    #[serde(default, skip_serializing_if = "Answer::is_absent")]
    pub dry_weather: Answer<bool>,
    /// Photos by hash.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub photos: Vec<BlobHash>,
    /// Free text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
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

/// Removal of the bytes of a file, by a signed decision.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Withdrawn {
    /// The file.
    pub sha256: BlobHash,
    /// Legal ground.
    pub ground: String,
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

/// A stretch of bank that was walked (有口皆查): what makes "nothing there" a statement.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Walk {
    /// River.
    pub waterbody: String,
    /// Reach of the scope, by name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reach: Option<String>,
    /// `left | right | both`.
    pub bank: String,
    /// Metres along the reach from its beginning, where it has marks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from_m: Option<f64>,
    /// The same, of the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to_m: Option<f64>,
    /// Beginning in words: a bridge, a landmark.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// End in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// Length walked, metres.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub length_m: Option<f64>,
    /// The day.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub on: Option<Day>,
    /// Who walked.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub team: Vec<String>,
    /// Outlets found; 0 = nothing found, absent = not said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub found: Option<u32>,
    /// Free text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// The walk that this one corrects.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub corrects: Option<EntryId>,
    /// Device clock.
    pub at: Timestamp,
}

/// The short form of a routine inspection, or a supervisory sampling with its results.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Inspection {
    /// `routine | supervisory`.
    pub kind: String,
    /// The day.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub on: Option<Day>,
    /// Device clock.
    pub at: Timestamp,
    /// Inspectors.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub persons: Vec<String>,
    /// 排水特征: `flowing | dry | stagnant | gated | uncertain`.
    #[serde(skip_serializing_if = "Answer::is_absent")]
    pub discharge_state: Answer<String>,
    /// 异常.
    #[serde(skip_serializing_if = "Answer::is_absent")]
    pub abnormal: Answer<bool>,
    /// Sampling point, well and mouth in order?
    #[serde(skip_serializing_if = "Answer::is_absent")]
    pub facilities_in_order: Answer<bool>,
    /// State of the sign (dictionary `sign_state`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sign: Option<String>,
    /// Problem codes, several.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub problems: Vec<String>,
    /// Results of supervisory sampling.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub results: Vec<Measurement>,
    /// Parameters over the permit's limits, as found when it was written.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub exceeded: Vec<String>,
    /// `good | bad`: bad proposes re-opening (T17).
    pub result: String,
    /// Photos and reports by hash.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub evidence: Vec<BlobHash>,
    /// Free text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}
