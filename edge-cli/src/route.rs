//! Which address of the server worked last, when it was not the first: for an hour it goes first, so
//! that a network that blocks UDP costs two seconds once and not at each sync.

use std::path::{Path, PathBuf};

use outlet_core::identity::ServerAddress;
use outlet_core::time::Timestamp;
use serde::{Deserialize, Serialize};

/// How long a detour is remembered.
const REMEMBERED_MS: i64 = 3_600_000;

/// What is remembered, in `HOME/route.json`. A hint: unreadable is absent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Route {
    /// The address that answered.
    pub(crate) address: String,
    /// By this device's clock, until when it goes first.
    pub(crate) until: Timestamp,
}

impl Route {
    fn path(home: &Path) -> PathBuf {
        home.join("route.json")
    }

    /// What is remembered and still counts.
    pub(crate) fn read(home: &Path, now: Timestamp) -> Option<Self> {
        let route: Self = serde_json::from_slice(&std::fs::read(Self::path(home)).ok()?).ok()?;
        // A clock that went back must not make the hour a year.
        let left = route.until.millis().saturating_sub(now.millis());
        (0..=REMEMBERED_MS).contains(&left).then_some(route)
    }

    /// The addresses in the order to try.
    pub(crate) fn order(home: &Path, servers: &[ServerAddress], now: Timestamp) -> Vec<ServerAddress> {
        let mut order = servers.to_vec();
        if let Some(route) = Self::read(home, now) {
            order.sort_by_key(|address| address.to_string() != route.address);
        }
        order
    }

    /// An address has answered. True when it is a detour that is remembered from now on.
    pub(crate) fn note(home: &Path, servers: &[ServerAddress], address: &ServerAddress, now: Timestamp) -> bool {
        if servers.first() == Some(address) {
            let _nothing_to_forget = std::fs::remove_file(Self::path(home));
            return false;
        }
        let text = address.to_string();
        if Self::read(home, now).is_some_and(|route| route.address == text) {
            return false;
        }
        let route = Self { address: text, until: now.plus_millis(REMEMBERED_MS) };
        let Ok(bytes) = serde_json::to_vec(&route) else { return false };
        // Only a hint: when it cannot be written, the next sync looks again.
        std::fs::write(Self::path(home), bytes).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_detour_is_remembered_for_an_hour_and_forgotten_when_the_first_answers() {
        let home = tempfile::tempdir().unwrap();
        let servers: Vec<ServerAddress> =
            ["quic://203.0.113.7:4433", "tls://203.0.113.7:443"].iter().map(|text| text.parse().unwrap()).collect();
        let now = Timestamp::from_millis(1_640_000_000_000);
        assert_eq!(Route::order(home.path(), &servers, now), servers);
        assert!(Route::note(home.path(), &servers, &servers[1], now));
        assert!(!Route::note(home.path(), &servers, &servers[1], now), "said once");
        let later = |millis| Route::order(home.path(), &servers, now.plus_millis(millis))[0].clone();
        assert_eq!(later(3_599_000), servers[1]);
        assert_eq!(later(3_601_000), servers[0]);
        assert_eq!(later(-1), servers[0], "the clock went back");
        assert!(!Route::note(home.path(), &servers, &servers[0], now));
        assert_eq!(later(1), servers[0]);
        std::fs::write(home.path().join("route.json"), b"{").unwrap();
        assert_eq!(later(1), servers[0]);
    }
}
