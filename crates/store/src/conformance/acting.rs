//! Rows about what a person does to deliveries.

use std::time::Duration;

use countersign_core::{
    delivery::{Delivery, DeliveryState, Hold, ParkReason},
    id::{DeliveryId, SubscriptionId},
};

use super::world::{START, World, at, held, waiting_until};
use crate::{
    query::{DeliveryAction, DeliveryFilter},
    settle::Next,
};

/// One delivery in each state, by name.
async fn one_of_each(world: &World) -> (countersign_core::id::AccountId, SubscriptionId, Vec<(&'static str, Delivery)>) {
    let (account, subscription) = world.subscribed().await;
    let by = world.node().await;
    let mut all = Vec::new();
    for (row, next) in [
        ("delivered", Next::Delivered),
        ("parked", Next::Parked(ParkReason::Gone)),
        ("failed once", Next::Waiting { due_at: at(30), held: None }),
        ("cancelled", Next::Cancelled),
    ] {
        let delivery = world.recorded_as(account, subscription, 7, DeliveryState::Leased { by }).await;
        world.settle(&delivery, by, START, next).await;
        all.push((row, delivery));
    }
    all.push(("waiting", world.recorded_as(account, subscription, 7, waiting_until(at(99))).await));
    all.push(("held", world.recorded_as(account, subscription, 7, held(at(99), Hold::Paused)).await));
    all.push(("leased", world.recorded_as(account, subscription, 7, DeliveryState::Leased { by }).await));
    (account, subscription, all)
}

fn ids(all: &[(&'static str, Delivery)]) -> Vec<DeliveryId> {
    all.iter().map(|(_, delivery)| delivery.id).collect()
}

fn names(all: &[(&'static str, Delivery)], changed: &[DeliveryId]) -> Vec<&'static str> {
    all.iter().filter(|(_, delivery)| changed.contains(&delivery.id)).map(|(row, _)| *row).collect()
}

/// Retry: what waits or is parked is due at once, its id the same and its schedule anew. Its next message counts the attempts before
/// it and no wish of a person: settling has raised `retryCount` already.
pub async fn a_retry_starts_the_schedule_anew(world: World) {
    let (account, _, all) = one_of_each(&world).await;
    let changed = world.store.act_on_deliveries(account, ids(&all), DeliveryAction::Retry, at(5)).await.expect("done");
    assert_eq!(names(&all, &changed), ["parked", "failed once", "waiting", "held"]);
    for (row, before) in &all {
        let after = world.read(before).await.listed.delivery;
        if !changed.contains(&before.id) {
            continue;
        }
        let made = u32::from(matches!(*row, "parked" | "failed once"));
        assert_eq!(after.state, waiting_until(at(5)), "{row}");
        assert_eq!((after.attempts_made, after.retry_count), (made, made), "{row}");
        assert_eq!((after.schedule_started_at, after.attempts_before_schedule), (at(5), made), "{row}");
        assert_eq!(after.held_total, Duration::ZERO, "{row}");
    }
}

/// The message after a retry carries the number of attempts before it: one more than the last, whoever asked for it.
pub async fn each_message_counts_the_attempts_before_it(world: World) {
    let (account, subscription) = world.subscribed().await;
    let by = world.node().await;
    let delivery = world.waiting(account, subscription, 7).await;
    let wish = async |seconds| {
        let changed = world.store.act_on_deliveries(account, vec![delivery.id], DeliveryAction::Retry, at(seconds)).await.expect("done");
        assert_eq!(changed, [delivery.id]);
    };
    for (round, next) in (0..).zip([
        Next::Waiting { due_at: at(500), held: None },
        Next::Parked(ParkReason::Exhausted),
        Next::Waiting { due_at: at(900), held: None },
    ]) {
        // Twice is no more than once: no message goes out in between.
        wish(u64::from(round) * 10 + 1).await;
        wish(u64::from(round) * 10 + 2).await;
        let now = at(u64::from(round) * 10 + 2);
        let claimed = world.claim(by, now, 7, 1).await;
        assert_eq!(claimed.len(), 1, "round {round}");
        assert_eq!((claimed[0].delivery.id, claimed[0].delivery.retry_count), (delivery.id, round), "round {round}");
        world.settle(&claimed[0].delivery, by, now, next).await;
    }
}

/// Cancel: what waits or is parked is wanted by nobody any more.
pub async fn a_cancelled_delivery_is_not_attempted(world: World) {
    let (account, _, all) = one_of_each(&world).await;
    let by = world.node().await;
    let changed = world.store.act_on_deliveries(account, ids(&all), DeliveryAction::Cancel, at(5)).await.expect("done");
    assert_eq!(names(&all, &changed), ["parked", "failed once", "waiting", "held"]);
    for (row, delivery) in &all {
        if changed.contains(&delivery.id) {
            assert_eq!(world.state(delivery).await, DeliveryState::Cancelled { at: at(5) }, "{row}");
        }
    }
    assert!(world.claim(by, at(999), 7, 10).await.is_empty());
    let backlog = world.store.backlog(Some(account), None).await.expect("read");
    assert_eq!((backlog.waiting, backlog.held, backlog.leased, backlog.parked), (0, 0, 1, 0));
}

/// Hide: gone from the Connect log, nothing else changes.
pub async fn a_hidden_delivery_is_left_out_where_asked(world: World) {
    let (account, _, all) = one_of_each(&world).await;
    let before: Vec<_> = ids(&all).into_iter().rev().collect();
    let hide = vec![all[0].1.id, all[1].1.id];
    let changed = world.store.act_on_deliveries(account, hide.clone(), DeliveryAction::Hide, at(5)).await.expect("done");
    assert_eq!(changed, hide);
    assert!(world.store.act_on_deliveries(account, hide, DeliveryAction::Hide, at(6)).await.expect("done").is_empty(), "once is enough");
    assert_eq!(world.listed(account, DeliveryFilter::default()).await, before);
    let shown = world.listed(account, DeliveryFilter { unless_hidden: true, ..DeliveryFilter::default() }).await;
    assert_eq!(shown, before[..5]);
    assert!(world.read(&all[0].1).await.listed.hidden);
    assert_eq!(world.state(&all[1].1).await, DeliveryState::Parked { reason: ParkReason::Gone, at: START });
}

/// Deliveries of another account are not found by their ids.
pub async fn nobody_acts_on_another_account(world: World) {
    let (account, _, all) = one_of_each(&world).await;
    let other = world.account().await;
    for action in [DeliveryAction::Retry, DeliveryAction::Cancel, DeliveryAction::Hide] {
        assert!(world.store.act_on_deliveries(other, ids(&all), action, at(5)).await.expect("done").is_empty(), "{action:?}");
        let by_filter = world.store.act_on_filter(other, DeliveryFilter::default(), action, at(5), 100).await.expect("done");
        assert_eq!(by_filter, 0, "{action:?}");
    }
    for (row, delivery) in &all {
        assert!(world.store.delivery(other, delivery.id).await.expect("read").is_none(), "{row}");
    }
    assert_eq!(world.store.backlog(Some(account), None).await.expect("read").parked, 1);
}

/// An action over a filter goes oldest first, some at a time, and comes to an end when it is repeated with its time.
pub async fn an_action_over_a_filter_comes_to_an_end(world: World) {
    for (action, expected) in [(DeliveryAction::Retry, 7), (DeliveryAction::Cancel, 7), (DeliveryAction::Hide, 7)] {
        let (account, subscription) = world.subscribed().await;
        let by = world.node().await;
        let mut failed = Vec::new();
        for round in 0..7 {
            let delivery = world.recorded_as(account, subscription, 7, DeliveryState::Leased { by }).await;
            let next = if round % 2 == 0 { Next::Parked(ParkReason::Exhausted) } else { Next::Waiting { due_at: at(500), held: None } };
            world.settle(&delivery, by, START, next).await;
            failed.push(delivery);
        }
        world.waiting(account, subscription, 7).await;
        let failures = DeliveryFilter { failures: true, ..DeliveryFilter::default() };
        let mut counts = Vec::new();
        loop {
            let changed = world.store.act_on_filter(account, failures.clone(), action, at(60), 3).await.expect("done");
            if counts.is_empty() {
                let touched = match action {
                    DeliveryAction::Hide => world.read(&failed[0]).await.listed.hidden,
                    _ => world.state(&failed[0]).await != DeliveryState::Parked { reason: ParkReason::Exhausted, at: START },
                };
                assert!(touched, "{action:?}: the oldest goes first");
            }
            counts.push(changed);
            if changed == 0 {
                break;
            }
        }
        assert_eq!(counts.iter().sum::<u32>(), expected, "{action:?}");
        assert_eq!(counts.len(), 4, "{action:?}: {counts:?}");
    }
}
