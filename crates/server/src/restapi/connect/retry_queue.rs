//! `retry_queue`: failed messages sent again at once, for one envelope or many. A delivery keeps its id and its
//! `retryCount` rises; what was delivered is not sent again.

use std::sync::Arc;

use axum::{
    Router,
    extract::{Path, State},
    routing::put,
};
use countersign_core::id::EnvelopeId;
use countersign_store::query::{DeliveryAction, DeliveryFilter};
use serde_json::{Value, json};

use crate::{
    App,
    access::{Administers, Caller},
    failure::Failure,
    restapi::wire::{Answer, Wire},
};

/// Envelopes in one request.
const ENVELOPES_MAX: usize = 1_000;
/// Failed messages of one envelope that are retried in one request, oldest last; an envelope has a few dozen events at most.
const FAILURES_MAX: u32 = 1_000;

pub(super) fn routes() -> Router<Arc<App>> {
    Router::new().route("/connect/envelopes/retry_queue", put(many)).route("/connect/envelopes/{envelope_id}/retry_queue", put(one))
}

async fn one(
    State(app): State<Arc<App>>,
    caller: Caller<Administers>,
    Path((_, envelope)): Path<(String, String)>,
) -> Result<Answer, Failure> {
    let envelope = read(&envelope)?;
    let results = retried(&app, &caller, envelope).await?.ok_or_else(|| missing(envelope))?;
    Ok(Answer::ok(json!({"retryQueue": results})))
}

/// An envelope that does not exist has an entry that says so; the others are retried.
async fn many(State(app): State<Arc<App>>, caller: Caller<Administers>, wire: Wire) -> Result<Answer, Failure> {
    if wire.flag("synchronous")?.unwrap_or(false) {
        return Err(Failure::invalid_parameter("synchronous can only be false: messages are sent after the answer"));
    }
    let envelopes = wire.texts("envelopeIds")?;
    if envelopes.is_empty() || envelopes.len() > ENVELOPES_MAX {
        return Err(Failure::invalid_parameter(format!("envelopeIds holds 1 to {ENVELOPES_MAX} ids; this one holds {}", envelopes.len())));
    }
    let envelopes = envelopes.iter().map(|text| read(text)).collect::<Result<Vec<_>, _>>()?;
    let mut results = Vec::new();
    for envelope in envelopes {
        match retried(&app, &caller, envelope).await? {
            Some(retried) => results.extend(retried),
            None => results.push(json!({
                "configId": "",
                "configUrl": "",
                "envelopeId": envelope,
                "status": "failed",
                "statusMessage": missing(envelope).message,
            })),
        }
    }
    Ok(Answer::ok(json!({"retryQueue": results})))
}

/// One entry per failed message of the envelope; `None` when the account has neither the envelope nor a message about it.
async fn retried(app: &App, caller: &Caller<Administers>, envelope: EnvelopeId) -> Result<Option<Vec<Value>>, Failure> {
    let account = caller.account_id();
    let filter = DeliveryFilter { failures: true, envelope: Some(envelope), ..DeliveryFilter::default() };
    let page = app.store.deliveries(account, filter, None, FAILURES_MAX).await?;
    if page.deliveries.is_empty() {
        let known = app.store.envelope(account, envelope).await?.is_some() || {
            let any = DeliveryFilter { envelope: Some(envelope), ..DeliveryFilter::default() };
            !app.store.deliveries(account, any, None, 1).await?.deliveries.is_empty()
        };
        return Ok(known.then(Vec::new));
    }
    let ids = page.deliveries.iter().map(|listed| listed.delivery.id).collect();
    let queued = app.store.act_on_deliveries(account, ids, DeliveryAction::Retry, app.now()).await?;
    let mut results = Vec::with_capacity(page.deliveries.len());
    for listed in &page.deliveries {
        let delivery = &listed.delivery;
        let found = app.configs.subscription(account, delivery.subscription).await?;
        let (status, message) = match queued.contains(&delivery.id) {
            true => ("queued", String::new()),
            false => ("failed", format!("the message is {} by now", delivery.state.as_str())),
        };
        results.push(json!({
            "configId": delivery.subscription.to_string(),
            "configUrl": found.map(|(_, subscription)| subscription.url.to_string()).unwrap_or_default(),
            "envelopeId": envelope,
            "status": status,
            "statusMessage": message,
        }));
        app.hand_over.wake(delivery.listener);
    }
    Ok(Some(results))
}

fn read(text: &str) -> Result<EnvelopeId, Failure> {
    let shown = || text.chars().take(64).flat_map(char::escape_debug).collect::<String>();
    text.trim().parse().map_err(|_| Failure::invalid_parameter(format!("'{}' is not the GUID of an envelope", shown())))
}

fn missing(envelope: EnvelopeId) -> Failure {
    Failure::not_found("ENVELOPE_DOES_NOT_EXIST", format!("the account has no envelope {envelope}"))
}
