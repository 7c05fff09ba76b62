//! One round of claims: which lanes with something due may have how many, what follows from what came, and when to look again.
//!
//! Nothing here asks the store or the clock: the worker does, and the simulation does in its place.

use std::{collections::HashMap, sync::Arc, time::Duration};

use countersign_core::{Timestamp, id::ListenerId};
use countersign_store::claim::LaneQuota;

use crate::lane::{Item, Lane};

/// Listeners looked at in one query.
pub const LISTENERS_PER_QUERY: u32 = 1_000;
/// Deliveries claimed for one lane at once.
pub const CLAIM_PER_LANE_MAX: u32 = 512;
/// The shortest pause between two claims, so that a fault in the due times cannot make a busy loop.
pub const PAUSE_MIN: Duration = Duration::from_millis(1);

/// How long hints of other nodes are let be after one that brought nothing; it doubles with each further one.
const DEAF_MIN: Duration = Duration::from_millis(50);
/// The longest: what waits for room on another node is not found much later than without such hints.
const DEAF_MAX: Duration = Duration::from_millis(400);

/// How long hints of other nodes are let be after so many in a row that brought nothing: what is recorded for a listener that does not
/// answer hints to all nodes, and none of them may take it.
#[must_use]
pub fn deaf_for(hints_in_vain: u32) -> Duration {
    match hints_in_vain.checked_sub(1) {
        None => Duration::ZERO,
        Some(doublings) => DEAF_MIN.saturating_mul(2_u32.saturating_pow(doublings)).min(DEAF_MAX),
    }
}

/// What lanes are offered in one query.
#[derive(Debug)]
pub struct Offer {
    now: Timestamp,
    /// Of all lanes together.
    bytes_free: usize,
    quotas: Vec<LaneQuota>,
    /// Each lane of the quotas, and how much came for it.
    lanes: HashMap<ListenerId, (Arc<Lane>, u32)>,
    bytes: usize,
    /// When the first breaker may be probed.
    probe_at: Option<Timestamp>,
}

impl Offer {
    /// Nothing offered yet, of so many bytes that are free.
    #[must_use]
    pub fn new(now: Timestamp, bytes_free: usize) -> Self {
        Self { now, bytes_free, quotas: Vec::new(), lanes: HashMap::new(), bytes: 0, probe_at: None }
    }

    /// A lane that has something due, and knows its limits if it has any of its own.
    pub fn consider(&mut self, lane: Arc<Lane>) {
        lane.mark_backlogged();
        let room = lane.room(self.now, self.bytes_free).min(CLAIM_PER_LANE_MAX);
        if room > 0 {
            self.quotas.push(LaneQuota { listener: lane.listener, count: room });
            self.lanes.insert(lane.listener, (lane, 0));
        } else if let Some(probe_at) = lane.probe_at(self.now) {
            self.probe_at = Some(self.probe_at.map_or(probe_at, |known| known.min(probe_at)));
        }
    }

    /// True when no lane has room.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.quotas.is_empty()
    }

    /// What may be claimed.
    #[must_use]
    pub fn quotas(&self) -> &[LaneQuota] {
        &self.quotas
    }

    /// `wait`, or less when a breaker may be probed before.
    #[must_use]
    pub fn wait(&self, wait: Duration) -> Duration {
        self.probe_at.map_or(wait, |at| wait.min(at.since(self.now)))
    }

    /// Counts what was claimed, and answers the lane that it belongs into.
    pub fn came(&mut self, item: &Item) -> Option<Arc<Lane>> {
        self.bytes = self.bytes.saturating_add(item.bytes());
        let (lane, count) = self.lanes.get_mut(&item.delivery.listener)?;
        *count += 1;
        Some(Arc::clone(lane))
    }

    /// After everything that was claimed with room for `bytes_max`: true when the room, and not the store, ended the claim. Otherwise
    /// lanes that got less than they were offered have nothing more in the store.
    #[must_use]
    pub fn is_cut_short(self, bytes_max: usize) -> bool {
        if self.bytes >= bytes_max {
            return true;
        }
        for quota in &self.quotas {
            if let Some((lane, count)) = self.lanes.get(&quota.listener)
                && *count < quota.count
            {
                lane.clear_backlog();
            }
        }
        false
    }
}

/// `wait`, or less when something comes due before. What is due already and was not claimed waits for room, which rings by itself.
#[must_use]
pub fn until_next(next_due: Option<Timestamp>, now: Timestamp, wait: Duration) -> Duration {
    match next_due {
        Some(next) if next > now => wait.min(next.since(now)),
        _ => wait,
    }
}

#[cfg(test)]
mod tests;
