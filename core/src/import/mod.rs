//! Tables of other systems become field records: which column is what ([`Mapping`]), and what a row
//! says ([`Converter`]). Pure: whoever reads the file hands in rows of cells.
//!
//! A row is converted as a whole or not at all. What is wrong in it is a [`RowProblem`] with its
//! line and column; nothing is guessed, nothing is repaired silently.

mod cell;
mod convert;
mod mapping;
mod suggest;
#[cfg(test)]
mod tests;

pub use cell::{Cell, SourceRow};
pub use convert::{Converted, Converter, Origin, Places, RowProblem, imported_id};
pub use mapping::{Bound, Columns, Mapping, MappingError, PositionColumns, Rest, StartState, TARGETS};
pub use suggest::suggest;
