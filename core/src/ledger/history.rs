//! The shape of a document's history: which change has seen which. Approvals are pinned to heads
//! and mean exactly their ancestors; two decisions that have not seen each other are concurrent.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

use crate::doc::Entry;
use crate::ids::ChangeHash;

/// Changes of one document and what each depends on.
#[derive(Debug, Clone, Default)]
pub struct History {
    index: BTreeMap<ChangeHash, usize>,
    deps: Vec<Vec<usize>>,
    /// Position of each change in the canonical order.
    rank: Vec<usize>,
}

/// A set of changes, closed under "depends on".
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Closure {
    member: Vec<bool>,
}

impl History {
    /// From changes and their dependencies, in any order. Dependencies that are not listed are
    /// left out: what is not held cannot be an ancestor of anything shown.
    #[must_use]
    pub fn new(changes: impl IntoIterator<Item = (ChangeHash, Vec<ChangeHash>)>) -> Self {
        let changes: BTreeMap<ChangeHash, Vec<ChangeHash>> = changes.into_iter().collect();
        let index: BTreeMap<ChangeHash, usize> =
            changes.keys().enumerate().map(|(number, hash)| (*hash, number)).collect();
        let deps = changes
            .values()
            .map(|deps| deps.iter().filter_map(|dep| index.get(dep).copied()).collect())
            .collect::<Vec<Vec<usize>>>();
        let rank = canonical_ranks(&deps);
        Self { index, deps, rank }
    }

    /// From [`crate::doc::Document::history`].
    #[must_use]
    pub fn of(changes: &[crate::doc::ChangeInfo]) -> Self {
        Self::new(changes.iter().map(|change| (change.hash, change.deps.clone())))
    }

    /// For a document whose history is not at hand: each entry's change has seen all before it.
    #[must_use]
    pub fn linear(entries: &[Entry]) -> Self {
        let mut hashes: Vec<ChangeHash> = Vec::new();
        for entry in entries {
            if hashes.last() != Some(&entry.origin.change) && !hashes.contains(&entry.origin.change) {
                hashes.push(entry.origin.change);
            }
        }
        let previous = std::iter::once(Vec::new()).chain(hashes.iter().map(|hash| vec![*hash]));
        Self::new(hashes.iter().copied().zip(previous).collect::<Vec<_>>())
    }

    /// The changes named and all that they have seen.
    pub(crate) fn closure(&self, heads: &[ChangeHash]) -> Closure {
        let mut member = vec![false; self.deps.len()];
        let mut stack: Vec<usize> = heads.iter().filter_map(|hash| self.index.get(hash).copied()).collect();
        while let Some(at) = stack.pop() {
            if !std::mem::replace(&mut member[at], true) {
                stack.extend(self.deps[at].iter().copied().filter(|dep| !member[*dep]));
            }
        }
        Closure { member }
    }

    /// The change is held.
    pub(crate) fn holds(&self, hash: &ChangeHash) -> bool {
        self.index.contains_key(hash)
    }

    /// Position in an order that depends on nothing but the history itself, so that every replica
    /// reads concurrent changes in the same order. Unknown changes come last.
    pub(crate) fn rank(&self, hash: &ChangeHash) -> usize {
        self.index.get(hash).map_or(usize::MAX, |at| self.rank[*at])
    }

    /// The change is in the closure.
    pub(crate) fn contains(&self, closure: &Closure, hash: &ChangeHash) -> bool {
        self.index.get(hash).is_some_and(|at| closure.member.get(*at).copied().unwrap_or(false))
    }
}

/// Kahn's algorithm; among changes that are ready, the smallest hash (index) first.
fn canonical_ranks(deps: &[Vec<usize>]) -> Vec<usize> {
    let mut waiting: Vec<usize> = deps.iter().map(Vec::len).collect();
    let mut children = vec![Vec::new(); deps.len()];
    for (child, own) in deps.iter().enumerate() {
        for dep in own {
            children[*dep].push(child);
        }
    }
    let mut ready: BinaryHeap<Reverse<usize>> =
        waiting.iter().enumerate().filter(|(_, count)| **count == 0).map(|(at, _)| Reverse(at)).collect();
    let mut rank = vec![usize::MAX; deps.len()];
    let mut next = 0;
    while let Some(Reverse(at)) = ready.pop() {
        rank[at] = next;
        next += 1;
        for child in &children[at] {
            waiting[*child] -= 1;
            if waiting[*child] == 0 {
                ready.push(Reverse(*child));
            }
        }
    }
    rank
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hash(byte: u8) -> ChangeHash {
        ChangeHash([byte; 32])
    }

    #[test]
    fn a_closure_is_what_the_heads_have_seen() {
        let history = History::new([
            (hash(9), vec![]),
            (hash(1), vec![hash(9)]),
            (hash(2), vec![hash(9)]),
            (hash(0), vec![hash(1), hash(2), hash(77)]),
        ]);
        let seen = history.closure(&[hash(1), hash(55)]);
        assert!(history.contains(&seen, &hash(9)) && history.contains(&seen, &hash(1)));
        assert!(!history.contains(&seen, &hash(2)) && !history.contains(&seen, &hash(0)));
        assert!(!history.holds(&hash(77)));
        let order: Vec<_> = [9, 1, 2, 0].map(|byte| history.rank(&hash(byte))).to_vec();
        assert_eq!(order, [0, 1, 2, 3], "dependencies first, then the smaller hash");
    }
}
