//! The store of several machines: PostgreSQL 15 and later, with any number of equal nodes.
//!
//! The tables, columns and meanings are those of the embedded store. What is different is who keeps them: there the one writer
//! does, here it is locks that are held for one short transaction.
//!
//! - Every statement is unnamed and carries its types, no session keeps anything: a transaction pooler may stand between.
//! - What callers of `record` and `settle` bring goes out in array statements: one for the whole batch where nothing has to be decided
//!   on the way (`record_at_once`, `settle_at_once`), otherwise one for each table (`batch`).
//! - A lease names an incarnation of a node and ends with it, by the clock of the database (`node`, `clock`). A claim passes
//!   over whatever another transaction holds (`claim`).
//! - Events and attempts are divided by day, and go by day; deliveries, which claims look through, are not (`day`).
//! - What failed before its commit is tried again; a commit whose outcome is not known never is (`transaction`, `doubt`).

mod account;
mod action;
mod address;
mod attempt;
mod batch;
mod breaker;
mod claim;
mod claims;
mod clock;
mod content;
mod credential;
mod day;
mod days;
mod delivery;
mod doubt;
mod envelope;
mod event;
mod fault;
mod hints;
mod hold;
mod idempotency;
mod importing;
mod job;
mod keys;
mod listing;
mod migration;
mod node;
mod object;
mod operations;
mod partition;
mod pool;
mod record;
mod record_at_once;
mod retention;
mod rotation;
mod server;
mod settle;
mod settle_at_once;
mod store;
mod subscription;
mod timer;
mod tls;
mod transaction;
mod transfer;
#[cfg(test)]
mod trouble;
mod upkeep;
mod value;
mod writers;

pub use fault::OpenError;
pub use keys::KeySource;
pub use migration::Migrated;
pub use rotation::{RotateError, Rotated};
pub use store::{PostgresStore, Settings};
pub use transfer::{PostgresSource, PostgresTarget};
