//! What has become of suspected points, by place.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::ledger::{LedgerRow, LifeCycle};

/// How a suspected point ends, or that it has not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum PointState {
    /// Nobody has been there, or the visit is not complete.
    Open,
    /// Visited: an outlet.
    Surveyed,
    /// 非排口, with its reason.
    NotAnOutlet,
    /// 三级排查.
    #[serde(rename = "needs_level_3")]
    NeedsLevel3,
    /// Another record has it (重复, or moved to another county).
    Elsewhere,
}

/// What a suspected point has come to.
#[must_use]
pub fn point_state(row: &LedgerRow) -> PointState {
    match row.state {
        LifeCycle::NotAnOutlet => PointState::NotAnOutlet,
        LifeCycle::NeedsLevel3 => PointState::NeedsLevel3,
        LifeCycle::Duplicate | LifeCycle::Moved => PointState::Elsewhere,
        LifeCycle::Suspected => PointState::Open,
        _ if row.surveyed_on.is_some() => PointState::Surveyed,
        _ => PointState::Open,
    }
}

/// Is the row a point of a list, or was it never more than suspected?
fn is_point(row: &LedgerRow) -> bool {
    row.source_list.is_some()
        || matches!(row.state, LifeCycle::Suspected | LifeCycle::NeedsLevel3 | LifeCycle::NotAnOutlet)
}

/// Groupings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CoverageBy {
    /// 乡镇.
    Township,
    /// 水体.
    Waterbody,
    /// 县（区）.
    County,
    /// List that the points came in.
    List,
}

/// One line of the coverage.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct CoverageRow {
    /// Name or code of the group; empty where the rows do not say.
    pub group: String,
    /// Points.
    pub points: u64,
    /// Visited, an outlet.
    pub surveyed: u64,
    /// 非排口.
    pub not_an_outlet: u64,
    /// 三级排查.
    pub needs_level_3: u64,
    /// Another record has it.
    pub elsewhere: u64,
    /// Nobody has been there.
    pub open: u64,
    /// 非排口 by reason code; `unstated` where none is given.
    pub reasons: BTreeMap<String, u64>,
}

/// Coverage by group of rows as they come: what it holds grows with the groups, not with the rows.
#[derive(Debug, Clone)]
pub struct Coverage {
    by: CoverageBy,
    groups: BTreeMap<String, CoverageRow>,
}

impl Coverage {
    /// Of nothing yet.
    #[must_use]
    pub fn new(by: CoverageBy) -> Self {
        Self { by, groups: BTreeMap::new() }
    }

    /// Counts one more row, if it is a point of a list.
    pub fn add(&mut self, row: &LedgerRow) {
        if !is_point(row) {
            return;
        }
        let group = match self.by {
            CoverageBy::Township => &row.township,
            CoverageBy::Waterbody => &row.waterbody,
            CoverageBy::County => &row.county,
            CoverageBy::List => &row.source_list,
        };
        let group = group.clone().unwrap_or_default();
        let line = self.groups.entry(group.clone()).or_insert_with(|| CoverageRow { group, ..CoverageRow::default() });
        line.points += 1;
        match point_state(row) {
            PointState::Open => line.open += 1,
            PointState::Surveyed => line.surveyed += 1,
            PointState::NeedsLevel3 => line.needs_level_3 += 1,
            PointState::Elsewhere => line.elsewhere += 1,
            PointState::NotAnOutlet => {
                line.not_an_outlet += 1;
                let reason = row.state_reason.clone().unwrap_or_else(|| "unstated".to_owned());
                *line.reasons.entry(reason).or_default() += 1;
            }
        }
    }

    /// Sorted by name.
    #[must_use]
    pub fn lines(self) -> Vec<CoverageRow> {
        self.groups.into_values().collect()
    }
}

/// Coverage by group, sorted by name.
#[must_use]
pub fn coverage<'a>(rows: impl IntoIterator<Item = &'a LedgerRow>, by: CoverageBy) -> Vec<CoverageRow> {
    let mut coverage = Coverage::new(by);
    rows.into_iter().for_each(|row| coverage.add(row));
    coverage.lines()
}
