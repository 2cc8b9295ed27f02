//! Suspected points handed to inspectors, and who has how much of it open. The work is
//! [`crate::assigning`]; here are the form and the limits of the account's counties.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use outlet_core::ids::Collection;
use outlet_core::ledger::LedgerRow;
use outlet_core::worklist::{PointState, point_state};

use super::deciding::day;
use super::{Answer, Console, Fault, Form, Page, Shared, Visitor, go_on, show_with};
use crate::assigning::{self, Load, Order, Person, Selection, TASKS};
use crate::report;

/// Outlets named one by one.
const MOST_NAMED: usize = 200;

type Choices = Vec<(String, String)>;

#[derive(Template)]
#[template(path = "console/assignments.html")]
struct AssignmentsPage {
    page: Page,
    form: Form,
    loads: Vec<Load>,
    /// Open points of the account's counties.
    open: usize,
    lists: Choices,
    townships: Choices,
    rivers: Choices,
    counties: Choices,
    persons: Choices,
    tasks: Choices,
    counted: Option<usize>,
}

/// What the page rests on.
struct Known {
    persons: Vec<Person>,
    loads: Vec<Load>,
    open: Vec<LedgerRow>,
}

fn known(console: &Console, visitor: &Visitor) -> Result<Known, Fault> {
    let engine = &console.engine;
    let mut persons = assigning::persons(engine)?;
    persons.retain(|person| person.collections.iter().any(|county| visitor.sees(*county)));
    let loads = assigning::loads(engine, |county| visitor.sees(county))?;
    let mut open = report::current_rows(engine)?;
    open.retain(|row| visitor.sees(row.collection) && point_state(row) == PointState::Open);
    Ok(Known { persons, loads, open })
}

/// `GET /assignments`.
pub(super) async fn page(State(console): Shared, page: Page, visitor: Visitor, form: Form) -> Answer {
    let known = console.ask(move |console| known(console, &visitor)).await?;
    show_with(StatusCode::OK, &AssignmentsPage::new(page, form, known))
}

/// `POST /assignments` with `act`: assign, withdraw, or only count.
pub(super) async fn decide(State(console): Shared, page: Page, visitor: Visitor, mut form: Form) -> Answer {
    let act = form.value("act").to_owned();
    if !matches!(act.as_str(), "assign" | "withdraw" | "count") {
        return Err(Fault::BAD_REQUEST);
    }
    let due = day(&page, &mut form, "due");
    let own = visitor.clone();
    let known = console.ask(move |console| known(console, &own)).await?;
    let person = known.persons.iter().find(|person| person.id.to_string() == form.value("to")).cloned();
    if act == "assign" && person.is_none() {
        form.fail("to", page.t("wrong-needed"));
    }
    let selection = selection(&console, &page, &visitor, &mut form).await?;
    let (Some(selection), false) = (selection, form.failed()) else {
        return show_with(StatusCode::UNPROCESSABLE_ENTITY, &AssignmentsPage::new(page, form, known));
    };
    let sees = visitor.clone();
    let rows = console
        .ask(move |console| {
            let mut rows = assigning::selected(&console.engine, &selection)?;
            rows.retain(|row| sees.sees(row.collection));
            Ok(rows)
        })
        .await?;
    let mut view = AssignmentsPage::new(page, form, known);
    if act == "count" {
        view.counted = Some(rows.len());
        return show_with(StatusCode::OK, &view);
    }
    let person = person.filter(|_| act == "assign");
    let foreign = person.as_ref().map(|person| assigning::foreign(person, &rows)).unwrap_or_default();
    if rows.is_empty() {
        view.form.fail("which", view.page.t("assign-none"));
    } else if !foreign.is_empty() {
        let names: Vec<String> = foreign.iter().map(|county| view.page.place(&county.to_string())).collect();
        view.form.fail("to", view.page.t1("assign-foreign", "counties", view.page.list(names)));
    }
    if view.form.failed() {
        return show_with(StatusCode::UNPROCESSABLE_ENTITY, &view);
    }
    let task = TASKS.iter().find(|task| **task == view.form.value("task")).unwrap_or(&"survey");
    let order = Order {
        to: person.map(|person| (person.id, person.name)),
        task: (*task).to_owned(),
        due,
        note: view.form.given("note").map(str::to_owned),
        by: visitor.account.login.clone(),
    };
    console.ask(move |console| Ok(assigning::write(&console.engine, &rows, &order)?)).await?;
    Ok(go_on("/assignments", if act == "assign" { "assigned" } else { "assignment-withdrawn" }))
}

/// Which records the form names; what is wrong is said beside it.
async fn selection(
    console: &Arc<Console>,
    page: &Page,
    visitor: &Visitor,
    form: &mut Form,
) -> Result<Option<Selection>, Fault> {
    let text = |name: &str| form.given(name).map(str::to_owned);
    let collection: Option<Collection> = form.given("collection").and_then(|county| county.parse().ok());
    let mut selection = Selection {
        outlets: BTreeSet::new(),
        list: text("list"),
        township: text("township"),
        waterbody: text("waterbody"),
        collection,
    };
    let named: Vec<String> = form
        .value("outlets")
        .split(|c: char| c.is_whitespace() || "，、,;；".contains(c))
        .filter(|number| !number.is_empty())
        .take(MOST_NAMED)
        .map(str::to_owned)
        .collect();
    if named.is_empty() && !selection.filters() {
        form.fail("which", page.t("assign-which-needed"));
        return Ok(None);
    }
    let found = console
        .ask(move |console| {
            named
                .into_iter()
                .map(|number| Ok((report::find(&console.engine, &number)?.ok(), number)))
                .collect::<Result<Vec<_>, Fault>>()
        })
        .await?;
    for (key, number) in found {
        match key.filter(|key| visitor.sees(key.collection)) {
            Some(key) => {
                selection.outlets.insert(key);
            }
            None => form.fail("outlets", page.t1("codes-no-outlet", "number", number)),
        }
    }
    Ok(Some(selection))
}

impl AssignmentsPage {
    fn new(page: Page, form: Form, known: Known) -> Self {
        let counted = |of: fn(&LedgerRow) -> Option<&String>| -> Choices {
            let mut counts: BTreeMap<&String, usize> = BTreeMap::new();
            for value in known.open.iter().filter_map(of) {
                *counts.entry(value).or_default() += 1;
            }
            counts.into_iter().map(|(value, count)| (value.clone(), format!("{value} ({count})"))).collect()
        };
        let counties: BTreeSet<Collection> = known.open.iter().map(|row| row.collection).collect();
        let place = |county: &Collection| page.place(&county.to_string());
        let person = |person: &Person| {
            let counties: Vec<String> = person.collections.iter().map(place).collect();
            (person.id.to_string(), format!("{} · {}", person.name, page.list(counties)))
        };
        Self {
            lists: counted(|row| row.source_list.as_ref()),
            townships: counted(|row| row.township.as_ref()),
            rivers: counted(|row| row.waterbody.as_ref()),
            counties: counties.iter().map(|county| (county.to_string(), place(county))).collect(),
            persons: known.persons.iter().map(person).collect(),
            tasks: TASKS[1..].iter().map(|task| ((*task).to_owned(), page.t_of("task", task))).collect(),
            open: known.open.len(),
            loads: known.loads,
            counted: None,
            page,
            form,
        }
    }
}
