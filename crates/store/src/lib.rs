//! The system of record: the [`Store`] trait, its embedded backend, sealed secrets, and the suite every backend passes.
//!
//! The trait is batch-first and speaks in the product's own operations. Nothing in it assumes one process: versions,
//! leases and due times are checked inside the store, never in the caller's memory. A call that returns `Ok` is on
//! stable storage.

pub mod breaker;
pub mod cache;
mod checksum;
pub mod claim;
mod codec;
#[cfg(feature = "conformance")]
pub mod conformance;
pub mod envelopes;
pub mod error;
pub mod handover;
pub mod job;
mod key_file;
mod lines;
pub mod objects;
pub mod part;
pub mod postgres;
mod private_file;
pub mod query;
pub mod record;
pub mod settle;
pub mod sqlite;
pub mod store;
pub mod timer;
pub mod transfer;
pub mod vault;

pub use codec::Compression;
pub use error::{Refused, StoreError};
pub use store::Store;
