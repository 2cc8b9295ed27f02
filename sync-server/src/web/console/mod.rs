//! The console: server-rendered pages for supervisors and administrators. Every address is in
//! [`router`], on one screen, under the right that it needs; a page is one file here, one template
//! in `templates/console/`, one line in the map and one in `menu`.
//!
//! A request passes the frame (`frame.rs`: language, session, security headers, error pages), then
//! the guard of its group (`visitor.rs`: right, cross-site check), then its page. Pages ask the
//! engine on a blocking thread ([`Console::ask`]); they decide nothing themselves.

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::routing::{get, post};

use crate::engine::Engine;
use crate::oidc::Provider;
use crate::web::gate::{Gate, NotDone};

mod assets;
mod assignments;
mod audit;
mod codes;
#[cfg(test)]
mod crowd_tests;
mod dashboard;
pub mod deciding;
mod desk;
mod details;
mod exports;
mod fault;
mod form;
mod frame;
mod held;
mod imports;
#[cfg(test)]
mod intake_tests;
mod map;
mod mapping_form;
mod members;
mod menu;
mod outlet;
mod outlets;
mod page;
mod people;
mod progress;
#[cfg(test)]
mod reading_tests;
#[cfg(test)]
mod rights_tests;
mod sent;
mod sign_in;
mod single;
#[cfg(test)]
mod single_tests;
#[cfg(test)]
mod tests;
mod triage;
mod visitor;
#[cfg(test)]
mod whole_tests;
mod words;
#[cfg(test)]
mod worklist_tests;
mod worklists;
mod zones;

pub use fault::Fault;
pub use form::Form;
pub use page::{Page, go_on, show, show_with};
pub use visitor::{Need, Visitor};
pub use words::Words;

/// Largest form. Uploads have limits of their own.
const FORM_LIMIT: usize = 1 << 20;

/// Pages that use the database at the same time, and those that wait.
const PAGES: (usize, usize) = (16, 256);

/// Passwords that are looked at together: each takes memory and a core for a while.
const HASHING: (usize, usize) = (2, 32);

/// Pages at the same time that read every row of their account.
const WHOLE: (usize, usize) = (1, 8);

/// What all pages share.
pub struct Console {
    /// What is behind it.
    pub engine: Arc<Engine>,
    pages: Gate,
    hashing: Gate,
    whole: Gate,
    oidc: Option<Provider>,
    /// Do browsers reach this server over HTTPS?
    secure: bool,
}

/// What a page's handler knows of the server.
pub type Shared = axum::extract::State<Arc<Console>>;

/// What a page answers.
pub type Answer = Result<axum::response::Response, Fault>;

impl Console {
    /// For an engine. `secure`: browsers come over HTTPS, to us or to the proxy before us.
    #[must_use]
    pub fn new(engine: Arc<Engine>, secure: bool) -> Self {
        let oidc = Provider::new(&engine.folder.config.oidc, engine.folder.path()).unwrap_or_else(|error| {
            // The server looked at the settings before it began.
            tracing::error!(error = error.message, "nobody can sign in through the identity provider");
            None
        });
        let gate = |(places, seats)| Gate::new(places, seats);
        Self { oidc, engine, pages: gate(PAGES), hashing: gate(HASHING), whole: gate(WHOLE), secure }
    }

    /// The visitor behind a request's cookies, for interfaces beside the pages. A request that changes
    /// something must come from a page of this server, with the token of its forms in the header.
    ///
    /// # Errors
    /// [`Fault::FORGED`], or what the database refuses.
    pub fn visitor(&self, headers: &axum::http::HeaderMap, changes: bool) -> Result<Option<Visitor>, Fault> {
        visitor::of_request(self, headers, changes)
    }

    /// Runs what reads or writes the database, or the disk, on a thread that may wait.
    ///
    /// # Errors
    /// What `work` answers, [`Fault::BUSY`] when too many ask, or [`Fault::INTERNAL`] when it panicked.
    pub async fn ask<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&Self) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, Fault> {
        let console = Arc::clone(self);
        self.pages.run(move || work(&console)).await.unwrap_or_else(|error| match error {
            NotDone::Busy => Err(Fault::BUSY),
            NotDone::Failed(error) => {
                tracing::error!(%error, "a page's task failed");
                Err(Fault::INTERNAL)
            }
        })
    }
}

impl Console {
    /// [`Console::ask`] for what reads every row: one after the other.
    ///
    /// # Errors
    /// As there.
    pub(crate) async fn ask_for_all<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&Self) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, Fault> {
        let _turn = self.whole.enter().await.ok_or(Fault::BUSY)?;
        self.ask(work).await
    }
}

/// The map of addresses.
pub fn router(console: Arc<Console>) -> Router {
    let open = Router::new()
        .route("/signin", get(sign_in::page).post(sign_in::sign_in))
        .route("/signin/oidc", get(single::begin))
        .route(crate::oidc::BACK, get(single::back))
        .route("/language", get(frame::language));
    let viewer = Router::new()
        .route("/", get(dashboard::page))
        .route("/live", get(dashboard::live_part))
        .route("/outlets", get(outlets::page))
        .route("/views", post(outlets::keep_view))
        .route("/map", get(map::page))
        .route("/outlets/{id}", get(outlet::by_id))
        .route("/outlets/{collection}/{id}", get(outlet::page))
        .route("/outlets/{collection}/{id}/files/{hash}", get(outlet::file))
        .route("/outlets/{collection}/{id}/sign", get(outlet::plate::page))
        .route("/zones", get(zones::page))
        .route("/worklists", get(worklists::page))
        .route("/exports", get(exports::page))
        .route("/exports/{file}", get(exports::file))
        .route("/milestones", get(progress::table))
        .route("/milestones/rows", get(progress::rows))
        .route("/assess", get(progress::assess))
        .route("/signout", post(sign_in::sign_out));
    let supervisor = Router::new()
        .route("/review", get(desk::queue))
        .route("/review/{collection}/{id}", get(desk::record).post(desk::decide))
        .route("/review/next", get(desk::next))
        .route("/sheets", get(desk::sheets::begin).post(desk::sheets::make))
        .route("/sheets/{id}", get(desk::sheets::page).post(desk::sheets::decide))
        .route("/assignments", get(assignments::page).post(assignments::decide))
        .route("/codes", get(codes::page).post(codes::decide))
        .route("/conflicts", get(desk::conflicts))
        .route("/conflicts/{collection}/{id}", post(desk::settle))
        .route("/duplicates", get(desk::duplicates).post(desk::tell_apart))
        .route("/reports", get(triage::page).post(triage::decide))
        .route("/reports/{number}/photo", get(triage::photo))
        .route("/outlets/{collection}/{id}/decide/{what}", get(outlet::acts::form).post(outlet::acts::decide));
    // A file is larger than a form.
    let uploads = Router::new()
        .route("/imports", post(imports::send))
        .route("/zones", post(zones::load))
        .layer(DefaultBodyLimit::max(sent::LIMIT));
    let admin = Router::new()
        .merge(uploads)
        .route("/imports", get(imports::page))
        .route("/imports/{id}", get(imports::columns).post(imports::decide))
        .route("/devices", get(members::page))
        .route("/devices/{key}/revoke", post(members::revoke))
        .route("/tickets", post(members::ticket))
        .route("/quarantine", get(held::page).post(held::decide))
        .route("/accounts", get(people::page).post(people::add))
        .route("/accounts/{login}", post(people::change))
        .route("/audit", get(audit::page));

    let pages = open
        .merge(viewer.layer(from_fn_with_state(Need::Viewer, visitor::guard)))
        .merge(supervisor.layer(from_fn_with_state(Need::Supervisor, visitor::guard)))
        .merge(admin.layer(from_fn_with_state(Need::Admin, visitor::guard)))
        .fallback(async || Fault::NOT_FOUND)
        .layer(from_fn(visitor::same_site))
        .layer(from_fn_with_state(Arc::clone(&console), frame::frame))
        .layer(DefaultBodyLimit::max(FORM_LIMIT))
        .with_state(console);
    Router::new().route("/assets/{file}", get(assets::serve)).merge(pages).layer(from_fn(frame::headers))
}
