//! `oauth`: the account's connection to an authorization server, the same as Connect's `connect/oauth`.

use std::sync::Arc;

use axum::{Json, Router, extract::State, routing::get};
use countersign_core::config::AccountOAuth;
use http::StatusCode;
use serde_json::{Value, json};

use super::{
    connection::{self, ConnectionForm},
    strict::StrictJson,
};
use crate::{
    App,
    access::{Administers, Caller},
    account_oauth,
    failure::Failure,
};

pub(super) fn routes() -> Router<Arc<App>> {
    Router::new().route("/oauth", get(one).put(save).patch(save).delete(remove))
}

async fn one(State(app): State<Arc<App>>, caller: Caller<Administers>) -> Result<Json<Value>, Failure> {
    Ok(Json(shown(&account_oauth::found(&app, caller.account_id()).await?, &[])))
}

/// Makes or changes it; what is absent stays as it is. A token is fetched with it before anything is saved.
async fn save(
    State(app): State<Arc<App>>,
    caller: Caller<Administers>,
    StrictJson(form): StrictJson<ConnectionForm>,
) -> Result<Json<Value>, Failure> {
    let before = account_oauth::find(&app, caller.account_id()).await?;
    let next = form.over(before.as_ref().map(|before| &before.connection))?;
    let (saved, warnings) = account_oauth::save(&app, &caller.account, next).await?;
    Ok(Json(shown(&saved, &warnings)))
}

async fn remove(State(app): State<Arc<App>>, caller: Caller<Administers>) -> Result<StatusCode, Failure> {
    account_oauth::delete(&app, caller.account_id()).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn shown(oauth: &AccountOAuth, warnings: &[String]) -> Value {
    let mut shown = connection::shown(&oauth.connection);
    shown["verifiedAt"] = json!(oauth.verified_at.map(|at| at.to_seven_digits()));
    shown["savedAt"] = oauth.saved_at.to_seven_digits().into();
    if !warnings.is_empty() {
        shown["warnings"] = json!(warnings);
    }
    shown
}
