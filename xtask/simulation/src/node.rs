//! The node: the worker's own lanes, hand-over included. What its tasks would do, the world does.

use std::sync::{Arc, Mutex, PoisonError, Weak};

use countersign_core::id::Incarnation;
use countersign_deliver::{
    Clock, Settings,
    lane::Lane,
    lanes::{LaneHandOver, Lanes, Start},
    node::{Lease, Stake},
};

/// One life of the node.
pub(crate) struct Node {
    pub(crate) lanes: Arc<Lanes>,
    pub(crate) hand_over: LaneHandOver,
    pub(crate) lease: Lease,
    starts: Arc<Starts>,
}

/// Runners that are to be started.
#[derive(Default)]
struct Starts(Mutex<Vec<Arc<Lane>>>);

impl Start for Starts {
    fn start(&self, lane: &Arc<Lane>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::clone(lane));
    }
}

impl Node {
    pub(crate) fn new(incarnation: Incarnation, settings: &Settings, clock: Clock) -> Self {
        let lanes = Arc::new(Lanes::new(settings.clone(), clock));
        let starts = Arc::new(Starts::default());
        let weak: Weak<Starts> = Arc::downgrade(&starts);
        lanes.set_starter(weak);
        let lease = Lease { incarnation, stake: Stake::default() };
        lanes.open_for(Some(lease.clone()));
        Self { hand_over: LaneHandOver(Arc::clone(&lanes)), lanes, lease, starts }
    }

    pub(crate) fn start(&self, lane: &Arc<Lane>) {
        self.starts.start(lane);
    }

    /// Runners asked for since the last call.
    pub(crate) fn starts(&self) -> Vec<Arc<Lane>> {
        std::mem::take(&mut self.starts.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
