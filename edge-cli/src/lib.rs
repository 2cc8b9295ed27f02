//! `outlet`: the command line of inspectors and supervisors. Everything runs in process through
//! [`run`], with clock, randomness, variables and streams passed in as [`Env`].
//!
//! Commands parse, call `outlet-core`, and report; `ui` alone prints.

#![allow(
    rustdoc::broken_intra_doc_links,
    reason = "doc comments of arguments are help texts: brackets mark what may be left out"
)]
#![cfg_attr(not(test), deny(clippy::unwrap_used))]

mod checks;
mod cli;
mod commands;
mod context;
mod env;
mod error;
mod input;
mod lints;
mod listen;
mod near;
mod net;
mod rates;
mod route;
mod row;
pub mod testing;
mod ui;
mod workspace;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::Parser;
use clap::error::ErrorKind;

pub use env::{Clock, Env, OsEnv};

use cli::Cli;
use commands::Outcome;
use context::Context;
use error::CommandError;
use ui::Ui;

/// Exit code when something remains to be done.
const INCOMPLETE: u8 = 3;

/// Runs one command line (`args[0]` is the program's name) and answers the exit code: 0 done,
/// 1 user error, 2 usage, 3 incomplete, 70 internal.
pub fn run(args: Vec<OsString>, env: &mut dyn Env) -> ExitCode {
    ExitCode::from(run_code(args, env))
}

/// As [`run`], with the code as a number for callers in process.
pub fn run_code(args: Vec<OsString>, env: &mut dyn Env) -> u8 {
    // clap has read nothing yet when it refuses: scripts still get what they asked for.
    let json = args.iter().take_while(|arg| *arg != "--").any(|arg| arg == "--json");
    let cli = match Cli::try_parse_from(args) {
        Ok(cli) => cli,
        Err(error) => return usage(&error, json, env),
    };
    let ui = Ui::new(env, cli.json, cli.quiet);
    let mut ctx = Context::new(ui, cli.home, cli.accept_weak_storage);
    let done = commands::run(&mut ctx, &cli.command);
    // Closing says whether the store could leave its clean mark; a failed command closes it too.
    let closed = ctx.close();
    let done = done.and_then(|outcome| closed.map(|()| outcome)).and_then(|outcome| ctx.ui.flush().map(|()| outcome));
    match done {
        Ok(Outcome::Done) => 0,
        Ok(Outcome::Incomplete) => INCOMPLETE,
        Err(error) => {
            let code = error.kind.code();
            if code != 0 {
                ctx.ui.error(&error);
            }
            code
        }
    }
}

fn usage(error: &clap::Error, json: bool, env: &mut dyn Env) -> u8 {
    let text = error.render().to_string();
    let mut ui = Ui::new(env, json, false);
    if error.use_stderr() {
        if json {
            ui.error(&usage_error(error.kind(), &text));
        } else {
            ui.message(text.trim_end());
        }
        2
    } else {
        // Help and version were asked for: they are the data of this run.
        let shown = ui.bytes(text.as_bytes()).and_then(|()| ui.flush());
        u8::from(shown.is_err_and(|error| error.kind.code() != 0))
    }
}

/// clap's message taken apart for programs: what is wrong, and as hints its tips and the usage line.
fn usage_error(kind: ErrorKind, text: &str) -> CommandError {
    if kind == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        return CommandError::usage("a subcommand is missing").hint("--help after this command lists them");
    }
    let (mut what, mut hints) = (Vec::new(), Vec::new());
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
        if let Some(tip) = line.strip_prefix("tip: ") {
            hints.push(tip.to_owned());
        } else if line.starts_with("Usage:") || line.starts_with("For more information") {
            hints.push(line.to_owned());
        } else if hints.is_empty() {
            what.push(line.strip_prefix("error: ").unwrap_or(line));
        }
    }
    hints.into_iter().fold(CommandError::usage(what.join(" ")), CommandError::hint)
}
