//! What happens in the world, drawn from a seed before it begins: who listens, what arrives when, who is away when.
//!
//! A small world (fewer than [`LARGE`] listeners) has small bounds, drawn as well, so that they are met; a large one has those that
//! `serve` has when nothing is set.

use std::time::Duration;

use countersign_core::Timestamp;
use countersign_deliver::Settings;

use crate::{
    dice::Dice,
    party::{Party, Temper, Window},
};

/// From here on the bounds are those of a server as installed.
const LARGE: usize = 1_000;
/// When it all begins: any time will do.
const BEGINS: Timestamp = Timestamp::from_secs(1_763_800_000);
/// One in so many hangs, is slow, is away during the outage; one of each at least.
const HANGING: usize = 100;
const SLOW: usize = 20;
const DOWN: usize = 10;
/// The tail of the rates: the n-th busiest listener has `n^-TAIL` of the busiest one's share.
const TAIL: f64 = 1.1;
/// One in so many arrivals is the first of a bulk send to one listener.
const BULK_EVERY: f64 = 500.0;
const BULK_MIN: u64 = 20;
const BULK_MAX: u64 = 400;
const BULK_GAP: Duration = Duration::from_millis(2);
/// One in so many events is wanted by several.
const SHARED_EVERY: f64 = 10.0;
/// The largest event (design: limits).
pub(crate) const EVENT_BYTES_MAX: usize = 1 << 20;

/// What is simulated.
#[derive(Clone, Debug)]
pub(crate) struct Scenario {
    pub(crate) seed: u64,
    pub(crate) events: u64,
    /// The worker's.
    pub(crate) settings: Settings,
    /// What one commit of the store takes.
    pub(crate) commit: Duration,
    pub(crate) begins: Timestamp,
    /// Nothing arrives after this.
    arrivals_end: Timestamp,
    pub(crate) ends: Timestamp,
    pub(crate) outage: Window,
    /// The worker dies without a word and is started again.
    pub(crate) restart: Window,
    pub(crate) parties: Vec<Party>,
    /// Sums of the shares up to each party.
    shares: Vec<f64>,
}

impl Scenario {
    /// The one that a seed stands for.
    pub(crate) fn new(seed: u64, listeners: usize, events: u64) -> Self {
        let mut dice = Dice::of(seed, 0);
        let large = listeners >= LARGE;
        // Of a large world the outage lasts an hour; a small one runs at a fifth of that.
        let minutes = |minutes: u64| Duration::from_secs(if large { minutes * 60 } else { minutes * 12 });
        let outage = Window { from: BEGINS + minutes(10), to: BEGINS + minutes(70) };
        let arrivals_end = BEGINS + minutes(80);
        let dies = BEGINS + minutes(5) + minutes(70).mul_f64(dice.unit());
        let count = |one_in: usize| (listeners / one_in).max(1);
        let tempers = (0..count(HANGING))
            .map(|_| Temper::Hanging(BEGINS + minutes(20).mul_f64(dice.unit())))
            .collect::<Vec<_>>()
            .into_iter()
            .chain(std::iter::repeat_n(Temper::Slow, count(SLOW)))
            .chain(std::iter::repeat_n(Temper::Down, count(DOWN)))
            .chain(std::iter::repeat(Temper::Well));
        let parties: Vec<Party> = tempers.take(listeners).enumerate().map(|(nth, temper)| Party::new(nth, temper, &mut dice)).collect();
        let mut shares: Vec<f64> = (1..=listeners).map(|nth| (nth as f64).powf(-TAIL)).collect();
        dice.shuffle(&mut shares);
        let mut sum = 0.0;
        for share in &mut shares {
            sum += *share;
            *share = sum;
        }
        Self {
            seed,
            events,
            settings: if large { Settings::default() } else { small(&mut dice) },
            commit: Duration::from_micros(500 + dice.below(2_000)),
            begins: BEGINS,
            arrivals_end,
            ends: BEGINS + minutes(100),
            outage,
            restart: Window { from: dies, to: dies + Duration::from_secs(1 + dice.below(4)) },
            parties,
            shares,
        }
    }

    /// True when its bounds are those of a server as installed.
    pub(crate) fn is_large(&self) -> bool {
        self.parties.len() >= LARGE
    }

    /// What arrives, in order.
    pub(crate) fn arrivals(&self) -> Arrivals<'_> {
        let bulk = (BULK_MIN + BULK_MAX) as f64 / 2.0 / BULK_EVERY;
        let gap = self.arrivals_end.since(self.begins).mul_f64((1.0 + bulk) / self.events.max(1) as f64);
        Arrivals { scenario: self, dice: Dice::of(self.seed, 1), gap, left: self.events, at: self.begins, bulk: (0, 0) }
    }

    /// While the backlog of the outage is drained: its first twelfth afterwards.
    pub(crate) fn wave(&self) -> Window {
        Window { from: self.outage.to, to: self.outage.to + self.outage.to.since(self.outage.from) / 12 }
    }

    fn anyone(&self, dice: &mut Dice) -> usize {
        let throw = dice.unit() * self.shares.last().copied().unwrap_or_default();
        self.shares.partition_point(|upto| *upto <= throw).min(self.parties.len().saturating_sub(1))
    }
}

fn small(dice: &mut Dice) -> Settings {
    Settings {
        delivery_timeout: Duration::from_secs(dice.one_of(&[10, 30, 100])),
        lane_concurrency_max: dice.one_of(&[4, 16, 64]),
        lane_queue_max: dice.one_of(&[64, 1_024]),
        bytes_in_memory_max: dice.one_of(&[2 << 20, 8 << 20, 64 << 20]),
        ..Settings::default()
    }
}

/// An event on its way in.
#[derive(Clone, Debug)]
pub(crate) struct Arrival {
    pub(crate) at: Timestamp,
    /// Who wants it, each once.
    pub(crate) wanted_by: Vec<usize>,
    pub(crate) envelope: u64,
    pub(crate) bytes: usize,
}

/// See [`Scenario::arrivals`].
#[derive(Clone, Debug)]
pub(crate) struct Arrivals<'s> {
    scenario: &'s Scenario,
    dice: Dice,
    gap: Duration,
    left: u64,
    at: Timestamp,
    /// What is left of a bulk send, and to whom.
    bulk: (u64, usize),
}

impl Iterator for Arrivals<'_> {
    type Item = Arrival;

    fn next(&mut self) -> Option<Arrival> {
        self.left = self.left.checked_sub(1)?;
        let dice = &mut self.dice;
        let mut wanted_by = Vec::with_capacity(1);
        if self.bulk.0 > 0 {
            self.bulk.0 -= 1;
            self.at = self.at + BULK_GAP;
            wanted_by.push(self.bulk.1);
        } else {
            self.at = self.at + dice.around(self.gap);
            wanted_by.push(self.scenario.anyone(dice));
            if dice.chance(1.0 / BULK_EVERY) {
                self.bulk = (BULK_MIN + dice.below(BULK_MAX - BULK_MIN), wanted_by[0]);
            }
        }
        if dice.chance(1.0 / SHARED_EVERY) {
            for _ in 0..dice.one_of(&[1, 2, 4]) {
                let also = self.scenario.anyone(dice);
                if !wanted_by.contains(&also) {
                    wanted_by.push(also);
                }
            }
        }
        let bytes = if dice.chance(0.01) { dice.ratio(65_536.0, EVENT_BYTES_MAX as f64) } else { dice.ratio(300.0, 8_192.0) };
        // About four events for each envelope, not far from each other.
        let envelope = (self.left / 64) * 16 + dice.below(16);
        Some(Arrival { at: self.at, wanted_by, envelope, bytes: bytes as usize })
    }
}
