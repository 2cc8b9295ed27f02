//! Which rules are switched on, and the legal bases that they rest on: data with its source.

use serde::{Deserialize, Serialize};

use crate::domain::dictionary::Certainty;
use crate::time::Day;

const FORMAT: u32 = 1;
const SHIPPED: &str = include_str!("../../../fixtures/rules/classification.toml");
/// The rules that there are.
pub(super) const IDS: [&str; 12] = ["R1", "R2", "R3", "R4", "R5", "R6", "R7", "R8", "R9", "R10", "R11", "R11b"];

/// Why a rule set is refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RuleSetError {
    /// Not TOML, or not of this shape.
    #[error("the rule set cannot be read: {0}")]
    Syntax(#[source] Box<toml::de::Error>),
    /// Of a later format.
    #[error("the rule set has format {0}, this version reads format {FORMAT}")]
    Format(u32),
    /// A rule that does not exist, twice, or with a basis that does not exist.
    #[error("rule {id}: {fault}")]
    Rule {
        /// Which.
        id: String,
        /// What is wrong.
        fault: String,
    },
}

/// A legal basis with its validity.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Basis {
    /// Name within the file.
    pub id: String,
    /// Document, such as 水污染防治法.
    pub document: String,
    /// Article.
    pub article: String,
    /// First day in force.
    pub valid_from: Day,
    /// Last day in force.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub valid_to: Option<Day>,
    /// Where text and dates come from.
    pub source: String,
}

impl Basis {
    /// In force on the day?
    #[must_use]
    pub fn in_force(&self, on: Day) -> bool {
        self.valid_from <= on && self.valid_to.is_none_or(|last| on <= last)
    }
}

/// A rule as the data switches it.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// `R1` to `R11b`.
    pub id: String,
    /// Bases by id.
    pub bases: Vec<String>,
    /// How sure the condition is.
    pub certainty: Certainty,
    /// Is it asked?
    #[serde(default = "yes")]
    pub enabled: bool,
    /// Remark.
    #[serde(default)]
    pub note: Option<String>,
}

fn yes() -> bool {
    true
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RuleFile {
    format: u32,
    #[serde(default)]
    #[expect(dead_code, reason = "names the kind of the file for whoever loads it")]
    kind: Option<String>,
    #[serde(default)]
    #[expect(dead_code, reason = "names the data set for whoever loads it")]
    name: Option<String>,
    version: String,
    #[serde(rename = "basis")]
    bases: Vec<Basis>,
    #[serde(rename = "rule")]
    rules: Vec<Rule>,
}

/// Rules and bases.
#[derive(Debug, Clone, PartialEq)]
pub struct RuleSet {
    /// Version of the file.
    pub version: String,
    /// Legal bases.
    pub bases: Vec<Basis>,
    /// Rules.
    pub rules: Vec<Rule>,
}

impl RuleSet {
    /// As it ships.
    #[must_use]
    pub fn embedded() -> Self {
        Self::parse(SHIPPED).unwrap_or_else(|error| unreachable!("embedded rules: {error}"))
    }

    /// Reads a rule set.
    ///
    /// # Errors
    /// [`RuleSetError`].
    pub fn parse(text: &str) -> Result<Self, RuleSetError> {
        let file: RuleFile = toml::from_str(text).map_err(|error| RuleSetError::Syntax(Box::new(error)))?;
        if file.format != FORMAT {
            return Err(RuleSetError::Format(file.format));
        }
        let mut seen = std::collections::BTreeSet::new();
        for rule in &file.rules {
            let unknown = rule.bases.iter().find(|id| !file.bases.iter().any(|basis| basis.id == **id));
            let fault = if !IDS.contains(&rule.id.as_str()) {
                format!("there is no such rule, but {}", IDS.join(", "))
            } else if !seen.insert(&rule.id) {
                "occurs twice".to_owned()
            } else if let Some(basis) = unknown {
                format!("rests on a basis that is not in the file: {basis}")
            } else if rule.enabled && rule.certainty == Certainty::Memory {
                "is unverified and must be switched off, or its certainty raised with a source".to_owned()
            } else {
                continue;
            };
            return Err(RuleSetError::Rule { id: rule.id.clone(), fault });
        }
        Ok(Self { version: file.version, bases: file.bases, rules: file.rules })
    }

    /// A rule by its name.
    #[must_use]
    pub fn rule(&self, id: &str) -> Option<&Rule> {
        self.rules.iter().find(|rule| rule.id == id)
    }

    /// Bases of a rule: those in force on the day, and the others.
    #[must_use]
    pub fn bases_of(&self, rule: &Rule, on: Day) -> (Vec<&Basis>, Vec<&Basis>) {
        self.bases.iter().filter(|basis| rule.bases.contains(&basis.id)).partition(|basis| basis.in_force(on))
    }
}
