//! What `server` does with an event: places, one commit, then the lanes.

use std::sync::Arc;

use countersign_core::{
    delivery::{Delivery, DeliveryState},
    event::{Event, EventDetail, EventName, Snapshot},
    fan_out,
    id::{DeliveryId, EnvelopeId, EventId},
};
use countersign_store::handover::{HandOver, Slot};

use super::{Company, Happening, World};
use crate::{
    party::{ACCOUNT, Temper},
    scenario::Arrival,
};

/// A delivery on its way to the disk, with its place in a lane if it got one.
pub(super) struct Fresh {
    delivery: Delivery,
    event: Arc<Event>,
    slot: Option<Box<dyn Slot>>,
}

impl World<'_> {
    /// The next arrival is put down when the one before it has come.
    pub(super) fn arrive_next(&mut self) {
        if let Some(arrival) = self.arrivals.next() {
            self.put(arrival.at, Happening::Arrival(arrival));
        }
    }

    pub(super) fn arrived(&mut self, arrival: &Arrival) {
        self.arrive_next();
        let id = EventId::from_raw(self.event_ids.next(self.now));
        if !self.is_up {
            // Refused: nobody was told that it was accepted.
            return;
        }
        let event = Arc::new(Event {
            id,
            account: ACCOUNT,
            name: EventName::ENVELOPE_SENT,
            at: self.now,
            user: None,
            envelope: Some(EnvelopeId(uuid::Uuid::from_u128(u128::from(arrival.envelope)))),
            detail: EventDetail::default(),
            snapshot: Snapshot::Posted(self.contents.slice(..arrival.bytes)),
        });
        let mut fresh = Vec::with_capacity(arrival.wanted_by.len());
        for &nth in &arrival.wanted_by {
            let party = &self.scenario.parties[nth];
            if self.company == Company::Well && party.temper != Temper::Well {
                continue;
            }
            if party.temper == Temper::Down {
                self.measured.event_for_the_away(self.scenario, self.now);
            }
            let subscription = &party.subscription;
            let slot = match subscription.hold() {
                None if !subscription.pace.ordered => self.node.hand_over.reserve(party.lane, arrival.bytes),
                _ => None,
            };
            let state = match &slot {
                Some(slot) => DeliveryState::Leased { by: slot.incarnation() },
                None => DeliveryState::Waiting { due_at: self.now, held: subscription.hold() },
            };
            let id = DeliveryId::from_raw(self.delivery_ids.next(self.now));
            let delivery = fan_out::delivery(id, &event, subscription, None, state, self.now);
            fresh.push(Fresh { delivery, event: Arc::clone(&event), slot });
        }
        if !fresh.is_empty() {
            let at = self.disk.written_at(self.now);
            self.put(at, Happening::Recorded(fresh));
        }
    }

    pub(super) fn recorded(&mut self, fresh: Vec<Fresh>) {
        for Fresh { delivery, event, slot } in fresh {
            self.ledger.insert(delivery.clone(), Arc::clone(&event));
            match slot {
                Some(slot) => {
                    self.measured.hold(&event);
                    let lane = self.node.lanes.lane(delivery.listener);
                    slot.fill(delivery, event);
                    self.check_memory(&lane);
                }
                None => self.node.hand_over.wake(delivery.listener),
            }
        }
    }
}
