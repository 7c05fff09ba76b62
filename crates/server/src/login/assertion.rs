//! The JWT grant's assertion (RFC 7523 §3; Connect: RS256, `iss` the integration key, `sub` the user, `aud` the host).
//!
//! Read first, to learn whose it claims to be; verified then, with that application's keys. The algorithm is fixed and never
//! taken from the token (RFC 8725 §3.1). Nothing it claims is used before its signature fits.

use std::time::Duration;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use countersign_core::Timestamp;
use jsonwebtoken::{Algorithm, DecodingKey, crypto};
use serde::Deserialize;
use serde_json::Value;

use super::audience::LoginHosts;

/// The longest assertion looked at.
pub const ASSERTION_BYTES_MAX: usize = 8 << 10;
/// How far the clocks of the application and this server may be apart.
const LEEWAY: Duration = Duration::from_secs(60);
/// The longest life of an assertion.
const LIFE_MAX: Duration = Duration::from_secs(24 * 3600);

/// Why an assertion does not count. The words are what `error_description` says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadAssertion {
    /// Not three parts of base64url, too long, or not the claims asked for with the types asked for.
    #[error("malformed_assertion")]
    Malformed,
    /// Another algorithm than RS256, or a header that asks for what we do not understand (`crit`, `b64`).
    #[error("unsupported_algorithm")]
    Algorithm,
    /// No key of the integration key made this signature.
    #[error("no_valid_keys_or_signatures")]
    Signature,
    /// Meant for another server.
    #[error("invalid_audience")]
    Audience,
    /// Over.
    #[error("assertion_expired")]
    Expired,
    /// `iat` or `nbf` lies ahead.
    #[error("assertion_not_yet_valid")]
    NotYetValid,
    /// It lives longer than a day, or ends before it begins.
    #[error("assertion_lives_too_long")]
    LivesTooLong,
}

/// An assertion as read, not yet believed.
#[derive(Debug)]
pub struct Unverified<'a> {
    message: &'a str,
    signature: &'a str,
    claims: Claims,
}

/// What it says. Every type is strict: a number written as text is no number.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Claims {
    /// The integration key.
    pub iss: String,
    /// The user.
    pub sub: Option<String>,
    /// The scopes asked for, separated by spaces.
    pub scope: Option<String>,
    aud: Value,
    iat: f64,
    exp: f64,
    nbf: Option<f64>,
}

#[derive(Deserialize)]
struct Header {
    alg: String,
    crit: Option<Value>,
    b64: Option<Value>,
    zip: Option<Value>,
}

impl<'a> Unverified<'a> {
    /// Reads without believing.
    ///
    /// # Errors
    /// [`BadAssertion::Malformed`], [`BadAssertion::Algorithm`].
    pub fn read(text: &'a str) -> Result<Self, BadAssertion> {
        if text.len() > ASSERTION_BYTES_MAX {
            return Err(BadAssertion::Malformed);
        }
        let (message, signature) = text.rsplit_once('.').ok_or(BadAssertion::Malformed)?;
        let (header, payload) = message.split_once('.').ok_or(BadAssertion::Malformed)?;
        let header: Header = part(header)?;
        if header.alg != "RS256" || header.crit.is_some() || header.b64.is_some() || header.zip.is_some() {
            return Err(BadAssertion::Algorithm);
        }
        Ok(Self { message, signature, claims: part(payload)? })
    }

    /// Whose it claims to be: good for looking up keys and for nothing else.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.claims.iss
    }

    /// Believes it when one of the keys made its signature, it is meant for us, and its time is now.
    ///
    /// # Errors
    /// The first of these that does not hold.
    pub fn verify(self, keys_pem: &[String], hosts: &LoginHosts, now: Timestamp) -> Result<Claims, BadAssertion> {
        let fits = |pem: &String| {
            DecodingKey::from_rsa_pem(pem.as_bytes())
                .and_then(|key| crypto::verify(self.signature, self.message.as_bytes(), &key, Algorithm::RS256))
                .unwrap_or(false)
        };
        if !keys_pem.iter().any(fits) {
            return Err(BadAssertion::Signature);
        }
        let audience = match &self.claims.aud {
            Value::String(audience) => audience,
            // A list of several would let each of them use it at the others.
            Value::Array(list) => match list.as_slice() {
                [Value::String(audience)] => audience,
                _ => return Err(BadAssertion::Audience),
            },
            _ => return Err(BadAssertion::Audience),
        };
        if !hosts.includes(audience) {
            return Err(BadAssertion::Audience);
        }
        self.claims.check_time(now)?;
        Ok(self.claims)
    }
}

impl Claims {
    fn check_time(&self, now: Timestamp) -> Result<(), BadAssertion> {
        #[expect(clippy::cast_precision_loss, reason = "microseconds of this era fit 53 bits")]
        let now = now.as_micros() as f64 / 1e6;
        let leeway = LEEWAY.as_secs_f64();
        if self.exp <= now - leeway {
            return Err(BadAssertion::Expired);
        }
        if self.iat > now + leeway || self.nbf.is_some_and(|nbf| nbf > now + leeway) {
            return Err(BadAssertion::NotYetValid);
        }
        if self.exp <= self.iat || self.exp - self.iat > LIFE_MAX.as_secs_f64() {
            return Err(BadAssertion::LivesTooLong);
        }
        Ok(())
    }
}

fn part<T: for<'de> Deserialize<'de>>(text: &str) -> Result<T, BadAssertion> {
    let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| BadAssertion::Malformed)?;
    serde_json::from_slice(&bytes).map_err(|_| BadAssertion::Malformed)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::Settings;

    proptest! {
        #[test]
        fn nothing_unsigned_is_believed(
            header in "\\PC{0,40}|\\{\"alg\":\"RS256\"\\}",
            payload in "\\PC{0,80}|\\{\"iss\":\"a\",\"aud\":\"127.0.0.1\",\"iat\":1,\"exp\":99999\\}",
            signature in "\\PC{0,40}|[A-Za-z0-9_-]{342}",
            whole in "\\PC{0,200}",
        ) {
            let hosts = LoginHosts::of(&Settings::default());
            let encoded = format!("{}.{}.{signature}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(payload));
            let key = ["-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n".to_owned()];
            for text in [encoded, whole] {
                if let Ok(unverified) = Unverified::read(&text) {
                    prop_assert_eq!(unverified.verify(&key, &hosts, Timestamp::from_secs(100)), Err(BadAssertion::Signature));
                }
            }
        }

        #[test]
        fn a_name_that_only_looks_like_ours_is_another(label in "[a-z][a-z0-9]{0,12}", port in 1_u16..) {
            let hosts = LoginHosts::of(&Settings { public_url: "https://sign.example".to_owned(), ..Settings::default() });
            let ported = format!("sign.example:{port}");
            prop_assert!(hosts.includes(&ported));
            for other in [format!("{label}.sign.example"), format!("sign.example.{label}"), format!("{label}sign.example"), format!("{label}@{ported}")] {
                prop_assert!(!hosts.includes(&other), "{}", other);
            }
        }
    }
}
