//! What an attempt came to. A failed attempt is data, not an error: it is stored and shown.

use std::{fmt, time::Duration};

use serde::{Deserialize, Serialize};

use crate::{delivery::Hold, time::Timestamp};

/// The bounds of a `Retry-After` that is obeyed (S-9110-4: 1 s to 24 h).
pub const RETRY_AFTER_MIN: Duration = Duration::from_secs(1);
/// See [`RETRY_AFTER_MIN`].
pub const RETRY_AFTER_MAX: Duration = Duration::from_secs(24 * 3600);

/// Why there was no whole answer.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureKind {
    /// The address policy refuses the target.
    ForbiddenAddress,
    /// The name does not resolve, or not in time.
    Dns,
    /// No connection: refused, unreachable, or not in time.
    Connect,
    /// TLS could not be agreed: certificate, name, protocol, client certificate, or not in time.
    Tls,
    /// No whole answer within the time-out.
    Timeout,
    /// The connection ended before a whole answer.
    Closed,
    /// What came back is not HTTP, or breaks our limits on answers.
    BadAnswer,
    /// The request could not be built from the subscription's settings.
    Misconfigured,
    /// The message is larger than the limit on outbound bodies, or its snapshot is gone.
    Unrenderable,
}

impl FailureKind {
    /// The word used in columns, filters and pages.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ForbiddenAddress => "forbidden_address",
            Self::Dns => "dns",
            Self::Connect => "connect",
            Self::Tls => "tls",
            Self::Timeout => "timeout",
            Self::Closed => "closed",
            Self::BadAnswer => "bad_answer",
            Self::Misconfigured => "misconfigured",
            Self::Unrenderable => "unrenderable",
        }
    }

    /// The kind of a stored word.
    #[must_use]
    pub fn from_stored(word: &str) -> Option<Self> {
        [
            Self::ForbiddenAddress,
            Self::Dns,
            Self::Connect,
            Self::Tls,
            Self::Timeout,
            Self::Closed,
            Self::BadAnswer,
            Self::Misconfigured,
            Self::Unrenderable,
        ]
        .into_iter()
        .find(|kind| kind.as_str() == word)
    }
}

/// What an attempt came to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// A 2xx answer, status line and headers complete.
    Accepted {
        /// 200 to 299.
        status: u16,
    },
    /// Any other answer; redirects included, which are never followed.
    Rejected {
        /// The status.
        status: u16,
        /// `Retry-After`, within its bounds.
        retry_after: Option<Duration>,
    },
    /// No whole answer.
    Failed(FailureKind),
    /// Our own trouble: nothing was sent, no attempt is spent.
    Held(Hold),
    /// Shutdown cut it off: due at once, not counted.
    Interrupted,
}

impl Outcome {
    /// Of an answer (Connect: success is 200 to 299).
    #[must_use]
    pub fn from_response(status: u16, retry_after: Option<Duration>) -> Self {
        match status {
            200..=299 => Self::Accepted { status },
            _ => Self::Rejected { status, retry_after },
        }
    }

    /// Of the lack of an answer.
    #[must_use]
    pub fn from_failure(kind: FailureKind) -> Self {
        Self::Failed(kind)
    }

    /// The class used in filters: `accepted`, `http_4xx`, `timeout`, ...
    #[must_use]
    pub fn class(&self) -> &'static str {
        match self {
            Self::Accepted { .. } => "accepted",
            Self::Rejected { status: 300..=399, .. } => "http_3xx",
            Self::Rejected { status: 400..=499, .. } => "http_4xx",
            Self::Rejected { status: 500..=599, .. } => "http_5xx",
            Self::Rejected { .. } => "http_other",
            Self::Failed(kind) => kind.as_str(),
            Self::Held(hold) => hold.as_str(),
            Self::Interrupted => "interrupted",
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Accepted { status } | Self::Rejected { status, .. } => write!(f, "answered {status}"),
            Self::Failed(kind) => f.write_str(kind.as_str()),
            Self::Held(hold) => write!(f, "held: {}", hold.as_str()),
            Self::Interrupted => f.write_str("interrupted"),
        }
    }
}

/// Reads a `Retry-After` value, seconds or an HTTP date (RFC 9110 §10.2.3), into a wait within
/// [`RETRY_AFTER_MIN`] and [`RETRY_AFTER_MAX`]; `None` when it is neither.
#[must_use]
pub fn parse_retry_after(value: &str, now: Timestamp) -> Option<Duration> {
    let value = value.trim();
    let wait = if !value.is_empty() && value.bytes().all(|b| b.is_ascii_digit()) {
        // More digits than a number holds is a very long wait all the same.
        Duration::from_secs(value.parse().unwrap_or(u64::MAX))
    } else {
        let at = jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(value).ok()?;
        Timestamp::from_micros(at.as_microsecond()).since(now)
    };
    Some(wait.clamp(RETRY_AFTER_MIN, RETRY_AFTER_MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_2xx_is_success() {
        for (status, class) in [
            (200, "accepted"),
            (299, "accepted"),
            (302, "http_3xx"),
            (404, "http_4xx"),
            (503, "http_5xx"),
            (199, "http_other"),
            (700, "http_other"),
        ] {
            assert_eq!(Outcome::from_response(status, None).class(), class, "{status}");
        }
    }

    #[test]
    fn retry_after_is_read_in_both_forms_and_clamped() {
        let now = Timestamp::from_secs(1_445_412_480); // Wed, 21 Oct 2015 07:28:00 GMT
        for (value, seconds) in [
            ("120", Some(120)),
            (" 0 ", Some(1)),
            ("999999999999999999999999", Some(86_400)),
            ("Wed, 21 Oct 2015 07:29:00 GMT", Some(60)),
            ("Wed, 21 Oct 2015 07:00:00 GMT", Some(1)),
            ("Fri, 21 Oct 2033 07:28:00 GMT", Some(86_400)),
            ("soon", None),
            ("", None),
            ("-5", None),
            ("1.5", None),
        ] {
            assert_eq!(parse_retry_after(value, now), seconds.map(Duration::from_secs), "{value:?}");
        }
    }
}
