//! Checking a list, and making its records.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::mpsc::{SyncSender, sync_channel};

use outlet_core::ids::{BlobHash, DocKey, OutletId};
use outlet_core::import::{Converted, Converter, Mapping, MappingError, Origin, Places, RowProblem};
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use super::{Item, ReadError, ReadOptions, read};
use crate::db::{DbError, imports};
use crate::engine::{Engine, EngineError, NewRecord, PreparedRecords};
use crate::error::CommandError;

/// Records made in one transaction.
pub const CHUNK: usize = 500;
/// Chunks that are ready before they can be stored.
const AHEAD: usize = 2;
/// Errors and warnings that are listed; all are counted.
const LISTED: usize = 200;
/// Rows shown as they would be.
const SAMPLE: usize = 5;

/// What is to be imported.
#[derive(Debug, Clone, Copy)]
pub struct Job<'a> {
    /// The file.
    pub path: &'a Path,
    /// Its mapping.
    pub mapping: &'a Mapping,
    /// Names to compare with.
    pub places: Places<'a>,
    /// Login of who imports.
    pub by: &'a str,
    /// Leave bad rows out instead of importing nothing.
    pub skip_bad: bool,
}

/// Why an import does not happen.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ImportError {
    /// The file.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The mapping does not fit the table.
    #[error(transparent)]
    Mapping(#[from] MappingError),
    /// The engine.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// An entry.
    #[error(transparent)]
    Entry(#[from] outlet_core::doc::DocError),
    /// Rows that cannot be taken.
    #[error("{bad} of {rows} rows cannot be taken; nothing was imported")]
    Bad {
        /// Bad rows.
        bad: u64,
        /// All rows.
        rows: u64,
    },
    /// Another file than the one that was checked.
    #[error("the file changed while it was read; what was made so far stays, and running it again goes on")]
    Changed,
}

impl From<DbError> for ImportError {
    fn from(error: DbError) -> Self {
        Self::Engine(error.into())
    }
}

impl From<ImportError> for CommandError {
    fn from(error: ImportError) -> Self {
        match error {
            ImportError::Engine(error) => error.into(),
            ImportError::Bad { .. } => Self::user(error.to_string())
                .hint("correct the lines listed by `outlet-server import preview`, or leave them out with --skip-bad"),
            ImportError::Mapping(_) => Self::user(error.to_string())
                .hint("`outlet-server import preview FILE` shows the columns and suggests a mapping"),
            error => Self::user(error.to_string()),
        }
    }
}

/// A row as it would become.
#[derive(Debug, Clone, Serialize)]
pub struct Sample {
    /// Line of the file.
    pub line: u64,
    /// The row's own id.
    pub source_id: String,
    /// County.
    pub collection: Option<String>,
    /// Facts by name.
    pub facts: BTreeMap<String, serde_json::Value>,
}

/// What checking a file found. `import preview --json`.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Checked {
    /// Name of the list.
    pub list: String,
    /// SHA-256 of the file.
    pub file: String,
    /// Columns of the table.
    pub columns: Vec<String>,
    /// Columns that nothing uses.
    pub unused: Vec<String>,
    /// About the file as a whole.
    pub notes: Vec<String>,
    /// Rows with anything in them.
    pub rows: u64,
    /// Rows that become a record.
    pub good: u64,
    /// Rows that cannot be taken.
    pub bad: u64,
    /// Good rows whose record is there already.
    pub known: u64,
    /// Good rows by county.
    pub by_collection: BTreeMap<String, u64>,
    /// How often each problem occurs.
    pub counts: BTreeMap<&'static str, u64>,
    /// The first problems that stop a row, then the first of the others.
    pub problems: Vec<RowProblem>,
    /// The first rows as they would become.
    pub sample: Vec<Sample>,
    #[serde(skip)]
    hash: Option<BlobHash>,
    #[serde(skip)]
    warnings: Vec<RowProblem>,
}

/// `import run --json`.
#[derive(Debug, Clone, Serialize)]
pub struct DoneImport {
    /// Number in the register.
    pub import: i64,
    /// Name of the list.
    pub list: String,
    /// Good rows.
    pub rows: u64,
    /// Records made now.
    pub created: u64,
    /// Records that were there already.
    pub known: u64,
    /// Rows left out.
    pub skipped: u64,
}

/// Goes through the whole file and writes nothing.
///
/// # Errors
/// When the file or the mapping cannot be used at all; what is wrong with rows is in the answer.
pub fn check(engine: &Engine, job: &Job<'_>) -> Result<Checked, ImportError> {
    let hash = hash(job.path)?;
    let mut checked =
        Checked { list: job.mapping.list().to_owned(), file: hash.to_string(), hash: Some(hash), ..Checked::default() };
    let mut keys: Vec<DocKey> = Vec::with_capacity(CHUNK);
    walk(job, |event| {
        match event {
            Event::Note(note) => checked.notes.push(note),
            Event::Head { columns, unused } => (checked.columns, checked.unused) = (columns, unused),
            Event::Row(row) => {
                checked.take(&row);
                keys.extend(row.key(job.mapping.list()).filter(|_| row.is_good()));
            }
        }
        if keys.len() >= CHUNK {
            checked.known += engine.known_records(&keys)?;
            keys.clear();
        }
        Ok(true)
    })?;
    checked.known += engine.known_records(&keys)?;
    checked.problems.append(&mut checked.warnings);
    Ok(checked)
}

/// Makes the records of a file that was checked. `progress` hears how many rows are done.
///
/// # Errors
/// [`ImportError::Bad`] before anything is written, unless bad rows are to be left out.
pub fn run(
    engine: &Engine,
    job: &Job<'_>,
    checked: &Checked,
    progress: &mut dyn FnMut(u64),
) -> Result<DoneImport, ImportError> {
    if checked.bad > 0 && !job.skip_bad {
        return Err(ImportError::Bad { bad: checked.bad, rows: checked.rows });
    }
    let file = hash(job.path)?;
    if checked.hash != Some(file) {
        return Err(ImportError::Changed);
    }
    let list = job.mapping.list();
    let now = engine.folder.now();
    let mapping = job.mapping.to_toml();
    let start = imports::Start {
        list,
        mapping: &mapping,
        file_name: &job.path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default(),
        file: &file,
        rows: checked.good,
        skipped: checked.bad,
        by: job.by,
        at: now,
    };
    let import = engine.database().write::<_, DbError>(|tx| imports::start(tx, &start))?;
    let mut done =
        DoneImport { import, list: list.to_owned(), rows: checked.good, created: 0, known: 0, skipped: checked.bad };
    let origin = Origin { list, file, by: job.by, at: now };
    // One thread reads rows and signs records, this one stores them: the database waits for nobody.
    std::thread::scope(|scope| {
        let (sender, receiver) = sync_channel(AHEAD);
        let maker = scope.spawn(move || make(engine, job, &origin, &sender));
        for (rows, records) in receiver {
            let created = engine.store_records(records, Some(import))?;
            done.created += created;
            done.known += rows - created;
            progress(done.created + done.known);
        }
        maker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })?;
    let at = engine.folder.now();
    engine.database().write::<_, DbError>(|tx| imports::finish(tx, import, at))?;
    Ok(done)
}

/// Reads the file and hands on records that are ready to be stored, with the number of rows they are of.
fn make(
    engine: &Engine,
    job: &Job<'_>,
    origin: &Origin<'_>,
    ready: &SyncSender<(u64, PreparedRecords)>,
) -> Result<(), ImportError> {
    let mut chunk: Vec<NewRecord> = Vec::with_capacity(CHUNK);
    let flush = |chunk: &mut Vec<NewRecord>| -> Result<bool, ImportError> {
        let rows = chunk.len() as u64;
        let records = engine.prepare_records(std::mem::replace(chunk, Vec::with_capacity(CHUNK)))?;
        // Nobody takes them any more when storing failed; that failure is the answer.
        Ok(ready.send((rows, records)).is_ok())
    };
    walk(job, |event| {
        if let Event::Row(row) = event
            && row.is_good()
            && let Some(key) = row.key(origin.list)
        {
            let registers = row.remark.iter().map(|text| ("remark".to_owned(), text.clone())).collect();
            chunk.push(NewRecord { key, entries: row.entries(origin)?, registers });
        }
        if chunk.len() >= CHUNK { flush(&mut chunk) } else { Ok(true) }
    })?;
    flush(&mut chunk).map(|_| ())
}

enum Event {
    Note(String),
    Head { columns: Vec<String>, unused: Vec<String> },
    Row(Converted),
}

/// Reads, converts, and finds rows that name an outlet a second time, until `take` has had enough.
fn walk(job: &Job<'_>, mut take: impl FnMut(Event) -> Result<bool, ImportError>) -> Result<(), ImportError> {
    let options = ReadOptions::from(job.mapping);
    // The header comes first; the converter borrows what was bound to it.
    let header = head(job.path, &options)?;
    let bound = job.mapping.bind(&header)?;
    let mut converter = Converter::new(job.mapping, &bound, job.places);
    let mut seen: HashMap<OutletId, u64> = HashMap::new();
    let mut stopped = Ok(true);
    let list = job.mapping.list();
    let mut sink = |item: Item| {
        let event = match item {
            Item::Note(note) => Event::Note(note),
            Item::Head(columns) => Event::Head { columns, unused: bound.unused().map(str::to_owned).collect() },
            Item::Row(row) => {
                let mut converted = converter.convert(&row);
                let id = outlet_core::import::imported_id(list, &converted.source_id);
                let first = *seen.entry(id).or_insert(row.line);
                if first != row.line {
                    converted.problems.push(repeated(&converted, first));
                }
                Event::Row(converted)
            }
        };
        stopped = take(event);
        matches!(stopped, Ok(true))
    };
    let read = read(job.path, &options, &mut sink);
    if stopped? { Ok(read?) } else { Ok(()) }
}

fn repeated(row: &Converted, first: u64) -> RowProblem {
    RowProblem {
        line: row.line,
        column: String::new(),
        code: "id_repeated",
        error: true,
        message: format!("the id {:?} is that of line {first} too", row.source_id),
    }
}

/// The header alone.
pub(crate) fn head(path: &Path, options: &ReadOptions) -> Result<Vec<String>, ReadError> {
    let mut found = None;
    let outcome = read(path, options, &mut |item| match item {
        Item::Head(columns) => {
            found = Some(columns);
            false
        }
        _ => true,
    });
    match (found, outcome) {
        (Some(columns), _) => Ok(columns),
        (None, Err(error)) => Err(error),
        (None, Ok(())) => Err(ReadError::NoHeader(path.display().to_string())),
    }
}

fn hash(path: &Path) -> Result<BlobHash, ReadError> {
    let mut file = std::fs::File::open(path).map_err(ReadError::io(path))?;
    let mut hasher = Sha256::new();
    let mut block = vec![0; 64 << 10];
    loop {
        match std::io::Read::read(&mut file, &mut block).map_err(ReadError::io(path))? {
            0 => return Ok(BlobHash(hasher.finalize().into())),
            read => hasher.update(&block[..read]),
        }
    }
}

impl Checked {
    fn take(&mut self, row: &Converted) {
        self.rows += 1;
        for problem in &row.problems {
            *self.counts.entry(problem.code).or_default() += 1;
            let list = if problem.error { &mut self.problems } else { &mut self.warnings };
            if list.len() < LISTED {
                list.push(problem.clone());
            }
        }
        if !row.is_good() {
            self.bad += 1;
            return;
        }
        self.good += 1;
        if let Some(collection) = row.collection {
            *self.by_collection.entry(collection.to_string()).or_default() += 1;
        }
        if self.sample.len() < SAMPLE {
            self.sample.push(Sample {
                line: row.line,
                source_id: row.source_id.clone(),
                collection: row.collection.map(|collection| collection.to_string()),
                facts: row.facts.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect(),
            });
        }
    }
}
