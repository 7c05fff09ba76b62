//! Time that moves only when told.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::{Duration, SystemTime},
};

use countersign_core::Timestamp;

/// 2025-11-01T10:00:00Z: late enough for every certificate, early enough to be in the past of every machine.
const START_S: i64 = 1_761_991_200;

/// A clock that stands still until it is moved. Clones are the same clock.
#[derive(Clone, Debug)]
pub struct ManualClock(Arc<AtomicI64>);

impl ManualClock {
    /// A clock that shows 2025-11-01T10:00:00Z.
    #[must_use]
    pub fn new() -> Self {
        Self::at(Timestamp::from_secs(START_S))
    }

    /// A clock that shows this time.
    #[must_use]
    pub fn at(start: Timestamp) -> Self {
        Self(Arc::new(AtomicI64::new(start.as_micros())))
    }

    /// The time it shows.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        Timestamp::from_micros(self.0.load(Ordering::SeqCst))
    }

    /// The time it shows, in the standard library's type.
    #[must_use]
    pub fn system_time(&self) -> SystemTime {
        let micros = self.0.load(Ordering::SeqCst);
        let distance = Duration::from_micros(micros.unsigned_abs());
        if micros < 0 { SystemTime::UNIX_EPOCH - distance } else { SystemTime::UNIX_EPOCH + distance }
    }

    /// Moves it forward.
    pub fn advance(&self, by: Duration) {
        let micros = i64::try_from(by.as_micros()).unwrap_or(i64::MAX);
        // The closure always gives a value, so this cannot fail.
        let _ = self.0.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |now| Some(now.saturating_add(micros)));
    }

    /// Sets it, backwards too.
    pub fn set(&self, to: Timestamp) {
        self.0.store(to.as_micros(), Ordering::SeqCst);
    }
}

impl Default for ManualClock {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_moves_only_when_told_and_for_every_clone() {
        let clock = ManualClock::new();
        let same = clock.clone();
        let before = clock.now();
        assert_eq!(clock.now(), before);
        same.advance(Duration::from_millis(1_500));
        assert_eq!(clock.now().since(before), Duration::from_millis(1_500));
        assert_eq!(clock.system_time(), SystemTime::UNIX_EPOCH + Duration::from_micros(1_761_991_201_500_000));
        clock.set(Timestamp::from_secs(-1));
        assert_eq!(same.system_time(), SystemTime::UNIX_EPOCH - Duration::from_secs(1));
    }
}
