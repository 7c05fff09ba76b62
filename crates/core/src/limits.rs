//! Limits that a subscription asks for: how many attempts at once, and how many a second.
//!
//! The rate is kept by a [`Bucket`], which is one point in time. A bucket that was left alone lets a short burst through, a tenth
//! of a second's worth and at least one; after that attempts are spaced evenly. Within any second no more go out than the
//! rate and one burst. Several nodes share a limit: each takes its [`share`], rounded up, so that no node is left with nothing.

use std::{num::NonZeroU32, time::Duration};

use crate::time::Timestamp;

/// What a burst is of a second's worth, as a divisor.
const BURST_SHARE: u32 = 10;
const MICROS_PER_SECOND: u32 = 1_000_000;

/// What one subscription asks for; `None` is no limit of its own.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Limits {
    /// Attempts at once.
    pub concurrency_max: Option<NonZeroU32>,
    /// Attempts a second.
    pub rate: Option<Rate>,
}

impl Limits {
    /// True when there is any.
    #[must_use]
    pub fn are_any(&self) -> bool {
        self.concurrency_max.is_some() || self.rate.is_some()
    }

    /// What one of so many live nodes may take of them.
    #[must_use]
    pub fn shared_by(self, nodes: u32) -> Self {
        Self {
            concurrency_max: self.concurrency_max.map(|limit| share(limit, nodes)),
            rate: self.rate.map(|Rate(limit)| Rate(share(limit, nodes))),
        }
    }
}

/// One node's part of a limit that so many live nodes share, rounded up. No nodes at all counts as one: whoever asks is alive.
#[must_use]
pub fn share(limit: NonZeroU32, nodes: u32) -> NonZeroU32 {
    // A quotient that is rounded up is at least one.
    NonZeroU32::new(limit.get().div_ceil(nodes.max(1))).unwrap_or(NonZeroU32::MIN)
}

/// Attempts a second, at least one. Rates that do not divide a million are kept from below, by a microsecond for each attempt.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Rate(pub NonZeroU32);

impl Rate {
    /// The time between two attempts, in microseconds, 1 to 1,000,000.
    fn spacing_us(self) -> u64 {
        u64::from(MICROS_PER_SECOND.div_ceil(self.0.get()))
    }

    /// Attempts that may go out together.
    #[must_use]
    pub fn burst(self) -> u32 {
        (self.0.get() / BURST_SHARE).max(1)
    }
}

/// Keeps a rate (a token bucket, as the generic cell rate algorithm of ITU-T I.371 writes it: the time at which it will be full).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Bucket {
    full_at: Timestamp,
}

impl Bucket {
    /// Takes one attempt's worth.
    ///
    /// # Errors
    /// When there is none: the time at which there is, at most a second from `now`.
    pub fn take(&mut self, rate: Rate, now: Timestamp) -> Result<(), Timestamp> {
        self.full_at = self.full_at(rate, now);
        let spare = Duration::from_micros(rate.spacing_us() * u64::from(rate.burst() - 1));
        let ready_at = self.full_at.minus(spare);
        if now < ready_at {
            return Err(ready_at);
        }
        self.full_at = self.full_at + Duration::from_micros(rate.spacing_us());
        Ok(())
    }

    /// How many could be taken one after the other until `now + within`.
    #[must_use]
    pub fn yields(&self, rate: Rate, now: Timestamp, within: Duration) -> u32 {
        let capacity = Duration::from_micros(rate.spacing_us() * u64::from(rate.burst()));
        let room = (now + within + capacity).since(self.full_at(rate, now));
        u32::try_from(room.as_micros() / u128::from(rate.spacing_us())).unwrap_or(u32::MAX)
    }

    /// Not in the past, since a bucket does not overflow; and no farther ahead than an empty bucket is, so that a clock that was set
    /// back, or a rate that was raised, costs no more than the time of one burst.
    fn full_at(&self, rate: Rate, now: Timestamp) -> Timestamp {
        let empty = now + Duration::from_micros(rate.spacing_us() * u64::from(rate.burst()));
        self.full_at.clamp(now, empty)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOW: Timestamp = Timestamp::from_secs(1_763_800_000);
    const SECOND: Duration = Duration::from_secs(1);

    fn rate(per_second: u32) -> Rate {
        Rate(NonZeroU32::new(per_second).expect("not zero"))
    }

    fn after(micros: u64) -> Timestamp {
        NOW + Duration::from_micros(micros)
    }

    #[test]
    fn a_burst_goes_at_once_and_the_rest_is_spaced() {
        for (per_second, burst, spacing_us) in
            [(1, 1, 1_000_000), (3, 1, 333_334), (10, 1, 100_000), (50, 5, 20_000), (100_000, 10_000, 10)]
        {
            let (rate, mut bucket) = (rate(per_second), Bucket::default());
            assert_eq!(bucket.yields(rate, NOW, Duration::ZERO), burst, "{per_second}");
            for _ in 0..burst {
                assert_eq!(bucket.take(rate, NOW), Ok(()), "{per_second}");
            }
            for nth in 1..4 {
                let ready_at = after(nth * spacing_us);
                assert_eq!(bucket.yields(rate, after((nth - 1) * spacing_us), Duration::ZERO), 0, "{per_second}");
                assert_eq!(bucket.take(rate, after((nth - 1) * spacing_us)), Err(ready_at), "{per_second}");
                assert_eq!(bucket.take(rate, ready_at), Ok(()), "{per_second}");
            }
        }
    }

    #[test]
    fn what_is_left_alone_saves_no_more_than_a_burst() {
        let (rate, mut bucket) = (rate(50), Bucket::default());
        assert_eq!(bucket.take(rate, NOW), Ok(()));
        let late = NOW + Duration::from_secs(3_600);
        assert_eq!(bucket.yields(rate, late, Duration::ZERO), 5);
        assert_eq!(bucket.yields(rate, late, SECOND), 55);
    }

    #[test]
    fn a_clock_that_was_set_back_costs_the_time_of_one_burst() {
        let (rate, mut bucket) = (rate(2), Bucket::default());
        assert_eq!(bucket.take(rate, NOW), Ok(()));
        let earlier = NOW.minus(Duration::from_secs(3_600));
        assert_eq!(bucket.take(rate, earlier), Err(earlier + Duration::from_millis(500)));
    }

    #[test]
    fn a_limit_is_shared_out_rounded_up() {
        for (limit, nodes, part) in [(10, 1, 10), (10, 3, 4), (10, 10, 1), (10, 11, 1), (1, 1_000, 1), (10, 0, 10), (u32::MAX, 2, 1 << 31)]
        {
            let share = share(NonZeroU32::new(limit).expect("not zero"), nodes);
            assert_eq!(share.get(), part, "{limit} over {nodes}");
        }
        let limits = Limits { concurrency_max: NonZeroU32::new(9), rate: Some(rate(100)) };
        assert_eq!(limits.shared_by(2), Limits { concurrency_max: NonZeroU32::new(5), rate: Some(rate(50)) });
        assert_eq!(Limits::default().shared_by(2), Limits::default());
    }

    proptest! {
        #[test]
        fn no_second_carries_more_than_the_rate_and_one_burst(
            per_second in prop_oneof![1_u32..50, 1_u32..2_000],
            gaps_us in proptest::collection::vec(prop_oneof![0_u64..100, 0_u64..50_000, 0_u64..2_000_000], 1..400),
        ) {
            let (rate, mut bucket) = (rate(per_second), Bucket::default());
            let mut now = NOW;
            let mut taken: Vec<Timestamp> = Vec::new();
            for gap in gaps_us {
                now = now + Duration::from_micros(gap);
                let promised = bucket.yields(rate, now, Duration::ZERO);
                let mut got = 0;
                while bucket.take(rate, now).is_ok() {
                    taken.push(now);
                    got += 1;
                }
                prop_assert_eq!(got, promised);
            }
            // The one that would be too many comes a second later.
            let most = (per_second + rate.burst()) as usize;
            for window in taken.windows(most + 1) {
                prop_assert!(window[most].since(window[0]) >= SECOND, "more than {} within a second", most);
            }
        }

        #[test]
        fn who_waits_as_told_gets_one_and_never_waits_more_than_a_second(
            per_second in 1_u32..2_000, takes in 1_usize..300, jumps_us in proptest::collection::vec(-5_000_000_i64..5_000_000, 0..20),
        ) {
            let (rate, mut bucket) = (rate(per_second), Bucket::default());
            let mut now = NOW;
            for nth in 0..takes {
                if let Some(&jump) = jumps_us.get(nth) {
                    now = Timestamp::from_micros(now.as_micros() + jump);
                }
                if let Err(ready_at) = bucket.take(rate, now) {
                    prop_assert!(ready_at > now && ready_at.since(now) <= SECOND);
                    prop_assert_eq!(bucket.take(rate, ready_at), Ok(()));
                    now = ready_at;
                }
            }
        }

        #[test]
        fn shares_cover_the_limit_and_exceed_it_by_less_than_one_a_node(limit in 1_u32.., nodes in 1_u32..5_000) {
            let part = u64::from(share(NonZeroU32::new(limit).expect("not zero"), nodes).get());
            let sum = part * u64::from(nodes);
            prop_assert!(sum >= u64::from(limit) && sum < u64::from(limit) + u64::from(nodes));
        }
    }
}
