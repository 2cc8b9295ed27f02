//! The ledger cell by cell, for formats with types of their own such as spreadsheets.

use super::Style;
use super::columns::{COLUMNS, Cell};
use super::csv;
use crate::ledger::LedgerRow;

/// A cell of a spreadsheet. Texts are texts there: none is taken for a formula.
#[derive(Debug, Clone, PartialEq)]
pub enum CellValue {
    /// Nothing: never 0.
    Empty,
    /// A text.
    Text(String),
    /// A number.
    Number(f64),
}

/// Headers, in the order of the columns.
#[must_use]
pub fn ledger_headers(style: Style<'_>) -> Vec<String> {
    COLUMNS.iter().map(|column| style.header(column.code)).collect()
}

/// The cells of a row, in the order of the columns.
#[must_use]
pub fn ledger_values(row: &LedgerRow, style: Style<'_>) -> Vec<CellValue> {
    COLUMNS.iter().map(|column| value(&(column.cell)(row), style)).collect()
}

fn value(cell: &Cell, style: Style<'_>) -> CellValue {
    match cell {
        Cell::Empty => CellValue::Empty,
        #[expect(clippy::cast_precision_loss, reason = "counts of one outlet are small")]
        Cell::Count(count) => CellValue::Number(*count as f64),
        Cell::Number(number) => CellValue::Number(*number),
        Cell::Text(_) | Cell::Day(_) | Cell::Code(..) | Cell::Codes(..) => CellValue::Text(csv::text(cell, style)),
    }
}
