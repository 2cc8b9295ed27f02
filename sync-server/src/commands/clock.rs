//! `clock show|accept`: the way out after a clock that was once far ahead.

use outlet_core::time::Timestamp;
use serde::Serialize;

use super::Outcome;
use crate::cli::ClockCommand;
use crate::db::meta;
use crate::error::{CommandError, Exit};
use crate::folder::Folder;
use crate::ui::Ui;

/// `--json` of both commands.
#[derive(Serialize)]
struct Clock {
    now: String,
    /// The newest receipt; null before the first.
    last_receipt: Option<String>,
    /// How far that lies ahead of the clock; 0 when it does not.
    ahead_ms: i64,
    /// Whether receipts are given at the moment.
    gives_receipts: bool,
}

impl Clock {
    fn of(folder: &Folder, now: Timestamp) -> Result<Self, CommandError> {
        let last = folder.database.read::<_, CommandError>(|tx| Ok(meta::last_receipt(tx)?))?;
        let ahead_ms = last.map_or(0, |last| last.millis().saturating_sub(now.millis()).max(0));
        let gives_receipts = ahead_ms <= crate::engine::CLOCK_JITTER_MS;
        Ok(Self { now: now.to_string(), last_receipt: last.map(|last| last.to_string()), ahead_ms, gives_receipts })
    }

    fn words(&self) -> String {
        let last = self.last_receipt.as_deref().unwrap_or("none yet");
        let state =
            if self.gives_receipts { "receipts are given" } else { "no receipts until the clock has passed it" };
        format!("clock {}\nlast receipt {last}\n{state}", self.now)
    }
}

pub(super) fn clock(command: &ClockCommand, folder: &Folder, ui: &mut Ui) -> Outcome {
    let now = ui.env.now();
    if let ClockCommand::Accept { reason } = command {
        accept(folder, now, reason)?;
    }
    ui.show(&Clock::of(folder, now)?, Clock::words)?;
    Ok(Exit::Ok)
}

/// Receipts go on from the present clock. What was given before stays as it was signed.
fn accept(folder: &Folder, now: Timestamp, reason: &str) -> Result<(), CommandError> {
    if reason.trim().is_empty() {
        return Err(CommandError::usage("the reason is empty").hint("say why the clock was wrong: --reason TEXT"));
    }
    folder.database.write::<_, CommandError>(|tx| {
        let last = meta::last_receipt(tx)?.filter(|last| *last > now);
        let Some(last) = last else {
            return Err(CommandError::user("the last receipt is not ahead of the clock: there is nothing to accept")
                .hint("`outlet-server clock show` shows both"));
        };
        meta::set(tx, meta::LAST_RECEIPT, now.millis())?;
        let detail = format!("receipts go on from {now}; the last one was of {last}; reason: {reason}");
        Ok(meta::audit(tx, now, "command line", "clock accept", &detail)?)
    })
}
