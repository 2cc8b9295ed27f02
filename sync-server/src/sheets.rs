//! Spreadsheets (XLSX) for people who file and forward them.

use outlet_core::export::AssessmentTable;
use outlet_core::ledger::Assessment;
use rust_xlsxwriter::{Format, Workbook, XlsxError};

use crate::error::CommandError;

/// Widest column, characters.
const WIDEST: f64 = 60.0;

/// The assessment: a sheet of units, one of open outlets, one of extensions and late ones.
///
/// # Errors
/// When the workbook cannot be made.
pub(crate) fn assessment(assessment: &Assessment) -> Result<Vec<u8>, CommandError> {
    let wrong = |error: XlsxError| CommandError::internal(format!("the spreadsheet cannot be made: {error}"));
    let mut workbook = Workbook::new();
    for table in AssessmentTable::all(assessment) {
        sheet(&mut workbook, &table).map_err(wrong)?;
    }
    workbook.save_to_buffer().map_err(wrong)
}

fn sheet(workbook: &mut Workbook, table: &AssessmentTable) -> Result<(), XlsxError> {
    let bold = Format::new().set_bold().set_text_wrap();
    let sheet = workbook.add_worksheet();
    sheet.set_name(table.title)?;
    for (column, head) in (0_u16..).zip(&table.head) {
        sheet.write_string_with_format(0, column, *head, &bold)?;
        let widest = table.rows.iter().filter_map(|row| row.get(usize::from(column))).map(|cell| width(cell)).max();
        #[expect(clippy::cast_precision_loss, reason = "a few dozen characters")]
        let wanted = widest.unwrap_or(0).max(width(head)) as f64 + 2.0;
        sheet.set_column_width(column, wanted.min(WIDEST))?;
    }
    for (line, row) in (1_u32..).zip(&table.rows) {
        for (column, cell) in (0_u16..).zip(row) {
            // Text stays text: nothing that a spreadsheet could take for a formula or a number.
            match count(cell) {
                Some(number) => sheet.write_number(line, column, number)?,
                None => sheet.write_string(line, column, cell)?,
            };
        }
    }
    sheet.set_freeze_panes(1, 0)?;
    Ok(())
}

/// A count or share; codes such as 511902 and numbers of documents are text.
fn count(cell: &str) -> Option<f64> {
    let short = cell.len() < 6 && !(cell.len() > 1 && cell.starts_with('0') && !cell.starts_with("0."));
    cell.parse().ok().filter(|number: &f64| short && number.is_finite())
}

/// Display width: a Chinese character takes two.
fn width(text: &str) -> usize {
    text.chars().map(|character| if u32::from(character) >= 0x1100 { 2 } else { 1 }).sum()
}
