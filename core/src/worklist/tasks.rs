//! Which records are whose to visit.

use std::collections::BTreeMap;

use crate::domain::reference::{Assignment, ReferenceEntry};
use crate::ids::{Collection, OutletId};

/// A record with the assignment that stands.
#[derive(Debug, Clone, PartialEq)]
pub struct Task<'e> {
    /// The record.
    pub outlet: OutletId,
    /// Its collection.
    pub collection: Collection,
    /// What is to be done, by whom, until when.
    pub assignment: &'e Assignment,
}

/// The assignments that stand, by record: of two for one record and kind of task the later in the
/// order of the entries, which is the documents' own order and no device's clock. Taken back ones
/// are left out.
#[must_use]
pub fn assigned(entries: &[ReferenceEntry]) -> Vec<Task<'_>> {
    let mut standing: BTreeMap<(OutletId, &str), (&Assignment, usize)> = BTreeMap::new();
    for (order, entry) in entries.iter().enumerate() {
        let ReferenceEntry::Assignment(assignment) = entry else { continue };
        for outlet in &assignment.outlets {
            standing.insert((*outlet, assignment.task.as_str()), (assignment, order));
        }
    }
    standing
        .into_iter()
        .filter(|(_, (assignment, _))| assignment.to.is_some())
        .map(|((outlet, _), (assignment, _))| Task { outlet, collection: assignment.collection, assignment })
        .collect()
}
