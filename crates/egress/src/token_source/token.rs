//! A token in use, and what is known of its connection.

use std::{fmt, sync::Arc, time::Duration};

use countersign_core::{
    Timestamp,
    auth::{CachedToken, ContentKey},
};
use http::HeaderValue;

use super::failure::TokenFailure;

/// An access token in use.
#[derive(Clone)]
pub struct Token {
    pub(super) cached: Arc<CachedToken>,
    /// Tells it from every other token of this process, so that no two texts have to be compared.
    pub(super) serial: u64,
}

/// What is known of a connection, for pages and for the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenState {
    /// True when there is a token that can be sent.
    pub authorized: bool,
    /// When the token was obtained.
    pub obtained_at: Option<Timestamp>,
    /// When it expires.
    pub expires_at: Option<Timestamp>,
    /// What the server says it granted, if it says so.
    pub granted_scope: Option<String>,
    /// Since when every request has failed; `None` when the last one did not.
    pub failing_since: Option<Timestamp>,
    /// Failed requests since then.
    pub failures: u32,
    /// The last failure, with the server's own words.
    pub last_failure: Option<TokenFailure>,
    /// Requests made.
    pub requests: u64,
    /// Times a token was there already.
    pub hits: u64,
}

/// One token request and what came of it.
#[derive(Debug, Clone)]
pub struct TokenProbe {
    /// Of which connection.
    pub key: ContentKey,
    /// When it was made.
    pub asked_at: Timestamp,
    /// How long it took.
    pub elapsed: Duration,
    /// When the token expires, or why there is none.
    pub result: Result<Timestamp, TokenFailure>,
}

impl Token {
    /// The value of the `Authorization` header, marked sensitive. Cloning it does not copy the token.
    #[must_use]
    pub fn header(&self) -> HeaderValue {
        self.cached.header()
    }

    /// When it expires.
    #[must_use]
    pub fn expires_at(&self) -> Timestamp {
        self.cached.expires_at
    }

    /// The token with all that is known of it.
    #[must_use]
    pub fn cached(&self) -> &CachedToken {
        &self.cached
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Token").field("serial", &self.serial).field("cached", &self.cached).finish()
    }
}
