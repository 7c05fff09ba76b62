//! One exchange: a request out, an answer or a failure back.

use std::{
    fmt,
    future::Future,
    num::NonZeroUsize,
    pin::{Pin, pin},
    sync::{Arc, Mutex, PoisonError},
};

use bytes::{Bytes, BytesMut};
use countersign_core::address::TargetPolicy;
use http::{HeaderMap, HeaderValue, Method, header};
use http_body::Body as _;
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper_util::{
    client::legacy::{Client, Error as ClientError},
    rt::{TokioExecutor, TokioTimer},
};
use lru::LruCache;
use tokio::time::{Instant, sleep_until};

use crate::{
    answer::{Answer, BodyEnd, Timings},
    dialer::{Dialer, DialerParts},
    failure::{FailureCause, RequestFault, SendFailure, TimeoutKind},
    payload::Payload,
    request::{Limits, Purpose, Request},
    resolve::{Resolve, SystemResolver},
    settings::Settings,
    stream::ConnectionFacts,
    tls::{Roots, RootsFault, TlsConfigs, TlsIdentity, TlsProfile},
};

/// Longest head of an answer.
const ANSWER_HEAD_BYTES_MAX: u32 = 32 * 1_024;

/// How much of an answer's body is read. What is longer is cut, and the connection closed.
const ANSWER_READ_BYTES_MAX: usize = 64 * 1_024;

/// Profiles with connections of their own that are kept. The least recently used goes first, with its unused connections.
const PROFILES_MAX: usize = 256;

/// HTTP/2: bytes in flight to us on one stream and on a connection. Answers are short.
const HTTP2_WINDOW_BYTES: u32 = 64 * 1_024;

type HttpClient = Client<Dialer, Payload>;

/// The only way out. Cheap to clone; all clones share connections.
#[derive(Clone)]
pub struct Egress {
    shared: Arc<Shared>,
}

struct Shared {
    settings: Settings,
    limits: Limits,
    policy: Arc<TargetPolicy>,
    token_policy: Arc<TargetPolicy>,
    dialer: Arc<DialerParts>,
    tls: TlsConfigs,
    /// For [`TlsProfile::plain`] and messages, which is nearly everything: reached without a lock.
    plain: HttpClient,
    others: Mutex<LruCache<(Option<TlsIdentity>, Purpose), HttpClient>>,
}

impl Egress {
    /// With the resolver of the operating system.
    ///
    /// # Errors
    /// [`RootsFault`] when there is nobody to trust.
    pub fn new(settings: Settings, policy: TargetPolicy, roots: &Roots) -> Result<Self, RootsFault> {
        let resolver = Arc::new(SystemResolver::new(settings.lookups_max));
        Self::with_resolver(settings, policy, roots, resolver)
    }

    /// With a resolver of one's own, as tests have it.
    ///
    /// # Errors
    /// [`RootsFault`] when there is nobody to trust.
    pub fn with_resolver(settings: Settings, policy: TargetPolicy, roots: &Roots, resolver: Arc<dyn Resolve>) -> Result<Self, RootsFault> {
        let tls = TlsConfigs::try_new(roots, settings.http2)?;
        let dialer = Arc::new(DialerParts::new(&settings, resolver));
        let token_policy = Arc::new(policy.for_tokens());
        let policy = Arc::new(policy);
        let plain = http_client(&settings, Dialer::new(Arc::clone(&dialer), Arc::clone(&policy), tls.of(&TlsProfile::plain())?));
        let others = Mutex::new(LruCache::new(NonZeroUsize::new(PROFILES_MAX).unwrap_or(NonZeroUsize::MIN)));
        let limits = Limits::of(&settings);
        Ok(Self { shared: Arc::new(Shared { settings, limits, policy, token_policy, dialer, tls, plain, others }) })
    }

    /// The policy, for checking a URL when it is saved.
    #[must_use]
    pub fn policy(&self) -> &TargetPolicy {
        &self.shared.policy
    }

    /// The policy for token URLs.
    #[must_use]
    pub fn token_policy(&self) -> &TargetPolicy {
        &self.shared.token_policy
    }

    /// As it was made with.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.shared.settings
    }

    /// Makes one exchange and repeats nothing: a request that may have left counts, whatever became of it
    /// (RFC 9110 §9.2.2: POST is not idempotent). Dropping the future ends the exchange and its connection.
    ///
    /// # Errors
    /// [`SendFailure`] when no complete head of an answer came back in time.
    pub async fn send(&self, request: Request) -> Result<Answer, SendFailure> {
        let Request { method, target, headers, payload, profile, limits, purpose } = request;
        let limits = limits.unwrap_or(self.shared.limits);
        let other;
        let client = if profile.identity().is_none() && purpose == Purpose::Message {
            &self.shared.plain
        } else {
            other = self.other_client(&profile, purpose)?;
            &other
        };
        let outgoing = outgoing(method, target.uri().clone(), headers, payload)?;

        let started = Instant::now();
        let total_at = started + limits.total_timeout;
        let head_at = limits.first_byte_timeout.map_or(total_at, |wait| total_at.min(started + wait));
        // One timer serves all of the exchange.
        let mut timer = pin!(sleep_until(head_at));
        let response = tokio::select! {
            biased;
            response = client.request(outgoing) => response.map_err(|error| failure_of(&error))?,
            () = timer.as_mut() => {
                let which = if head_at < total_at { TimeoutKind::FirstByte } else { TimeoutKind::Total };
                return Err(SendFailure::before_connection(FailureCause::Timeout(which)));
            }
        };
        let first_byte = started.elapsed();
        let facts = response.extensions().get::<Arc<ConnectionFacts>>().cloned();
        let (head, body) = response.into_parts();
        let Some(facts) = facts else {
            return Err(SendFailure::before_connection(FailureCause::Closed));
        };
        let reused = facts.mark_used();
        // Two lengths are two answers, and which of them was meant cannot be known (RFC 9112 §6.3).
        if head.headers.contains_key(header::TRANSFER_ENCODING) && head.headers.contains_key(header::CONTENT_LENGTH) {
            return Err(SendFailure { cause: FailureCause::BadAnswer, remote: Some(facts.remote), reused });
        }
        let (body_head, body_end, truncated) = if body.is_end_stream() {
            (Bytes::new(), BodyEnd::Complete, false)
        } else {
            timer.as_mut().reset(total_at.min(Instant::now() + limits.body_timeout));
            read(body, limits.answer_kept_bytes, timer).await
        };
        let fresh = (!reused).then_some(&facts);
        Ok(Answer {
            status: head.status.as_u16(),
            version: head.version,
            headers: head.headers,
            body_head,
            body_end,
            truncated,
            remote: facts.remote,
            reused,
            timings: Timings {
                dns: fresh.map(|facts| facts.dns),
                connect: fresh.map(|facts| facts.connect),
                tls: fresh.and_then(|facts| facts.tls),
                first_byte,
                total: started.elapsed(),
            },
        })
    }

    fn other_client(&self, profile: &TlsProfile, purpose: Purpose) -> Result<HttpClient, SendFailure> {
        let shared = &*self.shared;
        let key = (profile.identity(), purpose);
        let mut others = shared.others.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = others.get(&key) {
            return Ok(client.clone());
        }
        let config = shared.tls.of(profile).map_err(|error| {
            tracing::error!(%error, "a TLS profile that was accepted cannot be used");
            SendFailure::before_connection(FailureCause::Request(RequestFault::Unsendable))
        })?;
        let policy = match purpose {
            Purpose::Message => &shared.policy,
            Purpose::Token => &shared.token_policy,
        };
        let client = http_client(&shared.settings, Dialer::new(Arc::clone(&shared.dialer), Arc::clone(policy), config));
        others.put(key, client.clone());
        Ok(client)
    }
}

impl fmt::Debug for Egress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Egress").field("settings", &self.shared.settings).finish_non_exhaustive()
    }
}

fn http_client(settings: &Settings, dialer: Dialer) -> HttpClient {
    Client::builder(TokioExecutor::new())
        .pool_timer(TokioTimer::new())
        .timer(TokioTimer::new())
        .pool_idle_timeout(settings.pool_idle_timeout)
        .pool_max_idle_per_host(settings.pool_idle_per_host)
        // Repeats only what never left: a request that found its pooled connection closed before a byte was written.
        .retry_canceled_requests(true)
        // Some listeners still compare names by case; this is as near to Connect's spelling as HTTP lets us come.
        .http1_title_case_headers(true)
        .http1_max_buf_size(ANSWER_HEAD_BYTES_MAX as usize)
        .http2_max_header_list_size(ANSWER_HEAD_BYTES_MAX)
        .http2_initial_stream_window_size(HTTP2_WINDOW_BYTES)
        .http2_initial_connection_window_size(16 * HTTP2_WINDOW_BYTES)
        .build(dialer)
}

fn outgoing(method: Method, uri: http::Uri, mut headers: HeaderMap, payload: Payload) -> Result<http::Request<Payload>, SendFailure> {
    const FRAMING: [header::HeaderName; 4] = [header::HOST, header::CONTENT_LENGTH, header::TRANSFER_ENCODING, header::CONNECTION];
    if FRAMING.iter().any(|name| headers.contains_key(name)) {
        return Err(SendFailure::before_connection(FailureCause::Request(RequestFault::FramingHeader)));
    }
    // We never inflate, so nobody shall deflate.
    headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    if payload.is_empty() && method != Method::GET {
        // RFC 9110 §8.6 wants a length even of nothing, which the client leaves out.
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from_static("0"));
    }
    let mut request = http::Request::new(payload);
    *request.method_mut() = method;
    *request.uri_mut() = uri;
    *request.headers_mut() = headers;
    Ok(request)
}

fn failure_of(error: &ClientError) -> SendFailure {
    let cause = FailureCause::of_exchange(error);
    let facts = error.connect_info().and_then(|connected| {
        let mut extensions = http::Extensions::new();
        connected.get_extras(&mut extensions);
        extensions.remove::<Arc<ConnectionFacts>>()
    });
    match facts {
        Some(facts) => SendFailure { cause, remote: Some(facts.remote), reused: facts.mark_used() },
        None => SendFailure::before_connection(cause),
    }
}

/// Reads at most [`ANSWER_READ_BYTES_MAX`] and keeps at most `kept_max`. Dropping the body unread closes its connection.
async fn read(mut body: Incoming, kept_max: usize, mut timer: Pin<&mut impl Future<Output = ()>>) -> (Bytes, BodyEnd, bool) {
    let kept_max = kept_max.min(ANSWER_READ_BYTES_MAX);
    let mut kept = BytesMut::new();
    let mut length = 0_usize;
    let end = loop {
        let frame = tokio::select! {
            biased;
            frame = body.frame() => frame,
            () = timer.as_mut() => break BodyEnd::TimedOut,
        };
        let data = match frame {
            None => break BodyEnd::Complete,
            Some(Err(_)) => break BodyEnd::Broken,
            Some(Ok(frame)) => frame.into_data().unwrap_or_default(),
        };
        // Copied, as the piece is a window on a read buffer of many kilobytes.
        let room = kept_max.saturating_sub(kept.len());
        kept.extend_from_slice(&data[..data.len().min(room)]);
        length = length.saturating_add(data.len());
        if length > ANSWER_READ_BYTES_MAX {
            break BodyEnd::TooLong;
        }
        if body.is_end_stream() {
            break BodyEnd::Complete;
        }
    };
    let truncated = end != BodyEnd::Complete || length > kept.len();
    (kept.freeze(), end, truncated)
}
