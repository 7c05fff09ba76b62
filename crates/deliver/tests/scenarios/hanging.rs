//! A listener that takes requests and never answers.

use std::time::Duration;

use countersign_core::{id::ListenerId, subscription::Pace};
use countersign_deliver::Settings;
use countersign_store::Store;

use crate::support::{
    house::House,
    played::{Played, Plays},
};

#[tokio::test(start_paused = true)]
async fn a_hanging_listener_does_not_delay_another() {
    let house = House::new().await;
    let subscription = house.subscribe("https://one.example/", Pace::default()).await.id;
    let (hanging, healthy) = (ListenerId(1), ListenerId(2));
    let executor = Played::new(&house, &[], move |item, _| {
        if item.delivery.listener == hanging { Plays::Hangs } else { Plays::Late(Duration::from_millis(10), 200) }
    });
    // All of it was due before anything of the healthy one.
    house.waiting(subscription, hanging, 300).await;
    house.waiting(subscription, healthy, 300).await;
    let began_at = house.now();
    let mut running = house.work(executor.clone(), Settings::default()).await;
    running.wait_for(300).await;
    let took = house.now().since(began_at);
    assert!(took < Duration::from_secs(3), "300 of 10 ms each in a lane that grows to 64: {took:?}");
    assert!(running.settled().iter().all(|(settlement, _)| settlement.attempt.as_ref().is_some_and(|attempt| attempt.class == "accepted")));
    let backlog = house.store.backlog(None, None).await.expect("read");
    assert!(backlog.leased <= 16, "the hanging one holds a handful: {backlog:?}");
    executor.release();
    running.wait_for(600).await;
    running.worker.shut_down().await;
}
