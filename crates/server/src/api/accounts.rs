//! The account itself: its name, its time zone, and how much waits for it.

use std::sync::Arc;

use axum::{Json, Router, extract::State, routing::get};
use countersign_core::{account::Account, id::SubscriptionId};
use countersign_store::query::Backlog;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    App,
    access::{Administers, Caller, Reads},
    api::{
        name::name,
        strict::{StrictJson, StrictQuery},
    },
    failure::Failure,
};

/// The longest name of a time zone.
const TIME_ZONE_CHARS_MAX: usize = 100;

/// Below `/api/v1`.
pub(super) fn routes() -> Router<Arc<App>> {
    Router::new().route("/accounts", get(own)).route("/accounts/{account_id}", get(one).put(update))
}

/// Below an account.
pub(super) fn account_routes() -> Router<Arc<App>> {
    Router::new().route("/backlog", get(backlog))
}

/// The accounts a token works in: its own.
async fn own(caller: Caller<Reads>) -> Json<Value> {
    Json(json!({"accounts": [shown(&caller.account.account)]}))
}

async fn one(caller: Caller<Reads>) -> Json<Value> {
    Json(shown(&caller.account.account))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct ChangedAccount {
    name: Option<String>,
    time_zone: Option<String>,
    time_zone_offset_hours: Option<i8>,
    recipient_domains: Option<Value>,
}

async fn update(
    State(app): State<Arc<App>>,
    caller: Caller<Administers>,
    StrictJson(change): StrictJson<ChangedAccount>,
) -> Result<Json<Value>, Failure> {
    if change.recipient_domains.is_some() {
        return Err(Failure::forbidden("recipientDomains are assigned by the operator: 'countersign account domains'"));
    }
    let missing = || Failure::not_found("ACCOUNT_NOT_FOUND", "the account does not exist");
    // Read afresh: the cached one may be a moment old, and the whole record is written.
    let (mut account, _) = app.store.account(caller.account_id()).await?.ok_or_else(missing)?;
    if let Some(text) = &change.name {
        account.name = name(text)?;
    }
    if let Some(zone) = change.time_zone {
        if zone.trim().is_empty() || zone.chars().count() > TIME_ZONE_CHARS_MAX || zone.chars().any(char::is_control) {
            return Err(Failure::invalid_parameter(format!("timeZone must have 1 to {TIME_ZONE_CHARS_MAX} characters")));
        }
        account.time_zone = zone.trim().to_owned();
    }
    if let Some(hours) = change.time_zone_offset_hours {
        if !(-12..=14).contains(&hours) {
            return Err(Failure::invalid_parameter(format!("timeZoneOffsetHours is {hours}; it can be -12 to 14")));
        }
        account.time_zone_offset_hours = hours;
    }
    app.store.update_account(account.clone()).await??;
    app.configs.invalidate(account.id);
    Ok(Json(shown(&account)))
}

fn shown(account: &Account) -> Value {
    json!({
        "id": account.guid,
        "number": account.id,
        "name": account.name,
        "createdAt": account.created_at.to_seven_digits(),
        "timeZone": account.time_zone,
        "timeZoneOffsetHours": account.time_zone_offset_hours,
        "recipientDomains": account.recipient_domains,
    })
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Of {
    subscription: Option<SubscriptionId>,
}

async fn backlog(State(app): State<Arc<App>>, caller: Caller<Reads>, StrictQuery(of): StrictQuery<Of>) -> Result<Json<Value>, Failure> {
    let backlog = app.store.backlog(Some(caller.account_id()), of.subscription).await?;
    Ok(Json(figures(&backlog)))
}

/// How much waits, as shown.
pub(super) fn figures(backlog: &Backlog) -> Value {
    json!({
        "waiting": backlog.waiting,
        "held": backlog.held,
        "leased": backlog.leased,
        "parked": backlog.parked,
        "oldestDueAt": backlog.oldest_due.map(countersign_core::Timestamp::to_seven_digits),
    })
}
