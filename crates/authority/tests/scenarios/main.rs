//! The authority as its clients and listeners see it: through its addresses.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on should stop where it is")]

mod assertions;
mod caller;
mod certificates;
mod control;
mod discovery;
mod faults;
mod guide;
mod introspection;
mod malformed;
mod over_tcp;
mod rows;
mod tokens;
