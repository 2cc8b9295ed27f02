//! Errors as RFC 9457 problem details: what happened, why, what to do. What went wrong inside is
//! in the log, never in an answer.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use crate::db::DbError;
use crate::engine::EngineError;
use crate::inventory::{FilterError, PartyError};

/// Media type of a problem.
pub(super) const MEDIA_TYPE: &str = "application/problem+json";

/// A problem (RFC 9457).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Problem {
    /// `urn:outlet-ledger:problem:CODE`.
    #[serde(rename = "type", serialize_with = "urn")]
    kind: &'static str,
    /// The code in a few words.
    pub title: &'static str,
    /// HTTP status.
    pub status: u16,
    /// What happened, why, what to do.
    pub detail: String,
    /// The code.
    pub code: &'static str,
    /// Parameters at fault.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<ParameterError>,
    /// More, as this problem's kind has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Object)]
    pub extra: Option<Box<serde_json::Value>>,
    /// Seconds after which to try again.
    #[serde(skip)]
    pub retry_after: Option<u32>,
}

/// A parameter at fault.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct ParameterError {
    /// Name of the parameter or field.
    pub name: String,
    /// Why.
    pub reason: String,
}

fn urn<S: serde::Serializer>(code: &&'static str, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&format_args!("urn:outlet-ledger:problem:{code}"))
}

impl Problem {
    /// With a code of its own.
    #[must_use]
    pub fn new(status: StatusCode, code: &'static str, title: &'static str, detail: impl Into<String>) -> Self {
        Self {
            kind: code,
            title,
            status: status.as_u16(),
            detail: detail.into(),
            code,
            errors: Vec::new(),
            extra: None,
            retry_after: None,
        }
    }

    /// 400.
    #[must_use]
    pub fn bad_request(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "bad-request", "The request cannot be understood", detail)
    }

    /// 400, one parameter.
    #[must_use]
    pub fn parameter(name: &str, reason: impl Into<String>) -> Self {
        let reason = reason.into();
        let mut problem = Self::bad_request(reason.clone());
        problem.errors.push(ParameterError { name: name.to_owned(), reason });
        problem
    }

    /// 401.
    #[must_use]
    pub fn unauthorized() -> Self {
        Self::new(
            StatusCode::UNAUTHORIZED,
            "unauthorized",
            "Nobody is signed in",
            "send a token as `Authorization: Bearer TOKEN`, or as the password of Basic; an administrator makes one \
             with `outlet-server token add`",
        )
    }

    /// 403.
    #[must_use]
    pub fn forbidden(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, "forbidden", "Not allowed", detail)
    }

    /// 404: also what exists and may not be seen, or the answer would tell that it exists.
    #[must_use]
    pub fn not_found(what: &str) -> Self {
        let detail = format!("there is no {what} of this name that you may see");
        Self::new(StatusCode::NOT_FOUND, "not-found", "Not found", detail)
    }

    /// 409.
    #[must_use]
    pub fn conflict(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, "conflict", "Somebody was faster", detail)
    }

    /// 413.
    #[must_use]
    pub fn too_large(limit: usize) -> Self {
        let detail = format!("the body is larger than {limit} bytes");
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "too-large", "Too large", detail)
    }

    /// 422.
    #[must_use]
    pub fn unprocessable(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "unprocessable", "Not possible", detail)
    }

    /// 429.
    #[must_use]
    pub fn too_many(seconds: u32) -> Self {
        let detail = format!("too many requests: try again in {seconds} s");
        let mut problem = Self::new(StatusCode::TOO_MANY_REQUESTS, "too-many-requests", "Too many requests", detail);
        problem.retry_after = Some(seconds);
        problem
    }

    /// 503.
    #[must_use]
    pub fn unavailable(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", "Not now", detail)
    }

    /// 500. `error` goes to the log.
    #[must_use]
    pub fn internal(error: &dyn std::fmt::Display) -> Self {
        tracing::error!(%error, "an interface's request failed");
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "internal",
            "Internal error",
            "the server failed at this request; the reason is in its log",
        )
    }
}

impl From<DbError> for Problem {
    fn from(error: DbError) -> Self {
        Self::internal(&error)
    }
}

impl From<EngineError> for Problem {
    fn from(error: EngineError) -> Self {
        match error {
            EngineError::Full => Self::unavailable("the server's disk is nearly full: nothing new is taken"),
            EngineError::Clock { .. } => Self::unavailable("the server's clock is wrong: nothing new is taken"),
            other => Self::internal(&other),
        }
    }
}

impl From<rusqlite::Error> for Problem {
    fn from(error: rusqlite::Error) -> Self {
        Self::internal(&error)
    }
}

impl From<PartyError> for Problem {
    fn from(error: PartyError) -> Self {
        match error {
            PartyError::Database(error) => error.into(),
            PartyError::Cursor(error) => Self::parameter("cursor", error.to_string()),
        }
    }
}

impl From<FilterError> for Problem {
    fn from(error: FilterError) -> Self {
        Self::parameter(error.name(), error.to_string())
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let body = serde_json::to_vec(&self).unwrap_or_default();
        let mut response = (status, body).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if status == StatusCode::UNAUTHORIZED {
            // Basic is what GIS programs ask their user for.
            let ways = HeaderValue::from_static("Bearer, Basic realm=\"outlet ledger\", charset=\"UTF-8\"");
            headers.insert(header::WWW_AUTHENTICATE, ways);
        }
        if let Some(seconds) = self.retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}
