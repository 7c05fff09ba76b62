//! The account's own connection to an authorization server: one for all subscriptions that ask for it.

use std::sync::Arc;

use countersign_core::{
    auth::OAuthConnection,
    config::{AccountConfig, AccountOAuth, ConfigKind},
    id::AccountId,
};
use countersign_store::objects::{Object, ObjectKey};

use crate::{
    App,
    connection::{self, Trial},
    failure::Failure,
    subscription::resume,
};

/// There is one per account, so that its id says nothing.
const ID: &str = "account";

/// The connection.
///
/// # Errors
/// The store's.
pub async fn find(app: &App, account: AccountId) -> Result<Option<AccountOAuth>, Failure> {
    Ok(app.store.object(place(account)).await?.map(|stored| stored.object.read()).transpose()?)
}

/// The connection, which must be there.
///
/// # Errors
/// 404 when there is none; the store's own.
pub async fn found(app: &App, account: AccountId) -> Result<AccountOAuth, Failure> {
    find(app, account).await?.ok_or_else(missing)
}

/// Checks a connection, asks for a token with it, keeps it, and lets go what waited for a token. Answers what its author should know.
///
/// # Errors
/// 400 when it cannot be or the authorization server refuses it, with the server's own words; nothing is saved then.
pub async fn save(app: &Arc<App>, account: &AccountConfig, connection: OAuthConnection) -> Result<(AccountOAuth, Vec<String>), Failure> {
    connection::check(&connection, &app.settings.targets)?;
    let trial = connection::try_out(app, account, &connection).await?;
    let now = app.now();
    let verified_at = (trial == Trial::Verified).then_some(now);
    let saved = AccountOAuth { connection, verified_at, saved_at: now };
    app.store.put_object(place(account.id()), Object::of(&saved)?, None).await??;
    app.configs.invalidate(account.id());
    resume::resume_after_connection(app, account).await?;
    let warnings = match trial {
        Trial::Verified => Vec::new(),
        Trial::Unverified(why) => vec![format!("saved unverified: {why}")],
    };
    Ok((saved, warnings))
}

/// Deletes it. What asks for its token is held until there is another.
///
/// # Errors
/// 404 when there is none; the store's own.
pub async fn delete(app: &App, account: AccountId) -> Result<(), Failure> {
    app.store.delete_object(place(account)).await?.map_err(|_| missing())?;
    app.configs.invalidate(account);
    Ok(())
}

fn missing() -> Failure {
    Failure::not_found("OAUTH_CONNECTION_NOT_FOUND", "the account has no connection to an authorization server")
}

fn place(account: AccountId) -> ObjectKey {
    ObjectKey { account, kind: ConfigKind::OAuth, id: ID.to_owned() }
}
