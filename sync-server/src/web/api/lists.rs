//! Lists made of ledger rows: problems (问题清单), responsible parties (责任主体清单), and today's
//! counts.

use std::sync::Arc;

use axum::Json;
use axum::extract::{RawQuery, State};
use axum::http::HeaderMap;
use axum::response::IntoResponse as _;
use outlet_core::ledger::{LedgerRow, PartyRow, ProblemRow, problem_list};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::{Answer, Api, Asker, ETag, Problem};
use crate::inventory::{self, Flag, Query};
use crate::tokens::TokenScope;

pub(super) fn routes() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::new().routes(routes!(problems)).routes(routes!(parties)).routes(routes!(overview))
}

/// Problems of a page of outlets.
#[derive(Serialize, ToSchema)]
pub(super) struct Problems {
    /// By outlet.
    #[schema(value_type = Vec<Object>)]
    problems: Vec<ProblemRow>,
    /// Address of the next page; absent on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

/// Open and closed problems of the outlets that have an open one.
///
/// Filters and pages are those of `/outlets`; a page has the problems of `limit` outlets.
#[utoipa::path(
    get,
    path = "/problems",
    tag = "lists",
    params(("limit" = Option<u32>, Query, minimum = 1, maximum = 500), ("cursor" = Option<String>, Query)),
    responses(
        (status = 200, body = Problems),
        (status = 304, description = "As the client has it"),
        (status = 400, body = Problem, content_type = "application/problem+json"),
        (status = 401, body = Problem, content_type = "application/problem+json"),
    )
)]
async fn problems(State(api): State<Arc<Api>>, asker: Asker, RawQuery(text): RawQuery, headers: HeaderMap) -> Answer {
    asker.need(TokenScope::Read)?;
    api.blocking(move |api| {
        let today = api.engine.folder.now().day_in_shanghai();
        // The flag is part of the list that a cursor belongs to.
        let text = format!("flag={}&{}", Flag::OpenProblem.code(), text.unwrap_or_default());
        let query = Query::parse(asker.scope(), &text, today)?;
        api.engine.database().read(|tx| {
            let version = inventory::version(tx)?.to_string();
            let tag = ETag::of(&["problems", &version, &asker.scope().tag(), &query.text()]);
            if tag.is_known(&headers) {
                return Ok(tag.not_modified());
            }
            let page = inventory::page(tx, &query)?;
            let rows: Vec<LedgerRow> = page.entries.into_iter().map(|entry| entry.row).collect();
            let next = page.next.map(|after| {
                let next = Query { after: Some(after), ..query.clone() };
                format!("{}/problems?{}", super::BASE, next.text())
            });
            Ok(tag.on(Json(Problems { problems: problem_list(&rows), next }).into_response()))
        })
    })
    .await
}

/// Responsible parties.
#[derive(Serialize, ToSchema)]
pub(super) struct Parties {
    /// With their outlets.
    #[schema(value_type = Vec<Object>)]
    parties: Vec<PartyRow>,
    /// Address of the next page; absent on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

/// Responsible parties of the outlets that fit the filters of `/outlets`.
///
/// One line per credit code, in its order; then those without one, by name. `limit` counts parties; a page
/// has fewer when they have very many outlets.
#[utoipa::path(
    get,
    path = "/parties",
    tag = "lists",
    params(("limit" = Option<u32>, Query, minimum = 1, maximum = 500), ("cursor" = Option<String>, Query)),
    responses(
        (status = 200, body = Parties),
        (status = 304, description = "As the client has it"),
        (status = 400, body = Problem, content_type = "application/problem+json"),
        (status = 401, body = Problem, content_type = "application/problem+json"),
    )
)]
async fn parties(State(api): State<Arc<Api>>, asker: Asker, RawQuery(text): RawQuery, headers: HeaderMap) -> Answer {
    asker.need(TokenScope::Read)?;
    api.blocking(move |api| {
        let today = api.engine.folder.now().day_in_shanghai();
        // The cursor is one of parties: that of outlets would mean another place.
        let pairs = form_urlencoded::parse(text.as_deref().unwrap_or_default().as_bytes());
        let (cursors, rest): (Vec<_>, Vec<_>) = pairs.partition(|(name, _)| name == "cursor");
        let query = Query::from_pairs(asker.scope(), rest, today)?;
        let cursor = cursors.last().map(|(_, value)| value.as_ref()).filter(|value| !value.is_empty());
        api.engine.database().read(|tx| {
            let version = inventory::version(tx)?.to_string();
            let tag = ETag::of(&["parties", &version, &asker.scope().tag(), &query.text(), cursor.unwrap_or_default()]);
            if tag.is_known(&headers) {
                return Ok(tag.not_modified());
            }
            let page = inventory::parties(tx, &query, cursor)?;
            let next = page.next.map(|cursor| format!("{}/parties?{}&cursor={cursor}", super::BASE, query.text()));
            Ok(tag.on(Json(Parties { parties: page.parties, next }).into_response()))
        })
    })
    .await
}

/// Today's counts.
#[derive(Serialize, ToSchema)]
pub(super) struct OverviewBody {
    /// Version of the ledger.
    version: u64,
    /// Outlets.
    total: u64,
    /// Plans not accepted, due today or later.
    due: u64,
    /// Plans not accepted, due before today.
    overdue: u64,
    /// Outlets by the values of each column; "" is "nothing recorded".
    #[schema(value_type = Object)]
    by: serde_json::Map<String, serde_json::Value>,
}

/// Today's counts: by class, state, review, county, township, waterbody, type, problem, flag.
#[utoipa::path(
    get,
    path = "/overview",
    tag = "lists",
    responses(
        (status = 200, body = OverviewBody),
        (status = 304, description = "As the client has it"),
        (status = 401, body = Problem, content_type = "application/problem+json"),
    )
)]
async fn overview(State(api): State<Arc<Api>>, asker: Asker, headers: HeaderMap) -> Answer {
    asker.need(TokenScope::Read)?;
    api.blocking(move |api| {
        let today = api.engine.folder.now().day_in_shanghai();
        api.engine.database().read(|tx| {
            let version = inventory::version(tx)?.to_string();
            let tag = ETag::of(&["overview", &version, &asker.scope().tag(), &today.to_string()]);
            if tag.is_known(&headers) {
                return Ok(tag.not_modified());
            }
            let found = inventory::overview(tx, &asker.scope(), today)?;
            let counts = |counts: &[(String, u64)]| {
                serde_json::Value::Object(
                    counts.iter().map(|(value, count)| (value.clone(), (*count).into())).collect(),
                )
            };
            let mut by: serde_json::Map<String, serde_json::Value> =
                found.by.iter().map(|(own, list)| (own.code().to_owned(), counts(list))).collect();
            by.insert("flag".into(), counts(&found.flags));
            let body =
                OverviewBody { version: found.version, total: found.total, due: found.due, overdue: found.overdue, by };
            Ok(tag.on(Json(body).into_response()))
        })
    })
    .await
}
