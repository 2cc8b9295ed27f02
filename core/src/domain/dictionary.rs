//! Closed, versioned dictionaries as data: what a form may answer, with the plan's Chinese terms,
//! the source of each fact and how sure it is.
//!
//! Documents hold codes only. An unknown code of a newer version is kept and shown as it is; what a
//! person types is looked up by code, Chinese label, English label or alias, and a miss names the
//! nearest entries. Unverified facts ship disabled.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::Deserialize;

/// Format of the files that this version reads.
const FORMAT: u32 = 1;
/// Suggestions given on a miss.
const NEAREST: usize = 3;
/// Longest text compared with the entries.
const LONGEST: usize = 60;

const EMBEDDED: [(&str, &str); 6] = [
    ("files.toml", include_str!("../../../fixtures/dictionaries/files.toml")),
    ("outlet_types.toml", include_str!("../../../fixtures/dictionaries/outlet_types.toml")),
    ("rectification.toml", include_str!("../../../fixtures/dictionaries/rectification.toml")),
    ("sampling.toml", include_str!("../../../fixtures/dictionaries/sampling.toml")),
    ("survey.toml", include_str!("../../../fixtures/dictionaries/survey.toml")),
    ("tracing.toml", include_str!("../../../fixtures/dictionaries/tracing.toml")),
];

/// The class schemes of outlet types; the dictionary is `outlet_type_<scheme>`.
pub const TYPE_SCHEMES: [&str; 2] = ["hj1312_2023", "seven_2019"];

/// Language of labels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Lang {
    /// Chinese.
    #[default]
    Zh,
    /// English.
    En,
}

/// How sure a fact is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Certainty {
    /// Seen in a source.
    Confirmed,
    /// Inferred from confirmed samples.
    Inferred,
    /// From memory, unverified: ships disabled.
    Memory,
    /// This project's own choice.
    Project,
}

/// One entry of a dictionary.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Term {
    /// Stable ASCII code, the only thing documents hold.
    pub code: String,
    /// Chinese label, the official wording kept to the character.
    pub zh: String,
    /// English label.
    pub en: String,
    /// Code of the entry above, in the same dictionary.
    #[serde(default)]
    pub parent: Option<String>,
    /// Other spellings that a person may type.
    #[serde(default)]
    pub aliases: Vec<String>,
    /// May new records use it?
    #[serde(default = "enabled")]
    pub enabled: bool,
    /// Where it comes from, if not from the dictionary's own source.
    #[serde(default)]
    pub source: Option<String>,
    /// How sure it is, if not as the dictionary.
    #[serde(default)]
    pub certainty: Option<Certainty>,
    /// Successors in the dictionary named by [`Dictionary::maps_into`]: one is certain, several are a choice.
    #[serde(default)]
    pub maps_to: Vec<String>,
    /// Acceptance or construction items needed; `a|b` means either.
    #[serde(default)]
    pub needs: Vec<String>,
    /// Anything else, by name.
    #[serde(default)]
    pub attributes: BTreeMap<String, String>,
}

fn enabled() -> bool {
    true
}

impl Term {
    /// The label in a language.
    #[must_use]
    pub fn label(&self, lang: Lang) -> &str {
        match lang {
            Lang::Zh => &self.zh,
            Lang::En => &self.en,
        }
    }

    /// An attribute by name.
    #[must_use]
    pub fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.get(name).map(String::as_str)
    }

    /// An attribute that lists several values, separated by `;`.
    pub fn attribute_list<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a str> + use<'a> {
        self.attributes.get(name).map(String::as_str).unwrap_or_default().split(';').filter(|part| !part.is_empty())
    }

    fn answers_to(&self, wanted: &str) -> bool {
        fold(&self.code) == wanted
            || fold(&self.zh) == wanted
            || fold(&self.en) == wanted
            || self.aliases.iter().any(|alias| fold(alias) == wanted)
    }
}

/// A dictionary.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dictionary {
    /// Its name in code and documents.
    pub name: String,
    /// Chinese title.
    pub zh: String,
    /// English title.
    pub en: String,
    /// Where its entries come from.
    pub source: String,
    /// How sure they are, unless an entry says otherwise.
    pub certainty: Certainty,
    /// Dictionary that [`Term::maps_to`] speaks of.
    #[serde(default)]
    pub maps_into: Option<String>,
    /// The entries, in the order in which forms show them.
    pub terms: Vec<Term>,
    /// Version of the file that it came from.
    #[serde(skip)]
    pub version: String,
}

impl Dictionary {
    /// An entry by its code, enabled or not.
    #[must_use]
    pub fn term(&self, code: &str) -> Option<&Term> {
        self.terms.iter().find(|term| term.code == code)
    }

    /// Entries that new records may use.
    pub fn enabled(&self) -> impl Iterator<Item = &Term> {
        self.terms.iter().filter(|term| term.enabled)
    }

    /// How sure an entry is.
    #[must_use]
    pub fn certainty_of(&self, term: &Term) -> Certainty {
        term.certainty.unwrap_or(self.certainty)
    }
}

/// Why a file of dictionaries is refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DictionaryError {
    /// Not TOML, or not of this shape.
    #[error("the dictionary file cannot be read: {0}")]
    Syntax(#[source] Box<toml::de::Error>),
    /// Of a later format.
    #[error("the dictionary file has format {0}, this version reads format {FORMAT}: upgrade, or export it again")]
    Format(u32),
    /// Two dictionaries of one name.
    #[error("dictionary {0:?} occurs twice")]
    Twice(String),
    /// An entry is malformed or names something that does not exist.
    #[error("dictionary {dictionary:?}, entry {code:?}: {fault}")]
    Entry {
        /// Which dictionary.
        dictionary: String,
        /// Which entry.
        code: String,
        /// What is wrong.
        fault: &'static str,
    },
}

/// An entry offered instead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Nearest {
    /// Its code.
    pub code: String,
    /// Its Chinese label.
    pub zh: String,
}

impl fmt::Display for Nearest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.code, self.zh)
    }
}

/// Why a lookup found nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Miss {
    /// No dictionary of this name.
    Dictionary,
    /// No such entry.
    Term,
    /// The entry exists and is switched off in this version of the dictionary.
    Disabled,
}

/// What a person typed is not in the dictionary.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct UnknownTerm {
    /// The dictionary asked.
    pub dictionary: String,
    /// What was typed.
    pub given: String,
    /// What went wrong.
    pub miss: Miss,
    /// The nearest entries that would be accepted, best first.
    pub nearest: Vec<Nearest>,
}

impl fmt::Display for UnknownTerm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.miss {
            Miss::Dictionary => return write!(f, "there is no dictionary {:?}", self.dictionary),
            Miss::Term => write!(f, "{:?} is not in dictionary {}", self.given, self.dictionary)?,
            Miss::Disabled => write!(f, "{:?} is switched off in dictionary {}", self.given, self.dictionary)?,
        }
        for (at, near) in self.nearest.iter().enumerate() {
            write!(f, "{}{near}", if at == 0 { "; nearest: " } else { ", " })?;
        }
        Ok(())
    }
}

/// All dictionaries in force, by name.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Dictionaries {
    by_name: BTreeMap<String, Dictionary>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    format: u32,
    version: String,
    dictionary: Vec<Dictionary>,
}

impl Dictionaries {
    /// Those that ship with the program.
    #[must_use]
    pub fn embedded() -> Self {
        let mut all = Self::default();
        for (file, text) in EMBEDDED {
            // A build with an unsound file does not pass its tests.
            all.overlay(Self::parse(text).unwrap_or_else(|error| unreachable!("embedded {file}: {error}")));
        }
        all
    }

    /// Reads one file. References into other dictionaries are checked by [`Dictionaries::check`].
    ///
    /// # Errors
    /// [`DictionaryError`], naming dictionary and entry.
    pub fn parse(text: &str) -> Result<Self, DictionaryError> {
        let file: File = toml::from_str(text).map_err(|error| DictionaryError::Syntax(Box::new(error)))?;
        if file.format != FORMAT {
            return Err(DictionaryError::Format(file.format));
        }
        let mut by_name = BTreeMap::new();
        for mut dictionary in file.dictionary {
            check_entries(&dictionary)?;
            dictionary.version.clone_from(&file.version);
            if let Some(twice) = by_name.insert(dictionary.name.clone(), dictionary) {
                return Err(DictionaryError::Twice(twice.name));
            }
        }
        Ok(Self { by_name })
    }

    /// Lays newer dictionaries over these: each replaces the one of its name as a whole.
    pub fn overlay(&mut self, newer: Self) {
        self.by_name.extend(newer.by_name);
    }

    /// Checks what one dictionary says of another: mapped types and needed items exist.
    ///
    /// # Errors
    /// [`DictionaryError::Entry`] for the first that does not.
    pub fn check(&self) -> Result<(), DictionaryError> {
        for dictionary in self.by_name.values() {
            let target = dictionary.maps_into.as_deref().and_then(|name| self.get(name));
            for term in &dictionary.terms {
                let fault = |fault| DictionaryError::Entry {
                    dictionary: dictionary.name.clone(),
                    code: term.code.clone(),
                    fault,
                };
                if !term.maps_to.iter().all(|code| target.is_some_and(|target| target.term(code).is_some())) {
                    return Err(fault("maps to an entry that does not exist"));
                }
                let items = self.get("acceptance_item");
                let mut needed = term.needs.iter().flat_map(|need| need.split('|'));
                if !needed.all(|code| items.is_some_and(|items| items.term(code).is_some())) {
                    return Err(fault("needs an acceptance item that does not exist"));
                }
            }
        }
        Ok(())
    }

    /// A dictionary by name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Dictionary> {
        self.by_name.get(name)
    }

    /// All, in order of their names.
    pub fn iter(&self) -> impl Iterator<Item = &Dictionary> {
        self.by_name.values()
    }

    /// Finds the entry that a person means, by code, label or alias. Of entries with one label the
    /// last wins: the more specific one, such as the outlet of a treatment plant below its class.
    ///
    /// # Errors
    /// [`UnknownTerm`] with the nearest entries.
    pub fn lookup(&self, dictionary: &str, code_or_label: &str) -> Result<&Term, UnknownTerm> {
        let unknown = |miss, nearest| UnknownTerm {
            dictionary: dictionary.to_owned(),
            given: code_or_label.chars().take(LONGEST).collect(),
            miss,
            nearest,
        };
        let Some(found) = self.get(dictionary) else {
            return Err(unknown(Miss::Dictionary, Vec::new()));
        };
        let wanted = fold(code_or_label);
        // A code is unambiguous and goes before labels.
        if let Some(term) = found.enabled().find(|term| fold(&term.code) == wanted) {
            return Ok(term);
        }
        if let Some(term) = found.enabled().filter(|term| term.answers_to(&wanted)).last() {
            return Ok(term);
        }
        let disabled = found.terms.iter().any(|term| term.answers_to(&wanted));
        Err(unknown(if disabled { Miss::Disabled } else { Miss::Term }, nearest(found, &wanted)))
    }

    /// The label of a code. A code or dictionary that this version does not know is shown as it is.
    #[must_use]
    pub fn label<'a>(&'a self, dictionary: &str, code: &'a str, lang: Lang) -> &'a str {
        self.get(dictionary).and_then(|found| found.term(code)).map_or(code, |term| term.label(lang))
    }

    /// Finds an outlet type in either scheme, the current one first: (scheme, entry).
    ///
    /// # Errors
    /// [`UnknownTerm`] of the current scheme.
    pub fn find_type(&self, code_or_label: &str) -> Result<(&'static str, &Term), UnknownTerm> {
        let mut first = None;
        for scheme in TYPE_SCHEMES {
            match self.lookup(&type_dictionary(scheme), code_or_label) {
                Ok(term) => return Ok((scheme, term)),
                Err(error) => first = first.or(Some(error)),
            }
        }
        Err(first.expect("there is at least one scheme"))
    }

    /// What an older type may be in the current scheme: one is certain, several are a person's choice.
    #[must_use]
    pub fn current_types(&self, old_code: &str) -> &[String] {
        self.get("outlet_type_seven_2019").and_then(|old| old.term(old_code)).map_or(&[], |term| &term.maps_to)
    }

    /// The entry and those above it, nearest first. Ends at a loop.
    #[must_use]
    pub fn ancestry(&self, dictionary: &str, code: &str) -> Vec<&Term> {
        let mut line: Vec<&Term> = Vec::new();
        let Some(found) = self.get(dictionary) else { return line };
        let mut next = found.term(code);
        while let Some(term) = next {
            if line.iter().any(|seen| seen.code == term.code) {
                break;
            }
            line.push(term);
            next = term.parent.as_deref().and_then(|parent| found.term(parent));
        }
        line
    }

    /// Construction items (规范化建设) that a type of the current scheme needs, inherited from above.
    #[must_use]
    pub fn construction_items(&self, type_code: &str) -> &[String] {
        let line = self.ancestry("outlet_type_hj1312_2023", type_code);
        line.into_iter().map(|term| term.needs.as_slice()).find(|needs| !needs.is_empty()).unwrap_or_default()
    }

    /// Acceptance items that a measure needs; `a|b` means either.
    #[must_use]
    pub fn acceptance_items(&self, measure: &str) -> &[String] {
        self.get("measure").and_then(|measures| measures.term(measure)).map_or(&[], |term| &term.needs)
    }
}

/// Name of the dictionary of a class scheme.
#[must_use]
pub fn type_dictionary(scheme: &str) -> String {
    format!("outlet_type_{scheme}")
}

fn check_entries(dictionary: &Dictionary) -> Result<(), DictionaryError> {
    let snake = |text: &str| {
        text.starts_with(|c: char| c.is_ascii_lowercase())
            && text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
    };
    let mut seen = BTreeSet::new();
    for term in &dictionary.terms {
        let fault = if !snake(&term.code) {
            "a code is ASCII snake_case"
        } else if !seen.insert(&term.code) {
            "the code occurs twice"
        } else if term.zh.trim().is_empty() || term.en.trim().is_empty() {
            "a label is empty"
        } else if term.parent.as_deref().is_some_and(|parent| dictionary.term(parent).is_none()) {
            "its parent does not exist"
        } else if term.enabled && dictionary.certainty_of(term) == Certainty::Memory {
            "an unverified entry ships disabled"
        } else {
            continue;
        };
        return Err(DictionaryError::Entry { dictionary: dictionary.name.clone(), code: term.code.clone(), fault });
    }
    Ok(())
}

/// Folds what people type: full-width letters, case, `-` and blanks for `_`, 其它 for 其他.
fn fold(text: &str) -> String {
    text.trim()
        .chars()
        .take(LONGEST)
        .map(|c| match c {
            '\u{ff01}'..='\u{ff5e}' => char::from_u32(u32::from(c) - 0xfee0).unwrap_or(c),
            c => c,
        })
        .flat_map(char::to_lowercase)
        .map(|c| if c == '-' || c == ' ' { '_' } else { c })
        .collect::<String>()
        .replace("其它", "其他")
}

fn nearest(dictionary: &Dictionary, wanted: &str) -> Vec<Nearest> {
    let likeness = |term: &Term| {
        let spellings = [&term.code, &term.zh, &term.en].into_iter().chain(&term.aliases);
        spellings
            .map(|spelling| {
                let spelling = fold(spelling);
                let contained = !wanted.is_empty() && (spelling.contains(wanted) || wanted.contains(&spelling));
                let shared = wanted.chars().filter(|c| !c.is_ascii() && spelling.contains(*c)).count();
                strsim::jaro_winkler(&spelling, wanted) + 0.2 * shared as f64 + if contained { 0.5 } else { 0.0 }
            })
            .fold(0.0, f64::max)
    };
    let mut ranked: Vec<(f64, &Term)> = dictionary.enabled().map(|term| (likeness(term), term)).collect();
    ranked.sort_by(|(a, _), (b, _)| b.total_cmp(a));
    ranked.into_iter().take(NEAREST).map(|(_, term)| Nearest { code: term.code.clone(), zh: term.zh.clone() }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_embedded_files_are_sound() {
        for (file, text) in EMBEDDED {
            Dictionaries::parse(text).unwrap_or_else(|error| panic!("{file}: {error}"));
        }
        let all = Dictionaries::embedded();
        all.check().unwrap();
        assert!(all.iter().all(|dictionary| !dictionary.source.is_empty() && !dictionary.version.is_empty()));
        for unverified in ["ny", "cz", "sh", "gk", "yh", "gq"] {
            assert!(!all.get("code_type_letters").unwrap().term(unverified).unwrap().enabled, "{unverified}");
        }
    }

    #[test]
    fn an_entry_is_found_by_code_label_and_alias() {
        let all = Dictionaries::embedded();
        for (dictionary, typed, code) in [
            ("entry_mode", "pipe", "pipe"),
            ("entry_mode", "管道", "pipe"),
            ("entry_mode", "Open Channel", "open_channel"),
            ("entry_mode", "box-culvert", "box_culvert"),
            ("entry_mode", "其它", "other"),
            ("classification", "无需整治", "none_needed"),
            ("classification", "none", "none_needed"),
            ("classification", "依法取缔", "ban"),
            ("measure", "截污纳管", "intercept_to_sewer"),
            ("outlet_type_hj1312_2023", "城镇污水处理厂排污口", "urban_wwtp"),
            ("parameter", "ＣＯＤ", "cod"),
            ("non_outlet_reason", "现场未发现入河(海)排污口", "not_found"),
        ] {
            assert_eq!(all.lookup(dictionary, typed).unwrap().code, code, "{dictionary} {typed}");
        }
        assert_eq!(
            all.find_type("沟渠").unwrap(),
            ("seven_2019", all.lookup("outlet_type_seven_2019", "沟渠").unwrap())
        );
        assert_eq!(all.find_type("industrial").unwrap().0, "hj1312_2023");
    }

    #[test]
    fn a_miss_names_the_nearest() {
        let all = Dictionaries::embedded();
        let miss = all.lookup("entry_mode", "pipee").unwrap_err();
        assert_eq!((miss.miss, miss.nearest[0].code.as_str()), (Miss::Term, "pipe"));
        assert!(
            miss.to_string().starts_with(r#""pipee" is not in dictionary entry_mode; nearest: pipe (管道), "#),
            "{miss}"
        );
        let storm = all.lookup("outlet_type_hj1312_2023", "雨洪口").unwrap_err();
        assert!(storm.nearest[..2].iter().all(|near| near.zh.contains("雨洪")), "{storm}");
        assert_eq!(all.lookup("code_type_letters", "NY").unwrap_err().miss, Miss::Disabled);
        assert_eq!(all.lookup("nonsense", "x").unwrap_err().miss, Miss::Dictionary);
        assert_eq!(all.lookup("entry_mode", "").unwrap_err().miss, Miss::Term);
        assert_eq!(all.lookup("entry_mode", &"长".repeat(10_000)).unwrap_err().given.chars().count(), LONGEST);
    }

    #[test]
    fn official_labels_keep_their_wording_and_unknown_codes_stay() {
        let all = Dictionaries::embedded();
        let label = |code| all.label("outlet_type_hj1312_2023", code, Lang::Zh);
        assert_eq!(label("industrial_enterprise"), "工业企业排污口");
        assert_eq!(label("industrial_enterprise_storm"), "工业企业雨洪排口");
        assert_eq!(label("urban_storm"), "城镇雨洪排口");
        assert_eq!(label("of_a_later_version"), "of_a_later_version");
        assert_eq!(all.label("classification", "merge", Lang::En), "merge");
    }

    #[test]
    fn types_inherit_items_and_old_types_map() {
        let all = Dictionaries::embedded();
        assert_eq!(all.construction_items("industrial_enterprise"), ["archive", "sampling_point"]);
        assert_eq!(all.construction_items("mine_storm"), ["archive"]);
        assert_eq!(all.construction_items("urban_storm"), ["archive"]);
        assert!(all.construction_items("undetermined").is_empty());
        assert_eq!(all.current_types("port_wharf"), ["port_wharf"]);
        assert_eq!(all.current_types("urban_domestic").len(), 2);
        let line = all.ancestry("outlet_type_hj1312_2023", "tailings");
        assert_eq!(
            line.iter().map(|term| term.code.as_str()).collect::<Vec<_>>(),
            ["tailings", "industrial_mining", "industrial"]
        );
        for measure in &all.get("measure").unwrap().terms {
            assert!(!all.acceptance_items(&measure.code).is_empty(), "{}", measure.code);
        }
    }

    #[test]
    fn milestone_sets_name_types_and_exemptions_that_exist() {
        let all = Dictionaries::embedded();
        let types = all.get("outlet_type_hj1312_2023").unwrap();
        for text in [
            include_str!("../../../fixtures/milestones/bazhong-14fyp.toml"),
            include_str!("../../../fixtures/milestones/national-2022.toml"),
        ] {
            let set: toml::Table = text.parse().unwrap();
            let list = |value: &toml::Value, key: &str| -> Vec<String> {
                let named = value.get(key).and_then(toml::Value::as_array);
                named.into_iter().flatten().filter_map(|code| code.as_str()).map(str::to_owned).collect()
            };
            let each = |key: &str| set.get(key).and_then(toml::Value::as_array).into_iter().flatten();
            let storm = list(&set["sample"], "dry_weather_types");
            let constructed = each("construction").flat_map(|rule| list(rule, "types"));
            for code in storm.iter().cloned().chain(constructed).filter(|code| code != "*") {
                assert!(all.lookup(&types.name, &code).is_ok(), "{code}");
            }
            for term in types.enabled().filter(|term| term.attribute("storm").is_some()) {
                assert!(storm.contains(&term.code), "{} is missing from dry_weather_types", term.code);
            }
            for item in each("construction").flat_map(|rule| list(rule, "items")) {
                assert!(all.lookup("construction_item", &item).is_ok(), "{item}");
            }
            for exemption in each("exemption") {
                assert!(all.lookup("exemption", exemption["code"].as_str().unwrap()).is_ok(), "{exemption}");
            }
        }
    }

    #[test]
    fn a_bad_file_is_refused_with_its_place() {
        let file = |terms: &str| {
            format!(
                "format = 1\nversion = \"1\"\n[[dictionary]]\nname = \"d\"\nzh = \"字典\"\nen = \"d\"\n\
                 source = \"s\"\ncertainty = \"project\"\nterms = [{terms}]"
            )
        };
        for (terms, fault) in [
            (r#"{ code = "Pipe", zh = "管", en = "p" }"#, "snake_case"),
            (r#"{ code = "a", zh = "一", en = "a" }, { code = "a", zh = "二", en = "b" }"#, "twice"),
            (r#"{ code = "a", zh = " ", en = "a" }"#, "empty"),
            (r#"{ code = "a", zh = "一", en = "a", parent = "b" }"#, "parent"),
            (r#"{ code = "a", zh = "一", en = "a", certainty = "memory" }"#, "disabled"),
            (r#"{ code = "a", zh = "一", en = "a", colour = "red" }"#, "unknown field"),
        ] {
            let error = Dictionaries::parse(&file(terms)).unwrap_err().to_string();
            assert!(error.contains(fault), "{error}");
        }
        let newer = file("").replace("format = 1", "format = 2");
        assert!(matches!(Dictionaries::parse(&newer), Err(DictionaryError::Format(2))));
        let dangling = Dictionaries::parse(&file(r#"{ code = "a", zh = "一", en = "a", needs = ["x"] }"#)).unwrap();
        assert!(dangling.check().is_err());
    }

    #[test]
    fn a_newer_version_replaces_a_dictionary_as_a_whole() {
        let mut all = Dictionaries::embedded();
        let text = "format = 1\nversion = \"2\"\n[[dictionary]]\nname = \"shape\"\nzh = \"形状\"\nen = \"shape\"\nsource = \"s\"\n\
                    certainty = \"project\"\nterms = [{ code = \"oval\", zh = \"椭圆\", en = \"oval\" }]";
        all.overlay(Dictionaries::parse(text).unwrap());
        assert_eq!(all.lookup("shape", "椭圆").unwrap().code, "oval");
        assert_eq!(all.label("shape", "round", Lang::Zh), "round");
        assert_eq!(all.get("shape").unwrap().version, "2");
    }
}
