//! What every handler shares.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use countersign_core::{
    Timestamp,
    id::{AttemptId, CredentialId, DeliveryId, EventId, IdSource, JobId, TimerId},
};
use countersign_egress::{Egress, TokenSource};
use countersign_store::{
    Store,
    cache::ConfigCache,
    handover::{HandOver, NoHandOver},
};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::{
    clock::Clock,
    documents::{InProcess, Reader},
    inspector::Inspector,
    metrics::Metrics,
    settings::Settings,
    token_cache::TokenCache,
};

/// What every handler shares. Made once per process.
pub struct App {
    /// The system of record.
    pub store: Arc<dyn Store>,
    /// Accounts as matching reads them.
    pub configs: Arc<ConfigCache>,
    /// The way into the lanes of this process.
    pub hand_over: Arc<dyn HandOver>,
    /// Asks authorization servers for tokens, so that a connection is tried out when it is saved; `None` saves it unverified.
    pub token_source: Option<TokenSource>,
    /// The way out, for checks that ask authorization servers; `None` makes none of them.
    pub egress: Option<Egress>,
    /// What arrived at the account's bins.
    pub inspector: Inspector,
    /// Reads PDFs that came from outside; within this process unless it is told how else.
    pub reader: Reader,
    /// Tokens seen lately.
    pub tokens: TokenCache,
    /// Ids of this node.
    pub ids: Arc<IdSource>,
    /// The time.
    pub clock: Clock,
    /// Settings.
    pub settings: Settings,
    /// What is counted.
    pub metrics: Metrics,
    /// Cancelled when the process begins to stop: `/readyz` answers 503 and the loops end after their step.
    pub stopping: CancellationToken,
    /// A hint that a job was created; a lost one costs one poll interval.
    pub new_job: Notify,
    /// The disk budget is spent and nothing may be deleted: the retention loop sets it, the intake asks it.
    pub storage_full: AtomicBool,
}

impl App {
    /// With the given parts and, for the rest, what a process without a worker has; replace fields with `App { hand_over, ..App::new(..) }`.
    #[must_use]
    pub fn new(store: Arc<dyn Store>, ids: Arc<IdSource>, clock: Clock, settings: Settings) -> Self {
        Self {
            configs: Arc::new(ConfigCache::new(Arc::clone(&store))),
            inspector: Inspector::new(Arc::clone(&store), Arc::clone(&clock)),
            store,
            hand_over: Arc::new(NoHandOver),
            token_source: None,
            egress: None,
            reader: Reader::new(Arc::new(InProcess)),
            tokens: TokenCache::default(),
            ids,
            clock,
            settings,
            metrics: Metrics::default(),
            stopping: CancellationToken::new(),
            new_job: Notify::new(),
            storage_full: AtomicBool::new(false),
        }
    }

    /// True while the disk budget is spent and nothing may be deleted: events are refused with 507.
    #[must_use]
    pub fn is_storage_full(&self) -> bool {
        self.storage_full.load(Ordering::Relaxed)
    }

    /// Opens or closes the intake; the retention loop knows.
    pub fn set_storage_full(&self, full: bool) {
        self.storage_full.store(full, Ordering::Relaxed);
    }

    /// The time.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        (self.clock)()
    }

    /// A fresh event id.
    #[must_use]
    pub fn event_id(&self, now: Timestamp) -> EventId {
        EventId::from_raw(self.ids.next(now))
    }

    /// A fresh delivery id.
    #[must_use]
    pub fn delivery_id(&self, now: Timestamp) -> DeliveryId {
        DeliveryId::from_raw(self.ids.next(now))
    }

    /// A fresh attempt id.
    #[must_use]
    pub fn attempt_id(&self, now: Timestamp) -> AttemptId {
        AttemptId::from_raw(self.ids.next(now))
    }

    /// A fresh job id.
    #[must_use]
    pub fn job_id(&self, now: Timestamp) -> JobId {
        JobId::from_raw(self.ids.next(now))
    }

    /// A fresh timer id.
    #[must_use]
    pub fn timer_id(&self, now: Timestamp) -> TimerId {
        TimerId::from_raw(self.ids.next(now))
    }

    /// A fresh credential id.
    #[must_use]
    pub fn credential_id(&self, now: Timestamp) -> CredentialId {
        CredentialId::from_raw(self.ids.next(now))
    }
}
