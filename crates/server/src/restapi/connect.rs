//! Connect: account-level configurations and everything below `/connect` (reference: 8.1), and the `eventNotification` of
//! an envelope. All of it needs an account administrator.

use std::sync::Arc;

use axum::{Router, extract::DefaultBodyLimit};

use crate::App;

mod basic;
pub(crate) mod configuration;
mod configurations;
mod connection;
pub mod notification;
mod property;
#[cfg(test)]
mod samples;
mod vocabulary;

/// The largest request, in bytes: a configuration with thousands of users is a few hundred kilobytes.
const BODY_BYTES_MAX: usize = 1 << 20;

/// The routes below `/v2.1/accounts/{account_id}`.
pub(super) fn routes() -> Router<Arc<App>> {
    Router::new().merge(configurations::routes()).layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
}
