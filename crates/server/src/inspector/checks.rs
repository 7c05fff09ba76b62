//! The listener that a bin stands for: made of its checks and of the account as it is, and kept as long as neither changes.

use std::{
    num::NonZeroUsize,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, UNIX_EPOCH},
};

use countersign_core::config::{AccountConfig, ConfigVersion};
use countersign_egress::{Egress, TlsProfile};
use countersign_listener::{BasicCheck, Clock, Introspector, Jwks, JwtVerifier, Listener, TokenExpectations};
use countersign_signature::HmacKey;
use lru::LruCache;

use super::{
    bin::{BinId, Checks, TokenCheck, TokenSource},
    bins::Known,
    fetch,
};
use crate::{clock, failure::Failure};

/// Listeners kept: each may hold a key set and some thousand answers about tokens.
const LISTENERS_MAX: NonZeroUsize = NonZeroUsize::new(100).expect("a hundred is not zero");

/// Which state of a bin and of its account a listener was made of.
type Made = (i64, ConfigVersion);

/// Listeners of bins that were used lately. They are kept for what they have learned: published keys, answers about tokens.
pub(crate) struct Listeners(Mutex<LruCache<BinId, (Made, Option<Listener>)>>);

impl Default for Listeners {
    fn default() -> Self {
        Self(Mutex::new(LruCache::new(LISTENERS_MAX)))
    }
}

impl std::fmt::Debug for Listeners {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Listeners(..)")
    }
}

impl Listeners {
    /// The listener of a bin; `None` when it has nothing to check.
    pub(crate) fn of(&self, known: &Known, account: &AccountConfig, make: impl FnOnce() -> Option<Listener>) -> Option<Listener> {
        let made = (known.revision, account.version);
        let mut listeners = self.lock();
        if let Some((then, listener)) = listeners.get(&known.bin.id)
            && *then == made
        {
            return listener.clone();
        }
        let listener = make();
        listeners.put(known.bin.id.clone(), (made, listener.clone()));
        listener
    }

    pub(crate) fn forget(&self, id: &BinId) {
        self.lock().pop(id);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, LruCache<BinId, (Made, Option<Listener>)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How authorization servers are reached.
#[derive(Debug)]
pub struct Reach {
    /// The way out.
    pub egress: Egress,
    /// Whom to trust there: the account's CAs as well.
    pub profile: Arc<TlsProfile>,
}

/// A listener with these checks; `None` when there is nothing to check.
///
/// # Errors
/// 400 with the check that cannot be made.
pub fn listener(clock: &clock::Clock, reach: Option<Reach>, checks: &Checks, account: &AccountConfig) -> Result<Option<Listener>, Failure> {
    let refused = |words: String| Failure::invalid_parameter(format!("checks: {words}"));
    let clock = Arc::clone(clock);
    let clock = Clock::from_fn(move || UNIX_EPOCH + Duration::from_millis(u64::try_from(clock().as_millis()).unwrap_or(0)));
    let mut builder = Listener::builder().clock(clock);
    let keys = keys(checks, account).map_err(|fault| refused(format!("hmacKeys: {fault}")))?;
    let is_empty = keys.is_empty() && checks.basic.is_none() && checks.token.is_none();
    if is_empty {
        return Ok(None);
    }
    if !keys.is_empty() {
        builder = builder.hmac(keys);
    }
    if let Some(basic) = &checks.basic {
        let check = BasicCheck::try_new(&basic.user, basic.password.expose_secret()).map_err(|fault| refused(format!("basic: {fault}")))?;
        builder = builder.basic(check);
    }
    if checks.account_id {
        builder = builder.account_ids([account.account.guid.to_string()]);
    }
    if let Some(token) = &checks.token {
        builder = with_token_check(builder, reach, token)?;
    }
    builder.build().map(Some).map_err(|fault| refused(fault.to_string()))
}

/// The HMAC keys that arrivals are held against, in the order of their numbers: the account's, then the bin's own.
///
/// # Errors
/// When an own key cannot be one.
pub fn keys(checks: &Checks, account: &AccountConfig) -> Result<Vec<HmacKey>, countersign_signature::KeyRefused> {
    let of_account = if checks.account_keys { &*account.hmac_keys } else { &[] };
    let mut keys = of_account.to_vec();
    for key in &checks.hmac_keys {
        keys.push(HmacKey::try_new_of_any_length(key.expose_secret())?);
    }
    Ok(keys)
}

fn with_token_check(
    builder: countersign_listener::ListenerBuilder,
    reach: Option<Reach>,
    token: &TokenCheck,
) -> Result<countersign_listener::ListenerBuilder, Failure> {
    let refused = |words: &str| Failure::invalid_parameter(format!("checks.token: {words}"));
    let reach = reach.ok_or_else(|| refused("this process does not ask authorization servers"))?;
    let fetch = fetch::through(reach.egress, reach.profile);
    let mut expectations = if token.clients.is_empty() {
        // An inspector shows; whom a listener must not let in is the listener's to say.
        TokenExpectations::dangerous_any_client(&token.issuer, &token.audience)
    } else {
        TokenExpectations::new(&token.issuer, &token.audience, &token.clients)
    };
    if let Some(scope) = &token.scope {
        expectations = expectations.scope(scope);
    }
    let uri = |url: &url::Url| url.as_str().parse::<http::Uri>().map_err(|_| refused("the URL cannot be used"));
    Ok(match &token.source {
        TokenSource::Jwks(url) => {
            let verifier = JwtVerifier::new(Jwks::new(uri(url)?, fetch), expectations);
            builder.bearer(if token.plain_jwt { verifier.accept_plain_jwt() } else { verifier })
        }
        TokenSource::Introspection { url, client_id, client_secret } => {
            let introspector = Introspector::try_new(uri(url)?, client_id, client_secret.expose_secret(), fetch, expectations)
                .map_err(|fault| refused(&fault.to_string()))?;
            builder.bearer(introspector)
        }
    })
}
