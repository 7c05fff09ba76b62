//! The worker: steps 4 to 7 of the path of an event.
//!
//! Deliveries come into a [`lane::Lane`], one for each listener, either straight from the server (a slot reserved before the
//! record, see [`countersign_store::handover`]) or by a claim from the store. Runners take them from there: **prepare** and
//! **send** in [`attempt`], **settle** in [`settlement`]. No lock and no transaction is held while a listener is spoken to.

use std::sync::Arc;

use countersign_core::Timestamp;

pub mod attempt;
mod body;
mod breakers;
mod echo;
pub mod execute;
mod holds;
pub mod lane;
pub mod lanes;
mod limits;
pub mod metrics;
mod news;
pub mod node;
pub mod pace;
mod parts;
pub mod round;
pub mod route;
pub mod settings;
pub mod settlement;
mod standing;
pub mod worker;

pub use settings::Settings;
pub use worker::Worker;

/// Tells the time; tests pass their own.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;
/// Gives 32 random bits; tests pass their own.
pub type Dice = Arc<dyn Fn() -> u32 + Send + Sync>;
