//! Our own API under `/api/v1`: strict JSON in, problem documents out. One file per noun.

use std::sync::Arc;

use axum::Router;

use crate::{App, failure::Failure};

mod accounts;
mod arrivals;
mod bin_form;
mod bins;
mod certificates;
mod connection;
mod deliveries;
mod delivery_filter;
mod delivery_shown;
mod envelopes;
pub mod events;
mod given;
mod integration_keys;
mod jobs;
mod keys;
pub mod name;
mod nodes;
mod oauth;
mod objects;
pub mod replay;
pub mod strict;
mod subscription_form;
mod subscriptions;
mod tokens;
mod users;
mod validity;

/// The routes below `/api/v1`, but for [`events::intake`].
pub fn routes() -> Router<Arc<App>> {
    let account = Router::new()
        .merge(accounts::account_routes())
        .merge(arrivals::routes())
        .merge(bins::routes())
        .merge(certificates::routes())
        .merge(deliveries::routes())
        .merge(envelopes::routes())
        .merge(events::routes())
        .merge(integration_keys::routes())
        .merge(jobs::routes())
        .merge(keys::routes())
        .merge(oauth::routes())
        .merge(replay::routes())
        .merge(subscriptions::routes())
        .merge(tokens::routes())
        .merge(users::routes());
    Router::new().merge(accounts::routes()).merge(nodes::routes()).nest("/accounts/{account_id}", account).fallback(nothing_here)
}

async fn nothing_here() -> Failure {
    Failure::not_found("RESOURCE_NOT_FOUND", "there is nothing at this path")
}
