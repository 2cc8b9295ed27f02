//! `outlet sync --watch`: syncs whenever the server is reachable, and steps aside for whoever wants
//! to record.
//!
//! The store belongs to one process at a time. Between rounds the watcher has closed it; during a
//! round another `outlet` that wants it says so ([`Waiting`](outlet_core::store::Waiting)), and the
//! round ends early: what was acknowledged stays, the next round goes on from there.

use std::time::Duration;

use outlet_core::identity::ServerAddress;
use outlet_core::store::is_wanted;
use outlet_core::sync::session::{Options, Summary, SyncOutcome};
use serde_json::json;

use super::{Outcome, sync};
use crate::context::Context;
use crate::error::{CommandError, Result};
use crate::net::{self, Stopped};
use crate::ui::Warning;

/// No wait is longer.
const LONGEST: Duration = Duration::from_secs(30 * 60);
/// After stepping aside: enough for the other to open the store, and then as long as it is wanted.
const ASIDE: Duration = Duration::from_millis(500);

/// How long to wait before the next round.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Backoff {
    every: Duration,
    failures: u32,
}

impl Backoff {
    pub(crate) fn new(every: Duration) -> Self {
        Self { every, failures: 0 }
    }

    pub(crate) fn succeeded(&mut self) {
        self.failures = 0;
    }

    pub(crate) fn failed(&mut self) {
        self.failures = self.failures.saturating_add(1);
    }

    /// Twice as long after each failure, and somewhere in the upper half of that: a county whose
    /// server comes back must not be called by everybody in the same second. `dice` is random.
    pub(crate) fn wait(self, dice: u32) -> Duration {
        let full = self.every.saturating_mul(1 << self.failures.min(16)).min(LONGEST.max(self.every));
        let share = f64::from(dice) / f64::from(u32::MAX);
        full.mul_f64(0.5 + 0.5 * share)
    }
}

/// Rounds until the user stops it, or so many.
pub(crate) fn run(
    ctx: &mut Context<'_>,
    servers: &[ServerAddress],
    options: &Options,
    every: Duration,
    rounds: Option<u32>,
) -> Result<Outcome> {
    let home = ctx.home()?;
    ctx.watches(true);
    let (mut backoff, mut round, mut last) = (Backoff::new(every), 0_u32, Outcome::Done);
    loop {
        ctx.close()?;
        round = round.saturating_add(1);
        let ended = one(ctx, servers, options);
        // Closed before anything else: others may be waiting.
        ctx.close()?;
        let pause = match ended {
            Ok((summary, Stopped::ByUser)) => {
                tell(ctx, &summary, None)?;
                return Ok(Outcome::Done);
            }
            Ok((_, Stopped::Wanted)) => ASIDE,
            Ok((summary, Stopped::No)) => {
                if summary.outcome == SyncOutcome::Refused
                    && summary.why.as_ref().is_some_and(|why| why.code.is_permanent())
                {
                    return Err(sync::refused(summary.why.as_ref()));
                }
                last = if summary.outcome == SyncOutcome::Converged { Outcome::Done } else { Outcome::Incomplete };
                if last == Outcome::Done {
                    backoff.succeeded()
                } else {
                    backoff.failed()
                }
                let pause = pause(ctx, backoff)?;
                tell(ctx, &summary, Some(pause))?;
                pause
            }
            Err(error) if error.is_user() => {
                last = Outcome::Incomplete;
                backoff.failed();
                let pause = pause(ctx, backoff)?;
                let text = format!("{}; next try in {} s", error.source, pause.as_secs());
                ctx.ui.warn(&Warning::new("sync", text));
                pause
            }
            Err(error) => return Err(error),
        };
        if rounds.is_some_and(|rounds| round >= rounds) {
            return Ok(last);
        }
        ctx.ui.flush()?;
        if net::wait(pause, || is_wanted(&home))? == Stopped::ByUser {
            return Ok(Outcome::Done);
        }
    }
}

fn one(ctx: &mut Context<'_>, servers: &[ServerAddress], options: &Options) -> Result<(Summary, Stopped)> {
    ctx.forget_lists();
    let ended = net::sync_until(ctx, servers, options.clone(), true)?;
    let now = ctx.now();
    if ended.1 == Stopped::No && ctx.workspace()?.reissue_orphans(now)? > 0 {
        return net::sync_until(ctx, servers, options.clone(), true);
    }
    Ok(ended)
}

fn pause(ctx: &mut Context<'_>, backoff: Backoff) -> Result<Duration> {
    let mut dice = [0; 4];
    ctx.ui.env.random(&mut dice).map_err(|error| CommandError::because("no randomness", error))?;
    Ok(backoff.wait(u32::from_le_bytes(dice)))
}

/// One line a round: of JSON, or of words.
fn tell(ctx: &mut Context<'_>, summary: &Summary, next: Option<Duration>) -> Result<()> {
    let next = next.map(|pause| pause.as_secs());
    if ctx.ui.json {
        let mut value = sync::value(summary, None);
        value["next_in_s"] = json!(next);
        return ctx.ui.data(&value);
    }
    let (sent, received) = (summary.sent.changes, summary.received.changes);
    let then = next.map_or_else(String::new, |seconds| format!("; next in {seconds} s"));
    let outcome = summary.outcome.as_str();
    ctx.ui.line(format!("{} {outcome}: sent {sent}, received {received} changes{then}", ctx.ui.env.now()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_with_each_failure_up_to_half_an_hour_and_differ() {
        let mut backoff = Backoff::new(Duration::from_secs(60));
        assert_eq!((backoff.wait(0), backoff.wait(u32::MAX)), (Duration::from_secs(30), Duration::from_secs(60)));
        let mut longest = Vec::new();
        for _ in 0..40 {
            backoff.failed();
            longest.push(backoff.wait(u32::MAX).as_secs());
            assert!(backoff.wait(u32::MAX / 2) < backoff.wait(u32::MAX));
        }
        assert_eq!(longest[..6], [120, 240, 480, 960, 1800, 1800]);
        assert_eq!(longest.last(), Some(&1800));
        backoff.succeeded();
        assert_eq!(backoff, Backoff::new(Duration::from_secs(60)));
        // Who asks for a rarer round gets it.
        let rare = Backoff::new(Duration::from_secs(7200));
        assert_eq!(rare.wait(u32::MAX), Duration::from_secs(7200));
    }
}
