//! Milestone tables of one day that follow changes: a record that changed leaves every tally with
//! its old profile and comes back with its new one, so that a table of 30,000 outlets costs what
//! changed. Equal to [`super::progress()`] over all profiles after [`super::absorb`]; a property test
//! holds both against each other.
//!
//! Records are not independent of each other: a duplicate's facts count for its survivor. What a
//! change can move are the records that are linked to the changed ones, by the links before and
//! after; these are absorbed again, and no others.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use super::denominator::absorb;
use super::grade::Reading;
use super::profile::{Profile, Standing};
use super::progress::{GroupBy, ProgressRow};
use super::set::MilestoneSet;
use super::tally::{About, Groups, Turn};
use crate::domain::reference::Seal;
use crate::ids::{Collection, DocKey};
use crate::time::Day;

/// Tables kept up to date at a time; of more, the one that was asked for longest ago is dropped.
const TABLES: usize = 24;

/// Tables of one day, over profiles of one milestone set.
#[derive(Debug)]
pub struct Board {
    set: MilestoneSet,
    as_of: Day,
    /// By the order of [`Reading::ALL`].
    sides: [Side; 2],
    tables: Vec<Table>,
}

/// A record's profiles in both readings, by the order of [`Reading::ALL`].
pub type Both = [Arc<Profile>; 2];

/// Profiles of one reading.
#[derive(Debug, Default)]
struct Side {
    own: HashMap<DocKey, Arc<Profile>>,
    /// As they count: facts of duplicates taken over. Nearly always the same as above.
    counted: HashMap<DocKey, Arc<Profile>>,
    /// Who counts for the record that is named here (which need not be there).
    named_by: BTreeMap<DocKey, BTreeSet<DocKey>>,
}

#[derive(Debug)]
struct Table {
    by: GroupBy,
    /// Records of these collections only.
    within: Option<BTreeSet<Collection>>,
    /// By milestone, then by reading.
    groups: Vec<[Groups; 2]>,
}

impl Board {
    /// Without records.
    #[must_use]
    pub fn new(set: MilestoneSet, as_of: Day) -> Self {
        Self { set, as_of, sides: Default::default(), tables: Vec::new() }
    }

    /// The day.
    #[must_use]
    pub fn as_of(&self) -> Day {
        self.as_of
    }

    /// Number of records.
    #[must_use]
    pub fn len(&self) -> usize {
        self.sides[0].own.len()
    }

    /// True when there is no record.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Records that are new or changed, with their profiles before [`super::absorb`].
    pub fn change(&mut self, changed: Vec<(DocKey, Both)>) {
        let (mut first, mut second) = (Vec::with_capacity(changed.len()), Vec::with_capacity(changed.len()));
        for (key, [now, then]) in changed {
            first.push((key, now));
            second.push((key, then));
        }
        for (at, own) in [first, second].into_iter().enumerate() {
            for (old, new) in self.sides[at].change(own) {
                for table in &mut self.tables {
                    let turns = [(old.as_deref(), Turn::Out), (Some(&*new), Turn::In)];
                    for (profile, turn) in turns {
                        profile.into_iter().for_each(|profile| table.turn(&self.set, self.as_of, at, profile, turn));
                    }
                }
            }
        }
    }

    /// The table of the records in these collections (all, if none are given), as
    /// [`super::progress()`] makes it.
    pub fn table(&mut self, by: GroupBy, within: Option<&BTreeSet<Collection>>, seals: &[Seal]) -> Vec<ProgressRow> {
        let known = self.tables.iter().position(|table| table.by == by && table.within.as_ref() == within);
        let table = match known {
            Some(at) => self.tables.remove(at),
            None => self.count(by, within.cloned()),
        };
        let mut rows = Vec::new();
        let about = About { set: &self.set, seals, as_of: self.as_of };
        for (milestone, groups) in self.set.milestones.iter().zip(&table.groups) {
            for (reading, groups) in Reading::ALL.into_iter().zip(groups) {
                groups.rows(about, milestone, reading, by, &mut rows);
            }
        }
        if self.tables.len() >= TABLES {
            self.tables.remove(0);
        }
        self.tables.push(table);
        rows
    }

    fn count(&self, by: GroupBy, within: Option<BTreeSet<Collection>>) -> Table {
        let groups = self.set.milestones.iter().map(|_| Default::default()).collect();
        let mut table = Table { by, within, groups };
        for (at, side) in self.sides.iter().enumerate() {
            for profile in side.counted.values() {
                table.turn(&self.set, self.as_of, at, profile, Turn::In);
            }
        }
        table
    }
}

impl Table {
    fn turn(&mut self, set: &MilestoneSet, as_of: Day, side: usize, profile: &Profile, turn: Turn) {
        if self.within.as_ref().is_some_and(|within| !within.contains(&profile.key.collection)) {
            return;
        }
        for (milestone, groups) in set.milestones.iter().zip(&mut self.groups) {
            groups[side].turn(profile, milestone, as_of, self.by, turn);
        }
    }
}

/// What a record counted as before, and as what it counts now.
type Moved = (Option<Arc<Profile>>, Arc<Profile>);

impl Side {
    fn change(&mut self, changed: Vec<(DocKey, Arc<Profile>)>) -> Vec<Moved> {
        let keys: Vec<DocKey> = changed.iter().map(|(key, _)| *key).collect();
        let mut touched = self.linked(&keys);
        for (key, profile) in changed {
            if let Some(named) = self.own.get(&key).and_then(|old| target(old))
                && let Some(by) = self.named_by.get_mut(&named)
            {
                by.remove(&key);
                if by.is_empty() {
                    self.named_by.remove(&named);
                }
            }
            if let Some(named) = target(&profile) {
                self.named_by.entry(named).or_default().insert(key);
            }
            self.own.insert(key, profile);
        }
        touched.extend(self.linked(&keys));
        self.count(touched)
    }

    /// These records and all that they are linked with, over any number of links.
    fn linked(&self, keys: &[DocKey]) -> BTreeSet<DocKey> {
        let mut found: BTreeSet<DocKey> = BTreeSet::new();
        let mut waiting: Vec<DocKey> = keys.to_vec();
        while let Some(key) = waiting.pop() {
            if !found.insert(key) {
                continue;
            }
            waiting.extend(self.own.get(&key).and_then(|profile| target(profile)));
            waiting.extend(self.named_by.get(&key).into_iter().flatten());
        }
        found
    }

    /// Absorbs these records again; they are all that are linked with each other.
    fn count(&mut self, touched: BTreeSet<DocKey>) -> Vec<Moved> {
        let alone = |key: &DocKey, own: &Profile| target(own).is_none() && !self.named_by.contains_key(key);
        let mut counted: Vec<Arc<Profile>> = Vec::with_capacity(touched.len());
        let mut linked: Vec<Profile> = Vec::new();
        for (key, own) in touched.iter().filter_map(|key| Some((key, self.own.get(key)?))) {
            match alone(key, own) {
                true => counted.push(Arc::clone(own)),
                false => linked.push(Profile::clone(own)),
            }
        }
        counted.extend(absorb(linked).0.into_iter().map(Arc::new));
        let mut moved = Vec::new();
        for new in counted {
            let old = self.counted.insert(new.key, Arc::clone(&new));
            if old.as_ref() != Some(&new) {
                moved.push((old, new));
            }
        }
        moved
    }
}

/// The record that counts instead of this one.
fn target(profile: &Profile) -> Option<DocKey> {
    match profile.standing {
        Standing::Duplicate { of } => Some(of),
        Standing::Moved { to } => Some(to),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::testing::{Outlet, Who, day};
    use super::super::{BAZHONG, TableInput, progress};
    use super::*;

    fn set() -> MilestoneSet {
        MilestoneSet::parse(BAZHONG).unwrap()
    }

    /// What may become of one of ten records.
    fn profile(number: u8, act: u8, other: u8) -> Profile {
        let base = Outlet::new().keyed(number);
        let outlet = match act % 8 {
            0 => base,
            1 => Outlet::suspected().keyed(number),
            2 => base.investigated("2021-06-01"),
            3 => base.investigated("2022-03-01").regulated("2022-12-01"),
            4 => base.investigated("2021-06-01").regulated("2023-01-10"),
            5 => base.fact("management_unit", serde_json::json!("511903")),
            6 => base.fact_with("volume_m3_per_day", serde_json::json!(500), &[("basis", "permit")]),
            _ => base.case(
                day("2023-01-01"),
                Who::City,
                serde_json::json!({"type": "duplicate", "of": Outlet::new().keyed(other).key()}),
            ),
        };
        outlet.profile(&set())
    }

    /// As if nothing had been kept.
    fn anew(profiles: &BTreeMap<DocKey, [Profile; 2]>, by: GroupBy, as_of: Day, seals: &[Seal]) -> Vec<ProgressRow> {
        let side = |at: usize| absorb(profiles.values().map(|both| both[at].clone()).collect()).0;
        let set = set();
        progress(TableInput { set: &set, known_now: &side(0), as_reported: &side(1), seals, as_of }, by)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]
        #[test]
        fn a_table_that_followed_changes_equals_one_counted_anew(
            changes in prop::collection::vec(prop::collection::vec((0_u8..10, any::<u8>(), 0_u8..10, any::<u8>()), 1..4), 1..16),
            month in 1_u8..=12,
        ) {
            let as_of = day(&format!("2023-{month:02}-15"));
            let mut board = Board::new(set(), as_of);
            let mut profiles: BTreeMap<DocKey, [Profile; 2]> = BTreeMap::new();
            let within: BTreeSet<Collection> = [Collection::from_code(511_902).unwrap()].into();
            for batch in changes {
                let both = |(number, act, other, then): (u8, u8, u8, u8)| {
                    [profile(number, act, other), profile(number, then, other)]
                };
                let batch: BTreeMap<DocKey, [Profile; 2]> =
                    batch.into_iter().map(both).map(|both| (both[0].key, both)).collect();
                profiles.extend(batch.clone());
                board.change(batch.into_iter().map(|(key, both)| (key, both.map(Arc::new))).collect());
                for by in [GroupBy::Unit, GroupBy::Township] {
                    prop_assert_eq!(board.table(by, None, &[]), anew(&profiles, by, as_of, &[]));
                }
                // All records of the test lie in one county: the part is the whole.
                prop_assert_eq!(board.table(GroupBy::Unit, Some(&within), &[]), board.table(GroupBy::Unit, None, &[]));
                prop_assert!(board.table(GroupBy::Unit, Some(&BTreeSet::new()), &[]).iter().all(|row| row.of == 0));
            }
        }
    }

    #[test]
    fn of_many_tables_the_one_asked_for_longest_ago_is_counted_again() {
        let mut board = Board::new(set(), day("2023-06-01"));
        let one = |number, act| {
            let profile = Arc::new(profile(number, act, 0));
            (profile.key, [Arc::clone(&profile), profile])
        };
        board.change(vec![one(1, 2), one(2, 0)]);
        let first = board.table(GroupBy::Unit, None, &[]);
        for code in 0..2 * u32::try_from(TABLES).unwrap() {
            let within: BTreeSet<Collection> = [Collection::from_code(511_000 + code).unwrap()].into();
            board.table(GroupBy::Unit, Some(&within), &[]);
        }
        assert_eq!(board.tables.len(), TABLES);
        assert_eq!(board.table(GroupBy::Unit, None, &[]), first);
    }
}
