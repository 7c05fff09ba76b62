//! `publish/historical`: the present state of envelopes, sent to a configuration made for this alone.

use std::time::Duration;

use countersign_core::{id::EnvelopeId, subscription::Activity};
use countersign_store::{
    Store,
    envelopes::EnvelopeRow,
    record::{EnvelopeChange, Record},
    settle::Next,
};
use serde_json::{Value, json};

use crate::house::{House, text, with};

fn config(more: &Value) -> Value {
    let config =
        json!({"urlToPublishTo": "http://127.0.0.1:9443/history", "IncludeHMAC": "false", "EventData": {"includedata": ["recipients"]}});
    with(config, more)
}

async fn publish(house: &House, envelopes: &[EnvelopeId], more: &Value) -> Value {
    let body = json!({"envelopes": envelopes, "config": config(more)});
    house.rest("POST", "/connect/envelopes/publish/historical", Some(body)).await.expect(201)
}

#[tokio::test]
async fn each_envelope_is_published_once_and_counted() {
    let house = House::new().await;
    house.configuration(&json!({"userName": "anna", "password": "secret"})).await;
    let known = [house.envelope("A").await, house.envelope("B").await];
    let unknown = EnvelopeId(uuid::Uuid::from_u128(7));
    let made =
        publish(&house, &[known[0], known[1], unknown], &json!({"events": ["envelope-sent"], "userName": "u", "password": "p4ss-word"}))
            .await;
    assert_eq!((&made["processingStatus"], &made["envelopeCount"]), (&json!("processing"), &json!("3")));
    assert_eq!(made["submittedByUserInfo"]["userId"], json!(house.home.user));
    let job = text(&made, "envelopePublishTransactionId").to_owned();
    house.run_jobs().await;
    let deliveries = house.deliveries().await;
    assert_eq!(deliveries.len(), 2, "only to the configuration made for this");
    let job = house.store.job(house.home.account.id, job.parse().unwrap()).await.unwrap().unwrap();
    let progress: Value = serde_json::from_str(&job.progress).unwrap();
    assert_eq!(progress, json!({"processed": 3, "published": 2, "noActionRequired": 0, "errors": {"ENVELOPE_DOES_NOT_EXIST": 1}}));
    assert!(!job.spec.contains("p4ss-word"), "the password is sealed with the subscription");
    let subscription = house.stored(&deliveries[0].subscription.to_string()).await;
    assert_eq!(subscription.activity, Activity::Inactive);
    assert_eq!(subscription.proofs.basic.unwrap().password.expose_secret(), "p4ss-word");

    // It stands in no list and cannot be changed as a configuration.
    assert_eq!(house.rest("GET", "/connect", None).await.expect(200)["totalRecords"], "1");
    house.rest("GET", &format!("/connect/{}", subscription.id), None).await.expect(404);
    house.api("GET", &format!("/subscriptions/{}", subscription.id), None).await.expect(404);
    house.post("envelope-sent", Some(known[0])).await;
    assert_eq!(house.deliveries().await.len(), 3, "later events do not reach it");

    let sent = house.settle_all(200, Next::Delivered).await;
    assert_eq!(sent.len(), 3);
}

#[tokio::test]
async fn a_step_done_twice_publishes_nothing_twice() {
    let house = House::new().await;
    let envelope = house.envelope("A").await;
    publish(&house, &[envelope], &json!({})).await;
    house.repeat_job_steps().await;
    assert_eq!(house.deliveries().await.len(), 1);
}

#[tokio::test]
async fn an_envelope_whose_status_is_not_asked_for_needs_no_action() {
    let house = House::new().await;
    let envelope = house.envelope("A").await;
    publish(&house, &[envelope], &json!({"events": ["envelope-completed"]})).await;
    house.run_jobs().await;
    assert!(house.deliveries().await.is_empty());
}

#[tokio::test]
async fn an_envelope_that_left_the_bin_for_good_is_published_no_more() {
    let house = House::new().await;
    let account = house.home.account.id;
    let envelope = house.envelope("A").await;
    let stored = house.store.envelope(account, envelope).await.unwrap().unwrap();
    let row = EnvelopeRow { status: "deleted".into(), folder: "removed".into(), ..stored.row };
    let removed = Record {
        account,
        config: None,
        envelope: Some(EnvelopeChange { read: Some(stored.version), row, timers: Vec::new() }),
        events: Vec::new(),
        deliveries: Vec::new(),
        subscriptions: Vec::new(),
        idempotency: None,
    };
    house.store.record(vec![removed]).await.unwrap().remove(0).unwrap();
    let made = publish(&house, &[envelope], &json!({})).await;
    house.run_jobs().await;
    assert!(house.deliveries().await.is_empty());
    let job = house.store.job(account, text(&made, "envelopePublishTransactionId").parse().unwrap()).await.unwrap().unwrap();
    let progress: Value = serde_json::from_str(&job.progress).unwrap();
    assert_eq!(progress["errors"], json!({"ENVELOPE_DOES_NOT_EXIST": 1}));
}

#[tokio::test]
async fn what_was_made_for_a_publish_goes_when_it_is_past_its_retention() {
    let house = House::new().await;
    let envelope = house.envelope("A").await;
    publish(&house, &[envelope], &json!({})).await;
    house.run_jobs().await;
    house.settle_all(200, Next::Delivered).await;
    let old = house.deliveries().await[0].subscription;
    publish(&house, &[envelope], &json!({})).await;
    assert!(house.store.subscription(old).await.unwrap().is_some(), "its deliveries are still shown");
    house.clock.advance(house.app.settings.retention + Duration::from_secs(1));
    publish(&house, &[envelope], &json!({})).await;
    assert!(house.store.subscription(old).await.unwrap().is_none());
}

#[tokio::test]
async fn what_cannot_be_published_is_refused_and_nothing_is_made() {
    let house = House::new().await;
    let envelope = house.envelope("A").await;
    for (row, body, status) in [
        ("no envelopes", json!({"envelopes": [], "config": config(&json!({}))}), 400),
        ("not a GUID", json!({"envelopes": ["x"], "config": config(&json!({}))}), 400),
        ("no configuration", json!({"envelopes": [envelope]}), 400),
        ("no URL", json!({"envelopes": [envelope], "config": {"name": "x"}}), 400),
        ("HMAC without a key", json!({"envelopes": [envelope], "config": config(&json!({"includeHMAC": true}))}), 400),
        (
            "mutual TLS by its other name",
            json!({"envelopes": [envelope], "config": config(&json!({"SignMessageWithX509Cert": true}))}),
            400,
        ),
        ("SOAP", json!({"envelopes": [envelope], "config": config(&json!({"useSoapInterface": "true"}))}), 501),
    ] {
        let answer = house.rest("POST", "/connect/envelopes/publish/historical", Some(body)).await;
        assert_eq!(answer.status, status, "{row}: {}", String::from_utf8_lossy(&answer.body));
    }
    assert!(house.store.jobs(house.home.account.id, 10).await.unwrap().is_empty());
    assert!(house.store.subscriptions(house.home.account.id).await.unwrap().1.is_empty());
}
