//! Which parts of a file are here, or missing: what arrives out of order is kept where it belongs, so
//! that a link that drops a datagram, or breaks, costs that datagram and not everything behind it.
//!
//! A set of ranges and its form on disk; where files are and how they are written is the stores' affair.

use std::collections::BTreeMap;

/// Bytes of a [`Parts::record`].
pub const RECORD_BYTES: usize = 16;

/// Gaps of a file that is coming: each costs memory. What is under way on a link is less than 4 MiB of
/// datagrams, and each second one may be lost.
pub const MAX_GAPS: usize = 4_096;

/// Ranges of bytes: sorted, disjoint, none empty, none touching another.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Parts(BTreeMap<u64, u64>);

impl Parts {
    /// The first so many bytes.
    #[must_use]
    pub fn first(length: u64) -> Self {
        let mut parts = Self::default();
        parts.add(0, length);
        parts
    }

    /// Adds bytes from `start` to before `end`; those that are in already may be among them.
    pub fn add(&mut self, mut start: u64, mut end: u64) {
        if start >= end {
            return;
        }
        // From behind: each one that is taken up touches what has grown so far.
        while let Some((from, to)) = self.0.range(..=end).next_back().map(|(from, to)| (*from, *to)) {
            if to < start {
                break;
            }
            self.0.remove(&from);
            (start, end) = (start.min(from), end.max(to));
        }
        self.0.insert(start, end);
    }

    /// Takes bytes out. False, and nothing is changed, when not all of them were in.
    pub fn take(&mut self, start: u64, end: u64) -> bool {
        let Some((from, to)) = self.0.range(..=start).next_back().map(|(from, to)| (*from, *to)) else { return false };
        if start >= end || to < end {
            return false;
        }
        self.0.remove(&from);
        for (from, to) in [(from, start), (end, to)] {
            if from < to {
                self.0.insert(from, to);
            }
        }
        true
    }

    /// What a file of this length lacks, when these parts are here.
    #[must_use]
    pub fn missing(&self, length: u64) -> Self {
        let (mut missing, mut at) = (Self::default(), 0);
        for (from, to) in self.iter() {
            missing.add(at, from.min(length));
            at = to;
        }
        missing.add(at, length);
        missing
    }

    /// At most so many ranges that cover all of these: the last one covers what is left, gaps too.
    #[must_use]
    pub fn at_most(&self, count: usize) -> Self {
        let last = self.0.iter().nth(count.saturating_sub(1)).map(|(from, _)| *from);
        match (last, self.end()) {
            (Some(from), Some(end)) => {
                let mut fewer = Self(self.0.range(..from).map(|(from, to)| (*from, *to)).collect());
                fewer.add(from, end);
                fewer
            }
            _ => self.clone(),
        }
    }

    /// The ranges, ascending: start, and the byte after the last.
    pub fn iter(&self) -> impl Iterator<Item = (u64, u64)> + '_ {
        self.0.iter().map(|(from, to)| (*from, *to))
    }

    /// Ranges.
    #[must_use]
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// Bytes in all of them.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.iter().map(|(from, to)| to - from).sum()
    }

    /// No byte.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The byte after the last.
    #[must_use]
    pub fn end(&self) -> Option<u64> {
        self.0.last_key_value().map(|(_, to)| *to)
    }

    /// Bytes from the beginning on without a gap.
    #[must_use]
    pub fn prefix(&self) -> u64 {
        self.0.get(&0).copied().unwrap_or(0)
    }

    /// The first range.
    #[must_use]
    pub fn next(&self) -> Option<(u64, u64)> {
        self.iter().next()
    }

    /// From a list of the wire: None unless it is sorted, disjoint and without empty ranges.
    #[must_use]
    pub fn from_list(list: &[(u64, u64)]) -> Option<Self> {
        let mut at = None;
        for (from, to) in list {
            if from >= to || at.is_some_and(|at| *from <= at) {
                return None;
            }
            at = Some(*to);
        }
        Some(Self(list.iter().copied().collect()))
    }

    /// As a list of the wire.
    #[must_use]
    pub fn to_list(&self) -> Vec<(u64, u64)> {
        self.iter().collect()
    }

    /// A range as it is appended to the record beside a partial file with gaps, after its bytes were
    /// written: start and end, u64, big endian.
    #[must_use]
    pub fn record(start: u64, end: u64) -> [u8; RECORD_BYTES] {
        let mut record = [0; RECORD_BYTES];
        record[..8].copy_from_slice(&start.to_be_bytes());
        record[8..].copy_from_slice(&end.to_be_bytes());
        record
    }

    /// What the record beside a partial file of this length says is here. What a crash left of the last
    /// entry, and whatever cannot be, is passed over: those bytes come again.
    #[must_use]
    pub fn from_records(records: &[u8], length: u64) -> Self {
        let mut parts = Self::default();
        for record in records.chunks_exact(RECORD_BYTES) {
            let number = |at: usize| {
                record.get(at..at + 8).and_then(|bytes| bytes.try_into().ok()).map_or(u64::MAX, u64::from_be_bytes)
            };
            let (start, end) = (number(0), number(8));
            if end <= length {
                parts.add(start, end);
            }
        }
        parts
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parts(list: &[(u64, u64)]) -> Parts {
        Parts::from_list(list).unwrap()
    }

    #[test]
    fn what_touches_grows_together_and_what_is_taken_leaves_a_gap() {
        let mut here = parts(&[(0, 10), (20, 30)]);
        here.add(10, 20);
        assert_eq!(here.to_list(), [(0, 30)]);
        assert!(here.take(5, 7) && !here.take(4, 6) && !here.take(8, 8));
        assert_eq!((here.to_list(), here.bytes(), here.prefix()), (vec![(0, 5), (7, 30)], 28, 5));
        assert_eq!(here.missing(40).to_list(), [(5, 7), (30, 40)]);
        assert_eq!(here.missing(6).to_list(), [(5, 6)]);
        assert!(Parts::first(0).is_empty() && Parts::first(8).missing(8).is_empty());
    }

    #[test]
    fn many_gaps_are_asked_for_as_few() {
        let missing = parts(&[(1, 2), (4, 5), (7, 8), (10, 11)]);
        assert_eq!(missing.at_most(2).to_list(), [(1, 2), (4, 11)]);
        assert_eq!(missing.at_most(4), missing);
        assert_eq!(missing.at_most(9), missing);
    }

    #[test]
    fn a_list_that_is_none_is_refused() {
        for list in [&[(3, 3)][..], &[(4, 3)], &[(0, 2), (2, 3)], &[(5, 6), (1, 2)]] {
            assert!(Parts::from_list(list).is_none(), "{list:?}");
        }
    }

    #[test]
    fn a_record_comes_back_without_what_a_crash_left_of_its_end() {
        let mut records =
            [Parts::record(0, 5), Parts::record(9, 12), Parts::record(12, 99), Parts::record(7, 3)].concat();
        records.extend([0, 0, 1]);
        assert_eq!(Parts::from_records(&records, 12).to_list(), [(0, 5), (9, 12)]);
    }

    proptest! {
        #[test]
        fn ranges_say_what_a_table_of_bytes_says(
            acts in prop::collection::vec((any::<bool>(), 0_u64..60, 0_u64..20), 0..40),
        ) {
            let (mut parts, mut table) = (Parts::default(), [false; 80]);
            for (adds, start, length) in acts {
                let (end, at) = (start + length, usize::try_from(start).unwrap());
                let range = at..at + usize::try_from(length).unwrap();
                if adds {
                    parts.add(start, end);
                    table[range].fill(true);
                } else {
                    let all = length > 0 && table[range.clone()].iter().all(|here| *here);
                    prop_assert_eq!(parts.take(start, end), all);
                    if all {
                        table[range].fill(false);
                    }
                }
            }
            let here = |at: usize| parts.iter().any(|(from, to)| (from..to).contains(&(at as u64)));
            prop_assert!((0..80).all(|at| here(at) == table[at]));
            prop_assert_eq!(Parts::from_list(&parts.to_list()), Some(parts.clone()));
            let missing = parts.missing(80);
            prop_assert_eq!(missing.bytes() + parts.bytes(), 80);
            prop_assert!(parts.at_most(3).count() <= 3 && parts.at_most(3).bytes() >= parts.bytes());
        }
    }
}
