//! `outlet completions` and `outlet man`: made from the command line's own description.

use std::path::PathBuf;

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use super::Outcome;
use crate::cli::Cli;
use crate::context::Context;
use crate::error::{CommandError, Result};

/// Print completions for a shell.
///
/// Example:
///   outlet completions bash > ~/.local/share/bash-completion/completions/outlet
///
/// JSON: {"shell", "script"}
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct CompletionsArgs {
    /// bash|elvish|fish|powershell|zsh.
    shell: Shell,
}

/// Write the manual pages, one per command.
///
/// Example:
///   outlet man ~/.local/share/man/man1
///
/// JSON: {"pages": [..]}
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct ManArgs {
    /// Directory; made if it is not there.
    dir: PathBuf,
}

/// Runs `outlet completions`.
pub(crate) fn completions(ctx: &mut Context<'_>, args: &CompletionsArgs) -> Result<Outcome> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "outlet", &mut script);
    if ctx.ui.json {
        let script = String::from_utf8_lossy(&script);
        ctx.ui.data(&serde_json::json!({"shell": args.shell.to_string(), "script": script}))?;
    } else {
        ctx.ui.bytes(&script)?;
    }
    Ok(Outcome::Done)
}

/// Runs `outlet man`.
pub(crate) fn man(ctx: &mut Context<'_>, args: &ManArgs) -> Result<Outcome> {
    let failed = |error: std::io::Error| {
        CommandError::because(format!("cannot write manual pages into {}", args.dir.display()), error)
            .hint("name a directory that you may write")
    };
    std::fs::create_dir_all(&args.dir).map_err(failed)?;
    clap_mangen::generate_to(Cli::command(), &args.dir).map_err(failed)?;
    let entries = std::fs::read_dir(&args.dir).map_err(failed)?;
    let names = entries.filter_map(|entry| Some(entry.ok()?.file_name().to_string_lossy().into_owned()));
    let mut pages: Vec<String> = names.filter(|name| name.starts_with("outlet") && name.ends_with(".1")).collect();
    pages.sort();
    if ctx.ui.json {
        ctx.ui.data(&serde_json::json!({"pages": pages}))?;
    } else {
        ctx.ui.status(format!("{} manual pages in {}", pages.len(), args.dir.display()));
    }
    Ok(Outcome::Done)
}
