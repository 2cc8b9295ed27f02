//! `Idempotency-Key` (draft-ietf-httpapi-idempotency-key-header): a client whose connection broke
//! sends a write again under the same key and gets the first answer; nothing is written twice.

use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};

use super::{Api, Asker, Problem};
use crate::db::DbError;
use crate::db::idempotency::{self, Kept};

/// How long an answer is kept.
const KEPT_MS: i64 = 86_400_000;

/// Longest key.
const LONGEST: usize = 255;

fn key(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let Some(value) = headers.get("idempotency-key") else { return Ok(None) };
    let text = value.to_str().ok().map(|text| text.trim_matches('"')).unwrap_or_default();
    if text.is_empty() || text.len() > LONGEST {
        return Err(Problem::parameter("Idempotency-Key", "a key has 1 to 255 visible signs"));
    }
    Ok(Some(text.to_owned()))
}

/// Runs a write once per key. `request` is everything that makes it this request; `work` answers with
/// status and JSON.
///
/// # Errors
/// What `work` answers; 409 while the first request is under way; 422 for another request under the
/// same key.
pub(super) fn once(
    api: &Api,
    asker: &Asker,
    headers: &HeaderMap,
    request: &[&[u8]],
    work: impl FnOnce() -> Result<(StatusCode, String), Problem>,
) -> Result<Response, Problem> {
    let Some(account) = asker.account() else { return Err(Problem::forbidden("a write needs an account")) };
    let Some(key) = key(headers)? else { return work().map(|(status, body)| answer(status, body, false)) };
    let mut hasher = blake3::Hasher::new();
    for part in request {
        hasher.update(&(part.len() as u64).to_le_bytes()).update(part);
    }
    let hash = *hasher.finalize().as_bytes();
    let database = api.engine.database();
    let now = api.engine.folder.now();
    let known = database.write::<_, DbError>(|tx| {
        let known = idempotency::get(tx, &account.login, &key)?;
        if known.is_none() {
            idempotency::begin(tx, &account.login, &key, &hash, now, now.plus_millis(-KEPT_MS))?;
        }
        Ok(known)
    })?;
    match known {
        Some(Kept { request, .. }) if request != hash => {
            return Err(Problem::unprocessable("this Idempotency-Key was used for another request; choose a new one"));
        }
        Some(Kept { answer: Some((status, body)), .. }) => {
            let status = StatusCode::from_u16(status).unwrap_or(StatusCode::OK);
            return Ok(answer(status, body, true));
        }
        Some(Kept { answer: None, .. }) => {
            return Err(Problem::conflict("the first request under this Idempotency-Key is under way; ask again soon"));
        }
        None => {}
    }
    match work() {
        Ok((status, body)) => {
            database.write::<_, DbError>(|tx| idempotency::end(tx, &account.login, &key, status.as_u16(), &body))?;
            Ok(answer(status, body, false))
        }
        Err(problem) => {
            // Nothing was written: the client may mend the request and keep its key.
            database.write::<_, DbError>(|tx| idempotency::forget(tx, &account.login, &key))?;
            Err(problem)
        }
    }
}

fn answer(status: StatusCode, body: String, again: bool) -> Response {
    let mut response = (status, [(header::CONTENT_TYPE, "application/json")], body).into_response();
    if again {
        response.headers_mut().insert("idempotent-replayed", HeaderValue::from_static("true"));
    }
    response
}
