//! `subscriptions` under `/api/v1`: the same objects as Connect configurations.

use countersign_core::{delivery::DeliveryState, id::DeliveryId};
use countersign_store::settle::Next;
use serde_json::{Value, json};

use crate::house::{House, text, with};

fn minimal() -> Value {
    json!({"name": "Hooks", "url": "https://listener.example/hooks"})
}

#[tokio::test]
async fn a_subscription_has_what_connect_has_no_field_for() {
    let house = House::new().await;
    house.api("POST", "/keys", None).await.expect(201);
    let form = json!({
        "name": "Hooks",
        "url": "https://anna:secret-pass@listener.example/hooks",
        "users": {"all_except": [house.home.user]},
        "events": ["invoice.*", "envelope-completed"],
        "include": ["recipients", "void_reason"],
        "hmac": true,
        "standardWebhooks": true,
        "headers": {"X-Tenant": "acme", "X-Env": "test"},
        "retry": "5s,5m,2h",
        "ordered": true,
        "concurrencyMax": 4,
        "ratePerSecondMax": 50,
        "timeoutMs": 30_000,
        "log": false,
    });
    let made = house.api("POST", "/subscriptions", Some(form)).await.expect(201);
    let id = text(&made, "id").to_owned();
    let expected = json!({
        "id": id,
        "scope": "account",
        "envelopeId": null,
        "name": "Hooks",
        "url": "https://listener.example/hooks",
        "active": true,
        "disabled": null,
        "paused": false,
        "users": {"all_except": [house.home.user]},
        "events": ["envelope-completed", "invoice.*"],
        "shape": "json_sim",
        "include": ["recipients", "void_reason"],
        "hmac": true,
        "standardWebhooks": true,
        "mutualTls": false,
        "certificate": null,
        "basic": {"user": "anna"},
        "oauth": "off",
        "headers": {"X-Tenant": "acme", "X-Env": "test"},
        "retry": "5s,300s,7200s",
        "ordered": true,
        "concurrencyMax": 4,
        "ratePerSecondMax": 50,
        "timeoutMs": 30_000,
        "requireAcknowledgement": true,
        "log": false,
        "createdAt": text(&made, "createdAt"),
        "failingSince": null,
        "warnings": [],
    });
    assert_eq!(made, expected);
    assert_eq!(house.api("GET", &format!("/subscriptions/{id}"), None).await.expect(200), expected);
    assert_eq!(house.api("GET", "/subscriptions", None).await.expect(200), json!({"subscriptions": [expected]}));

    let connect = house.rest("GET", &format!("/connect/{id}"), None).await.expect(200)["configurations"][0].clone();
    for (name, value) in [
        ("allowEnvelopePublish", json!("true")),
        ("allUsersExcept", json!("true")),
        ("events", json!(["envelope-completed"])),
        ("includeHMAC", json!("true")),
        ("userName", json!("anna")),
        ("eventData", json!({"version": "restv2.1", "format": "json", "includeData": ["recipients"]})),
        ("includeEnvelopeVoidReason", json!("true")),
    ] {
        assert_eq!(connect[name], value, "{name}");
    }
    // A client of Connect that changes it leaves alone what it does not know.
    house.rest("PUT", "/connect", Some(json!({"connectId": id, "name": "Renamed"}))).await.expect(200);
    let after = house.api("GET", &format!("/subscriptions/{id}"), None).await.expect(200);
    assert_eq!(after, with(expected, &json!({"name": "Renamed"})));
}

#[tokio::test]
async fn a_change_says_only_what_changes_and_null_clears() {
    let house = House::new().await;
    let form = with(minimal(), &json!({"retry": "daily", "basic": {"user": "anna", "password": "one"}, "concurrencyMax": 2}));
    let id = text(&house.api("POST", "/subscriptions", Some(form)).await.expect(201), "id").to_owned();
    let path = format!("/subscriptions/{id}");
    for method in ["PUT", "PATCH"] {
        let changed = house.api(method, &path, Some(json!({"paused": true}))).await.expect(200);
        assert_eq!((&changed["paused"], &changed["retry"], &changed["basic"]), (&json!(true), &json!("daily"), &json!({"user": "anna"})));
    }
    let kept = house.api("PATCH", &path, Some(json!({"basic": {"user": "anna"}}))).await.expect(200);
    assert_eq!(kept["basic"]["user"], "anna");
    assert_eq!(house.stored(&id).await.proofs.basic.unwrap().password.expose_secret(), "one");
    house.api("PATCH", &path, Some(json!({"basic": {"user": "ben"}}))).await.expect(400);
    let cleared = house.api("PATCH", &path, Some(json!({"retry": null, "basic": null, "concurrencyMax": null}))).await.expect(200);
    assert_eq!((&cleared["retry"], &cleared["basic"], &cleared["concurrencyMax"]), (&Value::Null, &Value::Null, &Value::Null));
    house.api("DELETE", &path, None).await.expect(204);
    house.api("GET", &path, None).await.expect(404);
    house.api("DELETE", &path, None).await.expect(404);
}

#[tokio::test]
async fn a_change_of_shape_is_shown_by_connect_and_keeps_the_events() {
    let house = House::new().await;
    let id = house.configuration(&json!({"deliveryMode": "sim", "eventData": {"version": "restv2.1", "includeData": ["Documents"]}})).await;
    let path = format!("/subscriptions/{id}");
    let shape = |shape: &str| house.api("PATCH", &path, Some(json!({"shape": shape})));
    shape("xml_aggregate").await.expect(200);
    let connect = house.rest("GET", &format!("/connect/{id}"), None).await.expect(200)["configurations"][0].clone();
    assert_eq!((&connect["deliveryMode"], &connect["eventData"]), (&json!("Aggregate"), &json!({"includeData": []})));
    assert_eq!(connect["includeDocuments"], "true", "XML asks for documents by the switch");
    assert_eq!((&connect["envelopeEvents"], &connect["recipientEvents"]), (&json!(["Sent", "Completed"]), &json!(["Completed"])));
    assert_eq!(connect["events"], json!([]));
    let back = shape("json_sim").await.expect(200);
    assert_eq!(back["events"], json!(["envelope-completed", "envelope-sent", "recipient-completed"]));
}

#[tokio::test]
async fn what_cannot_be_a_subscription_is_refused_as_a_problem() {
    let house = House::new().await;
    for (row, more) in [
        ("unknown property", json!({"colour": "red"})),
        ("Connect's name for one", json!({"urlToPublishTo": "https://listener.example/"})),
        ("the shape of an inbox", json!({"shape": "as_received"})),
        ("no name", json!({"name": ""})),
        ("no URL", json!({"url": null})),
        ("a relative URL", json!({"url": "/hooks"})),
        ("inside", json!({"url": "https://169.254.169.254/latest"})),
        ("active as text", json!({"active": "true"})),
        ("not a pattern", json!({"events": ["a*b"]})),
        ("an unknown shape", json!({"shape": "soap"})),
        ("unknown data", json!({"include": ["status"]})),
        ("HMAC without a key", json!({"hmac": true})),
        ("Standard Webhooks without a key", json!({"standardWebhooks": true})),
        ("OAuth without a connection", json!({"oauth": "account"})),
        ("mutual TLS without a certificate", json!({"mutualTls": true})),
        ("a certificate that is not there", json!({"certificate": "crd_0000000000001"})),
        ("recipients without a domain", json!({"scope": "recipients"})),
        ("basic without a password", json!({"basic": {"user": "a"}})),
        ("basic with a colon", json!({"basic": {"user": "a:b", "password": "c"}})),
        ("no retry profile", json!({"retry": "often"})),
        ("no concurrency", json!({"concurrencyMax": 0})),
        ("too much concurrency", json!({"concurrencyMax": 60_000})),
        ("no rate", json!({"ratePerSecondMax": 0})),
        ("no time", json!({"timeoutMs": 10})),
        ("too much time", json!({"timeoutMs": 3_600_000})),
        ("a header that is ours", json!({"headers": {"Host": "x"}})),
        ("a header of proofs", json!({"headers": {"Authorization": "x"}})),
        ("a header of Docusign", json!({"headers": {"X-DocuSign-Signature-1": "x"}})),
        ("a header of Standard Webhooks", json!({"headers": {"webhook-id": "x"}})),
        ("a header of ours", json!({"headers": {"x-countersign-delivery": "x"}})),
        ("a hop-by-hop header", json!({"headers": {"Transfer-Encoding": "chunked"}})),
        ("a proxy header", json!({"headers": {"Proxy-Authorization": "x"}})),
        ("a header with a line end", json!({"headers": {"X-A": "a\r\nHost: b"}})),
        ("a header name with a blank", json!({"headers": {"X A": "a"}})),
        ("a header twice", json!({"headers": {"X-A": "a", "x-a": "b"}})),
        ("a header that is no text", json!({"headers": {"X-A": 1}})),
        ("a header beyond ASCII", json!({"headers": {"X-A": "é"}})),
    ] {
        let answer = house.api("POST", "/subscriptions", Some(with(minimal(), &more))).await;
        assert_eq!(answer.headers["content-type"], "application/problem+json", "{row}");
        let problem = answer.expect(400);
        assert!(text(&problem, "code").starts_with("invalid-request-"), "{row}: {problem}");
    }
    assert_eq!(house.api("GET", "/subscriptions", None).await.expect(200), json!({"subscriptions": []}));
}

#[tokio::test]
async fn a_test_event_goes_to_one_subscription_alone_and_the_ordinary_way() {
    let house = House::new().await;
    let id = house.configuration(&json!({})).await;
    house.configuration(&json!({"name": "Other"})).await;
    let sent = house.api("POST", &format!("/subscriptions/{id}/test"), None).await.expect(202);
    let deliveries = house.deliveries().await;
    assert_eq!(deliveries.len(), 1);
    assert_eq!((deliveries[0].subscription.to_string(), json!(deliveries[0].id)), (id.clone(), sent["delivery"].clone()));
    let event = house.api("GET", &format!("/events/{}", text(&sent, "event")), None).await.expect(200);
    assert_eq!((&event["event"], &event["data"]["test"]), (&json!("test"), &json!(true)));
    house.settle_all(200, Next::Delivered).await;
    let delivery: DeliveryId = text(&sent, "delivery").parse().unwrap();
    assert!(matches!(house.state(delivery).await, DeliveryState::Delivered { .. }));

    let own = json!({"event": "envelope-completed", "data": {"x": [1, 2]}});
    let sent = house.api("POST", &format!("/subscriptions/{id}/test"), Some(own)).await.expect(202);
    let event = house.api("GET", &format!("/events/{}", text(&sent, "event")), None).await.expect(200);
    assert_eq!((&event["event"], &event["data"]), (&json!("envelope-completed"), &json!({"x": [1, 2]})));
    for body in [json!({"event": "no event"}), json!({"name": "x"}), json!([])] {
        house.api("POST", &format!("/subscriptions/{id}/test"), Some(body)).await.expect(400);
    }
    house.api("POST", "/subscriptions/10999999/test", None).await.expect(404);
}

#[tokio::test]
async fn a_subscription_of_an_envelope_can_be_changed_by_its_id_alone() {
    let house = House::new().await;
    let notification = json!({"url": "https://listener.example/", "events": ["envelope-sent"], "integratorManaged": "true"});
    let draft = json!({"status": "created", "emailSubject": "A", "eventNotification": notification});
    let made = house.rest("POST", "/envelopes", Some(draft)).await.expect(201);
    let envelope = text(&made, "envelopeId").parse().unwrap();
    let account = house.home.account.id;
    let stored = countersign_store::Store::envelope_subscriptions(&house.store, account, envelope).await.unwrap();
    let id = stored[0].0.to_string();
    house.rest("GET", &format!("/connect/{id}"), None).await.expect(404);
    assert_eq!(house.rest("GET", "/connect", None).await.expect(200)["totalRecords"], "0");

    let path = format!("/subscriptions/{id}");
    let shown = house.api("GET", &path, None).await.expect(200);
    assert_eq!((&shown["scope"], &shown["envelopeId"]), (&json!("envelope"), &made["envelopeId"]));
    let paused = house.api("PATCH", &path, Some(json!({"paused": true}))).await.expect(200);
    assert_eq!(paused["paused"], true);
    assert!(house.stored(&id).await.paused);
    house.api("PATCH", &path, Some(json!({"scope": "account"}))).await.expect(400);
    house.api("DELETE", &path, None).await.expect(204);
    house.api("GET", &path, None).await.expect(404);
}
