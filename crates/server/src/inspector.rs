//! The inspector: addresses under `/i/{bin}` that take whatever is sent to them, keep it byte for byte, and tell what a listener of ours
//! would have said about it.
//!
//! A bin belongs to an account and is configured under `/api/v1`; its address is unguessable and needs no token, since that is what a
//! sender is given. What arrives is examined by the checks of the bin ([`checks`]), answered as the bin says ([`reply`]) and kept in
//! memory ([`memory`]), from where the API lists, streams, compares ([`comparison`]) and hands it out ([`forms`]).
//!
//! - **Bins are durable, arrivals are not.** A bin is an object in the store like any other, so that its address stays. Arrivals are kept
//!   by the process they came to, and go with it: each write to the store is a commit of the one writer that events wait for, and whoever
//!   knows an address must not be able to slow events down (`docs/adr/0013`).
//! - **Bounded in everything.** Count and bytes of a bin, bytes over all bins, bodies being read, requests being held open, streams,
//!   requests per second. What is too much is turned away, counted, and shown as a count.
//! - **Strangers cause no work beyond the examination.** An explanation is computed when somebody with a token looks at an arrival, one at
//!   a time, off the threads that serve.
//! - **Nothing a bin answers can act in the origin of the pages.** Whatever headers are configured, an answer carries a content security
//!   policy that sandboxes it, and cannot set cookies.

pub mod arrival;
pub mod bin;
pub mod bins;
pub mod checks;
pub mod comparison;
pub mod explanation;
mod fetch;
pub mod forms;
pub mod json_difference;
pub mod live;
pub mod memory;
mod pace;
pub mod reply;
pub mod shown;
pub mod token_shown;
pub mod verdict;

use std::sync::Arc;

use countersign_store::Store;
use tokio::sync::Semaphore;

use self::{bins::KnownBins, checks::Listeners, memory::Memory};
use crate::clock::Clock;

/// Requests whose body is being read and examined at once: with the longest bodies, 64 MiB.
const RECEIVING_MAX: usize = 8;
/// Requests held open at once, because their bin delays its answer or never gives one.
const HELD_MAX: usize = 64;
/// Live streams at once.
const STREAMS_MAX: usize = 32;

/// The inspector of one process.
pub struct Inspector {
    /// What arrived.
    pub memory: Memory,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) clock: Clock,
    pub(crate) bins: KnownBins,
    pub(crate) listeners: Listeners,
    pub(crate) receiving: Arc<Semaphore>,
    pub(crate) held: Arc<Semaphore>,
    pub(crate) streams: Arc<Semaphore>,
    /// One explanation or comparison at a time: each may take a few hundred milliseconds of one thread.
    pub(crate) thinking: Arc<Semaphore>,
}

impl Inspector {
    /// With nothing in it; bins are kept in this store.
    #[must_use]
    pub fn new(store: Arc<dyn Store>, clock: Clock) -> Self {
        let places = |count| Arc::new(Semaphore::new(count));
        Self {
            memory: Memory::default(),
            store,
            clock,
            bins: KnownBins::default(),
            listeners: Listeners::default(),
            receiving: places(RECEIVING_MAX),
            held: places(HELD_MAX),
            streams: places(STREAMS_MAX),
            thinking: places(1),
        }
    }
}

impl std::fmt::Debug for Inspector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Inspector").field("bytes", &self.memory.bytes()).finish_non_exhaustive()
    }
}
