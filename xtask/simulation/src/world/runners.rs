//! What the worker's runners do: turns, attempts, settlements.

use std::sync::Arc;

use countersign_core::{
    id::Incarnation,
    outcome::Outcome,
    retry::{Jitter, RetryPolicy},
};
use countersign_deliver::{
    lane::{Before, Item, Lane, Turn},
    pace::Sign,
    settlement::{holder, settlement},
};
use countersign_store::settle::Next;

use super::{Happening, World};
use crate::{
    dice::Dice,
    party::{Class, Temper},
    promises::Promise,
};

/// An attempt that ends with this.
pub(super) struct Attempted {
    lane: Arc<Lane>,
    item: Item,
    outcome: Outcome,
}

impl World<'_> {
    /// Runners that were asked for take their first turn.
    pub(super) fn run_started(&mut self) {
        loop {
            let starts = self.node.starts();
            if starts.is_empty() || !self.is_up {
                break;
            }
            for lane in starts {
                self.turn(&lane, Before::Nothing);
            }
        }
    }

    pub(super) fn turn(&mut self, lane: &Arc<Lane>, before: Before) {
        let (turn, more) = lane.turn(before, self.now);
        for _ in 0..more {
            self.node.start(lane);
        }
        match turn {
            Turn::Attempt(item) => self.attempt(lane, *item),
            Turn::Wait(until) => self.put(until, Happening::Turn(Arc::clone(lane), Before::Wait)),
            Turn::GiveBack(items) => {
                for item in &items {
                    self.node.lanes.free(item.bytes());
                    self.measured.let_go(&item.event);
                }
                let ids: Vec<_> = items.iter().map(|item| item.delivery.id).collect();
                self.unwritten += ids.len();
                let at = self.disk.written_at(self.now);
                self.put(at, Happening::GivenBack(ids));
            }
            Turn::End => {}
        }
    }

    fn attempt(&mut self, lane: &Arc<Lane>, item: Item) {
        let nth = self.party(&item.delivery);
        let scenario = self.scenario;
        let (party, witness) = (&scenario.parties[nth], &mut self.witnesses[nth]);
        witness.begins(party, &item.delivery, scenario.settings.lane_concurrency_max, self.now, &mut self.breaches);
        self.measured.in_flight.rises(1);
        if party.temper == Temper::Down {
            self.measured.attempt_of_the_away(scenario, self.now);
        }
        // The same delivery meets the same luck, whoever else is in the world.
        let row = item.event.id.raw() ^ (nth as u64) << 44 ^ u64::from(item.delivery.attempts_made) << 58;
        let mut dice = Dice::of(scenario.seed, row);
        let timeout = scenario.settings.delivery_timeout;
        let (outcome, took) = party.answer(self.now, scenario.outage, timeout, witness.in_flight, &mut dice);
        let lane = Arc::clone(lane);
        self.put(self.now + took, Happening::Answered(Box::new(Attempted { lane, item, outcome })));
    }

    pub(super) fn answered(&mut self, attempted: Attempted) {
        let Attempted { lane, item, outcome } = attempted;
        let nth = self.party(&item.delivery);
        self.witnesses[nth].ends(&item.delivery);
        self.measured.in_flight.falls(1);
        if matches!(outcome, Outcome::Accepted { .. }) {
            self.accepted(nth, &item);
        }
        self.settle(nth, &item, &outcome);
        self.node.lanes.let_go(&lane, &item);
        self.measured.let_go(&item.event);
        if item.is_followed() || lane.is_hungry(self.now) {
            self.node.lanes.due.notify_one();
        }
        self.turn(&lane, Before::Attempt(Sign::of(&outcome)));
    }

    fn accepted(&mut self, nth: usize, item: &Item) {
        let scenario = self.scenario;
        let first = self.ledger.accepted(item.delivery.id);
        self.breaches.check(Promise::Leases, first, || format!("{} was accepted twice", item.delivery.id));
        let class = scenario.parties[nth].class;
        let took = self.now.since(item.event.at);
        self.measured.times(class).add(took);
        if class == Class::Healthy && scenario.wave().holds(item.event.at) {
            self.measured.healthy_in_the_wave.add(took);
        }
        if class == Class::Down && item.event.at < scenario.outage.to && self.now >= scenario.outage.to {
            self.measured.drained.add(self.now.since(scenario.outage.to));
        }
    }

    fn settle(&mut self, nth: usize, item: &Item, outcome: &Outcome) {
        let Some(by) = holder(&item.delivery) else {
            self.breaches.broken(Promise::Leases, format!("{} was attempted without a lease", item.delivery.id));
            return;
        };
        let policy = self.policy(nth);
        let luck = Dice::of(self.scenario.seed, item.delivery.id.raw() ^ 0x5e77).bits();
        let settlement = settlement(&item.delivery, by, None, outcome, &policy, self.now, Jitter::from_random(luck as u32));
        if let Next::Parked(reason) = settlement.next {
            let schedule = policy.profile.gap(settlement.attempts_made);
            self.breaches.check(Promise::NothingLost, schedule.is_none(), || {
                format!("{} was given up ({}) with attempts left", item.delivery.id, reason.as_str())
            });
        }
        self.unwritten += 1;
        let at = self.disk.written_at(self.now);
        self.put(at, Happening::Settled(Box::new(settlement)));
        debug_assert_ne!(by, Incarnation::from_raw(0), "lives are counted from one");
    }

    fn policy(&self, nth: usize) -> RetryPolicy {
        let own = self.scenario.parties[nth].subscription.pace.retry.clone();
        RetryPolicy { profile: own.unwrap_or_else(|| self.scenario.settings.retry.clone()), park_at_first_failure: false }
    }
}
