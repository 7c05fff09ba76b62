//! Lets held deliveries go when what held them is over: the subscription was resumed, or the authorization server gives tokens again.
//!
//! Nobody has to remember what was held, not over a restart either: the store names the subscriptions that have held
//! deliveries. For those that wait for a token the token source is asked, which makes one probe per step of its own back-off.

use std::sync::Arc;

use countersign_core::{delivery::Hold, subscription::Subscription};
use countersign_store::{
    StoreError,
    claim::{HeldSubscription, Release},
};
use tokio_util::sync::CancellationToken;

use crate::{attempt::Attempts, lanes::Lanes, route::NoRoute};

/// Subscriptions looked at in one query.
const SUBSCRIPTIONS_PER_QUERY: u32 = 500;
/// Rows released in one call: short enough not to hold up intake.
const ROWS_PER_RELEASE: u32 = 1_000;

/// Looks every poll interval, until `stop`.
pub(crate) async fn watch(attempts: Arc<Attempts>, lanes: Arc<Lanes>, stop: CancellationToken) {
    let poll = attempts.parts().settings.poll;
    loop {
        tokio::select! {
            () = stop.cancelled() => break,
            () = tokio::time::sleep(poll) => {}
        }
        if let Err(error) = look(&attempts, &lanes, &stop).await {
            tracing::error!(%error, "held deliveries cannot be looked after; trying again");
        }
    }
}

async fn look(attempts: &Attempts, lanes: &Lanes, stop: &CancellationToken) -> Result<(), StoreError> {
    let store = &attempts.parts().store;
    let mut after = None;
    loop {
        let held = store.held_subscriptions(after, SUBSCRIPTIONS_PER_QUERY).await?;
        let more = held.len() == SUBSCRIPTIONS_PER_QUERY as usize;
        after = held.last().map(|held| (held.subscription, held.held));
        for held in held {
            if stop.is_cancelled() {
                return Ok(());
            }
            if is_over(attempts, &held).await? {
                release(attempts, lanes, &held, stop).await?;
            }
        }
        if !more {
            return Ok(());
        }
    }
}

async fn is_over(attempts: &Attempts, held: &HeldSubscription) -> Result<bool, StoreError> {
    let parts = attempts.parts();
    let Some((config, subscription)) = parts.configs.subscription(held.account, held.subscription).await? else {
        // Deleted: the store has cancelled what waited, or is about to.
        return Ok(false);
    };
    match held.held {
        Hold::Paused | Hold::Disabled => Ok(subscription.hold() != Some(held.held)),
        Hold::NoToken if subscription.hold().is_some() => Ok(false),
        Hold::NoToken => {
            let integrator = match subscription.proofs.integrator {
                Some(account) => parts.configs.account(account).await?.unwrap_or(Arc::clone(&config)),
                None => Arc::clone(&config),
            };
            Ok(has_token(attempts, &config, &integrator, &subscription).await)
        }
    }
}

async fn has_token(
    attempts: &Attempts,
    config: &countersign_core::config::AccountConfig,
    integrator: &countersign_core::config::AccountConfig,
    subscription: &Subscription,
) -> bool {
    match attempts.routes().route(config, integrator, subscription) {
        Err(NoRoute::NoConnection) => false,
        // The settings changed so that the attempt itself must say what is wrong.
        Err(NoRoute::Misconfigured(_)) => true,
        Ok(route) => match &route.bound {
            None => true,
            Some(bound) => attempts.parts().tokens.token(bound).await.is_ok(),
        },
    }
}

async fn release(attempts: &Attempts, lanes: &Lanes, held: &HeldSubscription, stop: &CancellationToken) -> Result<(), StoreError> {
    let parts = attempts.parts();
    loop {
        let release = Release { subscription: held.subscription, held: held.held, now: (parts.clock)(), rows_max: ROWS_PER_RELEASE };
        let released = parts.store.release(release).await?;
        if released > 0 {
            tracing::info!(subscription.id = %held.subscription, held = held.held.as_str(), released, "held deliveries are released");
            lanes.due.notify_one();
        }
        if released < ROWS_PER_RELEASE || stop.is_cancelled() {
            return Ok(());
        }
    }
}
