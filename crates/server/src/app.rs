//! What every handler shares.

use std::sync::Arc;

use countersign_core::{
    Timestamp,
    id::{AttemptId, CredentialId, DeliveryId, EventId, IdSource, JobId, TimerId},
};
use countersign_store::{Store, cache::ConfigCache, handover::HandOver};

use crate::{access::TokenCache, clock::Clock, settings::Settings};

/// What every handler shares. Made once per process.
pub struct App {
    /// The system of record.
    pub store: Arc<dyn Store>,
    /// Accounts as matching reads them.
    pub configs: Arc<ConfigCache>,
    /// The way into the lanes of this process.
    pub hand_over: Arc<dyn HandOver>,
    /// Tokens seen lately.
    pub tokens: TokenCache,
    /// Ids of this node.
    pub ids: Arc<IdSource>,
    /// The time.
    pub clock: Clock,
    /// Settings.
    pub settings: Settings,
}

impl App {
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
