//! What an outlet's documents hold: their heads, and everything that happened, in order.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::IntoResponse as _;
use outlet_core::doc::Document;
use outlet_core::ids::{ChangeHash, DocKey, DocKind};
use rusqlite::Connection;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::{Answer, Api, Asker, ETag, Problem, outlets};
use crate::db::records;
use crate::engine::projector;
use crate::tokens::TokenScope;

pub(super) fn routes() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::new().routes(routes!(documents)).routes(routes!(history))
}

/// A document of an outlet.
#[derive(Serialize, ToSchema)]
pub(super) struct DocumentBody {
    /// `field` or `case`.
    kind: &'static str,
    /// Key.
    key: String,
    /// Heads: a decision names those that were seen.
    heads: Vec<String>,
    /// Changes.
    changes: u64,
}

/// Documents of an outlet.
#[derive(Serialize, ToSchema)]
pub(super) struct Documents {
    /// Field record and, once something was decided, case file.
    documents: Vec<DocumentBody>,
}

/// Heads of the outlet's documents.
#[utoipa::path(
    get,
    path = "/outlets/{id}/documents",
    tag = "outlets",
    params(("id" = String, Path, format = Uuid)),
    responses(
        (status = 200, body = Documents),
        (status = 304, description = "As the client has it"),
        (status = 401, body = Problem, content_type = "application/problem+json"),
        (status = 404, body = Problem, content_type = "application/problem+json"),
    )
)]
async fn documents(State(api): State<Arc<Api>>, asker: Asker, Path(id): Path<String>, headers: HeaderMap) -> Answer {
    asker.need(TokenScope::Read)?;
    api.blocking(move |api| {
        api.engine.database().read(|tx| {
            let entry = outlets::find(tx, &asker, &id)?;
            let documents = heads(tx, &entry.key)?;
            let tag = ETag::of(&["documents", &id, &tag_of(&documents)]);
            if tag.is_known(&headers) {
                return Ok(tag.not_modified());
            }
            Ok(tag.on(Json(Documents { documents }).into_response()))
        })
    })
    .await
}

fn heads(connection: &Connection, key: &DocKey) -> Result<Vec<DocumentBody>, Problem> {
    let mut documents = Vec::new();
    for (kind, name) in [(DocKind::Field, "field"), (DocKind::Case, "case")] {
        let key = key.with_kind(kind);
        if let Some(stored) = records::document(connection, &key)? {
            documents.push(DocumentBody {
                kind: name,
                key: key.to_string(),
                heads: stored.heads.iter().map(ChangeHash::to_string).collect(),
                changes: stored.changes,
            });
        }
    }
    Ok(documents)
}

fn tag_of(documents: &[DocumentBody]) -> String {
    documents.iter().flat_map(|document| &document.heads).fold(String::new(), |all, head| all + head)
}

/// One entry.
#[derive(Serialize, ToSchema)]
pub(super) struct EntryBody {
    /// `field` or `case`.
    document: &'static str,
    /// Name of the entry: a hash of its text.
    entry: String,
    /// The change that brought it.
    change: String,
    /// When the server received it.
    received_at: Option<String>,
    /// What the author's device called the time.
    device_time: String,
    /// Device that signed it, first digits of its key.
    device: String,
    /// Who wrote it, as the roster knows the device now.
    author: Option<String>,
    /// Their role and level.
    role: Option<&'static str>,
    /// The entry as signed.
    #[schema(value_type = Object)]
    content: Value,
}

/// Everything that was recorded and decided.
#[derive(Serialize, ToSchema)]
pub(super) struct HistoryBody {
    /// Entries by receipt; what the server wrote itself stands where it was written.
    entries: Vec<EntryBody>,
}

/// Everything that was recorded and decided about an outlet, in the order of its receipt.
#[utoipa::path(
    get,
    path = "/outlets/{id}/history",
    tag = "outlets",
    params(("id" = String, Path, format = Uuid)),
    responses(
        (status = 200, body = HistoryBody),
        (status = 304, description = "As the client has it"),
        (status = 401, body = Problem, content_type = "application/problem+json"),
        (status = 404, body = Problem, content_type = "application/problem+json"),
    )
)]
async fn history(State(api): State<Arc<Api>>, asker: Asker, Path(id): Path<String>, headers: HeaderMap) -> Answer {
    asker.need(TokenScope::Read)?;
    api.blocking(move |api| {
        api.engine.database().read(|tx| {
            let entry = outlets::find(tx, &asker, &id)?;
            let tag = ETag::of(&["history", &id, &tag_of(&heads(tx, &entry.key)?)]);
            if tag.is_known(&headers) {
                return Ok(tag.not_modified());
            }
            Ok(tag.on(Json(HistoryBody { entries: entries(api, tx, &entry.key)? }).into_response()))
        })
    })
    .await
}

fn entries(api: &Api, connection: &Connection, key: &DocKey) -> Result<Vec<EntryBody>, Problem> {
    let roster = api.engine.folder.roster(connection)?;
    let mut all = Vec::new();
    for (kind, name) in [(DocKind::Field, "field"), (DocKind::Case, "case")] {
        let key = key.with_kind(kind);
        let Some(document): Option<Document> = projector::load(connection, &key)? else { continue };
        let times = projector::Past::read(&key, &records::admitted_runs(connection, &key)?)?.times;
        for entry in document.entries() {
            let signer = entry.origin.actor.key();
            let author = projector::author(&roster, &signer);
            let received = times.get(&entry.origin.change).copied();
            let body = EntryBody {
                document: name,
                entry: entry.id.to_string(),
                change: entry.origin.change.to_string(),
                received_at: received.map(|at| at.to_string()),
                device_time: entry.origin.device_time.to_string(),
                device: signer.short(),
                role: author.as_ref().map(outlet_core::ledger::Author::title),
                author: author.map(|author| author.name),
                content: serde_json::from_str(&entry.json).unwrap_or(Value::Null),
            };
            all.push((received, all.len(), body));
        }
    }
    all.sort_by_key(|(received, place, _)| (*received, *place));
    Ok(all.into_iter().map(|(_, _, body)| body).collect())
}
