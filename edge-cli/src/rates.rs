//! How fast past syncs were: a hint for the plan before the next one. Kept beside the store, worth
//! nothing and missed by nobody when it is lost.

use std::path::{Path, PathBuf};

use outlet_core::sync::session::Summary;
use serde::{Deserialize, Serialize};

/// Sessions that moved less say more about the round trip than about the rate.
const LEAST_BYTES: u64 = 32 << 10;
/// Weight of the newest session.
const NEWEST: f64 = 0.4;

/// Measured over past sessions.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Rates {
    /// Sessions that count.
    sessions: u32,
    /// Bytes in a second, both ways together.
    bytes_per_s: f64,
    /// Bytes sent for a raw byte of a change.
    packed: f64,
}

/// What a sync will probably take.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(crate) struct Expected {
    pub(crate) bytes: u64,
    /// None before the first sync was measured.
    pub(crate) seconds: Option<u64>,
    pub(crate) measured_sessions: u32,
}

fn path(home: &Path) -> PathBuf {
    home.join("rates.json")
}

impl Rates {
    pub(crate) fn of(home: &Path) -> Self {
        let text = std::fs::read(path(home)).unwrap_or_default();
        let read: Self = serde_json::from_slice(&text).unwrap_or_default();
        let sane = read.bytes_per_s.is_finite() && read.packed.is_finite() && read.bytes_per_s > 0.0;
        if sane { read } else { Self::default() }
    }

    /// Takes a session into account. Lost silently when the disk is full.
    pub(crate) fn note(home: &Path, summary: &Summary, millis: i64) {
        if let Some(next) = Self::of(home).with(summary, millis) {
            let _ = serde_json::to_vec(&next).map(|text| std::fs::write(path(home), text));
        }
    }

    fn with(self, summary: &Summary, millis: i64) -> Option<Self> {
        let moved = summary.sent.bytes.saturating_add(summary.received.bytes);
        if moved < LEAST_BYTES || millis <= 0 {
            return None;
        }
        let rate = moved as f64 * 1000.0 / millis as f64;
        let raw = summary.to_push.bytes;
        // Only a session of records alone tells how they pack.
        let packed = (raw > 0 && summary.sent.photos + summary.sent.previews == 0 && summary.sent.changes > 0)
            .then(|| (summary.sent.bytes as f64 / raw as f64).min(2.0));
        let mix = |old: f64, new: f64| if self.sessions == 0 || old <= 0.0 { new } else { old + NEWEST * (new - old) };
        Some(Self {
            sessions: self.sessions.saturating_add(1),
            bytes_per_s: mix(self.bytes_per_s, rate),
            packed: packed.map_or(self.packed, |packed| mix(self.packed, packed)),
        })
    }

    /// For so many raw bytes of changes and so many bytes of files.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "positive, and saturating is right")]
    pub(crate) fn expect(self, raw: u64, files: u64) -> Expected {
        let packed = if self.packed > 0.0 { self.packed } else { 1.0 };
        let bytes = ((raw as f64 * packed) as u64).saturating_add(files);
        let seconds = (self.sessions > 0).then(|| (bytes as f64 / self.bytes_per_s).ceil() as u64);
        Expected { bytes, seconds, measured_sessions: self.sessions }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moved(sent: u64, raw: u64) -> Summary {
        let mut summary = outlet_core::sync::Session::acceptor(outlet_core::sync::Config::new(
            outlet_core::identity::SecretKey::from_bytes([1; 32]),
            outlet_core::ids::PublicKey([2; 32]),
            [0; 32],
        ))
        .summary()
        .clone();
        summary.sent.bytes = sent;
        summary.sent.changes = 10;
        summary.to_push.bytes = raw;
        summary
    }

    #[test]
    fn nothing_is_promised_before_something_was_measured() {
        assert_eq!(Rates::default().expect(1000, 500), Expected { bytes: 1500, seconds: None, measured_sessions: 0 });
    }

    #[test]
    fn the_newest_session_counts_most_and_small_ones_do_not() {
        let first = Rates::default().with(&moved(100_000, 200_000), 10_000).unwrap();
        assert_eq!(first.expect(20_000, 90_000), Expected { bytes: 100_000, seconds: Some(10), measured_sessions: 1 });
        assert_eq!(first.with(&moved(1_000, 2_000), 10), None);
        assert_eq!(first.with(&moved(100_000, 2_000), 0), None, "a clock that stood still");
        let second = first.with(&moved(100_000, 200_000), 1_000).unwrap();
        assert_eq!(second.expect(0, 46_000).seconds, Some(1), "46 kB/s, between 10 and 100");
    }

    #[test]
    fn a_file_of_nonsense_is_no_file() {
        let home = tempfile::tempdir().unwrap();
        for text in ["", "{", r#"{"sessions":3,"bytes_per_s":-1}"#, r#"{"sessions":"x"}"#] {
            std::fs::write(path(home.path()), text).unwrap();
            assert_eq!(Rates::of(home.path()), Rates::default(), "{text}");
        }
        Rates::note(home.path(), &moved(100_000, 200_000), 10_000);
        assert_eq!(Rates::of(home.path()).sessions, 1);
    }
}
