//! Bank walked: length walked over length in scope, reach by reach.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::domain::field::Walk;
use crate::time::Day;

const FORMAT: u32 = 1;

/// Why a scope is refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ScopeError {
    /// Not TOML, or not of this shape.
    #[error("the scope of the walks cannot be read: {0}")]
    Syntax(#[source] Box<toml::de::Error>),
    /// Of a later format.
    #[error("the scope of the walks has format {0}, this version reads format {FORMAT}")]
    Format(u32),
    /// A reach twice, or without length.
    #[error("reach {name:?}: {fault}")]
    Reach {
        /// Which.
        name: String,
        /// What is wrong.
        fault: &'static str,
    },
}

/// A reach in scope.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Reach {
    name: String,
    waterbody: String,
    /// Length of one bank in metres.
    length_m: f64,
    /// `both | left | right`.
    #[serde(default = "both")]
    banks: String,
}

fn both() -> String {
    "both".to_owned()
}

/// The banks that are to be walked, as data.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct WalkScope {
    /// Version of the file.
    pub version: String,
    reaches: Vec<Reach>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ScopeFile {
    format: u32,
    #[serde(default)]
    #[expect(dead_code, reason = "names the kind of the file for whoever loads it")]
    kind: Option<String>,
    #[serde(default)]
    #[expect(dead_code, reason = "names the data set for whoever loads it")]
    name: Option<String>,
    version: String,
    #[serde(rename = "reach")]
    reaches: Vec<Reach>,
}

impl WalkScope {
    /// Reads a scope.
    ///
    /// # Errors
    /// [`ScopeError`].
    pub fn parse(text: &str) -> Result<Self, ScopeError> {
        let file: ScopeFile = toml::from_str(text).map_err(|error| ScopeError::Syntax(Box::new(error)))?;
        if file.format != FORMAT {
            return Err(ScopeError::Format(file.format));
        }
        let mut names = std::collections::BTreeSet::new();
        for reach in &file.reaches {
            let fault = if !names.insert(&reach.name) {
                "occurs twice"
            } else if !(reach.length_m.is_finite() && reach.length_m > 0.0) {
                "its length_m is not above 0"
            } else if !matches!(reach.banks.as_str(), "both" | "left" | "right") {
                "banks is both, left or right"
            } else {
                continue;
            };
            return Err(ScopeError::Reach { name: reach.name.clone(), fault });
        }
        Ok(Self { version: file.version, reaches: file.reaches })
    }
}

/// Coverage of one bank of one reach.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ReachCoverage {
    /// River.
    pub waterbody: String,
    /// Reach; empty for walks outside any.
    pub reach: String,
    /// `left | right`.
    pub bank: String,
    /// Metres in scope; nothing for bank outside the scope.
    pub scope_m: Option<f64>,
    /// Metres walked, overlaps counted once, never more than the scope.
    pub walked_m: f64,
    /// Walks.
    pub walks: u64,
    /// Of them, with nothing found.
    pub nothing_found: u64,
    /// Outlets found.
    pub found: u64,
    /// Last walk.
    pub last_on: Option<Day>,
}

impl ReachCoverage {
    /// Share walked in percent, floored to 0.1; nothing without a scope.
    #[must_use]
    pub fn share(&self) -> Option<f64> {
        self.scope_m.map(|scope| (self.walked_m / scope * 1000.0).floor() / 10.0)
    }
}

/// Coverage by reach and bank: all reaches in scope first, then bank walked outside it.
#[must_use]
pub fn walked(scope: &WalkScope, walks: &[Walk]) -> Vec<ReachCoverage> {
    let mut lines = Vec::new();
    let mut rest: BTreeMap<(String, String, &'static str), Vec<&Walk>> = BTreeMap::new();
    for walk in walks {
        let known = |reach: &Reach| Some(&reach.name) == walk.reach.as_ref();
        for bank in banks(&walk.bank) {
            if !scope.reaches.iter().any(|reach| known(reach) && banks(&reach.banks).contains(bank)) {
                let key = (walk.waterbody.clone(), walk.reach.clone().unwrap_or_default(), *bank);
                rest.entry(key).or_default().push(walk);
            }
        }
    }
    for reach in &scope.reaches {
        for bank in banks(&reach.banks) {
            let here: Vec<&Walk> = walks
                .iter()
                .filter(|walk| walk.reach.as_ref() == Some(&reach.name) && banks(&walk.bank).contains(bank))
                .collect();
            lines.push(line(&reach.waterbody, &reach.name, bank, Some(reach.length_m), &here));
        }
    }
    lines.extend(rest.iter().map(|((waterbody, reach, bank), walks)| line(waterbody, reach, bank, None, walks)));
    lines
}

fn banks(bank: &str) -> &'static [&'static str] {
    match bank {
        "left" => &["left"],
        "right" => &["right"],
        "both" => &["left", "right"],
        _ => &[],
    }
}

fn line(waterbody: &str, reach: &str, bank: &str, scope: Option<f64>, walks: &[&Walk]) -> ReachCoverage {
    let length = union(walks)
        + walks.iter().filter(|walk| interval(walk).is_none()).filter_map(|walk| walk.length_m).sum::<f64>();
    ReachCoverage {
        waterbody: waterbody.to_owned(),
        reach: reach.to_owned(),
        bank: bank.to_owned(),
        scope_m: scope,
        walked_m: scope.map_or(length, |scope| length.min(scope)),
        walks: walks.len() as u64,
        nothing_found: walks.iter().filter(|walk| walk.found == Some(0)).count() as u64,
        // An outlet is found once, whichever bank of a walk over both it is on.
        found: walks.iter().filter_map(|walk| walk.found).map(u64::from).sum(),
        last_on: walks.iter().filter_map(|walk| walk.on).max(),
    }
}

fn interval(walk: &Walk) -> Option<(f64, f64)> {
    let (from, to) = (walk.from_m?, walk.to_m?);
    (from.is_finite() && to.is_finite()).then(|| (from.min(to), from.max(to)))
}

/// Metres that the walks with marks cover together.
fn union(walks: &[&Walk]) -> f64 {
    let mut intervals: Vec<(f64, f64)> = walks.iter().filter_map(|walk| interval(walk)).collect();
    intervals.sort_by(|(a, _), (b, _)| a.total_cmp(b));
    let (mut total, mut end) = (0.0, f64::NEG_INFINITY);
    for (from, to) in intervals {
        if to > end {
            total += to - from.max(end);
            end = to;
        }
    }
    total
}
