//! Days, and the tables that have a partition for each.
//!
//! Events and attempts are nearly all there is to store, and nothing of them changes after they were written: each day of them
//! is a partition, which goes as a whole when retention ends. Deliveries are not divided. They are the work list, which claims
//! look through by lane and due time: with a partition for each day every claim would look through all days.

use std::fmt;

use countersign_core::{Timestamp, id::first_at};

use super::value::id;

/// A day is 24 hours: a month of retention is some thirty partitions, which a list that looks through all of them still reads in a few
/// milliseconds. Hours would be hundreds; of weeks the last would stay for up to seven days too long.
const SECONDS: i64 = 24 * 3_600;

/// A day in UTC, by which ids are divided.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(super) struct Day(i64);

impl Day {
    /// The day that a time is in.
    pub(super) fn of(at: Timestamp) -> Self {
        Self(at.as_micros().div_euclid(SECONDS * 1_000_000))
    }

    /// So many days later.
    pub(super) fn plus(self, days: i64) -> Self {
        Self(self.0 + days)
    }

    /// The first id of the day, as stored.
    pub(super) fn first(self) -> i64 {
        id(first_at(self.midnight()))
    }

    /// The first id that is of the next day, as stored.
    pub(super) fn end(self) -> i64 {
        self.plus(1).first()
    }

    fn midnight(self) -> Timestamp {
        Timestamp::from_secs(self.0.saturating_mul(SECONDS))
    }

    /// Reads what [`fmt::Display`] writes.
    fn from_digits(digits: &str) -> Option<Self> {
        if digits.len() != 8 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let text = format!("{}-{}-{}T00:00:00Z", &digits[..4], &digits[4..6], &digits[6..]);
        Timestamp::parse_generous(&text).ok().map(Self::of)
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let midnight = self.midnight().to_string();
        let date = midnight.split('T').next().unwrap_or_default();
        f.write_str(&date.replace('-', ""))
    }
}

/// A table that has a partition for each day.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) enum Table {
    /// Attempts.
    Attempt,
    /// Events with their snapshots.
    Event,
}

impl Table {
    /// Both, in the order in which their days go: nothing of an attempt is shown without its event.
    pub(super) const ALL: [Self; 2] = [Self::Attempt, Self::Event];

    /// Its name.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Attempt => "attempt",
            Self::Event => "event",
        }
    }

    /// The partition of whatever has no day.
    pub(super) const fn other(self) -> &'static str {
        match self {
            Self::Attempt => "attempt_other",
            Self::Event => "event_other",
        }
    }
}

/// A day of a table. [`fmt::Display`] is its name, such as `event_20261128`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) struct Partition {
    pub(super) table: Table,
    pub(super) day: Day,
}

impl Partition {
    /// Reads a name; `None` for those that are no day's.
    pub(super) fn from_name(name: &str) -> Option<Self> {
        let (table, digits) = name.rsplit_once('_')?;
        let table = Table::ALL.into_iter().find(|known| known.name() == table)?;
        Some(Self { table, day: Day::from_digits(digits)? })
    }
}

impl fmt::Display for Partition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}_{}", self.table.name(), self.day)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use countersign_core::id::IdSource;

    use super::*;

    #[test]
    fn an_id_is_of_the_day_in_which_it_was_made() {
        let noon = Timestamp::parse_generous("2026-11-28T12:00:00Z").expect("a time");
        let day = Day::of(noon);
        let half = Duration::from_secs(12 * 3_600);
        for (row, at, is_within) in [
            ("noon", noon, true),
            ("midnight before", noon.minus(half), true),
            ("a millisecond earlier", noon.minus(half + Duration::from_millis(1)), false),
            ("the last millisecond", (noon + half).minus(Duration::from_millis(1)), true),
            ("midnight after", noon + half, false),
        ] {
            let made = id(IdSource::new(1_023).next(at));
            assert_eq!(day.first() <= made && made < day.end(), is_within, "{row}");
            assert_eq!(Day::of(at) == day, is_within, "{row}");
        }
    }

    #[test]
    fn names_are_written_and_read() {
        let day = Day::of(Timestamp::parse_generous("2026-11-28T23:59:59Z").expect("a time"));
        for (table, name) in [(Table::Event, "event_20261128"), (Table::Attempt, "attempt_20261128")] {
            let partition = Partition { table, day };
            assert_eq!(partition.to_string(), name);
            assert_eq!(Partition::from_name(name), Some(partition));
        }
        assert_eq!(day.plus(3).to_string(), "20261201", "over the end of a month");
        for name in ["event_other", "event", "event_2026112", "event_20261332", "delivery_20261128", "event_2026-1-1", "event_é0261128"] {
            assert_eq!(Partition::from_name(name), None, "{name}");
        }
    }
}
