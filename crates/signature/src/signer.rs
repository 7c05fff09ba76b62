//! Signing: one HMAC per key over the exact bytes that go onto the wire.

use hmac::Mac as _;

use crate::{
    header::{MAC_BYTES, SIGNATURES_MAX, Signature, SignatureHeaders},
    key::{HmacKey, HmacSha256},
};

/// The headers for `body`, one signature per key in the order given.
///
/// Connect signs the raw body with HMAC-SHA256 (RFC 2104, RFC 6234) and numbers the headers from 1 without gaps. Keys beyond
/// [`SIGNATURES_MAX`] do not sign; an account has no more. Without a key there are no headers.
#[must_use]
pub fn sign(keys: &[HmacKey], body: &[u8]) -> SignatureHeaders {
    let mut signer = Signer::new(keys);
    signer.update(body);
    signer.finish()
}

/// Signs a body that comes in parts. Any division into parts gives the same headers as [`sign`] over the whole.
#[derive(Clone)]
pub struct Signer {
    states: Vec<HmacSha256>,
}

impl Signer {
    /// A signer for the given keys, in their order; at most [`SIGNATURES_MAX`] of them sign.
    #[must_use]
    pub fn new(keys: &[HmacKey]) -> Self {
        Self { states: keys.iter().take(SIGNATURES_MAX).map(HmacKey::state).collect() }
    }

    /// Takes the next part of the body.
    pub fn update(&mut self, part: &[u8]) {
        for state in &mut self.states {
            state.update(part);
        }
    }

    /// The headers for all parts taken.
    #[must_use]
    pub fn finish(self) -> SignatureHeaders {
        SignatureHeaders::new(self.states.into_iter().map(|state| Signature::from_mac(&finish_mac(state))).collect())
    }
}

/// The bare HMAC of each key over `body`, in the order of the keys.
pub(crate) fn macs(keys: &[HmacKey], body: &[u8]) -> Vec<[u8; MAC_BYTES]> {
    keys.iter().map(|key| finish_mac(key.state().chain_update(body))).collect()
}

/// The bytes of a finished HMAC.
pub(crate) fn finish_mac(state: HmacSha256) -> [u8; MAC_BYTES] {
    state.finalize().into_bytes().into()
}

impl std::fmt::Debug for Signer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Signer({} keys)", self.states.len())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn keys(count: usize) -> Vec<HmacKey> {
        (0..count).map(|n| HmacKey::try_new(format!("key number {n:0>10}")).expect("long enough")).collect()
    }

    #[test]
    fn a_signature_is_what_openssl_computes_with_the_key_text_undecoded() {
        // printf '%s' BODY | openssl dgst -sha256 -hmac KEY -binary | base64
        let key = HmacKey::try_new("bDjUQ7TJ0VyrYfEPSLvQpJTqYBhhzVnHbkvQvKzUvKM=").expect("a key");
        let headers = sign(&[key], br#"{"event":"envelope-sent"}"#);
        assert_eq!(headers.signatures()[0].as_str(), "gpDalqx/R/9iuea+vJ38N08h4N7GCBF1am02sw+D9LI=");
    }

    #[test]
    fn headers_are_consecutive_and_name_the_algorithm_last() {
        let headers = sign(&keys(3), b"body");
        let names: Vec<_> = headers.iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["X-DocuSign-Signature-1", "X-DocuSign-Signature-2", "X-DocuSign-Signature-3", "X-Authorization-Digest"]);
        assert_eq!(headers.iter().last(), Some(("X-Authorization-Digest", "HMACSHA256")));
    }

    #[test]
    fn no_key_makes_no_headers_and_key_101_does_not_sign() {
        assert_eq!(sign(&[], b"body").iter().count(), 0);
        assert_eq!(sign(&keys(101), b"body").signatures().len(), 100);
    }

    proptest! {
        #[test]
        fn parts_sign_like_the_whole(body: Vec<u8>, cuts: [prop::sample::Index; 3]) {
            let keys = keys(2);
            let mut at: Vec<usize> = cuts.iter().map(|cut| cut.index(body.len() + 1)).collect();
            at.sort_unstable();
            let mut signer = Signer::new(&keys);
            for part in [&body[..at[0]], &body[at[0]..at[1]], &body[at[1]..at[2]], &body[at[2]..]] {
                signer.update(part);
            }
            let (parts, whole) = (signer.finish(), sign(&keys, &body));
            prop_assert_eq!(parts.iter().collect::<Vec<_>>(), whole.iter().collect::<Vec<_>>());
        }
    }
}
