//! The keys that sign access tokens, and their rotation.
//!
//! A rotation has an overlap (AS-JWKS-1): first only k1 is published; after [`KeyRing::rotate`] k2 signs and both are
//! published, so that a token signed by k1 a minute ago is still verified; after [`KeyRing::retire_older`] only k2 is
//! left. [`KeyRing::replace`] leaves out the overlap: that is the fault of a server that rotates without notice.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jsonwebtoken::{
    Algorithm, EncodingKey, Header,
    jwk::{Jwk, PublicKeyUse, ThumbprintHash},
};
use serde::{Deserialize, Serialize};

/// Keys published beside the one that signs. More overlap than this is not a rotation.
const OLDER_KEYS_MAX: usize = 3;

/// How access tokens are signed (RFC 7518 §3.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum SigningAlgorithm {
    /// ECDSA on P-256 with SHA-256. The default: a key is made in less than a millisecond.
    #[default]
    #[serde(rename = "ES256")]
    Es256,
    /// RSA PKCS #1 v1.5, 2048 bits, with SHA-256: what every verifier must support (RFC 9068 §2.1). Making a key takes
    /// 50 to 250 ms.
    #[serde(rename = "RS256")]
    Rs256,
}

/// A key could not be made or used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("signing key: {0}")]
pub struct KeyError(String);

/// A private key with its public half.
#[derive(Debug)]
pub(crate) struct SigningKey {
    algorithm: Algorithm,
    private: EncodingKey,
    public: Jwk,
    /// RFC 7638 thumbprint of the public half.
    kid: String,
}

impl SigningKey {
    fn generate(algorithm: SigningAlgorithm) -> Result<Self, KeyError> {
        let failed = |error: &dyn std::fmt::Display| KeyError(error.to_string());
        let (algorithm, private) = match algorithm {
            SigningAlgorithm::Es256 => {
                let pair = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).map_err(|error| failed(&error))?;
                (Algorithm::ES256, EncodingKey::from_ec_der(pair.serialized_der()))
            }
            SigningAlgorithm::Rs256 => {
                let pair = rcgen::KeyPair::generate_for(&rcgen::PKCS_RSA_SHA256).map_err(|error| failed(&error))?;
                // By way of PEM, because only that constructor takes PKCS #8; the DER one wants PKCS #1.
                (Algorithm::RS256, EncodingKey::from_rsa_pem(pair.serialize_pem().as_bytes()).map_err(|error| failed(&error))?)
            }
        };
        let mut public = Jwk::from_encoding_key(&private, algorithm).map_err(|error| failed(&error))?;
        let kid = public.thumbprint(ThumbprintHash::SHA256).map_err(|error| failed(&error))?;
        public.common.key_id = Some(kid.clone());
        public.common.public_key_use = Some(PublicKeyUse::Signature);
        Ok(Self { algorithm, private, public, kid })
    }

    /// Signs claims as a JWT with the given `typ`.
    pub(crate) fn sign(&self, typ: &str, claims: &impl Serialize) -> Result<String, KeyError> {
        let header = Header { typ: Some(typ.to_owned()), kid: Some(self.kid.clone()), ..Header::new(self.algorithm) };
        jsonwebtoken::encode(&header, claims, &self.private).map_err(|error| KeyError(error.to_string()))
    }
}

/// The key that signs, and older ones that are still published.
#[derive(Debug)]
pub(crate) struct KeyRing {
    algorithm: SigningAlgorithm,
    keys: Mutex<Vec<Arc<SigningKey>>>,
}

impl KeyRing {
    /// A ring with one new key.
    pub(crate) fn generate(algorithm: SigningAlgorithm) -> Result<Self, KeyError> {
        Ok(Self { algorithm, keys: Mutex::new(vec![Arc::new(SigningKey::generate(algorithm)?)]) })
    }

    /// The key that signs now.
    pub(crate) fn signing(&self) -> Arc<SigningKey> {
        Arc::clone(&self.lock()[0])
    }

    /// The public halves, the signing key's first (RFC 7517 §5).
    pub(crate) fn published(&self) -> Vec<Jwk> {
        self.lock().iter().map(|key| key.public.clone()).collect()
    }

    /// A new key signs; the older ones stay published. Gives the new key's id.
    pub(crate) fn rotate(&self) -> Result<String, KeyError> {
        let key = Arc::new(SigningKey::generate(self.algorithm)?);
        let kid = key.kid.clone();
        let mut keys = self.lock();
        keys.insert(0, key);
        keys.truncate(1 + OLDER_KEYS_MAX);
        Ok(kid)
    }

    /// Only the signing key stays published.
    pub(crate) fn retire_older(&self) {
        self.lock().truncate(1);
    }

    /// A new key signs and the older ones are gone at once. Gives the new key's id.
    pub(crate) fn replace(&self) -> Result<String, KeyError> {
        let kid = self.rotate()?;
        self.retire_older();
        Ok(kid)
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Arc<SigningKey>>> {
        self.keys.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(ring: &KeyRing) -> Vec<String> {
        ring.published().into_iter().filter_map(|key| key.common.key_id).collect()
    }

    #[test]
    fn a_rotation_publishes_both_keys_until_the_older_one_is_retired() {
        let ring = KeyRing::generate(SigningAlgorithm::Es256).expect("a key can be made");
        let first = ring.signing().kid.clone();
        assert_eq!(ids(&ring), std::slice::from_ref(&first));
        let second = ring.rotate().expect("a key can be made");
        assert_eq!(ids(&ring), [second.clone(), first]);
        assert_eq!(ring.signing().kid, second);
        ring.retire_older();
        assert_eq!(ids(&ring), [second]);
    }

    #[test]
    fn a_replaced_key_is_published_alone() {
        let ring = KeyRing::generate(SigningAlgorithm::Es256).expect("a key can be made");
        let second = ring.replace().expect("a key can be made");
        assert_eq!(ids(&ring), [second]);
    }

    #[test]
    fn the_number_of_published_keys_is_bounded() {
        let ring = KeyRing::generate(SigningAlgorithm::Es256).expect("a key can be made");
        for _ in 0..10 {
            ring.rotate().expect("a key can be made");
        }
        assert_eq!(ring.published().len(), 1 + OLDER_KEYS_MAX);
    }

    #[test]
    fn no_private_member_is_published() {
        for algorithm in [SigningAlgorithm::Es256, SigningAlgorithm::Rs256] {
            let ring = KeyRing::generate(algorithm).expect("a key can be made");
            let published = serde_json::to_value(&ring.published()[0]).expect("a key is JSON");
            let mut members: Vec<&str> = published.as_object().expect("a key is an object").keys().map(String::as_str).collect();
            members.sort_unstable();
            let expected: &[&str] = match algorithm {
                SigningAlgorithm::Es256 => &["alg", "crv", "kid", "kty", "use", "x", "y"],
                SigningAlgorithm::Rs256 => &["alg", "e", "kid", "kty", "n", "use"],
            };
            assert_eq!(members, expected, "{algorithm:?}");
        }
    }
}
