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

/// What can be had: file name without day, ending, media type.
const FILES: &[(&str, &str, &str)] = &[
    ("ledger", "csv", "text/csv; charset=utf-8"),
    ("ledger", "geojson", "application/geo+json"),
    ("problems", "csv", "text/csv; charset=utf-8"),
    ("parties", "csv", "text/csv; charset=utf-8"),
    ("summary", "csv", "text/csv; charset=utf-8"),
];

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
    let (bytes, today) = console
        .ask(move |console| {
            let mut rows = report::rows(&console.engine, as_of, known)?;
            rows.retain(|row| visitor.sees(row.collection));
            Ok((written(words, name, ending, &rows)?, console.engine.folder.now().day_in_shanghai()))
        })
        .await?;
    let named = format!("attachment; filename=\"{name}-{}.{ending}\"", as_of.unwrap_or(today));
    let mut response = bytes.into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(header::CONTENT_DISPOSITION, HeaderValue::try_from(named).map_err(|_| Fault::INTERNAL)?);
    Ok(response)
}

fn written(words: Words, name: &str, ending: &str, rows: &[LedgerRow]) -> Result<Vec<u8>, Fault> {
    let style = words.style();
    let bytes = match (name, ending) {
        ("ledger", "geojson") => Ok(export::ledger_geojson(rows, style).into_bytes()),
        ("ledger", _) => export::ledger_csv(rows, style),
        ("problems", _) => export::problems_csv(&problem_list(rows), style),
        ("parties", _) => export::parties_csv(&party_list(rows), style),
        _ => export::summary_csv(&summary(rows, SummaryBy::Unit), "county", style),
    };
    bytes.map_err(|error| {
        tracing::error!(%error, "an export cannot be written");
        Fault::INTERNAL
    })
}
