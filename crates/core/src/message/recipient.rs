//! Recipients as Connect writes them: arrays by type.

use serde_json::{Map, Value};

use super::{object::Object, tab, view::View};
use crate::envelope::{Envelope, Recipient, RecipientKind, RecipientStatus};

/// The arrays, in the order of real messages. All are present, empty when there is nobody.
const ARRAYS: [(&str, Option<RecipientKind>); 10] = [
    ("signers", Some(RecipientKind::Signer)),
    ("agents", None),
    ("editors", None),
    ("intermediaries", None),
    ("carbonCopies", Some(RecipientKind::CarbonCopy)),
    ("certifiedDeliveries", Some(RecipientKind::CertifiedDelivery)),
    ("inPersonSigners", Some(RecipientKind::InPersonSigner)),
    ("seals", None),
    ("witnesses", None),
    ("notaries", None),
];

/// The name of the array that holds recipients of this kind, such as `carbonCopies`.
#[must_use]
pub fn array_name(kind: RecipientKind) -> &'static str {
    match kind {
        RecipientKind::Signer => "signers",
        RecipientKind::CarbonCopy => "carbonCopies",
        RecipientKind::CertifiedDelivery => "certifiedDeliveries",
        RecipientKind::InPersonSigner => "inPersonSigners",
    }
}

/// All recipients of an envelope.
#[must_use]
pub fn write(envelope: &Envelope, view: &View<'_>) -> Map<String, Value> {
    let mut object = Object::new(view.dates);
    for (name, kind) in ARRAYS {
        let of_kind = envelope.recipients.iter().filter(|r| Some(r.kind) == kind);
        let array: Vec<Value> = of_kind.map(|r| write_one(r, view).into()).collect();
        object.value(name, array);
    }
    object.number("recipientCount", envelope.recipients.len() as u64);
    let last = envelope.recipients.iter().map(|r| r.order).max().unwrap_or(1);
    object.number("currentRoutingOrder", envelope.current_order().unwrap_or(last));
    object.finish()
}

/// One recipient, keys in the order of real messages.
#[must_use]
pub fn write_one(recipient: &Recipient, view: &View<'_>) -> Map<String, Value> {
    let mut object = Object::new(view.dates);
    let extra = &recipient.extra;
    let signs = recipient.kind.signs();
    if recipient.kind == RecipientKind::InPersonSigner {
        let host = recipient.host.clone().unwrap_or_default();
        object.text("hostName", host.name);
        object.text("hostEmail", host.email);
        object.text("signerName", recipient.person.name.clone());
        object.text("signerEmail", recipient.person.email.clone());
    }
    let tabs = tab::shown(&recipient.tabs, view);
    if !tabs.is_empty() {
        object.value("tabs", tab::write(tabs, Some(&recipient.id), view));
    }
    if signs {
        object.text("creationReason", recipient.reason.as_str());
        object.echo(extra, "canSignOffline", "false");
        object.echo(extra, "isBulkRecipient", "false");
        object.echo(extra, "requireUploadSignature", "false");
    }
    object.text("name", recipient.person.name.clone());
    object.text("email", recipient.person.email.clone());
    object.text("recipientId", recipient.id.clone());
    object.text("recipientIdGuid", recipient.guid.to_string());
    if view.access_codes {
        object.echo_opt(extra, "accessCode");
    }
    object.echo(extra, "requireIdLookup", "false");
    if let Some(user) = recipient.user {
        object.text("userId", user.to_string());
    }
    object.text_opt("clientUserId", recipient.client_user_id.as_deref());
    object.number("routingOrder", recipient.order);
    object.text("note", recipient.note.clone().unwrap_or_default());
    object.text_opt("roleName", recipient.role.as_deref());
    object.text("status", recipient.status.as_str());
    object.text("completedCount", if recipient.status == RecipientStatus::Completed && signs { "1" } else { "0" });
    object.date("signedDateTime", recipient.signed_at);
    object.date("deliveredDateTime", recipient.delivered_at);
    object.date("declinedDateTime", recipient.declined_at);
    object.date("sentDateTime", recipient.sent_at);
    object.text_opt("declinedReason", recipient.declined_reason.as_deref());
    object.text_opt("autoRespondedReason", recipient.autoresponded_reason.as_deref());
    object.echo(extra, "deliveryMethod", "email");
    object.text("recipientType", recipient_type(recipient.kind));
    write_delegation(recipient, &mut object);
    object.echo_rest(extra, if view.access_codes { &[] } else { &["accessCode"] });
    object.finish()
}

fn write_delegation(recipient: &Recipient, object: &mut Object) {
    let person = |person: &crate::envelope::Person| {
        let mut map = Map::new();
        map.insert("Name".to_owned(), person.name.clone().into());
        map.insert("Email".to_owned(), person.email.clone().into());
        Value::Object(map)
    };
    if let Some(by) = &recipient.delegated_by {
        object.value("delegatedBy", person(by));
    }
    if let Some(to) = &recipient.delegated_to {
        object.value("delegatedTo", vec![person(to)]);
    }
}

fn recipient_type(kind: RecipientKind) -> &'static str {
    match kind {
        RecipientKind::Signer => "signer",
        RecipientKind::CarbonCopy => "carboncopy",
        RecipientKind::CertifiedDelivery => "certifieddelivery",
        RecipientKind::InPersonSigner => "inpersonsigner",
    }
}
