//! Layers of zones, and the outlets inside protection zones.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::IntoResponse as _;
use outlet_core::domain::field::DocumentRef;
use outlet_core::zones::{LayerHead, RawZone, ZoneKind, from_geojson};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::deciding::{Refusals, account};
use super::etag::tagged;
use super::parameters::Parameters;
use super::spool::{Spooled, spool};
use super::{Answer, Api, Asker, ParameterError, Problem};
use crate::import::{self, ReadError};
use crate::layers;
use crate::tokens::TokenScope;
use crate::zones::{self, InZones, Listed};

pub(super) fn routes() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::new().routes(routes!(list, load)).routes(routes!(outlets))
}

/// Largest layer: it is read as a whole.
const MOST_BYTES: usize = 64 << 20;

/// Layers.
#[derive(Serialize, ToSchema)]
pub(super) struct Layers {
    /// In force.
    #[schema(value_type = Vec<Object>)]
    layers: Vec<Listed>,
}

/// Layers of zones in force, with approval document and date.
#[utoipa::path(
    get,
    path = "/zones",
    tag = "zones",
    responses((status = 200, body = Layers), (status = 304, description = "As the client has it"), Refusals)
)]
async fn list(State(api): State<Arc<Api>>, asker: Asker, headers: HeaderMap) -> Answer {
    asker.need(TokenScope::Read)?;
    api.blocking(move |api| tagged(&headers, &Layers { layers: zones::all(&api.engine)? })).await
}

fn kind(text: &str) -> Result<ZoneKind, Problem> {
    ZoneKind::from_code(text).ok_or_else(|| {
        Problem::parameter("kind", format!("write one of {}", ZoneKind::ALL.map(ZoneKind::code).join(", ")))
    })
}

/// Outlets inside zones, by source: closed n of m; unknown where no layer is loaded.
#[utoipa::path(
    get,
    path = "/zones/outlets",
    tag = "zones",
    params(("kind" = Option<String>, Query, description = "Such as drinking_water_1; several are joined by commas. All protection zones unless said.")),
    responses(
        (status = 200, description = "By source: kind, outlets inside, closed ones"),
        (status = 304, description = "As the client has it"),
        Refusals,
    )
)]
async fn outlets(State(api): State<Arc<Api>>, asker: Asker, RawQuery(text): RawQuery, headers: HeaderMap) -> Answer {
    asker.need(TokenScope::Read)?;
    let asked = Parameters::read(text.as_deref(), &["kind"])?;
    let kinds = asked.get("kind").map(|text| text.split(',').map(kind).collect::<Result<Vec<_>, _>>()).transpose()?;
    let kinds: Vec<ZoneKind> = kinds.unwrap_or_default();
    api.blocking(move |api| {
        let scope = asker.scope();
        let found: InZones = zones::inside(&api.engine, &kinds, |collection| scope.holds(collection))?;
        tagged(&headers, &found)
    })
    .await
}

fn head(asked: &Parameters) -> Result<LayerHead, Problem> {
    let text = |name: &str, wanted: &str| asked.needed(name, wanted).map(str::to_owned);
    let day = "write a day such as 2020-03-01";
    asked.needed("document_dated", day)?;
    asked.needed("datum", "write wgs84, cgcs2000, gcj02 or bd09")?;
    Ok(LayerHead {
        name: text("name", "name the layer")?,
        version: text("version", "give the layer's version")?,
        kind: kind(asked.needed("kind", "say what its zones are")?)?,
        datum: asked
            .parsed("datum", "write wgs84, cgcs2000, gcj02 or bd09")?
            .ok_or_else(|| Problem::parameter("datum", "write wgs84, cgcs2000, gcj02 or bd09"))?,
        document: DocumentRef {
            number: text("document", "give the 文号 of the approval (批复)")?,
            dated: asked.parsed("document_dated", day)?,
            file: None,
        },
        established_on: asked.parsed("established_on", day)?,
    })
}

/// Polygons of what was sent.
fn polygons(file: &Spooled, encoding: Option<&str>) -> Result<Vec<RawZone>, Problem> {
    let path = file.readable()?;
    if path.extension().is_some_and(|end| end == "shp") {
        return import::polygons(&path, encoding).map_err(|error| match error {
            // The file lies under a name that the client does not know.
            ReadError::Form { why, .. } => Problem::unprocessable(format!("the shapefile cannot be read: {why}")),
            ReadError::Io { source, .. } => Problem::internal(&source),
            other => Problem::unprocessable(other.to_string()),
        });
    }
    let text = std::fs::read_to_string(&path).map_err(|_| {
        Problem::unprocessable("the layer is no UTF-8 text: send GeoJSON, or a shapefile's .zip as application/zip")
    })?;
    from_geojson(text.trim_start_matches('\u{feff}'))
        .map_err(|why| Problem::unprocessable(format!("the layer cannot be read: {why}")))
}

/// Checks a layer of polygons and, unless it is a dry run, keeps it; devices get it with their next sync.
/// The body is GeoJSON, or the .zip of a shapefile with `Content-Type: application/zip`.
#[utoipa::path(
    post,
    path = "/zones",
    tag = "zones",
    params(
        ("name" = String, Query),
        ("version" = String, Query),
        ("kind" = String, Query, description = "Such as drinking_water_1."),
        ("datum" = String, Query, description = "wgs84 | cgcs2000 | gcj02 | bd09"),
        ("document" = String, Query, description = "文号 of the approval."),
        ("document_dated" = String, Query, format = Date),
        ("established_on" = Option<String>, Query, format = Date),
        ("encoding" = Option<String>, Query, description = "Of a shapefile's table, where it says none: gbk unless said."),
        ("dry_run" = Option<bool>, Query, description = "Check only."),
    ),
    request_body(content(("application/geo+json"), ("application/zip"))),
    responses(
        (status = 200, description = "Dry run: zones, problems"),
        (status = 201, description = "Kept"),
        Refusals,
    )
)]
async fn load(
    State(api): State<Arc<Api>>,
    asker: Asker,
    RawQuery(text): RawQuery,
    headers: HeaderMap,
    body: Body,
) -> Answer {
    asker.need(TokenScope::Admin)?;
    let own = ["name", "version", "kind", "datum", "document", "document_dated", "established_on"];
    let known = [&own[..], &["encoding", "dry_run"]].concat();
    let asked = Parameters::read(text.as_deref(), &known)?;
    let (head, trial) = (head(&asked)?, asked.flag("dry_run")?);
    // A layer holds for the whole city.
    if asker.scope().collections().is_some() {
        return Err(Problem::forbidden("a layer holds for all collections: its administrator has all of them"));
    }
    let sent = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let packed = sent.split(';').next().is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/zip"));
    let name = if packed { "layer.zip" } else { "layer.geojson" };
    let file = spool(&api, body, name, MOST_BYTES).await?;
    api.blocking(move |api| {
        let raw = polygons(&file, asked.get("encoding"))?;
        let by = &account(&asker)?.login;
        let loaded = layers::load(&api.engine, &head, raw, by, trial).map_err(|error| Problem::internal(&error))?;
        if !trial && loaded.refused() {
            let mut problem = Problem::unprocessable("the layer cannot be used as it is; nothing was stored");
            problem.errors.extend(loaded.problems.iter().filter(|problem| problem.error).map(|zone| ParameterError {
                name: zone.zone.clone(),
                reason: format!("{}: {}", zone.code, zone.message),
            }));
            return Err(problem);
        }
        let status = if trial { StatusCode::OK } else { StatusCode::CREATED };
        Ok((status, axum::Json(loaded)).into_response())
    })
    .await
}
