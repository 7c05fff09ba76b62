//! What was measured, for people and for programs.

use serde_json::{Map, Value, json};

use super::{
    aim::Aim,
    figure::Figure,
    profile::Profile,
    reading::{Case, Reading},
};
use crate::output::{Paint, Tone};

/// Width of a figure's words.
const WORDS_WIDTH: usize = 40;
/// Width of its digits.
const DIGITS_WIDTH: usize = 10;
/// Width of its unit.
const UNIT_WIDTH: usize = 12;

/// A profile that was run.
pub(crate) struct Report {
    profile: &'static Profile,
    cases: Vec<Case>,
}

/// A figure of a case with its aim, if it has one.
pub(crate) struct Judged<'a> {
    /// The case.
    pub(crate) case: &'a Case,
    /// The figure.
    pub(crate) figure: &'static Figure,
    /// Its median.
    pub(crate) value: f64,
    /// What it is meant to reach.
    pub(crate) aim: Option<&'static Aim>,
}

impl Report {
    /// Of a profile's readings.
    pub(crate) fn of(profile: &'static Profile, readings: &[Reading]) -> Self {
        Self { profile, cases: Case::all_of(readings) }
    }

    /// The profile.
    pub(crate) fn profile(&self) -> &'static Profile {
        self.profile
    }

    /// Every figure of every case.
    pub(crate) fn judged(&self) -> impl Iterator<Item = Judged<'_>> {
        self.cases.iter().flat_map(|case| self.judged_of(case))
    }

    fn judged_of<'a>(&self, case: &'a Case) -> impl Iterator<Item = Judged<'a>> + use<'a> {
        let aims = self.profile.aims;
        case.figures.iter().map(move |(figure, _)| Judged {
            case,
            figure,
            value: case.median(figure).unwrap_or(f64::NAN),
            aim: aims.iter().find(|aim| aim.is_about(&case.name, figure)),
        })
    }

    /// For people: a block for each case.
    pub(crate) fn text(&self, paint: Paint) -> String {
        let mut text = String::new();
        for case in &self.cases {
            let rounds = case.rounds();
            let median = if rounds > 1 { format!("; medians of {rounds}") } else { String::new() };
            text.push_str(&paint.paint(Tone::Strong, &format!("{}, {}", self.profile.name, case.name)));
            text.push_str(&format!(": {}{median}\n", case.what));
            for judged in self.judged_of(case) {
                let (words, unit) = (judged.figure.words, judged.figure.unit);
                let digits = unit.digits(judged.value);
                let line = format!("  {words:<WORDS_WIDTH$}{digits:>DIGITS_WIDTH$} {:<UNIT_WIDTH$}", unit.sign());
                let line = match judged.aim {
                    None => line.trim_end().to_owned(),
                    Some(aim) => format!("{line} {}", verdict(aim, judged.value, paint)),
                };
                text.push_str(&line);
                text.push('\n');
            }
        }
        text
    }

    /// For programs: an object for each case, with every figure under its key, every round, and every aim.
    pub(crate) fn json(&self) -> Vec<Value> {
        self.cases.iter().map(|case| self.case_json(case)).collect()
    }

    fn case_json(&self, case: &Case) -> Value {
        let mut object = Map::new();
        object.insert("profile".to_owned(), self.profile.name.into());
        object.insert("case".to_owned(), case.name.as_str().into());
        object.insert("what".to_owned(), case.what.as_str().into());
        for judged in self.judged_of(case) {
            object.insert(judged.figure.key.to_owned(), json!(judged.value));
        }
        let aims: Vec<Value> = self.judged_of(case).filter_map(|judged| judged.aim.map(|aim| aim.as_json(judged.value))).collect();
        object.insert("aims".to_owned(), aims.into());
        let rounds: Map<String, Value> = case.figures.iter().map(|(figure, values)| (figure.key.to_owned(), json!(values))).collect();
        object.insert("rounds".to_owned(), rounds.into());
        Value::Object(object)
    }
}

fn verdict(aim: &Aim, value: f64, paint: Paint) -> String {
    let (tone, word) = match aim.holds(value) {
        Some(true) => (Tone::Good, "holds"),
        Some(false) => (Tone::Bad, "missed"),
        None => (Tone::Odd, "not measurable; take more events"),
    };
    format!("aim {}: {}", aim.words(), paint.paint(tone, word))
}

#[cfg(test)]
pub(crate) mod tests {
    use futures_util::FutureExt as _;

    use super::*;
    use crate::bench::{aim::Bound, figure};

    pub(crate) static PROFILE: Profile = Profile {
        name: "deliveries",
        about: "Some events for some subscriptions",
        rounds: 3,
        in_flight: 64,
        aims: &[
            Aim::of("fan-out 1", &figure::RATE_OF_BARE, Bound::AtLeast(0.25)),
            Aim::of("fan-out 1", &figure::CPU_OF_BARE, Bound::AtMost(4.0)),
        ],
        run: |_, _| async { Ok(Vec::new()) }.boxed(),
    };

    pub(crate) fn report() -> Report {
        let reading = |case: &str, share, times| {
            Reading::of(case, "9 events of 2048 bytes").with(&figure::RATE_OF_BARE, share).with(&figure::CPU_OF_BARE, times)
        };
        let readings = [reading("fan-out 1", 0.31, 5.0), reading("fan-out 10", 0.4, 2.0), reading("fan-out 1", 0.28, 4.5)];
        Report::of(&PROFILE, &readings)
    }

    #[test]
    fn each_figure_stands_beside_its_aim_and_says_whether_it_holds() {
        let text = report().text(Paint::off());
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "deliveries, fan-out 1: 9 events of 2048 bytes; medians of 2");
        assert!(lines[1].ends_with("31.0 %            aim at least 25 %: holds"), "{text}");
        assert!(lines[2].ends_with("5.00 times        aim at most 4 times: missed"), "{text}");
        assert_eq!(lines[3], "deliveries, fan-out 10: 9 events of 2048 bytes");
        assert!(lines[4].ends_with("40.0 %"), "without an aim there is no verdict: {text}");
    }

    #[test]
    fn programs_get_every_figure_under_its_key_with_every_round() {
        let cases = report().json();
        assert_eq!((cases.len(), &cases[0]["profile"], &cases[1]["case"]), (2, &json!("deliveries"), &json!("fan-out 10")));
        assert_eq!((&cases[0]["rate_of_bare"], &cases[0]["rounds"]["rate_of_bare"]), (&json!(0.31), &json!([0.31, 0.28])));
        let aims = json!([
            {"figure": "rate_of_bare", "at_least": 0.25, "value": 0.31, "holds": true},
            {"figure": "cpu_of_bare", "at_most": 4.0, "value": 5.0, "holds": false},
        ]);
        assert_eq!(cases[0]["aims"], aims);
        assert_eq!(cases[1]["aims"], json!([]));
    }
}
