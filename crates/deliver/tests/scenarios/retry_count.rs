//! `retryCount` counts the attempts before a message, whoever asked for it.

use std::time::Duration;

use countersign_core::{retry::RetryProfile, subscription::Pace};
use countersign_deliver::Settings;
use countersign_store::{Store, query::DeliveryAction};
use countersign_testkit::Listener;
use serde_json::Value;

use crate::support::{house::House, wire};

#[tokio::test]
async fn the_message_after_a_retry_queue_carries_one_more_than_the_attempt_before_it() {
    let house = House::new().await;
    let listener = Listener::start().await;
    listener.status_next([503, 500, 200]);
    let hour = Duration::from_secs(3_600);
    let pace = Pace { retry: Some(RetryProfile::Gaps(vec![hour])), ..Pace::default() };
    let subscription = house.subscribe(&listener.url("/hook"), pace).await;
    let lane = subscription.lane(None);
    let delivery = house.waiting(subscription.id, lane, 1).await.remove(0);
    let settings = Settings::default();
    let mut running = house.work(wire::attempts(&house, &settings), settings).await;
    for round in 1..=2 {
        running.wait_for(round).await;
        // The first round leaves it waiting for an hour, the second one is the first of a schedule anew.
        let changed = house.store.act_on_deliveries(house.account, vec![delivery.id], DeliveryAction::Retry, house.now()).await;
        assert_eq!(changed, Ok(vec![delivery.id]));
        running.worker.hand_over().wake(lane);
    }
    running.wait_for(3).await;
    let received = listener.wait_for(3).await;
    let counts: Vec<Value> =
        received.iter().map(|r| serde_json::from_slice::<Value>(&r.body).expect("JSON")["retryCount"].clone()).collect();
    assert_eq!(counts, [0, 1, 2]);
    let ids: Vec<_> = received.iter().map(|r| r.header("x-countersign-delivery").expect("an id").to_owned()).collect();
    assert!(ids.iter().all(|id| *id == delivery.id.to_string()), "{ids:?}");
    let read = house.read(delivery.id).await;
    assert_eq!(read.attempts.iter().map(|attempt| attempt.retry_count).collect::<Vec<_>>(), [0, 1, 2]);
    running.worker.shut_down().await;
}
