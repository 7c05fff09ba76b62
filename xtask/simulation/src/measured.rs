//! What is measured while the world runs.

use std::{collections::HashMap, sync::Arc, time::Duration};

use countersign_core::{Timestamp, event::Event};

use crate::{party::Class, scenario::Scenario};

/// Times from the event to the accepted answer, in microseconds.
#[derive(Clone, Debug, Default)]
pub(crate) struct Times(Vec<u32>);

impl Times {
    pub(crate) fn add(&mut self, took: Duration) {
        self.0.push(u32::try_from(took.as_micros()).unwrap_or(u32::MAX));
    }

    pub(crate) fn count(&self) -> usize {
        self.0.len()
    }

    /// The value that a `share` of all does not exceed; zero when there are none.
    pub(crate) fn quantile(&mut self, share: f64) -> Duration {
        let Some(last) = self.0.len().checked_sub(1) else { return Duration::ZERO };
        let (_, value, _) = self.0.select_nth_unstable((last as f64 * share).round() as usize);
        Duration::from_micros(u64::from(*value))
    }
}

/// A number and the most it was.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Level {
    pub(crate) now: usize,
    pub(crate) most: usize,
}

impl Level {
    pub(crate) fn rises(&mut self, by: usize) {
        self.now += by;
        self.most = self.most.max(self.now);
    }

    pub(crate) fn falls(&mut self, by: usize) {
        self.now = self.now.saturating_sub(by);
    }
}

/// Everything that is measured.
#[derive(Debug, Default)]
pub(crate) struct Measured {
    /// By class, in the order of [`Class::ALL`].
    times: [Times; Class::ALL.len()],
    /// Of healthy listeners, what happened while the backlog of the others was drained.
    pub(crate) healthy_in_the_wave: Times,
    /// Of what waited for listeners that were away: from the end of the outage.
    pub(crate) drained: Times,
    /// Attempts in each second to the listeners that are away during the outage, and events for them.
    attempts: Vec<u32>,
    events: Vec<u32>,
    /// In memory: deliveries, and the bytes of their snapshots, each counted once.
    pub(crate) entries: Level,
    pub(crate) bytes: Level,
    /// How many deliveries share an event in memory, by its address.
    shared: HashMap<*const Event, u32>,
    pub(crate) in_flight: Level,
    pub(crate) rounds: u64,
}

impl Measured {
    /// A delivery is in memory from now on.
    pub(crate) fn hold(&mut self, event: &Arc<Event>) {
        self.entries.rises(1);
        let shared = self.shared.entry(Arc::as_ptr(event)).or_default();
        *shared += 1;
        if *shared == 1 {
            self.bytes.rises(event.snapshot.bytes().len());
        }
    }

    /// A delivery is not in memory any more.
    pub(crate) fn let_go(&mut self, event: &Arc<Event>) {
        self.entries.falls(1);
        let address = Arc::as_ptr(event);
        match self.shared.get_mut(&address) {
            Some(shared) if *shared > 1 => *shared -= 1,
            _ => {
                self.shared.remove(&address);
                self.bytes.falls(event.snapshot.bytes().len());
            }
        }
    }

    /// Nothing is in memory any more.
    pub(crate) fn forget(&mut self) {
        self.shared.clear();
        for level in [&mut self.entries, &mut self.bytes, &mut self.in_flight] {
            level.now = 0;
        }
    }

    pub(crate) fn times(&mut self, class: Class) -> &mut Times {
        &mut self.times[Class::ALL.iter().position(|known| *known == class).unwrap_or_default()]
    }

    pub(crate) fn attempt_of_the_away(&mut self, scenario: &Scenario, at: Timestamp) {
        count(&mut self.attempts, scenario, at);
    }

    pub(crate) fn event_for_the_away(&mut self, scenario: &Scenario, at: Timestamp) {
        count(&mut self.events, scenario, at);
    }

    /// Events a second for those that are away, on average until the end of the outage, and the most attempts in one second after it.
    pub(crate) fn wave(&self, scenario: &Scenario) -> (f64, u32) {
        let end = second(scenario, scenario.outage.to);
        let before: u32 = self.events.iter().take(end).sum();
        let height = self.attempts.iter().skip(end).copied().max().unwrap_or_default();
        (f64::from(before) / end.max(1) as f64, height)
    }
}

fn second(scenario: &Scenario, at: Timestamp) -> usize {
    usize::try_from(at.as_secs() - scenario.begins.as_secs()).unwrap_or(0)
}

fn count(seconds: &mut Vec<u32>, scenario: &Scenario, at: Timestamp) {
    let second = second(scenario, at);
    if seconds.len() <= second {
        seconds.resize(second + 1, 0);
    }
    seconds[second] += 1;
}
