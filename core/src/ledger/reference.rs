//! Reference data that the projection needs: milestone sets, seals, townships. Loaded from
//! reference documents, with the shipped sets as the start.

use std::collections::BTreeMap;

use super::set::{BAZHONG, MilestoneSet, NATIONAL, SetError};
use crate::domain::dictionary::{Dictionaries, DictionaryError};
use crate::domain::reference::{ReferenceEntry, Seal};
use crate::domain::region::{RegionError, Regions, Rivers};

/// Why reference data cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReferenceError {
    /// A milestone set that cannot be read.
    #[error("milestone set {name}: {source}")]
    Set {
        /// Its name.
        name: String,
        /// Why.
        #[source]
        source: SetError,
    },
    /// Dictionaries that cannot be read.
    #[error("dictionaries {name}: {source}")]
    Dictionaries {
        /// Their name.
        name: String,
        /// Why.
        #[source]
        source: DictionaryError,
    },
    /// A table of rivers that cannot be read.
    #[error("rivers {name}: {source}")]
    Rivers {
        /// Its name.
        name: String,
        /// Why.
        #[source]
        source: RegionError,
    },
    /// A table of townships that cannot be read.
    #[error("townships {name}: {source}")]
    Townships {
        /// Its name.
        name: String,
        /// Why.
        #[source]
        source: RegionError,
    },
}

/// Parsed reference data.
#[derive(Debug, Clone, PartialEq)]
pub struct Reference {
    sets: Vec<MilestoneSet>,
    active: MilestoneSet,
    /// Sealed documents.
    pub seals: Vec<Seal>,
    /// Dictionaries, for labels, units and unknown values.
    pub dictionaries: Dictionaries,
    /// Township (code and name) to county code. Empty: nothing is checked.
    pub townships: BTreeMap<String, String>,
    /// County code to name. Empty: nothing is checked.
    pub counties: BTreeMap<String, String>,
    /// Names of rivers and reservoirs. Empty: nothing is checked.
    pub waters: Vec<String>,
}

impl Reference {
    /// The shipped sets, dictionaries and townships.
    #[must_use]
    pub fn embedded() -> Self {
        let parse = |text| MilestoneSet::parse(text).expect("the shipped set is checked by a test");
        let sets = vec![parse(BAZHONG), parse(NATIONAL)];
        let regions = Regions::embedded();
        Self {
            active: sets[0].clone(),
            sets,
            seals: Vec::new(),
            dictionaries: Dictionaries::embedded(),
            townships: regions.township_counties(),
            counties: regions.county_names(),
            waters: Rivers::embedded().names(),
        }
    }

    /// The shipped data, overlaid by what was loaded: a later entry of the same name replaces an
    /// earlier one. An entry that cannot be used leaves what was there and is reported.
    #[must_use]
    pub fn from_entries(entries: &[ReferenceEntry]) -> (Self, Vec<ReferenceError>) {
        let mut reference = Self::embedded();
        let mut errors = Vec::new();
        for entry in entries {
            match entry {
                ReferenceEntry::DataSet(data) if data.kind == "milestone_set" => {
                    match MilestoneSet::parse(&data.text) {
                        Ok(set) => reference.put(set),
                        Err(source) => errors.push(ReferenceError::Set { name: data.name.clone(), source }),
                    }
                }
                ReferenceEntry::Seal(seal) => reference.seals.push(seal.clone()),
                ReferenceEntry::DataSet(data) if data.kind == "dictionaries" => match Dictionaries::parse(&data.text) {
                    Ok(newer) => reference.dictionaries.overlay(newer),
                    Err(source) => errors.push(ReferenceError::Dictionaries { name: data.name.clone(), source }),
                },
                ReferenceEntry::DataSet(data) if data.kind == "townships" => match Regions::parse(&data.text) {
                    Ok(regions) => {
                        (reference.townships, reference.counties) =
                            (regions.township_counties(), regions.county_names());
                    }
                    Err(source) => errors.push(ReferenceError::Townships { name: data.name.clone(), source }),
                },
                ReferenceEntry::DataSet(data) if data.kind == "rivers" => match Rivers::parse(&data.text) {
                    Ok(rivers) => reference.waters = rivers.names(),
                    Err(source) => errors.push(ReferenceError::Rivers { name: data.name.clone(), source }),
                },
                // Notices, assignments, blocks, layers and schedules say nothing about a row.
                ReferenceEntry::DataSet(_)
                | ReferenceEntry::Notice(_)
                | ReferenceEntry::Assignment(_)
                | ReferenceEntry::CodeBlock(_) => {}
            }
        }
        (reference, errors)
    }

    /// Adds a milestone set, or replaces the one of the same name.
    pub fn put(&mut self, set: MilestoneSet) {
        match self.sets.iter_mut().find(|own| own.id == set.id) {
            Some(own) => *own = set,
            None => self.sets.push(set),
        }
        if let Some(enabled) = self.sets.iter().find(|set| set.enabled) {
            self.active = enabled.clone();
        }
    }

    /// Does every outlet get the same row with this one as with the other? Seals and sets that are
    /// not in force say nothing about outlets.
    #[must_use]
    pub fn gives_equal_rows(&self, other: &Self) -> bool {
        // Named one by one, so that a new field has to be thought about here.
        let Self { sets: _, active, seals: _, dictionaries, townships, counties, waters } = self;
        (active, dictionaries, townships, counties, waters)
            == (&other.active, &other.dictionaries, &other.townships, &other.counties, &other.waters)
    }

    /// All sets.
    #[must_use]
    pub fn sets(&self) -> &[MilestoneSet] {
        &self.sets
    }

    /// The set whose settings hold for rows: the first enabled one.
    #[must_use]
    pub fn active_set(&self) -> &MilestoneSet {
        &self.active
    }
}
