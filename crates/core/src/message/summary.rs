//! The envelope as Connect writes it: `envelopeSummary` in messages, the whole body of an aggregate message, and, with
//! other dates, the answer of REST.

use serde_json::{Map, Value};
use uuid::Uuid;

use super::{custom_field, document, object::Object, recipient, view::View};
use crate::{
    account::Account,
    envelope::{Attachment, EmailSettings, Envelope, Folder, Purge, PurgeScope},
    subscription::Include,
};

/// What the caller can set on an envelope and Connect shows with a default, in the order of real messages.
const SIGNING_OPTIONS: [(&str, &str); 3] = [("enableWetSign", "true"), ("allowMarkup", "false"), ("allowReassign", "true")];

/// An envelope, keys in the order of real messages. `account` is whose fields
/// `includeSenderAccountAsCustomField` adds.
#[must_use]
pub fn write(envelope: &Envelope, account: &Account, view: &View<'_>) -> Map<String, Value> {
    let mut object = Object::new(view.dates);
    let extra = &envelope.extra;
    let id = envelope.id;
    let uri = |rest: &str| format!("/envelopes/{id}{rest}");
    object.echo_opt(extra, "transactionId");
    object.text("status", envelope.status.as_str());
    object.text("documentsUri", uri("/documents"));
    object.text("recipientsUri", uri("/recipients"));
    object.text("attachmentsUri", uri("/attachments"));
    object.text("envelopeUri", uri(""));
    object.text("emailSubject", envelope.subject.clone());
    object.text_opt("emailBlurb", Some(envelope.blurb.as_str()).filter(|blurb| !blurb.is_empty()));
    object.text("envelopeId", id.to_string());
    object.echo(extra, "signingLocation", "online");
    object.text("customFieldsUri", uri("/custom_fields"));
    object.text("notificationUri", uri("/notification"));
    for (key, otherwise) in SIGNING_OPTIONS {
        object.echo(extra, key, otherwise);
    }
    write_dates(envelope, view, &mut object);
    object.text("documentsCombinedUri", uri("/documents/combined"));
    object.text("certificateUri", uri("/documents/certificate"));
    object.text("templatesUri", uri("/templates"));
    object.flag("expireEnabled", envelope.notification.expirations.enabled);
    object.date("expireDateTime", envelope.expires_at());
    object.number("expireAfter", envelope.notification.expirations.after_days);
    object.value("sender", sender(envelope, view));
    write_included(envelope, account, view, &mut object);
    object.text("purgeState", purge_state(&envelope.purge));
    write_rest(envelope, view, &mut object);
    object.finish()
}

fn write_dates(envelope: &Envelope, view: &View<'_>, object: &mut Object) {
    let dates = &envelope.dates;
    object.date("createdDateTime", Some(dates.created_at));
    object.date("lastModifiedDateTime", Some(dates.modified_at));
    object.date("deliveredDateTime", dates.delivered_at);
    object.date("initialSentDateTime", dates.initial_sent_at);
    object.date("sentDateTime", dates.sent_at);
    object.date("completedDateTime", dates.completed_at);
    object.date("voidedDateTime", dates.voided_at);
    if view.shows(Include::VoidReason) {
        object.text_opt("voidedReason", envelope.void_reason.as_deref());
    }
    object.date("deletedDateTime", dates.deleted_at);
    object.date("declinedDateTime", dates.declined_at);
    object.date("statusChangedDateTime", Some(dates.status_changed_at));
}

/// What `includeData` adds, each under its own key.
fn write_included(envelope: &Envelope, account: &Account, view: &View<'_>, object: &mut Object) {
    if view.shows(Include::Folders) {
        object.value("folders", vec![folder(envelope, view)]);
    }
    if view.shows(Include::CustomFields) {
        let mut fields = envelope.custom_fields.clone();
        if view.shows(Include::SenderAccountAsCustomField) {
            fields.extend(custom_field::of_account(account));
        }
        object.value("customFields", custom_field::write(&fields, view));
    }
    if view.shows_recipients() {
        object.value("recipients", recipient::write(envelope, view));
    }
    if view.shows(Include::Extensions) {
        object.value("emailSettings", email_settings(envelope.email_settings.as_ref(), view));
    }
    if view.shows(Include::PowerForm) {
        object.echo_opt(&envelope.extra, "powerForm");
    }
    if view.shows_documents() {
        let documents: Vec<Value> = document::write(envelope, view).into_iter().map(Value::from).collect();
        if view.shows(Include::Documents) || !documents.is_empty() {
            object.value("envelopeDocuments", documents);
        }
    }
    if view.shows(Include::Attachments) {
        let attachments: Vec<Value> = envelope.attachments.iter().map(|a| attachment(a, view).into()).collect();
        object.value("envelopeAttachments", attachments);
    }
}

fn write_rest(envelope: &Envelope, view: &View<'_>, object: &mut Object) {
    let extra = &envelope.extra;
    if let Purge::Queued { requested_at, .. } | Purge::Purged { requested_at, .. } = envelope.purge {
        object.date("purgeRequestDate", Some(requested_at));
    }
    if let Purge::Purged { purged_at, .. } = envelope.purge {
        object.date("purgeCompletedDate", Some(purged_at));
    }
    object.flag("envelopeIdStamping", is_stamped(envelope));
    object.echo(extra, "is21CFRPart11", "false");
    object.echo(extra, "signerCanSignOnMobile", "true");
    object.echo(extra, "autoNavigation", "true");
    object.echo(extra, "isSignatureProviderEnvelope", "false");
    object.flag("hasFormDataChanged", envelope.has_changed_data());
    object.echo(extra, "allowComments", "true");
    object.echo(extra, "hasComments", "false");
    object.echo(extra, "allowViewHistory", "true");
    object.echo(extra, "disableResponsiveDocument", "false");
    let mut metadata = Object::new(view.dates);
    metadata.flag("allowAdvancedCorrect", !envelope.status.is_final());
    metadata.text("enableSignWithNotary", "false");
    metadata.flag("allowCorrect", !envelope.status.is_final());
    object.value("envelopeMetadata", metadata);
    object.value("anySigner", Value::Null);
    object.text("envelopeLocation", "current_site");
    object.text("isDynamicEnvelope", "false");
    object.echo_rest(extra, &["powerForm", "anySigner"]);
}

/// True when its id stands on every page of its documents (Connect: `envelopeIdStamping`, on unless the sender says otherwise).
#[must_use]
pub fn is_stamped(envelope: &Envelope) -> bool {
    !envelope
        .extra
        .get("envelopeIdStamping")
        .is_some_and(|value| value == &Value::Bool(false) || value.as_str().is_some_and(|text| text.trim().eq_ignore_ascii_case("false")))
}

fn sender(envelope: &Envelope, view: &View<'_>) -> Object {
    let mut object = Object::new(view.dates);
    object.text("userName", envelope.sender.person.name.clone());
    object.text("userId", envelope.sender.user.to_string());
    object.text("accountId", envelope.account.to_string());
    object.text("email", envelope.sender.person.email.clone());
    object
}

/// The folder an envelope is seen in. Folders have no rows here; their ids follow from the account's.
fn folder(envelope: &Envelope, view: &View<'_>) -> Object {
    let (name, kind, number) = match envelope.folder() {
        Folder::Drafts => ("Drafts", "draft", 1),
        Folder::Sent => ("Sent Items", "sentitems", 2),
        Folder::Bin => ("Deleted Items", "recyclebin", 3),
    };
    let id = Uuid::from_u128(envelope.account.0.as_u128() ^ number);
    let mut owner = Object::new(view.dates);
    owner.text("userId", envelope.sender.user.to_string());
    owner.text("email", envelope.sender.person.email.clone());
    let mut object = Object::new(view.dates);
    object.text("name", name);
    object.text("type", kind);
    object.value("owner", owner);
    object.text("folderId", id.to_string());
    object.text("uri", format!("/folders/{id}"));
    object
}

/// Reply address and blind copies.
#[must_use]
pub fn email_settings(settings: Option<&EmailSettings>, view: &View<'_>) -> Map<String, Value> {
    let mut object = Object::new(view.dates);
    object.text_opt("replyEmailAddressOverride", settings.and_then(|s| s.reply_email.as_deref()));
    object.text_opt("replyEmailNameOverride", settings.and_then(|s| s.reply_name.as_deref()));
    let copies = settings.map_or(&[][..], |s| &s.blind_copies);
    let copy = |copy: &crate::envelope::BlindCopy| {
        let mut object = Object::new(view.dates);
        object.text("bccEmailAddressId", copy.id.clone());
        object.text("email", copy.email.clone());
        Value::from(object)
    };
    object.value("bccEmailAddresses", copies.iter().map(copy).collect::<Vec<_>>());
    object.finish()
}

/// One attachment, without its bytes.
#[must_use]
pub fn attachment(attachment: &Attachment, view: &View<'_>) -> Map<String, Value> {
    let mut object = Object::new(view.dates);
    object.text("attachmentId", attachment.id.clone());
    object.text("name", attachment.name.clone());
    object.text("attachmentType", attachment.kind.clone());
    object.text("label", attachment.label.clone());
    object.text("accessControl", attachment.access.clone());
    object.echo_rest(&attachment.extra, &["data"]);
    object.finish()
}

/// The word of `purgeState`, such as `documents_and_metadata_queued`.
#[must_use]
pub fn purge_state(purge: &Purge) -> String {
    match purge {
        Purge::Unpurged => "unpurged".to_owned(),
        Purge::Dequeued => "documents_dequeued".to_owned(),
        Purge::Queued { scope, .. } => format!("{}_queued", scope.as_str()),
        Purge::Purged { scope, .. } => format!("{}_purged", scope.as_str()),
    }
}

/// What a `purgeState` in a request asks for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PurgeRequest {
    /// Into the queue.
    Queue(PurgeScope),
    /// Out of the queue.
    Dequeue,
}

/// What this word asks for; `None` for every other word, those of states included (Connect refuses them).
#[must_use]
pub fn read_purge_request(word: &str) -> Option<PurgeRequest> {
    let scopes = [PurgeScope::Documents, PurgeScope::DocumentsAndMetadata, PurgeScope::DocumentsAndMetadataAndRedact];
    if word.eq_ignore_ascii_case("documents_dequeued") {
        return Some(PurgeRequest::Dequeue);
    }
    let asks = |scope: &PurgeScope| word.eq_ignore_ascii_case(&format!("{}_queued", scope.as_str()));
    scopes.into_iter().find(asks).map(PurgeRequest::Queue)
}
