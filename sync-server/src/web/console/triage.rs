//! Reports of the public: what came in behind the signs' QR codes, answered or promoted here.

use askama::Template;
use axum::extract::{Path, State};
use axum::http::header;
use axum::response::IntoResponse as _;

use super::{Answer, Fault, Form, Page, Shared, Visitor, go_on, outlet, show};
use crate::db::{DbError, reports as rows};
use crate::reports;

/// Reports on the page, the oldest open ones first; the command line lists all.
const SHOWN: usize = 100;

#[derive(Template)]
#[template(path = "console/triage.html")]
struct TriagePage {
    page: Page,
    reports: Vec<Line>,
    total: usize,
}

struct Line {
    number: String,
    at: String,
    code: String,
    address: Option<String>,
    text: String,
    place: Option<String>,
    photo: bool,
}

/// `GET /reports`: those of the visitor's counties, and those whose code nobody knows.
pub(super) async fn page(State(console): Shared, page: Page, visitor: Visitor) -> Answer {
    let open = console
        .ask(move |console| {
            let mut open = console.engine.database().read::<_, DbError>(|tx| rows::list(tx, false))?;
            open.retain(|report| report.outlet.is_none_or(|outlet| visitor.account.covers(outlet.collection)));
            Ok(open)
        })
        .await?;
    let total = open.len();
    let line = |report: rows::Report| Line {
        at: report.at.day_in_shanghai().to_string(),
        address: report.outlet.as_ref().map(super::outlets::address),
        place: report.lon.zip(report.lat).map(|(lon, lat)| format!("{lon:.5}, {lat:.5}")),
        photo: report.photo.is_some(),
        number: report.number,
        code: report.code,
        text: report.text,
    };
    let reports = open.into_iter().take(SHOWN).map(line).collect();
    show(&TriagePage { page, reports, total })
}

/// `GET /reports/{number}/photo`: what somebody unknown sent, as it came; for those who see the report.
pub(super) async fn photo(State(console): Shared, visitor: Visitor, Path(number): Path<String>) -> Answer {
    let bytes = console
        .ask(move |console| {
            let report = reports::find(&console.engine, &number).map_err(|_| Fault::NOT_FOUND)?;
            if report.outlet.is_some_and(|outlet| !visitor.account.covers(outlet.collection)) {
                return Err(Fault::NOT_FOUND);
            }
            let found = reports::photo(&console.engine, &report).map_err(|error| {
                tracing::error!(%error, "the photo of a report cannot be read");
                Fault::INTERNAL
            })?;
            found.ok_or(Fault::NOT_FOUND)
        })
        .await?;
    let kind = outlet::picture(&bytes).ok_or(Fault::NOT_FOUND)?;
    Ok(([(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, "private, no-store")], bytes).into_response())
}

/// `POST /reports`: answers, rejects or promotes one.
pub(super) async fn decide(State(console): Shared, visitor: Visitor, form: Form) -> Answer {
    let (number, act, answer) =
        (form.value("number").to_owned(), form.value("act").to_owned(), form.value("answer").to_owned());
    let needs_answer = matches!(act.as_str(), "answer" | "reject");
    if needs_answer && answer.is_empty() {
        return Ok(go_on("/reports", "triage-empty"));
    }
    let done = console
        .ask(move |console| {
            let (engine, by) = (&console.engine, visitor.account.login.as_str());
            let Ok(report) = reports::find(engine, &number) else { return Ok("triage-refused") };
            if report.outlet.is_some_and(|outlet| !visitor.account.covers(outlet.collection)) {
                return Ok("triage-refused");
            }
            let only = match visitor.account.collections.as_slice() {
                [only] => Some(*only),
                _ => None,
            };
            let county = report.outlet.map(|outlet| outlet.collection).or(only);
            let outcome = match act.as_str() {
                "answer" | "reject" => reports::answer(engine, &report, &answer, act == "reject", by),
                "suspected" => reports::suspect(engine, &report, county, by).map(|_| ()),
                "reopen" => reports::propose_reopening(engine, &report, by).map(|_| ()),
                _ => return Ok("triage-refused"),
            };
            Ok(match outcome {
                Ok(()) => "triage-done",
                Err(error) => {
                    tracing::info!(%error, "a report could not be decided");
                    "triage-refused"
                }
            })
        })
        .await?;
    Ok(go_on("/reports", done))
}
