//! Why there is no token.

use std::{fmt, time::Duration};

use countersign_core::{
    Timestamp,
    address::ForbiddenUrl,
    auth::{ConnectionFault, TokenRefusal},
};

use super::assertion::AssertionFault;
use crate::failure::{FailureCause, SendFailure};

/// How long to wait after a request that was cut off on our side.
const INTERRUPTED_PAUSE: Duration = Duration::from_secs(1);

/// There is no token, and nothing may be sent. The message holds the authorization server's own words, escaped and cut.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no access token: {cause}")]
pub struct TokenFailure {
    /// Why.
    pub cause: TokenFailureCause,
    /// When the server was asked.
    pub asked_at: Timestamp,
    /// When asking again makes sense. Until then the same failure is given out without asking.
    pub retry_at: Timestamp,
}

/// Why there is no token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TokenFailureCause {
    /// The server answered, and not with a token.
    Refused(TokenRefusal),
    /// The server did not answer.
    Unreachable(SendFailure),
    /// The connection cannot be used as it is.
    Connection(ConnectionFault),
    /// The token URL is no permitted target.
    Url(ForbiddenUrl),
    /// The private key cannot sign.
    Key(AssertionFault),
    /// Too many requests to this server are waiting already.
    Busy,
    /// The request was cut off on our side.
    Interrupted,
}

impl TokenFailure {
    pub(super) fn interrupted(now: Timestamp) -> Self {
        Self { cause: TokenFailureCause::Interrupted, asked_at: now, retry_at: now + INTERRUPTED_PAUSE }
    }
}

impl TokenFailureCause {
    /// True when somebody has to change a configuration, here or at the server, before there can be a token; false for
    /// what passes by itself. Saving a connection is refused for the former alone.
    #[must_use]
    pub fn is_configuration_fault(&self) -> bool {
        match self {
            Self::Refused(refusal) => refusal.is_configuration_fault(),
            Self::Unreachable(failure) => matches!(failure.cause, FailureCause::Forbidden(_) | FailureCause::Request(_)),
            Self::Connection(_) | Self::Url(_) | Self::Key(_) => true,
            Self::Busy | Self::Interrupted => false,
        }
    }
}

impl fmt::Display for TokenFailureCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(refusal) => refusal.fmt(f),
            Self::Unreachable(failure) => write!(f, "the authorization server cannot be reached: {failure}"),
            Self::Connection(fault) => fault.fmt(f),
            Self::Url(fault) => write!(f, "the token URL cannot be used: {fault}"),
            Self::Key(fault) => fault.fmt(f),
            Self::Busy => f.write_str("too many requests to this authorization server are waiting already"),
            Self::Interrupted => f.write_str("the request was cut off"),
        }
    }
}
