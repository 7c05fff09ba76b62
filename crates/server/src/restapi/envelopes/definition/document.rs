//! Documents and attachments as a caller gives them.

use base64::{
    Engine,
    alphabet::{STANDARD, URL_SAFE},
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use bytes::Bytes;
use countersign_core::envelope::{Attachment, Content, Document, DocumentField, Tab};
use uuid::Uuid;

use super::tab::tabs;
use crate::{
    documents::{File, extension_of},
    failure::Failure,
    restapi::wire::Wire,
};

/// What is ours to say of a document.
const OURS: [&str; 9] = [
    "uri",
    "documentIdGuid",
    "type",
    "pages",
    "errorDetails",
    "sizeBytes",
    "availableDocumentTypes",
    "containsPdfFormFields",
    "addedRecipientIds",
];

/// What would have to be fetched or composed.
const OUT_OF_SCOPE: [(&str, &str); 4] = [
    ("remoteUrl", "fetching a document from a remote URL"),
    ("htmlDefinition", "a responsive HTML document"),
    ("docGenFormFields", "document generation"),
    ("assignTabsToRecipientId", "making tabs of PDF form fields"),
];

/// Clients leave padding out or not, and break lines.
const LENIENT: GeneralPurposeConfig =
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent).with_decode_allow_trailing_bits(true);
const PLAIN: GeneralPurpose = GeneralPurpose::new(&STANDARD, LENIENT);
const URL: GeneralPurpose = GeneralPurpose::new(&URL_SAFE, LENIENT);

/// A document as given.
#[derive(Clone, Debug, Default)]
pub(in crate::restapi) struct DocumentDefinition {
    /// `documentId`.
    pub(in crate::restapi) id: String,
    /// Its name.
    pub(in crate::restapi) name: Option<String>,
    /// Its place.
    pub(in crate::restapi) order: Option<u32>,
    /// `fileExtension`.
    pub(in crate::restapi) extension: Option<String>,
    /// Its bytes, decoded.
    pub(in crate::restapi) bytes: Option<Bytes>,
    /// Names and values that the sender attached.
    pub(in crate::restapi) fields: Option<Vec<DocumentField>>,
    /// Tabs that the sender filled in.
    pub(in crate::restapi) prefill: Vec<Tab>,
    /// What is echoed.
    pub(in crate::restapi) extra: serde_json::Map<String, serde_json::Value>,
}

impl DocumentDefinition {
    /// As a document beside its bytes, `before` being what it replaces and `place` where it stands unless it says so.
    ///
    /// # Errors
    /// 400 when there are no bytes.
    pub(in crate::restapi) fn upload(self, before: Option<&Document>, place: u32) -> Result<(Document, File), Failure> {
        let Some(bytes) = self.bytes else {
            return Err(Failure::invalid_parameter(format!("document {} has no documentBase64", self.id)));
        };
        let name = self.name.or_else(|| before.map(|b| b.name.clone())).unwrap_or_default();
        let extension = extension_of(self.extension.as_deref(), &name);
        let order = self.order.or(before.map(|b| b.order)).unwrap_or(place);
        let mut document = Document::new(self.id, Uuid::new_v4(), name, order, Content::of(b""), 1);
        document.content = None;
        document.extension.clone_from(&extension);
        document.fields = self.fields.unwrap_or_default();
        document.prefill_tabs = self.prefill;
        document.extra = self.extra;
        let file = File { name: document.name.clone(), extension, bytes };
        Ok((document, file))
    }

    /// As another form of a document whose bytes stay.
    pub(in crate::restapi) fn alter(self, before: &Document) -> Document {
        let mut document = before.clone();
        document.name = self.name.unwrap_or(document.name);
        document.order = self.order.unwrap_or(document.order);
        document.fields = self.fields.unwrap_or(document.fields);
        if !self.prefill.is_empty() {
            document.prefill_tabs = self.prefill;
        }
        document.extra.extend(self.extra);
        document
    }
}

/// Reads a list of documents.
///
/// # Errors
/// 400 that names the document and what cannot be; 501 for what is out of scope.
pub(in crate::restapi) fn documents(list: Vec<Wire>) -> Result<Vec<DocumentDefinition>, Failure> {
    list.into_iter().map(document).collect()
}

fn document(mut wire: Wire) -> Result<DocumentDefinition, Failure> {
    let id = document_id(wire.take_text("documentId")?.as_deref())?;
    for (name, what) in OUT_OF_SCOPE {
        if wire.get(name).is_some_and(super::says_something) {
            return Err(Failure::not_implemented(what));
        }
    }
    let bytes = match wire.take_text("documentBase64")? {
        Some(text) if !text.is_empty() => Some(base64(&text, &format!("documentBase64 of document {id}"))?),
        _ => None,
    };
    let order = match wire.take_number("order")? {
        None => None,
        Some(order) => Some(
            u32::try_from(order).map_err(|_| Failure::invalid_parameter(format!("order of document {id} is {order}; it starts at 0")))?,
        ),
    };
    let fields = document_fields(&mut wire)?;
    let prefill = match wire.take_object("tabs")? {
        None => Vec::new(),
        Some(mut wire) => wire.take_object("prefillTabs")?.map(tabs).transpose()?.unwrap_or_default(),
    };
    Ok(DocumentDefinition {
        name: wire.take_text("name")?,
        order,
        extension: wire.take_text("fileExtension")?,
        bytes,
        fields,
        prefill,
        extra: super::rest_of(wire, &OURS),
        id,
    })
}

/// Takes `documentFields` out: names and values that the sender attached.
///
/// # Errors
/// 400 for one without a name.
pub(in crate::restapi) fn document_fields(wire: &mut Wire) -> Result<Option<Vec<DocumentField>>, Failure> {
    wire.take_objects("documentFields")?.map(|list| list.into_iter().map(document_field).collect()).transpose()
}

fn document_field(mut wire: Wire) -> Result<DocumentField, Failure> {
    let name = wire.take_text("name")?.filter(|name| !name.is_empty());
    let name = name.ok_or_else(|| Failure::invalid_parameter("documentFields holds one without a name"))?;
    Ok(DocumentField { name, value: wire.take_text("value")?.unwrap_or_default() })
}

/// A document id: a positive whole number (Connect: `documentId`), so that it can never be `combined` or `certificate`.
///
/// # Errors
/// 400 when it is missing or something else.
pub(in crate::restapi) fn document_id(given: Option<&str>) -> Result<String, Failure> {
    let given =
        given.map(str::trim).filter(|id| !id.is_empty()).ok_or_else(|| Failure::invalid_parameter("a document has no documentId"))?;
    match given.parse::<i32>() {
        Ok(number) if number > 0 => Ok(number.to_string()),
        _ => Err(Failure::invalid_parameter(format!(
            "documentId is '{}'; it must be a whole number from 1 to 2147483647",
            given.chars().take(64).collect::<String>()
        ))),
    }
}

/// Decodes Base64 as clients write it: standard or URL-safe, with or without padding and line breaks.
///
/// # Errors
/// 400 that names `what`.
pub(in crate::restapi) fn base64(text: &str, what: &str) -> Result<Bytes, Failure> {
    let refused = |e| Failure::invalid_parameter(format!("{what} is not Base64: {e}"));
    let decode = |text: &str| {
        let engine = if text.contains(['-', '_']) { &URL } else { &PLAIN };
        engine.decode(text).map(Bytes::from).map_err(refused)
    };
    if text.contains(|c: char| c.is_ascii_whitespace()) { decode(&text.split_ascii_whitespace().collect::<String>()) } else { decode(text) }
}

/// An attachment as given.
#[derive(Clone, Debug)]
pub(in crate::restapi) struct AttachmentDefinition {
    /// What is known of it; its content is not set.
    pub(in crate::restapi) attachment: Attachment,
    /// Its bytes.
    pub(in crate::restapi) bytes: Bytes,
}

/// Reads a list of attachments.
///
/// # Errors
/// 400 that names the attachment and what cannot be.
pub(in crate::restapi) fn attachments(list: Vec<Wire>) -> Result<Vec<AttachmentDefinition>, Failure> {
    list.into_iter()
        .enumerate()
        .map(|(index, mut wire)| {
            let id = wire.take_text("attachmentId")?.filter(|id| !id.is_empty()).unwrap_or_else(|| (index + 1).to_string());
            if wire.get("remoteUrl").is_some_and(super::says_something) {
                return Err(Failure::not_implemented("fetching an attachment from a remote URL"));
            }
            let data = wire.take_text("data")?.filter(|data| !data.is_empty());
            let data = data.ok_or_else(|| Failure::invalid_parameter(format!("attachment {id} has no data")))?;
            let bytes = base64(&data, &format!("data of attachment {id}"))?;
            let attachment = Attachment {
                name: wire.take_text("name")?.unwrap_or_default(),
                kind: wire.take_text("attachmentType")?.unwrap_or_default(),
                label: wire.take_text("label")?.unwrap_or_default(),
                access: wire.take_text("accessControl")?.unwrap_or_default(),
                content: None,
                extra: super::rest_of(wire, &["errorDetails"]),
                id,
            };
            Ok(AttachmentDefinition { attachment, bytes })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_read_as_clients_write_it() {
        for (text, expected) in [("aGVsbG8=", "hello"), ("aGVsbG8", "hello"), ("aGVs\r\n bG8=", "hello"), ("Pz8_", "???"), ("Pz8/", "???")]
        {
            assert_eq!(base64(text, "x").expect(text), expected);
        }
        for text in ["a", "aGVs*bG8=", "ü"] {
            assert!(base64(text, "x").is_err(), "{text}");
        }
    }

    #[test]
    fn a_document_id_is_a_positive_number() {
        assert_eq!(document_id(Some(" 7 ")), Ok("7".to_owned()));
        for given in [None, Some(""), Some("0"), Some("-1"), Some("combined"), Some("99999999999"), Some("1.5")] {
            assert!(document_id(given).is_err(), "{given:?}");
        }
    }
}
