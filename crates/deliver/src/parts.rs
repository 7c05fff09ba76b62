//! What attempts are made with.

use std::sync::Arc;

use countersign_core::id::IdSource;
use countersign_egress::{Egress, TokenSource};
use countersign_store::{Store, cache::ConfigCache};

use crate::{Clock, settings::Settings};

/// What attempts need.
pub struct Parts {
    /// For documents.
    pub store: Arc<dyn Store>,
    /// Subscriptions and credentials as of now.
    pub configs: Arc<ConfigCache>,
    /// The only way out.
    pub egress: Egress,
    /// Bearer tokens.
    pub tokens: TokenSource,
    /// For attempt ids.
    pub ids: Arc<IdSource>,
    /// The time.
    pub clock: Clock,
    /// Settings.
    pub settings: Settings,
}

impl std::fmt::Debug for Parts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Parts").finish_non_exhaustive()
    }
}
