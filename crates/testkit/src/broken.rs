//! Messages whose signature does not fit, each broken in a way that is known: what an explanation is measured against.
//!
//! Every message is signed here, with the HMAC of RustCrypto, and then goes through what real middleware, editors and hands do to it:
//! the JSON writers of eight languages, gateways, forms, copying of keys. It shares no code with `signature::explain`, so that
//! a mistake in one is not repeated in the other. [`matching`] gives messages whose signature fits and that look odd all the same.

mod body;
mod body_cases;
mod coding;
mod header_cases;
mod key_cases;
mod matching;
mod pair_cases;
mod reserialised_cases;
mod writer;

pub use matching::matching;

use coding::{hmac_sha256, standard};

/// The key that all broken messages are signed with: 44 characters, with everything in it that a coding can spoil.
pub const KEY: &str = "bDjUQ7TJ0VyrYfEPSLvQpJTqYBhh+VnHbkvQvKz/vKM=";
/// The key of another account.
const OTHER_KEY: &str = "3Zt9eQ8cV2nBqLr5wYx0Tg7UaKpJmHsDfNvCzXiOeR0=";

/// A message as it is at hand.
#[derive(Clone, Debug)]
pub struct Message {
    /// Keys that are expected to have signed.
    pub keys: Vec<Vec<u8>>,
    /// Keys that are there as well.
    pub other_keys: Vec<Vec<u8>>,
    /// Names and values.
    pub headers: Vec<(String, Vec<u8>)>,
    /// The body.
    pub body: Vec<u8>,
}

/// A message whose signature does not fit.
#[derive(Clone, Debug)]
pub struct BrokenMessage {
    /// What happened to it, in words.
    pub name: &'static str,
    /// Ids of the causes that an explanation has to name first, in no order.
    pub causes: Vec<&'static str>,
    /// Whether the cause can be proved by computing again; otherwise there is only evidence.
    pub is_provable: bool,
    /// The message.
    pub message: Message,
}

/// All broken messages: at least one for each cause there is, and pairs.
#[must_use]
pub fn broken() -> Vec<BrokenMessage> {
    [key_cases::all(), header_cases::all(), reserialised_cases::all(), body_cases::all(), pair_cases::all()].concat()
}

impl Message {
    /// A body signed with [`KEY`], and what is at hand of it.
    fn signed(body: impl Into<Vec<u8>>) -> Self {
        let body = body.into();
        let signature = standard(&hmac_sha256(KEY.as_bytes(), &body));
        Self {
            keys: vec![KEY.into()],
            other_keys: Vec::new(),
            headers: vec![("X-DocuSign-Signature-1".to_owned(), signature.into_bytes())],
            body,
        }
    }

    /// With the other headers that Connect sends, the length among them.
    fn with_all_headers(mut self, content_type: &str) -> Self {
        let length = self.body.len().to_string();
        for (name, value) in [
            ("Host", "listener.example.com"),
            ("Content-Type", content_type),
            ("Content-Length", &length),
            ("User-Agent", "docusign"),
            ("X-Authorization-Digest", "HMACSHA256"),
            ("X-DocuSign-AccountId", "8b411bfe-54f5-47fc-0000-000000000000"),
        ] {
            self.headers.push((name.to_owned(), value.into()));
        }
        self
    }

    fn with_body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    fn map_body(self, change: impl FnOnce(&[u8]) -> Vec<u8>) -> Self {
        let body = change(&self.body);
        self.with_body(body)
    }

    fn with_key(mut self, key: impl Into<Vec<u8>>) -> Self {
        self.keys = vec![key.into()];
        self
    }

    fn with_other_key(mut self, key: impl Into<Vec<u8>>) -> Self {
        self.other_keys.push(key.into());
        self
    }

    /// In place of the first signature.
    fn with_signature(mut self, value: impl Into<Vec<u8>>) -> Self {
        self.headers[0].1 = value.into();
        self
    }

    fn map_signature(self, change: impl FnOnce(&str) -> String) -> Self {
        let changed = change(std::str::from_utf8(&self.headers[0].1).expect("Base64 is text"));
        self.with_signature(changed)
    }

    fn with_header(mut self, name: &str, value: impl Into<Vec<u8>>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }
}

/// A case whose causes, separated by spaces, can be proved.
fn proved(name: &'static str, causes: &'static str, message: Message) -> BrokenMessage {
    BrokenMessage { name, causes: causes.split(' ').collect(), is_provable: true, message }
}

/// A case with evidence alone.
fn indicated(name: &'static str, cause: &'static str, message: Message) -> BrokenMessage {
    BrokenMessage { name, causes: vec![cause], is_provable: false, message }
}
