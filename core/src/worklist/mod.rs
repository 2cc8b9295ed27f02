//! Lists of work: what every suspected point has come to (有口皆查, 应查尽查), how much bank was
//! walked, and which inspections are due. Pure functions over ledger rows and entries.

mod coverage;
mod limits;
mod schedule;
mod tasks;
#[cfg(test)]
mod tests;
mod walks;

pub use coverage::{Coverage, CoverageBy, CoverageRow, PointState, coverage, point_state};
pub use limits::{LimitError, exceeded, parse_limit};
pub use schedule::{Due, DueKind, DueState, Schedule, ScheduleError, due};
pub use tasks::{Task, assigned};
pub use walks::{ReachCoverage, ScopeError, WalkScope, walked};
