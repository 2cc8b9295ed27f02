//! The queue: what waits, with pace and waiting time.

use askama::Template;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse as _;

use super::super::{Answer, Fault, Form, Page, Shared, Visitor, show};
use crate::desk::{self, Line, Pace, QueueFilter};

/// Lines on a page: what one person reviews in a day.
const LINES: u64 = 120;

#[derive(Template)]
#[template(path = "console/review.html")]
struct QueuePage {
    page: Page,
    form: Form,
    lines: Vec<Line>,
    pace: Pace,
    states: Vec<(String, String)>,
}

/// `GET /review?state=&clean=`.
pub(in super::super) async fn queue(State(console): Shared, page: Page, visitor: Visitor, form: Form) -> Answer {
    let filter = QueueFilter {
        review: form.given("state").map(str::parse).transpose().map_err(|_| Fault::BAD_REQUEST)?,
        collection: None,
        clean: form.has("clean", "yes"),
        limit: LINES,
    };
    let account = visitor.account.clone();
    let (lines, pace) = console
        .ask(move |console| {
            Ok((desk::queue(&console.engine, &account, &filter)?, desk::pace(&console.engine, &account)?))
        })
        .await?;
    let codes = ["submitted", "approved_amended", "returned", "partly_approved", "gated", "draft"];
    let states = codes.map(|code| (code.to_owned(), page.label(code))).to_vec();
    show(&QueuePage { page, form, lines, pace, states })
}

/// `GET /review/next?after=ID`: the next record that waits and that nobody else has.
pub(in super::super) async fn next(State(console): Shared, visitor: Visitor, form: Form) -> Answer {
    let account = visitor.account.clone();
    let filter = QueueFilter { limit: LINES, ..QueueFilter::default() };
    let lines = console.ask(move |console| Ok(desk::queue(&console.engine, &account, &filter)?)).await?;
    let free = |line: &&Line| line.claimed_by.as_ref().is_none_or(|by| *by == visitor.account.name);
    let other = |line: &&Line| line.id.to_string() != form.value("after");
    let to = lines.iter().filter(free).find(other).map_or_else(|| "/review".to_owned(), address);
    Ok((StatusCode::SEE_OTHER, [(header::LOCATION, to)]).into_response())
}

fn address(line: &Line) -> String {
    format!("/review/{}/{}", line.outlet.collection.code(), line.id)
}

impl QueuePage {
    fn pace_text(&self) -> String {
        self.page.t2("pace", ("waiting", self.pace.waiting), ("reviewed", self.pace.reviewed_7_days))
    }

    fn number(&self, line: &Line) -> String {
        line.number.clone().unwrap_or_else(|| line.id.to_string())
    }

    fn address(&self, line: &Line) -> String {
        address(line)
    }

    fn conflicts(&self, line: &Line) -> String {
        self.page.list(line.conflicts.iter().map(|code| self.page.column(code)))
    }

    fn waits(&self, line: &Line) -> String {
        line.waiting_hours.map_or_else(String::new, |hours| self.page.t1("hours", "count", hours))
    }

    fn hours(&self, hours: Option<i64>) -> String {
        hours.map_or_else(|| "-".to_owned(), |hours| self.page.t1("hours", "count", hours))
    }

    fn empty_in(&self) -> String {
        self.pace.days_to_empty.map_or_else(|| self.page.t("pace-never"), |days| self.page.t1("days", "count", days))
    }
}
