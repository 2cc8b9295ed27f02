//! Review: the queue, one record in full, claims, approval and return, undo.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Path, RawQuery, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::IntoResponse as _;
use outlet_core::ledger::ReviewState;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::deciding::{Refusals, Write, account, acting, body, on_outlet, refused};
use super::etag::tagged;
use super::parameters::Parameters;
use super::{Answer, Api, Asker, outlets};
use crate::desk::{self, Line, Pace, QueueFilter};
use crate::engine::Seen;
use crate::tokens::TokenScope;

pub(super) fn routes() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::new()
        .routes(routes!(queue))
        .routes(routes!(record))
        .routes(routes!(claim, release))
        .routes(routes!(approve))
        .routes(routes!(return_record))
        .routes(routes!(undo))
}

/// What waits, and how fast it goes.
#[derive(Serialize, ToSchema)]
pub(super) struct Queue {
    /// Records that wait: the gravest findings first, then the longest wait.
    #[schema(value_type = Vec<Object>)]
    lines: Vec<Line>,
    /// Pace of the last seven days.
    #[schema(value_type = Object)]
    pace: Pace,
}

/// The review queue of the account's collections.
#[utoipa::path(
    get,
    path = "/review/queue",
    tag = "review",
    params(
        ("state" = Option<String>, Query, description = "submitted | approved_amended | gated | returned | partly_approved | approved | draft; the first three, which wait, unless said."),
        ("collection" = Option<String>, Query, description = "County code."),
        ("clean" = Option<bool>, Query, description = "Only records without finding, conflict or possible duplicate."),
        ("limit" = Option<u32>, Query, minimum = 1, maximum = 500),
    ),
    responses((status = 200, body = Queue), (status = 304, description = "As the client has it"), Refusals)
)]
async fn queue(State(api): State<Arc<Api>>, asker: Asker, RawQuery(text): RawQuery, headers: HeaderMap) -> Answer {
    asker.need(TokenScope::Read)?;
    let asked = Parameters::read(text.as_deref(), &["state", "collection", "clean", "limit"])?;
    let filter = QueueFilter {
        review: asked
            .parsed("state", &format!("write one of {}", ReviewState::ALL.map(ReviewState::code).join(", ")))?,
        collection: asked.parsed("collection", "write a county code such as 511902")?,
        clean: asked.flag("clean")?,
        limit: asked.limit(50, 500)?,
    };
    api.blocking(move |api| {
        let account = account(&asker)?;
        let lines = desk::queue(&api.engine, account, &filter)?;
        tagged(&headers, &Queue { lines, pace: desk::pace(&api.engine, account)? })
    })
    .await
}

/// One record as a reviewer sees it: what changed since the last review, entries, findings,
/// conflicts, possible duplicates, who has it open, and `seen`, which a decision gives back.
#[utoipa::path(
    get,
    path = "/outlets/{id}/review",
    tag = "review",
    params(("id" = String, Path, format = Uuid)),
    responses((status = 200, description = "As the commands of the server show it"), (status = 304, description = "As the client has it"), Refusals)
)]
async fn record(State(api): State<Arc<Api>>, asker: Asker, Path(id): Path<String>, headers: HeaderMap) -> Answer {
    asker.need(TokenScope::Read)?;
    api.blocking(move |api| {
        let entry = api.engine.database().read(|tx| outlets::find(tx, &asker, &id))?;
        let mut brief = desk::brief(&api.engine, entry.key).map_err(refused)?;
        // A twin in a collection of somebody else is theirs to see.
        let scope = asker.scope();
        brief
            .duplicates
            .retain(|pair| [pair.candidate.a, pair.candidate.b].iter().all(|key| scope.holds(key.collection)));
        tagged(&headers, &brief)
    })
    .await
}

/// Claims a record for twenty minutes, so that two people do not review one.
#[utoipa::path(
    put,
    path = "/outlets/{id}/review/claim",
    tag = "review",
    params(("id" = String, Path, format = Uuid)),
    responses((status = 200, description = "Who has it until when"), Refusals)
)]
async fn claim(State(api): State<Arc<Api>>, asker: Asker, Path(id): Path<String>) -> Answer {
    asker.need(TokenScope::Decide)?;
    api.blocking(move |api| {
        let entry = api.engine.database().read(|tx| outlets::find(tx, &asker, &id))?;
        let claim = desk::claim(&api.engine, &acting(&asker)?, entry.key).map_err(refused)?;
        Ok(axum::Json(claim).into_response())
    })
    .await
}

/// Gives a claimed record back.
#[utoipa::path(
    delete,
    path = "/outlets/{id}/review/claim",
    tag = "review",
    params(("id" = String, Path, format = Uuid)),
    responses((status = 204, description = "Nobody has it, or somebody else"), Refusals)
)]
async fn release(State(api): State<Arc<Api>>, asker: Asker, Path(id): Path<String>) -> Answer {
    asker.need(TokenScope::Decide)?;
    api.blocking(move |api| {
        let entry = api.engine.database().read(|tx| outlets::find(tx, &asker, &id))?;
        desk::release(&api.engine, &acting(&asker)?, entry.key).map_err(refused)?;
        Ok(StatusCode::NO_CONTENT.into_response())
    })
    .await
}

/// Approval or return.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Verdict {
    /// As `/outlets/{id}/review` gave it.
    #[schema(value_type = Object)]
    seen: Seen,
    /// Sections (dictionary `review_section`); none: the whole record.
    #[serde(default)]
    sections: Vec<String>,
    /// Reasons of a return (dictionary `return_reason`).
    #[serde(default)]
    reasons: Vec<String>,
    /// Free text.
    note: Option<String>,
}

/// Approves a record, or sections of it, as it was seen.
#[utoipa::path(
    post,
    path = "/outlets/{id}/review/approve",
    tag = "review",
    params(("id" = String, Path, format = Uuid), ("Idempotency-Key" = Option<String>, Header)),
    request_body = Verdict,
    responses((status = 201, description = "Witnessed: the change, its entries, the heads afterwards"), Refusals)
)]
async fn approve(
    State(api): State<Arc<Api>>,
    asker: Asker,
    Path(id): Path<String>,
    headers: HeaderMap,
    sent: Bytes,
) -> Answer {
    let write = Write::new("approve", id, headers, sent);
    on_outlet(api, asker, write, |api, acting, outlet, sent| {
        let Verdict { seen, sections, reasons, note } = body(sent)?;
        if !reasons.is_empty() {
            return Err(super::Problem::parameter(
                "reasons",
                "an approval has no reasons: say it in `note`, or return",
            ));
        }
        desk::approve(&api.engine, acting, outlet, seen, &sections, note).map_err(refused)
    })
    .await
}

/// Returns a record, or sections of it, with reasons; its inspector's device shows them after the
/// next sync.
#[utoipa::path(
    post,
    path = "/outlets/{id}/review/return",
    tag = "review",
    params(("id" = String, Path, format = Uuid), ("Idempotency-Key" = Option<String>, Header)),
    request_body = Verdict,
    responses((status = 201, description = "Witnessed: the change, its entries, the heads afterwards"), Refusals)
)]
async fn return_record(
    State(api): State<Arc<Api>>,
    asker: Asker,
    Path(id): Path<String>,
    headers: HeaderMap,
    sent: Bytes,
) -> Answer {
    let write = Write::new("return", id, headers, sent);
    on_outlet(api, asker, write, |api, acting, outlet, sent| {
        let Verdict { seen, sections, reasons, note } = body(sent)?;
        desk::return_record(&api.engine, acting, outlet, seen, (&sections, &reasons), note).map_err(refused)
    })
    .await
}

/// Takes back what the account has just decided: for ten minutes, while nobody decided since.
#[utoipa::path(
    post,
    path = "/outlets/{id}/review/undo",
    tag = "review",
    params(("id" = String, Path, format = Uuid), ("Idempotency-Key" = Option<String>, Header)),
    responses((status = 201, description = "Witnessed: the change, its entries, the heads afterwards"), Refusals)
)]
async fn undo(State(api): State<Arc<Api>>, asker: Asker, Path(id): Path<String>, headers: HeaderMap) -> Answer {
    let write = Write::new("undo", id, headers, Bytes::new());
    on_outlet(api, asker, write, |api, acting, outlet, _| desk::undo(&api.engine, acting, outlet).map_err(refused))
        .await
}
