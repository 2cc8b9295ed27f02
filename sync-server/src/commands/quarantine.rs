//! `quarantine list|show|release|reject`.

use super::Outcome;
use crate::cli::{QuarantineCommand, VerdictArgs};
use crate::engine::{Decided, Engine, HeldRun};
use crate::error::{CommandError, Exit};
use crate::ui::{self, Ui};

pub(super) fn quarantine(command: &QuarantineCommand, engine: &Engine, ui: &mut Ui) -> Outcome {
    match command {
        QuarantineCommand::List => list(engine, ui),
        QuarantineCommand::Show { run } => show(&find(&engine.held()?, run)?, ui),
        QuarantineCommand::Release(args) => {
            let decided = engine.release(&named(engine, args)?, &args.by)?;
            report(&decided, ui)
        }
        QuarantineCommand::Reject(args) => {
            let decided = engine.reject(&named(engine, args)?, &args.by)?;
            report(&decided, ui)
        }
    }
}

fn list(engine: &Engine, ui: &mut Ui) -> Outcome {
    ui.show(&engine.held()?, |held| {
        if held.is_empty() {
            return "nothing is held".to_owned();
        }
        let row = |run: &HeldRun| {
            let waits: Vec<String> = run.waits_for.iter().map(outlet_core::ids::ChangeHash::short).collect();
            vec![
                run.run.short(),
                run.reason.clone(),
                run.changes.to_string(),
                run.author.short(),
                run.received_at.clone(),
                run.doc.to_string(),
                waits.join(" "),
            ]
        };
        let head = ["run", "reason", "changes", "author", "received", "document", "waits for"];
        ui::table(&head, &held.iter().map(row).collect::<Vec<_>>())
    })?;
    Ok(Exit::Ok)
}

fn show(run: &HeldRun, ui: &mut Ui) -> Outcome {
    ui.show(run, |run| {
        let waits: Vec<String> = run.waits_for.iter().map(ToString::to_string).collect();
        [
            ("run", run.run.to_string()),
            ("document", run.doc.to_string()),
            ("author", format!("{} {}", run.author, run.name.as_deref().unwrap_or_default())),
            ("brought by", run.carrier.to_string()),
            ("received", run.received_at.clone()),
            ("changes", run.changes.to_string()),
            ("reason", run.reason.clone()),
            ("waits for", waits.join("\n             ")),
        ]
        .map(|(label, value)| format!("{label:<12} {value}"))
        .join("\n")
    })?;
    Ok(Exit::Ok)
}

fn find(held: &[HeldRun], text: &str) -> Result<HeldRun, CommandError> {
    let given = text.to_ascii_lowercase();
    let found: Vec<&HeldRun> = held.iter().filter(|run| run.run.to_string().starts_with(&given)).collect();
    match found.as_slice() {
        [only] => Ok((*only).clone()),
        [] => Err(CommandError::user(format!("no held run starts with {text:?}"))
            .hint("`outlet-server quarantine list` shows all")),
        _ => Err(CommandError::user(format!("several held runs start with {text:?}")).hint("give more digits")),
    }
}

fn named(engine: &Engine, args: &VerdictArgs) -> Result<Vec<HeldRun>, CommandError> {
    let held = engine.held()?;
    if args.all || args.author.is_some() {
        let runs: Vec<HeldRun> =
            held.into_iter().filter(|run| args.author.is_none_or(|author| run.author == author)).collect();
        if runs.is_empty() {
            return Err(
                CommandError::user("nothing is held that this names").hint("`outlet-server quarantine list` shows all")
            );
        }
        return Ok(runs);
    }
    args.runs.iter().map(|run| find(&held, run)).collect()
}

fn report(decided: &Decided, ui: &mut Ui) -> Outcome {
    ui.show(decided, |decided| {
        let mut text = format!("{} released, {} rejected", decided.released.len(), decided.rejected.len());
        if !decided.still_held.is_empty() {
            text.push_str(&format!(", {} stay held because what they build on is", decided.still_held.len()));
        }
        text
    })?;
    Ok(if decided.still_held.is_empty() { Exit::Ok } else { Exit::Incomplete })
}
