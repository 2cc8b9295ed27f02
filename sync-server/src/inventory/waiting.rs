//! Words of rows that wait to be written together.
//!
//! Every writing statement inside a transaction makes FTS5 write out what it holds, as one small
//! segment that is merged with others later: one statement for all rows makes one segment.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::Connection;

use super::grams;
use crate::db::DbError;

/// Bytes of words that wait at most: few segments, and not all of a rebuild's words at its very end.
const MOST: usize = 2 << 20;

#[derive(Default)]
pub(super) struct WaitingWords {
    /// Rows whose stored words go.
    gone: BTreeSet<i64>,
    new: BTreeMap<i64, String>,
    bytes: usize,
}

impl WaitingWords {
    /// Of a row that has none yet.
    pub(super) fn add(&mut self, id: i64, text: &str) {
        let words = grams::index(text);
        self.bytes += words.len();
        self.new.insert(id, words);
    }

    /// Of a row that had others.
    pub(super) fn replace(&mut self, id: i64, text: &str) {
        if !self.new.contains_key(&id) {
            self.gone.insert(id);
        }
        self.add(id, text);
    }

    pub(super) fn are_many(&self) -> bool {
        self.bytes > MOST
    }

    pub(super) fn flush(&mut self, connection: &Connection) -> Result<(), DbError> {
        let (gone, new) = (std::mem::take(&mut self.gone), std::mem::take(&mut self.new));
        self.bytes = 0;
        if !gone.is_empty() {
            let sql = "DELETE FROM words WHERE rowid IN (SELECT value FROM json_each(?1))";
            connection.prepare_cached(sql)?.execute([json(&gone)])?;
        }
        if !new.is_empty() {
            // An object: a name and a text are had without parsing a part of the JSON again.
            let sql = "INSERT INTO words (rowid, grams) SELECT CAST(key AS INTEGER), value FROM json_each(?1)";
            connection.prepare_cached(sql)?.execute([json(&new)])?;
        }
        Ok(())
    }
}

fn json(value: &impl serde::Serialize) -> String {
    serde_json::to_string(value).expect("numbers and texts are JSON")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(connection: &Connection, text: &str) -> Vec<i64> {
        let sql = "SELECT rowid FROM words WHERE words MATCH ?1 ORDER BY rowid";
        let mut statement = connection.prepare(sql).unwrap();
        statement.query_map([format!("\"{text}\"")], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
    }

    #[test]
    fn words_written_together_are_found_and_those_before_are_not() {
        let folder = tempfile::tempdir().unwrap();
        let database = crate::db::Database::create(&folder.path().join(crate::db::FILE)).unwrap();
        database
            .write::<_, DbError>(|tx| {
                let mut waiting = WaitingWords::default();
                waiting.add(1, "通江");
                waiting.add(2, "巴河");
                waiting.replace(2, "南江");
                waiting.flush(tx)?;
                assert_eq!((found(tx, "通江"), found(tx, "巴河"), found(tx, "南江")), (vec![1], vec![], vec![2]));
                waiting.replace(1, "平昌 \"引号\"");
                waiting.replace(1, "平昌");
                waiting.flush(tx)?;
                assert_eq!((found(tx, "通江"), found(tx, "平昌"), found(tx, "南江")), (vec![], vec![1], vec![2]));
                waiting.flush(tx)?;
                Ok(())
            })
            .unwrap();
    }
}
