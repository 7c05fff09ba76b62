//! Rows about held deliveries.

use std::time::Duration;

use countersign_core::delivery::Hold;

use super::world::{START, World, at, held, waiting_until};
use crate::{
    claim::{HeldSubscription, Release},
    settle::{Next, Settlement},
};

/// A release lets go what is held for that reason, adds the time held, and leaves the due time.
pub async fn a_release_adds_the_time_held_and_leaves_the_due_time(world: World) {
    let (account, subscription) = world.subscribed().await;
    let by = world.node().await;
    let delivery = world.waiting(account, subscription, 7).await;
    for (round, (from, to, total)) in [(10, 15, 5), (20, 50, 35)].into_iter().enumerate() {
        assert_eq!(world.claim_ids(by, at(from), 7, 1).await, [delivery.id], "round {round}");
        let next = Next::Waiting { due_at: at(from), held: Some(Hold::NoToken) };
        let settlement = Settlement { attempt: None, ..world.settlement(&delivery, by, at(from), next) };
        assert_eq!(world.store.settle(vec![settlement]).await.expect("stored"), vec![Ok(())]);
        assert_eq!(world.read(&delivery).await.listed.held_since, Some(at(from)), "round {round}");
        let release = Release { subscription, held: Hold::NoToken, now: at(to), rows_max: 10 };
        assert_eq!(world.store.release(release).await.expect("released"), 1, "round {round}");
        let read = world.read(&delivery).await.listed;
        assert_eq!(read.delivery.state, waiting_until(at(from)), "round {round}");
        assert_eq!(read.delivery.held_total, Duration::from_secs(total), "round {round}");
        assert_eq!(read.held_since, None, "round {round}");
    }
}

/// Only the subscription and the cause named are released, some at a time.
pub async fn a_release_names_a_subscription_and_a_cause(world: World) {
    let (account, subscription) = world.subscribed().await;
    let other = world.subscription(account).await;
    let mut paused = Vec::new();
    for _ in 0..5 {
        paused.push(world.recorded_as(account, subscription, 7, held(START, Hold::Paused)).await);
    }
    let no_token = world.recorded_as(account, subscription, 7, held(START, Hold::NoToken)).await;
    let elsewhere = world.recorded_as(account, other, 7, held(START, Hold::Paused)).await;
    let release = Release { subscription, held: Hold::Paused, now: at(1), rows_max: 2 };
    let mut counts = Vec::new();
    loop {
        let released = world.store.release(release.clone()).await.expect("released");
        counts.push(released);
        if released < release.rows_max {
            break;
        }
    }
    assert_eq!(counts, [2, 2, 1]);
    for delivery in &paused {
        assert_eq!(world.state(delivery).await, waiting_until(START));
    }
    assert_eq!(world.state(&no_token).await, held(START, Hold::NoToken));
    assert_eq!(world.state(&elsewhere).await, held(START, Hold::Paused));
}

/// Subscriptions with anything held, each with each of its reasons, page by page; none when all is released.
pub async fn held_subscriptions_are_listed_with_their_reasons(world: World) {
    let (account, first) = world.subscribed().await;
    let (other, second) = world.subscribed().await;
    for (of, subscription, hold) in
        [(account, first, Hold::NoToken), (account, first, Hold::Paused), (account, first, Hold::Paused), (other, second, Hold::Disabled)]
    {
        world.recorded_as(of, subscription, 7, held(START, hold)).await;
    }
    world.waiting(account, world.subscription(account).await, 7).await;
    let row = |account, subscription, held| HeldSubscription { account, subscription, held };
    let all = [row(account, first, Hold::Paused), row(account, first, Hold::NoToken), row(other, second, Hold::Disabled)];
    let mut listed = Vec::new();
    let mut after = None;
    loop {
        let page = world.store.held_subscriptions(after, 2).await.expect("read");
        listed.extend_from_slice(&page);
        let Some(last) = page.last().filter(|_| page.len() == 2) else { break };
        after = Some((last.subscription, last.held));
    }
    assert_eq!(listed, all);
    for HeldSubscription { subscription, held, .. } in all {
        world.store.release(Release { subscription, held, now: at(1), rows_max: 10 }).await.expect("released");
    }
    assert!(world.store.held_subscriptions(None, 10).await.expect("read").is_empty());
}
