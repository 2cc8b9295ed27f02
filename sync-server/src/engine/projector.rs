//! From documents to ledger rows: fills in when the server received each entry and who wrote it,
//! and hands both to the pure projection.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use outlet_core::admission::read_admitted;
use outlet_core::doc::{Chronicle, DocError, Document, Entry};
use outlet_core::domain::reference::ReferenceEntry;
use outlet_core::identity::{Roster, SignedRun};
use outlet_core::ids::{ChangeHash, Collection, DocKey, DocKind, PublicKey};
use outlet_core::ledger::{Author, History, OutletInput, Projection, Reference, project_all};
use outlet_core::time::{Day, Timestamp};
use rayon::prelude::*;
use rusqlite::Connection;

use super::{Engine, EngineError};
use crate::db::{DbError, feed, meta, records};
use crate::inventory::{self, Columns};

/// Outlets loaded at a time when all of them are read: bounds the memory.
const AT_ONCE: usize = 500;
/// The same of the first group, which is worked on while the taker gets ready.
const FIRST: usize = 3 * AT_ONCE;

/// A document with the receipt times of its changes.
pub(crate) struct Source<'a> {
    pub document: &'a Chronicle,
    pub times: &'a HashMap<ChangeHash, Timestamp>,
    /// Of changes that are being written right now.
    pub fresh: HashMap<ChangeHash, Timestamp>,
}

impl Source<'_> {
    fn entries(&self) -> Vec<Entry> {
        let mut entries = self.document.entries();
        for entry in &mut entries {
            let change = &entry.origin.change;
            entry.origin.received_at = self.times.get(change).or_else(|| self.fresh.get(change)).copied();
        }
        entries
    }

    fn history(&self) -> History {
        History::new(self.document.changes().map(|change| (change.hash, change.deps.clone())))
    }
}

/// What a document's runs say, and when each of its changes was received first.
#[derive(Default)]
pub(crate) struct Past {
    pub document: Option<Chronicle>,
    pub times: HashMap<ChangeHash, Timestamp>,
}

impl Past {
    /// From the runs of [`records::admitted_runs`]. Nothing but reading: they were checked when they
    /// came.
    pub(crate) fn read(key: &DocKey, runs: &[(Timestamp, Vec<u8>)]) -> Result<Self, EngineError> {
        if runs.is_empty() {
            return Ok(Self::default());
        }
        let mut times = HashMap::new();
        let mut document = Chronicle::new(key.kind);
        for (at, run) in runs {
            let run = stored_run(run)?;
            let heads = run.changes.iter().map(|raw| read_admitted(raw)).collect::<Result<Vec<_>, _>>();
            let heads = heads.map_err(|why| EngineError::Document(*key, DocError::Inadmissible(why)))?;
            heads.iter().for_each(|head| _ = times.entry(head.hash).or_insert(*at));
            document.extend(&heads);
        }
        Ok(Self { document: Some(document), times })
    }

    pub(crate) fn source(&self) -> Option<Source<'_>> {
        Some(Source { document: self.document.as_ref()?, times: &self.times, fresh: HashMap::new() })
    }
}

fn stored_run(bytes: &[u8]) -> Result<SignedRun, DbError> {
    SignedRun::from_bytes(bytes).map_err(|error| DbError::Damaged(format!("a run: {error}")))
}

/// A row as the database holds it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Row {
    pub row: String,
    pub findings: String,
    /// What is filtered and sorted by.
    pub columns: Columns,
}

/// Reference data as parsed, kept until the reference feed moves on.
#[derive(Default)]
pub(crate) struct Projector {
    cached: Mutex<Option<(u64, Arc<Reference>)>>,
}

impl Projector {
    /// Reference data of this snapshot.
    pub(crate) fn reference(&self, connection: &Connection) -> Result<Arc<Reference>, EngineError> {
        let seq = feed::head(connection, Collection::REFERENCE)?.seq;
        let mut cached = self.cached.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((known, reference)) = cached.as_ref()
            && *known == seq
        {
            return Ok(Arc::clone(reference));
        }
        let reference = Arc::new(load_reference(connection)?);
        *cached = Some((seq, Arc::clone(&reference)));
        Ok(reference)
    }
}

/// All entries of the reference documents, in the order of documents and causes.
pub(crate) fn reference_entries(connection: &Connection) -> Result<Vec<ReferenceEntry>, EngineError> {
    let mut entries = Vec::new();
    for key in records::keys(connection, Collection::REFERENCE)? {
        let past = Past::read(&key, &records::admitted_runs(connection, &key)?)?;
        let document = past.document.iter().flat_map(Chronicle::entries);
        entries.extend(document.filter_map(|entry| entry.parse::<ReferenceEntry>().ok()));
    }
    Ok(entries)
}

/// Reference data as the documents say it now, also in the middle of a transaction.
pub(crate) fn load_reference(connection: &Connection) -> Result<Reference, EngineError> {
    let (reference, errors) = Reference::from_entries(&reference_entries(connection)?);
    for error in errors {
        tracing::warn!(%error, "a reference data set cannot be used; the one before it stays");
    }
    Ok(reference)
}

/// The entries of one document, read from its runs: nothing is projected, and no CRDT made.
pub(crate) fn entries(connection: &Connection, key: &DocKey) -> Result<Vec<Entry>, EngineError> {
    let past = Past::read(key, &records::admitted_runs(connection, key)?)?;
    Ok(past.document.map(|document| document.entries()).unwrap_or_default())
}

/// A document as automerge has it: from the cache, or from its runs where nobody has needed it in
/// that form yet.
pub(crate) fn load(connection: &Connection, key: &DocKey) -> Result<Option<Document>, EngineError> {
    let Some(stored) = records::document(connection, key)? else { return Ok(None) };
    let runs = if stored.saved.is_empty() { records::admitted_runs(connection, key)? } else { Vec::new() };
    open(key, &stored.saved, &runs).map(Some)
}

/// The document from its cached form, or else from its runs.
pub(crate) fn open(key: &DocKey, saved: &[u8], runs: &[(Timestamp, Vec<u8>)]) -> Result<Document, EngineError> {
    let wrong = |error| EngineError::Document(*key, error);
    if !saved.is_empty() {
        return Document::load(key.kind, saved).map_err(wrong);
    }
    let runs = runs.iter().map(|(_, run)| stored_run(run)).collect::<Result<Vec<_>, _>>()?;
    let mut document = Document::new(key.kind);
    document.replay(runs.iter().flat_map(|run| run.changes.iter().map(Vec::as_slice))).map_err(wrong)?;
    Ok(document)
}

/// Who is behind a key, as the roster says now.
pub(crate) fn author(roster: &Roster, key: &PublicKey) -> Option<Author> {
    roster.membership(key).map(|membership| Author {
        person: membership.person,
        name: membership.name.clone(),
        role: membership.role,
        level: membership.level,
        witnessed: false,
    })
}

/// Both documents of an outlet, owned.
pub(crate) struct Outlet {
    pub key: DocKey,
    field: Vec<Entry>,
    case: Vec<Entry>,
    field_history: History,
    case_history: History,
}

impl Outlet {
    fn new(key: DocKey, field: &Source<'_>, case: Option<&Source<'_>>) -> Self {
        Self {
            key,
            field: field.entries(),
            case: case.map(Source::entries).unwrap_or_default(),
            field_history: field.history(),
            case_history: case.map(Source::history).unwrap_or_default(),
        }
    }

    /// Hands the outlet to a pure function of the ledger.
    pub(crate) fn with<T>(&self, roster: &Roster, work: impl FnOnce(&OutletInput<'_>) -> T) -> T {
        work(&OutletInput {
            key: self.key,
            field: &self.field,
            case: &self.case,
            field_history: &self.field_history,
            case_history: &self.case_history,
            authors: &|key| author(roster, key),
        })
    }

    /// The projection.
    pub(crate) fn project(
        &self,
        roster: &Roster,
        reference: &Reference,
        as_of: Option<Day>,
        known_as_of: Option<Day>,
    ) -> Projection {
        self.with(roster, |input| project_all(input, reference, as_of, known_as_of))
    }
}

/// The row of one outlet as the database keeps it.
pub(crate) fn row(
    key: DocKey,
    field: &Source<'_>,
    case: Option<&Source<'_>>,
    roster: &Roster,
    reference: &Reference,
) -> Row {
    to_row(&Outlet::new(key, field, case), roster, reference)
}

fn to_row(outlet: &Outlet, roster: &Roster, reference: &Reference) -> Row {
    let projection = outlet.project(roster, reference, None, None);
    Row {
        row: inventory::to_text(&projection.row),
        findings: serde_json::to_string(&projection.findings).expect("a finding has string keys only"),
        columns: Columns::of(&projection.row),
    }
}

/// Keys of all field records, sorted.
pub(crate) fn outlets(connection: &Connection) -> Result<Vec<DocKey>, DbError> {
    let mut all = Vec::new();
    for collection in feed::collections(connection)? {
        all.extend(
            records::keys(connection, collection)?
                .into_iter()
                .filter(|key| key.kind == DocKind::Field && !key.id.is_walk_log()),
        );
    }
    Ok(all)
}

/// Loads outlets in groups and hands each to `work` on the engine's threads; results in the order
/// of the keys.
pub(crate) fn each<T: Send>(
    engine: &Engine,
    connection: &Connection,
    keys: &[DocKey],
    work: impl Fn(&Outlet) -> T + Sync,
) -> Result<Vec<T>, EngineError> {
    let begin = || Ok(Vec::with_capacity(keys.len()));
    along(engine, connection, keys, work, begin, |results, result| {
        results.push(result);
        Ok(())
    })
}

/// As [`each`], and while the engine's threads work on one group, the next one is read and the results
/// of the one before are taken here, on the thread of the connection. What takes them is made while the
/// first group is worked on.
fn along<T: Send, R>(
    engine: &Engine,
    connection: &Connection,
    keys: &[DocKey],
    work: impl Fn(&Outlet) -> T + Sync,
    begin: impl FnOnce() -> Result<R, EngineError>,
    mut take: impl FnMut(&mut R, T) -> Result<(), EngineError>,
) -> Result<R, EngineError> {
    let mut runs = records::AdmittedRuns::new(connection)?;
    let mut read = |group: &[DocKey]| -> Result<Vec<RawOutlet>, EngineError> {
        group.iter().map(|key| RawOutlet::read(&mut runs, key)).collect()
    };
    let (first, rest) = keys.split_at(keys.len().min(FIRST));
    let (mut groups, first) = (rest.chunks(AT_ONCE), read(first)?);
    let mut next = || read(groups.next().unwrap_or_default());
    let (mut made, (mut taker, mut raw)) = aside(engine, &first, &work, || Ok((begin()?, next()?)))?;
    while !raw.is_empty() {
        let mut take_and_read = || {
            made.drain(..).try_for_each(|result| take(&mut taker, result))?;
            next()
        };
        (made, raw) = aside(engine, &raw, &work, &mut take_and_read)?;
    }
    made.into_iter().try_for_each(|result| take(&mut taker, result))?;
    Ok(taker)
}

/// Works on outlets on the engine's threads and does something else meanwhile.
fn aside<T: Send, M>(
    engine: &Engine,
    raw: &[RawOutlet],
    work: &(impl Fn(&Outlet) -> T + Sync),
    meanwhile: impl FnOnce() -> Result<M, EngineError>,
) -> Result<(Vec<T>, M), EngineError> {
    let mut made = Vec::new();
    let done = engine.pool.in_place_scope(|scope| {
        scope.spawn(|_| raw.par_iter().map(|raw| raw.hand_to(work)).collect_into_vec(&mut made));
        meanwhile()
    })?;
    let made = made.into_iter().filter_map(Result::transpose).collect::<Result<_, _>>()?;
    Ok((made, done))
}

/// Both documents of an outlet as the database has them.
struct RawOutlet {
    key: DocKey,
    field: Runs,
    case: Runs,
}

impl RawOutlet {
    fn read(runs: &mut records::AdmittedRuns<'_>, key: &DocKey) -> Result<Self, EngineError> {
        Ok(Self { key: *key, field: runs.of(key)?, case: runs.of(&key.with_kind(DocKind::Case))? })
    }

    /// `None` where there is no field record.
    fn hand_to<T>(&self, work: impl Fn(&Outlet) -> T) -> Result<Option<T>, EngineError> {
        let field = Past::read(&self.key, &self.field)?;
        let case = Past::read(&self.key.with_kind(DocKind::Case), &self.case)?;
        let Some(field) = field.source() else { return Ok(None) };
        Ok(Some(work(&Outlet::new(self.key, &field, case.source().as_ref()))))
    }
}

/// Admitted runs as read, not yet looked into.
type Runs = Vec<(Timestamp, Vec<u8>)>;

/// Projects every outlet again. Rows that come out the same are left alone.
pub(crate) fn refresh(engine: &Engine, connection: &Connection, roster: &Roster) -> Result<u64, EngineError> {
    write_all(engine, connection, roster, || Ok(inventory::Writer::new(connection)))
}

/// Drops all rows and makes them again from the documents.
fn rebuild(engine: &Engine, connection: &Connection, roster: &Roster) -> Result<u64, EngineError> {
    write_all(engine, connection, roster, || Ok(inventory::Writer::rebuild(connection)?))
}

fn write_all<'c>(
    engine: &Engine,
    connection: &Connection,
    roster: &Roster,
    writer: impl FnOnce() -> Result<inventory::Writer<'c>, EngineError>,
) -> Result<u64, EngineError> {
    // Not the cached one: inside a transaction that changes reference documents it is older.
    let reference = load_reference(connection)?;
    let keys = outlets(connection)?;
    let mut count = 0;
    let project = |outlet: &Outlet| (outlet.key, to_row(outlet, roster, &reference));
    let writer = along(engine, connection, &keys, project, writer, |writer, (key, row)| {
        count += 1;
        Ok(writer.put(&key, &row.row, &row.findings, &row.columns)?)
    })?;
    writer.finish()?;
    Ok(count)
}

impl Engine {
    /// Drops all ledger rows and makes them again from the documents, in one transaction.
    ///
    /// # Errors
    /// When a document cannot be loaded or the database refuses.
    pub fn rebuild_ledger(&self) -> Result<u64, EngineError> {
        self.database().write_derived(|tx| {
            let roster = self.folder.roster(tx)?;
            rebuild(self, tx, &roster)
        })
    }

    /// Rebuilds the ledger when another version of the program wrote it in another form.
    pub(super) fn renew_ledger(&self) -> Result<(), EngineError> {
        let stale = |connection: &Connection| -> Result<bool, EngineError> {
            Ok(meta::get::<i64>(connection, meta::LEDGER_FORM)? != Some(inventory::FORM))
        };
        if !self.database().read(|tx| stale(tx))? {
            return Ok(());
        }
        let outlets = self.database().write_derived::<_, EngineError>(|tx| {
            // Again, inside: another process may have done it in between.
            if !stale(tx)? {
                return Ok(0);
            }
            let roster = self.folder.roster(tx)?;
            rebuild(self, tx, &roster)
        })?;
        if outlets > 0 {
            tracing::info!(outlets, "the ledger was made anew in the form of this version");
        }
        Ok(())
    }
}
