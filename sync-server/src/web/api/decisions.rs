//! Any decisions of an account on an outlet, signed by the server as witness.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use outlet_core::domain::case::CaseEntry;
use outlet_core::time::Timestamp;
use serde::Deserialize;
use serde_json::Value;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::deciding::{self, Refusals, Write, on_outlet, refused};
use super::{Answer, Api, Asker, Problem};
use crate::engine::Seen;

pub(super) fn routes() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::new().routes(routes!(decide))
}

/// Most decisions of a request.
const MOST: usize = 100;

/// Decisions on one outlet, written together or not at all.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Decisions {
    /// Heads of both documents as `/outlets/{id}/documents` gave them: `{"field": [...], "case": [...]}`.
    #[schema(value_type = Object)]
    seen: Seen,
    /// Entries of the case file: `type` and its fields; `at`, `field_heads` and `witness` are filled in
    /// by the server.
    #[schema(value_type = Vec<Object>)]
    decisions: Vec<Value>,
}

/// Decides on an outlet.
///
/// Send an `Idempotency-Key`: a request that is sent again decides once. When the outlet has changed
/// since it was seen, the answer is 409 with what came in between, and nothing is written.
#[utoipa::path(
    post,
    path = "/outlets/{id}/decisions",
    tag = "decisions",
    params(
        ("id" = String, Path, format = Uuid),
        ("Idempotency-Key" = Option<String>, Header, description = "Chosen by the client; kept for a day."),
    ),
    request_body = Decisions,
    responses(
        (status = 201, description = "Witnessed: the change, its entries, the heads afterwards"),
        Refusals,
    )
)]
async fn decide(
    State(api): State<Arc<Api>>,
    asker: Asker,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Answer {
    let write = Write::new("decide", id, headers, body);
    on_outlet(api, asker, write, |api, acting, outlet, body| {
        let (seen, entries) = read(body, api.engine.folder.now())?;
        api.engine.decide(acting, outlet, seen, entries).map_err(refused)
    })
    .await
}

fn read(body: &[u8], now: Timestamp) -> Result<(Seen, Vec<CaseEntry>), Problem> {
    let decisions: Decisions = deciding::body(body)?;
    if decisions.decisions.len() > MOST {
        return Err(Problem::parameter("decisions", format!("at most {MOST} at once")));
    }
    let entry = |(place, mut value): (usize, Value)| {
        let unusable = |why: String| Problem::parameter(&format!("decisions[{place}]"), why);
        let object = value.as_object_mut().ok_or_else(|| unusable("write an object with `type`".into()))?;
        for own in ["at", "field_heads", "witness"] {
            object.remove(own);
        }
        object.insert("at".into(), now.millis().into());
        serde_json::from_value::<CaseEntry>(value).map_err(|error| unusable(error.to_string()))
    };
    let entries = decisions.decisions.into_iter().enumerate().map(entry).collect::<Result<_, _>>()?;
    Ok((decisions.seen, entries))
}
