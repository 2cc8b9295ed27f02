//! `outlet suggest`: what the rules say of an outlet, without a network.

use clap::Args;
use outlet_core::domain::dictionary::Lang;
use outlet_core::domain::reference::ReferenceEntry;
use outlet_core::ids::OutletId;
use outlet_core::ledger::Reference;
use outlet_core::rules::{Outcome as Told, Reason, Report, RuleSet, Subject, reasons, suggest};
use outlet_core::time::Day;
use outlet_core::zones::Layers;
use serde::Serialize;

use super::Outcome;
use crate::context::Context;
use crate::error::Result;
use crate::input::day;

/// Suggest a class by rules, with legal basis and zone layer; offline. A person decides.
///
/// Zones, rules and legal bases are those of the last sync. Where a layer is missing the answer is
/// unknown, never "not inside". Only bases in force on the day are cited.
///
/// Example:
///   outlet suggest T-12 --on 2022-03-01
///
/// JSON: {"id", "on", "rules", "class", "conflicting", "outcomes": [{"outcome": "suggested", "rule",
/// "effect", "strong", "why", "bases", "zones", "pre_existing"} | {"outcome": "unknown", "rule",
/// "missing"} | {"outcome": "no_basis_in_force"|"not_met"|"off", "rule"}]}; "why" and "missing" are
/// [{"code", "names", "text"}]
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct SuggestArgs {
    /// Outlet: UUID, unique prefix of it, or temporary number.
    id: String,
    /// Day of the decision [default: today].
    #[arg(long, value_parser = day)]
    on: Option<Day>,
}

#[derive(Serialize)]
struct Suggested {
    id: OutletId,
    #[serde(flatten)]
    report: Report,
}

/// Runs `outlet suggest`.
pub(crate) fn run(ctx: &mut Context<'_>, args: &SuggestArgs) -> Result<Outcome> {
    let key = ctx.outlet(&args.id)?;
    let on = args.on.unwrap_or_else(|| ctx.now().day_in_shanghai());
    let entries = ctx.reference_entries()?;
    let (layers, _) = Layers::from_entries(&entries);
    let rules = entries.iter().rev().find_map(|entry| match entry {
        ReferenceEntry::DataSet(set) if set.kind == "rule_set" => RuleSet::parse(&set.text).ok(),
        _ => None,
    });
    let (reference, _) = Reference::from_entries(&entries);
    let row = ctx.ledger_row(&key, &reference)?;
    let report = suggest(&Subject::of(&row, None), &layers, &rules.unwrap_or_else(RuleSet::embedded), on);
    if ctx.ui.json {
        ctx.ui.data(&Suggested { id: key.id, report })?;
        return Ok(Outcome::Done);
    }
    let conflicting = if report.conflicting { ", and rules disagree" } else { "" };
    ctx.ui.line(format!("suggested class: {}{conflicting}; a person decides", report.class.unwrap_or("none")))?;
    let said = |all: &[Reason]| reasons(all, Lang::En);
    for told in &report.outcomes {
        let line = match told {
            Told::Suggested { rule, why, bases, zones, pre_existing, .. } => {
                let bases: Vec<String> =
                    bases.iter().map(|basis| format!("{}{}", basis.document, basis.article)).collect();
                let layers: Vec<String> = zones.iter().map(|hit| format!("{} {}", hit.layer, hit.version)).collect();
                let older = if *pre_existing == Some(true) { "; older than the zone" } else { "" };
                format!("{rule}: {} [{}] {}{older}", said(why), bases.join("; "), layers.join(", "))
            }
            Told::NoBasisInForce { rule, why, .. } => {
                format!("{rule}: {}, but no basis was in force on {on}", said(why))
            }
            Told::Unknown { rule, missing } => format!("{rule}: unknown, {}", said(missing)),
            _ => continue,
        };
        ctx.ui.line(line)?;
    }
    Ok(Outcome::Done)
}
