//! Who calls: bearer tokens, the account in the path, and the right a route needs.
//!
//! A route names what it needs in its type: [`Caller<Reads>`], [`Caller<Writes>`] or [`Caller<Administers>`]. The account in the path
//! must be the token's own; any other answers 404, so that ids of other accounts cannot be told from ids that do not exist.

use std::{marker::PhantomData, sync::Arc};

use axum::extract::{FromRequestParts, RawPathParams};
use countersign_core::{
    account::{ApiToken, Right},
    config::AccountConfig,
    id::{AccountGuid, AccountId, UserId},
};
use http::{HeaderMap, header, request::Parts};
use sha2::{Digest, Sha256};

use crate::{App, failure::Failure};

/// The right a route needs.
pub trait Needs: Send + Sync + 'static {
    /// The least right.
    const RIGHT: Right;
}

/// Reading.
#[derive(Debug)]
pub struct Reads;
/// Posting events, sending envelopes, acting on deliveries.
#[derive(Debug)]
pub struct Writes;
/// Changing subscriptions and credentials (Connect: account administrator).
#[derive(Debug)]
pub struct Administers;

impl Needs for Reads {
    const RIGHT: Right = Right::Read;
}
impl Needs for Writes {
    const RIGHT: Right = Right::Write;
}
impl Needs for Administers {
    const RIGHT: Right = Right::Admin;
}

/// An authenticated caller in the account of the path, with at least the right `N`.
#[derive(Debug)]
pub struct Caller<N> {
    /// The account and its configuration as of now.
    pub account: Arc<AccountConfig>,
    /// On whose behalf.
    pub user: UserId,
    /// What the token may do.
    pub right: Right,
    needs: PhantomData<N>,
}

impl<N> Caller<N> {
    /// The account's id.
    #[must_use]
    pub fn account_id(&self) -> AccountId {
        self.account.id()
    }

    /// The account's GUID as on the wire.
    #[must_use]
    pub fn account_guid(&self) -> AccountGuid {
        self.account.account.guid
    }
}

impl<N: Needs> FromRequestParts<Arc<App>> for Caller<N> {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Failure> {
        let token = token_of(&parts.headers, app).await?;
        let path =
            RawPathParams::from_request_parts(parts, app).await.map_err(|_| Failure::invalid_parameter("the path is not valid UTF-8"))?;
        let account = app.configs.account(token.account).await?.ok_or_else(foreign_account)?;
        if let Some((_, named)) = path.iter().find(|(name, _)| *name == "account_id") {
            let own = match named.parse::<i64>() {
                Ok(number) => AccountId(number) == token.account,
                Err(_) => named.parse::<AccountGuid>().is_ok_and(|guid| guid == account.account.guid),
            };
            if !own {
                return Err(foreign_account());
            }
        }
        if token.right < N::RIGHT {
            return Err(Failure::forbidden(format!(
                "the token has the right '{}'; this needs '{}'",
                token.right.as_str(),
                N::RIGHT.as_str()
            )));
        }
        Ok(Self { account, user: token.user, right: token.right, needs: PhantomData })
    }
}

fn foreign_account() -> Failure {
    Failure::not_found("USER_DOES_NOT_BELONG_TO_SPECIFIED_ACCOUNT", "the token does not belong to this account")
}

/// The live token that a request carries.
///
/// # Errors
/// 401 when there is none or it does not count; the store's own failures.
pub async fn token_of(headers: &HeaderMap, app: &App) -> Result<ApiToken, Failure> {
    let text = bearer(headers).ok_or_else(|| Failure::unauthorized("send an API token as 'Authorization: Bearer <token>'"))?;
    let sha256: [u8; 32] = Sha256::digest(text.as_bytes()).into();
    let now = (app.clock)();
    let found = app.tokens.find(&*app.store, sha256, now).await?;
    match found {
        Some(token) if token.is_live(now) => Ok(token),
        Some(_) => Err(Failure::unauthorized("the token has expired")),
        None => Err(Failure::unauthorized("the token is not known or was revoked")),
    }
}

/// The token text; SDKs that store a bare token send it without `Bearer ` (reference: 9), which is let pass.
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?.trim();
    let token = match value.split_once(' ') {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => token.trim(),
        Some(_) => return None,
        None => value,
    };
    (!token.is_empty()).then_some(token)
}
