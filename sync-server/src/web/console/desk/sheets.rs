//! Sheets: clean records side by side with their photos. The drawn sample is opened in full, one
//! by one; then the rest is approved with it.

use std::collections::BTreeMap;

use askama::Template;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use outlet_core::ids::{BlobHash, DocKey, OutletId};
use outlet_core::ledger::ReviewState;

use super::super::{Answer, Console, Fault, Form, Page, Shared, Visitor, go_on, show_with};
use super::Refused;
use crate::desk::{self, Approved, QueueFilter, Sheet, SheetLine};
use crate::engine::DecideError;

/// Records of a sheet where nobody says otherwise.
const USUAL: u64 = 60;

#[derive(Template)]
#[template(path = "console/sheets.html")]
struct SheetsPage {
    page: Page,
    form: Form,
    /// Clean records that wait.
    clean: usize,
    /// The account's sheet that is not approved yet.
    open: Option<i64>,
    problem: Option<String>,
}

/// `GET /sheets`.
pub(in super::super) async fn begin(State(console): Shared, page: Page, visitor: Visitor) -> Answer {
    let form = Form::default().with("size", USUAL.to_string());
    start(&console, page, visitor, form, None).await
}

async fn start(
    console: &std::sync::Arc<Console>,
    page: Page,
    visitor: Visitor,
    form: Form,
    problem: Option<String>,
) -> Answer {
    let (clean, open) = console
        .ask(move |console| {
            let (engine, account) = (&console.engine, &visitor.account);
            let filter = QueueFilter {
                review: Some(ReviewState::Submitted),
                clean: true,
                limit: desk::MOST_LINES,
                ..QueueFilter::default()
            };
            Ok((desk::queue(engine, account, &filter)?.len(), desk::open_sheet(engine, &account.login)?))
        })
        .await?;
    let status = if problem.is_some() || form.failed() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    show_with(status, &SheetsPage { page, form, clean, open, problem })
}

/// `POST /sheets`: makes one, with a seed that nobody knew before.
pub(in super::super) async fn make(State(console): Shared, page: Page, visitor: Visitor, mut form: Form) -> Answer {
    let size = form.value("size").parse::<u64>().ok().filter(|size| (1..=desk::MOST_LINES).contains(size));
    let Some(size) = size else {
        form.fail("size", page.t1("sheet-size-wrong", "most", desk::MOST_LINES));
        return start(&console, page, visitor, form, None).await;
    };
    let acting = visitor.acting();
    let made = console
        .ask(move |console| {
            let bytes: [u8; 4] = crate::env::random().map_err(|error| {
                tracing::error!(%error, "no seed for a sheet");
                Fault::INTERNAL
            })?;
            Ok(desk::make_sheet(&console.engine, &acting, size, u32::from_be_bytes(bytes).into()))
        })
        .await?;
    match made {
        Ok(sheet) => Ok(go_on(&format!("/sheets/{}", sheet.id), "sheet-made")),
        Err(error) => {
            let problem = Refused::new(&page, error)?.text;
            start(&console, page, visitor, form, Some(problem)).await
        }
    }
}

#[derive(Template)]
#[template(path = "console/sheet.html")]
struct SheetPage {
    page: Page,
    form: Form,
    sheet: Sheet,
    cards: Vec<Card>,
    unopened: usize,
    done: Option<String>,
    problem: Option<String>,
    approved: Option<usize>,
    /// Address, name, and why.
    left_out: Vec<(String, String, String)>,
}

struct Card {
    id: String,
    number: String,
    name: String,
    title: String,
    inspector: String,
    thumbs: Vec<String>,
    sample: bool,
    opened: bool,
}

type Photos = BTreeMap<DocKey, Vec<BlobHash>>;

/// A sheet of this account with its photos. Another's is none.
fn load(console: &Console, visitor: &Visitor, id: i64) -> Result<(Sheet, Photos), Fault> {
    let engine = &console.engine;
    let sheet = desk::sheet(engine, id).map_err(|error| match error {
        DecideError::Engine(error) => error.into(),
        _ => Fault::NOT_FOUND,
    })?;
    let foreign = |line: &SheetLine| !visitor.sees(line.outlet.collection);
    if sheet.account != visitor.account.login || sheet.lines.iter().any(foreign) {
        return Err(Fault::NOT_FOUND);
    }
    let keys: Vec<DocKey> = sheet.lines.iter().map(|line| line.outlet).collect();
    let photos = desk::thumbnails(engine, &keys)?;
    Ok((sheet, photos))
}

/// `GET /sheets/{id}`.
pub(in super::super) async fn page(
    State(console): Shared,
    page: Page,
    visitor: Visitor,
    Path(id): Path<i64>,
    form: Form,
) -> Answer {
    let (sheet, photos) = console.ask(move |console| load(console, &visitor, id)).await?;
    show_with(StatusCode::OK, &SheetPage::new(page, form, sheet, &photos))
}

/// `POST /sheets/{id}`: `open` a record in full, or `act=approve` all but those ticked as `except`.
pub(in super::super) async fn decide(
    State(console): Shared,
    page: Page,
    visitor: Visitor,
    Path(id): Path<i64>,
    form: Form,
) -> Answer {
    let own = visitor.clone();
    console.ask(move |console| load(console, &own, id)).await?;
    if let Some(outlet) = form.given("open") {
        let outlet: OutletId = outlet.parse().map_err(|_| Fault::BAD_REQUEST)?;
        let acting = visitor.acting();
        let opened = console.ask(move |console| Ok(desk::open_on_sheet(&console.engine, &acting, id, outlet))).await?;
        let brief = opened.map_err(|error| match error {
            DecideError::Engine(error) => error.into(),
            _ => Fault::NOT_FOUND,
        })?;
        let to = format!("/review/{}/{}?sheet={id}", brief.outlet.collection.code(), brief.outlet.id);
        return Ok(go_on(&to, "sheet-opened"));
    }
    if form.value("act") != "approve" {
        return Err(Fault::BAD_REQUEST);
    }
    let except: Vec<OutletId> = form.all("except").filter_map(|id| id.parse().ok()).collect();
    let (acting, own) = (visitor.acting(), visitor.clone());
    let (outcome, (sheet, photos)) = console
        .ask(move |console| {
            let outcome = desk::approve_sheet(&console.engine, &acting, id, &except);
            Ok((outcome, load(console, &own, id)?))
        })
        .await?;
    let mut view = SheetPage::new(page, form, sheet, &photos);
    match outcome {
        Ok(approved) => {
            view.tell(&approved);
            show_with(StatusCode::OK, &view)
        }
        Err(error) => {
            let refused = Refused::new(&view.page, error)?;
            view.problem = Some(refused.text);
            show_with(refused.status, &view)
        }
    }
}

impl SheetPage {
    fn new(page: Page, form: Form, sheet: Sheet, photos: &Photos) -> Self {
        let card = |line: &SheetLine| {
            let address = super::super::outlets::address(&line.outlet);
            let shown = photos.get(&line.outlet).into_iter().flatten();
            let number = line.number.clone().unwrap_or_else(|| line.id.to_string());
            let name = line.name.clone().unwrap_or_default();
            Card {
                id: line.id.to_string(),
                title: format!("{number} {name}"),
                number,
                name,
                inspector: line.inspector.clone().unwrap_or_default(),
                thumbs: shown.map(|hash| format!("{address}/files/{hash}")).collect(),
                sample: line.sample,
                opened: sheet.opened.contains(&line.id),
            }
        };
        Self {
            cards: sheet.lines.iter().map(card).collect(),
            unopened: sheet.unopened().len(),
            done: sheet.done_at.as_ref().map(|at| page.moment(at)),
            problem: None,
            approved: None,
            left_out: Vec::new(),
            page,
            form,
            sheet,
        }
    }

    fn sub(&self) -> String {
        self.page.t2("sheet-of", ("count", self.sheet.lines.len()), ("seed", self.sheet.seed))
    }

    fn tell(&mut self, approved: &Approved) {
        self.approved = Some(approved.approved.len());
        let line = |(id, why): &(OutletId, desk::LeftOut)| {
            let line = self.sheet.lines.iter().find(|line| line.id == *id)?;
            let name = line.number.clone().or_else(|| line.name.clone()).unwrap_or_else(|| id.to_string());
            Some((super::super::outlets::address(&line.outlet), name, self.why(why)))
        };
        self.left_out = approved.left_out.iter().filter_map(line).collect();
    }

    fn why(&self, why: &desk::LeftOut) -> String {
        match why {
            desk::LeftOut::Excepted => self.page.t("left-out-excepted"),
            desk::LeftOut::Changed => self.page.t("left-out-changed"),
            desk::LeftOut::Claimed(by) => self.page.t1("left-out-claimed", "by", by),
            desk::LeftOut::Objection(objection) => super::super::deciding::objection_text(&self.page, objection),
        }
    }
}
