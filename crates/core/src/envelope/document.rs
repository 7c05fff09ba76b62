//! Documents of an envelope: what is known of them. Their bytes are kept elsewhere, found by their hash.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::tab::Tab;

/// The SHA-256 of a document's bytes: the name under which they are stored, once however many envelopes hold them.
/// Written as 64 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ContentHash(pub [u8; 32]);

/// The text is not 64 hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a content hash is 64 hexadecimal digits")]
pub struct NotAContentHash;

impl ContentHash {
    /// The hash of these bytes.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }
}

impl fmt::Display for ContentHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for ContentHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for ContentHash {
    type Err = NotAContentHash;

    fn from_str(text: &str) -> Result<Self, NotAContentHash> {
        if text.len() != 64 || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(NotAContentHash);
        }
        let mut hash = [0; 32];
        for (i, byte) in hash.iter_mut().enumerate() {
            *byte = u8::from_str_radix(&text[2 * i..2 * i + 2], 16).map_err(|_| NotAContentHash)?;
        }
        Ok(Self(hash))
    }
}

impl Serialize for ContentHash {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ContentHash {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// Where bytes are to be found and how many there are.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct Content {
    /// Their hash.
    pub hash: ContentHash,
    /// Their number.
    pub bytes_len: u64,
}

impl Content {
    /// What these bytes will be found by.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self { hash: ContentHash::of(bytes), bytes_len: bytes.len() as u64 }
    }
}

/// The size of a page in points; US letter unless the document says otherwise.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct PageSize {
    /// Width in points.
    pub width: u32,
    /// Height in points.
    pub height: u32,
}

impl Default for PageSize {
    fn default() -> Self {
        Self { width: 612, height: 792 }
    }
}

/// A name and a value that the sender attached to a document.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct DocumentField {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: String,
}

/// A document of an envelope or a template.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Document {
    /// The id that the caller chose, such as `1`; `certificate` for the certificate of completion.
    pub id: String,
    /// Its id for us.
    pub guid: Uuid,
    /// Its name.
    pub name: String,
    /// The extension of the file it was, without a dot, lower case; `pdf` for what we made.
    pub extension: String,
    /// Its place among the documents, from 1.
    pub order: u32,
    /// Its bytes as they came; `None` once purged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content: Option<Content>,
    /// The same with what recipients wrote on it, made at completion; `None` when nothing could be drawn, and once purged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drawn: Option<Content>,
    /// Its number of pages.
    pub pages: u32,
    /// The size of its first page.
    #[serde(default)]
    pub page_size: PageSize,
    /// Names and values that the sender attached.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<DocumentField>,
    /// Tabs filled in by the sender, which belong to no recipient.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub prefill_tabs: Vec<Tab>,
    /// Everything else that was given, echoed as it came.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub extra: Map<String, Value>,
}

impl Document {
    /// A document with nothing but the essentials.
    #[must_use]
    pub fn new(id: impl Into<String>, guid: Uuid, name: impl Into<String>, order: u32, content: Content, pages: u32) -> Self {
        Self {
            id: id.into(),
            guid,
            name: name.into(),
            extension: "pdf".into(),
            order,
            content: Some(content),
            drawn: None,
            pages,
            page_size: PageSize::default(),
            fields: Vec::new(),
            prefill_tabs: Vec::new(),
            extra: Map::new(),
        }
    }

    /// The bytes that are shown and sent: with what recipients wrote on it, if that was drawn.
    #[must_use]
    pub fn shown(&self) -> Option<Content> {
        self.drawn.or(self.content)
    }

    /// The id of one page, `sequence` from 1: the document's own with the number mixed in, so that it needs no storing.
    #[must_use]
    pub fn page_guid(&self, sequence: u32) -> Uuid {
        Uuid::from_u128(self.guid.as_u128() ^ u128::from(sequence))
    }
}

/// What was made of the documents when the envelope was completed.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Renderings {
    /// The certificate of completion.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate: Option<Document>,
    /// All documents in one PDF.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub combined: Option<Content>,
    /// All documents in one zip.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub archive: Option<Content>,
}

impl Renderings {
    /// True when nothing was made.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.certificate.is_none() && self.combined.is_none() && self.archive.is_none()
    }
}

/// A file that travels with the envelope beside its documents.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Attachment {
    /// The id that the caller chose.
    pub id: String,
    /// Its name.
    #[serde(default)]
    pub name: String,
    /// What the caller calls its kind, such as `.docx`.
    #[serde(default)]
    pub kind: String,
    /// A label of the caller's.
    #[serde(default)]
    pub label: String,
    /// `sender` or `senderAndAllRecipients`, as given.
    #[serde(default)]
    pub access: String,
    /// Its bytes; `None` once purged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content: Option<Content>,
    /// Everything else that was given, echoed as it came.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub extra: Map<String, Value>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_content_hash_reads_back_and_nothing_else_does() {
        let hash = ContentHash::of(b"abc");
        assert_eq!(hash.to_string(), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad", "FIPS 180-4, example \"abc\"");
        assert_eq!(hash.to_string().parse(), Ok(hash));
        for text in ["", "ba78", &"g".repeat(64), &"é".repeat(32)] {
            assert_eq!(text.parse::<ContentHash>(), Err(NotAContentHash), "{text}");
        }
    }

    #[test]
    fn pages_of_one_document_have_ids_of_their_own() {
        let document = Document::new("1", Uuid::from_u128(77), "Lease", 1, Content::of(b"x"), 2);
        assert_ne!(document.page_guid(1), document.page_guid(2));
        assert_ne!(document.page_guid(1), document.guid);
    }
}
