//! Documents, the signed runs they are made of, and the digests over them.

use outlet_core::ids::{ChangeHash, Collection, DocKey, PublicKey};
use outlet_core::time::Timestamp;
use rusqlite::{CachedStatement, Connection, Row, params};

use super::{DbError, fixed, int, optional, uint};

/// A document as cached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredDocument {
    /// Row.
    pub id: i64,
    /// Heads, sorted.
    pub heads: Vec<ChangeHash>,
    /// Changes in it, genesis included.
    pub changes: u64,
    /// As automerge saves it; empty for one that nobody has needed in that form.
    pub saved: Vec<u8>,
}

/// What became of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(i64)]
pub enum RunState {
    /// In its document.
    Admitted = 1,
    /// Waits for a decision.
    Held = 2,
    /// Refused for good by a ruling.
    Rejected = 3,
    /// Admitted as soon as the changes it depends on are here.
    Waiting = 4,
}

impl RunState {
    fn from_number(number: i64) -> Result<Self, DbError> {
        [Self::Admitted, Self::Held, Self::Rejected, Self::Waiting]
            .into_iter()
            .find(|state| *state as i64 == number)
            .ok_or_else(|| DbError::Damaged(format!("run state {number}")))
    }
}

/// A run as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredRun {
    /// Row.
    pub id: i64,
    /// Its document.
    pub doc: DocKey,
    /// What became of it.
    pub state: RunState,
    /// When the server got it.
    pub received_at: Timestamp,
    /// Who signed it.
    pub author: PublicKey,
    /// Who brought it.
    pub carrier: PublicKey,
    /// Its changes in order.
    pub hashes: Vec<ChangeHash>,
    /// The signed run as encoded.
    pub run: Vec<u8>,
    /// Why it is held, as JSON.
    pub hold: Option<String>,
}

impl StoredRun {
    const COLUMNS: &'static str = "id, doc, state, received_at, author, carrier, hashes, run, hold";

    fn read(row: &Row<'_>) -> Result<Self, DbError> {
        let doc: Vec<u8> = row.get(1)?;
        Ok(Self {
            id: row.get(0)?,
            doc: DocKey::from_bytes(&doc).ok_or_else(|| DbError::Damaged("document key".into()))?,
            state: RunState::from_number(row.get(2)?)?,
            received_at: Timestamp::from_millis(row.get(3)?),
            author: PublicKey(fixed(&row.get::<_, Vec<u8>>(4)?, "author")?),
            carrier: PublicKey(fixed(&row.get::<_, Vec<u8>>(5)?, "carrier")?),
            hashes: hashes(&row.get::<_, Vec<u8>>(6)?)?,
            run: row.get(7)?,
            hold: row.get(8)?,
        })
    }

    /// Hash of its last change: the run's name.
    #[must_use]
    pub fn last(&self) -> Option<&ChangeHash> {
        self.hashes.last()
    }
}

/// A run to store.
#[derive(Debug)]
pub struct NewRun<'a> {
    /// Its document.
    pub doc: &'a DocKey,
    /// What becomes of it.
    pub state: RunState,
    /// Now.
    pub received_at: Timestamp,
    /// Who signed it.
    pub author: &'a PublicKey,
    /// Who brings it.
    pub carrier: &'a PublicKey,
    /// Its changes in order.
    pub hashes: &'a [ChangeHash],
    /// As encoded.
    pub run: &'a [u8],
    /// Why it is held.
    pub hold: Option<&'a str>,
}

/// Hashes one after the other, as a column holds them.
#[must_use]
pub fn concat(hashes: &[ChangeHash]) -> Vec<u8> {
    hashes.iter().flat_map(|hash| hash.0).collect()
}

fn hashes(bytes: &[u8]) -> Result<Vec<ChangeHash>, DbError> {
    if !bytes.len().is_multiple_of(32) {
        return Err(DbError::Damaged("list of hashes".into()));
    }
    Ok(bytes.chunks_exact(32).filter_map(ChangeHash::from_slice).collect())
}

/// The cached document.
///
/// # Errors
/// When SQLite refuses.
pub fn document(connection: &Connection, key: &DocKey) -> Result<Option<StoredDocument>, DbError> {
    let sql = "SELECT id, heads, changes, saved FROM documents WHERE key = ?1";
    let found = optional(connection.prepare_cached(sql)?.query_row([&key.to_bytes()[..]], |row| {
        Ok((row.get::<_, i64>(0)?, row.get::<_, Vec<u8>>(1)?, row.get::<_, i64>(2)?, row.get::<_, Vec<u8>>(3)?))
    }))?;
    found
        .map(|(id, heads, changes, saved)| {
            Ok(StoredDocument { id, heads: hashes(&heads)?, changes: uint(changes), saved })
        })
        .transpose()
}

/// Is there such a document?
///
/// # Errors
/// When SQLite refuses.
pub fn exists(connection: &Connection, key: &DocKey) -> Result<bool, DbError> {
    let sql = "SELECT EXISTS (SELECT 1 FROM documents WHERE key = ?1)";
    Ok(connection.prepare_cached(sql)?.query_row([&key.to_bytes()[..]], |row| row.get(0))?)
}

/// Writes a document.
///
/// # Errors
/// When SQLite refuses.
pub fn put_document(
    connection: &Connection,
    key: &DocKey,
    heads: &[ChangeHash],
    changes: u64,
    saved: &[u8],
) -> Result<(), DbError> {
    let sql = "INSERT INTO documents (key, heads, changes, saved) VALUES (?1, ?2, ?3, ?4) \
               ON CONFLICT (key) DO UPDATE SET heads = excluded.heads, changes = excluded.changes, saved = excluded.saved";
    connection.prepare_cached(sql)?.execute(params![&key.to_bytes()[..], concat(heads), int(changes), saved])?;
    Ok(())
}

/// Heads of documents of a collection, sorted by key: after one key (excluded) up to another
/// (included), at most `max`.
///
/// # Errors
/// When SQLite refuses.
pub fn heads(
    connection: &Connection,
    collection: Collection,
    after: Option<&DocKey>,
    upto: Option<&DocKey>,
    max: usize,
) -> Result<Vec<(DocKey, Vec<ChangeHash>)>, DbError> {
    let (first, end) = key_range(collection);
    let after = after.map_or_else(|| first.to_vec(), |key| key.to_bytes().to_vec());
    // A key is longer than its collection alone: nothing lies exactly on the bounds.
    let upto = upto.map_or_else(|| end.to_vec(), |key| key.to_bytes().to_vec());
    let sql = "SELECT key, heads FROM documents WHERE key > ?1 AND key <= ?2 AND key >= ?3 AND key < ?4 ORDER BY key LIMIT ?5";
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query(params![after, upto, &first[..], &end[..], int(max as u64)])?;
    let mut list = Vec::new();
    while let Some(row) = rows.next()? {
        let key: Vec<u8> = row.get(0)?;
        let key = DocKey::from_bytes(&key).ok_or_else(|| DbError::Damaged("document key".into()))?;
        list.push((key, hashes(&row.get::<_, Vec<u8>>(1)?)?));
    }
    Ok(list)
}

/// Keys of all documents of a collection, sorted.
///
/// # Errors
/// When SQLite refuses.
pub fn keys(connection: &Connection, collection: Collection) -> Result<Vec<DocKey>, DbError> {
    let (from, to) = key_range(collection);
    let mut statement =
        connection.prepare_cached("SELECT key FROM documents WHERE key >= ?1 AND key < ?2 ORDER BY key")?;
    let keys = statement
        .query_map(params![&from[..], &to[..]], |row| row.get::<_, Vec<u8>>(0))?
        .collect::<Result<Vec<_>, _>>()?;
    keys.iter().map(|key| DocKey::from_bytes(key).ok_or_else(|| DbError::Damaged("document key".into()))).collect()
}

fn key_range(collection: Collection) -> ([u8; 3], [u8; 3]) {
    let from = collection.code().to_be_bytes();
    let to = (collection.code() + 1).to_be_bytes();
    ([from[1], from[2], from[3]], [to[1], to[2], to[3]])
}

/// Stores a run; returns its row.
///
/// # Errors
/// When SQLite refuses.
pub fn insert_run(connection: &Connection, run: &NewRun<'_>) -> Result<i64, DbError> {
    let sql = "INSERT INTO runs (doc, state, received_at, author, carrier, hashes, run, hold) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
    connection.prepare_cached(sql)?.execute(params![
        &run.doc.to_bytes()[..],
        run.state as i64,
        run.received_at.millis(),
        &run.author.0[..],
        &run.carrier.0[..],
        concat(run.hashes),
        run.run,
        run.hold
    ])?;
    Ok(connection.last_insert_rowid())
}

/// A run by row.
///
/// # Errors
/// When SQLite refuses.
pub fn run(connection: &Connection, id: i64) -> Result<Option<StoredRun>, DbError> {
    let sql = format!("SELECT {} FROM runs WHERE id = ?1", StoredRun::COLUMNS);
    Ok(query_runs(connection, &sql, [id])?.pop())
}

/// All runs of a document in the order of their receipt.
///
/// # Errors
/// When SQLite refuses.
pub fn runs_of(connection: &Connection, doc: &DocKey) -> Result<Vec<StoredRun>, DbError> {
    let sql = format!("SELECT {} FROM runs WHERE doc = ?1 ORDER BY id", StoredRun::COLUMNS);
    query_runs(connection, &sql, [&doc.to_bytes()[..]])
}

/// Runs of a document that are not in it.
///
/// # Errors
/// When SQLite refuses.
pub fn not_admitted_of(connection: &Connection, doc: &DocKey) -> Result<Vec<StoredRun>, DbError> {
    let sql = format!("SELECT {} FROM runs WHERE doc = ?1 AND state <> 1 ORDER BY id", StoredRun::COLUMNS);
    query_runs(connection, &sql, [&doc.to_bytes()[..]])
}

/// Is any run held or rejected?
///
/// # Errors
/// When SQLite refuses.
pub fn any_not_admitted(connection: &Connection) -> Result<bool, DbError> {
    let sql = "SELECT EXISTS (SELECT 1 FROM runs WHERE state <> 1)";
    Ok(connection.prepare_cached(sql)?.query_row([], |row| row.get(0))?)
}

/// All held runs.
///
/// # Errors
/// When SQLite refuses.
pub fn held(connection: &Connection) -> Result<Vec<StoredRun>, DbError> {
    let sql = format!("SELECT {} FROM runs WHERE state <> 1 AND state = ?1 ORDER BY id", StoredRun::COLUMNS);
    query_runs(connection, &sql, [RunState::Held as i64])
}

/// Number of held changes of a collection.
///
/// # Errors
/// When SQLite refuses.
pub fn held_changes(connection: &Connection, collection: Collection) -> Result<u64, DbError> {
    let (from, to) = key_range(collection);
    let sql = "SELECT coalesce(sum(length(hashes) / 32), 0) FROM runs WHERE state <> 1 AND state = 2 AND doc >= ?1 AND doc < ?2";
    Ok(uint(connection.prepare_cached(sql)?.query_row(params![&from[..], &to[..]], |row| row.get(0))?))
}

fn query_runs(
    connection: &Connection,
    sql: &str,
    parameters: impl rusqlite::Params,
) -> Result<Vec<StoredRun>, DbError> {
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query(parameters)?;
    let mut runs = Vec::new();
    while let Some(row) = rows.next()? {
        runs.push(StoredRun::read(row)?);
    }
    Ok(runs)
}

/// Changes the state of a run.
///
/// # Errors
/// When SQLite refuses.
pub fn set_run_state(connection: &Connection, id: i64, state: RunState, hold: Option<&str>) -> Result<(), DbError> {
    connection.prepare_cached("UPDATE runs SET state = ?2, hold = ?3 WHERE id = ?1")?.execute(params![
        id,
        state as i64,
        hold
    ])?;
    Ok(())
}

/// Reads admitted runs of one document after the other.
pub struct AdmittedRuns<'c>(CachedStatement<'c>);

impl<'c> AdmittedRuns<'c> {
    /// Of this connection.
    ///
    /// # Errors
    /// When SQLite refuses.
    pub fn new(connection: &'c Connection) -> Result<Self, DbError> {
        let sql = "SELECT received_at, run FROM runs WHERE doc = ?1 AND state = 1 ORDER BY received_at, id";
        Ok(Self(connection.prepare_cached(sql)?))
    }

    /// As [`admitted_runs`].
    ///
    /// # Errors
    /// When SQLite refuses.
    pub fn of(&mut self, doc: &DocKey) -> Result<Vec<(Timestamp, Vec<u8>)>, DbError> {
        let rows = self.0.query_map([&doc.to_bytes()[..]], |row| Ok((row.get(0)?, row.get(1)?)))?;
        rows.map(|row| row.map(|(at, run)| (Timestamp::from_millis(at), run)).map_err(DbError::from)).collect()
    }
}

/// The admitted runs of a document as encoded, with the times of their receipt, in that order. A
/// device whose link was cut before the receipt sends a change again, joined with later ones, and
/// such a run is stored too: the first receipt of a change counts.
///
/// # Errors
/// When SQLite refuses.
pub fn admitted_runs(connection: &Connection, doc: &DocKey) -> Result<Vec<(Timestamp, Vec<u8>)>, DbError> {
    AdmittedRuns::new(connection)?.of(doc)
}

/// Digest state and number of documents of a collection.
///
/// # Errors
/// When SQLite refuses.
pub fn digest(connection: &Connection, collection: Collection) -> Result<Option<(Vec<u8>, u64)>, DbError> {
    let sql = "SELECT state, count FROM digest WHERE collection = ?1";
    let found =
        connection.prepare_cached(sql)?.query_row([collection.code()], |row| Ok((row.get(0)?, row.get::<_, i64>(1)?)));
    Ok(optional(found)?.map(|(state, count)| (state, uint(count))))
}

/// Writes digest state and count.
///
/// # Errors
/// When SQLite refuses.
pub fn put_digest(connection: &Connection, collection: Collection, state: &[u8], count: u64) -> Result<(), DbError> {
    let sql = "INSERT INTO digest (collection, state, count) VALUES (?1, ?2, ?3) \
               ON CONFLICT (collection) DO UPDATE SET state = excluded.state, count = excluded.count";
    connection.prepare_cached(sql)?.execute(params![collection.code(), state, int(count)])?;
    Ok(())
}

/// Keeps evidence of two changes under one (actor, seq).
///
/// # Errors
/// When SQLite refuses.
pub fn keep_equivocation(
    connection: &Connection,
    doc: &DocKey,
    author: &PublicKey,
    carrier: &PublicKey,
    at: Timestamp,
    run: &[u8],
) -> Result<(), DbError> {
    let sql = "INSERT INTO equivocations (doc, author, carrier, at, run) VALUES (?1, ?2, ?3, ?4, ?5)";
    connection.prepare_cached(sql)?.execute(params![
        &doc.to_bytes()[..],
        &author.0[..],
        &carrier.0[..],
        at.millis(),
        run
    ])?;
    Ok(())
}
