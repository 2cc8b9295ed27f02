//! Layers of zones: read from a file, checked as a whole, kept as a reference document that
//! devices get with their next sync.

use std::path::Path;

use outlet_core::domain::reference::{DataSet, ReferenceEntry};
use outlet_core::geo::Bounds;
use outlet_core::zones::{LayerHead, RawZone, ZoneKind, ZoneProblem, check, from_geojson};
use serde::Serialize;

use crate::db::{DbError, meta};
use crate::engine::{Engine, reference_key};
use crate::error::{CommandError, IoContext};
use crate::import;

/// Largest GeoJSON file: it is read as a whole.
pub const MAX_BYTES: u64 = 64 << 20;

/// What became of a layer. `zones import --json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Loaded {
    /// Name.
    pub name: String,
    /// Version.
    pub version: String,
    /// What its zones are.
    pub kind: ZoneKind,
    /// Zones in it.
    pub zones: usize,
    /// Parts that it is stored in.
    pub parts: usize,
    /// Is it in force now?
    pub stored: bool,
    /// What is wrong or odd.
    pub problems: Vec<ZoneProblem>,
}

impl Loaded {
    /// Something stands in the way.
    #[must_use]
    pub fn refused(&self) -> bool {
        self.problems.iter().any(|problem| problem.error)
    }
}

/// The polygons of a GeoJSON file or a shapefile.
///
/// # Errors
/// When the file is too large or none of these.
pub fn read(file: &Path, encoding: Option<&str>) -> Result<Vec<RawZone>, CommandError> {
    let shown = file.display();
    let extension = file.extension().map(|extension| extension.to_string_lossy().to_lowercase());
    if extension.as_deref() == Some("shp") {
        return import::polygons(file, encoding).map_err(|error| CommandError::user(error.to_string()));
    }
    let bytes = std::fs::metadata(file).context(format_args!("reading {shown}"))?.len();
    if bytes > MAX_BYTES {
        return Err(CommandError::user(format!("{shown} has {bytes} bytes, at most {MAX_BYTES} are read"))
            .hint("simplify the layer in a GIS: a metre is enough for a protection zone"));
    }
    let text = std::fs::read_to_string(file).context(format_args!("reading {shown}"))?;
    from_geojson(text.trim_start_matches('\u{feff}'))
        .map_err(|error| CommandError::user(format!("{shown}: {error}")).hint("give a GeoJSON file or a .shp file"))
}

/// Checks a layer and, unless it is wrong or `dry`, keeps it; a newer version replaces the older one.
///
/// # Errors
/// When the document cannot be written; what is wrong with zones is in the answer.
pub fn load(engine: &Engine, head: &LayerHead, raw: Vec<RawZone>, by: &str, dry: bool) -> Result<Loaded, CommandError> {
    let city = engine.names()?.regions.city;
    let city = Bounds { west: city.west, south: city.south, east: city.east, north: city.north };
    let before = engine.layers()?;
    let (layer, problems) = check(head, raw, city, before.all());
    let mut loaded = Loaded {
        name: head.name.clone(),
        version: head.version.clone(),
        kind: head.kind,
        zones: layer.as_ref().map_or(0, |layer| layer.zones.len()),
        parts: 0,
        stored: false,
        problems,
    };
    let Some(layer) = layer else { return Ok(loaded) };
    let parts = layer.to_parts().map_err(|error| CommandError::user(error.to_string()))?;
    loaded.parts = parts.len();
    if dry {
        return Ok(loaded);
    }
    let at = engine.folder.now();
    let key = reference_key("zone_layer", &layer.name);
    for text in parts {
        let (name, version) = (layer.name.clone(), layer.version.clone());
        let set = DataSet { kind: "zone_layer".to_owned(), name, version, text, at };
        engine.write_reference(key, &[ReferenceEntry::DataSet(set)])?;
    }
    let detail = format!("{} {} ({} zones)", layer.name, layer.version, layer.zones.len());
    engine.database().write::<_, DbError>(|tx| meta::audit(tx, at, by, "zone_layer", &detail))?;
    loaded.stored = true;
    Ok(loaded)
}
