//! `coverage` and `inspections`.

use outlet_core::ids::DocKey;
use outlet_core::ledger::LifeCycle;
use outlet_core::time::Day;
use outlet_core::worklist::{CoverageBy, CoverageRow, Due, DueState, ReachCoverage, coverage as cover, due, walked};
use serde::Serialize;

use super::Outcome;
use super::ledger::word;
use crate::cli::worklist::{CoverageArg, InspectionsCommand};
use crate::engine::Engine;
use crate::error::{CommandError, Exit};
use crate::report;
use crate::ui::{self, Ui};

pub(super) fn coverage(by: CoverageArg, engine: &Engine, ui: &mut Ui) -> Outcome {
    let by = match by {
        CoverageArg::Township => CoverageBy::Township,
        CoverageArg::River => CoverageBy::Waterbody,
        CoverageArg::County => CoverageBy::County,
        CoverageArg::List => CoverageBy::List,
        CoverageArg::Walks => return walks(engine, ui),
    };
    let rows = cover(&report::current_rows(engine)?, by);
    ui.show(&rows, |rows| {
        let line = |row: &CoverageRow| {
            let counts = [row.points, row.surveyed, row.not_an_outlet, row.needs_level_3, row.elsewhere, row.open];
            std::iter::once(row.group.clone()).chain(counts.map(|count| count.to_string())).collect()
        };
        let head = ["group", "points", "surveyed", "not an outlet", "level 3", "elsewhere", "open"];
        ui::table(&head, &rows.iter().map(line).collect::<Vec<_>>())
    })?;
    Ok(Exit::Ok)
}

fn walks(engine: &Engine, ui: &mut Ui) -> Outcome {
    let scope = engine.walk_scope()?.map_err(|error| CommandError::user(error.to_string()))?;
    let lines = walked(&scope, &engine.walks(|_| true)?);
    if lines.iter().all(|line| line.scope_m.is_none()) {
        ui.note("no reaches are in scope: load them with `outlet-server load-reference` (see fixtures/schedules/walk-scope.toml)");
    }
    ui.show(&lines, |lines| {
        let line = |line: &ReachCoverage| {
            vec![
                line.waterbody.clone(),
                line.reach.clone(),
                line.bank.clone(),
                line.scope_m.map_or_else(|| "-".to_owned(), |scope| format!("{scope:.0} m")),
                format!("{:.0} m", line.walked_m),
                line.share().map_or_else(|| "-".to_owned(), |share| format!("{share:.1} %")),
                line.walks.to_string(),
                line.nothing_found.to_string(),
                line.found.to_string(),
                line.last_on.map(|day| day.to_string()).unwrap_or_default(),
            ]
        };
        let head = ["river", "reach", "bank", "in scope", "walked", "share", "walks", "nothing found", "found", "last"];
        ui::table(&head, &lines.iter().map(line).collect::<Vec<_>>())
    })?;
    Ok(Exit::Ok)
}

/// `inspections due --json`.
#[derive(Serialize)]
struct DueLine {
    #[serde(flatten)]
    due: Due,
    name: Option<String>,
    township: Option<String>,
}

/// `inspections proposals --json`.
#[derive(Serialize)]
struct Proposal {
    outlet: DocKey,
    name: Option<String>,
    state: LifeCycle,
    observed_on: Day,
    permit_limits: Option<serde_json::Value>,
}

pub(super) fn inspections(command: &InspectionsCommand, engine: &Engine, ui: &mut Ui) -> Outcome {
    match command {
        InspectionsCommand::Due { on, ahead, overdue } => {
            let today = on.unwrap_or_else(|| engine.folder.now().day_in_shanghai());
            due_list(engine, today, *ahead, *overdue, ui)
        }
        InspectionsCommand::Proposals => proposals(engine, ui),
    }
}

fn due_list(engine: &Engine, today: Day, ahead: i64, overdue: bool, ui: &mut Ui) -> Outcome {
    let schedule = engine.inspection_schedule()?.ok_or_else(|| {
        CommandError::user("no schedule of inspections is loaded, so nothing can be due")
            .hint("write one like fixtures/schedules/inspections.toml and load it with `outlet-server load-reference`")
    })?;
    let schedule = schedule.map_err(|error| CommandError::user(error.to_string()))?;
    let reference = engine.database().read(|tx| engine.reference(tx))?;
    let mut lines = Vec::new();
    for row in report::current_rows(engine)? {
        for due in due(&row, &schedule, &reference.dictionaries, today, ahead) {
            let wanted = due.state == DueState::Overdue || (!overdue && due.state == DueState::Due);
            if wanted {
                lines.push(DueLine { due, name: row.name.clone(), township: row.township.clone() });
            }
        }
    }
    lines.sort_by_key(|line| (line.due.on, line.due.outlet, line.due.kind));
    ui.show(&lines, |lines| {
        let line = |line: &DueLine| {
            vec![
                line.due.outlet.id.to_string(),
                word(&line.due.kind),
                line.due.on.to_string(),
                word(&line.due.state),
                line.due.days.to_string(),
                line.due.last.map_or_else(|| "never".to_owned(), |day| day.to_string()),
                line.name.clone().unwrap_or_default(),
            ]
        };
        ui::table(
            &["outlet", "what", "due", "state", "days", "last", "name"],
            &lines.iter().map(line).collect::<Vec<_>>(),
        )
    })?;
    Ok(Exit::Ok)
}

fn proposals(engine: &Engine, ui: &mut Ui) -> Outcome {
    let rows = report::current_rows(engine)?;
    let mut proposals: Vec<Proposal> = rows
        .into_iter()
        .filter_map(|row| {
            Some(Proposal {
                outlet: row.key,
                observed_on: row.reopen_proposed_on?,
                name: row.name,
                state: row.state,
                permit_limits: row.permit_limits,
            })
        })
        .collect();
    proposals.sort_by_key(|proposal| proposal.observed_on);
    ui.show(&proposals, |proposals| {
        let line = |proposal: &Proposal| {
            let name = proposal.name.clone().unwrap_or_default();
            vec![proposal.outlet.id.to_string(), word(&proposal.state), proposal.observed_on.to_string(), name]
        };
        ui::table(&["outlet", "state", "observed", "name"], &proposals.iter().map(line).collect::<Vec<_>>())
    })?;
    Ok(Exit::Ok)
}
