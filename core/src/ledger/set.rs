//! Milestone sets: deadlines, conditions per class, exemptions and thresholds as data with their
//! legal source. Nothing in the engine knows Bazhong's dates; it reads them here.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::ScaleClass;
use super::grade::Reading;
use crate::identity::Level;
use crate::time::Day;

/// Bazhong's set, as shipped.
pub const BAZHONG: &str = include_str!("../../../fixtures/milestones/bazhong-14fyp.toml");
/// The national calendar, shipped disabled.
pub const NATIONAL: &str = include_str!("../../../fixtures/milestones/national-2022.toml");

/// Why a text is not a milestone set.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SetError {
    /// Not TOML, or not of this shape.
    #[error("the milestone set cannot be read: {0}")]
    Toml(#[from] toml::de::Error),
    /// A target outside 1–100.
    #[error("milestone {id}: target_percent is 1 to 100, got {got}")]
    Target {
        /// The milestone.
        id: String,
        /// What it says.
        got: u32,
    },
    /// Two milestones of one name.
    #[error("milestone {0} is defined twice")]
    Twice(String),
    /// A milestone that no outlet could ever fulfil.
    #[error("milestone {0} requires nothing: give `every` or a list per class")]
    Empty(String),
}

/// One thing that must be true of an outlet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Condition {
    /// 排查.
    Survey,
    /// 监测, or the dated reason why there is none.
    Sample,
    /// 溯源.
    Trace,
    /// Class decided at the level set.
    Class,
    /// Mouth removed or sealed (取缔).
    MouthClosed,
    /// Source stopped or redirected (取缔).
    SourceEnded,
    /// Photos after the works.
    AfterPhotos,
    /// A dry-weather re-check without discharge.
    DryRecheck,
    /// Accepted (验收销号).
    Accepted,
    /// 合并去向 named.
    MergedInto,
    /// Connected to it.
    Connected,
    /// Old mouth sealed (清理合并).
    MouthSealed,
    /// Every measure of the 一口一策.
    Measures,
    /// 规范化建设 items of its type.
    Construction,
    /// 档案.
    Archive,
    /// Name approved.
    Name,
    /// Official code.
    Code,
    /// 标识牌 erected, with a photo.
    Sign,
}

impl Condition {
    /// The code used in TOML and JSON.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::Survey => "survey",
            Self::Sample => "sample",
            Self::Trace => "trace",
            Self::Class => "class",
            Self::MouthClosed => "mouth_closed",
            Self::SourceEnded => "source_ended",
            Self::AfterPhotos => "after_photos",
            Self::DryRecheck => "dry_recheck",
            Self::Accepted => "accepted",
            Self::MergedInto => "merged_into",
            Self::Connected => "connected",
            Self::MouthSealed => "mouth_sealed",
            Self::Measures => "measures",
            Self::Construction => "construction",
            Self::Archive => "archive",
            Self::Name => "name",
            Self::Code => "code",
            Self::Sign => "sign",
        }
    }

    /// Whose turn it is while the condition is open (lifecycle.md section 2, column "who"):
    /// `inspector | county | city | party`.
    #[must_use]
    pub fn whose(self) -> &'static str {
        match self {
            Self::Survey | Self::Sample | Self::Trace | Self::DryRecheck => "inspector",
            Self::Class | Self::Accepted | Self::Code => "city",
            Self::MergedInto | Self::Name | Self::Archive => "county",
            Self::MouthClosed
            | Self::SourceEnded
            | Self::AfterPhotos
            | Self::Connected
            | Self::MouthSealed
            | Self::Measures
            | Self::Construction
            | Self::Sign => "party",
        }
    }
}

/// A versioned set of milestones with everything that their figures depend on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MilestoneSet {
    /// Identifier, such as `bazhong-14fyp`.
    pub id: String,
    /// Version as the file gives it.
    pub version: String,
    /// Title.
    pub title: String,
    /// Shown and computed.
    pub enabled: bool,
    /// Legal source.
    pub source: String,
    /// Code of the whole area: the row that is the union of all groups.
    pub area: String,
    /// Zone of civil dates, minutes east of UTC.
    pub utc_offset_minutes: i32,
    /// Which reading is official.
    pub headline: Headline,
    /// Grades of evidence.
    pub evidence: EvidenceRule,
    /// 规模以上.
    pub scale: ScaleRule,
    /// Levels that approve.
    pub approval: Approval,
    /// 验收销号.
    pub acceptance: AcceptanceRule,
    /// Class decisions.
    pub class: ClassRule,
    /// 非排口.
    pub not_an_outlet: NotAnOutletRule,
    /// 排查.
    pub survey: SurveyRule,
    /// 监测.
    pub sample: SampleRule,
    /// Photo slots with a meaning.
    pub photos: PhotoRule,
    /// 规范化建设 items by type.
    #[serde(default)]
    pub construction: Vec<ConstructionRule>,
    /// Exemptions.
    #[serde(default)]
    pub exemption: Vec<Exemption>,
    /// Legal bases and their validity.
    #[serde(default)]
    pub legal_basis: Vec<LegalBasisRule>,
    /// The milestones, by due date.
    #[serde(rename = "milestone")]
    pub milestones: Vec<Milestone>,
}

/// Which reading is official.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Headline {
    /// The reading.
    pub reading: Reading,
    /// Why.
    pub source: String,
}

/// When evidence is of its time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EvidenceRule {
    /// N days.
    pub contemporaneous_days: i64,
    /// Why.
    pub source: String,
}

/// Thresholds of 规模以上, inclusive, joined by "or".
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ScaleRule {
    /// m3 per day.
    pub m3_per_day: f64,
    /// m3 per year.
    pub m3_per_year: f64,
    /// Why.
    pub source: String,
}

/// Levels that approve, by what is approved.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Approval {
    /// 排查.
    pub survey: Level,
    /// 监测.
    pub sample: Level,
    /// 溯源.
    pub trace: Level,
    /// Class.
    pub class: Level,
    /// 一口一策.
    pub plan: Level,
    /// 验收.
    pub acceptance: Level,
    /// Name.
    pub name: Level,
    /// Code.
    pub code: Level,
    /// Sign.
    pub sign: Level,
    /// Why.
    pub source: String,
}

/// What an acceptance needs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AcceptanceRule {
    /// An acceptance later than this after completion moves the date used to its own; 0 = off.
    pub within_days: i64,
    /// 县级初验 comes first.
    pub needs_county_check: bool,
    /// Whoever reported the completion may take the county's first check; never the acceptance.
    pub reporter_may_check: bool,
    /// Why.
    pub source: String,
}

/// What a class decision needs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ClassRule {
    /// A document (文号).
    pub needs_document: bool,
    /// 取缔 also needs the government's own.
    pub ban_needs_government_document: bool,
    /// Why.
    pub source: String,
}

/// What 非排口 needs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NotAnOutletRule {
    /// A reason code.
    pub needs_reason: bool,
    /// A photo.
    pub needs_photo: bool,
    /// Why.
    pub source: String,
}

/// What a complete survey needs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SurveyRule {
    /// Slots of a near photo.
    pub near_slots: Vec<String>,
    /// Slots of the surroundings.
    pub surroundings_slots: Vec<String>,
    /// Number of photos.
    pub min_photos: usize,
    /// Outcomes of a visit that is no survey.
    pub outcomes_not_done: Vec<String>,
    /// Why.
    pub source: String,
}

/// What a substitute for a sample needs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SampleRule {
    /// Outlet types (codes or labels) whose visit without water must be in dry weather.
    pub dry_weather_types: Vec<String>,
    /// Why.
    pub source: String,
}

/// Photo slots with a meaning.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PhotoRule {
    /// After the works.
    pub after_slots: Vec<String>,
    /// 标识牌.
    pub sign_slots: Vec<String>,
    /// Why.
    pub source: String,
}

/// 规范化建设 items of some types.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ConstructionRule {
    /// Type codes or labels; `*` is every type.
    pub types: Vec<String>,
    /// Item codes.
    pub items: Vec<String>,
    /// Why.
    pub source: String,
}

/// An exemption from conditions, with its source.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Exemption {
    /// Code that a decision names, or the name of the rule.
    pub code: String,
    /// From which conditions.
    pub conditions: Vec<Condition>,
    /// For these classes (empty = any).
    #[serde(default)]
    pub classes: Vec<String>,
    /// For these outlet types, codes or labels (empty = any).
    #[serde(default)]
    pub types: Vec<String>,
    /// For these states of the mouth at the first survey (empty = any).
    #[serde(default)]
    pub mouths: Vec<String>,
    /// Only where a decision names it.
    #[serde(default)]
    pub by_decision: bool,
    /// Under which name it is counted in reports.
    pub counted: String,
    /// Why.
    pub source: String,
}

/// Days on which a legal basis can found a decision.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LegalBasisRule {
    /// Document.
    pub document: String,
    /// First day in force.
    pub valid_from: Day,
    /// Last day in force.
    #[serde(default)]
    pub valid_to: Option<Day>,
}

/// Which outlets a milestone speaks of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// All.
    All,
    /// 规模以上.
    AboveScale,
}

/// What an unfinished outlet is called after the due date.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unfinished {
    /// Never overdue: a share below 100 % is nobody's outlet.
    Outstanding,
    /// Overdue.
    Overdue,
}

/// One milestone.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Milestone {
    /// `M1`.
    pub id: String,
    /// Title.
    pub title: String,
    /// Due date, inclusive.
    pub due: Day,
    /// Target of the share, in percent.
    pub target_percent: u32,
    /// Which outlets.
    pub scope: Scope,
    /// Open suspects are in the denominator, not done.
    pub suspects: bool,
    /// What an unfinished outlet is called.
    pub unfinished: Unfinished,
    /// Conditions whose own shares are shown.
    #[serde(default)]
    pub parts: Vec<Condition>,
    /// Parts whose denominator has the open suspects too.
    #[serde(default)]
    pub parts_with_suspects: Vec<Condition>,
    /// Sealed documents that the group needs.
    #[serde(default)]
    pub documents: Vec<String>,
    /// Adds the sign to the conditions of every class (`m3_requires_sign` is this switch in M3).
    #[serde(default)]
    pub requires_sign: bool,
    /// Conditions: `every` for all, the others by class. A class without a list, where no list is
    /// by class, has only `every`; where lists are by class, it is never done.
    pub requires: BTreeMap<String, Vec<Condition>>,
    /// Legal source.
    pub source: String,
}

impl LegalBasisRule {
    /// Can it found a decision of this day?
    #[must_use]
    pub fn in_force(&self, on: Day) -> bool {
        self.valid_from <= on && self.valid_to.is_none_or(|to| on <= to)
    }
}

impl MilestoneSet {
    /// Reads and checks a set.
    ///
    /// # Errors
    /// The first thing that is wrong with it.
    pub fn parse(text: &str) -> Result<Self, SetError> {
        let set: Self = toml::from_str(text)?;
        for (index, milestone) in set.milestones.iter().enumerate() {
            if !(1..=100).contains(&milestone.target_percent) {
                return Err(SetError::Target { id: milestone.id.clone(), got: milestone.target_percent });
            }
            if set.milestones[..index].iter().any(|earlier| earlier.id == milestone.id) {
                return Err(SetError::Twice(milestone.id.clone()));
            }
            if milestone.requires.values().all(Vec::is_empty) {
                return Err(SetError::Empty(milestone.id.clone()));
            }
        }
        Ok(set)
    }

    /// The rule of a legal basis, whatever stands around its name.
    #[must_use]
    pub fn basis(&self, document: &str) -> Option<&LegalBasisRule> {
        self.legal_basis.iter().find(|rule| document.contains(&rule.document))
    }

    /// The milestone of this name.
    #[must_use]
    pub fn milestone(&self, id: &str) -> Option<&Milestone> {
        self.milestones.iter().find(|milestone| milestone.id == id)
    }

    /// By when the works of an outlet of this scale must be done (`D` of lifecycle.md, T13): the due
    /// date of the first milestone that asks such an outlet for more than its investigation. While the
    /// scale is not determined, only milestones of all outlets ask.
    #[must_use]
    pub fn works_due(&self, scale: ScaleClass) -> Option<Day> {
        let asks = |milestone: &&Milestone| {
            milestone.requires.keys().any(|class| class != "every")
                && (milestone.scope == Scope::All || scale == ScaleClass::Above)
        };
        self.milestones.iter().filter(asks).map(|milestone| milestone.due).min()
    }

    /// 规范化建设 items that the type asks for.
    #[must_use]
    pub fn construction_items(&self, outlet_type: Option<&str>) -> Vec<String> {
        let applies =
            |rule: &&ConstructionRule| rule.types.iter().any(|name| name == "*" || Some(name.as_str()) == outlet_type);
        let mut items: Vec<String> =
            self.construction.iter().filter(applies).flat_map(|rule| rule.items.iter().cloned()).collect();
        items.sort();
        items.dedup();
        items
    }
}

impl Milestone {
    /// What an outlet of this class must fulfil, or `None` where such an outlet is never done.
    #[must_use]
    pub fn conditions(&self, class: Option<&str>) -> Option<Vec<Condition>> {
        let by_class = self.requires.keys().any(|key| key != "every");
        let mut conditions = match class.and_then(|class| self.requires.get(class)) {
            Some(own) => own.clone(),
            None if by_class => return None,
            None => Vec::new(),
        };
        conditions.extend(self.requires.get("every").into_iter().flatten().copied());
        if self.requires_sign && !conditions.contains(&Condition::Sign) {
            conditions.push(Condition::Sign);
        }
        Some(conditions)
    }

    /// The target is met, with integers: "以上" includes the number.
    #[must_use]
    pub fn target_met(&self, done: usize, of: usize) -> bool {
        of > 0 && (done as u128) * 100 >= u128::from(self.target_percent) * (of as u128)
    }

    /// How many more the target needs.
    #[must_use]
    pub fn needs(&self, done: usize, of: usize) -> usize {
        let wanted = (u128::from(self.target_percent) * of as u128).div_ceil(100);
        usize::try_from(wanted.saturating_sub(done as u128)).unwrap_or(usize::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shipped_sets_parse_and_only_the_citys_is_enabled() {
        let bazhong = MilestoneSet::parse(BAZHONG).unwrap();
        let ids: Vec<_> =
            bazhong.milestones.iter().map(|m| format!("{} {} {}", m.id, m.due, m.target_percent)).collect();
        assert_eq!(ids, ["M1 2021-12-31 80", "M2 2022-12-31 100", "M3 2022-12-31 100", "M4 2023-12-31 100"]);
        assert!(bazhong.enabled);
        let national = MilestoneSet::parse(NATIONAL).unwrap();
        assert!(!national.enabled);
        assert_eq!(national.milestone("N3").unwrap().target_percent, 30);
    }

    #[test]
    fn a_set_that_cannot_be_met_is_refused() {
        let twice = BAZHONG.replace("id = \"M2\"", "id = \"M1\"");
        assert!(matches!(MilestoneSet::parse(&twice), Err(SetError::Twice(id)) if id == "M1"));
        let target = BAZHONG.replace("target_percent = 80", "target_percent = 180");
        assert!(matches!(MilestoneSet::parse(&target), Err(SetError::Target { got: 180, .. })));
        let empty = BAZHONG.replace("every = [\"survey\", \"trace\"]", "every = []");
        assert!(matches!(MilestoneSet::parse(&empty), Err(SetError::Empty(id)) if id == "M2"));
        assert!(MilestoneSet::parse("id = 1").is_err());
    }

    #[test]
    fn the_target_includes_its_number_and_needs_counts_up() {
        let set = MilestoneSet::parse(BAZHONG).unwrap();
        let m1 = set.milestone("M1").unwrap();
        assert!(m1.target_met(4, 5) && !m1.target_met(7996, 10000) && !m1.target_met(0, 0));
        assert_eq!((m1.needs(7996, 10000), m1.needs(4, 5), m1.needs(0, 1)), (4, 0, 1));
    }
}
