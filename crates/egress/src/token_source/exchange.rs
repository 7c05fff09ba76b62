//! One token request over the wire.

use std::{
    fmt,
    num::NonZeroUsize,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use countersign_core::{
    Secret, Timestamp,
    address::check_target_url,
    auth::{
        CachedToken, ClientAuthentication, OAuthConnection, TokenAnswer, TokenRequest, assertion_claims, parse_token_answer,
        token_answer::TOKEN_ANSWER_BYTES_MAX, token_request,
    },
};
use http::{HeaderMap, Method};
use lru::LruCache;
use tokio::{sync::Semaphore, time::timeout};

use super::{assertion::sign, failure::TokenFailureCause};
use crate::{
    answer::{Answer, BodyEnd},
    client::Egress,
    failure::{FailureCause, RequestFault, SendFailure, TimeoutKind},
    request::{Limits, Purpose, Request, Target},
    tls::TlsProfile,
};

/// Authorization servers whose requests are counted.
const SERVERS_MAX: usize = 4_096;

/// One token request with all that went out and came back, for showing it to a person. It holds secrets: the credentials in the
/// request and the token in the answer; `Debug` shows neither.
pub struct TokenExchange {
    /// What was sent; `None` when it did not come to that.
    pub request: Option<TokenRequest>,
    /// What came back; `None` when there was no answer.
    pub answer: Option<Answer>,
    /// The token, or why there is none.
    pub result: Result<CachedToken, TokenFailureCause>,
}

impl fmt::Debug for TokenExchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let status = self.answer.as_ref().map(|answer| answer.status);
        f.debug_struct("TokenExchange").field("request", &self.request).field("status", &status).field("result", &self.result).finish()
    }
}

/// Makes token requests.
pub(super) struct Exchange {
    egress: Egress,
    limits: Limits,
    per_server: usize,
    servers: Mutex<LruCache<String, Arc<Semaphore>>>,
}

impl Exchange {
    pub(super) fn new(egress: Egress) -> Self {
        let settings = egress.settings();
        let limits = Limits {
            total_timeout: settings.token_timeout,
            first_byte_timeout: None,
            body_timeout: settings.token_timeout,
            answer_kept_bytes: TOKEN_ANSWER_BYTES_MAX,
        };
        let per_server = settings.token_requests_per_server.clamp(1, Semaphore::MAX_PERMITS);
        let servers = Mutex::new(LruCache::new(NonZeroUsize::new(SERVERS_MAX).unwrap_or(NonZeroUsize::MIN)));
        Self { egress, limits, per_server, servers }
    }

    /// Asks once.
    pub(super) async fn ask(
        &self,
        connection: &OAuthConnection,
        profile: &Arc<TlsProfile>,
        now: Timestamp,
    ) -> Result<CachedToken, TokenFailureCause> {
        let sent = self.send(connection, profile, now).await?;
        read(connection, &sent.answer.map_err(TokenFailureCause::Unreachable)?, now)
    }

    /// Asks once and keeps what went out and what came back.
    pub(super) async fn ask_and_keep(&self, connection: &OAuthConnection, profile: &Arc<TlsProfile>, now: Timestamp) -> TokenExchange {
        match self.send(connection, profile, now).await {
            Err(cause) => TokenExchange { request: None, answer: None, result: Err(cause) },
            Ok(Sent { request, answer: Err(failure) }) => {
                TokenExchange { request: Some(request), answer: None, result: Err(TokenFailureCause::Unreachable(failure)) }
            }
            Ok(Sent { request, answer: Ok(answer) }) => {
                let result = read(connection, &answer, now);
                TokenExchange { request: Some(request), answer: Some(answer), result }
            }
        }
    }

    async fn send(&self, connection: &OAuthConnection, profile: &Arc<TlsProfile>, now: Timestamp) -> Result<Sent, TokenFailureCause> {
        // The installation's policy may have changed since the connection was saved.
        let url = check_target_url(&connection.token_url, self.egress.token_policy()).map_err(TokenFailureCause::Url)?;
        let unsendable = || TokenFailureCause::Unreachable(SendFailure::before_connection(FailureCause::Request(RequestFault::Unsendable)));
        let target = Target::try_new(&url).map_err(|_| unsendable())?;

        let server = self.server(target.origin());
        let _permit = timeout(self.limits.total_timeout, server.acquire())
            .await
            .map_err(|_| TokenFailureCause::Busy)?
            .map_err(|_| TokenFailureCause::Busy)?;

        // Signed as late as possible, and anew for every request: servers refuse an assertion that they have seen.
        let assertion = assertion(connection, now)?;
        let form = token_request(connection, assertion.as_ref()).map_err(TokenFailureCause::Connection)?;
        let request = Request {
            method: Method::POST,
            target,
            headers: form.headers.iter().cloned().collect::<HeaderMap>(),
            payload: Bytes::copy_from_slice(form.body.expose_secret().as_bytes()).into(),
            profile: Arc::clone(profile),
            limits: Some(self.limits),
            purpose: Purpose::Token,
        };
        Ok(Sent { request: form, answer: self.egress.send(request).await })
    }

    fn server(&self, origin: String) -> Arc<Semaphore> {
        let mut servers = self.servers.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(servers.get_or_insert(origin, || Arc::new(Semaphore::new(self.per_server))))
    }
}

/// A request that went out, and what became of it.
struct Sent {
    request: TokenRequest,
    answer: Result<Answer, SendFailure>,
}

/// What the answer means.
fn read(connection: &OAuthConnection, answer: &Answer, now: Timestamp) -> Result<CachedToken, TokenFailureCause> {
    let facts = TokenAnswer {
        status: answer.status,
        content_type: answer.content_type(),
        body: &answer.body_head,
        complete: answer.body_end == BodyEnd::Complete,
    };
    // Half an answer is no answer, even if its status promised a token.
    let half = match answer.body_end {
        BodyEnd::TimedOut => Some(FailureCause::Timeout(TimeoutKind::Total)),
        BodyEnd::Broken => Some(FailureCause::Closed),
        BodyEnd::Complete | BodyEnd::TooLong => None,
    };
    if let Some(cause) = half.filter(|_| (200..300).contains(&answer.status)) {
        let failure = SendFailure { cause, remote: Some(answer.remote), reused: answer.reused };
        return Err(TokenFailureCause::Unreachable(failure));
    }
    parse_token_answer(connection, &facts, now, chance()).map_err(TokenFailureCause::Refused)
}

fn assertion(connection: &OAuthConnection, now: Timestamp) -> Result<Option<Secret>, TokenFailureCause> {
    let Some(claims) = assertion_claims(connection, now, fresh_id()) else { return Ok(None) };
    match connection.effective_authentication().map_err(TokenFailureCause::Connection)? {
        ClientAuthentication::PrivateKeyJwt(key) => sign(key, &claims).map(Some).map_err(TokenFailureCause::Key),
        _ => Ok(None),
    }
}

/// 128 random bits in hexadecimal.
fn fresh_id() -> String {
    let (high, low) = (random(), random());
    format!("{high:016x}{low:016x}")
}

/// A chance in `[0, 1)`.
pub(super) fn chance() -> f64 {
    let bits = u32::try_from(random() >> 32).unwrap_or(0);
    f64::from(bits) / (f64::from(u32::MAX) + 1.0)
}

fn random() -> u64 {
    getrandom::u64().unwrap_or_else(|error| {
        // Only ids and pauses depend on it here, and these still differ from one moment to the next.
        tracing::error!(%error, "the operating system gives no random bytes");
        u64::try_from(Duration::as_nanos(&std::time::UNIX_EPOCH.elapsed().unwrap_or_default()) & u128::from(u64::MAX)).unwrap_or(0)
    })
}
