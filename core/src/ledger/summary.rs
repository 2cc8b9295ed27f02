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

/// Counts outlets as they come: what it holds grows with the groups, not with the rows.
#[derive(Debug, Clone)]
pub struct Summary {
    by: SummaryBy,
    groups: BTreeMap<Option<String>, SummaryRow>,
}

impl Summary {
    /// Of nothing yet.
    #[must_use]
    pub fn new(by: SummaryBy) -> Self {
        Self { by, groups: BTreeMap::new() }
    }

    /// Counts one more.
    pub fn add(&mut self, row: &LedgerRow) {
        if !counts(row) {
            return;
        }
        let group = self.groups.entry(self.by.of(row).map(str::to_owned)).or_default();
        group.problems += row.problem_count;
        if matches!(row.state, LifeCycle::Suspected | LifeCycle::NeedsLevel3) {
            group.suspected += 1;
            return;
        }
        group.outlets += 1;
        group.above_scale += usize::from(row.scale == ScaleClass::Above);
        let class = row.classification.clone().unwrap_or_else(|| "undecided".to_owned());
        *group.by_class.entry(class).or_default() += 1;
    }

    /// The largest group first.
    #[must_use]
    pub fn lines(self) -> Vec<SummaryRow> {
        let mut lines: Vec<SummaryRow> =
            self.groups.into_iter().map(|(group, row)| SummaryRow { group, ..row }).collect();
        lines.sort_by(|left, right| (right.outlets, &left.group).cmp(&(left.outlets, &right.group)));
        lines
    }
}

/// Counts outlets, the largest group first.
#[must_use]
pub fn summary(rows: &[LedgerRow], by: SummaryBy) -> Vec<SummaryRow> {
    let mut summary = Summary::new(by);
    rows.iter().for_each(|row| summary.add(row));
    summary.lines()
}

/// Is it an outlet of its own, one way or another?
#[must_use]
pub fn counts(row: &LedgerRow) -> bool {
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

/// The problems of some rows, open or closed ones, in the order of the rows.
pub fn problems_of(rows: &[LedgerRow], open: bool) -> impl Iterator<Item = ProblemRow> {
    let own = move |row: &LedgerRow| {
        let problems = row.problems.iter().filter(move |problem| problem.open == open);
        problems.map(|problem| problem_row(row, problem)).collect::<Vec<_>>()
    };
    rows.iter().filter(|row| counts(row)).flat_map(own)
}

/// The problem list (问题清单): open problems, then closed ones, by unit and outlet.
#[must_use]
pub fn problem_list(rows: &[LedgerRow]) -> Vec<ProblemRow> {
    let mut list: Vec<ProblemRow> = problems_of(rows, true).chain(problems_of(rows, false)).collect();
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

impl PartyRow {
    /// A party without outlets yet.
    #[must_use]
    pub fn new(party: PartyColumn) -> Self {
        Self {
            party,
            primary_of: 0,
            shares: 0,
            competent_departments: BTreeSet::new(),
            outlets: Vec::new(),
            problems: 0,
        }
    }
}

impl PartyColumn {
    /// What makes two mentions one party: the 统一社会信用代码, else the name. Parties with a code come
    /// before the others.
    #[must_use]
    pub fn identity(&self) -> String {
        self.uscc.as_ref().map_or_else(|| format!("n{}", self.name), |code| format!("c{code}"))
    }
}

/// The parties of a row, and whether each is the primary one.
pub fn parties_of(row: &LedgerRow) -> impl Iterator<Item = (&PartyColumn, bool)> {
    let primary = row.party.iter().map(|party| (party, true));
    primary.chain(row.other_parties.iter().map(|party| (party, false)))
}

/// Responsible parties of rows as they come: what it holds grows with the parties, not with the rows.
#[derive(Debug, Clone, Default)]
pub struct Parties(BTreeMap<String, PartyRow>);

impl Parties {
    /// Adds the parties of one more row.
    pub fn add(&mut self, row: &LedgerRow) {
        for (party, primary) in parties_of(row).filter(|_| counts(row)) {
            let line = self.0.entry(party.identity()).or_insert_with(|| PartyRow::new(party.clone()));
            line.primary_of += usize::from(primary);
            line.shares += usize::from(!primary);
            line.competent_departments.extend(row.competent_department.clone());
            line.outlets.push(row.id);
            line.problems += row.problem_count;
        }
    }

    /// By [`PartyColumn::identity`].
    #[must_use]
    pub fn lines(self) -> Vec<PartyRow> {
        self.0.into_values().collect()
    }
}

/// The list of responsible parties (责任主体清单): one line per 统一社会信用代码, else per name, by name.
#[must_use]
pub fn party_list(rows: &[LedgerRow]) -> Vec<PartyRow> {
    let mut parties = Parties::default();
    rows.iter().for_each(|row| parties.add(row));
    let mut list = parties.lines();
    list.sort_by(|left, right| (&left.party.name, &left.party.uscc).cmp(&(&right.party.name, &right.party.uscc)));
    list
}
