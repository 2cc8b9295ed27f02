//! `assign to|withdraw|list`.

use std::collections::{BTreeMap, BTreeSet};

use outlet_core::domain::reference::{Assignment, ReferenceEntry};
use outlet_core::ids::{Collection, OutletId, PersonId};
use outlet_core::ledger::LedgerRow;
use outlet_core::time::Day;
use outlet_core::worklist::{PointState, assigned, point_state};
use serde::Serialize;

use super::Outcome;
use crate::cli::worklist::{AssignArgs, AssignCommand, SelectionArgs};
use crate::db::{DbError, devices};
use crate::engine::{Engine, reference_key};
use crate::error::{CommandError, Exit};
use crate::report;
use crate::ui::{self, Ui};

/// Records of one entry: well below the limit of a change.
const PER_ENTRY: usize = 1_000;
/// Entries of one change.
const PER_CHANGE: usize = 4;

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
    let (person, name, collections) = person(engine, &args.to)?;
    let rows = selected(engine, &args.selection)?;
    let foreign: BTreeSet<Collection> =
        rows.iter().map(|row| row.collection).filter(|county| !collections.contains(county)).collect();
    if !foreign.is_empty() {
        let counties: Vec<String> = foreign.iter().map(ToString::to_string).collect();
        return Err(CommandError::user(format!("{name} may not read county {}", counties.join(", ")))
            .hint("choose records of their county, or issue a ticket with --collection for that county"));
    }
    let template = Template { to: Some(person), name: Some(name), due: args.due, note: args.note.clone() };
    write(engine, &args.selection, &rows, &template, ui)
}

fn withdraw(selection: &SelectionArgs, engine: &Engine, ui: &mut Ui) -> Outcome {
    let rows = selected(engine, selection)?;
    write(engine, selection, &rows, &Template { to: None, name: None, due: None, note: None }, ui)
}

struct Template {
    to: Option<PersonId>,
    name: Option<String>,
    due: Option<Day>,
    note: Option<String>,
}

fn write(engine: &Engine, selection: &SelectionArgs, rows: &[LedgerRow], template: &Template, ui: &mut Ui) -> Outcome {
    let by = super::who(engine, selection.by.as_deref(), outlet_core::identity::Role::Supervisor)?;
    let mut by_county: BTreeMap<Collection, Vec<OutletId>> = BTreeMap::new();
    for row in rows {
        by_county.entry(row.collection).or_default().push(row.id);
    }
    let at = engine.folder.now();
    let mut entries = Vec::new();
    for (collection, outlets) in &by_county {
        entries.extend(outlets.chunks(PER_ENTRY).map(|outlets| {
            ReferenceEntry::Assignment(Assignment {
                to: template.to,
                name: template.name.clone(),
                collection: *collection,
                outlets: outlets.to_vec(),
                task: selection.task.code().to_owned(),
                due: template.due,
                note: template.note.clone(),
                by: by.clone(),
                at,
            })
        }));
    }
    // One document: its own order says which of two assignments of a record is the later.
    for part in entries.chunks(PER_CHANGE) {
        engine.write_reference(reference_key("assignments", "assignments"), part)?;
    }
    let assigned = Assigned {
        to: template.to,
        name: template.name.clone(),
        assigned: rows.len(),
        collections: by_county.keys().map(ToString::to_string).collect(),
    };
    ui.show(&assigned, |assigned| match &assigned.name {
        Some(name) => format!("{} records assigned to {name}", assigned.assigned),
        None => format!("{} records taken back", assigned.assigned),
    })?;
    Ok(Exit::Ok)
}

/// A member by id or by the name on the ticket, with their counties.
fn person(engine: &Engine, text: &str) -> Result<(PersonId, String, BTreeSet<Collection>), CommandError> {
    let members = engine.database().read::<_, DbError>(|tx| devices::members(tx))?;
    let id = text.parse::<PersonId>().ok();
    let mut found: BTreeMap<PersonId, (String, BTreeSet<Collection>)> = BTreeMap::new();
    for member in members.into_iter().filter(|member| member.revoked_at.is_none()) {
        let grant = member.grant;
        if id == Some(grant.person) || grant.name == text {
            let known = found.entry(grant.person).or_insert((grant.name, BTreeSet::new()));
            known.1.extend(grant.collections);
        }
    }
    let mut found = found.into_iter();
    match (found.next(), found.next()) {
        (Some((person, (name, collections))), None) => Ok((person, name, collections)),
        (None, _) => Err(CommandError::user(format!("no member is called {text:?}"))
            .hint("`outlet-server device list` shows names and person ids")),
        _ => Err(CommandError::user(format!("several persons are called {text:?}"))
            .hint("give the person id that `outlet-server device list` shows")),
    }
}

/// The records that the options name: listed ones, or all open points that every filter keeps.
fn selected(engine: &Engine, selection: &SelectionArgs) -> Result<Vec<LedgerRow>, CommandError> {
    let filters = selection.list.is_some()
        || selection.township.is_some()
        || selection.waterbody.is_some()
        || selection.collection.is_some();
    if !filters && selection.outlets.is_empty() {
        return Err(CommandError::usage("which records?")
            .hint("give --outlet ID, or --list, --township, --waterbody, --collection for all open points there"));
    }
    let mut keys = BTreeSet::new();
    for text in &selection.outlets {
        keys.insert(super::find(engine, text)?);
    }
    let same = |wanted: &Option<String>, found: &Option<String>| wanted.is_none() || wanted == found;
    let rows: Vec<LedgerRow> = report::current_rows(engine)?
        .into_iter()
        .filter(|row| {
            let listed = keys.contains(&row.key);
            let filtered = filters
                && point_state(row) == PointState::Open
                && same(&selection.list, &row.source_list)
                && same(&selection.township, &row.township)
                && same(&selection.waterbody, &row.waterbody)
                && selection.collection.is_none_or(|collection| collection == row.collection);
            listed || filtered
        })
        .collect();
    if rows.is_empty() {
        return Err(CommandError::user("no open point fits")
            .hint("`outlet-server coverage --by township` shows where points are open"));
    }
    Ok(rows)
}

/// `assign list --json`.
#[derive(Serialize)]
struct Load {
    person: PersonId,
    name: String,
    task: String,
    assigned: u64,
    open: u64,
    due: Option<Day>,
    overdue: u64,
}

fn list(engine: &Engine, ui: &mut Ui) -> Outcome {
    let entries = engine.reference_entries(&reference_key("assignments", "assignments"))?;
    let open: BTreeSet<OutletId> = report::current_rows(engine)?
        .iter()
        .filter(|row| point_state(row) == PointState::Open)
        .map(|row| row.id)
        .collect();
    let today = engine.folder.now().day_in_shanghai();
    let mut loads: BTreeMap<(PersonId, String), Load> = BTreeMap::new();
    for task in assigned(&entries) {
        let Some(person) = task.assignment.to else { continue };
        let kind = task.assignment.task.clone();
        let load = loads.entry((person, kind.clone())).or_insert_with(|| Load {
            person,
            name: task.assignment.name.clone().unwrap_or_default(),
            task: kind,
            assigned: 0,
            open: 0,
            due: None,
            overdue: 0,
        });
        load.assigned += 1;
        if open.contains(&task.outlet) {
            load.open += 1;
            load.due = match (load.due, task.assignment.due) {
                (Some(one), Some(other)) => Some(one.min(other)),
                (one, other) => one.or(other),
            };
            load.overdue += u64::from(task.assignment.due.is_some_and(|due| due < today));
        }
    }
    let loads: Vec<Load> = loads.into_values().collect();
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
