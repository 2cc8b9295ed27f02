//! The milestone table: for each milestone, reading and group how many are done of how many, when
//! the target was reached, and what is still needed (lifecycle.md 1.1, 1.2, 1.5).

use std::collections::BTreeMap;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::grade::Reading;
use super::profile::{self, Profile};
use super::set::MilestoneSet;
use super::tally::{Groups, Turn};
use crate::domain::reference::Seal;
use crate::time::Day;

/// Ways to group outlets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum GroupBy {
    /// Reporting unit: two districts, three counties, 巴中经开区.
    Unit,
    /// County.
    County,
    /// Township.
    Township,
    /// 流域.
    Basin,
    /// 受纳水体.
    Waterbody,
    /// 水功能区.
    WaterFunctionZone,
    /// 控制单元.
    ControlUnit,
    /// 断面.
    Section,
    /// 河段.
    Reach,
    /// 河长.
    Chief,
    /// 主要责任主体.
    Party,
}

/// Not a way to group.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "outlets are grouped by unit, county, township, basin, waterbody, water-function-zone, control-unit, section, reach, chief or party, not by {0:?}"
)]
pub struct GroupByError(pub String);

impl GroupBy {
    /// All ways, with their names.
    pub const ALL: [(Self, &'static str); 11] = [
        (Self::Unit, "unit"),
        (Self::County, "county"),
        (Self::Township, "township"),
        (Self::Basin, "basin"),
        (Self::Waterbody, "waterbody"),
        (Self::WaterFunctionZone, "water-function-zone"),
        (Self::ControlUnit, "control-unit"),
        (Self::Section, "section"),
        (Self::Reach, "reach"),
        (Self::Chief, "chief"),
        (Self::Party, "party"),
    ];

    /// The group of an outlet; outlets without one are a group of their own.
    #[must_use]
    pub fn of(self, groups: &profile::Groups) -> &str {
        let group = match self {
            Self::Unit => &groups.unit,
            Self::County => &groups.county,
            Self::Township => &groups.township,
            Self::Basin => &groups.basin,
            Self::Waterbody => &groups.waterbody,
            Self::WaterFunctionZone => &groups.water_function_zone,
            Self::ControlUnit => &groups.control_unit,
            Self::Section => &groups.section,
            Self::Reach => &groups.reach,
            Self::Chief => &groups.chief,
            Self::Party => &groups.party,
        };
        group.as_deref().unwrap_or(UNKNOWN_GROUP)
    }

    /// Sealed documents exist for reporting units and counties.
    pub(super) fn has_documents(self) -> bool {
        matches!(self, Self::Unit | Self::County)
    }
}

/// The group of outlets whose group nobody stated.
pub const UNKNOWN_GROUP: &str = "unknown";

impl FromStr for GroupBy {
    type Err = GroupByError;

    fn from_str(text: &str) -> Result<Self, GroupByError> {
        let found = Self::ALL.into_iter().find(|(_, name)| *name == text);
        found.map(|(by, _)| by).ok_or_else(|| GroupByError(text.chars().take(40).collect()))
    }
}

/// Done of how many, as a share floored to 0.1 %.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Part {
    /// Done.
    pub done: usize,
    /// Of.
    pub of: usize,
    /// Percent, floored to 0.1; none of nothing.
    pub share: Option<f64>,
}

impl Part {
    pub(super) fn new(done: usize, of: usize) -> Self {
        Self { done, of, share: share(done, of) }
    }
}

/// Percent floored to 0.1: 79.96 % never reads 80.0 %.
#[must_use]
pub fn share(done: usize, of: usize) -> Option<f64> {
    let tenths = (done as u128 * 1000).checked_div(of as u128)?;
    Some(u32::try_from(tenths).map_or(100.0, f64::from) / 10.0)
}

/// A sealed document that the group needs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DocumentPart {
    /// `yes | late | no`.
    pub state: String,
    /// Day of the first seal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on: Option<Day>,
    /// Days late.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub late_days: Option<i64>,
}

/// A part of a row: a share, or the documents.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum PartOf {
    /// A share with its own denominator.
    Share(Part),
    /// Documents by name.
    Documents(BTreeMap<String, DocumentPart>),
}

/// State of a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GroupState {
    /// The target was reached by the due date.
    OnTime,
    /// Reached after it.
    Late,
    /// Not reached, and due.
    Behind,
    /// Not reached, not due yet.
    Open,
    /// The share is reached, a sealed document is missing.
    DocumentsMissing,
    /// The share is reached, but the scale of some outlets is not determined.
    ScaleUndetermined,
    /// Nothing in the denominator.
    NotApplicable,
}

/// One line of the milestone table.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ProgressRow {
    /// Milestone.
    pub milestone: String,
    /// Due date.
    pub due: Day,
    /// As of.
    pub as_of: Day,
    /// Reading.
    pub reading: Reading,
    /// The official reading of the set.
    pub headline: bool,
    /// Group code or name; the set's area for all together.
    pub group: String,
    /// Done.
    pub done: usize,
    /// Of.
    pub of: usize,
    /// Percent, floored to 0.1; null of nothing.
    pub share: Option<f64>,
    /// Target in percent.
    pub target: u32,
    /// 规模待定 counted as not done (only where scale matters).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub share_strict: Option<f64>,
    /// Parts with their own denominators.
    pub parts: BTreeMap<String, PartOf>,
    /// Done, by the weakest grade of evidence.
    pub grades: BTreeMap<String, usize>,
    /// Out of the denominator, by reason.
    pub excluded: BTreeMap<String, usize>,
    /// Exempt from a condition, by name.
    pub exempt: BTreeMap<String, usize>,
    /// `none_needed`, `without_sample`.
    pub done_of_which: BTreeMap<String, usize>,
    /// Done with a date up to the due date.
    pub on_time: usize,
    /// Done with a later date.
    pub late: usize,
    /// Not done.
    pub open: usize,
    /// In, not yet reviewed.
    pub pending_review: usize,
    /// 疑似, open.
    pub open_suspects: usize,
    /// With an extension.
    pub extended: usize,
    /// Completion reported, not accepted.
    pub awaiting_acceptance: usize,
    /// 规模待定.
    pub scale_undetermined: usize,
    /// First day from which the share stays at the target.
    pub achieved_on: Option<Day>,
    /// Days late.
    pub late_days: Option<i64>,
    /// How many more the target needs.
    pub needs: usize,
    /// State.
    pub state: GroupState,
    /// The set and its version.
    pub set: String,
}

impl ProgressRow {
    /// Documents that the group needs and has not sealed by the day, such as `problem_list`.
    #[must_use]
    pub fn unsealed(&self) -> Vec<&str> {
        let documents = self.parts.values().filter_map(|part| match part {
            PartOf::Documents(documents) => Some(documents),
            PartOf::Share(_) => None,
        });
        documents.flatten().filter(|(_, document)| document.on.is_none()).map(|(name, _)| name.as_str()).collect()
    }
}

/// What the table is made from.
#[derive(Debug, Clone, Copy)]
pub struct TableInput<'t> {
    /// The set.
    pub set: &'t MilestoneSet,
    /// Profiles of the reading `as_known_now`, after [`super::absorb`].
    pub known_now: &'t [Profile],
    /// Profiles of what was known on the day, after [`super::absorb`].
    pub as_reported: &'t [Profile],
    /// Sealed documents.
    pub seals: &'t [Seal],
    /// The day.
    pub as_of: Day,
}

/// The milestone table: for each milestone and reading a row for the whole area, then one per
/// group in order of its name.
#[must_use]
pub fn progress(input: TableInput<'_>, by: GroupBy) -> Vec<ProgressRow> {
    let mut rows = Vec::new();
    for milestone in &input.set.milestones {
        for reading in Reading::ALL {
            let profiles = match reading {
                Reading::AsKnownNow => input.known_now,
                Reading::AsReported => input.as_reported,
            };
            let mut groups = Groups::default();
            for profile in profiles {
                groups.turn(profile, milestone, input.as_of, by, Turn::In);
            }
            groups.rows(input, milestone, reading, by, &mut rows);
        }
    }
    rows
}
