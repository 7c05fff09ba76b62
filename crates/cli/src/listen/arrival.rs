//! One request that reached the listener, as it is shown and kept for a while.

use std::{net::SocketAddr, time::Duration};

use bytes::Bytes;
use countersign_core::{Timestamp, event::EventName, id::EnvelopeId, id::EventId};
use countersign_listener::Verdict;
use countersign_signature::explain::Finding;
use http::{HeaderMap, header};

/// One request, and what became of it.
#[derive(Clone, Debug)]
pub(crate) struct Arrival {
    /// Counted from 1 since the start.
    pub(crate) number: u64,
    /// When its head was there.
    pub(crate) at: Timestamp,
    /// Who sent it.
    pub(crate) peer: Option<SocketAddr>,
    /// Path and query.
    pub(crate) path: String,
    /// Headers, credentials masked.
    pub(crate) headers: Vec<(String, String)>,
    /// The body as far as it was read: nothing of senders who did not authenticate.
    pub(crate) body: Bytes,
    /// What it is about.
    pub(crate) event: EventName,
    /// The envelope.
    pub(crate) envelope: Option<EnvelopeId>,
    /// What each check said; `None` where nothing is checked.
    pub(crate) verdict: Option<Verdict>,
    /// Why the signature does not match, best first.
    pub(crate) findings: Vec<Finding>,
    /// What it came to.
    pub(crate) fate: Fate,
    /// The status of the answer.
    pub(crate) status: u16,
    /// From the head of the request to the answer.
    pub(crate) took: Duration,
    /// Where it was forwarded.
    pub(crate) forwards: Vec<Forwarded>,
    /// The event under which the store has it.
    pub(crate) stored: Option<EventId>,
}

/// What an arrival came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// Its checks passed and it was new.
    Accepted,
    /// Its checks passed and it had been accepted before.
    Duplicate,
    /// A check refused it.
    Refused,
    /// Its checks passed and it could not be taken: the store or the application did not, or the answer was told to be one of failure.
    NotTaken,
}

impl Fate {
    /// The word in JSON, metrics and lists.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Duplicate => "duplicate",
            Self::Refused => "refused",
            Self::NotTaken => "not_taken",
        }
    }
}

/// One attempt to pass a message on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Forwarded {
    /// The URL as given, which is the operator's own.
    pub(crate) to: String,
    /// The status of the answer, or why there was none.
    pub(crate) result: Result<u16, String>,
    /// How long it took.
    pub(crate) took: Duration,
    /// `X-Countersign-Delivery` as sent.
    pub(crate) delivery: String,
}

impl Forwarded {
    /// Whether the application took it.
    pub(crate) fn is_taken(&self) -> bool {
        matches!(self.result, Ok(200..=299))
    }
}

/// Headers as they are shown: of credentials the scheme alone.
pub(crate) fn shown_headers(headers: &HeaderMap) -> Vec<(String, String)> {
    headers
        .iter()
        .map(|(name, value)| {
            let text = String::from_utf8_lossy(value.as_bytes());
            let is_secret = [header::AUTHORIZATION, header::PROXY_AUTHORIZATION, header::COOKIE].contains(name);
            let text = if is_secret { masked(&text) } else { text.into_owned() };
            (name.as_str().to_owned(), text)
        })
        .collect()
}

/// A known scheme and stars: anything else might be the credential itself.
fn masked(text: &str) -> String {
    let scheme = ["Basic", "Bearer", "DPoP", "Digest"]
        .into_iter()
        .find(|scheme| text.len() > scheme.len() && text.get(..scheme.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(scheme)));
    scheme.map_or_else(|| "********".to_owned(), |scheme| format!("{scheme} ********"))
}

/// The time of day of an arrival (UTC), to the millisecond.
pub(crate) fn time_of_day(at: Timestamp) -> String {
    at.to_seven_digits().get(11..23).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn credentials_are_shown_by_their_scheme_alone() {
        for (value, shown) in [
            ("Basic Y29ubmVjdDpzM2NyZXQ=", "Basic ********"),
            ("bearer s3cret", "Bearer ********"),
            ("s3cret", "********"),
            ("s3cret s3cret", "********"),
        ] {
            let headers = HeaderMap::from_iter([(header::AUTHORIZATION, HeaderValue::from_static(value))]);
            assert_eq!(shown_headers(&headers), [("authorization".to_owned(), shown.to_owned())], "{value}");
        }
    }

    #[test]
    fn the_time_of_day_has_milliseconds() {
        assert_eq!(time_of_day(Timestamp::from_millis(1_670_610_569_736)), "18:29:29.736");
    }
}
