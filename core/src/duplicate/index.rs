//! Records by place, code and photograph, so that one record asks only its neighbours.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::compare::{MOST_M, compare};
use super::{Candidate, Feature};
use crate::geo::{Datum, GeoPoint};
use crate::ids::{BlobHash, DocKey};

/// Edge of a cell in degrees: 200 m to the north, 170 m to the east in Bazhong; more than [`MOST_M`].
const CELL_DEG: f64 = 0.002;
const _: () = assert!(MOST_M < CELL_DEG * 90_000.0, "neighbours lie in neighbouring cells");

/// A cell of the grid.
type Cell = (i64, i64);

/// Records that can be asked for their neighbours.
#[derive(Debug, Default)]
pub struct Index {
    features: BTreeMap<DocKey, Feature>,
    cells: HashMap<Cell, Vec<DocKey>>,
    codes: HashMap<String, Vec<DocKey>>,
    photos: HashMap<BlobHash, Vec<DocKey>>,
}

impl Index {
    /// Cells in which a record's partners can lie: around its position, and around the places where
    /// a confusion of GCJ-02 and WGS-84 would have put it.
    fn cells_around(point: GeoPoint) -> BTreeSet<Cell> {
        let (lon, lat) = point.shown_in(Datum::Gcj02);
        let shift = (lon - point.lon(), lat - point.lat());
        let places = [(point.lon(), point.lat()), (lon, lat), (point.lon() - shift.0, point.lat() - shift.1)];
        let around = |(x, y): Cell| (-1..=1).flat_map(move |dx| (-1..=1).map(move |dy| (x + dx, y + dy)));
        places.into_iter().flat_map(|(lon, lat)| around(cell(lon, lat))).collect()
    }

    /// The cell of a position.
    fn cell(point: GeoPoint) -> Cell {
        cell(point.lon(), point.lat())
    }

    /// Adds a record, or puts it in the place of the earlier one of its key.
    pub fn put(&mut self, feature: Feature) {
        self.remove(&feature.key);
        let key = feature.key;
        if let Some(point) = feature.point {
            self.cells.entry(Self::cell(point)).or_default().push(key);
        }
        for code in &feature.codes {
            self.codes.entry(code.clone()).or_default().push(key);
        }
        for (hash, _) in &feature.photos {
            self.photos.entry(*hash).or_default().push(key);
        }
        self.features.insert(key, feature);
    }

    /// Forgets a record.
    pub fn remove(&mut self, key: &DocKey) {
        fn forget<K: std::hash::Hash + Eq>(map: &mut HashMap<K, Vec<DocKey>>, at: &K, key: &DocKey) {
            if let Some(keys) = map.get_mut(at) {
                keys.retain(|own| own != key);
            }
        }
        let Some(feature) = self.features.remove(key) else { return };
        if let Some(point) = feature.point {
            forget(&mut self.cells, &Self::cell(point), key);
        }
        feature.codes.iter().for_each(|code| forget(&mut self.codes, code, key));
        feature.photos.iter().for_each(|(hash, _)| forget(&mut self.photos, hash, key));
    }

    /// Number of records.
    #[must_use]
    pub fn len(&self) -> usize {
        self.features.len()
    }

    /// True when there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.features.is_empty()
    }

    /// Candidates for one record, the likeliest first. It need not be in the index.
    #[must_use]
    pub fn of(&self, feature: &Feature) -> Vec<Candidate> {
        let mut keys: BTreeSet<DocKey> = BTreeSet::new();
        for cell in feature.point.iter().flat_map(|point| Self::cells_around(*point)) {
            keys.extend(self.cells.get(&cell).into_iter().flatten());
        }
        for code in &feature.codes {
            keys.extend(self.codes.get(code).into_iter().flatten());
        }
        for (hash, _) in &feature.photos {
            keys.extend(self.photos.get(hash).into_iter().flatten());
        }
        let mut found: Vec<Candidate> =
            keys.iter().filter_map(|key| compare(feature, self.features.get(key)?)).collect();
        found.sort_by(|one, other| other.score.cmp(&one.score).then(one.a.cmp(&other.a)).then(one.b.cmp(&other.b)));
        found
    }

    /// All candidates, each pair once, in order of their keys.
    #[must_use]
    pub fn all(&self) -> Vec<Candidate> {
        let mut found: Vec<Candidate> = self
            .features
            .values()
            .flat_map(|feature| self.of(feature).into_iter().filter(|pair| pair.a == feature.key))
            .collect();
        found.sort_by_key(|pair| (pair.a, pair.b));
        found
    }
}

fn cell(lon: f64, lat: f64) -> Cell {
    #[expect(clippy::cast_possible_truncation, reason = "a degree divided by 0.002 fits easily")]
    let index = |degrees: f64| (degrees / CELL_DEG).floor() as i64;
    (index(lon), index(lat))
}
