//! A known outlet close to a place, for warnings and for `outlet near`.

use outlet_core::geo::GeoPoint;
use outlet_core::ids::OutletId;
use outlet_core::store::OutletSummary;
use serde::Serialize;

/// A known outlet close to a point.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Near {
    /// UUID.
    pub(crate) id: OutletId,
    /// Temporary number.
    pub(crate) temporary_number: Option<String>,
    /// Name.
    pub(crate) name: Option<String>,
    /// Degrees east.
    pub(crate) lon: f64,
    /// Degrees north.
    pub(crate) lat: f64,
    /// Distance, to the decimetre.
    pub(crate) distance_m: f64,
}

impl Near {
    /// An outlet at a distance. `None` for one without a position.
    pub(crate) fn new(distance_m: f64, outlet: OutletSummary) -> Option<Self> {
        Some(Self {
            id: outlet.key.id,
            lon: outlet.lon?,
            lat: outlet.lat?,
            temporary_number: outlet.temporary_number,
            name: outlet.name,
            distance_m: (distance_m * 10.0).round() / 10.0,
        })
    }

    /// For a sentence: number or id, and name.
    pub(crate) fn label(&self) -> String {
        let number = self.temporary_number.clone().unwrap_or_else(|| self.id.to_string());
        match &self.name {
            Some(name) => format!("{number} ({name})"),
            None => number,
        }
    }

    /// Its place.
    pub(crate) fn point(&self) -> Option<GeoPoint> {
        GeoPoint::new(self.lon, self.lat).ok()
    }
}
