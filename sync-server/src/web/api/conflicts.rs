//! Conflicts: concurrent values of a gated fact side by side, and the decision that ends one.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Path, RawQuery, State};
use axum::http::HeaderMap;
use outlet_core::ids::EntryId;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::deciding::{Refusals, Write, account, body, on_outlet, refused};
use super::etag::tagged;
use super::parameters::Parameters;
use super::{Answer, Api, Asker, Problem, outlets};
use crate::desk::conflicts::{self, Conflict, Settled};
use crate::engine::Seen;
use crate::tokens::TokenScope;

pub(super) fn routes() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(of_outlet)).routes(routes!(settle))
}

/// Conflicts.
#[derive(Serialize, ToSchema)]
pub(super) struct Conflicts {
    /// Each with its sides: value, author, device time, receipt, distance; and `seen`, which a
    /// decision gives back.
    #[schema(value_type = Vec<Object>)]
    conflicts: Vec<Conflict>,
}

/// Conflicts in the account's collections, those of the longest waiting records first.
#[utoipa::path(
    get,
    path = "/conflicts",
    tag = "conflicts",
    params(
        ("collection" = Option<String>, Query, description = "County code."),
        ("limit" = Option<u32>, Query, minimum = 1, maximum = 500),
    ),
    responses((status = 200, body = Conflicts), (status = 304, description = "As the client has it"), Refusals)
)]
async fn list(State(api): State<Arc<Api>>, asker: Asker, RawQuery(text): RawQuery, headers: HeaderMap) -> Answer {
    asker.need(TokenScope::Read)?;
    let asked = Parameters::read(text.as_deref(), &["collection", "limit"])?;
    let collection = asked.parsed("collection", "write a county code such as 511902")?;
    let limit = asked.limit(50, 500)?;
    api.blocking(move |api| {
        let conflicts = conflicts::conflicts(&api.engine, account(&asker)?, collection, limit)?;
        tagged(&headers, &Conflicts { conflicts })
    })
    .await
}

/// Conflicts of one outlet.
#[utoipa::path(
    get,
    path = "/outlets/{id}/conflicts",
    tag = "conflicts",
    params(("id" = String, Path, format = Uuid)),
    responses((status = 200, body = Conflicts), (status = 304, description = "As the client has it"), Refusals)
)]
async fn of_outlet(State(api): State<Arc<Api>>, asker: Asker, Path(id): Path<String>, headers: HeaderMap) -> Answer {
    asker.need(TokenScope::Read)?;
    api.blocking(move |api| {
        let entry = api.engine.database().read(|tx| outlets::find(tx, &asker, &id))?;
        tagged(&headers, &Conflicts { conflicts: conflicts::of(&api.engine, &entry.key)? })
    })
    .await
}

/// What a conflict is settled on: `pick` one of its entries, or write a `value`.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Settlement {
    /// As the conflict gave it.
    #[schema(value_type = Object)]
    seen: Seen,
    /// Entry whose value holds.
    #[schema(value_type = Option<String>)]
    pick: Option<EntryId>,
    /// Another value.
    #[schema(value_type = Object)]
    value: Option<Value>,
    /// Reason, where the value needs one (非排口).
    reason: Option<String>,
    /// Free text.
    note: Option<String>,
}

/// Ends a conflict, or sets a gated fact: the decision names every value that it overrules.
#[utoipa::path(
    post,
    path = "/outlets/{id}/conflicts/{field}",
    tag = "conflicts",
    params(
        ("id" = String, Path, format = Uuid),
        ("field" = String, Path, description = "The fact, such as location."),
        ("Idempotency-Key" = Option<String>, Header),
    ),
    request_body = Settlement,
    responses((status = 201, description = "Witnessed: the change, its entries, the heads afterwards"), Refusals)
)]
async fn settle(
    State(api): State<Arc<Api>>,
    asker: Asker,
    Path((id, field)): Path<(String, String)>,
    headers: HeaderMap,
    sent: Bytes,
) -> Answer {
    let write = Write { what: "settle", part: field.clone(), id, headers, body: sent };
    on_outlet(api, asker, write, move |api, acting, outlet, sent| {
        let Settlement { seen, pick, value, reason, note } = body(sent)?;
        let choice = match (pick, value) {
            (Some(entry), None) => Settled::Pick(entry),
            (None, Some(value)) => Settled::Write(value),
            _ => return Err(Problem::parameter("pick", "give either `pick` or `value`")),
        };
        conflicts::settle(&api.engine, acting, (outlet, &field), seen, choice, (reason, note)).map_err(refused)
    })
    .await
}
