//! All lanes of a node, and the slots the server reserves in them.

use std::{
    collections::HashMap,
    num::NonZeroU32,
    sync::{
        Arc, Mutex, PoisonError, RwLock,
        atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering},
    },
    time::Duration,
};

use countersign_core::{
    Timestamp,
    delivery::Delivery,
    event::Event,
    id::{DeliveryId, Incarnation, ListenerId},
    limits::share,
    listener,
};
use countersign_store::handover::{HandOver, Slot};
use tokio::sync::Notify;

use crate::{
    Clock,
    breakers::Breakers,
    lane::{Item, Lane, LaneView},
    node::Lease,
    settings::Settings,
};

/// Lanes that were not used for so long are forgotten, with what they learned.
const IDLE: Duration = Duration::from_secs(300);
/// Deliveries disowned and not yet given back; beyond that they wait for the node's next life.
const DISOWNED_MAX: usize = 100_000;

/// Starts a runner for a lane; set by the worker.
pub(crate) trait Start: Send + Sync {
    fn start(&self, lane: &Arc<Lane>);
}

/// All lanes of a node.
pub struct Lanes {
    lanes: RwLock<HashMap<ListenerId, Arc<Lane>>>,
    bytes: AtomicUsize,
    runners: AtomicU32,
    open: AtomicBool,
    lease: Mutex<Option<Lease>>,
    disowned: Mutex<Vec<DeliveryId>>,
    /// Rung when there may be something to claim.
    pub(crate) due: Notify,
    starter: std::sync::OnceLock<std::sync::Weak<dyn Start>>,
    /// Attempts at once to one listener that this node may make: its part of what all nodes may.
    concurrency_max: AtomicU32,
    /// What other nodes' breakers do.
    pub(crate) breakers: Breakers,
    settings: Settings,
    clock: Clock,
}

impl std::fmt::Debug for Lanes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Lanes").field("bytes", &self.bytes).finish_non_exhaustive()
    }
}

impl Lanes {
    pub(crate) fn new(settings: Settings, clock: Clock) -> Self {
        Self {
            lanes: RwLock::default(),
            bytes: AtomicUsize::new(0),
            runners: AtomicU32::new(0),
            open: AtomicBool::new(false),
            lease: Mutex::new(None),
            disowned: Mutex::default(),
            due: Notify::new(),
            starter: std::sync::OnceLock::new(),
            concurrency_max: AtomicU32::new(settings.lane_concurrency_max),
            breakers: Breakers::new(&settings),
            settings,
            clock,
        }
    }

    pub(crate) fn set_starter(&self, starter: std::sync::Weak<dyn Start>) {
        // Set once, at start; a second call would be a fault of ours and changes nothing.
        let _ = self.starter.set(starter);
    }

    /// Slots are given from now on, leased to this life; `None` closes.
    pub(crate) fn open_for(&self, lease: Option<Lease>) {
        self.open.store(lease.is_some(), Ordering::Release);
        *self.lease.lock().unwrap_or_else(PoisonError::into_inner) = lease;
    }

    /// The lane of a listener.
    pub(crate) fn lane(&self, listener: ListenerId) -> Arc<Lane> {
        if let Some(lane) = self.lanes.read().unwrap_or_else(PoisonError::into_inner).get(&listener) {
            return Arc::clone(lane);
        }
        let mut lanes = self.lanes.write().unwrap_or_else(PoisonError::into_inner);
        let lane = lanes.entry(listener).or_insert_with(|| {
            let concurrency_max = self.concurrency_max.load(Ordering::Relaxed);
            let lane = Lane::new(listener, concurrency_max, self.settings.lane_queue_max, (self.clock)());
            self.breakers.tell(&lane);
            Arc::new(lane)
        });
        Arc::clone(lane)
    }

    /// Puts a claimed delivery into its lane.
    pub(crate) fn push_claimed(&self, lane: &Arc<Lane>, item: Item) {
        self.bytes.fetch_add(item.bytes(), Ordering::Relaxed);
        self.push(lane, item, false);
    }

    fn push(&self, lane: &Arc<Lane>, item: Item, was_reserved: bool) {
        if lane.push(item, was_reserved, (self.clock)()) {
            self.start_runner(lane);
        }
    }

    pub(crate) fn start_runner(&self, lane: &Arc<Lane>) {
        if let Some(starter) = self.starter.get().and_then(std::sync::Weak::upgrade) {
            starter.start(lane);
        }
    }

    /// Bytes that may still be claimed.
    pub(crate) fn bytes_free(&self) -> usize {
        self.settings.bytes_in_memory_max.saturating_sub(self.bytes.load(Ordering::Relaxed))
    }

    /// A delivery left memory.
    pub(crate) fn free(&self, bytes: usize) {
        self.bytes.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// All lanes.
    pub(crate) fn all(&self) -> Vec<Arc<Lane>> {
        self.lanes.read().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }

    /// Those that belong to one subscription alone.
    pub(crate) fn owned(&self) -> Vec<Arc<Lane>> {
        let lanes = self.lanes.read().unwrap_or_else(PoisonError::into_inner);
        lanes.values().filter(|lane| listener::owner(lane.listener).is_some()).cloned().collect()
    }

    /// So many live nodes, this one included, share what a listener gets at once.
    pub(crate) fn share_between(&self, nodes: u32) {
        let most = NonZeroU32::new(self.settings.lane_concurrency_max).unwrap_or(NonZeroU32::MIN);
        let part = share(most, nodes).get();
        if self.concurrency_max.swap(part, Ordering::Relaxed) != part {
            self.all().iter().for_each(|lane| lane.set_concurrency_max(part));
        }
    }

    /// What the lanes look like.
    #[must_use]
    pub fn views(&self) -> Vec<LaneView> {
        let now = (self.clock)();
        self.all().iter().map(|lane| lane.view(now)).collect()
    }

    /// Forgets lanes that nobody used for a while.
    pub(crate) fn forget_idle(&self, now: Timestamp) {
        let before = now.minus(IDLE);
        self.lanes.write().unwrap_or_else(PoisonError::into_inner).retain(|_, lane| Arc::strong_count(lane) > 1 || !lane.is_idle(before));
    }

    pub(crate) fn take_disowned(&self) -> Vec<DeliveryId> {
        std::mem::take(&mut self.disowned.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn runner_started(&self) {
        self.runners.fetch_add(1, Ordering::AcqRel);
    }

    pub(crate) fn runner_ended(&self) {
        self.runners.fetch_sub(1, Ordering::AcqRel);
    }
}

/// [`HandOver`] by the lanes of this node.
#[derive(Clone, Debug)]
pub struct LaneHandOver(pub(crate) Arc<Lanes>);

impl HandOver for LaneHandOver {
    fn reserve(&self, listener: ListenerId, bytes: usize) -> Option<Box<dyn Slot>> {
        let lanes = &self.0;
        if !lanes.open.load(Ordering::Acquire) {
            return None;
        }
        let lease = lanes.lease.lock().unwrap_or_else(PoisonError::into_inner).clone()?;
        let lane = lanes.lane(listener);
        let taken = lanes.bytes.fetch_add(bytes, Ordering::Relaxed);
        if taken.saturating_add(bytes) > lanes.settings.bytes_in_memory_max {
            lanes.free(bytes);
            lane.mark_backlogged();
            return None;
        }
        if !lane.reserve((lanes.clock)()) {
            lanes.free(bytes);
            return None;
        }
        Some(Box::new(LaneSlot { lanes: Arc::clone(lanes), lane, bytes, lease, filled: false }))
    }

    fn wake(&self, listener: ListenerId) {
        self.0.lane(listener).mark_backlogged();
        self.0.due.notify_one();
    }

    fn disown(&self, deliveries: Vec<DeliveryId>) {
        let mut disowned = self.0.disowned.lock().unwrap_or_else(PoisonError::into_inner);
        let room = DISOWNED_MAX.saturating_sub(disowned.len());
        disowned.extend(deliveries.into_iter().take(room));
        drop(disowned);
        self.0.due.notify_one();
    }
}

struct LaneSlot {
    lanes: Arc<Lanes>,
    lane: Arc<Lane>,
    bytes: usize,
    lease: Lease,
    filled: bool,
}

impl Slot for LaneSlot {
    fn incarnation(&self) -> Incarnation {
        self.lease.incarnation
    }

    fn fill(mut self: Box<Self>, delivery: Delivery, event: Arc<Event>) {
        self.filled = true;
        let item = Item { delivery, event, times_orphaned: 0, stake: self.lease.stake.clone() };
        self.lanes.push(&self.lane, item, true);
    }
}

impl Drop for LaneSlot {
    fn drop(&mut self) {
        if !self.filled {
            self.lane.unreserve();
            self.lanes.free(self.bytes);
        }
    }
}
