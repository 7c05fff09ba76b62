//! Deliveries: lists, one whole, and what a person does about them.

use std::time::Duration;

use countersign_core::delivery::{DeliveryState, ParkReason};
use countersign_store::{Store, settle::Next};
use serde_json::{Value, json};

use crate::house::{EVENT, House};

fn ids(page: &Value) -> Vec<String> {
    page["deliveries"].as_array().unwrap().iter().map(|delivery| delivery["id"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn deliveries_are_listed_newest_first_page_by_page() {
    let house = House::new().await;
    house.subscription(&house.home.account, "https://hooks.example/a").await;
    house.post_events(&house.home, EVENT, 7).await;
    let all = house.api("GET", "/deliveries", None).await.expect(200);
    assert_eq!(all["next"], Value::Null);
    let all = ids(&all);
    assert_eq!(all.len(), 7);
    assert!(all.windows(2).all(|pair| pair[0] > pair[1]), "newest first");
    let mut seen = Vec::new();
    let mut path = "/deliveries?limit=3".to_owned();
    loop {
        let page = house.api("GET", &path, None).await.expect(200);
        seen.extend(ids(&page));
        match page["next"].as_str() {
            Some(next) => path = format!("/deliveries?limit=3&before={next}"),
            None => break,
        }
    }
    assert_eq!(seen, all);
}

#[tokio::test]
async fn each_filter_leaves_what_fits() {
    let house = House::new().await;
    let account = house.home.account.clone();
    let (first, second) =
        (house.subscription(&account, "https://one.example/").await, house.subscription(&account, "https://two.example/").await);
    let event = house.post_events(&house.home, EVENT, 1).await.remove(0);
    let by = house.node(1).await;
    let accepted = house.deliveries(&house.home).await[0]["id"].as_str().unwrap().to_owned();
    let parked = Next::Parked(ParkReason::Exhausted);
    house.settle_all(by, |id| if id.to_string() == accepted { (200, Next::Delivered) } else { (503, parked) }).await;
    house.clock.advance(Duration::from_secs(3600));
    house.post_events(&house.home, "invoice.sent", 1).await;
    for (query, count) in [
        ("state=waiting".to_owned(), 2),
        ("state=delivered,parked".to_owned(), 2),
        ("state=leased".to_owned(), 0),
        ("failures=true".to_owned(), 1),
        (format!("subscription={first}"), 2),
        (format!("subscription={second}&state=waiting"), 1),
        (format!("event={event}"), 2),
        ("event=invoice.sent".to_owned(), 2),
        ("event=invoice.*".to_owned(), 0),
        ("class=http_5xx".to_owned(), 1),
        ("class=accepted".to_owned(), 1),
        ("class=dns".to_owned(), 0),
        ("from=2025-11-01T10:30:00Z".to_owned(), 2),
        ("to=2025-11-01T10:30:00Z".to_owned(), 2),
        ("envelope=00000000-0000-4000-8000-000000000000".to_owned(), 0),
    ] {
        let answer = house.api("GET", &format!("/deliveries?{query}"), None).await;
        if query.contains('*') {
            answer.expect(400);
            continue;
        }
        let page = answer.expect(200);
        assert_eq!(ids(&page).len(), count, "{query}: {page}");
    }
    for query in ["state=sent", "limit=0", "limit=1001", "limit=x", "before=x", "colour=red", "state=parked&state=waiting", "from=x"] {
        let problem = house.api("GET", &format!("/deliveries?{query}"), None).await.expect(400);
        assert_eq!(problem["code"], "invalid-request-parameter", "{query}");
    }
}

#[tokio::test]
async fn a_delivery_tells_its_attempts_and_what_comes_next() {
    let house = House::new().await;
    house.subscription(&house.home.account, "https://hooks.example/in").await;
    let event = house.post_events(&house.home, EVENT, 1).await.remove(0);
    let by = house.node(1).await;
    let due_at = house.clock.now() + Duration::from_secs(15);
    house.settle_all(by, |_| (503, Next::Waiting { due_at, held: None })).await;
    let id = house.deliveries(&house.home).await[0]["id"].as_str().unwrap().to_owned();
    let whole = house.api("GET", &format!("/deliveries/{id}"), None).await.expect(200);
    assert_eq!(whole["state"], "waiting");
    assert_eq!(whole["eventId"], event.as_str());
    assert_eq!(whole["dueAt"], "2025-11-01T10:00:15.0000000Z");
    assert_eq!(whole["lastError"], "the listener answered 503");
    assert_eq!(whole["next"], "attempted at 2025-11-01T10:00:15.0000000Z after the answer 503, by the retry profile of its subscription");
    let attempt = &whole["attempts"][0];
    assert_eq!(attempt["elapsedMs"], 1.5);
    assert_eq!(attempt["request"]["url"], "https://hooks.example/in");
    assert_eq!(attempt["answer"]["body"], "thanks");

    let path = format!("/deliveries/{id}/attempts/{}/body", attempt["id"].as_str().unwrap());
    let body = house.api("GET", &path, None).await;
    assert_eq!(body.headers["content-type"], "application/json; charset=utf-8");
    assert_eq!(body.headers["x-content-type-options"], "nosniff");
    assert_eq!(body.body.len() as u64, attempt["request"]["bodyBytes"].as_u64().unwrap());
    let sent = body.expect(200);
    assert_eq!((&sent["event"], &sent["data"]), (&json!(EVENT), &json!({"n": 0})));
}

#[tokio::test]
async fn a_body_that_cannot_be_made_any_more_is_not_guessed() {
    let house = House::new().await;
    let subscription = house.subscription(&house.home.account, "https://hooks.example/").await;
    house.post_events(&house.home, EVENT, 1).await;
    let by = house.node(1).await;
    house.settle_all(by, |_| (200, Next::Delivered)).await;
    let id = house.deliveries(&house.home).await[0]["id"].as_str().unwrap().to_owned();
    let attempt = house.api("GET", &format!("/deliveries/{id}"), None).await.json()["attempts"][0]["id"].as_str().unwrap().to_owned();
    house.store.delete_subscription(house.home.account.id, subscription, house.clock.now()).await.unwrap().unwrap();
    house.app.configs.invalidate(house.home.account.id);
    let refused = house.api("GET", &format!("/deliveries/{id}/attempts/{attempt}/body"), None).await.expect(409);
    assert_eq!(refused["code"], "body-not-available");
}

#[tokio::test]
async fn a_parked_delivery_is_attempted_again_under_its_id() {
    let house = House::new().await;
    house.subscription(&house.home.account, "https://hooks.example/").await;
    house.post_events(&house.home, EVENT, 2).await;
    let by = house.node(1).await;
    let listed = house.deliveries(&house.home).await;
    let (parked, delivered) = (listed[0]["id"].as_str().unwrap(), listed[1]["id"].as_str().unwrap());
    house
        .settle_all(by, |id| if id.to_string() == parked { (500, Next::Parked(ParkReason::Exhausted)) } else { (200, Next::Delivered) })
        .await;
    let before = house.api("GET", &format!("/deliveries/{parked}"), None).await.expect(200);
    assert_eq!(before["next"], "nothing until a person acts: the retry profile has no further attempt");
    house.clock.advance(Duration::from_secs(60));

    let after = house.api("POST", &format!("/deliveries/{parked}/retry"), None).await.expect(200);
    assert_eq!((&after["state"], &after["id"]), (&json!("waiting"), &before["id"]));
    assert_eq!((&before["retryCount"], &after["retryCount"]), (&json!(1), &json!(1)), "of the next message: one attempt came before it");
    assert_eq!(after["next"], "due; attempted as soon as its listener has room");
    let refused = house.api("POST", &format!("/deliveries/{delivered}/retry"), None).await.expect(409);
    assert_eq!(refused["code"], "wrong-state");

    house.api("POST", &format!("/deliveries/{parked}/cancel"), None).await.expect(200);
    assert!(matches!(house.state(&house.home, parked).await, DeliveryState::Cancelled { .. }));
    for action in ["retry", "cancel", "replay"] {
        house.api("POST", &format!("/deliveries/{parked}/{action}"), None).await.expect(409);
    }
}

#[tokio::test]
async fn a_delivered_one_is_sent_again_by_a_new_delivery() {
    let house = House::new().await;
    house.subscription(&house.home.account, "https://hooks.example/").await;
    house.post_events(&house.home, EVENT, 1).await;
    let by = house.node(1).await;
    house.settle_all(by, |_| (200, Next::Delivered)).await;
    let old = house.deliveries(&house.home).await.remove(0);
    let path = format!("/deliveries/{}/replay", old["id"].as_str().unwrap());
    house.clock.advance(Duration::from_secs(1));
    let counts = house.api("POST", &path, None).await.expect(202);
    assert_eq!(counts, json!({"retried": 0, "replayed": 1}));
    house.api("POST", &path, None).await.expect(202);
    let listed = house.deliveries(&house.home).await;
    assert_eq!(listed.len(), 3, "each wish makes one");
    for new in &listed[..2] {
        assert_eq!((&new["replayOf"], &new["eventId"], &new["state"]), (&old["id"], &old["eventId"], &json!("waiting")));
        assert_eq!(new["retryCount"], 0);
        assert!(new["generatedAt"].as_str() > old["generatedAt"].as_str(), "a listener must not take it for a duplicate: {new}");
    }
    assert_eq!(house.settle_all(by, |_| (200, Next::Delivered)).await, 2, "and they are due");
}

#[tokio::test]
async fn the_backlog_is_counted_by_state() {
    let house = House::new().await;
    let subscription = house.subscription(&house.home.account, "https://hooks.example/").await;
    house.post_events(&house.home, EVENT, 3).await;
    let by = house.node(1).await;
    house.settle_all(by, |_| (500, Next::Parked(ParkReason::Exhausted))).await;
    house.post_events(&house.home, EVENT, 2).await;
    for path in ["/backlog".to_owned(), format!("/backlog?subscription={subscription}")] {
        let backlog = house.api("GET", &path, None).await.expect(200);
        assert_eq!((&backlog["waiting"], &backlog["parked"], &backlog["held"]), (&json!(2), &json!(3), &json!(0)), "{path}");
        assert_eq!(backlog["oldestDueAt"], "2025-11-01T10:00:00.0000000Z");
    }
}
