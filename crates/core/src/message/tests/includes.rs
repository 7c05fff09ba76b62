//! What each value of `includeData` and each switch beside it adds, and nothing else.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::{
    super::{Message, View, custom_field, summary},
    AT, Action, Actor, CERTIFICATE, Content, Document, Envelope, EventName, Include, MessageShape, PDF, Start, SubscriptionId, account,
    completed, draft, event, guid, prepare, sent, sim_json, snapshot, text,
};
use crate::envelope::{Attachment, BlindCopy, CustomField, CustomFieldKind, DocumentField, EmailSettings, PurgeScope, Tab, TabKind};

/// An envelope that has something of everything.
fn rich() -> Envelope {
    let mut new = draft();
    new.custom_fields = vec![
        CustomField::text("1", "deal", "42"),
        CustomField { kind: CustomFieldKind::List(vec!["a".into(), "b".into()]), ..CustomField::text("2", "kind", "a") },
    ];
    new.email_settings = Some(EmailSettings {
        reply_email: Some("reply@example.com".into()),
        reply_name: None,
        blind_copies: vec![BlindCopy { id: "1".into(), email: "bcc@example.com".into() }],
    });
    new.attachments = vec![Attachment {
        id: "a1".into(),
        name: "Plan".into(),
        kind: ".pdf".into(),
        label: "plan".into(),
        access: "sender".into(),
        content: None,
        extra: Map::new(),
    }];
    new.extra.insert("powerForm".into(), serde_json::json!({"powerFormId": "p1"}));
    new.extra.insert("allowMarkup".into(), true.into());
    new.extra.insert("brandId".into(), "b-1".into());
    let mut fee = Tab::new(TabKind::Formula, guid(50), Some("fee".into()));
    fee.extra.insert("paymentDetails".into(), serde_json::json!({"currencyCode": "EUR"}));
    new.recipients[0].tabs.push(fee);
    new.recipients[0].extra.insert("accessCode".into(), "1234".into());
    new.documents[0].fields = vec![DocumentField { name: "ref".into(), value: "7".into() }];
    new.documents[0].prefill_tabs = vec![Tab { value: Some("v".into()), ..Tab::new(TabKind::Text, guid(51), Some("pre".into())) }];
    let (envelope, _) = Envelope::create(new, Start::Sent, Actor::default(), AT).expect("a sound envelope");
    let complete = Action::Recipient { id: "1".into(), does: super::RecipientAction::Complete(super::TabValues::new()) };
    let (mut envelope, _) = envelope.apply(complete, AT).expect("their turn");
    envelope.renderings.certificate = Some(Document::new("certificate", guid(52), "Summary", 999, Content::of(CERTIFICATE), 1));
    envelope
}

/// Paths of all values below, arrays by their first member.
fn paths(value: &Value, path: &str, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(map) => map.iter().for_each(|(key, value)| paths(value, &format!("{path}.{key}"), found)),
        Value::Array(array) => match array.first() {
            Some(first) => paths(first, &format!("{path}[]"), found),
            None => drop(found.insert(format!("{}[]", path.trim_start_matches('.')))),
        },
        _ => drop(found.insert(path.trim_start_matches('.').to_owned())),
    }
}

fn summary_paths(include: &[Include]) -> BTreeSet<String> {
    let account = account();
    let include = include.iter().copied().collect();
    let mut found = BTreeSet::new();
    paths(&summary::write(&rich(), &account, &View::message(&include)).into(), "", &mut found);
    found
}

#[test]
fn each_value_adds_its_own_part_and_nothing_else() {
    let base = summary_paths(&[]);
    let root = |path: &String| path.split(['.', '[']).next().unwrap_or("").to_owned();
    let added = |include: &[Include]| summary_paths(include).difference(&base).map(root).collect::<BTreeSet<String>>();
    let set = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect::<BTreeSet<String>>();
    for (include, expected) in [
        (Include::CustomFields, &["customFields"][..]),
        (Include::Documents, &["envelopeDocuments"]),
        (Include::Attachments, &["envelopeAttachments"]),
        (Include::Extensions, &["emailSettings"]),
        (Include::Folders, &["folders"]),
        (Include::Recipients, &["recipients"]),
        (Include::Tabs, &["recipients"]),
        (Include::PaymentTabs, &["recipients"]),
        (Include::PowerForm, &["powerForm"]),
        (Include::PrefillTabs, &["envelopeDocuments"]),
        (Include::CertificateOfCompletion, &["envelopeDocuments"]),
        (Include::DocumentFields, &["envelopeDocuments"]),
        (Include::VoidReason, &[]),
        (Include::TimeZone, &[]),
        (Include::SenderAccountAsCustomField, &[]),
    ] {
        assert_eq!(added(&[include]), set(expected), "{include:?}");
    }
}

#[test]
fn parts_within_parts_are_shown_when_asked_for() {
    let has = |include: &[Include], path: &str| summary_paths(include).iter().any(|p| p.starts_with(path));
    let signer_tabs = "recipients.signers[].tabs";
    assert!(!has(&[Include::Recipients], signer_tabs));
    assert!(has(&[Include::Recipients, Include::Tabs], "recipients.signers[].tabs.textTabs[].tabLabel"));
    assert!(!has(&[Include::Tabs], "recipients.signers[].tabs.formulaTabs"), "payment tabs only by payment_tabs");
    assert!(has(&[Include::PaymentTabs], "recipients.signers[].tabs.formulaTabs"));
    assert!(has(&[Include::PrefillTabs], "envelopeDocuments[].tabs.prefillTabs.textTabs[].value"));
    assert!(!has(&[Include::Documents], "envelopeDocuments[].tabs"));
    assert!(has(&[Include::DocumentFields], "envelopeDocuments[].documentFields[].name"));
    assert!(!has(&[Include::Documents], "envelopeDocuments[].documentFields"));
    assert!(has(&[Include::CustomFields], "customFields.listCustomFields[].listItems"));
}

#[test]
fn an_access_code_is_shown_to_its_sender_and_never_sent() {
    let (account, include) = (account(), BTreeSet::from([Include::Recipients]));
    let shown = |view: &View<'_>| Value::from(summary::write(&rich(), &account, view)).to_string();
    assert!(!shown(&View::message(&include)).contains("1234"));
    assert!(shown(&View::rest(&include)).contains(r#""accessCode":"1234""#));
}

#[test]
fn what_the_caller_set_is_echoed_as_text() {
    let json = sim_json(&rich(), &[Include::Folders]);
    let summary = &json["data"]["envelopeSummary"];
    assert_eq!((&summary["allowMarkup"], &summary["brandId"]), (&"true".into(), &"b-1".into()));
    assert_eq!(summary["folders"][0]["type"], "sentitems");
    assert_eq!(summary.get("powerForm"), None, "not asked for");
}

#[test]
fn bytes_of_documents_and_of_the_certificate_are_asked_for_apart() {
    let envelope = rich();
    let event = event(EventName::ENVELOPE_COMPLETED, None, snapshot(&envelope));
    let (lease, certificate) = (Content::of(PDF), Content::of(CERTIFICATE));
    let cases: &[(&[Include], &[Content])] = &[
        (&[], &[]),
        (&[Include::Recipients], &[]),
        (&[Include::Documents], &[lease]),
        (&[Include::CertificateOfCompletion], &[]),
        (&[Include::Recipients, Include::CertificateOfCompletion], &[certificate]),
        (&[Include::Documents, Include::CertificateOfCompletion], &[lease, certificate]),
    ];
    for (include, expected) in cases {
        let (account, set) = (account(), include.iter().copied().collect());
        let message = Message {
            account: &account,
            configuration: SubscriptionId(1),
            shape: MessageShape::JsonSim,
            include: &set,
            generated_at: AT,
            event: &event,
        };
        assert_eq!(message.contents().as_deref(), Ok(*expected), "{include:?}");
        let body = text(&prepare(&event, MessageShape::JsonSim, include).expect("renderable"), 0);
        assert_eq!(body.matches("PDFBytes").count(), expected.len(), "{include:?}");
        serde_json::from_str::<Value>(&body).expect("JSON");
    }
}

#[test]
fn a_purged_envelope_has_no_bytes_to_send_and_is_sent_without() {
    let (queued, _) = completed().apply(Action::QueuePurge(PurgeScope::Documents), AT).expect("completed");
    let later = AT + std::time::Duration::from_secs(15 * 86_400);
    let (purged, _) = queued.apply(Action::Purge, later).expect("due");
    let json = sim_json(&purged, &[Include::Documents]);
    let summary = &json["data"]["envelopeSummary"];
    assert_eq!(summary["purgeState"], "documents_purged");
    assert_eq!(summary["envelopeDocuments"][0].get("PDFBytes"), None);
}

#[test]
fn the_void_reason_and_the_senders_account_are_told_when_switched_on() {
    let (voided, _) = sent().apply(Action::Void { reason: "wrong price".into() }, AT).expect("in process");
    let with = |include: &[Include]| sim_json(&voided, include)["data"]["envelopeSummary"].clone();
    assert_eq!(with(&[Include::Folders]).get("voidedReason"), None);
    assert_eq!(with(&[Include::Folders, Include::VoidReason])["voidedReason"], "wrong price");
    let fields = with(&[Include::CustomFields, Include::SenderAccountAsCustomField]);
    let names: Vec<_> = fields["customFields"]["textCustomFields"].as_array().into_iter().flatten().map(|f| f["value"].clone()).collect();
    assert_eq!(names, ["4197000", "World & Co", custom_field::ACCOUNT_SITE]);
}

#[test]
fn purge_words_are_read_as_requests_and_states_are_not() {
    use super::super::summary::{PurgeRequest, read_purge_request};
    for (word, expected) in [
        ("documents_queued", Some(PurgeRequest::Queue(PurgeScope::Documents))),
        ("Documents_And_Metadata_Queued", Some(PurgeRequest::Queue(PurgeScope::DocumentsAndMetadata))),
        ("documents_and_metadata_and_redact_queued", Some(PurgeRequest::Queue(PurgeScope::DocumentsAndMetadataAndRedact))),
        ("documents_dequeued", Some(PurgeRequest::Dequeue)),
        ("unpurged", None),
        ("documents_purged", None),
        ("", None),
    ] {
        assert_eq!(read_purge_request(word), expected, "{word}");
    }
}
