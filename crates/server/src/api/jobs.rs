//! `jobs`: what runs in the background, how far it is, and its end.

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::{Path, State},
    routing::{get, post},
};
use countersign_core::id::JobId;
use countersign_store::{Refused, job::Job};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    App,
    access::{Caller, Reads, Writes},
    api::strict::StrictQuery,
    failure::Failure,
};

/// Jobs in one answer.
const LIMIT_MAX: u32 = 1_000;

pub(super) fn routes() -> Router<Arc<App>> {
    Router::new().route("/jobs", get(list)).route("/jobs/{job_id}", get(one)).route("/jobs/{job_id}/cancel", post(cancel))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Listing {
    limit: Option<u32>,
}

/// Newest first.
async fn list(
    State(app): State<Arc<App>>,
    caller: Caller<Reads>,
    StrictQuery(query): StrictQuery<Listing>,
) -> Result<Json<Value>, Failure> {
    let jobs = app.store.jobs(caller.account_id(), query.limit.unwrap_or(100).clamp(1, LIMIT_MAX)).await?;
    Ok(Json(json!({"jobs": jobs.iter().map(shown).collect::<Vec<_>>()})))
}

async fn one(State(app): State<Arc<App>>, caller: Caller<Reads>, Path((_, id)): Path<(String, String)>) -> Result<Json<Value>, Failure> {
    let id = parsed(&id)?;
    let job = app.store.job(caller.account_id(), id).await?.ok_or_else(|| missing(&id.to_string()))?;
    Ok(Json(shown(&job)))
}

async fn cancel(
    State(app): State<Arc<App>>,
    caller: Caller<Writes>,
    Path((_, id)): Path<(String, String)>,
) -> Result<Json<Value>, Failure> {
    let id = parsed(&id)?;
    let account = caller.account_id();
    app.store.cancel_job(account, id, app.now()).await?.map_err(|refused| match refused {
        Refused::NotFound => missing(&id.to_string()),
        refused => refused.into(),
    })?;
    let job = app.store.job(account, id).await?.ok_or_else(|| missing(&id.to_string()))?;
    Ok(Json(shown(&job)))
}

fn parsed(id: &str) -> Result<JobId, Failure> {
    id.parse().map_err(|_| missing(id))
}

fn missing(id: &str) -> Failure {
    Failure::not_found("JOB_NOT_FOUND", format!("there is no job {id}"))
}

/// A job as shown.
pub(super) fn shown(job: &Job) -> Value {
    let json = |text: &str| serde_json::from_str(text).unwrap_or(Value::Null);
    json!({
        "id": job.id,
        "kind": job.kind,
        "state": job.state.as_str(),
        "spec": json(&job.spec),
        "progress": json(&job.progress),
        "createdAt": job.created_at.to_seven_digits(),
        "changedAt": job.changed_at.to_seven_digits(),
    })
}
