//! SQLite: one writing connection, a pool of reading ones, migrations, durability settings.
//!
//! All SQL of the server is in this folder and in `inventory`. A transaction of the writer is `BEGIN IMMEDIATE`, so
//! that a second process (a ticket issued while `serve` runs) waits its turn instead of failing
//! half way; readers never wait (WAL).
//!
//! Parameters are written `?1`: to SQLite `$1` is a name, numbered by its first appearance.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, OptionalExtension as _, Transaction, TransactionBehavior};

pub mod accounts;
mod checkpoint;
pub mod codes;
pub mod devices;
pub mod feed;
pub mod files;
pub mod idempotency;
pub mod imports;
pub mod ledger;
pub mod meta;
pub mod records;
pub mod reports;
pub mod sessions;
pub mod tokens;

/// File name in the data folder.
pub const FILE: &str = "outlet.sqlite";

const MIGRATIONS: &[&str] = &[
    include_str!("../../migrations/sqlite/0001_server.sql"),
    include_str!("../../migrations/sqlite/0002_inventory.sql"),
    include_str!("../../migrations/sqlite/0003_accounts.sql"),
    include_str!("../../migrations/sqlite/0004_console.sql"),
    include_str!("../../migrations/sqlite/0005_tokens.sql"),
    include_str!("../../migrations/sqlite/0006_desk.sql"),
    include_str!("../../migrations/sqlite/0007_lists.sql"),
    include_str!("../../migrations/sqlite/0008_shown_receipts.sql"),
    include_str!("../../migrations/sqlite/0009_identities.sql"),
    include_str!("../../migrations/sqlite/0010_parties.sql"),
    include_str!("../../migrations/sqlite/0011_waiting_pictures.sql"),
    include_str!("../../migrations/sqlite/0012_copied_devices.sql"),
    include_str!("../../migrations/sqlite/0013_sealed_collections.sql"),
    include_str!("../../migrations/sqlite/0014_words.sql"),
];

/// How long a writer waits for another process. A batch of 500 outlets takes well below a second.
const BUSY: Duration = Duration::from_secs(30);

/// Reading connections kept open between uses.
const READERS: usize = 4;

/// Errors of the database.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DbError {
    /// SQLite refused.
    #[error("the database refused: {0}")]
    Sqlite(#[from] rusqlite::Error),
    /// The file is of a newer version of the program.
    #[error("the database has version {found}, this program knows up to {known}; use a newer outlet-server")]
    Newer {
        /// Version of the file.
        found: u32,
        /// Newest known.
        known: u32,
    },
    /// A durability setting did not take, so a receipt would be a lie.
    #[error("SQLite runs with {setting} = {found}, not {wanted}: the file system may not support it; use a local disk")]
    Durability {
        /// The PRAGMA.
        setting: &'static str,
        /// What it says.
        found: String,
        /// What is needed.
        wanted: &'static str,
    },
    /// There is no database in the folder.
    #[error("{} does not exist", .0.display())]
    Missing(PathBuf),
    /// A stored value cannot be read: the file was changed by hand or is damaged.
    #[error("damaged row: {0}")]
    Damaged(String),
}

impl From<DbError> for crate::error::CommandError {
    fn from(error: DbError) -> Self {
        match error {
            DbError::Sqlite(error) => error.into(),
            DbError::Missing(_) => {
                Self::user(error.to_string()).hint("make a new data folder with `outlet-server init --data DIR`")
            }
            DbError::Newer { .. } | DbError::Durability { .. } => Self::user(error.to_string()),
            DbError::Damaged(_) => {
                Self::internal(error.to_string()).hint("restore the last backup with `outlet-server restore`")
            }
        }
    }
}

/// The open database.
pub struct Database {
    path: PathBuf,
    writer: Mutex<Writer>,
    readers: Mutex<Vec<Connection>>,
    /// After the writer, which can wake it.
    _checkpointer: checkpoint::Checkpointer,
}

/// The writing connection.
struct Writer {
    connection: Connection,
    /// Durability was lowered for what is derived, and did not come back.
    lowered: bool,
}

impl Writer {
    fn set_durability(&mut self, mode: &str) -> Result<(), DbError> {
        self.lowered = true;
        self.connection.pragma_update(None, "synchronous", mode)?;
        if mode == FULL {
            check_durability(&self.connection)?;
            self.lowered = false;
        }
        Ok(())
    }

    fn transact<T, E: From<DbError>>(&mut self, work: impl FnOnce(&Transaction<'_>) -> Result<T, E>) -> Result<T, E> {
        let immediate = TransactionBehavior::Immediate;
        let transaction = self.connection.transaction_with_behavior(immediate).map_err(DbError::from)?;
        let value = work(&transaction)?;
        transaction.commit().map_err(DbError::from)?;
        Ok(value)
    }
}

impl std::fmt::Debug for Database {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Database").field("path", &self.path).finish_non_exhaustive()
    }
}

impl Database {
    /// Makes the file; it must not exist.
    ///
    /// # Errors
    /// When it exists, or SQLite refuses.
    pub fn create(path: &Path) -> Result<Self, DbError> {
        drop(
            std::fs::OpenOptions::new()
                .write(true)
                .create_new(true)
                .open(path)
                .map_err(|error| DbError::Sqlite(rusqlite::Error::ToSqlConversionFailure(Box::new(error))))?,
        );
        Self::open(path)
    }

    /// Opens the file, brings it to the newest version, and checks the durability settings.
    ///
    /// # Errors
    /// When it is missing, newer, or SQLite refuses.
    pub fn open(path: &Path) -> Result<Self, DbError> {
        if !path.exists() {
            return Err(DbError::Missing(path.to_owned()));
        }
        let mut writer =
            Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
        configure(&writer)?;
        migrate(&mut writer)?;
        check_durability(&writer)?;
        let checkpointer = checkpoint::Checkpointer::start(&mut writer, path)?;
        Ok(Self {
            path: path.to_owned(),
            writer: Mutex::new(Writer { connection: writer, lowered: false }),
            readers: Mutex::new(Vec::new()),
            _checkpointer: checkpointer,
        })
    }

    /// Where the file is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Runs `work` in one transaction that is durable when this returns `Ok`.
    ///
    /// # Errors
    /// Whatever `work` returns (then nothing is written), or SQLite's refusal.
    pub fn write<T, E: From<DbError>>(&self, work: impl FnOnce(&Transaction<'_>) -> Result<T, E>) -> Result<T, E> {
        let mut writer = lock(&self.writer);
        if writer.lowered {
            writer.set_durability(FULL)?;
        }
        writer.transact(work)
    }

    /// The same for what is derived from the rest of the database and made again when it is missing: the
    /// disk is not waited for. After a power cut it may be gone, with nothing that came before it.
    ///
    /// # Errors
    /// As [`Database::write`].
    pub fn write_derived<T, E: From<DbError>>(
        &self,
        work: impl FnOnce(&Transaction<'_>) -> Result<T, E>,
    ) -> Result<T, E> {
        let mut writer = lock(&self.writer);
        writer.set_durability("NORMAL")?;
        let written = writer.transact(work);
        writer.set_durability(FULL)?;
        written
    }

    /// Runs `work` on a consistent snapshot.
    ///
    /// # Errors
    /// Whatever `work` returns, or SQLite's refusal.
    pub fn read<T, E: From<DbError>>(&self, work: impl FnOnce(&Transaction<'_>) -> Result<T, E>) -> Result<T, E> {
        let pooled = lock(&self.readers).pop();
        let mut reader = match pooled {
            Some(reader) => reader,
            None => self.open_reader()?,
        };
        let snapshot = reader.transaction_with_behavior(TransactionBehavior::Deferred).map_err(DbError::from)?;
        let value = work(&snapshot);
        drop(snapshot);
        let mut readers = lock(&self.readers);
        if readers.len() < READERS {
            readers.push(reader);
        }
        value
    }

    fn open_reader(&self) -> Result<Connection, DbError> {
        let reader = Connection::open_with_flags(
            &self.path,
            OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX,
        )?;
        reader.busy_timeout(BUSY)?;
        reader.set_prepared_statement_cache_capacity(128);
        plan_once(&reader)?;
        // A page of the inventory passes over indexes of a million rows.
        reader.pragma_update(None, "cache_size", -32_768)?;
        Ok(reader)
    }

    /// The durability settings as the writing connection reports them.
    ///
    /// # Errors
    /// When SQLite refuses.
    pub fn durability(&self) -> Result<Vec<(&'static str, String)>, DbError> {
        let writer = lock(&self.writer);
        DURABILITY.iter().map(|(setting, _)| Ok((*setting, pragma(&writer.connection, setting)?))).collect()
    }

    /// Moves everything from the log into the one file.
    ///
    /// # Errors
    /// When SQLite refuses.
    pub fn checkpoint(&self) -> Result<(), DbError> {
        lock(&self.writer).connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
        Ok(())
    }

    /// Copies the database to a new file while others write (SQLite's online backup).
    ///
    /// # Errors
    /// When SQLite refuses.
    pub fn copy_to(&self, path: &Path) -> Result<(), DbError> {
        let reader = self.open_reader()?;
        let mut copy = Connection::open(path)?;
        let backup = rusqlite::backup::Backup::new(&reader, &mut copy)?;
        backup.run_to_completion(4096, Duration::ZERO, None)?;
        Ok(())
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A panic inside a transaction rolled it back when the transaction was dropped: the connection
    // behind the lock is as good as before.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn configure(connection: &Connection) -> Result<(), DbError> {
    connection.busy_timeout(BUSY)?;
    connection.set_prepared_statement_cache_capacity(128);
    plan_once(connection)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", FULL)?;
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.pragma_update(None, "cache_size", -65_536)?;
    Ok(())
}

/// A statement is planned when it is prepared. SQLite would plan it anew each time that a value is bound
/// which a plan could depend on (a key beside a partial index, as of `runs`): a tenth of a rebuild.
fn plan_once(connection: &Connection) -> Result<(), DbError> {
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    Ok(())
}

/// A commit has reached the disk when it returns.
const FULL: &str = "FULL";

const DURABILITY: &[(&str, &str)] = &[("journal_mode", "wal"), ("synchronous", "2"), ("foreign_keys", "1")];

fn pragma(connection: &Connection, setting: &str) -> Result<String, DbError> {
    let value = connection.pragma_query_value(None, setting, |row| row.get::<_, rusqlite::types::Value>(0))?;
    Ok(match value {
        rusqlite::types::Value::Integer(number) => number.to_string(),
        rusqlite::types::Value::Text(text) => text,
        other => format!("{other:?}"),
    })
}

fn check_durability(connection: &Connection) -> Result<(), DbError> {
    for (setting, wanted) in DURABILITY {
        let found = pragma(connection, setting)?;
        if found != *wanted {
            return Err(DbError::Durability { setting, found, wanted });
        }
    }
    Ok(())
}

fn migrate(connection: &mut Connection) -> Result<(), DbError> {
    // Immediate: two processes that open an old file at once migrate it once.
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let found: u32 = transaction.pragma_query_value(None, "user_version", |row| row.get(0))?;
    let known = u32::try_from(MIGRATIONS.len()).unwrap_or(u32::MAX);
    if found > known {
        return Err(DbError::Newer { found, known });
    }
    for (number, text) in (1_u32..).zip(MIGRATIONS).filter(|(number, _)| *number > found) {
        transaction.execute_batch(text)?;
        transaction.pragma_update(None, "user_version", number)?;
    }
    transaction.commit()?;
    Ok(())
}

/// A BLOB column of a fixed length.
pub(crate) fn fixed<const N: usize>(bytes: &[u8], what: &str) -> Result<[u8; N], DbError> {
    bytes.try_into().map_err(|_| DbError::Damaged(format!("{what} has {} bytes, not {N}", bytes.len())))
}

/// One optional row.
pub(crate) fn optional<T>(result: rusqlite::Result<T>) -> Result<Option<T>, DbError> {
    Ok(result.optional()?)
}

/// SQLite's integers are signed 64 bit; counters of the server stay far below.
pub(crate) fn int(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// Inverse of [`int`].
pub(crate) fn uint(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durability_settings_are_read_back_from_the_writing_connection() {
        let folder = tempfile::tempdir().unwrap();
        let database = Database::create(&folder.path().join(FILE)).unwrap();
        let expected = DURABILITY.iter().map(|(name, value)| (*name, (*value).to_owned())).collect::<Vec<_>>();
        assert_eq!(database.durability().unwrap(), expected);
        // What is derived does not wait for the disk, and leaves the settings as they were, also when it fails.
        let during = |tx: &Transaction<'_>| pragma(tx, "synchronous");
        assert_eq!(database.write_derived::<_, DbError>(during).unwrap(), "1");
        assert_eq!(database.durability().unwrap(), expected);
        let failed = database.write_derived::<(), DbError>(|_| Err(DbError::Damaged("on purpose".into())));
        assert!(failed.is_err());
        assert_eq!(database.write::<_, DbError>(during).unwrap(), "2");
    }

    #[test]
    fn a_newer_file_is_refused_and_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(FILE);
        let database = Database::create(&path).unwrap();
        database.write(|tx| Ok::<_, DbError>(tx.pragma_update(None, "user_version", 99)?)).unwrap();
        drop(database);
        assert!(matches!(Database::open(&path), Err(DbError::Newer { found: 99, .. })));
    }

    #[test]
    fn a_failed_transaction_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let database = Database::create(&folder.path().join(FILE)).unwrap();
        let failed = database.write(|tx| {
            tx.execute("INSERT INTO meta (key, value) VALUES ('x', 1)", []).map_err(DbError::from)?;
            Err::<(), _>(DbError::Damaged("on purpose".into()))
        });
        assert!(failed.is_err());
        let rows: i64 = database
            .read(|tx| Ok::<_, DbError>(tx.query_row("SELECT count(*) FROM meta", [], |row| row.get(0))?))
            .unwrap();
        assert_eq!(rows, 0);
    }
}
