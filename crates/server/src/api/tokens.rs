//! `tokens`: the account's API tokens. A token is shown once, when it is made; what is kept is its SHA-256.

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::{Path, State},
    routing::{delete, get},
};
use countersign_core::{
    Timestamp,
    account::{ApiToken, Right, User},
    config::ConfigKind,
    id::{CredentialId, UserId},
};
use countersign_store::objects::{ObjectKey, StoredToken};
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    App,
    access::{Administers, Caller},
    api::{name::name, strict::StrictJson},
    failure::Failure,
    token_text::{self, TokenKind},
};

pub(super) fn routes() -> Router<Arc<App>> {
    Router::new().route("/tokens", get(list).post(create)).route("/tokens/{token_id}", delete(revoke))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct NewToken {
    name: String,
    right: Right,
    /// When it ends; never when absent.
    expires_at: Option<String>,
    /// On whose behalf; the caller's own when absent.
    user_id: Option<UserId>,
}

async fn create(
    State(app): State<Arc<App>>,
    caller: Caller<Administers>,
    StrictJson(new): StrictJson<NewToken>,
) -> Result<(StatusCode, Json<Value>), Failure> {
    let now = app.now();
    let expires_at = new.expires_at.as_deref().map(|text| expiry(text, now)).transpose()?;
    let user = new.user_id.unwrap_or(caller.user);
    let key = ObjectKey { account: caller.account_id(), kind: ConfigKind::User, id: user.to_string() };
    let stored = app.store.object(key).await?;
    let owner: User =
        stored.ok_or_else(|| Failure::invalid_parameter(format!("userId is '{user}'; the account has no such user")))?.object.read()?;
    if new.right == Right::Admin && !owner.admin {
        return Err(Failure::invalid_parameter("right is 'admin', but the user may not administer the account"));
    }
    let text = token_text::fresh(TokenKind::Api).map_err(no_randomness)?;
    let token = ApiToken {
        id: app.credential_id(now),
        account: caller.account_id(),
        user,
        name: name(&new.name)?,
        right: new.right,
        hint: token_text::hint(text.expose_secret()),
        created_at: now,
        expires_at,
    };
    let mut body = shown(&token, now);
    body["token"] = text.expose_secret().into();
    app.store.put_token(StoredToken { sha256: token_text::sha256(text.expose_secret()), token }).await?;
    app.tokens.clear();
    Ok((StatusCode::CREATED, Json(body)))
}

fn expiry(text: &str, now: Timestamp) -> Result<Timestamp, Failure> {
    let at = Timestamp::parse_generous(text).map_err(|e| Failure::invalid_parameter(format!("expiresAt: {e}")))?;
    if at <= now { Err(Failure::invalid_parameter(format!("expiresAt is '{text}', which is over"))) } else { Ok(at) }
}

pub(super) fn no_randomness(error: token_text::NoRandomness) -> Failure {
    tracing::error!(%error, "no secret could be made");
    Failure::new(StatusCode::SERVICE_UNAVAILABLE, "NO_RANDOMNESS", "no secret can be made now; try again")
}

/// Newest first, at most 1,000. Tokens from `/oauth/token` are among them.
async fn list(State(app): State<Arc<App>>, caller: Caller<Administers>) -> Result<Json<Value>, Failure> {
    let now = app.now();
    let tokens = app.store.tokens(caller.account_id()).await?;
    Ok(Json(json!({"tokens": tokens.iter().map(|stored| shown(&stored.token, now)).collect::<Vec<_>>()})))
}

fn shown(token: &ApiToken, now: Timestamp) -> Value {
    json!({
        "id": token.id,
        "name": token.name,
        "right": token.right,
        "userId": token.user,
        "hint": token.hint,
        "createdAt": token.created_at.to_seven_digits(),
        "expiresAt": token.expires_at.map(Timestamp::to_seven_digits),
        "live": token.is_live(now),
    })
}

async fn revoke(
    State(app): State<Arc<App>>,
    caller: Caller<Administers>,
    Path((_, id)): Path<(String, String)>,
) -> Result<StatusCode, Failure> {
    let missing = || Failure::not_found("TOKEN_NOT_FOUND", format!("there is no token {id}"));
    let id: CredentialId = id.parse().map_err(|_| missing())?;
    app.store.delete_token(caller.account_id(), id).await?.map_err(|_| missing())?;
    app.tokens.clear();
    Ok(StatusCode::NO_CONTENT)
}
