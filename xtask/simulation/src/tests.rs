use std::{
    num::NonZeroUsize,
    sync::atomic::{AtomicU64, Ordering},
};

use super::*;
use crate::party::Class;

/// Small worlds with small bounds.
const SEEDS: u64 = 1_000;
const LISTENERS: usize = 50;
const EVENTS: u64 = 5_000;

#[test]
fn the_promises_are_kept_in_a_thousand_small_worlds() {
    let next = AtomicU64::new(1);
    let threads = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
    let broken: Vec<String> = std::thread::scope(|scope| {
        let play = || {
            let mut broken = Vec::new();
            loop {
                let seed = next.fetch_add(1, Ordering::Relaxed);
                if seed > SEEDS {
                    return broken;
                }
                let report = Report::of(seed, LISTENERS, EVENTS);
                if !report.kept() {
                    broken.push(report.text());
                }
            }
        };
        let players: Vec<_> = (0..threads).map(|_| scope.spawn(play)).collect();
        players.into_iter().flat_map(|player| player.join().expect("a world does not panic")).collect()
    });
    assert!(
        broken.is_empty(),
        "{} of {SEEDS} seeds broke a promise; the first:\n{}",
        broken.len(),
        broken[..broken.len().min(3)].join("\n\n")
    );
}

#[test]
fn a_seed_is_the_same_world_every_time() {
    let [first, second] = [(); 2].map(|()| Report::of(7, LISTENERS, EVENTS).json());
    assert_eq!(first, second);
    assert_ne!(first, Report::of(8, LISTENERS, EVENTS).json());
}

#[test]
fn the_worlds_have_everything_that_the_promises_are_about() {
    let reports: Vec<Report> = (1..=10).map(|seed| Report::of(seed, LISTENERS, EVENTS)).collect();
    for class in Class::ALL {
        // Who hangs from some time on was well before.
        let served = |report: &Report| report.served.iter().any(|served| served.class == class && served.count > 0);
        assert!(reports.iter().any(served), "nobody {} was served", class.word());
    }
    let some = |what: fn(&Report) -> bool| reports.iter().any(what);
    assert!(some(|report| report.parked > 0), "nothing was given up");
    assert!(some(|report| report.waiting > 0), "nothing waits at the end");
    assert!(some(|report| report.waiting_max > 1_000), "there is no backlog");
    assert!(some(|report| report.bytes_max > 2 << 20), "the smallest byte budget is never met");
    assert!(some(|report| f64::from(report.wave_height) > 50.0 * report.wave_before), "there is no wave");
}
