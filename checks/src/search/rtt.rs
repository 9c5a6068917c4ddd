//! Round-trip times, and the waits that follow from them.

use core::time::Duration;

/// Smoothed round-trip time after RFC 6298, in microseconds.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct RttEstimate {
    smoothed: u32,
    variation: u32,
    seen: bool,
}

impl RttEstimate {
    pub(super) fn add(&mut self, sample: Duration) {
        let sample = u32::try_from(sample.as_micros()).unwrap_or(u32::MAX).min(60_000_000);
        if self.seen {
            self.variation = (self.variation * 3 + self.smoothed.abs_diff(sample)) / 4;
            self.smoothed = u32::try_from((u64::from(self.smoothed) * 7 + u64::from(sample)) / 8).unwrap_or(u32::MAX);
        } else {
            *self = Self { smoothed: sample, variation: sample / 4, seen: true };
        }
    }

    pub(super) fn smoothed(self) -> Duration {
        Duration::from_micros(self.smoothed.into())
    }

    /// How long after the answer to a later probe an earlier one may still come: the reordering margin. Nothing final hangs on
    /// it, because a late answer reopens the search.
    pub(super) fn margin(self) -> Duration {
        Duration::from_micros(u64::from((self.smoothed / 8).max(self.variation.min(self.smoothed)).max(300)))
    }

    /// The same before a verdict.
    pub(super) fn final_margin(self) -> Duration {
        Duration::from_micros(u64::from((self.smoothed / 2).max(self.variation).max(2_000)))
    }

    /// How long to wait for an answer when nothing later came back either.
    pub(super) fn timeout(self) -> Duration {
        if !self.seen {
            return Duration::from_millis(250);
        }
        Duration::from_micros(u64::from(self.smoothed) * 2 + u64::from(self.variation) * 4 + 10_000)
    }
}
