//! The only place that prints. stdout carries data and nothing else; messages, warnings and
//! progress go to stderr. Colour repeats what a word already says, and only on a terminal.

use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::Serialize;

use crate::env::Env;
use crate::error::{CommandError, Result};

/// Shorter work shows no bar: it would only flicker.
const PROGRESS_DELAY: Duration = Duration::from_millis(250);

/// How a command speaks.
pub(crate) struct Ui<'e> {
    /// The surroundings; commands take clock and randomness from here too.
    pub(crate) env: &'e mut dyn Env,
    /// Data as JSON.
    pub(crate) json: bool,
    /// No messages but warnings and errors.
    pub(crate) quiet: bool,
    colour: bool,
}

/// A warning for people and for scripts. Warnings never stop a command.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Warning {
    /// Stable word for scripts.
    pub(crate) code: String,
    /// What it means and what to do.
    pub(crate) message: String,
}

impl Warning {
    /// A warning with its word and its sentence.
    pub(crate) fn new(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self { code: code.into(), message: message.into() }
    }
}

impl<'e> Ui<'e> {
    /// Speaks to the environment's streams.
    pub(crate) fn new(env: &'e mut dyn Env, json: bool, quiet: bool) -> Self {
        let plain = env.var("NO_COLOR").is_some_and(|value| !value.is_empty());
        let colour = env.stderr_is_terminal() && !plain;
        Self { env, json, quiet, colour }
    }

    /// One line of data for people. Not for `--json`.
    pub(crate) fn line(&mut self, text: impl AsRef<str>) -> Result<()> {
        writeln!(self.env.stdout(), "{}", text.as_ref()).map_err(CommandError::from)
    }

    /// Raw bytes of data (completions, a man page).
    pub(crate) fn bytes(&mut self, bytes: &[u8]) -> Result<()> {
        self.env.stdout().write_all(bytes).map_err(CommandError::from)
    }

    /// The data of a `--json` run, on one line.
    pub(crate) fn data(&mut self, value: &impl Serialize) -> Result<()> {
        let text = serde_json::to_string(value)?;
        writeln!(self.env.stdout(), "{text}").map_err(CommandError::from)
    }

    /// What was done, for people.
    pub(crate) fn status(&mut self, text: impl AsRef<str>) {
        if !self.quiet {
            self.message(text.as_ref());
        }
    }

    /// Something to look at. Shown even with `--quiet`.
    pub(crate) fn warn(&mut self, warning: &Warning) {
        let word = self.paint("33;1", "warning");
        self.message(&format!("{word}: {}", warning.message));
    }

    /// The end of a failed command.
    pub(crate) fn error(&mut self, error: &CommandError) {
        let chain = error.chain();
        if self.json {
            let body = serde_json::json!({"error": {"kind": error.kind.word(), "message": chain.first(),
                "causes": chain.get(1..).unwrap_or_default(), "hints": error.hints}});
            self.message(&body.to_string());
            return;
        }
        let word = self.paint("31;1", "error");
        let mut lines = chain.iter();
        self.message(&format!("{word}: {}", lines.next().map_or("", String::as_str)));
        for cause in lines {
            self.message(&format!("  because: {cause}"));
        }
        if error.kind == crate::error::ErrorKind::Internal {
            self.message("This is a fault of the program or of its store, not of your input.");
        }
        let word = self.paint("36;1", "hint");
        for hint in &error.hints {
            self.message(&format!("{word}: {hint}"));
        }
    }

    /// Text that belongs on stderr as it is (clap's messages).
    pub(crate) fn message(&mut self, text: &str) {
        // Nobody can be told that stderr is gone.
        let _ = writeln!(self.env.stderr(), "{text}");
    }

    /// Ends the output; a buffered stdout reports a full disk or a closed pipe only here.
    pub(crate) fn flush(&mut self) -> Result<()> {
        self.env.stdout().flush().map_err(CommandError::from)
    }

    /// Progress of a long piece of work.
    pub(crate) fn progress(&mut self, what: &str) -> Progress {
        let bar = self.env.stderr_is_terminal() && !self.quiet;
        Progress::new(what, bar, self.quiet)
    }

    fn paint(&self, code: &str, word: &str) -> String {
        if self.colour { format!("\x1b[{code}m{word}\x1b[0m") } else { word.to_owned() }
    }
}

/// A bar on a terminal, ever rarer log lines elsewhere. Owns no stream: it may live on the thread
/// that does the work.
pub(crate) struct Progress {
    what: String,
    bar: Option<ProgressBar>,
    quiet: bool,
    started: Instant,
    next_log: Duration,
}

impl Progress {
    fn new(what: &str, bar: bool, quiet: bool) -> Self {
        let bar = bar.then(|| {
            let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::hidden());
            if let Ok(style) = ProgressStyle::with_template("{msg} {wide_bar} {pos}/{len}") {
                bar.set_style(style);
            }
            bar.set_message(what.to_owned());
            bar
        });
        Self { what: what.to_owned(), bar, quiet, started: Instant::now(), next_log: Duration::from_secs(2) }
    }

    /// So much of so much is done; a line to log, when one is due and there is no bar.
    pub(crate) fn at(&mut self, done: u64, total: u64) -> Option<String> {
        let elapsed = self.started.elapsed();
        if let Some(bar) = &self.bar {
            if elapsed >= PROGRESS_DELAY && bar.is_hidden() {
                bar.set_draw_target(ProgressDrawTarget::stderr());
            }
            bar.set_length(total);
            bar.set_position(done);
            return None;
        }
        if self.quiet || elapsed < self.next_log {
            return None;
        }
        self.next_log = self.next_log.saturating_mul(2);
        Some(format!("{}: {done} of {total}", self.what))
    }

    /// Removes the bar.
    pub(crate) fn finish(self) {
        if let Some(bar) = self.bar {
            bar.finish_and_clear();
        }
    }
}
