//! `/connect`: configurations made, read, changed and deleted.

use std::time::Duration;

use countersign_core::{
    delivery::{DeliveryState, Hold},
    subscription::Activity,
};
use serde_json::{Value, json};

use crate::house::{House, listening, rest_path, text, with};

#[tokio::test]
async fn a_configuration_is_made_read_changed_and_deleted() {
    let house = House::new().await;
    let made = house.rest("POST", "/connect", Some(with(listening(), &json!({"userName": "anna", "password": "secret-pass"})))).await;
    assert_eq!(made.headers["content-type"], "application/json; charset=utf-8");
    let made = made.expect(201);
    let id = text(&made, "connectId").to_owned();
    assert!(id.parse::<u64>().unwrap() >= 10_000_001, "{id}");
    assert_eq!((&made["userName"], made.get("password")), (&json!("anna"), None), "the password is never shown");

    let one = house.rest("GET", &format!("/connect/{id}"), None).await.expect(200);
    assert_eq!(one, json!({"totalRecords": "1", "configurations": [made]}), "one configuration comes in a list");
    assert_eq!(house.rest("GET", "/connect", None).await.expect(200), one);

    let change = json!({"connectId": id, "NAME": "Renamed", "eventData": {"includeData": ["recipients"]}, "enablelog": false});
    let changed = house.rest("PUT", "/connect", Some(change)).await.expect(200);
    let mut expected = with(made, &json!({"name": "Renamed", "enableLog": "false"}));
    expected["eventData"]["includeData"] = json!(["recipients"]);
    assert_eq!(changed, expected, "what was absent stayed");
    assert_eq!(house.stored(&id).await.proofs.basic.unwrap().password.expose_secret(), "secret-pass");

    // SDKs send `{}` with a DELETE.
    let deleted = house.rest("DELETE", &format!("/connect/{id}"), Some(json!({}))).await;
    assert!(deleted.body.is_empty());
    deleted.expect(200);
    house.rest("GET", &format!("/connect/{id}"), None).await.expect(404);
    house.rest("DELETE", &format!("/connect/{id}"), Some(json!({}))).await.expect(404);
    assert_eq!(house.rest("GET", "/connect", None).await.expect(200), json!({"totalRecords": "0", "configurations": []}));
}

#[tokio::test]
async fn an_update_names_its_configuration_in_the_body_as_text_or_number() {
    let house = House::new().await;
    let id: u64 = house.configuration(&json!({})).await.parse().unwrap();
    for named in [json!(id), json!(id.to_string()), json!(format!(" {id} "))] {
        house.rest("PUT", "/connect", Some(json!({"ConnectID": named, "name": "x"}))).await.expect(200);
    }
    for (body, status) in [
        (json!({"name": "x"}), 400),
        (json!({"connectId": ""}), 400),
        (json!({"connectId": "10999999"}), 404),
        (json!({"connectId": "x"}), 404),
        (json!({"connectId": {}}), 400),
    ] {
        house.rest("PUT", "/connect", Some(body.clone())).await.expect(status);
    }
}

#[tokio::test]
async fn what_cannot_be_saved_is_refused_in_docusigns_shape_and_nothing_is_made() {
    let house = House::new().await;
    for (row, body, status, code) in [
        ("no name", with(listening(), &json!({"name": ""})), 400, "INVALID_REQUEST_PARAMETER"),
        ("no URL", with(listening(), &json!({"urlToPublishTo": null})), 400, "INVALID_REQUEST_PARAMETER"),
        ("inside", with(listening(), &json!({"urlToPublishTo": "https://10.1.2.3/"})), 400, "INVALID_REQUEST_PARAMETER"),
        ("unknown event", with(listening(), &json!({"events": ["envelope-opened"]})), 400, "INVALID_REQUEST_PARAMETER"),
        ("HMAC without a key", with(listening(), &json!({"includeHMAC": "true"})), 400, "INVALID_REQUEST_PARAMETER"),
        ("OAuth without a connection", with(listening(), &json!({"includeOAuth": "true"})), 400, "INVALID_REQUEST_PARAMETER"),
        ("mutual TLS without a certificate", with(listening(), &json!({"requireMutualTls": "true"})), 400, "INVALID_REQUEST_PARAMETER"),
        (
            "Recipient Connect without a domain",
            with(listening(), &json!({"configurationType": "customrecipient"})),
            400,
            "INVALID_REQUEST_PARAMETER",
        ),
        ("Salesforce", with(listening(), &json!({"configurationType": "salesforce"})), 501, "NOT_IMPLEMENTED"),
        ("groups", with(listening(), &json!({"groupIds": ["7"]})), 501, "NOT_IMPLEMENTED"),
        ("a list", json!([1]), 400, "INVALID_REQUEST_BODY"),
        ("a text", json!("x"), 400, "INVALID_REQUEST_BODY"),
    ] {
        let answer = house.rest("POST", "/connect", Some(body)).await;
        assert_eq!(answer.headers["content-type"], "application/json", "{row}");
        let refused = answer.expect(status);
        assert_eq!(refused["errorCode"], code, "{row}: {refused}");
        assert!(!text(&refused, "message").is_empty(), "{row}");
    }
    let path = rest_path(&house.home, "/connect");
    for (row, body) in [("cut", r#"{"name": "#.to_owned()), ("not JSON", "name=x".to_owned()), ("deep", "[".repeat(10_000))] {
        let refused = house.send(&house.home.token, "POST", &path, Some(body)).await.expect(400);
        assert_eq!(refused["errorCode"], "INVALID_REQUEST_BODY", "{row}");
    }
    let large = format!("{{\"name\": \"{}\"}}", "x".repeat(2 << 20));
    house.send(&house.home.token, "POST", &path, Some(large)).await.expect(413);
    assert_eq!(house.rest("GET", "/connect", None).await.expect(200)["totalRecords"], "0");
}

#[tokio::test]
async fn what_is_saved_and_will_not_do_what_it_seems_to_warns() {
    let house = House::new().await;
    let silent = json!({"name": "Hooks", "configurationType": "custom", "urlToPublishTo": "https://listener.example/"});
    let made = house.rest("POST", "/connect", Some(silent)).await.expect(201);
    assert_eq!(made["warnings"], json!(["nothing fires: no user is selected", "nothing fires: no event is selected"]));
    let aggregate = with(listening(), &json!({"deliveryMode": "Aggregate"}));
    let made = house.rest("POST", "/connect", Some(aggregate)).await.expect(201);
    assert!(made["warnings"][0].as_str().unwrap().contains("envelopeEvents"), "{made}");
    let misspelt = with(listening(), &json!({"eventData": {"version": "restv2.1", "includeData": ["recipients", "status"]}}));
    let made = house.rest("POST", "/connect", Some(misspelt)).await.expect(201);
    assert!(made["warnings"][0].as_str().unwrap().starts_with("includeData names 'status', which adds nothing"), "{made}");
    let again = house.rest("PUT", "/connect", Some(json!({"connectId": made["connectId"], "name": "Other"}))).await.expect(200);
    assert_eq!(again["warnings"], made["warnings"], "as long as the word is there");
    let made = house.rest("POST", "/connect", Some(listening())).await.expect(201);
    assert_eq!(made.get("warnings"), None);
}

#[tokio::test]
async fn recipient_connect_is_for_accounts_with_a_domain() {
    let house = House::new().await;
    let mut account = house.home.account.clone();
    account.recipient_domains.insert("claimed.example".to_owned());
    countersign_store::Store::update_account(&house.store, account).await.unwrap().unwrap();
    house.app.configs.invalidate(house.home.account.id);
    let made = house.rest("POST", "/connect", Some(with(listening(), &json!({"configurationType": "CustomRecipient"})))).await.expect(201);
    assert_eq!(made["configurationType"], "customrecipient");
}

#[tokio::test]
async fn deleting_a_configuration_cancels_what_waits_for_it() {
    let house = House::new().await;
    let id = house.configuration(&json!({})).await;
    house.post("envelope-sent", None).await;
    let waiting = house.deliveries().await;
    assert_eq!(waiting.len(), 1);
    house.rest("DELETE", &format!("/connect/{id}"), None).await.expect(200);
    assert!(matches!(house.state(waiting[0].id).await, DeliveryState::Cancelled { .. }));
}

#[tokio::test]
async fn what_was_held_goes_on_when_a_configuration_is_resumed() {
    let house = House::new().await;
    let id = house.configuration(&json!({"pausePublish": "true"})).await;
    house.post("envelope-sent", None).await;
    let held = house.deliveries().await[0].id;
    assert!(matches!(house.state(held).await, DeliveryState::Waiting { held: Some(Hold::Paused), .. }));

    house.rest("PUT", "/connect", Some(json!({"connectId": id, "name": "Still paused"}))).await.expect(200);
    assert!(matches!(house.state(held).await, DeliveryState::Waiting { held: Some(Hold::Paused), .. }), "another change resumes nothing");

    house.clock.advance(Duration::from_secs(60));
    house.rest("PUT", "/connect", Some(json!({"connectId": id, "pausePublish": "false"}))).await.expect(200);
    assert!(matches!(house.state(held).await, DeliveryState::Waiting { held: None, .. }));
    assert_eq!(house.settle_all(200, countersign_store::settle::Next::Delivered).await.len(), 1);
}

#[tokio::test]
async fn what_the_system_disabled_is_switched_on_again_by_a_person() {
    let house = House::new().await;
    let id = house.configuration(&json!({})).await;
    let mut subscription = house.stored(&id).await;
    subscription.activity = Activity::Disabled { reason: "it has only failed for 14 days".into(), at: house.clock.now() };
    subscription.failing_since = Some(house.clock.now());
    let object = countersign_store::objects::Object::of(&subscription).unwrap();
    countersign_store::Store::put_subscription(&house.store, house.home.account.id, subscription.id, object, false).await.unwrap().unwrap();
    house.app.configs.invalidate(house.home.account.id);
    house.post("envelope-sent", None).await;
    let held = house.deliveries().await[0].id;
    assert!(matches!(house.state(held).await, DeliveryState::Waiting { held: Some(Hold::Disabled), .. }));

    let shown = house.rest("GET", &format!("/connect/{id}"), None).await.expect(200)["configurations"][0].clone();
    assert_eq!((&shown["allowEnvelopePublish"], &shown["disabledBy"]), (&json!("false"), &json!("it has only failed for 14 days")));
    let on = house.rest("PUT", "/connect", Some(json!({"connectId": id, "allowEnvelopePublish": "true"}))).await.expect(200);
    assert_eq!(on.get("disabledBy"), None);
    assert!(matches!(house.state(held).await, DeliveryState::Waiting { held: None, .. }));
    assert_eq!(house.stored(&id).await.failing_since, None, "the 14 days start anew");
}

#[tokio::test]
async fn out_of_scope_answers_501_with_a_message() {
    let house = House::new().await;
    for method in ["GET", "PUT", "DELETE"] {
        let refused = house.rest(method, "/connect/mobile_notifiers", Some(json!({}))).await.expect(501);
        assert_eq!(refused["errorCode"], "NOT_IMPLEMENTED", "{method}");
        assert!(text(&refused, "message").contains("mobile notifiers"), "{method}");
    }
    let refused = house.rest("PATCH", "/connect", None).await.expect(405);
    assert_eq!(refused["errorCode"], "METHOD_NOT_ALLOWED");
}

#[tokio::test]
async fn numeric_and_upper_case_account_ids_lead_to_the_same_configurations() {
    let house = House::new().await;
    house.configuration(&json!({})).await;
    for account in [house.home.account.id.to_string(), house.home.account.guid.to_string().to_uppercase()] {
        let path = format!("/restapi/v2.1/accounts/{account}/connect");
        let listed: Value = house.call(&house.home.token, "GET", &path, None).await.expect(200);
        assert_eq!(listed["totalRecords"], "1", "{account}");
    }
}
