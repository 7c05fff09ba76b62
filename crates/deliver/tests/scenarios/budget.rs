//! Memory is bounded by settings, never by the backlog.

use countersign_core::{delivery::DeliveryState, id::ListenerId, subscription::Pace};
use countersign_deliver::Settings;
use countersign_store::Store;

use crate::support::{
    house::House,
    played::{Played, Plays},
};

const SNAPSHOT_BYTES: usize = 4_000;

#[tokio::test(start_paused = true)]
async fn no_more_bytes_are_in_memory_than_the_budget_and_one_delivery() {
    let house = House::new().await;
    let subscription = house.subscribe("https://one.example/", Pace::default()).await.id;
    let executor = Played::new(&house, &[], |_, _| Plays::Hangs);
    let mut all = Vec::new();
    for lane in 0..5 {
        for _ in 0..6 {
            let event = house.event(SNAPSHOT_BYTES);
            let delivery = house.delivery(&event, subscription, ListenerId(lane));
            house.record(event, vec![delivery.clone()]).await;
            all.push(delivery.id);
        }
    }
    let settings = Settings { bytes_in_memory_max: 3 * SNAPSHOT_BYTES, ..Settings::default() };
    let mut running = house.work(executor.clone(), settings).await;
    executor.wait_for_begun(1).await;
    // Several rounds of claims, which must bring nothing more.
    let claims = house.store.calls_of("due_listeners");
    house.store.wait_for("due_listeners", claims + 5).await;
    let in_memory: u32 = running.worker.lanes().views().iter().map(|view| view.in_flight + view.queued).sum();
    assert!((1..=4).contains(&in_memory), "{in_memory} of 4,000 bytes each with a budget of three");
    assert_eq!(house.store.backlog(None, None).await.expect("read").leased, u64::from(in_memory));
    assert!(running.worker.hand_over().reserve(ListenerId(9), SNAPSHOT_BYTES).is_none(), "a fresh one waits in the store");
    executor.release();
    running.wait_for(all.len()).await;
    for id in all {
        assert!(matches!(house.state(id).await, DeliveryState::Delivered { .. }));
    }
    running.worker.shut_down().await;
}
