//! The rules of Countersign: what happened, who wants it, what is sent, what follows from the answer.
//!
//! Everything here is a value or a function of values. There is no I/O, no clock and no dice: time and chance are
//! arguments, so that every decision is tested as a table or a law.

pub mod account;
pub mod address;
pub mod auth;
pub mod config;
pub mod delivery;
pub mod envelope;
pub mod event;
pub mod fan_out;
pub mod id;
pub mod limits;
pub mod listener;
pub mod matching;
pub mod message;
pub mod outcome;
pub mod retry;
pub mod secret;
pub mod shape;
pub mod standing;
pub mod subscription;
pub mod template;
pub mod time;

pub use secret::Secret;
pub use time::Timestamp;
