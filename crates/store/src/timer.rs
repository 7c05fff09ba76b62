//! Timers: what is due at a time, leased like deliveries so that any node may do it and only one does.

use countersign_core::{
    Timestamp,
    id::{AccountId, EnvelopeId, Incarnation, TimerId},
};

/// A timer to set.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NewTimer {
    /// Its id.
    pub id: TimerId,
    /// What to do, as a stable word: `expire`, `expire_warning`, `remind`, `purge`, ...
    pub kind: String,
    /// When.
    pub due_at: Timestamp,
}

/// A claimed timer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Timer {
    /// Its id.
    pub id: TimerId,
    /// Whose.
    pub account: AccountId,
    /// The envelope it is about.
    pub envelope: EnvelopeId,
    /// What to do.
    pub kind: String,
    /// When it was due.
    pub due_at: Timestamp,
    /// Who holds it.
    pub leased_by: Incarnation,
}
