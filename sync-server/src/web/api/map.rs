//! `/tiles`: outlets as vector tiles, zones as GeoJSON, and the base map beside them.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, RawQuery, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use outlet_core::ids::Collection;
use outlet_core::zones::{Layer, Zone};

use super::{Answer, Api, Asker, ETag, Problem};
use crate::db::feed;
use crate::inventory::place::Tile;
use crate::inventory::{self, Query};
use crate::tiles;
use crate::tokens::TokenScope;

pub(super) fn router() -> Router<Arc<Api>> {
    Router::new()
        .route("/tiles/{z}/{x}/{y}", get(outlets))
        .route("/tiles/zones.json", get(zones))
        .route("/tiles/base.json", get(base_description))
        .route("/tiles/base/{z}/{x}/{y}", get(base))
}

fn tile(z: &str, x: &str, y: &str) -> Result<Tile, Problem> {
    let number = |text: &str| text.parse::<u32>().ok();
    let found = number(z).zip(number(x)).zip(number(y)).and_then(|((z, x), y)| Tile::new(z, x, y));
    found.filter(|tile| tile.z <= tiles::MAX_ZOOM).ok_or_else(|| Problem::not_found("tile"))
}

/// `/tiles/{z}/{x}/{y}.mvt`, with the filters of the inventory as its query.
async fn outlets(
    State(api): State<Arc<Api>>,
    asker: Asker,
    Path((z, x, y)): Path<(String, String, String)>,
    RawQuery(text): RawQuery,
    headers: HeaderMap,
) -> Answer {
    asker.need(TokenScope::Read)?;
    let y = y.strip_suffix(".mvt").ok_or_else(|| Problem::not_found("tile"))?;
    let tile = tile(&z, &x, y)?;
    api.blocking(move |api| {
        let today = api.engine.folder.now().day_in_shanghai();
        let query = Query::parse(asker.scope(), &text.unwrap_or_default(), today)?;
        api.engine.database().read(|tx| {
            let version = inventory::version(tx)?.to_string();
            let place = format!("{}/{}/{}", tile.z, tile.x, tile.y);
            let tag = ETag::of(&["tile", &version, &place, &asker.scope().tag(), &query.list(), &today.to_string()]);
            if tag.is_known(&headers) {
                return Ok(tag.not_modified());
            }
            let bytes = tiles::render(tx, &query.filter, tile, today)?;
            Ok(tag.on(answer(bytes, tiles::MEDIA_TYPE)))
        })
    })
    .await
}

/// A tile; nothing there is 204, which maps draw as nothing.
fn answer(bytes: Vec<u8>, media_type: &'static str) -> Response {
    // A map that is panned does not ask again for what it just had.
    let cache = (header::CACHE_CONTROL, HeaderValue::from_static("private, max-age=10"));
    if bytes.is_empty() {
        return (StatusCode::NO_CONTENT, [cache]).into_response();
    }
    ([(header::CONTENT_TYPE, HeaderValue::from_static(media_type)), cache], bytes).into_response()
}

/// Corners of zones that stand out by less are not drawn: 2 m, below what a line on the map is wide.
const DRAWN: f64 = 0.000_02;

/// The zones of all layers in force (保护区图层) as a GeoJSON collection: `name`, `kind`, `label`, `layer`,
/// `document` of each. Everybody may see them: they decide what an outlet there means.
async fn zones(State(api): State<Arc<Api>>, asker: Asker, headers: HeaderMap) -> Answer {
    asker.need(TokenScope::Read)?;
    api.blocking(move |api| {
        let head = api.engine.database().read(|tx| feed::head(tx, Collection::REFERENCE))?;
        // The chain, too: a restored database counts on from an earlier number.
        let tag = ETag::of(&["zones", &head.seq.to_string(), &format!("{:?}", head.chain)]);
        if tag.is_known(&headers) {
            return Ok(tag.not_modified());
        }
        let layers = api.engine.layers()?;
        let zones = layers.all().iter().flat_map(|layer| layer.zones.iter().map(move |zone| (layer, zone)));
        let features: Vec<serde_json::Value> = zones.map(|(layer, zone)| feature(layer, zone)).collect();
        let collection = serde_json::json!({ "type": "FeatureCollection", "features": features });
        let kind = [(header::CONTENT_TYPE, "application/geo+json")];
        Ok(tag.on((kind, collection.to_string()).into_response()))
    })
    .await
}

fn feature(layer: &Layer, zone: &Zone) -> serde_json::Value {
    serde_json::json!({
        "type": "Feature",
        "properties": {
            "name": zone.name,
            "kind": layer.kind.code(),
            "label": layer.kind.label(),
            "layer": format!("{} {}", layer.name, layer.version),
            "document": layer.document.number,
        },
        "geometry": { "type": "MultiPolygon", "coordinates": zone.outline(DRAWN) },
    })
}

/// What the base map is, as TileJSON 3.0.
async fn base_description(State(api): State<Arc<Api>>, asker: Asker) -> Answer {
    asker.need(TokenScope::Read)?;
    let map = api.base.as_ref().ok_or_else(|| Problem::not_found("base map"))?;
    Ok(axum::Json(map.description("/tiles/base/{z}/{x}/{y}")).into_response())
}

/// A tile of the base map, as it is in the file.
async fn base(
    State(api): State<Arc<Api>>,
    asker: Asker,
    Path((z, x, y)): Path<(String, String, String)>,
    headers: HeaderMap,
) -> Answer {
    asker.need(TokenScope::Read)?;
    let map = api.base.clone().ok_or_else(|| Problem::not_found("base map"))?;
    let tile = tile(&z, &x, &y)?;
    let tag = ETag::of(&["base", map.name(), &format!("{z}/{x}/{y}")]);
    if tag.is_known(&headers) {
        return Ok(tag.not_modified());
    }
    let found = map.tile(tile).await.map_err(|error| Problem::internal(&error))?;
    let Some(found) = found else { return Ok(StatusCode::NO_CONTENT.into_response()) };
    let mut response =
        ([(header::CONTENT_TYPE, found.media_type), (header::CACHE_CONTROL, "private, max-age=86400")], found.bytes)
            .into_response();
    if found.gzip {
        response.headers_mut().insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    Ok(tag.on(response))
}
