//! Exports: the ledger and its lists as files, of today or of any day, of the collections that the
//! account sees.

use askama::Template;
use axum::extract::{Path, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::IntoResponse as _;
use outlet_core::export;
use outlet_core::ledger::{LedgerRow, SummaryBy, party_list, problem_list, summary};

use super::deciding::day;
use super::{Answer, Fault, Form, Page, Shared, Visitor, Words, show_with};
use crate::report;
use crate::web::download::{self, Take};

/// What can be had: file name without day, ending, media type.
const FILES: &[(&str, &str, &str)] = &[
    ("ledger", "csv", "text/csv; charset=utf-8"),
    ("ledger", "geojson", "application/geo+json"),
    ("problems", "csv", "text/csv; charset=utf-8"),
    ("parties", "csv", "text/csv; charset=utf-8"),
    ("summary", "csv", "text/csv; charset=utf-8"),
];

/// All places for downloads are taken.
const BUSY: Fault = Fault::new(StatusCode::SERVICE_UNAVAILABLE, "fault-busy");

#[derive(Template)]
#[template(path = "console/exports.html")]
struct ExportsPage {
    page: Page,
    form: Form,
    files: Vec<(&'static str, &'static str)>,
}

/// `GET /exports`.
pub(super) async fn page(page: Page) -> Answer {
    choose(page, Form::default())
}

fn choose(page: Page, form: Form) -> Answer {
    let status = if form.failed() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    let files = FILES.iter().map(|(name, ending, _)| (*name, *ending)).collect();
    show_with(status, &ExportsPage { page, form, files })
}

/// `GET /exports/{file}?as_of=DAY&known_as_of=DAY`.
pub(super) async fn file(
    State(console): Shared,
    page: Page,
    visitor: Visitor,
    Path(file): Path<String>,
    mut form: Form,
) -> Answer {
    let (name, ending) = file.rsplit_once('.').ok_or(Fault::NOT_FOUND)?;
    let found = FILES.iter().find(|(own, own_ending, _)| (*own, *own_ending) == (name, ending));
    let (name, ending, kind) = *found.ok_or(Fault::NOT_FOUND)?;
    let (as_of, known) = (day(&page, &mut form, "as_of"), day(&page, &mut form, "known_as_of"));
    if form.failed() {
        return choose(page, form);
    }
    let words = page.words();
    let today = console.engine.folder.now().day_in_shanghai();
    let scope = visitor.scope();
    let mut response = if name == "ledger" {
        let place = download::place(&console.engine).ok_or(BUSY)?;
        let body = download::body(place, move |sink| {
            let rows = |take: &mut Take<'_>| report::parts_of(&console.engine, &scope, as_of, known, take);
            match ending {
                "geojson" => download::geojson(sink, words.style(), rows),
                _ => download::csv(sink, words.style(), rows),
            }
        });
        body.into_response()
    } else {
        let listed = console
            .ask_for_all(move |console| listed(words, name, &report::rows_of(&console.engine, &scope, as_of, known)?));
        listed.await?.into_response()
    };
    let named = format!("attachment; filename=\"{name}-{}.{ending}\"", as_of.unwrap_or(today));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(header::CONTENT_DISPOSITION, HeaderValue::try_from(named).map_err(|_| Fault::INTERNAL)?);
    Ok(response)
}

/// A list that all rows together make.
fn listed(words: Words, name: &str, rows: &[LedgerRow]) -> Result<Vec<u8>, Fault> {
    let style = words.style();
    let bytes = match name {
        "problems" => export::problems_csv(&problem_list(rows), style),
        "parties" => export::parties_csv(&party_list(rows), style),
        _ => export::summary_csv(&summary(rows, SummaryBy::Unit), "county", style),
    };
    bytes.map_err(|error| {
        tracing::error!(%error, "an export cannot be written");
        Fault::INTERNAL
    })
}
