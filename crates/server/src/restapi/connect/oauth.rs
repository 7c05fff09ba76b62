//! `/connect/oauth`: the account's own connection to an authorization server.

use std::sync::Arc;

use axum::{Router, extract::State, routing::get};
use countersign_core::config::AccountOAuth;
use http::StatusCode;
use serde_json::{Value, json};

use super::connection;
use crate::{
    App,
    access::{Administers, Caller},
    account_oauth,
    failure::Failure,
    restapi::wire::{Answer, Wire},
};

pub(super) fn routes() -> Router<Arc<App>> {
    Router::new().route("/connect/oauth", get(one).post(create).put(update).delete(remove))
}

async fn one(State(app): State<Arc<App>>, caller: Caller<Administers>) -> Result<Answer, Failure> {
    let found = account_oauth::found(&app, caller.account_id()).await?;
    let warnings = match found.verified_at {
        Some(_) => Vec::new(),
        None => vec!["not verified: no token was obtained when it was saved".to_owned()],
    };
    Ok(Answer::ok(shown(&found, &warnings)))
}

/// Replaces a connection that is there: there is one per account.
async fn create(State(app): State<Arc<App>>, caller: Caller<Administers>, wire: Wire) -> Result<Answer, Failure> {
    let (saved, warnings) = account_oauth::save(&app, &caller.account, connection::read(&wire, None)?).await?;
    Ok(Answer::created(shown(&saved, &warnings)))
}

/// A whole connection replaces the one that is there, a part of one changes it; a secret that comes back masked stays.
async fn update(State(app): State<Arc<App>>, caller: Caller<Administers>, wire: Wire) -> Result<Answer, Failure> {
    let before = account_oauth::found(&app, caller.account_id()).await?;
    let next = connection::read(&wire, Some(&before.connection))?;
    let (saved, warnings) = account_oauth::save(&app, &caller.account, next).await?;
    Ok(Answer::ok(shown(&saved, &warnings)))
}

async fn remove(State(app): State<Arc<App>>, caller: Caller<Administers>) -> Result<StatusCode, Failure> {
    account_oauth::delete(&app, caller.account_id()).await?;
    Ok(StatusCode::OK)
}

/// With `warnings`, a property of ours, when it was saved without having been tried out.
fn shown(oauth: &AccountOAuth, warnings: &[String]) -> Value {
    let mut shown = connection::shown(&oauth.connection);
    if !warnings.is_empty() {
        shown["warnings"] = json!(warnings);
    }
    shown
}
