//! How subscriptions stand: what [`countersign_core::standing`] decides is told and written here.
//!
//! Both are done once, not with each attempt: at the first failure after a success, after 7 and 12 days, at the end, and at the
//! first success after a failure that was written. First the account is told, then the change is written: should the process die
//! in between, the next attempt tells again, which the key of the news makes to nothing, and writes.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use countersign_core::{
    Timestamp,
    id::SubscriptionId,
    outcome::Outcome,
    standing::{Step, Watch, news, step},
    subscription::{Activity, Subscription},
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
        let mut failing = self.lock();
        let begins = Watch::begins(now);
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
                let watch = failing.entry(subscription.id).or_insert(begins);
                *watch = watch.after_failure(subscription, now);
                *watch
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
            let mut failing = self.lock();
            if let Some(watch) = failing.get_mut(&stored.id) {
                watch.told = Some((since, told_after));
            }
            tracing::warn!(subscription.id = %stored.id, %since, "every attempt has failed since then");
            return Ok(());
        }
        let written = write(&*parts.store, stored, step, now).await?;
        parts.configs.invalidate(subscription.account);
        // A refusal: it was deleted meanwhile, or a person has changed it, whose change stands; the next attempt looks again.
        if written.is_ok() {
            if let (Step::Mark { .. }, Some(watch)) = (step, self.lock().get_mut(&subscription.id)) {
                watch.written = true;
            }
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

    fn lock(&self) -> MutexGuard<'_, HashMap<SubscriptionId, Watch>> {
        self.failing.lock().unwrap_or_else(PoisonError::into_inner)
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

/// Writes what follows from a step into the subscription as it was read, or nothing when it has changed since.
async fn write(store: &dyn Store, mut stored: Subscription, step: Step, now: Timestamp) -> Result<Result<(), Refused>, StoreError> {
    let read = stored.revision;
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
    let written = store.put_subscription_at(stored.account, stored.id, Object::of(&stored)?, read).await?;
    Ok(written.map(|_| ()))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use countersign_core::{
        id::{AccountGuid, AccountId},
        shape::MessageShape,
        subscription::{Pace, Proofs, Scope, Users, WantedEvents},
    };
    use countersign_store::sqlite::{self, SqliteStore};

    use super::*;

    const NOW: Timestamp = Timestamp::from_secs(1_763_800_000);

    fn subscription(account: AccountId, id: SubscriptionId) -> Subscription {
        Subscription {
            id,
            account,
            scope: Scope::Account,
            name: "everything".into(),
            url: "https://before.example/".parse().expect("a URL"),
            activity: Activity::Active,
            paused: false,
            users: Users::All,
            events: WantedEvents::default(),
            shape: MessageShape::JsonSim,
            include: BTreeSet::new(),
            proofs: Proofs::default(),
            pace: Pace::default(),
            headers: Vec::new(),
            require_acknowledgement: true,
            log: true,
            created_at: NOW,
            failing_since: None,
            times_gone: 0,
            revision: 1,
            extra: serde_json::Map::new(),
        }
    }

    #[tokio::test]
    async fn what_a_person_saves_while_a_step_is_under_way_stands() {
        let folder = tempfile::tempdir().expect("a folder");
        let store = SqliteStore::open(sqlite::Settings { reserve_bytes: 0, ..sqlite::Settings::new(folder.path()) }).expect("opens");
        let account = store.create_account(AccountGuid(uuid::Uuid::from_u128(7)), "One", NOW).await.expect("stored").expect("new").id;
        for step in [Step::Mark { since: NOW }, Step::Clear { since: NOW }, Step::Pause, Step::Disable { since: NOW }] {
            let id = store.next_subscription_ids(1).await.expect("ids")[0];
            let read = subscription(account, id);
            store.put_subscription(account, id, Object::of(&read).expect("an object"), true).await.expect("stored").expect("new");
            let saved = Subscription { url: "https://after.example/".parse().expect("a URL"), revision: 2, ..read.clone() };
            store.put_subscription_at(account, id, Object::of(&saved).expect("an object"), 1).await.expect("stored").expect("as read");

            assert!(write(&store, read, step, NOW).await.expect("answered").is_err(), "{step:?}");
            let stored: Subscription = store.subscription(id).await.expect("read").expect("exists").1.read().expect("a subscription");
            assert_eq!(stored.url, saved.url, "{step:?}");
            write(&store, stored, step, NOW).await.expect("answered").expect("nobody changed it");
        }
        store.close().await;
    }
}
