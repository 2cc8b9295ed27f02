//! Places as numbers: the web-mercator tile of level 24 (2.4 m wide) as a Morton number, whose
//! leading bits are the tile of any lower level. So one index answers for tiles (one range each)
//! and for boxes (a few ranges), where an R*Tree would be a second structure to keep in step.

use std::f64::consts::PI;

/// Level of [`cell`].
pub const LEVEL: u32 = 24;

/// Level of the tiles that have a bitmap each: about 10 km wide.
pub const COARSE: u32 = 12;

/// Beyond this latitude web mercator has no tiles.
const LIMIT: f64 = 85.051_128_779_806_59;

/// The Morton number of a position; `None` beyond the map.
#[must_use]
pub fn cell(lon: f64, lat: f64) -> Option<u64> {
    if !(-180.0..=180.0).contains(&lon) || !(-LIMIT..=LIMIT).contains(&lat) {
        return None;
    }
    let (x, y) = position(lon, lat);
    let scale = f64::from(1_u32 << LEVEL);
    Some(morton(number(x * scale, LEVEL), number(y * scale, LEVEL)))
}

/// Web mercator of a position, both in 0..1, y downwards.
#[must_use]
pub fn position(lon: f64, lat: f64) -> (f64, f64) {
    let latitude = lat.clamp(-LIMIT, LIMIT).to_radians();
    (lon / 360.0 + 0.5, (1.0 - (latitude.tan() + 1.0 / latitude.cos()).ln() / PI) / 2.0)
}

/// Inverse of [`position`].
#[must_use]
pub fn degrees(x: f64, y: f64) -> (f64, f64) {
    ((x - 0.5) * 360.0, (PI * (1.0 - 2.0 * y)).sinh().atan().to_degrees())
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to the level's range")]
fn number(value: f64, level: u32) -> u32 {
    value.floor().clamp(0.0, f64::from((1_u32 << level) - 1)) as u32
}

/// Both numbers, their bits in turn; that of x is the lowest.
#[must_use]
pub fn morton(x: u32, y: u32) -> u64 {
    spread(x) | (spread(y) << 1)
}

fn spread(number: u32) -> u64 {
    let mut bits = u64::from(number);
    for (shift, mask) in [
        (16, 0x0000_ffff_0000_ffff),
        (8, 0x00ff_00ff_00ff_00ff),
        (4, 0x0f0f_0f0f_0f0f_0f0f),
        (2, 0x3333_3333_3333_3333),
        (1, 0x5555_5555_5555_5555),
    ] {
        bits = (bits | (bits << shift)) & mask;
    }
    bits
}

/// Inverse of [`morton`].
#[must_use]
pub fn unmorton(cell: u64) -> (u32, u32) {
    let gather = |mut bits: u64| {
        bits &= 0x5555_5555_5555_5555;
        for (shift, mask) in [
            (1, 0x3333_3333_3333_3333),
            (2, 0x0f0f_0f0f_0f0f_0f0f),
            (4, 0x00ff_00ff_00ff_00ff),
            (8, 0x0000_ffff_0000_ffff),
            (16, 0x0000_0000_ffff_ffff_u64),
        ] {
            bits = (bits | (bits >> shift)) & mask;
        }
        u32::try_from(bits).expect("32 bits are left")
    };
    (gather(cell), gather(cell >> 1))
}

/// A tile of the map.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tile {
    /// Zoom level, at most [`LEVEL`].
    pub z: u32,
    /// Column.
    pub x: u32,
    /// Row.
    pub y: u32,
}

impl Tile {
    /// If there is such a tile.
    #[must_use]
    pub fn new(z: u32, x: u32, y: u32) -> Option<Self> {
        let side = 1_u64.checked_shl(z)?;
        (z <= LEVEL && u64::from(x) < side && u64::from(y) < side).then_some(Self { z, x, y })
    }

    /// The cells of a finer level inside it: from, up to (excluded).
    #[must_use]
    pub fn cells(self, level: u32) -> (u64, u64) {
        let shift = 2 * level.saturating_sub(self.z);
        let own = morton(self.x, self.y);
        (own << shift, (own + 1) << shift)
    }

    /// West, south, east, north in degrees.
    #[must_use]
    pub fn bounds(self) -> [f64; 4] {
        let side = f64::from(1_u32 << self.z);
        let (west, north) = degrees(f64::from(self.x) / side, f64::from(self.y) / side);
        let (east, south) = degrees((f64::from(self.x) + 1.0) / side, (f64::from(self.y) + 1.0) / side);
        [west, south, east, north]
    }
}

/// The tile of level [`COARSE`], as text of a fixed length.
#[must_use]
pub fn coarse(cell: u64) -> String {
    format!("{:06x}", cell >> (2 * (LEVEL - COARSE)))
}

/// Most tiles that a box is taken apart into.
const TILES: usize = 256;

/// A box as tiles.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Cover {
    /// Wholly inside.
    pub inside: Vec<Tile>,
    /// Cut by the edge: positions outside the box remain to be sorted out.
    pub edge: Vec<Tile>,
}

/// Tiles that cover a box (degrees), about `TILES` of them at most.
#[must_use]
pub fn cover(west: f64, south: f64, east: f64, north: f64) -> Cover {
    let (left, top) = position(west, north);
    let (right, bottom) = position(east, south);
    let mut cover = Cover { inside: Vec::new(), edge: vec![Tile { z: 0, x: 0, y: 0 }] };
    while !cover.edge.is_empty() && cover.edge.len() * 4 + cover.inside.len() <= TILES {
        let mut next = Vec::new();
        for tile in std::mem::take(&mut cover.edge) {
            for (dx, dy) in [(0, 0), (1, 0), (0, 1), (1, 1)] {
                let child = Tile { z: tile.z + 1, x: tile.x * 2 + dx, y: tile.y * 2 + dy };
                let side = f64::from(1_u32 << child.z);
                let (x, y) = (f64::from(child.x) / side, f64::from(child.y) / side);
                let (x_end, y_end) = (x + 1.0 / side, y + 1.0 / side);
                if x > right || y > bottom || x_end < left || y_end < top {
                    continue;
                }
                // Strictly: the tile of a position on an edge is computed in floating point.
                match x > left && x_end < right && y > top && y_end < bottom {
                    true => cover.inside.push(child),
                    false => next.push(child),
                }
            }
        }
        let deepest = next.first().is_none_or(|tile| tile.z == LEVEL);
        cover.edge = next;
        if deepest {
            break;
        }
    }
    cover
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_lies_in_its_tiles_and_comes_back() {
        let (lon, lat) = (106.75, 31.85);
        let at = cell(lon, lat).unwrap();
        let (x, y) = unmorton(at);
        assert_eq!(morton(x, y), at);
        for z in 0..=LEVEL {
            let tile = Tile::new(z, x >> (LEVEL - z), y >> (LEVEL - z)).unwrap();
            let (from, to) = tile.cells(LEVEL);
            assert!((from..to).contains(&at));
            let [west, south, east, north] = tile.bounds();
            assert!(west <= lon && lon <= east && south <= lat && lat <= north, "{z}");
        }
        assert_eq!(cell(106.0, 89.0), None);
        assert_eq!(Tile::new(3, 8, 0), None);
        assert_eq!(Tile::new(70, 0, 0), None);
    }

    #[test]
    fn tiles_cover_the_box_and_stay_few() {
        let found = cover(106.5, 31.5, 107.0, 32.0);
        assert!(found.inside.len() + found.edge.len() <= TILES && !found.inside.is_empty());
        let all = || found.inside.iter().chain(&found.edge).map(|tile| tile.cells(LEVEL));
        for step in 0..50 {
            let part = f64::from(step) / 49.0;
            let at = cell(106.5 + part * 0.5, 31.5 + (1.0 - part) * 0.5).unwrap();
            assert_eq!(all().filter(|(from, to)| (*from..*to).contains(&at)).count(), 1, "{part}");
        }
        let far = cell(104.0, 30.0).unwrap();
        assert!(!all().any(|(from, to)| (from..to).contains(&far)));
        let point = cover(106.5, 31.5, 106.5, 31.5);
        assert!(point.inside.is_empty() && (1..=4).contains(&point.edge.len()), "{point:?}");
    }
}
