//! One record in review: only what changed since the last review, then approve or return.

use askama::Template;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use outlet_core::ids::DocKey;
use outlet_core::ledger::Finding;

use super::super::details;
use super::super::outlet::{PhotoCard, entry_details, key_of, order, pictures, titled_entry, value_text};
use super::super::{Answer, Console, Fault, Form, Page, Shared, Visitor, Words, go_on, show_with};
use super::Refused;
use crate::desk::{self, Brief};
use crate::engine::{DecideError, Seen};

#[derive(Template)]
#[template(path = "console/record.html")]
struct RecordPage {
    page: Page,
    form: Form,
    brief: Brief,
    photos: Vec<PhotoCard>,
    refused: Option<Refused>,
    sections: Vec<(String, String)>,
    reasons: Vec<(String, String)>,
    mine: bool,
}

/// `GET /review/{collection}/{id}`.
pub(in super::super) async fn page(
    State(console): Shared,
    page: Page,
    visitor: Visitor,
    Path((collection, id)): Path<(String, String)>,
    asked: Form,
) -> Answer {
    let key = key_of(&visitor, &collection, &id)?;
    let words = page.words();
    let found = console.ask(move |console| read(console, words, key)).await?;
    let form = sheet(&asked).map_or_else(Form::default, |sheet| Form::default().with("sheet", sheet.to_string()));
    let view = RecordPage::new(page, &visitor, form, found, None);
    show_with(StatusCode::OK, &view)
}

/// The sheet that the record was opened from.
fn sheet(form: &Form) -> Option<u64> {
    form.value("sheet").parse().ok()
}

fn read(console: &Console, words: Words, key: DocKey) -> Result<(Brief, Vec<PhotoCard>), Fault> {
    let brief = desk::brief(&console.engine, key).map_err(|error| match error {
        DecideError::Engine(error) => error.into(),
        _ => Fault::NOT_FOUND,
    })?;
    let photos = pictures(console, words, &brief.row)?;
    Ok((brief, photos))
}

/// `POST /review/{collection}/{id}` with `act`: claim, release, approve, return, undo.
pub(in super::super) async fn decide(
    State(console): Shared,
    page: Page,
    visitor: Visitor,
    Path((collection, id)): Path<(String, String)>,
    form: Form,
) -> Answer {
    let key = key_of(&visitor, &collection, &id)?;
    let here = format!("/review/{}/{}", key.collection.code(), key.id);
    let here = sheet(&form).map_or(here.clone(), |sheet| format!("{here}?sheet={sheet}"));
    let (acting, sent, words) = (visitor.acting(), form.clone(), page.words());
    let done = console
        .ask(move |console| {
            let all = |name: &str| sent.all(name).map(str::to_owned).collect::<Vec<_>>();
            let note = sent.given("note").map(str::to_owned);
            let seen = || sent.value("seen").parse::<Seen>().map_err(|_| Fault::BAD_REQUEST);
            let engine = &console.engine;
            let result = match sent.value("act") {
                "claim" => desk::claim(engine, &acting, key).map(|_| "claimed"),
                "release" => desk::release(engine, &acting, key).map(|()| "released"),
                "approve" => desk::approve(engine, &acting, key, seen()?, &all("section"), note).map(|_| "approved"),
                "return" => {
                    let what = (&all("section")[..], &all("reason")[..]);
                    desk::return_record(engine, &acting, key, seen()?, what, note).map(|_| "returned")
                }
                "undo" => desk::undo(engine, &acting, key).map(|_| "undone"),
                _ => return Err(Fault::BAD_REQUEST),
            };
            Ok(match result {
                Ok(done) => Ok(done),
                Err(error) => Err((error, read(console, words, key)?)),
            })
        })
        .await?;
    match done {
        Ok(done) => Ok(go_on(&here, done)),
        Err((error, found)) => {
            let refused = Refused::new(&page, error)?;
            let status = refused.status;
            show_with(status, &RecordPage::new(page, &visitor, form, found, Some(refused)))
        }
    }
}

impl RecordPage {
    fn new(
        page: Page,
        visitor: &Visitor,
        form: Form,
        (brief, photos): (Brief, Vec<PhotoCard>),
        refused: Option<Refused>,
    ) -> Self {
        let mine = brief.claim.as_ref().is_some_and(|claim| claim.account == visitor.account.login);
        let (sections, reasons) = (page.terms("review_section"), page.terms("return_reason"));
        Self { page, form, brief, photos, refused, sections, reasons, mine }
    }

    fn title(&self) -> String {
        let row = &self.brief.row;
        let number = row.temporary_number.clone().unwrap_or_else(|| row.id.to_string());
        format!("{number} {}", row.name.as_deref().unwrap_or_default())
    }

    /// Name, and what it is about.
    fn findings(&self) -> Vec<(String, String)> {
        let line = |finding: &Finding| {
            let field = finding.field.as_deref().map(|field| self.page.column(field));
            let detail = [field, details::detail(&self.page, finding)];
            (self.page.label(&finding.code), detail.into_iter().flatten().collect::<Vec<_>>().join(" · "))
        };
        self.brief.findings.iter().map(line).collect()
    }

    /// Facts in the order in which the outlet's page and exports have them.
    fn facts(&self) -> Vec<&desk::FactLine> {
        let mut lines: Vec<&desk::FactLine> = self.brief.facts.iter().collect();
        lines.sort_by_key(|line| order(&line.field));
        lines
    }

    fn outlet(&self) -> String {
        super::super::outlets::address(&self.brief.outlet)
    }

    fn before(&self, fact: &desk::FactLine) -> String {
        fact.before.as_ref().map(|value| value_text(self.page.words(), &fact.field, value)).unwrap_or_default()
    }

    fn now(&self, fact: &desk::FactLine) -> String {
        let value = |value| value_text(self.page.words(), &fact.field, value);
        fact.now.iter().map(value).collect::<Vec<_>>().join(" | ")
    }

    fn kind(&self, entry: &desk::Changed) -> String {
        titled_entry(&self.page, &entry.content)
    }

    fn details(&self, entry: &desk::Changed) -> Vec<(String, String)> {
        entry_details(&self.page, &entry.content)
    }

    fn returned_for(&self) -> String {
        let words = self.page.words();
        words.list(self.brief.returned_for.iter().map(|code| words.term("return_reason", code)))
    }
}
