//! Answers as told, for trying out a sender: `--respond 500,200` and `--delay 2s`.

use std::{
    str::FromStr,
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use http::StatusCode;

/// Statuses in a row, at most; a longer list is a slip of the pen.
const STATUSES_MAX: usize = 1_000;

/// Statuses for one accepted message after the other; the last one repeats.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Statuses(Vec<StatusCode>);

impl FromStr for Statuses {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let read = |part: &str| part.trim().parse::<u16>().ok().filter(|status| (200..600).contains(status));
        let statuses: Option<Vec<StatusCode>> =
            text.split(',').map(|part| read(part).and_then(|status| StatusCode::from_u16(status).ok())).collect();
        statuses.filter(|list| list.len() <= STATUSES_MAX).map(Self).ok_or("write statuses from 200 to 599 like 500,200")
    }
}

/// What accepted messages are answered.
#[derive(Debug, Default)]
pub(crate) struct Script {
    statuses: Option<Statuses>,
    /// How many were answered.
    answered: AtomicUsize,
    /// How long an answer to an accepted message is held back.
    pub(crate) delay: Option<Duration>,
}

impl Script {
    /// With these statuses and this delay.
    pub(crate) fn new(statuses: Option<Statuses>, delay: Option<Duration>) -> Self {
        Self { statuses, answered: AtomicUsize::new(0), delay }
    }

    /// The status for the next accepted message; `None` when nothing was told.
    pub(crate) fn next(&self) -> Option<StatusCode> {
        let Statuses(statuses) = self.statuses.as_ref()?;
        let turn = self.answered.fetch_add(1, Ordering::Relaxed).min(statuses.len().saturating_sub(1));
        statuses.get(turn).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_status_repeats() {
        let script = Script::new(Some("500, 503,200".parse().expect("statuses")), None);
        let given: Vec<_> = (0..5).map(|_| script.next().map_or(0, |status| status.as_u16())).collect();
        assert_eq!(given, [500, 503, 200, 200, 200]);
        assert_eq!(Script::default().next(), None);
    }

    #[test]
    fn what_is_no_final_status_is_refused() {
        for text in ["", "abc", "100", "600", "200,,200", "-1"] {
            assert!(text.parse::<Statuses>().is_err(), "{text}");
        }
    }
}
