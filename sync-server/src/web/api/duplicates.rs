//! Possible duplicates, the reversible *same as* link, and "these are two outlets".

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Path, RawQuery, State};
use axum::http::{HeaderMap, StatusCode};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::deciding::{Refusals, Write, account, acting, answer, body, on_outlet, refused};
use super::etag::tagged;
use super::once::once;
use super::parameters::Parameters;
use super::{Answer, Api, Asker, Problem, outlets};
use crate::desk::duplicates::{self, Pair};
use crate::engine::Seen;
use crate::tokens::TokenScope;

pub(super) fn routes() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(link))
        .routes(routes!(lift))
        .routes(routes!(dismiss))
        .routes(routes!(restore))
}

/// Possible duplicates.
#[derive(Serialize, ToSchema)]
pub(super) struct Duplicates {
    /// The likeliest first: both keys, score, distance, reasons.
    #[schema(value_type = Vec<Object>)]
    pairs: Vec<Pair>,
}

/// Possible duplicates in the account's collections; of a pair across collections both must be its
/// own. Nothing merges by itself.
#[utoipa::path(
    get,
    path = "/duplicates",
    tag = "duplicates",
    params(
        ("collection" = Option<String>, Query, description = "County code."),
        ("dismissed" = Option<bool>, Query, description = "Also pairs that somebody has told apart."),
        ("limit" = Option<u32>, Query, minimum = 1, maximum = 500),
    ),
    responses((status = 200, body = Duplicates), (status = 304, description = "As the client has it"), Refusals)
)]
async fn list(State(api): State<Arc<Api>>, asker: Asker, RawQuery(text): RawQuery, headers: HeaderMap) -> Answer {
    asker.need(TokenScope::Read)?;
    let asked = Parameters::read(text.as_deref(), &["collection", "dismissed", "limit"])?;
    let collection = asked.parsed("collection", "write a county code such as 511902")?;
    let (dismissed, limit) = (asked.flag("dismissed")?, asked.limit(50, 500)?);
    api.blocking(move |api| {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let pairs = duplicates::pairs(&api.engine, account(&asker)?, collection, dismissed, limit)?;
        tagged(&headers, &Duplicates { pairs })
    })
    .await
}

/// The record that survives.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SameAs {
    /// Heads of the record that is the duplicate, as `/outlets/{id}/review` gave them.
    #[schema(value_type = Object)]
    seen: Seen,
    /// UUID of the record that survives.
    of: String,
    /// Free text.
    note: Option<String>,
}

/// Links an outlet to the one that survives. Both records stay; the milestones count them once.
#[utoipa::path(
    post,
    path = "/outlets/{id}/same-as",
    tag = "duplicates",
    params(("id" = String, Path, format = Uuid), ("Idempotency-Key" = Option<String>, Header)),
    request_body = SameAs,
    responses((status = 201, description = "Witnessed: the change, its entries, the heads afterwards"), Refusals)
)]
async fn link(
    State(api): State<Arc<Api>>,
    asker: Asker,
    Path(id): Path<String>,
    headers: HeaderMap,
    sent: Bytes,
) -> Answer {
    same_as(api, asker, Write::new("same-as", id, headers, sent), false).await
}

/// Lifts such a link: each record counts by itself again.
#[utoipa::path(
    post,
    path = "/outlets/{id}/same-as/lift",
    tag = "duplicates",
    params(("id" = String, Path, format = Uuid), ("Idempotency-Key" = Option<String>, Header)),
    request_body = SameAs,
    responses((status = 201, description = "Witnessed: the change, its entries, the heads afterwards"), Refusals)
)]
async fn lift(
    State(api): State<Arc<Api>>,
    asker: Asker,
    Path(id): Path<String>,
    headers: HeaderMap,
    sent: Bytes,
) -> Answer {
    same_as(api, asker, Write::new("same-as-lift", id, headers, sent), true).await
}

async fn same_as(api: Arc<Api>, asker: Asker, write: Write, lifted: bool) -> Answer {
    let by = asker.clone();
    on_outlet(api, asker, write, move |api, acting, outlet, sent| {
        let SameAs { seen, of, note } = body(sent)?;
        // Both must be seen: whoever links looks at both side by side.
        let of = api.engine.database().read(|tx| outlets::find(tx, &by, &of))?.key;
        duplicates::link(&api.engine, acting, (outlet, of), seen, lifted, note).map_err(refused)
    })
    .await
}

/// Two outlets that are not one.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Apart {
    /// UUID of the one.
    one: String,
    /// UUID of the other.
    other: String,
    /// Why they are two.
    #[serde(default)]
    reason: String,
}

/// "These are two outlets": the pair is not proposed again.
#[utoipa::path(
    post,
    path = "/duplicates/dismiss",
    tag = "duplicates",
    params(("Idempotency-Key" = Option<String>, Header)),
    request_body = Apart,
    responses((status = 201, description = "The pair as it is now"), Refusals)
)]
async fn dismiss(State(api): State<Arc<Api>>, asker: Asker, headers: HeaderMap, sent: Bytes) -> Answer {
    tell(api, asker, headers, sent, true).await
}

/// Takes that back: the pair is proposed again.
#[utoipa::path(
    post,
    path = "/duplicates/restore",
    tag = "duplicates",
    params(("Idempotency-Key" = Option<String>, Header)),
    request_body = Apart,
    responses((status = 201, description = "The pair as it is now"), Refusals)
)]
async fn restore(State(api): State<Arc<Api>>, asker: Asker, headers: HeaderMap, sent: Bytes) -> Answer {
    tell(api, asker, headers, sent, false).await
}

async fn tell(api: Arc<Api>, asker: Asker, headers: HeaderMap, sent: Bytes, apart: bool) -> Answer {
    asker.need(TokenScope::Decide)?;
    api.blocking(move |api| {
        let what: &[u8] = if apart { b"dismiss" } else { b"restore" };
        once(api, &asker, &headers, &[what, &sent], || {
            let asked: Apart = body(&sent)?;
            let reason = if apart { asked.reason.trim() } else { "" };
            if apart && reason.is_empty() {
                return Err(Problem::parameter("reason", "say why these are two outlets"));
            }
            let find = |id: &str| api.engine.database().read(|tx| outlets::find(tx, &asker, id));
            let (one, other) = (find(&asked.one)?.key, find(&asked.other)?.key);
            duplicates::dismiss(&api.engine, &acting(&asker)?, one, other, reason).map_err(refused)?;
            let pairs = duplicates::pairs_of(&api.engine, &one)?;
            let is = |pair: &&Pair| [pair.candidate.a, pair.candidate.b].contains(&other);
            answer(StatusCode::CREATED, &pairs.iter().find(is))
        })
    })
    .await
}
