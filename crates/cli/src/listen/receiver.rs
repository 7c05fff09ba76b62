//! A request on its way through the listener: read, checked, handed on, answered, told.
//!
//! The kit's layer decides; this is what stands around it. A [`Watched`] in the request's extensions brings the verdict back from the
//! layer, also of requests that it refused, and a [`Tee`] what it read of the body.

use std::{
    convert::Infallible,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use axum::{
    Router,
    body::Body,
    extract::{ConnectInfo, State},
    routing::get,
};
use bytes::Bytes;
use countersign_core::Timestamp;
use countersign_listener::{
    Checked, DUPLICATE_HEADER, Freshness, PeerAddress, PeerCertificate, Refusal, ReplayKey, Verdict, message::Outline,
};
use countersign_server::serving::ShownCertificate;
use countersign_signature::explain::{Candidate, Finding, explain};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Full, Limited};
use tokio::{sync::Semaphore, time::Instant};
use tower::{Layer as _, ServiceExt as _, service_fn};

use super::{
    arrival::{Arrival, Fate, Forwarded, shown_headers},
    carried,
    checks::Checks,
    forwarding::Forwarder,
    gist::Gist,
    inbox::Inbox,
    outlet::Outlet,
    script::Script,
    tally::Tally,
    tee::{Budget, Kept, Tee},
    told,
    watched::{Handed, Watched},
};

/// Findings told of a signature that does not match.
const FINDINGS_MAX: usize = 3;
/// Seconds after which a sender may try again when nothing better is known.
const RETRY_AFTER_SECONDS: u32 = 30;

/// What happens with a message whose checks passed.
pub(crate) enum After {
    /// It is answered.
    Answer,
    /// It is forwarded at once, and the answer says whether all took it.
    Forward(Forwarder),
    /// It is recorded, and the answer says whether it is on stable storage.
    Store(Arc<Inbox>),
}

/// Everything a request meets.
pub(crate) struct Receiver {
    /// The checks.
    pub(crate) checks: Checks,
    /// What follows.
    pub(crate) after: After,
    /// Answers as told.
    pub(crate) script: Script,
    /// Where arrivals are told.
    pub(crate) outlet: Outlet,
    /// Counts.
    pub(crate) tally: Arc<Tally>,
    /// Whether a signature that does not match is explained: costs up to 300 digests of the body.
    pub(crate) explains: bool,
    /// Bodies in memory.
    pub(crate) budget: Arc<Budget>,
    /// One explanation at a time: strangers must not choose how much is computed.
    pub(crate) explaining: Semaphore,
    /// How many have arrived.
    pub(crate) arrivals: AtomicU64,
    /// The time.
    pub(crate) clock: countersign_server::clock::Clock,
}

/// Every path takes messages by POST; `/healthz` says that the process is alive.
pub(crate) fn router(receiver: &Arc<Receiver>) -> Router {
    Router::new().route("/healthz", get(async || "alive\n")).fallback(receive).with_state(Arc::clone(receiver))
}

async fn receive(State(receiver): State<Arc<Receiver>>, request: Request<Body>) -> Response<Body> {
    if request.method() != Method::POST {
        let mut answer = Response::new(Body::empty());
        *answer.status_mut() = StatusCode::METHOD_NOT_ALLOWED;
        answer.headers_mut().insert(header::ALLOW, HeaderValue::from_static("POST"));
        return answer;
    }
    let (at, began) = ((receiver.clock)(), Instant::now());
    let (mut head, body) = request.into_parts();
    if let Some(ShownCertificate(certificate)) = head.extensions.remove::<ShownCertificate>() {
        head.extensions.insert(PeerCertificate(certificate));
    }
    let watched = Watched::default();
    head.extensions.insert(watched.clone());
    let peer = head.extensions.get::<ConnectInfo<SocketAddr>>().map(|info| info.0);
    if let Some(peer) = peer {
        head.extensions.insert(PeerAddress(peer.ip()));
    }
    let noted = (!receiver.outlet.is_silent()).then(|| Noted {
        at,
        peer,
        path: head.uri.path_and_query().map_or_else(String::new, ToString::to_string),
        headers: shown_headers(&head.headers),
        raw: receiver.explains.then(|| head.headers.clone()),
    });
    let kept = Kept::new(&receiver.budget);
    let mut answer = receiver.checked(Request::from_parts(head, Tee::new(body, Arc::clone(&kept)))).await;
    if kept.is_over_budget() {
        answer = refused_for_now(StatusCode::SERVICE_UNAVAILABLE, RETRY_AFTER_SECONDS);
    }
    receiver.tell(noted, &watched, &kept, answer.status(), began).await;
    answer
}

/// What is kept of the head of a request, where somebody is told of it.
struct Noted {
    at: Timestamp,
    peer: Option<SocketAddr>,
    path: String,
    headers: Vec<(String, String)>,
    /// As received, for explaining; dropped with it.
    raw: Option<HeaderMap>,
}

impl Receiver {
    /// Through the kit's layer, or past it where nothing is to be checked.
    async fn checked(self: &Arc<Self>, request: Request<Tee>) -> Response<Body> {
        let Some(listener) = &self.checks.listener else { return self.unchecked(request).await };
        let receiver = Arc::clone(self);
        let behind = service_fn(move |request: Request<Full<Bytes>>| {
            let receiver = Arc::clone(&receiver);
            async move {
                let (head, body) = request.into_parts();
                let body = body.collect().await.map_or_else(|never: Infallible| match never {}, |body| body.to_bytes());
                let verdict = head.extensions.get::<Verdict>();
                let watched = head.extensions.get::<Watched>().cloned().unwrap_or_default();
                Ok::<_, Infallible>(receiver.handed(&head.headers, verdict, body, &watched).await)
            }
        });
        match listener.layer().layer(behind).oneshot(request).await {
            Ok(answer) => answer.map(Body::new),
            Err(never) => match never {},
        }
    }

    async fn unchecked(self: &Arc<Self>, request: Request<Tee>) -> Response<Body> {
        let (head, body) = request.into_parts();
        let watched = head.extensions.get::<Watched>().cloned().unwrap_or_default();
        let reading = Limited::new(body, self.checks.body_bytes_max).collect();
        match tokio::time::timeout(countersign_listener::BODY_TIMEOUT, reading).await {
            Ok(Ok(body)) => self.handed(&head.headers, None, body.to_bytes(), &watched).await.map(Body::new),
            Ok(Err(error)) if error.is::<http_body_util::LengthLimitError>() => status_alone(StatusCode::PAYLOAD_TOO_LARGE),
            Ok(Err(_)) => status_alone(StatusCode::BAD_REQUEST),
            Err(_) => status_alone(StatusCode::REQUEST_TIMEOUT),
        }
    }

    /// A message whose checks passed.
    async fn handed(&self, headers: &HeaderMap, verdict: Option<&Verdict>, body: Bytes, watched: &Watched) -> Response<Full<Bytes>> {
        let mut handed = Handed { body: body.clone(), ..Handed::default() };
        let told = self.script.next();
        let mut retry_after = None;
        let status = match &self.after {
            After::Answer => StatusCode::OK,
            After::Forward(forwarder) => {
                let carried = carried::headers(headers, verdict);
                let (gist, key) = read(verdict, &body);
                handed.forwards = forwarder.forward(&gist.event, key, &carried, &body).await;
                handed.forwards.iter().for_each(|forwarded| self.tally.count_forward(forwarded));
                if handed.forwards.iter().all(Forwarded::is_taken) { StatusCode::OK } else { StatusCode::BAD_GATEWAY }
            }
            After::Store(inbox) => {
                let carried = carried::headers(headers, verdict);
                let (mut gist, key) = read(verdict, &body);
                if is_known_by_its_id(verdict) {
                    // Its body may be of another time when it comes again.
                    gist.generated_at = None;
                }
                match inbox.record(gist, key, carried, body).await {
                    Ok(stored) => {
                        handed.stored = Some(stored.event);
                        handed.duplicate = !stored.is_new;
                        StatusCode::OK
                    }
                    Err(failure) => {
                        tracing::warn!(status = failure.status.as_u16(), reason = %failure.message, "a message could not be stored; its sender is told to come back");
                        retry_after = Some(failure.retry_after.unwrap_or(RETRY_AFTER_SECONDS));
                        failure.status
                    }
                }
            }
        };
        if let Some(delay) = self.script.delay {
            tokio::time::sleep(delay).await;
        }
        let mut answer = Response::new(Full::default());
        *answer.status_mut() = told.unwrap_or(status);
        if handed.duplicate {
            answer.headers_mut().insert(DUPLICATE_HEADER, HeaderValue::from_static("true"));
        }
        if let Some(seconds) = retry_after {
            answer.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        watched.hand(handed);
        answer
    }

    /// Counts the request and tells of it.
    async fn tell(self: &Arc<Self>, noted: Option<Noted>, watched: &Watched, kept: &Kept, status: StatusCode, began: Instant) {
        let verdict = watched.verdict();
        let handed = watched.handed();
        let refusal = verdict.and_then(Verdict::refusal);
        let fate = match handed {
            _ if refusal.is_some() => Fate::Refused,
            Some(handed) if handed.duplicate => Fate::Duplicate,
            Some(_) if status.is_success() => Fate::Accepted,
            None if verdict.is_some_and(|verdict| verdict.replay == Checked::Passed(Freshness::Duplicate)) => Fate::Duplicate,
            _ => Fate::NotTaken,
        };
        self.tally.count(fate, refusal.map(told::kind_of));
        let Some(noted) = noted else { return };
        let body = handed.map_or_else(|| kept.whole(), |handed| handed.body.clone());
        let gist = Gist::of(&body);
        let mismatch = matches!(refusal, Some(Refusal::Hmac(_)));
        let mut arrival = Arrival {
            number: self.arrivals.fetch_add(1, Ordering::Relaxed) + 1,
            at: noted.at,
            peer: noted.peer,
            path: noted.path,
            headers: noted.headers,
            body,
            event: gist.event,
            envelope: gist.envelope,
            verdict: verdict.cloned(),
            findings: Vec::new(),
            fate,
            status: status.as_u16(),
            took: began.elapsed(),
            forwards: handed.map(|handed| handed.forwards.clone()).unwrap_or_default(),
            stored: handed.and_then(|handed| handed.stored),
        };
        match noted.raw.filter(|_| mismatch) {
            None => self.outlet.arrived(arrival).await,
            // The sender does not wait for the explanation.
            Some(headers) => {
                let receiver = Arc::clone(self);
                tokio::spawn(async move {
                    arrival.findings = receiver.explained(headers, arrival.body.clone()).await;
                    receiver.outlet.arrived(arrival).await;
                });
            }
        }
    }

    /// Why the signature does not match; nothing while another one is being explained.
    async fn explained(self: &Arc<Self>, headers: HeaderMap, body: Bytes) -> Vec<Finding> {
        let Ok(_turn) = self.explaining.try_acquire() else { return Vec::new() };
        let receiver = Arc::clone(self);
        let explaining = tokio::task::spawn_blocking(move || {
            let mut candidate = Candidate::new(&body);
            for key in &receiver.checks.keys {
                candidate = candidate.key(key.expose_secret().as_bytes());
            }
            for (name, value) in &headers {
                candidate = candidate.header(name.as_str(), value.as_bytes());
            }
            let mut findings = explain(&candidate);
            findings.truncate(FINDINGS_MAX);
            findings
        });
        // A panic in there is a fault of ours that must not cost the arrival its line.
        explaining.await.unwrap_or_default()
    }
}

/// What came of forwarding an arrival once more.
pub(crate) enum Again {
    /// These attempts.
    Forwarded(Vec<Forwarded>),
    /// The inbox has it once more, and its worker tells of its attempts.
    Recorded,
    /// Nothing; why.
    Not(String),
}

impl Receiver {
    /// Forwards an arrival once more, as a person asked: as a message of its own, not as one that came before.
    pub(crate) async fn again(&self, arrival: &Arrival) -> Again {
        if arrival.fate == Fate::Refused {
            return Again::Not("it was refused, and what was refused is not forwarded".to_owned());
        }
        let headers: HeaderMap = arrival
            .headers
            .iter()
            .filter_map(|(name, value)| Some((HeaderName::from_bytes(name.as_bytes()).ok()?, HeaderValue::from_str(value).ok()?)))
            .collect();
        let carried = carried::headers(&headers, arrival.verdict.as_ref());
        let body = arrival.body.clone();
        let (gist, key) = read(arrival.verdict.as_ref(), &body);
        match &self.after {
            After::Answer => Again::Not("there is nowhere to forward to; start with --forward URL".to_owned()),
            After::Forward(forwarder) => {
                let forwarded = forwarder.forward(&gist.event, key, &carried, &body).await;
                forwarded.iter().for_each(|forwarded| self.tally.count_forward(forwarded));
                Again::Forwarded(forwarded)
            }
            After::Store(inbox) => match inbox.record_again(gist, carried, body).await {
                Ok(_) => Again::Recorded,
                Err(failure) => Again::Not(failure.message),
            },
        }
    }
}

fn is_known_by_its_id(verdict: Option<&Verdict>) -> bool {
    verdict.is_some_and(|verdict| verdict.standard_webhooks.passed().is_some())
}

/// What a message is about and what it is recognised by, in one pass over its body.
fn read(verdict: Option<&Verdict>, body: &[u8]) -> (Gist, ReplayKey) {
    let outline = Outline::read(body);
    let key = match verdict.and_then(|verdict| verdict.standard_webhooks.passed()) {
        Some(found) => ReplayKey::of_delivery(&found.id),
        None => ReplayKey::of_read_body(body, outline.as_ref()),
    };
    (outline.as_ref().map_or_else(|| Gist::of(body), Gist::of_outline), key)
}

fn status_alone(status: StatusCode) -> Response<Body> {
    let mut answer = Response::new(Body::empty());
    *answer.status_mut() = status;
    answer
}

fn refused_for_now(status: StatusCode, seconds: u32) -> Response<Body> {
    let mut answer = status_alone(status);
    answer.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    answer
}
