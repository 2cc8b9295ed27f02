//! Held changes: what the server received and did not admit, why, and the verdict.

use askama::Template;
use axum::extract::State;

use super::{Answer, Fault, Form, Page, Shared, Visitor, go_on, show};
use crate::engine::HeldRun;

/// Held runs on the page; the command line lists all.
const SHOWN: usize = 200;

#[derive(Template)]
#[template(path = "console/held.html")]
struct HeldPage {
    page: Page,
    runs: Vec<Line>,
    total: usize,
}

struct Line {
    run: String,
    address: String,
    name: String,
    author: String,
    received: String,
    changes: usize,
    reason: String,
    waits: usize,
}

impl Line {
    fn new(page: &Page, run: HeldRun) -> Self {
        let key = format!("held-{}", run.reason.replace('_', "-"));
        let reason = page.t(&key);
        Self {
            address: super::outlets::address(&run.doc),
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

/// `GET /quarantine`.
pub(super) async fn page(State(console): Shared, page: Page, visitor: Visitor) -> Answer {
    let held = console.ask(move |console| own(&visitor, console.engine.held()?)).await?;
    let total = held.len();
    let runs = held.into_iter().take(SHOWN).map(|run| Line::new(&page, run)).collect();
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
