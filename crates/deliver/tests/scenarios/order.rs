//! A subscription that asks for order per envelope.

use std::time::Duration;

use countersign_core::{
    delivery::{Delivery, DeliveryState},
    id::{ListenerId, SubscriptionId},
    subscription::Pace,
};
use countersign_deliver::Settings;

use crate::support::{
    house::House,
    played::{Played, Plays},
};

const LANE: ListenerId = ListenerId(7);

async fn chain(house: &House, subscription: SubscriptionId, key: i64, count: usize) -> Vec<Delivery> {
    let mut chain = Vec::new();
    for _ in 0..count {
        let event = house.event(10);
        let delivery = Delivery { order_key: Some(key), ..house.delivery(&event, subscription, LANE) };
        house.record(event, vec![delivery.clone()]).await;
        chain.push(delivery);
    }
    chain
}

#[tokio::test(start_paused = true)]
async fn deliveries_of_one_envelope_go_one_at_a_time_and_in_order() {
    let house = House::new().await;
    // Two subscriptions, since the journal counts by them; their deliveries share the lane.
    let (one, other) = (
        house.subscribe("https://one.example/", Pace::default()).await.id,
        house.subscribe("https://one.example/", Pace::default()).await.id,
    );
    // Each fails once, with the others due behind it.
    let executor =
        Played::new(&house, &[5], |item, _| if item.delivery.attempts_made == 0 { Plays::Answers(500) } else { Plays::Answers(200) });
    let first = chain(&house, one, 1, 5).await;
    let second = chain(&house, other, 2, 5).await;
    let mut running = house.work(executor.clone(), Settings::default()).await;
    running.wait_for(20).await;
    let journal = executor.journal();
    for (of, chain) in [(one, first), (other, second)] {
        assert_eq!(journal.most[&of], 1, "one at a time");
        let begun: Vec<_> = journal.begun.iter().filter(|(_, subscription, _)| *subscription == of).map(|(id, _, _)| *id).collect();
        let expected: Vec<_> = chain.iter().flat_map(|delivery| [delivery.id, delivery.id]).collect();
        assert_eq!(begun, expected, "a retry keeps its successors back");
    }
    running.worker.shut_down().await;
}

#[tokio::test(start_paused = true)]
async fn the_next_goes_once_the_one_before_is_written_however_long_that_takes() {
    let house = House::new().await;
    let subscription = house.subscribe("https://one.example/", Pace::default()).await.id;
    chain(&house, subscription, 1, 2).await;
    let executor = Played::new(&house, &[], |_, _| Plays::Answers(200));
    house.store.hold("settle");
    let settings = Settings { poll: Duration::from_secs(60), ..Settings::default() };
    let running = house.work(executor.clone(), settings).await;
    house.store.wait_for("settle", 1).await;
    // Whoever looks for the next meanwhile finds nothing.
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(executor.journal().begun.len(), 1);
    house.store.release("settle");
    let released = tokio::time::Instant::now();
    executor.wait_for_begun(2).await;
    assert!(released.elapsed() < Duration::from_secs(1), "{:?}", released.elapsed());
    running.worker.shut_down().await;
}

#[tokio::test(start_paused = true)]
async fn a_parked_head_releases_its_successors() {
    let house = House::new().await;
    let subscription = house.subscribe("https://one.example/", Pace::default()).await.id;
    let chain = chain(&house, subscription, 1, 3).await;
    let head = chain[0].id;
    let executor =
        Played::new(&house, &[], move |item, _| if item.delivery.id == head { Plays::Answers(500) } else { Plays::Answers(200) });
    let mut running = house.work(executor.clone(), Settings::default()).await;
    running.wait_for(3).await;
    let begun: Vec<_> = executor.journal().begun.iter().map(|(id, _, _)| *id).collect();
    assert_eq!(begun, chain.iter().map(|delivery| delivery.id).collect::<Vec<_>>());
    assert!(matches!(house.state(head).await, DeliveryState::Parked { .. }));
    for delivery in &chain[1..] {
        assert!(matches!(house.state(delivery.id).await, DeliveryState::Delivered { .. }));
    }
    running.worker.shut_down().await;
}
