//! Claiming: retries, what found no slot, and what a dead node left.

use countersign_core::{
    Timestamp,
    delivery::{Delivery, Hold},
    event::Event,
    id::{AccountId, Incarnation, ListenerId, SubscriptionId},
};
use std::sync::Arc;

/// A delivery that was in the hands of so many processes when they died is a suspect (TM-32). Most are innocent: a process that dies
/// leaves everything it had in memory. So a suspect is claimed without another suspect of its lane, until it was attempted or
/// has died alone often enough to be the cause.
pub const SUSPECT_FROM: u32 = 3;

/// A listener with something due.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct DueListener {
    /// Which.
    pub listener: ListenerId,
    /// Whose.
    pub account: AccountId,
    /// The earliest due time among what waits for it, held deliveries left out. Leases of dead incarnations count as due.
    pub due_at: Timestamp,
}

/// A lane with room.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LaneQuota {
    /// Where it leads.
    pub listener: ListenerId,
    /// How many more it takes, at least 1.
    pub count: u32,
}

/// A claim names the lanes with room, so that a million rows of a dead listener delay nobody. Of deliveries that were orphaned
/// [`SUSPECT_FROM`] times or more, each lane gets one, and none while the claimer holds one of that lane.
#[derive(Clone, Debug)]
pub struct Claim {
    /// The claiming incarnation; refused (empty answer) when it has expired.
    pub by: Incarnation,
    /// Due means due at this time.
    pub now: Timestamp,
    /// The lanes and their quotas.
    pub lanes: Vec<LaneQuota>,
    /// Stop after so many bytes of snapshots, at least one row.
    pub bytes_max: usize,
}

/// A claimed delivery with its event, snapshot included.
#[derive(Clone, Debug)]
pub struct Claimed {
    /// Leased to the claimer.
    pub delivery: Delivery,
    /// What happened. Deliveries of one claim that belong to one event share it.
    pub event: Arc<Event>,
    /// How often the delivery was in the hands of an incarnation that died; see [`countersign_core::delivery::ParkReason::Poison`].
    pub times_orphaned: u32,
}

/// A subscription with held deliveries.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct HeldSubscription {
    /// Whose.
    pub account: AccountId,
    /// Which.
    pub subscription: SubscriptionId,
    /// Why they are held.
    pub held: Hold,
}

/// Lets held deliveries go.
#[derive(Clone, Debug)]
pub struct Release {
    /// Those of one subscription, whatever the cause named here.
    pub subscription: SubscriptionId,
    /// Only those held for this reason.
    pub held: Hold,
    /// Adds the time since the hold began to `held_total`; due times stay.
    pub now: Timestamp,
    /// At most so many rows in one call; the answer says how many were released, fewer means done.
    pub rows_max: u32,
}
