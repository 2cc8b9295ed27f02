//! `outlet batch`: many command lines in one open store.

use std::io::Read;
use std::path::PathBuf;

use clap::{Args, Parser};

use super::{Command, Outcome};
use crate::cli::Cli;
use crate::context::Context;
use crate::error::{CommandError, Result};
use crate::input::words;

/// Longer scripts are split; a file that is no script should not fill the memory.
const MAX_SCRIPT_BYTES: u64 = 64 << 20;

/// Run a file of command lines in one open store: one line, one command, without `outlet`.
///
/// Each line is durable when it is done. The first error stops the run and names its line; what
/// came before it stays. Empty lines and lines that start with # are skipped.
///
/// Example:
///   outlet batch scenario-2021.txt
///   printf 'add --lon 106.77 --lat 31.85 --number A1\nclassify A1 ban\n' | outlet batch -
///
/// JSON: each command's own object, one per line.
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct BatchArgs {
    /// The file, or - for standard input.
    file: PathBuf,
}

/// Runs `outlet batch`.
pub(crate) fn run(ctx: &mut Context<'_>, args: &BatchArgs) -> Result<Outcome> {
    let name = args.file.display().to_string();
    let script = read(ctx, args).map_err(|error| {
        error.context(format!("cannot read {name}")).hint("name a text file (UTF-8), or - for standard input")
    })?;
    let total = script.lines().count();
    let mut progress = ctx.ui.progress("lines");
    let mut outcome = Outcome::Done;
    let mut ran = 0_usize;
    for (at, line) in script.lines().enumerate() {
        let at_line = |error: CommandError| {
            error.context(format!("line {} of {name}: {}", at + 1, line.trim())).hint(format!(
                "commands done and saved before it: {ran}; correct the line and run the rest, from line {}",
                at + 1
            ))
        };
        let Some(command) = parse(line).map_err(at_line)? else { continue };
        if super::run(ctx, &command).map_err(at_line)? == Outcome::Incomplete {
            outcome = Outcome::Incomplete;
        }
        ran += 1;
        if let Some(line) = progress.at(at as u64 + 1, total as u64) {
            ctx.ui.status(line);
        }
    }
    progress.finish();
    ctx.ui.status(format!("Commands done: {ran}."));
    Ok(outcome)
}

fn read(ctx: &mut Context<'_>, args: &BatchArgs) -> Result<String> {
    let mut script = String::new();
    let read = if args.file.as_os_str() == "-" {
        ctx.ui.env.stdin().take(MAX_SCRIPT_BYTES + 1).read_to_string(&mut script)?
    } else {
        std::fs::File::open(&args.file)?.take(MAX_SCRIPT_BYTES + 1).read_to_string(&mut script)?
    };
    if read as u64 > MAX_SCRIPT_BYTES {
        return Err(CommandError::user("the script is larger than 64 MiB").hint("split it into several files"));
    }
    Ok(script)
}

fn parse(line: &str) -> Result<Option<Command>> {
    let words = words::split(line)?;
    let Some(first) = words.first() else { return Ok(None) };
    // A script pasted from a shell names the program on each line.
    let skip = usize::from(first == "outlet");
    let line = std::iter::once("outlet".to_owned()).chain(words.into_iter().skip(skip));
    let cli = Cli::try_parse_from(line).map_err(|error| {
        let text = error.to_string();
        CommandError::usage(text.trim_start_matches("error: ").trim_end().to_owned())
    })?;
    match cli.command {
        Command::Batch(_) => Err(CommandError::usage("a batch cannot run a batch").hint("join the files")),
        _ if cli.home.is_some() || cli.json => {
            Err(CommandError::usage("--home and --json belong to `outlet batch` itself, not to a line of the file")
                .hint("write: outlet --home DIR --json batch FILE"))
        }
        command => Ok(Some(command)),
    }
}
