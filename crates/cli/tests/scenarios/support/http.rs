//! Requests with JSON to a server on this machine.

use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, StatusCode, header};
use http_body_util::{BodyExt, Full};
use hyper_util::{client::legacy::connect::HttpConnector, rt::TokioExecutor};
use serde_json::Value;

/// Longest wait for an answer: far beyond what any of them takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// A client with one base address, and a bearer token where the server wants one.
#[derive(Clone)]
pub(crate) struct Client {
    http: hyper_util::client::legacy::Client<HttpConnector, Full<Bytes>>,
    base: String,
    token: Option<String>,
    patience: Duration,
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Reply {
    /// Its status.
    pub(crate) status: StatusCode,
    /// Its `Retry-After`.
    pub(crate) retry_after: Option<String>,
    /// Its body as text.
    pub(crate) text: String,
}

impl Client {
    /// Requests go to the paths below `base`.
    pub(crate) fn new(base: impl Into<String>, token: Option<&str>) -> Self {
        let http = hyper_util::client::legacy::Client::builder(TokioExecutor::new()).build_http();
        Self { http, base: base.into(), token: token.map(str::to_owned), patience: PATIENCE }
    }

    /// Waits this long for each answer.
    pub(crate) fn patient(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// Sends; an error when there is no answer at all.
    pub(crate) async fn send(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Reply, String> {
        self.send_under(method, path, body, None).await
    }

    /// As [`Client::send`], under an idempotency key.
    pub(crate) async fn send_under(&self, method: Method, path: &str, body: Option<&Value>, key: Option<&str>) -> Result<Reply, String> {
        let mut request = Request::builder().method(method).uri(format!("{}{path}", self.base));
        if let Some(token) = &self.token {
            request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
        }
        if let Some(key) = key {
            request = request.header("idempotency-key", key);
        }
        if body.is_some() {
            request = request.header(header::CONTENT_TYPE, "application/json");
        }
        let bytes = body.map(Value::to_string).unwrap_or_default();
        let request = request.body(Full::new(Bytes::from(bytes))).map_err(|e| e.to_string())?;
        let exchange = async {
            let answer = self.http.request(request).await.map_err(|e| format!("{e:?}"))?;
            let status = answer.status();
            let retry_after = answer.headers().get(header::RETRY_AFTER).and_then(|value| value.to_str().ok()).map(str::to_owned);
            let body = answer.into_body().collect().await.map_err(|e| e.to_string())?.to_bytes();
            Ok(Reply { status, retry_after, text: String::from_utf8_lossy(&body).into_owned() })
        };
        let patience = self.patience;
        tokio::time::timeout(patience, exchange).await.map_err(|_| format!("{path}: no answer within {patience:?}"))?
    }

    /// `GET`, which must be answered 2xx.
    pub(crate) async fn get(&self, path: &str) -> Value {
        self.answered(Method::GET, path, None).await.json()
    }

    /// `POST`, which must be answered 2xx.
    pub(crate) async fn post(&self, path: &str, body: &Value) -> Value {
        self.answered(Method::POST, path, Some(body)).await.json()
    }

    /// `PUT`, which must be answered 2xx.
    pub(crate) async fn put(&self, path: &str, body: &Value) -> Value {
        self.answered(Method::PUT, path, Some(body)).await.json()
    }

    async fn answered(&self, method: Method, path: &str, body: Option<&Value>) -> Reply {
        let reply = self.send(method.clone(), path, body).await.unwrap_or_else(|error| panic!("{method} {path}: {error}"));
        assert!(reply.status.is_success(), "{method} {path} was answered {}: {}", reply.status, reply.text);
        reply
    }
}

impl Reply {
    /// The body as JSON; null when it is empty.
    pub(crate) fn json(&self) -> Value {
        if self.text.is_empty() {
            return Value::Null;
        }
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error} in the answer {} {}", self.status, self.text))
    }
}
