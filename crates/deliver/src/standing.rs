//! How a subscription stands: since when it only fails, and when that is too long.
//!
//! A subscription that only fails for [`Settings::disable_after`](crate::Settings) (Connect: 14 days) is disabled; its deliveries are
//! matched and held. A 410 pauses it at once: the listener says that it is gone for good (RFC 9110 §15.5.11). Both are changes of
//! configuration and are written once, not with each attempt: the first failure after a success, the first success after a
//! failure that was written, and the end.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use countersign_core::{
    Timestamp,
    id::{AccountId, SubscriptionId},
    outcome::Outcome,
    subscription::{Activity, Scope, Subscription},
};
use countersign_store::{Refused, Store, StoreError, cache::ConfigCache, objects::Object};

/// A failure is written down only when it has lasted so long without a success: a listener that hiccups costs no change of
/// configuration.
const FAILING_WRITTEN_AFTER: Duration = Duration::from_secs(10 * 60);
/// Subscriptions watched in memory; beyond that the oldest watch ends and begins again with the next failure.
const WATCHED_MAX: usize = 100_000;

/// What an outcome asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    Nothing,
    /// It works again.
    Clear,
    /// It fails since then.
    Mark(Timestamp),
    /// It has failed for too long.
    Disable(Timestamp),
    /// The listener is gone for good.
    Pause,
}

/// Watches over subscriptions.
#[derive(Debug, Default)]
pub(crate) struct Standing {
    /// Since when a subscription only fails, as far as this process has seen.
    failing: Mutex<HashMap<SubscriptionId, Timestamp>>,
}

impl Standing {
    /// Learns from an outcome and writes what follows.
    pub(crate) async fn learn(
        &self,
        store: &Arc<dyn Store>,
        configs: &ConfigCache,
        subscription: &Subscription,
        outcome: &Outcome,
        disable_after: Duration,
        now: Timestamp,
    ) {
        let step = self.step(subscription, outcome, disable_after, now);
        if step == Step::Nothing {
            return;
        }
        let written = write(&**store, subscription.account, subscription.id, &step, now).await;
        match written {
            Ok(Ok(())) => {
                configs.invalidate(subscription.account);
                match step {
                    Step::Pause => tracing::warn!(subscription.id = %subscription.id, "paused: the listener answered 410 Gone"),
                    Step::Disable(since) => {
                        tracing::warn!(subscription.id = %subscription.id, %since, "disabled: every attempt has failed since then");
                    }
                    Step::Nothing | Step::Clear | Step::Mark(_) => {}
                }
            }
            // Deleted meanwhile.
            Ok(Err(_)) => {}
            Err(error) => tracing::error!(%error, subscription.id = %subscription.id, "the standing of a subscription cannot be written"),
        }
    }

    fn step(&self, subscription: &Subscription, outcome: &Outcome, disable_after: Duration, now: Timestamp) -> Step {
        let mut failing = self.failing.lock().unwrap_or_else(PoisonError::into_inner);
        match outcome {
            Outcome::Accepted { .. } => {
                if !failing.is_empty() {
                    failing.remove(&subscription.id);
                }
                if subscription.failing_since.is_some() { Step::Clear } else { Step::Nothing }
            }
            Outcome::Rejected { status: 410, .. } if !subscription.paused => Step::Pause,
            Outcome::Rejected { .. } | Outcome::Failed(_) => {
                if failing.len() >= WATCHED_MAX {
                    failing.clear();
                }
                let seen = *failing.entry(subscription.id).or_insert(now);
                match subscription.failing_since {
                    Some(since) if now.since(since) >= disable_after && subscription.activity == Activity::Active => Step::Disable(since),
                    None if now.since(seen) >= FAILING_WRITTEN_AFTER => Step::Mark(seen),
                    _ => Step::Nothing,
                }
            }
            Outcome::Held(_) | Outcome::Interrupted => Step::Nothing,
        }
    }
}

/// Reads the subscription as it is by now, changes what the step is about, and writes it.
async fn write(
    store: &dyn Store,
    account: AccountId,
    id: SubscriptionId,
    step: &Step,
    now: Timestamp,
) -> Result<Result<(), Refused>, StoreError> {
    let Some((owner, object)) = store.subscription(id).await? else { return Ok(Err(Refused::NotFound)) };
    if owner != account {
        return Ok(Err(Refused::NotFound));
    }
    let mut subscription: Subscription = object.read()?;
    match step {
        Step::Nothing => {}
        Step::Clear => subscription.failing_since = None,
        Step::Mark(since) => subscription.failing_since = Some(*since),
        Step::Disable(since) => {
            subscription.activity = Activity::Disabled { reason: format!("every attempt has failed since {since}"), at: now };
        }
        Step::Pause => subscription.paused = true,
    }
    let object = Object::of(&subscription)?;
    let written = match subscription.scope {
        Scope::Envelope(_) => store.put_envelope_subscription(account, id, object).await?,
        Scope::Account | Scope::Recipients => store.put_subscription(account, id, object, false).await?,
    };
    Ok(written.map(|_| ()))
}
