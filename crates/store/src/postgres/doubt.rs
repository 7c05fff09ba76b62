//! Claims in doubt: the connection broke while a claim was committing, so that what it took may be leased to this node without
//! anybody knowing. Left alone it would stay so for as long as the node lives. Hence it is given back before the node claims
//! anything further; where the commit did not take place, there is nothing to give back.

use std::sync::{Mutex, PoisonError};

use countersign_core::{
    Timestamp,
    id::{DeliveryId, Incarnation, JobId, TimerId},
};

/// Doubts kept at most; a claim in doubt makes further ones wait, so that there are never many.
const DOUBTS_MAX: usize = 64;

/// What may be leased unknown.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Doubt {
    /// Deliveries, and the time of the claim, when they were due.
    Deliveries(Incarnation, Timestamp, Vec<DeliveryId>),
    /// Timers.
    Timers(Incarnation, Vec<TimerId>),
    /// Jobs.
    Jobs(Incarnation, Vec<JobId>),
}

/// All doubts of this node.
#[derive(Debug, Default)]
pub(super) struct Doubts(Mutex<Vec<Doubt>>);

impl Doubts {
    /// Remembers one.
    pub(super) fn add(&self, doubt: Doubt) {
        tracing::warn!("a claim was cut off while it committed; what it took is given back");
        let mut doubts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if doubts.len() < DOUBTS_MAX {
            doubts.push(doubt);
        }
    }

    /// The oldest one.
    pub(super) fn first(&self) -> Option<Doubt> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).first().cloned()
    }

    /// The oldest one is settled.
    pub(super) fn settled(&self, doubt: &Doubt) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).retain(|known| known != doubt);
    }
}
