//! Our own API under `/api/v1`: strict JSON in, problem documents out. One file per noun.

use std::sync::Arc;

use axum::Router;
use countersign_core::{account::Account, event::Event};

use crate::{App, failure::Failure};

pub mod events;
pub mod strict;

/// The routes below `/api/v1`.
pub fn routes(app: &Arc<App>) -> Router<Arc<App>> {
    Router::new().nest("/accounts/{account_id}", Router::new().merge(events::routes(app))).fallback(nothing_here)
}

async fn nothing_here() -> Failure {
    Failure::not_found("RESOURCE_NOT_FOUND", "there is nothing at this path")
}

/// The domains of an envelope's recipients that are assigned to the account: what Recipient Connect goes by.
/// Events without an envelope have none.
pub(crate) fn recipient_domains(account: &Account, event: &Event) -> Vec<String> {
    let _ = (account, event);
    Vec::new()
}
