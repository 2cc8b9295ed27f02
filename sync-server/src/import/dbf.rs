//! Points of a shapefile with their DBF table: `lon` and `lat` are added from the geometry. The
//! encoding is that of the `.cpg` file or the mapping, else GBK, which Chinese GIS programs write.

use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::path::Path;

use dbase::FieldValue;
use outlet_core::import::{Cell, SourceRow};
use outlet_core::time::Day;
use shapefile::Shape;

use super::{Item, ReadError, ReadOptions, Sink};

/// A shapefile with its table, in the encoding that its `.cpg` file or `encoding` names.
pub(crate) fn open(
    path: &Path,
    encoding: Option<&str>,
) -> Result<shapefile::Reader<BufReader<File>, BufReader<File>>, ReadError> {
    let table = path.with_extension("dbf");
    let dbf = File::open(&table).map_err(ReadError::io(&table))?;
    let mut named = String::new();
    if let Ok(file) = File::open(path.with_extension("cpg")) {
        let _ = file.take(64).read_to_string(&mut named);
    }
    let label = encoding.map(str::to_owned).or_else(|| Some(named.trim().to_owned()).filter(|name| !name.is_empty()));
    let label = label.as_deref().unwrap_or("gbk");
    // 936 and CP936 are GBK; encoding_rs knows labels of the web.
    let label = if label.to_ascii_uppercase().trim_start_matches("CP") == "936" { "gbk" } else { label };
    let known = [encoding_rs::UTF_8, encoding_rs::GBK, encoding_rs::GB18030, encoding_rs::BIG5];
    let encoding = encoding_rs::Encoding::for_label(label.as_bytes())
        .filter(|encoding| known.contains(encoding))
        .ok_or_else(|| ReadError::form(path, format!("there is no encoding {label:?}: write gbk or utf-8")))?;
    let records = dbase::ReaderBuilder::new()
        .with_encoding(dbase::encoding::EncodingRs::from(encoding))
        .build(BufReader::new(dbf))
        .map_err(|error| ReadError::form(&table, error))?;
    let mut shp = BufReader::new(File::open(path).map_err(ReadError::io(path))?);
    check_counts(&mut shp).map_err(ReadError::io(path))?.map_or(Ok(()), |why| Err(ReadError::form(path, why)))?;
    shp.rewind().map_err(ReadError::io(path))?;
    // Record after record; an index beside it is not believed.
    let shapes = shapefile::ShapeReader::new(shp).map_err(|error| ReadError::form(path, error))?;
    Ok(shapefile::Reader::new(shapes, records))
}

/// Bytes of the header of a shapefile.
const HEADER: u64 = 100;

/// Says what is wrong when a record counts more parts or points than its length has room for, when a part
/// begins before the one before it or beyond the points, or when a record is longer than the file: the
/// reader takes memory for what is counted.
fn check_counts(shp: &mut (impl Read + Seek)) -> std::io::Result<Option<String>> {
    let whole = shp.seek(SeekFrom::End(0))?;
    let mut at = HEADER;
    while at + 8 <= whole {
        shp.seek(SeekFrom::Start(at))?;
        let mut head = [0; 8];
        shp.read_exact(&mut head)?;
        // Number and length in words of 16 bits, big endian; then the content: its kind, a box, and
        // how many there are, little endian.
        let length = u64::from(u32::from_be_bytes([head[4], head[5], head[6], head[7]])) * 2;
        if length > whole - at - 8 {
            return Ok(Some("a record is longer than the file: it is cut short, copy it again".to_owned()));
        }
        let mut content = [0; 44];
        let kept = usize::try_from(length).unwrap_or(usize::MAX).min(content.len());
        shp.read_exact(&mut content[..kept])?;
        let number =
            |at: usize| u64::from(u32::from_le_bytes([content[at], content[at + 1], content[at + 2], content[at + 3]]));
        let (kind, count, points) = (number(0), number(36), number(40));
        // Lines, polygons, and surfaces: parts, points.
        let in_parts = matches!(kind, 3 | 5 | 13 | 15 | 23 | 25 | 31);
        let room = match kind {
            _ if in_parts => BEFORE_PARTS + count * 4 + points * 16,
            // Several points.
            8 | 18 | 28 => BEFORE_POINTS + count * 16,
            _ => 0,
        };
        if room > length {
            return Ok(Some("a record counts more points than it has room for: it is damaged".to_owned()));
        }
        if in_parts {
            shp.seek(SeekFrom::Start(at + 8 + BEFORE_PARTS))?;
            if !parts_follow_one_another(shp, count, points)? {
                return Ok(Some("the parts of a record do not follow one another: it is damaged".to_owned()));
            }
        }
        at += 8 + length;
    }
    Ok(None)
}

/// Bytes of a record's content before the list of where its parts begin: kind, box, both counts.
const BEFORE_PARTS: u64 = 44;

/// Bytes of a record's content before its points, where they have no parts: kind, box, count.
const BEFORE_POINTS: u64 = 40;

/// Does each part begin where the one before it began or later, and none beyond the points?
fn parts_follow_one_another(shp: &mut impl Read, count: u64, points: u64) -> std::io::Result<bool> {
    let mut before = 0;
    for _ in 0..count {
        let mut begin = [0; 4];
        shp.read_exact(&mut begin)?;
        let begin = u64::from(u32::from_le_bytes(begin));
        if begin < before || begin > points {
            return Ok(false);
        }
        before = begin;
    }
    Ok(true)
}

/// The text of the `.prj` file, where there is one.
pub(crate) fn projection(path: &Path) -> Option<String> {
    let mut text = String::new();
    File::open(path.with_extension("prj")).ok()?.take(8 << 10).read_to_string(&mut text).ok()?;
    Some(text)
}

pub(super) fn read(path: &Path, options: &ReadOptions, sink: &mut Sink<'_>) -> Result<(), ReadError> {
    let mut reader = open(path, options.encoding.as_deref())?;
    if projection(path).is_some_and(|text| text.trim_start().starts_with("PROJCS")) {
        return Err(ReadError::form(path, "its .prj says projected coordinates: export it in degrees (EPSG:4490)"));
    }
    let mut hand = |item| if sink(item) { Ok(()) } else { Err(ReadError::Stopped) };
    let mut header: Option<Vec<String>> = None;
    for (number, found) in (1..).zip(reader.iter_shapes_and_records()) {
        let (shape, record) = found.map_err(|error| ReadError::form(path, format!("feature {number}: {error}")))?;
        let mut fields: Vec<(String, FieldValue)> = record.into_iter().collect();
        fields.sort_by(|(left, _), (right, _)| left.cmp(right));
        if header.is_none() {
            let names = ["lon", "lat"].map(str::to_owned).into_iter();
            let names: Vec<String> = names.chain(fields.iter().map(|(name, _)| name.clone())).collect();
            hand(Item::Head(names.clone()))?;
            header = Some(names);
        }
        let (lon, lat) = match shape {
            Shape::Point(point) => (Cell::Number(point.x), Cell::Number(point.y)),
            Shape::PointM(point) => (Cell::Number(point.x), Cell::Number(point.y)),
            Shape::PointZ(point) => (Cell::Number(point.x), Cell::Number(point.y)),
            Shape::NullShape => (Cell::Empty, Cell::Empty),
            _ => (Cell::Error("not a point: only points can be outlets".to_owned()), Cell::Empty),
        };
        let cells = [lon, lat].into_iter().chain(fields.iter().map(|(_, value)| cell(value))).collect();
        hand(Item::Row(SourceRow { line: number, cells }))?;
    }
    if header.is_none() { Err(ReadError::NoHeader(path.display().to_string())) } else { Ok(()) }
}

/// A value of the table.
pub(crate) fn cell(value: &FieldValue) -> Cell {
    match value {
        FieldValue::Character(Some(text)) => Cell::of_text(text),
        FieldValue::Numeric(Some(number)) => Cell::Number(*number),
        FieldValue::Logical(Some(value)) => Cell::Bool(*value),
        FieldValue::Date(Some(date)) => {
            let day = i16::try_from(date.year())
                .ok()
                .zip(i8::try_from(date.month()).ok())
                .zip(i8::try_from(date.day()).ok())
                .and_then(|((year, month), day)| Day::new(year, month, day));
            day.map_or(Cell::Empty, Cell::Date)
        }
        FieldValue::Float(Some(number)) => Cell::Number(f64::from(*number)),
        FieldValue::Integer(number) => Cell::Number(f64::from(*number)),
        FieldValue::Currency(number) | FieldValue::Double(number) => Cell::Number(*number),
        FieldValue::Memo(text) => Cell::of_text(text),
        _ => Cell::Empty,
    }
}

/// Polygons of a shapefile as zones; inner rings follow the outer ring they lie in.
///
/// # Errors
/// When the file cannot be read, or is in projected coordinates.
pub fn polygons(path: &Path, encoding: Option<&str>) -> Result<Vec<outlet_core::zones::RawZone>, ReadError> {
    let mut reader = open(path, encoding)?;
    if projection(path).is_some_and(|text| text.trim_start().starts_with("PROJCS")) {
        return Err(ReadError::form(path, "its .prj says projected coordinates: export it in degrees (EPSG:4490)"));
    }
    let mut zones = Vec::new();
    for (number, found) in (1..).zip(reader.iter_shapes_and_records()) {
        let (shape, record) = found.map_err(|error| ReadError::form(path, format!("feature {number}: {error}")))?;
        let text = |names: &[&str]| names.iter().find_map(|name| record.get(name).and_then(|value| cell(value).text()));
        let rings: Option<Vec<(bool, Vec<[f64; 2]>)>> = match &shape {
            Shape::Polygon(polygon) => Some(polygon.rings().iter().map(|ring| ring_of(ring, |p| [p.x, p.y])).collect()),
            Shape::PolygonM(polygon) => {
                Some(polygon.rings().iter().map(|ring| ring_of(ring, |p| [p.x, p.y])).collect())
            }
            Shape::PolygonZ(polygon) => {
                Some(polygon.rings().iter().map(|ring| ring_of(ring, |p| [p.x, p.y])).collect())
            }
            _ => None,
        };
        let since = text(&["PFSJ", "批复时间", "划定时间", "SINCE"]);
        zones.push(outlet_core::zones::RawZone {
            name: text(&["NAME", "Name", "name", "MC", "名称"]).unwrap_or_else(|| format!("feature {number}")),
            of: text(&["SYDMC", "水源地", "OF"]),
            established_on: since.and_then(|text| text.replace('/', "-").parse().ok()),
            not_a_polygon: rings.is_none(),
            polygons: group(rings.unwrap_or_default()),
        });
    }
    Ok(zones)
}

fn ring_of<P>(ring: &shapefile::PolygonRing<P>, point: impl Fn(&P) -> [f64; 2]) -> (bool, Vec<[f64; 2]>) {
    let outer = matches!(ring, shapefile::PolygonRing::Outer(_));
    (outer, ring.points().iter().map(point).collect())
}

/// Each outer ring begins a polygon; the inner rings behind it are its holes.
fn group(rings: Vec<(bool, Vec<[f64; 2]>)>) -> Vec<Vec<Vec<[f64; 2]>>> {
    let mut polygons: Vec<Vec<Vec<[f64; 2]>>> = Vec::new();
    for (outer, ring) in rings {
        match polygons.last_mut().filter(|_| !outer) {
            Some(polygon) => polygon.push(ring),
            None => polygons.push(vec![ring]),
        }
    }
    polygons
}
