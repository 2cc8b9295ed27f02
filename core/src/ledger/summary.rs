//! 数量、分布、排放方式: how many outlets of which kind, in any of five ways, and the lists of
//! problems (问题清单) and responsible parties (责任主体清单).

use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::ScaleClass;
use super::problems::Problem;
use super::row::{LedgerRow, LifeCycle, PartyColumn};
use crate::ids::OutletId;

/// Ways to count outlets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SummaryBy {
    /// Outlet type.
    Type,
    /// Reporting unit.
    Unit,
    /// Township.
    Township,
    /// 受纳水体.
    Waterbody,
    /// 入河方式.
    EntryMode,
    /// 排放规律.
    Pattern,
}

/// Not a way to count.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("outlets are counted by type, unit, township, waterbody, entry-mode or pattern, not by {0:?}")]
pub struct SummaryByError(pub String);

impl SummaryBy {
    /// All ways, with their names.
    pub const ALL: [(Self, &'static str); 6] = [
        (Self::Type, "type"),
        (Self::Unit, "unit"),
        (Self::Township, "township"),
        (Self::Waterbody, "waterbody"),
        (Self::EntryMode, "entry-mode"),
        (Self::Pattern, "pattern"),
    ];

    fn of(self, row: &LedgerRow) -> Option<&str> {
        match self {
            Self::Type => row.outlet_type.as_deref(),
            Self::Unit => row.management_unit.as_deref(),
            Self::Township => row.township.as_deref(),
            Self::Waterbody => row.waterbody.as_deref(),
            Self::EntryMode => row.entry_mode.as_deref(),
            Self::Pattern => row.discharge_pattern.as_deref(),
        }
    }
}

impl FromStr for SummaryBy {
    type Err = SummaryByError;

    fn from_str(text: &str) -> Result<Self, SummaryByError> {
        let found = Self::ALL.into_iter().find(|(_, name)| *name == text);
        found.map(|(by, _)| by).ok_or_else(|| SummaryByError(text.chars().take(40).collect()))
    }
}

/// One line of a count.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct SummaryRow {
    /// The group; nothing where nobody stated it.
    pub group: Option<String>,
    /// Outlets, without suspects, duplicates, moved records and 非排口.
    pub outlets: usize,
    /// 疑似, open.
    pub suspected: usize,
    /// 规模以上.
    pub above_scale: usize,
    /// By class decided (`undecided` where none is).
    pub by_class: BTreeMap<String, usize>,
    /// Open problems.
    pub problems: usize,
}

/// Counts outlets, the largest group first.
#[must_use]
pub fn summary(rows: &[LedgerRow], by: SummaryBy) -> Vec<SummaryRow> {
    let mut groups: BTreeMap<Option<&str>, SummaryRow> = BTreeMap::new();
    for row in rows.iter().filter(|row| counts(row)) {
        let group = groups.entry(by.of(row)).or_default();
        group.problems += row.problem_count;
        if matches!(row.state, LifeCycle::Suspected | LifeCycle::NeedsLevel3) {
            group.suspected += 1;
            continue;
        }
        group.outlets += 1;
        group.above_scale += usize::from(row.scale == ScaleClass::Above);
        let class = row.classification.clone().unwrap_or_else(|| "undecided".to_owned());
        *group.by_class.entry(class).or_default() += 1;
    }
    let mut lines: Vec<SummaryRow> =
        groups.into_iter().map(|(name, row)| SummaryRow { group: name.map(str::to_owned), ..row }).collect();
    lines.sort_by(|left, right| (right.outlets, &left.group).cmp(&(left.outlets, &right.group)));
    lines
}

fn counts(row: &LedgerRow) -> bool {
    !matches!(row.state, LifeCycle::Duplicate | LifeCycle::Moved | LifeCycle::NotAnOutlet)
}

/// One line of the problem list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProblemRow {
    /// The outlet.
    pub id: OutletId,
    /// Official code, else temporary number.
    pub number: Option<String>,
    /// Name.
    pub name: Option<String>,
    /// Reporting unit.
    pub management_unit: Option<String>,
    /// Township.
    pub township: Option<String>,
    /// 受纳水体.
    pub waterbody: Option<String>,
    /// 主要责任主体.
    pub primary_party: Option<String>,
    /// 主管部门.
    pub competent_department: Option<String>,
    /// The problem.
    #[serde(flatten)]
    pub problem: Problem,
}

/// The problem list (问题清单): open problems, then closed ones, by unit and outlet.
#[must_use]
pub fn problem_list(rows: &[LedgerRow]) -> Vec<ProblemRow> {
    let mut list: Vec<ProblemRow> = rows
        .iter()
        .filter(|row| counts(row))
        .flat_map(|row| row.problems.iter().map(move |problem| problem_row(row, problem)))
        .collect();
    list.sort_by(|left, right| {
        (!left.problem.open, &left.management_unit, left.id, &left.problem.code).cmp(&(
            !right.problem.open,
            &right.management_unit,
            right.id,
            &right.problem.code,
        ))
    });
    list
}

fn problem_row(row: &LedgerRow, problem: &Problem) -> ProblemRow {
    let number = row.national_code.as_ref().or(row.provincial_code.as_ref()).or(row.temporary_number.as_ref());
    ProblemRow {
        id: row.id,
        number: number.cloned(),
        name: row.name.clone(),
        management_unit: row.management_unit.clone(),
        township: row.township.clone(),
        waterbody: row.waterbody.clone(),
        primary_party: row.primary_party.clone(),
        competent_department: row.competent_department.clone(),
        problem: problem.clone(),
    }
}

/// One line of the list of responsible parties.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartyRow {
    /// The party.
    #[serde(flatten)]
    pub party: PartyColumn,
    /// Outlets of which it is the primary party.
    pub primary_of: usize,
    /// Outlets that it shares.
    pub shares: usize,
    /// 主管部门, as named.
    pub competent_departments: BTreeSet<String>,
    /// The outlets.
    pub outlets: Vec<OutletId>,
    /// Open problems at these.
    pub problems: usize,
}

/// The list of responsible parties (责任主体清单): one line per 统一社会信用代码, else per name.
#[must_use]
pub fn party_list(rows: &[LedgerRow]) -> Vec<PartyRow> {
    let mut parties: BTreeMap<(String, String), PartyRow> = BTreeMap::new();
    for row in rows.iter().filter(|row| counts(row)) {
        for (at, party) in row.party.iter().chain(&row.other_parties).enumerate() {
            let name = if party.uscc.is_some() { String::new() } else { party.name.clone() };
            let line = parties.entry((party.uscc.clone().unwrap_or_default(), name)).or_insert_with(|| PartyRow {
                party: party.clone(),
                primary_of: 0,
                shares: 0,
                competent_departments: BTreeSet::new(),
                outlets: Vec::new(),
                problems: 0,
            });
            let primary = at == 0 && row.party.is_some();
            line.primary_of += usize::from(primary);
            line.shares += usize::from(!primary);
            line.competent_departments.extend(row.competent_department.clone());
            line.outlets.push(row.id);
            line.problems += row.problem_count;
        }
    }
    let mut list: Vec<PartyRow> = parties.into_values().collect();
    list.sort_by(|left, right| (&left.party.name, &left.party.uscc).cmp(&(&right.party.name, &right.party.uscc)));
    list
}
