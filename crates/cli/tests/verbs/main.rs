//! The binary as its users meet it: what it prints, where, and the exit code.
#![expect(clippy::unwrap_used, reason = "tests")]

mod authorization;
mod connection;
mod data;
mod explanations;
mod guide;
mod help;
mod judges;
mod measuring;
mod messages;
mod mistyped;
mod moving;
mod operating;
mod pipes;
mod program;
mod refusing;
mod server;
mod signatures;
mod stopping;
mod strangers;
