//! `outlet attach` (papers, videos, personal data) and `outlet withdraw`.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use clap::Args;
use outlet_core::domain::field::{Attachment, FieldEntry, Withdrawn};
use outlet_core::ids::BlobHash;
use outlet_core::media::MediaKind;
use outlet_core::store::StoredBlob;
use outlet_core::time::Day;
use serde::Serialize;

use super::Outcome;
use crate::context::{Context, Saved};
use crate::error::{CommandError, Result};
use crate::input::day;
use crate::ui::Warning;

/// Attach files other than pictures: laboratory reports, papers, videos. They are kept untouched,
/// hashed into the signed record, and synced like photos.
///
/// `--kind personal` is for data of natural persons (contact, phone, ID number): the file is a JSON
/// object; a random salt is added, its name is not recorded, and `outlet withdraw` removes it
/// everywhere later.
///
/// Example:
///   outlet attach T-12 report.pdf --kind lab_report --dated 2021-06-10 --number SY-0412
///   outlet attach T-12 contact.json --kind personal
///
/// JSON: {"id", "change", "entries": [..], "state": "on_device", "files": [{"file", "sha256", "bytes",
/// "mime", "kind", "entry"}], "warnings": [{"code", "message"}]}
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct AttachArgs {
    /// Outlet: UUID, unique prefix of it, or temporary number.
    id: String,
    /// Files.
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// lab_report|consent|acceptance|connection|plan|designation|permit|video|personal|other.
    #[arg(long)]
    kind: String,
    /// Date on the paper.
    #[arg(long, value_parser = day)]
    dated: Option<Day>,
    /// 文号 or report number.
    #[arg(long)]
    number: Option<String>,
}

/// Withdraw a photo or attachment: every replica removes the bytes, the hash stays.
///
/// Example:
///   outlet withdraw T-12 4f2a… --ground '个人信息保护法第四十七条'
///
/// JSON: {"id", "change", "entries": [..], "state": "on_device", "warnings": [{"code", "message"}]}
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct WithdrawArgs {
    /// Outlet: UUID, unique prefix of it, or temporary number.
    id: String,
    /// SHA-256 of the file, as `outlet show` prints it.
    sha256: BlobHash,
    /// Legal ground.
    #[arg(long)]
    ground: String,
}

#[derive(Serialize)]
struct Attached {
    file: String,
    sha256: BlobHash,
    bytes: u64,
    mime: String,
    kind: String,
}

/// Runs `outlet attach`.
pub(crate) fn attach(ctx: &mut Context<'_>, args: &AttachArgs) -> Result<Outcome> {
    let key = ctx.outlet(&args.id)?;
    let kind = ctx.dictionaries()?.code("--kind", "attachment_kind", &args.kind)?;
    let mut warnings: Vec<Warning> = Vec::new();
    ctx.check_day("--dated", args.dated, &mut warnings);
    ctx.may_write_field(&key)?;
    let mut attached = Vec::new();
    let mut entries = Vec::new();
    for path in &args.files {
        let personal = kind == "personal";
        let (stored, mime) = if personal { keep_personal(ctx, path)? } else { keep_file(ctx, path)? };
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
        entries.push(FieldEntry::Attachment(Attachment {
            sha256: stored.hash,
            bytes: stored.bytes,
            mime: mime.clone(),
            kind: kind.clone(),
            dated: args.dated,
            number: args.number.clone(),
            // The name of a file often is the name of a person.
            file_name: name.clone().filter(|_| !personal),
            at: ctx.now(),
        }));
        attached.push(Attached {
            file: path.display().to_string(),
            sha256: stored.hash,
            bytes: stored.bytes,
            mime,
            kind: kind.clone(),
        });
    }
    let saved = ctx.save_field(&key, &entries, None, warnings)?;
    report_files(ctx, &saved, &attached, attached.len(), |file| {
        format!("{}  {}  {} bytes  {}", file.sha256, file.kind, file.bytes, file.file)
    })
}

/// Copies a file into the store; its first bytes say what it is.
fn keep_file(ctx: &mut Context<'_>, path: &Path) -> Result<(StoredBlob, String)> {
    let unreadable = |error: std::io::Error| {
        CommandError::because(format!("cannot read {}", path.display()), error)
            .hint("check the path, and that the card or phone is still connected")
    };
    let mut head = Vec::new();
    let mut file = File::open(path).map_err(unreadable)?;
    file.by_ref().take(4096).read_to_end(&mut head).map_err(unreadable)?;
    if head.is_empty() {
        return Err(CommandError::user(format!("{} is empty", path.display()))
            .hint("it may still be copying, or the program that made it failed; look at it again"));
    }
    let stored = ctx.workspace()?.add_file(path)?;
    Ok((stored, MediaKind::of(&head).mime().to_owned()))
}

/// Personal data: one JSON object, with a random salt so that nobody finds out by guessing whose
/// phone number has this hash.
fn keep_personal(ctx: &mut Context<'_>, path: &Path) -> Result<(StoredBlob, String)> {
    let refused = |what: &str| {
        CommandError::user(format!("{}: {what}", path.display()))
            .hint("write a JSON object such as {\"contact\": \"…\", \"phone\": \"…\"}")
    };
    let text = std::fs::read_to_string(path).map_err(|error| {
        CommandError::because(format!("cannot read {}", path.display()), error).hint("name a small JSON file (UTF-8)")
    })?;
    let mut object: serde_json::Map<String, serde_json::Value> =
        serde_json::from_str(&text).map_err(|_| refused("personal data is one JSON object"))?;
    if object.is_empty() {
        return Err(refused("there is nothing in it"));
    }
    let mut salt = [0; 32];
    ctx.ui.env.random(&mut salt).map_err(|error| CommandError::because("no randomness for the salt", error))?;
    let salt: String = salt.iter().map(|byte| format!("{byte:02x}")).collect();
    object.insert("salt".to_owned(), salt.into());
    let text = serde_json::to_string(&object)?;
    let stored = ctx.workspace()?.add_bytes("personal data", text.as_bytes())?;
    Ok((stored, "application/json".to_owned()))
}

/// One line or object per file, then the usual report.
pub(crate) fn report_files<F: Serialize>(
    ctx: &mut Context<'_>,
    saved: &Saved,
    files: &[F],
    kept: usize,
    line: impl Fn(&F) -> String,
) -> Result<Outcome> {
    if ctx.ui.json {
        let mut value = serde_json::to_value(saved)?;
        if let Some(object) = value.as_object_mut() {
            object.insert("files".to_owned(), serde_json::to_value(files)?);
        }
        ctx.ui.data(&value)?;
        return Ok(Outcome::Done);
    }
    for file in files {
        ctx.ui.line(line(file))?;
    }
    ctx.report(saved, &format!("{kept} {}", if kept == 1 { "file" } else { "files" }))
}

/// Runs `outlet withdraw`.
pub(crate) fn withdraw(ctx: &mut Context<'_>, args: &WithdrawArgs) -> Result<Outcome> {
    let key = ctx.outlet(&args.id)?;
    if args.ground.trim().is_empty() {
        return Err(CommandError::user("a withdrawal names its legal ground")
            .hint("add --ground, such as --ground '个人信息保护法第四十七条'"));
    }
    ctx.check_evidence(&key, &[args.sha256])?;
    let withdrawn = Withdrawn { sha256: args.sha256, ground: args.ground.clone(), at: ctx.now() };
    let saved = ctx.save_field(&key, &[FieldEntry::Withdrawn(withdrawn)], None, Vec::new())?;
    ctx.report(&saved, "withdrawn: the bytes go, the hash stays")
}
