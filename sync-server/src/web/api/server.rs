//! The server itself: who asks, its devices, the ends of its feeds.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::IntoResponse as _;
use outlet_core::ids::Collection;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::{Answer, Api, Asker, Problem};
use crate::db::{devices, feed, records};
use crate::inventory;
use crate::tokens::TokenScope;

pub(super) fn routes() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::new().routes(routes!(me)).routes(routes!(devices_list)).routes(routes!(feeds))
}

/// Who asks.
#[derive(Serialize, ToSchema)]
pub(super) struct Me {
    /// Login of the account.
    login: Option<String>,
    /// Name of the person.
    name: Option<String>,
    /// Role and level.
    role: Option<&'static str>,
    /// What may be used.
    scopes: Vec<&'static str>,
    /// Collections; absent for all.
    collections: Option<Vec<String>>,
}

/// Who asks, and what they may.
#[utoipa::path(
    get,
    path = "/me",
    tag = "server",
    responses((status = 200, body = Me), (status = 401, body = Problem, content_type = "application/problem+json"))
)]
async fn me(asker: Asker) -> Answer {
    let account = asker.account();
    let scopes = TokenScope::ALL.into_iter().filter(|scope| asker.need(*scope).is_ok());
    let scope = asker.scope();
    let collections = scope.collections().map(|own| own.iter().map(Collection::to_string).collect());
    Ok(Json(Me {
        login: account.map(|account| account.login.clone()),
        name: account.map(|account| account.name.clone()),
        role: account.map(|account| account.title()),
        scopes: scopes.map(TokenScope::code).collect(),
        collections,
    })
    .into_response())
}

/// A device.
#[derive(Serialize, ToSchema)]
pub(super) struct DeviceBody {
    /// Public key.
    key: String,
    /// Name of its person.
    name: String,
    /// Role.
    role: String,
    /// Collections.
    collections: Vec<String>,
    /// When it was enrolled.
    enrolled_at: String,
    /// Newest session.
    last_seen: Option<String>,
    /// Server's clock minus the device's at that session, in milliseconds.
    skew_ms: Option<i64>,
    /// When two devices last spoke with this key at the same time: its folder was copied.
    copied_at: Option<String>,
    /// Since when its changes are held.
    revoked_at: Option<String>,
}

/// Devices.
#[derive(Serialize, ToSchema)]
pub(super) struct Devices {
    /// All.
    devices: Vec<DeviceBody>,
}

/// Devices of the collections that the account reads; for administrators.
#[utoipa::path(
    get,
    path = "/devices",
    tag = "server",
    responses(
        (status = 200, body = Devices),
        (status = 401, body = Problem, content_type = "application/problem+json"),
        (status = 403, body = Problem, content_type = "application/problem+json"),
    )
)]
async fn devices_list(State(api): State<Arc<Api>>, asker: Asker) -> Answer {
    asker.need(TokenScope::Admin)?;
    api.blocking(move |api| {
        let members = api.engine.database().read(|tx| devices::members(tx))?;
        let scope = asker.scope();
        let seen = members.into_iter().filter(|member| {
            scope.collections().is_none() || member.grant.collections.iter().any(|own| scope.holds(*own))
        });
        let devices = seen.map(|member| DeviceBody {
            key: member.key.to_string(),
            name: member.grant.name,
            role: serde_json::to_value(member.grant.role)
                .ok()
                .and_then(|role| role.as_str().map(str::to_owned))
                .unwrap_or_default(),
            collections: member.grant.collections.iter().map(Collection::to_string).collect(),
            enrolled_at: member.enrolled_at.to_string(),
            last_seen: member.last_seen.map(|at| at.to_string()),
            skew_ms: member.skew_ms,
            copied_at: member.copied_at.map(|at| at.to_string()),
            revoked_at: member.revoked_at.map(|at| at.to_string()),
        });
        Ok(Json(Devices { devices: devices.collect() }).into_response())
    })
    .await
}

/// A feed.
#[derive(Serialize, ToSchema)]
pub(super) struct FeedBody {
    /// Collection.
    collection: String,
    /// Number of its newest item.
    seq: u64,
    /// Changes that wait for a decision.
    held: u64,
}

/// Feeds.
#[derive(Serialize, ToSchema)]
pub(super) struct Feeds {
    /// Of the collections that the account reads.
    feeds: Vec<FeedBody>,
    /// Version of the ledger: give it to `/outlets?changed_after=`.
    version: u64,
}

/// How far the feeds are.
#[utoipa::path(
    get,
    path = "/feed",
    tag = "server",
    responses((status = 200, body = Feeds), (status = 401, body = Problem, content_type = "application/problem+json"))
)]
async fn feeds(State(api): State<Arc<Api>>, asker: Asker) -> Answer {
    asker.need(TokenScope::Read)?;
    api.blocking(move |api| {
        let scope = asker.scope();
        api.engine.database().read(|tx| {
            let mut feeds = Vec::new();
            for collection in feed::collections(tx)?.into_iter().filter(|own| scope.holds(*own)) {
                feeds.push(FeedBody {
                    collection: collection.to_string(),
                    seq: feed::head(tx, collection)?.seq,
                    held: records::held_changes(tx, collection)?,
                });
            }
            Ok(Json(Feeds { feeds, version: inventory::version(tx)? }).into_response())
        })
    })
    .await
}
