//! How a subscription stands: since when it only fails, when that is told, and when it is too long.
//!
//! A failure is written down when it has lasted [`WRITTEN_AFTER`] without a success: a listener that hiccups costs no change of
//! configuration. The account is told after 7 and 12 days ([`TOLD_AFTER`]) and when the subscription is disabled (Connect: after
//! 14 days); its deliveries are matched and held from then on. A 410 pauses it at once: the listener says that it is gone for good
//! (RFC 9110 §15.5.11). The first success is told when the failure was.
//!
//! What is told are ordinary events of the account ([`News`]), which any subscription may hear of but the one they are about.

use std::time::Duration;

use serde_json::json;

use crate::{
    event::EventName,
    outcome::Outcome,
    subscription::{Activity, Subscription},
    time::Timestamp,
};

/// How long a subscription must only fail before that is written down.
pub const WRITTEN_AFTER: Duration = Duration::from_secs(10 * 60);
/// How long it must only fail before the account is told, each time once.
pub const TOLD_AFTER: [Duration; 2] = [Duration::from_secs(7 * DAY_SECONDS), Duration::from_secs(12 * DAY_SECONDS)];
const DAY_SECONDS: u64 = 24 * 3600;

/// What an outcome asks for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Step {
    /// Nothing.
    Nothing,
    /// It works again, after it had failed since then.
    Clear {
        /// Since when it had failed.
        since: Timestamp,
    },
    /// It fails since then: write that down.
    Mark {
        /// Since when.
        since: Timestamp,
    },
    /// It fails since then: tell the account.
    Tell {
        /// Since when.
        since: Timestamp,
        /// Which of [`TOLD_AFTER`] is over.
        told_after: Duration,
    },
    /// It has failed for too long.
    Disable {
        /// Since when.
        since: Timestamp,
    },
    /// The listener is gone for good.
    Pause,
}

/// What is known beside the subscription itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Watch {
    /// Since when it only fails, as far as this process has seen.
    pub failing_since: Timestamp,
    /// What this process has told of it, as one of [`TOLD_AFTER`], and since when it had failed then.
    pub told: Option<(Timestamp, Duration)>,
    /// That it fails was written down when this process last looked.
    pub written: bool,
}

impl Watch {
    /// Of a subscription that was well until now.
    #[must_use]
    pub const fn begins(now: Timestamp) -> Self {
        Self { failing_since: now, told: None, written: false }
    }

    /// After one more failure. What was written down and is not any more was taken back by a person, who activated the subscription or
    /// gave it another address: its time begins anew.
    #[must_use]
    pub fn after_failure(self, subscription: &Subscription, now: Timestamp) -> Self {
        let written = subscription.failing_since.is_some();
        if self.written && !written { Self::begins(now) } else { Self { written, ..self } }
    }
}

/// Decides what follows from an outcome. `watch` includes the outcome.
#[must_use]
pub fn step(subscription: &Subscription, outcome: &Outcome, watch: Watch, disable_after: Duration, now: Timestamp) -> Step {
    match outcome {
        Outcome::Held(_) | Outcome::Interrupted => Step::Nothing,
        Outcome::Accepted { .. } => subscription.failing_since.map_or(Step::Nothing, |since| Step::Clear { since }),
        Outcome::Rejected { status: 410, .. } if !subscription.paused => Step::Pause,
        Outcome::Rejected { .. } | Outcome::Failed(_) => match subscription.failing_since {
            None if now.since(watch.failing_since) >= WRITTEN_AFTER => Step::Mark { since: watch.failing_since },
            None => Step::Nothing,
            Some(since) if now.since(since) >= disable_after => {
                if subscription.activity == Activity::Active {
                    Step::Disable { since }
                } else {
                    Step::Nothing
                }
            }
            Some(since) => {
                let over = TOLD_AFTER.into_iter().rfind(|after| *after < disable_after && now.since(since) >= *after);
                let told = watch.told.filter(|(told_since, _)| *told_since == since).map(|(_, after)| after);
                match over {
                    Some(told_after) if told < Some(told_after) => Step::Tell { since, told_after },
                    _ => Step::Nothing,
                }
            }
        },
    }
}

/// What the account is told of a subscription.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct News {
    /// The event.
    pub name: EventName,
    /// Its `data`.
    pub data: serde_json::Value,
    /// Tells this occasion from all others of the account, as an idempotency key of its record. Not ASCII, as the keys of callers
    /// are, so that the two cannot meet.
    pub key: String,
}

/// What is told of a step; `None` when nothing is.
#[must_use]
pub fn news(subscription: &Subscription, step: Step, outcome: &Outcome, disable_after: Duration, now: Timestamp) -> Option<News> {
    let (name, since, next, occasion) = match step {
        Step::Tell { since, told_after } => {
            let end = (since + disable_after).to_seven_digits();
            let next = format!("it is disabled at {end} unless an attempt succeeds before");
            (EventName::SUBSCRIPTION_FAILING, Some(since), next, told_after.as_secs() / DAY_SECONDS)
        }
        Step::Disable { since } => {
            (EventName::SUBSCRIPTION_DISABLED, Some(since), "its deliveries are held until a person activates it".to_owned(), 0)
        }
        Step::Pause => {
            let next = "its deliveries are held until a person resumes it".to_owned();
            (EventName::SUBSCRIPTION_PAUSED, None, next, u64::from(subscription.times_gone) + 1)
        }
        Step::Clear { since } if now.since(since) >= TOLD_AFTER[0].min(disable_after) => {
            (EventName::SUBSCRIPTION_RECOVERED, Some(since), "nothing: its deliveries go out again".to_owned(), 0)
        }
        Step::Nothing | Step::Mark { .. } | Step::Clear { .. } => return None,
    };
    let data = json!({
        "subscriptionId": subscription.id.to_string(),
        "name": subscription.name,
        "failingSince": since.map(Timestamp::to_seven_digits),
        "days": since.map(|since| now.since(since).as_secs() / DAY_SECONDS),
        "lastOutcome": outcome.class(),
        "nextStep": next,
    });
    let since = since.map_or(0, Timestamp::as_micros);
    let key = format!("§{}:{}:{since}:{occasion}", name.as_str(), subscription.id);
    Some(News { name, data, key })
}

#[cfg(test)]
mod tests;
