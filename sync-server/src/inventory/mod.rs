//! The inventory: the ledger as pages and interfaces ask for it — any filters together, any sortable
//! column, page by page — fast at a million rows on SQLite.
//!
//! Beside each ledger row (JSON, what the row says) stands a narrow row of columns, and for each
//! value of each [`Dimension`] a bitmap of the rows that have it, kept in the row's own
//! transaction. Filters are bitmaps combined, so their cost does not depend on which ones meet, and
//! totals and dashboard counts come for nothing. A page is then read in the order of one index
//! (or by sorting, when few rows are left); see [`query`].
//!
//! Who asks is part of every question: a [`Filter`] cannot be made without a [`Scope`].

mod columns;
mod counts;
mod cursor;
mod filter;
mod grams;
mod parties;
pub mod place;
mod postings;
pub mod query;
mod scope;
mod set;
mod stored;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
mod text;
mod waiting;
mod writer;

pub use columns::{Columns, DateColumn, Dimension, Flag};
pub use counts::{Counts, Facets, Overview, facets, overview};
pub use cursor::{Cursor, CursorError, Direction, Sort, SortColumn};
pub use filter::{BoundingBox, DEFAULT_LIMIT, Filter, FilterError, MAX_LIMIT, Query, Span};
pub use parties::{PartyError, PartyPage, parties};
pub use query::{Entry, Page, Total, by_id, count, ids, one, page, rows_after};
pub use scope::Scope;
pub use set::{extent, places, within};
pub use stored::to_text;
pub use writer::Writer;
pub(crate) use writer::{FORM, LEVELS};

use rusqlite::Connection;

use crate::db::{DbError, meta};

/// Number of the ledger's state: it grows with every transaction that changes a row. What is
/// computed from the ledger is kept under it.
///
/// # Errors
/// When SQLite refuses.
pub fn version(connection: &Connection) -> Result<u64, DbError> {
    Ok(meta::get::<i64>(connection, meta::LEDGER_VERSION)?.map_or(0, crate::db::uint))
}
