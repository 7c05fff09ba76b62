//! Settling: the attempt's row and the delivery's next state, in one transaction; refused when the lease has passed.

use std::{borrow::Cow, sync::Arc};

use bytes::Bytes;
use countersign_core::{
    Timestamp,
    delivery::{Hold, ParkReason},
    id::{AttemptId, DeliveryId, Incarnation, SubscriptionId},
};
use serde::{Deserialize, Serialize};

pub use crate::lines::HeaderLines;

/// One HTTP exchange as it was, for the log: enough to rebuild and check the request as sent.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AttemptRow {
    /// `X-Countersign-Attempt`.
    pub id: AttemptId,
    /// When it began.
    pub started_at: Timestamp,
    /// From preparation to the settled answer, in microseconds.
    pub elapsed_us: u64,
    /// `retryCount` in the body.
    pub retry_count: u32,
    /// [`countersign_core::outcome::Outcome::class`].
    pub class: String,
    /// HTTP status, when there was an answer.
    pub status: Option<u16>,
    /// What went wrong, for people; one clause, no secrets.
    pub error: Option<String>,
    /// True when it counts against the retry schedule.
    pub counted: bool,
    /// Everything else, kept as JSON.
    pub exchange: Exchange,
    /// The first bytes of the answer's body.
    pub answer_head: Bytes,
}

/// The rest of an attempt, stored as JSON.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Exchange {
    /// Where it went.
    pub url: String,
    /// The request's headers as sent, in order; the values of `Authorization` are masked.
    pub request_headers: HeaderLines,
    /// SHA-256 of the body as sent, in hex.
    pub body_sha256: String,
    /// Length of the body as sent, in bytes.
    pub body_bytes: u64,
    /// The answer's headers, bounded.
    pub answer_headers: HeaderLines,
    /// True when the answer's body was longer than what was kept.
    pub answer_truncated: bool,
    /// The address dialled.
    pub remote: Option<String>,
    /// Microseconds of each phase that took place: `dns`, `connect`, `tls`, `token`, `first_byte`.
    pub phases_us: Vec<(Cow<'static, str>, u64)>,
}

/// Where the delivery goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Next {
    /// 2xx.
    Delivered,
    /// Again at a time.
    Waiting {
        /// When.
        due_at: Timestamp,
        /// Why it waits even then.
        held: Option<Hold>,
    },
    /// Given up.
    Parked(ParkReason),
    /// The subscription was deleted meanwhile.
    Cancelled,
}

/// What became of a leased delivery.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Settlement {
    /// Which.
    pub delivery: DeliveryId,
    /// For the log's index.
    pub subscription: SubscriptionId,
    /// The incarnation that holds the lease; [`crate::Refused::LeaseLost`] when another does by now, unless the delivery's last attempt is
    /// this one: then it was settled by this before, whose answer was lost, and stands.
    pub by: Incarnation,
    /// When.
    pub now: Timestamp,
    /// The exchange; `None` when nothing was sent (held for a token, interrupted before the request). Shared: whoever settles keeps the
    /// settlement until the store has taken it, and an exchange is several dozen texts.
    pub attempt: Option<Arc<AttemptRow>>,
    /// Attempts made and counted from now on.
    pub attempts_made: u32,
    /// `retryCount` of the next attempt.
    pub retry_count: u32,
    /// Where it goes.
    pub next: Next,
    /// Another delivery waits for this one: the next of its order. It is written without waiting for company.
    pub is_followed: bool,
}
