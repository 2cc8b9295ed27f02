//! Lists of other systems (suspected points, foreign inventories): reads the file, checks every
//! row, and only then makes records.
//!
//! [`read`] goes through the file once, row by row, whatever its format; nothing holds all rows.
//! [`run()`] goes twice: the first time everything is checked and nothing is written, the second
//! time records are made in chunks of [`run::CHUNK`]. A chunk is one transaction: records, feed,
//! receipts and ledger rows of it are there together or not at all. An import that breaks off is
//! taken up by the same command: a record's id follows from its list and the row's own id.

mod dbf;
mod geojson;
pub mod register;
mod run;
mod sheet;
#[cfg(test)]
mod tests;
mod text;

use std::path::Path;

use outlet_core::import::{Cell, SourceRow};

pub use dbf::polygons;
pub use run::{CHUNK, Checked, DoneImport, ImportError, Job, check, run};

/// What a reader meets, in this order: one head, then rows, with notes anywhere.
#[derive(Debug)]
pub enum Item {
    /// Names of the columns.
    Head(Vec<String>),
    /// A row; never an empty one.
    Row(SourceRow),
    /// Something about the file as a whole.
    Note(String),
}

/// Why a file cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// The file system.
    #[error("reading {path}: {source}")]
    Io {
        /// Which file.
        path: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// An extension that no reader takes.
    #[error("{0} is of no kind that this program reads: .csv, .txt, .xlsx, .geojson, .json or .shp")]
    Kind(String),
    /// Not what its extension says, or damaged.
    #[error("{path} cannot be read: {why}")]
    Form {
        /// Which file.
        path: String,
        /// Why, and what to do.
        why: String,
    },
    /// No header, or no rows.
    #[error("{0} has no header line: say with skip_rows in the mapping how many lines stand above it")]
    NoHeader(String),
    /// Whoever takes the rows stopped.
    #[error("stopped")]
    Stopped,
}

impl ReadError {
    fn io(path: &Path) -> impl FnOnce(std::io::Error) -> Self + '_ {
        move |source| Self::Io { path: path.display().to_string(), source }
    }

    fn form(path: &Path, why: impl std::fmt::Display) -> Self {
        Self::Form { path: path.display().to_string(), why: why.to_string() }
    }
}

/// How a file is read.
#[derive(Debug, Clone, Default)]
pub struct ReadOptions {
    /// Encoding of a text file; none = recognised.
    pub encoding: Option<String>,
    /// Sheet of a workbook; none = the first.
    pub sheet: Option<String>,
    /// Rows above the header.
    pub skip_rows: u32,
    /// Rows of the header.
    pub header_rows: u32,
}

impl From<&outlet_core::import::Mapping> for ReadOptions {
    fn from(mapping: &outlet_core::import::Mapping) -> Self {
        Self {
            encoding: mapping.encoding.clone(),
            sheet: mapping.sheet.clone(),
            skip_rows: mapping.skip_rows,
            header_rows: mapping.header_rows.max(1),
        }
    }
}

/// Takes what a reader meets; false stops it.
pub type Sink<'a> = dyn FnMut(Item) -> bool + 'a;

/// Reads a file of any known kind, row by row.
///
/// # Errors
/// [`ReadError`]; what was handed out before stays handed out.
pub fn read(path: &Path, options: &ReadOptions, sink: &mut Sink<'_>) -> Result<(), ReadError> {
    let extension = path.extension().map(|extension| extension.to_string_lossy().to_lowercase());
    match extension.as_deref() {
        Some("csv" | "txt" | "tsv") => text::read(path, options, sink),
        Some("xlsx" | "xlsm") => sheet::read(path, options, sink),
        Some("geojson" | "json") => geojson::read(path, options, sink),
        Some("shp") => dbf::read(path, options, sink),
        _ => Err(ReadError::Kind(path.display().to_string())),
    }
}

/// Names of a file's columns, where the first line is the header, and what there is to say about the
/// file as a whole.
///
/// # Errors
/// [`ReadError`], when there is no header.
pub fn columns(path: &Path) -> Result<(Vec<String>, Vec<String>), ReadError> {
    let options = ReadOptions { header_rows: 1, ..ReadOptions::default() };
    let (mut columns, mut notes) = (Vec::new(), Vec::new());
    let read = read(path, &options, &mut |item| match item {
        Item::Head(names) => {
            columns = names;
            false
        }
        Item::Note(note) => {
            notes.push(note);
            true
        }
        Item::Row(_) => false,
    });
    if columns.is_empty() {
        read?;
    }
    Ok((columns, notes))
}

/// Collects header rows and hands on rows with anything in them.
struct Table<'a, 's> {
    path: &'a Path,
    options: &'a ReadOptions,
    sink: &'a mut Sink<'s>,
    seen: u32,
    header: Vec<String>,
    headed: bool,
}

impl<'a, 's> Table<'a, 's> {
    fn new(path: &'a Path, options: &'a ReadOptions, sink: &'a mut Sink<'s>) -> Self {
        Self { path, options, sink, seen: 0, header: Vec::new(), headed: false }
    }

    fn note(&mut self, note: String) -> Result<(), ReadError> {
        self.hand(Item::Note(note))
    }

    fn hand(&mut self, item: Item) -> Result<(), ReadError> {
        if (self.sink)(item) { Ok(()) } else { Err(ReadError::Stopped) }
    }

    fn row(&mut self, row: SourceRow) -> Result<(), ReadError> {
        self.seen += 1;
        if self.seen <= self.options.skip_rows {
            return Ok(());
        }
        if self.seen <= self.options.skip_rows + self.options.header_rows.max(1) {
            if row.cells.iter().any(|cell| matches!(cell, Cell::Error(_))) {
                return Err(ReadError::form(
                    self.path,
                    "its header is no text in this encoding: name another in the mapping (encoding = \"gbk\")",
                ));
            }
            self.add_header(&row);
            if self.seen == self.options.skip_rows + self.options.header_rows.max(1) {
                self.finish_header()?;
            }
            return Ok(());
        }
        if row.is_empty() { Ok(()) } else { self.hand(Item::Row(row)) }
    }

    fn add_header(&mut self, row: &SourceRow) {
        for (at, cell) in row.cells.iter().enumerate() {
            let text = cell.text().unwrap_or_default().split_whitespace().collect::<String>();
            if self.header.len() <= at {
                self.header.push(String::new());
            }
            let name = &mut self.header[at];
            if text.is_empty() || name.split('/').next_back() == Some(text.as_str()) {
                continue;
            }
            if !name.is_empty() {
                name.push('/');
            }
            name.push_str(&text);
        }
    }

    fn finish_header(&mut self) -> Result<(), ReadError> {
        let header = std::mem::take(&mut self.header);
        if header.iter().all(String::is_empty) {
            return Err(ReadError::NoHeader(self.path.display().to_string()));
        }
        self.headed = true;
        self.hand(Item::Head(header))
    }

    fn end(self) -> Result<(), ReadError> {
        if self.headed { Ok(()) } else { Err(ReadError::NoHeader(self.path.display().to_string())) }
    }
}
