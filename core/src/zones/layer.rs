//! A layer in memory and as the parts that are stored.

use geo::{BoundingRect as _, Coord, LineString, MultiPolygon, Polygon, Rect, Simplify as _};
use serde::{Deserialize, Serialize};

use crate::domain::field::DocumentRef;
use crate::time::Day;

const FORMAT: u32 = 1;
/// Longest text of a part: well below the limit of one change.
const PART_BYTES: usize = 150 * 1024;

/// What lies inside the polygons.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ZoneKind {
    /// 饮用水水源一级保护区.
    #[serde(rename = "drinking_water_1")]
    DrinkingWater1,
    /// 饮用水水源二级保护区.
    #[serde(rename = "drinking_water_2")]
    DrinkingWater2,
    /// 准保护区, outside the protection zone proper.
    DrinkingWaterQuasi,
    /// 自然保护区/自然保护地.
    NatureReserve,
    /// 生态保护红线.
    EcologicalRedline,
    /// 风景名胜区水体.
    Scenic,
    /// 重要渔业水体, 水产种质资源保护区.
    Fishery,
    /// 城镇污水收集管网覆盖范围.
    SewerArea,
    /// 工业园区/开发区 with a central plant.
    Park,
}

impl ZoneKind {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::DrinkingWater1,
        Self::DrinkingWater2,
        Self::DrinkingWaterQuasi,
        Self::NatureReserve,
        Self::EcologicalRedline,
        Self::Scenic,
        Self::Fishery,
        Self::SewerArea,
        Self::Park,
    ];

    /// The code in documents and on the command line.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::DrinkingWater1 => "drinking_water_1",
            Self::DrinkingWater2 => "drinking_water_2",
            Self::DrinkingWaterQuasi => "drinking_water_quasi",
            Self::NatureReserve => "nature_reserve",
            Self::EcologicalRedline => "ecological_redline",
            Self::Scenic => "scenic",
            Self::Fishery => "fishery",
            Self::SewerArea => "sewer_area",
            Self::Park => "park",
        }
    }

    /// Chinese label.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::DrinkingWater1 => "饮用水水源一级保护区",
            Self::DrinkingWater2 => "饮用水水源二级保护区",
            Self::DrinkingWaterQuasi => "饮用水水源准保护区",
            Self::NatureReserve => "自然保护地",
            Self::EcologicalRedline => "生态保护红线",
            Self::Scenic => "风景名胜区水体",
            Self::Fishery => "重要渔业水体",
            Self::SewerArea => "污水收集管网覆盖范围",
            Self::Park => "工业园区",
        }
    }

    /// Inverse of [`ZoneKind::code`].
    #[must_use]
    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.code() == code)
    }
}

/// Rings of the polygons of a zone: exterior first, each closed.
pub(super) type Rings = Vec<Vec<Vec<[f64; 2]>>>;

/// One zone of a layer.
#[derive(Debug, Clone, PartialEq)]
pub struct Zone {
    /// Name of the zone.
    pub name: String,
    /// Source or area that it protects (水源地), where given.
    pub of: Option<String>,
    /// In force since: an older outlet is `pre_existing`.
    pub established_on: Option<Day>,
    /// WGS-84.
    pub shape: MultiPolygon<f64>,
    /// As it was given, where that was not WGS-84.
    pub raw: Option<Vec<Vec<Vec<[f64; 2]>>>>,
    pub(super) bounds: Option<Rect<f64>>,
}

impl Zone {
    /// Its rings for a picture, `[lon, lat]` in WGS-84: corners that stand out by less than so many
    /// degrees are left out (Douglas and Peucker), a ring that is nothing else keeps its shape.
    #[must_use]
    pub fn outline(&self, tolerance: f64) -> Vec<Vec<Vec<[f64; 2]>>> {
        let ring = |ring: &LineString<f64>| -> Vec<[f64; 2]> {
            let simple = ring.simplify(tolerance);
            let kept = if simple.0.len() < 4 { ring } else { &simple };
            kept.coords().map(|at| [at.x, at.y].map(|degrees| (degrees * 1e6).round() / 1e6)).collect()
        };
        let polygon = |polygon: &Polygon<f64>| -> Vec<Vec<[f64; 2]>> {
            std::iter::once(polygon.exterior()).chain(polygon.interiors()).map(ring).collect()
        };
        self.shape.iter().map(polygon).collect()
    }
}

/// A layer of zones of one kind.
#[derive(Debug, Clone, PartialEq)]
pub struct Layer {
    /// Name.
    pub name: String,
    /// Version, as the approval or the bureau gives it.
    pub version: String,
    /// What its zones are.
    pub kind: ZoneKind,
    /// Datum of the file: `wgs84 | cgcs2000 | gcj02 | bd09`.
    pub datum: String,
    /// The approval (批复文件).
    pub document: DocumentRef,
    /// The zones.
    pub zones: Vec<Zone>,
}

/// Why a stored layer cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LayerError {
    /// Not of this shape.
    #[error("a part of a zone layer cannot be read: {0}")]
    Syntax(String),
    /// Of a later format.
    #[error("a zone layer has format {0}, this version reads format {FORMAT}")]
    Format(u32),
    /// One zone is larger than a change may be.
    #[error("the zone {0:?} has too many points to be sent to devices: simplify it to a few metres in a GIS")]
    TooLarge(String),
}

#[derive(Serialize, Deserialize)]
struct StoredZone {
    name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    of: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    established_on: Option<Day>,
    polygons: Rings,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    raw: Option<Rings>,
}

/// A part of a layer as the reference document holds it (JSON).
#[derive(Serialize, Deserialize)]
pub(super) struct StoredPart {
    format: u32,
    pub(super) name: String,
    pub(super) version: String,
    kind: ZoneKind,
    datum: String,
    document: DocumentRef,
    /// From 1.
    pub(super) part: usize,
    pub(super) parts: usize,
    zones: Vec<StoredZone>,
}

impl StoredPart {
    pub(super) fn parse(text: &str) -> Result<Self, LayerError> {
        let part: Self = serde_json::from_str(text).map_err(|error| LayerError::Syntax(error.to_string()))?;
        if part.format == FORMAT { Ok(part) } else { Err(LayerError::Format(part.format)) }
    }

    /// A layer of the parts that belong together, in order.
    pub(super) fn join(parts: Vec<Self>) -> Option<Layer> {
        let mut parts = parts.into_iter();
        let first = parts.next()?;
        let Self { name, version, kind, datum, document, .. } = first;
        let zones = first.zones.into_iter().chain(parts.flat_map(|part| part.zones)).map(|zone| {
            let StoredZone { name, of, established_on, polygons, raw } = zone;
            Zone::new(name, of, established_on, &polygons, raw)
        });
        Some(Layer { name, version, kind, datum, document, zones: zones.collect() })
    }
}

impl Zone {
    pub(super) fn new(
        name: String,
        of: Option<String>,
        established_on: Option<Day>,
        polygons: &Rings,
        raw: Option<Rings>,
    ) -> Self {
        let ring =
            |points: &Vec<[f64; 2]>| LineString::new(points.iter().map(|[x, y]| Coord { x: *x, y: *y }).collect());
        let polygon = |rings: &Vec<Vec<[f64; 2]>>| {
            let mut rings = rings.iter().map(ring);
            Some(Polygon::new(rings.next()?, rings.collect()))
        };
        let shape = MultiPolygon::new(polygons.iter().filter_map(polygon).collect());
        let bounds = shape.bounding_rect();
        Self { name, of, established_on, shape, raw, bounds }
    }

    fn stored(&self) -> StoredZone {
        let ring = |line: &LineString<f64>| line.coords().map(|c| [rounded(c.x), rounded(c.y)]).collect();
        let polygons = self.shape.iter().map(|polygon| {
            std::iter::once(ring(polygon.exterior())).chain(polygon.interiors().iter().map(ring)).collect()
        });
        StoredZone {
            name: self.name.clone(),
            of: self.of.clone(),
            established_on: self.established_on,
            polygons: polygons.collect(),
            raw: self.raw.clone(),
        }
    }
}

/// Seven decimals, about a centimetre.
fn rounded(degrees: f64) -> f64 {
    (degrees * 1e7).round() / 1e7
}

impl Layer {
    /// The texts to store, one for each part.
    ///
    /// # Errors
    /// [`LayerError::TooLarge`].
    pub fn to_parts(&self) -> Result<Vec<String>, LayerError> {
        let mut groups: Vec<Vec<StoredZone>> = vec![Vec::new()];
        let mut size = 0;
        for zone in &self.zones {
            let stored = zone.stored();
            let bytes = serde_json::to_string(&stored).map_err(|error| LayerError::Syntax(error.to_string()))?.len();
            if bytes > PART_BYTES {
                return Err(LayerError::TooLarge(zone.name.clone()));
            }
            if size + bytes > PART_BYTES {
                groups.push(Vec::new());
                size = 0;
            }
            size += bytes;
            if let Some(group) = groups.last_mut() {
                group.push(stored);
            }
        }
        let parts = groups.len();
        let part = |(part, zones): (usize, Vec<StoredZone>)| {
            let stored = StoredPart {
                format: FORMAT,
                name: self.name.clone(),
                version: self.version.clone(),
                kind: self.kind,
                datum: self.datum.clone(),
                document: self.document.clone(),
                part,
                parts,
                zones,
            };
            serde_json::to_string(&stored).map_err(|error| LayerError::Syntax(error.to_string()))
        };
        (1..).zip(groups).map(part).collect()
    }
}
