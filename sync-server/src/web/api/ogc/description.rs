//! OpenAPI 3.0 of the layer (requirement class oas30).

use std::sync::Arc;

use axum::extract::RawQuery;
use axum::http::{HeaderMap, header};
use axum::response::IntoResponse as _;
use outlet_core::domain::dictionary::Lang;
use outlet_core::export;
use serde_json::{Map, Value, json};

use super::super::who::Scheme;
use super::super::{Answer, Api, Asker};
use super::items::{DEFAULT_LIMIT, MAX_LIMIT, QUERYABLE};
use super::{Asked, GEOJSON, OPENAPI};
use crate::tokens::TokenScope;

pub(super) async fn api(
    axum::extract::State(_): axum::extract::State<Arc<Api>>,
    asker: Asker,
    scheme: Scheme,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Answer {
    asker.need(TokenScope::Read)?;
    let asked = Asked::read(scheme, &headers, query.as_deref(), &[])?;
    Ok(([(header::CONTENT_TYPE, OPENAPI)], description(&asked.base).to_string()).into_response())
}

fn text(name: &str, description: &str) -> Value {
    json!({
        "name": name, "in": "query", "required": false, "style": "form", "explode": false,
        "description": description, "schema": {"type": "string"},
    })
}

fn operation(id: &str, summary: &str, media_type: &str, parameters: &[Value], found: bool) -> Value {
    let form = json!({
        "name": "f", "in": "query", "required": false, "description": "Form of the answer",
        "schema": {"type": "string", "enum": ["json", "html"]},
    });
    let all: Vec<Value> = parameters.iter().cloned().chain([form]).collect();
    let problem = |text: &str| json!({"description": text, "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}});
    let mut body = json!({
        "operationId": id, "summary": summary, "parameters": all,
        "responses": {
            "200": {
                "description": summary,
                "content": {media_type: {"schema": {"type": "object"}}, "text/html": {"schema": {"type": "string"}}},
            },
            "400": problem("A parameter is unknown or not usable"),
            "401": problem("No token, or one that cannot be used"),
            "500": problem("The server failed"),
        },
    });
    if found {
        body["responses"]["404"] = problem("There is no such thing that you may see");
    }
    body
}

fn description(base: &str) -> Value {
    let mut list = vec![
        json!({
            "name": "limit", "in": "query", "required": false, "description": "Features of a page",
            "schema": {"type": "integer", "minimum": 1, "maximum": MAX_LIMIT, "default": DEFAULT_LIMIT},
            "style": "form", "explode": false,
        }),
        json!({
            "name": "bbox", "in": "query", "required": false, "style": "form", "explode": false,
            "description": "west,south,east,north in degrees (CRS84)",
            "schema": {"type": "array", "oneOf": [{"minItems": 4, "maxItems": 4}, {"minItems": 6, "maxItems": 6}],
                       "items": {"type": "number"}},
        }),
        text("datetime", "Day of the last survey: a date, a date-time or an interval (RFC 3339)"),
        text("cursor", "As the link `next` gives it"),
        text("primary_party", "主要责任主体, exactly"),
    ];
    list.extend(QUERYABLE.iter().map(|(name, _)| text(name, export::header(name, Lang::Zh))));
    let id = json!({"name": "featureId", "in": "path", "required": true, "schema": {"type": "string"}});
    let paths: Map<String, Value> = [
        ("/", operation("landing", "Landing page", "application/json", &[], false)),
        ("/conformance", operation("conformance", "Conformance classes", "application/json", &[], false)),
        ("/collections", operation("collections", "Collections", "application/json", &[], false)),
        ("/collections/outlets", operation("collection", "The outlets", "application/json", &[], false)),
        ("/collections/outlets/items", operation("items", "Outlets of a page", GEOJSON, &list, false)),
        ("/collections/outlets/items/{featureId}", operation("item", "One outlet", GEOJSON, &[id], true)),
    ]
    .into_iter()
    .map(|(path, get)| (path.to_owned(), json!({"get": get})))
    .collect();
    json!({
        "openapi": "3.0.3",
        "info": {"title": "入河排污口台账", "version": env!("CARGO_PKG_VERSION"),
                 "description": "OGC API – Features, Part 1. Send a token as Bearer, or as the password of Basic."},
        "servers": [{"url": base}],
        "security": [{"token": []}, {"basic": []}],
        "paths": paths,
        "components": {
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}, "basic": {"type": "http", "scheme": "basic"}},
            "schemas": {"Problem": {"type": "object", "required": ["type", "title", "status", "detail", "code"], "properties": {
                "type": {"type": "string"}, "title": {"type": "string"}, "status": {"type": "integer"},
                "detail": {"type": "string"}, "code": {"type": "string"},
            }}},
        },
    })
}
