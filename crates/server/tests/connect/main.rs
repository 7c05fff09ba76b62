//! Connect and the same objects under `/api/v1`, driven in process over a store in a temp folder.
#![expect(clippy::unwrap_used, reason = "tests")]

mod certificates;
mod configurations;
mod historical;
mod house;
mod keys;
mod logs;
mod oauth;
mod retry_queue;
mod subscriptions;
mod tenants;
mod users;
