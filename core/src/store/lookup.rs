//! Finding outlets without reading the list: by place, by temporary number, by the beginning of an
//! id. Two kinds of rows, kept beside each summary in the same batch, and the order of the summaries'
//! own keys.

use std::collections::BTreeSet;

use super::edge::EdgeStore;
use super::error::StoreError;
use super::rows::{self, SummaryRow};
use super::summary::OutletSummary;
use crate::geo::GeoPoint;
use crate::ids::{Collection, OutletId};

/// Edge of a cell in degrees: about 550 m to the north and 470 m to the east in Bazhong.
const CELL_DEG: f64 = 0.005;
/// Metres per degree of latitude, rounded down: cells looked at are never too few.
const METRES_PER_DEGREE: f64 = 110_000.0;
/// A search over more rows of cells than this reads the list instead.
const MAX_ROWS: u32 = 400;
/// Numbers longer than this are found by reading the list.
const MAX_NUMBER_BYTES: usize = 120;
/// Fewer digits of an id are no beginning.
const MIN_PREFIX: usize = 4;

/// The rows that lead to an outlet with this summary.
pub(super) fn keys(summary: &OutletSummary) -> BTreeSet<Vec<u8>> {
    let (collection, id) = (summary.collection, summary.key.id);
    let place = summary.lon.zip(summary.lat).and_then(|(lon, lat)| GeoPoint::new(lon, lat).ok());
    let place = place.map(|point| rows::place(cell(point.lat(), 90.0), cell(point.lon(), 180.0), collection, id));
    let number = summary.temporary_number.as_deref().filter(|number| is_indexed(number));
    place.into_iter().chain(number.map(|number| rows::number(number, collection, id))).collect()
}

/// The summary in a row as it was written, without its state.
pub(super) fn parse(row: &SummaryRow) -> Result<OutletSummary, StoreError> {
    serde_json::from_str(&row.json).map_err(|error| StoreError::Index(format!("a summary does not decode: {error}")))
}

fn is_indexed(number: &str) -> bool {
    number.len() <= MAX_NUMBER_BYTES && !number.contains('\0')
}

/// Number of a cell along one axis. Coordinates are those of a [`GeoPoint`]: finite and in China.
fn cell(degrees: f64, half: f64) -> u32 {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 72,000, and `as` saturates")]
    let number = ((degrees + half) / CELL_DEG).floor() as u32;
    number
}

impl EdgeStore {
    /// The summary of one outlet.
    pub(super) fn summary(&self, collection: Collection, id: OutletId) -> Result<Option<OutletSummary>, StoreError> {
        let row: Option<SummaryRow> = self.row(&rows::summary(collection, id))?;
        row.map(|row| self.summary_of(&row, &self.handed()?)).transpose()
    }

    /// Outlets within so many metres of a point, nearest first, with their distance.
    pub(super) fn around(&self, here: GeoPoint, within_m: f64) -> Result<Vec<(f64, OutletSummary)>, StoreError> {
        let candidates = match Area::around(here, within_m) {
            Some(area) => self.in_cells(&area)?,
            None => self.all()?,
        };
        let distance = |outlet: &OutletSummary| Some(here.distance_m(GeoPoint::new(outlet.lon?, outlet.lat?).ok()?));
        let mut found: Vec<(f64, OutletSummary)> = candidates
            .into_iter()
            .filter_map(|outlet| Some((distance(&outlet)?, outlet)))
            .filter(|(distance, _)| *distance <= within_m)
            .collect();
        found.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.key.cmp(&b.1.key)));
        Ok(found)
    }

    fn in_cells(&self, area: &Area) -> Result<Vec<OutletSummary>, StoreError> {
        let mut named = Vec::new();
        for lat in area.lat.0..=area.lat.1 {
            self.index()?.scan_from(&rows::places_in(lat), &rows::places_from(lat, area.lon.0), &mut |key, _| {
                let inside = rows::place_lon(key).is_some_and(|lon| lon <= area.lon.1);
                named.extend(rows::outlet_at_end(key).filter(|_| inside));
                inside
            })?;
        }
        self.named(named)
    }

    fn named(&self, named: Vec<(Collection, OutletId)>) -> Result<Vec<OutletSummary>, StoreError> {
        let mut found = Vec::new();
        for (collection, id) in named {
            found.extend(self.summary(collection, id)?);
        }
        Ok(found)
    }

    /// Outlets with this temporary number, by key.
    pub(super) fn with_number(&self, number: &str) -> Result<Vec<OutletSummary>, StoreError> {
        if !is_indexed(number) {
            let is_it = |outlet: &OutletSummary| outlet.temporary_number.as_deref() == Some(number);
            return Ok(self.all()?.into_iter().filter(is_it).collect());
        }
        let mut named = Vec::new();
        self.index()?.scan(&rows::numbered(number), &mut |key, _| {
            named.extend(rows::outlet_at_end(key));
            true
        })?;
        self.named(named)
    }

    /// Temporary numbers in use that begin with a text, sorted.
    pub(super) fn numbers(&self, beginning: &str) -> Result<Vec<String>, StoreError> {
        let mut numbers = Vec::new();
        self.index()?.scan(&rows::numbers_from(beginning), &mut |key, _| {
            numbers.extend(rows::number_text(key));
            true
        })?;
        numbers.dedup();
        Ok(numbers)
    }

    /// Collections with outlets in the list: one step of the index each.
    fn listed_collections(&self) -> Result<Vec<Collection>, StoreError> {
        let mut found = Vec::new();
        let mut from = b"s".to_vec();
        loop {
            let mut next = None;
            self.index()?.scan_from(b"s", &from, &mut |key, _| {
                next = rows::outlet_at_end(key);
                false
            })?;
            let Some((collection, _)) = next else { return Ok(found) };
            found.push(collection);
            from = rows::after_summaries_of(collection);
        }
    }

    /// Outlets whose id begins with hexadecimal digits, at least four, hyphens as in a UUID.
    pub(super) fn with_id(&self, beginning: &str) -> Result<Vec<OutletSummary>, StoreError> {
        let beginning = beginning.to_ascii_lowercase();
        let digits: Vec<u8> = beginning.bytes().filter(u8::is_ascii_hexdigit).take(32).collect();
        if beginning.len() < MIN_PREFIX {
            return Ok(Vec::new());
        }
        let whole = digits.len() / 2 * 2;
        let Ok(bytes) = data_encoding::HEXLOWER.decode(&digits[..whole]) else { return Ok(Vec::new()) };
        let handed = self.handed()?;
        let mut found = Vec::new();
        for collection in self.listed_collections()? {
            let prefix = [rows::summaries_of(collection), bytes.clone()].concat();
            for (_, row) in self.rows::<SummaryRow>(&prefix)? {
                let summary = self.summary_of(&row, &handed)?;
                // The last digit may be half a byte, and a hyphen must stand where one does.
                if summary.key.id.to_string().starts_with(&beginning) {
                    found.push(summary);
                }
            }
        }
        Ok(found)
    }
}

/// Cells around a point, bounds included.
struct Area {
    lat: (u32, u32),
    lon: (u32, u32),
}

impl Area {
    /// `None` when they are too many to be worth it.
    fn around(here: GeoPoint, within_m: f64) -> Option<Self> {
        let north = within_m.max(0.0) / METRES_PER_DEGREE;
        // Degrees of longitude are shortest at the edge that is farther from the equator.
        let narrow = (here.lat().abs() + north).min(89.0).to_radians().cos();
        let east = north / narrow;
        let lat = (cell(here.lat() - north, 90.0), cell(here.lat() + north, 90.0));
        let lon = (cell(here.lon() - east, 180.0), cell(here.lon() + east, 180.0));
        (within_m.is_finite() && lat.1 - lat.0 <= MAX_ROWS).then_some(Self { lat, lon })
    }
}

#[cfg(test)]
mod tests {
    use super::super::store_tests::{NOW, name, open, outlet};
    use super::super::{Store as _, summary::Filter};
    use super::*;
    use crate::ids::DocKey;
    use rand::{Rng as _, SeedableRng as _};

    fn place(point: GeoPoint) -> String {
        let (lon, lat) = (point.lon(), point.lat());
        let value = format!(r#"{{"lon":{lon},"lat":{lat},"raw_lon":{lon},"raw_lat":{lat},"datum":"wgs84"}}"#);
        fact("location", &value)
    }

    fn fact(field: &str, value: &str) -> String {
        format!(r#"{{"type":"fact","field":"{field}","value":{value},"at":6}}"#)
    }

    fn ids(found: &[(f64, OutletSummary)]) -> Vec<DocKey> {
        found.iter().map(|(_, outlet)| outlet.key).collect()
    }

    #[test]
    fn the_cells_find_what_the_whole_list_finds() {
        let mut random = rand_chacha::ChaCha8Rng::seed_from_u64(3);
        let home = tempfile::tempdir().unwrap();
        let mut store = open(home.path());
        // On a cell border, so that neighbours lie in all directions across it.
        let here = GeoPoint::new(106.775, 31.85).unwrap();
        let mut points = Vec::new();
        for number in 0..60 {
            let reach = [20.0, 400.0, 3_000.0][usize::from(number % 3)];
            let point = here.moved_m(random.random_range(-reach..reach), random.random_range(-reach..reach));
            store.write(&outlet(number), &[place(point)], &[], NOW).unwrap();
            points.push((outlet(number), point));
        }
        for within in [0.0, 10.0, 30.0, 550.0, 5_000.0, 1e6, f64::INFINITY] {
            let mut expected: Vec<(f64, DocKey)> =
                points.iter().map(|(key, point)| (here.distance_m(*point), *key)).collect();
            expected.retain(|(distance, _)| *distance <= within);
            expected.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
            let found = store.near(here.lon(), here.lat(), within).unwrap();
            assert_eq!(ids(&found), expected.iter().map(|(_, key)| *key).collect::<Vec<_>>(), "{within}");
        }
    }

    #[test]
    fn a_record_that_moves_or_gets_another_number_is_found_in_one_place_only() {
        let home = tempfile::tempdir().unwrap();
        let mut store = open(home.path());
        let here = GeoPoint::new(106.775, 31.85).unwrap();
        let key = outlet(1);
        store.write(&key, &[place(here), fact("temporary_number", "\"A-1\"")], &[], NOW).unwrap();
        let old = |store: &EdgeStore| {
            let entries = store.document(&key).unwrap().unwrap().entries();
            entries.iter().map(|entry| format!("\"{}\"", entry.id)).collect::<Vec<_>>().join(",")
        };
        let replacing = |text: &str, old: &str| text.replace("\"at\":6", &format!("\"replaces\":[{old}],\"at\":7"));
        let seen = old(&store);
        let moved = replacing(&place(here.moved_m(1_000.0, 0.0)), &seen);
        let renamed = replacing(&fact("temporary_number", "\"A-10\""), &seen);
        store.write(&key, &[moved, renamed], &[], NOW).unwrap();
        assert!(store.near(here.lon(), here.lat(), 100.0).unwrap().is_empty());
        assert_eq!(store.near(here.lon(), here.lat(), 1_100.0).unwrap().len(), 1);
        assert!(store.by_number("A-1").unwrap().is_empty(), "a number that another begins with is another");
        assert_eq!(store.by_number("A-10").unwrap()[0].key, key);
        assert_eq!(store.numbers_beginning("A-").unwrap(), ["A-10"]);
    }

    #[test]
    fn a_beginning_of_an_id_is_enough_at_half_a_byte_too() {
        let home = tempfile::tempdir().unwrap();
        let mut store = open(home.path());
        for number in 1..=3 {
            store.write(&outlet(number), &[name("x")], &[], NOW).unwrap();
        }
        let elsewhere = DocKey { collection: "511921".parse().unwrap(), ..outlet(2) };
        store.write(&DocKey { id: outlet(9).id, ..elsewhere }, &[name("y")], &[], NOW).unwrap();
        let id = outlet(2).id.to_string();
        // All of them share the time; the random part tells them apart.
        for (digits, expected) in [(4, 4), (13, 4), (id.len() - 1, 1), (id.len(), 1), (3, 0)] {
            assert_eq!(store.find(&id[..digits]).unwrap().len(), expected, "{digits}");
        }
        assert!(store.find(&format!("{}-", &id[..4])).unwrap().is_empty(), "no hyphen stands there");
        assert_eq!(store.find(&id.to_uppercase()).unwrap().len(), 1);
        assert_eq!(store.summaries(&Filter::default()).unwrap().len(), 4);
    }
}
