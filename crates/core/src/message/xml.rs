//! The legacy XML body: `DocuSignEnvelopeInformation`, elements in the order of the published samples.
//!
//! Dates have no zone: they are in the account's, which `TimeZone` and `TimeZoneOffset` name when they are asked for.
//! Recipients, their tabs and custom fields are always there, as the samples have them; documents and the switches beside
//! them only when asked for. Nothing in it counts attempts, so every attempt has the same body.

mod recipient;
mod sheet;

use self::sheet::Sheet;
use super::{
    body::{PreparedBody, XML_CONTENT_TYPE},
    custom_field, document,
    facts::{Contents, Message, Unrenderable},
};
use crate::{
    envelope::{CustomField, CustomFieldKind, Document, Envelope, EnvelopeStatus},
    subscription::Include,
};

const NAMESPACES: [(&str, &str); 3] = [
    ("xmlns", "http://www.docusign.net/API/3.0"),
    ("xmlns:xsd", "http://www.w3.org/2001/XMLSchema"),
    ("xmlns:xsi", "http://www.w3.org/2001/XMLSchema-instance"),
];

/// One change, or one event: both look the same (Connect: XML aggregate, XML SIM).
pub(super) fn prepare(message: &Message<'_>, contents: &Contents) -> Result<PreparedBody, Unrenderable> {
    let envelope = message.envelope()?;
    let mut sheet = Sheet::new(message.account.time_zone_offset_hours);
    sheet.open_with("DocuSignEnvelopeInformation", NAMESPACES);
    write_status(&mut sheet, message, &envelope);
    write_documents(&mut sheet, message, &envelope, contents)?;
    if message.include.contains(&Include::TimeZone) {
        sheet.text("TimeZone", &message.account.time_zone);
        sheet.text("TimeZoneOffset", &message.account.time_zone_offset_hours.to_string());
    }
    sheet.close("DocuSignEnvelopeInformation");
    Ok(PreparedBody::fixed(sheet.finish(), XML_CONTENT_TYPE))
}

fn write_status(sheet: &mut Sheet, message: &Message<'_>, envelope: &Envelope) {
    let sender = &envelope.sender;
    sheet.open("EnvelopeStatus");
    sheet.open("RecipientStatuses");
    for recipient in &envelope.recipients {
        recipient::write(sheet, recipient);
    }
    sheet.close("RecipientStatuses");
    sheet.full_time("TimeGenerated", message.generated_at);
    sheet.text("EnvelopeID", &envelope.id.to_string());
    sheet.text("Subject", &envelope.subject);
    sheet.text("UserName", &sender.person.name);
    sheet.text("Email", &sender.person.email);
    sheet.text("Status", status(envelope.status));
    write_dates(sheet, message, envelope);
    sheet.text("ACStatus", "Original");
    sheet.time("ACStatusDate", Some(envelope.dates.created_at));
    sheet.text("ACHolder", &sender.person.name);
    sheet.text("ACHolderEmail", &sender.person.email);
    sheet.text("ACHolderLocation", "DocuSign");
    sheet.text("SigningLocation", "Online");
    sheet.text("SenderIPAddress", sender.ip_address.as_deref().unwrap_or(""));
    sheet.empty("EnvelopePDFHash");
    write_custom_fields(sheet, message, envelope);
    sheet.text("AutoNavigation", flag(envelope, "autoNavigation", "true"));
    sheet.text("EnvelopeIdStamping", flag(envelope, "envelopeIdStamping", "true"));
    sheet.text("AuthoritativeCopy", flag(envelope, "authoritativeCopy", "false"));
    sheet.open("DocumentStatuses");
    for document in &envelope.documents {
        write_document_status(sheet, message, envelope, document);
    }
    sheet.close("DocumentStatuses");
    sheet.close("EnvelopeStatus");
}

fn write_dates(sheet: &mut Sheet, message: &Message<'_>, envelope: &Envelope) {
    let dates = &envelope.dates;
    sheet.time("Created", Some(dates.created_at));
    sheet.time("Deleted", dates.deleted_at);
    sheet.time("Sent", dates.sent_at);
    sheet.time("Delivered", dates.delivered_at);
    sheet.time("Signed", dates.completed_at);
    sheet.time("Completed", dates.completed_at);
    sheet.time("Declined", dates.declined_at);
    sheet.time("Voided", dates.voided_at);
    if let (true, Some(reason)) = (message.include.contains(&Include::VoidReason), &envelope.void_reason) {
        sheet.text("VoidReason", reason);
    }
}

/// Sentence case, as the samples have it.
fn status(status: EnvelopeStatus) -> &'static str {
    match status {
        EnvelopeStatus::Created => "Created",
        EnvelopeStatus::Sent => "Sent",
        EnvelopeStatus::Delivered => "Delivered",
        EnvelopeStatus::Completed => "Completed",
        EnvelopeStatus::Declined => "Declined",
        EnvelopeStatus::Voided => "Voided",
        EnvelopeStatus::Deleted => "Deleted",
    }
}

/// A switch that the caller set, or what Connect shows when nobody did.
fn flag(envelope: &Envelope, key: &str, otherwise: &'static str) -> &'static str {
    let given = envelope.extra.get(key);
    let set = given.and_then(|v| v.as_bool().or_else(|| v.as_str().map(|text| text.eq_ignore_ascii_case("true"))));
    match set {
        Some(true) => "true",
        Some(false) => "false",
        None => otherwise,
    }
}

fn write_custom_fields(sheet: &mut Sheet, message: &Message<'_>, envelope: &Envelope) {
    let of_account =
        if message.include.contains(&Include::SenderAccountAsCustomField) { custom_field::of_account(message.account) } else { Vec::new() };
    if envelope.custom_fields.is_empty() && of_account.is_empty() {
        sheet.empty("CustomFields");
        return;
    }
    sheet.open("CustomFields");
    for field in envelope.custom_fields.iter().chain(&of_account) {
        write_custom_field(sheet, field);
    }
    sheet.close("CustomFields");
}

fn write_custom_field(sheet: &mut Sheet, field: &CustomField) {
    let word = |flag: bool| if flag { "true" } else { "false" };
    sheet.open("CustomField");
    sheet.text("Name", &field.name);
    sheet.text("Show", word(field.show));
    sheet.text("Required", word(field.required));
    sheet.text("Value", &field.value);
    sheet.text("CustomFieldType", if field.kind == CustomFieldKind::Text { "Text" } else { "List" });
    sheet.close("CustomField");
}

fn write_document_status(sheet: &mut Sheet, message: &Message<'_>, envelope: &Envelope, document: &Document) {
    let from = envelope.templates.iter().find(|template| template.document_id.as_ref() == Some(&document.id));
    sheet.open("DocumentStatus");
    sheet.text("ID", &document.id);
    sheet.text("Name", &document.name);
    sheet.text("TemplateName", from.map_or("", |template| &template.name));
    sheet.text("Sequence", &document.order.to_string());
    if message.include.contains(&Include::DocumentFields) && !document.fields.is_empty() {
        sheet.open("DocumentFields");
        for field in &document.fields {
            sheet.open("DocumentField");
            sheet.text("Name", &field.name);
            sheet.text("Value", &field.value);
            sheet.close("DocumentField");
        }
        sheet.close("DocumentFields");
    }
    sheet.close("DocumentStatus");
}

/// The documents whose bytes are asked for. They follow the status, as in a published payload with documents.
fn write_documents(sheet: &mut Sheet, message: &Message<'_>, envelope: &Envelope, contents: &Contents) -> Result<(), Unrenderable> {
    let view = message.view();
    let documents: Vec<&Document> = document::shown(envelope, &view).filter(|d| document::shows_bytes(d, &view)).collect();
    if documents.is_empty() {
        return Ok(());
    }
    sheet.open("DocumentPDFs");
    for document in documents {
        sheet.open("DocumentPDF");
        sheet.text("Name", &document.name);
        sheet.base64("PDFBytes", document::bytes(document, contents)?);
        let is_certificate = document.id == document::CERTIFICATE_ID;
        if !is_certificate {
            sheet.text("DocumentID", &document.id);
        }
        sheet.text("DocumentType", if is_certificate { "SUMMARY" } else { "CONTENT" });
        sheet.close("DocumentPDF");
    }
    sheet.close("DocumentPDFs");
    Ok(())
}
