//! The chain 水体—排污口—管线—污染源 and the responsible parties (责任主体) found by tracing it.

use serde::{Deserialize, Serialize};

use super::DocumentRef;
use crate::ids::{BlobHash, EntryId};
use crate::time::{Day, Timestamp};

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
