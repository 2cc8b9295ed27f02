//! A cell of a foreign table, and a row of them.

use crate::domain::lint::is_blank;
use crate::time::Day;

/// One cell, as its file holds it.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum Cell {
    /// Nothing.
    #[default]
    Empty,
    /// Text.
    Text(String),
    /// A number.
    Number(f64),
    /// A truth value.
    Bool(bool),
    /// A date.
    Date(Day),
    /// A formula, with the value that the program which wrote the file had calculated last.
    Formula(Box<Self>),
    /// An error value such as `#REF!`, or bytes that are no text of the encoding.
    Error(String),
}

impl Cell {
    /// The cell's text, nothing when it is blank (`-`, `/`, `无` and the like are what forms hold
    /// when nobody filled them in).
    #[must_use]
    pub fn text(&self) -> Option<String> {
        let text = match self {
            Self::Empty | Self::Error(_) => return None,
            Self::Text(text) => text.trim().to_owned(),
            // 511902 and not 511902.0; Rust prints the shortest text that reads back.
            Self::Number(number) => number.to_string(),
            Self::Bool(true) => "是".to_owned(),
            Self::Bool(false) => "否".to_owned(),
            Self::Date(day) => day.to_string(),
            Self::Formula(value) => return value.text(),
        };
        (!is_blank(&text)).then_some(text)
    }

    /// Nothing at all in it, not even a dash?
    #[must_use]
    pub fn is_empty(&self) -> bool {
        match self {
            Self::Empty => true,
            Self::Text(text) => text.trim().is_empty(),
            Self::Formula(value) => value.is_empty(),
            _ => false,
        }
    }

    /// A cell as text files write it: `="0123"` is how spreadsheets protect a number's zeros, any
    /// other text after `=` is a formula that nobody has calculated.
    #[must_use]
    pub fn of_text(text: &str) -> Self {
        let plain = text.trim();
        if plain.is_empty() {
            return Self::Empty;
        }
        if plain.contains('\u{fffd}') {
            return Self::Error("bytes that are no text in this encoding".to_owned());
        }
        match plain.strip_prefix('=') {
            None => Self::Text(plain.to_owned()),
            Some(rest) => match rest.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
                Some(quoted) if !quoted.contains('"') => Self::Text(quoted.to_owned()),
                _ => Self::Formula(Box::new(Self::Empty)),
            },
        }
    }
}

/// A row of a table.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct SourceRow {
    /// Line of a text file, row of a sheet, number of a feature: from 1, as people count.
    pub line: u64,
    /// Its cells; missing ones at the end are empty.
    pub cells: Vec<Cell>,
}

impl SourceRow {
    /// A cell by its place.
    #[must_use]
    pub fn cell(&self, at: usize) -> &Cell {
        const EMPTY: &Cell = &Cell::Empty;
        self.cells.get(at).unwrap_or(EMPTY)
    }

    /// Is there nothing in it?
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.cells.iter().all(Cell::is_empty)
    }
}
