//! The ledger and its lists as files: CSV for spreadsheets, GeoJSON for maps. Columns are chosen
//! here, so personal data of natural persons cannot slip into a file: there is no column for it,
//! and numbers of persons typed into the wrong field are masked.

mod assess;
mod cells;
mod columns;
mod csv;
mod geojson;
mod labels;
mod mask;
#[cfg(test)]
mod tests;

pub use assess::{AssessmentTable, assessment_csv};
pub use cells::{CellValue, ledger_headers, ledger_values};
pub use columns::{COLUMNS, Column};
pub use csv::{
    ExportError, ledger_csv, ledger_csv_lines, parties_csv, parties_csv_lines, problems_csv, problems_csv_lines, shown,
    summary_csv,
};
pub use geojson::{ledger_feature, ledger_geojson};
pub use labels::{header, label};
pub use mask::mask;

use crate::domain::dictionary::{Dictionaries, Lang};

/// How a file reads.
#[derive(Debug, Clone, Copy)]
pub struct Style<'s> {
    /// Chinese headers and labels for people; without, column codes and values as stored for
    /// scripts.
    pub labels: Option<(&'s Dictionaries, Lang)>,
}

impl Style<'_> {
    /// Codes as stored.
    pub const CODES: Style<'static> = Style { labels: None };

    /// A header: the code, or its label.
    fn header(&self, code: &str) -> String {
        self.labels.map_or(code, |(_, lang)| header(code, lang)).to_owned()
    }

    /// A value of a dictionary: the code, or its label.
    fn value(&self, dictionary: &str, code: &str) -> String {
        match self.labels {
            None => code.to_owned(),
            Some((_, lang)) if dictionary == "ledger" => label(code, lang).to_owned(),
            Some((all, lang)) if dictionary == "outlet_type" => {
                all.find_type(code).map_or_else(|_| code.to_owned(), |(_, term)| term.label(lang).to_owned())
            }
            Some((all, lang)) => match all.label(dictionary, code, lang) {
                same if same == code => label(code, lang).to_owned(),
                found => found.to_owned(),
            },
        }
    }
}
