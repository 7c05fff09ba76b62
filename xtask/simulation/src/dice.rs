//! Chance from a seed: the same seed, the same throws, on every run.

use std::time::Duration;

/// A row of throws (SplitMix64).
#[derive(Clone, Debug)]
pub(crate) struct Dice(u64);

impl Dice {
    /// One of many rows that a seed has; rows do not disturb each other.
    pub(crate) fn of(seed: u64, row: u64) -> Self {
        let mut dice = Self(seed);
        let start = dice.bits() ^ row.wrapping_mul(0xd605_1a5b_0b1f_9b4d);
        dice.0 = start;
        // Rows with neighbouring numbers start far apart.
        dice.0 = dice.bits();
        dice
    }

    pub(crate) fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// In `[0, 1)`.
    pub(crate) fn unit(&mut self) -> f64 {
        // 53 bits are what the fraction holds.
        (self.bits() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// In `0..end`; `end` is not 0.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        ((u128::from(self.bits()) * u128::from(end)) >> 64) as u64
    }

    pub(crate) fn chance(&mut self, of: f64) -> bool {
        self.unit() < of
    }

    pub(crate) fn one_of<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len() as u64) as usize]
    }

    /// Exponential, with this mean.
    pub(crate) fn around(&mut self, mean: Duration) -> Duration {
        mean.mul_f64(-(1.0 - self.unit()).ln())
    }

    /// Between two values, small ones as likely as large ones of the same ratio.
    pub(crate) fn ratio(&mut self, from: f64, to: f64) -> f64 {
        from * (to / from).powf(self.unit())
    }

    /// Puts things into another order.
    pub(crate) fn shuffle<T>(&mut self, things: &mut [T]) {
        for last in (1..things.len()).rev() {
            things.swap(last, self.below(last as u64 + 1) as usize);
        }
    }
}
