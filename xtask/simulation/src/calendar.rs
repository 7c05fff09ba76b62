//! What happens next: in order of time, and of being put down where the time is the same.

use std::{cmp::Ordering, collections::BinaryHeap};

use countersign_core::Timestamp;

#[derive(Debug)]
pub(crate) struct Calendar<T> {
    heap: BinaryHeap<Entry<T>>,
    put_down: u64,
}

#[derive(Debug)]
struct Entry<T> {
    at: Timestamp,
    nth: u64,
    what: T,
}

impl<T> Calendar<T> {
    pub(crate) fn new() -> Self {
        Self { heap: BinaryHeap::new(), put_down: 0 }
    }

    pub(crate) fn put(&mut self, at: Timestamp, what: T) {
        self.put_down += 1;
        self.heap.push(Entry { at, nth: self.put_down, what });
    }

    pub(crate) fn next(&mut self) -> Option<(Timestamp, T)> {
        self.heap.pop().map(|entry| (entry.at, entry.what))
    }
}

impl<T> Entry<T> {
    fn key(&self) -> (Timestamp, u64) {
        (self.at, self.nth)
    }
}

impl<T> PartialEq for Entry<T> {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl<T> Eq for Entry<T> {}

impl<T> PartialOrd for Entry<T> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<T> Ord for Entry<T> {
    /// The heap gives the greatest: the earliest is greatest.
    fn cmp(&self, other: &Self) -> Ordering {
        other.key().cmp(&self.key())
    }
}
