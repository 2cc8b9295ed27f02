//! What is seen and measured at an outlet: surveys (排查), samples (监测), re-checks, inspections, walks.

use serde::{Deserialize, Serialize};

use super::Location;
use crate::domain::answer::Answer;
use crate::ids::{BlobHash, EntryId};
use crate::time::{Day, Timestamp};

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
