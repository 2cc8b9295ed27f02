//! The built front-end (`web/dist`), embedded: scripts, styles, the map. Names carry a hash of the
//! content, so a browser keeps them for ever; the compressed copies were made by the build.

use std::sync::OnceLock;

use axum::body::Body;
use axum::extract::Path;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use rust_embed::{Embed, EmbeddedFile};
use serde_json::Value;

/// Everything that `make web` built.
#[derive(Embed)]
#[folder = "../web/dist"]
struct Dist;

/// The entry that every page loads, as the manifest names it.
const ENTRY: &str = "src/console.ts";

/// Addresses of the entry's files; nothing where the front-end was not built.
#[derive(Debug, Default)]
pub(super) struct Entry {
    /// The script.
    pub script: Option<String>,
    /// The style sheet.
    pub style: Option<String>,
}

/// What a page's head names.
pub(super) fn entry() -> &'static Entry {
    static ENTRY_FILES: OnceLock<Entry> = OnceLock::new();
    ENTRY_FILES.get_or_init(|| read_entry().unwrap_or_default())
}

fn read_entry() -> Option<Entry> {
    let manifest: Value = serde_json::from_slice(&Dist::get("manifest.json")?.data).ok()?;
    let entry = manifest.get(ENTRY)?;
    let address = |value: &Value| value.as_str().map(|file| format!("/assets/{file}"));
    Some(Entry { script: entry.get("file").and_then(address), style: entry.pointer("/css/0").and_then(address) })
}

/// `GET /assets/{file}`.
pub(super) async fn serve(Path(name): Path<String>, headers: HeaderMap) -> Response {
    let Some(plain) = Dist::get(&name) else { return StatusCode::NOT_FOUND.into_response() };
    let accepted = headers.get(header::ACCEPT_ENCODING).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let accepts =
        |encoding: &str| accepted.split(',').any(|one| one.split(';').next().unwrap_or("").trim() == encoding);
    let compressed = [("br", "br"), ("gzip", "gz")]
        .into_iter()
        .filter(|(encoding, _)| accepts(encoding))
        .find_map(|(encoding, ending)| Some((encoding, Dist::get(&format!("{name}.{ending}"))?)));
    let kind = content_type(&name);
    let mut response = match compressed {
        Some((encoding, file)) => ([(header::CONTENT_ENCODING, encoding)], body(file)).into_response(),
        None => body(plain).into_response(),
    };
    let answer = response.headers_mut();
    answer.insert(header::CONTENT_TYPE, header::HeaderValue::from_static(kind));
    answer.insert(header::VARY, header::HeaderValue::from_static("accept-encoding"));
    let keep = header::HeaderValue::from_static("public, max-age=31536000, immutable");
    answer.insert(header::CACHE_CONTROL, keep);
    response
}

fn body(file: EmbeddedFile) -> Body {
    match file.data {
        std::borrow::Cow::Borrowed(bytes) => Body::from(bytes),
        std::borrow::Cow::Owned(bytes) => Body::from(bytes),
    }
}

fn content_type(name: &str) -> &'static str {
    match name.rsplit('.').next() {
        Some("js") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("svg") => "image/svg+xml",
        Some("json") => "application/json",
        Some("png") => "image/png",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sizes() -> Option<(usize, usize)> {
        let entry = entry();
        let of = |address: &str| Dist::get(&format!("{}.br", address.strip_prefix("/assets/")?));
        let script = of(entry.script.as_deref()?)?.data.len();
        let style = of(entry.style.as_deref()?)?.data.len();
        Some((script, style))
    }

    #[test]
    fn the_first_load_without_the_map_is_far_below_500_kb() {
        // Built by `make test` before; a build without the front-end has no pages to be too large.
        let Some((script, style)) = sizes() else { return };
        assert!(script + style < 500_000, "{script} + {style}");
    }

    #[tokio::test]
    async fn nothing_but_embedded_files_is_served() {
        for name in ["../Cargo.toml", "..%2Fkeys", "/etc/passwd", "none.js", ""] {
            assert_eq!(serve(Path(name.to_owned()), HeaderMap::new()).await.status(), StatusCode::NOT_FOUND);
        }
    }
}
