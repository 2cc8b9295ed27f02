//! Assessment (考核) of a milestone: per reporting unit what it reached, what is missing and whose,
//! how late, with which evidence, which extensions, and to whom it is addressed (lifecycle.md 1.5).

use serde::{Deserialize, Serialize};

use super::grade::Reading;
use super::lines::{OutletLine, lines};
use super::outcome::OutletState;
use super::progress::{GroupBy, GroupState, ProgressRow, TableInput, UNKNOWN_GROUP, progress};
use super::set::Milestone;
use crate::time::Day;

/// An assessed unit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct UnitAssessment {
    /// Code of the unit.
    pub unit: String,
    /// 县（区）人民政府 or 经开区管委会: never the collection, never the branch bureau.
    pub addressee: String,
    /// Behind or late: for 通报、约谈.
    pub late: bool,
    /// In a word or two, such as `late by 44 days` or `behind by 3 outlets`.
    pub verdict: String,
    /// The official reading.
    pub headline: ProgressRow,
    /// The other reading.
    pub beside: ProgressRow,
    /// Outlets a week that are needed to reach the target by the due date; none once it is reached
    /// or the day has passed.
    pub pace_needed_per_week: Option<f64>,
    /// Outlets done a week over the last 28 days.
    pub pace_per_week: f64,
    /// Outlets that are open, with what is missing.
    pub missing: Vec<OutletLine>,
    /// Outlets that were done after the due date.
    pub done_late: Vec<OutletLine>,
    /// Outlets with an extension, done or not.
    pub extended: Vec<OutletLine>,
}

/// The assessment of one milestone.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Assessment {
    /// The milestone.
    pub milestone: String,
    /// Its title.
    pub title: String,
    /// Due date.
    pub due: Day,
    /// As of.
    pub as_of: Day,
    /// Set and version.
    pub set: String,
    /// Legal source.
    pub source: String,
    /// The whole area: the union, not the mean.
    pub area: ProgressRow,
    /// Each unit by itself, by code.
    pub units: Vec<UnitAssessment>,
}

/// Assesses each reporting unit by itself. `name` gives the name of a unit's code.
#[must_use]
pub fn assess(input: TableInput<'_>, milestone: &Milestone, name: &dyn Fn(&str) -> String) -> Assessment {
    let official = input.set.headline.reading;
    let rows: Vec<ProgressRow> =
        progress(input, GroupBy::Unit).into_iter().filter(|row| row.milestone == milestone.id).collect();
    let row = |group: &str, headline: bool| rows.iter().find(|row| row.group == group && row.headline == headline);
    let mut units: Vec<&str> =
        rows.iter().map(|row| row.group.as_str()).filter(|unit| *unit != input.set.area).collect();
    units.sort_unstable();
    units.dedup();
    let of_unit = |unit: &str| {
        let headline = row(unit, true).or_else(|| row(unit, false))?.clone();
        let beside = row(unit, false).or_else(|| row(unit, true))?.clone();
        Some(one(input, milestone, (unit, addressee(unit, name)), official, (headline, beside)))
    };
    Assessment {
        milestone: milestone.id.clone(),
        title: milestone.title.clone(),
        due: milestone.due,
        as_of: input.as_of,
        set: format!("{}@{}", input.set.id, input.set.version),
        source: milestone.source.clone(),
        area: row(&input.set.area, true)
            .cloned()
            .unwrap_or_else(|| unreachable!("the table has a row of the whole area")),
        units: units.into_iter().filter_map(of_unit).collect(),
    }
}

fn one(
    input: TableInput<'_>,
    milestone: &Milestone,
    (unit, addressee): (&str, String),
    official: Reading,
    (headline, beside): (ProgressRow, ProgressRow),
) -> UnitAssessment {
    let all = lines(input, milestone, official, GroupBy::Unit, (Some(unit), None));
    let is = |line: &&OutletLine, figure: &str| line.figures.iter().any(|own| own == figure);
    let pick = |figure: &str| -> Vec<OutletLine> { all.iter().filter(|line| is(line, figure)).cloned().collect() };
    let since = input.as_of.plus_days(-28);
    let recent = all.iter().filter(|line| line.done && line.date.is_some_and(|date| date > since)).count();
    let late = matches!(headline.state, GroupState::Late | GroupState::Behind | GroupState::DocumentsMissing)
        && input.as_of > milestone.due;
    UnitAssessment {
        unit: unit.to_owned(),
        addressee,
        late,
        verdict: verdict(&headline, milestone, input.as_of),
        pace_needed_per_week: pace(headline.needs, milestone.due.days_since(input.as_of)),
        pace_per_week: tenths(recent, 4),
        missing: pick("open"),
        done_late: all.iter().filter(|line| matches!(line.state, OutletState::Late { .. })).cloned().collect(),
        extended: pick("extended"),
        headline,
        beside,
    }
}

/// 县（区）人民政府 or 经开区管委会.
fn addressee(unit: &str, name: &dyn Fn(&str) -> String) -> String {
    let name = name(unit);
    match name.as_str() {
        _ if unit == UNKNOWN_GROUP => "管理单元未填".to_owned(),
        zone if zone.ends_with("开发区") || zone.ends_with("经开区") => format!("{name}管委会"),
        _ => format!("{name}人民政府"),
    }
}

fn verdict(row: &ProgressRow, milestone: &Milestone, as_of: Day) -> String {
    match row.state {
        GroupState::OnTime => "on time".to_owned(),
        GroupState::Late => format!("late by {}", days(row.late_days.unwrap_or_default())),
        GroupState::Behind => {
            format!("behind by {}, {} after the date", outlets(row.needs), days(as_of.days_since(milestone.due)))
        }
        GroupState::Open => format!("needs {} more in {}", row.needs, days(milestone.due.days_since(as_of))),
        GroupState::DocumentsMissing => {
            format!(
                "the share is reached, what is not sealed is the {}",
                row.unsealed().join(" and the ").replace('_', " ")
            )
        }
        GroupState::ScaleUndetermined => {
            format!("the share is reached, the scale of {} is not determined", outlets(row.scale_undetermined))
        }
        GroupState::NotApplicable => "not applicable: no outlet counts".to_owned(),
    }
}

fn outlets(count: usize) -> String {
    if count == 1 { "1 outlet".to_owned() } else { format!("{count} outlets") }
}

fn days(count: i64) -> String {
    if count == 1 { "1 day".to_owned() } else { format!("{count} days") }
}

fn pace(needs: usize, days_left: i64) -> Option<f64> {
    let days = usize::try_from(days_left).ok().filter(|days| *days > 0 && needs > 0)?;
    // Rounded up: with less than this a week the target is missed.
    let per_week = (needs * 70).div_ceil(days);
    Some(tenths(per_week, 10))
}

#[expect(clippy::cast_precision_loss, reason = "counts of outlets")]
fn tenths(count: usize, by: usize) -> f64 {
    (count as f64 * 10.0 / by as f64).round() / 10.0
}
