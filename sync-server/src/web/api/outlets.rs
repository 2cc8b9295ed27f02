//! `/outlets`: lists and single outlets.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, RawQuery, State};
use axum::http::HeaderMap;
use axum::response::IntoResponse as _;
use outlet_core::ids::OutletId;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::{Answer, Api, Asker, ETag, Problem};
use crate::inventory::{self, Entry, Query, Total};
use crate::tokens::TokenScope;

pub(super) fn routes() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(one))
}

/// An outlet as the ledger has it.
#[derive(Serialize, ToSchema)]
pub(super) struct OutletBody {
    /// UUID.
    #[schema(value_type = String, format = Uuid)]
    id: OutletId,
    /// Version of the ledger when the row last changed.
    version: u64,
    /// The row: the columns of the ledger export, absent values null.
    #[schema(value_type = Object)]
    row: outlet_core::ledger::LedgerRow,
}

impl From<Entry> for OutletBody {
    fn from(entry: Entry) -> Self {
        Self { id: entry.key.id, version: entry.version, row: entry.row }
    }
}

/// A page of outlets.
#[derive(Serialize, ToSchema)]
pub(super) struct OutletList {
    /// Outlets in order.
    outlets: Vec<OutletBody>,
    /// Outlets of all pages, or at least so many.
    total: u64,
    /// False when counting stopped at `total`.
    total_is_exact: bool,
    /// Address of the next page; absent on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
    /// Version of the ledger.
    version: u64,
}

/// Outlets that fit the filters.
///
/// Several values of one filter: any of them; different filters: all of them. An empty value asks
/// for "nothing recorded".
#[utoipa::path(
    get,
    path = "/outlets",
    tag = "outlets",
    params(
        ("county" = Option<Vec<String>>, Query, description = "County codes. Likewise unit, township, waterbody, basin, section, collection."),
        ("class" = Option<Vec<String>>, Query, description = "ban | merge | regulate | none_needed | undecided. Likewise proposed."),
        ("state" = Option<Vec<String>>, Query, description = "State of life. Likewise review, type, scale, entry_mode, discharge, dry_weather, sign, approval, set_up, problem."),
        ("flag" = Option<Vec<String>>, Query, description = "conflict, amended, unreviewed, findings, no_position, open_problem, coded, extended, merged, reopened, enforcement, no_party, government_fallback, no_photo: all must hold."),
        ("surveyed_on" = Option<String>, Query, description = "FROM..TO, days, either may be left out. Likewise sampled_on, traced_on, decided_on, plan_due, completed_on, accepted_on."),
        ("bbox" = Option<String>, Query, description = "west,south,east,north in degrees (WGS-84)."),
        ("q" = Option<String>, Query, description = "Pieces of name, code, party, township, waterbody, village, address."),
        ("party" = Option<String>, Query, description = "Primary responsible party, exactly."),
        ("overdue" = Option<bool>, Query, description = "Plans due before today and not accepted."),
        ("changed_after" = Option<u64>, Query, description = "Changed after this version of the ledger."),
        ("sort" = Option<String>, Query, description = "A column, with - before it for downwards: changed, name, number, party, the days, and most filters."),
        ("limit" = Option<u32>, Query, minimum = 1, maximum = 500, description = "Outlets of a page; 50 unless said."),
        ("cursor" = Option<String>, Query, description = "As `next` gives it."),
    ),
    responses(
        (status = 200, body = OutletList),
        (status = 304, description = "As the client has it"),
        (status = 400, body = Problem, content_type = "application/problem+json"),
        (status = 401, body = Problem, content_type = "application/problem+json"),
        (status = 403, body = Problem, content_type = "application/problem+json"),
        (status = 429, body = Problem, content_type = "application/problem+json"),
    )
)]
async fn list(State(api): State<Arc<Api>>, asker: Asker, RawQuery(text): RawQuery, headers: HeaderMap) -> Answer {
    asker.need(TokenScope::Read)?;
    api.blocking(move |api| {
        let today = api.engine.folder.now().day_in_shanghai();
        let text = text.unwrap_or_default();
        let query = Query::parse(asker.scope(), &text, today)?;
        api.engine.database().read(|tx| {
            let version = inventory::version(tx)?;
            let tag =
                ETag::of(&["outlets", &version.to_string(), &asker.scope().tag(), &query.text(), &today.to_string()]);
            if tag.is_known(&headers) {
                return Ok(tag.not_modified());
            }
            let page = inventory::page(tx, &query)?;
            let (total, total_is_exact) = match page.total {
                Total::Exactly(total) => (total, true),
                Total::AtLeast(total) => (total, false),
            };
            let next = page.next.map(|after| {
                let next = Query { after: Some(after), ..query.clone() };
                format!("{}/outlets?{}", super::BASE, next.text())
            });
            let outlets = page.entries.into_iter().map(OutletBody::from).collect();
            let body = OutletList { outlets, total, total_is_exact, next, version: page.version };
            Ok(tag.on(Json(body).into_response()))
        })
    })
    .await
}

/// One outlet.
///
/// An outlet of a collection that the account does not read is answered like one that does not
/// exist: anything else would tell that it does.
#[utoipa::path(
    get,
    path = "/outlets/{id}",
    tag = "outlets",
    params(("id" = String, Path, format = Uuid, description = "UUID of the outlet")),
    responses(
        (status = 200, body = OutletBody),
        (status = 304, description = "As the client has it"),
        (status = 401, body = Problem, content_type = "application/problem+json"),
        (status = 403, body = Problem, content_type = "application/problem+json"),
        (status = 404, body = Problem, content_type = "application/problem+json"),
    )
)]
async fn one(State(api): State<Arc<Api>>, asker: Asker, Path(id): Path<String>, headers: HeaderMap) -> Answer {
    asker.need(TokenScope::Read)?;
    api.blocking(move |api| {
        api.engine.database().read(|tx| {
            let entry = find(tx, &asker, &id)?;
            let tag = ETag::of(&["outlet", &id, &entry.version.to_string()]);
            if tag.is_known(&headers) {
                return Ok(tag.not_modified());
            }
            Ok(tag.on(Json(OutletBody::from(entry)).into_response()))
        })
    })
    .await
}

/// The outlet of an id, if the asker may see it.
pub(super) fn find(connection: &rusqlite::Connection, asker: &Asker, id: &str) -> Result<Entry, Problem> {
    let id: OutletId = id.parse().map_err(|_| Problem::not_found("outlet"))?;
    inventory::by_id(connection, &asker.scope(), &id)?.ok_or_else(|| Problem::not_found("outlet"))
}
