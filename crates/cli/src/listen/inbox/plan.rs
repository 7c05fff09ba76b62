//! Which subscriptions the inbox has: one for each forward URL.
//!
//! They are told apart by their URL. What waits for a URL that is no longer named goes on being attempted, since it was acknowledged, and
//! the subscription goes when nothing waits for it any more. When exactly one URL is gone and exactly one is new, the application has
//! moved: the subscription gets the new URL, and with it everything that waits.

use std::{collections::BTreeSet, time::Duration};

use anyhow::bail;
use countersign_core::{
    Timestamp,
    account::Account,
    id::{AccountId, SubscriptionId},
    retry::RetryProfile,
    subscription::{Activity, MessageShape, Pace, Proofs, Scope, Subscription, Users, WantedEvents},
};
use countersign_store::{Store, objects::Object};
use url::Url;

use super::InboxPlan;
use crate::listen::forwarding::Forward;

/// What is done about one subscription.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Step {
    /// A new one for the n-th forward.
    Make(usize),
    /// It stays, and is as the n-th forward says.
    Keep(SubscriptionId, usize),
    /// The application moved: it stays with what waits, and is as the n-th forward says.
    Move(SubscriptionId, usize),
    /// No longer named: it gets nothing new.
    Quiet(SubscriptionId),
}

/// Brings the store's subscriptions in line with the plan, and attempts again what has failed.
pub(super) async fn apply(store: &dyn Store, account: &Account, plan: &InboxPlan, now: Timestamp) -> anyhow::Result<()> {
    let (_, stored) = store.subscriptions(account.id).await?;
    let mut present: Vec<Subscription> = Vec::with_capacity(stored.len());
    for (_, object) in stored {
        present.push(object.read()?);
    }
    let known: Vec<(SubscriptionId, Url)> = present.iter().map(|subscription| (subscription.id, subscription.url.clone())).collect();
    let urls: Vec<Url> = plan.forwards.iter().map(|forward| forward.url.clone()).collect();
    for step in steps(&known, &urls) {
        match step {
            Step::Make(n) => {
                let ids = store.next_subscription_ids(1).await?;
                let Some(&id) = ids.first() else { bail!("the store gave no id for a subscription") };
                put(store, &subscription(id, account.id, &plan.forwards[n], plan, now), true).await?;
            }
            Step::Keep(id, n) | Step::Move(id, n) => {
                put(store, &subscription(id, account.id, &plan.forwards[n], plan, now), false).await?;
                if matches!(step, Step::Move(..)) {
                    tracing::warn!(to = %plan.forwards[n].url, "one forward URL took the place of another; what waited for that one goes there");
                }
            }
            Step::Quiet(id) => {
                let Some(mut gone) = present.iter().find(|subscription| subscription.id == id).cloned() else { continue };
                let waiting = store.backlog(Some(account.id), Some(id)).await?;
                let left = waiting.waiting + waiting.held + waiting.leased + waiting.parked;
                if left == 0 {
                    let _ = store.delete_subscription(account.id, id, now).await?;
                    continue;
                }
                tracing::warn!(url = %gone.url, deliveries = left, "a URL is no longer named and gets nothing new; what waits for it is still attempted");
                gone.activity = Activity::Inactive;
                put(store, &gone, false).await?;
            }
        }
    }
    super::let_go(store, account, now).await
}

/// One step for every subscription that is there and every URL that is named.
fn steps(present: &[(SubscriptionId, Url)], named: &[Url]) -> Vec<Step> {
    let gone: Vec<SubscriptionId> = present.iter().filter(|(_, url)| !named.contains(url)).map(|(id, _)| *id).collect();
    let fresh: Vec<usize> = (0..named.len()).filter(|&n| !present.iter().any(|(_, url)| *url == named[n])).collect();
    let kept = present.iter().filter_map(|(id, url)| named.iter().position(|name| name == url).map(|n| Step::Keep(*id, n)));
    let mut steps: Vec<Step> = kept.collect();
    match (gone.as_slice(), fresh.as_slice()) {
        (&[id], &[n]) => steps.push(Step::Move(id, n)),
        (gone, fresh) => {
            steps.extend(fresh.iter().map(|&n| Step::Make(n)));
            steps.extend(gone.iter().map(|&id| Step::Quiet(id)));
        }
    }
    steps
}

async fn put(store: &dyn Store, subscription: &Subscription, create: bool) -> anyhow::Result<()> {
    match store.put_subscription(subscription.account, subscription.id, Object::of(subscription)?, create).await? {
        Ok(_) => Ok(()),
        Err(refused) => bail!("the subscription for {} cannot be kept: {refused}", subscription.url),
    }
}

fn subscription(id: SubscriptionId, account: AccountId, forward: &Forward, plan: &InboxPlan, now: Timestamp) -> Subscription {
    Subscription {
        id,
        account,
        scope: Scope::Account,
        name: forward.url.to_string(),
        url: forward.url.clone(),
        activity: Activity::Active,
        paused: false,
        users: Users::All,
        events: WantedEvents { patterns: forward.patterns.clone(), ..WantedEvents::default() },
        shape: MessageShape::AsReceived,
        include: BTreeSet::new(),
        proofs: Proofs::default(),
        pace: Pace { retry: Some(plan.retry.clone().unwrap_or_else(schedule)), ordered: plan.ordered, ..Pace::default() },
        headers: Vec::new(),
        require_acknowledgement: true,
        log: true,
        created_at: now,
        failing_since: None,
        times_gone: 0,
        revision: 0,
        extra: serde_json::Map::new(),
    }
}

/// An application behind the listener is near and comes back soon: it is tried often for a day, and then for two weeks more.
fn schedule() -> RetryProfile {
    let steps = [(5, 1), (5, 10), (10, 60), (20, 300), (12, 3_600), (47, 7 * 3_600)];
    RetryProfile::Gaps(steps.into_iter().flat_map(|(times, seconds)| std::iter::repeat_n(Duration::from_secs(seconds), times)).collect())
}

#[cfg(test)]
mod tests {
    use countersign_core::retry::GAPS_MAX;

    use super::*;

    fn url(name: &str) -> Url {
        format!("http://{name}/").parse().expect("a URL")
    }

    #[test]
    fn subscriptions_follow_the_urls_named() {
        let id = SubscriptionId;
        for (row, present, named, expected) in [
            ("the first start", vec![], vec!["a", "b"], vec![Step::Make(0), Step::Make(1)]),
            ("as before", vec![(1, "a"), (2, "b")], vec!["b", "a"], vec![Step::Keep(id(1), 1), Step::Keep(id(2), 0)]),
            ("one more", vec![(1, "a")], vec!["a", "b"], vec![Step::Keep(id(1), 0), Step::Make(1)]),
            ("one less", vec![(1, "a"), (2, "b")], vec!["a"], vec![Step::Keep(id(1), 0), Step::Quiet(id(2))]),
            ("moved", vec![(1, "a"), (2, "b")], vec!["a", "c"], vec![Step::Keep(id(1), 0), Step::Move(id(2), 1)]),
            (
                "all others",
                vec![(1, "a"), (2, "b")],
                vec!["c", "d"],
                vec![Step::Make(0), Step::Make(1), Step::Quiet(id(1)), Step::Quiet(id(2))],
            ),
        ] {
            let present: Vec<_> = present.into_iter().map(|(n, name)| (SubscriptionId(n), url(name))).collect();
            let named: Vec<_> = named.into_iter().map(url).collect();
            assert_eq!(steps(&present, &named), expected, "{row}");
        }
    }

    #[test]
    fn the_schedule_is_one_that_can_be_kept_and_lasts_two_weeks() {
        let RetryProfile::Gaps(gaps) = schedule() else { panic!("it is a list") };
        assert!(gaps.len() <= GAPS_MAX, "{}", gaps.len());
        assert!(gaps.iter().sum::<Duration>() > Duration::from_secs(14 * 86_400));
        assert!(gaps.is_sorted());
    }
}
