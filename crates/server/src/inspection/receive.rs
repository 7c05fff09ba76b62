//! `/i/{bin}` and everything below it: the public side, which needs no token.

use std::{net::SocketAddr, pin::Pin, sync::Arc, task::Poll, time::Duration};

use axum::{
    Router,
    body::Body,
    extract::{ConnectInfo, Path, Request, State},
    response::{IntoResponse, Response},
    routing::any,
};
use bytes::{Bytes, BytesMut};
use countersign_core::id::ArrivalId;
use countersign_listener::{PeerCertificate, Verdict};
use http::{HeaderValue, StatusCode, header};
use http_body::Frame;
use http_body_util::BodyExt;
use tokio::sync::OwnedSemaphorePermit;

use super::listener;
use crate::{
    App,
    inspector::{
        arrival::Arrival,
        bin::BinId,
        bins::{self, Known, NoBin},
        reply::{Behaviour, HANG_MAX, Reply, confine},
    },
    peer::{ResetHandle, TlsFacts},
};

/// Longest body that is taken, in bytes. Connect with documents sends more: its beginning is kept, and the answer is 413.
pub const BODY_BYTES_MAX: usize = 8 << 20;
/// How long a body may take.
const BODY_TIMEOUT: Duration = Duration::from_secs(30);
/// Longer bodies are hashed on a thread of their own, in bytes: hashing this much takes a fraction of a millisecond.
const BODY_BYTES_INLINE: usize = 64 * 1024;

/// The routes at the root.
pub fn routes() -> Router<Arc<App>> {
    Router::new().route("/i/{bin}", any(receive)).route("/i/{bin}/", any(receive)).route("/i/{bin}/{*rest}", any(receive_below))
}

async fn receive_below(State(app): State<Arc<App>>, Path((bin, _)): Path<(String, String)>, request: Request) -> Response {
    receive(State(app), Path(bin), request).await
}

async fn receive(State(app): State<Arc<App>>, Path(bin): Path<String>, request: Request) -> Response {
    match take(&app, &bin, request).await {
        Ok(response) => response,
        Err(turned_away) => turned_away.into_response(),
    }
}

/// A request that is not kept, in words for whoever sent it.
struct TurnedAway(StatusCode, &'static str);

impl IntoResponse for TurnedAway {
    fn into_response(self) -> Response {
        let mut response = (self.0, format!("{}\n", self.1)).into_response();
        confine(response.headers_mut());
        if matches!(self.0, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE) {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        response
    }
}

impl From<NoBin> for TurnedAway {
    fn from(none: NoBin) -> Self {
        match none {
            NoBin::Absent => Self(StatusCode::NOT_FOUND, "there is no bin at this address"),
            NoBin::TooManyLookups => Self(StatusCode::TOO_MANY_REQUESTS, "too many addresses are asked for; try again"),
            NoBin::Store => Self(StatusCode::SERVICE_UNAVAILABLE, "the inspector cannot be reached; try again"),
        }
    }
}

async fn take(app: &Arc<App>, bin: &str, request: Request) -> Result<Response, TurnedAway> {
    let id: BinId = bin.parse().map_err(|_| NoBin::Absent)?;
    let known = bins::by_address(&app.inspector, &id).await?;
    let inspector = &app.inspector;
    if !inspector.memory.admit(&id, app.now()) {
        return Err(TurnedAway(StatusCode::TOO_MANY_REQUESTS, "too many requests for this bin; try again"));
    }
    let busy = |words| {
        inspector.memory.count_turned_away(&id, app.now());
        TurnedAway(StatusCode::SERVICE_UNAVAILABLE, words)
    };
    let reply = known.bin.reply.clone();
    let waits = reply.delay_ms > 0 || reply.behaviour == Behaviour::Hang;
    // Taken first: a request that cannot be answered as configured is not kept either.
    let held = if waits { Some(place(&inspector.held).ok_or_else(|| busy("too many requests are held open; try again"))?) } else { None };
    let receiving = place(&inspector.receiving).ok_or_else(|| busy("too many requests at once; try again"))?;

    let (mut head, body) = request.into_parts();
    let (body, complete) = read(body).await;
    let tls = head.extensions.get::<TlsFacts>().cloned();
    if let Some(leaf) = tls.as_ref().and_then(|tls| tls.certificates.first()) {
        head.extensions.insert(PeerCertificate(Bytes::copy_from_slice(leaf)));
    }
    let now = app.now();
    let mut arrival = Arrival::new(now, &head, &body, complete);
    drop(body);
    arrival.remote = head.extensions.get::<ConnectInfo<SocketAddr>>().map(|ConnectInfo(remote)| *remote);
    arrival.tls = tls;
    let (reset, mut head) = (head.extensions.get::<ResetHandle>().cloned(), head);
    head.extensions.remove::<ResetHandle>();
    if complete {
        arrival.verdict = examine(app, &known, head, arrival.body.clone()).await;
    }
    let too_long = !complete && arrival.body.len() >= BODY_BYTES_MAX;
    arrival.answered = match reply.behaviour {
        _ if too_long => StatusCode::PAYLOAD_TOO_LARGE.as_str().to_owned(),
        Behaviour::Answer => reply.status.to_string(),
        Behaviour::Hang => "hang".to_owned(),
        Behaviour::Reset => "reset".to_owned(),
    };
    inspector.memory.keep(&id, arrival, known.bin.keep, || ArrivalId::from_raw(app.ids.next(now)));
    drop(receiving);
    if too_long {
        return Err(TurnedAway(StatusCode::PAYLOAD_TOO_LARGE, "the body is longer than 8 MiB; its beginning is kept"));
    }
    Ok(answer(app, reply, reset, held).await)
}

fn place(semaphore: &Arc<tokio::sync::Semaphore>) -> Option<OwnedSemaphorePermit> {
    Arc::clone(semaphore).try_acquire_owned().ok()
}

/// The body up to the limits of length and time, and whether that is all of it.
async fn read(mut body: Body) -> (BytesMut, bool) {
    let mut kept = BytesMut::new();
    let read = async {
        while let Some(frame) = body.frame().await {
            let Ok(frame) = frame else { return false };
            let data = frame.into_data().unwrap_or_default();
            let room = BODY_BYTES_MAX - kept.len();
            kept.extend_from_slice(&data[..data.len().min(room)]);
            if data.len() > room {
                return false;
            }
        }
        true
    };
    let complete = tokio::time::timeout(BODY_TIMEOUT, read).await.unwrap_or(false);
    (kept, complete)
}

/// What the checks of the bin say. A long body is hashed off the threads that serve.
async fn examine(app: &Arc<App>, known: &Known, head: http::request::Parts, body: Bytes) -> Option<Verdict> {
    let account = app.configs.account(known.account).await.ok().flatten()?;
    // What is saved was tried out; what fails now (the account's CAs have changed) is shown as nothing checked.
    let make = || listener(app, &known.bin.checks, &account).ok().flatten();
    let listener = app.inspector.listeners.of(known, &account, make)?;
    if body.len() <= BODY_BYTES_INLINE {
        return Some(listener.examine(&head, &body).await);
    }
    let runtime = tokio::runtime::Handle::current();
    tokio::task::spawn_blocking(move || runtime.block_on(listener.examine(&head, &body))).await.ok()
}

async fn answer(app: &App, reply: Reply, reset: Option<ResetHandle>, held: Option<OwnedSemaphorePermit>) -> Response {
    let wait = match reply.behaviour {
        Behaviour::Hang => HANG_MAX,
        Behaviour::Answer | Behaviour::Reset => Duration::from_millis(reply.delay_ms),
    };
    if !wait.is_zero() {
        // A process that stops does not wait for who was never to be answered.
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            () = app.stopping.cancelled() => {}
        }
    }
    drop(held);
    match reply.behaviour {
        Behaviour::Answer => reply.response(),
        Behaviour::Hang => Response::new(Body::new(BrokenBody)),
        Behaviour::Reset => {
            if let Some(reset) = reset {
                reset.reset();
            }
            Response::new(Body::new(BrokenBody))
        }
    }
}

/// A body that fails before its first byte. The server then gives the connection up before it has sent the head.
struct BrokenBody;

impl http_body::Body for BrokenBody {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(self: Pin<&mut Self>, _: &mut std::task::Context<'_>) -> Poll<Option<Result<Frame<Bytes>, std::io::Error>>> {
        Poll::Ready(Some(Err(std::io::ErrorKind::ConnectionReset.into())))
    }
}
