//! How fast one listener is spoken to: concurrency that grows on answers and shrinks on time-outs, and a breaker.
//!
//! A lane starts with one attempt at a time. Every answer allows one more, up to the limit, so that a healthy listener has
//! its full share after a handful of round trips; every time-out or lost connection halves it, so that a hanging one soon
//! holds a single attempt. After [`BREAKER_FAILURES`] attempts in a row without any answer the breaker opens: nothing is sent
//! for a pause that doubles from [`BREAKER_PAUSE_MIN`] to [`BREAKER_PAUSE_MAX`], then one attempt probes. What waits meanwhile
//! waits in the store, costs no attempt and keeps its schedule; any answer closes the breaker.
//!
//! A 5xx is an answer: the listener is there. It is slowed by the retry schedule of each delivery, not here, except
//! 502, 503 and 504, which gateways give for a listener that is not.
//!
//! Several nodes speak to one listener, and each tells the others what its breaker did ([`countersign_store::breaker`]). A node
//! that hears of an open breaker opens its own and *follows*: the one that opened it probes, and the others wait [`FOLLOWS`]
//! longer than it does, so that a listener that is away gets one probe and not one from each node. When no news has come by then
//! the other one is gone, or has nothing for the listener, and the follower probes itself. A breaker that closes anywhere
//! closes everywhere. A node that had an answer after another one's breaker opened knows better and goes on: it is the way from
//! the other node that is broken.

use std::time::Duration;

use countersign_core::{
    Timestamp,
    outcome::{FailureKind, Outcome},
};

/// Attempts in a row without an answer until the breaker opens. High enough that one bad moment of a busy listener does not stop it.
pub const BREAKER_FAILURES: u32 = 20;
/// The first pause of an open breaker.
pub const BREAKER_PAUSE_MIN: Duration = Duration::from_secs(1);
/// The longest pause of an open breaker: how late the news of a recovery can be.
pub const BREAKER_PAUSE_MAX: Duration = Duration::from_secs(30);

/// How much longer than the node that opened a breaker the others wait before they probe: as long as its news may take.
pub const FOLLOWS: Duration = Duration::from_secs(2);

/// What an attempt says about the listener.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Sign {
    /// It answered.
    Alive,
    /// It did not: time-out, no connection, an address that is refused, cut off.
    Silent,
    /// Nothing was learned: the attempt did not reach it for reasons of ours.
    Nothing,
}

impl Sign {
    /// What an outcome says about the listener.
    #[must_use]
    pub fn of(outcome: &Outcome) -> Self {
        match outcome {
            Outcome::Accepted { .. } => Self::Alive,
            Outcome::Rejected { status: 502..=504, .. } => Self::Silent,
            Outcome::Rejected { .. } => Self::Alive,
            // An address that is refused is one it cannot be reached at, until the name or the policy changes.
            Outcome::Failed(
                FailureKind::ForbiddenAddress
                | FailureKind::Dns
                | FailureKind::Connect
                | FailureKind::Tls
                | FailureKind::Timeout
                | FailureKind::Closed,
            ) => Self::Silent,
            Outcome::Failed(FailureKind::BadAnswer) => Self::Alive,
            Outcome::Failed(FailureKind::Misconfigured | FailureKind::Unrenderable) | Outcome::Held(_) | Outcome::Interrupted => {
                Self::Nothing
            }
        }
    }
}

/// The pace of one lane.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Pace {
    limit: u32,
    limit_max: u32,
    silent_in_a_row: u32,
    answered_at: Timestamp,
    breaker: Breaker,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Breaker {
    Closed,
    Open {
        until: Timestamp,
        pause: Duration,
        /// Another node opened it.
        follows: bool,
    },
    /// The pause is over and one attempt may probe.
    Probing {
        pause: Duration,
    },
}

impl Pace {
    /// A new lane: one attempt at a time, at most `limit_max` (at least 1).
    #[must_use]
    pub fn new(limit_max: u32) -> Self {
        Self { limit: 1, limit_max: limit_max.max(1), silent_in_a_row: 0, answered_at: Timestamp::default(), breaker: Breaker::Closed }
    }

    /// From now on at most so many (at least 1).
    pub fn set_limit_max(&mut self, limit_max: u32) {
        self.limit_max = limit_max.max(1);
        self.limit = self.limit.min(self.limit_max);
    }

    /// Attempts allowed at once; 0 while the breaker is open.
    #[must_use]
    pub fn limit(&self, now: Timestamp) -> u32 {
        match self.breaker {
            Breaker::Closed => self.limit,
            Breaker::Open { until, .. } if now < until => 0,
            Breaker::Open { .. } | Breaker::Probing { .. } => 1,
        }
    }

    /// True while the breaker lets everything through.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.breaker == Breaker::Closed
    }

    /// When an open breaker may be probed; `None` when it may be now.
    #[must_use]
    pub fn probe_at(&self, now: Timestamp) -> Option<Timestamp> {
        match self.breaker {
            Breaker::Open { until, .. } if now < until => Some(until),
            _ => None,
        }
    }

    /// Called when an attempt begins: an open breaker whose pause is over becomes a probing one.
    pub fn begin(&mut self, now: Timestamp) {
        if let Breaker::Open { until, pause, .. } = self.breaker
            && now >= until
        {
            self.breaker = Breaker::Probing { pause };
        }
    }

    /// Until when the breaker is open by what this node saw, and the pause that this is; `None` unless it is.
    #[must_use]
    pub fn opened(&self) -> Option<(Timestamp, Duration)> {
        match self.breaker {
            Breaker::Open { until, pause, follows: false } => Some((until, pause)),
            _ => None,
        }
    }

    /// Learns from an attempt. True when the breaker opened, opened anew or closed: other nodes should hear of it.
    pub fn learn(&mut self, sign: Sign, now: Timestamp) -> bool {
        match sign {
            Sign::Nothing => {
                // A probe that never got out proves nothing: probe again at once.
                if let Breaker::Probing { pause } = self.breaker {
                    self.breaker = Breaker::Open { until: now, pause, follows: false };
                }
                false
            }
            Sign::Alive => {
                self.silent_in_a_row = 0;
                self.answered_at = now;
                self.limit = (self.limit + 1).min(self.limit_max);
                std::mem::replace(&mut self.breaker, Breaker::Closed) != Breaker::Closed
            }
            Sign::Silent => {
                self.silent_in_a_row = self.silent_in_a_row.saturating_add(1);
                self.limit = (self.limit / 2).max(1);
                let pause = match self.breaker {
                    Breaker::Probing { pause } => (pause * 2).min(BREAKER_PAUSE_MAX),
                    Breaker::Closed if self.silent_in_a_row >= BREAKER_FAILURES => BREAKER_PAUSE_MIN,
                    Breaker::Closed | Breaker::Open { .. } => return false,
                };
                self.breaker = Breaker::Open { until: now + pause, pause, follows: false };
                true
            }
        }
    }

    /// Hears that another node, or this one, opened this breaker until a time, for a pause that ends then.
    pub fn hear_open(&mut self, until: Timestamp, pause: Duration) {
        let is_news = match self.breaker {
            Breaker::Closed => self.answered_at <= until.minus(pause),
            Breaker::Open { until: ours, follows: true, .. } => until + FOLLOWS > ours,
            Breaker::Open { until: ours, follows: false, .. } => until > ours,
            // This node is about to know better.
            Breaker::Probing { .. } => false,
        };
        if is_news {
            // What is closed again begins with one attempt, on every node.
            self.limit = 1;
            self.breaker = Breaker::Open { until: until + FOLLOWS, pause, follows: true };
        }
    }

    /// Hears that no node has this breaker open.
    pub fn hear_closed(&mut self) {
        if self.breaker != Breaker::Closed {
            self.breaker = Breaker::Closed;
            self.silent_in_a_row = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_secs(1_763_800_000);

    fn after(seconds: u64) -> Timestamp {
        NOW + Duration::from_secs(seconds)
    }

    #[test]
    fn a_lane_starts_at_one_grows_on_answers_and_halves_on_silence() {
        let mut pace = Pace::new(8);
        assert_eq!(pace.limit(NOW), 1);
        for expected in [2, 3, 4, 5, 6, 7, 8, 8] {
            pace.learn(Sign::Alive, NOW);
            assert_eq!(pace.limit(NOW), expected);
        }
        for expected in [4, 2, 1, 1] {
            pace.learn(Sign::Silent, NOW);
            assert_eq!(pace.limit(NOW), expected);
        }
    }

    #[test]
    fn a_lower_maximum_holds_at_once_and_a_higher_one_is_grown_into() {
        let mut pace = Pace::new(8);
        for _ in 0..10 {
            pace.learn(Sign::Alive, NOW);
        }
        for (limit_max, then) in [(3, 3), (0, 1), (8, 1)] {
            pace.set_limit_max(limit_max);
            assert_eq!(pace.limit(NOW), then, "{limit_max}");
        }
        pace.learn(Sign::Alive, NOW);
        assert_eq!(pace.limit(NOW), 2);
    }

    #[test]
    fn the_breaker_opens_probes_with_one_and_closes_on_an_answer() {
        let mut pace = Pace::new(8);
        for _ in 0..BREAKER_FAILURES {
            assert!(pace.is_closed());
            pace.learn(Sign::Silent, NOW);
        }
        assert_eq!(pace.limit(NOW), 0);
        assert_eq!(pace.probe_at(NOW), Some(after(1)));
        assert_eq!(pace.limit(after(1)), 1);
        pace.begin(after(1));
        pace.learn(Sign::Silent, after(1));
        assert_eq!(pace.probe_at(after(1)), Some(after(3)), "the pause doubles");
        for seconds in [3, 7, 15, 31, 61, 91] {
            pace.begin(after(seconds));
            pace.learn(Sign::Silent, after(seconds));
        }
        assert_eq!(pace.probe_at(after(91)), Some(after(121)), "and is bounded");
        pace.begin(after(121));
        pace.learn(Sign::Alive, after(121));
        assert!(pace.is_closed());
    }

    #[test]
    fn what_never_reached_the_listener_says_nothing_about_it() {
        for (outcome, sign) in [
            (Outcome::Accepted { status: 200 }, Sign::Alive),
            (Outcome::Rejected { status: 404, retry_after: None }, Sign::Alive),
            (Outcome::Rejected { status: 500, retry_after: None }, Sign::Alive),
            (Outcome::Rejected { status: 503, retry_after: None }, Sign::Silent),
            (Outcome::Failed(FailureKind::Timeout), Sign::Silent),
            (Outcome::Failed(FailureKind::ForbiddenAddress), Sign::Silent),
            (Outcome::Held(countersign_core::delivery::Hold::NoToken), Sign::Nothing),
            (Outcome::Interrupted, Sign::Nothing),
        ] {
            assert_eq!(Sign::of(&outcome), sign, "{outcome}");
        }
    }

    #[test]
    fn other_nodes_hear_when_a_breaker_opens_opens_anew_and_closes_and_of_nothing_else() {
        let mut pace = Pace::new(8);
        for _ in 1..BREAKER_FAILURES {
            assert!(!pace.learn(Sign::Silent, NOW));
        }
        assert!(pace.learn(Sign::Silent, NOW));
        assert_eq!(pace.opened(), Some((after(1), BREAKER_PAUSE_MIN)));
        assert!(!pace.learn(Sign::Silent, NOW), "an attempt that was under way");
        pace.begin(after(1));
        assert_eq!(pace.opened(), None, "a probe is under way");
        assert!(!pace.learn(Sign::Nothing, after(1)));
        pace.begin(after(1));
        assert!(pace.learn(Sign::Silent, after(1)));
        assert_eq!(pace.opened(), Some((after(3), Duration::from_secs(2))));
        pace.begin(after(3));
        assert!(pace.learn(Sign::Alive, after(3)));
        assert_eq!(pace.opened(), None);
        assert!(!pace.learn(Sign::Alive, after(3)));
    }

    #[test]
    fn who_had_an_answer_since_another_nodes_breaker_opened_goes_on() {
        for (answered_at, goes_on) in [(9, false), (10, false), (11, true)] {
            let mut pace = Pace::new(8);
            pace.learn(Sign::Alive, after(answered_at));
            pace.hear_open(after(14), Duration::from_secs(4));
            assert_eq!(pace.is_closed(), goes_on, "opened at 10, answered at {answered_at}");
        }
    }

    #[test]
    fn a_node_follows_the_one_that_opened_a_breaker_and_probes_when_no_more_is_heard_of_it() {
        let mut pace = Pace::new(8);
        for _ in 0..8 {
            pace.learn(Sign::Alive, NOW);
        }
        for (until, pause, probe_at) in [(1, 1, 3), (3, 2, 5), (2, 1, 5), (7, 4, 9)] {
            pace.hear_open(after(until), Duration::from_secs(pause));
            assert_eq!((pace.limit(NOW), pace.probe_at(NOW), pace.opened()), (0, Some(after(probe_at)), None), "after hearing {until}");
        }
        // Silence: it takes over, and its own pauses go on from there.
        pace.begin(after(9));
        pace.hear_open(after(8), Duration::from_secs(4));
        assert_eq!(pace.limit(after(9)), 1, "a probe under way is not called off");
        assert!(pace.learn(Sign::Silent, after(9)));
        assert_eq!(pace.opened(), Some((after(17), Duration::from_secs(8))));
        pace.hear_open(after(17), Duration::from_secs(8));
        assert_eq!(pace.opened(), Some((after(17), Duration::from_secs(8))), "its own news comes back");
        pace.hear_open(after(18), Duration::from_secs(8));
        assert_eq!((pace.opened(), pace.probe_at(NOW)), (None, Some(after(20))), "another one took it over");
        pace.hear_closed();
        assert!(pace.is_closed());
        assert_eq!(pace.limit(NOW), 1, "and the lane grows again from one");
    }
}
