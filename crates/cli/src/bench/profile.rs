//! Profiles: each is a value with its name, a sentence on what it does, its aims, and the function that measures.

use futures_util::future::BoxFuture;

use super::{aim::Aim, progress::Progress, reading::Reading};

/// What can be measured.
#[derive(Debug)]
pub(crate) struct Profile {
    /// Its name on the command line and in JSON.
    pub(crate) name: &'static str,
    /// A sentence on what it does.
    pub(crate) about: &'static str,
    /// Rounds of which the medians count, unless another number is asked for: 5, and 1 where a round takes minutes.
    pub(crate) rounds: usize,
    /// Requests at once, unless another number is asked for.
    pub(crate) in_flight: u16,
    /// What its figures are meant to reach.
    pub(crate) aims: &'static [Aim],
    /// Measures every case in every round.
    pub(crate) run: Run,
}

/// Measures every case in every round.
pub(crate) type Run = fn(Plan, Progress) -> BoxFuture<'static, anyhow::Result<Vec<Reading>>>;

/// How it is measured.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    /// Events to post and count in each round; each case has its own number where none is given.
    pub(crate) events: Option<u64>,
    /// Attempts stored before a round of `history`.
    pub(crate) attempts: u64,
    /// Size of the events' data, in bytes; each case has its own where none is given.
    pub(crate) bytes: Option<usize>,
    /// Requests at once.
    pub(crate) in_flight: usize,
    /// Rounds of which the medians count.
    pub(crate) rounds: usize,
}

impl Plan {
    /// Events of a case that takes `default` of them.
    pub(crate) fn events_or(&self, default: u64) -> u64 {
        self.events.unwrap_or(default)
    }

    /// Bytes of a case whose events have `default` of them.
    pub(crate) fn bytes_or(&self, default: usize) -> usize {
        self.bytes.unwrap_or(default)
    }
}
