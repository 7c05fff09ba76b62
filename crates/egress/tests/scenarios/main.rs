//! The way out against real servers on loopback: one file for each scenario.
#![expect(clippy::unwrap_used, reason = "tests")]

mod address_policy;
mod answers;
mod authorization_server;
mod certificates;
mod connections;
mod mutual_tls;
mod requests;
mod server;
mod token_answers;
mod token_cache;
mod token_requests;
