//! `outlet photo`: originals kept untouched, with what their EXIF says and a small preview.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use outlet_core::doc::{Entry, facts, latest};
use outlet_core::domain::field::{FieldEntry, Location, Photo, Preview, fact};
use outlet_core::geo::GeoPoint;
use outlet_core::ids::{BlobHash, DocKey};
use outlet_core::media::{self, MediaError, MediaKind, Thresholds};
use outlet_core::time::Day;
use serde::Serialize;

use super::Outcome;
use super::fetch::{self, FetchArgs};
use super::files::report_files;
use crate::context::Context;
use crate::error::{CommandError, Result};
use crate::ui::Warning;

/// Enough of a file to say what it is.
const HEAD_BYTES: u64 = 4096;

/// Add photographs. The original bytes are kept untouched and hashed into the signed record; the
/// EXIF is read, a preview is made, and what looks odd is a warning, never a refusal.
///
/// Several files are one act. A file that cannot be kept is reported, and the others are saved.
///
/// Example:
///   outlet photo T-12 IMG_0412.jpg --slot near
///   outlet photo T-12 IMG_0413.jpg IMG_0414.jpg --slot surroundings --caption '上游侧'
///
/// JSON: {"id", "change", "entries": [..], "state": "on_device", "files": [{"file", "sha256", "bytes",
/// "mime", "slot", "preview", "taken_at", "lon", "lat", "warnings": [..]} or {"file", "error"}],
/// "warnings": [{"code", "message"}]}
#[derive(Debug, Args)]
#[command(verbatim_doc_comment, args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(crate) struct PhotoArgs {
    #[command(subcommand)]
    action: Option<PhotoAction>,
    /// Outlet: UUID, unique prefix of it, or temporary number.
    #[arg(required = true)]
    id: Option<String>,
    /// Pictures.
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// near|far|surroundings|sign|sampling|party|before|after|… (近景/远景/周边环境/标识牌/…).
    #[arg(long, default_value = "near")]
    slot: String,
    /// Photographer or caption.
    #[arg(long)]
    caption: Option<String>,
}

#[derive(Debug, Subcommand)]
enum PhotoAction {
    Fetch(FetchArgs),
}

#[derive(Debug, Serialize)]
struct Added {
    file: String,
    #[serde(flatten)]
    result: Kept,
}

#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Kept {
    Photo {
        sha256: BlobHash,
        bytes: u64,
        mime: String,
        slot: String,
        preview: Option<BlobHash>,
        taken_at: Option<String>,
        lon: Option<f64>,
        lat: Option<f64>,
        warnings: Vec<String>,
    },
    Failed {
        error: String,
    },
}

/// Runs `outlet photo`.
pub(crate) fn run(ctx: &mut Context<'_>, args: &PhotoArgs) -> Result<Outcome> {
    if let Some(PhotoAction::Fetch(args)) = &args.action {
        return fetch::run(ctx, args);
    }
    let key = ctx.outlet(args.id.as_deref().unwrap_or_default())?;
    let slot = ctx.dictionaries()?.code("--slot", "photo_slot", &args.slot)?;
    ctx.may_write_field(&key)?;
    let around = Around::of(ctx, &key)?;
    let mut warnings = Vec::new();
    let (mut entries, mut files, mut failures) = (Vec::new(), Vec::new(), Vec::new());
    for path in &args.files {
        let file = path.display().to_string();
        match keep(ctx, path, &slot, &around, &mut warnings) {
            Ok(mut photo) => {
                photo.caption.clone_from(&args.caption);
                files.push(Added { file, result: kept(&photo) });
                entries.push(FieldEntry::Photo(Box::new(photo)));
            }
            // A store that cannot write is no matter of this file.
            Err(Failure::Store(error)) => return Err(error),
            Err(Failure::File(error)) => {
                files.push(Added { file, result: Kept::Failed { error: error.chain().join(": ") } });
                failures.push(error);
            }
        }
    }
    let failed = failures.len();
    if entries.is_empty() {
        return Err(several(failures, 0));
    }
    let saved = ctx.save_field(&key, &entries, None, warnings)?;
    report_files(ctx, &saved, &files, entries.len(), line)?;
    if failed > 0 { Err(several(failures, entries.len())) } else { Ok(Outcome::Done) }
}

fn line(added: &Added) -> String {
    match &added.result {
        Kept::Photo { sha256, bytes, slot, .. } => format!("{sha256}  {slot}  {bytes} bytes  {}", added.file),
        Kept::Failed { .. } => format!("not kept  {}", added.file),
    }
}

/// One error for the files that were not kept.
fn several(mut failures: Vec<CommandError>, kept: usize) -> CommandError {
    if failures.len() == 1 && kept == 0 {
        return failures.swap_remove(0);
    }
    let texts: Vec<String> = failures.iter().map(|error| error.chain().join(": ")).collect();
    let error = CommandError::user(format!("{} files were not kept: {}", failures.len(), texts.join("; ")));
    let hints: std::collections::BTreeSet<String> = failures.into_iter().flat_map(|error| error.hints).collect();
    let error = hints.into_iter().fold(error, CommandError::hint);
    if kept > 0 {
        error.hint(format!("the other {kept} are saved; repeat the command for these files only"))
    } else {
        error
    }
}

enum Failure {
    File(CommandError),
    Store(CommandError),
}

/// What is known around a photo of this outlet.
struct Around {
    outlet: Option<GeoPoint>,
    device_fix: Option<GeoPoint>,
    survey_day: Option<Day>,
    key: DocKey,
}

impl Around {
    fn of(ctx: &mut Context<'_>, key: &DocKey) -> Result<Self> {
        let entries = ctx.document(key)?.map(|document| document.entries()).unwrap_or_default();
        let current = facts(&entries);
        let location = current.get(fact::LOCATION).and_then(|all| latest(all));
        let location = location.and_then(|fact| serde_json::from_value::<Location>(fact.value.clone()).ok());
        let survey = entries.iter().rev().find_map(|entry: &Entry| match entry.parse() {
            Ok(FieldEntry::Survey(survey)) => Some(survey),
            _ => None,
        });
        let point = |place: &Location| GeoPoint::new(place.lon, place.lat).ok();
        Ok(Self {
            outlet: location.as_ref().and_then(point),
            device_fix: survey.as_ref().and_then(|survey| survey.device_fix.as_ref()).and_then(point),
            survey_day: survey.and_then(|survey| survey.on),
            key: *key,
        })
    }
}

fn keep(
    ctx: &mut Context<'_>,
    path: &Path,
    slot: &str,
    around: &Around,
    all: &mut Vec<Warning>,
) -> Result<Photo, Failure> {
    check_head(path).map_err(Failure::File)?;
    let at = ctx.now();
    let workspace = ctx.workspace().map_err(Failure::Store)?;
    let stored = workspace.add_file(path).map_err(|error| match error.kind {
        // The file went away or changed while it was read.
        _ if !path.is_file() => Failure::File(error),
        _ => Failure::Store(error),
    })?;
    // Looks at the copy in the store: it cannot change any more.
    let bytes = std::fs::read(&stored.path)
        .map_err(|error| Failure::Store(CommandError::because("cannot read the stored photo", error)))?;
    let seen = media::inspect(&bytes);
    let made = media::preview(&bytes, &seen);
    drop(bytes);
    let preview = match &made.preview {
        Some(image) => {
            let small = workspace.add_bytes("preview", &image.jpeg).map_err(Failure::Store)?;
            Some(Preview { sha256: small.hash, bytes: small.bytes })
        }
        None => None,
    };
    // A file that the store has not seen before, and that no document names, is used nowhere else.
    let other_uses = match stored.known {
        true => workspace.other_uses(&stored.hash, &around.key).map_err(Failure::Store)?,
        false => Vec::new(),
    };
    let context = media::Context {
        outlet: around.outlet,
        device_fix: around.device_fix,
        survey_day: around.survey_day,
        other_uses: &other_uses,
        thresholds: Thresholds::default(),
    };
    let mut warnings = made.warnings;
    warnings.extend(media::warnings(&seen, &context));
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
    for warning in &warnings {
        let label = name.as_deref().unwrap_or("photo");
        all.push(Warning::new(warning.code(), format!("{label}: {warning}.")));
    }
    let mut codes: Vec<String> = warnings.iter().map(|warning| warning.code().to_owned()).collect();
    codes.dedup();
    Ok(Photo { preview, warnings: codes, file_name: name, ..seen.photo(stored.hash, slot, at) })
}

/// Refuses what is no picture before anything is copied.
fn check_head(path: &Path) -> Result<()> {
    let unreadable = |error: std::io::Error| {
        CommandError::because(format!("cannot read {}", path.display()), error)
            .hint("check the path, and that the card or phone is still connected")
    };
    let mut file = File::open(path).map_err(unreadable)?;
    let length = file.metadata().map_err(unreadable)?.len();
    let mut head = Vec::new();
    file.by_ref().take(HEAD_BYTES).read_to_end(&mut head).map_err(unreadable)?;
    let kind = MediaKind::of(&head);
    let refusal = if length == 0 {
        Some(MediaError::Empty)
    } else if length > media::MAX_ORIGINAL_BYTES {
        Some(MediaError::TooLarge { bytes: length })
    } else if !kind.is_image() {
        Some(MediaError::NotAnImage { mime: kind.mime() })
    } else {
        None
    };
    match refusal {
        None => Ok(()),
        Some(error) => Err(CommandError::because(format!("{} was not kept", path.display()), error)
            .hint("other files go in with `outlet attach ID FILE --kind KIND`")),
    }
}

fn kept(photo: &Photo) -> Kept {
    Kept::Photo {
        sha256: photo.sha256,
        bytes: photo.bytes,
        mime: photo.mime.clone(),
        slot: photo.slot.clone(),
        preview: photo.preview.as_ref().map(|preview| preview.sha256),
        taken_at: photo.taken_at.map(|at| at.to_string()),
        lon: photo.lon,
        lat: photo.lat,
        warnings: photo.warnings.clone(),
    }
}
