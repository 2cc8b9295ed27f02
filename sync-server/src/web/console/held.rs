//! Held changes: what the server received and did not admit, why, and the verdict.

use askama::Template;
use axum::extract::State;
use outlet_core::ids::DocKind;
use serde_json::Value;

use super::outlet::described;
use super::{Answer, Fault, Form, Page, Shared, Visitor, go_on, show};
use crate::db::DbError;
use crate::db::ledger::{self, Names};
use crate::engine::HeldRun;

/// Held runs on the page; the command line lists all.
const SHOWN: usize = 200;
/// Entries of a run that are shown: who decides about more opens the record.
const SAID: usize = 12;

#[derive(Template)]
#[template(path = "console/held.html")]
struct HeldPage {
    page: Page,
    runs: Vec<Line>,
    total: usize,
}

struct Line {
    run: String,
    /// Of the record's page, if the ledger has it.
    address: Option<String>,
    /// Number and name of the record, else its id.
    title: String,
    /// What the changes say.
    says: Vec<String>,
    /// How many entries more there are.
    more: usize,
    name: String,
    author: String,
    received: String,
    changes: usize,
    reason: String,
    waits: usize,
}

/// A held run with what is read about it.
struct Held {
    run: HeldRun,
    /// Its entries.
    said: Vec<Value>,
    /// What the record is called, if the ledger has it.
    record: Option<Names>,
}

impl Line {
    fn new(page: &Page, Held { run, said, record }: Held) -> Self {
        let key = format!("held-{}", run.reason.replace('_', "-"));
        let reason = page.t(&key);
        Self {
            address: record.is_some().then(|| super::outlets::address(&run.doc.with_kind(DocKind::Field))),
            title: record.and_then(called).unwrap_or_else(|| run.doc.id.to_string()),
            says: said.iter().take(SAID).map(|entry| described(page, entry)).collect(),
            more: said.len().saturating_sub(SAID),
            run: run.run.to_string(),
            name: run.name.unwrap_or_default(),
            author: run.author.short(),
            received: run.received_at.chars().take(16).collect::<String>().replace('T', " "),
            changes: run.changes,
            reason: if reason == key { run.reason } else { reason },
            waits: run.waits_for.len(),
        }
    }
}

/// Those of the account's collections; reference documents are for who has all of them.
fn own(visitor: &Visitor, held: Vec<HeldRun>) -> Result<Vec<HeldRun>, Fault> {
    Ok(held.into_iter().filter(|run| visitor.governs(&[run.doc.collection])).collect())
}

fn called((number, name): Names) -> Option<String> {
    let parts: Vec<String> = number.into_iter().chain(name).collect();
    (!parts.is_empty()).then(|| parts.join(" "))
}

/// `GET /quarantine`.
pub(super) async fn page(State(console): Shared, page: Page, visitor: Visitor) -> Answer {
    let (total, shown) = console
        .ask(move |console| {
            let held = own(&visitor, console.engine.held()?)?;
            let total = held.len();
            let shown = console.engine.database().read(|tx| {
                let read = |run: HeldRun| -> Result<Held, DbError> {
                    let record = ledger::names(tx, &run.doc.with_kind(DocKind::Field))?;
                    Ok(Held { said: run.says(), record, run })
                };
                held.into_iter().take(SHOWN).map(read).collect::<Result<Vec<Held>, DbError>>()
            })?;
            Ok((total, shown))
        })
        .await?;
    let runs = shown.into_iter().map(|held| Line::new(&page, held)).collect();
    show(&HeldPage { page, runs, total })
}

/// `POST /quarantine`: releases or rejects what was ticked.
pub(super) async fn decide(State(console): Shared, visitor: Visitor, form: Form) -> Answer {
    let named: Vec<String> = form.all("run").map(str::to_owned).collect();
    let release = form.value("act") == "release";
    if named.is_empty() || !matches!(form.value("act"), "release" | "reject") {
        return Ok(go_on("/quarantine", "held-none"));
    }
    let who = visitor.account.login.clone();
    console
        .ask(move |console| {
            let held = own(&visitor, console.engine.held()?)?;
            let runs: Vec<HeldRun> = held.into_iter().filter(|run| named.contains(&run.run.to_string())).collect();
            let decided =
                if release { console.engine.release(&runs, &who) } else { console.engine.reject(&runs, &who) };
            Ok(decided.map(|_| ())?)
        })
        .await?;
    Ok(go_on("/quarantine", if release { "held-released" } else { "held-rejected" }))
}
