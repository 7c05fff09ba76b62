//! The worker's attempts, with a word to whoever watches.

use std::sync::Arc;

use async_trait::async_trait;
use countersign_core::{
    id::{AccountId, SubscriptionId},
    limits::Limits,
    outcome::Outcome,
};
use countersign_deliver::{
    attempt::Attempts,
    execute::{Execute, Executed},
    lane::Item,
};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::listen::{arrival::Forwarded, outlet::Outlet, tally::Tally};

/// Makes attempts and tells of them.
pub(super) struct Noticed {
    attempts: Arc<Attempts>,
    outlet: Outlet,
    tally: Arc<Tally>,
}

impl Noticed {
    /// Tells `outlet`, counts in `tally`.
    pub(super) fn new(attempts: Arc<Attempts>, outlet: Outlet, tally: Arc<Tally>) -> Self {
        Self { attempts, outlet, tally }
    }
}

#[async_trait]
impl Execute for Noticed {
    async fn execute(&self, item: &Item, stop: &CancellationToken) -> Executed {
        let began = Instant::now();
        let executed = self.attempts.execute(item, stop).await;
        if let Executed::Attempted { attempt: Some(attempt), outcome, .. } = &executed {
            let result = match outcome {
                Outcome::Accepted { status } => Ok(*status),
                _ => attempt.status.ok_or_else(|| attempt.error.clone().unwrap_or_else(|| outcome.class().to_owned())),
            };
            let forwarded =
                Forwarded { to: attempt.exchange.url.clone(), result, took: began.elapsed(), delivery: item.delivery.id.to_string() };
            self.tally.count_forward(&forwarded);
            self.outlet.forwarded(item.event.id, forwarded).await;
        }
        executed
    }

    async fn limits(&self, account: AccountId, subscription: SubscriptionId) -> Option<Limits> {
        self.attempts.limits(account, subscription).await
    }
}
