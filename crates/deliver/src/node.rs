//! The life of this node: an incarnation registered at start, renewed while it lives, retired at the end.
//!
//! Leases belong to the incarnation, not to rows: nothing is rewritten at start, and what a dead node held is claimable at
//! once when its row expires. A node that could not renew in time is another one afterwards; what the old one still settles is
//! refused by the store.
//!
//! A claim or a record whose answer was lost may have leased rows that nobody here knows of, or may do so yet, and which would stay leased
//! for as long as this life is renewed. So the node begins another life then ([`Life::give_up`]), and only then: what failed for certain
//! has leased nothing. The former one is renewed as long as anything in memory is leased to it, each of which keeps a [`Stake`] in it, and
//! retired after that, which lets go what was lost. Jobs and timers keep none: whoever does one goes on with it, and another may take it
//! over when that life ends.

use std::{sync::Arc, time::Duration};

use countersign_core::id::Incarnation;
use countersign_store::{Store, StoreError, query::NodeRow};
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

use crate::{Clock, Dice, settings::Settings};

/// How long to wait after the store failed to renew.
const RETRY: Duration = Duration::from_secs(1);
/// Between two lives that follow each other by choice, so that a store that loses every answer is not also given lives without an end.
const APART: Duration = Duration::from_secs(1);
/// Former lives that are kept alive; beyond that the oldest runs out, as that of a node that died.
const FORMER_MAX: usize = 16;

/// Kept by whatever is leased to a life.
#[derive(Clone, Debug, Default)]
pub struct Stake(Arc<()>);

impl Stake {
    fn is_the_last(&self) -> bool {
        Arc::strong_count(&self.0) == 1
    }
}

/// A life to which something may be leased.
#[derive(Clone, Debug)]
pub struct Lease {
    /// Which.
    pub incarnation: Incarnation,
    /// Goes with what is leased.
    pub stake: Stake,
}

/// The present life of this node.
#[derive(Clone, Debug)]
pub struct Life {
    present: watch::Receiver<(NodeRow, Stake)>,
    given_up: Arc<Notify>,
}

impl Life {
    /// The incarnation of now.
    #[must_use]
    pub fn incarnation(&self) -> Incarnation {
        self.present.borrow().0.incarnation
    }

    /// The incarnation of now, for leasing to it.
    #[must_use]
    pub fn lease(&self) -> Lease {
        let (row, stake) = &*self.present.borrow();
        Lease { incarnation: row.incarnation, stake: stake.clone() }
    }

    /// The 10-bit number that goes into ids.
    #[must_use]
    pub fn number(&self) -> u16 {
        self.present.borrow().0.number
    }

    /// Waits for another life; false when there will be none.
    pub async fn changed(&mut self) -> bool {
        self.present.changed().await.is_ok()
    }

    /// Something may be leased to this life that nobody knows of: another one begins soon.
    pub fn give_up(&self) {
        self.given_up.notify_one();
    }

    /// Registers and keeps renewing until `stop`. `changed` is called with every new life, and with `None` when the lease is over
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
        changed: impl Fn(Option<Lease>) + Send + Sync + 'static,
    ) -> Result<(Self, tokio::task::JoinHandle<()>), StoreError> {
        let register = Register { store, name, lease: settings.lease, clock, dice };
        let row = register.anew().await?;
        let expires_at = row.expires_at;
        let (sender, present) = watch::channel((row, Stake::default()));
        let life = Self { present, given_up: Arc::default() };
        changed(Some(life.lease()));
        let lives = Lives { register, present: sender, expires_at, former: Vec::new(), renew: settings.renew, changed };
        let task = tokio::spawn(lives.keep(Arc::clone(&life.given_up), stop));
        Ok((life, task))
    }
}

/// What registering takes.
struct Register {
    store: Arc<dyn Store>,
    name: String,
    lease: Duration,
    clock: Clock,
    dice: Dice,
}

impl Register {
    async fn anew(&self) -> Result<NodeRow, StoreError> {
        let seed = u64::from((self.dice)()) << 32 | u64::from((self.dice)());
        self.store.register_node(&self.name, seed, (self.clock)(), self.lease).await
    }

    async fn retire(&self, incarnation: Incarnation) {
        if let Err(error) = self.store.retire_node(incarnation, (self.clock)()).await {
            tracing::warn!(%error, node.incarnation = %incarnation, "a life that was given up could not be retired; it runs out by itself");
        }
    }
}

/// The present life and those that were given up.
struct Lives<F> {
    register: Register,
    present: watch::Sender<(NodeRow, Stake)>,
    expires_at: countersign_core::Timestamp,
    former: Vec<Lease>,
    renew: Duration,
    changed: F,
}

impl<F: Fn(Option<Lease>) + Send + Sync> Lives<F> {
    async fn keep(mut self, given_up: Arc<Notify>, stop: CancellationToken) {
        let mut wait = self.renew;
        let mut earliest = tokio::time::Instant::now();
        loop {
            let to_give_up = async {
                tokio::time::sleep_until(earliest).await;
                given_up.notified().await;
            };
            tokio::select! {
                () = stop.cancelled() => break,
                () = to_give_up => {
                    earliest = tokio::time::Instant::now() + APART;
                    if !self.succeed().await {
                        given_up.notify_one();
                        // The next look is not put off by this.
                        tokio::select! {
                            () = stop.cancelled() => break,
                            () = tokio::time::sleep(RETRY) => {}
                        }
                    }
                }
                () = tokio::time::sleep(wait) => {}
            }
            wait = self.renew_present().await;
            self.look_after_former().await;
        }
        for former in self.former {
            self.register.retire(former.incarnation).await;
        }
    }

    /// Renews the present life, or begins another where it has run out. Answers when to look again.
    async fn renew_present(&mut self) -> Duration {
        let register = &self.register;
        let now = (register.clock)();
        let incarnation = self.present.borrow().0.incarnation;
        match register.store.renew_node(incarnation, now, register.lease).await {
            Ok(Ok(())) => {
                self.expires_at = now + register.lease;
                self.renew
            }
            Ok(Err(_)) => match register.anew().await {
                Ok(row) => {
                    tracing::warn!(node.incarnation = %row.incarnation, "the lease of this node had run out; it goes on as a new one");
                    self.begin(row);
                    self.renew
                }
                Err(error) => {
                    tracing::error!(%error, "this node cannot register again; trying again");
                    (self.changed)(None);
                    RETRY
                }
            },
            Err(error) => {
                tracing::error!(%error, "the lease of this node cannot be renewed; trying again");
                if now >= self.expires_at {
                    (self.changed)(None);
                }
                RETRY
            }
        }
    }

    /// Begins another life and keeps the present one as a former. False when the store did not take it.
    async fn succeed(&mut self) -> bool {
        match self.register.anew().await {
            Ok(row) => {
                tracing::warn!(node.incarnation = %row.incarnation, "an answer of the store was lost, and what it leased is not known; this node goes on as a new one");
                let (former, stake) = self.present.borrow().clone();
                self.former.push(Lease { incarnation: former.incarnation, stake });
                if self.former.len() > FORMER_MAX {
                    self.former.remove(0);
                }
                self.begin(row);
                true
            }
            Err(error) => {
                tracing::error!(%error, "this node cannot begin another life; trying again");
                false
            }
        }
    }

    fn begin(&mut self, row: NodeRow) {
        self.expires_at = row.expires_at;
        let lease = Lease { incarnation: row.incarnation, stake: Stake::default() };
        self.present.send_replace((row, lease.stake.clone()));
        (self.changed)(Some(lease));
    }

    /// Retires former lives to which nothing in memory is leased any more, and renews the others.
    async fn look_after_former(&mut self) {
        let mut kept = Vec::with_capacity(self.former.len());
        for former in std::mem::take(&mut self.former) {
            if former.stake.is_the_last() {
                self.register.retire(former.incarnation).await;
                continue;
            }
            let register = &self.register;
            match register.store.renew_node(former.incarnation, (register.clock)(), register.lease).await {
                // It ran out: what it still settles is refused.
                Ok(Err(_)) => {}
                Ok(Ok(())) | Err(_) => kept.push(former),
            }
        }
        self.former = kept;
    }
}
