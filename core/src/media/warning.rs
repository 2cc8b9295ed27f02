//! What a person should look at again. Warnings never refuse a photo: messengers strip EXIF, clocks
//! are wrong, and a photo from the other bank is still evidence.

use std::fmt;

use super::Inspection;
use crate::geo::{GeoPoint, gcj02_contamination};
use crate::ids::OutletId;
use crate::time::Day;

/// A warning about a photo. The code goes into the record, the labels are in the dictionary
/// `photo_warning`.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Warning {
    /// No EXIF at all.
    ExifMissing,
    /// EXIF that could not be read, or not completely.
    ExifDamaged,
    /// No time of exposure.
    TimeMissing,
    /// The time was read as +08:00.
    OffsetAssumed,
    /// No position.
    PositionMissing,
    /// Taken far from the outlet.
    PositionFarFromOutlet {
        /// Distance.
        metres: f64,
    },
    /// Taken far from where the device was.
    PositionFarFromDevice {
        /// Distance.
        metres: f64,
    },
    /// The outlet is where a GCJ-02 map shows the photo's place, or the other way round.
    Gcj02Offset {
        /// What is left after taking the shift away.
        residual_m: f64,
    },
    /// Taken on another day than the survey.
    TimeFarFromSurvey {
        /// Days from the survey to the photo.
        days: i64,
    },
    /// The same bytes are a photo of other outlets.
    UsedElsewhere {
        /// Which.
        outlets: Vec<OutletId>,
    },
    /// Nothing could be decoded.
    NoPreview,
    /// The preview comes from the EXIF thumbnail.
    PreviewFromThumbnail,
    /// Not decoded: the declared size or the memory needed is over the limit.
    TooManyPixels,
    /// The file ends early.
    Truncated,
}

impl Warning {
    /// Stable code, an entry of the dictionary `photo_warning`.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::ExifMissing => "exif_missing",
            Self::ExifDamaged => "exif_damaged",
            Self::TimeMissing => "time_missing",
            Self::OffsetAssumed => "offset_assumed",
            Self::PositionMissing => "position_missing",
            Self::PositionFarFromOutlet { .. } => "position_far_from_outlet",
            Self::PositionFarFromDevice { .. } => "position_far_from_device",
            Self::Gcj02Offset { .. } => "gcj02_offset",
            Self::TimeFarFromSurvey { .. } => "time_far_from_survey",
            Self::UsedElsewhere { .. } => "used_elsewhere",
            Self::NoPreview => "no_preview",
            Self::PreviewFromThumbnail => "preview_from_thumbnail",
            Self::TooManyPixels => "too_many_pixels",
            Self::Truncated => "truncated",
        }
    }
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ExifMissing => f.write_str("no EXIF (messengers and albums strip it): time and place are not proven"),
            Self::ExifDamaged => f.write_str("the EXIF is damaged; what could be read was kept"),
            Self::TimeMissing => f.write_str("the EXIF has no time of exposure"),
            Self::OffsetAssumed => f.write_str("the EXIF has no time offset: read as +08:00"),
            Self::PositionMissing => f.write_str("the EXIF has no position: was the camera's location switched on?"),
            Self::PositionFarFromOutlet { metres } => write!(f, "taken {metres:.0} m from the outlet"),
            Self::PositionFarFromDevice { metres } => write!(f, "taken {metres:.0} m from the device's own fix"),
            Self::Gcj02Offset { residual_m } => write!(
                f,
                "photo and outlet differ by the shift of a GCJ-02 map (within {residual_m:.0} m): \
                 give --datum gcj02 for coordinates from 高德, 腾讯 or WeChat"
            ),
            Self::TimeFarFromSurvey { days } if *days < 0 => write!(f, "taken {} days before the survey", -days),
            Self::TimeFarFromSurvey { days } => write!(f, "taken {days} days after the survey"),
            Self::UsedElsewhere { outlets } => {
                f.write_str("the same photo is used on")?;
                outlets.iter().try_for_each(|outlet| write!(f, " {outlet}"))
            }
            Self::NoPreview => f.write_str("no preview could be made; the original is kept"),
            Self::PreviewFromThumbnail => f.write_str("the preview is made from the small picture in the EXIF"),
            Self::TooManyPixels => f.write_str("too many pixels to decode safely; the original is kept"),
            Self::Truncated => f.write_str("the file is cut off: copy it again if the camera still has it"),
        }
    }
}

/// What counts as far.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Thresholds {
    /// Metres between photo and outlet or device: wide rivers are photographed from the other bank.
    pub far_m: f64,
    /// Days between photo and survey.
    pub days: i64,
    /// Metres by which an offset may miss the GCJ-02 shift.
    pub gcj02_m: f64,
}

impl Default for Thresholds {
    fn default() -> Self {
        Self { far_m: 200.0, days: 1, gcj02_m: 60.0 }
    }
}

/// What a photo is compared with.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Context<'a> {
    /// The outlet's place.
    pub outlet: Option<GeoPoint>,
    /// Where the device was when the photo was added.
    pub device_fix: Option<GeoPoint>,
    /// Day of the survey.
    pub survey_day: Option<Day>,
    /// Other outlets that hold the same bytes.
    pub other_uses: &'a [OutletId],
    /// What counts as far.
    pub thresholds: Thresholds,
}

/// Compares a photo with what is known around it. Order is stable; nothing known means no warning.
#[must_use]
pub fn warnings(seen: &Inspection, context: &Context<'_>) -> Vec<Warning> {
    let mut found = Vec::new();
    if seen.truncated {
        found.push(Warning::Truncated);
    }
    if seen.exif_damaged {
        found.push(Warning::ExifDamaged);
    }
    match &seen.exif {
        None if !seen.exif_damaged => found.push(Warning::ExifMissing),
        None => {}
        Some(exif) => {
            match exif.taken_at {
                None => found.push(Warning::TimeMissing),
                Some(_) if !exif.offset_in_file => found.push(Warning::OffsetAssumed),
                Some(_) => {}
            }
            if let (Some(taken), Some(survey)) = (exif.taken_at, context.survey_day) {
                let days = taken.day_in_shanghai().days_since(survey);
                if days.abs() > context.thresholds.days {
                    found.push(Warning::TimeFarFromSurvey { days });
                }
            }
            match exif.position {
                None => found.push(Warning::PositionMissing),
                Some((lon, lat)) => found.extend(distances(lon, lat, exif.accuracy_m, context)),
            }
        }
    }
    if !context.other_uses.is_empty() {
        found.push(Warning::UsedElsewhere { outlets: context.other_uses.to_vec() });
    }
    found
}

fn distances(lon: f64, lat: f64, accuracy_m: Option<f64>, context: &Context<'_>) -> Vec<Warning> {
    let mut found = Vec::new();
    // What the camera itself doubts is not held against it.
    let far_m = context.thresholds.far_m + accuracy_m.unwrap_or(0.0).min(context.thresholds.far_m);
    let far =
        |point: Option<GeoPoint>| point.map(|point| point.distance_to_m(lon, lat)).filter(|metres| *metres > far_m);
    if let Some(metres) = far(context.outlet) {
        found.push(Warning::PositionFarFromOutlet { metres });
        let photo = GeoPoint::new(lon, lat).ok();
        let shift = context.outlet.zip(photo).and_then(|(outlet, photo)| {
            let tolerance = context.thresholds.gcj02_m;
            gcj02_contamination(photo, outlet, tolerance).or_else(|| gcj02_contamination(outlet, photo, tolerance))
        });
        found.extend(shift.map(|residual_m| Warning::Gcj02Offset { residual_m }));
    }
    if let Some(metres) = far(context.device_fix) {
        found.push(Warning::PositionFarFromDevice { metres });
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::dictionary::Dictionaries;
    use crate::geo::Datum;
    use crate::media::{inspect, samples};

    /// A photo taken at the seat of Bazhou on 2021-06-01, +-4.5 m.
    fn photo() -> Inspection {
        inspect(&samples::jpeg_with_exif(&samples::exif_block(Some("+08:00")), 16, 16))
    }

    fn codes(seen: &Inspection, context: &Context<'_>) -> Vec<&'static str> {
        warnings(seen, context).iter().map(Warning::code).collect()
    }

    #[test]
    fn a_photo_at_the_outlet_on_the_day_has_none() {
        let outlet = GeoPoint::new(106.7691, 31.8511).unwrap();
        let context = Context {
            outlet: Some(outlet),
            device_fix: Some(outlet),
            survey_day: Some("2021-06-01".parse().unwrap()),
            ..Context::default()
        };
        assert_eq!(codes(&photo(), &context), Vec::<&str>::new());
        assert_eq!(codes(&photo(), &Context::default()), Vec::<&str>::new());
    }

    #[test]
    fn each_comparison_has_its_warning() {
        let place = GeoPoint::new(106.769, 31.851).unwrap();
        let (lon, lat) = place.shown_in(Datum::Gcj02);
        let shifted = GeoPoint::new(lon, lat).unwrap();
        let other = [OutletId::new(crate::time::Timestamp::from_millis(1), [1; 10])];
        let day = |text: &str| Some(text.parse().unwrap());
        for (context, expected) in [
            (
                Context { outlet: Some(place.moved_m(0.0, 300.0)), ..Context::default() },
                vec!["position_far_from_outlet"],
            ),
            (Context { outlet: Some(shifted), ..Context::default() }, vec!["position_far_from_outlet", "gcj02_offset"]),
            (
                Context { device_fix: Some(place.moved_m(-900.0, 0.0)), ..Context::default() },
                vec!["position_far_from_device"],
            ),
            (Context { survey_day: day("2021-06-02"), ..Context::default() }, vec![]),
            (Context { survey_day: day("2021-06-03"), ..Context::default() }, vec!["time_far_from_survey"]),
            (Context { other_uses: &other, ..Context::default() }, vec!["used_elsewhere"]),
        ] {
            assert_eq!(codes(&photo(), &context), expected, "{context:?}");
        }
        let text = warnings(&photo(), &Context { survey_day: day("2021-06-03"), ..Context::default() })[0].to_string();
        assert_eq!(text, "taken 2 days before the survey");
    }

    #[test]
    fn missing_and_damaged_metadata_are_told_apart() {
        let context = Context::default();
        assert_eq!(codes(&inspect(&samples::jpeg(16, 16)), &context), ["exif_missing"]);
        let garbage = samples::jpeg_with_exif(b"garbage, no TIFF", 16, 16);
        assert_eq!(codes(&inspect(&garbage), &context), ["exif_damaged"]);
        let assumed = samples::jpeg_with_exif(&samples::exif_block(None), 16, 16);
        assert_eq!(codes(&inspect(&assumed), &context), ["offset_assumed"]);
        let zeros = samples::jpeg_with_exif(&samples::exif_of_zeros(), 16, 16);
        assert_eq!(codes(&inspect(&zeros), &context), ["time_missing", "position_missing"]);
        let whole = samples::jpeg(64, 64);
        assert_eq!(codes(&inspect(&whole[..whole.len() - 2]), &context), ["truncated", "exif_missing"]);
    }

    #[test]
    fn every_code_has_a_label() {
        let all = Dictionaries::embedded();
        let dictionary = all.get("photo_warning").unwrap();
        let every = [
            Warning::ExifMissing,
            Warning::ExifDamaged,
            Warning::TimeMissing,
            Warning::OffsetAssumed,
            Warning::PositionMissing,
            Warning::PositionFarFromOutlet { metres: 1.0 },
            Warning::PositionFarFromDevice { metres: 1.0 },
            Warning::Gcj02Offset { residual_m: 1.0 },
            Warning::TimeFarFromSurvey { days: 1 },
            Warning::UsedElsewhere { outlets: Vec::new() },
            Warning::NoPreview,
            Warning::PreviewFromThumbnail,
            Warning::TooManyPixels,
            Warning::Truncated,
        ];
        for warning in &every {
            assert!(dictionary.term(warning.code()).is_some(), "{}", warning.code());
        }
        assert_eq!(dictionary.terms.len(), every.len());
    }
}
