//! What every write shares: who acts, how a body is read, and what a refusal is answered with. The
//! door is the one of the console and the command line ([`crate::engine::Engine::decide`]).

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::body::Bytes;
use axum::http::{HeaderMap, StatusCode};
use outlet_core::ids::DocKey;
use serde::Serialize;
use serde::de::DeserializeOwned;
use utoipa::IntoResponses;
use utoipa::openapi::{ContentBuilder, Ref, RefOr, Response, ResponseBuilder};

use super::once::once;
use super::problem::MEDIA_TYPE;
use super::{Answer, Api, Asker, ParameterError, Problem, outlets};
use crate::accounts::Account;
use crate::engine::{Acting, DecideError};
use crate::tokens::TokenScope;

/// The account that asks.
pub(super) fn account(asker: &Asker) -> Result<&Account, Problem> {
    asker.account().map(AsRef::as_ref).ok_or_else(Problem::unauthorized)
}

/// Who acts, for the engine: the account behind the token or session.
pub(super) fn acting(asker: &Asker) -> Result<Acting, Problem> {
    Ok(Acting { login: account(asker)?.login.clone(), via: asker.door(), session: Some(asker.via().to_owned()) })
}

/// A JSON body; what does not fit is said with its line.
pub(super) fn body<T: DeserializeOwned>(body: &[u8]) -> Result<T, Problem> {
    serde_json::from_slice(body).map_err(|error| {
        // The parser's own sentence names fields of the body and nothing of the program.
        let why: String = error.to_string().chars().take(200).collect();
        Problem::parameter("body", format!("the JSON does not fit: {why}"))
    })
}

/// What a write answers under its key.
pub(super) fn answer(status: StatusCode, value: &impl Serialize) -> Result<(StatusCode, String), Problem> {
    Ok((status, serde_json::to_string(value).map_err(|error| Problem::internal(&error))?))
}

/// Why nothing was decided.
pub(super) fn refused(error: DecideError) -> Problem {
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
            problem.errors.push(ParameterError { name: "decisions".into(), reason: other.code().to_owned() });
            problem
        }
    }
}

/// The refusals that any address may answer, for its description.
pub(super) enum Refusals {}

impl IntoResponses for Refusals {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        let one = |(status, description): (&str, &str)| {
            let content = ContentBuilder::new().schema(Some(Ref::from_schema_name("Problem"))).build();
            let response = ResponseBuilder::new().description(description).content(MEDIA_TYPE, content).build();
            (status.to_owned(), RefOr::T(response))
        };
        [
            ("400", "The request cannot be understood"),
            ("401", "Nobody is signed in"),
            ("403", "Scope, role or collection do not allow it"),
            ("404", "Not there, or not to be seen"),
            ("409", "Somebody was faster; `extra` has what came in between"),
            ("413", "Too large"),
            ("422", "The rules speak against it"),
            ("429", "Too many requests"),
        ]
        .map(one)
        .into()
    }
}

/// What identifies a write for its `Idempotency-Key`, beside its body.
pub(super) struct Write {
    /// Which address.
    pub what: &'static str,
    /// The outlet in its path.
    pub id: String,
    /// What else its path says.
    pub part: String,
    /// With or without `Idempotency-Key`.
    pub headers: HeaderMap,
    /// As sent.
    pub body: Bytes,
}

impl Write {
    /// On an outlet as a whole.
    pub(super) fn new(what: &'static str, id: String, headers: HeaderMap, body: Bytes) -> Self {
        Self { what, id, part: String::new(), headers, body }
    }
}

/// A write on an outlet that the asker sees, once per key, on a thread that may wait.
pub(super) async fn on_outlet<T: Serialize>(
    api: Arc<Api>,
    asker: Asker,
    write: Write,
    work: impl FnOnce(&Api, &Acting, DocKey, &[u8]) -> Result<T, Problem> + Send + 'static,
) -> Answer {
    asker.need(TokenScope::Decide)?;
    api.blocking(move |api| {
        let entry = api.engine.database().read(|tx| outlets::find(tx, &asker, &write.id))?;
        let request: [&[u8]; 4] = [write.what.as_bytes(), write.id.as_bytes(), write.part.as_bytes(), &write.body];
        once(api, &asker, &write.headers, &request, || {
            answer(StatusCode::CREATED, &work(api, &acting(&asker)?, entry.key, &write.body)?)
        })
    })
    .await
}
