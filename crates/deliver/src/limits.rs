//! The limits of lanes that belong to one subscription alone, as of now: asked for when such a lane has something due, and looked at
//! again every poll interval, so that a limit that was changed is obeyed within it.
//!
//! Live nodes share a limit, and so they do what any listener gets at once; see [`countersign_core::limits::share`]. Who lives is
//! read from the records of the nodes at the pace at which those are renewed: a node that comes or goes changes the parts within
//! a heartbeat of its record, which is at once for one that ends well and when its lease has run out for one that dies.

use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use countersign_core::{Timestamp, id::AccountId};
use countersign_store::Store;

use crate::{execute::Execute, lane::Lane, lanes::Lanes, settings::Settings};

/// Tells lanes their limits.
#[derive(Debug)]
pub(crate) struct LimitsNow {
    /// Live nodes, this one included.
    nodes: AtomicU32,
    looked_at: Mutex<LookedAt>,
    poll: Duration,
    /// How often nodes are counted: they come and go at this pace.
    renew: Duration,
}

#[derive(Clone, Copy, Debug, Default)]
struct LookedAt {
    limits: Timestamp,
    nodes: Timestamp,
}

impl LimitsNow {
    /// Nothing is known yet.
    pub(crate) fn new(settings: &Settings) -> Self {
        Self { nodes: AtomicU32::new(1), looked_at: Mutex::default(), poll: settings.poll, renew: settings.renew }
    }

    /// Tells a lane what its subscription asks for; nothing when the lane is shared. Where it cannot be read, what the lane knew
    /// stands, and a lane that knew nothing goes on waiting.
    pub(crate) async fn tell(&self, lane: &Lane, account: AccountId, executor: &dyn Execute) {
        let Some((_, subscription)) = lane.owner() else { return };
        if let Some(limits) = executor.limits(account, subscription).await {
            lane.obey(account, limits.shared_by(self.nodes.load(Ordering::Relaxed)));
        }
    }

    /// Looks again where it is time.
    pub(crate) async fn look_again(&self, lanes: &Lanes, executor: &dyn Execute, store: &dyn Store, now: Timestamp) {
        let last = *self.looked_at.lock().unwrap_or_else(PoisonError::into_inner);
        if now.since(last.limits) < self.poll && last.limits <= now {
            return;
        }
        let count_nodes = now.since(last.nodes) >= self.renew || now < last.nodes;
        if count_nodes {
            match store.nodes().await {
                Ok(nodes) => {
                    let live = nodes.iter().filter(|node| node.expires_at > now).count();
                    let live = u32::try_from(live).unwrap_or(u32::MAX).max(1);
                    self.nodes.store(live, Ordering::Relaxed);
                    lanes.share_between(live);
                }
                Err(error) => tracing::error!(%error, "live nodes cannot be counted; limits are shared as before"),
            }
        }
        for lane in lanes.owned() {
            if let Some((Some(account), _)) = lane.owner() {
                self.tell(&lane, account, executor).await;
            }
        }
        let nodes = if count_nodes { now } else { last.nodes };
        *self.looked_at.lock().unwrap_or_else(PoisonError::into_inner) = LookedAt { limits: now, nodes };
    }
}
