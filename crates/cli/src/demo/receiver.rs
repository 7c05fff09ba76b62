//! The demo's listener: the kit's layer in front of a handler that notes what arrived.

use std::{net::SocketAddr, time::Instant};

use anyhow::Context;
use axum::{Extension, Router, body::Bytes, extract::State, http::StatusCode, routing::post};
use countersign_listener::{FetchFailed, Jwks, JwtAlgorithm, JwtVerifier, Listener, TokenExpectations, Verdict};
use countersign_signature::HmacKey;
use http::{Request, Response, Uri};
use http_body_util::{BodyExt, Full, Limited};
use serde_json::Value;
use tokio::sync::mpsc;

use crate::caller::{Pool, pool};

/// A message that was let through, with what each check said.
pub(crate) struct Arrived {
    /// When it reached the application.
    pub(crate) at: Instant,
    /// What each check said.
    pub(crate) verdict: Verdict,
    /// The event's name.
    pub(crate) event: String,
    /// The recipient, for recipient-* events.
    pub(crate) recipient: Option<String>,
}

/// A message, or why one was refused.
pub(crate) enum Heard {
    /// Let through.
    Message(Box<Arrived>),
    /// Refused; in words.
    Refused(String),
}

/// What the listener expects of a token.
pub(crate) struct Expected {
    /// The authorization server.
    pub(crate) issuer: String,
    /// Where its keys are.
    pub(crate) jwks: String,
    /// Whom the token must be for.
    pub(crate) audience: String,
    /// Which client must have asked for it.
    pub(crate) client: String,
}

/// Starts to listen on `address`. Answers where messages come out.
pub(crate) async fn start(
    listener: tokio::net::TcpListener,
    key: &str,
    expected: Expected,
) -> anyhow::Result<mpsc::UnboundedReceiver<Heard>> {
    let (heard, out) = mpsc::unbounded_channel();
    let client = pool(4);
    let jwks: Uri = expected.jwks.parse().context("the address of the authorization server's keys")?;
    let fetch = move |request: Request<Bytes>, bytes_max: usize| fetch(client.clone(), request, bytes_max);
    let expectations = TokenExpectations::new(expected.issuer, expected.audience, [expected.client]);
    let verifier = JwtVerifier::new(Jwks::new(jwks, fetch), expectations).algorithms([JwtAlgorithm::Es256, JwtAlgorithm::Rs256]);
    let refused = heard.clone();
    let checks = Listener::builder()
        .hmac([HmacKey::try_new(key)?])
        .bearer(verifier)
        .observer(move |_, verdict: &Verdict| {
            if let Some(refusal) = verdict.refusal() {
                // The demo has ended when nobody hears.
                let _ = refused.send(Heard::Refused(refusal.to_string()));
            }
        })
        .build()?;
    let app = Router::new().route("/connect", post(receive)).layer(checks.layer()).with_state(heard);
    tokio::spawn(async move { axum::serve(listener, app).await });
    Ok(out)
}

async fn receive(State(heard): State<mpsc::UnboundedSender<Heard>>, Extension(verdict): Extension<Verdict>, body: Bytes) -> StatusCode {
    let at = Instant::now();
    let message: Value = serde_json::from_slice(&body).unwrap_or_default();
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let arrived = Arrived {
        at,
        verdict,
        event: text(&message["event"]).unwrap_or_else(|| "?".to_owned()),
        recipient: text(&message["data"]["recipientId"]),
    };
    let _ = heard.send(Heard::Message(Box::new(arrived)));
    StatusCode::OK
}

async fn fetch(client: Pool, request: Request<Bytes>, bytes_max: usize) -> Result<Response<Bytes>, FetchFailed> {
    let failed = |error: String| FetchFailed(error);
    let answer = client.request(request.map(Full::new)).await.map_err(|e| failed(e.to_string()))?;
    let (parts, body) = answer.into_parts();
    let body = Limited::new(body, bytes_max).collect().await.map_err(|e| failed(e.to_string()))?.to_bytes();
    Ok(Response::from_parts(parts, body))
}

/// A free loopback port for the listener.
pub(crate) async fn bind() -> anyhow::Result<(tokio::net::TcpListener, SocketAddr)> {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.context("the listener finds no free port")?;
    let address = listener.local_addr()?;
    Ok((listener, address))
}
