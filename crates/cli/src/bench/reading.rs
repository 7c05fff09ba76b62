//! Readings: what one round of one case measured; and cases: the medians of their rounds.

use super::figure::Figure;

/// What one round of one case measured.
#[derive(Clone, Debug)]
pub(crate) struct Reading {
    /// The case, as aims name it.
    pub(crate) case: String,
    /// What was done, for people: counts and sizes.
    pub(crate) what: String,
    /// Figures in the order in which they are shown.
    pub(crate) values: Vec<(&'static Figure, f64)>,
}

impl Reading {
    /// Without figures yet.
    pub(crate) fn of(case: impl Into<String>, what: impl Into<String>) -> Self {
        Self { case: case.into(), what: what.into(), values: Vec::new() }
    }

    /// With one figure more.
    pub(crate) fn with(mut self, figure: &'static Figure, value: f64) -> Self {
        self.values.push((figure, value));
        self
    }

    /// A figure, if it was measured.
    pub(crate) fn value(&self, figure: &Figure) -> Option<f64> {
        self.values.iter().find(|(known, _)| known.key == figure.key).map(|(_, value)| *value)
    }
}

/// A case with the readings of all its rounds.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    /// Its name.
    pub(crate) name: String,
    /// What was done.
    pub(crate) what: String,
    /// Each figure with its value in each round.
    pub(crate) figures: Vec<(&'static Figure, Vec<f64>)>,
}

impl Case {
    /// Sorts readings into cases, each in the order of its first reading.
    pub(crate) fn all_of(readings: &[Reading]) -> Vec<Self> {
        let mut cases: Vec<Self> = Vec::new();
        for reading in readings {
            let at = cases.iter().position(|case| case.name == reading.case).unwrap_or_else(|| {
                cases.push(Self { name: reading.case.clone(), what: reading.what.clone(), figures: Vec::new() });
                cases.len() - 1
            });
            for (figure, value) in &reading.values {
                let figures = &mut cases[at].figures;
                match figures.iter_mut().find(|(known, _)| known.key == figure.key) {
                    Some((_, values)) => values.push(*value),
                    None => figures.push((figure, vec![*value])),
                }
            }
        }
        cases
    }

    /// How many rounds it had.
    pub(crate) fn rounds(&self) -> usize {
        self.figures.iter().map(|(_, values)| values.len()).max().unwrap_or(0)
    }

    /// The median of a figure.
    pub(crate) fn median(&self, figure: &Figure) -> Option<f64> {
        self.figures.iter().find(|(known, _)| known.key == figure.key).map(|(_, values)| median(values))
    }
}

/// The middle one; of an even number the upper of the two in the middle. Zero when there are none.
pub(crate) fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::figure::{PEAK_MEMORY, RATE_OF_BARE};

    #[test]
    fn the_median_is_the_middle_one() {
        assert_eq!((median(&[3.0, 1.0, 2.0]), median(&[])), (2.0, 0.0));
    }

    #[test]
    fn readings_of_a_case_come_together_whatever_their_order() {
        let reading = |case: &str, rate| Reading::of(case, "").with(&RATE_OF_BARE, rate);
        let all = [reading("a", 0.1), reading("b", 0.5), reading("a", 0.3).with(&PEAK_MEMORY, 9.0), reading("a", 0.2)];
        let cases = Case::all_of(&all);
        assert_eq!(cases.iter().map(|case| case.name.as_str()).collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!((cases[0].rounds(), cases[1].rounds()), (3, 1));
        assert_eq!(cases[0].median(&RATE_OF_BARE), Some(0.2));
        assert_eq!(cases[0].median(&PEAK_MEMORY), Some(9.0));
        assert_eq!(cases[1].median(&PEAK_MEMORY), None);
        assert_eq!(all[2].value(&PEAK_MEMORY), Some(9.0));
    }
}
