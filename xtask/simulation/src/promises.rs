//! What is promised, and whether it was kept. A breach is written down where it is seen; the first few are kept in words.

use std::fmt;

/// Breaches kept in words, of each promise.
const SHOWN_MAX: usize = 5;

/// A promise of the worker.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Promise {
    NothingLost,
    Isolation,
    Limits,
    Memory,
    Wave,
    Order,
    Leases,
}

impl Promise {
    pub(crate) const ALL: [Self; 7] =
        [Self::NothingLost, Self::Isolation, Self::Limits, Self::Memory, Self::Wave, Self::Order, Self::Leases];

    /// In one word, for programs.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::NothingLost => "nothing-lost",
            Self::Isolation => "isolation",
            Self::Limits => "limits",
            Self::Memory => "memory",
            Self::Wave => "wave",
            Self::Order => "order",
            Self::Leases => "leases",
        }
    }

    /// In one sentence, for people.
    pub(crate) fn sentence(self) -> &'static str {
        match self {
            Self::NothingLost => {
                "every recorded delivery ends delivered, given up after its whole schedule, or waiting with a due time; none that is due \
                 to a healthy listener is left lying"
            }
            Self::Isolation => {
                "the healthy listeners' p99 is at most a quarter more (twice where memory is scarce on purpose) than in the same world without \
                 the hanging, slow and dead ones, but for 20 ms"
            }
            Self::Limits => "no listener has more requests in flight, or gets more in any second, than its limits allow",
            Self::Memory => "what is held in memory is bounded by the settings for lanes and bytes, however much waits",
            Self::Wave => "after the outage each listener gets its backlog within its limits, and the healthy ones are as fast as before",
            Self::Order => "where order is asked for, the deliveries of an envelope go out one at a time and none after a later one",
            Self::Leases => "no delivery is in two hands at once, and none is delivered twice unless a process died with it",
        }
    }
}

/// What was seen of all promises.
#[derive(Debug, Default)]
pub(crate) struct Breaches {
    seen: Vec<(Promise, String)>,
    count: usize,
}

impl Breaches {
    pub(crate) fn broken(&mut self, promise: Promise, how: impl fmt::Display) {
        self.count += 1;
        if self.of(promise).count() < SHOWN_MAX {
            self.seen.push((promise, how.to_string()));
        }
    }

    /// Breaks it unless `kept`.
    pub(crate) fn check(&mut self, promise: Promise, kept: bool, how: impl FnOnce() -> String) {
        if !kept {
            self.broken(promise, how());
        }
    }

    pub(crate) fn of(&self, promise: Promise) -> impl Iterator<Item = &str> {
        self.seen.iter().filter(move |(broken, _)| *broken == promise).map(|(_, how)| how.as_str())
    }

    pub(crate) fn are_none(&self) -> bool {
        self.count == 0
    }
}
