//! `coverage` and `inspections`.

use outlet_core::time::Day;
use outlet_core::worklist::{CoverageBy, CoverageRow, DueState, ReachCoverage, coverage as cover, walked};

use super::Outcome;
use super::ledger::word;
use crate::cli::worklist::{CoverageArg, InspectionsCommand};
use crate::engine::Engine;
use crate::error::{CommandError, Exit};
use crate::inspecting::{self, DueLine, InspectingError, Proposal};
use crate::inventory::Scope;
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

impl From<InspectingError> for CommandError {
    fn from(error: InspectingError) -> Self {
        match error {
            InspectingError::Engine(error) => error.into(),
            InspectingError::NoSchedule => Self::user(error.to_string()).hint(
                "write one like fixtures/schedules/inspections.toml and load it with `outlet-server load-reference`",
            ),
            InspectingError::Schedule(_) => Self::user(error.to_string()),
        }
    }
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
    let (_, mut lines) = inspecting::due_lines(engine, &Scope::everything(), today, ahead)?;
    lines.retain(|line| !overdue || line.due.state == DueState::Overdue);
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
    let proposals = inspecting::proposals(engine, &Scope::everything())?;
    ui.show(&proposals, |proposals| {
        let line = |proposal: &Proposal| {
            let name = proposal.name.clone().unwrap_or_default();
            vec![proposal.outlet.id.to_string(), word(&proposal.state), proposal.observed_on.to_string(), name]
        };
        ui::table(&["outlet", "state", "observed", "name"], &proposals.iter().map(line).collect::<Vec<_>>())
    })?;
    Ok(Exit::Ok)
}
