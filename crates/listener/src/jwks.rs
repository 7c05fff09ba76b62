//! The published keys of an authorization server (RFC 7517), fetched when needed and never more often than is good for that server.
//!
//! A set is kept for a while and then fetched anew. A key id that it does not hold causes one early fetch, since that is how a rotated key
//! first shows; but anyone can send unknown key ids, so fetches lie at least 30 seconds apart and one runs at a time. When the server
//! cannot be reached, the last good set goes on serving for a day; then tokens are refused with 503.

use std::{
    fmt,
    sync::{Arc, PoisonError, RwLock},
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use bytes::Bytes;
use http::{Method, Request, StatusCode, Uri, header};
use jsonwebtoken::{
    DecodingKey,
    jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyAlgorithm, KeyOperations, PublicKeyUse},
};
use serde_json::Value;
use tokio::sync::Mutex;

use crate::{
    algorithm::JwtAlgorithm,
    clock::UnixSeconds,
    discovery::{Discovery, IssuerRefused, MetadataLocation},
    fetch::{Fetch, fetch_bounded},
    token::TokenRefused,
};

/// The longest set read, in bytes.
pub const JWKS_BYTES_MAX: usize = 256 * 1024;
/// The most keys of a set; real servers publish fewer than ten.
pub const JWKS_KEYS_MAX: usize = 64;
/// A set is fetched anew after this long, in seconds, unless configured otherwise.
pub const JWKS_AGE_SECONDS: u64 = 3_600;
const AGE_SECONDS_MIN: u64 = 5 * 60;
const AGE_SECONDS_MAX: u64 = 24 * 3_600;
/// Fetches of one server lie at least this far apart, in seconds.
const FETCH_GAP_SECONDS: u64 = 30;
/// RSA moduli accepted, in bytes: 2048 to 8192 bits (RFC 7518 §3.3; above, a signature costs too much to check).
const RSA_BYTES: std::ops::RangeInclusive<usize> = 256..=1024;

/// The keys of one authorization server.
pub struct Jwks {
    source: Source,
    fetch: Arc<dyn Fetch>,
    age_seconds: u64,
    current: RwLock<Option<Arc<KeySet>>>,
    /// When the last fetch began; held while one runs.
    last_fetch: Mutex<Option<UnixSeconds>>,
}

/// Where the keys are.
enum Source {
    At(Uri),
    Discovered(Discovery),
}

struct KeySet {
    keys: Vec<Jwk>,
    fetched_at: UnixSeconds,
}

impl Jwks {
    /// The set published at `uri`.
    #[must_use]
    pub fn new(uri: Uri, fetch: impl Fetch) -> Self {
        Self::from(Source::At(uri), fetch)
    }

    /// The set that the metadata of `issuer` name, found at `location` (RFC 8414). The issuer is written exactly as the server writes it,
    /// and as [`TokenExpectations`](crate::TokenExpectations) expect it in tokens.
    ///
    /// # Errors
    /// [`IssuerRefused`] when the issuer is not an https URL (or http at a loopback address).
    pub fn discover(issuer: &str, location: MetadataLocation, fetch: impl Fetch) -> Result<Self, IssuerRefused> {
        Ok(Self::from(Source::Discovered(Discovery::try_new(issuer, location)?), fetch))
    }

    fn from(source: Source, fetch: impl Fetch) -> Self {
        Self { source, fetch: Arc::new(fetch), age_seconds: JWKS_AGE_SECONDS, current: RwLock::new(None), last_fetch: Mutex::new(None) }
    }

    /// Fetches the set anew after `seconds`; at least five minutes, at most a day.
    #[must_use]
    pub fn refresh_after(mut self, seconds: u64) -> Self {
        self.age_seconds = seconds.clamp(AGE_SECONDS_MIN, AGE_SECONDS_MAX);
        self
    }

    /// The one key with that id (or the only fitting one, when the token names none) that `algorithm` can use.
    pub(crate) async fn key(&self, id: Option<&str>, algorithm: JwtAlgorithm, now: UnixSeconds) -> Result<DecodingKey, TokenRefused> {
        if let Some(set) = self.current().filter(|set| set.is_younger_than(self.age_seconds, now))
            && let Ok(key) = set.key(id, algorithm)
        {
            return Ok(key);
        }
        self.refreshed(id, algorithm, now).await?.key(id, algorithm)
    }

    /// The set after a fetch, when one was due; who waited for the fetch of another takes its result.
    async fn refreshed(&self, id: Option<&str>, algorithm: JwtAlgorithm, now: UnixSeconds) -> Result<Arc<KeySet>, TokenRefused> {
        let mut last_fetch = self.last_fetch.lock().await;
        let set = self.current();
        let serves = set.as_ref().is_some_and(|set| set.is_younger_than(self.age_seconds, now) && set.key(id, algorithm).is_ok());
        let too_soon = last_fetch.is_some_and(|last| now.saturating_sub(last) < FETCH_GAP_SECONDS && last <= now);
        let failure = if serves || too_soon {
            None
        } else {
            *last_fetch = Some(now);
            match self.fetch_set(now).await {
                Ok(fresh) => {
                    let fresh = Arc::new(fresh);
                    *self.current.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&fresh));
                    return Ok(fresh);
                }
                Err(failure) => Some(failure),
            }
        };
        if let Some(failure) = &failure {
            tracing::warn!(jwks = %self.source.uri(), reason = %failure, "the keys of the authorization server could not be fetched");
        }
        set.filter(|set| set.is_younger_than(AGE_SECONDS_MAX, now))
            .ok_or_else(|| failure.unwrap_or_else(|| TokenRefused::Unavailable("its keys could not be fetched a moment ago".into())))
    }

    fn current(&self) -> Option<Arc<KeySet>> {
        self.current.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    async fn fetch_set(&self, now: UnixSeconds) -> Result<KeySet, TokenRefused> {
        let set = match &self.source {
            Source::At(uri) => self.fetch_from(uri, now).await,
            Source::Discovered(discovery) => {
                let uri = discovery.jwks_uri(&self.fetch, now).await?;
                self.fetch_from(&uri, now).await
            }
        };
        if let (Err(_), Source::Discovered(discovery)) = (&set, &self.source) {
            discovery.forget();
        }
        set
    }

    async fn fetch_from(&self, uri: &Uri, now: UnixSeconds) -> Result<KeySet, TokenRefused> {
        let request = Request::builder().method(Method::GET).uri(uri).header(header::ACCEPT, "application/json");
        let request = request.body(Bytes::new()).map_err(|error| TokenRefused::Unavailable(error.to_string()))?;
        let answer = fetch_bounded(&self.fetch, request, JWKS_BYTES_MAX).await?;
        if answer.status() != StatusCode::OK {
            return Err(TokenRefused::Unavailable(format!("its keys were answered with {}", answer.status().as_u16())));
        }
        KeySet::read(answer.body(), now).ok_or_else(|| TokenRefused::Unavailable("its keys are not a JSON Web Key Set".into()))
    }
}

impl fmt::Debug for Jwks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Jwks({})", self.source.uri())
    }
}

impl Source {
    fn uri(&self) -> &Uri {
        match self {
            Self::At(uri) => uri,
            Self::Discovered(discovery) => discovery.metadata(),
        }
    }
}

impl KeySet {
    fn read(text: &[u8], now: UnixSeconds) -> Option<Self> {
        let set: Value = serde_json::from_slice(text).ok()?;
        let keys = set.get("keys")?.as_array().filter(|keys| keys.len() <= JWKS_KEYS_MAX)?;
        // Keys of other kinds stand beside ours and are passed over (RFC 7517 §5).
        let keys = keys.iter().filter_map(|key| serde_json::from_value(key.clone()).ok()).collect();
        Some(Self { keys, fetched_at: now })
    }

    /// A set from the future was fetched before the clock was put back: it is old.
    fn is_younger_than(&self, seconds: u64, now: UnixSeconds) -> bool {
        now.checked_sub(self.fetched_at).is_some_and(|age| age < seconds)
    }

    fn key(&self, id: Option<&str>, algorithm: JwtAlgorithm) -> Result<DecodingKey, TokenRefused> {
        let mut fitting =
            self.keys.iter().filter(|key| id.is_none() || key.common.key_id.as_deref() == id).filter(|key| may_verify(key, algorithm));
        match (fitting.next(), fitting.next()) {
            (Some(key), None) => DecodingKey::from_jwk(key).map_err(|_| TokenRefused::UnknownKey),
            // Two keys that would both do are one too many: which one was meant is not for us to guess.
            _ => Err(TokenRefused::UnknownKey),
        }
    }
}

/// Whether everything the key says about itself agrees with the algorithm (RFC 7517 §4, RFC 8725 §3.1).
fn may_verify(key: &Jwk, algorithm: JwtAlgorithm) -> bool {
    let common = &key.common;
    let for_signatures = common.public_key_use.as_ref().is_none_or(|usage| *usage == PublicKeyUse::Signature);
    let may_verify = common.key_operations.as_ref().is_none_or(|operations| operations.contains(&KeyOperations::Verify));
    let same_algorithm = common.key_algorithm.is_none_or(|own| own == KeyAlgorithm::from(algorithm.in_library()));
    for_signatures && may_verify && same_algorithm && has_good_parameters(&key.algorithm, algorithm)
}

fn has_good_parameters(parameters: &AlgorithmParameters, algorithm: JwtAlgorithm) -> bool {
    let bytes = |text: &str| URL_SAFE_NO_PAD.decode(text).ok();
    let is_long = |text: &str, length: usize| bytes(text).is_some_and(|bytes| bytes.len() == length);
    match (parameters, algorithm) {
        (
            AlgorithmParameters::RSA(key),
            JwtAlgorithm::Rs256
            | JwtAlgorithm::Rs384
            | JwtAlgorithm::Rs512
            | JwtAlgorithm::Ps256
            | JwtAlgorithm::Ps384
            | JwtAlgorithm::Ps512,
        ) => bytes(&key.n).is_some_and(|modulus| {
            let leading_zeros = modulus.iter().take_while(|byte| **byte == 0).count();
            RSA_BYTES.contains(&(modulus.len() - leading_zeros))
        }),
        (AlgorithmParameters::EllipticCurve(key), JwtAlgorithm::Es256) => {
            key.curve == EllipticCurve::P256 && is_long(&key.x, 32) && is_long(&key.y, 32)
        }
        (AlgorithmParameters::EllipticCurve(key), JwtAlgorithm::Es384) => {
            key.curve == EllipticCurve::P384 && is_long(&key.x, 48) && is_long(&key.y, 48)
        }
        (AlgorithmParameters::OctetKeyPair(key), JwtAlgorithm::EdDsa) => key.curve == EllipticCurve::Ed25519 && is_long(&key.x, 32),
        _ => false,
    }
}
