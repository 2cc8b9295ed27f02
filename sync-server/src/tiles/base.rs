//! The base map: tiles out of one file, PMTiles v3 or MBTiles 1.3, read as they are. Nothing is
//! fetched from anywhere.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use rusqlite::{Connection, OpenFlags, OptionalExtension as _};
use serde_json::{Value, json};

use crate::error::CommandError;
use crate::inventory::place::Tile;

/// An open base map.
#[derive(Clone)]
pub struct BaseMap {
    name: String,
    attribution: String,
    media_type: &'static str,
    source: Source,
    zooms: (u8, u8),
    bounds: [f64; 4],
    layers: Value,
}

#[derive(Clone)]
enum Source {
    Mbtiles(Arc<Mutex<Connection>>),
    Pmtiles { reader: Arc<pmtiles::AsyncPmTilesReader<pmtiles::MmapBackend>>, gzip: bool },
}

/// A tile as the file has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BaseTile {
    /// Its bytes.
    pub bytes: Bytes,
    /// What they are.
    pub media_type: &'static str,
    /// They are compressed.
    pub gzip: bool,
}

/// Why a tile could not be read.
#[derive(Debug, thiserror::Error)]
#[error("the base map {0} cannot be read: {1}")]
pub struct BaseError(String, String);

impl std::fmt::Debug for BaseMap {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BaseMap").field("name", &self.name).finish_non_exhaustive()
    }
}

fn refused(path: &Path, why: &dyn std::fmt::Display) -> CommandError {
    CommandError::user(format!("the base map {} cannot be used: {why}", path.display()))
        .hint("map.base in server.toml names a .pmtiles or .mbtiles file; leave it empty for a map without base")
}

fn media_type(format: &str) -> &'static str {
    match format {
        "png" => "image/png",
        "jpg" | "jpeg" => "image/jpeg",
        "webp" => "image/webp",
        "avif" => "image/avif",
        _ => super::MEDIA_TYPE,
    }
}

impl BaseMap {
    /// Opens a file.
    ///
    /// # Errors
    /// When it is missing, or of another kind.
    pub async fn open(path: &Path, attribution: &str) -> Result<Self, CommandError> {
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        match path.extension().and_then(|end| end.to_str()) {
            Some("mbtiles") => Self::mbtiles(path, name, attribution),
            Some("pmtiles") => Self::pmtiles(path, name, attribution).await,
            _ => Err(refused(path, &"its name ends in neither .pmtiles nor .mbtiles")),
        }
    }

    fn mbtiles(path: &Path, name: String, attribution: &str) -> Result<Self, CommandError> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags).map_err(|error| refused(path, &error))?;
        let value = |key: &str| {
            let sql = "SELECT value FROM metadata WHERE name = ?1";
            let found = connection.query_row(sql, [key], |row| row.get::<_, String>(0)).optional();
            found.map_err(|error| refused(path, &error))
        };
        let number = |text: Option<String>| text.and_then(|text| text.parse::<u8>().ok());
        let found: (Option<u8>, Option<u8>) = connection
            .query_row("SELECT min(zoom_level), max(zoom_level) FROM tiles", [], |row| Ok((row.get(0)?, row.get(1)?)))
            .map_err(|error| refused(path, &error))?;
        let zooms =
            (number(value("minzoom")?).or(found.0).unwrap_or(0), number(value("maxzoom")?).or(found.1).unwrap_or(0));
        let bounds = value("bounds")?.and_then(|text| {
            let numbers: Option<Vec<f64>> = text.split(',').map(|part| part.trim().parse().ok()).collect();
            numbers?.try_into().ok()
        });
        let layers = value("json")?.and_then(|text| serde_json::from_str::<Value>(&text).ok());
        let own = value("attribution")?;
        Ok(Self {
            name,
            attribution: if attribution.is_empty() { own.unwrap_or_default() } else { attribution.to_owned() },
            media_type: media_type(&value("format")?.unwrap_or_default()),
            zooms,
            bounds: bounds.unwrap_or([-180.0, -85.0, 180.0, 85.0]),
            layers: layers.map_or(Value::Null, |json| json["vector_layers"].clone()),
            source: Source::Mbtiles(Arc::new(Mutex::new(connection))),
        })
    }

    async fn pmtiles(path: &Path, name: String, attribution: &str) -> Result<Self, CommandError> {
        let reader = pmtiles::AsyncPmTilesReader::new_with_path(path).await.map_err(|error| refused(path, &error))?;
        let metadata = reader.get_metadata().await.map_err(|error| refused(path, &error))?;
        let metadata: Value = serde_json::from_str(&metadata).unwrap_or(Value::Null);
        let header = reader.get_header();
        let kind = match header.tile_type {
            pmtiles::TileType::Png => "png",
            pmtiles::TileType::Jpeg => "jpg",
            pmtiles::TileType::Webp => "webp",
            pmtiles::TileType::Avif => "avif",
            _ => "pbf",
        };
        let gzip = match header.tile_compression {
            pmtiles::Compression::Gzip => true,
            pmtiles::Compression::None | pmtiles::Compression::Unknown => false,
            other => {
                return Err(refused(path, &format!("its tiles are compressed as {other:?}; gzip or none is read")));
            }
        };
        let own = metadata["attribution"].as_str().unwrap_or_default();
        Ok(Self {
            name,
            attribution: if attribution.is_empty() { own.to_owned() } else { attribution.to_owned() },
            media_type: media_type(kind),
            zooms: (header.min_zoom, header.max_zoom),
            bounds: [header.min_longitude, header.min_latitude, header.max_longitude, header.max_latitude],
            layers: metadata["vector_layers"].clone(),
            source: Source::Pmtiles { reader: Arc::new(reader), gzip },
        })
    }

    /// Name of the file.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// TileJSON 3.0; `address` is that of its tiles.
    #[must_use]
    pub fn description(&self, address: &str) -> Value {
        let mut description = json!({
            "tilejson": "3.0.0", "name": self.name, "tiles": [address], "attribution": self.attribution,
            "minzoom": self.zooms.0, "maxzoom": self.zooms.1, "bounds": self.bounds, "scheme": "xyz",
            "format": if self.media_type == super::MEDIA_TYPE { "pbf" } else { self.media_type },
        });
        if self.layers.is_array() {
            description["vector_layers"] = self.layers.clone();
        }
        description
    }

    /// A tile, if the file has it.
    ///
    /// # Errors
    /// When the file is damaged.
    pub async fn tile(&self, tile: Tile) -> Result<Option<BaseTile>, BaseError> {
        let wrong = |error: &dyn std::fmt::Display| BaseError(self.name.clone(), error.to_string());
        let (bytes, gzip) = match &self.source {
            Source::Mbtiles(connection) => {
                let connection = Arc::clone(connection);
                let read = tokio::task::spawn_blocking(move || {
                    let connection = connection.lock().unwrap_or_else(PoisonError::into_inner);
                    // Rows count from the south in an MBTiles file.
                    let row = (1_u32 << tile.z) - 1 - tile.y;
                    let sql =
                        "SELECT tile_data FROM tiles WHERE zoom_level = ?1 AND tile_column = ?2 AND tile_row = ?3";
                    let mut statement = connection.prepare_cached(sql)?;
                    statement.query_row([tile.z, tile.x, row], |row| row.get::<_, Vec<u8>>(0)).optional()
                });
                let read = read.await.map_err(|error| wrong(&error))?.map_err(|error| wrong(&error))?;
                let Some(bytes) = read else { return Ok(None) };
                let gzip = bytes.starts_with(&[0x1f, 0x8b]);
                (Bytes::from(bytes), gzip)
            }
            Source::Pmtiles { reader, gzip } => {
                let Ok(zoom) = u8::try_from(tile.z) else { return Ok(None) };
                let Ok(at) = pmtiles::TileCoord::new(zoom, tile.x, tile.y) else { return Ok(None) };
                let Some(bytes) = reader.get_tile(at).await.map_err(|error| wrong(&error))? else { return Ok(None) };
                (bytes, *gzip)
            }
        };
        Ok(Some(BaseTile { bytes, media_type: self.media_type, gzip }))
    }
}
