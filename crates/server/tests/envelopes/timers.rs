//! What time does.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use countersign_server::{App, timers};
use countersign_store::Store;
use countersign_testkit::{FaultyStore, StoreFault};
use serde_json::json;

use crate::house::{House, definition, with};

#[tokio::test]
async fn an_envelope_is_reminded_of_warned_of_and_expires() {
    let house = House::new().await;
    let notification = json!({"notification": {
        "reminders": {"reminderEnabled": "true", "reminderDelay": "2", "reminderFrequency": "3"},
        "expirations": {"expireEnabled": "true", "expireAfter": "7", "expireWarn": "1"},
    }});
    let id = house.envelope(with(definition("sent", 1), notification)).await;
    assert_eq!(house.after_days(1).await, 0);
    assert_eq!(house.after_days(1).await, 1);
    assert_eq!(house.events(&id).await[2..], ["envelope-reminder-sent"]);
    assert_eq!(house.after_days(3).await, 1, "the second reminder");
    assert_eq!(house.after_days(1).await, 1, "the warning");
    assert_eq!(house.after_days(1).await, 1, "the end");
    assert_eq!(house.events(&id).await[2..], ["envelope-reminder-sent", "envelope-reminder-sent", "envelope-voided"]);
    let shown = house.shown(&id).await;
    assert_eq!((&shown["status"], &shown["voidedReason"]), (&json!("voided"), &json!("Envelope has expired.")));
    assert_eq!(house.after_days(30).await, 0, "nothing is left to be done");
}

#[tokio::test]
async fn a_timer_of_a_finished_envelope_is_gone() {
    let house = House::new().await;
    let id = house.envelope(definition("sent", 1)).await;
    assert!(house.app.store.next_timer().await.unwrap().is_some());
    house.play(&id, "1", json!({"action": "complete"})).await.expect(200);
    assert_eq!(house.app.store.next_timer().await.unwrap(), None);
    assert_eq!(house.after_days(400).await, 0);
    assert_eq!(house.shown(&id).await["status"], "completed");
}

/// What was done and could not be forgotten, since the store failed, is forgotten with the next round: nobody else comes back to it.
#[tokio::test]
async fn a_timer_that_could_not_be_forgotten_is_with_the_next_round() {
    let house = House::new().await;
    house.envelope(definition("sent", 1)).await;
    let faulty = FaultyStore::before(Arc::clone(&house.app.store));
    let app = Arc::new(App {
        store: Arc::clone(&faulty) as Arc<dyn Store>,
        ..App::new(Arc::clone(&house.app.store), Arc::clone(&house.app.ids), Arc::clone(&house.app.clock), house.app.settings.clone())
    });
    house.clock.advance(Duration::from_secs(200 * 24 * 3_600));
    let mut held = VecDeque::new();
    faulty.fail_all("finish_timers", StoreFault::NotMade);
    timers::round(&app, house.node, &mut held).await.expect_err("the store fails");
    assert!(!held.is_empty());
    faulty.mend();
    while timers::round(&app, house.node, &mut held).await.unwrap() > 0 {}
    assert!(held.is_empty());
    let after = house.app.store.register_node("after", 2, house.clock.now(), Duration::from_secs(30)).await.unwrap().incarnation;
    house.app.store.retire_node(house.node, house.clock.now()).await.unwrap();
    assert_eq!(house.app.store.claim_timers(after, house.clock.now(), 10).await, Ok(Vec::new()), "none is left behind");
}

#[tokio::test]
async fn the_loop_ends_with_the_process() {
    let house = House::new().await;
    let node = house.node;
    let life = Arc::new(move || node);
    let running = tokio::spawn(timers::run(Arc::clone(&house.app), life));
    house.app.stopping.cancel();
    running.await.unwrap();
}
