//! What happens to each outlet: the special cases, one for every cell of the milestone tables, and
//! the ordinary rest.

use outlet_core::time::Day;

/// 整治 class of an outlet, as far as it comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// 取缔.
    Ban,
    /// 合并, into an outlet (by number), a sewer or a plant.
    Merge(&'static str),
    /// 规范.
    Regulate,
    /// 无需整治.
    NoneNeeded,
    /// 未定: proposed by the inspector, not decided.
    Proposed,
}

/// Above scale or not, and how it is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scale {
    /// A permitted volume above the threshold.
    Above,
    /// A permitted volume below it.
    Below,
    /// One measurement only: 规模待定.
    Undetermined,
}

/// How far the rectification comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// Nothing after the review.
    Listed,
    /// The class is decided.
    Decided,
    /// The plan is approved, the works go on.
    Planned,
    /// Completion reported (待验收).
    Reported,
    /// 县级初验 only.
    CountyChecked,
    /// City acceptance failed.
    Rejected,
    /// 已销号.
    Accepted,
    /// Named, coded, signed as well.
    Signed,
}

/// Into which row of the denominator table the record belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Counted {
    /// An outlet.
    Outlet,
    /// 疑似, open.
    Suspect,
    /// 疑似, visited but not reached.
    NotReached,
    /// 三级排查 pending.
    NeedsLevel3,
    /// 非排口, decided.
    NotAnOutlet,
    /// Submitted, not reviewed.
    PendingReview,
    /// Returned to its inspector.
    Returned,
    /// 重复记录 of the outlet with this number.
    Duplicate(&'static str),
}

/// One outlet's story.
#[derive(Debug, Clone)]
pub struct Case {
    /// The cell of the tables it stands for, or "ordinary".
    pub cell: &'static str,
    /// Temporary number, unique.
    pub number: String,
    /// Position in the scenario: decides place, names and days.
    pub index: usize,
    /// County, 0 to 4.
    pub county: usize,
    /// Row of the denominator table.
    pub counted: Counted,
    /// Class.
    pub class: Class,
    /// Scale.
    pub scale: Scale,
    /// How far it comes.
    pub stage: Stage,
    /// Day of the first survey.
    pub surveyed: Day,
    /// Sample: day of the result; `None` = none taken.
    pub sampled: Option<Day>,
    /// The sample is the dated reason why there is none.
    pub no_water: bool,
    /// Day of the tracing conclusion; `None` = difficult.
    pub traced: Option<Day>,
    /// Completion of the works.
    pub completed: Option<Day>,
    /// Day of the sign.
    pub signed: Option<Day>,
    /// 新设 or 改设, first used on that day.
    pub set_up: Option<(&'static str, Day)>,
    /// 封堵 or 废弃 at the first survey.
    pub mouth: Option<&'static str>,
    /// A condition of its class that is left open, by item.
    pub lacks: Option<&'static str>,
    /// Extended to that day.
    pub extended: Option<Day>,
    /// Re-opened on that day.
    pub reopened: Option<Day>,
    /// Sign damaged on that day.
    pub damaged: Option<Day>,
    /// Its facts were in a named document of that day.
    pub known_from: Option<Day>,
    /// An exemption from the sign, by decision.
    pub exempt: Option<&'static str>,
    /// Edited by its inspector after the approval.
    pub amended: bool,
}

/// A day of the plan's years.
fn day(text: &str) -> Day {
    text.parse().expect("a date literal")
}

impl Case {
    fn ordinary(index: usize) -> Self {
        let spread = i64::try_from(index * 37 % 170).unwrap_or(0);
        let surveyed = day("2021-05-10").plus_days(spread);
        Self {
            cell: "ordinary",
            number: format!("BZ{:04}", index + 1),
            index,
            county: index % 5,
            counted: Counted::Outlet,
            class: [Class::Regulate, Class::NoneNeeded, Class::Merge("sewer"), Class::Regulate, Class::Ban]
                [index / 5 % 5],
            scale: if index.is_multiple_of(7) { Scale::Above } else { Scale::Below },
            stage: Stage::Signed,
            surveyed,
            sampled: Some(surveyed.plus_days(12)),
            no_water: false,
            traced: Some(surveyed.plus_days(30)),
            completed: Some(surveyed.plus_days(300)),
            signed: Some(day("2023-08-01").plus_days(spread / 2)),
            set_up: None,
            mouth: None,
            lacks: None,
            extended: None,
            reopened: None,
            damaged: None,
            known_from: index.is_multiple_of(4).then(|| day("2021-12-20")),
            exempt: None,
            amended: index % 11 == 3,
        }
    }
}

fn with(cell: &'static str, change: impl FnOnce(&mut Case)) -> (&'static str, Case) {
    let mut case = Case::ordinary(0);
    (case.known_from, case.amended, case.scale) = (None, false, Scale::Below);
    change(&mut case);
    (cell, case)
}

/// One outlet or more for every cell of lifecycle tables 1.2 and 1.3.
fn special() -> Vec<(&'static str, Case)> {
    let mut all = denominators();
    all.extend(closures());
    all.extend(regulated());
    all.extend(unfinished());
    all
}

fn denominators() -> Vec<(&'static str, Case)> {
    vec![
        with("1.2 suspect, open", |case| case.counted = Counted::Suspect),
        with("1.2 suspect, not reached", |case| case.counted = Counted::NotReached),
        with("1.2 suspect, level 3 pending", |case| case.counted = Counted::NeedsLevel3),
        with("1.2 not an outlet", |case| case.counted = Counted::NotAnOutlet),
        with("1.2 pending review", |case| case.counted = Counted::PendingReview),
        with("1.2 returned", |case| case.counted = Counted::Returned),
        with("1.2 survivor of a duplicate", |case| case.class = Class::Regulate),
        with("1.2 duplicate", |case| case.counted = Counted::Duplicate("BZ0007")),
        with("1.2 set up after the cut-off", |case| {
            case.set_up = Some(("new", day("2024-03-01")));
            (case.surveyed, case.stage, case.class) = (day("2024-04-02"), Stage::Listed, Class::Proposed);
        }),
        with("1.2 altered outlet stays in", |case| case.set_up = Some(("altered", day("2022-05-01")))),
        with("1.2 sealed at the first survey", |case| {
            (case.mouth, case.no_water, case.class) = (Some("sealed"), true, Class::NoneNeeded);
        }),
        with("1.2 abandoned at the first survey", |case| {
            (case.mouth, case.no_water, case.class) = (Some("abandoned"), true, Class::Ban);
        }),
        with("1.2 scale undetermined", |case| case.scale = Scale::Undetermined),
        with("1.2 extended", |case| {
            (case.extended, case.stage, case.completed) = (Some(day("2024-06-30")), Stage::Planned, None);
        }),
        with("1.2 found in 2022, existed in 2021", |case| case.surveyed = day("2022-03-15")),
    ]
}

fn closures() -> Vec<(&'static str, Case)> {
    let above = |case: &mut Case| case.scale = Scale::Above;
    vec![
        with("1.3 ban, closed", |case| {
            above(case);
            case.class = Class::Ban;
        }),
        with("1.3 ban, only decided", |case| {
            (case.class, case.stage, case.completed) = (Class::Ban, Stage::Decided, None)
        }),
        with("1.3 ban, without dry re-check", |case| (case.class, case.lacks) = (Class::Ban, Some("recheck"))),
        with("1.3 ban, source not ended", |case| (case.class, case.lacks) = (Class::Ban, Some("source_stopped"))),
        with("1.3 ban, without after-photos", |case| (case.class, case.lacks) = (Class::Ban, Some("after"))),
        with("1.3 merge into an outlet", |case| {
            above(case);
            case.class = Class::Merge("outlet:BZ0023");
        }),
        with("1.3 merge into a sewer", |case| case.class = Class::Merge("sewer")),
        with("1.3 the surviving outlet of a merge", |case| case.class = Class::Regulate),
        with("1.3 merge into a plant", |case| case.class = Class::Merge("plant")),
        with("1.3 merge, old mouth not sealed", |case| {
            (case.class, case.lacks) = (Class::Merge("sewer"), Some("mouth_sealed"));
        }),
        with("1.3 merge, not connected", |case| {
            (case.class, case.lacks) = (Class::Merge("sewer"), Some("connected"));
        }),
    ]
}

fn regulated() -> Vec<(&'static str, Case)> {
    vec![
        with("1.3 regulate, accepted without a sign", |case| {
            (case.scale, case.class, case.stage) = (Scale::Above, Class::Regulate, Stage::Accepted);
        }),
        with("1.3 regulate, complete", |case| (case.scale, case.class) = (Scale::Above, Class::Regulate)),
        with("1.3 regulate, an item of construction missing", |case| {
            (case.class, case.lacks) = (Class::Regulate, Some("archive"));
        }),
        with("1.3 regulate, a measure open", |case| (case.class, case.lacks) = (Class::Regulate, Some("measure"))),
        with("1.3 regulate, without a code", |case| (case.class, case.lacks) = (Class::Regulate, Some("code"))),
        with("1.3 regulate, sign without a photo", |case| {
            (case.class, case.lacks) = (Class::Regulate, Some("sign_photo"));
        }),
        with("1.3 none needed, with sign", |case| (case.scale, case.class) = (Scale::Above, Class::NoneNeeded)),
        with("1.3 none needed, without an archive", |case| {
            (case.class, case.lacks) = (Class::NoneNeeded, Some("archive"));
        }),
        with("1.3 none needed, exempt from the sign", |case| {
            (case.class, case.exempt, case.lacks) = (Class::NoneNeeded, Some("household"), Some("sign"));
        }),
        with("1.3 regulate, completed late", |case| {
            (case.scale, case.class, case.completed) = (Scale::Above, Class::Regulate, Some(day("2023-02-14")));
        }),
    ]
}

fn unfinished() -> Vec<(&'static str, Case)> {
    vec![
        with("1.3 undecided", |case| (case.class, case.stage) = (Class::Proposed, Stage::Listed)),
        with("1.3 under way", |case| (case.stage, case.completed) = (Stage::Planned, None)),
        with("1.3 completion reported", |case| case.stage = Stage::Reported),
        with("1.3 county check only", |case| case.stage = Stage::CountyChecked),
        with("1.3 acceptance rejected", |case| case.stage = Stage::Rejected),
        with("1.3 re-opened", |case| (case.class, case.reopened) = (Class::Regulate, Some(day("2023-05-04")))),
        with("1.3 ban re-opened", |case| (case.class, case.reopened) = (Class::Ban, Some(day("2023-06-20")))),
        with("1.3 sign damaged later", |case| {
            (case.class, case.damaged) = (Class::Regulate, Some(day("2024-02-01")));
        }),
        with("1.3 survey only", |case| {
            (case.sampled, case.traced, case.class, case.stage) = (None, None, Class::Proposed, Stage::Listed);
        }),
        with("1.3 sampled, not traced", |case| {
            (case.traced, case.class, case.stage) = (None, Class::Proposed, Stage::Listed);
        }),
        with("1.3 sampled late", |case| case.sampled = Some(day("2022-01-20"))),
        with("1.3 traced late", |case| case.traced = Some(day("2023-03-01"))),
    ]
}

/// The special cases first, then ordinary ones.
pub(super) fn all(outlets: usize) -> Vec<Case> {
    let special = special();
    let mut cases = Vec::with_capacity(outlets.max(special.len()));
    for (index, (cell, case)) in special.into_iter().enumerate() {
        let place = Case::ordinary(index);
        // Two inspectors walk county 0: there one outlet can be recorded twice, and one merged into another.
        let county = if cell.contains("duplicate") || cell.contains("a merge") { 0 } else { place.county };
        cases.push(Case { cell, number: place.number, index, county, ..case });
    }
    for index in cases.len()..outlets {
        let mut case = Case::ordinary(index);
        match index % 13 {
            4 => (case.stage, case.completed) = (Stage::Planned, None),
            7 => (case.traced, case.class, case.stage) = (None, Class::Proposed, Stage::Listed),
            9 => case.no_water = true,
            11 => case.stage = Stage::Accepted,
            _ => {}
        }
        cases.push(case);
    }
    cases
}
