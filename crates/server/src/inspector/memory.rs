//! What arrived, kept in memory within bounds.
//!
//! A bin keeps so many arrivals and so many bytes; the oldest goes first. All bins together keep so many bytes; then the oldest arrival of
//! the bin that takes the most goes, so that a bin that is flooded costs the others nothing.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use countersign_core::{Timestamp, id::ArrivalId};
use tokio::sync::broadcast;

use super::{arrival::Arrival, bin::BinId, pace::Pace, shown};

/// Bytes that one bin keeps.
pub const BIN_BYTES_MAX: usize = 16 << 20;
/// Bytes that all bins keep.
pub const BYTES_MAX: usize = 64 << 20;
/// Bins that are remembered at all; the least recently used one with its arrivals goes first.
const BINS_MAX: usize = 10_000;
/// Requests of one bin a second, and how many may come at once.
const PER_SECOND: u32 = 20;
/// See [`PER_SECOND`].
const BURST: u32 = 100;
/// Lines that a live stream may lag behind before some are left out.
const LIVE_LINES_MAX: usize = 256;

/// What arrived at all bins of this process.
#[derive(Debug, Default)]
pub struct Memory(Mutex<Shelves>);

#[derive(Debug, Default)]
struct Shelves {
    bins: HashMap<BinId, Shelf>,
    bytes: usize,
    uses: u64,
    bytes_max: Option<usize>,
}

#[derive(Debug)]
struct Shelf {
    arrivals: VecDeque<Arc<Arrival>>,
    bytes: usize,
    /// Came and went because there was no room.
    dropped: u64,
    turned_away: u64,
    pace: Pace,
    live: Option<broadcast::Sender<Line>>,
    used: u64,
}

/// One line of a live stream. Small: what waits in streams is not counted.
#[derive(Clone, Debug)]
pub struct Line {
    /// Of which arrival.
    pub id: ArrivalId,
    /// The arrival as it stands in lists (JSON).
    pub text: Arc<str>,
}

/// How a bin stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Figures {
    /// Arrivals kept.
    pub arrivals: usize,
    /// Bytes they take.
    pub bytes: usize,
    /// Arrivals that are gone because there was no room for them any more.
    pub dropped: u64,
    /// Requests that were too many and are not kept at all.
    pub turned_away: u64,
}

impl Memory {
    /// With another bound over all bins.
    #[must_use]
    pub fn with_bytes_max(bytes_max: usize) -> Self {
        Self(Mutex::new(Shelves { bytes_max: Some(bytes_max), ..Shelves::default() }))
    }

    /// Whether the bin takes one more request now; one that it does not take is counted.
    pub fn admit(&self, bin: &BinId, now: Timestamp) -> bool {
        let mut shelves = self.lock();
        let shelf = shelves.shelf(bin, now);
        let admitted = shelf.pace.take(now);
        if !admitted {
            shelf.turned_away += 1;
        }
        admitted
    }

    /// Counts a request that was turned away for want of a place.
    pub fn count_turned_away(&self, bin: &BinId, now: Timestamp) {
        self.lock().shelf(bin, now).turned_away += 1;
    }

    /// Keeps an arrival, and as many others of its bin as `keep` says. Its id is made here, so that lists and streams see the ids rise
    /// although requests overtake each other on the way here.
    pub fn keep(&self, bin: &BinId, mut arrival: Arrival, keep: u32, id: impl FnOnce() -> ArrivalId) {
        let cost = arrival.cost();
        let mut shelves = self.lock();
        arrival.id = id();
        let shelf = shelves.shelf(bin, arrival.at);
        if let Some(live) = &shelf.live {
            // Nobody listens: nobody misses it.
            let _ = live.send(Line { id: arrival.id, text: shown::summary(&arrival).to_string().into() });
        }
        shelf.arrivals.push_back(Arc::new(arrival));
        shelf.bytes += cost;
        shelves.bytes += cost;
        while shelves.bins.get(bin).is_some_and(|shelf| shelf.arrivals.len() > keep as usize || shelf.bytes > BIN_BYTES_MAX) {
            shelves.drop_oldest(bin);
        }
        let bytes_max = shelves.bytes_max.unwrap_or(BYTES_MAX);
        while shelves.bytes > bytes_max {
            let Some(largest) = shelves.bins.iter().max_by_key(|(_, shelf)| shelf.bytes).map(|(id, _)| id.clone()) else { break };
            shelves.drop_oldest(&largest);
        }
    }

    /// The arrivals of a bin from the newest on, at most `limit` of those older than `before`.
    #[must_use]
    pub fn newest(&self, bin: &BinId, before: Option<ArrivalId>, limit: usize) -> Vec<Arc<Arrival>> {
        let shelves = self.lock();
        let Some(shelf) = shelves.bins.get(bin) else { return Vec::new() };
        shelf.arrivals.iter().rev().filter(|arrival| before.is_none_or(|before| arrival.id < before)).take(limit).cloned().collect()
    }

    /// One arrival.
    #[must_use]
    pub fn find(&self, bin: &BinId, id: ArrivalId) -> Option<Arc<Arrival>> {
        self.lock().bins.get(bin)?.arrivals.iter().find(|arrival| arrival.id == id).cloned()
    }

    /// What is kept and newer than `after` (nothing when it is `None`), and what comes from now on, without a gap between the two.
    pub fn follow(&self, bin: &BinId, after: Option<ArrivalId>, now: Timestamp) -> (Vec<Line>, broadcast::Receiver<Line>) {
        let mut shelves = self.lock();
        let shelf = shelves.shelf(bin, now);
        let live = shelf.live.get_or_insert_with(|| broadcast::channel(LIVE_LINES_MAX).0).subscribe();
        let missed = after.map_or_else(Vec::new, |after| {
            let newer = shelf.arrivals.iter().filter(|arrival| arrival.id > after);
            newer.map(|arrival| Line { id: arrival.id, text: shown::summary(arrival).to_string().into() }).collect()
        });
        (missed, live)
    }

    /// Forgets one arrival; false when there is none of that id.
    pub fn forget(&self, bin: &BinId, id: ArrivalId) -> bool {
        let mut shelves = self.lock();
        let Some(shelf) = shelves.bins.get_mut(bin) else { return false };
        let Some(at) = shelf.arrivals.iter().position(|arrival| arrival.id == id) else { return false };
        let cost = shelf.arrivals.remove(at).map_or(0, |arrival| arrival.cost());
        shelf.bytes -= cost;
        shelves.bytes -= cost;
        true
    }

    /// Forgets all arrivals of a bin.
    pub fn clear(&self, bin: &BinId) {
        let mut shelves = self.lock();
        let Some(shelf) = shelves.bins.get_mut(bin) else { return };
        let bytes = std::mem::take(&mut shelf.bytes);
        shelf.arrivals.clear();
        shelves.bytes -= bytes;
    }

    /// Forgets a bin that is no more. Its live streams end.
    pub fn forget_bin(&self, bin: &BinId) {
        let mut shelves = self.lock();
        if let Some(shelf) = shelves.bins.remove(bin) {
            shelves.bytes -= shelf.bytes;
        }
    }

    /// How a bin stands.
    #[must_use]
    pub fn figures(&self, bin: &BinId) -> Figures {
        self.lock().bins.get(bin).map_or_else(Figures::default, |shelf| Figures {
            arrivals: shelf.arrivals.len(),
            bytes: shelf.bytes,
            dropped: shelf.dropped,
            turned_away: shelf.turned_away,
        })
    }

    /// The bytes that all bins keep.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.lock().bytes
    }

    fn lock(&self) -> MutexGuard<'_, Shelves> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shelves {
    fn shelf(&mut self, bin: &BinId, now: Timestamp) -> &mut Shelf {
        self.uses += 1;
        let uses = self.uses;
        if !self.bins.contains_key(bin) && self.bins.len() >= BINS_MAX {
            let oldest = self.bins.iter().min_by_key(|(_, shelf)| shelf.used).map(|(id, _)| id.clone());
            if let Some(shelf) = oldest.and_then(|oldest| self.bins.remove(&oldest)) {
                self.bytes -= shelf.bytes;
            }
        }
        let shelf = self.bins.entry(bin.clone()).or_insert_with(|| Shelf {
            arrivals: VecDeque::new(),
            bytes: 0,
            dropped: 0,
            turned_away: 0,
            pace: Pace::new(PER_SECOND, BURST, now),
            live: None,
            used: uses,
        });
        shelf.used = uses;
        shelf
    }

    fn drop_oldest(&mut self, bin: &BinId) {
        let Some(shelf) = self.bins.get_mut(bin) else { return };
        if let Some(arrival) = shelf.arrivals.pop_front() {
            shelf.bytes -= arrival.cost();
            shelf.dropped += 1;
            self.bytes -= arrival.cost();
        }
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn arrival(bytes: usize) -> Arrival {
        let (head, ()) = http::Request::post("/i/x").body(()).unwrap().into_parts();
        Arrival::new(Timestamp::from_millis(0), &head, &vec![b'a'; bytes], true)
    }

    #[derive(Clone, Debug)]
    enum Step {
        Keep { bin: usize, bytes: usize, keep: u32 },
        Forget { bin: usize, nth: usize },
        Clear { bin: usize },
        ForgetBin { bin: usize },
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            8 => (0..4_usize, 0..40_000_usize, 1..6_u32).prop_map(|(bin, bytes, keep)| Step::Keep { bin, bytes, keep }),
            2 => (0..4_usize, 0..6_usize).prop_map(|(bin, nth)| Step::Forget { bin, nth }),
            1 => (0..4_usize).prop_map(|bin| Step::Clear { bin }),
            1 => (0..4_usize).prop_map(|bin| Step::ForgetBin { bin }),
        ]
    }

    proptest! {
        #[test]
        fn whatever_happens_the_bytes_are_counted_right_and_bounded(steps in prop::collection::vec(step(), 1..60)) {
            const MAX: usize = 100_000;
            let memory = Memory::with_bytes_max(MAX);
            let bins: Vec<BinId> = (0..4).map(|n| format!("bin_{n:040x}").parse().unwrap()).collect();
            let mut ids = 0;
            for step in steps {
                match step {
                    Step::Keep { bin, bytes, keep } => {
                        ids += 1;
                        memory.keep(&bins[bin], arrival(bytes), keep, || ArrivalId::from_raw(ids));
                        let figures = memory.figures(&bins[bin]);
                        prop_assert!(figures.arrivals <= keep as usize, "{figures:?}");
                    }
                    Step::Forget { bin, nth } => {
                        if let Some(arrival) = memory.newest(&bins[bin], None, 10).get(nth) {
                            prop_assert!(memory.forget(&bins[bin], arrival.id));
                            prop_assert!(!memory.forget(&bins[bin], arrival.id));
                        }
                    }
                    Step::Clear { bin } => memory.clear(&bins[bin]),
                    Step::ForgetBin { bin } => memory.forget_bin(&bins[bin]),
                }
                let kept: usize = bins.iter().flat_map(|bin| memory.newest(bin, None, 1_000)).map(|arrival| arrival.cost()).sum();
                prop_assert_eq!(memory.bytes(), kept);
                prop_assert_eq!(memory.bytes(), bins.iter().map(|bin| memory.figures(bin).bytes).sum::<usize>());
                prop_assert!(memory.bytes() <= MAX);
                for bin in &bins {
                    let ids: Vec<ArrivalId> = memory.newest(bin, None, 1_000).iter().map(|arrival| arrival.id).collect();
                    prop_assert!(ids.is_sorted_by(|newer, older| newer > older));
                }
            }
        }
    }

    #[test]
    fn a_flooded_bin_costs_the_others_nothing() {
        let memory = Memory::with_bytes_max(200_000);
        let (quiet, flooded): (BinId, BinId) = (format!("bin_{:040x}", 1).parse().unwrap(), format!("bin_{:040x}", 2).parse().unwrap());
        memory.keep(&quiet, arrival(10), 100, || ArrivalId::from_raw(1));
        for n in 0..1_000 {
            memory.keep(&flooded, arrival(20_000), 100, || ArrivalId::from_raw(2 + n));
        }
        assert_eq!((memory.figures(&quiet).arrivals, memory.figures(&quiet).dropped), (1, 0));
        assert_eq!(memory.newest(&flooded, None, 1)[0].id, ArrivalId::from_raw(1_001), "the newest are kept");
    }
}
