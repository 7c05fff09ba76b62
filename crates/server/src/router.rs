//! The whole API on a screen: which surface answers which path.

use std::sync::Arc;

use axum::{Router, extract::DefaultBodyLimit, middleware, routing::get};

use crate::{App, api, failure, front, health, inspection, layers, login, openapi, problems, restapi, ui};

/// Everything, ready to serve.
pub fn router(app: &Arc<App>) -> Router {
    let count = |surface: &'static str| middleware::from_fn_with_state((Arc::clone(app), surface), layers::count);
    let panic = || middleware::from_fn(layers::catch_panic);
    let restapi = restapi::routes(app)
        .merge(login::directory::routes())
        .layer(panic())
        .layer(middleware::from_fn(failure::as_docusign))
        .layer(middleware::from_fn(layers::trace))
        .layer(count("restapi"));
    let api = api::routes(app).layer(panic()).layer(middleware::from_fn(failure::as_problem)).layer(count("api"));
    let oauth = login::routes().layer(panic()).layer(middleware::from_fn(failure::as_oauth)).layer(count("oauth"));
    let mut router = Router::new()
        .nest("/restapi", restapi)
        .nest("/api/v1", api)
        .route("/api/openapi.json", get(openapi::openapi))
        .nest("/oauth", oauth)
        .route("/", get(front::line));
    let pages = ui::signing::routes().merge(problems::routes()).layer(panic()).layer(count("pages"));
    let inspector = inspection::receive::routes().layer(panic()).layer(count("inspector"));
    router = router.merge(pages).merge(inspector);
    if !app.settings.operations_apart {
        router = router.merge(health::routes());
    }
    router.layer(DefaultBodyLimit::max(app.settings.envelope_bytes_max)).with_state(Arc::clone(app))
}

/// `/healthz`, `/readyz` and `/metrics` alone, for an address of their own (`--admin-listen`).
pub fn operations(app: &Arc<App>) -> Router {
    health::routes().with_state(Arc::clone(app))
}
