//! What an operator can set.

use std::time::Duration;

/// Settings of the way out. The address policy is apart: see [`countersign_core::address::TargetPolicy`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Longest wait for an answer, from the first look at the name to the last header. Default 100 s (Connect's figure).
    pub total_timeout: Duration,
    /// Longest wait for the head of the answer alone; `None`, the default, leaves it to the total.
    pub first_byte_timeout: Option<Duration>,
    /// Longest wait for the body once the head is there: the outcome is known by then, and the body is only for the log.
    /// Default 10 s.
    pub body_timeout: Duration,
    /// Longest wait for a token answer, all in all. Default 30 s.
    pub token_timeout: Duration,
    /// Longest look at a name. Default 5 s.
    pub dns_timeout: Duration,
    /// Longest wait for a connection, over all addresses. Default 10 s.
    pub connect_timeout: Duration,
    /// Longest TLS handshake. Default 10 s.
    pub tls_timeout: Duration,
    /// How much of an answer's body is kept. Default 4 KiB, at most 64 KiB, which is what is read.
    pub answer_kept_bytes: usize,
    /// Whether HTTP/2 is offered in the handshake. Default true. It is never spoken unencrypted.
    pub http2: bool,
    /// How long an unused connection is kept. Default 30 s: below the 60 s and more after which common servers close theirs.
    pub pool_idle_timeout: Duration,
    /// Unused connections kept for one host and TLS identity. Default 32.
    pub pool_idle_per_host: usize,
    /// Open connections altogether; a dial beyond that waits for one to close, within its time. Default 8,192.
    pub connections_max: usize,
    /// Names looked up at the same time; each takes a thread. Default 64.
    pub lookups_max: usize,
    /// Token requests at the same time to one authorization server. Default 4.
    pub token_requests_per_server: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            total_timeout: Duration::from_secs(100),
            first_byte_timeout: None,
            body_timeout: Duration::from_secs(10),
            token_timeout: Duration::from_secs(30),
            dns_timeout: Duration::from_secs(5),
            connect_timeout: Duration::from_secs(10),
            tls_timeout: Duration::from_secs(10),
            answer_kept_bytes: 4 * 1_024,
            http2: true,
            pool_idle_timeout: Duration::from_secs(30),
            pool_idle_per_host: 32,
            connections_max: 8_192,
            lookups_max: 64,
            token_requests_per_server: 4,
        }
    }
}
