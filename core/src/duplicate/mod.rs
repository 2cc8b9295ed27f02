//! Records that may be of one outlet (重复记录): found by place, water, names, codes and photographs.
//!
//! A candidate is a question to a supervisor, never an answer: nothing here merges anything. The
//! link that a supervisor makes is a decision ([`crate::domain::case::Duplicate`]), reversible, and
//! the milestones count both records once ([`crate::ledger::absorb`]).

mod compare;
mod index;
#[cfg(test)]
mod tests;

pub use compare::{Candidate, Reason, THRESHOLD, compare};
pub use index::Index;

use serde::{Deserialize, Serialize};

use crate::geo::GeoPoint;
use crate::ids::{BlobHash, DocKey};

/// A perceptual hash of a picture, 64 bits: pictures of one motif differ in few of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct PictureHash(pub u64);

impl PictureHash {
    /// Bits that differ.
    #[must_use]
    pub fn distance(self, other: Self) -> u32 {
        (self.0 ^ other.0).count_ones()
    }

    /// A picture with hardly any structure (a covered lens, a white wall) looks like any other one.
    #[must_use]
    pub fn is_flat(self) -> bool {
        !(6..=58).contains(&self.0.count_ones())
    }
}

/// What the comparison knows of one record.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Feature {
    /// Key of the field record.
    pub key: DocKey,
    /// Where it is; records without a position are compared by codes and photographs only.
    pub point: Option<GeoPoint>,
    /// Claimed accuracy in metres.
    pub accuracy_m: Option<f64>,
    /// 受纳水体.
    pub waterbody: Option<String>,
    /// `left | right`.
    pub bank: Option<String>,
    /// Name.
    pub name: Option<String>,
    /// Official codes.
    pub codes: Vec<String>,
    /// Photographs: hash of the bytes, and of the picture where it was computed.
    pub photos: Vec<(BlobHash, Option<PictureHash>)>,
}
