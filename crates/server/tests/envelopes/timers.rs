//! What time does.

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

#[tokio::test]
async fn the_loop_ends_with_the_process() {
    let house = House::new().await;
    let node = house.node;
    let life = std::sync::Arc::new(move || node);
    let running = tokio::spawn(countersign_server::timers::run(std::sync::Arc::clone(&house.app), life));
    house.app.stopping.cancel();
    running.await.unwrap();
}
