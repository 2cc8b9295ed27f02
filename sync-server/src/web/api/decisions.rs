//! Decisions of an account on an outlet, signed by the server as witness: the same door as the
//! console and the command line ([`Engine::decide`](crate::engine::Engine::decide)).

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use outlet_core::domain::case::CaseEntry;
use outlet_core::time::Timestamp;
use serde::Deserialize;
use serde_json::Value;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::once::once;
use super::{Answer, Api, Asker, Problem, outlets};
use crate::engine::{Acting, DecideError, Seen};
use crate::tokens::TokenScope;

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
        (status = 400, body = Problem, content_type = "application/problem+json"),
        (status = 401, body = Problem, content_type = "application/problem+json"),
        (status = 403, body = Problem, content_type = "application/problem+json"),
        (status = 404, body = Problem, content_type = "application/problem+json"),
        (status = 409, body = Problem, content_type = "application/problem+json"),
        (status = 413, body = Problem, content_type = "application/problem+json"),
        (status = 422, body = Problem, content_type = "application/problem+json"),
    )
)]
async fn decide(
    State(api): State<Arc<Api>>,
    asker: Asker,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Answer {
    asker.need(TokenScope::Decide)?;
    api.blocking(move |api| {
        let entry = api.engine.database().read(|tx| outlets::find(tx, &asker, &id))?;
        once(api, &asker, &headers, &[b"decide", id.as_bytes(), &body], || {
            let (seen, entries) = read(&body, api.engine.folder.now())?;
            let Some(account) = asker.account() else { return Err(Problem::unauthorized()) };
            let acting =
                Acting { login: account.login.clone(), via: asker.door(), session: Some(asker.via().to_owned()) };
            let written = api.engine.decide(&acting, entry.key, seen, entries).map_err(refused)?;
            let body = serde_json::to_string(&written).map_err(|error| Problem::internal(&error))?;
            Ok((StatusCode::CREATED, body))
        })
    })
    .await
}

fn read(body: &[u8], now: Timestamp) -> Result<(Seen, Vec<CaseEntry>), Problem> {
    let wrong = |error: serde_json::Error| {
        Problem::parameter("body", format!("the JSON does not fit at line {}", error.line()))
    };
    let decisions: Decisions = serde_json::from_slice(body).map_err(wrong)?;
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

fn refused(error: DecideError) -> Problem {
    match error {
        DecideError::Engine(error) => error.into(),
        DecideError::Missing(_) => Problem::not_found("outlet"),
        DecideError::Account(_) | DecideError::Collection { .. } => {
            Problem::forbidden("the account may not decide on this outlet")
        }
        DecideError::Stale(stale) => {
            let mut problem = Problem::conflict(DecideError::Stale(stale.clone()).to_string());
            // Both: what was seen is with the client, what is there now comes here.
            problem.extra = serde_json::to_value(&stale).ok().map(Box::new);
            problem
        }
        DecideError::Claimed { .. } => Problem::conflict(error.to_string()),
        other => {
            let mut problem = Problem::unprocessable(other.to_string());
            problem.errors.push(super::ParameterError { name: "decisions".into(), reason: other.code().to_owned() });
            problem
        }
    }
}
