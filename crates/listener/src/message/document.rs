//! The documents of an envelope.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::{Deserialize, Serialize};

use super::{More, scalar::Count};

/// A document of an envelope.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct EnvelopeDocument {
    /// Its id: a number, or `certificate`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub document_id: Option<Count>,
    /// The id that the service gave.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub document_id_guid: Option<String>,
    /// Its name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// `content`, or `summary` for the certificate.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// Its place.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub order: Option<Count>,
    /// Its bytes in Base64, when documents are included. See [`EnvelopeDocument::pdf`].
    #[serde(rename = "PDFBytes", skip_serializing_if = "Option::is_none")]
    pub pdf_bytes: Option<String>,
    /// Everything else.
    #[serde(flatten)]
    pub more: More,
}

/// The bytes of a document are not Base64.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("PDFBytes is not Base64")]
pub struct NotBase64;

impl EnvelopeDocument {
    /// The bytes of the document; `None` when they are not included.
    ///
    /// # Errors
    /// [`NotBase64`] when they cannot be decoded.
    pub fn pdf(&self) -> Result<Option<Vec<u8>>, NotBase64> {
        self.pdf_bytes.as_ref().map(|text| STANDARD.decode(text).map_err(|_| NotBase64)).transpose()
    }
}
