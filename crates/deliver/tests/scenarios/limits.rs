//! Limits of a subscription: at its limit it blocks no other, nothing is spent, nothing spins.

use std::{num::NonZeroU32, time::Duration};

use countersign_core::{
    delivery::DeliveryState,
    id::ListenerId,
    limits::{Limits, Rate},
    listener::lane_of_its_own,
    subscription::Pace,
};
use countersign_deliver::Settings;
use countersign_store::Store;
use countersign_testkit::Listener;

use crate::support::{
    house::{House, START},
    played::{Played, Plays},
    wire,
};

const SHARED: ListenerId = ListenerId(7);

fn limits(concurrency: u32, rate: u32) -> Limits {
    Limits { concurrency_max: NonZeroU32::new(concurrency), rate: NonZeroU32::new(rate).map(Rate) }
}

#[tokio::test(start_paused = true)]
async fn a_subscription_at_its_concurrency_does_not_block_the_others_of_its_listener() {
    let house = House::new().await;
    let limited = house.subscribe("https://one.example/a", Pace::default()).await.id;
    let free = house.subscribe("https://one.example/b", Pace::default()).await.id;
    let executor =
        Played::new(&house, &[], move |item, _| if item.delivery.subscription == limited { Plays::Hangs } else { Plays::Answers(200) });
    executor.limit(limited, limits(2, 0));
    let stuck = house.waiting(limited, lane_of_its_own(limited), 60).await;
    house.waiting(free, SHARED, 60).await;
    let mut running = house.work(executor.clone(), Settings::default()).await;
    running.wait_for(60).await;
    let journal = executor.journal();
    assert_eq!(journal.begun.iter().filter(|(_, of, _)| *of == free).count(), 60);
    // A lane grows with its answers, and this one has none yet.
    assert_eq!(journal.under_way[&limited], 1);
    let backlog = house.store.backlog(None, Some(limited)).await.expect("read");
    assert!(backlog.waiting >= 40, "most of it waits in the store: {backlog:?}");
    assert_eq!(backlog.oldest_due.map(|due| due.since(START) < Duration::from_secs(1)), Some(true), "and is seen to wait");
    executor.release();
    running.wait_for(120).await;
    assert_eq!(executor.journal().most[&limited], 2, "two at once and no more");
    assert!(matches!(house.state(stuck[59].id).await, DeliveryState::Delivered { .. }));
    running.worker.shut_down().await;
}

#[tokio::test(start_paused = true)]
async fn what_is_over_the_rate_waits_in_the_store_and_goes_when_its_turn_comes() {
    let house = House::new().await;
    let limited = house.subscribe("https://one.example/a", Pace::default()).await.id;
    let executor = Played::new(&house, &[], |_, _| Plays::Answers(200));
    executor.limit(limited, limits(0, 10));
    let all = house.waiting(limited, lane_of_its_own(limited), 100).await;
    let mut running = house.work(executor.clone(), Settings::default()).await;
    running.wait_for(40).await;
    let backlog = house.store.backlog(None, Some(limited)).await.expect("read");
    assert!(backlog.waiting > 40 && backlog.leased < 20, "what cannot go within a second is not claimed: {backlog:?}");
    let due = backlog.oldest_due.expect("something waits");
    assert!(due.since(START) < Duration::from_secs(1), "how late it is can be seen: it has been due since {due:?}");
    running.wait_for(100).await;
    let begun: Vec<_> = executor.journal().begun.iter().map(|(_, _, at)| *at).collect();
    for window in begun.windows(12) {
        assert!(window[11].since(window[0]) >= Duration::from_millis(999), "more than ten and a burst of one within a second");
    }
    let took = begun[99].since(begun[0]);
    assert!(took >= Duration::from_millis(9_890) && took < Duration::from_secs(12), "ten a second, and no slower: {took:?}");
    let claims = house.store.calls_of("claim_due");
    assert!(claims < 120, "nothing spins: {claims} claims for a hundred deliveries");
    for delivery in &all {
        assert_eq!(house.read(delivery.id).await.listed.delivery.attempts_made, 1, "no attempt is spent on waiting");
    }
    running.worker.shut_down().await;
}

#[tokio::test(start_paused = true)]
async fn fresh_deliveries_take_the_short_way_within_the_rate_alone() {
    let house = House::new().await;
    let limited = house.subscribe("https://one.example/a", Pace::default()).await.id;
    let lane = lane_of_its_own(limited);
    let executor = Played::new(&house, &[], |_, _| Plays::Answers(200));
    executor.limit(limited, limits(0, 10));
    let mut running = house.work(executor, Settings::default()).await;
    let hand_over = running.worker.hand_over();
    assert!(hand_over.reserve(lane, 10).is_none(), "not before the limits are known");
    house.waiting(limited, lane, 1).await;
    hand_over.wake(lane);
    running.wait_for(1).await;
    // Until the next look, which finds nothing more in the store.
    house.store.wait_for("next_due", house.store.calls_of("next_due") + 2).await;
    let slots: Vec<_> = std::iter::from_fn(|| hand_over.reserve(lane, 10)).take(100).collect();
    assert!((10..=11).contains(&slots.len()), "{} places for what goes out within a second", slots.len());
    drop(slots);
    running.worker.shut_down().await;
}

#[tokio::test(start_paused = true)]
async fn a_changed_limit_is_obeyed_within_a_poll() {
    let house = House::new().await;
    let limited = house.subscribe("https://one.example/a", Pace::default()).await.id;
    let executor = Played::new(&house, &[], |_, _| Plays::Answers(200));
    executor.limit(limited, limits(0, 1));
    house.waiting(limited, lane_of_its_own(limited), 200).await;
    let mut running = house.work(executor.clone(), Settings::default()).await;
    running.wait_for(3).await;
    executor.limit(limited, limits(0, 1_000));
    let changed_at = house.now();
    running.wait_for(200).await;
    assert!(house.now().since(changed_at) < Duration::from_secs(4), "{:?}", house.now().since(changed_at));
    running.worker.shut_down().await;
}

#[tokio::test(start_paused = true)]
async fn live_nodes_share_a_limit() {
    let house = House::new().await;
    let limited = house.subscribe("https://one.example/a", Pace::default()).await.id;
    let executor = Played::new(&house, &[], |_, _| Plays::Answers(200));
    executor.limit(limited, limits(0, 10));
    // Another node that lives and does nothing.
    house.store.register_node("idle", 99, house.now(), Duration::from_secs(3_600)).await.expect("registered");
    house.waiting(limited, lane_of_its_own(limited), 50).await;
    let mut running = house.work(executor.clone(), Settings::default()).await;
    running.wait_for(50).await;
    let begun: Vec<_> = executor.journal().begun.iter().map(|(_, _, at)| *at).collect();
    assert!(begun[49].since(begun[0]) >= Duration::from_secs(9), "half of ten a second each");
    running.worker.shut_down().await;
}

#[tokio::test]
async fn what_was_recorded_before_a_limit_was_set_obeys_it_as_well() {
    let house = House::new().await;
    let listener = Listener::start().await;
    let pace = Pace { concurrency_max: Some(1), rate_per_second_max: Some(20), ..Pace::default() };
    let subscription = house.subscribe(&listener.url("/hook"), pace).await;
    let shared = subscription.listener(None).id();
    let all = house.waiting(subscription.id, shared, 10).await;
    let settings = Settings::default();
    let mut running = house.work(wire::attempts(&house, &settings), settings).await;
    let received = listener.wait_for(10).await;
    running.wait_for(10).await;
    for window in received.windows(4) {
        // Two go together as a burst of a tenth of a second, then one every 50 ms.
        let apart = window[3].arrived_at.duration_since(window[0].arrived_at);
        assert!(apart >= Duration::from_millis(60), "four within {apart:?}");
    }
    for delivery in &all {
        let read = house.read(delivery.id).await;
        assert_eq!((read.listed.delivery.listener, read.attempts.len()), (lane_of_its_own(subscription.id), 1));
    }
    running.worker.shut_down().await;
}
