//! Map tiles (Mapbox Vector Tile 2.1) out of the inventory: single outlets where there are few, else
//! groups with their number, so that a map of a million outlets pans as smoothly as one of ten.
//!
//! Layer `outlets`: points with `id`, `name`, `number`, `class`, `state`, `overdue`. Layer `groups`:
//! points with `count`. A tile has one of them.

pub mod base;
#[cfg(test)]
mod base_tests;
mod groups;
#[cfg(test)]
mod tests;

use mvt::{GeomEncoder, GeomType};
use outlet_core::ids::DocKey;
use outlet_core::time::Day;
use rusqlite::{Connection, Row, params};

use crate::db::{DbError, int};
use crate::inventory::place::{self, Tile};
use crate::inventory::{self, Filter};

pub(crate) use groups::Group;

/// Media type of a tile.
pub const MEDIA_TYPE: &str = "application/vnd.mapbox-vector-tile";

/// Coordinates of a tile go from 0 to here.
const EXTENT: u32 = 4096;

/// Most outlets of a tile: about 250 KB.
const MOST: u64 = 2_500;

/// Outlets that are shown one by one in a tile of a low zoom level.
const FEW: u64 = 300;

/// From this zoom level on many outlets are shown one by one.
const CLOSE: u32 = 12;

/// Highest zoom level.
pub const MAX_ZOOM: u32 = 20;

/// The tile with the outlets of a filter; empty bytes when there are none.
///
/// # Errors
/// When SQLite refuses.
pub fn render(connection: &Connection, filter: &Filter, tile: Tile, today: Day) -> Result<Vec<u8>, DbError> {
    let content = if filter.is_plain() { plain(connection, filter, tile)? } else { chosen(connection, filter, tile)? };
    encode(tile, content, today)
}

/// What a tile shows.
enum Content {
    Points(Vec<Point>),
    Groups(Vec<Group>),
}

/// An outlet on the map.
struct Point {
    key: DocKey,
    lon: f64,
    lat: f64,
    name: Option<String>,
    number: Option<String>,
    class: Option<String>,
    state: Option<String>,
    due: Option<i64>,
}

const POINT: &str = "SELECT l.outlet, i.lon, i.lat, i.name, i.number, i.class, i.state, i.due \
                     FROM inventory i JOIN ledger l ON l.id = i.id WHERE";

impl Point {
    fn read(row: &Row<'_>) -> Result<Self, DbError> {
        let key: Vec<u8> = row.get(0)?;
        Ok(Self {
            key: DocKey::from_bytes(&key).ok_or_else(|| DbError::Damaged("ledger key".into()))?,
            lon: row.get(1)?,
            lat: row.get(2)?,
            name: row.get(3)?,
            number: row.get(4)?,
            class: row.get(5)?,
            state: row.get(6)?,
            due: row.get(7)?,
        })
    }
}

fn shows_points(tile: Tile, count: u64) -> bool {
    count <= FEW || (tile.z >= CLOSE && count <= MOST) || groups::level(tile).is_none()
}

/// All outlets of the scope: their number is known without looking at them.
fn plain(connection: &Connection, filter: &Filter, tile: Tile) -> Result<Content, DbError> {
    if let Some(level) = groups::level(tile) {
        let groups = groups::kept(connection, filter.scope(), tile, level)?;
        let count: u64 = groups.iter().map(|group| group.count).sum();
        if !shows_points(tile, count) {
            return Ok(Content::Groups(groups));
        }
    }
    let (from, to) = tile.cells(place::LEVEL);
    let sql = format!("{POINT} i.cell >= ?1 AND i.cell < ?2");
    let mut statement = connection.prepare_cached(&sql)?;
    let mut rows = statement.query(params![int(from), int(to)])?;
    let mut points = Vec::new();
    while let Some(row) = rows.next()? {
        let point = Point::read(row)?;
        if filter.scope().holds(point.key.collection) {
            points.push(point);
        }
        if points.len() as u64 == MOST {
            break;
        }
    }
    Ok(Content::Points(points))
}

/// Outlets of a filter.
fn chosen(connection: &Connection, filter: &Filter, tile: Tile) -> Result<Content, DbError> {
    let bits = inventory::within(connection, filter, tile)?;
    if let Some(level) = groups::level(tile)
        && !shows_points(tile, bits.len())
    {
        return Ok(Content::Groups(groups::counted(connection, tile, level, &bits)?));
    }
    let sql = format!("{POINT} i.id = ?1");
    let mut statement = connection.prepare_cached(&sql)?;
    let most = usize::try_from(MOST).unwrap_or(usize::MAX);
    let points = bits.iter().take(most).map(|id| statement.query_row([id], |row| Ok(Point::read(row)))?);
    Ok(Content::Points(points.collect::<Result<_, DbError>>()?))
}

fn wrong(error: mvt::Error) -> DbError {
    DbError::Damaged(format!("a position that no tile holds ({error})"))
}

fn encode(tile: Tile, content: Content, today: Day) -> Result<Vec<u8>, DbError> {
    let mut made = mvt::Tile::new(EXTENT);
    match content {
        Content::Points(points) if !points.is_empty() => {
            let mut layer = made.create_layer("outlets");
            for point in points {
                let mut feature = layer.into_feature(geometry(tile, place::position(point.lon, point.lat))?);
                feature.add_tag_string("id", &point.key.id.to_string());
                for (name, value) in
                    [("name", &point.name), ("number", &point.number), ("class", &point.class), ("state", &point.state)]
                {
                    if let Some(value) = value {
                        feature.add_tag_string(name, value);
                    }
                }
                if point.due.is_some_and(|due| due < today.epoch_days()) {
                    feature.add_tag_bool("overdue", true);
                }
                layer = feature.into_layer();
            }
            made.add_layer(layer).map_err(wrong)?;
        }
        Content::Groups(groups) if !groups.is_empty() => {
            let mut layer = made.create_layer("groups");
            for group in groups {
                let mut feature = layer.into_feature(geometry(tile, (group.x, group.y))?);
                feature.add_tag_uint("count", group.count);
                layer = feature.into_layer();
            }
            made.add_layer(layer).map_err(wrong)?;
        }
        _ => return Ok(Vec::new()),
    }
    made.to_bytes().map_err(wrong)
}

/// Web mercator (0..1) to coordinates of the tile.
fn geometry(tile: Tile, (x, y): (f64, f64)) -> Result<mvt::GeomData, DbError> {
    let side = f64::from(1_u32 << tile.z);
    let along = |at: f64, number: u32| (at * side - f64::from(number)) * f64::from(EXTENT);
    let mut encoder = GeomEncoder::<f64>::new(GeomType::Point);
    encoder.add_point(along(x, tile.x), along(y, tile.y)).map_err(wrong)?;
    encoder.encode().map_err(wrong)
}
