//! What the worker does, one file for each scenario.
//!
//! Most run over a real store with attempts that are played, on tokio's paused clock: days pass in no time, and an order of
//! things is the same at each run. What is about the wire runs against a real listener.

mod breaker;
mod budget;
mod chaos;
mod faulty_store;
mod hanging;
mod limits;
mod order;
mod panicking;
mod retry_count;
mod several_nodes;
mod shutdown;
mod standing;
mod support;
mod takeover;
