//! One row of a foreign table becomes one field record, or a list of what stands in the way.

use std::collections::HashMap;

use serde::Serialize;
use serde_json::{Value, json};

use super::cell::{Cell, SourceRow};
use super::mapping::{Bound, BoundPosition, Mapping, Rest};
use crate::doc::{DocError, to_json};
use crate::domain::code::OutletCode;
use crate::domain::dictionary::Dictionaries;
use crate::domain::field::{Fact, FieldEntry, Imported, Note, fact};
use crate::domain::region::{Regions, Rivers};
use crate::geo::{Bounds, Datum, GeoPoint, Reading, gcj02_contamination, parse_degrees};
use crate::ids::{BlobHash, Collection, DocKey, DocKind, OutletId};
use crate::time::{Day, Timestamp};

/// Two positions of one row that are farther apart than this are said to disagree.
const DISAGREE_M: f64 = 50.0;
/// Answers of dictionaries that are remembered: texts repeat, files may be hostile.
const REMEMBERED: usize = 20_000;
/// Longest text of a fact.
const LONGEST: usize = 2_000;

/// What a person writes who could not tell.
const CANNOT_TELL: [&str; 6] = ["无法确定", "不能确定", "暂无法确定", "不确定", "未知", "不详"];

/// Names that rows are compared with.
#[derive(Debug, Clone, Copy)]
pub struct Places<'a> {
    /// Codes and labels.
    pub dictionaries: &'a Dictionaries,
    /// Counties and townships.
    pub regions: &'a Regions,
    /// Rivers.
    pub rivers: &'a Rivers,
}

/// Something about a row that a person should know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RowProblem {
    /// Line of the file.
    pub line: u64,
    /// Column, by name.
    pub column: String,
    /// Stable code.
    pub code: &'static str,
    /// The row cannot be taken.
    pub error: bool,
    /// What is wrong, and what to do.
    pub message: String,
}

/// A row as a record.
#[derive(Debug, Clone, PartialEq)]
pub struct Converted {
    /// Line of the file.
    pub line: u64,
    /// What names the row within its list.
    pub source_id: String,
    /// Facts in the order of [`super::TARGETS`]: name and value.
    pub facts: Vec<(&'static str, Value)>,
    /// Free remark.
    pub remark: Option<String>,
    /// Columns that nothing names, where the mapping keeps them.
    pub rest: Option<String>,
    /// Unit of access; none when the row cannot be taken.
    pub collection: Option<Collection>,
    /// What is wrong or odd.
    pub problems: Vec<RowProblem>,
}

/// The id of an imported record: of its list and the row's own id, so that every server and every
/// repetition gives the same. A UUID of version 8 (RFC 9562).
#[must_use]
pub fn imported_id(list: &str, source_id: &str) -> OutletId {
    let mut hasher = blake3::Hasher::new_derive_key("outlet 2026 imported record v1");
    hasher.update(list.as_bytes()).update(&[0]).update(source_id.as_bytes());
    let mut bytes = [0; 16];
    hasher.finalize_xof().fill(&mut bytes);
    OutletId(uuid::Builder::from_custom_bytes(bytes).into_uuid())
}

impl Converted {
    /// May it be imported?
    #[must_use]
    pub fn is_good(&self) -> bool {
        self.collection.is_some() && !self.problems.iter().any(|problem| problem.error)
    }

    /// Key of the record; none for a row that cannot be taken.
    #[must_use]
    pub fn key(&self, list: &str) -> Option<DocKey> {
        let collection = self.collection?;
        Some(DocKey { kind: DocKind::Field, collection, id: imported_id(list, &self.source_id) })
    }

    /// The entries of the record, as texts: where it comes from, its facts, the other columns.
    ///
    /// # Errors
    /// When an entry cannot be written as JSON.
    pub fn entries(&self, origin: &Origin<'_>) -> Result<Vec<String>, DocError> {
        let at = origin.at;
        let imported = Imported {
            list: origin.list.to_owned(),
            source_id: self.source_id.clone(),
            line: self.line,
            file: origin.file,
            by: origin.by.to_owned(),
            at,
        };
        let facts = self.facts.iter().map(|(field, value)| {
            FieldEntry::Fact(Fact {
                field: (*field).to_owned(),
                value: value.clone(),
                basis: None,
                reason: None,
                on: None,
                replaces: Vec::new(),
                at,
            })
        });
        let rest = self.rest.iter().map(|text| {
            FieldEntry::Note(Note { kind: "imported_columns".to_owned(), text: text.clone(), on: None, at })
        });
        let mut texts = vec![to_json(&FieldEntry::Imported(imported))?];
        for entry in facts.chain(rest) {
            texts.push(to_json(&entry)?);
        }
        Ok(texts)
    }
}

/// Where imported records come from.
#[derive(Debug, Clone, Copy)]
pub struct Origin<'a> {
    /// Name of the list.
    pub list: &'a str,
    /// SHA-256 of the file.
    pub file: BlobHash,
    /// Login of who imports.
    pub by: &'a str,
    /// Clock.
    pub at: Timestamp,
}

/// Converts the rows of one table.
pub struct Converter<'a> {
    mapping: &'a Mapping,
    bound: &'a Bound,
    places: Places<'a>,
    remembered: HashMap<(&'static str, String), Read>,
}

impl std::fmt::Debug for Converter<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Converter").field("mapping", &self.mapping.name).finish_non_exhaustive()
    }
}

/// What a text means for a fact.
#[derive(Debug, Clone)]
struct Read {
    /// Value, nothing when it cannot be used.
    value: Option<Value>,
    /// Fact that comes with it (the scheme of a type).
    beside: Option<(&'static str, Value)>,
    /// Code, whether it stops the row, text.
    problem: Option<(&'static str, bool, String)>,
}

impl Read {
    fn good(value: Value) -> Self {
        Self { value: Some(value), beside: None, problem: None }
    }

    fn kept(text: &str, code: &'static str, message: String) -> Self {
        Self { value: Some(json!(text)), beside: None, problem: Some((code, false, message)) }
    }

    fn bad(code: &'static str, message: String) -> Self {
        Self { value: None, beside: None, problem: Some((code, true, message)) }
    }
}

impl<'a> Converter<'a> {
    /// For a table whose columns were found.
    #[must_use]
    pub fn new(mapping: &'a Mapping, bound: &'a Bound, places: Places<'a>) -> Self {
        Self { mapping, bound, places, remembered: HashMap::new() }
    }

    /// Converts a row. Rows without anything in them are for the caller to leave out.
    pub fn convert(&mut self, row: &SourceRow) -> Converted {
        let mut problems = Vec::new();
        let mut facts = Vec::with_capacity(10);
        let mut remark = None;
        let mut state = None;
        let county_text = self.text_of(row, fact::COUNTY);
        let collection = self.collection(row, county_text.as_deref(), &mut problems);
        let county = collection.map(|collection| collection.to_string());
        for (target, at) in &self.bound.facts {
            let Some(text) = self.text(row, at, &mut problems) else { continue };
            if *target == fact::REMARK {
                remark = Some(text);
                continue;
            }
            let read = self.read(target, &text, county.as_deref());
            if let Some((code, error, message)) = read.problem {
                problems.push(RowProblem { line: row.line, column: self.bound.name(at), code, error, message });
            }
            let Some(value) = read.value else { continue };
            if *target == fact::STATE {
                state = Some(value);
                continue;
            }
            facts.push((*target, value));
            facts.extend(read.beside);
        }
        let state = state.unwrap_or_else(|| json!(self.mapping.state.code()));
        facts.insert(0, (fact::STATE, state));
        if let Some(location) = self.position(row, &mut problems) {
            facts.insert(1, (fact::LOCATION, location));
        }
        let source_id = self.source_id(row, &mut problems);
        let rest = (self.mapping.rest == Rest::Note).then(|| self.rest(row)).flatten();
        Converted { line: row.line, source_id, facts, remark, rest, collection, problems }
    }

    /// Texts of several cells, joined. A formula without a value and an error stop the row.
    fn text(&self, row: &SourceRow, at: &[usize], problems: &mut Vec<RowProblem>) -> Option<String> {
        let mut texts = Vec::new();
        for place in at {
            let cell = row.cell(*place);
            if let Some((code, error, message)) = odd(cell) {
                let column = self.bound.name(&[*place]);
                problems.push(RowProblem { line: row.line, column, code, error, message });
            }
            texts.extend(cell.text());
        }
        (!texts.is_empty()).then(|| texts.join(" "))
    }

    /// What is odd about the cell is said where the fact itself is read.
    fn text_of(&self, row: &SourceRow, target: &str) -> Option<String> {
        let (_, at) = self.bound.facts.iter().find(|(name, _)| *name == target)?;
        self.text(row, at, &mut Vec::new())
    }

    fn source_id(&self, row: &SourceRow, problems: &mut Vec<RowProblem>) -> String {
        let named = self.bound.source_id.as_ref();
        if let Some(at) = named {
            if let Some(id) = self.text(row, at, problems).filter(|id| id.chars().count() <= 200) {
                return id;
            }
            let message = "the row has no id in this column: fill it in, or leave source_id out of the mapping";
            problems.push(RowProblem {
                line: row.line,
                column: self.bound.name(at),
                code: "id_missing",
                error: true,
                message: message.to_owned(),
            });
        }
        let mut hasher = blake3::Hasher::new();
        for cell in &row.cells {
            hasher.update(cell.text().unwrap_or_default().as_bytes()).update(&[0]);
        }
        format!("row-{}", &hasher.finalize().to_hex()[..16])
    }

    fn rest(&self, row: &SourceRow) -> Option<String> {
        let lines = self.bound.rest.iter().filter_map(|at| {
            let text = row.cell(*at).text()?;
            Some(format!("{}: {}", self.bound.header[*at], text.chars().take(LONGEST).collect::<String>()))
        });
        let lines: Vec<String> = lines.collect();
        (!lines.is_empty()).then(|| lines.join("\n"))
    }

    /// The county decides who may read the record: of its column, its township, or the mapping.
    fn collection(&self, row: &SourceRow, county: Option<&str>, problems: &mut Vec<RowProblem>) -> Option<Collection> {
        if let Some(collection) = self.mapping.collection {
            return Some(collection);
        }
        if let Some(code) = county.and_then(|text| county_code(self.places.regions, text)) {
            return code.parse().ok();
        }
        let township = self.text_of(row, fact::TOWNSHIP);
        let of_township = township.as_deref().and_then(|text| self.places.regions.township(text, None).ok());
        if let Some(township) = of_township {
            return township.county.parse().ok();
        }
        let message = match county {
            Some(text) => format!("{text:?} is no county that this program knows: write the six-digit code"),
            None => "no column says which county the point is in: map `county` or `township`, or set `collection` \
                     in the mapping"
                .to_owned(),
        };
        let column = county.map_or_else(String::new, |_| fact::COUNTY.to_owned());
        problems.push(RowProblem { line: row.line, column, code: "county_unknown", error: true, message });
        None
    }

    fn read(&mut self, target: &'static str, text: &str, county: Option<&str>) -> Read {
        // A township's meaning depends on its county.
        let question = match county.filter(|_| target == fact::TOWNSHIP) {
            Some(county) => format!("{county}/{text}"),
            None => text.to_owned(),
        };
        if let Some(known) = self.remembered.get(&(target, question.clone())) {
            return known.clone();
        }
        let read = self.look_up(target, text, county);
        if dictionary_of(target).is_some() || matches!(target, fact::TOWNSHIP | fact::WATERBODY | fact::OUTLET_TYPE) {
            if self.remembered.len() >= REMEMBERED {
                self.remembered.clear();
            }
            self.remembered.insert((target, question), read.clone());
        }
        read
    }

    fn look_up(&self, target: &'static str, text: &str, county: Option<&str>) -> Read {
        let mapped = self.mapping.values.get(target).and_then(|values| values.get(text));
        let text = mapped.map_or(text, String::as_str);
        if text.chars().count() > LONGEST {
            return Read::bad("too_long", format!("more than {LONGEST} characters"));
        }
        let Places { dictionaries, regions, rivers } = self.places;
        match target {
            fact::OUTLET_TYPE => return outlet_type(dictionaries, text),
            fact::TOWNSHIP => return township(regions, text, county),
            fact::WATERBODY => {
                return match rivers.lookup(text) {
                    Ok(water) => Read::good(json!(water.name)),
                    Err(error) => Read::kept(text, "waterbody_unlisted", format!("{error}; kept as written")),
                };
            }
            _ => {}
        }
        if let Some(dictionary) = dictionary_of(target) {
            let said = yes_no(target, text).unwrap_or(text);
            return match dictionaries.lookup(dictionary, said) {
                Ok(term) => Read::good(json!(term.code)),
                Err(_) if CANNOT_TELL.contains(&text) => Read::good(json!({"cannot_determine": true})),
                Err(error) => Read::kept(text, "unknown_value", format!("{error}; kept as written")),
            };
        }
        if CANNOT_TELL.contains(&text) {
            return Read::good(json!({"cannot_determine": true}));
        }
        plain(target, text, regions)
    }

    fn position(&self, row: &SourceRow, problems: &mut Vec<RowProblem>) -> Option<Value> {
        let mut read: Vec<(GeoPoint, Reading, String)> = Vec::new();
        for position in &self.bound.positions {
            match self.one_position(row, position, problems) {
                None => {}
                Some(Ok(reading)) => read.push((reading.point, reading, self.bound.name(&position.lon))),
                Some(Err((code, message))) => {
                    let column = self.bound.name(&position.lon);
                    problems.push(RowProblem { line: row.line, column, code, error: true, message });
                    return None;
                }
            }
        }
        let problem = |code, error, message: String, column: &str| RowProblem {
            line: row.line,
            column: column.to_owned(),
            code,
            error,
            message,
        };
        let Some((first, reading, column)) = read.first() else {
            let columns: Vec<String> =
                self.bound.positions.iter().map(|position| self.bound.name(&position.lon)).collect();
            let message = "the row says nowhere where the point is".to_owned();
            problems.push(problem("no_position", true, message, &columns.join(", ")));
            return None;
        };
        for (other, _, theirs) in &read[1..] {
            let apart = first.distance_m(*other);
            if apart > DISAGREE_M {
                let shifted = gcj02_contamination(*first, *other, DISAGREE_M).is_some()
                    || gcj02_contamination(*other, *first, DISAGREE_M).is_some();
                let why = if shifted { "; the offset is that of a GCJ-02 map: a datum is wrong" } else { "" };
                let message = format!("{column} and {theirs} are {apart:.0} m apart{why}; {column} is used");
                problems.push(problem("positions_disagree", false, message, theirs));
            }
        }
        let city = &self.places.regions.city;
        let room = Bounds { west: city.west, south: city.south, east: city.east, north: city.north };
        if !room.contains(first.lon(), first.lat()) {
            let message = format!("{first} lies outside the box of {}", city.name);
            problems.push(problem("outside_city", false, message, column));
        }
        serde_json::to_value(reading.location(None, Some("import"), None)).ok()
    }

    /// Nothing when both cells are blank.
    fn one_position(
        &self,
        row: &SourceRow,
        position: &BoundPosition,
        problems: &mut Vec<RowProblem>,
    ) -> Option<Result<Reading, (&'static str, String)>> {
        let lon = self.text(row, &position.lon, problems);
        let lat = self.text(row, &position.lat, problems);
        let (lon, lat) = match (lon, lat) {
            (None, None) => return None,
            (Some(lon), Some(lat)) => (lon, lat),
            (Some(_), None) => return Some(Err(("half_position", "the longitude has no latitude".to_owned()))),
            (None, Some(_)) => return Some(Err(("half_position", "the latitude has no longitude".to_owned()))),
        };
        Some(self.reading(row, position, &lon, &lat))
    }

    fn reading(
        &self,
        row: &SourceRow,
        position: &BoundPosition,
        lon: &str,
        lat: &str,
    ) -> Result<Reading, (&'static str, String)> {
        let of_row = position.datum_column.and_then(|at| row.cell(at).text());
        let datum: Datum = match of_row {
            Some(text) => text.parse().map_err(|error| ("datum_unknown", format!("{error}")))?,
            None => position.datum.ok_or_else(|| {
                ("datum_missing", "the row does not say its datum, and the mapping gives none".to_owned())
            })?,
        };
        let degrees = |text: &str| parse_degrees(text).map_err(|error| ("coordinate_unreadable", error.to_string()));
        let (lon, lat) = (degrees(lon)?, degrees(lat)?);
        Reading::new(lon, lat, datum).map_err(|error| ("coordinate_wrong", error.to_string()))
    }
}

/// What is odd about a cell: code, whether it stops the row, text.
fn odd(cell: &Cell) -> Option<(&'static str, bool, String)> {
    match cell {
        Cell::Formula(value) if value.is_empty() => {
            let message = "a formula that holds no value: open the file and save it with values";
            Some(("formula_without_value", true, message.to_owned()))
        }
        Cell::Formula(value) => {
            let inner = odd(value);
            Some(inner.unwrap_or_else(|| ("formula", false, "a formula: its last value is used".to_owned())))
        }
        Cell::Error(what) => Some(("cell_error", true, what.clone())),
        _ => None,
    }
}

/// The dictionary of a fact whose values are codes.
fn dictionary_of(target: &str) -> Option<&'static str> {
    Some(match target {
        fact::BANK => "bank",
        fact::ENTRY_MODE => "entry_mode",
        fact::SHAPE => "shape",
        fact::MATERIAL => "material",
        fact::SET_UP => "set_up",
        fact::MOUTH => "mouth",
        fact::STATE => "outlet_state",
        fact::SCALE => "scale",
        fact::APPROVAL_STATUS => "approval_status",
        _ => return None,
    })
}

/// 是否规模以上: ledgers answer the question in the column's name.
fn yes_no<'t>(target: &str, text: &'t str) -> Option<&'t str> {
    match (target, text) {
        (fact::SCALE, "是") => Some("above"),
        (fact::SCALE, "否") => Some("below"),
        _ => None,
    }
}

fn outlet_type(dictionaries: &Dictionaries, text: &str) -> Read {
    match dictionaries.find_type(text) {
        Ok((scheme, term)) => Read { beside: Some((fact::TYPE_SCHEME, json!(scheme))), ..Read::good(json!(term.code)) },
        Err(error) => Read::kept(text, "unknown_value", format!("{error}; kept as written")),
    }
}

fn township(regions: &Regions, text: &str, county: Option<&str>) -> Read {
    let found = regions.township(text, None).or_else(|_| regions.township(text, county));
    match found {
        Ok(found) => {
            let unique = regions.township(&found.name, None).is_ok();
            Read::good(json!(if unique { &found.name } else { &found.code }))
        }
        Err(error) => Read::kept(text, "township_unknown", format!("{error}; kept as written")),
    }
}

/// A county or reporting unit by code, name, or name behind the city's.
fn county_code(regions: &Regions, text: &str) -> Option<String> {
    let wanted = text.trim();
    let named = regions.counties.iter().find(|county| wanted == county.name || wanted.ends_with(&county.name));
    let unit = || regions.unit(wanted).map(|unit| unit.code.clone());
    named.map(|county| county.code.clone()).or_else(unit).or_else(|| {
        let digits = wanted.len() == 6 && wanted.bytes().all(|byte| byte.is_ascii_digit());
        digits.then(|| wanted.to_owned())
    })
}

fn plain(target: &str, text: &str, regions: &Regions) -> Read {
    match target {
        fact::COUNTY | fact::MANAGEMENT_UNIT => match county_code(regions, text) {
            Some(code) => Read::good(json!(code)),
            None => Read::kept(text, "unknown_value", format!("{text:?} is no county that is known; kept as written")),
        },
        fact::VOLUME_M3_PER_DAY | fact::VOLUME_M3_PER_YEAR => match number(text) {
            Some(value) => Read::good(json!(value)),
            None => Read::bad("number_unreadable", format!("{text:?} is no number: write it without its unit")),
        },
        fact::EXISTS_FROM => match day(text) {
            Some(day) => Read::good(json!(day)),
            None => {
                let message = format!("{text:?} is no date such as 2018-05-01; left blank");
                Read { value: None, beside: None, problem: Some(("date_unreadable", false, message)) }
            }
        },
        fact::NATIONAL_CODE => match text.parse::<OutletCode>() {
            Ok(code) => Read::good(json!(code.to_string())),
            Err(error) => Read::kept(text, "code_malformed", format!("{error}; kept as written")),
        },
        _ => Read::good(json!(text)),
    }
}

/// A finite, non-negative number; full-width digits and thousands separators are folded.
fn number(text: &str) -> Option<f64> {
    let plain: String = text
        .chars()
        .filter(|c| !matches!(c, ',' | '，' | ' '))
        .map(|c| match c {
            '\u{ff10}'..='\u{ff19}' | '\u{ff0e}' => char::from_u32(u32::from(c) - 0xfee0).unwrap_or(c),
            c => c,
        })
        .collect();
    plain.parse::<f64>().ok().filter(|value| value.is_finite() && *value >= 0.0)
}

/// `2021-05-01`, `2021/5/1`, `2021.5.1`, `2021年5月1日`, `20210501`, with or without a time behind.
fn day(text: &str) -> Option<Day> {
    let date = text.split([' ', 'T']).next()?;
    if date.len() == 8 && date.bytes().all(|byte| byte.is_ascii_digit()) {
        return Day::new(date[..4].parse().ok()?, date[4..6].parse().ok()?, date[6..].parse().ok()?);
    }
    let mut parts = date.split(['-', '/', '.', '年', '月', '日']).filter(|part| !part.is_empty());
    let day = Day::new(parts.next()?.parse().ok()?, parts.next()?.parse().ok()?, parts.next()?.parse().ok()?)?;
    parts.next().is_none().then_some(day)
}
