//! Malformed, oversized, wrongly typed and out-of-scope requests: 4xx or 501 with `errorCode` and `message`, never anything else.

use axum::body::Body;
use http::{Request, header};
use serde_json::json;

use crate::house::{House, definition};

#[tokio::test]
async fn malformed_requests_are_refused_in_docusigns_shape() {
    let house = House::new().await;
    let id = house.envelope(definition("sent", 1)).await;
    let one = format!("/envelopes/{id}");
    let below = |rest: &str| format!("/envelopes/{id}{rest}");
    let raw: Vec<(&str, String, &str)> = vec![
        ("POST", "/envelopes".into(), "{"),
        ("POST", "/envelopes".into(), "[]"),
        ("POST", "/envelopes".into(), "\"text\""),
        ("POST", "/envelopes".into(), "\u{0}"),
        ("PUT", one.clone(), "nonsense"),
        ("PUT", one.clone(), "{\"status\": []}"),
        ("PUT", one.clone(), "{\"purgeState\": {\"a\": 1}}"),
        ("PUT", one.clone(), "{\"purgeState\": \"unpurged\"}"),
        ("PUT", one.clone(), "{\"recipients\": 7}"),
        ("PUT", format!("{one}?resend_envelope=perhaps"), "{}"),
        ("PUT", one.clone(), "{\"eventNotification\": {\"url\": \"https://example.com\"}}"),
        ("GET", "/envelopes/not-a-guid".into(), ""),
        ("PUT", "/envelopes/not-a-guid".into(), "{}"),
        ("GET", "/envelopes/%ff".into(), ""),
        ("PUT", below("/recipients"), "{\"signers\": \"all\"}"),
        ("PUT", below("/recipients"), "{}"),
        ("GET", below("/recipients?include_tabs=si"), ""),
        ("POST", below("/recipients/1/tabs"), "{\"textTabs\": [7]}"),
        ("POST", below("/recipients/1/tabs"), "{\"textTabs\": {}}"),
        ("PUT", below("/documents"), "{\"documents\": [{\"documentId\": \"1\", \"documentBase64\": \"***\"}]}"),
        ("PUT", below("/documents/combined"), "bytes"),
        ("PUT", below("/documents/2"), ""),
        ("GET", below("/documents/1?encoding=rot13"), ""),
        ("PUT", below("/notification"), "{\"expirations\": []}"),
        ("PUT", below("/notification"), "{\"reminders\": {\"reminderEnabled\": \"often\"}}"),
        ("POST", below("/custom_fields"), "{\"textCustomFields\": 1}"),
        ("PUT", below("/email_settings"), "{\"bccEmailAddresses\": [{}]}"),
        ("POST", below("/views/recipient"), "{}"),
        ("POST", below("/lock"), "{\"lockDurationInSeconds\": {}}"),
        ("PUT", "/folders/recyclebin".into(), "{\"envelopeIds\": [\"x\"]}"),
        ("GET", "/templates/x".into(), ""),
        ("POST", "/templates".into(), "{}"),
        ("GET", "/templates?shared_by_me=true".into(), ""),
    ];
    for (method, path, body) in raw {
        let request = Request::builder()
            .method(method)
            .uri(format!("/restapi/v2.1/accounts/{}{path}", house.home.account.guid))
            .header(header::AUTHORIZATION, format!("Bearer {}", house.home.token))
            .header(header::CONTENT_TYPE, "application/json")
            .body(Body::from(body.to_owned()))
            .unwrap();
        let answer = house.send(request).await;
        assert!(answer.status.is_client_error(), "{method} {path} {body}: {} {}", answer.status, answer.text());
        let status = answer.status.as_u16();
        let body = answer.expect(status);
        assert!(body["errorCode"].is_string() && body["message"].is_string(), "{method} {path}: {body}");
    }
    assert_eq!(house.events(&id).await.len(), 2, "nothing was half-applied");
}

#[tokio::test]
async fn what_is_out_of_scope_says_so() {
    let house = House::new().await;
    let id = house.envelope(definition("sent", 1)).await;
    for (method, path) in [
        ("POST", format!("/envelopes/{id}/views/sender")),
        ("POST", format!("/envelopes/{id}/views/edit")),
        ("POST", format!("/envelopes/{id}/views/correct")),
        ("POST", "/views/console".to_owned()),
        ("GET", format!("/envelopes/{id}/workflow")),
        ("GET", format!("/envelopes/{id}/comments/transcript")),
        ("POST", "/bulk_send_lists".to_owned()),
        ("POST", format!("/bulk_send_lists/{id}/send")),
        ("GET", "/powerforms".to_owned()),
        ("GET", "/brands".to_owned()),
    ] {
        house.call(&house.home, method, &path, Some(json!({})), &[]).await.refused(501, "NOT_IMPLEMENTED");
    }
    house.get("/made_up").await.refused(404, "RESOURCE_NOT_FOUND");
}

#[tokio::test]
async fn multipart_is_refused_with_the_way_out() {
    let house = House::new().await;
    let request = Request::post(format!("/restapi/v2.1/accounts/{}/envelopes", house.home.account.guid))
        .header(header::AUTHORIZATION, format!("Bearer {}", house.home.token))
        .header(header::CONTENT_TYPE, "multipart/form-data; boundary=AAA")
        .body(Body::from("--AAA--"))
        .unwrap();
    let message = house.send(request).await.refused(415, "INVALID_REQUEST_BODY");
    assert!(message.contains("documentBase64"), "{message}");
}
