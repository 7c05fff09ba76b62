//! `POST /oauth/token`.

use std::sync::Arc;

use axum::extract::State;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use countersign_core::id::UserId;
use http::HeaderMap;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::{
    assertion::{BadAssertion, Unverified},
    audience::LoginHosts,
    client::{self, Proof},
    consent::CODE_TICKET,
    form::Form,
    issued::{Granted, Issued, REFRESH_TICKET, Refresh, issue},
    refusal::Refusal,
    scope,
};
use crate::{App, token_text};

const JWT_BEARER: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";

pub(super) async fn token(State(app): State<Arc<App>>, headers: HeaderMap, form: Result<Form, Refusal>) -> Result<Issued, Refusal> {
    let form = form?;
    match form.required("grant_type")? {
        JWT_BEARER => jwt(&app, &form).await,
        "authorization_code" => code(&app, &headers, &form).await,
        "refresh_token" => refresh(&app, &headers, &form).await,
        other => Err(Refusal::unsupported_grant_type(other)),
    }
}

/// RFC 7523 §2.1. Connect's descriptions: `issuer_not_found`, `no_valid_keys_or_signatures`, `user_not_found`.
async fn jwt(app: &App, form: &Form) -> Result<Issued, Refusal> {
    let bad = |bad: BadAssertion| Refusal::invalid_grant(bad.to_string());
    let unverified = Unverified::read(form.required("assertion")?).map_err(bad)?;
    let client = client::find(app, unverified.issuer()).await?.ok_or_else(|| Refusal::invalid_grant("issuer_not_found"))?;
    let claims = unverified.verify(&client.public_keys_pem, &LoginHosts::of(&app.settings), app.now()).map_err(bad)?;
    let scope = scope::granted(claims.scope.as_deref())?;
    // A user of another account is as unknown as one that does not exist.
    let unknown = || Refusal::invalid_grant("user_not_found");
    let user: UserId = claims.sub.as_deref().and_then(|sub| sub.parse().ok()).ok_or_else(unknown)?;
    let user = client::user(app, client.account, user).await?.ok_or_else(unknown)?;
    issue(app, &Granted::new(&client, user.id, scope), &user, Refresh::Without).await
}

/// RFC 6749 §4.1.3, RFC 7636 §4.5.
async fn code(app: &App, headers: &HeaderMap, form: &Form) -> Result<Issued, Refusal> {
    let (client, proof) = client::authenticate(app, headers, form).await?;
    let wrong = || Refusal::invalid_grant("the code is wrong, used or expired");
    let taken = app.store.take_ticket(CODE_TICKET, token_text::sha256(form.required("code")?), app.now()).await?;
    let granted = Granted::of(&taken.ok_or_else(wrong)?)?;
    if granted.client_id != client.client_id {
        return Err(wrong());
    }
    // The SDKs leave redirect_uri out (reference: 8.4); when it is there, it must be the one the code was sent to.
    if form.get("redirect_uri").is_some_and(|uri| granted.redirect_uri.as_deref() != Some(uri)) {
        return Err(Refusal::invalid_grant("redirect_uri is not the one the code was sent to"));
    }
    match (&granted.challenge, form.get("code_verifier")) {
        (Some(challenge), Some(verifier)) => {
            let made = URL_SAFE_NO_PAD.encode(Sha256::digest(verifier.as_bytes()));
            if !bool::from(made.as_bytes().ct_eq(challenge.as_bytes())) {
                return Err(Refusal::invalid_grant("the code verifier does not fit its challenge"));
            }
        }
        (Some(_), None) => return Err(Refusal::invalid_grant("the code needs its code_verifier")),
        (None, _) if proof == Proof::None => return Err(Refusal::invalid_client()),
        (None, _) => {}
    }
    renewed(app, &granted).await
}

/// RFC 6749 §6.
async fn refresh(app: &App, headers: &HeaderMap, form: &Form) -> Result<Issued, Refusal> {
    let (client, _) = client::authenticate(app, headers, form).await?;
    let wrong = || Refusal::invalid_grant("the refresh token is wrong, used or expired");
    let taken = app.store.take_ticket(REFRESH_TICKET, token_text::sha256(form.required("refresh_token")?), app.now()).await?;
    let granted = Granted::of(&taken.ok_or_else(wrong)?)?;
    if granted.client_id != client.client_id {
        return Err(wrong());
    }
    renewed(app, &granted).await
}

async fn renewed(app: &App, granted: &Granted) -> Result<Issued, Refusal> {
    let user = client::user(app, granted.account, granted.user).await?.ok_or_else(|| Refusal::invalid_grant("user_not_found"))?;
    issue(app, granted, &user, Refresh::With).await
}
