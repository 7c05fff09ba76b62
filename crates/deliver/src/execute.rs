//! What a runner asks to be done with a delivery: one attempt, or the finding that none can be made.

use std::sync::Arc;

use async_trait::async_trait;
use countersign_core::{
    id::{AccountId, ListenerId, SubscriptionId},
    limits::Limits,
    outcome::Outcome,
    retry::RetryPolicy,
};
use countersign_store::settle::AttemptRow;
use tokio_util::sync::CancellationToken;

use crate::lane::Item;

/// What came of trying.
#[derive(Debug)]
pub enum Executed {
    /// An attempt was made, or could not be made for a reason that counts as its outcome.
    Attempted {
        /// The exchange, when there was one.
        attempt: Option<Arc<AttemptRow>>,
        /// What it came to.
        outcome: Outcome,
        /// The rules for what follows.
        policy: RetryPolicy,
    },
    /// The subscription was deleted meanwhile: nobody wants it any more.
    Unwanted,
    /// The store or the configuration could not be read: try again shortly, nothing was sent.
    NotNow,
    /// The subscription was given limits after this was recorded: it belongs into the lane of its own.
    Elsewhere(ListenerId),
}

/// Makes attempts. Implemented by [`crate::attempt::Attempts`]; tests of the lanes bring their own.
#[async_trait]
pub trait Execute: Send + Sync + 'static {
    /// One attempt. `stop` is cancelled when the grace of a shutdown is over: end at once with [`Outcome::Interrupted`].
    async fn execute(&self, item: &Item, stop: &CancellationToken) -> Executed;

    /// What a subscription asks for as of now, for the lane of its own; `None` when that cannot be read. One that was deleted asks
    /// for nothing.
    async fn limits(&self, account: AccountId, subscription: SubscriptionId) -> Option<Limits>;
}
