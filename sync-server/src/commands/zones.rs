//! `zones import|list|outlets`.

use std::collections::BTreeMap;
use std::path::Path;

use outlet_core::domain::field::DocumentRef;
use outlet_core::domain::reference::{DataSet, ReferenceEntry};
use outlet_core::geo::{Bounds, GeoPoint};
use outlet_core::ids::DocKey;
use outlet_core::ledger::{LedgerRow, LifeCycle};
use outlet_core::time::Day;
use outlet_core::zones::{Inside, LayerHead, RawZone, ZoneHit, ZoneKind, ZoneProblem, check, from_geojson};
use serde::Serialize;

use super::Outcome;
use super::ledger::word;
use crate::cli::zones::{ZonesCommand, ZonesImportArgs};
use crate::db::{DbError, meta};
use crate::engine::{Engine, reference_key};
use crate::error::{CommandError, Exit, IoContext};
use crate::import;
use crate::report;
use crate::ui::{self, Ui};

/// Largest GeoJSON file: it is read as a whole.
const MAX_BYTES: u64 = 64 << 20;
/// Where an outlet is a problem by its place alone.
const PROTECTED: [ZoneKind; 5] = [
    ZoneKind::DrinkingWater1,
    ZoneKind::DrinkingWater2,
    ZoneKind::DrinkingWaterQuasi,
    ZoneKind::NatureReserve,
    ZoneKind::EcologicalRedline,
];

pub(super) fn zones(command: &ZonesCommand, engine: &Engine, ui: &mut Ui) -> Outcome {
    match command {
        ZonesCommand::Import(args) => load(args, engine, ui),
        ZonesCommand::List => list(engine, ui),
        ZonesCommand::Outlets { kinds } => outlets(engine, kinds, ui),
    }
}

/// `zones import --json`.
#[derive(Serialize)]
struct Loaded {
    name: String,
    version: String,
    kind: ZoneKind,
    zones: usize,
    parts: usize,
    stored: bool,
    problems: Vec<ZoneProblem>,
}

fn load(args: &ZonesImportArgs, engine: &Engine, ui: &mut Ui) -> Outcome {
    let by = super::who(engine, args.by.as_deref(), outlet_core::identity::Role::Admin)?;
    let raw = read(&args.file, args.encoding.as_deref())?;
    let head = LayerHead {
        name: args.name.clone(),
        version: args.layer_version.clone(),
        kind: args.kind,
        datum: args.datum,
        document: DocumentRef { number: args.document.clone(), dated: Some(args.document_dated), file: None },
        established_on: args.established_on,
    };
    let city = engine.names()?.regions.city;
    let city = Bounds { west: city.west, south: city.south, east: city.east, north: city.north };
    let before = engine.layers()?;
    let (layer, problems) = check(&head, raw, city, before.all());
    let mut loaded = Loaded {
        name: head.name.clone(),
        version: head.version.clone(),
        kind: head.kind,
        zones: layer.as_ref().map_or(0, |layer| layer.zones.len()),
        parts: 0,
        stored: false,
        problems,
    };
    if let Some(layer) = &layer {
        let parts = layer.to_parts().map_err(|error| CommandError::user(error.to_string()))?;
        loaded.parts = parts.len();
        if !args.dry_run {
            let at = engine.folder.now();
            let key = reference_key("zone_layer", &layer.name);
            for text in parts {
                let (name, version) = (layer.name.clone(), layer.version.clone());
                let set = DataSet { kind: "zone_layer".to_owned(), name, version, text, at };
                engine.write_reference(key, &[ReferenceEntry::DataSet(set)])?;
            }
            let detail = format!("{} {} ({} zones)", layer.name, layer.version, layer.zones.len());
            engine.database().write::<_, DbError>(|tx| meta::audit(tx, at, &by, "zone_layer", &detail))?;
            loaded.stored = true;
        }
    }
    ui.show(&loaded, |loaded| {
        let mut lines: Vec<String> = loaded
            .problems
            .iter()
            .map(|problem| {
                let kind = if problem.error { "error" } else { "note" };
                format!("{kind} {} {}: {}", problem.zone, problem.code, problem.message)
            })
            .collect();
        let state = if loaded.stored { "stored" } else { "not stored" };
        lines.push(format!(
            "{state}: {} {}, {} zones of {}",
            loaded.name,
            loaded.version,
            loaded.zones,
            loaded.kind.label()
        ));
        lines.join("\n")
    })?;
    if layer.is_none() {
        return Err(CommandError::user(format!("{} cannot be used as it is; nothing was stored", args.file.display()))
            .hint("correct what is listed above in a GIS, then import it again"));
    }
    Ok(Exit::Ok)
}

fn read(file: &Path, encoding: Option<&str>) -> Result<Vec<RawZone>, CommandError> {
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

/// `zones list --json`.
#[derive(Serialize)]
struct Listed {
    name: String,
    version: String,
    kind: ZoneKind,
    datum: String,
    document: String,
    dated: Option<Day>,
    zones: usize,
}

fn list(engine: &Engine, ui: &mut Ui) -> Outcome {
    let layers = engine.layers()?;
    let listed: Vec<Listed> = layers
        .all()
        .iter()
        .map(|layer| Listed {
            name: layer.name.clone(),
            version: layer.version.clone(),
            kind: layer.kind,
            datum: layer.datum.clone(),
            document: layer.document.number.clone(),
            dated: layer.document.dated,
            zones: layer.zones.len(),
        })
        .collect();
    ui.show(&listed, |listed| {
        let line = |layer: &Listed| {
            vec![
                layer.name.clone(),
                layer.version.clone(),
                layer.kind.code().to_owned(),
                layer.datum.clone(),
                layer.document.clone(),
                layer.dated.map(|day| day.to_string()).unwrap_or_default(),
                layer.zones.to_string(),
            ]
        };
        let head = ["name", "version", "kind", "datum", "approval", "dated", "zones"];
        ui::table(&head, &listed.iter().map(line).collect::<Vec<_>>())
    })?;
    Ok(Exit::Ok)
}

/// `zones outlets --json`.
#[derive(Serialize)]
struct InZones {
    /// Kinds of which no layer is loaded: about them nothing is said.
    missing: Vec<String>,
    /// Outlets without a position.
    without_position: u64,
    sources: Vec<Source>,
}

#[derive(Serialize)]
struct Source {
    source: String,
    kind: ZoneKind,
    of: u64,
    closed: u64,
    outlets: Vec<InZone>,
}

#[derive(Serialize)]
struct InZone {
    outlet: DocKey,
    name: Option<String>,
    state: LifeCycle,
    classification: Option<String>,
    closed: bool,
    zone: String,
    layer: String,
    version: String,
    pre_existing: Option<bool>,
}

fn outlets(engine: &Engine, kinds: &[ZoneKind], ui: &mut Ui) -> Outcome {
    let layers = engine.layers()?;
    let kinds = if kinds.is_empty() { &PROTECTED[..] } else { kinds };
    let mut found = InZones { missing: Vec::new(), without_position: 0, sources: Vec::new() };
    found.missing.extend(
        kinds
            .iter()
            .filter(|kind| !layers.all().iter().any(|layer| layer.kind == **kind))
            .map(|kind| kind.code().to_owned()),
    );
    let mut sources: BTreeMap<(ZoneKind, String), Source> = BTreeMap::new();
    for row in report::current_rows(engine)?.into_iter().filter(is_outlet) {
        let point = row.lon.zip(row.lat).and_then(|(lon, lat)| GeoPoint::new(lon, lat).ok());
        found.without_position += u64::from(point.is_none());
        for kind in kinds {
            if let Inside::Inside { hits } = layers.inside(*kind, point) {
                hits.into_iter().for_each(|hit| add(&mut sources, &row, hit));
            }
        }
    }
    found.sources = sources.into_values().collect();
    ui.show(&found, |found| {
        let mut lines: Vec<String> =
            found.missing.iter().map(|kind| format!("unknown: no layer of {kind} is loaded")).collect();
        if found.without_position > 0 {
            lines.push(format!("unknown: {} outlets have no position", found.without_position));
        }
        for source in &found.sources {
            lines.push(format!(
                "{} ({}): closed {} of {}",
                source.source,
                source.kind.label(),
                source.closed,
                source.of
            ));
            lines.extend(source.outlets.iter().map(|outlet| {
                let older = match outlet.pre_existing {
                    Some(true) => "older than the zone",
                    Some(false) => "younger than the zone",
                    None => "age not known",
                };
                format!(
                    "  {}  {}  {}  {older}",
                    outlet.outlet.id,
                    outlet.name.as_deref().unwrap_or("-"),
                    word(&outlet.state)
                )
            }));
        }
        lines.join("\n")
    })?;
    Ok(Exit::Ok)
}

fn is_outlet(row: &LedgerRow) -> bool {
    !matches!(row.state, LifeCycle::NotAnOutlet | LifeCycle::Duplicate | LifeCycle::Moved)
}

fn add(sources: &mut BTreeMap<(ZoneKind, String), Source>, row: &LedgerRow, hit: ZoneHit) {
    let name = hit.of.clone().unwrap_or_else(|| hit.zone.clone());
    let source = sources.entry((hit.kind, name.clone())).or_insert_with(|| Source {
        source: name,
        kind: hit.kind,
        of: 0,
        closed: 0,
        outlets: Vec::new(),
    });
    let closed = row.state == LifeCycle::Closed;
    source.of += 1;
    source.closed += u64::from(closed);
    source.outlets.push(InZone {
        outlet: row.key,
        name: row.name.clone(),
        state: row.state,
        classification: row.classification.clone(),
        closed,
        pre_existing: row.exists_from.zip(hit.established_on).map(|(outlet, zone)| outlet < zone),
        zone: hit.zone,
        layer: hit.layer,
        version: hit.version,
    });
}
