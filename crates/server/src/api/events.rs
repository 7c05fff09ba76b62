//! `POST events`: any event, one or an array; `GET events/{id}`, `GET events/{id}/matches`: who did and did not want it.

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::{DefaultBodyLimit, Path, Query, State},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use bytes::Bytes;
use countersign_core::{
    event::{Event, EventDetail, EventName, Snapshot},
    id::{EnvelopeId, EventId, UserId},
    matching::{Occasion, wants},
    subscription::Subscription,
};
use countersign_store::query::DeliveryFilter;
use http::{HeaderMap, StatusCode, header};
use serde::Deserialize;
use serde_json::{json, value::RawValue};
use sha2::{Digest, Sha256};

use crate::{
    App,
    access::{Caller, Reads, Writes},
    api::objects,
    envelopes,
    failure::Failure,
    idempotency::idempotency_key,
    intake::{Change, NewEvent, NewIdempotency, NotSubmitted, RememberedAnswer, Submitted},
};

/// Events in one array: one transaction, one answer.
const EVENTS_MAX: usize = 1_000;

/// `POST events`, and the list at the same path, under their whole path: each nesting would write the URI of every request anew.
pub fn intake(app: &Arc<App>) -> Router<Arc<App>> {
    let body_bytes_max = app.settings.envelope_bytes_max.max(app.settings.event_bytes_max);
    Router::new()
        .route("/api/v1/accounts/{account_id}/events", post(post_events).get(list_events))
        .layer(DefaultBodyLimit::max(body_bytes_max))
}

pub(super) fn routes() -> Router<Arc<App>> {
    Router::new().route("/events/{event_id}", get(one_event)).route("/events/{event_id}/matches", get(matches))
}

/// One event as posted. `data` is kept and sent byte for byte.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Posted<'a> {
    #[serde(borrow)]
    event: std::borrow::Cow<'a, str>,
    #[serde(borrow)]
    data: &'a RawValue,
    user_id: Option<UserId>,
    envelope_id: Option<EnvelopeId>,
    #[serde(borrow)]
    uri: Option<std::borrow::Cow<'a, str>>,
}

async fn post_events(
    State(app): State<Arc<App>>,
    caller: Caller<Writes>,
    headers: HeaderMap,
    body: Result<Bytes, axum::extract::rejection::BytesRejection>,
) -> Result<Response, Failure> {
    let body = body.map_err(|e| Failure::new(e.status(), "REQUEST_TOO_LARGE", e.body_text()))?;
    let single = !body.trim_ascii_start().starts_with(b"[");
    let read =
        |e: serde_json::Error| Failure::invalid_body(format!("{e}; send {{\"event\": name, \"data\": any JSON}} or an array of such"));
    let posted: Vec<Posted<'_>> = if single { vec![objects::object(&body).map_err(read)?] } else { objects::any(&body).map_err(read)? };
    if posted.is_empty() || posted.len() > EVENTS_MAX {
        return Err(Failure::invalid_body(format!("an array holds 1 to {EVENTS_MAX} events; this one holds {}", posted.len())));
    }
    let events =
        posted.iter().enumerate().map(|(index, posted)| new_event(&app, &body, posted, index)).collect::<Result<Vec<_>, Failure>>()?;
    let idempotency = idempotency_key(&headers)?.map(|key| NewIdempotency {
        key,
        request_sha256: Sha256::digest(&body).into(),
        answer: RememberedAnswer::OfIds(if single { answer_one } else { answer_many }),
    });
    let answer_of = if single { answer_one } else { answer_many };
    let submitted = app.submit(caller.account_id(), Change { events, idempotency, ..Change::default() }).await;
    let answer = match submitted {
        Ok(Submitted::Fresh { events }) => answer_of(&events),
        Ok(Submitted::Repeated(answer)) => answer,
        Err(NotSubmitted::Failed(failure)) => return Err(failure),
        Err(NotSubmitted::StaleEnvelope) => return Err(Failure::conflict("the envelope has changed; try again")),
    };
    Ok((StatusCode::ACCEPTED, [(header::CONTENT_TYPE, "application/json")], answer).into_response())
}

fn new_event(app: &App, body: &Bytes, posted: &Posted<'_>, index: usize) -> Result<NewEvent, Failure> {
    let name = EventName::try_new(&posted.event).map_err(|e| Failure::invalid_parameter(format!("event {index}: {e}")))?;
    let data = posted.data.get();
    if data.len() > app.settings.event_bytes_max {
        return Err(Failure::too_large(&format!("the data of event {index}"), app.settings.event_bytes_max));
    }
    Ok(NewEvent {
        name,
        user: posted.user_id,
        envelope: posted.envelope_id,
        recipient_domains: Vec::new(),
        detail: EventDetail { uri: posted.uri.as_ref().map(ToString::to_string), ..EventDetail::default() },
        snapshot: Snapshot::Posted(share(body, data)),
    })
}

/// The data as bytes of its own, or as a slice of the request where it is most of it: a slice keeps the whole request in memory for as
/// long as one delivery of it waits there, which for an element of a long array would be a thousand times its size.
fn share(body: &Bytes, data: &str) -> Bytes {
    if data.len() * 2 >= body.len() { body.slice_ref(data.as_bytes()) } else { Bytes::copy_from_slice(data.as_bytes()) }
}

fn answer_one(ids: &[EventId]) -> Bytes {
    let id = ids.first().map(ToString::to_string).unwrap_or_default();
    format!("{{\"id\":\"{id}\",\"ids\":[\"{id}\"]}}").into()
}

fn answer_many(ids: &[EventId]) -> Bytes {
    json!({"ids": ids}).to_string().into()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Listing {
    before: Option<EventId>,
    envelope: Option<EnvelopeId>,
    limit: Option<u32>,
}

async fn list_events(
    State(app): State<Arc<App>>,
    caller: Caller<Reads>,
    query: Result<Query<Listing>, axum::extract::rejection::QueryRejection>,
) -> Result<Json<serde_json::Value>, Failure> {
    let Query(query) = query.map_err(|e| Failure::invalid_parameter(e.body_text()))?;
    let limit = query.limit.unwrap_or(100).clamp(1, 1_000);
    let events = app.store.events(caller.account_id(), query.envelope, query.before, limit).await?;
    let next = (events.len() == limit as usize).then(|| events.last().map(|event| event.id)).flatten();
    Ok(Json(json!({"events": events.iter().map(shown).collect::<Vec<_>>(), "next": next})))
}

fn shown(event: &Event) -> serde_json::Value {
    json!({
        "id": event.id,
        "event": event.name,
        "at": event.at.to_seven_digits(),
        "userId": event.user,
        "envelopeId": event.envelope,
        "detail": event.detail,
    })
}

async fn found(app: &App, caller: &Caller<Reads>, id: &str) -> Result<Event, Failure> {
    let missing = || Failure::not_found("EVENT_NOT_FOUND", format!("there is no event {id}"));
    let id: EventId = id.parse().map_err(|_| missing())?;
    app.store.event(caller.account_id(), id).await?.ok_or_else(missing)
}

async fn one_event(
    State(app): State<Arc<App>>,
    caller: Caller<Reads>,
    Path((_, id)): Path<(String, String)>,
) -> Result<Json<serde_json::Value>, Failure> {
    let event = found(&app, &caller, &id).await?;
    let mut shown = shown(&event);
    if let Snapshot::Posted(data) = &event.snapshot {
        shown["data"] = serde_json::from_slice(data).unwrap_or_default();
    }
    Ok(Json(shown))
}

/// Why each subscription did or did not want the event. What was recorded is told from the deliveries; a reason for a no is
/// found with the subscriptions as they are now.
async fn matches(
    State(app): State<Arc<App>>,
    caller: Caller<Reads>,
    Path((_, id)): Path<(String, String)>,
) -> Result<Json<serde_json::Value>, Failure> {
    let event = found(&app, &caller, &id).await?;
    let account = caller.account_id();
    let filter = DeliveryFilter { event: Some(event.id), ..DeliveryFilter::default() };
    let page = app.store.deliveries(account, filter, None, 1_000).await?;
    let mut heard_by: Vec<Arc<Subscription>> = caller.account.subscriptions.values().cloned().collect();
    if let Some(envelope) = event.envelope {
        for (_, object) in app.store.envelope_subscriptions(account, envelope).await? {
            heard_by.push(Arc::new(object.read()?));
        }
    }
    let domains = envelopes::domains_told(&caller.account.account, &event);
    let occasion =
        Occasion { name: &event.name, user: event.user, envelope: event.envelope, recipient_domains: &domains, about: event.detail.about };
    let verdicts: Vec<_> = heard_by
        .iter()
        .map(|subscription| {
            let delivery = page.deliveries.iter().find(|listed| listed.delivery.subscription == subscription.id);
            let wanted = wants(&occasion, subscription);
            json!({
                "subscription": subscription.id.to_string(),
                "name": subscription.name,
                "matched": delivery.is_some(),
                "delivery": delivery.map(|listed| listed.delivery.id),
                "state": delivery.map(|listed| listed.delivery.state.as_str()),
                "reason": if delivery.is_some() { None } else { wanted.as_ref().err().map(|reason| reason.as_str()) },
                "explanation": match (&delivery, &wanted) {
                    (Some(_), _) => "it wanted the event and a delivery was recorded".to_owned(),
                    (None, Err(reason)) => reason.to_string(),
                    (None, Ok(())) => "it would want the event now; it did not when the event was recorded".to_owned(),
                },
            })
        })
        .collect();
    Ok(Json(json!({"event": event.id, "matches": verdicts})))
}
