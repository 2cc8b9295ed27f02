//! Photographs, attachments and the papers they prove, as they stand in a field record.

use serde::{Deserialize, Serialize};

use crate::ids::BlobHash;
use crate::time::{Day, Timestamp};

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
