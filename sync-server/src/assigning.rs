//! Records handed to inspectors: which ones, to whom, until when. One reference document holds all
//! assignments; its own order says which of two of a record is the later.

use std::collections::{BTreeMap, BTreeSet};

use outlet_core::domain::reference::{Assignment, ReferenceEntry};
use outlet_core::ids::{Collection, DocKey, OutletId, PersonId};
use outlet_core::ledger::LedgerRow;
use outlet_core::time::Day;
use outlet_core::worklist::{PointState, assigned, point_state};
use serde::Serialize;

use crate::db::{DbError, devices};
use crate::engine::{Engine, EngineError, reference_key};
use crate::report;

/// Records of one entry: well below the limit of a change.
const PER_ENTRY: usize = 1_000;
/// Entries of one change.
const PER_CHANGE: usize = 4;

/// What can be asked of a person, as documents write it.
pub const TASKS: [&str; 4] = ["survey", "level_3", "inspection", "sampling"];

/// Which records: those named, and all open points that every filter keeps.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Selection {
    /// Named one by one.
    pub outlets: BTreeSet<DocKey>,
    /// List that they were imported with.
    pub list: Option<String>,
    /// Township, as the ledger names it.
    pub township: Option<String>,
    /// River.
    pub waterbody: Option<String>,
    /// County.
    pub collection: Option<Collection>,
}

impl Selection {
    /// Does it filter at all?
    #[must_use]
    pub fn filters(&self) -> bool {
        self.list.is_some() || self.township.is_some() || self.waterbody.is_some() || self.collection.is_some()
    }

    /// Is a row among them?
    #[must_use]
    pub fn takes(&self, row: &LedgerRow) -> bool {
        let same = |wanted: &Option<String>, found: &Option<String>| wanted.is_none() || wanted == found;
        let filtered = self.filters()
            && point_state(row) == PointState::Open
            && same(&self.list, &row.source_list)
            && same(&self.township, &row.township)
            && same(&self.waterbody, &row.waterbody)
            && self.collection.is_none_or(|collection| collection == row.collection);
        self.outlets.contains(&row.key) || filtered
    }
}

/// What is asked, of whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    /// Person and name; nobody takes the records back.
    pub to: Option<(PersonId, String)>,
    /// One of [`TASKS`].
    pub task: String,
    /// Until when.
    pub due: Option<Day>,
    /// For the person.
    pub note: Option<String>,
    /// Who decides it.
    pub by: String,
}

/// Somebody who may be handed work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// Id, as in their certificates.
    pub id: PersonId,
    /// Name on the ticket.
    pub name: String,
    /// Counties that their devices read.
    pub collections: BTreeSet<Collection>,
}

/// Everybody with a device that is not revoked, by name.
///
/// # Errors
/// When the database refuses.
pub fn persons(engine: &Engine) -> Result<Vec<Person>, EngineError> {
    let members = engine.database().read::<_, DbError>(|tx| devices::members(tx))?;
    let mut found: BTreeMap<PersonId, Person> = BTreeMap::new();
    for member in members.into_iter().filter(|member| member.revoked_at.is_none()) {
        let grant = member.grant;
        let fresh = Person { id: grant.person, name: grant.name, collections: BTreeSet::new() };
        found.entry(grant.person).or_insert(fresh).collections.extend(grant.collections);
    }
    let mut persons: Vec<Person> = found.into_values().collect();
    persons.sort_by(|one, other| one.name.cmp(&other.name).then(one.id.cmp(&other.id)));
    Ok(persons)
}

/// The rows of a selection.
///
/// # Errors
/// When the database refuses.
pub fn selected(engine: &Engine, selection: &Selection) -> Result<Vec<LedgerRow>, EngineError> {
    Ok(report::current_rows(engine)?.into_iter().filter(|row| selection.takes(row)).collect())
}

/// Counties of the rows that the person may not read: to them nothing is assigned there.
#[must_use]
pub fn foreign(person: &Person, rows: &[LedgerRow]) -> BTreeSet<Collection> {
    rows.iter().map(|row| row.collection).filter(|county| !person.collections.contains(county)).collect()
}

/// Writes the order for these rows; devices have it after their next sync.
///
/// # Errors
/// When the document cannot be written.
pub fn write(engine: &Engine, rows: &[LedgerRow], order: &Order) -> Result<BTreeSet<Collection>, EngineError> {
    let mut by_county: BTreeMap<Collection, Vec<OutletId>> = BTreeMap::new();
    for row in rows {
        by_county.entry(row.collection).or_default().push(row.id);
    }
    let at = engine.folder.now();
    let mut entries = Vec::new();
    for (collection, outlets) in &by_county {
        entries.extend(outlets.chunks(PER_ENTRY).map(|outlets| {
            ReferenceEntry::Assignment(Assignment {
                to: order.to.as_ref().map(|(person, _)| *person),
                name: order.to.as_ref().map(|(_, name)| name.clone()),
                collection: *collection,
                outlets: outlets.to_vec(),
                task: order.task.clone(),
                due: order.due,
                note: order.note.clone(),
                by: order.by.clone(),
                at,
            })
        }));
    }
    for part in entries.chunks(PER_CHANGE) {
        engine.write_reference(reference_key("assignments", "assignments"), part)?;
    }
    Ok(by_county.into_keys().collect())
}

/// What somebody has to do. `assign list --json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Load {
    /// Who.
    pub person: PersonId,
    /// Name.
    pub name: String,
    /// One of [`TASKS`].
    pub task: String,
    /// Records handed over.
    pub assigned: u64,
    /// Of these, not visited yet.
    pub open: u64,
    /// The next day on which something of it is due.
    pub due: Option<Day>,
    /// Open ones whose day has passed.
    pub overdue: u64,
}

/// Who has what, of the counties that `covers` keeps.
///
/// # Errors
/// When the database refuses.
pub fn loads(engine: &Engine, covers: impl Fn(Collection) -> bool) -> Result<Vec<Load>, EngineError> {
    let entries = engine.reference_entries(&reference_key("assignments", "assignments"))?;
    let rows = report::current_rows(engine)?;
    let open: BTreeSet<OutletId> =
        rows.iter().filter(|row| point_state(row) == PointState::Open).map(|row| row.id).collect();
    let today = engine.folder.now().day_in_shanghai();
    let mut loads: BTreeMap<(PersonId, String), Load> = BTreeMap::new();
    for task in assigned(&entries).into_iter().filter(|task| covers(task.assignment.collection)) {
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
    Ok(loads.into_values().collect())
}
