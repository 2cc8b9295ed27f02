//! `rules suggest|list`.

use outlet_core::domain::dictionary::Lang;
use outlet_core::ids::DocKey;
use outlet_core::ledger::LifeCycle;
use outlet_core::rules::{Basis, Outcome as Told, Reason, Report, Subject, reasons, suggest};
use outlet_core::time::Day;
use serde::Serialize;

use super::Outcome;
use super::ledger::word;
use crate::cli::zones::RulesCommand;
use crate::engine::Engine;
use crate::error::Exit;
use crate::report;
use crate::suggesting::{outlets_of_parties, party};
use crate::ui::{self, Ui};

pub(super) fn rules(command: &RulesCommand, engine: &Engine, ui: &mut Ui) -> Outcome {
    match command {
        RulesCommand::Suggest { id, on, .. } => {
            let on = on.unwrap_or_else(|| engine.folder.now().day_in_shanghai());
            let only = id.as_deref().map(|id| super::find(engine, id)).transpose()?;
            suggestions(engine, only, on, ui)
        }
        RulesCommand::List => list(engine, ui),
    }
}

/// `rules suggest --json`.
#[derive(Serialize)]
struct Suggested {
    outlet: DocKey,
    name: Option<String>,
    /// As decided, for comparison.
    classification: Option<String>,
    #[serde(flatten)]
    report: Report,
}

fn suggestions(engine: &Engine, only: Option<DocKey>, on: Day, ui: &mut Ui) -> Outcome {
    let (layers, set) = (engine.layers()?, engine.rule_set()?);
    let rows = report::current_rows(engine)?;
    let parties = outlets_of_parties(&rows);
    let wanted = rows.into_iter().filter(|row| match only {
        Some(key) => row.key == key,
        None => !matches!(row.state, LifeCycle::NotAnOutlet | LifeCycle::Duplicate | LifeCycle::Moved),
    });
    let all: Vec<Suggested> = wanted
        .map(|row| {
            let count = party(&row).and_then(|party| parties.get(&party).copied());
            let report = suggest(&Subject::of(&row, count), &layers, &set, on);
            Suggested { outlet: row.key, name: row.name, classification: row.classification, report }
        })
        .collect();
    ui.show(&all, |all| all.iter().map(text).collect::<Vec<_>>().join("\n"))?;
    Ok(Exit::Ok)
}

fn text(suggested: &Suggested) -> String {
    let Suggested { outlet, name, report, .. } = suggested;
    let class = report.class.unwrap_or("none");
    let conflicting = if report.conflicting { " (rules disagree: a person decides)" } else { "" };
    let mut lines = vec![format!("{}  {}  suggests {class}{conflicting}", outlet.id, name.as_deref().unwrap_or("-"))];
    lines.extend(report.outcomes.iter().filter_map(line));
    lines.join("\n")
}

/// One rule in words; what does not apply is left out.
pub(crate) fn line(outcome: &Told) -> Option<String> {
    let said = |all: &[Reason]| reasons(all, Lang::En);
    let cite = |bases: &[Basis]| {
        bases.iter().map(|basis| format!("{}{}", basis.document, basis.article)).collect::<Vec<_>>().join("; ")
    };
    Some(match outcome {
        Told::Suggested { rule, effect, why, bases, zones, pre_existing, .. } => {
            let layers: Vec<String> =
                zones.iter().map(|hit| format!("{} {} ({})", hit.layer, hit.version, hit.document)).collect();
            let layers = if layers.is_empty() { String::new() } else { format!("; layer {}", layers.join(", ")) };
            let older = match pre_existing {
                Some(true) => "; the outlet is older than the zone (pre_existing)",
                _ => "",
            };
            format!("  {rule} {}: {}; {}{layers}{older}", word(effect), said(why), cite(bases))
        }
        Told::NoBasisInForce { rule, why, bases } => {
            format!("  {rule} no basis in force on that day: {}; {}", said(why), cite(bases))
        }
        Told::Unknown { rule, missing } => format!("  {rule} unknown: {}", said(missing)),
        _ => return None,
    })
}

/// `rules list --json`.
#[derive(Serialize)]
struct Listed {
    version: String,
    bases: Vec<Basis>,
    rules: Vec<ListedRule>,
}

#[derive(Serialize)]
struct ListedRule {
    id: String,
    enabled: bool,
    bases: Vec<String>,
    note: Option<String>,
}

fn list(engine: &Engine, ui: &mut Ui) -> Outcome {
    let set = engine.rule_set()?;
    let rules = set.rules.into_iter().map(|rule| ListedRule {
        id: rule.id,
        enabled: rule.enabled,
        bases: rule.bases,
        note: rule.note,
    });
    let listed = Listed { version: set.version, bases: set.bases, rules: rules.collect() };
    ui.show(&listed, |listed| {
        let line = |rule: &ListedRule| {
            let state = if rule.enabled { "on" } else { "off" };
            vec![rule.id.clone(), state.to_owned(), rule.bases.join(" "), rule.note.clone().unwrap_or_default()]
        };
        ui::table(&["rule", "state", "bases", "note"], &listed.rules.iter().map(line).collect::<Vec<_>>())
    })?;
    Ok(Exit::Ok)
}
