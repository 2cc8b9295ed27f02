//! What the milestones need to know of one outlet, in one reading: where it is counted, its
//! conditions with dates, and how class and works changed from day to day. Small, serialisable,
//! independent of the day asked about: a server keeps it beside the ledger row.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::conditions;
use super::findings::Finding;
use super::grade::Check;
use super::rectify::{Works, checks};
use super::set::Condition;
use super::values::{Source, Values};
use super::view::View;
use crate::domain::case::Decision;
use crate::domain::field::{FieldEntry, fact};
use crate::ids::{DocKey, DocKind, OutletId};
use crate::time::Day;

/// What a record is counted as.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "is")]
pub enum Standing {
    /// An outlet.
    Outlet,
    /// 疑似, open: also 三级排查 pending, and proposals of 非排口.
    Suspect,
    /// 非排口, decided.
    NotAnOutlet,
    /// 重复记录 of another record.
    Duplicate {
        /// The surviving record.
        of: DocKey,
    },
    /// Created in the wrong collection: its successor counts.
    Moved {
        /// The successor.
        to: DocKey,
    },
    /// Nothing of the record was known then.
    NotKnown,
}

/// Where an outlet belongs, per way of grouping.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Groups {
    /// Reporting unit (two districts, three counties, 巴中经开区).
    pub unit: Option<String>,
    /// County code.
    pub county: Option<String>,
    /// Township.
    pub township: Option<String>,
    /// 流域.
    pub basin: Option<String>,
    /// 受纳水体.
    pub waterbody: Option<String>,
    /// 水功能区.
    pub water_function_zone: Option<String>,
    /// 控制单元.
    pub control_unit: Option<String>,
    /// 断面.
    pub section: Option<String>,
    /// 河段.
    #[serde(default)]
    pub reach: Option<String>,
    /// 河长 of the reach.
    #[serde(default)]
    pub chief: Option<String>,
    /// Main responsible party.
    #[serde(default)]
    pub party: Option<String>,
    /// 主管部门; no group, but whom to ask.
    #[serde(default)]
    pub department: Option<String>,
}

/// Class and works from a day on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// First day; `None` for "since ever".
    pub from: Option<Day>,
    /// Class decided.
    pub class: Option<String>,
    /// Conditions of class and works.
    pub checks: BTreeMap<Condition, Check>,
    /// Completion was reported and waits for check or acceptance.
    pub awaiting_acceptance: bool,
    /// Re-opened, and not accepted again.
    pub reopened: Option<Day>,
}

/// An extension (延期) or suspension.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Extension {
    /// Milestone; all, if absent.
    pub milestone: Option<String>,
    /// New due date; suspended, if absent.
    pub until: Option<Day>,
    /// By whom.
    pub authority: String,
    /// 文号.
    pub document: Option<String>,
    /// Day of the document or decision.
    pub on: Day,
}

/// An exemption that applies, besides those that depend on the class.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exempted {
    /// The rule's code.
    pub code: String,
    /// From which condition.
    pub condition: Condition,
    /// Counted under this name.
    pub counted: String,
}

/// One outlet as the milestones see it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Profile {
    /// Key of the field record.
    pub key: DocKey,
    /// Groups.
    pub groups: Groups,
    /// What it is counted as.
    pub standing: Standing,
    /// What it would be counted as if it were no duplicate and had not moved.
    pub alone: Standing,
    /// Handed in, not yet reviewed.
    pub pending_review: bool,
    /// Day since which it exists, where known.
    pub exists_from: Option<Day>,
    /// `existing | new | altered | enlarged`.
    pub set_up: Option<String>,
    /// 规模.
    pub scale: super::ScaleClass,
    /// Conditions that stay met.
    pub fixed: BTreeMap<Condition, Check>,
    /// Class and works over time, by day.
    pub steps: Vec<Step>,
    /// Extensions.
    pub extensions: Vec<Extension>,
    /// Exemptions by mouth, type or decision.
    pub exempted: Vec<Exempted>,
    /// Exemptions by class: (class, exemption).
    pub exempt_by_class: Vec<(String, Exempted)>,
    /// Predecessor in the wrong collection.
    pub moved_from: Option<DocKey>,
    /// The outlet into which it was merged (合并去向), as last reported.
    #[serde(default)]
    pub merged_into: Option<DocKey>,
}

impl Profile {
    /// The outlet.
    #[must_use]
    pub fn id(&self) -> OutletId {
        self.key.id
    }

    /// Class and works as of a day.
    #[must_use]
    pub fn step(&self, day: Day) -> Option<&Step> {
        self.steps.iter().rev().find(|step| step.from.is_none_or(|from| from <= day))
    }

    /// A condition as of a day.
    #[must_use]
    pub fn check(&self, condition: Condition, day: Day) -> Option<&Check> {
        self.fixed.get(&condition).or_else(|| self.step(day)?.checks.get(&condition))
    }

    /// The exemption from a condition for an outlet of this class.
    #[must_use]
    pub fn exemption(&self, condition: Condition, class: Option<&str>) -> Option<&Exempted> {
        let by_class = self.exempt_by_class.iter().filter(|(of, _)| Some(of.as_str()) == class).map(|(_, own)| own);
        by_class.chain(&self.exempted).find(|own| own.condition == condition)
    }
}

/// Builds the profile of one reading.
pub(crate) fn build(view: &View<'_, '_>, findings: &mut Vec<Finding>) -> Profile {
    let mut fixed = BTreeMap::from([
        (Condition::Survey, conditions::survey(view)),
        (Condition::Sample, conditions::sample(view)),
        (Condition::Trace, conditions::trace(view)),
        (Condition::Name, conditions::name(view)),
        (Condition::Code, conditions::code(view)),
        (Condition::Sign, conditions::sign(view)),
    ]);
    fixed.retain(|_, check| check.met || !check.missing.is_empty());
    let (exempted, exempt_by_class) = exemptions(view, findings);
    let scale = view.scale().class;
    let alone = alone(view, findings);
    Profile {
        key: view.known.record.key.with_kind(DocKind::Field),
        groups: groups(view),
        standing: standing(view).unwrap_or_else(|| alone.clone()),
        alone,
        pending_review: view.reviews.state == super::review::ReviewState::Submitted,
        exists_from: exists_from(view),
        set_up: view.values.text(fact::SET_UP).map(str::to_owned),
        scale,
        fixed,
        steps: steps(view),
        extensions: extensions(view, findings),
        exempted,
        exempt_by_class,
        moved_from: moved(view, "from"),
        merged_into: merged_into(view),
    }
}

fn steps(view: &View<'_, '_>) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    let days = std::iter::once(None).chain(view.decisions.days().into_iter().map(Some));
    for from in days {
        let live = view.decisions.at(Some(from.unwrap_or_else(|| Day::from_epoch_days(i64::MIN))));
        let works = Works::read(&live);
        let step = Step {
            from,
            class: works.classification().map(str::to_owned),
            checks: checks(view, &works),
            awaiting_acceptance: works.round.as_ref().is_some_and(|round| !round.accepted() && !round.rejected),
            reopened: works.reopened,
        };
        let same = steps.last().is_some_and(|last| Step { from: last.from, ..step.clone() } == *last);
        if !same {
            steps.push(step);
        }
    }
    steps
}

fn groups(view: &View<'_, '_>) -> Groups {
    let text = |name: &str| view.values.text(name).map(str::to_owned);
    let county = text(fact::COUNTY).unwrap_or_else(|| view.known.record.key.collection.to_string());
    let reach = view.values.text(fact::REACH).and_then(reach_of);
    let (parties, department) = super::row::parties(view, &view.live, &Works::read(&view.live), None);
    Groups {
        unit: Some(text(fact::MANAGEMENT_UNIT).unwrap_or_else(|| county.clone())),
        county: Some(county),
        township: text(fact::TOWNSHIP),
        basin: text(fact::BASIN),
        waterbody: text(fact::WATERBODY),
        water_function_zone: text(fact::WATER_FUNCTION_ZONE),
        control_unit: text(fact::CONTROL_UNIT),
        section: text(fact::SECTION),
        reach: reach.map(|(reach, _)| reach.to_owned()),
        chief: reach.and_then(|(_, chief)| chief).map(str::to_owned),
        party: parties.first().map(|party| party.name.clone()),
        department,
    }
}

/// Reach and chief, written as 河段/河长.
fn reach_of(text: &str) -> Option<(&str, Option<&str>)> {
    let (reach, chief) = text.split_once(['/', '／']).map_or((text, None), |(reach, chief)| (reach, Some(chief)));
    let given = |part: &&str| !part.is_empty();
    Some((Some(reach.trim()).filter(given)?, chief.map(str::trim).filter(given)))
}

/// First use: the fact, else the earliest that a consent says.
fn exists_from(view: &View<'_, '_>) -> Option<Day> {
    let stated = view.values.text(fact::EXISTS_FROM).and_then(|text| text.parse().ok());
    stated.or_else(|| {
        let first_used = view.known.field.iter().filter_map(|item| match &item.value {
            FieldEntry::Consent(consent) => consent.first_used_on,
            _ => None,
        });
        first_used.min()
    })
}

/// Duplicate or moved, if so.
fn standing(view: &View<'_, '_>) -> Option<Standing> {
    if view.known.field.is_empty() {
        return None;
    }
    let duplicate = duplicate_of(view).one().and_then(duplicate_key).map(|of| Standing::Duplicate { of });
    duplicate.or_else(|| moved(view, "to").map(|to| Standing::Moved { to }))
}

/// What the record is counted as by itself. Only decisions and approved facts take a record out:
/// what an inspector alone asserts can add an outlet to a denominator, never remove one.
fn alone(view: &View<'_, '_>, findings: &mut Vec<Finding>) -> Standing {
    if view.known.field.is_empty() {
        return Standing::NotKnown;
    }
    findings.extend(duplicate_of(view).finding("duplicate"));
    let asserted = |state: &str| view.values.states_asserted.iter().any(|own| own == state);
    let by_history = || match asserted("outlet") || view.values.states_asserted.is_empty() {
        true => Standing::Outlet,
        false => Standing::Suspect,
    };
    let Some(shown) = view.values.get(fact::STATE) else { return by_history() };
    match (shown.value.as_str(), shown.source) {
        (Some("outlet"), _) => Standing::Outlet,
        (Some("not_an_outlet"), Source::Decided | Source::Approved) => match not_an_outlet_complete(view, shown) {
            true => Standing::NotAnOutlet,
            false => {
                findings.push(Finding::new(super::findings::code::NOT_AN_OUTLET_INCOMPLETE).entry(shown.entry));
                by_history()
            }
        },
        (Some("suspected" | "needs_level_3"), Source::Decided | Source::Approved) => Standing::Suspect,
        _ => by_history(),
    }
}

fn not_an_outlet_complete(view: &View<'_, '_>, shown: &super::values::Shown) -> bool {
    let rule = &view.set.not_an_outlet;
    let proposed = view.known.field.iter().any(|item| match &item.value {
        FieldEntry::Fact(fact) => fact.field == fact::STATE && fact.value == "not_an_outlet" && fact.reason.is_some(),
        _ => false,
    });
    (!rule.needs_reason || shown.reason.is_some() || proposed)
        && (!rule.needs_photo || view.known.photos().next().is_some())
}

/// The decision on 重复记录 that stands.
fn duplicate_of<'r>(view: &View<'_, 'r>) -> super::decisions::Current<'r> {
    view.decided(|decision| match decision {
        Decision::Duplicate(duplicate) => Some((duplicate.of.id, duplicate.lifted)),
        _ => None,
    })
}

fn duplicate_key(item: &super::record::CaseItem) -> Option<DocKey> {
    match &item.value.decision {
        Decision::Duplicate(duplicate) if !duplicate.lifted => Some(duplicate.of.with_kind(DocKind::Field)),
        _ => None,
    }
}

fn moved(view: &View<'_, '_>, direction: &str) -> Option<DocKey> {
    view.known.field.iter().rev().find_map(|item| match &item.value {
        FieldEntry::Moved(moved) if moved.direction == direction => Some(moved.other.with_kind(DocKind::Field)),
        _ => None,
    })
}

fn merged_into(view: &View<'_, '_>) -> Option<DocKey> {
    let works = Works::read(&view.live);
    works.round?.complete.merged_into.as_ref()?.outlet.map(|outlet| outlet.with_kind(DocKind::Field))
}

fn extensions(view: &View<'_, '_>, findings: &mut Vec<Finding>) -> Vec<Extension> {
    let mut extensions = Vec::new();
    for item in view.live.items() {
        let Decision::Extend(extend) = &item.value.decision else { continue };
        if item.value.document.is_none() {
            findings.push(Finding::new(super::findings::code::EXTENSION_WITHOUT_DOCUMENT).entry(item.id));
        }
        extensions.push(Extension {
            milestone: extend.milestone.clone(),
            until: extend.until,
            authority: extend.authority.clone(),
            document: item.value.document.as_ref().map(|document| document.number.clone()),
            on: item.evidence.unwrap_or_else(|| item.value.at.day(view.known.record.offset)),
        });
    }
    extensions
}

/// Exemptions of the set that apply: by mouth and type, by decision, and by class.
fn exemptions(view: &View<'_, '_>, findings: &mut Vec<Finding>) -> (Vec<Exempted>, Vec<(String, Exempted)>) {
    let (mut always, mut by_class) = (Vec::new(), Vec::new());
    let decided: Vec<(&str, &str)> = view
        .live
        .items()
        .filter_map(|item| match &item.value.decision {
            Decision::Exempt(exempt) => Some((exempt.what.as_str(), exempt.reason.as_str())),
            _ => None,
        })
        .collect();
    for (what, reason) in &decided {
        if !view.set.exemption.iter().any(|rule| rule.by_decision && rule.code == *reason) {
            findings.push(Finding::new(super::findings::code::EXEMPTION_UNKNOWN).field(what).detail(*reason));
        }
    }
    for rule in &view.set.exemption {
        for condition in rule.conditions.iter().copied() {
            let own = Exempted { code: rule.code.clone(), condition, counted: rule.counted.clone() };
            let named = decided.iter().any(|(what, reason)| *what == condition.code() && *reason == rule.code);
            if !applies(rule, &view.values) || (rule.by_decision && !named) {
                continue;
            }
            match rule.classes.is_empty() {
                true => always.push(own),
                false => by_class.extend(rule.classes.iter().map(|class| (class.clone(), own.clone()))),
            }
        }
    }
    (always, by_class)
}

fn applies(rule: &super::set::Exemption, values: &Values) -> bool {
    let among = |names: &[String], fact: &str| {
        names.is_empty() || values.text(fact).is_some_and(|own| names.iter().any(|name| name == own))
    };
    among(&rule.mouths, fact::MOUTH) && among(&rule.types, fact::OUTLET_TYPE)
}
