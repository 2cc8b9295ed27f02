//! Photos of an outlet: what is known of each, and its bytes. A file is asked for by its hash; no
//! name from outside becomes a path. Attachments are not served here: some hold personal data.

use std::ops::Range;
use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::IntoResponse as _;
use outlet_core::domain::field::{FieldEntry, Photo};
use outlet_core::ids::BlobHash;
use outlet_core::media::MediaKind;
use rusqlite::Connection;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::{Answer, Api, Asker, ETag, Problem, outlets};
use crate::db::files::{self, StoredFile};
use crate::engine::projector;
use crate::inventory::Entry;
use crate::tokens::TokenScope;

pub(super) fn routes() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(bytes))
}

/// A photo.
#[derive(Serialize, ToSchema)]
pub(super) struct PhotoBody {
    /// SHA-256 of the original.
    sha256: String,
    /// What its author's device recorded: slot, EXIF time and place, warnings.
    #[schema(value_type = Object)]
    photo: Photo,
    /// `stored`, `pending` (not here yet) or `withdrawn`.
    original: &'static str,
    /// Likewise; absent when none could be made.
    preview: Option<&'static str>,
}

/// Photos of an outlet.
#[derive(Serialize, ToSchema)]
pub(super) struct PhotoList {
    /// In the order in which they were recorded.
    photos: Vec<PhotoBody>,
}

/// Photos of an outlet.
#[utoipa::path(
    get,
    path = "/outlets/{id}/photos",
    tag = "photos",
    params(("id" = String, Path, format = Uuid)),
    responses(
        (status = 200, body = PhotoList),
        (status = 401, body = Problem, content_type = "application/problem+json"),
        (status = 404, body = Problem, content_type = "application/problem+json"),
    )
)]
async fn list(State(api): State<Arc<Api>>, asker: Asker, Path(id): Path<String>) -> Answer {
    asker.need(TokenScope::Read)?;
    api.blocking(move |api| {
        api.engine.database().read(|tx| {
            let entry = outlets::find(tx, &asker, &id)?;
            let mut list = Vec::new();
            for photo in photos(tx, &entry)? {
                let preview = photo.preview.as_ref().map(|preview| state(tx, &preview.sha256)).transpose()?;
                list.push(PhotoBody {
                    sha256: photo.sha256.to_string(),
                    original: state(tx, &photo.sha256)?,
                    preview,
                    photo,
                });
            }
            Ok(Json(PhotoList { photos: list }).into_response())
        })
    })
    .await
}

fn photos(connection: &Connection, entry: &Entry) -> Result<Vec<Photo>, Problem> {
    let entries = projector::entries(connection, &entry.key)?;
    let photo = |entry: &outlet_core::doc::Entry| match entry.parse::<FieldEntry>() {
        Ok(FieldEntry::Photo(photo)) => Some(*photo),
        _ => None,
    };
    Ok(entries.iter().filter_map(photo).collect())
}

fn state(connection: &Connection, hash: &BlobHash) -> Result<&'static str, Problem> {
    Ok(match files::get(connection, hash)? {
        Some(StoredFile::Here(_)) => "stored",
        Some(StoredFile::Withdrawn) => "withdrawn",
        None => "pending",
    })
}

/// Bytes of a photo: its preview, or the original exactly as it was taken.
#[utoipa::path(
    get,
    path = "/outlets/{id}/photos/{sha256}/{form}",
    tag = "photos",
    params(
        ("id" = String, Path, format = Uuid),
        ("sha256" = String, Path, description = "SHA-256 of the original"),
        ("form" = String, Path, description = "preview | original"),
    ),
    responses(
        (status = 200, description = "The bytes; the media type is that of the bytes"),
        (status = 206, description = "The range that was asked for"),
        (status = 304, description = "As the client has it"),
        (status = 401, body = Problem, content_type = "application/problem+json"),
        (status = 404, body = Problem, content_type = "application/problem+json"),
        (status = 416, body = Problem, content_type = "application/problem+json"),
        (status = 410, body = Problem, content_type = "application/problem+json"),
    )
)]
async fn bytes(
    State(api): State<Arc<Api>>,
    asker: Asker,
    Path((id, sha256, form)): Path<(String, String, String)>,
    headers: HeaderMap,
) -> Answer {
    asker.need(TokenScope::Photos)?;
    let original = match form.as_str() {
        "original" => true,
        "preview" => false,
        _ => return Err(Problem::not_found("photo")),
    };
    let wanted: BlobHash = sha256.parse().map_err(|_| Problem::not_found("photo"))?;
    api.blocking(move |api| {
        // Only a photo of this outlet: else any hash would open any file.
        let hash = api.engine.database().read::<_, Problem>(|tx| {
            let entry = outlets::find(tx, &asker, &id)?;
            let photo = photos(tx, &entry)?.into_iter().find(|photo| photo.sha256 == wanted);
            let photo = photo.ok_or_else(|| Problem::not_found("photo"))?;
            let hash = if original { Some(photo.sha256) } else { photo.preview.map(|preview| preview.sha256) };
            let hash = hash.ok_or_else(|| Problem::not_found("preview"))?;
            match files::get(tx, &hash)? {
                Some(StoredFile::Here(_)) => Ok(hash),
                Some(StoredFile::Withdrawn) => Err(Problem::new(
                    StatusCode::GONE,
                    "withdrawn",
                    "Withdrawn",
                    "the bytes of this photo were withdrawn by a signed decision; its hash remains",
                )),
                None => Err(Problem::not_found("photo")),
            }
        })?;
        let tag = ETag::of(&["photo", &hash.to_string()]);
        if tag.is_known(&headers) {
            return Ok(tag.not_modified());
        }
        let bytes = api.engine.photos.read_all(&hash).map_err(|error| Problem::internal(&error))?;
        let kind = MediaKind::of(&bytes);
        // What is no picture by its bytes is saved, never shown.
        let (media_type, show) = match kind.is_image() {
            true => (kind.mime(), "inline"),
            false => ("application/octet-stream", "attachment"),
        };
        let (status, part, range) = match part(&headers, &tag, bytes.len()) {
            Part::Whole => (StatusCode::OK, bytes, None),
            Part::Some(part) => {
                let range = format!("bytes {}-{}/{}", part.start, part.end - 1, bytes.len());
                (StatusCode::PARTIAL_CONTENT, bytes.slice(part), Some(range))
            }
            Part::Outside => {
                let mut problem = Problem::new(
                    StatusCode::RANGE_NOT_SATISFIABLE,
                    "range",
                    "Range not satisfiable",
                    format!("the file has {} bytes", bytes.len()),
                )
                .into_response();
                let range = HeaderValue::try_from(format!("bytes */{}", bytes.len()));
                problem.headers_mut().extend(range.ok().map(|range| (header::CONTENT_RANGE, range)));
                return Ok(problem);
            }
        };
        let name = format!("{show}; filename=\"{}\"", hash.short());
        let headers = [
            (header::CONTENT_TYPE, media_type.to_owned()),
            (header::CONTENT_DISPOSITION, name),
            (header::CONTENT_SECURITY_POLICY, "default-src 'none'; sandbox".to_owned()),
            (header::CACHE_CONTROL, "private, max-age=86400".to_owned()),
            (header::ACCEPT_RANGES, "bytes".to_owned()),
        ];
        let mut response = tag.on((status, headers, part).into_response());
        let range = range.and_then(|range| HeaderValue::try_from(range).ok());
        response.headers_mut().extend(range.map(|range| (header::CONTENT_RANGE, range)));
        Ok(response)
    })
    .await
}

/// What of a file is asked for.
#[derive(Debug, PartialEq, Eq)]
enum Part {
    Whole,
    Some(Range<usize>),
    Outside,
}

/// One range of bytes (RFC 9110, 14.2); what is no such thing, and several at once, are answered with
/// the whole file, as is a range of another version.
fn part(headers: &HeaderMap, tag: &ETag, length: usize) -> Part {
    let text = |name: header::HeaderName| headers.get(name).map(|value| value.to_str().unwrap_or_default());
    if text(header::IF_RANGE).is_some_and(|known| known != tag.text()) {
        return Part::Whole;
    }
    let asked = text(header::RANGE).and_then(|asked| asked.strip_prefix("bytes="));
    let Some((first, last)) = asked.and_then(|asked| asked.split_once('-')) else { return Part::Whole };
    let number = |text: &str| text.trim().parse::<usize>();
    let range = match (number(first), number(last)) {
        (Ok(first), Ok(last)) if first <= last => first..last.saturating_add(1).min(length),
        (Ok(first), Err(_)) if last.trim().is_empty() => first..length,
        (Err(_), Ok(last)) if first.trim().is_empty() => length.saturating_sub(last)..length,
        _ => return Part::Whole,
    };
    if range.is_empty() { Part::Outside } else { Part::Some(range) }
}
