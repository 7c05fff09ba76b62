//! Aims: what a figure of a case is meant to reach, and whether it does.

use serde_json::{Value, json};

use super::figure::Figure;

/// What one figure of one case is meant to reach.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Aim {
    /// The case; every case of the profile when empty.
    pub(crate) case: &'static str,
    /// The figure.
    pub(crate) figure: &'static Figure,
    /// Its bound.
    pub(crate) bound: Bound,
}

/// The side on which a figure is meant to be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Bound {
    /// This or more.
    AtLeast(f64),
    /// This or less.
    AtMost(f64),
}

impl Aim {
    /// For every case of a profile.
    pub(crate) const fn of_all(figure: &'static Figure, bound: Bound) -> Self {
        Self { case: "", figure, bound }
    }

    /// For one case of a profile.
    pub(crate) const fn of(case: &'static str, figure: &'static Figure, bound: Bound) -> Self {
        Self { case, figure, bound }
    }

    /// Whether it is about this figure of this case.
    pub(crate) fn is_about(&self, case: &str, figure: &Figure) -> bool {
        (self.case.is_empty() || self.case == case) && self.figure.key == figure.key
    }

    /// Whether a value reaches it; `None` where there is none to judge: what is no number, and no cost at all, which only means that the
    /// run was too short for its clock (the system counts processor time in steps of 10 ms).
    pub(crate) fn holds(&self, value: f64) -> Option<bool> {
        let measurable = value.is_finite() && !(value == 0.0 && matches!(self.bound, Bound::AtMost(_)));
        measurable.then(|| self.bound.holds(value))
    }

    /// For people.
    pub(crate) fn words(&self) -> String {
        let (side, bound) = match self.bound {
            Bound::AtLeast(bound) => ("at least", bound),
            Bound::AtMost(bound) => ("at most", bound),
        };
        format!("{side} {} {}", trimmed(&self.figure.unit.digits(bound)), self.figure.unit.sign()).trim_end().to_owned()
    }

    /// For programs.
    pub(crate) fn as_json(&self, value: f64) -> Value {
        let (side, bound) = match self.bound {
            Bound::AtLeast(bound) => ("at_least", bound),
            Bound::AtMost(bound) => ("at_most", bound),
        };
        json!({"figure": self.figure.key, side: bound, "value": value, "holds": self.holds(value)})
    }
}

impl Bound {
    /// Whether a value is on the right side.
    fn holds(self, value: f64) -> bool {
        match self {
            Self::AtLeast(bound) => value >= bound,
            Self::AtMost(bound) => value <= bound,
        }
    }

    /// The bound itself.
    pub(crate) fn value(self) -> f64 {
        match self {
            Self::AtLeast(bound) | Self::AtMost(bound) => bound,
        }
    }
}

/// Without the zeros that say nothing: an aim is a round number.
fn trimmed(digits: &str) -> &str {
    if digits.contains('.') { digits.trim_end_matches('0').trim_end_matches('.') } else { digits }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::figure;

    #[test]
    fn an_aim_says_its_side_and_its_unit() {
        let aim = |figure, bound| Aim::of_all(figure, bound).words();
        assert_eq!(aim(&figure::RATE_OF_BARE, Bound::AtLeast(0.25)), "at least 25 %");
        assert_eq!(aim(&figure::CPU_OF_BARE, Bound::AtMost(2.2)), "at most 2.2 times");
        assert_eq!(aim(&figure::PEAK_MEMORY, Bound::AtMost(150e6)), "at most 150 MB");
        assert_eq!(aim(&figure::COMMITS_PER_EVENT, Bound::AtMost(0.1)), "at most 0.1");
        assert_eq!(aim(&figure::DISK_PER_EVENT, Bound::AtMost(3_500.0)), "at most 3500 bytes");
    }

    #[test]
    fn only_what_was_measured_is_judged() {
        for (bound, value, holds) in [
            (Bound::AtLeast(0.25), 0.25, Some(true)),
            (Bound::AtLeast(0.25), 0.24, Some(false)),
            (Bound::AtLeast(0.25), 0.0, Some(false)),
            (Bound::AtLeast(0.25), f64::NAN, None),
            (Bound::AtLeast(0.25), f64::INFINITY, None),
            (Bound::AtMost(4.0), 4.0, Some(true)),
            (Bound::AtMost(4.0), 4.01, Some(false)),
            (Bound::AtMost(4.0), 0.0, None),
            (Bound::AtMost(4.0), f64::NAN, None),
        ] {
            assert_eq!(Aim::of_all(&figure::CPU_OF_BARE, bound).holds(value), holds, "{bound:?} of {value}");
        }
    }
}
