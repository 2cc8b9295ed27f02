//! GeoJSON points: properties are the columns, `lon` and `lat` are added from the geometry.

use std::collections::HashSet;
use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use geojson::{FeatureReader, GeometryValue, JsonValue};
use outlet_core::import::{Cell, SourceRow};

use super::{Item, ReadError, ReadOptions, Sink};

/// Most columns.
const COLUMNS: usize = 2_000;
/// Features whose properties make the header.
const SAMPLE: usize = 1_000;

pub(super) fn read(path: &Path, _options: &ReadOptions, sink: &mut Sink<'_>) -> Result<(), ReadError> {
    let open = || -> Result<_, ReadError> {
        let file = File::open(path).map_err(ReadError::io(path))?;
        Ok(FeatureReader::from_reader(BufReader::new(file)).features())
    };
    let mut header: Vec<String> = vec!["lon".to_owned(), "lat".to_owned()];
    let mut known: HashSet<String> = header.iter().cloned().collect();
    for feature in open()?.take(SAMPLE) {
        let feature = feature.map_err(|error| ReadError::form(path, error))?;
        for name in feature.properties.iter().flat_map(|properties| properties.keys()) {
            if known.insert(name.clone()) {
                header.push(name.clone());
            }
            if header.len() > COLUMNS {
                return Err(ReadError::form(path, format!("more than {COLUMNS} different properties")));
            }
        }
    }
    let mut hand = |item| if sink(item) { Ok(()) } else { Err(ReadError::Stopped) };
    hand(Item::Note("longitude and latitude of the points are the columns lon and lat".to_owned()))?;
    hand(Item::Head(header.clone()))?;
    for (number, feature) in (1..).zip(open()?) {
        let feature = feature.map_err(|error| ReadError::form(path, format!("feature {number}: {error}")))?;
        let (lon, lat) = match feature.geometry.map(|geometry| geometry.value) {
            Some(GeometryValue::Point { coordinates }) => match coordinates.as_slice() {
                [lon, lat, ..] => (Cell::Number(*lon), Cell::Number(*lat)),
                _ => (Cell::Error("a point without coordinates".to_owned()), Cell::Empty),
            },
            Some(_) => (Cell::Error("not a point: only points can be outlets".to_owned()), Cell::Empty),
            None => (Cell::Empty, Cell::Empty),
        };
        let mut cells = vec![lon, lat];
        let properties = feature.properties.unwrap_or_default();
        cells.extend(header[2..].iter().map(|name| properties.get(name).map(cell).unwrap_or_default()));
        hand(Item::Row(SourceRow { line: number, cells }))?;
    }
    Ok(())
}

fn cell(value: &JsonValue) -> Cell {
    match value {
        JsonValue::Null => Cell::Empty,
        JsonValue::Bool(value) => Cell::Bool(*value),
        JsonValue::Number(number) => number.as_f64().map_or(Cell::Empty, Cell::Number),
        JsonValue::String(text) => Cell::of_text(text),
        other => Cell::Text(other.to_string()),
    }
}
