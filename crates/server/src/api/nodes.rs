//! `GET /api/v1/nodes`: the processes of this installation and its store. For administrators, since it tells about the host.

use std::sync::Arc;

use axum::{Json, Router, extract::State, routing::get};
use serde_json::{Value, json};

use crate::{
    App,
    access::{Administers, Caller},
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
    Ok(Json(json!({
        "nodes": nodes,
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
