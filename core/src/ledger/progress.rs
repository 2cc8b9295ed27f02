//! The milestone table: for each milestone, reading and group how many are done of how many, when
//! the target was reached, and what is still needed (lifecycle.md 1.1, 1.2, 1.5).

use std::collections::BTreeMap;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::denominator::{Place, place};
use super::grade::{Grade, Reading};
use super::outcome::{Fulfilment, Span, extension, fulfilment, spans};
use super::profile::{Groups, Profile};
use super::set::{Condition, Milestone, MilestoneSet, Scope};
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
    pub fn of(self, groups: &Groups) -> &str {
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
    fn has_documents(self) -> bool {
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
    fn new(done: usize, of: usize) -> Self {
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
            let mut groups: BTreeMap<&str, Tally> = BTreeMap::new();
            let mut all = Tally::default();
            for profile in profiles {
                let counted = Counted::new(profile, milestone, input.as_of);
                groups.entry(by.of(&profile.groups)).or_default().add(&counted, milestone, input.as_of);
                all.add(&counted, milestone, input.as_of);
            }
            let area = Group { name: &input.set.area, documents: true };
            rows.push(all.row(input, milestone, reading, area));
            for (name, tally) in groups {
                let group = Group { name, documents: by.has_documents() && name != UNKNOWN_GROUP };
                rows.push(tally.row(input, milestone, reading, group));
            }
        }
    }
    rows
}

#[derive(Clone, Copy)]
struct Group<'g> {
    name: &'g str,
    documents: bool,
}

struct Counted<'p> {
    profile: &'p Profile,
    place: Place,
    outcome: Fulfilment<'p>,
    spans: Vec<Span>,
}

impl<'p> Counted<'p> {
    fn new(profile: &'p Profile, milestone: &Milestone, as_of: Day) -> Self {
        let place = place(profile, milestone, as_of);
        let spans = if place == Place::In { spans(profile, milestone) } else { Vec::new() };
        Self { profile, place, outcome: fulfilment(profile, milestone, as_of), spans }
    }
}

#[derive(Default)]
struct Tally {
    done: usize,
    of: usize,
    parts: BTreeMap<Condition, (usize, usize)>,
    grades: BTreeMap<String, usize>,
    excluded: BTreeMap<String, usize>,
    exempt: BTreeMap<String, usize>,
    of_which: BTreeMap<String, usize>,
    on_time: usize,
    pending_review: usize,
    open_suspects: usize,
    extended: usize,
    awaiting_acceptance: usize,
    scale_undetermined: usize,
    spans: Vec<Span>,
}

fn bump(map: &mut BTreeMap<String, usize>, key: &str) {
    *map.entry(key.to_owned()).or_default() += 1;
}

impl Tally {
    fn add(&mut self, counted: &Counted<'_>, milestone: &Milestone, as_of: Day) {
        match counted.place {
            Place::Out(why) => return bump(&mut self.excluded, why),
            Place::OutSuspect => {
                self.open_suspects += 1;
                return;
            }
            Place::ScaleUndetermined => {
                self.scale_undetermined += 1;
                return;
            }
            Place::InSuspect => {
                self.open_suspects += 1;
                self.of += 1;
            }
            Place::In => {
                self.of += 1;
                self.add_outlet(counted, milestone);
            }
        }
        self.add_parts(counted, milestone, as_of);
        self.pending_review += usize::from(counted.profile.pending_review && counted.place == Place::In);
        self.extended += usize::from(extension(counted.profile, milestone, as_of).is_some());
        let waits = counted.profile.step(as_of).is_some_and(|step| step.awaiting_acceptance);
        self.awaiting_acceptance += usize::from(waits);
    }

    fn add_outlet(&mut self, counted: &Counted<'_>, milestone: &Milestone) {
        self.spans.extend(&counted.spans);
        let mut names: Vec<&str> = counted.outcome.exempt.iter().map(|own| own.counted.as_str()).collect();
        names.sort_unstable();
        names.dedup();
        for name in names {
            bump(&mut self.exempt, name);
        }
        if !counted.outcome.done {
            return;
        }
        self.done += 1;
        self.on_time += usize::from(counted.outcome.date.is_none_or(|date| date <= milestone.due));
        bump(&mut self.grades, counted.outcome.grade.unwrap_or(Grade::Asserted).code());
        let asks = |condition| counted.outcome.conditions.as_ref().is_some_and(|all| all.contains(&condition));
        if asks(Condition::Class) && counted.outcome.class == Some("none_needed") {
            bump(&mut self.of_which, "none_needed");
        }
        let sample = counted.profile.fixed.get(&Condition::Sample);
        if asks(Condition::Sample) && sample.is_some_and(|check| check.substitute) {
            bump(&mut self.of_which, "without_sample");
        }
    }

    fn add_parts(&mut self, counted: &Counted<'_>, milestone: &Milestone, as_of: Day) {
        for part in milestone.parts.iter().copied() {
            let suspect = counted.place == Place::InSuspect;
            if suspect && !milestone.parts_with_suspects.contains(&part) {
                continue;
            }
            let met = counted.profile.check(part, as_of).is_some_and(|check| check.met_by(as_of));
            let (done, of) = self.parts.entry(part).or_default();
            *of += 1;
            *done += usize::from(met && !suspect);
        }
    }

    fn row(mut self, input: TableInput<'_>, milestone: &Milestone, reading: Reading, group: Group<'_>) -> ProgressRow {
        let documents = group.documents.then(|| documents(input, milestone, group.name)).flatten();
        let share_on = achieved_on(&mut self.spans, milestone, self.of, input.as_of);
        let (state, achieved_on) = self.state(milestone, input.as_of, share_on, documents.as_ref());
        let strict =
            (milestone.scope == Scope::AboveScale).then(|| share(self.done, self.of + self.scale_undetermined));
        ProgressRow {
            milestone: milestone.id.clone(),
            due: milestone.due,
            as_of: input.as_of,
            reading,
            headline: reading == input.set.headline.reading,
            group: group.name.to_owned(),
            done: self.done,
            of: self.of,
            share: share(self.done, self.of),
            target: milestone.target_percent,
            share_strict: strict.flatten(),
            parts: self.part_rows(milestone, documents),
            grades: self.grades,
            excluded: self.excluded,
            exempt: self.exempt,
            done_of_which: self.of_which,
            on_time: self.on_time,
            late: self.done - self.on_time,
            open: self.of - self.done,
            pending_review: self.pending_review,
            open_suspects: self.open_suspects,
            extended: self.extended,
            awaiting_acceptance: self.awaiting_acceptance,
            scale_undetermined: self.scale_undetermined,
            achieved_on,
            late_days: achieved_on.map(|on| on.days_since(milestone.due)).filter(|days| *days > 0),
            needs: milestone.needs(self.done, self.of),
            state,
            set: format!("{}@{}", input.set.id, input.set.version),
        }
    }

    fn part_rows(
        &self,
        milestone: &Milestone,
        documents: Option<BTreeMap<String, DocumentPart>>,
    ) -> BTreeMap<String, PartOf> {
        let part = |condition: &Condition| self.parts.get(condition).copied().unwrap_or_default();
        let mut rows: BTreeMap<String, PartOf> = milestone
            .parts
            .iter()
            .map(|condition| {
                (condition.code().to_owned(), PartOf::Share(Part::new(part(condition).0, part(condition).1)))
            })
            .collect();
        if !milestone.parts.is_empty() {
            rows.insert("all".into(), PartOf::Share(Part::new(self.done, self.of)));
        }
        rows.extend(documents.map(|documents| ("documents".to_owned(), PartOf::Documents(documents))));
        rows
    }

    fn state(
        &self,
        milestone: &Milestone,
        as_of: Day,
        share_on: Option<Day>,
        documents: Option<&BTreeMap<String, DocumentPart>>,
    ) -> (GroupState, Option<Day>) {
        if self.of == 0 {
            return (GroupState::NotApplicable, None);
        }
        let Some(share_on) = share_on else {
            return (if as_of <= milestone.due { GroupState::Open } else { GroupState::Behind }, None);
        };
        if self.scale_undetermined > 0 {
            return (GroupState::ScaleUndetermined, None);
        }
        let sealed: Option<Vec<Day>> = documents
            .map(|all| all.values().map(|document| document.on).collect::<Option<_>>())
            .unwrap_or(Some(vec![]));
        let Some(sealed) = sealed else { return (GroupState::DocumentsMissing, None) };
        let achieved = sealed.into_iter().fold(share_on, Day::max);
        (if achieved <= milestone.due { GroupState::OnTime } else { GroupState::Late }, Some(achieved))
    }
}

/// The sealed documents of a group by a day.
fn documents(input: TableInput<'_>, milestone: &Milestone, unit: &str) -> Option<BTreeMap<String, DocumentPart>> {
    if milestone.documents.is_empty() {
        return None;
    }
    let part = |what: &String| {
        let first = input
            .seals
            .iter()
            .filter(|seal| seal.what == *what && seal.unit == unit && seal.on <= input.as_of)
            .map(|seal| seal.on)
            .min();
        let late = first.map(|on| on.days_since(milestone.due)).filter(|days| *days > 0);
        let state = match (first, late) {
            (None, _) => "no",
            (_, Some(_)) => "late",
            _ => "yes",
        };
        (what.clone(), DocumentPart { state: state.to_owned(), on: first, late_days: late })
    };
    Some(milestone.documents.iter().map(part).collect())
}

/// First day from which the share stays at or above the target, up to `as_of`.
fn achieved_on(spans: &mut [Span], milestone: &Milestone, of: usize, as_of: Day) -> Option<Day> {
    let mut events: BTreeMap<Day, i64> = BTreeMap::new();
    for span in spans.iter().filter(|span| span.from <= as_of) {
        *events.entry(span.from).or_default() += 1;
        if let Some(until) = span.until.filter(|until| *until <= as_of) {
            *events.entry(until).or_default() -= 1;
        }
    }
    let (mut done, mut since) = (0i64, None);
    for (day, change) in events {
        done += change;
        let met = milestone.target_met(usize::try_from(done).unwrap_or(0), of);
        since = if met { since.or(Some(day)) } else { None };
    }
    since
}
