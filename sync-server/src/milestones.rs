//! Milestone tables for any day, quick enough for a page: the profile of each outlet is kept while
//! its ledger row stays the same; tables of the last days asked about follow what changed ([`Board`]).
//!
//! As known on a day, an outlet looks as it did on the last day on which anything of it became
//! known ([`outlet_core::ledger::known_days`]); so a handful of profiles answers for all days.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use outlet_core::domain::dictionary::Dictionaries;
use outlet_core::identity::{Certificate, Level, Role, Roster};
use outlet_core::ids::{Collection, DocKey, PersonId, PublicKey};
use outlet_core::ledger::{
    Board, Both, GroupBy, MilestoneSet, Profile, ProgressRow, Reference, TableInput, absorb, known_days, profile_of,
};
use outlet_core::time::Day;
use rusqlite::{Connection, params};

use crate::db::{DbError, feed, meta, uint};
use crate::engine::{Engine, EngineError, projector};
use crate::inventory::Scope;

/// Tables kept at a time, for pages and interfaces together.
const TABLES: usize = 48;
/// Profiles of past days kept per outlet.
const DAYS: usize = 6;
/// Days whose tables follow changes: today, and what somebody looks at beside it.
const BOARDS: usize = 3;

/// What is remembered while the process runs.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    profiles: Mutex<Profiles>,
    tables: Mutex<Vec<(TableKey, Arc<Vec<ProgressRow>>)>>,
}

/// Of which ledger, reference data and set.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Basis {
    reference: u64,
    set: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct TableKey {
    ledger: i64,
    basis: Basis,
    as_of: Day,
    by: GroupBy,
    /// See [`Scope::tag`].
    scope: String,
}

#[derive(Debug, Default)]
struct Profiles {
    basis: Basis,
    read: Option<Read>,
    of: HashMap<DocKey, Kept>,
    /// With the ledger's version that each has come to; the one asked for last is the last.
    boards: Vec<(i64, Board)>,
}

/// What profiles are read with. Other reference data (seals, zones, assignments) changes none.
#[derive(Debug)]
struct Read {
    set: MilestoneSet,
    dictionaries: Dictionaries,
    /// Who was what: a key that got another level or person is another author of what it wrote.
    members: BTreeMap<PublicKey, (PersonId, Role, Option<Level>)>,
    servers: BTreeSet<PublicKey>,
}

impl Read {
    fn new(set: &MilestoneSet, reference: &Reference, roster: &Roster) -> Self {
        let known = |certificate: &Certificate| {
            let member = roster.membership(&certificate.value().key)?;
            Some((member.key, (member.person, member.role, member.level)))
        };
        Self {
            set: set.clone(),
            dictionaries: reference.dictionaries.clone(),
            members: roster.certificates().filter_map(known).collect(),
            servers: roster.active_servers(),
        }
    }

    /// Are profiles read with the other the same as those read with this? A key that joined since has
    /// written in none of them.
    fn holds_with(&self, now: &Self) -> bool {
        let same = |(key, was)| now.members.get(key) == Some(was);
        self.set == now.set
            && self.dictionaries == now.dictionaries
            && self.servers == now.servers
            && self.members.iter().all(same)
    }
}

impl Profiles {
    /// Forgets everything, unless profiles read with these would be the same.
    fn renew(
        &mut self,
        engine: &Engine,
        connection: &Connection,
        set: &MilestoneSet,
        reference: &Reference,
    ) -> Result<(), DbError> {
        let basis = basis(connection, set)?;
        if self.basis == basis {
            return Ok(());
        }
        let read = Read::new(set, reference, &*engine.folder.roster(connection)?);
        if !self.read.as_ref().is_some_and(|before| before.holds_with(&read)) {
            *self = Self::default();
        }
        self.read = Some(read);
        self.basis = basis;
        Ok(())
    }
}

/// Profiles of one outlet, as long as its row keeps its version.
#[derive(Debug)]
struct Kept {
    version: i64,
    now: Arc<Profile>,
    days: Vec<Day>,
    /// The profile of the last day is the one of today.
    whole: bool,
    /// By the day of [`Kept::effective`].
    then: Vec<(Option<Day>, Arc<Profile>)>,
}

impl Kept {
    /// The last day up to `as_of` on which something became known.
    fn effective(&self, as_of: Day) -> Option<Day> {
        self.days.iter().rev().find(|day| **day <= as_of).copied()
    }

    fn as_reported(&self, as_of: Day) -> Option<&Arc<Profile>> {
        let day = self.effective(as_of);
        if self.whole && day.is_some() && day == self.days.last().copied() {
            return Some(&self.now);
        }
        self.then.iter().find(|(own, _)| *own == day).map(|(_, profile)| profile)
    }
}

/// Profiles in both readings, duplicates absorbed.
#[derive(Debug)]
pub struct Readings {
    /// As known now.
    pub known_now: Vec<Profile>,
    /// As known at the end of the day.
    pub as_reported: Vec<Profile>,
}

/// Every outlet in both readings.
///
/// # Errors
/// When a document cannot be loaded or the database refuses.
pub fn readings(engine: &Engine, set: &MilestoneSet, as_of: Day) -> Result<Readings, EngineError> {
    let (now, then) = engine.database().read(|tx| collect(engine, tx, set, as_of))?;
    Ok(Readings { known_now: absorb(now).0, as_reported: absorb(then).0 })
}

fn collect(
    engine: &Engine,
    connection: &Connection,
    set: &MilestoneSet,
    as_of: Day,
) -> Result<(Vec<Profile>, Vec<Profile>), EngineError> {
    let rows = versions(connection, 0)?;
    let reference = engine.reference(connection)?;
    let mut kept = engine.milestones.profiles.lock().unwrap_or_else(PoisonError::into_inner);
    kept.renew(engine, connection, set, &reference)?;
    let pairs = pairs(engine, connection, (set, as_of), &reference, &rows, &mut kept)?;
    let clone = |(_, [now, then]): &(DocKey, Both)| (Profile::clone(now), Profile::clone(then));
    Ok(pairs.iter().map(clone).unzip())
}

/// Profiles of these rows in both readings, read where they are missing or outdated.
fn pairs(
    engine: &Engine,
    connection: &Connection,
    (set, as_of): (&MilestoneSet, Day),
    reference: &Reference,
    rows: &[(DocKey, i64)],
    kept: &mut Profiles,
) -> Result<Vec<(DocKey, Both)>, EngineError> {
    let stale: Vec<(DocKey, i64)> = rows
        .iter()
        .filter(|(key, version)| {
            kept.of.get(key).is_none_or(|own| own.version != *version || own.as_reported(as_of).is_none())
        })
        .copied()
        .collect();
    load(engine, connection, (set, as_of), reference, &stale, kept)?;
    let both = |(key, _): &(DocKey, i64)| {
        let own = kept.of.get(key)?;
        Some((*key, [Arc::clone(&own.now), Arc::clone(own.as_reported(as_of)?)]))
    };
    Ok(rows.iter().filter_map(both).collect())
}

/// The table of a day, made of what changed since it was asked for last.
fn followed(
    engine: &Engine,
    connection: &Connection,
    (set, as_of): (&MilestoneSet, Day),
    by: GroupBy,
    scope: &Scope,
) -> Result<Vec<ProgressRow>, EngineError> {
    let reference = engine.reference(connection)?;
    let ledger = meta::get(connection, meta::LEDGER_VERSION)?.unwrap_or(0);
    let mut kept = engine.milestones.profiles.lock().unwrap_or_else(PoisonError::into_inner);
    kept.renew(engine, connection, set, &reference)?;
    let at = kept.boards.iter().position(|(_, board)| board.as_of() == as_of);
    // Somebody was quicker with a newer snapshot: this older one is answered beside the board.
    let newer = at.is_some_and(|at| kept.boards.get(at).is_some_and(|(version, _)| *version > ledger));
    let known = at.filter(|_| !newer).map(|at| kept.boards.remove(at));
    let (version, mut board) = known.unwrap_or_else(|| (0, Board::new(set.clone(), as_of)));
    let rows = versions(connection, version)?;
    board.change(pairs(engine, connection, (set, as_of), &reference, &rows, &mut kept)?);
    if uint(board.len() as i64) != crate::db::ledger::count(connection)? {
        board = Board::new(set.clone(), as_of);
        let all = versions(connection, 0)?;
        board.change(pairs(engine, connection, (set, as_of), &reference, &all, &mut kept)?);
    }
    let table = board.table(by, scope.collections(), &reference.seals);
    if !newer {
        if kept.boards.len() >= BOARDS {
            kept.boards.remove(0);
        }
        kept.boards.push((ledger, board));
    }
    Ok(table)
}

/// Reads the documents of outlets whose profiles are missing or outdated.
fn load(
    engine: &Engine,
    connection: &Connection,
    (set, as_of): (&MilestoneSet, Day),
    reference: &Reference,
    stale: &[(DocKey, i64)],
    kept: &mut Profiles,
) -> Result<(), EngineError> {
    if stale.is_empty() {
        return Ok(());
    }
    let roster = engine.folder.roster(connection)?;
    let version: HashMap<DocKey, i64> = stale.iter().copied().collect();
    let keys: Vec<DocKey> = stale.iter().map(|(key, _)| *key).collect();
    let read = projector::each(engine, connection, &keys, |outlet| {
        outlet.with(&roster, |input| {
            let (days, whole) = known_days(input, set);
            let now = Arc::new(profile_of(input, reference, set, None));
            let then = Arc::new(profile_of(input, reference, set, Some(as_of)));
            (outlet.key, Kept { version: 0, now, days, whole, then: vec![(None, then)] })
        })
    })?;
    for (key, mut fresh) in read {
        fresh.version = version.get(&key).copied().unwrap_or_default();
        let day = fresh.effective(as_of);
        fresh.then[0].0 = day;
        if let Some(old) = kept.of.remove(&key).filter(|old| old.version == fresh.version) {
            fresh.then.extend(old.then.into_iter().filter(|(own, _)| *own != day).take(DAYS - 1));
        }
        kept.of.insert(key, fresh);
    }
    Ok(())
}

fn basis(connection: &Connection, set: &MilestoneSet) -> Result<Basis, DbError> {
    let reference = feed::head(connection, Collection::REFERENCE)?.seq;
    Ok(Basis { reference, set: format!("{}@{}", set.id, set.version) })
}

/// Rows that changed after a version of the ledger.
fn versions(connection: &Connection, after: i64) -> Result<Vec<(DocKey, i64)>, DbError> {
    let mut statement = connection.prepare_cached("SELECT outlet, version FROM ledger WHERE version > ?1")?;
    let mut rows = statement.query(params![after])?;
    let mut all = Vec::new();
    while let Some(row) = rows.next()? {
        let bytes = row.get_ref(0)?.as_blob().map_err(rusqlite::Error::from)?;
        let key = DocKey::from_bytes(bytes).ok_or_else(|| DbError::Damaged("ledger key".into()))?;
        all.push((key, row.get(1)?));
    }
    Ok(all)
}

/// Groupings whose figures everybody may see: how far each unit and county is gets circulated to all
/// of them (通报), and a supervisor has to know where the own county stands. Finer ones name places,
/// chiefs and parties: those are of the account's collections only.
#[must_use]
pub fn is_circulated(by: GroupBy) -> bool {
    matches!(by, GroupBy::Unit | GroupBy::County)
}

/// The milestone table of the outlets in a scope. A record that duplicates one in another collection
/// is counted there, as in the table of everything. Of a part of the area there is no row of the whole.
///
/// # Errors
/// When a document cannot be loaded or the database refuses.
pub fn table(
    engine: &Engine,
    set: &MilestoneSet,
    as_of: Day,
    by: GroupBy,
    scope: &Scope,
) -> Result<Arc<Vec<ProgressRow>>, EngineError> {
    let scope = if is_circulated(by) { Scope::everything() } else { scope.clone() };
    let known = |key: &TableKey| {
        let tables = engine.milestones.tables.lock().unwrap_or_else(PoisonError::into_inner);
        tables.iter().find(|(own, _)| own == key).map(|(_, table)| Arc::clone(table))
    };
    let (key, made) = engine.database().read::<_, EngineError>(|tx| {
        let ledger = meta::get(tx, meta::LEDGER_VERSION)?.unwrap_or(0);
        let key = TableKey { ledger, basis: basis(tx, set)?, as_of, by, scope: scope.tag() };
        let made = known(&key)
            .map_or_else(|| followed(engine, tx, (set, as_of), by, &scope).map(Err), |table| Ok(Ok(table)))?;
        Ok((key, made))
    })?;
    let mut rows = match made {
        Ok(table) => return Ok(table),
        Err(rows) => rows,
    };
    rows.retain(|row| scope.collections().is_none() || row.group != set.area);
    let table = Arc::new(rows);
    let mut tables = engine.milestones.tables.lock().unwrap_or_else(PoisonError::into_inner);
    // Tables of an older ledger are of no use to anybody; this one may be the older.
    tables.retain(|(own, _)| own.ledger >= key.ledger && own.basis.reference >= key.basis.reference);
    if tables.len() >= TABLES {
        tables.remove(0);
    }
    tables.push((key, Arc::clone(&table)));
    Ok(table)
}

impl Readings {
    /// What tables, rows and assessments are made from.
    #[must_use]
    pub fn input<'t>(&'t self, reference: &'t Reference, set: &'t MilestoneSet, as_of: Day) -> TableInput<'t> {
        TableInput { set, known_now: &self.known_now, as_reported: &self.as_reported, seals: &reference.seals, as_of }
    }
}

#[cfg(test)]
mod tests {
    use outlet_core::identity::Role;
    use outlet_core::ledger::Reading;
    use serde_json::json;

    use super::*;
    use crate::testing::{Kit, outlet};

    fn count(kit: &Kit, as_of: &str, reading: Reading) -> usize {
        let reference = kit.engine.database().read(|tx| kit.engine.reference(tx)).unwrap();
        let as_of: Day = as_of.parse().unwrap();
        let rows = table(&kit.engine, reference.active_set(), as_of, GroupBy::Unit, &Scope::everything()).unwrap();
        rows.iter().find(|row| row.milestone == "M2" && row.reading == reading && row.group == "5119").unwrap().of
    }

    /// The same from nothing but the documents.
    fn cold(kit: &Kit, as_of: &str, reading: Reading) -> usize {
        let again = Kit { engine: Arc::new(crate::testing::open(kit.place.path(), &kit.clock)), ..Kit::new() };
        count(&again, as_of, reading)
    }

    #[test]
    fn figures_of_units_are_everybody_s_and_finer_ones_those_of_the_account_s_collections() {
        let kit = Kit::new();
        let mut device = kit.member(1, Role::Inspector, None);
        let runs = ["township", "state"].map(|fact| device.fact(&outlet(1), fact, "outlet"));
        kit.push(&device, &runs);
        let reference = kit.engine.database().read(|tx| kit.engine.reference(tx)).unwrap();
        let groups = |by: GroupBy, scope: &Scope| -> Vec<(String, usize)> {
            let as_of: Day = "2022-12-31".parse().unwrap();
            let rows = table(&kit.engine, reference.active_set(), as_of, by, scope).unwrap();
            let wanted = |row: &&ProgressRow| row.milestone == "M2" && row.reading == Reading::AsKnownNow && row.of > 0;
            rows.iter().filter(wanted).map(|row| (row.group.clone(), row.of)).collect()
        };
        let whole = groups(GroupBy::Township, &Scope::everything());
        assert_eq!(whole.len(), 2, "the township and the whole area: {whole:?}");
        let (own, foreign) = (Scope::of([crate::testing::county()]), Scope::of(["511923".parse().unwrap()]));
        assert_eq!(
            groups(GroupBy::Township, &own),
            [("outlet".to_owned(), 1)],
            "no figure of a part is called the city's"
        );
        assert!(groups(GroupBy::Township, &foreign).is_empty());
        assert_eq!(groups(GroupBy::Unit, &foreign), groups(GroupBy::Unit, &Scope::everything()));
    }

    #[test]
    fn a_kept_table_equals_one_made_from_the_documents_for_every_day_and_after_every_change() {
        let kit = Kit::new();
        let mut device = kit.member(1, Role::Inspector, None);
        // The tests' clock starts on 2022-03-01.
        for number in 1..=3 {
            let run = device.fact(&outlet(number), "state", "outlet");
            kit.push(&device, &[run]);
            kit.wait(40 * 86_400_000);
        }
        for as_of in ["2022-02-01", "2022-03-01", "2022-04-30", "2022-12-31"] {
            for reading in Reading::ALL {
                assert_eq!(count(&kit, as_of, reading), cold(&kit, as_of, reading), "{as_of} {reading:?}");
            }
        }
        let known_then = |as_of: &str| count(&kit, as_of, Reading::AsReported);
        assert_eq!(["2022-02-01", "2022-03-01", "2022-04-30", "2022-12-31"].map(known_then), [0, 1, 2, 3]);
        assert_eq!(count(&kit, "2022-03-01", Reading::AsKnownNow), 3);
        let out = device.write(&outlet(2), json!({"type": "fact", "field": "exists_from", "value": "2024-01-01"}));
        kit.push(&device, &[out]);
        let set_up = device.fact(&outlet(2), "set_up", "new");
        kit.push(&device, &[set_up]);
        assert_eq!(count(&kit, "2022-12-31", Reading::AsKnownNow), 2, "the change is in the next table");
        assert_eq!(count(&kit, "2022-04-30", Reading::AsReported), 2, "and was not known then");
        assert_eq!(cold(&kit, "2022-04-30", Reading::AsReported), 2);
    }

    #[test]
    fn what_is_kept_is_forgotten_when_an_author_becomes_another_and_not_when_somebody_joins() {
        let kit = Kit::new();
        let mut device = kit.member(1, Role::Supervisor, Some(Level::County));
        let run = device.fact(&outlet(1), "state", "outlet");
        kit.push(&device, &[run]);
        let kept = || {
            count(&kit, "2022-12-31", Reading::AsKnownNow);
            let profiles = kit.engine.milestones.profiles.lock().unwrap();
            let [one] = &profiles.of.values().collect::<Vec<_>>()[..] else { panic!("one outlet, one profile") };
            Arc::clone(&one.now)
        };
        // Held, so that no other profile can get its address.
        let before = kept();
        kit.member(2, Role::Inspector, None);
        let joined = kept();
        kit.enrol(&device, 1, Role::Supervisor, Some(Level::City), &[crate::testing::county()]);
        assert!(!Arc::ptr_eq(&kept(), &joined), "what it decided is the city's decision now");
        assert!(Arc::ptr_eq(&before, &joined), "who joins changes nothing of it");
    }

    #[test]
    fn an_older_snapshot_leaves_the_newer_board_where_it_is() {
        let kit = Kit::new();
        let mut device = kit.member(1, Role::Inspector, None);
        let first = device.fact(&outlet(1), "state", "outlet");
        kit.push(&device, &[first]);
        let reference = kit.engine.database().read(|tx| kit.engine.reference(tx)).unwrap();
        let set = reference.active_set();
        let as_of: Day = "2022-12-31".parse().unwrap();
        let of = |rows: &[ProgressRow]| {
            let city = |row: &&ProgressRow| row.milestone == "M2" && row.group == "5119";
            rows.iter().find(|row| city(row) && row.reading == Reading::AsKnownNow).unwrap().of
        };
        let old = kit.engine.database().read::<_, EngineError>(|tx| {
            // The snapshot begins with its first question.
            versions(tx, 0)?;
            let second = device.fact(&outlet(2), "state", "outlet");
            kit.push(&device, &[second]);
            assert_eq!(count(&kit, "2022-12-31", Reading::AsKnownNow), 2);
            followed(&kit.engine, tx, (set, as_of), GroupBy::Unit, &Scope::everything())
        });
        assert_eq!(of(&old.unwrap()), 1);
        let profiles = kit.engine.milestones.profiles.lock().unwrap();
        assert!(matches!(&profiles.boards[..], [(_, board)] if board.len() == 2), "the newer one stays");
    }
}
