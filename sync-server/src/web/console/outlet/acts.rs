//! Decisions on one outlet: one form each at `…/decide/WHAT`. The page shows the form; the engine
//! decides whether it may be; what was typed stays until it is right.

use std::sync::Arc;

use askama::Template;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::IntoResponse as _;
use outlet_core::domain::case::{
    Accept, AcceptItem, Classify, Complete, Decision, Extend, LegalBasis, MergedInto, Name, Plan, Reopen, SignState,
};
use outlet_core::domain::field::Party;
use outlet_core::identity::{Level, Role};
use outlet_core::ledger::LedgerRow;
use outlet_core::time::Day;

use super::super::deciding::{self, Refused, SEEN, day, document, seen_text};
use super::super::{Answer, Console, Fault, Form, Page, Shared, Visitor, go_on, show_with};
use super::dossier::Dossier;
use super::key_of;
use super::suggestion::Suggestion;
use crate::db::DbError;
use crate::engine::Seen;
use crate::inventory;
use crate::suggesting;

/// What can be decided here, in the order of an outlet's life.
pub(super) const ACTS: &[&str] = &["classify", "plan", "complete", "accept", "name", "sign", "extend", "reopen"];

/// Bases of one classification.
pub(super) const BASES: usize = 3;

type Choices = Vec<(String, String)>;

#[derive(Template)]
#[template(path = "console/decide.html")]
struct DecidePage {
    page: Page,
    form: Form,
    what: &'static str,
    address: String,
    name: String,
    seen: String,
    refused: Option<Refused>,
    /// Terms of the selects by name.
    classes: Choices,
    measures: Choices,
    constructions: Choices,
    acceptances: Choices,
    targets: Choices,
    signs: Choices,
    milestones: Choices,
    steps: Choices,
    /// Number, document and article of each legal basis.
    bases: Vec<(usize, String, String)>,
    /// What the rules suggest, for a classification.
    rules: Vec<Suggestion>,
    asked_on: String,
}

impl DecidePage {
    fn new(page: Page, what: &'static str, stands: &Stands, form: Form) -> Self {
        let Stands { row, seen, milestones } = stands;
        let terms = |dictionary: &str| page.terms(dictionary);
        let step = |codes: [&str; 2]| codes.map(|code| (code.to_owned(), page.t(&format!("step-{code}")))).to_vec();
        Self {
            classes: terms("classification"),
            measures: terms("measure"),
            constructions: terms("construction_item"),
            acceptances: terms("acceptance_item"),
            targets: terms("merged_into"),
            signs: terms("sign_state"),
            milestones: milestones
                .iter()
                .map(|(id, due)| (id.clone(), page.t2("unit-of-milestone", ("milestone", id), ("due", due))))
                .collect(),
            steps: match what {
                "classify" => step(["endorse", "decide"]),
                "plan" => step(["draft", "approve"]),
                _ => step(["county", "city"]),
            },
            rules: Vec::new(),
            asked_on: String::new(),
            address: super::super::outlets::address(&row.key),
            name: row.name.clone().unwrap_or_else(|| super::number(row)),
            seen: seen_text(seen),
            refused: None,
            bases: (1..=BASES)
                .map(|number| (number, basis_of("basis", number, &form), basis_of("article", number, &form)))
                .collect(),
            page,
            form,
            what,
        }
    }
}

impl DecidePage {
    /// A classification starts from what the rules suggest; every other form has none.
    async fn ask_rules(&mut self, console: &Arc<Console>, row: &LedgerRow) -> Result<(), Fault> {
        if self.what != "classify" {
            return Ok(());
        }
        let asked = row.clone();
        // The law of the day that the form names: a decision is judged by what was in force then.
        let on = self.form.value("on").parse().ok();
        let (report, today) = console
            .ask(move |console| {
                let today = console.engine.folder.now().day_in_shanghai();
                Ok((suggesting::report(&console.engine, &asked, on.unwrap_or(today))?, today))
            })
            .await?;
        self.asked_on = on.unwrap_or(today).to_string();
        self.rules = report.outcomes.iter().filter_map(|outcome| Suggestion::new(&self.page, outcome)).collect();
        Ok(())
    }
}

fn basis_of(name: &str, number: usize, form: &Form) -> String {
    form.value(&format!("{name}_{number}")).to_owned()
}

fn act_of(what: &str) -> Result<&'static str, Fault> {
    ACTS.iter().copied().find(|own| *own == what).ok_or(Fault::NOT_FOUND)
}

/// An outlet as it is now.
struct Stands {
    row: LedgerRow,
    /// The heads that a form is about to carry.
    seen: Seen,
    /// Milestones of the set in force, with their dates.
    milestones: Vec<(String, Day)>,
}

fn stands(console: &Console, key: outlet_core::ids::DocKey) -> Result<Stands, Fault> {
    let engine = &console.engine;
    let found = engine.database().read::<_, DbError>(|tx| inventory::one(tx, &inventory::Scope::everything(), &key))?;
    let seen = engine.seen(&key)?.ok_or(Fault::NOT_FOUND)?;
    let reference = engine.database().read(|tx| engine.reference(tx))?;
    let milestones = reference.active_set().milestones.iter().map(|own| (own.id.clone(), own.due)).collect();
    Ok(Stands { row: found.ok_or(Fault::NOT_FOUND)?.row, seen, milestones })
}

/// `GET /outlets/{collection}/{id}/decide/{what}`; the query fills fields in, as a suggestion does.
pub(in super::super) async fn form(
    State(console): Shared,
    page: Page,
    visitor: Visitor,
    form: Form,
    Path((collection, id, what)): Path<(String, String, String)>,
) -> Answer {
    let (key, what) = (key_of(&visitor, &collection, &id)?, act_of(&what)?);
    let (now, known) = console
        .ask(move |console| {
            let now = stands(console, key)?;
            let known = if what == "plan" { last_plan(&Dossier::read(console, key)?) } else { None };
            Ok((now, known))
        })
        .await?;
    let filled = fill(form, what, &visitor, &now.row, known);
    let mut view = DecidePage::new(page, what, &now, filled);
    view.ask_rules(&console, &now.row).await?;
    show_with(StatusCode::OK, &view)
}

/// What is known already, where the address does not say otherwise.
fn fill(mut form: Form, what: &str, visitor: &Visitor, row: &LedgerRow, plan: Option<Plan>) -> Form {
    let city = visitor.account.role == Role::Admin || visitor.account.level == Some(Level::City);
    let step = match (what, city) {
        ("classify", false) => "endorse",
        ("classify", true) => "decide",
        ("plan", false) => "draft",
        ("plan", true) => "approve",
        (_, false) => "county",
        (_, true) => "city",
    };
    let mut put = |name: &str, value: Option<&str>| {
        if let (None, Some(value)) = (form.given(name), value) {
            form = std::mem::take(&mut form).with(name, value);
        }
    };
    put("step", Some(step));
    match what {
        "classify" => put("classification", row.classification_proposed.as_deref()),
        "name" => put("name", row.name.as_deref()),
        _ => {}
    }
    let Some(plan) = plan else { return form };
    put("criteria", plan.criteria.as_deref());
    put("party", plan.party.as_ref().map(|party| party.name.as_str()));
    put("department", plan.competent_department.as_deref());
    put("person", plan.person.as_deref());
    put("due", plan.due.map(|due| due.to_string()).as_deref());
    if form.all("measures").next().is_none() {
        form = plan.measures.iter().fold(form, |form, code| form.with("measures", code));
        form = plan.items.iter().fold(form, |form, code| form.with("items", code));
    }
    form
}

fn last_plan(dossier: &Dossier) -> Option<Plan> {
    let plans = dossier.case.iter().filter(|said| said.kind() == "plan");
    plans.filter_map(|said| serde_json::from_value::<Plan>(said.value.clone()).ok()).max_by_key(|plan| plan.version)
}

/// `POST /outlets/{collection}/{id}/decide/{what}`.
pub(in super::super) async fn decide(
    State(console): Shared,
    page: Page,
    visitor: Visitor,
    Path((collection, id, what)): Path<(String, String, String)>,
    mut form: Form,
) -> Answer {
    let (key, what) = (key_of(&visitor, &collection, &id)?, act_of(&what)?);
    let (now, version) = console
        .ask(move |console| {
            let now = stands(console, key)?;
            let known = if what == "plan" { last_plan(&Dossier::read(console, key)?) } else { None };
            Ok((now, known.map_or(0, |plan| plan.version)))
        })
        .await?;
    let decision = read(&page, &mut form, what, version);
    let mut entry = decision.map(|decision| deciding::entry(&page, &mut form, decision));
    if form.failed() {
        entry = None;
    }
    let mut view = DecidePage::new(page, what, &now, form);
    // The form keeps the heads that its person saw, not those of now.
    view.seen = view.form.value(SEEN).to_owned();
    view.ask_rules(&console, &now.row).await?;
    let Some(entry) = entry else { return show_with(StatusCode::UNPROCESSABLE_ENTITY, &view) };
    match deciding::decide(&console, &view.page, &visitor, key, &view.form, vec![entry]).await? {
        Ok(_) => Ok(go_on(&view.address, "decided").into_response()),
        Err(refused) => {
            if let Some(now) = &refused.now {
                view.seen = seen_text(now);
            }
            let status = refused.status;
            view.refused = Some(refused);
            show_with(status, &view)
        }
    }
}

/// Reads the form; nothing when a field is wrong, and then the form says which.
fn read(page: &Page, form: &mut Form, what: &str, version: u32) -> Option<Decision> {
    let decision = match what {
        "classify" => classify(page, form),
        "plan" => plan(page, form, version),
        "complete" => complete(page, form),
        "accept" => accept(page, form),
        "name" => Decision::Name(Name { name: needed(page, form, "name") }),
        "sign" => Decision::Sign(SignState {
            state: needed(page, form, "state"),
            observed_on: day(page, form, "observed_on"),
            photos: Vec::new(),
        }),
        "extend" => Decision::Extend(Extend {
            milestone: text(form, "milestone"),
            until: day(page, form, "until"),
            authority: needed(page, form, "authority"),
            reason: text(form, "reason"),
        }),
        _ => {
            let observation = needed(page, form, "observation");
            let observed_on = day(page, form, "observed_on");
            if observed_on.is_none() {
                form.fail("observed_on", page.t("wrong-needed"));
            }
            Decision::Reopen(Reopen { observed_on: observed_on?, observation, unfounded: false })
        }
    };
    (!form.failed()).then_some(decision)
}

fn text(form: &Form, name: &str) -> Option<String> {
    form.given(name).map(str::to_owned)
}

fn texts(form: &Form, name: &str) -> Vec<String> {
    form.all(name).map(str::to_owned).collect()
}

fn needed(page: &Page, form: &mut Form, name: &str) -> String {
    match text(form, name) {
        Some(value) => value,
        None => {
            form.fail(name, page.t("wrong-needed"));
            String::new()
        }
    }
}

fn classify(page: &Page, form: &mut Form) -> Decision {
    let basis = |number: usize| {
        let document = text(form, &format!("basis_{number}"))?;
        Some(LegalBasis { document, article: text(form, &format!("article_{number}")) })
    };
    let legal_bases = (1..=BASES).filter_map(basis).collect();
    Decision::Classify(Classify {
        step: needed(page, form, "step"),
        classification: needed(page, form, "classification"),
        circumstance: text(form, "circumstance"),
        legal_bases,
        layer: text(form, "layer"),
        government_document: document(page, form, "government"),
    })
}

fn plan(page: &Page, form: &mut Form, version: u32) -> Decision {
    let due = day(page, form, "due");
    if due.is_none() {
        form.fail("due", page.t("wrong-needed"));
    }
    if form.all("measures").next().is_none() {
        form.fail("measures", page.t("wrong-choose"));
    }
    Decision::Plan(Box::new(Plan {
        step: needed(page, form, "step"),
        version: version.saturating_add(1),
        measures: texts(form, "measures"),
        items: texts(form, "items"),
        criteria: text(form, "criteria"),
        party: text(form, "party").map(|name| Party { name, ..Party::default() }),
        competent_department: text(form, "department"),
        person: text(form, "person"),
        due,
    }))
}

fn complete(page: &Page, form: &mut Form) -> Decision {
    let completed_on = day(page, form, "completed_on");
    if completed_on.is_none() {
        form.fail("completed_on", page.t("wrong-needed"));
    }
    let merged_into =
        text(form, "target").map(|kind| MergedInto { kind, outlet: None, name: text(form, "target_name") });
    if merged_into.as_ref().is_some_and(|target| target.name.is_none()) {
        form.fail("target_name", page.t("wrong-needed"));
    }
    Decision::Complete(Box::new(Complete {
        completed_on,
        withdrawn: false,
        measures: texts(form, "measures"),
        items: texts(form, "items"),
        merged_into,
        evidence: Vec::new(),
    }))
}

fn accept(page: &Page, form: &mut Form) -> Decision {
    let passed = needed(page, form, "passed");
    let met = texts(form, "items");
    Decision::Accept(Accept {
        level: needed(page, form, "step"),
        passed: passed == "yes",
        recheck_on: day(page, form, "recheck_on"),
        items: met.into_iter().map(|item| AcceptItem { item, met: true }).collect(),
    })
}
