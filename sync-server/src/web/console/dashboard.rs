//! The first page: what waits, the milestones in both readings, what arrived last. The parts that
//! move are asked for again while the page is open, and only sent when the ledger has moved.

use std::sync::{Arc, Mutex, PoisonError};

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::IntoResponse as _;
use outlet_core::ledger::{GroupBy, GroupState, ProgressRow, Reading};
use outlet_core::time::Day;

use super::{Answer, Console, Fault, Form, Page, Shared, Words, show};
use crate::report;

/// Milestone tables, kept until the ledger moves or the day ends.
#[derive(Debug, Default)]
pub(super) struct Tables {
    cached: Mutex<Option<Cached>>,
}

#[derive(Debug)]
struct Cached {
    position: (u64, Day),
    table: Arc<Vec<ProgressRow>>,
}

#[derive(Template)]
#[template(path = "console/dashboard.html")]
struct DashboardPage {
    page: Page,
    today: Day,
    live: Live,
    milestones: Vec<MilestoneLine>,
}

/// What moves while the page is open.
#[derive(Template)]
#[template(path = "console/dashboard_live.html")]
struct LivePart {
    page: Page,
    live: Live,
}

struct Live {
    /// Position of the ledger that this shows.
    position: u64,
    total: u64,
}

/// One line of the milestone table: both readings, always.
pub(super) struct MilestoneLine {
    pub milestone: String,
    pub due: Day,
    pub group: String,
    pub target: u32,
    pub known_now: Figures,
    pub as_reported: Figures,
}

/// What one reading says.
pub(super) struct Figures {
    pub done: usize,
    pub of: usize,
    /// Nothing of nothing has no share: never 0 %, never 100 %.
    pub share: Option<f64>,
    pub state: String,
    pub tone: &'static str,
}

/// `GET /`.
pub(super) async fn page(State(console): Shared, page: Page) -> Answer {
    let words = page.words();
    let (today, live, table) = console
        .ask(|console| {
            let today = console.engine.folder.now().day_in_shanghai();
            Ok((today, live(console)?, milestones(console, today)?))
        })
        .await?;
    show(&DashboardPage { milestones: lines(words, &table), page, today, live })
}

/// `GET /live?since=POSITION`: the moving parts, or nothing when nothing moved.
pub(super) async fn live_part(State(console): Shared, page: Page, form: Form) -> Answer {
    let live = console.ask(live).await?;
    if form.value("since") == live.position.to_string() {
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    show(&LivePart { page, live })
}

fn live(console: &Console) -> Result<Live, Fault> {
    let engine = &console.engine;
    let position = report::position(engine)?;
    let total = engine.database().read::<_, crate::db::DbError>(|tx| crate::db::ledger::count(tx))?;
    Ok(Live { position, total })
}

/// The table of today by unit.
pub(super) fn milestones(console: &Console, today: Day) -> Result<Arc<Vec<ProgressRow>>, Fault> {
    let engine = &console.engine;
    let position = (report::position(engine)?, today);
    let mut cached = console.tables.cached.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(known) = cached.as_ref().filter(|known| known.position == position) {
        return Ok(Arc::clone(&known.table));
    }
    let reference = engine.database().read(|tx| engine.reference(tx))?;
    let table = Arc::new(report::table(engine, &reference, reference.active_set(), today, GroupBy::Unit)?);
    *cached = Some(Cached { position, table: Arc::clone(&table) });
    Ok(table)
}

/// The headline rows, reading beside reading.
pub(super) fn lines(words: Words, table: &[ProgressRow]) -> Vec<MilestoneLine> {
    let of = |row: &ProgressRow, reading: Reading| {
        let same = |other: &&ProgressRow| {
            other.reading == reading && other.milestone == row.milestone && other.group == row.group
        };
        table.iter().find(same).map(|row| Figures::new(words, row))
    };
    let line = |row: &ProgressRow| {
        Some(MilestoneLine {
            milestone: row.milestone.clone(),
            due: row.due,
            group: words.place(&row.group),
            target: row.target,
            known_now: of(row, Reading::AsKnownNow)?,
            as_reported: of(row, Reading::AsReported)?,
        })
    };
    table.iter().filter(|row| row.headline).filter_map(line).collect()
}

impl Figures {
    fn new(words: Words, row: &ProgressRow) -> Self {
        let (code, tone) = match row.state {
            GroupState::OnTime => ("on_time", "ok"),
            GroupState::Late => ("late", "warn"),
            GroupState::Behind => ("behind", "bad"),
            GroupState::Open => ("due", ""),
            GroupState::DocumentsMissing => ("documents_missing", "warn"),
            GroupState::ScaleUndetermined => ("scale_undetermined", "warn"),
            GroupState::NotApplicable => ("not_applicable", ""),
        };
        Self { done: row.done, of: row.of, share: row.share, state: words.label(code), tone }
    }

    /// Share for people.
    pub(super) fn percent(&self) -> String {
        self.share.map_or_else(|| "—".to_owned(), |share| format!("{share:.1} %"))
    }

    /// Width of the bar, in hundredths.
    pub(super) fn width(&self) -> String {
        self.share.map_or_else(|| "0".to_owned(), |share| format!("{share:.1}"))
    }
}
