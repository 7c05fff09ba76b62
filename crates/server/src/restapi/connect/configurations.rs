//! `/connect` and `/connect/{connectId}`: configurations made, read, changed and deleted.

use std::sync::Arc;

use axum::{
    Router,
    extract::{Path, State},
    routing::get,
};
use countersign_core::{
    id::SubscriptionId,
    subscription::{Scope, Subscription},
};
use http::StatusCode;
use serde_json::{Value, json};

use super::configuration::{self, Read};
use crate::{
    App,
    access::{Administers, Caller},
    failure::Failure,
    restapi::wire::{Answer, Wire},
    subscription::{
        Terms, is_listed,
        saved::{self, Precondition},
    },
};

pub(super) fn routes() -> Router<Arc<App>> {
    Router::new().route("/connect", get(list).post(create).put(update)).route("/connect/{connect_id}", get(one).delete(delete))
}

async fn list(State(app): State<Arc<App>>, caller: Caller<Administers>) -> Result<Answer, Failure> {
    let (_, stored) = app.store.subscriptions(caller.account_id()).await?;
    let mut subscriptions = Vec::with_capacity(stored.len());
    for (_, object) in stored {
        let subscription: Subscription = object.read()?;
        if is_configuration(&subscription) {
            subscriptions.push(subscription);
        }
    }
    subscriptions.sort_by_key(|subscription| subscription.id);
    Ok(results(subscriptions.iter().map(|subscription| configuration::shown(subscription, &[])).collect()))
}

/// One configuration comes in the wrapper of a list (reference: 9, quirk 5).
async fn one(State(app): State<Arc<App>>, caller: Caller<Administers>, Path((_, id)): Path<(String, String)>) -> Result<Answer, Failure> {
    let subscription = find(&app, &caller, &id).await?;
    Ok(results(vec![configuration::shown(&subscription, &[])]))
}

fn results(configurations: Vec<Value>) -> Answer {
    Answer::ok(json!({"totalRecords": configurations.len().to_string(), "configurations": configurations}))
}

async fn create(State(app): State<Arc<App>>, caller: Caller<Administers>, wire: Wire) -> Result<Answer, Failure> {
    let terms = Terms { account: &caller.account, policy: &app.settings.targets };
    let read = configuration::read(&wire, SubscriptionId::FIRST, None, &terms, app.now())?;
    let Read { subscription, warnings } = read;
    let saved = saved::create(&app, &caller.account, subscription).await?;
    Ok(Answer::created(configuration::shown(&saved.subscription, &[warnings, saved.warnings].concat())))
}

/// Absent properties stay as they are.
async fn update(State(app): State<Arc<App>>, caller: Caller<Administers>, wire: Wire) -> Result<Answer, Failure> {
    let id = wire.text("connectId")?.filter(|id| !id.trim().is_empty());
    let id = id.ok_or_else(|| Failure::invalid_parameter("connectId is needed to say which configuration is meant"))?;
    let before = find(&app, &caller, id.trim()).await?;
    let terms = Terms { account: &caller.account, policy: &app.settings.targets };
    let Read { subscription, warnings } = configuration::read(&wire, before.id, Some(&before), &terms, app.now())?;
    let saved = saved::update(&app, &caller.account, &before, subscription, Precondition::None).await?;
    Ok(Answer::ok(configuration::shown(&saved.subscription, &[warnings, saved.warnings].concat())))
}

async fn delete(
    State(app): State<Arc<App>>,
    caller: Caller<Administers>,
    Path((_, id)): Path<(String, String)>,
) -> Result<StatusCode, Failure> {
    let subscription = find(&app, &caller, &id).await?;
    saved::delete(&app, caller.account_id(), subscription.id).await?;
    Ok(StatusCode::OK)
}

/// A configuration of the caller's account.
///
/// # Errors
/// 404 for everything else, subscriptions of envelopes and of other accounts included.
pub(super) async fn find(app: &App, caller: &Caller<Administers>, id: &str) -> Result<Subscription, Failure> {
    let missing = || {
        let shown: String = id.chars().take(32).flat_map(char::escape_debug).collect();
        Failure::not_found("CONNECT_CONFIGURATION_DOES_NOT_EXIST", format!("there is no Connect configuration {shown}"))
    };
    let number: i64 = id.parse().map_err(|_| missing())?;
    let found = saved::find(app, caller.account_id(), SubscriptionId(number)).await?;
    found.filter(is_configuration).ok_or_else(missing)
}

fn is_configuration(subscription: &Subscription) -> bool {
    !matches!(subscription.scope, Scope::Envelope(_)) && is_listed(subscription)
}
