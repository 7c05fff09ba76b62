//! How many requests a second: a bucket that fills again.

use countersign_core::Timestamp;

/// A bucket of requests: `per_second` come in, `burst` fit.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    per_second: u32,
    burst: u32,
    /// Thousandths of a request.
    left: u64,
    at: Timestamp,
}

impl Pace {
    /// A full bucket.
    pub(super) fn new(per_second: u32, burst: u32, now: Timestamp) -> Self {
        Self { per_second, burst, left: u64::from(burst) * 1_000, at: now }
    }

    /// Takes one request out, if there is one. A clock that goes back fills nothing.
    pub(super) fn take(&mut self, now: Timestamp) -> bool {
        let elapsed_ms = u64::try_from(now.as_millis() - self.at.as_millis()).unwrap_or(0);
        self.at = now;
        let filled = self.left.saturating_add(elapsed_ms.saturating_mul(u64::from(self.per_second)));
        self.left = filled.min(u64::from(self.burst) * 1_000);
        let has = self.left >= 1_000;
        if has {
            self.left -= 1_000;
        }
        has
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_passes_and_then_so_many_a_second() {
        let at = |ms: i64| Timestamp::from_millis(1_000_000 + ms);
        let mut pace = Pace::new(20, 3, at(0));
        let taken: Vec<bool> = [0, 0, 0, 0, 49, 50, 50, 100, -5_000, 60_000, 60_000, 60_000, 60_000].map(|ms| pace.take(at(ms))).into();
        assert_eq!(taken, [true, true, true, false, false, true, false, true, false, true, true, true, false]);
    }
}
