//! What of a ledger row is filtered and sorted by.

use outlet_core::ledger::{LedgerRow, LifeCycle};
use outlet_core::time::Day;

use super::parties::{Share, shares};
use super::{grams, place};

macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $code:literal),* $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name { $($(#[$variant_doc])* $variant),* }

        impl $name {
            /// All, in order.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// The word used in addresses and in the database.
            #[must_use]
            pub fn code(self) -> &'static str {
                match self { $(Self::$variant => $code),* }
            }

            /// Inverse of [`Self::code`].
            #[must_use]
            pub fn from_code(code: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|own| own.code() == code)
            }
        }
    };
}

words! {
    /// A column with few values: each value has its bitmap.
    Dimension {
        /// Collection: the unit of access.
        Collection = "collection",
        /// 县区.
        County = "county",
        /// Reporting unit.
        Unit = "unit",
        /// 乡镇.
        Township = "township",
        /// 受纳水体.
        Waterbody = "waterbody",
        /// 流域.
        Basin = "basin",
        /// 断面.
        Section = "section",
        /// Class decided.
        Class = "class",
        /// Class proposed.
        Proposed = "proposed",
        /// State of life.
        State = "state",
        /// State in review.
        Review = "review",
        /// Outlet type.
        Type = "type",
        /// 规模.
        Scale = "scale",
        /// 入河方式.
        EntryMode = "entry_mode",
        /// 排水特征.
        Discharge = "discharge",
        /// 是否晴天排水.
        DryWeather = "dry_weather",
        /// 标识牌.
        Sign = "sign",
        /// 审批状态.
        Approval = "approval",
        /// Existing or new.
        SetUp = "set_up",
        /// Codes of open problems.
        Problem = "problem",
        /// See [`Flag`].
        Flag = "flag",
        /// Number of open problems, five digits.
        Problems = "problems",
        /// Due day of a plan that is not accepted yet.
        Due = "due",
        /// Where it is: tile of level [`place::COARSE`]. Not asked for by name.
        Place = "place",
        /// Month of each day, and whether a column that is sorted by has a value. Not asked for by
        /// name.
        Bucket = "bucket",
    }
}

words! {
    /// Yes-or-no properties; several asked for must all hold.
    Flag {
        /// Two values of a fact that nobody decided between.
        Conflict = "conflict",
        /// Approved, and amended since.
        Amended = "amended",
        /// Values shown that nobody reviewed.
        Unreviewed = "unreviewed",
        /// Findings on the row.
        Findings = "findings",
        /// No position.
        NoPosition = "no_position",
        /// Open problems.
        OpenProblem = "open_problem",
        /// A national or provincial code.
        Coded = "coded",
        /// An extension was granted.
        Extended = "extended",
        /// 合并 into another outlet.
        Merged = "merged",
        /// Re-opened.
        Reopened = "reopened",
        /// An enforcement lead.
        Enforcement = "enforcement",
        /// No responsible party.
        NoParty = "no_party",
        /// 政府兜底.
        GovernmentFallback = "government_fallback",
        /// No photo.
        NoPhoto = "no_photo",
    }
}

words! {
    /// Days that a range can be asked for.
    DateColumn {
        /// Last survey.
        Surveyed = "surveyed_on",
        /// Last sample.
        Sampled = "sampled_on",
        /// Trace concluded.
        Traced = "traced_on",
        /// Class decided.
        Decided = "decided_on",
        /// Due date of the plan.
        PlanDue = "plan_due",
        /// Completion.
        Completed = "completed_on",
        /// Acceptance.
        Accepted = "accepted_on",
    }
}

/// The columns of one row.
#[derive(Debug, Clone, PartialEq)]
pub struct Columns {
    /// Single values of [`SINGLE`], in its order; `None` = nothing recorded.
    pub(super) single: Vec<Option<String>>,
    pub(super) problem: Vec<String>,
    pub(super) flags: Vec<Flag>,
    pub(super) problems: usize,
    pub(super) due: Option<Day>,
    pub(super) name: Option<String>,
    pub(super) number: Option<String>,
    pub(super) party: Option<String>,
    /// In the order of [`DateColumn::ALL`].
    pub(super) dates: Vec<Option<Day>>,
    pub(super) position: Option<(f64, f64)>,
    pub(super) cell: Option<u64>,
    pub(super) text: String,
    /// Responsible parties, in the order of the row.
    pub(super) parties: Vec<Share>,
}

/// Dimensions with at most one value, each a column of the table.
pub(super) const SINGLE: &[Dimension] = &[
    Dimension::County,
    Dimension::Unit,
    Dimension::Township,
    Dimension::Waterbody,
    Dimension::Basin,
    Dimension::Section,
    Dimension::Class,
    Dimension::Proposed,
    Dimension::State,
    Dimension::Review,
    Dimension::Type,
    Dimension::Scale,
    Dimension::EntryMode,
    Dimension::Discharge,
    Dimension::DryWeather,
    Dimension::Sign,
    Dimension::Approval,
    Dimension::SetUp,
];

impl Columns {
    /// Of a row.
    #[must_use]
    pub fn of(row: &LedgerRow) -> Self {
        let number = row.national_code.as_ref().or(row.provincial_code.as_ref()).or(row.temporary_number.as_ref());
        let position = row.lon.zip(row.lat).filter(|(lon, lat)| lon.is_finite() && lat.is_finite());
        // A comma separates codes in the table; no dictionary has one inside a code.
        let code = |code: &String| code.replace(',', "_");
        let mut problem: Vec<String> =
            row.problems.iter().filter(|problem| problem.open).map(|problem| code(&problem.code)).collect();
        problem.sort();
        problem.dedup();
        Self {
            single: SINGLE.iter().map(|dimension| single(row, *dimension)).collect(),
            problem,
            flags: Flag::ALL.iter().copied().filter(|flag| holds(row, *flag)).collect(),
            problems: row.problem_count,
            due: row.plan_due.filter(|_| row.accepted_on.is_none() && open(row.state)),
            name: filled(row.name.as_ref()),
            number: filled(number),
            party: filled(row.primary_party.as_ref()),
            dates: DateColumn::ALL.iter().map(|column| date(row, *column)).collect(),
            position,
            cell: position.and_then(|(lon, lat)| place::cell(lon, lat)),
            text: text(row),
            parties: shares(row),
        }
    }

    /// Every (dimension, value) of the row, without its collection.
    pub(super) fn values(&self) -> Vec<(Dimension, String)> {
        let mut values = Vec::new();
        self.each_value(|dimension, value| values.push((dimension, value.to_owned())));
        values
    }

    /// The same, one after the other.
    pub(super) fn each_value(&self, mut take: impl FnMut(Dimension, &str)) {
        for (dimension, value) in SINGLE.iter().zip(&self.single) {
            take(*dimension, value.as_deref().unwrap_or_default());
        }
        match self.problem.as_slice() {
            [] => take(Dimension::Problem, ""),
            codes => codes.iter().for_each(|code| take(Dimension::Problem, code)),
        }
        self.flags.iter().for_each(|flag| take(Dimension::Flag, flag.code()));
        take(Dimension::Problems, &problems_value(self.problems));
        match self.due {
            None => take(Dimension::Due, ""),
            Some(day) => {
                take(Dimension::Due, &day.to_string());
                take(Dimension::Bucket, &bucket(DUE, &month(day)));
            }
        }
        if let Some(cell) = self.cell {
            take(Dimension::Place, &place::coarse(cell));
        }
        let mut text = String::with_capacity(32);
        let mut of = |column: &str, value: &str| {
            text.clear();
            push_bucket(&mut text, column, value);
            take(Dimension::Bucket, &text);
        };
        for (column, day) in DateColumn::ALL.iter().zip(&self.dates) {
            of(column.code(), &day.map(month).unwrap_or_default());
        }
        for (column, value) in [("name", &self.name), ("number", &self.number), ("party", &self.party)] {
            of(column, if value.is_some() { "*" } else { "" });
        }
    }
}

/// Column of [`Dimension::Bucket`]: month of the due day of a plan that is not accepted yet.
pub(super) const DUE: &str = "due";

/// Value of [`Dimension::Bucket`]: nothing after the colon when the column is empty.
pub(super) fn bucket(column: &str, value: &str) -> String {
    let mut text = String::new();
    push_bucket(&mut text, column, value);
    text
}

fn push_bucket(text: &mut String, column: &str, value: &str) {
    text.push_str(column);
    text.push(':');
    text.push_str(value);
}

/// `2021-08`.
pub(super) fn month(day: Day) -> String {
    let mut text = day.to_string();
    text.truncate(text.rfind('-').unwrap_or(text.len()));
    text
}

/// Numbers sort as texts when they have the same length.
pub(super) fn problems_value(count: usize) -> String {
    format!("{:05}", count.min(99_999))
}

/// Blank counts as nothing recorded here: a list cannot be filtered by what is not there.
fn filled(value: Option<&String>) -> Option<String> {
    value.filter(|value| !value.trim().is_empty()).cloned()
}

fn single(row: &LedgerRow, dimension: Dimension) -> Option<String> {
    let text = match dimension {
        Dimension::County => row.county.as_ref(),
        Dimension::Unit => row.management_unit.as_ref(),
        Dimension::Township => row.township.as_ref(),
        Dimension::Waterbody => row.waterbody.as_ref(),
        Dimension::Basin => row.basin.as_ref(),
        Dimension::Section => row.section.as_ref(),
        Dimension::Class => row.classification.as_ref(),
        Dimension::Proposed => row.classification_proposed.as_ref(),
        Dimension::Type => row.outlet_type.as_ref(),
        Dimension::EntryMode => row.entry_mode.as_ref(),
        Dimension::Discharge => row.discharge_state.as_ref(),
        Dimension::DryWeather => row.dry_weather_discharge.as_ref(),
        Dimension::Sign => Some(&row.sign_state),
        Dimension::Approval => row.approval_status.as_ref(),
        Dimension::SetUp => row.set_up.as_ref(),
        Dimension::State => return Some(row.state.code().to_owned()),
        Dimension::Review => return Some(row.review_state.code().to_owned()),
        Dimension::Scale => return Some(row.scale.code().to_owned()),
        Dimension::Collection
        | Dimension::Problem
        | Dimension::Flag
        | Dimension::Problems
        | Dimension::Due
        | Dimension::Place
        | Dimension::Bucket => None,
    };
    filled(text)
}

fn holds(row: &LedgerRow, flag: Flag) -> bool {
    match flag {
        Flag::Conflict => !row.conflicts.is_empty(),
        Flag::Amended => !row.amended.is_empty(),
        Flag::Unreviewed => !row.unreviewed.is_empty(),
        Flag::Findings => row.finding_count > 0,
        Flag::NoPosition => row.lon.is_none() || row.lat.is_none(),
        Flag::OpenProblem => row.problem_count > 0,
        Flag::Coded => row.national_code.is_some() || row.provincial_code.is_some(),
        Flag::Extended => row.extension.is_some(),
        Flag::Merged => row.merged_into.is_some(),
        Flag::Reopened => row.reopened_on.is_some(),
        Flag::Enforcement => row.enforcement.is_some(),
        Flag::NoParty => row.primary_party.is_none(),
        Flag::GovernmentFallback => row.party.as_ref().is_some_and(|party| party.government_fallback),
        Flag::NoPhoto => row.photos == 0,
    }
}

/// The works are still owed in this state.
fn open(state: LifeCycle) -> bool {
    !matches!(
        state,
        LifeCycle::NotAnOutlet
            | LifeCycle::Duplicate
            | LifeCycle::Moved
            | LifeCycle::Accepted
            | LifeCycle::InService
            | LifeCycle::Closed
    )
}

fn date(row: &LedgerRow, column: DateColumn) -> Option<Day> {
    match column {
        DateColumn::Surveyed => row.surveyed_on,
        DateColumn::Sampled => row.sampled_on,
        DateColumn::Traced => row.traced_on,
        DateColumn::Decided => row.decided_on,
        DateColumn::PlanDue => row.plan_due,
        DateColumn::Completed => row.completed_on,
        DateColumn::Accepted => row.accepted_on,
    }
}

/// What text search looks at, one piece per line.
fn text(row: &LedgerRow) -> String {
    let id = row.id.to_string();
    let pieces = [
        row.name.as_ref(),
        row.national_code.as_ref(),
        row.provincial_code.as_ref(),
        row.temporary_number.as_ref(),
        row.primary_party.as_ref(),
        row.township.as_ref(),
        row.waterbody.as_ref(),
        row.village.as_ref(),
        row.address.as_ref(),
    ];
    let mut text = pieces.into_iter().flatten().map(|piece| grams::fold(piece)).collect::<Vec<_>>();
    // The end of an id is random: eight signs of it name an outlet.
    text.extend(id.get(id.len().saturating_sub(8)..).map(str::to_owned));
    text.join("\n")
}
