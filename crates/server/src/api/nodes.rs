//! `GET /api/v1/nodes`: the processes of this installation, its whole backlog, the lanes of the process that answers, and the store. For
//! administrators, since it tells about the host and about all accounts together.

use std::sync::Arc;

use axum::{Json, Router, extract::State, routing::get};
use serde_json::{Value, json};

use crate::{
    App,
    access::{Administers, Caller},
    api::accounts,
    failure::Failure,
};

pub(super) fn routes() -> Router<Arc<App>> {
    Router::new().route("/nodes", get(list))
}

async fn list(State(app): State<Arc<App>>, _caller: Caller<Administers>) -> Result<Json<Value>, Failure> {
    let now = app.now();
    let nodes: Vec<Value> = app
        .store
        .nodes()
        .await?
        .iter()
        .map(|node| {
            json!({
                "incarnation": node.incarnation,
                "name": node.name,
                "number": node.number,
                "startedAt": node.started_at.to_seven_digits(),
                "expiresAt": node.expires_at.to_seven_digits(),
                "live": now < node.expires_at,
            })
        })
        .collect();
    let health = app.store.health().await?;
    let backlog = app.store.backlog(None, None).await?;
    let lanes = app.hand_over.lanes().map(|lanes| {
        json!({
            "incarnation": lanes.incarnation,
            "count": lanes.count,
            "backlogged": lanes.backlogged,
            "breakerOpen": lanes.breaker_open,
            "attemptsInFlight": lanes.in_flight,
            "queued": lanes.queued,
        })
    });
    Ok(Json(json!({
        "nodes": nodes,
        // Of all accounts.
        "backlog": accounts::figures(&backlog),
        // Of the node that answers: the others keep theirs in memory. Null where a process delivers nothing.
        "lanes": lanes,
        "store": {
            "backend": health.backend,
            "writable": health.writable,
            "diskBytes": health.disk_bytes,
            "schema": health.schema,
            "lastCommitMs": health.last_commit.as_secs_f64() * 1e3,
            "commits": health.commits,
            "warnings": health.warnings,
        },
        "storageFull": app.is_storage_full(),
    })))
}
