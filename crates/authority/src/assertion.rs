//! Client assertions: `private_key_jwt` and `client_secret_jwt` of RFC 7523.
//!
//! AS-7523-1: a replayed `jti`, a foreign or plural `aud` and an expired assertion are answered 401. An assertion is
//! remembered only after its signature was verified, so that strangers cannot fill the memory.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use jsonwebtoken::{DecodingKey, Header, Validation};
use serde::Deserialize;

use crate::{
    assertion_key::{AssertionKey, key_of_secret},
    client::{Authentication, Client},
    oauth_error::{ErrorCode, OAuthError},
};

/// The one value of `client_assertion_type` (RFC 7523 §2.2).
pub(crate) const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// Bytes of an assertion. One with an RSA-4096 signature and all claims is below 2 KiB.
const ASSERTION_BYTES_MAX: usize = 8 * 1024;

/// How far ahead `exp` may lie, in seconds. Each unexpired assertion is remembered until then.
const LIFETIME_MAX_S: f64 = 300.0;

/// How far ahead of our clock `iat` and `nbf` may lie, in seconds.
const CLOCK_LEEWAY_S: f64 = 30.0;

/// Bytes of a `jti`.
const JTI_BYTES_MAX: usize = 256;

/// Assertions remembered at once: 300 per second over the longest lifetime, about 30 MB with the longest `jti`.
const SEEN_MAX: usize = 100_000;

/// Assertions that were used and have not expired.
#[derive(Debug)]
pub(crate) struct SeenAssertions {
    /// Client id and `jti`, with the `exp`.
    seen: Mutex<HashMap<(String, String), u64>>,
    max: usize,
}

/// What one look at the memory found.
#[derive(Debug, PartialEq, Eq)]
enum Remembered {
    New,
    Replayed,
    /// Nothing may be forgotten yet, and there is no room: refusing is safe, forgetting is not.
    Full,
}

impl SeenAssertions {
    /// An empty memory.
    pub(crate) fn new() -> Self {
        Self { seen: Mutex::default(), max: SEEN_MAX }
    }

    fn remember(&self, client_id: &str, jti: &str, expires_at_s: u64, now_s: u64) -> Remembered {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.len() >= self.max {
            seen.retain(|_, expires_at_s| *expires_at_s > now_s);
        }
        let key = (client_id.to_owned(), jti.to_owned());
        if seen.get(&key).is_some_and(|expires_at_s| *expires_at_s > now_s) {
            return Remembered::Replayed;
        }
        if seen.len() >= self.max {
            return Remembered::Full;
        }
        seen.insert(key, expires_at_s);
        Remembered::New
    }
}

/// The claims that count (RFC 7523 §3). A member given twice is refused by serde. Times may have a fraction (RFC 7519 §2).
#[derive(Deserialize)]
struct Claims {
    iss: String,
    sub: String,
    aud: serde_json::Value,
    exp: f64,
    jti: String,
    iat: Option<f64>,
    nbf: Option<f64>,
}

/// Finds the client that signed an assertion.
///
/// `client_id` is the parameter of that name, which must agree when it is there (RFC 7521 §4.2).
pub(crate) fn verify(
    assertion: &str,
    client_id: Option<&str>,
    clients: &HashMap<String, Arc<Client>>,
    audiences: &[String],
    seen: &SeenAssertions,
    now_s: u64,
) -> Result<Arc<Client>, OAuthError> {
    if assertion.len() > ASSERTION_BYTES_MAX {
        return Err(refused("it is too long"));
    }
    let header = jsonwebtoken::decode_header(assertion).map_err(|_| refused("it is not a signed JWT with an algorithm known here"))?;
    check_header(&header)?;
    // Read before it is verified, to know whose keys to verify it with; nothing else is believed yet.
    let claimed: Claims = jsonwebtoken::dangerous::insecure_decode::<Claims>(assertion)
        .map_err(|_| refused("iss, sub, aud, exp and jti are needed, each once and of its type"))?
        .claims;
    let client = clients.get(&claimed.sub).ok_or_else(|| refused("its sub is not a client"))?;
    let of_secret;
    let keys = match &client.authentication {
        Authentication::PrivateKeyJwt(keys) => keys.as_slice(),
        Authentication::SecretJwt(secret) => {
            of_secret = [key_of_secret(secret.expose_secret().as_bytes())];
            &of_secret
        }
        _ => return Err(OAuthError::invalid_client("the client is registered for another method than an assertion")),
    };
    if !keys.iter().filter(|key| fits(key, &header)).any(|key| signature_matches(assertion, &key.key, &header)) {
        return Err(refused("no registered key of the client verifies it"));
    }
    check_claims(&claimed, client_id, audiences, now_s as f64)?;
    // The check above bounds it; rounded up, so that it is not forgotten before it expires.
    let expires_at_s = claimed.exp.ceil() as u64;
    match seen.remember(&claimed.sub, &claimed.jti, expires_at_s, now_s) {
        Remembered::New => Ok(Arc::clone(client)),
        Remembered::Replayed => Err(refused("its jti was used before")),
        Remembered::Full => Err(OAuthError::new(ErrorCode::TemporarilyUnavailable, "too many client assertions; wait until some expire")),
    }
}

fn check_header(header: &Header) -> Result<(), OAuthError> {
    // RFC 7515 §4.1.11: an extension that must be understood, and is not, refuses the whole.
    if header.crit.is_some() {
        return Err(refused("its crit names an extension that is not known here"));
    }
    match header.typ.as_deref().map(str::to_ascii_lowercase).as_deref() {
        None | Some("jwt" | "client-authentication+jwt" | "application/client-authentication+jwt") => Ok(()),
        // An access token or an ID token is never an assertion (RFC 8725 §3.11).
        Some(_) => Err(refused("its typ is of another kind of token")),
    }
}

fn fits(key: &AssertionKey, header: &Header) -> bool {
    let named = match (&header.kid, &key.kid) {
        (Some(wanted), Some(known)) => wanted == known,
        _ => true,
    };
    named && key.algorithms.contains(&header.alg)
}

fn signature_matches(assertion: &str, key: &DecodingKey, header: &Header) -> bool {
    let mut validation = Validation::new(header.alg);
    // The claims are checked here, by our clock and our rules; the library checks the signature.
    validation.required_spec_claims.clear();
    validation.validate_exp = false;
    validation.validate_aud = false;
    jsonwebtoken::decode::<serde::de::IgnoredAny>(assertion, key, &validation).is_ok()
}

fn check_claims(claims: &Claims, client_id: Option<&str>, audiences: &[String], now_s: f64) -> Result<(), OAuthError> {
    let audience_fits = match &claims.aud {
        serde_json::Value::String(audience) => audiences.contains(audience),
        _ => false,
    };
    let rules = [
        (claims.iss == claims.sub, "its iss and sub differ"),
        (client_id.is_none_or(|id| id == claims.sub), "its sub is not the client_id"),
        (audience_fits, "its aud is not this server, as one text"),
        (claims.exp > now_s, "it has expired"),
        (claims.exp <= now_s + LIFETIME_MAX_S, "its exp is more than 300 seconds ahead"),
        (claims.iat.is_none_or(|iat| iat <= now_s + CLOCK_LEEWAY_S), "its iat lies ahead"),
        (claims.nbf.is_none_or(|nbf| nbf <= now_s + CLOCK_LEEWAY_S), "its nbf lies ahead"),
        (!claims.jti.is_empty() && claims.jti.len() <= JTI_BYTES_MAX, "its jti is empty or longer than 256 bytes"),
    ];
    match rules.iter().find(|(holds, _)| !holds) {
        Some((_, reason)) => Err(refused(reason)),
        None => Ok(()),
    }
}

fn refused(reason: &str) -> OAuthError {
    OAuthError::invalid_client(format!("client assertion refused: {reason}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_assertion_is_remembered_until_it_expires() {
        let seen = SeenAssertions::new();
        assert_eq!(seen.remember("a", "1", 100, 50), Remembered::New);
        assert_eq!(seen.remember("a", "1", 100, 99), Remembered::Replayed);
        assert_eq!(seen.remember("b", "1", 100, 50), Remembered::New, "another client's jti is another jti");
        assert_eq!(seen.remember("a", "1", 200, 100), Remembered::New);
    }

    #[test]
    fn a_full_memory_refuses_and_forgets_only_what_has_expired() {
        let seen = SeenAssertions { seen: Mutex::default(), max: 2 };
        assert_eq!(seen.remember("a", "1", 100, 50), Remembered::New);
        assert_eq!(seen.remember("a", "2", 200, 50), Remembered::New);
        assert_eq!(seen.remember("a", "3", 200, 50), Remembered::Full);
        assert_eq!(seen.remember("a", "1", 100, 50), Remembered::Replayed);
        assert_eq!(seen.remember("a", "3", 200, 100), Remembered::New, "the first one has expired");
    }
}
