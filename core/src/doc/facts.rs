//! Which assertions of a fact are current, and which of them conflict.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

use super::assertions::Table;
use super::entry::{Entry, Origin};
use crate::domain::field::{Fact, FieldEntry, fact};
use crate::ids::EntryId;

/// A current assertion of a fact.
#[derive(Debug, Clone, PartialEq)]
pub struct CurrentFact {
    /// The entry that asserts it.
    pub entry: EntryId,
    /// Its value.
    pub value: Value,
    /// The whole assertion.
    pub fact: Fact,
    /// Who wrote it, and when.
    pub origin: Origin,
}

/// A gated fact with several different current values.
#[derive(Debug, Clone, PartialEq)]
pub struct Conflict {
    /// Which fact.
    pub field: String,
    /// The current assertions, in document order. A case decision ends the conflict by naming
    /// their entries in `overrules`.
    pub candidates: Vec<CurrentFact>,
}

/// Whether only a case decision reconciles different values of the fact.
#[must_use]
pub fn is_gated(field: &str) -> bool {
    fact::GATED.contains(&field)
}

/// Current assertions per fact, each list in document order. `entries` come in document order and
/// closed under causality, as [`super::Document::entries`] and `entries_at` give them.
///
/// An assertion is current as long as no other replaces it. An assertion replaces the assertions
/// of the same fact that it names in `replaces`, with one exception for gated facts: when those it
/// names *were in conflict with one another* (several values, after leaving out those that another
/// of the named ones already replaced), it replaces none of them and becomes one more candidate.
/// So an ordinary save never ends a conflict, it can only add to it. (Named ones that are further
/// than a few hundred replacements apart count as in conflict: see `Table`.)
#[must_use]
pub fn facts(entries: &[Entry]) -> BTreeMap<String, Vec<CurrentFact>> {
    let mut by_field: BTreeMap<String, Vec<(&Entry, Fact)>> = BTreeMap::new();
    for entry in entries {
        if let Ok(FieldEntry::Fact(fact)) = entry.parse::<FieldEntry>() {
            by_field.entry(fact.field.clone()).or_default().push((entry, fact));
        }
    }
    let current = |(field, all): (String, Vec<(&Entry, Fact)>)| {
        let positions = current_positions(all.iter().map(|(entry, fact)| (entry.id, fact)));
        let facts = positions.into_iter().map(|position| {
            let (entry, fact) = &all[position];
            CurrentFact { entry: entry.id, value: fact.value.clone(), fact: fact.clone(), origin: entry.origin.clone() }
        });
        (field, facts.collect())
    };
    by_field.into_iter().map(current).collect()
}

/// Positions of the current assertions among those of *one* fact, given in document order: the rule
/// of [`facts`] for whoever has the assertions at hand already.
#[must_use]
pub fn current_positions<'a>(assertions: impl IntoIterator<Item = (EntryId, &'a Fact)>) -> Vec<usize> {
    let mut assertions = assertions.into_iter();
    let (Some(first), second) = (assertions.next(), assertions.next()) else { return Vec::new() };
    // Nearly every fact is asserted once.
    let Some(second) = second else { return vec![0] };
    let mut table = Table::default();
    for (id, fact) in [first, second].into_iter().chain(assertions) {
        table.add(id, fact);
    }
    table.current().collect()
}

/// The gated facts that are in conflict, by name. Decisions are not considered here: see
/// [`super::resolve()`].
#[must_use]
pub fn conflicts(facts: &BTreeMap<String, Vec<CurrentFact>>) -> Vec<Conflict> {
    facts
        .iter()
        .filter(|(field, current)| is_gated(field) && differ(current.iter().map(|fact| &fact.value)))
        .map(|(field, current)| Conflict { field: field.clone(), candidates: current.clone() })
        .collect()
}

/// The value to show among current assertions that need no decision: the last in document order,
/// which never depends on a device's clock. Facts that are not gated merge by it silently.
#[must_use]
pub fn latest(current: &[CurrentFact]) -> Option<&CurrentFact> {
    current.last()
}

/// Whether there are at least two different values. Numbers are compared as numbers (`1` is `1.0`).
pub(super) fn differ<'a>(mut values: impl Iterator<Item = &'a Value>) -> bool {
    let Some(first) = values.next() else { return false };
    values.any(|value| !same(first, value))
}

pub(super) fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => a == b || a.as_f64() == b.as_f64(),
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b)),
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(key, a)| b.get(key).is_some_and(|b| same(a, b)))
        }
        _ => a == b,
    }
}

/// The JSON text of an entry, as it is stored.
///
/// # Errors
/// When the value cannot be written as JSON (a map with keys that are no text).
pub fn to_json(entry: &impl Serialize) -> Result<String, super::DocError> {
    serde_json::to_string(entry).map_err(|error| super::DocError::Json(error.to_string()))
}
