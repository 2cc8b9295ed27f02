//! Questions to the ledger: rows of any day, the milestone table, explanations.

use std::collections::BTreeSet;

use outlet_core::domain::dictionary::Lang;
use outlet_core::export;
use outlet_core::ids::{DocKey, OutletId};
use outlet_core::ledger::{
    Assessment, LedgerRow, LifeCycle, Milestone, MilestoneSet, OutletLine, Profile, Reference, absorb, assess,
    profile_of,
};
use outlet_core::time::Day;
use rusqlite::Connection;

use crate::db::{DbError, feed, ledger};
use crate::engine::{Engine, EngineError, projector};
use crate::inventory::{self, Dimension, Filter, Scope};

pub use crate::milestones::{Readings, is_circulated, readings, table};

/// All rows as they stand, from the maintained table.
///
/// # Errors
/// When the database refuses.
pub fn current_rows(engine: &Engine) -> Result<Vec<LedgerRow>, EngineError> {
    engine.database().read(|tx| {
        let rows = ledger::page(tx, 0, u64::MAX)?;
        rows.iter().map(|(_, row, _)| parse(row)).collect()
    })
}

/// Rows read at once.
const PART: usize = 500;

/// Hands the rows of a filter on in parts, in the order of the ledger, until `take` wants no more: a part
/// of the ledger stands in memory, whatever its size.
///
/// # Errors
/// When the database refuses, or what `take` answers.
pub fn parts<E: From<DbError>>(
    connection: &Connection,
    filter: &Filter,
    mut take: impl FnMut(&[LedgerRow]) -> Result<bool, E>,
) -> Result<(), E> {
    let ids = inventory::ids(connection, filter)?;
    let mut after = None;
    loop {
        let entries = inventory::rows_after(connection, &ids, after, PART)?;
        let Some(last) = entries.last() else { return Ok(()) };
        after = Some(last.id);
        let rows: Vec<LedgerRow> = entries.into_iter().map(|entry| entry.row).collect();
        if !take(&rows)? {
            return Ok(());
        }
    }
}

/// Like [`parts`], of a scope, as of a day or as known on a day where one is named: then documents are
/// read instead, those of a part at a time.
///
/// # Errors
/// When a document cannot be loaded or the database refuses, or what `take` answers.
pub fn parts_of<E: From<EngineError> + From<DbError>>(
    engine: &Engine,
    scope: &Scope,
    as_of: Option<Day>,
    known_as_of: Option<Day>,
    take: impl FnMut(&[LedgerRow]) -> Result<bool, E>,
) -> Result<(), E> {
    engine.database().read(|tx| parts_in(engine, tx, scope, as_of, known_as_of, take))
}

/// The same inside a snapshot, for whoever reads them more than once.
///
/// # Errors
/// As [`parts_of`].
pub fn parts_in<E: From<EngineError> + From<DbError>>(
    engine: &Engine,
    connection: &Connection,
    scope: &Scope,
    as_of: Option<Day>,
    known_as_of: Option<Day>,
    mut take: impl FnMut(&[LedgerRow]) -> Result<bool, E>,
) -> Result<(), E> {
    if as_of.is_none() && known_as_of.is_none() {
        return parts(connection, &Filter::new(scope.clone()), take);
    }
    let roster = engine.folder.roster(connection)?;
    let reference = engine.reference(connection)?;
    let mut keys = projector::outlets(connection)?;
    keys.retain(|key| scope.holds(key.collection));
    for part in keys.chunks(PART) {
        let project = |outlet: &projector::Outlet| outlet.project(&roster, &reference, as_of, known_as_of).row;
        if !take(&projector::each(engine, connection, part, project)?)? {
            break;
        }
    }
    Ok(())
}

/// The rows of a scope, likewise, all at once.
///
/// # Errors
/// When a document cannot be loaded or the database refuses.
pub fn rows_of(
    engine: &Engine,
    scope: &Scope,
    as_of: Option<Day>,
    known_as_of: Option<Day>,
) -> Result<Vec<LedgerRow>, EngineError> {
    let mut all = Vec::new();
    parts_of(engine, scope, as_of, known_as_of, |part| {
        all.extend_from_slice(part);
        Ok::<_, EngineError>(true)
    })?;
    Ok(all)
}

/// A stored row.
pub(crate) fn parse(row: &str) -> Result<LedgerRow, EngineError> {
    serde_json::from_str(row)
        .map_err(|error| DbError::Damaged(format!("a ledger row ({error}); run `outlet-server ledger rebuild`")).into())
}

/// All rows as of a day, or as known on a day; the maintained ones when neither is asked for.
///
/// # Errors
/// When a document cannot be loaded or the database refuses.
pub fn rows(engine: &Engine, as_of: Option<Day>, known_as_of: Option<Day>) -> Result<Vec<LedgerRow>, EngineError> {
    rows_of(engine, &Scope::everything(), as_of, known_as_of)
}

/// The set that is asked for: by name, or the enabled one.
///
/// # Errors
/// The names there are, when none fits.
pub fn set<'r>(reference: &'r Reference, name: Option<&str>) -> Result<&'r MilestoneSet, Vec<String>> {
    match name {
        None => Ok(reference.active_set()),
        Some(name) => {
            let known = || reference.sets().iter().map(|set| set.id.clone()).collect();
            reference.sets().iter().find(|set| set.id == name).ok_or_else(known)
        }
    }
}

/// The assessment of a milestone, each unit by itself: figures of all, outlets of the scope only.
///
/// # Errors
/// When a document cannot be loaded or the database refuses.
pub fn assessment(
    engine: &Engine,
    reference: &Reference,
    set: &MilestoneSet,
    milestone: &Milestone,
    as_of: Day,
    scope: &Scope,
) -> Result<Assessment, EngineError> {
    let readings = readings(engine, set, as_of)?;
    let name = |code: &str| export::label(code, Lang::Zh).to_owned();
    let mut assessment = assess(readings.input(reference, set, as_of), milestone, &name);
    for unit in &mut assessment.units {
        for lines in [&mut unit.missing, &mut unit.done_late, &mut unit.extended] {
            lines.retain(|line| scope.holds(line.key.collection));
        }
    }
    let of_units = assessment.units.iter_mut();
    name_lines(
        engine,
        of_units.flat_map(|unit| [&mut unit.missing, &mut unit.done_late, &mut unit.extended]).flatten(),
    )?;
    Ok(assessment)
}

/// Adds what people call the outlets: numbers and names of today's ledger.
///
/// # Errors
/// When the database refuses.
pub fn name_lines<'l>(engine: &Engine, lines: impl IntoIterator<Item = &'l mut OutletLine>) -> Result<(), DbError> {
    engine.database().read(|tx| {
        for line in lines {
            (line.number, line.name) = ledger::names(tx, &line.key)?.unwrap_or_default();
        }
        Ok(())
    })
}

/// Profiles of one outlet and of every record that is connected to it as duplicate or successor: what
/// an explanation depends on.
///
/// # Errors
/// When a document cannot be loaded or the database refuses.
pub fn profiles_around(
    engine: &Engine,
    set: &MilestoneSet,
    as_of: Day,
    outlet: &DocKey,
) -> Result<Readings, EngineError> {
    let both = engine.database().read::<_, EngineError>(|tx| {
        let states = [LifeCycle::Duplicate, LifeCycle::Moved];
        let filter = states
            .into_iter()
            .fold(Filter::new(Scope::everything()), |filter, state| filter.with(Dimension::State, state.code()));
        let gone = inventory::rows_after(tx, &inventory::ids(tx, &filter)?, None, usize::MAX)?;
        let pair = |entry: &inventory::Entry| Some((entry.key, entry.row.duplicate_of.or(entry.row.moved_to)?));
        let pairs: Vec<(DocKey, DocKey)> = gone.iter().filter_map(pair).collect();
        let mut keys = BTreeSet::from([*outlet]);
        loop {
            let known = keys.len();
            for (from, to) in &pairs {
                if keys.contains(from) || keys.contains(to) {
                    keys.extend([*from, *to]);
                }
            }
            if keys.len() == known {
                break;
            }
        }
        let roster = engine.folder.roster(tx)?;
        let reference = engine.reference(tx)?;
        let keys: Vec<DocKey> = keys.into_iter().collect();
        projector::each(engine, tx, &keys, |outlet| {
            outlet.with(&roster, |input| {
                (profile_of(input, &reference, set, None), profile_of(input, &reference, set, Some(as_of)))
            })
        })
    })?;
    let (now, then): (Vec<Profile>, Vec<Profile>) = both.into_iter().unzip();
    Ok(Readings { known_now: absorb(now).0, as_reported: absorb(then).0 })
}

/// What moves when the ledger moves: the ends of all feeds.
///
/// # Errors
/// When the database refuses.
pub fn position(engine: &Engine) -> Result<u64, EngineError> {
    engine.database().read(|tx| {
        let mut sum = 0;
        for collection in feed::collections(tx)? {
            sum += feed::head(tx, collection)?.seq;
        }
        Ok(sum)
    })
}

/// Why an id does not name one outlet.
#[derive(Debug)]
pub enum Find {
    /// Nothing fits.
    Nothing,
    /// Several fit.
    Several(Vec<OutletId>),
}

/// The outlet with this id (or its first digits), temporary number or official code.
///
/// # Errors
/// [`Find`] inside, when not exactly one fits.
pub fn find(engine: &Engine, text: &str) -> Result<Result<DocKey, Find>, EngineError> {
    let wanted = text.trim().to_lowercase();
    let mut found: Vec<LedgerRow> = Vec::new();
    for row in current_rows(engine)? {
        let id = row.id.to_string();
        if id == wanted {
            return Ok(Ok(row.key));
        }
        let numbers = [&row.temporary_number, &row.national_code, &row.provincial_code];
        let numbered = numbers.into_iter().flatten().any(|number| number.to_lowercase() == wanted);
        let begins = wanted.len() >= 4 && (id.starts_with(&wanted) || id.ends_with(&wanted));
        if numbered || begins {
            found.push(row);
        }
    }
    Ok(match found.as_slice() {
        [] => Err(Find::Nothing),
        [only] => Ok(only.key),
        several => Err(Find::Several(several.iter().map(|row| row.id).collect())),
    })
}
