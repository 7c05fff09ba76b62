//! `/connect/secret`: the account's HMAC keys (Connect keys). Docusign declares no schema for the answers (reference: 4); ours
//! name the key, its secret and when it was made.

use std::sync::Arc;

use axum::{
    Router,
    extract::{Path, State},
    routing::{delete, get},
};
use countersign_core::config::SigningKey;
use http::StatusCode;
use serde_json::{Value, json};

use crate::{
    App,
    access::{Administers, Caller},
    failure::Failure,
    restapi::wire::Answer,
    signing_keys,
};

pub(super) fn routes() -> Router<Arc<App>> {
    Router::new().route("/connect/secret", get(list).post(create)).route("/connect/secret/{key_id}", delete(remove))
}

/// An array; secrets are truncated.
async fn list(State(app): State<Arc<App>>, caller: Caller<Administers>) -> Result<Answer, Failure> {
    let keys = signing_keys::list(&app, caller.account_id()).await?;
    Ok(Answer::ok(keys.iter().map(|key| shown(key, &signing_keys::truncated(key))).collect()))
}

/// The only answer that holds the whole secret. SDKs send `{}` here; nothing in it is read.
async fn create(State(app): State<Arc<App>>, caller: Caller<Administers>) -> Result<Answer, Failure> {
    let key = signing_keys::create(&app, caller.account_id(), None).await?;
    Ok(Answer::created(shown(&key, key.secret.expose_secret())))
}

async fn remove(
    State(app): State<Arc<App>>,
    caller: Caller<Administers>,
    Path((_, id)): Path<(String, String)>,
) -> Result<StatusCode, Failure> {
    signing_keys::delete(&app, caller.account_id(), &id).await?;
    Ok(StatusCode::OK)
}

fn shown(key: &SigningKey, secret: &str) -> Value {
    json!({"keyId": key.id, "secret": secret, "createdDateTime": key.created_at.to_seven_digits()})
}
