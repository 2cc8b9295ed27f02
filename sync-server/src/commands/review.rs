//! `review …`.

use outlet_core::doc::Entry;
use outlet_core::ids::{DocKey, DocKind, OutletId};
use outlet_core::ledger::witness_chains;
use serde_json::Value;

use super::Outcome;
use super::desk::{account, acting, find, seen, written};
use crate::cli::{ReviewCommand, VerdictOnArgs};
use crate::desk::{self, Audited, Brief, Line, QueueFilter, Sheet};
use crate::engine::{Engine, EngineError, projector};
use crate::error::{CommandError, Exit};
use crate::ui::{self, Ui};

pub(super) fn review(command: &ReviewCommand, engine: &Engine, ui: &mut Ui) -> Outcome {
    match command {
        ReviewCommand::Queue { who, collection, state, clean, limit } => {
            let filter = QueueFilter { review: *state, collection: *collection, clean: *clean, limit: *limit };
            let lines = desk::queue(engine, &account(engine, who)?, &filter)?;
            ui.show(&lines, |lines| queue_text(lines))?;
        }
        ReviewCommand::Show { id } => {
            let brief = desk::brief(engine, find(engine, id)?)?;
            ui.show(&brief, brief_text)?;
        }
        ReviewCommand::Claim { id, who, release: false } => {
            let claim = desk::claim(engine, &acting(who), find(engine, id)?)?;
            ui.show(&claim, |claim| format!("{} has {} until {}", claim.by, claim.outlet.id, claim.until))?;
        }
        ReviewCommand::Claim { id, who, release: true } => {
            let key = find(engine, id)?;
            desk::release(engine, &acting(who), key)?;
            ui.show(&key, |key| format!("given back: {}", key.id))?;
        }
        ReviewCommand::Approve(args) => approve(args, engine, ui)?,
        ReviewCommand::Return(args) => return_record(args, engine, ui)?,
        ReviewCommand::Undo { id, who } => {
            let done = desk::undo(engine, &acting(who), find(engine, id)?)?;
            ui.show(&done, |done| written("taken back", done))?;
        }
        ReviewCommand::Sheet { who, size, seed } => {
            let seed = match seed {
                Some(seed) => *seed,
                // SQLite's integers are signed: 63 bits are enough.
                None => u64::from_be_bytes(crate::env::random()?) >> 1,
            };
            let sheet = desk::make_sheet(engine, &acting(who), *size, seed)?;
            ui.show(&sheet, sheet_text)?;
        }
        ReviewCommand::Open { sheet, id, who } => {
            let brief = desk::open_on_sheet(engine, &acting(who), *sheet, find(engine, id)?.id)?;
            ui.show(&brief, brief_text)?;
        }
        ReviewCommand::ApproveSheet { sheet, who, except } => {
            let except = except.iter().map(|id| Ok(find(engine, id)?.id));
            let except = except.collect::<Result<Vec<OutletId>, CommandError>>()?;
            let done = desk::approve_sheet(engine, &acting(who), *sheet, &except)?;
            ui.show(&done, |done| {
                let left = done.left_out.iter().map(|(id, why)| format!("\nleft out: {id}: {why}"));
                format!("{} approved{}", done.approved.len(), left.collect::<String>())
            })?;
        }
        ReviewCommand::Pace { who } => {
            let pace = desk::pace(engine, &account(engine, who)?)?;
            ui.show(&pace, |pace| {
                let hours = |hours: Option<i64>| hours.map_or_else(|| "-".to_owned(), |hours| format!("{hours} h"));
                let days =
                    pace.days_to_empty.map_or_else(|| "never at this pace".to_owned(), |days| format!("{days} days"));
                format!(
                    "waiting {}; in 7 days reviewed {}, handed in {}; empty in {days}; median wait {}, longest {}",
                    pace.waiting,
                    pace.reviewed_7_days,
                    pace.submitted_7_days,
                    hours(pace.median_wait_hours),
                    hours(pace.longest_wait_hours)
                )
            })?;
        }
        ReviewCommand::Audit { verify: true, .. } => return verify(engine, ui),
        ReviewCommand::Audit { id, account, limit, .. } => {
            audit(id.as_deref(), account.as_deref(), *limit, engine, ui)?
        }
    }
    Ok(Exit::Ok)
}

fn approve(args: &VerdictOnArgs, engine: &Engine, ui: &mut Ui) -> Result<(), CommandError> {
    if !args.reason.is_empty() {
        return Err(CommandError::usage("an approval has no reasons").hint("say it in --note, or use `review return`"));
    }
    let key = find(engine, &args.id)?;
    let seen = seen(engine, &key, &args.seen)?;
    let done = desk::approve(engine, &acting(&args.who), key, seen, &args.section, args.note.clone())?;
    ui.show(&done, |done| written("approved", done))
}

fn return_record(args: &VerdictOnArgs, engine: &Engine, ui: &mut Ui) -> Result<(), CommandError> {
    let key = find(engine, &args.id)?;
    let seen = seen(engine, &key, &args.seen)?;
    let what = (&args.section[..], &args.reason[..]);
    let done = desk::return_record(engine, &acting(&args.who), key, seen, what, args.note.clone())?;
    ui.show(&done, |done| written("returned", done))
}

fn queue_text(lines: &[Line]) -> String {
    if lines.is_empty() {
        return "nothing waits".to_owned();
    }
    let row = |line: &Line| {
        vec![
            line.number.clone().unwrap_or_else(|| line.id.to_string()),
            line.name.clone().unwrap_or_default(),
            line.inspector.clone().unwrap_or_default(),
            if line.again { format!("{} (again)", line.review) } else { line.review.clone() },
            format!("{}/{}", line.errors, line.warnings),
            line.conflicts.join(","),
            line.duplicates.to_string(),
            line.waiting_hours.map_or_else(String::new, |hours| format!("{hours} h")),
            line.claimed_by.clone().unwrap_or_default(),
        ]
    };
    let head = ["outlet", "name", "inspector", "review", "err/warn", "conflicts", "dup", "waits", "claimed by"];
    ui::table(&head, &lines.iter().map(row).collect::<Vec<_>>())
}

fn brief_text(brief: &Brief) -> String {
    let mut lines = vec![
        format!("{}  {}", brief.row.temporary_number.as_deref().unwrap_or("-"), brief.outlet.id),
        format!("review {}  state {}", brief.row.review_state.code(), brief.row.state.code()),
        format!("seen {}", brief.seen),
    ];
    if !brief.returned_for.is_empty() {
        lines.push(format!("returned before for {}; below is only what changed since", brief.returned_for.join(", ")));
    }
    for fact in &brief.facts {
        let now = fact.now.iter().map(plain).collect::<Vec<_>>().join(" | ");
        match &fact.before {
            Some(before) => lines.push(format!("  {}: {} -> {now}", fact.field, plain(before))),
            None => lines.push(format!("  {}: {now}", fact.field)),
        }
    }
    for entry in &brief.entries {
        let kind = entry.content["type"].as_str().unwrap_or("unknown");
        lines.push(format!("  {kind} by {} [{}]", entry.by, entry.entry));
    }
    for finding in &brief.findings {
        let detail = finding.detail.as_deref().unwrap_or_default();
        lines.push(format!("finding: {} {} {detail}", finding.code, finding.field.as_deref().unwrap_or_default()));
    }
    lines.extend(brief.conflicts.iter().map(|field| format!("conflict: {field}")));
    for pair in &brief.duplicates {
        lines.push(format!("possible duplicate: {} / {} ({})", pair.a_label, pair.b_label, pair.candidate.score));
    }
    lines.extend(brief.claim.iter().map(|claim| format!("claimed by {} until {}", claim.by, claim.until)));
    lines.join("\n")
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn sheet_text(sheet: &Sheet) -> String {
    let line = |line: &desk::SheetLine| {
        let number = line.number.clone().unwrap_or_else(|| line.id.to_string());
        let name = line.name.as_deref().unwrap_or_default();
        format!("{} {number}  {name}", if line.sample { "open first" } else { "          " })
    };
    let lines: Vec<String> = sheet.lines.iter().map(line).collect();
    format!("sheet {} (seed {}), {} records:\n{}", sheet.id, sheet.seed, sheet.lines.len(), lines.join("\n"))
}

fn audit(
    id: Option<&str>,
    account: Option<&str>,
    limit: u64,
    engine: &Engine,
    ui: &mut Ui,
) -> Result<(), CommandError> {
    let outlet = id.map(|id| find(engine, id)).transpose()?;
    let all = desk::audit(engine, outlet, account, limit, |_| true)?;
    ui.show(&all, |all| {
        let line = |one: &Audited| {
            let kind = one.content["type"].as_str().unwrap_or("unknown");
            let overruled = one.overruled.iter().map(plain).collect::<Vec<_>>().join(" | ");
            let from = if overruled.is_empty() { String::new() } else { format!(" over {overruled}") };
            format!("{}  {}  {kind}{from}  by {}  [{}]", one.at, one.outlet, one.by, one.entry)
        };
        all.iter().map(line).collect::<Vec<_>>().join("\n")
    })
}

/// Follows the chain of each server key through all case files.
fn verify(engine: &Engine, ui: &mut Ui) -> Outcome {
    let chains = engine.database().read::<_, EngineError>(|tx| {
        let mut entries: Vec<(DocKey, Entry)> = Vec::new();
        for key in projector::outlets(tx)? {
            let key = key.with_kind(DocKind::Case);
            if let Some(case) = projector::load(tx, &key)? {
                entries.extend(case.entries().into_iter().map(|entry| (key, entry)));
            }
        }
        Ok(witness_chains(entries.iter().map(|(key, entry)| (*key, entry))))
    })?;
    let whole = chains.values().all(outlet_core::ledger::Chain::is_whole);
    ui.show(&chains, |chains| {
        if chains.is_empty() {
            return "nothing was witnessed yet".to_owned();
        }
        let line = |(server, chain): (&outlet_core::ids::PublicKey, &outlet_core::ledger::Chain)| {
            let state = if chain.is_whole() { "whole" } else { "BROKEN" };
            format!(
                "{}  {} entries  {state}  missing before {}, forks {}",
                server.short(),
                chain.entries,
                chain.missing.len(),
                chain.forks.len()
            )
        };
        chains.iter().map(line).collect::<Vec<_>>().join("\n")
    })?;
    Ok(if whole { Exit::Ok } else { Exit::User })
}
