//! `deliveries`: what became of each event for each subscription; one delivery with its attempts, as sent and as answered; and
//! what a person may do about it.

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::{Path, Query, State},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use countersign_core::id::{AccountId, AttemptId, DeliveryId};
use countersign_store::query::{DeliveryAction, DeliveryDetail};
use http::{StatusCode, header};
use serde_json::{Value, json};

use crate::{
    App,
    access::{Caller, Reads, Writes},
    api::{
        delivery_filter::FilterText,
        delivery_shown::{detail, listed},
        replay,
    },
    failure::Failure,
    sent_body,
};

/// Deliveries in one answer.
const LIMIT_MAX: u32 = 1_000;

pub(super) fn routes() -> Router<Arc<App>> {
    Router::new()
        .route("/deliveries", get(list))
        .route("/deliveries/{delivery_id}", get(one))
        .route("/deliveries/{delivery_id}/attempts/{attempt_id}/body", get(body))
        .route("/deliveries/{delivery_id}/retry", post(retry))
        .route("/deliveries/{delivery_id}/replay", post(replay_one))
        .route("/deliveries/{delivery_id}/cancel", post(cancel))
}

/// Newest first. Pass `next` as `before` for the page after.
async fn list(
    State(app): State<Arc<App>>,
    caller: Caller<Reads>,
    query: Result<Query<Vec<(String, String)>>, axum::extract::rejection::QueryRejection>,
) -> Result<Json<Value>, Failure> {
    let Query(pairs) = query.map_err(|e| Failure::invalid_parameter(e.body_text()))?;
    let mut before = None;
    let mut limit = 100;
    let mut filters = Vec::with_capacity(pairs.len());
    for (name, value) in pairs {
        match name.as_str() {
            "before" => before = Some(value.parse::<DeliveryId>().map_err(|e| Failure::invalid_parameter(format!("before is {e}")))?),
            "limit" => {
                let wrong = || Failure::invalid_parameter(format!("limit must be a number from 1 to {LIMIT_MAX}"));
                limit = value.parse::<u32>().ok().filter(|limit| (1..=LIMIT_MAX).contains(limit)).ok_or_else(wrong)?;
            }
            _ => filters.push((name, value)),
        }
    }
    let filter = FilterText::of_pairs(filters)?.filter()?;
    let page = app.store.deliveries(caller.account_id(), filter, before, limit).await?;
    let deliveries: Vec<Value> = page.deliveries.iter().map(listed).collect();
    Ok(Json(json!({"deliveries": deliveries, "next": page.next})))
}

async fn one(State(app): State<Arc<App>>, caller: Caller<Reads>, Path((_, id)): Path<(String, String)>) -> Result<Json<Value>, Failure> {
    let found = found(&app, caller.account_id(), &id).await?;
    Ok(Json(detail(&found, app.now())))
}

/// The body of an attempt, byte for byte as it was sent: made anew and checked against the hash of what was sent.
async fn body(
    State(app): State<Arc<App>>,
    caller: Caller<Reads>,
    Path((_, id, attempt)): Path<(String, String, String)>,
) -> Result<Response, Failure> {
    let found = found(&app, caller.account_id(), &id).await?;
    let missing = || Failure::not_found("ATTEMPT_NOT_FOUND", format!("there is no attempt {attempt} of this delivery"));
    let attempt: AttemptId = attempt.parse().map_err(|_| missing())?;
    let attempt = found.attempts.iter().find(|row| row.id == attempt).ok_or_else(missing)?;
    let (content_type, body) = sent_body::rebuilt(&app, &found.listed.delivery, attempt).await?;
    let headers = [
        (header::CONTENT_TYPE, content_type),
        // What a stranger posted must not become a page of ours.
        (header::CONTENT_DISPOSITION, "attachment"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    Ok((headers, body).into_response())
}

/// Attempt again at once, under the same id.
async fn retry(State(app): State<Arc<App>>, caller: Caller<Writes>, Path((_, id)): Path<(String, String)>) -> Result<Json<Value>, Failure> {
    let advice = "only what waits or is parked can be attempted again; replay what was delivered";
    act(&app, caller.account_id(), &id, DeliveryAction::Retry, advice).await
}

async fn cancel(
    State(app): State<Arc<App>>,
    caller: Caller<Writes>,
    Path((_, id)): Path<(String, String)>,
) -> Result<Json<Value>, Failure> {
    act(&app, caller.account_id(), &id, DeliveryAction::Cancel, "only what waits or is parked can be cancelled").await
}

async fn act(app: &App, account: AccountId, id: &str, action: DeliveryAction, advice: &str) -> Result<Json<Value>, Failure> {
    let before = found(app, account, id).await?.listed.delivery;
    let changed = app.store.act_on_deliveries(account, vec![before.id], action, app.now()).await?;
    let after = found(app, account, id).await?;
    if changed.is_empty() {
        let state = after.listed.delivery.state.as_str();
        return Err(Failure::new(StatusCode::CONFLICT, "WRONG_STATE", format!("the delivery is {state}; {advice}")));
    }
    if action == DeliveryAction::Retry {
        app.hand_over.wake(before.listener);
    }
    Ok(Json(detail(&after, app.now())))
}

/// Send what was delivered once more, by a new delivery; what waits or is parked is attempted again.
async fn replay_one(
    State(app): State<Arc<App>>,
    caller: Caller<Writes>,
    Path((_, id)): Path<(String, String)>,
) -> Result<(StatusCode, Json<Value>), Failure> {
    let listed = found(&app, caller.account_id(), &id).await?.listed;
    // Every call is a wish of its own: nothing remembers it.
    let key = format!("replay/{}", uuid::Uuid::new_v4());
    let counts = replay::again(&app, caller.account_id(), std::slice::from_ref(&listed), None, &key).await?;
    if counts.retried + counts.replayed == 0 {
        let state = listed.delivery.state.as_str();
        let message = format!(
            "the delivery is {state}, or its subscription is gone or switched off; only what waits, is parked or was delivered can be replayed"
        );
        return Err(Failure::new(StatusCode::CONFLICT, "WRONG_STATE", message));
    }
    Ok((StatusCode::ACCEPTED, Json(json!({"retried": counts.retried, "replayed": counts.replayed}))))
}

async fn found(app: &App, account: AccountId, id: &str) -> Result<DeliveryDetail, Failure> {
    let missing = || Failure::not_found("DELIVERY_NOT_FOUND", format!("there is no delivery {id}"));
    let id: DeliveryId = id.parse().map_err(|_| missing())?;
    app.store.delivery(account, id).await?.ok_or_else(missing)
}
