//! Signs client assertions (RFC 7523). The key is read for each one and goes nowhere else.

use countersign_core::{
    Secret,
    auth::{AssertionClaims, AssertionKey},
};
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};

/// The private key cannot sign. The account administrator is at fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "the private key cannot sign assertions; give an unencrypted RSA key of at least 2048 bits, or a P-256, P-384 or Ed25519 key as PKCS#8 PEM"
)]
pub struct AssertionFault;

/// The signed assertion. The algorithm follows from the key.
pub(super) fn sign(key: &AssertionKey, claims: &AssertionClaims) -> Result<Secret, AssertionFault> {
    let pem = key.private_key.expose_secret().as_bytes();
    let (algorithms, signing): (&[Algorithm], _) = if let Ok(rsa) = EncodingKey::from_rsa_pem(pem) {
        (&[Algorithm::RS256], rsa)
    } else if let Ok(ec) = EncodingKey::from_ec_pem(pem) {
        // The PEM does not say on which curve it is; the wrong algorithm refuses the key.
        (&[Algorithm::ES256, Algorithm::ES384], ec)
    } else {
        (&[Algorithm::EdDSA], EncodingKey::from_ed_pem(pem).map_err(|_| AssertionFault)?)
    };
    let mut header = Header { typ: Some(key.assertion_type.as_str().to_owned()), kid: key.key_id.clone(), ..Header::default() };
    for algorithm in algorithms {
        header.alg = *algorithm;
        if let Ok(text) = encode(&header, claims, &signing) {
            return Ok(Secret::new(text));
        }
    }
    Err(AssertionFault)
}

#[cfg(test)]
mod tests {
    use countersign_core::auth::AssertionType;
    use jsonwebtoken::{DecodingKey, Validation, decode};

    use super::*;

    fn claims() -> AssertionClaims {
        AssertionClaims {
            iss: "client".to_owned(),
            sub: "client".to_owned(),
            aud: "https://id.example".to_owned(),
            iat: 4_000_000_000,
            exp: 4_000_000_060,
            jti: "1".to_owned(),
        }
    }

    fn key(pem: String) -> AssertionKey {
        AssertionKey {
            private_key: Secret::new(pem),
            key_id: Some("k1".to_owned()),
            audience: None,
            assertion_type: AssertionType::default(),
        }
    }

    #[test]
    fn the_algorithm_follows_from_the_key() {
        for (kind, algorithm) in [
            (&rcgen::PKCS_RSA_SHA256, Algorithm::RS256),
            (&rcgen::PKCS_ECDSA_P256_SHA256, Algorithm::ES256),
            (&rcgen::PKCS_ECDSA_P384_SHA384, Algorithm::ES384),
            (&rcgen::PKCS_ED25519, Algorithm::EdDSA),
        ] {
            let pair = rcgen::KeyPair::generate_for(kind).expect("a key of this kind");
            let signed = sign(&key(pair.serialize_pem()), &claims()).expect("it signs");
            let public = pair.public_key_pem();
            let public = match algorithm {
                Algorithm::RS256 => DecodingKey::from_rsa_pem(public.as_bytes()),
                Algorithm::EdDSA => DecodingKey::from_ed_pem(public.as_bytes()),
                _ => DecodingKey::from_ec_pem(public.as_bytes()),
            };
            let mut validation = Validation::new(algorithm);
            validation.set_audience(&["https://id.example"]);
            let read =
                decode::<serde_json::Value>(signed.expose_secret(), &public.expect("its public half"), &validation).expect("it verifies");
            assert_eq!(read.header.typ.as_deref(), Some("client-authentication+jwt"));
            assert_eq!(read.header.kid.as_deref(), Some("k1"));
            assert_eq!(read.claims["jti"], "1");
        }
    }

    #[test]
    fn what_is_no_key_is_refused() {
        for pem in ["", "nonsense", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"] {
            assert_eq!(sign(&key(pem.to_owned()), &claims()).err(), Some(AssertionFault), "{pem}");
        }
    }
}
