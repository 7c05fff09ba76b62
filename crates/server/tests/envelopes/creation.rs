//! What a definition may say, and how.

use serde_json::{Value, json};

use crate::house::{House, base64, definition, document, signer, with};

#[tokio::test]
async fn names_are_read_without_case_and_scalars_in_any_form() {
    let house = House::new().await;
    let id = house
        .envelope(json!({
            "STATUS": "Sent",
            "EmailSubject": "Mixed case",
            "documents": [{"DocumentID": 1, "Name": "n", "documentBASE64": base64("hello"), "fileExtension": "txt"}],
            "recipients": {"Signers": [{"RecipientId": 1, "routingOrder": 1, "Name": " Ada ", "EMAIL": "ada@example.com ", "unknown": {"a": 1}}]},
            "allowMarkup": true,
            "nobodyKnowsThis": [1, 2],
        }))
        .await;
    let shown = house.shown(&id).await;
    assert_eq!(shown["emailSubject"], "Mixed case");
    assert_eq!(shown["allowMarkup"], "true", "scalars go out as text");
    assert!(shown.get("nobodyKnowsThis").is_none());
    let signer = &shown["recipients"]["signers"][0];
    assert_eq!((&signer["recipientId"], &signer["email"], &signer["routingOrder"]), (&json!("1"), &json!("ada@example.com"), &json!("1")));
}

#[tokio::test]
async fn an_empty_definition_is_a_draft() {
    let house = House::new().await;
    let id = house.envelope(json!({})).await;
    assert_eq!(house.shown(&id).await["status"], "created");
    house.put(&format!("/envelopes/{id}"), json!({"status": "sent"})).await.refused(400, "ENVELOPE_IS_INCOMPLETE");
    let path = format!("/envelopes/{id}");
    house.put(&path, with(definition("", 1), json!({"status": "sent"}))).await.expect(200);
    assert_eq!(house.shown(&id).await["status"], "sent");
}

#[tokio::test]
async fn all_kinds_of_recipients_and_fields_come_back() {
    let house = House::new().await;
    let body = json!({
        "status": "created",
        "emailSubject": "All",
        "emailBlurb": "Hello",
        "transactionId": "tx-1",
        "documents": [document("1"), document("2")],
        "recipients": {
            "signers": [with(signer("1", "1"), json!({"clientUserId": "c1", "note": "hi", "roleName": "Tenant", "deliveryMethod": "SMS"}))],
            "carbonCopies": [{"name": "C", "email": "c@example.com"}],
            "certifiedDeliveries": [{"recipientId": "7", "name": "D", "email": "d@example.com"}],
            "inPersonSigners": [{"recipientId": "8", "hostName": "Host", "hostEmail": "host@example.com", "signerName": "In Person"}],
            "agents": [],
        },
        "customFields": {
            "textCustomFields": [{"name": "Region", "value": "West", "show": "true"}],
            "listCustomFields": [{"name": "Size", "value": "L", "listItems": ["S", "L"]}],
        },
        "notification": {
            "reminders": {"reminderEnabled": "true", "reminderDelay": "2", "reminderFrequency": "3"},
            "expirations": {"expireEnabled": true, "expireAfter": 10, "expireWarn": "1"},
        },
        "emailSettings": {"replyEmailAddressOverride": "r@example.com", "bccEmailAddresses": [{"email": "b@example.com"}]},
        "attachments": [{"attachmentId": "a", "name": "terms", "data": base64("terms"), "attachmentType": ".txt"}],
    });
    let id = house.envelope(body).await;
    let shown = house.get(&format!("/envelopes/{id}?include=recipients,custom_fields,extensions,attachments,folders")).await.expect(200);
    let recipients = &shown["recipients"];
    assert_eq!(recipients["recipientCount"], "4");
    assert_eq!(recipients["signers"][0]["deliveryMethod"], "SMS");
    assert_eq!(recipients["carbonCopies"][0]["recipientId"], "2", "who has no id gets a free one");
    assert_eq!(recipients["inPersonSigners"][0]["signerName"], "In Person");
    assert_eq!(shown["transactionId"], "tx-1");
    assert_eq!(shown["customFields"]["listCustomFields"][0]["listItems"], json!(["S", "L"]));
    assert_eq!(shown["emailSettings"]["bccEmailAddresses"][0]["email"], "b@example.com");
    assert_eq!(shown["envelopeAttachments"][0]["attachmentId"], "a");
    assert_eq!(shown["folders"][0]["type"], "draft");
    assert_eq!(shown["sender"]["userId"], house.home.user.to_string());
    assert_eq!(shown["sender"]["email"], "admin@countersign.localhost");
    let notification = house.get(&format!("/envelopes/{id}/notification")).await.expect(200);
    assert_eq!(notification["reminders"]["reminderFrequency"], "3");
    assert_eq!(notification["expirations"], json!({"expireEnabled": "true", "expireAfter": "10", "expireWarn": "1"}));
    let attachment = house.get(&format!("/envelopes/{id}/attachments/a")).await;
    assert_eq!(attachment.body, "terms");
}

#[tokio::test]
async fn what_cannot_be_is_refused_whole() {
    let house = House::new().await;
    let draft = |more: Value| with(definition("created", 1), more);
    let cases: Vec<(Value, u16, &str)> = vec![
        (draft(json!({"status": "completed"})), 400, "ENVELOPE_INVALID_STATUS"),
        (draft(json!({"status": {}})), 400, "INVALID_REQUEST_PARAMETER"),
        (draft(json!({"documents": {}})), 400, "INVALID_REQUEST_PARAMETER"),
        (draft(json!({"documents": ["a"]})), 400, "INVALID_REQUEST_PARAMETER"),
        (draft(json!({"documents": [{"name": "x", "documentBase64": "aGk="}]})), 400, "INVALID_REQUEST_PARAMETER"),
        (draft(json!({"documents": [{"documentId": "1"}]})), 400, "INVALID_REQUEST_PARAMETER"),
        (draft(json!({"documents": [{"documentId": "combined", "documentBase64": "aGk="}]})), 400, "INVALID_REQUEST_PARAMETER"),
        (draft(json!({"documents": [{"documentId": "1", "documentBase64": "not base64!"}]})), 400, "INVALID_REQUEST_PARAMETER"),
        (draft(json!({"documents": [document("1"), document("1")]})), 400, "INVALID_REQUEST_PARAMETER"),
        (draft(json!({"documents": [{"documentId": "1", "remoteUrl": "https://example.com/x.pdf"}]})), 501, "NOT_IMPLEMENTED"),
        (draft(json!({"documents": [{"documentId": "1", "htmlDefinition": {"source": "<p>"}}]})), 501, "NOT_IMPLEMENTED"),
        (draft(json!({"recipients": []})), 400, "INVALID_REQUEST_PARAMETER"),
        (draft(json!({"recipients": {"signers": {}}})), 400, "INVALID_REQUEST_PARAMETER"),
        (draft(json!({"recipients": {"agents": [{"recipientId": "1"}]}})), 501, "NOT_IMPLEMENTED"),
        (
            draft(json!({"recipients": {"signers": [with(signer("1", "1"), json!({"email": "nobody"}))]}})),
            400,
            "INVALID_EMAIL_ADDRESS_FOR_RECIPIENT",
        ),
        (draft(json!({"recipients": {"signers": [signer("1", "0")]}})), 400, "INVALID_REQUEST_PARAMETER"),
        (draft(json!({"recipients": {"signers": [signer("1", "-1")]}})), 400, "INVALID_REQUEST_PARAMETER"),
        (draft(json!({"recipients": {"signers": [signer("1", "first")]}})), 400, "INVALID_REQUEST_PARAMETER"),
        (draft(json!({"recipients": {"signers": [signer("1", "1"), signer("1", "2")]}})), 400, "INVALID_REQUEST_PARAMETER"),
        (
            draft(json!({"recipients": {"signers": [with(signer("1", "1"), json!({"tabs": {"textTabs": "x"}}))]}})),
            400,
            "INVALID_REQUEST_PARAMETER",
        ),
        (
            draft(json!({"recipients": {"signers": [with(signer("1", "1"), json!({"tabs": {"textTabs": [{"required": "maybe"}]}}))]}})),
            400,
            "INVALID_REQUEST_PARAMETER",
        ),
        (draft(json!({"emailSubject": "x".repeat(101)})), 400, "INVALID_REQUEST_PARAMETER"),
        (draft(json!({"brandId": "x".repeat(2_000)})), 400, "INVALID_REQUEST_PARAMETER"),
        (draft(json!({"customFields": {"textCustomFields": [{"value": "nameless"}]}})), 400, "INVALID_REQUEST_PARAMETER"),
        (
            draft(json!({"customFields": {"listCustomFields": [{"name": "a", "value": "z", "listItems": ["x"]}]}})),
            400,
            "INVALID_REQUEST_PARAMETER",
        ),
        (
            draft(json!({"notification": {"expirations": {"expireEnabled": "true", "expireAfter": "5000"}}})),
            400,
            "INVALID_REQUEST_PARAMETER",
        ),
        (draft(json!({"notification": {"reminders": {"reminderDelay": "-1"}}})), 400, "INVALID_REQUEST_PARAMETER"),
        (draft(json!({"workflow": {"workflowSteps": [{"action": "pause_before"}]}})), 501, "NOT_IMPLEMENTED"),
        (draft(json!({"templateRoles": [{"roleName": "x"}]})), 400, "INVALID_REQUEST_PARAMETER"),
        (draft(json!({"templateId": "x"})), 400, "INVALID_REQUEST_PARAMETER"),
        (draft(json!({"templateId": uuid::Uuid::nil()})), 404, "TEMPLATE_ID_INVALID"),
        (draft(json!({"eventNotification": {"url": "ftp://example.com"}})), 400, "INVALID_REQUEST_PARAMETER"),
        (with(definition("sent", 1), json!({"emailSubject": ""})), 400, "ENVELOPE_IS_INCOMPLETE"),
        (with(definition("sent", 1), json!({"documents": []})), 400, "ENVELOPE_IS_INCOMPLETE"),
        (with(definition("sent", 1), json!({"recipients": {}})), 400, "ENVELOPE_IS_INCOMPLETE"),
        (
            with(definition("sent", 1), json!({"recipients": {"signers": [{"recipientId": "1", "name": "A"}]}})),
            400,
            "INVALID_EMAIL_ADDRESS_FOR_RECIPIENT",
        ),
    ];
    for (body, status, code) in cases {
        let what = body.to_string().chars().take(400).collect::<String>();
        let answer = house.post("/envelopes", body).await;
        assert_eq!(answer.status.as_u16(), status, "{what}: {}", answer.text());
        let message = answer.refused(status, code);
        assert!(!message.is_empty(), "{what}");
    }
    let list = house.get("/envelopes?from_date=2025-01-01").await.expect(200);
    assert_eq!(list["totalSetSize"], "0", "nothing was half-applied");
}

#[tokio::test]
async fn documents_are_bounded_together() {
    let house = House::with(countersign_server::Settings { envelope_bytes_max: 10_000, ..countersign_server::Settings::default() }).await;
    let big = |id: &str| json!({"documentId": id, "name": id, "fileExtension": "txt", "documentBase64": base64(vec![b'x'; 5_000])});
    let id = house.envelope(with(definition("created", 1), json!({"documents": [big("1")]}))).await;
    house.put(&format!("/envelopes/{id}/documents"), json!({"documents": [big("2")]})).await.expect(200);
    house.put(&format!("/envelopes/{id}/documents"), json!({"documents": [big("3")]})).await.refused(413, "REQUEST_TOO_LARGE");
    let huge = with(definition("created", 1), json!({"documents": [big("1"), big("2")]}));
    house.post("/envelopes", huge).await.refused(413, "REQUEST_TOO_LARGE");
}
