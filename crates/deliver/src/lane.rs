//! A lane: everything on its way to one listener, with its own queue, concurrency and breaker.
//!
//! No lane waits for another. A lane holds in memory at most `PENDING_PER_ATTEMPT` deliveries for each attempt it may make at
//! once: a hanging listener, whose concurrency has shrunk to one, keeps a handful; the rest wait in the store.
//!
//! Lanes share the bytes of the node: a lane takes more only while it holds no more than is free. However many lanes are slow or
//! hang, and whatever waits for them, what they hold together leaves room for the others: *n* of them with endless backlogs leave a
//! share of 1 in *n* + 1 free (Choudhury and Hahne, "Dynamic queue length thresholds for shared-memory packet switches", 1998).
//!
//! A subscription with limits has a lane of its own ([`countersign_core::listener::lane_of_its_own`]), whose concurrency ends at the
//! limit and which keeps the rate: one runner waits for the next turn, and no more is held in memory than goes out within
//! `AHEAD`. What is over the rate stays in the store, due since when it was due, and is not claimed.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use countersign_core::{
    Timestamp,
    delivery::Delivery,
    event::Event,
    id::{AccountId, DeliveryId, ListenerId, SubscriptionId},
    limits::{Bucket, Limits, Rate},
    listener,
};
use countersign_store::claim::SUSPECT_FROM;

use countersign_store::breaker::{BreakerChange, OpenBreaker};

use crate::{
    node::Stake,
    pace::{Pace, Sign},
};

/// Deliveries in memory for each attempt allowed at once: enough that a lane never runs dry between two claims.
const PENDING_PER_ATTEMPT: u32 = 16;
/// What a lane with a rate holds in memory goes out within this time, unless it is a single one: long enough that it does not run
/// dry between two claims, short enough that hardly anything is leased that could wait in the store.
const AHEAD: Duration = Duration::from_secs(1);

/// A delivery in memory, leased to this node.
#[derive(Clone, Debug)]
pub struct Item {
    /// What is to be sent; its state is `Leased`.
    pub delivery: Delivery,
    /// What happened.
    pub event: Arc<Event>,
    /// How often it was in the hands of a process that died.
    pub times_orphaned: u32,
    /// Keeps the life alive to which it is leased.
    pub stake: Stake,
}

impl Item {
    /// What it counts against the byte budget.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.event.snapshot.bytes().len()
    }

    /// True when the end of this attempt lets another one go: the next of its order, or the next suspect.
    #[must_use]
    pub fn is_followed(&self) -> bool {
        self.delivery.order_key.is_some() || self.times_orphaned >= SUSPECT_FROM
    }
}

/// One lane.
#[derive(Debug)]
pub struct Lane {
    /// Where it leads.
    pub listener: ListenerId,
    state: Mutex<State>,
    /// Its breaker opened or closed, and the other nodes were not told.
    untold: AtomicBool,
}

#[derive(Debug)]
struct State {
    pace: Pace,
    queue: VecDeque<Item>,
    /// Slots given out and not yet filled.
    reserved: u32,
    /// Tasks that take from the queue.
    runners: u32,
    /// Attempts under way.
    in_flight: u32,
    /// Bytes of everything that it holds: places given out, what is queued, what is under way.
    bytes: usize,
    /// What one of its deliveries has lately had, about.
    bytes_each: usize,
    /// The store has due deliveries for this lane: fresh ones queue up behind them there.
    backlogged: bool,
    concurrency_max: u32,
    queue_max: u32,
    /// The limits of the subscription that the lane belongs to alone, and whose it is; `None` until they are known.
    limits: Option<Limits>,
    account: Option<AccountId>,
    bucket: Bucket,
    /// A runner waits for the rate.
    waits: bool,
    used_at: Timestamp,
}

impl State {
    fn pending(&self) -> u32 {
        u32::try_from(self.queue.len()).unwrap_or(u32::MAX).saturating_add(self.reserved).saturating_add(self.in_flight)
    }

    /// In memory, not begun.
    fn ahead(&self) -> u32 {
        self.pending().saturating_sub(self.in_flight)
    }

    fn pending_max(&self, now: Timestamp) -> u32 {
        let busy = self.pace.limit(now).saturating_mul(PENDING_PER_ATTEMPT).min(self.queue_max);
        match self.rate() {
            None => busy,
            Some(rate) => busy.min(self.in_flight.saturating_add(self.bucket.yields(rate, now, AHEAD).max(1))),
        }
    }

    /// Everything that was not begun.
    fn drain(&mut self) -> Vec<Item> {
        let items: Vec<Item> = self.queue.drain(..).collect();
        let bytes: usize = items.iter().map(Item::bytes).sum();
        self.bytes = self.bytes.saturating_sub(bytes);
        items
    }

    fn rate(&self) -> Option<Rate> {
        self.limits.and_then(|limits| limits.rate)
    }

    fn limit_pace(&mut self) {
        let asked = self.limits.and_then(|limits| limits.concurrency_max).map_or(u32::MAX, std::num::NonZeroU32::get);
        self.pace.set_limit_max(asked.min(self.concurrency_max));
    }
}

/// What a runner did before it asks for its next turn.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Before {
    /// It was just started.
    Nothing,
    /// An attempt, which said this about the listener.
    Attempt(Sign),
    /// It waited for the rate.
    Wait,
}

/// What a runner does next.
#[derive(Debug)]
pub enum Turn {
    /// Attempt this.
    Attempt(Box<Item>),
    /// The rate allows nothing before this time: wait, then ask again.
    Wait(Timestamp),
    /// End: nothing to do, or more runners than attempts allowed.
    End,
    /// End, and give these back to the store: the breaker is open.
    GiveBack(Vec<Item>),
}

/// What a lane looks like, for metrics and pages.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LaneView {
    /// Where it leads.
    pub listener: ListenerId,
    /// Attempts allowed at once.
    pub limit: u32,
    /// Attempts under way.
    pub in_flight: u32,
    /// In memory, not begun.
    pub queued: u32,
    /// The breaker is open or probing.
    pub breaker_open: bool,
    /// The store has due deliveries for it.
    pub backlogged: bool,
    /// What it holds waits for the rate of its subscription.
    pub throttled: bool,
}

impl Lane {
    pub(crate) fn new(listener: ListenerId, concurrency_max: u32, queue_max: u32, now: Timestamp) -> Self {
        Self {
            listener,
            state: Mutex::new(State {
                pace: Pace::new(concurrency_max),
                queue: VecDeque::new(),
                reserved: 0,
                runners: 0,
                in_flight: 0,
                bytes: 0,
                bytes_each: 0,
                backlogged: false,
                concurrency_max,
                queue_max,
                limits: listener::owner(listener).is_none().then(Limits::default),
                account: None,
                bucket: Bucket::default(),
                waits: false,
                used_at: now,
            }),
            untold: AtomicBool::new(false),
        }
    }

    /// The subscription it belongs to alone, with its account once that is known.
    #[must_use]
    pub fn owner(&self) -> Option<(Option<AccountId>, SubscriptionId)> {
        listener::owner(self.listener).map(|subscription| (self.lock().account, subscription))
    }

    /// Obeys these limits from now on: this node's part of what the subscription asks for.
    pub fn obey(&self, account: AccountId, limits: Limits) {
        let mut state = self.lock();
        state.limits = Some(limits);
        state.account = Some(account);
        state.limit_pace();
    }

    /// This node's part of the attempts that all nodes may make at once.
    pub(crate) fn set_concurrency_max(&self, concurrency_max: u32) {
        let mut state = self.lock();
        state.concurrency_max = concurrency_max;
        state.limit_pace();
    }

    /// True when other nodes should hear of its breaker.
    pub(crate) fn has_untold(&self) -> bool {
        self.untold.load(Ordering::Relaxed)
    }

    /// What to tell the other nodes of its breaker, once.
    pub(crate) fn take_untold(&self) -> Option<BreakerChange> {
        if !self.untold.swap(false, Ordering::AcqRel) {
            return None;
        }
        let state = self.lock();
        match state.pace.opened() {
            Some((until, pause)) => Some(BreakerChange::Opened(OpenBreaker { listener: self.listener, until, pause })),
            None if state.pace.is_closed() => Some(BreakerChange::Closed(self.listener)),
            // It is probing, and what comes of that is told.
            None => None,
        }
    }

    /// It could not be told.
    pub(crate) fn tell_again(&self) {
        self.untold.store(true, Ordering::Release);
    }

    /// Hears whether any node has its breaker open. What this node has to tell itself is newer.
    pub(crate) fn hear(&self, open: Option<&OpenBreaker>) {
        let mut state = self.lock();
        if self.has_untold() {
            return;
        }
        match open {
            Some(breaker) => state.pace.hear_open(breaker.until, breaker.pause),
            None => state.pace.hear_closed(),
        }
    }

    /// Takes a place in the queue for a fresh delivery of so many `bytes`, of which so many are `free`; false when it must go through
    /// the store.
    pub(crate) fn reserve(&self, now: Timestamp, bytes: usize, free: usize) -> bool {
        let mut state = self.lock();
        state.used_at = now;
        if state.backlogged || !state.pace.is_closed() {
            return false;
        }
        if state.limits.is_none() {
            // The claim asks for them.
            state.backlogged = true;
            return false;
        }
        if state.pending() >= state.pending_max(now) || state.bytes.saturating_add(bytes) > free {
            state.backlogged = true;
            return false;
        }
        state.reserved += 1;
        state.bytes += bytes;
        true
    }

    /// Gives a place back.
    pub(crate) fn unreserve(&self, bytes: usize) {
        let mut state = self.lock();
        state.reserved = state.reserved.saturating_sub(1);
        state.bytes = state.bytes.saturating_sub(bytes);
    }

    /// An attempt of so many bytes is over.
    pub(crate) fn let_go(&self, bytes: usize) {
        let mut state = self.lock();
        state.bytes = state.bytes.saturating_sub(bytes);
    }

    /// Fresh deliveries go through the store from now on, until a claim finds nothing more there.
    pub fn mark_backlogged(&self) {
        self.lock().backlogged = true;
    }

    /// [`Lane::mark_backlogged`] for a delivery that waits in the store. False when nobody need be told of it: the lane is known to have
    /// a backlog, and nothing may be claimed for it before its breaker is probed.
    pub(crate) fn has_more(&self, now: Timestamp) -> bool {
        let mut state = self.lock();
        let is_known = std::mem::replace(&mut state.backlogged, true);
        !(is_known && state.pace.probe_at(now).is_some())
    }

    /// A claim found less than it asked for.
    pub fn clear_backlog(&self) {
        self.lock().backlogged = false;
    }

    /// How many deliveries a claim may bring while so many bytes are `free`, 0 for none now. How large they are is not known
    /// before: they count as what came lately.
    #[must_use]
    pub fn room(&self, now: Timestamp, free: usize) -> u32 {
        let state = self.lock();
        let room = if state.limits.is_none() {
            0
        } else if state.pace.is_closed() {
            state.pending_max(now).saturating_sub(state.pending())
        } else {
            state.pace.limit(now).saturating_sub(state.pending())
        };
        let share = free.saturating_sub(state.bytes) / state.bytes_each.max(1);
        // A lane that holds nothing may always have one.
        let share = share.max(usize::from(state.pending() == 0));
        room.min(u32::try_from(share).unwrap_or(u32::MAX))
    }

    /// When an open breaker may be probed.
    #[must_use]
    pub fn probe_at(&self, now: Timestamp) -> Option<Timestamp> {
        self.lock().pace.probe_at(now)
    }

    /// Puts a delivery into the queue. True when the caller must start a runner.
    pub(crate) fn push(&self, item: Item, was_reserved: bool, now: Timestamp) -> bool {
        let mut state = self.lock();
        state.used_at = now;
        let bytes = item.bytes();
        if was_reserved {
            state.reserved = state.reserved.saturating_sub(1);
        } else {
            state.bytes = state.bytes.saturating_add(bytes);
        }
        // A half of the last one and a quarter of the one before and so on; rounded up, so that it is never nothing for something.
        state.bytes_each = state.bytes_each.div_ceil(2) + bytes.div_ceil(2);
        state.queue.push_back(item);
        // Where the breaker is open one runner is started all the same: it gives the queue back.
        let start = state.runners < state.pace.limit(now).max(1);
        if start {
            state.runners += 1;
        }
        start
    }

    /// What a runner does next. The second value is how many more runners may be started.
    pub fn turn(&self, before: Before, now: Timestamp) -> (Turn, u32) {
        let mut state = self.lock();
        state.used_at = now;
        match before {
            Before::Nothing => {}
            Before::Attempt(sign) => {
                state.in_flight = state.in_flight.saturating_sub(1);
                if state.pace.learn(sign, now) {
                    self.untold.store(true, Ordering::Release);
                }
            }
            Before::Wait => state.waits = false,
        }
        let limit = state.pace.limit(now);
        if limit == 0 {
            state.runners = state.runners.saturating_sub(1);
            let items = state.drain();
            state.backlogged |= !items.is_empty();
            return (if items.is_empty() { Turn::End } else { Turn::GiveBack(items) }, 0);
        }
        if state.runners > limit {
            state.runners -= 1;
            return (Turn::End, 0);
        }
        let mut together = u32::MAX;
        if let Some(rate) = state.rate()
            && !state.queue.is_empty()
        {
            if let Err(ready_at) = state.bucket.take(rate, now) {
                if state.waits {
                    state.runners -= 1;
                    return (Turn::End, 0);
                }
                state.waits = true;
                return (Turn::Wait(ready_at), 0);
            }
            // One more than there is now, so that somebody waits for the next turn while this attempt is under way.
            together = state.bucket.yields(rate, now, Duration::ZERO).saturating_add(u32::from(!state.waits));
        }
        let Some(item) = state.queue.pop_front() else {
            state.runners = state.runners.saturating_sub(1);
            return (Turn::End, 0);
        };
        state.pace.begin(now);
        state.in_flight += 1;
        let wanted = u32::try_from(state.queue.len()).unwrap_or(u32::MAX).min(limit.saturating_sub(state.runners)).min(together);
        state.runners += wanted;
        (Turn::Attempt(Box::new(item)), wanted)
    }

    /// Ends a runner that waited for the rate, and takes everything that was not begun, for shutdown.
    pub(crate) fn leave(&self) -> Vec<Item> {
        let mut state = self.lock();
        state.waits = false;
        state.runners = state.runners.saturating_sub(1);
        state.drain()
    }

    /// Takes everything that was not begun, for shutdown.
    pub(crate) fn drain(&self) -> Vec<Item> {
        self.lock().drain()
    }

    /// True when nothing is in it, its breaker is closed and it was not used since `before`. Whether it was backlogged does not count:
    /// the mark is taken away by a claim alone, and other nodes may have emptied the store. A lane made anew learns of what is due there
    /// as soon as a claim looks.
    pub(crate) fn is_idle(&self, before: Timestamp) -> bool {
        let state = self.lock();
        state.pending() == 0 && state.runners == 0 && state.pace.is_closed() && state.used_at < before
    }

    /// What it looks like.
    #[must_use]
    pub fn view(&self, now: Timestamp) -> LaneView {
        let state = self.lock();
        LaneView {
            listener: self.listener,
            limit: state.pace.limit(now),
            in_flight: state.in_flight,
            queued: u32::try_from(state.queue.len()).unwrap_or(u32::MAX),
            breaker_open: !state.pace.is_closed(),
            backlogged: state.backlogged,
            throttled: state.waits,
        }
    }

    /// True when the lane could take a good part of its share from the store.
    #[must_use]
    pub fn is_hungry(&self, now: Timestamp) -> bool {
        let state = self.lock();
        let room = state.pending_max(now).saturating_sub(state.in_flight);
        state.backlogged && state.pace.is_closed() && state.ahead().saturating_mul(2) <= room
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The ids of items.
pub(crate) fn ids(items: &[Item]) -> Vec<DeliveryId> {
    items.iter().map(|item| item.delivery.id).collect()
}

#[cfg(test)]
mod tests;
