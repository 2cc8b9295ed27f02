//! Places by name: townships with their counties, reporting units, rivers and sections. Data files,
//! no geometry: which county a point lies in is a person's answer or a boundary layer's.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

const FORMAT: u32 = 1;
const NEAREST: usize = 3;
const BAZHONG_REGIONS: &str = include_str!("../../../fixtures/regions/bazhong.toml");
const BAZHONG_RIVERS: &str = include_str!("../../../fixtures/rivers/bazhong.toml");

/// Why a file of places is refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RegionError {
    /// Not TOML, or not of this shape.
    #[error("the file of places cannot be read: {0}")]
    Syntax(#[source] Box<toml::de::Error>),
    /// Of a later format.
    #[error("the file of places has format {0}, this version reads format {FORMAT}: upgrade, or export it again")]
    Format(u32),
    /// A name or code occurs twice, or names something that does not exist.
    #[error("{what} {name:?}: {fault}")]
    Entry {
        /// Which list.
        what: &'static str,
        /// Which entry.
        name: String,
        /// What is wrong.
        fault: &'static str,
    },
}

/// A place that no list has.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UnknownPlace {
    /// Not in the list.
    #[error("{given:?} is not a known {what}; nearest: {}", nearest.join(", "))]
    Unknown {
        /// Which list.
        what: &'static str,
        /// What was typed.
        given: String,
        /// The nearest names, best first.
        nearest: Vec<String>,
    },
    /// Several counties have a township of this name.
    #[error("{given:?} is the name of several townships, give the code instead: {}", choices.join(", "))]
    Ambiguous {
        /// What was typed.
        given: String,
        /// Code and county of each.
        choices: Vec<String>,
    },
}

/// A city.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct City {
    /// GB/T 2260, four digits.
    pub code: String,
    /// Name.
    pub name: String,
    /// Townships that there should be.
    pub townships: usize,
    /// Bounding box, degrees.
    pub west: f64,
    /// Bounding box, degrees.
    pub south: f64,
    /// Bounding box, degrees.
    pub east: f64,
    /// Bounding box, degrees.
    pub north: f64,
}

/// A county or district.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct County {
    /// GB/T 2260, six digits.
    pub code: String,
    /// Name.
    pub name: String,
    /// `district | county`.
    pub kind: String,
    /// Townships that there should be.
    pub townships: usize,
    /// Approximate seat.
    pub seat_lon: f64,
    /// Approximate seat.
    pub seat_lat: f64,
    /// Bounding box; boxes overlap.
    pub west: f64,
    /// Bounding box.
    pub south: f64,
    /// Bounding box.
    pub east: f64,
    /// Bounding box.
    pub north: f64,
}

/// A reporting unit: a county, or 巴中经开区 beside them.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ManagementUnit {
    /// County code, or 511971.
    pub code: String,
    /// Name.
    pub name: String,
    /// To whom a notice is addressed (县（区）人民政府 or 管委会).
    pub addressee: String,
    /// Counties in whose townships its outlets lie.
    pub counties: Vec<String>,
    /// Its code is in GB/T 2260.
    #[serde(default = "yes")]
    pub gb2260: bool,
}

fn yes() -> bool {
    true
}

/// A township, town or sub-district (乡镇、街道).
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Township {
    /// Nine digits.
    pub code: String,
    /// Name.
    pub name: String,
    /// County code.
    #[serde(skip)]
    pub county: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RegionFile {
    format: u32,
    version: String,
    city: City,
    county: Vec<County>,
    management_unit: Vec<ManagementUnit>,
    townships: Vec<TownshipList>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TownshipList {
    county: String,
    list: Vec<Township>,
}

/// The divisions of a city.
#[derive(Debug, Clone, PartialEq)]
pub struct Regions {
    /// Version of the file.
    pub version: String,
    /// The city.
    pub city: City,
    /// Counties, in order of the file.
    pub counties: Vec<County>,
    /// Reporting units.
    pub units: Vec<ManagementUnit>,
    /// Townships, county by county.
    pub townships: Vec<Township>,
}

impl Regions {
    /// Bazhong, as it ships.
    #[must_use]
    pub fn embedded() -> Self {
        // A build with an unsound file does not pass its tests.
        Self::parse(BAZHONG_REGIONS).unwrap_or_else(|error| unreachable!("embedded regions: {error}"))
    }

    /// Reads a file of divisions.
    ///
    /// # Errors
    /// [`RegionError`], naming the entry.
    pub fn parse(text: &str) -> Result<Self, RegionError> {
        let file: RegionFile = toml::from_str(text).map_err(|error| RegionError::Syntax(Box::new(error)))?;
        if file.format != FORMAT {
            return Err(RegionError::Format(file.format));
        }
        let mut townships = Vec::new();
        let counties: BTreeSet<&str> = file.county.iter().map(|county| county.code.as_str()).collect();
        let mut codes = BTreeSet::new();
        for TownshipList { county, list } in file.townships {
            for mut township in list {
                let fault = if !counties.contains(county.as_str()) || !township.code.starts_with(&county) {
                    "is not in its county"
                } else if township.code.len() != 9 || !township.code.bytes().all(|byte| byte.is_ascii_digit()) {
                    "a township code has nine digits"
                } else if !codes.insert(township.code.clone()) {
                    "occurs twice"
                } else {
                    township.county.clone_from(&county);
                    townships.push(township);
                    continue;
                };
                return Err(RegionError::Entry { what: "township", name: township.code, fault });
            }
        }
        for unit in &file.management_unit {
            if unit.counties.is_empty() || !unit.counties.iter().all(|code| counties.contains(code.as_str())) {
                let (what, name) = ("management unit", unit.code.clone());
                return Err(RegionError::Entry { what, name, fault: "names a county that does not exist" });
            }
        }
        let RegionFile { version, city, county: counties, management_unit: units, .. } = file;
        Ok(Self { version, city, counties, units, townships })
    }

    /// A county by its code.
    #[must_use]
    pub fn county(&self, code: &str) -> Option<&County> {
        self.counties.iter().find(|county| county.code == code)
    }

    /// A reporting unit by code or name.
    #[must_use]
    pub fn unit(&self, code_or_name: &str) -> Option<&ManagementUnit> {
        self.units.iter().find(|unit| unit.code == code_or_name || unit.name == code_or_name)
    }

    /// A township by code or name; the county, where given, decides between equal names.
    ///
    /// # Errors
    /// [`UnknownPlace`] with the nearest names of that county (of the city, without one), or the choices.
    pub fn township(&self, code_or_name: &str, county: Option<&str>) -> Result<&Township, UnknownPlace> {
        let wanted = code_or_name.trim();
        if let Some(township) = self.townships.iter().find(|township| township.code == wanted) {
            return Ok(township);
        }
        let here = |township: &&Township| county.is_none_or(|county| county == township.county);
        let named: Vec<&Township> =
            self.townships.iter().filter(here).filter(|township| township.name == wanted).collect();
        match named[..] {
            [only] => Ok(only),
            [] => {
                let names = self.townships.iter().filter(here).map(|township| township.name.as_str());
                Err(unknown("township", wanted, names))
            }
            _ => {
                let county_name = |code: &str| self.county(code).map_or(code.to_owned(), |county| county.name.clone());
                let choices = named
                    .iter()
                    .map(|township| format!("{} ({})", township.code, county_name(&township.county)))
                    .collect();
                Err(UnknownPlace::Ambiguous { given: shorten(wanted), choices })
            }
        }
    }

    /// Names of counties by code.
    #[must_use]
    pub fn county_names(&self) -> BTreeMap<String, String> {
        self.counties.iter().map(|county| (county.code.clone(), county.name.clone())).collect()
    }

    /// County of each township by code, and by name where only one has it.
    #[must_use]
    pub fn township_counties(&self) -> BTreeMap<String, String> {
        let mut by_name: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for township in &self.townships {
            by_name.entry(&township.name).or_default().insert(&township.county);
        }
        let names = by_name.into_iter().filter(|(_, counties)| counties.len() == 1);
        let names = names.flat_map(|(name, counties)| counties.into_iter().map(move |county| (name, county)));
        let codes = self.townships.iter().map(|township| (township.code.as_str(), township.county.as_str()));
        codes.chain(names).map(|(key, county)| (key.to_owned(), county.to_owned())).collect()
    }
}

/// Who gives a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NamedBy {
    /// The plan.
    Plan,
    /// A public page.
    Other,
    /// Nobody yet: to be replaced.
    Placeholder,
}

/// A river, section, reservoir or other water by name.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Water {
    /// Name.
    pub name: String,
    /// River that it flows into (rivers).
    #[serde(default)]
    pub parent: Option<String>,
    /// River that it lies on (sections).
    #[serde(default)]
    pub river: Option<String>,
    /// `national | border | county` (sections).
    #[serde(default)]
    pub level: Option<String>,
    /// Minimum flow in m3/s (flow points).
    #[serde(default)]
    pub minimum_m3_per_s: Option<f64>,
    /// Who gives the name.
    pub named_by: NamedBy,
    /// Remark.
    #[serde(default)]
    pub note: Option<String>,
}

/// Rivers and what lies on them.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rivers {
    format: u32,
    /// Version of the file.
    pub version: String,
    /// Rivers.
    #[serde(rename = "river")]
    pub rivers: Vec<Water>,
    /// Reservoirs.
    #[serde(default, rename = "reservoir")]
    pub reservoirs: Vec<Water>,
    /// Control sections (断面).
    #[serde(default, rename = "section")]
    pub sections: Vec<Water>,
    /// Points with a minimum flow.
    #[serde(default, rename = "flow_point")]
    pub flow_points: Vec<Water>,
    /// Control units (控制单元).
    #[serde(default, rename = "control_unit")]
    pub control_units: Vec<Water>,
    /// Protected areas, names only.
    #[serde(default, rename = "protected_area")]
    pub protected_areas: Vec<Water>,
}

impl Rivers {
    /// Bazhong, as it ships.
    #[must_use]
    pub fn embedded() -> Self {
        Self::parse(BAZHONG_RIVERS).unwrap_or_else(|error| unreachable!("embedded rivers: {error}"))
    }

    /// Reads a file of rivers.
    ///
    /// # Errors
    /// [`RegionError`], naming the entry: a name twice, a parent that does not exist, a loop.
    pub fn parse(text: &str) -> Result<Self, RegionError> {
        let all: Self = toml::from_str(text).map_err(|error| RegionError::Syntax(Box::new(error)))?;
        if all.format != FORMAT {
            return Err(RegionError::Format(all.format));
        }
        let mut names = BTreeSet::new();
        for river in &all.rivers {
            let fault = if !names.insert(&river.name) {
                "occurs twice"
            } else if river.parent.as_deref().is_some_and(|parent| all.river(parent).is_none()) {
                "flows into a river that is not in the list"
            } else if all.downstream(&river.name).last().is_some_and(|last| last.parent.is_some()) {
                "flows into itself"
            } else {
                continue;
            };
            return Err(RegionError::Entry { what: "river", name: river.name.clone(), fault });
        }
        for section in &all.sections {
            if section.river.as_deref().is_some_and(|river| all.river(river).is_none()) {
                let (what, name) = ("section", section.name.clone());
                return Err(RegionError::Entry { what, name, fault: "lies on a river that is not in the list" });
            }
        }
        Ok(all)
    }

    fn river(&self, name: &str) -> Option<&Water> {
        self.rivers.iter().find(|river| river.name == name)
    }

    /// A receiving water by name: a river or a reservoir.
    ///
    /// # Errors
    /// [`UnknownPlace::Unknown`] with the nearest names. Small brooks are in no list: a caller may
    /// keep the name all the same and say so.
    pub fn lookup(&self, name: &str) -> Result<&Water, UnknownPlace> {
        let wanted = name.trim();
        let waters = || self.rivers.iter().chain(&self.reservoirs);
        let found = waters().find(|water| water.name == wanted);
        found.ok_or_else(|| unknown("water", wanted, waters().map(|water| water.name.as_str())))
    }

    /// Names of rivers and reservoirs, placeholders left out.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        let named = self.rivers.iter().chain(&self.reservoirs).filter(|water| water.named_by != NamedBy::Placeholder);
        named.map(|water| water.name.clone()).collect()
    }

    /// The river and those it flows into, one after the other. Ends at a loop.
    #[must_use]
    pub fn downstream(&self, name: &str) -> Vec<&Water> {
        let mut line: Vec<&Water> = Vec::new();
        let mut next = self.river(name);
        while let Some(river) = next.filter(|river| line.iter().all(|seen| seen.name != river.name)) {
            line.push(river);
            next = river.parent.as_deref().and_then(|parent| self.river(parent));
        }
        line
    }
}

fn shorten(text: &str) -> String {
    text.chars().take(40).collect()
}

/// Names that share most characters come first: a wrong suffix (乡 for 镇) is the usual slip.
fn unknown<'a>(what: &'static str, given: &str, names: impl Iterator<Item = &'a str>) -> UnknownPlace {
    let given = shorten(given);
    let likeness = |name: &str| {
        let shared = given.chars().filter(|c| name.contains(*c)).count() as f64;
        let longest = given.chars().count().max(name.chars().count()).max(1) as f64;
        shared / longest + strsim::jaro_winkler(&given, name)
    };
    let mut ranked: Vec<(f64, &str)> = names.map(|name| (likeness(name), name)).collect();
    ranked.sort_by(|(a, left), (b, right)| b.total_cmp(a).then(left.cmp(right)));
    ranked.dedup_by_key(|(_, name)| *name);
    UnknownPlace::Unknown {
        what,
        nearest: ranked.into_iter().take(NEAREST).map(|(_, name)| name.to_owned()).collect(),
        given,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bazhong_has_139_townships_as_the_plan_counts() {
        let regions = Regions::embedded();
        assert_eq!((regions.townships.len(), regions.city.townships), (139, 139));
        let counted: Vec<(&str, usize)> = regions
            .counties
            .iter()
            .map(|county| {
                (county.code.as_str(), regions.townships.iter().filter(|one| one.county == county.code).count())
            })
            .collect();
        assert_eq!(counted, [("511902", 25), ("511903", 18), ("511921", 33), ("511922", 32), ("511923", 31)]);
        for county in &regions.counties {
            assert_eq!(county.townships, counted.iter().find(|(code, _)| *code == county.code).unwrap().1);
            assert!((county.west..county.east).contains(&county.seat_lon), "{}", county.name);
            assert!((county.south..county.north).contains(&county.seat_lat), "{}", county.name);
        }
        assert_eq!(regions.units.len(), 6);
        let zone = regions.unit("巴中经开区").unwrap();
        assert_eq!((zone.code.as_str(), zone.gb2260, zone.counties.len()), ("511971", false, 2));
    }

    #[test]
    fn townships_are_found_and_slips_get_the_nearest() {
        let regions = Regions::embedded();
        assert_eq!(regions.township("化成镇", None).unwrap().code, "511902104");
        assert_eq!(regions.township("511902104", None).unwrap().name, "化成镇");
        let UnknownPlace::Unknown { nearest, .. } = regions.township("化成乡", None).unwrap_err() else { panic!() };
        assert_eq!(nearest[0], "化成镇");
        let twice = regions.township("兴隆镇", None).unwrap_err();
        let UnknownPlace::Ambiguous { choices, .. } = &twice else { panic!("{twice}") };
        assert_eq!(choices.len(), 2);
        let one = regions.townships.iter().find(|township| township.name == "兴隆镇").unwrap();
        assert_eq!(regions.township("兴隆镇", Some(&one.county)).unwrap(), one);
        let map = regions.township_counties();
        assert_eq!(map["化成镇"], "511902");
        assert!(!map.contains_key("兴隆镇") && map.contains_key(&one.code));
        assert!(regions.township(&"长".repeat(10_000), None).is_err());
    }

    #[test]
    fn rivers_flow_into_the_yangtze_and_placeholders_are_marked() {
        let rivers = Rivers::embedded();
        let line: Vec<&str> = rivers.downstream("小通江河").iter().map(|river| river.name.as_str()).collect();
        assert_eq!(line, ["小通江河", "通江河", "巴河", "渠江", "嘉陵江", "长江"]);
        assert_eq!(rivers.lookup("化成水库").unwrap().name, "化成水库");
        let UnknownPlace::Unknown { nearest, .. } = rivers.lookup("恩阳江").unwrap_err() else { panic!() };
        assert_eq!(nearest[0], "恩阳河");
        assert_eq!(rivers.sections.iter().filter(|section| section.level.as_deref() == Some("national")).count(), 9);
        assert_eq!(rivers.control_units.len(), 5);
        let all = rivers.rivers.iter().chain(&rivers.sections).chain(&rivers.control_units);
        for water in all {
            assert_eq!(water.name.contains("占位"), water.named_by == NamedBy::Placeholder, "{}", water.name);
        }
    }

    #[test]
    fn unsound_files_are_refused() {
        let doubled = BAZHONG_REGIONS.replace("\"511902104\"", "\"511902103\"");
        assert!(Regions::parse(&doubled).unwrap_err().to_string().contains("twice"));
        let foreign = BAZHONG_REGIONS.replace("\"511902104\"", "\"511903904\"");
        assert!(Regions::parse(&foreign).unwrap_err().to_string().contains("not in its county"));
        assert!(matches!(Regions::parse("format = 1"), Err(RegionError::Syntax(_))));
        let looped = BAZHONG_RIVERS.replacen("name = \"长江\"", "name = \"长江\"\nparent = \"巴河\"", 1);
        assert!(Rivers::parse(&looped).unwrap_err().to_string().contains("itself"));
        let dangling = BAZHONG_RIVERS.replace("parent = \"渠江\"", "parent = \"黄河\"");
        assert!(Rivers::parse(&dangling).unwrap_err().to_string().contains("not in the list"));
        let later = BAZHONG_RIVERS.replacen("format = 1", "format = 2", 1);
        assert!(matches!(Rivers::parse(&later), Err(RegionError::Format(2))));
    }
}
