//! What nodes tell each other about listeners that do not answer.
//!
//! A breaker is a node's own: it opens on what that node saw. A listener that is away is away for all, so each node tells the
//! others through the store which of its breakers opened, were opened anew, or closed. One row stands for a listener: there is
//! one as long as a breaker is open anywhere, as the last who learned something has left it. It is a hint: without it every node
//! finds out by itself, at the price of its own failures in a row.

use std::{collections::HashMap, time::Duration};

use countersign_core::{Timestamp, id::ListenerId};

/// Open breakers heard of at once, those that may be probed last first. Beyond that a node finds out by itself.
pub const OPEN_MAX: usize = 10_000;
/// An open breaker that nobody has probed for so long after it could be is forgotten: nothing was due for its listener.
pub const FORGOTTEN_AFTER: Duration = Duration::from_secs(600);

/// A breaker that is open on some node.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct OpenBreaker {
    /// Who does not answer.
    pub listener: ListenerId,
    /// When the node that opened it will probe.
    pub until: Timestamp,
    /// How long that node waited or waits before this probe; the next pause is longer.
    pub pause: Duration,
}

/// What a node has to tell.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum BreakerChange {
    /// It opened, or a probe failed and it opened anew.
    Opened(OpenBreaker),
    /// The listener has answered.
    Closed(ListenerId),
}

/// The rows of a store that one process has to itself: they stand in memory, since they need not outlive what they are about.
#[derive(Debug, Default)]
pub(crate) struct Board {
    open: HashMap<ListenerId, OpenBreaker>,
}

impl Board {
    /// Takes changes, and shows what is open.
    pub(crate) fn share(&mut self, changes: Vec<BreakerChange>, now: Timestamp) -> Vec<OpenBreaker> {
        for change in changes {
            match change {
                BreakerChange::Closed(listener) => {
                    self.open.remove(&listener);
                }
                BreakerChange::Opened(breaker) => {
                    let known = self.open.entry(breaker.listener).or_insert(breaker);
                    if breaker.until > known.until {
                        *known = breaker;
                    }
                }
            }
        }
        let forgotten = now.minus(FORGOTTEN_AFTER);
        self.open.retain(|_, breaker| breaker.until > forgotten);
        let mut open: Vec<OpenBreaker> = self.open.values().copied().collect();
        open.sort_by_key(|breaker| (std::cmp::Reverse(breaker.until), breaker.listener));
        for dropped in open.drain(OPEN_MAX.min(open.len())..) {
            self.open.remove(&dropped.listener);
        }
        open
    }
}
