//! How many reports one address may send in an hour. Kept in memory and forgotten with the process:
//! addresses of reporters are written nowhere.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use outlet_core::time::Timestamp;

const HOUR_MS: i64 = 3_600_000;
/// Addresses remembered; beyond that the hour begins anew for all.
const REMEMBERED: usize = 10_000;

pub(super) struct Limiter {
    per_hour: u32,
    seen: Mutex<HashMap<String, (i64, u32)>>,
}

impl Limiter {
    pub(super) fn new(per_hour: u32) -> Self {
        Self { per_hour, seen: Mutex::new(HashMap::new()) }
    }

    /// May this caller send one more now?
    pub(super) fn admit(&self, caller: &str, now: Timestamp) -> bool {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.len() >= REMEMBERED {
            seen.retain(|_, (since, _)| now.millis() - *since < HOUR_MS);
            if seen.len() >= REMEMBERED {
                seen.clear();
            }
        }
        let (since, count) = seen.entry(caller.to_owned()).or_insert((now.millis(), 0));
        if now.millis() - *since >= HOUR_MS {
            (*since, *count) = (now.millis(), 0);
        }
        *count += 1;
        *count <= self.per_hour
    }
}
