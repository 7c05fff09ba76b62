//! `RecipientStatus` and `TabStatus`.

use serde_json::Value;

use super::sheet::Sheet;
use crate::envelope::{Recipient, RecipientKind, RecipientStatus, Tab, TabKind};

pub(super) fn write(sheet: &mut Sheet, recipient: &Recipient) {
    sheet.open("RecipientStatus");
    sheet.text("Type", kind(recipient.kind));
    sheet.text("Email", &recipient.person.email);
    sheet.text("UserName", &recipient.person.name);
    sheet.text("RoutingOrder", &recipient.order.to_string());
    sheet.time("Sent", recipient.sent_at);
    sheet.time("Delivered", recipient.delivered_at);
    sheet.time("Signed", recipient.signed_at);
    sheet.time("Declined", recipient.declined_at);
    match &recipient.declined_reason {
        Some(reason) => sheet.text("DeclineReason", reason),
        None => sheet.nil("DeclineReason"),
    }
    sheet.text("Status", status(recipient.status));
    sheet.text("RecipientIPAddress", recipient.ip_address.as_deref().unwrap_or(""));
    if let Some(id) = &recipient.client_user_id {
        sheet.text("ClientUserId", id);
    }
    sheet.empty("CustomFields");
    if !recipient.tabs.is_empty() {
        sheet.open("TabStatuses");
        for tab in &recipient.tabs {
            write_tab(sheet, recipient, tab);
        }
        sheet.close("TabStatuses");
    }
    sheet.text("AccountStatus", "Active");
    sheet.text("RecipientId", &recipient.guid.to_string());
    sheet.close("RecipientStatus");
}

fn write_tab(sheet: &mut Sheet, recipient: &Recipient, tab: &Tab) {
    let (tab_type, custom_type) = tab_types(&tab.kind);
    sheet.open("TabStatus");
    sheet.text("TabType", tab_type);
    sheet.text("Status", if tab.signed { "Signed" } else { "Active" });
    sheet.text("XPosition", &given(tab, "xPosition").unwrap_or_else(|| "0".to_owned()));
    sheet.text("YPosition", &given(tab, "yPosition").unwrap_or_else(|| "0".to_owned()));
    sheet.text("TabLabel", tab.label.as_deref().unwrap_or(""));
    sheet.text("TabName", &given(tab, "name").unwrap_or_else(|| tab_type.to_owned()));
    sheet.text("TabValue", tab.data());
    sheet.text("DocumentID", tab.document_id.as_deref().unwrap_or("1"));
    sheet.text("PageNumber", &given(tab, "pageNumber").unwrap_or_else(|| "1".to_owned()));
    if let Some(original) = tab.original_value.as_deref().filter(|_| tab.is_changed()) {
        sheet.text("OriginalValue", original);
    }
    if let Some(role) = &recipient.role {
        sheet.text("RoleName", role);
    }
    if let Some(custom_type) = custom_type {
        sheet.text("CustomTabType", custom_type);
    }
    sheet.close("TabStatus");
}

/// A property that nothing here acts on, as the caller gave it.
fn given(tab: &Tab, key: &str) -> Option<String> {
    let value = tab.extra.iter().find(|(name, _)| name.eq_ignore_ascii_case(key)).map(|(_, value)| value)?;
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

/// `TabType` and, for tabs that hold data of the sender's choice, `CustomTabType`.
fn tab_types(kind: &TabKind) -> (&'static str, Option<&'static str>) {
    match kind {
        TabKind::SignHere => ("SignHere", None),
        TabKind::InitialHere => ("InitialHere", None),
        TabKind::DateSigned => ("DateSigned", None),
        TabKind::FullName => ("FullName", None),
        TabKind::FirstName => ("FirstName", None),
        TabKind::LastName => ("LastName", None),
        TabKind::EmailAddress => ("EmailAddress", None),
        TabKind::EnvelopeId => ("EnvelopeID", None),
        TabKind::Company => ("Company", None),
        TabKind::Title => ("Title", None),
        TabKind::Approve => ("Approve", None),
        TabKind::Decline => ("Decline", None),
        TabKind::SignerAttachment => ("SignerAttachment", None),
        TabKind::Checkbox => ("Custom", Some("Checkbox")),
        TabKind::RadioGroup => ("Custom", Some("Radio")),
        TabKind::List => ("Custom", Some("List")),
        TabKind::Date => ("Custom", Some("Date")),
        TabKind::Number | TabKind::Numerical | TabKind::Currency => ("Custom", Some("Number")),
        TabKind::Ssn => ("Custom", Some("SSN")),
        TabKind::Zip => ("Custom", Some("ZIP5")),
        TabKind::Email => ("Custom", Some("Email")),
        TabKind::Note => ("Custom", Some("Note")),
        TabKind::Formula => ("Custom", Some("Formula")),
        _ => ("Custom", Some("Text")),
    }
}

fn kind(kind: RecipientKind) -> &'static str {
    match kind {
        RecipientKind::Signer => "Signer",
        RecipientKind::CarbonCopy => "CarbonCopy",
        RecipientKind::CertifiedDelivery => "CertifiedDelivery",
        RecipientKind::InPersonSigner => "InPersonSigner",
    }
}

fn status(status: RecipientStatus) -> &'static str {
    match status {
        RecipientStatus::Created => "Created",
        RecipientStatus::Sent => "Sent",
        RecipientStatus::Delivered => "Delivered",
        RecipientStatus::Completed => "Completed",
        RecipientStatus::Declined => "Declined",
        RecipientStatus::AutoResponded => "AutoResponded",
    }
}
