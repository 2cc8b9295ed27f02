//! How large the batches are: small at first, larger as long as the other side keeps up.
//!
//! A side hears nothing while a frame is on its way, and gives up when it hears nothing for too
//! long. On a slow link the frames must therefore be short, or every sync would end in the middle
//! of the same frame; on a fast one, a few doublings reach the full size at once.

use crate::time::Timestamp;

/// Raw bytes of the first batch: half a minute at 1.6 kB/s, should nothing compress.
const FIRST_BYTES: usize = 48 << 10;
/// Confirmed sooner than this, the next one may be twice as large.
const SOON_MS: i64 = 5_000;
/// Confirmed later than this, the next one is half as large.
const LATE_MS: i64 = 20_000;

/// The size of the next batch.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    bytes: usize,
}

impl Default for Pace {
    fn default() -> Self {
        Self { bytes: FIRST_BYTES }
    }
}

impl Pace {
    /// About how many bytes of raw changes may go into the next batch.
    pub(super) fn bytes(self, most: usize) -> usize {
        self.bytes.min(most)
    }

    /// A batch sent at `sent` was confirmed now.
    pub(super) fn confirmed(&mut self, sent: Timestamp, now: Timestamp, most: usize) {
        let took = now.millis().saturating_sub(sent.millis());
        if took < SOON_MS {
            self.grow(most);
        } else if took > LATE_MS {
            self.bytes = (self.bytes / 2).max(FIRST_BYTES);
        }
    }

    /// A batch left that nobody confirms: what arrived stays, so that even if this session ends
    /// early, the next one goes on behind it.
    pub(super) fn grow(&mut self, most: usize) {
        self.bytes = self.bytes.saturating_mul(2).min(most.max(FIRST_BYTES));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOST: usize = 768 << 10;

    fn after(pace: &mut Pace, millis: i64) -> usize {
        let sent = Timestamp::from_millis(1_640_000_000_000);
        pace.confirmed(sent, sent.plus_millis(millis), MOST);
        pace.bytes(MOST)
    }

    #[test]
    fn a_fast_link_gets_to_full_batches_in_four_steps() {
        let mut pace = Pace::default();
        assert_eq!(pace.bytes(MOST), FIRST_BYTES);
        let sizes: Vec<usize> = (0..5).map(|_| after(&mut pace, 20)).collect();
        assert_eq!(sizes, [96 << 10, 192 << 10, 384 << 10, MOST, MOST]);
    }

    #[test]
    fn a_slow_link_keeps_small_ones_and_a_slower_one_goes_back() {
        let mut pace = Pace::default();
        assert_eq!(after(&mut pace, 8_000), FIRST_BYTES);
        assert_eq!(after(&mut pace, 1_000), 2 * FIRST_BYTES);
        assert_eq!(after(&mut pace, 8_000), 2 * FIRST_BYTES);
        assert_eq!(after(&mut pace, 30_000), FIRST_BYTES);
        assert_eq!(after(&mut pace, 30_000), FIRST_BYTES);
    }

    #[test]
    fn a_smaller_setting_stands() {
        let mut pace = Pace::default();
        pace.grow(16 << 10);
        assert_eq!(pace.bytes(16 << 10), 16 << 10);
    }
}
