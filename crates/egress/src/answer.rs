//! What came back.

use std::{net::SocketAddr, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, Version, header};

/// An answer whose status line and headers are complete.
#[derive(Debug, Clone)]
pub struct Answer {
    /// As received; 3xx too, since redirects are not followed.
    pub status: u16,
    /// HTTP/1.0, 1.1 or 2.
    pub version: Version,
    /// All headers, at most 32 KiB.
    pub headers: HeaderMap,
    /// The beginning of the body, as long as [`Limits::answer_kept_bytes`](crate::Limits), never inflated.
    pub body_head: Bytes,
    /// How the body ended. The status counts in any case.
    pub body_end: BodyEnd,
    /// True when the body was longer than what is kept, or did not end well.
    pub truncated: bool,
    /// Who answered.
    pub remote: SocketAddr,
    /// True when the connection had carried an exchange before.
    pub reused: bool,
    /// How long it took.
    pub timings: Timings,
}

/// How the body of an answer ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BodyEnd {
    /// All of it was read.
    Complete,
    /// It is longer than 64 KiB; the rest was not read.
    TooLong,
    /// It was not there in time; the rest was not read.
    TimedOut,
    /// The connection broke, or the framing was wrong.
    Broken,
}

/// Times of one exchange.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timings {
    /// Looking the name up; `None` on a connection that was there already. So with the next two.
    pub dns: Option<Duration>,
    /// Connecting.
    pub connect: Option<Duration>,
    /// TLS handshake; `None` for `http` as well.
    pub tls: Option<Duration>,
    /// From the start to the head of the answer.
    pub first_byte: Duration,
    /// From the start to the end of the answer.
    pub total: Duration,
}

impl Answer {
    /// `Retry-After` as received (RFC 9110 §10.2.3).
    #[must_use]
    pub fn retry_after(&self) -> Option<&str> {
        self.headers.get(header::RETRY_AFTER)?.to_str().ok()
    }

    /// `Content-Type` as received.
    #[must_use]
    pub fn content_type(&self) -> Option<&str> {
        self.headers.get(header::CONTENT_TYPE)?.to_str().ok()
    }
}
