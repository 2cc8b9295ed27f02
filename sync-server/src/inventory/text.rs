//! Text search in a set of rows. The index hands out its hits by number; a rare text is read from it
//! at once. Of a text that is everywhere only the first hits are read: what lies beyond them is looked
//! at row by row while a page is filled, until that costs more than reading all hits.

use roaring::RoaringBitmap;
use rusqlite::{Connection, params};

use super::query::{CAP, Total};
use super::set::rows;
use super::{Filter, grams};
use crate::db::{DbError, int, optional};

/// Hits that are read from the index at once. Tests go all ways with few rows.
const COMMON: u64 = if cfg!(test) { 60 } else { 50_000 };

/// Rows up to which text is looked at row by row without asking the index.
const FEW: u64 = if cfg!(test) { 20 } else { 2_000 };

/// Rows that are looked at for a page before all hits are read instead.
const LOOKS: u32 = if cfg!(test) { 15 } else { 4_000 };

/// The rows that fit, and what is still to be looked at in each.
pub(super) struct Set {
    /// Rows by all other conditions, and by the text as far as it is known.
    pub(super) bits: RoaringBitmap,
    open: Option<Open>,
}

/// A text that has not been looked for everywhere.
struct Open {
    /// As the index takes it.
    query: String,
    /// Pieces that the row's text must hold.
    pieces: Vec<String>,
    /// The first hits.
    hits: RoaringBitmap,
    /// Below this number the hits are all there are.
    known: u32,
}

/// What a row is worth to a page.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Fit {
    Yes,
    No,
    /// Too many rows were looked at.
    Tired,
}

impl Set {
    /// Of the rows that the other conditions of the filter allow.
    pub(super) fn read(connection: &Connection, filter: &Filter, bits: RoaringBitmap) -> Result<Self, DbError> {
        let Some((query, pieces)) = filter.words() else {
            // Something was searched for, and nothing of it is a letter: nothing has it.
            let bits = if filter.text.is_some() { RoaringBitmap::new() } else { bits };
            return Ok(Self { bits, open: None });
        };
        if bits.len() <= FEW {
            let mut set = Self { bits, open: Some(Open { query, pieces, hits: RoaringBitmap::new(), known: 0 }) };
            set.look_at_all(connection)?;
            return Ok(set);
        }
        let sql = "SELECT rowid FROM words WHERE words MATCH ?1 ORDER BY rowid LIMIT ?2";
        if let Some(lean) = filter.text.as_deref().and_then(grams::lean) {
            let hits = rows(connection, sql, params![lean, int(COMMON)])?;
            let known = hits.len() < COMMON;
            let some = &bits & hits;
            if known && some.len() <= FEW {
                let open = Open { query, pieces, hits: RoaringBitmap::new(), known: 0 };
                let mut set = Self { bits: some, open: Some(open) };
                set.look_at_all(connection)?;
                return Ok(set);
            }
        }
        let hits = rows(connection, sql, params![query, int(COMMON)])?;
        if hits.len() < COMMON {
            return Ok(Self { bits: bits & hits, open: None });
        }
        let known = hits.max().map_or(0, |last| last.saturating_add(1));
        Ok(Self { bits, open: Some(Open { query, pieces, hits, known }) })
    }

    fn look_at_all(&mut self, connection: &Connection) -> Result<(), DbError> {
        let Some(open) = self.open.take() else { return Ok(()) };
        let mut fit = RoaringBitmap::new();
        for id in &self.bits {
            if open.fits(connection, id)? {
                fit.insert(id);
            }
        }
        self.bits = fit;
        Ok(())
    }

    /// Looks for the text everywhere: from here on the bits are the answer.
    pub(super) fn settle(&mut self, connection: &Connection) -> Result<(), DbError> {
        let Some(open) = self.open.take() else { return Ok(()) };
        let sql = "SELECT rowid FROM words WHERE words MATCH ?1 AND rowid >= ?2";
        let mut hits = rows(connection, sql, params![open.query, open.known])?;
        hits |= open.hits;
        self.bits &= hits;
        Ok(())
    }

    /// The rows, where nothing is left to be looked at.
    pub(super) fn settled(self) -> Option<RoaringBitmap> {
        self.open.is_none().then_some(self.bits)
    }

    /// Does the row's text hold what is still to be looked at? `looks` counts down.
    pub(super) fn fits(&self, connection: &Connection, id: u32, looks: &mut u32) -> Result<Fit, DbError> {
        let of = |fits| if fits { Fit::Yes } else { Fit::No };
        let Some(open) = &self.open else { return Ok(Fit::Yes) };
        if id < open.known {
            return Ok(of(open.hits.contains(id)));
        }
        let Some(left) = looks.checked_sub(1) else { return Ok(Fit::Tired) };
        *looks = left;
        open.fits(connection, id).map(of)
    }

    /// Rows, of which `shown` are known to be there.
    pub(super) fn total(&self, shown: u64) -> Total {
        let Some(open) = &self.open else { return Total::Exactly(self.bits.len()) };
        let count = self.bits.intersection_len(&open.hits);
        if self.bits.max().is_none_or(|last| last < open.known) {
            return Total::Exactly(count);
        }
        Total::AtLeast(count.clamp(shown.min(CAP), CAP))
    }
}

impl Open {
    fn fits(&self, connection: &Connection, id: u32) -> Result<bool, DbError> {
        let mut statement = connection.prepare_cached("SELECT text FROM inventory WHERE id = ?1")?;
        let fits = statement.query_row([id], |row| {
            let text = row.get_ref(0)?.as_str()?;
            Ok(self.pieces.iter().all(|piece| text.contains(piece.as_str())))
        });
        Ok(optional(fits)?.unwrap_or(false))
    }
}

/// Rows that are looked at for one page.
pub(super) fn looks() -> u32 {
    LOOKS
}
