//! Base maps out of both kinds of file, written here by the letter of their specifications.

use std::path::{Path, PathBuf};

use rusqlite::{Connection, params};

use super::base::BaseMap;
use super::*;

const GZIP: &[u8] = &[0x1f, 0x8b, 8, 0, 7];

fn mbtiles(folder: &Path) -> PathBuf {
    let path = folder.join("base.mbtiles");
    let file = Connection::open(&path).unwrap();
    file.execute_batch(
        "CREATE TABLE metadata (name TEXT, value TEXT); \
         CREATE TABLE tiles (zoom_level INTEGER, tile_column INTEGER, tile_row INTEGER, tile_data BLOB); \
         INSERT INTO metadata VALUES ('format', 'pbf'), ('minzoom', '0'), ('maxzoom', '2'), ('attribution', 'own'), \
         ('bounds', '106,31,108,33'), ('json', '{\"vector_layers\": [{\"id\": \"water\", \"fields\": {}}]}');",
    )
    .unwrap();
    // MBTiles 1.3: rows count from the south.
    file.execute("INSERT INTO tiles VALUES (2, 3, 0, ?1)", params![GZIP]).unwrap();
    path
}

/// PMTiles v3 with one tile of zoom level 0.
fn pmtiles(folder: &Path, compression: u8) -> PathBuf {
    let (metadata, tile) = (br#"{"attribution":"own"}"#, b"\x89PNG one");
    // One entry: number of entries, then the columns tile id, run length, length, offset + 1.
    let directory = [1, 0, 1, u8::try_from(tile.len()).unwrap(), 1];
    let mut header = b"PMTiles\x03".to_vec();
    let at = |before: usize| 127 + before as u64;
    let (directory_end, metadata_end) = (directory.len(), directory.len() + metadata.len());
    for number in [
        (at(0), directory.len()),
        (at(directory_end), metadata.len()),
        (at(metadata_end), 0),
        (at(metadata_end), tile.len()),
    ] {
        header.extend(number.0.to_le_bytes());
        header.extend((number.1 as u64).to_le_bytes());
    }
    for count in [1_u64, 1, 1] {
        header.extend(count.to_le_bytes());
    }
    // Clustered; directories not compressed; tiles; PNG; zoom levels.
    header.extend([1, 1, compression, 2, 0, 0]);
    for degrees in [106_i32, 31, 108, 33] {
        header.extend((degrees * 10_000_000).to_le_bytes());
    }
    header.push(0);
    header.extend([0; 8]);
    assert_eq!(header.len(), 127);
    let path = folder.join("base.pmtiles");
    std::fs::write(&path, [&header[..], &directory, metadata, tile].concat()).unwrap();
    path
}

fn at(z: u32, x: u32, y: u32) -> Tile {
    Tile::new(z, x, y).unwrap()
}

#[tokio::test]
async fn an_mbtiles_file_is_a_base_map() {
    let folder = tempfile::tempdir().unwrap();
    let map = BaseMap::open(&mbtiles(folder.path()), "").await.unwrap();
    let tile = map.tile(at(2, 3, 3)).await.unwrap().unwrap();
    assert_eq!((&tile.bytes[..], tile.media_type, tile.gzip), (GZIP, MEDIA_TYPE, true));
    assert!(map.tile(at(2, 3, 0)).await.unwrap().is_none());
    let description = map.description("/tiles/base/{z}/{x}/{y}");
    assert_eq!(description["vector_layers"][0]["id"], "water");
    assert_eq!((&description["attribution"], &description["maxzoom"]), (&"own".into(), &2.into()));
}

#[tokio::test]
async fn a_pmtiles_file_is_a_base_map() {
    let folder = tempfile::tempdir().unwrap();
    let map = BaseMap::open(&pmtiles(folder.path(), 1), "who made it").await.unwrap();
    let tile = map.tile(at(0, 0, 0)).await.unwrap().unwrap();
    assert_eq!((&tile.bytes[..], tile.media_type, tile.gzip), (&b"\x89PNG one"[..], "image/png", false));
    assert!(map.tile(at(1, 0, 0)).await.unwrap().is_none());
    let description = map.description("x");
    assert_eq!((&description["attribution"], &description["format"]), (&"who made it".into(), &"image/png".into()));
    assert_eq!(description["bounds"], serde_json::json!([106.0, 31.0, 108.0, 33.0]));
}

#[tokio::test]
async fn a_file_that_is_no_base_map_is_refused_before_the_server_starts() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, bytes: &[u8]| {
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    };
    let whole = std::fs::read(pmtiles(folder.path(), 1)).unwrap();
    for path in [
        write("a.png", b"x"),
        write("b.mbtiles", b"not SQLite at all, but longer than a header would be"),
        write("c.pmtiles", b"not PMTiles"),
        write("d.pmtiles", &whole[..100]),
        folder.path().join("missing.mbtiles"),
        folder.path().join("missing.pmtiles"),
    ] {
        let error = BaseMap::open(&path, "").await.unwrap_err();
        assert!(error.message.contains("cannot be used") && error.hints[0].contains("map.base"), "{error:?}");
    }
    let brotli = BaseMap::open(&pmtiles(folder.path(), 3), "").await.unwrap_err();
    assert!(brotli.message.contains("gzip or none"), "{}", brotli.message);
}
