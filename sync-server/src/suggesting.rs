//! What the rules suggest of an outlet, with the layers and the law that are loaded.

use std::collections::BTreeMap;

use outlet_core::ledger::{LedgerRow, LifeCycle};
use outlet_core::rules::{Report, Subject, suggest};
use outlet_core::time::Day;

use crate::engine::{Engine, EngineError};
use crate::report;

/// Industrial and mining outlets of each party, by credit code, else by name.
#[must_use]
pub fn outlets_of_parties(rows: &[LedgerRow]) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for row in rows.iter().filter(|row| counted(row)) {
        if let Some(party) = party(row) {
            *counts.entry(party).or_insert(0) += 1;
        }
    }
    counts
}

/// Key of the party of a row.
#[must_use]
pub fn party(row: &LedgerRow) -> Option<String> {
    let party = row.party.as_ref()?;
    Some(party.uscc.clone().unwrap_or_else(|| party.name.clone()))
}

fn counted(row: &LedgerRow) -> bool {
    let gone =
        matches!(row.state, LifeCycle::NotAnOutlet | LifeCycle::Duplicate | LifeCycle::Moved | LifeCycle::Closed);
    let industrial = ["industrial_mining", "industrial_enterprise", "mine", "tailings"];
    !gone && row.outlet_type.as_deref().is_some_and(|code| industrial.contains(&code))
}

/// All rules of one outlet, by the law of a day.
///
/// # Errors
/// When the database or the reference data cannot be read.
pub fn report(engine: &Engine, row: &LedgerRow, on: Day) -> Result<Report, EngineError> {
    let (layers, set) = (engine.layers()?, engine.rule_set()?);
    // Only an industrial outlet is compared with its party's others.
    let count = match party(row) {
        Some(party) if counted(row) => outlets_of_parties(&report::current_rows(engine)?).get(&party).copied(),
        _ => None,
    };
    Ok(suggest(&Subject::of(row, count), &layers, &set, on))
}
