//! Custom fields, reminders and expiry, mail settings, attachments, audit trail.

use serde_json::json;

use crate::house::{House, base64, definition};

#[tokio::test]
async fn custom_fields_are_added_changed_and_removed() {
    let house = House::new().await;
    let id = house.envelope(definition("created", 1)).await;
    let path = format!("/envelopes/{id}/custom_fields");
    assert_eq!(house.get(&path).await.expect(200), json!({"textCustomFields": [], "listCustomFields": []}));
    let body = json!({"textCustomFields": [{"name": "a", "value": "1"}], "listCustomFields": [{"name": "b", "listItems": ["x", "y"]}]});
    let added = house.post(&path, body).await.expect(201);
    let a = added["textCustomFields"][0]["fieldId"].as_str().unwrap();
    let b = added["listCustomFields"][0]["fieldId"].as_str().unwrap();
    assert_ne!(a, b);
    let changed = house.put(&path, json!({"textCustomFields": [{"fieldId": a, "value": "2"}]})).await.expect(200);
    assert_eq!((&changed["textCustomFields"][0]["name"], &changed["textCustomFields"][0]["value"]), (&json!("a"), &json!("2")));
    for (method, body) in [
        ("PUT", json!({"textCustomFields": [{"fieldId": "77", "name": "c"}]})),
        ("PUT", json!({"listCustomFields": [{"fieldId": b, "value": "z"}]})),
        ("POST", json!({"textCustomFields": [{"fieldId": a, "name": "again"}]})),
        ("POST", json!({})),
        ("DELETE", json!({"textCustomFields": [{"fieldId": "77"}]})),
        ("DELETE", json!({"textCustomFields": [{"name": "a"}]})),
    ] {
        house.call(&house.home, method, &path, Some(body.clone()), &[]).await.refused(400, "INVALID_REQUEST_PARAMETER");
    }
    let gone = house.delete(&path, json!({"textCustomFields": [{"fieldId": a}]})).await.expect(200);
    assert_eq!(gone["textCustomFields"][0]["value"], "2");
    let left = house.get(&path).await.expect(200);
    assert_eq!((left["textCustomFields"].as_array().unwrap().len(), left["listCustomFields"].as_array().unwrap().len()), (0, 1));
}

#[tokio::test]
async fn settings_are_laid_over_what_is_there() {
    let house = House::new().await;
    let id = house.envelope(definition("created", 1)).await;
    let path = format!("/envelopes/{id}/notification");
    assert_eq!(house.get(&path).await.expect(200)["expirations"]["expireAfter"], "120");
    let changed = house.put(&path, json!({"expirations": {"expireAfter": "5"}})).await.expect(200);
    assert_eq!(changed["expirations"], json!({"expireEnabled": "true", "expireAfter": "5", "expireWarn": "0"}));
    house.put(&path, json!({"expirations": {"expireAfter": "0"}})).await.refused(400, "INVALID_REQUEST_PARAMETER");
    let defaults = house.put(&path, json!({"useAccountDefaults": "true"})).await.expect(200);
    assert_eq!((&defaults["useAccountDefaults"], &defaults["expirations"]["expireAfter"]), (&json!("true"), &json!("120")));

    let path = format!("/envelopes/{id}/email_settings");
    house.post(&path, json!({"replyEmailAddressOverride": "r@example.com"})).await.expect(201);
    assert_eq!(house.get(&path).await.expect(200)["replyEmailAddressOverride"], "r@example.com");
    house.delete(&path, json!({})).await.expect(200);
    assert!(house.get(&path).await.expect(200).get("replyEmailAddressOverride").is_none());
}

#[tokio::test]
async fn attachments_are_kept_beside_the_documents() {
    let house = House::new().await;
    let id = house.envelope(definition("created", 1)).await;
    let path = format!("/envelopes/{id}/attachments");
    let body = json!({"attachments": [{"attachmentId": "a", "name": "n", "data": base64("one")}]});
    house.put(&path, body).await.expect(200);
    house.put(&format!("{path}/b"), json!({"name": "m", "data": base64("two")})).await.expect(200);
    let list = house.get(&path).await.expect(200);
    assert_eq!(list["attachments"].as_array().unwrap().len(), 2);
    assert_eq!(house.get(&format!("{path}/b")).await.body, "two");
    house.get(&format!("{path}/c")).await.refused(404, "ATTACHMENT_DOES_NOT_EXIST");
    house.put(&path, json!({"attachments": [{"attachmentId": "c"}]})).await.refused(400, "INVALID_REQUEST_PARAMETER");
    house.delete(&path, json!({"attachments": [{"attachmentId": "a"}]})).await.expect(200);
    assert_eq!(house.get(&path).await.expect(200)["attachments"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn the_audit_trail_says_who_did_what() {
    let house = House::new().await;
    let id = house.envelope(definition("sent", 1)).await;
    house.play(&id, "1", json!({"action": "complete"})).await.expect(200);
    let trail = house.get(&format!("/envelopes/{id}/audit_events")).await.expect(200);
    let entries: Vec<(String, String)> = trail["auditEvents"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| {
            let field = |name: &str| {
                let fields = entry["eventFields"].as_array().unwrap();
                fields.iter().find(|field| field["name"] == name).unwrap()["value"].as_str().unwrap().to_owned()
            };
            (field("Action"), field("UserName"))
        })
        .collect();
    assert_eq!(entries[0], ("Registered".to_owned(), "Account Administrator".to_owned()));
    assert!(entries.contains(&("Signed".to_owned(), "Signer 1".to_owned())), "{entries:?}");
}

#[tokio::test]
async fn the_audit_trail_says_from_where() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    let house = House::new().await;
    let id = house.envelope(definition("sent", 1)).await;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let stop = house.app.stopping.clone();
    let serving = tokio::spawn(countersign_server::serving::serve(listener, house.router.clone(), None, stop.clone()));
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    let body = json!({"action": "deliver"}).to_string();
    let request = format!(
        "POST /api/v1/accounts/{}/envelopes/{id}/recipients/1/actions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\n\
         content-type: application/json\r\nx-forwarded-for: 192.0.2.7\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
        house.home.account.guid,
        house.home.token,
        body.len()
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    stop.cancel();
    serving.await.unwrap();
    let trail = house.get(&format!("/envelopes/{id}/audit_events")).await.expect(200).to_string();
    assert!(trail.contains("127.0.0.1") && !trail.contains("192.0.2.7"), "a header that anybody can send is not believed: {trail}");
}

#[tokio::test]
async fn document_fields_are_added_changed_and_removed_by_name() {
    let house = House::new().await;
    let id = house.envelope(definition("created", 1)).await;
    let path = format!("/envelopes/{id}/documents/1/fields");
    let field = |value: &str| json!({"documentFields": [{"name": "ref", "value": value}]});
    house.post(&path, field("1")).await.expect(201);
    house.post(&path, field("2")).await.refused(400, "INVALID_REQUEST_PARAMETER");
    house.put(&path, field("3")).await.expect(200);
    assert_eq!(house.get(&path).await.expect(200), field("3"));
    assert_eq!(house.delete(&path, field("")).await.expect(200), field(""));
    for (method, body) in
        [("PUT", field("4")), ("DELETE", field("")), ("POST", json!({})), ("POST", json!({"documentFields": [{"value": "x"}]}))]
    {
        house.call(&house.home, method, &path, Some(body), &[]).await.refused(400, "INVALID_REQUEST_PARAMETER");
    }
    house.get(&format!("/envelopes/{id}/documents/9/fields")).await.refused(404, "DOCUMENT_DOES_NOT_EXIST");
}
