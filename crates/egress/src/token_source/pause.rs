//! How long an authorization server that gives no token is left alone.

use std::time::Duration;

/// The first pause after a failure that may pass by itself, and the longest.
const PASSING: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(5 * 60));

/// The same after a fault of configuration, which somebody has to mend first. Mending it on our side makes another
/// connection, which waits for nothing.
const CONFIGURATION: (Duration, Duration) = (Duration::from_secs(10), Duration::from_secs(15 * 60));

/// The pause after so many failures in a row (from 1), doubled from one to the next; `chance` in `[0, 1)` lengthens it by up
/// to a tenth, so that the nodes of an installation do not ask in step.
pub(super) fn pause(failures: u32, configuration_fault: bool, chance: f64) -> Duration {
    let (first, longest) = if configuration_fault { CONFIGURATION } else { PASSING };
    let doubled = first.saturating_mul(1_u32.checked_shl(failures.saturating_sub(1)).unwrap_or(u32::MAX));
    doubled.min(longest).mul_f64(1.0 + 0.1 * chance.clamp(0.0, 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_their_end() {
        for (failures, configuration_fault, seconds) in [
            (1, false, 1),
            (2, false, 2),
            (5, false, 16),
            (9, false, 256),
            (10, false, 300),
            (u32::MAX, false, 300),
            (1, true, 10),
            (2, true, 20),
            (8, true, 900),
            (33, true, 900),
        ] {
            assert_eq!(pause(failures, configuration_fault, 0.0), Duration::from_secs(seconds), "{failures} {configuration_fault}");
        }
        assert!(pause(10, false, 0.999) < Duration::from_secs(331));
    }
}
