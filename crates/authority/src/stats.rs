//! How often each endpoint was asked, so that a test can say "fifty messages cost one token request".

use std::sync::atomic::{AtomicU64, Ordering};

use serde::Serialize;

/// Requests since the start. Requests that a fault answered count too; those with a wrong method do not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Stats {
    /// Requests for a token.
    pub token_requests: u64,
    /// Tokens that were issued.
    pub tokens_issued: u64,
    /// Introspection requests.
    pub introspections: u64,
    /// Revocation requests.
    pub revocations: u64,
    /// Requests for the published keys.
    pub jwks_requests: u64,
    /// Requests for the metadata, at either place.
    pub metadata_requests: u64,
}

/// The counters behind [`Stats`].
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) token_requests: AtomicU64,
    pub(crate) tokens_issued: AtomicU64,
    pub(crate) introspections: AtomicU64,
    pub(crate) revocations: AtomicU64,
    pub(crate) jwks_requests: AtomicU64,
    pub(crate) metadata_requests: AtomicU64,
}

impl Counters {
    /// One more.
    pub(crate) fn count(counter: &AtomicU64) {
        counter.fetch_add(1, Ordering::Relaxed);
    }

    /// The counters as they are now.
    pub(crate) fn read(&self) -> Stats {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Stats {
            token_requests: read(&self.token_requests),
            tokens_issued: read(&self.tokens_issued),
            introspections: read(&self.introspections),
            revocations: read(&self.revocations),
            jwks_requests: read(&self.jwks_requests),
            metadata_requests: read(&self.metadata_requests),
        }
    }
}
