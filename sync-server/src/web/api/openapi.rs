//! The description of the REST interface, and the form of its errors.

use axum::extract::Request;
use axum::http::{StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};
use utoipa::{Modify, OpenApi};

use super::{BODY_LIMIT, ParameterError, Problem};

/// OpenAPI 3.1 of `/api/v1`; paths come from the handlers.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "Outlet ledger",
        description = "入河排污口台账: outlets, milestones, problems, exports. Errors are RFC 9457 problem details. \
                       Lists are read page by page: follow `next`. Answers carry an ETag; send it back as If-None-Match.",
    ),
    components(schemas(Problem, ParameterError)),
    modifiers(&Security),
    security(("token" = []), ("basic" = [])),
)]
pub(super) struct Description;

struct Security;

impl Modify for Security {
    fn modify(&self, description: &mut utoipa::openapi::OpenApi) {
        let components = description.components.get_or_insert_default();
        let scheme = |scheme| SecurityScheme::Http(Http::new(scheme));
        components.add_security_scheme("token", scheme(HttpAuthScheme::Bearer));
        components.add_security_scheme("basic", scheme(HttpAuthScheme::Basic));
    }
}

/// Turns what the framework refuses (a wrong method, a body too large, a header that does not fit)
/// into a problem: its own texts name types of the program.
pub(super) async fn problems(request: Request, next: Next) -> Response {
    let response = next.run(request).await;
    let status = response.status();
    let is_plain =
        response.headers().get(header::CONTENT_TYPE).is_none_or(|kind| kind.as_bytes().starts_with(b"text/plain"));
    if !(status.is_client_error() || status.is_server_error()) || !is_plain {
        return response;
    }
    let problem = match status {
        StatusCode::METHOD_NOT_ALLOWED => {
            Problem::new(status, "method-not-allowed", "Wrong method", "this address does not take this method")
        }
        StatusCode::PAYLOAD_TOO_LARGE => Problem::too_large(BODY_LIMIT),
        StatusCode::NOT_FOUND => Problem::not_found("address"),
        StatusCode::UNSUPPORTED_MEDIA_TYPE => Problem::new(
            status,
            "unsupported-media-type",
            "Wrong media type",
            "send JSON with `Content-Type: application/json`",
        ),
        StatusCode::UNPROCESSABLE_ENTITY => {
            Problem::unprocessable("the body is JSON of another shape than this address takes")
        }
        status if status.is_client_error() => {
            Problem::bad_request("path, query or body do not have the form that this address takes")
        }
        _ => Problem::internal(&"the framework answered an error"),
    };
    let allow = response.headers().get(header::ALLOW).cloned();
    let mut answer = problem.into_response();
    if let Some(allow) = allow {
        answer.headers_mut().insert(header::ALLOW, allow);
    }
    answer
}
