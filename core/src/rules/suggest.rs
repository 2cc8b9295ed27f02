//! R12: all rules asked, the legal bases of the day, the severest first.

use serde::Serialize;

use super::set::{Basis, IDS, RuleSet};
use super::{Effect, Reason, Subject, Verdict, condition, enforcement, network, zone};
use crate::time::Day;
use crate::zones::{Layers, ZoneHit};

/// What came of one rule.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "snake_case", tag = "outcome")]
pub enum Outcome {
    /// The condition holds and a basis is in force.
    Suggested {
        /// The rule.
        rule: &'static str,
        /// What follows.
        effect: Effect,
        /// Not for review only.
        strong: bool,
        /// Why.
        why: Vec<Reason>,
        /// Bases in force on the day.
        bases: Vec<Basis>,
        /// Zones and layers used.
        zones: Vec<ZoneHit>,
        /// The outlet is older than the zones it lies in; nothing where that is not known.
        pre_existing: Option<bool>,
    },
    /// The condition holds, but no basis was in force on the day.
    NoBasisInForce {
        /// The rule.
        rule: &'static str,
        /// Why the condition holds.
        why: Vec<Reason>,
        /// The bases, with the days from which they are in force.
        bases: Vec<Basis>,
    },
    /// The condition does not hold.
    NotMet {
        /// The rule.
        rule: &'static str,
    },
    /// What the rule asks is not known.
    Unknown {
        /// The rule.
        rule: &'static str,
        /// What is missing.
        missing: Vec<Reason>,
    },
    /// Switched off in the rule set.
    Off {
        /// The rule.
        rule: &'static str,
    },
}

impl Outcome {
    /// The effect, if the rule suggests something.
    #[must_use]
    pub fn effect(&self) -> Option<Effect> {
        match self {
            Self::Suggested { effect, .. } => Some(*effect),
            _ => None,
        }
    }
}

/// All rules of one outlet.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// The day whose law was asked.
    pub on: Day,
    /// Version of the rule set.
    pub rules: String,
    /// Class of the severest suggestion; nothing where none suggests a class. Never a decision.
    pub class: Option<&'static str>,
    /// Rules suggest different classes.
    pub conflicting: bool,
    /// Suggestions first, 取缔 before 合并 before 规范; then what cannot be told; then the rest.
    pub outcomes: Vec<Outcome>,
}

/// Asks every rule. Nothing is decided: what comes out is shown to a person.
#[must_use]
pub fn suggest(subject: &Subject, layers: &Layers, rules: &RuleSet, on: Day) -> Report {
    let mut outcomes: Vec<Outcome> = IDS.into_iter().map(|id| outcome(id, subject, layers, rules, on)).collect();
    let rank = |outcome: &Outcome| match outcome {
        Outcome::Suggested { effect, .. } => (0, Some(*effect)),
        Outcome::NoBasisInForce { .. } => (1, None),
        Outcome::Unknown { .. } => (2, None),
        Outcome::NotMet { .. } => (3, None),
        Outcome::Off { .. } => (4, None),
    };
    outcomes.sort_by_key(rank);
    let mut classes: Vec<&'static str> =
        outcomes.iter().filter_map(|outcome| outcome.effect().and_then(Effect::class)).collect();
    let class = classes.first().copied();
    classes.dedup();
    Report { on, rules: rules.version.clone(), class, conflicting: classes.len() > 1, outcomes }
}

fn outcome(id: &'static str, subject: &Subject, layers: &Layers, rules: &RuleSet, on: Day) -> Outcome {
    let Some(rule) = rules.rule(id).filter(|rule| rule.enabled) else { return Outcome::Off { rule: id } };
    let met = match ask(id, subject, layers) {
        Verdict::NotMet => return Outcome::NotMet { rule: id },
        Verdict::Unknown(missing) => return Outcome::Unknown { rule: id, missing },
        Verdict::Met(met) => met,
    };
    let (in_force, others) = rules.bases_of(rule, on);
    if in_force.is_empty() {
        return Outcome::NoBasisInForce { rule: id, why: met.why, bases: others.into_iter().cloned().collect() };
    }
    Outcome::Suggested {
        rule: id,
        effect: met.effect,
        strong: met.strong,
        why: met.why,
        bases: in_force.into_iter().cloned().collect(),
        zones: met.zones,
        pre_existing: met.pre_existing,
    }
}

fn ask(id: &str, subject: &Subject, layers: &Layers) -> Verdict {
    match id {
        "R1" => zone::r1(subject, layers),
        "R2" => zone::r2(subject, layers),
        "R3" => zone::r3(subject, layers),
        "R4" => zone::r4(subject, layers),
        "R5" => network::r5(subject, layers),
        "R6" => network::r6(subject, layers),
        "R7" => network::r7(subject),
        "R8" => condition::r8(subject),
        "R9" => condition::r9(subject),
        "R10" => condition::r10(subject),
        "R11" => enforcement::r11(subject),
        "R11b" => enforcement::r11b(subject),
        other => unreachable!("{other} is no rule"),
    }
}
