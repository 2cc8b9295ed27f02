//! Codes assigned here: the table that keeps a serial from being given twice.

use outlet_core::domain::code::OutletCode;
use outlet_core::ids::DocKey;
use outlet_core::time::Timestamp;
use rusqlite::{Connection, params};

use super::DbError;

fn place(code: &OutletCode) -> String {
    format!("{}{:06}", code.basin(), code.county())
}

/// Keeps a code for an outlet. False when code or serial are given already.
///
/// # Errors
/// When SQLite refuses for another reason.
pub fn take(
    connection: &Connection,
    code: &OutletCode,
    (outlet, block): (&DocKey, &str),
    by: &str,
    at: Timestamp,
) -> Result<bool, DbError> {
    let sql = "INSERT INTO codes (code, place, serial, outlet, block, at, by) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) \
               ON CONFLICT DO NOTHING";
    let values = params![code.to_string(), place(code), code.serial(), &outlet.to_bytes()[..], block, at.millis(), by];
    Ok(connection.prepare_cached(sql)?.execute(values)? == 1)
}

/// Serials of a place that were given here or stand in the ledger, from one to another.
///
/// # Errors
/// When SQLite refuses.
pub fn used(connection: &Connection, basin: &str, county: u32, from: u16, to: u16) -> Result<Vec<u16>, DbError> {
    let sql = "SELECT serial FROM codes WHERE place = ?1 AND serial BETWEEN ?2 AND ?3";
    let mut statement = connection.prepare_cached(sql)?;
    let mut serials = statement
        .query_map(params![format!("{basin}{county:06}"), from, to], |row| row.get::<_, u16>(0))?
        .collect::<Result<Vec<_>, _>>()?;
    // Codes that came from elsewhere: `number` holds the national one where there is one.
    let prefix = format!("{basin}-{county:06}-");
    let sql = "SELECT number FROM inventory WHERE number >= ?1 AND number < ?2";
    let mut statement = connection.prepare_cached(sql)?;
    let beyond = format!("{basin}-{county:06}.");
    let numbers =
        statement.query_map(params![prefix, beyond], |row| row.get::<_, String>(0))?.collect::<Result<Vec<_>, _>>()?;
    let known = numbers.iter().filter_map(|number| number.parse::<OutletCode>().ok());
    serials.extend(known.map(|code| code.serial()).filter(|serial| (from..=to).contains(serial)));
    serials.sort_unstable();
    serials.dedup();
    Ok(serials)
}
