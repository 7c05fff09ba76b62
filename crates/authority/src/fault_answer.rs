//! What a request meets on its way to an endpoint: the counter, and the faults that are on.

use std::{
    pin::Pin,
    sync::{Arc, atomic::AtomicU64},
    task::{Context, Poll},
};

use axum::{
    body::{Body, Bytes},
    extract::{ConnectInfo, Request, State as FromState},
    http::{HeaderValue, StatusCode, header},
    middleware::Next,
    response::Response,
};
use http_body::{Body as HttpBody, Frame};

use crate::{
    answer,
    connection::ConnectionHandle,
    fault::{Endpoint, Fault, FaultSet},
    state::State,
    stats::Counters,
};

/// Bytes of [`Fault::HugeAnswer`]: more than anyone should read.
const HUGE_ANSWER_BYTES: usize = 1 << 30;

/// One piece of it; the memory it takes at a time.
const HUGE_ANSWER_PIECE: &[u8] = &[b'a'; 64 * 1024];

/// Runs before each endpoint.
pub(crate) async fn before_endpoint(
    FromState((state, endpoint)): FromState<(Arc<State>, Endpoint)>,
    mut request: Request,
    next: Next,
) -> Response {
    Counters::count(counter(&state.counters, endpoint));
    let faults = state.faults.take(endpoint);
    if faults.has(Fault::Slow) {
        tokio::time::sleep(state.faults.delay()).await;
    }
    if let Some(answer) = faults.iter().find_map(|fault| answer_of(fault, &request)) {
        return answer;
    }
    let wrong_type = faults.has(Fault::WrongContentType);
    request.extensions_mut().insert::<FaultSet>(faults);
    let mut response = next.run(request).await;
    if wrong_type {
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain"));
    }
    response
}

fn counter(counters: &Counters, endpoint: Endpoint) -> &AtomicU64 {
    match endpoint {
        Endpoint::Token => &counters.token_requests,
        Endpoint::Introspection => &counters.introspections,
        Endpoint::Revocation => &counters.revocations,
        Endpoint::Jwks => &counters.jwks_requests,
        Endpoint::Metadata => &counters.metadata_requests,
    }
}

/// The answer of a fault that answers in place of the endpoint.
fn answer_of(fault: Fault, request: &Request) -> Option<Response> {
    let mut response = match fault {
        Fault::ConnectionReset => {
            if let Some(ConnectInfo(connection)) = request.extensions().get::<ConnectInfo<ConnectionHandle>>() {
                connection.reset();
            }
            typed(StatusCode::OK, "application/json", Body::new(BrokenBody))
        }
        Fault::ServerError => typed(StatusCode::INTERNAL_SERVER_ERROR, "text/plain", "internal error".into()),
        Fault::Unavailable => retry_later(typed(StatusCode::SERVICE_UNAVAILABLE, "text/plain", "down for maintenance".into())),
        Fault::TooManyRequests => retry_later(typed(StatusCode::TOO_MANY_REQUESTS, "application/json", r#"{"error":"slow_down"}"#.into())),
        Fault::Redirect => {
            let mut response = typed(StatusCode::TEMPORARY_REDIRECT, "text/plain", Body::empty());
            response.headers_mut().insert(header::LOCATION, HeaderValue::from_static("https://elsewhere.invalid/token"));
            response
        }
        Fault::Garbage => typed(StatusCode::OK, "application/json", Body::from(&b"{\"access_token\":\xff\xfe\x00 not json"[..])),
        Fault::Html => typed(StatusCode::OK, "text/html; charset=utf-8", "<!doctype html><title>Sign in</title><form>…</form>".into()),
        Fault::HugeAnswer => typed(StatusCode::OK, "application/json", Body::new(HugeBody::default())),
        _ => return None,
    };
    answer::forbid_storing(&mut response);
    Some(response)
}

fn typed(status: StatusCode, content_type: &'static str, body: Body) -> Response {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

fn retry_later(mut response: Response) -> Response {
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
    response
}

/// A body that fails before its first byte. The server then gives the connection up before it has sent the head.
struct BrokenBody;

impl HttpBody for BrokenBody {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, std::io::Error>>> {
        Poll::Ready(Some(Err(std::io::ErrorKind::ConnectionReset.into())))
    }
}

/// JSON whose one text never seems to end.
#[derive(Default)]
struct HugeBody {
    sent: usize,
}

impl HttpBody for HugeBody {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let piece: &'static [u8] = match self.sent {
            0 => br#"{"access_token":""#,
            sent if sent >= HUGE_ANSWER_BYTES => return Poll::Ready(None),
            _ => HUGE_ANSWER_PIECE,
        };
        self.sent += piece.len();
        Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(piece)))))
    }
}
