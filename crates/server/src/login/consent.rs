//! `GET /oauth/auth`: in development, consent given at once (RFC 6749 §4.1.1, §4.1.2).

use std::{sync::Arc, time::Duration};

use axum::{
    extract::{RawQuery, State},
    response::{IntoResponse, Response},
};
use countersign_core::{
    account::{IntegrationKey, User},
    config::ConfigKind,
};
use http::{HeaderValue, StatusCode, header};
use url::Url;

use super::{
    client,
    form::Form,
    issued::{Granted, keep},
    refusal::Refusal,
    scope,
};
use crate::{
    App,
    token_text::{self, TokenKind},
};

/// The kind of a code's ticket.
pub(super) const CODE_TICKET: &str = "authorization_code";
/// RFC 6749 §4.1.2 advises at most ten minutes; the SDKs redeem at once.
const CODE_LIFE: Duration = Duration::from_secs(120);
/// Users looked through for the one named, or for an administrator.
const USERS_MAX: u32 = 1_000;

pub(super) async fn auth(State(app): State<Arc<App>>, RawQuery(query): RawQuery) -> Result<Response, Refusal> {
    if !app.settings.dev {
        return Err(Refusal::no_consent_page());
    }
    let form = Form::parse(query.unwrap_or_default().as_bytes())?;
    let client = client::find(&app, form.required("client_id")?)
        .await?
        .ok_or_else(|| Refusal::invalid_request("there is no such integration key"))?;
    // Until both are known to belong together, nobody is sent anywhere.
    let redirect_uri = form.required("redirect_uri")?;
    if !client.redirect_uris.iter().any(|registered| registered == redirect_uri) {
        return Err(Refusal::invalid_request("redirect_uri is not registered with the integration key; it must match exactly"));
    }
    let mut back = Url::parse(redirect_uri).map_err(|_| Refusal::invalid_request("redirect_uri is not a URL"))?;
    match consent(&app, &client, &form, redirect_uri).await {
        Ok(code) => back.query_pairs_mut().append_pair("code", &code),
        Err(Declined::Because(error)) => back.query_pairs_mut().append_pair("error", error),
        Err(Declined::Failed(refusal)) => return Err(refusal),
    };
    if let Some(state) = form.get("state") {
        back.query_pairs_mut().append_pair("state", state);
    }
    let location = HeaderValue::from_str(back.as_str()).map_err(|_| Refusal::invalid_request("redirect_uri cannot stand in a header"))?;
    let headers = [(header::LOCATION, location), (header::CACHE_CONTROL, HeaderValue::from_static("no-store"))];
    Ok((StatusCode::FOUND, headers).into_response())
}

enum Declined {
    /// Told to the application by redirect (RFC 6749 §4.1.2.1).
    Because(&'static str),
    /// Told to the browser.
    Failed(Refusal),
}

impl<T: Into<Refusal>> From<T> for Declined {
    fn from(refusal: T) -> Self {
        Self::Failed(refusal.into())
    }
}

/// A code for the application.
async fn consent(app: &App, client: &IntegrationKey, form: &Form, redirect_uri: &str) -> Result<String, Declined> {
    if form.get("response_type") != Some("code") {
        return Err(Declined::Because("unsupported_response_type"));
    }
    let scope = scope::granted(form.get("scope")).map_err(|_| Declined::Because("invalid_scope"))?;
    let challenge = match (form.get("code_challenge"), form.get("code_challenge_method")) {
        (None, _) => None,
        (Some(challenge), Some("S256")) => Some(challenge.to_owned()),
        // "plain" protects nothing (RFC 9700 §2.1.1).
        (Some(_), _) => return Err(Declined::Because("invalid_request")),
    };
    let Some(user) = user(app, client, form.get("login_hint")).await? else { return Err(Declined::Because("access_denied")) };
    let now = app.now();
    let code = token_text::fresh(TokenKind::Code).map_err(Refusal::from)?;
    let granted = Granted { redirect_uri: Some(redirect_uri.to_owned()), challenge, ..Granted::new(client, user.id, scope) };
    keep(app, granted.ticket(CODE_TICKET, &code, now + CODE_LIFE)?, now).await?;
    Ok(code.expose_secret().to_owned())
}

/// The user named by id or e-mail address, or the administrator made first.
async fn user(app: &App, client: &IntegrationKey, hint: Option<&str>) -> Result<Option<User>, Refusal> {
    let stored = app.store.objects(client.account, ConfigKind::User, None, USERS_MAX).await?;
    let users = stored.into_iter().map(|stored| stored.object.read::<User>()).collect::<Result<Vec<_>, _>>()?;
    Ok(match hint {
        Some(hint) => users.into_iter().find(|user| user.email.eq_ignore_ascii_case(hint) || hint.parse() == Ok(user.id)),
        None => users.into_iter().filter(|user| user.admin).min_by_key(|user| user.created_at),
    })
}
