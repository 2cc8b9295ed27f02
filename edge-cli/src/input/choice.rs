//! What people type for a closed list: codes or Chinese labels of the dictionaries, townships,
//! rivers, and a few lists that belong to the command line itself.

use outlet_core::domain::dictionary::{Dictionaries as Terms, Lang, UnknownTerm};
use outlet_core::domain::reference::ReferenceEntry;
use outlet_core::domain::region::{Regions, Rivers, UnknownPlace};
use outlet_core::ids::Collection;

use crate::error::{CommandError, Result};
use crate::ui::Warning;

/// The lists in force on this device.
#[derive(Debug)]
pub(crate) struct Dictionaries {
    terms: Terms,
    regions: Regions,
    rivers: Rivers,
}

impl Dictionaries {
    /// Those that ship with the program, under those that the administrator loaded.
    pub(crate) fn with(reference: &[ReferenceEntry]) -> Self {
        let (mut terms, mut regions, mut rivers) = (Terms::embedded(), Regions::embedded(), Rivers::embedded());
        for entry in reference {
            // A file of a newer format than this program knows leaves what was in force.
            let ReferenceEntry::DataSet(set) = entry else { continue };
            match set.kind.as_str() {
                "dictionaries" => Terms::parse(&set.text).into_iter().for_each(|newer| terms.overlay(newer)),
                "townships" => Regions::parse(&set.text).into_iter().for_each(|newer| regions = newer),
                "rivers" => Rivers::parse(&set.text).into_iter().for_each(|newer| rivers = newer),
                _ => {}
            }
        }
        Self { terms, regions, rivers }
    }

    /// The township that a text means: its name where only one township has it, else its code.
    pub(crate) fn township(&self, option: &str, text: &str) -> Result<String> {
        let found = self.regions.township(text.trim(), None).map_err(|error| {
            let hint = match &error {
                UnknownPlace::Ambiguous { choices, .. } => format!("give the code: {}", choices.join(", ")),
                UnknownPlace::Unknown { nearest, .. } => format!("nearest: {}", nearest.join(", ")),
                _ => "give the name or the nine-digit code".to_owned(),
            };
            CommandError::user(format!("{text:?} is not a value of {option}")).hint(hint)
        })?;
        let unique = self.regions.township(&found.name, None).is_ok();
        Ok(if unique { found.name.clone() } else { found.code.clone() })
    }

    /// The Chinese label of a code; a code that nobody knows is shown as it is.
    pub(crate) fn label(&self, dictionary: &str, code: &str) -> String {
        self.terms.label(dictionary, code, Lang::Zh).to_owned()
    }

    /// The name of a township, by code or name.
    pub(crate) fn township_name(&self, code: &str) -> String {
        self.regions.township(code, None).map_or_else(|_| code.to_owned(), |found| found.name.clone())
    }

    /// The county of a township.
    pub(crate) fn township_county(&self, code: &str) -> Option<Collection> {
        self.regions.township(code, None).ok()?.county.parse().ok()
    }

    /// The name of a county.
    pub(crate) fn county_name(&self, code: &str) -> Option<String> {
        self.regions.county(code).map(|county| county.name.clone())
    }

    /// Names of all counties.
    pub(crate) fn counties(&self) -> Vec<&str> {
        self.regions.counties.iter().map(|county| county.name.as_str()).collect()
    }

    /// Names of all rivers and reservoirs.
    pub(crate) fn waters(&self) -> Vec<&str> {
        self.rivers.rivers.iter().chain(&self.rivers.reservoirs).map(|water| water.name.as_str()).collect()
    }

    /// A receiving water. Small brooks are in no list: their names are kept, with a warning.
    pub(crate) fn waterbody(&self, text: &str, warnings: &mut Vec<Warning>) -> String {
        match self.rivers.lookup(text.trim()) {
            Ok(found) => found.name.clone(),
            Err(error) => {
                let near = match &error {
                    UnknownPlace::Unknown { nearest, .. } if !nearest.is_empty() => {
                        format!("; nearest: {}", nearest.join(", "))
                    }
                    _ => String::new(),
                };
                warnings.push(Warning::new(
                    "waterbody_unlisted",
                    format!("{text:?} is in no list of rivers and reservoirs{near}. It is kept as typed."),
                ));
                text.trim().to_owned()
            }
        }
    }

    /// A six-digit unit: a county, or the economic zone.
    pub(crate) fn unit_code(&self, option: &str, text: &str) -> Result<String> {
        if let Some(unit) = self.regions.unit(text.trim()) {
            return Ok(unit.code.clone());
        }
        let text = super::half_width(text);
        let code: Collection = text.parse().map_err(|error| {
            CommandError::user(error).hint(format!("write {option} 511902, or 511971 for 巴中经开区"))
        })?;
        Ok(code.to_string())
    }

    /// The code that a text means in a dictionary.
    pub(crate) fn code(&self, option: &str, dictionary: &str, text: &str) -> Result<String> {
        let term = self.terms.lookup(dictionary, text.trim()).map_err(|error| self.unknown(option, &error))?;
        Ok(term.code.clone())
    }

    fn unknown(&self, option: &str, error: &UnknownTerm) -> CommandError {
        let valid = self.terms.get(&error.dictionary).into_iter().flat_map(|found| found.enabled());
        let valid: Vec<String> = valid.map(|term| format!("{} ({})", term.code, term.zh)).collect();
        let failed = CommandError::user(format!("{:?} is not a value of {option}", error.given));
        let nearest: Vec<String> = error.nearest.iter().map(ToString::to_string).collect();
        // Of a handful, all are near.
        let failed = if nearest.is_empty() || valid.len() <= nearest.len() {
            failed
        } else {
            failed.hint(format!("nearest: {}", nearest.join(", ")))
        };
        // A long list would hide what matters.
        if valid.len() > 16 { failed } else { failed.hint(format!("valid: {}", valid.join(", "))) }
    }

    /// The code that a text means in a short list of (code, label).
    pub(crate) fn choice(&self, option: &str, list: &[(&str, &str)], text: &str) -> Result<String> {
        let wanted = super::half_width(text).to_lowercase();
        if let Some((code, _)) = list.iter().find(|(code, label)| *code == wanted || *label == wanted) {
            return Ok((*code).to_owned());
        }
        let valid: Vec<String> = list
            .iter()
            .map(|(code, label)| if code == label { (*code).to_owned() } else { format!("{code} ({label})") })
            .collect();
        Err(CommandError::user(format!("{text:?} is not a value of {option}"))
            .hint(format!("valid: {}", valid.join(", "))))
    }

    /// The usual unit of a measured parameter.
    pub(crate) fn unit(&self, parameter: &str) -> Option<String> {
        let term = self.terms.get("parameter")?.term(parameter)?;
        term.attribute("unit").map(str::to_owned)
    }

    /// The type that a text means: (scheme, code). Without a scheme the current one goes first.
    pub(crate) fn outlet_type(&self, scheme: Option<&str>, text: &str) -> Result<(String, String)> {
        if let Some(scheme) = scheme {
            let scheme = self.code("--type-scheme", "type_scheme", scheme)?;
            let code = self.code("--type", &outlet_core::domain::dictionary::type_dictionary(&scheme), text)?;
            return Ok((scheme, code));
        }
        let (scheme, term) = self.terms.find_type(text.trim()).map_err(|error| self.unknown("--type", &error))?;
        Ok((scheme.to_owned(), term.code.clone()))
    }

    /// The dictionaries themselves, for labels and rules.
    pub(crate) fn terms(&self) -> &Terms {
        &self.terms
    }
}
