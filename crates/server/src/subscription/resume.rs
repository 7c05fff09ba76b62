//! Letting go what waited: deliveries are held while a subscription is paused, disabled or without a token.
//!
//! The worker lets go, sooner or later, whatever nothing holds any more, and needs nobody to tell it; that covers crashes and
//! backlogs of any size. Here the first rows are let go with the save itself, so that who resumes a subscription sees it
//! work at once.

use std::sync::Arc;

use countersign_core::{
    config::AccountConfig,
    delivery::Hold,
    subscription::{OAuthUse, Subscription},
};
use countersign_store::{StoreError, claim::Release};

use crate::App;

/// Rows let go with a save: a few milliseconds of the writer's time.
const ROWS_MAX: u32 = 1_000;

/// Lets go what the subscription gives no reason to hold, a missing token included: the worker finds out anew whether there is one.
///
/// # Errors
/// The store's; the subscription itself is saved by then.
pub async fn resume(app: &Arc<App>, account: &AccountConfig, subscription: &Subscription) -> Result<(), StoreError> {
    let in_force = subscription.hold();
    let mut released = 0;
    for held in [Hold::Paused, Hold::Disabled, Hold::NoToken] {
        if in_force == Some(held) || held == Hold::Paused && subscription.paused {
            continue;
        }
        let release = Release { subscription: subscription.id, held, now: app.now(), rows_max: ROWS_MAX };
        released += app.store.release(release).await?;
    }
    if released > 0 {
        app.hand_over.wake(subscription.lane(account.identity()));
    }
    Ok(())
}

/// Lets go what waits for a token of the account's connection, after the connection was saved.
///
/// # Errors
/// The store's.
pub async fn resume_after_connection(app: &Arc<App>, account: &AccountConfig) -> Result<(), StoreError> {
    for subscription in account.subscriptions.values() {
        if matches!(subscription.proofs.oauth, OAuthUse::Account) {
            resume(app, account, subscription).await?;
        }
    }
    Ok(())
}
