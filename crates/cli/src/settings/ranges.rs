//! Which values of a setting make sense. Others are refused at start: a server that runs and delivers nothing is worse than none.

use std::{fmt::Display, ops::RangeInclusive, time::Duration};

use super::ServeSettings;
use crate::{misuse::Misuse, span::Span};

/// As a subscription's `timeoutMs`: below it no listener answers, above it a dead one holds its place for long.
const DELIVERY_TIMEOUT: RangeInclusive<Span> = Span(Duration::from_secs(1))..=Span(Duration::from_secs(600));
/// Nothing finished could be looked at or sent again if it went at once.
pub(crate) const RETENTION: RangeInclusive<Span> = Span(Duration::from_secs(60))..=Span(Duration::from_secs(3_660 * 86_400));
/// The same for people.
pub(crate) const RETENTION_WORDS: &str = "1m to 3660d";
/// Each attempt has a connection and a message in memory.
const LANE_CONCURRENCY: RangeInclusive<u32> = 1..=1_024;
/// With nothing in memory nothing is delivered; beyond it the count of bytes would not be exact.
const MEMORY_MIB: RangeInclusive<usize> = 1..=1 << 20;
/// With what is around it, an event must fit into a message of 64 MiB.
const EVENT_BYTES: RangeInclusive<usize> = 1_024..=48 << 20;
/// A body is held in memory whole.
const ENVELOPE_BYTES: RangeInclusive<usize> = 1_024..=512 << 20;
/// The reserve alone takes 64 MiB.
pub(crate) const DISK_BUDGET_MIB: RangeInclusive<u64> = 128..=u64::MAX;

/// The same for people.
pub(crate) const DISK_BUDGET_WORDS: &str = "128 or more";

/// Checks what was given; what was not has its default.
///
/// # Errors
/// One clause that names the setting, its value and its range.
pub(super) fn check(given: &ServeSettings) -> anyhow::Result<()> {
    within("delivery-timeout", given.delivery_timeout, &DELIVERY_TIMEOUT, "1s to 600s")?;
    within("retention", given.retention, &RETENTION, RETENTION_WORDS)?;
    within("lane-concurrency", given.lane_concurrency, &LANE_CONCURRENCY, "1 to 1024")?;
    within("memory-mib", given.memory_mib, &MEMORY_MIB, "1 to 1048576")?;
    within("event-bytes-max", given.event_bytes_max, &EVENT_BYTES, "1024 to 50331648 (48 MiB)")?;
    within("envelope-bytes-max", given.envelope_bytes_max, &ENVELOPE_BYTES, "1024 to 536870912 (512 MiB)")?;
    within("disk-budget-mib", given.disk_budget_mib, &DISK_BUDGET_MIB, DISK_BUDGET_WORDS)
}

/// Refuses a value outside its range, which `words` say.
///
/// # Errors
/// One clause that names the setting, its value and its range.
pub(crate) fn within<T: PartialOrd + Display>(name: &str, value: Option<T>, range: &RangeInclusive<T>, words: &str) -> anyhow::Result<()> {
    match value {
        Some(value) if !range.contains(&value) => Err(Misuse::error(format!("{name} is {value}; give it {words}"))),
        _ => Ok(()),
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn a_value_with_which_nothing_would_work_is_refused_with_its_range() {
        for (line, words) in [
            ("delivery-timeout = 0", "delivery-timeout is 0s; give it 1s to 600s"),
            ("delivery-timeout = '999ms'", "delivery-timeout is 999ms; give it 1s to 600s"),
            ("delivery-timeout = '601s'", "delivery-timeout is 601s; give it 1s to 600s"),
            ("retention = '0d'", "retention is 0s; give it 1m to 3660d"),
            ("lane-concurrency = 0", "lane-concurrency is 0; give it 1 to 1024"),
            ("lane-concurrency = 1025", "lane-concurrency is 1025; give it 1 to 1024"),
            ("memory-mib = 0", "memory-mib is 0; give it 1 to 1048576"),
            ("event-bytes-max = 0", "event-bytes-max is 0; give it 1024 to 50331648 (48 MiB)"),
            ("envelope-bytes-max = 1023", "envelope-bytes-max is 1023; give it 1024 to 536870912 (512 MiB)"),
            ("disk-budget-mib = 64", "disk-budget-mib is 64; give it 128 or more"),
        ] {
            assert_eq!(check(&toml::from_str(line).unwrap()).unwrap_err().to_string(), words, "{line}");
        }
    }

    #[test]
    fn both_ends_of_a_range_and_what_is_not_set_are_taken() {
        for line in [
            "",
            "delivery-timeout = 1\nretention = '1m'\nlane-concurrency = 1\nmemory-mib = 1\nbin-retention = 0\ngrace = 0",
            "delivery-timeout = 600\nretention = '3660d'\nlane-concurrency = 1024\nevent-bytes-max = 50331648\ndisk-budget-mib = 128",
        ] {
            check(&toml::from_str(line).unwrap()).unwrap();
        }
    }
}
