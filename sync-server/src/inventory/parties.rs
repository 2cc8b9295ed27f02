//! Responsible parties (责任主体清单) of the rows of a filter, page by page: by credit code, then by name
//! where there is none. Beside each ledger row stand its parties, kept in the row's own transaction.

use std::collections::BTreeMap;

use outlet_core::ids::DocKey;
use outlet_core::ledger::{LedgerRow, PartyRow, counts, parties_of};
use roaring::RoaringBitmap;
use rusqlite::{Connection, Row, params};

use super::cursor::Key;
use super::{Cursor, CursorError, Query, ids, query};
use crate::db::{DbError, int, uint};

/// Rows up to which their parties are fetched and sorted, instead of walking along all parties.
const SMALL: u64 = if cfg!(test) { 20 } else { 20_000 };

/// Outlets named on one page: a party may have very many, then a page has fewer parties.
const MOST_OUTLETS: usize = 20_000;

/// What a row says of one of its parties.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Share {
    identity: String,
    primary: bool,
    department: Option<String>,
    problems: i64,
}

/// Of a row.
pub(super) fn shares(row: &LedgerRow) -> Vec<Share> {
    let share = |(party, primary): (&outlet_core::ledger::PartyColumn, bool)| Share {
        identity: party.identity(),
        primary,
        department: row.competent_department.clone(),
        problems: int(row.problem_count as u64),
    };
    parties_of(row).filter(|_| counts(row)).map(share).collect()
}

/// Puts the parties of a row in the place of what was there.
pub(super) fn write(connection: &Connection, id: i64, shares: &[Share]) -> Result<(), DbError> {
    connection.prepare_cached("DELETE FROM party WHERE id = ?1")?.execute([id])?;
    insert(connection, id, shares)
}

/// The parties of a new row.
pub(super) fn insert(connection: &Connection, id: i64, shares: &[Share]) -> Result<(), DbError> {
    let sql =
        "INSERT INTO party (identity, id, place, \"primary\", department, problems) VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
    let mut statement = connection.prepare_cached(sql)?;
    for (place, share) in shares.iter().enumerate() {
        let place = int(place as u64);
        statement.execute(params![share.identity, id, place, share.primary, share.department, share.problems])?;
    }
    Ok(())
}

/// The parties of a row as they are stored.
pub(super) fn read(connection: &Connection, id: i64) -> Result<Vec<Share>, DbError> {
    let sql = "SELECT id, identity, \"primary\", department, problems FROM party WHERE id = ?1 ORDER BY place";
    let mut statement = connection.prepare_cached(sql)?;
    let found = statement.query_map([id], share)?;
    Ok(found.map(|found| found.map(|(_, share)| share)).collect::<Result<_, _>>()?)
}

fn share(row: &Row<'_>) -> rusqlite::Result<(u32, Share)> {
    let share = Share { identity: row.get(1)?, primary: row.get(2)?, department: row.get(3)?, problems: row.get(4)? };
    Ok((row.get(0)?, share))
}

/// Parties of one page.
#[derive(Debug, Clone, PartialEq)]
pub struct PartyPage {
    /// In order, each with its outlets among the rows of the filter.
    pub parties: Vec<PartyRow>,
    /// Where the next page begins, as text, if there is one.
    pub next: Option<String>,
}

/// Why there is no page.
#[derive(Debug, thiserror::Error)]
pub enum PartyError {
    /// The database refused.
    #[error(transparent)]
    Database(#[from] DbError),
    /// The cursor is not of this list.
    #[error(transparent)]
    Cursor(#[from] CursorError),
}

/// The parties of a query's rows after a cursor; its order and its own cursor mean nothing here.
///
/// # Errors
/// [`PartyError`].
pub fn parties(connection: &Connection, query: &Query, cursor: Option<&str>) -> Result<PartyPage, PartyError> {
    let list = format!("parties {}", query.list());
    let after = match cursor.map(|text| Cursor::decode(text, &list)).transpose()? {
        None => String::new(),
        Some(Cursor { key: Key::Text(identity), .. }) => identity,
        Some(_) => return Err(CursorError::Malformed.into()),
    };
    let rows = ids(connection, &query.filter)?;
    let mut page = Pages { limit: query.limit, outlets: 0, found: Vec::new(), more: false };
    if rows.len() <= SMALL {
        page.fetch(connection, &rows, &after)?
    } else {
        page.along(connection, &rows, &after)?
    }
    let next = page.found.last().filter(|_| page.more).map(|(identity, _)| {
        let cursor = Cursor { key: Key::Text(identity.clone()), id: 0 };
        cursor.encode(&list)
    });
    let parties = page.found.into_iter().map(|(identity, outlets)| row_of(connection, &identity, &outlets));
    Ok(PartyPage { parties: parties.collect::<Result<_, _>>()?, next })
}

/// Collects the parties of a page with their rows.
struct Pages {
    limit: usize,
    outlets: usize,
    found: Vec<(String, Vec<(u32, Share)>)>,
    more: bool,
}

impl Pages {
    /// Takes one more row of a party; false when the page is full and this one is beyond it.
    fn take(&mut self, id: u32, share: Share) -> bool {
        self.outlets += 1;
        let full = self.found.len() >= self.limit || self.outlets > MOST_OUTLETS;
        match self.found.last_mut() {
            Some((identity, outlets)) if *identity == share.identity => outlets.push((id, share)),
            Some(_) if full => {
                self.more = true;
                return false;
            }
            _ => self.found.push((share.identity.clone(), vec![(id, share)])),
        }
        true
    }

    /// Along all parties, passing over the rows that are not asked for.
    fn along(&mut self, connection: &Connection, rows: &RoaringBitmap, after: &str) -> Result<(), DbError> {
        let sql = "SELECT id, identity, \"primary\", department, problems FROM party WHERE identity > ?1 \
                   ORDER BY identity, id, place";
        let mut statement = connection.prepare_cached(sql)?;
        let mut found = statement.query([after])?;
        while let Some(row) = found.next()? {
            if !rows.contains(row.get(0)?) {
                continue;
            }
            let (id, share) = share(row)?;
            if !self.take(id, share) {
                break;
            }
        }
        Ok(())
    }

    /// The parties of a few rows, sorted.
    fn fetch(&mut self, connection: &Connection, rows: &RoaringBitmap, after: &str) -> Result<(), DbError> {
        let mut all: BTreeMap<String, Vec<(u32, Share)>> = BTreeMap::new();
        for id in rows {
            for share in read(connection, i64::from(id))?.into_iter().filter(|share| share.identity.as_str() > after) {
                all.entry(share.identity.clone()).or_default().push((id, share));
            }
        }
        for (id, share) in all.into_values().flatten() {
            if !self.take(id, share) {
                break;
            }
        }
        Ok(())
    }
}

/// A party with the sums of its rows; its name and permit are those of its first one.
fn row_of(connection: &Connection, identity: &str, outlets: &[(u32, Share)]) -> Result<PartyRow, DbError> {
    let lost = || DbError::Damaged(format!("a party of a ledger row ({identity}); run `outlet-server ledger rebuild`"));
    let (first, _) = outlets.first().ok_or_else(lost)?;
    let row = query::numbered(connection, *first)?.row;
    let party = parties_of(&row).find(|(party, _)| party.identity() == identity).ok_or_else(lost)?.0.clone();
    let mut line = PartyRow::new(party);
    let mut statement = connection.prepare_cached("SELECT outlet FROM ledger WHERE id = ?1")?;
    for (id, share) in outlets {
        let key: Vec<u8> = statement.query_row([id], |row| row.get(0))?;
        line.outlets.push(DocKey::from_bytes(&key).ok_or_else(lost)?.id);
        line.primary_of += usize::from(share.primary);
        line.shares += usize::from(!share.primary);
        line.competent_departments.extend(share.department.clone());
        line.problems += usize::try_from(uint(share.problems)).unwrap_or(usize::MAX);
    }
    Ok(line)
}

#[cfg(test)]
mod tests {
    use outlet_core::ledger::{LifeCycle, Parties, PartyColumn};

    use super::super::testing::{Dice, World, row};
    use super::super::{Scope, Sort};
    use super::*;

    fn party(dice: &mut Dice) -> PartyColumn {
        let number = dice.roll(30);
        let uscc = number.is_multiple_of(2).then(|| format!("915119{number:02}"));
        PartyColumn { name: format!("企业{number}"), uscc, ..PartyColumn::default() }
    }

    /// Rows with zero to three parties, some of them no outlets of their own.
    fn world() -> World {
        let mut dice = Dice(11);
        let mut world = World::new();
        let mut made = |number: u64| {
            let mut row = row(number, &mut dice);
            row.party = (dice.roll(4) > 0).then(|| party(&mut dice));
            row.other_parties = (0..dice.roll(3)).map(|_| party(&mut dice)).collect();
            row.competent_department = (dice.roll(2) > 0).then(|| format!("局{}", dice.roll(3)));
            if dice.roll(10) == 0 {
                row.state = LifeCycle::Duplicate;
            }
            row
        };
        let rows: Vec<_> = (0..120).map(&mut made).collect();
        world.put(rows);
        // Some change: what they had goes.
        let changed: Vec<_> = (0..120).step_by(3).map(&mut made).collect();
        world.put(changed);
        world
    }

    /// All pages one after the other.
    fn walk(world: &World, text: &str, limit: usize) -> Vec<PartyRow> {
        let day = "2022-06-01".parse().unwrap();
        let mut query = Query::parse(Scope::everything(), text, day).unwrap();
        query.limit = limit;
        let (mut all, mut cursor): (Vec<PartyRow>, Option<String>) = (Vec::new(), None);
        loop {
            let page = world.database.read(|tx| parties(tx, &query, cursor.as_deref())).unwrap();
            assert!(page.parties.len() <= limit);
            all.extend(page.parties);
            cursor = page.next;
            if cursor.is_none() {
                return all;
            }
        }
    }

    #[test]
    fn pages_of_parties_are_the_list_of_all_rows_cut_into_pieces() {
        let world = world();
        // Of many rows along the parties, of few by sorting: both say what one sum over all rows says.
        for text in ["", "state=decided", "state=decided&county=511902"] {
            let query = Query::parse(Scope::everything(), text, "2022-06-01".parse().unwrap()).unwrap();
            let rows = world.read(|tx| {
                let all = ids(tx, &query.filter)?;
                super::super::rows_after(tx, &all, None, 1000)
            });
            let mut expected = Parties::default();
            rows.iter().for_each(|entry| expected.add(&entry.row));
            let expected = expected.lines();
            assert!(expected.len() > 5, "{text}");
            for limit in [1, 7, 500] {
                assert_eq!(walk(&world, text, limit), expected, "{text} {limit}");
            }
        }
    }

    #[test]
    fn a_cursor_of_another_list_is_refused() {
        let world = world();
        let mut query = Query::new(Scope::everything());
        query.limit = 2;
        let next = world.database.read(|tx| parties(tx, &query, None)).unwrap().next.unwrap();
        let other = Query { sort: Sort::default_for_reading(), ..query.clone() };
        for (query, cursor) in [(&other, next.as_str()), (&query, "x")] {
            let refused = world.database.read(|tx| parties(tx, query, Some(cursor)));
            assert!(matches!(refused, Err(PartyError::Cursor(_))), "{refused:?}");
        }
        let page = world.database.read::<_, DbError>(|tx| super::super::page(tx, &query)).unwrap();
        let foreign = page.next.unwrap().encode(&query.list());
        assert!(world.database.read(|tx| parties(tx, &query, Some(&foreign))).is_err());
    }
}
