//! An arrival: one request as it came, and what was found about it.

use std::{
    net::SocketAddr,
    sync::{Arc, OnceLock},
};

use bytes::Bytes;
use countersign_core::{Timestamp, id::ArrivalId};
use countersign_listener::Verdict;
use countersign_signature::explain::Finding;
use http::request::Parts;

use crate::peer::TlsFacts;

/// What an arrival takes beside its body and headers, in bytes: verdict, claims, places in lists. A guess upwards.
const OVERHEAD_BYTES: usize = 4 * 1024;
/// Longest part of a request line that is kept, in bytes.
const TARGET_BYTES_MAX: usize = 8 * 1024;
/// Longest part of a word in the body that is shown in lists, in characters.
const WORD_CHARS_MAX: usize = 100;

/// One request as it came. Nothing in it changes but the explanation, which is found when somebody asks.
#[derive(Debug)]
pub struct Arrival {
    /// In the order of arrival; all zeros until it is kept.
    pub id: ArrivalId,
    /// When its body was read.
    pub at: Timestamp,
    /// As sent.
    pub method: String,
    /// Path and query as sent.
    pub target: String,
    /// Such as `HTTP/1.1`.
    pub version: String,
    /// Who sent it: the other end of the connection, which may be a proxy.
    pub remote: Option<SocketAddr>,
    /// Names in lower case (RFC 9110 §5.1: they are compared without case) and values as they came, in order for each name.
    pub headers: Vec<(String, Bytes)>,
    /// Byte for byte.
    pub body: Bytes,
    /// False when the body was longer than what is kept or broke off: `body` is then its beginning.
    pub complete: bool,
    /// Of a connection with TLS.
    pub tls: Option<TlsFacts>,
    /// What each check said; `None` when the bin checks nothing, or the body is not complete.
    pub verdict: Option<Verdict>,
    /// What was answered: a status, `hang` or `reset`.
    pub answered: String,
    /// Event and envelope, as far as the body names them.
    pub names: Names,
    /// Why no signature fits, once somebody has asked.
    pub explanation: OnceLock<Arc<[Finding]>>,
}

/// What a message is about, by its own words.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Names {
    /// `event`.
    pub event: Option<String>,
    /// `data.envelopeId`.
    pub envelope: Option<String>,
}

impl Arrival {
    /// A request with its body, not examined yet.
    #[must_use]
    pub fn new(at: Timestamp, head: &Parts, body: &[u8], complete: bool) -> Self {
        let target = head.uri.path_and_query().map_or("/", |target| target.as_str());
        Self {
            id: ArrivalId::from_raw(0),
            at,
            method: head.method.to_string(),
            target: cut(target, TARGET_BYTES_MAX).to_owned(),
            version: format!("{:?}", head.version),
            remote: None,
            // Copied one by one: what hyper gives are windows on a much larger buffer.
            headers: head
                .headers
                .iter()
                .map(|(name, value)| (name.as_str().to_owned(), Bytes::copy_from_slice(value.as_bytes())))
                .collect(),
            body: Bytes::copy_from_slice(body),
            complete,
            tls: None,
            verdict: None,
            answered: String::new(),
            names: names(body),
            explanation: OnceLock::new(),
        }
    }

    /// The memory it takes, in bytes.
    #[must_use]
    pub fn cost(&self) -> usize {
        let headers: usize = self.headers.iter().map(|(name, value)| name.len() + value.len() + 64).sum();
        let certificates: usize = self.tls.iter().flat_map(|tls| tls.certificates.iter()).map(|certificate| certificate.len()).sum();
        OVERHEAD_BYTES + self.target.len() + headers + certificates + self.body.len()
    }

    /// The values of a header, by its name in lower case.
    pub fn header_values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        self.headers.iter().filter(move |(own, _)| own == name).map(|(_, value)| value.as_ref())
    }
}

/// Event and envelope of a JSON body. Reads past everything else; a body that is no JSON names nothing.
fn names(body: &[u8]) -> Names {
    #[derive(serde::Deserialize, Default)]
    #[serde(default)]
    struct Message {
        event: Option<serde_json::Value>,
        data: Option<Data>,
    }
    #[derive(serde::Deserialize, Default)]
    #[serde(default)]
    struct Data {
        #[serde(rename = "envelopeId")]
        envelope: Option<serde_json::Value>,
    }
    let word = |value: Option<serde_json::Value>| match value {
        Some(serde_json::Value::String(word)) => Some(word.chars().take(WORD_CHARS_MAX).collect()),
        _ => None,
    };
    let message: Message = serde_json::from_slice(body).unwrap_or_default();
    Names { event: word(message.event), envelope: word(message.data.and_then(|data| data.envelope)) }
}

/// The beginning of a text, in whole characters.
fn cut(text: &str, bytes_max: usize) -> &str {
    &text[..text.floor_char_boundary(bytes_max)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_named_by_its_event_and_envelope() {
        let rows: [(&[u8], Option<&str>, Option<&str>); 6] = [
            (br#"{"event":"envelope-sent","data":{"envelopeId":"e-1","x":[1]}}"#, Some("envelope-sent"), Some("e-1")),
            (br#"{"event":7,"data":{"envelopeId":null}}"#, None, None),
            (br#"{"event":"a","data":"text"}"#, None, None),
            (b"<DocuSignEnvelopeInformation/>", None, None),
            (b"", None, None),
            (b"\xff\xfe", None, None),
        ];
        for (body, event, envelope) in rows {
            let found = names(body);
            assert_eq!((found.event.as_deref(), found.envelope.as_deref()), (event, envelope), "{}", String::from_utf8_lossy(body));
        }
    }
}
