//! Byte by byte what captured messages show, with other ids.

use super::{
    super::{JSON_CONTENT_TYPE, Unrenderable},
    Event, EventDetail, EventName, Include, MessageShape, PDF, Snapshot, completed, event, posted, prepare, prepare_with, sent, snapshot,
    text,
};

const ACCOUNT: &str = "11111111-2222-4333-8444-000000000001";
const USER: &str = "11111111-2222-4333-8444-000000000002";
const ENVELOPE: &str = "11111111-2222-4333-8444-000000000003";

fn outer(event: &str, uri: &str, retry_count: u32, data: &str) -> String {
    format!(
        r#"{{"event":"{event}","apiVersion":"v2.1","uri":"{uri}","retryCount":{retry_count},"configurationId":10000001,"generatedDateTime":"2022-12-09T18:29:29.7360000Z","data":{data}}}"#
    )
}

#[test]
fn a_minimal_message_is_what_connect_sends() {
    let uri = format!("/restapi/v2.1/accounts/{ACCOUNT}/envelopes/{ENVELOPE}");
    let ids = format!(r#""accountId":"{ACCOUNT}","userId":"{USER}","envelopeId":"{ENVELOPE}""#);
    let reassign = EventDetail { reassigned_recipient_id: Some("9".into()), recipient_id: Some("1".into()), ..EventDetail::default() };
    let cases = [
        (event(EventName::ENVELOPE_COMPLETED, None, snapshot(&completed())), 0, format!("{{{ids}}}")),
        (event(EventName::RECIPIENT_COMPLETED, Some("1"), snapshot(&completed())), 8, format!(r#"{{{ids},"recipientId":"1"}}"#)),
        (
            Event { detail: reassign, ..event(EventName::RECIPIENT_REASSIGN, None, Snapshot::Nothing) },
            0,
            format!(r#"{{{ids},"recipientId":"1","reassignedRecipientId":"9"}}"#),
        ),
    ];
    for (event, retry_count, data) in cases {
        // The switches beside includeData add to a summary and do not bring one.
        for include in [&[][..], &[Include::VoidReason, Include::TimeZone, Include::CertificateOfCompletion]] {
            let body = prepare(&event, MessageShape::JsonSim, include).expect("renderable");
            assert_eq!(text(&body, retry_count), outer(event.name.as_str(), &uri, retry_count, &data));
            assert_eq!(body.content_type(), JSON_CONTENT_TYPE);
        }
    }
}

#[test]
fn a_message_of_a_template_names_it() {
    let template = EventDetail { template: Some(("t-1".into(), "The \"Lease\"".into())), ..EventDetail::default() };
    let event = Event { envelope: None, detail: template, ..event(EventName::TEMPLATE_CREATED, None, Snapshot::Nothing) };
    let uri = format!("/restapi/v2.1/accounts/{ACCOUNT}/templates/t-1");
    let data = format!(r#"{{"accountId":"{ACCOUNT}","userId":"{USER}","templateId":"t-1","name":"The \"Lease\""}}"#);
    for shape in [MessageShape::JsonSim, MessageShape::XmlAggregate] {
        let body = prepare(&event, shape, &[Include::Recipients]).expect("renderable");
        assert_eq!(text(&body, 0), outer("template-created", &uri, 0, &data), "{shape:?}");
    }
}

#[test]
fn posted_data_goes_out_byte_for_byte() {
    let data = "{ \"z\":1.50,\n\t\"a\" : \"\\u00e9/\" , \"a\":null }";
    let event = posted(data);
    let uri = format!("/api/v1/accounts/{ACCOUNT}/events/{}", event.id);
    for shape in [MessageShape::JsonSim, MessageShape::JsonAggregate, MessageShape::XmlAggregate, MessageShape::XmlSim] {
        let body = prepare(&event, shape, &[Include::Recipients, Include::Documents]).expect("renderable");
        assert_eq!(text(&body, 3), outer("invoice.paid", &uri, 3, data), "{shape:?}");
    }
    let own_uri = Event { detail: EventDetail { uri: Some("/in\"voices/7".into()), ..EventDetail::default() }, ..event };
    let body = prepare(&own_uri, MessageShape::JsonSim, &[]).expect("renderable");
    assert_eq!(text(&body, 0), outer("invoice.paid", r#"/in\"voices/7"#, 0, data));
}

#[test]
fn posted_data_is_shared_and_not_copied() {
    let event = posted(r#"{"a":1}"#);
    let body = prepare(&event, MessageShape::JsonSim, &[]).expect("renderable");
    let data = event.snapshot.bytes();
    let shared = |segment: &bytes::Bytes| segment.as_ptr() == data.as_ptr() && segment.len() == data.len();
    assert!(body.segments(0).iter().any(shared));
}

#[test]
fn a_summary_has_the_keys_of_a_real_message_in_their_order() {
    let body = prepare(
        &event(EventName::ENVELOPE_SENT, None, snapshot(&sent())),
        MessageShape::JsonSim,
        &[Include::Recipients, Include::Documents],
    )
    .expect("renderable");
    let body: serde_json::Value = serde_json::from_str(&text(&body, 0)).expect("JSON");
    let keys = |value: &serde_json::Value| value.as_object().expect("an object").keys().cloned().collect::<Vec<_>>().join(" ");
    let summary = &body["data"]["envelopeSummary"];
    assert_eq!(
        keys(summary),
        "status documentsUri recipientsUri attachmentsUri envelopeUri emailSubject envelopeId signingLocation customFieldsUri \
         notificationUri enableWetSign allowMarkup allowReassign createdDateTime lastModifiedDateTime initialSentDateTime sentDateTime \
         statusChangedDateTime documentsCombinedUri certificateUri templatesUri expireEnabled expireDateTime expireAfter sender recipients \
         envelopeDocuments purgeState envelopeIdStamping is21CFRPart11 signerCanSignOnMobile autoNavigation isSignatureProviderEnvelope \
         hasFormDataChanged allowComments hasComments allowViewHistory disableResponsiveDocument envelopeMetadata anySigner \
         envelopeLocation isDynamicEnvelope"
    );
    assert_eq!(keys(&summary["sender"]), "userName userId accountId email");
    assert_eq!(
        keys(&summary["recipients"]),
        "signers agents editors intermediaries carbonCopies certifiedDeliveries inPersonSigners seals witnesses notaries recipientCount \
         currentRoutingOrder"
    );
    assert_eq!(
        keys(&summary["recipients"]["signers"][0]),
        "creationReason canSignOffline isBulkRecipient requireUploadSignature name email recipientId recipientIdGuid requireIdLookup \
         clientUserId routingOrder note status completedCount sentDateTime deliveryMethod recipientType"
    );
    assert_eq!(
        keys(&summary["envelopeDocuments"][0]),
        "documentId documentIdGuid name type uri order pages display includeInDownload signerMustAcknowledge templateRequired \
         authoritativeCopy PDFBytes"
    );
    assert_eq!(keys(&summary["envelopeDocuments"][0]["pages"][0]), "pageId sequence height width dpi");
    assert_eq!(keys(&summary["envelopeMetadata"]), "allowAdvancedCorrect enableSignWithNotary allowCorrect");
    for (pointer, expected) in [
        ("/status", "sent"),
        ("/documentsCombinedUri", &format!("/envelopes/{ENVELOPE}/documents/combined")),
        ("/createdDateTime", "2022-12-09T18:29:29.736Z"),
        ("/expireAfter", "120"),
        ("/purgeState", "unpurged"),
        ("/recipients/recipientCount", "2"),
        ("/recipients/currentRoutingOrder", "1"),
        ("/recipients/signers/0/status", "sent"),
        ("/recipients/carbonCopies/0/status", "created"),
        ("/recipients/carbonCopies/0/recipientType", "carboncopy"),
        ("/envelopeDocuments/0/order", "1"),
        ("/envelopeDocuments/0/PDFBytes", "JVBERi0xLjcgb2YgYSBsZWFzZQ=="),
    ] {
        assert_eq!(summary.pointer(pointer).and_then(|v| v.as_str()), Some(expected), "{pointer}");
    }
    assert_eq!(summary["anySigner"], serde_json::Value::Null);
}

#[test]
fn an_aggregate_message_is_the_envelope_itself() {
    let event = event(EventName::ENVELOPE_COMPLETED, None, snapshot(&completed()));
    let aggregate = prepare(&event, MessageShape::JsonAggregate, &[Include::Recipients]).expect("renderable");
    let sim = prepare(&event, MessageShape::JsonSim, &[Include::Recipients]).expect("renderable");
    let sim = text(&sim, 0);
    let (_, summary) = sim.split_once(r#""envelopeSummary":"#).expect("a summary");
    assert_eq!(text(&aggregate, 5), summary.strip_suffix("}}").expect("the end of the outer object"));
}

#[test]
fn what_is_gone_makes_no_message() {
    let purged = event(EventName::ENVELOPE_SENT, None, Snapshot::Nothing);
    let damaged = event(EventName::ENVELOPE_SENT, None, Snapshot::Envelope("{".into()));
    let whole = event(EventName::ENVELOPE_SENT, None, snapshot(&sent()));
    let refused = |event: &Event, shape, include: &[Include]| prepare_with(event, shape, include, &super::Contents::new()).err();
    assert_eq!(refused(&purged, MessageShape::JsonSim, &[]), None, "a minimal message needs no snapshot");
    assert_eq!(refused(&purged, MessageShape::JsonSim, &[Include::Recipients]), Some(Unrenderable::SnapshotGone));
    assert_eq!(refused(&purged, MessageShape::XmlAggregate, &[]), Some(Unrenderable::SnapshotGone));
    let is_damaged = |e| matches!(e, Some(Unrenderable::SnapshotDamaged(_)));
    assert!(is_damaged(refused(&damaged, MessageShape::JsonAggregate, &[])));
    let gone = Unrenderable::ContentGone(super::Content::of(PDF).hash);
    assert_eq!(refused(&whole, MessageShape::JsonSim, &[Include::Documents]), Some(gone.clone()));
    assert_eq!(refused(&whole, MessageShape::XmlSim, &[Include::Documents]), Some(gone));
}
