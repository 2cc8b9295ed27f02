//! Around every page: which language, whose session, which headers; and refusals as pages.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Query, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use outlet_core::domain::dictionary::Lang;
use serde::Deserialize;

use super::page::fault_page;
use super::visitor::Secret;
use super::{Console, Fault, Page, visitor};
use crate::web::listen::Remote;

/// Cookie of the language.
const LANGUAGE: &str = "outlet_language";

/// Only this server's own files: no inline script or style, no other host. `data:` images are the
/// signs in the map's style sheet.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; \
                      connect-src 'self'; worker-src 'self'; form-action 'self'; base-uri 'none'; \
                      frame-ancestors 'none'; manifest-src 'self'";

const HEADERS: &[(&str, &str)] = &[
    ("content-security-policy", POLICY),
    ("x-content-type-options", "nosniff"),
    ("x-frame-options", "DENY"),
    ("referrer-policy", "same-origin"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
    ("permissions-policy", "camera=(), geolocation=(), microphone=()"),
];

/// Adds the headers that every answer carries; a page is never kept by a cache.
pub(super) async fn headers(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let answer = response.headers_mut();
    for (name, value) in HEADERS {
        answer.entry(*name).or_insert(HeaderValue::from_static(value));
    }
    answer.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

/// Finds language and session, runs the page, and shows refusals as pages.
pub(super) async fn frame(State(console): State<Arc<Console>>, mut request: Request, next: Next) -> Response {
    let lang = language_of(request.headers());
    let here = request.uri().path_and_query().map_or("/", |path| path.as_str()).to_owned();
    let remote = request.extensions().get::<axum::extract::ConnectInfo<Remote>>().map(|info| info.0);
    let remote = visitor::address(remote, request.headers(), console.engine.folder.config.console.behind_proxy);
    let secret = Secret::of_session(request.headers(), console.secure);
    let known = match secret {
        Some(secret) => console.ask(move |console| visitor::find(console, &secret)).await,
        None => Ok(None),
    };
    let (visitor, fault) = match known {
        Ok(visitor) => (visitor, None),
        Err(fault) => (None, Some(fault)),
    };
    // Somebody who is not signed in has forms, too: the one to sign in with.
    let visit = Secret::of_visit(request.headers());
    let fresh = if visitor.is_none() && visit.is_none() { Secret::new().ok() } else { None };
    let own = if visitor.is_some() { secret } else { visit.or(fresh) };
    let csrf = own.map(|secret| secret.token()).unwrap_or_default();
    let page = Page::new(lang, here, visitor, csrf);
    if let Some(fault) = fault {
        return fault_page(&page, fault);
    }
    request.extensions_mut().insert(page.clone());
    request.extensions_mut().insert(remote);
    if let Some(secret) = secret {
        request.extensions_mut().insert(secret);
    }
    let mut response = next.run(request).await;
    if let Some(fault) = refusal(&response) {
        response = fault_page(&page, fault);
    }
    if let Some(cookie) = fresh.and_then(|secret| secret.visit_cookie(console.secure)) {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    response
}

/// The refusal that an answer stands for: a page's own, or whatever refused before the page.
fn refusal(response: &Response) -> Option<Fault> {
    if let Some(fault) = response.extensions().get::<Fault>() {
        return Some(*fault);
    }
    let status = response.status();
    let made =
        response.headers().get(header::CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"text/html"));
    ((status.is_client_error() || status.is_server_error()) && !made).then(|| Fault::of_status(status))
}

fn language_of(headers: &HeaderMap) -> Lang {
    match visitor::cookie(headers, LANGUAGE).as_deref() {
        Some("en") => Lang::En,
        _ => Lang::Zh,
    }
}

/// `GET /language?to=en&next=/…`.
#[derive(Debug, Deserialize)]
pub(super) struct Language {
    to: String,
    #[serde(default)]
    next: String,
}

/// Switches the language and returns.
pub(super) async fn language(Query(wanted): Query<Language>) -> Response {
    let to = if wanted.to == "en" { "en" } else { "zh" };
    let cookie = format!("{LANGUAGE}={to}; Path=/; Max-Age=31536000; SameSite=Lax");
    let headers = [(header::SET_COOKIE, cookie), (header::LOCATION, local(&wanted.next))];
    (StatusCode::SEE_OTHER, headers, Body::empty()).into_response()
}

/// An address of this server, or the start page: nobody is sent elsewhere by a crafted link.
pub(super) fn local(next: &str) -> String {
    let second = next.as_bytes().get(1);
    let plain = next.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\');
    let inside = next.starts_with('/') && second != Some(&b'/') && plain && next.len() < 2000;
    if inside { next.to_owned() } else { "/".to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_sent_to_another_host() {
        for next in ["//evil.example", "/\\evil.example", "https://evil.example", "", "/a\r\nb", "outlets"] {
            assert_eq!(local(next), "/", "{next:?}");
        }
        assert_eq!(local("/outlets?county=511902&sort=name"), "/outlets?county=511902&sort=name");
    }

    #[test]
    fn no_page_allows_inline_code_or_another_host() {
        assert!(!POLICY.contains("unsafe") && !POLICY.contains("http") && !POLICY.contains('*'));
    }
}
