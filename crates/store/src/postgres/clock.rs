//! The database's clock: the one by which leases end and deliveries are due, whatever clocks the nodes have.
//!
//! A node follows it ([`DatabaseClock::now`]): it takes the time of its own system, moved by as much as the database's clock was
//! ahead when it was last asked, which is at the start and with each heartbeat. So a node whose clock is a minute fast neither takes
//! the leases of the others, nor keeps its own for longer, nor repeats early what another one put off. Callers that have a
//! clock of their own pass its times, and where two nodes must agree, on the end of a life, these are moved here.

use std::{
    sync::atomic::{AtomicBool, AtomicI64, Ordering},
    time::{SystemTime, UNIX_EPOCH},
};

use countersign_core::Timestamp;

/// Asks the database for the time, in microseconds.
pub(super) const TIME: &str = "SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint";
/// Clocks that are less than this apart count as the same: asking takes its time too, and leases last half a minute. A correction
/// that would be less than this is left, so that the time does not jump back and forth.
const SAME_US: i64 = 1_000_000;
/// An answer that took longer says too little of the time by now.
const ASKED_WITHIN_US: i64 = SAME_US / 2;

/// How far the database's clock is ahead of ours.
#[derive(Debug, Default)]
pub(super) struct DatabaseClock {
    ahead_us: AtomicI64,
    /// Callers take the time from here: what they pass is the database's time already.
    is_followed: AtomicBool,
}

impl DatabaseClock {
    /// Before the database is asked for the time: ours, in microseconds.
    pub(super) fn asks(&self) -> i64 {
        system_us()
    }

    /// The database said what time it is, in microseconds, to who asked at this time of ours.
    pub(super) fn heard(&self, database_us: i64, asked_us: i64) {
        let took_us = system_us().saturating_sub(asked_us);
        if (0..=ASKED_WITHIN_US).contains(&took_us) {
            self.compare(database_us, asked_us + took_us / 2);
        }
    }

    /// The database's clock showed this when ours showed that.
    pub(super) fn compare(&self, database_us: i64, ours_us: i64) {
        let ahead = database_us.saturating_sub(ours_us);
        let known = self.ahead_us.load(Ordering::Relaxed);
        if ahead.saturating_sub(known).abs() >= SAME_US {
            self.ahead_us.store(if ahead.abs() < SAME_US { 0 } else { ahead }, Ordering::Relaxed);
        }
    }

    /// From now on callers take the time from [`DatabaseClock::now`].
    pub(super) fn follow(&self) {
        self.is_followed.store(true, Ordering::Relaxed);
    }

    /// The database's time, as far as this node knows.
    pub(super) fn now(&self) -> Timestamp {
        Timestamp::from_micros(system_us().saturating_add(self.ahead_us.load(Ordering::Relaxed)))
    }

    /// A caller's time as one of the database.
    pub(super) fn there(&self, at: Timestamp) -> i64 {
        at.as_micros().saturating_add(self.callers_behind_us())
    }

    /// A time of the database as one of the caller's.
    pub(super) fn here(&self, at_us: i64) -> Timestamp {
        Timestamp::from_micros(at_us.saturating_sub(self.callers_behind_us()))
    }

    /// How far apart the clocks are, in microseconds; 0 when that is nothing to speak of.
    pub(super) fn apart_us(&self) -> i64 {
        self.ahead_us.load(Ordering::Relaxed)
    }

    fn callers_behind_us(&self) -> i64 {
        if self.is_followed.load(Ordering::Relaxed) { 0 } else { self.ahead_us.load(Ordering::Relaxed) }
    }
}

fn system_us() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_secs(1_800_000_000);
    const MINUTE_US: i64 = 60_000_000;

    #[test]
    fn times_of_a_node_whose_clock_is_off_are_moved_there_and_back() {
        let clock = DatabaseClock::default();
        clock.compare(NOW.as_micros() + 400_000, NOW.as_micros());
        assert_eq!((clock.there(NOW), clock.apart_us()), (NOW.as_micros(), 0), "a little is nothing");
        clock.compare(NOW.as_micros() - MINUTE_US, NOW.as_micros());
        assert_eq!(clock.there(NOW), NOW.as_micros() - MINUTE_US);
        assert_eq!(clock.here(clock.there(NOW)), NOW);
        clock.follow();
        assert_eq!((clock.there(NOW), clock.here(NOW.as_micros())), (NOW.as_micros(), NOW), "who follows brings the database's time");
        assert_eq!(clock.apart_us(), -MINUTE_US);
    }

    #[test]
    fn the_time_moves_where_clocks_drift_apart_and_not_with_each_answer() {
        let clock = DatabaseClock::default();
        for (ahead_us, known_us) in [
            (900_000, 0),
            (-900_000, 0),
            (MINUTE_US, MINUTE_US),
            (MINUTE_US + 900_000, MINUTE_US),
            (MINUTE_US + 1_200_000, MINUTE_US + 1_200_000),
            (300_000, 0),
        ] {
            clock.compare(NOW.as_micros() + ahead_us, NOW.as_micros());
            assert_eq!(clock.apart_us(), known_us, "after hearing of {ahead_us}");
        }
    }

    #[test]
    fn an_answer_that_took_long_is_not_believed() {
        let clock = DatabaseClock::default();
        let asked = clock.asks();
        clock.heard(asked + MINUTE_US, asked - SAME_US);
        assert_eq!(clock.apart_us(), 0);
        clock.heard(asked + MINUTE_US, asked);
        assert!((clock.apart_us() - MINUTE_US).abs() < SAME_US);
        assert!(clock.now().as_micros() >= asked + MINUTE_US - SAME_US);
    }
}
