//! `import preview|run|list|mapping`.

use std::path::{Path, PathBuf};

use outlet_core::identity::Role;
use outlet_core::import::{Mapping, suggest};
use serde::Serialize;

use super::Outcome;
use crate::cli::worklist::{ImportCommand, MappingCommand};
use crate::db::{DbError, meta};
use crate::engine::Engine;
use crate::error::{CommandError, Exit, IoContext};
use crate::import::register::{self, Listed, Saved};
use crate::import::{self, Checked, Job};
use crate::ui::{self, Ui};

/// Rows between two lines of progress.
const REPORT_EVERY: u64 = 10_000;

pub(super) fn import(command: &ImportCommand, engine: &Engine, ui: &mut Ui) -> Outcome {
    match command {
        ImportCommand::Preview { file, mapping: None } => columns(file, ui),
        ImportCommand::Preview { file, mapping: Some(mapping) } => {
            let mapping = load(engine, mapping)?;
            preview(engine, file, &mapping, ui)
        }
        ImportCommand::Run { file, mapping, skip_bad, dry_run, by } => {
            let mapping = load(engine, mapping)?;
            if *dry_run {
                return preview(engine, file, &mapping, ui);
            }
            let by = super::who(engine, by.as_deref(), Role::Admin)?;
            run(engine, (file, &mapping), *skip_bad, &by, ui)
        }
        ImportCommand::List => list(engine, ui),
        ImportCommand::Mapping(command) => mapping(command, engine, ui),
    }
}

/// `import preview --json` without a mapping.
#[derive(Serialize)]
struct Columns {
    columns: Vec<String>,
    notes: Vec<String>,
    mapping: String,
}

fn columns(file: &Path, ui: &mut Ui) -> Outcome {
    let (columns, notes) = import::columns(file).map_err(|error| CommandError::user(error.to_string()))?;
    let name = file.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    let mapping = suggest(&name, &columns).to_toml();
    ui.show(&Columns { columns, notes, mapping }, |found| {
        format!(
            "columns: {}\n{}\n\n# A suggestion: correct it, say the datum, then `outlet-server import mapping save FILE`.\n{}",
            found.columns.join(" | "),
            found.notes.join("\n"),
            found.mapping
        )
    })?;
    Ok(Exit::Ok)
}

/// A saved mapping by its name, or a file.
fn load(engine: &Engine, name: &str) -> Result<Mapping, CommandError> {
    let text = match register::text(engine, name)? {
        Some(text) => text,
        None if Path::new(name).exists() => {
            std::fs::read_to_string(name).context(format_args!("reading the mapping {name}"))?
        }
        None => {
            return Err(CommandError::user(format!("there is no mapping {name:?}, neither saved nor as a file"))
                .hint("`outlet-server import mapping list` shows the saved ones; `import preview FILE` suggests one"));
        }
    };
    parse(&text, name)
}

fn parse(text: &str, name: &str) -> Result<Mapping, CommandError> {
    Mapping::parse(text).map_err(|error| CommandError::user(format!("the mapping {name}: {error}")))
}

fn check(engine: &Engine, job: &Job<'_>) -> Result<Checked, CommandError> {
    Ok(import::check(engine, job)?)
}

fn preview(engine: &Engine, file: &Path, mapping: &Mapping, ui: &mut Ui) -> Outcome {
    let names = engine.names()?;
    let job = Job { path: file, mapping, places: names.places(), by: "", skip_bad: false };
    let checked = check(engine, &job)?;
    ui.show(&checked, report)?;
    Ok(if checked.bad > 0 { Exit::Incomplete } else { Exit::Ok })
}

fn report(checked: &Checked) -> String {
    let mut lines = checked.notes.clone();
    let Checked { rows, good, bad, known, .. } = checked;
    lines.push(format!(
        "list {}: {rows} rows, {good} good ({known} of them are there already), {bad} bad",
        checked.list
    ));
    if !checked.unused.is_empty() {
        lines.push(format!("columns not used: {}", checked.unused.join(", ")));
    }
    lines.extend(checked.by_collection.iter().map(|(county, count)| format!("  {county}: {count}")));
    lines.extend(checked.counts.iter().map(|(code, count)| format!("{count:>8} × {code}")));
    lines.extend(checked.problems.iter().map(|problem| {
        let kind = if problem.error { "error" } else { "note" };
        format!("line {} {}: {kind} {}: {}", problem.line, problem.column, problem.code, problem.message)
    }));
    for row in &checked.sample {
        let facts: Vec<String> = row.facts.iter().map(|(name, value)| format!("{name}={value}")).collect();
        lines.push(format!("line {} → {} {}", row.line, row.source_id, facts.join(" ")));
    }
    lines.join("\n")
}

fn run(engine: &Engine, (file, mapping): (&PathBuf, &Mapping), skip_bad: bool, by: &str, ui: &mut Ui) -> Outcome {
    let names = engine.names()?;
    let job = Job { path: file, mapping, places: names.places(), by, skip_bad };
    let checked = check(engine, &job)?;
    if checked.bad > 0 && !skip_bad {
        ui.note(report(&checked));
    }
    let mut said = 0;
    let total = checked.good;
    let done = {
        let mut progress = |done: u64| {
            if done / REPORT_EVERY > said {
                said = done / REPORT_EVERY;
                ui.note(format_args!("{done} of {total} rows"));
            }
        };
        import::run(engine, &job, &checked, &mut progress).map_err(CommandError::from)?
    };
    let now = engine.folder.now();
    let detail = format!("{}: {} records of {}", done.list, done.created, file.display());
    engine.database().write::<_, DbError>(|tx| meta::audit(tx, now, by, "import", &detail))?;
    ui.show(&done, |done| {
        format!(
            "import {}: list {}, {} records made, {} were there, {} rows left out",
            done.import, done.list, done.created, done.known, done.skipped
        )
    })?;
    Ok(if done.skipped > 0 { Exit::Incomplete } else { Exit::Ok })
}

fn list(engine: &Engine, ui: &mut Ui) -> Outcome {
    let all = register::all(engine)?;
    ui.show(&all, |all| {
        let row = |import: &Listed| {
            vec![
                import.id.to_string(),
                import.list.clone(),
                import.file_name.clone(),
                import.state.to_owned(),
                import.rows.to_string(),
                import.created.to_string(),
                import.skipped.to_string(),
                import.by.clone(),
                import.started_at.clone(),
            ]
        };
        let head = ["id", "list", "file", "state", "rows", "created", "left out", "by", "started"];
        ui::table(&head, &all.iter().map(row).collect::<Vec<_>>())
    })?;
    Ok(Exit::Ok)
}

fn mapping(command: &MappingCommand, engine: &Engine, ui: &mut Ui) -> Outcome {
    match command {
        MappingCommand::Save { file, by } => {
            let text = std::fs::read_to_string(file).context(format_args!("reading {}", file.display()))?;
            let mapping = parse(&text, &file.display().to_string())?;
            let by = super::who(engine, by.as_deref(), Role::Admin)?;
            let saved = register::save(engine, &mapping, &text, &by)?;
            ui.show(&saved, |saved| format!("saved: mapping {}", saved.name))?;
        }
        MappingCommand::List => {
            let all = register::mappings(engine)?;
            ui.show(&all, |all| {
                let row = |saved: &Saved| vec![saved.name.clone(), saved.saved_by.clone(), saved.saved_at.clone()];
                ui::table(&["name", "saved by", "saved at"], &all.iter().map(row).collect::<Vec<_>>())
            })?;
        }
        MappingCommand::Show { name } => {
            let text = register::text(engine, name)?.ok_or_else(|| {
                CommandError::user(format!("there is no mapping {name:?}"))
                    .hint("`outlet-server import mapping list` shows the saved ones")
            })?;
            ui.show(&text, String::clone)?;
        }
    }
    Ok(Exit::Ok)
}
