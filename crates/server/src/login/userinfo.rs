//! `GET /oauth/userinfo`: who the token's user is and where their account lives (reference: 8.4).

use std::sync::Arc;

use axum::{Json, extract::State};
use serde_json::{Value, json};

use super::{client, refusal::Refusal};
use crate::{
    App,
    access::{Caller, Reads},
};

pub(super) async fn userinfo(
    State(app): State<Arc<App>>,
    caller: Result<Caller<Reads>, crate::failure::Failure>,
) -> Result<Json<Value>, Refusal> {
    let caller = caller?;
    let unknown = || crate::failure::Failure::unauthorized("the token's user is gone");
    let user = client::user(&app, caller.account_id(), caller.user).await?.ok_or_else(unknown)?;
    let (given_name, family_name) = user.name.rsplit_once(' ').unwrap_or((&user.name, ""));
    Ok(Json(json!({
        "sub": user.id,
        "name": user.name,
        "given_name": given_name,
        "family_name": family_name,
        "created": user.created_at.to_seven_digits(),
        "email": user.email,
        "accounts": [{
            "account_id": caller.account_guid(),
            // A real boolean (reference: 9, quirk 1).
            "is_default": true,
            "account_name": caller.account.account.name,
            "base_uri": app.settings.public_url,
        }],
    })))
}
