//! `/healthz` (the process lives), `/readyz` (it can work), `/metrics`: beside the pages, or on a
//! listener of their own.

use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use serde::Serialize;

use crate::db::DbError;
use crate::engine::Engine;
use crate::inventory::{self, Scope};
use crate::metrics;

/// `GET /healthz`.
#[derive(Serialize)]
struct Health {
    status: &'static str,
    outlets: u64,
}

/// `GET /readyz`.
#[derive(Serialize)]
struct Ready {
    status: &'static str,
    obstacles: Vec<&'static str>,
}

/// For machines that watch the server: `/healthz` and `/readyz`.
pub fn router(engine: Arc<Engine>) -> Router {
    Router::new().route("/healthz", get(health)).route("/readyz", get(ready)).with_state(engine)
}

/// With `/metrics`: for a listener of its own, where nobody asks who reads it.
pub fn watched(engine: Arc<Engine>) -> Router {
    Router::new().route("/metrics", get(numbers)).with_state(Arc::clone(&engine)).merge(router(engine))
}

async fn ask<T: Send + 'static>(
    engine: Arc<Engine>,
    work: impl FnOnce(&Engine) -> Result<T, DbError> + Send + 'static,
) -> Option<T> {
    match tokio::task::spawn_blocking(move || work(&engine)).await {
        Ok(Ok(value)) => Some(value),
        Ok(Err(error)) => {
            tracing::error!(%error, "the server's state cannot be read");
            None
        }
        Err(error) => {
            tracing::error!(%error, "the task that reads the server's state failed");
            None
        }
    }
}

async fn health(State(engine): State<Arc<Engine>>) -> Response {
    let counted = ask(engine, |engine| {
        let filter = inventory::Filter::new(Scope::everything());
        engine.database().read(|tx| inventory::count(tx, &filter))
    });
    match counted.await {
        Some(inventory::Total::Exactly(outlets) | inventory::Total::AtLeast(outlets)) => {
            axum::Json(Health { status: "ok", outlets }).into_response()
        }
        None => (StatusCode::SERVICE_UNAVAILABLE, axum::Json(Health { status: "failing", outlets: 0 })).into_response(),
    }
}

async fn ready(State(engine): State<Arc<Engine>>) -> Response {
    match ask(engine, metrics::obstacles).await {
        Some(obstacles) if obstacles.is_empty() => axum::Json(Ready { status: "ready", obstacles }).into_response(),
        found => {
            let obstacles = found.unwrap_or_else(|| vec!["database"]);
            (StatusCode::SERVICE_UNAVAILABLE, axum::Json(Ready { status: "not-ready", obstacles })).into_response()
        }
    }
}

/// The numbers as text.
pub(super) async fn numbers(State(engine): State<Arc<Engine>>) -> Response {
    match ask(engine, metrics::text).await {
        Some(text) => ([(header::CONTENT_TYPE, metrics::MEDIA_TYPE)], text).into_response(),
        None => StatusCode::SERVICE_UNAVAILABLE.into_response(),
    }
}

/// Counts every request, by a group of addresses.
pub async fn count(State(engine): State<Arc<Engine>>, request: Request, next: Next) -> Response {
    let group = match request.uri().path().split('/').nth(1).unwrap_or_default() {
        "api" => "api",
        "ogc" => "ogc",
        "tiles" => "tiles",
        "assets" => "assets",
        "healthz" | "readyz" | "metrics" => "watch",
        _ => "pages",
    };
    let began = Instant::now();
    let response = next.run(request).await;
    engine.metrics.request(group, response.status().as_u16(), began.elapsed());
    response
}
