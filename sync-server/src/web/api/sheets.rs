//! Sheets: clean records approved in bulk, after a drawn sample was opened in full; and the audit.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Path, RawQuery, State};
use axum::http::{HeaderMap, StatusCode};
use outlet_core::ids::OutletId;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::deciding::{Refusals, account, acting, answer, body, refused};
use super::etag::tagged;
use super::once::once;
use super::parameters::Parameters;
use super::{Answer, Api, Asker, Problem, outlets};
use crate::desk::{self, Audited, MOST_LINES, Sheet};
use crate::tokens::TokenScope;

pub(super) fn routes() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::new()
        .routes(routes!(make))
        .routes(routes!(one))
        .routes(routes!(open))
        .routes(routes!(approve))
        .routes(routes!(audit))
        .routes(routes!(audit_of))
}

/// What a sheet is made of.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewSheet {
    /// Records at most; 60 unless said.
    #[schema(minimum = 1, maximum = 200)]
    size: Option<u64>,
    /// Seed of the sample; a random one unless said. Whoever has it can draw the sample again.
    seed: Option<u64>,
}

/// Records of a sheet unless the request says another number.
const SIZE: u64 = 60;

/// Makes a sheet of clean records that wait, oldest first.
#[utoipa::path(
    post,
    path = "/review/sheets",
    tag = "review",
    params(("Idempotency-Key" = Option<String>, Header)),
    request_body = NewSheet,
    responses((status = 201, description = "The sheet, its sample marked"), Refusals)
)]
async fn make(State(api): State<Arc<Api>>, asker: Asker, headers: HeaderMap, sent: Bytes) -> Answer {
    asker.need(TokenScope::Decide)?;
    api.blocking(move |api| {
        once(api, &asker, &headers, &[b"sheet", &sent], || {
            let asked: NewSheet = if sent.is_empty() { NewSheet::default() } else { body(&sent)? };
            let size = asked.size.unwrap_or(SIZE);
            if !(1..=MOST_LINES).contains(&size) {
                return Err(Problem::parameter("size", format!("write a number from 1 to {MOST_LINES}")));
            }
            let seed = match asked.seed {
                // SQLite's integers are signed.
                Some(seed) if i64::try_from(seed).is_err() => {
                    return Err(Problem::parameter("seed", "write a number below 2^63"));
                }
                Some(seed) => seed,
                None => u64::from_be_bytes(crate::env::random().map_err(|error| Problem::internal(&error))?) >> 1,
            };
            answer(StatusCode::CREATED, &desk::make_sheet(&api.engine, &acting(&asker)?, size, seed).map_err(refused)?)
        })
    })
    .await
}

/// The account's own sheet; another one is answered like one that does not exist.
fn own(api: &Api, asker: &Asker, id: &str) -> Result<Sheet, Problem> {
    let id: i64 = id.parse().map_err(|_| Problem::not_found("sheet"))?;
    let sheet = desk::sheet(&api.engine, id).map_err(|error| match error {
        crate::engine::DecideError::Proposal(_) => Problem::not_found("sheet"),
        other => refused(other),
    })?;
    if account(asker)?.login == sheet.account { Ok(sheet) } else { Err(Problem::not_found("sheet")) }
}

/// A sheet of the account.
#[utoipa::path(
    get,
    path = "/review/sheets/{sheet}",
    tag = "review",
    params(("sheet" = i64, Path)),
    responses((status = 200, description = "As the commands of the server show it"), (status = 304, description = "As the client has it"), Refusals)
)]
async fn one(State(api): State<Arc<Api>>, asker: Asker, Path(id): Path<String>, headers: HeaderMap) -> Answer {
    asker.need(TokenScope::Decide)?;
    api.blocking(move |api| tagged(&headers, &own(api, &asker, &id)?)).await
}

/// Opens a record of a sheet in full; of the sample, this is what the approval waits for.
#[utoipa::path(
    post,
    path = "/review/sheets/{sheet}/open/{id}",
    tag = "review",
    params(("sheet" = i64, Path), ("id" = String, Path, format = Uuid)),
    responses((status = 200, description = "The record as a reviewer sees it"), Refusals)
)]
async fn open(
    State(api): State<Arc<Api>>,
    asker: Asker,
    Path((sheet, id)): Path<(String, String)>,
    headers: HeaderMap,
) -> Answer {
    asker.need(TokenScope::Decide)?;
    api.blocking(move |api| {
        let sheet = own(api, &asker, &sheet)?;
        let id: OutletId = id.parse().map_err(|_| Problem::not_found("outlet"))?;
        let brief = desk::open_on_sheet(&api.engine, &acting(&asker)?, sheet.id, id).map_err(refused)?;
        tagged(&headers, &brief)
    })
    .await
}

/// Which records of a sheet are not approved.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Except {
    /// Outlets.
    #[schema(value_type = Vec<String>)]
    #[serde(default)]
    except: Vec<OutletId>,
}

/// Approves the records of a sheet in one transaction, as they were when it was made; what changed
/// or was claimed since is left out and named.
#[utoipa::path(
    post,
    path = "/review/sheets/{sheet}/approve",
    tag = "review",
    params(("sheet" = i64, Path), ("Idempotency-Key" = Option<String>, Header)),
    request_body = Except,
    responses((status = 201, description = "Approved records, and those left out with the reason"), Refusals)
)]
async fn approve(
    State(api): State<Arc<Api>>,
    asker: Asker,
    Path(id): Path<String>,
    headers: HeaderMap,
    sent: Bytes,
) -> Answer {
    asker.need(TokenScope::Decide)?;
    api.blocking(move |api| {
        let sheet = own(api, &asker, &id)?;
        once(api, &asker, &headers, &[b"approve-sheet", id.as_bytes(), &sent], || {
            let asked: Except = if sent.is_empty() { Except::default() } else { body(&sent)? };
            let done = desk::approve_sheet(&api.engine, &acting(&asker)?, sheet.id, &asked.except).map_err(refused)?;
            answer(StatusCode::CREATED, &done)
        })
    })
    .await
}

/// Decisions with who took them, on which evidence, from which values.
#[derive(Serialize, ToSchema)]
pub(super) struct AuditBody {
    /// The newest first.
    #[schema(value_type = Vec<Object>)]
    decisions: Vec<Audited>,
}

/// The newest decisions that this server witnessed, in the account's collections.
#[utoipa::path(
    get,
    path = "/review/audit",
    tag = "review",
    params(
        ("account" = Option<String>, Query, description = "Only decisions of this login."),
        ("limit" = Option<u32>, Query, minimum = 1, maximum = 500),
    ),
    responses((status = 200, body = AuditBody), (status = 304, description = "As the client has it"), Refusals)
)]
async fn audit(State(api): State<Arc<Api>>, asker: Asker, RawQuery(text): RawQuery, headers: HeaderMap) -> Answer {
    asker.need(TokenScope::Read)?;
    let asked = Parameters::read(text.as_deref(), &["account", "limit"])?;
    let limit = asked.limit(50, 500)?;
    api.blocking(move |api| {
        let scope = asker.scope();
        let sees = |key: &outlet_core::ids::DocKey| scope.holds(key.collection);
        let decisions = desk::audit(&api.engine, None, asked.get("account"), limit, sees)?;
        tagged(&headers, &AuditBody { decisions })
    })
    .await
}

/// Every decision on one outlet.
#[utoipa::path(
    get,
    path = "/outlets/{id}/review/audit",
    tag = "review",
    params(("id" = String, Path, format = Uuid)),
    responses((status = 200, body = AuditBody), (status = 304, description = "As the client has it"), Refusals)
)]
async fn audit_of(State(api): State<Arc<Api>>, asker: Asker, Path(id): Path<String>, headers: HeaderMap) -> Answer {
    asker.need(TokenScope::Read)?;
    api.blocking(move |api| {
        let entry = api.engine.database().read(|tx| outlets::find(tx, &asker, &id))?;
        let decisions = desk::audit(&api.engine, Some(entry.key), None, u64::MAX, |_| true)?;
        tagged(&headers, &AuditBody { decisions })
    })
    .await
}
