//! What a page answers when it cannot do what was asked: a status and a sentence from the message
//! files. What went wrong inside is in the log, never on the page.

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

use crate::db::DbError;
use crate::engine::EngineError;
use crate::web::gate;

/// A refusal with the message that explains it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fault {
    pub(super) status: StatusCode,
    /// Key of the message.
    pub(super) message: &'static str,
    /// Seconds after which to try again, where that helps.
    pub(super) retry_after: Option<u32>,
}

impl Fault {
    /// No such page or record, or none that this account may know of.
    pub const NOT_FOUND: Self = Self::new(StatusCode::NOT_FOUND, "fault-not-found");
    /// The account's role does not include this.
    pub const FORBIDDEN: Self = Self::new(StatusCode::FORBIDDEN, "fault-forbidden");
    /// The form did not come from a page of this session.
    pub const FORGED: Self = Self::new(StatusCode::FORBIDDEN, "fault-forged");
    /// More than is taken.
    pub const TOO_LARGE: Self = Self::new(StatusCode::PAYLOAD_TOO_LARGE, "fault-too-large");
    /// The address or form cannot be read.
    pub const BAD_REQUEST: Self = Self::new(StatusCode::BAD_REQUEST, "fault-bad-request");
    /// Something failed inside; the log says what.
    pub const INTERNAL: Self = Self::new(StatusCode::INTERNAL_SERVER_ERROR, "fault-internal");
    /// The disk is full or the clock is wrong: nothing is taken until somebody sees to it.
    pub const STOPPED: Self = Self::new(StatusCode::SERVICE_UNAVAILABLE, "fault-stopped");

    /// Too many ask at the same time.
    pub const BUSY: Self = Self::new(StatusCode::SERVICE_UNAVAILABLE, "fault-crowded").after(gate::RETRY_SECONDS);

    /// A refusal of its own kind.
    #[must_use]
    pub const fn new(status: StatusCode, message: &'static str) -> Self {
        Self { status, message, retry_after: None }
    }

    /// The same, with the seconds after which to try again.
    #[must_use]
    pub const fn after(self, seconds: u32) -> Self {
        Self { retry_after: Some(seconds), ..self }
    }

    /// The refusal that fits a status which something else answered.
    pub(super) fn of_status(status: StatusCode) -> Self {
        match status {
            StatusCode::NOT_FOUND => Self::NOT_FOUND,
            StatusCode::FORBIDDEN => Self::FORBIDDEN,
            StatusCode::PAYLOAD_TOO_LARGE => Self::TOO_LARGE,
            StatusCode::METHOD_NOT_ALLOWED => Self::new(status, "fault-not-found"),
            _ if status.is_server_error() => Self::INTERNAL,
            _ => Self::new(status, "fault-bad-request"),
        }
    }
}

/// The frame around all pages turns it into a page in the visitor's language.
impl IntoResponse for Fault {
    fn into_response(self) -> Response {
        let mut response = self.status.into_response();
        response.extensions_mut().insert(self);
        response
    }
}

impl From<EngineError> for Fault {
    fn from(error: EngineError) -> Self {
        tracing::error!(%error, "a page cannot be made");
        match error {
            EngineError::Full | EngineError::Clock { .. } => Self::STOPPED,
            _ => Self::INTERNAL,
        }
    }
}

impl From<DbError> for Fault {
    fn from(error: DbError) -> Self {
        tracing::error!(%error, "a page cannot be made");
        Self::INTERNAL
    }
}

impl From<rusqlite::Error> for Fault {
    fn from(error: rusqlite::Error) -> Self {
        DbError::from(error).into()
    }
}

impl From<askama::Error> for Fault {
    fn from(error: askama::Error) -> Self {
        tracing::error!(%error, "a template failed");
        Self::INTERNAL
    }
}
