//! The main path: an envelope from draft to completed.

use countersign_core::{id::EnvelopeId, message::View};
use serde_json::json;

use crate::house::{House, definition, signer, with};

#[tokio::test]
async fn an_envelope_goes_from_draft_to_completed_in_routing_order() {
    let house = House::new().await;
    let made = house
        .post(
            "/envelopes",
            with(
                definition("created", 2),
                json!({"recipients": {
                    "signers": [signer("1", "1"), signer("2", "2")],
                    "carbonCopies": [{"recipientId": "3", "routingOrder": "3", "name": "Copy", "email": "copy@example.com"}],
                }}),
            ),
        )
        .await
        .expect(201);
    let id = made["envelopeId"].as_str().unwrap();
    assert_eq!(made["status"], "created");
    assert_eq!(made["uri"], format!("/envelopes/{id}"));
    assert_eq!(made["statusDateTime"], "2025-11-01T10:00:00.0000000Z");
    assert_eq!(house.events(id).await, ["envelope-created"]);

    house.put(&format!("/envelopes/{id}"), json!({"status": "sent"})).await.expect(200);
    assert_eq!(house.events(id).await[1..], ["envelope-sent", "recipient-sent 1"]);
    let early = house.play(id, "2", json!({"action": "complete"})).await;
    assert_eq!(early.status, 400, "{}", early.text());
    assert_eq!(early.expect(400)["code"], "recipient-not-in-sequence");

    house.play(id, "1", json!({"action": "deliver"})).await.expect(200);
    let done = house.play(id, "1", json!({"action": "complete"})).await.expect(200);
    assert_eq!(done["envelope"]["status"], "sent", "the second has not opened it");
    assert_eq!(done["recipients"][1]["status"], "sent");
    assert_eq!(done["events"].as_array().unwrap().len(), 2);
    let done = house.play(id, "2", json!({"action": "complete"})).await.expect(200);
    assert_eq!(done["envelope"]["status"], "completed");
    assert_eq!(
        house.events(id).await[3..],
        [
            "recipient-delivered 1",
            "recipient-completed 1",
            "recipient-sent 2",
            "recipient-delivered 2",
            "recipient-completed 2",
            "recipient-sent 3",
            "recipient-completed 3",
            "envelope-delivered",
            "envelope-completed",
        ]
    );

    let shown = house.shown(id).await;
    assert_eq!(shown["status"], "completed");
    assert_eq!(shown["completedDateTime"], "2025-11-01T10:00:00.0000000Z");
    assert_eq!(shown["recipients"]["recipientCount"], "3");
    assert_eq!(shown["recipients"]["signers"][0]["status"], "completed");
    let documents: Vec<_> = shown["envelopeDocuments"].as_array().unwrap().iter().map(|d| d["documentId"].as_str().unwrap()).collect();
    assert_eq!(documents, ["1", "certificate"]);
}

#[tokio::test]
async fn events_of_one_change_show_the_state_it_left() {
    let house = House::new().await;
    let id = house.envelope(definition("sent", 1)).await;
    house.play(&id, "1", json!({"action": "complete"})).await.expect(200);
    let events = house.app.store.events(house.home.account.id, Some(id.parse::<EnvelopeId>().unwrap()), None, 10).await.unwrap();
    for event in events.iter().take(4) {
        let event = house.app.store.event(house.home.account.id, event.id).await.unwrap().unwrap();
        let envelope = countersign_server::envelopes::read(event.snapshot.bytes()).unwrap();
        let include = [countersign_core::subscription::Include::Recipients].into();
        let summary = countersign_core::message::summary::write(&envelope, &house.home.account, &View::message(&include));
        assert_eq!(summary["status"], "completed", "{}", event.name);
        assert_eq!(summary["recipients"]["signers"][0]["status"], "completed");
    }
}

#[tokio::test]
async fn every_listener_hears_of_it() {
    let house = House::new().await;
    let configuration = json!({
        "name": "All", "configurationType": "custom", "urlToPublishTo": "http://127.0.0.1:8089/account", "allowEnvelopePublish": "true",
        "allUsers": "true", "eventData": {"version": "restv2.1"}, "events": ["envelope-sent", "envelope-completed"],
    });
    house.post("/connect", configuration).await.expect(201);
    let notification = |events: &[&str]| {
        json!({
            "url": "http://127.0.0.1:8089/envelope", "eventData": {"version": "restv2.1"}, "deliveryMode": "SIM", "events": events,
        })
    };
    let body = with(
        definition("sent", 1),
        json!({"eventNotification": notification(&["recipient-completed"]), "eventNotifications": [notification(&["envelope-completed"])]}),
    );
    let id = house.envelope(body).await;
    let other = house.envelope(definition("sent", 1)).await;
    house.play(&id, "1", json!({"action": "complete"})).await.expect(200);
    house.play(&other, "1", json!({"action": "complete"})).await.expect(200);

    let told = |envelope: String| {
        let app = std::sync::Arc::clone(&house.app);
        let account = house.home.account.id;
        async move {
            let filter = countersign_store::query::DeliveryFilter {
                envelope: Some(envelope.parse().unwrap()),
                ..countersign_store::query::DeliveryFilter::default()
            };
            let page = app.store.deliveries(account, filter, None, 100).await.unwrap();
            let mut names: Vec<String> = page.deliveries.iter().map(|listed| listed.event_name.to_string()).collect();
            names.sort();
            names
        }
    };
    assert_eq!(told(id).await, ["envelope-completed", "envelope-completed", "envelope-sent", "recipient-completed"]);
    assert_eq!(told(other).await, ["envelope-completed", "envelope-sent"]);
}

#[tokio::test]
async fn recipient_connect_hears_of_recipients_at_assigned_domains() {
    let house = House::new().await;
    let mut account = house.home.account.clone();
    account.recipient_domains = ["example.com".to_owned()].into();
    house.app.store.update_account(account).await.unwrap().unwrap();
    house.app.configs.invalidate(house.home.account.id);
    let configuration = json!({
        "name": "Received", "configurationType": "customrecipient", "urlToPublishTo": "http://127.0.0.1:8089/received",
        "allowEnvelopePublish": "true", "eventData": {"version": "restv2.1"}, "events": ["envelope-sent"],
    });
    house.post("/connect", configuration).await.expect(201);
    let stranger = json!({"recipients": {"signers": [with(signer("1", "1"), json!({"email": "a@elsewhere.example"}))]}});
    for (body, heard) in [(definition("sent", 1), true), (with(definition("sent", 1), stranger), false)] {
        let id = house.envelope(body).await;
        let filter = countersign_store::query::DeliveryFilter {
            envelope: Some(id.parse().unwrap()),
            ..countersign_store::query::DeliveryFilter::default()
        };
        let page = house.app.store.deliveries(house.home.account.id, filter, None, 10).await.unwrap();
        assert_eq!(page.deliveries.len(), usize::from(heard));
        let events = house.app.store.events(house.home.account.id, Some(id.parse().unwrap()), None, 10).await.unwrap();
        let sent = events.iter().find(|event| event.name.as_str() == "envelope-sent").unwrap();
        let path = format!("/api/v1/accounts/{}/events/{}/matches", house.home.account.guid, sent.id);
        let request = http::Request::get(path).header("authorization", format!("Bearer {}", house.home.token));
        let matches = house.send(request.body(axum::body::Body::empty()).unwrap()).await.expect(200);
        assert_eq!(matches["matches"][0]["matched"], heard, "{matches}");
        let reason = if heard { serde_json::Value::Null } else { json!("no_recipient_of_domain") };
        assert_eq!(matches["matches"][0]["reason"], reason);
    }
}

#[tokio::test]
async fn the_same_request_under_one_key_makes_one_envelope() {
    let house = House::new().await;
    let key = [("X-DocuSign-Idempotency-Key", "order-7")];
    let body = definition("sent", 1);
    let first = house.call(&house.home, "POST", "/envelopes", Some(body.clone()), &key).await.expect(201);
    let second = house.call(&house.home, "POST", "/envelopes", Some(body), &key).await.expect(201);
    assert_eq!(first, second);
    let list = house.get("/envelopes?from_date=2025-01-01").await.expect(200);
    assert_eq!(list["totalSetSize"], "1");
    let other = house.call(&house.home, "POST", "/envelopes", Some(definition("created", 1)), &key).await;
    other.refused(422, "IDEMPOTENCY_KEY_REUSED");
}

#[tokio::test]
async fn changes_at_the_same_time_all_count() {
    let house = House::new().await;
    let signers: Vec<_> = (1..=6).map(|n| signer(&n.to_string(), "1")).collect();
    let id = house.envelope(with(definition("sent", 1), json!({"recipients": {"signers": signers}}))).await;
    let plays = (1..=6).map(|n: u8| {
        let (house, id) = (&house, &id);
        async move { house.play(id, &n.to_string(), json!({"action": "complete"})).await.expect(200) }
    });
    futures_util::future::join_all(plays).await;
    assert_eq!(house.shown(&id).await["status"], "completed");
    let events = house.events(&id).await;
    assert_eq!(events.iter().filter(|event| event.starts_with("recipient-completed")).count(), 6, "{events:?}");
    assert_eq!(events.iter().filter(|event| *event == "envelope-completed").count(), 1);
}
