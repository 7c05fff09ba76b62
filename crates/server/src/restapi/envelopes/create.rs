//! `POST /envelopes`: a draft, or one that goes out at once.

use std::sync::Arc;

use axum::{
    extract::{State, rejection::BytesRejection},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use countersign_core::{
    envelope::{Envelope, Start},
    subscription::Subscription,
};
use http::{HeaderMap, StatusCode, header};
use serde_json::json;
use sha2::{Digest, Sha256};

use super::{
    assembly::{Assembled, assemble},
    definition::{Definition, template_use},
    request::{Editor, cut},
};
use crate::{
    App,
    envelopes::{self, Created, refused},
    failure::{Failure, refused_body},
    idempotency::idempotency_key,
    intake::{NewIdempotency, RememberedAnswer},
    restapi::{connect::notification, wire::Wire},
};

/// Envelope-level subscriptions of one envelope; every event of it is matched with each.
const NOTIFICATIONS_MAX: usize = 20;

pub(super) async fn create(
    State(app): State<Arc<App>>,
    editor: Editor,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Failure> {
    let body = body.map_err(refused_body)?;
    let idempotency = idempotency_key(&headers)?.map(|key| (key, Sha256::digest(&body).into()));
    let mut wire = read(&headers, &body)?;
    drop(body);
    let start = start(&mut wire)?;
    let from = template_use(&mut wire)?;
    let mut definition = Definition::read(&mut wire)?;
    let event_notifications = std::mem::take(&mut definition.event_notifications);

    let sender = envelopes::sender(&app, editor.caller.account_id(), editor.caller.user, editor.origin.clone()).await?;
    let Assembled { new, contents } = assemble(&app, &editor.caller, sender, definition, from).await?;
    let (envelope, told) = Envelope::create(new, start, editor.by.clone(), app.now()).map_err(refused)?;
    let subscriptions = subscriptions(&app, &editor, &envelope, &event_notifications).await?;

    envelopes::keep_all(&app, editor.caller.account_id(), contents).await?;
    let answer = Bytes::from(
        json!({
            "envelopeId": envelope.id,
            "uri": format!("/envelopes/{}", envelope.id),
            "statusDateTime": envelope.dates.status_changed_at.to_seven_digits(),
            "status": envelope.status.as_str(),
        })
        .to_string(),
    );
    let idempotency =
        idempotency.map(|(key, request_sha256)| NewIdempotency { key, request_sha256, answer: RememberedAnswer::Fixed(answer.clone()) });
    let created = envelopes::record_new(&app, &editor.caller.account, envelope, told, subscriptions, idempotency).await?;
    let answer = match created {
        Created::Fresh(_) => answer,
        Created::Repeated(before) => before,
    };
    Ok((StatusCode::CREATED, [(header::CONTENT_TYPE, "application/json; charset=utf-8")], answer).into_response())
}

fn read(headers: &HeaderMap, body: &[u8]) -> Result<Wire, Failure> {
    let is_multipart =
        headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).is_some_and(|text| text.starts_with("multipart/"));
    if is_multipart {
        return Err(Failure::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "INVALID_REQUEST_BODY",
            "multipart requests are not taken; send documents as documentBase64 in JSON",
        ));
    }
    if body.trim_ascii().is_empty() {
        return Ok(Wire::default());
    }
    Wire::of(serde_json::from_slice(body).map_err(|e| Failure::invalid_body(format!("the body is not JSON: {e}")))?)
}

/// `status`: `created` when absent (reference: 2.2).
fn start(wire: &mut Wire) -> Result<Start, Failure> {
    match wire.take_text("status")?.as_deref().map(str::trim) {
        None | Some("") => Ok(Start::Draft),
        Some(status) if status.eq_ignore_ascii_case("created") => Ok(Start::Draft),
        Some(status) if status.eq_ignore_ascii_case("sent") => Ok(Start::Sent),
        Some(other) => Err(Failure::new(
            StatusCode::BAD_REQUEST,
            "ENVELOPE_INVALID_STATUS",
            format!("a new envelope is 'created' or 'sent', not '{}'", cut(other)),
        )),
    }
}

/// The envelope's own subscriptions, from `eventNotification` and `eventNotifications`.
async fn subscriptions(app: &App, editor: &Editor, envelope: &Envelope, given: &[Wire]) -> Result<Vec<Arc<Subscription>>, Failure> {
    if given.is_empty() {
        return Ok(Vec::new());
    }
    if given.len() > NOTIFICATIONS_MAX {
        return Err(Failure::invalid_parameter(format!("an envelope has at most {NOTIFICATIONS_MAX} event notifications")));
    }
    let count = u32::try_from(given.len()).unwrap_or(u32::MAX);
    let ids = app.store.next_subscription_ids(count).await?;
    let account = &editor.caller.account;
    let (now, policy) = (app.now(), &app.settings.targets);
    given.iter().zip(ids).map(|(wire, id)| notification::read(wire, account, envelope.id, id, now, policy).map(Arc::new)).collect()
}
