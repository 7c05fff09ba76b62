//! Where the time comes from.

use std::time::{SystemTime, UNIX_EPOCH};

use countersign_core::Timestamp;

/// The wall clock. Intervals are measured by the runtime's own monotonic clock; this one only says how old a token is.
pub trait Clock: Send + Sync + 'static {
    /// The present moment.
    fn now(&self) -> Timestamp;
}

/// The clock of the machine.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp::EPOCH + since
    }
}
