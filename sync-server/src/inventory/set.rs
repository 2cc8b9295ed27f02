//! The set of rows that a filter has: bitmaps combined. Values, flags and whole months of days are
//! there as they are; the ends of a span of days, the edge of a box and a text are read from an index.

use outlet_core::time::Day;
use roaring::RoaringBitmap;
use rusqlite::{Connection, params};

use super::columns::{DUE, bucket, month};
use super::text::Set;
use super::{DateColumn, Dimension, Filter, Scope, place, postings};
use crate::db::{DbError, int};

/// Rows of a scope.
pub(super) fn base(connection: &Connection, scope: &Scope) -> Result<RoaringBitmap, DbError> {
    let Some(own) = scope.collections() else { return postings::load_all(connection, Dimension::Collection) };
    let mut bits = RoaringBitmap::new();
    for collection in own {
        bits |= postings::load(connection, Dimension::Collection, &collection.code().to_string())?;
    }
    Ok(bits)
}

/// The rows of a filter.
///
/// # Errors
/// When SQLite refuses.
pub(super) fn set(connection: &Connection, filter: &Filter) -> Result<Set, DbError> {
    Set::read(connection, filter, certain(connection, filter)?)
}

/// Of the rows that the other conditions allow, those that have the text; nothing when so many have it that
/// they are not looked up at once.
pub(super) fn with_text(connection: &Connection, filter: &Filter) -> Result<Option<RoaringBitmap>, DbError> {
    Ok(set(connection, filter)?.settled())
}

/// The rows that all conditions but the text allow.
pub(super) fn certain(connection: &Connection, filter: &Filter) -> Result<RoaringBitmap, DbError> {
    let mut bits = base(connection, &filter.scope)?;
    for (dimension, values) in &filter.values {
        let mut any = RoaringBitmap::new();
        for value in values {
            any |= postings::load(connection, *dimension, value)?;
        }
        bits &= any;
    }
    for flag in &filter.flags {
        bits &= postings::load(connection, Dimension::Flag, flag.code())?;
    }
    if let Some(today) = filter.overdue_on {
        bits &= overdue(connection, today)?;
    }
    for (column, span) in &filter.dates {
        bits &= days(connection, *column, span.from, span.to)?;
    }
    if let Some(party) = &filter.party {
        bits &= rows(connection, "SELECT id FROM inventory WHERE party = ?1", params![party])?;
    }
    if let Some(version) = filter.changed_after {
        bits &= rows(connection, "SELECT id FROM ledger WHERE version > ?1", params![int(version)])?;
    }
    if let Some(bbox) = &filter.bbox {
        bits &= inside(connection, bbox)?;
    }
    Ok(bits)
}

/// Plans that are not accepted and were due before a day: whole months, then the days of the last one.
fn overdue(connection: &Connection, today: Day) -> Result<RoaringBitmap, DbError> {
    let first = first_of(today);
    let (low, high) = (bucket(DUE, "\u{1}"), bucket(DUE, &month(first)));
    let months = postings::load_range(connection, Dimension::Bucket, &low, &high)?;
    Ok(months | postings::load_range(connection, Dimension::Due, &first.to_string(), &today.to_string())?)
}

fn first_of(day: Day) -> Day {
    day.plus_days(1 - i64::from(day.parts().2))
}

pub(super) fn rows(
    connection: &Connection,
    sql: &str,
    values: impl rusqlite::Params,
) -> Result<RoaringBitmap, DbError> {
    let mut bits = RoaringBitmap::new();
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query(values)?;
    while let Some(row) = rows.next()? {
        bits.insert(row.get(0)?);
    }
    Ok(bits)
}

/// Rows whose day lies in a span: whole months out of the bitmaps, the ends out of the index.
fn days(
    connection: &Connection,
    column: DateColumn,
    from: Option<Day>,
    to: Option<Day>,
) -> Result<RoaringBitmap, DbError> {
    if from.zip(to).is_some_and(|(from, to)| from > to) {
        return Ok(RoaringBitmap::new());
    }
    let next_month = |day: Day| first_of(first_of(day).plus_days(31));
    // Months from `start` up to `end` (excluded) are whole.
    let start = from.map(|from| if first_of(from) == from { from } else { next_month(from) });
    let end = to.map(|to| first_of(to.plus_days(1)));
    let code = column.code();
    let low = bucket(code, &start.map_or_else(|| "\u{1}".to_owned(), month));
    let high = bucket(code, &end.map_or_else(|| "\u{10ffff}".to_owned(), month));
    let mut bits = RoaringBitmap::new();
    if low < high {
        bits |= postings::load_range(connection, Dimension::Bucket, &low, &high)?;
    }
    let sql = format!("SELECT id FROM inventory WHERE {code} >= ?1 AND {code} <= ?2");
    let mut read = |first: Day, last: Day| -> Result<(), DbError> {
        if first <= last {
            bits |= rows(connection, &sql, params![first.epoch_days(), last.epoch_days()])?;
        }
        Ok(())
    };
    if let (Some(from), Some(start)) = (from, start) {
        let last = start.plus_days(-1);
        read(from, to.map_or(last, |to| to.min(last)))?;
    }
    if let (Some(to), Some(end)) = (to, end) {
        read(from.map_or(end, |from| from.max(end)), to)?;
    }
    Ok(bits)
}

/// Rows whose position lies in a box.
fn inside(connection: &Connection, bbox: &super::BoundingBox) -> Result<RoaringBitmap, DbError> {
    if bbox.west > bbox.east {
        // Across the meridian of 180 degrees.
        let western = super::BoundingBox { east: 180.0, ..*bbox };
        let eastern = super::BoundingBox { west: -180.0, ..*bbox };
        return Ok(inside(connection, &western)? | inside(connection, &eastern)?);
    }
    let cover = place::cover(bbox.west, bbox.south, bbox.east, bbox.north);
    let mut bits = RoaringBitmap::new();
    let sql = "SELECT id FROM inventory WHERE cell >= ?1 AND cell < ?2";
    for tile in cover.inside {
        let (from, to) = tile.cells(place::LEVEL);
        bits |= if tile.z <= place::COARSE {
            let (first, end) = place_range(tile);
            postings::load_range(connection, Dimension::Place, &first, &end)?
        } else {
            rows(connection, sql, params![int(from), int(to)])?
        };
    }
    let sql = "SELECT id, lon, lat FROM inventory WHERE cell >= ?1 AND cell < ?2";
    let mut statement = connection.prepare_cached(sql)?;
    for tile in cover.edge {
        let (from, to) = tile.cells(place::LEVEL);
        let mut found = statement.query(params![int(from), int(to)])?;
        while let Some(row) = found.next()? {
            if bbox.holds(row.get(1)?, row.get(2)?) {
                bits.insert(row.get(0)?);
            }
        }
    }
    Ok(bits)
}

/// Rows of a filter that lie in a tile.
///
/// # Errors
/// When SQLite refuses.
pub fn within(connection: &Connection, filter: &Filter, tile: place::Tile) -> Result<RoaringBitmap, DbError> {
    let bits = certain(connection, filter)?;
    let mut set = Set::read(connection, filter, in_tile(connection, tile, &bits)?)?;
    set.settle(connection)?;
    Ok(set.bits)
}

fn in_tile(connection: &Connection, tile: place::Tile, bits: &RoaringBitmap) -> Result<RoaringBitmap, DbError> {
    let mut found = RoaringBitmap::new();
    if tile.z <= place::COARSE {
        places(connection, tile, |_, own| found |= own & bits)?;
        return Ok(found);
    }
    let (from, to) = tile.cells(place::LEVEL);
    let sql = "SELECT id FROM inventory WHERE cell >= ?1 AND cell < ?2";
    Ok(rows(connection, sql, params![int(from), int(to)])? & bits)
}

/// The box around the outlets of a scope, to the edges of the tiles of level [`place::COARSE`]: west,
/// south, east, north in degrees.
///
/// # Errors
/// When SQLite refuses.
pub fn extent(connection: &Connection, scope: &Scope) -> Result<Option<[f64; 4]>, DbError> {
    let all = base(connection, scope)?;
    let mut extent: Option<[f64; 4]> = None;
    let world = place::Tile { z: 0, x: 0, y: 0 };
    places(connection, world, |number, own| {
        let (x, y) = place::unmorton(number);
        let Some(tile) = place::Tile::new(place::COARSE, x, y).filter(|_| !own.is_disjoint(&all)) else { return };
        let [west, south, east, north] = tile.bounds();
        let known = extent.get_or_insert([west, south, east, north]);
        *known = [known[0].min(west), known[1].min(south), known[2].max(east), known[3].max(north)];
    })?;
    Ok(extent)
}

/// Hands every place of a tile (of level [`place::COARSE`] at most) to `work` with its rows; a place
/// comes in several parts.
///
/// # Errors
/// When SQLite refuses.
pub fn places(
    connection: &Connection,
    tile: place::Tile,
    mut work: impl FnMut(u64, &RoaringBitmap),
) -> Result<(), DbError> {
    let (first, end) = place_range(tile);
    postings::each_in(connection, Dimension::Place, &first, &end, |value, bits| {
        if let Ok(place) = u64::from_str_radix(value, 16) {
            work(place, bits);
        }
    })
}

/// Values of the places of a tile: from, up to (excluded).
fn place_range(tile: place::Tile) -> (String, String) {
    let (from, to) = tile.cells(place::LEVEL);
    // The end as a number may have one digit more: what follows the last value is the end.
    (place::coarse(from), format!("{}\u{1}", place::coarse(to - 1)))
}
