//! A delivery as shown: in lists, and whole with its attempts.

use base64::{Engine, engine::general_purpose::STANDARD};
use countersign_core::{
    Timestamp,
    delivery::{DeliveryState, Hold, ParkReason},
};
use countersign_store::{
    query::{DeliveryDetail, ListedDelivery},
    settle::AttemptRow,
};
use serde_json::{Map, Value, json};

/// As in a list.
pub(super) fn listed(listed: &ListedDelivery) -> Value {
    let delivery = &listed.delivery;
    let mut shown = json!({
        "id": delivery.id,
        "state": delivery.state.as_str(),
        "event": listed.event_name,
        "eventId": delivery.event,
        "subscription": delivery.subscription.to_string(),
        "envelopeId": delivery.envelope,
        "listener": delivery.listener.to_string(),
        "shape": delivery.shape,
        "recordedAt": delivery.id.made_at().to_seven_digits(),
        "generatedAt": delivery.generated_at.to_seven_digits(),
        "attemptsMade": delivery.attempts_made,
        "retryCount": delivery.retry_count,
        "lastAttemptAt": listed.last_attempt_at.map(Timestamp::to_seven_digits),
        "lastClass": listed.last_class,
        "lastStatus": listed.last_status,
        "lastError": listed.last_error,
        "replayOf": delivery.replay_of,
    });
    // What is true in one state only.
    match delivery.state {
        DeliveryState::Waiting { due_at, held } => {
            shown["dueAt"] = due_at.to_seven_digits().into();
            if let Some(hold) = held {
                shown["held"] = hold.as_str().into();
                shown["heldSince"] = json!(listed.held_since.map(Timestamp::to_seven_digits));
            }
        }
        DeliveryState::Leased { by } => shown["leasedBy"] = json!(by),
        DeliveryState::Parked { reason, at } => {
            shown["reason"] = reason.as_str().into();
            shown["endedAt"] = at.to_seven_digits().into();
        }
        DeliveryState::Delivered { at } | DeliveryState::Cancelled { at } => shown["endedAt"] = at.to_seven_digits().into(),
    }
    shown
}

/// With its attempts, and in words what comes next and why.
pub(super) fn detail(detail: &DeliveryDetail, now: Timestamp) -> Value {
    let mut shown = listed(&detail.listed);
    shown["next"] = next(&detail.listed, now).into();
    shown["scheduleStartedAt"] = detail.listed.delivery.schedule_started_at.to_seven_digits().into();
    shown["heldTotalMs"] = milliseconds(detail.listed.delivery.held_total.as_micros());
    shown["ordered"] = detail.listed.delivery.order_key.is_some().into();
    shown["attempts"] = detail.attempts.iter().map(attempt).collect();
    shown
}

/// What comes next, and why.
fn next(listed: &ListedDelivery, now: Timestamp) -> String {
    let delivery = &listed.delivery;
    match delivery.state {
        DeliveryState::Waiting { held: Some(hold), .. } => match hold {
            Hold::Paused => "held until the subscription is resumed".to_owned(),
            Hold::Disabled => "held until the subscription, which was disabled after failing for too long, is activated".to_owned(),
            Hold::NoToken => format!(
                "held until the authorization server gives a token; nothing is sent without it{}",
                listed.last_error.as_deref().map(|error| format!(": {error}")).unwrap_or_default()
            ),
        },
        DeliveryState::Waiting { due_at, .. } if due_at <= now && delivery.order_key.is_some() => {
            "due; attempted when the deliveries of the same envelope before it are done and its listener has room".to_owned()
        }
        DeliveryState::Waiting { due_at, .. } if due_at <= now => "due; attempted as soon as its listener has room".to_owned(),
        DeliveryState::Waiting { due_at, .. } => {
            let why = match (&listed.last_class, listed.last_status) {
                (_, Some(status)) => format!(" after the answer {status}"),
                (Some(class), None) => format!(" after a failure ({class})"),
                (None, None) => String::new(),
            };
            format!("attempted at {}{why}, by the retry profile of its subscription", due_at.to_seven_digits())
        }
        DeliveryState::Leased { .. } => "in the hands of a node".to_owned(),
        DeliveryState::Delivered { .. } => "nothing: the listener accepted it".to_owned(),
        DeliveryState::Cancelled { .. } => "nothing: nobody wants it any more".to_owned(),
        DeliveryState::Parked { reason, .. } => {
            let why = match reason {
                ParkReason::Exhausted => "the retry profile has no further attempt",
                ParkReason::Gone => "the listener answered 410 Gone",
                ParkReason::NotAcknowledged => "it failed once and acknowledgement is not required",
                ParkReason::Unrenderable => "its message cannot be made",
                ParkReason::Poison => "it was in flight each time when a process died, at last without another suspect",
            };
            format!("nothing until a person acts: {why}")
        }
    }
}

fn attempt(row: &AttemptRow) -> Value {
    let exchange = &row.exchange;
    let phases: Map<String, Value> =
        exchange.phases_us.iter().map(|(phase, us)| (phase.clone().into_owned(), milliseconds(u128::from(*us)))).collect();
    let mut shown = json!({
        "id": row.id,
        "startedAt": row.started_at.to_seven_digits(),
        "elapsedMs": milliseconds(u128::from(row.elapsed_us)),
        "phasesMs": phases,
        "class": row.class,
        "status": row.status,
        "error": row.error,
        "counted": row.counted,
        "retryCount": row.retry_count,
        "remote": exchange.remote,
        "request": {
            "url": exchange.url,
            "headers": exchange.request_headers,
            "bodySha256": exchange.body_sha256,
            "bodyBytes": exchange.body_bytes,
        },
    });
    if row.status.is_some() {
        let mut answer = json!({
            "status": row.status,
            "headers": exchange.answer_headers,
            "truncated": exchange.answer_truncated,
        });
        // As text when it is text; never guessed otherwise.
        match std::str::from_utf8(&row.answer_head) {
            Ok(text) => answer["body"] = text.into(),
            Err(_) => answer["bodyBase64"] = STANDARD.encode(&row.answer_head).into(),
        }
        shown["answer"] = answer;
    }
    shown
}

/// Milliseconds with three digits behind the point.
fn milliseconds(us: u128) -> Value {
    #[expect(clippy::cast_precision_loss, reason = "durations of attempts are far below 2^53 microseconds")]
    let ms = us as f64 / 1e3;
    json!(ms)
}
