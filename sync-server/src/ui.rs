//! What a command shows: data on stdout, messages on stderr.

use std::io::Write as _;

use clap::error::ErrorKind;
use serde::Serialize;

use crate::env::Env;
use crate::error::{CommandError, Exit, IoContext};

/// Output of one command.
pub struct Ui {
    /// The outside.
    pub env: Env,
    /// Data as JSON.
    pub json: bool,
}

impl std::fmt::Debug for Ui {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ui").field("json", &self.json).finish_non_exhaustive()
    }
}

impl Ui {
    /// For this outside.
    #[must_use]
    pub fn new(env: Env) -> Self {
        Self { env, json: false }
    }

    /// Data as it is.
    ///
    /// # Errors
    /// When the stream is closed.
    pub fn data(&mut self, bytes: &[u8]) -> Result<(), CommandError> {
        let out = &mut self.env.stdout;
        out.write_all(bytes).and_then(|()| out.flush()).context("writing to standard output")
    }

    /// Data for programs with `--json`, lines for people without.
    ///
    /// # Errors
    /// When the stream is closed.
    pub fn show<T: Serialize>(&mut self, value: &T, text: impl FnOnce(&T) -> String) -> Result<(), CommandError> {
        let mut lines = if self.json {
            serde_json::to_string_pretty(value).map_err(|error| CommandError::internal(error.to_string()))?
        } else {
            text(value)
        };
        if !lines.is_empty() && !lines.ends_with('\n') {
            lines.push('\n');
        }
        self.data(lines.as_bytes())
    }

    /// A message for people. A closed stderr is no reason to fail.
    pub fn note(&mut self, message: impl std::fmt::Display) {
        let _ = writeln!(self.env.stderr, "{message}");
    }

    pub(crate) fn fail(&mut self, error: &CommandError) -> u8 {
        if self.json {
            let value = serde_json::json!({ "error": { "code": error.exit as u8, "message": error.message, "hints": error.hints } });
            self.note(value);
        } else {
            self.note(format_args!("error: {error}"));
        }
        error.exit as u8
    }

    /// Help and version go to stdout, errors to stderr, as clap says.
    pub(crate) fn usage(&mut self, error: &clap::Error) -> u8 {
        let text = error.render().to_string();
        if error.use_stderr() && self.json {
            self.fail(&usage_error(error.kind(), &text))
        } else if error.use_stderr() {
            self.note(text.trim_end());
            Exit::Usage as u8
        } else {
            self.data(text.as_bytes()).map_or(Exit::Internal as u8, |()| Exit::Ok as u8)
        }
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

/// Columns aligned by display width: a Chinese character takes two.
#[must_use]
pub fn table(head: &[&str], rows: &[Vec<String>]) -> String {
    let mut widths: Vec<usize> = head.iter().map(|cell| width(cell)).collect();
    for row in rows {
        for (column, cell) in widths.iter_mut().zip(row) {
            *column = (*column).max(width(cell));
        }
    }
    let line = |cells: &mut dyn Iterator<Item = &str>| {
        let mut text = String::new();
        for (cell, column) in cells.zip(&widths) {
            text.push_str(cell);
            text.extend(std::iter::repeat_n(' ', column - width(cell) + 2));
        }
        text.trim_end().to_owned()
    };
    let mut lines = vec![line(&mut head.iter().copied())];
    lines.extend(rows.iter().map(|row| line(&mut row.iter().map(String::as_str))));
    lines.join("\n")
}

fn width(text: &str) -> usize {
    text.chars().map(|character| if u32::from(character) >= 0x1100 { 2 } else { 1 }).sum()
}
