//! The arrivals that are kept for showing, newest first, bounded in number and bytes.

use std::collections::VecDeque;

use countersign_core::id::EventId;

use crate::listen::arrival::{Arrival, Forwarded};

/// Arrivals kept.
const ARRIVALS_MAX: usize = 1_000;
/// Bytes of bodies kept; the newest is kept whatever it has.
const BODIES_BYTES_MAX: usize = 64 << 20;
/// Attempts to forward kept of one arrival; an application that is down for days causes many.
const FORWARDS_MAX: usize = 20;

/// What is kept.
#[derive(Debug, Default)]
pub(super) struct Book {
    arrivals: VecDeque<Arrival>,
    bytes: usize,
}

impl Book {
    /// Takes one in; the oldest make room.
    pub(super) fn arrived(&mut self, arrival: Arrival) {
        self.bytes += arrival.body.len();
        self.arrivals.push_front(arrival);
        while self.arrivals.len() > ARRIVALS_MAX || (self.bytes > BODIES_BYTES_MAX && self.arrivals.len() > 1) {
            let Some(oldest) = self.arrivals.pop_back() else { break };
            self.bytes -= oldest.body.len();
        }
    }

    /// Adds an attempt of the worker to the arrival it belongs to, if that is still kept.
    pub(super) fn forwarded(&mut self, event: EventId, forwarded: Forwarded) {
        if let Some(arrival) = self.arrivals.iter_mut().find(|arrival| arrival.stored == Some(event)) {
            add(arrival, forwarded);
        }
    }

    /// Adds an attempt that a person asked for.
    pub(super) fn forwarded_again(&mut self, number: u64, forwarded: Vec<Forwarded>) {
        if let Some(arrival) = self.arrivals.iter_mut().find(|arrival| arrival.number == number) {
            forwarded.into_iter().for_each(|forwarded| add(arrival, forwarded));
        }
    }

    /// Newest first.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Arrival> {
        self.arrivals.iter()
    }

    /// One of them.
    pub(super) fn get(&self, number: u64) -> Option<&Arrival> {
        self.arrivals.iter().find(|arrival| arrival.number == number)
    }
}

fn add(arrival: &mut Arrival, forwarded: Forwarded) {
    if arrival.forwards.len() >= FORWARDS_MAX {
        arrival.forwards.remove(0);
    }
    arrival.forwards.push(forwarded);
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::listen::screen::view::tests::arrival;

    #[test]
    fn the_newest_are_kept_within_number_and_bytes() {
        let mut book = Book::default();
        (1..=1_010).for_each(|number| book.arrived(arrival(number)));
        assert_eq!((book.iter().count(), book.iter().next().map(|a| a.number), book.get(10).is_none()), (1_000, Some(1_010), true));
        for number in [2_000, 2_001] {
            book.arrived(Arrival { body: Bytes::from(vec![0; BODIES_BYTES_MAX]), ..arrival(number) });
        }
        assert_eq!(book.iter().map(|a| a.number).collect::<Vec<_>>(), [2_001]);
    }
}
