//! `/healthz` and `/readyz`: is the process alive, and should it get requests.

use std::{sync::Arc, time::Duration};

use axum::{
    Router,
    extract::State,
    response::{IntoResponse, Response},
    routing::get,
};
use http::{StatusCode, header};
use serde_json::json;

use crate::App;

/// A store that has not answered by then is not ready; load balancers ask every few seconds.
const STORE_ANSWER_MAX: Duration = Duration::from_secs(2);

/// `/healthz`, `/readyz` and `/metrics`: for the main address, or for one of their own.
pub fn routes() -> Router<Arc<App>> {
    Router::new().route("/healthz", get(alive)).route("/readyz", get(ready)).route("/metrics", get(metrics))
}

/// The process answers at all; nothing else is looked at, so that a sick store does not get the process killed.
async fn alive() -> Response {
    answer(StatusCode::OK, "alive")
}

/// 503 while stopping, and while the store takes no writes. A spent disk budget does not count: reading and delivering go on.
async fn ready(State(app): State<Arc<App>>) -> Response {
    if app.stopping.is_cancelled() {
        return answer(StatusCode::SERVICE_UNAVAILABLE, "stopping");
    }
    match tokio::time::timeout(STORE_ANSWER_MAX, app.store.health()).await {
        Ok(Ok(health)) if health.writable => answer(StatusCode::OK, "ready"),
        Ok(Ok(_)) => answer(StatusCode::SERVICE_UNAVAILABLE, "the store takes no writes"),
        Ok(Err(error)) => {
            tracing::warn!(%error, "not ready");
            answer(StatusCode::SERVICE_UNAVAILABLE, "the store is out of reach")
        }
        Err(_) => answer(StatusCode::SERVICE_UNAVAILABLE, "the store does not answer in time"),
    }
}

fn answer(status: StatusCode, words: &str) -> Response {
    (status, [(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, "no-store")], json!({"status": words}).to_string())
        .into_response()
}

/// `GET /metrics`.
async fn metrics(State(app): State<Arc<App>>) -> Response {
    let text = app.metrics.scrape(&*app.store, app.is_storage_full(), app.now()).await;
    ([(header::CONTENT_TYPE, "application/openmetrics-text; version=1.0.0; charset=utf-8")], text).into_response()
}
