//! The store as the worker sees it: rows that wait, are leased or have ended, with the order of their keys. What both backends
//! promise and `countersign_store::conformance` tests, in memory.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    ops::Bound,
    sync::Arc,
};

use countersign_core::{
    Timestamp,
    delivery::{Delivery, DeliveryState},
    event::Event,
    id::{DeliveryId, EventId, Incarnation, ListenerId},
};
use countersign_store::{
    claim::{Claim, Claimed},
    settle::{Next, Settlement},
};

/// The store.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    /// What has not ended.
    rows: HashMap<DeliveryId, Row>,
    /// What waits and is free to go, by lane and due time.
    due: BTreeMap<ListenerId, BTreeSet<(Timestamp, DeliveryId)>>,
    lines: HashMap<i64, Line>,
    pub(crate) recorded: u64,
    pub(crate) delivered: u64,
    pub(crate) parked: u64,
    waiting: usize,
    pub(crate) waiting_max: usize,
}

#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) delivery: Delivery,
    pub(crate) event: Arc<Event>,
    times_orphaned: u32,
    /// How often its listener accepted it.
    accepted: u32,
}

/// What shares an order key and has not ended.
#[derive(Debug, Default)]
struct Line {
    unfinished: BTreeSet<DeliveryId>,
    leased: Option<DeliveryId>,
}

impl Ledger {
    pub(crate) fn insert(&mut self, delivery: Delivery, event: Arc<Event>) {
        let (id, key) = (delivery.id, delivery.order_key);
        self.recorded += 1;
        let waits = matches!(delivery.state, DeliveryState::Waiting { .. });
        self.rows.insert(id, Row { delivery, event, times_orphaned: 0, accepted: 0 });
        if let Some(key) = key {
            self.lines.entry(key).or_default().unfinished.insert(id);
        }
        if waits {
            self.count_waiting(1);
            self.let_go(id, key);
        }
    }

    /// Lanes with something due, by id after `after`.
    pub(crate) fn due_listeners(&self, now: Timestamp, after: Option<ListenerId>, limit: u32) -> Vec<ListenerId> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let is_due = |due: &BTreeSet<(Timestamp, DeliveryId)>| due.first().is_some_and(|(at, _)| *at <= now);
        self.due.range((from, Bound::Unbounded)).filter(|(_, due)| is_due(due)).map(|(lane, _)| *lane).take(limit as usize).collect()
    }

    pub(crate) fn next_due(&self) -> Option<Timestamp> {
        self.due.values().filter_map(|due| due.first()).map(|(at, _)| *at).min()
    }

    pub(crate) fn claim(&mut self, claim: &Claim) -> Vec<Claimed> {
        let mut claimed = Vec::new();
        // A claim reads each event once, and one that is in memory already once more.
        let (mut bytes_left, mut read): (usize, HashMap<EventId, Arc<Event>>) = (claim.bytes_max, HashMap::new());
        'lanes: for quota in &claim.lanes {
            for _ in 0..quota.count {
                let Some(due) = self.due.get_mut(&quota.listener) else { break };
                let Some(&(at, id)) = due.first().filter(|(at, _)| *at <= claim.now) else { break };
                let Some(row) = self.rows.get_mut(&id) else { break };
                let bytes = if read.contains_key(&row.event.id) { 0 } else { row.event.snapshot.bytes().len() };
                if bytes > bytes_left && !claimed.is_empty() {
                    break 'lanes;
                }
                bytes_left = bytes_left.saturating_sub(bytes);
                row.delivery.state = DeliveryState::Leased { by: claim.by };
                let event = read.entry(row.event.id).or_insert_with(|| Arc::new(Event::clone(&row.event)));
                claimed.push(Claimed { delivery: row.delivery.clone(), event: Arc::clone(event), times_orphaned: row.times_orphaned });
                due.remove(&(at, id));
                if due.is_empty() {
                    self.due.remove(&quota.listener);
                }
                if let Some(line) = row.delivery.order_key.and_then(|key| self.lines.get_mut(&key)) {
                    line.leased = Some(id);
                }
                self.waiting -= 1;
            }
        }
        claimed
    }

    /// False when the lease has passed to another, or it has ended.
    pub(crate) fn settle(&mut self, settlement: &Settlement) -> bool {
        let id = settlement.delivery;
        let Some(row) = self.rows.get_mut(&id).filter(|row| row.delivery.state == DeliveryState::Leased { by: settlement.by }) else {
            return false;
        };
        row.delivery.attempts_made = settlement.attempts_made;
        row.delivery.retry_count = settlement.retry_count;
        match settlement.next {
            Next::Waiting { due_at, held: _ } => self.wait(id, due_at),
            Next::Delivered => {
                self.delivered += 1;
                self.end(id);
            }
            Next::Parked(_) | Next::Cancelled => {
                self.parked += 1;
                self.end(id);
            }
        }
        true
    }

    pub(crate) fn give_back(&mut self, by: Incarnation, deliveries: &[DeliveryId], due_at: Timestamp) {
        for &id in deliveries {
            if self.rows.get(&id).is_some_and(|row| row.delivery.state == DeliveryState::Leased { by }) {
                self.wait(id, due_at);
            }
        }
    }

    /// The lease of a dead process is over: what it had in its hands may be claimed.
    pub(crate) fn expire(&mut self, by: Incarnation) {
        let mut left: Vec<(DeliveryId, Timestamp)> = Vec::new();
        for (id, row) in &mut self.rows {
            if row.delivery.state == (DeliveryState::Leased { by }) {
                row.times_orphaned += 1;
                left.push((*id, row.delivery.schedule_started_at));
            }
        }
        for (id, due_at) in left {
            self.wait(id, due_at);
        }
    }

    /// Its listener accepted it. False when it had done so before, and no process died with it in between.
    pub(crate) fn accepted(&mut self, id: DeliveryId) -> bool {
        let Some(row) = self.rows.get_mut(&id) else { return false };
        row.accepted += 1;
        row.accepted <= 1 + row.times_orphaned
    }

    /// Everything that has not ended.
    pub(crate) fn open(&self) -> impl Iterator<Item = &Row> {
        self.rows.values()
    }

    /// True when it waits for nothing but its due time.
    pub(crate) fn is_free(&self, delivery: &Delivery) -> bool {
        let line = delivery.order_key.and_then(|key| self.lines.get(&key));
        line.is_none_or(|line| line.leased.is_none() && line.unfinished.first() == Some(&delivery.id))
    }

    fn wait(&mut self, id: DeliveryId, due_at: Timestamp) {
        let Some(row) = self.rows.get_mut(&id) else { return };
        row.delivery.state = DeliveryState::Waiting { due_at, held: None };
        let key = row.delivery.order_key;
        if let Some(line) = key.and_then(|key| self.lines.get_mut(&key)) {
            line.leased = None;
        }
        self.count_waiting(1);
        self.let_go(id, key);
    }

    fn end(&mut self, id: DeliveryId) {
        let Some(row) = self.rows.remove(&id) else { return };
        let Some(key) = row.delivery.order_key else { return };
        let Some(line) = self.lines.get_mut(&key) else { return };
        line.unfinished.remove(&id);
        line.leased = None;
        if line.unfinished.is_empty() {
            self.lines.remove(&key);
        } else {
            self.let_go(id, Some(key));
        }
    }

    /// Lets a waiting delivery go, or the first of its line.
    fn let_go(&mut self, id: DeliveryId, key: Option<i64>) {
        let id = match key {
            None => id,
            Some(key) => match self.lines.get(&key) {
                Some(Line { unfinished, leased: None }) => unfinished.first().copied().unwrap_or(id),
                _ => return,
            },
        };
        if let Some(Row { delivery, .. }) = self.rows.get(&id)
            && let DeliveryState::Waiting { due_at, .. } = delivery.state
        {
            self.due.entry(delivery.listener).or_default().insert((due_at, id));
        }
    }

    fn count_waiting(&mut self, more: usize) {
        self.waiting += more;
        self.waiting_max = self.waiting_max.max(self.waiting);
    }
}
