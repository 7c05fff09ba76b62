//! `retry_queue` for one envelope and for many.

use countersign_core::{delivery::DeliveryState, id::EnvelopeId};
use countersign_store::settle::Next;
use serde_json::json;

use crate::house::{House, text};

#[tokio::test]
async fn a_failed_message_is_due_at_once_under_its_own_id_and_a_delivered_one_stays_delivered() {
    let house = House::new().await;
    let id = house.configuration(&json!({})).await;
    let envelope = house.envelope("A").await;
    house.post("envelope-sent", Some(envelope)).await;
    let delivered = house.settle_all(200, Next::Delivered).await[0].id;
    house.post("envelope-completed", Some(envelope)).await;
    let failed = house.fail_all().await[0].id;
    let path = format!("/connect/envelopes/{envelope}/retry_queue");
    let answer = house.rest("PUT", &path, Some(json!({}))).await.expect(200);
    let expected = json!({
        "configId": id,
        "configUrl": "http://127.0.0.1:9443/connect",
        "envelopeId": envelope,
        "status": "queued",
        "statusMessage": "",
    });
    assert_eq!(answer, json!({"retryQueue": [expected]}));
    assert!(matches!(house.state(failed).await, DeliveryState::Waiting { due_at, .. } if due_at <= house.clock.now()));
    assert!(matches!(house.state(delivered).await, DeliveryState::Delivered { .. }));
    let again = house.settle_all(200, Next::Delivered).await;
    assert_eq!((again.len(), again[0].id), (1, failed));
    assert_eq!(again[0].retry_count, 1, "one attempt came before this one");
    assert_eq!(house.rest("PUT", &path, Some(json!({}))).await.expect(200), json!({"retryQueue": []}), "nothing has failed any more");
}

#[tokio::test]
async fn many_envelopes_are_retried_and_an_unknown_one_says_so() {
    let house = House::new().await;
    house.configuration(&json!({})).await;
    let (first, second) = (house.envelope("A").await, house.envelope("B").await);
    for envelope in [first, second] {
        house.post("envelope-sent", Some(envelope)).await;
    }
    house.fail_all().await;
    let unknown = EnvelopeId(uuid::Uuid::from_u128(7));
    let body = json!({"envelopeIds": [first, second, unknown], "synchronous": "false"});
    let answer = house.rest("PUT", "/connect/envelopes/retry_queue", Some(body)).await.expect(200);
    let told: Vec<(&str, &str)> =
        answer["retryQueue"].as_array().unwrap().iter().map(|entry| (text(entry, "envelopeId"), text(entry, "status"))).collect();
    let ids = [first, second, unknown].map(|id| id.to_string());
    assert_eq!(told, [(&*ids[0], "queued"), (&*ids[1], "queued"), (&*ids[2], "failed")]);

    for (row, body) in [
        ("synchronous", json!({"envelopeIds": [first], "synchronous": true})),
        ("no ids", json!({"envelopeIds": []})),
        ("no body", json!({})),
        ("not a GUID", json!({"envelopeIds": ["x"]})),
        ("not a list", json!({"envelopeIds": {"a": 1}})),
        ("too many", json!({"envelopeIds": vec![first; 1_001]})),
    ] {
        let answer = house.rest("PUT", "/connect/envelopes/retry_queue", Some(body)).await;
        assert_eq!(answer.status, 400, "{row}");
    }
    let refused = house.rest("PUT", &format!("/connect/envelopes/{unknown}/retry_queue"), None).await.expect(404);
    assert_eq!(refused["errorCode"], "ENVELOPE_DOES_NOT_EXIST");
    house.rest("PUT", "/connect/envelopes/x/retry_queue", None).await.expect(400);
}
