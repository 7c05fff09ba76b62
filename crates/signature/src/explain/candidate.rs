//! What is at hand when a signature does not fit.

use std::fmt;

use crate::header::{DIGEST_HEADER, DIGEST_HEADER_VALUE, SIGNATURES_MAX, signature_header_number};

/// The most keys looked at, own and other ones together.
pub const KEYS_MAX: usize = 100;

/// A signature value as received or as pasted.
#[derive(Debug, Clone, Copy)]
pub(super) struct GivenSignature<'a> {
    /// Number of its header; the place in the order given when the value came without a header name.
    pub(super) number: usize,
    pub(super) value: &'a [u8],
}

/// A message whose signature does not fit, as far as it is at hand: keys, signatures, body, and whatever other headers there are.
///
/// Nothing is checked or trimmed: the mistakes in it are what `explain` looks for. Its `Debug` shows no key.
#[derive(Clone, Default)]
pub struct Candidate<'a> {
    pub(super) keys: Vec<&'a [u8]>,
    pub(super) other_keys: Vec<&'a [u8]>,
    pub(super) signatures: Vec<GivenSignature<'a>>,
    pub(super) headers: Vec<(&'a str, &'a [u8])>,
    pub(super) body: &'a [u8],
}

impl<'a> Candidate<'a> {
    /// Starts with the body, as it is at hand.
    #[must_use]
    pub fn new(body: &'a [u8]) -> Self {
        Self { body, ..Self::default() }
    }

    /// Adds a key the message ought to be signed with, as it was configured or pasted.
    #[must_use]
    pub fn key(mut self, key: &'a [u8]) -> Self {
        if self.keys.len() + self.other_keys.len() < KEYS_MAX {
            self.keys.push(key);
        }
        self
    }

    /// Adds a key that might have signed by mistake: of another account, of the demo environment, a deleted one.
    #[must_use]
    pub fn other_key(mut self, key: &'a [u8]) -> Self {
        if self.keys.len() + self.other_keys.len() < KEYS_MAX {
            self.other_keys.push(key);
        }
        self
    }

    /// Adds a signature that came without its header name.
    #[must_use]
    pub fn signature(mut self, value: &'a [u8]) -> Self {
        self.add_signature(self.signatures.len() + 1, value);
        self
    }

    /// Adds a header of the request. Those named `X-DocuSign-Signature-n` are signatures; the others serve as evidence.
    #[must_use]
    pub fn header(mut self, name: &'a str, value: &'a [u8]) -> Self {
        match signature_header_number(name) {
            Some(number) => self.add_signature(number, value),
            None if self.headers.len() < Self::HEADERS_MAX => self.headers.push((name, value)),
            None => {}
        }
        self
    }

    /// More headers than this are no evidence any more.
    const HEADERS_MAX: usize = 200;

    fn add_signature(&mut self, number: usize, value: &'a [u8]) {
        if self.signatures.len() < SIGNATURES_MAX {
            self.signatures.push(GivenSignature { number, value });
        }
    }

    /// The first value of a header, by its name without case.
    pub(super) fn header_value(&self, name: &str) -> Option<&'a [u8]> {
        self.headers.iter().find(|(own, _)| own.eq_ignore_ascii_case(name)).map(|(_, value)| *value)
    }

    /// A value of `X-Authorization-Digest` for which `verify` refuses the message.
    pub(super) fn other_digest(&self) -> Option<&'a [u8]> {
        let values = self.headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case(DIGEST_HEADER)).map(|(_, value)| *value);
        values.into_iter().find(|value| !value.eq_ignore_ascii_case(DIGEST_HEADER_VALUE.as_bytes()))
    }

    /// The length of the body as the sender announced it.
    pub(super) fn content_length(&self) -> Option<usize> {
        std::str::from_utf8(self.header_value("content-length")?).ok()?.trim().parse().ok()
    }
}

impl fmt::Debug for Candidate<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Candidate")
            .field("keys", &self.keys.len())
            .field("other_keys", &self.other_keys.len())
            .field("signatures", &self.signatures.len())
            .field("headers", &self.headers.len())
            .field("body_bytes", &self.body.len())
            .finish()
    }
}
