//! Protection zones and other areas as polygons: who drew them, when, approved by which document.
//!
//! A layer is read once ([`check()`]), converted to WGS-84 with the raw rings kept, and travels as
//! parts of a reference data set. Whether a point lies inside is answered with the layer's name and
//! version; where no layer of a kind is loaded the answer is [`Inside::Unknown`], never "not inside".

mod check;
mod find;
mod layer;
#[cfg(test)]
mod tests;

pub use check::{LayerHead, RawZone, ZoneProblem, check, from_geojson};
pub use find::{Inside, Layers, Missing, ZoneHit};
pub use layer::{Layer, LayerError, Zone, ZoneKind};
