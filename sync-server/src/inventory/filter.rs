//! What a list shows: filters, order and page as one query text, the same for pages and interfaces.

use std::collections::{BTreeMap, BTreeSet};

use outlet_core::time::Day;

use super::{Cursor, CursorError, DateColumn, Dimension, Flag, Scope, Sort, grams};

/// Largest page.
pub const MAX_LIMIT: usize = 500;

/// Rows of a page when nobody says.
pub const DEFAULT_LIMIT: usize = 50;

/// Most values of all filters together.
const MAX_VALUES: usize = 200;

/// Longest value in bytes.
const MAX_VALUE: usize = 400;

/// Days from and to, both included; open where absent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// First day.
    pub from: Option<Day>,
    /// Last day.
    pub to: Option<Day>,
}

impl Span {
    /// `2021-01-01..2021-12-31`, `2021-01-01..`, `..2021-12-31`, or one day.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let day = |text: &str| match text {
            "" => Some(None),
            text => text.parse::<Day>().ok().map(Some),
        };
        let span = match text.split_once("..") {
            Some((from, to)) => Self { from: day(from)?, to: day(to)? },
            None => Self { from: day(text)?, to: day(text)? },
        };
        (span.from.is_some() || span.to.is_some()).then_some(span)
    }
}

impl std::fmt::Display for Span {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let day = |day: Option<Day>| day.map(|day| day.to_string()).unwrap_or_default();
        write!(f, "{}..{}", day(self.from), day(self.to))
    }
}

/// A box in degrees, WGS-84.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BoundingBox {
    /// Degrees east.
    pub west: f64,
    /// Degrees north.
    pub south: f64,
    /// Degrees east.
    pub east: f64,
    /// Degrees north, not below `south`.
    pub north: f64,
}

impl BoundingBox {
    /// `west,south,east,north`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let numbers: Vec<f64> = text.split(',').map(|part| part.trim().parse().ok()).collect::<Option<_>>()?;
        let [west, south, east, north] = numbers.try_into().ok()?;
        Self::new(west, south, east, north)
    }

    /// If the numbers are degrees and in order.
    #[must_use]
    pub fn new(west: f64, south: f64, east: f64, north: f64) -> Option<Self> {
        let lon = -180.0..=180.0;
        let lat = -90.0..=90.0;
        let fits = lon.contains(&west) && lon.contains(&east) && lat.contains(&south) && lat.contains(&north);
        (fits && west <= east && south <= north).then_some(Self { west, south, east, north })
    }

    /// As [`BoundingBox::new`], and `west` above `east` for a box across the meridian of 180 degrees.
    #[must_use]
    pub fn around(west: f64, south: f64, east: f64, north: f64) -> Option<Self> {
        // Not by min and max, which pass over what is no number.
        let ordered =
            if west > east { Self::new(east, south, west, north) } else { Self::new(west, south, east, north) };
        ordered.map(|ordered| Self { west, east, ..ordered })
    }

    /// Is the position inside, edges included?
    #[must_use]
    pub fn holds(&self, lon: f64, lat: f64) -> bool {
        let within = match self.west <= self.east {
            true => (self.west..=self.east).contains(&lon),
            false => lon >= self.west || lon <= self.east,
        };
        within && (self.south..=self.north).contains(&lat)
    }
}

impl std::fmt::Display for BoundingBox {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{},{},{},{}", self.west, self.south, self.east, self.north)
    }
}

/// Which rows: all filters must hold; of several values of one dimension any.
#[derive(Debug, Clone, PartialEq)]
pub struct Filter {
    pub(super) scope: Scope,
    /// Values asked for; "" is "nothing recorded".
    pub values: BTreeMap<Dimension, BTreeSet<String>>,
    /// All must hold.
    pub flags: BTreeSet<Flag>,
    /// Days.
    pub dates: BTreeMap<DateColumn, Span>,
    /// Position.
    pub bbox: Option<BoundingBox>,
    /// Pieces of text, each of which occurs.
    pub text: Option<String>,
    /// Primary party, exactly.
    pub party: Option<String>,
    /// A plan that was due before this day and is not accepted.
    pub overdue_on: Option<Day>,
    /// Changed after this version of the ledger.
    pub changed_after: Option<u64>,
}

/// Why a query text is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FilterError {
    /// A name that is no filter.
    #[error("there is no filter {name:?}")]
    Unknown {
        /// The name.
        name: String,
    },
    /// A value that the filter cannot take.
    #[error("{name}={value:?} is not usable: {expected}")]
    Value {
        /// The name.
        name: String,
        /// The value, shortened.
        value: String,
        /// What is expected.
        expected: &'static str,
    },
    /// Too much at once.
    #[error("the query has more than {MAX_VALUES} values")]
    TooMany,
    /// The cursor.
    #[error(transparent)]
    Cursor(#[from] CursorError),
}

impl FilterError {
    fn value(name: &str, value: &str, expected: &'static str) -> Self {
        Self::Value { name: name.to_owned(), value: value.chars().take(60).collect(), expected }
    }

    /// The parameter at fault.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Unknown { name } | Self::Value { name, .. } => name,
            Self::TooMany => "",
            Self::Cursor(_) => "cursor",
        }
    }
}

impl Filter {
    /// Everything that the scope allows.
    #[must_use]
    pub fn new(scope: Scope) -> Self {
        Self {
            scope,
            values: BTreeMap::new(),
            flags: BTreeSet::new(),
            dates: BTreeMap::new(),
            bbox: None,
            text: None,
            party: None,
            overdue_on: None,
            changed_after: None,
        }
    }

    /// Whose rows.
    #[must_use]
    pub fn scope(&self) -> &Scope {
        &self.scope
    }

    /// With one more value.
    #[must_use]
    pub fn with(mut self, dimension: Dimension, value: &str) -> Self {
        self.values.entry(dimension).or_default().insert(value.to_owned());
        self
    }

    /// Takes one parameter; false when its name is no filter.
    ///
    /// # Errors
    /// When the value is not usable.
    pub fn take(&mut self, name: &str, value: &str, today: Day) -> Result<bool, FilterError> {
        let wrong = |expected| Err(FilterError::value(name, value, expected));
        if value.len() > MAX_VALUE {
            return wrong("the value is too long");
        }
        if let Some(dimension) = dimension(name) {
            self.values.entry(dimension).or_default().insert(value.to_owned());
            return Ok(true);
        }
        if let Some(column) = DateColumn::from_code(name) {
            let Some(span) = Span::parse(value) else { return wrong("write FROM..TO with days such as 2021-12-31") };
            self.dates.insert(column, span);
            return Ok(true);
        }
        match name {
            "flag" => match Flag::from_code(value) {
                Some(flag) => drop(self.flags.insert(flag)),
                None => return wrong("there is no such flag"),
            },
            "bbox" => match BoundingBox::parse(value) {
                Some(bbox) => self.bbox = Some(bbox),
                None => return wrong("write west,south,east,north in degrees"),
            },
            "q" => self.text = Some(value.trim().to_owned()).filter(|text| !text.is_empty()),
            "party" => self.party = Some(value.to_owned()),
            "overdue" => match value {
                "true" => self.overdue_on = Some(today),
                "false" => self.overdue_on = None,
                _ => return wrong("write true or false"),
            },
            "changed_after" => match value.parse() {
                Ok(version) => self.changed_after = Some(version),
                Err(_) => return wrong("write a version of the ledger, as answers give it"),
            },
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// As parameters, sorted: the same filter gives the same text.
    #[must_use]
    pub fn parameters(&self) -> Vec<(&'static str, String)> {
        let mut list: Vec<(&'static str, String)> = Vec::new();
        for (dimension, values) in &self.values {
            list.extend(values.iter().map(|value| (dimension.code(), value.clone())));
        }
        list.extend(self.flags.iter().map(|flag| ("flag", flag.code().to_owned())));
        list.extend(self.dates.iter().map(|(column, span)| (column.code(), span.to_string())));
        list.extend(self.bbox.map(|bbox| ("bbox", bbox.to_string())));
        list.extend(self.text.clone().map(|text| ("q", text)));
        list.extend(self.party.clone().map(|party| ("party", party)));
        list.extend(self.overdue_on.map(|_| ("overdue", "true".to_owned())));
        list.extend(self.changed_after.map(|version| ("changed_after", version.to_string())));
        list
    }

    /// The same without what is asked of one dimension.
    #[must_use]
    pub fn without(&self, dimension: Dimension) -> Self {
        let mut other = self.clone();
        if dimension == Dimension::Flag {
            other.flags.clear();
        } else {
            other.values.remove(&dimension);
        }
        other
    }

    /// Nothing but the scope.
    #[must_use]
    pub fn is_plain(&self) -> bool {
        self.parameters().is_empty()
    }

    pub(super) fn words(&self) -> Option<(String, Vec<String>)> {
        let text = self.text.as_deref()?;
        grams::query(text).map(|query| (query, grams::pieces(text)))
    }
}

/// Dimensions that can be asked for by name.
fn dimension(name: &str) -> Option<Dimension> {
    let hidden = [Dimension::Flag, Dimension::Place, Dimension::Bucket, Dimension::Problems];
    Dimension::from_code(name).filter(|dimension| !hidden.contains(dimension))
}

/// Filters, order and page.
#[derive(Debug, Clone, PartialEq)]
pub struct Query {
    /// Which rows.
    pub filter: Filter,
    /// In which order.
    pub sort: Sort,
    /// How many, at most [`MAX_LIMIT`].
    pub limit: usize,
    /// After which row.
    pub after: Option<Cursor>,
}

impl Query {
    /// Everything that the scope allows, in the usual order.
    #[must_use]
    pub fn new(scope: Scope) -> Self {
        Self { filter: Filter::new(scope), sort: Sort::default(), limit: DEFAULT_LIMIT, after: None }
    }

    /// Reads the text after `?` of an address.
    ///
    /// # Errors
    /// [`FilterError`] for what is unknown or not usable.
    pub fn parse(scope: Scope, text: &str, today: Day) -> Result<Self, FilterError> {
        Self::from_pairs(scope, form_urlencoded::parse(text.as_bytes()), today)
    }

    /// Reads parameters.
    ///
    /// # Errors
    /// [`FilterError`] for what is unknown or not usable.
    pub fn from_pairs<N: AsRef<str>, V: AsRef<str>>(
        scope: Scope,
        pairs: impl IntoIterator<Item = (N, V)>,
        today: Day,
    ) -> Result<Self, FilterError> {
        let mut query = Self::new(scope);
        let mut cursor: Option<String> = None;
        for (number, (name, value)) in pairs.into_iter().enumerate() {
            if number >= MAX_VALUES {
                return Err(FilterError::TooMany);
            }
            let (name, value) = (name.as_ref(), value.as_ref());
            match name {
                "sort" => {
                    query.sort =
                        Sort::parse(value).ok_or_else(|| FilterError::value(name, value, "there is no such order"))?;
                }
                "limit" => {
                    let limit: Option<usize> = value.parse().ok().filter(|limit| (1..=MAX_LIMIT).contains(limit));
                    query.limit =
                        limit.ok_or_else(|| FilterError::value(name, value, "write a number from 1 to 500"))?;
                }
                "cursor" => cursor = Some(value.to_owned()).filter(|cursor| !cursor.is_empty()),
                _ if query.filter.take(name, value, today)? => {}
                _ => return Err(FilterError::Unknown { name: name.chars().take(60).collect() }),
            }
        }
        let list = query.list();
        query.after = cursor.map(|cursor| Cursor::decode(&cursor, &list)).transpose()?;
        Ok(query)
    }

    /// Filters and order as query text, without page.
    #[must_use]
    pub fn list(&self) -> String {
        let mut text = form_urlencoded::Serializer::new(String::new());
        text.extend_pairs(self.filter.parameters());
        text.append_pair("sort", &self.sort.to_string());
        text.finish()
    }

    /// Everything as query text: what an address holds.
    #[must_use]
    pub fn text(&self) -> String {
        let list = self.list();
        let mut text = form_urlencoded::Serializer::new(list.clone());
        if self.limit != DEFAULT_LIMIT {
            text.append_pair("limit", &self.limit.to_string());
        }
        if let Some(after) = &self.after {
            text.append_pair("cursor", &after.encode(&list));
        }
        text.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> Day {
        text.parse().unwrap()
    }

    fn parse(text: &str) -> Result<Query, FilterError> {
        Query::parse(Scope::everything(), text, day("2022-03-01"))
    }

    #[test]
    fn an_address_holds_the_whole_state_and_gives_it_back() {
        let text = "county=511902&class=ban&class=merge&flag=conflict&surveyed_on=2021-01-01..&bbox=106,31,107,32.5\
                    &q=%E5%8D%97%E6%B1%9F%20%3Cb%3E&overdue=true&sort=-township&limit=20";
        let query = parse(text).unwrap();
        assert_eq!(query.filter.values[&Dimension::Class].len(), 2);
        assert_eq!(query.filter.overdue_on, Some(day("2022-03-01")));
        assert_eq!(parse(&query.text()).unwrap(), query);
    }

    #[test]
    fn what_is_unknown_or_wrong_is_named() {
        for (text, name) in [
            ("colour=red", "colour"),
            ("flag=x", "flag"),
            ("bucket=name:", "bucket"),
            ("bbox=1,2,3", "bbox"),
            ("bbox=107,31,106,32", "bbox"),
            ("bbox=nan,nan,nan,nan", "bbox"),
            ("bbox=106,31,107,1e999", "bbox"),
            ("surveyed_on=yesterday", "surveyed_on"),
            ("surveyed_on=..", "surveyed_on"),
            ("surveyed_on=2021-02-30", "surveyed_on"),
            ("limit=0", "limit"),
            ("limit=501", "limit"),
            ("limit=-1", "limit"),
            ("sort=x", "sort"),
            ("cursor=%00", "cursor"),
            ("overdue=perhaps", "overdue"),
        ] {
            assert_eq!(parse(text).unwrap_err().name(), name, "{text}");
        }
        assert_eq!(parse(&"class=ban&".repeat(201)), Err(FilterError::TooMany));
        let long = parse(&format!("q={}", "a".repeat(401))).unwrap_err();
        assert!(long.to_string().len() < 200, "{long}");
    }
}
