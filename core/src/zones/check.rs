//! Reading a layer: what is wrong with its polygons is said before anything is stored.

use std::collections::BTreeMap;

use geo::{Centroid as _, Validation as _};
use geojson::{GeoJson, GeometryValue, JsonValue};
use serde::Serialize;

use super::layer::{Layer, Rings, Zone, ZoneKind};
use crate::domain::field::DocumentRef;
use crate::geo::{Bounds, Datum, GeoPoint, Reading, gcj02_contamination};
use crate::time::Day;

/// Centroids of one zone in two versions that are apart by the shift of a map, give or take.
const TOLERANCE_M: f64 = 80.0;
/// Most points of a layer.
const POINTS: usize = 2_000_000;

/// What is known of a layer beside its polygons.
#[derive(Debug, Clone, PartialEq)]
pub struct LayerHead {
    /// Name.
    pub name: String,
    /// Version.
    pub version: String,
    /// What its zones are.
    pub kind: ZoneKind,
    /// Datum of the file.
    pub datum: Datum,
    /// The approval, with its date.
    pub document: DocumentRef,
    /// In force since, for zones whose file does not say it.
    pub established_on: Option<Day>,
}

/// A polygon feature as its file gives it.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct RawZone {
    /// Name.
    pub name: String,
    /// What it protects.
    pub of: Option<String>,
    /// In force since.
    pub established_on: Option<Day>,
    /// Rings of each polygon, exterior first.
    pub polygons: Rings,
    /// The feature is no polygon.
    pub not_a_polygon: bool,
}

/// Something about a zone that a person should know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ZoneProblem {
    /// Which zone.
    pub zone: String,
    /// Stable code.
    pub code: &'static str,
    /// The layer cannot be stored.
    pub error: bool,
    /// What is wrong, and what to do.
    pub message: String,
}

/// Names of properties, as GIS programs and bureaus give them.
const NAMES: [&str; 6] = ["name", "名称", "NAME", "保护区名称", "MC", "Name"];
const OF: [&str; 4] = ["of", "水源地", "水源地名称", "SYDMC"];
const SINCE: [&str; 5] = ["established_on", "批复时间", "划定时间", "批复日期", "PFSJ"];

/// Reads the features of a GeoJSON text.
///
/// # Errors
/// Why it is no feature collection.
pub fn from_geojson(text: &str) -> Result<Vec<RawZone>, String> {
    let parsed: GeoJson = text.parse().map_err(|error| format!("not GeoJSON: {error}"))?;
    let features = match parsed {
        GeoJson::FeatureCollection(all) => all.features,
        GeoJson::Feature(one) => vec![one],
        GeoJson::Geometry(_) => return Err("a bare geometry has no name: save it as a feature collection".to_owned()),
    };
    let zone = |(number, feature): (usize, geojson::Feature)| {
        let properties = feature.properties.unwrap_or_default();
        let text = |names: &[&str]| {
            names.iter().find_map(|name| match properties.get(*name) {
                Some(JsonValue::String(text)) if !text.trim().is_empty() => Some(text.trim().to_owned()),
                Some(JsonValue::Number(number)) => Some(number.to_string()),
                _ => None,
            })
        };
        let position = |position: &geojson::Position| match position.as_slice() {
            [x, y, ..] => [*x, *y],
            _ => [f64::NAN, f64::NAN],
        };
        let rings = |polygon: &Vec<Vec<geojson::Position>>| {
            polygon.iter().map(|ring| ring.iter().map(position).collect()).collect()
        };
        let (polygons, not_a_polygon) = match feature.geometry.map(|geometry| geometry.value) {
            Some(GeometryValue::Polygon { coordinates }) => (vec![rings(&coordinates)], false),
            Some(GeometryValue::MultiPolygon { coordinates }) => (coordinates.iter().map(rings).collect(), false),
            _ => (Rings::new(), true),
        };
        RawZone {
            name: text(&NAMES).unwrap_or_else(|| format!("feature {number}")),
            of: text(&OF),
            established_on: text(&SINCE).and_then(|text| text.replace('/', "-").parse().ok()),
            polygons,
            not_a_polygon,
        }
    };
    Ok((1..).zip(features).map(zone).collect())
}

/// Checks the zones of a layer and converts them to WGS-84. `city` is the box outside of which a
/// zone is suspicious; `before` are layers already there, whose zones of the same name tell a
/// shifted datum. The layer is `None` when any problem is an error.
#[must_use]
pub fn check(head: &LayerHead, raw: Vec<RawZone>, city: Bounds, before: &[Layer]) -> (Option<Layer>, Vec<ZoneProblem>) {
    let mut problems = Vec::new();
    let mut push = |zone: &str, code, error, message: String| {
        problems.push(ZoneProblem { zone: zone.to_owned(), code, error, message });
    };
    if raw.is_empty() {
        push("", "empty", true, "the file has no features".to_owned());
    }
    let points: usize = raw.iter().flat_map(|zone| &zone.polygons).flatten().map(Vec::len).sum();
    if points > POINTS {
        push("", "too_large", true, format!("{points} points: simplify the layer in a GIS, a metre is enough"));
        return (None, problems);
    }
    if head.document.number.trim().is_empty() || head.document.dated.is_none() {
        push("", "no_approval", true, "a zone rests on its approval: give 文号 and date of the document".to_owned());
    }
    let mut zones = Vec::new();
    for zone in raw {
        if zone.not_a_polygon {
            push(&zone.name, "not_a_polygon", true, "the feature is no polygon".to_owned());
            continue;
        }
        let faults = ring_faults(&zone.polygons);
        if !faults.is_empty() {
            faults.into_iter().for_each(|(code, message)| push(&zone.name, code, true, message));
            continue;
        }
        match converted(&zone.polygons, head.datum) {
            Err(message) => push(&zone.name, "coordinate_wrong", true, message),
            Ok(polygons) => {
                let raw = (!matches!(head.datum, Datum::Wgs84 | Datum::Cgcs2000)).then_some(zone.polygons);
                let since = zone.established_on.or(head.established_on);
                zones.push(Zone::new(zone.name, zone.of, since, &polygons, raw));
            }
        }
    }
    for zone in &zones {
        for fault in zone.shape.validation_errors() {
            push(
                &zone.name,
                "self_intersection",
                true,
                format!("{fault}: repair it in a GIS (buffer 0, or fix geometries)"),
            );
        }
        if let Some(bounds) = zone.bounds {
            let corners = [(bounds.min().x, bounds.min().y), (bounds.max().x, bounds.max().y)];
            let inside = corners.map(|(lon, lat)| city.contains(lon, lat));
            let apart = bounds.max().x < city.west
                || bounds.min().x > city.east
                || bounds.max().y < city.south
                || bounds.min().y > city.north;
            if apart {
                push(
                    &zone.name,
                    "outside_city",
                    true,
                    "the zone lies outside the city's box: datum or file is another one".to_owned(),
                );
            } else if inside != [true, true] {
                push(&zone.name, "across_border", false, "the zone reaches beyond the city's box".to_owned());
            }
        }
        if let Some(offset) = shifted(zone, before) {
            push(
                &zone.name,
                "gcj02_suspected",
                true,
                format!(
                    "compared with {offset} the zone lies where a GCJ-02 map shows it: declare --datum gcj02, or, if the older one was wrong, load that again first"
                ),
            );
        }
        if zone.established_on.is_none() {
            push(
                &zone.name,
                "no_date",
                false,
                "nobody says since when the zone is in force: whether an outlet was there before cannot be told"
                    .to_owned(),
            );
        }
    }
    repeated(&zones, &mut problems);
    if problems.iter().any(|problem| problem.error) {
        return (None, problems);
    }
    let LayerHead { name, version, kind, datum, document, .. } = head.clone();
    (Some(Layer { name, version, kind, datum: datum.code().to_owned(), document, zones }), problems)
}

fn repeated(zones: &[Zone], problems: &mut Vec<ZoneProblem>) {
    let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
    for zone in zones {
        *seen.entry(&zone.name).or_default() += 1;
    }
    problems.extend(seen.into_iter().filter(|(_, count)| *count > 1).map(|(name, count)| ZoneProblem {
        zone: name.to_owned(),
        code: "name_repeated",
        error: false,
        message: format!("{count} zones have this name"),
    }));
}

/// Rings as they stand: closed, at least four points, finite.
fn ring_faults(polygons: &Rings) -> Vec<(&'static str, String)> {
    let mut faults = Vec::new();
    for ring in polygons.iter().flatten() {
        if ring.iter().flatten().any(|value| !value.is_finite()) {
            faults.push(("coordinate_wrong", "a point has no coordinates".to_owned()));
        } else if ring.first() != ring.last() {
            faults.push(("ring_open", "a ring does not end where it begins".to_owned()));
        } else if ring.len() < 4 {
            faults.push(("ring_short", format!("a ring has {} points, a triangle needs 4", ring.len())));
        }
    }
    if polygons.iter().all(Vec::is_empty) {
        faults.push(("empty", "the polygon has no ring".to_owned()));
    }
    faults
}

fn converted(polygons: &Rings, datum: Datum) -> Result<Rings, String> {
    let point = |[lon, lat]: &[f64; 2]| {
        let reading = Reading::new(*lon, *lat, datum).map_err(|error| error.to_string())?;
        Ok([reading.point.lon(), reading.point.lat()])
    };
    let ring = |ring: &Vec<[f64; 2]>| ring.iter().map(point).collect::<Result<Vec<_>, String>>();
    polygons.iter().map(|polygon| polygon.iter().map(ring).collect()).collect()
}

/// The layer whose zone of the same name says that this one is shifted like a GCJ-02 map.
fn shifted(zone: &Zone, before: &[Layer]) -> Option<String> {
    let centre = |zone: &Zone| {
        let point = zone.shape.centroid()?;
        GeoPoint::new(point.x(), point.y()).ok()
    };
    let here = centre(zone)?;
    before.iter().find_map(|layer| {
        let older = layer.zones.iter().find(|older| older.name == zone.name)?;
        gcj02_contamination(centre(older)?, here, TOLERANCE_M).map(|_| format!("{} {}", layer.name, layer.version))
    })
}
