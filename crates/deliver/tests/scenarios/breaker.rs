//! A listener that does not answer: the breaker opens, probes, and lets the backlog go when it is back.

use std::time::Duration;

use countersign_core::{delivery::DeliveryState, id::ListenerId, subscription::Pace};
use countersign_deliver::{Settings, pace::BREAKER_FAILURES};

use crate::support::{
    house::{House, START},
    played::{Played, Plays},
};

const LANE: ListenerId = ListenerId(7);

#[tokio::test(start_paused = true)]
async fn the_breaker_opens_probes_and_ramps_up_again() {
    let house = House::new().await;
    let subscription = house.subscribe("https://one.example/", Pace::default()).await.id;
    let back_at = START + Duration::from_secs(20);
    let executor =
        Played::new(&house, &[60], move |_, now| if now < back_at { Plays::Silence } else { Plays::Late(Duration::from_millis(10), 200) });
    let all = house.waiting(subscription, LANE, 200).await;
    let mut running = house.work(executor.clone(), Settings::default()).await;
    running.wait_for(BREAKER_FAILURES as usize).await;
    let opened_at = house.now();
    let views = running.worker.lanes().views();
    assert!(views[0].breaker_open, "{views:?}");
    running.wait_until("the listener is back", |settled| settled.len() > 60).await;
    let begun = executor.journal().begun;
    let silent: Vec<_> =
        begun.iter().filter(|(_, _, at)| *at > opened_at && *at < back_at).map(|(_, _, at)| at.since(opened_at).as_secs()).collect();
    // One probe after 1 s, then pauses of 2, 4 and 8 s.
    assert!(silent.len() <= 5, "it is left alone: probes after {silent:?} s");
    let first_back = begun.iter().map(|(_, _, at)| *at).find(|at| *at >= back_at).expect("it came back");
    assert!(first_back.since(back_at) <= Duration::from_secs(17), "the pause is bounded");
    let together = begun.iter().filter(|(_, _, at)| *at == first_back).count();
    assert_eq!(together, 1, "a probe goes alone");
    running.wait_for(200 + 20).await;
    assert!(executor.journal().most[&subscription] > 8, "with its answers the lane grows again");
    assert!(matches!(house.state(all[199].id).await, DeliveryState::Delivered { .. }));
    assert_eq!(house.read(all[199].id).await.listed.delivery.attempts_made, 1, "waiting for the breaker spends no attempt");
    running.worker.shut_down().await;
}
