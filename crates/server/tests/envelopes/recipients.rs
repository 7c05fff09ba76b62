//! Recipients and their tabs.

use serde_json::json;

use crate::house::{House, definition, signer, with};

#[tokio::test]
async fn recipients_are_listed_added_changed_and_removed() {
    let house = House::new().await;
    let id = house.envelope(definition("created", 1)).await;
    let path = format!("/envelopes/{id}/recipients");
    let added = house.post(&path, json!({"signers": [{"name": "Next", "email": "next@example.com"}]})).await.expect(201);
    assert_eq!(added["signers"][0]["recipientId"], "2");
    let change = json!({"signers": [with(signer("1", "4"), json!({"name": "Changed"})), signer("5", "5")]});
    let results = house.put(&path, change).await.expect(200);
    let results = results["recipientUpdateResults"].as_array().unwrap();
    assert_eq!(results.len(), 2, "a draft takes a further one by PUT");
    assert_eq!(results[0]["errorDetails"], json!({"errorCode": "SUCCESS", "message": ""}));
    let list = house.get(&path).await.expect(200);
    assert_eq!((&list["recipientCount"], &list["currentRoutingOrder"]), (&json!("3"), &json!("1")));
    assert_eq!(list["signers"][0]["name"], "Changed");
    let gone = house.delete(&path, json!({"signers": [{"recipientId": "2"}]})).await.expect(200);
    assert_eq!(gone["signers"][0]["email"], "next@example.com");
    house.delete(&format!("{path}/5"), json!({})).await.expect(200);
    house.delete(&format!("{path}/5"), json!({})).await.refused(400, "UNKNOWN_ENVELOPE_RECIPIENT");
    assert_eq!(house.get(&path).await.expect(200)["recipientCount"], "1");
    house.post(&path, json!({"signers": [signer("1", "1")]})).await.refused(400, "INVALID_REQUEST_PARAMETER");
    house.post(&path, json!({})).await.refused(400, "INVALID_REQUEST_PARAMETER");
    house.put(&path, json!({"carbonCopies": [{"recipientId": "1"}]})).await.refused(400, "INVALID_REQUEST_PARAMETER");
}

#[tokio::test]
async fn once_sent_only_those_who_are_there_are_changed() {
    let house = House::new().await;
    let id = house.envelope(definition("sent", 2)).await;
    let path = format!("/envelopes/{id}/recipients");
    house.put(&path, json!({"signers": [signer("9", "1")]})).await.refused(400, "UNKNOWN_ENVELOPE_RECIPIENT");
    house.put(&path, json!({"signers": [{"recipientId": "1", "email": "moved@example.com"}]})).await.expect(200);
    assert_eq!(house.events(&id).await.last().unwrap(), "recipient-sent 1", "who moved is invited again");
    house.play(&id, "1", json!({"action": "complete"})).await.expect(200);
    let late = house.put(&path, json!({"signers": [{"recipientId": "1", "name": "Late"}]})).await;
    late.refused(400, "RECIPIENT_INVALID_STATUS");
}

#[tokio::test]
async fn every_action_of_a_recipient_is_played() {
    let house = House::new().await;
    for (action, told, status) in [
        (json!({"action": "deliver"}), "recipient-delivered 1", "delivered"),
        (json!({"action": "decline", "reason": "no"}), "recipient-declined 1", "declined"),
        (json!({"action": "finish-later"}), "recipient-finish-later 1", "delivered"),
        (json!({"action": "authentication-failed"}), "recipient-authenticationfailed 1", "sent"),
        (json!({"action": "auto-respond", "reason": "550"}), "recipient-autoresponded 1", "autoresponded"),
        (json!({"action": "reassign", "name": "Bo", "email": "bo@example.com"}), "recipient-reassign 1", "completed"),
        (json!({"action": "delegate", "name": "Bo", "email": "bo@example.com"}), "recipient-delegate 3", "completed"),
    ] {
        let id = house.envelope(definition("sent", 2)).await;
        let played = house.play(&id, "1", action.clone()).await.expect(200);
        assert!(house.events(&id).await.contains(&told.to_owned()), "{action}");
        assert_eq!(played["recipients"][0]["status"], status, "{action}");
    }
}

#[tokio::test]
async fn actions_that_cannot_be_are_refused_with_their_code() {
    let house = House::new().await;
    let id = house.envelope(definition("sent", 2)).await;
    let draft = house.envelope(definition("created", 1)).await;
    let none = uuid::Uuid::new_v4().to_string();
    for (envelope, recipient, action, status, code) in [
        (&id, "2", json!({"action": "complete"}), 400, "recipient-not-in-sequence"),
        (&id, "9", json!({"action": "complete"}), 404, "unknown-envelope-recipient"),
        (&none, "1", json!({"action": "complete"}), 404, "envelope-does-not-exist"),
        (&draft, "1", json!({"action": "complete"}), 400, "envelope-invalid-status"),
        (&id, "1", json!({"action": "sign"}), 400, "invalid-request-body"),
        (&id, "1", json!({"action": "complete", "Tabs": {}}), 400, "invalid-request-body"),
        (&id, "1", json!({"action": "complete", "tabs": {"nosuch": "x"}}), 400, "invalid-request-parameter"),
        (&id, "1", json!([]), 400, "invalid-request-body"),
    ] {
        let answer = house.play(envelope, recipient, action.clone()).await;
        assert_eq!(answer.header("content-type"), "application/problem+json");
        assert_eq!(answer.status.as_u16(), status, "{action}: {}", answer.text());
        assert_eq!(answer.expect(status)["code"], code, "{action}");
    }
}

#[tokio::test]
async fn tabs_are_filled_in_and_told_as_form_data() {
    let house = House::new().await;
    let tabs = json!({
        "signHereTabs": [{"documentId": "1", "pageNumber": "1", "xPosition": "10", "yPosition": "10"}],
        "textTabs": [{"tabLabel": "city", "value": "Oslo", "required": "true"}, {"tabLabel": "fixed", "value": "x", "locked": "true"}],
        "checkboxTabs": [{"tabLabel": "agree", "selected": "false"}],
        "listTabs": [{"tabLabel": "size", "listItems": [{"text": "Large", "value": "L"}, {"text": "Small", "value": "S"}]}],
        "radioGroupTabs": [{"groupName": "colour", "radios": [{"value": "red"}, {"value": "green"}]}],
        "dateSignedTabs": [{"tabLabel": "when"}],
        "fullNameTabs": [{"tabLabel": "who"}],
    });
    let signers = json!({"signers": [with(signer("1", "1"), json!({"tabs": tabs}))]});
    let id = house.envelope(with(definition("sent", 1), json!({"recipients": signers}))).await;
    for (tabs, why) in [
        (json!({"fixed": "y"}), "locked"),
        (json!({"size": "XXL"}), "choices"),
        (json!({"agree": "perhaps"}), "check box"),
        (json!({"city": ""}), "required"),
    ] {
        let refused = house.play(&id, "1", json!({"action": "complete", "tabs": tabs})).await.expect(400);
        assert!(refused["detail"].as_str().unwrap().contains(why), "{tabs}: {refused}");
    }
    let values = json!({"city": "Riga", "agree": true, "size": "L", "colour": "green"});
    house.play(&id, "1", json!({"action": "complete", "tabs": values})).await.expect(200);
    let data = house.get(&format!("/envelopes/{id}/form_data")).await.expect(200);
    assert_eq!((&data["envelopeId"], &data["status"], &data["emailSubject"]), (&json!(id), &json!("completed"), &json!("Please sign")));
    let value = |name: &str| {
        let item = data["formData"].as_array().unwrap().iter().find(|item| item["name"] == name);
        item.unwrap_or_else(|| panic!("no {name} in {data}"))["value"].clone()
    };
    for (name, expected) in
        [("city", "Riga"), ("agree", "X"), ("size", "L"), ("colour", "green"), ("when", "11/1/2025"), ("who", "Signer 1")]
    {
        assert_eq!(value(name), expected, "{name}");
    }
    let city = data["formData"].as_array().unwrap().iter().find(|item| item["name"] == "city").unwrap();
    assert_eq!(city["originalValue"], "Oslo");
    assert_eq!(data["recipientFormData"][0]["SignedTime"], "2025-11-01T10:00:00.0000000Z");
    let shown = house.get(&format!("/envelopes/{id}/recipients?include_tabs=true")).await.expect(200);
    let tabs = &shown["signers"][0]["tabs"];
    assert_eq!(tabs["signHereTabs"][0]["status"], "signed");
    assert_eq!(tabs["checkboxTabs"][0]["selected"], "true");
    let plain = house.get(&format!("/envelopes/{id}/recipients")).await.expect(200);
    assert!(plain["signers"][0].get("tabs").is_none());
}

#[tokio::test]
async fn tabs_are_added_changed_and_removed_by_id() {
    let house = House::new().await;
    let id = house.envelope(definition("created", 1)).await;
    let path = format!("/envelopes/{id}/recipients/1/tabs");
    let added = house.post(&path, json!({"textTabs": [{"tabLabel": "city", "required": "true", "font": "arial"}]})).await.expect(201);
    let tab = added["textTabs"][0]["tabId"].as_str().unwrap();
    let changed = house.put(&path, json!({"textTabs": [{"tabId": tab, "VALUE": "Riga"}]})).await.expect(200);
    let one = &changed["textTabs"][0];
    assert_eq!(
        (&one["value"], &one["required"], &one["font"], &one["tabLabel"]),
        (&json!("Riga"), &json!("true"), &json!("arial"), &json!("city"))
    );
    assert_eq!(house.get(&path).await.expect(200), changed);
    for (method, body) in [
        ("PUT", json!({"textTabs": [{"value": "no id"}]})),
        ("PUT", json!({"textTabs": [{"tabId": uuid::Uuid::nil(), "value": "x"}]})),
        ("POST", json!({"textTabs": [{"tabId": tab}]})),
        ("POST", json!({})),
        ("DELETE", json!({"textTabs": [{}]})),
        ("DELETE", json!({"textTabs": [{"tabId": uuid::Uuid::nil()}]})),
    ] {
        house.call(&house.home, method, &path, Some(body), &[]).await.refused(400, "INVALID_REQUEST_PARAMETER");
    }
    house.get(&format!("/envelopes/{id}/recipients/9/tabs")).await.refused(400, "UNKNOWN_ENVELOPE_RECIPIENT");
    let gone = house.delete(&path, json!({"textTabs": [{"tabId": tab}]})).await.expect(200);
    assert_eq!(gone["textTabs"][0]["value"], "Riga");
    assert_eq!(house.get(&path).await.expect(200), json!({}));
}
