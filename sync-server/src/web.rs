//! What people and programs open over HTTP: the console (feature `console`), and `/healthz`.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use serde::Serialize;

use crate::db::ledger;
use crate::engine::{Engine, EngineError};

#[cfg(feature = "console")]
pub mod console;
pub mod listen;

/// All addresses. `secure`: browsers come over HTTPS, to us or to the proxy before us.
#[cfg_attr(not(feature = "console"), expect(unused_variables, reason = "only pages set cookies"))]
pub fn router(engine: Arc<Engine>, secure: bool) -> Router {
    let plain = Router::new().route("/healthz", get(health)).with_state(Arc::clone(&engine));
    #[cfg(feature = "console")]
    let plain = plain.merge(console::router(Arc::new(console::Console::new(engine, secure))));
    plain
}

/// `GET /healthz`.
#[derive(Serialize)]
struct Health {
    status: &'static str,
    outlets: u64,
}

async fn health(State(engine): State<Arc<Engine>>) -> Response {
    let counted =
        tokio::task::spawn_blocking(move || engine.database().read::<_, EngineError>(|tx| Ok(ledger::count(tx)?)))
            .await;
    match counted {
        Ok(Ok(outlets)) => axum::Json(Health { status: "ok", outlets }).into_response(),
        _ => (StatusCode::SERVICE_UNAVAILABLE, axum::Json(Health { status: "failing", outlets: 0 })).into_response(),
    }
}
