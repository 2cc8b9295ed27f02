//! `load-reference`.

use std::path::Path;

use outlet_core::consent::Regimes;
use outlet_core::domain::dictionary::Dictionaries;
use outlet_core::domain::reference::{DataSet, ReferenceEntry};
use outlet_core::ledger::MilestoneSet;
use outlet_core::rules::RuleSet;
use outlet_core::worklist::{Schedule, WalkScope};
use serde::Serialize;

use super::Outcome;
use crate::cli::LoadReferenceArgs;
use crate::engine::{Engine, reference_key};
use crate::error::{CommandError, Exit, IoContext};
use crate::ui::Ui;

/// One element of `load-reference --json`.
#[derive(Serialize)]
struct Loaded {
    file: String,
    kind: String,
    name: String,
    version: String,
    /// False when the newest version already was the same text.
    changed: bool,
}

pub(super) fn load(args: &LoadReferenceArgs, engine: &Engine, ui: &mut Ui) -> Outcome {
    // All are read and checked before the first is written.
    let sets = args.files.iter().map(|file| read(file, engine)).collect::<Result<Vec<_>, _>>()?;
    let mut loaded = Vec::new();
    for (file, set) in args.files.iter().zip(sets) {
        let key = reference_key(&set.kind, &set.name);
        let newest = engine.reference_entries(&key)?.into_iter().rev().find_map(|entry| match entry {
            ReferenceEntry::DataSet(data) if data.kind == set.kind && data.name == set.name => Some(data.text),
            _ => None,
        });
        let changed = newest.as_deref() != Some(&set.text);
        loaded.push(Loaded {
            file: file.display().to_string(),
            kind: set.kind.clone(),
            name: set.name.clone(),
            version: set.version.clone(),
            changed,
        });
        if changed {
            engine.write_reference(key, &[ReferenceEntry::DataSet(set)])?;
        }
    }
    ui.show(&loaded, |loaded| {
        let line = |set: &Loaded| {
            let state = if set.changed { "loaded" } else { "unchanged" };
            format!("{state:<10} {} {} version {} ({})", set.kind, set.name, set.version, set.file)
        };
        loaded.iter().map(line).collect::<Vec<_>>().join("\n")
    })?;
    Ok(Exit::Ok)
}

fn read(file: &Path, engine: &Engine) -> Result<DataSet, CommandError> {
    let shown = file.display();
    let text = std::fs::read_to_string(file).context(format_args!("reading {shown}"))?;
    let table: toml::Table =
        text.parse().map_err(|error| CommandError::user(format!("{shown} is not TOML: {error}")))?;
    let string = |key: &str| table.get(key).and_then(toml::Value::as_str).map(str::to_owned);
    let wrong = |error: &dyn std::fmt::Display| CommandError::user(format!("{shown}: {error}; nothing was loaded"));
    let kind = if string("kind").as_deref() == Some("milestone_set") {
        MilestoneSet::parse(&text).map_err(|error| wrong(&error))?;
        "milestone_set"
    } else if table.contains_key("dictionary") {
        Dictionaries::parse(&text).map_err(|error| wrong(&error))?;
        "dictionaries"
    } else if string("kind").as_deref() == Some("inspection_schedule") {
        Schedule::parse(&text).map_err(|error| wrong(&error))?;
        "inspection_schedule"
    } else if string("kind").as_deref() == Some("rule_set") {
        RuleSet::parse(&text).map_err(|error| wrong(&error))?;
        "rule_set"
    } else if string("kind").as_deref() == Some("consent_regimes") {
        Regimes::parse(&text).map_err(|error| wrong(&error))?;
        "consent_regimes"
    } else if string("kind").as_deref() == Some("walk_scope") {
        WalkScope::parse(&text).map_err(|error| wrong(&error))?;
        "walk_scope"
    } else if table.contains_key("township") || table.contains_key("county") {
        "townships"
    } else if table.contains_key("river") {
        "rivers"
    } else {
        return Err(CommandError::user(format!("{shown} is no data set that this program knows; nothing was loaded")).hint(
            "it needs kind = \"milestone_set\", \"rule_set\", \"consent_regimes\", \"inspection_schedule\" or \"walk_scope\", or tables [[dictionary]], [[township]], [[river]]; see fixtures/ for examples",
        ));
    };
    let stem = || file.file_stem().map(|stem| stem.to_string_lossy().into_owned());
    let name = string("id").or_else(|| string("name")).or_else(stem).unwrap_or_default();
    let version = string("version").unwrap_or_else(|| "1".to_owned());
    Ok(DataSet { kind: kind.to_owned(), name, version, text, at: engine.folder.now() })
}
