//! Known outlets by place: a grid over the records of this device, so that a batch of thousands of
//! new outlets asks for neighbours without walking the whole list each time.

use std::collections::BTreeMap;

use outlet_core::geo::GeoPoint;
use outlet_core::ids::OutletId;
use serde::Serialize;

/// Edge of a cell in degrees: about 550 m to the north and 470 m to the east in Bazhong.
const CELL_DEG: f64 = 0.005;
/// Metres per degree of latitude, rounded down: cells looked at are never too few.
const METRES_PER_DEGREE: f64 = 90_000.0;

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

/// A record in the grid.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Known {
    pub(crate) id: OutletId,
    pub(crate) temporary_number: Option<String>,
    pub(crate) name: Option<String>,
    pub(crate) point: GeoPoint,
}

/// The records by cell.
#[derive(Debug, Default)]
pub(crate) struct Grid {
    cells: BTreeMap<(i64, i64), Vec<Known>>,
    place: BTreeMap<OutletId, (i64, i64)>,
}

fn cell(point: GeoPoint) -> (i64, i64) {
    // Longitudes and latitudes in China's box divide into a few ten thousand cells.
    #[expect(clippy::cast_possible_truncation, reason = "a degree divided by 0.005 fits easily")]
    let index = |degrees: f64| (degrees / CELL_DEG).floor() as i64;
    (index(point.lon()), index(point.lat()))
}

impl Grid {
    /// Adds a record, or moves it.
    pub(crate) fn put(&mut self, known: Known) {
        self.remove(known.id);
        let cell = cell(known.point);
        self.place.insert(known.id, cell);
        self.cells.entry(cell).or_default().push(known);
    }

    /// Forgets a record.
    pub(crate) fn remove(&mut self, id: OutletId) {
        if let Some(cell) = self.place.remove(&id)
            && let Some(records) = self.cells.get_mut(&cell)
        {
            records.retain(|known| known.id != id);
        }
    }

    /// Records within `within_m` metres, nearest first.
    pub(crate) fn near(&self, point: GeoPoint, within_m: f64) -> Vec<Near> {
        let (lon, lat) = cell(point);
        #[expect(clippy::cast_possible_truncation, reason = "a search radius divided by a cell's edge is small")]
        let reach = ((within_m / METRES_PER_DEGREE / CELL_DEG).ceil() as i64).clamp(1, 4_000);
        let mut found: Vec<Near> = Vec::new();
        for west_east in lon.saturating_sub(reach)..=lon.saturating_add(reach) {
            let row = self.cells.range((west_east, lat.saturating_sub(reach))..=(west_east, lat.saturating_add(reach)));
            for known in row.flat_map(|(_, records)| records) {
                let distance_m = (point.distance_m(known.point) * 10.0).round() / 10.0;
                if distance_m <= within_m {
                    found.push(Near {
                        id: known.id,
                        temporary_number: known.temporary_number.clone(),
                        name: known.name.clone(),
                        lon: known.point.lon(),
                        lat: known.point.lat(),
                        distance_m,
                    });
                }
            }
        }
        found.sort_by(|a, b| a.distance_m.total_cmp(&b.distance_m).then(a.id.cmp(&b.id)));
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(serial: u8, point: GeoPoint) -> Known {
        let id = OutletId::new(outlet_core::time::Timestamp::from_millis(0), [serial; 10]);
        Known { id, temporary_number: None, name: Some(format!("{serial}")), point }
    }

    #[test]
    fn neighbours_are_found_across_cell_borders_and_sorted_by_distance() {
        // On a cell border, so that neighbours to the west and south lie in other cells.
        let here = GeoPoint::new(106.775, 31.85).unwrap();
        let mut grid = Grid::default();
        for (serial, east, north) in [(1, -20.0, 0.0), (2, 0.0, -10.0), (3, 200.0, 0.0), (4, -25.0, -20.0)] {
            grid.put(known(serial, here.moved_m(east, north)));
        }
        let names = |found: Vec<Near>| found.into_iter().filter_map(|near| near.name).collect::<Vec<_>>();
        assert_eq!(names(grid.near(here, 30.0)), ["2", "1"]);
        assert_eq!(names(grid.near(here, 2_000.0)), ["2", "1", "4", "3"]);
    }

    #[test]
    fn a_moved_record_is_in_one_place_only() {
        let here = GeoPoint::new(106.775, 31.85).unwrap();
        let mut grid = Grid::default();
        grid.put(known(1, here));
        grid.put(known(1, here.moved_m(1_000.0, 0.0)));
        assert!(grid.near(here, 100.0).is_empty());
        assert_eq!(grid.near(here, 1_100.0).len(), 1);
    }
}
