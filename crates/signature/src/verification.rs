//! Verifying: does any signature header fit any key, over the bytes as they arrived?
//!
//! Everything fails closed: no key, no header, no well-formed header and no match are all refusals, each with its own reason. All headers
//! are compared with all keys in constant time and without an early exit, so that the time taken tells neither which key fits nor how much
//! of a forged signature is right. Values are decoded strictly and compared whole: a verifier that compares only what it was given
//! accepts the empty signature.

use subtle::{Choice, ConditionallySelectable as _};

use crate::{
    header::{DIGEST_HEADER, DIGEST_HEADER_VALUE, HeaderFault, MAC_BYTES, macs_match, read_mac, signature_header_number},
    key::HmacKey,
    signer::macs,
};

/// A signature fits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Match {
    /// Place of the key among those given, counted from 0.
    pub key: usize,
    /// Number in the name of the header, counted from 1.
    pub header: usize,
}

/// Why a message is not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Mismatch {
    /// The receiver has no key. Nothing is accepted then, least of all everything.
    #[error("no hmac key is configured; add the key of the Connect account")]
    NoKey,
    /// The message has no `X-DocuSign-Signature-n` header.
    #[error("the message has no X-DocuSign-Signature header; switch on \"Include HMAC Signature\" in the Connect configuration")]
    NoHeader,
    /// `X-Authorization-Digest` names another algorithm. It is only compared and never chooses one.
    #[error("X-Authorization-Digest names an algorithm other than HMACSHA256")]
    OtherDigest,
    /// No signature header is well formed; this is the first.
    #[error("X-DocuSign-Signature-{header} {fault}")]
    Malformed {
        /// Number in the name of the header.
        header: usize,
        /// What is wrong with its value.
        fault: HeaderFault,
    },
    /// Well-formed signatures, but none by these keys over this body.
    #[error("none of {headers} signatures fits any of {keys} keys over the body as received")]
    NoMatch {
        /// How many keys were tried.
        keys: usize,
        /// How many well-formed signature headers were tried.
        headers: usize,
    },
}

/// Checks the signature headers among `headers` against `keys`, over `body` as it arrived: before any decoding, decompression or parsing.
///
/// `headers` are all headers of the request, or the signature headers alone; names are compared without case and values taken as they are.
/// One fitting signature is enough (Connect sends one per key, so that keys can be exchanged). When several fit, the lowest header number
/// and its first key are named. A header sent twice does not count, nor do numbers above [`SIGNATURES_MAX`](crate::SIGNATURES_MAX).
///
/// # Errors
/// [`Mismatch`] says why the message is refused. Answer it with 401 and keep the reason in the log.
pub fn verify<'h>(keys: &[HmacKey], headers: impl IntoIterator<Item = (&'h str, &'h [u8])>, body: &[u8]) -> Result<Match, Mismatch> {
    let received = ReceivedSignatures::read(headers);
    if keys.is_empty() {
        return Err(Mismatch::NoKey);
    }
    if received.other_digest {
        return Err(Mismatch::OtherDigest);
    }
    received.check_form()?;
    received.compare(&macs(keys, body))
}

/// The signature headers of one message, decoded, in the order of their numbers.
struct ReceivedSignatures {
    numbered: Vec<(usize, Result<[u8; MAC_BYTES], HeaderFault>)>,
    other_digest: bool,
}

impl ReceivedSignatures {
    fn read<'h>(headers: impl IntoIterator<Item = (&'h str, &'h [u8])>) -> Self {
        let mut received = Self { numbered: Vec::new(), other_digest: false };
        for (name, value) in headers {
            if let Some(number) = signature_header_number(name) {
                received.take(number, value);
            } else if name.eq_ignore_ascii_case(DIGEST_HEADER) {
                received.other_digest |= !value.eq_ignore_ascii_case(DIGEST_HEADER_VALUE.as_bytes());
            }
        }
        received
    }

    fn take(&mut self, number: usize, value: &[u8]) {
        match self.numbered.binary_search_by_key(&number, |(taken, _)| *taken) {
            Ok(at) => self.numbered[at].1 = Err(HeaderFault::Repeated),
            Err(at) => self.numbered.insert(at, (number, read_mac(value))),
        }
    }

    /// Refuses a message without a single well-formed signature.
    fn check_form(&self) -> Result<(), Mismatch> {
        if self.well_formed().next().is_some() {
            return Ok(());
        }
        let faulty = self
            .numbered
            .iter()
            .find_map(|(header, mac)| mac.as_ref().err().map(|fault| Mismatch::Malformed { header: *header, fault: *fault }));
        Err(faulty.unwrap_or(Mismatch::NoHeader))
    }

    fn well_formed(&self) -> impl Iterator<Item = (usize, &[u8; MAC_BYTES])> {
        self.numbered.iter().filter_map(|(header, mac)| mac.as_ref().ok().map(|mac| (*header, mac)))
    }

    /// Compares every signature with every key. Keeps the first hit by selection, without a branch on the outcome.
    fn compare(&self, expected: &[[u8; MAC_BYTES]]) -> Result<Match, Mismatch> {
        let mut found = Choice::from(0);
        let (mut found_key, mut found_header) = (0_u64, 0_u64);
        let mut headers = 0;
        for (header, mac) in self.well_formed() {
            headers += 1;
            for (key, own) in expected.iter().enumerate() {
                let first = macs_match(own, mac) & !found;
                found_key.conditional_assign(&(key as u64), first);
                found_header.conditional_assign(&(header as u64), first);
                found |= first;
            }
        }
        if bool::from(found) {
            Ok(Match { key: found_key as usize, header: found_header as usize })
        } else {
            Err(Mismatch::NoMatch { keys: expected.len(), headers })
        }
    }
}

#[cfg(test)]
mod tests {
    use hmac::Mac as _;
    use proptest::prelude::*;

    use super::*;
    use crate::{
        header::{Signature, SignatureHeaders},
        key::state_of,
        signer::{finish_mac, sign},
    };

    fn key(text: &str) -> HmacKey {
        HmacKey::try_new(text.repeat(4)).expect("16 bytes or more")
    }

    fn check(keys: &[HmacKey], headers: &[(&str, &str)], body: &[u8]) -> Result<Match, Mismatch> {
        verify(keys, headers.iter().map(|(name, value)| (*name, value.as_bytes())), body)
    }

    fn pairs(headers: &SignatureHeaders) -> Vec<(&'static str, &str)> {
        headers.iter().collect()
    }

    #[test]
    fn the_match_names_key_and_header() {
        let (old, new, stranger) = (key("old-"), key("new-"), key("else"));
        let headers = sign(&[stranger.clone(), old.clone(), new.clone()], b"body");
        assert_eq!(check(std::slice::from_ref(&new), &pairs(&headers), b"body"), Ok(Match { key: 0, header: 3 }));
        assert_eq!(check(&[new, old], &pairs(&headers), b"body"), Ok(Match { key: 1, header: 2 }));
    }

    #[test]
    fn each_refusal_has_its_own_reason() {
        let keys = [key("key-")];
        let headers = sign(&keys, b"body");
        let good = headers.signatures()[0].as_str();
        let hex: String = (0..32).map(|_| "ab").collect();
        let other = sign(&[key("else")], b"body");
        let other = other.signatures()[0].as_str();
        let malformed = |header, fault| Err(Mismatch::Malformed { header, fault });
        type Row<'a> = (&'a str, Vec<(&'a str, &'a str)>, Result<Match, Mismatch>);
        let rows: [Row<'_>; 12] = [
            ("nothing", vec![], Err(Mismatch::NoHeader)),
            ("digest header alone", vec![("X-Authorization-Digest", "HMACSHA256")], Err(Mismatch::NoHeader)),
            ("number 101", vec![("X-DocuSign-Signature-101", good)], Err(Mismatch::NoHeader)),
            ("number 2 without 1", vec![("x-docusign-signature-2", good)], Ok(Match { key: 0, header: 2 })),
            ("empty", vec![("X-DocuSign-Signature-1", "")], malformed(1, HeaderFault::WrongLength { bytes: 0 })),
            ("hexadecimal", vec![("X-DocuSign-Signature-1", &hex)], malformed(1, HeaderFault::WrongLength { bytes: 48 })),
            ("sent twice", vec![("X-DocuSign-Signature-1", good), ("x-docusign-signature-1", good)], malformed(1, HeaderFault::Repeated)),
            ("value doubled", vec![("X-DocuSign-Signature-1", "%")], malformed(1, HeaderFault::NotBase64)),
            (
                "one malformed, one good",
                vec![("X-DocuSign-Signature-1", "%"), ("X-DocuSign-Signature-2", good)],
                Ok(Match { key: 0, header: 2 }),
            ),
            ("another key", vec![("X-DocuSign-Signature-1", other)], Err(Mismatch::NoMatch { keys: 1, headers: 1 })),
            ("another digest", vec![("X-DocuSign-Signature-1", good), ("X-Authorization-Digest", "HMACSHA1")], Err(Mismatch::OtherDigest)),
            (
                "digest in lower case",
                vec![("X-DocuSign-Signature-1", good), ("x-authorization-digest", "hmacsha256")],
                Ok(Match { key: 0, header: 1 }),
            ),
        ];
        for (row, headers, expected) in rows {
            assert_eq!(check(&keys, &headers, b"body"), expected, "{row}");
        }
    }

    #[test]
    fn without_a_key_nothing_is_accepted_not_even_the_signature_of_the_empty_key() {
        let forged = Signature::from_mac(&finish_mac(state_of(b"").chain_update(b"body")));
        assert_eq!(check(&[], &[("X-DocuSign-Signature-1", forged.as_str())], b"body"), Err(Mismatch::NoKey));
        let headers = check(&[key("key-")], &[("X-DocuSign-Signature-1", forged.as_str())], b"body");
        assert_eq!(headers, Err(Mismatch::NoMatch { keys: 1, headers: 1 }));
    }

    #[test]
    fn a_hundred_keys_and_headers_are_all_tried() {
        let keys: Vec<HmacKey> = (0..100).map(|n| key(&format!("{n:0>4}"))).collect();
        let headers = sign(&keys, b"body");
        assert_eq!(check(&keys[99..], &pairs(&headers), b"body"), Ok(Match { key: 0, header: 100 }));
    }

    #[test]
    fn every_prefix_and_every_extension_of_a_valid_signature_is_refused() {
        let keys = [key("key-")];
        let headers = sign(&keys, b"body");
        let good = headers.signatures()[0].as_str();
        for length in 0..good.len() {
            assert!(check(&keys, &[("X-DocuSign-Signature-1", &good[..length])], b"body").is_err(), "prefix of {length}");
        }
        for tail in ["=", "A", " ", "\n", ",", good] {
            assert!(check(&keys, &[("X-DocuSign-Signature-1", &format!("{good}{tail}"))], b"body").is_err(), "tail {tail:?}");
        }
    }

    proptest! {
        #[test]
        fn what_sign_made_verify_accepts(texts in prop::collection::vec("[ -~]{16,128}", 1..5), body: Vec<u8>, which: prop::sample::Index) {
            let keys: Vec<HmacKey> = texts.into_iter().map(|text| HmacKey::try_new(text).expect("in range")).collect();
            let headers = sign(&keys, &body);
            let one = which.index(keys.len());
            let found = check(&keys[one..=one], &pairs(&headers), &body);
            prop_assert!(found.is_ok_and(|found| found.key == 0));
        }

        #[test]
        fn any_changed_bit_of_the_body_is_refused(body in prop::collection::vec(any::<u8>(), 1..300), bit: prop::sample::Index) {
            let keys = [key("key-")];
            let headers = sign(&keys, &body);
            let mut changed = body;
            let bit = bit.index(changed.len() * 8);
            changed[bit / 8] ^= 1 << (bit % 8);
            prop_assert_eq!(check(&keys, &pairs(&headers), &changed), Err(Mismatch::NoMatch { keys: 1, headers: 1 }));
        }

        #[test]
        fn any_changed_bit_of_the_signature_is_refused(body: Vec<u8>, bit in 0_usize..44 * 8) {
            let keys = [key("key-")];
            let headers = sign(&keys, &body);
            let mut value = headers.signatures()[0].as_str().as_bytes().to_vec();
            value[bit / 8] ^= 1 << (bit % 8);
            prop_assert!(verify(&keys, [("X-DocuSign-Signature-1", &value[..])], &body).is_err());
        }

        #[test]
        fn any_changed_bit_of_the_key_is_refused(text in "[ -~]{16,64}", body: Vec<u8>, at: prop::sample::Index) {
            let headers = sign(&[HmacKey::try_new(text.clone()).expect("in range")], &body);
            let mut other = text.into_bytes();
            let at = at.index(other.len());
            other[at] ^= 1;
            let other = HmacKey::try_new(String::from_utf8(other).expect("still ASCII")).expect("in range");
            prop_assert!(check(&[other], &pairs(&headers), &body).is_err());
        }

        #[test]
        fn no_headers_make_it_panic(headers in prop::collection::vec(("x-docusign-signature-[0-9]{0,4}|X-Authorization-Digest|.{0,30}", any::<Vec<u8>>()), 0..9), body: Vec<u8>) {
            let headers = headers.iter().map(|(name, value)| (name.as_str(), value.as_slice()));
            prop_assert!(verify(&[key("key-")], headers, &body).is_err());
        }
    }
}
