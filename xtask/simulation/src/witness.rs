//! What a listener sees: who is in flight, what began within a second, and in which order.

use std::collections::{HashMap, VecDeque};

use countersign_core::{Timestamp, delivery::Delivery, id::DeliveryId};

use crate::{
    party::Party,
    promises::{Breaches, Promise},
};

const SECOND_MICROS: i64 = 1_000_000;

/// What one listener saw.
#[derive(Debug, Default)]
pub(crate) struct Witness {
    pub(crate) in_flight: u32,
    pub(crate) in_flight_max: u32,
    /// When the last attempts began, as many as a second may carry. Kept where a rate was asked for.
    began: VecDeque<Timestamp>,
    /// Of each order key, what is in flight and the last that was.
    lines: HashMap<i64, (Option<DeliveryId>, DeliveryId)>,
    pub(crate) attempts: u64,
}

impl Witness {
    /// An attempt begins.
    pub(crate) fn begins(&mut self, party: &Party, delivery: &Delivery, concurrency_max: u32, now: Timestamp, breaches: &mut Breaches) {
        let limits = party.subscription.pace.limits();
        self.attempts += 1;
        self.in_flight += 1;
        self.in_flight_max = self.in_flight_max.max(self.in_flight);
        let concurrency_max = limits.concurrency_max.map_or(concurrency_max, |own| own.get().min(concurrency_max));
        breaches.check(Promise::Limits, self.in_flight <= concurrency_max, || {
            format!("{}: {} in flight, {concurrency_max} are allowed, at {now}", party.subscription.id, self.in_flight)
        });
        if let Some(rate) = limits.rate {
            let most = (rate.0.get() + rate.burst()) as usize;
            self.began.push_back(now);
            if self.began.len() > most {
                let first = self.began.pop_front().unwrap_or(now);
                breaches.check(Promise::Limits, now.as_micros() - first.as_micros() >= SECOND_MICROS, || {
                    format!("{}: more than {most} requests within a second at {now}", party.subscription.id)
                });
            }
        }
        if let Some(key) = delivery.order_key {
            let line = self.lines.entry(key).or_insert((None, delivery.id));
            breaches.check(Promise::Order, line.0.is_none() && line.1 <= delivery.id, || {
                format!("{}: {} began beside or after {}, at {now}", party.subscription.id, delivery.id, line.1)
            });
            *line = (Some(delivery.id), delivery.id);
        }
    }

    /// An attempt ends.
    pub(crate) fn ends(&mut self, delivery: &Delivery) {
        self.in_flight = self.in_flight.saturating_sub(1);
        if let Some(line) = delivery.order_key.and_then(|key| self.lines.get_mut(&key)) {
            line.0 = None;
        }
    }

    /// The worker died: its connections end, and another worker does not know what went out before.
    pub(crate) fn cut_off(&mut self) {
        self.in_flight = 0;
        self.began.clear();
        for line in self.lines.values_mut() {
            line.0 = None;
        }
    }
}
