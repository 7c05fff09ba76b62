//! The database's clock: the one by which leases end, whatever clocks the nodes have.
//!
//! Callers pass times of their own clock. Where two nodes must agree, on the end of a life, the time is moved by as much as
//! the database's clock was ahead when it was last asked. So a node whose clock is a minute fast neither takes the leases of
//! the others nor keeps its own for longer.

use std::{
    sync::atomic::{AtomicI64, Ordering},
    time::{SystemTime, UNIX_EPOCH},
};

use countersign_core::Timestamp;

/// Clocks that are less than this apart count as the same: asking takes its time too, and leases last half a minute.
const SAME_US: i64 = 1_000_000;

/// How far the database's clock is ahead of ours.
#[derive(Debug, Default)]
pub(super) struct DatabaseClock {
    ahead_us: AtomicI64,
}

impl DatabaseClock {
    /// The database said what time it is, in microseconds.
    pub(super) fn heard(&self, database_us: i64) {
        let ours = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| i64::try_from(since.as_micros()).unwrap_or(i64::MAX));
        self.compare(database_us, ours);
    }

    /// The database's clock showed this when ours showed that.
    pub(super) fn compare(&self, database_us: i64, ours_us: i64) {
        let ahead = database_us.saturating_sub(ours_us);
        self.ahead_us.store(if ahead.abs() < SAME_US { 0 } else { ahead }, Ordering::Relaxed);
    }

    /// A time of ours as one of the database.
    pub(super) fn there(&self, at: Timestamp) -> i64 {
        at.as_micros().saturating_add(self.ahead_us.load(Ordering::Relaxed))
    }

    /// A time of the database as one of ours.
    pub(super) fn here(&self, at_us: i64) -> Timestamp {
        Timestamp::from_micros(at_us.saturating_sub(self.ahead_us.load(Ordering::Relaxed)))
    }

    /// How far apart the clocks are, in microseconds; 0 when that is nothing to speak of.
    pub(super) fn apart_us(&self) -> i64 {
        self.ahead_us.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_of_a_node_whose_clock_is_off_are_moved_there_and_back() {
        let clock = DatabaseClock::default();
        let now = Timestamp::from_secs(1_800_000_000);
        clock.compare(now.as_micros() + 400_000, now.as_micros());
        assert_eq!((clock.there(now), clock.apart_us()), (now.as_micros(), 0), "a little is nothing");
        clock.compare(now.as_micros() - 60_000_000, now.as_micros());
        assert_eq!(clock.there(now), now.as_micros() - 60_000_000);
        assert_eq!(clock.here(clock.there(now)), now);
    }
}
