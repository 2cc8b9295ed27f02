//! Facts as shown: the value decided, else the last approved one, else what is current. Several
//! current values of a gated fact are a conflict and show nothing until a decision names one.

use std::collections::BTreeMap;

use serde::Deserialize as _;
use serde_json::Value;

use super::decisions::Live;
use super::findings::{Finding, code};
use super::record::{CaseItem, FieldItem};
use super::review::Reviews;
use crate::domain::case::Decision;
use crate::domain::field::{Fact, FieldEntry, Location, fact};
use crate::ids::EntryId;

/// Where a shown value comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Source {
    /// A case decision.
    Decided,
    /// Approved.
    Approved,
    /// Current, not reviewed.
    Current,
}

/// A value as shown.
#[derive(Debug, Clone)]
pub(crate) struct Shown {
    pub value: Value,
    pub source: Source,
    pub entry: EntryId,
    pub reason: Option<String>,
}

/// All facts of a record.
#[derive(Debug, Default)]
pub(crate) struct Values {
    shown: BTreeMap<String, Shown>,
    /// Gated facts in conflict.
    pub conflicts: Vec<String>,
    /// Facts whose current value differs from the approved one shown.
    pub amended: Vec<String>,
    /// Every state ever asserted.
    pub states_asserted: Vec<String>,
}

impl Values {
    /// Reads all facts.
    pub(crate) fn read<'r>(
        field: &[&'r FieldItem],
        live: &Live<'_, 'r>,
        reviews: &Reviews<'r>,
        findings: &mut Vec<Finding>,
    ) -> Self {
        let mut values = Self::default();
        let mut names: BTreeMap<&str, Vec<(&FieldItem, &Fact)>> = BTreeMap::new();
        for (item, fact) in field.iter().filter_map(|item| fact_of(item)) {
            names.entry(&fact.field).or_default().push((item, fact));
        }
        values.states_asserted = names
            .get(fact::STATE)
            .into_iter()
            .flatten()
            .filter_map(|(_, fact)| fact.value.as_str().map(str::to_owned))
            .collect();
        let settled: Vec<&str> = live.items().filter_map(settled_field).collect();
        for name in settled {
            names.entry(name).or_default();
        }
        for (name, assertions) in names {
            values.read_one(name, &assertions, live, reviews, findings);
        }
        values
    }

    fn read_one<'r>(
        &mut self,
        name: &str,
        assertions: &[(&FieldItem, &Fact)],
        live: &Live<'_, 'r>,
        reviews: &Reviews<'r>,
        findings: &mut Vec<Finding>,
    ) {
        let current = current(assertions);
        let approved: Vec<(&FieldItem, &Fact)> =
            assertions.iter().copied().filter(|(item, _)| reviews.approval(item, &["survey"]).is_some()).collect();
        let approved = self::current(&approved);
        let decided = live.current(
            |entry| matches!(&entry.decision, Decision::Settle(settle) if settle.field == name),
            |left, right| settled_value(left) == settled_value(right),
        );
        findings.extend(decided.finding(name));
        let shown = match (decided.one(), &decided) {
            (Some(item), _) => {
                report_later(name, item, &current, &overruled(live.items()), findings);
                settle_shown(item)
            }
            (None, super::decisions::Current::Gated(_)) => None,
            _ => self.undecided(name, &current, &approved, findings),
        };
        if let Some(shown) = shown {
            self.shown.insert(name.to_owned(), shown);
        }
    }

    fn undecided(
        &mut self,
        name: &str,
        current: &[(&FieldItem, &Fact)],
        approved: &[(&FieldItem, &Fact)],
        findings: &mut Vec<Finding>,
    ) -> Option<Shown> {
        let gated = fact::GATED.contains(&name);
        if gated && distinct(current) > 1 {
            self.conflicts.push(name.to_owned());
            findings.push(Finding::new(code::CONFLICT).field(name).entries(current.iter().map(|(item, _)| item.id)));
        }
        if let Some((item, fact)) = approved.last().filter(|_| !gated || distinct(approved) == 1) {
            if current.iter().any(|(_, now)| now.value != fact.value) {
                self.amended.push(name.to_owned());
            }
            return Some(show(item, fact, Source::Approved));
        }
        current
            .last()
            .filter(|_| !gated || distinct(current) == 1)
            .map(|(item, fact)| show(item, fact, Source::Current))
    }

    /// A fact as shown.
    pub(crate) fn get(&self, name: &str) -> Option<&Shown> {
        self.shown.get(name)
    }

    /// A textual fact; blank and "cannot determine" are none.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.get(name)?.value.as_str().filter(|text| !text.is_empty())
    }

    /// The fact was answered: a value or "cannot determine", which is complete; blank is not.
    pub(crate) fn answered(&self, name: &str) -> bool {
        self.get(name).is_some_and(|shown| match &shown.value {
            Value::Null => false,
            Value::String(text) => !text.is_empty(),
            _ => true,
        })
    }

    /// A number; numbers given as text count.
    pub(crate) fn number(&self, name: &str) -> Option<f64> {
        match &self.get(name)?.value {
            Value::Number(number) => number.as_f64(),
            Value::String(text) => text.trim().parse().ok(),
            _ => None,
        }
        .filter(|number: &f64| number.is_finite())
    }

    /// The position.
    pub(crate) fn location(&self) -> Option<Location> {
        Location::deserialize(&self.get(fact::LOCATION)?.value).ok()
    }
}

/// Names of gated facts with several different current values, but for those that a decision
/// overruled by name.
pub(crate) fn open_conflicts<'r>(field: &[&'r FieldItem], overruled: &[EntryId]) -> Vec<&'r str> {
    let mut names: BTreeMap<&str, Vec<(&FieldItem, &Fact)>> = BTreeMap::new();
    for (item, fact) in field.iter().filter_map(|item| fact_of(item)) {
        if fact::GATED.contains(&fact.field.as_str()) {
            names.entry(&fact.field).or_default().push((item, fact));
        }
    }
    let open = |all: &[(&'r FieldItem, &'r Fact)]| -> bool {
        let mut open = current(all);
        open.retain(|(item, _)| !overruled.contains(&item.id));
        distinct(&open) > 1
    };
    names.into_iter().filter(|(_, all)| open(all)).map(|(name, _)| name).collect()
}

fn fact_of<'i>(item: &&'i FieldItem) -> Option<(&'i FieldItem, &'i Fact)> {
    match &item.value {
        FieldEntry::Fact(fact) => Some((item, fact)),
        _ => None,
    }
}

/// The current ones, by the documents' own rule.
fn current<'i>(all: &[(&'i FieldItem, &'i Fact)]) -> Vec<(&'i FieldItem, &'i Fact)> {
    let positions = crate::doc::current_positions(all.iter().map(|(item, fact)| (item.id, *fact)));
    positions.into_iter().map(|position| all[position]).collect()
}

fn distinct(all: &[(&FieldItem, &Fact)]) -> usize {
    let mut seen: Vec<&Value> = Vec::new();
    for (_, fact) in all {
        if !seen.contains(&&fact.value) {
            seen.push(&fact.value);
        }
    }
    seen.len()
}

fn show(item: &FieldItem, fact: &Fact, source: Source) -> Shown {
    Shown { value: fact.value.clone(), source, entry: item.id, reason: fact.reason.clone() }
}

fn settled_field(item: &CaseItem) -> Option<&str> {
    match &item.value.decision {
        Decision::Settle(settle) => Some(&settle.field),
        _ => None,
    }
}

fn settled_value(entry: &crate::domain::case::CaseEntry) -> Option<&Value> {
    match &entry.decision {
        Decision::Settle(settle) => Some(&settle.value),
        _ => None,
    }
}

fn settle_shown(item: &CaseItem) -> Option<Shown> {
    match &item.value.decision {
        Decision::Settle(settle) => Some(Shown {
            value: settle.value.clone(),
            source: Source::Decided,
            entry: item.id,
            reason: settle.reason.clone(),
        }),
        _ => None,
    }
}

/// What no decision has named and says something else reopens the matter as a finding; the decision
/// stands.
fn report_later(
    name: &str,
    decision: &CaseItem,
    current: &[(&FieldItem, &Fact)],
    overruled: &[EntryId],
    findings: &mut Vec<Finding>,
) {
    let value = settled_value(&decision.value);
    let later: Vec<EntryId> = current
        .iter()
        .filter(|(item, fact)| Some(&fact.value) != value && !overruled.contains(&item.id))
        .map(|(item, _)| item.id)
        .collect();
    if !later.is_empty() {
        findings.push(Finding::new(code::ASSERTED_AFTER_DECISION).field(name).entries(later));
    }
}

/// Field entries that standing decisions on facts overrule.
pub(crate) fn overruled<'r>(settlements: impl Iterator<Item = &'r CaseItem>) -> Vec<EntryId> {
    settlements
        .filter(|item| matches!(item.value.decision, Decision::Settle(_)))
        .flat_map(|item| item.value.overrules.iter().copied())
        .collect()
}
