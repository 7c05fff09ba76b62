//! Reading: lists by keyset cursor, never by offset, newest first.

use std::time::Duration;

use countersign_core::{
    Timestamp,
    delivery::Delivery,
    event::EventName,
    id::{DeliveryId, EnvelopeId, EventId, Incarnation, SubscriptionId},
};

use crate::settle::AttemptRow;

/// A list of deliveries of one account.
#[derive(Clone, Debug, Default)]
pub struct DeliveryFilter {
    /// Only these states (`waiting`, `leased`, `delivered`, `parked`, `cancelled`); all when empty.
    pub states: Vec<&'static str>,
    /// Only failures: waiting after at least one attempt, held, or parked (Connect: `connect/failures`).
    pub failures: bool,
    /// Of one subscription.
    pub subscription: Option<SubscriptionId>,
    /// Of one envelope.
    pub envelope: Option<EnvelopeId>,
    /// Of one event.
    pub event: Option<EventId>,
    /// Of events of this name.
    pub event_name: Option<EventName>,
    /// Whose last attempt had this outcome class.
    pub class: Option<String>,
    /// Recorded from here, included.
    pub from: Option<Timestamp>,
    /// Recorded to here, excluded.
    pub to: Option<Timestamp>,
    /// Leave out what a person deleted from the Connect log.
    pub unless_hidden: bool,
}

/// A delivery as listed.
#[derive(Clone, Debug)]
pub struct ListedDelivery {
    /// The delivery.
    pub delivery: Delivery,
    /// The name of its event.
    pub event_name: EventName,
    /// When it was last attempted.
    pub last_attempt_at: Option<Timestamp>,
    /// Outcome class of the last attempt.
    pub last_class: Option<String>,
    /// Status of the last attempt.
    pub last_status: Option<u16>,
    /// Error of the last attempt.
    pub last_error: Option<String>,
    /// Since when it is held.
    pub held_since: Option<Timestamp>,
    /// Deleted from the Connect log.
    pub hidden: bool,
}

/// A delivery with its attempts, oldest first.
#[derive(Clone, Debug)]
pub struct DeliveryDetail {
    /// The delivery.
    pub listed: ListedDelivery,
    /// Its attempts, oldest first, at most 1,000.
    pub attempts: Vec<AttemptRow>,
}

/// A page of deliveries, newest first.
#[derive(Clone, Debug)]
pub struct DeliveryPage {
    /// The page.
    pub deliveries: Vec<ListedDelivery>,
    /// Pass this as `before` for the next page; `None` at the end.
    pub next: Option<DeliveryId>,
}

/// What a person does to deliveries.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DeliveryAction {
    /// Attempt again at once, keeping the id; the schedule starts anew, and `retryCount` goes on from the attempt before (Connect:
    /// `retry_queue`). For waiting (held ones included) and parked ones; others are left as they are.
    Retry,
    /// Nobody wants it any more. For waiting and parked ones.
    Cancel,
    /// Hide from the Connect log.
    Hide,
}

/// How much waits, for one account or all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Backlog {
    /// Waiting, not held. Counted up to 1,000,000.
    pub waiting: u64,
    /// Held.
    pub held: u64,
    /// In the hands of a node.
    pub leased: u64,
    /// Given up.
    pub parked: u64,
    /// The earliest due time among what waits and is not held.
    pub oldest_due: Option<Timestamp>,
}

/// A node as the store knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeRow {
    /// Its present life.
    pub incarnation: Incarnation,
    /// Host and process, for people.
    pub name: String,
    /// The 10-bit number in the ids it makes; no two live nodes share one.
    pub number: u16,
    /// When it started.
    pub started_at: Timestamp,
    /// When its leases end unless renewed.
    pub expires_at: Timestamp,
}

/// What may be deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// Deliveries (with events and attempts) recorded before this go, unless unfinished (waiting or leased); so do jobs that were last
    /// written before it, unless they are running.
    pub before: Timestamp,
    /// At most so many deliveries in one call.
    pub rows_max: u32,
}

/// What was deleted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Retained {
    /// Deliveries deleted.
    pub deliveries: u64,
    /// Events deleted.
    pub events: u64,
    /// True when more remains to be deleted.
    pub more: bool,
}

/// The store's own health.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Health {
    /// `sqlite` or `postgres`.
    pub backend: &'static str,
    /// Takes writes.
    pub writable: bool,
    /// Bytes on disk in use. Left out is what comes and goes by itself: free space inside the files, which is used again before they
    /// grow, and a log that is copied back. So deleting shows here at once.
    pub disk_bytes: u64,
    /// Schema version.
    pub schema: u32,
    /// Time of the last fsync'ed commit, from begin to end.
    pub last_commit: Duration,
    /// Commits of this process since it opened the store, each of which waited for the disk.
    pub commits: u64,
    /// What an operator should know, one line each.
    pub warnings: Vec<String>,
}
