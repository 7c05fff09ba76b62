//! A lane: everything on its way to one listener, with its own queue, concurrency and breaker.
//!
//! No lane waits for another. A lane holds in memory at most `PENDING_PER_ATTEMPT` deliveries for each attempt it may make at
//! once: a hanging listener, whose concurrency has shrunk to one, keeps a handful; the rest wait in the store.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use countersign_core::{
    Timestamp,
    delivery::Delivery,
    event::Event,
    id::{DeliveryId, ListenerId},
};

use crate::pace::{Pace, Sign};

/// Deliveries in memory for each attempt allowed at once: enough that a lane never runs dry between two claims.
const PENDING_PER_ATTEMPT: u32 = 16;

/// A delivery in memory, leased to this node.
#[derive(Clone, Debug)]
pub struct Item {
    /// What is to be sent; its state is `Leased`.
    pub delivery: Delivery,
    /// What happened.
    pub event: Arc<Event>,
    /// How often it was in the hands of a process that died.
    pub times_orphaned: u32,
}

impl Item {
    /// What it counts against the byte budget.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.event.snapshot.bytes().len()
    }
}

/// One lane.
#[derive(Debug)]
pub struct Lane {
    /// Where it leads.
    pub listener: ListenerId,
    state: Mutex<State>,
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
    /// The store has due deliveries for this lane: fresh ones queue up behind them there.
    backlogged: bool,
    queue_max: u32,
    used_at: Timestamp,
}

impl State {
    fn pending(&self) -> u32 {
        u32::try_from(self.queue.len()).unwrap_or(u32::MAX).saturating_add(self.reserved).saturating_add(self.in_flight)
    }

    fn pending_max(&self, now: Timestamp) -> u32 {
        self.pace.limit(now).saturating_mul(PENDING_PER_ATTEMPT).min(self.queue_max)
    }
}

/// What a runner does next.
#[derive(Debug)]
pub enum Turn {
    /// Attempt this.
    Attempt(Box<Item>),
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
                backlogged: false,
                queue_max,
                used_at: now,
            }),
        }
    }

    /// Takes a place in the queue for a fresh delivery; false when it must go through the store.
    pub(crate) fn reserve(&self, now: Timestamp) -> bool {
        let mut state = self.lock();
        state.used_at = now;
        if state.backlogged || !state.pace.is_closed() {
            return false;
        }
        if state.pending() >= state.pending_max(now) {
            state.backlogged = true;
            return false;
        }
        state.reserved += 1;
        true
    }

    /// Gives a place back.
    pub(crate) fn unreserve(&self) {
        let mut state = self.lock();
        state.reserved = state.reserved.saturating_sub(1);
    }

    /// Fresh deliveries go through the store from now on, until a claim finds nothing more there.
    pub(crate) fn mark_backlogged(&self) {
        self.lock().backlogged = true;
    }

    /// A claim found less than it asked for.
    pub(crate) fn clear_backlog(&self) {
        self.lock().backlogged = false;
    }

    /// How many deliveries a claim may bring, 0 for none now.
    pub(crate) fn room(&self, now: Timestamp) -> u32 {
        let state = self.lock();
        if state.pace.is_closed() {
            state.pending_max(now).saturating_sub(state.pending())
        } else {
            state.pace.limit(now).saturating_sub(state.pending())
        }
    }

    /// When an open breaker may be probed.
    pub(crate) fn probe_at(&self, now: Timestamp) -> Option<Timestamp> {
        self.lock().pace.probe_at(now)
    }

    /// Puts a delivery into the queue. True when the caller must start a runner.
    pub(crate) fn push(&self, item: Item, was_reserved: bool, now: Timestamp) -> bool {
        let mut state = self.lock();
        state.used_at = now;
        if was_reserved {
            state.reserved = state.reserved.saturating_sub(1);
        }
        state.queue.push_back(item);
        // Where the breaker is open one runner is started all the same: it gives the queue back.
        let start = state.runners < state.pace.limit(now).max(1);
        if start {
            state.runners += 1;
        }
        start
    }

    /// What a runner does next. The first call of a runner passes `None`, later ones what the last attempt said.
    /// The second value is how many more runners may be started.
    pub(crate) fn turn(&self, learned: Option<Sign>, now: Timestamp) -> (Turn, u32) {
        let mut state = self.lock();
        state.used_at = now;
        if let Some(sign) = learned {
            state.in_flight = state.in_flight.saturating_sub(1);
            state.pace.learn(sign, now);
        }
        let limit = state.pace.limit(now);
        if limit == 0 {
            state.runners = state.runners.saturating_sub(1);
            let items: Vec<Item> = state.queue.drain(..).collect();
            state.backlogged |= !items.is_empty();
            return (if items.is_empty() { Turn::End } else { Turn::GiveBack(items) }, 0);
        }
        if state.runners > limit {
            state.runners -= 1;
            return (Turn::End, 0);
        }
        let Some(item) = state.queue.pop_front() else {
            state.runners = state.runners.saturating_sub(1);
            return (Turn::End, 0);
        };
        state.pace.begin(now);
        state.in_flight += 1;
        let wanted = u32::try_from(state.queue.len()).unwrap_or(u32::MAX).min(limit.saturating_sub(state.runners));
        state.runners += wanted;
        (Turn::Attempt(Box::new(item)), wanted)
    }

    /// Takes everything that was not begun, for shutdown.
    pub(crate) fn drain(&self) -> Vec<Item> {
        self.lock().queue.drain(..).collect()
    }

    /// True when nothing is in it, its breaker is closed and it was not used since `before`.
    pub(crate) fn is_idle(&self, before: Timestamp) -> bool {
        let state = self.lock();
        state.pending() == 0 && state.runners == 0 && state.pace.is_closed() && !state.backlogged && state.used_at < before
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
        }
    }

    /// True when the lane could take a good part of its share from the store.
    pub(crate) fn is_hungry(&self, now: Timestamp) -> bool {
        let state = self.lock();
        state.backlogged && state.pace.is_closed() && state.pending() * 2 <= state.pending_max(now)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The ids of items.
pub(crate) fn ids(items: &[Item]) -> Vec<DeliveryId> {
    items.iter().map(|item| item.delivery.id).collect()
}
