//! Two records side by side: how much speaks for one outlet, and what.

use serde::{Deserialize, Serialize};

use super::Feature;
use crate::geo::{Datum, GeoPoint};
use crate::ids::DocKey;

/// From this score on a pair is shown.
pub const THRESHOLD: u8 = 50;
/// Accuracy of a position that claims none, metres.
const ASSUMED_ACCURACY_M: f64 = 15.0;
/// However bad the accuracies, outlets further apart than this are two places.
pub(super) const MOST_M: f64 = 150.0;
/// However good the accuracies, a pipe is walked around within this.
const LEAST_M: f64 = 12.0;
/// Bits in which two pictures of one motif differ at most.
const PICTURE_BITS: u32 = 8;
/// Likeness of names from which on it counts.
const NAME_LIKENESS: f64 = 0.8;

/// Something that speaks for one outlet, or against it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "reason")]
pub enum Reason {
    /// Within both accuracies.
    Near {
        /// Metres.
        distance_m: f64,
        /// Within this the accuracies allow one place.
        within_m: f64,
    },
    /// One of them lies where the other would be if its GCJ-02 pair had been taken for WGS-84.
    Gcj02Offset {
        /// Metres left after undoing the shift.
        residue_m: f64,
    },
    /// The same official code.
    SameCode {
        /// The code.
        code: String,
    },
    /// The same photograph, byte by byte.
    SamePhoto,
    /// Photographs that look alike.
    LikePhotos {
        /// Bits that differ, of 64.
        bits: u32,
    },
    /// Names that read alike.
    LikeNames {
        /// 0 to 100.
        percent: u8,
    },
    /// The same water.
    SameWaterbody,
    /// The same bank.
    SameBank,
    /// Different waters: speaks against.
    OtherWaterbody,
    /// Different banks: speaks against.
    OtherBank,
}

/// A pair that a supervisor should look at.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Candidate {
    /// The record with the smaller key.
    pub a: DocKey,
    /// The other one.
    pub b: DocKey,
    /// 0 to 100.
    pub score: u8,
    /// Metres between them, where both have a position.
    pub distance_m: Option<f64>,
    /// What it rests on.
    pub reasons: Vec<Reason>,
}

/// Compares two records; `None` when too little speaks for one outlet.
#[must_use]
pub fn compare(one: &Feature, other: &Feature) -> Option<Candidate> {
    if one.key.id == other.key.id {
        return None;
    }
    let (a, b) = if one.key < other.key { (one, other) } else { (other, one) };
    let mut reasons = Vec::new();
    let mut score = place(a, b, &mut reasons) + identity(a, b, &mut reasons);
    // Water, bank and name tell neighbours apart; alone they make no pair.
    if score > 0.0 {
        score += context(a, b, &mut reasons);
    }
    let score = score.clamp(0.0, 100.0);
    if score < f64::from(THRESHOLD) {
        return None;
    }
    let distance_m = a.point.zip(b.point).map(|(from, to)| round(from.distance_m(to)));
    Some(Candidate { a: a.key, b: b.key, score: whole(score), distance_m, reasons })
}

fn place(a: &Feature, b: &Feature, reasons: &mut Vec<Reason>) -> f64 {
    let (Some(from), Some(to)) = (a.point, b.point) else { return 0.0 };
    let accuracy = |feature: &Feature| feature.accuracy_m.filter(|metres| *metres > 0.0).unwrap_or(ASSUMED_ACCURACY_M);
    // Independent errors add in squares; twice that holds for 95 of 100.
    let within_m = (2.0 * accuracy(a).hypot(accuracy(b))).clamp(LEAST_M, MOST_M);
    let distance_m = from.distance_m(to);
    if distance_m <= within_m {
        reasons.push(Reason::Near { distance_m: round(distance_m), within_m: round(within_m) });
        return 55.0 - 20.0 * distance_m / within_m;
    }
    match gcj02_residue(from, to).filter(|residue| *residue <= within_m.min(40.0)) {
        Some(residue) => {
            reasons.push(Reason::Gcj02Offset { residue_m: round(residue) });
            40.0 - 10.0 * residue / within_m
        }
        None => 0.0,
    }
}

/// Metres that are left when one of the two positions is taken for an unconverted GCJ-02 pair.
fn gcj02_residue(a: GeoPoint, b: GeoPoint) -> Option<f64> {
    let left = |real: GeoPoint, odd: GeoPoint| {
        let (lon, lat) = real.shown_in(Datum::Gcj02);
        odd.distance_to_m(lon, lat)
    };
    Some(left(a, b).min(left(b, a))).filter(|metres| metres.is_finite())
}

fn identity(a: &Feature, b: &Feature, reasons: &mut Vec<Reason>) -> f64 {
    let mut score = 0.0;
    if let Some(code) = a.codes.iter().find(|code| b.codes.contains(code)) {
        reasons.push(Reason::SameCode { code: code.clone() });
        score += 60.0;
    }
    if a.photos.iter().any(|(hash, _)| b.photos.iter().any(|(other, _)| other == hash)) {
        reasons.push(Reason::SamePhoto);
        score += 50.0;
    } else if let Some(bits) = picture_bits(a, b).filter(|bits| *bits <= PICTURE_BITS) {
        reasons.push(Reason::LikePhotos { bits });
        score += 35.0 - 2.0 * f64::from(bits);
    }
    score
}

/// The smallest difference between pictures that show something.
fn picture_bits(a: &Feature, b: &Feature) -> Option<u32> {
    let pictures = |feature: &'_ Feature| {
        feature
            .photos
            .iter()
            .filter_map(|(_, picture)| *picture)
            .filter(|picture| !picture.is_flat())
            .collect::<Vec<_>>()
    };
    let (ours, theirs) = (pictures(a), pictures(b));
    ours.iter().flat_map(|own| theirs.iter().map(move |other| own.distance(*other))).min()
}

fn context(a: &Feature, b: &Feature, reasons: &mut Vec<Reason>) -> f64 {
    let mut score = 0.0;
    match (&a.waterbody, &b.waterbody) {
        (Some(one), Some(other)) if one == other => {
            reasons.push(Reason::SameWaterbody);
            score += 8.0;
        }
        (Some(_), Some(_)) => {
            reasons.push(Reason::OtherWaterbody);
            score -= 15.0;
        }
        _ => {}
    }
    match (&a.bank, &b.bank) {
        (Some(one), Some(other)) if one == other => {
            reasons.push(Reason::SameBank);
            score += 7.0;
        }
        (Some(_), Some(_)) => {
            reasons.push(Reason::OtherBank);
            score -= 20.0;
        }
        _ => {}
    }
    if let (Some(one), Some(other)) = (&a.name, &b.name) {
        let likeness = strsim::normalized_damerau_levenshtein(one, other);
        if likeness >= NAME_LIKENESS {
            reasons.push(Reason::LikeNames { percent: whole(likeness * 100.0) });
            score += 20.0 * likeness;
        }
    }
    score
}

fn round(metres: f64) -> f64 {
    (metres * 10.0).round() / 10.0
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to 0 to 100")]
fn whole(percent: f64) -> u8 {
    percent.clamp(0.0, 100.0).round() as u8
}
