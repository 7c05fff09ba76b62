//! Ports that may be dialled.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// Ports from `first` to `last`, both included. Written `443` or `1024-65535`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct PortRange {
    first: u16,
    last: u16,
}

/// Neither a port nor a range of ports.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{text}' is neither a port from 1 to 65535 nor a range such as 1024-65535")]
pub struct NotAPortRange {
    /// As given, cut.
    text: String,
}

impl PortRange {
    /// HTTPS.
    pub const HTTPS: Self = Self { first: 443, last: 443 };
    /// HTTP.
    pub const HTTP: Self = Self { first: 80, last: 80 };
    /// All that need no privilege to listen on.
    pub const UNPRIVILEGED: Self = Self { first: 1_024, last: u16::MAX };

    /// One port.
    #[must_use]
    pub const fn single(port: u16) -> Self {
        Self { first: port, last: port }
    }

    /// True when the range lets a request to `port` go. A port on which another protocol is at home needs an entry of
    /// its own: a wide range does not open it.
    #[must_use]
    pub fn opens(self, port: u16) -> bool {
        let single = self.first == self.last;
        port != 0 && (self.first..=self.last).contains(&port) && (single || !OTHER_PROTOCOLS.contains(&port))
    }
}

/// Unprivileged ports on which an HTTP request is taken for something else (the Fetch standard's list of bad ports).
const OTHER_PROTOCOLS: [u16; 18] =
    [1_719, 1_720, 1_723, 2_049, 3_659, 4_045, 4_190, 5_060, 5_061, 6_000, 6_566, 6_665, 6_666, 6_667, 6_668, 6_669, 6_679, 6_697];

impl FromStr for PortRange {
    type Err = NotAPortRange;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (first, last) = text.split_once('-').unwrap_or((text, text));
        match (first.trim().parse(), last.trim().parse()) {
            (Ok(first), Ok(last)) if 0 < first && first <= last => Ok(Self { first, last }),
            _ => Err(NotAPortRange { text: text.chars().take(32).flat_map(char::escape_debug).collect() }),
        }
    }
}

impl fmt::Display for PortRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.first == self.last { write!(f, "{}", self.first) } else { write!(f, "{}-{}", self.first, self.last) }
    }
}

impl Serialize for PortRange {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for PortRange {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Written {
            Number(u16),
            Text(String),
        }
        let text = match Written::deserialize(deserializer)? {
            Written::Number(port) => port.to_string(),
            Written::Text(text) => text,
        };
        text.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read_as_people_write_them() {
        for (text, written) in [("443", Some("443")), ("1024-65535", Some("1024-65535")), (" 80 - 90 ", Some("80-90"))] {
            assert_eq!(text.parse::<PortRange>().ok().map(|range| range.to_string()).as_deref(), written, "{text}");
        }
        for text in ["", "0", "90-80", "70000", "a-b", "1-2-3", "-1", "0-10"] {
            assert!(text.parse::<PortRange>().is_err(), "{text}");
        }
        let read: Vec<PortRange> = serde_json::from_str(r#"[443, "8000-9000"]"#).expect("both forms");
        assert_eq!(read, [PortRange::HTTPS, PortRange { first: 8_000, last: 9_000 }]);
    }

    #[test]
    fn a_wide_range_does_not_open_the_ports_of_other_protocols() {
        for (range, port, open) in [
            (PortRange::UNPRIVILEGED, 8_443, true),
            (PortRange::UNPRIVILEGED, 65_535, true),
            (PortRange::UNPRIVILEGED, 443, false),
            (PortRange::UNPRIVILEGED, 6_667, false),
            (PortRange::single(6_667), 6_667, true),
            (PortRange::HTTPS, 443, true),
            (PortRange::HTTPS, 0, false),
        ] {
            assert_eq!(range.opens(port), open, "{range} {port}");
        }
    }
}
