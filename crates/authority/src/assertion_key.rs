//! The public keys that verify a client's assertions.

use jsonwebtoken::{Algorithm, AlgorithmFamily, DecodingKey, jwk::JwkSet};

/// A key that verifies a client's assertions.
#[derive(Clone, Debug)]
pub(crate) struct AssertionKey {
    pub(crate) kid: Option<String>,
    /// What the key may verify: the `alg` of its JWK, or else everything of its family.
    pub(crate) algorithms: Vec<Algorithm>,
    pub(crate) key: DecodingKey,
}

/// A client's secret as the key of an HMAC (`client_secret_jwt`).
pub(crate) fn key_of_secret(secret: &[u8]) -> AssertionKey {
    AssertionKey { kid: None, algorithms: AlgorithmFamily::Hmac.algorithms().to_vec(), key: DecodingKey::from_secret(secret) }
}

/// The keys of a JWK set (RFC 7517 §5).
pub(crate) fn keys_of_set(set: &JwkSet) -> Result<Vec<AssertionKey>, String> {
    set.keys
        .iter()
        .map(|jwk| {
            let key = DecodingKey::from_jwk(jwk).map_err(|error| error.to_string())?;
            let family = asymmetric(&key)?;
            let algorithms = match jwk.common.key_algorithm {
                // The two enumerations share their names; one that is no signature algorithm (RSA-OAEP) verifies nothing.
                Some(named) => family.into_iter().filter(|algorithm| format!("{algorithm:?}") == named.to_string()).collect(),
                None => family,
            };
            Ok(AssertionKey { kid: jwk.common.key_id.clone(), algorithms, key })
        })
        .collect()
}

/// One public key in PEM.
pub(crate) fn key_of_pem(pem: &str) -> Result<AssertionKey, String> {
    let pem = pem.as_bytes();
    let key = DecodingKey::from_rsa_pem(pem)
        .or_else(|_| DecodingKey::from_ec_pem(pem))
        .or_else(|_| DecodingKey::from_ed_pem(pem))
        .map_err(|_| "this is not a public key of RSA, EC or Ed25519 in PEM".to_owned())?;
    Ok(AssertionKey { kid: None, algorithms: asymmetric(&key)?, key })
}

/// The algorithms of a key's family. HMAC is refused: whoever reads the registration could sign with it.
fn asymmetric(key: &DecodingKey) -> Result<Vec<Algorithm>, String> {
    match key.family() {
        AlgorithmFamily::Hmac => Err("a symmetric key cannot verify private_key_jwt".into()),
        family => Ok(family.algorithms().to_vec()),
    }
}
