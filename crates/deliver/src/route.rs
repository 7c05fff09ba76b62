//! A route: what all attempts of one subscription share, made once for a configuration and kept.

use std::{
    num::NonZeroUsize,
    sync::{Arc, Mutex, PoisonError},
};

use countersign_core::{
    auth::OAuthConnection,
    config::{AccountConfig, ConfigVersion},
    id::{CredentialId, SubscriptionId},
    retry::RetryPolicy,
    subscription::{MessageShape, OAuthUse, Subscription},
};
use countersign_egress::{BoundConnection, ClientIdentity, Limits, Target, TlsProfile};
use countersign_signature::{HmacKey, standard_webhooks::StandardKey};
use http::{HeaderMap, HeaderName, HeaderValue, header};
use lru::LruCache;

use crate::{echo::names_a_credential, settings::Settings};

/// Routes kept; the least recently used is made again when it is needed.
const ROUTES_MAX: usize = 10_000;
/// Who we are (RFC 9110 §10.1.5).
const USER_AGENT: &str = concat!("Countersign/", env!("CARGO_PKG_VERSION"));

/// The subscription's settings cannot be turned into a request. One clause that says what to change.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Misconfigured(pub String);

/// Why there is no route.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoRoute {
    /// The settings cannot be turned into a request; it becomes the outcome of the attempt.
    #[error(transparent)]
    Misconfigured(#[from] Misconfigured),
    /// A token of the account's connection is asked for and there is no connection: nothing is sent, and no attempt is spent,
    /// until there is one.
    #[error("the account has no OAuth connection; save one under connect/oauth, or set includeOAuth to false")]
    NoConnection,
}

/// What all attempts of a subscription share.
#[derive(Debug)]
pub struct Route {
    /// Where to.
    pub target: Target,
    /// For the log: the URL as configured.
    pub url: String,
    /// Who we are and whom we trust.
    pub profile: Arc<TlsProfile>,
    /// Where the bearer token comes from.
    pub bound: Option<BoundConnection>,
    /// Headers that are the same for every attempt.
    pub headers: HeaderMap,
    /// Keys in the order of their headers; empty when HMAC is off.
    pub hmac_keys: Arc<[HmacKey]>,
    /// Keys for Standard Webhooks headers; empty when they are off.
    pub standard_keys: Vec<StandardKey>,
    /// What follows from a failure.
    pub policy: RetryPolicy,
    /// How long an attempt may take.
    pub limits: Limits,
}

impl Route {
    /// Of a subscription. `integrator` is the configuration of the account whose keys and connection are used, usually its own.
    ///
    /// # Errors
    /// See [`NoRoute`].
    pub fn make(
        config: &AccountConfig,
        integrator: &AccountConfig,
        subscription: &Subscription,
        settings: &Settings,
    ) -> Result<Self, NoRoute> {
        let target = Target::try_new(&subscription.url).map_err(|e| Misconfigured(e.to_string()))?;
        let profile = listener_profile(config, subscription)?;
        let bound = match &subscription.proofs.oauth {
            OAuthUse::Off => None,
            OAuthUse::Own(connection) => Some(bind(config, subscription, connection)?),
            OAuthUse::Account => {
                let oauth = integrator.oauth.as_ref().ok_or(NoRoute::NoConnection)?;
                Some(bind(config, subscription, &oauth.connection)?)
            }
        };
        let hmac_keys = if subscription.proofs.hmac { Arc::clone(&integrator.hmac_keys) } else { Arc::default() };
        if subscription.proofs.hmac && hmac_keys.is_empty() {
            return Err(NoRoute::Misconfigured(Misconfigured(
                "HMAC is on and the account has no key; make one under connect/secret, or set includeHMAC to false".into(),
            )));
        }
        let standard_keys = if subscription.proofs.standard_webhooks { standard_keys(integrator)? } else { Vec::new() };
        Ok(Self {
            target,
            url: subscription.url.to_string(),
            profile,
            headers: headers(config, subscription, bound.is_some())?,
            bound,
            hmac_keys,
            standard_keys,
            policy: RetryPolicy {
                profile: subscription.pace.retry.clone().unwrap_or_else(|| settings.retry.clone()),
                park_at_first_failure: settings.honour_acknowledgement_off && !subscription.require_acknowledgement,
            },
            limits: Limits {
                total_timeout: subscription.pace.timeout.unwrap_or(settings.delivery_timeout),
                first_byte_timeout: None,
                body_timeout: settings.delivery_timeout,
                answer_kept_bytes: settings.answer_bytes_kept,
            },
        })
    }
}

fn listener_profile(config: &AccountConfig, subscription: &Subscription) -> Result<Arc<TlsProfile>, Misconfigured> {
    let identity = config.listener_identity(subscription);
    if subscription.proofs.mutual_tls && identity.is_none() {
        return Err(missing_certificate());
    }
    profile(config, identity)
}

/// A connection with the TLS identity that asks for its tokens.
fn bind(config: &AccountConfig, subscription: &Subscription, connection: &OAuthConnection) -> Result<BoundConnection, Misconfigured> {
    let profile = profile(config, config.token_identity(subscription, connection))?;
    Ok(BoundConnection::new(Arc::new(connection.clone()), profile))
}

/// The profile with a client certificate (`None`: without) and the account's own CAs. Fails closed: never without the
/// certificate that was asked for.
fn profile(config: &AccountConfig, identity: Option<CredentialId>) -> Result<Arc<TlsProfile>, Misconfigured> {
    let certificate = identity.map(|id| config.certificate(id).ok_or_else(missing_certificate)).transpose()?;
    let roots: Vec<&str> = config.trust_anchors.iter().map(|anchor| anchor.certificates_pem.as_str()).collect();
    let identity = certificate.map(|certificate| ClientIdentity { chain_pem: &certificate.chain_pem, key_pem: &certificate.key_pem });
    TlsProfile::try_new(identity, &roots).map_err(|e| Misconfigured(e.to_string()))
}

fn missing_certificate() -> Misconfigured {
    Misconfigured("mutual TLS is on and the client certificate is missing; add one under certificates".into())
}

/// The keys of the account as Standard Webhooks secrets: `whsec_` and the key's own Base64 text.
fn standard_keys(config: &AccountConfig) -> Result<Vec<StandardKey>, Misconfigured> {
    let keys: Vec<StandardKey> =
        config.hmac_keys.iter().filter_map(|key| StandardKey::try_new(&format!("whsec_{}", key.expose_text())).ok()).collect();
    if keys.is_empty() {
        return Err(Misconfigured(
            "Standard Webhooks headers are on and no key of the account is Base64 of 24 to 64 bytes; make one under connect/secret".into(),
        ));
    }
    Ok(keys)
}

fn headers(config: &AccountConfig, subscription: &Subscription, oauth: bool) -> Result<HeaderMap, Misconfigured> {
    let mut headers = HeaderMap::with_capacity(16);
    headers.insert(header::USER_AGENT, HeaderValue::from_static(USER_AGENT));
    headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    // A message that is passed on as received brings the account that it was sent by.
    if subscription.shape != MessageShape::AsReceived {
        let account = HeaderValue::from_str(&config.account.guid.to_string()).map_err(|e| Misconfigured(e.to_string()))?;
        headers.insert(HeaderName::from_static("x-docusign-accountid"), account);
    }
    // With OAuth and Basic both set OAuth is sent: there is one Authorization header.
    if let (false, Some(basic)) = (oauth, &subscription.proofs.basic) {
        headers.insert(header::AUTHORIZATION, basic.header().map_err(|e| Misconfigured(e.to_string()))?);
    }
    for (name, value) in &subscription.headers {
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| Misconfigured(format!("'{name}' is not a header name")))?;
        let mut value = HeaderValue::from_str(value)
            .map_err(|_| Misconfigured(format!("the value of header {name} has a character that none may have")))?;
        value.set_sensitive(names_a_credential(&name));
        headers.append(name, value);
    }
    Ok(headers)
}

/// Which configurations a route was made with: the account's and the integrator's.
type MadeWith = (ConfigVersion, ConfigVersion);

/// Routes kept.
#[derive(Debug)]
pub struct Routes {
    kept: Mutex<LruCache<SubscriptionId, (MadeWith, Arc<Route>)>>,
    settings: Settings,
}

impl Routes {
    /// None yet.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        Self { kept: Mutex::new(LruCache::new(NonZeroUsize::new(ROUTES_MAX).expect("not zero"))), settings }
    }

    /// The route of a subscription under these configurations.
    ///
    /// # Errors
    /// As [`Route::make`].
    pub fn route(&self, config: &AccountConfig, integrator: &AccountConfig, subscription: &Subscription) -> Result<Arc<Route>, NoRoute> {
        let versions = (config.version, integrator.version);
        if let Some((made_with, route)) = self.lock().get(&subscription.id)
            && *made_with == versions
        {
            return Ok(Arc::clone(route));
        }
        let route = Arc::new(Route::make(config, integrator, subscription, &self.settings)?);
        self.lock().put(subscription.id, (versions, Arc::clone(&route)));
        Ok(route)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, LruCache<SubscriptionId, (MadeWith, Arc<Route>)>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
