//! `assign to|withdraw|list`.

use std::collections::BTreeSet;

use outlet_core::ids::PersonId;
use outlet_core::ledger::LedgerRow;
use serde::Serialize;

use super::Outcome;
use crate::assigning::{self, Load, Order, Person, Selection};
use crate::cli::worklist::{AssignArgs, AssignCommand, SelectionArgs};
use crate::engine::Engine;
use crate::error::{CommandError, Exit};
use crate::ui::{self, Ui};

pub(super) fn assign(command: &AssignCommand, engine: &Engine, ui: &mut Ui) -> Outcome {
    match command {
        AssignCommand::To(args) => to(args, engine, ui),
        AssignCommand::Withdraw(selection) => withdraw(selection, engine, ui),
        AssignCommand::List => list(engine, ui),
    }
}

/// `assign to|withdraw --json`.
#[derive(Serialize)]
struct Assigned {
    to: Option<PersonId>,
    name: Option<String>,
    assigned: usize,
    collections: Vec<String>,
}

fn to(args: &AssignArgs, engine: &Engine, ui: &mut Ui) -> Outcome {
    let person = person(engine, &args.to)?;
    let rows = selected(engine, &args.selection)?;
    let foreign = assigning::foreign(&person, &rows);
    if !foreign.is_empty() {
        let counties: Vec<String> = foreign.iter().map(ToString::to_string).collect();
        return Err(CommandError::user(format!("{} may not read county {}", person.name, counties.join(", ")))
            .hint("choose records of their county, or issue a ticket with --collection for that county"));
    }
    let mut order = order(engine, &args.selection)?;
    (order.to, order.due, order.note) = (Some((person.id, person.name)), args.due, args.note.clone());
    write(engine, &rows, &order, ui)
}

fn withdraw(selection: &SelectionArgs, engine: &Engine, ui: &mut Ui) -> Outcome {
    let rows = selected(engine, selection)?;
    write(engine, &rows, &order(engine, selection)?, ui)
}

fn order(engine: &Engine, selection: &SelectionArgs) -> Result<Order, CommandError> {
    let by = super::who(engine, selection.by.as_deref(), outlet_core::identity::Role::Supervisor)?;
    Ok(Order { to: None, task: selection.task.code().to_owned(), due: None, note: None, by })
}

fn write(engine: &Engine, rows: &[LedgerRow], order: &Order, ui: &mut Ui) -> Outcome {
    let collections = assigning::write(engine, rows, order)?;
    let assigned = Assigned {
        to: order.to.as_ref().map(|(person, _)| *person),
        name: order.to.as_ref().map(|(_, name)| name.clone()),
        assigned: rows.len(),
        collections: collections.iter().map(ToString::to_string).collect(),
    };
    ui.show(&assigned, |assigned| match &assigned.name {
        Some(name) => format!("{} records assigned to {name}", assigned.assigned),
        None => format!("{} records taken back", assigned.assigned),
    })?;
    Ok(Exit::Ok)
}

/// A member by id or by the name on the ticket, with their counties.
fn person(engine: &Engine, text: &str) -> Result<Person, CommandError> {
    let id = text.parse::<PersonId>().ok();
    let mut found = assigning::persons(engine)?;
    found.retain(|person| id == Some(person.id) || person.name == text);
    let mut found = found.into_iter();
    match (found.next(), found.next()) {
        (Some(person), None) => Ok(person),
        (None, _) => Err(CommandError::user(format!("no member is called {text:?}"))
            .hint("`outlet-server device list` shows names and person ids")),
        _ => Err(CommandError::user(format!("several persons are called {text:?}"))
            .hint("give the person id that `outlet-server device list` shows")),
    }
}

/// The records that the options name: listed ones, or all open points that every filter keeps.
fn selected(engine: &Engine, args: &SelectionArgs) -> Result<Vec<LedgerRow>, CommandError> {
    let mut selection = Selection {
        outlets: BTreeSet::new(),
        list: args.list.clone(),
        township: args.township.clone(),
        waterbody: args.waterbody.clone(),
        collection: args.collection,
    };
    if !selection.filters() && args.outlets.is_empty() {
        return Err(CommandError::usage("which records?")
            .hint("give --outlet ID, or --list, --township, --waterbody, --collection for all open points there"));
    }
    for text in &args.outlets {
        selection.outlets.insert(super::find(engine, text)?);
    }
    let rows = assigning::selected(engine, &selection)?;
    if rows.is_empty() {
        return Err(CommandError::user("no open point fits")
            .hint("`outlet-server coverage --by township` shows where points are open"));
    }
    Ok(rows)
}

fn list(engine: &Engine, ui: &mut Ui) -> Outcome {
    let loads = assigning::loads(engine, |_| true)?;
    ui.show(&loads, |loads| {
        let row = |load: &Load| {
            vec![
                load.name.clone(),
                load.task.clone(),
                load.assigned.to_string(),
                load.open.to_string(),
                load.due.map(|due| due.to_string()).unwrap_or_default(),
                load.overdue.to_string(),
            ]
        };
        ui::table(
            &["person", "task", "assigned", "open", "next due", "overdue"],
            &loads.iter().map(row).collect::<Vec<_>>(),
        )
    })?;
    Ok(Exit::Ok)
}
