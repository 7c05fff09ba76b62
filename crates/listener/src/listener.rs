//! A listener: which checks a message must pass, and the one place where they are put in order.

use std::{fmt, sync::Arc, time::Duration};

use bytes::Bytes;
use countersign_signature::{HmacKey, standard_webhooks::StandardKey};
use http::{HeaderMap, request::Parts};
use subtle::Choice;

use crate::{
    answer::{Challenges, answer, status_of},
    basic::BasicCheck,
    bearer::{BearerCheck, PeerCertificate},
    clock::Clock,
    credential::{BasicPair, Credential, has_token_in_form},
    hmac::{HmacCheck, StandardCheck},
    refusal::Refusal,
    replay::{ReplayGuard, ReplayKey, Seen},
    verdict::{Authorized, Checked, Freshness, Verdict},
};

/// The longest body taken unless configured otherwise, in bytes: Connect sends 25 MB and more when documents are included.
pub const BODY_BYTES_MAX: usize = 32 << 20;
/// A body must arrive within this time unless configured otherwise: Connect itself waits 100 s for the answer.
pub const BODY_TIMEOUT: Duration = Duration::from_secs(60);
/// The header with the account (Connect: `X-DocuSign-AccountId`).
const ACCOUNT_HEADER: &str = "x-docusign-accountid";

/// A listener cannot be made of what was configured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ListenerRefused {
    /// Nothing would be checked.
    #[error("no check is configured: add an hmac key, Basic credentials or a token check")]
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
    hmac: Option<HmacCheck>,
    standard: Option<StandardCheck>,
    basic: Vec<BasicCheck>,
    bearer: Option<BearerCheck>,
    accounts: Option<Vec<String>>,
    replay: Option<Guard>,
    body_bytes_max: Option<usize>,
    body_timeout: Option<Duration>,
    realm: Option<String>,
    observer: Option<Observer>,
    clock: Clock,
}

impl ListenerBuilder {
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
        let Self { hmac, standard, basic, bearer, accounts, replay, observer, clock, .. } = self;
        if hmac.is_none() && standard.is_none() && basic.is_empty() && bearer.is_none() {
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
        let body_bytes_max = self.body_bytes_max.unwrap_or(BODY_BYTES_MAX);
        let body_timeout = self.body_timeout.unwrap_or(BODY_TIMEOUT);
        Ok(Listener(Arc::new(Configured {
            hmac,
            standard,
            basic,
            bearer,
            accounts,
            replay: replay.map(|guard| guard.0),
            observer: observer.map(|observer| observer.0),
            clock,
            challenges,
            body_bytes_max,
            body_timeout,
        })))
    }
}

struct Guard(Arc<dyn ReplayGuard>);

impl fmt::Debug for Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ReplayGuard(..)")
    }
}

type Observe = dyn Fn(&Parts, &Verdict) + Send + Sync;

struct Observer(Arc<Observe>);

impl fmt::Debug for Observer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Observer(..)")
    }
}

/// The checks a message must pass. Cheap to clone.
#[derive(Clone)]
pub struct Listener(Arc<Configured>);

struct Configured {
    hmac: Option<HmacCheck>,
    standard: Option<StandardCheck>,
    basic: Vec<BasicCheck>,
    bearer: Option<BearerCheck>,
    accounts: Option<Vec<String>>,
    replay: Option<Arc<dyn ReplayGuard>>,
    observer: Option<Arc<Observe>>,
    clock: Clock,
    challenges: Challenges,
    body_bytes_max: usize,
    body_timeout: Duration,
}

impl Listener {
    /// Starts with no checks; at least one must be added.
    pub fn builder() -> ListenerBuilder {
        ListenerBuilder::default()
    }

    /// Runs every check but the replay guard over a message that is at hand whole, the later ones even when an earlier one refuses: for
    /// showing what is wrong with a message. The layer stops at the first refusal.
    pub async fn examine(&self, head: &Parts, body: &Bytes) -> Verdict {
        let mut verdict = Verdict { authorization: self.check_authorization(head).await, ..Verdict::default() };
        verdict.body = self.check_length(body.len());
        self.check_body(head, body, &mut verdict);
        verdict
    }

    /// Checks what stands in the head of the request: Basic or bearer.
    pub(crate) async fn check_authorization(&self, head: &Parts) -> Checked<Authorized> {
        if self.0.basic.is_empty() && self.0.bearer.is_none() {
            return Checked::NotAsked;
        }
        Checked::from_result(match Credential::read(&head.headers, &head.uri) {
            Credential::Several => Err(Refusal::SeveralCredentials),
            Credential::Basic(pair) if !self.0.basic.is_empty() => self.check_basic(pair.as_ref()),
            Credential::Bearer(token) if self.0.bearer.is_some() => {
                self.check_bearer(head, token.as_ref().map(|token| token.as_str())).await
            }
            Credential::None | Credential::Basic(_) | Credential::Bearer(_) => Err(Refusal::NoCredentials),
        })
    }

    fn check_basic(&self, pair: Option<&BasicPair>) -> Result<Authorized, Refusal> {
        let pair = pair.ok_or(Refusal::Basic)?;
        let fitting: Vec<(Choice, &BasicCheck)> = self.0.basic.iter().map(|check| (check.fits(pair), check)).collect();
        let found = fitting.into_iter().find(|(fits, _)| bool::from(*fits)).ok_or(Refusal::Basic)?;
        Ok(Authorized::Basic { user: found.1.user().to_owned() })
    }

    async fn check_bearer(&self, head: &Parts, token: Option<&str>) -> Result<Authorized, Refusal> {
        use crate::token::TokenRefused;
        let token = token.ok_or(TokenRefused::Malformed("not the characters or length of a token"))?;
        let bearer = self.0.bearer.as_ref().ok_or(Refusal::NoCredentials)?;
        let claims = bearer.check(token, head.extensions.get::<PeerCertificate>(), self.0.clock.now()).await?;
        Ok(Authorized::Bearer(Box::new(claims)))
    }

    pub(crate) fn check_length(&self, bytes: usize) -> Checked<usize> {
        let bytes_max = self.0.body_bytes_max;
        if bytes > bytes_max { Checked::Refused(Refusal::BodyTooLarge { bytes_max }) } else { Checked::Passed(bytes) }
    }

    /// Checks what needs the raw body: the signatures, and the account they are said to be of.
    pub(crate) fn check_body(&self, head: &Parts, body: &[u8], verdict: &mut Verdict) {
        let headers = &head.headers;
        if matches!(verdict.authorization, Checked::Passed(Authorized::Bearer(_))) && has_token_in_form(headers, body) {
            verdict.authorization = Checked::Refused(Refusal::SeveralCredentials);
        }
        if let Some(check) = &self.0.hmac {
            verdict.hmac = Checked::from_result(check.check(headers, body));
        }
        if let Some(check) = &self.0.standard {
            verdict.standard_webhooks = Checked::from_result(check.check(headers, body, self.0.clock.now()));
        }
        if let Some(accounts) = &self.0.accounts {
            verdict.account = Checked::from_result(account_of(headers, accounts).ok_or(Refusal::Account));
        }
    }

    /// Asks the replay guard about a message whose other checks all passed; the key is that of a message to be finished later.
    pub(crate) async fn begin(&self, body: &[u8], verdict: &mut Verdict) -> Option<ReplayKey> {
        let guard = self.0.replay.as_ref()?;
        let key = match verdict.standard_webhooks.passed() {
            Some(matched) => ReplayKey::of_delivery(&matched.id),
            None => ReplayKey::of_body(body),
        };
        verdict.replay = Checked::from_result(match guard.begin(key, self.0.clock.now()).await {
            Ok(Seen::New) => Ok(Freshness::New),
            Ok(Seen::Before) => Ok(Freshness::Duplicate),
            Ok(Seen::InProgress) => Err(Refusal::ReplayInProgress),
            Err(failed) => Err(Refusal::ReplayGuard(failed.0)),
        });
        (verdict.replay == Checked::Passed(Freshness::New)).then_some(key)
    }

    /// Tells the replay guard how the application took a message.
    pub(crate) async fn finish(&self, key: ReplayKey, handled: crate::replay::Handled) {
        let Some(guard) = &self.0.replay else { return };
        if let Err(failed) = guard.finish(key, handled, self.0.clock.now()).await {
            tracing::error!(reason = %failed, "the replay guard could not note how a message was handled; it may come twice");
        }
    }

    pub(crate) fn body_bytes_max(&self) -> usize {
        self.0.body_bytes_max
    }

    pub(crate) fn body_timeout(&self) -> Duration {
        self.0.body_timeout
    }

    /// Passes a verdict on to whoever watches.
    pub(crate) fn observe(&self, head: &Parts, verdict: &Verdict) {
        if let Some(refusal) = verdict.refusal() {
            tracing::info!(status = status_of(refusal).as_u16(), reason = %refusal, "a message was refused");
        }
        if let Some(observer) = &self.0.observer {
            observer(head, verdict);
        }
    }

    pub(crate) fn answer<B>(&self, refusal: &Refusal, body: B) -> http::Response<B> {
        answer(refusal, &self.0.challenges, body)
    }
}

impl fmt::Debug for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Listener")
            .field("hmac", &self.0.hmac.is_some())
            .field("standard_webhooks", &self.0.standard.is_some())
            .field("basic", &self.0.basic.len())
            .field("bearer", &self.0.bearer.is_some())
            .field("accounts", &self.0.accounts)
            .field("replay_guard", &self.0.replay.is_some())
            .field("body_bytes_max", &self.0.body_bytes_max)
            .finish_non_exhaustive()
    }
}

/// The account that the one header names, when it is expected.
fn account_of(headers: &HeaderMap, accounts: &[String]) -> Option<String> {
    let mut values = headers.get_all(ACCOUNT_HEADER).iter();
    let (Some(value), None) = (values.next(), values.next()) else { return None };
    let account = value.to_str().ok()?;
    accounts.iter().any(|known| known.eq_ignore_ascii_case(account)).then(|| account.to_owned())
}
