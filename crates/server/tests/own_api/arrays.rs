//! Arrays of events, which are recorded together or not at all.

use serde_json::{Value, json};

use crate::house::{EVENT, House};

#[tokio::test]
async fn an_array_that_makes_too_many_deliveries_is_refused_before_anything_is_made() {
    let house = House::new().await;
    for n in 0..51 {
        house.subscription(&house.home.account, &format!("https://hooks.example/{n}")).await;
    }
    let events = |count: usize| -> Value { (0..count).map(|n| json!({"event": EVENT, "data": n})).collect::<Vec<_>>().into() };
    let refused = house.api("POST", "/events", Some(events(1_000))).await.expect(413);
    assert_eq!(refused["code"], "request-too-large", "{refused}");
    assert_eq!(house.api("GET", "/events", None).await.expect(200)["events"], json!([]));
    house.api("POST", "/events", Some(events(2))).await.expect(202);
    assert_eq!(house.deliveries(&house.home).await.len(), 102);
}
