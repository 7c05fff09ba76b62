//! `/connect/logs` and `/connect/failures`.

use std::time::Duration;

use countersign_core::delivery::{DeliveryState, Hold, ParkReason};
use countersign_store::settle::Next;
use serde_json::{Value, json};

use crate::house::{House, text};

fn ids(answer: &Value, list: &str, id: &str) -> Vec<String> {
    answer[list].as_array().unwrap().iter().map(|entry| text(entry, id).to_owned()).collect()
}

#[tokio::test]
async fn the_log_shows_what_was_sent_for_configurations_that_log() {
    let house = House::new().await;
    let id = house.configuration(&json!({})).await;
    house.configuration(&json!({"enableLog": "false", "name": "Silent"})).await;
    let envelope = house.envelope("Please sign").await;
    house.post("envelope-sent", Some(envelope)).await;
    house.settle_all(200, Next::Delivered).await;
    let logs = house.rest("GET", "/connect/logs", None).await.expect(200);
    assert_eq!((&logs["totalRecords"], &logs["failures"], &logs["nextUri"]), (&json!("1"), &json!([]), &json!("")));
    let entry = &logs["logs"][0];
    let log = text(entry, "logId").to_owned();
    assert_eq!(
        entry,
        &json!({
            "accountId": house.home.account.guid,
            "configUrl": "http://127.0.0.1:9443/connect",
            "connectId": id,
            "created": text(entry, "created"),
            "email": "",
            "envelopeId": envelope,
            "error": "",
            "event": "envelope-sent",
            "lastTry": text(entry, "lastTry"),
            "retryCount": "0",
            "status": "",
            "subject": "",
            "userName": "",
            "logUri": format!("/connect/logs/{log}"),
            "logId": log,
            "retryUri": format!("/connect/envelopes/{envelope}/retry_queue"),
        })
    );
    let one = house.rest("GET", &format!("/connect/logs/{log}"), None).await.expect(200);
    assert_eq!(&one, entry);
    let more = house.rest("GET", &format!("/connect/logs/{log}?additional_info=true"), None).await.expect(200);
    let debug = &more["connectDebugLog"][0];
    assert_eq!((&debug["connectConfig"], debug.get("errorDetails")), (&json!("Hooks"), None));
    let payload: Value = serde_json::from_str(text(debug, "payload")).unwrap();
    assert_eq!((&payload["event"], &payload["data"]), (&json!("envelope-sent"), &json!({"a": 1})), "the body as it was sent");
    assert!(text(debug, "eventDescription").contains("answered 200"), "{debug}");
}

#[tokio::test]
async fn the_newest_hundred_are_shown_unless_more_are_asked_for() {
    let house = House::new().await;
    house.configuration(&json!({})).await;
    let events: Vec<Value> = (0..150).map(|n| json!({"event": "envelope-sent", "data": n, "userId": house.home.user})).collect();
    house.api("POST", "/events", Some(events.into())).await.expect(202);
    let newest: Vec<String> = house.deliveries().await.iter().map(|delivery| delivery.id.to_string()).collect();
    let first = house.rest("GET", "/connect/logs", None).await.expect(200);
    assert_eq!(ids(&first, "logs", "logId"), newest[..100]);
    let second = house.rest("GET", text(&first, "nextUri"), None).await.expect(200);
    assert_eq!(ids(&second, "logs", "logId"), newest[100..]);
    assert_eq!(second["nextUri"], "");
    let all = house.rest("GET", "/connect/logs?count=1000", None).await.expect(200);
    assert_eq!((ids(&all, "logs", "logId").len(), &all["nextUri"]), (150, &json!("")));
    let exact = house.rest("GET", "/connect/logs?count=150", None).await.expect(200);
    assert_eq!(exact["nextUri"], "", "nothing is behind the last one");
}

#[tokio::test]
async fn lists_are_bounded_by_dates_and_refuse_filters_they_do_not_know() {
    let house = House::new().await;
    house.configuration(&json!({})).await;
    house.post("envelope-sent", None).await;
    let early = house.clock.now();
    house.clock.advance(Duration::from_secs(3_600));
    house.post("envelope-completed", None).await;
    let middle = early + Duration::from_secs(60);
    for (query, events) in [
        (format!("from_date={middle}"), vec!["envelope-completed"]),
        (format!("to_date={middle}"), vec!["envelope-sent"]),
        ("FROM_DATE=2000/01/01".to_owned(), vec!["envelope-completed", "envelope-sent"]),
        ("from_date=".to_owned(), vec!["envelope-completed", "envelope-sent"]),
    ] {
        let logs = house.rest("GET", &format!("/connect/logs?{query}"), None).await.expect(200);
        assert_eq!(ids(&logs, "logs", "event"), events, "{query}");
    }
    for query in ["from_date=yesterday", "count=0", "count=1001", "count=x", "before=x", "status=Sent", "additional_info=true"] {
        for list in ["logs", "failures"] {
            let refused = house.rest("GET", &format!("/connect/{list}?{query}"), None).await.expect(400);
            assert_eq!(refused["errorCode"], "INVALID_REQUEST_PARAMETER", "{list} {query}");
        }
    }
}

#[tokio::test]
async fn failures_are_what_failed_and_is_not_over() {
    let house = House::new().await;
    let id = house.configuration(&json!({"enableLog": "false"})).await;
    house.post("envelope-sent", None).await;
    assert_eq!(house.rest("GET", "/connect/failures", None).await.expect(200)["failures"], json!([]), "not attempted yet");
    house.fail_all().await;
    house.post("envelope-completed", None).await;
    house.settle_all(410, Next::Parked(ParkReason::Gone)).await;
    house.rest("PUT", "/connect", Some(json!({"connectId": id, "pausePublish": "true"}))).await.expect(200);
    house.post("recipient-completed", None).await;

    let failures = house.rest("GET", "/connect/failures", None).await.expect(200);
    let told: Vec<(&str, &str)> =
        failures["failures"].as_array().unwrap().iter().map(|entry| (text(entry, "event"), text(entry, "error"))).collect();
    assert_eq!(
        told,
        [
            ("recipient-completed", "This event was skipped due to the configuration being paused."),
            ("envelope-completed", "given up: gone; the listener answered 410"),
            ("envelope-sent", "the listener answered 500"),
        ]
    );
    let first = &failures["failures"][0];
    assert_eq!(first["failureUri"], format!("/connect/failures/{}", text(first, "failureId")));
    assert_eq!((&failures["logs"], &failures["totalRecords"]), (&json!([]), &json!("3")));
}

#[tokio::test]
async fn deleted_entries_are_gone_and_deleted_failures_are_cancelled() {
    let house = House::new().await;
    house.configuration(&json!({})).await;
    for event in ["envelope-sent", "envelope-completed", "recipient-completed"] {
        house.post(event, None).await;
    }
    let failed = house.fail_all().await;
    let one = failed[0].id;
    house.rest("DELETE", &format!("/connect/logs/{one}"), Some(json!({}))).await.expect(200);
    house.rest("GET", &format!("/connect/logs/{one}"), None).await.expect(404);
    house.rest("DELETE", &format!("/connect/logs/{one}"), None).await.expect(404);
    let left = house.rest("GET", "/connect/logs", None).await.expect(200);
    assert_eq!(left["totalRecords"], "2");
    house.rest("DELETE", "/connect/logs", Some(json!({}))).await.expect(200);
    assert_eq!(house.rest("GET", "/connect/logs", None).await.expect(200)["totalRecords"], "0");
    assert!(matches!(house.state(one).await, DeliveryState::Waiting { .. }), "hidden from the log, and sent all the same");
    assert_eq!(house.rest("GET", "/connect/failures", None).await.expect(200)["totalRecords"], "3");

    let deleted = house.rest("DELETE", &format!("/connect/failures/{one}"), Some(json!({}))).await.expect(200);
    assert_eq!(deleted, json!({}));
    assert!(matches!(house.state(one).await, DeliveryState::Cancelled { .. }));
    house.rest("DELETE", &format!("/connect/failures/{one}"), None).await.expect(409);
    house.rest("DELETE", "/connect/failures/nothing", None).await.expect(404);
    house.rest("DELETE", "/connect/failures/all", Some(json!({}))).await.expect(200);
    assert_eq!(house.rest("GET", "/connect/failures", None).await.expect(200)["totalRecords"], "0");
    for delivery in &failed {
        assert!(matches!(house.state(delivery.id).await, DeliveryState::Cancelled { .. }));
    }
}

#[tokio::test]
async fn an_entry_tells_of_the_envelope_as_it_was() {
    let house = House::new().await;
    house.configuration(&json!({"events": ["envelope-sent"]})).await;
    let envelope = house.envelope("Please sign").await;
    let config = json!({"urlToPublishTo": "http://127.0.0.1:9443/history"});
    house.rest("POST", "/connect/envelopes/publish/historical", Some(json!({"envelopes": [envelope], "config": config}))).await.expect(201);
    house.run_jobs().await;
    let held = house.settle_all(500, Next::Waiting { due_at: house.clock.now(), held: Some(Hold::NoToken) }).await;
    assert_eq!(held.len(), 1);
    let failures = house.rest("GET", "/connect/failures", None).await.expect(200);
    let entry = &failures["failures"][0];
    for (name, value) in [
        ("subject", "Please sign"),
        ("status", "Sent"),
        ("userName", "Ada Lovelace"),
        ("email", "ada@example.com"),
        ("configUrl", "http://127.0.0.1:9443/history"),
        ("error", "the listener answered 500"),
    ] {
        assert_eq!(entry[name], value, "{name}");
    }
}
