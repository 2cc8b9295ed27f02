//! The first page: what waits, the milestones in both readings, what arrived last. The parts that
//! move are asked for again while the page is open, and only sent when the ledger has moved.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::IntoResponse as _;
use outlet_core::ledger::{GroupBy, ProgressRow, Reading};
use outlet_core::time::Day;

use super::outlets::ListRow;
use super::{Answer, Console, Fault, Form, Page, Shared, Visitor, Words, show};
use crate::db::DbError;
use crate::inventory::{self, Dimension, Flag, Overview, Scope};
use crate::report;

#[derive(Template)]
#[template(path = "console/dashboard.html")]
struct DashboardPage {
    page: Page,
    today: Day,
    as_of: Day,
    /// What moves; nothing of a past day.
    live: Option<Live>,
    milestones: Vec<MilestoneLine>,
    /// What each milestone says, in the words of the plan.
    titles: Vec<(String, String)>,
}

/// What moves while the page is open.
#[derive(Template)]
#[template(path = "console/dashboard_live.html")]
struct LivePart {
    page: Page,
    live: Live,
}

struct Live {
    overview: Overview,
    /// What changed last.
    latest: Vec<ListRow>,
    /// Version that an older page showed: rows above it are new there.
    before: Option<u64>,
}

/// A count with the list that it counts.
struct Stat {
    label: String,
    count: u64,
    address: String,
    tone: &'static str,
}

/// Rows shown as latest.
const LATEST: usize = 8;

/// `GET /?as_of=DAY`: counts of today, milestones of any day.
pub(super) async fn page(State(console): Shared, page: Page, visitor: Visitor, form: Form) -> Answer {
    let words = page.words();
    let asked = form.given("as_of").map(|text| text.parse::<Day>().map_err(|_| Fault::BAD_REQUEST)).transpose()?;
    let (today, as_of, live, table, titles) = console
        .ask(move |console| {
            let today = console.engine.folder.now().day_in_shanghai();
            let as_of = asked.unwrap_or(today);
            let live = (as_of == today).then(|| Live::read(console, words, &visitor, today, None)).transpose()?;
            Ok((today, as_of, live, milestones(console, as_of)?, titles(console)?))
        })
        .await?;
    show(&DashboardPage { milestones: lines(words, &table), page, today, as_of, live, titles })
}

/// `GET /live?since=VERSION`: the moving parts, or nothing when nothing moved.
pub(super) async fn live_part(State(console): Shared, page: Page, visitor: Visitor, form: Form) -> Answer {
    let words = page.words();
    let since = form.value("since").parse::<u64>().ok();
    let live = console
        .ask(move |console| {
            let version = console.engine.database().read::<_, DbError>(|tx| inventory::version(tx))?;
            if since == Some(version) {
                return Ok(None);
            }
            let today = console.engine.folder.now().day_in_shanghai();
            Live::read(console, words, &visitor, today, since).map(Some)
        })
        .await?;
    match live {
        None => Ok(StatusCode::NO_CONTENT.into_response()),
        Some(live) => show(&LivePart { page, live }),
    }
}

impl Live {
    fn read(
        console: &Console,
        words: Words,
        visitor: &Visitor,
        today: Day,
        before: Option<u64>,
    ) -> Result<Self, Fault> {
        let scope = visitor.scope();
        let (overview, page) = console.engine.database().read::<_, DbError>(|tx| {
            let mut query = inventory::Query::new(scope.clone());
            query.limit = LATEST;
            Ok((inventory::overview(tx, &scope, today)?, inventory::page(tx, &query)?))
        })?;
        let latest = page.entries.into_iter().map(|entry| ListRow::new(words, entry)).collect();
        Ok(Self { overview, latest, before })
    }

    /// Is this row newer than what the page showed before?
    fn is_new(&self, row: &ListRow) -> bool {
        self.before.is_some_and(|before| row.version > before)
    }

    /// The counts, those that wait for somebody first.
    fn stats(&self, page: &Page) -> Vec<Stat> {
        let state = |code: &str, tone| Stat {
            label: page.label(code),
            count: self.overview.count(Dimension::State, code),
            address: format!("/outlets?state={code}"),
            tone,
        };
        let flag = |flag: Flag, message: &str, tone| Stat {
            label: page.t(message),
            count: self.overview.flag(flag),
            address: format!("/outlets?flag={}", flag.code()),
            tone,
        };
        let overdue = Stat {
            label: page.t("count-overdue"),
            count: self.overview.overdue,
            address: "/outlets?overdue=true".into(),
            tone: "bad",
        };
        vec![
            state("submitted", "warn"),
            flag(Flag::Conflict, "count-conflicts", "bad"),
            flag(Flag::Amended, "count-amended", "warn"),
            state("completion_reported", "warn"),
            state("county_passed", "warn"),
            overdue,
            flag(Flag::OpenProblem, "count-problems", ""),
            state("suspected", ""),
        ]
    }

    /// Counts by class, for the bar.
    fn classes(&self, page: &Page) -> Vec<Stat> {
        let class = |code: &&str| Stat {
            label: page.term("classification", code),
            count: self.overview.count(Dimension::Class, if *code == "undecided" { "" } else { code })
                + if *code == "undecided" { self.overview.count(Dimension::Class, code) } else { 0 },
            address: format!("/outlets?class={}", if *code == "undecided" { "-" } else { code }),
            tone: "",
        };
        ["ban", "merge", "regulate", "none_needed", "undecided"].iter().map(class).collect()
    }
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

/// The table of a day by unit.
pub(super) fn milestones(console: &Console, as_of: Day) -> Result<Arc<Vec<ProgressRow>>, Fault> {
    let engine = &console.engine;
    let reference = engine.database().read(|tx| engine.reference(tx))?;
    Ok(report::table(engine, reference.active_set(), as_of, GroupBy::Unit, &Scope::everything())?)
}

/// What each milestone of the set in force says.
pub(super) fn titles(console: &Console) -> Result<Vec<(String, String)>, Fault> {
    let engine = &console.engine;
    let reference = engine.database().read(|tx| engine.reference(tx))?;
    let all = reference.active_set().milestones.iter();
    Ok(all.map(|milestone| (milestone.id.clone(), milestone.title.clone())).collect())
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

impl MilestoneLine {
    /// Both readings, in the order of the table's heads.
    pub(super) fn both(&self) -> [&Figures; 2] {
        [&self.known_now, &self.as_reported]
    }
}

impl Figures {
    fn new(words: Words, row: &ProgressRow) -> Self {
        let (state, tone) = super::progress::state_text(words, row);
        Self { done: row.done, of: row.of, share: row.share, state, tone }
    }

    /// Share for people.
    pub(super) fn percent(&self) -> String {
        self.share.map_or_else(|| "—".to_owned(), |share| format!("{share:.1} %"))
    }
}
