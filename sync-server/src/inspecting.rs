//! Routine inspections (日常检查) and supervisory sampling (监督性监测): what is due by the schedule of
//! types, and where a bad result proposes to re-open an outlet. Results are recorded on a device
//! (`outlet inspect`), re-opening is a supervisor's decision.

use outlet_core::ids::DocKey;
use outlet_core::ledger::{LedgerRow, LifeCycle};
use outlet_core::time::Day;
use outlet_core::worklist::{Due, DueState, ScheduleError, due};
use serde::Serialize;

use crate::engine::{Engine, EngineError};
use crate::inventory::Scope;
use crate::report;

/// Days to look ahead unless something else is asked.
pub const AHEAD: i64 = 7;
/// Most days to look ahead: ten years.
pub const MOST_AHEAD: i64 = 3_660;

/// Why nothing can be due.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InspectingError {
    /// No schedule is loaded.
    #[error("no schedule of inspections is loaded, so nothing can be due")]
    NoSchedule,
    /// The schedule that is loaded cannot be used.
    #[error(transparent)]
    Schedule(#[from] ScheduleError),
    /// The database, or a document.
    #[error(transparent)]
    Engine(#[from] EngineError),
}

/// Something that is due or overdue. `inspections due --json`.
#[derive(Debug, Clone, Serialize)]
pub struct DueLine {
    /// Outlet, kind, day, state, days, the last one.
    #[serde(flatten)]
    pub due: Due,
    /// Name of the outlet.
    pub name: Option<String>,
    /// Township.
    pub township: Option<String>,
}

/// An outlet whose inspection was bad. `inspections proposals --json`.
#[derive(Debug, Clone, Serialize)]
pub struct Proposal {
    /// The outlet.
    pub outlet: DocKey,
    /// Its name.
    pub name: Option<String>,
    /// Its state.
    pub state: LifeCycle,
    /// Day of the inspection.
    pub observed_on: Day,
    /// Limits of the permit, as recorded.
    pub permit_limits: Option<serde_json::Value>,
}

/// What is due within `ahead` days and what is overdue, the most overdue first, and the version of the
/// schedule.
///
/// # Errors
/// [`InspectingError`].
pub fn due_lines(
    engine: &Engine,
    scope: &Scope,
    today: Day,
    ahead: i64,
) -> Result<(String, Vec<DueLine>), InspectingError> {
    let schedule = engine.inspection_schedule()?.ok_or(InspectingError::NoSchedule)??;
    let reference = engine.database().read(|tx| engine.reference(tx))?;
    let mut lines = Vec::new();
    report::parts_of(engine, scope, None, None, |part| {
        for row in part {
            for due in due(row, &schedule, &reference.dictionaries, today, ahead) {
                if matches!(due.state, DueState::Overdue | DueState::Due) {
                    lines.push(DueLine { due, name: row.name.clone(), township: row.township.clone() });
                }
            }
        }
        Ok::<_, EngineError>(true)
    })?;
    lines.sort_by_key(|line| (line.due.on, line.due.outlet, line.due.kind));
    Ok((schedule.version, lines))
}

/// Outlets whose inspection was bad and whose re-opening nobody has decided (T17), the oldest first.
///
/// # Errors
/// When the database refuses.
pub fn proposals(engine: &Engine, scope: &Scope) -> Result<Vec<Proposal>, EngineError> {
    let proposal = |row: &LedgerRow| {
        Some(Proposal {
            outlet: row.key,
            observed_on: row.reopen_proposed_on?,
            name: row.name.clone(),
            state: row.state,
            permit_limits: row.permit_limits.clone(),
        })
    };
    let mut proposals = Vec::new();
    report::parts_of(engine, scope, None, None, |part| {
        proposals.extend(part.iter().filter_map(proposal));
        Ok::<_, EngineError>(true)
    })?;
    proposals.sort_by_key(|proposal| (proposal.observed_on, proposal.outlet));
    Ok(proposals)
}
