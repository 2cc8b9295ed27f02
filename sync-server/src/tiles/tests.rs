use super::*;
use crate::inventory::testing::{World, key};
use crate::inventory::{Dimension, Query, Scope};

fn today() -> Day {
    "2021-09-01".parse().unwrap()
}

/// All outlets of a tile: points, or what its groups count.
fn shown(content: &Content) -> u64 {
    match content {
        Content::Points(points) => points.len() as u64,
        Content::Groups(groups) => groups.iter().map(|group| group.count).sum(),
    }
}

fn tiles_of(z: u32, bounds: [f64; 4]) -> Vec<Tile> {
    let [west, south, east, north] = bounds;
    let at = |lon, lat| {
        let (x, y) = place::unmorton(place::cell(lon, lat).unwrap());
        (x >> (place::LEVEL - z), y >> (place::LEVEL - z))
    };
    let ((left, top), (right, bottom)) = (at(west, north), at(east, south));
    (left..=right).flat_map(|x| (top..=bottom).map(move |y| Tile { z, x, y })).collect()
}

#[test]
fn the_tiles_of_every_zoom_show_each_outlet_once() {
    let world = World::filled(1_200);
    let own = Scope::of([key(0).collection]);
    let located = |scope: &Scope| {
        world.rows.values().filter(|row| row.lon.is_some() && scope.holds(row.collection)).count() as u64
    };
    for scope in [Scope::everything(), own] {
        for z in 0..=13 {
            let mut sum = 0;
            for tile in tiles_of(z, [106.0, 31.3, 107.4, 32.5]) {
                let filter = Filter::new(scope.clone());
                let content = world.read(|connection| plain(connection, &filter, tile));
                sum += shown(&content);
                // Filtered by something that holds for all, the other way gives the same number.
                let all = world.rows.values().map(|row| row.collection.code().to_string());
                let filter = all.fold(filter, |filter, code| filter.with(Dimension::Collection, &code));
                let again = world.read(|connection| chosen(connection, &filter, tile));
                assert_eq!(shown(&again), shown(&content), "{tile:?}");
            }
            assert_eq!(sum, located(&scope), "zoom {z}");
        }
    }
}

#[test]
fn groups_stand_among_their_outlets_and_inside_the_tile() {
    let world = World::filled(1_200);
    let tile = Tile::new(0, 0, 0).unwrap();
    let filter = Filter::new(Scope::everything());
    let Content::Groups(groups) = world.read(|connection| plain(connection, &filter, tile)) else {
        panic!("1,200 outlets are too many for a world");
    };
    let (west, north) = place::position(106.2, 32.4);
    let (east, south) = place::position(107.2, 31.4);
    for group in groups {
        assert!((west..=east).contains(&group.x) && (north..=south).contains(&group.y), "{group:?}");
    }
}

#[test]
fn a_tile_is_protobuf_with_one_layer_and_stays_small() {
    let world = World::filled(1_200);
    let query = Query::parse(Scope::everything(), "overdue=true&class=ban", today()).unwrap();
    for z in 0..=14 {
        for tile in tiles_of(z, [106.6, 31.8, 106.8, 32.0]) {
            for filter in [&Filter::new(Scope::everything()), &query.filter] {
                let bytes = world.read(|connection| render(connection, filter, tile, today()));
                assert!(bytes.len() <= 500_000);
                let text = String::from_utf8_lossy(&bytes);
                let named = text.contains("outlets") || text.contains("groups");
                assert_eq!(named, !bytes.is_empty(), "{tile:?}");
            }
        }
    }
    let nowhere = Tile::new(6, 0, 0).unwrap();
    let filter = Filter::new(Scope::everything());
    assert!(world.read(|connection| render(connection, &filter, nowhere, today())).is_empty());
}
