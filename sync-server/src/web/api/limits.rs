//! How often somebody may ask.

use std::num::NonZeroU32;

use governor::clock::{Clock as _, DefaultClock};
use governor::{DefaultDirectRateLimiter, DefaultKeyedRateLimiter, Quota, RateLimiter};

use super::Problem;
use crate::config;

/// Keys above which those that are idle are forgotten.
const MANY: usize = 10_000;

/// Counters per asker, and one for all failed attempts to sign in.
pub(super) struct Limits {
    each: DefaultKeyedRateLimiter<String>,
    failures: DefaultDirectRateLimiter,
    clock: DefaultClock,
}

impl Limits {
    /// From the settings.
    pub(super) fn new(settings: &config::Api) -> Self {
        let per_minute = |count: u32| Quota::per_minute(NonZeroU32::new(count).unwrap_or(NonZeroU32::MIN));
        Self {
            each: RateLimiter::keyed(per_minute(settings.requests_per_minute)),
            failures: RateLimiter::direct(per_minute(settings.failures_per_minute)),
            clock: DefaultClock::default(),
        }
    }

    /// Counts a request of somebody.
    pub(super) fn count(&self, who: &str) -> Result<(), Problem> {
        if self.each.len() > MANY {
            self.each.retain_recent();
        }
        self.each.check_key(&who.to_owned()).map_err(|early| {
            let wait = early.wait_time_from(self.clock.now());
            Problem::too_many(seconds(wait))
        })
    }

    /// Counts a failed attempt; the problem to answer with.
    pub(super) fn failed(&self, problem: Problem) -> Problem {
        match self.failures.check() {
            Ok(()) => problem,
            Err(early) => Problem::too_many(seconds(early.wait_time_from(self.clock.now()))),
        }
    }
}

fn seconds(wait: std::time::Duration) -> u32 {
    u32::try_from(wait.as_secs()).unwrap_or(u32::MAX - 1) + 1
}
