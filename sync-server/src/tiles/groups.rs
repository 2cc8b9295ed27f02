//! Outlets of a tile as groups: out of the maintained grid, or counted for a filter.

use std::collections::BTreeMap;

use roaring::RoaringBitmap;
use rusqlite::{Connection, params};

use crate::db::{DbError, int, uint};
use crate::inventory::place::{self, Tile};
use crate::inventory::{self, LEVELS, Scope};

/// Outlets near each other.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Group {
    /// Web mercator, 0..1.
    pub x: f64,
    /// Web mercator, 0..1, downwards.
    pub y: f64,
    /// Outlets.
    pub count: u64,
}

/// Finest grid level for a tile: at most 32 by 32 groups; none when the tile is smaller than the
/// finest grid.
pub(super) fn level(tile: Tile) -> Option<u32> {
    let wanted = tile.z + 4;
    let finest = LEVELS[LEVELS.len() - 1];
    LEVELS.into_iter().find(|level| *level >= wanted).or_else(|| (tile.z < finest).then_some(finest))
}

/// Sums of a group.
#[derive(Default, Clone, Copy)]
struct Sums {
    count: i64,
    x: i64,
    y: i64,
}

impl Sums {
    #[expect(clippy::cast_precision_loss, reason = "a mean position on a map")]
    fn group(self) -> Group {
        let mean = |sum: i64| (sum as f64 / self.count as f64 + 0.5) / f64::from(1_u32 << place::LEVEL);
        Group { x: mean(self.x), y: mean(self.y), count: uint(self.count) }
    }
}

/// Groups of the scope's outlets, as the grid keeps them.
pub(super) fn kept(connection: &Connection, scope: &Scope, tile: Tile, level: u32) -> Result<Vec<Group>, DbError> {
    let (from, to) = tile.cells(level);
    let sql = "SELECT cell, collection, count, sum_x, sum_y FROM grid WHERE level = ?1 AND cell >= ?2 AND cell < ?3";
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query(params![level, int(from), int(to)])?;
    let mut cells: BTreeMap<i64, Sums> = BTreeMap::new();
    while let Some(row) = rows.next()? {
        let collection = outlet_core::ids::Collection::from_code(row.get(1)?);
        if collection.is_some_and(|collection| scope.holds(collection)) {
            let sums = cells.entry(row.get(0)?).or_default();
            sums.count += row.get::<_, i64>(2)?;
            sums.x += row.get::<_, i64>(3)?;
            sums.y += row.get::<_, i64>(4)?;
        }
    }
    Ok(cells.into_values().filter(|sums| sums.count > 0).map(Sums::group).collect())
}

/// Groups of chosen outlets. Of a large tile each bitmap of a place is counted, and the group stands
/// in its middle; of a small one each outlet is looked at.
pub(super) fn counted(
    connection: &Connection,
    tile: Tile,
    level: u32,
    bits: &RoaringBitmap,
) -> Result<Vec<Group>, DbError> {
    let mut cells: BTreeMap<u64, Sums> = BTreeMap::new();
    let mut add = |cell: u64, count: u64| {
        let (x, y) = place::unmorton(cell);
        let sums = cells.entry(cell >> (2 * (place::LEVEL - level))).or_default();
        sums.count += int(count);
        sums.x += int(count) * i64::from(x);
        sums.y += int(count) * i64::from(y);
    };
    if tile.z + 3 <= place::COARSE {
        let middle = 1_u64 << (2 * (place::LEVEL - place::COARSE) - 1);
        let half = middle | (middle >> 1);
        inventory::places(connection, tile, |place, own| {
            let count = own.intersection_len(bits);
            if count > 0 {
                add((place << (2 * (place::LEVEL - place::COARSE))) | half, count);
            }
        })?;
    } else {
        let (from, to) = tile.cells(place::LEVEL);
        let sql = "SELECT cell, id FROM inventory WHERE cell >= ?1 AND cell < ?2";
        let mut statement = connection.prepare_cached(sql)?;
        let mut rows = statement.query(params![int(from), int(to)])?;
        while let Some(row) = rows.next()? {
            if bits.contains(row.get(1)?) {
                add(uint(row.get(0)?), 1);
            }
        }
    }
    Ok(cells.into_values().map(Sums::group).collect())
}
