//! A graceful end: a grace for what is under way, nothing lost, nothing counted that was cut off.

use std::time::Duration;

use countersign_core::{delivery::DeliveryState, id::ListenerId, subscription::Pace};
use countersign_deliver::Settings;
use countersign_store::Store;
use countersign_testkit::StoreFault;

use crate::support::{
    house::{House, Running},
    played::{Played, Plays},
};

#[tokio::test(start_paused = true)]
async fn what_is_under_way_may_end_and_what_does_not_is_interrupted_and_not_counted() {
    let house = House::new().await;
    let subscription = house.subscribe("https://one.example/", Pace::default()).await.id;
    let settings = Settings::default();
    let (quick, endless) = (ListenerId(1), ListenerId(2));
    let executor =
        Played::new(
            &house,
            &[],
            move |item, _| {
                if item.delivery.listener == endless { Plays::Hangs } else { Plays::Late(Duration::from_secs(20), 200) }
            },
        );
    let ends = house.waiting(subscription, quick, 3).await;
    let hangs = house.waiting(subscription, endless, 3).await;
    let running = house.work(executor.clone(), settings.clone()).await;
    // Each lane begins with one; the others are in memory.
    executor.wait_for_begun(2).await;
    let asked_at = house.now();
    let hand_over = running.worker.hand_over();
    running.worker.shut_down().await;
    assert_eq!(house.now().since(asked_at), settings.grace, "no longer than the grace");
    assert_eq!(executor.journal().begun.len(), 2, "nothing new was begun");
    assert!(hand_over.reserve(quick, 10).is_none(), "and no place is given");

    let ended = house.read(ends[0].id).await;
    assert!(matches!(ended.listed.delivery.state, DeliveryState::Delivered { .. }), "{ended:?}");
    let cut = house.read(hangs[0].id).await;
    assert_eq!((cut.attempts.len(), cut.attempts[0].class.as_str(), cut.attempts[0].counted), (1, "interrupted", false));
    assert_eq!((cut.listed.delivery.attempts_made, cut.listed.delivery.retry_count), (0, 0), "it was not counted");
    for delivery in ends[1..].iter().chain(&hangs) {
        let state = house.state(delivery.id).await;
        assert!(matches!(state, DeliveryState::Waiting { due_at, held: None } if due_at <= house.now()), "it is due: {state:?}");
    }
    assert!(house.store.nodes().await.expect("read").is_empty(), "the node has retired");

    // The next life finishes what is left, at once.
    executor.release();
    let mut next = house.work(executor, settings).await;
    next.wait_for(5).await;
    for delivery in ends.iter().chain(&hangs) {
        assert!(matches!(house.state(delivery.id).await, DeliveryState::Delivered { .. }));
    }
    next.worker.shut_down().await;
}

#[tokio::test(start_paused = true)]
async fn who_is_in_a_hurry_ends_the_grace_and_what_hangs_is_interrupted_at_once() {
    let house = House::new().await;
    let subscription = house.subscribe("https://one.example/", Pace::default()).await.id;
    let executor = Played::new(&house, &[], |_, _| Plays::Hangs);
    let hangs = house.waiting(subscription, ListenerId(1), 1).await.remove(0);
    let running = house.work(executor.clone(), Settings::default()).await;
    executor.wait_for_begun(1).await;
    let (asked_at, cut_off) = (house.now(), running.worker.cut_off());
    let hurry = async {
        tokio::time::sleep(Duration::from_secs(2)).await;
        cut_off.cancel();
    };
    tokio::join!(running.worker.shut_down(), hurry);
    assert_eq!(house.now().since(asked_at), Duration::from_secs(2), "no longer than somebody had patience");
    let cut = house.read(hangs.id).await;
    assert_eq!((cut.attempts.len(), cut.attempts[0].class.as_str(), cut.attempts[0].counted), (1, "interrupted", false));
    assert!(matches!(cut.listed.delivery.state, DeliveryState::Waiting { held: None, .. }), "nothing is lost: {cut:?}");
}

#[tokio::test(start_paused = true)]
async fn what_waits_for_a_rate_goes_back_at_once() {
    use std::num::NonZeroU32;

    use countersign_core::{
        limits::{Limits, Rate},
        listener::lane_of_its_own,
    };
    let house = House::new().await;
    let subscription = house.subscribe("https://one.example/", Pace::default()).await.id;
    let executor = Played::new(&house, &[], |_, _| Plays::Answers(200));
    executor.limit(subscription, Limits { concurrency_max: None, rate: NonZeroU32::new(1).map(Rate) });
    let all = house.waiting(subscription, lane_of_its_own(subscription), 5).await;
    let mut running = house.work(executor, Settings::default()).await;
    running.wait_for(1).await;
    let asked_at = house.now();
    running.worker.shut_down().await;
    assert!(house.now().since(asked_at) < Duration::from_millis(100), "nobody waited for a turn");
    let mut waiting = 0;
    for delivery in &all {
        waiting += usize::from(matches!(house.state(delivery.id).await, DeliveryState::Waiting { .. }));
    }
    assert_eq!(waiting, 4);
}

/// A worker whose store takes no settlements, with an attempt made and more under way.
async fn unsettled(house: &House) -> (Running, Vec<countersign_core::delivery::Delivery>) {
    let subscription = house.subscribe("https://one.example/", Pace::default()).await.id;
    let executor = Played::new(house, &[], |_, _| Plays::Answers(200));
    let all = house.waiting(subscription, ListenerId(1), 3).await;
    house.store.fail_all("settle", StoreFault::NotMade);
    let running = house.work(executor.clone(), Settings::default()).await;
    executor.wait_for_begun(3).await;
    // It has failed, and is tried again.
    house.store.wait_for("settle", 2).await;
    (running, all)
}

#[tokio::test(start_paused = true)]
async fn a_store_that_settles_nothing_is_not_waited_for_beyond_the_grace() {
    let house = House::new().await;
    let (running, all) = unsettled(&house).await;
    let asked_at = house.now();
    running.worker.shut_down().await;
    assert_eq!(house.now().since(asked_at), Settings::default().grace, "as long as the grace, and one last try");

    // Nothing is lost: the next life makes the attempts again.
    house.store.mend();
    let mut next = house.work(Played::new(&house, &[], |_, _| Plays::Answers(200)), Settings::default()).await;
    next.wait_for(3).await;
    for delivery in &all {
        assert!(matches!(house.state(delivery.id).await, DeliveryState::Delivered { .. }));
    }
    next.worker.shut_down().await;
}

#[tokio::test(start_paused = true)]
async fn who_is_in_a_hurry_does_not_wait_for_a_store_that_settles_nothing() {
    let house = House::new().await;
    let (running, _) = unsettled(&house).await;
    let (asked_at, cut_off) = (house.now(), running.worker.cut_off());
    let hurry = async {
        tokio::time::sleep(Duration::from_secs(2)).await;
        cut_off.cancel();
    };
    tokio::join!(running.worker.shut_down(), hurry);
    assert_eq!(house.now().since(asked_at), Duration::from_secs(2));
}

#[tokio::test(start_paused = true)]
async fn a_store_that_settles_again_within_the_grace_is_told_everything() {
    let house = House::new().await;
    let (running, all) = unsettled(&house).await;
    let mends = async {
        tokio::time::sleep(Duration::from_secs(20)).await;
        house.store.mend();
    };
    tokio::join!(running.worker.shut_down(), mends);
    for delivery in &all {
        assert!(matches!(house.state(delivery.id).await, DeliveryState::Delivered { .. }));
    }
}

#[tokio::test(start_paused = true)]
async fn a_store_that_gives_no_answer_holds_nobody_up_for_ever() {
    let house = House::new().await;
    let subscription = house.subscribe("https://one.example/", Pace::default()).await.id;
    let executor = Played::new(&house, &[], |_, _| Plays::Answers(200));
    house.waiting(subscription, ListenerId(1), 1).await;
    house.store.hold("settle");
    let running = house.work(executor, Settings::default()).await;
    house.store.wait_for("settle", 1).await;
    let asked_at = house.now();
    running.worker.shut_down().await;
    assert_eq!(house.now().since(asked_at), Settings::default().grace + Duration::from_secs(5));
}
