//! OGC API – Features, Part 1: Core (OGC 17-069r4), with GeoJSON, OpenAPI 3.0 and a plain HTML, so
//! that QGIS, GDAL and a browser open the ledger as a live layer. One collection, `outlets`, in
//! CRS84; properties are the columns of the ledger's export, as codes.

mod description;
mod html;
mod items;

pub use items::read as query;

use std::sync::Arc;

use axum::Router;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, HeaderValue, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde_json::{Value, json};

use super::who::Scheme;
use super::{Answer, Api, Asker, Problem};
use crate::inventory;
use crate::tokens::TokenScope;

/// Where it is.
pub(super) const BASE: &str = "/ogc";

/// Name of the collection.
const COLLECTION: &str = "outlets";

/// Conformance classes.
const CONFORMS: [&str; 4] = [
    "http://www.opengis.net/spec/ogcapi-features-1/1.0/conf/core",
    "http://www.opengis.net/spec/ogcapi-features-1/1.0/conf/geojson",
    "http://www.opengis.net/spec/ogcapi-features-1/1.0/conf/html",
    "http://www.opengis.net/spec/ogcapi-features-1/1.0/conf/oas30",
];

/// Longitude, latitude on WGS-84.
const CRS84: &str = "http://www.opengis.net/def/crs/OGC/1.3/CRS84";

/// Media type of features.
const GEOJSON: &str = "application/geo+json";

/// Media type of the description.
const OPENAPI: &str = "application/vnd.oai.openapi+json;version=3.0";

pub(super) fn router() -> Router<Arc<Api>> {
    Router::new()
        .route(BASE, get(landing))
        .route(&format!("{BASE}/"), get(landing))
        .route(&format!("{BASE}/conformance"), get(conformance))
        .route(&format!("{BASE}/api"), get(description::api))
        .route(&format!("{BASE}/collections"), get(collections))
        .route(&format!("{BASE}/collections/{{collection}}"), get(collection))
        .route(&format!("{BASE}/collections/{{collection}}/items"), get(items::list))
        .route(&format!("{BASE}/collections/{{collection}}/items/{{id}}"), get(items::one))
}

/// How an answer is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    Json,
    Html,
}

/// Where the request came in, and how its answer is wanted.
struct Asked {
    /// `https://host/ogc`.
    base: String,
    format: Format,
}

impl Asked {
    /// Reads `f` and the headers. `known` are the other parameters of the address: an unknown one is
    /// an error (requirement /req/core/query-param-unknown).
    fn read(scheme: Scheme, headers: &HeaderMap, query: Option<&str>, known: &[&str]) -> Result<Self, Problem> {
        let mut format = None;
        for (name, value) in form_urlencoded::parse(query.unwrap_or_default().as_bytes()) {
            match (name.as_ref(), value.as_ref()) {
                ("f", "json") => format = Some(Format::Json),
                ("f", "html") => format = Some(Format::Html),
                ("f", _) => return Err(Problem::parameter("f", "write f=json or f=html")),
                (name, _) if known.contains(&name) => {}
                (name, _) => {
                    let name: String = name.chars().take(60).collect();
                    return Err(Problem::parameter(&name, format!("there is no parameter {name:?} here")));
                }
            }
        }
        let wants_html = || {
            let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
            let place = |kind: &str| accept.find(kind);
            place("text/html").is_some_and(|html| place("json").is_none_or(|json| html < json))
        };
        let format = format.unwrap_or_else(|| if wants_html() { Format::Html } else { Format::Json });
        Ok(Self { base: format!("{}{BASE}", origin(scheme, headers)), format })
    }

    fn link(&self, path: &str, rel: &str, media_type: &str, title: &str) -> Value {
        json!({"href": format!("{}{path}", self.base), "rel": rel, "type": media_type, "title": title})
    }

    /// An answer in the form that is wanted; links to both forms are in it.
    fn answer(&self, title: &str, path: &str, mut body: Value, media_type: &'static str) -> Response {
        let separator = if path.contains('?') { '&' } else { '?' };
        let own = match self.format {
            Format::Json => (("self", "f=json", media_type), ("alternate", "f=html", "text/html")),
            Format::Html => (("self", "f=html", "text/html"), ("alternate", "f=json", media_type)),
        };
        let both =
            [own.0, own.1].map(|(rel, form, kind)| self.link(&format!("{path}{separator}{form}"), rel, kind, title));
        match body.get_mut("links").and_then(Value::as_array_mut) {
            Some(links) => links.splice(0..0, both).for_each(drop),
            None => body["links"] = Value::from(both.to_vec()),
        }
        match self.format {
            Format::Json => ([(header::CONTENT_TYPE, media_type)], body.to_string()).into_response(),
            Format::Html => html::page(title, &body),
        }
    }
}

/// Scheme and host as the client wrote them.
fn origin(scheme: Scheme, headers: &HeaderMap) -> String {
    let text = |name: &str| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
    let plain = |host: &&str| {
        host.len() <= 255 && host.chars().all(|letter| letter.is_ascii_alphanumeric() || ".-_:[]".contains(letter))
    };
    let host = text("host").filter(plain).unwrap_or("localhost");
    format!("{}://{host}", scheme.0)
}

async fn landing(asker: Asker, scheme: Scheme, headers: HeaderMap, RawQuery(query): RawQuery) -> Answer {
    asker.need(TokenScope::Read)?;
    let asked = Asked::read(scheme, &headers, query.as_deref(), &[])?;
    let links = json!([
        asked.link("/api", "service-desc", OPENAPI, "OpenAPI 3.0"),
        asked.link("/conformance", "conformance", "application/json", "Conformance classes"),
        asked.link("/collections", "data", "application/json", "Collections"),
    ]);
    let body = json!({
        "title": "入河排污口台账",
        "description": "The ledger of river discharge outlets as a live layer (OGC API – Features).",
        "links": links,
    });
    Ok(asked.answer("入河排污口台账", "", body, "application/json"))
}

async fn conformance(asker: Asker, scheme: Scheme, headers: HeaderMap, RawQuery(query): RawQuery) -> Answer {
    asker.need(TokenScope::Read)?;
    let asked = Asked::read(scheme, &headers, query.as_deref(), &[])?;
    Ok(asked.answer("Conformance", "/conformance", json!({"conformsTo": CONFORMS}), "application/json"))
}

async fn collections(
    State(api): State<Arc<Api>>,
    asker: Asker,
    scheme: Scheme,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Answer {
    asker.need(TokenScope::Read)?;
    let asked = Asked::read(scheme, &headers, query.as_deref(), &[])?;
    let extent = extent(api, &asker).await?;
    let body = json!({"collections": [describe(&asked, &extent)]});
    Ok(asked.answer("Collections", "/collections", body, "application/json"))
}

async fn collection(State(api): State<Arc<Api>>, asker: Asker, scheme: Scheme, headers: HeaderMap, uri: Uri) -> Answer {
    asker.need(TokenScope::Read)?;
    check(uri.path())?;
    let asked = Asked::read(scheme, &headers, uri.query(), &[])?;
    let extent = extent(api, &asker).await?;
    Ok(asked.answer("入河排污口", &format!("/collections/{COLLECTION}"), describe(&asked, &extent), "application/json"))
}

/// The collection named in a path is ours.
fn check(path: &str) -> Result<(), Problem> {
    match path.split('/').nth(3) {
        Some(COLLECTION) => Ok(()),
        _ => Err(Problem::not_found("collection")),
    }
}

async fn extent(api: Arc<Api>, asker: &Asker) -> Result<Option<[f64; 4]>, Problem> {
    let scope = asker.scope();
    api.blocking(move |api| Ok(api.engine.database().read(|tx| inventory::extent(tx, &scope))?)).await
}

fn describe(asked: &Asked, extent: &Option<[f64; 4]>) -> Value {
    let path = format!("/collections/{COLLECTION}");
    let mut body = json!({
        "id": COLLECTION,
        "title": "入河排污口",
        "description": "Discharge outlets as the ledger has them; times are those of the last survey.",
        "itemType": "feature",
        "crs": [CRS84],
        "links": [
            asked.link(&format!("{path}/items?f=json"), "items", GEOJSON, "Outlets"),
            asked.link(&format!("{path}/items?f=html"), "items", "text/html", "Outlets"),
        ],
    });
    if let Some(bbox) = extent {
        body["extent"] = json!({"spatial": {"bbox": [bbox], "crs": CRS84}});
    }
    body
}
