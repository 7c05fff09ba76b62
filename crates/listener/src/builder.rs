//! Putting a listener together, which fails when it would check nothing.

use std::{fmt, net::IpAddr, sync::Arc, time::Duration};

use countersign_signature::{HmacKey, standard_webhooks::StandardKey};
use http::{Extensions, request::Parts};
use tokio::sync::Semaphore;

use crate::{
    answer::Challenges,
    basic::BasicCheck,
    bearer::BearerCheck,
    body::BodyLimits,
    certificate::ClientCertificateCheck,
    clock::Clock,
    hmac::{HmacCheck, StandardCheck},
    listener::{Configured, FindPeer, Listener, Observe},
    proxy::{PeerAddress, TrustedProxies, TrustedProxy},
    replay::ReplayGuard,
    verdict::Verdict,
};

/// The longest body taken unless configured otherwise, in bytes: Connect sends 25 MB and more when documents are included.
pub const BODY_BYTES_MAX: usize = 32 << 20;
/// A body must arrive within this time unless configured otherwise: Connect itself waits 100 s for the answer.
pub const BODY_TIMEOUT: Duration = Duration::from_secs(60);
/// All bodies that are read or handled at once have at most this many bytes unless configured otherwise: eight of the longest.
pub const BODIES_BYTES_MAX: usize = 256 << 20;

/// A listener cannot be made of what was configured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ListenerRefused {
    /// Nothing would be checked.
    #[error("no check is configured: add an hmac key, Basic credentials, a token check or a certificate check")]
    NoCheck,
    /// Checking against an empty list of keys accepts nothing; checking nothing by mistake would accept everything.
    #[error("the list of hmac keys is empty")]
    NoKeys,
    /// The list of accounts is empty.
    #[error("the list of account ids is empty")]
    NoAccounts,
    /// The realm cannot stand in a header.
    #[error("the realm has characters other than visible ASCII without quotes and backslashes")]
    Realm,
}

/// Puts a [`Listener`] together.
#[derive(Debug, Default)]
#[must_use]
pub struct ListenerBuilder {
    certificate: Option<ClientCertificateCheck>,
    proxies: TrustedProxies,
    find_peer: Option<PeerFinder>,
    hmac: Option<HmacCheck>,
    standard: Option<StandardCheck>,
    basic: Vec<BasicCheck>,
    bearer: Option<BearerCheck>,
    accounts: Option<Vec<String>>,
    replay: Option<Guard>,
    body_bytes_max: Option<usize>,
    body_timeout: Option<Duration>,
    bodies_bytes_max: Option<usize>,
    realm: Option<String>,
    observer: Option<Observer>,
    clock: Clock,
}

impl Listener {
    /// Starts with no checks; at least one must be added.
    pub fn builder() -> ListenerBuilder {
        ListenerBuilder::default()
    }
}

impl ListenerBuilder {
    /// Demands a client certificate: that of the connection ([`PeerCertificate`](crate::PeerCertificate) in the extensions of the
    /// request), or one that a [trusted proxy](Self::trusted_proxy) names.
    pub fn client_certificate(mut self, check: ClientCertificateCheck) -> Self {
        self.certificate = Some(check);
        self
    }

    /// Believes this proxy which certificate the sender has; may be called for several. From everyone else the headers that name one are
    /// taken out of the request.
    pub fn trusted_proxy(mut self, proxy: TrustedProxy) -> Self {
        self.proxies.0.push(proxy);
        self
    }

    /// Finds the address of the other end of the connection in the extensions of a request with `find`;
    /// [`PeerAddress`] unless set.
    ///
    /// ```
    /// # use countersign_listener::{BasicCheck, Listener, TrustedProxy};
    /// use std::net::SocketAddr;
    ///
    /// # let builder = Listener::builder().basic(BasicCheck::try_new("connect", "a long password")?);
    /// // With axum, served with `into_make_service_with_connect_info::<SocketAddr>()`:
    /// let builder = builder.peer_address(|extensions| {
    ///     extensions.get::<axum::extract::ConnectInfo<SocketAddr>>().map(|peer| peer.0.ip())
    /// });
    /// # builder.build()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn peer_address(mut self, find: impl Fn(&Extensions) -> Option<IpAddr> + Send + Sync + 'static) -> Self {
        self.find_peer = Some(PeerFinder(Arc::new(find)));
        self
    }

    /// Demands a Connect signature by one of `keys` over the raw body.
    pub fn hmac(mut self, keys: impl IntoIterator<Item = HmacKey>) -> Self {
        self.hmac = Some(HmacCheck(keys.into_iter().collect()));
        self
    }

    /// Demands a Standard Webhooks signature by one of `keys`, not older than five minutes.
    pub fn standard_webhooks(mut self, keys: impl IntoIterator<Item = StandardKey>) -> Self {
        self.standard = Some(StandardCheck(keys.into_iter().collect()));
        self
    }

    /// Accepts this user name and password; may be called for several. With [`bearer`](Self::bearer) too, either is enough: a request has
    /// one `Authorization` header.
    pub fn basic(mut self, check: BasicCheck) -> Self {
        self.basic.push(check);
        self
    }

    /// Accepts bearer tokens that pass this check.
    pub fn bearer(mut self, check: impl Into<BearerCheck>) -> Self {
        self.bearer = Some(check.into());
        self
    }

    /// Demands that `X-DocuSign-AccountId` names one of these accounts, compared without case. The header is not signed: it sorts out
    /// mistakes, not forgers.
    pub fn account_ids(mut self, ids: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.accounts = Some(ids.into_iter().map(Into::into).collect());
        self
    }

    /// Hands each message to the application once.
    pub fn replay_guard(mut self, guard: impl ReplayGuard) -> Self {
        self.replay = Some(Guard(Arc::new(guard)));
        self
    }

    /// Takes bodies of at most `bytes`; [`BODY_BYTES_MAX`] unless set.
    pub fn body_bytes_max(mut self, bytes: usize) -> Self {
        self.body_bytes_max = Some(bytes);
        self
    }

    /// Waits for a body no longer than this; [`BODY_TIMEOUT`] unless set.
    pub fn body_timeout(mut self, timeout: Duration) -> Self {
        self.body_timeout = Some(timeout);
        self
    }

    /// Holds at most `bytes` of all bodies that are read or handled at once; [`BODIES_BYTES_MAX`] unless set, and never less than one whole
    /// body. Who comes when they are taken is answered 503 with `Retry-After`.
    pub fn bodies_bytes_max(mut self, bytes: usize) -> Self {
        self.bodies_bytes_max = Some(bytes);
        self
    }

    /// The realm named in challenges; `webhooks` unless set.
    pub fn realm(mut self, realm: impl Into<String>) -> Self {
        self.realm = Some(realm.into());
        self
    }

    /// Calls `observer` with every verdict of the layer, accepted and refused: for a log or a live list.
    pub fn observer(mut self, observer: impl Fn(&Parts, &Verdict) + Send + Sync + 'static) -> Self {
        self.observer = Some(Observer(Arc::new(observer)));
        self
    }

    /// Reads the time here in place of the machine's clock.
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// The listener.
    ///
    /// # Errors
    /// [`ListenerRefused`] when nothing would be checked, or a check is configured with nothing to check against.
    pub fn build(self) -> Result<Listener, ListenerRefused> {
        let Self { certificate, proxies, find_peer, hmac, standard, basic, bearer, accounts, replay, observer, clock, .. } = self;
        if certificate.is_none() && hmac.is_none() && standard.is_none() && basic.is_empty() && bearer.is_none() {
            return Err(ListenerRefused::NoCheck);
        }
        if hmac.as_ref().is_some_and(|check| check.0.is_empty()) || standard.as_ref().is_some_and(|check| check.0.is_empty()) {
            return Err(ListenerRefused::NoKeys);
        }
        if accounts.as_ref().is_some_and(Vec::is_empty) {
            return Err(ListenerRefused::NoAccounts);
        }
        let realm = self.realm.as_deref().unwrap_or("webhooks");
        let challenges = Challenges::new(realm, !basic.is_empty(), bearer.is_some()).ok_or(ListenerRefused::Realm)?;
        let bytes_max = self.body_bytes_max.unwrap_or(BODY_BYTES_MAX);
        let budget = self.bodies_bytes_max.unwrap_or(BODIES_BYTES_MAX).max(bytes_max).min(Semaphore::MAX_PERMITS);
        let timeout = self.body_timeout.unwrap_or(BODY_TIMEOUT);
        let body = BodyLimits { bytes_max, timeout, budget: Arc::new(Semaphore::new(budget)) };
        Ok(Listener(Arc::new(Configured {
            certificate,
            proxies,
            find_peer: find_peer.map_or_else(|| Arc::new(PeerAddress::read) as Arc<FindPeer>, |find| find.0),
            hmac,
            standard,
            basic,
            bearer,
            accounts,
            replay: replay.map(|guard| guard.0),
            observer: observer.map(|observer| observer.0),
            clock,
            challenges,
            body,
        })))
    }
}

struct Guard(Arc<dyn ReplayGuard>);

impl fmt::Debug for Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ReplayGuard(..)")
    }
}

struct Observer(Arc<Observe>);

impl fmt::Debug for Observer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Observer(..)")
    }
}

struct PeerFinder(Arc<FindPeer>);

impl fmt::Debug for PeerFinder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PeerFinder(..)")
    }
}
