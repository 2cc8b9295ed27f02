//! REST, OGC API – Features and map tiles: everything that other programs ask.
//!
//! A request passes, in this order: its size, who asks (`who`), how often they asked
//! (`limits`), its handler. Handlers ask the database on a blocking thread ([`Api::blocking`]),
//! with the asker's [`crate::inventory::Scope`] in every query, and answer [`Problem`]s.
//!
//! A new resource is one file here with its own `routes()`, merged in `rest`. Its OpenAPI comes
//! from the handlers' attributes; a test reads every path.

use std::sync::Arc;

use axum::Router;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderValue, header};
use axum::middleware::{from_fn, from_fn_with_state, map_response};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use tokio::sync::Semaphore;
use utoipa::OpenApi as _;
use utoipa_axum::router::OpenApiRouter;

use crate::engine::Engine;
use crate::tiles::base::BaseMap;
use crate::tokens::TokenScope;
use crate::web::gate::{self, Gate, NotDone};

mod assess;
mod codes;
mod conflicts;
mod deciding;
mod decisions;
#[cfg(test)]
mod desk_tests;
mod duplicates;
mod etag;
mod exports;
mod imports;
mod inspections;
mod limits;
mod lists;
mod map;
mod milestones;
mod ogc;
mod once;
mod openapi;
mod outlets;
mod parameters;
#[cfg(test)]
mod photo_tests;
mod photos;
mod problem;
mod records;
mod review;
mod seals;
mod server;
mod sheets;
mod spool;
#[cfg(test)]
mod supervision_tests;
#[cfg(test)]
mod tests;
mod who;
#[cfg(test)]
mod work_tests;
mod worklists;
mod zones;

pub use etag::ETag;
pub use ogc::query as ogc_query;
pub use problem::{ParameterError, Problem};
pub use who::{Asker, Sessions};

/// Where the REST interface is.
pub const BASE: &str = "/api/v1";

/// Largest body of a request, unless its handler says otherwise.
pub const BODY_LIMIT: usize = 1 << 20;

/// Requests that use the database at the same time, and those that wait.
const AT_ONCE: (usize, usize) = (16, 256);

/// What all handlers share.
pub struct Api {
    /// What is behind it.
    pub engine: Arc<Engine>,
    sessions: Option<Box<Sessions>>,
    limits: limits::Limits,
    gate: Gate,
    imports: Arc<Semaphore>,
    base: Option<BaseMap>,
    /// Do clients reach this server over HTTPS?
    secure: bool,
}

/// What a handler answers.
pub type Answer = Result<Response, Problem>;

impl Api {
    /// For an engine; `sessions` finds the session of the console behind cookies.
    #[must_use]
    pub fn new(engine: Arc<Engine>, base: Option<BaseMap>, secure: bool, sessions: Option<Box<Sessions>>) -> Arc<Self> {
        let limits = limits::Limits::new(&engine.folder.config.api);
        spool::sweep(&engine.folder.incoming());
        Arc::new(Self {
            engine,
            sessions,
            limits,
            gate: Gate::new(AT_ONCE.0, AT_ONCE.1),
            imports: Arc::new(Semaphore::new(1)),
            base,
            secure,
        })
    }

    /// Runs what reads or writes the database, or the disk, on a thread that may wait.
    ///
    /// # Errors
    /// What `work` answers, 503 when too many ask, or an internal problem when it panicked.
    pub async fn blocking<T: Send + 'static>(
        self: Arc<Self>,
        work: impl FnOnce(&Self) -> Result<T, Problem> + Send + 'static,
    ) -> Result<T, Problem> {
        let api = Arc::clone(&self);
        self.gate.run(move || work(&api)).await.unwrap_or_else(|error| match error {
            NotDone::Busy => {
                let mut problem = Problem::unavailable("too many requests are being answered; try again shortly");
                problem.retry_after = Some(gate::RETRY_SECONDS);
                Err(problem)
            }
            NotDone::Failed(error) => Err(Problem::internal(&error)),
        })
    }

    fn refused(&self, problem: Problem) -> Problem {
        if problem.status == 401 { self.limits.failed(problem) } else { problem }
    }
}

/// Every REST resource.
fn rest() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::with_openapi(openapi::Description::openapi()).nest(
        BASE,
        OpenApiRouter::new()
            .merge(outlets::routes())
            .merge(records::routes())
            .merge(photos::routes())
            .merge(milestones::routes())
            .merge(lists::routes())
            .merge(exports::routes())
            .merge(decisions::routes())
            .merge(review::routes())
            .merge(sheets::routes())
            .merge(conflicts::routes())
            .merge(duplicates::routes())
            .merge(assess::routes())
            .merge(imports::routes())
            .merge(worklists::routes())
            .merge(codes::routes())
            .merge(zones::routes())
            .merge(inspections::routes())
            .merge(seals::routes())
            .merge(server::routes()),
    )
}

/// All addresses of this module.
pub fn router(api: &Arc<Api>) -> Router {
    let (rest, description) = rest().split_for_parts();
    let description = Arc::new(description);
    let guarded = rest.layer(from_fn_with_state((Arc::clone(api), false), who::authenticate));
    let public = api.engine.folder.config.api.public_layer;
    let numbers = async |State(api): State<Arc<Api>>, asker: Asker| -> Answer {
        asker.need(TokenScope::Admin)?;
        Ok(super::health::numbers(State(Arc::clone(&api.engine))).await)
    };
    let layer = ogc::router()
        .merge(map::router())
        .route("/metrics", get(numbers))
        .layer(from_fn_with_state((Arc::clone(api), public), who::authenticate));
    let open = Router::new().route(
        &format!("{BASE}/openapi.json"),
        get(move || {
            let description = Arc::clone(&description);
            async move { axum::Json((*description).clone()) }
        }),
    );
    let unknown = async || Problem::not_found("address").into_response();
    Router::new()
        .merge(guarded)
        .merge(layer)
        .merge(open)
        .route(&format!("{BASE}/{{*rest}}"), axum::routing::any(unknown))
        .layer(DefaultBodyLimit::max(BODY_LIMIT))
        .layer(from_fn(openapi::problems))
        .layer(map_response(harden))
        .with_state(Arc::clone(api))
}

/// Headers of every answer: nothing here is a page, and nothing is guessed to be one.
async fn harden(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers
        .entry(header::CONTENT_SECURITY_POLICY)
        .or_insert(HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'"));
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("private, no-cache"));
    response
}
