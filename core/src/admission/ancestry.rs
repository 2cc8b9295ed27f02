//! The ancestors of changes, and the gated facts that their authors had in view: found once per line
//! of changes, not once per change.

use std::collections::{HashSet, VecDeque};

use super::chunk::ChangeHead;
use crate::doc::View;
use crate::ids::ChangeHash;

/// Lines that are followed side by side: so many devices writing to one document at once cost no more
/// than one. Of more of them each change is walked from, at most once.
const KEPT: usize = 16;

/// Place in document order.
pub(super) type Place = (u64, ChangeHash);

/// A change and what its author had seen.
pub(super) struct Walk {
    change: ChangeHash,
    /// All changes before it.
    pub(super) ancestors: HashSet<ChangeHash>,
    /// The last of them in document order.
    last: Place,
    /// Facts of the ancestors, once somebody asked.
    pub(super) view: Option<View>,
    /// Ancestors whose facts the view does not have yet, in document order.
    pub(super) unseen: Vec<ChangeHash>,
}

/// The walks of the last changes, the newest one last.
#[derive(Default)]
pub(super) struct Walks {
    kept: VecDeque<Walk>,
}

impl Walks {
    /// The walk of a change whose dependencies are all here. `deps` and `place` tell of each of them.
    pub(super) fn of(
        &mut self,
        head: &ChangeHead,
        deps: impl Fn(&ChangeHash) -> Vec<ChangeHash>,
        place: impl Fn(ChangeHash) -> Place,
    ) -> &mut Walk {
        if let Some(known) = self.find(&head.hash) {
            let walk = self.kept.remove(known);
            self.kept.extend(walk);
        } else {
            let walk = self.walk(head, deps, place);
            if self.kept.len() == KEPT {
                self.kept.pop_front();
            }
            self.kept.push_back(walk);
        }
        self.kept.back_mut().expect("a walk was just added")
    }

    fn find(&self, change: &ChangeHash) -> Option<usize> {
        self.kept.iter().rposition(|walk| walk.change == *change)
    }

    /// Goes on from the first kept change that it meets, whose walk it takes over.
    fn walk(
        &mut self,
        head: &ChangeHead,
        deps: impl Fn(&ChangeHash) -> Vec<ChangeHash>,
        place: impl Fn(ChangeHash) -> Place,
    ) -> Walk {
        let (mut taken, mut fresh): (Option<Walk>, HashSet<ChangeHash>) = (None, HashSet::new());
        let mut waiting = head.deps.clone();
        loop {
            if taken.is_none() {
                taken = waiting.iter().find_map(|dep| self.find(dep)).and_then(|index| self.kept.remove(index));
            }
            let Some(hash) = waiting.pop() else { break };
            let known = taken.as_ref().is_some_and(|walk| walk.ancestors.contains(&hash));
            if !known && fresh.insert(hash) {
                #[cfg(test)]
                STEPS.set(STEPS.get() + 1);
                match &taken {
                    Some(walk) if walk.change == hash => {}
                    _ => waiting.extend(deps(&hash)),
                }
            }
        }
        let mut walk = taken.unwrap_or_else(Walk::empty);
        fresh.retain(|hash| !walk.ancestors.contains(hash));
        let mut added: Vec<Place> = fresh.into_iter().map(place).collect();
        added.sort_unstable();
        // What comes between entries that were read already would have to be read before them.
        if added.first().is_some_and(|first| *first < walk.last) {
            walk.view = None;
        }
        walk.unseen.extend(added.iter().map(|(_, hash)| *hash));
        walk.last = walk.last.max(added.last().copied().unwrap_or(walk.last));
        walk.ancestors.extend(added.into_iter().map(|(_, hash)| hash));
        walk.change = head.hash;
        walk
    }
}

impl Walk {
    fn empty() -> Self {
        let none = ChangeHash([0; 32]);
        Self { change: none, ancestors: HashSet::new(), last: (0, none), view: None, unseen: Vec::new() }
    }

    /// Is one of these before the change?
    pub(super) fn has_any(&self, changes: &std::collections::BTreeSet<ChangeHash>) -> bool {
        if changes.len() <= self.ancestors.len() {
            changes.iter().any(|change| self.ancestors.contains(change))
        } else {
            self.ancestors.iter().any(|change| changes.contains(change))
        }
    }
}

#[cfg(test)]
thread_local! {
    /// Changes that were walked over.
    static STEPS: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
}

#[cfg(test)]
pub(super) fn steps() -> usize {
    STEPS.get()
}
