//! Exports: the ledger and its lists as files, of today or of any day, of the collections that the
//! account sees.

use askama::Template;
use axum::extract::{Path, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::IntoResponse as _;
use outlet_core::export::{self, Style};
use outlet_core::ledger::{Parties, Summary, SummaryBy, problems_of};
use outlet_core::time::Day;

use super::deciding::day;
use super::{Answer, Fault, Form, Page, Shared, Visitor, show_with};
use crate::engine::Engine;
use crate::error::CommandError;
use crate::inventory::{self, MAX_LIMIT, PartyError, Query, Scope};
use crate::report;
use crate::web::download::{self, Sink, Take};

/// What can be had: file name without day, ending, media type.
const FILES: &[(&str, &str, &str)] = &[
    ("ledger", "csv", "text/csv; charset=utf-8"),
    ("ledger", "geojson", "application/geo+json"),
    ("problems", "csv", "text/csv; charset=utf-8"),
    ("parties", "csv", "text/csv; charset=utf-8"),
    ("summary", "csv", "text/csv; charset=utf-8"),
];

/// All places for downloads are taken.
const BUSY: Fault = Fault::new(StatusCode::SERVICE_UNAVAILABLE, "fault-busy").after(download::RETRY_SECONDS);

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
    let place = download::place(&console.engine).ok_or(BUSY)?;
    let asked = Asked { scope: visitor.scope(), as_of, known };
    let body = download::body(place, move |sink| {
        let (engine, style) = (&console.engine, words.style());
        match (name, ending) {
            ("ledger", "geojson") => download::geojson(sink, style, |take| asked.rows(engine, take)),
            ("ledger", _) => download::csv(sink, style, |take| asked.rows(engine, take)),
            ("problems", _) => problems(engine, sink, style, &asked),
            ("parties", _) => parties(engine, sink, style, &asked),
            _ => counted(engine, sink, style, &asked),
        }
    });
    let mut response = body.into_response();
    let named = format!("attachment; filename=\"{name}-{}.{ending}\"", as_of.unwrap_or(today));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(header::CONTENT_DISPOSITION, HeaderValue::try_from(named).map_err(|_| Fault::INTERNAL)?);
    Ok(response)
}

/// Which rows are asked for.
struct Asked {
    scope: Scope,
    as_of: Option<Day>,
    known: Option<Day>,
}

impl Asked {
    fn rows(&self, engine: &Engine, take: &mut Take<'_>) -> Result<(), CommandError> {
        report::parts_of(engine, &self.scope, self.as_of, self.known, take)
    }

    fn is_today(&self) -> bool {
        self.as_of.is_none() && self.known.is_none()
    }
}

/// Open problems, then closed ones: the rows are read twice rather than held, both times as they stand now.
fn problems(engine: &Engine, sink: &Sink, style: Style<'_>, asked: &Asked) -> Result<(), CommandError> {
    let mut reads = sink.send(export::problems_csv(&[], style)?);
    engine.database().read(|tx| {
        for open in [true, false] {
            if !reads {
                break;
            }
            report::parts_in(engine, tx, &asked.scope, asked.as_of, asked.known, |part| {
                let list: Vec<_> = problems_of(part, open).collect();
                reads = list.is_empty() || sink.send(export::problems_csv_lines(&list, style)?);
                Ok::<_, CommandError>(reads)
            })?;
        }
        Ok(())
    })
}

/// Page by page; of a past day, which has no list of parties, the parties are held and not the rows.
fn parties(engine: &Engine, sink: &Sink, style: Style<'_>, asked: &Asked) -> Result<(), CommandError> {
    if !asked.is_today() {
        let mut all = Parties::default();
        asked.rows(engine, &mut |part| {
            part.iter().for_each(|row| all.add(row));
            Ok(!sink.is_closed())
        })?;
        sink.send(export::parties_csv(&all.lines(), style)?);
        return Ok(());
    }
    let mut reads = sink.send(export::parties_csv(&[], style)?);
    engine.database().read(|tx| {
        let mut query = Query::new(asked.scope.clone());
        query.limit = MAX_LIMIT;
        let mut cursor: Option<String> = None;
        while reads {
            let page = inventory::parties(tx, &query, cursor.as_deref()).map_err(|error| match error {
                PartyError::Database(error) => error.into(),
                PartyError::Cursor(error) => CommandError::internal(error.to_string()),
            })?;
            reads = sink.send(export::parties_csv_lines(&page.parties, style)?);
            cursor = page.next;
            if cursor.is_none() {
                break;
            }
        }
        Ok(())
    })
}

/// Counts by unit.
fn counted(engine: &Engine, sink: &Sink, style: Style<'_>, asked: &Asked) -> Result<(), CommandError> {
    let mut summary = Summary::new(SummaryBy::Unit);
    asked.rows(engine, &mut |part| {
        part.iter().for_each(|row| summary.add(row));
        Ok(!sink.is_closed())
    })?;
    sink.send(export::summary_csv(&summary.lines(), "county", style)?);
    Ok(())
}
