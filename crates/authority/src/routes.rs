//! Every address of the authority.

use std::sync::Arc;

use axum::{
    Router,
    extract::DefaultBodyLimit,
    middleware,
    routing::{MethodRouter, get, post, put},
};

use crate::{
    endpoints::{control, discovery, introspection, revocation, token},
    fault::Endpoint,
    fault_answer::before_endpoint,
    form::BODY_BYTES_MAX,
    issuer::{INTROSPECTION, JWKS, METADATA, OPENID_METADATA, REVOCATION, TOKEN},
    state::State,
};

/// The endpoints, relative to the issuer.
pub(crate) fn below_issuer(state: &Arc<State>) -> Router {
    let mut router = Router::new()
        .route(TOKEN, failing(state, Endpoint::Token, post(token::issue)))
        .route(INTROSPECTION, failing(state, Endpoint::Introspection, post(introspection::introspect)))
        .route(REVOCATION, failing(state, Endpoint::Revocation, post(revocation::revoke)))
        .route(JWKS, failing(state, Endpoint::Jwks, get(discovery::jwks)))
        .route(METADATA, failing(state, Endpoint::Metadata, get(discovery::metadata)))
        .route(OPENID_METADATA, failing(state, Endpoint::Metadata, get(discovery::metadata)));
    if state.control_endpoints {
        router = router
            .route("/control/stats", get(control::stats))
            .route("/control/faults", get(control::faults).delete(control::clear))
            .route("/control/faults/{fault}", put(control::switch_on).delete(control::switch_off))
            .route("/control/delay/{milliseconds}", put(control::set_delay))
            .route("/control/keys/rotate", post(control::rotate_keys))
            .route("/control/keys/retire", post(control::retire_older_keys));
    }
    router.layer(DefaultBodyLimit::max(BODY_BYTES_MAX)).with_state(Arc::clone(state))
}

/// The metadata at the root of the issuer's host, where RFC 8414 §3.1 looks for that of an issuer with a path. Empty for
/// an issuer without one, whose metadata is there already.
pub(crate) fn at_root(state: &Arc<State>) -> Router {
    let path = state.issuer.path();
    if path.is_empty() {
        return Router::new();
    }
    Router::new()
        .route(&format!("{METADATA}{path}"), failing(state, Endpoint::Metadata, get(discovery::metadata)))
        .route(&format!("{OPENID_METADATA}{path}"), failing(state, Endpoint::Metadata, get(discovery::metadata)))
        .with_state(Arc::clone(state))
}

/// All of it, for a server of its own.
pub(crate) fn standalone(state: &Arc<State>) -> Router {
    match state.issuer.path() {
        "" => below_issuer(state),
        path => Router::new().nest(path, below_issuer(state)).merge(at_root(state)),
    }
}

/// An endpoint behind its counter and its faults.
fn failing(state: &Arc<State>, endpoint: Endpoint, route: MethodRouter<Arc<State>>) -> MethodRouter<Arc<State>> {
    route.route_layer(middleware::from_fn_with_state((Arc::clone(state), endpoint), before_endpoint))
}
