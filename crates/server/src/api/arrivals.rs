//! `bins/{bin}/arrivals`: what came to a bin, in lists, live, one by one, in other forms and side by side.

use std::sync::Arc;

use axum::{
    Json, Router,
    body::Body,
    extract::{Path, State},
    response::{IntoResponse, Response},
    routing::get,
};
use countersign_core::id::ArrivalId;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde::Deserialize;
use serde_json::{Value, json};

use super::strict::StrictQuery;
use crate::{
    App,
    access::{Administers, Caller},
    failure::Failure,
    inspector::{arrival::Arrival, bins, comparison, explanation, forms, live, shown},
};

/// Arrivals of a page unless it says otherwise, and at most.
const LIMIT_DEFAULT: usize = 100;
/// See [`LIMIT_DEFAULT`].
const LIMIT_MAX: usize = 1_000;

pub(super) fn routes() -> Router<Arc<App>> {
    Router::new()
        .route("/bins/{bin_id}/arrivals", get(list).delete(clear))
        .route("/bins/{bin_id}/arrivals/{arrival_id}", get(one).delete(forget))
        .route("/bins/{bin_id}/arrivals/{arrival_id}/body", get(body))
        .route("/bins/{bin_id}/arrivals/{arrival_id}/comparison", get(compare))
        .route("/bins/{bin_id}/arrivals/{arrival_id}/curl", get(curl))
        .route("/bins/{bin_id}/arrivals/{arrival_id}/raw", get(raw))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ListQuery {
    before: Option<String>,
    limit: Option<usize>,
}

/// The newest first; with `Accept: text/event-stream` the live stream.
async fn list(
    State(app): State<Arc<App>>,
    caller: Caller<Administers>,
    Path((_, bin)): Path<(String, String)>,
    headers: HeaderMap,
    StrictQuery(query): StrictQuery<ListQuery>,
) -> Result<Response, Failure> {
    let known = bins::of_account(&app.inspector, caller.account_id(), &bin).await?;
    let id = &known.bin.id;
    if headers.get(header::ACCEPT).is_some_and(|accept| accept.as_bytes().starts_with(b"text/event-stream")) {
        let after = headers.get("last-event-id").map(|id| arrival_id(id.to_str().unwrap_or_default())).transpose()?;
        return live::stream(&app.inspector, id, after, app.stopping.clone());
    }
    let before = query.before.as_deref().map(arrival_id).transpose()?;
    let limit = query.limit.unwrap_or(LIMIT_DEFAULT);
    if !(1..=LIMIT_MAX).contains(&limit) {
        return Err(Failure::invalid_parameter(format!("limit must be 1 to {LIMIT_MAX}")));
    }
    // One more tells whether there is another page.
    let mut arrivals = app.inspector.memory.newest(id, before, limit + 1);
    let more = arrivals.len() > limit;
    arrivals.truncate(limit);
    let next = arrivals.last().filter(|_| more).map(|last| last.id);
    let listed: Vec<Value> = arrivals.iter().map(|arrival| shown::summary(arrival)).collect();
    Ok(Json(json!({"arrivals": listed, "next": next})).into_response())
}

/// Whole, with the explanation of a signature that does not fit.
async fn one(
    State(app): State<Arc<App>>,
    caller: Caller<Administers>,
    Path((_, bin, arrival)): Path<(String, String, String)>,
) -> Result<Json<Value>, Failure> {
    let known = bins::of_account(&app.inspector, caller.account_id(), &bin).await?;
    let arrival = found(&app, &known, &arrival)?;
    let findings = explanation::of(&app.inspector, &arrival, &known.bin.checks, &caller.account).await;
    Ok(Json(shown::whole(&arrival, &findings)))
}

async fn body(
    State(app): State<Arc<App>>,
    caller: Caller<Administers>,
    Path((_, bin, arrival)): Path<(String, String, String)>,
) -> Result<Response, Failure> {
    let known = bins::of_account(&app.inspector, caller.account_id(), &bin).await?;
    let arrival = found(&app, &known, &arrival)?;
    Ok(download(&arrival, "body", "application/octet-stream", Body::from(arrival.body.clone())))
}

async fn raw(
    State(app): State<Arc<App>>,
    caller: Caller<Administers>,
    Path((_, bin, arrival)): Path<(String, String, String)>,
) -> Result<Response, Failure> {
    let known = bins::of_account(&app.inspector, caller.account_id(), &bin).await?;
    let arrival = found(&app, &known, &arrival)?;
    Ok(download(&arrival, "http", "application/octet-stream", Body::from(forms::raw(&arrival))))
}

async fn curl(
    State(app): State<Arc<App>>,
    caller: Caller<Administers>,
    Path((_, bin, arrival)): Path<(String, String, String)>,
) -> Result<Response, Failure> {
    let known = bins::of_account(&app.inspector, caller.account_id(), &bin).await?;
    let arrival = found(&app, &known, &arrival)?;
    let url = format!("{}{}", app.settings.public_url, arrival.target);
    Ok(download(&arrival, "sh", "text/plain; charset=utf-8", Body::from(forms::curl(&arrival, &url))))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CompareQuery {
    with: Option<String>,
}

/// With another arrival of the bin, or with the one before.
async fn compare(
    State(app): State<Arc<App>>,
    caller: Caller<Administers>,
    Path((_, bin, arrival)): Path<(String, String, String)>,
    StrictQuery(query): StrictQuery<CompareQuery>,
) -> Result<Json<Value>, Failure> {
    let known = bins::of_account(&app.inspector, caller.account_id(), &bin).await?;
    let right = found(&app, &known, &arrival)?;
    let left = match &query.with {
        Some(other) => found(&app, &known, other)?,
        None => app.inspector.memory.newest(&known.bin.id, Some(right.id), 1).pop().ok_or_else(missing)?,
    };
    // Never closed.
    let place = Arc::clone(&app.inspector.thinking).acquire_owned().await.map_err(|_| missing())?;
    let compared = tokio::task::spawn_blocking(move || {
        let _place = place;
        comparison::between(&left, &right)
    });
    let failed = |_| Failure::new(StatusCode::INTERNAL_SERVER_ERROR, "INTERNAL_ERROR", "the comparison failed; the log says why");
    Ok(Json(compared.await.map_err(failed)?))
}

async fn forget(
    State(app): State<Arc<App>>,
    caller: Caller<Administers>,
    Path((_, bin, arrival)): Path<(String, String, String)>,
) -> Result<StatusCode, Failure> {
    let known = bins::of_account(&app.inspector, caller.account_id(), &bin).await?;
    if app.inspector.memory.forget(&known.bin.id, arrival_id(&arrival)?) { Ok(StatusCode::NO_CONTENT) } else { Err(missing()) }
}

async fn clear(
    State(app): State<Arc<App>>,
    caller: Caller<Administers>,
    Path((_, bin)): Path<(String, String)>,
) -> Result<StatusCode, Failure> {
    let known = bins::of_account(&app.inspector, caller.account_id(), &bin).await?;
    app.inspector.memory.clear(&known.bin.id);
    Ok(StatusCode::NO_CONTENT)
}

fn arrival_id(text: &str) -> Result<ArrivalId, Failure> {
    text.parse().map_err(|_| missing())
}

fn found(app: &App, known: &bins::Known, id: &str) -> Result<Arc<Arrival>, Failure> {
    app.inspector.memory.find(&known.bin.id, arrival_id(id)?).ok_or_else(missing)
}

fn missing() -> Failure {
    Failure::not_found("ARRIVAL_NOT_FOUND", "there is no such arrival; it may have made room for newer ones, or gone with its process")
}

/// Strangers' bytes, as a file that no browser shows.
fn download(arrival: &Arrival, extension: &str, content_type: &'static str, body: Body) -> Response {
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if let Ok(value) = HeaderValue::from_str(&format!("attachment; filename=\"{}.{extension}\"", arrival.id)) {
        headers.insert(header::CONTENT_DISPOSITION, value);
    }
    response
}
