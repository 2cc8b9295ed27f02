//! Zone layers in force, and the outlets inside protection zones, by source, closed n of m.

use std::collections::BTreeMap;

use outlet_core::geo::GeoPoint;
use outlet_core::ids::{Collection, DocKey};
use outlet_core::ledger::{LedgerRow, LifeCycle, counts};
use outlet_core::time::Day;
use outlet_core::zones::{Inside, ZoneHit, ZoneKind};
use serde::Serialize;

use crate::engine::{Engine, EngineError};
use crate::inventory::Scope;
use crate::report;

/// Where an outlet is a problem by its place alone.
pub const PROTECTED: [ZoneKind; 5] = [
    ZoneKind::DrinkingWater1,
    ZoneKind::DrinkingWater2,
    ZoneKind::DrinkingWaterQuasi,
    ZoneKind::NatureReserve,
    ZoneKind::EcologicalRedline,
];

/// A layer in force. `zones list --json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Listed {
    /// Name.
    pub name: String,
    /// Version.
    pub version: String,
    /// What its zones are.
    pub kind: ZoneKind,
    /// Datum of the file that it came in.
    pub datum: String,
    /// 文号 of the approval.
    pub document: String,
    /// Its date.
    pub dated: Option<Day>,
    /// How many zones.
    pub zones: usize,
}

/// Layers in force.
///
/// # Errors
/// When a reference document cannot be loaded.
pub fn all(engine: &Engine) -> Result<Vec<Listed>, EngineError> {
    let layers = engine.layers()?;
    let listed = layers.all().iter().map(|layer| Listed {
        name: layer.name.clone(),
        version: layer.version.clone(),
        kind: layer.kind,
        datum: layer.datum.clone(),
        document: layer.document.number.clone(),
        dated: layer.document.dated,
        zones: layer.zones.len(),
    });
    Ok(listed.collect())
}

/// Outlets inside zones. `zones outlets --json`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct InZones {
    /// Kinds of which no layer is loaded: about them nothing is said.
    pub missing: Vec<String>,
    /// Outlets without a position.
    pub without_position: u64,
    /// By kind and source.
    pub sources: Vec<Source>,
}

/// A source, or another thing that zones protect.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Source {
    /// Its name.
    pub source: String,
    /// Kind of the zone.
    pub kind: ZoneKind,
    /// Outlets inside.
    pub of: u64,
    /// Of them, closed ones.
    pub closed: u64,
    /// Each.
    pub outlets: Vec<InZone>,
}

/// An outlet inside a zone.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct InZone {
    /// Key of the field record.
    pub outlet: DocKey,
    /// Name.
    pub name: Option<String>,
    /// State of life.
    pub state: LifeCycle,
    /// Class, where it was decided.
    pub classification: Option<String>,
    /// Closed.
    pub closed: bool,
    /// The zone.
    pub zone: String,
    /// Its layer.
    pub layer: String,
    /// The layer's version.
    pub version: String,
    /// Older than the zone; unknown where a date is missing.
    pub pre_existing: Option<bool>,
}

/// Outlets inside zones of these kinds (none: the protection zones), in the collections that `sees`
/// lets through.
///
/// # Errors
/// When the database refuses.
pub fn inside(engine: &Engine, kinds: &[ZoneKind], sees: impl Fn(Collection) -> bool) -> Result<InZones, EngineError> {
    let layers = engine.layers()?;
    let kinds = if kinds.is_empty() { &PROTECTED[..] } else { kinds };
    let loaded = |kind: &ZoneKind| layers.all().iter().any(|layer| layer.kind == *kind);
    let missing = kinds.iter().filter(|kind| !loaded(kind)).map(|kind| kind.code().to_owned()).collect();
    let mut found = InZones { missing, without_position: 0, sources: Vec::new() };
    let mut sources: BTreeMap<(ZoneKind, String), Source> = BTreeMap::new();
    report::parts_of(engine, &Scope::everything(), None, None, |part| {
        for row in part.iter().filter(|row| counts(row) && sees(row.collection)) {
            let point = row.lon.zip(row.lat).and_then(|(lon, lat)| GeoPoint::new(lon, lat).ok());
            found.without_position += u64::from(point.is_none());
            for kind in kinds {
                if let Inside::Inside { hits } = layers.inside(*kind, point) {
                    hits.into_iter().for_each(|hit| add(&mut sources, row, hit));
                }
            }
        }
        Ok::<_, EngineError>(true)
    })?;
    found.sources = sources.into_values().collect();
    Ok(found)
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
