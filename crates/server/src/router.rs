//! The whole API on a screen: which surface answers which path.

use std::sync::Arc;

use axum::{Router, extract::DefaultBodyLimit, middleware};

use crate::{App, api, failure, restapi};

/// Everything, ready to serve.
pub fn router(app: &Arc<App>) -> Router {
    let restapi = restapi::routes(app).layer(middleware::from_fn(failure::as_docusign));
    let api = api::routes(app).layer(middleware::from_fn(failure::as_problem));
    Router::new()
        .merge(Router::new().nest("/restapi", restapi))
        .merge(Router::new().nest("/api/v1", api))
        .layer(DefaultBodyLimit::max(app.settings.envelope_bytes_max))
        .with_state(Arc::clone(app))
}
