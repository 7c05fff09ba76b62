//! Connect: account-level configurations and everything below `/connect` (reference: 8.1), and the `eventNotification` of
//! an envelope. All of it needs an account administrator.

use std::sync::Arc;

use axum::{Router, extract::DefaultBodyLimit};

use crate::App;

mod basic;
pub(crate) mod configuration;
mod configurations;
mod connection;
pub mod historical;
mod log_entry;
mod logs;
mod mobile_notifiers;
pub mod notification;
mod oauth;
mod parameters;
mod property;
mod retry_queue;
#[cfg(test)]
mod samples;
mod secret;
mod users;
pub(crate) mod vocabulary;

/// The largest request, in bytes: a configuration with thousands of users is a few hundred kilobytes.
const BODY_BYTES_MAX: usize = 1 << 20;

/// The routes below `/v2.1/accounts/{account_id}`.
pub(super) fn routes() -> Router<Arc<App>> {
    Router::new()
        .merge(configurations::routes())
        .merge(historical::routes())
        .merge(logs::routes())
        .merge(mobile_notifiers::routes())
        .merge(oauth::routes())
        .merge(retry_queue::routes())
        .merge(secret::routes())
        .merge(users::routes())
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
}
