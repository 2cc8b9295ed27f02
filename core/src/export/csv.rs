//! CSV as spreadsheets open it: UTF-8 with a byte order mark, CRLF, and no cell that a spreadsheet
//! would take for a formula.

use super::columns::{COLUMNS, Cell};
use super::{Style, mask};
use crate::ledger::{LedgerRow, PartyRow, ProblemRow, SummaryRow};

/// Why a file could not be written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExportError {
    /// The CSV writer refused.
    #[error("writing the table: {0}")]
    Csv(#[from] csv::Error),
}

/// Excel reads UTF-8 only after this.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// The ledger: one line per row given, in their order.
///
/// # Errors
/// The CSV writer's.
pub fn ledger_csv(rows: &[LedgerRow], style: Style<'_>) -> Result<Vec<u8>, ExportError> {
    let headers = COLUMNS.iter().map(|column| column.code);
    let lines = rows.iter().map(|row| COLUMNS.iter().map(|column| (column.cell)(row)).collect());
    table(headers, lines, style)
}

/// More lines of [`ledger_csv`], for a file that is written in parts: neither mark nor header.
///
/// # Errors
/// The CSV writer's.
pub fn ledger_csv_lines(rows: &[LedgerRow], style: Style<'_>) -> Result<Vec<u8>, ExportError> {
    let mut bytes = Vec::new();
    let lines = rows.iter().map(|row| COLUMNS.iter().map(|column| (column.cell)(row)).collect());
    records(&mut bytes, lines, style)?;
    Ok(bytes)
}

/// 问题清单.
///
/// # Errors
/// The CSV writer's.
pub fn problems_csv(rows: &[ProblemRow], style: Style<'_>) -> Result<Vec<u8>, ExportError> {
    let headers = [
        "id",
        "number",
        "name",
        "management_unit",
        "township",
        "waterbody",
        "problem",
        "found_on",
        "due",
        "problem_state",
        "closed_on",
        "primary_party",
        "competent_department",
    ];
    table(headers, rows.iter().map(problem_cells), style)
}

/// More lines of [`problems_csv`], as [`ledger_csv_lines`].
///
/// # Errors
/// The CSV writer's.
pub fn problems_csv_lines(rows: &[ProblemRow], style: Style<'_>) -> Result<Vec<u8>, ExportError> {
    let mut bytes = Vec::new();
    records(&mut bytes, rows.iter().map(problem_cells), style)?;
    Ok(bytes)
}

fn problem_cells(row: &ProblemRow) -> Vec<Cell> {
    vec![
        Cell::Text(row.id.to_string()),
        Cell::text(row.number.as_ref()),
        Cell::text(row.name.as_ref()),
        Cell::code("county", row.management_unit.as_ref()),
        Cell::text(row.township.as_ref()),
        Cell::text(row.waterbody.as_ref()),
        Cell::Code("problem", row.problem.code.clone()),
        Cell::day(row.problem.found_on),
        Cell::day(row.problem.due),
        Cell::Code("ledger", if row.problem.open { "open" } else { "closed" }.to_owned()),
        Cell::day(row.problem.closed_on),
        Cell::text(row.primary_party.as_ref()),
        Cell::text(row.competent_department.as_ref()),
    ]
}

/// 责任主体清单.
///
/// # Errors
/// The CSV writer's.
pub fn parties_csv(rows: &[PartyRow], style: Style<'_>) -> Result<Vec<u8>, ExportError> {
    let headers = [
        "party",
        "party_uscc",
        "party_permit",
        "industry",
        "government_fallback",
        "primary_of",
        "shares",
        "problem_count",
        "competent_department",
        "outlets",
    ];
    table(headers, rows.iter().map(party_cells), style)
}

/// More lines of [`parties_csv`], as [`ledger_csv_lines`].
///
/// # Errors
/// The CSV writer's.
pub fn parties_csv_lines(rows: &[PartyRow], style: Style<'_>) -> Result<Vec<u8>, ExportError> {
    let mut bytes = Vec::new();
    records(&mut bytes, rows.iter().map(party_cells), style)?;
    Ok(bytes)
}

fn party_cells(row: &PartyRow) -> Vec<Cell> {
    let departments: Vec<&str> = row.competent_departments.iter().map(String::as_str).collect();
    let outlets: Vec<String> = row.outlets.iter().map(ToString::to_string).collect();
    vec![
        Cell::Text(row.party.name.clone()),
        Cell::text(row.party.uscc.as_ref()),
        Cell::text(row.party.permit_number.as_ref()),
        Cell::text(row.party.industry.as_ref()),
        Cell::Code("ledger", if row.party.government_fallback { "yes" } else { "no" }.to_owned()),
        Cell::Count(row.primary_of),
        Cell::Count(row.shares),
        Cell::Count(row.problems),
        Cell::Text(departments.join(";")),
        Cell::Text(outlets.join(";")),
    ]
}

/// Counts (数量、分布、排放方式); `dictionary` is that of the groups, for their labels.
///
/// # Errors
/// The CSV writer's.
pub fn summary_csv(rows: &[SummaryRow], dictionary: &'static str, style: Style<'_>) -> Result<Vec<u8>, ExportError> {
    let classes = ["ban", "merge", "regulate", "none_needed", "undecided"];
    let fixed = ["group", "outlets", "suspected", "above_scale", "problem_count"];
    let line = |row: &SummaryRow| {
        let mut cells = vec![
            Cell::code(dictionary, row.group.as_ref()),
            Cell::Count(row.outlets),
            Cell::Count(row.suspected),
            Cell::Count(row.above_scale),
            Cell::Count(row.problems),
        ];
        cells.extend(classes.iter().map(|class| Cell::Count(row.by_class.get(*class).copied().unwrap_or(0))));
        cells
    };
    table(fixed.into_iter().chain(classes), rows.iter().map(line), style)
}

fn table<'h>(
    headers: impl IntoIterator<Item = &'h str>,
    lines: impl IntoIterator<Item = Vec<Cell>>,
    style: Style<'_>,
) -> Result<Vec<u8>, ExportError> {
    let mut bytes = BYTE_ORDER_MARK.to_vec();
    {
        let mut writer = csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(&mut bytes);
        writer.write_record(headers.into_iter().map(|code| style.header(code)))?;
        writer.flush().map_err(csv::Error::from)?;
    }
    records(&mut bytes, lines, style)?;
    Ok(bytes)
}

fn records(
    bytes: &mut Vec<u8>,
    lines: impl IntoIterator<Item = Vec<Cell>>,
    style: Style<'_>,
) -> Result<(), ExportError> {
    let mut writer = csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(bytes);
    for line in lines {
        writer.write_record(line.iter().map(|cell| written(cell, style)))?;
    }
    writer.flush().map_err(csv::Error::from)?;
    Ok(())
}

/// A column of a row as people read it on a page, persons' numbers masked; nothing where nothing is
/// recorded, and for a column that there is not.
#[must_use]
pub fn shown(row: &LedgerRow, column: &str, style: Style<'_>) -> Option<Vec<String>> {
    let column = COLUMNS.iter().find(|own| own.code == column)?;
    let texts = match (column.cell)(row) {
        _ if column.code == "other_parties" => row.other_parties.iter().map(|party| mask(&party.name)).collect(),
        Cell::Codes(dictionary, codes) => codes.iter().map(|code| style.value(dictionary, code)).collect(),
        cell => vec![text(&cell, style)],
    };
    Some(texts).filter(|texts| texts.iter().any(|text| !text.is_empty()))
}

/// A cell as text for a spreadsheet.
pub(crate) fn written(cell: &Cell, style: Style<'_>) -> String {
    match cell {
        Cell::Text(_) | Cell::Code(..) | Cell::Codes(..) => harmless(&text(cell, style)),
        _ => text(cell, style),
    }
}

/// A cell as people read it.
pub(crate) fn text(cell: &Cell, style: Style<'_>) -> String {
    match cell {
        Cell::Empty => String::new(),
        Cell::Text(text) => mask(text),
        Cell::Code(dictionary, code) => style.value(dictionary, code),
        Cell::Codes(dictionary, codes) => {
            codes.iter().map(|code| style.value(dictionary, code)).collect::<Vec<_>>().join(";")
        }
        Cell::Count(count) => count.to_string(),
        Cell::Number(number) => number.to_string(),
        Cell::Day(day) => day.to_string(),
    }
}

/// Tables of finished cells, one below the other with an empty line between.
pub(super) fn plain_csv(tables: &[(&[&str], &[Vec<String>])]) -> Result<Vec<u8>, ExportError> {
    let mut bytes = BYTE_ORDER_MARK.to_vec();
    {
        let mut writer =
            csv::WriterBuilder::new().flexible(true).terminator(csv::Terminator::CRLF).from_writer(&mut bytes);
        for (at, (head, rows)) in tables.iter().enumerate() {
            if at > 0 {
                writer.write_record([""])?;
            }
            writer.write_record(*head)?;
            for row in *rows {
                writer.write_record(row)?;
            }
        }
        writer.flush().map_err(csv::Error::from)?;
    }
    Ok(bytes)
}

/// A text that no spreadsheet runs as a formula: an apostrophe goes before what would start one.
pub(super) fn harmless(text: &str) -> String {
    let starts =
        |letter: char| matches!(letter, '=' | '+' | '-' | '@' | '\t' | '\r' | '\n' | '＝' | '＋' | '－' | '＠');
    if text.starts_with(starts) || text.trim_start().starts_with(starts) { format!("'{text}") } else { text.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_that_would_be_a_formula_is_made_harmless() {
        for (text, expected) in [
            ("=HYPERLINK(\"http://x\")", "'=HYPERLINK(\"http://x\")"),
            ("+86", "'+86"),
            ("-1", "'-1"),
            ("@SUM(A1)", "'@SUM(A1)"),
            ("  =1+1", "'  =1+1"),
            ("\t=1", "'\t=1"),
            ("＝1", "'＝1"),
            ("巴河-1#", "巴河-1#"),
            ("", ""),
        ] {
            assert_eq!(harmless(text), expected);
        }
    }
}
