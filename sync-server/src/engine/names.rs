//! Names in force: dictionaries, divisions and rivers, those that ship under those that were
//! loaded; and the walks, which are field documents without an outlet.

use outlet_core::consent::Regimes;
use outlet_core::domain::dictionary::Dictionaries;
use outlet_core::domain::field::{FieldEntry, Walk};
use outlet_core::domain::reference::ReferenceEntry;
use outlet_core::domain::region::{Regions, Rivers};
use outlet_core::ids::{Collection, DocKind, EntryId};
use outlet_core::import::Places;
use outlet_core::rules::RuleSet;
use outlet_core::worklist::{Schedule, ScheduleError, ScopeError, WalkScope};
use outlet_core::zones::Layers;

use super::{Engine, EngineError, projector};
use crate::db::{feed, records};

/// Names in force.
#[derive(Debug)]
pub struct Names {
    /// Codes and labels.
    pub dictionaries: Dictionaries,
    /// Counties and townships.
    pub regions: Regions,
    /// Rivers.
    pub rivers: Rivers,
}

impl Names {
    /// For an import.
    #[must_use]
    pub fn places(&self) -> Places<'_> {
        Places { dictionaries: &self.dictionaries, regions: &self.regions, rivers: &self.rivers }
    }
}

impl Engine {
    /// The names in force now.
    ///
    /// # Errors
    /// When a reference document cannot be loaded.
    pub fn names(&self) -> Result<Names, EngineError> {
        let entries = self.database().read(|tx| projector::reference_entries(tx))?;
        let mut names =
            Names { dictionaries: Dictionaries::embedded(), regions: Regions::embedded(), rivers: Rivers::embedded() };
        for entry in entries {
            let ReferenceEntry::DataSet(set) = entry else { continue };
            // A file of a newer format than this program knows leaves what was in force.
            match set.kind.as_str() {
                "dictionaries" => {
                    Dictionaries::parse(&set.text).into_iter().for_each(|newer| names.dictionaries.overlay(newer));
                }
                "townships" => Regions::parse(&set.text).into_iter().for_each(|newer| names.regions = newer),
                "rivers" => Rivers::parse(&set.text).into_iter().for_each(|newer| names.rivers = newer),
                _ => {}
            }
        }
        Ok(names)
    }

    /// The newest data set of a kind.
    fn newest_set(&self, kind: &str) -> Result<Option<String>, EngineError> {
        let entries = self.database().read(|tx| projector::reference_entries(tx))?;
        let mut sets = entries.into_iter().filter_map(|entry| match entry {
            ReferenceEntry::DataSet(set) if set.kind == kind => Some(set.text),
            _ => None,
        });
        Ok(sets.next_back())
    }

    /// Reaches that are to be walked; none where nothing was loaded.
    ///
    /// # Errors
    /// When a reference document cannot be loaded; inside, when the newest one cannot be read.
    pub fn walk_scope(&self) -> Result<Result<WalkScope, ScopeError>, EngineError> {
        Ok(self.newest_set("walk_scope")?.map_or_else(|| Ok(WalkScope::default()), |text| WalkScope::parse(&text)))
    }

    /// The schedule of inspections, if one was loaded.
    ///
    /// # Errors
    /// As [`Engine::walk_scope`].
    pub fn inspection_schedule(&self) -> Result<Option<Result<Schedule, ScheduleError>>, EngineError> {
        Ok(self.newest_set("inspection_schedule")?.map(|text| Schedule::parse(&text)))
    }

    /// All walks that no later one corrects, in the collections that `sees` lets through.
    ///
    /// # Errors
    /// When a document cannot be loaded.
    pub fn walks(&self, sees: impl Fn(Collection) -> bool) -> Result<Vec<Walk>, EngineError> {
        self.database().read(|tx| {
            let mut walks: Vec<(EntryId, Walk)> = Vec::new();
            for collection in feed::collections(tx)?.into_iter().filter(|collection| sees(*collection)) {
                let logs = records::keys(tx, collection)?;
                for key in logs.into_iter().filter(|key| key.kind == DocKind::Field && key.id.is_walk_log()) {
                    let Some(document) = projector::load(tx, &key)? else { continue };
                    walks.extend(document.entries().iter().filter_map(|entry| match entry.parse() {
                        Ok(FieldEntry::Walk(walk)) => Some((entry.id, *walk)),
                        _ => None,
                    }));
                }
            }
            let corrected: Vec<EntryId> = walks.iter().filter_map(|(_, walk)| walk.corrects).collect();
            Ok(walks.into_iter().filter(|(id, _)| !corrected.contains(id)).map(|(_, walk)| walk).collect())
        })
    }
}

impl Engine {
    /// Zone layers in force.
    ///
    /// # Errors
    /// When a reference document cannot be loaded.
    pub fn layers(&self) -> Result<Layers, EngineError> {
        let entries = self.database().read(|tx| projector::reference_entries(tx))?;
        let (layers, errors) = Layers::from_entries(&entries);
        for error in errors {
            tracing::warn!(%error, "a zone layer cannot be used");
        }
        Ok(layers)
    }

    /// Rules in force: those that ship, or the newest loaded.
    ///
    /// # Errors
    /// When a reference document cannot be loaded.
    pub fn rule_set(&self) -> Result<RuleSet, EngineError> {
        let entries = self.database().read(|tx| projector::reference_entries(tx))?;
        let newest = entries.iter().rev().find_map(|entry| match entry {
            ReferenceEntry::DataSet(set) if set.kind == "rule_set" => RuleSet::parse(&set.text).ok(),
            _ => None,
        });
        Ok(newest.unwrap_or_else(RuleSet::embedded))
    }
}

impl Engine {
    /// Regimes of consent in force: those that ship, or the newest loaded.
    ///
    /// # Errors
    /// When a reference document cannot be loaded.
    pub fn consent_regimes(&self) -> Result<Regimes, EngineError> {
        let entries = self.database().read(|tx| projector::reference_entries(tx))?;
        let newest = entries.iter().rev().find_map(|entry| match entry {
            ReferenceEntry::DataSet(set) if set.kind == "consent_regimes" => Regimes::parse(&set.text).ok(),
            _ => None,
        });
        Ok(newest.unwrap_or_else(Regimes::embedded))
    }
}
