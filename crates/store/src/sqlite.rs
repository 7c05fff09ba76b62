//! The embedded store: SQLite in a data directory, one process at a time.
//!
//! One thread writes ([`writer`](self)), merging what all callers brought into one transaction per fsync; a few read; one
//! copies the write-ahead log back. Durability rests on `journal_mode = WAL` with `synchronous = FULL`, which are set and
//! then checked; a failed fsync stops the writer for good.

mod account;
mod action;
mod attempt;
mod backup;
mod batch;
mod call;
mod checkpoint;
mod claim;
mod condition;
mod connection;
mod content;
mod credential;
mod delivery;
mod envelope;
mod event;
mod fault;
mod files;
mod hold;
mod idempotency;
mod job;
mod key_file;
mod listing;
mod migration;
mod node;
mod object;
mod operations;
mod reader;
mod record;
mod reserve;
mod retention;
mod rotation;
mod settle;
mod store;
mod subscription;
mod timer;
mod transaction;
mod transfer;
#[cfg(test)]
mod trouble;
mod upkeep;
mod value;
mod vaults;
mod writer;

use crate::checksum;

pub use backup::{BackupError, BackupProgress, backup, restore};
pub use fault::OpenError;
pub use files::{DATABASE_FILE, KEY_FILE};
pub use rotation::Rotated;
pub use store::{KeySource, Settings, SqliteStore};
pub use transfer::{SqliteSource, SqliteTarget};
