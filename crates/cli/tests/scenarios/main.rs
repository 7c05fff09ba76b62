//! The binary from the outside: it is started, spoken to over its ports by programs that others wrote, killed and started
//! again.
#![expect(clippy::unwrap_used, reason = "tests")]

mod address_policy;
mod crash;
mod database_faults;
mod hostile_pdf;
mod listen;
mod listen_crash;
mod listen_screen;
mod moving;
mod nginx;
mod nodes_clocks;
mod nodes_killed;
mod nodes_stopped;
mod nodes_tokens;
mod oidc_provider;
mod sdk_node;
mod sdk_python;
mod several_nodes;
mod support;
mod two_versions;
