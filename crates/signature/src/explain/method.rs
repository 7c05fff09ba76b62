//! Ways a digest can be made of a key and a body: the right one, and those people take for it.

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha1::Sha1;
use sha2::{Digest as _, Sha256, Sha512};

use super::finding::Cause;
use crate::{key::state_of, signer::finish_mac};

/// How a digest is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Method {
    /// HMAC-SHA256, as Connect does.
    HmacSha256,
    HmacSha1,
    HmacSha512,
    /// SHA-256 of the body, no key at all.
    PlainSha256,
    /// SHA-256 of key and body put together.
    KeyThenBody,
    /// SHA-256 of body and key put together.
    BodyThenKey,
    /// HMAC-SHA256 of the key under the body.
    Swapped,
}

impl Method {
    /// All, the right one first, with the cost of each (lower is likelier).
    pub(super) const ALL: [(Self, u16); 7] = [
        (Self::HmacSha256, 0),
        (Self::HmacSha1, 1),
        (Self::HmacSha512, 1),
        (Self::PlainSha256, 4),
        (Self::KeyThenBody, 5),
        (Self::BodyThenKey, 6),
        (Self::Swapped, 5),
    ];

    /// The digest.
    pub(super) fn digest(self, key: &[u8], body: &[u8]) -> Vec<u8> {
        match self {
            Self::HmacSha256 => finish_mac(state_of(key).chain_update(body)).to_vec(),
            Self::Swapped => finish_mac(state_of(body).chain_update(key)).to_vec(),
            Self::HmacSha1 => hmac_sha1(key, body),
            Self::HmacSha512 => hmac_sha512(key, body),
            Self::PlainSha256 => Sha256::digest(body).to_vec(),
            Self::KeyThenBody => Sha256::new().chain_update(key).chain_update(body).finalize().to_vec(),
            Self::BodyThenKey => Sha256::new().chain_update(body).chain_update(key).finalize().to_vec(),
        }
    }

    /// Length of the digest in bytes: a signature of another length needs no trial.
    pub(super) const fn digest_bytes(self) -> usize {
        match self {
            Self::HmacSha1 => 20,
            Self::HmacSha512 => 64,
            _ => 32,
        }
    }

    /// Whether the key has a part in it.
    pub(super) const fn is_keyed(self) -> bool {
        !matches!(self, Self::PlainSha256)
    }

    /// What is wrong with it; `None` for the right one.
    pub(super) const fn cause(self) -> Option<Cause> {
        match self {
            Self::HmacSha256 => None,
            Self::HmacSha1 => Some(Cause::AlgorithmSha1),
            Self::HmacSha512 => Some(Cause::AlgorithmSha512),
            Self::PlainSha256 | Self::KeyThenBody | Self::BodyThenKey => Some(Cause::AlgorithmPlainHash),
            Self::Swapped => Some(Cause::ArgumentsSwapped),
        }
    }

    /// Its name, for evidence.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::HmacSha256 => "HMAC-SHA256",
            Self::HmacSha1 => "HMAC-SHA1",
            Self::HmacSha512 => "HMAC-SHA512",
            Self::PlainSha256 => "plain SHA-256 without a key",
            Self::KeyThenBody => "SHA-256 of the key followed by the body",
            Self::BodyThenKey => "SHA-256 of the body followed by the key",
            Self::Swapped => "HMAC-SHA256 with key and message exchanged",
        }
    }

    /// What to do about it; empty for the right one.
    pub(super) const fn fix(self) -> &'static str {
        match self {
            Self::HmacSha256 => "",
            Self::HmacSha1 | Self::HmacSha512 => "compute HMAC with SHA-256: Connect uses no other hash",
            Self::PlainSha256 | Self::KeyThenBody | Self::BodyThenKey => {
                "compute an HMAC (RFC 2104) with the key, not a plain hash: createHmac, hmac.new, HMACSHA256"
            }
            Self::Swapped => "pass the key as the key and the body as the message; they are exchanged in the call",
        }
    }
}

fn hmac_sha1(key: &[u8], body: &[u8]) -> Vec<u8> {
    let state = Hmac::<Sha1>::new_from_slice(key).expect("HMAC takes a key of any length (RFC 2104 §2)");
    state.chain_update(body).finalize().into_bytes().to_vec()
}

fn hmac_sha512(key: &[u8], body: &[u8]) -> Vec<u8> {
    let state = Hmac::<Sha512>::new_from_slice(key).expect("HMAC takes a key of any length (RFC 2104 §2)");
    state.chain_update(body).finalize().into_bytes().to_vec()
}

#[cfg(test)]
mod tests {
    use super::{super::coding::to_hex, *};

    #[test]
    fn each_method_gives_its_known_digest() {
        // printf '%s' body | openssl dgst -sha1 -hmac key, and so on.
        let rows = [
            (Method::HmacSha256, "515aae133b435d4000956731f68ae5cf5eb85d4f0dc6a546d2bfcd3595ec1ae1"),
            (Method::HmacSha1, "70bbf6819d1037aa94ca7e7f537cbea25fe49283"),
            (
                Method::HmacSha512,
                "b71e82b42ece244182aae00f5c418d84b5b0ac844874765e658e91b26261b32df39e9fcbf44424d0e3b53bab192e78a4936224ec940cf953164b70aacdd4c845",
            ),
            (Method::PlainSha256, "230d8358dc8e8890b4c58deeb62912ee2f20357ae92a5cc861b98e68fe31acb5"),
            (Method::KeyThenBody, "1bae80b75a57754f86b3908413e62372297b9c7d6a25568bcb82675d155d149c"),
            (Method::BodyThenKey, "bb80cd8e5bf9424324dfd18030e3aec9dea1a6950e56e5482b36b4f15da85430"),
            (Method::Swapped, "5b999cb32966db0c4abcf19247043df895963469f9a3e0f4075bf014e6a75ee9"),
        ];
        for (method, hex) in rows {
            let digest = method.digest(b"key", b"body");
            assert_eq!(String::from_utf8(to_hex(&digest)).expect("ASCII"), hex, "{}", method.name());
            assert_eq!(digest.len(), method.digest_bytes(), "{}", method.name());
        }
    }
}
