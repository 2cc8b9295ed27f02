//! `outlet tasks`: what this person is to visit, nearest first.

use clap::Args;
use outlet_core::doc::facts;
use outlet_core::domain::field::FieldEntry;
use outlet_core::domain::reference::ReferenceEntry;
use outlet_core::geo::GeoPoint;
use outlet_core::ids::{DocKey, DocKind, OutletId};
use outlet_core::store::Store as _;
use outlet_core::time::Day;
use outlet_core::worklist::assigned;
use serde::Serialize;

use super::Outcome;
use crate::context::Context;
use crate::error::Result;

/// List the records assigned to you that are still to be visited.
///
/// With --near the nearest come first; without, those due first. `outlet sync` brings new ones.
/// A task is done when the record has a visit (`outlet survey`), is decided or proposed as no
/// outlet (`outlet not-an-outlet`), or needs level 3 (`outlet edit ID --state needs_level_3`).
///
/// Example:
///   outlet tasks --near 106.7692,31.8510 --limit 20
///   outlet tasks --all --json
///
/// JSON: [{"id", "temporary_number", "name", "lon", "lat", "township", "waterbody", "task", "due",
/// "note", "done", "here", "distance_m" with --near}]; `here` is false for a record that this
/// device has not received yet
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct TasksArgs {
    /// Where you are: LON,LAT.
    #[arg(long, value_name = "LON,LAT")]
    near: Option<String>,
    /// Those that are done too.
    #[arg(long)]
    all: bool,
    /// At most so many.
    #[arg(long, default_value_t = 100)]
    limit: usize,
}

#[derive(Serialize)]
struct Line {
    id: OutletId,
    temporary_number: Option<String>,
    name: Option<String>,
    lon: Option<f64>,
    lat: Option<f64>,
    township: Option<String>,
    waterbody: Option<String>,
    task: String,
    due: Option<Day>,
    note: Option<String>,
    done: bool,
    here: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    distance_m: Option<f64>,
}

/// Runs `outlet tasks`.
pub(crate) fn run(ctx: &mut Context<'_>, args: &TasksArgs) -> Result<Outcome> {
    let near = args.near.as_deref().map(crate::input::place::pair).transpose()?;
    let own = ctx.member()?.person;
    let entries = ctx.reference_entries()?;
    let mut lines = Vec::new();
    for task in assigned(&entries).into_iter().filter(|task| task.assignment.to == Some(own)) {
        let key = DocKey { kind: DocKind::Field, collection: task.collection, id: task.outlet };
        let row = ctx.workspace()?.row(&key)?;
        let done = row.is_some() && is_done(ctx, &key, &task.assignment.task)?;
        if done && !args.all {
            continue;
        }
        let point = row.as_ref().and_then(crate::workspace::Row::point);
        let distance_m =
            near.zip(point).map(|(here, there): (GeoPoint, GeoPoint)| (here.distance_m(there) * 10.0).round() / 10.0);
        lines.push(Line {
            id: task.outlet,
            here: row.is_some(),
            temporary_number: row.as_ref().and_then(|row| row.temporary_number.clone()),
            name: row.as_ref().and_then(|row| row.name.clone()),
            lon: row.as_ref().and_then(|row| row.lon),
            lat: row.as_ref().and_then(|row| row.lat),
            township: row.as_ref().and_then(|row| row.township.clone()),
            waterbody: row.and_then(|row| row.waterbody),
            task: task.assignment.task.clone(),
            due: task.assignment.due,
            note: task.assignment.note.clone(),
            done,
            distance_m,
        });
    }
    // What has no place goes behind what has one, and what has no due date behind what has one.
    lines.sort_by(|a, b| {
        let distance = |line: &Line| line.distance_m.unwrap_or(f64::INFINITY);
        let due = |line: &Line| (line.due.is_none(), line.due);
        distance(a).total_cmp(&distance(b)).then_with(|| due(a).cmp(&due(b))).then_with(|| a.id.cmp(&b.id))
    });
    let total = lines.len();
    lines.truncate(args.limit);
    if ctx.ui.json {
        ctx.ui.data(&lines)?;
        return Ok(Outcome::Done);
    }
    for line in &lines {
        let distance = line.distance_m.map_or_else(String::new, |metres| format!("{metres:>9.1} m  "));
        let name = line.name.as_deref().or(line.temporary_number.as_deref()).unwrap_or("-");
        let due = line.due.map_or_else(String::new, |due| format!("  until {due}"));
        let place = line.township.as_deref().unwrap_or("-");
        let state = if !line.here {
            "  not received yet: outlet sync"
        } else if line.done {
            "  done"
        } else {
            ""
        };
        ctx.ui.line(format!("{distance}{}  {}  {name}  {place}{due}{state}", line.id, line.task))?;
    }
    ctx.ui.status(format!("{} of {total} tasks shown.", lines.len()));
    Ok(Outcome::Done)
}

/// Has somebody done it, as far as this device knows?
fn is_done(ctx: &mut Context<'_>, key: &DocKey, task: &str) -> Result<bool> {
    let Some(document) = ctx.document(key)? else { return Ok(false) };
    let entries = document.entries();
    let current = facts(&entries);
    let state = current.get(outlet_core::domain::field::fact::STATE);
    let states: Vec<&str> = state.into_iter().flatten().filter_map(|fact| fact.value.as_str()).collect();
    if states.contains(&"not_an_outlet") || (task != "level_3" && states.contains(&"needs_level_3")) {
        return Ok(true);
    }
    Ok(entries.iter().filter_map(|entry| entry.parse().ok()).any(|entry| match entry {
        FieldEntry::Survey(survey) => match task {
            "survey" => true,
            "level_3" => survey.level == Some(3),
            _ => false,
        },
        FieldEntry::Inspection(inspection) => match task {
            "inspection" => inspection.kind == "routine",
            "sampling" => inspection.kind == "supervisory",
            _ => false,
        },
        FieldEntry::Sample(_) => task == "sampling",
        _ => false,
    }))
}

impl Context<'_> {
    /// All entries of the reference documents on this device.
    pub(crate) fn reference_entries(&mut self) -> Result<Vec<ReferenceEntry>> {
        let workspace = self.workspace()?;
        let keys = workspace.store().keys(DocKind::Reference)?;
        let mut entries = Vec::new();
        for key in keys {
            let document = self.document(&key)?;
            let texts = document.map(|document| document.entries()).unwrap_or_default();
            entries.extend(texts.iter().filter_map(|entry| entry.parse().ok()));
        }
        Ok(entries)
    }
}
