//! What came of a seed: figures, and which promises were kept.

use std::time::Duration;

use serde_json::{Value, json};

use crate::{
    party::Class,
    promises::{Breaches, Promise},
    scenario::Scenario,
    world::{Company, Ended, World},
};

/// How much more the healthy listeners' p99 may be than without the bad ones: a quarter with the bounds of a server as installed. Twice
/// where memory is scarce on purpose: then a bulk send to a healthy listener is as fast as its share of the bytes lets it be, and that
/// is smaller when others have theirs.
const P99_TIMES_MAX: f64 = 1.25;
/// See [`P99_TIMES_MAX`].
const P99_TIMES_MAX_WHERE_SCARCE: f64 = 2.0;
/// And what a round of claims or two takes.
const P99_MORE_MAX: Duration = Duration::from_millis(20);
/// Fewer deliveries than this have no 99th part.
const P99_COUNT_MIN: usize = 500;

/// Of one class: how many were accepted, p50 and p99 from the event to the accepted answer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Served {
    pub(crate) class: Class,
    pub(crate) count: usize,
    pub(crate) p50: Duration,
    pub(crate) p99: Duration,
}

/// What came of a seed.
#[derive(Debug)]
pub(crate) struct Report {
    pub(crate) seed: u64,
    pub(crate) listeners: usize,
    pub(crate) events: u64,
    pub(crate) served: Vec<Served>,
    /// The healthy ones in a world without the bad ones.
    pub(crate) alone_p99: Duration,
    /// The healthy ones while the backlog of the outage is drained, with and without the others.
    pub(crate) wave_p99: [Duration; 2],
    pub(crate) recorded: u64,
    pub(crate) delivered: u64,
    pub(crate) parked: u64,
    pub(crate) waiting: usize,
    pub(crate) waiting_max: usize,
    /// The most that was in memory, and in flight.
    pub(crate) entries_max: usize,
    pub(crate) bytes_max: usize,
    pub(crate) in_flight_max: usize,
    /// For those that were away: events a second before, the most attempts in one second after, and the times until half and 99 % of
    /// what had waited was accepted.
    pub(crate) wave_before: f64,
    pub(crate) wave_height: u32,
    pub(crate) drained: [Duration; 2],
    pub(crate) breaches: Breaches,
}

impl Report {
    /// Plays a seed twice: with everybody, and with the well ones alone.
    pub(crate) fn of(seed: u64, listeners: usize, events: u64) -> Self {
        let scenario = Scenario::new(seed, listeners, events);
        let mut alone = World::run(&scenario, Company::Well).measured;
        let ended = World::run(&scenario, Company::All);
        let Ended { mut measured, mut breaches, .. } = ended;
        let served = Class::ALL.map(|class| {
            let times = measured.times(class);
            Served { class, count: times.count(), p50: times.quantile(0.5), p99: times.quantile(0.99) }
        });
        let alone_p99 = alone.times(Class::Healthy).quantile(0.99);
        let healthy = served[0];
        let times_max = if scenario.is_large() { P99_TIMES_MAX } else { P99_TIMES_MAX_WHERE_SCARCE };
        let hardly_more = |with: Duration, without: Duration| with <= without.mul_f64(times_max) + P99_MORE_MAX;
        let enough = healthy.count >= P99_COUNT_MIN;
        breaches.check(Promise::Isolation, !enough || hardly_more(healthy.p99, alone_p99), || {
            format!("p99 {:?} with the others, {alone_p99:?} without", healthy.p99)
        });
        let wave_p99 = [&mut measured, &mut alone].map(|measured| measured.healthy_in_the_wave.quantile(0.99));
        let enough = measured.healthy_in_the_wave.count() >= P99_COUNT_MIN;
        breaches.check(Promise::Wave, !enough || hardly_more(wave_p99[0], wave_p99[1]), || {
            format!("p99 of the healthy ones {:?} during the wave, {:?} without the others", wave_p99[0], wave_p99[1])
        });
        let (wave_before, wave_height) = measured.wave(&scenario);
        Self {
            seed,
            listeners,
            events,
            served: served.to_vec(),
            alone_p99,
            wave_p99,
            recorded: ended.recorded,
            delivered: ended.delivered,
            parked: ended.parked,
            waiting: ended.waiting,
            waiting_max: ended.waiting_max,
            entries_max: measured.entries.most,
            bytes_max: measured.bytes.most,
            in_flight_max: measured.in_flight.most,
            wave_before,
            wave_height,
            drained: [measured.drained.quantile(0.5), measured.drained.quantile(0.99)],
            breaches,
        }
    }

    pub(crate) fn kept(&self) -> bool {
        self.breaches.are_none()
    }

    /// What repeats it.
    pub(crate) fn command(&self) -> String {
        format!("cargo xtask simulate --seed {} --listeners {} --events {}", self.seed, self.listeners, self.events)
    }

    /// For people.
    pub(crate) fn text(&self) -> String {
        let mut lines = vec![format!("seed {}: {} listeners, {} events", self.seed, self.listeners, self.events)];
        for Served { class, count, p50, p99 } in &self.served {
            lines.push(format!("  {:8} {count:>9} accepted, p50 {}, p99 {}", class.word(), shown(*p50), shown(*p99)));
        }
        let healthy = self.served[0];
        lines.push(format!(
            "  healthy p99: {} with everybody, {} alone; while the backlog drains {}, {} alone",
            shown(healthy.p99),
            shown(self.alone_p99),
            shown(self.wave_p99[0]),
            shown(self.wave_p99[1])
        ));
        lines.push(format!(
            "  memory: at most {} deliveries with {} KiB, {} in flight; at most {} waited in the store",
            self.entries_max,
            self.bytes_max / 1_024,
            self.in_flight_max,
            self.waiting_max
        ));
        lines.push(format!(
            "  wave: {:.1} events a second for those that were away, at most {} attempts in a second afterwards; half of what waited was \
             accepted after {}, 99 % after {}",
            self.wave_before,
            self.wave_height,
            shown(self.drained[0]),
            shown(self.drained[1])
        ));
        lines.push(format!(
            "  {} deliveries: {} delivered, {} given up by their schedule, {} waiting",
            self.recorded, self.delivered, self.parked, self.waiting
        ));
        for promise in Promise::ALL {
            let mut breaches = self.breaches.of(promise).peekable();
            lines.push(format!("  {}  {}", if breaches.peek().is_none() { "kept  " } else { "BROKEN" }, promise.sentence()));
            lines.extend(breaches.map(|how| format!("            {how}")));
        }
        if !self.kept() {
            lines.push(format!("  repeat it: {}", self.command()));
        }
        lines.join("\n")
    }

    /// For programs. Times are in milliseconds.
    pub(crate) fn json(&self) -> Value {
        let ms = |time: Duration| time.as_secs_f64() * 1_000.0;
        let classes: serde_json::Map<String, Value> = self
            .served
            .iter()
            .map(|served| {
                (served.class.word().to_owned(), json!({ "accepted": served.count, "p50Ms": ms(served.p50), "p99Ms": ms(served.p99) }))
            })
            .collect();
        let promises: serde_json::Map<String, Value> = Promise::ALL
            .into_iter()
            .map(|promise| {
                let breaches: Vec<&str> = self.breaches.of(promise).collect();
                (promise.word().to_owned(), json!({ "kept": breaches.is_empty(), "says": promise.sentence(), "breaches": breaches }))
            })
            .collect();
        json!({
            "seed": self.seed, "listeners": self.listeners, "events": self.events, "kept": self.kept(), "repeat": self.command(),
            "classes": classes,
            "healthyAloneP99Ms": ms(self.alone_p99),
            "healthyP99InWaveMs": ms(self.wave_p99[0]), "healthyAloneP99InWaveMs": ms(self.wave_p99[1]),
            "deliveries": { "recorded": self.recorded, "delivered": self.delivered, "parked": self.parked, "waiting": self.waiting },
            "memory": { "deliveriesMax": self.entries_max, "snapshotBytesMax": self.bytes_max, "inFlightMax": self.in_flight_max },
            "waitingInStoreMax": self.waiting_max,
            "wave": {
                "eventsPerSecondBefore": self.wave_before, "attemptsPerSecondMax": self.wave_height,
                "drainedHalfMs": ms(self.drained[0]), "drained99Ms": ms(self.drained[1]),
            },
            "promises": promises,
        })
    }
}

fn shown(time: Duration) -> String {
    match time.as_millis() {
        0..10_000 => format!("{:.1} ms", time.as_secs_f64() * 1_000.0),
        10_000..600_000 => format!("{:.0} s", time.as_secs_f64()),
        _ => format!("{:.0} min", time.as_secs_f64() / 60.0),
    }
}
