//! The rules of Countersign: what happened, who wants it, what is sent, what follows from the answer.
//!
//! Everything here is a value or a function of values. There is no I/O, no clock and no dice: time and chance are
//! arguments, so that every decision is tested as a table or a law.

pub mod auth;
pub mod event;
pub mod id;
pub mod secret;
pub mod time;

pub use secret::Secret;
pub use time::Timestamp;
