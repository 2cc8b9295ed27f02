//! Coordinates as options: decimal degrees, degrees-minutes-seconds, full-width digits, in one of
//! four datums. The pair as typed and its datum are kept beside the WGS-84 value.

use clap::Args;
use outlet_core::domain::field::Location;
use outlet_core::geo::{Datum, GeoError, GeoPoint, Reading, parse_degrees};
use outlet_core::time::Timestamp;

use super::answer::quantity;
use super::instant;
use crate::error::{CommandError, Result};
use crate::ui::Warning;

/// Worse than this, neighbouring outlets cannot be told apart.
const POOR_ACCURACY_M: f64 = 100.0;

/// A position.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Position")]
pub(crate) struct PositionArgs {
    /// Longitude: 106.769215, 106°46′09.2″, full-width digits too.
    #[arg(long, allow_hyphen_values = true, requires = "lat")]
    lon: Option<String>,
    /// Latitude.
    #[arg(long, allow_hyphen_values = true, requires = "lon")]
    lat: Option<String>,
    /// wgs84|cgcs2000|gcj02|bd09 (GPS / 国家2000 / 高德、腾讯 / 百度).
    #[arg(long, default_value = "wgs84")]
    datum: String,
    /// Accuracy in metres, as the receiver claims it.
    #[arg(long, allow_negative_numbers = true)]
    accuracy: Option<String>,
    /// gps|map|typed|photo [default: gps with --accuracy, else typed].
    #[arg(long)]
    source: Option<String>,
    /// When the fix was taken, with its offset.
    #[arg(long, value_parser = instant)]
    fixed_at: Option<Timestamp>,
}

const SOURCES: [&str; 4] = ["gps", "map", "typed", "photo"];

impl PositionArgs {
    /// The location, if coordinates are given.
    pub(crate) fn location(
        &self,
        now: Timestamp,
        usual: &str,
        warnings: &mut Vec<Warning>,
    ) -> Result<Option<Location>> {
        let (Some(lon), Some(lat)) = (&self.lon, &self.lat) else { return Ok(None) };
        let datum: Datum = self.datum.parse().map_err(refused)?;
        let (raw_lon, raw_lat) = (parse_degrees(lon).map_err(refused)?, parse_degrees(lat).map_err(refused)?);
        let reading = Reading::new(raw_lon, raw_lat, datum).map_err(refused)?;
        let accuracy = self.accuracy.as_deref().map(|text| quantity(text, "--accuracy")).transpose()?;
        let source = match self.source.as_deref() {
            Some(source) if SOURCES.contains(&source) => source,
            Some(other) => {
                return Err(CommandError::user(format!("{other:?} is not a source of coordinates"))
                    .hint("use --source gps, map, typed or photo"));
            }
            None if accuracy.is_some() => "gps",
            None => usual,
        };
        if accuracy.is_some_and(|metres| metres > POOR_ACCURACY_M) {
            warnings.push(Warning::new(
                "poor_accuracy",
                "the accuracy is worse than 100 m: take the fix again under open sky, or correct it with `outlet edit`.",
            ));
        }
        if !reading.point.is_near_bazhong() {
            warnings.push(Warning::new(
                "outside_bazhong",
                format!("{} lies outside Bazhong: check digits and datum.", reading.point),
            ));
        }
        let fixed_at = self.fixed_at.or((source == "gps").then_some(now));
        Ok(Some(reading.location(accuracy, Some(source), fixed_at)))
    }

    /// The point in WGS-84, if coordinates are given.
    pub(crate) fn point(&self, now: Timestamp) -> Result<Option<GeoPoint>> {
        let location = self.location(now, "typed", &mut Vec::new())?;
        location.map(|location| GeoPoint::new(location.lon, location.lat).map_err(refused)).transpose()
    }
}

/// A plain WGS-84 pair, as in a node of a trace.
pub(crate) fn point(lon: &str, lat: &str) -> Result<GeoPoint> {
    let (lon, lat) = (parse_degrees(lon).map_err(refused)?, parse_degrees(lat).map_err(refused)?);
    GeoPoint::new(lon, lat).map_err(refused)
}

/// `LON,LAT` in WGS-84.
pub(crate) fn pair(text: &str) -> Result<GeoPoint> {
    let (lon, lat) = outlet_core::geo::parse_pair(text).map_err(refused)?;
    GeoPoint::new(lon, lat).map_err(refused)
}

/// What to do about refused coordinates.
fn refused(error: GeoError) -> CommandError {
    let hint = match &error {
        GeoError::Swapped { .. } => error.hint().unwrap_or_default(),
        GeoError::OutsideChina { .. } => {
            "check the digits; --lon comes first in Bazhong: about 106.4 to 107.8, --lat 31.2 to 32.8".to_owned()
        }
        GeoError::UnknownDatum(_) => "use --datum wgs84 unless the pair was read from a map on a phone".to_owned(),
        _ => "write --lon 106.769215 --lat 31.851020, or --lon 106°46′09.2″ --lat 31°51′03.7″".to_owned(),
    };
    CommandError::user(error).hint(hint)
}
