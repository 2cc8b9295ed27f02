//! Which column of a foreign table is what: a TOML text that is kept and used again.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::domain::field::fact;
use crate::geo::Datum;
use crate::ids::Collection;

/// Version of the mapping's own format.
const FORMAT: u32 = 1;
/// Columns that a message offers.
const NEAREST: usize = 3;

/// Facts that a column may give, beside the position. `state` may be given per row.
pub const TARGETS: [&str; 33] = [
    fact::NAME,
    fact::TEMPORARY_NUMBER,
    fact::STATE,
    fact::WATERBODY,
    fact::TOWNSHIP,
    fact::VILLAGE,
    fact::ADDRESS,
    fact::BANK,
    fact::OUTLET_TYPE,
    fact::ENTRY_MODE,
    fact::SHAPE,
    fact::MATERIAL,
    fact::SIZE,
    fact::EXISTS_FROM,
    fact::SET_UP,
    fact::MOUTH,
    fact::SCALE,
    fact::VOLUME_M3_PER_DAY,
    fact::VOLUME_M3_PER_YEAR,
    fact::APPROVAL_STATUS,
    fact::PERMIT_NUMBER,
    fact::PERMIT_DISCHARGE_POINT,
    fact::DISCHARGE_STANDARD,
    fact::PROVINCIAL_CODE,
    fact::NATIONAL_CODE,
    fact::COUNTY,
    fact::MANAGEMENT_UNIT,
    fact::BASIN,
    fact::WATER_FUNCTION_ZONE,
    fact::CONTROL_UNIT,
    fact::SECTION,
    fact::REACH,
    fact::REMARK,
];

/// Why a mapping is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MappingError {
    /// Not TOML, or not of this shape.
    #[error("the mapping cannot be read: {0}")]
    Syntax(String),
    /// Of a later format.
    #[error("the mapping has format {0}, this version reads format {FORMAT}: upgrade the program")]
    Format(u32),
    /// A fact that no record has.
    #[error("there is no fact {given:?} to put a column into; nearest: {}", nearest.join(", "))]
    Target {
        /// As given.
        given: String,
        /// The nearest names.
        nearest: Vec<String>,
    },
    /// No such datum.
    #[error("{0}")]
    Datum(String),
    /// A position whose datum nobody says.
    #[error(
        "the position {0} has no datum: add datum = \"wgs84\" (GPS), \"cgcs2000\" (survey), \"gcj02\" (高德, 腾讯) or \"bd09\" (百度), or datum_column"
    )]
    NoDatum(String),
    /// No position at all.
    #[error("the mapping says nowhere where a point is: add [[position]] with lon and lat")]
    NoPosition,
    /// The table has no such column.
    #[error("the table has no column {column:?}, which the mapping uses for {target}; nearest: {}", nearest.join(", "))]
    Column {
        /// What it is for.
        target: String,
        /// As the mapping names it.
        column: String,
        /// The nearest columns that are there.
        nearest: Vec<String>,
    },
    /// Two columns of one name, one of which the mapping uses.
    #[error("the table has several columns {column:?}, which the mapping uses for {target}: rename all but one")]
    Ambiguous {
        /// What it is for.
        target: String,
        /// The name.
        column: String,
    },
}

/// One column, or several whose texts are joined (degrees, minutes and seconds, say).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Columns {
    /// One.
    One(String),
    /// Several, joined by a blank.
    Several(Vec<String>),
}

impl Columns {
    /// Their names.
    #[must_use]
    pub fn names(&self) -> &[String] {
        match self {
            Self::One(name) => std::slice::from_ref(name),
            Self::Several(names) => names,
        }
    }
}

/// Where a position stands. Several are tried in order; the first that is filled in is used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PositionColumns {
    /// Longitude: decimal degrees, or degrees, minutes, seconds in one column or three.
    pub lon: Columns,
    /// Latitude.
    pub lat: Columns,
    /// Datum of these columns: `wgs84 | cgcs2000 | gcj02 | bd09`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub datum: Option<String>,
    /// Column that says the datum row by row; it goes before `datum`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub datum_column: Option<String>,
}

/// What a record starts as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StartState {
    /// 疑似: to be visited.
    #[default]
    Suspected,
    /// An outlet, as an older inventory says.
    Outlet,
}

impl StartState {
    /// The code of the dictionary `outlet_state`.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::Suspected => "suspected",
            Self::Outlet => "outlet",
        }
    }
}

/// What becomes of columns that the mapping does not name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rest {
    /// Left in the file.
    #[default]
    Drop,
    /// Kept as one note, `column: text` line by line.
    Note,
}

/// A column mapping.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mapping {
    /// Version of this format.
    pub format: u32,
    /// Its name.
    pub name: String,
    /// Name of the list that the records belong to: with the row's own id it makes the record's id,
    /// so that a file imported twice makes nothing twice.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub list: Option<String>,
    /// County (GB/T 2260) of all rows, where no column says it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub collection: Option<Collection>,
    /// `suspected | outlet`, where no column says it.
    #[serde(default)]
    pub state: StartState,
    /// Encoding of a text file, where it is not recognised: `gbk`, `utf-8`, `utf-16le`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encoding: Option<String>,
    /// Sheet of a workbook [default: the first].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sheet: Option<String>,
    /// Rows above the header.
    #[serde(default)]
    pub skip_rows: u32,
    /// Rows of the header; names of several rows are joined by `/`.
    #[serde(default = "one")]
    pub header_rows: u32,
    /// What becomes of columns that nothing names.
    #[serde(default)]
    pub rest: Rest,
    /// Columns that identify a row within the list; none = the row's whole text does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_id: Option<Columns>,
    /// Fact to column.
    #[serde(default)]
    pub columns: BTreeMap<String, Columns>,
    /// Texts of a column that stand for a code: fact, then text to code.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub values: BTreeMap<String, BTreeMap<String, String>>,
    /// Positions, in order of preference.
    #[serde(rename = "position", default)]
    pub positions: Vec<PositionColumns>,
}

fn one() -> u32 {
    1
}

impl Mapping {
    /// Reads a mapping and checks what can be checked without a table.
    ///
    /// # Errors
    /// [`MappingError`].
    pub fn parse(text: &str) -> Result<Self, MappingError> {
        let mapping: Self = toml::from_str(text).map_err(|error| MappingError::Syntax(error.to_string()))?;
        mapping.check()?;
        Ok(mapping)
    }

    /// The text to keep.
    #[must_use]
    pub fn to_toml(&self) -> String {
        toml::to_string(self).expect("a mapping has string keys only")
    }

    fn check(&self) -> Result<(), MappingError> {
        if self.format != FORMAT {
            return Err(MappingError::Format(self.format));
        }
        for given in self.columns.keys().chain(self.values.keys()) {
            if !TARGETS.contains(&given.as_str()) {
                return Err(MappingError::Target {
                    given: given.clone(),
                    nearest: nearest(given, TARGETS.into_iter()),
                });
            }
        }
        if self.positions.is_empty() {
            return Err(MappingError::NoPosition);
        }
        for datum in self.positions.iter().filter_map(|position| position.datum.as_deref()) {
            datum.parse::<Datum>().map_err(|error| MappingError::Datum(error.to_string()))?;
        }
        if let Some(position) = self.positions.iter().find(|one| one.datum.is_none() && one.datum_column.is_none()) {
            return Err(MappingError::NoDatum(position.lon.names().join("+")));
        }
        Ok(())
    }

    /// The list that the records belong to.
    #[must_use]
    pub fn list(&self) -> &str {
        self.list.as_deref().unwrap_or(&self.name)
    }

    /// Finds the columns in a table's header.
    ///
    /// # Errors
    /// [`MappingError::Column`] or [`MappingError::Ambiguous`].
    pub fn bind(&self, header: &[String]) -> Result<Bound, MappingError> {
        let columns = |target: &str, columns: &Columns| -> Result<Vec<usize>, MappingError> {
            columns.names().iter().map(|name| find(header, target, name)).collect()
        };
        let mut facts = Vec::new();
        for target in TARGETS {
            if let Some(named) = self.columns.get(target) {
                facts.push((target, columns(target, named)?));
            }
        }
        let mut positions = Vec::new();
        for position in &self.positions {
            let datum_column = position.datum_column.as_deref();
            positions.push(BoundPosition {
                lon: columns("lon", &position.lon)?,
                lat: columns("lat", &position.lat)?,
                datum: position.datum.as_deref().and_then(|datum| datum.parse().ok()),
                datum_column: datum_column.map(|name| find(header, "datum", name)).transpose()?,
            });
        }
        let source_id = self.source_id.as_ref().map(|named| columns("source_id", named)).transpose()?;
        let mut used: Vec<usize> = facts.iter().flat_map(|(_, at)| at.iter().copied()).collect();
        used.extend(source_id.iter().flatten());
        for position in &positions {
            used.extend(position.lon.iter().chain(&position.lat).chain(&position.datum_column));
        }
        let rest = (0..header.len()).filter(|at| !used.contains(at) && !header[*at].is_empty()).collect();
        Ok(Bound { header: header.to_vec(), facts, positions, source_id, rest })
    }
}

/// A mapping with its columns found.
#[derive(Debug, Clone, PartialEq)]
pub struct Bound {
    /// Names of the columns.
    pub header: Vec<String>,
    pub(super) facts: Vec<(&'static str, Vec<usize>)>,
    pub(super) positions: Vec<BoundPosition>,
    pub(super) source_id: Option<Vec<usize>>,
    pub(super) rest: Vec<usize>,
}

impl Bound {
    /// Names of columns that nothing uses.
    pub fn unused(&self) -> impl Iterator<Item = &str> {
        self.rest.iter().map(|at| self.header[*at].as_str())
    }

    /// Name of a column, for messages.
    pub(super) fn name(&self, at: &[usize]) -> String {
        at.iter().map(|at| self.header[*at].as_str()).collect::<Vec<_>>().join("+")
    }
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct BoundPosition {
    pub(super) lon: Vec<usize>,
    pub(super) lat: Vec<usize>,
    pub(super) datum: Option<Datum>,
    pub(super) datum_column: Option<usize>,
}

/// Header names differ in blanks, line breaks and full-width brackets only.
pub(super) fn fold_name(name: &str) -> String {
    name.chars()
        .filter(|c| !c.is_whitespace() && !matches!(c, '\u{feff}' | '\u{200b}'))
        .map(|c| match c {
            '\u{ff01}'..='\u{ff5e}' => char::from_u32(u32::from(c) - 0xfee0).unwrap_or(c),
            c => c,
        })
        .flat_map(char::to_lowercase)
        .collect()
}

fn find(header: &[String], target: &str, column: &str) -> Result<usize, MappingError> {
    let wanted = fold_name(column);
    let mut found = header.iter().enumerate().filter(|(_, name)| fold_name(name) == wanted).map(|(at, _)| at);
    let missing = || MappingError::Column {
        target: target.to_owned(),
        column: column.to_owned(),
        nearest: nearest(column, header.iter().map(String::as_str).filter(|name| !name.is_empty())),
    };
    let first = found.next().ok_or_else(missing)?;
    match found.next() {
        None => Ok(first),
        Some(_) => Err(MappingError::Ambiguous { target: target.to_owned(), column: column.to_owned() }),
    }
}

fn nearest<'a>(wanted: &str, names: impl Iterator<Item = &'a str>) -> Vec<String> {
    let shared = |name: &str| wanted.chars().filter(|c| name.contains(*c)).count() as f64 * 0.2;
    let mut ranked: Vec<(f64, &str)> =
        names.map(|name| (strsim::jaro_winkler(wanted, name) + shared(name), name)).collect();
    ranked.sort_by(|(a, _), (b, _)| b.total_cmp(a));
    ranked.into_iter().take(NEAREST).map(|(_, name)| name.to_owned()).collect()
}
