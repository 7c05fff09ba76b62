//! Access tokens that say nothing themselves: the authorization server is asked about each (RFC 7662).
//!
//! Every doubt about the answer is a refusal, and trouble with the server is answered with 503 so that the sender tries again: a listener
//! that lets messages through while its authorization server is down has no authorization. Answers are kept for a minute at most, so that
//! a revoked token lives no longer.

use std::{
    fmt,
    num::NonZeroUsize,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::{HeaderValue, Method, Request, StatusCode, Uri, header};
use lru::LruCache;
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use crate::{
    clock::UnixSeconds,
    fetch::{BoxFuture, Fetch, fetch_bounded, is_json},
    strict_json::read_object,
    token::{Claims, TokenClaims, TokenExpectations, TokenRefused, VerifyToken, is_token},
};

/// The longest answer read, in bytes.
const ANSWER_BYTES_MAX: usize = 64 * 1024;
/// Answers kept, the least recently used forgotten first: some MB at most.
const CACHE_ENTRIES_MAX: NonZeroUsize = NonZeroUsize::new(10_000).expect("ten thousand is not zero");
/// An active token is asked about again after this long, in seconds: how long a revoked one may live on.
const ACTIVE_SECONDS: u64 = 60;
/// A refused token is asked about again after this long, in seconds.
const REFUSED_SECONDS: u64 = 10;

/// Asks an authorization server about tokens.
pub struct Introspector {
    endpoint: Uri,
    authorization: HeaderValue,
    fetch: Arc<dyn Fetch>,
    expectations: TokenExpectations,
    audience_may_be_absent: bool,
    cache: Mutex<LruCache<[u8; 32], Known>>,
}

/// An answer and how long it holds. The claims are kept, not the verdict: time passes and certificates differ.
#[derive(Clone)]
struct Known {
    members: Option<Arc<serde_json::Map<String, Value>>>,
    until: UnixSeconds,
}

/// The credentials cannot be put into a header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the client id for introspection is empty")]
pub struct CredentialsRefused;

impl Introspector {
    /// Asks `endpoint`, as the client `client_id` with HTTP Basic (both halves form-encoded, RFC 6749 §2.3.1).
    ///
    /// # Errors
    /// [`CredentialsRefused`] when the client id is empty: introspection demands authentication (RFC 7662 §2.1).
    pub fn try_new(
        endpoint: Uri,
        client_id: &str,
        client_secret: &str,
        fetch: impl Fetch,
        expectations: TokenExpectations,
    ) -> Result<Self, CredentialsRefused> {
        let pair = Zeroizing::new(format!("{}:{}", form_encoded(client_id), form_encoded(client_secret)));
        let text = Zeroizing::new(format!("Basic {}", STANDARD.encode(pair.as_bytes())));
        let mut authorization = HeaderValue::from_str(&text).map_err(|_| CredentialsRefused)?;
        authorization.set_sensitive(true);
        if client_id.is_empty() {
            return Err(CredentialsRefused);
        }
        let cache = Mutex::new(LruCache::new(CACHE_ENTRIES_MAX));
        Ok(Self { endpoint, authorization, fetch: Arc::new(fetch), expectations, audience_may_be_absent: false, cache })
    }

    /// Accepts answers without `aud`, which RFC 7662 lets servers leave out. Tokens for other listeners of that server are then only told
    /// apart by client and scope.
    #[must_use]
    pub fn accept_absent_audience(mut self) -> Self {
        self.audience_may_be_absent = true;
        self
    }

    async fn check(&self, token: &str, certificate: Option<&[u8]>, now: UnixSeconds) -> Result<TokenClaims, TokenRefused> {
        if !is_token(token) {
            return Err(TokenRefused::Malformed("not the characters or length of a token"));
        }
        let id: [u8; 32] = Sha256::digest(token.as_bytes()).into();
        let known = self.cache().get(&id).filter(|known| now < known.until && known.until - now <= ACTIVE_SECONDS).cloned();
        let known = match known {
            Some(known) => known,
            None => {
                let known = self.ask(token, now).await?;
                self.cache().put(id, known.clone());
                known
            }
        };
        let members = known.members.ok_or(TokenRefused::Inactive)?;
        let claims = Claims(&members);
        if claims.text("token_type")?.is_some_and(|kind| !kind.eq_ignore_ascii_case("bearer")) {
            return Err(TokenRefused::Type);
        }
        if !self.audience_may_be_absent {
            claims.require(&["aud"])?;
        }
        self.expectations.check(&claims, certificate, now)
    }

    fn cache(&self) -> MutexGuard<'_, LruCache<[u8; 32], Known>> {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn ask(&self, token: &str, now: UnixSeconds) -> Result<Known, TokenRefused> {
        let body = format!("token={}&token_type_hint=access_token", form_encoded(token));
        let request = Request::builder()
            .method(Method::POST)
            .uri(&self.endpoint)
            .header(header::AUTHORIZATION, &self.authorization)
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header(header::ACCEPT, "application/json")
            .body(Bytes::from(body))
            .map_err(|error| TokenRefused::Unavailable(error.to_string()))?;
        let answer = fetch_bounded(&self.fetch, request, ANSWER_BYTES_MAX).await?;
        let trouble = |words: String| {
            tracing::warn!(endpoint = %self.endpoint, reason = %words, "introspection failed");
            Err(TokenRefused::Unavailable(words))
        };
        match answer.status() {
            StatusCode::OK if is_json(&answer) => {}
            StatusCode::OK => return trouble("introspection did not answer with JSON".into()),
            status @ (StatusCode::BAD_REQUEST | StatusCode::UNAUTHORIZED) => {
                return trouble(format!("introspection answered {}; check our own client id and secret there", status.as_u16()));
            }
            status => return trouble(format!("introspection answered {}", status.as_u16())),
        }
        let Some(members) = read_object(answer.body()) else {
            return trouble("introspection did not answer with a plain JSON object".into());
        };
        match members.get("active") {
            Some(Value::Bool(true)) => {
                let exp = members.get("exp").and_then(Value::as_u64).unwrap_or(u64::MAX);
                let until = match exp.min(now.saturating_add(ACTIVE_SECONDS)) {
                    until if until > now => until,
                    _ => now.saturating_add(REFUSED_SECONDS),
                };
                Ok(Known { members: Some(Arc::new(members)), until })
            }
            Some(Value::Bool(false)) => Ok(Known { members: None, until: now.saturating_add(REFUSED_SECONDS) }),
            // "true" and 1 are not true (RFC 7662 §2.2: a boolean); such a server is broken, and its word is no reason to let anyone in.
            _ => trouble("introspection answered without the boolean active".into()),
        }
    }
}

impl VerifyToken for Introspector {
    fn verify<'a>(
        &'a self,
        token: &'a str,
        certificate: Option<&'a [u8]>,
        now: UnixSeconds,
    ) -> BoxFuture<'a, Result<TokenClaims, TokenRefused>> {
        Box::pin(self.check(token, certificate, now))
    }
}

impl fmt::Debug for Introspector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Introspector({})", self.endpoint)
    }
}

/// `application/x-www-form-urlencoded` of one value.
fn form_encoded(text: &str) -> String {
    use std::fmt::Write as _;
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b' ' => encoded.push('+'),
            byte if byte.is_ascii_alphanumeric() || b"-._*".contains(&byte) => encoded.push(char::from(byte)),
            byte => write!(encoded, "%{byte:02X}").expect("a string takes all that is written"),
        }
    }
    encoded
}
