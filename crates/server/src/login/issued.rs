//! What a grant gives: an access token, and with a code a refresh token.

use std::time::Duration;

use axum::response::{IntoResponse, Response};
use countersign_core::{
    Timestamp,
    account::{ApiToken, IntegrationKey, Right, User},
    id::{AccountId, UserId},
    secret::Secret,
};
use countersign_store::objects::{StoredToken, Ticket};
use http::header;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::refusal::Refusal;
use crate::{
    App,
    token_text::{self, TokenKind},
};

/// Connect: a refresh token lives 30 days.
const REFRESH_LIFE: Duration = Duration::from_secs(30 * 24 * 3600);
/// The kind of a refresh token's ticket.
pub(super) const REFRESH_TICKET: &str = "refresh_token";

/// Begins the name of every token issued to an integration key, so that they go with it.
pub(crate) const TOKEN_NAME_PREFIX: &str = "login by integration key ";

/// For whom and by whom: what a ticket stands for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Granted {
    pub(super) client_id: uuid::Uuid,
    pub(super) account: AccountId,
    pub(super) user: UserId,
    pub(super) scope: String,
    /// Of a code: where it was sent.
    #[serde(default)]
    pub(super) redirect_uri: Option<String>,
    /// Of a code: the S256 challenge (RFC 7636).
    #[serde(default)]
    pub(super) challenge: Option<String>,
}

impl Granted {
    pub(super) fn new(client: &IntegrationKey, user: UserId, scope: String) -> Self {
        Self { client_id: client.client_id, account: client.account, user, scope, redirect_uri: None, challenge: None }
    }

    /// A ticket that stands for it.
    pub(super) fn ticket(&self, kind: &str, text: &Secret, expires_at: Timestamp) -> Result<Ticket, Refusal> {
        let body = serde_json::to_string(self).map_err(|e| countersign_store::StoreError::Backend(e.to_string()))?;
        Ok(Ticket { sha256: token_text::sha256(text.expose_secret()), kind: kind.to_owned(), body, expires_at })
    }

    pub(super) fn of(ticket: &Ticket) -> Result<Self, Refusal> {
        serde_json::from_str(&ticket.body).map_err(|e| countersign_store::StoreError::Damaged(format!("a ticket: {e}")).into())
    }
}

/// An answer of the token endpoint (RFC 6749 §5.1).
#[derive(Debug)]
pub(super) struct Issued {
    access_token: Secret,
    refresh_token: Option<Secret>,
    expires_in: Duration,
    scope: String,
}

/// Whether a refresh token comes along.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Refresh {
    /// Yes.
    With,
    /// No: the JWT grant is repeated instead.
    Without,
}

/// Makes and keeps the tokens. An administrator's token may administer, any other user's may write.
pub(super) async fn issue(app: &App, granted: &Granted, user: &User, refresh: Refresh) -> Result<Issued, Refusal> {
    let now = app.now();
    let life = app.settings.access_token_life;
    let access_token = token_text::fresh(TokenKind::Access)?;
    let text = access_token.expose_secret();
    let token = ApiToken {
        id: app.credential_id(now),
        account: granted.account,
        user: user.id,
        name: format!("{TOKEN_NAME_PREFIX}{}", granted.client_id),
        right: if user.admin { Right::Admin } else { Right::Write },
        hint: token_text::hint(text),
        created_at: now,
        expires_at: Some(now + life),
    };
    app.store.put_token(StoredToken { sha256: token_text::sha256(text), token }).await?;
    let refresh_token = match refresh {
        Refresh::Without => None,
        Refresh::With => {
            let text = token_text::fresh(TokenKind::Refresh)?;
            let granted = Granted { redirect_uri: None, challenge: None, ..granted.clone() };
            keep(app, granted.ticket(REFRESH_TICKET, &text, now + REFRESH_LIFE)?, now).await?;
            Some(text)
        }
    };
    app.metrics.token_issued();
    Ok(Issued { access_token, refresh_token, expires_in: life, scope: granted.scope.clone() })
}

/// Keeps a fresh ticket.
pub(super) async fn keep(app: &App, ticket: Ticket, now: Timestamp) -> Result<(), Refusal> {
    app.store
        .put_ticket(ticket, now)
        .await?
        .map_err(|refused| countersign_store::StoreError::Backend(format!("a fresh ticket was refused: {refused}")).into())
}

impl IntoResponse for Issued {
    fn into_response(self) -> Response {
        let mut body = json!({
            "access_token": self.access_token.expose_secret(),
            "token_type": "Bearer",
            "expires_in": self.expires_in.as_secs(),
            "scope": self.scope,
        });
        if let Some(refresh) = &self.refresh_token {
            body["refresh_token"] = refresh.expose_secret().into();
        }
        let headers = [(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, "no-store"), (header::PRAGMA, "no-cache")];
        (headers, body.to_string()).into_response()
    }
}
