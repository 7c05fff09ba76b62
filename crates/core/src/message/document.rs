//! Documents as Connect writes them: `envelopeDocuments`. Their bytes (`PDFBytes`) are put in where a body is assembled.

use serde_json::{Map, Value};

use super::{
    facts::{Contents, Unrenderable},
    object::Object,
    tab,
    view::View,
};
use crate::{
    envelope::{Document, Envelope, EnvelopeStatus},
    id::EnvelopeId,
    subscription::Include,
};

/// The `documentId` of the certificate of completion.
pub const CERTIFICATE_ID: &str = "certificate";

/// The place that the certificate has among the documents.
const CERTIFICATE_ORDER: u64 = 999;

/// The documents of an envelope, the certificate last. Only what belongs to a shown part is there: without `documents`
/// and what stands inside documents, the certificate alone.
#[must_use]
pub fn write(envelope: &Envelope, view: &View<'_>) -> Vec<Map<String, Value>> {
    shown(envelope, view).map(|document| write_one(document, envelope.id, view)).collect()
}

/// The documents that this view shows.
pub(super) fn shown<'e>(envelope: &'e Envelope, view: &View<'_>) -> impl Iterator<Item = &'e Document> {
    let certificate_alone = !(view.shows(Include::Documents) || view.shows(Include::PrefillTabs) || view.shows(Include::DocumentFields));
    let documents = envelope.documents.iter().filter(move |_| !certificate_alone);
    let completed = envelope.status == EnvelopeStatus::Completed;
    documents.chain(envelope.renderings.certificate.iter().filter(move |_| completed))
}

/// True when this view shows the bytes of the document: `documents` brings those of documents,
/// `includeCertificateOfCompletion` that of the certificate. What had been purged when the event happened has none.
pub(super) fn shows_bytes(document: &Document, view: &View<'_>) -> bool {
    document.content.is_some()
        && view.shows(if document.id == CERTIFICATE_ID { Include::CertificateOfCompletion } else { Include::Documents })
}

/// One document, keys in the order of real messages.
#[must_use]
pub fn write_one(document: &Document, envelope: EnvelopeId, view: &View<'_>) -> Map<String, Value> {
    let mut object = Object::new(view.dates);
    let extra = &document.extra;
    let is_certificate = document.id == CERTIFICATE_ID;
    object.text("documentId", document.id.clone());
    object.text("documentIdGuid", document.guid.to_string());
    object.text("name", document.name.clone());
    object.text("type", if is_certificate { "summary" } else { "content" });
    object.text("uri", format!("/envelopes/{envelope}/documents/{}", document.id));
    object.number("order", if is_certificate { CERTIFICATE_ORDER } else { u64::from(document.order) });
    object.value("pages", pages(document, view));
    if view.shows(Include::DocumentFields) && !document.fields.is_empty() {
        let field = |field: &crate::envelope::DocumentField| {
            let mut object = Object::new(view.dates);
            object.text("name", field.name.clone());
            object.text("value", field.value.clone());
            Value::from(object)
        };
        object.value("documentFields", document.fields.iter().map(field).collect::<Vec<_>>());
    }
    object.echo(extra, "display", "inline");
    object.echo(extra, "includeInDownload", "true");
    object.echo(extra, "signerMustAcknowledge", "no_interaction");
    object.echo(extra, "templateRequired", "false");
    object.echo(extra, "authoritativeCopy", "false");
    if view.shows(Include::PrefillTabs) && !document.prefill_tabs.is_empty() {
        let mut tabs = Map::new();
        tabs.insert("prefillTabs".to_owned(), tab::write(&document.prefill_tabs, None, view).into());
        object.value("tabs", tabs);
    }
    object.echo_rest(extra, &[]);
    object.finish()
}

fn pages(document: &Document, view: &View<'_>) -> Vec<Value> {
    let page = |sequence: u32| {
        let mut object = Object::new(view.dates);
        object.text("pageId", document.page_guid(sequence).to_string());
        object.number("sequence", sequence);
        object.number("height", document.page_size.height);
        object.number("width", document.page_size.width);
        object.text("dpi", "72");
        Value::from(object)
    };
    (1..=document.pages).map(page).collect()
}

/// The bytes of a document, from those that were fetched.
pub(super) fn bytes<'c>(document: &Document, contents: &'c Contents) -> Result<&'c [u8], Unrenderable> {
    let hash = document.shown().ok_or(Unrenderable::SnapshotGone)?.hash;
    contents.get(&hash).map(|bytes| &bytes[..]).ok_or(Unrenderable::ContentGone(hash))
}
