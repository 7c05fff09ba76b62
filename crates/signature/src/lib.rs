//! Docusign Connect HMAC headers: sign, verify, and explain a mismatch.
//!
//! Connect signs the raw body of each notification with HMAC-SHA256, once per key of the account, and sends the signatures as
//! `X-DocuSign-Signature-1`, `-2` and so on, beside `X-Authorization-Digest: HMACSHA256`. This crate makes those headers ([`sign`],
//! [`Signer`]), checks them ([`verify()`]) and finds out why they do not fit ([`explain`]). [`standard_webhooks`] does the first two for
//! the Standard Webhooks scheme, which adds an id and a time.
//!
//! It does no I/O, reads no clock, has no dice and never panics on what came from outside. It refuses to decode a key, to compare a
//! shortened signature, to let a message choose its algorithm, and to accept anything when no key is configured.
//!
//! ```
//! use countersign_signature::{HmacKey, Match, Mismatch, sign, verify};
//!
//! let key = HmacKey::try_new("bDjUQ7TJ0VyrYfEPSLvQpJTqYBhhzVnHbkvQvKzUvKM=")?;
//! let body = br#"{"event":"envelope-completed"}"#;
//!
//! // The sender:
//! let headers = sign(&[key.clone()], body);
//! let on_the_wire: Vec<(&str, &[u8])> = headers.iter().map(|(name, value)| (name, value.as_bytes())).collect();
//! assert_eq!(on_the_wire[0].0, "X-DocuSign-Signature-1");
//!
//! // The listener, over the bytes exactly as they arrived:
//! assert_eq!(verify(&[key.clone()], on_the_wire.clone(), body), Ok(Match { key: 0, header: 1 }));
//! assert_eq!(verify(&[key], on_the_wire, b"{}"), Err(Mismatch::NoMatch { keys: 1, headers: 1 }));
//! # Ok::<(), countersign_signature::KeyRefused>(())
//! ```

pub mod explain;
mod header;
mod key;
mod signer;
pub mod standard_webhooks;
#[cfg(test)]
mod vectors;
mod verification;

pub use header::{
    DIGEST_HEADER, DIGEST_HEADER_VALUE, HeaderFault, SIGNATURE_HEADER_PREFIX, SIGNATURES_MAX, Signature, SignatureHeaders,
    signature_header_name, signature_header_number,
};
pub use key::{HmacKey, KEY_BYTES_MAX, KEY_BYTES_MIN, KeyRefused};
pub use signer::{Signer, sign};
pub use verification::{Match, Mismatch, verify};

/// The examples of the README, which are run as tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
