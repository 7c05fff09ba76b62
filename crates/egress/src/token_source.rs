//! Where access tokens come from, and where they are kept.
//!
//! A token belongs to everything that it was asked with: connection, secrets, custom parameters, TLS identity. Its place in
//! the cache is named by a digest over all of that ([`ContentKey`]), so that a changed connection asks at once and an old
//! token is never sent for a new one.
//!
//! - **One at a time.** Whoever needs a token while one is being asked for waits for that one. The request runs in a task of
//!   its own: a caller that goes away takes nothing from the others.
//! - **Ahead of time.** From between 70 and 80 % of a token's life the next caller starts its renewal and goes on with the old.
//! - **Never without.** No token, no message: callers get a [`TokenFailure`] with the server's own words and the moment at
//!   which asking again makes sense. Until then everybody gets the same failure, and then exactly one caller asks.
//! - **Refused by the listener.** [`TokenSource::renew`] drops the token that was refused and asks anew, once for all callers
//!   that held it. A listener that refuses every token does not turn that into a load on the authorization server: after
//!   a few renewals there is one a minute.
//!
//! Intervals here are differences of wall-clock times that come from a [`Clock`], as tokens expire by the wall clock.

mod assertion;
mod entry;
mod exchange;
mod failure;
mod pause;
mod token;

use std::{
    fmt,
    num::NonZeroUsize,
    sync::{Arc, Mutex, PoisonError},
};

use countersign_core::{
    Timestamp,
    auth::{ContentKey, OAuthConnection},
};
use lru::LruCache;
use tokio::sync::watch;

use self::{
    entry::{Entry, Flight, Landed, Step},
    exchange::Exchange,
};
pub use self::{
    exchange::TokenExchange,
    failure::{TokenFailure, TokenFailureCause},
    token::{Token, TokenProbe, TokenState},
};
use crate::{client::Egress, clock::Clock, tls::TlsProfile};

/// Connections whose tokens are kept; the least recently used goes first and is asked for again when it is needed.
const CONNECTIONS_MAX: usize = 4_096;

/// A connection and the TLS identity with which it asks. Made once for a configuration and shared; the digest is taken here.
#[derive(Debug, Clone)]
pub struct BoundConnection {
    connection: Arc<OAuthConnection>,
    profile: Arc<TlsProfile>,
    key: ContentKey,
}

/// What became of a forced renewal.
#[derive(Debug, Clone)]
pub enum Renewal {
    /// Another token than the one that was refused: worth one more try.
    Token(Token),
    /// Renewed a few times within the last minutes already, and to no avail: the refusal stands.
    TooSoon,
}

/// Is told of every token request, for the log of the connection. Called outside of all locks; must not block.
pub trait TokenObserver: Send + Sync + 'static {
    /// A request has ended.
    fn probed(&self, probe: &TokenProbe);
}

/// Gets and keeps tokens. Cheap to clone; all clones share the cache.
#[derive(Clone)]
pub struct TokenSource(Arc<Inner>);

struct Inner {
    exchange: Exchange,
    clock: Arc<dyn Clock>,
    observer: Option<Arc<dyn TokenObserver>>,
    entries: Mutex<LruCache<ContentKey, Arc<Entry>>>,
}

impl BoundConnection {
    /// Binds them.
    #[must_use]
    pub fn new(connection: Arc<OAuthConnection>, profile: Arc<TlsProfile>) -> Self {
        let key = connection.content_key(profile.identity().as_ref().map(|identity| identity.as_bytes()));
        Self { connection, profile, key }
    }

    /// Names everything that a token of this connection depends on.
    #[must_use]
    pub fn key(&self) -> ContentKey {
        self.key
    }

    /// The connection.
    #[must_use]
    pub fn connection(&self) -> &Arc<OAuthConnection> {
        &self.connection
    }

    /// The TLS identity.
    #[must_use]
    pub fn profile(&self) -> &Arc<TlsProfile> {
        &self.profile
    }
}

impl TokenSource {
    /// Asks through `egress`, under its policy for tokens.
    #[must_use]
    pub fn new(egress: Egress, clock: Arc<dyn Clock>) -> Self {
        Self::build(egress, clock, None)
    }

    /// And tells `observer` of every request.
    #[must_use]
    pub fn with_observer(egress: Egress, clock: Arc<dyn Clock>, observer: Arc<dyn TokenObserver>) -> Self {
        Self::build(egress, clock, Some(observer))
    }

    fn build(egress: Egress, clock: Arc<dyn Clock>, observer: Option<Arc<dyn TokenObserver>>) -> Self {
        let entries = Mutex::new(LruCache::new(NonZeroUsize::new(CONNECTIONS_MAX).unwrap_or(NonZeroUsize::MIN)));
        Self(Arc::new(Inner { exchange: Exchange::new(egress), clock, observer, entries }))
    }

    /// A token to send now: from the cache when it is good, else by one request for all who wait.
    ///
    /// # Errors
    /// [`TokenFailure`]: hold the message until its `retry_at`; nothing may be sent without a token.
    pub async fn token(&self, bound: &BoundConnection) -> Result<Token, TokenFailure> {
        let entry = self.entry(bound.key);
        let now = self.0.clock.now();
        let step = entry.next_step(now, |flight| self.start(bound, &entry, flight));
        follow(step, now).await
    }

    /// A token in place of one that the listener refused with 401. Callers that held the same token share one request; a
    /// caller whose token was replaced in the meantime gets the new one without any.
    ///
    /// # Errors
    /// [`TokenFailure`] as in [`token`](Self::token).
    pub async fn renew(&self, bound: &BoundConnection, refused: &Token) -> Result<Renewal, TokenFailure> {
        let entry = self.entry(bound.key);
        let now = self.0.clock.now();
        match entry.renewal_step(refused.serial, now, |flight| self.start(bound, &entry, flight)) {
            None => Ok(Renewal::TooSoon),
            Some(step) => follow(step, now).await.map(Renewal::Token),
        }
    }

    /// Asks the authorization server at once, whatever is cached and however often it has failed: for saving a connection
    /// and for the test button, whose callers limit how often. A token that comes of it is used from then on.
    ///
    /// # Errors
    /// [`TokenFailure`]; its cause says whether the configuration is at fault.
    pub async fn fetch(&self, bound: &BoundConnection) -> Result<Token, TokenFailure> {
        let entry = self.entry(bound.key);
        let now = self.0.clock.now();
        let step = entry.fetch_step(|flight| self.start(bound, &entry, flight));
        follow(step, now).await
    }

    /// Asks once, and gives back what went out and what came back beside the token: for showing a person how it is done. Neither
    /// looks at what is cached nor keeps the token.
    pub async fn exchange(&self, bound: &BoundConnection) -> TokenExchange {
        self.0.exchange.ask_and_keep(&bound.connection, &bound.profile, self.0.clock.now()).await
    }

    /// What is known of a connection; `None` when nothing was asked for it, or not for long.
    #[must_use]
    pub fn state(&self, key: &ContentKey) -> Option<TokenState> {
        let entry = self.entries().peek(key).cloned()?;
        Some(entry.state(self.0.clock.now()))
    }

    /// Drops the token of a connection that is no more.
    pub fn forget(&self, key: &ContentKey) {
        self.entries().pop(key);
    }

    fn entry(&self, key: ContentKey) -> Arc<Entry> {
        Arc::clone(self.entries().get_or_insert(key, || Arc::new(Entry::default())))
    }

    fn entries(&self) -> std::sync::MutexGuard<'_, LruCache<ContentKey, Arc<Entry>>> {
        self.0.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts the one request. What it brings is put into the entry first and then told to those who wait.
    fn start(&self, bound: &BoundConnection, entry: &Arc<Entry>, landing: watch::Sender<Landed>) {
        let (inner, bound, entry) = (Arc::clone(&self.0), bound.clone(), Arc::clone(entry));
        tokio::spawn(async move {
            let asked_at = inner.clock.now();
            let started = tokio::time::Instant::now();
            let result = inner.exchange.ask(&bound.connection, &bound.profile, asked_at).await;
            let elapsed = started.elapsed();
            let settled = entry.settle(result, inner.clock.now(), exchange::chance());
            if let Some(observer) = &inner.observer {
                let result = settled.as_ref().map(Token::expires_at).map_err(Clone::clone);
                observer.probed(&TokenProbe { key: bound.key, asked_at, elapsed, result });
            }
            landing.send_replace(Some(settled));
        });
    }
}

/// Waits if there is something to wait for.
async fn follow(step: Step, now: Timestamp) -> Result<Token, TokenFailure> {
    match step {
        Step::Use(token) => Ok(token),
        Step::Refuse(failure) => Err(failure),
        Step::Wait(flight) => landed(flight).await.unwrap_or_else(|| Err(TokenFailure::interrupted(now))),
    }
}

/// `None` when the request was aborted, as it is at shutdown.
async fn landed(mut flight: Flight) -> Landed {
    flight.wait_for(Option::is_some).await.ok().and_then(|landed| landed.clone())
}

impl fmt::Debug for TokenSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenSource").field("connections", &self.entries().len()).finish()
    }
}
