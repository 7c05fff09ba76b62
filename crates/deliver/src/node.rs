//! The life of this node: an incarnation registered at start, renewed while it lives, retired at the end.
//!
//! Leases belong to the incarnation, not to rows: nothing is rewritten at start, and what a dead node held is claimable at
//! once when its row expires. A node that could not renew in time is another one afterwards; what the old one still settles is
//! refused by the store.

use std::{sync::Arc, time::Duration};

use countersign_core::id::Incarnation;
use countersign_store::{Store, StoreError, query::NodeRow};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::{Clock, Dice, settings::Settings};

/// How long to wait after the store failed to renew.
const RETRY: Duration = Duration::from_secs(1);

/// The present life of this node.
#[derive(Clone, Debug)]
pub struct Life {
    present: watch::Receiver<NodeRow>,
}

impl Life {
    /// The incarnation of now.
    #[must_use]
    pub fn incarnation(&self) -> Incarnation {
        self.present.borrow().incarnation
    }

    /// The 10-bit number that goes into ids.
    #[must_use]
    pub fn number(&self) -> u16 {
        self.present.borrow().number
    }

    /// Registers and keeps renewing until `stop`. `changed` is called with every new incarnation, and with `None` when the lease is over
    /// and no new one could be had yet.
    ///
    /// # Errors
    /// The store's, when the node cannot be registered at first.
    pub async fn begin(
        store: Arc<dyn Store>,
        name: String,
        settings: &Settings,
        clock: Clock,
        dice: Dice,
        stop: CancellationToken,
        changed: impl Fn(Option<Incarnation>) + Send + Sync + 'static,
    ) -> Result<(Self, tokio::task::JoinHandle<()>), StoreError> {
        let lease = settings.lease;
        let renew = settings.renew;
        let row = register(&*store, &name, lease, &clock, &dice).await?;
        changed(Some(row.incarnation));
        let (sender, present) = watch::channel(row);
        let task = tokio::spawn(async move {
            let mut expires_at = sender.borrow().expires_at;
            let mut wait = renew;
            loop {
                tokio::select! {
                    () = stop.cancelled() => break,
                    () = tokio::time::sleep(wait) => {}
                }
                let now = clock();
                let incarnation = sender.borrow().incarnation;
                wait = match store.renew_node(incarnation, now, lease).await {
                    Ok(Ok(())) => {
                        expires_at = now + lease;
                        renew
                    }
                    Ok(Err(_)) => match register(&*store, &name, lease, &clock, &dice).await {
                        Ok(row) => {
                            tracing::warn!(node.incarnation = %row.incarnation, "the lease of this node had run out; it goes on as a new one");
                            changed(Some(row.incarnation));
                            expires_at = row.expires_at;
                            sender.send_replace(row);
                            renew
                        }
                        Err(error) => {
                            tracing::error!(%error, "this node cannot register again; trying again");
                            changed(None);
                            RETRY
                        }
                    },
                    Err(error) => {
                        tracing::error!(%error, "the lease of this node cannot be renewed; trying again");
                        if now >= expires_at {
                            changed(None);
                        }
                        RETRY
                    }
                };
            }
        });
        Ok((Self { present }, task))
    }
}

async fn register(store: &dyn Store, name: &str, lease: Duration, clock: &Clock, dice: &Dice) -> Result<NodeRow, StoreError> {
    let seed = u64::from(dice()) << 32 | u64::from(dice());
    store.register_node(name, seed, clock(), lease).await
}
