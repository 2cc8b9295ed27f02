//! The assertions of one fact in document order: which of them are current, at a cost that no
//! member can drive up.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::facts::is_gated;
use crate::domain::field::Fact;
use crate::ids::EntryId;

/// Replacements followed to relate the assertions that one names. A person names what is shown, a
/// few candidates a few replacements apart; a member who names the first of ten thousand again and
/// again is not given a walk through all of them each time.
const MAX_STEPS: usize = 256;

/// Stands for a value: equal for equal ones, numbers as numbers.
type ValueName = [u8; 32];

/// The assertions of one fact.
#[derive(Debug, Default)]
pub(super) struct Table {
    /// Names of the values; of gated facts only, nobody compares the others.
    rows: Vec<ValueName>,
    position: BTreeMap<EntryId, usize>,
    /// For each row the rows that it replaces directly, ascending. What these replaced is found by
    /// following them: kept for each row, it would grow with the square of their number, and one
    /// member's ten thousand corrections would fill the server's memory.
    replaces: Vec<Vec<usize>>,
    replaced: BTreeSet<usize>,
    /// How many current rows have each value.
    values: BTreeMap<ValueName, usize>,
}

impl Table {
    /// Adds the next assertion in document order.
    pub(super) fn add(&mut self, id: EntryId, fact: &Fact) {
        let gated = is_gated(&fact.field);
        let named: BTreeSet<usize> = fact.replaces.iter().filter_map(|id| self.position.get(id)).copied().collect();
        let named: Vec<usize> = named.into_iter().collect();
        let conflict = gated && self.differ(&named) && self.are_in_conflict(&named);
        self.position.insert(id, self.rows.len());
        let name = if gated { name_of(&fact.value) } else { ValueName::default() };
        self.rows.push(name);
        *self.values.entry(name).or_default() += 1;
        if conflict {
            self.replaces.push(Vec::new());
            return;
        }
        for row in &named {
            if self.replaced.insert(*row) {
                self.forget(self.rows[*row]);
            }
        }
        self.replaces.push(named);
    }

    fn forget(&mut self, value: ValueName) {
        if let Some(count) = self.values.get_mut(&value) {
            *count -= 1;
            if *count == 0 {
                self.values.remove(&value);
            }
        }
    }

    /// Rows that nobody replaced, ascending.
    pub(super) fn current(&self) -> impl Iterator<Item = usize> {
        (0..self.rows.len()).filter(|row| !self.replaced.contains(row))
    }

    /// Whether an assertion has been added.
    pub(super) fn has(&self, id: &EntryId) -> bool {
        self.position.contains_key(id)
    }

    /// Would an assertion that names these take some of several current values away and leave others?
    pub(super) fn is_part_of_conflict(&self, names: &[EntryId]) -> bool {
        let rows: BTreeSet<usize> = names.iter().filter_map(|id| self.position.get(id)).copied().collect();
        let named = rows.iter().filter(|row| !self.replaced.contains(row)).count();
        named > 0 && named < self.rows.len() - self.replaced.len() && self.values.len() > 1
    }

    fn differ(&self, rows: &[usize]) -> bool {
        rows.iter().any(|row| self.rows[*row] != self.rows[rows[0]])
    }

    /// Whether several values are left of the rows (ascending) without those that another of them
    /// replaces, directly or through others.
    fn are_in_conflict(&self, named: &[usize]) -> bool {
        let first = named[0];
        let (mut covered, mut waiting, mut steps) = (BTreeSet::new(), named.to_vec(), 0);
        while let Some(row) = waiting.pop() {
            // A row replaces only rows before it, so nothing before the first one matters.
            for before in self.replaces[row].iter().rev().take_while(|before| **before >= first) {
                steps += 1;
                #[cfg(test)]
                STEPS.set(STEPS.get() + 1);
                if steps > MAX_STEPS {
                    return true;
                }
                if covered.insert(*before) {
                    waiting.push(*before);
                }
            }
        }
        let left: Vec<usize> = named.iter().filter(|row| !covered.contains(row)).copied().collect();
        !left.is_empty() && self.differ(&left)
    }
}

#[cfg(test)]
thread_local! {
    /// Replacements that were followed.
    static STEPS: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
}

fn name_of(value: &Value) -> ValueName {
    let mut hasher = blake3::Hasher::new();
    feed(&mut hasher, value);
    *hasher.finalize().as_bytes()
}

fn feed(hasher: &mut blake3::Hasher, value: &Value) {
    let mut sized = |tag: u8, length: usize| {
        hasher.update(&[tag]);
        hasher.update(&(length as u64).to_le_bytes());
    };
    match value {
        Value::Null => sized(0, 0),
        Value::Bool(value) => sized(1, usize::from(*value)),
        Value::Number(number) => {
            sized(2, 0);
            // Zero has two signs and is one number.
            let number = number.as_f64().map_or(0.0, |number| number + 0.0);
            hasher.update(&number.to_bits().to_le_bytes());
        }
        Value::String(text) => {
            sized(3, text.len());
            hasher.update(text.as_bytes());
        }
        Value::Array(items) => {
            sized(4, items.len());
            items.iter().for_each(|item| feed(hasher, item));
        }
        Value::Object(map) => {
            sized(5, map.len());
            let mut pairs: Vec<(&String, &Value)> = map.iter().collect();
            pairs.sort_unstable_by_key(|(key, _)| *key);
            for (key, item) in pairs {
                hasher.update(&(key.len() as u64).to_le_bytes());
                hasher.update(key.as_bytes());
                feed(hasher, item);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use std::collections::BTreeSet;

    use super::*;
    use crate::doc::facts::{current_positions, differ, same};
    use crate::domain::field::fact;
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

    /// The rule as [`crate::doc::facts()`] states it, with what each row covers kept in whole.
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

    #[test]
    fn naming_the_first_again_and_again_costs_a_bounded_walk_each() {
        let all: Vec<_> =
            (0..5_000).map(|at: usize| assertion(at, at, &[0, at.saturating_sub(1)][..at.min(2)])).collect();
        let before = STEPS.get();
        let _ = current_positions(all.iter().map(|(id, fact)| (*id, fact)));
        assert!(STEPS.get() - before <= all.len() * (MAX_STEPS + 1), "{}", STEPS.get() - before);
    }

    fn values() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            (-2..3_i64).prop_map(Value::from),
            (-2..3_i32).prop_map(|number| Value::from(f64::from(number))),
            Just(Value::from(-0.0)),
            Just(Value::from(u64::MAX)),
            Just(Value::from(u64::MAX - 1)),
            "[ab]{0,2}".prop_map(Value::from),
        ];
        leaf.prop_recursive(2, 8, 3, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
                prop::collection::btree_map("[ab]", inner, 0..3)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn values_have_one_name_exactly_when_they_are_the_same(a in values(), b in values()) {
            prop_assert_eq!(name_of(&a) == name_of(&b), same(&a, &b));
            prop_assert_eq!(name_of(&a), name_of(&a.clone()));
        }
    }
}
