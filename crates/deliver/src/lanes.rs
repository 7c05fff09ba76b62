//! All lanes of a node, and the slots the server reserves in them.

use std::{
    collections::HashMap,
    num::NonZeroU32,
    sync::{
        Arc, Mutex, PoisonError, RwLock,
        atomic::{AtomicBool, AtomicI64, AtomicU32, AtomicUsize, Ordering},
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
use countersign_store::handover::{HandOver, LaneCounts, Slot};
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
/// How often they are looked for, in microseconds.
const LOOK_EVERY_MICROS: i64 = 30_000_000;
/// Beyond this share of the bytes, a claim waits until some of them have left.
const SHARE_TAKEN: usize = 3;
/// See [`SHARE_TAKEN`].
const SHARE_TAKEN_OF: usize = 4;
/// Deliveries disowned and not yet given back; beyond that they wait for the node's next life.
const DISOWNED_MAX: usize = 100_000;

/// Starts a runner for a lane; set by the worker.
pub trait Start: Send + Sync {
    /// Starts one: it asks [`Lane::turn`] what to do until that says to end.
    fn start(&self, lane: &Arc<Lane>);
}

/// All lanes of a node.
pub struct Lanes {
    lanes: RwLock<HashMap<ListenerId, Arc<Lane>>>,
    bytes: AtomicUsize,
    /// A claim waits for room.
    short: AtomicBool,
    /// When lanes to forget were last looked for, in microseconds.
    looked_at: AtomicI64,
    runners: AtomicU32,
    open: AtomicBool,
    lease: Mutex<Option<Lease>>,
    disowned: Mutex<Vec<DeliveryId>>,
    /// More were disowned than are remembered, and that was logged.
    disowned_too_many: AtomicBool,
    /// Something may be leased to this life that nobody knows of.
    in_doubt: AtomicBool,
    /// Rung when there may be something to claim.
    pub due: Notify,
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
    /// None yet; closed until [`Lanes::open_for`].
    #[must_use]
    pub fn new(settings: Settings, clock: Clock) -> Self {
        Self {
            lanes: RwLock::default(),
            bytes: AtomicUsize::new(0),
            short: AtomicBool::new(false),
            looked_at: AtomicI64::new(0),
            runners: AtomicU32::new(0),
            open: AtomicBool::new(false),
            lease: Mutex::new(None),
            disowned: Mutex::default(),
            disowned_too_many: AtomicBool::new(false),
            in_doubt: AtomicBool::new(false),
            due: Notify::new(),
            starter: std::sync::OnceLock::new(),
            concurrency_max: AtomicU32::new(settings.lane_concurrency_max),
            breakers: Breakers::new(&settings),
            settings,
            clock,
        }
    }

    /// Who starts runners.
    pub fn set_starter(&self, starter: std::sync::Weak<dyn Start>) {
        // Set once, at start; a second call would be a fault of ours and changes nothing.
        let _ = self.starter.set(starter);
    }

    /// Slots are given from now on, leased to this life; `None` closes.
    pub fn open_for(&self, lease: Option<Lease>) {
        self.open.store(lease.is_some(), Ordering::Release);
        *self.lease.lock().unwrap_or_else(PoisonError::into_inner) = lease;
    }

    /// The lane of a listener.
    #[must_use]
    pub fn lane(&self, listener: ListenerId) -> Arc<Lane> {
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
    pub fn push_claimed(&self, lane: &Arc<Lane>, item: Item) {
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

    /// Bytes that are free.
    #[must_use]
    pub fn bytes_free(&self) -> usize {
        self.settings.bytes_in_memory_max.saturating_sub(self.bytes.load(Ordering::Acquire))
    }

    /// Room for a claim: half of what is free, so that places can still be given out while the claim is under way. It counts as taken
    /// until it is dropped, which is done when the answer is there and before what came is put into its lanes. `None` when there is
    /// none; the bell rings when there is again.
    #[must_use]
    pub fn room_for_claim(self: &Arc<Self>) -> Option<ClaimRoom> {
        let mut bytes = 0;
        let take = |taken: usize| {
            bytes = self.settings.bytes_in_memory_max.saturating_sub(taken).div_ceil(2);
            (bytes > 0).then_some(taken + bytes)
        };
        match self.bytes.fetch_update(Ordering::AcqRel, Ordering::Acquire, take) {
            Ok(_) => Some(ClaimRoom { lanes: Arc::clone(self), bytes }),
            Err(_) => {
                self.short.store(true, Ordering::Release);
                None
            }
        }
    }

    /// True when so little room is left that a claim is not worth its while; the bell rings when there is more.
    #[must_use]
    pub fn is_short(&self) -> bool {
        let is_short = |lanes: &Self| lanes.bytes.load(Ordering::Acquire) > lanes.enough_below();
        if !is_short(self) {
            return false;
        }
        self.short.store(true, Ordering::Release);
        // What left in between did not see that somebody waits.
        is_short(self)
    }

    fn enough_below(&self) -> usize {
        self.settings.bytes_in_memory_max / SHARE_TAKEN_OF * SHARE_TAKEN
    }

    /// An attempt of a lane is over.
    pub fn let_go(&self, lane: &Lane, item: &Item) {
        lane.let_go(item.bytes());
        self.free(item.bytes());
    }

    /// A delivery left memory.
    pub fn free(&self, bytes: usize) {
        let left = self.bytes.fetch_sub(bytes, Ordering::AcqRel).saturating_sub(bytes);
        if left <= self.enough_below() && self.short.load(Ordering::Acquire) && self.short.swap(false, Ordering::AcqRel) {
            self.due.notify_one();
        }
    }

    /// All lanes.
    #[must_use]
    pub fn all(&self) -> Vec<Arc<Lane>> {
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

    /// Forgets lanes that nobody used for a while. Looks at all of them once in a while, and not with each call: there may be tens of
    /// thousands, and the claim loop calls several hundred times a second.
    pub fn forget_idle(&self, now: Timestamp) {
        let looked_at = self.looked_at.load(Ordering::Relaxed);
        if (looked_at..looked_at.saturating_add(LOOK_EVERY_MICROS)).contains(&now.as_micros()) {
            return;
        }
        self.looked_at.store(now.as_micros(), Ordering::Relaxed);
        let before = now.minus(IDLE);
        self.lanes.write().unwrap_or_else(PoisonError::into_inner).retain(|_, lane| Arc::strong_count(lane) > 1 || !lane.is_idle(before));
    }

    /// Gives these back with the next round of claims.
    pub(crate) fn disown(&self, deliveries: Vec<DeliveryId>) {
        let mut disowned = self.disowned.lock().unwrap_or_else(PoisonError::into_inner);
        let room = DISOWNED_MAX.saturating_sub(disowned.len());
        let is_too_many = deliveries.len() > room;
        disowned.extend(deliveries.into_iter().take(room));
        drop(disowned);
        if is_too_many && !self.disowned_too_many.swap(true, Ordering::Relaxed) {
            tracing::error!(
                "more than {DISOWNED_MAX} deliveries cannot be given back; further ones come back when this life of the node ends"
            );
        }
        self.due.notify_one();
    }

    pub(crate) fn take_doubt(&self) -> bool {
        self.in_doubt.swap(false, Ordering::AcqRel)
    }

    pub(crate) fn take_disowned(&self) -> Vec<DeliveryId> {
        let taken = std::mem::take(&mut *self.disowned.lock().unwrap_or_else(PoisonError::into_inner));
        if taken.len() < DISOWNED_MAX {
            self.disowned_too_many.store(false, Ordering::Relaxed);
        }
        taken
    }

    pub(crate) fn runner_started(&self) {
        self.runners.fetch_add(1, Ordering::AcqRel);
    }

    pub(crate) fn runner_ended(&self) {
        self.runners.fetch_sub(1, Ordering::AcqRel);
    }
}

/// Bytes that a claim may bring.
#[derive(Debug)]
pub struct ClaimRoom {
    lanes: Arc<Lanes>,
    bytes: usize,
}

impl ClaimRoom {
    /// So many.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes
    }
}

impl Drop for ClaimRoom {
    fn drop(&mut self) {
        self.lanes.free(self.bytes);
    }
}

/// [`HandOver`] by the lanes of this node.
#[derive(Clone, Debug)]
pub struct LaneHandOver(pub Arc<Lanes>);

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
        if !lane.reserve((lanes.clock)(), bytes, lanes.settings.bytes_in_memory_max.saturating_sub(taken)) {
            lanes.free(bytes);
            return None;
        }
        Some(Box::new(LaneSlot { lanes: Arc::clone(lanes), lane, bytes, lease, filled: false }))
    }

    fn wake(&self, listener: ListenerId) {
        let lanes = &self.0;
        if lanes.lane(listener).has_more((lanes.clock)()) {
            lanes.due.notify_one();
        }
    }

    fn disown(&self, deliveries: Vec<DeliveryId>) {
        self.0.in_doubt.store(true, Ordering::Release);
        self.0.disown(deliveries);
    }

    fn doubt(&self) {
        self.0.in_doubt.store(true, Ordering::Release);
        self.0.due.notify_one();
    }

    fn lanes(&self) -> Option<LaneCounts> {
        let lanes = &self.0;
        let incarnation = lanes.lease.lock().unwrap_or_else(PoisonError::into_inner).as_ref().map(|lease| lease.incarnation);
        let counted = lanes.views().iter().fold(LaneCounts { incarnation, ..LaneCounts::default() }, |counted, view| LaneCounts {
            count: counted.count + 1,
            backlogged: counted.backlogged + u64::from(view.backlogged),
            breaker_open: counted.breaker_open + u64::from(view.breaker_open),
            in_flight: counted.in_flight + u64::from(view.in_flight),
            queued: counted.queued + u64::from(view.queued),
            ..counted
        });
        Some(counted)
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
            self.lane.unreserve(self.bytes);
            self.lanes.free(self.bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lanes_are_forgotten_when_nobody_used_them_whichever_way_the_clock_is_set() {
        let lanes = Lanes::new(Settings::default(), Arc::new(|| Timestamp::EPOCH));
        let after = |seconds| Timestamp::EPOCH + Duration::from_secs(seconds);
        let count = || lanes.all().len();
        drop(lanes.lane(ListenerId(1)));
        lanes.forget_idle(after(300));
        assert_eq!(count(), 1, "used within five minutes");
        lanes.forget_idle(after(329));
        assert_eq!(count(), 1, "looked a moment ago");
        lanes.forget_idle(after(330));
        assert_eq!(count(), 0);
        drop(lanes.lane(ListenerId(2)));
        lanes.forget_idle(after(329));
        assert_eq!(count(), 0, "the clock was set back: it is looked again");
    }

    #[test]
    fn a_lane_whose_backlog_others_took_is_forgotten_as_well() {
        let lanes = Lanes::new(Settings::default(), Arc::new(|| Timestamp::EPOCH));
        lanes.lane(ListenerId(1)).mark_backlogged();
        lanes.forget_idle(Timestamp::EPOCH + Duration::from_secs(330));
        assert!(lanes.all().is_empty(), "no claim ever told it that nothing is left");
        // What is due is learned anew by whoever finds it.
        lanes.lane(ListenerId(1)).mark_backlogged();
        assert_eq!(LaneHandOver(Arc::new(lanes)).lanes(), Some(LaneCounts { count: 1, backlogged: 1, ..LaneCounts::default() }));
    }

    #[test]
    fn what_is_disowned_is_kept_up_to_a_bound_and_that_more_came_is_said_once() {
        let lanes = Arc::new(Lanes::new(Settings::default(), Arc::new(|| Timestamp::EPOCH)));
        let hand_over = LaneHandOver(Arc::clone(&lanes));
        let ids = |count: usize| (1..).take(count).map(DeliveryId::from_raw).collect::<Vec<_>>();
        hand_over.disown(ids(DISOWNED_MAX));
        let is_told = || lanes.disowned_too_many.load(Ordering::Relaxed);
        assert!(!is_told());
        hand_over.disown(ids(1));
        assert!(is_told());
        assert_eq!(lanes.take_disowned().len(), DISOWNED_MAX);
        assert!(is_told(), "they may come again");
        assert!(lanes.take_disowned().is_empty() && !is_told(), "the next time is another one");
    }

    #[test]
    fn a_claim_takes_its_room_before_it_is_made_and_leaves_some() {
        let settings = Settings { bytes_in_memory_max: 1_000, ..Settings::default() };
        let lanes = Arc::new(Lanes::new(settings, Arc::new(|| Timestamp::EPOCH)));
        lanes.open_for(Some(Lease { incarnation: Incarnation::from_raw(1), stake: crate::node::Stake::default() }));
        let hand_over = LaneHandOver(Arc::clone(&lanes));
        let room = lanes.room_for_claim().expect("nothing is taken");
        assert_eq!(room.bytes(), 500);
        let place = hand_over.reserve(ListenerId(1), 400).expect("half is left");
        assert!(hand_over.reserve(ListenerId(2), 101).is_none(), "the rest is the claim's");
        drop(room);
        assert_eq!(lanes.room_for_claim().expect("600 are free").bytes(), 300);
        drop(place);
        let all = hand_over.reserve(ListenerId(3), 1_000).expect("all is free, and it holds nothing");
        while futures_util::FutureExt::now_or_never(lanes.due.notified()).is_some() {}
        assert!(lanes.room_for_claim().is_none());
        let rings = || futures_util::FutureExt::now_or_never(lanes.due.notified()).is_some();
        assert!(!rings());
        drop(all);
        assert!(rings(), "there is room again for the claim that found none");
    }

    #[test]
    fn a_lane_holds_no_more_than_is_free_and_what_ended_makes_room() {
        let settings = Settings { bytes_in_memory_max: 1_000, ..Settings::default() };
        let lanes = Arc::new(Lanes::new(settings, Arc::new(|| Timestamp::EPOCH)));
        lanes.open_for(Some(Lease { incarnation: Incarnation::from_raw(1), stake: crate::node::Stake::default() }));
        let hand_over = LaneHandOver(Arc::clone(&lanes));
        let fill = |listener| {
            let places: Vec<_> = std::iter::from_fn(|| hand_over.reserve(ListenerId(listener), 100)).collect();
            lanes.lane(ListenerId(listener)).clear_backlog();
            places
        };
        let greedy: Vec<_> = (1..=3).map(fill).collect();
        assert_eq!(greedy.iter().map(Vec::len).collect::<Vec<_>>(), [5, 3, 1], "each half of what the others left");
        let modest = fill(4);
        assert_eq!(modest.len(), 1, "there is room for another one");
        let lane = lanes.lane(ListenerId(1));
        assert_eq!(lane.room(Timestamp::EPOCH, lanes.bytes_free()), 0, "and nothing is claimed for the first");
        drop(greedy);
        assert_eq!(fill(1).len(), 5);
    }
}
