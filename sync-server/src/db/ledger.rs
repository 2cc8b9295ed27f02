//! The derived ledger rows: one per outlet, written by `inventory` in the batch's own transaction.

use outlet_core::ids::{Collection, DocKey};
use rusqlite::{Connection, params};

use super::{DbError, optional};

/// A row as stored: row and findings as JSON.
pub type Row = (DocKey, String, String);

/// Rows in the order of their keys, a page of them.
///
/// # Errors
/// When SQLite refuses.
pub fn page(connection: &Connection, offset: u64, limit: u64) -> Result<Vec<Row>, DbError> {
    let sql = "SELECT outlet, row, findings FROM ledger ORDER BY outlet LIMIT ?1 OFFSET ?2";
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query(params![super::int(limit), super::int(offset)])?;
    let mut page = Vec::new();
    while let Some(row) = rows.next()? {
        let key: Vec<u8> = row.get(0)?;
        let key = DocKey::from_bytes(&key).ok_or_else(|| DbError::Damaged("ledger key".into()))?;
        page.push((key, row.get(1)?, row.get(2)?));
    }
    Ok(page)
}

/// Number of rows.
///
/// # Errors
/// When SQLite refuses.
pub fn count(connection: &Connection) -> Result<u64, DbError> {
    Ok(super::uint(connection.prepare_cached("SELECT count(*) FROM ledger")?.query_row([], |row| row.get(0))?))
}

/// One row.
///
/// # Errors
/// When SQLite refuses.
pub fn get(connection: &Connection, outlet: &DocKey) -> Result<Option<(String, String)>, DbError> {
    let sql = "SELECT row, findings FROM ledger WHERE outlet = ?1";
    optional(connection.prepare_cached(sql)?.query_row([&outlet.to_bytes()[..]], |row| Ok((row.get(0)?, row.get(1)?))))
}

/// Number of rows per collection, sorted.
///
/// # Errors
/// When SQLite refuses.
pub fn counts(connection: &Connection) -> Result<Vec<(Collection, u64)>, DbError> {
    let sql = "SELECT collection, count(*) FROM ledger GROUP BY collection ORDER BY collection";
    let mut statement = connection.prepare_cached(sql)?;
    let rows = statement
        .query_map([], |row| Ok((row.get::<_, u32>(0)?, row.get::<_, i64>(1)?)))?
        .collect::<Result<Vec<_>, _>>()?;
    rows.into_iter()
        .map(|(code, count)| {
            Ok((Collection::from_code(code).ok_or_else(|| DbError::Damaged("collection".into()))?, super::uint(count)))
        })
        .collect()
}

/// Number and name.
pub type Names = (Option<String>, Option<String>);

/// Number and name of an outlet, as the ledger shows them; `None` for one that it does not have.
///
/// # Errors
/// When SQLite refuses.
pub fn names(connection: &Connection, outlet: &DocKey) -> Result<Option<Names>, DbError> {
    let sql = "SELECT inventory.number, inventory.name FROM ledger JOIN inventory ON inventory.id = ledger.id \
               WHERE ledger.outlet = ?1";
    let found =
        connection.prepare_cached(sql)?.query_row([&outlet.to_bytes()[..]], |row| Ok((row.get(0)?, row.get(1)?)));
    optional(found)
}

/// Rows whose number (national code, else provincial code, else temporary number) is this one.
///
/// # Errors
/// When SQLite refuses.
pub fn by_number(connection: &Connection, number: &str) -> Result<Vec<String>, DbError> {
    let sql =
        "SELECT ledger.row FROM inventory JOIN ledger ON ledger.id = inventory.id WHERE inventory.number = ?1 LIMIT 10";
    let mut statement = connection.prepare_cached(sql)?;
    Ok(statement.query_map([number], |row| row.get(0))?.collect::<Result<_, _>>()?)
}
