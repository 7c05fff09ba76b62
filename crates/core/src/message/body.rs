//! A body in the making and a body ready to be sent.

use std::io;

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;

/// Encoded documents from this size on are segments of their own; smaller ones are copied in, since a segment costs more
/// than the copy.
const OWN_SEGMENT_BYTES_MIN: usize = 64 * 1024;

/// Bytes collected in pieces, so that large documents are encoded once and never moved.
#[derive(Default)]
pub(super) struct Pieces {
    done: Vec<Bytes>,
    open: Vec<u8>,
}

impl Pieces {
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.open.extend_from_slice(bytes);
    }

    /// Takes bytes in as they are, shared.
    pub(super) fn share(&mut self, bytes: Bytes) {
        self.close();
        self.done.push(bytes);
    }

    /// Takes the Base64 of these bytes in.
    pub(super) fn push_base64(&mut self, bytes: &[u8]) {
        let text = STANDARD.encode(bytes);
        if text.len() < OWN_SEGMENT_BYTES_MIN {
            self.open.extend_from_slice(text.as_bytes());
        } else {
            self.share(Bytes::from(text));
        }
    }

    fn close(&mut self) {
        if !self.open.is_empty() {
            self.done.push(Bytes::from(std::mem::take(&mut self.open)));
        }
    }

    fn finish(mut self) -> Vec<Bytes> {
        self.close();
        self.done
    }
}

impl io::Write for Pieces {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.push(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The media type of JSON messages (Connect).
pub const JSON_CONTENT_TYPE: &str = "application/json; charset=utf-8";
/// The media type of XML messages (Connect).
pub const XML_CONTENT_TYPE: &str = "text/xml; charset=utf-8";
/// The media type of bytes of which nothing is known (RFC 9110 §8.3). A message that is passed on as received names its own among its
/// headers.
pub const OCTETS_CONTENT_TYPE: &str = "application/octet-stream";

/// A body made once for all attempts of a delivery: everything but the number of the attempt stands fast.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PreparedBody {
    /// What comes before `retryCount`; `None` for the shapes that have no such count.
    head: Option<Bytes>,
    /// What comes after it.
    tail: Vec<Bytes>,
    content_type: &'static str,
}

impl PreparedBody {
    /// A body whose `retryCount` stands between these.
    pub(super) fn counted(head: Pieces, tail: Pieces) -> Self {
        let head = Bytes::from(head.finish().concat());
        Self { head: Some(head), tail: tail.finish(), content_type: JSON_CONTENT_TYPE }
    }

    /// A body that is the same on every attempt.
    pub(super) fn fixed(body: Pieces, content_type: &'static str) -> Self {
        Self { head: None, tail: body.finish(), content_type }
    }

    /// The value of the `Content-Type` header.
    #[must_use]
    pub fn content_type(&self) -> &'static str {
        self.content_type
    }

    /// The length in bytes of the body of that attempt.
    #[must_use]
    pub fn len(&self, retry_count: u32) -> usize {
        let count = retry_count.checked_ilog10().unwrap_or(0) as usize + 1;
        let head = self.head.as_ref().map_or(0, |head| head.len() + count);
        head + self.tail.iter().map(Bytes::len).sum::<usize>()
    }

    /// The body of that attempt in pieces that share their bytes with this one.
    #[must_use]
    pub fn segments(&self, retry_count: u32) -> Vec<Bytes> {
        let mut segments = Vec::with_capacity(self.tail.len() + 2);
        if let Some(head) = &self.head {
            segments.push(head.clone());
            segments.push(Bytes::from(retry_count.to_string()));
        }
        segments.extend(self.tail.iter().cloned());
        segments
    }

    /// The body of that attempt in one piece: one allocation of the right size, one copy.
    #[must_use]
    pub fn render(&self, retry_count: u32) -> Bytes {
        let mut body = Vec::with_capacity(self.len(retry_count));
        for segment in self.segments(retry_count) {
            body.extend_from_slice(&segment);
        }
        Bytes::from(body)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pieces(text: &str) -> Pieces {
        let mut pieces = Pieces::default();
        pieces.push(text.as_bytes());
        pieces
    }

    #[test]
    fn the_length_is_known_before_the_body_is_made() {
        let body = PreparedBody::counted(pieces("a"), pieces("b"));
        for count in [0, 9, 10, 99, 100, u32::MAX] {
            let rendered = body.render(count);
            assert_eq!(rendered, format!("a{count}b"));
            assert_eq!(rendered.len(), body.len(count), "{count}");
        }
        let fixed = PreparedBody::fixed(pieces("same"), XML_CONTENT_TYPE);
        assert_eq!((fixed.render(7), fixed.len(7)), (Bytes::from("same"), 4));
    }

    #[test]
    fn large_documents_are_pieces_of_their_own() {
        let mut pieces = Pieces::default();
        pieces.push(b"<");
        pieces.push_base64(&[7; 100_000]);
        pieces.push(b">");
        pieces.push_base64(b"small");
        let body = PreparedBody::fixed(pieces, XML_CONTENT_TYPE);
        assert_eq!(body.segments(0).len(), 3);
        assert!(body.render(0).ends_with(b">c21hbGw="));
    }
}
