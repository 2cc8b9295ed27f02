//! Counts of today's dashboard, and of the values that a list can still be narrowed by: sums of
//! maintained counts for who may see everything, else one pass over the bitmaps.

use outlet_core::time::Day;
use roaring::RoaringBitmap;
use rusqlite::Connection;

use super::{Dimension, Filter, Flag, Scope, postings, set};
use crate::db::DbError;

/// Values of a dimension with their rows; "" is "nothing recorded".
pub type Counts = Vec<(String, u64)>;

/// What the dashboard counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Overview {
    /// Number of the ledger's state.
    pub version: u64,
    /// Rows.
    pub total: u64,
    /// Rows by the values of each dimension that the dashboard shows.
    pub by: Vec<(Dimension, Counts)>,
    /// Rows by flag.
    pub flags: Counts,
    /// Plans that are not accepted: due today or later.
    pub due: u64,
    /// Plans that are not accepted: due before today.
    pub overdue: u64,
}

impl Overview {
    /// Counts of one dimension.
    #[must_use]
    pub fn of(&self, dimension: Dimension) -> &[(String, u64)] {
        self.by.iter().find(|(own, _)| *own == dimension).map(|(_, counts)| counts.as_slice()).unwrap_or_default()
    }

    /// Rows with this value.
    #[must_use]
    pub fn count(&self, dimension: Dimension, value: &str) -> u64 {
        self.of(dimension).iter().find(|(own, _)| own == value).map_or(0, |(_, count)| *count)
    }

    /// Rows with this flag.
    #[must_use]
    pub fn flag(&self, flag: Flag) -> u64 {
        self.flags.iter().find(|(own, _)| own == flag.code()).map_or(0, |(_, count)| *count)
    }
}

/// Dimensions of the dashboard.
const SHOWN: [Dimension; 12] = [
    Dimension::Collection,
    Dimension::Class,
    Dimension::Proposed,
    Dimension::State,
    Dimension::Review,
    Dimension::County,
    Dimension::Unit,
    Dimension::Township,
    Dimension::Waterbody,
    Dimension::Type,
    Dimension::Scale,
    Dimension::Problem,
];

/// The dashboard of today.
///
/// # Errors
/// When SQLite refuses.
pub fn overview(connection: &Connection, scope: &Scope, today: Day) -> Result<Overview, DbError> {
    let within = match scope.collections() {
        None => None,
        Some(_) => Some(set::base(connection, scope)?),
    };
    let count = |dimension| counts(connection, dimension, within.as_ref());
    let by = SHOWN.iter().map(|own| Ok((*own, count(*own)?))).collect::<Result<Vec<_>, DbError>>()?;
    let day = today.to_string();
    let (mut due, mut overdue) = (0, 0);
    for (value, number) in count(Dimension::Due)? {
        match value.as_str() {
            "" => {}
            value if value < day.as_str() => overdue += number,
            _ => due += number,
        }
    }
    let total = by[0].1.iter().map(|(_, number)| number).sum();
    Ok(Overview { version: super::version(connection)?, total, by, flags: count(Dimension::Flag)?, due, overdue })
}

/// What a list can be narrowed by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facets {
    /// For each dimension asked for: values with their rows, the largest number first.
    pub by: Vec<Counts>,
    /// The numbers are those of the filter. Of a text that very many rows have it would take long to
    /// know them: then they are those without the text.
    pub exact: bool,
}

/// Rows of a filter by the values of dimensions, each as if nothing were asked of itself, so that another
/// value can be chosen.
///
/// # Errors
/// When SQLite refuses.
pub fn facets(connection: &Connection, filter: &Filter, dimensions: &[Dimension]) -> Result<Facets, DbError> {
    let bare = dimensions.iter().fold(filter.clone(), |filter, dimension| filter.without(*dimension));
    // A text is looked for once, whatever is asked of.
    let found = match filter.words().is_some() || filter.text.is_some() {
        false => Some(None),
        true => set::with_text(connection, &bare)?.map(Some),
    };
    let exact = found.is_some();
    let found = found.flatten();
    let of_all = Narrowed { connection, found: found.as_ref() };
    let whole = of_all.rows(filter)?;
    let one = |dimension: &Dimension| -> Result<Counts, DbError> {
        let others = filter.without(*dimension);
        let within = if others == *filter { whole.clone() } else { of_all.rows(&others)? };
        let mut counts = counts(connection, *dimension, within.as_ref())?;
        counts.sort_by(|left, right| right.1.cmp(&left.1).then_with(|| left.0.cmp(&right.0)));
        Ok(counts)
    };
    Ok(Facets { by: dimensions.iter().map(one).collect::<Result<_, _>>()?, exact })
}

/// Rows of filters that share a text.
struct Narrowed<'a> {
    connection: &'a Connection,
    /// Rows that have the text.
    found: Option<&'a RoaringBitmap>,
}

impl Narrowed<'_> {
    /// Nothing where these are all rows there are.
    fn rows(&self, filter: &Filter) -> Result<Option<RoaringBitmap>, DbError> {
        if filter.is_plain() && filter.scope().collections().is_none() {
            return Ok(None);
        }
        let mut rows = set::certain(self.connection, filter)?;
        if let Some(found) = self.found {
            rows &= found;
        }
        Ok(Some(rows))
    }
}

fn counts(connection: &Connection, dimension: Dimension, within: Option<&RoaringBitmap>) -> Result<Counts, DbError> {
    let Some(within) = within else { return postings::counts(connection, dimension) };
    let mut counts = Vec::new();
    postings::each(connection, dimension, |value, bits| {
        let number = bits.intersection_len(within);
        match counts.last_mut() {
            Some((last, sum)) if last == value => *sum += number,
            _ => counts.push((value.to_owned(), number)),
        }
    })?;
    counts.retain(|(_, number)| *number > 0);
    Ok(counts)
}
