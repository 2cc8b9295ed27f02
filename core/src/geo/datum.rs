//! Datums of field practice and their conversion to WGS-84.
//!
//! GCJ-02 (高德, 腾讯) and BD-09 (百度) are obfuscations of WGS-84 with a published reverse-engineered
//! formula; there is no closed inverse, so the forward formula is solved by fixed-point steps, a
//! bounded number of them. The raw pair is always kept: a better inverse may come.

use std::f64::consts::PI;
use std::fmt;
use std::str::FromStr;

use super::{GeoError, GeoPoint};
use crate::domain::field::Location;
use crate::time::Timestamp;

/// What a pair of coordinates refers to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Datum {
    /// WGS-84, as GPS delivers it.
    Wgs84,
    /// CGCS2000 (EPSG:4490), the official survey datum: equal to WGS-84 far below the error of a phone.
    Cgcs2000,
    /// GCJ-02, shown by 高德 and 腾讯 maps: about 450 m to the south-east in Bazhong.
    Gcj02,
    /// BD-09, shown by 百度: about 1.1 km off in Bazhong.
    Bd09,
}

impl Datum {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Wgs84, Self::Cgcs2000, Self::Gcj02, Self::Bd09];

    /// The code used in documents and on the command line.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Wgs84 => "wgs84",
            Self::Cgcs2000 => "cgcs2000",
            Self::Gcj02 => "gcj02",
            Self::Bd09 => "bd09",
        }
    }
}

impl fmt::Display for Datum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

impl FromStr for Datum {
    type Err = GeoError;

    /// Accepts the code, common spellings (`WGS-84`, `GCJ-02`, `EPSG:4490`) and the maps' names.
    fn from_str(text: &str) -> Result<Self, GeoError> {
        let plain: String = text.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect();
        Ok(match plain.as_str() {
            "wgs84" | "epsg4326" | "gps" => Self::Wgs84,
            "cgcs2000" | "epsg4490" | "国家2000" | "2000国家大地坐标系" | "天地图" => Self::Cgcs2000,
            "gcj02" | "高德" | "腾讯" | "微信" | "火星坐标" => Self::Gcj02,
            "bd09" | "bd09ll" | "百度" => Self::Bd09,
            _ => return Err(GeoError::UnknownDatum(text.chars().take(40).collect())),
        })
    }
}

/// A pair as it was given, and the same place in WGS-84.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Reading {
    /// In use.
    pub point: GeoPoint,
    /// Degrees east, as given.
    pub raw_lon: f64,
    /// Degrees north, as given.
    pub raw_lat: f64,
    /// Of the raw pair.
    pub datum: Datum,
}

impl Reading {
    /// Converts once, keeping the raw pair.
    ///
    /// # Errors
    /// When the raw pair is swapped or outside China.
    pub fn new(raw_lon: f64, raw_lat: f64, datum: Datum) -> Result<Self, GeoError> {
        GeoPoint::new(raw_lon, raw_lat)?;
        let (lon, lat) = match datum {
            Datum::Wgs84 | Datum::Cgcs2000 => (raw_lon, raw_lat),
            Datum::Gcj02 => solve(wgs84_to_gcj02, raw_lon, raw_lat),
            Datum::Bd09 => {
                let (lon, lat) = solve(gcj02_to_bd09, raw_lon, raw_lat);
                solve(wgs84_to_gcj02, lon, lat)
            }
        };
        Ok(Self { point: GeoPoint::new(lon, lat)?, raw_lon, raw_lat, datum })
    }

    /// The value of the fact `location`.
    #[must_use]
    pub fn location(&self, accuracy_m: Option<f64>, source: Option<&str>, fixed_at: Option<Timestamp>) -> Location {
        Location {
            lon: self.point.lon(),
            lat: self.point.lat(),
            raw_lon: self.raw_lon,
            raw_lat: self.raw_lat,
            datum: self.datum.code().to_owned(),
            accuracy_m,
            source: source.map(str::to_owned),
            fixed_at,
        }
    }
}

impl GeoPoint {
    /// The pair that a map of the given datum shows for this place.
    #[must_use]
    pub fn shown_in(self, datum: Datum) -> (f64, f64) {
        match datum {
            Datum::Wgs84 | Datum::Cgcs2000 => (self.lon(), self.lat()),
            Datum::Gcj02 => wgs84_to_gcj02(self.lon(), self.lat()),
            Datum::Bd09 => {
                let (lon, lat) = wgs84_to_gcj02(self.lon(), self.lat());
                gcj02_to_bd09(lon, lat)
            }
        }
    }
}

/// Is `suspect` where a GCJ-02 map would show `reference`? Answers the residual in metres when it
/// is below `tolerance_m`: the typical fault of coordinates copied from a phone's map. In Bazhong
/// the shift is about 390 m east and 240 m south; here it is computed for the very place.
#[must_use]
pub fn gcj02_contamination(reference: GeoPoint, suspect: GeoPoint, tolerance_m: f64) -> Option<f64> {
    let (lon, lat) = reference.shown_in(Datum::Gcj02);
    let residual = GeoPoint::new(lon, lat).ok()?.distance_m(suspect);
    (residual <= tolerance_m).then_some(residual)
}

/// Steps that the inverse may take; four reach a micrometre everywhere in China.
const INVERSE_STEPS: usize = 20;

/// Solves `forward(x) = (lon, lat)` by fixed-point steps: the shift changes slowly with the place.
fn solve(forward: fn(f64, f64) -> (f64, f64), lon: f64, lat: f64) -> (f64, f64) {
    let (mut x, mut y) = (lon, lat);
    for _ in 0..INVERSE_STEPS {
        let (shown_lon, shown_lat) = forward(x, y);
        let (off_lon, off_lat) = (shown_lon - lon, shown_lat - lat);
        x -= off_lon;
        y -= off_lat;
        if off_lon.abs() < 1e-11 && off_lat.abs() < 1e-11 {
            break;
        }
    }
    (x, y)
}

/// The published forward formula (Krasovsky 1940 ellipsoid).
fn wgs84_to_gcj02(lon: f64, lat: f64) -> (f64, f64) {
    const SEMI_MAJOR_M: f64 = 6_378_245.0;
    const ECCENTRICITY_2: f64 = 0.006_693_421_622_965_943;
    let (x, y) = (lon - 105.0, lat - 35.0);
    let shared = 20.0 * (6.0 * x * PI).sin() + 20.0 * (2.0 * x * PI).sin();
    let north = -100.0
        + 2.0 * x
        + 3.0 * y
        + 0.2 * y * y
        + 0.1 * x * y
        + 0.2 * x.abs().sqrt()
        + (shared
            + 20.0 * (y * PI).sin()
            + 40.0 * (y / 3.0 * PI).sin()
            + 160.0 * (y / 12.0 * PI).sin()
            + 320.0 * (y / 30.0 * PI).sin())
            * 2.0
            / 3.0;
    let east = 300.0
        + x
        + 2.0 * y
        + 0.1 * x * x
        + 0.1 * x * y
        + 0.1 * x.abs().sqrt()
        + (shared
            + 20.0 * (x * PI).sin()
            + 40.0 * (x / 3.0 * PI).sin()
            + 150.0 * (x / 12.0 * PI).sin()
            + 300.0 * (x / 30.0 * PI).sin())
            * 2.0
            / 3.0;
    let phi = lat.to_radians();
    let root_2 = 1.0 - ECCENTRICITY_2 * phi.sin() * phi.sin();
    let meridian = SEMI_MAJOR_M * (1.0 - ECCENTRICITY_2) / (root_2 * root_2.sqrt());
    let parallel = SEMI_MAJOR_M / root_2.sqrt() * phi.cos();
    (lon + (east / parallel).to_degrees(), lat + (north / meridian).to_degrees())
}

/// Baidu's second shift, on top of GCJ-02.
fn gcj02_to_bd09(lon: f64, lat: f64) -> (f64, f64) {
    const TURN: f64 = PI * 3000.0 / 180.0;
    let radius = lon.hypot(lat) + 0.000_02 * (lat * TURN).sin();
    let angle = lat.atan2(lon) + 0.000_003 * (lon * TURN).cos();
    (radius * angle.cos() + 0.0065, radius * angle.sin() + 0.006)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn datums_are_known_by_their_common_spellings() {
        for (text, datum) in [
            ("wgs84", Datum::Wgs84),
            ("WGS-84", Datum::Wgs84),
            ("EPSG:4490", Datum::Cgcs2000),
            ("GCJ-02", Datum::Gcj02),
            ("高德", Datum::Gcj02),
            ("bd09", Datum::Bd09),
        ] {
            assert_eq!(text.parse::<Datum>().unwrap(), datum);
        }
        for datum in Datum::ALL {
            assert_eq!(datum.to_string().parse::<Datum>().unwrap(), datum);
        }
        assert_eq!("beijing54".parse::<Datum>(), Err(GeoError::UnknownDatum("beijing54".to_owned())));
    }

    #[test]
    fn shifts_in_bazhong_have_the_known_size() {
        for (lon, lat) in [(106.769, 31.851), (106.40, 31.50), (107.75, 32.50), (107.104, 31.561)] {
            let place = GeoPoint::new(lon, lat).unwrap();
            let (gcj_lon, gcj_lat) = place.shown_in(Datum::Gcj02);
            let (east, north) = place.offset_m(GeoPoint::new(gcj_lon, gcj_lat).unwrap());
            assert!((360.0..450.0).contains(&east) && (-270.0..-210.0).contains(&north), "{east} {north}");
            let (bd_lon, bd_lat) = place.shown_in(Datum::Bd09);
            let baidu = place.distance_m(GeoPoint::new(bd_lon, bd_lat).unwrap());
            assert!((1050.0..1160.0).contains(&baidu), "{baidu}");
        }
    }

    #[test]
    fn the_raw_pair_stays_and_a_swapped_one_is_refused() {
        let reading = Reading::new(106.773, 31.849, Datum::Gcj02).unwrap();
        let location = reading.location(Some(5.0), Some("map"), None);
        assert_eq!((location.raw_lon, location.raw_lat, location.datum.as_str()), (106.773, 31.849, "gcj02"));
        assert!(location.lon < 106.770 && location.lat > 31.851);
        assert!(matches!(Reading::new(31.849, 106.773, Datum::Gcj02), Err(GeoError::Swapped { .. })));
        assert!(matches!(Reading::new(0.0, 0.0, Datum::Bd09), Err(GeoError::OutsideChina { .. })));
    }

    #[test]
    fn a_gcj02_twin_is_recognised_and_a_neighbour_is_not() {
        let place = GeoPoint::new(106.769, 31.851).unwrap();
        let (lon, lat) = place.shown_in(Datum::Gcj02);
        let twin = GeoPoint::new(lon, lat).unwrap().moved_m(12.0, -9.0);
        assert!((gcj02_contamination(place, twin, 60.0).unwrap() - 15.0).abs() < 0.1);
        assert!(gcj02_contamination(place, place.moved_m(0.0, 450.0), 60.0).is_none());
        assert!(gcj02_contamination(place, place, 60.0).is_none());
        assert!(gcj02_contamination(twin, place, 60.0).is_none());
    }

    proptest! {
        #[test]
        fn every_datum_comes_back_within_a_centimetre(lon in 75.0..134.0f64, lat in 5.0..53.0f64) {
            let place = GeoPoint::new(lon, lat).unwrap();
            for datum in Datum::ALL {
                let (raw_lon, raw_lat) = place.shown_in(datum);
                let reading = Reading::new(raw_lon, raw_lat, datum).unwrap();
                prop_assert!(reading.point.distance_m(place) < 0.01, "{datum}: {}", reading.point.distance_m(place));
                prop_assert_eq!((reading.raw_lon, reading.raw_lat), (raw_lon, raw_lat));
            }
        }

        #[test]
        fn the_forward_formula_is_the_one_others_publish(lon in 75.0..134.0f64, lat in 5.0..53.0f64) {
            let place = GeoPoint::new(lon, lat).unwrap();
            let theirs = gcj02::gcj02::wgs84_to_gcj02((lon, lat).into());
            let (x, y) = place.shown_in(Datum::Gcj02);
            prop_assert!((theirs.x - x).abs() < 1e-9 && (theirs.y - y).abs() < 1e-9);
            let theirs = gcj02::bd09::wgs84_to_bd09((lon, lat).into());
            let (x, y) = place.shown_in(Datum::Bd09);
            prop_assert!((theirs.x - x).abs() < 1e-9 && (theirs.y - y).abs() < 1e-9);
        }

        #[test]
        fn hostile_pairs_end_in_an_error_or_a_point(lon in any::<f64>(), lat in any::<f64>()) {
            for datum in Datum::ALL {
                if let Ok(reading) = Reading::new(lon, lat, datum) {
                    prop_assert!(reading.point.lon().is_finite() && reading.point.lat().is_finite());
                }
            }
        }
    }
}
