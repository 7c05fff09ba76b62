//! How subscriptions stand: what [`countersign_core::standing`] decides is told and written here.
//!
//! Both are done once, not with each attempt: at the first failure after a success, after 7 and 12 days, at the end, and at the
//! first success after a failure that was written. First the account is told, then the change is written: should the process die
//! in between, the next attempt tells again, which the key of the news makes to nothing, and writes.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use countersign_core::{
    Timestamp,
    id::SubscriptionId,
    outcome::Outcome,
    standing::{Step, Watch, news, step},
    subscription::{Activity, Scope, Subscription},
};
use countersign_store::{Refused, Store, StoreError, objects::Object};

use crate::{news::tell, parts::Parts};

/// Subscriptions watched in memory; beyond that all watches end and begin again with the next failure.
const WATCHED_MAX: usize = 100_000;

/// Watches over subscriptions.
#[derive(Debug, Default)]
pub(crate) struct Standing {
    /// Those that fail, as far as this process has seen.
    failing: Mutex<HashMap<SubscriptionId, Watch>>,
}

impl Standing {
    /// Learns from an outcome, and tells and writes what follows.
    pub(crate) async fn learn(&self, parts: &Parts, subscription: &Subscription, outcome: &Outcome, now: Timestamp) {
        let disable_after = parts.settings.disable_after;
        let step = self.step(subscription, outcome, disable_after, now);
        if step == Step::Nothing {
            return;
        }
        if let Err(error) = self.follow(parts, subscription, step, outcome, now).await {
            tracing::error!(%error, subscription.id = %subscription.id, "the standing of a subscription cannot be written; the next attempt tries again");
        }
    }

    fn step(&self, subscription: &Subscription, outcome: &Outcome, disable_after: Duration, now: Timestamp) -> Step {
        let mut failing = self.failing.lock().unwrap_or_else(PoisonError::into_inner);
        let begins = Watch { failing_since: now, told: None };
        let watch = match outcome {
            Outcome::Held(_) | Outcome::Interrupted => return Step::Nothing,
            Outcome::Accepted { .. } => {
                if !failing.is_empty() {
                    failing.remove(&subscription.id);
                }
                begins
            }
            Outcome::Rejected { .. } | Outcome::Failed(_) => {
                if failing.len() >= WATCHED_MAX {
                    failing.clear();
                }
                *failing.entry(subscription.id).or_insert(begins)
            }
        };
        step(subscription, outcome, watch, disable_after, now)
    }

    async fn follow(
        &self,
        parts: &Parts,
        subscription: &Subscription,
        step: Step,
        outcome: &Outcome,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        // As it is by now: another attempt may have followed the same step.
        let Some((owner, object)) = parts.store.subscription(subscription.id).await? else { return Ok(()) };
        let stored: Subscription = object.read()?;
        if owner != subscription.account || is_followed(&stored, step) {
            parts.configs.invalidate(subscription.account);
            return Ok(());
        }
        if let Some(news) = news(&stored, step, outcome, parts.settings.disable_after, now) {
            match tell(parts, &stored, news, now).await {
                Ok(()) => {}
                // Who does not answer is left alone all the same, also while nothing more can be recorded.
                Err(StoreError::Full(why)) => {
                    tracing::error!(subscription.id = %stored.id, "the account cannot be told of a subscription: {why}");
                }
                Err(error) => return Err(error),
            }
        }
        if let Step::Tell { since, told_after } = step {
            let mut failing = self.failing.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(watch) = failing.get_mut(&stored.id) {
                watch.told = Some((since, told_after));
            }
            tracing::warn!(subscription.id = %stored.id, %since, "every attempt has failed since then");
            return Ok(());
        }
        // A refusal: it was deleted meanwhile.
        if write(&*parts.store, stored, step, now).await?.is_ok() {
            parts.configs.invalidate(subscription.account);
            match step {
                Step::Pause => tracing::warn!(subscription.id = %subscription.id, "paused: the listener answered 410 Gone"),
                Step::Disable { since } => {
                    tracing::warn!(subscription.id = %subscription.id, %since, "disabled: every attempt has failed since then");
                }
                Step::Nothing | Step::Clear { .. } | Step::Mark { .. } | Step::Tell { .. } => {}
            }
        }
        Ok(())
    }
}

/// True when another attempt has followed the step, or a person has made it void.
fn is_followed(stored: &Subscription, step: Step) -> bool {
    match step {
        Step::Nothing => true,
        Step::Clear { .. } => stored.failing_since.is_none(),
        Step::Mark { .. } => stored.failing_since.is_some(),
        Step::Tell { since, .. } => stored.failing_since != Some(since),
        Step::Disable { since } => stored.activity != Activity::Active || stored.failing_since != Some(since),
        Step::Pause => stored.paused,
    }
}

async fn write(store: &dyn Store, mut stored: Subscription, step: Step, now: Timestamp) -> Result<Result<(), Refused>, StoreError> {
    match step {
        Step::Nothing | Step::Tell { .. } => {}
        Step::Clear { .. } => stored.failing_since = None,
        Step::Mark { since } => stored.failing_since = Some(since),
        Step::Disable { since } => {
            stored.activity = Activity::Disabled { reason: format!("every attempt has failed since {since}"), at: now };
            stored.revision += 1;
        }
        Step::Pause => {
            stored.paused = true;
            stored.revision += 1;
            stored.times_gone = stored.times_gone.saturating_add(1);
        }
    }
    let (account, id) = (stored.account, stored.id);
    let object = Object::of(&stored)?;
    let written = match stored.scope {
        Scope::Envelope(_) => store.put_envelope_subscription(account, id, object).await?,
        Scope::Account | Scope::Recipients => store.put_subscription(account, id, object, false).await?,
    };
    Ok(written.map(|_| ()))
}
