//! Points on the ground: WGS-84 in use, the raw pair and its datum kept beside it.
//!
//! [`datum`] converts what maps and tablets deliver, [`parse`] reads what people type. Polygons and
//! projections are not here: a point is all that an inspector records.

pub mod datum;
pub mod parse;

use std::fmt;

pub use datum::{Datum, Reading, gcj02_contamination};
pub use parse::{parse_degrees, parse_pair};

/// Mean radius of the earth in metres (IUGG), for great circles.
const EARTH_RADIUS_M: f64 = 6_371_008.8;

/// A rectangle of degrees.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bounds {
    /// Western edge.
    pub west: f64,
    /// Southern edge.
    pub south: f64,
    /// Eastern edge.
    pub east: f64,
    /// Northern edge.
    pub north: f64,
}

impl Bounds {
    /// China with a margin. Longitudes and latitudes do not overlap in it, which is what makes a
    /// swapped pair detectable.
    pub const CHINA: Self = Self { west: 73.0, south: 3.0, east: 136.0, north: 54.0 };
    /// Bazhong City with a margin of about 5 km.
    pub const BAZHONG: Self = Self { west: 106.30, south: 31.20, east: 107.82, north: 32.80 };

    /// Is the point inside or on the edge? Never for NaN.
    #[must_use]
    pub fn contains(&self, lon: f64, lat: f64) -> bool {
        (self.west..=self.east).contains(&lon) && (self.south..=self.north).contains(&lat)
    }
}

/// Why coordinates are refused.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum GeoError {
    /// Longitude and latitude are the wrong way round.
    #[error("longitude {lon} and latitude {lat} look swapped: did you mean longitude {lat}, latitude {lon}?")]
    Swapped {
        /// As given.
        lon: f64,
        /// As given.
        lat: f64,
    },
    /// Not in China, whichever way round.
    #[error(
        "longitude {lon}, latitude {lat} is outside China: Bazhong lies near longitude 106.8, latitude 31.9; check digits and order"
    )]
    OutsideChina {
        /// As given.
        lon: f64,
        /// As given.
        lat: f64,
    },
    /// No such datum.
    #[error("unknown datum {0:?}: use wgs84, cgcs2000, gcj02 (高德, 腾讯) or bd09 (百度)")]
    UnknownDatum(String),
    /// The text holds no coordinate.
    #[error("cannot read {0:?} as a coordinate: write decimal degrees such as 106.769215, or 106°46′09.2″")]
    Unreadable(String),
    /// Minutes or seconds of 60 or more, or a fraction before the last part.
    #[error("minutes and seconds in {0:?} must be below 60, and only the last part may have decimals")]
    Sexagesimal(String),
    /// A pair was expected.
    #[error("{0:?} is not one longitude and one latitude: write them as 106.769215,31.851020")]
    NotAPair(String),
}

impl GeoError {
    /// What to try next, where more is known than the message says.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Swapped { lon, lat } => Some(format!("try --lon {lat} --lat {lon}")),
            _ => None,
        }
    }
}

/// A point in WGS-84 inside China's box. The fields cannot hold anything else.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(try_from = "(f64, f64)", into = "(f64, f64)")]
pub struct GeoPoint {
    lon: f64,
    lat: f64,
}

impl TryFrom<(f64, f64)> for GeoPoint {
    type Error = GeoError;

    fn try_from((lon, lat): (f64, f64)) -> Result<Self, GeoError> {
        Self::new(lon, lat)
    }
}

impl From<GeoPoint> for (f64, f64) {
    fn from(point: GeoPoint) -> Self {
        (point.lon, point.lat)
    }
}

impl GeoPoint {
    /// Checks the pair: finite, not swapped, in China.
    ///
    /// # Errors
    /// [`GeoError::Swapped`] when the reverse order would lie in China, else [`GeoError::OutsideChina`].
    pub fn new(lon: f64, lat: f64) -> Result<Self, GeoError> {
        if Bounds::CHINA.contains(lon, lat) {
            Ok(Self { lon, lat })
        } else if Bounds::CHINA.contains(lat, lon) {
            Err(GeoError::Swapped { lon, lat })
        } else {
            Err(GeoError::OutsideChina { lon, lat })
        }
    }

    /// Degrees east.
    #[must_use]
    pub fn lon(self) -> f64 {
        self.lon
    }

    /// Degrees north.
    #[must_use]
    pub fn lat(self) -> f64 {
        self.lat
    }

    /// In Bazhong's box? Outside is a warning, never a refusal: rivers cross the city's border.
    #[must_use]
    pub fn is_near_bazhong(self) -> bool {
        Bounds::BAZHONG.contains(self.lon, self.lat)
    }

    /// Great-circle distance in metres.
    #[must_use]
    pub fn distance_m(self, other: Self) -> f64 {
        self.distance_to_m(other.lon, other.lat)
    }

    /// Great-circle distance in metres to a place anywhere on earth, such as a photo's.
    #[must_use]
    pub fn distance_to_m(self, lon: f64, lat: f64) -> f64 {
        let (lat_a, lat_b) = (self.lat.to_radians(), lat.to_radians());
        let half_lat = ((lat_b - lat_a) / 2.0).sin();
        let half_lon = ((lon - self.lon).to_radians() / 2.0).sin();
        let chord = half_lat * half_lat + lat_a.cos() * lat_b.cos() * half_lon * half_lon;
        2.0 * EARTH_RADIUS_M * chord.clamp(0.0, 1.0).sqrt().asin()
    }

    /// Metres east and north from here to there, good within a few kilometres.
    #[must_use]
    pub fn offset_m(self, other: Self) -> (f64, f64) {
        let middle = f64::midpoint(self.lat, other.lat).to_radians();
        let east = (other.lon - self.lon).to_radians() * middle.cos() * EARTH_RADIUS_M;
        let north = (other.lat - self.lat).to_radians() * EARTH_RADIUS_M;
        (east, north)
    }

    /// The point so many metres east and north, clamped to China's box.
    #[must_use]
    pub fn moved_m(self, east: f64, north: f64) -> Self {
        let lat = self.lat + (north / EARTH_RADIUS_M).to_degrees();
        let lon = self.lon + (east / (EARTH_RADIUS_M * self.lat.to_radians().cos())).to_degrees();
        let china = Bounds::CHINA;
        let or = |value: f64, fallback: f64| if value.is_finite() { value } else { fallback };
        Self {
            lon: or(lon, self.lon).clamp(china.west, china.east),
            lat: or(lat, self.lat).clamp(china.south, china.north),
        }
    }
}

impl fmt::Display for GeoPoint {
    /// Six decimals, about 0.1 m: `106.769215,31.851020`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.6},{:.6}", self.lon, self.lat)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pair_is_in_china_or_swapped_or_refused() {
        assert!(GeoPoint::new(106.769, 31.851).unwrap().is_near_bazhong());
        assert!(!GeoPoint::new(104.066, 30.572).unwrap().is_near_bazhong());
        let swapped = GeoPoint::new(31.851, 106.769).unwrap_err();
        assert_eq!(swapped, GeoError::Swapped { lon: 31.851, lat: 106.769 });
        assert_eq!(swapped.hint().unwrap(), "try --lon 106.769 --lat 31.851");
        for (lon, lat) in [(0.0, 0.0), (-106.7, 31.8), (f64::NAN, 31.8), (106.7, f64::INFINITY), (1067.69, 31.851)] {
            assert!(matches!(GeoPoint::new(lon, lat), Err(GeoError::OutsideChina { .. })), "{lon} {lat}");
        }
    }

    #[test]
    fn distance_agrees_with_known_lengths() {
        let seat = GeoPoint::new(106.769, 31.851).unwrap();
        assert!(seat.distance_m(seat).abs() < 1e-9);
        // One degree of latitude on the mean sphere.
        let north = GeoPoint::new(106.769, 32.851).unwrap();
        assert!((seat.distance_m(north) - 111_195.08).abs() < 0.1);
        let moved = seat.moved_m(390.0, -240.0);
        let (east, north) = seat.offset_m(moved);
        assert!((east - 390.0).abs() < 0.1 && (north + 240.0).abs() < 0.1, "{east} {north}");
        assert!((seat.distance_m(moved) - 390f64.hypot(240.0)).abs() < 0.1);
        assert_eq!(seat.to_string(), "106.769000,31.851000");
    }
}
