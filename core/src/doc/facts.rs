//! Which assertions of a fact are current, and which of them conflict.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde_json::Value;

use super::entry::{Entry, Origin};
use crate::domain::field::{Fact, FieldEntry, fact};
use crate::ids::{DocKind, EntryId};

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
/// So an ordinary save never ends a conflict, it can only add to it.
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
    let mut table = Table::default();
    for (id, fact) in assertions {
        table.add(id, fact);
    }
    (0..table.rows.len()).filter(|row| !table.replaced.contains(row)).collect()
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

/// The gated fact, if any, of which the texts of one change replace *part* of a conflict that their
/// author has in view. Naming all candidates adds one more, naming none does too; naming some
/// would take candidates away until one value is left, so neither [`super::Document::write`] nor
/// admission lets it pass. `view` gives the entries of the change's ancestors.
pub(crate) fn hidden_conflict<'a>(
    kind: DocKind,
    texts: impl Iterator<Item = &'a str>,
    view: impl FnOnce() -> Vec<Entry>,
) -> Option<String> {
    if kind != DocKind::Field {
        return None;
    }
    let replacing: Vec<Fact> = texts
        .filter(|text| text.contains("\"replaces\""))
        .filter_map(|text| match serde_json::from_str(text) {
            Ok(FieldEntry::Fact(fact)) if is_gated(&fact.field) && !fact.replaces.is_empty() => Some(fact),
            _ => None,
        })
        .collect();
    if replacing.is_empty() {
        return None;
    }
    let current = facts(&view());
    let part = |fact: &&Fact| {
        let Some(current) = current.get(&fact.field) else { return false };
        let named = current.iter().filter(|current| fact.replaces.contains(&current.entry)).count();
        named > 0 && named < current.len() && differ(current.iter().map(|current| &current.value))
    };
    replacing.iter().find(part).map(|fact| fact.field.clone())
}

/// The assertions of one fact.
#[derive(Default)]
struct Table<'a> {
    rows: Vec<&'a Value>,
    position: BTreeMap<EntryId, usize>,
    /// For each row the rows that it replaces directly, ascending. What these replaced is found by
    /// following them: kept for each row, it would grow with the square of their number, and one
    /// member's ten thousand corrections would fill the server's memory.
    replaces: Vec<Vec<usize>>,
    replaced: BTreeSet<usize>,
}

impl<'a> Table<'a> {
    fn add(&mut self, id: EntryId, fact: &'a Fact) {
        let named: BTreeSet<usize> = fact.replaces.iter().filter_map(|id| self.position.get(id)).copied().collect();
        let named: Vec<usize> = named.into_iter().collect();
        let values = |rows: &[usize]| differ(rows.iter().map(|row| self.rows[*row]));
        let conflict = is_gated(&fact.field) && values(&named) && values(&self.frontier(&named));
        self.position.insert(id, self.rows.len());
        self.rows.push(&fact.value);
        if conflict {
            self.replaces.push(Vec::new());
        } else {
            self.replaced.extend(&named);
            self.replaces.push(named);
        }
    }

    /// Those of the rows (ascending) that none of the others replaces, directly or through others.
    fn frontier(&self, named: &[usize]) -> Vec<usize> {
        let (Some(first), Some(last)) = (named.first(), named.last()) else { return Vec::new() };
        // A row replaces only rows before it, so nothing outside this stretch matters.
        let mut covered = vec![false; last - first + 1];
        let mut waiting = named.to_vec();
        while let Some(row) = waiting.pop() {
            for before in self.replaces[row].iter().filter(|before| *before >= first) {
                if !std::mem::replace(&mut covered[before - first], true) {
                    waiting.push(*before);
                }
            }
        }
        named.iter().filter(|row| !covered[**row - first]).copied().collect()
    }
}

/// The JSON text of an entry, as it is stored.
///
/// # Errors
/// When the value cannot be written as JSON (a map with keys that are no text).
pub fn to_json(entry: &impl Serialize) -> Result<String, super::DocError> {
    serde_json::to_string(entry).map_err(|error| super::DocError::Json(error.to_string()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::time::Timestamp;

    fn assertion(number: usize, value: usize, replaces: &[usize]) -> (EntryId, Fact) {
        let fact = Fact {
            field: fact::GATED[0].to_owned(),
            value: value.into(),
            basis: None,
            reason: None,
            on: None,
            replaces: replaces.iter().map(|at| id(*at)).collect(),
            at: Timestamp::from_millis(0),
        };
        (id(number), fact)
    }

    fn id(number: usize) -> EntryId {
        EntryId(u128::try_from(number).unwrap().to_be_bytes())
    }

    /// The rule as [`facts`] states it, with what each row covers kept in whole.
    fn stated(all: &[(EntryId, Fact)]) -> Vec<usize> {
        let (mut covers, mut replaced) = (Vec::<BTreeSet<usize>>::new(), BTreeSet::<usize>::new());
        for (_, fact) in all {
            let here = covers.len();
            let named: BTreeSet<usize> =
                fact.replaces.iter().filter_map(|id| all[..here].iter().position(|(other, _)| other == id)).collect();
            let mut covered: BTreeSet<usize> = named.iter().flat_map(|row| covers[*row].iter().copied()).collect();
            if differ(named.iter().filter(|row| !covered.contains(row)).map(|row| &all[*row].1.value)) {
                covered.clear();
            } else {
                replaced.extend(&named);
                covered.extend(&named);
            }
            covers.push(covered);
        }
        (0..all.len()).filter(|row| !replaced.contains(row)).collect()
    }

    proptest! {
        #[test]
        fn current_assertions_are_those_of_the_rule(
            drawn in prop::collection::vec((0..3_usize, prop::collection::vec(0..24_usize, 0..4)), 1..24)
        ) {
            let all: Vec<_> =
                drawn.iter().enumerate().map(|(number, (value, replaces))| assertion(number, *value, replaces)).collect();
            let current = current_positions(all.iter().map(|(id, fact)| (*id, fact)));
            prop_assert_eq!(current, stated(&all));
        }
    }

    /// With what each one covers kept beside it, this took gigabytes.
    #[test]
    fn tens_of_thousands_of_corrections_of_one_fact_fit_into_memory() {
        let all: Vec<_> =
            (0..40_000).map(|at: usize| assertion(at, at, &[at.saturating_sub(1)][..at.min(1)])).collect();
        assert_eq!(current_positions(all.iter().map(|(id, fact)| (*id, fact))), [39_999]);
    }
}
