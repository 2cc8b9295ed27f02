//! Gated facts under the decisions of a case file: what is open, what is decided, what came later.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::entry::{Entry, Origin};
use super::facts::{Conflict, CurrentFact, differ, facts, is_gated, same};
use crate::domain::case::{CaseEntry, Decision};
use crate::domain::field::fact;
use crate::ids::EntryId;

/// A value of a gated fact by decision.
#[derive(Debug, Clone, PartialEq)]
pub struct Decided {
    /// The entry of the case file.
    pub entry: EntryId,
    /// The value decided.
    pub value: Value,
    /// Who decided, and when.
    pub origin: Origin,
}

/// A gated fact with the decisions on it.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Resolution {
    /// The last decision in document order that no other entry of the case file overrules.
    pub decided: Option<Decided>,
    /// Current assertions that no such decision overrules, in document order.
    pub open: Vec<CurrentFact>,
}

impl Resolution {
    /// Whether the open assertions still differ, so that another decision is needed.
    #[must_use]
    pub fn in_conflict(&self) -> bool {
        differ(self.open.iter().map(|fact| &fact.value))
    }

    /// Assertions that no decision has seen and that say something else than what was decided: they
    /// reopen the matter as a finding, the decision stands.
    #[must_use]
    pub fn reopened_by(&self) -> Vec<&CurrentFact> {
        let Some(decided) = &self.decided else { return Vec::new() };
        self.open.iter().filter(|fact| !same(&fact.value, &decided.value)).collect()
    }
}

/// Every gated fact that is asserted or decided. A decision on a fact is a `settle` of it, or for
/// the classification a `classify`; it ends the conflict among exactly the assertions that it names
/// in `overrules`, and counts until another entry of the case file overrules it. Whether its author
/// was allowed to decide is not looked at here: role and level are checked at admission, authorship
/// of the record by the ledger.
#[must_use]
pub fn resolve(field: &[Entry], case: &[Entry]) -> BTreeMap<String, Resolution> {
    let parsed: Vec<(&Entry, CaseEntry)> =
        case.iter().filter_map(|entry| Some((entry, entry.parse::<CaseEntry>().ok()?))).collect();
    let revoked: BTreeSet<EntryId> = parsed.iter().flat_map(|(_, case)| case.overrules.iter().copied()).collect();
    let mut resolutions: BTreeMap<String, Resolution> = BTreeMap::new();
    let mut overruled: BTreeSet<(String, EntryId)> = BTreeSet::new();
    for (entry, case) in parsed.iter().filter(|(entry, _)| !revoked.contains(&entry.id)) {
        let Some((name, value)) = decided_value(&case.decision).filter(|(name, _)| is_gated(name)) else { continue };
        overruled.extend(case.overrules.iter().map(|id| (name.to_owned(), *id)));
        let decided = Decided { entry: entry.id, value, origin: entry.origin.clone() };
        resolutions.entry(name.to_owned()).or_default().decided = Some(decided);
    }
    for (name, mut current) in facts(field).into_iter().filter(|(name, _)| is_gated(name)) {
        current.retain(|fact| !overruled.contains(&(name.clone(), fact.entry)));
        resolutions.entry(name).or_default().open = current;
    }
    resolutions
}

/// The gated facts that need a decision now.
#[must_use]
pub fn open_conflicts(field: &[Entry], case: &[Entry]) -> Vec<Conflict> {
    resolve(field, case)
        .into_iter()
        .filter(|(_, resolution)| resolution.in_conflict())
        .map(|(field, resolution)| Conflict { field, candidates: resolution.open })
        .collect()
}

fn decided_value(decision: &Decision) -> Option<(&str, Value)> {
    match decision {
        Decision::Settle(settle) => Some((&settle.field, settle.value.clone())),
        Decision::Classify(classify) => Some((fact::CLASSIFICATION, classify.classification.clone().into())),
        _ => None,
    }
}
