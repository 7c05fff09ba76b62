//! Retention and the disk budget.

use std::time::Duration;

use countersign_server::{Settings, upkeep};
use countersign_store::settle::Next;
use serde_json::json;

use crate::house::{EVENT, House};

const DAY: Duration = Duration::from_secs(24 * 3600);

#[tokio::test]
async fn what_is_finished_and_old_goes_and_what_waits_stays() {
    let house = House::new().await;
    house.subscription(&house.home.account, "https://hooks.example/").await;
    // More than two steps' worth.
    house.post_events(&house.home, EVENT, 600).await;
    house.post_events(&house.home, EVENT, 600).await;
    let by = house.node(1).await;
    let settled = house.settle_all(by, |_| (200, Next::Delivered)).await;
    house.post_events(&house.home, EVENT, 2).await;
    assert_eq!(upkeep::round(&house.app).await.unwrap().expired, 0, "nothing is old yet");
    house.clock.advance(30 * DAY + DAY);
    house.post_events(&house.home, EVENT, 1).await;
    let round = upkeep::round(&house.app).await.unwrap();
    assert_eq!(round.expired as usize, settled);
    let left = house.deliveries(&house.home).await;
    assert_eq!(left.len(), 1_203 - settled, "unfinished ones are never deleted");
    assert!(left.iter().all(|delivery| delivery["state"] == "waiting"));
}

#[tokio::test]
async fn a_spent_disk_budget_closes_the_intake_until_there_is_room() {
    let house = House::with(Settings { disk_bytes_max: Some(1), ..Settings::default() }).await;
    house.subscription(&house.home.account, "https://hooks.example/").await;
    house.post_events(&house.home, EVENT, 3).await;
    let by = house.node(1).await;
    house.settle_all(by, |_| (200, Next::Delivered)).await;
    house.post_events(&house.home, EVENT, 2).await;
    house.clock.advance(Duration::from_secs(1));
    let round = upkeep::round(&house.app).await.unwrap();
    assert_eq!(round.for_room, 3, "finished ones go before their time");
    assert!(house.app.is_storage_full());
    let refused = house.api("POST", "/events", Some(json!({"event": EVENT, "data": 1}))).await;
    assert_eq!(refused.headers["retry-after"], "30");
    assert_eq!(refused.expect(507)["code"], "storage-full");
    assert_eq!(house.deliveries(&house.home).await.len(), 2, "reading goes on, and what waits is there");
    house.call("", "GET", "/readyz", None).await.expect(200);
    house.app.set_storage_full(false);
    house.post_events(&house.home, EVENT, 1).await;
}
