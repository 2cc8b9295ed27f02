//! One plain page: the milestone table and the ledger. No login: local by default.

use std::sync::{Arc, Mutex, PoisonError};

use askama::Template;
use axum::Router;
use axum::extract::{Query, State};
use axum::http::{StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use outlet_core::domain::dictionary::Lang;
use outlet_core::domain::region::Regions;
use outlet_core::export;
use outlet_core::ledger::{GroupBy, LedgerRow, ProgressRow, Reading};
use outlet_core::time::Day;
use serde::{Deserialize, Serialize};

use crate::db::ledger;
use crate::engine::{Engine, EngineError};
use crate::report;

/// Rows on a page.
const PAGE: u64 = 50;

/// What the handlers share.
struct Shared {
    engine: Arc<Engine>,
    /// The milestone table, until the ledger moves or the day ends.
    table: Mutex<Option<Cached>>,
}

/// A milestone table with what it was made for.
struct Cached {
    position: (u64, Day),
    table: Arc<Vec<ProgressRow>>,
}

/// The whole map of addresses.
pub fn router(engine: Arc<Engine>) -> Router {
    let shared = Arc::new(Shared { engine, table: Mutex::new(None) });
    Router::new().route("/", get(page)).route("/healthz", get(health)).with_state(shared)
}

/// The page.
#[derive(Template)]
#[template(path = "ledger.html")]
struct LedgerPage {
    today: String,
    total: u64,
    page: u64,
    pages: u64,
    milestones: Vec<MilestoneLine>,
    rows: Vec<Line>,
}

/// One line of the milestone table: both readings, always.
struct MilestoneLine {
    milestone: String,
    due: String,
    group: String,
    target: u32,
    known_now: Figures,
    as_reported: Figures,
}

/// What one reading says.
struct Figures {
    done: usize,
    of: usize,
    share: String,
    state: &'static str,
}

/// One line of the ledger.
struct Line {
    number: String,
    name: String,
    county: String,
    township: String,
    waterbody: String,
    classification: String,
    proposed: String,
    state: String,
    review: String,
    party: String,
    problems: usize,
}

#[derive(Deserialize)]
struct PageQuery {
    #[serde(default)]
    page: u64,
}

async fn page(State(shared): State<Arc<Shared>>, Query(query): Query<PageQuery>) -> Response {
    let made = tokio::task::spawn_blocking(move || render(&shared, query.page)).await;
    match made {
        Ok(Ok(html)) => {
            let policy = "default-src 'none'; style-src 'unsafe-inline'";
            ([(header::CONTENT_SECURITY_POLICY, policy), (header::X_CONTENT_TYPE_OPTIONS, "nosniff")], Html(html))
                .into_response()
        }
        // What went wrong is in the log, never on the page.
        Ok(Err(error)) => {
            tracing::error!(%error, "the page cannot be made");
            (StatusCode::INTERNAL_SERVER_ERROR, "服务器内部错误，详见日志 / internal error, see the server's log")
                .into_response()
        }
        Err(error) => {
            tracing::error!(%error, "the page's task failed");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

/// `GET /healthz`.
#[derive(Serialize)]
struct Health {
    status: &'static str,
    outlets: u64,
}

async fn health(State(shared): State<Arc<Shared>>) -> Response {
    let counted = tokio::task::spawn_blocking(move || {
        shared.engine.database().read::<_, EngineError>(|tx| Ok(ledger::count(tx)?))
    })
    .await;
    match counted {
        Ok(Ok(outlets)) => axum::Json(Health { status: "ok", outlets }).into_response(),
        _ => (StatusCode::SERVICE_UNAVAILABLE, axum::Json(Health { status: "failing", outlets: 0 })).into_response(),
    }
}

fn render(shared: &Shared, page: u64) -> Result<String, EngineError> {
    let engine = &shared.engine;
    let today = engine.folder.now().day_in_shanghai();
    let (total, pages, page, stored) = engine.database().read::<_, EngineError>(|tx| {
        let total = ledger::count(tx)?;
        let pages = total.div_ceil(PAGE).max(1);
        let page = page.min(pages - 1);
        Ok((total, pages, page, ledger::page(tx, page * PAGE, PAGE)?))
    })?;
    let regions = Regions::embedded();
    let parsed = stored.iter().map(|(_, row, _)| report::parse(row));
    let rows = parsed.map(|row| row.map(|row| Line::new(&regions, row))).collect::<Result<Vec<_>, _>>()?;
    let table = milestones(shared, today)?;
    let view = LedgerPage { today: today.to_string(), total, page, pages, milestones: milestone_lines(&table), rows };
    view.render().map_err(|error| EngineError::Peer(format!("the template: {error}")))
}

fn milestones(shared: &Shared, today: Day) -> Result<Arc<Vec<ProgressRow>>, EngineError> {
    let position = (report::position(&shared.engine)?, today);
    let mut cached = shared.table.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(known) = cached.as_ref().filter(|known| known.position == position) {
        return Ok(Arc::clone(&known.table));
    }
    let reference = shared.engine.database().read(|tx| shared.engine.reference(tx))?;
    let table = Arc::new(report::table(&shared.engine, &reference, reference.active_set(), today, GroupBy::Unit)?);
    *cached = Some(Cached { position, table: Arc::clone(&table) });
    Ok(table)
}

fn word<T: Serialize>(value: &T) -> String {
    serde_json::to_value(value).ok().and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
}

fn milestone_lines(table: &[ProgressRow]) -> Vec<MilestoneLine> {
    let regions = Regions::embedded();
    let of = |row: &ProgressRow, reading: Reading| {
        let same = |other: &&ProgressRow| {
            other.reading == reading && other.milestone == row.milestone && other.group == row.group
        };
        table.iter().find(same).map(Figures::new)
    };
    let line = |row: &ProgressRow| {
        Some(MilestoneLine {
            milestone: row.milestone.clone(),
            due: row.due.to_string(),
            group: place_name(&regions, &row.group),
            target: row.target,
            known_now: of(row, Reading::AsKnownNow)?,
            as_reported: of(row, Reading::AsReported)?,
        })
    };
    table.iter().filter(|row| row.headline).filter_map(line).collect()
}

/// Name of a county or unit; a code that nobody knows stays as it is.
fn place_name(regions: &Regions, code: &str) -> String {
    if regions.city.code == code {
        return regions.city.name.clone();
    }
    regions.unit(code).map_or_else(|| code.to_owned(), |unit| unit.name.clone())
}

impl Figures {
    fn new(row: &ProgressRow) -> Self {
        use outlet_core::ledger::GroupState as State;
        Self {
            done: row.done,
            of: row.of,
            // Nothing of nothing has no share: never 0 %, never 100 %.
            share: row.share.map_or_else(|| "—".to_owned(), |share| format!("{share:.1} %")),
            state: match row.state {
                State::OnTime => "按时完成",
                State::Late => "逾期完成",
                State::Behind => "未完成（已到期）",
                State::Open => "进行中",
                State::DocumentsMissing => "缺少封存文件",
                State::ScaleUndetermined => "规模待定",
                State::NotApplicable => "不适用",
            },
        }
    }
}

/// Labels of the four classes and "undecided".
fn class_label(code: &str) -> &str {
    match code {
        "ban" => "取缔",
        "merge" => "清理合并",
        "regulate" => "规范",
        "none_needed" => "无需整治",
        "undecided" => "未定",
        other => other,
    }
}

fn state_label(row: &LedgerRow) -> &'static str {
    use outlet_core::ledger::LifeCycle as State;
    match row.state {
        State::Suspected => "疑似",
        State::NeedsLevel3 => "三级排查",
        State::NotAnOutlet => "非排口",
        State::Surveying => "排查中",
        State::Submitted => "待审",
        State::Listed => "已入账",
        State::Duplicate => "重复",
        State::Moved => "已转移",
        State::Decided => "已定类",
        State::PlanApproved => "方案已批",
        State::Rectifying => "整治中",
        State::CompletionReported => "待验收",
        State::CountyPassed => "县级初验通过",
        State::Rejected => "验收不通过",
        State::Accepted => "已销号",
        State::InService => "在管",
        State::Closed => "已关闭",
        State::Reopened => "复发",
    }
}

impl Line {
    fn new(regions: &Regions, row: LedgerRow) -> Self {
        let label = |code: &Option<String>| code.as_deref().map(class_label).unwrap_or_default().to_owned();
        Self {
            state: state_label(&row).to_owned(),
            classification: label(&row.classification),
            proposed: label(&row.classification_proposed),
            review: export::label(&word(&row.review_state), Lang::Zh).to_owned(),
            number: row
                .national_code
                .or(row.provincial_code)
                .or(row.temporary_number)
                .unwrap_or_else(|| row.id.to_string().chars().take(8).collect()),
            name: row.name.unwrap_or_default(),
            county: row.county.map(|code| place_name(regions, &code)).unwrap_or_default(),
            township: row.township.unwrap_or_default(),
            waterbody: row.waterbody.unwrap_or_default(),
            party: row.primary_party.unwrap_or_default(),
            problems: row.problem_count,
        }
    }
}
