//! The binary as its users meet it: what it prints, where, and the exit code.
#![expect(clippy::unwrap_used, reason = "tests")]

mod help;
mod program;
mod signatures;
