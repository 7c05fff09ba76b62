//! What the worker's claim loop does: rounds over the lanes with something due, and sleep until the next.

use std::time::Duration;

use countersign_core::{Timestamp, id::ListenerId};
use countersign_deliver::{
    lane::Item,
    lanes::ClaimRoom,
    round::{LISTENERS_PER_QUERY, Offer, PAUSE_MIN, until_next},
};
use countersign_store::claim::{Claim, Claimed};
use futures_util::FutureExt;

use super::{Happening, World};

/// What looking for listeners with something due takes, and more for each (one seek in an index).
const QUERY: Duration = Duration::from_micros(200);
const QUERY_EACH: Duration = Duration::from_micros(10);

/// The claim loop.
#[derive(Debug, Default)]
pub(super) struct Claims {
    state: State,
    /// Which wake-up counts.
    nth: u64,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
enum State {
    #[default]
    Asleep,
    /// The bell was heard: it wakes at once.
    Rung,
    Busy,
}

/// Between two steps of a round.
pub(super) struct Step {
    began: Timestamp,
    after: Option<ListenerId>,
    more: bool,
    wait: Duration,
    /// What was offered, with the room for it.
    offer: Option<(Offer, ClaimRoom)>,
}

impl World<'_> {
    pub(super) fn look_again_at(&mut self, at: Timestamp) {
        self.claims.nth += 1;
        self.put(at, Happening::Round(self.claims.nth));
    }

    /// A ring is a permit: one that comes during a round is heard after it.
    pub(super) fn hear_the_bell(&mut self) {
        if self.is_up && self.claims.state == State::Asleep && self.node.lanes.due.notified().now_or_never().is_some() {
            self.claims.state = State::Rung;
            self.look_again_at(self.now + PAUSE_MIN);
        }
    }

    pub(super) fn round(&mut self, nth: u64) {
        if nth != self.claims.nth {
            return;
        }
        self.claims.state = State::Busy;
        self.measured.rounds += 1;
        let step = Step { began: self.now, after: None, more: true, wait: self.scenario.settings.poll, offer: None };
        self.look(step);
    }

    fn look(&mut self, mut step: Step) {
        let due = self.ledger.due_listeners(step.began, step.after, LISTENERS_PER_QUERY);
        step.more = due.len() == LISTENERS_PER_QUERY as usize;
        step.after = due.last().copied();
        let took = QUERY + QUERY_EACH * u32::try_from(due.len()).unwrap_or(u32::MAX);
        let mut offer = Offer::new(step.began, self.node.lanes.bytes_free());
        for listener in due {
            let lane = self.node.lanes.lane(listener);
            if let Some((_, subscription)) = lane.owner() {
                let first = self.scenario.parties[0].subscription.id.0;
                let party = &self.scenario.parties[usize::try_from(subscription.0 - first).unwrap_or_default()];
                lane.obey(party.subscription.account, party.subscription.pace.limits().shared_by(1));
            }
            offer.consider(lane);
        }
        step.wait = offer.wait(step.wait);
        let mut at = self.now + took;
        if !offer.is_empty() {
            match self.node.lanes.room_for_claim() {
                None => step.wait = step.wait.min(self.scenario.settings.poll),
                Some(room) => {
                    step.offer = Some((offer, room));
                    at = self.disk.written_at(self.now) + took;
                }
            }
        }
        self.put(at, Happening::Claims(Box::new(step)));
    }

    pub(super) fn claimed(&mut self, mut step: Step) {
        if let Some((mut offer, room)) = step.offer.take() {
            let bytes_max = room.bytes();
            drop(room);
            let lease = self.node.lease.clone();
            let claim = Claim { by: lease.incarnation, now: step.began, lanes: offer.quotas().to_vec(), bytes_max };
            for Claimed { delivery, event, times_orphaned } in self.ledger.claim(&claim) {
                let item = Item { delivery, event, times_orphaned, stake: lease.stake.clone() };
                if let Some(lane) = offer.came(&item) {
                    self.measured.hold(&item.event);
                    self.node.lanes.push_claimed(&lane, item);
                    self.check_memory(&lane);
                }
            }
            if offer.is_cut_short(bytes_max) && !self.node.lanes.is_short() {
                step.wait = PAUSE_MIN;
            }
        }
        if step.more {
            self.look(step);
            return;
        }
        let wait = until_next(self.ledger.next_due(), step.began, step.wait);
        self.node.lanes.forget_idle(step.began);
        self.claims.state = State::Asleep;
        self.look_again_at(self.now + wait.max(PAUSE_MIN));
    }
}
