//! Writes ledger rows with everything that questions need, in the transaction of the batch.

use std::hash::BuildHasher as _;

use hashbrown::{DefaultHashBuilder, HashMap};
use outlet_core::ids::DocKey;
use outlet_core::time::Day;
use rusqlite::types::ToSqlOutput::{self, Borrowed, Owned};
use rusqlite::types::Value;
use rusqlite::{Connection, Row, params, params_from_iter};

use super::columns::{Columns, DateColumn, Dimension, Flag, SINGLE};
use super::postings::Changes;
use super::waiting::WaitingWords;
use super::{parties, place};
use crate::db::{DbError, int, meta, optional};

/// Form of the derived tables. A program with another one makes them anew at its start: raise it
/// whenever a row, a column or a word would come out differently from equal documents.
pub(crate) const FORM: i64 = 7;

/// Grid levels that are kept.
pub(crate) const LEVELS: [u32; 8] = [4, 6, 8, 10, 12, 14, 16, 18];

/// Bitmap changes kept in memory before they are written.
const WAITING: usize = 4_000_000;

/// Writes rows. [`Writer::finish`] must follow: bitmaps and counts are written there.
pub struct Writer<'c> {
    connection: &'c Connection,
    changes: Changes,
    words: WaitingWords,
    grid: HashMap<(u32, u64, u32), [i64; 3]>,
    version: Option<i64>,
    /// Of a rebuild: what each outlet had.
    before: HashMap<Vec<u8>, Before>,
    /// Of a rebuild: the largest id that an outlet had.
    largest: i64,
    /// Names texts of rows while this writer lives.
    hashes: [DefaultHashBuilder; 2],
    /// Of a rebuild: how the indexes are made that are left out until all rows are there.
    indexes: Vec<String>,
    rebuilding: bool,
}

/// A row before a rebuild: id and version go on when the row is the same.
struct Before {
    id: i64,
    version: i64,
    text: TextName,
}

/// Equal for equal texts of a row and its findings, and for others by no more than chance.
type TextName = [u64; 2];

impl<'c> Writer<'c> {
    /// Of a transaction.
    #[must_use]
    pub fn new(connection: &'c Connection) -> Self {
        Self {
            connection,
            changes: Changes::default(),
            words: WaitingWords::default(),
            grid: HashMap::new(),
            version: None,
            before: HashMap::new(),
            largest: 0,
            hashes: [DefaultHashBuilder::default(), DefaultHashBuilder::default()],
            indexes: Vec::new(),
            rebuilding: false,
        }
    }

    /// Drops everything first; ids stay with their outlets.
    pub(crate) fn rebuild(connection: &'c Connection) -> Result<Self, DbError> {
        let mut writer = Self::new(connection);
        writer.rebuilding = true;
        {
            let mut statement = connection.prepare("SELECT outlet, id, version, row, findings FROM ledger")?;
            let mut rows = statement.query([])?;
            while let Some(row) = rows.next()? {
                let text = |column| row.get_ref(column)?.as_str().map_err(rusqlite::Error::from);
                let name = writer.name(text(3)?, text(4)?);
                let before = Before { id: row.get(1)?, version: row.get(2)?, text: name };
                writer.largest = writer.largest.max(before.id);
                writer.before.insert(row.get(0)?, before);
            }
        }
        connection.execute_batch(
            "DELETE FROM ledger; DELETE FROM inventory; DELETE FROM posting; DELETE FROM grid; DELETE FROM party; \
             INSERT INTO words (words) VALUES ('delete-all');",
        )?;
        for (name, sql) in indexes(connection)? {
            connection.execute_batch(&format!("DROP INDEX \"{name}\""))?;
            writer.indexes.push(sql);
        }
        Ok(writer)
    }

    fn name(&self, row: &str, findings: &str) -> TextName {
        self.hashes.each_ref().map(|hashes| hashes.hash_one((row, findings)))
    }

    fn version(&mut self) -> Result<i64, DbError> {
        if let Some(version) = self.version {
            return Ok(version);
        }
        let version = int(meta::next(self.connection, meta::LEDGER_VERSION)?);
        self.version = Some(version);
        Ok(version)
    }

    /// Writes a row, unless it stands there already.
    ///
    /// # Errors
    /// When SQLite refuses.
    pub fn put(&mut self, outlet: &DocKey, row: &str, findings: &str, columns: &Columns) -> Result<(), DbError> {
        let key = outlet.to_bytes();
        if !self.rebuilding {
            let sql = "SELECT id, row = ?2 AND findings = ?3 FROM ledger WHERE outlet = ?1";
            let found = self
                .connection
                .prepare_cached(sql)?
                .query_row(params![&key[..], row, findings], |found| Ok((found.get(0)?, found.get::<_, bool>(1)?)));
            match optional(found)? {
                Some((_, true)) => return Ok(()),
                Some((id, false)) => return self.update(id, outlet, row, findings, columns),
                None => {}
            }
        }
        self.insert(outlet, row, findings, columns)
    }

    fn insert(&mut self, outlet: &DocKey, row: &str, findings: &str, columns: &Columns) -> Result<(), DbError> {
        let key = outlet.to_bytes();
        let before = self.before.get(&key[..]).map(|before| (before.id, before.version, before.text));
        let version = match before {
            Some((_, version, known)) if known == self.name(row, findings) => version,
            _ => self.version()?,
        };
        let sql = "INSERT INTO ledger (id, outlet, collection, version, row, findings) VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
        let id = match before {
            Some((id, _, _)) => Some(id),
            // A new outlet amid a rebuild must not take the id of one that is still to come.
            None if self.rebuilding => {
                self.largest += 1;
                Some(self.largest)
            }
            None => None,
        };
        self.connection.prepare_cached(sql)?.execute(params![
            id,
            &key[..],
            outlet.collection.code(),
            version,
            row,
            findings
        ])?;
        let id = self.connection.last_insert_rowid();
        let number = number(id)?;
        write_columns(self.connection, id, columns)?;
        parties::insert(self.connection, id, &columns.parties)?;
        self.words.add(id, &columns.text);
        self.changes.add(Dimension::Collection, &outlet.collection.code().to_string(), number);
        columns.each_value(|dimension, value| self.changes.add(dimension, value, number));
        self.count(columns.cell, outlet, 1);
        self.flush_when_large()
    }

    fn update(
        &mut self,
        id: i64,
        outlet: &DocKey,
        row: &str,
        findings: &str,
        columns: &Columns,
    ) -> Result<(), DbError> {
        let version = self.version()?;
        let sql = "UPDATE ledger SET version = ?2, row = ?3, findings = ?4 WHERE id = ?1";
        self.connection.prepare_cached(sql)?.execute(params![id, version, row, findings])?;
        let before = read_columns(self.connection, id)?;
        if before == *columns {
            return Ok(());
        }
        let number = number(id)?;
        write_columns(self.connection, id, columns)?;
        if before.parties != columns.parties {
            parties::write(self.connection, id, &columns.parties)?;
        }
        if before.text != columns.text {
            self.words.replace(id, &columns.text);
        }
        let (old, new) = (before.values(), columns.values());
        for (dimension, value) in old.iter().filter(|value| !new.contains(value)) {
            self.changes.remove(*dimension, value, number);
        }
        for (dimension, value) in new.iter().filter(|value| !old.contains(value)) {
            self.changes.add(*dimension, value, number);
        }
        if before.cell != columns.cell {
            self.count(before.cell, outlet, -1);
            self.count(columns.cell, outlet, 1);
        }
        self.flush_when_large()
    }

    fn count(&mut self, cell: Option<u64>, outlet: &DocKey, by: i64) {
        let Some(cell) = cell else { return };
        let (x, y) = place::unmorton(cell);
        for level in LEVELS {
            let at = (level, cell >> (2 * (place::LEVEL - level)), outlet.collection.code());
            let sums = self.grid.entry(at).or_default();
            for (sum, one) in sums.iter_mut().zip([1, i64::from(x), i64::from(y)]) {
                *sum += by * one;
            }
        }
    }

    fn flush_when_large(&mut self) -> Result<(), DbError> {
        if self.changes.len() > WAITING || self.words.are_many() { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<(), DbError> {
        self.changes.flush(self.connection)?;
        let add = "INSERT INTO grid (level, cell, collection, count, sum_x, sum_y) VALUES (?1, ?2, ?3, ?4, ?5, ?6) \
                   ON CONFLICT DO UPDATE SET count = count + excluded.count, \
                   sum_x = sum_x + excluded.sum_x, sum_y = sum_y + excluded.sum_y";
        let empty = "DELETE FROM grid WHERE level = ?1 AND cell = ?2 AND collection = ?3 AND count = 0";
        let mut grid: Vec<_> = self.grid.drain().filter(|(_, by)| *by != [0; 3]).collect();
        // In the order of the table, so that it is filled from one end to the other.
        grid.sort_unstable_by_key(|(at, _)| *at);
        for ((level, cell, collection), [count, x, y]) in grid {
            self.connection.prepare_cached(add)?.execute(params![level, int(cell), collection, count, x, y])?;
            if count < 0 {
                self.connection.prepare_cached(empty)?.execute(params![level, int(cell), collection])?;
            }
        }
        self.words.flush(self.connection)
    }

    /// Writes what waits. After a rebuild the tables are of this program's form.
    ///
    /// # Errors
    /// When SQLite refuses.
    pub fn finish(mut self) -> Result<(), DbError> {
        self.flush()?;
        for sql in &self.indexes {
            self.connection.execute_batch(sql)?;
        }
        if self.rebuilding {
            meta::set(self.connection, meta::LEDGER_FORM, FORM)?;
        }
        Ok(())
    }
}

/// The indexes that a rebuild fills at its end, sorted, instead of row by row: name, and how it is made.
fn indexes(connection: &Connection) -> Result<Vec<(String, String)>, DbError> {
    let sql = "SELECT name, sql FROM sqlite_schema WHERE type = 'index' AND sql IS NOT NULL \
               AND tbl_name IN ('ledger', 'inventory')";
    let mut statement = connection.prepare(sql)?;
    let found = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(found.collect::<Result<_, _>>()?)
}

fn number(id: i64) -> Result<u32, DbError> {
    u32::try_from(id).map_err(|_| DbError::Damaged(format!("ledger row {id}")))
}

/// Columns of the table in the order of both statements below.
fn names() -> Vec<&'static str> {
    let single = SINGLE.iter().map(|dimension| dimension.code());
    let fixed = ["problem", "flag", "problems", "due", "name", "number", "party"];
    let dates = DateColumn::ALL.iter().map(|column| column.code());
    single.chain(fixed).chain(dates).chain(["lon", "lat", "cell", "text"]).collect()
}

static WRITE: std::sync::LazyLock<String> = std::sync::LazyLock::new(|| {
    let names = names();
    let marks: Vec<String> = (1..=names.len() + 1).map(|number| format!("?{number}")).collect();
    format!("INSERT OR REPLACE INTO inventory (id, {}) VALUES ({})", names.join(", "), marks.join(", "))
});

static READ: std::sync::LazyLock<String> =
    std::sync::LazyLock::new(|| format!("SELECT {} FROM inventory WHERE id = ?1", names().join(", ")));

fn write_columns(connection: &Connection, id: i64, columns: &Columns) -> Result<(), DbError> {
    fn text(value: &Option<String>) -> ToSqlOutput<'_> {
        Borrowed(value.as_deref().into())
    }
    let list = |values: Vec<&str>| (!values.is_empty()).then(|| values.join(",")).map_or(Value::Null, Value::Text);
    let day = |day: &Option<Day>| Owned(day.map_or(Value::Null, |day| Value::Integer(day.epoch_days())));
    let mut values = Vec::with_capacity(40);
    values.push(ToSqlOutput::from(id));
    values.extend(columns.single.iter().map(text));
    values.push(Owned(list(columns.problem.iter().map(String::as_str).collect())));
    values.push(Owned(list(columns.flags.iter().map(|flag| flag.code()).collect())));
    values.push(int(columns.problems as u64).into());
    values.push(day(&columns.due));
    values.extend([&columns.name, &columns.number, &columns.party].map(text));
    values.extend(columns.dates.iter().map(day));
    let (lon, lat) = columns.position.unzip();
    values.extend([lon, lat].map(|degrees| Owned(degrees.map_or(Value::Null, Value::Real))));
    values.push(Owned(columns.cell.map_or(Value::Null, |cell| Value::Integer(int(cell)))));
    values.push(Borrowed(columns.text.as_str().into()));
    connection.prepare_cached(&WRITE)?.execute(params_from_iter(values))?;
    Ok(())
}

fn read_columns(connection: &Connection, id: i64) -> Result<Columns, DbError> {
    let columns = connection.prepare_cached(&READ)?.query_row([id], |row| Ok(columns_of(row)))??;
    Ok(Columns { parties: parties::read(connection, id)?, ..columns })
}

fn columns_of(row: &Row<'_>) -> Result<Columns, DbError> {
    let mut at = 0..names().len();
    let mut next = || at.next().unwrap_or_default();
    let list = |text: Option<String>| -> Vec<String> {
        text.map(|text| text.split(',').map(str::to_owned).collect()).unwrap_or_default()
    };
    let day = |days: Option<i64>| days.map(Day::from_epoch_days);
    let single = SINGLE.iter().map(|_| row.get(next())).collect::<Result<_, _>>()?;
    let problem = list(row.get(next())?);
    let flags = list(row.get(next())?).iter().filter_map(|code| Flag::from_code(code)).collect();
    let problems = usize::try_from(row.get::<_, i64>(next())?).unwrap_or(0);
    let due = day(row.get(next())?);
    let (name, number, party) = (row.get(next())?, row.get(next())?, row.get(next())?);
    let dates = DateColumn::ALL.iter().map(|_| Ok(day(row.get(next())?))).collect::<Result<_, DbError>>()?;
    let position = row.get::<_, Option<f64>>(next())?.zip(row.get::<_, Option<f64>>(next())?);
    let cell = row.get::<_, Option<i64>>(next())?.map(crate::db::uint);
    let text = row.get(next())?;
    let parties = Vec::new();
    Ok(Columns { single, problem, flags, problems, due, name, number, party, dates, position, cell, text, parties })
}
