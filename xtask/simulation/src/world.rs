//! The world: one worker, its store and everybody it speaks to, run from event to event.
//!
//! What is decided is decided by the worker's own code: whether a delivery gets a place in a lane ([`Lanes`] by its hand-over),
//! what a runner does next (`Lane::turn`, with pace, breaker and rate), what a round of claims may bring (`round::Offer`), what an
//! outcome leads to (`settlement`, with the retry schedule), what a delivery looks like (`core::fan_out`). The world plays what has no
//! decision in it: time, the network, the disk.
//!
//! [`Lanes`]: countersign_deliver::lanes::Lanes

mod claims;
mod intake;
mod runners;

use std::sync::{
    Arc,
    atomic::{AtomicI64, Ordering},
};

use bytes::Bytes;
use countersign_core::{
    Timestamp,
    delivery::DeliveryState,
    id::{DeliveryId, IdSource, Incarnation},
};
use countersign_deliver::{
    Clock,
    lane::{Before, Lane},
};
use countersign_store::settle::Settlement;

use self::{
    claims::{Claims, Step},
    intake::Fresh,
    runners::Attempted,
};
use crate::{
    calendar::Calendar,
    disk::Disk,
    ledger::Ledger,
    measured::Measured,
    node::Node,
    party::{Class, Party, Temper},
    promises::{Breaches, Promise},
    scenario::{Arrival, Arrivals, EVENT_BYTES_MAX, Scenario},
    witness::Witness,
};

/// How long something may be overdue at the end although its listener is well and asks for nothing that delays: several polls.
const OVERDUE_SECONDS_MAX: u64 = 10;

/// Who is in the world.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Company {
    /// Everybody.
    All,
    /// Those that are well, alone; the same events reach them at the same times.
    Well,
}

/// What a run left behind.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) measured: Measured,
    pub(crate) breaches: Breaches,
    pub(crate) recorded: u64,
    pub(crate) delivered: u64,
    pub(crate) parked: u64,
    pub(crate) waiting: usize,
    pub(crate) waiting_max: usize,
}

/// What happens at a time.
enum Happening {
    Arrival(Arrival),
    Recorded(Vec<Fresh>),
    Turn(Arc<Lane>, Before),
    Answered(Box<Attempted>),
    Settled(Box<Settlement>),
    GivenBack(Vec<DeliveryId>),
    /// The claim loop wakes, unless it was woken before.
    Round(u64),
    Claims(Box<Step>),
    Dies,
    Starts,
    Expires(Incarnation),
}

/// See the module.
pub(crate) struct World<'s> {
    scenario: &'s Scenario,
    company: Company,
    calendar: Calendar<(u32, Happening)>,
    now: Timestamp,
    time: Arc<AtomicI64>,
    clock: Clock,
    node: Node,
    /// Counts the lives of the node; what belongs to an earlier one does not happen any more.
    life: u32,
    is_up: bool,
    claims: Claims,
    disk: Disk,
    ledger: Ledger,
    arrivals: Arrivals<'s>,
    event_ids: IdSource,
    delivery_ids: IdSource,
    /// Slices of it are the snapshots.
    contents: Bytes,
    witnesses: Vec<Witness>,
    measured: Measured,
    breaches: Breaches,
    /// Settlements and returns on their way to the disk.
    unwritten: usize,
}

impl<'s> World<'s> {
    /// Runs a scenario to its end.
    pub(crate) fn run(scenario: &'s Scenario, company: Company) -> Ended {
        let mut world = Self::new(scenario, company);
        world.arrive_next();
        world.put(scenario.restart.from, Happening::Dies);
        world.put(scenario.restart.to, Happening::Starts);
        world.look_again_at(scenario.begins);
        while let Some((at, (life, happening))) = world.calendar.next() {
            if at > scenario.ends {
                break;
            }
            world.now = at;
            world.time.store(at.as_micros(), Ordering::Relaxed);
            if life == world.life || happening.outlives_the_node() {
                world.happens(happening);
            }
        }
        world.ended()
    }

    fn new(scenario: &'s Scenario, company: Company) -> Self {
        let time = Arc::new(AtomicI64::new(scenario.begins.as_micros()));
        let reads = Arc::clone(&time);
        let clock: Clock = Arc::new(move || Timestamp::from_micros(reads.load(Ordering::Relaxed)));
        Self {
            scenario,
            company,
            calendar: Calendar::new(),
            now: scenario.begins,
            time,
            node: Node::new(Incarnation::from_raw(1), &scenario.settings, Arc::clone(&clock)),
            clock,
            life: 1,
            is_up: true,
            claims: Claims::default(),
            disk: Disk::new(scenario.commit),
            ledger: Ledger::default(),
            arrivals: scenario.arrivals(),
            event_ids: IdSource::new(1),
            delivery_ids: IdSource::new(1),
            contents: Bytes::from(vec![0; EVENT_BYTES_MAX]),
            witnesses: scenario.parties.iter().map(|_| Witness::default()).collect(),
            measured: Measured::default(),
            breaches: Breaches::default(),
            unwritten: 0,
        }
    }

    fn put(&mut self, at: Timestamp, happening: Happening) {
        self.calendar.put(at, (self.life, happening));
    }

    fn happens(&mut self, happening: Happening) {
        let may_ring = happening.may_ring();
        match happening {
            Happening::Arrival(arrival) => self.arrived(&arrival),
            Happening::Recorded(fresh) => self.recorded(fresh),
            Happening::Turn(lane, before) => self.turn(&lane, before),
            Happening::Answered(attempted) => self.answered(*attempted),
            Happening::Settled(settlement) => {
                self.unwritten -= 1;
                let stood = self.ledger.settle(&settlement);
                self.breaches.check(Promise::Leases, stood, || format!("the settlement of {} was refused", settlement.delivery));
            }
            Happening::GivenBack(deliveries) => {
                self.unwritten -= deliveries.len();
                self.ledger.give_back(self.node.lease.incarnation, &deliveries, self.now);
            }
            Happening::Round(nth) => self.round(nth),
            Happening::Claims(step) => self.claimed(*step),
            Happening::Dies => self.dies(),
            Happening::Starts => self.starts(),
            Happening::Expires(incarnation) => self.ledger.expire(incarnation),
        }
        self.run_started();
        if may_ring {
            self.hear_the_bell();
        }
    }

    /// The process is gone: nothing in memory is left, what is leased stays so until its lease is over.
    fn dies(&mut self) {
        self.is_up = false;
        self.life += 1;
        self.unwritten = 0;
        self.measured.forget();
        self.witnesses.iter_mut().for_each(Witness::cut_off);
        self.put(self.now + self.scenario.settings.lease, Happening::Expires(self.node.lease.incarnation));
        self.disk.forget();
    }

    fn starts(&mut self) {
        self.is_up = true;
        let incarnation = Incarnation::from_raw(u64::from(self.life));
        self.node = Node::new(incarnation, &self.scenario.settings, Arc::clone(&self.clock));
        self.claims = Claims::default();
        self.look_again_at(self.now);
    }

    fn party(&self, delivery: &countersign_core::delivery::Delivery) -> usize {
        usize::try_from(delivery.subscription.0 - self.scenario.parties[0].subscription.id.0).unwrap_or_default()
    }

    /// What an entry in memory and a lane may come to.
    fn check_memory(&mut self, lane: &Lane) {
        let settings = &self.scenario.settings;
        let view = lane.view(self.now);
        let held = view.queued + view.in_flight;
        self.breaches.check(Promise::Memory, held <= settings.lane_queue_max, || format!("a lane holds {held} deliveries"));
        // A claim is asked for with the room that there is, and brings one delivery at least.
        let bytes_max = settings.bytes_in_memory_max + EVENT_BYTES_MAX;
        let bytes = self.measured.bytes.now;
        self.breaches.check(Promise::Memory, bytes <= bytes_max, || format!("{bytes} bytes of snapshots are held"));
    }

    fn ended(mut self) -> Ended {
        let (mut waiting, mut leased) = (0, 0);
        for row in self.ledger.open() {
            match row.delivery.state {
                DeliveryState::Waiting { due_at, .. } => {
                    waiting += 1;
                    let party = &self.scenario.parties[self.party(&row.delivery)];
                    let overdue = self.now.since(due_at).as_secs();
                    let is_owed = overdue > OVERDUE_SECONDS_MAX && is_punctual(party) && self.ledger.is_free(&row.delivery);
                    self.breaches.check(Promise::NothingLost, !is_owed, || {
                        format!("{} of {} is {overdue} s overdue", row.delivery.id, row.delivery.subscription)
                    });
                }
                _ => leased += 1,
            }
        }
        let in_hand = self.measured.entries.now + self.unwritten;
        self.breaches.check(Promise::NothingLost, leased == in_hand, || format!("{leased} are leased, {in_hand} are in hand"));
        let ended = self.ledger.delivered + self.ledger.parked + waiting as u64 + leased as u64;
        self.breaches.check(Promise::NothingLost, ended == self.ledger.recorded, || {
            format!("{} were recorded, {ended} are accounted for", self.ledger.recorded)
        });
        Ended {
            measured: self.measured,
            breaches: self.breaches,
            recorded: self.ledger.recorded,
            delivered: self.ledger.delivered,
            parked: self.ledger.parked,
            waiting: waiting + leased,
            waiting_max: self.ledger.waiting_max,
        }
    }
}

/// Well, and nothing of its own delays it.
fn is_punctual(party: &Party) -> bool {
    party.temper == Temper::Well && matches!(party.class, Class::Healthy | Class::Ordered)
}

impl Happening {
    /// What may ring the bell of the claim loop, or ends a round during which it was rung.
    fn may_ring(&self) -> bool {
        matches!(self, Self::Recorded(_) | Self::Turn(..) | Self::Answered(_) | Self::Claims(_))
    }

    /// What is not the node's doing happens whatever becomes of it.
    fn outlives_the_node(&self) -> bool {
        matches!(self, Self::Arrival(_) | Self::Dies | Self::Starts | Self::Expires(_))
    }
}
