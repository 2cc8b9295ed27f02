//! `outlet doctor`, `outlet backup`, `outlet restore`.

use std::path::PathBuf;

use clap::Args;
use outlet_core::store::{Checkup, restore as restore_store};
use serde_json::json;

use super::Outcome;
use crate::context::Context;
use crate::error::{CommandError, Result};
use crate::ui::Warning;

/// Examine the whole store: every frame of the journal, the index, every file.
///
/// What is damaged is named; what is readable can be exported. The index can always be rebuilt.
///
/// Example:
///   outlet doctor
///   outlet doctor --rebuild-index
///   outlet doctor --export readable.frames
///
/// JSON: {"healthy": bool, "findings": [{"code", "message"}], "commits", "files", "wrong_rows",
/// "exported": {"file", "frames"} with --export}
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct DoctorArgs {
    /// Build the index anew from the journal. Every examination does; this is the word for it.
    #[arg(long)]
    rebuild_index: bool,
    /// Write every readable frame of the journal into a file of its own.
    #[arg(long, value_name = "FILE")]
    export: Option<PathBuf>,
}

/// Write a backup of the whole store, keys included, into one file.
///
/// Keep it as safe as the device: whoever has it can sign as you.
///
/// Example:
///   outlet backup /media/card/outlet-2021-06-03.backup
///
/// JSON: {"file", "segments", "files", "bytes"}
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct BackupArgs {
    /// The file; it must not be there yet.
    file: PathBuf,
}

/// Restore a backup into an empty home.
///
/// The restored store writes under a new incarnation, so that the old device, if it still exists,
/// does no harm.
///
/// Example:
///   outlet --home ~/.outlet-restored restore /media/card/outlet-2021-06-03.backup
///
/// JSON: {"home", "segments", "files", "bytes"}
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct RestoreArgs {
    /// The backup.
    file: PathBuf,
}

/// Runs `outlet doctor`.
pub(crate) fn doctor(ctx: &mut Context<'_>, args: &DoctorArgs) -> Result<Outcome> {
    let mut bar = ctx.ui.progress(if args.rebuild_index { "building the index (bytes)" } else { "examining (bytes)" });
    let mut lines = Vec::new();
    let workspace = ctx.workspace()?;
    let checked = workspace.store().doctor(&mut |progress| lines.extend(bar.at(progress.done, progress.total)));
    bar.finish();
    lines.iter().for_each(|line| ctx.ui.status(line));
    let checkup = checked?;
    let exported = args.export.as_ref().map(|file| -> Result<_> {
        let frames = ctx.workspace()?.store().export_frames(file)?;
        Ok(json!({"file": file.display().to_string(), "frames": frames}))
    });
    let exported = exported.transpose()?;
    let (healthy, findings) = (checkup.is_healthy(), findings(&checkup));
    if ctx.ui.json {
        ctx.ui.data(&json!({"healthy": healthy, "findings": findings, "commits": checkup.commits,
            "files": checkup.files, "wrong_rows": checkup.wrong_rows, "exported": exported}))?;
    } else {
        let word = if healthy { "healthy" } else { "damaged" };
        ctx.ui.line(format!("{word}: {} commits, {} files", checkup.commits, checkup.files))?;
        for finding in &findings {
            ctx.ui.line(format!("{}: {}", finding.code, finding.message))?;
        }
        if let Some(exported) = &exported {
            ctx.ui.status(format!("{} frames exported.", exported["frames"]));
        }
    }
    if healthy {
        return Ok(Outcome::Done);
    }
    Err(CommandError::user("the store is damaged; what is readable stays readable")
        .hint("export it with `outlet doctor --export FILE`, then `outlet restore` a backup into a new home, or enrol anew and sync"))
}

fn findings(checkup: &Checkup) -> Vec<Warning> {
    let mut all: Vec<Warning> = Vec::new();
    for damage in &checkup.damage {
        all.push(Warning::new("journal_damaged", damage.to_string()));
    }
    if let Some(torn) = &checkup.torn {
        all.push(Warning::new("torn_tail", format!("an interrupted write was set aside: {torn}")));
    }
    if checkup.wrong_rows > 0 {
        let text = format!("{} rows of the index were wrong; it was built anew", checkup.wrong_rows);
        all.push(Warning::new("index_wrong", text));
    }
    for (doc, why) in &checkup.unreadable {
        all.push(Warning::new("document_unreadable", format!("{doc}: {why}")));
    }
    for hash in &checkup.missing_files {
        all.push(Warning::new("file_missing", format!("{hash} was not sent yet, and its bytes are gone")));
    }
    for hash in &checkup.bad_files {
        all.push(Warning::new("file_damaged", format!("the bytes of {hash} are not those of its name")));
    }
    if !checkup.unnamed_files.is_empty() {
        let text = format!(
            "{} files belong to no record: an act was interrupted before it was saved",
            checkup.unnamed_files.len()
        );
        all.push(Warning::new("files_unnamed", text));
    }
    all
}

/// Runs `outlet backup`.
pub(crate) fn backup(ctx: &mut Context<'_>, args: &BackupArgs) -> Result<Outcome> {
    if args.file.exists() {
        return Err(CommandError::user(format!("{} is there already", args.file.display()))
            .hint("name another file: an older backup is never overwritten"));
    }
    let report = ctx.workspace()?.store().backup(&args.file)?;
    let file = args.file.display().to_string();
    if ctx.ui.json {
        ctx.ui
            .data(&json!({"file": file, "segments": report.segments, "files": report.files, "bytes": report.bytes}))?;
    } else {
        ctx.ui.line(&file)?;
        ctx.ui.status(format!(
            "Backup complete: {} files, {} bytes. Keep it as safe as the device.",
            report.files, report.bytes
        ));
    }
    Ok(Outcome::Done)
}

/// Runs `outlet restore`.
pub(crate) fn restore(ctx: &mut Context<'_>, args: &RestoreArgs) -> Result<Outcome> {
    ctx.close()?;
    let home = ctx.home()?;
    let report = restore_store(&args.file, &home)?;
    let home = home.display().to_string();
    if ctx.ui.json {
        ctx.ui
            .data(&json!({"home": home, "segments": report.segments, "files": report.files, "bytes": report.bytes}))?;
    } else {
        ctx.ui.line(&home)?;
        ctx.ui.status("Restored. It writes under a new incarnation; run `outlet sync` to fetch what came since.");
    }
    Ok(Outcome::Done)
}
