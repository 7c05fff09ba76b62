//! A fault of ours in one attempt stays with its delivery.

use countersign_core::{
    delivery::{DeliveryState, ParkReason},
    id::ListenerId,
    subscription::Pace,
};
use countersign_deliver::Settings;

use crate::support::{
    house::House,
    played::{Played, Plays},
};

#[tokio::test(start_paused = true)]
async fn a_panic_parks_its_delivery_and_no_other() {
    let house = House::new().await;
    let subscription = house.subscribe("https://one.example/", Pace::default()).await.id;
    let all = house.waiting(subscription, ListenerId(7), 10).await;
    let bad = all[3].id;
    let executor = Played::new(&house, &[], move |item, _| if item.delivery.id == bad { Plays::Panics } else { Plays::Answers(200) });
    let mut running = house.work(executor, Settings::default()).await;
    running.wait_for(10).await;
    for delivery in &all {
        let state = house.state(delivery.id).await;
        if delivery.id == bad {
            assert!(matches!(state, DeliveryState::Parked { reason: ParkReason::Poison, .. }), "{state:?}");
        } else {
            assert!(matches!(state, DeliveryState::Delivered { .. }), "{state:?}");
        }
    }
    running.worker.shut_down().await;
}
