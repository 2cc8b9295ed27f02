//! ETag and If-None-Match (RFC 9110): an answer that would be the same is not made again.

use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::{Answer, Problem};

/// A name of an answer's content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ETag(String);

impl ETag {
    /// Of everything that the answer depends on.
    #[must_use]
    pub fn of(parts: &[&str]) -> Self {
        let mut hasher = blake3::Hasher::new();
        for part in parts {
            hasher.update(&(part.len() as u64).to_le_bytes()).update(part.as_bytes());
        }
        let hash = hasher.finalize().to_hex();
        Self(format!("\"{}\"", &hash[..24]))
    }

    /// With its quotes.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.0
    }

    /// Does the client have this answer?
    #[must_use]
    pub fn is_known(&self, headers: &HeaderMap) -> bool {
        listed(headers, &header::IF_NONE_MATCH, &self.0)
    }

    /// Does the client's condition for a write hold? True when it has none.
    #[must_use]
    pub fn is_expected(&self, headers: &HeaderMap) -> bool {
        !headers.contains_key(header::IF_MATCH) || listed(headers, &header::IF_MATCH, &self.0)
    }

    /// 304 with the tag.
    #[must_use]
    pub fn not_modified(&self) -> Response {
        self.on(StatusCode::NOT_MODIFIED.into_response())
    }

    /// Adds the tag; whoever keeps the answer asks again before using it.
    #[must_use]
    pub fn on(&self, mut response: Response) -> Response {
        let headers = response.headers_mut();
        if let Ok(value) = HeaderValue::from_str(&self.0) {
            headers.insert(header::ETAG, value);
        }
        headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("private, no-cache"));
        headers.insert(header::VARY, HeaderValue::from_static("authorization, cookie, accept"));
        response
    }
}

/// JSON with the tag of its own bytes: for answers that depend on the clock or on many tables.
///
/// # Errors
/// When the value cannot be written as JSON.
pub(super) fn tagged(headers: &HeaderMap, value: &impl serde::Serialize) -> Answer {
    let body = serde_json::to_string(value).map_err(|error| Problem::internal(&error))?;
    let tag = ETag::of(&["body", &body]);
    if tag.is_known(headers) {
        return Ok(tag.not_modified());
    }
    Ok(tag.on(([(header::CONTENT_TYPE, "application/json")], body).into_response()))
}

fn listed(headers: &HeaderMap, name: &header::HeaderName, tag: &str) -> bool {
    let lines = headers.get_all(name).into_iter().filter_map(|line| line.to_str().ok());
    lines.flat_map(|line| line.split(',')).map(str::trim).any(|own| own == "*" || own.trim_start_matches("W/") == tag)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_is_found_in_a_list_weak_or_not() {
        let tag = ETag::of(&["a", "b"]);
        assert_ne!(tag, ETag::of(&["ab", ""]));
        let mut headers = HeaderMap::new();
        assert!(!tag.is_known(&headers) && tag.is_expected(&headers));
        let list = format!("\"x\", W/{}", tag.text());
        headers.insert(header::IF_NONE_MATCH, list.parse().unwrap());
        headers.insert(header::IF_MATCH, "\"x\"".parse().unwrap());
        assert!(tag.is_known(&headers) && !tag.is_expected(&headers));
    }
}
