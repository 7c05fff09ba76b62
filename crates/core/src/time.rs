//! Points in time, as the wire and the store write them.
//!
//! Core has no clock: every function that needs the time takes a [`Timestamp`].

use std::{fmt, ops::Add, time::Duration};

use jiff::{
    civil::DateTime,
    fmt::temporal::{DateTimeParser, Pieces},
    tz::TimeZone,
};

/// A point in time: microseconds since 1970-01-01T00:00:00Z, leap seconds not counted.
///
/// Serialised as that number.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct Timestamp(i64);

/// The text is not a date that any client of Connect is known to send.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{text}' is not a date; write it like 2025-11-01T10:00:00Z")]
pub struct NotADate {
    /// The text as received, cut to 64 characters.
    pub text: String,
}

impl Timestamp {
    /// 1970-01-01T00:00:00Z.
    pub const EPOCH: Self = Self(0);

    /// From microseconds since the epoch.
    #[must_use]
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros)
    }

    /// From milliseconds since the epoch.
    #[must_use]
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis.saturating_mul(1_000))
    }

    /// From seconds since the epoch.
    #[must_use]
    pub const fn from_secs(secs: i64) -> Self {
        Self(secs.saturating_mul(1_000_000))
    }

    /// Microseconds since the epoch.
    #[must_use]
    pub const fn as_micros(self) -> i64 {
        self.0
    }

    /// Whole milliseconds since the epoch.
    #[must_use]
    pub const fn as_millis(self) -> i64 {
        self.0.div_euclid(1_000)
    }

    /// Whole seconds since the epoch.
    #[must_use]
    pub const fn as_secs(self) -> i64 {
        self.0.div_euclid(1_000_000)
    }

    /// Time gone by since `earlier`; zero when `earlier` is later.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// The point `by` before this one, never before the year 0.
    #[must_use]
    pub fn minus(self, by: Duration) -> Self {
        Self(self.0.saturating_sub(micros(by)))
    }

    /// `2022-12-09T18:29:29.7360000Z`: REST answers and `generatedDateTime` (Connect: always seven fraction digits).
    #[must_use]
    pub fn to_seven_digits(self) -> String {
        let (civil, fraction) = self.civil();
        format!("{civil}.{fraction:06}0Z")
    }

    /// `2022-09-22T15:19:24.5Z`: dates inside `envelopeSummary` (Connect: one to three fraction digits as needed, none for a whole second).
    #[must_use]
    pub fn to_short_fraction(self) -> String {
        let (civil, fraction) = self.civil();
        let digits = format!("{:03}", fraction / 1_000);
        match digits.trim_end_matches('0') {
            "" => format!("{civil}Z"),
            digits => format!("{civil}.{digits}Z"),
        }
    }

    /// Reads what clients are known to send: ISO 8601 with or without a zone (a space for a sloppily encoded `+` included),
    /// a date alone, and `2016/01/01`. Without a zone the time is UTC.
    ///
    /// # Errors
    /// [`NotADate`] when the text is none of these.
    pub fn parse_generous(text: &str) -> Result<Self, NotADate> {
        let refused = || NotADate { text: text.chars().take(64).collect() };
        let trimmed = text.trim();
        if trimmed.len() > 64 {
            return Err(refused());
        }
        let mut normal = trimmed.replace('/', "-");
        // "2025-11-01T00:00:00 00:00" is a "+00:00" whose plus was read as a space.
        if let Some((head, zone)) = normal.rsplit_once(' ')
            && head.contains('T')
            && zone.len() == 5
            && zone.as_bytes()[2] == b':'
        {
            normal = format!("{head}+{zone}");
        }
        let pieces: Pieces<'_> = DateTimeParser::new().parse_pieces(normal.as_str()).map_err(|_| refused())?;
        let civil: DateTime = pieces.date().to_datetime(pieces.time().unwrap_or_default());
        let zone = match pieces.to_numeric_offset() {
            Some(offset) => TimeZone::fixed(offset),
            None => TimeZone::UTC,
        };
        let zoned = civil.to_zoned(zone).map_err(|_| refused())?;
        Ok(Self(zoned.timestamp().as_microsecond()))
    }

    fn civil(self) -> (String, i64) {
        let seconds = self.0.div_euclid(1_000_000);
        let fraction = self.0.rem_euclid(1_000_000);
        // The range of jiff is the years -9999 to 9999; anything beyond is clamped to its ends.
        let at = jiff::Timestamp::from_second(seconds).unwrap_or(if seconds < 0 { jiff::Timestamp::MIN } else { jiff::Timestamp::MAX });
        let civil = TimeZone::UTC.to_datetime(at);
        let text = format!(
            "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}",
            civil.year(),
            civil.month(),
            civil.day(),
            civil.hour(),
            civil.minute(),
            civil.second()
        );
        (text, fraction)
    }
}

fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

impl Add<Duration> for Timestamp {
    type Output = Self;

    fn add(self, by: Duration) -> Self {
        Self(self.0.saturating_add(micros(by)))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_seven_digits())
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_seven_digits())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_on_the_wire_have_connects_digits() {
        let at = Timestamp::from_micros(1_670_610_569_736_000);
        assert_eq!(at.to_seven_digits(), "2022-12-09T18:29:29.7360000Z");
        assert_eq!(at.to_short_fraction(), "2022-12-09T18:29:29.736Z");
        assert_eq!(Timestamp::from_millis(1_663_859_964_500).to_short_fraction(), "2022-09-22T15:19:24.5Z");
        assert_eq!(Timestamp::EPOCH.to_short_fraction(), "1970-01-01T00:00:00Z");
    }

    #[test]
    fn dates_of_all_known_clients_are_read() {
        for (text, seven) in [
            ("2025-11-01", "2025-11-01T00:00:00.0000000Z"),
            ("2016/01/01", "2016-01-01T00:00:00.0000000Z"),
            ("2025-11-01T10:00:00", "2025-11-01T10:00:00.0000000Z"),
            ("2025-11-01T10:00:00.123Z", "2025-11-01T10:00:00.1230000Z"),
            ("2025-11-01T00:00:00+02:00", "2025-10-31T22:00:00.0000000Z"),
            ("2025-11-01T00:00:00 00:00", "2025-11-01T00:00:00.0000000Z"),
            ("2020-08-13T22:01:19.9600000Z", "2020-08-13T22:01:19.9600000Z"),
            ("2025-11-01 10:00", "2025-11-01T10:00:00.0000000Z"),
        ] {
            assert_eq!(Timestamp::parse_generous(text).map(Timestamp::to_seven_digits), Ok(seven.to_owned()), "{text}");
        }
        for text in ["", "yesterday", "2025-13-01", "12", "{}"] {
            assert!(Timestamp::parse_generous(text).is_err(), "{text}");
        }
    }
}
