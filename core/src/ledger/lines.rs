//! The rows behind a figure: every outlet of a milestone with its place in the denominator, whether
//! it is done, since when, and what is missing and whose turn it is.

use serde::{Deserialize, Serialize};

use super::denominator::{Place, place};
use super::grade::{Grade, Reading};
use super::outcome::{OutletState, extension, fulfilment, outlet_state};
use super::profile::{Extension, Profile};
use super::progress::{GroupBy, TableInput};
use super::set::{Condition, Milestone};
use crate::ids::{DocKey, OutletId};
use crate::time::Day;

/// Something that is not met, and who is to move (lifecycle.md section 2, column "who").
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Missing {
    /// The condition.
    pub condition: Condition,
    /// What would make it met: codes (see `export::label`).
    pub codes: Vec<String>,
    /// `inspector | county | city | party`.
    pub whose: String,
}

/// One outlet under one milestone.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OutletLine {
    /// The outlet.
    pub id: OutletId,
    /// Key of the field record.
    pub key: DocKey,
    /// Number as the ledger shows it, where whoever lists the lines has filled it in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub number: Option<String>,
    /// Name, likewise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Its group.
    pub group: String,
    /// Reporting unit.
    pub unit: Option<String>,
    /// Main responsible party.
    pub party: Option<String>,
    /// 主管部门.
    pub department: Option<String>,
    /// `in | open_suspect | scale_undetermined | <reason it is out>`.
    pub counted: String,
    /// Class by then.
    pub classification: Option<String>,
    /// Done.
    pub done: bool,
    /// Date used.
    pub date: Option<Day>,
    /// The weakest grade.
    pub grade: Option<Grade>,
    /// State under the milestone.
    pub state: OutletState,
    /// What is missing.
    pub missing: Vec<Missing>,
    /// The extension that holds.
    pub extension: Option<Extension>,
    /// Figures of the table that count it, by name: `done`, `open`, `late`, `on_time`,
    /// `excluded:duplicate`, `grade:documented`, `part:survey`, ….
    pub figures: Vec<String>,
}

/// The rows of one milestone and reading, in order of their keys; `group` and `figure` select.
#[must_use]
pub fn lines(
    input: TableInput<'_>,
    milestone: &Milestone,
    reading: Reading,
    by: GroupBy,
    (group, figure): (Option<&str>, Option<&str>),
) -> Vec<OutletLine> {
    let profiles = match reading {
        Reading::AsKnownNow => input.known_now,
        Reading::AsReported => input.as_reported,
    };
    let all = |name: &str| name == input.set.area;
    profiles
        .iter()
        .filter(|profile| group.is_none_or(|wanted| all(wanted) || by.of(&profile.groups) == wanted))
        .map(|profile| line(profile, milestone, by, input.as_of))
        .filter(|line| figure.is_none_or(|wanted| line.figures.iter().any(|own| own == wanted)))
        .collect()
}

fn line(profile: &Profile, milestone: &Milestone, by: GroupBy, as_of: Day) -> OutletLine {
    let placed = place(profile, milestone, as_of);
    let outcome = fulfilment(profile, milestone, as_of);
    let done = placed == Place::In && outcome.done;
    let date = outcome.date.filter(|_| done);
    let grade = done.then_some(outcome.grade.unwrap_or(Grade::Asserted));
    let conditions = outcome.conditions.clone();
    let counts = matches!(placed, Place::In | Place::InSuspect);
    let missing = if counts && !done { missing(profile, conditions.as_deref(), milestone, as_of) } else { Vec::new() };
    let mut line = OutletLine {
        id: profile.id(),
        key: profile.key,
        number: None,
        name: None,
        group: by.of(&profile.groups).to_owned(),
        unit: profile.groups.unit.clone(),
        party: profile.groups.party.clone(),
        department: profile.groups.department.clone(),
        counted: counted(placed).to_owned(),
        classification: outcome.class.map(str::to_owned),
        done,
        date,
        grade,
        state: outlet_state(profile, milestone, as_of),
        missing,
        extension: extension(profile, milestone, as_of).cloned(),
        figures: Vec::new(),
    };
    line.figures = figures(profile, milestone, as_of, placed, &line);
    line
}

fn counted(placed: Place) -> &'static str {
    match placed {
        Place::In => "in",
        Place::InSuspect | Place::OutSuspect => "open_suspect",
        Place::ScaleUndetermined => "scale_undetermined",
        Place::Out(why) => why,
    }
}

/// Conditions that are not met. Where the class is open, the class comes first.
fn missing(profile: &Profile, conditions: Option<&[Condition]>, milestone: &Milestone, as_of: Day) -> Vec<Missing> {
    let class = profile.step(as_of).and_then(|step| step.class.as_deref());
    let every = || milestone.requires.get("every").into_iter().flatten().copied();
    let wanted: Vec<Condition> = match conditions {
        Some(all) => all.to_vec(),
        None => std::iter::once(Condition::Class).chain(every()).collect(),
    };
    let open = |condition: &Condition| {
        profile.exemption(*condition, class).is_none()
            && !profile.check(*condition, as_of).is_some_and(|check| check.met_by(as_of))
    };
    let what = |condition: Condition| {
        let check = profile.check(condition, as_of).cloned().unwrap_or_default();
        let codes = match check.date.filter(|date| *date > as_of) {
            Some(date) => vec![format!("later:{date}")],
            None => check.missing,
        };
        Missing { condition, codes, whose: condition.whose().to_owned() }
    };
    wanted.into_iter().filter(open).map(what).collect()
}

/// Names of the figures of [`super::ProgressRow`] that this outlet is counted in.
fn figures(profile: &Profile, milestone: &Milestone, as_of: Day, placed: Place, line: &OutletLine) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    let mut is = |name: &str, when: bool| names.extend(when.then(|| name.to_owned()));
    if let Place::Out(why) = placed {
        return vec![format!("excluded:{why}")];
    }
    is("open_suspects", matches!(placed, Place::InSuspect | Place::OutSuspect));
    is("scale_undetermined", placed == Place::ScaleUndetermined);
    let counts = matches!(placed, Place::In | Place::InSuspect);
    is("of", counts);
    is("done", line.done);
    is("open", counts && !line.done);
    is("on_time", line.done && line.date.is_none_or(|date| date <= milestone.due));
    is("late", line.done && line.date.is_some_and(|date| date > milestone.due));
    if counts {
        is("pending_review", profile.pending_review && placed == Place::In);
        is("extended", line.extension.is_some());
        is("awaiting_acceptance", profile.step(as_of).is_some_and(|step| step.awaiting_acceptance));
        for part in &milestone.parts {
            let suspect = placed == Place::InSuspect;
            if suspect && !milestone.parts_with_suspects.contains(part) {
                continue;
            }
            is(&format!("of:{}", part.code()), true);
            let met = profile.check(*part, as_of).is_some_and(|check| check.met_by(as_of));
            is(&format!("part:{}", part.code()), met && !suspect);
        }
    }
    is(&format!("grade:{}", line.grade.map_or("none", Grade::code)), line.grade.is_some());
    if placed == Place::In {
        let outcome = fulfilment(profile, milestone, as_of);
        let mut exempt: Vec<&str> = outcome.exempt.iter().map(|own| own.counted.as_str()).collect();
        exempt.sort_unstable();
        exempt.dedup();
        exempt.into_iter().for_each(|name| is(&format!("exempt:{name}"), true));
    }
    names
}
