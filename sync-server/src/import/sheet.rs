//! XLSX, cell by cell. A merged region says its value for all its cells, as people mean it; a
//! formula has the value that was calculated last, and says that it is one.

use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use calamine::{DataRef, Dimensions, Reader as _, Xlsx};
use outlet_core::import::{Cell, SourceRow};
use outlet_core::time::Day;

use super::{ReadError, ReadOptions, Sink, Table};

/// Largest file. A workbook is a zip file: what it expands to is bounded by its cells, below.
const MAX_BYTES: u64 = 512 << 20;
/// Most columns.
const COLUMNS: u32 = 2_000;
/// Most merged regions.
const REGIONS: usize = 200_000;

pub(super) fn read(path: &Path, options: &ReadOptions, sink: &mut Sink<'_>) -> Result<(), ReadError> {
    let file = File::open(path).map_err(ReadError::io(path))?;
    let bytes = file.metadata().map_err(ReadError::io(path))?.len();
    if bytes > MAX_BYTES {
        return Err(ReadError::form(path, format!("{bytes} bytes: save it as CSV")));
    }
    let form = |error: calamine::XlsxError| ReadError::form(path, error);
    let mut book: Xlsx<_> = Xlsx::new(BufReader::new(file)).map_err(form)?;
    let names = book.sheet_names();
    let sheet = match &options.sheet {
        Some(wanted) if names.contains(wanted) => wanted.clone(),
        Some(wanted) => {
            return Err(ReadError::form(path, format!("there is no sheet {wanted:?}, but {}", names.join(", "))));
        }
        None => names.first().cloned().ok_or_else(|| ReadError::form(path, "it has no sheet"))?,
    };
    let mut merged = book.merge_cells_by_sheet_name(&sheet).map_err(form)?;
    if merged.len() > REGIONS {
        return Err(ReadError::form(path, format!("{} merged regions: unmerge them, or save as CSV", merged.len())));
    }
    merged.sort_by_key(|region| region.start);
    let mut table = Table::new(path, options, sink);
    table.note(format!("sheet {sheet}"))?;
    if !merged.is_empty() {
        table.note(format!("{} merged regions: the value of each is taken for all its cells", merged.len()))?;
    }
    let mut filler = Filler { regions: merged, next: 0, open: Vec::new() };
    let mut cells = book.worksheet_cells_reader(&sheet).map_err(form)?;
    let mut row: Option<(u32, Vec<Cell>)> = None;
    while let Some(found) = cells.next_cell_with_formula().map_err(form)? {
        let (at, column) = found.pos;
        if column >= COLUMNS {
            return Err(ReadError::form(path, format!("more than {COLUMNS} columns")));
        }
        if row.as_ref().is_some_and(|(current, _)| *current != at)
            && let Some((current, cells)) = row.take()
        {
            hand(&mut table, &mut filler, current, cells)?;
        }
        let cells = &mut row.get_or_insert_with(|| (at, Vec::new())).1;
        let column = column as usize;
        if cells.len() <= column {
            cells.resize(column + 1, Cell::Empty);
        }
        let value = cell(&found.value);
        cells[column] = if found.formula.is_some() { Cell::Formula(Box::new(value)) } else { value };
    }
    if let Some((current, cells)) = row {
        hand(&mut table, &mut filler, current, cells)?;
    }
    table.end()
}

fn hand(table: &mut Table<'_, '_>, filler: &mut Filler, at: u32, mut cells: Vec<Cell>) -> Result<(), ReadError> {
    filler.fill(at, &mut cells);
    table.row(SourceRow { line: u64::from(at) + 1, cells })
}

/// Values of merged regions, carried from their first cell.
struct Filler {
    regions: Vec<Dimensions>,
    next: usize,
    open: Vec<(Dimensions, Cell)>,
}

impl Filler {
    fn fill(&mut self, row: u32, cells: &mut Vec<Cell>) {
        self.open.retain(|(region, _)| region.end.0 >= row);
        while let Some(region) = self.regions.get(self.next).filter(|region| region.start.0 <= row) {
            let value = cells.get(region.start.1 as usize).cloned().unwrap_or_default();
            if region.end.0 >= row && region.end.1 < COLUMNS {
                self.open.push((*region, value));
            }
            self.next += 1;
        }
        for (region, value) in &self.open {
            let last = region.end.1 as usize;
            if cells.len() <= last {
                cells.resize(last + 1, Cell::Empty);
            }
            for cell in &mut cells[region.start.1 as usize..=last] {
                if cell.is_empty() {
                    cell.clone_from(value);
                }
            }
        }
    }
}

fn cell(value: &DataRef<'_>) -> Cell {
    match value {
        DataRef::Empty => Cell::Empty,
        // Spreadsheets have no integers; whole numbers below 2^53 are exact.
        DataRef::Int(number) => Cell::Number(*number as f64),
        DataRef::Float(number) => Cell::Number(*number),
        DataRef::String(text) | DataRef::DateTimeIso(text) | DataRef::DurationIso(text) => Cell::of_text(text),
        DataRef::SharedString(text) => Cell::of_text(text),
        DataRef::Bool(value) => Cell::Bool(*value),
        DataRef::DateTime(moment) => {
            let (year, month, day, ..) = moment.to_ymd_hms_milli();
            let date = i16::try_from(year).ok().zip(i8::try_from(month).ok()).zip(i8::try_from(day).ok());
            match date.and_then(|((year, month), day)| Day::new(year, month, day)) {
                Some(day) => Cell::Date(day),
                None => Cell::Number(moment.as_f64()),
            }
        }
        DataRef::Error(error) => Cell::Error(format!("the cell shows {error}")),
    }
}
