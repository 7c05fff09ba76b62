//! What the application gets: the verified bytes, typed messages of every family, and each message once.

use axum::{Router, body::Body, extract::DefaultBodyLimit, routing::post};
use bytes::Bytes;
use countersign_listener::{
    Listener, MemoryReplayGuard, ReplayKey, VerifiedMessage,
    message::{Count, EventData, EventFamily, Flag, Message, NotAMessage},
};
use countersign_signature::{HmacKey, sign};
use http::{Request, StatusCode};
use proptest::prelude::*;
use serde_json::{Value, json};
use tower::ServiceExt as _;

const ENVELOPE: &str = "71799c95-8417-4b16-90d5-86ff24a91d09";

/// A message with this event and data, as Connect writes it.
fn event(name: &str, data: &Value) -> Value {
    json!({
        "event": name, "apiVersion": "v2.1", "uri": format!("/restapi/v2.1/accounts/a/envelopes/{ENVELOPE}"), "retryCount": 0,
        "configurationId": 10_363_315, "generatedDateTime": "2022-12-09T18:29:29.7360000Z", "data": data, "later": {"added": [1]},
    })
}

fn summary() -> Value {
    json!({
        "status": "completed", "documentsUri": format!("/envelopes/{ENVELOPE}/documents"), "emailSubject": "Zu unterschreiben: Müller & Söhne",
        "envelopeId": ENVELOPE, "signingLocation": "online", "enableWetSign": "true", "createdDateTime": "2022-09-22T15:19:24.5Z",
        "initialSentDateTime": "2022-09-22T15:19:25.403Z", "completedDateTime": "2022-09-22T15:20:00Z", "expireEnabled": "true",
        "expireAfter": "120", "sender": {"userName": "Ann", "userId": "u", "accountId": "a", "email": "ann@example.com"},
        "recipients": {
            "signers": [{
                "creationReason": "sender", "name": "Bob", "email": "bob@example.com", "recipientId": "1", "recipientIdGuid": "g",
                "routingOrder": "1", "status": "completed", "completedCount": "1", "signedDateTime": "2022-09-22T15:20:00Z",
                "tabs": {"textTabs": [{"tabLabel": "city", "value": "Köln"}]},
            }],
            "agents": [], "editors": null, "carbonCopies": [{"name": "Cy", "recipientId": "2", "status": "sent"}],
            "participants": [{"name": "later kind"}], "recipientCount": "2", "currentRoutingOrder": "1",
        },
        "customFields": {"textCustomFields": [{"fieldId": "1", "name": "order", "value": "4711", "show": "true", "required": "false"}]},
        "envelopeDocuments": [
            {"documentId": "1", "name": "Lease.pdf", "type": "content", "order": "1", "PDFBytes": "JVBERg=="},
            {"documentId": "certificate", "type": "summary", "order": "999", "PDFBytes": "%"},
            {"documentId": "3"},
        ],
        "purgeState": "unpurged", "anySigner": null, "envelopeMetadata": {"allowCorrect": "true"},
    })
}

fn read(message: &Value) -> Message {
    Message::try_read(message.to_string().as_bytes()).unwrap_or_else(|error| panic!("{message}: {error}"))
}

/// All that is in `part` and is neither null nor an empty list is in `whole` as well.
fn assert_holds(whole: &Value, part: &Value, path: &str) {
    match part {
        Value::Object(members) => {
            for (name, value) in
                members.iter().filter(|(_, value)| !value.is_null() && value.as_array().is_none_or(|list| !list.is_empty()))
            {
                let path = format!("{path}.{name}");
                assert_holds(whole.get(name).unwrap_or_else(|| panic!("{path} is lost")), value, &path);
            }
        }
        Value::Array(items) => {
            for (at, item) in items.iter().enumerate() {
                assert_holds(&whole[at], item, &format!("{path}[{at}]"));
            }
        }
        value => assert_eq!(whole, value, "{path}"),
    }
}

#[test]
fn every_family_of_events_is_read_and_nothing_is_lost() {
    let common = json!({"accountId": "a", "userId": "u", "envelopeId": ENVELOPE, "note": {"x": 1}});
    let with = |name: &str, value: Value| crate::support::with(common.clone(), name, value);
    let rows = [
        ("envelope-completed", with("envelopeSummary", summary()), EventFamily::Envelope),
        ("Envelope-Sent", common.clone(), EventFamily::Envelope),
        ("recipient-completed", with("recipientId", "1".into()), EventFamily::Recipient),
        ("recipient-reassign", with("reassignedRecipientId", "2".into()), EventFamily::Recipient),
        ("template-created", json!({"accountId": "a", "templateId": "t", "name": "Lease"}), EventFamily::Template),
        ("click-agreed", json!({"accountId": "a", "clickwrapId": "c", "version": 3}), EventFamily::Click),
        ("extension-executed", json!({"accountId": "a", "anything": [1, 2, 3]}), EventFamily::Other),
        ("order.paid", json!("a text of a sender of its own"), EventFamily::Other),
    ];
    for (name, data, family) in rows {
        let sent = event(name, &data);
        let Message::Event(message) = read(&sent) else { panic!("{name} is an event") };
        assert_eq!((message.event.as_str(), message.family()), (name, family));
        assert_eq!(message.retry_count.as_ref().and_then(Count::value), Some(0), "{name}");
        assert_eq!(message.configuration_id, Some(Count::Number(10_363_315)), "{name}");
        assert_holds(&serde_json::to_value(&message).expect("it is JSON"), &sent, name);
        let of_family = match &message.data {
            EventData::Envelope(data) => data.account_id.is_some() && data.envelope_id.is_some(),
            EventData::Recipient(data) => data.account_id.is_some() && data.envelope_id.is_some(),
            EventData::Template(data) => data.template_id.as_deref() == Some("t") && data.name.as_deref() == Some("Lease"),
            EventData::Click(data) => data.more.get("clickwrapId") == Some(&json!("c")),
            EventData::Other(own) => *own == data,
            _ => false,
        };
        assert!(of_family, "{name}: {:?}", message.data);
    }
}

#[test]
fn the_state_of_an_envelope_has_names_for_what_applications_read() {
    let Message::Event(message) = read(&event("envelope-completed", &json!({"accountId": "a", "envelopeSummary": summary()}))) else {
        panic!("it is an event")
    };
    let envelope = message.envelope_summary().expect("data are included");
    assert_eq!((envelope.status.as_deref(), envelope.envelope_id.as_deref()), (Some("completed"), Some(ENVELOPE)));
    assert_eq!(envelope.expire_enabled.as_ref().map(Flag::is_true), Some(true));
    assert_eq!(envelope.expire_after.as_ref().and_then(Count::value), Some(120));
    let recipients = envelope.recipients.as_ref().expect("they are included");
    assert_eq!(recipients.all().filter_map(|recipient| recipient.name.as_deref()).collect::<Vec<_>>(), ["Bob", "Cy"]);
    assert_eq!(recipients.signers[0].more["tabs"]["textTabs"][0]["value"], "Köln");
    assert!(recipients.more.contains_key("participants"));
    let documents: Vec<_> = envelope.envelope_documents.iter().map(|document| document.pdf().ok()).collect();
    assert_eq!(documents, [Some(Some(b"%PDF".to_vec())), None, Some(None)]);
    let Message::Aggregate(aggregate) = read(&summary()) else { panic!("the envelope alone is an aggregate message") };
    assert_eq!(&*aggregate, envelope);
    assert_holds(&serde_json::to_value(&aggregate).expect("it is JSON"), &summary(), "aggregate");
}

#[test]
fn numbers_and_flags_are_read_in_either_form() {
    for (sent, value) in [(json!(8), Some(8)), (json!("8"), Some(8)), (json!("eight"), None)] {
        let message = crate::support::with(event("envelope-sent", &json!({})), "retryCount", sent.clone());
        let Message::Event(message) = read(&message) else { panic!("it is an event") };
        assert_eq!(message.retry_count.as_ref().and_then(Count::value), value);
        assert_eq!(serde_json::to_value(&message).expect("it is JSON")["retryCount"], sent, "kept as it came");
    }
    assert!(Flag::Bool(true).is_true() && Flag::Text("True".into()).is_true() && !Flag::Text("yes".into()).is_true());
}

#[test]
fn the_legacy_xml_is_read() {
    let xml = format!(
        "<?xml version=\"1.0\" encoding=\"utf-8\"?><DocuSignEnvelopeInformation xmlns:xsi=\"x\" xmlns=\"http://www.docusign.net/API/3.0\">\
         <EnvelopeStatus><RecipientStatuses><RecipientStatus><Type>Signer</Type><UserName>Bob &amp; Söhne</UserName>\
         <DeclineReason xsi:nil=\"true\" /></RecipientStatus></RecipientStatuses>\
         <TimeGenerated>2020-03-28T23:57:15.1085476</TimeGenerated><EnvelopeID>{ENVELOPE}</EnvelopeID><Subject>Sign</Subject>\
         <Status>Completed</Status></EnvelopeStatus><DocumentPDFs><DocumentPDF><Name>a.pdf</Name></DocumentPDF></DocumentPDFs>\
         <TimeZone>Pacific Standard Time</TimeZone><TimeZoneOffset>-7</TimeZoneOffset></DocuSignEnvelopeInformation>"
    );
    for text in [xml.clone(), format!("\u{feff}{xml}"), format!("\n {xml}\n")] {
        let Ok(Message::Xml(message)) = Message::try_read(text.as_bytes()) else { panic!("it is XML") };
        assert_eq!((message.envelope_id(), message.status()), (Some(ENVELOPE), Some("Completed")));
        assert_eq!((message.time_generated(), message.subject()), (Some("2020-03-28T23:57:15.1085476"), Some("Sign")));
        assert_eq!((message.time_zone(), message.time_zone_offset()), (Some("Pacific Standard Time"), Some(-7)));
        let recipient = message.recipients().next().expect("there is one");
        assert_eq!((recipient.text_of("UserName"), recipient.text_of("DeclineReason")), (Some("Bob & Söhne"), None));
        assert_eq!(recipient.first("DeclineReason").map(|reason| reason.attributes.len()), Some(1));
        assert_eq!(message.documents().filter_map(|document| document.text_of("Name")).collect::<Vec<_>>(), ["a.pdf"]);
    }
    let other_root = Message::try_read(b"<Other/>");
    assert!(matches!(other_root, Err(NotAMessage::Xml(_))), "{other_root:?}");
}

#[test]
fn what_connect_does_not_send_is_no_message() {
    let rows: [(&[u8], &str); 9] = [
        (b"", "format"),
        (b"hello", "format"),
        (b"[]", "format"),
        (b"{}", "content"),
        (b"{\"event\":\"envelope-sent\"}", "content"),
        (b"{\"event\":1,\"data\":{}}", "json"),
        (b"{\"event\":\"envelope-sent\",\"data\":[]}", "json"),
        (b"{\"event\":\"envelope-sent\",\"data\":{}", "json"),
        (b"<a", "xml"),
    ];
    for (body, expected) in rows {
        let kind = match Message::try_read(body) {
            Err(NotAMessage::OtherFormat) => "format",
            Err(NotAMessage::OtherContent) => "content",
            Err(NotAMessage::Json(_)) => "json",
            Err(NotAMessage::Xml(_)) => "xml",
            other => panic!("{other:?}"),
        };
        assert_eq!(kind, expected, "{:?}", String::from_utf8_lossy(body));
    }
    for deep in
        [b"[".repeat(100_000), b"{\"event\":\"x\",\"data\":".iter().copied().chain(b"[".repeat(100_000)).collect(), b"<a>".repeat(100_000)]
    {
        assert!(Message::try_read(&deep).is_err());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]
    #[test]
    fn no_body_makes_reading_panic(body in prop::collection::vec(any::<u8>(), 0..200), text in "[<>{}\\[\\]\":,a-z0-9/&;!? ]{0,80}") {
        let _ = Message::try_read(&body);
        let _ = Message::try_read(text.as_bytes());
        let _ = ReplayKey::of_body(&body);
        let _ = ReplayKey::of_body(text.as_bytes());
    }
}

fn key() -> HmacKey {
    HmacKey::try_new("bDjUQ7TJ0VyrYfEPSLvQpJTqYBhhzVnHbkvQvKzUvKM=").expect("a key")
}

async fn send(app: &Router, body: Bytes) -> (StatusCode, bool) {
    let mut request = Request::post("/");
    for (name, value) in sign(&[key()], &body).iter() {
        request = request.header(name, value);
    }
    let answer = app.clone().oneshot(request.body(Body::from(body)).expect("a request")).await.expect("axum does not fail");
    (answer.status(), answer.headers().contains_key("x-countersign-duplicate"))
}

#[tokio::test]
async fn the_extractor_gives_the_verified_bytes_whatever_stands_between() {
    use axum::middleware::map_request;
    let listener = Listener::builder().hmac([key()]).build().expect("something is checked");
    let handler = |verified: VerifiedMessage| async move {
        assert!(verified.verdict().hmac.passed().is_some());
        match verified.message() {
            Ok(message) => message.envelope_id().unwrap_or_default().to_owned(),
            Err(error) => format!("{} bytes: {error}", verified.body().len()),
        }
    };
    let meddler = map_request(|request: Request<Body>| async move { request.map(|_| Body::from("something else")) });
    let app = Router::new().route("/", post(handler)).layer(DefaultBodyLimit::max(10)).layer(meddler).layer(listener.layer());
    let text = async |body: &str| {
        let mut request = Request::post("/");
        for (name, value) in sign(&[key()], body.as_bytes()).iter() {
            request = request.header(name, value);
        }
        let answer = app.clone().oneshot(request.body(Body::from(body.to_owned())).expect("a request")).await.expect("an answer");
        String::from_utf8(axum::body::to_bytes(answer.into_body(), 1 << 16).await.expect("it is short").to_vec()).expect("text")
    };
    assert_eq!(text(&event("envelope-sent", &json!({"envelopeId": ENVELOPE})).to_string()).await, ENVELOPE);
    assert_eq!(text("hello").await, "5 bytes: the body is neither a JSON object nor XML");
    let without_layer = Router::new().route("/", post(handler));
    assert_eq!(send(&without_layer, Bytes::from_static(b"{}")).await.0, StatusCode::INTERNAL_SERVER_ERROR);
}

#[tokio::test]
async fn a_message_is_recognised_by_its_signed_content_and_not_by_its_headers() {
    let listener = Listener::builder().hmac([key()]).replay_guard(MemoryReplayGuard::default()).build().expect("something is checked");
    let app = Router::new().route("/", post(|| async {})).layer(listener.layer());
    let data = json!({"accountId": "a", "userId": "u", "envelopeId": ENVELOPE, "recipientId": "1", "envelopeSummary": summary()});
    let message = event("recipient-completed", &data);
    let with = crate::support::with;
    let of = |name: &str, value: Value| with(message.clone(), "data", with(data.clone(), name, value));
    let mut later_summary = summary();
    later_summary["lastModifiedDateTime"] = json!("2022-09-23T00:00:00Z");
    let rows = [
        ("the first", message.clone(), false),
        ("its next attempt", with(message.clone(), "retryCount", 1.into()), true),
        ("with the state written anew", of("envelopeSummary", later_summary), true),
        ("another event", with(message.clone(), "event", "recipient-declined".into()), false),
        ("another moment", with(message.clone(), "generatedDateTime", "2022-12-09T18:29:29.7360001Z".into()), false),
        ("another configuration", with(message.clone(), "configurationId", 7.into()), false),
        ("another envelope", of("envelopeId", "e2".into()), false),
        ("another recipient", of("recipientId", "2".into()), false),
        ("another account", of("accountId", "b".into()), false),
        ("of a sender's own", of("orderId", 7.into()), false),
    ];
    for (row, message, duplicate) in rows {
        assert_eq!(send(&app, Bytes::from(message.to_string())).await, (StatusCode::OK, duplicate), "{row}");
    }
    let xml = |time: &str| Bytes::from(format!("<a><TimeGenerated>{time}</TimeGenerated></a>"));
    assert_eq!(send(&app, xml("1")).await, (StatusCode::OK, false));
    assert_eq!(send(&app, xml("1")).await, (StatusCode::OK, true));
    assert_eq!(send(&app, xml("2")).await, (StatusCode::OK, false));
    // A delivery id in a header that no signature covers changes nothing.
    let mut request = Request::post("/").header("x-countersign-delivery", "dlv_new").header("webhook-id", "msg_new");
    let body = message.to_string();
    for (name, value) in sign(&[key()], body.as_bytes()).iter() {
        request = request.header(name, value);
    }
    let answer = app.clone().oneshot(request.body(Body::from(body)).expect("a request")).await.expect("an answer");
    assert!(answer.headers().contains_key("x-countersign-duplicate"));
}
