//! GeoJSON (RFC 7946): one feature per outlet, WGS-84. An outlet without a position keeps its
//! feature, with a null geometry: it must not vanish from a map's table.

use serde_json::{Map, Value, json};

use super::columns::{COLUMNS, Cell};
use super::{Style, mask};
use crate::ledger::LedgerRow;

/// The ledger as a feature collection. Values keep their types; what is absent is null.
#[must_use]
pub fn ledger_geojson(rows: &[LedgerRow], style: Style<'_>) -> String {
    let features: Vec<Value> = rows.iter().map(|row| ledger_feature(row, style)).collect();
    json!({"type": "FeatureCollection", "features": features}).to_string()
}

/// One outlet as a feature.
#[must_use]
pub fn ledger_feature(row: &LedgerRow, style: Style<'_>) -> Value {
    let geometry = match (row.lon, row.lat) {
        (Some(lon), Some(lat)) if lon.is_finite() && lat.is_finite() => {
            json!({"type": "Point", "coordinates": [lon, lat]})
        }
        _ => Value::Null,
    };
    let properties: Map<String, Value> = COLUMNS
        .iter()
        .filter(|column| !matches!(column.code, "lon" | "lat"))
        .map(|column| (style.header(column.code), property(&(column.cell)(row), style)))
        .collect();
    json!({"type": "Feature", "id": row.id.to_string(), "geometry": geometry, "properties": properties})
}

fn property(cell: &Cell, style: Style<'_>) -> Value {
    match cell {
        Cell::Empty => Value::Null,
        Cell::Text(text) => json!(mask(text)),
        Cell::Code(dictionary, code) => json!(style.value(dictionary, code)),
        Cell::Codes(dictionary, codes) => {
            json!(codes.iter().map(|code| style.value(dictionary, code)).collect::<Vec<_>>())
        }
        Cell::Count(count) => json!(count),
        Cell::Number(number) => json!(number),
        Cell::Day(day) => json!(day.to_string()),
    }
}
