//! Official codes: outlets with an approved name get one from a block, a received one is recorded
//! with its paper; blocks and codes that stand on two outlets are shown. Writing is [`crate::codes`].

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use outlet_core::domain::block::standing;
use outlet_core::domain::code::{OutletCode, ProvincialCode};
use outlet_core::domain::field::DocumentRef;
use outlet_core::ids::DocKey;
use outlet_core::ledger::{LedgerRow, LifeCycle};

use super::deciding::{day, refused};
use super::{Answer, Console, Fault, Form, Page, Shared, Visitor, go_on, show_with};
use crate::codes::{self, CodesError, Given, Received, Unfit};
use crate::db::{DbError, codes as rows};
use crate::report::{self, Find};

/// Outlets that wait for a code, on the page.
const READY: usize = 300;

#[derive(Template)]
#[template(path = "console/codes.html")]
struct CodesPage {
    page: Page,
    form: Form,
    problem: Option<String>,
    given: Vec<GivenLine>,
    ready: Vec<Ready>,
    conflicts: Vec<(String, Vec<(String, String)>)>,
    blocks: Vec<Block>,
    systems: Vec<(String, String)>,
}

struct GivenLine {
    address: String,
    name: String,
    code: String,
    findings: Vec<String>,
}

/// An outlet with an approved name and no code.
struct Ready {
    key: String,
    address: String,
    name: String,
    county: String,
    kind: String,
    state: String,
}

struct Block {
    id: String,
    county: String,
    range: String,
    used: usize,
    document: String,
    usable: bool,
    state: String,
}

/// What the page rests on.
struct Known {
    rows: Vec<LedgerRow>,
    conflicts: Vec<codes::Conflict>,
    blocks: Vec<(outlet_core::domain::reference::CodeBlock, usize, bool)>,
}

fn known(console: &Console, visitor: &Visitor) -> Result<Known, Fault> {
    let engine = &console.engine;
    let mut all = report::current_rows(engine)?;
    all.retain(|row| visitor.sees(row.collection));
    let entries = codes::block_entries(engine)?;
    let epoch = engine.folder.epoch().map_err(|error| {
        tracing::error!(%error, "the life of the database cannot be read");
        Fault::INTERNAL
    })?;
    let mut blocks = Vec::new();
    for one in standing(&entries, &engine.folder.key().public(), &epoch) {
        let block = one.block;
        let used = engine
            .database()
            .read::<_, DbError>(|tx| rows::used(tx, &block.basin, block.county, block.from, block.to))?;
        blocks.push((block.clone(), used.len(), one.unusable.is_none()));
    }
    Ok(Known { conflicts: codes::conflicts(&all), rows: all, blocks })
}

/// `GET /codes`.
pub(super) async fn page(State(console): Shared, page: Page, visitor: Visitor, form: Form) -> Answer {
    let known = console.ask(move |console| known(console, &visitor)).await?;
    show_with(StatusCode::OK, &CodesPage::new(page, form, known, &[]))
}

/// `POST /codes` with `act`: assign codes from blocks, or record a received one.
pub(super) async fn decide(State(console): Shared, page: Page, visitor: Visitor, mut form: Form) -> Answer {
    let outcome = match form.value("act") {
        "assign" => assign(&console, &page, &visitor, &mut form).await?,
        "record" => record(&console, &page, &visitor, &mut form).await?,
        _ => return Err(Fault::BAD_REQUEST),
    };
    let known = match console.ask(move |console| known(console, &visitor)).await {
        // Codes were given, and the page that shows them has to wait: it must not say that nothing was saved.
        Err(_) if outcome.is_ok() => return Ok(go_on("/codes", "codes-written")),
        known => known?,
    };
    let (given, problem) = match outcome {
        Ok(given) => (given, None),
        Err(problem) => (Vec::new(), problem),
    };
    let wrong = problem.is_some() || form.failed();
    let status = if wrong { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    // What was written needs no form any more.
    let form = if wrong { form } else { Form::default() };
    let mut view = CodesPage::new(page, form, known, &given);
    view.problem = problem;
    show_with(status, &view)
}

/// Codes given, or the sentence for the page (none when it stands beside a field).
type Outcome = Result<Vec<Given>, Option<String>>;

async fn assign(console: &Arc<Console>, page: &Page, visitor: &Visitor, form: &mut Form) -> Result<Outcome, Fault> {
    let keys: Vec<DocKey> = form.all("outlet").filter_map(|key| key.parse().ok()).collect();
    if keys.is_empty() {
        form.fail("outlet", page.t("wrong-choose"));
    }
    if keys.iter().any(|key| !visitor.sees(key.collection)) {
        return Err(Fault::NOT_FOUND);
    }
    let on = day(page, form, "on");
    if form.failed() {
        return Ok(Err(None));
    }
    let acting = visitor.acting();
    let done = console
        .ask(move |console| {
            let on = on.unwrap_or_else(|| console.engine.folder.now().day_in_shanghai());
            Ok(codes::assign(&console.engine, &acting, &keys, on))
        })
        .await?;
    match done {
        Ok(given) => Ok(Ok(given)),
        Err(error) => Ok(Err(Some(sentence(page, error)?))),
    }
}

async fn record(console: &Arc<Console>, page: &Page, visitor: &Visitor, form: &mut Form) -> Result<Outcome, Fault> {
    for name in ["which", "code", "document"] {
        if form.given(name).is_none() {
            form.fail(name, page.t("wrong-needed"));
        }
    }
    let system = if form.has("system", "provincial") { "provincial" } else { "national" };
    let code = form.value("code").to_owned();
    let readable = match system {
        "national" => code.parse::<OutletCode>().is_ok(),
        _ => code.parse::<ProvincialCode>().is_ok(),
    };
    if !readable {
        form.fail("code", page.t("codes-malformed"));
    }
    let dated = day(page, form, "document_dated");
    let number = form.value("which").to_owned();
    let wanted = number.clone();
    let found = console.ask(move |console| Ok(report::find(&console.engine, &wanted)?)).await?;
    match found {
        Ok(key) if visitor.sees(key.collection) => {}
        Err(Find::Several(_)) => form.fail("which", page.t1("codes-several", "number", &number)),
        _ => form.fail("which", page.t1("codes-no-outlet", "number", &number)),
    }
    let Ok(key) = found else { return Ok(Err(None)) };
    if form.failed() {
        return Ok(Err(None));
    }
    let document = DocumentRef { number: form.value("document").to_owned(), dated, file: None };
    let received = Received { line: 1, outlet: key.id.to_string(), code, issued_on: None };
    let acting = visitor.acting();
    let done =
        console.ask(move |console| Ok(codes::record(&console.engine, &acting, system, &[received], &document))).await?;
    Ok(match done {
        Ok(recorded) if recorded.problems.is_empty() && recorded.known > 0 => Err(Some(page.t("codes-known"))),
        Ok(recorded) if recorded.problems.is_empty() => Ok(recorded.given),
        Ok(recorded) => {
            let why: Vec<String> = recorded.problems.iter().map(|wrong| unfit(page, &wrong.why)).collect();
            form.fail("code", page.t1("codes-in-the-way", "why", page.clauses(why)));
            Err(None)
        }
        Err(error) => Err(Some(sentence(page, error)?)),
    })
}

fn sentence(page: &Page, error: CodesError) -> Result<String, Fault> {
    Ok(match error {
        CodesError::Decide(error) => refused(page, error)?.sentence,
        CodesError::Engine(error) => return Err(error.into()),
        CodesError::Outlet { outlet, why } => page.t2("codes-refused", ("outlet", outlet), ("why", unfit(page, &why))),
        CodesError::NoBlock { county, .. } => page.t1("codes-no-block", "county", page.place(&county.to_string())),
        CodesError::TooMany(count) => page.t1("codes-too-many", "count", count),
        CodesError::Busy => page.t("codes-busy"),
    })
}

fn unfit(page: &Page, why: &Unfit) -> String {
    match why {
        Unfit::HasCode(code) => page.t1("unfit-has-code", "code", code),
        Unfit::State(state) => page.t1("unfit-state", "state", page.label(state.code())),
        Unfit::County => page.t("unfit-county"),
        Unfit::Type => page.t("unfit-type"),
        Unfit::Letters(kind) => page.t1("unfit-letters", "kind", page.outlet_type(kind)),
        Unfit::Shape(_) => page.t("codes-malformed"),
        Unfit::Twice { code, line } => page.t2("unfit-twice", ("code", code), ("line", line)),
        Unfit::NamedTwice => page.t("unfit-named-twice"),
        Unfit::NoOutlet(name) => page.t1("codes-no-outlet", "number", name),
        Unfit::Several { name, .. } => page.t1("codes-several", "number", name),
        Unfit::Other { has, code } => page.t2("unfit-other", ("has", has), ("code", code)),
        Unfit::Taken { code, holder } => page.t2("unfit-taken", ("code", code), ("holder", holder)),
    }
}

impl CodesPage {
    fn new(page: Page, form: Form, known: Known, given: &[Given]) -> Self {
        let words = page.words();
        let name = |row: &LedgerRow| row.name.clone().unwrap_or_else(|| super::outlets::number(row));
        let named =
            |key: &DocKey| known.rows.iter().find(|row| row.key == *key).map_or_else(|| key.id.to_string(), name);
        let gone = |row: &LedgerRow| {
            matches!(row.state, LifeCycle::Closed | LifeCycle::NotAnOutlet | LifeCycle::Duplicate | LifeCycle::Moved)
        };
        let waits = |row: &&LedgerRow| row.name_approved && row.national_code.is_none() && !gone(row);
        let ready = known.rows.iter().filter(waits).take(READY).map(|row| Ready {
            key: row.key.to_string(),
            address: super::outlets::address(&row.key),
            name: name(row),
            county: row.county.as_deref().map(|county| page.place(county)).unwrap_or_default(),
            kind: row.outlet_type.as_deref().map(|kind| words.outlet_type(kind)).unwrap_or_default(),
            state: page.label(row.state.code()),
        });
        let conflicts = known.conflicts.iter().map(|conflict| {
            let holders = conflict.outlets.iter().map(|key| (super::outlets::address(key), named(key)));
            (conflict.code.clone(), holders.collect())
        });
        let blocks = known.blocks.iter().map(|(block, used, usable)| {
            let size = usize::from(block.to.saturating_sub(block.from)) + 1;
            let state = match (usable, *used >= size) {
                (true, false) => "codes-usable",
                (true, true) => "codes-used-up",
                (false, _) => "codes-unusable",
            };
            Block {
                id: block.id.clone(),
                county: page.place(&block.county.to_string()),
                range: format!("{}-{:06}-{:04} … {:04}", block.basin, block.county, block.from, block.to),
                used: *used,
                document: block.document.number.clone(),
                usable: state == "codes-usable",
                state: page.t(state),
            }
        });
        let given = given.iter().map(|one| GivenLine {
            address: super::outlets::address(&one.outlet),
            name: named(&one.outlet),
            code: one.code.clone(),
            findings: one.findings.clone(),
        });
        Self {
            ready: ready.collect(),
            conflicts: conflicts.collect(),
            blocks: blocks.collect(),
            given: given.collect(),
            systems: vec![("provincial".to_owned(), page.t("code-provincial"))],
            problem: None,
            page,
            form,
        }
    }
}
