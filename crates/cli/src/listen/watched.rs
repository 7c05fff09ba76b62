//! What the checks and what stands behind them say of a request, carried in its extensions past the kit's layer.

use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use countersign_core::id::EventId;
use countersign_listener::Verdict;

use super::arrival::Forwarded;

/// What is said of one request. Clones share it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Watched(Arc<Notes>);

#[derive(Debug, Default)]
struct Notes {
    verdict: OnceLock<Verdict>,
    handed: OnceLock<Handed>,
}

/// What became of a message behind the checks.
#[derive(Debug, Default)]
pub(crate) struct Handed {
    /// The whole body.
    pub(crate) body: Bytes,
    /// Attempts to forward it at once.
    pub(crate) forwards: Vec<Forwarded>,
    /// The event under which the store has it.
    pub(crate) stored: Option<EventId>,
    /// The store had it before.
    pub(crate) duplicate: bool,
}

impl Watched {
    /// Keeps the layer's verdict, also of a request that it refuses. The first one stands: there is one for each request.
    pub(crate) fn note(&self, verdict: &Verdict) {
        let _ = self.0.verdict.set(verdict.clone());
    }

    /// Keeps what became of it behind the checks; likewise.
    pub(crate) fn hand(&self, handed: Handed) {
        let _ = self.0.handed.set(handed);
    }

    /// The layer's verdict.
    pub(crate) fn verdict(&self) -> Option<&Verdict> {
        self.0.verdict.get()
    }

    /// What became of it behind the checks; `None` when it did not get there.
    pub(crate) fn handed(&self) -> Option<&Handed> {
        self.0.handed.get()
    }
}
