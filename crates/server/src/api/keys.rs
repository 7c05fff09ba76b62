//! `keys`: the account's HMAC keys, the same as Connect's `connect/secret`. A key that listeners know already can be taken over.

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::{Path, State},
    routing::{delete, get},
};
use countersign_core::{Secret, config::SigningKey};
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    App,
    access::{Administers, Caller},
    api::strict::StrictJson,
    failure::Failure,
    signing_keys,
};

pub(super) fn routes() -> Router<Arc<App>> {
    Router::new().route("/keys", get(list).post(create)).route("/keys/{key_id}", delete(remove))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewKey {
    /// The key's text, used as it is; a random one when absent.
    secret: Option<String>,
}

/// In the order of their signature headers.
async fn list(State(app): State<Arc<App>>, caller: Caller<Administers>) -> Result<Json<Value>, Failure> {
    let keys = signing_keys::list(&app, caller.account_id()).await?;
    Ok(Json(json!({"keys": keys.iter().map(shown).collect::<Vec<_>>()})))
}

/// The only answer that holds the secret.
async fn create(
    State(app): State<Arc<App>>,
    caller: Caller<Administers>,
    StrictJson(new): StrictJson<NewKey>,
) -> Result<(StatusCode, Json<Value>), Failure> {
    let given = new.secret.map(Secret::new);
    let key = signing_keys::create(&app, caller.account_id(), given.as_ref()).await?;
    let mut shown = shown(&key);
    shown["secret"] = key.secret.expose_secret().into();
    Ok((StatusCode::CREATED, Json(shown)))
}

async fn remove(
    State(app): State<Arc<App>>,
    caller: Caller<Administers>,
    Path((_, id)): Path<(String, String)>,
) -> Result<StatusCode, Failure> {
    signing_keys::delete(&app, caller.account_id(), &id).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn shown(key: &SigningKey) -> Value {
    json!({"id": key.id, "hint": signing_keys::truncated(key), "createdAt": key.created_at.to_seven_digits()})
}
