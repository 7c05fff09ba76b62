//! The Docusign-compatible REST API under `/restapi`. Docusign's names live here and in `core::message`; they are
//! translated once, in this module. One file per endpoint family.

use std::sync::Arc;

use axum::{Router, extract::OriginalUri, middleware};

use crate::{App, failure::Failure};

pub mod connect;
mod envelopes;
mod query;
mod scope;
mod templates;
pub mod wire;

/// The routes below `/restapi`.
pub fn routes(_app: &Arc<App>) -> Router<Arc<App>> {
    let documents = envelopes::routes().merge(templates::routes()).route_layer(middleware::from_fn(query::check));
    Router::new().nest("/v2.1/accounts/{account_id}", connect::routes().merge(documents)).fallback(nothing_here)
}

async fn nothing_here(OriginalUri(uri): OriginalUri) -> Failure {
    if scope::is_docusigns(uri.path().strip_prefix("/restapi").unwrap_or(uri.path())) {
        return Failure::not_implemented("this endpoint");
    }
    Failure::not_found("RESOURCE_NOT_FOUND", "there is nothing at this path")
}
