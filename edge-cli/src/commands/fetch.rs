//! `outlet photo fetch`: photos of others, when somebody wants to see them.

use std::collections::BTreeSet;
use std::path::PathBuf;

use clap::Args;
use outlet_core::domain::field::FieldEntry;
use outlet_core::ids::BlobHash;
use outlet_core::sync::session::{Options, SyncOutcome};
use outlet_core::sync::wire::MAX_ASKED_FILES;
use serde::Serialize;
use serde_json::json;

use super::Outcome;
use super::sync::{bytes, refused};
use crate::context::Context;
use crate::error::{CommandError, Result};
use crate::net;

/// Fetch the photos of outlets that others recorded, from the server, by name.
///
/// What is here already is not fetched again; what was fetched in part goes on where it stopped. Own
/// records are sent on the way, own originals are not.
///
/// Example:
///   outlet photo fetch T-12 019a0c3e
///   outlet photo fetch T-12 --previews --max-bytes 5MB
///
/// JSON: {"fetched": [{"id", "sha256", "path"}], "here": [.. the same], "missing": [{"id", "sha256",
/// "bytes"}], "sync": OUTCOME}
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct FetchArgs {
    /// Outlets: UUID, unique prefix of it, or temporary number.
    #[arg(required = true)]
    ids: Vec<String>,
    /// Only the small pictures.
    #[arg(long)]
    previews: bool,
    /// Stop after so many bytes: 5MB, 800kB, 2MiB. Records always go.
    #[arg(long)]
    max_bytes: Option<String>,
}

#[derive(Debug, Clone, Serialize)]
struct Wanted {
    id: String,
    sha256: BlobHash,
    bytes: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    path: Option<PathBuf>,
}

/// Runs `outlet photo fetch`.
pub(crate) fn run(ctx: &mut Context<'_>, args: &FetchArgs) -> Result<Outcome> {
    ctx.member()?;
    let all = named(ctx, args)?;
    let (here, lacking): (Vec<Wanted>, Vec<Wanted>) = located(ctx, all)?.into_iter().partition(|w| w.path.is_some());
    if lacking.len() > MAX_ASKED_FILES {
        return Err(CommandError::user(format!("that is {} photos, and {MAX_ASKED_FILES} go at once", lacking.len()))
            .hint("name fewer outlets, or fetch them in several goes"));
    }
    let mut outcome = None;
    if !lacking.is_empty() {
        let options = Options {
            files: lacking.iter().map(|wanted| wanted.sha256).collect(),
            originals: false,
            max_bytes: args.max_bytes.as_deref().map(bytes).transpose()?,
            ..Options::default()
        };
        let servers = ctx.workspace()?.addresses()?;
        let summary = net::sync(ctx, &servers, options)?;
        ctx.forget_lists();
        if summary.outcome == SyncOutcome::Refused {
            return Err(refused(summary.why.as_ref()));
        }
        outcome = Some(summary.outcome.as_str());
    }
    let (fetched, missing): (Vec<Wanted>, Vec<Wanted>) =
        located(ctx, lacking)?.into_iter().partition(|wanted| wanted.path.is_some());
    if ctx.ui.json {
        ctx.ui.data(&json!({"fetched": fetched, "here": here, "missing": missing, "sync": outcome}))?;
    } else {
        for wanted in fetched.iter().chain(&here) {
            let path = wanted.path.as_ref().map(|path| path.display().to_string()).unwrap_or_default();
            ctx.ui.line(format!("{}  {path}", wanted.id))?;
        }
        for wanted in &missing {
            ctx.ui.line(format!("{}  not on the server yet, or beyond the budget: {}", wanted.id, wanted.sha256))?;
        }
    }
    Ok(if missing.is_empty() { Outcome::Done } else { Outcome::Incomplete })
}

/// The photos that the records name, each once; withdrawn ones left out.
fn named(ctx: &mut Context<'_>, args: &FetchArgs) -> Result<Vec<Wanted>> {
    let mut seen = BTreeSet::new();
    let mut all = Vec::new();
    for text in &args.ids {
        let key = ctx.outlet(text)?;
        let id = ctx.short_name(&key)?;
        let entries = ctx.document(&key)?.map(|document| document.entries()).unwrap_or_default();
        for entry in entries {
            let Ok(FieldEntry::Photo(photo)) = entry.parse() else { continue };
            let preview = photo.preview.as_ref().map(|preview| (preview.sha256, preview.bytes));
            let original = (!args.previews).then_some((photo.sha256, photo.bytes));
            for (sha256, bytes) in preview.into_iter().chain(original) {
                if seen.insert(sha256) {
                    all.push(Wanted { id: id.clone(), sha256, bytes, path: None });
                }
            }
        }
    }
    Ok(all)
}

fn located(ctx: &mut Context<'_>, all: Vec<Wanted>) -> Result<Vec<Wanted>> {
    let mut located = Vec::new();
    for wanted in all {
        let blob = ctx.workspace()?.blob(&wanted.sha256)?;
        if !blob.as_ref().is_some_and(|blob| blob.withdrawn) {
            located.push(Wanted { path: blob.and_then(|blob| blob.path), ..wanted });
        }
    }
    Ok(located)
}
