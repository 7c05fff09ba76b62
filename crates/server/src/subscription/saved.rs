//! Saving: the trial of a connection, the write, and what waits being let go.

use std::sync::Arc;

use countersign_core::{
    config::AccountConfig,
    id::{AccountId, SubscriptionId},
    subscription::{Activity, OAuthUse, Subscription},
};
use countersign_store::{Refused, StoreError, objects::Object};
use http::StatusCode;

use super::{connection_changed, resume, warnings};
use crate::{
    App,
    connection::{self, Trial},
    failure::Failure,
};

/// Account-level subscriptions of one account. All of them are compared with every event.
const SUBSCRIPTIONS_MAX: usize = 10_000;

/// How often a subscription is written again because another change of it came first.
const WRITES_MAX: usize = 32;

/// When a change is made.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Precondition {
    /// Whatever others have changed since it was read: the last one wins.
    None,
    /// Only while nobody else has changed it since it was read.
    Unchanged,
}

/// A subscription on stable storage.
#[derive(Clone, Debug)]
pub struct Saved {
    /// As it was written.
    pub subscription: Subscription,
    /// What its author should know although it was saved.
    pub warnings: Vec<String>,
}

/// Gives a new account-level subscription its id and writes it. It has passed [`super::check`].
///
/// # Errors
/// 400 when its authorization server refuses, or the account has too many; the store's own.
pub async fn create(app: &Arc<App>, account: &AccountConfig, mut subscription: Subscription) -> Result<Saved, Failure> {
    if account.subscriptions.len() >= SUBSCRIPTIONS_MAX {
        return Err(Failure::invalid_parameter(format!("an account has at most {SUBSCRIPTIONS_MAX} subscriptions")));
    }
    let unverified = try_own_connection(app, account, None, &subscription).await?;
    subscription.id = fresh_id(app).await?;
    subscription.revision = 1;
    app.store.put_subscription(account.id(), subscription.id, Object::of(&subscription)?, true).await??;
    app.configs.invalidate(account.id());
    Ok(saved(subscription, unverified))
}

/// Overwrites a subscription of either level and lets go what waited for a reason that is gone. It has passed [`super::check`].
///
/// # Errors
/// 400 when its authorization server refuses; 404 when it was deleted in the meantime, 412 when it was changed and that matters; the
/// store's own.
pub async fn update(
    app: &Arc<App>,
    account: &AccountConfig,
    before: &Subscription,
    mut subscription: Subscription,
    precondition: Precondition,
) -> Result<Saved, Failure> {
    let unverified = try_own_connection(app, account, Some(before), &subscription).await?;
    let reactivated = matches!(before.activity, Activity::Disabled { .. }) && subscription.activity == Activity::Active;
    if reactivated || before.url != subscription.url {
        // The 14 days after which it is disabled start anew.
        subscription.failing_since = None;
    }
    write(app, account.id(), &mut subscription, before.revision, precondition).await?;
    app.configs.invalidate(account.id());
    resume::resume(app, account, &subscription).await?;
    Ok(saved(subscription, unverified))
}

/// Writes it under a revision of its own, also where the last one wins: a revision is one form of one subscription.
async fn write(
    app: &App,
    account: AccountId,
    subscription: &mut Subscription,
    read: u64,
    precondition: Precondition,
) -> Result<(), Failure> {
    let mut read = read;
    for _ in 0..WRITES_MAX {
        subscription.revision = read + 1;
        match app.store.put_subscription_at(account, subscription.id, Object::of(subscription)?, read).await? {
            Ok(_) => return Ok(()),
            Err(Refused::WrongState(_)) if precondition == Precondition::None => {
                read = find(app, account, subscription.id).await?.ok_or(Refused::NotFound)?.revision;
            }
            Err(Refused::WrongState(_)) => return Err(changed()),
            Err(refused) => return Err(refused.into()),
        }
    }
    Err(Failure { retry_after: Some(1), ..Failure::conflict("the subscription is being changed by others; try again") })
}

/// 412: it is not what the caller read.
#[must_use]
pub fn changed() -> Failure {
    let message = "the subscription was changed since it was read; read it again and repeat with the ETag it has by then";
    Failure::new(StatusCode::PRECONDITION_FAILED, "PRECONDITION_FAILED", message)
}

/// Deletes a subscription of the account; what waits for it is cancelled.
///
/// # Errors
/// 404 when there is none; the store's own.
pub async fn delete(app: &App, account: AccountId, id: SubscriptionId) -> Result<(), Failure> {
    app.store.delete_subscription(account, id, app.now()).await??;
    app.configs.invalidate(account);
    Ok(())
}

/// A subscription of the account, of either level, as stored.
///
/// # Errors
/// The store's.
pub async fn find(app: &App, account: AccountId, id: SubscriptionId) -> Result<Option<Subscription>, Failure> {
    match app.store.subscription(id).await? {
        Some((owner, object)) if owner == account => Ok(Some(object.read()?)),
        _ => Ok(None),
    }
}

/// A fresh id of the sequence.
pub(crate) async fn fresh_id(app: &App) -> Result<SubscriptionId, StoreError> {
    let ids = app.store.next_subscription_ids(1).await?;
    ids.first().copied().ok_or_else(|| StoreError::Backend("no subscription id was given".to_owned()))
}

async fn try_own_connection(
    app: &App,
    account: &AccountConfig,
    before: Option<&Subscription>,
    next: &Subscription,
) -> Result<Option<String>, Failure> {
    match &next.proofs.oauth {
        OAuthUse::Own(connection) if connection_changed(before.map(|before| &before.proofs), connection) => {
            match connection::try_out(app, account, connection).await? {
                Trial::Verified => Ok(None),
                Trial::Unverified(why) => Ok(Some(format!("the connection was saved unverified: {why}"))),
            }
        }
        _ => Ok(None),
    }
}

fn saved(subscription: Subscription, unverified: Option<String>) -> Saved {
    let mut warnings = warnings(&subscription);
    warnings.extend(unverified);
    Saved { subscription, warnings }
}
