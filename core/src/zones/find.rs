//! Which zones a point lies in.

use std::collections::BTreeMap;

use geo::{Coord, CoordinatePosition as _, coordinate_position::CoordPos};
use serde::Serialize;

use super::layer::{Layer, LayerError, StoredPart, ZoneKind};
use crate::domain::reference::ReferenceEntry;
use crate::geo::GeoPoint;
use crate::time::Day;

/// A zone that a point lies in, with the layer that says so.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ZoneHit {
    /// Kind.
    pub kind: ZoneKind,
    /// Zone.
    pub zone: String,
    /// What it protects.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub of: Option<String>,
    /// In force since.
    pub established_on: Option<Day>,
    /// Layer.
    pub layer: String,
    /// Its version.
    pub version: String,
    /// 文号 of the approval.
    pub document: String,
}

/// Where a point lies with respect to the zones of a kind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "answer")]
pub enum Inside {
    /// In these zones; the edge belongs to the zone.
    Inside {
        /// Zones.
        hits: Vec<ZoneHit>,
    },
    /// In none of the layers named.
    Outside {
        /// Name and version of each layer asked.
        layers: Vec<String>,
    },
    /// No layer of this kind is loaded, or there is no position.
    Unknown {
        /// What is missing.
        #[serde(serialize_with = "in_words")]
        missing: Missing,
    },
}

/// Why it cannot be told where a point lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Missing {
    /// No layer of the kind is loaded.
    #[error("no layer of {} ({}) is loaded", .0.code(), .0.label())]
    Layer(ZoneKind),
    /// There is no position.
    #[error("the outlet has no position")]
    Position,
}

fn in_words<S: serde::Serializer>(missing: &Missing, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(missing)
}

/// The layers in force: of each name the newest version whose parts are all there.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Layers {
    layers: Vec<Layer>,
}

impl Layers {
    /// From the entries of the reference documents, in their order.
    #[must_use]
    pub fn from_entries(entries: &[ReferenceEntry]) -> (Self, Vec<LayerError>) {
        let mut errors = Vec::new();
        let mut parts: BTreeMap<(String, String), (usize, Vec<StoredPart>)> = BTreeMap::new();
        for (order, entry) in entries.iter().enumerate() {
            let ReferenceEntry::DataSet(set) = entry else { continue };
            if set.kind != "zone_layer" {
                continue;
            }
            match StoredPart::parse(&set.text) {
                Ok(part) => {
                    let known = parts.entry((part.name.clone(), part.version.clone())).or_default();
                    known.0 = order;
                    // A part loaded again stands for the one before.
                    known.1.retain(|other| other.part != part.part);
                    known.1.push(part);
                }
                Err(error) => errors.push(error),
            }
        }
        let mut newest: BTreeMap<String, (usize, Layer)> = BTreeMap::new();
        for ((name, _), (order, mut parts)) in parts {
            parts.sort_by_key(|part| part.part);
            let complete = parts.first().is_some_and(|first| first.parts == parts.len());
            let newer = newest.get(&name).is_none_or(|(known, _)| *known < order);
            if complete
                && newer
                && let Some(layer) = StoredPart::join(parts)
            {
                newest.insert(name, (order, layer));
            }
        }
        (Self { layers: newest.into_values().map(|(_, layer)| layer).collect() }, errors)
    }

    /// Of these layers.
    #[must_use]
    pub fn of(layers: Vec<Layer>) -> Self {
        Self { layers }
    }

    /// All layers.
    #[must_use]
    pub fn all(&self) -> &[Layer] {
        &self.layers
    }

    /// Where the point lies with respect to zones of a kind.
    #[must_use]
    pub fn inside(&self, kind: ZoneKind, point: Option<GeoPoint>) -> Inside {
        let asked: Vec<&Layer> = self.layers.iter().filter(|layer| layer.kind == kind).collect();
        if asked.is_empty() {
            return Inside::Unknown { missing: Missing::Layer(kind) };
        }
        let Some(point) = point else { return Inside::Unknown { missing: Missing::Position } };
        let at = Coord { x: point.lon(), y: point.lat() };
        let mut hits = Vec::new();
        for layer in &asked {
            for zone in &layer.zones {
                let near = zone.bounds.is_some_and(|bounds| {
                    (bounds.min().x..=bounds.max().x).contains(&at.x)
                        && (bounds.min().y..=bounds.max().y).contains(&at.y)
                });
                if near && zone.shape.coordinate_position(&at) != CoordPos::Outside {
                    hits.push(ZoneHit {
                        kind,
                        zone: zone.name.clone(),
                        of: zone.of.clone(),
                        established_on: zone.established_on,
                        layer: layer.name.clone(),
                        version: layer.version.clone(),
                        document: layer.document.number.clone(),
                    });
                }
            }
        }
        if hits.is_empty() {
            let layers = asked.iter().map(|layer| format!("{} {}", layer.name, layer.version)).collect();
            return Inside::Outside { layers };
        }
        Inside::Inside { hits }
    }
}
