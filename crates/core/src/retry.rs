//! When a failed attempt is repeated, and when it is given up.
//!
//! Sources disagree on Docusign's own schedule (15 days of back-off; about 45 attempts over 7 days; once a day ten
//! times), so it is a profile. The default, `docusign`, doubles from 15 seconds up to a day and ends after 15 days:
//! 26 retries, the last after 14.4 days. Jitter only ever lengthens a wait, by at most a tenth, so that no delay falls
//! below the policy. `Retry-After` can only delay. Time a delivery was held moves the horizon and nothing else.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{
    delivery::{Hold, ParkReason},
    outcome::{FailureKind, Outcome},
    time::Timestamp,
};

const DAY: Duration = Duration::from_secs(24 * 3600);
/// The first gap of the `docusign` profile (reported first gap: 15 s).
const DOCUSIGN_FIRST_GAP: Duration = Duration::from_secs(15);
/// The end of the `docusign` profile, counted from the start of the schedule.
const DOCUSIGN_HORIZON: Duration = Duration::from_secs(15 * 24 * 3600);
/// Retries of the `daily` profile (Connect: requiresAcknowledgement, "10 retries").
const DAILY_RETRIES: u32 = 10;
/// The longest list of gaps a profile may have; a longer one is a slip of the pen.
pub const GAPS_MAX: usize = 100;

/// When failed attempts are repeated.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RetryProfile {
    /// 15 s doubling, at most a day apart, for 15 days.
    #[default]
    Docusign,
    /// Once a day, ten times.
    Daily,
    /// N gaps, N + 1 attempts.
    Gaps(Vec<Duration>),
}

/// The text is not a retry profile.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is not a retry profile; use docusign, daily, or a list of up to 100 gaps such as 5s,5m,2h")]
pub struct NotARetryProfile(pub String);

impl RetryProfile {
    /// Reads `docusign`, `daily` or a list of gaps such as `1s,2m,3h,1d` (a bare number is seconds).
    ///
    /// # Errors
    /// [`NotARetryProfile`] for anything else.
    pub fn parse(text: &str) -> Result<Self, NotARetryProfile> {
        let refused = || NotARetryProfile(text.chars().take(200).collect());
        match text.trim() {
            "docusign" => Ok(Self::Docusign),
            "daily" => Ok(Self::Daily),
            list => {
                let gaps = list.split(',').map(|gap| parse_gap(gap.trim())).collect::<Option<Vec<_>>>().ok_or_else(refused)?;
                if gaps.len() > GAPS_MAX { Err(refused()) } else { Ok(Self::Gaps(gaps)) }
            }
        }
    }

    /// The gap before retry number `retry` (from 1), without jitter; `None` when the profile has no such retry.
    #[must_use]
    pub fn gap(&self, retry: u32) -> Option<Duration> {
        match self {
            Self::Docusign => {
                let doublings = retry.saturating_sub(1).min(31);
                Some(DOCUSIGN_FIRST_GAP.saturating_mul(1 << doublings).min(DAY))
            }
            Self::Daily => (retry <= DAILY_RETRIES).then_some(DAY),
            Self::Gaps(gaps) => gaps.get(retry.saturating_sub(1) as usize).copied(),
        }
    }

    /// The time after which nothing is attempted any more, from the start of the schedule; `None` when only the number
    /// of gaps ends it.
    #[must_use]
    pub fn horizon(&self) -> Option<Duration> {
        match self {
            Self::Docusign => Some(DOCUSIGN_HORIZON),
            Self::Daily | Self::Gaps(_) => None,
        }
    }
}

fn parse_gap(text: &str) -> Option<Duration> {
    let (number, unit) = match text.find(|c: char| !c.is_ascii_digit()) {
        Some(at) => text.split_at(at),
        None => (text, "s"),
    };
    let number: u64 = number.parse().ok()?;
    let millis = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return None,
    };
    let gap = Duration::from_millis(number.checked_mul(millis)?);
    (gap <= Duration::from_secs(366 * 24 * 3600)).then_some(gap)
}

/// A chance in `[0, 1)`, drawn by the caller.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Jitter(f64);

impl Jitter {
    /// No chance at all: the shortest wait the policy allows.
    pub const NONE: Self = Self(0.0);

    /// From 32 random bits.
    #[must_use]
    pub fn from_random(bits: u32) -> Self {
        Self(f64::from(bits) / (f64::from(u32::MAX) + 1.0))
    }

    /// `wait` lengthened by up to a tenth.
    #[must_use]
    pub fn lengthen(self, wait: Duration) -> Duration {
        wait.saturating_add(wait.mul_f64(0.1 * self.0))
    }
}

/// The rules of one subscription.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct RetryPolicy {
    /// When failed attempts are repeated.
    pub profile: RetryProfile,
    /// Park after one failure: "require acknowledgement" is off and the setting `honour_acknowledgement_off` is on.
    pub park_at_first_failure: bool,
}

/// How far a delivery has come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Progress {
    /// Attempts made and counted since the schedule started, the one just made included.
    pub attempts_made: u32,
    /// When the schedule started.
    pub started_at: Timestamp,
    /// How long the delivery was held since then.
    pub held_total: Duration,
}

/// What follows from an outcome.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NextStep {
    /// Done.
    Delivered,
    /// Attempt again, not before this time. Counted.
    RetryAt(Timestamp),
    /// Attempt again at once; the attempt is not counted.
    Again,
    /// Wait until released; the attempt is not counted.
    Hold(Hold),
    /// Give up.
    Park(ParkReason),
}

/// Decides what follows from an outcome.
#[must_use]
pub fn next_step(policy: &RetryPolicy, progress: Progress, outcome: &Outcome, now: Timestamp, jitter: Jitter) -> NextStep {
    let retry_after = match *outcome {
        Outcome::Accepted { .. } => return NextStep::Delivered,
        Outcome::Held(hold) => return NextStep::Hold(hold),
        Outcome::Interrupted => return NextStep::Again,
        Outcome::Rejected { status: 410, .. } => return NextStep::Park(ParkReason::Gone),
        Outcome::Failed(FailureKind::Unrenderable) => return NextStep::Park(ParkReason::Unrenderable),
        Outcome::Rejected { retry_after, .. } => retry_after,
        Outcome::Failed(_) => None,
    };
    if policy.park_at_first_failure {
        return NextStep::Park(ParkReason::NotAcknowledged);
    }
    let Some(gap) = policy.profile.gap(progress.attempts_made) else {
        return NextStep::Park(ParkReason::Exhausted);
    };
    let wait = jitter.lengthen(gap).max(retry_after.unwrap_or_default());
    let due_at = now + wait;
    match policy.profile.horizon() {
        Some(horizon) if due_at > progress.started_at + horizon + progress.held_total => NextStep::Park(ParkReason::Exhausted),
        _ => NextStep::RetryAt(due_at),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const START: Timestamp = Timestamp::from_secs(1_763_800_000);

    fn progress(attempts_made: u32) -> Progress {
        Progress { attempts_made, started_at: START, held_total: Duration::ZERO }
    }

    #[test]
    fn each_outcome_has_its_next_step() {
        let seconds = |s| NextStep::RetryAt(START + Duration::from_secs(s));
        let docusign = RetryPolicy::default();
        let gaps = RetryPolicy { profile: RetryProfile::parse("1s,2s,4s").expect("gaps"), ..RetryPolicy::default() };
        let once = RetryPolicy { park_at_first_failure: true, ..RetryPolicy::default() };
        let failed = Outcome::Failed(FailureKind::Timeout);
        for (row, policy, attempts, outcome, expected) in [
            ("2xx", &docusign, 1, Outcome::from_response(204, None), NextStep::Delivered),
            ("first failure", &docusign, 1, failed, seconds(15)),
            ("second failure", &docusign, 2, failed, seconds(30)),
            ("at most a day apart", &docusign, 20, failed, seconds(86_400)),
            ("redirect", &docusign, 1, Outcome::from_response(302, None), seconds(15)),
            ("gone", &docusign, 1, Outcome::from_response(410, None), NextStep::Park(ParkReason::Gone)),
            ("retry-after delays", &docusign, 1, Outcome::from_response(429, Some(Duration::from_secs(60))), seconds(60)),
            ("retry-after cannot hasten", &docusign, 3, Outcome::from_response(503, Some(Duration::from_secs(1))), seconds(60)),
            ("last gap", &gaps, 3, failed, seconds(4)),
            ("N gaps, N + 1 attempts", &gaps, 4, failed, NextStep::Park(ParkReason::Exhausted)),
            ("acknowledgement off, honoured", &once, 1, failed, NextStep::Park(ParkReason::NotAcknowledged)),
            ("no token", &docusign, 0, Outcome::Held(Hold::NoToken), NextStep::Hold(Hold::NoToken)),
            ("shutdown", &docusign, 0, Outcome::Interrupted, NextStep::Again),
            ("unrenderable", &docusign, 1, Outcome::Failed(FailureKind::Unrenderable), NextStep::Park(ParkReason::Unrenderable)),
        ] {
            assert_eq!(next_step(policy, progress(attempts), &outcome, START, Jitter::NONE), expected, "{row}");
        }
    }

    #[test]
    fn the_docusign_profile_ends_after_26_retries_within_15_days() {
        let mut now = START;
        let mut retries = 0;
        while let NextStep::RetryAt(at) =
            next_step(&RetryPolicy::default(), progress(retries + 1), &Outcome::Failed(FailureKind::Connect), now, Jitter::NONE)
        {
            now = at;
            retries += 1;
        }
        assert_eq!(retries, 26);
        assert!(now.since(START) < DOCUSIGN_HORIZON);
    }

    #[test]
    fn profiles_are_read_and_refused() {
        assert_eq!(RetryProfile::parse("daily"), Ok(RetryProfile::Daily));
        assert_eq!(
            RetryProfile::parse("5, 250ms,2m,1d"),
            Ok(RetryProfile::Gaps(vec![Duration::from_secs(5), Duration::from_millis(250), Duration::from_secs(120), DAY]))
        );
        for text in ["", "weekly", "1s,,2s", "1x", "-1s", "99999999999999999999s", "400d"] {
            assert!(RetryProfile::parse(text).is_err(), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn delays_never_fall_below_the_policy_nor_pass_its_horizon(
            attempts in 1_u32..60,
            bits: u32,
            elapsed in 0_u64..20 * 86_400,
            held in 0_u64..40 * 86_400,
            retry_after in proptest::option::of(0_u64..90_000),
            profile in prop_oneof![Just(RetryProfile::Docusign), Just(RetryProfile::Daily),
                proptest::collection::vec(0_u64..1_000_000, 0..20).prop_map(|s| RetryProfile::Gaps(s.into_iter().map(Duration::from_secs).collect()))],
        ) {
            let policy = RetryPolicy { profile, park_at_first_failure: false };
            let now = START + Duration::from_secs(elapsed);
            let progress = Progress { attempts_made: attempts, started_at: START, held_total: Duration::from_secs(held) };
            let outcome = Outcome::from_response(503, retry_after.map(Duration::from_secs));
            match next_step(&policy, progress, &outcome, now, Jitter::from_random(bits)) {
                NextStep::RetryAt(at) => {
                    let gap = policy.profile.gap(attempts).expect("a retry has a gap");
                    let longest = gap.mul_f64(1.1).max(Duration::from_secs(retry_after.unwrap_or(0)));
                    prop_assert!(at.since(now) >= gap);
                    prop_assert!(at.since(now) <= longest + Duration::from_micros(1));
                    if let Some(horizon) = policy.profile.horizon() {
                        prop_assert!(at <= START + horizon + Duration::from_secs(held));
                    }
                }
                NextStep::Park(ParkReason::Exhausted) => {}
                other => prop_assert!(false, "{other:?}"),
            }
        }
    }
}
