//! When an outlet is to be inspected (日常检查) and sampled (监督性监测): intervals by type, as data.

use serde::{Deserialize, Serialize};

use crate::domain::dictionary::{Dictionaries, type_dictionary};
use crate::ids::DocKey;
use crate::ledger::{LedgerRow, LifeCycle};
use crate::time::Day;

const FORMAT: u32 = 1;

/// Why a schedule is refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ScheduleError {
    /// Not TOML, or not of this shape.
    #[error("the schedule of inspections cannot be read: {0}")]
    Syntax(#[source] Box<toml::de::Error>),
    /// Of a later format.
    #[error("the schedule of inspections has format {0}, this version reads format {FORMAT}")]
    Format(u32),
    /// A rule without types or intervals.
    #[error("rule {0} of the schedule names no type or no interval of at least a day")]
    Rule(usize),
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Rule {
    /// Type codes; a rule holds for all types below them; `*` = every type.
    types: Vec<String>,
    #[serde(default)]
    routine_days: Option<u32>,
    #[serde(default)]
    supervisory_days: Option<u32>,
    /// After closure: looks whether a sealed mouth discharges again.
    #[serde(default)]
    closed_days: Option<u32>,
    #[serde(default = "enabled")]
    enabled: bool,
    /// Where the interval comes from, for whoever reads the file.
    source: String,
}

fn enabled() -> bool {
    true
}

/// Intervals by type.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Schedule {
    /// Version of the file.
    pub version: String,
    rules: Vec<Rule>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ScheduleFile {
    format: u32,
    #[serde(default)]
    #[expect(dead_code, reason = "names the kind of the file for whoever loads it")]
    kind: Option<String>,
    #[serde(default)]
    #[expect(dead_code, reason = "names the data set for whoever loads it")]
    name: Option<String>,
    version: String,
    #[serde(rename = "rule")]
    rules: Vec<Rule>,
}

impl Schedule {
    /// Reads a schedule.
    ///
    /// # Errors
    /// [`ScheduleError`].
    pub fn parse(text: &str) -> Result<Self, ScheduleError> {
        let file: ScheduleFile = toml::from_str(text).map_err(|error| ScheduleError::Syntax(Box::new(error)))?;
        if file.format != FORMAT {
            return Err(ScheduleError::Format(file.format));
        }
        for (number, rule) in (1..).zip(&file.rules) {
            let intervals = [rule.routine_days, rule.supervisory_days, rule.closed_days];
            let given = intervals.iter().flatten().count();
            if rule.types.is_empty() || given == 0 || intervals.contains(&Some(0)) {
                return Err(ScheduleError::Rule(number));
            }
        }
        Ok(Self { version: file.version, rules: file.rules })
    }

    /// The first rule that names the type or one above it.
    fn rule(&self, row: &LedgerRow, dictionaries: &Dictionaries) -> Option<&Rule> {
        let code = row.outlet_type.as_deref().unwrap_or("undetermined");
        let scheme = type_dictionary(row.type_scheme.as_deref().unwrap_or("hj1312_2023"));
        let line: Vec<&str> =
            dictionaries.ancestry(&scheme, code).into_iter().map(|term| term.code.as_str()).chain([code]).collect();
        let fits = |rule: &&Rule| rule.types.iter().any(|name| name == "*" || line.contains(&name.as_str()));
        self.rules.iter().filter(|rule| rule.enabled).find(fits)
    }
}

/// What is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum DueKind {
    /// 日常检查.
    Routine,
    /// 监督性监测.
    Supervisory,
}

/// How near it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum DueState {
    /// The day has passed.
    Overdue,
    /// Within the days asked for.
    Due,
    /// Later.
    Later,
}

/// One inspection that is to come.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Due {
    /// Key of the field record.
    pub outlet: DocKey,
    /// Which.
    pub kind: DueKind,
    /// The day.
    pub on: Day,
    /// How near.
    pub state: DueState,
    /// Days overdue (negative: days left).
    pub days: i64,
    /// The last one; nothing if there was none.
    pub last: Option<Day>,
}

/// What is due at an outlet on a day, looking `ahead` days forward. An outlet that was never
/// inspected counts from its acceptance, else its decision, else its survey.
#[must_use]
pub fn due(row: &LedgerRow, schedule: &Schedule, dictionaries: &Dictionaries, today: Day, ahead: i64) -> Vec<Due> {
    let Some(rule) = schedule.rule(row, dictionaries) else { return Vec::new() };
    let closed = row.state == LifeCycle::Closed;
    let beginning = row.accepted_on.or(row.decided_on).or(row.surveyed_on);
    let watched = !matches!(
        row.state,
        LifeCycle::Suspected
            | LifeCycle::NeedsLevel3
            | LifeCycle::NotAnOutlet
            | LifeCycle::Surveying
            | LifeCycle::Duplicate
            | LifeCycle::Moved
    );
    if !watched {
        return Vec::new();
    }
    let routine = if closed { rule.closed_days } else { rule.routine_days };
    let supervisory = rule.supervisory_days.filter(|_| !closed);
    let kinds = [(DueKind::Routine, routine, row.inspected_on), (DueKind::Supervisory, supervisory, row.supervised_on)];
    kinds
        .into_iter()
        .filter_map(|(kind, interval, last)| {
            let from = last.max(beginning)?;
            let on = Day::from_epoch_days(from.epoch_days() + i64::from(interval?));
            let days = today.epoch_days() - on.epoch_days();
            let state = match days {
                1.. => DueState::Overdue,
                _ if -days <= ahead => DueState::Due,
                _ => DueState::Later,
            };
            Some(Due { outlet: row.key, kind, on, state, days, last })
        })
        .collect()
}
