//! Envelopes as REST answers show them; the shapes are those of messages, with other dates ([`View::rest`]).

use std::collections::BTreeSet;

use countersign_core::{
    Timestamp,
    account::Account,
    envelope::{CustomField, Document, Envelope, FormItem, Lock, Notification, Recipient, Tab},
    message::{View, custom_field, document, recipient, summary, tab},
    subscription::Include,
};
use serde_json::{Map, Value, json};

use super::request::Parameters;
use crate::restapi::wire::flag_text;

/// What `include` names beyond the base.
pub(in crate::restapi) fn included(parameters: &Parameters) -> BTreeSet<Include> {
    let mut include: BTreeSet<Include> = parameters.list("include").into_iter().filter_map(word).collect();
    for left_out in parameters.list("exclude").into_iter().filter_map(word) {
        include.remove(&left_out);
    }
    // The reason stands in every answer; only messages have to ask for it.
    include.insert(Include::VoidReason);
    include
}

/// Documented words; others name nothing and are passed over (reference: 1.5).
fn word(word: &str) -> Option<Include> {
    Some(match word.to_ascii_lowercase().as_str() {
        "custom_fields" => Include::CustomFields,
        "documents" => Include::Documents,
        "attachments" => Include::Attachments,
        "extensions" => Include::Extensions,
        "folders" => Include::Folders,
        "recipients" => Include::Recipients,
        "tabs" => Include::Tabs,
        "payment_tabs" => Include::PaymentTabs,
        "powerform" | "powerforms" => Include::PowerForm,
        "prefill_tabs" => Include::PrefillTabs,
        "document_fields" => Include::DocumentFields,
        _ => return None,
    })
}

/// An envelope.
pub(in crate::restapi) fn envelope(
    envelope: &Envelope,
    account: &Account,
    include: &BTreeSet<Include>,
    now: Timestamp,
) -> Map<String, Value> {
    let mut shown = summary::write(envelope, account, &View::rest(include));
    if let Some(lock) = envelope.lock_at(now) {
        shown.insert("lockInformation".to_owned(), lock_information(envelope, lock));
    }
    shown
}

/// What stands inside tabs and documents is shown to who asks for them by themselves.
fn whole() -> BTreeSet<Include> {
    [Include::Tabs, Include::PaymentTabs, Include::PrefillTabs, Include::DocumentFields, Include::Documents].into()
}

/// All recipients.
pub(in crate::restapi) fn recipients(envelope: &Envelope, with_tabs: bool) -> Map<String, Value> {
    let include = if with_tabs { whole() } else { BTreeSet::new() };
    recipient::write(envelope, &View::rest(&include))
}

/// These recipients alone, by kind.
pub(in crate::restapi) fn some_recipients<'r>(some: impl IntoIterator<Item = &'r Recipient>) -> Map<String, Value> {
    let include = whole();
    let mut arrays = Map::new();
    for one in some {
        let array = arrays.entry(recipient::array_name(one.kind)).or_insert_with(|| Value::Array(Vec::new()));
        if let Value::Array(array) = array {
            array.push(recipient::write_one(one, &View::rest(&include)).into());
        }
    }
    arrays
}

/// One line of `recipientUpdateResults`.
pub(in crate::restapi) fn updated_recipient(recipient: &Recipient) -> Value {
    json!({"recipientId": recipient.id, "recipientIdGuid": recipient.guid, "errorDetails": success()})
}

/// What Docusign says where nothing went wrong in a list of results.
pub(in crate::restapi) fn success() -> Value {
    json!({"errorCode": "SUCCESS", "message": ""})
}

/// Tabs of a recipient.
pub(in crate::restapi) fn tabs(of: &Recipient) -> Map<String, Value> {
    some_tabs(of, &of.tabs.iter().map(|tab| tab.id).collect::<Vec<_>>())
}

/// These tabs of a recipient.
pub(in crate::restapi) fn some_tabs(of: &Recipient, ids: &[uuid::Uuid]) -> Map<String, Value> {
    let include = whole();
    tab::write(of.tabs.iter().filter(|tab| ids.contains(&tab.id)), Some(&of.id), &View::rest(&include))
}

/// One tab by itself.
pub(in crate::restapi) fn one_tab(one: &Tab) -> Map<String, Value> {
    let include = whole();
    tab::write_one(one, None, &View::rest(&include))
}

/// Tabs of a document that the sender filled in.
pub(in crate::restapi) fn prefill_tabs(document: &Document) -> Map<String, Value> {
    let include = whole();
    tab::write(&document.prefill_tabs, None, &View::rest(&include))
}

/// All documents, the certificate last.
pub(in crate::restapi) fn documents(envelope: &Envelope) -> Value {
    let include = whole();
    document::write(envelope, &View::rest(&include)).into_iter().map(listed).collect()
}

/// One document.
pub(in crate::restapi) fn one_document(envelope: &Envelope, one: &Document) -> Value {
    let include = whole();
    listed(document::write_one(one, envelope.id, &View::rest(&include)))
}

fn listed(mut document: Map<String, Value>) -> Value {
    document.insert("availableDocumentTypes".to_owned(), json!([{"type": "electronic", "isDefault": "true"}]));
    document.into()
}

/// Custom fields.
pub(in crate::restapi) fn custom_fields(fields: &[CustomField]) -> Value {
    let include = BTreeSet::new();
    custom_field::write(fields, &View::rest(&include)).into()
}

/// Attachments, without their bytes.
pub(in crate::restapi) fn attachments(envelope: &Envelope) -> Value {
    let include = BTreeSet::new();
    envelope.attachments.iter().map(|attachment| Value::from(summary::attachment(attachment, &View::rest(&include)))).collect()
}

/// Reply address and blind copies.
pub(in crate::restapi) fn email_settings(envelope: &Envelope) -> Value {
    let include = BTreeSet::new();
    summary::email_settings(envelope.email_settings.as_ref(), &View::rest(&include)).into()
}

/// Reminders and expiry.
pub(in crate::restapi) fn notification(notification: &Notification) -> Value {
    let Notification { use_account_defaults, reminders, expirations } = notification;
    json!({
        "useAccountDefaults": flag_text(*use_account_defaults),
        "reminders": {
            "reminderEnabled": flag_text(reminders.enabled),
            "reminderDelay": reminders.delay_days.to_string(),
            "reminderFrequency": reminders.frequency_days.to_string(),
        },
        "expirations": {
            "expireEnabled": flag_text(expirations.enabled),
            "expireAfter": expirations.after_days.to_string(),
            "expireWarn": expirations.warn_days.to_string(),
        },
    })
}

/// A lock.
pub(in crate::restapi) fn lock_information(envelope: &Envelope, lock: &Lock) -> Value {
    json!({
        "lockedByUser": {
            "userName": lock.owner_person.name,
            "userId": lock.owner,
            "accountId": envelope.account,
            "email": lock.owner_person.email,
        },
        "lockedByApp": lock.app,
        "lockedUntilDateTime": lock.until.to_seven_digits(),
        "lockDurationInSeconds": lock.duration_secs.to_string(),
        "lockType": "edit",
        "useScratchPad": flag_text(lock.scratch_pad),
        "lockToken": lock.token,
        "errorDetails": success(),
    })
}

/// What recipients wrote.
pub(in crate::restapi) fn form_data(envelope: &Envelope) -> Value {
    let data = envelope.form_data();
    let date = |at: Option<Timestamp>| at.map(|at| at.to_seven_digits());
    let all: Vec<Value> = data.recipients.iter().flat_map(|form| &form.items).map(item).collect();
    let by_recipient: Vec<Value> = data
        .recipients
        .iter()
        .map(|form| {
            let person = form.recipient;
            without_nulls(json!({
                "formData": form.items.iter().map(item).collect::<Vec<_>>(),
                "recipientId": person.id,
                "name": person.person.name,
                "email": person.person.email,
                "SentTime": date(person.sent_at),
                "DeliveredTime": date(person.delivered_at),
                "SignedTime": date(person.signed_at),
                "DeclinedTime": date(person.declined_at),
            }))
        })
        .collect();
    without_nulls(json!({
        "formData": all,
        "recipientFormData": by_recipient,
        "prefillFormData": {"formData": data.prefilled.iter().map(item).collect::<Vec<_>>()},
        "envelopeId": envelope.id,
        "status": envelope.status.as_str(),
        "emailSubject": envelope.subject,
        "sentDateTime": date(envelope.dates.initial_sent_at),
    }))
}

fn item(item: &FormItem<'_>) -> Value {
    without_nulls(json!({
        "name": item.name,
        "value": item.value,
        "originalValue": item.original_value,
        "listSelectedValue": item.is_list.then_some(item.value),
    }))
}

/// Absent properties are left out: clients turn null into text (reference: 9).
fn without_nulls(value: Value) -> Value {
    match value {
        Value::Object(map) => Value::Object(map.into_iter().filter(|(_, value)| !value.is_null()).collect()),
        other => other,
    }
}

/// The audit trail: one list of names and values for each entry.
pub(in crate::restapi) fn audit_events(envelope: &Envelope) -> Value {
    let events: Vec<Value> = envelope
        .audit
        .iter()
        .map(|event| {
            let fields: Vec<Value> = [
                ("logTime", event.at.to_seven_digits()),
                ("Source", event.source.clone()),
                ("UserName", event.name.clone()),
                ("UserId", event.user.map(|user| user.to_string()).unwrap_or_default()),
                ("Action", event.action.clone()),
                ("Message", event.message.clone()),
                ("EnvelopeStatus", event.status.as_str().to_owned()),
                ("ClientIPAddress", event.ip_address.clone().unwrap_or_default()),
            ]
            .into_iter()
            .map(|(name, value)| json!({"name": name, "value": value}))
            .collect();
            json!({"eventFields": fields})
        })
        .collect();
    json!({"auditEvents": events})
}
