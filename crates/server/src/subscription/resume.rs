//! Letting go what waited: deliveries are held while a subscription is paused, disabled or without a token, and somebody
//! has to release them when that ends.
//!
//! The first rows are released before the caller is answered, the rest in the background. Every save releases whatever
//! the subscription as saved gives no reason to hold, not only what this save ended: so a release that a crash cut off is
//! completed by the next save, and by [`reconcile`] at the next start.

use std::sync::Arc;

use countersign_core::{config::AccountConfig, delivery::Hold, id::SubscriptionId, subscription::Subscription};
use countersign_store::{StoreError, claim::Release};

use crate::App;

/// Rows released in one transaction: a few milliseconds of the writer's time.
const ROWS_MAX: u32 = 5_000;

/// Releases what the subscription gives no reason to hold, a missing token included: the worker finds out anew whether there is one.
///
/// # Errors
/// The store's; the subscription itself is saved by then, and saving it again repeats the release.
pub async fn resume(app: &Arc<App>, account: &AccountConfig, subscription: &Subscription) -> Result<(), StoreError> {
    let in_force = subscription.hold();
    let mut rest = Vec::new();
    for held in [Hold::Paused, Hold::Disabled, Hold::NoToken] {
        let ends = in_force != Some(held) && !(held == Hold::Paused && subscription.paused);
        if ends && release(app, subscription.id, held).await? >= ROWS_MAX {
            rest.push(held);
        }
    }
    let listener = subscription.listener(account.identity()).id();
    app.hand_over.wake(listener);
    if !rest.is_empty() {
        let (app, id) = (Arc::clone(app), subscription.id);
        tokio::spawn(async move {
            for held in rest {
                if let Err(error) = release_all(&app, id, held).await {
                    tracing::warn!(subscription.id = %id, hold = held.as_str(), %error, "held deliveries were not all released; saving the subscription again repeats it");
                }
            }
            app.hand_over.wake(listener);
        });
    }
    Ok(())
}

/// Releases, for every account-level subscription, what it gives no reason to hold: called once at start, for releases that a crash cut off.
///
/// # Errors
/// The store's.
pub async fn reconcile(app: &Arc<App>) -> Result<(), StoreError> {
    for account in app.store.accounts().await? {
        let Some(config) = app.configs.account(account.id).await? else { continue };
        for subscription in config.subscriptions.values() {
            for held in [Hold::Paused, Hold::Disabled] {
                if !(subscription.hold() == Some(held) || held == Hold::Paused && subscription.paused) {
                    release_all(app, subscription.id, held).await?;
                }
            }
        }
    }
    Ok(())
}

/// Releases everything that waits for a token of the account's connection, after the connection was saved.
///
/// # Errors
/// The store's.
pub async fn resume_after_connection(app: &Arc<App>, account: &AccountConfig) -> Result<(), StoreError> {
    for subscription in account.subscriptions.values() {
        if matches!(subscription.proofs.oauth, countersign_core::subscription::OAuthUse::Account) {
            resume(app, account, subscription).await?;
        }
    }
    Ok(())
}

async fn release_all(app: &App, subscription: SubscriptionId, held: Hold) -> Result<(), StoreError> {
    while release(app, subscription, held).await? >= ROWS_MAX {}
    Ok(())
}

async fn release(app: &App, subscription: SubscriptionId, held: Hold) -> Result<u32, StoreError> {
    app.store.release(Release { subscription, held, now: app.now(), rows_max: ROWS_MAX }).await
}
