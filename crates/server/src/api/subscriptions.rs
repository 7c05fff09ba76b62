//! `subscriptions`: the same objects as Connect configurations, with what Connect has no field for. Subscriptions of single
//! envelopes are made with their envelope; they can be read, changed and deleted here by their id.

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::{DefaultBodyLimit, Path, State},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use bytes::Bytes;
use countersign_core::{
    event::{EventDetail, EventName, Snapshot},
    id::SubscriptionId,
    subscription::Subscription,
};
use countersign_store::query::DeliveryFilter;
use http::{HeaderMap, StatusCode, header};
use serde::Deserialize;
use serde_json::{Value, json, value::RawValue};

use super::{
    strict::StrictJson,
    subscription_form::{SubscriptionForm, shown},
};
use crate::{
    App,
    access::{Administers, Caller, Reads, Writes},
    failure::Failure,
    intake::{Change, NewEvent, NotSubmitted, Submitted},
    subscription::{
        Terms, is_listed,
        saved::{self, Precondition},
        warnings,
    },
};

/// The largest subscription in JSON, in bytes.
const BODY_BYTES_MAX: usize = 1 << 20;
/// The event of a test, when the caller names none.
const TEST_EVENT: &str = "test";

pub(super) fn routes() -> Router<Arc<App>> {
    Router::new()
        .route("/subscriptions", get(list).post(create))
        .route("/subscriptions/{subscription_id}", get(one).put(update).patch(update).delete(remove))
        .route("/subscriptions/{subscription_id}/test", post(test))
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
}

/// Account-level ones, by id.
async fn list(State(app): State<Arc<App>>, caller: Caller<Reads>) -> Result<Json<Value>, Failure> {
    let (_, stored) = app.store.subscriptions(caller.account_id()).await?;
    let mut subscriptions = stored.into_iter().map(|(_, object)| object.read()).collect::<Result<Vec<Subscription>, _>>()?;
    subscriptions.retain(is_listed);
    subscriptions.sort_by_key(|subscription| subscription.id);
    let all: Vec<Value> = subscriptions.iter().map(|subscription| shown(subscription, &warnings(subscription))).collect();
    Ok(Json(json!({"subscriptions": all})))
}

async fn one(State(app): State<Arc<App>>, caller: Caller<Reads>, Path((_, id)): Path<(String, String)>) -> Result<Response, Failure> {
    let subscription = found(&app, &caller, &id).await?;
    Ok(answer(StatusCode::OK, &subscription, &warnings(&subscription)))
}

/// A subscription with its entity tag.
fn answer(status: StatusCode, subscription: &Subscription, warnings: &[String]) -> Response {
    (status, [(header::ETAG, etag(subscription))], Json(shown(subscription, warnings))).into_response()
}

/// A strong entity tag (RFC 9110 §8.8.3): a revision is one form of one subscription.
fn etag(subscription: &Subscription) -> String {
    format!("\"{}.{}\"", subscription.id, subscription.revision)
}

/// What `If-Match` asks for (RFC 9110 §13.1.1).
///
/// # Errors
/// 412 when it names no form that the subscription has now.
fn precondition(headers: &HeaderMap, subscription: &Subscription) -> Result<Precondition, Failure> {
    let mut named = headers.get_all(header::IF_MATCH).iter().flat_map(|value| value.to_str().unwrap_or_default().split(',')).map(str::trim);
    if !headers.contains_key(header::IF_MATCH) {
        return Ok(Precondition::None);
    }
    let own = etag(subscription);
    if named.any(|tag| tag == own || tag == "*") { Ok(Precondition::Unchanged) } else { Err(saved::changed()) }
}

async fn create(
    State(app): State<Arc<App>>,
    caller: Caller<Administers>,
    StrictJson(form): StrictJson<SubscriptionForm>,
) -> Result<Response, Failure> {
    let terms = Terms { account: &caller.account, policy: &app.settings.targets };
    let saved = saved::create(&app, &caller.account, form.create(&terms, app.now())?).await?;
    Ok(answer(StatusCode::CREATED, &saved.subscription, &saved.warnings))
}

/// What is absent stays as it is. With `If-Match` only while nobody else has changed it; without, the last one wins.
async fn update(
    State(app): State<Arc<App>>,
    caller: Caller<Administers>,
    Path((_, id)): Path<(String, String)>,
    headers: HeaderMap,
    StrictJson(form): StrictJson<SubscriptionForm>,
) -> Result<Response, Failure> {
    let before = found(&app, &caller, &id).await?;
    let precondition = precondition(&headers, &before)?;
    let terms = Terms { account: &caller.account, policy: &app.settings.targets };
    let next = form.update(&before, &terms)?;
    let saved = saved::update(&app, &caller.account, &before, next, precondition).await?;
    Ok(answer(StatusCode::OK, &saved.subscription, &saved.warnings))
}

async fn remove(
    State(app): State<Arc<App>>,
    caller: Caller<Administers>,
    Path((_, id)): Path<(String, String)>,
) -> Result<StatusCode, Failure> {
    let subscription = found(&app, &caller, &id).await?;
    saved::delete(&app, caller.account_id(), subscription.id).await?;
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Test {
    event: Option<String>,
    data: Option<Box<RawValue>>,
}

/// Records an event for this subscription alone, whatever it listens to, which then goes the way of all others: signed, with its token,
/// retried and logged.
async fn test(
    State(app): State<Arc<App>>,
    caller: Caller<Writes>,
    Path((_, id)): Path<(String, String)>,
    StrictJson(test): StrictJson<Test>,
) -> Result<(StatusCode, Json<Value>), Failure> {
    let subscription = found(&app, &caller, &id).await?;
    let account = caller.account_id();
    let name = EventName::try_new(test.event.as_deref().unwrap_or(TEST_EVENT)).map_err(|e| Failure::invalid_parameter(e.to_string()))?;
    let data = match &test.data {
        Some(data) => data.get().to_owned(),
        None => json!({"accountId": caller.account_guid(), "userId": caller.user, "test": true}).to_string(),
    };
    if data.len() > app.settings.event_bytes_max {
        return Err(Failure::too_large("data", app.settings.event_bytes_max));
    }
    let event = NewEvent {
        name,
        user: Some(caller.user),
        envelope: None,
        recipient_domains: Vec::new(),
        detail: EventDetail::default(),
        snapshot: Snapshot::Posted(Bytes::from(data)),
    };
    let change = Change { events: vec![event], addressed_to: Some(Arc::new(subscription)), ..Change::default() };
    let events = match app.submit(account, change).await {
        Ok(Submitted::Fresh { events }) => events,
        Ok(Submitted::Repeated(_)) => Vec::new(),
        Err(NotSubmitted::Failed(failure)) => return Err(failure),
        Err(NotSubmitted::StaleEnvelope) => return Err(Failure::conflict("try again")),
    };
    let event = events.first().copied();
    let page = app.store.deliveries(account, DeliveryFilter { event, ..DeliveryFilter::default() }, None, 1).await?;
    let delivery = page.deliveries.first().map(|listed| listed.delivery.id);
    Ok((StatusCode::ACCEPTED, Json(json!({"event": event, "delivery": delivery}))))
}

async fn found<N>(app: &App, caller: &Caller<N>, id: &str) -> Result<Subscription, Failure> {
    let missing = || Failure::not_found("SUBSCRIPTION_NOT_FOUND", "there is no such subscription");
    let number: i64 = id.parse().map_err(|_| missing())?;
    let found = saved::find(app, caller.account_id(), SubscriptionId(number)).await?;
    found.filter(is_listed).ok_or_else(missing)
}
