//! The whole API on a screen: which surface answers which path.

use std::sync::Arc;

use axum::{Router, extract::DefaultBodyLimit, middleware, routing::get};

use crate::{
    App, api, failure, front, health, inspection,
    layers::{Surface, surround},
    login, openapi, problems, restapi, ui,
};

/// Everything, ready to serve.
pub fn router(app: &Arc<App>) -> Router {
    let within = |surface: Surface| middleware::from_fn_with_state(surface, surround);
    let surface = |name| Surface::new(app, name);
    let restapi =
        restapi::routes(app).merge(login::directory::routes()).layer(within(surface("restapi").in_form(failure::as_docusign).traced()));
    let api_surface = surface("api").in_form(failure::as_problem);
    let api = api::routes().layer(within(api_surface.clone()));
    let oauth = login::routes().layer(within(surface("oauth").in_form(failure::as_oauth)));
    let pages = ui::signing::routes().merge(problems::routes()).layer(within(surface("pages")));
    let inspector = inspection::receive::routes().layer(within(surface("inspector").with_bodies_untimed()));
    let mut router = Router::new()
        .nest("/restapi", restapi)
        .nest("/api/v1", api)
        .route("/api/openapi.json", get(openapi::openapi))
        .nest("/oauth", oauth)
        .route("/", get(front::line))
        .merge(pages)
        .merge(inspector);
    if !app.settings.operations_apart {
        router = router.merge(health::routes());
    }
    router
        .layer(DefaultBodyLimit::max(app.settings.envelope_bytes_max))
        .merge(api::events::intake(app).layer(within(api_surface)))
        .with_state(Arc::clone(app))
}

/// `/healthz`, `/readyz` and `/metrics` alone, for an address of their own (`--admin-listen`).
pub fn operations(app: &Arc<App>) -> Router {
    health::routes().with_state(Arc::clone(app))
}
