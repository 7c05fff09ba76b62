//! The Docusign-compatible REST API under `/restapi`. Docusign's names live here and in `core::message`; they are
//! translated once, in this module. One file per endpoint family.

use std::sync::Arc;

use axum::{Router, extract::OriginalUri};

use crate::{App, failure::Failure};

pub mod connect;
mod envelopes;
mod scope;
mod templates;
pub mod wire;

/// The routes below `/restapi`.
pub fn routes(_app: &Arc<App>) -> Router<Arc<App>> {
    Router::new()
        .nest("/v2.1/accounts/{account_id}", connect::routes().merge(envelopes::routes()).merge(templates::routes()))
        .fallback(nothing_here)
}

async fn nothing_here(OriginalUri(uri): OriginalUri) -> Failure {
    if scope::is_docusigns(uri.path().strip_prefix("/restapi").unwrap_or(uri.path())) {
        return Failure::not_implemented("this endpoint");
    }
    Failure::not_found("RESOURCE_NOT_FOUND", "there is nothing at this path")
}
