//! Behind the QR code of a sign: `/p/CODE` shows what is published of an outlet and takes reports;
//! `/r/NUMBER` shows what became of one. No account, no script, not indexed, nothing personal.

mod limit;
mod page;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use axum::Router;
use axum::extract::{ConnectInfo, DefaultBodyLimit, FromRequestParts, Multipart, Path, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Redirect, Response};
use axum::routing::{get, post};
use outlet_core::ledger::{LedgerRow, LifeCycle};
use outlet_core::public::six_items;

use super::gate::{self, Gate, NotDone};
use super::listen::Remote;
use crate::db::{DbError, ledger, reports as rows};
use crate::engine::{Engine, EngineError};
use crate::report;
use crate::reports::{self, NewReport, ReportError};
use limit::Limiter;

/// What the handlers share.
struct Public {
    engine: Arc<Engine>,
    limiter: Limiter,
    gate: Gate,
}

/// Pages that are made at the same time, and those that wait.
const PAGES: (usize, usize) = (4, 64);

/// The addresses.
pub fn router(engine: Arc<Engine>) -> Router {
    let settings = &engine.folder.config.public;
    let limiter = Limiter::new(settings.reports_per_hour);
    // Text and place beside the photo: a few kilobytes.
    let body = settings.photo_bytes.saturating_add(64 << 10);
    Router::new()
        .route("/p/{code}", get(show))
        .route("/p/{code}/report", post(take))
        .route("/r/{number}", get(state))
        .layer(DefaultBodyLimit::max(body))
        .with_state(Arc::new(Public { engine, limiter, gate: Gate::new(PAGES.0, PAGES.1) }))
}

/// Who asks, as far as the connection or the proxy before us says.
struct Caller(String);

impl FromRequestParts<Arc<Public>> for Caller {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, public: &Arc<Public>) -> Result<Self, Self::Rejection> {
        let direct = parts.extensions.get::<ConnectInfo<Remote>>().map(|info| info.0.0.ip().to_string());
        // Only the proxy's own word counts: the last entry is the one that it added.
        let proxied = public.engine.folder.config.console.behind_proxy.then(|| forwarded(&parts.headers)).flatten();
        Ok(Self(proxied.or(direct).unwrap_or_default()))
    }
}

fn forwarded(headers: &HeaderMap) -> Option<String> {
    let list = headers.get_all("x-forwarded-for").iter().next_back()?.to_str().ok()?;
    list.rsplit(',').next().map(|address| address.trim().chars().take(64).collect())
}

fn html(status: StatusCode, text: String) -> Response {
    let headers = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (
            header::CONTENT_SECURITY_POLICY,
            "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
        ),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CACHE_CONTROL, "no-store"),
    ];
    let mut response = (status, headers, text).into_response();
    response.headers_mut().insert("x-robots-tag", header::HeaderValue::from_static("noindex, nofollow"));
    response
}

impl Public {
    fn hotline(&self) -> Option<&str> {
        Some(self.engine.folder.config.public.hotline.as_str()).filter(|hotline| !hotline.is_empty())
    }

    /// The outlet that carries the code; never one that is none, or another's duplicate.
    fn row(&self, code: &str) -> Result<Option<LedgerRow>, EngineError> {
        let found = self.engine.database().read::<_, DbError>(|tx| ledger::by_number(tx, code))?;
        let rows = found.iter().map(|row| report::parse(row)).collect::<Result<Vec<_>, _>>()?;
        let shown = |row: &LedgerRow| {
            let coded = row.national_code.as_deref() == Some(code) || row.provincial_code.as_deref() == Some(code);
            coded && !matches!(row.state, LifeCycle::NotAnOutlet | LifeCycle::Duplicate | LifeCycle::Moved)
        };
        Ok(rows.into_iter().find(shown))
    }

    fn page(&self, code: &str, wrong: Option<&str>) -> Result<(StatusCode, String), EngineError> {
        let row = self.row(code)?;
        let reference = self.engine.database().read(|tx| self.engine.reference(tx))?;
        let items = row.as_ref().map(|row| six_items(row, &reference.dictionaries));
        let name = row.as_ref().and_then(|row| row.name.as_deref());
        let status = match (wrong, &row) {
            (Some(_), _) => StatusCode::UNPROCESSABLE_ENTITY,
            (None, None) => StatusCode::NOT_FOUND,
            (None, Some(_)) => StatusCode::OK,
        };
        Ok((status, page::outlet(code, name, items.as_ref().map(|items| &items[..]), self.hotline(), wrong)))
    }
}

/// A code as signs show it; nothing else is looked up or repeated.
fn code_of(text: &str) -> Option<String> {
    let code = text.trim().to_ascii_uppercase();
    let plain =
        !code.is_empty() && code.len() <= 40 && code.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    // The compact form of a national code is the same code.
    plain.then(|| code.parse().map_or(code, |national: outlet_core::domain::code::OutletCode| national.to_string()))
}

/// Runs work that reads the database, off the threads of the network.
async fn blocking(
    public: Arc<Public>,
    work: impl FnOnce(&Public) -> Result<(StatusCode, String), EngineError> + Send + 'static,
) -> Response {
    let shared = Arc::clone(&public);
    match public.gate.run(move || work(&shared)).await {
        Ok(Ok((status, text))) => html(status, text),
        Ok(Err(error)) => {
            tracing::error!(%error, "a public page cannot be made");
            html(StatusCode::INTERNAL_SERVER_ERROR, page::message("服务器故障 / server error", public.hotline()))
        }
        Err(NotDone::Busy) => busy(&public),
        Err(NotDone::Failed(error)) => {
            tracing::error!(%error, "a public page's task failed");
            html(StatusCode::INTERNAL_SERVER_ERROR, page::message("服务器故障 / server error", public.hotline()))
        }
    }
}

fn busy(public: &Public) -> Response {
    let text = "访问人数过多，请稍后再试 / too many visitors, try again shortly";
    let mut response = html(StatusCode::SERVICE_UNAVAILABLE, page::message(text, public.hotline()));
    response.headers_mut().insert(header::RETRY_AFTER, gate::RETRY_SECONDS.into());
    response
}

fn unknown(public: &Public) -> Response {
    html(StatusCode::NOT_FOUND, page::message("编码不正确 / not a code", public.hotline()))
}

async fn show(State(public): State<Arc<Public>>, Path(code): Path<String>) -> Response {
    let Some(code) = code_of(&code) else { return unknown(&public) };
    blocking(public, move |public| public.page(&code, None)).await
}

async fn state(State(public): State<Arc<Public>>, Path(number): Path<String>) -> Response {
    let number = number.trim().to_ascii_uppercase();
    blocking(public, move |public| {
        let found = public.engine.database().read::<_, DbError>(|tx| rows::get(tx, &number))?;
        Ok(match found {
            Some(report) => (StatusCode::OK, page::report(&report, public.hotline())),
            None => (StatusCode::NOT_FOUND, page::message("没有此编号 / no such number", public.hotline())),
        })
    })
    .await
}

async fn take(
    State(public): State<Arc<Public>>,
    caller: Caller,
    Path(code): Path<String>,
    form: Multipart,
) -> Response {
    let Some(code) = code_of(&code) else { return unknown(&public) };
    if !public.limiter.admit(&caller.0, public.engine.folder.now()) {
        let text = "举报过于频繁，请稍后再试 / too many reports from here, try again later";
        return html(StatusCode::TOO_MANY_REQUESTS, page::message(text, public.hotline()));
    }
    let limit = public.engine.folder.config.public.photo_bytes;
    let new = match read(form, code.clone(), limit).await {
        Ok(new) => new,
        Err((status, text)) => return html(status, page::message(text, public.hotline())),
    };
    let shared = Arc::clone(&public);
    let taken = public.gate.run(move || {
        let per_day = shared.engine.folder.config.public.reports_per_day;
        let outlet = shared.row(&new.code)?.map(|row| row.key);
        reports::take(&shared.engine, &NewReport { outlet, ..new }, per_day)
    });
    match taken.await {
        Ok(Ok(number)) => Redirect::to(&format!("/r/{number}")).into_response(),
        Ok(Err(ReportError::TooMany)) => {
            html(StatusCode::TOO_MANY_REQUESTS, page::message(&ReportError::TooMany.to_string(), public.hotline()))
        }
        Ok(Err(ReportError::Server(error))) => {
            tracing::error!(error, "a report could not be kept");
            html(StatusCode::INTERNAL_SERVER_ERROR, page::message("服务器故障 / server error", public.hotline()))
        }
        Ok(Err(wrong)) => {
            let wrong = wrong.to_string();
            blocking(public, move |public| public.page(&code, Some(&wrong))).await
        }
        Err(NotDone::Busy) => busy(&public),
        Err(NotDone::Failed(error)) => {
            tracing::error!(%error, "taking a report failed");
            html(StatusCode::INTERNAL_SERVER_ERROR, page::message("服务器故障 / server error", public.hotline()))
        }
    }
}

/// Reads the form: each field against its own limit before it is kept.
async fn read(mut form: Multipart, code: String, photo_bytes: usize) -> Result<NewReport, (StatusCode, &'static str)> {
    const BAD: (StatusCode, &str) = (StatusCode::BAD_REQUEST, "表单不完整 / the form is not complete");
    const LARGE: (StatusCode, &str) = (StatusCode::PAYLOAD_TOO_LARGE, "照片过大 / the photo is too large");
    let mut new = NewReport { code, ..NewReport::default() };
    loop {
        let field = form
            .next_field()
            .await
            .map_err(|error| if error.status() == StatusCode::PAYLOAD_TOO_LARGE { LARGE } else { BAD })?;
        let Some(mut field) = field else { return Ok(new) };
        let name = field.name().unwrap_or_default().to_owned();
        let most = if name == "photo" { photo_bytes } else { 16 << 10 };
        let mut bytes: Vec<u8> = Vec::new();
        while let Some(part) = field
            .chunk()
            .await
            .map_err(|error| if error.status() == StatusCode::PAYLOAD_TOO_LARGE { LARGE } else { BAD })?
        {
            if bytes.len() + part.len() > most {
                return Err(LARGE);
            }
            bytes.extend_from_slice(&part);
        }
        match name.as_str() {
            "photo" if !bytes.is_empty() => new.photo = Some(bytes),
            "text" => new.text = String::from_utf8_lossy(&bytes).into_owned(),
            "place" => new.place = place(&String::from_utf8_lossy(&bytes))?,
            _ => {}
        }
    }
}

fn place(text: &str) -> Result<Option<(f64, f64)>, (StatusCode, &'static str)> {
    if text.trim().is_empty() {
        return Ok(None);
    }
    let wrong = (StatusCode::UNPROCESSABLE_ENTITY, "位置写作 经度,纬度 / write the place as lon,lat");
    outlet_core::geo::parse_pair(text).map(Some).map_err(|_| wrong)
}
