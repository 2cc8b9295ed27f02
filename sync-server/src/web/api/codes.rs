//! Official codes: granted blocks, codes on several outlets, codes received and assigned.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use outlet_core::domain::field::DocumentRef;
use outlet_core::ids::{Collection, DocKey};
use outlet_core::time::Day;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::deciding::{Refusals, acting, answer, body, refused};
use super::etag::tagged;
use super::once::once;
use super::{Answer, Api, Asker, ParameterError, Problem, outlets};
use crate::codes::{self, AT_ONCE, BlockLine, CodesError, Conflict, Given, Received, WrongLine};
use crate::report;
use crate::tokens::TokenScope;

pub(super) fn routes() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::new()
        .routes(routes!(blocks))
        .routes(routes!(conflicts))
        .routes(routes!(record))
        .routes(routes!(assign))
}

/// Granted blocks.
#[derive(Serialize, ToSchema)]
pub(super) struct Blocks {
    /// Each with what is used of it, who holds it, and why it cannot be used here.
    #[schema(value_type = Vec<Object>)]
    blocks: Vec<BlockLine>,
}

/// Granted blocks of codes.
#[utoipa::path(
    get,
    path = "/codes/blocks",
    tag = "codes",
    responses((status = 200, body = Blocks), (status = 304, description = "As the client has it"), Refusals)
)]
async fn blocks(State(api): State<Arc<Api>>, asker: Asker, headers: HeaderMap) -> Answer {
    asker.need(TokenScope::Read)?;
    api.blocking(move |api| {
        let scope = asker.scope();
        let mut blocks = codes::blocks(&api.engine)?;
        blocks.retain(|block| Collection::from_code(block.county).is_some_and(|county| scope.holds(county)));
        tagged(&headers, &Blocks { blocks })
    })
    .await
}

/// Codes on several outlets.
#[derive(Serialize, ToSchema)]
pub(super) struct CodeConflicts {
    /// By code.
    #[schema(value_type = Vec<Object>)]
    conflicts: Vec<Conflict>,
}

/// Codes that stand on more than one outlet of the account's collections.
#[utoipa::path(
    get,
    path = "/codes/conflicts",
    tag = "codes",
    responses((status = 200, body = CodeConflicts), (status = 304, description = "As the client has it"), Refusals)
)]
async fn conflicts(State(api): State<Arc<Api>>, asker: Asker, headers: HeaderMap) -> Answer {
    asker.need(TokenScope::Read)?;
    api.blocking(move |api| {
        let scope = asker.scope();
        let mut rows = report::current_rows(&api.engine)?;
        rows.retain(|row| scope.holds(row.collection));
        tagged(&headers, &CodeConflicts { conflicts: codes::conflicts(&rows) })
    })
    .await
}

/// A received code.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewCode {
    /// UUID of the outlet.
    outlet: String,
    /// The code.
    code: String,
    /// Date of issue; that of the document unless said.
    #[schema(value_type = Option<String>, format = Date)]
    issued_on: Option<Day>,
}

/// Codes received from a platform.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewCodes {
    /// national | provincial.
    system: String,
    /// 文号 of the paper that they came with.
    document: String,
    /// Its date.
    #[schema(value_type = Option<String>, format = Date)]
    document_dated: Option<Day>,
    /// The codes: all of them are recorded, or none.
    codes: Vec<NewCode>,
}

/// Records received codes with their source: all of them, or none.
#[utoipa::path(
    post,
    path = "/codes",
    tag = "codes",
    params(("Idempotency-Key" = Option<String>, Header)),
    request_body = NewCodes,
    responses((status = 201, description = "Recorded, with what is odd about each"), Refusals)
)]
async fn record(State(api): State<Arc<Api>>, asker: Asker, headers: HeaderMap, sent: Bytes) -> Answer {
    asker.need(TokenScope::Decide)?;
    api.blocking(move |api| {
        once(api, &asker, &headers, &[b"codes", &sent], || {
            let asked: NewCodes = body(&sent)?;
            if !["national", "provincial"].contains(&asked.system.as_str()) {
                return Err(Problem::parameter("system", "write national or provincial"));
            }
            check_count(asked.codes.len())?;
            let outlets: Vec<&str> = asked.codes.iter().map(|one| one.outlet.as_str()).collect();
            find_all(api, &asker, &outlets)?;
            let received = (1..).zip(&asked.codes).map(|(line, one)| Received {
                line,
                outlet: one.outlet.clone(),
                code: one.code.clone(),
                issued_on: one.issued_on,
            });
            let received: Vec<Received> = received.collect();
            let document = DocumentRef { number: asked.document, dated: asked.document_dated, file: None };
            let acting = acting(&asker)?;
            let done = codes::record(&api.engine, &acting, &asked.system, &received, &document).map_err(not_given)?;
            if done.problems.is_empty() {
                return answer(StatusCode::CREATED, &done);
            }
            let mut problem = Problem::unprocessable("some codes are wrong; nothing was recorded");
            let error = |wrong: &WrongLine| ParameterError { name: "codes".into(), reason: wrong.to_string() };
            problem.errors.extend(done.problems.iter().map(error));
            Err(problem)
        })
    })
    .await
}

/// Outlets that get a code.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    /// Outlets by UUID.
    #[serde(default)]
    outlets: Vec<String>,
    /// All outlets of this county with an approved name and without a code.
    #[schema(value_type = Option<String>)]
    collection: Option<Collection>,
    /// Date of issue; today unless said.
    #[schema(value_type = Option<String>, format = Date)]
    on: Option<Day>,
}

/// Codes that were assigned.
#[derive(Serialize, ToSchema)]
pub(super) struct CodesAssigned {
    /// By outlet.
    #[schema(value_type = Vec<Object>)]
    given: Vec<Given>,
}

/// Assigns codes from the blocks that this server holds, in one transaction: each outlet gets one,
/// or none does. No serial is ever given twice.
#[utoipa::path(
    post,
    path = "/codes/assign",
    tag = "codes",
    params(("Idempotency-Key" = Option<String>, Header)),
    request_body = Wanted,
    responses((status = 201, body = CodesAssigned), Refusals)
)]
async fn assign(State(api): State<Arc<Api>>, asker: Asker, headers: HeaderMap, sent: Bytes) -> Answer {
    asker.need(TokenScope::Decide)?;
    api.blocking(move |api| {
        once(api, &asker, &headers, &[b"codes-assign", &sent], || {
            let asked: Wanted = body(&sent)?;
            let mut keys = find_all(api, &asker, &asked.outlets)?;
            if let Some(collection) = asked.collection {
                if !asker.scope().holds(collection) {
                    return Err(Problem::forbidden("the account has no right in this collection"));
                }
                keys.extend(codes::ready(&api.engine, |row| row.collection == collection)?);
            }
            check_count(keys.len())?;
            let on = asked.on.unwrap_or_else(|| api.engine.folder.now().day_in_shanghai());
            let given = codes::assign(&api.engine, &acting(&asker)?, &keys, on).map_err(not_given)?;
            answer(StatusCode::CREATED, &CodesAssigned { given })
        })
    })
    .await
}

fn check_count(count: usize) -> Result<(), Problem> {
    match count {
        0 => Err(Problem::unprocessable("no outlet is named, or none there has an approved name and no code")),
        count if count > AT_ONCE => Err(Problem::unprocessable(CodesError::TooMany(count).to_string())),
        _ => Ok(()),
    }
}

fn find_all<S: AsRef<str>>(api: &Api, asker: &Asker, ids: &[S]) -> Result<Vec<DocKey>, Problem> {
    if ids.len() > AT_ONCE {
        return Err(Problem::unprocessable(CodesError::TooMany(ids.len()).to_string()));
    }
    api.engine
        .database()
        .read(|tx| ids.iter().map(|id| Ok(outlets::find(tx, asker, id.as_ref())?.key)).collect::<Result<_, Problem>>())
}

fn not_given(error: CodesError) -> Problem {
    match error {
        CodesError::Decide(error) => refused(error),
        CodesError::Engine(error) => error.into(),
        CodesError::Busy => Problem::conflict(error.to_string()),
        CodesError::NoBlock { ref blocks, .. } => {
            let mut problem = Problem::unprocessable(error.to_string());
            let reason = |reason: &String| ParameterError { name: "blocks".into(), reason: reason.clone() };
            problem.errors.extend(blocks.iter().map(reason));
            problem
        }
        other => Problem::unprocessable(other.to_string()),
    }
}
