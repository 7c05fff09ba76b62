//! The HMAC over the raw body: Connect's own headers, and Standard Webhooks beside them.

use countersign_signature::{
    HmacKey, Match, Mismatch,
    standard_webhooks::{self, StandardKey, StandardMatch, StandardMismatch},
    verify,
};
use http::HeaderMap;

use crate::clock::UnixSeconds;

/// The keys of the Connect account; a message signed with any of them is accepted.
#[derive(Debug, Clone)]
pub(crate) struct HmacCheck(pub(crate) Vec<HmacKey>);

impl HmacCheck {
    pub(crate) fn check(&self, headers: &HeaderMap, body: &[u8]) -> Result<Match, Mismatch> {
        verify(&self.0, pairs(headers), body)
    }
}

/// The secrets of the Standard Webhooks scheme; a message signed with any of them in the last five minutes is accepted.
#[derive(Debug, Clone)]
pub(crate) struct StandardCheck(pub(crate) Vec<StandardKey>);

impl StandardCheck {
    pub(crate) fn check(&self, headers: &HeaderMap, body: &[u8], now: UnixSeconds) -> Result<StandardMatch, StandardMismatch> {
        standard_webhooks::verify(&self.0, pairs(headers), body, i64::try_from(now).unwrap_or(i64::MAX))
    }
}

fn pairs(headers: &HeaderMap) -> impl Iterator<Item = (&str, &[u8])> {
    headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes()))
}
