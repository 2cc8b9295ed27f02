//! XLSX, cell by cell. A merged region says its value for all its cells, as people mean it; a
//! formula has the value that was calculated last, and says that it is one.

use std::fs::File;
use std::io::{self, BufReader, Read as _};
use std::path::Path;

use calamine::{DataRef, Dimensions, Reader as _, Xlsx};
use outlet_core::import::{Cell, SourceRow};
use outlet_core::time::Day;

use super::{ReadError, ReadOptions, Sink, Table};

/// Largest file. A workbook is a zip file: what it expands to is bounded by its cells, below.
const MAX_BYTES: u64 = 512 << 20;
/// Most that its sheets expand to: they are read cell by cell.
const MAX_SHEETS: u64 = 1 << 30;
/// Most that everything else expands to, which stands in memory: texts and styles.
const MAX_REST: u64 = 256 << 20;
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
    expands_to_little(&file, MAX_SHEETS, MAX_REST).map_err(|why| ReadError::form(path, why))?;
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
    filler.fill(at, &mut cells).map_err(|why| ReadError::form(table.path, why))?;
    table.row(SourceRow { line: u64::from(at) + 1, cells })
}

/// Goes through the archive once, keeping nothing: what it expands to is counted, not believed.
fn expands_to_little(file: &File, mut sheets: u64, mut rest: u64) -> Result<(), String> {
    let mut archive = zip::ZipArchive::new(BufReader::new(file)).map_err(|error| error.to_string())?;
    for at in 0..archive.len() {
        let entry = archive.by_index(at).map_err(|error| error.to_string())?;
        let sheet = entry.name().map_err(|error| error.to_string())?.starts_with("xl/worksheets/");
        let left = if sheet { &mut sheets } else { &mut rest };
        let counted = io::copy(&mut entry.take(*left + 1), &mut io::sink()).map_err(|error| error.to_string())?;
        *left = left.checked_sub(counted).ok_or("it expands to more than a table of this kind has: save it as CSV")?;
    }
    Ok(())
}

/// Values of merged regions, carried from their first cell.
struct Filler {
    regions: Vec<Dimensions>,
    next: usize,
    open: Vec<(Dimensions, Cell)>,
}

impl Filler {
    fn fill(&mut self, row: u32, cells: &mut Vec<Cell>) -> Result<(), String> {
        self.open.retain(|(region, _)| region.end.0 >= row);
        while let Some(region) = self.regions.get(self.next).filter(|region| region.start.0 <= row) {
            let value = cells.get(region.start.1 as usize).cloned().unwrap_or_default();
            if region.end.0 >= row && region.start.1 <= region.end.1 && region.end.1 < COLUMNS {
                self.open.push((*region, value));
            }
            self.next += 1;
        }
        // Side by side they are no wider than the sheet; on top of each other each row would cost all of them.
        let width: u32 =
            self.open.iter().map(|(region, _)| region.end.1 - region.start.1 + 1).fold(0, u32::saturating_add);
        if width > COLUMNS {
            return Err(format!("merged regions lie on top of each other in row {}: unmerge them", row + 1));
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
        Ok(())
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

#[cfg(test)]
mod tests {
    use super::*;

    /// First and last cell of a region.
    type Corners = ((u32, u32), (u32, u32));

    fn filled(regions: &[Corners], rows: u32) -> Result<Vec<Vec<Cell>>, String> {
        let regions = regions.iter().map(|(start, end)| Dimensions { start: *start, end: *end }).collect();
        let mut filler = Filler { regions, next: 0, open: Vec::new() };
        let row = |row| {
            let mut cells = vec![Cell::Number(f64::from(row))];
            filler.fill(row, &mut cells).map(|()| cells)
        };
        (0..rows).map(row).collect()
    }

    #[test]
    fn merged_regions_that_run_backwards_or_lie_on_each_other_do_no_harm() {
        assert_eq!(filled(&[((0, 0), (1, 2))], 3).unwrap().iter().map(Vec::len).collect::<Vec<_>>(), [3, 3, 1]);
        assert_eq!(filled(&[((0, 5), (1, 1))], 2).unwrap()[0].len(), 1, "from the right to the left: none at all");
        let heap = vec![((0, 0), (9, 1_500)); 2];
        assert!(filled(&heap, 1).unwrap_err().contains("on top of each other"));
    }

    #[test]
    fn what_a_workbook_expands_to_is_counted_before_it_is_read() {
        let mut book = rust_xlsxwriter::Workbook::new();
        book.add_worksheet().write(0, 0, "x".repeat(5_000)).unwrap();
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("t.xlsx");
        book.save(&path).unwrap();
        let file = || File::open(&path).unwrap();
        assert_eq!(expands_to_little(&file(), MAX_SHEETS, MAX_REST), Ok(()));
        for (sheets, rest) in [(10, MAX_REST), (MAX_SHEETS, 4_000)] {
            assert!(expands_to_little(&file(), sheets, rest).unwrap_err().contains("save it as CSV"));
        }
    }
}
