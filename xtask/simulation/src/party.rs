//! A listener as the world has it: its subscription, its temper, and how it answers.

use std::{collections::BTreeSet, time::Duration};

use countersign_core::{
    Timestamp,
    id::{AccountId, ListenerId, SubscriptionId},
    outcome::{FailureKind, Outcome},
    retry::RetryProfile,
    shape::MessageShape,
    subscription::{Activity, Pace, Proofs, Scope, Subscription, Users, WantedEvents},
};

use crate::dice::Dice;

/// The one account, whose subscriptions all listeners have.
pub(crate) const ACCOUNT: AccountId = AccountId(10_000_001);
/// How often one that is well answers 500, 429 with `Retry-After`, or closes the connection.
const ERRORS: f64 = 0.003;
const BUSY: f64 = 0.001;
const CLOSED: f64 = 0.002;
/// The gap of the short retry schedules, so that deliveries are given up within the simulated time.
const SHORT_GAPS: [Duration; 3] = [Duration::from_secs(1), Duration::from_secs(4), Duration::from_secs(20)];

/// How a listener behaves.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Temper {
    /// Answers, with an error now and then.
    Well,
    /// Answers, after seconds.
    Slow,
    /// Takes every request from then on and never answers.
    Hanging(Timestamp),
    /// Is away during the outage and well otherwise.
    Down,
}

/// What it is counted as.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Class {
    /// Well, and asks for nothing that could delay it.
    Healthy,
    /// Well, in order per envelope.
    Ordered,
    /// Well, with limits of its own.
    Limited,
    Slow,
    Hanging,
    Down,
}

impl Class {
    pub(crate) const ALL: [Self; 6] = [Self::Healthy, Self::Ordered, Self::Limited, Self::Slow, Self::Hanging, Self::Down];

    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Healthy => "healthy",
            Self::Ordered => "ordered",
            Self::Limited => "limited",
            Self::Slow => "slow",
            Self::Hanging => "hanging",
            Self::Down => "down",
        }
    }
}

/// A span of time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Window {
    pub(crate) from: Timestamp,
    pub(crate) to: Timestamp,
}

impl Window {
    pub(crate) fn holds(self, at: Timestamp) -> bool {
        self.from <= at && at < self.to
    }
}

/// A listener with its one subscription.
#[derive(Clone, Debug)]
pub(crate) struct Party {
    pub(crate) subscription: Subscription,
    pub(crate) lane: ListenerId,
    pub(crate) temper: Temper,
    pub(crate) class: Class,
    /// What an answer takes when it has nothing else to do.
    answer: Duration,
    /// Requests it works on at once; more of them take turns.
    hands: u32,
}

impl Party {
    /// The `nth` of all, with wishes drawn from `dice`.
    pub(crate) fn new(nth: usize, temper: Temper, dice: &mut Dice) -> Self {
        let pace = wishes(dice);
        let answer = match temper {
            Temper::Slow => Duration::from_secs_f64(dice.ratio(2.0, 20.0)),
            _ => Duration::from_secs_f64(dice.ratio(0.004, 0.15)),
        };
        let class = match temper {
            Temper::Slow => Class::Slow,
            Temper::Hanging(_) => Class::Hanging,
            Temper::Down => Class::Down,
            Temper::Well if pace.limits().are_any() => Class::Limited,
            Temper::Well if pace.ordered => Class::Ordered,
            Temper::Well => Class::Healthy,
        };
        let subscription = subscription(nth, pace);
        Self { lane: subscription.lane(None), subscription, temper, class, answer, hands: dice.one_of(&[8, 16, 64, 256]) }
    }

    /// What an attempt that begins `now` comes to, and after how long. `in_flight` counts it as well.
    pub(crate) fn answer(&self, now: Timestamp, outage: Window, timeout: Duration, in_flight: u32, dice: &mut Dice) -> (Outcome, Duration) {
        match self.temper {
            Temper::Hanging(from) if now >= from => return (Outcome::from_failure(FailureKind::Timeout), timeout),
            Temper::Down if outage.holds(now) => {
                return if dice.chance(0.5) {
                    (Outcome::from_failure(FailureKind::Connect), Duration::from_millis(2))
                } else {
                    (Outcome::from_response(503, None), Duration::from_millis(20))
                };
            }
            _ => {}
        }
        let turns = in_flight.div_ceil(self.hands).max(1);
        let took = (self.answer.mul_f64(0.5) + dice.around(self.answer.mul_f64(0.5))) * turns;
        if took >= timeout {
            return (Outcome::from_failure(FailureKind::Timeout), timeout);
        }
        let throw = dice.unit();
        let outcome = if throw < ERRORS {
            Outcome::from_response(500, None)
        } else if throw < ERRORS + BUSY {
            Outcome::from_response(429, Some(Duration::from_secs(2)))
        } else if throw < ERRORS + BUSY + CLOSED {
            Outcome::from_failure(FailureKind::Closed)
        } else {
            Outcome::from_response(200, None)
        };
        (outcome, took)
    }
}

/// What its subscription asks for: most ask for nothing.
fn wishes(dice: &mut Dice) -> Pace {
    let mut pace = Pace { ordered: dice.chance(0.15), ..Pace::default() };
    if dice.chance(0.1) {
        pace.rate_per_second_max = Some(dice.one_of(&[1, 3, 10, 50]));
    }
    if dice.chance(0.1) {
        pace.concurrency_max = Some(dice.one_of(&[1, 2, 8]));
    }
    if dice.chance(0.05) {
        pace.retry = Some(RetryProfile::Gaps(SHORT_GAPS.to_vec()));
    }
    pace
}

fn subscription(nth: usize, pace: Pace) -> Subscription {
    let id = SubscriptionId(SubscriptionId::FIRST.0 + nth as i64);
    Subscription {
        id,
        account: ACCOUNT,
        scope: Scope::Account,
        name: String::new(),
        url: format!("https://listener-{nth}.example/").parse().expect("a URL made of a number"),
        activity: Activity::Active,
        paused: false,
        users: Users::All,
        events: WantedEvents::default(),
        shape: MessageShape::JsonSim,
        include: BTreeSet::new(),
        proofs: Proofs::default(),
        pace,
        headers: Vec::new(),
        require_acknowledgement: true,
        log: true,
        created_at: Timestamp::EPOCH,
        failing_since: None,
        times_gone: 0,
        revision: 1,
        extra: serde_json::Map::new(),
    }
}
