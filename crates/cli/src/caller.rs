//! A plain HTTP/1.1 client with kept connections, for the demo and the load generator: both speak to their own server on loopback.

use anyhow::{Context, bail};
use bytes::Bytes;
use http::{Method, Request, StatusCode, header};
use http_body_util::{BodyExt, Full};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};

/// A pooled client.
pub(crate) type Pool = Client<HttpConnector, Full<Bytes>>;

/// A pool for so many connections.
pub(crate) fn pool(connections: usize) -> Pool {
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    Client::builder(TokioExecutor::new()).pool_max_idle_per_host(connections).build(connector)
}

/// A JSON API with a token.
#[derive(Clone)]
pub(crate) struct Api {
    pool: Pool,
    base: String,
    token: String,
}

impl Api {
    pub(crate) fn new(base: String, token: String, connections: usize) -> Self {
        Self { pool: pool(connections), base, token }
    }

    /// The token it sends.
    pub(crate) fn token(&self) -> &str {
        &self.token
    }

    /// One call; answers status and body.
    pub(crate) async fn call(&self, method: Method, path: &str, body: impl Into<Bytes>) -> anyhow::Result<(StatusCode, Bytes)> {
        let request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.base))
            .header(header::AUTHORIZATION, format!("Bearer {}", self.token))
            .header(header::CONTENT_TYPE, "application/json")
            .body(Full::new(body.into()))?;
        let answer = self.pool.request(request).await.with_context(|| format!("calling {path}"))?;
        let status = answer.status();
        Ok((status, answer.into_body().collect().await?.to_bytes()))
    }

    /// One call that must succeed.
    pub(crate) async fn expect(&self, method: Method, path: &str, body: impl Into<Bytes>) -> anyhow::Result<serde_json::Value> {
        let (status, body) = self.call(method, path, body).await?;
        if !status.is_success() {
            bail!("{path} answered {status}: {}", String::from_utf8_lossy(&body));
        }
        Ok(serde_json::from_slice(&body).unwrap_or_default())
    }
}
