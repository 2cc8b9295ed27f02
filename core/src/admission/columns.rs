//! Columns of a change: run-length and delta encoding, with every length checked before anything
//! is expanded.

use super::cursor::{Cursor, put_signed, put_unsigned};
use super::malformed::Malformed;

/// Longest key: also keeps a run of one long key from becoming gigabytes.
pub(super) const MAX_KEY_BYTES: usize = 256;

/// Reads a run-length column without nulls: `(n > 1, value)` is a run, `(-n, values…)` literals.
pub(super) fn read_rle<'a, T: Copy>(
    column: u32,
    bytes: &'a [u8],
    max_rows: usize,
    mut read: impl FnMut(&mut Cursor<'a>) -> Result<T, Malformed>,
) -> Result<Vec<T>, Malformed> {
    let mut cursor = Cursor::new(bytes);
    let mut rows = Vec::new();
    while !cursor.is_empty() {
        let length = cursor.signed()?;
        let count = usize::try_from(length.unsigned_abs()).map_err(|_| Malformed::Limit("operations"))?;
        if count > max_rows - rows.len() {
            return Err(Malformed::Limit("operations"));
        }
        match length {
            0 => return Err(Malformed::Null(column)),
            1 => return Err(Malformed::RunForLiteral(column)),
            2.. => {
                let value = read(&mut cursor)?;
                rows.resize(rows.len() + count, value);
            }
            _ => {
                for _ in 0..count {
                    rows.push(read(&mut cursor)?);
                }
            }
        }
    }
    Ok(rows)
}

pub(super) fn read_numbers(column: u32, bytes: &[u8], max_rows: usize) -> Result<Vec<u64>, Malformed> {
    read_rle(column, bytes, max_rows, Cursor::unsigned)
}

pub(super) fn read_texts<'a>(column: u32, bytes: &'a [u8], max_rows: usize) -> Result<Vec<&'a str>, Malformed> {
    read_rle(column, bytes, max_rows, |cursor: &mut Cursor<'a>| {
        let length = cursor.count(MAX_KEY_BYTES, "bytes of a key")?;
        std::str::from_utf8(cursor.take(length)?).map_err(|_| Malformed::Text)
    })
}

pub(super) fn read_deltas(column: u32, bytes: &[u8], max_rows: usize) -> Result<Vec<u64>, Malformed> {
    let mut last = 0_i64;
    read_rle(column, bytes, max_rows, Cursor::signed)?
        .into_iter()
        .map(|delta| {
            last = last.checked_add(delta).ok_or(Malformed::Integer)?;
            u64::try_from(last).map_err(|_| Malformed::Range("an operation counter"))
        })
        .collect()
}

/// The column of inserts: one count of "no", or it is refused.
pub(super) fn read_no_inserts(bytes: &[u8], max_rows: usize) -> Result<usize, Malformed> {
    let mut cursor = Cursor::new(bytes);
    let rows = cursor.count(max_rows, "operations")?;
    if cursor.is_empty() { Ok(rows) } else { Err(Malformed::Insert) }
}

/// Writes a run-length column as automerge does: two or more equal values are a run, everything
/// between runs is one stretch of literals.
pub(super) fn write_rle<T: PartialEq>(rows: &[T], mut write: impl FnMut(&mut Vec<u8>, &T)) -> Vec<u8> {
    let mut out = Vec::new();
    let mut literals = 0..0;
    let mut at = 0;
    while at < rows.len() {
        let run = rows[at..].iter().take_while(|row| **row == rows[at]).count();
        if run == 1 {
            if literals.is_empty() {
                literals = at..at;
            }
            literals.end = at + 1;
        }
        if (run > 1 || at + 1 == rows.len()) && !literals.is_empty() {
            put_signed(&mut out, -as_i64(literals.len()));
            rows[literals.clone()].iter().for_each(|row| write(&mut out, row));
            literals = 0..0;
        }
        if run > 1 {
            put_signed(&mut out, as_i64(run));
            write(&mut out, &rows[at]);
        }
        at += run;
    }
    out
}

pub(super) fn write_numbers(rows: &[u64]) -> Vec<u8> {
    write_rle(rows, |out, row| put_unsigned(out, *row))
}

pub(super) fn write_texts(rows: &[&str]) -> Vec<u8> {
    write_rle(rows, |out, row| {
        put_unsigned(out, row.len() as u64);
        out.extend_from_slice(row.as_bytes());
    })
}

pub(super) fn write_deltas(rows: &[u64]) -> Vec<u8> {
    let mut last = 0_i64;
    let deltas: Vec<i64> = rows
        .iter()
        .map(|row| {
            let value = i64::try_from(*row).unwrap_or(i64::MAX);
            let delta = value.saturating_sub(last);
            last = value;
            delta
        })
        .collect();
    write_rle(&deltas, |out, row| put_signed(out, *row))
}

fn as_i64(length: usize) -> i64 {
    i64::try_from(length).unwrap_or(i64::MAX)
}
